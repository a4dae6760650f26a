"""Kernels of a Gaussian process, and the hyperparameters that the rows make most probable."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Generator, Tensor

MATERN, RBF = "matern52", "rbf"
KERNELS = (MATERN, RBF)
JITTER = 1e-8
"""Least noise variance, in units of y's variance, so that the matrix can be factorized."""
SUBSET = 500
"""Largest number of rows for fitting hyperparameters; kernel choice and prediction use all rows."""
FEW = 200
"""With fewer rows than this, L-BFGS runs from two starts; with more, all starts ended at the same optimum.

With more, it starts with this many rows, where a step takes a fraction of the time, and ends with all of them.
"""
STEPS, STEPS_NEAR = 60, 15
"""L-BFGS iterations from each start, and from hyperparameters of almost the same rows."""
ENOUGH = 1e-6
"""L-BFGS ends at a smaller relative gain. With almost no noise, rounding hides gains of 1e-8 from its line search."""
LENGTH_VARIANCE = 3.0
"""Standard deviation of the normal prior on log ℓ, mean √2 + ½ log d (Hvarfner et al. 2024, arXiv:2402.02229)."""
STARTS = (1.0, 2.0)
"""Starting log length scales, below the prior's mean; the second one only for few rows."""
_ROOT5 = math.sqrt(5)


def correlation(kernel: str, a: Tensor, b: Tensor) -> Tensor:
    """Matérn-5/2 or RBF of points in units of their length scales (Rasmussen and Williams 2006, Eqs. 4.9, 4.17).

    (n, d), (k, d) → (n, k), twice differentiable.
    """
    return _of_distance(kernel, _square_distance(a, b))


def _square_distance(a: Tensor, b: Tensor) -> Tensor:
    return (a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T).clamp(min=1e-24)


def _of_distance(kernel: str, square: Tensor) -> Tensor:
    if kernel == RBF:
        return torch.exp(-0.5 * square)
    r = _ROOT5 * square.sqrt()
    return (1 + r + 5 / 3 * square) * torch.exp(-r)


class Hyperparameters(NamedTuple):
    """Hyperparameters of one property, in standardized units."""

    kernel: str
    length: Tensor
    """(d,) length scales, in widths of the box."""
    signal: float
    """Variance of the function."""
    noise: float
    """Variance of the noise, with jitter."""


def fit_hyperparameters(
    u: Tensor, z: Tensor, *, near: Hyperparameters | None = None, seed: int = 0, subset: int = SUBSET
) -> Hyperparameters:
    """Hyperparameters of greatest posterior density, with the kernel that predicts left-out rows best.

    Args:
        u: (n, d) points in the unit cube.
        z: (n,) values of zero mean and unit variance, or (n, q) of q properties that share the hyperparameters.
        near: hyperparameters to start from, with their kernel; None: both kernels are tried.
        seed: of the subset.
        subset: largest number of rows for fitting.

    Raises:
        FloatingPointError: no start gives a covariance that can be factorized.
    """
    u, z = u.double(), z.double()
    few = torch.randperm(len(u), generator=Generator().manual_seed(seed))[:subset]
    d, best, best_fit = u.shape[1], -math.inf, None
    usual = math.sqrt(2) + 0.5 * math.log(d)
    kernels: Sequence[str] = KERNELS
    if near is None:
        starts = [np.r_[np.full(d, usual - below), 0.0, -6.0] for below in STARTS[: 2 if len(u) < FEW else 1]]
    else:
        kernels = (near.kernel,)
        starts = [np.r_[near.length.log().numpy(), math.log(near.signal), math.log(near.noise)]]
    first = few[:FEW] if near is None else few
    for kernel in kernels:
        density = negative_log_density(kernel, u[first], z[first])
        runs = [_descended(density, start, STEPS if near is None else STEPS_NEAR) for start in starts]
        values = min(runs, key=lambda run: run[1])[0]
        if len(first) < len(few):
            values = _descended(negative_log_density(kernel, u[few], z[few]), values, STEPS_NEAR)[0]
        theta = torch.from_numpy(values).exp()
        fit = Hyperparameters(kernel, theta[:d], float(theta[d]), float(theta[d + 1]) + JITTER)
        score = 0.0 if len(kernels) == 1 else _left_out_density(fit, u, z)
        if score > best:
            best, best_fit = score, fit
    if best_fit is None:
        raise FloatingPointError("The covariance of the rows cannot be factorized")
    return best_fit


