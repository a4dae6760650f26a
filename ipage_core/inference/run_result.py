"""What a design run leaves: designs, their errors, counts and times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ipage_core.inference.basis import basis
from ipage_core.inference.latent_design import Sampling
from ipage_core.inference.neighbours import beside_failure
from ipage_core.inference.verification import Verification
from ipage_core.problem.target import Target
from ipage_core.problem.task import Task


@dataclass(frozen=True, eq=False)
class Path:
    """The way of the samples from the posterior (first of T frames) to the result (last frame)."""

    labels: tuple[str, ...]
    """T names: 'posterior', 'step 1', …, 'correction 1', …"""
    x: Tensor
    """(T, n, d) designs."""
    surrogate_error: Tensor
    """(T, n) ‖f(x) − y*‖² by the surrogate f, not by Ω."""


@dataclass(frozen=True, eq=False)
class RunResult:
    """n designs for their targets. Row i is sample i in every field."""

    task: Task
    method: str
    sampling: Sampling
    seed: int
    y_star: Tensor
    """(n, m) targets."""
    z: Tensor
    """(n, k) latent points; for a replaced sample, those of the replacement."""
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
    """Number of samples that reached the target, by the surrogate, before any was replaced."""
    cycle_error: Tensor
    """(n,) max |z − f_z(x)| over the latent coordinates at ``posterior``; NaN without an invertible network."""
    path: Path | None
    omega_calls: int
    """Number of Ω evaluations in corrections and verification."""
    seconds: dict[str, float]
    note: str
    """A sentence for the user where the target could not be reached, else empty."""
    filled: dict[str, Any] | None = None
    """Result of filling the gaps: ε, number of added designs, coverage before and after; None without ``fill``."""
    not_spread: str = ""
    """A sentence on why the designs are as drawn although they were to be spread, else empty."""
    target: Target | None = None
    """The goals, of which ``y_star`` are the aims; None: each property is to be exactly its aim."""
    interval_posterior: Tensor | None = None
    """(2, n, m) low and high ends of intervals that hold 90 % of results of Ω at ``posterior``.

    None if they are not known, or if Ω has verified all designs."""
    interval: Tensor | None = None
    """(2, n, m) the same at ``localized``; NaN where errors of the surrogate are not known."""
    calibrated_on: str = ""
    """The rows that these intervals are calibrated on, in words; empty without them."""
    constraints: tuple[str, ...] = ()
    """Constraints of the request, as text."""

    def __len__(self) -> int:
        return len(self.final)

    @property
    def final(self) -> Tensor:
        """(n, d) the final designs: localized ones, or posterior samples if the method does not localize."""
        return self.posterior if self.localized is None else self.localized

    @property
    def basis(self) -> list[str]:
        """n texts: what each final design rests on."""
        failing = beside_failure(self.task, self.final)
        return basis(self.verification.y, self.surrogate is not None, self.interval, failing)

    def predicted_hits(self) -> Tensor:
        """(n,) bool: the surrogate says that the design meets its target; True if Ω has corrected the designs."""
        if self.surrogate is None or self.omega_calls > self.verification.calls:
            return torch.ones(len(self), dtype=torch.bool)
        tolerances = self.task.tolerances if self.target is None else self.target.tolerances(self.task)
        return ((self.surrogate.double() - self.y_star.double()).abs() <= tolerances).all(1)

    @property
    def modes(self) -> Tensor | None:
        """(n,) int: the family of solutions that each design belongs to; −1: none, out of bounds, or no hit by Ω."""
        if self.task.modes is None:
            return None
        refuted = self.verification.resim_error.isfinite() & ~self.verification.hit
        accepted = self.task.in_bounds(self.final) & ~refuted
        return torch.where(accepted, self.task.modes(self.final, self.y_star), -1)
