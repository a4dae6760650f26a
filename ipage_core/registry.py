"""Tasks and methods by name: those that ship, those of installed packages, the user's own.

A package brings tasks by entry points of the group ``ipage.tasks``: ``name = "package.module:TASK"``. The user's own
task is a Python file that defines ``TASK``, given by ``--task FILE.py`` (or ``$IPAGE_TASKS``), or in the folder

$IPAGE_HOME (default: ~/.local/share/ipage-explorer)
  tasks/<name>.py  a task with the user's own Ω
  tasks/<name>/    of own data: task.json, rows.safetensors, and the models trained on them; or a problem with a command
                   as Ω: problem.json, rows.parquet
  campaigns/<name>/  campaigns of the app: see app/workers/campaigns.py
  models/<run>/    models of one training of any task, with their cards
  queue/           trainings: see app/workers/trainings.py
"""

from __future__ import annotations

import builtins
import json
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

from ipage_core.runtime.paths import home
from ipage_core.runtime.text import error_in_words

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from ipage_core.problem.task import Task

LOG = logging.getLogger(__name__)
NAMED, PACKAGES, FILES, PROBLEMS, TABLES = "named", "packages", "files", "problems", "tables"
"""Sources of tasks: ``--task``, packages, files, commands, tables."""
MAY_CHANGE = ("_", "__import__", "__build_class__")
"""Names of Python itself that a module of a task may replace, as interpreters and import hooks do."""
TRAINED = "trained"
"""Source of methods: trained by the user."""


def tasks() -> dict[str, Task]:
    """All current tasks by name."""
    from ipage_core.tasks import TASKS

    refresh()
    return dict(TASKS)


def find(task: str | Path | Task) -> Task:
    """A task by its name or its folder; a Task is returned as it is.

    Raises:
        ValueError: there is no task of this name.
    """
    from ipage_core.problem.task import Task
    from ipage_core.tasks import TASKS

    if isinstance(task, Task):
        return task
    if isinstance(task, str | Path) and (result := in_folder(task)) is not None:
        return result
    if not isinstance(task, str) or (task not in TASKS and task not in tasks()):
        raise ValueError(f"task {task!r} is not known; accepted: a Task, or one of {', '.join(TASKS)}")
    return TASKS[task]


def load_file(path: str | Path) -> Task:
    """Load the task of a folder, or the ``TASK`` of a Python file, and register it under its name.

    Raises:
        ValueError: no such file, it fails, it defines no task, or its name is that of another task.
    """
    from ipage_core.tasks import TASKS

    file = Path(path).expanduser().resolve()
    if file.is_dir():
        task = _held(file)
    elif file.suffix != ".py" or not file.is_file():
        raise ValueError(f"--task {path}: accepted: a Python file that defines TASK, or the folder of a problem")
    else:
        task = _defined(file, file.stat().st_mtime_ns)
    TASKS.extend(NAMED, {**TASKS.added(NAMED), task.name: task})
    return task


def _held(folder: Path) -> Task:
    """The task of a folder, for ``load_file``."""
    from ipage_core.tasks import MODULES

    task = load_folder(folder)
    if task.name in MODULES:
        raise ValueError(f"{folder} is called '{task.name}', as a shipped task is: give the folder another name")
    return task


def holds_task(folder: str | Path) -> bool:
    """Whether a folder holds a task: a problem with a command as Ω, or own data."""
    return any((Path(folder) / card).is_file() for card in ("problem.json", "task.json"))


def in_folder(name: str | Path) -> Task | None:
    """The task of the folder with this name, else None; the name of a shipped task is never a folder."""
    from ipage_core.tasks import MODULES

    return load_folder(name) if str(name) not in MODULES and holds_task(name) else None


def load_folder(folder: str | Path) -> Task:
    """The task of a folder made by ``ipage_core new`` or by a training on own data.

    Raises:
        ValueError: the folder holds no task, or a damaged one.
    """
    path = Path(folder)
    if (path / "problem.json").is_file():
        from ipage_core.tasks.command import task as command

        return command.load(path)
    from ipage_core.tasks.table import own_task

    return own_task.load(path)


@cache
def _defined(file: Path, written: int) -> Task:
    """The task of a file as of the time ``written``, for ``load_file``."""
    from ipage_core.problem.task import Task
    from ipage_core.tasks import MODULES

    module = f"ipage_task_{file.stem}"
    spec = spec_from_file_location(module, file)
    assert spec is not None
    assert spec.loader is not None
    made = sys.modules[module] = module_from_spec(spec)  # dataclasses and pickle look up a module by its name
    before, failure = dict(vars(builtins)), None
    try:
        spec.loader.exec_module(made)
    except (Exception, SystemExit) as error:  # the user's own code may fail in any way
        failure = error
    replaced = [name for name in before if name not in MAY_CHANGE and vars(builtins).get(name) is not before[name]]
    vars(builtins).update({name: before[name] for name in replaced})
    if replaced:
        raise ValueError(
            f"{file.name} replaces functions of Python itself ({', '.join(replaced)}): give them other names"
        )
    if failure is not None:
        raise ValueError(f"{file.name} fails when it is imported: {_said(failure)}") from failure
    task = getattr(made, "TASK", None)
    if not isinstance(task, Task):
        raise ValueError(f"{file.name} defines no TASK; accepted: TASK = ipage_core.Task(…) or Task.from_function(…)")
    if task.name in MODULES:
        raise ValueError(
            f"{file.name} calls its task '{task.name}', which is the name of a shipped task: give it another name"
        )
    return task


