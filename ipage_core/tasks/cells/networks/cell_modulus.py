"""The surrogate of the architecture task: a network predicts how a cell deforms, and the energy gives E_x.

E_x is the least mean strain energy (times 2) of any periodic displacement with mean strain ε_xx = 1. So the energy of a
*predicted* displacement bounds E_x from above, with the square of the prediction's error. A convolutional network on
the torus reads the densities and proposes a few displacement fields (``modes``); their best combination, with the free
mean strains ε_yy and γ_xy, follows from a small linear system (Rayleigh–Ritz). A second small network estimates the
remaining error, always of one sign. The element is that of
:mod:`ipage_core.tasks.cells.homogenization`; the networks are fitted to the cells' energy and modulus only.

At the least energy, ∂E_x/∂ρ is the energy density at fixed displacement. Outside training the design gradient is
computed this way: one forward pass, and no path through the network for a descent to exploit.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from ipage_core.networks.base import Network
from ipage_core.tasks.cells.homogenization import E_VOID, POISSON, element_modes
from ipage_core.tasks.cells.networks.pixel_flow import CircularConv
from ipage_core.tasks.cells.space import blur, sharpen

SIDE = 32
RIDGE = 1e-5
"""Added to the diagonal of the Rayleigh–Ritz system, as a share of it: predicted fields may be linearly dependent."""
AT_ONCE = 128
"""Cells in one pass outside training, sized for a processor's cache. A pass of 1000 takes a fifth longer."""
GREY = 0.3
"""Share of each training batch made grey, because localization passes through grey cells; needs no labels."""


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = CircularConv(width, width), CircularConv(width, width)
        nn.init.zeros_(self.second.weight)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.second(F.silu(self.first(F.silu(h))))


