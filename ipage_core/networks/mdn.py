"""Mixture density network: p(x | y) as a mixture of Gaussians with full covariances (Bishop 1994, NCRG/94/004)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Generator, Tensor, nn

from ipage_core.networks.base import Network
from ipage_core.networks.inn import dequantized
from ipage_core.networks.standardize import Standardizer, Support

NARROWEST = 1e-3
"""Least standard deviation of a component given its other coordinates, in units of the standardized x."""


class MDN(Network):
    """Σ_k π_k(y) N(x; μ_k(y), Σ_k(y)) over standardized x, with Σ_k⁻¹ = A_kᵀA_k, A_k lower triangular.

    It proposes designs and has no surrogate. A latent point is (z₀, z₁ … z_d): Φ(z₀) chooses the component by its
    cumulative weight, and x = μ_k + A_k⁻¹ (z₁ … z_d). So a space-filling design of z fills weights and components.
    Training adds noise to y, of ``noise`` standard deviations, and to discrete coordinates of x, of ``dequantize``.
    """

    def __init__(
        self,
        d: int,
        m: int,
        components: int = 32,
        hidden: int = 256,
        layers: int = 3,
        dropout: float = 0.0,
        noise: float = 0.0,
        dequantize: Sequence[float] = (),
        support: Support = (),
    ) -> None:
        super().__init__()
        self.d, self.m, self.latent_dim = d, m, d + 1
        self.components, self.noise, self.dequantize = components, noise, tuple(dequantize)
        self.x_scale, self.y_scale = Standardizer(d, support), Standardizer(m)
        modules: list[nn.Module] = []
        for a, b in pairwise([m, *[hidden] * layers]):
            modules += [nn.Linear(a, b), nn.SiLU(), nn.Dropout(dropout)]
        last = nn.Linear(hidden, components * (1 + d + d * (d + 1) // 2))
        self.net = nn.Sequential(*modules, last)
        with torch.no_grad():  # components start apart, each narrower than the prior
            bias = last.bias.view(components, -1)
            bias[:, 1 : 1 + d] = torch.randn(components, d)
            bias[:, 1 + d : 1 + 2 * d] = 0.5

    def mixture(self, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """y (n, m) → log π (n, K), μ (n, K, d), A (n, K, d, d), over standardized x."""
        out = self.net(self.y_scale(y)).view(len(y), self.components, -1)
        log_weights, mean, log_diagonal, below = out.split([1, self.d, self.d, self.d * (self.d - 1) // 2], dim=2)
        most = -math.log(NARROWEST)
        diagonal = (most - nn.functional.softplus(most - log_diagonal)).exp()  # smooth, below 1/NARROWEST
        factor = torch.diag_embed(diagonal)
        rows, columns = torch.tril_indices(self.d, self.d, -1)
        factor[..., rows, columns] = below * diagonal[..., rows]
        return log_weights[..., 0].log_softmax(1), mean, factor

    def sample(self, y_star: Tensor, z: Tensor) -> Tensor:
        """Posterior samples. (n, m), (n, d + 1) → (n, d)."""
        unique, of_row = y_star.unique(dim=0, return_inverse=True)
        log_weights, mean, factor = self.mixture(unique)
        cumulated = log_weights.exp().cumsum(1)[of_row]
        picked = (torch.special.ndtr(z[:, :1]) * cumulated[:, -1:] > cumulated).sum(1).clamp(max=self.components - 1)
        step = torch.linalg.solve_triangular(factor[of_row, picked], z[:, 1:, None], upper=False)[:, :, 0]
        return self.x_scale.inverse(mean[of_row, picked] + step)

    def log_prob(self, x: Tensor, y_star: Tensor) -> Tensor:
        """log p̂(x | y*), per raw unit of x. (n, d), (n, m) → (n,)."""
        standardized = self.x_scale(x)
        log_weights, mean, factor = self.mixture(y_star)
        z = (factor @ (standardized[:, None] - mean)[..., None])[..., 0]
        log_normal = -0.5 * z.square().sum(2) + factor.diagonal(dim1=2, dim2=3).log().sum(2)
        log_density = (log_weights + log_normal).logsumexp(1) - 0.5 * self.d * math.log(2 * math.pi)
        return log_density + self.x_scale.log_det(standardized)

    def losses(
        self, x: Tensor, y: Tensor, weights: dict[str, float], generator: Generator
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the negative log-likelihood of one batch x (n, d), y (n, m)."""
        noise = self.noise * self.y_scale.sd * torch.randn(y.shape, generator=generator).to(y)
        yield {"nll": -self.log_prob(dequantized(x, self.dequantize, generator), y + noise).mean()}

    def validation_loss(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Mean negative log posterior density of the pairs, without noise on y."""
        smeared = dequantized(x, self.dequantize, Generator().manual_seed(0))
        return {"nll": -self.log_prob(smeared, y).mean()}
