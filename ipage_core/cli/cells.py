"""``design architecture --goal``: several properties of a cell at once, solved with Ω itself."""

from __future__ import annotations

import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``design`` for cells only."""
    group = parser.add_argument_group("architecture with --goal")
    group.add_argument(
        "--localize-on", choices=["omega"], default="omega", help="descend the operator itself (default)"
    )
    group.add_argument("--mesh", choices=["pixel", "converged"], default="pixel", help="what counts as verified")
    group.add_argument("--side", type=int, default=32, metavar="PIXELS", help="32 (default), 48 or 64")
    group.add_argument(
        "--feature",
        default="2",
        metavar="LENGTH",
        help="thinnest wall and narrowest gap, in pixels or mm: 2 (default: it can be printed), 1 (any), 0.6mm",
    )
    group.add_argument(
        "--cell-mm", type=float, default=10.0, metavar="MM", help="width of a cell, for a feature in mm (default 10)"
    )
