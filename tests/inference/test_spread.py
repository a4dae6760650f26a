"""Spread and coverage on sets known in closed form, without networks."""

import itertools
import math

import numpy as np
import pytest
import torch

from ipage_core.inference.coverage import coverage, fill_gaps, interval, percent
from ipage_core.inference.paving import Equation
from ipage_core.inference.solution_set import SolutionSet, grow, pool
from ipage_core.inference.spread import farthest, spread
from ipage_core.problem import constraints
from ipage_core.tasks import TASKS

SQUARE = torch.tensor([[-1.0, -1.0], [1.0, 1.0]], dtype=torch.float64)


class Box:
    """u = x."""

    def __init__(self, bounds):
        self.bounds = bounds

    def encode(self, x):
        return x

    def decode(self, u):
        return u

    def excess(self, x):
        return x.new_zeros(len(x), 0)


def circle(x):
    """x² + y²."""
    return x.square().sum(1, keepdim=True)


def solutions(f=circle, y=(0.25,), bounds=SQUARE, **more):
    width = (bounds[1] - bounds[0]).numpy()
    target = torch.tensor(y, dtype=torch.float64)
    like = torch.zeros(0, dtype=torch.float64)
    return SolutionSet(f, target, more.pop("space", Box(bounds)), width, 1e-9, like=like, **more)


def gaps(x):
    """Lengths between neighbours on the circle, as a share of their mean."""
    angle = np.sort(np.arctan2(x[:, 1], x[:, 0]))
    steps = np.diff(np.concatenate([angle, [angle[0] + 2 * np.pi]]))
    return steps / steps.mean()


@pytest.mark.parametrize("n", [1, 2, 7, 40, 300])
def test_designs_on_a_circle_are_evenly_apart(n):
    x = spread(solutions(), n, seed=1)
    assert x.shape == (n, 2)
    assert np.allclose((x**2).sum(1), 0.25, atol=1e-8)
    if n > 2:
        assert gaps(x).max() < (1.1 if n <= 200 else 1.3)
        assert gaps(x).min() > (0.9 if n <= 200 else 0.7)


def test_it_is_a_function_of_its_seed():
    assert np.array_equal(spread(solutions(), 20, seed=3), spread(solutions(), 20, seed=3))
    assert not np.array_equal(spread(solutions(), 20, seed=3), spread(solutions(), 20, seed=4))


def test_separate_pieces_get_their_share_of_the_length():
    """Two circles of radius 0.4 and 0.1: four fifths of the length belong to the large one."""

    def f(x):
        large = (x - torch.tensor([-0.5, 0.0])).square().sum(1) - 0.16
        small = (x - torch.tensor([0.5, 0.0])).square().sum(1) - 0.01
        return (large * small)[:, None]

    x = spread(solutions(f, (0.0,)), 100)
    assert abs((x[:, 0] > 0.2).sum() - 20) <= 2


def test_a_skewed_proposal_does_not_skew_the_spread():
    """Nearly all posterior samples lie in one place; the designs are as even as with an unskewed proposal."""

    def propose(count, seed):
        generator = torch.Generator().manual_seed(seed)
        return torch.tensor([0.5, 0.0]) + 0.01 * torch.randn(count, 2, generator=generator)

    x = spread(solutions(), 60, propose=propose)
    assert gaps(x).max() < 1.5
    near = spread(solutions(), 60, propose=propose, region="posterior")
    assert np.linalg.norm(near - [0.5, 0.0], axis=1).max() < 0.1


def test_constraints_and_whole_numbers_are_obeyed():
    task = TASKS["robotic_arm"]
    width = (task.bounds[1] - task.bounds[0]).numpy()
    tied = constraints.parse(task, ["x2=x3", "x1<=0.1"])
    y = torch.tensor(task.default_target)
    arm = SolutionSet(task.omega, y.double(), tied, width, 1e-9, like=torch.zeros(0, dtype=torch.float64))
    x = spread(arm, 30)
    assert np.allclose(x[:, 1], x[:, 2])
    assert (x[:, 0] <= 0.1 + 1e-9).all()
    assert np.allclose(task.omega(torch.from_numpy(x)), y, atol=1e-8)
    ball = TASKS["ballistics"]
    whole = SolutionSet(
        ball.omega,
        torch.tensor([5.0]).double(),
        Box(ball.bounds),
        (ball.bounds[1] - ball.bounds[0]).numpy(),
        1e-6,
        integers=(3,),
        like=torch.zeros(0, dtype=torch.float64),
    )
    x = spread(whole, 60)
    right = abs(ball.omega(torch.from_numpy(x))[:, 0] - 5) < 1e-5
    assert right.double().mean() > 0.95
    assert (abs(x[:, 3] - np.rint(x[:, 3])) < 1e-9).mean() > 0.95


