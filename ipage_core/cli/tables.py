"""Reads tables for all commands, with the same options and the table's own column names."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from ipage_core.problem.task import Task
    from ipage_core.tasks.table.reader import Settings, Table

MOST_COLUMNS = 5000
"""Most columns of a table of designs; cells have 1024 coordinates, and further properties."""
LARGE = 5_000_000
"""Number of bytes of a file that takes seconds to read."""
FAR = 1.0
"""Largest distance of a design from the box, in widths; farther designs probably have another unit."""


def add_options(sub: argparse.ArgumentParser) -> None:
    """--separator, --decimal, --missing, --encoding and --sheet: settings that are otherwise guessed and printed."""
    group = sub.add_argument_group("how tables are read", "guessed and printed if not given")
    group.add_argument("--separator", metavar="CHAR", help="',', ';', '|', tab or blank")
    group.add_argument("--decimal", metavar="CHAR", help="'.' or ','; the other one separates thousands")
    group.add_argument(
        "--missing", action="append", default=[], metavar="MARKER", help="marker of missing values, e.g. -999"
    )
    group.add_argument("--encoding", metavar="NAME", help="utf-8, cp1252, utf-16, …")
    group.add_argument("--sheet", metavar="NAME", help="sheet of an Excel file")


def settings(arguments: argparse.Namespace) -> Settings:
    """The settings from the options of :func:`add_options`."""
    from ipage_core.tasks.table.reader import Settings

    return Settings(
        arguments.separator, arguments.decimal, tuple(arguments.missing), arguments.encoding, arguments.sheet
    )


def read_rows(paths: Sequence[Path], arguments: argparse.Namespace, least: int | None = None) -> Table:
    """Read files of rows to learn from. Of large ones it says so before and after, because reading them is silent.

    Raises:
        ValueError: see :func:`ipage_core.tasks.table.reader.read_table`.
    """
    from ipage_core.tasks.table.reader import LEAST_ROWS, MOST_BYTES, read_table

    large = [path for path in paths if path.is_file() and LARGE < path.stat().st_size <= MOST_BYTES]
    for path in large:
        print(f"Reading {path.name}, {path.stat().st_size / 1e6:.0f} MB …", file=sys.stderr, flush=True)
    table = read_table(paths, settings(arguments), least=LEAST_ROWS if least is None else least)
    if large:
        print(f"{len(table.frame):,} rows are read, and none is left out for speed.", file=sys.stderr, flush=True)
    return table


def read(path: Path, arguments: argparse.Namespace) -> Table:
    """Read a file of designs or targets; every row must be complete.

    Raises:
        ValueError: no such file, not a table, or a row of another width.
    """
    from ipage_core.tasks.table.reader import ACCEPTED, MOST_BYTES, read_table

    if not path.is_file():
        why = "is not a file" if path.exists() else "does not exist"
        raise ValueError(f"{path} {why}; accepted: a table with a header")
    source: Path | tuple[str, bytes] = path
    if path.suffix.lower() not in ACCEPTED and path.stat().st_size <= MOST_BYTES:
        source = (f"{path.name}.csv", path.read_bytes())  # read as text, whatever its suffix
    try:
        table = read_table([source], settings(arguments), most_columns=MOST_COLUMNS, least=1)
    except ValueError as error:
        raise ValueError(str(error).replace(f"{path.name}.csv", path.name)) from None
    for one in table.odd:
        if not one.column:
            raise ValueError(f"{path}: {one}; accepted: rows of as many values as the header has names")
    return table


def designs(task: Task, path: Path, table: Table, rows: int | None = None, silent: bool = False) -> Tensor:
    """The coordinates of each row, (n, d), from x1..xD or the table's own names; ``rows``: only the first ones.

    Prints the guesses, unless ``silent``: for commands that check more.

    Raises:
        ValueError: columns are missing, a cell is not a number, or a design is far outside the task's box.
    """
    from ipage_core.tasks.table.names import coordinates

    names = coordinates(task, list(table.columns))
    if names is not None and names[-1] == f"x{task.d}" and not task.columns and f"x{task.d + 1}" in table.columns:
        raise ValueError(f"{path} has a column x{task.d + 1}; a design of {task.name} has x1 … x{task.d} alone")
    x = _numbers(table, names, [f"x{j + 1}" for j in range(task.d)], task.columns, path, rows, task)
    low, high = task.bounds.to(x)
    outside = (x < low - FAR * (high - low)) | (x > high + FAR * (high - low))
    if outside.any():
        row, j = (int(k) for k in outside.nonzero()[0])
        raise ValueError(
            f"{path}, row {table.lines[row]}: {task.x_labels[j]} = {float(x[row, j]):g} is far from its bounds "
            f"{float(low[j]):g} to {float(high[j]):g}; accepted: designs at most as far outside as they are wide"
        )
    if not silent:
        say(table)
    return x


def coordinates_of(frame: pd.DataFrame) -> int:
    """Number of columns x1, x2, … of a table."""
    return sum(bool(re.fullmatch(r"x[0-9]+", str(name))) for name in frame.columns)


def targets(task: Task, path: Path, table: Table, own: Sequence[str] = ()) -> Tensor:
    """The targets of each row, (n, m), from y1..yM or the table's own names.

    Raises:
        ValueError: columns are missing, or a cell is not a number.
    """
    from ipage_core.tasks.table import names

    target_columns = names.targets(task, list(table.columns), own)
    y_star = _numbers(table, target_columns, [f"y{j + 1}" for j in range(task.n_targets)], own, path)
    say(table)
    return y_star


def say(table: Table) -> None:
    """Print the guesses about a file on stderr, after all checks, so that an error appears alone."""
    for guess in table.guesses:
        print(guess, file=sys.stderr)


def _numbers(
    table: Table,
    names: list[str] | None,
    numbered: list[str],
    own: Sequence[str],
    path: Path,
    rows: int | None = None,
    task: Task | None = None,
) -> Tensor:
    """Columns as numbers (n, k); a category's levels become their positions."""
    import numpy as np
    import torch

    from ipage_core.tasks.table.kinds import places
    from ipage_core.tasks.table.reader import numbers

    if names is None:
        missing = [name for name in numbered if name not in table.frame.columns]
        also = f", or {_span(list(own))}" if own else ""
        raise ValueError(f"{path} lacks the column(s) {_span(missing)}; it needs {_span(numbered)}{also}")
    levels = {} if task is None else {j: v.levels for j, v in enumerate(task.variables) if v.kind == "category"}
    numbered_too = {j for j in levels if names[j] == f"x{j + 1}" and "stage" in table.frame}
    columns = [
        places(table.frame[name], levels[j]) if j in levels and j not in numbered_too else numbers(table.frame, name)
        for j, name in enumerate(names)
    ]
    values = np.stack(columns, axis=1)[:rows]
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        row, name = int(bad[0][0]), names[bad[0][1]]
        if bad[0][1] in levels:
            accepted = ", ".join(levels[bad[0][1]])
            raise ValueError(
                f"{path}, row {table.lines[row]}: {name} is {_cell(table, row, name)}; accepted: {accepted}"
            )
        raise ValueError(
            f"{path}, row {table.lines[row]}: {name} is {_cell(table, row, name)}; accepted: finite numbers"
        )
    return torch.from_numpy(values)


def _cell(table: Table, row: int, name: str) -> str:
    """The content of a cell that is not a number."""
    odd = next((one.cell for one in table.odd if (one.line, one.column) == (int(table.lines[row]), name)), None)
    there = table.frame[name].iloc[row] if odd is None else odd
    return f"'{there[:40]}'" if isinstance(there, str) else "empty, or infinite"


def _span(names: list[str]) -> str:
    return ", ".join(names) if len(names) < 5 else f"{names[0]} … {names[-1]}"
