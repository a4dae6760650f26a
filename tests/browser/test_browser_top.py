"""The top of Explore: the way to Learn, link with QR code, formula, words, and a guess by hand."""

import re
from pathlib import Path

import pytest

from tests.support.browser import AT_REST, CHROMIUM, DRAWN, ROOT

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"no {CHROMIUM}: apt-get install chromium"),
    pytest.mark.skipif(not (ROOT / "pretrained/sinewave/inn.safetensors").exists(), reason="no trained models"),
]


def test_a_first_visitor_finds_learn_formula_words_and_link_without_scrolling(address, watch):
    page = watch().open(f"{address}/?task=robotic_arm&n=25")
    page.get_by_role("button", name="Ω").click()
    sketch = page.get_by_alt_text("Sketch of Ω")
    sketch.wait_for()
    assert sketch.evaluate("it => it.naturalWidth > 0 && it.getBoundingClientRect().bottom <= innerHeight")
    assert page.locator(".katex").first.is_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Words").click()
    page.get_by_text("simple random sampling: latent points").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("button", name=re.compile("Link")).click()
    code = page.get_by_alt_text("QR code of the link")
    code.wait_for()
    assert code.evaluate("it => it.naturalWidth > 50")
    page.keyboard.press("Escape")
    link = page.get_by_role("link", name="First time here? Start with Learn")
    assert link.evaluate("it => it.getBoundingClientRect().bottom") < 300
    link.click()
    page.get_by_text("1 of 10: One target, many designs").wait_for()


def test_a_guess_is_judged_at_once_and_ipage_answers(address, watch):
    page = watch().open(f"{address}/?view=Guess&n=25")
    before = page.get_by_text("off by", exact=False).first.inner_text()
    slider = page.get_by_role("slider", name="x₁")
    slider.focus()
    for _ in range(6):
        slider.press("ArrowRight")
    page.get_by_text(re.compile(r"Your best of \d+ tries")).wait_for()
    page.wait_for_selector(AT_REST)
    assert page.get_by_text("off by", exact=False).first.inner_text() != before
    page.get_by_role("button", name="Now watch iPage").click()
    page.wait_for_selector(".st-key-animation")
    page.wait_for_function(DRAWN, arg=1.2)


def test_the_projected_figure_takes_the_screen(address, watch):
    page = watch(width=1920, height=1080).open(f"{address}/?n=25")
    page.keyboard.press("f")
    page.get_by_role("button", name="All settings").wait_for()
    page.wait_for_function("() => document.querySelector('.st-key-animation .js-plotly-plot')?.clientHeight > 800")
    bottom = "() => document.querySelector('.st-key-animation .js-plotly-plot').getBoundingClientRect().bottom"
    page.wait_for_selector(AT_REST)
    assert page.evaluate(bottom) <= 1080
    panel = "() => document.querySelector('.bglayer rect.bg').getBoundingClientRect().height"
    assert page.evaluate(panel) > 600
