"""Versions of a problem's program, in ``programs.json``: the text of its command, and the files that it names.

Each row of results has the version that computed it, so that no result of an earlier program passes for one of the
program of now. A version is known again when its command and its files come back.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from ipage_core.runtime.files import write_json
from ipage_core.tasks.command.card import Card

PROGRAMS = "programs.json"
INTERPRETER = re.compile(r"(python|pypy|sh|bash|dash|zsh|env|perl|ruby|node|julia|Rscript|octave)[\d.]*")
"""Programs that run scripts: an update of one of these makes no new version."""


def now(folder: Path, card: Card) -> str:
    """The version of the program as it is now, 12 hexadecimal digits.

    A file that is missing, as on another machine, counts as it was when a program of this command last ran.
    """
    return _version(_said(folder, card))


def note(folder: Path, card: Card) -> str:
    """Note the program of now as the last one. → its version. Call it while holding :func:`.rows.locked`."""
    noted, said = _noted(folder), _said(folder, card)
    version = _version(said)
    if list(noted.items())[-1:] != [(version, said)]:
        noted.pop(version, None)
        write_json(folder / PROGRAMS, noted | {version: said})
    return version


def _version(said: dict[str, Any]) -> str:
    """A file counts by its content, wherever it lies: a problem and its script may move to another folder."""
    words, files = shlex.split(said["command"]), said["files"]
    contents = [[files.get(word, word) for word in words], [files[name] for name in sorted({*files} - {*words})]]
    return hashlib.sha256(json.dumps(contents).encode()).hexdigest()[:12]


def _said(folder: Path, card: Card) -> dict[str, Any]:
    """The command, and the SHA-256 of each file that it names."""
    command = shlex.join(card.command)
    last: dict[str, str] = {}
    for one in _noted(folder).values():
        last = one["files"] if one["command"] == command else last
    digests = {name: _digest(name) or last.get(name) for name in _named(folder, card)}
    return {"command": command, "files": {name: digest for name, digest in digests.items() if digest}}


def _named(folder: Path, card: Card) -> list[str]:
    """Paths in the command; for a crystal also the file of its calculator, FILE.py:FACTORY."""
    words = [word for word in card.command if Path(word).is_absolute()]
    crystal = folder / "crystal.json"
    if crystal.exists():
        with suppress(OSError, ValueError, AttributeError):  # a damaged file is refused when the task is loaded
            calculator = str(json.loads(crystal.read_text()).get("calculator"))
            words += [calculator.rpartition(":")[0]] if ".py:" in calculator else []
    return [word for word in words if not INTERPRETER.fullmatch(Path(word).name)]


def _digest(name: str) -> str | None:
    """The SHA-256 of a file; None if it is missing, or no file."""
    path = Path(name)
    try:
        if not path.is_file():
            return None
        entries = path.stat()
        return _read(path, entries.st_mtime_ns, entries.st_size)
    except OSError:
        return None


@lru_cache(maxsize=64)
def _read(path: Path, written: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _noted(folder: Path) -> dict[str, dict[str, Any]]:
    """The noted programs by version, the last one at the end.

    Raises:
        ValueError: the file is damaged.
    """
    path = folder / PROGRAMS
    try:
        noted: dict[str, dict[str, Any]] = json.loads(path.read_text())
        for one in noted.values():
            assert isinstance(one["command"], str)
            assert isinstance(one["files"], dict)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, KeyError, TypeError, AssertionError) as error:
        raise ValueError(f"{path} is damaged: {str(error)[:100]}; remove it") from None
    return noted
