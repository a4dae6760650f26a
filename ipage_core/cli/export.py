"""``export``: designs as files for other programs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ipage_core.cli import cells, tables
from ipage_core.cli.shared import find_task


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("task", metavar="TASK", nargs="?")
    parser.add_argument("solutions", type=Path, metavar="CSV")
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="folder of own data with lattice columns, instead of TASK"
    )
    parser.add_argument(
        "--format", required=True, help="crystals: cif, poscar or extxyz; architecture: png, svg, dxf, stl or 3mf"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    cells.add_export_options(parser)
    tables.add_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write one file per design, or one for all."""
    from ipage_core.runtime.files import write_files
    from ipage_core.tasks.export import files

    task = find_task(arguments.task, arguments.model)
    settings = cells.export_settings(task, arguments)
    table = tables.read(arguments.solutions, arguments)
    frame = table.frame
    if tables.coordinates_of(frame) not in task.finer:  # the task's export checks finer designs itself
        x = tables.designs(task, arguments.solutions, table)
        if "x1" not in frame or task.columns:  # columns have the table's own names
            frame = frame.assign(**{f"x{j + 1}": column for j, column in enumerate(x.numpy().T)})
    if "sample" not in frame:
        frame["sample"] = range(len(frame))
    written = write_files(arguments.out, files(task, arguments.format, frame, **settings))
    print(json.dumps({"files": len(written), "format": arguments.format, "out": str(arguments.out)}))
