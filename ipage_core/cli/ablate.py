"""``ablate``: trains the INN with parts left out."""

from __future__ import annotations

import argparse

from ipage_core.cli.parser import EPOCHS
from ipage_core.cli.shared import find_task


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("task", metavar="TASK")
    parser.add_argument("--epochs", type=EPOCHS, default=30, help="of each variant (default %(default)s)")
    parser.add_argument(
        "--variant", action="append", metavar="NAME", help="this variant; may be repeated (default: all)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Print one JSON object per variant, and add it to ``pretrained/TASK/inn.json``."""
    from ipage_core.training.ablation import VARIANTS, ablate

    ablate(find_task(arguments.task), arguments.epochs, arguments.variant or VARIANTS)
