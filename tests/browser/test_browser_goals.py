"""The page of cells by several properties in headless Chromium: gallery, click, morph, files, phone."""

import io
from pathlib import Path

import trimesh

from tests.support.browser import AT_REST

PIXELS = """i => Array.from(document.querySelectorAll('.goal-gallery canvas')[i].getContext('2d')
    .getImageData(0, 0, 32, 32).data).filter((_, k) => k % 4 === 0)"""
BLANK = """() => {
    window.blank = 0;
    const look = () => {
        const canvas = document.querySelector('.goal-gallery canvas');
        const sum = canvas ? canvas.getContext('2d').getImageData(0, 0, 32, 32).data.some(v => v !== 0) : false;
        if (!sum) window.blank += 1;
        requestAnimationFrame(look);
    };
    look();
}"""


def test_cells_are_designed_shown_chosen_and_exported(address, watch):
    watched = watch(motion="no-preference")
    page = watched.page
    page.goto(f"{address}/cells?n=4")
    page.wait_for_selector(".goal-gallery canvas")
    page.wait_for_selector(AT_REST)
    assert page.locator(".goal-gallery canvas").count() == 4
    # It plays from start to end automatically, and then is black and white.
    page.get_by_text("finished, black and white").wait_for()
    end = page.evaluate(PIXELS, 2)
    assert len(set(end)) == 2
    page.locator(".goal-gallery input").fill("0")
    assert page.evaluate(PIXELS, 2) != end
    page.locator('.goal-gallery button[aria-label^="Design 2"]').click()
    page.get_by_role("heading", name="Design 2").wait_for()
    assert page.locator('.goal-gallery button[aria-pressed="true"]').get_attribute("aria-label")[:8] == "Design 2"
    # A new result starts from the current picture: no canvas is ever blank.
    page.evaluate(BLANK)
    value = page.get_by_role("spinbutton", name="Value [E_s]").first
    value.fill("0.36")
    value.press("Enter")
    page.get_by_text("have changed since").wait_for()
    page.get_by_role("button", name="Design cells").click()
    page.wait_for_function("() => decodeURIComponent(location.search).includes('E_x=0.36')")
    page.wait_for_function(f"old => JSON.stringify(({PIXELS})(2)) !== JSON.stringify(old)", arg=end)
    page.wait_for_selector(AT_REST)
    page.get_by_text("finished, black and white").wait_for()
    assert page.evaluate("window.blank") == 0
    assert page.evaluate(PIXELS, 2) != end
    page.get_by_role("spinbutton", name="Its E_s [GPa]").fill("1.7")
    page.get_by_role("spinbutton", name="Its E_s [GPa]").press("Enter")
    page.get_by_role("radio", name="3MF").or_(page.get_by_role("button", name="3MF")).first.click()
    page.get_by_role("button", name="as 3MF").first.wait_for()
    page.wait_for_selector(AT_REST)
    with page.expect_download() as download:
        page.get_by_role("button", name="as 3MF").first.click()
    scene = trimesh.load_scene(io.BytesIO(Path(download.value.path()).read_bytes()), file_type="3mf")
    assert scene.units == "millimeter"
    assert scene.to_mesh().is_watertight
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(500)
    page.wait_for_selector(AT_REST)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
