"""Random periodic cells: symmetric, connected, free of hinges; the prior of the architecture task.

A cell is a (32, 32) boolean array ``[iy, ix]``, ix along E_x, True = solid. Cell i of a seed depends on
that pair alone, so that any split of the work gives the same cells.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ipage_core.physics.topology import Mask, fill_hinges, largest_component, percolates
from ipage_core.physics.wallpaper import GROUPS, ONE_AXIS, is_symmetric, symmetrize

SIDE = 32


class Cell(NamedTuple):
    """A generated cell."""

    pixels: Mask
    """(32, 32), True = solid."""
    group: str
    """Its wallpaper group, one of ``GROUPS`` (by chance it may have more symmetry than that)."""
    volume_fraction: float
    attempts: int
    """Candidates drawn for it, itself included."""


def cell(seed: int, index: int) -> Cell:
    """The index-th cell of a seed: a thresholded random field, symmetrized, cleaned and tested.

    The group is drawn first and kept, so that all twelve are equally common; for the groups that tell the
    axes apart x and y are exchanged in half of the candidates. Each candidate then is

    1. a periodic Gaussian random field averaged over the group, solid where it is largest, or (30 %:
       walls) where its absolute value is smallest, at a volume fraction from U(0.3, 0.95);
    2. with its diagonal hinges filled and only its largest 4-connected component on the torus kept;
    3. rejected if the group's symmetry is broken (two components of equal size) or it does not percolate
       in x and y.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
    group = GROUPS[rng.integers(len(GROUPS))]
    attempts = 0
    while True:
        attempts += 1
        swap = bool(rng.random() < 0.5) and group in ONE_AXIS
        field = symmetrize(_random_field(rng), group, swap=swap)
        count = round(rng.uniform(0.3, 0.95) * field.size)
        if rng.random() < 0.3:
            field = -np.abs(field)
        pixels = largest_component(fill_hinges(field >= np.partition(field.ravel(), -count)[-count]))
        if is_symmetric(pixels, group, swap=swap) and percolates(pixels) == (True, True):
            return Cell(pixels, group, float(pixels.mean()), attempts)


def _random_field(rng: np.random.Generator) -> NDArray[np.float64]:
    """A stationary periodic Gaussian field. → (32, 32), any scale.

    Covariance exp(−(r₁²/ℓ₁² + r₂²/ℓ₂²)/2) in axes turned by a random angle; √(ℓ₁ℓ₂) log-uniform on [1.2,
    4] pixels, ℓ₁/ℓ₂ uniform on [1, 3]. White noise is filtered with the root of that covariance's
    spectrum.
    """
    length = np.exp(rng.uniform(np.log(1.2), np.log(4)))
    aspect = np.sqrt(rng.uniform(1, 3))
    angle = rng.uniform(0, np.pi)
    kx = 2 * np.pi * np.fft.rfftfreq(SIDE)[None, :]
    ky = 2 * np.pi * np.fft.fftfreq(SIDE)[:, None]
    k1 = np.cos(angle) * kx + np.sin(angle) * ky
    k2 = np.cos(angle) * ky - np.sin(angle) * kx
    amplitude = np.exp(-((length * aspect * k1) ** 2 + (length / aspect * k2) ** 2) / 4)
    noise = np.fft.rfft2(rng.standard_normal((SIDE, SIDE)))
    return np.fft.irfft2(noise * amplitude, s=(SIDE, SIDE))
