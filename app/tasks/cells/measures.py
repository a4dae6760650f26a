"""Measures of cells: anisotropy, thinnest member, symmetry, and the most similar training cell."""

from __future__ import annotations

import numpy as np
import streamlit as st

from app.figures.run import Run
from app.state.runs import training
from ipage_core.tasks.cells.homogenization import directional_modulus, homogenize
from ipage_core.tasks.cells.task import SIDE
from ipage_core.tasks.cells.wallpaper import GROUPS, ONE_AXIS, operations

ANGLES = np.linspace(0, 2 * np.pi, 181)
CLUTTER = 0.02
"""Share of the solid that may be thinner than the thinnest member, since tips and corners are no members."""


def packed(run: Run) -> bytes:
    """The result's cells packed as cache keys, 128 bytes each."""
    return np.packbits(run.x[-1] > 0.5, axis=1).tobytes()


def _unpacked(cells: bytes, n: int) -> np.ndarray:
    return np.unpackbits(np.frombuffer(cells, np.uint8).reshape(n, -1), axis=1).reshape(n, SIDE, SIDE)


@st.cache_data(max_entries=16, show_spinner="Homogenizing …")
def anisotropy(cells: bytes, n: int) -> np.ndarray:
    """Largest over smallest Young's modulus over all directions, of n packed cells → (n,)."""
    along = directional_modulus(homogenize(_unpacked(cells, n).astype(float)), ANGLES)
    return along.max(1) / along.min(1)


@st.cache_data(max_entries=16, show_spinner=False)
def thickness(cells: bytes, n: int) -> np.ndarray:
    """Thinnest member of n packed cells → (n,) pixels."""
    return np.array([thinnest(cell) for cell in _unpacked(cells, n)])


def thinnest(cell: np.ndarray) -> int:
    """Side in pixels of the largest square that, moved inside the solid, covers all but ``CLUTTER`` of it.

    (32, 32) of 0 and 1, periodic; 32 for a solid cell.
    """
    solid = cell.astype(bool)
    for k in range(2, SIDE + 1):
        fits = _along(solid, k, np.logical_and, -1)
        if _along(fits, k, np.logical_or, 1).sum() < (1 - CLUTTER) * solid.sum():
            return k - 1
    return SIDE


def _along(values: np.ndarray, k: int, join: np.ufunc, way: int) -> np.ndarray:
    """Combine each pixel with the next k − 1 in both directions, on the torus."""
    for axis in (0, 1):
        values = join.reduce([np.roll(values, way * i, axis=axis) for i in range(k)])
    return values


def symmetry(cell: np.ndarray) -> str:
    """The largest wallpaper group that leaves a cell unchanged, for any origin; 'p1' for none."""
    rows = np.arange(SIDE)
    moved = np.stack([np.roll(cell, (a, b), (0, 1)).ravel() for a in rows for b in rows])
    for group in sorted(GROUPS, key=lambda name: len(operations(name, SIDE)), reverse=True):
        for swap in (False, True) if group in ONE_AXIS else (False,):
            left = moved
            for permutation in operations(group, SIDE, swap=swap)[1:]:
                left = left[(left[:, permutation] == left).all(1)]
            if len(left):
                return group + (", axes exchanged" if swap else "")
    return "p1"


def nearest(run: Run, sample: int) -> tuple[np.ndarray, float, float]:
    """The training cell with the fewest different pixels: (1024,), the share that differs, its y."""
    data = _bits(run.task)
    one = np.packbits(run.x[-1, sample] > 0.5).view(np.uint64)
    differing = np.bitwise_count(data ^ one).sum(1)
    row = int(differing.argmin())
    x, y = training(run.task)
    return x[row], differing[row] / SIDE**2, float(y[row, 0])


@st.cache_resource(max_entries=1, show_spinner=False)
def _bits(task: str) -> np.ndarray:
    """(N, 16) uint64: all training cells."""
    return np.packbits(training(task)[0], axis=1).view(np.uint64)
