"""``problem.json``: the inputs, the properties and the command of a problem's folder."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ipage_core.problem.variable import Property, Variable
from ipage_core.runtime.files import replacing, sole_writer, write_json
from ipage_core.runtime.paths import home
from ipage_core.tasks.command.columns import check_names

CARD = "problem.json"
_QUOTED = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.""", re.DOTALL)
_OF_A_SHELL = re.compile(r"&&|\|\||>>|[|&;<>`]|\$[\w({]|(?:^|\s)~/")
"""Whatever a shell would act on: pipes, redirections, several commands, variables, the home folder."""
PATIENCE = 30.0
"""Seconds to wait for another process that records a permission."""


@dataclass(frozen=True)
class Card:
    """A problem whose Ω is a command."""

    name: str
    title: str
    variables: tuple[Variable, ...]
    properties: tuple[Property, ...]
    command: tuple[str, ...]
    """The program and its arguments, including ``{in}`` and ``{out}``."""
    batch: int = 1
    """Designs per call."""
    timeout: float = 3600.0
    """Seconds after which a call is stopped."""
    workers: int = 1
    """Number of simultaneous calls."""
    scheduler: str | None = None
    """Address of a Dask scheduler that runs the calls instead."""

    @property
    def x_names(self) -> list[str]:
        """Names of the inputs: columns of {in} and of the rows."""
        return [v.name for v in self.variables]

    @property
    def y_names(self) -> list[str]:
        """Names of the properties: columns of {out} and of the rows."""
        return [v.name for v in self.properties]


def parse_command(text: str, folder: Path | None = None) -> tuple[str, ...]:
    """Split a command into words and make the paths of existing files absolute, because each call has its own folder.

    Args:
        text: the command as in a shell; only quotes are interpreted.
        folder: folder to search for files; the current one if None.

    Raises:
        ValueError: {in} or {out} is missing, quotes do not match, an operator of a shell stands outside quotes, or the
            program does not exist.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        why = str(error)[:1].lower() + str(error)[1:]
        raise ValueError(
            f"The command '{text}' is not understood: {why}; accepted: words in which each quotation mark that opens "
            "is closed, e.g. 'python sim.py {in} {out}'"
        ) from None
    if syntax := _OF_A_SHELL.search(_QUOTED.sub("q", text)):
        raise ValueError(
            f"No shell reads the command, so '{syntax[0].strip()}' in '{text}' means nothing; use sh -c '…', or quotes"
        )
    if not words or not all(any(mark in word for word in words) for mark in ("{in}", "{out}")):
        raise ValueError(
            f"The command '{text}' lacks {{in}} or {{out}}; accepted: the call of a program that reads the CSV {{in}} "
            "and writes the CSV {out}, e.g. 'python sim.py {in} {out}'"
        )
    here = (folder or Path.cwd()).resolve()
    result = tuple(str(here / word) if word and (here / word).is_file() else word for word in words)
    if shutil.which(result[0]) is None:
        raise ValueError(f"The program '{words[0]}' of the command is not there, or cannot be executed")
    return result


def write(folder: Path, card: Card) -> None:
    """Write the card into its folder."""
    said: dict[str, Any] = {"kind": "command", **asdict(card)}
    said["command"] = shlex.join(card.command)
    write_json(folder / CARD, said)


def read(folder: Path) -> Card:
    """Read the card of a folder.

    Raises:
        ValueError: the card is missing or damaged.
    """
    path = folder / CARD
    try:
        said = json.loads(path.read_text())
        if said.pop("kind") != "command":
            raise ValueError("it is of another kind")
        variables = tuple(Variable(**{**v, "levels": tuple(v["levels"])}) for v in said.pop("variables"))
        properties = tuple(Property(**p) for p in said.pop("properties"))
        check_names(variables, properties)
        card = Card(**{**said, "variables": variables, "properties": properties})
        card = replace(card, command=tuple(shlex.split(said["command"])))
        check_settings(card.batch, card.timeout, card.workers)
    except OSError:
        raise ValueError(f"{folder} holds no problem: it has no {CARD}") from None
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    return card


def check_settings(batch: int, timeout: float, workers: int) -> None:
    """Raise ValueError if a call with these settings is impossible."""
    if not (isinstance(batch, int) and 1 <= batch <= 100_000):
        raise ValueError(f"--batch {batch} is not accepted: a whole number from 1")
    if not (isinstance(timeout, int | float) and 0 < timeout < math.inf):
        raise ValueError(f"--timeout {timeout} is not accepted: seconds above 0")
    if not (isinstance(workers, int) and 0 <= workers <= 1024):
        raise ValueError(f"--workers {workers} is not accepted: a whole number from 0 to 1024")


def allow(folder: Path, command: Sequence[str]) -> None:
    """Record that the user has given this command for this folder on this machine; no other command ever runs."""
    path = home() / "commands.json"
    with sole_writer(home(), PATIENCE):
        allowed = _allowed(path) | {str(folder.resolve()): shlex.join(command)}
        with replacing(path) as beside:
            beside.write_text(json.dumps(allowed, indent=2, ensure_ascii=False) + "\n")
            os.chmod(beside, 0o600)


def check_allowed(folder: Path, command: Sequence[str]) -> None:
    """Check that the user has given this command here: a folder may come from an archive, an upload or someone else.

    Raises:
        ValueError: the command was not given here.
    """
    if _allowed(home() / "commands.json").get(str(folder.resolve())) != shlex.join(command):
        raise ValueError(
            f"The command of {folder} was not given on this machine, so it does not run: read it in {folder / CARD}, "
            f"then give it by python -m ipage_core new {folder} --command '…'"
        )


def _allowed(path: Path) -> dict[str, str]:
    try:
        allowed = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return allowed if isinstance(allowed, dict) else {}