def test_whole_numbers_alone_stay_whole():
    """Three whole numbers from 0 to 6 whose sum is 6: nothing is free to make up for the rounding."""
    cube = torch.tensor([[0.0] * 3, [6.0] * 3], dtype=torch.float64)
    x = spread(solutions(lambda x: x.sum(1, keepdim=True), (6.0,), cube, integers=(0, 1, 2)), 20)
    assert np.array_equal(x, np.rint(x))
    assert np.array_equal(x.sum(1), np.full(20, 6.0))


def test_where_f_is_unsure_no_design_lies_but_one_is_near():
    """f is unsure of a fifth of the circle: its ends have designs, and nothing within has any."""

    def sure(x):
        return x[:, 0] < 0.4

    x = spread(solutions(trusted=sure), 40)
    assert (x[:, 0] < 0.4).all()
    tips = np.array([[0.4, 0.3], [0.4, -0.3]])
    assert solutions().nearest(tips, x)[0].max() < 0.03


def test_designs_whose_images_are_all_near_are_spread():
    """Signs and permutations of the axes make 48 images; the first neighbours of a design near an axis are its own."""
    cube = torch.tensor([[-1.0] * 3, [1.0] * 3], dtype=torch.float64)
    order = [list(p) for p in itertools.permutations(range(3))]

    def images(x):
        return np.stack([x[:, p] * s for p in order for s in itertools.product((1, -1), repeat=3)], 1)

    merged = solutions(lambda x: x.square().sum(1, keepdim=True), (0.5,), cube, images=images)
    x = spread(merged, 5)
    assert np.isfinite(x).all()
    assert merged.separation(x).min() > 0.05


def test_symmetric_images_are_merged():
    """If x and −x count as one, designs spread over half the circle, and cover it twice as finely."""
    merged = solutions(images=lambda x: np.stack([x, -x], 1))
    x = spread(merged, 20)
    angle = np.sort(np.arctan2(x[:, 1], x[:, 0]) % np.pi)
    steps = np.diff(np.concatenate([angle, [angle[0] + np.pi]]))
    assert steps.max() < 1.5 * steps.mean()


def test_isolated_solutions_are_all_found():
    """As many targets as coordinates: four points, each a design."""

    def f(x):
        return x.square()

    x = spread(solutions(f, (0.25, 0.09)), 4)
    assert sorted(map(tuple, np.round(x, 6))) == [(a, b) for a in (-0.5, 0.5) for b in (-0.3, 0.3)]


def test_what_has_no_solution_gives_no_design():
    assert len(spread(solutions(y=(9.0,)), 5)) == 0
    with pytest.raises(ValueError, match="accepted: box, posterior, off"):
        spread(solutions(), 5, region="everywhere")


def test_growing_reaches_the_corners_that_localization_leaves_empty():
    """A plane cuts off the cube's corner: random starts rarely end in the corners of the cut."""
    cube = torch.tensor([[0.0] * 3, [1.0] * 3], dtype=torch.float64)
    plane = solutions(lambda x: x.sum(1, keepdim=True), (0.2,), cube)
    tips = 0.2 * np.eye(3)
    few = pool(plane, 64, 0, None)
    more = grow(plane, few, 0)
    assert plane.nearest(tips, more)[0].max() < 0.3 * plane.nearest(tips, few)[0].max() + 1e-3
    assert np.allclose(more.sum(1), 0.2, atol=1e-8)


