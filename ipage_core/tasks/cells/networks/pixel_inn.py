"""The invertible network of pixel cells: [x, padding] ↔ [y, z] in 1024 + 1 dimensions, ordered as in :mod:`inn`."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from ipage_core.networks.losses import mmd
from ipage_core.tasks.cells.networks.cell_modulus import CellSurrogate, shuffled_symmetry
from ipage_core.tasks.cells.networks.pixel_cinn import PixelCINN
from ipage_core.tasks.cells.networks.pixel_flow import haar

COARSE = 16
"""L_z (Eq. 6) compares only this many latent coordinates: the last ones, of the coarsest scales.

In all 1024 dimensions every distance between samples is alike, and the kernels cannot tell samples apart.
"""
WINDOW = 4
"""L_x (Eq. 7) compares windows of 4×4 values, for the same reason: of the field, and of its averages on each scale."""


def mmd_of_windows(drawn: Tensor, given: Tensor, generator: Generator) -> Tensor:
    """MMD² between fields (n, 1, side, side), summed over the scales: a random window of each, in standard units."""
    total = drawn.new_zeros(())
    while (side := drawn.shape[-1]) >= WINDOW:
        shift = tuple(torch.randint(0, side, (2,), generator=generator).tolist())
        a, b = (field.roll(shift, (2, 3))[:, 0, :WINDOW, :WINDOW].flatten(1) for field in (drawn, given))
        total = total + mmd(a / b.std(), b / b.std())
        drawn, given = haar(drawn)[0], haar(given)[0]
    return total


class PixelINN(PixelCINN):
    """f: [x (1024), padding (1)] ↔ [y, z (1024)]: y = padding + t(x), then a flow of the field Φ⁻¹(x) given y.

    t is a pretrained, frozen :class:`CellSurrogate`; this network learns the flow.
    """

    weight_sets = ("phi", "phi_star")
    given_surrogate = True

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
        """Yield the cINN's loss and L_z (Eq. 6) on the coarsest scales, then L_x (Eq. 7); see :meth:`PixelCINN.losses`.

        A loss of weight 0 is left out.
        """
        forward = {}
        if weights["nll"] or weights["z"]:
            z, log_det, y_smeared = self._smeared(x, y, generator)
            if weights["nll"]:
                forward["nll"] = self._nll(z, log_det)
            if weights["z"]:
                normal = torch.randn(len(z), COARSE, generator=generator).to(z)
                forward["z"] = mmd(torch.cat((y_smeared, z[:, -COARSE:]), 1), torch.cat((y_smeared, normal), 1))
        if forward:
            yield forward
        if weights["x"]:
            x, _ = shuffled_symmetry(x, generator)
            shuffled = y[torch.randperm(len(y), generator=generator).to(y.device), :1]
            drawn = self.flow.inverse(torch.randn(x.shape, generator=generator).to(x), shuffled)
            yield {"x": mmd_of_windows(drawn, self.flow.smeared(x, generator), generator)}
