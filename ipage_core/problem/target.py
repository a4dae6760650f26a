"""Targets as text: a number, or an interval such as ``0.4:0.6``, ``1.5:`` (at least) and ``:0.3`` (at most)."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from ipage_core.problem.task import Task

NEAREST = 200
"""Pairs nearest to the numbers asked for, among which an interval beside them looks for what is possible."""


def parse(task: Task, text: str) -> Tensor:
    """(2, m): the least and the greatest value accepted of each property; equal where one number is asked for.

    Raises:
        ValueError: not m numbers or intervals.
    """
    try:
        ends = [_interval(part) for part in text.split(",")]
    except ValueError:
        ends = []
    if len(ends) != task.n_targets or any(low > high for low, high in ends):
        wanted = ", ".join(task.property_labels[: task.n_targets])
        example = ",".join(f"{value:g}" for value in task.default_target)
        raise ValueError(
            f"--target '{text}': {task.name} takes {task.n_targets} number(s) or interval(s) LOW:HIGH "
            f"({wanted}), e.g. {example}"
        )
    return torch.tensor(ends, dtype=torch.float64).T


def aims(task: Task, accepted: Tensor, y: Tensor, n: int, seed: int) -> Tensor:
    """Points to aim at so that n designs spread over what is accepted as the data do. (2, m), (k, m) → (1 or n, m).

    One point if ``accepted`` (from :func:`parse`) is one. Else n values of ``y``, properties known to be possible, from
    inside the interval by ``task.tolerance``: a hit of its own aim then lies in the interval. Beside a number asked for
    exactly, values are taken from the pairs nearest to it. If no datum is inside, the one point nearest to the data.
    """
    low, high = accepted
    exact = low == high
    if exact.all():
        return low[None]
    slack = torch.minimum(torch.full_like(low, task.tolerance), 0.5 * (high - low)).nan_to_num(nan=0.0)
    low, high = low + slack, high - slack
    y = y[:, : task.n_targets]
    if exact.any():
        distance = ((y - low)[:, exact] / y.std(0)[exact]).norm(dim=1)
        y = torch.where(exact, low, y[distance.argsort()[:NEAREST]])
    inside = y[((y >= low) & (y <= high)).all(1)]
    if not len(inside):
        return y.clamp(low, high)[(y.clamp(low, high) - y).norm(dim=1).argmin()][None]
    generator = Generator().manual_seed(seed)
    order = torch.randperm(n, generator=generator)
    if (~exact).sum() == 1:  # evenly through their quantiles
        at = ((torch.arange(n) + 0.5) / n * len(inside)).long()
        return inside[inside[:, ~exact][:, 0].argsort()][at][order]
    return inside[torch.randint(len(inside), (n,), generator=generator)]


def _interval(text: str) -> tuple[float, float]:
    first, colon, last = text.partition(":")
    if not colon:
        value = float(first)
        if not math.isfinite(value):
            raise ValueError
        return value, value
    low = float(first) if first.strip() else -math.inf
    high = float(last) if last.strip() else math.inf
    if math.isnan(low) or math.isnan(high) or (math.isinf(low) and math.isinf(high)):
        raise ValueError
    return low, high
