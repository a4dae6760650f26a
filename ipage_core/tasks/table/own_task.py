"""Own data as a task without Ω: its rows, bounds and tolerances, and how its networks are trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Generator, Tensor

from ipage_core.problem.recipe import Recipe
from ipage_core.problem.task import Property, Task, Variable
from ipage_core.problem.variable import name_and_unit
from ipage_core.runtime.lazy import late
from ipage_core.tasks.table import kinds as kinds_of
from ipage_core.tasks.table.card import inert, note_accuracy, read_card, safe_label
from ipage_core.tasks.table.density import floor_of, smears_of, support_of
from ipage_core.tasks.table.lattice import lattice, lattice_in_angstrom
from ipage_core.tasks.table.rows import complete_pairs, measured
from ipage_core.tasks.table.scales import least_of_decades

STEPS, ROWS_AN_EPOCH = 3000, 10_000
"""Approximate number of training steps of a network; maximum number of rows per epoch."""
MOST_ROWS, MOST_PROPERTIES, MOST_SHARED = 2000, 12, 4000
"""Limits of a table with Gaussian processes, whose cost grows with the cube of the number of rows: rows and properties
if each property has its own kernel, rows if all share one."""
FORMATS = ("cif", "poscar", "extxyz")
"""Structure formats of designs whose inputs are a lattice."""


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
                *name_and_unit(safe_label(c["label"])),
                c.get("tolerance", card["tolerance"]),
                floor=floor_of(column),
                least=least_of_decades(column),
            )
            for c, column in zip(card["y"], all_rows.y[~all_rows.held_out].T, strict=True)
        ),
        n_targets=len(card["y"]),
        sample_prior=sample_prior,
        omega=None,
        omega_seconds=math.inf,
        default_target=tuple(card["default_target"]),
        source=inert(", ".join(r["source"] for r in card["rounds"])),
        decimal="," if card.get("decimal") == "," else ".",
        files=tuple(name for r in card["rounds"] for name in r["source"].split(", ")),
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
    Gaussian processes, the flows, which only give its starts, take a tenth of the steps, in larger batches. If each
    property has its own process, the ensemble takes half the steps: such tables train in seconds. Flows learn by their
    likelihood alone: beside it, the paper's MMD terms improve no density, and cost a third of the training.
    """
    rows = min(task.data_size, ROWS_AN_EPOCH)
    small = max(25, min(250, rows // 20))

    def settings(steps: int, batch: int) -> dict[str, Any]:
        epochs = max(30, min(150, round(steps * batch / rows)))
        return {"learning_rate": 5e-3, "epochs": epochs, "batch": batch, "epoch_size": ROWS_AN_EPOCH}

    surrogate = flow = settings(STEPS, small)
    short = settings(STEPS // 10, max(25, min(250, rows // 4)))
    if task.n_targets > MOST_PROPERTIES:
        flow = short if rows <= MOST_SHARED else flow
    elif rows <= MOST_ROWS:
        surrogate, flow = settings(STEPS // 2, small), short
    flow = flow | {"lambda_x": 0.0, "lambda_z": 0.0}
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
