"""Numbers that a user types: a decimal point and nothing between thousands, also beside a table with decimal commas."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipage_core.problem.task import Task

RULE = "numbers have a decimal point, and nothing between thousands"
_GROUPED = re.compile(r"(?<![\w.,])[1-9]\d{0,2}\.\d{3}(?![\w.,])")
"""A number that may have a decimal point or separated thousands: '20.000'."""


def why_not(text: str) -> str:
    """Why a text is not a number, for a message: another decimal mark, or a unit.

    >>> why_not("1.234,5"), why_not("5 mm")
    ('numbers have a decimal point, and nothing between thousands', 'units are left out')
    """
    return RULE if re.fullmatch(r"[\d.,'\s+−-]*\d[.,'\s]\d[\d.,'\s]*", text.strip()) else "units are left out"


def doubts(task: Task, typed: Sequence[str]) -> list[str]:
    """Beside a table with decimal commas, a sentence on the numbers in ``typed`` that may be meant otherwise.

    Args:
        task: with the decimal mark of its table.
        typed: goals and constraints as typed.
    """
    found = list(dict.fromkeys(number for text in typed for number in _GROUPED.findall(text)))
    if task.decimal == "." or not found:
        return []
    read = ", ".join(f"'{number}' is read as {float(number):.12g}" for number in found)
    whole = ", ".join(number.replace(".", "") for number in found)
    return [f"{read}: what is typed has a decimal point, the table a decimal comma. If {whole} is meant, write so."]


def comma_doubts(task: Task, text: str, read: str) -> list[str]:
    """The same on commas in ``--target``, which separate properties; ``read``: how it is read, in words."""
    if task.decimal == "." or not re.search(r"\d,\d", text):
        return []
    return [f"'{text}' is read as {read}: a comma separates properties, {RULE}."]
