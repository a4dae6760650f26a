"""All results of the command, in ``rows.parquet``: one row per design.

Columns: the inputs (a category by its word), the properties (empty for a failure), ``error`` (the reason of a failure;
else empty), ``source``, ``program`` (its version: see :mod:`.program`), ``seconds``, ``made`` (UTC). While calls run, a
journal stores each result as it arrives; the journal joins the rows afterwards, or when the next run begins.

Rows of an earlier program are kept in the file, but they are no results of the program of now.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from ipage_core.problem.variable import Variable
from ipage_core.runtime.files import replacing
from ipage_core.tasks.command import program
from ipage_core.tasks.command.card import Card

ROWS, JOURNAL, LOCK = "rows.parquet", "rows.journal.jsonl", ".lock"
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rows:
    """All results of the program of now, for n designs."""

    x: Floats
    """(n, d)."""
    y: Floats
    """(n, m); NaN where the command failed."""
    frame: pd.DataFrame
    """All columns; the index counts the rows of the file."""
    earlier: int = 0
    """Number of rows of earlier programs."""

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


def read(folder: Path, card: Card, version: str | None = None) -> Rows:
    """The rows of a version of the program, that of now if None, including its journal.

    Raises:
        ValueError: the file is damaged.
    """
    stamps = [_stamp(folder / name) for name in (ROWS, JOURNAL)]
    return _read(folder, card.variables, tuple(card.y_names), version or program.now(folder, card), tuple(stamps))


def whole(path: Path) -> pd.DataFrame:
    """A Parquet file, opened once: a writer may replace it meanwhile, and pandas opens a path twice."""
    return pd.read_parquet(io.BytesIO(path.read_bytes()))


def _stamp(path: Path) -> tuple[int, int]:
    try:
        entries = path.stat()
    except OSError:
        return 0, 0
    return entries.st_mtime_ns, entries.st_size


@lru_cache(maxsize=8)
def _read(folder: Path, variables: tuple[Variable, ...], y_names: tuple[str, ...], version: str, stamps: Any) -> Rows:
    frame = _all(folder, variables, y_names, version)
    mine = frame[frame["program"] == version]
    return Rows(_designs(variables, mine), mine[list(y_names)].to_numpy(dtype=np.float64), mine, len(frame) - len(mine))


def _all(folder: Path, variables: tuple[Variable, ...], y_names: tuple[str, ...], version: str) -> pd.DataFrame:
    """The rows of all programs, with the journal; rows without a version get ``version``."""
    columns, path = _columns(variables, y_names), folder / ROWS
    if path.exists():
        try:
            frame = whole(path)
            frame = (frame if "program" in frame else frame.assign(program=version))[columns]
        except Exception as error:  # pyarrow raises any exception on a damaged file
            raise ValueError(f"{path} is damaged: {str(error)[:100]}") from None
    else:
        texts = ("error", "source", "program", "made")
        frame = pd.DataFrame({name: pd.Series(dtype=str if name in texts else float) for name in columns})
    new = _frame(folder / JOURNAL, variables, y_names, version)
    frame = pd.concat([frame, new], ignore_index=True) if len(frame) and len(new) else new if len(new) else frame
    return _distinct(variables, frame)


def _columns(variables: Sequence[Variable], y_names: Sequence[str]) -> list[str]:
    return [*(variable.name for variable in variables), *y_names, "error", "source", "program", "seconds", "made"]


def _designs(variables: Sequence[Variable], frame: pd.DataFrame) -> Floats:
    """The designs of rows. → (n, d)."""
    return np.stack([numbers_of(variable, frame[variable.name]) for variable in variables], axis=1)


def _distinct(variables: Sequence[Variable], frame: pd.DataFrame) -> pd.DataFrame:
    """The first row of each design and program."""
    keys = [key(row) for row in _designs(variables, frame)]
    same = pd.DataFrame({"program": frame["program"].to_numpy(), "x": pd.Series(keys, dtype=object)}).duplicated()
    return frame[~same.to_numpy(dtype=bool)].reset_index(drop=True)


def numbers_of(variable: Variable, cells: pd.Series) -> Floats:
    """A column of inputs (n,) as numbers: a category as the place of its word among its levels."""
    if variable.kind == "category":
        cells = cells.map({level: float(k) for k, level in enumerate(variable.levels)})
    return np.asarray(cells.to_numpy(dtype=np.float64))


def _frame(journal: Path, variables: tuple[Variable, ...], y_names: tuple[str, ...], version: str) -> pd.DataFrame:
    """The rows of a journal; an incomplete last line (after a kill) is skipped."""
    entries: list[list[Any]] = []
    text = journal.read_text() if journal.exists() else ""
    for line in text.splitlines(keepends=True):
        if not line.endswith("\n"):
            break
        one = json.loads(line)["result"]
        for x, y, error, seconds in zip(one["x"], one["y"], one["error"], one["seconds"], strict=True):
            shown = [variable.show(value) for variable, value in zip(variables, x, strict=True)]
            about = [error, one["source"], one.get("program", version), seconds, one["made"]]
            entries.append([*shown, *(y or [np.nan] * len(y_names)), *about])
    frame = pd.DataFrame(entries, columns=_columns(variables, y_names))
    numeric = [variable.name for variable in variables if variable.kind != "category"]
    return frame.astype(dict.fromkeys((*numeric, *y_names, "seconds"), np.float64))


def write(folder: Path, frame: pd.DataFrame) -> None:
    """Replace all rows atomically."""
    with replacing(folder / ROWS) as beside:
        frame.to_parquet(beside, index=False)


def settle(folder: Path, card: Card) -> None:
    """Merge the journal into the rows, and note the program of now. Call it while holding :func:`locked`."""
    journal, path = folder / JOURNAL, folder / ROWS
    version = program.note(folder, card)
    if journal.exists() or (path.exists() and "program" not in pq.read_schema(path).names):
        write(folder, _all(folder, card.variables, tuple(card.y_names), version))
        journal.unlink(missing_ok=True)


def forget_failures(folder: Path, card: Card) -> int:
    """Remove the designs that failed, so that they are evaluated again when they are needed. → how many.

    Raises:
        ValueError: another run holds the lock.
    """
    with locked(folder):
        settle(folder, card)
        frame = _all(folder, card.variables, tuple(card.y_names), program.now(folder, card))
        fine = np.isfinite(frame[card.y_names].to_numpy(dtype=np.float64)).all(axis=1)
        if not fine.all():
            write(folder, frame[fine])
    return int((~fine).sum())


def settle_earlier(folder: Path, card: Card, use: bool) -> int:
    """Count the rows of earlier programs as results of the program of now, or remove them. → how many.

    Args:
        folder: folder of the problem.
        card: description of the problem.
        use: whether they count; a design with two results keeps that of now, else the newest. If not, they are removed.

    Raises:
        ValueError: another run holds the lock.
    """
    with locked(folder):
        settle(folder, card)
        version = program.now(folder, card)
        frame = _all(folder, card.variables, tuple(card.y_names), version)
        mine = frame["program"] == version
        if not mine.all():
            earlier = frame[~mine].iloc[::-1].assign(program=version)
            write(folder, _distinct(card.variables, pd.concat([frame[mine], earlier])) if use else frame[mine])
    return int((~mine).sum())


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
