"""The lesson sheet for teachers: two pages with times, questions and answers.

The PDF beside this file is printed from :func:`html` by ``python -m tests.tools.lesson_sheet``.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from app.lessons.tour import SHEET, STEPS

__all__ = ["SHEET", "html"]
MINUTES = (5, 3, 4, 4, 6, 5, 4, 4, 3, 4)
"""Minutes for each step, with its question; the guess at the start takes ``GUESS``."""
GUESS = 3

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
        for k, (step, minutes) in enumerate(zip(STEPS, MINUTES, strict=True))
    ]
    body = _TEMPLATES.get_template("sheet.html").render(steps=steps, guess=GUESS, total=GUESS + sum(MINUTES))
    return body.replace("HASH", mark(body))


def mark(body: str) -> str:
    """Eight digits that change with the sheet."""
    return hashlib.sha256(body.encode()).hexdigest()[:8]


def _plain(text: str) -> str:
    return text.replace("*", "").replace("$", "")
