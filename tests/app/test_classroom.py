"""Classroom mode: disabled parts say so, and limits hold also for requests by a link."""

import http.client

import numpy as np
import pandas as pd
import pytest

from app.figures.class_overview import figure
from app.figures.theme import unpacked
from app.state import class_board, classroom, runs
from app.tasks import panel_of
from ipage_core.inference.methods import load
from tests.support import stand_ins
from tests.support.browser import server
from tests.support.pages import open_page


@pytest.fixture
def lesson(monkeypatch):
    monkeypatch.setattr(runs, "load", stand_ins.load)
    monkeypatch.setenv("IPAGE_CLASSROOM", "1")
    classroom.on.cache_clear()
    runs.run.clear()
    yield open_page
    runs.run.clear()
    classroom.on.cache_clear()


@pytest.fixture(scope="module")
def served():
    with server() as (address, _):
        yield address


@pytest.mark.parametrize(
    ("page", "told"), [("screens/train.py", "Training is switched off"), ("screens/own_data.py", "Uploading data is")]
)
def test_training_and_uploads_are_one_sentence(lesson, page, told):
    test = lesson(page)
    assert not test.exception
    assert [told in i.value for i in test.info] == [True]
    assert not test.button
    assert not test.get("file_uploader")


@pytest.mark.parametrize(("task", "most"), [("sinewave", 200), ("architecture", 16)])
def test_a_link_cannot_ask_for_more(lesson, task, most):
    test = lesson(task=task, n="1000" if task == "sinewave" else "200", finish="true", omega="5")
    assert not test.exception
    assert test.select_slider(key="n").options[-1] == str(most)
    assert test.select_slider(key="n").value <= most
    assert any(f"At most {most} designs" in c.value and "the link asks for" in c.value for c in test.caption)
    if task == "architecture":
        assert test.slider(key="omega").max == panel_of(task).form.corrections_in_class < 5
        assert test.toggle(key="finish").disabled


def test_a_slow_operator_does_not_correct(lesson, dft_queue, monkeypatch):
    monkeypatch.setattr(runs, "load", load)  # Ω stands in for the surrogate
    test = lesson(task="crystal", omega="2", n="10")
    assert any("switched off in this classroom" in c.value for c in test.caption)
    assert not any("Run them" in t.label for t in test.toggle)
    test.session_state["dft_requested"] = classroom.DFT
    test.run()
    assert test.button(key="verify").label == "Verify with DFT: you have reached your limit"
    assert test.button(key="verify").disabled
    assert any("DFT verifies 3 crystals a visitor in this classroom; 0 left." in c.value for c in test.caption)


def test_without_the_switch_nothing_is_bounded(lesson, monkeypatch):
    monkeypatch.setenv("IPAGE_CLASSROOM", "0")
    classroom.on.cache_clear()
    assert classroom.within([1, 500, 1000], 200) == [1, 500, 1000]
    assert classroom.dft_left() > 1000
    test = lesson(n="10")
    assert not any("classroom" in c.value for c in test.caption)


@pytest.mark.parametrize(("host", "origin", "answer"), [
    ("localhost", "http://localhost", 101),
    ("evil.example", "http://localhost", 403),
    ("localhost", "http://evil.example", 403),
])  # fmt: skip
def test_the_server_answers_to_its_own_names_and_pages_alone(served, host, origin, answer):
    port = int(served.rsplit(":", 1)[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/_stcore/stream", headers={
        "Host": f"{host}:{port}", "Origin": f"{origin}:{port}", "Connection": "Upgrade", "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    })  # fmt: skip
    assert connection.getresponse().status == answer
    connection.close()


def test_the_class_s_page_shows_what_a_visitor_found(lesson):
    class_board.board.clear()
    test = lesson(task="sinewave", n="10")
    mine = test.session_state.visitor
    assert any(f"You are visitor {mine}" in c.value for c in test.caption)
    overview = lesson("screens/class_overview.py")
    assert not overview.exception
    row = overview.dataframe[0].value.iloc[0]
    heading = next(m.value for m in test.markdown if "designs achieve" in m.value)
    assert heading.startswith(f"#### {row['hits'].replace(' / ', ' of ')} designs achieve {row['target']}")
    assert f"on {row['loops']} loops" in heading
    assert row["loops"].endswith(" of 9")
    assert (row["visitor"], row["N"], row["sampling"]) == (mine, 10, "maximin")
    assert overview.markdown[1].value.startswith("**1 visitor**. Tasks: Sine wave 1.")


def test_without_a_class_nothing_is_posted(lesson, monkeypatch):
    class_board.board.clear()
    monkeypatch.setenv("IPAGE_CLASSROOM", "0")
    classroom.on.cache_clear()
    lesson(n="10")
    assert class_board.board().table(0).empty


def test_the_board_forgets_the_oldest_and_keeps_the_best_guess():
    board = class_board.Board()
    one = class_board.Entry("Sine wave", "y* = 1.2", "SRS", 10, "ipage", 10, 9, 5, "Guess", 0.0)
    for _ in range(class_board.MOST + 2):
        board.post(board.number(), one)
    for error in (0.3, 0.1, 0.2):
        board.guess(class_board.MOST + 2, "Sine wave y* = 1.2", error)
    rows = board.table(5.0)
    assert len(rows) == class_board.MOST
    assert rows["visitor"].min() == 3
    assert rows["best guess, off by"].iloc[0] == 0.1
    assert rows["best guess, off by"].isna().sum() == class_board.MOST - 1


@pytest.mark.parametrize("visitors", [1, 3, 30])
def test_equal_results_of_a_class_hide_no_dot(visitors):
    samplings = [("SRS", "LHS", "maximin")[k % 3] for k in range(visitors)]
    rows = pd.DataFrame({"visitor": range(1, visitors + 1), "sampling": samplings, "N": 200, "loops": 9})
    drawn = figure(rows, dark=False)
    x, y = (np.concatenate([unpacked(trace[axis]) for trace in drawn["data"]]) for axis in "xy")
    low, high = drawn["layout"]["xaxis"]["range"]
    across, up = (np.log10(x) - low) / (high - low), (y - drawn["layout"]["yaxis"]["range"][0]) / 10
    assert (across > 0).all()
    assert (across < 1).all()
    assert (np.abs(y - 9) < 0.5).all()  # still read as 9
    gaps = np.hypot(across[:, None] - across, up[:, None] - up) + np.eye(visitors)
    assert gaps.min() > 0.012  # of the figure's width or height
