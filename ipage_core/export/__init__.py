"""Writers for the files that leave the program: crystal structures and printable layouts."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FORMATS: dict[str, tuple[str, tuple[str, ...]]] = {
    "crystal": ("crystal", ("cif", "poscar", "extxyz")),
    "architecture": ("pixels", ("png", "svg", "dxf", "stl")),
}
"""Task → the module here that writes its files, and the formats it knows."""


def files(task: str, form: str, frame: pd.DataFrame) -> dict[str, bytes]:
    """Content by file name: the final designs of a ``solutions.csv`` in a format of their task.

    Raises:
        ValueError: the task has no such format, or a row is not a design.
    """
    module, formats = FORMATS.get(task, ("", ()))
    if form not in formats:
        accepted = ", ".join(formats) if formats else f"none; tasks with formats are {', '.join(FORMATS)}"
        raise ValueError(f"format '{form}' is not known for {task}; accepted: {accepted}")
    if "stage" in frame:  # a sample's row of the last stage is its design
        frame = frame[frame["stage"] == ("localized" if (frame["stage"] == "localized").any() else "posterior")]
    return dict(import_module(f"ipage_core.export.{module}").files(frame, form))
