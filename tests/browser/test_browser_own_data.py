"""A user's table in a real browser: from the file to candidates in a few clicks."""

import time

import pandas as pd
import pytest

from app.workers import trainings
from tests.support.browser import AT_REST, DRAWN
from tests.tasks.table.test_own_data import table

pytestmark = pytest.mark.slow
MOST_CLICKS = 10


def test_from_upload_to_export(address, watch, home, monkeypatch, tmp_path):
    monkeypatch.setenv("IPAGE_HOME", str(home))
    path = tmp_path / "gaps.csv"
    table(120).to_csv(path, index=False)
    clicks = []

    def click(target):
        clicks.append(str(target))
        target.click()
        page.wait_for_selector(AT_REST)

    # Reloaded at /data, Streamlit's page first requests below that path the files of the root: 404.
    watched = watch(missing=True)
    page = watched.open(address)
    click(page.get_by_role("link", name="Your data"))
    clicks.append("choose the file")
    page.locator('input[type="file"]').set_input_files(path)
    page.get_by_text("taken as a floor").wait_for()
    click(page.get_by_text("Training settings"))
    page.get_by_role("spinbutton", name="Epochs").fill("20")  # the way counts here, not the networks
    page.get_by_role("spinbutton", name="Epochs").press("Enter")
    page.get_by_text("go through the rows 20 times").wait_for()
    click(page.get_by_role("button", name="Train on these data"))
    page.get_by_text("running", exact=True).or_(page.get_by_text("waiting", exact=True)).first.wait_for()
    page.reload()  # results are read from disk
    end = time.monotonic() + 300
    while trainings.trainings()[0].active:
        assert time.monotonic() < end
        time.sleep(0.5)
    assert trainings.trainings()[0].state == "done", trainings.trainings()[0].message
    click(page.get_by_role("button", name="Explore"))
    page.wait_for_function(DRAWN, arg=None)
    page.get_by_text("held-out rows").first.wait_for()
    page.get_by_role("heading", name="not verified").first.wait_for()
    page.get_by_text("The most trustworthy candidate comes first").wait_for()
    page.wait_for_selector(AT_REST)
    with page.expect_download() as download:
        click(page.get_by_role("button", name="Download CSV"))
    frame = pd.read_csv(download.value.path())
    assert {"spread1", "nearest_row", "nearest_distance", "nearest_y1"} <= set(frame.columns)
    assert frame["y1"].isna().all()
    assert len(frame) == 400
    assert len(clicks) <= MOST_CLICKS, clicks


def test_an_example_shows_what_a_table_becomes(address, watch):
    page = watch().page
    page.goto(f"{address}/data")
    page.get_by_text("Try it with an example").click()
    page.get_by_text("400 rows, 6 columns").wait_for()
    page.get_by_role("button", name="Train on these data").wait_for()
