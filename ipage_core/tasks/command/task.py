"""A problem's folder as a task: its command is Ω, all its rows are training pairs, and it stores the models."""

from __future__ import annotations

import hashlib
import math
import shlex
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from ipage_core.problem.task import Task
from ipage_core.problem.variable import Variable
from ipage_core.runtime.executor import Progress
from ipage_core.runtime.files import replacing
from ipage_core.runtime.lazy import LazyModule, late
from ipage_core.tasks.command import card as cards
from ipage_core.tasks.command import measured, program, rows
from ipage_core.tasks.command.card import Card
from ipage_core.tasks.command.evaluate import evaluate, settled
from ipage_core.tasks.command.rows import Floats
from ipage_core.tasks.table import own_task
from ipage_core.tasks.table.card import inert

qmc: Any = LazyModule("scipy.stats.qmc")

LEAST_ROWS = 10
"""Fewest rows for training."""
MOST_REASONS = 5
"""Number of reasons of failures that a data set lists, the most common first."""
SLOW = 0.01
"""Least assumed cost of an evaluation [s], so that a command never runs without a request."""


def load(folder: Path) -> Task:
    """The task of a folder with its current rows.

    Raises:
        ValueError: the card is missing or damaged.
    """
    folder = folder.resolve()
    card = cards.read(folder)
    before = rows.read(folder, card)
    fine, seconds = before.fine, before.frame["seconds"].median()

    def stored() -> tuple[Tensor, Tensor]:
        now, (x, y) = rows.read(folder, card), measured.read(folder, card)
        complete = np.isfinite(y).all(axis=1)
        if (count := int(now.fine.sum() + complete.sum())) < LEAST_ROWS:
            raise ValueError(
                f"{folder} has {count} rows with results, a training needs {LEAST_ROWS}: "
                f"python -m ipage_core dataset {folder} --n 100 computes some"
            )
        pairs = (now.x[now.fine], x[complete]), (now.y[now.fine], y[complete])
        return torch.from_numpy(np.concatenate(pairs[0])), torch.from_numpy(np.concatenate(pairs[1]))

    def evaluated() -> tuple[Tensor, Tensor]:
        now, (x, y) = rows.read(folder, card), measured.read(folder, card)
        complete = np.isfinite(y).all(axis=1)
        return torch.tensor(np.concatenate((now.x, x[complete]))), torch.tensor(np.concatenate((now.y, y[complete])))

    def why_failed(x: Tensor) -> list[str]:
        now = rows.read(folder, card)
        errors = now.frame["error"].tolist()
        return [errors[i] if i >= 0 else "" for i in now.find(settled(card, x.detach().cpu().numpy())).tolist()]

    def omega(x: Tensor) -> Tensor:
        return torch.from_numpy(evaluate(folder, card, x.detach().cpu().double().numpy()))

    def sample_prior(n: int, generator: Generator) -> Tensor:
        return torch.from_numpy(placed(card, torch.rand(n, len(card.variables), generator=generator).double().numpy()))

    results = np.concatenate((before.y[fine], measured.read(folder, card)[1]))
    usual = np.nan_to_num(np.nanmedian(results, axis=0)) if len(results) else np.zeros(len(card.properties))
    task = Task(
        name=card.name,
        title=card.title,
        variables=card.variables,
        properties=card.properties,
        n_targets=len(card.properties),
        sample_prior=sample_prior,
        omega=omega,
        omega_seconds=max(SLOW, float(seconds)) if math.isfinite(seconds) else math.inf,
        default_target=tuple(float(f"{v:.3g}") for v in usual),
        source=inert(f"command: {shlex.join(card.command)}"),
        support=tuple((v.low, v.high) if v.kind == "real" and v.scale == "linear" else None for v in card.variables),
        dequantize=tuple(0.0 if v.kind == "real" else 0.5 for v in card.variables),
        stored=stored,
        in_processes=True,
        evaluated=evaluated,
        why_failed=why_failed,
        networks=own_task.networks,
        models_folder=folder,
        files=measured.files(folder),
        data_size=max(1, len(results)),
    )
    task = replace(
        task,
        recipes=own_task.recipes(task),
        collect=_collector(folder, card),
        beside=partial(late("ipage_core.tasks.command.basis:beside"), task),
        more_summary=partial(late("ipage_core.tasks.command.basis:summary"), task),
    )
    if not (folder / "crystal.json").exists():
        return task
    from ipage_core.tasks.own_crystal.task import dressed

    return dressed(task, folder)


def placed(card: Card, u: Floats) -> Floats:
    """Map points of the unit cube to designs, uniform in the box or, on a log scale, in its log. (n, d) → (n, d)."""
    return np.stack([_placed(variable, column) for variable, column in zip(card.variables, u.T, strict=True)], axis=1)


def _placed(variable: Variable, u: Floats) -> Floats:
    low, high = variable.low, variable.high
    if variable.kind != "real":  # equal probability for each integer
        low, high = low - 0.5, high + 0.5
    if variable.scale == "log":
        low = max(low, 0.5 * variable.low)
        values = low * (high / low) ** u
    else:
        values = low + (high - low) * u
    return np.clip(values if variable.kind == "real" else np.round(values), variable.low, variable.high)


def _collector(folder: Path, card: Card) -> Callable[..., dict[str, Any]]:
    def collect(
        n: int,
        seed: int | None,
        out: Path | None,
        *,
        workers: int | None = None,
        scheduler: str | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> dict[str, Any]:
        """Run the command on the first n points of a Sobol sequence; a larger n later reuses them."""
        seed = seed or 0
        u = qmc.Sobol(len(card.variables), rng=seed).random(2 ** math.ceil(math.log2(max(n, 2))))[:n]
        x, version = placed(card, u), program.now(folder, card)
        y = evaluate(
            folder, card, x, source=f"dataset, seed {seed}", workers=workers, scheduler=scheduler, progress=progress
        )
        now = rows.read(folder, card, version)  # of the program that ran, even if it has been edited since
        row = now.find(settled(card, x))
        failures = Counter(now.frame["error"].iloc[row[row >= 0]].tolist())
        failures.pop("", None)
        if out is not None:
            with replacing(out) as beside:
                now.frame.to_parquet(beside, index=False)
        return {
            "n": n,
            "seed": seed,
            "failed": int(np.isnan(y).any(axis=1).sum()),
            "reasons": dict(failures.most_common(MOST_REASONS)),
            "rows": len(now.x),
            **({"rows_of_earlier_programs": now.earlier} if now.earlier else {}),
            "sha256": hashlib.sha256(np.concatenate((now.x, now.y), axis=1).tobytes()).hexdigest(),
        }

    return collect
