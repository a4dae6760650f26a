"""A surrogate with exact symmetry: the mean over the images of a strain, so equivalent strains get equal values.

Stress turns with the crystal, so a component of it is the mean over those images alone that leave this component.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ipage_core.networks.ensemble import Ensemble


class SymmetricEnsemble(Ensemble):
    """f(x) = mean over the crystal's operations g of an ensemble's output at g x. (n, 6) → (n, m).

    It is as smooth as the networks and unbiased: the mean leaves symmetric functions unchanged. ``leaving`` (s, m)
    says which operations leave a property as it is; empty: each one all of them.
    """

    operations: Tensor
    shares: Tensor
    """(s, m) share of an image in the mean of a property."""

    def __init__(
        self,
        d: int,
        m: int,
        operations: Sequence[Sequence[Sequence[float]]],
        members: int = 5,
        hidden: int = 64,
        layers: int = 2,
        floor: Sequence[float | None] = (),
        leave_out: bool = False,
        leaving: Sequence[Sequence[bool]] = (),
    ) -> None:
        super().__init__(d, m, members, hidden, layers, floor, leave_out)
        if d != 6:
            raise ValueError(f"Expected the 6 components of a strain, got {d}")
        self.register_buffer("operations", torch.tensor(operations, dtype=torch.float32))
        left = torch.tensor(leaving or [[True] * m] * len(operations), dtype=torch.float32)
        self.register_buffer("shares", left / left.sum(0), persistent=False)

    def _standardized(self, x: Tensor) -> Tensor:
        """(n, 6) → (members, n, m) in units of y's standard deviation."""
        turned = torch.einsum("gij,nj->ngi", self.operations, x)
        out = super()._standardized(turned.reshape(-1, 6))
        return (out.view(len(out), *turned.shape[:2], -1) * self.shares).sum(2)
