"""Exact Gaussian processes: the surrogate of tables with up to a few thousand rows, one kernel per property."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Generator, Tensor

from ipage_core.networks.base import Network

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


class GaussianProcess(Network):
    """Surrogate ŷ = f(x) with its standard deviation; float64 inside, raw units in and out. (n, d) → (n, m).

    Build it with :meth:`fitted`. The arguments give the shapes; the buffers hold the rest and are stored. Each property
    may have other rows with data.
    """

    reads = torch.float64
    low: Tensor
    width: Tensor
    mean: Tensor
    sd: Tensor
    points: Tensor
    measured: Tensor
    """(m, n) bool: the rows that have a value of each property."""
    weights: Tensor
    length: Tensor
    signal: Tensor
    noise: Tensor

    def __init__(self, d: int, m: int, n: int, kernels: Sequence[str]) -> None:
        super().__init__()
        if len(kernels) != m or not set(kernels) <= set(KERNELS):
            raise ValueError(f"Expected a kernel for each of {m} properties, of {', '.join(KERNELS)}; got {kernels}")
        self.kernels = tuple(kernels)
        shapes = {"low": (d,), "width": (d,), "mean": (m,), "sd": (m,), "points": (n, d), "weights": (m, n)}
        shapes |= {"length": (m, d), "signal": (m,), "noise": (m,)}
        for name, shape in shapes.items():
            self.register_buffer(name, torch.ones(shape, dtype=torch.float64))
        self.register_buffer("measured", torch.ones(m, n, dtype=torch.bool))
        self._factors: dict[int, Tensor] = {}
        self.register_load_state_dict_pre_hook(_renamed)
        self.register_load_state_dict_post_hook(lambda module, _: module._factors.clear())

    @classmethod
    def fitted(
        cls,
        x: Tensor,
        y: Tensor,
        bounds: Tensor | None = None,
        *,
        like: Sequence[Hyperparameters] | None = None,
        near: Sequence[Hyperparameters] | None = None,
        seed: int = 0,
    ) -> GaussianProcess:
        """Fit the process to rows x (n, d), y (n, m); NaN in y: not measured.

        Args:
            x: designs.
            y: properties.
                bounds: (2, d) box whose widths are the unit of length; default: the range of the rows.
                like: hyperparameters to use instead of fitting them.
                near: hyperparameters to start from, and their kernels.
                seed: of the subset for fitting hyperparameters.

        Raises:
            ValueError: a property has fewer than 3 rows.
        """
        x, y = x.double(), y.double()
        low, high = (x.min(0).values, x.max(0).values) if bounds is None else bounds.double()
        width = torch.where(high > low, high - low, 1.0)
        measured = ~y.isnan().T
        if (short := measured.sum(1) < 3).any():
            raise ValueError(f"Expected 3 rows or more of each property, got {int(measured.sum(1)[short][0])}")
        points = (x - low) / width
        mean, sd = y.nanmean(0), (y - y.nanmean(0)).square().nanmean(0).sqrt()
        sd = torch.where(sd > 0, sd, 1.0)
        standard = (y - mean) / sd
        fits = []
        for j, rows in enumerate(measured):
            if like is not None:
                fits.append(like[j])
            else:
                start = None if near is None else near[j]
                fits.append(fit_hyperparameters(points[rows], standard[rows, j], near=start, seed=seed))
        self = cls(x.shape[1], y.shape[1], len(x), [one.kernel for one in fits])
        self.low, self.width, self.mean, self.sd, self.points, self.measured = low, width, mean, sd, points, measured
        self.length = torch.stack([one.length for one in fits])
        self.signal = torch.tensor([one.signal for one in fits], dtype=torch.float64)
        self.noise = torch.tensor([one.noise for one in fits], dtype=torch.float64)
        self.weights = torch.zeros(y.shape[1], len(x), dtype=torch.float64)
        for j, rows in enumerate(measured):
            self.weights[j, rows] = torch.cholesky_solve(standard[rows, j, None], self.factor(j))[:, 0]
        return self.eval()

    def of(self, columns: Sequence[int]) -> GaussianProcess:
        """The process for some of its properties."""
        n, d = self.points.shape
        part = GaussianProcess(d, len(columns), n, [self.kernels[j] for j in columns])
        state = self.state_dict()
        shared = ("low", "width", "points")
        part.load_state_dict({name: value if name in shared else value[list(columns)] for name, value in state.items()})
        return part.eval()

    @property
    def arguments(self) -> dict[str, object]:
        """Arguments that build an empty process of this shape."""
        n, d = self.points.shape
        return {"d": d, "m": len(self.mean), "n": n, "kernels": list(self.kernels)}

    @property
    def hyperparameters(self) -> list[Hyperparameters]:
        """Hyperparameters of each property."""
        each = zip(self.kernels, self.length, self.signal.tolist(), self.noise.tolist(), strict=True)
        return [Hyperparameters(*one) for one in each]

    def factor(self, j: int) -> Tensor:
        """Cholesky factor of property j's covariance; not stored, because it follows from the state."""
        if j not in self._factors or self._factors[j].device != self.points.device:
            scaled = self.points[self.measured[j]] / self.length[j]
            k = self.signal[j] * correlation(self.kernels[j], scaled, scaled)
            self._factors[j] = _cholesky(k, float(self.noise[j]))
        return self._factors[j]

    def _covariance(self, x: Tensor, j: int) -> Tensor:
        """Covariance of property j between designs in raw units and its rows. (k, d) → (k, rows of j)."""
        scaled = (x.double() - self.low) / self.width / self.length[j]
        rows = self.points[self.measured[j]] / self.length[j]
        return self.signal[j] * correlation(self.kernels[j], scaled, rows)

    def forward(self, x: Tensor) -> Tensor:
        """The mean. (n, d) → (n, m), differentiable, in the type of x."""
        z = [self._covariance(x, j) @ self.weights[j, self.measured[j]] for j in range(len(self.mean))]
        return (torch.stack(z, dim=1) * self.sd + self.mean).to(x.dtype)

    def predict(self, x: Tensor) -> Tensor:
        """Predicted measurement: the mean. (n, d) → (n, m)."""
        return self(x)

    def spread(self, x: Tensor) -> Tensor:
        """Standard deviation of a measurement at x: of the function and of the noise. (n, d) → (n, m)."""
        variance = []
        for j, factor in ((j, self.factor(j)) for j in range(len(self.mean))):
            explained = torch.linalg.solve_triangular(factor, self._covariance(x, j).T, upper=False).square().sum(0)
            variance.append((self.signal[j] - explained).clamp(min=0) + self.noise[j])
        return (torch.stack(variance, dim=1).sqrt() * self.sd).to(x.dtype)

    def left_out(self) -> tuple[Tensor, Tensor]:
        """Each row predicted from all others: y − ŷ and its standard deviation, both (n, m); NaN if not measured.

        Closed form (Rasmussen and Williams 2006, Eqs. 5.10–5.12). The hyperparameters come from all rows.
        """
        error = torch.full_like(self.weights.T, math.nan)
        sd = error.clone()
        for j, rows in enumerate(self.measured):
            precision = torch.cholesky_inverse(self.factor(j)).diagonal()
            error[rows, j] = self.weights[j, rows] / precision * self.sd[j]
            sd[rows, j] = precision.rsqrt() * self.sd[j]
        return error, sd


