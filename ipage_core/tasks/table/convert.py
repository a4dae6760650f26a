"""Columns of text → numbers: the decimal mark, missing values, and cells that are not numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ipage_core.tasks.table.numerals import MISSING, Cell, is_missing, normal, number, votes

SAMPLE, SURE = 4000, 50
"""Cells sampled per column for its decimal mark; number of certain cells that suffice if none contradicts."""
WORDS = {".": "point", ",": "comma"}
_PLAIN = {mark: rf"^[+-]?([0-9]+(\{mark}[0-9]*)?|\{mark}[0-9]+)([eE][+-]?[0-9]+)?$" for mark in ".,"}


@dataclass(frozen=True, eq=False)
class Numbers:
    """A column as numbers."""

    values: np.ndarray
    """(n,) float64, NaN if there is none."""
    odd: np.ndarray
    """(n,) bool: the cell is neither a number nor a marker of a missing value."""
    missing: np.ndarray
    """(n,) bool."""
    unit: str
    """Unit in the cells, if any."""
    notes: tuple[str, ...]
    """How the cells were read, if not obvious; each note continues a sentence after the column's name."""
    doubtful: bool = False
    """Whether some cells have two readings, and so are not read."""


def decimals(
    columns: Mapping[str, Sequence[str]], separator: str, given: str | None
) -> tuple[dict[str, str], list[str]]:
    """The decimal mark of each column, from its cells, with remarks.

    A mark is certain if no other reading exists ('0,5', '3.98', '2.322,3'). If three digits follow every mark, as in
    2.004, it is open. Then the other columns decide; else, whole numbers below 1000 without a mark (479) beside them
    show that it separates thousands; else it is the decimal mark. A remark names what was open.
    """
    if given is not None:
        return dict.fromkeys(columns, given), []
    seen = {name: _evidence(cells) for name, cells in columns.items()}
    sure = {name: max(e.sure, key=lambda m: e.sure[m]) for name, e in seen.items() if e.sure}
    file_mark = max(WORDS, key=lambda m: (sum(v == m for v in sure.values()), m == ".")) if sure else None
    marks, said = {}, list[str]()
    if len(set(sure.values())) > 1:
        message = "; ".join(
            f"{WORDS[m]} in {', '.join([name for name, v in sure.items() if v == m][:4])}" for m in WORDS
        )
        said.append(f"Decimal marks differ between columns: {message}. --decimal sets one for all.")
    for name, evidence in seen.items():
        if name in sure or not evidence.open:
            marks[name] = sure.get(name) or file_mark or "."
            continue
        mark = max(evidence.open, key=lambda m: evidence.open[m])
        other = "," if mark == "." else "."
        example, beside = evidence.example, evidence.whole_example
        thousands = evidence.counts_in_thousands or (mark == "," == separator)
        if file_mark is not None and file_mark != mark:
            marks[name] = file_mark
            said.append(f"{name}: '{example}' is read as {_joined(example)}: the {WORDS[mark]} separates thousands.")
        elif file_mark is None and thousands:
            marks[name] = other
            why = f", as numbers without it stay below 1000, e.g. {beside}" if beside else ""
            said.append(
                f"{name}: '{example}' is read as {_joined(example)}: the {WORDS[mark]} separates thousands{why}. "
                f"If it is a decimal {WORDS[mark]}, say --decimal '{mark}'."
            )
        else:
            marks[name] = mark
            if file_mark is None or evidence.counts_in_thousands:
                said.append(
                    f"{name}: '{example}' is read with a decimal {WORDS[mark]}, though three digits follow it in every "
                    f"cell. If it separates thousands, say --decimal '{other}'."
                )
    return marks, said


@dataclass
class _Evidence:
    sure: Counter[str]
    open: Counter[str]
    example: str = ""
    whole: int = 0
    whole_example: str = ""
    largest_whole: float = 0.0
    least_open: float = np.inf

    @property
    def counts_in_thousands(self) -> bool:
        """Whether all numbers without a mark are smaller than those with it, read as thousands."""
        return self.whole > 0 and self.largest_whole < self.least_open


def _evidence(cells: Sequence[str]) -> _Evidence:
    result = _Evidence(Counter(), Counter())
    for cell, count in Counter(cells).items():
        mark, certainty = votes(cell)
        if certainty == "sure":
            result.sure[mark] += count
            if result.sure[mark] >= SURE and len(result.sure) == 1:
                break
        elif certainty == "open":
            result.open[mark] += count
            result.example = result.example or normal(cell)
            read = number(cell, "," if mark == "." else ".")
            result.least_open = min(result.least_open, abs(read.value) if read else np.inf)
        elif certainty == "whole" and (read := number(cell, ".")) is not None:
            result.whole += count
            result.whole_example = result.whole_example or normal(cell)
            result.largest_whole = max(result.largest_whole, abs(read.value))
    return result


def _joined(text: str) -> str:
    return text.replace(".", "").replace(",", "")


