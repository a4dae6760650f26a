"""Data sets of a slow Ω (seconds per call), computed point by point of a Sobol sequence and kept in a Parquet file."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ipage_core.runtime import executor
from ipage_core.runtime.files import replacing
from ipage_core.runtime.lazy import LazyModule

qmc: Any = LazyModule("scipy.stats.qmc")

Row = dict[str, Any]
ACCEPTED = "accepted: a file that the command dataset has written for this task"


@lru_cache(maxsize=4)
def _sobol(d: int, m: int, seed: int) -> NDArray[np.float64]:
    return qmc.Sobol(d, seed=seed).random_base2(m)


def sequence(n: int, seed: int, bounds: NDArray[np.float64]) -> NDArray[np.float64]:
    """The first n points of a scrambled Sobol sequence in the box ``bounds`` (2, d). → (n, d)."""
    unit = _sobol(bounds.shape[1], (n - 1).bit_length(), seed)[:n]
    return np.asarray(bounds[0] + unit * (bounds[1] - bounds[0]))


def read(path: Path, names: Iterable[str] = ()) -> list[Row]:
    """All stored rows, including failed ones; columns that do not apply are None.

    Raises:
        ValueError: the file is not one of :func:`write`, or lacks one of the columns ``names``.
    """
    schema = _schema(path)
    if missing := {"i", "fail", *names} - set(schema.names):
        raise ValueError(f"{path} has no column '{min(missing)}': it holds rows of another task; {ACCEPTED}")
    return list(pq.read_table(path).to_pylist())


def card_of(path: Path) -> Row:
    """The file's card, from its metadata.

    Raises:
        ValueError: the file is not one of :func:`write`.
    """
    return dict(json.loads(_schema(path).metadata[b"card"]))


def _schema(path: Path) -> pa.Schema:
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, ValueError):
        raise ValueError(f"{path} is not a Parquet file; {ACCEPTED}") from None
    if b"card" not in (schema.metadata or {}):
        raise ValueError(f"{path} is not a set of computed rows; {ACCEPTED}")
    return schema


def write(rows: Iterable[Row], path: Path, schema: pa.Schema, seed: int, **about: Any) -> Row:
    """Write rows, sorted by ``i``, atomically; the same rows give the same bytes. → the card, including ``about``."""
    rows = sorted(rows, key=lambda row: row["i"])
    failed = [row["i"] for row in rows if row["fail"] is not None]
    card = {"n": len(rows), "failed": failed, "seed": seed, **about}
    table = pa.Table.from_pylist(rows, schema).replace_schema_metadata({"card": json.dumps(card)})
    with replacing(path) as beside:
        pq.write_table(table, beside, compression="zstd", compression_level=19)
    return card


def stored(paths: Iterable[Path], seed: int, n: int) -> dict[int, Row]:
    """Rows with ``i`` below n of a seed's sequence in the files; later files take precedence."""
    rows: dict[int, Row] = {}
    for path in paths:
        if path.is_file() and card_of(path)["seed"] == seed:
            rows |= {row["i"]: row for row in read(path) if row["i"] < n}
    return rows


def computed(
    points: NDArray[np.float64],
    name: str,
    work: Callable[[Row], Row],
    *,
    seed: int,
    out: Path,
    shipped: Path,
    require: Callable[[], None],
    workers: int = 1,
    scheduler: str | None = None,
    progress: Callable[[executor.Progress], None] | None = None,
) -> list[Row]:
    """The rows of the first points (n, d) of a seed's sequence; a restart resumes from the journal beside ``out``.

    Rows in ``out`` or in the ``shipped`` file are reused. ``work`` computes the others from their ``i`` and the point,
    called ``name``, after ``require`` has checked that this machine can. ``progress`` counts them.
    """
    rows = stored((shipped, out), seed, len(points))
    items = [(f"{seed}:{i}", {"i": i, name: point}) for i, point in enumerate(points.tolist()) if i not in rows]
    if items and scheduler is None:
        require()
    journal = out.with_name(out.name + ".journal")
    results = executor.run(work, items, journal, workers=workers, scheduler=scheduler, progress=progress)
    return [*rows.values(), *results.values()]


