"""Lattices of SrTiO₃ and their band gaps: the design box, its exact symmetry, the data set of the crystal task.

A lattice is (6,): a, b, c [Å], α, β, γ [°], α between b and c. Row i of the data is point i of one scrambled Sobol
sequence, so the data can be extended at any time and every initial part fills the box evenly.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from ipage_core.runtime import paths as shipped
from ipage_core.runtime.files import PATIENCE, sole_writer
from ipage_core.tasks import computed_rows
from ipage_core.tasks.crystal import dft
from ipage_core.tasks.crystal.box import BOUNDS, NAMES

Floats = NDArray[np.float64]

SEED = 7
"""Seed of the sequence in the shipped data."""
DATA = shipped.DATA / "crystal" / "srtio3_pbe.parquet"

_K = len(dft.irreducible())
_SCHEMA = pa.schema(
    [
        ("i", pa.int32()),
        *((name, pa.float64()) for name in NAMES),
        ("gap", pa.float64()),
        ("direct", pa.float64()),
        ("vbm", pa.list_(pa.float64(), 3)),
        ("cbm", pa.list_(pa.float64(), 3)),
        ("energy", pa.float64()),
        ("iterations", pa.int16()),
        ("occupations", pa.string()),
        ("cpu_s", pa.float64()),
        ("valence", pa.list_(pa.float64(), _K)),
        ("conduction", pa.list_(pa.float64(), _K)),
        ("gpaw", pa.string()),
        ("fail", pa.string()),
    ]
)


def design(n: int, seed: int = SEED) -> Floats:
    """The first n lattices of a scrambled Sobol sequence in the box, rounded to 5 decimals. → (n, 6)."""
    return np.round(computed_rows.sequence(n, seed, BOUNDS), 5)


def images(lattice: ArrayLike) -> Floats:
    """The 24 lattices of the same crystal, with equal gap, energy and volume. (…, 6) → (…, 24, 6).

    These are the 6 permutations of the axes, each with its opposite angle, times the 4 ways to reverse axes: reversing
    an axis turns the two angles at it into their supplements. The set of ideal sites is invariant. Image 0 is the
    lattice itself.
    """
    x = np.asarray(lattice, dtype=np.float64)
    candidates = []
    for axes in itertools.permutations(range(3)):
        lengths, angles = x[..., list(axes)], x[..., [3 + axis for axis in axes]]
        for reversed_axis in (None, 0, 1, 2):
            at_it = np.array([reversed_axis is not None and axis != reversed_axis for axis in range(3)])
            candidates.append(np.concatenate([lengths, np.where(at_it, 180 - angles, angles)], axis=-1))
    return np.stack(candidates, axis=-2)


class LatticeData(NamedTuple):
    """The stored rows that did not fail, ordered by ``i``."""

    i: NDArray[np.int32]
    """(n,): row i is ``design(i + 1)[i]``."""
    lattice: Floats
    """(n, 6)."""
    gap: Floats
    """(n,) signed PBE gap [eV]."""
    direct: Floats
    """(n,) smallest direct gap [eV]."""
    energy: Floats
    """(n,) total energy per cell [eV] on GPAW's scale."""
    edges: Floats
    """(n, 2, 20) bands 19 and 20 [eV] at the k-points of the card; NaN in rows computed without them."""
    card: dict[str, Any]
    """Metadata of the file: seed, operator, k-points (20, 3), counts, failures."""


def read(path: Path = DATA) -> LatticeData:
    """Read a file of :func:`generate` or :func:`fold`."""
    rows = [row for row in read_rows(path) if row["fail"] is None]
    missing = [math.nan] * _K
    return LatticeData(
        np.array([row["i"] for row in rows], dtype=np.int32),
        np.array([[row[name] for name in NAMES] for row in rows]).reshape(-1, 6),
        np.array([row["gap"] for row in rows]),
        np.array([row["direct"] for row in rows]),
        np.array([row["energy"] for row in rows]),
        np.array([[row["valence"] or missing, row["conduction"] or missing] for row in rows]).reshape(-1, 2, _K),
        computed_rows.card_of(path),
    )


def read_rows(path: Path = DATA) -> list[dict[str, Any]]:
    """All stored rows, including failed ones; columns that do not apply are None."""
    return computed_rows.read(path, NAMES)


