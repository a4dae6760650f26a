"""Shared by commands: find a task, load its method, print progress, write tables."""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from ipage_core.inference.methods import Loaded
    from ipage_core.problem.task import Task
    from ipage_core.runtime.executor import Progress


def find_task(name: str | None, model: Path | None = None) -> Task:
    """A task by its name, by the folder of a user's own problem, or by the folder of a model of own data."""
    from ipage_core import registry
    from ipage_core.tasks import TASKS

    registry.refresh()  # includes tasks of own data and models trained here
    if model is not None:
        if registry.holds_task(model):
            task = registry.load_folder(model)
            if name not in (None, task.name):
                raise ValueError(f"{model} holds the task '{task.name}', not '{name}': leave TASK out")
            return task
        if name is None:
            if not model.is_dir():
                raise ValueError(f"--model {model}: there is no such folder; accepted: the folder that train wrote")
            raise ValueError(f"{model} holds no task of own data: it has no task.json; accepted: TASK as well")
    if name is None:
        raise ValueError(f"TASK or --model DIR is required; accepted: {', '.join(TASKS)}")
    if (own := registry.in_folder(name)) is not None:
        return own
    if name not in TASKS:
        raise ValueError(f"task '{name}' is not known; accepted: {', '.join(TASKS)}, or the folder of a problem")
    return TASKS[name]


def load_method(arguments: argparse.Namespace, task: Task) -> Loaded:
    """The chosen method with the models of ``--model``; METHOD@RUN has its own models."""
    from ipage_core.inference.methods import load
    from ipage_core.training.fit import pick_device

    name = arguments.method or task.default_method
    return load(task, name, pick_device(arguments.device), models=None if "@" in name else arguments.model)


def check_scheduler(address: str | None) -> None:
    """ValueError unless the address is valid or None."""
    if address is not None and not re.fullmatch(r"tcp://.+:\d+", address):
        raise ValueError(f"--scheduler {address}: accepted: an address such as tcp://127.0.0.1:8786")


def where_omega_runs(task: Task, arguments: argparse.Namespace) -> dict[str, Any]:
    """Arguments from ``--workers`` and ``--scheduler`` for :func:`ipage_core.problem.watch.watching`.

    Raises:
        ValueError: the address is invalid, or Ω runs in this process.
    """
    check_scheduler(arguments.scheduler)
    said = {"workers": arguments.workers, "scheduler": arguments.scheduler}
    if not task.in_processes and any(value is not None for value in said.values()):
        raise ValueError(
            f"--workers and --scheduler are for an Ω that is a command or DFT; that of {task.name} runs in this process"
        )
    return said


def refuse_replacing_data(task: Task, arguments: argparse.Namespace) -> None:
    """Raise ValueError if an output file is a table that the task's rows came from, or a file of the task itself.

    Tables are known by their names; ``--force`` lets them be replaced, files of the task never.
    """
    for name in ("out", "to_measure"):
        path = getattr(arguments, name, None)
        if path is None or not path.exists():
            continue
        option = f"--{name.replace('_', '-')} {path}"
        if path.resolve().parent == task.models_folder and path.suffix != ".csv":
            raise ValueError(f"{option} is a file of the task {task.name}; accepted: another name")
        if path.name in task.files and not arguments.force:
            raise ValueError(
                f"{option} has the name of a table that {task.name} learned from; accepted: another name, or --force "
                "to replace it"
            )


def print_counts(progress: Progress) -> None:
    """Print items done and seconds left, on one line of stderr."""
    if not progress.done:
        return  # so that an early error gets its own line
    left = "" if progress.eta_seconds is None else f"  {progress.eta_seconds:.0f} s left"
    line = f"{progress.done}/{progress.total}{left} "
    end = ""
    if progress.done >= progress.total:  # what follows begins at the margin
        end = f"\r{'':<{len(line) + 8}}\r" if sys.stderr.isatty() else "\n"
    print(f"\r{line}{end}", end="", file=sys.stderr, flush=True)


def print_failures(reasons: Iterable[str], most: int = 3) -> None:
    """Print why designs failed, the most common reasons first; '' is no failure."""
    counts = Counter(reason for reason in reasons if reason)
    for reason, count in counts.most_common(most):
        print(f"{'A design' if count == 1 else f'{count} designs'} failed: {reason}", file=sys.stderr)
    if others := sum(counts.values()) - sum(count for _, count in counts.most_common(most)):
        print(f"{others} more failed, for other reasons", file=sys.stderr)


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table atomically: into a temporary file beside, then renamed."""
    from ipage_core.runtime.files import replacing, spreadsheet_safe

    with replacing(path) as beside:
        spreadsheet_safe(frame).to_csv(beside, index=False)
