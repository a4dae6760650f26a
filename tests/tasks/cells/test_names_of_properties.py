"""One table of property names serves Python, command line, links and the form."""

import numpy as np
import pytest

import ipage_core as ipage
from app.tasks.cells.goals.request import GoalRequest
from ipage_core.problem.goal import expression
from ipage_core.problem.options import from_python
from ipage_core.tasks.cells.dataset import cell
from ipage_core.tasks.cells.goal_design import GoalDesigns, cell_goals, space_and_goals
from ipage_core.tasks.cells.goals import Goal, check_together
from ipage_core.tasks.cells.homogenization import homogenize
from ipage_core.tasks.cells.properties import TABLE, cell_property, limits, values
from ipage_core.tasks.cells.task import TASK

NAMES = [*TABLE, "E(30)"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_means_the_same_everywhere(name: str) -> None:
    value = 0.1
    wanted = Goal(name, "exactly", value, 0.02)
    on_the_command_line = cell_goals(*expression(f"{name}=0.1±0.02"))
    in_a_link = GoalRequest.from_query({"goals": f"{name}=0.1±0.02"}).parsed()
    expressions = from_python(TASK, {name: "0.1±0.02"}, 1, {}).goal
    in_python = [goal for said in expressions for goal in cell_goals(*expression(said))]
    as_a_constraint = space_and_goals([f"{name}<=0.1"])[1]
    assert on_the_command_line == in_a_link == in_python == [wanted]
    assert [(goal.name, goal.kind) for goal in as_a_constraint] == [(wanted.name, "at most")]


@pytest.mark.parametrize("name", NAMES)
def test_other_spellings(name: str) -> None:
    label = cell_property(name).label
    for spelling in (name.lower(), name.upper(), label, label.split(" (")[0], f" {name} "):
        assert cell_property(spelling).name == name
        assert Goal(spelling, "at least", 0.01).name == name


def test_names_that_mean_nothing_are_refused() -> None:
    for name in ("nu", "E", "E(x)", "E(nan)", "E()", "", "y"):
        with pytest.raises(ValueError, match="E_x, E_y, nu_xy"):
            cell_property(name)


def test_python_designs_for_several_properties(tmp_path) -> None:  # type: ignore[no-untyped-def]
    designs = ipage.design(
        "architecture", {"E_x": "0.35±0.02", "ν_xy": (0.0, 0.4), "volume": "<=0.8"}, n=2, feature=1, seed=3
    )
    assert isinstance(designs, GoalDesigns)
    assert len(designs) == 2
    assert repr(designs).startswith("2 designs of architecture for E_x=0.35±0.02, nu_xy>=0, nu_xy<=0.4, volume<=0.8")
    own = values(("E_x", "nu_xy", "volume"), homogenize(designs.cells), designs.cells.mean((1, 2)))
    shown = designs.to_frame()
    np.testing.assert_allclose(shown[["E_x [E_s]", "nu_xy", "volume"]], own, rtol=1e-9)
    assert list(shown["hit"]) == [True, True]
    assert designs._repr_html_().count("<tr") == 3
    assert [file.name for file in designs.export("svg", tmp_path)] == ["cell-0.svg", "cell-1.svg"]
    assert designs.export("csv", tmp_path / "cells.csv") == [tmp_path / "cells.csv"]
    with pytest.raises(ValueError, match="accepted: csv, png"):
        designs.export("cif", tmp_path)


def test_the_target_of_the_task_stays_a_z_score_in_python() -> None:
    designs = ipage.design("architecture", {"y": 1.0}, n=2)
    assert designs.y_star.tolist() == [[1.0], [1.0]]
    descended = ipage.design("architecture", 1.0, n=1, localize_on="omega", feature=1)
    assert descended.goals[0].value == pytest.approx(0.616, abs=1e-3)


@pytest.mark.parametrize(
    ("goals", "settings", "words"),
    [
        ({"E_z": 1}, {}, "'E_z' is not known; accepted: E_x"),
        ({"E_x": "much"}, {}, "neither a number nor a goal"),
        ({"E_x": None}, {}, "accepted: a number"),
        ({}, {}, "At least one goal"),
        ({"E_x": 0.3}, {"mesh": "fine"}, "mesh 'fine'"),
        ({"E_x": 0.3}, {"side": 7}, "32, 48 or 64"),
        ({"E_x": 0.3}, {"feature": "2cm"}, "millimetres"),
        ({"E_x": 0.3}, {"n": 2.5}, "whole number"),
        ({"E_x": 0.3}, {"n": 0}, "at least one design"),
        ({"E_x": 0.3}, {"tolerance": 2}, "tolerance has no meaning"),
        ({"E_x": 0.3}, {"localize_on": "luck"}, "accepted: surrogate, omega"),
        ({"E_x": 0.3}, {"colour": "red"}, "'colour' is not known"),
        (1.0, {"mesh": "pixel"}, "needs goals"),
    ],
)
def test_wrong_calls_are_one_sentence(goals: object, settings: dict, words: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match=words) as refused:
        ipage.design("architecture", goals, **({"n": 1} | settings))
    assert "\n" not in str(refused.value)


def test_settings_of_cells_are_for_cells() -> None:
    with pytest.raises(ValueError, match="'mesh' is not known"):
        ipage.design("sinewave", 1.2, mesh="pixel")


def test_goals_that_some_cell_meets_never_contradict() -> None:
    names = ("E_x", "E_y", "nu_xy", "nu_yx", "G_xy", "K", "E(30)", "volume")
    cells = np.array([cell(11, i).pixels for i in range(40)])
    for met in values(names, homogenize(cells), cells.mean((1, 2))):
        check_together([Goal(name, "exactly", value, 1e-9) for name, value in zip(names, met.tolist(), strict=True)])
        bounds = [Goal(name, "at least", value - 1e-6) for name, value in zip(names, met.tolist(), strict=True)]
        check_together([*bounds, *(Goal(g.name, "at most", g.value + 2e-6) for g in bounds)])
    assert limits("nu_xy") == (-np.inf, np.inf)


@pytest.mark.parametrize("bounds", [(0.5, 0.2), (0.2, 0.5)])
def test_of_two_bounds_on_a_property_the_narrower_one_holds(bounds: tuple[float, float]) -> None:
    stiff = [Goal("E_x", "at least", bound) for bound in bounds]
    light = [Goal("volume", "at most", 0.9 - bound) for bound in bounds]
    with pytest.raises(ValueError, match=r"at a volume fraction of 0\.3, E_x is at most 0\.3 E_s"):
        check_together([*stiff, Goal("volume", "at most", 0.3)])
    with pytest.raises(ValueError, match=r"at a volume fraction of 0\.4, E_x is at most 0\.4 E_s"):
        check_together([*light, Goal("E_x", "at least", 0.5)])
    check_together([*stiff, Goal("volume", "at most", 0.6)])
