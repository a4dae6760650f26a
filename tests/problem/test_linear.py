"""Linear relations, integers and logarithmic scales hold for every design."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ipage_core.problem import linear
from ipage_core.problem.constraints import parse
from ipage_core.problem.linear import Linear
from ipage_core.problem.space import Box, Tied, scaled
from ipage_core.problem.task import Variable
from ipage_core.tasks import TASKS

NAMES = ["a", "b", "c", "T-1"]
ARM = TASKS["robotic_arm"]


def index(name):
    return NAMES.index(name) if name in NAMES else None


@pytest.mark.parametrize(
    ("text", "row", "sign", "value"),
    [
        ("2*a - b <= 3", [2, -1, 0, 0], "<=", 3),
        ("a+b+c=1", [1, 1, 1, 0], "=", 1),
        ("a + 1 >= 2*b/4 - 5", [1, -0.5, 0, 0], ">=", -6),
        ("-a = -1e-3", [-1, 0, 0, 0], "=", -1e-3),
        ("1.5e+2*a <= b", [150, -1, 0, 0], "<=", 0),
        ("T-1 = a", [-1, 0, 0, 1], "=", 0),
    ],
)
def test_relations_are_read(text, row, sign, value):
    found = linear.read(text, index, 4)
    assert found is not None
    assert found.row.tolist() == row
    assert (found.sign, found.value) == (sign, pytest.approx(value))


@pytest.mark.parametrize("text", ["a*b=1", "a", "a=1=b", "1=2", "d=1", "1/a=2", "a/0=1", "a+=2", "a^2=1", "a=b=", "="])
def test_what_is_not_linear_is_none(text):
    assert linear.read(text, index, 4) is None


def test_a_cap_is_zero_on_the_line_and_counts_widths():
    cap = Linear(torch.tensor([1.0, 1.0]).double(), "<=", 1.0).cap(torch.tensor([[0.0, 0.0], [1.0, 3.0]]).double())
    x = torch.tensor([[0.5, 0.5], [1.0, 3.0], [0.0, 0.0]], dtype=torch.float64)
    assert cap(x).tolist() == pytest.approx([0, 0.75, -0.25])
    shifted = torch.tensor([[-1.0, 2.0], [1.0, 4.0]], dtype=torch.float64)  # 1·2 + 2·2 = 6 of a − 2 b
    above = Linear(torch.tensor([1.0, -2.0]).double(), ">=", -3.0).cap(shifted)
    assert above(x).tolist() == pytest.approx([(-3 + 0.5) / 6, (-3 + 5) / 6, -3 / 6])


@given(
    row=st.lists(st.sampled_from([-2.0, -1.0, 0.5, 1.0, 3.0]), min_size=4, max_size=4),
    value=st.floats(-2, 2),
    u=st.lists(st.floats(-5, 5), min_size=3, max_size=3),
)
@settings(deadline=None)
def test_an_equation_holds_whatever_is_moved(row, value, u):
    bounds = torch.tensor([[-1.0] * 4, [1.0] * 4], dtype=torch.float64)
    equation = Linear(torch.tensor(row, dtype=torch.float64), "=", value)
    solved = linear.eliminate(bounds, torch.eye(4).double(), torch.zeros(4).double(), [equation], torch.zeros(4).bool())
    space = Tied(solved.bounds, solved.expand, solved.offset)
    x = space.decode(torch.tensor([u], dtype=torch.float64))
    assert abs(float(x[0] @ equation.row) - value) < 1e-9
    assert torch.allclose(space.decode(space.encode(x)), x)  # designs that obey it are unchanged


def test_equations_that_contradict_or_repeat_each_other_are_refused():
    bounds, eye, zero = torch.tensor([[0.0, 0.0], [1.0, 1.0]]).double(), torch.eye(2).double(), torch.zeros(2).double()
    ones = torch.ones(2, dtype=torch.float64)
    for value in (1.0, 2.0):
        with pytest.raises(ValueError, match="contradict each other, or one repeats another"):
            linear.eliminate(bounds, eye, zero, [Linear(ones, "=", 1.0), Linear(2 * ones, "=", value)], zero.bool())


def test_several_equations_of_tied_and_fixed_coordinates_hold_together():
    """x = (u₁, u₁, 2, u₂, u₃): two equations leave one coordinate."""
    expand = torch.tensor([[1, 1, 0, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]]).double()
    offset = torch.tensor([0, 0, 2, 0, 0]).double()
    bounds = torch.tensor([[-9.0] * 3, [9.0] * 3]).double()
    rows = torch.tensor([[1.0, 0.5, 3, -1, 0], [0, 2, 1, 1, 5]]).double()
    equations = [Linear(rows[0], "=", 4.0), Linear(rows[1], "=", -3.0)]
    solved = linear.eliminate(bounds, expand, offset, equations, torch.zeros(3).bool())
    assert len(solved.kept) == 1
    x = Tied(solved.bounds, solved.expand, solved.offset).decode(torch.tensor([[-2.0], [0.0], [5.0]]).double())
    assert x @ rows.T == pytest.approx(torch.tensor([[4.0, -3.0]] * 3).double())
    assert torch.equal(x[:, 0], x[:, 1])
    assert x[:, 2].tolist() == [2, 2, 2]
    with pytest.raises(ValueError, match="contradict each other, or one repeats another"):
        linear.eliminate(
            bounds, expand, offset, [*equations, Linear(rows.sum(0) ** 2, "=", 1.0)] * 2, torch.zeros(3).bool()
        )


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_an_equation_that_follows_but_for_rounding_is_refused_in_any_unit(unit):
    eye, zero = torch.eye(2).double(), torch.zeros(2).double()
    bounds = torch.tensor([[0.0, 0.0], [unit, unit]]).double()
    row = torch.tensor([1 / 3, 0.7], dtype=torch.float64)
    for factor in (3.1, 1 / 7):
        twice = [Linear(row, "=", 0.4 * unit), Linear(factor * row, "=", factor * 0.4 * unit)]
        with pytest.raises(ValueError, match="contradict each other, or one repeats another"):
            linear.eliminate(bounds, eye, zero, twice, zero.bool())


def test_a_whole_number_is_not_what_an_equation_is_solved_for():
    bounds, eye, zero = torch.tensor([[0.0, 0.0], [9.0, 1.0]]).double(), torch.eye(2).double(), torch.zeros(2).double()
    solved = linear.eliminate(
        bounds, eye, zero, [Linear(torch.ones(2).double(), "=", 3.0)], torch.tensor([True, False])
    )
    assert solved.kept == [0]


def test_among_whole_numbers_the_one_that_is_moved_most_is_solved_for():
    eye, zero, whole = torch.eye(3).double(), torch.zeros(3).double(), torch.ones(3).bool()
    bounds = torch.tensor([[0.0, 0.0, 0.0], [2.0, 9.0, 4.0]]).double()
    for row, k in (([1.0, 1.0, 1.0], 1), ([9.0, 1.0, 1.0], 0), ([1.0, 1.0, -3.0], 2)):
        solved = linear.eliminate(bounds, eye, zero, [Linear(torch.tensor(row).double(), "=", 3.0)], whole)
        assert solved.kept == [j for j in range(3) if j != k]


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize(("share", "solved_for"), [(2e-9, 1), (0.5e-9, 0)])
def test_a_number_that_moves_a_billionth_of_the_equation_is_not_solved_for(unit, share, solved_for):
    eye, zero, whole = torch.eye(2).double(), torch.zeros(2).double(), torch.tensor([True, False])
    bounds = torch.tensor([[0.0, 0.0], [1.0, 1.0]]).double()
    equation = Linear(torch.tensor([unit, share * unit]).double(), "=", 0.5 * unit)
    assert linear.eliminate(bounds, eye, zero, [equation], whole).kept == [1 - solved_for]


@pytest.mark.parametrize(("sign", "value", "fine"), [
    ("<=", 0.7, True), ("<=", 0.5, True), ("<=", 0.4, False), (">=", 0.3, True), (">=", 0.5, True), (">=", 0.6, False),
    ("=", 0.5, True), ("=", 0.4, False), ("=", 0.6, False),
])  # fmt: skip
@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_relations_of_fixed_numbers_hold_or_not(sign, value, fine, unit):
    bounds = torch.tensor([[0.2 * unit, 0.3 * unit, 0.0], [0.2 * unit, 0.3 * unit, 1.0]], dtype=torch.float64)
    relation = Linear(torch.tensor([1.0, 1.0, 0.0]).double(), sign, value * unit)
    assert linear.can_hold([relation], bounds, [0, 1, 2], torch.zeros(3).bool()) is fine


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_relations_that_differ_by_a_hundredth_contradict_each_other_in_any_unit(unit):
    bounds = unit * torch.tensor([[0.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    row = torch.ones(2, dtype=torch.float64)
    for most, fine in ((0.99, False), (1.01, True)):
        both = [Linear(row, "<=", most * unit), Linear(row, ">=", unit)]
        assert linear.can_hold(both, bounds, [0, 1], torch.zeros(2).bool()) is fine


def test_relations_of_numbers_fixed_at_zero_hold_or_not():
    bounds = torch.tensor([[0.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    for sign, value, fine in (("<=", 0.1, True), ("<=", -0.1, False), (">=", -0.1, True), (">=", 0.1, False)):
        relation = Linear(torch.tensor([2.0, 0.0]).double(), sign, value)
        assert linear.can_hold([relation], bounds, [0, 1], torch.zeros(2).bool()) is fine


def test_a_relation_that_the_fixed_coordinates_meet_changes_nothing():
    space = parse(ARM, ["x1=0.2", "x2=0.1", "x1 + x2 <= 0.4"])
    x = space.decode(torch.rand(5, 2, dtype=torch.float64))
    assert x[:, :2].tolist() == [[0.2, 0.1]] * 5
    assert space.excess(x).tolist() == [[0]] * 5
    with pytest.raises(ValueError, match="no design meets them all"):
        parse(ARM, ["x1=0.2", "x2=0.1", "x1 + x2 <= 0.2"])


def test_a_constraint_of_the_task_becomes_an_equation_and_caps():
    space = parse(ARM, ["x1 + x2 + x3 = 0.3", "2*x1 - x4 <= 0.1"])
    assert space.bounds.shape == (2, 3)
    u = torch.rand(50, 3, dtype=torch.float64) * (space.bounds[1] - space.bounds[0]) + space.bounds[0]
    x = space.decode(u)
    assert (x[:, :3].sum(1) - 0.3).abs().max() < 1e-12
    kept = (2 * x[:, 0] - x[:, 3] <= 0.1) & (x >= ARM.bounds[0]).all(1) & (x <= ARM.bounds[1]).all(1)
    assert torch.equal(space.excess(x).sum(1) < 1e-12, kept)
    assert kept.any()
    assert not kept.all()
    with pytest.raises(ValueError, match="contradict each other"):
        parse(ARM, ["x1 + x2 = 0.3", "x1 + x2 = 0.4"])


def test_a_constraint_by_ties_and_an_equation_together():
    space = parse(ARM, ["x1 = x2", "x1 + x2 + x3 = 0.3"])
    x = space.decode(torch.rand(20, 2, dtype=torch.float64))
    assert torch.equal(x[:, 0], x[:, 1])
    assert (x[:, :3].sum(1) - 0.3).abs().max() < 1e-12


def test_logarithms_and_whole_numbers():
    space = scaled(
        Box(torch.tensor([[1e-6, 0.5], [1e-2, 7.4]], dtype=torch.float64)),
        torch.tensor([True, False]),
        torch.tensor([False, True]),
        torch.tensor([False, True]),
    )
    x = torch.tensor([[1e-4, 3.3], [1e-6, 0.6], [1e-2, 7.4]], dtype=torch.float64)
    u = space.encode(x)
    assert torch.allclose(space.decode(u), x)
    assert space.bounds[:, 0].tolist() == pytest.approx([-13.8155, -4.60517], rel=1e-5)
    settled = space.decode(space.settle(u))
    assert settled[:, 1].tolist() == [3, 1, 7]
    assert torch.allclose(settled[:, 0], x[:, 0])
    assert space.project(settled + torch.tensor([0.0, 1e-12]))[:, 1].tolist() == [3, 1, 7]


def test_a_derivative_passes_through_a_logarithm_that_is_not_taken():
    space = scaled(
        Box(torch.tensor([[-1.0, 0.1], [1.0, 10.0]], dtype=torch.float64)),
        torch.tensor([False, True]),
        torch.zeros(2, dtype=torch.bool),
        torch.zeros(2, dtype=torch.bool),
    )
    u = space.encode(torch.tensor([[-0.5, 2.0]], dtype=torch.float64)).requires_grad_(True)
    jacobian = torch.autograd.functional.jacobian(space.decode, u)[0, :, 0]
    assert torch.allclose(jacobian, torch.tensor([[1.0, 0.0], [0.0, 2.0]], dtype=torch.float64))


def test_a_task_without_whole_numbers_keeps_its_box():
    assert type(parse(ARM)) is Box
    first = Variable("n", low=0, high=9, kind="integer")
    space = parse(replace(ARM, variables=(first, *ARM.variables[1:])))
    assert space.whole.tolist() == [True, False, False, False]
