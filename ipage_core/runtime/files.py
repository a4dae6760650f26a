"""Writes files atomically: into a temporary file beside the target, then renamed."""

from __future__ import annotations

import errno
import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
"""Error numbers of a full disk or an exhausted quota."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the name of a temporary file beside ``path``; rename it to ``path`` if the block succeeds.

    Raises:
        OSError: the path cannot be written, is a device or folder, or the disk is full; one sentence.
    """
    target = Path(os.path.realpath(path))  # so that a link stays a link
    try:
        if target.exists() and not target.is_file():
            raise OSError("it is not a file")
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
    except OSError as error:
        raise OSError(f"{path} cannot be written: {_reason(error)}") from None
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield beside
        os.replace(beside, target)
    except OSError as error:
        if error.errno not in FULL and str(beside) not in f"{error.filename} {error}":
            raise
        raise OSError(f"{path} cannot be written: {_reason(error)}") from None
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def _reason(error: OSError) -> str:
    if error.errno in FULL:
        return "the disk is full; accepted: a folder with free space"
    why = os.strerror(error.errno) if error.errno else error
    return f"{why}; accepted: a file in a writable folder"


def _sweep(path: Path) -> None:
    """Remove temporary files that killed processes left beside ``path``."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        number = left.name.split(".")[-2]
        if number.isdigit() and int(number) != os.getpid() and not _lives(int(number)):
            left.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    if os.name == "nt":
        return True  # a signal would end the process there
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def spreadsheet_safe(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before each name and text that a spreadsheet would run as a formula.

    A user's column may be called ``=SUM(A1)`` or ``-log10(p)``; numbers stay as they are.
    """

    def safe(value: object) -> object:
        if isinstance(value, str) and value[:1] in tuple("=+-@\t\r") and not _is_number(value):
            return f"'{value}"
        return value

    texts = [name for name in frame.columns if frame[name].dtype.kind not in "biufcM"]
    result = frame.copy(deep=False)
    for name in texts:
        result[name] = frame[name].map(safe)
    return result.rename(columns={name: safe(name) for name in frame.columns})


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
