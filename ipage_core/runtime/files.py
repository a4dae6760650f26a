"""Writes files atomically: into a temporary file beside the target, then renamed."""

from __future__ import annotations

import errno
import glob
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import AcquireReturnProxy, FileLock, Timeout

if TYPE_CHECKING:
    import pandas as pd

FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
"""Error numbers of a full disk or an exhausted quota."""
LOCK = ".writing.lock"
"""Lock of a folder of models, and of rows with them."""
PATIENCE = 3.0
"""Seconds to wait for another process that writes rows; a training holds the folder for longer."""


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
        if target.exists() and not os.access(target, os.W_OK):  # to rename needs a writable folder alone
            raise OSError("it is protected against writing")
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
    except OSError as error:
        raise OSError(f"{path} cannot be written: {_reason(error)}") from None
    beside = _beside(target)
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


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON."""
    with replacing(path) as beside:
        beside.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_files(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Write files by their names into a folder. → their paths."""
    for name, content in files.items():
        with replacing(folder / name) as beside:
            beside.write_bytes(content)
    return [folder / name for name in files]


def check_writable(path: Path) -> None:
    """Check that a file can be written beside ``path``; its folder is made if it is missing.

    Raises:
        OSError: it cannot; one sentence.
    """
    beside = _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.touch()
        beside.unlink()
    except OSError as error:
        raise OSError(f"{path} cannot be written: {_reason(error)}") from None


def _beside(path: Path) -> Path:
    """The name of a temporary file, which no other thread or process has."""
    return path.with_name(f".{path.name}.{threading.get_ident()}.{os.getpid()}.part")


@contextmanager
def sole_writer(folder: Path, seconds: float = 0.0, lock_name: str = LOCK) -> Iterator[None]:
    """Hold the lock of a folder, new or old, so that what is read and written there changes together.

    The system frees the lock when this process is killed. A thread that holds it may enter again.

    Args:
        folder: made if it is missing; removed again if it is new and the block fails before anything is in it.
        seconds: how long to wait while another process or thread holds it.
        lock_name: file of the lock; another one than that of the folder is for one of its files alone.

    Raises:
        ValueError: another one still holds it.
        OSError: the folder cannot be written; one sentence.
    """
    folder = Path(os.path.realpath(folder))
    new = not folder.exists()
    try:
        try:
            lock = _taken(folder, seconds, lock_name)
        except FileNotFoundError:  # another run has failed meanwhile, and removed its new folder
            lock = _taken(folder, seconds, lock_name)
    except Timeout:
        raise ValueError(
            f"Another run is writing to {folder}: run this again when it has ended, or name another folder"
        ) from None
    except OSError as error:
        raise OSError(f"{folder} cannot be written: {_reason(error)}") from None
    with lock:
        try:
            yield
        except BaseException:
            if new and [path.name for path in folder.iterdir()] in ([], [lock_name]):
                with suppress(OSError):  # while it is held: a run that waits for it takes no file that goes
                    (folder / lock_name).unlink(missing_ok=True)
                    folder.rmdir()
            raise


def _taken(folder: Path, seconds: float, lock_name: str) -> AcquireReturnProxy:
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / lock_name, is_singleton=True).acquire(timeout=seconds)


def _reason(error: OSError) -> str:
    if error.errno in FULL:
        return "the disk is full; accepted: a folder with free space"
    why = os.strerror(error.errno) if error.errno else error
    return f"{why}; accepted: a file in a writable folder"


def _sweep(path: Path) -> None:
    """Remove temporary files that killed processes left beside ``path``."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        number = left.name.split(".")[-2]
        if number.isdigit() and int(number) != os.getpid() and not lives(int(number)):
            left.unlink(missing_ok=True)


def lives(process: int) -> bool:
    """Whether there may be a process of this number that can still write; one that has ended may wait to be noticed."""
    if os.name == "nt":
        return True  # a signal would end the process there
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):  # not Linux, or it has just ended
        return True


RUN = tuple("=+-@\t\r\n＝＋－＠")
"""Characters with which a formula may begin; spreadsheets take the wide ones for the others in East Asian settings."""


def spreadsheet_safe(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before each name and text that a spreadsheet would run as a formula.

    A user's column may be called ``=SUM(A1)`` or ``-log10(p)``; numbers stay as they are.
    """

    def safe(value: object) -> object:
        if isinstance(value, str) and value[:1] in RUN and not _is_number(value):
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
