"""A queue of its own for density functional theory: each job is a process, never behind a training, never a thread.

The process is ``python -m app.workers.jobs MODULE:FUNCTION``. It reads a JSON list of designs (n, d) on stdin, has
that function of the core compute them, which keeps every result on disk for whoever asks again, and prints one JSON
line when it begins and one a design: ``{"eta", "results"}``, seconds left and results by row. It ends by itself when
its parent does.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from threading import Lock
from typing import Any

import numpy as np

from ipage_core.runtime import executor as cluster
from ipage_core.runtime.paths import ROOT
from ipage_core.tasks.crystal import dft

COMMAND = [sys.executable, "-m", "app.workers.jobs"]
GAPS = "ipage_core.tasks.crystal.dft:gaps"
"""What a job computes unless it says otherwise: a function of designs (n, d), workers, progress and cancel."""
MOST = 64
"""Designs that one job may hold: others wait behind it."""
SECONDS = 9.0
"""Of CPU for one lattice; the first guess of how long a job takes."""
START = 3.0
"""Seconds until the first calculation begins: GPAW's own start."""

Key = tuple[float, ...]
"""A design, such as a, b, c [Å], α, β, γ [°]. Those of different operators are never equal."""


@dataclass(eq=False)
class Job:
    """Some samples' lattices, waiting, running or ended."""

    number: int
    samples: tuple[int, ...]
    lattices: tuple[Key, ...]
    state: str = "waiting"
    """'waiting', 'running', 'done', 'cancelled' or 'failed'."""
    results: dict[int, dft.Result] = field(default_factory=dict)
    """By row of ``lattices``: what ``ipage_core.tasks.crystal.dft.gap`` says."""
    eta: float | None = None
    """Seconds left, as of ``told``; None before the first result."""
    told: float = 0.0
    begun: float = 0.0
    took: float = 0.0
    """Seconds from its start to its end."""
    message: str = ""
    """Why it failed."""
    work: str = GAPS
    """The function that computes it, MODULE:FUNCTION."""
    each: float = SECONDS
    """Seconds of CPU for one design, as a first guess."""

    @property
    def active(self) -> bool:
        """Whether it is still to end."""
        return self.state in ("waiting", "running")

    @property
    def seconds_left(self) -> float:
        """A guess before the first result, then at the pace so far; 0 or less if that was too hopeful."""
        left = guess(len(self.lattices) - len(self.results), self.each) if self.eta is None else self.eta
        return left - (time.monotonic() - self.told if self.state == "running" else 0)


