"""Tables 2 and 3: every solution of every run, with its error by the true forward operator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ipage_core.benchmark.rows import pack, rounded, unpack
from ipage_core.benchmark.scope import BY_DFT, COSTLY, Scope, loaded, targets, there
from ipage_core.inference.lookup import Lookup
from ipage_core.inference.methods import METHODS, Loaded, load
from ipage_core.inference.pipeline import design
from ipage_core.inference.solutions import Solutions
from ipage_core.networks.store import ModelUnavailable
from ipage_core.problem.task import Task
from ipage_core.runtime.executor import Item, Result
from ipage_core.tasks import TASKS

BY_DFT_AGAIN = 10
"""Solutions verified by DFT for models of another training seed: the first of ``BY_DFT``, same targets and points."""
TRAINED_AGAIN = {"architecture": 1, "crystal": 1, "silicon": 1}
"""Latent seeds for models of another training seed, with one sampling per method; 5 for all other tasks.

These are enough to compare trainings. A costly method has one training.
"""
TARGETS_OF_COSTLY = 20
"""Targets of ``many`` for a costly method, each with its own descents."""
OMEGA, SURROGATE, NOBODY = "Ω", "surrogate, not Ω", "not verified"
"""Source of y: Ω, a surrogate, or none if the only surrogate is the one used for localization."""
RUN = ("task", "method", "sampling", "protocol", "seed", "training_seed")
"""Columns that name a run."""
KEY = (*RUN, "sample")
"""Columns that identify a row."""


def items(scope: Scope) -> list[Item]:
    """One item per run, or per target if a target takes long; these come last.

    Otherwise the first seeds of all cells come first, so that a stopped run has results in every cell.
    """
    todo = []
    for task in scope.tasks:
        for method in scope.methods:
            for models, weights, trained in there(scope, task, method):
                for protocol in scope.protocols:
                    seeds, sampled = scope.seeds(task, method, protocol), scope.sampled(method)
                    if models is not None:
                        again = 0 if method in COSTLY else TRAINED_AGAIN.get(task, 5)
                        seeds, sampled = seeds[:again], sampled[-1:]
                    for seed in seeds:
                        for sampling in sampled:
                            argument: dict[str, Any] = {"task": task, "method": method, "sampling": sampling}
                            argument |= {"protocol": protocol, "n": scope.n, "seed": seed, "training_seed": trained}
                            argument |= {"models": models, "weights": weights}
                            verified = task in BY_DFT and seed == 0 and sampling == sampled[-1]
                            argument |= {"dft": scope.dft and verified}
                            words = [task, method, sampling, protocol, f"{scope.n}", f"{seed}", f"{trained}", weights]
                            for part in _parts(method, protocol, scope):
                                key = "|".join([*words, *["dft"] * argument["dft"], *[f"{part}"] * (part is not None)])
                                todo.append((key, argument | {"part": part}))
    return sorted(todo, key=lambda item: (item[1]["method"] in COSTLY, item[1]["seed"]))


def _parts(method: str, protocol: str, scope: Scope) -> Sequence[int | None]:
    """Numbers of the targets with separate items; None: one item for all."""
    if method not in COSTLY or protocol != "many":
        return (None,)
    return range(min(scope.n, 1 if scope.quick else TARGETS_OF_COSTLY))


def alone(argument: dict[str, Any]) -> bool:
    """Whether an item starts processes and so must run in the main process."""
    return bool(argument["dft"])


def designed(argument: dict[str, Any], method: Loaded, verify: str) -> Solutions:
    """The designs of one run, or of one part of it; ``verify`` as in :func:`ipage_core.inference.pipeline.design`."""
    torch.set_num_threads(1)
    y_star, n = targets(argument["task"], argument["protocol"], argument["n"], argument["part"])
    seed = argument["seed"] + 1000 * (argument["part"] or 0)
    how = {"sampling": argument["sampling"], "seed": seed, "verify": verify}
    return design(TASKS[argument["task"]], method, y_star, n, record_every=10_000, **how)


def names(argument: dict[str, Any], n: int) -> dict[str, Any]:
    """The columns ``KEY`` and ``weights`` of the n rows of one run, or of one part of it."""
    columns: dict[str, Any] = {name: argument[name] for name in ("task", "method", "sampling", "protocol")}
    columns |= {name: np.int16(argument[name]) for name in ("seed", "training_seed")}
    columns["weights"] = argument["weights"]
    columns["sample"] = np.arange(n, dtype=np.int16) + np.int16(argument["part"] or 0)
    return columns


def work(argument: dict[str, Any]) -> Result:
    """Run once; store y − y* by Ω, or by a surrogate if Ω did not run."""
    task = TASKS[argument["task"]]
    by_dft = BY_DFT.get(task.name, 0) if argument["models"] is None else BY_DFT_AGAIN
    verify = "all" if task.verifies_by_default else str(by_dft) if argument["dft"] else "none"
    method = loaded(task.name, argument["method"], argument["models"])
    solutions = designed(argument, method, verify)
    everywhere = torch.ones(len(solutions.final), dtype=torch.bool)
    by_omega = everywhere if task.verifies_by_default else solutions.verification.y[:, 0].isfinite()
    y = torch.where(by_omega[:, None], solutions.verification.y[:, : task.n_targets], judged(task, solutions.final))
    if isinstance(method.proposal, Lookup) and not task.verifies_by_default:  # Ω has already evaluated its rows
        y, by_omega = method.proposal.stored(solutions.final), everywhere
    inference, localization = seconds_in_two(argument["method"], solutions)
    return {
        "off": pack(y - solutions.y_star, "<f4"),
        "by_omega": pack(by_omega, "u1"),
        "in_bounds": pack(task.in_bounds(solutions.final), "u1"),
        "replaced": pack(solutions.replaced, "u1"),
        "omega_calls": solutions.omega_calls,
        "success": solutions.success_before_replacement,
        "inference": inference,
        "localization": localization,
    }


def seconds_in_two(method: str, solutions: Solutions) -> tuple[float, float]:
    """Seconds of inference and of localization; the descents of a search are its proposal, and count as the latter."""
    seconds, proposal = solutions.seconds, solutions.seconds["proposal"]
    if METHODS[method].search is not None:
        return seconds["latent"], seconds["localization"] + proposal
    return seconds["latent"] + proposal, seconds["localization"]


def judged(task: Task, x: Tensor) -> Tensor:
    """(n, d) → (n, m) by the task's separate surrogate, for designs on which Ω does not run; NaN if there is none."""
    unknown = torch.full((len(x), task.n_targets), torch.nan, dtype=torch.float64)
    if task.verifies_by_default:
        return unknown
    try:
        surrogate = load(task.name, "prior-lm").surrogate
    except ModelUnavailable:
        return unknown
    assert surrogate is not None
    with torch.no_grad():
        return surrogate(x.float())[:, : task.n_targets].double()


