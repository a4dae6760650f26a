"""Space-filling designs of the latent variable z: simple random, Latin hypercube, and maximin Latin hypercube."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform
from scipy.special import ndtri
from torch import Tensor

from ipage_core.runtime.lazy import late

# pyDOE2 imports a module that Python 3.12 removed. Both take long to load, and a maximin design needs neither.
lhs = late("pyDOE3:lhs" if sys.version_info >= (3, 12) else "pyDOE2:lhs")

Sampling = Literal["srs", "lhs", "maximin"]
SAMPLINGS: tuple[Sampling, ...] = get_args(Sampling)

MAXIMIN_VALUES = 50_000
"""Above this n·k a maximin design is a plain LHS. For large k all distances are alike: at n = 1000, k = 1023 the three
kinds have minimum distances 11.9, 11.9 and 12.0."""
SWAPS = 40
"""Coordinate swaps improve a lattice of up to this many points per dimension."""


def latent_design(n: int, k: int, kind: Sampling, seed: int) -> Tensor:
    """n latent points z ~ N(0, I_k) of a ``kind``: (n, k), float32. The arguments determine the result.

    ``srs``: simple random sampling; ``lhs``: Latin hypercube sampling (McKay, Beckman and Conover); ``maximin``: LHS
    with a large smallest distance between points (paper, Eq. 9), by a lattice, or by swaps if they are better.

    Raises:
        ValueError: n < 1, k < 1 or an unknown kind.
    """
    return torch.from_numpy(ndtri(unit_design(n, k, kind, seed))).to(torch.float32)


@lru_cache(maxsize=64)
def unit_design(n: int, k: int, kind: Sampling, seed: int) -> NDArray[np.float64]:
    """The same design in the open unit cube, before Φ⁻¹: (n, k), read-only; see :func:`latent_design`."""
    if n < 1 or k < 1:
        raise ValueError(f"Expected at least 1 point in 1 dimension, got n={n}, k={k}")
    rng = np.random.default_rng(seed)
    if kind == "srs":
        unit = rng.random((n, k))
    elif kind == "lhs":
        unit = _hypercube(n, k, seed)
    elif kind == "maximin":
        unit = _maximin(n, k, seed, rng)
    else:
        raise ValueError(f"sampling '{kind}' is not known; accepted: {', '.join(SAMPLINGS)}")
    tiny = np.finfo(np.float32).eps
    unit = unit.clip(tiny, 1 - tiny)
    unit.setflags(write=False)  # the cache returns this array again
    return unit


def minimum_distance(points: Tensor | NDArray[np.float64]) -> float:
    """Smallest Euclidean distance between two of the points (n, k), which Eq. 9 maximizes. Infinite for n = 1."""
    return float(pdist(np.asarray(points)).min(initial=np.inf))


def _hypercube(n: int, k: int, seed: int) -> NDArray[np.float64]:
    return lhs(k, samples=n, random_state=np.random.RandomState(seed % 2**32))


def _maximin(n: int, k: int, seed: int, rng: np.random.Generator) -> NDArray[np.float64]:
    if n < 3 or k < 2 or n * k > MAXIMIN_VALUES:
        return _hypercube(n, k, seed)
    generators = np.flatnonzero(np.gcd(np.arange(n // 2 + 1), n) == 1)
    if len(generators) < k:  # a small n, or one with many divisors
        return _spread(_hypercube(n, k, seed), rng)
    lattice = _lattice(n, k, generators, rng)
    return _spread(lattice, rng) if n <= SWAPS * k else lattice


def _lattice(
    n: int, k: int, generators: NDArray[np.int64], rng: np.random.Generator, tries: int = 256
) -> NDArray[np.float64]:
    """The points (i·g/n + u) mod 1 with random u, for the generator g of ``tries`` with the largest minimum distance.

    This is a rank-1 lattice; the best ones come near the densest packing of spheres. It is a Latin hypercube because
    every component of g is coprime to n (He, Gong and Li 2025, arXiv:2506.04582). On the unit torus the distances
    between all points are those to the first point: this takes n·k operations a try, and no shift u reduces the
    minimum.

    Args:
        n, k: number of points and dimensions.
        generators: allowed components of g, at least k, none the negative of another modulo n: two dimensions with
            g and g or −g would put all points on a line.
        rng: draws generators and u.
        tries: number of generators to try.
    """
    g = rng.permuted(np.tile(generators, (tries, 1)), axis=1)[:, :k].T  # (k, tries)
    i = np.arange(n // 2) + 1  # the other half has the same distances by symmetry
    squared = np.zeros((tries, len(i)), np.int64)
    for component in g:
        apart = component[:, None] * i % n
        squared += np.minimum(apart, n - apart) ** 2
    best = g[:, squared.min(1).argmax()]
    return (np.arange(n)[:, None] * best % n / n + rng.random(k)) % 1


def _closeness(squared: NDArray[np.float64]) -> NDArray[np.float64]:
    """d⁻²⁰ from d²: six products, ten times faster than a general power."""
    inverse = 1 / squared
    square = inverse * inverse
    fourth = square * square
    return square * (fourth * fourth)


def _spread(design: NDArray[np.float64], rng: np.random.Generator, work: float = 1.5e7) -> NDArray[np.float64]:
    """Swap coordinates between points as long as φ_p = (Σ dᵢⱼ⁻ᵖ)^(1/p), p = 20, falls; a Latin hypercube stays one.

    φ_p is a smooth substitute for the minimum distance (Morris and Mitchell 1995, doi:10.1016/0378-3758(94)00035-T).
    Each move takes one point, every second time one of the closest pair, and does the best of its swaps with a few
    random partners over all coordinates. ``work`` limits the number of distances, and so the time (half a second).
    """
    n, k = design.shape
    x = design.T.copy()  # points along the last axis, for faster sums
    squared = squareform(pdist(design, "sqeuclidean"))
    np.fill_diagonal(squared, np.inf)
    partners = min(n - 1, 24)
    moves = int(min(work / (partners * k * n), 200 * n))
    closeness = _closeness(squared)
    rows, stalled = np.arange(partners), 0
    for move in range(moves):
        if stalled > 4 * n * (n - 1) / partners:  # no point has a swap left that helps
            break
        stalled += 1
        i = int(squared.argmin() // n) if move % 2 else int(rng.integers(n))
        j = rng.permutation(n - 1)[:partners]
        j += j >= i
        # Swapping coordinate c of i and j changes their distances to all other points, not to each other.
        to_i, to_j = (x[:, i, None] - x) ** 2, (x[:, j].T[:, :, None] - x) ** 2  # (k, n), (partners, k, n)
        gain = to_j - to_i
        new_i, new_j = squared[i] + gain, squared[j][:, None] - gain
        new_i[:, :, i], new_j[rows, :, j] = np.inf, np.inf
        new_i[rows, :, j] = new_j[:, :, i] = squared[i, j][:, None]
        with np.errstate(over="ignore"):
            change = (_closeness(new_i) + _closeness(new_j)).sum(2) - (closeness[i] + closeness[j]).sum(1)[:, None]
        row, c = np.unravel_index(int(change.argmin()), change.shape)
        if change[row, c] < 0:
            stalled = 0
            partner = j[row]
            x[c, [i, partner]] = x[c, [partner, i]]
            for point, distances in ((i, new_i[row, c]), (partner, new_j[row, c])):
                squared[point] = squared[:, point] = distances
                closeness[point] = closeness[:, point] = _closeness(distances)
    return x.T.copy()
