import pytest

from ipage_core.problem.constraints import parse
from ipage_core.problem.names import find
from ipage_core.tasks import TASKS
from ipage_core.tasks.table import own_data, own_task
from ipage_core.tasks.table.names import choose, coordinates, targets
from tests.tasks.table.test_own_data import table


@pytest.mark.parametrize(
    ("labels", "text", "index"),
    [
        (["t", "T", "b"], "t", 0),
        (["t", "T", "b"], "T", 1),
        (["t", "T", "b"], "B", 2),
        (["T [K]", "t [s]"], "t", 1),
        (["T [K]", "t [s]"], "T", 0),
        (["Water", "Water content", "Sand"], "Water", 0),
        (["Water", "Water content", "Sand"], "water", 0),
        (["Water", "Water content", "Sand"], "Water content", 1),
        (["Water content", "Sand"], "Water", 0),
        (["Water content", "Sand"], "water", 0),
        (["a [Å]", "α [°]"], "a", 0),
        (["a [Å]", "α [°]"], "alpha", 1),
        (["a [Å]", "α [°]"], "α", 1),
        (["a [Å]", "α [°]"], "a [Å]", 0),
        (["p", "q"], "x2", 1),
        (["x2", "x1"], "x1", 1),
        (["a", "b"], "c", None),
        (["x₁ rail [m]", "x₂ joint 1 [rad]", "x₃ joint 2 [rad]"], "joint 2", 2),
        (["x₁ rail [m]", "x₂ joint 1 [rad]", "x₃ joint 2 [rad]"], "Rail", 0),
        (["x₁ rail [m]", "rail [m]"], "rail", 1),
        (["x₀ [m]", "v₀ [m/s]"], "v0", 1),
        (["x₀ [m]", "v₀ [m/s]"], "x1", 0),
        (["v₀ [m/s]", "v0 [km/h]"], "v0", 1),
        (["x₁ rail [m]", "x₂ joint 1 [rad]"], "x₂ JOINT 1", 1),
    ],
)
def test_a_name_stands_for_one_label(labels, text, index):
    assert find(text, labels) == index


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (["Water content", "Water mass"], "Water"),
        (["Water content", "Water mass"], "water"),
        (["Water", "water"], "WATER"),
        (["water", "Water content"], "Water"),
        (["T [K]", "T [°C]"], "T"),
        (["a", "a"], "a"),
    ],
)
def test_an_ambiguous_name_is_refused_with_the_candidates(labels, text):
    with pytest.raises(ValueError, match=f"'{text}' may be '.*' \\(x1\\) or '.*' \\(x2\\)"):
        find(text, labels)


def test_the_tables_own_names_are_names():
    assert find("a (Å)", ["a [Å]", "b"], ["a (Å)", "b"]) == 0


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    frame = table().rename(columns={"a (Å)": "Water content", "b": "Water", "angle": "T=300 K"})
    folder = tmp_path_factory.mktemp("own") / "t"
    return own_data.create(folder, frame, ["Water content", "Water", "T=300 K"], ["gap [eV]"], source="t")


def test_constraints_move_what_they_name(task):
    low, high = task.bounds.tolist()
    bounds = parse(task, ["Water<=0.5", "T=300 K>=85"]).bounds
    assert bounds[1].tolist() == [high[0], 0.5, high[2]]
    assert bounds[0].tolist() == [low[0], low[1], 85.0]
    assert parse(task, ["Water content<=3.5"]).bounds[1].tolist() == [3.5, *high[1:]]


def test_designs_and_targets_come_under_the_tables_own_names(task):
    own = ["Water content", "Water", "T=300 K"]
    assert coordinates(task, ["T=300 K", "Water", "Water content", "gap [eV]"]) == own
    assert coordinates(task, ["x1", "x2", "x3"]) == ["x1", "x2", "x3"]
    assert coordinates(task, ["x1", "x2", "x3", *own]) == own
    assert coordinates(task, ["x1", "x2", "x3", "stage", *own]) == ["x1", "x2", "x3"]
    assert coordinates(task, ["x1", "x2"]) is None
    assert coordinates(TASKS["crystal"], ["a", "b", "c", "α", "β", "γ"]) == ["a", "b", "c", "α", "β", "γ"]
    assert targets(task, ["gap [eV]"], own_task.property_names(task)) == ["gap [eV]"]
    assert targets(task, ["gap"], own_task.property_names(task)) == ["gap"]
    assert targets(task, ["y1"], own_task.property_names(task)) == ["y1"]


@pytest.mark.parametrize(
    ("said", "chosen"),
    [
        ("a,b", ["a [nm]", "b"]),
        ("a [nm],T", ["a [nm]", "T"]),
        ("t", ["t"]),
        ("Gitter, c (Å)", ["Gitter, c (Å)"]),
        ('"Gitter, c (Å)",T', ["Gitter, c (Å)", "T"]),
        ("b, Gitter, c (Å), T", ["b", "Gitter, c (Å)", "T"]),
        ("R*", ["R1", "R2", "R10"]),
        ("R?", ["R1", "R2"]),
    ],
)
def test_columns_are_chosen_by_name(said, chosen):
    columns = ["a [nm]", "b", "T", "t", "Gitter, c (Å)", "R1", "R2", "R10"]
    assert choose(columns, said) == chosen


def test_a_column_that_is_not_there_is_said():
    with pytest.raises(ValueError, match="There is no column 'Z'; the table has: a, b"):
        choose(["a", "b"], "a,Z")
    with pytest.raises(ValueError, match="'T' may be 'T \\[K\\]' \\(x1\\) or 'T \\[°C\\]' \\(x2\\)"):
        choose(["T [K]", "T [°C]"], "T")
