"""Boxes shrink to just what is known in closed form, of linear systems and sets of boxes; proofs end where they may."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch

from ipage_core.inference import paving
from ipage_core.inference.enclosed import NoRule
from ipage_core.inference.intervals import Interval
from ipage_core.inference.paving import Equation, inverted, joined, pave, prove_radius, times
from tests.support.pavings import holds

SQUARE = torch.tensor([[-1.0, -1.0], [1.0, 1.0]], dtype=torch.float64)


def double(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def linear(matrix):
    return lambda x: torch.nn.functional.linear(x, matrix)


def shrunk(matrix, y, lo, hi, width):
    """The box around {x: A x = y} in [lo, hi], where the m coordinates of the largest determinant are solved for.

    → the ends of the box, and the coordinates that were solved for.
    """
    m, d = matrix.shape
    size = [abs(np.linalg.det((matrix * width)[:, columns])) for columns in combinations(range(d), m)]
    dependent = list(list(combinations(range(d), m))[int(np.argmax(size))])
    free = [k for k in range(d) if k not in dependent]
    inverse = np.linalg.inv(matrix[:, dependent])
    slope = inverse @ matrix[:, free]
    middle = inverse @ y - slope @ (lo + hi)[free] / 2
    reach = np.abs(slope) @ (hi - lo)[free] / 2
    low, high = lo.copy(), hi.copy()
    low[dependent], high[dependent] = (
        np.maximum(lo[dependent], middle - reach),
        np.minimum(hi[dependent], middle + reach),
    )
    return low, high, dependent


@pytest.mark.parametrize(("m", "d"), [(1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (2, 4), (3, 4)])
def test_a_linear_system_is_solved_in_one_step(m, d):
    rng = np.random.default_rng(10 * m + d)
    outer = np.array([np.linspace(-5, 2, d), np.linspace(4, 30, d)]) if d > 1 else np.array([[-5.0], [4.0]])
    outer[1] += outer[1] <= outer[0]
    wide = outer[1] - outer[0]
    matrix = rng.normal(size=(m, d)) / wide
    inner = outer[0] + wide * (0.2 + 0.5 * rng.random((60, d)))
    lo, hi = inner, inner + wide * (0.02 + 0.2 * rng.random((60, d)))
    y = matrix @ (lo[0] + (hi - lo)[0] * rng.random(d))
    equation = Equation(linear(torch.from_numpy(matrix)), torch.from_numpy(y), torch.from_numpy(outer))
    kept, alive = equation.contract(Interval(torch.from_numpy(lo), torch.from_numpy(hi)))
    assert alive[0]
    at = 0
    for k in range(60):
        low, high, _ = shrunk(matrix, y, lo[k], hi[k], hi[k] - lo[k])
        assert bool(alive[k]) == (low <= high).all()
        if alive[k]:
            assert np.allclose(kept.lo[at].numpy(), low, rtol=0, atol=1e-11 * wide.max())
            assert np.allclose(kept.hi[at].numpy(), high, rtol=0, atol=1e-11 * wide.max())
            at += 1
    assert at == len(kept.lo)


def test_the_coordinate_that_matters_in_the_box_is_solved_for():
    """The box is narrow in x₁ and wide in x₂, though x₁ is the larger."""
    equation = Equation(lambda x: x.sum(1, keepdim=True), torch.tensor([0.8]).double(), SQUARE)
    kept, _ = equation.contract(Interval(double([0.8, -0.1]), double([0.81, 0.1])))
    assert kept.lo[0].tolist() == pytest.approx([0.8, -0.01], abs=1e-7)
    assert kept.hi[0].tolist() == pytest.approx([0.81, 0.0], abs=1e-7)


def test_wide_boxes_are_judged_by_their_range_and_narrow_ones_beside_them_shrink():
    """0.3 of the domain's width is narrow, in every coordinate."""
    equation = Equation(lambda x: x.sum(1, keepdim=True), torch.tensor([0.0]), SQUARE)
    lo = double([-0.5, -0.05], [-0.3, -0.05], [-0.3, 0.4], [-0.31, -0.05])
    hi = double([0.5, 0.05], [0.3, 0.05], [0.2, 0.5], [0.31, 0.05])
    kept, alive = equation.contract(Interval(lo, hi))
    assert alive.tolist() == [True, True, False, True]
    assert kept.lo[:, 0].tolist() == pytest.approx([-0.5, -0.05, -0.31])
    assert kept.hi[:, 0].tolist() == pytest.approx([0.5, 0.05, 0.31])
    all_wide, alive = equation.contract(Interval(lo[:1], hi[:1]))
    assert torch.equal(all_wide.hi, hi[:1])
    assert alive.tolist() == [True]


