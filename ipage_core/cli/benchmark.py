"""``benchmark``: the paper's tables and figures."""

from __future__ import annotations

import argparse
from pathlib import Path

from ipage_core.cli.parser import DESIGNS, add_workers, whole
from ipage_core.cli.shared import check_scheduler


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--out", type=Path, metavar="DIR", help="journals and Parquet files; run again to go on")
    parser.add_argument("--tasks", help="with commas (default: the three analytic ones; of --tables all problems)")
    parser.add_argument("--methods", help="with commas (default: all)")
    parser.add_argument("--sampling", help="with commas (default: each method as the paper has it)")
    parser.add_argument("--protocol", help="many, single (default: both, with a comma)")
    parser.add_argument(
        "--repeats",
        type=whole(1, 1000),
        help="latent seeds (default: 50; architecture and crystal 5); of --tables training seeds (5)",
    )
    parser.add_argument("--n", type=DESIGNS, default=1000, help="solutions a run (default %(default)s)")
    parser.add_argument(
        "--only",
        help="with commas: tables, exploration, quality, calibration, ablation, compute (default: all)",
    )
    parser.add_argument(
        "--tables", action="store_true", help="instead: tables of published problems, judged by their simulators"
    )
    parser.add_argument("--quick", action="store_true", help="few repeats: five minutes on two cores")
    parser.add_argument("--dft", action="store_true", help="crystal: let DFT judge 50 solutions a cell")
    parser.add_argument(
        "--models", type=Path, action="append", default=[], metavar="DIR", help="models of another training seed too"
    )
    parser.add_argument("--device", help="what compute times: cpu or cuda (default: both, where there is a GPU)")
    parser.add_argument("--fold", action="store_true", help="run nothing: write what a stopped run has finished")
    parser.add_argument(
        "--join",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="run nothing: merge the results of such folders; on duplicates the later folder wins",
    )
    parser.add_argument("--report", type=Path, metavar="HTML", help="write a report; without --out, of what ships")
    parser.add_argument("--json", action="store_true", help="a JSON object a finished run on stdout")
    add_workers(parser, 2)


def run(arguments: argparse.Namespace) -> None:
    """Run the sections asked for, or go on with them."""
    from ipage_core.benchmark.command import main

    check_scheduler(arguments.scheduler)
    main(arguments)
