"""Own data as a task: a folder with ``task.json`` and ``rows.safetensors``, and beside them the models trained on it.

There is no Ω. Therefore a tenth of the designs is held out from training and from the selection of weights. The
surrogates' accuracy on these rows is shown before every candidate. Later measurements are added
as another round; the held-out rows stay, so rounds are comparable.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Generator, Tensor

from ipage_core.networks.store import save_tensors
from ipage_core.problem.recipe import Recipe
from ipage_core.problem.task import Property, Task, Variable
from ipage_core.problem.variable import name_and_unit
from ipage_core.runtime.files import PATIENCE, sole_writer
from ipage_core.runtime.lazy import late
from ipage_core.tasks import TASKS
from ipage_core.tasks.table import kinds as kinds_of
from ipage_core.tasks.table import reader as tables
from ipage_core.tasks.table.card import CARD, inert, label_of, read_card, safe_label, slug, write_card
from ipage_core.tasks.table.columns import mixtures
from ipage_core.tasks.table.density import floor_of, smears_of, support_of
from ipage_core.tasks.table.lattice import lattice, lattice_in_angstrom
from ipage_core.tasks.table.rows import ROWS, complete_pairs, measured

HELD_OUT = 0.1
"""Share of the designs held out from training."""
TOLERANCE = 0.02
"""Tolerance of a target, in units of the standard deviation of the property that varies least."""
WIDTHS, FINEST = (1e-15, 1e17), 1e-5
"""Accepted range of a column's width, and its least width relative to the largest value: networks are float32."""
STEPS, ROWS_AN_EPOCH = 3000, 10_000
"""Approximate number of training steps of a network; maximum number of rows per epoch."""
MOST_ROWS, MOST_PROPERTIES = 2000, 12
"""Limits of a table with Gaussian processes: their cost grows with the cube of the number of rows."""
FORMATS = ("cif", "poscar", "extxyz")
"""Structure formats of designs whose inputs are a lattice."""


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

    A row needs all inputs and at least one property; it trains the properties that it has.

    Raises:
        ValueError: columns are missing, constant or chosen twice, too few rows, numbers that float32 cannot tell apart,
            bounds that hold no data.
    """
    names, units, bounds, kinds = [*x, *y], units or {}, bounds or {}, kinds or {}
    _check_choice(folder, frame, x, y, units, bounds, kinds)
    by_name = {name: kinds_of.of_input(frame, name, kinds.get(name, "")) for name in x}
    values, row = _usable(frame, by_name, y)
    counts = (~np.isnan(values)).sum(0)
    if counts.min() < tables.LEAST_ROWS:
        _refuse_few(frame, names, len(x), counts)
    for name, column in zip(names, values.T, strict=True):
        low, high = np.nanmin(column), np.nanmax(column)
        if low == high:
            same = by_name[name]["levels"][int(low)] if "category" in by_name.get(name, {}).values() else f"{low:g}"
            raise ValueError(f"The column '{name}' is {same} in every row: leave it out")
        _check_width(name, column, by_name.get(name, {}).get("scale") == "log")
    columns: dict[str, list[dict[str, Any]]] = {"x": [], "y": []}
    for j, name in enumerate(names):
        low, high = float(np.nanmin(values[:, j])), float(np.nanmax(values[:, j]))
        column = {"name": name, "label": label_of(name, units.get(name))}
        if j < len(x):
            column |= _limits(name, (low, high), by_name[name], bounds.get(name))
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
            _refuse_second(folder)
        save_tensors(folder / ROWS, {key: torch.from_numpy(np.ascontiguousarray(v)) for key, v in tensors.items()})
        write_card(folder, card)
        return load(folder)


def _refuse_second(folder: Path) -> None:
    raise ValueError(f"{folder} holds a task already: name another folder, or add rows to it")


def _check_choice(
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
        _refuse_second(folder)
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


def _limits(
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


def add(folder: Path, frame: pd.DataFrame, *, source: str) -> int:
    """Add measured results as another round; skip rows that lack an input or all properties. → number of added rows.

    Raises:
        ValueError: columns are missing, a category has a new level, no row is usable, or another run is writing.
        AllThere: all rows exist already.
    """
    read_card(folder)  # a folder without data gets no lock
    with sole_writer(folder, PATIENCE):
        return _add(folder, frame, source)


def _add(folder: Path, frame: pd.DataFrame, source: str) -> int:
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
    for name, column in zip(names, np.concatenate((torch.cat((old.x, old.y), dim=1).numpy(), values)).T, strict=True):
        _check_width(name, column, next((c.get("scale") == "log" for c in card["x"] if c["name"] == name), False))
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


def note_accuracy(folder: Path, model: str, accuracy: dict[str, Any]) -> None:
    """Add a trained model's held-out accuracy to the history, with the last round in its training data."""
    with sole_writer(folder, PATIENCE):
        card = read_card(folder)
        rounds = [dict(r) for r in card["rounds"]]
        rounds[-1]["held_out"] = rounds[-1].get("held_out", {}) | {model: accuracy}
        write_card(folder, card | {"rounds": rounds})


