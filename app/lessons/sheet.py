"""The lesson sheet for teachers: two pages with times, questions and answers.

The PDF beside this file is printed from :func:`html` by ``python -m tests.tools.lesson_sheet``.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from app.lessons.tour import SHEET, STEPS

__all__ = ["SHEET", "html"]
ONE, TWO = (7, 6, None, None, 7, 7, None, 6, None, None), (8, 7, 7, 9, 10, 8, 7, 7, 6, 7)
"""Minutes for each step, with its question, if there is one school lesson or two; None: left out."""
GUESS, CLOSE = (6, 8), (6, 6)
"""Minutes for the guess at the start, and for the end."""
FACTS = {"loops": (2, 15, 67), "throws": 200, "places": 3}
"""What the group tasks lead to with the networks that ship; a test compares them."""

_TEMPLATES = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)


def html() -> str:
    """The sheet as HTML; its title ends with a hash of all else."""
    steps = [
        {
            "number": k + 1,
            "title": step.title,
            "minutes": minutes,
            "question": _plain(step.question),
            "guesses": step.guesses,
            "right": step.guesses[step.right],
            "answer": _plain(step.answer).removeprefix(f"{step.guesses[step.right]}. "),
        }
        for k, (step, minutes) in enumerate(zip(STEPS, zip(ONE, TWO, strict=True), strict=True))
    ]
    body = _TEMPLATES.get_template("sheet.html").render(
        steps=steps, guess=GUESS, close=CLOSE, totals=totals(), facts=FACTS
    )
    return body.replace("HASH", mark(body))


def totals() -> tuple[int, int]:
    """Minutes of one lesson and of two."""
    one, two = (sum(m or 0 for m in steps) + GUESS[k] + CLOSE[k] for k, steps in enumerate((ONE, TWO)))
    return one, two


def mark(body: str) -> str:
    """Eight digits that change with the sheet."""
    return hashlib.sha256(body.encode()).hexdigest()[:8]


def _plain(text: str) -> str:
    return text.replace("*", "").replace("$", "")
