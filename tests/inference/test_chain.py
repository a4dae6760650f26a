"""Steps of a run against their definition, with scripted paths in the place of localization."""

import math

import pytest
import torch

from ipage_core.inference import chain as module
from ipage_core.inference.chain import Chain, Samples
from ipage_core.inference.methods import Loaded
from ipage_core.networks.base import Network
from ipage_core.problem.constraints import parse
from ipage_core.problem.space import CONTINUATION, DesignSpace, combinations
from ipage_core.problem.task import Task, Variable
from tests.inference.test_stages import Unit, chain, double


def with_path(labels, rows, start):
    """Samples whose frames and errors are start, start + 1, … at the labels, and thousands by row."""
    at = start + torch.arange(len(labels))[:, None] + 1000.0 * torch.arange(rows)
    value = torch.full((rows, 1), float(start))
    return Samples(*[value.clone() for _ in range(7)], labels, at[..., None].clone(), -at)


LONG, SHORT = ["posterior", "step 1", "step 2", "correction 1"], ["posterior", "step 1", "correction 1"]


@pytest.mark.parametrize(
    ("ours", "theirs", "kept", "put"),
    [
        (LONG, SHORT, [0, 1, 2, 3], [50, 51, 51, 52]),
        (SHORT, LONG, [0, 1, 1, 2], [50, 51, 52, 53]),
        (SHORT, SHORT, [0, 1, 2], [50, 51, 52]),
    ],
)
def test_a_shorter_path_waits_for_the_end_of_the_others_stage(ours, theirs, kept, put):
    samples = with_path(ours, 4, 0)
    samples.put(torch.tensor([2, 0]), with_path(theirs, 2, 50))
    assert samples.labels == max(ours, theirs, key=len)
    expected = torch.tensor([[a + 1000 for a in put], kept, put, kept]).T + torch.tensor([0, 1000, 0, 3000])
    assert torch.equal(samples.frames[..., 0], expected.float())
    assert torch.equal(samples.errors, -expected.float())
    for name in ("y_star", "z", "posterior", "cycle_error", "predicted_posterior", "x", "predicted"):
        assert getattr(samples, name)[:, 0].tolist() == [50, 0, 50, 0]


def test_some_samples_take_all_that_is_theirs():
    some = with_path(LONG, 4, 7).of(torch.tensor([False, True, False, True]))
    assert some.frames[0, :, 0].tolist() == [1007, 3007]
    assert some.errors[1].tolist() == [-1008, -3008]
    assert some.x.shape == (2, 1)


# Categories


def levels_chain(levels):
    def omega(x):
        return x[:, :1] + x[:, 1:]

    variables = [Variable("a"), Variable("k", kind="category", levels=tuple("vwxyz"[:levels]))]
    task = Task.from_function(omega, variables, {"p": 0.1}, "levels", seconds=0, default_target=(1.5,))
    return Chain(task, Loaded("exact", Unit(2), omega, torch.device("cpu")), parse(task), "lm", None, 1)


def plainly_tried(order, target, residuals, reach):
    """Who tries which level in each round, and the level of the least residual of each.

    All that have not arrived try their next one if another of their target has arrived; else the first eight do.
    """
    tried, best, rounds = [1] * len(order), [levels[0] for levels in order], []
    for _ in range(2 * len(order[0])):
        arrived = [residuals[i][best[i]] <= reach for i in range(len(order))]
        reached = {target[i] for i in range(len(order)) if arrived[i]}
        left = [i for i in range(len(order)) if not arrived[i] and tried[i] < len(order[i])]
        rows = [i for i in left if target[i] in reached or [j for j in left if target[j] == target[i]].index(i) < 8]
        if not rows:
            break
        rounds.append([(i, order[i][tried[i]]) for i in rows])
        for i in rows:
            level = order[i][tried[i]]
            tried[i] += 1
            best[i] = level if residuals[i][level] < residuals[i][best[i]] else best[i]
    return rounds, best


