"""Several properties at once by descent on the operator itself; its adjoint gives all gradients at no extra solve.

A field u in the unit box is blurred and then sharpened, ρ = sharpen(blur(u)). Gauss–Newton steps of least norm bring
the properties of ρ to their goals while the step at 1/2 becomes steeper, until ρ is nearly black and white. A clean
cell (one piece, no hinges, features as requested) is then near, and pixel flips finish the rest (``flips``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ipage_core.tasks.cells.features import has_features, repaired
from ipage_core.tasks.cells.goals import Goals
from ipage_core.tasks.cells.mesh import Operator, on_pixels
from ipage_core.tasks.cells.properties import values_and_gradients
from ipage_core.tasks.cells.topology import admissible, has_hinges, is_admissible

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

SHARPNESS = (4.0, 8.0, 16.0, 32.0)
"""β of the stages: small at first so that edges can move far, large at the end so that ρ is nearly black and white."""
STEPS = 12
"""Maximum number of Gauss–Newton steps in a stage."""
STEP = 0.15
"""Largest change of u in a step."""
NEAR = 0.3
"""Residual, in tolerances, at which a stage ends."""
FAR = 25.0
"""Residuals larger than this many tolerances are reduced in steps of that size."""
DAMPING = 1e-3
"""Damping of the normal equations, relative to their mean diagonal."""


@dataclass(frozen=True, eq=False)
class CellSpace:
    """Search space of cells: resolution, symmetry, masks and the smallest feature."""

    side: int = 32
    """Pixels along each axis."""
    feature: int = 1
    """Minimum thickness of walls and gaps, in pixels."""
    orbits: NDArray[np.intp] | None = None
    """(side²,) orbit of each pixel under the symmetry, numbered by its lowest pixel index."""
    solid: Mask | None = None
    """(side, side): kept solid."""
    void: Mask | None = None
    """(side, side): kept void."""
    radius: float = math.nan
    """Radius of the density filter, in pixels; if NaN, one that walls and gaps of the smallest feature survive."""

    def __post_init__(self) -> None:
        if self.side not in (32, 48, 64):
            raise ValueError(f"expected 32, 48 or 64 pixels a side, got {self.side}")
        if not 1 <= self.feature <= self.side // 4:
            raise ValueError(f"expected a smallest feature of 1 to {self.side // 4} pixels, got {self.feature}")
        if math.isnan(self.radius):
            object.__setattr__(self, "radius", 1.8 if self.feature == 1 else 1.6 * self.feature)

    @property
    def frozen(self) -> Mask | None:
        """(side, side): pixels that must not change."""
        if self.solid is None or self.void is None:
            return self.solid if self.void is None else self.void
        return self.solid | self.void

    def symmetric(self, u: Array) -> Array:
        """Averaged over the orbits. (*, side, side) → the same."""
        if self.orbits is None:
            return u
        size = np.bincount(self.orbits, minlength=self.side**2)
        rows = u.reshape(-1, self.side**2)
        total = np.stack([np.bincount(self.orbits, row, self.side**2) for row in rows])
        return (total / np.maximum(size, 1))[:, self.orbits].reshape(u.shape)

    def density(self, u: Array, beta: float) -> Array:
        """u (side, side) → ρ (side, side); the step keeps 0 and 1 (Wang et al. 2011, doi:10.1007/s00158-010-0602-y)."""
        rho = 0.5 * (1 + np.tanh(beta * (self._blur(u) - 0.5)) / np.tanh(beta / 2))
        return self._masked(rho.clip(0, 1), 1.0)

    def pull_back(self, gradients: Array, u: Array, beta: float) -> Array:
        """Gradients with respect to ρ → with respect to u: (k, side, side) → (k, side²)."""
        slope = 0.5 * beta / np.cosh(beta * (self._blur(u) - 0.5)) ** 2 / np.tanh(beta / 2)
        through = self.symmetric(self._blur(gradients * self._masked(slope, 0.0)))
        return through.reshape(len(gradients), -1)

    def clean(self, density: Array) -> Mask | None:
        """A nearby admissible cell with the requested features; None if both cannot be met."""
        orbits = None if self.orbits is None else self.orbits.reshape(self.side, self.side)
        for level in (0.5, 0.35, 0.65, 0.2, 0.8) if self.feature > 1 else (0.5,):
            cell = admissible((density + 0.5 - level).clip(0, 1), orbits, self.frozen)
            for _ in range(3):
                if self.allows(cell) and is_admissible(cell):
                    return cell
                cell = repaired(cell, self.feature)
                if self.allows(cell) and is_admissible(cell):
                    return cell
                cell = admissible(cell.astype(np.float64), orbits, self.frozen)
        return cell if self.allows(cell) and is_admissible(cell) else None

    def allows(self, cell: Mask) -> bool:
        """Whether a cell has no hinge, no thin feature, and its masks; one flip can break these. (side, side)."""
        if self.feature > 1 and not has_features(cell, self.feature):
            return False
        if (self.solid is not None and not cell[self.solid].all()) or (self.void is not None and cell[self.void].any()):
            return False
        return not bool(has_hinges(cell))

    def flipped(self, cell: Mask, pixels: NDArray[np.intp]) -> Mask:
        """The cell with these pixels flipped, or with their orbits. (side, side), (m,) → (side, side)."""
        after = cell.copy()
        if self.orbits is None:
            after.flat[pixels] ^= True
        else:
            after[np.isin(self.orbits, pixels).reshape(cell.shape)] ^= True
        return after

    def _blur(self, field: Array) -> Array:
        return np.fft.irfft2(np.fft.rfft2(field) * _cone(self.side, self.radius), s=(self.side, self.side))

    def _masked(self, rho: Array, one: float) -> Array:
        if self.solid is not None:
            rho = np.where(self.solid, one, rho)
        return rho if self.void is None else np.where(self.void, 0.0, rho)


@lru_cache(maxsize=8)
def _cone(side: int, radius: float) -> NDArray[np.complex128]:
    """Spectrum of the weights max(0, radius − distance) (Bourdin 2001, doi:10.1002/nme.116)."""
    at = np.minimum(np.arange(side), side - np.arange(side))
    weights = np.maximum(0, radius - np.hypot(at[:, None], at))
    return np.fft.rfft2(weights / weights.sum())


def descend(
    u: ArrayLike,
    goals: Goals,
    space: CellSpace,
    operator: Operator = on_pixels,
    sharpness: tuple[float, ...] = SHARPNESS,
    way: list[Array] | None = None,
) -> tuple[Array, Array, int]:
    """Gauss–Newton on the operator, stage by stage.

    Each step is δu = Aᵀ (A Aᵀ + λ I)⁻¹ r over the free pixels, with r the residuals in tolerances and
    A their Jacobian: the smallest of all steps that close the gap to first order.

    Args:
        u: (side, side) in [0, 1].
        goals: the properties and their targets.
        space: the search space.
        operator: density → C, ∂C/∂ρ.
        sharpness: β of the stages.
        way: list that receives ρ at the end of each stage.

    Returns:
        u (side, side), ρ (side, side) at the last β, and the number of operator evaluations.
    """
    u = space.symmetric(np.asarray(u, dtype=np.float64))
    calls = 0
    for beta in sharpness:
        rho = space.density(u, beta)
        for _ in range(STEPS):
            stiffness, gradient = operator(rho)
            calls += 1
            value, slopes = values_and_gradients(goals.names, stiffness, gradient, float(rho.mean()))
            residual = goals.residual(value)
            if np.abs(residual).max() < NEAR:
                break
            active = residual != 0  # a satisfied bound contributes no residual
            jacobian = space.pull_back(slopes[active], u, beta) / goals.tolerance[active, None]
            u = _stepped(u, jacobian, residual[active])
            rho = space.density(u, beta)
        if way is not None:
            way.append(rho)
    return u, rho, calls


def _stepped(u: Array, jacobian: Array, residual: Array) -> Array:
    """One damped least-norm step within the box; an active set holds the pixels that would leave it."""
    flat = u.ravel()
    free = np.ones(flat.size)
    wanted = residual * min(1.0, FAR / np.abs(residual).max())
    for _ in range(3):
        a = jacobian * free
        normal = a @ a.T
        if not np.trace(normal) > 0:  # no pixel can move: all are masked, or full where more is wanted
            return u
        damping = DAMPING * np.trace(normal) / len(normal) + np.finfo(np.float64).tiny
        delta = a.T @ np.linalg.solve(normal + damping * np.eye(len(normal)), wanted)
        outside = ((flat + delta > 1) & (flat >= 1)) | ((flat + delta < 0) & (flat <= 0))
        if not outside.any():
            break
        free[outside] = 0
    largest = np.abs(delta).max()
    if largest > STEP:
        delta *= STEP / largest
    return (flat + delta).clip(0, 1).reshape(u.shape)
