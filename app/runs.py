"""What pages ask of the core, cached and as plain arrays: data sets, models, design runs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch

from app.tables import table
from ipage_core.datasets import pairs
from ipage_core.design import design
from ipage_core.methods import METHODS, load
from ipage_core.solutions import Solutions
from ipage_core.store import PRETRAINED
from ipage_core.tasks import TASKS

# Small networks gain nothing from many threads, and a thread too many on a busy machine costs tenfold.
torch.set_num_threads(max(1, min(4, (os.cpu_count() or 2) // 2)))

PRIOR_SHOWN = 600
"""Draws from the prior that figures show as background."""


@dataclass(frozen=True)
class Data:
    """The training data's y, as the slider and its histogram need it."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    step: tuple[float, ...]
    counts: np.ndarray
    """(m, bins) between ``low`` and ``high``."""


@dataclass(frozen=True)
class Run:
    """One design run in T frames of n samples, the first the posterior, the last the result."""

    task: str
    method: str
    y_star: np.ndarray
    """(m,)"""
    tolerance: float
    labels: tuple[str, ...]
    x: np.ndarray
    """(T, n, d) designs."""
    f_error: np.ndarray | None
    """(T, n) surrogate error ‖f(x) − y*‖²; None for methods without a surrogate."""
    y: np.ndarray | None
    """(T, n, m) by Ω, for the picture only (not among ``omega_calls``); None where Ω is costly."""
    modes: np.ndarray | None
    """(T, n) family of solutions of each sample that is within tolerance by Ω, −1 for none."""
    n_modes: int
    """How many families this target has; 0 where they are not told apart."""
    prior: np.ndarray
    """(k, d) draws from the prior, and ``prior_y`` (k, m) what Ω says of them."""
    prior_y: np.ndarray
    replaced: np.ndarray
    """(n,) bool."""
    summary: dict[str, Any]
    note: str
    table: pd.DataFrame
    """One row per sample, for reading."""
    csv: str
    """One row per sample and stage, for other programs."""

    @property
    def localizes(self) -> bool:
        """Whether the samples moved at all."""
        return len(self.labels) > 1

    @property
    def omega_error(self) -> np.ndarray | None:
        """(T, n) re-simulation error ‖Ω(x) − y*‖²."""
        return None if self.y is None else np.square(self.y - self.y_star).sum(-1)

    @property
    def arrived(self) -> np.ndarray | None:
        """(T, n) bool: within tolerance by Ω."""
        return None if self.y is None else self.omega_error <= self.tolerance**2


@st.cache_data(max_entries=16, show_spinner=False)
def data(task: str) -> Data:
    """The range and histogram of the training data's y."""
    y = pairs(TASKS[task])[1].numpy()
    steps = [_nice(float(np.ptp(column)) / 400) for column in y.T]
    low = [float(np.floor(c.min() / s) * s) for c, s in zip(y.T, steps, strict=True)]
    high = [float(np.ceil(c.max() / s) * s) for c, s in zip(y.T, steps, strict=True)]
    counts = [np.histogram(c, bins=60, range=r)[0] for c, *r in zip(y.T, low, high, strict=True)]
    digits = [max(0, -int(np.floor(np.log10(s)))) for s in steps]
    rounded = [[round(v, k) for v, k in zip(values, digits, strict=True)] for values in (low, high)]
    return Data(tuple(rounded[0]), tuple(rounded[1]), tuple(steps), np.stack(counts))


def stamp(task: str, method: str) -> int:
    """Changes when one of the method's models is trained anew, so that old results are not shown for it."""
    files = [PRETRAINED / task / f"{name}.json" for name in METHODS[method].models]
    return max((file.stat().st_mtime_ns for file in files if file.exists()), default=0)


@st.cache_data(max_entries=48, show_spinner=False)
def run(
    task: str,
    method: str,
    y_star: tuple[float, ...],
    n: int,
    sampling: str,
    seed: int,
    omega_evals: int,
    stamp: int = 0,
) -> Run:
    """Design, and all that the page shows of it. Networks are loaded once (the core remembers them).

    Raises:
        ValueError: a setting is not acceptable or a model is missing; the message is a sentence for the user.
    """
    found = design(
        TASKS[task],
        load(task, method),
        torch.tensor(y_star, dtype=torch.float64),
        n,
        sampling=sampling,
        seed=seed,
        omega_evals=omega_evals,
    )
    return record(found)


def record(found: Solutions) -> Run:
    """Solutions as plain arrays, with Ω's word on every frame where Ω is cheap."""
    task = found.task
    m = task.n_targets
    if found.path is None:
        labels, frames, f_error = (start_name(found.method),), found.posterior[None], None
    else:
        labels, f_error = (
            (start_name(found.method), *found.path.labels[1:]),
            found.path.surrogate_error.double().numpy(),
        )
        frames = torch.cat((found.path.x[:-1], found.final[None]))
    shape = frames.shape[:2]
    flat = frames.reshape(-1, task.d)
    y = modes = None
    if task.verifies_by_default:
        y = task.omega(flat.double())[:, :m].reshape(*shape, m).numpy()
        y_star = found.y_star[0].numpy()
        if task.modes is not None:
            modes = task.modes(flat, found.y_star[:1].expand(len(flat), m)).reshape(shape).numpy()
            close = np.square(y - y_star).sum(-1) <= task.tolerance**2
            modes = np.where(close & task.in_bounds(flat).reshape(shape).numpy(), modes, -1)
    prior = task.sample_prior(PRIOR_SHOWN, torch.Generator().manual_seed(0))
    told_apart = task.modes is not None and (task.modes(prior, found.y_star[:1].expand(len(prior), m)) >= 0).any()
    return Run(
        task=task.name,
        method=found.method,
        y_star=found.y_star[0].numpy(),
        tolerance=task.tolerance,
        labels=labels,
        x=frames.numpy().astype(np.float32),
        f_error=f_error,
        y=y,
        modes=modes,
        n_modes=task.n_modes if told_apart else 0,
        prior=prior.numpy().astype(np.float32),
        prior_y=task.omega(prior)[:, :m].numpy() if task.omega else np.full((len(prior), m), np.nan),
        replaced=found.replaced.numpy(),
        summary=found.summary(),
        note=found.note,
        table=table(found, start_name(found.method), None if y is None else y[0]),
        csv=found.frame().to_csv(index=False),
    )


def start_name(method: str) -> str:
    """What the samples are before localization: of the posterior, or of the prior for the control that has none."""
    return "posterior" if METHODS[method].proposal else "prior"


def _nice(step: float) -> float:
    """The nearest of 1, 2, 5 × 10ᵏ."""
    exponent = np.floor(np.log10(step))
    choices = [c * 10.0 ** (exponent + k) for k in (0, 1) for c in (1, 2, 5)]
    return float(f"{min(choices, key=lambda c: abs(np.log(c / step))):.6g}")