@pytest.mark.parametrize(("levels", "seed", "turns"), [(3, 0, None), (3, 1, 2), (5, 2, None), (5, 3, 4)])
def test_samples_that_stall_try_other_levels_and_keep_their_best(levels, seed, turns):
    ours, n = levels_chain(levels), 24
    generator = torch.Generator().manual_seed(seed)
    residuals = torch.rand(n, levels, generator=generator, dtype=torch.float64) + ours.reach
    target = (
        [0] * 11 + [1] * 11 + [2] * 2
    )  # no level reaches the first, some reach the second, none is left to the third
    residuals[11:22, 0] = ours.reach  # just arrived
    residuals[22:] = 0.0
    goal = double(*[[1.0 + t] for t in target])
    order = combinations(ours.space, n, seed)[:, :turns, 0].long().tolist()
    tried = []

    def localize(samples, goal, given):
        rows, level = samples.z[:, 0].long(), given[:, 0].long()
        tried.append(list(zip(rows.tolist(), level.tolist(), strict=True)))
        found = samples.of(torch.arange(len(rows)))
        found.x, found.labels = torch.stack((rows, level), 1).double(), ["posterior"]
        found.frames, found.errors = found.x[None].clone(), residuals[rows, level][None].clone()
        return found

    samples = ours.propose(goal, torch.zeros(n, 2))
    samples.z = torch.arange(n)[:, None].double().expand(n, 2).clone()
    ours.localize = localize
    ours.residual = lambda samples, goal: residuals[samples.x[:, 0].long(), samples.x[:, 1].long()]
    found = ours.localize_all(samples, goal, seed, turns)
    rounds, best = plainly_tried(order, target, residuals.tolist(), ours.reach)
    assert tried == [[(i, levels[0]) for i, levels in enumerate(order)], *rounds]
    assert found.x.tolist() == [[i, level] for i, level in enumerate(best)]
    assert max(sum(target[i] == 0 for i, _ in some) for some in rounds) == 8


# Numbers that are none, precision, caps


def test_a_surrogate_that_reads_doubles_is_asked_for_doubles():
    task, seen = levels_chain(3).task, []

    class Reads:
        def __init__(self, dtype):
            self.reads = dtype

        def __call__(self, x):
            seen.append(x.dtype)
            return x[:, :1] + x[:, 1:]

    for dtype in (torch.float64, torch.float32):
        seen.clear()
        ours = Chain(task, Loaded("exact", Unit(2), Reads(dtype), torch.device("cpu")), parse(task), "lm", None, 1)
        goal = double([1.5], [1.5])
        found = ours.localize(ours.propose(goal, torch.zeros(2, 2)), goal)
        assert found.x.dtype == dtype
        assert seen[0] == dtype


class Inverse(Network):
    """Gives back its latent points, but for one that it may not invert."""

    latent_dim = 3

    def __init__(self, fails):
        super().__init__()
        self.fails = fails

    def cycle(self, y_star, z):
        assert not (self.fails and z.dtype == torch.float32)
        return torch.special.ndtr(z), z + torch.tensor([0.001, -0.002, 0.0]).to(z)


@pytest.mark.parametrize("fails", [False, True])
def test_the_cycle_error_is_the_largest_of_a_samples_coordinates(fails):
    ours = chain()
    ours.method = Loaded("exact", Inverse(fails), ours.method.surrogate, torch.device("cpu"))
    z = torch.tensor([[0.1, 0.2, 0.3], [-1.0, 0.0, 1.0]])
    samples = ours.propose(double([1, 1], [1, 1]), z)
    assert samples.cycle_error.tolist() == pytest.approx([0.002, 0.002], abs=1e-6)
    assert torch.allclose(samples.posterior.float(), torch.special.ndtr(z), atol=1e-6)


def test_of_several_caps_each_holds_where_the_target_conflicts():
    ours = chain(constraints=["a + b <= 0.5", "a + c <= 1.9"])
    goal = double([1, 1]).expand(5, 2)
    found = ours.localize(ours.propose(goal, torch.randn(5, 3, generator=torch.Generator())), goal)
    assert (found.x[:, :2].sum(1) <= 0.5 + 1e-5).all()
    misfit = ours.predict(found.x).double() - goal
    assert torch.allclose(found.predicted.double() - goal, misfit, atol=1e-5)
    assert torch.allclose(found.errors[-1].double(), misfit.square().sum(1), atol=1e-5)
    assert torch.allclose(ours.residual(found, goal), (misfit / double([0.1, 0.2])).norm(dim=1), rtol=1e-4)
    # One cap of the two cuts off all of a run, the other one sample: the rest meet the target.
    free = chain(constraints=["a + b <= 1.5", "a + c <= 1.9"])
    met = free.localize(free.propose(goal, torch.randn(5, 3, generator=torch.Generator())), goal)
    assert (free.residual(met, goal) <= free.reach).all()


def test_a_design_that_is_not_a_number_is_infinitely_far():
    ours = chain()
    goal = double([1, 1], [1, 1])
    samples = ours.propose(goal, torch.zeros(2, 3))
    samples.x, samples.predicted = samples.x.double(), double([1, math.nan], [1, 1])
    assert ours.residual(samples, goal).tolist() == [math.inf, 0]


