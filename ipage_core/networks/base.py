"""The interface that training, storage and design expect of every network, with defaults."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Generator, Tensor, nn

from ipage_core.networks.standardize import Standardizer


class Network(nn.Module):
    """A network, built from JSON arguments alone, e.g. ``INN(d=2, m=1)``.

    Every network has :meth:`losses` and :meth:`validation_loss`. A surrogate also has ``forward``, (n, d) → (n, m); a
    proposal has ``latent_dim`` and :meth:`sample`. Everything else has a default.
    """

    weight_sets: tuple[str, ...] = ("phi_star",)
    """Weights that are stored: ``phi`` at the end of training, ``phi_star`` of the best epoch, or both."""
    given_surrogate: bool = False
    """Whether its surrogate is always one that was trained before, which it takes over."""
    latent_dim: int = 0
    """Number of latent coordinates; 0 for a network that proposes no designs."""
    reads: torch.dtype = torch.float32
    """Number type of the computation."""
    x_scale: Standardizer
    y_scale: Standardizer

    def fit_scales(self, x: Tensor, y: Tensor) -> None:
        """Set the standardization from the training pairs x (n, d), y (n, m)."""
        self.x_scale.fit(x)
        self.y_scale.fit(y)

    def losses(
        self, x: Tensor, y: Tensor, weights: dict[str, float], generator: Generator
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the losses of one batch x (n, d), y (n, m) by name; each gets its weight, and gradients add up."""
        raise NotImplementedError

    def validation_loss(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Validation figures by name; the first one selects φ*."""
        raise NotImplementedError

    def density_parameters(self) -> list[nn.Parameter]:
        """Parameters whose gradient is clipped: all of a proposal, none of a surrogate."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad and self.latent_dim]

    def sample(self, y_star: Tensor, z: Tensor) -> Tensor:
        """Posterior samples of a proposal. (n, m), (n, latent_dim) → (n, d)."""
        raise NotImplementedError

    def cycle(self, y_star: Tensor, z: Tensor) -> tuple[Tensor, Tensor | None]:
        """Posterior samples, and the latent points they map back to; None for a network that is not invertible."""
        return self.sample(y_star, z), None

    @property
    def surrogate(self) -> Network:
        """The surrogate for localization: the network itself, or one that it contains."""
        return self

    def predict(self, x: Tensor) -> Tensor:
        """Predicted measurements of designs; localization uses ``forward``. (n, d) → (n, m)."""
        return self(x)

    def spread(self, x: Tensor) -> Tensor | None:
        """Standard deviation over an ensemble's predictions. (n, d) → (n, m); None for a single network."""
        return None

    def interval(self, x: Tensor) -> Tensor | None:
        """Intervals that hold 90 % of measurements, each property by itself. (n, d) → (2, n, m) low and high ends.

        None if the network's spread is not calibrated by itself: see :mod:`ipage_core.inference.calibration`.
        """
        return None