def load(folder: Path) -> Task:
    """The task in ``folder``.

    Raises:
        ModelUnavailable: there is none, or it is damaged.
    """
    folder = folder.resolve()
    card, all_rows = read_card(folder), measured(folder)
    bounds = torch.tensor([[c["low"], c["high"]] for c in card["x"]], dtype=torch.float64).T
    training = all_rows.x[~all_rows.held_out]

    def stored() -> tuple[Tensor, Tensor]:
        rows = measured(folder)
        return complete_pairs(rows.x[~rows.held_out], rows.y[~rows.held_out])

    def training_pairs(model: str, surrogate: Callable[[], Any]) -> tuple[Tensor, Tensor, dict[str, Any]]:
        """Rows with gaps for the surrogate; for a flow, the surrogate's predictions fill the gaps."""
        rows = measured(folder)
        x, y = rows.x[~rows.held_out], rows.y[~rows.held_out]
        if model != "mlp" and bool(y.isnan().any()):
            with torch.no_grad():
                y = torch.where(y.isnan(), surrogate().predict(x), y)
        return x, y, {"from": task.source}

    def held_out() -> tuple[Tensor, Tensor]:
        rows = measured(folder)
        return rows.x[rows.held_out], rows.y[rows.held_out]

    def sample_prior(n: int, generator: Generator) -> Tensor:
        """Measured designs, with replacement."""
        x = stored()[0]
        return x[torch.randint(len(x), (n,), generator=generator)].clamp(*bounds)

    task = Task(
        name=card["name"],
        title=inert(card["title"]),
        variables=tuple(
            Variable(*name_and_unit(safe_label(c["label"])), low, high, **kinds_of.as_variable(c, low))
            for c, (low, high) in zip(card["x"], bounds.T.tolist(), strict=True)
        ),
        properties=tuple(
            Property(
                *name_and_unit(safe_label(c["label"])), c.get("tolerance", card["tolerance"]), floor=floor_of(column)
            )
            for c, column in zip(card["y"], all_rows.y[~all_rows.held_out].T, strict=True)
        ),
        n_targets=len(card["y"]),
        sample_prior=sample_prior,
        omega=None,
        omega_seconds=math.inf,
        default_target=tuple(card["default_target"]),
        source=inert(", ".join(r["source"] for r in card["rounds"])),
        support=tuple(
            None if c.get("kind") == "category" else support_of(column, *limits)
            for c, column, limits in zip(card["x"], training.T, bounds.T.tolist(), strict=True)
        ),
        dequantize=smears_of(card, training),
        stored=stored,
        training_pairs=training_pairs,
        held_out=held_out,
        networks=networks,
        models_folder=folder,
        data_folder=folder,
        note_accuracy=partial(note_accuracy, folder),
        relations=_relation(card),
        columns=tuple(c["name"] for c in card["x"]),
        data_size=len(training),
    )
    formats = FORMATS if lattice(task) is not None else ()
    return replace(
        task,
        recipes=recipes(task),
        export_formats=formats,
        export=partial(_export, task),
        describe_accuracy=partial(late("ipage_core.tasks.table.candidates:describe_accuracy"), task),
        beside=partial(late("ipage_core.tasks.table.candidates:named_beside"), task),
        more_summary=partial(late("ipage_core.tasks.table.candidates:summary"), task),
        to_measure=partial(late("ipage_core.tasks.table.candidates:to_measure"), task),
    )


