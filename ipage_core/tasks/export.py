"""Writers for the files that leave the program: crystal structures and printable layouts."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from ipage_core.problem.task import Task

FORMATS: dict[str, tuple[str, tuple[str, ...]]] = {
    "crystal": ("crystal.export", ("cif", "poscar", "extxyz")),
    "architecture": ("cells.export", ("png", "svg", "dxf", "stl", "3mf")),
}
"""Task → the module here that writes its files, and the formats it knows."""


def files(task: str | Task, form: str, frame: pd.DataFrame) -> dict[str, bytes]:
    """Content by file name: the final designs of a ``solutions.csv`` in a format of their task.

    Own data (given as a task) with lattice columns have the formats of crystals, without atoms.

    Raises:
        ValueError: the task has no such format, a row is not a design, or an id is none.
    """
    if "stage" in frame:  # a sample's row of the last stage is its design
        frame = frame[frame["stage"] == ("localized" if (frame["stage"] == "localized").any() else "posterior")]
    _check_ids(frame["sample"].tolist())
    if not isinstance(task, str):
        if task.folder is not None:
            return _of_own_data(task, form, frame)
        task = task.name
    module, formats = FORMATS.get(task, ("", ()))
    if form not in formats:
        accepted = ", ".join(formats) if formats else f"none; tasks with formats are {', '.join(FORMATS)}"
        raise ValueError(f"format '{form}' is not known for {task}; accepted: {accepted}")
    return dict(import_module(f"ipage_core.tasks.{module}").files(frame, form))


def _check_ids(samples: list) -> None:
    """They name files: one that is a path would write elsewhere, one that is there twice would lose a file."""
    seen = set()
    for sample in samples:
        if type(sample) is not int or sample < 0:
            raise ValueError(f"sample '{sample}' is not accepted: the ids are whole numbers, 0 or more")
        if sample in seen:
            raise ValueError(f"sample {sample} is there twice; accepted: ids that differ, a design each")
        seen.add(sample)


def _of_own_data(task: Task, form: str, frame: pd.DataFrame) -> dict[str, bytes]:
    from ipage_core.tasks.table import export as lattice
    from ipage_core.tasks.table import own_data

    found = own_data.lattice_in_angstrom(task)
    if found is None:
        raise ValueError(f"{task.name} has no structure files: its inputs are not a, b, c, alpha, beta, gamma")
    order, factors = found
    columns = [f"x{j + 1}" for j in order]
    converted = frame.assign(**{c: frame[c] * factor for c, factor in zip(columns, factors, strict=True)})
    return lattice.files(converted, form, columns, task.name)
