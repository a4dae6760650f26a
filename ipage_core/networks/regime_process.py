"""Gaussian processes of two regimes: the surrogate of properties that jump, as those of a run that ends at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ipage_core.networks.base import Network
from ipage_core.networks.gaussian_process import GaussianProcess


class RegimeProcess(Network):
    """Surrogate ŷ = f(x) with its standard deviation; float64 inside, raw units in and out. (n, d) → (n, m).

    One process takes a jump for noise, and is inexact everywhere. Here each regime has a process of its own rows. The
    ``gate`` is a process of the labels −1 and 1. It gives the probability of the upper regime as Φ(mean / standard
    deviation), by least-squares classification (Rasmussen and Williams 2006, 6.5). Build it with :meth:`fitted`.
    """

    reads = torch.float64

    def __init__(self, lower: dict[str, Any], upper: dict[str, Any], gate: dict[str, Any]) -> None:
        super().__init__()
        self.lower, self.upper, self.gate = (GaussianProcess(**one) for one in (lower, upper, gate))

    @classmethod
    def fitted(
        cls,
        x: Tensor,
        y: Tensor,
        is_upper: Tensor,
        bounds: Tensor | None = None,
        *,
        near: RegimeProcess | None = None,
        seed: int = 0,
    ) -> RegimeProcess:
        """Fit the processes to rows x (n, d), y (n, m); NaN in y: not measured.

        Args:
            x: designs.
            y: properties.
            is_upper: (n,) bool, the regime of each row.
            bounds: (2, d) box whose widths are the unit of length; default: the range of the rows.
            near: processes of almost the same rows, whose hyperparameters to start from.
            seed: of the subset for fitting hyperparameters.

        Raises:
            ValueError: a property has fewer than 3 rows in a regime.
        """
        labels = torch.where(is_upper, 1.0, -1.0).double()[:, None]
        rows = {"lower": (x[~is_upper], y[~is_upper]), "upper": (x[is_upper], y[is_upper]), "gate": (x, labels)}
        bounds = torch.stack((x.min(0).values, x.max(0).values)) if bounds is None else bounds
        return cls._of_parts(
            *(
                GaussianProcess.fitted(
                    *own, bounds, near=None if near is None else getattr(near, name).hyperparameters, seed=seed
                )
                for name, own in rows.items()
            )
        )

    @classmethod
    def _of_parts(cls, *parts: GaussianProcess) -> RegimeProcess:
        self = cls(*(part.arguments for part in parts))
        self.lower, self.upper, self.gate = parts
        return self.eval()

    def of(self, columns: Sequence[int]) -> RegimeProcess:
        """The processes for some of their properties."""
        return self._of_parts(self.lower.of(columns), self.upper.of(columns), self.gate.of([0]))

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments that build empty processes of these shapes."""
        return {name: getattr(self, name).arguments for name in ("lower", "upper", "gate")}

    def probability(self, x: Tensor) -> Tensor:
        """Probability of the upper regime. (n, d) → (n, 1), float64."""
        x = x.double()
        return torch.special.ndtr(self.gate(x) / self.gate.spread(x))

    def forward(self, x: Tensor) -> Tensor:
        """The mean. (n, d) → (n, m), differentiable, in the type of x."""
        u = x.double()
        return torch.lerp(self.lower(u), self.upper(u), self.probability(u)).to(x.dtype)

    def spread(self, x: Tensor) -> Tensor:
        """Standard deviation of a measurement at x, of either regime. (n, d) → (n, m)."""
        u = x.double()
        means, deviations = (
            [f(u), g(u)] for f, g in ((self.lower, self.upper), (self.lower.spread, self.upper.spread))
        )
        return _deviation(self.probability(u), means, deviations).to(x.dtype)

    def left_out(self, x: Tensor, y: Tensor, is_upper: Tensor) -> tuple[Tensor, Tensor]:
        """Each of the rows fitted to, predicted from all others: y − ŷ and its standard deviation, both (n, m).

        In closed form; the hyperparameters come from all rows, see :meth:`GaussianProcess.left_out`.
        """
        means, deviations = [], []
        for part, own in ((self.lower, ~is_upper), (self.upper, is_upper)):
            mean, deviation, (error, deviation_of_own) = part(x), part.spread(x), part.left_out()
            mean[own], deviation[own] = y[own] - error, deviation_of_own
            means.append(mean)
            deviations.append(deviation)
        error, deviation = self.gate.left_out()
        p = torch.special.ndtr((torch.where(is_upper, 1.0, -1.0).double()[:, None] - error) / deviation)
        return y - torch.lerp(means[0], means[1], p), _deviation(p, means, deviations)


def _deviation(p: Tensor, means: Sequence[Tensor], deviations: Sequence[Tensor]) -> Tensor:
    """Standard deviation of a mixture of two with these means and standard deviations; p: of the second. → (n, m)."""
    variance = torch.lerp(deviations[0].square(), deviations[1].square(), p)
    return (variance + p * (1 - p) * (means[1] - means[0]).square()).sqrt()
