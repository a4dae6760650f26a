"""The z-score of a cell's modulus: y = (E_x − mean)/sd over the shipped cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

E_X_MEAN, E_X_SD = 0.3559279405366462, 0.26010294693780217
"""Mean and SD over the shipped cells, in units of E_s, as in their card; constants here save loading the file."""


def z_score(modulus: Tensor) -> Tensor:
    """A modulus in units of E_s → y."""
    return (modulus - E_X_MEAN) / E_X_SD


def from_z_score(y: Tensor) -> Tensor:
    """y → a modulus in units of E_s."""
    return E_X_MEAN + E_X_SD * y
