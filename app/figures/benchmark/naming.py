"""Names and colours of the methods in figures and tables."""

from __future__ import annotations

from typing import Any

from app.figures.theme import Palette

SAMPLINGS = {"srs": "SRS", "lhs": "LHS", "maximin": "maximin"}
SYMBOLS = {"srs": "circle", "lhs": "square", "maximin": "diamond"}
NAMES = {
    "mdn": "MDN",
    "inn": "INN",
    "cinn": "cINN",
    "cvae": "cVAE",
    "na": "NA",
    "na-published": "NA as published",
    "ipage": "iPage",
    "ipage-cinn": "iPage, cINN + MLP",
    "ipage-paper": "iPage as in the paper",
    "prior-lm": "control: prior + LM",
    "lookup": "control: nearest training rows",
    "reference": "the posterior itself",
}
"""Names of the methods in figures and tables, in display order."""


def color_of(method: str, colors: Palette) -> str:
    """The results' colour for iPage; the prior's for methods without a posterior; the posterior's for all others."""
    if method.startswith("ipage"):
        return colors.localized
    return colors.prior if method in ("na", "na-published", "prior-lm", "lookup") else colors.posterior


def short(method: str) -> str:
    """A method's name in figures."""
    return NAMES.get(method, method)


def counted(cell: Any) -> str:
    """The number of solutions behind a table cell; for Table 2, the number of different targets."""
    targets = f" ({round(cell.n / cell.runs)} targets)" if cell.protocol == "many" else ""
    return f"n = {cell.n:,}{targets}"
