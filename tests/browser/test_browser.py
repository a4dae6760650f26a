"""The page Explore in headless Chromium, with the shipped models."""

import csv
import json
import zipfile
from urllib.parse import urlsplit

import numpy as np
import pytest

from tests.support.browser import DRAWN, ROOT, press, settled

pytestmark = pytest.mark.skipif(
    not (ROOT / "pretrained/sinewave/inn.safetensors").exists(), reason="no trained sinewave model in pretrained/"
)
HEADLINE = "[...document.querySelectorAll('h4')].map(h => h.innerText).find(t => t.includes(' design'))"


def headline(page):
    return page.evaluate(f"() => {HEADLINE}")


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
    text = headline(page)
    again = watch().open(page.url, target=0.81)
    assert headline(again) == text


def test_the_download_is_the_table_of_all_stages(address, watch):
    page = watch().open(f"{address}/?n=25")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    with open(download.value.path(), newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 50
    assert [row["stage"] for row in rows] == ["posterior"] * 25 + ["localized"] * 25
    assert all(float(row["resim_error"]) >= 0 for row in rows[25:])


def trace_point(page, subplot, index):
    """Screen position (x, y) of the ``index``-th marker with a sample in a subplot."""
    return page.evaluate(
        """([subplot, index]) => {
            const points = [...document.querySelectorAll(`.js-plotly-plot .subplot.${subplot} .trace path.point`)]
                .filter(p => { const b = p.getBoundingClientRect(); return b.width > 4; });
            const b = points.at(index).getBoundingClientRect();
            return [b.left + b.width / 2, b.top + b.height / 2];
        }""",
        [subplot, index],
    )


def test_a_click_on_a_point_or_a_row_opens_the_inspector_and_the_trace(address, watch):
    page = watch().open(f"{address}/?n=25&omega=1")
    page.mouse.click(*trace_point(page, "xy", -12))
    page.wait_for_function("() => location.search.includes('sample=')")
    number = int(page.evaluate("() => new URLSearchParams(location.search).get('sample')"))
    page.get_by_role("heading", name=f"Sample {number}").wait_for()
    settled(page)
    inspector = page.locator(".frame", has_text="Achieved y")
    inspector.get_by_text("More figures, for experts").click()
    cards = inspector.inner_text()
    for name in ("Achieved y", "Re-simulation error", "Surrogate error", "Cycle error", "Prior density"):
        assert name in cards
    press(page, "‹ Step")
    page.get_by_text("Nearest training pairs").click()
    page.get_by_text("The training pairs nearest to this sample").wait_for()
    grid = page.locator('[data-testid="stDataFrame"]').first.locator("canvas").first.bounding_box()
    page.mouse.click(grid["x"] + 18, grid["y"] + 35 + 17 + 35 * 2)
    page.get_by_role("heading", name="Sample 2").wait_for()
    assert "sample=2" in page.url


def test_favourites_are_kept_compared_and_the_tolerance_judges_anew(address, watch):
    page = watch().open(f"{address}/?n=25&sample=3")
    page.get_by_role("button", name="Keep it").click()
    page.get_by_role("heading", name="Favourites").wait_for()
    page.get_by_role("spinbutton", name="Go to sample no.").fill("7")
    page.get_by_role("spinbutton", name="Go to sample no.").press("Enter")
    page.get_by_role("heading", name="Sample 7").wait_for()
    page.get_by_role("button", name="Keep it").click()
    page.wait_for_function(
        """() => [...document.querySelectorAll('.js-plotly-plot')].some(figure => {
            const names = [...figure.querySelectorAll('.legendtext')].map(t => t.textContent);
            return names.length === 2 && names.every(name => name.startsWith('design'));
        })"""
    )
    page.get_by_role("group", name="Tolerance (× the default").get_by_role("slider").press("Home")
    page.wait_for_function(f"() => {HEADLINE}.includes('±0.0002')")
    assert "tolerance=0.01" in page.url


def test_prior_and_posterior_density_with_the_map_point(address, watch):
    page = watch().open(f"{address}/?view=Posterior&task=ballistics&n=25", target=5)
    legends = (
        "() => [...document.querySelector('.js-plotly-plot').querySelectorAll('.legendtext')].map(t => t.textContent)"
    )
    assert any("MAP" in name for name in page.evaluate(legends))
    assert not any("target" in name for name in page.evaluate(legends))
    page.get_by_text("cut at the MAP point").click()
    page.wait_for_function(f"() => ({legends})().some(t => t.startsWith('target'))")
    assert "others=" in page.url
    page.wait_for_function(  # pairs of four coordinates
        "() => document.querySelectorAll('.js-plotly-plot')[1].querySelectorAll('.subplot').length === 10"
    )


def test_brushing_latent_points_lights_up_their_designs(address, watch):
    page = watch().open(f"{address}/?view=Latent+design&n=25")
    box = page.locator(".js-plotly-plot .draglayer .xy .nsewdrag").first.bounding_box()
    page.mouse.move(box["x"] + 4, box["y"] + 4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=8)
    page.mouse.up()
    page.get_by_text("samples of SRS brushed").wait_for()
    told = page.get_by_text("samples of SRS brushed").inner_text()
    lit = page.evaluate(
        "() => document.querySelector('.js-plotly-plot').data.filter(t => t.marker.color === '#F0E442')"
        ".map(t => t.customdata.length).filter(n => n)"
    )
    assert lit == [int(told.split()[0])] * 3


def test_compare_links_axes_and_a_sweep_can_be_stopped_and_gone_on_with(address, watch):
    page = watch().open(f"{address}/?view=Compare&n=25&seeds=5")
    box = page.locator(".js-plotly-plot .draglayer .xy .nsewdrag").first.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 120, box["y"] + 120, steps=6)
    page.mouse.up()
    page.wait_for_function(
        "() => { const f = document.querySelector('.js-plotly-plot')?._fullLayout;"
        " return f && f.xaxis.range[1] < 0.5 && Math.abs(f.xaxis.range[1] - f.xaxis3.range[1]) < 1e-9; }"
    )
    worth = page.get_by_text("of 100 seeds finds all 9 loops")
    worth.wait_for()
    assert worth.inner_text().endswith("SRS 63 %, LHS 84 %, maximin 100 %.")
    assert page.locator(".st-key-worth .scatterlayer .trace").count() == 9
    page.get_by_role("group", name="Number of designs in these pictures").get_by_role("slider").press("ArrowRight")
    page.get_by_text("The pictures are of their own N = 16 designs").wait_for()
    assert "compare_n=16" in page.url
    worth.wait_for()
    page.get_by_role("button", name="Start 60 runs").click()
    page.get_by_text("seed 0").wait_for()
    page.get_by_role("button", name="Stop").dispatch_event("click")  # a click would wait until the page is at rest
    page.get_by_role("button", name="Continue: ").wait_for()
    left = int(page.get_by_role("button", name="runs left").inner_text().split("Continue: ")[1].split()[0])
    assert 0 < left < 60
    page.get_by_role("button", name="Continue: ").click()
    page.get_by_text("Points are means over 5 seeds").wait_for()


