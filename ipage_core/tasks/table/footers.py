"""Rows of a table that are no designs: statistics at its end, and another table below it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MOST_STATISTICS, LEAST_ROWS = 12, 20
"""Maximum number of rows of statistics; minimum number of rows of a table in which they are searched for."""
BELOW = 3
"""Number of rows of numbers below a row of words that make it the header of another table."""
_STATISTIC = re.compile(
    r"(?:mean|average|avg|median|min|max|minimum|maximum|sum|total|grand total|std|sd|st\.? ?dev|std\.? ?dev|"
    r"standard deviation|variance|rsd|cv|sem|mittelwert|mittel|mw|summe|gesamt|standardabweichung|stabw|moyenne|"
    r"écart[ -]type|somme|media|promedio|suma|desviación estándar)(?:[ .:=±(/%].*)?",
    re.IGNORECASE,
)


def end_of_designs(columns: Sequence[pa.Array]) -> int:
    """Number of rows (n,) above those at the end that hold statistics: 'Mean', 'SD', 'Summe'.

    A word that occurs in several rows is a level of a category.
    """
    rows = len(columns[0]) if columns else 0
    if rows < LEAST_ROWS:
        return rows
    first = rows - MOST_STATISTICS
    last = [column.slice(first).to_pylist() for column in columns]
    end = rows
    while end > first and any(
        _STATISTIC.fullmatch(cells[end - first - 1]) and _once(column, cells[end - first - 1])
        for column, cells in zip(columns, last, strict=True)
    ):
        end -= 1
    return end


def _once(column: pa.Array, word: str) -> bool:
    return bool(pc.sum(pc.equal(column, word)).as_py() == 1)


def another_table(odd: Mapping[int, np.ndarray], columns: Sequence[pa.Array]) -> int | None:
    """Index of the first row with different words in all columns of numbers, and numbers below; None without one.

    Args:
        odd: (n,) bool for each column of numbers: the cell is no number, and marks no missing one.
        columns: all columns as text.
    """
    if len(odd) < 2:
        return None
    masks = np.stack(list(odd.values()))
    for k in np.flatnonzero(masks.all(0)):
        words = {columns[j][int(k)].as_py() for j in odd}
        below = ~masks[:, k + 1 : k + 1 + BELOW]
        if len(words) == len(odd) and below.shape[1] == BELOW and below.all():
            return int(k)
    return None
