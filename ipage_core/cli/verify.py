"""``verify``: applies Ω to designs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipage_core.cli import tables
from ipage_core.cli.parser import add_out, add_workers, file_name
from ipage_core.cli.shared import (
    find_task,
    print_counts,
    print_failures,
    refuse_replacing_data,
    where_omega_runs,
    write_csv,
)

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from ipage_core.problem.task import Task

ALIKE = 0.01
"""Results within this share of the tolerance are the same: DFT's last digits differ from machine to machine."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("task", metavar="TASK")
    parser.add_argument(
        "designs", type=Path, metavar="CSV", help="a table of designs; for architecture also NPY or NPZ"
    )
    add_out(parser)
    parser.add_argument(
        "--relax", action="store_true", help="crystal: also let the ions come to rest, which takes minutes a design"
    )
    parser.add_argument("--structures", type=Path, metavar="DIR", help="with --relax: a CIF for each relaxed state")
    parser.add_argument(
        "--surface", type=file_name, metavar="FILE", help="voxels: E(n) over all directions, as .csv, .ply or .stl"
    )
    add_workers(parser, None)
    tables.add_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write the designs with ``y1`` … beside them."""
    from ipage_core.problem.watch import watching

    task = find_task(arguments.task)
    refuse_replacing_data(task, arguments)
    _check(task, arguments)
    assert task.omega is not None
    if task.verify_file is not None and (values := task.verify_file(arguments.designs)) is not None:
        _write_one(task, values, arguments)
        return
    if arguments.surface is not None:
        raise ValueError("--surface needs an array of voxels (NPY or NPZ) of a task that reads them")
    where, table = where_omega_runs(task, arguments), tables.read(arguments.designs, arguments)
    if task.verify_table is not None and (verified := task.verify_table(table.frame)) is not None:
        frame, said = verified
        write_csv(frame, arguments.out)
        print(f"{task.title}: {said}.", file=sys.stderr)
        print(json.dumps({"n": len(frame), "omega_calls": len(frame), "failed": 0}))
        return
    x, frame = tables.designs(task, arguments.designs, table), table.frame
    kept: list[int] = []
    with watching(print_counts, source="verify", kept=kept.append, **where):
        y = task.omega(x)
    _add_results(task, frame, y)
    if arguments.relax:
        with watching(print_counts, **where):
            frame = _relaxed(task, frame, x, arguments.structures)
    write_csv(frame, arguments.out)
    if task.why_failed is not None:
        print_failures(task.why_failed(x))
    if task.remark:
        print(f"{task.title}: {task.remark}", file=sys.stderr)
    calls = len(frame) - sum(kept)
    print(json.dumps({"n": len(frame), "omega_calls": calls, "failed": int(y.isnan().any(1).sum())}))


def _check(task: Task, arguments: argparse.Namespace) -> None:
    """Raise ValueError if the task has no Ω, or an option has no meaning."""
    if task.omega is None:
        raise ValueError(f"{task.name} has no forward operator Ω: its designs cannot be verified here")
    if arguments.relax and task.relax is None:
        firm = (
            "its designs do not give way" if task.export is None else "its Ω says already what becomes of its designs"
        )
        raise ValueError(f"--relax has no meaning for {task.name}: {firm}")
    if arguments.structures is not None and not arguments.relax:
        raise ValueError("--structures needs --relax: it is for relaxed states")


def _write_one(task: Task, values: Mapping[str, Any], arguments: argparse.Namespace) -> None:
    """Write the properties of one design in a file of its own, and its surface if it is wanted."""
    import pandas as pd

    from ipage_core.runtime.files import write_files

    drawn = None
    if arguments.surface is not None and task.surface_file is not None:
        drawn = task.surface_file(values, arguments.surface.suffix)
    write_csv(pd.DataFrame([values]), arguments.out)
    if drawn is not None:
        write_files(arguments.surface.parent, {arguments.surface.name: drawn})
    print(json.dumps({"n": 1, "omega_calls": 1, "failed": 0}))


def _add_results(task: Task, frame: pd.DataFrame, y: Tensor) -> None:
    """Put y (n, k) into the table; in one that ``design`` wrote, renew what depends on y."""
    import numpy as np
    import pandas as pd

    from ipage_core.inference.basis import VERIFIED

    aimed = [f"y{j + 1}" for j in range(task.n_targets)]
    before = frame.reindex(columns=aimed).apply(pd.to_numeric, errors="coerce").to_numpy()
    names = aimed + list(task.property_labels[task.n_targets :])
    for name, column in zip(names, y.numpy().T, strict=True):
        frame[name] = column
    if "basis" in frame:  # solutions.csv says what its designs rest on
        frame["basis"] = frame["basis"].mask(y.isfinite().all(1).numpy(), VERIFIED)
    targets = [f"target{j + 1}" for j in range(task.n_targets)]
    if set(targets) <= set(frame):  # solutions.csv has its targets
        y_star = frame[targets].apply(pd.to_numeric, errors="coerce").to_numpy()
        off = y.numpy()[:, : task.n_targets] - y_star
        with np.errstate(over="ignore"):  # a target of 1e200 is infinitely far
            frame["resim_error"] = (off**2).sum(1)
        if "hit" in frame:  # what the design has judged, maybe by a tolerance of its own, stays while its result does
            tolerances = task.tolerances.numpy()
            judged = pd.Series((abs(off) <= tolerances).all(1), frame.index)
            same = (abs(y.numpy()[:, : task.n_targets] - before) <= ALIKE * tolerances).all(1)
            frame["hit"] = frame["hit"].where(frame["hit"].notna() & same, judged)


def _relaxed(task: Task, frame: pd.DataFrame, x: Tensor, structures: Path | None) -> pd.DataFrame:
    """The table with columns on the relaxed states of its final designs; their files go into ``structures``."""
    from ipage_core.runtime.files import write_files

    assert task.relax is not None
    final = (frame["stage"] == frame["stage"].iloc[-1]).tolist() if "stage" in frame else [True] * len(frame)
    samples = frame["sample"][final].tolist() if "sample" in frame else list(range(len(frame)))
    columns, files = task.relax(x[final], samples)
    if structures is not None:
        write_files(structures, files)
    return frame.join(columns.set_index(frame.index[final]))
