"""A campaign: space-filling start, then a Gaussian process that learns from every evaluation, until hits or budget end.

Here are its state and its loop; :mod:`.selection` says which designs are evaluated next.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from ipage_core.inference.neighbours import in_widths
from ipage_core.problem import constraints
from ipage_core.problem.target import Target
from ipage_core.problem.task import Task
from ipage_core.problem.watch import watching
from ipage_core.training.campaign.beliefs import Accepted, Beliefs, Coordinates, Starts, as_modelled
from ipage_core.training.campaign.choose import distinct
from ipage_core.training.campaign.ledger import Ledger, Step, opened, read
from ipage_core.training.campaign.selection import FEW, Selection, State
from ipage_core.training.campaign.shipped import MANY, Proposals

REMEMBERED, PRIOR = 20, 4.0
"""Number of predictions that estimate the doubt, and weight of its initial value 1 in predictions."""
DOUBTS = (0.6, 4.0)
SAME = 1e-9
"""Largest distance, in widths of the box, between a design and its row."""
MOST_BUDGET = 100_000


class Line(NamedTuple):
    """Progress line about one step."""

    evaluations: int
    hits: int
    failed: int
    sentence: str


@dataclass
class Campaign:
    """State of a campaign. Build it, then :meth:`run`."""

    task: Task
    target: Target
    hits: int
    budget: int
    ledger: Path
    """File in which every step is logged."""
    batch: int = 1
    start: str = "none"
    """``none``: begin without rows; ``table``: with the task's stored or earlier evaluated rows."""
    constraints: tuple[str, ...] = ()
    seed: int = 0
    apart: float | None = None
    """Distance above which two designs are distinct; None: the task's own."""
    propose: Callable[[Tensor, int], Tensor | None] | None = None
    """(middle of the target (m,), seed) → designs (p, d) of iPage's posterior, or None while rows are too few."""
    seconds: float = field(default=0.0, init=False)
    """Duration of this run."""
    _steps: list[Step] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        if self.task.omega is None:
            raise ValueError(f"{self.task.name} has no forward operator Ω: a campaign evaluates designs with it")
        for name, most in (("hits", MOST_BUDGET), ("budget", MOST_BUDGET), ("batch", 1000)):
            value = getattr(self, name)
            if not 1 <= value <= most:
                raise ValueError(f"--{name} {value} is not accepted: a whole number from 1 to {most}")
        if self.start not in ("none", "table"):
            raise ValueError(f"--start {self.start} is not known; accepted: none, table")
        self.accepted = Accepted.of(self.task, self.target)
        self.at = Coordinates.of(self.task)
        networks: Proposals | None = None
        if self.task.d > MANY:
            low, high = self.accepted.ends
            networks = Proposals(self.task, self.target, self.constraints, 0.5 * (high - low), self.seed)
        self.apart = self.task.distinct if self.apart is None else self.apart
        self.selection = Selection(
            self.accepted,
            constraints.parse(self.task, self.constraints),
            self.at,
            self.hits,
            self.budget,
            self.seed,
            self.apart,
            self.propose,
            networks,
        )
        m = self.task.n_targets
        self.before_x, self.before_y = self.task.bounds[:0].double(), torch.empty(0, m, dtype=torch.float64)
        if self.start == "table":
            self.before_x, self.before_y = self._table()

    def run(
        self,
        tell: Callable[[Line], None] = lambda line: None,
        cancel: Callable[[], bool] | None = None,
        keep: Callable[[Campaign], None] = lambda campaign: None,
        **where: Any,
    ) -> None:
        """Evaluate until there are enough hits or the budget is used up; a stopped or killed run continues.

        Args:
            tell: called with one line per design.
            cancel: returns whether to stop.
            keep: called after each step.
            where: ``workers`` and ``scheduler`` for Ω.

        Raises:
            ValueError: the ledger belongs to another campaign, or to an earlier version of the program.
        """
        about: dict[str, Any] = {
            "task": self.task.name,
            "target": self.accepted.ends.tolist(),
            "constraints": list(self.constraints),
        }
        about |= {"seed": self.seed, "start": self.start, "apart": self.apart}
        with opened(self.ledger, {"campaign": _finite(about)}) as ledger:
            self._steps, begun = ledger.steps, time.monotonic()
            self._check_program(ledger)
            self._leave_out(ledger)
            if (step := ledger.open_step) is not None:
                self._evaluate(ledger, step.x, tell, cancel, where)
            starts = self._resumed()
            while len(self.distinct_hits) < self.hits and self.evaluations < self.budget:
                if cancel is not None and cancel():
                    return
                count = min(self.batch, self.budget - self.evaluations)
                networks = self.selection.networks
                beliefs = self._beliefs(starts) if networks is None else None
                starts = beliefs.starts if beliefs is not None else {}
                chosen = self.selection.next(self._state(), beliefs, count)
                state = {
                    "starts": {name: [theta.tolist(), rows] for name, (theta, rows) in starts.items()},
                    "spoken": chosen.spoken,
                    "drawn_at": None if networks is None else networks.drawn_at,
                }
                ledger.ask(chosen.x, chosen.why, chosen.predicted, chosen.chance, state)
                if not self._evaluate(ledger, chosen.x, tell, cancel, where):
                    return
                self.seconds = time.monotonic() - begun
                keep(self)

    @property
    def evaluations(self) -> int:
        """Number of evaluated designs, failures included."""
        return sum(len(step.x) for step in self._steps if step.y is not None)

    @property
    def last_step(self) -> int:
        """Number of designs of the last evaluated step."""
        return next((len(step.x) for step in reversed(self._steps) if step.y is not None), 0)

    @property
    def failed(self) -> int:
        """Number of evaluated designs without a result."""
        return int(self.y.isnan().any(1).sum())

    @property
    def x(self) -> Tensor:
        """(n, d) evaluated designs, in order."""
        return torch.cat([self.before_x[:0], *(step.x for step in self._steps if step.y is not None)])

    @property
    def y(self) -> Tensor:
        """(n, m + p) their results; NaN where Ω failed."""
        p = len(self.task.properties)
        return torch.cat([torch.empty(0, p).double(), *(step.y for step in self._steps if step.y is not None)])

    @property
    def predicted(self) -> Tensor:
        """(n, m) their earlier predictions."""
        return torch.cat([self.before_y[:0], *(step.predicted for step in self._steps if step.y is not None)])

    @property
    def hit(self) -> Tensor:
        """(n,) bool: which evaluated designs are hits."""
        return self.accepted.hit(self.y[:, : self.task.n_targets])

    @property
    def distinct_hits(self) -> list[int]:
        """Rows of the distinct hits among the evaluated designs."""
        hit = self.hit.nonzero()[:, 0]
        assert self.apart is not None
        return [int(hit[k]) for k in distinct(self.at, self.x[hit], self.apart)]

    def _table(self) -> tuple[Tensor, Tensor]:
        """Rows from before the campaign: all results of Ω if the task keeps them, else the stored pairs."""
        if self.task.evaluated is not None:
            x, y = self.task.evaluated()
            return x, y[:, : self.task.n_targets]
        if self.task.stored is None:
            raise ValueError(f"--start table: {self.task.name} has no stored rows; accepted: --start none")
        x, y = self.task.stored()
        return x.double(), y[:, : self.task.n_targets].double()

    def _check_program(self, ledger: Ledger) -> None:
        """Raise ValueError if results in the ledger are no longer among those of the task: Ω has changed since."""
        results = [step for step in ledger.steps if step.y is not None]
        if self.task.evaluated is None or not results:
            return
        x, y = self.task.evaluated()
        rows, m = cKDTree(in_widths(self.task, x).numpy()), self.task.n_targets
        for step in results:
            assert step.y is not None
            fine = step.y.isfinite().all(1)
            off, nearest = rows.query(in_widths(self.task, step.x[fine]).numpy())  # no row: infinitely far
            if np.any(off > SAME) or not y[torch.from_numpy(nearest), :m].equal(step.y[fine, :m]):
                raise ValueError(
                    f"{self.ledger} has results of an earlier program: they are not among the rows of the program of "
                    "now; accepted: another --out"
                )

    def _leave_out(self, ledger: Ledger) -> None:
        """Remove the rows that this campaign evaluated before it was stopped from those of before the campaign."""
        own = {tuple(row) for step in ledger.steps for row in step.x.tolist()}
        before = torch.tensor([tuple(row) not in own for row in self.before_x.tolist()], dtype=torch.bool)
        self.before_x, self.before_y = self.before_x[before], self.before_y[before]

    def _state(self) -> State:
        """What the choice of the next designs depends on."""
        m = self.task.n_targets
        return State(
            self.before_x, self.before_y, self.x, self.y[:, :m], self.predicted, self.distinct_hits, self._steps
        )

    def _resumed(self) -> Starts:
        """Where the next fit starts, so that a campaign that goes on chooses what it would have chosen unbroken."""
        state = (self._steps[-1].state if self._steps else None) or {}
        if self.selection.networks is not None:
            self.selection.networks.drawn_at = state.get("drawn_at")
        return {
            name: (torch.tensor(theta, dtype=torch.float64), rows)
            for name, (theta, rows) in state.get("starts", {}).items()
        }

    def _beliefs(self, starts: Starts) -> Beliefs | None:
        x, y = self._state().known
        fine = y.isfinite().all(1)
        started = len(self.before_x) or self.evaluations >= self.selection.start_size
        if not started or int(fine.sum()) < FEW:
            return None
        return Beliefs.given(self.at, x, y, self.accepted, self._doubt(), starts)

    def _doubt(self) -> float:
        """Root mean square of earlier errors divided by their predicted deviations; initially 1."""
        errors: list[float] = []
        for step in reversed(self._steps):
            if len(errors) >= REMEMBERED:
                break
            errors = self._errors(step) + errors
        errors = errors[-REMEMBERED:]
        square = sum(error * error for error in errors)
        calibration = math.sqrt((square + PRIOR) / (len(errors) + PRIOR))
        return min(max(calibration, DOUBTS[0]), DOUBTS[1])

    def _errors(self, step: Step) -> list[float]:
        """Errors of the predictions of a step, in predicted deviations."""
        spoken = (step.state or {}).get("spoken")
        if step.y is None or spoken is None:
            return []
        mean, spread = (torch.tensor(spoken[name], dtype=torch.float64) for name in ("mean", "spread"))
        errors = ((as_modelled(step.y[:, : self.task.n_targets], spoken["logs"]) - mean) / spread).flatten()
        return [float(error) for error in errors[errors.isfinite()].clamp(-6, 6)]

    def _evaluate(
        self,
        ledger: Ledger,
        x: Tensor,
        tell: Callable[[Line], None],
        cancel: Callable[[], bool] | None,
        where: dict[str, Any],
    ) -> bool:
        """Evaluate designs with Ω and log the results. → False if stopped before all are evaluated."""
        assert self.task.omega is not None
        stopped = False

        def wants_to_stop() -> bool:
            nonlocal stopped
            stopped = stopped or (cancel is not None and cancel())
            return stopped

        step = ledger.steps[-1]
        with watching(cancel=wants_to_stop, source=f"campaign {self.ledger.name.partition('.')[0]}", **where):
            y = self.task.omega(x)
        if stopped:
            return False  # the step stays open: Ω has stored its results, and they are requested again
        ledger.answer(y)
        distinct_rows = self.distinct_hits
        for i in range(len(x)):
            row = self.evaluations - len(x) + i
            tell(Line(row + 1, len(distinct_rows), self.failed, self.sentence(row, step.why[i], distinct_rows)))
        return True

    def sentence(self, row: int, why: str, hits: Sequence[int]) -> str:
        """A line about an evaluation: reason for the design, its result, whether it is one of the distinct ``hits``."""
        y = self.y[row, : self.task.n_targets]
        if not bool(y.isfinite().all()):
            reason = "" if self.task.why_failed is None else self.task.why_failed(self.x[row : row + 1])[0]
            return f"{why} → failed" + (f": {reason}" if reason else "")
        values = ", ".join(f"{v:.4g}" for v in y.tolist())
        if bool(self.hit[row]):
            values += ", a hit" if row in hits else ", a hit like one before"
        return f"{why} → {values}"

    def follow(self) -> list[Line]:
        """Read the steps of the ledger, while this or another process runs the campaign. → one line per evaluation."""
        self._steps = [step for step in read(self.ledger) if step.y is not None]
        distinct_rows, hits, lines = self.distinct_hits, 0, []
        failed = self.y.isnan().any(1).cumsum(0).tolist()
        for row, why in enumerate(why for step in self._steps for why in step.why):
            hits += row in distinct_rows
            lines.append(Line(row + 1, hits, int(failed[row]), self.sentence(row, why, distinct_rows)))
        return lines


def _finite(about: dict[str, Any]) -> dict[str, Any]:
    """Replace infinities, which JSON lacks."""
    target: Sequence[Sequence[float]] = about["target"]
    return about | {"target": [[v if math.isfinite(v) else None for v in row] for row in target]}
