"""Column types: real or whole numbers, category, yes/no, words, dates; with scale, spikes and odd values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

SPIKE = 0.05
"""Minimum share of rows with the same value for a spike."""
GRID = 30
"""Maximum number of distinct, evenly spaced values of a grid."""
DECADES = 100.0
"""Minimum ratio of largest to least value for a log scale."""
MOST_LEVELS = 50
"""Maximum number of words in a category; a column with more holds labels."""
FEW = 3
"""Up to this many distinct numbers, beside words, a column is one of words."""
WHOLE = 1e6
"""Up to here whole numbers are counts; beyond, measurements."""
YES_NO = (
    ("yes", "no"), ("true", "false"), ("y", "n"), ("t", "f"), ("on", "off"), ("ja", "nein"), ("oui", "non"),
    ("wahr", "falsch"), ("vrai", "faux"), ("sí", "no"), ("si", "no"), ("with", "without"), ("mit", "ohne"),
)  # fmt: skip
INDEX_NAMES = frozenset(
    ("", "index", "idx", "id", "nr", "nr.", "no", "no.", "n°", "nº", "№", "#", "row", "rows", "row id", "row name",
     "rowid", "lfd", "lfd.", "lfd. nr.", "lfd nr", "lfd. nr", "sample", "sample id", "sample no", "sample no.",
     "run", "entry", "unnamed: 0", "column 1", "level_0", "__index_level_0__", "zeile", "serial", "s.no", "s. no.",
     "sr. no.", "uid")
)  # fmt: skip
"""Names, in lower case, of columns that number the rows."""
_DATE = re.compile(
    r"(\d{1,4}[-./]\d{1,2}[-./]\d{1,4}|\d{1,2}\.?[- ]?MONTH[-, ]*\d{2,4}|MONTH \d{1,2},? \d{4}|\d{4}-MONTH-\d{1,2})"
    r"([T ]+\d{1,2}:\d{2}\S*)?|\d{1,2}:\d{2}(:\d{2})?([.,]\d+)?( ?[ap]m)?".replace(
        "MONTH", r"(?:jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-z]{0,6}\.?"
    ),
    re.I,
)
_NINES = re.compile(r"-?(9{2,}(\.25)?|9+\.9+|8{3,}|7{3,})")  # -999.25 is that of well logs
_HUGE = re.compile(r"-?(1|9\.9+|9\.96921|3\.40282|1\.79769)e\+(2\d|3\d|308)")
"""Fill values of programs: 1e30, the largest float, netCDF's fill value."""
_LIMITS = (-32768.0, 32767.0, 65535.0, -2147483648.0, 2147483647.0)


@dataclass(frozen=True)
class Column:
    """Summary of a column."""

    name: str
    numeric: bool
    missing: int
    distinct: int
    low: float
    high: float
    spike: float | None
    """The value shared by at least ``SPIKE`` of the rows, if any (not in a grid)."""
    share: float
    """Share of rows with the most frequent value."""
    grid: float | None
    """The spacing, if the values are few and evenly spaced."""
    kind: str = "real"
    """'real', 'integer', 'boolean' (two words such as yes and no), 'category', 'date', 'text' (labels) or 'empty'."""
    unit: str = ""
    scale: str = "linear"
    """'log' if the column is positive, spans two decades, and is less skewed on a log scale: a proposal."""
    levels: tuple[float | str, ...] = ()
    """The values of a category, or of whole numbers if they are few."""
    sentinel: float | None = None
    """A value that probably marks 'not measured', such as −999."""
    index: bool = False
    """Whether the column only numbers the rows."""
    note: str = ""
    """How the cells were read, if not obvious."""

    @property
    def constant(self) -> bool:
        """Whether the column has at most one distinct value."""
        return self.distinct <= 1


def numbers(frame: pd.DataFrame, name: str) -> np.ndarray:
    """A column (n,) as float64; NaN where it holds no finite number."""
    column = frame[name]
    if pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_timedelta64_dtype(column):
        return np.full(len(frame), np.nan)
    try:
        values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    except (OverflowError, TypeError, ValueError):  # whole numbers of hundreds of digits, or not numbers at all
        values = np.array([_float(value) for value in column])
    return np.where(np.isfinite(values), values, np.nan)