def test_farthest_points_are_a_net():
    rng = np.random.default_rng(0)
    known = rng.random((500, 2))
    rows = farthest(solutions(), known, 40)
    assert len(set(rows.tolist())) == 40
    apart = solutions().separation(known[rows]).min()
    assert solutions().nearest(known, known[rows])[0].max() <= apart + 1e-9  # Gonzalez' invariant


def half(n=100):
    """Designs on the upper half of the circle only."""
    angle = np.linspace(0, np.pi, n)
    return 0.5 * np.stack([np.cos(angle), np.sin(angle)], 1)


def test_coverage_of_half_a_circle_is_a_half():
    """With ε = 0.05 box widths = 0.1, the designs cover 0.1 more on either side: an arc of 2·asin(0.1)."""
    told = coverage(solutions(), half(), measured=True)
    expected = 0.5 + 2 * 2 * math.asin(0.05 / 0.5) / (2 * math.pi)
    assert abs(told.share() - expected) < 0.03
    assert abs(told.fill - 0.5 / math.sqrt(2)) < 0.01  # from (0, −1/2) to (±1/2, 0), in box widths of 2
    assert "Measured, over the box:" in told.sentence()
    assert told.sentence().endswith("within 0.05.")
    assert coverage(solutions(), half(), 0.1, unit="of strain").sentence().endswith("within 0.1 of strain.")
    assert told.summary()["proved_radius"] is None


def test_the_proof_agrees_with_geometry():
    told = coverage(solutions(), half(), equation=Equation(circle, torch.tensor([0.25]), SQUARE), measured=True)
    assert 0.5 / math.sqrt(2) <= told.proof.radius < 1.15 * 0.5 / math.sqrt(2)
    assert told.sentence().startswith("Proved: no solution in the box is farther than 0.3")


def test_the_estimate_is_of_the_posterior():
    """All posterior samples lie where the designs are: covered, though half of the set is not."""

    def propose(count, seed):
        generator = torch.Generator().manual_seed(seed)
        angle = math.pi * (0.1 + 0.8 * torch.rand(count, generator=generator))
        return 0.5 * torch.stack((angle.cos(), angle.sin()), 1)

    told = coverage(solutions(), half(), propose=propose)
    share, low, high = told.likely()
    assert share == 1.0
    assert 0.99 < low < 1.0
    assert high == 1.0
    assert told.share() < 0.7
    assert "Estimate, posterior-weighted: 100 %" in told.sentence()


def test_gaps_are_filled_and_what_is_covered_is_left():
    new, _ = fill_gaps(solutions(), half(), 0.05)
    assert (new[:, 1] < 0).all()
    assert np.allclose((new**2).sum(1), 0.25, atol=1e-8)
    both = np.concatenate([half(), new])
    proof = coverage(solutions(), both, equation=Equation(circle, torch.tensor([0.25]), SQUARE)).proof
    assert proof.radius <= 0.05 * 1.1
    assert len(new) < 40
    assert len(fill_gaps(solutions(), both, 0.05)[0]) == 0
    assert len(fill_gaps(solutions(), half(), 0.05, most=3)[0]) == 3


def test_the_interval_is_clopper_and_pearsons():
    """Their example of 10 hits in 100: 4.9 % to 17.6 %."""
    share, low, high = interval(10, 100)
    assert (share, round(low, 3), round(high, 3)) == (0.1, 0.049, 0.176)
    assert interval(0, 50)[1] == 0.0
    assert interval(50, 50)[2] == 1.0


@pytest.mark.parametrize(
    ("share", "said"), [(1.0, "100 %"), (0.99996, "99.9 %"), (0.0, "0 %"), (1e-6, "0.1 %"), (0.6251, "62.5 %")]
)
def test_no_share_is_rounded_to_all_or_none(share, said):
    assert percent(share) == said


def test_bad_questions_get_a_sentence():
    with pytest.raises(ValueError, match="no design"):
        coverage(solutions(), np.empty((0, 2)))
    with pytest.raises(ValueError, match="within=-1"):
        coverage(solutions(), half(), -1.0)
    refused = coverage(solutions(), half(), equation="no proof available: a surrogate")
    assert refused.summary()["no_proof"] == "no proof available: a surrogate"
