"""What localization moves: the design itself, or something from which it follows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Parametrization(Protocol):
    """The one seam for ties, fixed coordinates, caps and filters: localization moves u, and x = decode(u)."""

    @property
    def bounds(self) -> Tensor:
        """(2, e) limits of u."""
        ...

    @property
    def stages(self) -> Sequence[Parametrization]:
        """Easier versions with the same u, which localization goes through first; mostly none."""
        ...

    def encode(self, x: Tensor) -> Tensor:
        """(n, d) → (n, e): the u nearest to a proposed design."""
        ...

    def decode(self, u: Tensor) -> Tensor:
        """(n, e) → (n, d), differentiable."""
        ...

    def excess(self, x: Tensor) -> Tensor:
        """(n, d) → (n, r): further residuals, zero where every cap is kept; r may be 0."""
        ...


LEADS_ON = 10.0
"""An easier stage only leads on to the next: it may end so many times as far from the target as the last one."""


def staged(last: Parametrization) -> Iterator[tuple[Parametrization, float]]:
    """The stages of a parametrization and itself, with the factor by which each may miss the target."""
    yield from ((stage, LEADS_ON) for stage in last.stages)
    yield last, 1.0


@dataclass(frozen=True, eq=False)
class Identity:
    """u = x, in the task's box."""

    bounds: Tensor
    stages: tuple[()] = ()

    def encode(self, x: Tensor) -> Tensor:
        """(n, d) → (n, d)."""
        return x

    def decode(self, u: Tensor) -> Tensor:
        """(n, d) → (n, d)."""
        return u

    def excess(self, x: Tensor) -> Tensor:
        """(n, d) → (n, 0)."""
        return x.new_zeros(len(x), 0)


Cap = Callable[[Tensor], Tensor]
"""x (n, d) → (n,), differentiable, at most 0 where the cap is kept."""


@dataclass(frozen=True, eq=False)
class Tied:
    """Coordinates fixed or tied to one another: x = offset + expand·u with u the free ones. Caps may bind the rest."""

    bounds: Tensor
    """(2, e)."""
    expand: Tensor
    """(e, d) of zeros and ones: which coordinates each free one sets."""
    offset: Tensor
    """(d,) the fixed values, zero elsewhere."""
    caps: Sequence[Cap] = ()
    stages: tuple[()] = ()

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
