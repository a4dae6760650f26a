"""Parts of a run whose answers are known: starts, far and lost targets, optima, spaces with steps, notes."""

from dataclasses import replace

import pytest
import torch

from ipage_core.inference import pipeline
from ipage_core.inference.chain import Chain
from ipage_core.inference.latent_design import latent_design
from ipage_core.inference.methods import Loaded
from ipage_core.inference.pareto import ATTEMPTS
from ipage_core.inference.pipeline import design, optimal
from ipage_core.inference.verification import rows_to_verify
from ipage_core.problem.constraints import parse
from ipage_core.problem.goal import Goal
from ipage_core.problem.space import Box, DesignSpace
from ipage_core.problem.target import Target
from ipage_core.problem.task import Task, Variable
from tests.support.models import SINEWAVE, exact_method

CPU = torch.device("cpu")


def double(*rows):
    return torch.tensor(rows, dtype=torch.float64)


class Drawn:
    """Proposes Φ(z) in the task's box."""

    def __init__(self, task):
        self.task, self.latent_dim = task, task.d

    def sample(self, y_star, z):
        low, high = self.task.bounds.to(z)
        return low + (high - low) * torch.special.ndtr(z)


def exact(function, variables, tolerances, target, **more):
    """A task and a method whose surrogate is Ω."""
    task = Task.from_function(function, variables, tolerances, "known", seconds=0, default_target=target)
    task = replace(task, **more)
    return task, Loaded("exact", Drawn(task), lambda x: function(x).view(len(x), -1), CPU)


SQUARE = {"a": (0, 1), "b": (0, 1)}


# Where localization starts


def test_localization_goes_the_shortest_way_from_the_designs_that_are_given():
    task, method = exact(lambda x: x.sum(1), SQUARE, {"y": 0.1}, (1,))
    start = double([0.1, 0.2], [0.9, 0.5], [0.5, 0.1])
    found = design(task, method, double([1])[0], 3, start_from=start)
    assert torch.allclose(found.localized.double(), start + (1 - start.sum(1, keepdim=True)) / 2, atol=1e-4)
    assert torch.equal(found.posterior, Drawn(task).sample(None, found.z))  # those stay the method's own
    levels, method = exact(
        lambda x: x.sum(1), [Variable("a", low=-9, high=9), Variable("k", kind="category", levels=("p", "q", "r"))],
        {"y": 0.1}, (1.5,),
    )  # fmt: skip
    start = double([0.3, 2], [0.4, 2], [0.5, 0])
    found = design(levels, method, double([1.5])[0], 3, start_from=start)
    assert found.localized.tolist() == [pytest.approx([a, k], abs=1e-2) for a, k in ((-0.5, 2), (-0.5, 2), (1.5, 0))]


def test_the_seed_is_zero_unless_another_is_given_and_two_designs_a_target_have_its_points():
    one, same = (design(SINEWAVE, exact_method(), double([1.2])[0], 3, **more) for more in ({}, {"seed": 0}))
    assert torch.equal(one.localized, same.localized)
    assert (one.omega_calls, one.seed) == (3, 0)
    two = design(SINEWAVE, exact_method(), double([1.2], [0.5], [0.7]), 2)
    assert torch.equal(two.z, latent_design(2, 2, "maximin", 0).repeat(3, 1))


def test_as_many_designs_as_a_call_takes_are_taken(monkeypatch):
    monkeypatch.setattr(pipeline, "AT_MOST", 4)
    assert len(design(SINEWAVE, exact_method(), double([1.2], [0.5]), 2)) == 4
    with pytest.raises(ValueError, match="at most 4 designs in all, got 5"):
        design(SINEWAVE, exact_method(), double([1.2])[0], 5)


# Targets far away, and targets that no design reaches


def test_a_target_beyond_ten_thousand_tolerances_is_pulled_in_along_its_direction():
    box = {"a": (-1e5, 1e5), "b": (-1e5, 1e5)}
    task, method = exact(lambda x: x, box, {"p": 1, "q": 2}, (0, 0))
    far = double([3e4, 8e4], [0.0, -4e4], [6e3, 1.5e4])  # 5, 2 and 0.96 times ten thousand tolerances
    found = design(task, method, far, 2, verify="none")
    expected = double([6e3, 1.6e4], [0, -2e4], [6e3, 1.5e4]).repeat_interleave(2, 0)
    assert torch.allclose(found.localized.double(), expected, rtol=1e-4, atol=1)
    assert torch.equal(found.y_star, far.repeat_interleave(2, 0))
    assert found.note == ""


