"""Figures 4 and 5: families of solutions reached by few and by many samples, over many seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch

from ipage_core.benchmark.rows import pack, rounded, unpack
from ipage_core.benchmark.scope import COSTLY, Scope, loaded, there
from ipage_core.inference.pipeline import design
from ipage_core.runtime.executor import Item, Result
from ipage_core.tasks import TASKS

COUNTS = (25, 50, 100, 200)
KEY = ("task", "method", "sampling", "seed", "training_seed", "count", "sample")
"""Columns that identify a row."""


def items(scope: Scope) -> list[Item]:
    """One item per seed with all counts, for tasks with known families and methods that are not costly."""
    todo = []
    for task in scope.tasks:
        if TASKS[task].modes is None:
            continue
        for method in (name for name in scope.methods if name not in COSTLY):
            for models, weights, trained in there(scope, task, method)[:1]:
                for sampling in scope.sampled(method):
                    for seed in scope.seeds(task, method, "single"):
                        argument = {"task": task, "method": method, "sampling": sampling, "seed": seed}
                        argument |= {"training_seed": trained, "models": models}
                        todo.append(("|".join([task, method, sampling, f"{seed}", f"{trained}", weights]), argument))
    return todo


def work(argument: dict[str, Any]) -> Result:
    """Run one seed at every count: designs, their nearest families, and their errors by Ω."""
    torch.set_num_threads(1)
    task = TASKS[argument["task"]]
    method = loaded(task.name, argument["method"], argument["models"])
    target = torch.tensor(task.default_target, dtype=torch.float64)
    by_count: Result = {}
    for n in COUNTS:
        sampling, seed = argument["sampling"], argument["seed"]
        solutions = design(task, method, target, n, sampling=sampling, seed=seed, verify="all", record_every=10_000)
        assert task.modes is not None
        family = torch.where(task.in_bounds(solutions.final), task.modes(solutions.final, solutions.y_star), -1)
        by_count[f"{n}"] = {
            "x": pack(solutions.final, "<f4"),
            "off": pack(solutions.verification.y[:, : task.n_targets] - solutions.y_star, "<f4"),
            "family": pack(family, "i1"),
        }
        if seed == 0:  # for pictures
            by_count[f"{n}"] |= {"start": pack(solutions.posterior, "<f4"), "z": pack(solutions.z[:, :2], "<f4")}
    return by_count


def frame(scope: Scope, results: dict[str, Result]) -> pd.DataFrame:
    """One row per design: the run (``count`` is its N), ``sample``, ``x1 …``, ``off1 …``, ``family`` (−1: none).

    For the first seed also ``start1 …``, the proposed design, and ``z1, z2`` of the latent point (methods with two or
    more latent coordinates; for a replaced sample, the new latent point).
    """
    parts = []
    for key, argument in items(scope):
        for count, one in results.get(key, {}).items():
            task = TASKS[argument["task"]]
            off, x = unpack(one["off"], "<f4", task.n_targets), unpack(one["x"], "<f4", task.d)
            columns: dict[str, Any] = {name: argument[name] for name in ("task", "method", "sampling")}
            columns |= {name: np.int16(argument[name]) for name in ("seed", "training_seed")}
            columns |= {"count": np.int16(count), "sample": np.arange(len(x), dtype=np.int16)}
            columns |= {f"x{j + 1}": column for j, column in enumerate(rounded(x).T)}
            columns |= {f"off{j + 1}": column for j, column in enumerate(rounded(off).T)}
            columns["family"] = unpack(one["family"], "i1")
            if "start" in one:
                start, z = unpack(one["start"], "<f4", task.d), unpack(one["z"], "<f4").reshape(len(x), -1)
                columns |= {f"start{j + 1}": column for j, column in enumerate(rounded(start).T)}
                columns |= {f"z{j + 1}": column for j, column in enumerate(rounded(z).T)}
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def recall(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per task, method, sampling and count.

    Over seeds: ``found`` mean number of families that have a design within tolerance by Ω, ``all_found`` share of
    seeds in which every family has one, ``n_modes`` number of families; ``count_sd`` standard deviation over seeds of
    a family's number of designs, averaged over families; ``even_sd`` the same for families drawn uniformly at
    random; ``mean``, ``error_sd`` mean and standard deviation over seeds of a run's mean squared error.
    """
    records = []
    rows = rows.assign(error=np.square(rows["off1"].astype(float)))
    for key, group in rows.groupby(["task", "method", "sampling", "count"], observed=True, sort=False):
        task = TASKS[str(key[0])]
        runs = group.groupby("seed", observed=True)
        hit = group[(group["error"] <= task.tolerance**2) & (group["family"] >= 0)]
        counts = pd.crosstab(hit["seed"], hit["family"]).reindex(index=list(runs.groups), columns=range(task.n_modes))
        counts = counts.fillna(0)
        share = 1 / task.n_modes
        records.append(
            dict(zip(("task", "method", "sampling", "count"), key, strict=True))
            | {
                "runs": len(runs),
                "found": (counts > 0).sum(axis=1).mean(),
                "all_found": (counts > 0).all(axis=1).mean(),
                "n_modes": task.n_modes,
                "count_sd": counts.std().mean(),
                "even_sd": float(np.sqrt(int(str(key[3])) * share * (1 - share))),
                "mean": runs["error"].mean().mean(),
                "error_sd": runs["error"].mean().std(),
            }
        )
    return pd.DataFrame(records)
