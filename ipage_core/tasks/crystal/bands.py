"""Band edges of a perovskite cell from its lattice, with exact symmetry and exact kinks of the gap.

In all data the conduction band minimum is at Γ and the valence band maximum at Γ or at R = (½, ½, ½): the gap is the
smaller of two gaps. Each of the three band edges belongs to a triplet of the cubic crystal (Ti t₂g, O 2p), which strain
splits: it is the lowest or highest eigenvalue of a symmetric 3 × 3 matrix that depends smoothly on the lattice.
Networks learn the matrix elements, so both sources of kinks are exact: crossings within a triplet, and Γ against R.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Generator, Tensor, nn

from ipage_core.networks.base import Network
from ipage_core.networks.ensemble import parallel_layers, through

ENERGY, AT_R = 2, 3
"""Columns of the training pairs' y = (gap, direct gap, ΔE, gap from R to Γ or NaN where that is unknown)."""
PROPERTIES = 3
"""Number of columns that the network predicts for a design: gap, direct gap, ΔE."""
ENERGY_UNIT = 10.0
"""An error of this much ΔE [eV] weighs as much as 1 eV of a gap: the gap is the target, ΔE only ranks designs."""
FEATURE_MEAN = [0, 0, 0, 1 / 3, 2 / 3, 1 / 9, 0, 0]
FEATURE_VARIANCE = [1 / 3, 2 / 3, 1 / 9, 4 / 45, 8 / 45, 1 / 25 - 1 / 81, 2 / 15, 1 / 27]
"""Of the features of :func:`views`, for u uniform in the box: E u² = 1/3, E u⁴ = 1/5."""


