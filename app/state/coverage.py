"""The coverage computed for Explore: how much of the solution set the designs of a run cover."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from app.figures.run import Run
from app.state import classroom
from app.state.runs import loaded
from app.state.turns import turn
from ipage_core.inference.coverage import Coverage
from ipage_core.inference.target_set import NoRule, coverage_of, pieces_of, spreadable, uncoverable
from ipage_core.problem import constraints
from ipage_core.problem.request import DesignRequest

SECONDS, SECONDS_IN_CLASS = 10.0, 3.0
"""Maximum time for a proof."""
CURVES = 3
"""Separate pieces are counted up to this number of coordinates."""


@dataclass(frozen=True)
class Covered:
    """The coverage of a run."""

    coverage: Coverage
    pieces: str
    """A sentence with the proved number of separate pieces of the solution set; or empty."""


def not_covered(request: DesignRequest, run: Run) -> str:
    """A sentence on why a run has no coverage; empty if it has one."""
    if not run.exact.all():
        return "A coverage belongs to one target: ask for exact values, not for intervals."
    space = constraints.parse(request.task, request.constraints)
    if why := uncoverable(request.task, loaded(run.task, run.method), space):
        return why
    if not _meeting(run)[0].any():
        return "No design meets the target: nothing is covered."
    return ""


def not_filled(request: DesignRequest, run: Run) -> str:
    """A sentence on why no designs can be added in the gaps; empty if they can."""
    space = constraints.parse(request.task, request.constraints)
    why = spreadable(request.task, loaded(run.task, run.method), space)
    return why.replace("Designs are as drawn:", "No designs can be added:")


def cover(request: DesignRequest, run: Run, progress: Callable[[int, float], None]) -> Covered:
    """Takes some seconds. ``progress`` receives the proof's state: boxes tested, radius proved.

    Raises:
        ValueError: there is no coverage; the message is a sentence for the user.
    """
    task, method = request.task, loaded(run.task, run.method)
    space = constraints.parse(task, request.constraints)
    y_star = torch.from_numpy(run.y_star.astype(float))
    meets, judge = _meeting(run)
    seconds = SECONDS_IN_CLASS if classroom.on() else SECONDS
    pieces = ""
    with turn("coverage"):
        covered = coverage_of(
            task,
            method,
            torch.from_numpy(run.x[-1].astype(np.float64)),
            y_star,
            space=space,
            meets=torch.from_numpy(meets),
            judge=judge,
            seed=run.seed,
            seconds=seconds,
            progress=progress,
        )
        if task.d <= CURVES:
            try:
                counted = pieces_of(task, space, y_star, seconds)
                pieces = counted.sentence() if counted.least else ""
            except NoRule:
                pass
    return Covered(covered, pieces)


def _meeting(run: Run) -> tuple[np.ndarray, str]:
    """Which of the result's designs meet the target, (n,) bool, by Ω where it ran, else by the surrogate."""
    if run.verified.any():
        return run.hit, "Ω"
    if run.f_error is not None:
        return np.sqrt(run.f_error[-1]) <= run.tolerances.min(), "the surrogate f"
    return np.ones(run.n, bool), "Ω"
