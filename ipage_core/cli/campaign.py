"""``campaign``: distinct designs that Ω verifies, on a budget of evaluations."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ipage_core.cli.parser import SEED, add_workers, distance, file_name, whole
from ipage_core.cli.shared import find_task, where_omega_runs, write_csv
from ipage_core.runtime.text import parts_of

if TYPE_CHECKING:
    from ipage_core.training.campaign.run import Campaign, Line


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("task", metavar="TASK", help="or the folder of a problem of your own")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--target", help="y*: a number or an interval LOW:HIGH for each property, with commas")
    target.add_argument("--goal", action="append", metavar="EXPR", help="'NAME=5±0.1', 'NAME<=3', …: one a property")
    parser.add_argument("--hits", type=whole(1, 10_000), default=20, help="distinct hits wanted (default %(default)s)")
    parser.add_argument(
        "--budget", type=whole(1, 100_000), default=60, help="evaluations at most (default %(default)s)"
    )
    text = "evaluations at a time; a batch is finished, so that hits may exceed --hits (default %(default)s)"
    parser.add_argument("--batch", type=whole(1, 1000), default=1, help=text)
    parser.add_argument(
        "--start",
        choices=("none", "table"),
        help="begin with nothing, or with the rows that are there (default: table where there are evaluated rows)",
    )
    parser.add_argument("--constrain", action="append", default=[], metavar="EXPR", help="'x3=0.2; x1<=0.5', …")
    parser.add_argument("--apart", type=distance, metavar="D", help="hits at most so near to another are not distinct")
    parser.add_argument("--seed", type=SEED, default=0)
    parser.add_argument(
        "--out", type=file_name, required=True, metavar="CSV", help="hits; 'sample' is the evaluation from 0"
    )
    parser.add_argument("--force", action="store_true", help="let --out replace a file that holds no designs")
    add_workers(parser, None)


def run(arguments: argparse.Namespace) -> int:
    """Run the campaign: one line per design, hits written after each step, a JSON summary. → 1 if there is no hit."""
    task = find_task(arguments.task)
    from ipage_core.problem.target import Target
    from ipage_core.runtime.files import check_writable
    from ipage_core.training.campaign.ledger import begun_with
    from ipage_core.training.campaign.posterior import Posterior
    from ipage_core.training.campaign.report import hits_frame, summary
    from ipage_core.training.campaign.run import Campaign

    if arguments.out.suffix == ".jsonl":
        raise ValueError(f"--out {arguments.out}: the hits are a CSV; accepted: a name that ends in .csv")
    if not (arguments.force or _may_be_replaced(arguments.out)):
        raise ValueError(f"--out {arguments.out} holds no designs; accepted: another name, or --force to replace it")
    check_writable(arguments.out)
    target = Target.from_goals(task, arguments.goal) if arguments.goal else Target.parse(task, arguments.target)
    ledger = ledger_of(arguments.out)
    there = task.evaluated is not None and len(task.evaluated()[0]) > 0
    start = arguments.start or begun_with(ledger) or ("table" if there else "none")
    # Networks that ship know the task's stored rows: a campaign that begins with nothing does without them.
    own = task.models_folder is not None
    campaign = Campaign(
        task,
        target,
        arguments.hits,
        arguments.budget,
        ledger,
        batch=arguments.batch,
        start=start,
        constraints=parts_of(*arguments.constrain),
        seed=arguments.seed,
        apart=arguments.apart,
        propose=Posterior(task) if own or start == "table" else None,
    )

    def tell(line: Line) -> None:
        counts = f"{line.evaluations}/{arguments.budget}  {line.hits}/{arguments.hits} hits"
        print(f"{counts}  {line.sentence}", file=sys.stderr, flush=True)

    def keep(campaign: Campaign) -> None:
        write_csv(hits_frame(campaign), arguments.out)

    campaign.run(tell, keep=keep, **where_omega_runs(task, arguments))
    keep(campaign)
    if task.remark:
        print(f"{task.title}: {task.remark}", file=sys.stderr)
    figures = summary(campaign)
    if "note" in figures:
        print(figures["note"], file=sys.stderr)
    print(json.dumps(figures, ensure_ascii=False))
    return 0 if campaign.distinct_hits else 1


def _may_be_replaced(out: Path) -> bool:
    """Whether a file is new, empty, or a table of designs that a command has written."""
    if not out.exists():
        return True
    with out.open("rb") as file:
        header = file.readline(1000)
    return not header or header.startswith(b"sample,stage,target1,")


def ledger_of(out: Path) -> Path:
    """The ledger of the campaign with these hits; a stopped campaign continues from it."""
    return out.with_name(f"{out.stem}.campaign.jsonl")
