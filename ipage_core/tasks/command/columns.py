"""Parse inputs and properties as users write them: ``length [m]=0.5:2``, ``metal=Cu|Ag|Au``, ``sag [mm] ± 0.1``."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from ipage_core.problem.variable import Property, Variable, name_and_unit

INPUTS = "'length [m]=0.5:2', 'layers=1:12 integer', 'R [ohm]=1:1e6 log' or 'metal=Cu|Ag|Au'"
PROPERTIES = "'sag [mm] ± 0.1' (or +- 0.1): its name, its unit and how exactly it has to be met"
RESERVED = ("sample", "error", "source", "program", "seconds", "made")
"""Names that the files use for other columns."""
_PLUS_MINUS = re.compile(r"±|\+/?-")


def variable(text: str) -> Variable:
    """Parse an input, ``NAME [UNIT]=LOW:HIGH`` with the optional words ``integer`` and ``log``, or ``NAME=A|B|C``.

    Raises:
        ValueError: the text does not have this form.

    >>> variable("R [ohm]=1:1e6 log")
    Variable(name='R', unit='ohm', low=1.0, high=1000000.0, kind='real', levels=(), scale='log')
    """
    label, sign, said = (part.strip() for part in text.rpartition("="))
    name, unit = name_and_unit(label)
    if not sign or not name or not said:
        raise ValueError(f"The input '{text}' is not understood; accepted: {INPUTS}")
    if "|" in said:
        levels = tuple(level.strip() for level in said.split("|"))
        if not all(levels) or len(set(levels)) < len(levels):
            raise ValueError(f"The words of the input '{text}' must differ, and none may be empty; accepted: {INPUTS}")
        return Variable(name, unit, kind="category", levels=levels)
    interval, *words = said.split()
    low, colon, high = interval.partition(":")
    if not colon or set(words) - {"integer", "log"} or len(set(words)) < len(words):
        raise ValueError(f"The input '{text}' is not understood; accepted: {INPUTS}")
    try:
        ends = float(low), float(high)
    except ValueError:
        raise ValueError(f"The bounds of the input '{text}' are no numbers; accepted: {INPUTS}") from None
    if not all(map(math.isfinite, ends)):
        raise ValueError(f"The bounds of the input '{text}' are not finite; accepted: {INPUTS}")
    whole = "integer" in words
    if whole and any(end != round(end) for end in ends):
        raise ValueError(f"The bounds of the input '{text}' are not whole, though it is an integer")
    return Variable(name, unit, *ends, kind="integer" if whole else "real", scale="log" if "log" in words else "linear")


def property_(text: str) -> Property:
    """Parse a property, ``NAME [UNIT] ± TOLERANCE``.

    Raises:
        ValueError: the text does not have this form.

    >>> property_("sag [mm] ± 0.1").tolerance
    0.1
    """
    parts = _PLUS_MINUS.split(text)
    try:
        name, unit = name_and_unit(parts[0])
        tolerance = float(parts[1]) if len(parts) == 2 else math.nan
        if not name or not math.isfinite(tolerance):
            raise ValueError
    except ValueError:
        raise ValueError(f"The property '{text}' is not understood; accepted: {PROPERTIES}") from None
    return Property(name, unit, tolerance)


def check_names(variables: Sequence[Variable], properties: Sequence[Property]) -> None:
    """Check that names can be columns of files.

    Raises:
        ValueError: there are no inputs or no properties, a name occurs twice, or a name is in ``RESERVED``.
    """
    if not variables or not properties:
        raise ValueError(f"At least one input --x and one property --y are needed: {INPUTS}; {PROPERTIES}")
    names = [v.name for v in variables] + [v.name for v in properties]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"The name '{name}' is given twice; accepted: a name of its own for each column")
        if name in RESERVED:
            raise ValueError(f"The name '{name}' is taken; accepted: any but {', '.join(RESERVED)}")


def cell(variable: Variable, value: float) -> str:
    """Format a value for the command: a category's word, a whole number without a decimal point, else all digits.

    >>> cell(Variable("layers", low=1, high=12, kind="integer"), 3.0)
    '3'
    """
    if variable.kind == "category":
        return str(variable.show(value))
    return str(round(value)) if variable.kind == "integer" else repr(float(value))