class Queue:
    """One job at a time, all cores for it. Whoever polls moves the queue on: there is no thread."""

    def __init__(self) -> None:
        self.found: dict[Key, dft.Result] = {}
        """All results since the server's start, failures too."""
        self._lock = Lock()
        self._numbers = itertools.count(1)
        self._jobs: list[Job] = []
        self._process: subprocess.Popen | None = None
        self._out: Any = None
        self._errors: Any = None
        self._rest = b""

    def add(self, samples: tuple[int, ...], lattices: np.ndarray, work: str = GAPS, each: float = SECONDS) -> Job:
        """Put designs (n, d) in the queue, for a function ``work`` of the core that takes ``each`` seconds a design.

        Raises:
            ValueError: more than ``MOST``.
        """
        if len(samples) > MOST:
            raise ValueError(f"{len(samples)} designs are too many for one go; at most {MOST}, the rest afterwards.")
        job = Job(next(self._numbers), tuple(samples), tuple(keys(lattices)), work=work, each=each)
        with self._lock:
            self._jobs.append(job)
        self.poll()
        return job

    def cancel(self, job: Job) -> None:
        """Stop it, or take it out of the queue. What it has computed is kept."""
        with self._lock:
            if job.state == "running":
                self._read(job)
                self._end()
            if job.active:
                job.state = "cancelled"
        self.poll()

    def about(self, lattices: np.ndarray) -> list[Job]:
        """Jobs still to end that hold any of the lattices (n, 6): a page that is loaded anew finds its own."""
        asked = set(keys(lattices))
        return [job for job in self._jobs if job.active and asked.intersection(job.lattices)]

    def ahead(self, job: Job) -> int:
        """How many jobs come before this one."""
        return sum(other.active for other in self._jobs if other.number < job.number)

    def poll(self) -> None:
        """Read what the running job has said, and start the next one if there is none."""
        with self._lock:
            for job in [j for j in self._jobs if j.state == "running"]:
                code = self._process.poll() if self._process else None
                self._read(job)
                if code is not None:
                    job.took = time.monotonic() - job.begun
                    job.state = "done" if len(job.results) == len(job.lattices) else "failed"
                    job.message = "" if job.state == "done" else self._why(code)
                    self._end()
            self._jobs = [j for j in self._jobs if j.active]
            if self._process is None and self._jobs:
                self._start(self._jobs[0])

    def _start(self, job: Job) -> None:
        """The output goes to a file, which can be read without waiting."""
        handle, name = tempfile.mkstemp(prefix="ipage-dft-", suffix=".jsonl")
        self._out, self._errors, self._rest = open(name, "rb"), tempfile.TemporaryFile(), b""  # noqa: SIM115
        try:
            self._process = subprocess.Popen(
                [*COMMAND, job.work],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=handle,
                stderr=self._errors,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
                start_new_session=True,  # so that its workers end with it
            )
        except OSError as error:  # no memory, or no processes left
            job.state, job.message = "failed", str(error)
            self._end()
            return
        finally:
            os.close(handle)
        job.state, job.told, job.begun = "running", time.monotonic(), time.monotonic()
        with contextlib.suppress(OSError):  # one that died at once is noticed when it is polled
            self._process.stdin.write(json.dumps(job.lattices).encode())
            self._process.stdin.close()

    def _read(self, job: Job) -> None:
        """Take the lines that are whole."""
        *lines, self._rest = (self._rest + self._out.read()).split(b"\n")
        for line in lines:
            said = json.loads(line)
            job.eta, job.told = said["eta"], time.monotonic()
            for row, result in said["results"].items():
                job.results[int(row)] = self.found[job.lattices[int(row)]] = result

    def _end(self) -> None:
        """Whatever is left of the process and of its workers ends here."""
        if self._process is not None and self._process.returncode != 0:
            _kill(self._process)
        self._out.close()
        os.unlink(self._out.name)
        self._errors.close()
        self._process = None

    def _why(self, code: int) -> str:
        """The end of what the process complained about."""
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        if code < 0:
            return f"the process was ended by signal {-code}"
        return lines[-1][:300] if lines else "the process ended without a word"


@functools.cache
def queue() -> Queue:
    """The one queue of this server."""
    return Queue()


def keys(lattices: np.ndarray) -> list[Key]:
    """(n, 6) → the lattices as keys."""
    return [tuple(row) for row in np.asarray(lattices, dtype=np.float64).tolist()]


def known(
    lattices: np.ndarray, cached: Callable[[np.ndarray], list[dft.Result | None]] | None = None
) -> list[dft.Result | None]:
    """What is known of designs (n, d) without computing anything: on disk, or since the server's start.

    ``cached`` reads the disk; for lattices of SrTiO₃ if None.
    """
    try:
        stored = (cached or dft.cached)(lattices)
    except dft.DFTUnavailable:
        stored = [None] * len(lattices)
    return [result or queue().found.get(key) for result, key in zip(stored, keys(lattices), strict=True)]


def guess(count: int, each: float = SECONDS) -> float:
    """Seconds that so many designs take, by experience."""
    return START + each * -(-count // cores())


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _kill(process: subprocess.Popen) -> None:
    """End a process and those that it started, even if it has ended itself."""
    if not hasattr(os, "killpg"):
        process.kill()
        process.wait()
        return
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=3)


def main() -> None:
    """Compute the designs on stdin: see the module."""
    module, _, name = (sys.argv[1] if len(sys.argv) > 1 else GAPS).partition(":")
    lattices = np.array(json.load(sys.stdin), dtype=np.float64)
    parent = os.getppid()

    def say(progress: cluster.Progress) -> None:
        results = {} if progress.key is None else {progress.key: progress.result}
        line = {"eta": progress.eta_seconds, "results": results}
        print(json.dumps(line), flush=True)

    try:
        # One alone needs no other process, whose start would take a second or two.
        found = getattr(import_module(module), name)(
            lattices,
            workers=0 if len(lattices) == 1 else None,
            progress=say,
            cancel=lambda: os.getppid() != parent,
        )
    except dft.DFTUnavailable as error:
        raise SystemExit(str(error)) from None
    rest = {str(i): result for i, result in enumerate(found) if result is not None}
    print(json.dumps({"eta": 0.0, "results": rest}), flush=True)


if __name__ == "__main__":
    main()
