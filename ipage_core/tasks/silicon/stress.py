"""Stress of strained silicon by the surrogate: the slope of its elastic energy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ipage_core.tasks.silicon.constraints import tensor

if TYPE_CHECKING:
    from ipage_core.tasks.silicon.valleys import ValleySurrogate

EV_PER_A3 = 160.21766
"""1 eV/Å³ in GPa."""
VOLUME = 5.469**3 / 8
"""Volume per atom of the unstrained crystal [Å³]; 5.469 Å is PBE's lattice constant, see ``operator.py``."""
BASIS_SET = 0.33
"""Pressure [GPa] of the unstrained crystal by DFT: an error of the basis set, 300 eV of plane waves."""


def normal_stress(network: ValleySurrogate, strain: Tensor) -> Tensor:
    """σ11, σ22, σ33 [GPa], tension positive, zero for the unstrained crystal. (n, 6) → (n, 3).

    A free surface bears no stress across it: in a film on (001) σ33 = 0, under stress along 001 σ11 = σ22 = 0.
    """
    with torch.enable_grad():
        x = torch.cat((torch.zeros_like(strain[:1]), strain.detach())).float().requires_grad_()
        (slope,) = torch.autograd.grad(network.properties(x)[:, 2].sum(), x)
    first = slope.double() * torch.tensor([1, 1, 1, 0.5, 0.5, 0.5])  # each shear counts twice in the energy
    stretch = tensor(x.detach()).double() + torch.eye(3)
    stress = tensor(first) @ stretch / torch.linalg.det(stretch)[:, None, None] / VOLUME * EV_PER_A3
    normal = torch.diagonal(stress, dim1=1, dim2=2)
    return normal[1:] - normal[0]
