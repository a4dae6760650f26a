"""Own data: a folder with ``task.json`` and ``rows.safetensors``, and beside them the models trained on it.

There is no Ω. Therefore a tenth of the designs is held out from training and from the selection of weights. The
surrogates' accuracy on these rows is shown before every candidate. Later measurements are added
as another round; the held-out rows stay, so rounds are comparable.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Generator

from ipage_core.networks.store import save_tensors
from ipage_core.problem.task import Task
from ipage_core.runtime.files import PATIENCE, sole_writer
from ipage_core.tasks import TASKS
from ipage_core.tasks.table import kinds as kinds_of
from ipage_core.tasks.table import reader as tables
from ipage_core.tasks.table.card import CARD, label_of, read_card, slug, write_card
from ipage_core.tasks.table.checks import (
    check_choice,
    check_width,
    limits_of,
    refuse_few,
    refuse_other_unit,
    refuse_second,
)
from ipage_core.tasks.table.columns import mixtures
from ipage_core.tasks.table.density import floor_of
from ipage_core.tasks.table.own_task import load
from ipage_core.tasks.table.rows import ROWS, measured

HELD_OUT = 0.1
"""Share of the designs held out from training."""
TOLERANCE = 0.02
"""Tolerance of a target, in units of the standard deviation of the property that varies least."""


class AllThere(ValueError):
    """Every row to add is in the data already."""


def create(
    folder: Path,
    frame: pd.DataFrame,
    x: Sequence[str],
    y: Sequence[str],
    *,
    source: str,
    title: str = "",
    units: Mapping[str, str] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    kinds: Mapping[str, str] | None = None,
    decimal: str | None = None,
) -> Task:
    """Create a task from a table's columns and store it in ``folder``.

    Args:
        folder: new, or without another task.
        frame: from :func:`ipage_core.tasks.table.reader.read`.
        x: names of the input columns.
        y: names of the properties.
        source: the file's name, for the card.
        title: title on pages; the folder's name if empty.
        units: by column; by default the unit in brackets in the column's name.
        bounds: limits of designs by input column; by default those of the data.
        kinds: by input column, words of ``kinds.KINDS`` separated by blanks; by default detected.
        decimal: decimal mark of the file, for the card.

    A row needs all inputs and at least one property; it trains the properties that it has.

    Raises:
        ValueError: columns are missing, constant or chosen twice, too few rows, numbers that float32 cannot tell apart,
            bounds that hold no data.
    """
    names, units, bounds, kinds = [*x, *y], units or {}, bounds or {}, kinds or {}
    check_choice(folder, frame, x, y, units, bounds, kinds)
    by_name = {name: kinds_of.of_input(frame, name, kinds.get(name, "")) for name in x}
    values, row = _usable(frame, by_name, y)
    counts = (~np.isnan(values)).sum(0)
    if counts.min() < tables.LEAST_ROWS:
        refuse_few(frame, names, len(x), counts)
    for name, column in zip(names, values.T, strict=True):
        low, high = np.nanmin(column), np.nanmax(column)
        if low == high:
            same = by_name[name]["levels"][int(low)] if "category" in by_name.get(name, {}).values() else f"{low:g}"
            raise ValueError(f"The column '{name}' is {same} in every row: leave it out")
        check_width(name, column, by_name.get(name, {}).get("scale") == "log")
    columns: dict[str, list[dict[str, Any]]] = {"x": [], "y": []}
    for j, name in enumerate(names):
        low, high = float(np.nanmin(values[:, j])), float(np.nanmax(values[:, j]))
        column = {"name": name, "label": label_of(name, units.get(name))}
        if j < len(x):
            column |= limits_of(name, (low, high), by_name[name], bounds.get(name))
        else:
            column |= {"tolerance": float(f"{TOLERANCE * np.nanstd(values[:, j]):.1g}")}
        columns["x" if j < len(x) else "y"].append(column)
    held_out = _split(values[:, : len(x)])
    for name, column in zip(names, values[~held_out].T, strict=True):
        if len(np.unique(column[~np.isnan(column)])) < 2:
            raise ValueError(
                f"The column '{name}' differs only in the rows that are held out for the test of accuracy: leave it "
                "out, or add rows in which it differs"
            )
    name = slug(folder.name)
    name = f"own-{name}" if name in TASKS and TASKS[name].models_folder is None else name
    card = {
        "name": name,
        "title": title or folder.name,
        **columns,
        "tolerance": float(f"{TOLERANCE * np.nanstd(values[:, len(x) :], axis=0).min():.1g}"),
        "default_target": [float(f"{v:.3g}") for v in _usual(values[:, len(x) :])],
        "rounds": [_round(source, values)],
    }
    if decimal == ",":
        card["decimal"] = decimal
    numeric = [name for name in x if by_name[name].get("kind") != "category"]
    sums = mixtures(pd.DataFrame(values[:, : len(x)], columns=list(x))[numeric], numeric)
    if sums:
        card["sums"] = [{"x": [list(x).index(name) for name in parts], "total": total} for parts, total in sums]
    tensors = {
        "x": values[:, : len(x)],
        "y": values[:, len(x) :],
        "held_out": held_out,
        "round": np.zeros(len(values), dtype=np.int32),
        "row": row,
    }
    with sole_writer(folder, PATIENCE):
        if (folder / CARD).exists():
            refuse_second(folder)
        save_tensors(folder / ROWS, {key: torch.from_numpy(np.ascontiguousarray(v)) for key, v in tensors.items()})
        write_card(folder, card)
        return load(folder)


def add(folder: Path, frame: pd.DataFrame, *, source: str, as_they_are: bool = False) -> int:
    """Add measured results as another round; skip rows that lack an input or all properties. → number of added rows.

    ``as_they_are``: also values that seem to be in another unit than those that are there.

    Raises:
        ValueError: columns are missing, a category has a new level, no row is usable, values are in another unit, or
            another run is writing.
        AllThere: all rows exist already.
    """
    read_card(folder)  # a folder without data gets no lock
    with sole_writer(folder, PATIENCE):
        return _add(folder, frame, source, as_they_are)


def _add(folder: Path, frame: pd.DataFrame, source: str, as_they_are: bool) -> int:
    card, old = read_card(folder), measured(folder)
    names = [column["name"] for column in (*card["x"], *card["y"])]
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise ValueError(f"{source} lacks the column(s) {', '.join(missing)}; it needs {', '.join(names)}")
    inputs = {column["name"]: column for column in card["x"]}
    for name, column in inputs.items():
        if column.get("kind") == "category" and (word := kinds_of.unknown(frame[name], column["levels"])):
            levels = ", ".join(column["levels"])
            raise ValueError(
                f"{source}: '{word[:40]}' is no level of {name}, which has {levels}; a new one needs new data"
            )
    values, row = _usable(frame, inputs, [column["name"] for column in card["y"]])
    if not len(values):
        raise ValueError(
            f"{source} has no row with all of {', '.join(inputs)} and a property: fill in what was measured"
        )
    there = {line.tobytes() for line in torch.cat((old.x, old.y), dim=1).numpy()}
    new = np.array([line.tobytes() not in there for line in values])
    if not new.any():
        raise AllThere(f"All {len(values)} rows of {source} that can be used are in the data already")
    values, row, d = values[new], row[new], len(card["x"])
    if not as_they_are:
        for column, known, came in zip((*card["x"], *card["y"]), torch.cat((old.x, old.y), 1).T, values.T, strict=True):
            refuse_other_unit(source, column, known.numpy(), came)
    for name, column in zip(names, np.concatenate((torch.cat((old.x, old.y), dim=1).numpy(), values)).T, strict=True):
        check_width(name, column, next((c.get("scale") == "log" for c in card["x"] if c["name"] == name), False))
    added = {
        "x": values[:, :d],
        "y": values[:, d:],
        "held_out": np.zeros(len(values), dtype=bool),
        "round": np.full(len(values), len(card["rounds"]), dtype=np.int32),
        "row": row,
    }
    tensors = {
        key: torch.cat((getattr(old, key), torch.from_numpy(np.ascontiguousarray(v)).to(getattr(old, key).dtype)))
        for key, v in added.items()
    }
    save_tensors(folder / ROWS, tensors)  # if the next line fails, load() ignores these rows
    write_card(folder, card | {"rounds": [*card["rounds"], _round(source, values)]})
    return len(values)


def _usable(
    frame: pd.DataFrame, inputs: Mapping[str, Mapping[str, Any]], properties: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Rows (n, d + m) with every input and a property, NaN for missing properties; their row numbers, from 1."""
    x = np.stack([kinds_of.values(frame, name, column) for name, column in inputs.items()], axis=1)
    y = np.stack([tables.numbers(frame, name) for name in properties], axis=1)
    fine = ~np.isnan(x).any(axis=1) & ~np.isnan(y).all(axis=1)
    return np.concatenate((x, y), axis=1)[fine], np.flatnonzero(fine) + 1


