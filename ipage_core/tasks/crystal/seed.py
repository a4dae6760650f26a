"""Read a cell of SrTiO₃ from a structure file: CIF, POSCAR, extended XYZ and any other format of ASE."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ipage_core.tasks.crystal.box import BOUNDS, NAMES
from ipage_core.tasks.crystal.strain import ATOMS

if TYPE_CHECKING:
    from ase import Atoms

SYMMETRY_TOLERANCE = 1e-3
"""Tolerance on ion positions [Å] in the search for a smaller cell."""
NEAR = 0.15
"""Largest distance of an ion from its ideal site, in fractions of each axis: strained and polar cells fit within it."""
FORMULA = "O3SrTi"
MOST_IONS = 1000
"""Largest supercell."""


class Seed(NamedTuple):
    """Lattice and remark from a structure file."""

    x: np.ndarray
    """(6,) a, b, c [Å], α, β, γ [°]."""
    remark: str
    """A sentence on any choice or reduction; empty if there was none."""


def read(path: Path) -> Seed:
    """The lattice of the one perovskite cell in a structure file.

    The first of several CIF blocks or frames is read; a supercell is reduced to its primitive cell. The remark reports
    both.

    Raises:
        ValueError: not readable, sites shared by several elements or partly empty, not one cell of SrTiO₃, ions not
            at perovskite sites, or a lattice outside the box.
    """
    from ipage_core.tasks.structures import frames as read_frames
    from ipage_core.tasks.structures import refuse_partial

    frames = read_frames(path, MOST_IONS)
    atoms, remarks = frames[0], []
    if len(frames) > 1:
        remarks.append(f"{path.name} holds {len(frames)} structures; the first was taken.")
    refuse_partial(path, atoms)
    if len(atoms) > ATOMS and len(atoms) % ATOMS == 0:
        count, atoms = len(atoms), _primitive(atoms)
        if len(atoms) < count:
            remarks.append(f"{path.name} holds a supercell of {count} ions; its primitive cell was taken.")
    formula = atoms.get_chemical_formula()
    if formula != FORMULA:
        raise ValueError(f"{path} holds {formula}; expected one perovskite cell of five atoms, SrTiO3")
    if _distance_from_sites(atoms) > NEAR:
        raise ValueError(
            f"{path} holds SrTiO3, but not as a perovskite; accepted: Ti in the middle, Sr at the corners and O in the "
            "middle of the faces, or near there"
        )
    x = atoms.cell.cellpar()
    if ((x < BOUNDS[0]) | (x > BOUNDS[1])).any():
        box = ", ".join(
            f"{name} {low:.4g} to {high:.4g}" for name, (low, high) in zip(NAMES, BOUNDS.T.tolist(), strict=True)
        )
        here = ", ".join(f"{value:.4g}" for value in x.tolist())
        raise ValueError(f"{path} has the lattice {here}, which is outside the box: {box}")
    return Seed(x, " ".join(remarks))


def _primitive(atoms: Atoms) -> Atoms:
    import spglib
    from ase import Atoms as Structure

    given = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    results = spglib.find_primitive(given, symprec=SYMMETRY_TOLERANCE)
    if results is None:
        return atoms
    lattice, positions, numbers = results
    return Structure(numbers, cell=lattice, scaled_positions=positions, pbc=True)


def _distance_from_sites(atoms: Atoms) -> float:
    """Largest distance of an ion from its ideal site relative to Ti, in fractions of an axis."""
    positions: dict[str, list[Any]] = {symbol: [] for symbol in ("Sr", "Ti", "O")}
    for symbol, place in zip(atoms.get_chemical_symbols(), atoms.get_scaled_positions(), strict=True):
        positions[symbol].append(place)
    (titanium,), (strontium,), oxygen = positions["Ti"], positions["Sr"], np.array(positions["O"])

    def away(there: np.ndarray, site: np.ndarray) -> float:
        offset = there - site
        return float(np.abs(offset - np.round(offset)).max())

    faces = titanium + 0.5 * np.eye(3)
    each = [min(away(ion, face) for ion in oxygen) for face in faces]
    nearest = {int(np.argmin([away(ion, face) for ion in oxygen])) for face in faces}
    if len(nearest) < 3:  # two faces share an ion
        return np.inf
    return max(*each, away(strontium, titanium + 0.5))
