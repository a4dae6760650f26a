"""Goals and constraints in the command line's syntax, and the resulting columns."""

import io
import json

import numpy as np
import pandas as pd
import pytest

from ipage_core.problem.goal import Goal as Wanted
from ipage_core.problem.goal import Kind
from ipage_core.tasks.cells.dataset import cell
from ipage_core.tasks.cells.export import files
from ipage_core.tasks.cells.goal_design import cell_goals, design, space_and_goals
from ipage_core.tasks.cells.goal_table import written
from ipage_core.tasks.cells.goal_verification import parsed, verify_table
from ipage_core.tasks.cells.goals import Goal
from ipage_core.tasks.cells.homogenization import homogenize
from ipage_core.tasks.cells.mesh import refined, stiffness
from ipage_core.tasks.cells.properties import values
from ipage_core.tasks.cells.wallpaper import is_symmetric


def asked(kind: Kind, low: float = -np.inf, high: float = np.inf, tolerance: float | None = None) -> Wanted:
    return Wanted(kind, low, high, tolerance)


def test_goals_of_the_problem_floor() -> None:
    assert cell_goals("E_x", asked("exactly", 0.3, 0.3, 0.02)) == [Goal("E_x", "exactly", 0.3, 0.02)]
    assert cell_goals("volume", asked("at most", high=0.5))[0].kind == "at most"
    low, high = cell_goals("nu_xy", asked("between", -0.3, -0.28))
    assert (low.kind, low.value, high.kind, high.value) == ("at least", -0.3, "at most", -0.28)
    assert low.tolerance == pytest.approx(0.005)
    assert cell_goals("volume", asked("minimize"))[0].open
    assert cell_goals("volume", asked("anything")) == []
    with pytest.raises(ValueError, match="accepted"):
        cell_goals("E_z", asked("exactly", 1, 1))


def test_constraints_become_space_and_goals() -> None:
    space, goals = space_and_goals(["group=p4m", "volume<=0.6", "e_y>=0.2", "solid=1-4,1-4"], side=64, feature=2)
    assert space.side == 64
    assert space.orbits is not None
    assert len(space.orbits) == 64 * 64
    assert space.solid is not None
    assert space.solid[:8, :8].all()
    assert [(goal.name, goal.kind, goal.value) for goal in goals] == [
        ("volume", "at most", 0.6),
        ("E_y", "at least", 0.2),
    ]
    assert space_and_goals(["isotropic"])[1][0].name == "anisotropy"
    for bad in (["volume<=x"], ["solid=1-4,1-4", "void=1-4,1-4"], ["nonsense"], ["volume<=1e"]):
        with pytest.raises(ValueError, match=r"constraint|accepted"):
            space_and_goals(bad)
    with pytest.raises(ValueError, match="32 or 64"):
        space_and_goals(["solid=1-4,1-4"], side=48)


def test_designs_come_back_in_the_columns_of_the_contract() -> None:
    goals = [Goal("E_x", "exactly", 0.4, 0.01), Goal("nu_xy", "at most", 0.3, 0.02)]
    designs = design(goals, 2, expressions=["group=p4m", "volume<=0.7"], seed=1)
    frame, summary = pd.read_csv(io.StringIO(designs.frame().to_csv(index=False))), designs.summary()
    assert json.loads(json.dumps(summary)) == summary
    assert summary["hits"] == 2
    assert summary["goals"][0] == "E_x=0.4±0.01"
    assert list(frame.columns[:5]) == ["sample", "stage", "target1", "target2", "target3"]
    cells = frame[[f"x{j + 1}" for j in range(1024)]].to_numpy().reshape(-1, 32, 32)
    assert all(is_symmetric(cell, "p4m") for cell in cells)
    own = values(("E_x", "nu_xy", "volume"), homogenize(cells), cells.mean((1, 2)))
    np.testing.assert_allclose(frame[["y1", "y2", "y3"]], own, rtol=1e-9)
    np.testing.assert_allclose(frame[["E_x", "nu_xy", "volume"]], own, rtol=1e-9)
    assert (own[:, 1] <= 0.3).all()
    assert (own[:, 2] <= 0.7).all()
    np.testing.assert_allclose(frame["resim_error"], (own[:, 0] - 0.4) ** 2, atol=1e-12)