def _round(source: str, values: np.ndarray) -> dict[str, Any]:
    digest = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
    return {"source": source, "rows": len(values), "sha256": digest}


def _split(x: np.ndarray) -> np.ndarray:
    """(n,) bool: held out. Rows of the same design stay together."""
    _, design = np.unique(x, axis=0, return_inverse=True)
    design = design.reshape(-1)
    count = int(design.max()) + 1
    order = torch.randperm(count, generator=Generator().manual_seed(0)).numpy()
    chosen = np.zeros(count, dtype=bool)
    chosen[order[: max(1, round(HELD_OUT * count))]] = True
    return chosen[design]


def _usual(y: np.ndarray) -> np.ndarray:
    """A default target: the row nearest to the medians, among rows above their floors. (n, m) → (m,)."""
    if np.isnan(y).any():
        complete = y[~np.isnan(y).any(axis=1)]
        if not len(complete):
            return np.nanmedian(y, axis=0)
        y = complete
    floors = [floor_of(torch.from_numpy(column.copy())) for column in y.T]
    free = np.ones(len(y), dtype=bool)
    for column, floor in zip(y.T, floors, strict=True):
        free &= column > floor if floor is not None else True
    rows = y[free] if free.any() else y
    middle = np.median(rows, axis=0)
    return rows[np.linalg.norm((rows - middle) / (rows.std(0) + 1e-300), axis=1).argmin()]
