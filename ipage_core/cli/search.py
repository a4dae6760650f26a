"""``search``: tries settings of a method's networks in short trainings."""

from __future__ import annotations

import argparse

from ipage_core.cli.parser import EPOCHS
from ipage_core.cli.shared import find_task


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("task", metavar="TASK")
    parser.add_argument("method", metavar="METHOD", choices=("inn", "cinn", "mdn", "cvae", "na"))
    parser.add_argument("--epochs", type=EPOCHS, default=30, help="epochs of each run (default %(default)s)")
    parser.add_argument("--networks", action="store_true", help="na: try other networks instead of other descents")


def run(arguments: argparse.Namespace) -> None:
    """Print one JSON object per run; the log is ``pretrained/TASK/METHOD.search.json``."""
    from ipage_core.runtime.paths import PRETRAINED
    from ipage_core.training.search import search, search_descents, search_networks

    task = find_task(arguments.task)
    if arguments.networks and arguments.method != "na":
        raise ValueError(f"--networks is for na; '{arguments.method}' has one search")
    if arguments.networks:
        search_networks(task, PRETRAINED / task.name)
    elif arguments.method == "na":
        search_descents(task, PRETRAINED / task.name)
    else:
        search(task, arguments.method, arguments.epochs, PRETRAINED / task.name)