def write(rows: Iterable[dict[str, Any]], path: Path, seed: int = SEED) -> dict[str, Any]:
    """Write rows, sorted by ``i``, atomically. The same rows give the same bytes. → the card."""
    about = {"operator": dft.STANDARD._asdict(), "k_points": dft.irreducible().tolist()}
    return computed_rows.write(rows, path, _SCHEMA, seed, **about)


def work(item: dict[str, Any]) -> dict[str, Any]:
    """Compute row ``i``, with its ``lattice``: one work item of the data set."""
    return _row(item["i"], item["lattice"], {**dft.gap(item["lattice"]), "gpaw": dft.gpaw_version()})


def _row(i: int, lattice: Sequence[float], result: dict[str, Any]) -> dict[str, Any]:
    valence, conduction = result.get("edges", (None, None))
    row = {"i": i, **dict(zip(NAMES, lattice, strict=True)), **result, "valence": valence, "conduction": conduction}
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
        points, "lattice", work, seed=seed, out=out, shipped=DATA, require=dft.require, **where
    )
    return write(rows, out, seed)


def fold(files: Sequence[Path], data: Path = DATA) -> dict[str, Any]:
    """Merge journals of :func:`generate`, or plain JSON lines with the same fields, into the shipped data; → the card.

    Existing rows stay, unless they failed. Updates the summary in the README beside the data.

    Raises:
        ValueError: a row is not the point of the sequence at its ``i``, or another run is writing to the folder.
    """
    with sole_writer(data.parent, PATIENCE):
        card = write(computed_rows.merged(files, data, NAMES, design(2**13), SEED, _completed), data)
        computed_rows.put_summary(data, summary(data))
        return card


def _completed(result: dict[str, Any]) -> dict[str, Any]:
    """The row of a line, which may be in the form of earlier versions."""
    if result.get("occupations") == "fermi-dirac":
        result["occupations"] = "fermi-dirac-0.05"
    if "edges" not in result and result.get("valence"):
        result["edges"] = (result["valence"], result["conduction"])
    return _row(result["i"], [result[name] for name in NAMES], {"gpaw": "26.7.0", **result})


def summary(path: Path = DATA) -> str:
    """Counts, failures and hash of a data file, in Markdown."""
    rows = read_rows(path)
    failed = [row for row in rows if row["fail"] is not None]
    smeared = [str(row["i"]) for row in rows if (row["occupations"] or "fixed-uniform") != "fixed-uniform"]
    gaps = np.array([row["gap"] for row in rows if row["fail"] is None])
    present = {row["i"] for row in rows}
    whole = next(i for i in itertools.count() if i not in present)
    lines = [
        f"{len(rows)} rows, {sum(row['valence'] is not None for row in rows)} of them with band edges",
        f"indices: all below {whole}, {len(rows) - whole} more up to {max(present)}",
        f"failed: {len(failed)}",
        *(f"row {row['i']} failed: {row['fail']}" for row in failed),
        f"Fermi–Dirac fallback: {', '.join(smeared) or 'none'}",
        f"signed gaps {gaps.min():.2f} … {gaps.max():.2f} eV, median {np.median(gaps):.2f} eV;"
        f" {(gaps < 0.5).mean():.0%} below 0.5 eV, {(gaps < 0).sum()} rows below 0",
        f"sha256 `{hashlib.sha256(path.read_bytes()).hexdigest()}`",
    ]
    return "".join(f"- {line}\n" for line in lines)


def check(n: int = 20, data: Path = DATA, workers: int = 1) -> dict[str, Any]:
    """Recompute n of the stored rows with the installed GPAW; see :func:`ipage_core.tasks.computed_rows.recomputed`.

    If some rows have no band edges (another machine computed them), the n rows are spread evenly over these.

    Raises:
        DFTUnavailable: GPAW is not installed.
    """
    dft.require()
    good = [row for row in read_rows(data) if row["fail"] is None]
    pool = [row for row in good if row["valence"] is None] or good
    return computed_rows.recomputed(
        pool, n, dft.work, lambda row: {"lattice": [row[name] for name in NAMES], "cache": False}, workers
    )
