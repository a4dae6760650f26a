"""Units of measurement in tables: after a column's name, in a row of their own, or in the cells."""

from __future__ import annotations

import re

_PREFIX = r"(?:da|[yzafpnuµμmcdhkMGTPE])?"
_BASE = (
    r"(?:mol|cd|Hz|Pa|eV|Wb|lm|lx|Bq|Gy|Sv|kat|bar|cal|Torr|torr|Ohm|ohm|Ang|[mgsAKNJWCVFΩΩSTHLltBD]|Å|Å)"  # one each
)
_WORD = (
    r"(?:°\s?[CFK]?|deg(?:rees?|\.)?(?:\s?[CF])?|degC|degF|rad|Angstr(?:o|ö)ms?|angstroms?|Bohr|bohr|a0|Hartree|Ha|Ry|"
    r"(?:at|wt|mol|vol|w|m)?[.\s-]?%|‰|ppm|ppb|h|hr|hours?|min|d|days?|yr|years?|sec|rpm|sccm|slm|mTorr|atm|psi|"
    r"inch|in|ft|lb|lbs|a\.?\s?u\.?|arb\.?\s?u(?:nits?)?\.?|u|amu|Da|dB|dBm|Å|pH|counts?|cps|micron|"
    r"kcal|kWh|Ah|mAh|Wh|emu|Oe|kOe|G|sun|suns|M|mM|µM|µm|[€$£¥]|1)"
)
_POWER = r"(?:\s?(?:\^|\*\*)\s?\{?\(?[+-−]?\d+(?:\.\d+)?\)?\}?|[⁻−-]?\d|[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)?"
_ONE = rf"(?:(?:{_PREFIX}{_BASE}|{_WORD}){_POWER})"
_UNIT = re.compile(rf"\(?{_ONE}\)?(?:\s?[·⋅*/. ]\s?\(?{_ONE}\)?)*")
_BRACKETS = re.compile(r"[\[(]\s*([^\[\]()]*?)\s*[\])]\s*$")
_PHASES = re.compile(r"[ABCDFGHLMNPSTdhlu]|in|at")
"""Letters that follow a number without a blank in names of phases, sites and codes: 2H, 1T, 3D, 5A."""


def is_unit(text: str) -> bool:
    """Whether the text is a unit: 'nm', '°C', 'mAh/g', 'cm^-3', 'wt%'."""
    return len(text) <= 20 and bool(_UNIT.fullmatch(text.strip()))


def is_unit_of_cell(text: str, glued: bool) -> bool:
    """Whether the text after a number in a cell is its unit; ``glued``: no blank separates them."""
    return is_unit(text) and not (glued and _PHASES.fullmatch(text)) and text != "1"


def is_unit_row_cell(text: str) -> bool:
    """Whether a cell may stand in a row of units: '[Å]', 'nm', '-', or nothing."""
    text = text.strip()
    return text in ("", "-", "–", "—", "1", "/") or bool(re.fullmatch(r"[\[(<].*[\])>]", text)) or is_unit(text)


def plain_unit(text: str) -> str:
    """A unit without brackets; empty for '-'."""
    hit_match = re.fullmatch(r"[\[(<]\s*(.*?)\s*[\])>]", text.strip())
    bare = hit_match[1] if hit_match else text.strip()
    return "" if bare in ("-", "–", "—", "1", "/") else bare


def split_name(name: str) -> tuple[str, str]:
    """A column's name without its unit, and the unit: 'a [Å]', 'a (Å)', 'a / Å', 'T in K', 'a, nm' → ('a', 'Å')."""
    if hit_match := _BRACKETS.search(name):
        return name[: hit_match.start()].strip() or name, hit_match[1]
    for pattern in (r"^(.+?)\s+/\s*(\S.*)$", r"^(\w+)/\s*(\S.*)$", r"^(.+?)\s+in\s+(\S.*)$", r"^(.+),\s*(\S.*)$"):
        hit_match = re.match(pattern, name)
        if (
            hit_match
            and is_unit(hit_match[2])
            and not (pattern.startswith(r"^(\w+)/") and len(hit_match[2]) == 1 and hit_match[2] != "K")
        ):
            return hit_match[1].strip(), hit_match[2].strip()
    return name, ""
