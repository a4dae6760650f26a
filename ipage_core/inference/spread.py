"""Designs as far apart as possible on the solution set itself: {x in the box: f(x) = y*}.

Maximin in the latent space is not maximin on the solutions: a posterior is dense where the prior is. Here designs are
placed by farthest-point sampling (Gonzalez 1985, doi:10.1016/0304-3975(85)90224-5), pushed apart along the set by Riesz
repulsion (Hardin and Saff 2004), and centred in their share of it by Lloyd's algorithm (Lloyd 1982,
doi:10.1109/TIT.1982.1056489), which comes last: repulsion alone runs to the walls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ipage_core.inference.solution_set import Floats, SolutionSet, pool

Region = Literal["box", "posterior", "off"]
REGIONS: tuple[Region, ...] = get_args(Region)
"""Over all solutions in the box, over the likely ones, or as drawn."""

LEAST_POOL, POOL = 2000, 5
"""Starts of each kind: at least so many, and so many for each design."""
PUSHES, LLOYDS = 20, 10
FEW = 200
"""Up to so many designs are picked anew from the pool after the pushes; of more the pushed ones are kept."""
CROWD = 12
"""Neighbours that push a design."""
FAST, FASTER = 8, 6
"""Localization steps for a point that is near the set already: after Lloyd's step, after a push."""


def spread(
    solutions: SolutionSet,
    n: int,
    *,
    propose: Callable[[int, int], Tensor] | None = None,
    region: Region = "box",
    seed: int = 0,
) -> Floats:
    """n designs spread over the solution set, as evenly as they come. → (n, d), or (0, d) if it cannot be found.

    Over the box, evenly by distance, and every connected piece that the pool of solutions meets gets its share. Over
    the posterior, so that likely solutions are near to a design (k-means of posterior samples).

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
    known = pool(solutions, max(LEAST_POOL, POOL * n), seed, propose, box=region == "box")
    if not len(known):
        return np.empty((0, solutions.d))
    x = known[farthest(solutions, known, n)]
    if region == "box" and solutions.dimension > 0:
        x, visited = _push(solutions, x)
        known = np.concatenate([known, *visited])
        x = known[farthest(solutions, known, n)] if n <= FEW else x
    weight = solutions.spacing(known) if region == "box" else np.ones(len(known))
    x = _lloyd(solutions, known, weight, x)
    whole, arrived = solutions.whole(x)
    return np.where(arrived[:, None], whole, x)


def farthest(solutions: SolutionSet, known: Floats, n: int) -> NDArray[np.int64]:
    """Rows of n of the points (k, d): each the farthest from those before it, the first about the middle.

    With fewer points than n some are taken more than once.
    """
    points = solutions.coordinates(known)
    squares = (points**2).sum(1)
    left = np.full(len(points), np.inf)
    picked = [int(((points - points.mean(0)) ** 2).sum(1).argmin())]
    while True:
        copies = solutions.copies(known[picked[-1:]])[0]
        for copy in copies:
            np.minimum(left, squares - 2 * (points @ copy) + copy @ copy, out=left)
        left[picked[-1]] = 0.0
        if len(picked) == min(n, len(points)):
            break
        picked.append(int(left.argmax()))
    return np.resize(np.array(picked), n)


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
        moved, fine = solutions.land(solutions.along(x, push), FASTER)
        x = np.where(fine[:, None], moved, x)
        if k % 4 == 3:
            visited.append(x)
    return x, visited


def _lloyd(solutions: SolutionSet, known: Floats, weight: Floats, x: Floats) -> Floats:
    """Each design to the mean of its share of the points, then back to the set; the best generation by ∑ weight·d²."""
    points = solutions.coordinates(known)
    best, least = x, np.inf
    for k in range(LLOYDS + 1):
        distance, own = solutions.nearest(known, x)
        error = float((weight * distance**2).sum())
        if error < least:
            best, least = x, error
        if k == LLOYDS:
            break
        if solutions.images is not None:  # a point's image on the design's side
            copies = solutions.copies(known)
            near = ((copies - solutions.coordinates(x)[own][:, None]) ** 2).sum(2).argmin(1)
            points = copies[np.arange(len(copies)), near]
        total = np.bincount(own, weight, len(x))
        sums = np.stack([np.bincount(own, weight * column, len(x)) for column in points.T], axis=1)
        mean = sums / np.maximum(total, 1e-300)[:, None] * solutions.scale
        moved, fine = solutions.land(np.where(total[:, None] > 0, mean, x), FAST)
        x = np.where(fine[:, None], moved, x)
    return best
