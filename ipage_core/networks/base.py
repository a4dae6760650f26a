"""What fit(), the store and the engine ask of every network, with the usual answers."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Generator, Tensor, nn

from ipage_core.networks.standardize import Standardizer


class Network(nn.Module):
    """A network is built from its JSON-able arguments alone, e.g. ``INN(d=2, m=1)``.

    It writes :meth:`losses` and :meth:`validation_loss`; a surrogate also ``forward``, (n, d) → (n, m), and a proposal
    ``latent_dim`` and :meth:`sample`. Everything else has a default.
    """

    weight_sets: tuple[str, ...] = ("phi_star",)
    """What is kept: ``phi``, the weights at the end of training, ``phi_star``, those of the best epoch, or both."""
    latent_dim: int = 0
    """Coordinates of a latent point; 0 for a network that proposes no designs."""
    reads: torch.dtype = torch.float32
    """The type of number that it computes with."""
    x_scale: Standardizer
    y_scale: Standardizer

    def fit_scales(self, x: Tensor, y: Tensor) -> None:
        """Standardize by the training pairs x (n, d), y (n, m)."""
        self.x_scale.fit(x)
        self.y_scale.fit(y)

    def losses(
        self, x: Tensor, y: Tensor, weights: dict[str, float], generator: Generator
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the losses by name, each to be weighted, of one batch x (n, d), y (n, m); their gradients add up."""
        raise NotImplementedError

    def validation_loss(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Figures of unseen pairs by name; the first entry selects φ*."""
        raise NotImplementedError

    def density_parameters(self) -> list[nn.Parameter]:
        """What the likelihood trains, whose gradient is clipped: all of a proposal, nothing of a surrogate."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad and self.latent_dim]

    def sample(self, y_star: Tensor, z: Tensor) -> Tensor:
        """Posterior samples of a proposal. (n, m), (n, latent_dim) → (n, d)."""
        raise NotImplementedError

    def cycle(self, y_star: Tensor, z: Tensor) -> tuple[Tensor, Tensor | None]:
        """Posterior samples, and the latent points they map back to; None where the network is not invertible."""
        return self.sample(y_star, z), None

    @property
    def surrogate(self) -> Network:
        """What localization descends: itself, or a surrogate that it has taken over."""
        return self

    def predict(self, x: Tensor) -> Tensor:
        """What would be measured of designs; localization descends ``forward``. (n, d) → (n, m)."""
        return self(x)

    def spread(self, x: Tensor) -> Tensor | None:
        """Standard deviation of what several networks say. (n, d) → (n, m); None where there is one."""
        return None
