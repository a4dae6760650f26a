"""``dataset``: computes pairs with Ω, checks stored pairs, and merges journals of other machines."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ipage_core.cli.parser import COUNT, SEED, add_workers, file_name
from ipage_core.cli.shared import check_scheduler, find_task, print_counts, print_failures

if TYPE_CHECKING:
    from ipage_core.problem.task import Task


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("task", metavar="TASK", help="any task that generates from a seed, or the folder of a problem")
    parser.add_argument("--n", type=COUNT, help="rows; needed but with --check, which has its own default")
    parser.add_argument("--kind", help="of architecture: random (default), printable (features of 2 pixels) or auxetic")
    parser.add_argument("--seed", type=SEED, help="default: that of the shipped data")
    parser.add_argument(
        "--out", type=file_name, metavar="FILE", help="Parquet; a problem of one's own keeps the rows in any case"
    )
    parser.add_argument(
        "--earlier",
        choices=("use", "drop"),
        help="rows of earlier programs of a problem: count them as results of the program of now, or remove them",
    )
    add_workers(parser, None)
    parser.add_argument(
        "--check",
        nargs="?",
        const=Path(),
        type=Path,
        metavar="FILE",
        help="compute n rows of a file again (default: the shipped data); exit code 1 if they differ",
    )
    parser.add_argument("--merge", type=Path, nargs="+", metavar="JOURNAL", help="merge journals into the stored data")


def run(arguments: argparse.Namespace) -> int:
    """Generate, check or merge; print JSON."""
    if arguments.check is not None and arguments.merge:
        raise ValueError("--check and --merge exclude each other: give one of them")
    if arguments.check is not None or arguments.merge:
        return _stored(arguments)
    task = find_task(arguments.task)
    if arguments.earlier is not None:
        answer = _earlier(task, arguments.earlier == "use")
        if arguments.n is None:
            print(json.dumps(answer))
            return 0
    needed = ("n",) if task.collect is not None else ("n", "out")
    if missing := [f"--{name}" for name in needed if getattr(arguments, name) is None]:
        arguments.refuse(f"the following arguments are required: {', '.join(missing)}")
    check_scheduler(arguments.scheduler)
    if arguments.out is not None and arguments.out.suffix != ".parquet":
        raise ValueError(f"--out {arguments.out}: data sets are Parquet; accepted: a name that ends in .parquet")
    where = {"workers": arguments.workers, "scheduler": arguments.scheduler, "progress": print_counts}
    if task.collect is not None:
        if arguments.kind is not None:
            raise ValueError(f"--kind {arguments.kind}: {task.name} has one kind of data; leave it out")
        card = task.collect(arguments.n, arguments.seed, arguments.out, **where)
    else:
        from ipage_core.training.datasets import generate

        where["workers"] = 1 if arguments.workers is None else arguments.workers
        card = generate(task.name, arguments.n, arguments.seed, arguments.out, kind=arguments.kind, **where)
    print_failures([reason for reason, count in card.get("reasons", {}).items() for _ in range(count)])
    print(json.dumps(card, ensure_ascii=False))
    return 0


def _earlier(task: Task, use: bool) -> dict[str, int]:
    """Use or remove rows of earlier programs. → how many."""
    from ipage_core.tasks.command import card as cards
    from ipage_core.tasks.command import rows

    if task.collect is None or task.models_folder is None:
        raise ValueError(f"--earlier: {task.name} has no rows of a command; accepted: the folder of a problem")
    count = rows.settle_earlier(task.models_folder, cards.read(task.models_folder), use)
    print(f"Rows of earlier programs {'that count now' if use else 'that are removed'}: {count}", file=sys.stderr)
    return {"earlier": count}


def _stored(arguments: argparse.Namespace) -> int:
    """Run ``--check`` or ``--merge`` on the data shipped with a task."""
    task = find_task(arguments.task)
    if arguments.merge:
        if task.merge_data is None:
            raise ValueError(f"--merge: the data of {task.name} do not come from journals")
        card = task.merge_data(arguments.merge)
        print(json.dumps({name: card[name] for name in ("n", "failed")}))
        return 0
    if task.check_data is None:
        raise ValueError(f"--check: {task.name} has no stored data; its pairs are generated when they are needed")
    file = arguments.check
    given = {} if file == Path() else {"data": file}
    if given and not file.is_file():
        raise ValueError(f"{file} does not exist; make it with: python -m ipage_core dataset {task.name}")
    given |= {} if arguments.n is None else {"n": arguments.n}
    answer = task.check_data(**given, workers=1 if arguments.workers is None else arguments.workers)
    print(json.dumps(answer))
    return 0 if answer["ok"] else 1
