"""One benchmark run of one's own at a time: ``python -m ipage_core benchmark`` as a process, followed by its lines."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from typing import IO

from ipage_core.registry import home
from ipage_core.runtime.paths import ROOT

OUT = home().resolve() / "benchmark"
"""Where its journals are: what was run before is not run again."""


@dataclass
class Rerun:
    """The server's own run, if there is one. A page polls it; nothing waits for it."""

    arguments: tuple[str, ...] = ()
    state: str = "idle"
    """idle, running, done, cancelled or failed"""
    done: int = 0
    total: int = 0
    eta: float | None = None
    message: str = ""
    _process: subprocess.Popen | None = None
    _lines: IO[bytes] | None = field(default=None, repr=False)
    """What it has said. The file has no name, so that nothing is left of it however all this ends."""

    def start(self, *arguments: str) -> None:
        """Begin; a run that is still under way is left alone."""
        if self.state == "running":
            return
        command = [sys.executable, "-m", "ipage_core", "benchmark", *arguments, "--only", "tables", "--json"]
        self.arguments, self.done, self.total, self.eta, self.message = arguments, 0, 0, None, ""
        try:
            self._lines = tempfile.TemporaryFile()  # noqa: SIM115
            self._process = subprocess.Popen(
                [*command, "--workers", "1", "--out", str(OUT)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=self._lines,
                stderr=subprocess.STDOUT,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
                start_new_session=True,  # so that its workers end with it
            )
            self.state = "running"
        except OSError as error:
            self.state, self.message = "failed", str(error)

    def poll(self) -> None:
        """Read what it has said."""
        if self.state != "running" or self._process is None or self._lines is None:
            return
        code = self._process.poll()
        said = self._said()
        for line in said[::-1]:
            with contextlib.suppress(ValueError, KeyError, TypeError):  # cut short, or no line of its progress
                told = json.loads(line)
                self.done, self.total, self.eta = told["done"], told["total"], told["eta"]
                break
        if code is not None:
            self.state = "done" if code == 0 else "failed"
            self.message = "" if code == 0 else (said[-1][:300] if said else f"it ended with code {code}")

    def _said(self) -> list[str]:
        """Its lines so far. Read from the start by place: the file's own position is where the process writes."""
        assert self._lines is not None
        handle = self._lines.fileno()
        return os.pread(handle, os.fstat(handle).st_size, 0).decode(errors="replace").splitlines()

    def cancel(self) -> None:
        """End it and its workers. What is finished stays in the journal."""
        if self.state == "running" and self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait()
            self.state = "cancelled"


@functools.cache
def rerun() -> Rerun:
    """The one of this server."""
    return Rerun()
