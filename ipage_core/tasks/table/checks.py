"""Checks of a table's columns before they become a task: each refuses with one sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ipage_core.tasks.table import reader as tables
from ipage_core.tasks.table.card import CARD

WIDTHS, FINEST = (1e-15, 1e17), 1e-5
"""Accepted range of a column's width, and its least width relative to the largest value: networks are float32."""


def refuse_second(folder: Path) -> None:
    """Raise ValueError: the folder holds a task."""
    raise ValueError(f"{folder} holds a task already: name another folder, or add rows to it")


def check_choice(
    folder: Path,
    frame: pd.DataFrame,
    x: Sequence[str],
    y: Sequence[str],
    units: Mapping[str, str],
    bounds: Mapping[str, tuple[float, float]],
    kinds: Mapping[str, str],
) -> None:
    """Raise ValueError unless the columns of :func:`create` are in the table, each chosen once."""
    names = [*x, *y]
    if (folder / CARD).exists():
        refuse_second(folder)
    if not x or not y:
        raise ValueError("Choose at least one input column x and one property column y")
    known = ", ".join(map(str, frame.columns[:30]))
    for name in names:
        if name not in frame.columns:
            raise ValueError(f"There is no column '{name}'; the table has: {known}")
        if names.count(name) > 1:
            raise ValueError(f"The column '{name}' is chosen twice")
    for name in [*units, *bounds, *kinds]:
        of_x = name in bounds or name in kinds
        if name not in names or (of_x and name not in x):
            raise ValueError(f"'{name}' is not among the chosen {'inputs' if of_x else 'columns'}")


def limits_of(
    name: str, data: tuple[float, float], kind: Mapping[str, Any], bounds: tuple[float, float] | None
) -> dict[str, Any]:
    """Card entries of an input: its kind, and bounds, by default the limits of its ``data``."""
    if kind.get("kind") == "category":
        if bounds is not None:
            raise ValueError(f"'{name}' is a category, which has no bounds: fix it by a constraint, {name}=LEVEL")
        return {"low": 0.0, "high": len(kind["levels"]) - 1.0, **kind}
    (low, high), (a, b) = data, bounds or data
    if not (math.isfinite(a) and math.isfinite(b) and a < b and a < high and b > low):
        raise ValueError(f"The bounds {a:g} to {b:g} of {name} hold none of its data, {low:g} to {high:g}")
    return {"low": a, "high": b, **kind}


def refuse_few(frame: pd.DataFrame, names: Sequence[str], d: int, counts: np.ndarray) -> None:
    """Report the missing rows of a table that is too small for a task.

    Raises:
        ValueError: always.
    """
    empty = [name for name in names[d:] if np.isnan(tables.numbers(frame, name)).all()]
    empty += [name for name in names[:d] if frame[name].isna().all()]
    if empty:
        there = frame[empty[0]].dropna().astype(str)
        example = f", as '{there.iloc[0][:40]}' is none" if len(there) else ""
        raise ValueError(f"The column(s) {', '.join(empty)} hold no numbers{example}: leave them out")
    few, count = names[int(counts.argmin())], int(counts.min())
    where = "all inputs and a property" if count == counts.max() else f"all inputs and '{few}'"
    raise ValueError(f"{count} rows with numbers in {where} are too few: {tables.LEAST_ROWS} or more")


def check_width(name: str, column: np.ndarray, log: bool = False) -> None:
    """Raise ValueError if float32 cannot tell a column's values apart; ``log``: on a log scale."""
    if log and WIDTHS[0] ** 2 <= float(np.nanmin(column)) and float(np.nanmax(column)) <= WIDTHS[1] ** 2:
        return
    low, high = float(np.nanmin(column)), float(np.nanmax(column))
    width, size = high / 2 - low / 2, max(abs(low), abs(high)) / 2  # halves cannot overflow
    if not WIDTHS[0] / 2 <= width <= WIDTHS[1] / 2 or width < FINEST * size:
        raise ValueError(
            f"The column '{name}' runs from {low:.8g} to {high:.8g}; accepted: ends that are {WIDTHS[0]:g} to "
            f"{WIDTHS[1]:g} apart, and at least {FINEST:g} of the larger: choose another unit, or subtract a constant"
        )
