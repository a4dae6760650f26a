"""Checks of a target before any run, from the training data: their range, their gaps, and the nearest y known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st
from scipy.spatial import cKDTree

from app.state.runs import training
from ipage_core.problem.target import Target
from ipage_core.problem.task import Task

SPARSE = 0.999
"""A target is in a gap if its nearest training y is farther than this quantile of the training y's own neighbours."""
FAR = 1e6
"""Distance from the data, in units of their range, that counts as the farthest: differences to it are still exact."""


@dataclass(frozen=True)
class Data:
    """The training data's y for the slider, its histogram and the warnings."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    """Round ends of the slider."""
    step: tuple[float, ...]
    counts: np.ndarray
    """(m, bins) between ``low`` and ``high``."""
    extent: np.ndarray
    """(2, m) smallest and largest y."""
    tree: cKDTree
    """The training y, each coordinate in units of its range."""
    gap: float
    """Distance in those units beyond which a target counts as between the data."""


@st.cache_resource(max_entries=16, show_spinner=False)
def data(task: str) -> Data:
    """The range, histogram and neighbours of the training data's y."""
    y = training(task)[1]
    extent = np.stack((y.min(0), y.max(0)))
    steps = [_nice(float(span) / 400) for span in extent[1] - extent[0]]
    digits = [max(0, -int(np.floor(np.log10(s)))) for s in steps]
    low = [round(float(np.floor(v / s) * s), k) for v, s, k in zip(extent[0], steps, digits, strict=True)]
    high = [round(float(np.ceil(v / s) * s), k) for v, s, k in zip(extent[1], steps, digits, strict=True)]
    counts = [np.histogram(c, bins=60, range=r)[0] for c, *r in zip(y.T, low, high, strict=True)]
    scaled = y / (extent[1] - extent[0])
    tree = cKDTree(scaled)
    nearest = tree.query(scaled, k=2)[0][:, 1]
    return Data(tuple(low), tuple(high), tuple(steps), np.stack(counts), extent, tree, np.quantile(nearest, SPARSE))


@dataclass(frozen=True)
class Doubt:
    """A warning: the training data do not contain the target."""

    where: str
    """'beyond' the data or 'between' them."""
    nearest: np.ndarray
    """(m,) the nearest y among the data, so one that can be achieved; rounded by half a tolerance at most."""

    extent: np.ndarray
    """(2, m) smallest and largest training y."""
    pairs: int
    """Number of training pairs behind this judgement."""

    @property
    def text(self) -> str:
        """'y = 1.99' or 'y = (1.9, 0.2)', without the y."""
        numbers = ", ".join(f"{v:g}" for v in self.nearest)
        return f"({numbers})" if len(self.nearest) > 1 else numbers


def doubt(task: Task, target: Target) -> Doubt | None:
    """The warning before the run of a target.

    None if training y are accepted or surround the target, or if one of them is within the tolerances of it.
    """
    values, tolerances, y = data(task.name), target.tolerances(task).numpy(), training(task.name)[1]
    low, high = target.accepted.numpy()
    span = values.extent[1] - values.extent[0]
    low, high = np.clip((low, high), values.extent[0] - FAR * span, values.extent[1] + FAR * span)
    if (low == high).all():
        distance, index = values.tree.query(low / span)
        nearest = y[index]
        if (np.abs(y - low) <= tolerances).all(1).any() or distance <= values.gap:
            return None
    else:
        excess = np.maximum(np.maximum(low - y, y - high), 0)
        index = np.linalg.norm(excess / span, axis=1).argmin()
        nearest = y[index]
        if (excess <= tolerances).all(1).any():
            return None
    outside = ((high < values.extent[0]) | (low > values.extent[1])).any()
    digits = [max(0, -int(np.floor(np.log10(tolerance)))) for tolerance in tolerances]
    rounded = np.array([round(float(v), k) for v, k in zip(nearest, digits, strict=True)])
    return Doubt("beyond" if outside else "between", rounded, values.extent, len(y))


def _nice(step: float) -> float:
    """The nearest of 1, 2, 5 × 10ᵏ."""
    exponent = np.floor(np.log10(step))
    choices = [c * 10.0 ** (exponent + k) for k in (0, 1) for c in (1, 2, 5)]
    return float(f"{min(choices, key=lambda c: abs(np.log(c / step))):.6g}")
