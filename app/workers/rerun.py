"""One benchmark run at a time on request: ``python -m ipage_core benchmark`` as a process, followed by its output."""

from __future__ import annotations

import contextlib
import functools
import json
from dataclasses import dataclass

from app.workers import commands
from ipage_core.registry import home

OUT = home().resolve() / "benchmark"
"""Folder of the journals: runs recorded there are not repeated."""


@dataclass
class Rerun(commands.Run):
    """The server's current benchmark run, if any."""

    done: int = 0
    total: int = 0
    eta: float | None = None

    def start(self, *arguments: str) -> None:
        """Start a run of some cells, unless one is already running."""
        if self.state != "running":
            self.done, self.total, self.eta = 0, 0, None
        super().start(*arguments)

    def command(self) -> list[str]:
        """The arguments of Python."""
        options = ["--only", "tables", "--json", "--workers", "1", "--out", str(OUT)]
        return [*commands.COMMAND, "benchmark", *self.arguments, *options]

    def poll(self) -> None:
        """Read its new output."""
        super().poll()
        for line in reversed(self.said):
            with contextlib.suppress(ValueError, KeyError, TypeError):  # a line that reports no progress
                text = json.loads(line)
                self.done, self.total, self.eta = text["done"], text["total"], text["eta"]
                break


@functools.cache
def rerun() -> Rerun:
    """This server's rerun."""
    return Rerun()
