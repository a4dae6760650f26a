"""The thinnest wall and the narrowest gap of a cell, in pixels: the detail that a printer must resolve.

All features of a set are at least k pixels thick if the set is the union of k × k squares, that is, if morphological
opening by this square leaves it unchanged (Serra 1982, Image Analysis and Mathematical Morphology). On the torus, axis
by axis.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import maximum_filter1d, minimum_filter1d

Mask = NDArray[np.bool_]


def opened(cells: ArrayLike, k: int) -> Mask:
    """The union of the k × k squares inside the set. (*, ny, nx) → (*, ny, nx) bool."""
    result = np.asarray(cells, dtype=bool).astype(np.uint8)
    for axis in (-1, -2):
        result = minimum_filter1d(result, k, axis=axis, mode="wrap")
    for axis in (-1, -2):  # an even window has no centre: shift the second one back
        result = maximum_filter1d(result, k, axis=axis, mode="wrap", origin=-1 if k % 2 == 0 else 0)
    return result.astype(bool)


def has_features(cells: ArrayLike, k: int) -> Mask:
    """Whether no wall and no gap is thinner than k pixels. (*, ny, nx) → (*,) bool."""
    solid = np.asarray(cells, dtype=bool)
    if k <= 1:
        return np.ones(solid.shape[:-2], dtype=bool)
    same = (opened(solid, k) == solid).all((-2, -1))
    return np.asarray(same & (opened(~solid, k) == ~solid).all((-2, -1)))


def smallest_features(cell: ArrayLike) -> tuple[int, int]:
    """The thinnest wall and the narrowest gap, in pixels; the side's length where there is none. (ny, nx) → 2 ints."""
    solid = np.asarray(cell, dtype=bool)
    return _smallest(solid), _smallest(~solid)


def _smallest(part: Mask) -> int:
    side = min(part.shape)
    return next((k - 1 for k in range(2, side + 1) if not np.array_equal(opened(part, k), part)), side)


def repaired(cell: ArrayLike, k: int, rounds: int = 12) -> Mask:
    """A nearby cell without thin walls or gaps, if opening and closing converge to one. (ny, nx) → (ny, nx) bool."""
    solid = np.asarray(cell, dtype=bool)
    for _ in range(rounds if k > 1 else 0):
        after = ~opened(~opened(solid, k), k)
        if np.array_equal(after, solid):
            break
        solid = after
    return solid


def parse_feature(text: str, cell_mm: float, side: int) -> int:
    """Convert a smallest feature such as ``2``, ``2px`` or ``0.6mm`` to whole pixels.

    Raises:
        ValueError: the text cannot be parsed, or the length is impossible for a cell.
    """
    said = text.strip().lower()
    try:
        in_mm = said.endswith("mm")
        number = float(said.removesuffix("mm")) if in_mm else int(said.removesuffix("px"))
    except ValueError:
        raise ValueError(
            f"the smallest feature '{text}' is not understood; accepted: whole pixels (2) or millimetres (0.6mm)"
        ) from None
    return feature_pixels(number, cell_mm, side) if in_mm else int(number)


def feature_pixels(feature_mm: float, cell_mm: float, side: int) -> int:
    """A smallest feature in millimetres as whole pixels, rounded up.

    Raises:
        ValueError: a length is not positive, or the feature is larger than half the cell.
    """
    if not (0 < feature_mm < math.inf and 0 < cell_mm < math.inf):
        raise ValueError(f"expected positive lengths, got a feature of {feature_mm:g} mm in a cell of {cell_mm:g} mm")
    pixels = math.ceil(feature_mm / cell_mm * side - 1e-9)
    if pixels > side // 2:
        raise ValueError(f"a feature of {feature_mm:g} mm is more than half of a cell of {cell_mm:g} mm")
    return pixels
