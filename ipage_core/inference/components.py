"""Proves the number of connected pieces of a solution set, by patches on which the set is one graph.

Every box of a paving is put into a patch P = F × D, F a range of the free coordinates and D of the dependent ones. If
Krawczyk's operator maps D into its interior for all of F at once, then above every point of F lies exactly one solution
in D: the solutions in P are the graph of a continuous function, one piece. (Moore, Kearfott and Cloud 2009, chapter 8,
doi:10.1137/1.9780898717716; for sets of solutions, Martin, Goldsztejn, Granvilliers and Jermann 2013,
doi:10.1137/120867652.)

From above: all solutions lie in patches, each patch is one piece, and two patches are one piece if they are proved to
share a solution. So there are at most as many pieces as groups of patches.

From below: all solutions lie in boxes. A cluster is a set of boxes that touch, directly or through others; clusters are
closed and apart, so no piece reaches from one into another. There are at least as many pieces as clusters that are
proved to hold a solution. Where both counts agree the number is exact.

Five possible errors, and how they are excluded:

- A box may hold no solution while its patch, which is larger, holds a solution of a neighbour. So a patch does not
  prove that its cluster has a solution. Instead, a tiny box encloses a solution, which counts for a cluster only if
  every box that the tiny box touches belongs to that cluster.
- A wall of the domain may cut a patch: its graph is one piece, but the part inside the walls may be several. So an
  exact number requires that every patch lies inside. Solutions count from below only if their tiny boxes lie inside.
- Two overlapping patches may hold different solutions. So a shared solution is proved: its tiny box lies in both.
- Krawczyk's operator proves uniqueness only if Y is regular. It is: |1 − YS| times the widths of D is less than these
  widths, so YS is regular for every matrix S of slopes.
- f may jump or end within a patch, as 1/x and √x do. Its enclosure is then infinite, and comparisons with it are false.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from torch import Tensor

from ipage_core.inference.intervals import Interval, down, up
from ipage_core.inference.paving import Equation, estimated, inverted, joined, pave, pivots, rows, times

BEYOND = 0.25
"""A patch exceeds its box by this share of the widths, so that neighbours overlap."""
ROOMY = (1.2, 1.6, 2.5)
"""Dependent ranges to try, in units of the range that the slopes require."""
NEWTON = 8
"""Newton steps to the solution above a point; they need not be exact, because a proof follows."""
TINY = 1e-9
"""Half the side of a box that encloses a single solution, in the domain's widths."""
HALVINGS = 6
"""Number of times that boxes which cannot be certified are halved across every side."""
MOST_BOXES = 20_000
"""Pieces are not counted if the paving has more boxes, because pairs of neighbours are too many."""


@dataclass(frozen=True)
class Pieces:
    """The proved number of connected pieces of the solution set within the box."""

    least: int
    """Proved lower bound of the number."""
    exact: bool
    """Whether ``least`` is the exact number."""
    why: str
    """The reason why the number is not exact; empty if it is."""
    boxes: int
    seconds: float

    def sentence(self) -> str:
        """The result as a sentence for the user; empty if there is provably no piece."""
        if self.least == 0:
            return "" if self.exact else f"The number of separate pieces is not proved: {self.why}."
        if self.exact:
            return f"Proved: exactly {self.least} separate {'piece' if self.least == 1 else 'pieces'}."
        return f"Proved: at least {self.least} separate {'piece' if self.least == 1 else 'pieces'} ({self.why})."


@dataclass(frozen=True, eq=False)
class _Patches:
    box: Interval
    """(n, d) boxes, each contained in its patch."""
    patch: Interval
    """(n, d)."""
    x: Tensor
    """(n, d) approximate solution above the middle of each patch."""
    dependent: Tensor
    """(n, m) dependent coordinates: the others determine them."""
    proved: Tensor
    """(n,) bool: the solutions in the patch are one graph over its free coordinates."""

    def some(self, which: Tensor) -> _Patches:
        """The patches selected by ``which`` (n,) bool."""
        box, patch = rows(self.box, which), rows(self.patch, which)
        return _Patches(box, patch, self.x[which], self.dependent[which], self.proved[which])


