"""The guided tour without a browser, with the shipped networks: every step, its figure, its address."""

import json
import re
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from app.components.words import number
from app.figures.playback import Size
from app.figures.theme import unpacked
from app.lessons import computations as lessons
from app.lessons import figures
from app.lessons.experiments import POSTERIORS
from app.lessons.tour import STEPS
from app.state import runs
from ipage_core.benchmark.references import reference
from ipage_core.inference.latent_design import unit_design
from ipage_core.inference.methods import METHODS
from ipage_core.problem.request import SAMPLINGS, DesignRequest
from ipage_core.tasks import TASKS
from tests.support.pages import open_page


@pytest.fixture
def tour():
    return lambda step: open_page("screens/learn.py", step=str(step))


def told(test):
    return test.caption[-1].value


def drawn(test):
    return json.loads(test.get("plotly_chart")[0].proto.spec)


def omega(x):
    """The sine wave of x (n, 2) → (n,)."""
    return np.sin(3 * np.pi * x[:, 0]) + np.cos(3 * np.pi * x[:, 1])


def right_many(said, data):
    np.testing.assert_allclose(data["y"], omega(data[["x₁", "x₂"]].to_numpy()), atol=1e-6)
    hits = int((data["y"] - 1.2).abs().le(0.02).sum())
    assert said == f"{hits} of 1,000 designs drawn at random have y = 1.2 ± 0.02: {hits / 10:.1f} %."


def right_latent(said, data):
    z1, z2, x1, x2, y = (float(v) for v in re.findall(r"-?\d+\.\d+", said))
    assert (z1, z2) == (0.5, 0.5)
    assert omega(np.array([[x1, x2]]))[0] == pytest.approx(y, abs=0.02)
    assert len(data) == 300


def right_posterior(said, data):
    off = omega(data[["x₁", "x₂"]].to_numpy()) - 1.2
    np.testing.assert_allclose(data["Ω(x) − y*"], off, atol=1e-5)
    assert said.startswith(f"{100 * (np.abs(off) <= 0.02).mean():.0f} % of {len(data)} posterior samples are within")
    assert said.endswith(f"the mean of (Ω(x) − y*)² is {number(np.square(off).mean())}.")


def right_eyes(said, data):
    off = omega(data[["x₁", "x₂"]].to_numpy()) - 1.2
    assert f"{number(np.median(np.abs(off)))} by Ω." in said
    assert f"y*: {number(data['f(x) − y*'].abs().median())} by f" in said
    assert said.endswith(f"Median step: {number(np.median(np.linalg.norm(data[['step₁', 'step₂']], axis=1)))}.")


def right_spaces(said, data):
    least = {name: pdist(data[[f"{name} Φ(z₁)", f"{name} Φ(z₂)"]]).min() for name in ("SRS", "LHS", "maximin")}
    assert said.endswith("between two points is " + ", ".join(f"{least[name]:.3f} ({name})" for name in least) + ".")
    unit = {name: data[[f"{name} Φ(z₁)", f"{name} Φ(z₂)"]].to_numpy() for name in least}
    met = {name: len(set(lessons.loops_of(1.2, points)) - {-1}) for name, points in unit.items()}
    loops = ", ".join(f"{count} loops ({name})" for name, count in met.items())
    assert f"For seed 0, the points meet the patches of {loops}, and the smallest" in said


def right_descent(said, data):
    path, _, _ = lessons.descent(1.2, 200, "lm", 12)
    by_omega = np.median(np.square([omega(x) - 1.2 for x in path]), axis=1)
    np.testing.assert_allclose(data["by Ω"], by_omega, rtol=0.05, atol=1e-9)
    row = data.iloc[2]
    values = f"{number(row['median error² by f'])} by f and {number(row['by Ω'])} by Ω"
    assert said == f"After 2 of {len(data) - 1} steps the median squared error is {values}."


def right_starts(said, data):
    for name in ("iPage", "Random start (control)"):
        moved, off = data[f"way, {name}"], data[f"error², {name}"]
        values = f"mean error² {number(off.mean())}, median {number(off.median())}."
        assert f"**{name}**: median distance moved {number(moved.median())} widths of the box, {values}" in said


def right_believed(said, data):
    by_f, by_omega = (int((data[name] <= 0.002).sum()) for name in ("|f(x) − y*|", "|Ω(x) − y*|"))
    assert said.startswith(f"By f, {by_f} of 200 designs are within ±0.002; by Ω, {by_omega}. Ω ran {len(data)} times")


def right_corrected(said, data):
    medians = ", ".join(f"K = {k}: {number(data[f'error², K = {k}'].median())}" for k in (0, 1))
    assert said == f"Median squared error by Ω: {medians}. In all, Ω ran {2 * len(data)} times, with the final check."


def right_covered(said, data):
    run = runs.of(DesignRequest.of(TASKS["sinewave"], 1.2, method="ipage", n=100))
    truth = reference("sinewave", 4000)
    distance = truth.distance(run.x[-1][run.hit].astype(float))
    assert said.startswith(f"{run.hit.sum()} designs for y* = 1.2, as drawn.")
    share = float(re.search(r"Of all solutions, ([\d.]+) % have", said).group(1))
    within = float(re.search(r"within ([\d.]+) box widths", said).group(1))
    assert share == pytest.approx(100 * truth.area[distance <= within].sum(), abs=0.1)
    assert f"The farthest solution is {distance.max():.3f} box widths" in said


