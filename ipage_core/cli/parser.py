"""Shared by all parsers: one-line errors, and types of option values."""

from __future__ import annotations

import argparse
import codecs
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ipage_core.runtime.text import printable


class Parser(argparse.ArgumentParser):
    """Reports wrong usage in one line on stderr, with exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Print the message and exit."""
        self.exit(2, f"{self.prog}: {printable(message)}\n")

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        """The value of an option; argparse would drop '--' and give an empty list.

        A link that leads back to itself is refused here, because :meth:`pathlib.Path.resolve` raises a RuntimeError.
        """
        if action.option_strings and "--" in arg_strings:
            raise argparse.ArgumentError(action, "'--' is not accepted as a value")
        value = super()._get_values(action, arg_strings)
        for path in value if isinstance(value, list) else [value]:
            if isinstance(path, Path):
                try:
                    path.resolve()
                except RuntimeError:
                    words = f"'{path}' is not accepted: a link that leads to itself"
                    raise argparse.ArgumentError(action, words) from None
                except OSError:
                    pass  # the command says what is wrong
        return value


def speak_any_encoding() -> None:
    """Let stdout and stderr escape characters that their encoding lacks, as JSON does: φ becomes \\u03c6."""
    codecs.register_error("as-json", _as_json)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="as-json")


def _as_json(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[k]:02x}{units[k + 1]:02x}" for k in range(0, len(units), 2)), error.end


def negative_values(argv: Sequence[str]) -> list[str]:
    """Join values that begin with a minus to their options, because argparse takes ``-1,0`` for an option.

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
    """A whole number. Values above ``most`` would take days or fill the memory."""

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
    except OSError:  # the name is too long for any file system
        fine = False
    if not fine:
        raise argparse.ArgumentTypeError(f"'{text}' is not accepted: the name of a file; missing folders are made")
    return path


def add_out(parser: argparse.ArgumentParser) -> None:
    """--out and --force: the table to write."""
    parser.add_argument("--out", type=file_name, required=True, metavar="CSV")
    parser.add_argument("--force", action="store_true", help="let --out replace a file that is read")


def refuse_overwriting(arguments: argparse.Namespace) -> None:
    """Raise ValueError if an output file is also another one, or is an input file without --force."""
    if getattr(arguments, "force", True):
        return
    given = vars(arguments)
    written = {name: given[name] for name in ("out", "to_measure", "surface") if given.get(name) is not None}
    places = [path.resolve() for path in written.values()]
    if len(set(places)) < len(places):
        options = " and ".join(f"--{name.replace('_', '-')}" for name in written)
        raise ValueError(f"{options} are the same file; accepted: a name for each")
    read = [
        path
        for name, value in given.items()
        if name not in written
        for path in (value if isinstance(value, list) else [value])
        if isinstance(path, Path)
    ]
    for name, path in written.items():
        if path.exists() and any(other.exists() and path.samefile(other) for other in read):
            option = f"--{name.replace('_', '-')}"
            raise ValueError(
                f"{option} {path} is read by this command; accepted: another name, or --force to replace it"
            )


def _below(text: str, most: float, accepted: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if 0 < value < most:
        return value
    raise argparse.ArgumentTypeError(f"'{text}' is not accepted: {accepted}")


def distance(text: str) -> float:
    """A distance in box widths."""
    return _below(text, 10, "a distance above 0, in box widths, e.g. 0.06")


def seconds(text: str) -> float:
    """A time limit in seconds."""
    return _below(text, 1e9, "a number of seconds above 0, e.g. 20")


def add_device(parser: argparse.ArgumentParser) -> None:
    """--device: where networks run."""
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")


def add_workers(parser: argparse.ArgumentParser, default: int | None) -> None:
    """--workers and --scheduler: where work runs; None: the task sets the number of workers."""
    help_ = f"local processes (default {'the task’s own choice' if default is None else default}; 0: this one)"
    parser.add_argument("--workers", type=WORKERS, default=default, help=help_)
    parser.add_argument("--scheduler", metavar="tcp://HOST:PORT", help="an existing Dask scheduler instead")
