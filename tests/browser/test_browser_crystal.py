"""The page of crystals in headless Chromium, with the shipped models and real DFT."""

import csv
import io
import re
import time
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.browser import AT_REST, ROOT, settled, steady

pytestmark = pytest.mark.skipif(
    not (ROOT / "pretrained/crystal/inn.safetensors").exists(), reason="no trained network of crystals"
)

HEADLINE = "[...document.querySelectorAll('h4')].map(h => h.innerText).find(t => t.includes(' design'))"
RUN = "() => document.querySelector('.st-key-animation .js-plotly-plot')?._fullLayout?.meta?.run"
ROW, HEAD = 35, 35
"""Height in pixels of a table's row, and of its header."""


@pytest.fixture
def page(request, address, watch):
    page = watch(**getattr(request, "param", {})).page
    page.goto(f"{address}/?task=crystal&n=25")
    page.wait_for_selector(".st-key-animation .scatterlayer")
    page.wait_for_selector(AT_REST)
    return page


def tick(page, row):
    """The checkbox of a row of candidates."""
    canvas = page.locator('[data-testid="stDataFrame"] canvas').first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.click(box["x"] + 18, box["y"] + HEAD + ROW * (row + 0.5))


def download(page, name):
    with page.expect_download() as found:
        page.get_by_role("button", name=name).click()
    return Path(found.value.path()).read_bytes()


def test_constraints_a_cif_of_one_s_own_and_ranking(page):
    page.get_by_text("More ways to ask").click()
    page.get_by_test_id("stButtonGroup").get_by_text("a = b", exact=True).click()
    page.wait_for_function(
        "() => new URLSearchParams(location.search).get('constrain')?.replaceAll(' ', '').includes('a=b')"
    )
    page.locator('input[type="file"]').set_input_files(
        {"name": "mine.cif", "mimeType": "chemical/x-cif", "buffer": b"no crystal"}
    )
    page.get_by_text("This file is not a structure file").wait_for()
    settled(page)
    with zipfile.ZipFile(io.BytesIO(download(page, "CIF, all 25"))) as archive:
        assert len(archive.namelist()) == 25
        mine = archive.read("srtio3-7.cif")
    before = page.evaluate(RUN)
    page.locator('input[type="file"]').set_input_files(
        {"name": "mine.cif", "mimeType": "chemical/x-cif", "buffer": mine}
    )
    page.wait_for_function("() => location.search.includes('start=')")
    page.wait_for_function(f"before => {{ const run = ({RUN})(); return run && run !== before; }}", arg=before)
    settled(page)
    assert page.get_by_text("This file is not a structure file").count() == 0
    rows = list(csv.DictReader(io.StringIO(download(page, "Download CSV").decode())))
    localized = [row for row in rows if row["stage"] == "localized"]
    assert all(abs(float(row["x1"]) - float(row["x2"])) < 1e-6 for row in localized)
    length = next(line for line in mine.decode().splitlines() if "_cell_length_a" in line).split()[1]
    assert float(rows[0]["x1"]) == pytest.approx(float(length), abs=1e-6)  # the first sample starts there
    first = page.get_by_role("heading", name="the best of this ranking").inner_text()
    page.get_by_text("robustness", exact=True).click()
    page.wait_for_function("() => location.search.includes('rank=robustness')")
    settled(page)
    assert page.get_by_role("heading", name="the best of this ranking").inner_text() != first


POINTS = """() => {
    const figure = document.querySelector('.st-key-tradeoff .js-plotly-plot');
    return [...figure.querySelectorAll('.scatterlayer .trace')]
        .filter(trace => trace.__data__?.[0]?.trace?.customdata)
        .flatMap(trace => [...trace.querySelectorAll('path.point')])
        .map(p => p.getBoundingClientRect()).map(b => [b.left + b.width / 2, b.top + b.height / 2]);
}"""
"""Places on the screen of the candidates in the figure of gap against energy."""


