"""How a cell deforms under a mean stress: pulled along x, along y, or sheared."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ipage_core.tasks.cells.homogenization import displacements

Array = NDArray[np.float64]

LOADS = ("pulled along x", "pulled along y", "sheared")
"""Load cases: only the mean stress σ_xx, σ_yy or σ_xy is non-zero."""


def deformed(cell: ArrayLike, strain: float, tiles: int = 2) -> tuple[Array, Array]:
    """Positions of the pixel corners under each load, by linear elasticity, drawn at a chosen strain.

    Args:
        cell: (ny, nx) of 0 and 1.
        strain: the load's own mean strain component in the drawing: ε_xx, ε_yy or γ_xy.
        tiles: cells along x and along y.

    Returns:
        (3, tiles ny + 1, tiles nx + 1, 2) positions (x, y) in pixels, and (3, 3) mean strains (ε_xx, ε_yy, γ_xy) per
        load.
    """
    pixels = np.asarray(cell, dtype=np.float64)
    ny, nx = pixels.shape
    stiffness, u = displacements(pixels)
    compliance = np.linalg.inv(stiffness)
    strains = strain * compliance / np.diag(compliance)[:, None]
    moved = np.tensordot(strains, u[:, :ny, :nx], 1)
    y, x = np.mgrid[: tiles * ny + 1, : tiles * nx + 1]
    at = np.stack((x, y), axis=-1).astype(np.float64)
    # The next cell differs only by the mean displacement between the two cells.
    origin = np.stack((x - x % nx, y - y % ny), axis=-1).astype(np.float64)
    e = np.stack([np.array([(xx, xy / 2), (xy / 2, yy)]) for xx, yy, xy in strains])
    return at + moved[:, y % ny, x % nx] + np.einsum("kij,abj->kabi", e, origin), strains
