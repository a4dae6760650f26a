"""A campaign: space-filling start, then a Gaussian process that learns from every evaluation, until hits or budget end.

The remaining budget sets the next design: among candidates whose chance of a hit is high enough for that budget,
``choose`` takes the one farthest from all hits. Designs of very many coordinates come from trained networks instead.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ipage_core.inference.latent_design import unit_design
from ipage_core.problem import constraints
from ipage_core.problem.space import DesignSpace
from ipage_core.problem.target import Target
from ipage_core.problem.task import Task
from ipage_core.problem.watch import watching
from ipage_core.training.campaign.beliefs import Accepted, Beliefs, Coordinates
from ipage_core.training.campaign.candidates import CLOSE, SOURCES, candidates, close_by, placed
from ipage_core.training.campaign.choose import Choice, choose, distinct
from ipage_core.training.campaign.ledger import Ledger, Step, opened, read
from ipage_core.training.campaign.shipped import MANY, Proposals

START_SHARE = 4
"""The start takes at most 1/START_SHARE of the budget."""
FEW = 2
"""Least number of results for a process."""
REMEMBERED, PRIOR = 20, 4.0
"""Number of predictions that estimate the doubt, and weight of its initial value 1 in predictions."""
DOUBTS = (0.6, 4.0)
PRIOR_HITS = 1.0
"""Weight of the guess that each origin of candidates keeps its promise, in hits."""
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
    _errors: list[float] = field(default_factory=list, init=False)
    _pending: tuple[Beliefs, Tensor, Tensor] | None = field(default=None, init=False)
    """Processes that predicted the designs now at Ω, with mean and deviation."""

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
        self.space: DesignSpace = constraints.parse(self.task, self.constraints)
        self.at = Coordinates.of(self.task)
        self.networks: Proposals | None = None
        if self.task.d > MANY:
            low, high = self.accepted.ends
            self.networks = Proposals(self.task, self.target, self.constraints, 0.5 * (high - low), self.seed)
        self.apart = self.task.distinct if self.apart is None else self.apart
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
            ValueError: the ledger belongs to another campaign.
        """
        about: dict[str, Any] = {
            "task": self.task.name,
            "target": self.accepted.ends.tolist(),
            "constraints": list(self.constraints),
        }
        about |= {"seed": self.seed, "start": self.start, "apart": self.apart}
        with opened(self.ledger, {"campaign": _finite(about)}) as ledger:
            self._steps, begun = ledger.steps, time.monotonic()
            self._leave_out(ledger)
            if (step := ledger.open_step) is not None:
                self._evaluate(ledger, step.x, tell, cancel, where)
            beliefs: Beliefs | None = None
            while len(self.distinct_hits) < self.hits and self.evaluations < self.budget:
                if cancel is not None and cancel():
                    return
                count = min(self.batch, self.budget - self.evaluations)
                beliefs = self._beliefs(beliefs) if self.networks is None else None
                x, why, predicted, chance = self._next(beliefs, count)
                ledger.ask(x, why, predicted, chance)
                if not self._evaluate(ledger, x, tell, cancel, where):
                    return
                self.seconds = time.monotonic() - begun
                keep(self)

    @property
    def evaluations(self) -> int:
        """Number of evaluated designs, failures included."""
        return sum(len(step.x) for step in self._steps if step.y is not None)

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

    def _leave_out(self, ledger: Ledger) -> None:
        """Remove the rows that this campaign evaluated before it was stopped from those of before the campaign."""
        own = {tuple(row) for step in ledger.steps for row in step.x.tolist()}
        before = torch.tensor([tuple(row) not in own for row in self.before_x.tolist()], dtype=torch.bool)
        self.before_x, self.before_y = self.before_x[before], self.before_y[before]

    def _rows(self) -> tuple[Tensor, Tensor]:
        """All known rows: (n, d), (n, m)."""
        return torch.cat((self.before_x, self.x)), torch.cat((self.before_y, self.y[:, : self.task.n_targets]))

    def _beliefs(self, before: Beliefs | None) -> Beliefs | None:
        x, y = self._rows()
        fine = y.isfinite().all(1)
        started = len(self.before_x) or self.evaluations >= self._start_size()
        if not started or int(fine.sum()) < FEW:
            return None
        return Beliefs.given(self.at, x, y, self.accepted, self._doubt(), before)

    def _start_size(self) -> int:
        e = self.space.bounds.shape[1]
        return max(FEW + 1, min(e + 3, self.budget // START_SHARE))

    def _doubt(self) -> float:
        """Root mean square of earlier errors divided by their predicted deviations; initially 1."""
        errors = self._errors[-REMEMBERED:]
        square = sum(error * error for error in errors)
        calibration = math.sqrt((square + PRIOR) / (len(errors) + PRIOR))
        return min(max(calibration, DOUBTS[0]), DOUBTS[1])

    def _next(self, beliefs: Beliefs | None, count: int) -> tuple[Tensor, list[str], Tensor, Tensor]:
        """Designs to evaluate next, the reasons, and their predictions."""
        self._pending = None
        if self.networks is not None:
            return self._by_networks(self.networks, count)
        if beliefs is None:
            x = self._fill(count)
            return x, ["space-filling start: too few answers to predict from"] * len(x), *self._unknown(x)
        x, y = self._rows()
        fine = y.isfinite().all(1)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + len(x))
        off = self.accepted.off(y[fine])
        middle = self.accepted.ends.clamp(-1e300, 1e300).mean(0)
        proposed = None if self.propose is None else self.propose(middle, self.seed + len(x))
        assert self.apart is not None
        pool, named = candidates(beliefs, self.space, x[fine], y[fine], off, self.apart, generator, proposed)
        chance, choice = self._choice(beliefs, pool, named, x, count)
        if not choice.rows and self.distinct_hits:
            pool = close_by(self.space, self.x[self.distinct_hits], self.apart, 4 * CLOSE, generator)
            chance, choice = self._choice(beliefs, pool, [SOURCES[4]] * len(pool), x, count)
        if not choice.rows:
            x = self._fill(count)
            nearest = f"no candidate is farther than --apart {self.apart:g} from all hits" if self.distinct_hits else ""
            return x, [f"{nearest or 'no candidate is new'}: filling space"] * len(x), *self._unknown(x)
        chosen = pool[choice.rows]
        mean, spread = beliefs.predict(chosen)
        self._pending = beliefs, mean, spread / beliefs.doubt
        return chosen, choice.why, beliefs.raw(mean), chance[choice.rows]

    def _choice(
        self, beliefs: Beliefs, pool: Tensor, named: list[str], evaluated: Tensor, count: int
    ) -> tuple[Tensor, Choice]:
        """The chance of each candidate (k, d), and those to evaluate."""
        factor = self._record()
        chance = (beliefs.chance(pool) * torch.tensor([factor(name) for name in named])).clamp(max=1.0)
        rows = self.distinct_hits
        wanted, left = self.hits - len(rows), self.budget - self.evaluations
        assert self.apart is not None
        hits = self.x[rows]
        return chance, choose(self.at, pool, chance, named, hits, evaluated, self.apart, wanted, left, count)

    def _record(self) -> Callable[[str], float]:
        """Origin of a candidate → hits of this origin so far, divided by the hits that its chances promised.

        A process that is wrong about one origin, such as chords across a jump, then loses to the others.
        """
        promised: dict[str, float] = {}
        gained: dict[str, float] = {}
        hit, row = self.hit.tolist(), 0
        for step in self._steps:
            for why, chance in zip(step.why, step.chance.tolist(), strict=True):
                name = why.partition(":")[0]
                if step.y is not None and row < len(hit):
                    if math.isfinite(chance):
                        promised[name] = promised.get(name, 0.0) + chance
                        gained[name] = gained.get(name, 0.0) + hit[row]
                    row += 1
        return lambda name: (gained.get(name, 0.0) + PRIOR_HITS) / (promised.get(name, 0.0) + PRIOR_HITS)

    def _by_networks(self, networks: Proposals, count: int) -> tuple[Tensor, list[str], Tensor, Tensor]:
        """The same for designs of many coordinates: trained networks propose and predict them."""
        pool, predicted = networks.pool(torch.cat((self.before_x, self.x)), count)
        if not len(pool):
            x = self._fill(count)
            return x, ["the networks propose nothing new: filling space"] * len(x), *self._unknown(x)
        errors = self.y[:, : self.task.n_targets] - self.predicted
        errors = errors[errors.isfinite().all(1)]
        bias = errors.mean(0) * len(errors) / (len(errors) + 1) if len(errors) else torch.zeros(predicted.shape[1])
        mean, spread, (low, high) = predicted + bias, networks.spread(errors - bias), self.accepted.ends
        chance = (torch.special.ndtr((high - mean) / spread) - torch.special.ndtr((low - mean) / spread)).prod(1)
        rows, named = self.distinct_hits, ["iPage"] * len(pool)
        wanted, left = self.hits - len(rows), self.budget - self.evaluations
        assert self.apart is not None
        evaluated = torch.cat((self.before_x, self.x))
        choice = choose(self.at, pool, chance, named, self.x[rows], evaluated, self.apart, wanted, left, count)
        if not choice.rows:
            x = self._fill(count)
            return x, ["no candidate is new: filling space"] * len(x), *self._unknown(x)
        return pool[choice.rows], choice.why, mean[choice.rows], chance[choice.rows]

    def _unknown(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """NaN as prediction and chance of designs (k, d). → (k, m), (k,)."""
        return x.new_full((len(x), self.task.n_targets), math.nan), x.new_full((len(x),), math.nan)

    def _fill(self, count: int) -> Tensor:
        """Maximin points for the start, or random points later. → (count, d)."""
        e = self.space.bounds.shape[1]
        done, size = self.evaluations, self._start_size()
        if done < size:
            u = torch.tensor(unit_design(size, e, "maximin", self.seed))[done : done + count]
        else:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + done)
            u = torch.rand(count, e, dtype=torch.float64, generator=generator)
        v = placed(self.space, u.double())
        return self.space.exact(self.space.project(self.space.decode(self.space.settle(v))))

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
        m = self.task.n_targets
        if self._pending is not None:
            reader, mean, spread = self._pending
            errors = ((reader.read(y[:, :m]) - mean) / spread).flatten()
            self._errors += errors[errors.isfinite()].clamp(-6, 6).tolist()
        self._pending = None
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
