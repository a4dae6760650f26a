"""One benchmark run at a time on request: ``python -m ipage_core benchmark`` as a process, followed by its output."""

from __future__ import annotations

import contextlib
import functools
import json
from dataclasses import dataclass

from app.workers.process import Followed
from ipage_core.registry import home

COMMAND = ["-m", "ipage_core", "benchmark"]
OUT = home().resolve() / "benchmark"
"""Folder of the journals: runs recorded there are not repeated."""


@dataclass
class Rerun:
    """The server's current benchmark run, if any. Pages poll it; nothing blocks."""

    arguments: tuple[str, ...] = ()
    state: str = "idle"
    """idle, running, done, cancelled or failed"""
    done: int = 0
    total: int = 0
    eta: float | None = None
    message: str = ""
    process: Followed | None = None

    def start(self, *arguments: str) -> None:
        """Start a run, unless one is already running."""
        if self.state == "running":
            return
        options = [*arguments, "--only", "tables", "--json", "--workers", "1", "--out", str(OUT)]
        self.arguments, self.done, self.total, self.eta, self.message = arguments, 0, 0, None, ""
        try:
            self.process = Followed([*COMMAND, *options])
            self.state = "running"
        except OSError as error:
            self.state, self.message = "failed", str(error)

    def poll(self) -> None:
        """Read its new output."""
        if self.state != "running" or self.process is None:
            return
        code = self.process.code
        for line in self.process.lines()[::-1]:
            with contextlib.suppress(ValueError, KeyError, TypeError):  # a line that reports no progress
                text = json.loads(line)
                self.done, self.total, self.eta = text["done"], text["total"], text["eta"]
                break
        if code is not None:
            self.state = "done" if code == 0 else "failed"
            self.message = "" if code == 0 else self.process.why()
            self.process.end()

    def cancel(self) -> None:
        """End it and its workers. Finished runs stay in the journal."""
        if self.state == "running" and self.process is not None:
            self.process.end()
            self.state = "cancelled"


@functools.cache
def rerun() -> Rerun:
    """This server's rerun."""
    return Rerun()
