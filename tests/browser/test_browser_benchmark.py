"""The benchmark page in headless Chromium: open by link, filter, save figures, rerun a cell."""

from pathlib import Path

import pytest

from ipage_core.benchmark import CELLS, SHIPPED
from tests.support.browser import AT_REST, ROOT

pytestmark = [
    pytest.mark.skipif(not (SHIPPED / CELLS).exists(), reason="no results ship"),
    pytest.mark.skipif(not (ROOT / "pretrained/sinewave/mdn.safetensors").exists(), reason="no trained MDN"),
]


def test_the_page_as_a_visitor_uses_it(address, watch):
    watched = watch()
    page = watched.open(address)
    page.get_by_role("link", name="Benchmark").click()
    page.locator(".cells-table").wait_for()
    page.locator(".st-key-benchmark-figure .js-plotly-plot .main-svg").first.wait_for()
    page.wait_for_selector(AT_REST)
    row = page.locator(".cells-table tr", has=page.get_by_text("iPage", exact=True))
    assert "0.004" in row.inner_text()  # the paper's Table 3
    page.get_by_text("Table 2: many different y*").click()
    page.wait_for_function("() => document.querySelector('.cells-table')?.innerText.includes('0.006')")
    assert "table=" in page.url
    with page.expect_download() as download:
        page.get_by_role("button", name="These cells as CSV").click()
    assert Path(download.value.path()).read_text().startswith("task,method,sampling,protocol")
    page.locator(".st-key-benchmark-figure").hover()
    with page.expect_download() as download:
        page.locator('.st-key-benchmark-figure [data-title^="Download plot"]').click()
    assert download.value.suggested_filename == "figure1.svg"

    page.locator(".st-key-cell-method input").click()
    page.get_by_role("option", name="MDN", exact=True).click()
    page.wait_for_selector(AT_REST)
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("Sine wave, MDN, SRS, Table 3: mean").wait_for()
