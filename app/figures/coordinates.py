"""The coordinates of the drawing: the designs' own or, if these are many, the prior's principal components."""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from app.figures.run import Run
from app.figures.theme import Dict
from ipage_core.problem.task import Task
from ipage_core.tasks import TASKS

MOST = 8
"""Designs with more coordinates are drawn in principal components."""
COMPONENTS = 4
MOST_LEVELS = 12
"""Levels of a category that fit along an axis."""


@dataclass(frozen=True)
class Coordinates:
    """A linear map of designs (…, d) to q coordinates that can be drawn."""

    labels: tuple[str, ...]
    """Axis titles."""
    low: np.ndarray
    """(q,) lower end of the range to draw; ``high`` is the upper end."""
    high: np.ndarray
    own: bool
    """Whether they are the design's own coordinates."""
    mean: np.ndarray
    axes: np.ndarray
    """(d, q)"""
    levels: tuple[tuple[str, ...], ...] = ()
    """The levels of each coordinate that is a category, () of any other; empty for principal components."""

    def ticks(self, j: int) -> Dict:
        """Ticks of an axis at the levels of a category, by name; nothing for numbers."""
        names = self.levels[j] if j < len(self.levels) else ()
        if not names or len(names) > MOST_LEVELS:
            return {}
        return {"tickvals": list(range(len(names))), "ticktext": [html.escape(name) for name in names]}

    def ends(self, j: int) -> tuple[str, str]:
        """The lowest and the highest value of a coordinate: numbers, or levels of a category."""
        if j < len(self.levels) and self.levels[j]:
            return html.escape(self.levels[j][0]), html.escape(self.levels[j][-1])
        low, high = (f"{float(end[j]):.3g}".replace("-", "−") for end in (self.low, self.high))
        return low, high

    def of(self, x: np.ndarray) -> np.ndarray:
        """(…, d) → (…, q)."""
        return x if self.own else (x - self.mean) @ self.axes


def coordinates(run: Run) -> Coordinates:
    """The task's own coordinates up to ``MOST`` of them, else principal components of the run's prior draws."""
    task = TASKS[run.task]
    low, high = task.bounds.numpy()
    if task.d <= MOST:
        return Coordinates(task.x_labels, low, high, True, np.zeros(task.d), np.eye(task.d), _levels(task))
    mean, axes = _principal(run.prior.tobytes(), run.prior.shape, run.prior.dtype.str)
    scores = np.concatenate(((run.prior - mean) @ axes, (run.x[0] - mean) @ axes, (run.x[-1] - mean) @ axes))
    labels = tuple(f"principal component {k + 1}" for k in range(axes.shape[1]))
    return Coordinates(labels, scores.min(0), scores.max(0), False, mean, axes)


@lru_cache(maxsize=4)
def _principal(values: bytes, shape: tuple[int, ...], kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean (d,) and first principal axes (d, q) of draws; kept, because all runs of a task have the same draws."""
    prior = np.frombuffer(values, kind).reshape(shape)
    mean = prior.mean(0)
    axes = np.linalg.svd(prior - mean, full_matrices=False)[2][:COMPONENTS].T
    mean.setflags(write=False)
    axes.setflags(write=False)
    return mean, axes


def _levels(task: Task) -> tuple[tuple[str, ...], ...]:
    return tuple(variable.levels for variable in task.variables)


def plane(points: np.ndarray, pair: tuple[int, int] = (0, 1)) -> np.ndarray:
    """Two of (…, q) coordinates; a single one gets zeros beside it. → (…, 2)."""
    return points[..., list(pair)] if points.shape[-1] > 1 else np.concatenate((points, np.zeros_like(points)), axis=-1)
