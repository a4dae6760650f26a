"""Designs that the surrogate is unsure of are drawn afresh; its spread must be calibrated, as that of tables is."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ipage_core.inference.chain import Chain, Samples
from ipage_core.networks.base import Network

DOUBTFUL, AFRESH, GAIN = 1.0, 12, 0.005
"""A sample is doubtful if its expected error, in tolerances, is above the first; it is drawn afresh at most as often as
the second says, and as long as a round lowers the mean expected error by this share."""


def expected_error(chain: Chain, samples: Samples, goal: Tensor) -> Tensor:
    """(n,) expected error of a measurement in tolerances, root mean square over the properties; inf: not a number."""
    surrogate = chain.method.surrogate
    assert isinstance(surrogate, Network)
    with torch.no_grad():
        spread = surrogate.spread(samples.x.to(surrogate.reads))
    assert spread is not None
    counted = ~chain.free
    square = (spread.cpu().double() / chain.unit)[:, counted].square().sum(1)
    square = square + chain.residual(samples, goal).square()
    return (square / int(counted.sum())).sqrt().nan_to_num(nan=math.inf)


def replace_doubtful(chain: Chain, samples: Samples, goal: Tensor, seed: int) -> Tensor:
    """Replace samples that the surrogate is unsure of with fresh ones that it is surer of. → (n,) bool: which were.

    With fewer properties than coordinates, many designs have the same predicted properties. Each doubtful sample keeps
    the one of a few independent draws with the smallest expected error, so the samples stay about as diverse as they
    were. Otherwise none is replaced.
    """
    replaced = torch.zeros(len(goal), dtype=torch.bool, device=goal.device)
    if not chain.calibrated or int((~chain.free).sum()) >= chain.space.bounds.shape[1]:
        return replaced
    expected = expected_error(chain, samples, goal)
    for attempt in range(AFRESH):
        rows = (expected > DOUBTFUL).nonzero()[:, 0]
        if not len(rows):
            break
        fresh = chain.fresh(samples.of(rows), goal[rows], seed + 3, attempt)
        fresh_expected = expected_error(chain, fresh, goal[rows])
        better, before = fresh_expected < expected[rows], expected[rows].mean()
        samples.put(rows[better], fresh.of(better))
        expected[rows[better]] = fresh_expected[better]
        replaced[rows[better]] = True
        if expected[rows].mean() > (1 - GAIN) * before:
            break
    return replaced
