"""Figure 7 and more: seconds for 1000 solutions in two parts, error against seconds, and training time."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ipage_core.benchmark.rows import machine
from ipage_core.benchmark.scope import COSTLY, Scope, held_out, there
from ipage_core.benchmark.solutions import seconds_in_two
from ipage_core.inference.costs import cost
from ipage_core.inference.latent_design import unit_design
from ipage_core.inference.methods import METHODS, Loaded, load
from ipage_core.inference.neural_adjoint import NeuralAdjoint
from ipage_core.inference.pipeline import design
from ipage_core.problem.task import Task
from ipage_core.runtime.executor import Item, Result
from ipage_core.tasks import TASKS

STEPS = (1, 2, 3, 5, 10, 25)
"""Budgets of iPage, its variants and its control: maximum Levenberg–Marquardt steps."""
SEARCHES: dict[str, list[dict[str, Any]]] = {
    "na": [
        *({"per_design": k, "steps": steps} for k in (1, 2, 4, 8) for steps in (5, 25)),
        *({"optimizer": "adam", "per_design": k, "steps": 200} for k in (1, 4)),
    ]
}
"""Budgets of the neural adjoint: descents per design and steps, by Levenberg–Marquardt or its own Adam."""
REPEATS = 3
KEY = ("task", "method", "kind", "device", "setting", "n")
"""Columns that identify a row."""


def items(scope: Scope) -> list[Item]:
    """Times of every method, and budgets of those that localize; three repeats, one run at a time.

    Quick: no budgets and no costly methods.
    """
    todo = []
    for task in scope.tasks:
        for method in (name for name in scope.methods if not (scope.quick and name in COSTLY)):
            for models, weights, _ in there(scope, task, method)[:1]:
                for device in scope.devices:
                    for argument in _arguments(task, method, scope.quick):
                        argument |= {"device": device, "n": scope.n, "sampling": scope.sampled(method)[-1]}
                        argument |= {"models": models}
                        todo.append(("|".join(map(str, [*argument.values(), weights])), argument))
    return todo


def _arguments(task: str, method: str, quick: bool) -> Iterator[dict[str, Any]]:
    base = {"task": task, "method": method, "setting": {}}
    repeats = 1 if method in COSTLY or TASKS[task].d > 16 else REPEATS
    yield base | {"kind": "time", "repeats": repeats}
    if quick:
        return
    settings = SEARCHES.get(method, [])
    if METHODS[method].surrogate is not None:
        settings = [{"steps": steps} for steps in STEPS] + [{"omega_evals": k} for k in (1, 2)]
    if TASKS[task].d > 16 or not TASKS[task].verifies_by_default:  # slow; one row is enough for NA's own optimizer
        settings = [s for s in settings if s.get("optimizer") == "adam" and s["per_design"] == 4]
    if TASKS[task].d > 16 and METHODS[method].surrogate is not None:
        settings = [{"omega_evals": 3}, {"finish": True}]
    for setting in settings:
        yield base | {"kind": "budget", "setting": setting, "repeats": repeats}


def alone(argument: dict[str, Any]) -> bool:
    """Always, because time measurements need all cores."""
    return True


def work(argument: dict[str, Any]) -> Result:
    """Median seconds over repeats (after a warm-up), the mean error by Ω, and the memory of a run."""
    torch.set_num_threads(1)
    task, setting, device = TASKS[argument["task"]], argument["setting"], argument["device"]
    method = load(task.name, argument["method"], device, root=argument["models"] and Path(argument["models"]))
    if argument["method"] in SEARCHES and setting:
        assert isinstance(method.proposal, NeuralAdjoint)
        as_set = method.proposal.searching(replace(method.proposal.search, **setting))
        method, setting = replace(method, proposal=as_set), {}
    target = torch.tensor(task.default_target, dtype=torch.float64)
    verify = "all" if task.verifies_by_default else "none"
    if argument["repeats"] > 1 or device != "cpu":  # a GPU's first run starts its libraries
        design(task, method, target, argument["n"], seed=99, sampling="srs", verify="none", record_every=10_000)
    parts: list[tuple[float, float, float]] = []
    with peak_memory() as memory:
        for seed in range(argument["repeats"]):
            unit_design.cache_clear()  # every run computes its latent design
            more = {"sampling": argument["sampling"], "verify": verify, "seed": seed, **setting}
            solutions = design(task, method, target, argument["n"], record_every=10_000, **more)
            inference, localization = seconds_in_two(argument["method"], solutions)
            if solutions.omega_calls:  # time of Ω without the final check
                calls = solutions.omega_calls - solutions.verification.calls
                localization += solutions.seconds["verification"] * calls / solutions.omega_calls
            parts.append((inference, localization, float(solutions.verification.resim_error.mean())))
    middle = np.median(np.array(parts), axis=0)
    return {
        "inference": float(middle[0]),
        "localization": float(middle[1]),
        "mean": None if math.isnan(middle[2]) else float(middle[2]),
        "omega_calls": (solutions.omega_calls - solutions.verification.calls) / argument["n"],
        "peak_mb": memory.get("mb"),
        "floor": _floor(method, task),
        "machine": machine(device),
    }


def _floor(method: Loaded, task: Task) -> float | None:
    """Mean ‖f(x) − Ω(x)‖² of the method's surrogate over unseen pairs; it may differ at one target.

    None without a surrogate, or if all stored designs are training data.
    """
    surrogate = method.proposal.network if isinstance(method.proposal, NeuralAdjoint) else method.surrogate
    if surrogate is None or task.d > 16:
        return None
    x, y = held_out(task.name)
    with torch.no_grad():
        predicted = surrogate(x.to(method.device, torch.float32)).cpu().double()
    return float((predicted[:, : task.n_targets] - y).square().sum(1).mean())


@contextmanager
def peak_memory() -> Iterator[dict[str, float]]:
    """Set ``mb`` to the peak memory of this process in the block (on Linux only)."""
    peak: dict[str, float] = {}
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    watched = status.exists() and os.access(reset, os.W_OK)
    if watched:
        reset.write_text("5")  # reset the high-water mark to the current use
    yield peak
    if watched:
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        peak["mb"] = float(lines["VmHWM"].split()[0]) / 1024


def frame(scope: Scope, results: dict[str, Result]) -> pd.DataFrame:
    """One row per method (``kind`` time) or setting (budget), with the ``sampling`` of the tables and the ``machine``.

    ``inference_seconds, localization_seconds`` for ``n`` solutions at the default target, one thread, Ω's
    corrections included and its final check left out; ``mean`` of ‖Ω(x) − y*‖² (NaN where Ω is slow);
    ``omega_calls`` a solution; ``peak_mb`` the process's memory at most, PyTorch and the models loaded so far
    included; ``floor``, mean squared error of the surrogate on unseen pairs; ``parameters, training_seconds``
    by :func:`ipage_core.inference.costs.cost`.
    """
    records = []
    for key, argument in items(scope):
        if key not in results:
            continue
        one, root = results[key], argument["models"] and Path(argument["models"])
        networks = cost(argument["task"], argument["method"], root and root / argument["task"])
        setting = ", ".join(f"{name} {value}" for name, value in argument["setting"].items())
        row = {name: argument[name] for name in ("task", "method", "sampling", "kind", "device", "n", "repeats")}
        row |= {"setting": setting, "inference_seconds": one["inference"], "localization_seconds": one["localization"]}
        row |= {name: one[name] for name in ("mean", "omega_calls", "peak_mb", "floor", "machine")}
        row |= {"parameters": networks.parameters, "training_seconds": networks.training_seconds}
        records.append(row)
    return pd.DataFrame(records)
