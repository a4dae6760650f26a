"""Spread designs as far apart as possible on the solution set itself: {x in the box: f(x) = y*}.

Maximin in the latent space is not maximin on the solutions, because the posterior is dense where the prior is dense.
Here designs are placed by farthest-point sampling (Gonzalez 1985, doi:10.1016/0304-3975(85)90224-5), pushed apart along
the set by Riesz repulsion (Hardin and Saff 2004), and centred in their Voronoi cells by Lloyd's algorithm (Lloyd 1982,
doi:10.1109/TIT.1982.1056489). Lloyd's algorithm comes last, because repulsion alone pushes designs to the walls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from ipage_core.inference.solution_set import GROWING, NEARBY, Floats, SolutionSet, grow, pool

Region = Literal["box", "posterior", "off"]
REGIONS: tuple[Region, ...] = get_args(Region)
"""Spread over all solutions in the box, over the likely ones, or not at all (designs stay as drawn)."""

LEAST_POOL, POOL = 1000, 5
"""Starts of each kind: the minimum, and the number for each design."""
PUSHES, LLOYDS = 20, 10
FEW = 200
"""Up to this many designs are picked anew from the pool after the pushes; of more, the pushed designs are kept."""
BREATH, BREATHS, BREATHED = 20, 16, 6
"""Breathing k-means: one design in BREATH moves at a time; number of rounds; points for each design."""
EVENINGS, APART, SHORT = 40, 2.5, 1e-3
"""On a curve: rounds that even the gaps, the widest gap that is evened (in typical gaps), a step along the tangent."""
CROWD = 12
"""Number of neighbours that push a design."""
NEAR = 6
"""Localization steps after a push; few, because pushes are short."""


def spread(
    solutions: SolutionSet,
    n: int,
    *,
    propose: Callable[[int, int], Tensor] | None = None,
    region: Region = "box",
    seed: int = 0,
) -> Floats:
    """Spread n designs evenly over the solution set. → (n, d), or (0, d) if localization reaches no solution.

    ``box``: evenly by distance; every connected piece that the pool of solutions reaches gets its share.
    ``posterior``: likely solutions are near a design (k-means of posterior samples).

    Args:
        solutions: the set, with its distance.
        n: number of designs.
        propose: (count, seed) → posterior samples (count, d); needed for the region ``posterior``.
        region: ``box`` or ``posterior``.
        seed: fixes everything random.
    """
    if region not in REGIONS or region == "off":
        raise ValueError(f"spread '{region}' is not known; accepted: {', '.join(REGIONS)}")
    if region == "posterior" and propose is None:
        raise ValueError("spread 'posterior' needs a method that proposes designs; accepted: box, off")
    on_set = pool(solutions, max(LEAST_POOL, POOL * n), seed, propose, box=region == "box")
    if not len(on_set):
        return np.empty((0, solutions.d))
    if region == "box":
        on_set = grow(solutions, on_set, seed, count=max(GROWING, 2 * n))
    x = on_set[np.resize(farthest(solutions, on_set, n), n)]  # with few solutions, some are taken more than once
    if region == "box" and solutions.dimension > 0:
        x, visited = _push(solutions, x)
        on_set = np.concatenate([on_set, *visited])
        x = on_set[np.resize(farthest(solutions, on_set, n), n)] if n <= FEW else x
    weight = solutions.spacing(on_set) if region == "box" else np.ones(len(on_set))
    points = _Points(solutions, on_set, weight)
    x = _breathe(points.some(max(LEAST_POOL * (1 if solutions.images else 4), BREATHED * n)), x)
    x = _lloyd(points, _land(solutions, on_set, x))
    if region == "box" and solutions.dimension == 1:
        x = _even(solutions, x)
    whole, arrived = solutions.whole(x)
    return np.where(arrived[:, None], whole, x)


def farthest(
    solutions: SolutionSet, on_set: Floats, n: int, beyond: Floats | None = None, enough: float = 0.0
) -> NDArray[np.int64]:
    """Farthest-point sampling: rows of at most n of the points (k, d), until all points are within ``enough``.

    The first row is near the middle or, given designs ``beyond`` (j, d), the farthest from them.
    """
    points = solutions.coordinates(on_set)
    squares = (points**2).sum(1)
    picked: list[int] = []
    if beyond is None:
        left, row = np.full(len(points), np.inf), int(((points - points.mean(0)) ** 2).sum(1).argmin())
    else:
        left = solutions.nearest(on_set, beyond)[0] ** 2
        row = int(left.argmax())
    while len(picked) < min(n, len(points)) and left[row] > enough**2:
        picked.append(row)
        copies = solutions.copies(on_set[row : row + 1])[0]
        nearest = (squares[:, None] - 2 * (points @ copies.T) + (copies**2).sum(1)).min(1)
        np.minimum(left, nearest, out=left)
        left[row] = 0.0
        row = int(left.argmax())
    return np.array(picked, dtype=np.int64)


def _push(solutions: SolutionSet, x: Floats) -> tuple[Floats, list[Floats]]:
    """Riesz repulsion, exponent dimension + 2, along the set. → the designs, and every fourth generation of them."""
    if len(x) < 2:
        return x, []
    exponent, visited = solutions.dimension + 2, []
    for k in range(PUSHES):
        distance, index, flat = solutions.neighbours(x, CROWD)
        distance = np.maximum(distance, 1e-9)
        apart = solutions.coordinates(x)[:, None] - flat[index]
        force = (distance[:, :1] / distance) ** (exponent + 1)
        push = (force[..., None] * apart / distance[..., None]).sum(1)
        length = (0.5 * (1 - k / PUSHES) + 0.05) * np.median(distance[:, 0])
        push *= length / np.maximum(np.linalg.norm(push, axis=1, keepdims=True), 1e-12)
        moved, fine = solutions.land(solutions.along(x, push), NEAR)
        x = np.where(fine[:, None], moved, x)
        if k % 4 == 3:
            visited.append(x)
    return x, visited


def _lloyd(points: _Points, x: Floats) -> Floats:
    """Move each design to the mean of its points, then back to the set. → the generation with the least ∑ weight·d²."""
    best, least = x, np.inf
    for k in range(LLOYDS + 1):
        share = points.shares(x)
        if share.total < least:
            best, least = x, share.total
        if k < LLOYDS:
            moved, fine = points.solutions.land(share.means, NEARBY)
            x = np.where(fine[:, None], moved, x)
    return best


def _even(solutions: SolutionSet, x: Floats) -> Floats:
    """Move each design on a curve midway between its neighbours ahead and behind; the ends stay.

    Lloyd's cells on a curve hold few known points, and their noise leaves gaps uneven. A design without another one
    within ``APART`` typical gaps on either side is at an end, or alone on its piece.
    """
    for _ in range(EVENINGS if len(x) > 2 else 0):
        distance, index, flat = solutions.neighbours(x, min(CROWD, len(x) - 1))
        tangent = solutions.along(x, np.full_like(x, SHORT)) - x
        ahead = ((flat[index] - solutions.coordinates(x)[:, None]) * solutions.coordinates(tangent)[:, None]).sum(2)
        gaps = [np.where(side, distance, np.inf).min(1) for side in (ahead > 0, ahead < 0)]
        between = np.maximum(*gaps) <= APART * np.median(distance[:, 0])
        shift = np.where(between, (gaps[0] - gaps[1]) / 4, 0.0) if between.any() else np.zeros(len(x))
        unit = tangent / np.maximum(np.linalg.norm(solutions.coordinates(tangent), axis=1, keepdims=True), 1e-12)
        moved, fine = solutions.land(x + shift[:, None] * unit, NEARBY)
        x = np.where(fine[:, None], moved, x)
    return x


def _breathe(points: _Points, x: Floats) -> Floats:
    """Move designs from crowded regions to sparse ones, which Lloyd's algorithm cannot do.

    Breathing k-means (Fritzke 2020, arXiv:2006.15666): add designs where the error is largest, remove as many
    where they are needed least, with two Lloyd steps after each; repeat while ∑ weight·d² falls.
    """
    count, share = max(1, len(x) // BREATH), points.shares(x)
    for _ in range(BREATHS):
        y = np.concatenate([x, points.on_set[share.farthest[np.argsort(-share.error)[:count]]]])
        for _ in range(2):
            y = points.shares(y).means
        y = np.delete(y, _least(points.solutions, y, points.shares(y).needed, count), axis=0)
        for _ in range(2):
            y = points.shares(y).means
        new = points.shares(y)
        if new.total < 0.999 * share.total:
            x, share = y, new
        elif count == 1:
            break
        else:
            count //= 2
    return x


def _land(solutions: SolutionSet, on_set: Floats, x: Floats) -> Floats:
    """Bring means back onto the set; one that does not arrive is replaced by the nearest known solution."""
    landed, fine = solutions.land(x, NEARBY)
    _, nearest = cKDTree(solutions.coordinates(on_set)).query(solutions.coordinates(x), workers=-1)
    return np.where(fine[:, None], landed, on_set[nearest])


def _least(solutions: SolutionSet, x: Floats, needed: Floats, count: int) -> list[int]:
    """The ``count`` designs needed least, only one of two neighbours: without it, the other is needed."""
    nearest = solutions.neighbours(x, 1)[1][:, 0] // solutions.copies(x[:1]).shape[1]
    gone: list[int] = []
    for i in np.argsort(needed, kind="stable"):
        if len(gone) < count and nearest[i] not in gone:
            gone.append(int(i))
    return gone


class _Shares(NamedTuple):
    """The Voronoi cell of each design: the points that are nearer to it than to any other design."""

    means: Floats
    """(n, d) weighted mean of the cell; the design itself if the cell is empty."""
    error: Floats
    """(n,) ∑ weight·d² over the cell."""
    needed: Floats
    """(n,) growth of the error without the design."""
    farthest: NDArray[np.int64]
    """(n,) row of the point in the cell that adds most to the error."""
    total: float


class _Points:
    """Known points of the set (k, d), each with the share of the set that it represents (k,)."""

    def __init__(self, solutions: SolutionSet, on_set: Floats, weight: Floats) -> None:
        self.solutions, self.on_set, self.weight = solutions, on_set, weight
        self.copies = solutions.copies(on_set)

    def some(self, most: int) -> _Points:
        """At most ``most`` of the points."""
        rows = np.random.default_rng(0).permutation(len(self.on_set))[:most]
        return _Points(self.solutions, self.on_set[rows], self.weight[rows])

    def shares(self, x: Floats) -> _Shares:
        """Voronoi cells of the designs x (n, d)."""
        distance, own = self.solutions.two_nearest(self.on_set, x)
        at, weight = self.copies[:, 0], self.weight
        if self.copies.shape[1] > 1:  # the image of each point that is nearest to its design
            near = ((self.copies - self.solutions.coordinates(x)[own][:, None]) ** 2).sum(2).argmin(1)
            at = self.copies[np.arange(len(at)), near]
        total = np.bincount(own, weight, len(x))[:, None]
        sums = np.stack([np.bincount(own, weight * column, len(x)) for column in at.T], axis=1)
        cost = weight * distance[:, 0] ** 2
        order = np.argsort(cost, kind="stable")
        farthest = np.zeros(len(x), np.int64)
        farthest[own[order]] = order  # the last one written is the costliest
        needed = np.bincount(own, weight * distance[:, 1] ** 2 - cost, len(x))
        return _Shares(
            means=np.where(total > 0, sums / np.maximum(total, 1e-300) * self.solutions.scale, x),
            error=np.bincount(own, cost, len(x)).astype(np.float64),
            needed=needed.astype(np.float64),
            farthest=farthest,
            total=float(cost.sum()),
        )
