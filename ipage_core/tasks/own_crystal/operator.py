"""Ω of a user's own crystal: strain the cell, relax the atoms if requested, compute the properties.

A strain ε turns the cell A into A (I + ε); the sites keep their fractional coordinates. With ``relax`` the atoms then
move at fixed cell until no force exceeds ``FORCE``, starting from the strained sites and from randomly displaced ones.
The lowest final state counts; other states within ``BRANCHES`` of it are reported.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ipage_core.runtime.files import replacing
from ipage_core.tasks.own_crystal import calculators
from ipage_core.tasks.own_crystal.card import Crystal
from ipage_core.tasks.own_crystal.symmetry import NAMES, tensor

if TYPE_CHECKING:
    from ase import Atoms

Floats = NDArray[np.float64]
FORCE = 0.015
"""Largest force on an atom at rest [eV/Å]."""
STEPS = 80
"""Most steps of a relaxation; beyond them it has failed."""
KICK = 0.08
"""Standard deviation of the noise on the sites of later starts [Å]."""
BRANCHES, ALIKE = 0.020, 0.0005
"""States within the first [eV per cell] of the lowest are reported; states within the second count as equal."""
STRUCTURES = "structures"


def strained(crystal: Crystal, strain: ArrayLike) -> Atoms:
    """The reference crystal under a strain (6,); the sites keep their fractional coordinates."""
    atoms = crystal.atoms
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + tensor(strain)), scale_atoms=True)
    return atoms


def evaluate(crystal: Crystal, strain: ArrayLike, calculator: Any) -> tuple[dict[str, float], Atoms]:
    """The crystal's properties by name, and the final atoms with their results.

    Raises:
        ValueError: the relaxation did not converge, or the calculator cannot compute a requested property.
    """
    lowest, branches = _at_rest(crystal, strain, calculator)
    result = properties(crystal, lowest, strained(crystal, strain))
    lowest.info = {name: float(e) for name, e in zip(NAMES, np.asarray(strain, dtype=float), strict=True)}
    lowest.info |= {"largest_force_eV_per_A": _force(lowest), "relaxed": crystal.relax, "branches": len(branches)}
    lowest.info |= {"branches_above_meV": " ".join(f"{1e3 * above:.2f}" for above in branches)}
    lowest.info |= {f"property_{name}": value for name, value in result.items()}  # ASE has its own 'energy'
    lowest.info["provenance"] = json.dumps(
        calculators.provenance(crystal.calculator, calculator, crystal.atoms)
        | {"force": f"{FORCE} eV/A", "kicks": crystal.kicks}
    )
    return result, lowest


def _at_rest(crystal: Crystal, strain: ArrayLike, calculator: Any) -> tuple[Atoms, list[float]]:
    """The lowest state, and the energies above it [eV per cell] of the distinct states within ``BRANCHES``, from 0."""
    from ase.optimize import BFGS

    generator = np.random.default_rng(int.from_bytes(_digest(strain)[:4], "big"))
    ended: list[tuple[float, Atoms]] = []
    left = 0.0
    for kick in range(crystal.kicks):
        atoms = strained(crystal, strain)
        atoms.calc = calculator
        if kick:
            atoms.positions += generator.normal(0, KICK, (len(atoms), 3))
        if crystal.relax:
            BFGS(atoms, logfile=None).run(fmax=FORCE, steps=STEPS)
            if (left := _force(atoms)) > FORCE:
                continue
        ended.append((float(atoms.get_potential_energy()), _frozen(atoms)))
    if not ended:
        raise ValueError(f"the atoms did not come to rest in {STEPS} steps: a force of {left:.3f} eV/Å is left")
    ended.sort(key=lambda one: one[0])
    lowest, branches = ended[0][0], [0.0]
    for energy, _ in ended[1:]:
        if energy - lowest < BRANCHES and energy - lowest - branches[-1] > ALIKE:
            branches.append(energy - lowest)
    return ended[0][1], branches


def _force(atoms: Atoms) -> float:
    return float(np.linalg.norm(atoms.get_forces(), axis=1).max())


def _frozen(atoms: Atoms) -> Atoms:
    """A copy that keeps energy, forces, stress and gap when the calculator moves on to other atoms."""
    from ase.calculators.calculator import PropertyNotImplementedError
    from ase.calculators.singlepoint import SinglePointCalculator

    results: dict[str, Any] = {"energy": float(atoms.get_potential_energy()), "forces": atoms.get_forces().copy()}
    with suppress(PropertyNotImplementedError, NotImplementedError):
        results["stress"] = atoms.get_stress().copy()
    kept = atoms.copy()
    kept.calc = SinglePointCalculator(kept, **results)
    kept.info["gap"] = gap(atoms.calc)
    return kept


def gap(calculator: Any) -> float:
    """The smallest gap on the calculator's own k-points [eV], 0 for a metal; NaN if it has no eigenvalues."""
    from ase.dft.bandgap import bandgap

    if not hasattr(calculator, "get_eigenvalues"):
        return float("nan")
    try:
        return float(bandgap(calculator, output=None)[0])
    except (ValueError, NotImplementedError, TypeError):
        return float("nan")


def properties(crystal: Crystal, atoms: Atoms, carried: Atoms) -> dict[str, float]:
    """The requested properties of the final atoms; ``carried`` are the atoms at the strained sites.

    Raises:
        ValueError: the calculator does not provide one of the properties.
    """
    from ase.units import GPa

    n, stress = len(atoms), atoms.calc.results.get("stress")
    reference = 0.0 if crystal.reference_energy is None else crystal.reference_energy
    result = {
        "gap": float(atoms.info["gap"]),
        "energy": atoms.get_potential_energy() / n - reference,
        "density": float(atoms.get_masses().sum() / atoms.get_volume() * 1.66053906660),
        "volume": atoms.get_volume() / n,
    }
    moved = atoms.positions - carried.positions
    moved -= moved.mean(axis=0)  # remove the uniform translation
    result["displacement"] = float(np.sqrt((moved**2).sum(1).mean()))
    if stress is not None:
        result |= {f"s{ij}": float(s / GPa) for ij, s in zip(("11", "22", "33", "23", "13", "12"), stress, strict=True)}
        result["pressure"] = float(-stress[:3].mean() / GPa)
    for name in crystal.properties:
        if not np.isfinite(result.get(name, np.nan)):
            why = "it has no eigenvalues" if name == "gap" else "it computes no stress"
            raise ValueError(f"the calculator '{crystal.calculator}' does not say '{name}': {why}")
    return {name: float(result[name]) for name in crystal.properties}


def _digest(strain: ArrayLike) -> bytes:
    return hashlib.sha256((np.asarray(strain, dtype=np.float64) + 0.0).tobytes()).digest()


def structure_file(folder: Path, strain: ArrayLike) -> Path:
    """File of the final atoms of a strain (6,)."""
    return folder / STRUCTURES / f"{_digest(strain).hex()[:24]}.extxyz"


def keep(folder: Path, strain: ArrayLike, atoms: Atoms) -> None:
    """Write the final atoms with energy, forces, stress and provenance."""
    from ipage_core.tasks.structures import extxyz

    with replacing(structure_file(folder, strain)) as beside:
        beside.write_bytes(extxyz(atoms, atoms.get_chemical_formula()))


def kept(folder: Path, strain: ArrayLike) -> Atoms | None:
    """Read the file of :func:`keep`; None if that strain was not computed."""
    from ase.io import read

    path = structure_file(folder, strain)
    return read(path, format="extxyz") if path.exists() else None
