"""Strain of a SrTiO₃ cell against the cubic cell, and lattice constants of substrates for films."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ipage_core.runtime.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

CUBIC_LENGTH, CUBIC_ENERGY = 3.9498, -39.38367
"""The cubic crystal of lowest energy [Å, eV per cell] by ``dft.py``: parabola through a = 3.925, 3.95, 3.975 Å.

This is PBE's lattice constant; experiment has 3.905 Å. ΔE, strain and volume change of a cell refer to this crystal.
"""

STRAIN_UNIT = np.array([CUBIC_LENGTH] * 3 + [math.degrees(math.sqrt(2))] * 3)
"""Unit of each parameter: distances of lattices over it are the Frobenius norm of their strain, to first order.

Lengths over the cubic length; angles in radians over √2, since each shear strain is half its angle and counts twice.
"""

FILM_STRAIN = 0.066
"""Largest biaxial strain of a grown perovskite film: BiFeO3 on YAlO3; 3 % are common.

D. G. Schlom et al., MRS Bulletin 39, 118 (2014), doi:10.1557/mrs.2014.1.
"""
FILM_ENERGY = 0.144
"""ΔE [eV per atom] of SrTiO₃ at this compression in a and b, c free, by the surrogate. No grown film exceeds it."""
ATOMS = 5
"""Atoms per cell."""

SUBSTRATES: dict[str, float] = {
    "LaAlO3": 3.790,
    "NdGaO3": 3.863,
    "LSAT": 3.868,
    "SrTiO3": 3.905,
    "DyScO3": 3.944,
    "GdScO3": 3.968,
    "SmScO3": 3.987,
    "KTaO3": 3.989,
    "NdScO3": 4.008,
}
"""In-plane lattice constant [Å] at room temperature, pseudocubic where the substrate is not cubic.

D. G. Schlom et al., Annu. Rev. Mater. Res. 37, 589 (2007), doi:10.1146/annurev.matsci.37.061206.113016; MRS Bulletin
39, 118 (2014), doi:10.1557/mrs.2014.1. Orthorhombic substrates (NdGaO3, the scandates) have a rectangular surface cell
whose sides differ by less than 0.3 %; the table holds the mean.
"""


def metric(x: Tensor) -> Tensor:
    """Metric tensor [Å²]: scalar products of the cell's axes, differentiable. (n, 6) → (n, 3, 3)."""
    a, b, c = x[:, :3].unbind(1)
    u, v, w = torch.cos(torch.deg2rad(x[:, 3:])).unbind(1)
    rows = (a * a, a * b * w, a * c * v, a * b * w, b * b, b * c * u, a * c * v, b * c * u, c * c)
    return torch.stack(rows, dim=1).view(-1, 3, 3)


def volume_change(x: Tensor) -> Tensor:
    """Relative change of volume, V/V₀ − 1. (n, 6) → (n,)."""
    return torch.linalg.det(metric(x)).clamp(min=0).sqrt() / CUBIC_LENGTH**3 - 1


def tensor(x: Tensor) -> Tensor:
    """Biot strain along the cubic cell's axes: the square root of the metric over a₀², less one. (n, 6) → (n, 3, 3).

    >>> import torch
    >>> a, b = 1.01 * CUBIC_LENGTH, 0.98 * CUBIC_LENGTH
    >>> cell = torch.tensor([[a, b, b, 90, 90, 90]], dtype=torch.float64)
    >>> tensor(cell).diagonal(0, 1, 2).numpy().round(4).tolist()
    [[0.01, -0.02, -0.02]]
    """
    squares, axes = torch.linalg.eigh(metric(x) / CUBIC_LENGTH**2)
    return axes @ torch.diag_embed(squares.clamp(min=0).sqrt() - 1) @ axes.mT


def largest_strain(x: Tensor) -> Tensor:
    """Largest |principal strain|, the maximum over all directions in the crystal. (n, 6) → (n,).

    Stretches are the square roots of the eigenvalues of the metric over a₀² (polar decomposition, Biot strain).
    """
    stretches = torch.linalg.eigvalsh(metric(x) / CUBIC_LENGTH**2).clamp(min=0).sqrt()
    return (stretches - 1).abs().amax(1)
