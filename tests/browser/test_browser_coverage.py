"""The view Coverage in headless Chromium: the figure appears on request, gaps are filled, nothing is cut off."""

from pathlib import Path

import pytest

from tests.support.browser import AT_REST, CHROMIUM, ROOT, TIMEOUT, Watched, chromium, server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"no {CHROMIUM}: apt-get install chromium"),
    pytest.mark.skipif(not (ROOT / "pretrained/sinewave/inn.safetensors").exists(), reason="no trained INN"),
]
DRAWN = ".stMain .js-plotly-plot .scatterlayer .trace"


def test_did_we_find_them_all():
    with server() as (address, _), chromium() as browser:
        watched = Watched(browser, width=390)
        page = watched.page
        page.goto(f"{address}/?task=sinewave&n=25&view=Coverage&within=0.05")
        page.get_by_role("button", name="Work out the coverage").click(timeout=TIMEOUT)
        page.get_by_text("Proved: exactly 9 separate pieces").wait_for(timeout=TIMEOUT)
        page.locator(DRAWN).first.wait_for(timeout=TIMEOUT)
        page.get_by_role("button", name="Fill the gaps").click()
        page.get_by_text("designs added").wait_for(timeout=TIMEOUT)
        page.get_by_text("Proved: no solution in the box is farther").wait_for(timeout=TIMEOUT)
        page.wait_for_selector(AT_REST)
        assert "fill=0.05" in page.url
        assert page.evaluate("document.body.scrollWidth <= window.innerWidth")
        page.get_by_role("button", name="Remove the added designs").click()
        page.get_by_text("designs added").wait_for(state="detached", timeout=TIMEOUT)
        assert watched.abroad == []
        assert watched.errors == []
        watched.context.close()
