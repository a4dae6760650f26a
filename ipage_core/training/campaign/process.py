"""A Gaussian process for a few dozen rows, invariant under the images of a design."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import Tensor

from ipage_core.networks.hyperparameters import KERNELS, LENGTH_VARIANCE, correlation

Copies = Callable[[Tensor], Tensor]
"""Points (n, d) → (n, s, d): all images, the point itself first."""
STEPS, STEPS_NEAR = 40, 12
"""L-BFGS iterations from each start, and from a process on almost the same rows."""
LEAST_NOISE = 1e-8
"""Least variance of the noise, as a share of the variance of the values."""


def alone(points: Tensor) -> Tensor:
    """Copies if every point is its own only image. (n, d) → (n, 1, d)."""
    return points[:, None]


def ties(copies: Copies, d: int) -> Tensor:
    """Groups of coordinates that images exchange: (d,) group number. Each group has one length scale.

    A step along each coordinate shows which coordinates of the images change.
    """
    base = torch.full((1, d), 0.31, dtype=torch.float64)
    before = copies(base)[0]
    group = torch.arange(d)
    for j in range(d):
        moved = base.clone()
        moved[0, j] += 0.01
        touched = ((copies(moved)[0] - before).abs() > 1e-9).any(0)
        touched[j] = True
        group[torch.isin(group, group[touched])] = group[touched].min().clone()
    return group.unique(return_inverse=True)[1]


@dataclass(frozen=True, eq=False)
class Process:
    """y ~ GP with the kernel k(x, x') averaged over the images of x' (Kondor 2008, invariant kernels)."""

    kernel: str
    theta: Tensor
    """Logarithms of the length scales of the groups, of the variance of the signal, of the variance of the noise."""
    group: Tensor
    copies: Copies
    points: Tensor
    """(n, d) in the unit cube."""
    mean: float
    scale: float
    """Standard deviation used to standardize the values."""
    weights: Tensor
    factor: Tensor
    density: float
    """Sum of log p of each row given the others, in raw units; compares processes (R&W 2006, Eq. 5.10)."""

    def _covariance(self, points: Tensor) -> Tensor:
        return _kernel(self.kernel, self.theta, self.group, points, self.copies(self.points))

    def mean_of(self, points: Tensor) -> Tensor:
        """(k, d) → (k,), differentiable."""
        return self._covariance(points) @ self.weights * self.scale + self.mean

    def spread_of(self, points: Tensor) -> Tensor:
        """Standard deviation of the next evaluation. (k, d) → (k,)."""
        explained = torch.linalg.solve_triangular(self.factor, self._covariance(points).T, upper=False).square().sum(0)
        prior = _variance(self.kernel, self.theta, self.group, points, self.copies)
        noise = self.theta[-1].exp() + LEAST_NOISE
        return ((prior - explained).clamp(min=0) + noise).sqrt() * self.scale


def fit(
    points: Tensor, values: Tensor, copies: Copies = alone, group: Tensor | None = None, near: Tensor | None = None
) -> Process:
    """Fit a process to points (n, d) in the unit cube and values (n,); the better of two kernels is kept.

    Args:
        points: designs.
        values: one property.
        copies: their images.
        group: groups from :func:`ties`; None: each coordinate is a group.
        near: ``theta`` of a process on almost the same rows, to start from.

    Raises:
        ValueError: fewer than two rows.
        FloatingPointError: no covariance can be factorized.
    """
    if len(points) < 2:
        raise ValueError(f"Expected 2 rows or more, got {len(points)}")
    group = torch.arange(points.shape[1]) if group is None else group
    mean, scale = float(values.mean()), max(float(values.std(unbiased=False)), 1e-300)
    z, images = (values - mean) / scale, copies(points)
    lengths = int(group.max()) + 1
    usual = math.sqrt(2) + 0.5 * math.log(points.shape[1])
    starts = [np.r_[np.full(lengths, usual - below), 0.0, -9.0] for below in (1.0, 2.0)]
    starts = starts if near is None else [near.numpy()]
    options = cast(Any, {"maxiter": STEPS if near is None else STEPS_NEAR})
    limits = [(-4.6, 5.0)] * lengths + [(-4.0, 6.0), (-18.0, 0.0)]
    best: Process | None = None
    for kernel in KERNELS:
        density = _negative_log_density(kernel, group, points, images, z, usual)
        with threadpool_limits(1):  # threads would wait for each other over so small matrices
            runs = [
                minimize(density, start, jac=True, method="L-BFGS-B", bounds=limits, options=options)
                for start in starts
            ]
        theta = torch.from_numpy(min(runs, key=lambda run: run.fun).x)
        k = _kernel(kernel, theta, group, points, images)
        factor, failed = torch.linalg.cholesky_ex(_noisy(k, theta))
        if failed:
            continue
        weights = torch.cholesky_solve(z[:, None], factor)[:, 0]
        precision = torch.cholesky_inverse(factor).diagonal()
        each = 0.5 * precision.log() - 0.5 * weights.square() / precision
        left_out = float(each.sum()) - len(z) * math.log(scale)
        if best is None or left_out > best.density:
            best = Process(kernel, theta, group, copies, points, mean, scale, weights, factor, left_out)
    if best is None:
        raise FloatingPointError("The rows give no covariance that can be factorized")
    return best


def _kernel(kernel: str, theta: Tensor, group: Tensor, points: Tensor, images: Tensor) -> Tensor:
    """(k, d), (n, s, d) → (k, n)."""
    length = theta[:-2].exp()[group]
    n, s, d = images.shape
    each = correlation(kernel, points / length, images.reshape(-1, d) / length)
    return theta[-2].exp() * each.view(len(points), n, s).mean(2)


def _variance(kernel: str, theta: Tensor, group: Tensor, points: Tensor, copies: Copies) -> Tensor:
    """Variance of the prior at points; larger where images coincide. (k, d) → (k,)."""
    length = theta[:-2].exp()[group]
    images = copies(points)
    square = ((points[:, None] - images) / length).square().sum(2)
    flat = torch.zeros(1, 1, dtype=points.dtype)
    radius = square.clamp(min=1e-24).sqrt().reshape(-1, 1)
    each = correlation(kernel, radius, flat)[:, 0].view(square.shape)
    return theta[-2].exp() * each.mean(1)


def _noisy(k: Tensor, theta: Tensor) -> Tensor:
    return k + (theta[-1].exp() + LEAST_NOISE) * torch.eye(len(k), dtype=k.dtype)


def _negative_log_density(
    kernel: str, group: Tensor, points: Tensor, images: Tensor, z: Tensor, usual: float
) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """θ → −log p(z, θ) and its gradient, with the prior on log ℓ of Hvarfner et al. 2024, arXiv:2402.02229."""
    lengths = int(group.max()) + 1
    centre = torch.tensor([usual] * lengths + [0.0, -10.0], dtype=torch.float64)
    variance = torch.tensor([LENGTH_VARIANCE] * lengths + [4.0, 9.0], dtype=torch.float64)

    def density(values: np.ndarray) -> tuple[float, np.ndarray]:
        theta = torch.from_numpy(values).requires_grad_(True)
        with torch.enable_grad():
            factor, failed = torch.linalg.cholesky_ex(_noisy(_kernel(kernel, theta, group, points, images), theta))
            if failed:
                return 1e10, np.zeros(len(values))
            fit = 0.5 * torch.cholesky_solve(z[:, None], factor)[:, 0] @ z + factor.diagonal().log().sum()
            value = fit + 0.5 * ((theta - centre).square() / variance).sum()
            (gradient,) = torch.autograd.grad(value, theta)
        return float(value.detach()), gradient.numpy()

    return density
