"""Packs rows of a run for a journal, and writes and reads the Parquet files."""

from __future__ import annotations

import base64
import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ipage_core.runtime.files import replacing

BITS = 8
"""Significant bits of stored numbers: an error of 0.4 % at most, for half the size."""


def pack(values: Any, kind: str) -> str:
    """An array as text."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode()


def unpack(text: str, kind: str, width: int = 0) -> np.ndarray:
    """The array that :func:`pack` packed, (n,) or (n, width)."""
    array = np.frombuffer(base64.b64decode(text), dtype=kind)
    return array.reshape(-1, width) if width else array


def rounded(values: Any, bits: int = BITS) -> np.ndarray:
    """float32 numbers rounded to ``bits`` significant bits, half to even; non-finite values stay unchanged."""
    array = np.array(values, dtype=np.float32)
    mantissa, exponent = np.frexp(array)
    near = np.ldexp(np.rint(np.ldexp(mantissa, bits)), exponent - bits).astype(np.float32)
    return np.where(np.isfinite(array), near, array)


def write(frame: pd.DataFrame, path: Path, about: dict[str, Any]) -> None:
    """Write a table atomically, with a card (JSON) in its metadata. Text becomes categories; bytes stay."""
    frame = frame.copy(deep=False)
    raw = [name for name in frame if len(frame) and isinstance(frame[name].iloc[0], bytes)]
    noisy = [name for name in frame if frame[name].dtype == np.float32 and frame[name].nunique() > 2000]
    for name in frame.columns[[dtype.kind == "O" or str(dtype) == "str" for dtype in frame.dtypes]]:
        if name not in raw:
            frame[name] = frame[name].astype("category")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    card = {"python": platform.python_version(), "machine": machine()} | about
    table = table.replace_schema_metadata(
        (table.schema.metadata or {}) | {b"card": json.dumps(card, ensure_ascii=False).encode()}
    )
    with replacing(path) as beside:
        pq.write_table(
            table,
            beside,
            compression="zstd",
            compression_level=19,
            row_group_size=max(1, len(frame)),
            use_dictionary=[name for name in frame if name not in noisy + raw],
            use_byte_stream_split=noisy,
        )


def read(path: Path, task: str | None = None) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read a table of :func:`write`, or its rows of one task, and its card.

    Raises:
        ValueError: the file is missing or not such a table.
    """
    try:
        table = pq.read_table(path, filters=None if task is None else [("task", "=", task)])
        return table.to_pandas(), json.loads(table.schema.metadata[b"card"])
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist") from None
    except (pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a table of this benchmark ({str(error).splitlines()[0]})") from None


def finished(journal: Path) -> dict[str, Any]:
    """The results in a journal of :func:`ipage_core.runtime.executor.run`, by key, even during a run."""
    if not journal.exists():
        return {}
    with journal.open() as file:
        records = [json.loads(line) for line in file if line.endswith("\n")]
    return {record["key"]: record["result"] for record in records}


def machine(device: str = "cpu") -> str:
    """The processor's name and the number of cores; if ``device`` is a GPU, its name and the machine that has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    cpu = f"{names[0] if names else platform.processor() or platform.machine()}, {len(names) or 1} cores"
    return f"{torch.cuda.get_device_name(device)} in {cpu}" if device.startswith("cuda") else cpu
