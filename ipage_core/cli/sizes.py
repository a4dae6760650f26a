"""``sizes``: prints the number of weights of every shipped model."""

from __future__ import annotations

import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add no options."""


def run(arguments: argparse.Namespace) -> None:
    """Print a Markdown table, one row per task."""
    from ipage_core.training.baselines import sizes

    print(sizes())