RIGHT = (
    right_many,
    right_latent,
    right_posterior,
    right_eyes,
    right_spaces,
    right_descent,
    right_starts,
    right_believed,
    right_corrected,
    right_covered,
)
"""For each step, (its sentence, the data of its figure) → whether the sentence is true of them."""


@pytest.mark.parametrize("step", range(1, len(STEPS) + 1))
def test_every_step_has_a_figure_a_question_and_a_way_to_explore(tour, step):
    test = tour(step)
    assert not test.exception
    assert not test.error
    assert f"{step} of {len(STEPS)}: {STEPS[step - 1].title}" in [m.value.removeprefix("#### ") for m in test.markdown]
    assert any(trace["type"] in ("scatter", "bar") for trace in drawn(test)["data"])
    assert test.latex[0].value
    assert {e.label for e in test.expander} == {"The figure as a table"}  # no answer before a choice
    address = urlparse(test.get("link_button")[0].proto.url)
    asked = parse_qs(address.query)
    assert asked["task"][0] in TASKS
    assert asked["method"][0] in METHODS
    assert asked["view"][0] in ("Localization", "Posterior", "Latent design", "Coverage", "Compare")
    RIGHT[step - 1](told(test), test.dataframe[0].value)


def test_posteriors_of_other_losses_and_couplings_are_shown_before_localization(tour):
    """Likelihood, the paper's MMD losses alone, Ardizzone's couplings: what Ω says of their samples."""
    test = tour(3)
    errors = {}
    for method in POSTERIORS:
        test.segmented_control(key="learn_posterior").set_value(method).run()
        assert not test.exception
        data = test.dataframe[0].value
        right_posterior(told(test), data)
        assert f"method={method}&" in test.get("link_button")[0].proto.url
        errors[method] = np.square(data["Ω(x) − y*"]).mean()
    assert 50 * max(errors["inn"], errors["cinn"]) < errors["ipage-paper"]
    assert errors["inn"] < errors["inn-ardizzone"] < errors["ipage-paper"]


def test_figures_mark_what_is_within_the_tolerance():
    """Of three designs, 0.01, 0.05 and 0.2 from the target, the first is within 0.02 of it."""
    off = np.array([0.01, 0.05, 0.2])
    drawn_at_random = figures.many(np.array([[0.1, 0.0], [0.2, 0.0], [0.3, 0.0]]), 1.2 - off, 1.2, 0.02, False, Size())
    judged = figures.believed(np.array([0.3, 0.2, 0.1]), off, 0.02, False, Size())
    for figure, name, right in ((drawn_at_random, "y within tolerance", [0.1]), (judged, "hit", [0.3])):
        (marked,) = [trace for trace in figure["data"] if trace.get("name") == name]
        assert unpacked(marked["x"]) == pytest.approx(right)


def test_a_prediction_is_judged_and_the_answer_opens(tour):
    test = tour(3)
    assert not test.success
    assert not any(STEPS[2].answer[:20] in m.value for m in test.markdown)
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
    assert "%" not in told(test)  # the figure and its sentence would answer the question
    assert len([axis for axis in drawn(test)["layout"] if axis.startswith("xaxis")]) == 3
    test.radio(key="learn_guess_4").set_value(STEPS[4].guesses[0]).run()
    assert len([axis for axis in drawn(test)["layout"] if axis.startswith("xaxis")]) == 4
    shares = dict(re.findall(r"(SRS|LHS|maximin) (\d+) %", told(test)))
    assert int(shares["SRS"]) < int(shares["LHS"]) < int(shares["maximin"])


def test_adam_s_error_rises_at_first_and_the_step_says_why(tour):
    test = tour(6)
    assert "At first it rises" not in told(test)
    test.segmented_control(key="learn_optimizer").set_value("adam").run()
    by_f = test.dataframe[0].value["median error² by f"]
    assert by_f[1] > by_f[0] > by_f.iloc[-1]
    assert told(test).endswith("because Adam's first steps are equally long however near the target is.")


def test_the_measured_tables_are_one_click_away(tour):
    assert any("page [Benchmark](./benchmark) has the measured tables" in c.value for c in tour(7).caption)


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


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_the_patches_under_the_points_say_which_loops_are_found(sampling, seed):
    points = unit_design(25, 2, sampling, seed)
    met = set(lessons.loops_of(1.2, points)) - {-1}
    designs = runs.of(DesignRequest.of(TASKS["sinewave"], 1.2, n=25, sampling=sampling, seed=seed))
    assert len(met) == designs.summary["modes_found"]
    patches = lessons.patches(1.2, 80)
    columns, rows = (points * 80).astype(int).T
    assert np.mean(patches[rows, columns] == lessons.loops_of(1.2, points)) > 0.85  # cells on a border hold two loops


def test_columns_are_explained_only_where_they_are_seen(tour):
    test = tour(8)
    assert f"near y* its values are {number(float(np.spacing(np.float32(1.2))))} apart" in told(test)
    test.slider(key="learn_target").set_value(0.0).run()
    assert "apart" not in told(test)
