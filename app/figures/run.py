"""One design run as plain arrays: the common input of pages, views and figures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

CLEANED = "clean-up"
"""The frame after the last step, where a task makes designs admissible."""


@dataclass(frozen=True)
class Run:
    """One design run in T frames of n samples; the first frame is the posterior, the last the result."""

    task: str
    method: str
    sampling: str
    seed: int
    accepted: np.ndarray
    """(2, m) the smallest and the largest accepted y: the target twice, or the ends of an interval, ±∞ where open."""
    aims: np.ndarray
    """(n, m) the y that each sample aims at."""
    tolerances: np.ndarray
    """(m,) tolerance of each property: the largest deviation of a hit."""
    labels: tuple[str, ...]
    z: np.ndarray
    """(n, k) latent points; for a replaced sample, that of the new sample."""
    x: np.ndarray
    """(T, n, d) designs."""
    f_error: np.ndarray | None
    """(T, n) surrogate error ‖f(x) − y*‖²; None for methods without a surrogate."""
    y: np.ndarray | None
    """(T, n, m) by Ω, only for the picture (not counted in ``omega_calls``); None where Ω is costly."""
    families: np.ndarray | None
    """(T, n) the family of solutions nearest to each sample, −1 for none; None if unknown."""
    n_modes: int
    """Number of families of solutions of this target; 0 if unknown."""
    prior: np.ndarray
    """(k, d) draws from the prior; ``prior_y`` (k, m) holds their Ω."""
    prior_y: np.ndarray
    replaced: np.ndarray
    """(n,) bool."""
    cycle_error: np.ndarray
    """(n,) max |z − f_z(x)| over the latent coordinates at the posterior; NaN without an INN."""
    achieved: np.ndarray
    """(n, m + p) properties of the result by Ω; NaN where it did not run."""
    summary: dict[str, Any]
    """The summary that the command line prints; its hits use the task's own tolerance."""
    note: str
    frame: pd.DataFrame
    """``solutions.csv``: one row per sample and stage."""
    kinds: tuple[str, ...] = ()
    """Kind of goal for each property: 'exactly', 'at least', …; empty: as ``accepted`` implies."""

    @property
    def n(self) -> int:
        """Number of samples."""
        return self.x.shape[1]

    @property
    def tolerance(self) -> float:
        """The first property's tolerance."""
        return float(self.tolerances[0])

    @property
    def exact(self) -> np.ndarray:
        """(m,) bool: whether the goal of each property is one number."""
        return self.accepted[0] == self.accepted[1]

    @property
    def y_star(self) -> np.ndarray:
        """(m,) the target; for an interval, the middle of the samples' aims."""
        return self.accepted[0] if self.exact.all() else self.aims.mean(0)

    @property
    def ends(self) -> list[np.ndarray]:
        """The target (m,), or the finite ends of the accepted range: where figures draw a border."""
        if self.exact.all():
            return [self.accepted[0]]
        return [end for end in self.accepted if np.isfinite(end).all()]

    def within(self, y: np.ndarray) -> np.ndarray:
        """(…, m) properties by Ω → (…,) bool: accepted, up to the tolerance if the goal is a number."""
        excess, exact = self.excess(y), self.exact
        beside = excess[..., ~exact] <= 1e-9 * (1 + np.abs(y[..., ~exact]))
        return (excess[..., exact] <= self.tolerances[exact]).all(-1) & beside.all(-1)

    def excess(self, y: np.ndarray) -> np.ndarray:
        """(…, m) → (…, m) distance of y from the accepted range."""
        return np.maximum(np.maximum(self.accepted[0] - y, y - self.accepted[1]), 0)

    @property
    def final(self) -> pd.DataFrame:
        """The rows of ``frame`` that hold the result, in the order of the ids."""
        return self.frame[self.frame["stage"] == self.frame["stage"].iloc[-1]].reset_index(drop=True)

    @property
    def localizes(self) -> bool:
        """Whether the samples moved."""
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
        """Number of families with a design in the result."""
        return 0 if self.modes is None else len(set(self.modes[-1].tolist()) - {-1})

    @property
    def off_by(self) -> np.ndarray:
        """(n,) distance of the result's Ω(x) from the accepted range; NaN where Ω did not run."""
        return np.linalg.norm(self.excess(self.achieved[:, : self.aims.shape[1]]), axis=1)

    @property
    def hit(self) -> np.ndarray:
        """(n,) bool: verified and within tolerance."""
        return self.within(self.achieved[:, : self.aims.shape[1]])

    @property
    def verified(self) -> np.ndarray:
        """(n,) bool: Ω ran on the design and returned a number."""
        return np.isfinite(self.off_by)

    def judged(self, tolerances: np.ndarray) -> Run:
        """The same designs, judged with other tolerances (m,)."""
        return replace(self, tolerances=tolerances)

    def at_rest(self) -> Run:
        """The result alone, without the path to it."""
        last = {
            name: None if getattr(self, name) is None else getattr(self, name)[-1:]
            for name in ("x", "f_error", "y", "families")
        }
        return replace(self, labels=("localized" if self.localizes else self.labels[0],), **last)


@dataclass(frozen=True)
class Outcome:
    """Summary of one run of a sweep."""

    found: float
    """Number of families; if these are unknown, the median distance between neighbouring designs."""
    errors: tuple[float, ...]
    """5 %, 50 % and 95 % quantiles of the squared error: by Ω where it ran, else by the surrogate."""
