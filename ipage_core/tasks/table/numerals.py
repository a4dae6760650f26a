"""One cell of text → a number: decimal points and commas, thousands, U+2212, powers of ten, uncertainties, units."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from ipage_core.tasks.table.units import is_unit_of_cell

_FULLWIDTH = {0xFF10 + k: str(k) for k in range(10)} | {0xFF0E: ".", 0xFF0C: ",", 0xFF0D: "-", 0xFF0B: "+"}
_SIGNS = dict.fromkeys(map(ord, "−–—‒‐‑﹣⁻"), "-")
_SUPERSCRIPTS = str.maketrans("⁻⁺⁰¹²³⁴⁵⁶⁷⁸⁹", "-+0123456789")
_BLANKS = " \u00a0\u2009\u202f'’"
"""Thousands separators of all languages; the point and the comma depend on the language."""
_MANTISSA = rf"(?:\d(?:[\d.,{_BLANKS}]*\d)?[.,]?|[.,]\d+)"
_EXPONENT = (
    r"(?:[eEdD][+-]?\d+|\s?[x×·∙⋅*]\s?10\s?(?:(?:\^|\*\*)\s?\{?\(?[+-]?\d+\)?\}?|[-⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+|[eE]?[+-]\d+))"
)
_CELL = re.compile(
    rf"(?P<open>\()?(?P<sign>[+-]?)\s?(?P<mantissa>{_MANTISSA})"
    rf"(?P<digits>\s?\(\d+(?:[.,]\d+)?\))?(?P<power>{_EXPONENT})?(?P<late>\s?\(\d+\))?"
    rf"(?P<spread>\s*(?:±|\+/-|\+-|\\pm|\+\s?/\s?-)\s*{_MANTISSA}(?:{_EXPONENT})?(?:\s?%)?)?(?P<close>\))?"
    rf"(?P<outer>{_EXPONENT})?(?P<gap>\s*)(?P<unit>\S.*)?"
)
_PLAIN = re.compile(r"[+-]?([0-9]+(?:\.[0-9]+)?)([eE][+-]?[0-9]+)?")
"""Numbers as programs write them: one reading; found sooner than by ``_CELL``."""
_BARE_POWER = re.compile(r"^([+-]?)10(?=\^|\*\*|[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹])")
"""A power of ten without a mantissa: '10^5', '10⁻³'."""
_COMMENT = re.compile(r"\s+#.*$")
_AS_TEXT = re.compile(r"^(?:'(?=[\d.,+−-])|=\s*\"?(?=[+-]?[\d.,]+\"?$))|(?<=\d)\"$")
"""What spreadsheets write before a number that they keep as text: "'4.08", '=4.08' or '="4.08"'."""
_CURRENCY = re.compile(r"^([€$£¥])\s?([+−-]?\d.*)$")
GROUPS = {mark: re.compile(rf"[1-9]\d{{0,2}}(?:{re.escape(mark)}\d{{3}})+") for mark in ".,"}
"""Thousands separated by this mark: '1.234', '12,345,678'."""
_BLANK_GROUPS = re.compile(rf"[1-9]\d{{0,2}}(?:[{_BLANKS}]\d{{3}})+")

LONGEST = 400
"""Signs of a cell that may be a number."""
MISSING = frozenset(
    ("", "na", "n/a", "#n/a", "n.a.", "nan", "null", "nil", "none", "-", "--", "---", "–", "—", "−", "?", ".", "..",
     "*", "#div/0!", "#value!", "#ref!", "#name?", "#num!", "#null!", "missing", "unknown", "n.d.", "nd", "n.m.",
     "k.a.", "k. a.", "<na>", "nat", "tbd", "inf", "-inf", "+inf", "infinity", "-infinity", "∞", "-∞", "−∞", "-nan",
     "1.#qnan", "-1.#ind", "1.#inf")
)  # fmt: skip
"""Markers of 'not measured' in a column of numbers, in lower case."""


@dataclass(frozen=True)
class Cell:
    """A number in a cell."""

    value: float
    unit: str = ""
    uncertain: bool = False
    """Whether an uncertainty follows it; it is ignored."""


def normal(text: str) -> str:
    """A cell with every minus as '-', full-width digits as digits, and without surrounding blanks or comment."""
    text = _COMMENT.sub("", text.translate(_FULLWIDTH)).strip().strip("\u00a0\ufeff\u200b")
    return _CURRENCY.sub(r"\2 \1", _AS_TEXT.sub("", text))


def number(text: str, decimal: str) -> Cell | None:
    """The number in a cell; ``decimal`` is '.' or ','. None if there is no number or more than one reading.

    A mark other than the decimal mark separates thousands and must precede groups of three digits.
    """
    if decimal == "." and len(text) <= LONGEST and _PLAIN.fullmatch(text):
        return Cell(value) if math.isfinite(value := float(text)) else None
    match = _match(normal(text))
    if match is None:
        return None
    mantissa = _mantissa(match["mantissa"], decimal)
    if mantissa is None:
        return None
    power = match["power"] or match["outer"]
    if match["power"] and match["outer"]:
        return None
    value = float(f"{match['sign']}{mantissa}e{_power(power)}")
    if not math.isfinite(value) or not _unit_fits(match):
        return None
    return Cell(value, (match["unit"] or "").strip(), bool(match["digits"] or match["late"] or match["spread"]))


def is_number(text: str) -> bool:
    """Whether a cell holds a number under any convention."""
    return number(text, ".") is not None or number(text, ",") is not None


def is_missing(cell: str) -> bool:
    """Whether a cell in a column of numbers marks a missing value."""
    return cell.strip().lower() in MISSING


def is_nearly_number(cell: str) -> bool:
    """Whether a cell is a number but for a few signs or letters: '~4.08', '4.08*', '12,34,567'."""
    return not is_number(cell) and bool(re.fullmatch(r"[^\w\s]{0,2}\s?\d[\d.,]*\s?[^\d\s]{0,3}", normal(cell)))


def votes(text: str) -> tuple[str, str]:
    """Evidence of a cell for the decimal mark: (mark, certainty).

    Certainty 'sure': no other reading exists ('0,5', '3.98', '2.322,3'); 'open': three digits follow a single mark, as
    after thousands; 'whole': no mark; 'none': not a number.
    """
    if len(text) <= LONGEST and (plain := _PLAIN.fullmatch(text)):
        if "." not in plain[1]:
            return "", "whole"
        return ".", "open" if not plain[2] and GROUPS["."].fullmatch(plain[1]) else "sure"
    match = _match(normal(text))
    if match is None or not _unit_fits(match):
        return "", "none"
    mantissa = re.sub(rf"[{_BLANKS}]", "", match["mantissa"])
    marks = [c for c in mantissa if c in ".,"]
    if not marks:
        return "", "whole"
    last, other = marks[-1], "," if marks[-1] == "." else "."
    if len(marks) == 1:
        open_to_both = bool(GROUPS[last].fullmatch(mantissa)) and not (match["power"] or match["digits"])
        return last, "open" if open_to_both else "sure"
    if len(set(marks)) == 1:
        return (other, "sure") if GROUPS[last].fullmatch(mantissa) else ("", "none")
    return (last, "sure") if _mantissa(mantissa, last) is not None else ("", "none")


def _match(text: str) -> re.Match[str] | None:
    if not text or len(text) > LONGEST:
        return None
    text = text[0].translate(_SIGNS) + _minus_within(text[1:])
    match = _CELL.fullmatch(_BARE_POWER.sub(r"\g<1>1x10", text))
    if match is None or bool(match["open"]) != bool(match["close"]):
        return None
    if match["open"] and not match["spread"]:  # '(12)' may be a footnote, or minus twelve
        return None
    return match


def _unit_fits(match: re.Match[str]) -> bool:
    return not match["unit"] or is_unit_of_cell(match["unit"].strip(), glued=not match["gap"])


def _minus_within(text: str) -> str:
    """Normalize the signs of exponents; others stay, as in the unit 'cm⁻³' or in a range '3–4'."""
    return re.sub(r"(?<=[eE^*{(])\s?[−–‒]\s?(?=\d)", "-", text)


def _mantissa(text: str, decimal: str) -> str | None:
    """Digits with a point, for float(); None if blanks or marks do not separate thousands."""
    other = "," if decimal == "." else "."
    head, _, tail = text.partition(decimal)
    if not (tail.isascii() and (tail.isdigit() or not tail)) or text.count(decimal) > 1:
        return None
    if other in head:
        if not GROUPS[other].fullmatch(head):
            return None
        head = head.replace(other, "")
    elif not (head.isdigit() or not head):
        if not _BLANK_GROUPS.fullmatch(head):
            return None
        head = re.sub(r"\D", "", head)
    return f"{head or '0'}.{tail or '0'}" if head or tail else None


def _power(text: str | None) -> str:
    """The exponent of '×10⁻³', 'e-3', 'D+02', '*10^-3': '-3'."""
    if not text:
        return "0"
    digits = re.sub(r"^\s?(?:[x×·∙⋅*]\s?10|[eEdD])", "", text).translate(_SUPERSCRIPTS)
    return re.sub(r"[^\d+-]", "", digits) or "0"
