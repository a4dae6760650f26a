"""The 24 symmetry images of a strain: strains of the same crystal, seen along other axes.

Silicon has the cubic point group of 48 operations; inversion leaves a strain unchanged, so 24 act. They permute and
reverse the axes. In Mandel components (shears × √2) they are orthogonal, so distances between strains are isotropic.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

MANDEL = np.array([1, 1, 1, np.sqrt(2), np.sqrt(2), np.sqrt(2)])
"""Factors from a strain (…, 6) to its Mandel components, whose squares sum to ε : ε."""
_PAIRS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def operations() -> Floats:
    """The 24 orthogonal matrices Q that act differently on strains; the identity comes first. → (24, 3, 3)."""
    signs = ((1, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1))  # reversing all three axes is inversion
    return np.array([np.diag(s) @ np.eye(3)[list(axes)] for axes in itertools.permutations(range(3)) for s in signs])


def on_strains() -> Floats:
    """The operations as matrices on x = (e11, e22, e33, e23, e13, e12): signed permutations. → (24, 6, 6)."""
    result = np.zeros((24, 6, 6))
    for m, q in zip(result, operations(), strict=True):
        for j, (a, b) in enumerate(_PAIRS):
            unit = np.zeros((3, 3))
            unit[a, b] = unit[b, a] = 1
            turned = q @ unit @ q.T
            m[:, j] = [turned[pair] for pair in _PAIRS]
    return result


def images(strain: ArrayLike) -> Floats:
    """The strains of the same crystal, with equal gap, energy and pressure. (…, 6) → (…, 24, 6).

    Image 0 is the strain itself.
    """
    return np.einsum("gij,...j->...gi", on_strains(), np.asarray(strain, dtype=np.float64))


def distance(a: ArrayLike, b: ArrayLike) -> Floats:
    """Smallest Mandel distance between a (…, 6) and the 24 images of b (…, 6). → (…)."""
    apart = (np.asarray(a, dtype=np.float64)[..., None, :] - images(b)) * MANDEL
    return np.asarray(np.linalg.norm(apart, axis=-1).min(axis=-1))