def count_pieces(
    equation: Equation,
    smallest: float = 0.02,
    *,
    seconds: float = 20.0,
    cancel: Callable[[], bool] | None = None,
) -> Pieces:
    """Number of connected pieces of {x in the box: f(x) = y*}, exactly or from below.

    Args:
        equation: f(x) = y* on the box, with fewer targets than coordinates.
        smallest: largest width of the paving's boxes, in the box's widths; thinner gaps stay undetected.
        seconds: approximate time limit.
        cancel: returns whether to stop.
    """
    began = time.perf_counter()

    def report(least: int, exact: bool, why: str, boxes: int) -> Pieces:
        return Pieces(least, exact, why, boxes, time.perf_counter() - began)

    if equation.m >= equation.d:
        return report(0, False, "as many targets as coordinates: there are points, no pieces", 0)
    paving = pave(equation, smallest, seconds=seconds, most=MOST_BOXES, cancel=cancel)
    n = len(paving.boxes.lo)
    if not n:
        return report(0, True, "", 0)
    if not paving.finished or n > MOST_BOXES:
        return report(0, False, f"more than {n} boxes are needed", n)
    certified, left = _certified(equation, paving.boxes)
    boxes = joined([certified.box, left], equation.d)
    late = f"the time for it, {seconds:g} s, ended"
    if time.perf_counter() - began > seconds:
        return report(0, False, late, n)
    _, cluster = _components(len(boxes.lo), meeting(boxes, boxes, equation))
    if time.perf_counter() - began > seconds:
        return report(0, False, late, n)
    least = len(_clusters_with_solution(equation, certified, boxes, cluster))
    if len(left.lo):
        return report(least, False, f"{len(left.lo)} boxes stay undecided", n)
    low, high = equation.bounds
    if not ((certified.patch.lo >= low) & (certified.patch.hi <= high)).all():
        return report(least, False, "it meets the walls of the box", n)
    most, _ = _components(len(boxes.lo), _sharing(equation, certified))
    if least > most:
        return report(0, False, "rounding hides which boxes touch", n)
    if least != most:
        return report(least, False, f"between {least} and {most}", n)
    return report(least, True, "", n)


def _clusters_with_solution(
    equation: Equation, patches: _Patches, boxes: Interval, cluster: NDArray[np.int32]
) -> set[int]:
    """Clusters of the boxes (n, d) that are proved to hold a solution.

    The search for a solution starts above the middle of each patch's own box.
    """
    _, tiny, proved = _solution_near(equation, patches.box.mid(), patches.dependent)
    low, high = equation.bounds
    tiny = rows(tiny, proved & (tiny.lo >= low).all(1) & (tiny.hi <= high).all(1))
    which, box = meeting(tiny, boxes, equation).numpy().T
    met = cluster[box]
    count = len(tiny.lo)
    least, most = np.full(count, len(cluster)), np.full(count, -1)
    np.minimum.at(least, which, met)
    np.maximum.at(most, which, met)
    return set(most[least == most].tolist())


def _certified(equation: Equation, boxes: Interval) -> tuple[_Patches, Interval]:
    """Patches around all boxes that can be certified, halved where necessary; and the boxes that cannot."""
    good: list[_Patches] = []
    low, high = equation.bounds
    for k in range(HALVINGS + 1):
        patches = _krawczyk(equation, boxes)
        inside = ((patches.patch.lo >= low) & (patches.patch.hi <= high)).all(1)
        fine = patches.proved & (inside | (k == HALVINGS))  # a smaller patch may not reach the wall
        good.append(patches.some(fine))
        boxes = rows(boxes, ~fine)
        if not len(boxes.lo) or k == HALVINGS or len(boxes.lo) > MOST_BOXES:
            break
        for _ in range(equation.d):
            boxes = equation.halves(boxes)
        boxes, _ = equation.contract(boxes)
    return (
        _Patches(
            joined([p.box for p in good], equation.d),
            joined([p.patch for p in good], equation.d),
            torch.cat([p.x for p in good]),
            torch.cat([p.dependent for p in good]),
            torch.cat([p.proved for p in good]),
        ),
        boxes,
    )


