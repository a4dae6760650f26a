"""The conditional flow of pixel cells, x (1024) ↔ z (1024) given y, trained by likelihood like :mod:`cinn`."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from ipage_core.networks.base import Network
from ipage_core.networks.inn import standard_normal_log_prob
from ipage_core.tasks.cells.networks.cell_modulus import shuffled_symmetry
from ipage_core.tasks.cells.networks.pixel_flow import SMALLEST, FieldFlow

AT_ONCE = 250
"""Cells in one pass, sized for memory and cache."""


class PixelCINN(Network):
    """z = f(Φ⁻¹(x); y), x = Φ(f⁻¹(z; y)): it proposes grey cells with edges at 1/2 and has no surrogate.

    Training smears y by ``noise`` (of a z-score), because Ω is deterministic, and cells into fields of the same sign.
    """

    def __init__(self, d: int, m: int, noise: float = 0.02, hidden: int = 48, couplings: int = 4) -> None:
        super().__init__()
        self.d, self.m, self.latent_dim, self.noise = d, m, d, noise
        self.flow = FieldFlow(m, round(d**0.5), hidden, couplings)

    def fit_scales(self, x: Tensor, y: Tensor) -> None:
        """Standardize the field's scales with some of the cells x (n, 1024)."""
        self.flow.fit_scales(self.flow.smeared(x[:2000], Generator().manual_seed(0)))

    def sample(self, y_star: Tensor, z: Tensor) -> Tensor:
        """Posterior samples. (n, 1), (n, 1024) → (n, 1024)."""
        parts = zip(z.split(AT_ONCE), y_star.split(AT_ONCE), strict=True)
        return torch.special.ndtr(torch.cat([self.flow.inverse(part, y) for part, y in parts]).flatten(1))

    def encode(self, x: Tensor, y_star: Tensor) -> Tensor:
        """The latent point whose posterior sample for y* is x. (n, 1024), (n, 1) → (n, 1024)."""
        parts = zip(x.split(AT_ONCE), y_star.split(AT_ONCE), strict=True)
        return torch.cat([self._latent(part, y)[0] for part, y in parts])

    def cycle(self, y_star: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior samples x = h(y*, z), and f_z(x): equal to z up to round-off. → (n, 1024), (n, 1024)."""
        x = self.sample(y_star, z)
        return x, self.encode(x, y_star)

    def log_prob(self, x: Tensor, y_star: Tensor) -> Tensor:
        """log p̂(x | y*) by Eq. 3. (n, 1024), (n, 1) → (n,)."""
        z, log_det = self._latent(x, y_star)
        return standard_normal_log_prob(z) + log_det

    def _latent(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        field = torch.special.ndtri(x.clamp(SMALLEST, 1 - SMALLEST))
        z, log_det = self.flow(field.reshape(-1, 1, self.flow.side, self.flow.side), y)
        return z, log_det - standard_normal_log_prob(field)

    def losses(
        self, x: Tensor, y: Tensor, weights: dict[str, float], generator: Generator
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the negative log-likelihood of one batch, per pixel: cells x (n, 1024), their y along x and y (n, 2).

        Cells are shifted, mirrored and transposed at random, as the prior's symmetry allows.
        """
        z, log_det, _ = self._smeared(x, y, generator)
        yield {"nll": self._nll(z, log_det)}

    def validation_loss(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Mean negative log-likelihood of the smeared field, per pixel (selects φ*)."""
        generator = Generator().manual_seed(0)
        parts = zip(x.split(AT_ONCE), y.split(AT_ONCE), strict=True)
        z, log_det, _ = zip(*(self._smeared(part, y_part, generator) for part, y_part in parts), strict=True)
        return {"nll": self._nll(torch.cat(z), torch.cat(log_det))}

    def _nll(self, z: Tensor, log_det: Tensor) -> Tensor:
        return -(standard_normal_log_prob(z) + log_det).mean() / self.d

    def _smeared(self, x: Tensor, y: Tensor, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Latent point, log-determinant, and y (n, 1), for smeared cells and their smeared y."""
        x, swapped = shuffled_symmetry(x, generator)
        y = torch.where(swapped.to(y.device), y[:, 1], y[:, 0])[:, None]
        y = y + self.noise * torch.randn(y.shape, generator=generator).to(y)
        z, log_det = self.flow(self.flow.smeared(x, generator), y)
        return z, log_det, y
