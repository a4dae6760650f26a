"""What localization moves: the design itself, or something from which it follows."""

from __future__ import annotations

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
    def stages(self) -> Sequence[DesignSpace]:
        """Easier versions with the same u, which localization goes through first; mostly none."""
        return ()

    def encode(self, x: Tensor) -> Tensor:
        """(n, d) → (n, e): the u nearest to a proposed design."""
        return x

    def decode(self, u: Tensor) -> Tensor:
        """(n, e) → (n, d), differentiable."""
        return u

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
    """(e, d) of zeros and ones: which coordinates each free one sets."""
    offset: Tensor
    """(d,) the fixed values, zero elsewhere."""
    caps: Sequence[Cap] = ()

    def encode(self, x: Tensor) -> Tensor:
        """(n, d) → (n, e): the mean of the coordinates that are tied together."""
        expand = self.expand.to(x)
        return (x @ expand.T) / expand.sum(1)

    def decode(self, u: Tensor) -> Tensor:
        """(n, e) → (n, d)."""
        return u @ self.expand.to(u) + self.offset.to(u)

    def excess(self, x: Tensor) -> Tensor:
        """(n, d) → (n, number of caps)."""
        if not self.caps:
            return x.new_zeros(len(x), 0)
        return torch.stack([cap(x).clamp(min=0) for cap in self.caps], dim=1)
