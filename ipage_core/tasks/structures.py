"""Crystal structures as files for other programs: CIF, POSCAR and extended XYZ, one structure per file.

The files include the metadata in ``atoms.info``. Every writer returns the file's bytes.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from ase import Atoms
from ase.geometry import cellpar_to_cell
from ase.io import write
from numpy.typing import ArrayLike, NDArray


def axes(lattice: ArrayLike) -> NDArray[np.float64]:
    """The axes of a cell a, b, c [Å], α, β, γ [°]. (6,) → (3, 3).

    Raises:
        ValueError: no cell has these parameters.
    """
    x = np.asarray(lattice, dtype=np.float64)
    if x.shape != (6,) or not np.isfinite(x).all() or (x <= 0).any():
        raise ValueError(f"Expected a, b, c > 0 [Å] and α, β, γ [°], got {x.tolist()}")
    cosines = np.cos(np.radians(x[3:]))
    # The square of the volume over abc: ASE asserts that it is not negative.
    if (x[3:] >= 180).any() or 1 + 2 * cosines.prod() - (cosines**2).sum() <= 1e-12:
        raise ValueError(f"No cell has the angles {x[3:].tolist()}: its volume would not be positive")
    return np.asarray(cellpar_to_cell(x))


def cif(atoms: Atoms, name: str) -> bytes:
    """CIF in P1, lattice parameters to 10 digits, metadata as comments.

    A calculator's total energy and forces are data items of this program's own, which other programs ignore.
    """
    a = atoms.cell.cellpar()
    names = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    counts = sorted(Counter(atoms.get_chemical_symbols()).items())
    formula = " ".join(symbol + (str(count) if count > 1 else "") for symbol, count in counts)
    lines = [f"# {key}: {value}" for key, value in atoms.info.items()]
    lines += [f"data_{name}_{atoms.info.get('sample', 0)}", f"_chemical_formula_sum   '{formula}'"]
    lines += [f"_cell_{name}   {value:.10f}" for name, value in zip(names, a, strict=True)]
    lines += ["_space_group_name_H-M_alt   'P 1'", "_space_group_IT_number   1", ""]
    lines += ["loop_", "  _space_group_symop_operation_xyz", "  'x, y, z'", "", "loop_"]
    lines += [f"  _atom_site_{tag}" for tag in ("type_symbol", "label", "fract_x", "fract_y", "fract_z", "occupancy")]
    sites = atoms.get_scaled_positions(wrap=False) + 0.0  # no −0
    for i, (symbol, site) in enumerate(zip(atoms.get_chemical_symbols(), sites, strict=True)):
        lines.append(f"  {symbol}  {symbol}{i + 1}  {site[0]:.6f}  {site[1]:.6f}  {site[2]:.6f}  1.0")
    results = getattr(atoms.calc, "results", {})
    if "energy" in results:
        lines += ["", f"_ipage_total_energy_eV   {results['energy']:.6f}"]
    if "forces" in results:
        lines += ["", "# Cartesian, a along x, b in the plane of x and y", "loop_", "  _ipage_force_atom_site_label"]
        lines += [f"  _ipage_force_{axis}_eV_per_A" for axis in "xyz"]
        turned = results["forces"] @ np.linalg.solve(atoms.cell.array, axes(a)) + 0.0
        for i, (symbol, force) in enumerate(zip(atoms.get_chemical_symbols(), turned, strict=True)):
            lines.append(f"  {symbol}{i + 1}  {force[0]:.5f}  {force[1]:.5f}  {force[2]:.5f}")
    return ("\n".join(lines) + "\n").encode()


def poscar(atoms: Atoms, name: str) -> bytes:
    """VASP's format with fractional coordinates; the first line holds the metadata."""
    file = io.StringIO()
    write(file, atoms, format="vasp", direct=True, vasp5=True)
    about = name + "  " + "  ".join(f"{key}={value}" for key, value in atoms.info.items())
    return (about + "\n" + file.getvalue().split("\n", 1)[1]).encode()


def extxyz(atoms: Atoms, name: str) -> bytes:
    """Extended XYZ; metadata as key=value pairs, which ASE reads back as ``info``.

    It includes the energy, forces and stress of a calculator.
    """
    file = io.StringIO()
    write(file, atoms, format="extxyz")
    return file.getvalue().encode()


FORMATS: dict[str, Callable[[Atoms, str], bytes]] = {"cif": cif, "poscar": poscar, "extxyz": extxyz}


def file_name(stem: str, form: str) -> str:
    """File name for a stem and a format.

    >>> file_name("si-3", "poscar")
    'si-3.vasp'
    """
    return f"{stem}.{ {'poscar': 'vasp'}.get(form, form) }"


def program() -> str:
    """Name and version of this program."""
    try:
        return f"iPage Explorer {version('ipage-explorer')}"
    except PackageNotFoundError:
        return "iPage Explorer 0.1.0"