def views(u: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs of the networks: u (n, 6) → invariant features (n, 3, 8), angles and their products (n, 3, 2).

    u holds lengths and angles, scaled to 0 for the cubic cell and ±1 at the faces of the box. Reversing axis i flips
    the signs of the two angles at it. View i describes the cell from axis i: its features are invariant under exchange
    of the other two axes and under reversal of any axis, and they differ for all other cells. So the three views, in
    any order, represent the 24 lattices of the same crystal.

    The second result holds, at i = (j, k), u_jk and u_ij u_ik: both change sign like element jk of a matrix that
    rotates with the axes.
    """
    lengths, angles = u[:, :3], u[:, 3:]
    squares = angles.square()
    lengths_j, lengths_k = lengths.roll(-1, 1), lengths.roll(-2, 1)
    squares_j, squares_k = squares.roll(-1, 1), squares.roll(-2, 1)
    crossed = angles.roll(-1, 1) * angles.roll(-2, 1)
    features = [
        lengths,
        lengths_j + lengths_k,
        lengths_j * lengths_k,
        squares,
        squares_j + squares_k,
        squares_j * squares_k,
        lengths_j * squares_j + lengths_k * squares_k,
        angles * crossed,
    ]
    return torch.stack(features, dim=2), torch.stack((angles, crossed), dim=2)


class BandEdges(nn.Module):
    """An ensemble of networks u (n, 6) → gap, direct gap, gap from R to Γ and ΔE, each (members, n).

    Invariant under the 24 symmetries to round-off. The training data set the units.
    """

    feature_mean: Tensor
    feature_sd: Tensor

    def __init__(self, members: int, hidden: int, layers: int) -> None:
        super().__init__()
        widths = [len(FEATURE_MEAN)] + [hidden] * layers + [10]  # 3 × (diagonal, two off-diagonal terms), and ΔE
        self.weights, self.biases = parallel_layers(members, widths)
        self.register_buffer("feature_mean", torch.tensor(FEATURE_MEAN))
        self.register_buffer("feature_sd", torch.tensor(FEATURE_VARIANCE).sqrt())

    def forward(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(n, 6) → gap, direct gap, gap from R to Γ, ΔE: each (members, n)."""
        features, off_diagonal = views(u)
        read = ((features - self.feature_mean) / self.feature_sd).flatten(0, 1)
        h = through(self.weights, self.biases, read)
        out = h.view(len(h), len(u), 3, 10)  # members, n, view, output
        energy = out[..., 9].mean(2)
        element = out[..., :9].reshape(*out.shape[:3], 3, 3)  # …, view, matrix, (diagonal, two off-diagonal terms)
        off = (element[..., 1:] * off_diagonal[:, :, None]).sum(-1)
        diagonal, off = element[..., 0].transpose(2, 3), off.transpose(2, 3)  # members, n, matrix, 3
        sign = out.new_tensor([[-1.0], [1.0], [1.0]])  # the lowest conduction band, the highest valence bands
        lowest, valence, valence_at_r = highest(sign * diagonal, sign * off).unbind(2)
        direct, at_r = -lowest - valence, -lowest - valence_at_r
        return torch.minimum(direct, at_r), direct, at_r, energy


def highest(diagonal: Tensor, off: Tensor) -> Tensor:
    """Highest eigenvalue of symmetric matrices: diagonal elements ii and, at i, off-diagonal elements jk (…, 3) → (…,).

    It is vᵀAv with the eigenvector v held fixed, so its derivative is vvᵀ (Hellmann and Feynman).
    """
    with torch.no_grad():
        x, y, z = _eigenvector(diagonal, off).to(diagonal).unbind(-1)
    squares, products = torch.stack((x * x, y * y, z * z), dim=-1), torch.stack((y * z, x * z, x * y), dim=-1)
    return (diagonal * squares + 2 * off * products).sum(-1)


def _eigenvector(diagonal: Tensor, off: Tensor) -> Tensor:
    """Unit eigenvector of the highest eigenvalue λ, in float64: (…, 3) → (…, 3).

    λ by the trigonometric formula (Smith 1961, doi:10.1145/355578.366316). All columns of the adjugate of A − λ are
    multiples of v; where it vanishes, λ is double, and LAPACK gives one of its eigenvectors.
    """
    diagonal, off = (t.to(device="cpu", dtype=torch.float64) for t in (diagonal, off))  # float64 is not on all devices
    (a, b, c), (d, e, f) = (diagonal - diagonal.mean(-1, keepdim=True)).unbind(-1), off.unbind(-1)
    size = ((a * a + b * b + c * c) / 6 + (d * d + e * e + f * f) / 3).clamp(min=1e-100)
    determinant = a * (b * c - d * d) - f * (f * c - d * e) + e * (f * d - b * e)
    angle = torch.acos((determinant / (2 * size**1.5)).clamp(-1, 1)) / 3
    shift = 2 * size.sqrt() * torch.cos(angle)
    a, b, c = a - shift, b - shift, c - shift
    minors = torch.stack((b * c - d * d, a * c - e * e, a * b - f * f), dim=-1)
    bc, ac, ab = e * f - a * d, d * f - b * e, d * e - c * f
    columns = torch.stack((minors[..., 0], ab, ac, ab, minors[..., 1], bc, ac, bc, minors[..., 2]), dim=-1)
    most, which = minors.max(-1, keepdim=True)
    v = columns.unflatten(-1, (3, 3)).gather(-2, which[..., None].expand(*which.shape, 3))[..., 0, :]
    double = most[..., 0] <= 1e-9 * size
    if double.any():
        v[double] = torch.linalg.eigh(symmetric(torch.stack((a, b, c), -1), off)[double]).eigenvectors[..., 2]
    return v / v.norm(dim=-1, keepdim=True)


def symmetric(diagonal: Tensor, off: Tensor) -> Tensor:
    """Diagonal elements ii and, at i, off-diagonal elements jk (…, 3) → (…, 3, 3)."""
    (a, b, c), (d, e, f) = diagonal.unbind(-1), off.unbind(-1)
    return torch.stack((a, f, e, f, b, d, e, d, c), dim=-1).unflatten(-1, (3, 3))


class BandSurrogate(Network):
    """Surrogate of the crystal task with its spread: signed gap, direct gap [eV], ΔE [eV per cell]."""

    energy_scale: Tensor
    box: Tensor

    def __init__(
        self, d: int, m: int, box: list[list[float]], members: int = 5, hidden: int = 96, layers: int = 3
    ) -> None:
        super().__init__()
        if (d, m) != (6, 1):
            raise ValueError(f"Expected 6 lattice parameters and 1 target, got {d} and {m}")
        self.register_buffer("box", torch.tensor(box, dtype=torch.float32))
        self.register_buffer("energy_scale", torch.ones(()))
        self.net = BandEdges(members, hidden, layers)

    def fit_scales(self, x: Tensor, y: Tensor) -> None:
        """Set the unit of ΔE to its SD over the training pairs x (n, 6), y (n, 4)."""
        self.energy_scale.copy_(y[:, ENERGY].std())

    def members(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 6) → (members, n, 3) gap, direct gap, ΔE; and (members, n) the gap from R to Γ."""
        low, high = self.box
        gap, direct, at_r, energy = self.net(2 * (x - low) / (high - low) - 1)
        return torch.stack((gap, direct, energy * self.energy_scale), dim=2), at_r

    def forward(self, x: Tensor) -> Tensor:
        """The signed gap. (n, 6) → (n, 1)."""
        return self.properties(x)[:, :1]

    def properties(self, x: Tensor) -> Tensor:
        """Gap, direct gap and ΔE, averaged over the members. (n, 6) → (n, 3)."""
        return self.members(x)[0].mean(0)

    def spread(self, x: Tensor) -> Tensor:
        """Standard deviation over the members. (n, 6) → (n, 3)."""
        return self.members(x)[0].std(0)

    def losses(
        self, x: Tensor, y: Tensor, weights: dict[str, float], generator: Generator
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the squared errors of the gaps [eV²] and of ΔE [``ENERGY_UNIT``²] for one batch x (n, 6), y (n, 4).

        Summed over members. The gap from R counts only where it is known. Elsewhere the gap at Γ is the smaller one,
        and the error of the gap covers it.
        """
        predicted, at_r = self.members(x)
        unit = torch.tensor([1.0, 1.0, ENERGY_UNIT], device=x.device)
        error = ((predicted - y[:, :PROPERTIES]) / unit).square().sum(2)
        finite = y[:, AT_R].isfinite()
        error_at_r = (at_r - y[:, AT_R].nan_to_num()).square() * finite
        yield {"y": (error + error_at_r).mean(1).sum()}

    def validation_loss(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Mean squared errors: signed gap [eV²], which selects φ*; direct gap; ΔE."""
        gap, direct, energy = (self.properties(x) - y[:, :PROPERTIES]).square().mean(0)
        return {"l2": gap, "direct": direct, "energy": energy}
