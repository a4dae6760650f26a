"""Voronoi cells of designs on a solution set, and how designs move from crowded cells to large ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ipage_core.inference.solution_set import Floats, SolutionSet

BREATH, BREATHS, FALL = 20, 8, 0.003
"""Breathing k-means: one design in BREATH moves at a time; number of rounds; least fall of the error in a round."""


class Cells(NamedTuple):
    """The Voronoi cell of each design: the points that are nearer to it than to any other design."""

    error: Floats
    """(n,) ∑ weight·d² over the cell."""
    needed: Floats
    """(n,) growth of the error without the design."""
    farthest: NDArray[np.int64]
    """(n,) row of the point in the cell that adds most to the error."""
    total: float


class Points:
    """Known points of the set (k, d), each with the share of the set that it represents (k,)."""

    def __init__(self, solutions: SolutionSet, on_set: Floats, weight: Floats) -> None:
        self.solutions, self.on_set, self.weight = solutions, on_set, weight
        self.copies = solutions.copies(on_set)

    def some(self, most: int) -> Points:
        """At most ``most`` of the points."""
        rows = np.random.default_rng(0).permutation(len(self.on_set))[:most]
        return Points(self.solutions, self.on_set[rows], self.weight[rows])

    def with_more(self, x: Floats) -> Points:
        """These points and more (j, d), with the mean weight."""
        weight = np.full(len(x), self.weight.mean())
        return Points(self.solutions, np.concatenate([self.on_set, x]), np.concatenate([self.weight, weight]))

    def means(self, x: Floats, power: float = 2.0) -> tuple[Floats, float]:
        """Weighted mean of each design's cell, or the design itself if its cell is empty, and ∑ weight·d^power.

        With a ``power`` above 2, far points count more: the means approach the centres of the smallest balls.
        (n, d) → (n, d), ().
        """
        distance, own = self.solutions.nearest(self.on_set, x)
        near = ((self.copies - self.solutions.coordinates(x)[own][:, None]) ** 2).sum(2).argmin(1)
        at = self.copies[np.arange(len(near)), near]  # the image of each point that is nearest to its design
        pull = self.weight * distance ** (power - 2)
        total = np.bincount(own, pull, len(x))[:, None]
        sums = np.stack([np.bincount(own, pull * column, len(x)) for column in at.T], axis=1)
        means = np.where(total > 0, sums / np.maximum(total, 1e-300) * self.solutions.scale, x)
        return means, float(pull @ distance**2)

    def cells(self, x: Floats) -> Cells:
        """Voronoi cells of the designs x (n, d)."""
        distance, own = self.solutions.two_nearest(self.on_set, x)
        cost = self.weight * distance[:, 0] ** 2
        order = np.argsort(cost, kind="stable")
        farthest = np.zeros(len(x), np.int64)
        farthest[own[order]] = order  # the last one written is the costliest
        needed = np.bincount(own, self.weight * distance[:, 1] ** 2 - cost, len(x))
        return Cells(
            error=np.bincount(own, cost, len(x)).astype(np.float64),
            needed=needed.astype(np.float64),
            farthest=farthest,
            total=float(cost.sum()),
        )


def breathe(points: Points, x: Floats) -> Floats:
    """Move designs from crowded regions to sparse ones, which Lloyd's algorithm cannot do.

    Breathing k-means (Fritzke 2020, arXiv:2006.15666): add designs where the error is largest, remove as many
    where they are needed least, with two Lloyd steps after each; repeat while ∑ weight·d² falls.
    """
    count, cells = max(1, len(x) // BREATH), points.cells(x)
    for _ in range(BREATHS):
        y = np.concatenate([x, points.on_set[cells.farthest[np.argsort(-cells.error)[:count]]]])
        for _ in range(2):
            y = points.means(y)[0]
        y = np.delete(y, _least(points.solutions, y, points.cells(y).needed, count), axis=0)
        for _ in range(2):
            y = points.means(y)[0]
        new = points.cells(y)
        if new.total < (1 - FALL) * cells.total:
            x, cells = y, new
        elif count == 1:
            break
        else:
            count //= 2
    return x


def _least(solutions: SolutionSet, x: Floats, needed: Floats, count: int) -> list[int]:
    """The ``count`` designs needed least, only one of two neighbours: without it, the other is needed."""
    nearest = solutions.neighbours(x, 1)[1].ravel() // solutions.copies(x).shape[1]
    gone: list[int] = []
    for i in np.argsort(needed, kind="stable"):
        if len(gone) < count and nearest[i] not in gone:
            gone.append(int(i))
    return gone
