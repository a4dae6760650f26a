"""Tasks and methods by name: what ships, what installed packages bring, what the user has made.

A package brings tasks by entry points of the group ``ipage.tasks``: ``name = "package.module:TASK"``. A user's own are
a Python file that defines ``TASK``, named by ``--task FILE.py`` (or ``$IPAGE_TASKS``), or put into the folder

$IPAGE_HOME (default: ~/.local/share/ipage-explorer)
  tasks/<name>.py  a task with an Ω of one's own
  tasks/<name>/    of own data: task.json, rows.safetensors, and the models trained on them
  models/<run>/    models of one training of any task, with their cards
  queue/           trainings: see app/trainings.py
"""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import replace
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipage_core.problem.task import Task

_seen: dict[Path, tuple[int, int]] = {}
_points: set[str] = set()
"""Entry points that were looked at."""


def home() -> Path:
    """The folder that holds it all; made when something is written."""
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(os.environ.get("IPAGE_HOME") or f"{base}/ipage-explorer").expanduser()


def tasks() -> dict[str, Task]:
    """All tasks by name, as they are now."""
    from ipage_core.tasks import TASKS

    refresh()
    return dict(TASKS)


def find(task: str | Task) -> Task:
    """A task by its name, or the task itself.

    Raises:
        ValueError: there is no task of this name.
    """
    from ipage_core.problem.task import Task
    from ipage_core.tasks import TASKS

    if isinstance(task, Task):
        return task
    if not isinstance(task, str) or (task not in TASKS and task not in tasks()):
        raise ValueError(f"task {task!r} is not known; accepted: a Task, or one of {', '.join(TASKS)}")
    return TASKS[task]


def load_file(path: str | Path) -> Task:
    """The task that a Python file defines as ``TASK``; it joins the others under its name.

    Raises:
        ValueError: no such file, it fails, it defines no task, or its name is that of another task.
    """
    from ipage_core.problem.task import Task
    from ipage_core.tasks import MODULES, TASKS

    file = Path(path).expanduser().resolve()
    if file.suffix != ".py" or not file.is_file():
        raise ValueError(f"--task {path}: accepted: a Python file that defines TASK")
    module = f"ipage_task_{file.stem}"
    spec = spec_from_file_location(module, file)
    assert spec is not None
    assert spec.loader is not None
    made = sys.modules[module] = module_from_spec(spec)  # dataclasses and pickles look a module up by its name
    try:
        spec.loader.exec_module(made)
    except Exception as error:  # the user's own code may fail in any way
        raise ValueError(f"{path} fails when it is read: {type(error).__name__}: {error}") from error
    task = getattr(made, "TASK", None)
    if not isinstance(task, Task):
        raise ValueError(f"{path} defines no TASK; accepted: TASK = ipage_core.Task(…) or Task.from_function(…)")
    if task.name in MODULES:
        raise ValueError(f"{path} calls its task '{task.name}', as a shipped one is called: give it another name")
    TASKS[task.name] = task
    return task


def _refresh_plugins() -> None:
    """Entry points of installed packages, once; files whenever they have changed. One that fails is left aside."""
    from ipage_core.problem.task import Task
    from ipage_core.tasks import TASKS

    log = logging.getLogger(__name__)
    for point in entry_points(group="ipage.tasks"):
        if point.value in _points:
            continue
        _points.add(point.value)
        try:
            task = point.load()
        except Exception as error:
            log.warning("The task %s of an installed package fails: %s", point.name, error)
            continue
        if isinstance(task, Task) and task.name not in TASKS:
            TASKS[task.name] = task
    said = [Path(part) for part in os.environ.get("IPAGE_TASKS", "").split(os.pathsep) if part]
    for file in [*said, *sorted((home() / "tasks").glob("*.py"))]:
        stamp = (file.stat().st_mtime_ns, 0) if file.is_file() else (0, 0)
        if _seen.get(file) == stamp:
            continue
        _seen[file] = stamp
        try:
            load_file(file)
        except ValueError as error:
            log.warning("%s", error)


def refresh() -> bool:
    """Let ``TASKS`` and ``METHODS`` hold what the folders hold now. → whether a task's data have changed.

    Cheap when nothing has.
    """
    _refresh_plugins()
    changed = _refresh_tasks()
    _refresh_methods()
    return changed


def _refresh_tasks() -> bool:
    """A damaged folder is left aside, with a line in the log."""
    from ipage_core.tasks import TASKS

    there = {path.parent: path for path in sorted((home().resolve() / "tasks").glob("*/task.json"))}
    gone = [name for name, task in TASKS.items() if task.folder is not None and task.folder not in there]
    if not there and not gone:
        return False  # without loading what reads tables
    from ipage_core.networks.store import ModelUnavailable
    from ipage_core.tasks.table import own_data

    for name in gone:
        _seen.pop(TASKS.pop(name).folder, None)  # type: ignore[arg-type]
    changed = bool(gone)
    for folder, card in there.items():
        rows = folder / own_data.ROWS
        stamp = card.stat().st_mtime_ns, rows.stat().st_mtime_ns if rows.exists() else 0
        if _seen.get(folder) == stamp:
            continue
        _seen[folder], changed = stamp, True
        try:
            task = own_data.load(folder)
        except ModelUnavailable as error:
            logging.getLogger(__name__).warning("%s", error)
            continue
        if task.name not in TASKS or TASKS[task.name].folder is not None:
            TASKS[task.name] = task
    return changed


def _refresh_methods() -> None:
    if "ipage_core.inference.methods" not in sys.modules and not any((home() / "models").glob("*")):
        return  # nothing to add, nothing to take away, and no reason to load torch
    from ipage_core.inference.methods import METHODS

    found = set()
    for folder in sorted((home() / "models").glob("*")):
        tasks = {card["task"] for card in _cards(folder)}
        if len(tasks) != 1:
            continue
        task = tasks.pop()
        for name in [name for name in METHODS if "@" not in name]:
            row = METHODS[name]
            if row.models and all((folder / f"{model}.json").exists() for model in row.models):
                made = f"{name}@{folder.name}"
                found.add(made)
                if made not in METHODS or METHODS[made].folder != folder:
                    METHODS[made] = replace(
                        row, title=f"{row.title}; trained here: {folder.name}", task=task, folder=folder
                    )
    for name in [name for name in METHODS if "@" in name and name not in found]:
        del METHODS[name]


def _cards(folder: Path) -> list[dict]:
    cards = []
    for path in folder.glob("*.json"):
        try:
            card = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        if isinstance(card, dict) and isinstance(card.get("task"), str):
            cards.append(card)
    return cards
