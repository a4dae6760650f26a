"""The least or the greatest of a property: aims that move outward along the Pareto front for as long as f follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor

if TYPE_CHECKING:
    from ipage_core.problem.target import Target
    from ipage_core.problem.task import Task

ROUNDS, FIRST = 14, 0.2
"""How often the aims are moved, and how far at first, in standard deviations of the data's y."""
REACHED = 0.5
"""An aim counts as reached if f comes within so many tolerances of it."""
NEAREST = 400
"""Pairs nearest to the other goals, of which the front is taken where no pair meets them."""


def front(y: Tensor) -> Tensor:
    """Which points no other one dominates, all coordinates being minimized. (k, p) → (k,) bool.

    >>> front(torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])).tolist()
    [True, True, False]
    """
    kept = torch.ones(len(y), dtype=torch.bool)
    for i in y.sum(1).argsort().tolist():
        if kept[i]:
            worse = (y >= y[i]).all(1) & (y > y[i]).any(1)
            kept &= ~worse
    return kept


def optimal_aims(task: Task, target: Target, n: int, seed: int, reached: Callable[[Tensor], Tensor]) -> Tensor:
    """Aims (n, m) for a target that minimizes or maximizes: each as far out as the surrogate can still follow.

    They start at the front of the data (among pairs that meet the other goals, or come nearest to them) and are spread
    along it. In each round every aim moves outward by a step of its own; where localization arrives it stays there,
    elsewhere the step is halved. ``reached``: aims (n, m) → (n,) bool, whether localization arrives there.
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
    """n points of the data's front."""
    y = task.pairs()[1][:, : task.n_targets].double()
    low, high = target.accepted
    off = torch.maximum(torch.maximum(low - y, y - high), torch.zeros_like(y)) / target.tolerances(task)
    off = off.nan_to_num(nan=0.0).norm(dim=1)
    near = off.argsort(stable=True)[: max(NEAREST, int((off == 0).sum()))]
    y = y[near].clamp(low, high)
    best = y[front(-(sign * y)[:, sign != 0])]
    order = best[:, sign != 0][:, 0].argsort()
    if len(best) >= n:  # evenly along the front
        return best[order[torch.linspace(0, len(best) - 1, n).round().long()]].clone()
    return best[torch.randint(len(best), (n,), generator=Generator().manual_seed(seed))].clone()
