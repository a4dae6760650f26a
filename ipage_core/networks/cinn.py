"""The conditional invertible network x ↔ z given y, trained by likelihood (Ardizzone et al. 2019, arXiv:1907.02392)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Generator, Tensor

from ipage_core.networks.base import Network
from ipage_core.networks.inn import dequantized, standard_normal_log_prob
from ipage_core.networks.splines import conditional_splines
from ipage_core.networks.standardize import Standardizer, Support


class CINN(Network):
    """Conditional spline flow: z = f(x; y), x = f⁻¹(z; y). It proposes designs and has no surrogate.

    Ω is deterministic, so p(x | y) lies on a surface and has no density. Training therefore adds noise to y, of
    ``noise`` standard deviations, and to discrete coordinates of x, of the fraction ``dequantize`` of their spacing.
    """

    def __init__(
        self,
        d: int,
        m: int,
        noise: float = 0.02,
        couplings: int = 8,
        hidden: int = 80,
        blocks: int = 2,
        bins: int = 8,
        tail_bound: float = 5.0,
        smallest_bin: float = 1e-3,
        dequantize: Sequence[float] = (),
        support: Support = (),
        logarithmic: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.d, self.m, self.latent_dim, self.noise = d, m, d, noise
        self.dequantize = tuple(dequantize)
        self.x_scale, self.y_scale = Standardizer(d, support, logarithmic), Standardizer(m)
        self.transform = conditional_splines(d, m, couplings, hidden, blocks, bins, tail_bound, smallest_bin)

    def sample(self, y_star: Tensor, z: Tensor) -> Tensor:
        """Posterior samples. (n, m), (n, d) → (n, d)."""
        out, _ = self.transform.inverse(torch.cat((z, self.y_scale(y_star)), dim=1))
        return self.x_scale.inverse(out[:, : self.d])

    def encode(self, x: Tensor, y_star: Tensor) -> Tensor:
        """The latent point whose posterior sample for y* is x. (n, d), (n, m) → (n, d)."""
        out, _ = self.transform(torch.cat((self.x_scale(x), self.y_scale(y_star)), dim=1))
        return out[:, : self.d]

    def cycle(self, y_star: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior samples x = h(y*, z), and f_z(x): equal to z but for round-off. → (n, d), (n, d)."""
        x = self.sample(y_star, z)
        return x, self.encode(x, y_star)

    def log_prob(self, x: Tensor, y_star: Tensor) -> Tensor:
        """log p̂(x | y*) by Eq. 3, per raw unit of x. (n, d), (n, m) → (n,)."""
        standardized = self.x_scale(x)
        out, log_det = self.transform(torch.cat((standardized, self.y_scale(y_star)), dim=1))
        return standard_normal_log_prob(out[:, : self.d]) + log_det + self.x_scale.log_det(standardized)

    def losses(
        self, x: Tensor, y: Tensor, weights: dict[str, float], generator: Generator
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the negative log-likelihood of one batch x (n, d), y (n, m)."""
        yield {"nll": -self.log_prob(*self._smeared(x, y, generator)).mean()}

    def validation_loss(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Mean negative log posterior density of the pairs, with the noise of training."""
        return {"nll": -self.log_prob(*self._smeared(x, y, Generator().manual_seed(0))).mean()}

    def _smeared(self, x: Tensor, y: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        noise = torch.randn(y.shape, generator=generator).to(y)
        return dequantized(x, self.dequantize, generator), y + self.noise * self.y_scale.sd * noise
