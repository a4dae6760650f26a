"""Locate the names, the units and the first row of data in the rows of a text table."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise

from ipage_core.tasks.table.errors import Unreadable
from ipage_core.tasks.table.numerals import is_missing, is_number, number
from ipage_core.tasks.table.units import is_unit, is_unit_row_cell, plain_unit

Rows = list[list[str]]


@dataclass(frozen=True)
class Head:
    """Rows above the data."""

    names: tuple[str, ...] | None
    """None without a header."""
    row: int | None
    """Index of the row of names."""
    units: tuple[str, ...]
    unit_row: int | None
    first: int
    """Index of the first row of data."""
    note: str = ""


def find_head(cells: Rows, width: int) -> Head:
    """Find the head of a table from its first rows, most of which have ``width`` cells.

    Raises:
        Unreadable: the number of names above the data differs from the number of values.
    """
    fitting = [row for row in cells if len(row) == width]
    numeric = _numeric_columns(fitting[len(fitting) // 3 :], width)
    none = Head(None, None, ("",) * width, None, 0)
    first = next((k for k, row in enumerate(cells) if _is_data(row, numeric, width)), None)
    if first is None:  # no column of numbers
        first = min(len(cells), next((k for k, row in enumerate(cells) if len(row) == width), 0) + 1)
    elif len(cells[first]) == width and _are_names(cells[first], cells[first + 1 :], numeric):
        if first and len(cells[first - 1]) == width and cells[first] == [str(k + 1) for k in range(width)]:
            head = find_head([*cells[:first], *cells[first + 1 :]], width)
            return replace(head, first=head.first + 1, note="stands above numbers of the columns, which are left out")
        note = "holds numbers that rise and fit no column: taken for names"
        return replace(none, names=tuple(cells[first]), row=first, first=first + 1, note=note)
    full = [k for k in range(first) if len(cells[k]) == width and (k == first - 1 or _filled(cells[k]) > 1)]
    full = full[:1] + [k for k in full[1:] if not all(is_missing(cells[k][j]) for j in numeric if cells[k][j])]
    above = cells[first - 1] if first else []
    if full and (len(above) == width or len(above) < 2):
        return _among(full, cells, numeric, none)
    if len(above) == width - 1 > 1 and not any(row[-1] for row in fitting):
        return replace(none, names=(*above, ""), row=first - 1, first=first)
    if len(above) == width - 1 > 1 and _names_rows(fitting, numeric):
        note = "has one name fewer than the rows have values: the first of them names the row"
        return replace(none, names=("", *above), row=first - 1, first=first, note=note)
    if len(above) == width + 1 and not above[-1]:
        return replace(none, names=tuple(above[:-1]), row=first - 1, first=first)
    if len(above) > 1:
        more = (
            "more values than its header has names" if len(above) < width else "fewer values than its header has names"
        )
        raise Unreadable(f"its rows have {more}: {width}, and {len(above)}")
    return replace(none, first=first)


def _among(full: list[int], cells: Rows, numeric: dict[int, bool], none: Head) -> Head:
    """Which of the rows above the data holds the names, and which the units; rows of other words below are remarks."""
    unit_rows = [k for k in full if _is_unit_row(cells[k], numeric, cells[k + 1 :])]
    if unit_rows and len(full) > 1:
        unit_row = next((k for k in unit_rows if k > full[0]), full[0])
        row = max((k for k in full if k < unit_row), default=full[1])
        units = tuple(plain_unit(cell) for cell in cells[unit_row])
        first = _below(max(row, unit_row) + 1, cells, numeric)
        return replace(none, names=tuple(cells[row]), row=row, units=units, unit_row=unit_row, first=first)
    row = max(full, key=lambda k: (_like_names(cells[k], numeric), -k))
    if row == 0 and numeric and 2 * _numbers(cells[row], numeric) >= len(numeric):
        return none  # a first row of data with a cell that is not a number
    names = tuple(cells[row])
    if row + 1 < len(cells) and re.search(r"\s#\s", cells[row + 1][-1]):  # rows may end in remarks; so may the header
        names = (*names[:-1], re.sub(r"\s+#\s.*", "", names[-1]))
    return replace(none, names=names, row=row, first=_below(row + 1, cells, numeric))


def _below(first: int, cells: Rows, numeric: dict[int, bool]) -> int:
    """The first row from ``first`` that does not hold words in all columns of numbers, as 'Long name' or 'Comments'."""
    while first + 1 < len(cells) and len(numeric) > 1 and _are_words(cells[first], numeric):
        first += 1
    return first


def _are_words(row: list[str], numeric: dict[int, bool]) -> bool:
    return len(row) > max(numeric) and not any(is_missing(row[j]) or re.search(r"\d", row[j]) for j in numeric)


def _filled(row: list[str]) -> int:
    return sum(map(bool, row))


def _numbers(row: list[str], numeric: dict[int, bool]) -> int:
    """Number of cells that are numbers; '300 K' is a name if the column's cells have no units."""
    return sum(is_number(row[j]) and (units or not _unit(row[j])) for j, units in numeric.items())


