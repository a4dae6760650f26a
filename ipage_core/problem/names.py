"""What a name that a user types stands for: an exact label first, a short one only where it is the only one."""

from __future__ import annotations

from collections.abc import Sequence

GREEK = {"α": "alpha", "β": "beta", "γ": "gamma", "θ": "theta", "ν": "nu"}


def find(text: str, labels: Sequence[str], columns: Sequence[str] = (), position: str = "x") -> int | None:
    """The index of the label that ``text`` names; None if it names none.

    In this order: a whole label ('Water content [%]') or the table's own name for it; its place ('x2'); the label
    without its unit, Greek letters spelled out or not; the first word of a label, or any of these in other letters
    (small or capital). Of two labels that differ in case alone, each is named in its own.

    Args:
        text: as typed.
        labels: with units in brackets.
        columns: the table's own names for the same, if there are any.
        position: the letter before a place; '' if places are no names.

    Raises:
        ValueError: several labels go by this name.
    """
    text = text.strip()
    exact = [(label, j) for j, label in enumerate(labels)] + [(name, j) for j, name in enumerate(columns)]
    places = [(f"{position}{j + 1}", j) for j in range(len(labels))] if position else []
    short = [(label.split(" [")[0], j) for j, label in enumerate(labels)]
    short += [(GREEK[name], j) for name, j in short if name in GREEK]
    words = [(name.split(" ")[0], j) for name, j in short]
    for known in (exact, places, short):
        if hits := {j for name, j in known if name == text}:
            return _only(text, hits, labels)
    hits = {j for name, j in words if name == text}
    hits |= {j for name, j in (*exact, *places, *short) if name.lower() == text.lower()}
    hits = hits or {j for name, j in words if name.lower() == text.lower()}
    return _only(text, hits, labels) if hits else None


def _only(text: str, hits: set[int], labels: Sequence[str]) -> int:
    if len(hits) > 1:
        told = " or ".join(f"'{labels[j]}' (x{j + 1})" for j in sorted(hits)[:6])
        raise ValueError(f"'{text}' may be {told}: write it in full, or its place")
    return next(iter(hits))
