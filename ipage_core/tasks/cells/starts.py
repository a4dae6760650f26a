"""Starts of the search for a cell: nearest stored cells, noise, and motifs known to be auxetic."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ipage_core.tasks.cells.dataset import DATA, SIDE, CellData, pack, read, read_card, unpack
from ipage_core.tasks.cells.features import has_features
from ipage_core.tasks.cells.goals import Goal, Goals
from ipage_core.tasks.cells.properties import values

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_SWAP = np.array([1, 0, 2])
"""Permutation of the rows and columns of C that exchanges x and y."""


SECOND = ("printable", "auxetic")
"""Kinds of the second edition, in addition to the paper's cells."""
PRINTABLE = 2
"""Smallest feature, in pixels, of every printable cell."""


ALIKE = 0.06
"""Cells that differ in at most this share of their pixels count as one, because they would lead to the same design."""


CHUNK = 500
"""Cells whose features are checked at a time."""


class Stored(NamedTuple):
    """Shipped cells, reduced to what starts need."""

    packed: NDArray[np.uint8]
    """(N, 128) packed pixels, an eighth of their size in memory."""
    stiffness: Array
    """(N, 3, 3) in units of E_s."""
    volume: Array
    """(N,)."""


@lru_cache(maxsize=1)
def stored() -> CellData:
    """The cells of the paper's task, read once."""
    return read()


@lru_cache(maxsize=2)
def shipped(feature: int = 1) -> Stored:
    """All shipped cells, both editions; for a feature of 2 pixels only those without walls and gaps of one pixel."""
    sets = []
    for kind in SECOND if feature >= PRINTABLE else ("cells", *SECOND):
        data = read(DATA.with_name(f"{kind}.parquet"))
        kept = has_features(data.pixels, feature)
        sets.append(Stored(pack(data.pixels[kept]), data.stiffness[kept], data.volume_fraction[kept]))
    return Stored(*map(np.concatenate, zip(*sets, strict=True)))


@lru_cache(maxsize=48)
def shipped_property(name: str, feature: int = 1) -> Array:
    """A property of all shipped cells, then of the same cells with x and y exchanged: (2 N,)."""
    data = shipped(feature)
    stiffness = np.concatenate((data.stiffness, data.stiffness[:, _SWAP][:, :, _SWAP]))
    return values((name,), stiffness, np.tile(data.volume, 2))[:, 0]


@lru_cache(maxsize=32)
def mean_and_sd(name: str) -> tuple[float, float]:
    """Mean and SD of a property over the cells of the paper's task, for z-scores."""
    result = shipped_property(name)[: read_card()["n"]]
    return float(result.mean()), float(result.std())


def nearest(goals: Goals, n: int, feature: int = 1, extremes: Sequence[Goal] = ()) -> tuple[Mask, Array]:
    """The n shipped cells nearest to the goals, in tolerances; x and y may be exchanged.

    Args:
        goals: the goals with a number.
        n: number of cells.
        feature: from 2 on, only cells without walls and gaps of one pixel.
        extremes: goals to minimize or maximize; by these, cells that meet all other goals are ordered.

    Returns:
        (n, 32, 32) cells, (n,) their largest residual.
    """
    feature = min(feature, PRINTABLE)
    residual = goals.residual(np.stack([shipped_property(name, feature) for name in goals.names], axis=1))
    distance = np.linalg.norm(residual, axis=1)
    if extremes:  # how good each is, in SD, below zero where the goals are met
        worth = np.sum([_worth(goal, feature) for goal in extremes], axis=0)
        distance = np.where(np.abs(residual).max(axis=1) <= 1, worth.min() - worth - 1, distance)
    most = 4 * n
    order = np.argpartition(distance, most)[:most] if most < len(distance) else np.arange(len(distance))
    order = order[np.argsort(distance[order])]
    cells = np.array([_cell(shipped(feature).packed, row) for row in order.tolist()])
    chosen = _unlike(cells, n)
    return cells[chosen], np.abs(residual[order[chosen]]).max(axis=1)


def _worth(goal: Goal, feature: int) -> Array:
    """How far the property of each shipped cell lies on the side that an open goal wants, in SD. → (2 N,)."""
    value = shipped_property(goal.name, feature)
    return (-1 if goal.kind == "minimize" else 1) * value / max(float(value.std()), np.finfo(np.float64).tiny)


