"""The intervals of a method's predictions at designs: see :mod:`.calibration`."""

from __future__ import annotations

import torch
from torch import Tensor

from ipage_core.inference.methods import Loaded
from ipage_core.networks.base import Network


def interval(method: Loaded, x: Tensor) -> Tensor | None:
    """The 90 % intervals of the surrogate's predictions at designs x (n, d). → (2, n, m) low and high ends.

    None if the method predicts nothing, or if its surrogate is not calibrated. Each property is by itself.
    """
    network = method.surrogate
    if not isinstance(network, Network):
        return None
    m = None if method.calibration is None else len(method.calibration.least)
    x = x.to(method.device, network.reads)
    with torch.no_grad():
        if (own := network.interval(x)) is not None:
            return own.cpu().double()
        if method.calibration is None:
            return None
        spread = network.spread(x)
        predicted = network(x).cpu().double()[:, :m]
    return method.calibration.interval(predicted, None if spread is None else spread.cpu()[:, :m])


def rows_behind(method: Loaded) -> str:
    """The rows that the intervals of a method's predictions are calibrated on, in words."""
    return "left-out rows" if method.calibration is None else method.calibration.rows
