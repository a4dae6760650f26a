"""Stages of a run on an exact surrogate: units, floors, free properties, replacement, correction, notes."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ipage_core.inference.chain import Chain
from ipage_core.inference.doubt import expected_error, replace_doubtful
from ipage_core.inference.enclosed import NoRule
from ipage_core.inference.methods import Loaded
from ipage_core.inference.pipeline import design
from ipage_core.inference.target_set import (
    by_omega,
    by_slopes,
    by_surrogate,
    coverage_of,
    meeting,
    obeying,
    pieces_of,
    proposer,
    spreadable,
    uncoverable,
)
from ipage_core.networks.base import Network
from ipage_core.problem.constraints import parse
from ipage_core.problem.goal import Goal
from ipage_core.problem.target import Target
from ipage_core.problem.task import Property, Task, Variable
from tests.support.models import SINEWAVE, Uniform, counting, exact_method


def double(*rows):
    return torch.tensor(rows, dtype=torch.float64)


class Unit:
    """Proposes Φ(z) in the unit cube."""

    def __init__(self, d):
        self.latent_dim = d

    def sample(self, y_star, z):
        return torch.special.ndtr(z)


def plane(**more):
    """Ω(a, b, c) = (a + b, b + c) on the unit cube."""

    def omega(x):
        return torch.stack((x[:, 0] + x[:, 1], x[:, 1] + x[:, 2]), 1)

    properties = more.pop("properties", {"p [m]": 0.1, "q [m]": 0.2})
    inputs, ones = {"a": (0, 1), "b": (0, 1), "c": (0, 1)}, (1,) * len(properties)
    task = Task.from_function(omega, inputs, properties, "plane", seconds=0, default_target=ones)
    return replace(task, **more), Loaded("exact", Unit(3), omega, torch.device("cpu"))


ONES = double([1, 1])[0]


def chain(target=None, constraints=(), **more):
    task, method = plane(**more)
    return Chain(task, method, parse(task, constraints), "lm", None, 1, None, target)


# The dimensionless residual


def test_a_residual_counts_in_tolerances_and_weights():
    ours = chain()
    assert ours.unit.tolist() == [0.1, 0.2]
    assert ours.scaled(double([0.1, 0.1]), double([0.05])).tolist() == [pytest.approx([1, 0.5, 0.5])]
    weighted = chain(Target((Goal("exactly", 1, 1, weight=2), Goal("exactly", 1, 1, tolerance=0.5))))
    assert weighted.unit.tolist() == [0.05, 0.5]
    assert weighted.tolerances.tolist() == [0.1, 0.5]
    assert chain(omega=None).scaled(double([0, 0]), double([0.05])).tolist() == [[0, 0, pytest.approx(5)]]
    assert (ours.reach, ours.doubt, ours.calibrated) == (0.05, 0, False)


def test_a_property_that_may_be_anything_does_not_count():
    ours = chain(Target((Goal.exactly(1), Goal())))
    assert ours.free.tolist() == [False, True]
    assert ours.tolerances.tolist() == [0.1, math.inf]
    assert ours.unit.tolist() == pytest.approx([0.1, 2e5])
    assert ours.error(double([1.5, 9]), double([1, 1])).tolist() == pytest.approx([0.25])
    assert chain().error(double([1.5, 3]), double([1, 1])).tolist() == pytest.approx([4.25])


def test_a_value_below_the_floor_meets_a_goal_on_the_floor():
    ours = chain(properties=[Property("p", tolerance=0.1, floor=0.5), Property("q", tolerance=0.2)])
    predicted = double([0.2, 0.2], [0.7, 0.7])
    assert ours.off(predicted, double([0.5, 0.5]).expand(2, 2)).tolist() == [
        pytest.approx([0, -0.3]),
        pytest.approx([0.2, 0.2]),
    ]
    assert ours.off(predicted, double([0.6, 0.5]).expand(2, 2))[0].tolist() == pytest.approx([-0.4, -0.3])


def test_a_residual_that_is_no_number_is_infinite():
    ours = chain(constraints=["a + c <= 1"])
    samples = ours.propose(double([1, 1], [1, 1], [1, 1]), torch.zeros(3, 3))
    samples.x = double([0.5, 0.5, 0.5], [1, 0, 1], [0, 0, 0])
    samples.predicted = double([1.1, 1.2], [1, 1], [math.nan, 1])
    expected = [math.sqrt(2), (1 / 2) / 0.1, math.inf]  # a cap is violated by half its range, in tolerances of p
    assert ours.residual(samples, double([1, 1]).expand(3, 2)).tolist() == pytest.approx(expected)
    assert samples.misfit(double([1, 1]).expand(3, 2))[0].tolist() == pytest.approx([0.1, 0.2])


class Surrogate:
    """The plane, with an error on rows that were left out."""

    def __init__(self, error):
        self.error = torch.tensor(error, dtype=torch.float64)

    def __call__(self, x):
        return torch.stack((x[:, 0] + x[:, 1], x[:, 1] + x[:, 2]), 1)


def test_with_more_properties_than_coordinates_the_surrogates_error_joins_the_unit():
    task = Task.from_function(
        lambda x: torch.stack((x[:, 0], x[:, 0] ** 2), 1),
        {"a": (0, 1)},
        {"p": 0.3, "q": 0.4},
        "curve",
        seconds=0,
        default_target=(0.5, 0.25),
    )
    method = Loaded("exact", Unit(1), Surrogate([0.4, 0.3]), torch.device("cpu"))
    ours = Chain(task, method, parse(task), "lm", None, 1)
    assert ours.unit.tolist() == pytest.approx([0.5, 0.5])
    assert ours.doubt == pytest.approx(1)
    assert ours.reach == pytest.approx(1)
    task, _ = plane()
    square = Chain(task, replace(method, surrogate=Surrogate([0.1, 0.2])), parse(task), "lm", None, 1)
    assert square.unit.tolist() == [0.1, 0.2]
    assert square.doubt == pytest.approx(math.sqrt(2))
    assert square.reach == 0.05


# Proposal and path


def test_a_users_design_pulls_the_samples_to_a_quarter_of_their_way():
    task, method = plane()
    seed = double([0.1, 0.2, 0.3])[0]
    ours = Chain(task, method, parse(task), "lm", None, 1, seed)
    z = torch.randn(5, 3)
    samples = ours.propose(double([1, 1]).expand(5, 2), z)
    expected = seed.float() + 0.25 * (torch.special.ndtr(z) - seed.float())
    assert torch.allclose(samples.posterior, expected)
    assert samples.predicted.isnan().all()
    assert (samples.frames.shape, samples.errors.shape) == ((0, 5, 3), (0, 5))
    assert samples.cycle_error.isnan().all()


def test_a_path_begins_with_the_posterior_and_counts_its_steps():
    task, method = plane()
    ours = Chain(task, method, parse(task, ["a<=0.5"]), "lm", None, 1)
    goal = double([1, 1]).expand(6, 2)
    found = ours.localize(ours.propose(goal, torch.randn(6, 3)), goal)
    assert found.labels[:2] == ["posterior", "step 1"]
    assert torch.equal(found.frames[0], found.posterior)
    assert torch.equal(found.frames[-1], found.x)
    assert found.frames.shape[0] == found.errors.shape[0] == len(found.labels)
    f = method.surrogate
    assert torch.allclose(found.predicted_posterior, f(found.posterior).to(found.predicted_posterior), atol=1e-5)
    assert torch.allclose(found.predicted, f(found.x).to(found.predicted), atol=1e-5)
    assert torch.allclose(found.errors[0].double(), (f(found.posterior).double() - goal).square().sum(1), atol=1e-5)
    assert (found.x[:, 0] <= 0.5).all()
    assert (ours.residual(found, goal) <= ours.reach).all()


def test_a_sample_that_is_no_number_starts_in_the_middle():
    ours = chain()
    goal = double([1, 1]).expand(2, 2)
    samples = ours.propose(goal, torch.zeros(2, 3))
    samples.x[0] = math.nan
    samples.x[1] = 0.5
    found = ours.localize(samples, goal)
    assert torch.allclose(found.x[0], found.x[1])


def test_a_cap_holds_where_it_conflicts_with_the_target():
    ours = chain(constraints=["a + b <= 0.5"])
    goal = double([1, 1]).expand(4, 2)
    found = ours.localize(ours.propose(goal, torch.randn(4, 3)), goal)
    assert (found.x[:, :2].sum(1) <= 0.5 + 1e-5).all()
    assert torch.allclose(found.predicted.double(), ours.predict(found.x).double(), atol=1e-5)
    assert (ours.residual(found, goal) > 1).all()


# Correction by Ω


def test_correction_adds_the_last_misfit_of_omega_to_the_aim():
    task, _ = plane()
    method = Loaded("biased", Unit(3), lambda x: task.omega(x).to(x) + 0.25, torch.device("cpu"))
    ours = Chain(task, method, parse(task), "lm", None, 1)
    goal = double([1, 1]).expand(8, 2)
    samples = ours.localize(ours.propose(goal, torch.randn(8, 3)), goal)
    assert torch.allclose(task.omega(samples.x).double(), goal - 0.25, atol=1e-4)
    expected = ours.correct_once(samples, goal, 1)
    assert torch.allclose(task.omega(samples.x).double(), goal, atol=1e-4)  # a constant bias takes one evaluation
    assert ours.omega_calls == 8
    assert expected.shape == (8,)
    ours.correct_once(samples, goal, 2)
    assert ours.omega_calls == 24


def test_samples_that_stall_are_replaced_and_hopeless_ones_give_up():
    ours, calls = chain(), []
    goal = double([1, 1]).expand(4, 2)
    stalled = ours.localize(ours.propose(goal, torch.randn(4, 3)), goal)
    good = stalled.of(torch.arange(4))
    stalled.predicted = stalled.predicted + 5
    original = ours.fresh

    def fresh(samples, goal, seed, attempt):
        calls.append((len(goal), attempt))
        return original(samples, goal, seed, attempt)

    ours.fresh = fresh
    assert ours.replace_stalled(stalled, goal, 0.05, 0).all()
    assert calls == [(4, 0)]
    assert not ours.replace_stalled(good, goal, 0.05, 0).any()
    assert calls == [(4, 0)]
    calls.clear()
    far = double([9, 9]).expand(4, 2)  # out of reach
    assert not ours.replace_stalled(ours.localize(ours.propose(far, torch.randn(4, 3)), far), far, 0.05, 0, 12).all()
    assert len(calls) == 4
    calls.clear()
    many = double([9, 9]).expand(1000, 2)
    ours.replace_stalled(ours.localize(ours.propose(many, torch.randn(1000, 3)), many), many, 0.05, 0)
    assert [n for n, _ in calls] == [1000, 1000]
    calls.clear()
    mixed = torch.cat((goal[:2], far[:2]))
    ours.replace_stalled(ours.localize(ours.propose(mixed, torch.randn(4, 3)), mixed), mixed, 0.05, 0)
    assert [n for n, _ in calls] == [2] * 12


# The whole run


def test_a_run_counts_designs_targets_and_evaluations():
    task, calls = counting()
    found = design(task, exact_method(), torch.tensor([[1.2], [0.5]]), 6, verify="3")
    assert len(found) == 12
    assert found.y_star[:, 0].tolist() == pytest.approx([1.2] * 6 + [0.5] * 6)
    assert sum(calls) == found.omega_calls == 3
    assert torch.equal(found.z[:6], found.z[6:])  # every target has the same latent points
    assert len(design(task, exact_method(), torch.tensor([[1.2], [0.5]]), 1).z.unique(dim=0)) == 2
    assert found.note == ""
    calls.clear()
    corrected = design(task, exact_method(0.01), torch.tensor([1.2]), 5, omega_evals=2, verify="none")
    assert corrected.omega_calls == sum(calls) == 10


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"n": 0}, "at least 1 design, got n=0"),
        ({"n": 100_001}, "at most 100000 designs in all, got 100001"),
        ({"omega_evals": -1}, "0 or more true evaluations"),
        ({"spread": "wide"}, "spread 'wide' is not known"),
        ({"fill": 0.0}, "fill=0.0 is not accepted"),
        ({"fill": math.inf}, "fill=inf is not accepted"),
        ({"fill": 0.1, "fill_seconds": 0.0}, "fill_seconds=0.0 is not accepted"),
        ({"finish": True}, "has no finishing step"),
        ({"seed_design": double([0.0])[0]}, "seed design of 2 finite numbers"),
        ({"seed_design": double([0.0, math.nan])[0]}, "seed design of 2 finite numbers"),
    ],
)
def test_a_run_that_cannot_be_is_refused(settings, says):
    settings = {"n": 3, **settings}
    with pytest.raises(ValueError, match=says):
        design(SINEWAVE, exact_method(), torch.tensor([1.2]), **settings)
    for target in (torch.tensor([1.0, 2.0]), torch.zeros(0, 1), torch.zeros(1, 1, 1), torch.tensor([math.nan])):
        with pytest.raises(ValueError, match=r"Expected 1 number\(s\) a target|finite targets"):
            design(SINEWAVE, exact_method(), target, 3)
    several = torch.tensor([[1.2], [0.5]])
    with pytest.raises(ValueError, match="for one exact target"):
        design(SINEWAVE, exact_method(), several, 3, fill=0.1)
    without = Loaded("no", Uniform(), None, torch.device("cpu"))
    with pytest.raises(ValueError, match="lacks a surrogate to correct with"):
        design(SINEWAVE, without, torch.tensor([1.2]), 3, omega_evals=1)
    with pytest.raises(ValueError, match="lacks a forward operator"):
        design(replace(SINEWAVE, omega=None), exact_method(), torch.tensor([1.2]), 3, omega_evals=1)


def test_a_target_out_of_reach_is_said_with_the_closest_value():
    task, method = plane()
    found = design(task, method, double([1, 1], [3, 1], [2.5, 2.5]), 4)
    assert found.note.startswith(
        "2 of 3 targets, the first (3, 1) m, cannot be reached within the bounds; their designs"
    )
    assert found.note.endswith("by Ω.")
    assert (found.verification.y[4:8, 0] - 2).abs().max() < 0.05
    alone = design(task, method, double([3, 1])[0], 4, verify="none")
    assert alone.note.startswith("The target (3, 1) m cannot be reached within the bounds; these designs aim at")
    assert alone.note.endswith("by the surrogate.")
    data = design(replace(task, omega=None), method, double([3, 1])[0], 4)
    assert "no design is predicted that meets it" in data.note
    loose = design(task, method, double([3, 1])[0], 4, target=Target((Goal.exactly(3), Goal())))
    assert loose.note.startswith("The target 3 m cannot be reached")


@pytest.mark.parametrize(
    ("goals", "aims", "said"),
    [
        ((Goal.between(3, math.inf), Goal()), [[3.1, 1], [3.1, 1.2]], "The target p ≥ 3 m cannot be reached"),
        ((Goal.between(3, 4), Goal()), [[3.2, 1], [3.6, 1]], "The target 3 ≤ p ≤ 4 m cannot be reached"),
        ((Goal.exactly(3, 0.01), Goal()), [[3, 1], [3, 1.2]], "The target p = 3 ± 0.01 m cannot be reached"),
        ((Goal.exactly(3), Goal()), [[3, 1], [3, 1.2]], "The target 3 m cannot be reached"),
        ((Goal.between(1.9, 3), Goal()), [[2.05, 1], [2.2, 1]], ""),  # both end at 2 m, which meets the goal
    ],
)
def test_goals_out_of_reach_are_said_in_their_own_words(goals, aims, said):
    task, method = plane()
    found = design(task, method, double(*aims), 1, target=Target(goals))
    assert found.note.startswith(said)
    assert bool(found.note) == bool(said)
    assert not said or found.note.endswith("achieved, 2 m by Ω.")
    assert repr(found).startswith("2 designs of plane for " + Target(goals).in_words(task) + "\n")


def test_a_goal_that_some_designs_miss_counts_them():
    task, method = plane()
    space, target = parse(task, ["a + c = 1", "b = 0.5"]), Target((Goal.between(0.8, 1.4), Goal.exactly(1, 0.1)))
    found = design(task, method, double([1, 1], [1.3, 1]), 1, target=target, space=space)  # p + q = 2 m
    assert found.note.startswith("1 of 2 values for 0.8 ≤ p ≤ 1.4 m, q = 1 ± 0.1 m, the first (1.3, 1) m, cannot be")


def test_many_goals_are_said_in_part():
    task = plane(properties={f"p{j}": 1.0 for j in range(9)})[0]
    words = Target((Goal(), *[Goal.exactly(1)] * 8)).in_words(task)
    assert words == "p1 = 1, p2 = 1, p3 = 1, p4 = 1, p5 = 1, p6 = 1, …"


def test_targets_far_away_are_approached_in_their_direction():
    task, method = plane()
    for far in ([1e9, 1e9], [1e18, 1e18]):
        found = design(task, method, double(far)[0], 4)
        assert (found.localized - 1).abs().max() < 1e-3
        assert found.y_star[0].tolist() == far
    found = design(task, method, double([-1e18, -1e18])[0], 4)
    assert found.localized.abs().max() < 1e-3


def test_the_first_sample_of_each_target_is_the_users_design():
    seed = double([0.25, 0.15])[0]
    two = design(SINEWAVE, exact_method(), torch.tensor([[1.2], [0.5]]), 3, seed_design=seed)
    is_seed = (two.posterior == seed.float()).all(1)
    assert is_seed.tolist() == [True, False, False, True, False, False]
    each = design(SINEWAVE, exact_method(), torch.tensor([[1.2], [0.5], [0.7]]), 1, seed_design=seed)
    assert (each.posterior == seed.float()).all(1).tolist() == [True, False, False]


# The set of all solutions


def test_what_cannot_be_spread_says_why():
    task, method = plane()
    assert spreadable(task, method, parse(task)) == ""
    assert "no surrogate to spread" in spreadable(task, replace(method, surrogate=None), parse(task))
    assert "1 free coordinate(s) are fewer than the 2 targets" in spreadable(
        task, method, parse(task, ["a=b", "c=0.5"])
    )
    assert spreadable(task, method, parse(task, ["a=b"])) == ""
    wide = Task.from_function(lambda x: x[:, :1], {f"a{i}": (0, 1) for i in range(65)}, {"y": 1}, "wide")
    assert "between 65 free coordinates" in spreadable(wide, method, parse(wide))
    assert spreadable(wide, method, parse(wide, ["a0=0.5"])) == ""
    assert "between 65 free coordinates" in uncoverable(wide, method, parse(wide))
    assert uncoverable(task, None, parse(task)) == ""
    assert uncoverable(replace(task, omega=None), method, parse(task)) == ""
    for slow in (replace(task, omega=None), replace(task, omega_seconds=1.0)):
        assert "no surrogate stands in" in uncoverable(slow, None, parse(task))
        assert "no surrogate stands in" in uncoverable(slow, replace(method, surrogate=None), parse(task))
    levels = replace(task, variables=(*task.variables[:2], Variable("k", kind="category", levels=("x", "y"))))
    assert "between categories" in spreadable(levels, method, parse(levels))


def test_a_surrogates_set_is_met_within_what_float32_can():
    task, method = plane()
    found = by_surrogate(task, method, parse(task), ONES, task.tolerances)
    assert found.arrived == pytest.approx(2e-3 + 2e-5 * math.hypot(10, 5))
    assert found.unit.tolist() == pytest.approx([0.1, 0.2])
    assert found.like.dtype == torch.float32
    assert found.scale.tolist() == [1, 1, 1]
    assert by_surrogate(replace(task, distance_unit=[2, 2, 2]), method, parse(task), ONES, task.tolerances).scale == [
        2,
        2,
        2,
    ]
    exact, equation = by_omega(task, parse(task), ONES)
    assert exact.arrived == 1e-6
    assert (equation.m, equation.d) == (2, 3)
    for slow in (replace(task, omega=None), replace(task, omega_seconds=1.0)):
        with pytest.raises(NoRule, match="no proof available"):
            by_omega(slow, parse(task), ONES)
    noisy = replace(task, omega=lambda x: task.omega(x) + torch.rand(len(x), 1, dtype=x.dtype))
    with pytest.raises(NoRule, match="different values for the same x"):
        by_omega(noisy, parse(task), ONES)
    with pytest.raises(NoRule, match="caps and whole numbers"):
        pieces_of(task, parse(task, ["a + c <= 1"]), ONES)


def test_an_ensemble_is_trusted_where_it_agrees_as_on_99_per_cent_of_the_held_out_pairs():
    class Ensemble(Surrogate):
        def spread(self, x):
            return x[:, :1].abs()

    x = torch.zeros(101, 3, dtype=torch.float64)
    x[:, 0] = torch.linspace(0, 1, 101, dtype=torch.float64)
    task, method = plane(held_out=lambda: (x, x[:, :2]))
    method = replace(method, surrogate=Ensemble([0.0, 0.0]))
    trusted = by_surrogate(task, method, parse(task), ONES, task.tolerances).trusted
    assert trusted(torch.tensor([[0.5, 0, 0], [0.989, 0, 0], [0.991, 0, 0]])).tolist() == [True, True, False]
    stored = replace(task, held_out=None, stored=lambda: (x, x[:, :2]))
    assert by_surrogate(stored, method, parse(task), ONES, task.tolerances).trusted is not None
    assert by_surrogate(replace(task, held_out=None), method, parse(task), ONES, task.tolerances).trusted is None
    assert (
        by_surrogate(task, replace(method, surrogate=Surrogate([0, 0])), parse(task), ONES, task.tolerances).trusted
        is None
    )


def test_a_proposer_draws_by_its_seed_and_survives_a_failing_inverse():
    task, method = plane()
    propose = proposer(task, method, double([1, 1])[0])
    assert propose(4, 0).shape == (4, 3)
    assert torch.equal(propose(4, 0), propose(4, 0))
    assert not torch.equal(propose(4, 0), propose(4, 1))

    class Failing(Unit):
        def sample(self, y_star, z):
            raise AssertionError

    assert proposer(task, replace(method, proposal=Failing(3)), double([1, 1])[0])(4, 0).isnan().all()


def test_coverage_takes_the_strongest_method_there_is():
    task, method = plane()
    line = double([0, 1, 0], [0.5, 0.5, 0.5], [1, 0, 1])  # a + b = b + c = 1: (t, 1 − t, t)
    proved = coverage_of(task, None, line, double([1, 1])[0], 0.5, seconds=2)
    assert proved.measured
    assert proved.proof is not None
    assert proved.proof.radius == pytest.approx(math.sqrt(3) / 4, rel=0.15)
    estimated = coverage_of(replace(task, omega=None), method, line, double([1, 1])[0], 0.5)
    assert not estimated.measured
    assert estimated.proof is None
    assert "no proof available" in estimated.refused
    assert estimated.fill == pytest.approx(math.sqrt(3) / 4, rel=0.05)
    with pytest.raises(ValueError, match="no surrogate stands in"):
        coverage_of(replace(task, omega=None), None, line, double([1, 1])[0])


def localized(ours, n, goal=(1, 1)):
    goal = double(goal).expand(n, 2)
    return ours.localize(ours.propose(goal, torch.randn(n, 3)), goal), goal


def test_a_correction_that_has_not_converged_is_tried_afresh_four_times():
    ours, calls = chain(), []
    samples, goal = localized(ours, 5)
    others = samples.of(torch.arange(5))
    others.x = others.x + 7  # to be told apart
    expected = iter([[0.005, 0.0051, 0.2, 9.0, 0.01], [0.001, 0.2, 0.01], [0.3, 0.0049], [0.1], [0.09]])
    ours.correct_once = lambda *_: double(next(expected))[0]

    def fresh(those, goal, seed, attempt):
        calls.append((len(goal), seed, attempt))
        return others.of(torch.arange(len(goal)))

    ours.fresh = fresh
    replaceable = torch.tensor([True, True, True, False, True])
    replaced = ours.correct(samples, goal, 2, 10, replaceable)
    assert calls == [(3, 12, 0), (2, 12, 1), (1, 12, 2), (1, 12, 3)]
    assert replaced.tolist() == [False, True, True, False, True]
    assert (samples.x > 6).all(1).tolist() == replaced.tolist()


def test_the_expected_error_is_the_last_one_times_the_factor_that_corrections_gain():
    task, _ = plane()
    method = Loaded("steep", Unit(3), lambda x: 1.1 * task.omega(x).to(x), torch.device("cpu"))
    ours = Chain(task, method, parse(task), "lm", None, 1)
    samples, goal = localized(ours, 6)
    # f = 1.1 Ω = 1, then 1.1 Ω = 1 + 1 − 1/1.1: errors −1/11 and −1/121, in tolerances times √(10² + 5²).
    once = math.hypot(10, 5) / 11
    assert ours.correct_once(samples, goal, 1).tolist() == pytest.approx([0] * 6, abs=1e-3)  # nothing to compare with
    assert torch.allclose(task.omega(samples.x).double(), goal * (2 - 1 / 1.1) / 1.1, atol=1e-5)
    again, goal = localized(ours, 6)
    assert ours.correct_once(again, goal, 2).tolist() == pytest.approx([once / 11 / 11] * 6, abs=1e-3)


def test_what_the_last_localization_leaves_is_expected_in_tolerances():
    ours = chain()
    samples, goal = localized(ours, 4, (3, 1))  # a + b is 2 at most
    expected = ours.correct_once(samples, goal, 1)
    left = ((ours.predict(samples.x).double() - goal) / double([0.1, 0.2])).norm(dim=1)
    assert (left > 9).all()
    assert expected.tolist() == pytest.approx(left.tolist(), rel=1e-4)


def test_a_cycle_error_above_a_fiftieth_is_computed_again():
    class Cyclic(Network):
        latent_dim = 3

        def cycle(self, y_star, z):
            off = torch.tensor([0.0, 0.0199, 0.0201, 0.03]).to(z)[:, None]
            return torch.special.ndtr(z), z + (off if z.dtype == torch.float32 else 0)

    task, method = plane()
    ours = Chain(task, replace(method, proposal=Cyclic()), parse(task), "lm", None, 1)
    samples = ours.propose(double([1, 1]).expand(4, 2), torch.zeros(4, 3))
    assert samples.cycle_error.tolist() == pytest.approx([0, 0.0199, 0, 0], abs=1e-6)


def test_every_other_fresh_sample_keeps_the_levels_of_the_one_it_replaces():
    def omega(x):
        return x[:, :1] + x[:, 1:]

    task = Task.from_function(
        omega,
        [Variable("a"), Variable("k", kind="category", levels=("x", "y", "z"))],
        {"p": 0.1},
        "levels",
        seconds=0,
        default_target=(1.5,),
    )

    class Drawn(Unit):
        def sample(self, y_star, z):
            return torch.stack((torch.special.ndtr(z[:, 0]), torch.full((len(z),), 2.0)), 1)

    ours = Chain(task, Loaded("exact", Drawn(2), omega, torch.device("cpu")), parse(task), "lm", None, 1)
    goal = double([1.5]).expand(6, 1)
    samples = ours.propose(goal, torch.randn(6, 2))
    samples.x = torch.stack((torch.full((6,), 0.5), torch.tensor([0.0, 1, 2, 0, 1, 2])), 1)
    kept, drawn = (ours.fresh(samples, goal, 0, attempt).x[:, 1].tolist() for attempt in (0, 1))
    assert kept == [0, 1, 2, 0, 1, 2]
    assert drawn == [2] * 6
    assert ours.fresh(samples, goal, 0, 2).x[:, 1].tolist() == kept


def test_the_seconds_of_a_stage_add_up(monkeypatch):
    ours = chain()
    assert ours.seconds == {"latent": 0, "proposal": 0, "localization": 0, "verification": 0}
    ticks = iter([5, 7, 10, 14, 20, 21])
    monkeypatch.setattr("ipage_core.inference.chain.time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    for stage in ("latent", "latent", "spread"):
        with ours.clock(stage):
            pass
    assert (ours.seconds["latent"], ours.seconds["spread"]) == (6, 1)


class Unsure(Network):
    """The plane, with a spread of c times its tolerances at a design (a, b, c)."""

    reads = torch.float32
    error = torch.tensor([0.1, 0.1])

    def forward(self, x):
        return Surrogate([0, 0])(x)

    def spread(self, x):
        return x[:, 2:] * torch.tensor([0.1, 0.2])


def doubted(constraints=(), target=None, unsure=(0.5, 0.99, 1.01, 3.0)):
    task, method = plane()
    ours = Chain(task, replace(method, surrogate=Unsure()), parse(task, constraints), "lm", None, 1, None, target)
    goal = double([1, 1]).expand(len(unsure), 2)
    samples = ours.propose(goal, torch.randn(len(unsure), 3))
    samples.x = torch.tensor([[0.5, 0.5, c] for c in unsure])
    samples.predicted = goal.clone()
    return ours, samples, goal


def test_the_expected_error_is_the_root_mean_square_of_spread_and_residual():
    ours, samples, goal = doubted()
    assert ours.calibrated
    assert expected_error(ours, samples, goal).tolist() == pytest.approx([0.5, 0.99, 1.01, 3.0])
    samples.predicted[0, 0] += 0.1 * 3**0.5  # √((0.5² + 0.5² + 3) / 2)
    samples.x[1, 2] = math.nan
    assert expected_error(ours, samples, goal)[:2].tolist() == pytest.approx([math.sqrt(1.75), math.inf])
    ours, samples, goal = doubted(target=Target((Goal.exactly(1), Goal())))
    assert expected_error(ours, samples, goal).tolist() == pytest.approx([0.5, 0.99, 1.01, 3.0])


@pytest.mark.parametrize(
    ("rounds", "calls", "ends"),
    [
        ([(1.2, 2.0), (1.01, 1.978), (2.0, 2.0), (0.1, 0.1)], 3, [0.5, 0.99, 1.01, 1.978]),
        ([(1.2, 2.0), (1.01, 1.996), (0.1, 0.1)], 2, [0.5, 0.99, 1.01, 1.996]),
        ([(0.99, 0.2)], 1, [0.5, 0.99, 0.99, 0.2]),
        ([(9.0, 2.9 - 0.1 * k) for k in range(15)], 12, [0.5, 0.99, 1.01, 1.8]),
    ],
)
def test_a_doubtful_sample_is_drawn_afresh_as_long_as_that_gains_half_a_per_cent(rounds, calls, ends):
    ours, samples, goal = doubted()
    asked = []

    def fresh(those, goal, seed, attempt):
        other = those.of(torch.arange(len(goal)))
        worst = len(goal) == 1
        other.x = torch.tensor([[0.5, 0.5, c] for c in rounds[attempt][worst:]])
        asked.append((seed, len(goal), attempt))
        return other

    ours.fresh = fresh
    replaced = replace_doubtful(ours, samples, goal, 5)
    assert asked == [(8, 2, k) for k in range(calls)]
    assert samples.x[:, 2].tolist() == pytest.approx(ends)
    assert replaced.tolist() == [False, False, ends[2] < 1.01, True]


def test_nothing_is_drawn_afresh_where_designs_are_points_or_spreads_are_not_calibrated():
    for constraints, target in ((["c=0.5"], None), (["b=0.5", "c=0.5"], Target((Goal.exactly(1), Goal())))):
        ours, samples, goal = doubted(constraints, target)
        ours.fresh = None
        assert not replace_doubtful(ours, samples, goal, 0).any()
    ours, samples, goal = doubted()
    ours.fresh, ours.calibrated = None, False
    assert not replace_doubtful(ours, samples, goal, 0).any()
    ours, samples, goal = doubted(["c=0.5"], Target((Goal.exactly(1), Goal())))
    ours.fresh = lambda those, *_: those.of(torch.arange(len(those.x)))
    assert not replace_doubtful(ours, samples, goal, 0).any()  # asked, but not better


def test_a_run_says_its_target_its_families_and_how_far_predictions_may_be_off():
    task, method = plane()
    found = design(task, method, double([1, 1])[0], 3, verify="none")
    assert repr(found).startswith("3 designs of plane for (1, 1)")
    middle = found.surrogate.double()
    half = double([0.1, 0.2], [0.1, 0.2], [9.0, 9.0])
    told = replace(found, interval=torch.stack((middle - half, middle + half)), calibrated_on="5 rows")
    said = "Predictions: p ± 0.1 m, q ± 0.2 m (median of the 90 % intervals, calibrated on 5 rows)"
    assert told.summary()["intervals"] == said
    assert "intervals" not in found.summary()
    one = design(SINEWAVE, exact_method(), torch.tensor([1.2]), 1, verify="none")
    assert one.summary()["modes_found"] == 1
    around = one.surrogate.double() + double([-0.25], [0.25])[:, None]
    off = replace(one, interval=around, calibrated_on="5 rows").summary()["intervals"]
    assert off.startswith("Predictions: ± 0.25 (median")


def test_two_designs_are_spread_and_a_slow_omega_is_not_asked_for_it():
    task, method = plane()
    two = design(task, method, double([1, 1])[0], 2, spread="box", verify="none")
    assert "spread" in two.path.labels
    assert two.omega_calls == 2 * 2  # two corrections
    assert two.not_spread == ""
    one = design(task, method, double([1, 1])[0], 1, spread="box", verify="none")
    assert "spread" not in one.path.labels
    assert one.not_spread == "Designs are as drawn: there is only one."
    each = design(task, method, double([1, 1], [1, 0.5]), 1, spread="box", verify="none")
    assert each.not_spread == "Designs are as drawn: each has its own target."
    slow = design(replace(task, omega_seconds=1.0), method, double([1, 1])[0], 3, spread="box")
    assert "spread" in slow.path.labels
    assert slow.omega_calls == 0
    seed = design(task, method, double([1, 1])[0], 3, spread="box", seed_design=double([0.5, 0.5, 0.5])[0])
    assert seed.not_spread == "Designs are as drawn: they stay near the design to start from."


def test_a_design_may_exceed_its_bounds_and_caps_by_a_thousandth_of_their_range():
    bounds = double([0.0, 0.0, 1.0], [2.0, 1.0, 5.0])

    def omega(x):
        return x[:, :1]

    variables = {"a": (0.0, 2.0), "b": (0.0, 1.0), "c": (1.0, 5.0)}
    task = Task.from_function(omega, variables, {"p": 1}, "box", default_target=(1,))
    x = double(
        *([2.0019, 0, 1], [2.0021, 0, 1], [-0.0019, 0, 1], [-0.0021, 0, 1]),
        *([0, 0, 5.0039], [0, 0, 5.0041], [0, 0, 0.9961], [0, 0, 0.9959]),
    )
    assert obeying(parse(task), x, bounds).tolist() == [True, False] * 4
    tied = parse(task, ["a=b"])
    off = double([0.5, 0.5, 2], [0.501, 0.5, 2], [0.506, 0.5, 2])
    assert obeying(tied, off, bounds).tolist() == [True, True, False]
    capped = parse(task, ["a + b <= 1"])  # its range is 3
    over = double([0.5, 0.5029, 2], [0.5, 0.5031, 2], [2.5, 0.5, 2])
    assert obeying(capped, over, bounds).tolist() == [True, False, False]


@pytest.mark.parametrize(("seconds", "quick"), [(6.6e-5, True), (6.7e-5, False)])
def test_differences_are_taken_of_an_omega_of_two_ten_thousandths_of_a_second_a_coordinate(seconds, quick):
    def omega(x):  # without derivatives
        return torch.from_numpy(np.asarray(x.detach()) @ np.array([[1.0], [2.0], [3.0]])).to(x)

    variables = {"a": (0, 1), "b": (0, 1), "c": (0, 1)}
    task = Task.from_function(omega, variables, {"p": 0.1}, "blind", default_target=(3,), seconds=seconds)
    if quick:
        found = by_slopes(task, parse(task), double([3])[0])
        x, arrived = found.land(np.array([[0.5, 0.2, 0.9]]))
        assert arrived.all()
        assert x @ [1, 2, 3] == pytest.approx([3])
    else:
        with pytest.raises(ValueError, match="has no derivatives"):
            by_slopes(task, parse(task), double([3])[0])


def test_designs_are_judged_by_a_fast_omega_or_else_by_the_surrogate():
    task, _ = plane()
    biased = Loaded("biased", Unit(3), lambda x: task.omega(x.double()) + double([0.15, 0]), torch.device("cpu"))
    x = double([0.5, 0.5, 0.5], [0.549, 0.55, 0.4], [0.3, 0.55, 0.45], [0.25, 0.6, 0.65])
    assert meeting(task, biased, x, ONES)[0].tolist() == [True, True, False, False]
    slow = replace(task, omega_seconds=1.0)
    met, by = meeting(slow, biased, x, ONES)
    assert met.tolist() == [False, False, True, False]
    assert by == "the surrogate f"
    nobody = meeting(slow, replace(biased, surrogate=None), x, ONES)
    assert (nobody[0].tolist(), nobody[1]) == ([True] * 4, "no one")
    assert meeting(slow, None, x, ONES)[1] == "no one"
    assert meeting(task, None, x, ONES)[1] == "Ω"


@pytest.mark.parametrize("seed", range(4))
def test_samples_begin_evenly_over_the_levels_and_stay_where_each_reaches_the_target(seed):
    def omega(x):
        return x[:, :1] + x[:, 1:]

    levels = Variable("k", kind="category", levels=("x", "y", "z"))
    variables = [Variable("a", low=-9, high=9), levels]
    task = Task.from_function(omega, variables, {"p": 0.1}, "levels", seconds=0, default_target=(1.5,))
    ours = Chain(task, Loaded("exact", Unit(2), omega, torch.device("cpu")), parse(task), "lm", None, 1)
    goal = double([1.5]).expand(12, 1)
    found = ours.localize_all(ours.propose(goal, torch.randn(12, 2)), goal, seed)
    assert found.x[:, 1].long().bincount().tolist() == [4, 4, 4]
    assert (ours.residual(found, goal) <= ours.reach).all()
    # Only one level reaches 11: all samples end there.
    far = double([11.0]).expand(12, 1)
    only = ours.localize_all(ours.propose(far, torch.randn(12, 2)), far, seed)
    assert only.x[:, 1].tolist() == [2] * 12
