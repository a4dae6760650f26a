"""What figures and tables call the methods, and the colours they give them."""

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
"""Methods as figures and tables call them, in their order."""


def color_of(method: str, colors: Palette) -> str:
    """What proposes wears the posterior's colour, what localizes that of results, what starts at the prior its own."""
    if method.startswith("ipage"):
        return colors.localized
    return colors.prior if method in ("na", "na-published", "prior-lm", "lookup") else colors.posterior


def short(method: str) -> str:
    """A method's name in figures."""
    return NAMES.get(method, method)


def counted(cell: Any) -> str:
    """How many solutions stand behind a cell of a table; of Table 2, for how many different targets."""
    targets = f" ({round(cell.n / cell.runs)} targets)" if cell.protocol == "many" else ""
    return f"n = {cell.n:,}{targets}"
