"""Ω of a folder: look designs up in its rows, and run the command for the others."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from ipage_core.problem.watch import watched
from ipage_core.runtime import executor
from ipage_core.runtime.files import lives, replacing
from ipage_core.tasks.command import card as cards
from ipage_core.tasks.command import program, rows
from ipage_core.tasks.command.call import CALL, work
from ipage_core.tasks.command.card import Card
from ipage_core.tasks.command.columns import cell
from ipage_core.tasks.command.rows import Floats

LOG = logging.getLogger(__name__)
STRUCTURES = "structures"
"""Folder of a problem for the files that calls on other machines bring back."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Environment variables that a worker sets to 1; a command that runs alone keeps the user's values."""


def settled(card: Card, x: Floats) -> Floats:
    """Designs as the command receives them: integers and choices rounded and clipped. (n, d) → (n, d)."""
    x = np.array(x, dtype=np.float64)
    for j, variable in enumerate(card.variables):
        if variable.kind != "real":
            x[:, j] = np.clip(np.round(x[:, j]), variable.low, variable.high)
    return x


def items(folder: Path, card: Card, x: Floats, source: str, version: str) -> list[executor.Item]:
    """The calls of a version of the program for designs (n, d), ``batch`` designs per call."""
    common = {
        "command": list(card.command),
        "x_names": card.x_names,
        "y_names": card.y_names,
        "timeout": card.timeout,
        "folder": None if card.scheduler else str(folder.resolve()),
        "environment": {name: os.environ.get(name) for name in THREADS} if card.workers <= 1 else {},
        "source": source,
        "program": version,
    }
    if card.scheduler and (folder / "crystal.json").exists():
        from ipage_core.tasks.own_crystal.task import elsewhere

        common |= elsewhere(folder)
    results = []
    for at in range(0, len(x), card.batch):
        part = x[at : at + card.batch]
        cells = [[cell(variable, value) for variable, value in zip(card.variables, row, strict=True)] for row in part]
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
    """Properties of designs (n, d) → (n, m), NaN where the command failed or was not called; all results are stored.

    Each design is computed only once; failed designs are not retried.

    Args:
        folder: folder of the problem.
        card: description of the problem.
        x: designs.
        source: origin of the designs, stored in the rows.
        workers, scheduler: override the card's values.
        progress, cancel: as in :func:`ipage_core.runtime.executor.run`; counted in calls.

    Raises:
        ValueError: the command was not given on this machine, or another run is calling it.
    """
    watch = watched()
    tell, cancel = progress or watch.progress, cancel or watch.cancel

    def received(p: executor.Progress) -> None:
        for name, text in ({} if p.result is None else p.result.pop("files", {})).items():
            with replacing(folder / STRUCTURES / Path(name).name) as beside:
                beside.write_text(text, encoding="utf-8")
        if tell is not None:
            tell(p)

    card = replace(
        card,
        workers=next(n for n in (workers, watch.workers, card.workers) if n is not None),
        scheduler=scheduler or watch.scheduler or card.scheduler,
    )
    x, version = settled(card, x), program.now(folder, card)
    stored = rows.read(folder, card, version)
    again = int((stored.find(x) >= 0).sum())
    if again < len(x):
        cards.check_allowed(folder, card.command)
        with rows.locked(folder):
            rows.settle(folder, card)
            _sweep(folder)
            stored = rows.read(folder, card, version)
            if stored.earlier:
                _say_earlier(folder, stored.earlier)
            new = x[stored.find(x) < 0]
            _, first = np.unique([rows.key(row) for row in new], return_index=True)
            todo = new[np.sort(first)]
            again = len(x) - len(todo)
            results: dict[str, executor.Result] = {}
            try:
                results = executor.run(
                    work,
                    items(folder, card, todo, source or watch.source or "Ω", version),
                    folder / rows.JOURNAL,
                    workers=card.workers,
                    scheduler=card.scheduler,
                    progress=received,
                    cancel=cancel,
                )
            finally:
                gone = not (folder / cards.CARD).is_file()
                if not gone:
                    rows.settle(folder, card)
            stored = rows.read(folder, card, version)
            there = stored.find(np.array([x for one in results.values() for x in one["x"]]).reshape(-1, x.shape[1]))
            if gone or (there < 0).any():
                raise ValueError(
                    f"{folder} lost results while its command ran: the command must leave this folder as it is"
                )
    if watch.kept is not None:
        watch.kept(again)
    row = stored.find(x)
    return np.where((row >= 0)[:, None], stored.y[np.maximum(row, 0)] if len(stored.y) else np.nan, np.nan)


def _sweep(folder: Path) -> None:
    """Remove the folders of calls whose process was killed. Call it while holding :func:`.rows.locked`."""
    for left in folder.glob(f"{CALL}*-*"):
        number = left.name.split("-")[1]
        if number.isdigit() and not lives(int(number)):
            shutil.rmtree(left, ignore_errors=True)


@cache
def _say_earlier(folder: Path, count: int) -> None:
    LOG.warning("%s", earlier_rows(folder, count))


def earlier_rows(folder: Path, count: int) -> str:
    """A sentence about ``count`` rows of earlier programs, and what may become of them."""
    rows_are = "1 row is the result" if count == 1 else f"{count} rows are results"
    return (
        f"{rows_are} of an earlier program, kept but not used: python -m ipage_core dataset {folder} --earlier use "
        "counts them as results of the program of now, --earlier drop removes them"
    )
