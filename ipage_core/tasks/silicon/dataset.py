"""The data set of the silicon task: strains in the design box and their DFT results, ions relaxed.

Row i is point i of one scrambled Sobol sequence in the box, so the data can be extended at any time and every initial
part fills the box evenly. The box is invariant under the cubic group.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ipage_core.runtime import paths
from ipage_core.runtime.files import PATIENCE, sole_writer
from ipage_core.tasks import computed_rows
from ipage_core.tasks.crystal import dft
from ipage_core.tasks.silicon import operator
from ipage_core.tasks.silicon.box import BOUNDS, NAMES

Floats = NDArray[np.float64]

SEED = 11
"""Seed of the sequence in the shipped data."""
DATA = paths.DATA / "silicon" / "si_pbe.parquet"

_FLOATS = pa.float64()
_SCHEMA = pa.schema(
    [
        ("i", pa.int32()),
        *((name, _FLOATS) for name in NAMES),
        ("gap", _FLOATS),
        ("direct", _FLOATS),
        ("valley", pa.string()),
        ("valence", pa.list_(_FLOATS, 3)),
        ("conduction_gamma", _FLOATS),
        ("conduction_l", pa.list_(_FLOATS, 4)),
        ("conduction_delta", pa.list_(_FLOATS, 3)),
        ("delta_at", pa.list_(_FLOATS, 3)),
        ("energy", _FLOATS),
        ("stress", pa.list_(_FLOATS, 6)),
        ("pressure", _FLOATS),
        ("shift", pa.list_(_FLOATS, 3)),
        ("force", _FLOATS),
        ("steps", pa.int16()),
        ("cpu_s", _FLOATS),
        ("provenance", pa.string()),
        ("fail", pa.string()),
    ]
)


def design(n: int, seed: int = SEED) -> Floats:
    """The first n strains of a scrambled Sobol sequence in the box, rounded to 6 decimals. → (n, 6)."""
    return np.round(computed_rows.sequence(n, seed, BOUNDS), 6)


class StrainData(NamedTuple):
    """The stored rows that did not fail, ordered by ``i``. Band edges in eV on GPAW's scale."""

    i: NDArray[np.int32]
    """(n,): row i is ``design(i + 1)[i]``."""
    strain: Floats
    """(n, 6)."""
    gap: Floats
    """(n,) signed PBE gap [eV]."""
    valence: Floats
    """(n, 3) at Γ, ascending."""
    conduction: Floats
    """(n, 8): at Γ, at the four L, on the three Δ lines."""
    energy: Floats
    """(n,) elastic energy per atom [eV] against the unstrained cell."""
    stress: Floats
    """(n, 6) [GPa] in the order of the strain, tension positive."""
    card: dict[str, Any]
    """Metadata of the file: seed, provenance, counts, failures."""


def read(path: Path = DATA) -> StrainData:
    """Read a file of :func:`generate` or :func:`fold`."""
    rows = [row for row in read_rows(path) if row["fail"] is None]
    conduction = [[row["conduction_gamma"], *row["conduction_l"], *row["conduction_delta"]] for row in rows]
    return StrainData(
        np.array([row["i"] for row in rows], dtype=np.int32),
        np.array([[row[name] for name in NAMES] for row in rows]).reshape(-1, 6),
        np.array([row["gap"] for row in rows]),
        np.array([row["valence"] for row in rows]).reshape(-1, 3),
        np.array(conduction).reshape(-1, 8),
        (np.array([row["energy"] for row in rows]) - operator.REFERENCE_ENERGY) / 2,
        np.array([row["stress"] for row in rows]).reshape(-1, 6),
        computed_rows.card_of(path),
    )


def read_rows(path: Path = DATA) -> list[dict[str, Any]]:
    """All stored rows, including failed ones; columns that do not apply are None."""
    return computed_rows.read(path, NAMES)


def write(rows: Iterable[dict[str, Any]], path: Path, seed: int = SEED) -> dict[str, Any]:
    """Write rows, sorted by ``i``, atomically. The same rows give the same bytes. → the card."""
    rows = list(rows)
    provenance = sorted({row["provenance"] for row in rows})
    return computed_rows.write(rows, path, _SCHEMA, seed, bounds=BOUNDS.tolist(), provenance=provenance)


def work(item: dict[str, Any]) -> dict[str, Any]:
    """Compute row ``i``, with its ``strain``: one work item of the data set."""
    return row_of(item["i"], item["strain"], operator.bands(item["strain"]))


def row_of(i: int, strain: Sequence[float], result: dict[str, Any]) -> dict[str, Any]:
    """Row of the data set from a strain and its DFT result."""
    provenance = json.dumps(result["provenance"], ensure_ascii=False, sort_keys=True)
    row = {"i": i, **dict(zip(NAMES, strain, strict=True)), **result, "provenance": provenance}
    return {name: row.get(name) for name in _SCHEMA.names}


def generate(n: int, seed: int | None, out: Path, **where: Any) -> dict[str, Any]:
    """Write rows 0 to n − 1 of a seed's sequence to a Parquet file; → its card. A restart resumes.

    The default seed is that of the shipped data. Rows already in ``out`` or in the shipped data are reused. ``where``:
    workers, scheduler and progress of :func:`ipage_core.tasks.computed_rows.computed`.

    Raises:
        DFTUnavailable: GPAW is not installed where the work runs.
    """
    seed = SEED if seed is None else seed
    points = design(n, seed)
    rows = computed_rows.computed(
        points, "strain", work, seed=seed, out=out, shipped=DATA, require=dft.require, **where
    )
    return write(rows, out, seed)


def fold(journals: Sequence[Path], data: Path = DATA) -> dict[str, Any]:
    """Merge journals of :func:`generate`, or plain JSON lines with the same fields, into the shipped data; → the card.

    Existing rows stay, unless they failed. Updates the summary in the README beside the data.

    Raises:
        ValueError: a row is not the point of the sequence at its ``i``, or another run is writing to the folder.
    """
    with sole_writer(data.parent, PATIENCE):
        card = write(computed_rows.merged(journals, data, NAMES, design(2**13), SEED), data)
        computed_rows.put_summary(data, summary(data))
        return card


def summary(path: Path = DATA) -> str:
    """Counts, failures and hash of a data file, in Markdown."""
    rows = read_rows(path)
    failed = [row for row in rows if row["fail"] is not None]
    gaps = np.array([row["gap"] for row in rows if row["fail"] is None])
    lines = [
        f"{len(rows)} rows, indices up to {max(row['i'] for row in rows)}",
        f"failed: {len(failed)}",
        *(f"row {row['i']} failed: {row['fail']}" for row in failed),
        f"signed gaps {gaps.min():.2f} … {gaps.max():.2f} eV, median {np.median(gaps):.2f} eV;"
        f" {(gaps < 0).sum()} rows below 0",
        f"sha256 `{hashlib.sha256(path.read_bytes()).hexdigest()}`",
    ]
    return "".join(f"- {line}\n" for line in lines)


def check(n: int = 20, data: Path = DATA, workers: int = 1) -> dict[str, Any]:
    """Recompute n of the stored rows with the installed GPAW; see :func:`ipage_core.tasks.computed_rows.recomputed`.

    Raises:
        DFTUnavailable: GPAW is not installed.
    """
    dft.require()
    good = [row for row in read_rows(data) if row["fail"] is None]
    return computed_rows.recomputed(
        good, n, work, lambda row: {"i": row["i"], "strain": [row[name] for name in NAMES]}, workers
    )
