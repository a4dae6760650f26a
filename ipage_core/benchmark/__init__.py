"""The paper's tables and figures, from the true forward operator: ``python -m ipage_core benchmark``.

A section is a module with ``items(scope)`` (keys and arguments of its runs), ``work(argument)`` (one of them, in any
process), ``frame(scope, results)`` (tidy rows) and ``KEY`` (the columns that identify a row). Its ``alone(argument)``,
if there is one, says whether a run needs the main process and all cores. A stopped section resumes from its journal.
Each section writes one Parquet file; tables, figures and report are computed from these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from ipage_core.benchmark import rows, tables
from ipage_core.benchmark.scope import Scope, missing
from ipage_core.runtime import executor as cluster
from ipage_core.runtime.files import sole_writer
from ipage_core.runtime.paths import DATA
from ipage_core.tasks import TASKS

SECTIONS = {
    "tables": "solutions",
    "designs": "designs",
    "exploration": "exploration",
    "coverage": "coverage",
    "quality": "quality",
    "calibration": "calibration",
    "ablation": "ablation",
    "compute": "compute",
}
"""Section → its module and Parquet file."""
CELLS = "cells.parquet"
"""File of :func:`ipage_core.benchmark.tables.summary` of ``solutions.parquet``."""
PATIENCE = 60.0
"""Seconds to wait for another run, or ``--fold``, that writes its tables into the folder."""
SHIPPED = DATA / "benchmark"
"""The shipped results."""


def run(
    scope: Scope,
    out: Path,
    sections: Sequence[str] = tuple(SECTIONS),
    *,
    workers: int = 1,
    scheduler: str | None = None,
    progress: Callable[[str, cluster.Progress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
    command: str = "",
    fold: bool = False,
) -> dict[str, Path]:
    """Run everything that is not in the journals of ``out`` and write one Parquet file per section. → section: file.

    Args:
        scope: the runs to cover.
        out: folder of journals and Parquet files; the files hold exactly what ``scope`` covers.
        sections: which of ``SECTIONS``.
        workers, scheduler, cancel: see :func:`ipage_core.runtime.executor.run`.
        progress: called with a section's name and its progress.
        command: the user's command, for the files' cards.
        fold: run nothing; write the results in the journals.

    Raises:
        ValueError: an unknown section, no method is available, nothing to fold, or see
            :func:`ipage_core.runtime.executor.run`.
    """
    if unknown := [name for name in sections if name not in SECTIONS]:
        raise ValueError(f"section '{unknown[0]}' is not known; accepted: {', '.join(SECTIONS)}")
    unavailable = missing(scope)
    written: dict[str, Path] = {}
    if len(unavailable) == len(scope.tasks) * len(scope.methods):
        raise ValueError(next(iter(unavailable.values())))
    for name in sections:
        section: Any = import_module(f"ipage_core.benchmark.{SECTIONS[name]}")
        items = section.items(scope)
        results: dict[str, cluster.Result] = {}
        alone = getattr(section, "alone", lambda argument: False)
        here = [item for item in items if alone(item[1])]
        there = [item for item in items if not alone(item[1])]
        for part, count, address in ((there, workers, scheduler), (here, 0, None)):
            if part and fold:
                done = rows.finished(out / f"{SECTIONS[name]}.journal")
                results |= {key: done[key] for key, _ in part if key in done}
            elif part:
                results |= cluster.run(
                    section.work,
                    part,
                    out / f"{SECTIONS[name]}.journal",
                    workers=count,
                    scheduler=address,
                    progress=None if progress is None else lambda p, name=name: progress(name, p),  # type: ignore[misc]
                    cancel=cancel,
                )
            if cancel is not None and cancel():
                return written
        if fold and not results:  # the files of an earlier run stay
            continue
        about = {"command": command, "missing": unavailable}
        written[name] = _write(name, section.frame(scope, results), out, about)
    if not written:
        raise ValueError(f"{out} holds no finished results of these runs; accepted: the folder of a stopped run")
    return written


def _write(name: str, frame: pd.DataFrame, out: Path, about: dict[str, Any]) -> Path:
    """Write the table of a section; that of ``tables`` changes together with its summary. → its file."""
    path = out / f"{SECTIONS[name]}.parquet"
    # Summarizing a million rows takes seconds, too long for a page.
    summary = tables.summary(frame) if name == "tables" else None
    with sole_writer(out, PATIENCE):
        rows.write(frame, path, about)
        if summary is not None:
            rows.write(summary, out / CELLS, about)
    return path


def join(folders: Sequence[Path], out: Path) -> dict[str, Path]:
    """Merge folders of a benchmark that ran in parts or on several machines. → section: file.

    On duplicates the later folder wins.

    Raises:
        ValueError: the folders hold no results, a file is not of a benchmark, or a cell mixes two networks.
    """
    written = {}
    missing_here = missing(Scope(tuple(TASKS)))
    for name, module in SECTIONS.items():
        loaded = [rows.read(path) for folder in folders if (path := folder / f"{module}.parquet").exists()]
        loaded = [one for one in loaded if len(one[0])]  # the columns of an empty table have no numeric type
        if not loaded:
            continue
        key = list(import_module(f"ipage_core.benchmark.{module}").KEY)
        frame = pd.concat([table.assign(part=k) for k, (table, _) in enumerate(loaded)], ignore_index=True)
        frame = frame.drop_duplicates(key, keep="last")
        cards = [loaded[k][1] for k in sorted(frame.pop("part").unique())]  # of folders with remaining rows
        if "weights" in frame:
            networks = frame.groupby(["task", "method", "training_seed"], observed=True)["weights"].nunique()
            if (networks > 1).any():
                task, method, _ = networks.index[networks > 1][0]
                raise ValueError(
                    f"{method} on {task} has been trained anew between these runs; accepted: runs after it"
                )
        about = {}
        for word in ("command", "machine"):  # also of folders merged before
            parts = [part for card in cards for part in card[word].split(" && ")]
            about[word] = " && ".join(dict.fromkeys(parts))
        unavailable = {key: why for card in cards for key, why in card["missing"].items() if key in missing_here}
        if "method" in frame:  # a later run may have a method that another lacked
            there = set(frame["task"].astype(str) + " " + frame["method"].astype(str))
            unavailable = {key: why for key, why in unavailable.items() if key not in there}
        written[name] = _write(name, frame, out, about | {"missing": unavailable})
    if not written:
        raise ValueError(f"{', '.join(map(str, folders))}: accepted: folders with results of the benchmark")
    return written
