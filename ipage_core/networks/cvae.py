"""Conditional variational autoencoder: x from a latent z and y (Sohn, Lee and Yan 2015; Kingma and Welling 2014)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Generator, Tensor, nn

from ipage_core.networks.base import Network
from ipage_core.networks.inn import dequantized, standard_normal_log_prob
from ipage_core.networks.mlp import SiLUNetwork, normalized_layers
from ipage_core.networks.standardize import Standardizer, Support

LEAST_LOG_SD = math.log(3e-3)
"""Least standard deviation of the decoder, in units of the standardized x; without it the likelihood is unbounded."""
DRAWS = 16
"""Latent points per pair in the importance-weighted bound."""


def annealed(beta: float, steps: Tensor, annealing: int) -> Tensor:
    """Weight of the KL term after a number of steps: it rises linearly to ``beta`` (Bowman et al. 2016)."""
    return beta * ((steps + 1) / max(1, annealing)).clamp(max=1.0)


def kl_to_standard_normal(mean: Tensor, log_sd: Tensor) -> Tensor:
    """KL(N(mean, sd²) ‖ N(0, I)). (n, k), (n, k) → (n,)."""
    return 0.5 * (mean.square() + (2 * log_sd).exp() - 1 - 2 * log_sd).sum(1)


class CVAE(Network):
    """Encoder q(z | x, y), prior N(0, I), decoder N(x; μ(z, y), diag σ²) over standardized x.

    σ is learned for each coordinate (Rybkin et al. 2021, arXiv:2006.13202), or is ``decoder_sd`` if given. A fixed σ is
    equivalent to a squared error with weight 1 and a KL term with weight 2σ² (Ren et al. 2020, whose networks are
    ``normalized``, with batch normalization and ReLU). A sample is the decoder's mean, as in the published comparisons
    (Ren et al. 2020, Kruse et al. 2021): for a deterministic Ω the posterior is a surface, and z moves along it. The KL
    term reaches the weight ``beta`` after ``annealing`` steps.
    """

    def __init__(
        self,
        d: int,
        m: int,
        latent: int,
        hidden: int = 256,
        layers: int = 3,
        beta: float = 1.0,
        annealing: int = 0,
        decoder_sd: float = 0.0,
        normalized: bool = False,
        noise: float = 0.0,
        dequantize: Sequence[float] = (),
        support: Support = (),
    ) -> None:
        super().__init__()
        self.d, self.m, self.latent_dim, self.beta, self.annealing = d, m, latent, beta, annealing
        self.noise, self.dequantize = noise, tuple(dequantize)
        self.x_scale, self.y_scale = Standardizer(d, support), Standardizer(m)
        network = normalized_layers if normalized else SiLUNetwork
        self.encoder = network(d + m, 2 * latent, hidden, layers)
        self.decoder = network(latent + m, d, hidden, layers)
        fixed = decoder_sd > 0
        self.log_sd = nn.Parameter(torch.full((d,), math.log(decoder_sd) if fixed else -1.0), requires_grad=not fixed)
        self.register_buffer("steps", torch.zeros(()))
        self.steps: Tensor

    def sample(self, y_star: Tensor, z: Tensor) -> Tensor:
        """Posterior samples: the decoder's mean. (n, m), (n, k) → (n, d)."""
        return self.x_scale.inverse(self.decoder(torch.cat((z, self.y_scale(y_star)), dim=1)))

    def _encoded(self, standardized: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_sd = self.encoder(torch.cat((standardized, y), dim=1)).chunk(2, dim=1)
        return mean, log_sd.clamp(-10, 4)

    def log_likelihood(self, standardized: Tensor, z: Tensor, y: Tensor) -> Tensor:
        """log p(x | z, y) of standardized designs (n, d) at latents z (n, k) and standardized y (n, m) → (n,)."""
        log_sd = self.log_sd.clamp(min=LEAST_LOG_SD)
        misfit = (standardized - self.decoder(torch.cat((z, y), dim=1))) / log_sd.exp()
        return standard_normal_log_prob(misfit) - log_sd.sum()

    def elbo(self, x: Tensor, y: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Log-likelihood at one draw z ~ q(z | x, y), per raw unit of x, and KL(q ‖ p): (n,) each."""
        standardized, given = self.x_scale(x), self.y_scale(y)
        mean, log_sd = self._encoded(standardized, given)
        z = mean + log_sd.exp() * torch.randn(mean.shape, generator=generator, dtype=mean.dtype).to(mean)
        fits = self.log_likelihood(standardized, z, given) + self.x_scale.log_det(standardized)
        return fits, kl_to_standard_normal(mean, log_sd)

    def bound(self, x: Tensor, y: Tensor, generator: Generator, draws: int = DRAWS) -> Tensor:
        """Importance-weighted bound on log p̂(x | y) (Burda, Grosse and Salakhutdinov 2016). (n, d), (n, m) → (n,)."""
        standardized, given = self.x_scale(x), self.y_scale(y)
        mean, log_sd = self._encoded(standardized, given)
        terms = []
        for _ in range(draws):
            noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype).to(mean)
            z = mean + log_sd.exp() * noise
            prior_over_q = standard_normal_log_prob(z) - standard_normal_log_prob(noise) + log_sd.sum(1)
            terms.append(self.log_likelihood(standardized, z, given) + prior_over_q)
        return torch.stack(terms).logsumexp(0) - math.log(draws) + self.x_scale.log_det(standardized)

    def losses(
        self, x: Tensor, y: Tensor, weights: dict[str, float], generator: Generator
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the negative evidence lower bound of one batch x (n, d), y (n, m), its KL term weighted."""
        noise = self.noise * self.y_scale.sd * torch.randn(y.shape, generator=generator).to(y)
        fits, kl = self.elbo(dequantized(x, self.dequantize, generator), y + noise, generator)
        yield {"nll": (annealed(self.beta, self.steps, self.annealing) * kl - fits).mean()}
        self.steps += 1

    def validation_loss(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Mean negative importance-weighted bound without noise on y (selects φ*), and the KL term in nats."""
        smeared = dequantized(x, self.dequantize, Generator().manual_seed(0))
        nll = -self.bound(smeared, y, Generator().manual_seed(1)).mean()
        return {"nll": nll, "kl": self.elbo(smeared, y, Generator().manual_seed(1))[1].mean()}
