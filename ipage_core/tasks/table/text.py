"""A text table → its columns as text, without interpretation of the cells."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from ipage_core.tasks.table.errors import Unreadable
from ipage_core.tasks.table.formats import MOST_CELLS, check_size
from ipage_core.tasks.table.sniff import LEFT_OUT, SEPARATORS, Layout, is_comment, is_rule, layout, lines_of, rows

MOST_BAD = 0.1
"""Maximum share of rows with a wrong number of values."""
CHUNK = 20_000
"""Number of rows kept as Python text at a time."""


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of a table as text."""

    names: tuple[str, ...] | None
    units: tuple[str, ...]
    columns: list[pa.Array]
    """Text (n,), without surrounding blanks."""
    lines: np.ndarray
    """(n,) line of each row in the file, from 1."""
    bad_rows: list[tuple[int, str]]
    """Rows outside the table: (line, why)."""
    separator: str
    notes: list[str]


def cells_of(text: str, separator: str | None, most_columns: int, decimal: str | None = None) -> Cells:
    """Find the table in a text and split it into cells.

    Raises:
        Unreadable: there is none, it is too large, or too many of its rows have a wrong number of values.
    """
    if not text.strip():
        raise Unreadable("it is empty")
    lines = lines_of(text)
    widest = max(max(line.count(mark) for line in lines[:20]) for mark in SEPARATORS if mark != " ")
    if widest >= most_columns and separator != " ":  # before a reader spends minutes on them
        check_size(1, widest + 1, most_columns)
    plan = layout(lines, separator, most_columns, decimal)
    marks = len(lines) * plan.width if plan.separator == " " else text.count(plan.separator)
    if marks > MOST_CELLS:
        raise Unreadable(f"it has about {marks:,} cells, more than {MOST_CELLS:,}")
    if '"' not in text and plan.separator != " " and (plain := _plain_rows(lines, plan)) is not None:
        numbers = np.arange(len(plain[0]), dtype=np.int64) + plan.first + 1
        return Cells(plan.names, plan.units, plain, numbers, [], plan.separator, list(plan.notes))
    del text
    bad: list[tuple[int, str]] = []
    chunks: list[list[pa.Array]] = []
    at: list[int] = []
    kept: list[list[str]] = []
    short: list[int] = []
    repeated: list[int] = []
    total = 0
    for number, row in _rows_of_data(lines, plan):
        if plan.names is not None and [cell.strip() for cell in row] == list(plan.names):
            repeated.append(number)
            continue
        total += 1
        if len(row) > plan.width and not any(row[plan.width :]):
            row = row[: plan.width]
        if len(row) > plan.width or (plan.separator == " " and len(row) < plan.width):  # blanks hide which cell lacks
            bad.append((number, f"has {len(row)} values instead of {plan.width}"))
            if len(bad) > MOST_BAD * len(lines):
                break  # whatever follows
            continue
        if len(row) < plan.width:
            short.append(number)
            row = row + [""] * (plan.width - len(row))
        kept.append(row)
        at.append(number)
        if len(kept) == CHUNK:
            chunks.append(_columns(kept, plan.width))
            kept = []
    if bad and len(bad) > MOST_BAD * total:
        raise Unreadable(f"line {bad[0][0]} {bad[0][1]}, and so do {len(bad):,} of {total:,} rows")
    chunks.append(_columns(kept, plan.width))
    columns = [pa.chunked_array(list(parts)).combine_chunks() for parts in zip(*chunks, strict=True)]
    notes = [*plan.notes, *_on_rows(lines, plan, at, repeated, short)]
    return Cells(plan.names, plan.units, columns, np.array(at, dtype=np.int64), bad, plan.separator, notes)


def _on_rows(lines: list[str], plan: Layout, at: list[int], repeated: list[int], short: list[int]) -> list[str]:
    """Remarks on comments, blank lines, rows ``repeated`` from the header, and ``short`` ones, by their lines."""
    notes = []
    if LEFT_OUT not in plan.notes and plan.comments and any(map(is_comment, lines[plan.first :])):
        notes.append(LEFT_OUT)  # below the lines that the layout was found from
    if repeated:
        notes.append(f"The header stands again in line {', '.join(map(str, repeated[:5]))}: left out.")
    nothing = plan.separator + " "
    blank = next((k + 1 for k in range(plan.first, at[-1] if at else 0) if not lines[k].strip(nothing)), None)
    if blank is not None:
        notes.append(f"Line {blank} within the table is blank: what follows counts as rows of the same table.")
    if short:
        notes.append(
            f"{len(short):,} rows have fewer than {plan.width} values, line {short[0]} first: the rest is missing."
        )
    return notes


def _plain_rows(lines: list[str], plan: Layout) -> list[pa.Array] | None:
    """All columns at once if every line is a row of equal length; None if some are blank, comments, or the header.

    Faster than row by row; few files are large enough to need it.
    """
    end = len(lines)
    while end > plan.first and not lines[end - 1].strip():
        end -= 1
    nothing = plan.separator + " "
    data, above = lines[plan.first : end], set(lines[: plan.first])
    if not data or any(not line.strip(nothing) or _is_no_row(line, plan) or line in above for line in data):
        return None
    names = [str(k) for k in range(plan.width)]
    try:
        table = csv.read_csv(
            io.BytesIO("\n".join(data).encode()),
            csv.ReadOptions(column_names=names, use_threads=False),
            csv.ParseOptions(delimiter=plan.separator, quote_char=False),
            csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
        )
    except pa.ArrowInvalid:  # a row of another width
        return None
    return [pc.utf8_trim_whitespace(column.combine_chunks()) for column in table.columns]


def _is_no_row(line: str, plan: Layout) -> bool:
    return (plan.comments and is_comment(line)) or is_rule(line)


def _rows_of_data(lines: list[str], plan: Layout) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of each row that is neither blank nor a comment."""
    at: list[int] = []

    def data() -> Iterator[str]:
        for k in range(plan.first, len(lines)):
            if lines[k].strip() and not _is_no_row(lines[k], plan):
                at.append(k + 1)
                yield lines[k]

    begin = last = 0
    for count, row in rows(data(), plan.separator):
        if any(row):
            yield at[begin], row
        begin, last = count, begin
    if begin - last > 1 and "\n".join(lines[at[last] - 1 :]).count('"') % 2:
        raise Unreadable(f"the quote that is opened in line {at[last]} is never closed")


def _columns(kept: list[list[str]], width: int) -> list[pa.Array]:
    if not kept:
        return [pa.array([], pa.string())] * width
    return [pc.utf8_trim_whitespace(pa.array(column, pa.string())) for column in zip(*kept, strict=True)]
