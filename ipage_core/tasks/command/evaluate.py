"""Ω of a folder: what its rows say of a design, and the command where they do not know it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ipage_core.problem.watch import watched
from ipage_core.runtime import executor
from ipage_core.tasks.command import card as cards
from ipage_core.tasks.command import rows
from ipage_core.tasks.command.call import work
from ipage_core.tasks.command.card import Card
from ipage_core.tasks.command.columns import cell
from ipage_core.tasks.command.rows import Floats

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables that a worker sets to 1 for itself; a command that runs alone has the user's."""


def settled(card: Card, x: Floats) -> Floats:
    """Designs as the command gets them: whole numbers are whole. (n, d) → (n, d)."""
    x = np.array(x, dtype=np.float64)
    for j, known in enumerate(card.variables):
        if known.kind != "real":
            x[:, j] = np.clip(np.round(x[:, j]), known.low, known.high)
    return x


def items(folder: Path, card: Card, x: Floats, source: str) -> list[executor.Item]:
    """The calls for designs (n, d), ``batch`` of them each."""
    common = {
        "command": list(card.command),
        "x_names": card.x_names,
        "y_names": card.y_names,
        "timeout": card.timeout,
        "folder": None if card.scheduler else str(folder.resolve()),
        "environment": {name: os.environ.get(name) for name in THREADS} if card.workers <= 1 else {},
        "source": source,
    }
    results = []
    for at in range(0, len(x), card.batch):
        part = x[at : at + card.batch]
        cells = [[cell(known, value) for known, value in zip(card.variables, row, strict=True)] for row in part]
        results.append((f"{at}", common | {"x": part.tolist(), "cells": cells}))
    return results


def evaluate(
    folder: Path,
    card: Card,
    x: Floats,
    *,
    source: str = "",
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Callable[[executor.Progress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Floats:
    """Properties of designs (n, d) → (n, m), NaN where the command fails or was not called; every answer is kept.

    A design is asked for once: one that failed before is not tried again.

    Args:
        folder: of the problem.
        card: its description.
        x: designs.
        source: what the rows say of where they come from.
        workers, scheduler: instead of the card's.
        progress, cancel: as :func:`ipage_core.runtime.executor.run` takes them; counted in calls.

    Raises:
        ValueError: the command was not given on this machine, or another run calls it.
    """
    watch = watched()
    progress, cancel = progress or watch.progress, cancel or watch.cancel
    card = replace(
        card,
        workers=next(n for n in (workers, watch.workers, card.workers) if n is not None),
        scheduler=scheduler or watch.scheduler or card.scheduler,
    )
    x = settled(card, x)
    known = rows.read(folder, card)
    if (known.find(x) < 0).any():
        cards.check_allowed(folder, card.command)
        with rows.locked(folder):
            rows.settle(folder, card)
            known = rows.read(folder, card)
            new = x[known.find(x) < 0]
            _, first = np.unique([rows.key(row) for row in new], return_index=True)
            todo = new[np.sort(first)]
            try:
                executor.run(
                    work,
                    items(folder, card, todo, source or watch.source or "Ω"),
                    folder / rows.JOURNAL,
                    workers=card.workers,
                    scheduler=card.scheduler,
                    progress=progress,
                    cancel=cancel,
                )
            finally:
                rows.settle(folder, card)
        known = rows.read(folder, card)
    results = known.find(x)
    return np.where((results >= 0)[:, None], known.y[np.maximum(results, 0)] if len(known.y) else np.nan, np.nan)
