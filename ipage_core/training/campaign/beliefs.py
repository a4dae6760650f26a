"""Predictions for designs not yet evaluated: their properties, and the probability that each is a hit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ipage_core.problem.target import Target
from ipage_core.problem.task import Task
from ipage_core.training.campaign.process import Copies, Process, alone, fit, ties

MOST_ROWS = 400
"""Most rows for the fit of a process: those nearest to the target, and a few of the others."""
FAILED, WORKED = 0.0, 1.0
GROWN = 1.4
"""Factor of growth of the rows after which hyperparameters are fitted from scratch."""
LOG_GAIN = 2.0
"""Gain of log density above which the logarithm of a property is modelled instead."""
Starts = dict[str, tuple[Tensor, int]]
"""By process: initial hyperparameters of its next fit, and the number of rows of its last fit from scratch."""


@dataclass(frozen=True, eq=False)
class Coordinates:
    """Designs as inputs of the processes: in the unit cube, logarithmic where the task says so, categories one-hot."""

    low: Tensor
    width: Tensor
    log: Tensor
    levels: Tensor
    """(d,) number of levels of each category; 0 for other coordinates."""
    copies: Copies
    group: Tensor
    unit: Tensor
    """(d,) units of the distance between designs."""
    images: Callable[[Tensor], Tensor]
    """Raw designs (n, d) → (n, s, d)."""

    @classmethod
    def of(cls, task: Task) -> Coordinates:
        """The coordinates of a task."""
        log = torch.tensor([v.scale == "log" for v in task.variables])
        levels = torch.tensor([len(v.levels) if v.kind == "category" else 0 for v in task.variables])
        low, high = (torch.where(log, end.clamp(min=1e-300).log(), end) for end in task.bounds)
        width = high - low
        own = task.images

        def images(x: Tensor) -> Tensor:
            return x[:, None] if own is None else torch.from_numpy(np.ascontiguousarray(own(x.detach().numpy())))

        def inside(points: Tensor) -> Tensor:
            x = low + points.detach() * width
            x = torch.where(log, x.exp(), x)
            return _inward(images(x), low, width, log)

        copies = alone if own is None else inside
        group = ties(copies, task.d) if own is not None else torch.arange(task.d).repeat_interleave(levels.clamp(min=1))
        unit = (task.bounds[1] - task.bounds[0]) if task.distance_unit is None else torch.as_tensor(task.distance_unit)
        return cls(low, width, log, levels, copies, group, unit, images)

    def inward(self, x: Tensor) -> Tensor:
        """(n, d) → (n, D) in the unit cube, differentiable; a category takes a coordinate for each of its levels.

        Two levels of a category are 1 apart, as far as the ends of any other coordinate.
        """
        points = _inward(x, self.low, self.width, self.log)
        if not bool(self.levels.any()):
            return points
        columns = []
        for j, count in enumerate(self.levels.tolist()):
            if count:
                level = x[:, j].detach().round().long().clamp(0, count - 1)
                columns.append(torch.nn.functional.one_hot(level, count).to(points) / math.sqrt(2))
            else:
                columns.append(points[:, j : j + 1])
        return torch.cat(columns, dim=1)

    def distance(self, x: Tensor, others: Tensor) -> Tensor:
        """Distance from each design to the nearest image of each other design. (n, d), (k, d) → (n, k)."""
        if not len(others) or not len(x):
            return torch.full((len(x), len(others)), math.inf, dtype=torch.float64)
        if bool((self.log | (self.levels > 0)).any()):  # in box widths, on the scale of the search
            x, others = self.inward(x), self.inward(others)
            return torch.cdist(x, others)
        images = self.images(others) / self.unit
        each = torch.cdist(x / self.unit, images.reshape(-1, x.shape[1]))
        return each.view(len(x), len(others), -1).amin(2)


def _inward(x: Tensor, low: Tensor, width: Tensor, log: Tensor) -> Tensor:
    scaled = torch.where(log, torch.where(log, x, 1.0).clamp(min=1e-300).log(), x)
    return (scaled - low) / width


@dataclass(frozen=True, eq=False)
class Accepted:
    """The interval of each property that counts as a hit. (2, m)."""

    ends: Tensor

    @classmethod
    def of(cls, task: Task, target: Target) -> Accepted:
        """The intervals of a target.

        Raises:
            ValueError: a property is to be minimized or maximized.
        """
        if target.optimizes:
            raise ValueError(
                "A campaign collects designs for a target; accepted: numbers, intervals and bounds, not minimize or "
                "maximize"
            )
        low, high = target.accepted
        tolerance = torch.where(low == high, target.tolerances(task), 0.0)
        return cls(torch.stack((low - tolerance, high + tolerance)))

    def hit(self, y: Tensor) -> Tensor:
        """(n, m) → (n,) bool; NaN is no hit."""
        return ((y >= self.ends[0]) & (y <= self.ends[1])).all(1)

    def off(self, y: Tensor) -> Tensor:
        """Distance from a hit, in half widths of the interval. (n, m) → (n,)."""
        return self._residual(y, self.ends).square().sum(1).sqrt()

    @staticmethod
    def _residual(y: Tensor, ends: Tensor) -> Tensor:
        """Deviation from the middle of each interval, in half widths; for a bound, the violation in units of 1."""
        low, high = ends
        middle, half = 0.5 * (low + high), 0.5 * (high - low)
        both = torch.isfinite(low) & torch.isfinite(high)
        outside = torch.where(y < low, y - low, torch.where(y > high, y - high, torch.zeros_like(y)))
        inside = (y - torch.where(both, middle, 0.0)) / torch.where(both, half, 1.0)
        return torch.where(both, inside, outside)


@dataclass(frozen=True, eq=False)
class Beliefs:
    """Processes of all properties and of the failures, given the evaluated designs."""

    at: Coordinates
    processes: Sequence[Process]
    logs: Sequence[bool]
    """Whether each process models the logarithm of the property."""
    works: Process | None
    """Process of 1 where Ω gave a result, 0 where it failed; None if it never failed."""
    ends: Tensor
    """(2, m) ends of the accepted intervals, in the units of the processes."""
    doubt: float = 1.0
    """Factor on all standard deviations: size of earlier prediction errors in standard deviations."""
    starts: Starts = field(default_factory=dict)

    @classmethod
    def given(
        cls,
        at: Coordinates,
        x: Tensor,
        y: Tensor,
        accepted: Accepted,
        doubt: float = 1.0,
        old: Starts | None = None,
    ) -> Beliefs:
        """Fit to designs x (n, d) with y (n, m), NaN where Ω failed; ``old`` are the ``starts`` of the last fit.

        Raises:
            ValueError: Ω gave fewer than two results.
        """
        fine = y.isfinite().all(1)
        keep = _nearest(accepted.off(y[fine]))
        points, values = at.inward(x[fine][keep]), y[fine][keep]
        old, starts = old or {}, {}
        processes, logs, ends = [], [], accepted.ends.clone()

        def fitted(name: str, points: Tensor, values: Tensor) -> Process:
            near, had = old.get(name, (None, 0))
            afresh = near is None or len(points) > GROWN * had
            process = fit(points, values, at.copies, at.group, None if afresh else near)
            starts[name] = process.theta, len(points) if afresh else had
            return process

        for j, column in enumerate(values.T):
            process = fitted(f"{j}", points, column)
            log = False
            if bool((column > 0).all()) and float(accepted.ends[1, j]) > 0 and len(column) > 4:
                other = fitted(f"log {j}", points, column.log())
                log = other.density - float(column.log().sum()) > process.density + LOG_GAIN
                process = other if log else process
            if log:
                ends[:, j] = accepted.ends[:, j].clamp(min=0).log()
            processes.append(process)
            logs.append(log)
        works = None
        if not bool(fine.all()):
            worked = torch.where(fine, WORKED, FAILED).double()
            near = _nearest(torch.where(fine, 1.0, 0.0))
            if len(near) > 1:
                works = fitted("works", at.inward(x[near]), worked[near])
        return cls(at, processes, logs, works, ends, doubt, starts)

    def residual(self, x: Tensor) -> Tensor:
        """Residuals for localization: means minus the middle of the intervals. (n, d) → (n, m)."""
        points = self.at.inward(x)
        return Accepted._residual(torch.stack([one.mean_of(points) for one in self.processes], dim=1), self.ends)

    def predict(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation in the units of the processes. (n, d) → (n, m), (n, m)."""
        points = self.at.inward(x)
        with torch.no_grad():
            mean = torch.stack([one.mean_of(points) for one in self.processes], dim=1)
            spread = torch.stack([one.spread_of(points) for one in self.processes], dim=1)
        return mean, spread * self.doubt

    def raw(self, mean: Tensor) -> Tensor:
        """Means in units of the properties; for a logarithm, the median. (n, m) → (n, m)."""
        return torch.stack([c.exp() if log else c for c, log in zip(mean.T, self.logs, strict=True)], dim=1)

    def read(self, y: Tensor) -> Tensor:
        """Properties in the units of the processes. (n, m) → (n, m)."""
        return as_modelled(y, self.logs)

    def chance(self, x: Tensor) -> Tensor:
        """Probability that Ω succeeds and the design is a hit. (n, d) → (n,)."""
        mean, spread = self.predict(x)
        below = [torch.special.ndtr((end - mean) / spread) for end in self.ends]
        return (below[1] - below[0]).clamp(min=0).prod(1) * self.chance_of_answer(x)

    def chance_of_answer(self, x: Tensor) -> Tensor:
        """Probability that Ω does not fail. (n, d) → (n,)."""
        if self.works is None:
            return torch.ones(len(x), dtype=torch.float64)
        points = self.at.inward(x)
        with torch.no_grad():
            mean, spread = self.works.mean_of(points), self.works.spread_of(points)
        return torch.special.ndtr((mean - 0.5) / spread)


def as_modelled(y: Tensor, logs: Sequence[bool]) -> Tensor:
    """Properties in the units of processes, some of which model the logarithm. (n, m) → (n, m)."""
    return torch.stack([c.log() if log else c for c, log in zip(y.T, logs, strict=True)], dim=1)


def _nearest(off: Tensor) -> Tensor:
    """Rows to fit a process on: all if few, else those nearest to a hit and an even sample of the rest."""
    order = off.argsort()
    if len(off) <= MOST_ROWS:
        return torch.arange(len(off))
    near, rest = order[: MOST_ROWS * 3 // 4], order[MOST_ROWS * 3 // 4 :]
    return torch.cat((near, rest[:: math.ceil(len(rest) / (MOST_ROWS // 4))]))
