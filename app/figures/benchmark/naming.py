"""Names and colours of the methods in figures and tables."""

from __future__ import annotations

from typing import Any

from app.figures.theme import Palette
from ipage_core.inference.methods import METHODS

SAMPLINGS = {"srs": "SRS", "lhs": "LHS", "maximin": "maximin"}
SYMBOLS = {"srs": "circle", "lhs": "square", "maximin": "diamond"}
CONTROLS = ("na", "na-surrogate", "na-published", "prior-lm", "lookup")
"""Methods without a posterior."""
ORDER = (
    *("mdn", "inn", "cinn", "inn-ardizzone", "cvae"),
    *CONTROLS[:3],
    *("ipage", "ipage-cinn", "ipage-paper"),
    *CONTROLS[3:],
)
NAMES = {name: METHODS[name].label for name in ORDER} | {"reference": "the posterior itself"}
"""Labels of the methods in figures and tables, in display order."""


def color_of(method: str, colors: Palette) -> str:
    """The results' colour for iPage; the prior's for methods without a posterior; the posterior's for all others."""
    if method.startswith("ipage"):
        return colors.localized
    return colors.prior if method in CONTROLS else colors.posterior


def short(method: str) -> str:
    """A method's name in figures."""
    return NAMES.get(method, method)


def counted(cell: Any) -> str:
    """The number of solutions behind a table cell; for Table 2, the number of different targets."""
    targets = f" ({round(cell.n / cell.runs)} targets)" if cell.protocol == "many" else ""
    return f"n = {cell.n:,}{targets}"
