"""A command of this program as a process of the server, followed by its lines: one at a time for each purpose."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

from app.workers.process import Followed

COMMAND = ["-m", "ipage_core"]


@dataclass
class Run:
    """A command that runs, has run, or has not begun. Pages poll it; nothing blocks."""

    arguments: tuple[str, ...] = ()
    state: str = "idle"
    """'idle', 'running', 'done', 'failed' or 'stopped'."""
    said: list[str] = field(default_factory=list)
    """Its lines on stdout; the last one is a JSON summary."""
    message: str = ""
    """Why it failed, in one sentence."""
    process: Followed | None = None

    def start(self, *arguments: str) -> None:
        """Start ``python -m ipage_core`` with these arguments, unless a command is running."""
        if self.state == "running":
            return
        self.arguments, self.said, self.message = arguments, [], ""
        try:
            self.process = Followed(self.command())
            self.state = "running"
        except OSError as error:
            self.state, self.message = "failed", str(error)

    def command(self) -> list[str]:
        """The arguments of Python."""
        return [*COMMAND, *self.arguments]

    def poll(self) -> None:
        """Read its new output, and whether it has ended."""
        if self.state != "running" or self.process is None:
            return
        code = self.process.code
        self.said += self.process.lines()
        if code is not None:
            self.state = "done" if code == 0 else "failed"
            name = f"ipage_core {next(iter(self.arguments), '')}: "
            self.message = "" if code == 0 else self.process.why().removeprefix(name)
            self.process.end()

    def stop(self) -> None:
        """End it and its children; results so far are kept."""
        if self.state == "running" and self.process is not None:
            self.process.end()
            self.state = "stopped"


@functools.cache
def run(purpose: str) -> Run:
    """This server's command for a purpose, such as the name of a problem."""
    return Run()
