"""Results in a cache on disk: read only if they have the form in which they were written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

HUGE = 1e300
"""No number of a result is as large."""
Form = Mapping[str, Any]
"""Key → what its value must be: ``float`` a finite number, ``str``, ``dict``, ``list``; a tuple of texts: one of these;
a tuple of lengths, None for any: an array of finite numbers of this shape; a list with one Form: such records."""


def read(file: Path, form: Form) -> dict[str, Any] | None:
    """The record in a JSON file; None if there is none or it is damaged, so that it is computed again.

    >>> read(Path("none.json"), {"gap": float}) is None
    True
    """
    try:
        record = json.loads(file.read_text())
    except (OSError, ValueError, RecursionError):
        return None
    return record if has_form(record, form) else None


def has_form(record: Any, form: Form) -> bool:
    """Whether a record has all keys of the form, with values of these kinds.

    >>> has_form({"gap": 1.8, "k": [[0, 0, 0]]}, {"gap": float, "k": (None, 3)})
    True
    >>> has_form({"gap": True, "k": []}, {"gap": float, "k": (None, 3)})
    False
    """
    return isinstance(record, dict) and all(key in record and _is(record[key], kind) for key, kind in form.items())


def _is(value: Any, kind: Any) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and -HUGE < value < HUGE
    if isinstance(kind, type):
        return isinstance(value, kind)
    if isinstance(kind, list):
        return isinstance(value, list) and bool(value) and all(has_form(one, kind[0]) for one in value)
    if isinstance(kind[0], str):
        return value in kind
    try:
        array = np.array(value)
    except ValueError:  # rows of different lengths
        return False
    if array.dtype.kind not in "if" or array.ndim != len(kind) or not array.size or not np.isfinite(array).all():
        return False
    return all(wanted in (None, length) for wanted, length in zip(kind, array.shape, strict=True))
