import numpy as np
import pytest
from scipy.spatial.distance import pdist

from ipage_core.benchmark.metrics import (
    credibility,
    error_quantiles,
    expected_coverage,
    mean_distance,
    mmd2,
    nearest_distances,
    ranks,
)


def rank_deviation(ranks, top):
    """Largest gap between the distribution of ranks (n,) in 0 … top and the uniform one: Kolmogorov and Smirnov's D.

    Below 1.36/√n by chance in 95 % of cases.
    """
    grid = np.arange(top + 1)
    below = np.searchsorted(np.sort(ranks), grid, side="right") / len(ranks)
    return np.abs(below - (grid + 1) / (top + 1)).max()


@pytest.mark.parametrize("k", [2, 40])
def test_distances_are_those_of_all_pairs(k):
    points = np.random.default_rng(0).random((30, k))
    assert nearest_distances(points).min() == pytest.approx(pdist(points).min())
    assert len(nearest_distances(points)) == 30


def test_quantiles_leave_out_what_is_not_known():
    assert error_quantiles(np.array([1.0, np.nan, 3.0]), (0.5,)) == pytest.approx([2.0])
    assert np.isnan(error_quantiles(np.array([np.nan]))).all()


class Conjugate:
    """θ ~ N(0, I), y = θ + N(0, σ²): the posterior is known; samples are drawn with a chosen width."""

    def __init__(self, width, cases=1000, draws=199, d=2, sigma=0.5, seed=0):
        rng = np.random.default_rng(seed)
        self.truth = rng.normal(size=(cases, d))
        y = self.truth + sigma * rng.normal(size=(cases, d))
        mean, sd = y / (1 + sigma**2), sigma / np.sqrt(1 + sigma**2)
        self.samples = mean[:, None] + width * sd * rng.normal(size=(cases, draws, d))
        self.reference = rng.uniform(-3, 3, size=(cases, d))
        self.chance = 1.36 / np.sqrt(cases)

    def ranks(self):
        return ranks(self.truth, self.samples)

    def coverage(self, levels):
        return expected_coverage(credibility(self.truth, self.samples, self.reference), np.asarray(levels))


def test_an_exact_posterior_is_calibrated():
    exact = Conjugate(1.0)
    assert all(rank_deviation(column, 199) < exact.chance for column in exact.ranks().T)
    levels = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    np.testing.assert_allclose(exact.coverage(levels), levels, atol=0.05)


@pytest.mark.parametrize(("width", "confident"), [(0.5, "over"), (2.0, "under")])
def test_a_wrong_width_is_told_and_in_which_direction(width, confident):
    wrong = Conjugate(width)
    found = wrong.ranks()
    assert all(rank_deviation(column, 199) > 1.5 * wrong.chance for column in found.T)
    at_the_ends = ((found < 20) | (found >= 180)).mean()
    assert at_the_ends > 0.35 if confident == "over" else at_the_ends < 0.1  # 0.2 if exact
    low, high = wrong.coverage([0.1, 0.9])
    assert (low > 0.15 and high < 0.85) if confident == "over" else (low < 0.05 and high > 0.95)


def test_a_shifted_posterior_is_told_by_ranks():
    shifted = Conjugate(1.0)
    shifted.samples += 0.5
    assert shifted.ranks().mean() < 60


def test_tied_ranks_are_spread():
    found = ranks(np.zeros((2000, 1)), np.zeros((2000, 9, 1)))
    assert rank_deviation(found[:, 0], 9) < 1.36 / np.sqrt(2000)


def test_mmd_is_about_zero_for_the_same_distribution_and_grows_with_the_difference():
    rng = np.random.default_rng(0)
    b = rng.normal(size=(400, 3))
    same = [mmd2(rng.normal(size=(400, 3)), b) for _ in range(10)]
    assert abs(np.mean(same)) < 2e-3
    assert min(same) < 0 < max(same)
    near, far = (mmd2(rng.normal(size=(400, 3)) + shift, b) for shift in (0.5, 1.0))
    assert 5 * max(same) < near < far


def test_diversity_is_the_mean_distance():
    assert mean_distance(np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]])) == pytest.approx(10 / 3)
    assert np.isnan(mean_distance(np.zeros((1, 2))))
