"""Campaigns over hundreds of coordinates, such as pixels: trained networks propose designs, and Ω's results rate them.

A Gaussian process of so many coordinates would need more rows than a budget allows. The surrogate predicts instead,
and the errors that it has made so far give the chance of a hit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ipage_core.inference.methods import load
from ipage_core.problem.request import DesignRequest
from ipage_core.problem.target import Target
from ipage_core.problem.task import Task

MANY = 64
"""More coordinates than this: networks propose the designs."""
POOL = 32
"""Designs that are proposed at a time."""
TRUSTED = 4.0
"""Weight, in evaluations, of the first guess that an error is as large as the half width of the accepted interval."""


@dataclass
class Proposals:
    """Designs that networks propose for a target, and their predictions."""

    task: Task
    target: Target
    constraints: Sequence[str]
    half: Tensor
    """(m,) half widths of the accepted intervals; infinite for a bound."""
    seed: int
    drawn_at: int | None = field(default=None, init=False)
    """How many designs were known when the pool was proposed; of a campaign that goes on, the number of before."""
    _pool: Tensor | None = field(default=None, init=False)
    _predicted: Tensor | None = field(default=None, init=False)

    def pool(self, known: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """At least ``count`` designs that are not among ``known`` (n, d), and their predictions. → (k, d), (k, m).

        Raises:
            ValueError: no trained networks, or the constraints exclude the target.
        """
        if self._pool is None and self.drawn_at is not None:
            self._propose(self.drawn_at)
        x, predicted = self._left(known)
        if len(x) < count:
            self._propose(len(known))
            x, predicted = self._left(known)
        return x, predicted

    def spread(self, errors: Tensor) -> Tensor:
        """Standard deviation of the next error, from earlier errors (n, m). → (m,)."""
        first = torch.where(self.half.isfinite(), self.half, errors.abs().mean(0) if len(errors) else 1.0)
        return ((errors.square().sum(0) + TRUSTED * first.square()) / (len(errors) + TRUSTED)).sqrt()

    def _left(self, known: Tensor) -> tuple[Tensor, Tensor]:
        if self._pool is None or self._predicted is None:
            empty = known[:0]
            return empty, empty[:, : self.task.n_targets]
        there = {tuple(row) for row in known.tolist()}
        left = torch.tensor([tuple(row) not in there for row in self._pool.tolist()], dtype=torch.bool)
        return self._pool[left], self._predicted[left]

    def _propose(self, done: int) -> None:
        request = DesignRequest(
            self.task,
            self.target,
            self.task.default_method,
            n=POOL,
            seed=(self.seed * 1_000_003 + done) % 2**32,
            constraints=tuple(self.constraints),
            verify="none",
        )
        solutions = request.run(load(self.task, self.task.default_method))
        x = solutions.final.double()
        predicted = torch.full((len(x), self.task.n_targets), math.nan, dtype=torch.float64)
        if solutions.surrogate is not None:
            predicted = solutions.surrogate.double()
        fine = x.isfinite().all(1) & predicted.isfinite().all(1)
        self._pool, self._predicted, self.drawn_at = x[fine], predicted[fine], done
