"""All results of the command, in ``rows.parquet``: one row per design.

Columns: the inputs (a category by its word), the properties (empty for a failure), ``error`` (the reason of a failure;
else empty), ``source``, ``seconds``, ``made`` (UTC). While calls run, a journal stores each result as it arrives; the
journal joins the rows afterwards, or when the next run begins.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from ipage_core.problem.variable import Variable
from ipage_core.runtime.files import replacing
from ipage_core.tasks.command.card import Card

ROWS, JOURNAL, LOCK = "rows.parquet", "rows.journal.jsonl", ".lock"
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rows:
    """All results of n designs."""

    x: Floats
    """(n, d)."""
    y: Floats
    """(n, m); NaN where the command failed."""
    frame: pd.DataFrame
    """All columns."""

    def find(self, x: Floats) -> NDArray[np.int64]:
        """Row number of each design; −1 if there is none. (k, d) → (k,)."""
        row_of = {key(row): i for i, row in enumerate(self.x)}
        return np.array([row_of.get(key(row), -1) for row in x], dtype=np.int64)

    @property
    def fine(self) -> NDArray[np.bool_]:
        """(n,) True where the command succeeded."""
        return np.asarray(np.isfinite(self.y).all(axis=1))


def key(x: Floats) -> bytes:
    """Bytes that are equal for designs equal to the last digit. (d,) → bytes."""
    return (np.asarray(x, dtype=np.float64) + 0.0).tobytes()  # −0 is 0


def read(folder: Path, card: Card) -> Rows:
    """The rows of a folder, including its journal.

    Raises:
        ValueError: the file is damaged.
    """
    stamps = [_stamp(folder / name) for name in (ROWS, JOURNAL)]
    return _read(folder, card.variables, tuple(card.y_names), tuple(stamps))


def _stamp(path: Path) -> tuple[int, int]:
    try:
        entries = path.stat()
    except OSError:
        return 0, 0
    return entries.st_mtime_ns, entries.st_size


@lru_cache(maxsize=8)
def _read(folder: Path, variables: tuple[Variable, ...], y_names: tuple[str, ...], stamps: Any) -> Rows:
    x_names = tuple(variable.name for variable in variables)
    columns = [*x_names, *y_names, "error", "source", "seconds", "made"]
    path = folder / ROWS
    if path.exists():
        try:
            frame = pd.read_parquet(path)[columns]
        except Exception as error:  # pyarrow raises any exception on a damaged file
            raise ValueError(f"{path} is damaged: {str(error)[:100]}") from None
    else:
        frame = pd.DataFrame({name: pd.Series(dtype=float) for name in (*x_names, *y_names, "seconds")})
        frame = frame.assign(error="", source="", made="")[columns]
    new = _frame(folder / JOURNAL, variables, y_names)
    frame = pd.concat([frame, new], ignore_index=True) if len(new) else frame
    x = np.stack([numbers_of(variable, frame[variable.name]) for variable in variables], axis=1)
    first = ~pd.Series([key(row) for row in x], dtype=object).duplicated().to_numpy(dtype=bool)
    frame, x = frame[first].reset_index(drop=True), x[first]
    return Rows(x, frame[list(y_names)].to_numpy(dtype=np.float64), frame)


def numbers_of(variable: Variable, cells: pd.Series) -> Floats:
    """A column of inputs (n,) as numbers: a category as the place of its word among its levels."""
    if variable.kind == "category":
        cells = cells.map({level: float(k) for k, level in enumerate(variable.levels)})
    return np.asarray(cells.to_numpy(dtype=np.float64))


def _frame(journal: Path, variables: tuple[Variable, ...], y_names: tuple[str, ...]) -> pd.DataFrame:
    """The rows of a journal; an incomplete last line (after a kill) is skipped."""
    entries: list[list[Any]] = []
    text = journal.read_text() if journal.exists() else ""
    for line in text.splitlines(keepends=True):
        if not line.endswith("\n"):
            break
        one = json.loads(line)["result"]
        for x, y, error, seconds in zip(one["x"], one["y"], one["error"], one["seconds"], strict=True):
            shown = [variable.show(value) for variable, value in zip(variables, x, strict=True)]
            entries.append([*shown, *(y or [np.nan] * len(y_names)), error, one["source"], seconds, one["made"]])
    columns = [*(variable.name for variable in variables), *y_names, "error", "source", "seconds", "made"]
    frame = pd.DataFrame(entries, columns=columns)
    numeric = [variable.name for variable in variables if variable.kind != "category"]
    return frame.astype(dict.fromkeys((*numeric, *y_names, "seconds"), np.float64))


def write(folder: Path, frame: pd.DataFrame) -> None:
    """Replace all rows atomically."""
    with replacing(folder / ROWS) as beside:
        frame.to_parquet(beside, index=False)


def settle(folder: Path, card: Card) -> None:
    """Merge the journal into the rows. Call it while holding :func:`locked`."""
    journal = folder / JOURNAL
    if journal.exists():
        write(folder, read(folder, card).frame)
        journal.unlink()


def forget_failures(folder: Path, card: Card) -> int:
    """Remove the designs that failed, so that they are evaluated again when they are needed. → how many.

    Raises:
        ValueError: another run holds the lock.
    """
    with locked(folder):
        settle(folder, card)
        now = read(folder, card)
        failed = int((~now.fine).sum())
        if failed:
            write(folder, now.frame[now.fine])
    return failed


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a folder, so that only one run at a time calls its command.

    Raises:
        ValueError: another run holds the lock.
    """
    try:
        lock = FileLock(folder / LOCK).acquire(blocking=False)
    except Timeout:
        raise ValueError(f"Another run calls the command of {folder} now: wait for it, or stop it") from None
    with lock:
        yield