def lookup(goals: Goals, feature: int = 1, side: int = SIDE) -> float:
    """The control: the least misfit, in tolerances, among all shipped cells as they are.

    Args:
        goals: the goals; at most 1 meets all of them.
        feature: smallest feature, in pixels of a cell with ``side`` pixels; a shipped cell has it at its own 32.
        side: pixels per side.

    Returns:
        Infinite if no shipped cell has the feature.
    """
    least = -(-feature * SIDE // side)
    among = min(least, PRINTABLE)
    residual = goals.residual(np.stack([shipped_property(name, among) for name in goals.names], axis=1))
    misfit = np.abs(residual).max(axis=1)
    if least <= PRINTABLE:
        return float(misfit.min())
    packed, order = shipped(among).packed, np.argsort(misfit)
    for rows in np.array_split(order, max(1, len(order) // CHUNK)):
        wide = has_features(unpack(packed[rows % len(packed)]), least)
        if wide.any():
            return float(misfit[rows[wide.argmax()]])
    return float("inf")


def _unlike(cells: Mask, n: int) -> NDArray[np.intp]:
    """Rows of the first n cells that differ in more than a few pixels from every earlier one and from its transpose.

    If there are fewer, the first of the other cells follow. (m, side, side) → (n,).
    """
    chosen, others = list[int](), list[int]()
    for k, cell in enumerate(cells):
        seen = cells[chosen]
        differs = [float((seen != turned).mean((1, 2)).min(initial=1)) for turned in (cell, cell.T)]
        (chosen if min(differs) > ALIKE else others).append(k)
        if len(chosen) == n:
            break
    return np.array((chosen + others)[:n], dtype=np.intp)


def _cell(packed: NDArray[np.uint8], row: int) -> Mask:
    cell = unpack(packed[None, row % len(packed)])[0]
    return cell.T if row >= len(packed) else cell


def resized(cell: Mask | Array, side: int) -> Array:
    """A stored cell or a density as a field u at another resolution, bilinear between pixels. (m, m) → (side, side)."""
    m = len(cell)
    if side == m:
        return cell.astype(np.float64)
    at = (np.arange(side) + 0.5) * m / side - 0.5
    low = np.floor(at).astype(int)
    share = at - low
    columns = cell[:, low % m] * (1 - share) + cell[:, (low + 1) % m] * share
    return columns[low % m] * (1 - share)[:, None] + columns[(low + 1) % m] * share[:, None]


def noise(rng: np.random.Generator, side: int, length: float | None = None) -> Array:
    """A stationary Gaussian field about 1/2, clipped to [0, 1]. → (side, side).

    Args:
        rng: random generator of the noise.
        side: pixels per side.
        length: correlation length in pixels; one of 0.7, 1.5 and 2.5 in cells of 32 pixels if None.
    """
    if length is None:
        length = float(rng.choice((0.7, 1.5, 2.5))) * side / 32
    at = np.minimum(np.arange(side), side - np.arange(side)) * (2 * np.pi / side)
    amplitude = np.exp(-(at[:, None] ** 2 + at**2) * length**2 / 2)[:, : side // 2 + 1]
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((side, side))) * amplitude, s=(side, side))
    return (0.5 + 0.3 * field / field.std()).clip(0, 1)


def shaken(rng: np.random.Generator, cell: Mask) -> Array:
    """A softened cell with added noise, so that descent can leave a local minimum. (m, m) → (m, m) in [0, 1]."""
    return (0.15 + 0.7 * cell + 0.15 * rng.standard_normal(cell.shape)).clip(0, 1)


def motif(rng: np.random.Generator, side: int) -> Array:
    """A mechanism with a negative Poisson's ratio, softened, with added noise. → (side, side) in [0, 1].

    Rotating squares (Grima and Evans 2000, doi:10.1023/A:1006781224002) or the re-entrant honeycomb (Gibson et al.
    1982, doi:10.1098/rspa.1982.0087), with equal probability; the honeycomb lies along either axis.
    """
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    field = _rotating_squares(rng, x, y) if rng.random() < 0.5 else _re_entrant(rng, x, y)
    field = field.T if rng.random() < 0.5 else field
    shifted = np.roll(field, tuple(rng.integers(0, side, 2)), axis=(0, 1))
    return (0.5 + 8 * shifted + 0.2 * (noise(rng, side) - 0.5)).clip(0, 1)


def _rotating_squares(rng: np.random.Generator, x: Array, y: Array) -> Array:
    """Signed distance to four squares, rotated alternately, that just overlap at their corners; positive inside."""
    angle = np.radians(rng.uniform(10, 35))
    # The corners of neighbours meet if half the rotated diagonal spans a quarter of the cell.
    half = 0.25 / (np.cos(angle) + np.sin(angle)) * rng.uniform(1.0, 1.12)
    field = np.full(x.shape, -np.inf)
    for i in (0, 1):
        for j in (0, 1):
            dx = (x - 0.25 - 0.5 * i + 0.5) % 1 - 0.5
            dy = (y - 0.25 - 0.5 * j + 0.5) % 1 - 0.5
            turn = angle if (i + j) % 2 else -angle
            along, across = np.cos(turn) * dx + np.sin(turn) * dy, np.cos(turn) * dy - np.sin(turn) * dx
            field = np.maximum(field, half - np.maximum(np.abs(along), np.abs(across)))
    return field


def _re_entrant(rng: np.random.Generator, x: Array, y: Array) -> Array:
    """Half the wall thickness minus the distance to the nearest wall of a bow-tie honeycomb; positive inside."""
    h, half = rng.uniform(0.29, 0.4), rng.uniform(0.025, 0.06)
    ends = [((0.0, 0.5 - h), (0.0, 0.5 + h)), ((0.5, -h), (0.5, h))]
    for end in (0.5, -0.5):
        ends += [((0.0, 0.5 - h), (end, h)), ((0.0, 0.5 + h), (end, 1 - h))]
    field = np.full(x.shape, -np.inf)
    for (ax, ay), (bx, by) in ends:
        for shift_x in (0, 1):  # the walls on the other sides are farther from every pixel
            for shift_y in (0, 1):
                px, py = x - ax - shift_x, y - ay - shift_y
                dx, dy = bx - ax, by - ay
                along = ((px * dx + py * dy) / (dx * dx + dy * dy)).clip(0, 1)
                field = np.maximum(field, half - np.hypot(px - along * dx, py - along * dy))
    return field
