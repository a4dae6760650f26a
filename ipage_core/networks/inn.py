"""The invertible network [x, padding] ↔ [y, z]: surrogate and posterior in one (paper, Eqs. 1–7)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from nflows.transforms import AdditiveCouplingTransform, CompositeTransform, Transform
from torch import Generator, Tensor, nn

from ipage_core.networks.base import Network
from ipage_core.networks.ensemble import Ensemble
from ipage_core.networks.losses import mmd
from ipage_core.networks.mlp import MLP, SiLUNetwork
from ipage_core.networks.splines import conditional_splines, coupling_masks, spline_coupling
from ipage_core.networks.standardize import Standardizer, Support


def standard_normal_log_prob(z: Tensor) -> Tensor:
    """log N(z; 0, I). (n, k) → (n,)."""
    return -0.5 * (z.square().sum(1) + z.shape[1] * math.log(2 * math.pi))


def dequantized(x: Tensor, half_widths: Sequence[float], generator: Generator) -> Tensor:
    """Add uniform noise within the spacing of discrete coordinates, because a density needs it. (n, d) → (n, d)."""
    if not any(half_widths):
        return x
    noise = 2 * torch.rand(x.shape, generator=generator, dtype=x.dtype).to(x.device) - 1
    return x + noise * torch.tensor(half_widths, dtype=x.dtype, device=x.device)


class Taken(nn.Module):
    """A trained surrogate t of raw designs, in the standardized coordinates of the couplings."""

    def __init__(self, surrogate: nn.Module, x_scale: Standardizer, y_scale: Standardizer) -> None:
        super().__init__()
        self.parts = (surrogate, x_scale, y_scale)  # a tuple, so that the weights are not stored twice

    def forward(self, x: Tensor, context: None = None) -> Tensor:
        """(n, d) standardized → (n, m) in units of y's SD. ``context`` is there because nflows passes one."""
        surrogate, x_scale, y_scale = self.parts
        return y_scale(surrogate(x_scale.inverse(x)))


