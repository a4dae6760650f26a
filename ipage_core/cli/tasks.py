"""``tasks``: lists the tasks."""

from __future__ import annotations

import argparse
import json
from typing import Any


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--json", action="store_true", help="as one JSON array")


def run(arguments: argparse.Namespace) -> None:
    """Print one line per task, or all as JSON."""
    from ipage_core import registry as home
    from ipage_core.tasks import TASKS

    home.refresh()
    rows: list[dict[str, Any]] = [
        {
            "name": task.name,
            "title": task.title,
            "x": list(task.x_labels),
            "properties": list(task.property_labels),
            "n_targets": task.n_targets,
            "bounds": [[float(v.low) for v in task.variables], [float(v.high) for v in task.variables]],
            "default_target": task.known_target,  # None if Ω would have to run for it
            "tolerance": task.tolerance,
            "source": task.source,
        }
        for task in TASKS.values()
    ]
    if arguments.json:
        print(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        target = ", ".join(f"{value:g}" for value in row["default_target"] or ()) or "–"
        print(f"{row['name']:<18} {len(row['x'])} → {row['n_targets']}   y* = {target:<8}  {row['title']}")
