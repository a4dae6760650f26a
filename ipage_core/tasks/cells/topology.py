"""Connectivity of periodic binary cells: hinges, components and percolation on the torus.

A cell is a boolean array ``[iy, ix]``, True = solid, periodic along both axes. Pixels connect along edges
only (4-connectivity), because two pixels that meet at a corner form a hinge and carry no load.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter, label
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

Mask = NDArray[np.bool_]


class Components(NamedTuple):
    """Solid components of a cell on the torus."""

    labels: NDArray[np.intp]
    """(ny, nx): 0 for void, otherwise the component's number from 1."""
    windings: list[list[tuple[int, int]]]
    """Per component, generators (w_x, w_y) of the lattice of closed loops: number of cells crossed along x and y."""


def has_hinges(cells: ArrayLike) -> Mask:
    """Whether two solid pixels meet at a corner only, anywhere. (*, ny, nx) → (*,) bool."""
    falling, rising = _hinges(np.asarray(cells, dtype=bool))
    return np.asarray((falling | rising).any(axis=(-2, -1)))


def fill_hinges(cells: ArrayLike) -> Mask:
    """Fill both void pixels of every diagonal contact until none is left. (*, ny, nx) → (*, ny, nx) bool.

    Filling both, not one, commutes with every symmetry of the square lattice.
    """
    solid = np.array(cells, dtype=bool)
    while True:
        falling, rising = _hinges(solid)
        if not (falling | rising).any():
            return solid
        solid |= np.roll(falling, 1, axis=-1) | np.roll(falling, 1, axis=-2)
        solid |= rising | np.roll(rising, (1, 1), axis=(-2, -1))


def components(cell: ArrayLike) -> Components:
    """Label the 4-connected components on the torus. (ny, nx) → Components.

    A union-find joins the pieces of the unwrapped cell across its two seams and stores the periodic image of every
    piece. Joining two pieces that are already one closes a loop round the torus.
    """
    solid = np.asarray(cell, dtype=bool)
    pieces, n = label(solid)
    parent = list(range(n + 1))
    origin = (0, 0)
    image = [origin for _ in parent]
    loops: list[list[tuple[int, int]]] = [[] for _ in parent]

    def find(a: int) -> tuple[int, int, int]:
        x, y = image[a]
        while parent[a] != a:
            a = parent[a]
            x, y = x + image[a][0], y + image[a][1]
        return a, x, y

    seams = ((pieces[:, -1], pieces[:, 0], 1, 0), (pieces[-1], pieces[0], 0, 1))
    for here, there, step_x, step_y in seams:
        touching = (here > 0) & (there > 0)
        for a, b in sorted(set(zip(here[touching].tolist(), there[touching].tolist(), strict=True))):
            root_a, ax, ay = find(a)
            root_b, bx, by = find(b)
            shift = (ax + step_x - bx, ay + step_y - by)
            if root_a != root_b:
                parent[root_b], image[root_b] = root_a, shift
                loops[root_a] += loops[root_b]
            elif shift != origin:
                loops[root_a].append(shift)

    roots = [a for a in range(1, len(parent)) if parent[a] == a]
    number = {root: k for k, root in enumerate(roots, start=1)}
    lookup = np.array([0] + [number[find(a)[0]] for a in range(1, len(parent))], dtype=np.intp)
    return Components(lookup[pieces], [loops[root] for root in roots])


def largest_component(cell: ArrayLike) -> Mask:
    """Only the component with most pixels (of equals, the first in reading order). (ny, nx) → (ny, nx)."""
    labels = components(cell).labels
    if not labels.any():
        return np.zeros(labels.shape, dtype=bool)
    return labels == 1 + np.bincount(labels.ravel())[1:].argmax()


def percolates(cell: ArrayLike) -> tuple[bool, bool]:
    """Whether the solid connects to the next cell along x, and along y. (ny, nx) → (bool, bool).

    A loop must end exactly one or more cells along this axis: a diagonal stripe, whose every loop moves
    along both, percolates in neither, and bears no load along them. So both hold at once only for a
    component whose loops span the plane.
    """
    along_x = along_y = False
    for loops in components(cell).windings:
        spans = any(ax * by != ay * bx for ax, ay in loops for bx, by in loops)
        along_x |= spans or any(x != 0 and y == 0 for x, y in loops)
        along_y |= spans or any(x == 0 and y != 0 for x, y in loops)
    return along_x, along_y


def is_admissible(cell: ArrayLike) -> bool:
    """Whether a binary cell is one piece on the torus, free of hinges, and percolates along x and y. (ny, nx)."""
    solid = np.asarray(cell, dtype=bool)
    return not bool(has_hinges(solid)) and len(components(solid).windings) == 1 and percolates(solid) == (True, True)


