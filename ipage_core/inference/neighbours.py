"""Distances between designs in widths of the box, and which designs lie beside a failure of Ω."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from ipage_core.problem.task import Task


def in_widths(task: Task, x: Tensor) -> Tensor:
    """(n, d) → (n, more): coordinates in widths of the box; levels of a category as points at mutual distance one."""
    low, high = task.bounds
    unit, levels = (x.detach().cpu().double() - low) / (high - low), task.categories
    if not bool(levels.any()):
        return unit
    places = [
        torch.nn.functional.one_hot(x[:, j].cpu().round().long(), int(high[j]) + 1) / 2**0.5
        for j in levels.nonzero()[:, 0].tolist()
    ]
    return torch.cat((unit[:, ~levels], *places), dim=1)


def beside_failure(task: Task, x: Tensor) -> Tensor:
    """Whether Ω failed on the nearest of all evaluated designs. (n, d) → (n,) bool; False if the task keeps none."""
    nowhere = torch.zeros(len(x), dtype=torch.bool)
    if task.evaluated is None:
        return nowhere
    known, y = task.evaluated()
    failed = ~y.isfinite().all(1)
    if not bool(failed.any()):
        return nowhere
    fine = x.detach().cpu().isfinite().all(1)
    _, nearest = cKDTree(in_widths(task, known).numpy()).query(in_widths(task, x[fine]).numpy())
    nowhere[fine] = failed[torch.from_numpy(np.atleast_1d(nearest))]
    return nowhere
