"""Stratification, spread, determinism."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from scipy.special import ndtri
from scipy.stats import kstest

from ipage_core.inference import latent_design as module
from ipage_core.inference.latent_design import latent_design, lhs, minimum_distance, unit_design


@given(st.integers(1, 60), st.integers(1, 8), st.sampled_from(["lhs", "maximin"]), st.integers(0, 2**40))
@settings(max_examples=40, deadline=None)
def test_a_latin_hypercube_has_one_point_in_every_stratum(n, k, kind, seed):
    strata = np.sort(np.floor(unit_design(n, k, kind, seed) * n), axis=0)
    np.testing.assert_array_equal(strata, np.arange(n)[:, None].repeat(k, 1))


@pytest.mark.parametrize("kind", ["srs", "lhs", "maximin"])
def test_designs_are_normal_seeded_and_finite(kind):
    z = latent_design(400, 2, kind, 1)
    assert z.shape == (400, 2)
    assert z.dtype == torch.float32
    assert z.isfinite().all()
    assert kstest(z.numpy()[:, 0], "norm").pvalue > 1e-3
    torch.testing.assert_close(z, latent_design(400, 2, kind, 1), rtol=0, atol=0)
    assert not torch.equal(z, latent_design(400, 2, kind, 2))


@pytest.mark.parametrize(("n", "k"), [(25, 2), (200, 3)])
def test_maximin_spreads_at_least_twice_as_far_as_pydoe(n, k):
    ours = np.mean([minimum_distance(unit_design(n, k, "maximin", seed)) for seed in range(3)])
    theirs = np.mean(
        [
            minimum_distance(lhs(k, samples=n, criterion="maximin", random_state=np.random.RandomState(seed)))
            for seed in range(3)
        ]
    )
    assert ours >= 2 * theirs


@pytest.mark.parametrize(("k", "center_density"), [(2, 1 / np.sqrt(12)), (3, 1 / np.sqrt(32)), (4, 1 / 8)])
def test_maximin_of_many_points_comes_near_the_densest_lattice(k, center_density):
    # Conway and Sloane, Sphere Packings, Lattices and Groups, Table 1.2: n (d/2)^k is at most the center density.
    densest = 2 * (center_density / 1000) ** (1 / k)
    assert minimum_distance(unit_design(1000, k, "maximin", 0)) >= 0.8 * densest


@pytest.mark.parametrize(("n", "k"), [(1000, 5), (997, 23), (30, 7), (60, 16)])
def test_no_two_dimensions_of_maximin_are_alike(n, k):
    correlation = np.corrcoef(unit_design(n, k, "maximin", 3).T)
    assert np.abs(correlation - np.eye(k)).max() < 0.7


def test_a_caller_cannot_spoil_the_next_design():
    unit_design(10, 2, "lhs", 0)
    with pytest.raises(ValueError, match="read-only"):
        unit_design(10, 2, "lhs", 0)[0] = 0.5


def test_minimum_distance_of_known_points():
    assert minimum_distance(np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 5.0]])) == pytest.approx(1.0)
    assert minimum_distance(np.zeros((1, 2))) == np.inf


@pytest.mark.parametrize(("n", "k", "kind"), [(0, 2, "srs"), (3, 0, "lhs"), (3, 2, "sobol")])
def test_bad_requests_are_refused(n, k, kind):
    with pytest.raises(ValueError, match=r"Expected at least 1|accepted: srs, lhs, maximin"):
        latent_design(n, k, kind, 0)


def test_a_lattice_of_maximin_points_is_shifted_at_random():
    # Unshifted, its first point is the corner 0 of the cube, whose Φ⁻¹ is at −5.2 in every coordinate.
    lowest = np.array([unit_design(200, 3, "maximin", seed).min(0) for seed in range(60)]) * 200
    assert kstest(lowest.ravel(), "uniform").pvalue > 1e-3


# By the definition


def best_lattice(n, k, rng):
    """Of 256 random generators, whose components share no divisor with n, the one with the largest least distance."""
    coprime = [g for g in range(1, n // 2 + 1) if math.gcd(g, n) == 1]
    generators = rng.permuted(np.array([coprime] * 256), axis=1)[:, :k]

    def squared(g):  # by whole numbers, so that ties are ties
        return min(sum(min(i * c % n, -i * c % n) ** 2 for c in g.tolist()) for i in range(1, n))

    best = max(generators, key=squared)
    return (np.array([[i * c % n / n for c in best.tolist()] for i in range(n)]) + rng.random(k)) % 1


@pytest.mark.parametrize(("n", "k"), [(83, 2), (121, 3), (90, 2), (85, 2)])
def test_a_lattice_is_the_best_of_256(n, k):
    expected = best_lattice(n, k, np.random.default_rng(7))
    np.testing.assert_allclose(unit_design(n, k, "maximin", 7), expected, atol=1e-6)


def swapped(design, rng):
    """Swap one coordinate of two points, the best of those looked at, while ∑ d⁻²⁰ falls."""
    x, (n, k) = design.copy(), design.shape
    partners, stalled, move = min(n - 1, 24), 0, 0
    while stalled <= 4 * n * (n - 1) / partners:
        stalled += 1
        if move % 2:  # one of the closest pair, the one listed first
            distances = {(i, j): math.dist(x[i], x[j]) for i in range(n) for j in range(n) if i != j}
            i = min(distances, key=lambda pair: (round(distances[pair], 12), pair))[0]
        else:
            i = int(rng.integers(n))
        others = [j for j in range(n) if j != i]
        chosen = [others[place] for place in rng.permutation(n - 1)[:partners]]
        before, trials = (pdist(x) ** -20.0).sum(), {}
        for j in chosen:
            for c in range(k):
                trial = x.copy()
                trial[[i, j], c] = trial[[j, i], c]
                trials[j, c] = (pdist(trial) ** -20.0).sum()
        j, c = min(trials, key=trials.get)
        if trials[j, c] < before * (1 - 1e-9):
            x[[i, j], c] = x[[j, i], c]
            stalled = 0
        move += 1
    return x


@pytest.mark.parametrize(("n", "k", "seed"), [(3, 3, 0), (4, 3, 1), (6, 4, 2), (8, 3, 0), (9, 4, 0), (12, 3, 5)])
def test_few_points_are_a_hypercube_whose_coordinates_are_swapped(n, k, seed):
    """These n have fewer generators than dimensions. In two dimensions both swaps of two points are as good."""
    expected = swapped(unit_design(n, k, "lhs", seed), np.random.default_rng(seed))
    np.testing.assert_allclose(unit_design(n, k, "maximin", seed), expected, atol=1e-6)


def crowding(x):
    return (pdist(x) ** -20.0).sum() ** (1 / 20)


def test_a_lattice_of_few_points_is_swapped_until_no_swap_helps(monkeypatch):
    """Up to 40 points a dimension are swapped; up to 50,000 coordinates are more than a hypercube."""
    monkeypatch.setattr(module, "SWAPS", 4)
    monkeypatch.setattr(module, "MAXIMIN_VALUES", 24)
    for n, k in ((8, 2), (7, 3), (8, 3)):  # as many generators as dimensions; as many; fewer
        unit_design.cache_clear()
        found, lattice = unit_design(n, k, "maximin", 4), unit_design(n, k, "lhs", 4)
        if (n, k) != (8, 3):
            lattice = best_lattice(n, k, np.random.default_rng(4))
        assert crowding(found) < 0.9999 * crowding(lattice)
        np.testing.assert_allclose(np.sort(found, 0), np.sort(lattice, 0), atol=1e-6)
        for i, j, c in itertools.product(range(n), range(n), range(k)):
            other = found.copy()
            other[[i, j], c] = other[[j, i], c]
            assert crowding(other) > 0.999999 * crowding(found)
    np.testing.assert_allclose(unit_design(9, 2, "maximin", 0), best_lattice(9, 2, np.random.default_rng(0)), atol=1e-6)
    assert np.array_equal(unit_design(13, 2, "maximin", 0), unit_design(13, 2, "lhs", 0))
    assert np.array_equal(unit_design(2, 2, "maximin", 0), unit_design(2, 2, "lhs", 0))
    unit_design.cache_clear()


def test_no_point_lies_at_the_ends_of_the_cube(monkeypatch):
    def ends(k, samples, random_state):
        return np.array([[0.0], [1.0], [0.5]])

    unit_design.cache_clear()
    monkeypatch.setattr(module, "lhs", ends)
    tiny = np.finfo(np.float32).eps
    assert unit_design(3, 1, "lhs", 0).tolist() == [[tiny], [1 - tiny], [0.5]]
    assert latent_design(3, 1, "lhs", 0)[:, 0].tolist() == pytest.approx(ndtri([tiny, 1 - tiny, 0.5]).tolist())
    unit_design.cache_clear()


def test_seeds_differ_up_to_those_of_32_bits():
    assert np.array_equal(unit_design(5, 2, "lhs", 3), unit_design(5, 2, "lhs", 2**32 + 3))
    for seed in (32, 64, 96, 2**16, 2**31):
        assert not np.array_equal(unit_design(5, 2, "lhs", 0), unit_design(5, 2, "lhs", seed))
