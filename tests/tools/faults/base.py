"""Common parts of the faults: what one try ended with, a command in a process of its own, the files it left."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import traceback
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from safetensors import safe_open

from tests.support.browser import ROOT

LIMIT = 60.0
"""Maximum seconds for one command."""

UNCLEAR = re.compile(r"Traceback|\[Errno|\b\w+(Error|Exception)\b|^\W*$|File \"")


class Fault:
    """The outcome of one kind of fault."""

    def __init__(self, name):
        self.name, self.tried, self.unclear, self.tracebacks, self.lost, self.note = name, 0, [], [], [], ""

    def said(self, what, text, result=False):
        """One try ended with this text; a ``result`` needs none."""
        self.tried += 1
        if "Traceback" in text:
            self.tracebacks.append(f"{what}: {text[-300:]}")
        elif not result and (UNCLEAR.search(text) or len(text.splitlines()) != 1):
            self.unclear.append(f"{what}: {text[:300]!r}")

    def row(self):
        """A row of the table."""
        clear = self.tried - len(self.unclear) - len(self.tracebacks)
        counts = (
            f"{self.tried} | {clear} | {len(self.tracebacks)} | {len(self.lost)}" if self.tried else "– | – | – | –"
        )
        return f"| {self.name}{f' ({self.note})' if self.note else ''} | {counts} |"


def ran(arguments, folder, limit=LIMIT):
    """A command of ``ipage_core`` in a process of its own. → (exit code, stdout, stderr)."""
    return ended(begun(arguments, folder), folder, limit)


def begun(arguments, folder, session=False):
    """Begin a command in a fork, to import once; in a ``session`` of its own it takes Ctrl-C. → its process."""
    from ipage_core.cli.main import main

    process = os.fork()
    if not process:
        if session:
            os.setsid()
            signal.signal(signal.SIGINT, signal.default_int_handler)
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(folder / name, os.O_CREAT | os.O_TRUNC | os.O_WRONLY), number)
        try:
            code = main([str(a) for a in arguments])
        except SystemExit as stop:
            code = stop.code
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return process


def ended(process, folder, limit=LIMIT):
    """Wait for a command of :func:`begun`; after the limit it is killed."""
    end = time.monotonic() + limit
    while not (waited := os.waitpid(process, os.WNOHANG))[0]:
        if time.monotonic() > end:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return None, "", f"Traceback: killed after {limit:g} s"
        time.sleep(0.01)
    return os.waitstatus_to_exitcode(waited[1]), *(
        (folder / name).read_text(errors="replace") for name in ("out", "err")
    )


def contents(folder):
    """Files below a folder → hashes."""
    return {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


def broken(folder):
    """Files below a folder that are not whole, with what a killed process left beside them."""
    found = []
    for path in (p for p in folder.rglob("*") if p.is_file()):
        try:
            if path.suffix == ".json":
                json.loads(path.read_text())
            elif path.suffix == ".parquet":
                pq.read_table(path)
            elif path.suffix == ".safetensors":
                with safe_open(path, "pt") as file:
                    [file.get_tensor(key) for key in file.keys()]  # noqa: SIM118
            elif path.suffix == ".part" or (path.suffix == ".csv" and not path.read_bytes().endswith(b"\n")):
                found.append(str(path))
        except Exception as error:
            found.append(f"{path}: {error}")
    return found


def one_command(fault, arguments, place, scratch):
    """Run it; the files in ``place`` must be unchanged, and new ones complete."""
    before, damaged = contents(place), broken(place)
    code, _, err = ran(arguments, scratch)
    what = " ".join(map(str, arguments))[:200]
    fault.said(what, err.strip(), result=code == 0 and not UNCLEAR.search(err.strip() or "fine"))
    if code not in (0, 2):
        fault.unclear.append(f"{what}: exit code {code}")
    after = contents(place)
    fault.lost += [f"{what}: {path}" for path, digest in before.items() if after.get(path) != digest]
    fault.lost += [f"{what}: {path}" for path in broken(place) if path not in damaged]
    for path in after.keys() - before.keys():
        if code:
            fault.lost.append(f"{what}: left {path}")
        path.unlink()
    return code


def table(rows=400, seed=0):
    """Own data with nothing wrong about them."""
    x = np.random.default_rng(seed).normal(size=(rows, 2))
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "gap": x.sum(1)})


@contextmanager
def started(line):
    """A real process of the command line; killed when the block ends."""
    command = [sys.executable, "-m", "ipage_core", *map(str, line)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()