@pytest.mark.parametrize(("usual", "end"), [(1e4, 1e5), (3e3, 3e4), (500, 1e4)])
def test_a_target_may_be_ten_times_as_far_as_is_usual(usual, end):
    task, method = exact(lambda x: x, {"a": (-1e6, 1e6)}, {"p": 0.5}, (usual * 0.5,))
    aims = double([0.9], [1.05], [0.001]) * end * 0.5
    found = design(task, method, aims, 1, verify="none")
    assert found.localized[:, 0].tolist() == pytest.approx([0.45 * end, 0.5 * end, 5e-4 * end], rel=1e-4)


def hills(x):
    """Heights 1, 1.985 and 2, a third of the box each."""
    t = 3 * x[:, :1]
    height = torch.where(t < 1, 1.0, torch.where(t < 2, 1.985, 2.0)).to(x)
    return height * (1 - (2 * (t - t.detach().floor().clamp(0, 2)) - 1).square())


def test_designs_for_a_target_that_is_lost_aim_at_the_best_that_one_achieves():
    task, method = exact(hills, SQUARE, {"y": 0.01}, (1,))
    found = design(task, method, double([0.5], [0.7], [3.0], [0.9]), 8)
    values = found.surrogate.double().view(4, 8)
    for row, expected in enumerate((0.5, 0.7, 2.0, 0.9)):
        assert values[row].tolist() == pytest.approx([expected] * 8, abs=1e-3)
    assert (found.localized[16:24, 0] > 2 / 3).all()  # not the hill that is 1.5 tolerances lower
    alone = design(task, method, double([3.0])[0], 30, verify="none")  # four draws each, then more for the others
    assert (alone.localized[:, 0] > 2 / 3).all()
    assert found.success_before_replacement == 24
    assert found.replaced.tolist()[:16] == [False] * 16
    started = 3 * found.path.x[0][~found.replaced][:, 0]
    assert (started[16:] > 2).any()
    assert 3 <= int(found.replaced.sum()) <= 8
    assert found.note == (
        "1 of 4 targets, the first 3, cannot be reached within the bounds; their designs aim at the closest that is "
        "achieved, 2 by Ω."
    )


def test_every_step_of_a_run_has_its_seed(monkeypatch):
    """Of a target that is lost, so that samples are replaced once for it and once for the best that is achieved."""
    asked, none = [], torch.zeros(8, dtype=torch.bool)
    try_levels = Chain.localize_all

    def levels(self, samples, goal, seed):
        asked.append(("levels", seed))
        return try_levels(self, samples, goal, seed)

    monkeypatch.setattr(Chain, "localize_all", levels)
    for owner, name, place in (
        (Chain, "replace_stalled", 4),
        (pipeline, "replace_doubtful", 3),
        (pipeline, "spread_samples", 5),
        (Chain, "correct", 4),
    ):
        monkeypatch.setattr(
            owner, name, lambda *given, name=name, place=place: asked.append((name, given[place])) or none
        )
    task, method = exact(hills, SQUARE, {"y": 0.01}, (1,))
    found = design(task, method, double([3.0])[0], 8, seed=7, spread="box", omega_evals=1, verify="3")
    replaced = [("replace_stalled", 7), ("replace_stalled", 8), ("replace_doubtful", 7)]
    assert asked == [("levels", 7), *replaced, ("spread_samples", 7), ("correct", 7)]
    assert torch.equal(found.verification.y.isfinite()[:, 0], rows_to_verify(task, 8, "3", 7))
    assert not torch.equal(rows_to_verify(task, 8, "3", 7), rows_to_verify(task, 8, "3", 0))


# Spaces


class Steps(DesignSpace):
    """Designs on a grid of quarters, with a finishing step that moves the first design to a = 1/2."""

    bounds = double([0, 0], [1, 1])
    asked = ()

    def project(self, x):
        return (4 * x).round() / 4

    def finish(self, chain, samples, goal, seed, replaceable):
        self.asked = (seed, replaceable.tolist(), samples.x.clone())
        samples.x = samples.x.clone()
        samples.x[0, 0] = 0.5
        return torch.arange(len(goal)) == 0


def test_predictions_are_of_the_designs_that_the_space_allows():
    task, method = exact(lambda x: x.sum(1), SQUARE, {"y": 0.1}, (1,))
    start = double([0.1, 0.15], [0.9, 0.4], [0.5, 0.13])
    space = Steps()
    for finish in (False, True):
        found = design(task, method, double([1.0])[0], 3, start_from=start, space=space, finish=finish, seed=3)
        assert found.localized.tolist() == [[0.5, 0.5], [0.75, 0.25], [0.75, 0.25]]
        assert found.surrogate[:, 0].tolist() == [1, 1, 1]
        assert found.verification.hit.all()
        assert found.replaced.tolist() == [finish, False, False]
    assert space.asked[:2] == (3, [True] * 3)
    assert space.asked[2].tolist() == [[0.5, 0.5], [0.75, 0.25], [0.75, 0.25]]
    off = design(task, method, double([0.9])[0], 3, start_from=start, space=Steps(), verify="none")
    assert torch.equal(off.surrogate[:, 0], off.localized.sum(1))
    lost = design(task, method, double([9.0])[0], 3, space=space, finish=True)
    assert space.asked[1] == [False] * 3
    assert lost.localized[0].tolist() == [0.5, 1.0]
    with pytest.raises(ValueError, match="has no finishing step"):
        design(task, replace(method, surrogate=None), double([1.0])[0], 3, space=space, finish=True)