class INN(Network):
    """f: [x (d), padding (m)] ↔ [y (m), z (d)], exactly invertible.

    ``order="ordered"``: an additive coupling y = padding + t(x), then spline couplings of x given y. With zero padding
    the forward pass is t(x), the surrogate. The splines are the posterior p(x | y). At a posterior sample the padding
    holds the misfit y* − t(x); setting it to zero gives localization its gradient.

    t and the splines share no weights and exchange no gradients. So t is a ``surrogate`` that is trained first by its
    own recipe, e.g. ``{"model": "mlp"}`` with its arguments, one of ``surrogates``. The INN copies its weights, keeps
    them fixed and trains the splines. Without ``surrogate`` it trains t as well, by L_y (Eq. 5); then φ is for the
    inverse and φ*, the best epoch of L_y, for the forward.

    ``order="alternating"``: couplings of all of [x, padding] in turn, as in the literature (Ardizzone et al. 2018,
    arXiv:1808.04730), for comparison.

    During training the padding is noise N(0, padding_sd²) in units of y's standard deviation.
    """

    weight_sets: tuple[str, ...] = ("phi", "phi_star")
    surrogates: ClassVar[Mapping[str, type[Any]]] = {"mlp": MLP, "ensemble": Ensemble}
    """The networks that t can be."""

    def __init__(
        self,
        d: int,
        m: int,
        order: Literal["ordered", "alternating"] = "ordered",
        padding_sd: float = 0.02,
        surrogate_hidden: int = 256,
        surrogate_layers: int = 3,
        couplings: int = 8,
        hidden: int = 64,
        blocks: int = 2,
        bins: int = 8,
        tail_bound: float = 5.0,
        smallest_bin: float = 1e-3,
        dequantize: Sequence[float] = (),
        support: Support = (),
        surrogate: Mapping[str, Any] | None = None,
        logarithmic: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.d, self.m, self.latent_dim, self.order = d, m, d, order
        self.padding_sd, self.dequantize = padding_sd, tuple(dequantize)
        self.x_scale, self.y_scale = Standardizer(d, support, logarithmic), Standardizer(m)
        self.transform: Transform
        self.t: Network | None = None
        if order == "ordered":
            writes_padding = torch.cat((torch.full((d,), -1), torch.ones(m, dtype=torch.long)))
            splines = conditional_splines(d, m, couplings, hidden, blocks, bins, tail_bound, smallest_bin)
            if surrogate is not None:
                arguments = {"d": d, "m": m, **surrogate}
                self.t = self.surrogates[arguments.pop("model")](**arguments).requires_grad_(False)
                self.weight_sets = ("phi",)

            def t(n_in: int, n_out: int) -> nn.Module:
                if self.t is not None:
                    return Taken(self.t, self.x_scale, self.y_scale)
                return SiLUNetwork(n_in, n_out, surrogate_hidden, surrogate_layers, self.x_scale.bounded)

            self.transform = CompositeTransform([AdditiveCouplingTransform(writes_padding, t), splines])
        elif order == "alternating":
            # No permutations between: y is written onto the padding, so it can be any function of x. Written onto a
            # coordinate of x, it would have to grow with this one.
            self.weight_sets = ("phi",)  # one network: its y alone is of no use
            masks = coupling_masks(d + m, couplings)
            self.transform = CompositeTransform(
                [spline_coupling(mask, hidden, blocks, bins, tail_bound, smallest_bin) for mask in masks]
            )
        else:
            raise ValueError(f"Expected order 'ordered' or 'alternating', got {order!r}")

    def transport(self, x: Tensor, padding: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Eq. 2: x (n, d), padding (n, m) → y (n, m), z (n, d), log|det ∂[y, z]/∂[x, padding]| (n,)."""
        standardized = self.x_scale(x)
        out, log_det = self.transform(torch.cat((standardized, padding), dim=1))
        log_det = log_det + self.y_scale.sd.log().sum() + self.x_scale.log_det(standardized)
        return self.y_scale.inverse(out[:, self.d :]), out[:, : self.d], log_det

    def inverse(self, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Eq. 1: y (n, m), z (n, d) → x (n, d), padding (n, m)."""
        out, _ = self.transform.inverse(torch.cat((z, self.y_scale(y)), dim=1))
        return self.x_scale.inverse(out[:, : self.d]), out[:, self.d :]

    def forward(self, x: Tensor) -> Tensor:
        """The surrogate f_y(x) at zero padding. (n, d) → (n, m)."""
        if self.t is not None:
            return self.t(x)
        if self.order == "alternating":
            return self.transport(x, x.new_zeros(len(x), self.m))[0]
        # The splines do not change y, so only t(x) is computed; from x itself, because the standardizing map has no
        # gradient outside the bounds.
        return self.y_scale.inverse(self.transform._transforms[0].transform_net.read(self.x_scale.flat(x)))

    @property
    def surrogate(self) -> Network:
        """The copied surrogate t, or the network itself."""
        return self if self.t is None else self.t

    @property
    def posterior(self) -> Transform:
        """The couplings of x given y of an ordered network: its p(x | y), which does not contain the surrogate."""
        if self.order != "ordered":
            raise ValueError("Expected an ordered INN: the alternating one has no closed-form p(x | y)")
        return self.transform._transforms[1]

    def sample(self, y_star: Tensor, z: Tensor) -> Tensor:
        """Posterior samples h(y*, z). (n, m), (n, d) → (n, d)."""
        if self.order == "alternating":
            return self.inverse(y_star, z)[0]
        out, _ = self.posterior.inverse(torch.cat((z, self.y_scale(y_star)), dim=1))
        return self.x_scale.inverse(out[:, : self.d])

    def cycle(self, y_star: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior samples x = h(y*, z), and f_z(x): equal to z but for round-off. → (n, d), (n, d)."""
        if self.order == "alternating":
            x, padding = self.inverse(y_star, z)
            return x, self.transport(x, padding)[1]
        x = self.sample(y_star, z)
        return x, self.encode(x, y_star)

    def encode(self, x: Tensor, y_star: Tensor) -> Tensor:
        """The latent point whose posterior sample for y* is x (ordered network only). (n, d), (n, m) → (n, d)."""
        out, _ = self.posterior(torch.cat((self.x_scale(x), self.y_scale(y_star)), dim=1))
        return out[:, : self.d]

    def log_prob(self, x: Tensor, y_star: Tensor) -> Tensor:
        """log p̂(x | y*) by Eq. 3, per raw unit of x. (n, d), (n, m) → (n,).

        Only the ordered network has it in closed form: its splines are a conditional density of x given y.
        """
        standardized = self.x_scale(x)
        out, log_det = self.posterior(torch.cat((standardized, self.y_scale(y_star)), dim=1))
        return standard_normal_log_prob(out[:, : self.d]) + log_det + self.x_scale.log_det(standardized)

    def density_parameters(self) -> list[nn.Parameter]:
        """Parameters trained by the likelihood: the splines of an ordered network, all of an alternating one."""
        return list((self.posterior if self.order == "ordered" else self.transform).parameters())

    def losses(
        self, x: Tensor, y: Tensor, weights: dict[str, float], generator: Generator
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the losses of the forward, then of the inverse direction, for one batch x (n, d), y (n, m).

        Their gradients are accumulated before the update. Forward: L_y (Eq. 5), unless t is already trained; L_z
        (Eq. 6), without gradient into y; the negative log-likelihood of [x, padding] by change of variables. Inverse:
        L_x (Eq. 7).
        """

        def normal(k: int) -> Tensor:
            return torch.randn(len(x), k, generator=generator).to(x)

        target = self.y_scale(y)
        forward = {} if self.t is not None else {"y": (self.y_scale(self(x)) - target).square().sum(1).mean()}
        if weights["nll"] or weights["z"]:
            y_hat, z, log_det = self._transport_pairs(x, target, self.padding_sd * normal(self.m), generator)
            if weights["nll"]:
                forward["nll"] = -(standard_normal_log_prob(z) + log_det).mean()
                if self.order == "alternating":  # y is a coordinate of its own there and must lie within the noise
                    misfit = (self.y_scale(y_hat) - target) / self.padding_sd
                    forward["nll"] = forward["nll"] + 0.5 * misfit.square().sum(1).mean()
            if weights["z"]:
                joint = torch.cat((self.y_scale(y_hat).detach(), z), dim=1)
                forward["z"] = mmd(joint, torch.cat((target, normal(self.d)), dim=1))
        if forward:
            yield forward
        if weights["x"]:
            shuffled = y[torch.randperm(len(y), generator=generator).to(y.device)]
            x_drawn, _ = self.inverse(shuffled, normal(self.d))
            yield {"x": mmd(self.x_scale(x_drawn), self.x_scale(x))}

    def _transport_pairs(
        self, x: Tensor, target: Tensor, noise: Tensor, generator: Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Eq. 2 at training pairs, padding: ``noise`` (ordered: plus the pair's misfit, so that y is the datum's)."""
        smeared = dequantized(x, self.dequantize, generator)
        if self.order == "alternating":
            return self.transport(smeared, noise)
        # The likelihood is that of x given y: no gradient flows into t, or it would distort the surrogate.
        with torch.no_grad():
            moved = self.y_scale(self(smeared)) - self.y_scale(self(x)) if any(self.dequantize) else 0.0
            y = target + moved + noise
        out, log_det = self.posterior(torch.cat((self.x_scale(smeared), y), dim=1))
        return self.y_scale.inverse(y), out[:, : self.d], log_det

    def validation_loss(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Mean ‖f_y(x) − y‖² (selects φ*), and the mean negative log posterior density if it is known."""
        figures = {"l2": (self(x) - y).square().sum(1).mean()}
        if self.order == "ordered":
            generator = Generator().manual_seed(0)
            noise = self.padding_sd * torch.randn(y.shape, generator=generator).to(y)
            _, z, log_det = self._transport_pairs(x, self.y_scale(y), noise, generator)
            figures["nll"] = -(standard_normal_log_prob(z) + log_det).mean()
        return figures
