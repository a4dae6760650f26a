"""Rational-quadratic spline couplings (Durkan et al. 2019, arXiv:1906.04032) of x given the rest of x and a context."""

from __future__ import annotations

import torch
from nflows.nn.nets import ResidualNet
from nflows.transforms import CompositeTransform, PiecewiseRationalQuadraticCouplingTransform
from torch import Tensor, nn


def coupling_masks(d: int, couplings: int) -> list[Tensor]:
    """The coordinates that each coupling transforms (1) or reads (−1): halves, alternately interleaved and in blocks.

    Consecutive couplings are complementary, so each pair transforms every coordinate once. A single coordinate is
    transformed by every coupling, which then reads only the context.
    """
    if d == 1:
        return [torch.ones(1, dtype=torch.long)] * couplings
    index = torch.arange(d)
    splits = (index % 2 == 0, index < (d + 1) // 2, (index // 2) % 2 == 0) if d > 2 else (index % 2 == 0,)
    masks = []
    for i in range(couplings):
        split = splits[(i // 2) % len(splits)]
        masks.append(torch.where(split if i % 2 == 0 else ~split, 1, -1))
    return masks


def spline_coupling(
    mask: Tensor, hidden: int, blocks: int, bins: int, tail_bound: float, smallest_bin: float
) -> nn.Module:
    """One coupling over ``len(mask)`` coordinates; those with mask −1 are read and not changed.

    ``smallest_bin``: least width and height of a bin, as a fraction of the spline's range, and least slope.
    """

    def network(n_in: int, n_out: int) -> nn.Module:
        return ResidualNet(n_in, n_out, hidden_features=hidden, num_blocks=blocks, activation=nn.functional.silu)

    return PiecewiseRationalQuadraticCouplingTransform(
        mask,
        network,
        num_bins=bins,
        tails="linear",
        tail_bound=tail_bound,
        min_bin_width=smallest_bin,
        min_bin_height=smallest_bin,
        min_derivative=smallest_bin,
    )


def conditional_splines(
    d: int, context: int, couplings: int, hidden: int, blocks: int, bins: int, tail_bound: float, smallest_bin: float
) -> CompositeTransform:
    """Invertible map of x (d), given a context."""
    keep = torch.full((context,), -1)
    return CompositeTransform(
        [
            spline_coupling(torch.cat((mask, keep)), hidden, blocks, bins, tail_bound, smallest_bin)
            for mask in coupling_masks(d, couplings)
        ]
    )
