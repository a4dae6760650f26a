"""Kind of a table's input: a real number, a whole number or a category; on a linear or a log scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ipage_core.tasks.table.columns import MOST_LEVELS, describe, numbers

KINDS = ("real", "integer", "category", "linear", "log")
"""Accepted settings of an input: the kind of its values, and the scale on which designs are searched."""


def of_input(frame: pd.DataFrame, name: str, said: str = "") -> dict[str, Any]:
    """Card entries of an input beyond a real number on a linear scale; ``said`` overrides the detected kind.

    Words form a category, as do yes and no; ``said`` turns numeric codes into one.

    Raises:
        ValueError: ``said`` is not among ``KINDS``, or the column's values do not fit it.
    """
    words, seen = said.split(), describe(frame, name)
    if wrong := [word for word in words if word not in KINDS]:
        raise ValueError(f"'{wrong[0]}' is no kind of the column '{name}'; accepted: {', '.join(KINDS)}")
    numeric = numbers(frame, name)
    numeric = numeric[~np.isnan(numeric)]
    if "category" in words or seen.kind == "boolean" or (not seen.numeric and seen.kind != "empty"):
        others = [word for word in words if word != "category"]
        if others:
            example = _levels(frame, name)[0]
            raise ValueError(f"The column '{name}' holds categories, as '{example}', which are not '{others[0]}'")
        return {"kind": "category", "levels": _checked_levels(frame, name, "" if "category" in words else seen.kind)}
    if "integer" in words and (numeric != np.round(numeric)).any():
        raise ValueError(
            f"The column '{name}' holds numbers that are not whole, as {numeric[numeric != np.round(numeric)][0]:g}"
        )
    if "log" in words and not (numeric > 0).all():
        raise ValueError(f"The column '{name}' holds {numeric.min():g}; a log scale needs numbers above 0")
    whole = "integer" in words or (seen.kind == "integer" and "real" not in words)
    log = "log" in words or (seen.scale == "log" and "linear" not in words)
    by_name: dict[str, Any] = {"kind": "integer"} if whole else {}
    by_name |= {"levels": list(seen.levels)} if whole and seen.levels else {}
    return by_name | ({"scale": "log"} if log else {})


def as_variable(column: Mapping[str, Any], low: float) -> dict[str, Any]:
    """Card entries of an input beyond its bounds, as arguments of a Variable."""
    if column.get("kind") == "category":
        return {"kind": "category", "levels": tuple(column["levels"])}
    kind = "integer" if column.get("kind") == "integer" else "real"
    return {"kind": kind, "scale": "log" if column.get("scale") == "log" and low > 0 else "linear"}


def values(frame: pd.DataFrame, name: str, column: Mapping[str, Any]) -> np.ndarray:
    """An input (n,) for the engine: numbers, or indices of a category's levels; NaN if missing."""
    if column.get("kind") != "category":
        return numbers(frame, name)
    return places(frame[name], column["levels"])


def places(cells: pd.Series, levels: Sequence[str]) -> np.ndarray:
    """Index of each cell (n,) among the levels of a category, 0, 1, …; NaN if it is none of them.

    Upper and lower case may differ if the level is still unambiguous.
    """
    place = {level: float(k) for k, level in enumerate(levels)}
    small = [level.lower() for level in levels]
    loose = {word: float(k) for k, word in enumerate(small) if small.count(word) == 1}
    words = [None if pd.isna(cell) else _word(cell) for cell in cells]
    return np.array([np.nan if w is None else place.get(w, loose.get(w.lower(), np.nan)) for w in words])


def unknown(cells: pd.Series, levels: Sequence[str]) -> str:
    """The first cell that is not a level; '' if all cells are levels or empty."""
    bad = np.isnan(places(cells, levels)) & cells.notna().to_numpy()
    return _word(cells[bad].iloc[0]) if bad.any() else ""


def _word(cell: Any) -> str:
    """A cell as the level it names: '1' for 1.0."""
    return str(cell).strip() if isinstance(cell, str | bool | np.bool_) else f"{float(cell):.12g}"


def _levels(frame: pd.DataFrame, name: str) -> list[str]:
    """The distinct cells of a column, numbers in ascending order."""
    cells = frame[name].dropna()
    if pd.api.types.is_numeric_dtype(cells) and cells.dtype != bool:
        return [_word(value) for value in np.unique(cells.to_numpy(dtype=np.float64))]
    return sorted({_word(cell) for cell in cells})


def _checked_levels(frame: pd.DataFrame, name: str, kind: str) -> list[str]:
    levels = _levels(frame, name)
    if kind == "date":
        raise ValueError(f"The column '{name}' holds dates, as '{levels[0]}': leave it out, or bring numbers")
    if len(levels) > MOST_LEVELS or kind == "text":
        raise ValueError(
            f"The column '{name}' holds {len(levels)} different words, as '{levels[0][:40]}', too many for a category: "
            f"leave it out; accepted: at most {MOST_LEVELS} that are repeated"
        )
    return levels
