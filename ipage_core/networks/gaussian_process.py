"""Exact Gaussian processes: the surrogate of tables with up to a few thousand rows, one kernel per property."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ipage_core.networks.base import Network
from ipage_core.networks.hyperparameters import KERNELS, Hyperparameters, correlation, fit_hyperparameters


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
        low, width = unit_of_length(x, bounds)
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
            self._factors[j] = cholesky(k, float(self.noise[j]))
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


def unit_of_length(x: Tensor, bounds: Tensor | None) -> tuple[Tensor, Tensor]:
    """The lower corner (d,) and the widths (d,) of the box, or of the rows x (n, d); a width of 0 counts as 1."""
    low, high = (x.min(0).values, x.max(0).values) if bounds is None else bounds.double()
    return low, torch.where(high > low, high - low, 1.0)


def cholesky(k: Tensor, noise: float) -> Tensor:
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
