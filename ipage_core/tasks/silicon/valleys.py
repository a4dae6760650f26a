"""Band edges of silicon from its strain, with exact symmetry and exact kinks of the gap.

The gap is the lowest of three conduction valleys, one on each axis, minus the highest of three valence bands. A valley
is a smooth function of the strain seen from its own axis. The valence bands at Γ are the eigenvalues of a symmetric
3 × 3 matrix whose elements depend smoothly on the strain, and so is the conduction band there: to first order this is
the theory of deformation potentials (G. E. Pikus, G. L. Bir, Sov. Phys. Solid State 1, 1502, 1959; C. Herring, E. Vogt,
Phys. Rev. 101, 944, 1956). Networks learn valleys and matrix elements; the minimum and the eigenvalues produce the
kinks.

Energies are relative to the mean of the three valence bands, so the valence matrix is traceless. The valleys at L,
which lie higher everywhere in the box, are not learned.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Generator, Tensor, nn

from ipage_core.networks.base import Network
from ipage_core.networks.ensemble import parallel_layers, through
from ipage_core.tasks.crystal.bands import FEATURE_MEAN, FEATURE_VARIANCE, symmetric, views
from ipage_core.tasks.silicon.dataset import StrainData

GAP, DIRECT, ENERGY, PRESSURE = range(4)
"""First columns of the training pairs' y, and all predictions of the surrogate: gaps [eV], elastic energy [eV per
atom], pressure [GPa]. Three valence bands, the conduction band at Γ and three valleys follow: see :func:`pairs`."""
PROPERTIES, COLUMNS = 4, 11
ENERGY_UNIT, PRESSURE_UNIT = 0.1, 10.0
"""An error of this many eV per atom, or GPa, weighs as much as 1 eV of a gap."""
_OUTPUTS = 9
_START = (0.0, -0.1, 0.0, 2.5, -0.1, 0.0, 0.6, 0.0, 0.0)
"""Initial outputs [eV]: valence (diagonal, two off-diagonal terms), conduction at Γ likewise, valley, energy, pressure.

