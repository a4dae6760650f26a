"""Runs one command so that none of its processes outlives the caller. A script: ``python supervisor.py S DIR WORD …``.

The command works in the folder DIR, in a process group of its own, for at most S seconds; its output goes to
``stdout.txt`` and ``stderr.txt`` there. Standard input is a pipe that the caller holds open: when the caller dies, by
SIGKILL too, the pipe ends, and this script kills the command and its child processes, and removes DIR. On Linux
it also adopts children that have moved to other groups. One line of JSON on standard output says how it ended.
It imports only the standard library, so that Python starts it in a few milliseconds.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

SUBREAPER, DEATH_SIGNAL = 36, 1
"""PR_SET_CHILD_SUBREAPER and PR_SET_PDEATHSIG of Linux's prctl(2)."""


def main(arguments: list[str]) -> None:
    """Run the command, print how it ended."""
    seconds, folder, words = float(arguments[0]), arguments[1], arguments[2:]
    _prctl(SUBREAPER, 1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    begun, left = time.monotonic(), False
    values: dict[str, int | str | bool | None] = {"code": None, "late": False, "error": ""}
    command = None
    try:
        with open(f"{folder}/stdout.txt", "wb") as out, open(f"{folder}/stderr.txt", "wb") as errors:
            command = subprocess.Popen(
                words,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                start_new_session=True,
                preexec_fn=lambda: _prctl(DEATH_SIGNAL, signal.SIGKILL),
            )
        while command.poll() is None:
            rest = seconds - (time.monotonic() - begun)
            if rest <= 0:
                values["late"] = True
                break
            ready, _, _ = select.select([0, ended], [], [], min(rest, 3600.0))
            if 0 in ready:
                left = True
                break
            if ended in ready:
                os.read(ended, 4096)
        values["code"] = command.returncode
    except OSError as error:
        values["error"] = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    finally:
        if command is not None:
            _end(command)
        if left:
            shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(values | {"seconds": time.monotonic() - begun}), flush=True)


def _end(command: subprocess.Popen[bytes]) -> None:
    """Kill the command's group, and the other children that this process has adopted."""
    with suppress(OSError):  # it may have ended already
        os.killpg(command.pid, signal.SIGKILL)
    command.wait()
    while children := _children():
        for child in children:
            with suppress(OSError):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)


def _children() -> list[int]:
    """Child processes of this process; none if the system has no /proc."""
    results = []
    for name in os.listdir("/proc") if os.path.isdir("/proc") else []:
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    parent = file.read().rpartition(")")[2].split()[1]
            except OSError:
                continue  # it has ended meanwhile
            if int(parent) == os.getpid():
                results.append(int(name))
    return results


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    main(sys.argv[1:])
