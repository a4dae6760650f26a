"""Finds the label that a user's text means: an exact label first, a short form only if it is unambiguous."""

from __future__ import annotations

import re
from collections.abc import Sequence

GREEK = {"α": "alpha", "β": "beta", "γ": "gamma", "θ": "theta", "ν": "nu"}
SYMBOL = re.compile(r"\w[₀-₉]+ (?=\w)")
"""The symbol before a name, as in 'x₃ joint 2'."""
PLAIN = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
"""Subscripts, which no keyboard has."""


def find(text: str, labels: Sequence[str], columns: Sequence[str] = (), position: str = "x") -> int | None:
    """The index of the label that ``text`` means; None if there is none.

    In this order: a whole label ('Water content [%]') or the name of its column; its position ('x2'); the label without
    its unit, with Greek letters as they are or spelled out; the first word of a label; any of these with another case;
    the label without unit and symbol ('joint 2' for 'x₃ joint 2');
    plain digits for its subscripts ('v0' for 'v₀').

    Args:
        text: as typed.
        labels: with units in brackets.
        columns: names of the columns in the user's table, if any.
        position: letter before a position; '' if positions are not accepted.

    Raises:
        ValueError: several labels match.
    """
    text = text.strip()
    exact = [(label, j) for j, label in enumerate(labels)] + [(name, j) for j, name in enumerate(columns)]
    places = [(f"{position}{j + 1}", j) for j in range(len(labels))] if position else []
    short = [(label.split(" [")[0], j) for j, label in enumerate(labels)]
    short += [(GREEK[name], j) for name, j in short if name in GREEK]
    words = [(name.split(" ")[0], j) for name, j in short]
    for matching in (exact, places, short):
        if hits := {j for name, j in matching if name == text}:
            return _only(text, hits, labels)
    hits = {j for name, j in words if name == text}
    hits |= {j for name, j in (*exact, *places, *short) if name.lower() == text.lower()}
    hits = hits or {j for name, j in words if name.lower() == text.lower()}
    hits = hits or {j for name, j in short if SYMBOL.match(name) and SYMBOL.sub("", name).lower() == text.lower()}
    hits = hits or {j for name, j in (*exact, *short, *words) if name.translate(PLAIN).lower() == text.lower()}
    return _only(text, hits, labels) if hits else None


def _only(text: str, hits: set[int], labels: Sequence[str]) -> int:
    if len(hits) > 1:
        matches = " or ".join(f"'{labels[j]}' (x{j + 1})" for j in sorted(hits)[:6])
        raise ValueError(f"'{text}' may be {matches}: write it in full, or its position")
    return next(iter(hits))
