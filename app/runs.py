"""What pages ask of the core, cached and as plain arrays: training data, models, design runs."""

from __future__ import annotations

import hashlib
import os
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch

from app.settings import Settings
from app.turns import turn
from ipage_core import candidates, constraints, own_data, targets
from ipage_core.datasets import pairs
from ipage_core.design import design
from ipage_core.latent import SAMPLINGS
from ipage_core.methods import METHODS, Loaded, folder, load
from ipage_core.metrics import error_quantiles, nearest_distances
from ipage_core.solutions import Solutions
from ipage_core.tasks import TASKS
from ipage_core.tasks.base import identity

# Small networks gain nothing from many threads, and a thread too many on a busy machine costs tenfold.
torch.set_num_threads(max(1, min(4, (os.cpu_count() or 2) // 2)))

WATCHING = 1.0
"""Seconds of Ω that pictures may cost; beyond, it watches the first frame and the last alone."""
CLEANED = "clean-up"
"""The frame after the last step, where a task makes designs admissible."""
PRIOR_SHOWN = 600
"""Training designs that figures show as background: draws from the prior."""


@dataclass(frozen=True)
class Run:
    """One design run in T frames of n samples, the first the posterior, the last the result."""

    task: str
    method: str
    sampling: str
    seed: int
    accepted: np.ndarray
    """(2, m) the least and the greatest y accepted: the target twice, or the ends of an interval, ±∞ where open."""
    aims: np.ndarray
    """(n, m) the y that each sample aims at."""
    tolerance: float
    labels: tuple[str, ...]
    z: np.ndarray
    """(n, k) latent points; of a replaced sample, the fresh one's."""
    x: np.ndarray
    """(T, n, d) designs."""
    f_error: np.ndarray | None
    """(T, n) surrogate error ‖f(x) − y*‖²; None for methods without a surrogate."""
    y: np.ndarray | None
    """(T, n, m) by Ω, for the picture only (not among ``omega_calls``); None where Ω is costly."""
    families: np.ndarray | None
    """(T, n) family of solutions that each sample is nearest to, −1 for none; None where they are not told apart."""
    n_modes: int
    """How many families this target has; 0 where they are not told apart."""
    prior: np.ndarray
    """(k, d) draws from the prior, and ``prior_y`` (k, m) what Ω says of them."""
    prior_y: np.ndarray
    replaced: np.ndarray
    """(n,) bool."""
    cycle_error: np.ndarray
    """(n,) max |x − f⁻¹(f(x))| at the posterior, in widths of the box; NaN without an INN."""
    achieved: np.ndarray
    """(n, m + p) properties of the result by Ω; NaN where it did not run."""
    summary: dict[str, Any]
    """What the command line prints; its hits are those of the task's own tolerance."""
    note: str
    frame: pd.DataFrame
    """``solutions.csv``: one row per sample and stage."""

    @property
    def n(self) -> int:
        """How many samples."""
        return self.x.shape[1]

    @property
    def exact(self) -> np.ndarray:
        """(m,) bool: of which properties one number is asked for."""
        return self.accepted[0] == self.accepted[1]

    @property
    def y_star(self) -> np.ndarray:
        """(m,) the target; of an interval, the middle of what the samples aim at."""
        return self.accepted[0] if self.exact.all() else self.aims.mean(0)

    @property
    def ends(self) -> list[np.ndarray]:
        """The target (m,), or the finite ends of what is accepted: where figures draw a border."""
        if self.exact.all():
            return [self.accepted[0]]
        return [end for end in self.accepted if np.isfinite(end).all()]

    def within(self, y: np.ndarray) -> np.ndarray:
        """(…, m) properties by Ω → (…,) bool: accepted, up to the tolerance where a number is asked for."""
        excess, exact = self.excess(y), self.exact
        beside = excess[..., ~exact] <= 1e-9 * (1 + np.abs(y[..., ~exact]))
        return (np.linalg.norm(excess[..., exact], axis=-1) <= self.tolerance) & beside.all(-1)

    def excess(self, y: np.ndarray) -> np.ndarray:
        """(…, m) → (…, m) how far y is from what is accepted."""
        return np.maximum(np.maximum(self.accepted[0] - y, y - self.accepted[1]), 0)

    @property
    def final(self) -> pd.DataFrame:
        """The rows of ``frame`` that hold the result, in the order of the ids."""
        return self.frame[self.frame["stage"] == self.frame["stage"].iloc[-1]].reset_index(drop=True)

    @property
    def localizes(self) -> bool:
        """Whether the samples moved at all."""
        return len(self.labels) > 1

    @property
    def omega_error(self) -> np.ndarray | None:
        """(T, n) re-simulation error ‖Ω(x) − y*‖²; y* is what each sample aims at."""
        return None if self.y is None else np.square(self.y - self.aims).sum(-1)

    @property
    def arrived(self) -> np.ndarray | None:
        """(T, n) bool: within tolerance by Ω."""
        return None if self.y is None else self.within(self.y)

    @property
    def modes(self) -> np.ndarray | None:
        """(T, n) family of solutions of each sample that is within tolerance by Ω, −1 for none."""
        return None if self.families is None else np.where(self.arrived, self.families, -1)

    @property
    def modes_found(self) -> int:
        """How many families have a design of the result."""
        return 0 if self.modes is None else len(set(self.modes[-1].tolist()) - {-1})

    @property
    def off_by(self) -> np.ndarray:
        """(n,) distance of Ω(x) from what is accepted, of the result; NaN where Ω did not run."""
        return np.linalg.norm(self.excess(self.achieved[:, : self.aims.shape[1]]), axis=1)

    @property
    def hit(self) -> np.ndarray:
        """(n,) bool: verified, and within tolerance."""
        return self.within(self.achieved[:, : self.aims.shape[1]])

    @property
    def verified(self) -> np.ndarray:
        """(n,) bool: Ω ran on it, and gave a number."""
        return np.isfinite(self.off_by)

    def judged(self, tolerance: float) -> Run:
        """The same designs, judged by another tolerance."""
        return replace(self, tolerance=tolerance)

    def at_rest(self) -> Run:
        """The result alone, without the way there."""
        last = {
            name: None if getattr(self, name) is None else getattr(self, name)[-1:]
            for name in ("x", "f_error", "y", "families")
        }
        return replace(self, labels=("localized" if self.localizes else self.labels[0],), **last)


@st.cache_resource(max_entries=8, show_spinner=False)
def training(task: str) -> tuple[np.ndarray, np.ndarray]:
    """The training pairs x (N, d), y (N, m); shared by all, so read-only."""
    x, y = (values.numpy() for values in pairs(TASKS[task]))
    x.setflags(write=False)
    y.setflags(write=False)
    return x, y


def stamp(task: str, method: str) -> int:
    """Changes when one of the method's models is trained anew, so that old results are not shown for it."""
    where = folder(TASKS[task], method)
    files = [where / f"{name}.json" for name in METHODS[method].models]
    return max((file.stat().st_mtime_ns for file in files if file.exists()), default=0)


@st.cache_data(max_entries=64, show_spinner=False)
def run(
    task: str,
    method: str,
    target: str,
    n: int,
    sampling: str,
    seed: int,
    omega_evals: int,
    constrained: tuple[str, ...] = (),
    seed_design: tuple[float, ...] = (),
    finish: bool = False,
    stamp: int = 0,
) -> Run:
    """Design, and all that the page shows of it. Networks are loaded once (the core remembers them).

    Raises:
        ValueError: a setting is not acceptable or a model is missing; the message is a sentence for the user.
    """
    outside = omega_evals and not TASKS[task].verifies_by_default  # an Ω of seconds computes in other processes
    with nullcontext() if outside else turn():
        found = _design(task, method, target, n, sampling, seed, omega_evals, constrained, seed_design, finish)
        return record(found, targets.parse(TASKS[task], target).numpy())


def _design(
    task: str,
    method: str,
    target: str,
    n: int,
    sampling: str,
    seed: int,
    omega_evals: int,
    constrained: tuple[str, ...],
    seed_design: tuple[float, ...],
    finish: bool = False,
    record_every: int = 1,
) -> Solutions:
    """As the command line does it."""
    problem = TASKS[task]
    accepted = targets.parse(problem, target)
    exact = bool((accepted[0] == accepted[1]).all())
    y = accepted if exact else torch.from_numpy(training(task)[1].copy())
    y_star = targets.aims(problem, accepted, y, n, seed)
    return design(
        problem,
        load(task, method),
        y_star,
        n if len(y_star) == 1 else 1,  # the designs of an interval have an aim each
        sampling=sampling,
        seed=seed,
        omega_evals=omega_evals,
        finish=finish,
        parametrization=constraints.parse(problem, constrained),
        seed_design=torch.tensor(seed_design, dtype=torch.float64) if seed_design else None,
        record_every=record_every,
    )


def of(settings: Settings, sampling: str | None = None) -> Run:
    """The run that the settings ask for, or the same with another sampling.

    Raises:
        ValueError: see :func:`run`.
    """
    task = settings.task.name
    found = run(
        task,
        settings.method,
        settings.target,
        settings.n,
        sampling or settings.sampling,
        settings.seed,
        settings.omega_evals,
        settings.constraints,
        settings.seed_design,
        settings.finish,
        stamp(task, settings.method),
    )
    return found.judged(settings.tolerance)


def trio(settings: Settings) -> dict[str, Run]:
    """The same settings with each of the three samplings."""
    return {sampling: of(settings, sampling) for sampling in SAMPLINGS}


@dataclass(frozen=True)
class Outcome:
    """What one run of a sweep came to."""

    found: float
    """Families found; where they are not told apart, the median distance between neighbouring designs."""
    errors: tuple[float, ...]
    """5 %, 50 % and 95 % quantiles of the squared error: by Ω where it ran, else by the surrogate."""


@st.cache_data(max_entries=4096, show_spinner=False)
def outcome(
    task: str,
    method: str,
    target: str,
    n: int,
    sampling: str,
    seed: int,
    omega_evals: int,
    tolerance: float,
    constrained: tuple[str, ...] = (),
    seed_design: tuple[float, ...] = (),
    stamp: int = 0,
) -> Outcome:
    """The few numbers of a run that a sweep needs."""
    problem = TASKS[task]
    with turn():
        found = _design(
            task, method, target, n, sampling, seed, omega_evals, constrained, seed_design, record_every=1000
        )
    errors = found.verification.resim_error.numpy()
    if problem.modes is not None and (found.modes >= 0).any():
        close = torch.from_numpy(errors <= tolerance**2)
        families = problem.modes(found.final, found.y_star)[close & problem.in_bounds(found.final)]
        count = float(len(set(families.tolist()) - {-1}))
    else:
        low, high = problem.bounds
        count = float(np.median(nearest_distances(((found.final - low) / (high - low)).double().numpy())))
    if not np.isfinite(errors).any() and found.path is not None:
        errors = found.path.surrogate_error[-1].double().numpy()
    return Outcome(count, tuple(error_quantiles(errors, (0.05, 0.5, 0.95)).tolist()))


def loaded(task: str, method: str) -> Loaded:
    """The method's networks."""
    return load(task, method)


def weights_hash(task: str, method: str) -> str:
    """Eight hexadecimal digits that change with any of the method's weights; empty if it has none."""
    cards = load(task, method).cards
    if not cards:
        return ""
    hashes = "".join(f"{name}{card['sha256']}" for name, card in sorted(cards.items()))
    return hashlib.sha256(hashes.encode()).hexdigest()[:8]


def record(found: Solutions, accepted: np.ndarray | None = None) -> Run:
    """Solutions as plain arrays, with Ω's word on every frame where Ω is cheap.

    ``accepted`` (2, m) is what they were to achieve; the first sample's target if None.
    """
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
        if task.project is not identity and found.surrogate is not None:  # the last step is one by itself
            labels, frames = (*labels, CLEANED), torch.cat((found.path.x, found.final[None]))
            believed = (found.surrogate - found.y_star).square().sum(1, keepdim=True).T
            f_error = np.concatenate((f_error, believed.double().numpy()))
    shape = frames.shape[:2]
    flat = frames.reshape(-1, task.d)
    prior, prior_y = (values[:PRIOR_SHOWN] for values in training(task.name))
    y = families = None
    told_apart = False
    table = found.frame()
    if task.folder is not None:
        table = own_data.named(task, candidates.beside(task, load(task.name, found.method), table))
    if task.verifies_by_default:
        y = _watched(found, frames)
        if task.modes is not None:
            families = task.modes(flat, found.y_star.repeat(shape[0], 1))
            families = torch.where(task.in_bounds(flat), families, -1).reshape(shape).numpy()
            on_prior = task.modes(torch.from_numpy(prior.copy()), found.y_star[:1].expand(len(prior), m))
            told_apart = bool((on_prior >= 0).any())
    return Run(
        task=task.name,
        method=found.method,
        sampling=found.sampling,
        seed=found.seed,
        accepted=found.y_star[[0, 0]].numpy() if accepted is None else accepted,
        aims=found.y_star.numpy(),
        tolerance=task.tolerance,
        labels=labels,
        z=found.z.numpy(),
        x=frames.numpy().astype(np.float32),
        f_error=f_error,
        y=y,
        families=families,
        n_modes=task.n_modes if told_apart else 0,
        prior=prior.astype(np.float32),
        prior_y=prior_y,
        replaced=found.replaced.numpy(),
        cycle_error=found.cycle_error.double().numpy(),
        achieved=found.verification.y.numpy(),
        summary=found.summary(),
        note=found.note,
        frame=table,
    )


def _watched(found: Solutions, frames: torch.Tensor) -> np.ndarray:
    """What Ω says of the designs in ``frames`` (T, n, d) → (T, n, m); NaN between first and last where it is slow."""
    task, m = found.task, found.task.n_targets
    count = frames[..., 0].numel()
    if count * task.omega_seconds <= WATCHING or len(frames) == 1:
        return task.omega(frames.reshape(count, -1).double())[:, :m].reshape(*frames.shape[:2], m).numpy()
    y = np.full((*frames.shape[:2], m), np.nan)
    y[0] = task.omega(frames[0].double())[:, :m].numpy()
    y[-1] = found.verification.y[:, :m].numpy()
    return y


def start_name(method: str) -> str:
    """What the samples are before localization: of the posterior, or of the prior for the control that has none."""
    return "posterior" if METHODS[method].proposal else "prior"
