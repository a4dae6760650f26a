"""``predict``: applies a surrogate to designs."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ipage_core.cli import tables
from ipage_core.cli.parser import add_device, add_out
from ipage_core.cli.shared import find_task, load_method, refuse_replacing_data, write_csv


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--method", help="default: ipage")
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="folder of models, as for design; TASK may then be left out"
    )
    add_device(parser)
    parser.add_argument("task", metavar="TASK", nargs="?")
    parser.add_argument("designs", type=Path, metavar="CSV")
    add_out(parser)
    tables.add_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write the designs with ``surrogate1`` …, the ends ``low1``, ``high1`` … of their intervals, and ``basis``."""
    import torch

    from ipage_core.inference.basis import basis
    from ipage_core.inference.prediction import interval

    task = find_task(arguments.task, arguments.model)
    refuse_replacing_data(task, arguments)
    method = load_method(arguments, task)
    if method.surrogate is None:
        raise ValueError(f"method '{method.name}' has no surrogate to predict with; 'ipage' has")
    table = tables.read(arguments.designs, arguments)
    if task.predict_table is not None:
        surrogate = method.surrogate
        read = task.predict_table(table.frame, lambda x: surrogate(x.to(method.device, torch.float32)))
        if read is not None:
            write_csv(read[0], arguments.out)
            print(f"{task.title}: {read[1]}.", file=sys.stderr)
            print(json.dumps({"n": len(read[0]), "method": method.name}))
            return
    x, frame = tables.designs(task, arguments.designs, table), table.frame
    with torch.no_grad():
        predicted = method.surrogate(x.to(method.device, torch.float32)).cpu()
    for j in range(task.n_targets):
        frame[f"surrogate{j + 1}"] = predicted[:, j].numpy()
    if (ends := interval(method, x)) is not None:
        for j in range(task.n_targets):
            frame[f"low{j + 1}"], frame[f"high{j + 1}"] = ends[0, :, j].numpy(), ends[1, :, j].numpy()
    if "basis" not in frame:
        frame["basis"] = basis(torch.full((len(x), task.n_targets), torch.nan), True, ends)
    write_csv(frame, arguments.out)
    print(json.dumps({"n": len(frame), "method": method.name}))
