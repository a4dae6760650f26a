"""How a text table is laid out: its separator, comments, header, row of units and first row of data."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise

from ipage_core.tasks.table.errors import Unreadable
from ipage_core.tasks.table.numerals import is_number, number
from ipage_core.tasks.table.units import is_unit, is_unit_row_cell, plain_unit

SAMPLE = 400
"""Lines that decide how a table is laid out."""
SEPARATORS = {"\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas", " ": "blanks"}
"""What may stand between cells, in the order of preference, and what sentences call it."""
COMMENTS = ("#", "%", "//", "!")
"""How lines begin that are no rows."""
MISSING = frozenset(
    ("", "na", "n/a", "#n/a", "n.a.", "nan", "null", "nil", "none", "-", "--", "---", "–", "—", "−", "?", ".", "..",
     "*", "#div/0!", "#value!", "#ref!", "#name?", "#num!", "#null!", "missing", "unknown", "n.d.", "nd", "n.m.",
     "k.a.", "k. a.", "<na>", "nat", "tbd", "inf", "-inf", "+inf", "infinity", "-infinity", "∞", "-∞", "−∞", "-nan",
     "1.#qnan", "-1.#ind", "1.#inf")
)  # fmt: skip
"""What stands for 'not measured' in a column of numbers, in small letters."""

_BETWEEN_BLANKS = re.compile(r'"[^"]*"|\S+(?:\s*(?:±|\+/-|\+-)\s*\S+)?(?:\s[\[(][^\s\])]*[\])])?')
"""A cell where blanks separate: 'a (nm)', '1.2 ± 0.1' and '"Water content"' are one each."""


@dataclass(frozen=True)
class Layout:
    """Where in a file's lines the table is."""

    separator: str
    names: tuple[str, ...] | None
    """None if there is no header."""
    units: tuple[str, ...]
    first: int
    """Index of the first line of data."""
    width: int
    """Cells a row."""
    notes: tuple[str, ...]


