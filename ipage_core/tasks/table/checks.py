"""Checks of a table's columns before they become a task: each refuses with one sentence."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ipage_core.tasks.table import reader as tables
from ipage_core.tasks.table.card import CARD

WIDTHS, FINEST = (1e-15, 1e17), 1e-5
"""Accepted range of a column's width, and its least width relative to the largest value: networks are float32."""

PREFIXES, KELVIN = (1e3, 1e6, 1e9), 273.15
"""Factors between the usual units of a quantity, and the difference between K and °C."""
ALIKE = 0.1, 10.0
"""How much larger converted values may be than the known ones, by the size that ``MOST`` of them have at most."""
FAR, NEAR, MOST = 1.0, 0.5, 0.9
"""Values are in another unit if more than this share of them lies beyond the first number of widths of the known ones,
but within the second once they are converted."""


def refuse_second(folder: Path) -> None:
    """Raise ValueError: the folder holds a task."""
    raise ValueError(
        f"{folder} holds a task already: go on with its training by --resume, name another folder, or add rows to it"
    )


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


def refuse_other_unit(source: str, column: Mapping[str, Any], known: np.ndarray, new: np.ndarray) -> None:
    """Raise ValueError if values to add are those of the column in another unit, by all appearances.

    Args:
        source: the file that they come from.
        column: the column's card.
        known: values that are there; NaN if not measured.
        new: values to add.
    """
    if column.get("kind") == "category":
        return
    known = np.append(known[np.isfinite(known)], [column[end] for end in ("low", "high") if end in column])
    values = new[np.isfinite(new) & (new != 0)]
    if not len(values) or not len(known) or _share(values, known, FAR) >= 1 - MOST:
        return
    for how, converted in _conversions(column, known, values):
        if _share(converted, known, NEAR) > MOST:
            raise ValueError(
                f"{source}: '{column['name']}' is {values.min():g} to {values.max():g}, far from what is there, "
                f"{known.min():g} to {known.max():g}, but not {how}: probably another unit. Nothing is added; "
                "accepted: values in the unit of the table, or --force to add them as they are"
            )


def _share(values: np.ndarray, known: np.ndarray, widths: float) -> float:
    """Share of the values that lie within the range of the known ones, widened by so many widths."""
    low, high = known.min(), known.max()
    margin = widths * (high - low)
    return float(((values >= low - margin) & (values <= high + margin)).mean())


def _conversions(column: Mapping[str, Any], known: np.ndarray, values: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Ways to convert the values into the unit of the known ones, so that they become about as large.

    A column over decades has values of any prefix.
    """
    name, _, unit = column["label"].rstrip("]").partition(" [")
    if unit in ("K", "°C", "C", "degC") or (not unit and re.match(r"t\b|t_|temp", name.lower())):
        yield f"less {KELVIN}", values - KELVIN
        yield f"plus {KELVIN}", values + KELVIN
    if "%" in unit:
        yield "times 100", values * 100
    elif known.min() >= 0 and known.max() <= 1:
        yield "divided by 100, as percent", values / 100
    times_larger = np.quantile(abs(values), MOST) / max(np.quantile(abs(known), MOST), 1e-300)
    for factor in PREFIXES:
        if known.min() <= 0 or known.max() < factor * known.min():
            if ALIKE[0] < times_larger / factor < ALIKE[1]:
                yield f"divided by {factor:g}", values / factor
            if ALIKE[0] < times_larger * factor < ALIKE[1]:
                yield f"times {factor:g}", values * factor