def admissible(density: ArrayLike, orbits: NDArray[np.intp] | None = None, frozen: ArrayLike | None = None) -> Mask:
    """A binary admissible cell near a grey one, see :func:`is_admissible`. (ny, nx) → (ny, nx).

    The density is cut at 1/2. Of the four pixels of a hinge, the one nearest to 1/2 flips, until no hinge is left.
    If no piece percolates along an axis, the cheapest loop round the torus is filled, along pixels that are already
    dense. Only the largest percolating piece stays.

    Args:
        density: (ny, nx) in [0, 1].
        orbits: (ny, nx) labels; pixels with equal labels change together, so a symmetric density gives a symmetric
            cell. Every pixel has its own label if None.
        frozen: (ny, nx) bool, pixels that change only as a last resort: already black or white.
    """
    grey = np.asarray(density, dtype=np.float64)
    orbits = np.arange(grey.size).reshape(grey.shape) if orbits is None else orbits
    fixed = np.zeros(grey.shape, dtype=bool) if frozen is None else np.asarray(frozen, dtype=bool)
    size = np.bincount(orbits.ravel(), minlength=grey.size)
    blurred = gaussian_filter(grey, 1.0, mode="wrap")
    fallback, filled = None, np.zeros(grey.shape, dtype=bool)
    for level in (np.inf, np.inf, 0.45, 0.4, 0.3, 0.2, 0.1):
        grown = (blurred >= level) & ~fixed | filled
        solid = _without_hinges(np.where(grown, np.maximum(grey, 0.5), grey), orbits, fixed | filled)
        whole = _percolating_component(solid)
        share = np.bincount(orbits.ravel(), whole.ravel(), grey.size)
        if whole.any() and ((share == 0) | (share == size)).all():
            if not (fixed & (whole != (grey >= 0.5))).any():
                return whole
            fallback = whole if fallback is None else fallback
        if not filled.any():
            cost = np.where(solid, 1e-3, np.maximum(1.1 - blurred, 1e-2)) + 10.0 * (fixed & ~solid)
            loops = _cheapest_loop(cost) | _cheapest_loop(cost.T).T
            filled = np.isin(orbits, orbits[loops]) & ~solid
    return np.ones(grey.shape, dtype=bool) if fallback is None else fallback


def _percolating_component(cell: Mask) -> Mask:
    """The largest component that percolates along x and y; all void if there is none."""
    labels, windings = components(cell)
    best, most = 0, 0
    for k in range(1, len(windings) + 1):
        piece = labels == k
        if piece.sum() > most and percolates(piece) == (True, True):
            best, most = k, int(piece.sum())
    return (labels == best) & (best > 0)


def _cheapest_loop(cost: NDArray[np.float64]) -> Mask:
    """The cheapest loop that goes once round along x and not along y. cost (ny, nx) > 0 → (ny, nx)."""
    ny, nx = cost.shape
    roll = -int(cost.sum(axis=1).argmax())  # no loop crosses the edge between rows 0 and ny − 1: cut the emptiest row
    rolled = np.roll(cost, roll, axis=0)
    wide = np.concatenate((rolled, rolled[:, :1]), axis=1)
    node = np.arange(wide.size).reshape(wide.shape)
    ends = [(node[:, :-1], node[:, 1:]), (node[:-1], node[1:])]
    tail = np.concatenate([part.ravel() for a, b in ends for part in (a, b)])
    head = np.concatenate([part.ravel() for a, b in ends for part in (b, a)])
    graph = csr_array((wide.ravel()[head], (tail, head)), shape=(wide.size, wide.size))
    distance, previous = dijkstra(graph, indices=node[:, 0], return_predecessors=True)
    row = int(distance[np.arange(ny), node[:, nx]].argmin())
    loop = np.zeros(cost.shape, dtype=bool)
    at = node[row, nx]
    while at >= 0:  # the start node has no predecessor
        loop[at // (nx + 1), at % (nx + 1) % nx] = True
        at = previous[row, at]
    return np.roll(loop, -roll, axis=0)


def _without_hinges(grey: NDArray[np.float64], orbits: NDArray[np.intp], frozen: Mask) -> Mask:
    solid, doubt = grey >= 0.5, np.where(frozen, 1.0, np.abs(grey - 0.5))
    for _ in range(grey.size):
        falling, rising = _hinges(solid)
        at = np.argwhere(falling | rising)
        if not len(at):
            return solid
        # Start with the hinge that has the least certain pixel: its repair may repair the neighbours.
        rows = (at[:, :1] + (0, 0, 1, 1)) % grey.shape[0]
        columns = (at[:, 1:] + (0, 1, 0, 1)) % grey.shape[1]
        hinge, corner = divmod(int(doubt[rows, columns].argmin()), 4)
        pixel = rows[hinge, corner], columns[hinge, corner]
        if np.isinf(doubt[pixel]):
            break
        flipped = orbits == orbits[pixel]
        solid[flipped] = ~solid[flipped]
        doubt[flipped] = np.inf  # each pixel flips once, so the loop ends
    return fill_hinges(solid)


def _hinges(solid: Mask) -> tuple[Mask, Mask]:
    """Whether the 2×2 block that starts at (iy, ix) is solid on one diagonal only: (*, ny, nx) for each diagonal."""
    a, b = solid, np.roll(solid, -1, axis=-1)
    c, d = np.roll(a, -1, axis=-2), np.roll(b, -1, axis=-2)
    return a & d & ~b & ~c, b & c & ~a & ~d