class Corrected(DesignSpace):
    """The unit square; it records which designs corrections may replace, and says that it has replaced the last."""

    bounds = double([0, 0], [1, 1])

    def correct(self, chain, samples, goal, evaluations, seed, replaceable):
        self.asked = (evaluations, seed, replaceable.tolist())
        return torch.arange(len(goal)) == len(goal) - 1


def test_designs_that_are_spread_or_aim_elsewhere_are_not_replaced_in_corrections():
    task, method = exact(lambda x: x.sum(1), SQUARE, {"y": 0.1}, (1,))
    space = Corrected()
    found = design(task, method, double([1.0], [3.0]), 2, space=space, omega_evals=3, seed=8)
    assert space.asked == (3, 8, [True, True, False, False])
    assert found.replaced[3]
    design(task, method, double([1.0])[0], 4, space=space, spread="box")
    assert space.asked == (2, 0, [False] * 4)


def test_designs_that_cannot_be_spread_say_why_before_they_say_that_they_are_alone():
    task, method = exact(lambda x: x, SQUARE, {"p": 0.1, "q": 0.1}, (0.5, 0.5))
    for n in (3, 1):
        found = design(task, method, double([0.4, 0.4])[0], n, space=parse(task, ["a=b"]), spread="box")
        assert found.not_spread == "Designs are as drawn: 1 free coordinate(s) are fewer than the 2 targets."


def test_gaps_are_filled_up_to_the_largest_number_of_designs(monkeypatch, quick_coverage):
    monkeypatch.setattr(pipeline, "AT_MOST", 5)
    found = design(SINEWAVE, exact_method(), double([1.2])[0], 3, fill=0.02, fill_seconds=60)
    assert len(found) == len(found.path.x[0]) == found.filled["total"] == 5
    assert found.filled["added"] == 2
    assert not found.replaced[3:].any()
    assert found.y_star[:, 0].tolist() == [1.2] * 5
    assert found.verification.calls == 5
    assert found.verification.hit.all()


def test_of_filled_designs_those_are_verified_that_the_seed_chooses(monkeypatch, quick_coverage):
    monkeypatch.setattr(pipeline, "AT_MOST", 8)
    found = design(
        SINEWAVE, exact_method(), double([1.2])[0], 3, fill=0.02, fill_seconds=60, verify="3", seed=7, spread="off"
    )
    chosen = rows_to_verify(SINEWAVE, 8, "3", 7)
    assert torch.equal(found.verification.y.isfinite()[:, 0], chosen)
    assert not torch.equal(chosen, rows_to_verify(SINEWAVE, 8, "3", 0))


# Optima


def best_of(function, target_tolerance=0.2, n=4, seed=0):
    """Maximize y from the best of three rows, (0.8, 0)."""
    x = double([0.8, 0.0], [0.5, 0.3], [0.3, 0.02])
    task, method = exact(function, SQUARE, {"y": target_tolerance}, (1,))
    task = replace(task, stored=lambda: (x, function(x).view(3, 1)))
    aims, designs = optimal(task, method, Target((Goal("maximize"),)), n, seed, parse(task))
    return aims[:, 0], designs.double()


def test_the_optimum_is_as_far_as_localization_reaches_and_designs_are_repeated_at_no_price():
    """y = a: the best row moves to a = 1; the others stay a quarter of a tolerance below, each at its own b."""
    aims, x = best_of(lambda x: x[:, 0])
    assert aims[0].item() == pytest.approx(1, abs=0.011)  # within a twentieth of the tolerance
    quarters = ((aims[0] - aims[1:]) / 0.05).tolist()
    assert quarters == pytest.approx([round(quarter) for quarter in quarters], abs=1e-6)
    assert sorted(quarters)[:2] == pytest.approx([1, 1])  # a draw may fall beside another one, and is drawn again
    assert x[:, 0].tolist() == pytest.approx(aims.clamp(max=1).tolist(), abs=0.011)
    assert x[0, 1].item() == pytest.approx(0, abs=1e-6)
    apart = torch.cdist(x[:, 1:], x[:, 1:]) + torch.eye(4)
    assert apart.min() > 0.01


