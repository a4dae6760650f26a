"""The view Coverage in headless Chromium: the figure appears on request, gaps are filled, nothing is cut off."""

import pytest

from tests.support.browser import AT_REST, ROOT

pytestmark = pytest.mark.skipif(not (ROOT / "pretrained/sinewave/inn.safetensors").exists(), reason="no trained INN")
DRAWN = ".stMain .js-plotly-plot .scatterlayer .trace"


def test_a_link_s_settings_stay_in_the_address(address, watch):
    page = watch().page
    page.goto(f"{address}/?task=sinewave&n=25&spread=box&sampling=srs")
    for _ in range(2):
        page.get_by_text("of 25 designs achieve").first.wait_for()
        page.wait_for_selector(AT_REST)
        page.wait_for_function("window.location.search.includes('spread=over')")
        assert {"spread=over+all+solutions", "sampling=SRS"} <= set(page.url.split("?")[1].split("&"))
        page.reload()


def test_did_we_find_them_all(address, watch):
    page = watch(width=390).page
    page.goto(f"{address}/?task=sinewave&n=25&view=Coverage&within=0.05")
    page.get_by_role("button", name="Work out the coverage").click()
    page.get_by_text("Proved: exactly 9 separate pieces").wait_for()
    page.locator(DRAWN).first.wait_for()
    page.get_by_role("button", name="Fill the gaps").click()
    page.get_by_text("designs added").wait_for()
    page.get_by_text("Proved: no solution in the box is farther").wait_for()
    page.wait_for_selector(AT_REST)
    assert "fill=0.05" in page.url
    assert page.evaluate("document.body.scrollWidth <= window.innerWidth")
    page.get_by_role("button", name="Remove the added designs").click()
    page.get_by_text("designs added").wait_for(state="detached")
