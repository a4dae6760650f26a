"""A child process of the server: read its output, and end it with all of its own children."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import IO

from ipage_core.runtime.paths import ROOT


def start(
    arguments: Sequence[str],
    out: int | IO[bytes] = subprocess.DEVNULL,
    errors: int | IO[bytes] = subprocess.DEVNULL,
    *,
    words: bytes | None = None,
    threads: int | None = None,
) -> subprocess.Popen:
    """Start Python with these arguments in the program's folder; it reads ``words``, and uses ``threads`` threads.

    It leads its own session, so it continues when the server ends, and :func:`end` reaches all of its children.

    Raises:
        OSError: no memory, or no processes left.
    """
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL if words is None else subprocess.PIPE,
        stdout=out,
        stderr=errors,
        env=os.environ if threads is None else os.environ | {"OMP_NUM_THREADS": str(threads)},
        start_new_session=True,
    )
    if words is not None and process.stdin is not None:
        with contextlib.suppress(OSError):  # a process that died at once is noticed by its exit code
            process.stdin.write(words)
            process.stdin.close()
    return process


def end(process: subprocess.Popen) -> None:
    """End a process and its children, even if the process itself has ended."""
    if not hasattr(os, "killpg"):
        process.kill()
        process.wait()
        return
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=3)


class Followed:
    """A single-threaded process. Its output goes to unnamed files, which disappear however the process ends.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, arguments: Sequence[str], words: bytes | None = None) -> None:
        self._out, self._errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        self._read = 0
        try:
            self._process = start(arguments, self._out, self._errors, words=words, threads=1)
        except OSError:
            self._close()
            raise
        self.pid = self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.poll()

    def lines(self) -> list[str]:
        """The complete lines that it has printed since the last call."""
        handle = self._out.fileno()  # read by offset: the file's own position is where the process writes
        new = os.pread(handle, os.fstat(handle).st_size - self._read, self._read)
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        return whole.decode(errors="replace").splitlines()

    def why(self) -> str:
        """Why it ended: the last line of its stderr."""
        handle = self._errors.fileno()
        said = os.pread(handle, os.fstat(handle).st_size, 0).decode(errors="replace").strip().splitlines()
        if self.code is not None and self.code < 0:
            return f"the process was ended by signal {-self.code}"
        return said[-1][:300] if said else "the process ended without a word"

    def end(self) -> None:
        """End the process and its children; unread output is lost."""
        if self.code != 0:
            end(self._process)
        self._close()

    def _close(self) -> None:
        self._out.close()
        self._errors.close()
