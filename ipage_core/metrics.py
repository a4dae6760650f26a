"""How good a set of designs is as a whole: families found, errors, and how far apart the designs are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Array = NDArray[np.floating]


def mode_recall(modes: NDArray[np.integer], n_modes: int) -> float:
    """Share of ``n_modes`` families that have at least one design. modes (n,): a family, or −1 for none."""
    return len(set(modes.tolist()) - {-1}) / n_modes


def error_quantiles(errors: Array, at: tuple[float, ...] = (0.05, 0.25, 0.5, 0.75, 0.95)) -> Array:
    """Quantiles of the errors that are known, NaN if none is. (n,) → (len(at),)."""
    known = errors[np.isfinite(errors)]
    return np.quantile(known, at) if len(known) else np.full(len(at), np.nan)


def least_distance(points: Array) -> float:
    """Smallest Euclidean distance between two of the points (n, k): what a maximin design makes large (Eq. 9)."""
    return float(nearest_distances(points).min())


def nearest_distances(points: Array) -> Array:
    """Distance of each point to its nearest neighbour. (n, k) → (n,), NaN for a single one."""
    if len(points) < 2:
        return np.full(len(points), np.nan)
    if points.shape[1] <= 16:
        return np.asarray(cKDTree(points).query(points, k=2)[0])[:, 1]
    squared = np.square(points).sum(1)
    apart = squared[:, None] + squared - 2 * points @ points.T
    np.fill_diagonal(apart, np.inf)
    return np.sqrt(apart.min(1).clip(0))
