"""Details of one sample: f and Ω at every step, how typical it is, and the nearest training pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st
import torch

from app.figures.coordinates import MOST
from app.figures.run import Run
from app.state.runs import loaded, training
from ipage_core.tasks import TASKS

NEAREST = 5
BLOCK = 4096
"""Number of training designs compared at a time: with a thousand coordinates all of them would fill the memory."""
REFERENCE = 400
"""Number of training designs whose densities measure how typical a sample is."""


@dataclass(frozen=True)
class Inspection:
    """Details of one sample of a run."""

    f: np.ndarray | None
    """(T, m) the surrogate's f(x) at every frame; None for methods without a surrogate."""
    usual: float | None
    """Share of training designs where the prior density is lower than here; None if it cannot be estimated."""
    near_x: np.ndarray
    """(k, d) the nearest training designs, and ``near_y`` (k, m)."""
    near_y: np.ndarray
    near_distance: np.ndarray
    """(k,) Euclidean distance, each coordinate in widths of the box."""


def inspect(run: Run, sample: int) -> Inspection:
    """The details of one sample."""
    task, x = TASKS[run.task], run.x[-1, sample].astype(float)
    surrogate, f = loaded(run.task, run.method).surrogate, None
    if surrogate is not None:
        with torch.no_grad():
            f = surrogate(torch.from_numpy(run.x[:, sample])).double().numpy()[:, : task.n_targets]
    low, high = task.bounds.numpy()
    train_x, train_y = training(run.task)
    blocks = (train_x[k : k + BLOCK] for k in range(0, len(train_x), BLOCK))
    distance = np.concatenate([np.linalg.norm((block - x) / (high - low), axis=1) for block in blocks])
    near = np.argpartition(distance, NEAREST)[:NEAREST]
    near = near[distance[near].argsort()]
    usual = None
    if task.d <= MOST:
        usual = float((prior_reference(run.task) <= _log_density(run.task, x[None])[0]).mean())
    return Inspection(f, usual, train_x[near], train_y[near], distance[near])


def _log_density(task: str, x: np.ndarray) -> np.ndarray:
    """log p(x) (n,) up to a constant: Gaussian kernels on the training designs, with the width of Scott (1992)."""
    train_x = training(task)[0]
    n, d = train_x.shape
    width = train_x.std(0) * n ** (-1 / (d + 4))
    scaled, points = train_x / width, x / width
    squared = np.square(points).sum(1)[:, None] + np.square(scaled).sum(1) - 2 * points @ scaled.T
    return np.log(np.exp(-0.5 * squared.clip(0)).mean(1) + 1e-300)


@st.cache_resource(max_entries=8, show_spinner=False)
def prior_reference(task: str) -> np.ndarray:
    return _log_density(task, training(task)[0][:REFERENCE])
