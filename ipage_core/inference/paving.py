"""Branch and prune: boxes that provably hold all solutions of f(x) = y*, and their largest distance from a design.

Interval Newton in its Gauss–Seidel form shrinks and excludes boxes (Moore, Kearfott and Cloud 2009, chapter 8,
doi:10.1137/1.9780898717716). Boxes are intervals (n, d). The number of boxes kept limits the memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from ipage_core.inference.enclosed import NoRule, defined_where_it_decides
from ipage_core.inference.enclosure import Enclosure
from ipage_core.inference.intervals import Interval

AT_ONCE = 8192
"""Boxes processed together, so that they fit in the processor's cache."""
MOST = 1_000_000
"""Largest number of boxes kept: about 200 MB with the results computed from them."""
LARGEST = 0.3
"""Boxes wider than this, in the domain's widths, are tested by their range alone: slope bounds are too wide."""
MOST_COORDINATES = 8
"""No paving in more dimensions, because the number of boxes doubles with each coordinate."""


class Equation:
    """The equation f(x) = y* on a box, for interval arithmetic.

    Raises:
        NoRule: f uses an operation without an interval rule; the message names it.
    """

    def __init__(self, f: Callable[[Any], Any], y_star: Tensor, bounds: Tensor) -> None:
        self.f, self.y_star, self.bounds = f, y_star.detach().double().reshape(-1), bounds.detach().double()
        self.m, self.d = len(self.y_star), self.bounds.shape[1]
        if self.d > MOST_COORDINATES:
            raise NoRule(f"no proof available: {self.d} coordinates are too many boxes; at most {MOST_COORDINATES}")
        self.width = self.bounds[1] - self.bounds[0]
        try:
            with defined_where_it_decides():
                self.misfit(Interval(*self.bounds[:, None]), gradient=True)
        except NoRule:
            raise
        except Exception as error:  # f may raise anything, because an Enclosure is not a tensor
            raise NoRule(f"no proof available: f cannot be run on boxes ({type(error).__name__}: {error})") from None

    def misfit(self, box: Interval, gradient: bool = False) -> Enclosure:
        """Enclosure of f(x) − y* over boxes (n, d): value (n, m), gradient (n, m, d)."""
        y = self.f(Enclosure.variables(box, gradient))
        if not isinstance(y, Enclosure) or y.dim() != 2:
            raise NoRule("no proof available: f does not return a matrix that depends on x")
        return y[:, : self.m] - self.y_star

    def sizes(self, box: Interval) -> Tensor:
        """(n, d) widths of boxes, in the domain's widths."""
        return (box.hi - box.lo) / self.width

    def contract(self, box: Interval) -> tuple[Interval, Tensor]:
        """Shrink boxes around their solutions. → the boxes that may hold one, and which of the n they are (n,) bool.

        No solution is lost: removed parts and boxes provably hold none.
        """
        alive = self.misfit(box).value.holds_zero().all(1)
        small = (self.sizes(box).amax(1) <= LARGEST) & alive
        if not small.any():
            return rows(box, alive), alive
        part = rows(box, small)
        lo, hi, possible = self._newton(part)
        lo_all, hi_all = box.lo.clone(), box.hi.clone()
        lo_all[small], hi_all[small] = lo, hi
        alive[small] &= possible
        return Interval(lo_all[alive], hi_all[alive]), alive

    def _newton(self, box: Interval) -> tuple[Tensor, Tensor, Tensor]:
        """One Gauss–Seidel step for m of the coordinates, with the system preconditioned to near the identity."""
        centre = box.mid()
        at_centre, slopes = self.misfit(Interval(centre)).value, self._slopes(box)
        jacobian = estimated(slopes)
        dependent = pivots(jacobian * (box.hi - box.lo)[:, None])
        inverse = inverted(torch.gather(jacobian, 2, dependent[:, None].expand(-1, self.m, -1)))
        misfit, slopes = times(inverse, at_centre), times(inverse, slopes)
        terms = slopes * (box - Interval(centre)).each(lambda t: t.unsqueeze(1))
        possible = (misfit + terms.sum(2)).holds_zero().all(1)
        lo, hi = box.lo.clone(), box.hi.clone()
        own = torch.nn.functional.one_hot(dependent, self.d).bool()  # (n, m, d)
        others = misfit + Interval(terms.lo.masked_fill(own, 0.0), terms.hi.masked_fill(own, 0.0)).sum(2)
        slope = slopes.each(lambda t: torch.gather(t, 2, dependent[..., None])[..., 0])
        new = Interval(torch.gather(centre, 1, dependent)) - others / slope
        bounded = new.lo.isfinite() & new.hi.isfinite()  # not where a slope may be 0
        a, b = torch.gather(lo, 1, dependent), torch.gather(hi, 1, dependent)
        a, b = torch.where(bounded, torch.maximum(a, new.lo), a), torch.where(bounded, torch.minimum(b, new.hi), b)
        possible &= (a <= b).all(1)
        return lo.scatter(1, dependent, a), hi.scatter(1, dependent, b), possible

    def _slopes(self, box: Interval) -> Interval:
        gradient = self.misfit(box, gradient=True).gradient
        assert gradient is not None
        return gradient

    def halves(self, box: Interval) -> Interval:
        """Cut each box (n, d) across its widest side, in the domain's widths. → (2n, d)."""
        widest = self.sizes(box).argmax(1, keepdim=True)
        middle = torch.gather(box.mid(), 1, widest)
        return Interval(
            torch.cat((box.lo, box.lo.scatter(1, widest, middle))),
            torch.cat((box.hi.scatter(1, widest, middle), box.hi)),
        )


