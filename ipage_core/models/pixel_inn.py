"""The invertible network of pixel cells: [x, padding] ↔ [y, z] in 1024 + 1 dimensions, ordered as in :mod:`inn`."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Generator, Tensor, nn

from ipage_core.models.cell_modulus import CellSurrogate, shuffled_symmetry
from ipage_core.models.inn import standard_normal_log_prob
from ipage_core.models.losses import mmd
from ipage_core.models.pixel_flow import SMALLEST, FieldFlow

COARSE = 16
"""The last latent coordinates, those of the coarsest scales, are what L_z (Eq. 6) compares.

In all 1024 dimensions every distance between samples is alike, and the kernels see nothing.
"""


class PixelINN(nn.Module):
    """f: [x (1024), padding (1)] ↔ [y, z (1024)]: y = padding + t(x), then a flow of the field Φ⁻¹(x) given y.

    t is a :class:`CellSurrogate` trained before, taken over and left as it is; the flow is what this network learns.
    """

    weight_sets = ("phi", "phi_star")

    def __init__(
        self,
        d: int,
        m: int,
        mean: float,
        sd: float,
        modes: int = 6,
        widths: tuple[int, ...] = (24, 48, 96),
        padding_sd: float = 0.02,
        hidden: int = 32,
        couplings: int = 4,
    ) -> None:
        super().__init__()
        self.d, self.m, self.latent_dim, self.padding_sd = d, m, d, padding_sd
        self.t = CellSurrogate(d, m, mean, sd, modes, widths)
        self.flow = FieldFlow(m, round(d**0.5), hidden, couplings)

    def fit_scales(self, x: Tensor, y: Tensor) -> None:
        """Standardize the field's scales by some of the cells x (n, 1024)."""
        self.flow.fit_scales(self.flow.smeared(x[:2000], Generator().manual_seed(0)))

    def transport(self, x: Tensor, padding: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Eq. 2: x (n, 1024), padding (n, 1) → y (n, 1), z (n, 1024), log|det ∂[y, z]/∂[x, padding]| (n,)."""
        y = padding + self.t(x)
        z, log_det = self._latent(x, y)
        return y, z, log_det

    def inverse(self, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Eq. 1: y (n, 1), z (n, 1024) → x (n, 1024), padding (n, 1)."""
        x = torch.special.ndtr(self.flow.inverse(z, y).flatten(1))
        return x, y - self.t(x)

    def forward(self, x: Tensor) -> Tensor:
        """The surrogate f_y(x) = t(x) at zero padding. (n, 1024) → (n, 1)."""
        return self.t(x)

    def along_y(self, x: Tensor) -> Tensor:
        """The surrogate's z-score of E_y. (n, 1024) → (n, 1)."""
        return self.t.along_y(x)

    def sample(self, y_star: Tensor, z: Tensor) -> Tensor:
        """Posterior samples h(y*, z): grey cells, their edges at 1/2. (n, 1), (n, 1024) → (n, 1024)."""
        fields = [self.flow.inverse(part, y) for part, y in zip(z.split(250), y_star.split(250), strict=True)]
        return torch.special.ndtr(torch.cat(fields).flatten(1))

    def encode(self, x: Tensor, y_star: Tensor) -> Tensor:
        """The latent point whose posterior sample for y* is x. (n, 1024), (n, 1) → (n, 1024)."""
        return self._latent(x, y_star)[0]

    def cycle(self, y_star: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior samples x = h(y*, z), and f⁻¹(f(x)): equal to them but for round-off. → (n, 1024), (n, 1024)."""
        x = self.sample(y_star, z)
        return x, self.sample(y_star, self.encode(x, y_star))

    def log_prob(self, x: Tensor, y_star: Tensor) -> Tensor:
        """log p̂(x | y*) by Eq. 3. (n, 1024), (n, 1) → (n,)."""
        z, log_det = self._latent(x, y_star)
        return standard_normal_log_prob(z) + log_det

    def _latent(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        field = torch.special.ndtri(x.clamp(SMALLEST, 1 - SMALLEST))
        z, log_det = self.flow(field.reshape(-1, 1, self.flow.side, self.flow.side), y)
        return z, log_det - standard_normal_log_prob(field)

    def density_parameters(self) -> list[nn.Parameter]:
        """What the likelihood trains: the flow."""
        return list(self.flow.parameters())

    def losses(
        self, x: Tensor, y: Tensor, weights: dict[str, float], generator: Generator
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the losses of one batch: cells x (n, 1024), their y along x and along y (n, 2).

        The negative log-likelihood of the smeared field given y, per pixel; and L_z (Eq. 6) on the coarsest scales.
        Cells are shifted, mirrored and transposed at random, as the prior's symmetry allows.
        """
        z, log_det, y = self._trained(x, y, generator)
        losses = {"nll": -(standard_normal_log_prob(z) + log_det).mean() / self.d}
        if weights["z"]:
            normal = torch.randn(len(z), COARSE, generator=generator).to(z)
            losses["z"] = mmd(torch.cat((y, z[:, -COARSE:]), dim=1), torch.cat((y, normal), dim=1))
        yield losses

    def validation_loss(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Mean negative log-likelihood of the smeared field, per pixel (selects φ*)."""
        generator = Generator().manual_seed(0)
        parts = [
            self._trained(part, y_part, generator) for part, y_part in zip(x.split(250), y.split(250), strict=True)
        ]
        return {"nll": -torch.cat([standard_normal_log_prob(z) + log_det for z, log_det, _ in parts]).mean() / self.d}

    def _trained(self, x: Tensor, y: Tensor, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
        x, swapped = shuffled_symmetry(x, generator)
        y = torch.where(swapped.to(y.device), y[:, 1], y[:, 0])[:, None]
        y = y + self.padding_sd * torch.randn(y.shape, generator=generator).to(y)
        z, log_det = self.flow(self.flow.smeared(x, generator), y)
        return z, log_det, y
