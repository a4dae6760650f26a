"""Minimizes and maximizes properties: aims move outward along the Pareto front as far as the surrogate can follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor

if TYPE_CHECKING:
    from ipage_core.problem.target import Target
    from ipage_core.problem.task import Task

ROUNDS, FIRST = 14, 0.2
"""Number of rounds, and the first step in standard deviations of the data's y."""
REACHED = 0.5
"""An aim is reached if f comes within this many tolerances of it."""
NEAREST = 400
"""If no pair meets the other goals, the front is that of this many pairs nearest to them."""


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

    They start along the front of the pairs that meet the other goals, or come nearest to them. In each round every aim
    moves outward by its own step. If localization reaches the new aim, it stays there; if not, the step is halved.
    ``reached``: aims (n, m) → (n,) bool, whether localization reaches them.
    """
    goals = target.goals
    sign = torch.tensor([{"minimize": -1.0, "maximize": 1.0}.get(goal.kind, 0.0) for goal in goals]).double()
    aims = _starts(task, target, n, seed, sign)
    outward = sign * task.pairs()[1].std(0)
    step = torch.full((len(aims), 1), FIRST, dtype=torch.float64)
    for _ in range(ROUNDS):
        tried = aims + step * outward
        there = reached(tried)
        aims[there] = tried[there]
        step = torch.where(there[:, None], step, 0.5 * step)
    return aims


def _starts(task: Task, target: Target, n: int, seed: int, sign: Tensor) -> Tensor:
    """n starting points on the front of the data."""
    y = task.pairs()[1][:, : task.n_targets].double()
    low, high = target.accepted
    off = torch.maximum(torch.maximum(low - y, y - high), torch.zeros_like(y)) / target.tolerances(task)
    off = off.nan_to_num(nan=0.0).norm(dim=1)
    near = off.argsort(stable=True)[: max(NEAREST, int((off == 0).sum()))]
    y = y[near].clamp(low, high)
    best = y[front(-(sign * y)[:, sign != 0])]
    order = best[:, sign != 0][:, 0].argsort()
    if len(best) >= n:  # take equal steps along the front
        return best[order[torch.linspace(0, len(best) - 1, n).round().long()]].clone()
    return best[torch.randint(len(best), (n,), generator=Generator().manual_seed(seed))].clone()
