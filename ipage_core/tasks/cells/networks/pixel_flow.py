"""A conditional normalizing flow of pixel fields on the torus, from coarse to fine.

After Wavelet Flow (Yu et al. 2020, arXiv:2010.13821): affine couplings of circular convolutions model the Haar details
of each scale, given everything coarser and y.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

SMALLEST = 1e-6
"""Least distance of a density from 0 and 1."""
LARGEST_LOG_SCALE = 2.0


def haar(image: Tensor) -> tuple[Tensor, Tensor]:
    """Orthonormal Haar step. (n, 1, 2h, 2h) → averages (n, 1, h, h), details (n, 3, h, h)."""
    a, b, c, d = F.pixel_unshuffle(image, 2).unbind(1)
    return ((a + b + c + d) / 2)[:, None], torch.stack((a - b + c - d, a + b - c - d, a - b - c + d), dim=1) / 2


def unhaar(average: Tensor, details: Tensor) -> Tensor:
    """Inverse of :func:`haar`."""
    p, (q, r, s) = average[:, 0], details.unbind(1)
    return F.pixel_shuffle(torch.stack((p + q + r + s, p - q + r - s, p + q - r - s, p - q - r + s), dim=1) / 2, 2)


class CircularConv(nn.Conv2d):
    """A 3×3 convolution on the torus."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(n_in, n_out, 3)

    def forward(self, image: Tensor) -> Tensor:
        """(n, n_in, h, h) → (n, n_out, h, h)."""
        return super().forward(F.pad(image, (1, 1, 1, 1), mode="circular"))


def _affine_network(n_in: int, hidden: int) -> nn.Sequential:
    last = CircularConv(hidden, 6)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)  # type: ignore[arg-type]
    return nn.Sequential(CircularConv(n_in, hidden), nn.SiLU(), nn.Conv2d(hidden, hidden, 1), nn.SiLU(), last)


