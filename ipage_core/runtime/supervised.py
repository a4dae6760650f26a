"""Runs the user's programs so that none outlives this process: see :mod:`ipage_core.runtime.supervisor`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

SCRIPT = Path(__file__).with_name("supervisor.py")


class Ended(NamedTuple):
    """How a command ended."""

    code: int | None
    """Its exit code, −9 if killed by signal 9; None if it did not start or was stopped."""
    late: bool
    """Whether it was stopped at the time limit."""
    error: str
    """The reason why it could not start; else empty."""
    seconds: float


def run(
    words: Sequence[str], folder: Path, seconds: float, environment: Mapping[str, str | None] | None = None
) -> Ended:
    """Run a command in ``folder``, for at most ``seconds``; its output is in ``stdout.txt`` and ``stderr.txt`` there.

    Its child processes end with it, and all of them end with this process, even if that is killed.

    Args:
        words: the program and its arguments; no shell interprets them.
        folder: its working directory.
        seconds: time after which it is killed.
        environment: variables to change; None removes one.

    Raises:
        ValueError: this system has no process groups.
    """
    if os.name != "posix":
        raise ValueError("Commands run on Linux and macOS: this system has no process groups to end them by")
    variables = {**os.environ, **{name: value for name, value in (environment or {}).items() if value is not None}}
    for name, value in (environment or {}).items():
        if value is None:
            variables.pop(name, None)
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(SCRIPT), repr(float(seconds)), str(folder.resolve()), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C reaches this process; closing its end of the pipe ends the command
        env=variables,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        text = process.stdout.read()
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait()
    try:
        return Ended(**json.loads(text))
    except ValueError:  # the supervisor was killed
        return Ended(None, False, "its supervisor was killed", 0.0)