# Stages, corrections


def test_whole_numbers_settle_after_all_has_moved_and_the_rest_makes_up_for_it():
    def omega(x):
        return x[:, :1] + 0.5 * x[:, 1:]

    variables = [Variable("a", low=0, high=1), Variable("k", kind="integer", low=0, high=9)]
    task = Task.from_function(omega, variables, {"p": 0.1}, "whole", seconds=0, default_target=(4,))

    class Low(Unit):
        def sample(self, y_star, z):
            return torch.tensor([[0.5, 2.0], [0.9, 9.0]])

    ours = Chain(task, Loaded("exact", Low(2), omega, torch.device("cpu")), parse(task), "lm", None, 1)
    goal = double([4.0], [4.0])
    found = ours.localize(ours.propose(goal, torch.zeros(2, 2)), goal)
    assert torch.equal(found.x[:, 1], found.x[:, 1].round())
    assert (ours.residual(found, goal) <= ours.reach).all()
    assert (found.x[:, 1] - torch.tensor([2, 9])).abs().min() >= 1  # not where they began
    assert found.labels == ["posterior", *[f"step {s}" for s in range(1, len(found.labels))]]
    assert len(found.frames) == len(found.errors) == len(found.labels)
    for frame, error in zip(found.frames, found.errors, strict=True):
        torch.testing.assert_close(error, (omega(frame) - 4).square()[:, 0], rtol=1e-4, atol=1e-6)


class Two(DesignSpace):
    """The cube, after a stage in which a is at most a quarter."""

    bounds = double([0, 0, 0], [1, 1, 1])

    @property
    def stages(self):
        first = DesignSpace()
        first.bounds = double([0, 0, 0], [0.25, 1, 1])
        return (first,)


def test_stages_come_before_the_space_itself_and_end_earlier(monkeypatch):
    ours, given = chain(), []

    def localize(*where, **more):
        given.append(more["enough"])
        return real(*where, **more)

    real = module.localize
    monkeypatch.setattr(module, "localize", localize)
    ours.space = Two()
    goal = double([1, 1.2], [1.5, 0.9])
    found = ours.localize(ours.propose(goal, torch.zeros(2, 3)), goal)
    assert given == [CONTINUATION * ours.task.arrived, ours.task.arrived]
    assert found.labels == ["posterior", *[f"step {s}" for s in range(1, len(found.labels))]]
    assert (ours.residual(found, goal) <= ours.reach).all()
    assert found.x[:, 0].tolist() == pytest.approx([0.25, 0.6], abs=1e-3)  # the first stage reaches the first


def test_corrections_that_make_it_worse_are_not_expected_to_go_on_so():
    ours = chain()
    true = ours.task.omega
    ours.method = Loaded("flat", Unit(3), lambda x: 1 + 0.45 * (true(x).to(x) - 1), torch.device("cpu"))
    goal = double([1.2, 1.2]).expand(4, 2)
    samples = ours.localize(ours.propose(goal, torch.zeros(4, 3)), goal)
    labels = samples.labels.copy()
    expected = ours.correct_once(samples, goal, 2)
    # f is 1.2 at first, Ω 1 + 0.2/0.45; each correction multiplies the error by 1 − 1/0.45.
    worse = 1 / 0.45 - 1
    assert expected.tolist() == pytest.approx([0.2 * worse * worse * math.hypot(10, 5)] * 4, rel=1e-3)
    assert samples.labels == [*labels, "correction 1", "correction 2"]
    assert torch.equal(samples.frames[-1], samples.x)
    off = (ours.predict(samples.x).double() - goal).square().sum(1)
    torch.testing.assert_close(samples.errors[-1].double(), off, rtol=1e-3, atol=1e-6)


def test_with_as_many_properties_as_coordinates_the_surrogates_error_does_not_count():
    class Rough:
        error = torch.tensor([0.4, 0.3])

        def __call__(self, x):
            return x

    task = Task.from_function(
        lambda x: x, {"a": (0, 1), "b": (0, 1)}, {"p": 0.3, "q": 0.4}, "square", seconds=0, default_target=(0.5, 0.5)
    )
    ours = Chain(task, Loaded("rough", Unit(2), Rough(), torch.device("cpu")), parse(task), "lm", None, 1)
    assert ours.unit.tolist() == [0.3, 0.4]
    assert ours.reach == 0.05
    assert ours.doubt == pytest.approx(math.hypot(4 / 3, 3 / 4))
    assert not ours.calibrated