@lru_cache(maxsize=16)
def _choices(d: int, m: int) -> Tensor:
    return torch.tensor(list(combinations(range(d), m)))


def estimated(slopes: Interval) -> Tensor:
    """A number for each slope, 0 if it has no bounds: for choices and preconditioners, which no proof needs exact."""
    return slopes.mid().nan_to_num(0.0, 0.0, 0.0)


def pivots(jacobian: Tensor) -> Tensor:
    """The m columns of each (n, m, d) with the largest determinant: the coordinates to solve for. → (n, m)."""
    _, m, d = jacobian.shape
    if m == 1:
        return jacobian[:, 0].abs().argmax(1, keepdim=True)
    choices = _choices(d, m)
    size = torch.stack([torch.linalg.det(jacobian[:, :, choice]).abs() for choice in choices], 1)
    return choices[size.argmax(1)]


def inverted(square: Tensor) -> Tensor:
    """Approximate inverse of each (n, m, m), or the identity; a preconditioner, which no proof needs to be exact."""
    inverse, _ = torch.linalg.inv_ex(square)
    fine = inverse.isfinite().all(2).all(1)
    return torch.where(fine[:, None, None], inverse, torch.eye(square.shape[1], dtype=square.dtype))


def times(matrix: Tensor, x: Interval) -> Interval:
    """A known matrix (n, m, m) times x (n, m) or (n, m, d)."""
    matrix = matrix if x.lo.dim() == 2 else matrix[..., None]
    return (Interval(matrix) * x.each(lambda t: t.unsqueeze(1))).sum(2)


def rows(box: Interval, which: Tensor) -> Interval:
    """The boxes that ``which`` selects."""
    return box.each(lambda t: t[which])


def joined(parts: list[Interval], d: int) -> Interval:
    """Concatenate boxes."""
    empty = torch.empty(0, d, dtype=torch.float64)
    return Interval(torch.cat([empty, *(p.lo for p in parts)]), torch.cat([empty, *(p.hi for p in parts)]))


@dataclass(frozen=True, eq=False)
class Paving:
    """Every solution in the domain lies in one of these boxes."""

    boxes: Interval
    """(n, d)."""
    tested: int
    seconds: float
    finished: bool
    """Whether all boxes are small enough; False if the budget ran out."""


Progress = Callable[[int, float], None]
"""Called with the number of tested boxes and the proved figure: the excluded share of the box, or the radius."""