Eigenvalues depend only on the sign of the product of the three shear elements, and training keeps the sign that it
starts with. Both start negative (measured: gap error 1.4 meV, against 26 meV from the wrong sign).
"""


def pairs(data: StrainData) -> tuple[Tensor, Tensor]:
    """Strains x (n, 6) with y (n, 11): properties, then band edges relative to the mean of the valence bands [eV].

    The edges are three valence bands, ascending; the conduction band at Γ; the valleys on the axes 1, 2, 3.
    """
    mean = data.valence.mean(axis=1, keepdims=True)
    gamma, delta = data.conduction[:, :1], data.conduction[:, :4:-1]  # stored from the third axis to the first
    direct = gamma - data.valence[:, 2:]
    pressure = -data.stress[:, :3].mean(axis=1)
    edges = np.concatenate([data.valence, gamma, delta], axis=1) - mean
    y = np.column_stack([data.gap, direct, data.energy, pressure, edges])
    return torch.from_numpy(data.strain), torch.from_numpy(y)


class ValleyEdges(nn.Module):
    """An ensemble of networks u (n, 6) → valence bands, conduction at Γ, valleys, energy, pressure.

    u is the strain over the box's half widths. Invariant under the 24 symmetries to round-off.
    """

    feature_mean: Tensor
    feature_sd: Tensor
    start: Tensor

    def __init__(self, members: int, hidden: int, layers: int) -> None:
        super().__init__()
        widths = [len(FEATURE_MEAN), *[hidden] * layers, _OUTPUTS]
        self.weights, self.biases = parallel_layers(members, widths, last_scale=0.1)
        self.linear = nn.Parameter(torch.zeros(members, len(FEATURE_MEAN), _OUTPUTS))
        self.register_buffer("start", torch.tensor(_START))
        self.register_buffer("feature_mean", torch.tensor(FEATURE_MEAN))
        self.register_buffer("feature_sd", torch.tensor(FEATURE_VARIANCE).sqrt())

    def forward(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """(n, 6) → (members, n, 3) ascending, (members, n), (members, n, 3) by axis, (members, n), (members, n)."""
        features, off_diagonal = views(u)
        read = ((features - self.feature_mean) / self.feature_sd).flatten(0, 1).expand(len(self.linear), -1, -1)
        h = through(self.weights, self.biases, read)
        out = (h + read @ self.linear + self.start).view(len(h), len(u), 3, _OUTPUTS)  # members, n, axis, output
        element = out[..., :6].unflatten(-1, (2, 3))  # …, axis, matrix, (diagonal, two off-diagonal terms)
        diagonal = element[..., 0].transpose(2, 3)
        off = (element[..., 1:] * off_diagonal[:, :, None]).sum(-1).transpose(2, 3)
        valence, conduction = torch.linalg.eigvalsh(symmetric(diagonal, off)).unbind(2)
        valence = valence - valence.mean(2, keepdim=True)
        return valence, conduction[..., 0], out[..., 6], out[..., 7].mean(2), out[..., 8].mean(2)


class ValleySurrogate(Network):
    """Surrogate of the silicon task with its spread: gaps [eV], elastic energy [eV per atom], pressure [GPa]."""

    weight_sets: tuple[str, ...] = ("phi", "phi_star")
    box: Tensor

    def __init__(
        self, d: int, m: int, box: list[list[float]], members: int = 5, hidden: int = 64, layers: int = 2
    ) -> None:
        super().__init__()
        # Use the weights at the end of the schedule as the best epoch: a few rows cannot select one (0.81 meV of the
        # gap against 1.64 meV at 160 rows).
        self.weight_sets = ("phi",)
        if (d, m) != (6, 1):
            raise ValueError(f"Expected 6 strain components and 1 target, got {d} and {m}")
        self.register_buffer("box", torch.tensor(box, dtype=torch.float32))
        self.net = ValleyEdges(members, hidden, layers)

    def fit_scales(self, x: Tensor, y: Tensor) -> None:
        """Do nothing: all scales are fixed, strains by the box, energies in eV."""

    def members(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 6) → (members, n, 4) properties; (members, n, 7) band edges in the order of :func:`pairs`."""
        low, high = self.box
        valence, gamma, delta, energy, pressure = self.net(2 * (x - low) / (high - low) - 1)
        top = valence[..., 2]
        properties = (delta.amin(2) - top, gamma - top, energy * ENERGY_UNIT, pressure * PRESSURE_UNIT)
        return torch.stack(properties, dim=2), torch.cat((valence, gamma[..., None], delta), dim=2)

    def forward(self, x: Tensor) -> Tensor:
        """The signed gap. (n, 6) → (n, 1)."""
        return self.properties(x)[:, :1]

    def properties(self, x: Tensor) -> Tensor:
        """Gap, direct gap, elastic energy and pressure, averaged over the members. (n, 6) → (n, 4)."""
        return self.members(x)[0].mean(0)

    def spread(self, x: Tensor) -> Tensor:
        """Standard deviation over the members. (n, 6) → (n, 4)."""
        return self.members(x)[0].std(0)

    def valley(self, x: Tensor) -> Tensor:
        """The axis, 0 to 2, of the lowest valley. (n, 6) → (n,)."""
        return self.members(x)[1].mean(0)[:, 4:].argmin(1)

    def losses(
        self, x: Tensor, y: Tensor, weights: dict[str, float], generator: Generator
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the squared errors [eV²] of properties and band edges for one batch x (n, 6), y (n, 11).

        Summed over members, so each member learns independently. NaN in y is unknown, and does not count.
        """
        properties, edges = self.members(x)
        known, y = ~y.isnan(), y.nan_to_num()
        error = torch.cat((self._error(properties, y), edges - y[:, PROPERTIES:]), dim=2) * known
        yield {"y": error.square().sum(2).mean(1).sum()}

    def validation_loss(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Mean squared errors: signed gap [eV²], which selects φ*; the other properties in their units."""
        gap, direct, energy, pressure = self._error(self.properties(x), y).square().mean(0)
        return {"l2": gap, "direct": direct, "energy": energy, "pressure": pressure}

    @staticmethod
    def _error(properties: Tensor, y: Tensor) -> Tensor:
        unit = torch.tensor([1.0, 1.0, ENERGY_UNIT, PRESSURE_UNIT], device=y.device)
        return (properties - y[:, :PROPERTIES]) / unit
