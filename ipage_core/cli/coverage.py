"""``coverage TASK solutions.csv``: the share of the solution set that its designs cover."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ipage_core.cli import tables
from ipage_core.cli.parser import add_device, distance, seconds
from ipage_core.cli.shared import find_task, load_method
from ipage_core.runtime.text import parts_of

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from ipage_core.inference.methods import Loaded
    from ipage_core.problem.task import Task


def add_options(sub: argparse.ArgumentParser) -> None:
    """Options of the command."""
    sub.add_argument("task", metavar="TASK", nargs="?")
    sub.add_argument("designs", type=Path, metavar="CSV", help="solutions.csv, or designs x1..xD with --target")
    sub.add_argument(
        "--within",
        type=distance,
        default=0.05,
        metavar="EPS",
        help="ε, in box widths; for crystals in strain (default %(default)s)",
    )
    sub.add_argument("--target", help="y*: m numbers separated by commas (default: the file's)")
    sub.add_argument(
        "--constrain", action="append", default=[], metavar="EXPR", help="only solutions and designs that obey it count"
    )
    sub.add_argument("--method", help="method whose posterior and surrogate give estimates (default: as for design)")
    sub.add_argument(
        "--model", type=Path, metavar="DIR", help="folder of models, as for design; TASK may then be left out"
    )
    sub.add_argument("--seconds", type=seconds, default=20.0, help="time limit of a proof (default %(default)s)")
    add_device(sub)
    tables.add_options(sub)


def run(arguments: argparse.Namespace) -> None:
    """Print a sentence, then a JSON object.

    Raises:
        ValueError: the file holds no designs for one target, or a setting is not acceptable.
    """
    from ipage_core.inference.target_set import NoRule, coverage_of, pieces_of
    from ipage_core.problem import constraints

    task = find_task(arguments.task, arguments.model)
    table = tables.read(arguments.designs, arguments)
    _check_task(task, arguments, table.frame)
    x, frame = tables.designs(task, arguments.designs, table, silent=True), table.frame
    if "stage" in frame:
        final = (frame["stage"] == frame["stage"].iloc[-1]).to_numpy()
        x, frame = x[final.nonzero()[0]], frame[final]
    y_star = _target(task, arguments, frame)
    method = _method(arguments, task)
    meets, judge = _meeting(task, method, x, y_star, frame)
    space = constraints.parse(task, parts_of(*arguments.constrain))
    result = coverage_of(
        task,
        method,
        x,
        y_star,
        arguments.within,
        space=space,
        meets=meets,
        judge=judge,
        seconds=arguments.seconds,
        progress=_printer(),
    )
    if result.proof is not None:
        print(file=sys.stderr)  # ends the line of the progress
    tables.say(table)
    summary = {"n": len(result.designs)} | result.summary()
    try:
        if task.d <= 3:
            pieces = pieces_of(task, space, y_star, arguments.seconds)
            summary |= {"pieces": pieces.least, "pieces_exact": pieces.exact}
            summary["sentence"] = f"{pieces.sentence()} {summary['sentence']}".strip()
    except NoRule:
        pass
    print(summary["sentence"], file=sys.stderr)
    print(json.dumps(summary, ensure_ascii=False))


def _target(task: Task, arguments: argparse.Namespace, frame: pd.DataFrame) -> Tensor:
    """The one target (m,) that the designs are for."""
    import torch

    columns = [f"target{j + 1}" for j in range(task.n_targets)]
    if arguments.target is not None:
        try:
            values = [float(part) for part in arguments.target.split(",")]
        except ValueError:
            values = []
        if len(values) != task.n_targets or not all(map(math.isfinite, values)):
            wanted = ", ".join(task.property_labels[: task.n_targets])
            raise ValueError(f"--target '{arguments.target}': accepted: {task.n_targets} finite number(s) ({wanted})")
        return torch.tensor(values, dtype=torch.float64)
    if "goals" in frame:
        raise ValueError(
            f"{arguments.designs} holds designs for goals ({frame['goals'].iloc[0]}), not for a target of {task.name}; "
            f"accepted: --target as well, {task.property_labels[0]}"
        )
    if not set(columns) <= set(frame):
        raise ValueError(f"{arguments.designs} lacks the column(s) {', '.join(columns)}; accepted: --target as well")
    targets = torch.tensor(frame[columns].to_numpy(float))
    if not (targets == targets[0]).all():
        raise ValueError(f"{arguments.designs} has several targets; accepted: one, chosen by --target")
    return targets[0]


def _method(arguments: argparse.Namespace, task: Task) -> Loaded | None:
    """The chosen method; None, with a note, if none is trained yet and a fast Ω is enough."""
    from ipage_core.inference.methods import ModelUnavailable

    try:
        return load_method(arguments, task)
    except ModelUnavailable:
        if arguments.method or arguments.model or not task.verifies_by_default:
            raise
    print(
        f"There is no trained model of {task.name}: the coverage is by Ω alone, without the posterior-weighted "
        "estimate.",
        file=sys.stderr,
    )
    return None


def _check_task(task: Task, arguments: argparse.Namespace, frame: pd.DataFrame) -> None:
    """ValueError if a file that ``design`` wrote has fewer or more targets than the task.

    Its numbers are read afterwards: those of another task may be far from the bounds, which is no reason but a result.
    """
    from ipage_core.tasks.table.names import coordinates

    if "stage" not in frame or coordinates(task, list(frame.columns)) is None or f"x{task.d + 1}" in frame:
        return  # coordinates that are missing, or too many, come first
    last, next_ = f"target{task.n_targets}", f"target{task.n_targets + 1}"
    fewer, more = "target1" in frame and last not in frame, next_ in frame
    if fewer or more:
        what = f"it lacks the column {last}" if fewer else f"it has a column {next_}"
        raise ValueError(f"{arguments.designs} is of another task than {task.name}: {what}")


def _meeting(task: Task, method: Loaded | None, x: Tensor, y_star: Tensor, frame: pd.DataFrame) -> tuple[Tensor, str]:
    """Which designs meet the target: by a fast Ω, by the file's results of a slow one, or by the surrogate."""
    import torch

    from ipage_core.inference.target_set import meeting

    meets, judge = meeting(task, method, x, y_star)
    columns = [f"y{j + 1}" for j in range(task.n_targets)]
    if task.verifies_by_default or "stage" not in frame or not set(columns) <= set(frame):
        return meets, judge
    y = torch.tensor(frame[columns].to_numpy(float))
    verified = y.isfinite().all(1)
    hit = ((y - y_star).abs() <= task.tolerances).all(1)
    return torch.where(verified, hit, meets), "Ω" if verified.any() else judge


def _printer() -> Callable[[int, float], None]:
    """Prints the number of boxes and the least radius that has been proved."""
    least = math.inf

    def show(tested: int, radius: float) -> None:
        nonlocal least
        least = min(least, radius)
        print(f"\r{tested} boxes, proved so far: {least:.4f} ", end="", file=sys.stderr, flush=True)

    return show
