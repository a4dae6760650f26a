"""Columns of text → a table: decimal marks, numbers or words, missing values and unreadable cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ipage_core.tasks.table.columns import FEW, YES_NO, Column, describe, numbers, words_beside
from ipage_core.tasks.table.convert import SAMPLE, Numbers, decimals, sample, text_missing, to_numbers
from ipage_core.tasks.table.errors import Unreadable
from ipage_core.tasks.table.footers import another_table, end_of_designs
from ipage_core.tasks.table.numerals import is_nearly_number
from ipage_core.tasks.table.table import Odd, Settings, Table
from ipage_core.tasks.table.units import split_name

ODD = 0.5
"""Share of a column's filled cells that must be numbers; otherwise it is a column of words."""

NEARLY = 0.5
"""Share of a column of words that must be nearly numbers for a remark."""


def assemble(
    source: str,
    stem: str,
    names: Sequence[str] | None,
    units: Sequence[str],
    columns: list[pa.Array],
    typed: list[np.ndarray],
    lines: np.ndarray,
    settings: Settings,
    notes: list[str],
    odd: list[Odd],
) -> Table:
    """Columns of text → a table: decimal marks, numbers or words, missing values and unreadable cells."""

    def first_rows(count: int, why: str) -> Table:
        those, own = [column[:count] for column in columns], [column[:count] for column in typed]
        return assemble(source, stem, names, units, those, own, lines[:count], settings, [*notes, why], odd)

    if (end := end_of_designs(columns)) < len(lines):
        some = ", ".join(str(line) for line in lines[end:])
        return first_rows(end, f"Statistics are no designs: line {some} at the end of the table is left out.")
    called, message = _names(names, stem, columns, len(lines))
    more = list(message)
    texts = {name: _evidence(columns[j], typed[j]) for j, name in called.items()}
    one_mark = settings.separator == "," and settings.decimal is None and len(columns) == 2 and names is None
    if one_mark and not any("." in cell for cells in texts.values() for cell in cells):
        more.append("Each line holds one comma: it is read as two columns. If it is one, say --decimal ','.")
    marks, message = decimals(texts, settings.separator or "\t", settings.decimal)
    more += message
    values: dict[str, Any] = {}
    seen: dict[str, Column] = {}
    cells: list[Odd] = [*odd]
    no_numbers: dict[int, np.ndarray] = {}
    for j, name in called.items():
        values[name], read, is_odd, remarks = _read(name, columns[j], typed[j], marks[name], settings)
        if is_odd is not None:
            no_numbers[j] = is_odd
            cells += _odd_cells(name, columns[j], is_odd, lines)
        if read.doubtful:  # what was said of its thousands does not hold
            more = [note for note in more if not note.startswith(f"{name}: '")]
        more += remarks
        unit = units[j] or split_name(name)[1] or read.unit
        seen[name] = replace(describe(pd.DataFrame({name: values[name]}), name), unit=unit)
    if (below := another_table(no_numbers, columns)) is not None:
        words = ", ".join(columns[j][below].as_py() for j in called)[:60]
        gone = f"it and the {len(lines) - below - 1:,} rows below it are left out"
        return first_rows(below, f"Line {lines[below]} begins another table ('{words}'): {gone}.")
    frame = pd.DataFrame(values, index=pd.RangeIndex(len(lines)))
    gone_rows = [str(one) for one in cells if not one.column]
    more += [f"A row is left out: {line}." for line in gone_rows[:3]]
    if len(gone_rows) > 3:
        more.append(f"{len(gone_rows) - 3:,} more rows of another number of values are left out.")
    result = replace(settings, decimal=_common(marks.values()) if settings.decimal is None else settings.decimal)
    all_notes = (*notes, *more)
    return Table(source, frame, seen, lines, result, all_notes, tuple(sorted(cells, key=lambda one: one.line)))


def _read(
    name: str, cells: pa.Array, typed: np.ndarray, mark: str, settings: Settings
) -> tuple[Any, Numbers, np.ndarray | None, list[str]]:
    """A column's values, numbers or words; how it reads as numbers; (n,) bool: which cells are none; and remarks.

    The mask is None for a column of words.
    """
    read = to_numbers(cells, mark, settings.missing, settings.decimal is not None)
    stored = ~np.isnan(typed) & ~read.missing
    numeric = np.where(stored, typed, read.values)
    filled = int((~read.missing).sum())
    count = int((~np.isnan(numeric)).sum())
    if not filled:
        return np.full(len(typed), np.nan), read, None, []
    if count >= ODD * filled and not words_beside(numeric[~np.isnan(numeric)], filled):
        whole = count == len(numeric) and bool((numeric == np.round(numeric)).all()) and np.abs(numeric).max() < 2**53
        values = numeric.astype(np.int64) if whole else numeric
        return values, read, read.odd & ~stored, [f"{name}: {note}" for note in read.notes]
    texts = cells.to_pylist()
    signs = "+" in {word.strip() for word in texts}
    words = _one_spelling([None if text_missing(w, settings.missing, signs) else w for w in texts])
    beside = [f"{name} holds words beside {count:,} numbers: it is read as words."] if count else []
    return words, replace(read, unit="", doubtful=False), None, [*beside, *_nearly(name, words)]


