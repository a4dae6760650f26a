"""What all commands' parsers share: one line for an error, and the kinds of values that options take."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Answers wrong usage in one line on stderr, with exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and stop."""
        self.exit(2, f"{self.prog}: {message}\n")


def negative_values(argv: Sequence[str]) -> list[str]:
    """The words with each value that begins with a minus joined to its option: argparse takes ``-1,0`` for an option.

    >>> negative_values(["design", "robotic_arm", "--target", "-1,0", "--n", "5"])
    ['design', 'robotic_arm', '--target=-1,0', '--n', '5']
    """
    words: list[str] = []
    for k, word in enumerate(argv):
        value = word[:1] == "-" and word[:2] not in ("-", "--") and word != "-h"
        if value and words and words[-1][:2] == "--" and words[-1] != "--" and "=" not in words[-1]:
            words[-1] += f"={word}"
        elif word == "--":
            return [*words, *argv[k:]]
        else:
            words.append(word)
    return words


def whole(least: int, most: int) -> Callable[[str], int]:
    """A whole number. Beyond ``most`` lies what would take days, or all memory, before it failed."""

    def parse(text: str) -> int:
        if text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most:
            return int(text)
        raise argparse.ArgumentTypeError(f"'{text}' is not accepted: a whole number, from {least} to {most}")

    return parse


COUNT, SEED, WORKERS, DESIGNS = whole(1, 10**7), whole(0, 2**32 - 1), whole(0, 1024), whole(1, 10**5)
EPOCHS = whole(1, 10_000)


def file_name(text: str) -> Path:
    """The name of a file to write."""
    path = Path(text)
    try:
        fine = bool(path.name) and (path.is_file() or not path.exists())
    except OSError:  # a name that is too long for any
        fine = False
    if not fine:
        raise argparse.ArgumentTypeError(f"'{text}' is not accepted: the name of a file; missing folders are made")
    return path


def distance(text: str) -> float:
    """A distance in box widths."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if 0 < value < 10:
        return value
    raise argparse.ArgumentTypeError(f"'{text}' is not accepted: a distance above 0, in box widths, e.g. 0.06")


def add_device(parser: argparse.ArgumentParser) -> None:
    """--device: where networks run."""
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")


def add_workers(parser: argparse.ArgumentParser, default: int) -> None:
    """--workers and --scheduler: where work runs."""
    help_ = "local processes (default %(default)s; 0: this one)"
    parser.add_argument("--workers", type=WORKERS, default=default, help=help_)
    parser.add_argument("--scheduler", metavar="tcp://HOST:PORT", help="an existing Dask scheduler instead")
