"""A cell's modulus as a target reads it: y = (E_x − mean)/sd over the shipped cells."""

from __future__ import annotations

from torch import Tensor

from ipage_core.tasks.cells.dataset import read_card

E_X_MEAN, E_X_SD = (float(read_card()[key]) for key in ("e_x_mean", "e_x_sd"))
"""Of the shipped cells, in units of E_s."""


def z_score(modulus: Tensor) -> Tensor:
    """A modulus in units of E_s → y."""
    return (modulus - E_X_MEAN) / E_X_SD


def from_z_score(y: Tensor) -> Tensor:
    """y → a modulus in units of E_s."""
    return E_X_MEAN + E_X_SD * y
