"""Maximum mean discrepancy, and the schedule of the paper's loss weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor

MMD_SCALES = (0.05, 0.2, 0.9)
"""Squared length scales C of the inverse multiquadratic kernels, in units of the standardized variables."""


def mmd(a: Tensor, b: Tensor, scales: tuple[float, ...] = MMD_SCALES) -> Tensor:
    """Unbiased MMD² between samples a (n, k) and b (n', k), summed over scales (Gretton et al. 2012, JMLR 13:723).

    Kernel: inverse multiquadratic C/(C + ‖a − b‖²), as used for INNs by Ardizzone et al. 2018 (arXiv:1808.04730).
    """

    def kernel(u: Tensor, v: Tensor) -> Tensor:
        squared = (u.square().sum(1)[:, None] + v.square().sum(1)[None] - 2 * u @ v.T).clamp(min=0)
        return torch.stack([scale / (scale + squared) for scale in scales]).sum(0)

    def without_diagonal(u: Tensor) -> Tensor:
        n = len(u)
        return (kernel(u, u).sum() - n * len(scales)) / (n * (n - 1))

    return without_diagonal(a) + without_diagonal(b) - 2 * kernel(a, b).mean()


def dynamic_weights(epoch: int, epochs: int, *, y: float, x: float, z: float, nll: float) -> dict[str, float]:
    """λ's of epoch 0 … epochs − 1 in the paper's dynamic bi-directional training (text after Eq. 7).

    λ_y is ``y`` in the first half, then falls to 0. λ_x and λ_z are 0 in the first half, then rise to ``x`` and ``z``.
    Both follow half a cosine. ``nll`` is the constant weight of the likelihood, a declared extension.
    """
    second_half = max(0.0, 2 * (epoch + 1) / epochs - 1)
    rise = 0.5 * (1 - math.cos(math.pi * second_half))
    return {"y": y * (1 - rise), "x": x * rise, "z": z * rise, "nll": nll}
