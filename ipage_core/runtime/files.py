"""Files that are whole at any moment: written beside and renamed. Needs nothing heavy."""

from __future__ import annotations

import errno
import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
"""What systems say of a disk, or of a user's share of it, that is full."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a name beside ``path`` to write to; rename it into place only if the block succeeds.

    Raises:
        OSError: it cannot be written, is no file (a device would be replaced), or the disk is full; one sentence.
    """
    target = Path(os.path.realpath(path))  # a link stays one
    try:
        if target.exists() and not target.is_file():
            raise OSError("it is no file")
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
    except OSError as error:
        raise OSError(f"{path} cannot be written: {_told(error)}") from None
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield beside
        os.replace(beside, target)
    except OSError as error:
        if error.errno not in FULL and str(beside) not in f"{error.filename} {error}":
            raise
        raise OSError(f"{path} cannot be written: {_told(error)}") from None
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def _told(error: OSError) -> str:
    if error.errno in FULL:
        return "the disk is full; accepted: a place with room for it"
    why = os.strerror(error.errno) if error.errno else error
    return f"{why}; accepted: the name of a file in a folder that may be written to"


def _sweep(path: Path) -> None:
    """Remove what processes that were killed have left beside ``path``."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        number = left.name.split(".")[-2]
        if number.isdigit() and int(number) != os.getpid() and not _lives(int(number)):
            left.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    if os.name == "nt":
        return True  # it cannot be asked without harm there
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
