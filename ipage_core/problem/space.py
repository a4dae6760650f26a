"""Design spaces: the variables u that localization moves, and the design x = decode(u)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Step = Callable[..., Tensor]
"""A step that a space brings itself; it changes the samples and returns which it replaced, (n,) bool."""


class DesignSpace:
    """Ties, fixed coordinates, caps and filters: localization moves u, and x = decode(u).

    The base class is the box of ``bounds``, with u = x.
    """

    bounds: Tensor
    """(2, e) limits of u."""
    correct: Step | None = None
    """``(chain, samples, goal, evaluations, seed, replaceable)``: replaces :meth:`Chain.correct`, the default."""
    finish: Step | None = None
    """``(chain, samples, goal, seed, replaceable)``: brings designs to the exact target; None: no such step."""

    @property
    def whole(self) -> Tensor | None:
        """(e,) bool: coordinates of u that end as whole numbers; None: no coordinate."""
        return None

    @property
    def held(self) -> Tensor | None:
        """(e,) bool: those that number the levels of a category, which no descent moves; None: none does."""
        return None

    def settle(self, u: Tensor) -> Tensor:
        """(n, e) → (n, e): u with these coordinates rounded to whole numbers."""
        return u

    def exact(self, x: Tensor) -> Tensor:
        """(n, d) float32 → (n, d): equations hold to float64 round-off; unchanged if there are none."""
        return x

    @property
    def stages(self) -> Sequence[DesignSpace]:
        """Easier versions of this space with the same u, for continuation; empty by default."""
        return ()

    def encode(self, x: Tensor) -> Tensor:
        """(n, d) → (n, e): the u nearest to a proposed design."""
        return x

    def decode(self, u: Tensor) -> Tensor:
        """(n, e) → (n, d), differentiable."""
        return u

    def decode_rows(self, u: Tensor, rows: Tensor) -> Tensor:
        """Decode for the samples ``rows`` (k,), if the space holds data for each sample. (k, e) → (k, d)."""
        return self.decode(u)

    def excess(self, x: Tensor) -> Tensor:
        """(n, d) → (n, r): further residuals, zero if every cap holds; r may be 0."""
        return x.new_zeros(len(x), 0)

    def project(self, x: Tensor) -> Tensor:
        """(n, d) → (n, d): the nearest designs that are allowed."""
        return x

    def unmet(self, x: Tensor, y: Tensor) -> str:
        """Constraints that designs x (n, d) with results y of Ω (n, k) do not keep, as sentences; empty if they do.

        For spaces that only pull towards some of their constraints.
        """
        return ""


CONTINUATION = 10.0
"""Continuation stages stop at this multiple of the final tolerance."""


def staged(last: DesignSpace) -> Iterator[tuple[DesignSpace, float]]:
    """The stages of a space, then the space itself, each with its factor on the tolerance."""
    yield from ((stage, CONTINUATION) for stage in last.stages)
    yield last, 1.0


@dataclass(frozen=True, eq=False)
class Box(DesignSpace):
    """u = x, in the task's box."""

    bounds: Tensor


Cap = Callable[[Tensor], Tensor]
"""x (n, d) → (n,), differentiable, at most 0 if the cap holds."""


@dataclass(frozen=True, eq=False)
class Tied(DesignSpace):
    """Fixed or tied coordinates: x = offset + expand·u with the free coordinates u. Caps may limit x further."""

    bounds: Tensor
    """(2, e)."""
    expand: Tensor
    """(e, d) change of each coordinate with each free one: zeros and ones, or the solution of linear equations."""
    offset: Tensor
    """(d,) x at u = 0: the fixed values, or the constants of the equations, zero elsewhere."""
    caps: Sequence[Cap] = ()

    def encode(self, x: Tensor) -> Tensor:
        """(n, d) → (n, e): the mean of tied coordinates; under equations the nearest u, in box widths."""
        expand = self.expand.to(x)
        if not self._solves_equations:
            return (x @ expand.T) / expand.sum(1)
        width = (self.bounds[1] - self.bounds[0]).to(x)
        scale = expand.abs().T @ width  # (d,) range of each coordinate
        scale = torch.where(scale > 0, scale, math.inf)
        each = (expand * width[:, None] / scale).T
        return torch.linalg.lstsq(each, ((x - self.offset.to(x)) / scale).T).solution.T * width

    @property
    def _solves_equations(self) -> bool:
        ones = bool(((self.expand == 0) | (self.expand == 1)).all())
        return not (ones and bool((self.expand.sum(0) <= 1).all()))

    def exact(self, x: Tensor) -> Tensor:
        """(n, d) → (n, d) float64: the nearest designs for which the equations hold."""
        return self.decode(self.encode(x.double())) if self._solves_equations else x

    def decode(self, u: Tensor) -> Tensor:
        """(n, e) → (n, d)."""
        return u @ self.expand.to(u) + self.offset.to(u)

    def excess(self, x: Tensor) -> Tensor:
        """(n, d) → (n, number of caps)."""
        if not self.caps:
            return x.new_zeros(len(x), 0)
        return torch.stack([cap(x).clamp(min=0) for cap in self.caps], dim=1)