def _float(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return np.nan


def look(frame: pd.DataFrame) -> list[Column]:
    """Summary of each column. A column of text with almost no numbers is not numeric."""
    return [describe(frame, str(name)) for name in frame.columns]


def describe(frame: pd.DataFrame, name: str) -> Column:
    """Summary of one column."""
    values = numbers(frame, name)
    numeric = values[~np.isnan(values)]
    filled = int(frame[name].notna().sum())
    if (
        pd.api.types.infer_dtype(frame[name], skipna=True) == "boolean"
        or len(numeric) < 0.5 * filled
        or not len(numeric)
        or (not pd.api.types.is_numeric_dtype(frame[name]) and words_beside(numeric, filled))
    ):
        return _words(frame, name)
    distinct, counts = np.unique(numeric, return_counts=True)
    grid = spacing(distinct) if 1 < len(distinct) <= GRID else None
    share = float(counts.max() / len(numeric))
    spike = float(distinct[counts.argmax()]) if share >= SPIKE and len(distinct) > 1 and grid is None else None
    whole = bool((numeric == np.round(numeric)).all()) and float(np.abs(numeric).max()) <= WHOLE
    return Column(
        name,
        True,
        len(frame) - len(numeric),
        len(distinct),
        float(distinct[0]),
        float(distinct[-1]),
        spike,
        share,
        grid,
        kind="integer" if whole else "real",
        scale="log" if suits_log(numeric) else "linear",
        levels=tuple(distinct.tolist()) if whole and len(distinct) <= GRID else (),
        sentinel=sentinel(distinct, counts),
        index=_numbers_rows(name, values),
    )


def words_beside(numeric: np.ndarray, filled: int) -> bool:
    """Whether few different numbers ``numeric`` stand beside words, as '304' beside '316L': then they are words too."""
    return filled - len(numeric) > 0.1 * filled and len(np.unique(numeric)) <= FEW


def _words(frame: pd.DataFrame, name: str) -> Column:
    words = frame[name].dropna().astype(str)
    missing, distinct = len(frame) - len(words), int(words.nunique())
    few = distinct <= MOST_LEVELS and (distinct <= 3 or 2 * distinct <= len(words))
    levels = tuple(sorted(words.unique())) if few else ()
    kind = "category" if levels else "text" if distinct else "empty"
    if levels and {str(level).lower() for level in levels} in [set(pair) for pair in YES_NO]:
        kind = "boolean"
    some = words.iloc[:200].str.strip()
    if len(some) and some.map(lambda word: bool(_DATE.fullmatch(word))).mean() > 0.8:
        kind, levels = "date", ()
    index = kind == "text" and distinct == len(frame) and name.strip().lower() in INDEX_NAMES
    return Column(
        name, False, missing, distinct, np.nan, np.nan, None, 0.0, None, kind=kind, levels=levels, index=index
    )


def spacing(distinct: np.ndarray) -> float | None:
    """The step that divides all distances between the sorted values (k,); None if there is none."""
    steps = np.diff(distinct)
    return float(steps.min()) if np.allclose(steps / steps.min(), np.round(steps / steps.min()), atol=1e-3) else None


def suits_log(numeric: np.ndarray) -> bool:
    """Whether positive values (n,) span two decades and are less skewed on a log scale.

    Evenly spread values from 0.001 to 1 span them too, but a log scale does not help.
    """
    if len(numeric) < 3 or not numeric.min() > 0 or numeric.max() / DECADES < numeric.min():
        return False
    return abs(_skew(np.log(numeric))) < abs(_skew(numeric))


def _skew(values: np.ndarray) -> float:
    with np.errstate(over="ignore", invalid="ignore"):  # numbers near the end of float64
        z = (values - values.mean()) / (values.std() or 1.0)
    return float((z * z * z).mean())


def sentinel(distinct: np.ndarray, counts: np.ndarray) -> float | None:
    """A marker of missing values: a marker-like extreme value far from all others, or one repeated often."""
    if len(distinct) < 3:
        return None
    for value, count, rest in (
        (float(distinct[0]), counts[0], distinct[1:]),
        (float(distinct[-1]), counts[-1], distinct[:-1]),
    ):
        width = float(rest[-1] - rest[0])
        away = float(np.abs(rest - value).min())
        marker = bool(_NINES.fullmatch(f"{value:.12g}") or _HUGE.fullmatch(f"{value:.6g}")) or value in _LIMITS
        if marker and away > (0.5 if count > 1 else 2.0) * width:
            return value
        whole = bool((rest == np.round(rest)).all())
        below_zero = value in (-1, -9) and rest[0] >= 0 and not (whole and away <= max(1, 0.5 * width))
        if below_zero and count > 1 and count / counts.sum() >= 0.01:
            return value
    top = int(counts.argmax())
    often = counts[top] > 3 and counts[top] >= 5 * np.median(counts) and counts[top] / counts.sum() >= 0.02
    inside = float(distinct[top])
    return inside if often and re.fullmatch(r"-?9{3,}|-9{2,}", f"{inside:.12g}") else None


def _numbers_rows(name: str, values: np.ndarray) -> bool:
    """Whether a column counts rows from 0 or 1; if its name says so, distinct whole numbers suffice."""
    if len(values) < 3 or np.isnan(values).any() or (values != np.round(values)).any():
        return False
    steps = np.diff(values)
    if (steps == 1).all() and values[0] in (0, 1):
        return True
    named = name.strip().lower() in INDEX_NAMES
    return named and (len(np.unique(values)) == len(values) or bool((steps >= 0).all() and (steps == 1).mean() > 0.5))


def mixtures(frame: pd.DataFrame, names: Sequence[str]) -> list[tuple[tuple[str, ...], float]]:
    """Columns that sum to the same total, 1 or 100, in every row: [(names, total)], the smallest sets first.

    Each column belongs to at most one set; sums are equal within the rounding of the cells' digits.
    """
    values = {name: numbers(frame, name) for name in names}
    complete = ~np.isnan(np.stack(list(values.values()), axis=1)).any(axis=1) if values else np.zeros(0, dtype=bool)
    sums: list[tuple[tuple[str, ...], float]] = []
    for total in (1.0, 100.0):
        parts = {
            name: v[complete]
            for name, v in values.items()
            if complete.sum() >= 3 and v[complete].min() >= 0 and v[complete].max() <= total and np.ptp(v[complete]) > 0
        }
        for chosen in _sets_that_sum(parts, total):
            used = {name for some, _ in sums for name in some}
            if not used & set(chosen):
                sums.append((chosen, total))
    return sums


def _sets_that_sum(parts: dict[str, np.ndarray], total: float) -> list[tuple[str, ...]]:
    """Sets of two or more columns with this sum: all subsets of up to 12, else neighbours in the table."""
    names = list(parts)
    if len(names) < 2:
        return []
    table = np.stack([parts[name] for name in names], axis=1)
    rounding = np.array([max(_rounding(column), 1e-5 * total / len(names)) for column in table.T])
    some = table[np.unique(np.linspace(0, len(table) - 1, 200).astype(int))]
    if len(names) <= 12:
        masks = (np.arange(1, 2 ** len(names))[:, None] >> np.arange(len(names))) & 1
        masks = masks[masks.sum(1) >= 2]
        near = np.abs(some @ masks.T - total) <= np.minimum(masks @ rounding, 0.02 * total)
        left = masks[near.all(0)]
    else:
        begin, end = np.triu_indices(len(names) + 1, 2)
        for row in np.cumsum(np.pad(some, ((0, 0), (1, 0))), axis=1):
            near = np.abs(row[end] - row[begin] - total) <= 0.02 * total
            begin, end = begin[near], end[near]
        place = np.arange(len(names))
        left = (begin[:, None] <= place) & (place < end[:, None])
        near = np.abs(some @ left.T - total) <= np.minimum(left @ rounding, 0.02 * total)
        left = left[near.all(0)]
    left = left[np.argsort(left.sum(1), kind="stable")]
    chosen, used = [], np.zeros(len(names), dtype=bool)
    for mask in left.astype(bool):
        part = table[:, mask]
        off = np.abs(part.sum(1) - total)
        by_chance = float(np.sqrt(part.var(0).sum()))  # how much sums of unrelated columns vary
        if not (mask & used).any() and off.max() <= min(rounding[mask].sum(), 0.1 * by_chance):
            chosen.append(tuple(name for name, m in zip(names, mask, strict=True) if m))
            used |= mask
    return chosen


def _rounding(column: np.ndarray) -> float:
    """Half a unit of the last decimal of the column's larger values, at most the ninth decimal."""
    some = column[column >= 0.5 * column.max()][:200]
    digits = next((p for p in range(9) if np.allclose(some, np.round(some, p), rtol=0, atol=1e-12)), 9)
    return 0.5 * 10.0**-digits
