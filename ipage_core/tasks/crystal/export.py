"""Lattices of SrTiO₃ as files for other programs: CIF, POSCAR and extended XYZ, one structure per file.

Each file includes id, target, gap and ΔE by the surrogate and by DFT, and their provenance. The ions are at the ideal
sites.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from ase import Atoms
from numpy.typing import ArrayLike, NDArray

from ipage_core.tasks.crystal.box import HELD_IONS
from ipage_core.tasks.crystal.dft import SITES, STANDARD, k_points
from ipage_core.tasks.structures import FORMATS, axes, file_name, program

if TYPE_CHECKING:
    import pandas as pd

_DFT = (
    f"DFT: GPAW, PBE, plane waves to {STANDARD.ecut:g} eV, {len(k_points())} k-points of a {STANDARD.mesh} x "
    f"{STANDARD.mesh} x {STANDARD.mesh} mesh, {STANDARD.grid} grid points per axis"
)
PROVENANCE = f"PBE gap, unrelaxed internal coordinates: {HELD_IONS.replace('–', '-')}"

# Columns of solutions.csv, ranked or not, → names in the files. ΔE is per cell of five atoms.
_NAMES = {
    "sample": "sample",
    "stage": "stage",
    "target1": "target_gap_eV",
    "surrogate1": "surrogate_gap_eV",
    "gap": "surrogate_gap_eV",  # ranked table: the ensemble mean, which gap_sd belongs to and pages show
    "gap_sd": "surrogate_gap_sd_eV",
    "low1": "surrogate_gap_low_eV",  # ends of the 90 % interval of the gap by DFT
    "high1": "surrogate_gap_high_eV",
    "energy": "surrogate_delta_e_eV",
    "y1": "dft_gap_eV",
    "direct PBE gap [eV]": "dft_direct_gap_eV",
    "ΔE [eV per cell]": "dft_delta_e_eV",
    "rank": "rank",
    "family": "family",
}


def structure(lattice: ArrayLike, about: dict[str, Any]) -> Atoms:
    """Five atoms in the cell a, b, c [Å], α, β, γ [°] (6,), with ``about`` as their ``info``.

    Raises:
        ValueError: no cell has these parameters.
    """
    return Atoms("SrTiO3", cell=axes(lattice), pbc=True, scaled_positions=SITES, info=about)


def files(frame: pd.DataFrame, form: str) -> dict[str, bytes]:
    """Rows of a ``solutions.csv``, ranked or not → content by file name; ids are the column ``sample``.

    ΔE by the surrogate and ΔE by DFT have separate names; the latter is absent where DFT has not run.
    """
    contents = {}
    if "energy" not in frame:
        frame = frame.assign(energy=_predicted_energy(frame))
    for row in frame.to_dict("records"):
        about = {
            name: value.item() if isinstance(value, np.generic) else value
            for column, name in _NAMES.items()
            if (value := row.get(column)) is not None and value == value
        }
        about["verified"] = "dft_gap_eV" in about
        about["provenance"] = f"{program()}; {PROVENANCE}{f'; {_DFT}' if about['verified'] else ''}"
        atoms = structure([row[f"x{j + 1}"] for j in range(6)], about)
        contents[file_name(f"srtio3-{row['sample']}", form)] = FORMATS[form](atoms, "SrTiO3")
    return contents


def _predicted_energy(frame: pd.DataFrame) -> NDArray[np.float64]:
    from ipage_core.inference.methods import load
    from ipage_core.networks.store import ModelUnavailable

    x = torch.tensor(frame[[f"x{j + 1}" for j in range(6)]].to_numpy(dtype=np.float32))
    try:
        surrogate: Any = load("crystal", "prior-lm").surrogate
    except ModelUnavailable:
        return np.full(len(frame), np.nan)
    with torch.no_grad():
        return surrogate.properties(x)[:, 2].double().numpy()
