"""Effective elasticity of a periodic voxel array in three dimensions: analysis only, no design.

Every voxel is one trilinear hexahedron (8 nodes, 2 × 2 × 2 Gauss points), E_s = 1 and ν = 0.3 in the solid,
E_void = 1e-6. Conjugate gradients solve six load cases at once, preconditioned by the exact inverse of a uniform cell's
stiffness, which the fast Fourier transform diagonalizes (Schneider, Merkert and Kabel 2017,
doi:10.1002/nme.5336; Ladecký et al. 2023, doi:10.1016/j.amc.2023.127835).

Convention: an array is ``[iz, iy, ix]``; strains are (ε_xx, ε_yy, ε_zz, γ_yz, γ_xz, γ_xy), C is 6×6 in σ = C ε.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.fft import irfftn, rfftn

from ipage_core.tasks.cells.homogenization import E_VOID, POISSON

Array = NDArray[np.float64]

LARGEST = 32
"""Maximum number of voxels along an axis; a larger cell takes too long."""
TOLERANCE = 4e-3
"""Relative tolerance of the residual in the preconditioner's norm; the error of C is of the order of its square."""
ITERATIONS = 1000
SLAB = 8192
"""Voxels processed at a time: their 24 numbers each then fit into the processor's cache."""

_CORNERS = np.array([(z, y, x) for z in (0, 1) for y in (0, 1) for x in (0, 1)])
"""(8, 3) nodes of a voxel, (z, y, x)."""
_SHEARS = ((1, 2), (0, 2), (0, 1))
"""Axes (of x, y, z) of γ_yz, γ_xz and γ_xy."""


def isotropic(poisson: float = POISSON) -> Array:
    """C (6, 6) of the solid, E = 1."""
    shear = 1 / (2 * (1 + poisson))
    c = np.zeros((6, 6))
    c[:3, :3] = poisson / ((1 + poisson) * (1 - 2 * poisson))
    c[range(3), range(3)] += 2 * shear
    c[range(3, 6), range(3, 6)] = shear
    return c


@lru_cache(maxsize=4)
def _element(poisson: float) -> tuple[Array, Array]:
    """k₀ (24, 24) of a solid unit cube, and u₀ (6, 24), the nodal displacements of the unit strains about its middle.

    Degrees of freedom: component x, y, z of the eight nodes each, (3, 8) flattened.
    """
    corner = 2.0 * _CORNERS[:, ::-1] - 1  # as (x, y, z) in [−1, 1]
    k0 = np.zeros((24, 24))
    for point in corner / np.sqrt(3):
        slope = np.empty_like(corner.T)
        for axis in range(3):
            others = [a for a in range(3) if a != axis]
            slope[axis] = corner[:, axis] / 4 * np.prod([1 + corner[:, a] * point[a] for a in others], axis=0)
        b = np.zeros((6, 3, 8))
        for axis in range(3):
            b[axis, axis] = slope[axis]
        for row, (i, j) in enumerate(_SHEARS, start=3):
            b[row, i], b[row, j] = slope[j], slope[i]
        flat = b.reshape(6, 24)
        k0 += flat.T @ isotropic(poisson) @ flat / 8
    at = corner.T / 2
    u0 = np.zeros((6, 3, 8))
    for axis in range(3):
        u0[axis, axis] = at[axis]
    for row, (i, j) in enumerate(_SHEARS, start=3):
        u0[row, i], u0[row, j] = at[j] / 2, at[i] / 2
    return k0, u0.reshape(6, 24)


def _nodes(padded: Array, corner: NDArray[np.intp]) -> tuple[Any, ...]:
    """A view of a field, padded by one node, that gives every voxel the value at its ``corner``."""
    ends = padded.shape[-3:]
    return (..., *(slice(c, end - 1 + c) for c, end in zip(corner, ends, strict=True)))


class _Cell:
    """The stiffness of one array of moduli, applied voxel by voxel to fields (3, nz, ny, nx)."""

    def __init__(self, modulus: Array, k0: Array) -> None:
        self.modulus, self.k0 = modulus, k0
        shape = modulus.shape
        self.padded = np.empty((3, *(n + 1 for n in shape)))
        self.sum = np.empty_like(self.padded)
        self.nodal = np.empty((3, 8, *shape))
        self.layers = SLAB // modulus[0].size

    def gathered(self, u: Array) -> Array:
        """Nodal displacements of every voxel. (3, nz, ny, nx) → (24, voxels)."""
        p = self._padded(u)
        for k, corner in enumerate(_CORNERS):
            self.nodal[:, k] = p[_nodes(p, corner)]
        return self.nodal.reshape(24, -1)

    def scattered(self, force: Array) -> Array:
        """Nodal forces of all voxels, summed at the nodes. (24, voxels) → (3, nz, ny, nx)."""
        self.sum.fill(0.0)
        self._add(self.sum, force.reshape(self.nodal.shape))
        return self._folded()

    def _padded(self, u: Array) -> Array:
        p = self.padded
        p[:, :-1, :-1, :-1] = u
        p[:, -1], p[:, :, -1], p[..., -1] = p[:, 0], p[:, :, 0], p[..., 0]
        return p

    def _add(self, s: Array, force: Array) -> None:
        for k, corner in enumerate(_CORNERS):
            s[_nodes(s, corner)] += force[:, k]

    def _folded(self) -> Array:
        """Add the sums at the far ends to the periodic images of their nodes at the near ends."""
        s = self.sum
        s[..., 0] += s[..., -1]
        s[:, :, 0] += s[:, :, -1]
        s[:, 0] += s[:, -1]
        return s[:, :-1, :-1, :-1].copy()

    def __call__(self, u: Array) -> Array:
        p, s = self._padded(u), self.sum
        s.fill(0.0)
        for first in range(0, len(self.modulus), self.layers):
            modulus = self.modulus[first : first + self.layers]
            part = slice(first, first + len(modulus) + 1)
            nodal = np.stack([p[:, part][_nodes(p[:, part], corner)] for corner in _CORNERS], axis=1)
            force = self.k0 @ nodal.reshape(24, -1)
            force *= modulus.ravel()
            self._add(s[:, part], force.reshape(nodal.shape))
        return self._folded()


