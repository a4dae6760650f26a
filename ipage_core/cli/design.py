"""``design``: designs for a target, as a table, with a summary."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ipage_core.cli import cells, tables
from ipage_core.cli.parser import DESIGNS, SEED, add_device, add_out, add_workers, distance, file_name, seconds, whole
from ipage_core.cli.shared import (
    find_task,
    print_counts,
    print_failures,
    refuse_replacing_data,
    where_omega_runs,
    write_csv,
)
from ipage_core.runtime.text import parts_of

if TYPE_CHECKING:
    from torch import Tensor

    from ipage_core.problem.request import DesignRequest
    from ipage_core.problem.task import Task


class _Told(argparse.Action):
    """Stores the value, and in ``told`` that the user gave it."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, _: Any = None
    ) -> None:
        setattr(namespace, self.dest, values)
        namespace.told = True


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("task", metavar="TASK", nargs="?")
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="folder of models; for own data it also holds the task"
    )
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument(
        "--target",
        help="y*: for each property a number or an interval LOW:HIGH (one end may be missing), separated by commas",
    )
    target.add_argument("--targets", type=Path, metavar="CSV", help="file with columns y1..yM and one target per row")
    target.add_argument(
        "--goal",
        action="append",
        metavar="EXPR",
        help="'NAME=5±0.1', 'NAME<=3', 'NAME=0.4:0.6', …; repeat for each property; the others may be anything",
    )
    parser.add_argument("--n", type=DESIGNS, default=25, help="solutions, for each target (default %(default)s)")
    add_out(parser)
    parser.add_argument(
        "--sampling", default="maximin", action=_Told, help="of the latent space: srs, lhs or maximin (default)"
    )
    parser.add_argument("--method", help="default: ipage")
    parser.add_argument("--seed", type=SEED, default=0)
    parser.add_argument("--verify", default="auto", help="auto (default), all, none, or a number of designs")
    parser.add_argument(
        "--omega-evals", type=whole(0, 100), default=0, help="Ω evaluations per design for its correction"
    )
    parser.add_argument(
        "--constrain",
        action="append",
        default=[],
        metavar="EXPR",
        help="'x3=0.2; x1=x2; x1<=0.5', and constraints that only the task knows; may be repeated",
    )
    parser.add_argument(
        "--seed-design", type=Path, metavar="FILE",
        help="start near the first design of a CSV x1..xD; crystal: of a structure file; architecture: of an image",
    )  # fmt: skip
    parser.add_argument(
        "--finish", action="store_true", help="architecture: bring designs to the exact target by flipping pixels"
    )
    parser.add_argument("--optimizer", default="lm", help="lm (default), adam or gd")
    parser.add_argument(
        "--steps", type=whole(1, 10_000), help="maximum number of optimizer steps (default: 25 for lm, else 200)"
    )
    add_device(parser)
    add_workers(parser, None)
    parser.add_argument(
        "--to-measure",
        type=file_name,
        metavar="CSV",
        help="own data: also write the designs to measure or simulate next",
    )
    parser.add_argument(
        "--measure", type=DESIGNS, default=20, help="number of designs to measure (default %(default)s)"
    )
    parser.add_argument(
        "--spread",
        default="off",
        help="spread designs evenly over all solutions (box) or the likely ones (posterior); off (default): do not",
    )
    parser.add_argument(
        "--fill", type=distance, metavar="EPS", help="add designs until each solution has one within EPS box widths"
    )
    parser.add_argument("--fill-seconds", type=seconds, metavar="S", help="time for --fill (default 8)")
    tables.add_options(parser)
    cells.add_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write the table, print the summary."""
    task = find_task(arguments.task, arguments.model)  # first, to report an unknown task without loading torch
    refuse_replacing_data(task, arguments)
    from ipage_core.inference.methods import load
    from ipage_core.problem.watch import watching
    from ipage_core.training.fit import pick_device

    with watching(print_counts):
        designs = cells.goal_designs(task, arguments)
    if designs is not None:
        write_csv(designs.frame(), arguments.out)
        if designs.note:
            print(f"{task.title}: {designs.note.rstrip('.')}.", file=sys.stderr)
        print(json.dumps(designs.summary(), ensure_ascii=False))
        return
    request = _request(arguments, task)
    for doubt in _doubts(arguments, request):
        print(doubt, file=sys.stderr)
    device, models = pick_device(arguments.device), None if "@" in request.method else arguments.model
    method = load(task, request.method, device, models=models)
    if task.describe_accuracy is not None:
        print(task.describe_accuracy(method), "Not verified: no Ω.", file=sys.stderr)
    if arguments.to_measure is not None and task.to_measure is None:
        raise ValueError("--to-measure is for own data; this task has an Ω, which verifies designs")
    kept: list[int] = []
    with watching(print_counts, source="design", kept=kept.append, **where_omega_runs(task, arguments)):
        solutions = request.run(method)
    frame, summary = solutions.frame(), solutions.summary()
    summary["omega_calls"] -= sum(kept)
    if task.beside is not None:
        frame = task.beside(method, solutions, frame)
    if task.more_summary is not None:
        summary |= task.more_summary(method, solutions, frame)
    for sentence in (summary[name] for name in ("intervals", "advice") if name in summary):
        print(sentence, file=sys.stderr)
    if arguments.to_measure is not None and task.to_measure is not None:
        chosen = task.to_measure(method, solutions.final, solutions.y_star, arguments.measure)
        write_csv(chosen, arguments.to_measure)
        if len(chosen) < arguments.measure:
            print(_why_fewer(arguments.to_measure, len(chosen), len(solutions), arguments.measure), file=sys.stderr)
    write_csv(frame, arguments.out)
    if task.why_failed is not None:
        print_failures(task.why_failed(solutions.final))
    if task.remark:
        print(f"{task.title}: {task.remark}", file=sys.stderr)
    for sentence in (solutions.note, solutions.not_spread, (solutions.filled or {}).get("sentence")):
        if sentence:
            print(sentence, file=sys.stderr)
    print(json.dumps(summary, ensure_ascii=False))


def _request(arguments: argparse.Namespace, task: Task) -> DesignRequest:
    """The design request from the options."""
    from ipage_core.problem.request import DesignRequest
    from ipage_core.problem.target import Target
    from ipage_core.tasks.table import own_task

    rows: list[list[float]] = []
    if arguments.targets is not None:
        own = own_task.property_names(task)
        rows = tables.targets(task, arguments.targets, tables.read(arguments.targets, arguments), own).tolist()
        target = Target.of(task, [min(column, key=abs) for column in zip(*rows, strict=True)])  # its tolerances fit all
    elif arguments.goal:
        target = Target.from_goals(task, arguments.goal)
    else:
        target = Target.parse(task, arguments.target)
    return DesignRequest(
        task,
        target,
        arguments.method or task.default_method,
        n=arguments.n,
        sampling=arguments.sampling,
        seed=arguments.seed,
        constraints=parts_of(*arguments.constrain),
        start=() if arguments.seed_design is None else tuple(_seed_design(task, arguments).tolist()),
        omega_evals=arguments.omega_evals,
        finish=arguments.finish,
        verify=arguments.verify,
        optimizer=arguments.optimizer,
        steps=arguments.steps,
        spread=arguments.spread,
        fill=arguments.fill,
        fill_seconds=arguments.fill_seconds,
        targets=tuple(map(tuple, rows)),
    )


def _why_fewer(path: Path, chosen: int, candidates: int, asked: int) -> str:
    """Why a file of designs to measure holds fewer than asked, as a sentence."""
    from ipage_core.inference.pareto import APART

    why = f"there are only {candidates} candidates"
    if rest := candidates - chosen:
        why = f"the other {rest} candidates repeat these, within {APART:g} box widths, or measured rows"
    return f"{path} has {chosen} of {asked} designs: {why}. A larger --n brings more candidates."


def _doubts(arguments: argparse.Namespace, request: DesignRequest) -> list[str]:
    """Sentences on what may be meant otherwise: numbers beside decimal commas, options without effect."""
    from ipage_core.inference.methods import METHODS, named
    from ipage_core.problem.numerals import comma_doubts, doubts

    target = arguments.target or ""
    typed = [target, *(arguments.goal or []), *arguments.constrain]
    said = doubts(request.task, typed) + comma_doubts(request.task, target, request.target.in_words(request.task))
    without = hasattr(arguments, "told") and METHODS[named(request.method)].proposal is None
    if without and arguments.sampling != "srs":
        said.append(f"The method {request.method} has no latent space: --sampling {arguments.sampling} has no effect.")
    if request.constraints and METHODS[named(request.method)].surrogate is None:
        said.append(f"Designs of the method {request.method} need not obey the constraints; those of ipage do.")
    return said


def _seed_design(task: Task, arguments: argparse.Namespace) -> Tensor:
    path = arguments.seed_design
    if path.suffix.lower() != ".csv" and task.read_design is not None:
        x, remark = task.read_design(path)
        if remark:
            print(remark, file=sys.stderr)
        return x
    return tables.designs(task, path, tables.read(path, arguments), rows=1)[0]
