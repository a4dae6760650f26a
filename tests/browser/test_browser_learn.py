"""The guided tour in headless Chromium: keyboard, live figures, and links to Explore with the same settings."""

from pathlib import Path

import pytest

from tests.support.browser import AT_REST, DRAWN, ROOT, TIMEOUT

pytestmark = pytest.mark.skipif(not (ROOT / "pretrained/sinewave/inn.safetensors").exists(), reason="no trained INN")
FIGURE = ".stMain .js-plotly-plot .scatterlayer .trace"


def test_the_tour_as_a_student_takes_it(address, watch):
    watched = watch()
    page = watched.open(address)
    page.get_by_role("link", name="Learn").first.click()
    page.get_by_text("1 of 10: One target, many designs").wait_for()
    page.get_by_role("radio", name="3", exact=True).click()
    page.get_by_text("3 of 10: Why the posterior is not enough").wait_for()
    page.locator(FIGURE).first.wait_for()
    page.wait_for_selector(AT_REST)
    assert "step=3" in page.url
    page.keyboard.press("n")
    page.get_by_text("4 of 10: Why a sample cannot see its own error").wait_for()
    page.wait_for_url("**step=4**")
    before = page.get_by_text("Median distance from y*").inner_text()
    page.get_by_role("radio", name="padding zero").click()
    page.wait_for_function(
        "before => ![...document.querySelectorAll('.stMain p')].some(p => p.innerText === before)", arg=before
    )
    answer = page.get_by_text("On the diagonal, f gives the true error of each sample")
    assert page.get_by_text("Answer", exact=True).count() == 0, "an answer comes after a choice"
    page.get_by_test_id("stRadio").filter(has_text="Predict").get_by_role("radio").first.press("Space")
    page.get_by_text("Answer", exact=True).click()
    answer.wait_for()
    for _ in range(2):
        page.get_by_role("button", name="Previous").press("Enter")
        page.wait_for_selector(AT_REST)
    page.get_by_text("2 of 10: The latent variable").wait_for()
    page.get_by_role("button", name="Previous").press("Enter")
    page.get_by_text("1 of 10: One target, many designs").wait_for()
    page.wait_for_selector(AT_REST)
    thumb = page.get_by_role("slider", name="Target y*").first
    thumb.focus()
    for _ in range(3):
        thumb.press("ArrowLeft")
    page.get_by_text("designs drawn at random have y = 0.9").wait_for()
    page.wait_for_selector(AT_REST)
    with watched.context.expect_page() as opened:
        page.get_by_role("link", name="Open in Explore").click()
    explore = opened.value
    explore.wait_for_function(DRAWN, arg=0.9, timeout=TIMEOUT)
    assert "y1=0.9" in explore.url


def test_a_link_straight_to_a_page_leaves_no_error_behind(address, watch):
    pages = {"learn?step=3": "3 of 10", "compare": "Runs side by side", "train": "Trainings", "data": "Your data"}
    page = watch().page
    for link, said in pages.items():
        page.goto(f"{address}/{link}")
        page.locator(".stMain h4, .stMain h3").get_by_text(said).wait_for()
        page.wait_for_selector(AT_REST)
        assert page.url.startswith(f"{address}/{link}")


def test_a_student_predicts_before_the_answer_opens(address, watch):
    page = watch().page
    page.goto(f"{address}/learn?step=8")
    page.get_by_text("Predict.").wait_for()
    page.wait_for_selector(AT_REST)
    page.get_by_text("It is slow to compute").click()
    page.get_by_text("Not quite. The answer:").wait_for()
    page.get_by_text("Localization has just minimized this error").wait_for()
    page.get_by_text("The search has just minimized it").first.click()
    page.get_by_text("Right.", exact=True).wait_for()
    with page.expect_download() as download:
        page.get_by_text("Lesson sheet, PDF").first.click()
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF")
