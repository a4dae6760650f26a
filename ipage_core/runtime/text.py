"""Text of users, files and links, made safe to show in a terminal and on a page."""

from __future__ import annotations

import re


def printable(text: object) -> str:
    """A message that is safe to show, on one line: without control characters or words of hundreds of letters.

    >>> printable("x2 is '\\x1b[31mred'")
    "x2 is '\\\\x1b[31mred'"
    """
    shown = "".join(
        c if c.isprintable() else " " if c == "\n" else c.encode("unicode_escape").decode() for c in str(text)
    )
    return re.sub(r"\S{200,}", lambda word: f"{word[0][:60]}…", shown)


def parts_of(*texts: str) -> tuple[str, ...]:
    """What stands between semicolons, as constraints and goals are written; empty parts do not count.

    >>> parts_of("x1=x2; x3<=0.5;", "x1<=0.2")
    ('x1=x2', 'x3<=0.5', 'x1<=0.2')
    """
    return tuple(part for text in texts for one in text.split(";") if (part := one.strip()))


def error_in_words(error: BaseException) -> str:
    """An error of somebody else's code, on one line.

    >>> error_in_words(ZeroDivisionError("division\\nby zero"))
    'ZeroDivisionError: division by zero'
    """
    try:
        text = str(error)
    except Exception:  # any code may run there
        text = ""
    return printable(": ".join(part for part in (type(error).__name__, text) if part))