class Scale(nn.Module):
    """Details (n, 3, h, h) ↔ latent field of the same shape, given the averages (n, 1, h, h) and y (n, m).

    First every detail is shifted and scaled by functions of the averages; then checkerboard couplings let each half
    of the pixels see the other.
    """

    def __init__(self, side: int, m: int, hidden: int, couplings: int) -> None:
        super().__init__()
        self.read = nn.Sequential(CircularConv(1 + m, hidden), nn.SiLU(), CircularConv(hidden, hidden), nn.SiLU())
        self.first = nn.Sequential(CircularConv(hidden, hidden), nn.SiLU(), CircularConv(hidden, 6))
        self.couplings = nn.ModuleList(_affine_network(4 + hidden, hidden) for _ in range(couplings if side > 1 else 0))
        nn.init.zeros_(self.first[2].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.first[2].bias)  # type: ignore[arg-type]
        index = torch.arange(side)
        self.register_buffer("board", ((index[:, None] + index) % 2).float(), persistent=False)
        self.board: Tensor

    def _features(self, average: Tensor, y: Tensor) -> Tensor:
        given = y[:, :, None, None].expand(*y.shape, *average.shape[2:])
        return self.read(torch.cat((average, given), dim=1))

    def _shift_and_log_scale(self, k: int, details: Tensor, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        free = self.board if k % 2 == 0 else 1 - self.board
        seen = torch.cat((details * (1 - free), free.expand(len(details), 1, -1, -1), features), dim=1)
        shift, log_scale = self.couplings[k](seen).chunk(2, dim=1)
        return shift * free, _bounded(log_scale) * free, free

    def forward(self, details: Tensor, average: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """→ latent field, log|det| (n,)."""
        features = self._features(average, y)
        shift, log_scale = self.first(features).chunk(2, dim=1)
        log_scale = _bounded(log_scale)
        details = details * log_scale.exp() + shift
        log_det = log_scale.flatten(1).sum(1)
        for k in range(len(self.couplings)):
            shift, log_scale, _ = self._shift_and_log_scale(k, details, features)
            details = details * log_scale.exp() + shift
            log_det = log_det + log_scale.flatten(1).sum(1)
        return details, log_det

    def inverse(self, latent: Tensor, average: Tensor, y: Tensor) -> Tensor:
        """The details with this latent field."""
        features = self._features(average, y)
        for k in reversed(range(len(self.couplings))):
            shift, log_scale, _ = self._shift_and_log_scale(k, latent, features)
            latent = (latent - shift) * (-log_scale).exp()
        shift, log_scale = self.first(features).chunk(2, dim=1)
        return (latent - shift) * (-_bounded(log_scale)).exp()


def _bounded(log_scale: Tensor) -> Tensor:
    return LARGEST_LOG_SCALE * torch.tanh(log_scale / LARGEST_LOG_SCALE)


class FieldFlow(nn.Module):
    """Densities x in (0, 1), (n, side²) ↔ z (n, side²) given standardized y (n, m).

    It works on the field v = Φ⁻¹(x), whose sign is the cell. A binary cell has no density, so training smears it
    over fields of that sign: v = ± ``depth``·|blurred cell|, at least ``floor``, plus N(0, ``noise``²). The couplings
    model such fields well: they are smooth and show the distance to the edge.
    """

    def __init__(
        self,
        m: int,
        side: int = 32,
        hidden: int = 32,
        couplings: int = 4,
        depth: float = 2.0,
        floor: float = 0.3,
        noise: float = 0.12,
    ) -> None:
        super().__init__()
        self.side, self.depth, self.floor, self.noise = side, depth, floor, noise
        sides = [side // 2 ** (k + 1) for k in range(round(math.log2(side)))]
        self.scales = nn.ModuleList(Scale(h, m, hidden, couplings) for h in sides)
        self.mean = nn.Sequential(nn.Linear(m, hidden), nn.SiLU(), nn.Linear(hidden, 2))
        # Per scale: standard deviation of averages and of the three details.
        self.register_buffer("sd", torch.ones(len(sides), 4))
        self.sd: Tensor

    def smeared(self, x: Tensor, generator: Generator) -> Tensor:
        """Black-and-white cells (n, side²) → fields v (n, 1, side, side) of that sign."""
        sign = 2 * (x.reshape(-1, 1, self.side, self.side) > 0.5).to(self.sd) - 1
        weights = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]).to(sign) / 16
        blurred = F.conv2d(F.pad(sign, (2, 2, 2, 2), mode="circular"), (weights[:, None] * weights)[None, None])
        noise = torch.randn(sign.shape, generator=generator).to(sign)
        return sign * (self.depth * sign * blurred).clamp(min=self.floor) + self.noise * noise

    def fit_scales(self, fields: Tensor) -> None:
        """Standardize every scale with fields v (n, 1, side, side)."""
        average = fields
        for k in range(len(self.sd)):
            average, details = haar(average)
            self.sd[k, 0] = average.std()
            self.sd[k, 1:] = details.std(dim=(0, 2, 3))

    def forward(self, fields: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """v (n, 1, side, side), y (n, m) → z (n, side²), log|det ∂z/∂v| (n,)."""
        average, latents, log_det = fields, [], fields.new_zeros(len(fields))
        for scale, sd in zip(self.scales, self.sd, strict=True):
            average, details = haar(average)
            latent, more = scale(details / sd[1:, None, None], average / sd[0], y)
            latents.append(latent.flatten(1))
            log_det = log_det + more - sd[1:].log().sum() * details[0, 0].numel()
        shift, log_scale = self.mean(y).chunk(2, dim=1)
        top = average.flatten(1) / self.sd[-1, 0]
        latents.append(top * log_scale.exp() + shift)
        log_det = log_det + log_scale[:, 0] - self.sd[-1, 0].log()
        return torch.cat(latents, dim=1), log_det

    def inverse(self, z: Tensor, y: Tensor) -> Tensor:
        """z (n, side²), y (n, m) → v (n, 1, side, side)."""
        shift, log_scale = self.mean(y).chunk(2, dim=1)
        average = ((z[:, -1:] - shift) * (-log_scale).exp() * self.sd[-1, 0])[:, :, None, None]
        ends = torch.tensor([3 * (self.side // 2 ** (k + 1)) ** 2 for k in range(len(self.sd))]).cumsum(0).tolist()
        for k in reversed(range(len(self.sd))):
            h = self.side // 2 ** (k + 1)
            latent = z[:, ends[k] - 3 * h * h : ends[k]].reshape(-1, 3, h, h)
            details = self.scales[k].inverse(latent, average / self.sd[k, 0], y)  # type: ignore[operator]
            average = unhaar(average, details * self.sd[k, 1:, None, None])
        return average
