"""What localization moves: the design itself, or something from which it follows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Step = Callable[..., Tensor]
"""A step of the engine that a space brings itself; it changes the samples and says which it replaced, (n,) bool."""


class DesignSpace:
    """The one seam for ties, fixed coordinates, caps and filters: localization moves u, and x = decode(u).

    By itself it is the box of ``bounds``, with u = x.
    """

    bounds: Tensor
    """(2, e) limits of u."""
    correct: Step | None = None
    """``(chain, samples, goal, evaluations, seed, replaceable)``: instead of :meth:`Chain.correct`, which is usual."""
    finish: Step | None = None
    """``(chain, samples, goal, seed, replaceable)``: brings projected designs to the exact target; None: no way to."""

    @property
    def whole(self) -> Tensor | None:
        """(e,) bool: coordinates of u that are whole numbers in the end; None: none is."""
        return None

    def settle(self, u: Tensor) -> Tensor:
        """(n, e) → (n, e): with the nearest whole numbers in the place of these."""
        return u

    def exact(self, x: Tensor) -> Tensor:
        """(n, d) float32 → (n, d) in which equations hold to round-off of float64; the same where there are none."""
        return x

    @property
    def stages(self) -> Sequence[DesignSpace]:
        """Easier versions with the same u, which localization goes through first; mostly none."""
        return ()

    def encode(self, x: Tensor) -> Tensor:
        """(n, d) → (n, e): the u nearest to a proposed design."""
        return x

    def decode(self, u: Tensor) -> Tensor:
        """(n, e) → (n, d), differentiable."""
        return u

    def decode_rows(self, u: Tensor, rows: Tensor) -> Tensor:
        """The same for the samples ``rows`` (k,), where a space knows more of each. (k, e) → (k, d)."""
        return self.decode(u)

    def excess(self, x: Tensor) -> Tensor:
        """(n, d) → (n, r): further residuals, zero where every cap is kept; r may be 0."""
        return x.new_zeros(len(x), 0)

    def project(self, x: Tensor) -> Tensor:
        """(n, d) → (n, d): the nearest admissible designs."""
        return x


LEADS_ON = 10.0
"""An easier stage only leads on to the next: it may end so many times as far from the target as the last one."""


def staged(last: DesignSpace) -> Iterator[tuple[DesignSpace, float]]:
    """The stages of a space and itself, with the factor by which each may miss the target."""
    yield from ((stage, LEADS_ON) for stage in last.stages)
    yield last, 1.0


@dataclass(frozen=True, eq=False)
class Box(DesignSpace):
    """u = x, in the task's box."""

    bounds: Tensor


Cap = Callable[[Tensor], Tensor]
"""x (n, d) → (n,), differentiable, at most 0 where the cap is kept."""


@dataclass(frozen=True, eq=False)
class Tied(DesignSpace):
    """Coordinates fixed or tied to one another: x = offset + expand·u with u the free ones. Caps may bind the rest."""

    bounds: Tensor
    """(2, e)."""
    expand: Tensor
    """(e, d) how far each free one moves each coordinate: zeros and ones, or what linear equations leave."""
    offset: Tensor
    """(d,) where u = 0: the fixed values, zero elsewhere, or what equations say."""
    caps: Sequence[Cap] = ()

    def encode(self, x: Tensor) -> Tensor:
        """(n, d) → (n, e): the mean of coordinates that are tied together; under equations the nearest, by widths."""
        expand = self.expand.to(x)
        if not self._solves_equations:
            return (x @ expand.T) / expand.sum(1)
        width = (self.bounds[1] - self.bounds[0]).to(x)
        scale = expand.abs().T @ width  # (d,) what the free ones can move each coordinate by
        scale = torch.where(scale > 0, scale, math.inf)
        each = (expand * width[:, None] / scale).T
        return torch.linalg.lstsq(each, ((x - self.offset.to(x)) / scale).T).solution.T * width

    @property
    def _solves_equations(self) -> bool:
        ones = bool(((self.expand == 0) | (self.expand == 1)).all())
        return not (ones and bool((self.expand.sum(0) <= 1).all()))

    def exact(self, x: Tensor) -> Tensor:
        """(n, d) → (n, d) float64: the nearest on which the equations hold."""
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
    """Another space whose u is moved on a logarithmic scale in some places, and settles on whole numbers in some."""

    inner: DesignSpace
    logarithmic: Tensor
    """(e,) bool."""
    whole_u: Tensor
    """(e,) bool: where u is a whole number."""
    whole_x: Tensor
    """(d,) bool: where x is."""

    @property
    def bounds(self) -> Tensor:  # type: ignore[override]
        """(2, e) limits of u."""
        return self._inward(self.inner.bounds)

    @property
    def whole(self) -> Tensor | None:
        """(e,) bool: see :meth:`settle`."""
        return self.whole_u if bool(self.whole_u.any()) else None

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
        """(n, d) → (n, d): as the inner space has it."""
        return self.inner.exact(x)

    def settle(self, u: Tensor) -> Tensor:
        """(n, e) → (n, e): what is whole at the nearest whole number within its bounds, the rest as it is."""
        v, (low, high) = self._outward(u), self.inner.bounds.to(u)
        nearest = torch.minimum(torch.maximum(v.round(), low.ceil()), high.floor())
        return torch.where(self.whole_u.to(u.device), self._inward(nearest), u)

    def project(self, x: Tensor) -> Tensor:
        """(n, d) → (n, d): whole numbers lose what rounding left of them; the rest is the inner space's."""
        x = self.inner.project(x)
        return torch.where(self.whole_x.to(x.device), x.round(), x)


class Settled(DesignSpace):
    """A space in which n samples have settled on whole numbers: only the rest of u moves."""

    def __init__(self, inner: DesignSpace, u: Tensor) -> None:
        assert inner.whole is not None
        self.inner, self.bounds, self.u = inner, inner.bounds, inner.settle(u)
        self._whole = inner.whole.to(u.device)

    def decode_rows(self, u: Tensor, rows: Tensor) -> Tensor:
        """(k, e) → (k, d), differentiable."""
        return self.inner.decode(torch.where(self._whole, self.u[rows], u))

    def excess(self, x: Tensor) -> Tensor:
        """(n, d) → (n, r)."""
        return self.inner.excess(x)


TINY = 1e-300
"""Least number that a logarithm is taken of."""


def scaled(inner: DesignSpace, logarithmic: Tensor, whole_u: Tensor, whole_x: Tensor) -> DesignSpace:
    """The space itself where nothing is logarithmic or whole: built-in tasks have neither."""
    if not (logarithmic.any() or whole_u.any() or whole_x.any()):
        return inner
    return Scaled(inner, logarithmic, whole_u, whole_x)
