"""Compares solutions with the posterior: distance to a reference by rejection, diversity, prior density."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Generator, Tensor

from ipage_core.benchmark.metrics import mean_distance, mmd2
from ipage_core.benchmark.scope import ANALYTIC, COSTLY, Scope, loaded, there
from ipage_core.inference.pipeline import design
from ipage_core.problem.task import Task
from ipage_core.runtime.executor import Item, Result
from ipage_core.tasks import TASKS

REFERENCE = "reference"
"""Name of a second reference sample in place of a method: the level of chance."""
_DRAWS, _BATCHES = 250_000, 400
SEEDS = 5
TRUTH = 4000
"""Size of the reference sample: with 1000, its scatter was as large as the differences between methods."""
KEY = ("task", "method", "sampling", "seed", "training_seed", "n", "stage")
"""Columns that identify a row."""


def log_prior(task: Task, x: Tensor) -> Tensor:
    """log p(x) of the task's prior, per raw unit, −∞ outside. (n, d) → (n,) float64.

    Raises:
        ValueError: the prior's density is not known.
    """
    if task.log_prior is None:
        accepted = ", ".join(name for name, one in TASKS.items() if one.log_prior is not None)
        raise ValueError(f"The density of the prior of {task.name} is not known; accepted: {accepted}")
    return torch.where(task.in_bounds(x), task.log_prior(x.double()), -math.inf)


@lru_cache(maxsize=8)
def reference(task: str, n: int, seed: int) -> Tensor:
    """n posterior samples for the default target by rejection: x ~ p(x) with |Ω(x) − y*| ≤ tolerance. (n, d).

    Raises:
        ValueError: too few of 10⁸ draws are accepted.
    """
    problem, generator = TASKS[task], Generator().manual_seed(seed)
    assert problem.omega is not None
    kept: list[Tensor] = []
    for _ in range(_BATCHES):
        x = problem.sample_prior(_DRAWS, generator)
        off = problem.omega(x)[:, : problem.n_targets] - torch.tensor(problem.default_target)
        kept.append(x[off.norm(dim=1) <= problem.tolerance])
        if sum(map(len, kept)) >= n:
            return torch.cat(kept)[:n]
    raise ValueError(f"Rejection accepts too few draws for {problem.default_target} on {task}")


def items(scope: Scope) -> list[Item]:
    """Five seeds of the reference, and of each method on the analytic tasks; of a costly one, one, or none if quick."""
    todo = []
    for task in (name for name in scope.tasks if name in ANALYTIC):
        for seed in range(SEEDS):
            argument = {"task": task, "method": REFERENCE, "sampling": "srs", "seed": seed, "training_seed": 0}
            argument |= {"n": scope.n, "models": None}
            todo.append((f"{task}|{REFERENCE}|{scope.n}|{seed}|{TRUTH}", argument))
        for method in scope.methods:
            for models, weights, trained in there(scope, task, method)[:1]:
                seeds = scope.seeds(task, method, "single")[:SEEDS]
                seeds = seeds[: 1 - scope.quick] if method in COSTLY else seeds
                for sampling in scope.sampled(method):
                    for seed in seeds:
                        argument = {"task": task, "method": method, "sampling": sampling, "seed": seed, "n": scope.n}
                        argument |= {"training_seed": trained, "models": models}
                        words = [task, method, sampling, f"{scope.n}", f"{seed}", f"{trained}", weights, f"{TRUTH}"]
                        todo.append(("|".join(words), argument))
    return todo


def work(argument: dict[str, Any]) -> Result:
    """The figures of one run, for the proposed and for the localized designs."""
    torch.set_num_threads(1)
    task = TASKS[argument["task"]]
    if argument["method"] == REFERENCE:
        return {"result": _figures(task, reference(task.name, argument["n"], 2 + argument["seed"]))}
    method = loaded(task.name, argument["method"], argument["models"])
    target = torch.tensor(task.default_target, dtype=torch.float64)
    solutions = design(task, method, target, argument["n"], sampling=argument["sampling"], seed=argument["seed"])
    figures_of = {"result": _figures(task, solutions.final)}
    if solutions.localized is not None:
        figures_of["proposed"] = _figures(task, solutions.posterior)
    return figures_of


def _figures(task: Task, x: Tensor) -> dict[str, float]:
    """Figures of designs (n, d), with ‖·‖ in widths of the box."""
    low, width = task.bounds[0], task.bounds[1] - task.bounds[0]
    reference_x = reference(task.name, TRUTH, 1)
    truth, x = ((reference_x - low) / width).numpy(), x.double()[x.isfinite().all(1)]
    unit, density, expected = ((x - low) / width).numpy(), log_prior(task, x), log_prior(task, reference_x)
    inside = density.isfinite()
    return {
        "mmd2": mmd2(unit, truth),
        "diversity": mean_distance(unit) / mean_distance(truth),
        "log_prior": float(density[inside].mean()) if inside.any() else math.nan,
        "log_prior_reference": float(expected[expected.isfinite()].mean()),
        "in_bounds": float(inside.double().mean()),
    }


def frame(scope: Scope, results: dict[str, Result]) -> pd.DataFrame:
    """One row per run and ``stage`` (proposed, result).

    ``mmd2`` to the reference posterior (unbiased: about 0 if they are alike); ``diversity``, mean distance between two
    designs in units of the reference's; ``log_prior``, mean over designs inside the box, beside the reference's;
    ``in_bounds``.
    """
    records = []
    for key, argument in items(scope):
        for stage, figures in results.get(key, {}).items():
            row = {name: argument[name] for name in ("task", "method", "sampling", "seed", "training_seed", "n")}
            records.append(row | {"stage": stage} | {name: np.float32(value) for name, value in figures.items()})
    return pd.DataFrame(records)
