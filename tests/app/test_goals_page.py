"""The page of cells by several properties, without a browser."""

import io
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from app.figures.playback import Size
from app.tasks.cells.goals import closely, page, runs
from app.tasks.cells.goals.closely import came_from
from app.tasks.cells.goals.figures import attainment, directions, target_stiffness
from app.tasks.cells.goals.planes import front, pareto, poisson_plane
from app.tasks.cells.goals.request import EXAMPLES, GoalRequest
from app.tasks.cells.goals.shapes import loads
from ipage_core.problem.goal import expression
from ipage_core.runtime.text import parts_of
from ipage_core.tasks.cells.dataset import cell
from ipage_core.tasks.cells.deformation import LOADS, deformed
from ipage_core.tasks.cells.features import has_features, smallest_features
from ipage_core.tasks.cells.goal_design import cell_goals
from ipage_core.tasks.cells.goals import Goal
from ipage_core.tasks.cells.homogenization import homogenize
from ipage_core.tasks.cells.properties import TABLE, values
from ipage_core.tasks.cells.wallpaper import GROUPS
from tests.support.browser import ROOT


@pytest.fixture
def app(monkeypatch):
    def start(**query):
        test = AppTest.from_file(str(ROOT / "app/main.py"), default_timeout=300)
        test.query_params.update(query)
        test.switch_page("screens/cells.py")
        return test.run()

    return start


def by_label(elements, label):
    return next(e for e in elements if e.label == label)


def table(test):
    return next(frame.value for frame in test.dataframe if "design" in frame.value)


def test_goals_of_the_address_are_met_and_changed_goals_wait_for_the_click(app):
    test = app(goals="E_x=0.4±0.02; volume<=0.8", n="4")
    assert not test.exception
    assert [s.value for s in test.selectbox if s.label == "Property"] == ["E_x", "volume"]
    assert by_label(test.selectbox, "Property").options == [*(p.label for p in TABLE.values()), "E along an angle"]
    frame = table(test)
    assert len(frame) == 4
    closely = next(f.value for f in test.dataframe if "property" in f.value)
    assert {"one element a pixel", "extrapolated mesh"} <= set(closely)
    row = closely[closely["property"] == "E_x"].iloc[0]
    assert abs(row["extrapolated mesh"] - row["one element a pixel"]) < 0.1
    assert row["extrapolated mesh"] != row["one element a pixel"]
    solved = runs.designs(test.session_state[page.APPLIED]).solved
    cards = " ".join(h.proto.body for h in test.get("html"))
    assert f"{solved.met.sum()} of 4</div><div class='meaning'>by finite elements: one element a pixel" in cards
    assert f"a design, {solved.seconds.sum():.1f} s in all" in cards
    help_text = by_label(test.text_input, "Constraints").help
    assert f"a symmetry, one of {', '.join(GROUPS)}." in help_text
    wall, gap = smallest_features(solved.cells[int(solved.misfit.argmin())])
    assert any(f"Thinnest wall {wall} pixels, narrowest gap {gap} pixels." in c.value for c in test.caption)
    assert any("cells under each load, drawn at 15 % strain" in m.value for m in test.markdown)
    met = frame["meets"]
    assert (np.abs(frame.loc[met, "E_x=0.4±0.02"] - 0.4) <= 0.02).all()
    assert (frame.loc[met, "volume<=0.8"] <= 0.8).all()
    assert met.any()
    value = next(e for e in test.number_input if e.value == 0.4)
    value.set_value(0.5).run()
    assert not test.exception
    assert any("have changed since" in info.value for info in test.info)
    assert list(table(test).columns) == list(frame.columns)
    by_label(test.button, "Design cells").click().run()
    assert not test.exception
    assert "E_x=0.5±0.02" in table(test)
    assert not any("have changed since" in info.value for info in test.info)
    assert "E_x=0.5" in "".join(test.query_params["goals"])


def test_a_row_is_added_removed_and_needs_a_number(app):
    test = app(goals="E_x=0.4±0.02", n="1", feature="1")
    by_label(test.button, "Add a goal").click().run()
    assert any("has no number yet" in e.value for e in test.error)
    assert len(table(test)) == 1  # the designs are kept
    removes = [b for b in test.button if b.key and b.key.endswith("-remove")]
    assert len(removes) == 2
    removes[1].click().run()
    assert not test.error
    by_label(test.selectbox, "Begin with").select("Stiff and light").run()
    assert [s.value for s in test.selectbox if s.label == "I want it"] == ["at least", "at least", "minimize"]


@pytest.mark.parametrize(
    ("query", "words"),
    [({"goals": "E_q=3"}, "E_q"), ({"goals": "E_x=0.4", "n": "1", "feature": "9cm"}, "feature")],
)
def test_what_cannot_be_is_one_sentence(app, query, words):
    test = app(**query)
    assert not test.exception
    assert any(words in e.value for e in test.error)


def test_a_link_says_what_was_left_out_although_its_designs_cannot_be(app):
    test = app(goals="E_x=0.4", n="1", side="7", c="group=p5")
    test.run()
    assert any("p5" in e.value for e in test.error)
    assert any("side=7 is not accepted here" in w.value for w in test.warning)


