"""What localization moves: the design itself, or something from which it follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


class Parametrization(Protocol):
    """The one seam for ties, fixed coordinates and filters: localization moves u, and x = decode(u)."""

    @property
    def bounds(self) -> Tensor:
        """(2, e) limits of u."""
        ...

    def encode(self, x: Tensor) -> Tensor:
        """(n, d) → (n, e): the u nearest to a proposed design."""
        ...

    def decode(self, u: Tensor) -> Tensor:
        """(n, e) → (n, d), differentiable."""
        ...


@dataclass(frozen=True, eq=False)
class Identity:
    """u = x, in the task's box."""

    bounds: Tensor

    def encode(self, x: Tensor) -> Tensor:
        """(n, d) → (n, d)."""
        return x

    def decode(self, u: Tensor) -> Tensor:
        """(n, d) → (n, d)."""
        return u
