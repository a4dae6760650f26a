"""Errors in a file's content, in words for the user."""

from __future__ import annotations

import csv


class Unreadable(ValueError):
    """Half a sentence that follows 'gaps.csv is not a readable CSV table:'."""


class WrongSetting(ValueError):
    """A whole sentence: a user's setting does not fit this file."""


def why(error: BaseException) -> str:
    """A reader's error message in plain words."""
    if isinstance(error, Unreadable):
        return str(error)
    if isinstance(error, MemoryError):
        return "it needs more memory than there is"
    if isinstance(error, UnicodeDecodeError):
        return "it is not text in UTF-8"
    if isinstance(error, csv.Error):
        if "field limit" in str(error):
            return "a cell is longer than 131,072 characters, or a quote that is opened is never closed"
        return "a quote that is opened is never closed"
    return "it is damaged, or of another kind"