def _descended(density: Callable[[Any], Any], start: np.ndarray, steps: int) -> tuple[np.ndarray, float]:
    """(θ, −log p) after at most ``steps`` iterations of L-BFGS from ``start`` (d + 2,)."""
    limits = [(-4.6, 7.0)] * (len(start) - 2) + [(-4.0, 6.0), (-18.0, 1.5)]
    options = cast(Any, {"maxiter": steps, "ftol": ENOUGH})
    run = minimize(density, start, jac=True, method="L-BFGS-B", bounds=limits, options=options)
    return run.x, float(run.fun)


def negative_log_density(kernel: str, u: Tensor, z: Tensor) -> Callable[[Any], Any]:
    """θ = (log ℓ (d), log signal, log noise) → −log p(z, θ) and its gradient (R&W 2006, Eqs. 5.8, 5.9).

    For z (n, q), log p(z | θ) is the mean over the q properties: alike as they are, they count as one.
    """
    d, z = u.shape[1], z.view(len(z), -1)
    centre = torch.tensor([math.sqrt(2) + 0.5 * math.log(d)] * d + [0.0, -7.0], dtype=torch.float64)
    variance = torch.tensor([LENGTH_VARIANCE] * d + [4.0, 9.0], dtype=torch.float64)

    def density(values: np.ndarray) -> tuple[float, np.ndarray]:
        theta = torch.from_numpy(values)
        signal, noise = float(theta[d].exp()), float(theta[d + 1].exp())
        s = u / theta[:d].exp()
        square = _square_distance(s, s)
        if kernel == RBF:
            k = square.mul_(-0.5).exp_().mul_(signal)
            slope = k  # −∂k/∂(½ r²), r² = Σ (Δu/ℓ)²
        else:  # in place and with one exponential: passes over n × n numbers cost more than the solve
            r = square.sqrt_().mul_(_ROOT5)
            decay = torch.exp(-r).mul_(signal)
            slope = (1 + r).mul_(decay).mul_(5 / 3)
            k = r.square().div_(3).add_(r).add_(1).mul_(decay)
        noisy = k.clone()
        noisy.diagonal().add_(noise + JITTER)
        factor, failed = torch.linalg.cholesky_ex(noisy)
        if failed:
            return 1e10, np.zeros(d + 2)
        inverse = torch.cholesky_inverse(factor)
        alpha = inverse @ z
        prior = 0.5 * (theta - centre).square() / variance
        value = 0.5 * (z * alpha).sum() / z.shape[1] + factor.diagonal().log().sum() + prior.sum()
        w = inverse - alpha @ alpha.T / z.shape[1]
        m = w * slope  # Σᵢⱼ mᵢⱼ (sᵢ − sⱼ)² = 2 Σᵢ (Σⱼ mᵢⱼ) sᵢ² − 2 Σᵢⱼ sᵢ mᵢⱼ sⱼ, for each coordinate
        by_length = m.sum(1) @ s.square() - (s * (m @ s)).sum(0)
        by_signal, by_noise = 0.5 * torch.tensordot(w, k), 0.5 * noise * w.diagonal().sum()
        gradient = torch.cat((by_length, by_signal[None], by_noise[None])) + (theta - centre) / variance
        return float(value), gradient.numpy()

    return density


def _left_out_density(fit: Hyperparameters, u: Tensor, z: Tensor) -> float:
    """Sum of log p of each row given the others (R&W 2006, Eq. 5.10)."""
    s = u / fit.length
    factor, failed = torch.linalg.cholesky_ex(
        fit.signal * correlation(fit.kernel, s, s) + fit.noise * torch.eye(len(u), dtype=torch.float64)
    )
    if failed:
        return -math.inf
    precision = torch.cholesky_inverse(factor).diagonal()
    alpha = torch.cholesky_solve(z.view(len(z), -1), factor)
    return float((0.5 * precision.log() - 0.5 * alpha.square().mean(1) / precision).sum())
