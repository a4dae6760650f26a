"""The card of own data, ``task.json``: read, checked, written; and names that a user gave, made safe to show."""

from __future__ import annotations

import json
import math
import re
import zlib
from pathlib import Path
from typing import Any

from ipage_core.networks.store import ModelUnavailable
from ipage_core.runtime.files import PATIENCE, sole_writer, write_json
from ipage_core.tasks.table.units import split_name

CARD = "task.json"
INERT = str.maketrans(
    {"<": "‹", ">": "›", "&": "＆", '"': "″", "`": "ˋ", "*": "∗", "$": "＄", "~": "∼", "\\": "＼", ":": "∶"}
)
"""Characters with a meaning in HTML, Markdown or TeX → lookalikes."""


def slug(text: str) -> str:
    """A name for folders, addresses and commands: small letters, digits, hyphens.

    A text without any letter from a to z gets a name of its own, made from its characters.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    other = f"own-{zlib.crc32(text.encode('utf-8', 'replace')):08x}" if text.strip() else "own-data"
    return plain[:40].strip("-") or other


def read_card(folder: Path) -> dict[str, Any]:
    """Read ``task.json``.

    Raises:
        ModelUnavailable: there is none, or it is damaged.
    """
    path = folder / CARD
    try:
        card = json.loads(path.read_text())
        wrong = _wrong(card)
    except FileNotFoundError:
        raise ModelUnavailable(f"{folder} holds no task of own data: it has no {CARD}.") from None
    except (OSError, ValueError, RecursionError):
        raise ModelUnavailable(f"{path} is damaged: it is no JSON that can be read.") from None
    if wrong:
        raise ModelUnavailable(f"{path} is damaged: {wrong} is missing, or is not what this program writes there.")
    return card


def _wrong(card: Any) -> str:
    """Defects of a card that would break its users; empty if there are none."""

    def text(value: Any) -> bool:
        return isinstance(value, str) and bool(value)

    def finite(value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf

    def columns(result: Any) -> list[dict[str, Any]]:
        """The columns, or none if one of them is invalid."""
        if not isinstance(result, list) or not all(isinstance(column, dict) for column in result):
            return []
        named = all(isinstance(column.get(key), str) for column in result for key in ("name", "label"))
        return result if named else []

    if not isinstance(card, dict):
        return "everything"
    x, y = columns(card.get("x")), columns(card.get("y"))
    target, rounds = card.get("default_target"), card.get("rounds")
    rounds = rounds if isinstance(rounds, list) and all(isinstance(r, dict) for r in rounds) else []
    limits: list[tuple[Any, Any]] = [(column.get("low"), column.get("high")) for column in x]
    sound = {
        "name": text(card.get("name")) and slug(card["name"]) == card["name"],
        "title": text(card.get("title")),
        "x": bool(x) and all(finite(low) and finite(high) and low < high for low, high in limits),
        "y": bool(y) and all(finite(own := column.get("tolerance", 1.0)) and own > 0 for column in y),
        "tolerance": finite(card.get("tolerance")) and card["tolerance"] > 0,
        "default_target": isinstance(target, list) and len(target) == len(y) and all(map(finite, target)),
        "rounds": bool(rounds) and all(text(r.get("source")) and finite(r.get("rows")) for r in rounds),
    }
    return next((f"'{name}'" for name, is_sound in sound.items() if not is_sound), "")


def write_card(folder: Path, card: dict[str, Any]) -> None:
    """Write ``task.json`` atomically."""
    write_json(folder / CARD, card)


def note_accuracy(folder: Path, model: str, accuracy: dict[str, Any]) -> None:
    """Add a trained model's held-out accuracy to the history, with the last round in its training data."""
    with sole_writer(folder, PATIENCE):
        card = read_card(folder)
        rounds = [dict(r) for r in card["rounds"]]
        rounds[-1]["held_out"] = rounds[-1].get("held_out", {}) | {model: accuracy}
        write_card(folder, card | {"rounds": rounds})


def inert(text: str) -> str:
    """A user's name, safe for pages, figures and terminals: no character acts as markup, none is lost."""
    text = re.sub(r"[\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", " ", text)
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", "＿", text).translate(INERT)  # not those within a_name


def label_of(name: str, unit: str | None) -> str:
    """'a [Å]' from a column's name and its unit; a name in brackets keeps its own unit."""
    plain = split_name(name)[0] if unit is None else re.sub(r"\s*[\[(][^\[\]()]*[\])]\s*$", "", name) or name
    plain = inert(plain).translate({ord("["): "(", ord("]"): ")"})[:60].strip() or "nameless"
    said = unit_of(name) if unit is None else unit
    said = inert(said).translate({ord("["): " ", ord("]"): " "})[:20].strip()
    return f"{plain} [{said}]" if said else plain


def safe_label(label: str) -> str:
    """A label of the card, which may be old or from somebody else: 'a [Å]' without active content."""
    plain, bracket, unit = label.removesuffix("]").partition(" [")
    return label_of(plain, unit if bracket else "")


def unit_of(name: str) -> str:
    """The unit in a column's name: 'a [Å]', 'a (Å)', 'a / Å', 'a in Å'; or nothing."""
    return split_name(name)[1]
