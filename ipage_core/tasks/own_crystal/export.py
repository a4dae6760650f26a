"""Strained crystals as files: final atoms saved by Ω, with forces and provenance; else the strained sites."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ipage_core.tasks.own_crystal import card, operator
from ipage_core.tasks.own_crystal.symmetry import NAMES
from ipage_core.tasks.structures import FORMATS, file_name, program

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = "not computed: sites as the strain carries them"


def files(folder: Path, frame: pd.DataFrame, form: str) -> dict[str, bytes]:
    """Rows of a ``solutions.csv`` → content by file name; ids are the column ``sample``."""
    crystal, written = card.read(folder), {}
    for row, strain in zip(
        frame.to_dict("records"), frame[[f"x{j + 1}" for j in range(6)]].to_numpy(dtype=np.float64), strict=True
    ):
        about: dict[str, Any] = {"sample": int(row["sample"])}
        atoms = operator.kept(folder, strain)
        if atoms is None:
            atoms = operator.strained(crystal, strain)
            about |= {name: float(e) for name, e in zip(NAMES, strain, strict=True)}
            about["provenance"] = f"{program()}; {UNKNOWN}"
        else:
            said = atoms.info.pop("provenance", {})
            about |= {**atoms.info, "provenance": f"{program()}; {said}"}
        atoms.info = about
        written[file_name(f"{crystal.name}-{row['sample']}", form)] = FORMATS[form](atoms, crystal.name)
    return written
