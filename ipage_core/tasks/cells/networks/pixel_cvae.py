"""Conditional variational autoencoder of pixel cells: convolutions on the torus, Bernoulli pixels."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from ipage_core.networks.base import Network
from ipage_core.networks.cvae import annealed, kl_to_standard_normal
from ipage_core.tasks.cells.networks.cell_modulus import shuffled_symmetry
from ipage_core.tasks.cells.networks.pixel_flow import CircularConv


class PixelCVAE(Network):
    """Encoder q(z | x, y), prior N(0, I), decoder of independent Bernoulli pixels; z is a 4×4 map of ``channels``.

    Both are convolutional, from 32×32 to 4×4 and back; y is an extra channel. A sample is the decoder's mean: a grey
    cell with edges at 1/2. The KL term has the weight ``beta`` after ``annealing`` steps.
    """

    def __init__(
        self, d: int, m: int, channels: int = 16, hidden: int = 128, beta: float = 1.0, annealing: int = 0
    ) -> None:
        super().__init__()
        self.side, self.channels, self.latent_dim = round(d**0.5), channels, channels * 16
        self.beta, self.annealing = beta, annealing
        if self.side != 32:
            raise ValueError(f"Expected cells of 32 × 32 pixels, got d={d}")
        self.enter = nn.Sequential(CircularConv(4 + m, 32), nn.SiLU(), CircularConv(32, 32), nn.SiLU())
        self.shrink = nn.Sequential(nn.Conv2d(128, 64, 1), nn.SiLU(), CircularConv(64, 64), nn.SiLU())
        self.code = nn.Sequential(nn.Conv2d(256, hidden, 1), nn.SiLU(), CircularConv(hidden, 2 * channels))
        self.decode = nn.Sequential(
            CircularConv(channels + m, hidden), nn.SiLU(), CircularConv(hidden, hidden), nn.SiLU(),
            nn.Conv2d(hidden, 256, 1), nn.PixelShuffle(2), CircularConv(64, 64), nn.SiLU(),
            nn.Conv2d(64, 128, 1), nn.PixelShuffle(2), CircularConv(32, 32), nn.SiLU(),
            CircularConv(32, 4), nn.PixelShuffle(2),
        )  # fmt: skip
        self.register_buffer("steps", torch.zeros(()))
        self.steps: Tensor

    def fit_scales(self, x: Tensor, y: Tensor) -> None:
        """Nothing to fit: pixels are 0 or 1 and y is a z-score."""

    def encode(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log SD of q(z | x, y). (n, 1024), (n, m) → (n, k), (n, k)."""
        image = F.pixel_unshuffle(2 * x.reshape(-1, 1, self.side, self.side) - 1, 2)
        fine = self.enter(torch.cat((image, _spread(y, image)), dim=1))
        coarse = self.code(F.pixel_unshuffle(self.shrink(F.pixel_unshuffle(fine, 2)), 2))
        mean, log_sd = coarse.chunk(2, dim=1)
        return mean.flatten(1), log_sd.clamp(-10, 4).flatten(1)

    def logits(self, z: Tensor, y: Tensor) -> Tensor:
        """Log-odds that pixels are solid. (n, k), (n, m) → (n, 1024)."""
        code = z.reshape(-1, self.channels, 4, 4)
        return self.decode(torch.cat((code, _spread(y, code)), dim=1)).flatten(1)

    def sample(self, y_star: Tensor, z: Tensor) -> Tensor:
        """Posterior samples: probabilities that pixels are solid. (n, m), (n, k) → (n, 1024)."""
        parts = zip(z.split(250), y_star.split(250), strict=True)
        return torch.cat([self.logits(part, y).sigmoid() for part, y in parts])

    def elbo(self, x: Tensor, y: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Log-likelihood at one draw z ~ q(z | x, y), and KL(q ‖ p): (n,) each."""
        mean, log_sd = self.encode(x, y)
        z = mean + log_sd.exp() * torch.randn(mean.shape, generator=generator).to(mean)
        fits = -F.binary_cross_entropy_with_logits(self.logits(z, y), x, reduction="none").sum(1)
        return fits, kl_to_standard_normal(mean, log_sd)

    def losses(
        self, x: Tensor, y: Tensor, weights: dict[str, float], generator: Generator
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the negative evidence lower bound per pixel: cells x (n, 1024), their y along x and along y (n, 2)."""
        x, swapped = shuffled_symmetry(x, generator)
        fits, kl = self.elbo(x, torch.where(swapped.to(y.device), y[:, 1], y[:, 0])[:, None], generator)
        yield {"nll": (annealed(self.beta, self.steps, self.annealing) * kl - fits).mean() / x.shape[1]}
        self.steps += 1

    def validation_loss(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Mean negative evidence lower bound per pixel (selects φ*); its KL term."""
        generator = Generator().manual_seed(0)
        parts = [self.elbo(*part, generator) for part in zip(x.split(250), y[:, :1].split(250), strict=True)]
        fits, kl = (torch.cat(part).mean() / x.shape[1] for part in zip(*parts, strict=True))
        return {"nll": kl - fits, "kl": kl}


def _spread(y: Tensor, image: Tensor) -> Tensor:
    return y[:, :, None, None].expand(*y.shape, *image.shape[2:])
