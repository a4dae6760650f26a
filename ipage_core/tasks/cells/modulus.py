"""A cell's modulus as a target reads it: y = (E_x − mean)/sd over the shipped cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

E_X_MEAN, E_X_SD = 0.3559279405366462, 0.26010294693780217
"""Of the shipped cells, in units of E_s, as the card of their file has them; written here to load without it."""


def z_score(modulus: Tensor) -> Tensor:
    """A modulus in units of E_s → y."""
    return (modulus - E_X_MEAN) / E_X_SD


def from_z_score(y: Tensor) -> Tensor:
    """y → a modulus in units of E_s."""
    return E_X_MEAN + E_X_SD * y
