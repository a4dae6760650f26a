"""Minimizes and maximizes properties: aims move outward along the Pareto front as far as the surrogate can follow."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor

if TYPE_CHECKING:
    from ipage_core.problem.target import Target
    from ipage_core.problem.task import Task

ROUNDS, FIRST, BACK = 14, 0.2, 6
"""Rounds outward, the first step in standard deviations of the data's y, steps back at most, each twice as long."""
APART, ATTEMPTS = 0.01, 4
"""Box widths within which two designs are one, and how often another is searched in the place of the second."""
NEAREST, SHARE = 400, 0.05
"""If few pairs meet the other goals, the front is that of the nearest ones: so many, or this share if fewer."""


def front(y: Tensor) -> Tensor:
    """The points that no other point dominates, if all coordinates are minimized. (k, p) → (k,) bool.

    >>> front(torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])).tolist()
    [True, True, False]
    """
    undominated = torch.ones(len(y), dtype=torch.bool)
    for i in y.sum(1).argsort().tolist():
        if undominated[i]:
            worse = (y >= y[i]).all(1) & (y > y[i]).any(1)
            undominated &= ~worse
    return undominated


def optimal_aims(task: Task, target: Target, n: int, seed: int, reached: Callable[[Tensor], Tensor]) -> Tensor:
    """Aims (n, m) for a target that minimizes or maximizes, each as far out as the surrogate can follow.

    They start along the front of the pairs that meet the other goals, or come nearest to them. An aim that is not
    reached steps back until it is. In each round every aim moves outward by its own step. If localization reaches the
    new aim, it stays there; if not, the step is halved. ``reached``: aims (n, m) → (n,) bool, whether localization
    reaches them.
    """
    first = starts(task, target, n, seed)[1]
    outward = signs(target) * _measured(task)[1].std(0)
    step = torch.full((n, 1), FIRST, dtype=torch.float64)
    aims, there = first.clone(), reached(first)
    for _ in range(BACK):
        if there.all():
            break
        aims = torch.where(there[:, None], aims, aims - step * outward)
        there = there | reached(aims)
        step = torch.where(there[:, None], step, 2 * step)
    aims = torch.where(there[:, None], aims, first)
    for _ in range(ROUNDS):
        tried = aims + step * outward
        better = reached(tried)
        aims[better] = tried[better]
        step = torch.where(better[:, None], step, 0.5 * step)
    return aims


def starts(task: Task, target: Target, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """n pairs on the front of the data, spread along it: designs (n, d) and aims (n, m)."""
    sign = signs(target)
    x, y = _measured(task)
    low, high = target.accepted
    off = (torch.maximum(low - y, y - high).clamp(min=0) / target.tolerances(task)).norm(dim=1)
    few = min(NEAREST, math.ceil(SHARE * len(y)))
    near = off.argsort(stable=True)[: max(few, int(target.within(task, y).sum()))]
    x, y = x[near], y[near].clamp(low, high)
    best = front(-(sign * y)[:, sign != 0]).nonzero()[:, 0]
    best = best[y[best][:, sign != 0][:, 0].argsort()]
    if len(best) >= n:  # take equal steps along the front
        best = best[torch.linspace(0, len(best) - 1, n).round().long()]
    else:
        best = best[torch.randint(len(best), (n,), generator=Generator().manual_seed(seed))]
    return x[best], y[best]


def _measured(task: Task) -> tuple[Tensor, Tensor]:
    """The task's pairs x (k, d), y (k, m) without those in which Ω failed."""
    x, y = (values.double() for values in task.pairs())
    fine = y[:, : task.n_targets].isfinite().all(1)
    return x[fine], y[fine, : task.n_targets]


def repeated(task: Task, x: Tensor) -> Tensor:
    """Which designs (n, d) lie within ``APART`` of an earlier one that does not. → (n,) bool."""
    low, high = task.bounds
    unit = (x.cpu().double() - low) / (high - low)
    near, again = torch.cdist(unit, unit) <= APART, torch.zeros(len(x), dtype=torch.bool)
    for k in range(len(x)):
        again[k] = (near[k, :k] & ~again[:k]).any()
    return again


def signs(target: Target) -> Tensor:
    """(m,) −1 for a goal to minimize, 1 for one to maximize, 0 for any other."""
    return torch.tensor([{"minimize": -1.0, "maximize": 1.0}.get(goal.kind, 0.0) for goal in target.goals]).double()
