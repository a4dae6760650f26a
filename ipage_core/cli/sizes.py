"""``sizes``: numbers in the weights of every shipped model."""

from __future__ import annotations

import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    """It has no options."""


def run(arguments: argparse.Namespace) -> None:
    """Print a Markdown table, a task a row."""
    from ipage_core.training.baselines import sizes

    print(sizes())
