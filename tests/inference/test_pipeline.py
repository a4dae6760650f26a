"""The chain around networks: with Ω as its own surrogate every step has an exact answer."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ipage_core.inference.latent_design import latent_design
from ipage_core.inference.methods import Loaded, load
from ipage_core.inference.pipeline import design
from ipage_core.inference.verification import rows_to_verify, verify
from ipage_core.networks.base import Network
from ipage_core.problem.constraints import parse
from ipage_core.problem.space import DesignSpace
from tests.support.models import SINEWAVE, Uniform, counting, exact_method

TARGET = torch.tensor([1.2])


def test_an_exact_surrogate_gives_exact_solutions_on_all_loops():
    solutions = design(SINEWAVE, exact_method(), TARGET, 200)
    assert solutions.verification.hit.all()
    assert solutions.summary()["modes_found"] == 9
    assert solutions.verification.resim_error.max() < 1e-9
    assert SINEWAVE.in_bounds(solutions.final).all()


def test_the_same_seed_gives_the_same_designs_and_another_does_not():
    first, again, other = (design(SINEWAVE, exact_method(), TARGET, 40, seed=seed).final for seed in (1, 1, 2))
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert not torch.equal(first, other)


@given(st.integers(1, 40), st.integers(0, 4), st.sampled_from(["all", "none", "3"]))
@settings(max_examples=25, deadline=None)
def test_every_evaluation_of_omega_is_counted(n, evaluations, which):
    task, calls = counting()
    solutions = design(task, exact_method(0.01), TARGET, n, omega_evals=evaluations, verify=which)
    assert solutions.omega_calls == sum(calls)
    assert solutions.verification.calls == {"all": n, "none": 0, "3": min(3, n)}[which]
    assert solutions.verification.calls == solutions.verification.resim_error.isfinite().sum()


def test_without_omega_evals_a_stalled_sample_is_judged_by_the_surrogate_alone():
    task, calls = counting()
    design(task, exact_method(0.05), TARGET, 100, verify="none")
    assert not calls


def test_correction_removes_the_surrogates_bias():
    errors = [
        design(SINEWAVE, exact_method(0.05), TARGET, 300, omega_evals=k).summary()["resim_mse"] for k in (0, 1, 2, 3)
    ]
    assert errors[0] > 1e-4
    assert errors[1] < 1e-2 * errors[0]
    assert errors[2] < 1e-2 * errors[1]
    assert errors[3] < 1e-9


def test_path_starts_at_the_posterior_and_ends_at_the_solutions():
    solutions = design(SINEWAVE, exact_method(0.05), TARGET, 50, omega_evals=2)
    assert solutions.path.labels[0] == "posterior"
    assert solutions.path.labels[-2:] == ("correction 1", "correction 2")
    assert solutions.path.x.shape[:2] == solutions.path.surrogate_error.shape == (len(solutions.path.labels), 50)
    torch.testing.assert_close(solutions.path.x[0], solutions.posterior)
    torch.testing.assert_close(solutions.path.x[-1], solutions.localized)


class FlatOnTheLeft:
    """Ω for x₁ ≥ 0, and a plateau without gradient for x₁ < 0, where localization stalls."""

    def __call__(self, x):
        return torch.where(x[:, :1] >= 0, SINEWAVE.omega(x), torch.full_like(x[:, :1], -1.0))


@pytest.mark.parametrize("fixed", [None, "x1=0.3"])
def test_the_surrogates_word_on_the_posterior_is_of_the_posterior(fixed):
    method = exact_method(0.05)
    moves = fixed and parse(SINEWAVE, [fixed])
    mine = torch.tensor([0.9, -0.2])
    for more in ({}, {"seed_design": mine}):
        found = design(SINEWAVE, method, TARGET, 40, space=moves, **more)
        assert found.surrogate_posterior is not None
        torch.testing.assert_close(found.surrogate_posterior, method.surrogate(found.posterior))


def test_stalled_samples_are_replaced_and_counted():
    method = Loaded("flat", Uniform(), FlatOnTheLeft(), torch.device("cpu"))
    started_left = 2 * torch.special.ndtr(latent_design(60, 2, "maximin", 0))[:, 0] - 1 < 0
    solutions = design(SINEWAVE, method, TARGET, 60)
    assert 20 <= started_left.sum() <= 40
    assert solutions.success_before_replacement <= 60 - int(started_left.sum())
    assert solutions.replaced.sum() >= 0.9 * started_left.sum()
    # A replaced sample has its own path: it starts at its new posterior sample and ends at its solution.
    torch.testing.assert_close(solutions.path.x[0], solutions.posterior)
    torch.testing.assert_close(solutions.path.x[-1], solutions.localized)
    assert (solutions.posterior[solutions.replaced & solutions.verification.hit, 0] >= 0).all()


class Broken(Uniform):
    def sample(self, y_star, z):
        return torch.full((len(z), 2), math.nan)


def test_a_proposal_of_nan_does_not_reach_the_answer():
    solutions = design(SINEWAVE, exact_method(proposal=Broken()), TARGET, 5)
    assert solutions.final.isfinite().all()
    assert SINEWAVE.in_bounds(solutions.final).all()


def test_a_design_that_omega_cannot_evaluate_is_counted_not_averaged_away():
    broken = replace(SINEWAVE, omega=lambda x: torch.where(x[:, :1] > 0, SINEWAVE.omega(x), torch.nan))
    summary = design(broken, exact_method(), TARGET, 50).summary()
    assert 0 < summary["omega_failed"] < 50
    assert summary["hits"] == summary["verified"] - summary["omega_failed"]


def test_an_unreachable_target_gets_the_closest_and_a_sentence():
    solutions = design(SINEWAVE, exact_method(), torch.tensor([3.0]), 40)
    assert "cannot be reached" in solutions.note
    torch.testing.assert_close(solutions.surrogate, torch.full((40, 1), 2.0), rtol=0, atol=0.02)
    assert not solutions.verification.hit.any()
    assert not design(SINEWAVE, exact_method(), TARGET, 40).note


def test_many_targets_each_get_n_designs_in_order():
    targets = torch.tensor([[0.5], [1.0], [-0.7]])
    solutions = design(SINEWAVE, exact_method(), targets, 4)
    torch.testing.assert_close(solutions.y_star, targets.double().repeat_interleave(4, dim=0))
    assert solutions.verification.hit.all()
    torch.testing.assert_close(solutions.z[:4], solutions.z[4:8])  # every target gets the same space-filling design
    single = design(SINEWAVE, exact_method(), targets, 1)
    torch.testing.assert_close(single.z, latent_design(3, 2, "maximin", 0))


@pytest.mark.parametrize("optimizer", ["lm", "adam"])
def test_posterior_alone_is_left_as_proposed(optimizer):
    method = Loaded("uniform", Uniform(), None, torch.device("cpu"))
    solutions = design(SINEWAVE, method, TARGET, 10, optimizer=optimizer)
    assert solutions.localized is None
    torch.testing.assert_close(solutions.final, solutions.posterior)
    assert solutions.frame()["stage"].unique().tolist() == ["posterior"]
    assert solutions.verification.calls == 10
    with pytest.raises(ValueError, match="omega_evals must be 0"):
        design(SINEWAVE, method, TARGET, 10, omega_evals=1)


class TiedCoordinates(DesignSpace):
    """x₁ = x₂ = u: the interface for ties, fixed coordinates and filters."""

    bounds = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)

    def encode(self, x):
        return x.mean(dim=1, keepdim=True)

    def decode(self, u):
        return u.expand(-1, 2)


def test_a_space_is_obeyed_all_the_way():
    solutions = design(SINEWAVE, exact_method(), TARGET, 30, space=TiedCoordinates(), omega_evals=1)
    torch.testing.assert_close(solutions.path.x[1:, :, 0], solutions.path.x[1:, :, 1])
    assert solutions.verification.hit.float().mean() > 0.9


@pytest.mark.parametrize(
    ("y_star", "n", "more", "words"),
    [
        ([1.0, 2.0], 5, {}, "Expected 1 number"),
        ([math.nan], 5, {}, "finite"),
        ([1.0], 0, {}, "at least 1 design"),
        ([1.0], 5, {"verify": "some"}, "accepted: auto, all, none"),
        ([1.0], 5, {"omega_evals": -1}, "0 or more"),
        ([1.0], 5, {"sampling": "sobol"}, "accepted: srs, lhs, maximin"),
        ([1.0], 5, {"optimizer": "sgd"}, "accepted: lm, adam, gd"),
    ],
)
def test_bad_requests_say_what_is_accepted(y_star, n, more, words):
    with pytest.raises(ValueError, match=words):
        design(SINEWAVE, exact_method(), torch.tensor(y_star), n, **more)


def test_verify_runs_omega_only_where_asked():
    x = torch.tensor([[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]])
    which = torch.tensor([True, False, True])
    verification = verify(SINEWAVE, x, torch.ones(3, 1), which)
    assert verification.y.isfinite()[:, 0].tolist() == which.tolist()
    assert verification.hit.tolist() == [True, False, False]  # y(0, 0) = 1 and y(1, 1) = −1
    assert verification.resim_error[2] == pytest.approx(4.0)


@given(st.integers(1, 200), st.integers(0, 300), st.integers(0, 9))
def test_a_number_verifies_so_many_seeded_rows(n, k, seed):
    which = rows_to_verify(SINEWAVE, n, str(k), seed)
    assert int(which.sum()) == min(n, k)
    assert torch.equal(which, rows_to_verify(SINEWAVE, n, str(k), seed))


class Shaky(Network):
    """An inverse that is ruined by round-off in float32 and exact in float64."""

    latent_dim = 2

    def cycle(self, y_star, z):
        x = self.sample(y_star, z)
        return x, torch.special.ndtri(((x + 1) / 2).clamp(1e-6, 1 - 1e-6))

    def sample(self, y_star, z):
        x = 2 * torch.special.ndtr(z) - 1
        if z.dtype == torch.float64:
            return x
        x[::3] += 0.1
        if len(z) == 7:
            raise AssertionError("negative discriminant")
        return x


@pytest.mark.parametrize("n", [30, 7])
def test_posterior_samples_with_a_cycle_error_are_computed_again_in_float64(n):
    solutions = design(SINEWAVE, exact_method(proposal=Shaky()), TARGET, n)
    exact = 2 * torch.special.ndtr(latent_design(n, 2, "maximin", 0)) - 1
    kept = ~solutions.replaced
    torch.testing.assert_close(solutions.posterior[kept], exact[kept], rtol=0, atol=1e-6)
    assert solutions.cycle_error.max() < 1e-4


def test_cycle_error_is_unknown_for_what_cannot_be_inverted():
    assert design(SINEWAVE, exact_method(), TARGET, 5).cycle_error.isnan().all()


@pytest.mark.gpu
def test_design_on_cuda_agrees_with_the_cpu():
    runs = [design(SINEWAVE, load("sinewave", "ipage", device), TARGET, 100) for device in ("cpu", "cuda")]
    torch.testing.assert_close(runs[0].posterior, runs[1].posterior, rtol=0, atol=1e-3)
    assert all(run.verification.hit.float().mean() > 0.95 for run in runs)
