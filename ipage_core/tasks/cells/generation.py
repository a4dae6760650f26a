"""Data sets of cells: random ones (the paper's task), printable ones, and isotropic auxetic ones, each from a seed.

Row i of a set depends on kind, seed and i alone, so any split of the work gives the same rows.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ipage_core.runtime import executor as cluster
from ipage_core.runtime.files import replacing
from ipage_core.tasks.cells.auxetic import auxetic_cell
from ipage_core.tasks.cells.dataset import DATA, NAMES, SIDE, UPPER, Cell, cell, full, pack, read, read_card, unpack
from ipage_core.tasks.cells.homogenization import E_VOID, POISSON, homogenize, moduli
from ipage_core.tasks.cells.printable import printable_cell

KINDS: dict[str, Callable[[int, int], Cell]] = {
    "random": cell,
    "printable": printable_cell,
    "auxetic": auxetic_cell,
}
"""(seed, index) → cell."""
CHUNKS = {"random": 200, "printable": 200, "auxetic": 8}
"""Cells per work item: a few seconds, the most that an interrupted run loses."""


def work(item: dict[str, Any]) -> dict[str, Any]:
    """Cells ``start`` to ``stop`` of ``seed`` with their stiffness, as JSON: one work item of the data set."""
    cells = [KINDS[item.get("kind", "random")](item["seed"], i) for i in range(item["start"], item["stop"])]
    pixels = np.array([c.pixels for c in cells])
    return {
        "pixels": base64.b64encode(pack(pixels).tobytes()).decode(),
        "stiffness": base64.b64encode(homogenize(pixels)[:, *UPPER].astype("<f8").tobytes()).decode(),
        "group": [c.group for c in cells],
        "attempts": sum(c.attempts for c in cells),
    }


def generate(
    n: int,
    seed: int | None,
    out: Path,
    *,
    kind: str | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    progress: Callable[[cluster.Progress], None] | None = None,
) -> dict[str, Any]:
    """Write cells 0 to n − 1 of a kind and seed to a Parquet file and return its card.

    :func:`ipage_core.runtime.executor.run` chooses where the work runs and reports progress. A journal beside the file
    keeps finished work until the file is complete, so an interrupted run resumes. Without a seed, the seed of the
    shipped cells applies; without a kind, cells are random.

    Raises:
        ValueError: no cell requested, or an unknown kind.
    """
    kind = kind or "random"
    if kind not in KINDS:
        raise ValueError(f"kind of cells '{kind}' is not known; accepted: {', '.join(KINDS)}")
    if n < 1:
        raise ValueError(f"Expected at least one cell, got {n}.")
    seed = read_card()["seed"] if seed is None else seed
    named, chunk = ("" if kind == "random" else f"{kind}:"), CHUNKS[kind]
    ends = [(start, min(start + chunk, n)) for start in range(0, n, chunk)]
    items = [
        (f"{named}{seed}:{start}:{stop}", {"kind": kind, "seed": seed, "start": start, "stop": stop})
        for start, stop in ends
    ]
    journal = out.with_name(out.name + ".journal")
    results = cluster.run(work, items, journal, workers=workers, scheduler=scheduler, progress=progress)
    card = {"n": n, "seed": seed} | ({} if kind == "random" else {"kind": kind})
    card = _write([results[key] for key, _ in items], card, out)
    journal.unlink(missing_ok=True)  # an equal run may have ended in between
    return card


def _write(rows: list[dict[str, Any]], card: dict[str, Any], out: Path) -> dict[str, Any]:
    """Write the file and its card."""
    n = card["n"]
    packed = np.concatenate([np.frombuffer(base64.b64decode(r["pixels"]), np.uint8) for r in rows]).reshape(n, -1)
    upper = np.concatenate([np.frombuffer(base64.b64decode(r["stiffness"]), "<f8") for r in rows]).reshape(n, 6)
    e_x = moduli(full(upper)).e_x
    card |= {
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
        "group": pa.array([g for r in rows for g in r["group"]]).dictionary_encode(),
        "volume_fraction": unpack(packed).mean(axis=(1, 2)),
        **dict(zip(NAMES, upper.T, strict=True)),
    }
    with replacing(out) as beside:
        pq.write_table(
            pa.table(columns).replace_schema_metadata({"card": json.dumps(card)}),
            beside,
            compression="zstd",
            compression_level=19,
            use_dictionary=["group", "volume_fraction"],
            use_byte_stream_split=list(NAMES),
        )
    return card


def check(data: Path = DATA, n: int = 200, workers: int = 1) -> dict[str, Any]:
    """Regenerate n rows, evenly spread over the file, and compare: pixels to the bit, C to 1e-9 E_s.

    It takes seconds in this process, so ``workers`` has no effect; each row of auxetic cells takes a second.
    """
    stored = read(data)
    make, seed = KINDS[stored.card.get("kind", "random")], stored.card["seed"]
    rows = np.unique(np.linspace(0, len(stored.pixels) - 1, n).astype(int))
    pixels = np.array([make(seed, int(i)).pixels for i in rows])
    error = np.abs(homogenize(pixels) - stored.stiffness[rows]).max()
    same = int((pixels == stored.pixels[rows]).all(axis=(1, 2)).sum())
    whole = hashlib.sha256(pack(stored.pixels).tobytes()).hexdigest() == stored.card["sha256"]
    ok = same == len(rows) and error <= 1e-9 and whole
    return {"ok": bool(ok), "rows": len(rows), "same_pixels": same, "c_error": float(error), "sha256_ok": whole}
