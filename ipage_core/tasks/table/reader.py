"""Tables of one's own: read from CSV, Parquet or NPZ, and looked over before anything is learnt from them."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from warnings import catch_warnings, simplefilter

import numpy as np
import pandas as pd

ACCEPTED = (".csv", ".txt", ".tsv", ".parquet", ".npz")
MOST_BYTES = 200_000_000
"""Of a file; of Parquet and NPZ also when unpacked, times five."""
MOST_COLUMNS = 1000
READABLE = {
    ".parquet": "flat columns of numbers or text",
    ".npz": "arrays of numbers or text with one or two dimensions and as many rows each",
}
"""What each format may hold, for sentences; else it is text."""
TEXT = "text in UTF-8, a header and rows of as many values, with commas, semicolons or tabs"
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
        raise ValueError(f"{_name(sources[0])} has no rows; accepted: at least {LEAST_ROWS}, below a header")
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
            frame = _from_parquet(content)
        elif kind == ".npz":
            frame = _from_npz(content)
        else:
            frame = _from_csv(content, Path(name).stem)
        if frame.shape[1] > MOST_COLUMNS:
            raise _Unreadable(f"it has {frame.shape[1]:,} columns, more than {MOST_COLUMNS:,}")
    except (Exception, MemoryError) as error:  # readers raise whatever a damaged file makes them
        accepted = READABLE.get(kind, TEXT)
        raise ValueError(
            f"{name} is not a readable {kind[1:].upper()} table: {why(error)}; accepted: {accepted}"
        ) from None
    frame.columns = [str(column).strip() for column in frame.columns]
    return frame.reset_index(drop=True)


class _Unreadable(ValueError):
    """What is wrong with a file's content, in words for the user."""


def why(error: BaseException) -> str:
    """What a reader complains about, in plain words."""
    said = str(error)
    if isinstance(error, _Unreadable):
        return said
    if isinstance(error, MemoryError):
        return "it needs more memory than there is"
    if isinstance(error, UnicodeDecodeError):
        return "it is not text in UTF-8"
    if row := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", said):
        return f"line {row[2]} has {row[3]} values instead of {row[1]}"
    if isinstance(error, pd.errors.ParserWarning):
        return "its rows have more values than its header has names"
    if isinstance(error, pd.errors.EmptyDataError):
        return "it is empty"
    if "inside string" in said:
        return "a quote that is opened is never closed"
    return "it is damaged, or of another kind"


def _from_csv(content: bytes, stem: str) -> pd.DataFrame:
    text = content.decode("utf-8-sig")
    head = text[:20_000]
    first = head.splitlines()[0] if head.strip() else ""
    if not first:
        raise _Unreadable("its first line is empty")
    separator = max((";", "\t", ","), key=first.count)
    if first.count(separator) >= MOST_COLUMNS:  # before a reader takes minutes for them
        raise _Unreadable(f"it has more than {MOST_COLUMNS:,} columns")
    decimal = "," if separator != "," and "." not in head and "," in head else "."
    cells = next(csv.reader([first], delimiter=separator))
    headless = all(_is_number(cell.replace(decimal, ".")) for cell in cells)
    with catch_warnings():
        simplefilter("error", pd.errors.ParserWarning)
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


def _from_parquet(content: bytes) -> pd.DataFrame:
    """Numbers and text. What is said of sizes comes first: a kilobyte may unpack to all the memory there is."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(io.BytesIO(content))
    schema, rows = file.schema_arrow, file.metadata.num_rows
    for column in schema:
        if pa.types.is_nested(column.type):
            raise _Unreadable(f"the column '{column.name}' holds lists or records")
    if 8 * rows * len(schema) > 5 * MOST_BYTES:
        raise _Unreadable(f"its {rows:,} rows of {len(schema)} columns are too large")
    words = [c.name for c in schema if pa.types.is_string(c.type) or pa.types.is_binary(c.type)]
    found = pq.ParquetFile(io.BytesIO(content), read_dictionary=words).read()  # equal words are kept once
    return found.to_pandas()


def _from_npz(content: bytes) -> pd.DataFrame:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > 5 * MOST_BYTES:
            raise _Unreadable("unpacked it is too large")
    columns: dict[str, np.ndarray] = {}
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        for name in arrays.files:
            try:
                array = arrays[name]
            except ValueError as error:
                why = "holds Python objects" if "allow_pickle" in str(error) else "is damaged"
                raise _Unreadable(f"the array '{name}' {why}") from None
            if not isinstance(array, np.ndarray):
                raise _Unreadable(f"'{name}' is not an array")
            if array.dtype.kind not in "biufUS":
                raise _Unreadable(f"the array '{name}' holds {array.dtype.name}")
            if array.ndim == 1:
                columns[name] = array
            elif array.ndim == 2:
                columns |= {name if array.shape[1] == 1 else f"{name}{k + 1}": c for k, c in enumerate(array.T)}
            else:
                raise _Unreadable(f"the array '{name}' has {array.ndim} dimensions")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {count:,}" for name, count in list(lengths.items())[:5])
        raise _Unreadable(f"its arrays have different numbers of rows ({told})")
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
    column = frame[name]
    if pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_timedelta64_dtype(column):
        return np.full(len(frame), np.nan)
    try:
        values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    except (OverflowError, TypeError, ValueError):  # whole numbers of hundreds of digits, or no numbers at all
        values = np.array([float(v) if _is_number(v) else np.nan for v in column.astype(str)])
    return np.where(np.isfinite(values), values, np.nan)


def look(frame: pd.DataFrame) -> list[Column]:
    """What is seen of each column. A column of text with hardly a number in it is not numeric."""
    seen = []
    for name in frame.columns:
        values = numbers(frame, name)
        known = values[~np.isnan(values)]
        if len(known) < 0.5 * len(frame):
            missing, texts = int(frame[name].isna().sum()), int(frame[name].nunique())
            seen.append(Column(name, False, missing, texts, np.nan, np.nan, None, 0.0, None))
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
