"""The guided tour without a browser, with the shipped networks: every step, its figure, its address."""

import json
import re
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest

from app.lessons import computations as lessons
from app.lessons.tour import STEPS
from ipage_core.inference.methods import METHODS
from ipage_core.tasks import TASKS
from tests.support.pages import open_page


@pytest.fixture
def tour():
    return lambda step: open_page("screens/learn.py", step=str(step))


def told(test):
    return test.caption[-1].value


def drawn(test):
    return json.loads(test.get("plotly_chart")[0].proto.spec)


@pytest.mark.parametrize("step", range(1, len(STEPS) + 1))
def test_every_step_has_a_figure_a_question_and_a_way_to_explore(tour, step):
    test = tour(step)
    assert not test.exception
    assert not test.error
    assert f"{step} of {len(STEPS)}: {STEPS[step - 1].title}" in [m.value.removeprefix("#### ") for m in test.markdown]
    assert any(trace["type"] in ("scatter", "bar") for trace in drawn(test)["data"])
    assert test.latex[0].value
    assert {e.label for e in test.expander} == {"The figure as a table", "Answer"}
    address = urlparse(test.get("link_button")[0].proto.url)
    asked = parse_qs(address.query)
    assert asked["task"][0] in TASKS
    assert asked["method"][0] in METHODS
    assert asked["view"][0] in ("Localization", "Posterior", "Latent design", "Coverage", "Compare")


def test_a_prediction_is_judged_and_the_answer_opens(tour):
    test = tour(3)
    assert not test.success
    assert not next(e for e in test.expander if e.label == "Answer").proto.expanded
    step = STEPS[2]
    test.radio(key="learn_guess_2").set_value(step.guesses[(step.right + 1) % len(step.guesses)]).run()
    assert step.guesses[step.right] in test.info[0].value
    assert next(e for e in test.expander if e.label == "Answer").proto.expanded
    test.radio(key="learn_guess_2").set_value(step.guesses[step.right]).run()
    assert [box.value for box in test.success] == ["Right."]
    assert test.get("download_button")[0].proto.label == "Lesson sheet, PDF"


def test_next_and_previous_are_in_the_address(tour):
    test = tour(3)
    test.button(key="learn_next").click().run()
    assert test.query_params["step"] == "4"
    test.button(key="learn_previous").click().run()
    test.button(key="learn_previous").click().run()
    assert test.segmented_control(key="step").value == "2"
    assert tour(1).button(key="learn_previous").disabled
    assert tour(len(STEPS)).button(key="learn_next").disabled


def test_the_figure_answers_at_once(tour):
    test = tour(1)
    before = told(test), drawn(test)
    test.slider(key="learn_target").set_value(0.5).run()
    assert told(test) != before[0]
    assert drawn(test) != before[1]
    assert "y1=0.5" in test.get("link_button")[0].proto.url


@pytest.mark.parametrize("target", [-2.0, 0.0, 2.0])
@pytest.mark.parametrize("step", [1, 2, 3, 4, 6, 8, 9])
def test_no_target_of_the_slider_breaks_a_step(tour, step, target):
    test = tour(step)
    test.slider(key="learn_target").set_value(target).run()
    assert not test.exception
    assert not test.error


def test_the_same_network_is_blind_to_its_own_samples():
    """Why the forward pass uses zero padding: with the padding of the inverse it returns y* itself."""
    _, step, truth, blind = lessons.seen(1.2, 100, lessons.EYES[0])
    assert np.abs(blind).max() < 1e-4 < np.median(np.abs(truth))
    assert np.linalg.norm(step, axis=1).max() < 1e-4
    for eye in lessons.EYES[1:]:
        _, _, truth, sees = lessons.seen(1.2, 100, eye)
        assert np.corrcoef(truth, sees)[0, 1] > 0.95


def test_step_five_says_how_often_all_loops_are_found(tour):
    test = tour(5)
    shares = dict(re.findall(r"(SRS|LHS|maximin) (\d+) %", told(test)))
    assert int(shares["SRS"]) < int(shares["LHS"]) < int(shares["maximin"])


def test_corrections_are_the_last_frames(tour):
    test = tour(9)
    test.slider(key="learn_k").set_value(2).run()
    medians = test.dataframe[0].value.median()
    assert list(medians.index) == ["error², K = 0", "error², K = 1", "error², K = 2"]
    assert medians.iloc[2] < medians.iloc[1] < medians.iloc[0]


def test_spread_designs_cover_more(tour):
    test = tour(len(STEPS))
    drawn_share = float(told(test).split("Of all solutions, ")[1].split(" %")[0])
    test.segmented_control(key="learn_spread").set_value("box").run()
    assert not test.exception
    assert float(told(test).split("Of all solutions, ")[1].split(" %")[0]) > drawn_share
    assert "spread=box" in test.get("link_button")[0].proto.url
