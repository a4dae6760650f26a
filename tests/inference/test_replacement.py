"""New samples replace stalled ones only if they are better, and bring all of their own data."""

import pytest
import torch

from ipage_core.inference.chain import Chain
from ipage_core.inference.latent_design import latent_design
from ipage_core.inference.methods import Loaded
from ipage_core.inference.pipeline import design
from ipage_core.problem.constraints import parse
from tests.support.models import SINEWAVE, Uniform, exact_method

Y_STAR = torch.full((30, 1), 1.2, dtype=torch.float64)


class Hopeless(Uniform):
    """Proposes (−1, −1), where nothing reaches y* = 1.2, for every latent point but those of the first design."""

    def __init__(self, first):
        self.first = {tuple(z) for z in first.tolist()}

    def sample(self, y_star, z):
        known = torch.tensor([tuple(row) in self.first for row in z.tolist()])
        return torch.where(known[:, None], super().sample(y_star, z), -torch.ones(()))


class FlatAtTheCorner:
    """Ω except for x₁ < −0.9, where y is −1 without a gradient, and x₁ > 0.3, where it cannot come near 1.2."""

    def __call__(self, x):
        y = SINEWAVE.omega(x)
        y = torch.where(x[:, :1] > 0.3, y.clamp(max=0.0), y)
        return torch.where(x[:, :1] < -0.9, torch.full_like(y, -1.0), y)


def chain(method=None):
    return Chain(SINEWAVE, method or exact_method(), parse(SINEWAVE), "lm", None, 1)


def test_a_fresh_sample_that_is_worse_is_not_taken():
    first = latent_design(30, 2, "maximin", 0)
    method = Loaded("hopeless", Hopeless(first), FlatAtTheCorner(), torch.device("cpu"))
    found = design(SINEWAVE, method, torch.tensor([1.2]), 30)
    alone = chain(method).localize(chain(method).propose(Y_STAR, first), Y_STAR)
    stalled = chain(method).residual(alone, Y_STAR) > 1e-3
    assert 3 <= stalled.sum() <= 25
    off = (found.surrogate.double() - 1.2).abs()[:, 0]
    before = (alone.predicted.double() - 1.2).abs()[:, 0]
    assert (off <= before + 1e-9).all()


def test_a_fresh_sample_that_omega_finds_worse_is_not_taken(monkeypatch):
    method = exact_method(0.05)
    ours = chain(method)
    samples = ours.localize(ours.propose(Y_STAR, latent_design(30, 2, "maximin", 0)), Y_STAR)
    bad = ours.localize(ours.propose(Y_STAR, latent_design(30, 2, "srs", 5)), Y_STAR)
    kept = samples.of(torch.ones(30, dtype=torch.bool))

    def worse(evaluated, goal, evaluations):
        return torch.full((len(goal),), 1.0 if evaluated is samples else 2.0, dtype=torch.float64)

    monkeypatch.setattr(ours, "correct_once", worse)
    monkeypatch.setattr(ours, "fresh", lambda y_star, goal, seed, attempt: bad.of(torch.arange(len(goal))))
    replaced = ours.correct(samples, Y_STAR, 2, 0, torch.ones(30, dtype=torch.bool))
    assert not replaced.any()
    assert torch.equal(samples.x, kept.x)


def test_a_replaced_sample_is_replaced_again_only_by_a_better_one():
    """The draws are expected to be off by 0.5, 0.8, 0.3 and 0.9: the third one stays."""
    ours, expected = chain(), iter((1.0, 0.5, 0.8, 0.3, 0.9))
    samples = ours.localize(ours.propose(Y_STAR[:1], latent_design(1, 2, "srs", 0)), Y_STAR[:1])

    def fresh(those, goal, seed, attempt):
        other = those.of(torch.arange(1))
        other.x = torch.full_like(other.x, attempt)
        return other

    ours.fresh = fresh
    ours.correct_once = lambda those, goal, evaluations: torch.tensor([next(expected)], dtype=torch.float64)
    assert ours.correct(samples, Y_STAR[:1], 2, 0, torch.ones(1, dtype=torch.bool)).all()
    assert samples.x.tolist() == [[2, 2]]


def test_fresh_samples_follow_the_seed_and_the_attempt():
    ours = chain()
    samples = ours.propose(Y_STAR, latent_design(len(Y_STAR), 2, "srs", 9))
    drawn = [ours.fresh(samples, Y_STAR, seed, attempt).z for seed, attempt in ((0, 0), (0, 0), (1, 0), (0, 1))]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[3])


def test_each_step_has_a_seed_of_its_own_for_its_fresh_samples():
    ours, asked = chain(), []
    samples = ours.localize(ours.propose(Y_STAR, latent_design(30, 2, "maximin", 0)), Y_STAR)

    def fresh(those, goal, seed, attempt):
        asked.append((seed, attempt))
        return those.of(torch.arange(len(those.x)))

    ours.fresh = fresh
    ours.replace_stalled(samples, Y_STAR, -1.0, 7, rounds=3)
    assert asked == [(7, 0), (7, 1), (7, 2)]
    asked.clear()
    ours.correct_once = lambda those, goal, evaluations: torch.ones(len(goal), dtype=torch.float64)
    ours.correct(samples, Y_STAR, 2, 7, torch.ones(30, dtype=torch.bool))
    assert asked == [(9, 0), (9, 1), (9, 2), (9, 3)]


@pytest.mark.parametrize("evaluations", [0, 2])
def test_a_replaced_sample_brings_the_errors_of_its_own_path(evaluations):
    class FlatOnTheLeft:
        def __call__(self, x):
            return torch.where(x[:, :1] >= 0, SINEWAVE.omega(x), torch.full_like(x[:, :1], -1.0))

    method = Loaded("flat", Uniform(), FlatOnTheLeft(), torch.device("cpu"))
    found = design(SINEWAVE, method, torch.tensor([1.2]), 60, omega_evals=evaluations)
    assert found.replaced.sum() > 10
    for frame, error in zip(found.path.x, found.path.surrogate_error, strict=True):
        expected = (FlatOnTheLeft()(frame) - 1.2).square().sum(1)
        torch.testing.assert_close(error, expected, rtol=1e-3, atol=1e-6)


def test_samples_take_the_place_of_others_with_paths_of_another_length():
    ours = chain(exact_method(0.05))
    samples = ours.localize(ours.propose(Y_STAR, latent_design(30, 2, "maximin", 0)), Y_STAR)
    other = ours.localize(ours.propose(Y_STAR[:2], latent_design(2, 2, "srs", 3)), Y_STAR[:2])
    rows = torch.tensor([4, 7])
    untouched = samples.errors[:, 5].clone()
    samples.put(rows, other)
    assert torch.equal(samples.errors[-1, rows], other.errors[-1])
    assert torch.equal(samples.frames[-1, rows], other.frames[-1])
    assert torch.equal(samples.errors[-1, 5], untouched[-1])
