"""A stable page: details open beside the table, errors appear under their field, Back steps through settings."""

import re

import pytest

from tests.support.browser import AT_REST, DRAWN, ROOT, steady

pytestmark = pytest.mark.skipif(not (ROOT / "pretrained/sinewave/inn.safetensors").exists(), reason="no trained models")
HEAD, ROW = 35, 35
"""Height in pixels of a table's header and of a row."""


def place(page):
    """Top of the table of designs, in pixels of the page."""
    return page.evaluate(
        """() => document.querySelector('[data-testid="stDataFrame"]').getBoundingClientRect().top
            + document.querySelector('.stMain').scrollTop"""
    )


@pytest.mark.parametrize(("width", "task"), [(1440, "sinewave"), (390, "sinewave"), (1440, "crystal")])
def test_a_row_opens_a_panel_and_the_table_stays_where_it_is(address, watch, width, task):
    page = watch(width=width, height=900).open(f"{address}/?n=25&task={task}")
    steady(page)
    table = page.locator('[data-testid="stDataFrame"]').first
    table.scroll_into_view_if_needed()
    steady(page)
    before, grid = place(page), table.locator("canvas").first.bounding_box()
    page.mouse.click(grid["x"] + 18, grid["y"] + HEAD + 2.5 * ROW)
    page.wait_for_function("() => location.search.includes('sample=')")
    page.get_by_role("heading", name="Sample").first.wait_for()
    steady(page)
    assert abs(place(page) - before) <= 1


def test_an_error_of_typing_stands_under_its_field_and_the_result_stays(address, watch):
    page = watch().open(f"{address}/?n=25")
    page.get_by_text("More ways to ask").click()
    field = page.get_by_role("textbox", name="Constraints on x")
    field.fill("x1 >= nonsense")
    field.press("Enter")
    said = page.locator('[data-testid="stAlert"]')
    said.wait_for()
    page.wait_for_selector(AT_REST)
    below, above = said.bounding_box(), field.bounding_box()
    assert 0 < below["y"] - above["y"] < 150
    assert abs(below["x"] - above["x"]) < 40
    assert page.get_by_role("heading", name="of 25 designs achieve").count() == 1
    assert page.get_by_role("spinbutton", name="Seed").count() == 1
    assert page.get_by_role("button", name="Download CSV").count() == 1


def test_back_and_forward_walk_through_settings_and_views(address, watch):
    page = watch().open(f"{address}/?n=10")
    number = page.get_by_label("Target y*").first
    number.fill("0.8")
    number.press("Enter")
    page.wait_for_function(DRAWN, arg=0.8)
    page.wait_for_selector(AT_REST)
    page.get_by_text("Compare", exact=True).last.click()
    page.wait_for_function("() => location.search.includes('view=Compare')")
    page.wait_for_selector(AT_REST)
    page.go_back()
    page.wait_for_function("() => location.search.includes('y1=0.8') && !location.search.includes('view=')")
    page.wait_for_selector(".st-key-animation")
    steady(page)
    page.go_back()
    page.wait_for_function(DRAWN, arg=1.2)
    steady(page)
    page.go_forward()
    page.wait_for_function(DRAWN, arg=0.8)


@pytest.mark.parametrize(
    ("width", "height", "task", "whole"),
    [
        (1440, 900, "sinewave", ".js-plotly-plot"),
        (1440, 900, "crystal", ".js-plotly-plot"),
        (1920, 1080, "sinewave", ".cards"),
    ],
)
def test_the_whole_figure_is_on_the_first_screen(address, watch, width, height, task, whole):
    page = watch(width=width, height=height).open(f"{address}/?task={task}&n=25")
    steady(page)
    assert page.locator(whole).first.evaluate("it => it.getBoundingClientRect().bottom") <= height


def test_a_phone_s_first_screen_shows_designs_and_the_way_to_learn(address, watch):
    page = watch(width=390, height=844).open(f"{address}/?n=25")
    steady(page)
    assert page.locator(".st-key-animation .modebar").count() == 0
    link = page.get_by_text("Learn in ten steps")
    words = page.get_by_role("button", name="Words")
    assert abs(words.bounding_box()["y"] - page.get_by_role("button", name="Link").first.bounding_box()["y"]) < 3
    assert link.evaluate("it => it.getBoundingClientRect().bottom") <= 844
    seen = (
        "() => [...document.querySelectorAll('.subplot.xy path.point')].some(p => p.getBoundingClientRect().top < 844)"
    )
    assert page.evaluate(seen)
    link.click()
    page.get_by_role("heading", name="1 of 10").wait_for()


def test_the_key_f_leaves_the_figure_alone(address, watch):
    page = watch().open(f"{address}/?n=25")
    page.keyboard.press("f")
    page.get_by_role("button", name="All settings").wait_for()
    page.wait_for_selector(AT_REST)
    assert not page.get_by_role("spinbutton", name="Seed").is_visible()
    assert page.locator(".st-key-animation").is_visible()
    page.keyboard.press("f")
    page.get_by_role("spinbutton", name="Seed").wait_for()


def test_a_slow_method_shows_its_steps_and_stops(address, watch):
    page = watch().page
    page.goto(f"{address}/?method=na-published&n=10&seed=7")
    page.get_by_text(re.compile(r"Designing 10 samples … \d+ of 300 steps of the descents")).wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped before it was complete").wait_for()
    page.wait_for_selector(AT_REST)
    page.get_by_role("button", name="Start again").click()
    page.get_by_text(re.compile(r"\d+ of 300 steps of the descents")).wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped before it was complete").wait_for()
