"""``benchmark``: the paper's tables and figures."""

from __future__ import annotations

import argparse
from pathlib import Path

from ipage_core.cli.parser import DESIGNS, add_workers, file_name, whole
from ipage_core.cli.shared import check_scheduler


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for journals and Parquet files; run again to continue"
    )
    parser.add_argument(
        "--tasks", help="separated by commas (default: the three analytic tasks; with --tables all problems)"
    )
    parser.add_argument("--methods", help="separated by commas (default: all)")
    parser.add_argument("--sampling", help="separated by commas (default: as in the paper)")
    parser.add_argument("--protocol", help="many, single or many,single (default: both)")
    parser.add_argument(
        "--repeats",
        type=whole(1, 1000),
        help="latent seeds (default: 50; architecture, crystal, silicon 5); with --tables training seeds (default: 5)",
    )
    parser.add_argument("--n", type=DESIGNS, default=1000, help="solutions per run (default %(default)s)")
    parser.add_argument(
        "--only",
        help="separated by commas: tables, designs, exploration, coverage, quality, calibration, ablation, compute "
        "(default: all)",
    )
    parser.add_argument(
        "--tables", action="store_true", help="run tables of published problems, verified by their simulators, instead"
    )
    parser.add_argument("--quick", action="store_true", help="few repeats; takes five minutes on two cores")
    parser.add_argument(
        "--dft", action="store_true", help="verify solutions of each cell of the table by DFT: crystal 50, silicon 10"
    )
    parser.add_argument(
        "--models",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="also use models of another training seed",
    )
    parser.add_argument(
        "--device", help="device for the section compute: cpu or cuda (default: both, if there is a GPU)"
    )
    parser.add_argument("--fold", action="store_true", help="run nothing: write the finished results of a stopped run")
    parser.add_argument(
        "--join",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="run nothing: merge the results of such folders; on duplicates the later folder wins",
    )
    parser.add_argument(
        "--report", type=file_name, metavar="HTML", help="write a report; without --out, of the shipped results"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object for each finished run")
    add_workers(parser, 2)


def run(arguments: argparse.Namespace) -> None:
    """Run the chosen sections, or continue them."""
    from ipage_core.benchmark.command import main

    check_scheduler(arguments.scheduler)
    main(arguments)
