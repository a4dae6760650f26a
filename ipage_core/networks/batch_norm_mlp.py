"""The surrogate of the neural-adjoint method as published (Ren et al. 2020, arXiv:2009.12919)."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Generator, Tensor

from ipage_core.networks.base import Network
from ipage_core.networks.mlp import normalized_layers
from ipage_core.networks.standardize import Standardizer


class BatchNormMLP(Network):
    """The published surrogate: layers of linear, batch normalization, ReLU. (n, d) → (n, m), raw units."""

    def __init__(self, d: int, m: int, hidden: int = 500, layers: int = 4) -> None:
        super().__init__()
        self.x_scale, self.y_scale = Standardizer(d), Standardizer(m)
        self.net = normalized_layers(d, m, hidden, layers)

    def forward(self, x: Tensor) -> Tensor:
        """(n, d) → (n, m)."""
        return self.y_scale.inverse(self.net(self.x_scale(x)))

    def losses(
        self, x: Tensor, y: Tensor, weights: dict[str, float], generator: Generator
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the squared error in standardized units."""
        yield {"y": (self.net(self.x_scale(x)) - self.y_scale(y)).square().sum(1).mean()}

    def validation_loss(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Mean ‖f(x) − y‖² over the pairs (selects φ*)."""
        return {"l2": (self(x) - y).square().sum(1).mean()}
