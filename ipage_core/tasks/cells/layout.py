"""Layouts of n × m pixel cells at a size in millimetres: their outline, and the extruded solid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import shapely  # type: ignore[import-untyped]
import trimesh
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import label
from shapely.affinity import scale  # type: ignore[import-untyped]

from ipage_core.tasks.cells.features import opened, smallest_features

SIZES = (0.01, 10_000.0)
"""Accepted widths and heights, in mm: beyond them, coordinates in files lose their digits."""


@dataclass(frozen=True)
class Layout:
    """Layout of a cell; lengths in millimetres."""

    tiles: tuple[int, int] = (3, 3)
    """Cells along x and along y."""
    cell_mm: float = 10.0
    """Width of one cell; pixels are square."""
    thickness_mm: float = 5.0
    """Height of the extrusion (STL, 3MF)."""
    contacts: Literal["join", "separate"] = "join"
    """Treatment of two solid pixels that touch at a corner only; meshes and printers accept no such contact."""
    contact_size: float = 0.05
    """Half-width, in pixels, of the square added at such a corner (join) or cut out of it (separate)."""

    def __post_init__(self) -> None:
        if min(self.tiles) < 1:
            raise ValueError(f"Expected at least one cell along each axis, got {self.tiles[0]} × {self.tiles[1]}.")
        low, high = SIZES
        if not (low <= self.cell_mm <= high and low <= self.thickness_mm <= high):
            said = f"got cells of {self.cell_mm:g} mm, {self.thickness_mm:g} mm thick"
            raise ValueError(f"Expected sizes from {low:g} to {high:g} mm, {said}.")
        if self.contacts not in ("join", "separate"):
            raise ValueError(f"Expected contacts 'join' or 'separate', got {self.contacts!r}.")
        if not 0 < self.contact_size < 0.5:
            raise ValueError(f"Expected a contact size in (0, 0.5) pixels, got {self.contact_size:g}.")


def tiled(cell: ArrayLike, layout: Layout) -> NDArray[np.bool_]:
    """Cells side by side, from the :func:`origin` on. (ny, nx) → (tiles_y ny, tiles_x nx) bool.

    Raises:
        ValueError: not a two-dimensional array of zeros and ones, or without a solid pixel.
    """
    pixels = np.asarray(cell)
    if pixels.ndim != 2 or not np.isin(pixels, (0, 1)).all():
        got = f"shape {pixels.shape}" if pixels.ndim != 2 else "other numbers"
        raise ValueError(f"Expected a two-dimensional cell of 0 and 1, got {got}.")
    if not pixels.any():
        raise ValueError("Expected at least one solid pixel, got an empty cell.")
    solid = pixels.astype(bool)
    return np.tile(np.roll(solid, [-start for start in origin(solid)], axis=(0, 1)), layout.tiles[::-1])


def origin(cell: ArrayLike) -> tuple[int, int]:
    """The pixel (row, column) at which a sheet of cells begins, so that its outer edge cuts off as little as can be.

    The pattern is periodic, so where it begins changes no property. But a wall that crosses the edge may leave loose
    pieces or thin fins there, which no printer keeps. (0, 0) unless another pixel leaves fewer. (ny, nx) → 2 ints.
    """
    solid = np.asarray(cell, dtype=bool)
    return _origin(np.packbits(solid).tobytes(), solid.shape)


def pieces(sheet: ArrayLike) -> int:
    """Number of solid parts of a sheet that is not periodic. (ny, nx) → int."""
    return int(label(np.asarray(sheet, dtype=bool))[1])


@lru_cache(maxsize=64)
def _origin(packed: bytes, shape: tuple[int, int]) -> tuple[int, int]:
    solid = np.unpackbits(np.frombuffer(packed, np.uint8), count=shape[0] * shape[1]).reshape(shape).astype(bool)
    wall = min(smallest_features(solid)[0], min(shape) // 2)

    def loss(row: int, column: int) -> tuple[int, int]:
        sheet = np.pad(np.tile(np.roll(solid, (-row, -column), axis=(0, 1)), (2, 2)), max(wall, 1))
        return pieces(sheet), int((sheet & ~opened(sheet, wall)).sum()) if wall > 1 else 0

    best = 0, 0
    least = loss(*best)
    if least == (1, 0):
        return best
    for starts in ([(0, column) for column in range(shape[1])], [(row, -1) for row in range(shape[0])]):
        for row, column in starts:  # first along x, then along y
            place = row, best[1] if column < 0 else column
            if (seen := loss(*place)) < least:
                best, least = place, seen
    return best


def outline(cell: ArrayLike, layout: Layout) -> list[shapely.Polygon]:
    """The solid as polygons with holes, in millimetres, disjoint and without touching corners.

    Assembled in pixel units, where coordinates are small integers and unions are exact, then scaled.
    """
    solid = tiled(cell, layout)
    # One box per horizontal run of solid pixels.
    edge = np.diff(np.pad(solid, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    (row, left), (_, right) = np.nonzero(edge == 1), np.nonzero(edge == -1)
    shape = shapely.union_all(shapely.box(left, row, right, row + 1))
    a, b, c, d = solid[:-1, :-1], solid[:-1, 1:], solid[1:, :-1], solid[1:, 1:]
    y, x = np.nonzero((a & d & ~b & ~c) | (b & c & ~a & ~d))
    if len(x):
        h = layout.contact_size
        corners = shapely.union_all(shapely.box(x + 1 - h, y + 1 - h, x + 1 + h, y + 1 + h))
        shape = shape | corners if layout.contacts == "join" else shape - corners
    pitch = layout.cell_mm / (solid.shape[1] // layout.tiles[0])
    # simplify drops collinear vertices, which would become slivers and cracks.
    shape = scale(shapely.simplify(shape, 0), pitch, pitch, origin=(0, 0))
    return [part for part in shapely.get_parts(shape) if isinstance(part, shapely.Polygon)]


def solid_mesh(cell: ArrayLike, layout: Layout) -> trimesh.Trimesh:
    """The outline extruded from z = 0 to the thickness: a closed surface per connected part, in millimetres.

    Triangulated by GEOS's constrained Delaunay, not by ear clipping: of 60 noisy layouts with hundreds of holes each,
    ear clipping left one with a crack.
    """
    parts = []
    for part in outline(cell, layout):
        triangles = shapely.get_parts(shapely.constrained_delaunay_triangles(part))
        corners = shapely.get_coordinates(triangles).reshape(-1, 4, 2)[:, :3]
        points, index = np.unique(corners.reshape(-1, 2), axis=0, return_inverse=True)
        parts.append(trimesh.creation.extrude_triangulation(points, index.reshape(-1, 3), layout.thickness_mm))
    mesh = trimesh.util.concatenate(parts)
    assert isinstance(mesh, trimesh.Trimesh)
    return mesh
