"""What the user has made: tasks of own data and models trained here. They join ``TASKS`` and ``METHODS`` by folder.

$IPAGE_HOME (default: ~/.local/share/ipage-explorer)
  tasks/<name>/    task.json, rows.safetensors, and the models trained on them
  models/<run>/    models of one training of any task, with their cards
  queue/           trainings: see app/trainings.py
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import replace
from pathlib import Path

_seen: dict[Path, tuple[int, int]] = {}


def home() -> Path:
    """The folder that holds it all; made when something is written."""
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(os.environ.get("IPAGE_HOME") or f"{base}/ipage-explorer").expanduser()


def refresh() -> bool:
    """Let ``TASKS`` and ``METHODS`` hold what the folders hold now. → whether a task's data have changed.

    Cheap when nothing has.
    """
    changed = _refresh_tasks()
    _refresh_methods()
    return changed


def _refresh_tasks() -> bool:
    """A damaged folder is left aside, with a line in the log."""
    from ipage_core.networks.store import ModelUnavailable
    from ipage_core.tasks import TASKS
    from ipage_core.tasks.table import own_data

    there = {path.parent: path for path in sorted((home().resolve() / "tasks").glob(f"*/{own_data.CARD}"))}
    gone = [name for name, task in TASKS.items() if task.folder is not None and task.folder not in there]
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