def _krawczyk(equation: Equation, boxes: Interval) -> _Patches:
    """A patch around each box, and whether the solutions in it are proved to be one graph."""
    low, high = equation.bounds
    d, beyond = equation.d, BEYOND * (boxes.hi - boxes.lo)
    wide = Interval(torch.maximum(boxes.lo - beyond, low), torch.minimum(boxes.hi + beyond, high))
    centre = wide.mid()
    jacobian = _jacobian(equation, centre)
    dependent = pivots(jacobian * equation.width)
    x = _newton(equation, centre, dependent)
    jacobian = _jacobian(equation, x)
    inverse = inverted(_columns(jacobian, dependent))
    is_dependent = torch.zeros(len(x), d, dtype=torch.bool).scatter(1, dependent, True)
    half = (wide.hi - wide.lo) / 2
    slope = (inverse @ jacobian).abs() * (~is_dependent)[:, None]  # of the dependent coordinates over the free ones
    more = 0.15 * (half / equation.width).amax(1, keepdim=True) + 1e-9  # in the domain's widths, as units may differ
    reach = (slope @ half[..., None])[..., 0] + more * equation.width[dependent]
    at = x.gather(1, dependent)
    hold = torch.maximum((at - boxes.lo.gather(1, dependent)).abs(), (boxes.hi.gather(1, dependent) - at).abs())
    proved = torch.zeros(len(x), dtype=torch.bool)
    lo, hi = wide.lo.clone(), wide.hi.clone()
    for roomy in ROOMY:
        radius = up(torch.maximum(roomy * reach, hold * (1 + 1e-9)))
        patch = Interval(
            wide.lo.scatter(1, dependent, down(at - radius)), wide.hi.scatter(1, dependent, up(at + radius))
        )
        whole = ((patch.lo <= boxes.lo) & (patch.hi >= boxes.hi)).all(1)
        new = maps_inside(equation, patch, x, dependent, inverse) & whole & ~proved
        lo[new], hi[new] = patch.lo[new], patch.hi[new]
        proved |= new
    return _Patches(boxes, Interval(lo, hi), x, dependent, proved)


def maps_inside(equation: Equation, patch: Interval, x: Tensor, dependent: Tensor, inverse: Tensor) -> Tensor:
    """Whether K(D) = x_D − Y(f(F, x_D) − y*) + (1 − Y ∂f/∂D)(D − x_D) lies in the interior of D. → (n,) bool.

    ∂f/∂D is enclosed over the whole patch, Y f(F, x_D) by its mean-value form over the free coordinates: Y meets the
    slopes before their ranges do, else what cancels among several properties would not.
    """
    at = x.gather(1, dependent)
    thin = Interval(patch.lo.scatter(1, dependent, at), patch.hi.scatter(1, dependent, at))
    centre = thin.mid()
    free = times(inverse, _gradient(equation, thin)) * (thin - Interval(centre)).each(lambda t: t.unsqueeze(1))
    misfit = times(inverse, equation.misfit(Interval(centre)).value) + free.sum(2)
    slopes = times(inverse, _gradient(equation, patch).each(lambda t: _columns(t, dependent)))
    eye = torch.eye(equation.m, dtype=torch.float64)
    range_lo, range_hi = patch.lo.gather(1, dependent), patch.hi.gather(1, dependent)
    away = Interval(range_lo, range_hi) - Interval(at)
    rest = (Interval(eye) - slopes) * away.each(lambda t: t.unsqueeze(1))
    image = Interval(at) - misfit + rest.sum(2)
    return ((image.lo > range_lo) & (image.hi < range_hi)).all(1)


def _gradient(equation: Equation, box: Interval) -> Interval:
    gradient = equation.misfit(box, gradient=True).gradient
    assert gradient is not None
    return gradient


def _jacobian(equation: Equation, x: Tensor) -> Tensor:
    return estimated(_gradient(equation, Interval(x)))


def _columns(matrix: Tensor, dependent: Tensor) -> Tensor:
    return matrix.gather(2, dependent[:, None].expand(-1, matrix.shape[1], -1))