class DisplacementNetwork(nn.Module):
    """A U-Net on the torus: densities → displacements."""

    def __init__(self, modes: int, widths: tuple[int, int, int]) -> None:
        super().__init__()
        a, b, c = widths
        self.enter, self.fine = CircularConv(4, a), _Residual(a)
        self.to_middle, self.middle = nn.Conv2d(4 * a, b, 1), _Residual(b)
        self.to_coarse, self.coarse = nn.Conv2d(4 * b, c, 1), nn.Sequential(_Residual(c), _Residual(c))
        self.from_coarse, self.middle_again = nn.Conv2d(c, 4 * b, 1), _Residual(b)
        self.from_middle, self.fine_again = nn.Conv2d(b, 4 * a, 1), _Residual(a)
        self.leave = CircularConv(a, 4 * 2 * modes)

    def forward(self, densities: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 1, 32, 32) → displacements (n, 2·modes, 32, 32), features (n, widths[2])."""
        fine = self.fine(self.enter(F.pixel_unshuffle(2 * densities - 1, 2)))
        middle = self.middle(self.to_middle(F.pixel_unshuffle(fine, 2)))
        coarse = self.coarse(self.to_coarse(F.pixel_unshuffle(middle, 2)))
        middle = self.middle_again(middle + F.pixel_shuffle(self.from_coarse(coarse), 2))
        fine = self.fine_again(fine + F.pixel_shuffle(self.from_middle(middle), 2))
        return F.pixel_shuffle(self.leave(F.silu(fine)), 2), coarse.mean(dim=(2, 3))


class CellModulus(nn.Module):
    """Densities (n, 1024) in [0, 1] → E_x in units of E_s: the bound (n,), and the estimate (n,) just below it."""

    element: Tensor
    mean_strains: Tensor

    def __init__(self, modes: int = 6, widths: tuple[int, int, int] = (24, 48, 96)) -> None:
        super().__init__()
        self.modes = modes
        self.network = DisplacementNetwork(modes, widths)
        self.excess = nn.Sequential(nn.Linear(widths[2] + 1, 64), nn.SiLU(), nn.Linear(64, 1))
        nn.init.constant_(self.excess[2].bias, -3.0)  # type: ignore[arg-type]
        strain, uniform = element_modes(POISSON)
        # Nodes of an element, counter-clockwise from its lower left corner, as a 2×2 kernel [iy, ix].
        kernel = np.zeros((len(strain), 2, 2, 2))
        for node, (ix, iy) in enumerate(((0, 0), (1, 0), (1, 1), (0, 1))):
            kernel[:, :, iy, ix] = strain[:, 2 * node : 2 * node + 2]
        self.register_buffer("element", torch.from_numpy(kernel).float(), persistent=False)
        self.register_buffer("mean_strains", torch.from_numpy(uniform).float(), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 1024) → bound (n,), estimate (n,)."""
        if self.training or len(x) <= AT_ONCE:
            return self._read(x)
        bounds, estimates = zip(*map(self._read, x.split(AT_ONCE)), strict=True)
        return torch.cat(bounds), torch.cat(estimates)

    def _read(self, x: Tensor) -> tuple[Tensor, Tensor]:
        with torch.set_grad_enabled(self.training and torch.is_grad_enabled()):
            displacement, features = self.network(x.detach().reshape(-1, 1, SIDE, SIDE))
            displacement = displacement.reshape(-1, 2, SIDE, SIDE)
            guessed = F.conv2d(F.pad(displacement, (0, 1, 0, 1), mode="circular"), self.element)
            guessed = guessed.reshape(len(x), self.modes, -1)
            uniform = self.mean_strains[:, :, None].expand(-1, -1, SIDE * SIDE).reshape(1, 3, -1)
            trials = torch.cat((uniform.expand(len(x), -1, -1), guessed), dim=1)  # n, 3 + modes, 5 · 1024
            combined = trials[:, 0] + (self._coefficients(x.detach(), trials)[:, None] @ trials[:, 1:])[:, 0]
            energy = combined.square().reshape(len(x), -1, SIDE * SIDE).sum(1)
        bound = ((E_VOID + (1 - E_VOID) * x) * energy).mean(1)
        with torch.set_grad_enabled(self.training and torch.is_grad_enabled()):
            read = torch.cat((features.detach(), bound.detach()[:, None]), dim=1)
            share = torch.exp(-F.softplus(self.excess(read)[:, 0]))
        return bound, (bound.detach() if self.training else bound) * share

    def _coefficients(self, x: Tensor, trials: Tensor) -> Tensor:
        """Coefficients of the trial fields after the first that minimize the energy. → (n, 2 + modes)."""
        with torch.no_grad():
            weight = (E_VOID + (1 - E_VOID) * x).sqrt()[:, None, None]
            weighted = (trials.reshape(*trials.shape[:2], -1, SIDE * SIDE) * weight[:, :, :, :]).flatten(2)
            gram = (weighted @ weighted.transpose(1, 2)).cpu().double() / (SIDE * SIDE)  # MPS has no float64
            system, load = gram[:, 1:, 1:], gram[:, 1:, :1]
            ridge = torch.diag_embed(RIDGE * system.diagonal(dim1=1, dim2=2) + 1e-9)
            return -torch.linalg.solve(system + ridge, load)[:, :, 0].to(x)