def test_candidates_are_filtered_clicked_in_the_figure_and_compared(page):
    page.get_by_role("button", name="Filters").click()
    passed, none = page.get_by_text("of 25 candidates pass"), page.get_by_text("No candidate passes these filters")
    page.get_by_role("spinbutton", name="ΔE at most [eV per atom]").fill("0.026")
    page.get_by_role("spinbutton", name="ΔE at most [eV per atom]").press("Enter")
    passed.wait_for()
    count = passed.inner_text()
    assert 2 <= int(count.split()[0]) < 25
    for most, said in (("3.9", none), ("5", passed)):  # all have the greatest strain that the page allows, 4 %
        page.get_by_role("spinbutton", name="Largest strain at most [%]").fill(most)
        page.get_by_role("spinbutton", name="Largest strain at most [%]").press("Enter")
        said.wait_for()
    assert passed.inner_text() == count
    for verdict, said in (("failed", none), ("not verified", passed)):
        page.get_by_test_id("stButtonGroup").get_by_text(verdict, exact=True).click()
        said.wait_for()
    assert {"most_energy", "most_strain", "dft_says"} <= set(re.findall(r"[?&](\w+)=", page.url))
    page.keyboard.press("Escape")

    page.locator(".st-key-tradeoff").scroll_into_view_if_needed()
    steady(page)
    page.mouse.click(*page.evaluate(POINTS)[0])
    page.wait_for_function("() => location.search.includes('sample=')")
    sample = page.evaluate("() => new URLSearchParams(location.search).get('sample')")
    page.get_by_role("heading", name=f"Sample {sample}").wait_for()

    tick(page, 0)
    page.get_by_role("button", name="CIF, 1 ticked").wait_for()
    settled(page)
    first = page.evaluate("() => new URLSearchParams(location.search).get('sample')")
    tick(page, 1)
    page.get_by_text(f"Beside it, at the same scale, sample {first}.").wait_for()
    assert f"Sample {first}" in page.locator(".st-key-cells").text_content()
    page.get_by_text("2 × 2 × 2 cells").click()
    page.wait_for_function("() => location.search.includes('supercell=true')")
    settled(page)
    for name in ("Space group", "Gap type", "Ti–O–Ti", "Ti–O along a, b, c"):
        assert page.locator(".card", has_text=name).count() > 0


@pytest.mark.dft
@pytest.mark.skipif(find_spec("gpaw") is None, reason="no GPAW: see requirements-dft.txt")
def test_a_ticked_cell_is_verified_by_dft_and_another_job_cancelled(page):
    verify = page.locator(".st-key-verify").get_by_role("button", name="Verify 1 ticked with DFT")
    tick(page, 1)
    verify.wait_for()
    sample = int(page.evaluate("() => new URLSearchParams(location.search).get('sample')"))
    asked = time.perf_counter()
    verify.click()
    page.get_by_text("DFT: 0 of 1 done").wait_for()
    page.wait_for_function(f"() => {HEADLINE}.includes(' of 1 verified design')")
    print(f"verdict after {time.perf_counter() - asked:.1f} s")
    settled(page)
    assert page.get_by_text("by DFT", exact=True).count() > 0  # the figure's legend
    row = next(
        row
        for row in csv.DictReader(io.StringIO(download(page, "Download CSV").decode()))
        if row["stage"] == "localized" and int(row["sample"]) == sample
    )
    assert float(row["y1"]) == pytest.approx(1.6, abs=0.05)
    with zipfile.ZipFile(io.BytesIO(download(page, "extxyz, 1 ticked"))) as archive:
        assert archive.namelist() == [f"srtio3-{sample}.extxyz"]
        assert f"dft_gap_eV={row['y1']}" in archive.read(archive.namelist()[0]).decode()

    tick(page, 3)
    verify.click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancelled; what DFT said of 0 of 1 cell is kept").wait_for()
    verify.wait_for()

    page.get_by_text("Band structure by DFT").click()
    page.get_by_role("button", name="Compute it by DFT").click()
    page.get_by_text("DFT: 0 of 1 done").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Compute it by DFT").and_(page.locator(":enabled")).wait_for()


@pytest.mark.parametrize(
    "page", [{"width": 390, "height": 844, "theme": "dark"}, {"width": 1440}], indirect=True, ids=["phone", "desktop"]
)
def test_nothing_is_wider_than_the_window_and_both_cells_are_drawn(page):
    steady(page)
    assert page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth") <= 0
    page.get_by_text("Drag to turn").scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelectorAll('.st-key-cells .gl-container canvas').length >= 2")
    outside = page.evaluate(
        """() => [...document.querySelectorAll('.js-plotly-plot')].flatMap(figure => {
            const edge = figure.getBoundingClientRect();
            return [...figure.querySelectorAll('text')].filter(t => {
                const b = t.getBoundingClientRect();
                return t.textContent.trim() && !t.closest('.slider-labels') && b.width > 2
                    && (b.left < edge.left - 1 || b.right > edge.right + 1 || b.bottom > edge.bottom + 1);
            }).map(t => t.textContent);
        })"""
    )
    assert outside == []
