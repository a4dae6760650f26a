"""The app in headless Chromium, with the trained models that ship with it."""

import csv
from pathlib import Path

import numpy as np
import pytest

from tests.browser import AT_REST, CHROMIUM, DRAWN, ROOT, Watched, chromium, server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"no {CHROMIUM}: apt-get install chromium"),
    pytest.mark.skipif(
        not (ROOT / "pretrained/sinewave/inn.safetensors").exists(), reason="no trained sinewave model in pretrained/"
    ),
]

# Texts that are drawn over each other or cut off at the figure's edge. Numbers on loops lie on purpose where they lie.
CLASHES = """() => {
    const figure = document.querySelector('.js-plotly-plot'), edge = figure.getBoundingClientRect();
    const texts = [...figure.querySelectorAll('text')].filter(t => t.textContent.trim() && !t.closest('.scatterlayer')
        && !t.closest('.slider-labels') && t.getBoundingClientRect().width > 2);
    const boxes = texts.map(t => [t.textContent, t.getBoundingClientRect()]);
    const found = [];
    for (const [text, b] of boxes)
        if (b.left < edge.left - 1 || b.right > edge.right + 1 || b.bottom > edge.bottom + 1)
            found.push('cut off: ' + text);
    for (let i = 0; i < boxes.length; i++) for (let j = i + 1; j < boxes.length; j++) {
        const [a, b] = [boxes[i][1], boxes[j][1]];
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (across > 2 && down > 3) found.push(boxes[i][0] + ' | ' + boxes[j][0]);
    }
    return found;
}"""
STEP = "() => document.querySelector('.js-plotly-plot')._fullLayout._currentFrame"
DOTS = """() => [...document.querySelectorAll('.js-plotly-plot .subplot.xy .scatterlayer .trace path.point')].map(
    p => p.getAttribute('transform').match(/[-.0-9]+/g).map(Number))"""


@pytest.fixture(scope="module")
def address():
    with server() as (address, _):
        yield address


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def watch(browser):
    opened = []

    def make(**settings):
        opened.append(Watched(browser, **settings))
        return opened[-1]

    yield make
    for watched in opened:
        errors, abroad = list(watched.errors), list(watched.abroad)
        watched.context.close()
        assert errors == []
        assert abroad == []


def press(page, label):
    page.locator(".updatemenu-button", has_text=label).first.click()


def test_play_pause_step_and_scrub(address, watch):
    page = watch().open(f"{address}/?method=prior-lm&n=50&omega=1")
    rest = page.evaluate(DOTS)
    press(page, "Step ›")
    page.wait_for_function(f"({STEP})() === 'step 1'")
    press(page, "Step ›")
    page.wait_for_function(f"({STEP})() === 'step 2'")
    press(page, "‹ Step")
    page.wait_for_function(f"({STEP})() === 'step 1'")
    page.wait_for_timeout(600)
    moved = page.evaluate(DOTS)
    assert np.abs(np.subtract(moved, rest)).max() > 1

    press(page, "Fast")
    page.wait_for_function(f"({STEP})() === 'step 4'")
    press(page, "Pause")
    page.wait_for_timeout(700)
    paused = page.evaluate(STEP)
    page.wait_for_timeout(700)
    assert page.evaluate(STEP) == paused

    rail = page.locator(".slider-rail-touch-rect").first.bounding_box()
    page.mouse.click(rail["x"] + 4, rail["y"] + rail["height"] / 2)
    page.wait_for_function(f"({STEP})() === 'prior'")
    press(page, "Fast")
    page.wait_for_function(f"({STEP})() === 'correction 1'")
    page.wait_for_timeout(700)
    assert np.abs(np.subtract(page.evaluate(DOTS), rest)).max() < 0.1


def test_a_new_target_draws_a_new_figure_and_the_address_brings_it_back(address, watch):
    page = watch().open(address)
    number = page.get_by_label("Target y*").first
    number.fill("0.8")
    number.press("Enter")
    page.wait_for_function(DRAWN, arg=0.8)
    page.wait_for_function("() => location.search.includes('y1=0.8')")
    page.locator(".st-key-target-1 input[type=range]").press("ArrowRight")
    page.wait_for_function(DRAWN, arg=0.81)
    page.wait_for_function("() => location.search.includes('y1=0.81')")
    text = page.locator("h4").first.inner_text()
    again = watch().open(page.url, target=0.81)
    assert again.locator("h4").first.inner_text() == text


def test_the_download_is_the_table_of_all_stages(address, watch):
    page = watch().open(f"{address}/?n=25")
    with page.expect_download() as download:
        page.get_by_text("Download CSV").click()
    with open(download.value.path(), newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 50
    assert [row["stage"] for row in rows] == ["posterior"] * 25 + ["localized"] * 25
    assert all(float(row["resim_error"]) >= 0 for row in rows[25:])


@pytest.mark.parametrize("width", [390, 768, 1024, 1280, 1440, 1920])
def test_nothing_overlaps_or_is_cut_off(address, watch, width):
    page = watch(width=width, height=900, theme="dark" if width % 3 else "light").open(address)
    page.wait_for_timeout(1500)
    page.wait_for_selector(AT_REST)
    assert page.evaluate(CLASHES) == []
    assert page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth") <= 0


def test_the_figure_follows_the_width_of_the_page(address, watch):
    page = watch(width=390, height=844).open(address)
    page.wait_for_function("() => document.querySelector('.js-plotly-plot')._fullLayout.height > 900")
    page.set_viewport_size({"width": 1440, "height": 900})
    page.wait_for_function("() => document.querySelector('.js-plotly-plot')._fullLayout.height < 700")
