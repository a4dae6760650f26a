"""The top of Explore: the way to Learn, link with QR code, formula, words, and a guess by hand."""

import re
from pathlib import Path

import pytest

from tests.support.browser import AT_REST, CHROMIUM, DRAWN, ROOT, steady

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"no {CHROMIUM}: apt-get install chromium"),
    pytest.mark.skipif(not (ROOT / "pretrained/sinewave/inn.safetensors").exists(), reason="no trained models"),
]


def test_a_first_visitor_finds_learn_formula_words_and_link_without_scrolling(address, watch):
    page = watch().open(f"{address}/?task=robotic_arm&n=25")
    page.get_by_role("button", name="About Ω").click()
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
    link = page.locator("code", has_text="view=Localization")
    assert link.inner_text().startswith(address)
    assert "task=robotic_arm" in link.inner_text()
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
    page.get_by_text(re.compile(r"Your best of (1 try|\d tries)")).wait_for()
    page.wait_for_selector(AT_REST)
    assert page.get_by_text("off by", exact=False).first.inner_text() != before
    page.get_by_role("button", name="Now watch iPage").click()
    page.wait_for_selector(".st-key-animation")
    page.wait_for_function(DRAWN, arg=1.2)


HANDLE = """k => {
    const figure = document.querySelector('.st-key-guess .js-plotly-plot'), box = figure?.getBoundingClientRect();
    if (!figure?._fullLayout?.meta?.handles) return null;
    const { xaxis, yaxis, meta } = figure._fullLayout, [x, y] = meta.handles[k];
    return [box.left + xaxis._offset + xaxis.d2p(x), box.top + yaxis._offset + yaxis.d2p(y), x, y];
}"""


def drag(page, handle, across, up):
    """Drag a point of the guess with the mouse, by pixels; → its old and its new place, in units of the axes."""
    steady(page)
    left, top, *before = page.evaluate(HANDLE, handle)
    page.mouse.move(left + 2, top - 2)
    page.mouse.down()
    for part in (0.3, 0.6, 1):
        page.mouse.move(left + part * across, top - part * up)
        page.wait_for_timeout(150)
    page.mouse.up()
    moved = f"old => {{ const now = ({HANDLE})({handle}); return now && now[2] !== old[0]; }}"
    page.wait_for_function(moved, arg=before)
    steady(page)
    return before, page.evaluate(HANDLE, handle)


def test_a_guess_is_dragged_to_another_place_and_counts_once(address, watch):
    page = watch().open(f"{address}/?view=Guess&n=25")
    page.get_by_text("No try yet").wait_for()
    (x, y), (*_, new_x, new_y) = drag(page, 0, 60, 40)
    assert new_x > x + 0.1
    assert new_y > y + 0.05
    shown = [float(page.get_by_role("slider", name=name).input_value()) for name in ("x₁", "x₂")]
    assert shown == pytest.approx([new_x, new_y], abs=0.01)
    page.get_by_text("Your best of 1 try").wait_for()
    assert page.get_by_text(re.compile("off by|a hit!")).first.is_visible()


def test_the_hand_of_a_guessed_arm_is_dragged(address, watch):
    page = watch().open(f"{address}/?task=robotic_arm&view=Guess&n=25")
    steady(page)
    elbow = page.evaluate(HANDLE, 2)[2:]
    _, (*_, y) = drag(page, 3, -30, 80)
    assert page.evaluate(HANDLE, 2)[2:] == pytest.approx(elbow)
    assert y > 0.1


def test_the_projected_figure_takes_the_screen(address, watch):
    page = watch(width=1920, height=1080).open(f"{address}/?n=25")
    page.get_by_role("button", name="Projector").wait_for()  # the key works from then on
    page.keyboard.press("f")
    page.get_by_role("button", name="All settings").wait_for()
    page.wait_for_function("() => document.querySelector('.st-key-animation .js-plotly-plot')?.clientHeight > 800")
    bottom = "document.querySelector('.st-key-animation .js-plotly-plot').getBoundingClientRect().bottom"
    page.wait_for_selector(AT_REST)
    page.wait_for_function(f"() => {bottom} <= 1080")
    panel = "() => document.querySelector('.bglayer rect.bg').getBoundingClientRect().height"
    assert page.evaluate(panel) > 600


def test_the_button_that_opens_the_settings_says_so(address, watch):
    page = watch(width=390, height=844).open(f"{address}/?n=25")
    opens = page.get_by_role("button", name="Settings and pages")
    opens.wait_for()
    words = "it => getComputedStyle(it, '::after').content"
    assert opens.evaluate(words) == '"Settings and pages"'
    assert opens.bounding_box()["width"] > 120
    opens.click()
    page.get_by_role("slider", name=re.compile("Number of designs")).wait_for()
    page.get_by_role("link", name="Learn", exact=True).wait_for()
