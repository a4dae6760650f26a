"""``design architecture --goal``: several properties of a cell at once, met on the operator itself."""

from __future__ import annotations

import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``design`` that only cells know."""
    group = parser.add_argument_group("architecture with --goal")
    group.add_argument(
        "--localize-on", choices=["omega"], default="omega", help="descend the operator itself (default)"
    )
    group.add_argument("--mesh", choices=["pixel", "converged"], default="pixel", help="what counts as verified")
    group.add_argument("--side", type=int, default=32, metavar="PIXELS", help="32 (default), 48 or 64")
    group.add_argument("--feature", type=int, default=1, metavar="PIXELS", help="thinnest wall and narrowest gap")
