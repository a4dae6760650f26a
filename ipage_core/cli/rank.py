"""``rank``: merges crystals modulo symmetry, describes and ranks them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ipage_core.cli import tables
from ipage_core.cli.parser import add_out
from ipage_core.cli.shared import write_csv


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("solutions", type=Path, metavar="CSV", help="file of 'design crystal --out'")
    parser.add_argument("--by", default="energy", help="energy (default), cubic or robustness")
    parser.add_argument("--radius", type=float, help="of a family, as strain (default 0.01)")
    parser.add_argument("--best-only", action="store_true", help="one row a family")
    add_out(parser)
    tables.add_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Rank the final designs of a ``solutions.csv``; print counts as JSON."""
    from ipage_core.tasks.crystal.families import RADIUS, rank

    frame = tables.read(arguments.solutions, arguments).frame
    radius = RADIUS if arguments.radius is None else arguments.radius
    ranked = rank(frame, str(arguments.solutions), arguments.by, radius)
    n, families = len(ranked), int(ranked["family"].nunique())
    write_csv(ranked[ranked["best"]] if arguments.best_only else ranked, arguments.out)
    print(json.dumps({"n": n, "families": families, "by": arguments.by}))
