"""What one should know of the chosen columns of a table before anything is learnt from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ipage_core.tasks.table.columns import Column, look, mixtures, numbers

FEW_ROWS, LEAST_ROWS = 20, 50
"""Rows for each input below which a table is small; rows below which nothing is learnt from it."""
_PROPERTIES = ("y", "y1", "gap", "band_gap", "target")


def guess(columns: Sequence[Column]) -> tuple[list[str], list[str]]:
    """(x, y) to begin with: the last column of numbers is the property, those before it that vary are inputs."""
    usable = [c.name for c in columns if c.numeric and not c.constant and not c.index]
    named_y = [name for name in usable if name.lower().split(" ")[0] in _PROPERTIES]
    y = named_y[-1:] or usable[-1:]
    return [name for name in usable if name not in y], y


def warnings(frame: pd.DataFrame, x: Sequence[str], y: Sequence[str]) -> list[str]:
    """What one should know of the chosen columns, a sentence each."""
    seen = {column.name: column for column in look(frame[list(dict.fromkeys([*x, *y]))])}
    values = {name: numbers(frame, name) for name, column in seen.items() if column.numeric}
    if not values:
        return []
    complete = ~np.isnan(np.stack(list(values.values()), axis=1)).any(axis=1)
    told = []
    if not complete.all():
        lacking = [name for name, column in values.items() if np.isnan(column).any()]
        told.append(
            f"{(~complete).sum():,} of {len(frame):,} rows lack a finite number in {', '.join(lacking[:5])}: they are "
            "left out."
        )
    told += [f"{name} is the same in every row: it says nothing. Leave it out." for name in seen if seen[name].constant]
    told += [
        f"{name} only numbers the rows: it says nothing of a design. Leave it out." for name in x if seen[name].index
    ]
    rows = int(complete.sum())
    if rows < FEW_ROWS * len(x):
        told.append(
            f"{rows:,} complete rows are few for {len(x)} inputs; below {FEW_ROWS * len(x):,} expect rough predictions."
        )
    told += _on_duplicates(pd.DataFrame(values)[complete], [n for n in x if n in values], [n for n in y if n in values])
    for name in y:
        told += _on_property(seen[name])
    for name in x:
        told += _on_input(seen[name])
    for names, total in mixtures(frame, [name for name in x if seen[name].numeric]):
        told.append(f"{' + '.join(names)} is {total:g} in every row: parts of a mixture, and of one in every design.")
    return told


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
    if column.sentinel is not None:
        return _on_sentinel(column)
    told = []
    if column.spike is not None:
        told.append(
            f"{100 * column.share:.0f} % of {column.name} are exactly {column.spike:g}: smeared a little in training."
        )
    elif column.kind == "integer":
        told.append(
            f"{column.name} holds whole numbers, {column.low:g} to {column.high:g}: designs do, too, "
            "unless --kinds says otherwise."
        )
    elif column.grid is not None:
        told.append(
            f"{column.name} takes only {column.distinct} values, {column.grid:g} apart: designs may lie between them, "
            "unless a constraint fixes it."
        )
    if column.scale == "log":
        told.append(
            f"{column.name} runs over decades, {column.low:.3g} to {column.high:.3g}: it is searched on a log scale, "
            "unless --kinds says otherwise."
        )
    return told


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