@dataclass(frozen=True, eq=False)
class Scaled(DesignSpace):
    """A space whose u has logarithmic coordinates and whole numbers."""

    inner: DesignSpace
    logarithmic: Tensor
    """(e,) bool."""
    whole_u: Tensor
    """(e,) bool: coordinates of u that are whole numbers."""
    whole_x: Tensor
    """(d,) bool: coordinates of x that are whole numbers."""
    held_u: Tensor
    """(e,) bool: coordinates of u that number the levels of a category; they are whole numbers, too."""

    @property
    def bounds(self) -> Tensor:  # type: ignore[override]
        """(2, e) limits of u."""
        return self._inward(self.inner.bounds)

    @property
    def whole(self) -> Tensor | None:
        """(e,) bool: see :meth:`settle`."""
        return self.whole_u if bool(self.whole_u.any()) else None

    @property
    def held(self) -> Tensor | None:
        """(e,) bool: see :class:`DesignSpace`."""
        return self.held_u if bool(self.held_u.any()) else None

    def _inward(self, v: Tensor) -> Tensor:
        logs = self.logarithmic.to(v.device)
        return torch.where(logs, torch.where(logs, v, 1.0).clamp(min=TINY).log(), v)

    def _outward(self, u: Tensor) -> Tensor:
        logs = self.logarithmic.to(u.device)
        return torch.where(logs, torch.where(logs, u, 0.0).exp(), u)

    def encode(self, x: Tensor) -> Tensor:
        """(n, d) → (n, e)."""
        return self._inward(self.inner.encode(x))

    def decode(self, u: Tensor) -> Tensor:
        """(n, e) → (n, d), differentiable."""
        return self.inner.decode(self._outward(u))

    def excess(self, x: Tensor) -> Tensor:
        """(n, d) → (n, r)."""
        return self.inner.excess(x)

    def exact(self, x: Tensor) -> Tensor:
        """(n, d) → (n, d), by the inner space; whole numbers are rounded."""
        x = self.inner.exact(x)
        return torch.where(self.whole_x.to(x.device), x.round(), x)

    def settle(self, u: Tensor) -> Tensor:
        """(n, e) → (n, e): whole-number coordinates go to the nearest whole number within their bounds."""
        v, (low, high) = self._outward(u), self.inner.bounds.to(u)
        nearest = torch.minimum(torch.maximum(v.round(), low.ceil()), high.floor())
        return torch.where(self.whole_u.to(u.device), self._inward(nearest), u)

    def project(self, x: Tensor) -> Tensor:
        """(n, d) → (n, d): whole numbers without rounding errors; the inner space projects the rest."""
        x = self.inner.project(x)
        return torch.where(self.whole_x.to(x.device), x.round(), x)


class Settled(DesignSpace):
    """A space in which n samples have their final whole numbers where ``which`` (e,) is true; only the rest moves."""

    def __init__(self, inner: DesignSpace, u: Tensor, which: Tensor) -> None:
        self.inner, self.bounds, self.u, self._which = inner, inner.bounds, inner.settle(u), which.to(u.device)

    def decode_rows(self, u: Tensor, rows: Tensor) -> Tensor:
        """(k, e) → (k, d), differentiable."""
        return self.inner.decode(torch.where(self._which, self.u[rows], u))

    def excess(self, x: Tensor) -> Tensor:
        """(n, d) → (n, r)."""
        return self.inner.excess(x)


TURNS = 64
"""Combinations of categories' levels that a sample tries at most."""
TINY = 1e-300
"""Smallest argument of a logarithm."""


def scaled(
    inner: DesignSpace, logarithmic: Tensor, whole_u: Tensor, whole_x: Tensor, held_u: Tensor | None = None
) -> DesignSpace:
    """The inner space itself if no coordinate is logarithmic or whole."""
    if not (logarithmic.any() or whole_u.any() or whole_x.any()):
        return inner
    held_u = torch.zeros_like(whole_u) if held_u is None else held_u
    return Scaled(inner, logarithmic, whole_u, whole_x, held_u)


def combinations(space: DesignSpace, n: int, seed: int) -> Tensor:
    """The levels that each of n samples tries in turn, ``TURNS`` at most. → (n, turns, coordinates that are held).

    Each combination of levels comes once, in an order of the sample's own; as their first one, samples share them
    evenly. Where there are more than ``TURNS``, they are drawn at random.
    """
    assert space.held is not None
    low, high = space.bounds[:, space.held].cpu().double()
    counts = (high.floor() - low.ceil() + 1).long()
    generator = torch.Generator().manual_seed(seed)
    if int(counts.prod()) > TURNS:
        drawn = torch.rand(n, TURNS, len(counts), dtype=torch.float64, generator=generator)
        return low.ceil() + (drawn * counts).floor()
    axes = [
        torch.arange(int(count), dtype=torch.float64) + first for count, first in zip(counts, low.ceil(), strict=True)
    ]
    grid = torch.cartesian_prod(*axes).view(-1, len(counts))
    key = torch.rand(n, len(grid), generator=generator)
    first = torch.randperm(len(grid), generator=generator)[torch.arange(n) % len(grid)]
    key[torch.arange(n), first] = -1.0
    return grid[key.argsort(1)]
