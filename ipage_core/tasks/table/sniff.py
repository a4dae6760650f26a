"""Layout of a text table: its separator, comments, header, row of units and first row of data."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from ipage_core.tasks.table.errors import Unreadable
from ipage_core.tasks.table.header import find_head
from ipage_core.tasks.table.numerals import is_missing, is_number

SAMPLE = 400
"""Number of lines that determine the layout."""
SEPARATORS = {"\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas", " ": "blanks"}
"""Separators in the order of preference, and their names in messages."""
NOTHING = "\x1f"
"""Separator of a table with a single column."""
COMMENTS = ("#", "%", "//", "!")
"""Beginnings of lines that are not rows."""
_ERROR = re.compile(r"\s*#(?:n/a|div/0!|value!|ref!|name\?|num!|null!)(?=[\s,;|]|$)", re.IGNORECASE)
"""The first cell of a row in which a spreadsheet could not compute a value."""
LEFT_OUT = f"Lines that begin with {', '.join(COMMENTS)} are comments and left out."
_RUNS = ("---", "===", "___", ":-", "-:")
_BETWEEN_BLANKS = re.compile(r'"[^"]*"|\S+(?:\s*(?:±|\+/-|\+-)\s*\S+)?(?:\s[\[(][^\s\])]*[\])])?')
"""A cell if blanks separate: 'a (nm)', '1.2 ± 0.1' and '"Water content"' are one cell each."""


@dataclass(frozen=True)
class Layout:
    """Position of the table in a file's lines."""

    separator: str
    names: tuple[str, ...] | None
    """None without a header."""
    units: tuple[str, ...]
    first: int
    """Index of the first line of data."""
    width: int
    """Cells per row."""
    comments: bool
    """Whether lines that begin like comments are left out; else they are rows, as '#12,300,0.5'."""
    notes: tuple[str, ...]


def lines_of(text: str) -> list[str]:
    """Lines with any line ending; a form feed or U+2028 within a cell ends none. DOS ends a file with U+001A."""
    return text.rstrip("\x1a").replace("\r\n", "\n").replace("\r", "\n").split("\n")


def is_comment(line: str) -> bool:
    """Whether a line begins like a comment; '#N/A,0.2' is a row whose first value is missing."""
    return line.lstrip().startswith(COMMENTS) and not _ERROR.match(line)


def is_rule(line: str) -> bool:
    """Whether a line is drawn between rows: '|:---|---:|', '+---+---+', '====='."""
    return any(run in line for run in _RUNS) and set(line) <= set("-=_:|+ \t")


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


def layout(
    lines: list[str], separator: str | None = None, most_columns: int = 1000, decimal: str | None = None
) -> Layout:
    """Find the table in a file's lines; a given ``separator`` or decimal mark is used as it is.

    Raises:
        Unreadable: there is no table, or it is too wide.
    """
    start, said = 0, None
    if lines and (result := re.fullmatch(r'"?sep=(.)"?', lines[0].strip(" \ufeff"), re.IGNORECASE)):
        start, said = 1, result[1]  # Excel's own declaration of the separator
    filled = (k for k in range(start, len(lines)) if lines[k].strip() and not is_rule(lines[k]))
    sample = list(islice(filled, SAMPLE))
    body = [k for k in sample if not is_comment(lines[k])]
    comments = len(sample) < 3 or body != sample[:1]  # else all rows below the header begin so
    if not sample:
        raise Unreadable("its first line is empty")
    if not body or not comments:
        body = sample
    text = [lines[k] for k in body]
    separator = separator or said or best_separator(text, decimal)
    cells, begins, read = list[list[str]](), [0], list(rows(text, separator))
    for count, row in read if len(read) < 2 or len(text) < SAMPLE else read[:-1]:  # the last line may be incomplete
        cells.append([cell.strip() for cell in row])
        begins.append(count)
    body = [body[k] for k in begins if k < len(body)]  # quoted cells that span lines reduce the number of rows
    width = _width(cells)
    if width > most_columns:
        raise Unreadable(f"it has {width:,} columns, more than {most_columns:,}")
    if separator == " ":
        cells = _wide_header(cells, [lines[k] for k in body], width)
    return replace(_layout(lines, sample, body, cells, separator, width), comments=comments)


