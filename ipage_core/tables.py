"""Tables of one's own: read from CSV, Parquet or NPZ, and looked over before anything is learnt from them."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

ACCEPTED = (".csv", ".txt", ".tsv", ".parquet", ".npz")
MOST_BYTES = 200_000_000
"""Of a file; of an NPZ also when unpacked, times five."""
SPIKE = 0.05
"""Share of rows on one and the same value from which it is a spike."""
FEW_ROWS, LEAST_ROWS = 20, 50
"""Rows for each input below which a table is small; rows below which nothing is learnt from it."""
GRID = 30
"""At most so many distinct values, evenly spaced, are a grid."""

Source = Path | tuple[str, bytes]
"""A file, or an upload: its name and content."""


def read(sources: Sequence[Source]) -> pd.DataFrame:
    """A table from one file, or from several with equal rows side by side (x here, y there).

    CSV without a header gets names from the file's: data_x_1, data_x_2, …

    Raises:
        ValueError: too large, another format, damaged, or files that do not fit together; one sentence.
    """
    parts = [_read_one(source, alone=len(sources) == 1) for source in sources]
    if len({len(part) for part in parts}) > 1:
        counts = ", ".join(f"{_name(s)} {len(part):,}" for s, part in zip(sources, parts, strict=True))
        raise ValueError(f"Files side by side need as many rows each; here they have: {counts}")
    frame = pd.concat(parts, axis=1)
    twice = frame.columns[frame.columns.duplicated()].tolist()
    if twice:
        raise ValueError(f"The column '{twice[0]}' is there twice; accepted: names that differ")
    if not len(frame):
        raise ValueError(f"{_name(sources[0])} has no rows")
    return frame


def _name(source: Source) -> str:
    return source.name if isinstance(source, Path) else source[0]


def _read_one(source: Source, alone: bool) -> pd.DataFrame:
    name = _name(source)
    kind = Path(name).suffix.lower()
    if kind not in ACCEPTED:
        raise ValueError(f"{name} is not accepted: tables are {', '.join(ACCEPTED)}")
    if isinstance(source, Path):
        if not source.is_file():
            raise ValueError(f"{source} does not exist, or is a folder")
        size = source.stat().st_size
    else:
        size = len(source[1])
    if size > MOST_BYTES:
        raise ValueError(f"{name} has {size / 1e6:.0f} MB; accepted: at most {MOST_BYTES / 1e6:.0f} MB")
    content = source.read_bytes() if isinstance(source, Path) else source[1]
    try:
        if kind == ".parquet":
            frame = pd.read_parquet(io.BytesIO(content))
        elif kind == ".npz":
            frame = _from_npz(content)
        else:
            frame = _from_csv(content, Path(name).stem)
    except MemoryError:
        raise
    except Exception as error:  # readers raise whatever a damaged file makes them
        said = " ".join(str(error).split())[:160]
        raise ValueError(f"{name} is not a readable {kind[1:].upper()} table ({said})") from None
    frame.columns = [str(column).strip() for column in frame.columns]
    return frame.reset_index(drop=True)


def _from_csv(content: bytes, stem: str) -> pd.DataFrame:
    text = content.decode("utf-8-sig")
    head = text[:20_000]
    first = head.splitlines()[0] if head.strip() else ""
    if not first:
        raise ValueError("it is empty")
    separator = max((";", "\t", ","), key=first.count)
    decimal = "," if separator != "," and "." not in head and "," in head else "."
    cells = next(csv.reader([first], delimiter=separator))
    headless = all(_is_number(cell.replace(decimal, ".")) for cell in cells)
    frame = pd.read_csv(
        io.StringIO(text),
        sep=separator,
        decimal=decimal,
        header=None if headless else 0,
        index_col=False,
        skipinitialspace=True,
        low_memory=False,
    )
    if headless:
        frame.columns = [stem if frame.shape[1] == 1 else f"{stem}_{k + 1}" for k in range(frame.shape[1])]
    return frame


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _from_npz(content: bytes) -> pd.DataFrame:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > 5 * MOST_BYTES:
            raise ValueError("unpacked it is too large")
    columns: dict[str, np.ndarray] = {}
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        for name in arrays.files:
            array = arrays[name]
            if array.ndim == 1:
                columns[name] = array
            elif array.ndim == 2:
                columns |= {name if array.shape[1] == 1 else f"{name}{k + 1}": c for k, c in enumerate(array.T)}
            else:
                raise ValueError(f"array '{name}' has {array.ndim} dimensions; accepted: 1 or 2")
    return pd.DataFrame(columns)


@dataclass(frozen=True)
class Column:
    """What is seen of a column at a glance."""

    name: str
    numeric: bool
    missing: int
    distinct: int
    low: float
    high: float
    spike: float | None
    """The value that at least ``SPIKE`` of its rows share, if there is one (not in a grid)."""
    share: float
    """Of rows on the most frequent value."""
    grid: float | None
    """The spacing, where its values are few and evenly spaced."""

    @property
    def constant(self) -> bool:
        """Whether it says nothing."""
        return self.distinct <= 1


def numbers(frame: pd.DataFrame, name: str) -> np.ndarray:
    """A column (n,) as float64; NaN where it holds no finite number."""
    values = pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(values), values, np.nan)


def look(frame: pd.DataFrame) -> list[Column]:
    """What is seen of each column. A column of text with hardly a number in it is not numeric."""
    seen = []
    for name in frame.columns:
        is_date = pd.api.types.is_datetime64_any_dtype(frame[name])
        values = np.full(len(frame), np.nan) if is_date else numbers(frame, name)
        known = values[~np.isnan(values)]
        if len(known) < 0.5 * len(frame):
            seen.append(Column(name, False, int(frame[name].isna().sum()), 0, np.nan, np.nan, None, 0.0, None))
            continue
        distinct, counts = np.unique(known, return_counts=True)
        grid = _spacing(distinct) if 1 < len(distinct) <= GRID else None
        share = float(counts.max() / len(known))
        spike = float(distinct[counts.argmax()]) if share >= SPIKE and len(distinct) > 1 and grid is None else None
        low, high = float(distinct[0]), float(distinct[-1])
        seen.append(Column(name, True, len(frame) - len(known), len(distinct), low, high, spike, share, grid))
    return seen


def _spacing(distinct: np.ndarray) -> float | None:
    steps = np.diff(distinct)
    return float(steps.min()) if np.allclose(steps / steps.min(), np.round(steps / steps.min()), atol=1e-3) else None


def guess(columns: Sequence[Column]) -> tuple[list[str], list[str]]:
    """(x, y) to begin with: the last column of numbers is the property, those before it that vary are inputs."""
    usable = [c.name for c in columns if c.numeric and not c.constant]
    named_y = [name for name in usable if name.lower().split(" ")[0] in ("y", "y1", "gap", "band_gap", "target")]
    y = named_y[-1:] or usable[-1:]
    return [name for name in usable if name not in y], y


def warnings(frame: pd.DataFrame, x: Sequence[str], y: Sequence[str]) -> list[str]:
    """What one should know of the chosen columns before anything is learnt from them, a sentence each."""
    seen = {column.name: column for column in look(frame[list(dict.fromkeys([*x, *y]))])}
    values = {name: numbers(frame, name) for name in seen}
    complete = ~np.isnan(np.stack(list(values.values()), axis=1)).any(axis=1)
    told = []
    if not complete.all():
        lacking = [name for name, column in values.items() if np.isnan(column).any()]
        told.append(
            f"{(~complete).sum():,} of {len(frame):,} rows lack a finite number in {', '.join(lacking[:5])}: they are "
            "left out."
        )
    told += [f"{name} is the same in every row: it says nothing. Leave it out." for name in seen if seen[name].constant]
    rows = int(complete.sum())
    if rows < FEW_ROWS * len(x):
        told.append(
            f"{rows:,} complete rows are few for {len(x)} inputs; below {FEW_ROWS * len(x):,} expect rough predictions."
        )
    told += _on_duplicates(pd.DataFrame(values)[complete], list(x), list(y))
    for name in y:
        column = seen[name]
        if column.spike is None:
            continue
        what = f"{100 * column.share:.0f} % of {name} are exactly {column.spike:g}"
        if column.spike == column.low:
            told.append(f"{what}, its least value: taken as a floor, below which the surrogates may go on smoothly.")
        else:
            told.append(f"{what}, in the midst of its range: the surrogates will smooth that spike out.")
    for name in x:
        column = seen[name]
        if column.spike is not None:
            told.append(
                f"{100 * column.share:.0f} % of {name} are exactly {column.spike:g}: smeared a little in training."
            )
        elif column.grid is not None:
            told.append(
                f"{name} takes only {column.distinct} values, {column.grid:g} apart: designs may lie between them, "
                "unless a constraint fixes it."
            )
    return told


def _on_duplicates(frame: pd.DataFrame, x: list[str], y: list[str]) -> list[str]:
    again = frame.duplicated(x)
    if not again.any():
        return []
    groups = frame.groupby(x, sort=False)[y]
    spread = (groups.max() - groups.min()).to_numpy()
    text = f"{again.sum():,} rows repeat the design of another one"
    if (spread > 0).any():
        return [f"{text}, up to {spread.max():.3g} apart in {', '.join(y)}: that much is not explained by x."]
    return [f"{text}; both are kept on the same side of the held-out split."]