def test_a_converged_design_shows_both_meshes() -> None:
    frame = design([Goal("E_x", "exactly", 0.4, 0.02)], 1, mesh="converged", feature=2).frame()
    cell = frame[[f"x{j + 1}" for j in range(1024)]].to_numpy().reshape(32, 32)
    assert abs(frame["y1"][0] - 0.4) <= 0.02
    assert frame["E_x on pixels"][0] == pytest.approx(values(("E_x",), homogenize(cell), 1)[0], rel=1e-9)
    assert frame["E_x on pixels"][0] != frame["y1"][0]


def test_cells_are_verified_at_their_own_resolution_and_mesh() -> None:
    cells = refined(np.array([cell(7, i).pixels for i in range(2)]), 2)
    fine, coarse = (values(("E_x", "K"), stiffness(cells, mesh), cells.mean((1, 2))) for mesh in ("converged", "pixel"))
    frame = pd.DataFrame(cells.reshape(2, -1), columns=[f"x{j + 1}" for j in range(64**2)])
    goals = f"E_x={fine[0, 0]:.6g}±0.001 & K>=0.001"
    verified, said = verify_table(frame.assign(goals=goals, mesh=["converged", "pixel"]))  # type: ignore[misc]
    np.testing.assert_allclose(verified[["y1", "y2"]], [fine[0], coarse[1]], rtol=1e-9)
    assert verified["E_x on pixels"][0] == pytest.approx(coarse[0, 0], rel=1e-9)
    assert list(verified["misfit"] <= 1) == [True, False]
    assert said.startswith("1 of 2")
    assert verify_table(frame) is None
    for bad in (
        {"goals": "E_q=1", "mesh": "pixel"},
        {"goals": "K>=0.1", "mesh": "4"},
        {"x7": 0.5},
        {"goals": None},
        {"mesh": None},
    ):
        with pytest.raises(ValueError, match=r"accepted|0 and 1"):
            verify_table(frame.assign(**({"goals": goals, "mesh": "pixel"} | bad)))


def test_cells_of_another_resolution_are_exported() -> None:
    cell = np.zeros((48, 48))
    cell[10:30] = cell[:, 10:30] = 1
    frame = pd.DataFrame([[0, *cell.ravel()]], columns=["sample", *(f"x{j + 1}" for j in range(48 * 48))])
    frame["sample"] = 0
    assert set(files(frame, "svg")) == {"cell-0.svg"}
    with pytest.raises(ValueError, match="square"):
        files(frame.drop(columns="x48"), "svg")


def test_the_column_of_goals_gives_the_same_goals_back() -> None:
    """``verify`` judges by this column: a lost digit or another tolerance would be another judgement."""
    goals = [
        Goal("E_x", "exactly", 0.12345678901, 1e-9),
        Goal("E_y", "exactly", 0.0123),
        *cell_goals("nu_xy", asked("between", 0.3, 0.302)),
        *cell_goals("volume", asked("at least", 0.5)),
        *cell_goals("G_xy", asked("at least", 0.05)),
        *cell_goals("G_xy", asked("at most", high=0.051)),
        Goal("K", "minimize"),
    ]
    back = parsed(written(goals))
    assert [(goal.name, goal.kind) for goal in back] == [(goal.name, goal.kind) for goal in goals]
    numbers = np.array([[(goal.value, goal.tolerance) for goal in some] for some in (back, goals)])
    np.testing.assert_allclose(numbers[0], numbers[1], rtol=1e-13)


def test_thickness_is_said_in_the_unit_of_the_cell() -> None:
    made = design([Goal("E_x", "exactly", 0.4, 0.05)], 1, feature=2, cell_mm=0.64)
    assert made.remark() == "; no wall and no gap is thinner than 2 pixels (0.04 mm in a cell of 0.64 mm)"
    with pytest.raises(ValueError, match="positive width"):
        design([Goal("E_x", "exactly", 0.4)], 1, cell_mm=np.nan)