@pytest.mark.parametrize(("f", "y"), [
    (lambda x: (x[:, :1] - x[:, :1]) + x[:, 1:], 0.25),  # its range seems to be [−0.2, 0.3]
    (lambda x: x[:, :1] ** 2 + (x[:, 1:] - x[:, 1:]), -0.09),  # here [−0.1, 0.11], and the slope may be 0
])  # fmt: skip
def test_slopes_exclude_what_the_range_alone_does_not(f, y):
    box = Interval(double([-0.1, 0.0]), double([0.1, 0.1]))
    equation = Equation(f, torch.tensor([y]), SQUARE)
    assert equation.misfit(box).value.holds_zero().all()
    kept, alive = equation.contract(box)
    assert (len(kept.lo), alive.tolist()) == (0, [False])


def test_a_box_that_is_flat_at_its_solution_stays():
    equation = Equation(lambda x: x, torch.tensor([0.25, 0.5]), SQUARE)
    kept, alive = equation.contract(Interval(double([0.2, 0.5]), double([0.3, 0.5])))
    assert alive.tolist() == [True]
    assert (kept.lo[0, 1].item(), kept.hi[0, 1].item()) == (0.5, 0.5)


def test_a_slope_that_may_be_zero_leaves_the_box_as_it_is():
    equation = Equation(lambda x: x[:, :1] ** 2 + 0 * x[:, 1:], torch.tensor([0.0]), SQUARE)
    box = Interval(double([-0.1, 0.0]), double([0.2, 0.1]))
    kept, alive = equation.contract(box)
    assert alive.tolist() == [True]
    assert torch.equal(kept.lo, box.lo)
    assert torch.equal(kept.hi, box.hi)


def test_a_matrix_that_has_no_inverse_is_left_out():
    fine, part, zero = double([2, 1], [0, 4]), double([1, 0], [0, 0]), double([0, 0], [0, 0])
    found = inverted(torch.stack([fine, part, zero, double([1, 1], [1, 1])]))
    assert torch.allclose(found[0], double([0.5, -0.125], [0, 0.25]))
    assert torch.equal(found[1:], torch.eye(2, dtype=torch.float64).expand(3, 2, 2))


def test_a_matrix_times_slopes_is_the_product_of_matrices():
    generator = torch.Generator().manual_seed(0)
    matrix, slopes = (torch.randn(7, *shape, dtype=torch.float64, generator=generator) for shape in ((2, 2), (2, 3)))
    found = times(matrix, Interval(slopes))
    assert torch.allclose(found.lo, matrix @ slopes)
    assert torch.allclose(found.hi, matrix @ slopes)
    assert torch.equal(joined([Interval(slopes[0])], 3).lo, slopes[0])


def test_what_an_equation_takes():
    eight = torch.stack((torch.zeros(8), torch.ones(8)))
    assert Equation(lambda x: x.sum(1, keepdim=True), torch.tensor([1.0]), eight).d == 8
    with pytest.raises(NoRule, match="9 coordinates are too many boxes; at most 8"):
        Equation(lambda x: x, torch.tensor([1.0]), torch.stack((torch.zeros(9), torch.ones(9))))
    box = torch.tensor([[1.0, 10.0], [4.0, 30.0]])
    equation = Equation(lambda x: x, torch.tensor(2.0), box)
    assert (equation.m, equation.width.tolist()) == (1, [3, 20])
    assert equation.sizes(Interval(double([1, 10]), double([2.5, 15]))).tolist() == [[0.5, 0.25]]
    misfit = equation.misfit(Interval(double([1, 10]), double([2, 15])))  # of the first property alone
    assert (misfit.value.lo.tolist(), misfit.value.hi.tolist()) == ([[pytest.approx(-1)]], [[pytest.approx(0)]])
    for f in (lambda x: x[:, 0], lambda x: x[:, :, None], lambda x: torch.ones(1, 1), lambda x: torch.ones(1)):
        with pytest.raises(NoRule, match="f does not return a matrix that depends on x"):
            Equation(f, torch.tensor([1.0]), SQUARE)

    def no_slopes(x):
        assert x.gradient is None
        return x

    with pytest.raises(NoRule, match="cannot be run on boxes"):  # at once, not within a proof
        Equation(no_slopes, torch.tensor([1.0]), SQUARE)


