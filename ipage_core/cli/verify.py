"""``verify``: what Ω says of designs."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ipage_core.cli import tables
from ipage_core.cli.parser import file_name
from ipage_core.cli.shared import find_task, print_counts, write_csv


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("task", metavar="TASK")
    parser.add_argument("designs", type=Path, metavar="CSV")
    parser.add_argument("--out", type=file_name, required=True, metavar="CSV")
    tables.add_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write the designs with ``y1`` … beside them."""
    import pandas as pd

    from ipage_core.problem.watch import watching

    task = find_task(arguments.task)
    if task.omega is None:
        raise ValueError(f"{task.name} has no forward operator Ω: its designs cannot be verified here")
    if task.verify_file is not None and (found := task.verify_file(arguments.designs)) is not None:
        write_csv(pd.DataFrame([found]), arguments.out)
        print(json.dumps({"n": 1, "omega_calls": 1, "failed": 0}))
        return
    table = tables.read(arguments.designs, arguments)
    x, frame = tables.designs(task, arguments.designs, table), table.frame
    with watching(print_counts):
        y = task.omega(x)
    names = [f"y{j + 1}" for j in range(task.n_targets)] + list(task.property_labels[task.n_targets :])
    for name, column in zip(names, y.numpy().T, strict=True):
        frame[name] = column
    targets = [f"target{j + 1}" for j in range(task.n_targets)]
    if set(targets) <= set(frame):  # solutions.csv: what was asked for is known
        y_star = frame[targets].apply(pd.to_numeric, errors="coerce").to_numpy()
        frame["resim_error"] = ((y.numpy()[:, : task.n_targets] - y_star) ** 2).sum(1)
    write_csv(frame, arguments.out)
    if task.remark:
        print(f"{task.title}: {task.remark}", file=sys.stderr)
    print(json.dumps({"n": len(frame), "omega_calls": len(frame), "failed": int(y.isnan().any(1).sum())}))
