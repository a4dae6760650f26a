"""A control without a network: the stored rows whose properties are nearest to the target."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import torch
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from torch import Tensor

    from ipage_core.problem.task import Task


class Lookup:
    """Proposes designs from all pairs of the task, nearest in tolerances first, each once.

    Of the tasks by DFT these are more rows than the shipped networks learned.

    It has no latent space and is deterministic: only the length of z is used, as the number of designs.
    """

    latent_dim = 1

    def __init__(self, task: Task) -> None:
        self.task = task

    @cached_property
    def pairs(self) -> tuple[Tensor, Tensor]:
        """x (N, d), y (N, m), float64."""
        return self.task.pairs()

    @cached_property
    def tree(self) -> cKDTree:
        """Search tree of y in units of the tolerances."""
        return cKDTree((self.pairs[1] / self.task.tolerances).numpy())

    def stored(self, x: Tensor) -> Tensor:
        """The stored y (n, m) of looked-up rows x (n, d), for tasks whose Ω is too slow to run again."""
        rows, y = self.pairs
        return y[torch.cdist(x.cpu().double(), rows).argmin(1)]

    def sample(self, y_star: Tensor, z: Tensor) -> Tensor:
        """The nearest rows of each target. (n, m), (n, 1) → (n, d).

        Raises:
            ValueError: more designs are requested for a target than there are rows.
        """
        known, _ = self.pairs
        targets, of_row = y_star.unique(dim=0, return_inverse=True)
        x = torch.empty(len(y_star), self.task.d, dtype=z.dtype, device=z.device)
        for t, target in enumerate((targets.cpu().double() / self.task.tolerances).numpy()):
            rows = (of_row == t).nonzero()[:, 0]
            if len(rows) > len(known):
                raise ValueError(f"lookup has {len(known)} rows, fewer than the {len(rows)} requested designs")
            _, nearest = self.tree.query(target, k=range(1, len(rows) + 1))
            x[rows] = known[nearest].to(x)
        return x
