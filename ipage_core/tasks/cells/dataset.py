"""Random periodic cells: symmetric, connected, free of hinges; the prior of the architecture task.

A cell is a (32, 32) boolean array ``[iy, ix]``, ix along E_x, True = solid. Cell i of a seed depends on
the seed and i alone, so any split of the work gives the same cells.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from ipage_core.runtime import paths as shipped
from ipage_core.tasks.cells.topology import Mask, fill_hinges, largest_component, percolates
from ipage_core.tasks.cells.wallpaper import GROUPS, ONE_AXIS, is_symmetric, symmetrize

SIDE = 32
DATA = shipped.DATA / "architecture" / "cells.parquet"
UPPER = ((0, 0, 0, 1, 1, 2), (0, 1, 2, 1, 2, 2))
"""Rows and columns of the six independent entries of C."""
NAMES = ("c11", "c12", "c13", "c22", "c23", "c33")
"""Their column names in a file."""


class Cell(NamedTuple):
    """A generated cell."""

    pixels: Mask
    """(32, 32), True = solid."""
    group: str
    """Its wallpaper group, one of ``GROUPS`` (it may have more symmetry by chance)."""
    volume_fraction: float
    attempts: int
    """Candidates drawn for this cell, including itself."""


def cell(seed: int, index: int) -> Cell:
    """The index-th cell of a seed: a thresholded random field, symmetrized, cleaned and tested.

    The group is drawn first and kept, so all twelve are equally common; for groups that distinguish the
    two axes, x and y are exchanged in half of the candidates. Each candidate is

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
        field = symmetrize(random_field(rng), group, swap=swap)
        count = round(rng.uniform(0.3, 0.95) * field.size)
        if rng.random() < 0.3:
            field = -np.abs(field)
        pixels = largest_component(fill_hinges(field >= np.partition(field.ravel(), -count)[-count]))
        if is_symmetric(pixels, group, swap=swap) and percolates(pixels) == (True, True):
            return Cell(pixels, group, float(pixels.mean()), attempts)


def random_field(rng: np.random.Generator, shortest: float = 1.2, longest: float = 4.0) -> NDArray[np.float64]:
    """A stationary periodic Gaussian field. → (32, 32), any scale.

    Covariance exp(−(r₁²/ℓ₁² + r₂²/ℓ₂²)/2) in axes rotated by a random angle; √(ℓ₁ℓ₂) log-uniform on [shortest,
    longest] pixels, ℓ₁/ℓ₂ uniform on [1, 3]. White noise is filtered with the square root of the spectrum of this
    covariance.
    """
    length = np.exp(rng.uniform(np.log(shortest), np.log(longest)))
    aspect = np.sqrt(rng.uniform(1, 3))
    angle = rng.uniform(0, np.pi)
    kx = 2 * np.pi * np.fft.rfftfreq(SIDE)[None, :]
    ky = 2 * np.pi * np.fft.fftfreq(SIDE)[:, None]
    k1 = np.cos(angle) * kx + np.sin(angle) * ky
    k2 = np.cos(angle) * ky - np.sin(angle) * kx
    amplitude = np.exp(-((length * aspect * k1) ** 2 + (length / aspect * k2) ** 2) / 4)
    noise = np.fft.rfft2(rng.standard_normal((SIDE, SIDE)))
    return np.fft.irfft2(noise * amplitude, s=(SIDE, SIDE))


class CellData(NamedTuple):
    """A stored set of cells; row i is cell i of the card's kind and seed."""

    pixels: Mask
    """(n, 32, 32), True = solid."""
    stiffness: NDArray[np.float64]
    """(n, 3, 3) effective stiffness C in units of E_s."""
    group: NDArray[np.str_]
    """(n,) wallpaper groups."""
    volume_fraction: NDArray[np.float64]
    """(n,)."""
    card: dict[str, Any]
    """Metadata of the file: seed, sha256 of the pixels, e_x_mean and e_x_sd in units of E_s, settings."""


def pack(pixels: ArrayLike) -> NDArray[np.uint8]:
    """(n, 32, 32) bool → (n, 128) bytes, row by row, the leftmost pixel in the highest bit."""
    return np.packbits(np.asarray(pixels, dtype=bool).reshape(-1, SIDE * SIDE), axis=1)


def unpack(packed: NDArray[np.uint8]) -> Mask:
    """Inverse of :func:`pack`: (n, 128) bytes → (n, 32, 32) bool."""
    return np.unpackbits(packed, axis=1).reshape(-1, SIDE, SIDE).astype(bool)


def read_card(path: Path = DATA) -> dict[str, Any]:
    """Read the file's metadata alone: fast, and sufficient for the z-score."""
    return card_of(_schema(path), path)


def _schema(path: Path) -> pa.Schema:
    try:
        return pq.read_schema(path)
    except (pa.ArrowException, ValueError):
        raise ValueError(f"{path} is not a Parquet file; accepted: a set of cells by the command dataset") from None


def card_of(schema: pa.Schema, path: Path) -> dict[str, Any]:
    """The card stored in a schema.

    Raises:
        ValueError: the schema has no card, or no cells.
    """
    metadata = schema.metadata or {}
    if b"card" not in metadata or "pixels" not in schema.names:
        raise ValueError(f"{path} is not a set of cells.")
    return dict(json.loads(metadata[b"card"]))


def read(path: Path = DATA) -> CellData:
    """Read a file written by :func:`ipage_core.tasks.cells.generation.generate`."""
    card = read_card(path)
    table = pq.read_table(path)
    buffer = table["pixels"].combine_chunks().buffers()[1]
    upper = np.stack([table[name].to_numpy() for name in NAMES], axis=1)
    return CellData(
        unpack(np.frombuffer(buffer, np.uint8, table.num_rows * SIDE**2 // 8).reshape(table.num_rows, -1)),
        full(upper),
        np.array(table["group"].to_pylist()),
        table["volume_fraction"].to_numpy(),
        card,
    )


def full(upper: NDArray[np.float64]) -> NDArray[np.float64]:
    """C (n, 3, 3) from its six independent entries (n, 6)."""
    c = np.empty((len(upper), 3, 3))
    c[:, *UPPER] = c[:, *UPPER[::-1]] = upper
    return c