def _unit(cell: str) -> str:
    result = number(cell, ".") or number(cell, ",")
    return result.unit if result else ""


def _like_names(row: list[str], numeric: dict[int, bool]) -> int:
    """Number of different names in a row; none if it begins like a remark, fewer if it contains numbers."""
    names = {cell for cell in row if cell}
    return 0 if row[0][:1] in (*"*;'$&@",) else len(names) - _numbers(row, numeric)


def _numeric_columns(cells: Rows, width: int) -> dict[int, bool]:
    """Columns whose filled cells are mostly numbers; and whether these have units."""
    result = {}
    for j in range(width):
        filled = [row[j] for row in cells if not is_missing(row[j])]
        if filled and sum(map(is_number, filled)) >= 0.6 * len(filled):
            result[j] = any(map(_unit, filled[:50]))
    return result


def _is_data(row: list[str], numeric: dict[int, bool], width: int) -> bool:
    """Whether more than half of the filled cells in columns of numbers are numbers or markers of missing ones.

    A row of another width must consist of numbers only.
    """
    if len(row) != width:
        return len(row) > 1 and all(is_number(cell) for cell in row if cell)
    filled = [row[j] for j in numeric if row[j]]
    numbers = _numbers(row, numeric)
    return numbers > 0 and 2 * (numbers + sum(map(is_missing, filled))) > len(filled)


def _are_names(row: list[str], below: Rows, numeric: dict[int, bool]) -> bool:
    """Whether numbers are names, e.g. wavelengths: three or more that rise and lie outside their columns' ranges."""
    cells = [(j, result.value) for j in numeric if (result := number(row[j], ".")) is not None]
    if len(cells) < 3 or any(a >= b for (_, a), (_, b) in pairwise(cells)):
        return False
    outside = 0
    for j, value in cells:
        column = [result.value for r in below if len(r) == len(row) and (result := number(r[j], ".")) is not None]
        outside += not column or not min(column) <= value <= max(column)
    return len(below) >= 5 and outside >= 0.9 * len(cells)


def _is_unit_row(row: list[str], numeric: dict[int, bool], below: Rows) -> bool:
    if not all(is_unit_row_cell(cell) for cell in row) or not any(is_unit(plain_unit(row[j])) for j in numeric):
        return False
    return not any(
        row[j] and row[j] in {r[j] for r in below if len(r) == len(row)} for j in range(len(row)) if j not in numeric
    )


def _names_rows(fitting: Rows, numeric: dict[int, bool]) -> bool:
    """Whether the first cells of rows are row names or row numbers, as R writes them."""
    first = [row[0] for row in fitting]
    counts = [str(k + 1) for k in range(len(first))], [str(k) for k in range(len(first))]
    return len(first) >= 3 and (0 not in numeric or first in counts)