class CellSurrogate(Network):
    """Surrogate ŷ = f(x) of the architecture task: (n, 1024) densities → (n, 1) z-score of E_x.

    E_y is E_x of the transposed cell: :meth:`along_y`.
    """

    def __init__(self, d: int, m: int, mean: float, sd: float, modes: int = 6, widths: tuple[int, ...] = (24, 48, 96)):
        super().__init__()
        if (d, m) != (SIDE * SIDE, 1):
            raise ValueError(f"Expected {SIDE * SIDE} pixels and 1 target, got {d} and {m}")
        self.mean, self.sd = mean, sd
        self.modulus = CellModulus(modes, tuple(widths))  # type: ignore[arg-type]

    def fit_scales(self, x: Tensor, y: Tensor) -> None:
        """Nothing to fit: the z-score's constants are arguments."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, 1024) → (n, 1)."""
        return (self.modulus(x)[1][:, None] - self.mean) / self.sd

    def along_y(self, x: Tensor) -> Tensor:
        """The z-score of E_y. (n, 1024) → (n, 1)."""
        return self(x.reshape(-1, SIDE, SIDE).transpose(1, 2).flatten(1))

    def density_parameters(self) -> list[nn.Parameter]:
        """Parameters that are kept from exploding: all."""
        return list(self.parameters())

    def losses(
        self, x: Tensor, y: Tensor, weights: dict[str, float], generator: Generator
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the loss of one batch: cells x (n, 1024), their y along x and along y (n, 2).

        Each cell is shifted, mirrored and transposed at random; a share is made grey. The predicted energy, minus the
        true one where it is known, is never negative: its mean is the loss of the displacement network (Ritz 1909),
        with its square for the worst. The estimate's loss is ℓ1, like its error measure.
        """
        x, swapped = shuffled_symmetry(x, generator)
        y = torch.where(swapped.to(y.device), y[:, 1], y[:, 0])
        n_grey = round(GREY * len(x))
        x = torch.cat((made_grey(x[:n_grey], generator), x[n_grey:]))
        bound, estimate = self.modulus(x)
        bound, estimate = (bound - self.mean) / self.sd, (estimate - self.mean) / self.sd
        excess = bound[n_grey:] - y[n_grey:]
        energy = (bound[:n_grey].sum() + excess.sum()) / len(x) + 0.5 * excess.square().mean()
        yield {"y": energy + (estimate[n_grey:] - y[n_grey:]).abs().mean()}

    def validation_loss(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Mean squared error of y (selects φ*); mean absolute errors of estimate and bound in units of E_s."""
        bound, estimate = (torch.cat(part) for part in zip(*map(self.modulus, x.split(250)), strict=True))
        target = y[:, 0]
        return {
            "l2": ((estimate - self.mean) / self.sd - target).square().mean(),
            "mae": (estimate - self.mean - self.sd * target).abs().mean(),
            "bound_mae": (bound - self.mean - self.sd * target).abs().mean(),
        }


def shuffled_symmetry(x: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Every cell (n, 1024) shifted, mirrored and transposed at random; and a mask of the transposed cells (n,) bool."""
    n = len(x)
    cells = x.reshape(n, SIDE, SIDE)
    swap, flip_x, flip_y = (torch.rand(3, n, generator=generator) < 0.5).to(x.device)[:, :, None, None]
    cells = torch.where(swap, cells.transpose(1, 2), cells)
    cells = torch.where(flip_x, cells.flip(2), cells)
    cells = torch.where(flip_y, cells.flip(1), cells)
    shift_x, shift_y = torch.randint(0, SIDE, (2, n, 1), generator=generator).to(x.device)
    index = torch.arange(SIDE, device=x.device)
    rows, columns = (index + shift_y) % SIDE, (index + shift_x) % SIDE
    cells = cells[torch.arange(n, device=x.device)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return cells.flatten(1), swap.flatten().cpu()


def made_grey(x: Tensor, generator: Generator) -> Tensor:
    """Grey cells as in localization: mixed with another, with noise, filtered, half sharp. (n, 1024) → (n, 1024)."""
    n = len(x)
    mix, noise, sharpness = torch.rand(3, n, 1, generator=generator).to(x)
    mix = (mix - 0.6).clamp(min=0)
    field = (1 - mix) * x + mix * x.roll(1, 0)
    field = field + 0.5 * (noise - 0.4).clamp(min=0) * torch.randn(x.shape, generator=generator).to(x)
    beta = 2.0 ** (1 + 4 * sharpness)
    return sharpen(blur(field.clamp(0, 1)), beta)