@lru_cache(maxsize=4)
def _inverse(shape: tuple[int, int, int], poisson: float) -> NDArray[np.complex128]:
    """Inverse stiffness of a uniform cell per frequency. → (3, 3, nz, ny, nx // 2 + 1)."""
    uniform = _Cell(np.ones(shape), _element(poisson)[0])
    symbol = np.empty((3, 3, shape[0], shape[1], shape[2] // 2 + 1), dtype=np.complex128)
    for axis in range(3):
        pulse = np.zeros((3, *shape))
        pulse[axis, 0, 0, 0] = 1
        symbol[:, axis] = rfftn(uniform(pulse), axes=(1, 2, 3))
    blocks = np.moveaxis(symbol, (0, 1), (-2, -1)).copy()
    blocks[0, 0, 0] = np.eye(3)  # a translation has no stiffness; forces have no mean, so any block serves
    return np.ascontiguousarray(np.moveaxis(np.linalg.inv(blocks), (-2, -1), (0, 1)))


def homogenize_voxels(
    density: ArrayLike, *, poisson: float = POISSON, e_void: float = E_VOID, tolerance: float = TOLERANCE
) -> Array:
    """Effective stiffness of a voxel array. density (nz, ny, nx) in [0, 1] → C (6, 6) in units of E_s.

    The energy bounds C from above and converges twice as fast as the displacements do.

    Raises:
        ValueError: not three-dimensional, larger than 32 along an axis, or not in [0, 1].
        ArithmeticError: conjugate gradients did not converge.
    """
    rho = np.asarray(density, dtype=np.float64)
    if rho.ndim != 3 or 0 in rho.shape or max(rho.shape) > LARGEST:
        raise ValueError(f"expected voxels of shape (nz, ny, nx) up to {LARGEST} along each axis, got {rho.shape}")
    if not ((rho >= 0) & (rho <= 1)).all():
        raise ValueError(f"expected densities in [0, 1], got [{rho.min():g}, {rho.max():g}]")
    k0, u0 = _element(poisson)
    cell = _Cell(e_void + (1 - e_void) * rho, k0)
    inverse = _inverse(rho.shape, poisson)
    total = np.empty((6, 24, rho.size))
    for load in range(6):
        right = cell.scattered((k0 @ u0[load])[:, None] * cell.modulus.ravel())
        chi = _conjugate_gradients(cell, inverse, right, tolerance)
        total[load] = u0[load][:, None] - cell.gathered(chi)
    energy = [k0 @ t * cell.modulus.ravel() for t in total]
    c = np.array([[np.vdot(e, t) for t in total] for e in energy]) / rho.size
    return (c + c.T) / 2


def _conjugate_gradients(cell: _Cell, inverse: NDArray[np.complex128], right: Array, tolerance: float) -> Array:
    def preconditioned(r: Array) -> Array:
        spectrum = rfftn(r, axes=(1, 2, 3))
        solved = inverse[:, 0] * spectrum[0]
        solved += inverse[:, 1] * spectrum[1]
        solved += inverse[:, 2] * spectrum[2]
        return irfftn(solved, s=right.shape[1:], axes=(1, 2, 3), overwrite_x=True)

    x, r = np.zeros_like(right), right
    z = preconditioned(r)
    p, rz = z, float(np.vdot(r, z))
    stop = tolerance**2 * rz
    for _ in range(ITERATIONS):
        if rz <= max(stop, 1e-28):
            return x
        ap = cell(p)
        step = rz / float(np.vdot(p, ap))
        x += step * p
        r = r - step * ap
        z = preconditioned(r)
        before, rz = rz, float(np.vdot(r, z))
        p = z + (rz / before) * p
    raise ArithmeticError(f"conjugate gradients did not converge in {ITERATIONS} iterations")


def directional_moduli(stiffness: ArrayLike, directions: ArrayLike) -> Array:
    """Young's modulus along unit vectors: 1/E(n) = sᵀSs, s the uniaxial stress along n. (6, 6), (k, 3) → (k,)."""
    n = np.asarray(directions, dtype=np.float64)
    n = n / np.linalg.norm(n, axis=1, keepdims=True)
    x, y, z = n.T
    stress = np.stack((x * x, y * y, z * z, y * z, x * z, x * y), axis=1)
    return np.asarray(1 / np.einsum("ki,ij,kj->k", stress, np.linalg.inv(np.asarray(stiffness)), stress))


def surface(stiffness: ArrayLike, n: int = 33) -> tuple[Array, Array]:
    """E(n) over the sphere, for plots. C (6, 6) → (n, 2n − 1, 3) points E(n) n, and (n, 2n − 1) E."""
    polar, around = np.linspace(0, np.pi, n)[:, None], np.linspace(0, 2 * np.pi, 2 * n - 1)
    x, y = np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around)
    unit = np.stack((x, y, np.broadcast_to(np.cos(polar), x.shape)), axis=-1)
    e = directional_moduli(stiffness, unit.reshape(-1, 3)).reshape(x.shape)
    return e[..., None] * unit, e