@pytest.mark.parametrize(("lower", "quarters"), [(0.6, 3), (0.9, 4), (1.1, 0)])
def test_designs_elsewhere_may_be_a_tolerance_lower_in_quarters_and_no_more(lower, quarters):
    """Away from b = 0 all values are lower by this many tolerances."""
    assert ATTEMPTS == 4
    aims, x = best_of(lambda x: x[:, 0] - lower * 0.2 * (x[:, 1] > 0.01), n=2)
    top = aims[0].item()
    assert aims[1].item() == pytest.approx(top - quarters / 4 * 0.2, abs=1e-9)
    assert bool(x[1, 1] > 0.01) == bool(quarters)


def test_an_aim_that_no_step_reaches_is_reached_by_a_fresh_sample():
    """At b = 0 nothing is higher than the best row; elsewhere values rise to 1.5."""
    aims, x = best_of(lambda x: torch.where(x[:, 1] > 0.01, x[:, 0] + 0.5, x[:, 0].clamp(max=0.8)), n=3)
    assert aims.min() > 1.1
    assert (x[:, 1] > 0.01).all()
    with pytest.raises(ValueError, match="no surrogate to minimize or maximize with"):
        optimal(
            SINEWAVE, replace(exact_method(), surrogate=None), Target((Goal("maximize"),)), 2, 0, Box(SINEWAVE.bounds)
        )


def test_fresh_samples_of_an_optimum_follow_the_seed(monkeypatch):
    """First those for an aim that no step reaches, then those for designs elsewhere."""
    asked, draw = [], Chain.fresh

    def fresh(self, samples, goal, seed, attempt):
        asked.append(seed)
        return draw(self, samples, goal, seed, attempt)

    monkeypatch.setattr(Chain, "fresh", fresh)
    best_of(lambda x: x[:, 0] - 0.9 * 0.2 * (x[:, 1] > 0.01), n=2, seed=3)
    assert asked == sorted(asked)
    assert set(asked) == {3, 4}


# Notes


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda y: torch.where(y[:, 1:] > 5, y, torch.nan), "(2, 1) by the surrogate."),
        (lambda y: torch.cat((y[:, :1], torch.full_like(y[:, 1:], torch.nan)), 1), "(2, 1) by the surrogate."),
        (lambda y: torch.where(torch.arange(len(y))[:, None] % 2 == 0, y, torch.nan), "(2, 1) by Ω."),
    ],
)
def test_the_closest_is_what_omega_says_where_it_has_all_values(broken, said):
    def plane(x):
        return torch.stack((x[:, 0] + x[:, 1], x[:, 1] + x[:, 2] - 0.5), 1)

    cube = {**SQUARE, "c": (0, 1)}
    task, method = exact(plane, cube, {"p": 0.1, "q": 0.1}, (1, 1), omega=lambda x: broken(plane(x)))
    found = design(task, method, double([3, 1])[0], 4)
    assert found.note.endswith("aim at the closest that is achieved, " + said)


def test_the_closest_is_so_in_tolerances():
    """By Ω one design is 3 tolerances off in p, the other 2 in q."""
    task, method = exact(lambda x: torch.stack((x.sum(1), x[:, 1]), 1), SQUARE, {"p": 0.1, "q": 0.2}, (1, 1))
    task = replace(task, omega=lambda x: double([2.7, 1.0], [3.0, 0.6])[: len(x)])
    found = design(task, method, double([3, 1])[0], 2)
    assert found.note.endswith("aim at the closest that is achieved, (3, 0.6) by Ω.")


def test_of_several_lost_targets_the_first_one_is_said_with_its_own_closest():
    task, method = exact(lambda x: x, SQUARE, {"p": 0.1, "q": 0.1}, (1, 1))
    task = replace(task, omega=lambda x: double([0.5, 0.5], [2.5, 1.0], [2.25, 1.0])[: len(x)])
    found = design(task, method, double([0.5, 0.5], [3, 1], [2.4, 1]), 1)
    assert found.note == (
        "2 of 3 targets, the first (3, 1), cannot be reached within the bounds; their designs aim at the closest that "
        "is achieved, (2.5, 1) by Ω."
    )


def test_targets_must_be_finite_in_each_property():
    task, method = exact(lambda x: x, SQUARE, {"p": 0.1, "q": 0.1}, (1, 1))
    for wrong in ([1.0, torch.nan], [torch.inf, 1.0]):
        with pytest.raises(ValueError, match="finite targets"):
            design(task, method, double(wrong)[0], 2)
    with pytest.raises(ValueError, match=r"Expected targets from -1e\+18 to 1e\+18, got -1e\+200"):
        design(task, method, double([1.0, -1e200])[0], 2)  # its squared error would overflow
