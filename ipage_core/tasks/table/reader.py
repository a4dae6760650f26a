"""Read tables in all common formats with one reader; it reports its guesses, and settings override them.

:func:`read_table` returns a :class:`Table`: the frame, the kind of each column, the guesses, and the cells that are not
numbers, each with its line. :func:`read` returns the frame only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ipage_core.tasks.table import formats
from ipage_core.tasks.table.advice import FEW_ROWS, LEAST_ROWS, guess, is_input, warnings
from ipage_core.tasks.table.assemble import assemble, from_frame
from ipage_core.tasks.table.columns import GRID, SPIKE, Column, look, numbers, spacing
from ipage_core.tasks.table.encoding import decode
from ipage_core.tasks.table.errors import WrongSetting, why
from ipage_core.tasks.table.names import choose
from ipage_core.tasks.table.sniff import NOTHING, SEPARATORS
from ipage_core.tasks.table.table import UNUSED, Odd, Settings, Table, mark_of
from ipage_core.tasks.table.text import cells_of

__all__ = [
    "ACCEPTED", "FEW_ROWS", "GRID", "LEAST_ROWS", "SPIKE", "Column", "Settings", "Source", "Table", "guess", "is_input",
    "look", "numbers", "read", "read_table", "spacing", "warnings", "why",
]  # fmt: skip

TEXTS = (".csv", ".txt", ".tsv", ".dat")
ACCEPTED = (*TEXTS, ".xlsx", ".parquet", ".npz")
MOST_BYTES = 200_000_000
"""Maximum file size."""
MOST_COLUMNS = 1000
READABLE = {
    ".parquet": "flat columns of numbers or text",
    ".npz": "arrays of numbers or text with one or two dimensions and as many rows each",
    ".xlsx": "a sheet with a header and rows below it",
}
"""Names of the binary formats, for messages; all others are text."""
TEXT = "text with a header and rows of as many values, between commas, semicolons, tabs or blanks"

Source = Path | tuple[str, bytes]
"""A file, or an upload: its name and content."""


def read(sources: Sequence[Source], settings: Settings | None = None, least: int = LEAST_ROWS) -> pd.DataFrame:
    """The frame of :func:`read_table`."""
    return read_table(sources, settings, least=least).frame


def read_table(
    sources: Source | str | Sequence[Source],
    settings: Settings | None = None,
    most_columns: int = MOST_COLUMNS,
    least: int = LEAST_ROWS,
    x: Sequence[str] | None = None,
    y: Sequence[str] | None = None,
) -> Table:
    """A table from one file, or from several with equal rows side by side (x here, y there).

    A CSV without a header gets column names from the file name: data_x_1, data_x_2, …

    Args:
        sources: the file or files, or uploads.
        settings: values that replace guesses.
        most_columns: maximum number of columns.
        least: minimum number of rows that the message for an empty table names.
        x: names of the input columns, in full or short; guessed if neither x nor y is given.
        y: names of the properties.

    Raises:
        ValueError: too large, unknown format, damaged, files that do not fit together, or no such column; one sentence.
    """
    settings = settings or Settings()
    if isinstance(sources, str | Path):
        sources = [Path(sources)]
    elif isinstance(sources, tuple) and len(sources) == 2 and isinstance(sources[1], bytes):
        sources = [sources]
    parts = [_read_one(source, settings, most_columns) for source in sources]
    if len({len(part.frame) for part in parts}) > 1:
        counts = ", ".join(f"{part.source} {len(part.frame):,}" for part in parts)
        raise ValueError(f"Files side by side need as many rows each; here they have: {counts}")
    names = [name for part in parts for name in part.frame.columns]
    twice = [name for k, name in enumerate(names) if name in names[:k]]
    if twice:
        raise ValueError(f"The column '{twice[0]}' is there twice; accepted: names that differ")
    if not len(parts[0].frame):
        raise ValueError(f"{parts[0].source} has no rows; accepted: at least {least}, below a header")
    table = parts[0] if len(parts) == 1 else _side_by_side(parts)
    if all(column.kind in UNUSED for column in table.columns.values()):
        there = table.of_unused(next(iter(table.columns)))
        accepted = READABLE.get(Path(parts[0].source).suffix.lower(), TEXT)
        raise ValueError(f"{table.source} has no column of numbers or categories, only {there}; accepted: {accepted}")
    if x is None and y is None:
        inputs, properties = guess(list(table.columns.values()))
    else:
        inputs, properties = (_chosen(list(table.columns), names or ()) for names in (x, y))
    return replace(table, x=tuple(inputs), y=tuple(properties))


def _chosen(columns: list[str], names: Sequence[str]) -> list[str]:
    if isinstance(names, str):
        return choose(columns, names)
    return [column for name in names for column in ([name] if name in columns else choose(columns, name))]


def _side_by_side(parts: list[Table]) -> Table:
    return Table(
        source=", ".join(part.source for part in parts),
        frame=pd.concat([part.frame for part in parts], axis=1),
        columns={name: column for part in parts for name, column in part.columns.items()},
        lines=parts[0].lines,
        guessed=parts[0].guessed,
        guesses=tuple(f"{part.source}: {message}" for part in parts for message in part.guesses),
        odd=tuple(one for part in parts for one in part.odd),
    )


def _read_one(source: Source, settings: Settings, most_columns: int) -> Table:
    path = source if isinstance(source, Path) else None
    name = path.name if path is not None else source[0]  # type: ignore[index]
    kind = Path(name).suffix.lower()
    if kind not in ACCEPTED:
        also = "; save it as .xlsx or .csv" if kind in (".xls", ".ods", ".xlsb", ".numbers") else ""
        raise ValueError(f"{name} is not accepted: tables are {', '.join(ACCEPTED)}{also}")
    if path is not None and not path.is_file():
        raise ValueError(
            f"{path} {'is not a file' if path.exists() else 'does not exist'}; accepted: a table in a file"
        )
    size = path.stat().st_size if path is not None else len(source[1])  # type: ignore[index]
    if size > MOST_BYTES:
        raise ValueError(f"{name} has {size / 1e6:.0f} MB; accepted: at most {MOST_BYTES / 1e6:.0f} MB")
    content: bytes = path.read_bytes() if path is not None else source[1]  # type: ignore[index]
    stem = Path(name).stem
    try:
        if kind in TEXTS:
            return _from_text(content, name, stem, settings, most_columns)
        if kind == ".xlsx":
            return _from_sheet(content, name, stem, settings, most_columns)
        frame = (formats.from_parquet if kind == ".parquet" else formats.from_npz)(content, most_columns)
        return from_frame(frame, name, settings)
    except WrongSetting:
        raise
    except (Exception, MemoryError) as error:  # damaged files make readers raise any exception
        message = why(error)
    accepted = READABLE.get(kind, TEXT)
    raise ValueError(f"{name} is not a readable {kind[1:].upper()} table: {message}; accepted: {accepted}")


def _from_text(content: bytes, name: str, stem: str, settings: Settings, most_columns: int) -> Table:
    formats.check_text(content)
    text, encoding = decode(content, settings.encoding)
    cells = cells_of(text, mark_of(settings.separator), most_columns, settings.decimal)
    del text
    notes = list(cells.notes)
    if encoding != "utf-8" and settings.encoding is None:
        notes.insert(0, f"It is read as text in {encoding}, not UTF-8 (--encoding sets it).")
    if cells.separator not in ",;\t" and settings.separator is None and len(cells.columns) > 1:
        notes.append(f"Its columns are separated by {SEPARATORS[cells.separator]} (--separator sets it).")
    typed = [np.full(len(column), np.nan) for column in cells.columns]
    guessed_settings = replace(
        settings,
        encoding=encoding,
        separator={"\t": "tab", " ": "blank", NOTHING: None}.get(cells.separator, cells.separator),
    )
    bad = [Odd(line, "", why_not) for line, why_not in cells.bad_rows]
    return assemble(
        name, stem, cells.names, cells.units, cells.columns, typed, cells.lines, guessed_settings, notes, bad
    )


def _from_sheet(content: bytes, name: str, stem: str, settings: Settings, most_columns: int) -> Table:
    """Stored numbers as they are; the rest as text, with header and units detected as in a text file."""
    import csv
    import io

    rows, notes = formats.from_excel(content, most_columns, settings.sheet)
    width = max(map(len, rows))
    rows = [row + [None] * (width - len(row)) for row in rows]
    buffer = io.StringIO()
    csv.writer(buffer, delimiter="\t").writerows([[_shown(cell) for cell in row] for row in rows])
    cells = cells_of(buffer.getvalue().replace("\r\n", "\n"), "\t", most_columns)
    typed = []
    for j in range(len(cells.columns)):
        column = [rows[line - 1][j] if line <= len(rows) else None for line in cells.lines]
        typed.append(np.array([_stored(cell) for cell in column], dtype=np.float64))
    bad = [Odd(line, "", why_not) for line, why_not in cells.bad_rows]
    return assemble(
        name, stem, cells.names, cells.units, cells.columns, typed, cells.lines, settings, [*notes, *cells.notes], bad
    )


def _stored(cell: Any) -> float:
    return float(cell) if isinstance(cell, int | float) and not isinstance(cell, bool) else np.nan


def _shown(cell: Any) -> str:
    """A cell of a sheet as text on one line; booleans in Excel's form, dates by ISO 8601."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, float | int):
        return repr(cell)
    return " ".join(str(cell).split())