def pave(
    equation: Equation,
    smallest: float,
    *,
    seconds: float = 60.0,
    most: int = MOST,
    progress: Progress | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Paving:
    """Boxes no wider than ``smallest`` (in the domain's widths) that hold all solutions of an equation.

    Depth first, so that few boxes wait. At the limit of time or memory, or if cancelled, waiting boxes are returned
    as they are.
    """
    began, tested, done, kept, excluded = time.perf_counter(), 0, [], 0, 0.0
    waiting = [Interval(*equation.bounds[:, None])]
    while waiting:
        if time.perf_counter() - began > seconds or kept > most or (cancel is not None and cancel()):
            break
        part = waiting.pop()
        if len(part.lo) > AT_ONCE:
            waiting += [part.each(lambda t: t[AT_ONCE:]), part.each(lambda t: t[:AT_ONCE])]
            continue
        tested += len(part.lo)
        before = float(equation.sizes(part).prod(1).sum())
        part, _ = equation.contract(part)
        excluded += before - float(equation.sizes(part).prod(1).sum())
        small = equation.sizes(part).amax(1) <= smallest * (1 + 1e-9)
        done.append(rows(part, small))
        kept += int(small.sum())
        if not small.all():
            waiting.append(equation.halves(rows(part, ~small)))
        if progress is not None:
            progress(tested, excluded)
    return Paving(joined([*done, *waiting], equation.d), tested, time.perf_counter() - began, finished=not waiting)


@dataclass(frozen=True, eq=False)
class Radius:
    """Proved: no solution in the box is farther than ``radius`` from a design."""

    radius: float
    """In the unit of distance."""
    boxes: Interval
    """(n, d) boxes that may still hold a solution farther away than the goal."""
    tested: int
    seconds: float
    empty: bool = False
    """Proved: the box holds no solution."""


def prove_radius(
    equation: Equation,
    designs: NDArray[np.float64],
    scale: NDArray[np.float64],
    *,
    goal: float = 0.0,
    coordinates: Callable[[Interval], Interval] = lambda box: box,
    seconds: float = 20.0,
    most: int = MOST,
    progress: Progress | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Radius:
    """Upper bound of the distance from a solution to its nearest design, valid whenever this stops.

    Best first: the boxes whose farthest corner is farthest from the designs are halved next, until none is beyond
    ``goal``, at the limit of time or memory, or if cancelled.

    Args:
        equation: the equation that the designs solve.
        designs: (k, d) designs; they may include equivalent images of a design.
        scale: (d,) unit of the distance along each coordinate.
        goal: radius at which to stop.
        coordinates: maps boxes of the equation's variables to boxes of designs, if they differ.
        seconds, most: limits of the time and of the number of boxes kept.
        progress: called with the number of tested boxes and the proved radius.
        cancel: returns whether to stop.
    """
    began, tested, settled = time.perf_counter(), 0, 0.0
    points = designs / scale
    tree = cKDTree(points)

    def bound(box: Interval) -> Tensor:
        """(n,) upper bound of the distance from any point of a box to its nearest design."""
        x = coordinates(box)
        lo, hi = x.lo.numpy() / scale, x.hi.numpy() / scale
        _, near = tree.query((lo + hi) / 2, k=list(range(1, min(4, len(points)) + 1)), workers=-1)
        corner = np.maximum(np.abs(points[near] - lo[:, None]), np.abs(points[near] - hi[:, None]))
        return torch.from_numpy(np.sqrt((corner**2).sum(2)).min(1) * (1 + 1e-12))

    boxes = Interval(*equation.bounds[:, None])
    bounds = bound(boxes)
    while len(bounds):
        worst = max(float(bounds.max()), settled)
        if progress is not None and tested:
            progress(tested, worst)
        stopped = time.perf_counter() - began > seconds or len(bounds) > most or (cancel is not None and cancel())
        if stopped or float(bounds.max()) <= goal:
            break
        chosen = torch.zeros(len(bounds), dtype=torch.bool)
        chosen[bounds.topk(min(AT_ONCE // 2, len(bounds))).indices] = True
        part = equation.halves(rows(boxes, chosen))
        tested += len(part.lo)
        part, _ = equation.contract(part)
        far = bound(part)
        near = far <= goal  # near enough: dropped, only the bound is kept
        settled = max(settled, float(far[near].max())) if near.any() else settled
        boxes = joined([rows(boxes, ~chosen), rows(part, ~near)], equation.d)
        bounds = torch.cat((bounds[~chosen], far[~near]))
    radius = max(float(bounds.max()) if len(bounds) else 0.0, settled)
    beyond = bounds > goal
    return Radius(
        radius, rows(boxes, beyond), tested, time.perf_counter() - began, empty=not len(bounds) and settled == 0.0
    )
