"""Designs and everything that is known about them: the result of the chain, its table and its summary."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import Tensor

from ipage_core.inference.latent_design import Sampling
from ipage_core.inference.verification import Verification
from ipage_core.problem.task import Task

if TYPE_CHECKING:
    from ipage_core.inference.coverage import Coverage
    from ipage_core.inference.methods import Loaded
    from ipage_core.problem.space import DesignSpace


@dataclass(frozen=True, eq=False)
class Path:
    """How the samples moved: T frames, the first the posterior, the last the result."""

    labels: tuple[str, ...]
    """T names: 'posterior', 'step 1', …, 'correction 1', …"""
    x: Tensor
    """(T, n, d) designs."""
    surrogate_error: Tensor
    """(T, n) ‖f(x) − y*‖² by the surrogate; Ω has no part in it."""


@dataclass(frozen=True, eq=False)
class Solutions:
    """n designs for their targets. Row i is sample i everywhere, and ``i`` is its stable id."""

    task: Task
    method: str
    sampling: Sampling
    seed: int
    y_star: Tensor
    """(n, m) what was asked for."""
    z: Tensor
    """(n, k) latent points; for a replaced sample, the fresh one's."""
    posterior: Tensor
    """(n, d) designs as proposed."""
    localized: Tensor | None
    """(n, d) after localization, correction and projection; None for methods without localization."""
    surrogate_posterior: Tensor | None
    """(n, m) the surrogate's f(x) at ``posterior``."""
    surrogate: Tensor | None
    """(n, m) the surrogate's f(x) at ``localized``."""
    verification: Verification
    """Ω at the final designs, where it ran."""
    replaced: Tensor
    """(n,) bool: a fresh posterior sample took the place of one that stalled."""
    success_before_replacement: int
    """How many samples localization brought to the target (by the surrogate) before any was replaced."""
    cycle_error: Tensor
    """(n,) max |z − f_z(x)| over the latent coordinates at ``posterior``; NaN without an invertible network."""
    path: Path | None
    omega_calls: int
    """Evaluations of Ω: corrections and the final verification."""
    seconds: dict[str, float]
    note: str
    """A sentence for the user where the target could not be reached, else empty."""
    filled: dict[str, Any] | None = None
    """What filling the gaps did: ε, how many designs it added, coverage before and after; None: not asked for."""

    @property
    def final(self) -> Tensor:
        """(n, d) the answer: localized designs, or the posterior samples of a method without localization."""
        return self.posterior if self.localized is None else self.localized

    @property
    def modes(self) -> Tensor | None:
        """(n,) int: the family of solutions each design belongs to (−1: none, out of bounds, or refuted by Ω)."""
        if self.task.modes is None:
            return None
        refuted = self.verification.resim_error.isfinite() & ~self.verification.hit
        accepted = self.task.in_bounds(self.final) & ~refuted
        return torch.where(accepted, self.task.modes(self.final, self.y_star), -1)

    def coverage(
        self,
        within: float = 0.05,
        *,
        method: Loaded | None = None,
        space: DesignSpace | None = None,
        seconds: float = 20.0,
        progress: Callable[[int, float], None] | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> Coverage:
        """How much of the solution set these designs cover: proved where Ω can be followed, else estimated.

        Args:
            within: ε, in box widths: a solution is covered if a design is so near.
            method: whose posterior and surrogate the estimates use; this result's own if None.
            space: the constraints that the designs obey; none if None.
            seconds, progress, cancel: of the proof; see :func:`ipage_core.inference.paving.prove_radius`.

        Raises:
            ValueError: designs for several targets, or none that meets the target.
        """
        from ipage_core.inference.methods import load
        from ipage_core.inference.target_set import coverage_of

        if not (self.y_star == self.y_star[0]).all():
            raise ValueError("These designs are for several targets: a coverage is of one")
        refuted = self.verification.resim_error.isfinite() & ~self.verification.hit
        return coverage_of(
            self.task,
            method or load(self.task, self.method),
            self.final[~refuted],
            self.y_star[0],
            within,
            space=space,
            seed=self.seed,
            seconds=seconds,
            progress=progress,
            cancel=cancel,
        )

    def frame(self) -> pd.DataFrame:
        """One row per sample and stage, with the columns of ``solutions.csv``; cells are NaN where unknown."""
        nowhere = Verification.nowhere(self.task, len(self.final))
        stages = [("posterior", self.posterior, self.surrogate_posterior, nowhere, torch.zeros_like(self.replaced))]
        if self.localized is None:
            stages = [("posterior", self.posterior, None, self.verification, self.replaced)]
        else:
            stages.append(("localized", self.localized, self.surrogate, self.verification, self.replaced))
        m = self.task.n_targets
        blocks = []
        for stage, x, surrogate, verification, replaced in stages:
            columns: dict[str, Any] = {"sample": range(len(x)), "stage": stage}
            columns |= _numbered("target", self.y_star)
            columns |= _numbered("x", x)
            columns |= _numbered(
                "surrogate", torch.full_like(self.y_star, math.nan) if surrogate is None else surrogate
            )
            columns |= _numbered("y", verification.y[:, :m])
            columns["resim_error"] = verification.resim_error.numpy()
            columns["in_bounds"] = self.task.in_bounds(x).numpy()
            columns["replaced"] = replaced.numpy()
            for j, label in enumerate(self.task.property_labels[m:]):
                columns[label] = verification.y[:, m + j].numpy()
            blocks.append(pd.DataFrame(columns))
        return pd.concat(blocks, ignore_index=True)

    def summary(self) -> dict[str, Any]:
        """The JSON object of the command line: counts, errors by Ω (null where it did not run), seconds."""
        errors = self.verification.resim_error[self.verification.resim_error.isfinite()]
        figures: dict[str, Any] = {
            "n": len(self.final),
            "resim_mse": errors.mean().item() if len(errors) else None,
            "resim_median": errors.median().item() if len(errors) else None,
            "verified": self.verification.calls,
            "hits": int(self.verification.hit.sum()),
            "in_bounds": int(self.task.in_bounds(self.final).sum()),
            "replaced": int(self.replaced.sum()),
            "success_before_replacement": self.success_before_replacement,
            "omega_calls": self.omega_calls,
            "seconds": {name: round(value, 4) for name, value in self.seconds.items()},
        }
        if self.modes is not None and (self.modes >= 0).any() and (self.y_star == self.y_star[0]).all():
            figures["modes_found"] = len(set(self.modes.tolist()) - {-1})
            figures["modes_total"] = self.task.n_modes
        if self.verification.calls > len(errors):  # said, not averaged away
            figures["omega_failed"] = self.verification.calls - len(errors)
        if self.filled is not None:
            figures["filled"] = self.filled
        if self.note:
            figures["note"] = self.note
        return figures


def _numbered(name: str, values: Tensor) -> dict[str, Any]:
    return {f"{name}{j + 1}": column for j, column in enumerate(values.double().numpy().T)}
