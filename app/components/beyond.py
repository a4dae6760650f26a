"""Targets that no design reaches: why, which designs come closest, and in how many places."""

from __future__ import annotations

import numpy as np
from scipy.sparse.csgraph import connected_components

from app.figures.run import Run
from app.state.targets import doubt
from ipage_core.problem.target import Target
from ipage_core.tasks import TASKS

APART = 0.05
"""In box widths: designs nearer than this to each other belong to one place."""


def unreached(run: Run) -> bool:
    """Whether the run gave its target up and Ω does not contradict this."""
    return bool(run.note) and not run.hit.any()


def by_constraints(run: Run, target: Target, constraints: tuple[str, ...]) -> bool:
    """Whether constraints put the target out of reach: without them, known designs achieve it."""
    return bool(constraints) and unreached(run) and doubt(TASKS[run.task], target) is None


def closest(run: Run) -> tuple[np.ndarray, str]:
    """The y closest to the target among the results (m,), and its source: 'Ω' or 'the surrogate'."""
    m, by = run.aims.shape[1], "Ω"
    achieved = run.achieved[:, :m]
    if not run.verified.any():
        achieved, by = run.final[[f"surrogate{j + 1}" for j in range(m)]].to_numpy(dtype=float), "the surrogate"
    miss = np.linalg.norm(run.excess(achieved) / run.tolerances, axis=1)
    best: np.ndarray = achieved[int(np.nanargmin(miss))]
    return best, by


def places(run: Run) -> list[int]:
    """Number of designs in each place that comes as close to the target as any, the fullest first.

    "As close" means within the tolerance of the closest design. A place is a set of designs that steps of
    ``APART`` connect: around a flat maximum, such a set is wider than one step.
    """
    m = run.aims.shape[1]
    achieved = run.achieved[:, :m]
    if not run.verified.any():
        achieved = run.final[[f"surrogate{j + 1}" for j in range(m)]].to_numpy(dtype=float)
    miss = np.linalg.norm(run.excess(achieved) / run.tolerances, axis=1)
    low, high = TASKS[run.task].bounds.numpy()
    left = ((run.x[-1] - low) / (high - low))[miss <= np.nanmin(miss) + 1]
    near = np.linalg.norm(left[:, None] - left, axis=2) <= APART
    return sorted(np.bincount(connected_components(near)[1]).tolist(), reverse=True)


def collapsed(run: Run) -> str:
    """A sentence if the designs gather in few places that come closest, else nothing."""
    counts = places(run)
    if len(counts) > run.n / 2:
        return ""
    if len(counts) == 1:
        return f" {counts[0]} of the {run.n} samples end in one place."
    return (
        f" {sum(counts)} of the {run.n} samples end in {len(counts)} places that come equally close, {counts[0]} "
        "of them in one. There may be more such places: ask for the closest that is achieved to find others."
    )
