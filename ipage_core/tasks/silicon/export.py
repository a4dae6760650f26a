"""Strained silicon as files for other programs: the two atoms relaxed if DFT has run, else at the linear guess.

Each file includes id, target, strain, gap, elastic energy and pressure by the surrogate and by DFT, the residual
forces, settings and versions.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import GPa

from ipage_core.tasks.silicon import operator
from ipage_core.tasks.silicon.box import NAMES, PBE
from ipage_core.tasks.silicon.stress import BASIS_SET
from ipage_core.tasks.silicon.task import axis
from ipage_core.tasks.structures import FORMATS, file_name, program

if TYPE_CHECKING:
    import pandas as pd
    from ase import Atoms

_NAMES = {
    "sample": "sample",
    "stage": "stage",
    "target1": "target_gap_eV",
    "surrogate1": "surrogate_gap_eV",
    "low1": "surrogate_gap_low_eV",  # ends of the 90 % interval of the gap by DFT
    "high1": "surrogate_gap_high_eV",
    "rank": "rank",
    "family": "family",
}
"""Columns of solutions.csv → names in the files."""
_PREDICTED = ("surrogate_gap_eV", "surrogate_direct_gap_eV", "surrogate_elastic_energy_eV_per_atom")
BASIS = f"{BASIS_SET} GPa of the pressure, and -{BASIS_SET} of each normal stress, is an error of the basis set"
GUESSED = "not verified: second atom where a linear estimate puts it (Kleinman's parameter 0.53), not relaxed"


def structure(strain: np.ndarray, about: dict[str, Any], result: operator.Result | None) -> Atoms:
    """Two atoms in the strained cell (6,), with ``about`` and any DFT results as their ``info``."""
    if result is None or "fail" in result:
        atoms = operator.structure(strain)
        why = "" if result is None else f" (DFT failed: {result['fail']})"
        atoms.info = about | {"relaxed": False, "provenance": f"{program()}; {GUESSED}{why}; gaps: {PBE}"}
        return atoms
    atoms = operator.structure(strain, result["shift"])
    settings = json.dumps(result["provenance"], ensure_ascii=True, sort_keys=True)
    atoms.info = about | {
        "relaxed": True,
        "dft_gap_eV": result["gap"],
        "dft_direct_gap_eV": result["direct"],
        "dft_lowest_valley_axis": int(axis(result["valley"])),  # 1 to 3; 0 for Γ and L
        "dft_elastic_energy_eV_per_atom": round((result["energy"] - operator.REFERENCE_ENERGY) / 2, 6),
        "dft_pressure_GPa": result["pressure"],
        "dft_largest_force_eV_per_A": result["force"],
        "provenance": f"{program()}; {PBE}; {BASIS}; {settings}",
    }
    stress = np.array(result["stress"]) * GPa
    forces = {"forces": result["forces"]} if "forces" in result else {}
    atoms.calc = SinglePointCalculator(atoms, energy=result["energy"], stress=stress, **forces)
    return atoms


def files(frame: pd.DataFrame, form: str) -> dict[str, bytes]:
    """Rows of a ``solutions.csv`` → content by file name; ids are the column ``sample``.

    Uses cached DFT results only; computes nothing.
    """
    x = frame[[f"x{j + 1}" for j in range(6)]].to_numpy(dtype=np.float64)
    predicted = _predictions(x)
    written = {}
    for row, strain, said, result in zip(frame.to_dict("records"), x, predicted, operator.cached(x), strict=True):
        about = {
            name: value.item() if isinstance(value, np.generic) else value
            for column, name in _NAMES.items()
            if (value := row.get(column)) is not None and value == value
        }
        about |= {name: round(float(value), 6) for name, value in zip(NAMES, strain, strict=True)}
        about = {**said, **about, "unstrained_lattice_constant_A": operator.LATTICE_CONSTANT}
        atoms = structure(strain, about, result)
        written[file_name(f"si-{row['sample']}", form)] = FORMATS[form](atoms, "Si")
    return written


def _predictions(x: np.ndarray) -> list[dict[str, float]]:
    """The surrogate's predictions for strains (n, 6); empty if its model is missing."""
    from ipage_core.networks.store import ModelUnavailable
    from ipage_core.tasks.silicon.constraints import surrogate

    try:
        network = surrogate()
    except ModelUnavailable:
        return [{}] * len(x)
    with torch.no_grad():
        rows = network.properties(torch.from_numpy(x.astype(np.float32)))[:, :3].double().numpy().round(6)
    return [dict(zip(_PREDICTED, row.tolist(), strict=True)) for row in rows]