def best_separator(lines: list[str], decimal: str | None = None) -> str:
    """The separator that gives rows of one width, a header of the same width, and numeric cells.

    Ties go to the first in ``SEPARATORS``. The table is one column ('gap', '0,5', '0,7') if no line of words can be
    split.
    """
    scores = {}
    text = "".join(lines)
    words = [line for line in lines if not is_number(line)]
    alone = not any(len(row) > 1 for mark in SEPARATORS if mark != " " for row in _stripped(words, mark))
    for place, separator in enumerate((*SEPARATORS, NOTHING) if alone else SEPARATORS):
        if separator not in (" ", NOTHING) and separator not in text:
            continue
        cells = _stripped(lines, separator)
        width = _width(cells)
        if (width < 2) != (separator == NOTHING) or (separator == decimal and '"' not in text):
            continue
        fitting = [row for row in cells if len(row) == width]
        some = [cell for row in fitting[:: max(1, len(fitting) // 60)] for cell in row[:50]]
        filled = [cell for cell in some if cell and not is_missing(cell)]
        numbers = sum(map(is_number, filled)) / max(1, len(filled))
        header = 1.0 if len(cells[0]) == width else 0.7
        scores[separator] = (round(len(fitting) / len(cells) * (0.4 + 0.6 * numbers) * header, 2), -place)
    return max(scores, key=lambda s: scores[s]) if scores else ","


def _width(cells: list[list[str]]) -> int:
    """Number of cells in most rows; rows at the end of the sample count, a preamble does not."""
    counts = Counter(len(row) for row in cells[len(cells) // 3 :] if row)
    return max(counts, key=lambda n: (counts[n], n)) if counts else 0


def _wide_header(cells: list[list[str]], lines: list[str], width: int) -> list[list[str]]:
    """A header whose names have several words, with two or more blanks between names, if blanks separate."""
    wide = re.split(r"\s{2,}|\t", lines[0].strip())
    return [wide, *cells[1:]] if len(cells[0]) != width == len(wide) else cells


def _layout(
    lines: list[str], sample: list[int], body: list[int], cells: list[list[str]], separator: str, width: int
) -> Layout:
    head, notes = find_head(cells, width), list[str]()
    at = body[head.first] if head.first < len(body) else len(lines)
    top = at if head.row is None else body[head.row]
    names = head.names
    if names is None and (result := _in_comments(lines, sample, top, separator, width)):
        names = result[1]
        notes.append(f"The names of the columns are from the comment in line {result[0] + 1}.")
    if head.note:
        notes.append(f"Line {top + 1} {head.note}.")
    if head.unit_row is not None:
        message = ", ".join(unit for unit in head.units if unit)
        notes.append(f"Line {body[head.unit_row] + 1} is taken for units: {message}.")
    used = {top, at, *(body[k] for k in (head.row, head.unit_row) if k is not None)}
    for skipped in (
        [k for k in body if k < top and k not in used],
        [k for k in body if top < k < at and k not in used],
    ):
        if skipped and not (skipped[0] > top and head.note):
            some = f"Lines {skipped[0] + 1} to {skipped[-1] + 1} are" if skipped[1:] else f"Line {skipped[0] + 1} is"
            notes.append(f"{some} above the table and left out: '{lines[skipped[0]].strip()[:40]}'.")
    if any(is_comment(lines[k]) for k in sample if k not in set(body)):
        notes.append(LEFT_OUT)
    return Layout(separator, names, head.units, at, width, True, tuple(notes))


def _in_comments(
    lines: list[str],
    sample: list[int],
    before: int,
    separator: str,
    width: int,
) -> tuple[int, tuple[str, ...]] | None:
    """The comment with the column names, as numpy.savetxt writes it: the last one above the data that fits."""
    for k in reversed([k for k in sample if k < before and is_comment(lines[k])]):
        bare = re.sub(r"^\s*(?:#(?!\s*of\b)|%|//|!)+\s*", "", lines[k])
        for text in (lines[k], bare):
            cells = next(iter(_stripped([text], separator)), [])
            if text is bare and separator == " " and len(cells) != width:
                cells = re.split(r"\s{2,}|\t", text.strip())
            kept = text is bare or (cells and cells[0] in COMMENTS and separator != " ")
            if kept and len(cells) == width and not any(is_number(cell) for cell in cells):
                return k, tuple(cells)
    return None
