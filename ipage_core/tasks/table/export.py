"""Structure files of own data that contain only a lattice: a CIF without atoms, and formats with a placeholder X."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.io import write

from ipage_core.tasks.structures import axes

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("cif", "poscar", "extxyz")
NOTE = "lattice only: the data say nothing of atoms; not verified"


def files(frame: pd.DataFrame, form: str, columns: Sequence[str], name: str) -> dict[str, bytes]:
    """Final rows of a ``solutions.csv`` → content by file name.

    Args:
        frame: with the column ``sample``.
        form: one of ``FORMATS``.
        columns: the columns of a, b, c [Å], α, β, γ [°], in this order.
        name: of the task, for file names.

    Raises:
        ValueError: unknown format, or no cell has these parameters.
    """
    if form not in FORMATS:
        raise ValueError(f"format '{form}' is not known for lattices of own data; accepted: {', '.join(FORMATS)}")
    results = {}
    for row in frame.to_dict("records"):
        x = [float(row[column]) for column in columns]
        about = f"{name} sample {row['sample']}; {NOTE}"
        try:
            cell = axes(x)
        except ValueError as error:
            raise ValueError(f"Sample {row['sample']}: {error}") from None
        suffix = {"poscar": "vasp"}.get(form, form)
        results[f"{name}-{row['sample']}.{suffix}"] = (
            _cif(x, about) if form == "cif" else _with_placeholder(cell, form, about)
        )
    return results


def _cif(x: list[float], about: str) -> bytes:
    names = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    lines = [f"# {about}", "data_lattice", *(f"_cell_{n}   {v:.10f}" for n, v in zip(names, x, strict=True))]
    return ("\n".join([*lines, "_space_group_name_H-M_alt   'P 1'", "_space_group_IT_number   1"]) + "\n").encode()


def _with_placeholder(cell: np.ndarray, form: str, about: str) -> bytes:
    atoms, file = Atoms("X", cell=cell, pbc=True, info={"note": about}), io.StringIO()
    if form == "extxyz":
        write(file, atoms, format="extxyz")
        return file.getvalue().encode()
    write(file, atoms, format="vasp", direct=True, vasp5=True)
    return (about + "; X is a placeholder\n" + file.getvalue().split("\n", 1)[1]).encode()
