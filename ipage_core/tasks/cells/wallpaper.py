"""The twelve wallpaper groups that a square pixel lattice can carry.

General positions after the International Tables for Crystallography, volume A (2016), table 2.2; the
origin is a pixel corner, so mirrors and rotation centres lie between pixels, never on them.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

_POSITIONS = {
    "p1": "x,y",
    "p2": "x,y -x,-y",
    "pm": "x,y -x,y",
    "pg": "x,y -x,y+",
    "cm": "x,y -x,y x+,y+ -x+,y+",
    "pmm": "x,y -x,-y -x,y x,-y",
    "pmg": "x,y -x,-y -x+,y x+,-y",
    "pgg": "x,y -x,-y -x+,y+ x+,-y+",
    "cmm": "x,y -x,-y -x,y x,-y x+,y+ -x+,-y+ -x+,y+ x+,-y+",
    "p4": "x,y -x,-y -y,x y,-x",
    "p4m": "x,y -x,-y -y,x y,-x -x,y x,-y y,x -y,-x",
    "p4g": "x,y -x,-y -y,x y,-x -x+,y+ x+,-y+ y+,x+ -y+,-x+",
}
"""Images of the point (x, y); a trailing + adds half a cell."""

GROUPS = tuple(_POSITIONS)
ONE_AXIS = ("pm", "pg", "cm", "pmg")
"""Groups that distinguish the axes: each also exists with x and y exchanged."""


@lru_cache(maxsize=64)
def operations(group: str, n: int, *, swap: bool = False) -> NDArray[np.intp]:
    """The group's operations as permutations of the n² pixels: (order, n²), g takes pixel i to [g, i].

    Pixels are numbered n·iy + ix; n must be even. ``swap`` exchanges the axes. Centred groups (cm, cmm)
    repeat within the cell.
    """
    if group not in _POSITIONS:
        raise ValueError(f"Expected one of {', '.join(GROUPS)}, got {group!r}.")
    if n < 2 or n % 2:
        raise ValueError(f"Expected an even number of pixels per side, got {n}.")
    iy, ix = np.divmod(np.arange(n * n), n)
    # Twice the pixel centre, in pixels: a reflection is then a change of sign, and half a cell is n.
    x, y = 2 * ix + 1, 2 * iy + 1
    if swap:
        x, y = y, x
    images = []
    for position in _POSITIONS[group].split():
        u, v = (_coordinate(term, x, y, n) for term in position.split(","))
        if swap:
            u, v = v, u
        images.append(((v - 1) // 2 % n) * n + (u - 1) // 2 % n)
    table = np.array(images)
    table.flags.writeable = False
    return table


def _coordinate(term: str, x: NDArray[np.intp], y: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    value = x if "x" in term else y
    return (-value if term.startswith("-") else value) + (n if term.endswith("+") else 0)


def symmetrize(field: ArrayLike, group: str, *, swap: bool = False) -> NDArray[np.float64]:
    """Average a field over the group. (n, n) → (n, n).

    Each orbit is averaged once and its mean is copied to all its pixels, so equal pixels agree to
    the last bit. Averaging the transformed fields instead leaves differences of 1e-16, and a
    threshold on them breaks the symmetry.
    """
    values = np.asarray(field, dtype=np.float64)
    first = operations(group, len(values), swap=swap).min(axis=0)
    mean = np.bincount(first, values.ravel(), values.size) / np.maximum(np.bincount(first, minlength=values.size), 1)
    return mean[first].reshape(values.shape)


def is_symmetric(cell: ArrayLike, group: str, *, swap: bool = False) -> bool:
    """Whether every operation of the group leaves the (n, n) cell as it is."""
    pixels = np.asarray(cell)
    return bool((pixels.ravel()[operations(group, len(pixels), swap=swap)] == pixels.ravel()).all())
