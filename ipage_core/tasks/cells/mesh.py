"""Mesh of a property: one element per pixel, or extrapolated towards an infinitely fine mesh.

One square element per pixel has a median error of 0.019 E_s in E_x. The error decreases like h^p with p ≈ 1.2, because
the stress is singular at corners. From meshes of 1 and 2 elements per pixel side, Richardson's extrapolation gives

    C ≈ C₂ + (C₂ − C₁) / (2^p − 1),   1 / (2^p − 1) = 0.77

(Richardson 1911, doi:10.1098/rsta.1911.0009), with a median error of 0.001 E_s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ipage_core.tasks.cells.homogenization import homogenize, homogenize_with_gradient

Array = NDArray[np.float64]
Mesh = Literal["pixel", "converged"]
Operator = Callable[[ArrayLike], tuple[Array, Array]]
"""Density (side, side) → C (3, 3), ∂C/∂ρ (3, 3, side, side)."""
GAIN = 0.77


def refined(cells: ArrayLike, k: int) -> Array:
    """Replace every pixel by k × k pixels. (*, ny, nx) → (*, k ny, k nx)."""
    return np.asarray(cells, dtype=np.float64).repeat(k, axis=-1).repeat(k, axis=-2)


def on_pixels(density: ArrayLike) -> tuple[Array, Array]:
    """One element per pixel: C and its gradient, as :data:`Operator`."""
    return homogenize_with_gradient(np.asarray(density, dtype=np.float64))


def converged(density: ArrayLike) -> tuple[Array, Array]:
    """Extrapolated from 1 and 2 elements per pixel side: C and its gradient, as :data:`Operator`."""
    rho = np.asarray(density, dtype=np.float64)
    ny, nx = rho.shape
    c1, g1 = homogenize_with_gradient(rho)
    c2, g2 = homogenize_with_gradient(refined(rho, 2))
    g2 = g2.reshape(3, 3, ny, 2, nx, 2).sum((3, 5))
    return c2 + GAIN * (c2 - c1), g2 + GAIN * (g2 - g1)


OPERATORS: dict[Mesh, Operator] = {"pixel": on_pixels, "converged": converged}
MESHES: dict[Mesh, str] = {"pixel": "one element a pixel", "converged": "the extrapolated mesh"}
"""Each mesh in words."""


def stiffness(cells: ArrayLike, mesh: Mesh = "pixel") -> Array:
    """C on a mesh. (*, ny, nx) → (*, 3, 3) in units of E_s."""
    c1 = homogenize(cells)
    if mesh == "pixel":
        return c1
    c2 = homogenize(refined(cells, 2))
    return np.asarray(c2 + GAIN * (c2 - c1))


def confirmed(cells: ArrayLike) -> Array:
    """C on a mesh of 4 × 4 elements per pixel: slow, for spot checks. (*, ny, nx) → (*, 3, 3) in units of E_s."""
    return homogenize(refined(cells, 4))
