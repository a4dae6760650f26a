"""Advice on the chosen columns of a table before training."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ipage_core.tasks.table.columns import Column, look, mixtures, numbers

FEW_ROWS, LEAST_ROWS = 20, 50
"""Rows per input below which a table is small; minimum number of rows for training."""
SAME, MOST_LINES = 1 - 1e-6, 5
"""Least correlation of columns that lie on a straight line; maximum number of remarks on them."""
_PROPERTIES = ("y", "y1", "gap", "band_gap", "target")


def guess(columns: Sequence[Column]) -> tuple[list[str], list[str]]:
    """Default (x, y): the last column of numbers is the property, earlier ones that vary are inputs.

    Categories are inputs at any position.
    """
    usable = [c.name for c in columns if c.numeric and not c.constant and not c.index]
    named_y = [name for name in usable if name.lower().split(" ")[0] in _PROPERTIES]
    y = named_y[-1:] or usable[-1:]
    inputs = {c.name for c in columns if is_input(c)}
    return [c.name for c in columns if c.name in inputs and c.name not in y], y


def is_input(column: Column) -> bool:
    """Whether a column may be an input: varying numbers, or a category of two or more levels."""
    category = column.kind in ("category", "boolean")
    return (column.numeric or category) and not column.constant and not column.index


def warnings(frame: pd.DataFrame, x: Sequence[str], y: Sequence[str]) -> list[str]:
    """Warnings about the chosen columns, one sentence each."""
    seen = {column.name: column for column in look(frame[list(dict.fromkeys([*x, *y]))])}
    values = {name: numbers(frame, name) for name, column in seen.items() if column.numeric}
    if not values:
        return []
    lacks = {name: np.isnan(values[name]) if name in values else frame[name].isna().to_numpy() for name in seen}
    inputs = np.stack([lacks[name] for name in x], axis=1).any(axis=1) if x else np.zeros(len(frame), bool)
    outputs = np.stack([lacks[name] for name in y], axis=1) if y else np.zeros((len(frame), 1), bool)
    left_out = inputs | outputs.all(axis=1)
    partly = ~left_out & outputs.any(axis=1)
    complete = ~left_out & ~partly
    notes = []
    if left_out.any():
        lacking = [name for name in seen if (lacks[name] & left_out).any()]
        what = "a value" if len(values) < len(seen) else "a finite number"
        notes.append(
            f"{left_out.sum():,} of {len(frame):,} rows lack {what} in {', '.join(lacking[:5])}: they are left out."
        )
    if partly.any():
        lacking = [name for name in y if (lacks[name] & partly).any()]
        notes.append(
            f"{partly.sum():,} of {len(frame):,} rows lack {', '.join(lacking[:5])}: they train the other properties."
        )
    notes += [
        f"{name} is the same in every row: it says nothing. Leave it out." for name in seen if seen[name].constant
    ]
    notes += [
        f"{name} only numbers the rows: it says nothing of a design. Leave it out." for name in x if seen[name].index
    ]
    rows = int((~left_out).sum())
    if rows < FEW_ROWS * len(x):
        notes.append(
            f"{rows:,} {'complete ' if not partly.any() else ''}rows are few for {len(x)} inputs; below "
            f"{FEW_ROWS * len(x):,} expect rough predictions."
        )
    rows_used = pd.DataFrame({name: values.get(name, frame[name].to_numpy()) for name in seen}).iloc[
        np.flatnonzero(complete)
    ]
    notes += _on_duplicates(rows_used, list(x), [name for name in y if name in values])
    for name in y:
        notes += _on_property(seen[name])
    for name in x:
        notes += _on_input(seen[name])
    parts = set[str]()
    for names, total in mixtures(frame, [name for name in x if seen[name].numeric]):
        parts |= {*names}
        notes.append(f"{' + '.join(names)} is {total:g} in every row: parts of a mixture, and of one in every design.")
    return notes + _on_lines(rows_used, [name for name in x if name not in parts], y)


def _on_lines(frame: pd.DataFrame, x: Sequence[str], y: Sequence[str]) -> list[str]:
    """Columns that lie on a straight line over an input: the same quantity, perhaps in another unit."""
    names = [name for name in dict.fromkeys([*x, *y]) if frame[name].dtype.kind in "fi" and frame[name].nunique() > 2]
    if len(frame) < 3 or len(names) < 2:
        return []
    z = np.stack([_standard(frame[name].to_numpy(dtype=np.float64)) for name in names])
    pairs = np.argwhere(np.triu(np.abs(z @ z.T) / len(frame) > SAME, 1))
    notes = []
    for one, other in ((names[i], names[j]) for i, j in pairs):
        if one in x and other in x:
            notes.append(
                f"{other} follows {one} on a straight line, as one quantity in two units; designs would move each by "
                "itself. Leave one out."
            )
        elif one in x:
            notes.append(f"{other} follows the input {one} on a straight line: is it the same quantity?")
    return notes[:MOST_LINES]


def _standard(values: np.ndarray) -> np.ndarray:
    scaled = values / max(np.abs(values).max(), 1e-300)  # squares of numbers near the end of float64 overflow
    return (scaled - scaled.mean()) / (scaled.std() or 1.0)


def _on_sentinel(column: Column) -> list[str]:
    value = f"{column.sentinel:.12g}"
    return [
        f"{column.name} is {value} in some rows, unlike in all others: probably a marker of missing values. "
        f"Leave those rows out with --missing {value}."
    ]


def _on_property(column: Column) -> list[str]:
    if column.sentinel is not None:
        return _on_sentinel(column)
    if column.spike is None:
        return []
    what = f"{100 * column.share:.0f} % of {column.name} are exactly {column.spike:g}"
    if column.spike == column.low:
        return [f"{what}, its least value: taken as a floor, below which the surrogates may go on smoothly."]
    return [f"{what}, in the midst of its range: the surrogates will smooth that spike out."]


def _on_input(column: Column) -> list[str]:
    if column.kind in ("category", "boolean") and not column.numeric:
        shown = ", ".join(map(str, column.levels[:6])) + (", …" if len(column.levels) > 6 else "")
        notes = [f"{column.name} is a category of {column.distinct} levels ({shown}): each design has one of them."]
        alike: dict[str, list[str]] = {}
        for level in map(str, column.levels):
            alike.setdefault("".join(unicodedata.normalize("NFKC", level).casefold().split()), []).append(level)
        same = [", ".join(map(repr, levels)) for levels in alike.values() if len(levels) > 1]
        return notes + [
            f"{column.name}: {some} differ in case, blanks or form only: are they the same?" for some in same
        ]
    if column.sentinel is not None:
        return _on_sentinel(column)
    notes = []
    if column.spike is not None:
        notes.append(
            f"{100 * column.share:.0f} % of {column.name} are exactly {column.spike:g}: smeared a little in training."
        )
    if column.kind == "integer":
        notes.append(
            f"{column.name} holds whole numbers, {column.low:g} to {column.high:g}: designs do, too, "
            "unless --kinds says otherwise."
        )
    elif column.grid is not None and column.spike is None:
        notes.append(
            f"{column.name} takes only {column.distinct} values, {column.grid:g} apart: designs may lie between them, "
            "unless a constraint fixes it."
        )
    if column.scale == "log":
        notes.append(
            f"{column.name} runs over decades, {column.low:.3g} to {column.high:.3g}: it is searched on a log scale, "
            "unless --kinds says otherwise."
        )
    return notes


def _on_duplicates(frame: pd.DataFrame, x: list[str], y: list[str]) -> list[str]:
    if not x or not y:
        return []
    again = frame.duplicated(x)
    if not again.any():
        return []
    groups = frame.groupby(x, sort=False)[y]
    spread = (groups.max() - groups.min()).to_numpy()
    text = f"{again.sum():,} rows repeat the design of another one"
    if (spread > 0).any():
        return [f"{text}, up to {spread.max():.3g} apart in {', '.join(y)}: that much is not explained by x."]
    return [f"{text}; both are kept on the same side of the held-out split."]
