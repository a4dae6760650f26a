"""The invertible network of pixel cells: [x, padding] ↔ [y, z] in 1024 + 1 dimensions, ordered as in :mod:`inn`."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from ipage_core.networks.losses import mmd
from ipage_core.tasks.cells.networks.cell_modulus import CellSurrogate
from ipage_core.tasks.cells.networks.pixel_cinn import PixelCINN

COARSE = 16
"""L_z (Eq. 6) compares only this many latent coordinates: the last ones, of the coarsest scales.

In all 1024 dimensions every distance between samples is alike, and the kernels cannot tell samples apart.
"""


class PixelINN(PixelCINN):
    """f: [x (1024), padding (1)] ↔ [y, z (1024)]: y = padding + t(x), then a flow of the field Φ⁻¹(x) given y.

    t is a pretrained, frozen :class:`CellSurrogate`; this network learns the flow.
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
        super().__init__(d, m, padding_sd, hidden, couplings)
        self.t = CellSurrogate(d, m, mean, sd, modes, widths).requires_grad_(False)

    def transport(self, x: Tensor, padding: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Eq. 2: x (n, 1024), padding (n, 1) → y (n, 1), z (n, 1024), log|det ∂[y, z]/∂[x, padding]| (n,)."""
        y = padding + self.t(x)
        z, log_det = self._latent(x, y)
        return y, z, log_det

    def inverse(self, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Eq. 1: y (n, 1), z (n, 1024) → x (n, 1024), padding (n, 1)."""
        x = self.sample(y, z)
        return x, y - self.t(x)

    def forward(self, x: Tensor) -> Tensor:
        """The surrogate f_y(x) = t(x) at zero padding. (n, 1024) → (n, 1)."""
        return self.t(x)

    def along_y(self, x: Tensor) -> Tensor:
        """The surrogate's z-score of E_y. (n, 1024) → (n, 1)."""
        return self.t.along_y(x)

    def losses(
        self, x: Tensor, y: Tensor, weights: dict[str, float], generator: Generator
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the cINN's loss, and L_z (Eq. 6) on the coarsest scales; see :meth:`PixelCINN.losses`."""
        z, log_det, y = self._smeared(x, y, generator)
        losses = {"nll": self._nll(z, log_det)}
        if weights["z"]:
            normal = torch.randn(len(z), COARSE, generator=generator).to(z)
            losses["z"] = mmd(torch.cat((y, z[:, -COARSE:]), dim=1), torch.cat((y, normal), dim=1))
        yield losses
