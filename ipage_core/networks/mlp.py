"""Multilayer perceptrons; with SiLU, the surrogate of iPage and of the control."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Generator, Tensor, nn

from ipage_core.networks.base import Network
from ipage_core.networks.standardize import Standardizer, flattened


class SiLUNetwork(nn.Sequential):
    """``layers`` hidden SiLU layers of ``hidden`` units; ``bounded`` coordinates enter on their uniform scale."""

    def __init__(self, n_in: int, n_out: int, hidden: int, layers: int, bounded: Sequence[int] = ()) -> None:
        widths = [n_in, *[hidden] * layers]
        modules: list[nn.Module] = []
        for a, b in pairwise(widths):
            modules += [nn.Linear(a, b), nn.SiLU()]
        super().__init__(*modules, nn.Linear(hidden, n_out))
        self.bounded = list(bounded)

    def forward(self, x: Tensor, context: None = None) -> Tensor:
        """(n, n_in) standardized → (n, n_out). ``context`` is there because nflows passes one."""
        return self.read(flattened(x, self.bounded))

    def read(self, flat: Tensor) -> Tensor:
        """The same for coordinates already on their uniform scale."""
        return super().forward(flat)


def normalized_layers(n_in: int, n_out: int, hidden: int, layers: int) -> nn.Sequential:
    """``layers`` hidden layers of linear, batch normalization and ReLU, then a linear one."""
    modules: list[nn.Module] = []
    for a, b in pairwise([n_in, *[hidden] * layers]):
        modules += [nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU()]
    return nn.Sequential(*modules, nn.Linear(hidden, n_out))


class MLP(Network):
    """Surrogate ŷ = f(x). (n, d) → (n, m), raw units in and out."""

    def __init__(self, d: int, m: int, hidden: int = 256, layers: int = 3) -> None:
        super().__init__()
        self.x_scale, self.y_scale = Standardizer(d), Standardizer(m)
        self.net = self.build(d, m, hidden, layers)

    @staticmethod
    def build(d: int, m: int, hidden: int, layers: int) -> nn.Sequential:
        """The network between standardized designs and standardized properties."""
        return SiLUNetwork(d, m, hidden, layers)

    def forward(self, x: Tensor) -> Tensor:
        """(n, d) → (n, m)."""
        return self.y_scale.inverse(self.net(self.x_scale(x)))

    def losses(
        self, x: Tensor, y: Tensor, weights: dict[str, float], generator: Generator
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the forward ℓ2 loss (paper, Eq. 5) in standardized units."""
        yield {"y": (self.net(self.x_scale(x)) - self.y_scale(y)).square().sum(1).mean()}

    def validation_loss(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Mean ‖f(x) − y‖² over the pairs; the first entry selects φ*."""
        return {"l2": (self(x) - y).square().sum(1).mean()}