def test_intervals_constraints_and_a_design_of_one_s_own(address, watch):
    page = watch().open(f"{address}/?n=25")
    page.get_by_text("More ways to ask").click()
    settled(page)
    page.get_by_role("combobox", name="I want y").click()
    page.get_by_role("option", name="at least").click()
    page.wait_for_function(f"() => {HEADLINE}.includes('y ≥ 1.2')")
    page.get_by_role("textbox", name="Constraints on x").fill("x1 >= 0; x2 >= 0")
    page.get_by_role("textbox", name="Constraints on x").press("Enter")
    page.wait_for_function("() => location.search.includes('constrain=')")
    settled(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    with open(download.value.path(), newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["stage"] == "localized"]
    assert all(float(row["x1"]) >= 0 and float(row["x2"]) >= 0 for row in rows)
    assert np.mean([float(row["y1"]) >= 1.2 for row in rows]) > 0.9
    page.get_by_role("textbox", name="Start from your own design").fill("0.3, 0.1")
    page.get_by_role("textbox", name="Start from your own design").press("Enter")
    page.wait_for_function("() => location.search.includes('start=')")
    settled(page)
    assert "of 25 designs" in headline(page)


def test_a_target_beyond_the_data_is_said_before_and_the_nearest_asked_for(address, watch):
    page = watch().open(f"{address}/?n=25&y1=2.6", target=2.6)
    page.get_by_text("lies outside the values of the 10,000 training pairs").wait_for()
    page.get_by_role("button", name="Ask for 2").click()
    page.wait_for_function(DRAWN, arg=2)
    settled(page)
    assert page.get_by_text("lies outside").count() == 0


def test_the_link_brings_the_same_designs_and_the_archive_the_command(address, watch):
    page = watch().open(f"{address}/?n=25&seed=4&sampling=LHS&view=Compare&sample=2")
    page.get_by_text("Link and command line").click()
    page.locator("code", has_text="--seed 4").wait_for()
    link = next(t for t in page.locator("code").all_inner_texts() if t.startswith("http"))
    text, query = headline(page), urlsplit(link).query
    for part in ("seed=4", "sampling=LHS", "n=25", "view=Compare", "sample=2", "model=", "y1=1.2"):
        assert part in query
    again = watch().open(link)
    assert headline(again) == text
    assert again.get_by_text("made with weights").count() == 0
    with page.expect_download() as download:
        page.get_by_text("Download ZIP").click()
    with zipfile.ZipFile(download.value.path()) as file:
        assert json.loads(file.read("settings.json"))["seed"] == 4
        assert "figures/localization.png" in file.namelist()
        assert "--seed 4" in file.read("README.txt").decode()
    foreign = watch().open(link.split("&model=")[0] + "&model=deadbeef")
    foreign.get_by_text("made with weights of this method that differ").wait_for()
