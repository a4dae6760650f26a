"""Ablation of the design run: start × optimizer × sampling × surrogate, with all else equal.

``python -m ipage_core ablate`` does the same for the network's training.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pandas as pd
import torch

from ipage_core.benchmark.scope import Scope, loaded, weights
from ipage_core.inference.latent_design import SAMPLINGS
from ipage_core.inference.methods import Loaded
from ipage_core.inference.pipeline import design
from ipage_core.inference.solutions import Solutions
from ipage_core.networks.store import ModelUnavailable
from ipage_core.runtime.executor import Item, Result
from ipage_core.tasks import TASKS

STARTS = {"prior": "prior-lm", "INN posterior (φ)": "ipage", "cINN posterior": "ipage-cinn"}
"""Start of localization → the method with this proposal."""
SURROGATES = {"separate": "ipage"}
"""Surrogate → the method with it. In earlier versions the INN's own t(x) was another one."""
OPTIMIZERS = ("none", "gd", "adam", "lm")
N, FEW = 200, 25
"""Designs of a run, and of a second run that counts the families reached by few designs."""
ENOUGH, MOST = 1e-6, 4
"""Mean squared error to reach by corrections with Ω, and the maximum number of corrections."""
MOST_COORDINATES = 16
KEY = ("task", "start", "optimizer", "surrogate", "sampling", "seed")
"""Columns that identify a row."""


def items(scope: Scope) -> list[Item]:
    """Three seeds of every combination, each with 200 solutions for the default target; one seed if quick."""
    todo = []
    for task in (name for name in scope.tasks if TASKS[name].d <= MOST_COORDINATES):
        try:
            hashes = {name: weights(task, name, None)[0] for name in (*STARTS.values(), *SURROGATES.values())}
        except ModelUnavailable:
            continue
        optimizers = ("none", "lm") if scope.quick else OPTIMIZERS
        for start, optimizer, surrogate in product(STARTS, optimizers, SURROGATES):
            if optimizer == "none" and surrogate != "separate":
                continue  # no localization
            for sampling in ("srs",) if start == "prior" else SAMPLINGS:
                for seed in range(min(scope.repeats or 3, 1 if scope.quick else 3)):
                    argument = {"task": task, "start": start, "optimizer": optimizer, "seed": seed, "n": N}
                    argument |= {"surrogate": "–" if optimizer == "none" else surrogate, "sampling": sampling}
                    used = [hashes[STARTS[start]], *[hashes[SURROGATES[surrogate]]] * (optimizer != "none")]
                    todo.append(("|".join([*map(str, argument.values()), *used]), argument))
    return todo


def work(argument: dict[str, Any]) -> Result:
    """Run one combination: its error by Ω, and the number of corrections that bring it below ``ENOUGH``."""
    torch.set_num_threads(1)
    task, optimizer = TASKS[argument["task"]], argument["optimizer"]
    proposal, surrogate = loaded(task.name, STARTS[argument["start"]], None).proposal, None
    if optimizer != "none":
        owner = loaded(task.name, SURROGATES[argument["surrogate"]], None)
        surrogate = owner.surrogate
    method = Loaded(argument["start"], proposal, surrogate, torch.device("cpu"))
    target = torch.tensor(task.default_target, dtype=torch.float64)
    verify = "all" if task.verifies_by_default else "none"

    def run(omega_evals: int, n: int = argument["n"]) -> Solutions:
        return design(
            task,
            method,
            target,
            n,
            sampling=argument["sampling"],
            seed=argument["seed"],
            omega_evals=omega_evals,
            optimizer="lm" if optimizer == "none" else optimizer,
            verify=verify,
            record_every=10_000,
        )

    first = run(0)
    errors, seconds = first.verification.resim_error, first.seconds
    measured = {
        "mean": _mean(errors),
        "median": errors.median().item() if task.verifies_by_default else math.nan,
        "hits": float(first.verification.hit.double().mean()) if task.verifies_by_default else math.nan,
        "success": first.success_before_replacement / argument["n"] if surrogate is not None else math.nan,
        "modes": _families(first),
        "modes_25": _families(run(0, FEW)) if task.modes is not None else math.nan,
        "seconds": sum(seconds[part] for part in ("latent", "proposal", "localization")),
        "omega_calls": math.nan,
    }
    if surrogate is not None and task.verifies_by_default and argument["seed"] == 0:
        before = math.inf
        for k in range(MOST + 1):
            tried = first if k == 0 else run(k)
            error = _mean(tried.verification.resim_error)
            if error <= ENOUGH:
                measured["omega_calls"] = (tried.omega_calls - tried.verification.calls) / argument["n"]
            if error <= ENOUGH or (k and error > 0.5 * before):  # reached, or further corrections will not help
                break
            before = error
    return {name: None if math.isnan(value) else value for name, value in measured.items()}


def _families(solutions: Solutions) -> float:
    return len(set(solutions.modes.tolist()) - {-1}) if solutions.modes is not None else math.nan


def _mean(errors: torch.Tensor) -> float:
    finite = errors[errors.isfinite()]
    return finite.mean().item() if len(finite) == len(errors) and len(finite) else math.nan


def frame(scope: Scope, results: dict[str, Result]) -> pd.DataFrame:
    """One row per run.

    ``task, start, optimizer, surrogate, sampling, seed``; ``mean, median`` of ‖Ω(x) − y*‖² and ``hits``, share within
    tolerance, of all solutions, replaced ones included; ``success``, share that needed no replacement; ``modes``
    number of families, ``modes_25`` with 25 designs; ``seconds`` without Ω; ``omega_calls`` per solution until the mean
    is below 1e-6 (of the first seed alone), NaN if four are not enough, or there is nothing to correct with.
    """
    return pd.DataFrame([argument | results[key] for key, argument in items(scope) if key in results])
