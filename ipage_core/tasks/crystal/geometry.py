"""Geometry of a SrTiO₃ cell: bond lengths, Ti–O–Ti angles and the space group."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ipage_core.tasks.crystal.dft import SITES

SYMPREC = 1e-3
"""Tolerance on atomic positions in the symmetry search [Å]."""
TITANIUM, OXYGENS = 1, (4, 3, 2)
"""Rows of ``SITES``: titanium, and its oxygen neighbours along a, b and c."""


class Geometry(NamedTuple):
    """Bonds, angles and space group of one cell."""

    bonds: NDArray[np.float64]
    """(3,) Ti–O lengths [Å] along a, b and c: each the mean of two opposite bonds."""
    angles: NDArray[np.float64]
    """(3,) Ti–O–Ti angles [°] along a, b and c."""
    octahedron: NDArray[np.float64]
    """(3,) O–Ti–O angles [°] between neighbouring bonds, at most 90."""
    space_group: str
    """Hermann–Mauguin symbol and number, such as 'Pm-3m (221)'."""


def geometry(lattice: ArrayLike, sites: ArrayLike = SITES, symprec: float = SYMPREC) -> Geometry:
    """Bonds, angles and space group of a cell a, b, c [Å], α, β, γ [°] (6,) with its five ions at ``sites`` (5, 3).

    >>> geometry([3.95, 3.95, 3.95, 90, 90, 90]).space_group
    'Pm-3m (221)'
    """
    import spglib
    from ase.geometry import cellpar_to_cell

    cell, places = np.asarray(cellpar_to_cell(np.asarray(lattice, dtype=float))), np.asarray(sites, dtype=float)
    bonds, angles, arms = [], [], []
    for axis, oxygen in enumerate(OXYGENS):
        apart = places[oxygen] - places[TITANIUM]
        apart -= np.round(apart)
        near = apart @ cell
        far = near - np.sign(apart[axis]) * cell[axis]  # from the titanium of the neighbouring cell
        bonds.append((np.linalg.norm(near) + np.linalg.norm(far)) / 2)
        angles.append(_angle(near, far))
        arms.append(near)
    between = [_angle(arms[i], arms[j]) for i, j in ((1, 2), (0, 2), (0, 1))]
    group = spglib.get_spacegroup((cell.tolist(), places.tolist(), [38, 22, 8, 8, 8]), symprec=symprec)
    return Geometry(np.array(bonds), np.array(angles), np.minimum(between, 180 - np.array(between)), str(group))


def _angle(u: NDArray[np.float64], v: NDArray[np.float64]) -> float:
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(u, v)), u @ v)))