# Pavings


def test_the_test_itself_finds_boxes_that_hold_a_design():
    """The edge of a large box behind nine small ones; corners belong to boxes."""
    small = torch.arange(9, dtype=torch.float64)[:, None] / 1024 + double([1.0, 0.875])
    boxes = Interval(torch.cat((double([0, 0]), small)), torch.cat((double([1, 1]), small + 1 / 2048)))
    x = double([1, 1], [1, 0], [0, 1], [0, 0], [1, 0.875], [1.00048828125, 0.875], [1.0007, 0.875], [-1e-12, 0.5])
    assert holds(boxes, x).tolist() == [True] * 6 + [False] * 2
    assert holds(boxes, x, 1e-11).tolist() == [True] * 6 + [False, True]


def nothing(x):
    """0, which interval arithmetic knows only as about 0: no box can be excluded."""
    return (x[:, :1] - x[:, :1]) + (x[:, 1:] - x[:, 1:])


def test_boxes_are_halved_until_they_are_as_small_as_asked():
    box = torch.tensor([[0.0, -1.0], [3.0, 6.0]])
    told = []
    quarters = pave(Equation(nothing, torch.tensor([0.0]), box), 0.25, progress=lambda *at: told.append(at))
    lo = {tuple(row) for row in quarters.boxes.lo.tolist()}
    assert lo == {(0.75 * i, -1 + 1.75 * j) for i in range(4) for j in range(4)}
    assert (len(quarters.boxes.lo), quarters.tested, quarters.finished) == (16, 31, True)
    assert [share for _, share in told] == pytest.approx([0.0] * len(told), abs=1e-12)
    assert [tested for tested, _ in told] == [1, 3, 7, 15, 31]
    assert len(pave(Equation(nothing, torch.tensor([0.0]), box), 0.2499).boxes.lo) == 64


def test_the_excluded_share_is_that_of_the_area():
    """Of the square, x₁ ≥ 0.3 is left, whose boxes stop at 1/8 of the width."""
    told = []
    f = lambda x: torch.relu(0.3 - x[:, :1]) + (x[:, 1:] - x[:, 1:])  # noqa: E731
    left = pave(Equation(f, torch.tensor([0.0]), SQUARE), 1 / 8, progress=lambda *at: told.append(at))
    area = float(((left.boxes.hi - left.boxes.lo) / 2).prod(1).sum())
    assert told[-1] == (left.tested, pytest.approx(1 - area))
    assert 0.35 <= area <= 0.4375
    assert [share for _, share in told] == sorted(share for _, share in told)


def test_boxes_in_small_parts_are_the_same_boxes(monkeypatch):
    equation = Equation(lambda x: x.square().sum(1, keepdim=True), torch.tensor([0.25]), SQUARE)
    whole, radius = pave(equation, 0.1), prove_radius(equation, np.array([[0.5, 0.0]]), np.ones(2), goal=1.05)
    monkeypatch.setattr(paving, "AT_ONCE", 3)
    parts = pave(equation, 0.1)
    assert sorted(parts.boxes.lo.tolist()) == sorted(whole.boxes.lo.tolist())
    assert parts.tested == whole.tested
    again = prove_radius(equation, np.array([[0.5, 0.0]]), np.ones(2), goal=1.05)
    assert max(radius.radius, again.radius) <= 1.05  # the farthest is opposite, at a distance of 1
    assert min(radius.radius, again.radius) >= 1