def _said(error: BaseException) -> str:
    """An error in words: 'ZeroDivisionError: division by zero'; 'it calls sys.exit(3)'."""
    if isinstance(error, SystemExit):
        return f"it calls sys.exit({error.code!r})"
    return error_in_words(error)


def refresh() -> bool:
    """Update ``TASKS`` and ``METHODS`` from the folders. → whether a task's data have changed.

    Cheap if nothing has changed. A task that fails is left out, with a line in the log.
    """
    from ipage_core.tasks import MODULES, TASKS

    TASKS.extend(PACKAGES, {task.name: task for task in _of_packages() if task.name not in MODULES})
    TASKS.extend(FILES, {task.name: task for task in _of_files()})
    taken = {*MODULES, *TASKS.added(NAMED), *TASKS.added(PACKAGES), *TASKS.added(FILES)}
    changed = TASKS.extend(PROBLEMS, {task.name: task for task in _of_problems() if task.name not in taken})
    taken |= {*TASKS.added(PROBLEMS)}
    changed = TASKS.extend(TABLES, {task.name: task for task in _of_tables() if task.name not in taken}) or changed
    _refresh_methods()
    return changed


def _of_packages() -> Iterator[Task]:
    """Tasks from the entry points of installed packages."""
    from ipage_core.problem.task import Task

    for point in entry_points(group="ipage.tasks"):
        task = _loaded(point)
        if isinstance(task, Task):
            yield task


@cache
def _loaded(point: EntryPoint) -> object:
    try:
        return point.load()
    except (Exception, SystemExit) as error:  # a package's code may fail in any way
        LOG.warning("The task %s of an installed package fails: %s", point.name, _said(error))
        return None


def _of_files() -> Iterator[Task]:
    """Tasks of the Python files in ``$IPAGE_TASKS`` and in the user's folder."""
    named = [Path(part).resolve() for part in os.environ.get("IPAGE_TASKS", "").split(os.pathsep) if part]
    for file in [*named, *sorted((home().resolve() / "tasks").glob("*.py"))]:
        task = of_file(file)
        if task is not None:
            yield task


def of_file(file: Path) -> Task | None:
    """The task that a file or a folder defines; None, with a line in the log, if there is none."""
    return _of_file(file, file.stat().st_mtime_ns if file.exists() else 0)


@cache
def _of_file(file: Path, written: int) -> Task | None:
    if not written:
        LOG.warning("%s: there is no such file", file)
        return None
    try:
        return _held(file) if file.is_dir() else _defined(file, written)
    except ValueError as error:
        LOG.warning("%s", error)
        return None


def _of_problems() -> Iterator[Task]:
    """Tasks of the user's own commands."""
    for card in sorted((home().resolve() / "tasks").glob("*/problem.json")):
        names = ("problem.json", "rows.parquet", "measured.parquet", "crystal.json")
        files = [card.parent / name for name in names]
        task = _of_problem(card.parent, tuple(file.stat().st_mtime_ns if file.exists() else 0 for file in files))
        if task is not None:
            yield task


@cache
def _of_problem(folder: Path, written: tuple[int, ...]) -> Task | None:
    try:
        return load_folder(folder)
    except ValueError as error:
        LOG.warning("%s", error)
        return None


def _of_tables() -> Iterator[Task]:
    """Tasks from the user's own tables without an Ω."""
    for card in sorted((home().resolve() / "tasks").glob("*/task.json")):
        if (card.parent / "problem.json").exists():
            continue
        rows = card.parent / "rows.safetensors"
        task = _of_table(card.parent, card.stat().st_mtime_ns, rows.stat().st_mtime_ns if rows.exists() else 0)
        if task is not None:
            yield task


@cache
def _of_table(folder: Path, card_written: int, rows_written: int) -> Task | None:
    from ipage_core.networks.store import ModelUnavailable
    from ipage_core.tasks.table import own_task

    try:
        return own_task.load(folder)
    except ModelUnavailable as error:
        LOG.warning("%s", error)
        return None


def _refresh_methods() -> None:
    """Update the methods trained by the user: ``method@run`` for each with all models in ``models/<run>``."""
    if "ipage_core.inference.methods" not in sys.modules and not any((home() / "models").glob("*")):
        return  # nothing has changed, so torch is not loaded
    from ipage_core.inference.methods import METHODS, Method

    trained: dict[str, Method] = {}
    for folder in sorted((home() / "models").glob("*")):
        tasks = {card["task"] for card in _cards(folder)}
        if len(tasks) != 1:
            continue
        task = tasks.pop()
        for name, row in METHODS.items():
            whole = row.models and all((folder / f"{model}.json").exists() for model in row.models)
            if whole and "@" not in name:
                title = f"{row.title}; trained here: {folder.name}"
                trained[f"{name}@{folder.name}"] = replace(row, title=title, task=task, folder=folder)
    METHODS.extend(TRAINED, trained)


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
