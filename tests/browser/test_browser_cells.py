"""The page of pixel cells in headless Chromium, with the shipped models."""

import io
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from ipage_core.tasks.cells.modulus import E_X_MEAN, E_X_SD
from tests.support.browser import AT_REST, ROOT, settled

pytestmark = pytest.mark.skipif(
    not (ROOT / "pretrained/architecture/inn.safetensors").exists(), reason="no trained network of cells"
)

FIGURE = "document.querySelector('.st-key-animation .js-plotly-plot')"
STEP = f"() => {FIGURE}?._fullLayout?._currentFrame"
CELLS = f"() => {FIGURE}.querySelector('.heatmaplayer image')?.getAttribute('href')"
CURSOR = f"""() => {FIGURE}._fullData.filter(t => t.xaxis === 'x2' && t.x && t.x.length === 2 && t.x[0] === t.x[1])
    .map(t => t.x[0])"""


@pytest.fixture(scope="session")
def link(address):
    return f"{address}/?task=architecture&n=4&sampling=SRS"


@pytest.fixture
def page(request, link, watch):
    page = watch().page
    page.goto(link + getattr(request, "param", ""))
    page.wait_for_selector(".st-key-animation .heatmaplayer image")
    page.wait_for_selector(AT_REST)
    return page


def upload(page, name, image):
    file = io.BytesIO()
    image.save(file, "PNG")
    page.locator('input[type="file"]').set_input_files(
        {"name": name, "mimeType": "image/png", "buffer": file.getvalue()}
    )


def test_the_gallery_plays_in_step_with_the_error_and_a_click_opens_a_cell(page):
    at_rest = page.evaluate(CELLS)
    page.locator(".st-key-animation .updatemenu-button", has_text="Step ›").click()
    page.wait_for_function(f"({STEP})() === 'step 1'")
    page.wait_for_function(f"rest => ({CELLS})() && ({CELLS})() !== rest", arg=at_rest)
    assert set(page.evaluate(CURSOR)) == {1}
    page.locator(".st-key-animation .updatemenu-button", has_text="Fast").click()
    page.wait_for_function(f"({STEP})() === 'clean-up'")
    page.wait_for_function(f"rest => ({CELLS})() === rest", arg=at_rest)
    box = page.locator(".st-key-animation .heatmaplayer image").first.bounding_box()
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 0.2 * box["height"])
    page.get_by_role("heading", name="Sample 1").wait_for()
    assert "sample=1" in page.url
    page.get_by_role("button", name="Most isotropic").click()
    settled(page)
    chosen = page.get_by_role("spinbutton", name="Go to sample no.").input_value()
    page.get_by_role("heading", name=f"Sample {chosen}").wait_for()
    assert page.locator(".st-key-closely .scatterlayer .trace, .st-key-closely .polarlayer .trace").count() >= 3
    with page.expect_download() as download:
        page.get_by_role("button", name=f"Download sample {chosen} as STL").click()
    assert download.value.suggested_filename == f"cell-{chosen}.stl"
    mesh = trimesh.load(io.BytesIO(Path(download.value.path()).read_bytes()), file_type="stl")
    assert mesh.is_watertight
    assert np.ptp(mesh.bounds, axis=0) == pytest.approx([30, 30, 5])
    page.get_by_role("spinbutton", name="E_x* [E_s]").fill("0.5")
    page.get_by_role("spinbutton", name="E_x* [E_s]").press("Enter")
    page.get_by_text("Target: E_x = 0.500 E_s.").wait_for()
    score = float(page.get_by_role("spinbutton", name="z-score of E_x").input_value())
    assert score == pytest.approx((0.5 - E_X_MEAN) / E_X_SD, abs=1e-3)


def test_regions_are_drawn_or_uploaded_and_what_cannot_be_is_one_sentence(page, link):
    page.get_by_text("More ways to ask").click()
    canvas = page.locator('[class*="st-key-canvas"] .heatmaplayer image')
    canvas.wait_for()
    page.wait_for_timeout(800)  # wait until the form has unfolded
    box = canvas.bounding_box()
    side = box["width"] / 32
    page.mouse.move(box["x"] + 0.1 * side, box["y"] + 20 * side + 1)
    page.mouse.down()
    page.mouse.move(box["x"] + 16 * side, box["y"] + 21 * side, steps=4)
    page.mouse.move(box["x"] + 32 * side - 1, box["y"] + 24 * side - 1, steps=4)
    page.mouse.up()
    written = page.get_by_role("textbox", name="Constraints on x")
    page.wait_for_function("() => decodeURIComponent(location.search).includes('solid=1-32,9-12')")
    page.get_by_text("128 solid and 0 void stay so").wait_for()
    settled(page)
    assert written.input_value() == "solid=1-32,9-12"

    upload(page, "long.png", Image.new("L", (64, 32)))
    page.get_by_text("long.png has 64 × 32 pixels; a mask is square").wait_for()
    settled(page)
    page.get_by_role("radio", name="Stays void").or_(page.get_by_role("button", name="Stays void")).first.click()
    settled(page)
    painted = Image.new("L", (32, 32), 255)
    painted.paste(0, (0, 0, 4, 4))
    upload(page, "corner.png", painted)
    page.get_by_text("128 solid and 16 void stay so").wait_for()
    settled(page)
    assert "void=pixels:" in written.input_value()
    page.get_by_text("Link and command line").click()
    page.get_by_text("void=pixels", exact=False).first.wait_for()  # the command line shows it as well
    page.get_by_role("button", name="Clear regions").click()
    page.get_by_text("0 solid and 0 void stay so").wait_for()
    settled(page)
    assert written.input_value() == ""

    written.fill("solid=/etc/hostname")
    written.press("Enter")
    page.get_by_text("is no region").wait_for()
    assert page.locator('[data-testid="stAlert"]').count() == 1
