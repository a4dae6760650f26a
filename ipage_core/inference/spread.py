"""Spread designs as far apart as possible on the solution set itself: {x in the box: f(x) = y*}.

Maximin in the latent space is not maximin on the solutions, because the posterior is dense where the prior is dense.
Here designs are placed by farthest-point sampling (Gonzalez 1985, doi:10.1016/0304-3975(85)90224-5), pushed apart along
the set by Riesz repulsion (Hardin and Saff 2004), and centred in their Voronoi cells by Lloyd's algorithm (Lloyd 1982,
doi:10.1109/TIT.1982.1056489). Lloyd's algorithm comes last, because repulsion alone pushes designs to the walls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ipage_core.inference.solution_set import COARSE, NEARBY, Floats, SolutionSet, closest, grow, pool
from ipage_core.inference.voronoi import Points, breathe

Region = Literal["box", "posterior", "off"]
REGIONS: tuple[Region, ...] = get_args(Region)
"""Spread over all solutions in the box, over the likely ones, or not at all (designs stay as drawn)."""

LEAST_POOL, POOL = 400, 2
"""Starts of each kind: the minimum, and the number for each design."""
LEAST_GROWN, GROWN = 200, 1
"""Solutions that each round of :func:`grow` adds: the minimum, and the number for each design."""
FIRST = 3
"""Number of solutions for each design that the first designs are picked from."""
PUSHES, LLOYDS = 12, 8
FEW = 200
"""Up to this many designs are picked anew from the pool after the pushes; of more, the pushed designs are kept."""
BREATHED = 6
"""Points for each design that breathing k-means sees."""
STRICT, CLOSINGS, PATIENCE = 6.0, 4, 2
"""Closing of holes: exponent of the distance, number of rounds, and rounds without gain after which it stops."""
HOLES, CLIMBS, BEYOND = 50, 3, 1.2
"""Holes looked at in a round: the minimum, otherwise one for two designs; steps to the middle of each; and how much
farther from the designs than all found solutions a middle may be: where f is unsure, holes have no end."""
EVENINGS, APART, SHORT = 40, 2.5, 1e-3
"""On a curve: rounds that even the gaps, the widest gap that is evened (in typical gaps), a step along the tangent."""
CROWD = 12
"""Number of neighbours that push a design, or the middle of a hole."""


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
    everywhere = replace(solutions, trusted=None)  # a solution that f is unsure of has a near design, but is none
    found = pool(everywhere, max(LEAST_POOL, POOL * n), seed, propose, box=region == "box")
    if region == "box":
        found = grow(everywhere, found, seed, count=max(LEAST_GROWN, GROWN * n))
    sure = solutions.sure(found)
    on_set, doubtful = found[sure], found[~sure]
    if not len(on_set):
        return np.empty((0, solutions.d))
    few = on_set
    if n > FEW and solutions.dimension > 0:  # the picks take time, and they move on
        few = on_set[np.random.default_rng(seed).permutation(len(on_set))[: FIRST * n]]
    x = few[np.resize(farthest(solutions, few, n), n)]  # with few solutions, some are taken more than once
    if region == "box" and solutions.dimension > 0:
        x, visited = push(solutions, x)
        on_set = np.concatenate([on_set, *visited])
        x = on_set[np.resize(farthest(solutions, on_set, n), n)] if n <= FEW else x
    weight = solutions.spacing(on_set) if region == "box" else np.ones(len(on_set))
    points = Points(solutions, on_set, weight)
    x = breathe(points.some(max(LEAST_POOL * (1 if solutions.images else 4), BREATHED * n)), x)
    x = land_or_replace(solutions, on_set, lloyd(points, x))
    if region == "box" and solutions.dimension > 1:
        reach = solutions.nearest(on_set, x)[0].max()
        beside = doubtful[solutions.nearest(doubtful, on_set)[0] <= reach]  # no design comes nearer to others
        x = land_or_replace(solutions, on_set, close_holes(everywhere, solutions, np.concatenate([on_set, beside]), x))
    if region == "box" and solutions.dimension == 1:
        x = even(solutions, x)
    return round_or_replace(solutions, on_set, x)


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


def push(solutions: SolutionSet, x: Floats) -> tuple[Floats, list[Floats]]:
    """Riesz repulsion, exponent dimension + 2, along the set. → the designs, and every fourth generation of them."""
    if len(x) < 2:
        return x, []
    sure, visited = x, []
    for k in range(PUSHES):
        distance, index, flat = solutions.neighbours(x, CROWD)
        away = repulsion(solutions, solutions.coordinates(x), distance, flat[index])
        x = solutions.slide(x, away * (0.5 * (1 - k / PUSHES) + 0.05) * np.median(distance[:, 0]))
        if k % 4 == 3:
            landed, fine = solutions.land(x, NEARBY, rest=COARSE)
            sure = x = np.where(fine[:, None], landed, sure)
            visited.append(x)
    return x, visited


def repulsion(solutions: SolutionSet, x: Floats, distance: Floats, others: Floats) -> Floats:
    """Unit vectors (n, d) along the Riesz force on x (n, d) by ``others`` (n, c, d) at ``distance`` (n, c)."""
    distance = np.maximum(distance, 1e-9)
    force = (distance[:, :1] / distance) ** (solutions.dimension + 4)
    total = (force[..., None] * (x[:, None] - others)).sum(1)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-300)


def lloyd(points: Points, x: Floats) -> Floats:
    """Move each design to the mean of its points, then back to the set. → the generation with the least ∑ weight·d²."""
    best, least = x, np.inf
    for k in range(LLOYDS + 1):
        means, error = points.means(x)
        if error < least:
            best, least = x, error
        if k < LLOYDS:
            x = points.solutions.slide(means)
    return best


def close_holes(everywhere: SolutionSet, solutions: SolutionSet, found: Floats, x: Floats) -> Floats:
    """Move designs towards the middles of the largest holes between them.

    Each round looks for the middles, which no found solution need be near, and adds them to these. Each design then
    moves to the centre of its cell by ∑ weight·d^:data:`STRICT`, or half or a quarter of the way if f is unsure
    there. → the generation with the least fill distance.
    """
    points, best, least = Points(everywhere, found, everywhere.spacing(found)), x, np.inf
    damping = 1 / (1 + (STRICT - 2) / solutions.dimension)
    for k in range(CLOSINGS + 1):
        distance, _ = solutions.nearest(points.on_set, x)
        rows = np.argsort(-distance, kind="stable")[: max(HOLES, len(x) // 2)]
        middles, fine = everywhere.land(climb(everywhere, points.on_set[rows], x), NEARBY, rest=COARSE)
        hole, widest = solutions.nearest(middles, x)[0], float(distance.max())
        fine &= hole <= BEYOND * widest
        widest = max(widest, float(hole[fine].max(initial=0.0)))
        if widest < 0.99 * least:
            gained = k
        if widest < least:
            best, least = x, widest
        if k == CLOSINGS or k - gained >= PATIENCE:
            break
        points = points.with_more(middles[fine])
        x = toward(solutions, x, x + damping * (points.means(x, STRICT)[0] - x))
    return best


def toward(solutions: SolutionSet, x: Floats, there: Floats) -> Floats:
    """Move designs x (n, d) towards ``there`` (n, d), along the set and only where f is sure. → (n, d)."""
    x, rows = x.copy(), np.arange(len(x))
    for share in (1.0, 0.5, 0.25):
        moved = solutions.slide(x[rows] + share * (there[rows] - x[rows]))
        sure = solutions.sure(moved)
        x[rows[sure]] = moved[sure]
        rows = rows[~sure]
        if not len(rows):
            break
    return x


def climb(solutions: SolutionSet, holes: Floats, designs: Floats) -> Floats:
    """Move points (k, d) along the set away from the designs around them, to the middle of the hole. → (k, d)."""
    flat = solutions.copies(designs).reshape(-1, solutions.d)
    for k in range(CLIMBS):
        at = solutions.coordinates(holes)
        distance, index = closest(flat, at, min(CROWD, len(flat)))
        away = repulsion(solutions, at, distance, flat[index])
        holes = solutions.slide(holes, away * 0.25 * (1 - k / CLIMBS) * distance[:, :1])
    return holes


def even(solutions: SolutionSet, x: Floats) -> Floats:
    """Move each design on a curve midway between its neighbours ahead and behind; the ends stay.

    Lloyd's cells on a curve hold few known points, and their noise leaves gaps uneven. A design without another one
    within ``APART`` typical gaps on either side is at an end, or alone on its piece. Each round goes nine tenths of the
    way: all the way, neighbours would swap their gaps for ever.
    """
    for _ in range(EVENINGS if len(x) > 1 else 0):
        distance, index, flat = solutions.neighbours(x, CROWD)
        tangent = solutions.slide(x, np.full_like(x, SHORT)) - x
        ahead = ((flat[index] - solutions.coordinates(x)[:, None]) * solutions.coordinates(tangent)[:, None]).sum(2)
        gaps = np.stack([np.where(side, distance, np.inf).min(1) for side in (ahead > 0, ahead < 0)])
        between = gaps.max(0) <= APART * np.median(distance[:, 0])
        shift = 0.45 * np.subtract(*np.where(between, gaps, 0.0))
        unit = tangent / np.maximum(np.linalg.norm(solutions.coordinates(tangent), axis=1, keepdims=True), 1e-12)
        moved, fine = solutions.land(x + shift[:, None] * unit, NEARBY)
        x = np.where(fine[:, None], moved, x)
    return x


def land_or_replace(solutions: SolutionSet, on_set: Floats, x: Floats) -> Floats:
    """Bring designs back onto the set; one that does not arrive is replaced by the nearest known solution."""
    landed, fine = solutions.land(x, NEARBY)
    if not fine.all():
        near = on_set[solutions.nearest(x[~fine], on_set)[1]]
        exact, arrived = solutions.land(near, NEARBY)
        landed[~fine] = np.where(arrived[:, None], exact, near)
    return landed


def round_or_replace(solutions: SolutionSet, on_set: Floats, x: Floats) -> Floats:
    """Round integer coordinates; a design that then solves nothing is replaced by the nearest known one that does."""
    whole, arrived = solutions.whole(x)
    if not arrived.all():
        others, fine = solutions.whole(on_set)
        if fine.any():
            whole[~arrived] = others[fine][solutions.nearest(x[~arrived], others[fine])[1]]
        else:
            whole[~arrived] = x[~arrived]
    return whole
