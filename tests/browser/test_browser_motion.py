"""Automatic motion: the switch of starts, and galleries without flicker."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.browser import AT_REST, CHROMIUM, ROOT, Watched, chromium, server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"no {CHROMIUM}: apt-get install chromium"),
    pytest.mark.skipif(not (ROOT / "pretrained/sinewave/inn.safetensors").exists(), reason="no trained models"),
]
STARTS = """() => [...document.querySelectorAll('.st-key-animation .subplot.xy .scatterlayer path.point')].map(
    p => p.getAttribute('transform')?.match(/[-.0-9]+/g).map(Number)).filter(Boolean)"""
META = "() => document.querySelector('.st-key-animation .js-plotly-plot')?._fullLayout?.meta?.run"


@pytest.fixture(scope="module")
def address():
    with server() as (address, _):
        yield address


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def watched(browser):
    watched = Watched(browser, height=1300)
    yield watched
    errors, abroad = list(watched.errors), list(watched.abroad)
    watched.context.close()
    assert errors == []
    assert abroad == []


def test_one_switch_shows_starts_from_the_prior_and_comes_back(address, watched):
    page = watched.open(f"{address}/?n=25&play=false")
    at_first = page.evaluate(META)
    page.get_by_text("the prior (control)").click()
    page.wait_for_function("() => location.search.includes('method=')")
    page.wait_for_function(f"first => {{ const run = ({META})(); return run && run !== first; }}", arg=at_first)
    page.wait_for_selector(AT_REST)
    page.get_by_text("step (0: prior)").wait_for()
    page.get_by_text("the posterior", exact=True).click()
    page.wait_for_function("() => !location.search.includes('method=')")
    page.wait_for_function(f"first => ({META})() === first", arg=at_first)


def test_the_gallery_of_cells_never_flashes(address, watched):
    page = watched.open(f"{address}/?task=architecture&n=8&play=false")
    page.wait_for_selector(".st-key-animation .hm image")
    page.wait_for_timeout(1000)
    box = page.locator(".st-key-animation .subplot.xy .draglayer, .st-key-animation .draglayer .xy").first
    box = box.bounding_box()
    tape, pictures = page.context.new_cdp_session(page), []

    def frame(event):
        pictures.append(event["data"])
        tape.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]})

    tape.on("Page.screencastFrame", frame)
    tape.send("Page.startScreencast", {"format": "jpeg", "quality": 60, "everyNthFrame": 1})
    for _ in range(12):
        if len(pictures) >= 50:
            break
        page.locator(".updatemenu-button", has_text="Play").first.click()
        page.wait_for_timeout(5000)
    tape.send("Page.stopScreencast")
    assert len(pictures) >= 50
    solid = []
    for picture in pictures:
        grey = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))).convert("L"))
        scale = grey.shape[1] / 1440
        top, left, side = (int(scale * v) for v in (box["y"], box["x"], 0.9 * min(box["width"], box["height"])))
        solid.append(float((grey[top : top + side, left : left + side] < 128).mean()))
    assert min(solid) > 0.5 * np.median(solid)