def recipes(task: Task) -> dict[str, Recipe]:
    """Training recipes for models of own data, with the same number of steps for every table.

    Small tables use small batches and many epochs; for large ones an epoch is a part of them. If localization can use
    Gaussian processes, the ensemble takes half the steps. The flows, which only give its starts, then take a tenth, in
    larger batches: such tables train in seconds.
    """
    rows = min(task.data_size, ROWS_AN_EPOCH)
    small = max(25, min(250, rows // 20))

    def settings(steps: int, batch: int) -> dict[str, Any]:
        epochs = max(30, min(150, round(steps * batch / rows)))
        return {"learning_rate": 5e-3, "epochs": epochs, "batch": batch, "epoch_size": ROWS_AN_EPOCH}

    surrogate = flow = settings(STEPS, small)
    if rows <= MOST_ROWS and task.n_targets <= MOST_PROPERTIES:
        surrogate, flow = settings(STEPS // 2, small), settings(STEPS // 10, max(25, min(250, rows // 4)))
    # A decay of 0.3 lowered R² of held-out band gaps from 0.994 to 0.988.
    arguments = {"members": 8, "hidden": 128, "floor": [known.floor for known in task.targets]}
    return {"mlp": Recipe(arguments, surrogate, "table"), "inn": Recipe(settings=flow), "cinn": Recipe(settings=flow)}


def _export(task: Task, frame: pd.DataFrame, form: str) -> dict[str, bytes]:
    from ipage_core.tasks.table import export

    result = lattice_in_angstrom(task)
    if result is None:
        raise ValueError(f"{task.name} has no structure files: its inputs are not a, b, c, alpha, beta, gamma")
    order, factors = result
    columns = [f"x{j + 1}" for j in order]
    converted = frame.assign(**{c: frame[c] * factor for c, factor in zip(columns, factors, strict=True)})
    return export.files(converted, form, columns, task.name)


def networks() -> dict[str, type]:
    """The surrogate of tables: for each property the model that the rows select."""
    from ipage_core.tasks.table.surrogate import TableSurrogate

    return {"table": TableSurrogate}


def named(task: Task, frame: pd.DataFrame) -> pd.DataFrame:
    """``solutions.csv`` with the table's own names after its numbered columns, as in the file of designs to measure.

    A property appears as 'gap predicted', because its bare name would suggest a measurement. A name that the
    frame already uses gets the suffix ' (own)'.
    """
    assert task.models_folder is not None
    card = read_card(task.models_folder)
    added = {column["name"]: shown(task, j, frame[f"x{j + 1}"]) for j, column in enumerate(card["x"])}
    added |= {f"{column['name']} predicted": frame[f"surrogate{j + 1}"] for j, column in enumerate(card["y"])}
    return frame.assign(**{f"{name} (own)" if name in frame else name: column for name, column in added.items()})


def shown(task: Task, j: int, column: pd.Series) -> pd.Series:
    """Coordinate j of designs as in the table: a category by its levels."""
    variable = task.variables[j]
    return column.map(variable.show) if variable.kind == "category" else column


def property_names(task: Task) -> tuple[str, ...]:
    """The properties' names in the table; none for a task without a table."""
    return () if task.data_folder is None else tuple(column["name"] for column in read_card(task.data_folder)["y"])


def _relation(card: Mapping[str, Any]) -> tuple[str, ...]:
    """Mixture constraints with parts by position; none if a column's own name equals the position of another one."""
    taken = {column["name"] for column in card["x"]} & {f"x{j + 1}" for j in range(len(card["x"]))}
    return tuple(
        f"{' + '.join(f'x{j + 1}' for j in result['x'])} = {result['total']:g}"
        for result in card.get("sums", [])
        if not taken
    )


def _usable(
    frame: pd.DataFrame, inputs: Mapping[str, Mapping[str, Any]], properties: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Rows (n, d + m) with every input and a property, NaN for missing properties; their row numbers, from 1."""
    x = np.stack([kinds_of.values(frame, name, column) for name, column in inputs.items()], axis=1)
    y = np.stack([tables.numbers(frame, name) for name in properties], axis=1)
    fine = ~np.isnan(x).any(axis=1) & ~np.isnan(y).all(axis=1)
    return np.concatenate((x, y), axis=1)[fine], np.flatnonzero(fine) + 1


def _refuse_few(frame: pd.DataFrame, names: Sequence[str], d: int, counts: np.ndarray) -> None:
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


def _check_width(name: str, column: np.ndarray, log: bool = False) -> None:
    if log and WIDTHS[0] ** 2 <= float(np.nanmin(column)) and float(np.nanmax(column)) <= WIDTHS[1] ** 2:
        return
    low, high = float(np.nanmin(column)), float(np.nanmax(column))
    width, size = high / 2 - low / 2, max(abs(low), abs(high)) / 2  # halves cannot overflow
    if not WIDTHS[0] / 2 <= width <= WIDTHS[1] / 2 or width < FINEST * size:
        raise ValueError(
            f"The column '{name}' runs from {low:.8g} to {high:.8g}; accepted: ends that are {WIDTHS[0]:g} to "
            f"{WIDTHS[1]:g} apart, and at least {FINEST:g} of the larger: choose another unit, or subtract a constant"
        )


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
