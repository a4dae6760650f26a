"""Parametrization of a pixel cell for localization: a field, blurred and then sharpened so that cells stay crisp."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ipage_core.problem.space import DesignSpace, Step
from ipage_core.tasks.cells.topology import admissible

RADIUS = 1.8
"""Radius of the density filter in pixels: a wall one pixel thick survives it, a lone pixel does not."""
SHARPNESS = (8.0, 32.0)
"""β of the successive stages: small at first so that edges move far, large at the end for nearly binary ρ."""

Row = Callable[[Tensor], Tensor]
"""Densities (n, 1024) → (n,): an additional residual, zero if a constraint holds."""


@lru_cache(maxsize=4)
def cone(radius: float = RADIUS) -> Tensor:
    """Weights max(0, radius − distance), normalized (Bourdin 2001, doi:10.1002/nme.116). → (1, 1, k, k)."""
    reach = torch.arange(-int(radius), int(radius) + 1, dtype=torch.float64)
    weights = (radius - torch.hypot(reach[:, None], reach)).clamp(min=0)
    return (weights / weights.sum())[None, None]


def blur(field: Tensor) -> Tensor:
    """The density filter on the torus. (n, side²) → (n, side²)."""
    weights = cone().to(field)
    side, reach = round(field.shape[1] ** 0.5), int(RADIUS)
    image = F.pad(field.reshape(-1, 1, side, side), (reach,) * 4, mode="circular")
    return F.conv2d(image, weights).reshape(field.shape)


def sharpen(field: Tensor, beta: float | Tensor) -> Tensor:
    """Smoothed step at 1/2 that keeps 0 and 1 (Wang, Lazarov and Sigmund 2011, doi:10.1007/s00158-010-0602-y)."""
    half = torch.tanh(torch.as_tensor(beta, dtype=field.dtype, device=field.device) / 2)
    return 0.5 * (1 + torch.tanh(beta * (field - 0.5)) / half)


class Aim(NamedTuple):
    """A constraint that localization pulls towards, but that a clean cell may miss."""

    said: str
    of: Callable[[Tensor, Tensor], Tensor]
    """Cells (n, 1024) and Ω's results (n, k) → what it limits (n,), NaN where Ω has not run."""
    low: float
    high: float

    def sentence(self, x: Tensor, y: Tensor) -> str:
        """How many cells miss it, and by what; empty if none does."""
        value = self.of(x.double(), y)
        off = torch.maximum(self.low - value, value - self.high).nan_to_num(nan=-math.inf)
        missed = int((off > 1e-9).sum())
        if not missed:
            return ""
        return f"{missed} of {len(x)} cells miss {self.said}; the farthest has {float(value[off.argmax()]):.3g}."


@dataclass(frozen=True, eq=False)
class Filtered(DesignSpace):
    """u (n, 1024) in the unit box → x = sharpen(blur(u)), symmetric and masked if requested."""

    bounds: Tensor
    beta: float = SHARPNESS[-1]
    orbits: Tensor | None = None
    """(1024,) orbit of each pixel under the symmetry, numbered by its lowest pixel index."""
    solid: Tensor | None = None
    """(1024,) bool: kept solid."""
    void: Tensor | None = None
    """(1024,) bool: kept void."""
    rows: tuple[Row, ...] = ()
    aims: tuple[Aim, ...] = ()
    """What the rows pull towards."""
    correct: Step | None = None
    finish: Step | None = None

    @property
    def stages(self) -> tuple[Filtered, ...]:
        """The same map with smaller β, stage by stage."""
        return tuple(replace(self, beta=beta) for beta in SHARPNESS if beta < self.beta)

    @property
    def frozen(self) -> Tensor:
        """(1024,) bool: pixels that must not change."""
        none = torch.zeros(self.bounds.shape[1], dtype=torch.bool)
        return (none if self.solid is None else self.solid) | (none if self.void is None else self.void)

    def encode(self, x: Tensor) -> Tensor:
        """(n, 1024) → (n, 1024)."""
        return self._symmetric(x.clamp(0, 1))

    def decode(self, u: Tensor) -> Tensor:
        """(n, 1024) → (n, 1024)."""
        x = sharpen(blur(self._symmetric(u)), self.beta)
        if self.solid is not None:
            x = torch.where(self.solid.to(x.device), 1.0, x)
        return x if self.void is None else torch.where(self.void.to(x.device), 0.0, x)

    def excess(self, x: Tensor) -> Tensor:
        """(n, 1024) → (n, number of rows)."""
        return torch.stack([row(x) for row in self.rows], dim=1) if self.rows else x.new_zeros(len(x), 0)

    def unmet(self, x: Tensor, y: Tensor) -> str:
        """See :meth:`DesignSpace.unmet`."""
        return " ".join(said for aim in self.aims if (said := aim.sentence(x, y)))

    def project(self, x: Tensor) -> Tensor:
        """The nearest admissible cells: see :func:`ipage_core.tasks.cells.topology.admissible`.

        (n, 1024) → (n, 1024).
        """
        side = round(x.shape[1] ** 0.5)
        orbits = self.orbits_or_pixels().reshape(side, side)
        frozen = self.frozen.numpy().reshape(side, side)
        grey = x.detach().cpu().double().reshape(-1, side, side).numpy()
        cells = [admissible(cell, orbits, frozen) for cell in grey]
        return torch.from_numpy(np.array(cells, dtype=np.float64).reshape(x.shape)).to(x)

    def orbits_or_pixels(self) -> NDArray[np.intp]:
        """(1024,) ``orbits``, or each pixel's own index if there are none."""
        return np.arange(self.bounds.shape[1]) if self.orbits is None else self.orbits.numpy()

    def _symmetric(self, u: Tensor) -> Tensor:
        if self.orbits is None:
            return u
        orbits = self.orbits.to(u.device)
        total = torch.zeros_like(u).index_add(1, orbits, u)
        size = torch.bincount(orbits, minlength=u.shape[1]).clamp(min=1).to(u)
        return (total / size)[:, orbits]
