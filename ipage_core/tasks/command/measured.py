"""Measured rows that a problem began with, in ``measured.parquet``, apart from the results of Ω in ``rows.parquet``.

They train models and start campaigns. They never stand for a result of Ω: a design that equals a measured one is
evaluated like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ipage_core.problem.variable import Property, Variable, name_and_unit
from ipage_core.runtime.files import replacing
from ipage_core.tasks.command.card import Card
from ipage_core.tasks.command.columns import property_, variable
from ipage_core.tasks.command.rows import Floats, numbers_of, whole
from ipage_core.tasks.table import kinds, own_data, own_task
from ipage_core.tasks.table.card import label_of, read_card, write_card
from ipage_core.tasks.table.names import choose
from ipage_core.tasks.table.reader import numbers
from ipage_core.tasks.table.rows import measured
from ipage_core.tasks.table.table import Table

MEASURED = "measured.parquet"


def read(folder: Path, card: Card) -> tuple[Floats, Floats]:
    """The measured rows within the bounds, x (n, d) and y (n, m), NaN where nothing was measured; maybe none.

    Raises:
        ValueError: the file is damaged.
    """
    path = folder / MEASURED
    written = path.stat().st_mtime_ns if path.exists() else 0
    return _read(path, card.variables, tuple(card.y_names), written)


@lru_cache(maxsize=8)
def _read(path: Path, variables: tuple[Variable, ...], y_names: tuple[str, ...], written: int) -> tuple[Floats, Floats]:
    if not written:
        return np.empty((0, len(variables))), np.empty((0, len(y_names)))
    try:
        frame = whole(path)
        x = np.stack([numbers_of(v, frame[v.name]) for v in variables], axis=1)
        y = frame[list(y_names)].to_numpy(dtype=np.float64)
    except Exception as error:  # pyarrow raises any exception on a damaged file
        raise ValueError(f"{path} is damaged: {str(error)[:100]}") from None
    low, high = np.array([[v.low for v in variables], [v.high for v in variables]])
    inside = ((x >= low) & (x <= high)).all(axis=1)
    return x[inside], y[inside]


def files(folder: Path) -> tuple[str, ...]:
    """Names of the files that the measured rows came from."""
    path = folder / MEASURED
    sources: Sequence[str] = whole(path)["source"].unique().tolist() if path.exists() else []
    return tuple(name for source in sources for name in str(source).split(", "))


def write(folder: Path, card: Card, x: Floats, y: Floats, source: Sequence[str]) -> None:
    """Write rows x (n, d), y (n, m), and their files of origin (n,)."""
    columns: dict[str, Any] = {
        v.name: [v.show(value) for value in column] for v, column in zip(card.variables, x.T, strict=True)
    }
    columns |= dict(zip(card.y_names, y.T, strict=True))
    with replacing(folder / MEASURED) as beside:
        pd.DataFrame(columns | {"source": list(source)}).to_parquet(beside, index=False)


def of_table(
    table: Table, x: Sequence[str], y: Sequence[str]
) -> tuple[tuple[Variable, ...], tuple[Property, ...], Floats, Floats]:
    """Inputs (d,), properties (m,) and rows x (n, d), y (n, m) of a table; a row needs all inputs and a property.

    Args:
        table: the table.
        x: a column's name, several with commas, or an input as in
            :func:`ipage_core.tasks.command.columns.variable`; without bounds, those of the data.
        y: a column's name, several with commas, or a property with its tolerance; the default is 2 % of the column's
            standard deviation.

    Raises:
        ValueError: a column is missing or constant, or no row is usable.
    """
    names, frame = list(table.columns), table.frame
    inputs = [one for text in x for one in _inputs(table, names, text)]
    targets = [one for text in y for one in _targets(table, names, text)]
    if not inputs or not targets:
        raise ValueError("At least one input --x and one property --y are needed: names of the table's columns")
    variables, properties = tuple(v for _, v in inputs), tuple(v for _, v in targets)
    columns = [
        kinds.values(frame, name, {"kind": v.kind, "levels": v.levels} if v.kind == "category" else {})
        for name, v in inputs
    ]
    values, results = np.stack(columns, axis=1), np.stack([numbers(frame, name) for name, _ in targets], axis=1)
    whole = ~np.isnan(values).any(axis=1) & ~np.isnan(results).all(axis=1)
    if not whole.any():
        raise ValueError(f"{table.source} has no row with all inputs and a property")
    return variables, properties, values[whole], results[whole]


def _inputs(table: Table, names: list[str], text: str) -> list[tuple[str, Variable]]:
    """Columns and inputs that one ``--x`` stands for."""
    label, sign, _ = text.rpartition("=")
    if sign and text not in names:
        return [(choose(names, label.strip())[0], variable(text))]
    pairs = []
    for name in choose(names, text):
        entries = kinds.of_input(table.frame, name)
        label = label_of(name, table.units.get(name))
        values = kinds.values(table.frame, name, entries)
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        if low == high:
            raise ValueError(
                f"The column '{name}' is the same in every row: leave it out, or give bounds, {name}=LOW:HIGH"
            )
        pairs.append((name, Variable(*name_and_unit(label), low, high, **kinds.as_variable(entries, low))))
    return pairs


def _targets(table: Table, names: list[str], text: str) -> list[tuple[str, Property]]:
    """Columns and properties that one ``--y`` stands for."""
    if text not in names and ("±" in text or "+-" in text or "+/-" in text):
        v = property_(text)
        return [(choose(names, v.label)[0] if v.label in names else choose(names, v.name)[0], v)]
    pairs = []
    for name in choose(names, text):
        column = numbers(table.frame, name)
        with np.errstate(over="ignore"):  # of 1e308 in a cell, which is refused later
            spread = float(np.nanstd(column)) if np.isfinite(column).any() else 0.0
        if not spread > 0:
            raise ValueError(f"The column '{name}' is the same in every row, or holds no numbers: leave it out")
        label = label_of(name, table.units.get(name))
        pairs.append((name, Property(*name_and_unit(label), float(f"{own_data.TOLERANCE * spread:.1g}"))))
    return pairs


def of_folder(folder: Path) -> tuple[tuple[Variable, ...], tuple[Property, ...], Floats, Floats, list[str]]:
    """Inputs, properties, rows and their sources of own data in a folder, all rounds of them.

    Raises:
        ValueError: the folder holds no own data.
    """
    task, rows, card = own_task.load(folder), measured(folder), read_card(folder)
    sources = [card["rounds"][k]["source"] for k in rows.round.tolist()]
    return task.variables, task.targets, rows.x.numpy(), rows.y.numpy(), sources


def as_own_data(folder: Path, table: Table, x: Sequence[str], y: Sequence[str], title: str) -> None:
    """Make own data without any Ω from a table; arguments as in :func:`of_table`.

    Raises:
        ValueError: as :func:`of_table` and :func:`ipage_core.tasks.table.own_data.create`.
    """
    names = list(table.columns)
    inputs = [one for text in x for one in _inputs(table, names, text)]
    targets = [one for text in y for one in _targets(table, names, text)]
    real = {name: v for name, v in inputs if v.kind != "category"}
    own_data.create(
        folder,
        table.frame,
        [name for name, _ in inputs],
        [name for name, _ in targets],
        source=table.source,
        title=title,
        decimal=table.guessed.decimal,
        units={name: one.unit for name, one in inputs if one.unit}
        | {name: one.unit for name, one in targets if one.unit},
        bounds={name: (v.low, v.high) for name, v in real.items()},
        kinds={name: f"{v.kind} {v.scale}" for name, v in real.items()}
        | {name: "category" for name, v in inputs if v.kind == "category"},
    )
    card = read_card(folder)
    tolerances = [v.tolerance for _, v in targets]
    columns = [c | {"tolerance": t} for c, t in zip(card["y"], tolerances, strict=True)]
    write_card(folder, card | {"y": columns, "tolerance": min(tolerances)})
