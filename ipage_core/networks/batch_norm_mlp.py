"""The surrogate of the neural-adjoint method as published (Ren et al. 2020, arXiv:2009.12919)."""

from __future__ import annotations

from torch import nn

from ipage_core.networks.mlp import MLP, normalized_layers


class BatchNormMLP(MLP):
    """The published surrogate: layers of linear, batch normalization, ReLU. (n, d) → (n, m), raw units."""

    def __init__(self, d: int, m: int, hidden: int = 500, layers: int = 4) -> None:
        super().__init__(d, m, hidden, layers)

    @staticmethod
    def build(d: int, m: int, hidden: int, layers: int) -> nn.Sequential:
        """The network between standardized designs and standardized properties."""
        return normalized_layers(d, m, hidden, layers)
