"""All solutions of the analytic tasks' default targets, in closed form, as the reference for coverage."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ipage_core.tasks import TASKS
from ipage_core.tasks.sinewave import LOOP_CENTRES, loop_of

Floats = NDArray[np.float64]
WITHIN = {"sinewave": 0.02, "robotic_arm": 0.06, "ballistics": 0.08}
"""Task with a closed form → ε of the share within ε, in box widths."""
TURNS = 0.9995
"""Weights are clipped at this quantile: where the set turns, the weight of a point has a pole."""


@dataclass(frozen=True, eq=False)
class Reference:
    """Exact solutions all over the box."""

    x: Floats
    """(n, d)."""
    area: Floats
    """(n,) share of the set's area that each point represents; their sum is 1."""
    width: Floats
    """(d,) widths of the box, the unit of all distances."""

    def distance(self, designs: Floats) -> Floats:
        """(n,) distance from each solution to the nearest of the designs (k, d), in box widths; infinite if k = 0."""
        if not len(designs):
            return np.full(len(self.x), np.inf)
        return np.asarray(cKDTree(designs / self.width).query(self.x / self.width)[0])


def closed_form(name: str, n: int, seed: int = 0) -> tuple[Floats, list[int]]:
    """Solutions (k, d) for the default target, uniform in the free coordinates, and the indices of the dependent ones.

    These are the draws within the box, of 3n (sine wave, ballistics) or 8n (robotic arm).
    """
    task, rng = TASKS[name], np.random.default_rng(seed)
    low, high = task.bounds.numpy()
    y = task.default_target
    if name == "sinewave":
        x1 = rng.uniform(-1, 1, 3 * n)
        c = y[0] - np.sin(3 * np.pi * x1)
        x1, c = x1[abs(c) <= 1], c[abs(c) <= 1]
        x2 = rng.choice([-1, 1], len(c)) * np.arccos(c) / (3 * np.pi) + 2 / 3 * rng.integers(-2, 3, len(c))
        x, dependent = np.stack([x1, x2], 1), [1]
    elif name == "robotic_arm":
        assert y == (1.5, 0.0)
        x2, x3 = rng.uniform(low[1:3], high[1:3], (8 * n, 2)).T
        a, b = x2, x3 - x2
        c = 1.5 - 0.5 * np.cos(a) - 0.5 * np.cos(b)
        x2, x3, a, b, c = (v[abs(c) <= 1] for v in (x2, x3, a, b, c))
        last = rng.choice([-1, 1], len(c)) * np.arccos(c) + 2 * np.pi * rng.integers(-1, 2, len(c))
        x = np.stack([-0.5 * np.sin(a) - 0.5 * np.sin(b) - np.sin(last), x2, x3, last + x2 + x3], 1)
        dependent = [0, 3]
    elif name == "ballistics":
        x = rng.uniform(low, high, (3 * n, 4))
        x[:, 0] = 0  # the landing point shifts with the starting point
        x[:, 0] = y[0] - task.omega(torch.from_numpy(x)).numpy()[:, 0]  # type: ignore[misc]
        dependent = [0]
    else:
        raise ValueError(f"{name} has no closed form here; accepted: {', '.join(WITHIN)}")
    return x[((low <= x) & (x <= high)).all(1)], dependent


@lru_cache(maxsize=4)
def reference(name: str, n: int = 30_000, seed: int = 0) -> Reference:
    """About n or more solutions, with the area element of a graph over the free coordinates, √det(J Jᵀ)/|det J_D|."""
    task = TASKS[name]
    x, dependent = closed_form(name, n, seed)
    width = (task.bounds[1] - task.bounds[0]).numpy()
    at = torch.from_numpy(x).requires_grad_(True)
    y = task.omega(at)  # type: ignore[misc]
    rows = [torch.autograd.grad(column.sum(), at, retain_graph=True)[0] for column in y.unbind(1)]
    slopes = torch.stack(rows, 1).numpy() * width
    area = np.sqrt(np.linalg.det(slopes @ slopes.transpose(0, 2, 1)))
    area = np.nan_to_num(area / np.abs(np.linalg.det(slopes[:, :, dependent])))
    area = np.minimum(area, np.quantile(area, TURNS))
    return Reference(x, area / area.sum(), width)


def loop_gaps(x: Floats) -> list[Floats]:
    """Gaps between neighbouring designs (n, 2) along each of the sine wave's nine loops; the designs lie on the loops.

    A loop without designs has one gap, its whole length.
    """
    angle, length = _loop()
    loop, gaps = loop_of(torch.from_numpy(x), torch.full((len(x), 1), 1.2)), []
    for k, centre in enumerate(LOOP_CENTRES):
        u = x[(loop == k).numpy()] - np.array(centre)
        at = np.sort(np.interp(np.arctan2(u[:, 1], u[:, 0]) % (2 * np.pi), angle, length))
        gaps.append(np.diff(np.concatenate([at, [at[0] + length[-1]]])) if len(at) else length[-1:])
    return gaps


@lru_cache(maxsize=1)
def _loop() -> tuple[Floats, Floats]:
    """Angle about the centre of a loop, and arc length up to that angle: cos 3πu + cos 3πv = 1.2 about a maximum."""
    angle = np.linspace(0, 2 * np.pi, 20_001)
    low, high = np.zeros_like(angle), np.full_like(angle, 0.33)
    for _ in range(60):
        r = (low + high) / 2
        inside = np.cos(3 * np.pi * r * np.cos(angle)) + np.cos(3 * np.pi * r * np.sin(angle)) > 1.2
        low, high = np.where(inside, r, low), np.where(inside, high, r)
    step = np.hypot(np.diff(low * np.cos(angle)), np.diff(low * np.sin(angle)))
    return angle, np.concatenate([[0], np.cumsum(step)])