def _odd_cells(name: str, cells: pa.Array, is_odd: np.ndarray, lines: np.ndarray) -> list[Odd]:
    return [Odd(int(lines[k]), name, cells[int(k)].as_py()) for k in np.flatnonzero(is_odd)]


def _nearly(name: str, words: list[str | None]) -> list[str]:
    """A remark on a column of words most of which are nearly numbers, such as '4.08*'."""
    filled = [word for word in words if word]
    some = [word for word in filled[:SAMPLE] if is_nearly_number(word)]
    if len(some) < NEARLY * len(filled[:SAMPLE]) or len(set(some)) <= FEW:
        return []
    return [f"{name}: '{some[0][:40]}' is not understood as a number, and the column is read as words."]


def _evidence(column: pa.Array, typed: np.ndarray) -> list[str]:
    """Cells that indicate the decimal mark: text; and the whole ones among numbers that a sheet stores as numbers."""
    text = sample(column.filter(pa.array(np.isnan(typed))))
    whole = typed[typed == np.round(typed)] if text else typed[:0]
    return text + [f"{value:.0f}" for value in whole[:SAMPLE]]


def _one_spelling(words: list[str | None]) -> list[str | None]:
    """Merge 'Yes', 'yes' and 'YES' into the first spelling. Words of a category stay as they are."""
    if {word.lower() for word in words if word} not in [set(pair) for pair in YES_NO]:
        return words
    first: dict[str, str] = {}
    return [word and first.setdefault(word.lower(), word) for word in words]


def _common(marks: Iterable[str]) -> str:
    marks = list(marks)
    return max(".,", key=lambda mark: (marks.count(mark), mark == "."))


def _names(
    names: Sequence[str] | None, stem: str, columns: list[pa.Array], rows: int
) -> tuple[dict[int, str], list[str]]:
    """Index of each kept column → its unique name; and remarks."""
    message = []
    empty = [pc.all(pc.equal(column, "")).as_py() for column in columns]
    if names is None:
        names = [stem if len(columns) == 1 else f"{stem}_{k + 1}" for k in range(len(columns))]
        if rows:
            message.append(
                f"There is no header: columns are called {', '.join(names[:3])}{' …' if len(names) > 3 else ''}."
            )
    called: dict[int, str] = {}
    for j, name in enumerate(" ".join(n.split()) for n in names):
        if not name and empty[j]:
            continue  # a separator at the end of each row, or a blank column in a sheet
        wanted = name or f"column {j + 1}"
        given, k = wanted, 0
        while given in called.values():
            k += 1
            given = f"{wanted}.{k}"
        if given != wanted:
            message.append(f"There are two columns '{wanted}': the second one is called '{given}'.")
        called[j] = given
    return called, message


def from_frame(frame: pd.DataFrame, source: str, settings: Settings) -> Table:
    """A table from a typed file; its columns of text are read as those of a text file, except for footers."""
    frame = frame.set_axis([str(column).strip() for column in frame.columns], axis=1).reset_index(drop=True)
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise Unreadable(f"the column '{twice[0]}' is there twice")
    lines = np.arange(1, len(frame) + 1)
    texts = {name: _as_text(frame[name]) for name in frame.columns if _holds_text(frame[name])}
    marks, notes = decimals({name: sample(cells) for name, cells in texts.items()}, "\t", settings.decimal)
    seen, odd = {}, list[Odd]()
    for name in frame.columns:
        unit = ""
        if name in texts:
            values, read, is_odd, remarks = _read(name, texts[name], np.full(len(frame), np.nan), marks[name], settings)
            if is_odd is not None:
                frame[name], unit = values, read.unit
                odd += _odd_cells(name, texts[name], is_odd, lines)
                notes += remarks
        if settings.missing:
            gone = frame[name].astype(str).isin(settings.missing)
            for marker in settings.missing:
                gone |= pd.Series(numbers(frame, name) == _float(marker))
            frame[name] = frame[name].mask(gone)
        seen[name] = replace(describe(frame, name), unit=split_name(name)[1] or unit)
    return Table(source, frame, seen, lines, settings, tuple(notes), tuple(sorted(odd, key=lambda one: one.line)))


def _holds_text(column: pd.Series) -> bool:
    kinds = ("string", "mixed", "mixed-integer")
    return pd.api.types.infer_dtype(column.cat.categories if column.dtype == "category" else column) in kinds


def _as_text(column: pd.Series) -> pa.Array:
    return pa.array(["" if pd.isna(cell) else str(cell).strip() for cell in column], pa.string())


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan
