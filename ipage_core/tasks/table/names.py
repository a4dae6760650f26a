"""Find columns of a table by typed names, and a task's coordinates among a table's columns."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from ipage_core.problem.names import find
from ipage_core.problem.task import Task
from ipage_core.tasks.table.units import split_name


def choose(columns: Sequence[str], text: str) -> list[str]:
    """The columns in a comma-separated list: full names, names without units, patterns such as 'R*'.

    A name that contains a comma is accepted with or without quotes.

    Raises:
        ValueError: no such column, or a short name fits several.
    """
    parts = [part.strip() for part in next(csv.reader([text], skipinitialspace=True), [])]
    chosen: list[str] = []
    while parts:
        for count in range(len(parts), 0, -1):  # 'Gitter, a (Å)' may be one name
            together = ", ".join(parts[:count])
            if count == 1 or together in columns or ",".join(parts[:count]) in columns:
                chosen += _named(columns, together if together in columns or count == 1 else ",".join(parts[:count]))
                parts = parts[count:]
                break
    return chosen


def _named(columns: Sequence[str], name: str) -> list[str]:
    if name in columns:
        return [name]
    if re.search(r"[*?]", name) and (fitting := [column for column in columns if fnmatchcase(column, name)]):
        return fitting
    result = find(name, [_as_label(column) for column in columns], position="")
    if result is None:
        columns_text = ", ".join(columns[:30])
        raise ValueError(f"There is no column '{name}'; the table has: {columns_text}")
    return [columns[result]]


def _as_label(column: str) -> str:
    plain, unit = split_name(column)
    return f"{plain} [{unit}]" if unit else plain


def coordinates(task: Task, columns: Sequence[str], own: Sequence[str] = ()) -> list[str] | None:
    """Columns with a task's coordinates in a file of designs, in order; None if some are missing.

    A file of this program has x1..xD; other files may use the table's own names, or the labels.
    """
    numbered = [f"x{j + 1}" for j in range(task.d)]
    return _among(columns, numbered, own or task.columns, task.x_labels, ours="stage" in columns)


def targets(task: Task, columns: Sequence[str], own: Sequence[str] = ()) -> list[str] | None:
    """Columns with the properties in a file of targets: y1..yM, the table's own names, or the labels."""
    numbered = [f"y{j + 1}" for j in range(task.n_targets)]
    return _among(columns, numbered, own, task.property_labels[: task.n_targets], ours="stage" in columns)


def _among(
    columns: Sequence[str], numbered: list[str], own: Sequence[str], labels: Sequence[str], ours: bool
) -> list[str] | None:
    there = set(columns)
    wanted = [numbered, list(own)] if ours else [list(own), numbered]
    wanted += [list(labels), [label.split(" [")[0] for label in labels]]
    return next((names for names in wanted if names and len(set(names)) == len(names) and set(names) <= there), None)
