"""Metrics of a set of designs: families, errors and their intervals, spread, distance to another set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist, pdist

Array = NDArray[np.floating]


def error_quantiles(errors: Array, at: tuple[float, ...] = (0.05, 0.25, 0.5, 0.75, 0.95)) -> Array:
    """Quantiles of the finite errors, NaN if there are none. (n,) → (len(at),)."""
    finite = errors[np.isfinite(errors)]
    return np.quantile(finite, at) if len(finite) else np.full(len(at), np.nan)


def bootstrap_interval(values: Array, level: float = 0.95, resamples: int = 1000, seed: int = 0) -> tuple[float, float]:
    """Percentile interval of the mean of the values (n,), by drawing n of them with replacement many times.

    It shows how much the mean varies with other solutions (or targets) of the same model, not with other trainings.
    NaN if n < 2. (Efron and Tibshirani 1993, section 13.3.)
    """
    finite = values[np.isfinite(values)]
    if len(finite) < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(finite), np.full(len(finite), 1 / len(finite)), size=resamples) @ finite / len(finite)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def nearest_distances(points: Array) -> Array:
    """Distance of each point to its nearest neighbour. (n, k) → (n,), NaN for a single point."""
    if len(points) < 2:
        return np.full(len(points), np.nan)
    if points.shape[1] <= 16:
        return np.asarray(cKDTree(points).query(points, k=2)[0])[:, 1]
    squared = np.square(points).sum(1)
    apart = squared[:, None] + squared - 2 * points @ points.T
    np.fill_diagonal(apart, np.inf)
    return np.sqrt(apart.min(1).clip(0))


def mean_distance(points: Array) -> float:
    """Mean Euclidean distance between two of the points (n, k): their diversity. NaN for a single point."""
    return float(pdist(points).mean()) if len(points) > 1 else float("nan")


def mmd2(a: Array, b: Array, scale: float | None = None) -> float:
    """Squared maximum mean discrepancy of samples a (n, k) and b (m, k), unbiased: zero on average if p = q.

    The kernel is exp(−‖u − v‖²/2s²), s being ``scale`` or the median distance within b (Gretton et al. 2012a, Eq. 3).
    It can be negative.
    """
    s = float(np.median(pdist(b))) if scale is None else scale

    def kernel(u: Array, v: Array) -> Array:
        return np.exp(-cdist(u, v, "sqeuclidean") / (2 * s * s))

    n, m = len(a), len(b)
    within_a = (kernel(a, a).sum() - n) / (n * (n - 1))
    within_b = (kernel(b, b).sum() - m) / (m * (m - 1))
    return float(within_a + within_b - 2 * kernel(a, b).mean())


def ranks(truth: Array, samples: Array) -> NDArray[np.int64]:
    """Number of posterior samples below the truth, per coordinate. (n, d), (n, L, d) → (n, d) in 0 … L.

    Ranks are uniform if the posterior is exact (simulation-based calibration, Talts et al. 2018, arXiv:1804.06788).
    They pile up at both ends if it is too narrow, in the middle if too wide. Ties count half, rounded at random.
    """
    below = (samples < truth[:, None]).sum(1)
    tied = (samples == truth[:, None]).sum(1)
    return below + np.random.default_rng(0).integers(0, tied + 1)


def credibility(truth: Array, samples: Array, reference: Array) -> Array:
    """Share of posterior samples nearer to a reference point than the truth is. (n, d), (n, L, d), (n, d) → (n,).

    Uniform on [0, 1] if the posterior is exact, for any reference points that are independent of the truth
    (tests of accuracy with random points, Lemos et al. 2023, arXiv:2302.03026).
    """
    radius = np.square(truth - reference).sum(1)
    return (np.square(samples - reference[:, None]).sum(2) < radius[:, None]).mean(1)


def expected_coverage(credibilities: Array, levels: Array) -> Array:
    """Share of cases whose truth lies within the credible region of each level. (n,), (k,) → (k,).

    The regions lie about the reference points of :func:`credibility`. If those are random, a calibrated posterior gives
    the diagonal. For an over-confident (too narrow) posterior, most truths are nearer to the reference point than all
    samples, or farther: the curve lies above the diagonal at low levels, below it at high levels, and crosses it near
    0.5. For a posterior that is too wide, the reverse holds.
    """
    return (np.asarray(credibilities)[:, None] <= np.asarray(levels)).mean(0)
