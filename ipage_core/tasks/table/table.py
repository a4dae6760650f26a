"""The result of reading a table: its frame, its columns, the guesses, and the unreadable cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ipage_core.tasks.table.advice import warnings
from ipage_core.tasks.table.columns import Column
from ipage_core.tasks.table.sniff import SEPARATORS
from ipage_core.tasks.table.units import split_name

UNUSED = {"text": "words that hardly repeat", "date": "dates or times", "empty": "nothing"}
"""Kinds of columns that can be neither input nor property, in words."""
MOST_UNUSED = 5
"""Maximum number of remarks on such columns."""


@dataclass(frozen=True)
class Settings:
    """A user's settings for reading a file; None is guessed."""

    separator: str | None = None
    """',', ';', 'tab', '|' or 'blank'."""
    decimal: str | None = None
    """'.' or ','; the other one then separates thousands."""
    missing: tuple[str, ...] = ()
    """Additional markers of missing values, such as -999."""
    encoding: str | None = None
    sheet: str | None = None
    """Sheet of an Excel file; by default the first non-empty one."""

    def __post_init__(self) -> None:
        if self.decimal not in (None, ".", ","):
            raise ValueError(f"The decimal mark '{self.decimal}' is not accepted: '.' or ','")
        if self.separator is not None and mark_of(self.separator) is None:
            raise ValueError(f"The separator '{self.separator}' is not accepted: ',', ';', '|', 'tab' or 'blank'")


def mark_of(said: str | None) -> str | None:
    """The separator with a user's name: ';', 'tab', 'blank', …; None if unknown."""
    words = {"tab": "\t", "\\t": "\t", "blank": " ", "space": " ", "comma": ",", "semicolon": ";", "bar": "|"}
    mark = words.get(said.strip().lower() or " ", said) if said else None
    return mark if mark in SEPARATORS else None


@dataclass(frozen=True)
class Odd:
    """An unreadable cell, or a whole row."""

    line: int
    column: str
    """Empty for a row."""
    cell: str
    """The text of the cell; for a row, the reason."""

    def __str__(self) -> str:
        return (
            f"line {self.line} {self.cell}"
            if not self.column
            else f"'{self.cell[:40]}' in {self.column}, line {self.line}"
        )


@dataclass(frozen=True, eq=False)
class Table:
    """A table with its guesses and unreadable cells."""

    source: str
    frame: pd.DataFrame
    """Numbers as float64 or int64, NaN if missing; words as text, None if missing."""
    columns: dict[str, Column]
    lines: np.ndarray
    """(n,) line of each row in the file; the header is usually line 1."""
    guessed: Settings
    """The settings used: with them the file reads the same again."""
    guesses: tuple[str, ...]
    """Guesses that may be wrong, one sentence each."""
    odd: tuple[Odd, ...]
    """Unreadable cells, which count as missing, and rows, which are left out."""
    x: tuple[str, ...] = ()
    """The inputs, as chosen or guessed."""
    y: tuple[str, ...] = ()
    """The properties."""

    @property
    def units(self) -> dict[str, str]:
        """Units from a row of their own or from the cells, by column; units within names stay in the names."""
        return {name: c.unit for name, c in self.columns.items() if c.unit and not split_name(name)[1]}

    def __repr__(self) -> str:
        return f"Table of {len(self.frame):,} rows from {self.source}: {', '.join(self.x)} → {', '.join(self.y)}"

    def warnings(self, x: Sequence[str], y: Sequence[str]) -> list[str]:
        """Warnings about these columns before training, one sentence each."""
        chosen = {*x, *y}
        cells = [one for one in self.odd if one.column in chosen]
        notes = [*self.guesses]
        counts = [name for name, column in self.columns.items() if column.index and name not in chosen]
        notes += [f"{name} only numbers the rows: it is left out of the inputs." for name in counts]
        others = [column for column in self.columns.values() if not column.index and column.name not in chosen]
        unused = [column.name for column in others if column.kind in UNUSED][:MOST_UNUSED]
        notes += [f"{name} holds {self.of_unused(name)}: it is left out of the inputs." for name in unused]
        if cells:
            some = "; ".join(str(one) for one in cells[:3])
            rows = len({one.line for one in cells})
            rest = f", and {len(cells) - 3:,} more" if len(cells) > 3 else ""
            whole = all(one.column in x for one in cells) or len(y) < 2
            hold, gone = (f"{rows:,} rows hold", "are left out") if rows > 1 else ("1 row holds", "is left out")
            gone = gone if whole else "these count as missing"
            notes.append(f"{hold} what is no number, and {gone}: {some}{rest}.")
        return notes + warnings(self.frame, x, y)

    def of_unused(self, name: str) -> str:
        """What a column holds that can be neither input nor property, with an example."""
        filled = self.frame[name].dropna()
        return UNUSED[self.columns[name].kind] + (f", as '{str(filled.iloc[0])[:40]}'" if len(filled) else "")