def lines_of(text: str) -> list[str]:
    """Lines, whatever ends them; a form feed or U+2028 within a cell ends none."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def is_comment(line: str) -> bool:
    """Whether a line is said to be none of the table."""
    return line.lstrip().startswith(COMMENTS)


def is_missing(cell: str) -> bool:
    """Whether a cell of a column of numbers says that there is none."""
    return cell.strip().lower() in MISSING


def rows(lines: Iterable[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    """(count of lines read, cells) for each row; quotes are respected, blanks around cells stay."""
    if separator == " ":
        for number, line in enumerate(lines, 1):
            yield number, [cell.strip('"') for cell in _BETWEEN_BLANKS.findall(line)]
        return
    reader = csv.reader((line + "\n" for line in lines), delimiter=separator, skipinitialspace=True)
    for row in reader:
        yield reader.line_num, row


def _stripped(lines: Iterable[str], separator: str) -> list[list[str]]:
    return [[cell.strip() for cell in row] for _, row in rows(lines, separator)]


def layout(lines: list[str], separator: str | None = None, most_columns: int = 1000) -> Layout:
    """Find the table in a file's lines; a ``separator`` that is given is taken.

    Raises:
        Unreadable: there is no table, or it is too wide.
    """
    start, said = 0, None
    if lines and (found := re.fullmatch(r'"?sep=(.)"?', lines[0].strip(" \ufeff"), re.IGNORECASE)):
        start, said = 1, found[1]  # Excel's own way to name it
    sample = list(islice((k for k in range(start, len(lines)) if lines[k].strip()), SAMPLE))
    body = [k for k in sample if not is_comment(lines[k])]
    if not sample:
        raise Unreadable("its first line is empty")
    if not body:
        body = sample
    text = [lines[k] for k in body]
    separator = separator or said or best_separator(text)
    cells, begins, read = list[list[str]](), [0], list(rows(text, separator))
    for count, row in read if len(read) < 2 or len(text) < SAMPLE else read[:-1]:  # the last one may go on
        cells.append([cell.strip() for cell in row])
        begins.append(count)
    body = [body[k] for k in begins if k < len(body)]  # where a quoted cell runs over lines, rows are fewer
    width = _width(cells)
    if width > most_columns:
        raise Unreadable(f"it has {width:,} columns, more than {most_columns:,}")
    return _header(lines, sample, body, cells, separator, width)


def best_separator(lines: list[str]) -> str:
    """The separator that gives rows of one width, a header as wide, and cells that are numbers."""
    scores = {}
    for place, separator in enumerate(SEPARATORS):
        if separator != " " and separator not in "".join(lines[:50]):
            continue
        cells = _stripped(lines, separator)
        width = _width(cells)
        if width < 2:
            continue
        fitting = [row for row in cells if len(row) == width]
        some = [cell for row in fitting[:: max(1, len(fitting) // 60)] for cell in row[:50]]
        filled = [cell for cell in some if cell and not is_missing(cell)]
        numbers = sum(map(is_number, filled)) / max(1, len(filled))
        header = 1.0 if len(cells[0]) == width else 0.7
        scores[separator] = (round(len(fitting) / len(cells) * (0.4 + 0.6 * numbers) * header, 2), -place)
    return max(scores, key=lambda s: scores[s]) if scores else ","


def _width(cells: list[list[str]]) -> int:
    """Cells of most rows; those at the end of the sample count, a preamble does not."""
    counts = Counter(len(row) for row in cells[len(cells) // 3 :] if row)
    return max(counts, key=lambda n: (counts[n], n)) if counts else 0


def _header(
    lines: list[str], sample: list[int], body: list[int], cells: list[list[str]], separator: str, width: int
) -> Layout:
    fitting = [row for row in cells if len(row) == width]
    numeric = _numeric_columns(fitting[len(fitting) // 3 :], width)
    first = next((k for k, row in enumerate(cells) if _is_data(row, numeric, width)), None)
    if first is None:  # no column of numbers
        first = min(len(cells), next((k for k, row in enumerate(cells) if len(row) == width), 0) + 1)
    names, units, notes, begin = None, ("",) * width, list[str](), first
    if (
        first < len(cells) - 1
        and len(cells[first]) == width
        and _are_names(cells[first], fitting[fitting.index(cells[first]) + 1 :], numeric)
    ):
        begin = first = first + 1
        notes.append(f"Line {body[first - 1] + 1} holds numbers that rise and fit no column: taken for names.")
    chosen: int | None = None
    if first and len(cells[first - 1]) != width and separator == " ":  # names of several words, two blanks between them
        wide = re.split(r"\s{2,}|\t", lines[body[first - 1]].strip())
        cells[first - 1] = wide if len(wide) == width else cells[first - 1]
    full = [
        k
        for k in range(first)
        if len(cells[k]) == width and (width == 1 or k == first - 1 or len([c for c in cells[k] if c]) > 1)
    ]
    full = full[:1] + [k for k in full[1:] if not all(is_missing(cells[k][j]) for j in numeric if cells[k][j])]
    above = len(cells[first - 1]) if first else 0
    if full and (above == width or above < 2):
        unit_row = next((k for k in full[1:] if _is_unit_row(cells[k], numeric, fitting)), None)
        if unit_row is not None:
            units = tuple(plain_unit(cell) for cell in cells[unit_row])
            notes.append(f"Line {body[unit_row] + 1} is taken for units: {', '.join(u for u in units if u)}.")
            chosen = max(k for k in full if k < unit_row)
            begin = unit_row + 1
        else:
            chosen = max(full, key=lambda k: (len({c for c in cells[k] if c}), -k))
            begin = chosen + 1
        names = tuple(cells[chosen])
    elif above == width - 1 > 1 and _names_rows(fitting, numeric):
        chosen = first - 1
        names = ("", *cells[chosen])
        notes.append("The header has one name fewer than the rows have values: the first of them names the row.")
    elif above == width + 1 and not cells[first - 1][-1]:
        chosen = first - 1
        names = tuple(cells[chosen][:-1])
    elif above > 1:
        more = "more values than its header has names" if above < width else "fewer values than its header has names"
        raise Unreadable(f"its rows have {more} (line {body[first - 1] + 1} has {above}, the rows {width})")
    before = body[chosen] if chosen is not None else body[begin] if begin < len(body) else len(lines)
    if names is None and (found := _in_comments(lines, sample, before, separator, width, bool(numeric))):
        names = found[1]
        notes.append(f"The names of the columns are from the comment in line {found[0] + 1}.")
    skipped = [k for k in body if k < before and (chosen is None or k != body[chosen])]
    if skipped:
        one = f"Line {skipped[0] + 1} is" if len(skipped) == 1 else f"Lines {skipped[0] + 1} to {skipped[-1] + 1} are"
        notes.append(f"{one} above the table and left out: '{lines[skipped[0]].strip()[:40]}'.")
    comments = sum(is_comment(lines[k]) for k in sample if k not in set(body))
    if comments:
        notes.append(f"Lines that begin with {', '.join(COMMENTS)} are comments and left out.")
    at = body[begin] if begin < len(body) else len(lines)
    return Layout(separator, names, units, at, width, tuple(notes))


def _numeric_columns(cells: list[list[str]], width: int) -> dict[int, bool]:
    """Columns whose filled cells are numbers, most of them; and whether these have units."""
    found = {}
    for j in range(width):
        filled = [row[j] for row in cells if not is_missing(row[j])]
        if filled and sum(map(is_number, filled)) >= 0.6 * len(filled):
            found[j] = any(map(_unit, filled[:50]))
    return found


def _is_data(row: list[str], numeric: dict[int, bool], width: int) -> bool:
    """Whether numbers, or markers of missing ones, are at least half of what is filled in columns of numbers.

    '300 K' is a name where the column's cells have no units. A row of another width must be of numbers alone.
    """
    if len(row) != width:
        return len(row) > 1 and all(is_number(cell) for cell in row if cell)
    filled = [row[j] for j in numeric if row[j]]
    numbers = sum(is_number(row[j]) and (units or not _unit(row[j])) for j, units in numeric.items())
    return numbers > 0 and 2 * (numbers + sum(map(is_missing, filled))) >= len(filled)


def _unit(cell: str) -> str:
    found = number(cell, ".") or number(cell, ",")
    return found.unit if found else ""


def _are_names(row: list[str], below: list[list[str]], numeric: dict[int, bool]) -> bool:
    """Whether numbers are names, as wavelengths over a spectrum: three or more that rise, outside of their columns."""
    cells = [(j, found.value) for j in numeric if (found := number(row[j], ".")) is not None]
    if len(cells) < 3 or any(a >= b for (_, a), (_, b) in pairwise(cells)):
        return False
    outside = 0
    for j, value in cells:
        column = [found.value for r in below if (found := number(r[j], ".")) is not None]
        outside += not column or not min(column) <= value <= max(column)
    return len(below) >= 5 and outside >= 0.9 * len(cells)


def _is_unit_row(row: list[str], numeric: dict[int, bool], fitting: list[list[str]]) -> bool:
    if not all(is_unit_row_cell(cell) for cell in row) or not any(is_unit(plain_unit(row[j])) for j in numeric):
        return False
    below = fitting[fitting.index(row) + 1 :]
    return not any(row[j] and row[j] in {r[j] for r in below} for j in range(len(row)) if j not in numeric)


def _names_rows(fitting: list[list[str]], numeric: dict[int, bool]) -> bool:
    """Whether the first cells of rows are names or counts of rows, as R writes them."""
    first = [row[0] for row in fitting]
    counts = [str(k + 1) for k in range(len(first))], [str(k) for k in range(len(first))]
    return len(first) >= 3 and (0 not in numeric or first in counts)


def _in_comments(
    lines: list[str], sample: list[int], before: int, separator: str, width: int, numeric: bool
) -> tuple[int, tuple[str, ...]] | None:
    """The comment that names the columns, as numpy.savetxt writes it: the last one above the data that fits."""
    for k in reversed([k for k in sample if k < before and is_comment(lines[k])] if numeric else []):
        bare = re.sub(r"^\s*(?:#(?!\s*of\b)|%|//|!)+\s*", "", lines[k])
        for text in (lines[k], bare):
            cells = next(iter(_stripped([text], separator)), [])
            if text is bare and separator == " " and len(cells) != width:
                cells = re.split(r"\s{2,}|\t", text.strip())
            kept = text is bare or (cells and cells[0] in COMMENTS and separator != " ")
            if kept and len(cells) == width and not any(is_number(cell) for cell in cells):
                return k, tuple(cells)
    return None
