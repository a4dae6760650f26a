"""Bond lengths and angles of any crystal, from the distances of its atoms alone.

Two atoms are bonded if they are at most ``NEAR`` times as far apart as one of them is from its nearest neighbour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ase import Atoms

Floats = NDArray[np.float64]
NEAR = 1.15


class Bonds(NamedTuple):
    """Every bond twice, once from each of its atoms."""

    start: NDArray[np.int64]
    """(k,) atoms from which the bonds are seen, ascending."""
    end: NDArray[np.int64]
    """(k,) atoms at their other ends."""
    vector: Floats
    """(k, 3) from the former to the latter, across the cell's faces where it is nearer [Å]."""


def bonds(atoms: Atoms) -> Bonds:
    """The bonds of a periodic crystal.

    >>> from ase.build import bulk
    >>> len(bonds(bulk("Si", "diamond", a=5.43)).start)
    8
    """
    from ase.neighborlist import neighbor_list

    reach = (atoms.get_volume() / len(atoms)) ** (1 / 3)
    while True:  # until every atom has a neighbour, and all that are NEAR times as far
        i, j, length, vector = neighbor_list("ijdD", atoms, reach)
        nearest = np.full(len(atoms), np.inf)
        np.minimum.at(nearest, i, length)
        if NEAR * nearest.max() <= reach:
            break
        reach = max(1.3 * reach, NEAR * nearest.max() if np.isfinite(nearest).all() else 0.0)
    kept = length <= NEAR * np.maximum(nearest[i], nearest[j])
    return Bonds(i[kept], j[kept], vector[kept])


def lengths(atoms: Atoms) -> dict[str, Floats]:
    """Lengths of all bonds [Å], ascending, by pair of elements such as ``O–Ti``."""
    found, symbols = bonds(atoms), atoms.get_chemical_symbols()
    every: dict[str, list[float]] = {}
    for i, j, vector in zip(*found, strict=True):
        every.setdefault("–".join(sorted((symbols[i], symbols[j]))), []).append(float(np.linalg.norm(vector)))
    return {pair: np.sort(values)[::2] for pair, values in sorted(every.items())}  # each is there twice


def angles(atoms: Atoms) -> dict[str, Floats]:
    """Angles between the bonds of an atom [°], ascending, by the elements such as ``O–Ti–O``."""
    found, symbols = bonds(atoms), atoms.get_chemical_symbols()
    every: dict[str, list[float]] = {}
    for i in range(len(atoms)):
        rows = np.flatnonzero(found.start == i)
        unit = found.vector[rows] / np.linalg.norm(found.vector[rows], axis=1)[:, None]
        cosines = np.clip(unit @ unit.T, -1, 1)
        for p, q in zip(*np.triu_indices(len(rows), 1), strict=True):
            ends = sorted(symbols[found.end[rows[k]]] for k in (p, q))
            every.setdefault(f"{ends[0]}–{symbols[i]}–{ends[1]}", []).append(
                float(np.degrees(np.arccos(cosines[p, q])))
            )
    return {name: np.sort(values) for name, values in sorted(every.items())}


def span(values: Floats, digits: int) -> str:
    """Smallest and largest of ascending values; one number if they agree in these digits.

    >>> span(np.array([1.948, 1.949, 1.982]), 3), span(np.array([109.47, 109.47]), 1)
    ('1.948 … 1.982', '109.5')
    """
    ends = [f"{values[k]:.{digits}f}" for k in (0, -1)]
    return ends[0] if ends[0] == ends[1] else " … ".join(ends)
