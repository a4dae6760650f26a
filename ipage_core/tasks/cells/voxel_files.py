"""Voxel arrays from NPY and NPZ files, and what their analysis writes: one row, and E(n) as a surface."""

from __future__ import annotations

import io
import itertools
import math
import operator
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ipage_core.tasks.cells.voxels import LARGEST, directional_moduli, homogenize_voxels, surface

Array = NDArray[np.float64]

SURFACES = (".csv", ".ply", ".stl")
"""Formats of the surface E(n)."""
MOST_HEADER = 65_536
"""Bytes of a file in which its header must end: a forged length would make the reader ask for gigabytes."""
SHAPES = (
    ".stl",
    ".3mf",
    ".obj",
    ".ply",
    ".off",
    ".step",
    ".stp",
    ".vtk",
    ".vtu",
    ".vti",
    ".vox",
    ".raw",
    ".tif",
    ".tiff",
)
"""Suffixes of surfaces and volumes that are no arrays of voxels."""
NAMES = tuple(f"c{i}{j}" for i, j in itertools.combinations_with_replacement("123456", 2))
"""Columns of the upper triangle of C."""


def verify_file(path: Path) -> dict[str, float] | None:
    """Properties of a voxel cell in a NumPy file; None for tables of designs.

    Raises:
        ValueError: the file is a surface or another volume, or :func:`read_voxels` refuses it.
    """
    suffix = path.suffix.lower()
    if suffix in SHAPES:
        raise ValueError(
            f"{path} is no array of voxels; accepted: NPY or NPZ with densities of shape (nz, ny, nx), or a table"
        )
    return summary(read_voxels(path)) if suffix in (".npy", ".npz") else None


def read_voxels(path: Path) -> Array:
    """A voxel array from a file: NPY, or NPZ with one array or one named ``voxels``. → (nz, ny, nx) float64.

    Shape and type are checked in the header, before the array is read, so that a forged one cannot fill the memory.

    Raises:
        ValueError: not such a file, a file with objects, or not an array of finite densities of an accepted shape.
    """
    try:
        if path.suffix.lower() == ".npz":
            with zipfile.ZipFile(path) as archive, archive.open(_only_array(archive, path)) as file:
                return _checked(file, path)
        with path.open("rb") as file:
            return _checked(file, path)
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist") from None
    except (OSError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error):
        raise ValueError(f"{path} is damaged, or not an NPY or NPZ file") from None


def _only_array(archive: zipfile.ZipFile, path: Path) -> str:
    """The name of the array to read."""
    names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    if "voxels" in names:
        return "voxels.npy"
    if len(names) != 1:
        shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        raise ValueError(f"{path}: expected one array, or one named 'voxels', got {shown or 'none'}")
    return f"{names[0]}.npy"


def _checked(file: IO[bytes], path: Path) -> Array:
    """Read the header, check it, then read the array."""
    start = file.read(MOST_HEADER)
    head = io.BytesIO(start)
    try:
        version = np.lib.format.read_magic(head)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(head)
        shape = tuple(map(operator.index, shape))
    except (ValueError, TypeError, EOFError, SyntaxError, TokenError, MemoryError, RecursionError):
        raise ValueError(f"{path} is damaged, or not an NPY or NPZ file") from None
    if dtype.kind not in "buif" or len(shape) != 3:
        raise ValueError(f"{path}: expected numbers of shape (nz, ny, nx), got {dtype} of shape {shape}")
    if min(shape) < 1 or max(shape) > LARGEST:
        raise ValueError(f"{path}: expected 1 to {LARGEST} voxels along each axis, got {shape}")
    size = math.prod(shape)
    content = start[head.tell() :][: size * dtype.itemsize]
    content += file.read(size * dtype.itemsize - len(content))
    if len(content) < size * dtype.itemsize:
        raise ValueError(f"{path} is cut short: its header announces {size} voxels")
    array = np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C").astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(
            f"{path}: expected densities from 0 to 1, got {int((~np.isfinite(array)).sum())} NaN or infinite"
        )
    if array.min() < 0 or array.max() > 1:
        raise ValueError(f"{path}: expected densities from 0 to 1, got {array.min():g} to {array.max():g}")
    return array


def summary(density: ArrayLike) -> dict[str, float]:
    """A voxel array as one row: C11..C66, Young's moduli along the axes and over all directions, volume fraction."""
    c = homogenize_voxels(density)
    along = directional_moduli(c, np.eye(3))
    everywhere = surface(c)[1]
    row = dict(zip(NAMES, c[np.triu_indices(6)].tolist(), strict=True))
    row |= dict(zip(("e_x", "e_y", "e_z"), along.tolist(), strict=True))
    row |= {"e_min": float(everywhere.min()), "e_max": float(everywhere.max())}
    return row | {"volume": float(np.asarray(density, dtype=np.float64).mean())}


def surface_file(row: Mapping[str, Any], suffix: str) -> bytes:
    """E(n) over all directions n as a file.

    Args:
        row: :func:`summary`.
        suffix: ``.csv`` for a table of directions and moduli; ``.ply`` or ``.stl`` for the closed surface of the points
            E(n) n in units of E_s, which any viewer of meshes shows.

    Raises:
        ValueError: another format.
    """
    if suffix.lower() not in SURFACES:
        raise ValueError(f"a surface '{suffix}' is not known; accepted: {', '.join(SURFACES)}")
    c = np.zeros((6, 6))
    c[np.triu_indices(6)] = [row[name] for name in NAMES]
    points, e = surface(c + np.triu(c, 1).T)
    if suffix.lower() == ".csv":
        unit = points / e[..., None]
        table = pd.DataFrame(unit.reshape(-1, 3), columns=["n_x", "n_y", "n_z"])
        return table.assign(**{"E [E_s]": e.ravel()}).to_csv(index=False).encode()
    import trimesh

    rows, columns = e.shape
    corner = np.arange(rows * columns).reshape(rows, columns)
    a, b, d, f = corner[:-1, :-1], corner[1:, :-1], corner[1:, 1:], corner[:-1, 1:]
    faces = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, d), (a, d, f))])
    mesh = trimesh.Trimesh(points.reshape(-1, 3), faces)
    mesh.merge_vertices()  # the seam and the poles
    mesh.update_faces(mesh.nondegenerate_faces())
    return bytes(mesh.export(file_type=suffix.lower()[1:]))  # type: ignore[arg-type]
