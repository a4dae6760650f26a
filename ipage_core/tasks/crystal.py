"""SrTiO₃: which strained cells have a given band gap? Ω is density functional theory, about 8 s of CPU a lattice.

Unrelaxed internal coordinates, PBE gap: the ions stay at the ideal sites, so a design is six lattice parameters; and
PBE underestimates gaps (1.9 eV for the cubic crystal, about 3.25 eV in experiment). See ``physics/dft.py``.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Generator, Tensor

from ipage_core.physics import dft, lattices
from ipage_core.tasks.base import Task, watched

BOUNDS = torch.from_numpy(lattices.BOUNDS)

CUBIC_LENGTH, CUBIC_ENERGY = 3.9498, -39.38367
"""The cubic crystal of lowest energy [Å, eV per cell] by this Ω: parabola through a = 3.925, 3.950, 3.975 Å.

A test computes it again. ΔE of a lattice is its energy above this one.
"""


def omega(x: Tensor) -> Tensor:
    """Signed PBE gap, direct gap [eV], ΔE [eV per cell] at ideal sites. (n, 6) → (n, 3), NaN where the SCF failed.

    Runs on all cores; results are kept on disk and never computed twice. See :func:`ipage_core.tasks.base.watching` for
    its progress and for stopping it.

    Raises:
        DFTUnavailable: GPAW is not installed.
    """
    watch = watched()
    results = dft.gaps(x.detach().cpu().double().numpy(), progress=watch.progress, cancel=watch.cancel)
    rows = [
        [math.nan] * 3 if r is None or "fail" in r else [r["gap"], r["direct"], r["energy"] - CUBIC_ENERGY]
        for r in results
    ]
    return torch.tensor(rows, dtype=torch.float64).view(len(x), 3)


def sample_prior(n: int, generator: Generator) -> Tensor:
    """Uniform in the box; every lattice in it exists (positive determinant)."""
    low, high = BOUNDS
    return low + (high - low) * torch.rand(n, 6, dtype=torch.float64, generator=generator)


def metric(x: Tensor) -> Tensor:
    """Scalar products of the cell's axes [Å²], differentiable. (n, 6) → (n, 3, 3)."""
    a, b, c = x[:, :3].unbind(1)
    u, v, w = torch.cos(torch.deg2rad(x[:, 3:])).unbind(1)
    rows = (a * a, a * b * w, a * c * v, a * b * w, b * b, b * c * u, a * c * v, b * c * u, c * c)
    return torch.stack(rows, dim=1).view(-1, 3, 3)


def volume_change(x: Tensor) -> Tensor:
    """V/V₀ − 1 against the cubic cell of lowest energy. (n, 6) → (n,)."""
    return torch.linalg.det(metric(x)).sqrt() / CUBIC_LENGTH**3 - 1


def strain(x: Tensor) -> Tensor:
    """Largest |principal strain| against the cubic cell of lowest energy: of every direction. (n, 6) → (n,).

    The stretches are the roots of the eigenvalues of the metric over a₀² (polar decomposition, Biot strain).
    """
    stretches = torch.linalg.eigvalsh(metric(x) / CUBIC_LENGTH**2).clamp(min=0).sqrt()
    return (stretches - 1).abs().amax(1)


def stored() -> tuple[Tensor, Tensor]:
    """The lattices of ``data/crystal`` (n, 6) with gap, direct gap and ΔE (n, 3)."""
    data = lattices.read()
    y = np.stack([data.gap, data.direct, data.energy - CUBIC_ENERGY], axis=1)
    return torch.from_numpy(data.lattice), torch.from_numpy(y)


def with_edges() -> tuple[Tensor, Tensor]:
    """As :func:`stored`, with a fourth column of y: the gap from R to Γ [eV], NaN where it is not known.

    It is known where band edges were kept, and where it is the lesser of the two gaps.
    """
    data = lattices.read()
    x, y = stored()
    gamma, r = (data.card["k_points"].index(k) for k in ([0.0, 0.0, 0.0], [0.5, 0.5, 0.5]))
    from_edges = data.edges[:, 1, gamma] - data.edges[:, 0, r]
    at_r = np.where(np.isfinite(from_edges), from_edges, np.where(data.gap < data.direct, data.gap, np.nan))
    return x, torch.cat((y, torch.from_numpy(at_r)[:, None]), dim=1)


TASK = Task(
    name="crystal",
    title="SrTiO₃ cells by band gap",
    x_labels=("a [Å]", "b [Å]", "c [Å]", "α [°]", "β [°]", "γ [°]"),
    property_labels=("PBE gap [eV]", "direct PBE gap [eV]", "ΔE [eV per cell]"),
    n_targets=1,
    bounds=BOUNDS,
    tolerance=0.02,
    sample_prior=sample_prior,
    omega=omega,
    omega_seconds=8.0,
    default_target=(0.5,),
    support=tuple((low, high) for low, high in BOUNDS.T.tolist()),
    stored=stored,
    source="Bi, Fung and Zhang 2023 (iPage, AAAI), 'Crystal Design'; Ω: GPAW, PBE, unrelaxed internal coordinates",
)