def records(files: Sequence[Path]) -> Iterator[tuple[Path, Row]]:
    """The JSON lines in files. Text after the last newline is incomplete and skipped.

    Raises:
        ValueError: a line is no row.
    """
    for file in files:
        for k, line in enumerate(file.read_bytes().split(b"\n")[:-1], 1):
            try:
                record = json.loads(line)
                fine = "i" in record.get("result", record)
            except (ValueError, AttributeError, TypeError):  # no JSON, or no object
                fine = False
            if not fine:
                raise ValueError(
                    f"{file} is not a journal: its line {k} is no row; accepted: journals of the command dataset, "
                    "FILE.parquet.journal"
                )
            yield file, record


def check_point(file: Path, i: int, point: Sequence[float], points: NDArray[np.float64], seed: int) -> None:
    """Raise ValueError unless the point of a row is point ``i`` of the sequence."""
    if i >= len(points) or not np.allclose(point, points[i], rtol=0, atol=1e-9):
        raise ValueError(f"{file}: row {i} is not point {i} of the sequence with seed {seed}.")


def merged(
    files: Sequence[Path],
    data: Path,
    names: Sequence[str],
    points: NDArray[np.float64],
    seed: int,
    completed: Callable[[Row], Row] = dict,
) -> list[Row]:
    """The rows of ``data``, if it is there, and those of journals, or of JSON lines with the same fields.

    Existing rows stay, unless they failed. ``names``: columns of the point; ``points``: (k, d) sequence of ``seed``;
    ``completed``: a line's fields → the row.

    Raises:
        ValueError: a line is no row, or a row is not the point of the sequence at its ``i``.
    """
    rows = {row["i"]: row for row in read(data, names)} if data.is_file() else {}
    for file, record in records(files):
        result = record.get("result", record)
        i, point = result["i"], [result[name] for name in names]
        check_point(file, i, point, points, seed)
        if i not in rows or rows[i]["fail"] is not None:
            rows[i] = completed(result)
    return list(rows.values())


def put_summary(data: Path, text: str) -> None:
    """Update the summary in the README beside the data."""
    readme = data.with_name("README.md")
    if readme.is_file():
        pattern = r"(?<=<!-- summary -->\n).*?(?=<!-- end -->)"
        with replacing(readme) as beside:
            beside.write_text(re.sub(pattern, lambda _: text, readme.read_text(), flags=re.S))


def recomputed(
    pool: Sequence[Row], n: int, work: Callable[[Row], Row], item: Callable[[Row], Row], workers: int
) -> Row:
    """Compute n of the stored rows anew, evenly spread over the pool; → :func:`agreement`.

    ``item``: a row → what ``work`` takes.
    """
    rows = {str(row["i"]): row for row in (pool[j] for j in np.unique(np.linspace(0, len(pool) - 1, n).astype(int)))}
    begun = time.monotonic()
    results = executor.run(work, [(key, item(row)) for key, row in rows.items()], None, workers=workers)
    return agreement(rows, results, time.monotonic() - begun)


def agreement(rows: dict[str, Row], results: dict[str, Row], seconds: float) -> Row:
    """Compare stored rows with the same rows computed anew, both by key.

    → ``ok`` (nothing failed; gaps and direct gaps agree to 1e-3 eV), ``rows``, ``failed``, mean, SD and largest
    |difference| of ``gap``, ``direct`` and ``energy`` [eV], mean CPU time ``cpu_s``, and ``wall_s`` [s].
    """
    failed = [int(key) for key, result in results.items() if result.get("fail") is not None]
    answer: Row = {"rows": [int(key) for key in rows], "failed": failed}
    for name in ("gap", "direct", "energy"):
        off = np.array([results[key][name] - rows[key][name] for key in rows if int(key) not in failed] or [np.nan])
        answer[name] = {"mean": float(off.mean()), "sd": float(off.std()), "max": float(np.abs(off).max())}
    answer["cpu_s"] = float(np.mean([result["cpu_s"] for result in results.values()]))
    answer["wall_s"] = round(seconds, 1)
    return {"ok": not failed and max(answer["gap"]["max"], answer["direct"]["max"]) <= 1e-3, **answer}
