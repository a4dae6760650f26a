"""What localization moves in a pixel cell: a field that is blurred and then sharpened, so that cells stay crisp."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

RADIUS = 1.8
"""Of the density filter, in pixels: a wall one pixel thick survives it, a lone pixel does not."""
SHARPNESS = (8.0, 32.0)
"""β of the successive stages: soft enough at first for an edge to move, all but black and white at last."""


@lru_cache(maxsize=4)
def cone(radius: float = RADIUS) -> Tensor:
    """Weights max(0, radius − distance), normalized (Bourdin 2001, doi:10.1002/nme.116). → (1, 1, k, k)."""
    reach = torch.arange(-int(radius), int(radius) + 1, dtype=torch.float64)
    weights = (radius - torch.hypot(reach[:, None], reach)).clamp(min=0)
    return (weights / weights.sum())[None, None]


def blur(field: Tensor) -> Tensor:
    """The density filter on the torus. (n, side²) → (n, side²)."""
    weights = cone().to(field)
    side, reach = round(field.shape[1] ** 0.5), weights.shape[-1] // 2
    image = F.pad(field.reshape(-1, 1, side, side), (reach,) * 4, mode="circular")
    return F.conv2d(image, weights).reshape(field.shape)


def sharpen(field: Tensor, beta: float | Tensor) -> Tensor:
    """Smoothed step at 1/2 that keeps 0 and 1 (Wang, Lazarov and Sigmund 2011, doi:10.1007/s00158-010-0602-y)."""
    half = torch.tanh(torch.as_tensor(beta, dtype=field.dtype, device=field.device) / 2)
    return 0.5 * (1 + torch.tanh(beta * (field - 0.5)) / half)


@dataclass(frozen=True, eq=False)
class Filtered:
    """u (n, 1024) in the unit box → x = sharpen(blur(u))."""

    bounds: Tensor
    beta: float = SHARPNESS[-1]
    stages: tuple[Filtered, ...] = field(default=())
    """The same map, softer: localization goes through them first."""

    def encode(self, x: Tensor) -> Tensor:
        """(n, 1024) → (n, 1024)."""
        return x.clamp(0, 1)

    def decode(self, u: Tensor) -> Tensor:
        """(n, 1024) → (n, 1024)."""
        return sharpen(blur(u), self.beta)


def filtered(bounds: Tensor) -> Filtered:
    """The parametrization of pixel cells, with its stages."""
    return Filtered(bounds, SHARPNESS[-1], tuple(Filtered(bounds, beta) for beta in SHARPNESS[:-1]))
