"""What the user asks for, as one record: the address that holds all of it, the command that does the same."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from ipage_core.tasks import Task

SAMPLINGS = {"srs": "SRS", "lhs": "LHS", "maximin": "maximin"}


@dataclass(frozen=True)
class Settings:
    """Everything that a result depends on."""

    task: Task
    method: str
    y_star: tuple[float, ...]
    n: int
    sampling: str
    seed: int
    omega_evals: int
    strictness: float
    """Tolerance by which hits are judged, in units of the task's own."""

    @property
    def tolerance(self) -> float:
        """In units of y."""
        return float(f"{self.strictness * self.task.tolerance:.6g}")

    def address(self) -> str:
        """The query that brings all of it back, defaults too: they may change."""
        asked: dict[str, Any] = {"task": self.task.name, "method": self.method, "n": self.n, "seed": self.seed}
        asked |= {"sampling": SAMPLINGS[self.sampling], "omega": self.omega_evals, "tolerance": self.strictness}
        asked |= {f"y{j + 1}": value for j, value in enumerate(self.y_star)}
        return urlencode(asked)

    def command(self) -> str:
        """The command line that computes the same designs."""
        words = ["python", "-m", "ipage_core", "design", self.task.name]
        words += ["--target=" + ",".join(repr(value) for value in self.y_star), "--n", str(self.n)]
        words += ["--sampling", self.sampling, "--method", self.method, "--seed", str(self.seed)]
        words += ["--omega-evals", str(self.omega_evals), "--device", "cpu", "--out", "solutions.csv"]
        return shlex.join(words)
