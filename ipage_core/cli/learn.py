"""``learn``: a shipped surrogate learns from verified designs; the result is a model of its own."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ipage_core.cli import tables
from ipage_core.cli.parser import EPOCHS
from ipage_core.cli.shared import find_task


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("task", metavar="TASK", help="a task with stored rows, such as crystal")
    parser.add_argument("results", type=Path, metavar="CSV", help="designs with results of Ω, as verify writes them")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder for the model")
    parser.add_argument("--epochs", type=EPOCHS, help="default 10")
    tables.add_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Train the surrogate further; print what it has learned as JSON."""
    import numpy as np
    import pandas as pd
    import torch

    from ipage_core.training import learn

    task = find_task(arguments.task)
    if task.stored is None or task.models_folder is not None:
        raise ValueError(f"{task.name} has no shipped rows to learn beside; accepted: train {task.as_argument}")
    table = tables.read(arguments.results, arguments)
    x = tables.designs(task, arguments.results, table)
    names = [f"y{j + 1}" for j in range(task.n_targets)] + list(task.property_labels[task.n_targets :])
    if "goals" in table.frame:
        raise ValueError(
            f"{arguments.results} holds designs for goals ({table.frame['goals'].iloc[0]}): y1 … are their properties; "
            f"accepted: its columns x1 … x{task.d} alone, once verify {task.as_argument} has seen them"
        )
    if missing := [name for name in names if name not in table.frame]:
        raise ValueError(f"{arguments.results} lacks the column '{missing[0]}'; accepted: a file that verify wrote")
    y = table.frame[names].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)

    def tell(row: dict[str, float]) -> None:
        line = f"epoch {row['epoch']}/{row['epochs']}  {row['eta_seconds']:.0f} s left"
        print(f"\r{line}", end="", file=sys.stderr, flush=True)

    epochs = learn.EPOCHS if arguments.epochs is None else arguments.epochs
    card = learn.learn(task, x, torch.tensor(y), arguments.out, epochs=epochs, progress=tell)
    print(file=sys.stderr)
    print(json.dumps(card["learned"] | {"sha256": card["sha256"], "seconds": card["training_seconds"]}))