def _newton(equation: Equation, x: Tensor, dependent: Tensor) -> Tensor:
    """Newton steps of the dependent coordinates of x (n, d), at most half the domain; without proof."""
    for _ in range(NEWTON):
        inverse = inverted(_columns(_jacobian(equation, x), dependent))
        misfit = equation.misfit(Interval(x)).value.mid()
        limit = 0.5 * equation.width[dependent]
        step = (inverse @ misfit[..., None])[..., 0].nan_to_num(0.0).clamp(-limit, limit)
        x = x.scatter(1, dependent, x.gather(1, dependent) - step)
    return x


def _sharing(equation: Equation, patches: _Patches) -> Tensor:
    """Pairs of patches that are proved to share a solution: (k, 2).

    The search covers their overlap, at a few values of the first patch's free coordinates. The solution is proved to
    lie in a tiny box within both patches. It is unique in each of them, so it lies on both graphs.
    """
    pairs = meeting(patches.patch, patches.patch, equation)
    a, b = pairs.T
    dependent = patches.dependent[a]
    results = []
    for share in (0.5, 0.2, 0.8):
        lo = torch.maximum(patches.patch.lo[a], patches.patch.lo[b])
        hi = torch.minimum(patches.patch.hi[a], patches.patch.hi[b])
        point = lo + share * (hi - lo)
        point = point.scatter(1, dependent, patches.x[a].gather(1, dependent))
        _, tiny, proved = _solution_near(equation, point, dependent)
        for which in (a, b):
            proved &= ((tiny.lo >= patches.patch.lo[which]) & (tiny.hi <= patches.patch.hi[which])).all(1)
        results.append(pairs[proved])
    return torch.cat(results)


def _solution_near(equation: Equation, x: Tensor, dependent: Tensor) -> tuple[Tensor, Interval, Tensor]:
    """Solutions near x (n, d), with the same free coordinates: approximate points, tiny boxes, whether each is proved.

    → (n, d), boxes (n, d), (n,) bool.
    """
    x = _newton(equation, x, dependent)
    at, tiny = x.gather(1, dependent), TINY * equation.width[dependent]
    box = Interval(x.scatter(1, dependent, at - tiny), x.scatter(1, dependent, at + tiny))
    inverse = inverted(_columns(_jacobian(equation, x), dependent))
    return x, box, maps_inside(equation, box, x, dependent, inverse)


def meeting(a: Interval, b: Interval, equation: Equation) -> Tensor:
    """Pairs of a box of ``a`` and a box of ``b`` that touch or overlap: rows (k, 2).

    Small and large boxes are searched separately: one large box would make all small ones candidates.
    """
    pairs, low = [torch.empty(0, 2, dtype=torch.int64)], equation.bounds[0]
    rounding = 1e-12 + float((equation.bounds.abs().amax(0) / equation.width).max()) * 1e-15
    for i, one in _by_size(a, equation):
        tree = cKDTree(((rows(a, i).mid() - low) / equation.width).numpy())
        for j, other in _by_size(b, equation):
            others = cKDTree(((rows(b, j).mid() - low) / equation.width).numpy())
            near = tree.sparse_distance_matrix(
                others, (one + other) * (1 + 1e-6) + rounding, p=np.inf, output_type="coo_matrix"
            )
            left, right = i[torch.from_numpy(near.row).long()], j[torch.from_numpy(near.col).long()]
            meets = ((a.lo[left] <= b.hi[right]) & (b.lo[right] <= a.hi[left])).all(1)
            pairs.append(torch.stack((left, right), 1)[meets])
    return torch.cat(pairs)


def _by_size(boxes: Interval, equation: Equation) -> list[tuple[Tensor, float]]:
    """Groups of boxes of similar size: rows and largest half side, in the domain's widths."""
    half = ((boxes.hi - boxes.lo) / equation.width).amax(1) / 2
    scale = half.clamp(min=1e-12).log2().floor()
    return [((scale == s).nonzero()[:, 0], float(half[scale == s].max())) for s in scale.unique()]


def _components(n: int, pairs: Tensor) -> tuple[int, NDArray[np.int32]]:
    a, b = pairs.numpy().T
    count, label = connected_components(coo_matrix((np.ones(len(a)), (a, b)), shape=(n, n)), directed=False)
    return int(count), label
