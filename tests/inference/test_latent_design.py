"""Stratification, spread, determinism."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

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
