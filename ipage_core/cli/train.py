"""``train``: trains the models of a method, on a task or on own data."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipage_core.cli import tables
from ipage_core.cli.parser import EPOCHS, SEED, add_device
from ipage_core.cli.shared import find_task

if TYPE_CHECKING:
    import torch

    from ipage_core.problem.task import Task


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("task", metavar="TASK", nargs="?", help="with --data: title of the data")
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="own data: CSV, Parquet or NPZ; several files are joined side by side",
    )
    parser.add_argument("--x", metavar="COLS", help="with --data: input columns, separated by commas")
    parser.add_argument("--y", metavar="COLS", help="with --data: property columns, separated by commas")
    tables.add_options(parser)
    kinds = "with --data: real, integer, category, linear or log, if guessed wrong"
    parser.add_argument("--kinds", default="", metavar="COL=KIND,…", help=kinds)
    parser.add_argument("--units", default="", metavar="COL=UNIT,…", help="with --data")
    parser.add_argument("--bounds", default="", metavar="COL=LOW:HIGH,…", help="with --data; default: the data's own")
    parser.add_argument("--model", type=Path, metavar="DIR", help="own data that is there already, instead of TASK")
    parser.add_argument("--add", type=Path, metavar="FILE", help="with --model: results to add as another round first")
    as_is = "with --add: also values that seem to be in another unit"
    parser.add_argument("--force", dest="as_they_are", action="store_true", help=as_is)
    parser.add_argument("--method", help="train all models it needs (default: ipage)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="required, but with --model or the folder of a problem")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument("--epochs", type=EPOCHS, help="instead of the recipe's")
    parser.add_argument("--size", default="usual", help="of the networks: small, usual (default) or large")
    parser.add_argument("--seed", type=SEED, default=0)
    rows = "rows of the task to learn from, by number from 0 on, such as 0:1566,1567:1686:2 (default: all)"
    parser.add_argument("--rows", metavar="SLICES", help=rows)
    add_device(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON object per epoch")


def run(arguments: argparse.Namespace) -> None:
    """Train each model of the method; print its accuracy as JSON."""
    from ipage_core.inference.methods import METHODS, named
    from ipage_core.runtime.files import PATIENCE, sole_writer
    from ipage_core.training.fit import pick_device

    method = named(arguments.method or "ipage")
    if method not in METHODS or not METHODS[method].models:
        trainable = ", ".join(name for name, row in METHODS.items() if row.models)
        raise ValueError(f"method '{method}' is not known or has nothing to train; accepted: {trainable}")
    device, models = pick_device(arguments.device), METHODS[method].trained
    with ExitStack() as locks:
        task = _task_to_train(arguments)
        if arguments.add:  # locked from the rows to the last model, so that no other run comes between
            locks.enter_context(sole_writer(arguments.model, PATIENCE))
            task = _with_rows(arguments, task, models)
        out = Path(arguments.out or task.models_folder or ".")
        locks.enter_context(sole_writer(out, PATIENCE))  # one that is refused holds it for a moment
        left = [out / f"{model}{end}" for model in models for end in (".checkpoint.safetensors", ".json")]
        if arguments.resume and not any(path.exists() for path in left) and not (arguments.data or arguments.add):
            raise ValueError(f"--resume: {out} holds no stopped run of {method}; start without --resume")
        _train(arguments, task, models, out, device)


def _train(arguments: argparse.Namespace, task: Task, models: Sequence[str], out: Path, device: torch.device) -> None:
    from ipage_core.training.recipes import train

    for model in models:
        card = train(
            task,
            model,
            out,
            epochs=arguments.epochs,
            size=arguments.size,
            seed=arguments.seed,
            device=device,
            rows=arguments.rows,
            resume=arguments.resume,
            progress=_print_json if arguments.json else _print_progress,
        )
        if not arguments.json:
            print(file=sys.stderr)
        extra = {"held_out": card["held_out"]} if "held_out" in card else {}
        print(json.dumps({"model": model, "seconds": card["training_seconds"], **card["validation"], **extra}))


def _task_to_train(arguments: argparse.Namespace) -> Task:
    """A task by name, or one of own data: from ``--data``, or in the folder ``--model``."""
    said = {"--data": arguments.data, "--model": arguments.model, "--out": arguments.out}
    if arguments.add and not arguments.model:
        raise ValueError("--add needs --model DIR, the folder of the data")
    if arguments.model and (arguments.data or arguments.task):
        raise ValueError("--model DIR takes the place of TASK and --data: give one of them")
    if not arguments.data and (arguments.x or arguments.y or arguments.units or arguments.bounds or arguments.kinds):
        raise ValueError("--x, --y, --units, --bounds and --kinds need --data FILE")
    if not arguments.data and arguments.task and not arguments.add:
        task = find_task(arguments.task, arguments.model)
        if said["--out"] is None and task.models_folder is None:
            raise ValueError("--out DIR is required")
        return task
    if said["--out"] is None and not arguments.model:
        raise ValueError("--out DIR is required")
    if not arguments.data:
        return find_task(arguments.task, arguments.model)
    from ipage_core.problem.numerals import doubts
    from ipage_core.tasks.table import own_data, own_task
    from ipage_core.tasks.table.names import choose

    if (arguments.out / own_data.CARD).exists() and arguments.resume:
        return own_task.load(arguments.out)
    if not arguments.x or not arguments.y:
        raise ValueError("--data needs --x COLS and --y COLS: input and property columns, separated by commas")
    table = tables.read_rows(arguments.data, arguments)
    names = list(table.columns)
    x, y = choose(names, arguments.x), choose(names, arguments.y)

    def named(option: str, text: str) -> dict[str, str]:
        return {choose(names, name)[0]: value for name, value in _pairs(option, text).items()}

    bounds = {name: _limits(name, text) for name, text in named("--bounds", arguments.bounds).items()}
    task = own_data.create(
        arguments.out,
        table.frame,
        x,
        y,
        source=", ".join(path.name for path in arguments.data),
        title=arguments.task or "",
        units={name: unit for name, unit in table.units.items() if name in (*x, *y)}
        | named("--units", arguments.units),
        bounds=bounds,
        kinds=named("--kinds", arguments.kinds),
        decimal=table.guessed.decimal,
    )
    for sentence in doubts(task, [arguments.bounds]):
        print(sentence, file=sys.stderr)
    for warning in table.warnings(x, y):
        print(warning, file=sys.stderr)
    return task


def _with_rows(arguments: argparse.Namespace, task: Task, models: Sequence[str]) -> Task:
    """The task of ``--model`` with the rows of ``--add``, which a run that was killed may have added before."""
    from ipage_core.tasks.table import own_data
    from ipage_core.training.recipes import knows_all_rows

    table = tables.read_rows([arguments.add], arguments, least=1)
    try:
        count = own_data.add(arguments.model, table.frame, source=arguments.add.name, as_they_are=arguments.as_they_are)
        message = f"{count} rows added"
    except own_data.AllThere as there:
        if all(knows_all_rows(task, model, Path(arguments.out or arguments.model)) for model in models):
            raise
        arguments.resume = True
        message = f"{there}: the training goes on"
    tables.say(table)
    print(message, file=sys.stderr)
    return find_task(arguments.task, arguments.model)


def _columns(text: str) -> list[str]:
    import csv

    return [name.strip() for name in next(csv.reader([text], skipinitialspace=True))]


def _pairs(option: str, text: str) -> dict[str, str]:
    parts = _columns(text) if text else []
    for k in reversed(range(len(parts) - 1)):  # a name may hold a comma
        if "=" not in parts[k]:
            parts[k : k + 2] = [", ".join(parts[k : k + 2])]
    pairs = [part.rpartition("=") for part in parts]
    if any(not sign for _, sign, _ in pairs):
        raise ValueError(f"{option} '{text}' is not accepted: COL=VALUE, several separated by commas")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _limits(name: str, text: str) -> tuple[float, float]:
    low, colon, high = text.partition(":")
    try:
        return float(low), float(high if colon else "nan")
    except ValueError:
        raise ValueError(f"--bounds '{name}={text}' is not accepted: LOW:HIGH, e.g. {name}=0:1") from None


def _print_json(row: dict[str, Any]) -> None:
    print(json.dumps(row), flush=True)


def _print_progress(row: dict[str, Any]) -> None:
    losses = "  ".join(f"{k.removeprefix('loss_')} {v:.3g}" for k, v in row.items() if k.startswith("loss_"))
    line = f"{row['model']}  epoch {row['epoch']}/{row['epochs']}  {losses}  {row['eta_seconds']:.0f} s left"
    print(f"\r{line:<100}", end="", file=sys.stderr, flush=True)