def _renamed(_: Any, state: dict[str, Tensor], prefix: str, *more: Any) -> None:
    """Models of earlier versions hold ``measured`` under the name ``known``."""
    if f"{prefix}known" in state:
        state[f"{prefix}measured"] = state.pop(f"{prefix}known")


def fit_hyperparameters(u: Tensor, z: Tensor, *, near: Hyperparameters | None = None, seed: int = 0) -> Hyperparameters:
    """Hyperparameters of greatest posterior density, with the kernel that predicts left-out rows best.

    Args:
        u: (n, d) points in the unit cube.
        z: (n,) values of zero mean and unit variance.
            near: hyperparameters to start from, with their kernel; None: both kernels are tried.
        seed: of the subset of ``SUBSET`` rows.

    Raises:
        FloatingPointError: no start gives a covariance that can be factorized.
    """
    u, z = u.double(), z.double()
    few = torch.randperm(len(u), generator=Generator().manual_seed(seed))[:SUBSET]
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
        score = _left_out_density(fit, u, z)
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
    """θ = (log ℓ (d), log signal, log noise) → −log p(z, θ) and its gradient (R&W 2006, Eqs. 5.8, 5.9)."""
    d = u.shape[1]
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
        value = 0.5 * z @ alpha + factor.diagonal().log().sum() + prior.sum()
        w = inverse - alpha[:, None] * alpha
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
    alpha = torch.cholesky_solve(z[:, None], factor)[:, 0]
    return float((0.5 * precision.log() - 0.5 * alpha.square() / precision).sum())


def _cholesky(k: Tensor, noise: float) -> Tensor:
    """Cholesky factor of k + noise·1, with a larger diagonal if rounding makes it indefinite.

    Raises:
            FloatingPointError: the matrix is indefinite even with a thousandth of its variance added.
    """
    eye = torch.eye(len(k), dtype=k.dtype, device=k.device)
    while noise < 1e3:
        factor, failed = torch.linalg.cholesky_ex(k + noise * eye)
        if not failed:
            return factor
        noise *= 10
    raise FloatingPointError("The covariance of the rows cannot be factorized")