def test_goals_of_the_address_that_cannot_be_stay_named_until_the_click(app):
    test = app(goals="E_z=0.9; E_x=1.4; volume<=0.8", n="1")
    test.run()  # the browser's own first rerun
    assert [s.value for s in test.selectbox if s.label == "Property"] == ["volume"]
    assert all(any(name in e.value for e in test.error) for name in ("E_z", "E_x=1.4"))
    by_label(test.button, "Design cells").click().run()
    assert not test.error


def test_addresses_and_commands_bring_a_request_back():
    asked = GoalRequest(
        ("E_x=0.3±0.01", "minimize volume"), 4, 7, 64, "0.6mm", 12.5, "converged", ("group=p4m", "solid=1-4,1-4")
    )
    assert GoalRequest.from_query(asked.query()) == asked
    assert GoalRequest.from_query(GoalRequest(parts_of(EXAMPLES["Four moduli"])).query()) == GoalRequest(
        parts_of(EXAMPLES["Four moduli"])
    )
    command = asked.command()
    assert re.search(r"--goal '?E_x=0.3±0.01", command)
    assert "--cell-mm 12.5" in command


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_goals_that_can_be(name):
    goals = GoalRequest(parts_of(EXAMPLES[name])).parsed()
    assert len(goals) >= 3
    assert all(np.isfinite(goal.tolerance) for goal in goals if not goal.open)


def test_requests_give_features_and_ways():
    made = GoalRequest(("E_x=0.4±0.02",), n=2, feature="0.6mm").run()
    assert made.feature == 2
    assert has_features(made.solved.cells, 2).all()
    shown = {figure.name: figure for figure in closely.key_figures(made)}
    assert shown["Nearest shipped cell"].value == f"{made.lookup:.2g}"
    assert shown["Starts a design"].meaning.removeprefix("on average, from ").split(", ") == sorted(
        set(made.solved.start)
    )
    none = SimpleNamespace(solved=made.solved, lookup=np.inf, feature=9)
    shown = {figure.name: figure for figure in closely.key_figures(none)}["Nearest shipped cell"]
    assert (shown.value, shown.meaning) == ("none", "has walls and gaps of 9 pixels")
    for way, final in zip(made.solved.ways, made.solved.cells, strict=True):
        assert len(way) >= 2
        assert all(picture.shape == (32, 32) for picture in way)
        assert (way[-1] == final).all()
    frame = pd.read_csv(io.StringIO(made.frame().to_csv(index=False)))
    assert "z_E_x" in frame


def test_a_shipped_cell_that_meets_the_goals_is_named_so():
    wide = GoalRequest(("E_x=0.4±0.1",), n=1, feature="1").run()
    assert came_from(wide, 0) == "a shipped cell, which stays as it is"
    narrow = GoalRequest(("E_x=0.4±1e-4", "E_y=0.3±1e-3"), n=1, feature="1", seed=1).run()
    if narrow.solved.start[0] == "flips" and narrow.solved.calls[0] > 1:
        assert came_from(narrow, 0) == "a shipped cell, by flips of pixels"


def goals_of(text):
    return [goal for said in parts_of(text) for goal in cell_goals(*expression(said))]


def test_the_target_curve_is_drawn_only_where_the_goals_determine_it():
    found = target_stiffness(goals_of(EXAMPLES["Four moduli"]))
    np.testing.assert_allclose(values(("E_x", "E_y", "nu_xy", "G_xy"), found, 1), [0.35, 0.25, 0.3, 0.07])
    assert target_stiffness(goals_of("E_x=0.3; E_y=0.3")) is None
    assert target_stiffness(goals_of("E_x=0.3; E_y=0.3; nu_xy=0.3; G_xy=0.1; eta_x=0.2")) is None


def test_pareto_front_holds_what_nothing_beats():
    points = np.random.default_rng(0).random((200, 2))
    best = pareto(points)
    beaten = [((points[:, 0] <= p[0]) & (points[:, 1] >= p[1]) & (points != p).any(1)).any() for p in best]
    assert not any(beaten)
    others = [p for p in points if not (best == p).all(1).any()]
    assert all(((best[:, 0] <= p[0]) & (best[:, 1] >= p[1])).any() for p in others)


@pytest.mark.parametrize("size", ["narrow", "wide"])
def test_figures_are_what_plotly_takes(size):
    from plotly.graph_objects import Figure

    cells = np.array([cell(0, i).pixels for i in range(3)])
    stiffness = homogenize(cells)
    goals = [Goal("E_x", "exactly", 0.3), Goal("nu_xy", "at most", 0.3), Goal("E(45)", "at least", 0.1)]
    achieved = values([goal.name for goal in goals], stiffness, cells.mean((1, 2)))
    points = np.random.default_rng(0).random((500, 2))
    met = np.array([True, False, True])
    places, strains = deformed(cells[0], 0.1)
    drawn = [
        attainment(goals, achieved, met, 1, True, Size(size)),
        directions(goals, stiffness, 1, False, Size(size)),
        poisson_plane(goals, points, points[:3], 0, False, Size(size)),
        front("E_x", points, points[:3], None, True, Size(size)),
        loads(places, np.tile(cells[0], (2, 2)), strains, LOADS, False, Size(size)),
    ]
    for figure in drawn:
        Figure(figure)
    assert len([t for t in drawn[-1]["data"] if t.get("fill") == "toself"]) == 3
