"""What the user asks for, as one record: the address that holds all of it, the command that does the same."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import torch

from ipage_core.problem.task import Task
from ipage_core.tasks.cells.constraints import written
from ipage_core.tasks.cells.dataset import SIDE

KINDS = ("exactly", "at least", "at most", "between")
"""What can be asked of a property."""
SAMPLINGS = {"srs": "SRS", "lhs": "LHS", "maximin": "maximin"}


@dataclass(frozen=True)
class Settings:
    """Everything that a result depends on."""

    task: Task
    method: str
    kinds: tuple[str, ...]
    """For each property one of ``KINDS``; ``y`` is its number, ``up_to`` the second one of 'between'."""
    y: tuple[float, ...]
    up_to: tuple[float, ...]
    n: int
    sampling: str
    seed: int
    omega_evals: int
    strictness: float
    """Tolerance by which hits are judged, in units of the task's own."""
    constraints: tuple[str, ...] = ()
    """What must hold for x, as :func:`ipage_core.problem.constraints.parse` reads it."""
    seed_design: tuple[float, ...] = ()
    """A design of the user's own to start from; empty: none."""
    finish: bool = False
    """Whether pixels are flipped, with Ω watching, until the target is met exactly."""

    @property
    def accepted(self) -> tuple[tuple[float, float], ...]:
        """The least and the greatest value accepted of each property."""
        ends = {"exactly": lambda y, _: (y, y), "at least": lambda y, _: (y, math.inf)}
        ends |= {"at most": lambda y, _: (-math.inf, y), "between": lambda y, top: (y, top)}
        return tuple(ends[kind](y, top) for kind, y, top in zip(self.kinds, self.y, self.up_to, strict=True))

    @property
    def target(self) -> str:
        """The same as text, as the command line reads it."""
        ends = [(low, high, [repr(v) if math.isfinite(v) else "" for v in (low, high)]) for low, high in self.accepted]
        return ",".join(text[0] if low == high else ":".join(text) for low, high, text in ends)

    @property
    def tolerance(self) -> float:
        """In units of y."""
        return float(f"{self.strictness * self.task.tolerance:.6g}")

    def address(self) -> str:
        """The query that brings all of it back, defaults too: they may change."""
        asked: dict[str, Any] = {"task": self.task.name, "method": self.method, "n": self.n, "seed": self.seed}
        asked |= {"sampling": SAMPLINGS[self.sampling], "omega": self.omega_evals, "tolerance": self.strictness}
        asked |= {f"y{j + 1}": value for j, value in enumerate(self.y)}
        asked |= {f"ask{j + 1}": kind for j, kind in enumerate(self.kinds) if kind != "exactly"}
        asked |= {f"upto{j + 1}": top for j, top in enumerate(self.up_to) if self.kinds[j] == "between"}
        asked |= {"constrain": "; ".join(self.constraints)} if self.constraints else {}
        asked |= {"start": self._start()} if self.seed_design else {}
        asked |= {"finish": "true"} if self.finish else {}
        return urlencode(asked)

    def _start(self) -> str:
        if self.task.d != SIDE * SIDE:
            return ", ".join(map(repr, self.seed_design))
        return written(torch.tensor(self.seed_design) > 0.5)

    def command(self) -> str:
        """The command line that computes the same designs."""
        words = ["python", "-m", "ipage_core", "design", self.task.name]
        words += [f"--target={self.target}", "--n", str(self.n)]
        words += [f"--constrain={text}" for text in self.constraints]
        words += ["--seed-design", "seed_design.csv"] if self.seed_design else []
        words += ["--sampling", self.sampling, "--method", self.method, "--seed", str(self.seed)]
        words += ["--omega-evals", str(self.omega_evals), *(["--finish"] if self.finish else [])]
        words += ["--device", "cpu", "--out", "solutions.csv"]
        return shlex.join(words)
