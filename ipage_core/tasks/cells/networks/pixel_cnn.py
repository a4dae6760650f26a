"""A plain convolutional network on the torus: the surrogate of the neural-adjoint method on pixel cells."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from ipage_core.networks.base import Network
from ipage_core.tasks.cells.networks.cell_modulus import shuffled_symmetry
from ipage_core.tasks.cells.networks.pixel_flow import CircularConv


class PixelCNN(Network):
    """Surrogate ŷ = f(x) of cells: (n, 1024) densities → (n, m) z-scores; from 32×32 to 4×4, then the mean."""

    def __init__(self, d: int, m: int, hidden: int = 256) -> None:
        super().__init__()
        self.side = round(d**0.5)
        self.net = nn.Sequential(
            nn.PixelUnshuffle(2), CircularConv(4, 32), nn.SiLU(), CircularConv(32, 32), nn.SiLU(),
            nn.PixelUnshuffle(2), nn.Conv2d(128, 64, 1), nn.SiLU(), CircularConv(64, 64), nn.SiLU(),
            nn.PixelUnshuffle(2), nn.Conv2d(256, hidden, 1), nn.SiLU(), CircularConv(hidden, hidden), nn.SiLU(),
        )  # fmt: skip
        self.head = nn.Sequential(nn.Linear(hidden, 128), nn.SiLU(), nn.Linear(128, m))

    def fit_scales(self, x: Tensor, y: Tensor) -> None:
        """Nothing to fit: pixels lie between 0 and 1 and y is a z-score."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, 1024) → (n, m)."""
        parts = (2 * x - 1).reshape(-1, 1, self.side, self.side).split(500)
        return torch.cat([self.head(self.net(part).mean(dim=(2, 3))) for part in parts])

    def losses(
        self, x: Tensor, y: Tensor, weights: dict[str, float], generator: Generator
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the squared error: cells x (n, 1024), their y along x and along y (n, 2)."""
        x, swapped = shuffled_symmetry(x, generator)
        y = torch.where(swapped.to(y.device), y[:, 1], y[:, 0])[:, None]
        yield {"y": F.mse_loss(self(x), y)}

    def validation_loss(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Mean squared error of y (selects φ*)."""
        return {"l2": F.mse_loss(self(x), y[:, :1])}
