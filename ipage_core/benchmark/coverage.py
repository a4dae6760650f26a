"""Coverage of the solution set against the number of designs N, for every method and sampling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch

from ipage_core.benchmark.metrics import nearest_distances
from ipage_core.benchmark.references import WITHIN, loop_gaps, reference
from ipage_core.benchmark.scope import Scope, loaded, there
from ipage_core.inference.coverage import percent
from ipage_core.inference.pipeline import design
from ipage_core.runtime.executor import Item, Result
from ipage_core.tasks import TASKS

COUNTS = (25, 100, 1000)
SEEDS = 5
SPREAD = ("ipage", "maximin")
"""The method and sampling that are also measured with ``--spread box``."""
KEY = ("task", "method", "sampling", "spread", "seed", "training_seed", "count")
"""Columns that identify a row."""
MEASURED = ("hits", "fill", "mean", "minimum", "share", "evenness")


def items(scope: Scope) -> list[Item]:
    """One item per count and seed, few designs first, for tasks with a closed form."""
    todo = []
    for seed in range(scope.repeats or (1 if scope.quick else SEEDS)):
        for task in (name for name in scope.tasks if name in WITHIN):
            for method in scope.methods:
                for models, weights, trained in there(scope, task, method)[:1]:
                    for sampling in scope.sampled(method):
                        for spread in ("off", "box") if (method, sampling) == SPREAD else ("off",):
                            for n in COUNTS:
                                argument: dict[str, Any] = {"task": task, "method": method, "sampling": sampling}
                                argument |= {"spread": spread}
                                argument |= {"seed": seed, "count": n, "training_seed": trained, "models": models}
                                named = [task, method, sampling, spread, f"{seed}", f"{n}", f"{trained}", weights]
                                todo.append(("|".join(named), argument))
    return todo


def work(argument: dict[str, Any]) -> Result:
    """The distances of one run."""
    torch.set_num_threads(1)
    task = TASKS[argument["task"]]
    method = loaded(task.name, argument["method"], argument["models"])
    target = torch.tensor(task.default_target, dtype=torch.float64)
    how = {name: argument[name] for name in ("sampling", "spread", "seed")}
    solutions = design(task, method, target, argument["count"], verify="all", record_every=10_000, **how)
    return measure(task.name, solutions.final.double().numpy(), solutions.verification.hit.numpy())


def measure(task: str, x: np.ndarray, hit: np.ndarray) -> Result:
    """Coverage by designs x (n, d); only the hits, ``hit`` (n,) bool, count.

    ``hits``: share of hits; ``fill``, ``mean``: largest and mean distance from a solution to the nearest hit;
    ``minimum``: smallest distance between two hits; ``share``: share of the solutions within ε of a hit;
    ``evenness`` (sine wave only): longest gap along the loops divided by the mean gap. Distances are in box widths;
    None if undefined.
    """
    truth, hits = reference(task), x[hit]
    distance = truth.distance(hits)
    apart = nearest_distances(hits / truth.width)
    gaps = np.concatenate(loop_gaps(hits)) if task == "sinewave" and len(hits) else None
    return {
        "hits": float(hit.mean()),
        "fill": float(distance.max()) if len(hits) else None,
        "mean": float((truth.area * distance).sum()) if len(hits) else None,
        "minimum": float(apart.min()) if len(hits) > 1 else None,
        "share": float(truth.area[distance <= WITHIN[task]].sum()),
        "evenness": None if gaps is None else float(gaps.max() / (gaps.sum() / len(hits))),
    }


def frame(scope: Scope, results: dict[str, Result]) -> pd.DataFrame:
    """One row per run: ``KEY`` and the figures of :func:`measure`; ``within`` is ε."""
    records = []
    for key, argument in items(scope):
        if key in results:
            row = {name: argument[name] for name in KEY} | {"within": WITHIN[argument["task"]]}
            records.append(row | {name: results[key][name] for name in MEASURED})
    table = pd.DataFrame(records, columns=[*KEY, "within", *MEASURED])
    whole = {"seed": np.int16, "training_seed": np.int16, "count": np.int16}
    return table.astype(whole | dict.fromkeys(("within", *MEASURED), np.float64))


def medians(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per task, method, sampling, spread and count: medians over seeds; ``runs`` is the number of runs."""
    groups = runs.groupby(["task", "method", "sampling", "spread", "count"], observed=True, sort=False)
    return groups[["within", *MEASURED]].median().assign(runs=groups.size()).reset_index()


def markdown(middle: pd.DataFrame) -> str:
    """:func:`medians` as a table: fill distance / share within ε, one column per task and N, without the smallest N."""
    tasks = list(dict.fromkeys(middle["task"].astype(str)))
    shown = [(task, n) for task in tasks for n in sorted(middle["count"].unique())[1:]]
    lines = ["| method | " + " | ".join(f"{task}, N = {n}" for task, n in shown) + " |"]
    lines.append("|---" * (len(shown) + 1) + "|")
    for (method, sampling, spread), rows in middle.groupby(["method", "sampling", "spread"], observed=True, sort=False):
        cells = []
        for task, n in shown:
            at = rows[(rows["task"] == task) & (rows["count"] == n)]
            measured = len(at) and np.isfinite(at["fill"].iloc[0])
            cells.append(f"{at['fill'].iloc[0]:.3g} / {percent(at['share'].iloc[0])}" if measured else "–")
        name = f"{method}, {sampling}" + (f", spread {spread}" if spread != "off" else "")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