def sample(cells: pa.Array) -> list[str]:
    """Filled cells from all parts of a column."""
    step = max(1, len(cells) // SAMPLE)
    return [c for c in cells.take(pa.array(np.arange(0, len(cells), step))).to_pylist() if c and not is_missing(c)]


def to_numbers(cells: pa.Array, decimal: str, missing: Sequence[str] = (), given: bool = False) -> Numbers:
    """A column of text (n,) as numbers.

    Args:
        cells: the text.
        decimal: the decimal mark.
        missing: additional markers of missing values, as text or as numbers.
        given: whether the user named the decimal mark; then the other mark separates thousands without a doubt.
    """
    plain = pc.match_substring_regex(cells, _PLAIN[decimal])
    bare = pc.replace_substring_regex(pc.if_else(plain, cells, None), r"^\+", "")
    if decimal == ",":
        bare = pc.replace_substring(bare, ",", ".")
    values = np.array(pc.cast(bare, pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
    easy = np.array(plain.to_numpy(zero_copy_only=False), dtype=bool) & np.isfinite(values)
    lacking = np.zeros(len(values), dtype=bool)
    for marker in missing:
        meant = number(marker, ".") or number(marker, decimal)
        lacking |= values == meant.value if meant is not None else np.zeros(len(values), dtype=bool)
    hard = np.flatnonzero(~easy)
    unit, notes, doubt = "", list[str](), list[int]()
    if len(hard):
        coded = pc.dictionary_encode(cells.take(pa.array(hard)))
        texts = [text or "" for text in coded.dictionary.to_pylist()]
        index = np.asarray(coded.indices.to_numpy(zero_copy_only=False))
        counts = np.bincount(index, minlength=len(texts))
        read: list[Cell | None] = [None] * len(texts)
        if len(texts) <= SAMPLE or any(number(text, decimal) for text in texts[:: len(texts) // SAMPLE]):
            read = [None if text.strip() in missing or is_missing(text) else number(text, decimal) for text in texts]
        doubt = [] if given else _two_readings(texts, read, values[easy], decimal)
        read = [None if k in doubt else one for k, one in enumerate(read)]
        units = Counter({"": 0})
        for one, count in zip(read, counts, strict=True):
            if one is not None:
                units[one.unit] += int(count)
        unit = max(units, key=lambda u: (bool(u), units[u]))
        fits = [one is not None and one.unit in ("", unit) for one in read]
        numbers = np.array(
            [one.value if one is not None and ok else np.nan for one, ok in zip(read, fits, strict=True)]
        )
        gone = np.array([text.strip() in missing or is_missing(text) for text in texts])
        values[hard], lacking[hard] = numbers[index], gone[index]
        notes = _notes(texts, read, unit, bool(easy.any()) or units[""] > 0)
        notes += [f"'{texts[k]}' may be {_joined(texts[k])} or a decimal number: --decimal decides." for k in doubt[:1]]
    values[lacking] = np.nan
    return Numbers(values, np.isnan(values) & ~lacking, lacking, unit, tuple(notes), bool(doubt))


def _two_readings(texts: list[str], read: Sequence[Cell | None], easy: np.ndarray, decimal: str) -> list[int]:
    """Indices of texts such as '3,954' that are thousands beside '3.98' by their mark, but decimals by their size.

    ``easy``: (n,) the column's numbers without thousands. Sizes are those of thousands if numbers with both marks, as
    1,234.5, are there, or if the largest of the others reach up to a tenth of them.
    """
    other = "," if decimal == "." else "."
    fractions = easy[easy != np.round(easy)]
    if not len(fractions) or any(one is not None and "." in t and "," in t for t, one in zip(texts, read, strict=True)):
        return []
    largest = 10 * np.abs(easy).max()
    return [
        k
        for k, (text, one) in enumerate(zip(texts, read, strict=True))
        if one is not None and abs(one.value) > largest and votes(text) == (other, "open")
    ]


def _notes(texts: list[str], read: list[Cell | None], unit: str, bare_too: bool) -> list[str]:
    message = []
    uncertain = next((text for text, one in zip(texts, read, strict=True) if one is not None and one.uncertain), None)
    if uncertain is not None:
        message.append(f"the uncertainties of its values, as in '{uncertain}', are not used.")
    if unit:
        also = "; numbers without a unit are taken in it, too" if bare_too else ""
        message.append(f"its cells name the unit {unit}{also}.")
    return message


def text_missing(cell: str, missing: Sequence[str], signs: bool = False) -> bool:
    """Whether a cell in a column of words is missing: 'none' and 'unknown' may be words, 'Na' is sodium.

    ``signs``: the column holds '+', so that '-' is a word, too.
    """
    bare = cell.strip()
    if signs and bare in ("-", "–", "−"):
        return bare in missing
    words = bare == "Na" or bare.lower() in ("none", "unknown", "nil", "nd", "tbd")
    return bare in missing or (bare.lower() in MISSING and not words)