def frame(scope: Scope, results: dict[str, Result]) -> pd.DataFrame:
    """One row per solution.

    ``task, method, sampling, protocol, seed, training_seed`` name the run and ``sample`` the solution in it;
    ``target1 …`` is y*, ``off1 …`` is y − y* rounded to eight bits, y being from the source ``by``;
    ``in_bounds, replaced`` as in ``solutions.csv``. Constant in a run: ``weights``, which changes with any weight of
    the method's models, ``inference_seconds, localization_seconds`` (for all its solutions), ``omega_calls`` and
    ``success`` (share of the samples that needed no replacement).
    """
    parts, done = [], [(argument, results[key]) for key, argument in items(scope) if key in results]
    totals = Counter[tuple[Any, ...]]()  # over the parts of a run
    for argument, one in done:
        for name in ("inference", "localization", "omega_calls"):
            totals[(*(argument[part] for part in RUN), name)] += one[name]
    for argument, one in done:
        task, run = TASKS[argument["task"]], tuple(argument[part] for part in RUN)
        off = rounded(unpack(one["off"], "<f4", task.n_targets))
        y_star, n = targets(task.name, argument["protocol"], argument["n"], argument["part"])
        y_star = y_star.repeat_interleave(n, 0)
        columns = names(argument, len(off))
        columns |= {f"target{j + 1}": column.astype(np.float32) for j, column in enumerate(y_star.numpy().T)}
        by_omega = unpack(one["by_omega"], "u1") > 0
        own_judge = METHODS[argument["method"]].surrogate is not None
        off[~by_omega & own_judge] = np.nan
        columns["by"] = np.where(by_omega, OMEGA, NOBODY if own_judge else SURROGATE)
        columns |= {f"off{j + 1}": column for j, column in enumerate(off.T)}
        columns |= {name: unpack(one[name], "u1").astype(bool) for name in ("in_bounds", "replaced")}
        columns["inference_seconds"] = np.float32(totals[(*run, "inference")])
        columns["localization_seconds"] = np.float32(totals[(*run, "localization")])
        columns["omega_calls"] = np.int32(totals[(*run, "omega_calls")])
        columns["success"] = np.float32(one["success"] / len(off))
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def squared_error(rows: pd.DataFrame) -> np.ndarray:
    """‖y − y*‖² of every row, summed over y's dimensions (paper, "Quantitative Metric"); NaN where Ω failed."""
    off = rows[[name for name in map(str, rows) if name.startswith("off")]].to_numpy(np.float64)
    # For tasks with one target the second column is NaN: count it as zero. If Ω failed, the first is NaN, too.
    return np.square(off[:, 0]) + np.square(np.nan_to_num(off[:, 1:])).sum(1)
