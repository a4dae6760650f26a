"""Random periodic cells: symmetric, connected, free of hinges; the prior of the architecture task.

A cell is a (32, 32) boolean array ``[iy, ix]``, ix along E_x, True = solid. Cell i of a seed depends on
that pair alone, so that any split of the work gives the same cells.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from ipage_core.runtime import executor as cluster
from ipage_core.runtime import paths as shipped
from ipage_core.tasks.cells.homogenization import E_VOID, POISSON, homogenize, moduli
from ipage_core.tasks.cells.topology import Mask, fill_hinges, largest_component, percolates
from ipage_core.tasks.cells.wallpaper import GROUPS, ONE_AXIS, is_symmetric, symmetrize

SIDE = 32
DATA = shipped.DATA / "architecture" / "cells.parquet"
CHUNK = 200
"""Cells per item of work: about a second, which is what a killed run loses."""

_UPPER = ((0, 0, 0, 1, 1, 2), (0, 1, 2, 1, 2, 2))
_NAMES = ("c11", "c12", "c13", "c22", "c23", "c33")


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


class CellData(NamedTuple):
    """A stored set of cells; row i is ``cell(seed, i)``."""

    pixels: Mask
    """(n, 32, 32), True = solid."""
    stiffness: NDArray[np.float64]
    """(n, 3, 3) effective stiffness C in units of E_s."""
    group: NDArray[np.str_]
    """(n,) wallpaper groups."""
    volume_fraction: NDArray[np.float64]
    """(n,)."""
    card: dict[str, Any]
    """What the file says of itself: seed, sha256 of the pixels, e_x_mean and e_x_sd in units of E_s, settings."""


def pack(pixels: ArrayLike) -> NDArray[np.uint8]:
    """(n, 32, 32) bool → (n, 128) bytes, row by row, the leftmost pixel in the highest bit."""
    return np.packbits(np.asarray(pixels, dtype=bool).reshape(-1, SIDE * SIDE), axis=1)


def unpack(packed: NDArray[np.uint8]) -> Mask:
    """Inverse of :func:`pack`: (n, 128) bytes → (n, 32, 32) bool."""
    return np.unpackbits(packed, axis=1).reshape(-1, SIDE, SIDE).astype(bool)


def work(item: dict[str, int]) -> dict[str, Any]:
    """Cells ``start`` to ``stop`` of ``seed`` with their stiffness, as JSON: one item of the data set's work."""
    cells = [cell(item["seed"], i) for i in range(item["start"], item["stop"])]
    pixels = np.array([c.pixels for c in cells])
    return {
        "pixels": base64.b64encode(pack(pixels).tobytes()).decode(),
        "stiffness": base64.b64encode(homogenize(pixels)[:, *_UPPER].astype("<f8").tobytes()).decode(),
        "group": [c.group for c in cells],
        "attempts": sum(c.attempts for c in cells),
    }


def generate(
    n: int,
    seed: int,
    out: Path,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    progress: Callable[[cluster.Progress], None] | None = None,
) -> dict[str, Any]:
    """Write cells 0 to n − 1 of a seed to a Parquet file and return its card.

    Where it runs and what it reports is :func:`ipage_core.runtime.executor.run`'s. Finished work is kept in a journal
    beside the file until that is complete: killed and started again, it goes on where it was.
    """
    if n < 1:
        raise ValueError(f"Expected at least one cell, got {n}.")
    items = [
        (f"{seed}:{start}:{min(start + CHUNK, n)}", {"seed": seed, "start": start, "stop": min(start + CHUNK, n)})
        for start in range(0, n, CHUNK)
    ]
    journal = out.with_name(out.name + ".journal")
    results = cluster.run(work, items, journal, workers=workers, scheduler=scheduler, progress=progress)
    rows = [results[key] for key, _ in items]
    packed = np.concatenate([np.frombuffer(base64.b64decode(r["pixels"]), np.uint8) for r in rows]).reshape(n, -1)
    upper = np.concatenate([np.frombuffer(base64.b64decode(r["stiffness"]), "<f8") for r in rows]).reshape(n, 6)
    group = [g for r in rows for g in r["group"]]
    e_x = moduli(_full(upper)).e_x
    card = {
        "n": n,
        "seed": seed,
        "sha256": hashlib.sha256(packed.tobytes()).hexdigest(),
        "e_x_mean": float(e_x.mean()),
        "e_x_sd": float(e_x.std()),
        "rejected": 1 - n / sum(r["attempts"] for r in rows),
        "poisson": POISSON,
        "e_void": E_VOID,
    }
    columns = {
        "pixels": pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(SIDE**2 // 8), n, [None, pa.py_buffer(packed.tobytes())]
        ),
        "group": pa.array(group).dictionary_encode(),
        "volume_fraction": unpack(packed).mean(axis=(1, 2)),
        **dict(zip(_NAMES, upper.T, strict=True)),
    }
    table = pa.table(columns).replace_schema_metadata({"card": json.dumps(card)})
    beside = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        pq.write_table(
            table,
            beside,
            compression="zstd",
            compression_level=19,
            use_dictionary=["group", "volume_fraction"],
            use_byte_stream_split=list(_NAMES),
        )
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)
    journal.unlink()
    return card


def read_card(path: Path = DATA) -> dict[str, Any]:
    """Only what the file says of itself: cheap, and all that the z-score needs."""
    return _card(pq.read_schema(path), path)


def _card(schema: pa.Schema, path: Path) -> dict[str, Any]:
    metadata = schema.metadata or {}
    if b"card" not in metadata:
        raise ValueError(f"{path} is not a set of cells.")
    return dict(json.loads(metadata[b"card"]))


def read(path: Path = DATA) -> CellData:
    """Read what :func:`generate` wrote."""
    table = pq.read_table(path)
    card = _card(table.schema, path)
    buffer = table["pixels"].combine_chunks().buffers()[1]
    upper = np.stack([table[name].to_numpy() for name in _NAMES], axis=1)
    return CellData(
        unpack(np.frombuffer(buffer, np.uint8, table.num_rows * SIDE**2 // 8).reshape(table.num_rows, -1)),
        _full(upper),
        np.array(table["group"].to_pylist()),
        table["volume_fraction"].to_numpy(),
        card,
    )


def _full(upper: NDArray[np.float64]) -> NDArray[np.float64]:
    c = np.empty((len(upper), 3, 3))
    c[:, *_UPPER] = c[:, *_UPPER[::-1]] = upper
    return c


def check(data: Path = DATA, n: int = 200, workers: int = 1) -> dict[str, Any]:
    """Regenerate n rows, evenly spread over the file, and compare: pixels to the bit, C to 1e-9 E_s.

    It takes seconds in this process, so ``workers`` changes nothing.
    """
    stored = read(data)
    rows = np.unique(np.linspace(0, len(stored.pixels) - 1, n).astype(int))
    again = [cell(stored.card["seed"], int(i)) for i in rows]
    pixels = np.array([c.pixels for c in again])
    error = np.abs(homogenize(pixels) - stored.stiffness[rows]).max()
    same = int((pixels == stored.pixels[rows]).all(axis=(1, 2)).sum())
    whole = hashlib.sha256(pack(stored.pixels).tobytes()).hexdigest() == stored.card["sha256"]
    ok = same == len(rows) and error <= 1e-9 and whole
    return {"ok": bool(ok), "rows": len(rows), "same_pixels": same, "c_error": float(error), "sha256_ok": whole}
