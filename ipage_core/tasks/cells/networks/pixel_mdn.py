"""Mixture density network of pixel cells: Gaussians over their leading principal components.

A full covariance of 1024 pixels has half a million entries per component, and black-and-white pixels are far from
normal. So the mixture lives on ``code`` principal components of the blurred cell, and its covariances are diagonal plus
low rank. A sample is a smooth field whose level 1/2 is the cell's edge.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Generator, Tensor, nn
from torch.distributions import LowRankMultivariateNormal

from ipage_core.networks.base import Network
from ipage_core.networks.mlp import SiLUNetwork
from ipage_core.tasks.cells.networks.cell_modulus import shuffled_symmetry
from ipage_core.tasks.cells.space import SHARPNESS, blur, sharpen

FITTED_TO = 6_000
"""Number of cells for the principal components."""
LEAST_SD = 0.05
"""Least SD of a component, in units of a principal component's standard deviation."""


class PixelMDN(Network):
    """Σ_k π_k(y) N(c; μ_k(y), D_k(y)² + W_k(y) W_k(y)ᵀ) over the code c; W has ``rank`` columns.

    A latent point is (z₀; rank; code): Φ(z₀) picks the component, and c = μ + W z₁ + D z₂.
    """

    def __init__(
        self, d: int, m: int, code: int = 200, components: int = 6, rank: int = 4, hidden: int = 64, layers: int = 2
    ) -> None:
        super().__init__()
        self.d, self.code, self.components, self.rank = d, code, components, rank
        self.latent_dim = 1 + rank + code
        self.net = SiLUNetwork(m, components * (1 + (2 + rank) * code), hidden, layers)
        self.register_buffer("mean", torch.zeros(d))
        self.register_buffer("axes", torch.zeros(d, code))
        self.register_buffer("sd", torch.ones(code))
        self.register_buffer("explained", torch.zeros(()))
        self.mean: Tensor
        self.axes: Tensor
        self.sd: Tensor
        self.explained: Tensor
        """Share of the blurred cells' variance in the code."""

    def fit_scales(self, x: Tensor, y: Tensor) -> None:
        """Principal components of some of the cells x (n, 1024), shifted and mirrored at random."""
        fields = blur(shuffled_symmetry(x[:FITTED_TO], Generator().manual_seed(0))[0])
        values, axes = torch.linalg.eigh(torch.cov(fields.double().T))
        self.mean.copy_(fields.mean(0))
        self.axes.copy_(axes[:, -self.code :].flip(1))
        self.sd.copy_(values[-self.code :].flip(0).clamp(min=1e-12).sqrt())
        self.explained.copy_(values[-self.code :].sum() / values.sum())

    def mixture(self, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """y (n, m) → log π (n, K), μ (n, K, code), W (n, K, code, rank), D (n, K, code)."""
        out = self.net(y).view(len(y), self.components, -1)
        log_weights, mean, low_rank, log_sd = out.split([1, self.code, self.rank * self.code, self.code], dim=2)
        wide = low_rank.view(len(y), self.components, self.code, self.rank)
        return log_weights[..., 0].log_softmax(1), mean, wide, LEAST_SD + nn.functional.softplus(log_sd + 0.5)

    def sample(self, y_star: Tensor, z: Tensor) -> Tensor:
        """Posterior samples: grey cells with edges at 1/2. (n, m), (n, k) → (n, 1024)."""
        unique, of_row = y_star.unique(dim=0, return_inverse=True)
        log_weights, mean, wide, sd = self.mixture(unique)
        cumulated = log_weights.exp().cumsum(1)[of_row]
        picked = (torch.special.ndtr(z[:, :1]) * cumulated[:, -1:] > cumulated).sum(1).clamp(max=self.components - 1)
        shared, own = z[:, 1:].split([self.rank, self.code], dim=1)
        code = mean[of_row, picked] + sd[of_row, picked] * own
        code = code + (wide[of_row, picked] @ shared[:, :, None])[:, :, 0]
        return sharpen((self.mean + (code * self.sd) @ self.axes.T).clamp(0, 1), SHARPNESS[0])

    def log_prob_of_code(self, x: Tensor, y: Tensor) -> Tensor:
        """log p̂(c | y) at the codes of cells x, per unit of c. (n, 1024), (n, m) → (n,)."""
        code = ((blur(x) - self.mean) @ self.axes) / self.sd
        log_weights, mean, wide, sd = self.mixture(y)
        each = LowRankMultivariateNormal(mean, wide, sd.square(), validate_args=False).log_prob(code[:, None])
        return (log_weights + each).logsumexp(1)

    def losses(
        self, x: Tensor, y: Tensor, weights: dict[str, float], generator: Generator
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the negative log-likelihood per coordinate of the code: cells x (n, 1024), y along x and y (n, 2)."""
        x, swapped = shuffled_symmetry(x, generator)
        y = torch.where(swapped.to(y.device), y[:, 1], y[:, 0])[:, None]
        yield {"nll": -self.log_prob_of_code(x, y).mean() / self.code}

    def validation_loss(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Mean negative log-likelihood per coordinate of the code (selects φ*)."""
        parts = zip(x.split(500), y[:, :1].split(500), strict=True)
        return {"nll": -torch.cat([self.log_prob_of_code(*part) for part in parts]).mean() / self.code}