# Radii


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7])
def test_before_a_box_is_cut_its_farthest_corner_bounds_the_radius(n):
    """Of designs in the middle and far from it, those in the middle count."""
    rng = np.random.default_rng(n)
    low, high = np.array([2.0, 30.0]), np.array([5.0, 80.0])
    scale = np.array([3.0, 25.0])
    designs = (low + high) / 2 + scale * rng.uniform(-0.1, 0.1, (n, 2))
    designs[4:] = np.array([[-40.0, -900.0], [90.0, 1700.0], [0.0, 0.0]])[: max(0, n - 4)]
    box = torch.from_numpy(np.stack([low, high]))
    equation = Equation(lambda x: x[:, :1], torch.tensor([3.0]), box)
    told = []
    proof = prove_radius(equation, designs, scale, cancel=lambda: True, progress=lambda *at: told.append(at))
    corners = np.array([[a, b] for a in (2.0, 5.0) for b in (30.0, 80.0)])
    farthest = np.linalg.norm((corners[:, None] - designs) / scale, axis=2).max(0)
    assert proof.radius == pytest.approx(farthest.min(), rel=1e-9)
    assert (proof.tested, told, proof.empty) == (0, [], False)
    assert proof.boxes.lo.tolist() == [[2, 30]]


def test_round_off_never_makes_a_radius_too_small():
    equation = Equation(lambda x: x[:, :1], torch.tensor([0.0]), torch.tensor([[0.0, 0.0], [3.0, 4.0]]))
    assert prove_radius(equation, np.zeros((1, 2)), np.ones(2), cancel=lambda: True).radius >= 5
    assert prove_radius(equation, np.zeros((1, 2)), np.ones(2), cancel=lambda: True).radius < 5.0001


@pytest.mark.parametrize("slack", [1.5, 1.1, 1.01])
def test_a_proof_ends_between_the_farthest_solution_and_the_goal(slack):
    """A line, and the distances from its ends to designs on it and beside it."""
    equation = Equation(lambda x: x[:, :1] + 2 * x[:, 1:], torch.tensor([0.5]), SQUARE)
    rng = np.random.default_rng(3)
    t = np.linspace(-0.25, 0.75, 2001)
    on_it = np.stack([0.5 - 2 * t, t], 1)
    for n in (1, 2, 5, 9):
        designs = on_it[rng.integers(0, 2001, n)] + rng.normal(0, 0.02, (n, 2))
        farthest = np.linalg.norm(on_it[:, None] - designs, axis=2).min(1).max()
        told = []
        proof = prove_radius(
            equation, designs, np.ones(2), goal=slack * farthest, progress=lambda *at, told=told: told.append(at)
        )
        assert farthest <= proof.radius <= slack * farthest
        assert (proof.empty, len(proof.boxes.lo)) == (False, 0)
        assert [tested for tested, _ in told] == sorted({tested for tested, _ in told})
        assert all(radius >= farthest for _, radius in told)
        assert [radius for _, radius in told] == sorted((radius for _, radius in told), reverse=True)
        assert not told or told[0][0] == 2  # the two halves of the box


def test_a_proof_without_a_goal_goes_on_until_it_is_stopped():
    equation = Equation(lambda x: x[:, :1], torch.tensor([0.0]), SQUARE)
    told = []
    proof = prove_radius(
        equation,
        np.array([[0.0, b] for b in np.linspace(-1, 1, 11)]),
        np.ones(2),
        progress=lambda *at: told.append(at),
        cancel=lambda: bool(told) and told[-1][1] < 0.15,
    )
    assert 0.1 <= proof.radius < 0.15
    assert proof.boxes.lo[:, 0].abs().max() < 0.2  # those that are left lie along the line
    assert len(proof.boxes.lo)
    goal = prove_radius(equation, np.zeros((1, 2)), np.ones(2), goal=9.0)
    assert (goal.tested, len(goal.boxes.lo)) == (0, 0)
    assert goal.radius == pytest.approx(math.sqrt(2))


def test_boxes_of_variables_are_judged_as_designs():
    """The designs are twice the variables."""
    equation = Equation(lambda x: x[:, :1], torch.tensor([0.0]), SQUARE)
    far = prove_radius(
        equation,
        np.zeros((1, 2)),
        np.ones(2),
        goal=2.1,
        coordinates=lambda box: Interval(2 * box.lo, 2 * box.hi),
    )
    assert 2 <= far.radius <= 2.1
