"""Gaussian processes of many properties with one kernel: the surrogate of spectra and other curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ipage_core.networks.base import Network
from ipage_core.networks.gaussian_process import cholesky, unit_of_length
from ipage_core.networks.hyperparameters import KERNELS, Hyperparameters, correlation, fit_hyperparameters

EXEMPLARS, SUBSET = 16, 1000
"""Number of properties, evenly chosen, and of rows that the hyperparameters are fitted to."""


class SharedProcess(Network):
    """Surrogate ŷ = f(x) with its standard deviation; float64 inside, raw units in and out. (n, d) → (n, m).

    The covariance of the rows is factorized once, whatever the number of properties (the separable model of Bonilla et
    al. 2007). Every row has all properties. Build it with :meth:`fitted`.
    """

    reads = torch.float64
    low: Tensor
    width: Tensor
    mean: Tensor
    sd: Tensor
    points: Tensor
    weights: Tensor
    length: Tensor
    signal: Tensor
    noise: Tensor

    def __init__(self, d: int, m: int, n: int, kernel: str) -> None:
        super().__init__()
        if kernel not in KERNELS:
            raise ValueError(f"Expected a kernel of {', '.join(KERNELS)}, got {kernel}")
        self.kernel = kernel
        shapes: dict[str, tuple[int, ...]] = {"low": (d,), "width": (d,), "mean": (m,), "sd": (m,), "points": (n, d)}
        shapes |= {"weights": (n, m), "length": (d,), "signal": (), "noise": ()}
        for name, shape in shapes.items():
            self.register_buffer(name, torch.ones(shape, dtype=torch.float64))
        self._factor: Tensor | None = None
        self.register_load_state_dict_post_hook(lambda module, _: module._forget())

    @classmethod
    def fitted(
        cls,
        x: Tensor,
        y: Tensor,
        bounds: Tensor | None = None,
        *,
        like: Hyperparameters | None = None,
        near: Hyperparameters | None = None,
        seed: int = 0,
    ) -> SharedProcess:
        """Fit the process to rows x (n, d), y (n, m).

        Args:
            x: designs.
            y: properties.
            bounds: (2, d) box whose widths are the unit of length; default: the range of the rows.
            like: hyperparameters to use instead of fitting them.
            near: hyperparameters to start from, and their kernel.
            seed: of the subset for fitting hyperparameters.

        Raises:
            ValueError: there are fewer than 3 rows, or a value is missing.
        """
        x, y = x.double(), y.double()
        if len(x) < 3 or not y.isfinite().all():
            raise ValueError("Expected 3 rows or more, each with all properties")
        low, width = unit_of_length(x, bounds)
        points, mean, sd = (x - low) / width, y.mean(0), y.std(0, correction=0)
        sd = torch.where(sd > 0, sd, 1.0)
        z = (y - mean) / sd
        if like is None:
            some = torch.linspace(0, y.shape[1] - 1, min(EXEMPLARS, y.shape[1])).round().long()
            like = fit_hyperparameters(points, z[:, some], near=near, seed=seed, subset=SUBSET)
        self = cls(x.shape[1], y.shape[1], len(x), like.kernel)
        self.low, self.width, self.mean, self.sd, self.points = low, width, mean, sd, points
        self.length = like.length
        self.signal, self.noise = (torch.tensor(v, dtype=torch.float64) for v in (like.signal, like.noise))
        self.weights = torch.cholesky_solve(z, self.factor)
        return self.eval()

    def of(self, columns: Sequence[int]) -> SharedProcess:
        """The process for some of its properties."""
        n, d = self.points.shape
        part = SharedProcess(d, len(columns), n, self.kernel)
        state = self.state_dict()
        own = ("mean", "sd", "weights")
        part.load_state_dict({name: v[..., list(columns)] if name in own else v for name, v in state.items()})
        part._factor = self._factor
        return part.eval()

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments that build an empty process of this shape."""
        n, d = self.points.shape
        return {"d": d, "m": len(self.mean), "n": n, "kernel": self.kernel}

    @property
    def hyperparameters(self) -> Hyperparameters:
        """The hyperparameters of all properties."""
        return Hyperparameters(self.kernel, self.length, float(self.signal), float(self.noise))

    @property
    def factor(self) -> Tensor:
        """Cholesky factor of the rows' covariance; not stored, because it follows from the state."""
        if self._factor is None or self._factor.device != self.points.device:
            scaled = self.points / self.length
            self._factor = cholesky(self.signal * correlation(self.kernel, scaled, scaled), float(self.noise))
        return self._factor

    def _forget(self) -> None:
        self._factor = None

    def _covariance(self, x: Tensor) -> Tensor:
        """Covariance between designs in raw units and the rows. (k, d) → (k, n)."""
        scaled = (x.double() - self.low) / self.width / self.length
        return self.signal * correlation(self.kernel, scaled, self.points / self.length)

    def forward(self, x: Tensor) -> Tensor:
        """The mean. (n, d) → (n, m), differentiable, in the type of x."""
        return (self._covariance(x) @ self.weights * self.sd + self.mean).to(x.dtype)

    def spread(self, x: Tensor) -> Tensor:
        """Standard deviation of a measurement at x: of the function and of the noise. (n, d) → (n, m)."""
        explained = torch.linalg.solve_triangular(self.factor, self._covariance(x).T, upper=False).square().sum(0)
        variance = (self.signal - explained).clamp(min=0) + self.noise
        return (variance.sqrt()[:, None] * self.sd).to(x.dtype)

    def left_out(self) -> tuple[Tensor, Tensor]:
        """Each row predicted from all others: y − ŷ and its standard deviation, both (n, m).

        Closed form (Rasmussen and Williams 2006, Eqs. 5.10–5.12). The hyperparameters come from all rows.
        """
        precision = torch.cholesky_inverse(self.factor).diagonal()[:, None]
        return self.weights / precision * self.sd, precision.rsqrt() * self.sd
