"""A separate queue for density functional theory: each job is a process, and never waits for a training.

The process is ``python -m app.workers.jobs MODULE:FUNCTION``. It reads a JSON list of designs (n, d) from stdin and
computes them by that function of the core, which caches every result on disk: on this machine's cores, or on the Dask
cluster that ``IPAGE_SCHEDULER`` names. It prints one JSON line at the start and
one per design: ``{"eta", "results"}``, seconds left and results by row. It ends when its parent does.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from threading import Lock

import numpy as np

from app.workers.process import Followed
from ipage_core import registry
from ipage_core.cli.shared import check_scheduler
from ipage_core.runtime import executor as cluster
from ipage_core.runtime.cores import cores
from ipage_core.tasks.crystal import dft

SCHEDULER = "IPAGE_SCHEDULER"
"""Environment variable of the server: a Dask scheduler, ``tcp://host:8786``, whose workers compute instead."""
COMMAND = ["-m", "app.workers.jobs"]
"""Python arguments of a job; its ``work`` follows."""
GAPS = "ipage_core.tasks.crystal.dft:gaps"
"""Default work of a job: a function of designs (n, d), workers, progress and cancel."""
MOST = 64
"""Maximum number of designs in one job, because others wait behind it."""
SECONDS = 9.0
"""CPU seconds for one lattice: the first estimate of a job's duration."""
START = 3.0
"""Seconds until the first calculation begins: GPAW's startup."""

Key = tuple[float, ...]
"""A design, such as a, b, c [Å], α, β, γ [°]."""


@dataclass(eq=False)
class Job:
    """The lattices of some samples, waiting, running or ended."""

    number: int
    samples: tuple[int, ...]
    lattices: tuple[Key, ...]
    state: str = "waiting"
    """'waiting', 'running', 'done', 'cancelled' or 'failed'."""
    results: dict[int, dft.Result] = field(default_factory=dict)
    """By row of ``lattices``: the result of ``ipage_core.tasks.crystal.dft.gap``."""
    eta: float | None = None
    """Seconds left at the time ``eta_at``; None before the first result."""
    eta_at: float = 0.0
    begun: float = 0.0
    took: float = 0.0
    """Seconds from its start to its end."""
    message: str = ""
    """Why it failed."""
    work: str = GAPS
    """The function that computes it, MODULE:FUNCTION."""
    each: float = SECONDS
    """First estimate of CPU seconds for one design."""

    @property
    def active(self) -> bool:
        """Whether it is waiting or running."""
        return self.state in ("waiting", "running")

    @property
    def seconds_left(self) -> float:
        """An estimate before the first result, then from the pace so far; 0 or less if that was too short."""
        left = guess(len(self.lattices) - len(self.results), self.each) if self.eta is None else self.eta
        return left - (time.monotonic() - self.eta_at if self.state == "running" else 0)


class Queue:
    """Runs one job at a time on all cores. There is no thread: each poll advances the queue."""

    def __init__(self) -> None:
        self.finished: dict[tuple[str, Key], dft.Result] = {}
        """All results since the server's start, including failures, by work and design."""
        self._lock = Lock()
        self._numbers = itertools.count(1)
        self.jobs: list[Job] = []
        """Waiting and running jobs, in order."""
        self.process: Followed | None = None
        """The process of the running job."""

    def add(self, samples: tuple[int, ...], lattices: np.ndarray, work: str = GAPS, each: float = SECONDS) -> Job:
        """Queue designs (n, d) for a function ``work`` of the core that takes ``each`` seconds per design.

        Raises:
            ValueError: more than ``MOST``.
        """
        if len(samples) > MOST:
            raise ValueError(f"{len(samples)} designs are too many for one go; at most {MOST}, the rest afterwards.")
        job = Job(next(self._numbers), tuple(samples), tuple(keys(lattices)), work=work, each=each)
        with self._lock:
            self.jobs.append(job)
        self.poll()
        return job

    def cancel(self, job: Job) -> None:
        """Stop the job or take it out of the queue. Results so far are kept."""
        with self._lock:
            if job.state == "running":
                self._read(job)
                self._end()
            if job.active:
                job.state = "cancelled"
        self.poll()

    def about(self, lattices: np.ndarray, work: str = GAPS) -> list[Job]:
        """Active jobs of that work that hold any of the lattices (n, 6), so that a reloaded page finds its own."""
        wanted = set(keys(lattices))
        return [job for job in self.jobs if job.active and job.work == work and wanted.intersection(job.lattices)]

    def ahead(self, job: Job) -> int:
        """Number of jobs before this one."""
        return sum(other.active for other in self.jobs if other.number < job.number)

    def poll(self) -> None:
        """Read the running job's output, and start the next job if none is running."""
        with self._lock:
            for job in [j for j in self.jobs if j.state == "running"]:
                code = self.process.code if self.process else None
                self._read(job)
                if self.process is not None and code is not None:
                    job.took = time.monotonic() - job.begun
                    job.state = "done" if len(job.results) == len(job.lattices) else "failed"
                    job.message = "" if job.state == "done" else self.process.why()
                    self._end()
            self.jobs = [j for j in self.jobs if j.active]
            if self.process is None and self.jobs:
                self._start(self.jobs[0])

    def _start(self, job: Job) -> None:
        try:
            self.process = Followed([*COMMAND, job.work], json.dumps(job.lattices).encode())
        except OSError as error:
            job.state, job.message = "failed", str(error)
            return
        job.state, job.eta_at, job.begun = "running", time.monotonic(), time.monotonic()

    def _read(self, job: Job) -> None:
        """Process the complete lines."""
        for line in self.process.lines() if self.process else ():
            said = json.loads(line)
            job.eta, job.eta_at = said["eta"], time.monotonic()
            for row, result in said["results"].items():
                if int(row) not in job.results:
                    _note(job.work, job.lattices[int(row)], result)
                job.results[int(row)] = self.finished[job.work, job.lattices[int(row)]] = result

    def _end(self) -> None:
        if self.process is not None:
            self.process.end()
        self.process = None


@functools.cache
def queue() -> Queue:
    """This server's queue."""
    return Queue()


def keys(lattices: np.ndarray) -> list[Key]:
    """(n, 6) → the lattices as keys."""
    return [tuple(row) for row in np.asarray(lattices, dtype=np.float64).tolist()]


def results(
    lattices: np.ndarray, cached: Callable[[np.ndarray], list[dft.Result | None]] | None = None, work: str = GAPS
) -> list[dft.Result | None]:
    """The results for designs (n, d) that need no computation: from disk, or of jobs since the server's start.

    ``cached`` reads the disk; for lattices of SrTiO₃ if None. ``work`` is that of the jobs.
    """
    try:
        stored = (cached or dft.cached)(lattices)
    except dft.DFTUnavailable:
        stored = [None] * len(lattices)
    return [result or queue().finished.get((work, key)) for result, key in zip(stored, keys(lattices), strict=True)]


def verified(work: str) -> list[tuple[Key, dft.Result]]:
    """All designs that jobs of this user have computed without failure, and their results."""
    known: dict[Key, dft.Result] = {}
    try:
        lines = _file(work).read_text().splitlines()
    except OSError:
        return []
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError):  # a line that a full disk cut short
            said = json.loads(line)
            known[tuple(said["x"])] = said["result"]
    return list(known.items())


def _note(work: str, x: Key, result: dft.Result) -> None:
    """Keep a result for :func:`verified`."""
    if "fail" in result:
        return
    try:
        _file(work).parent.mkdir(parents=True, exist_ok=True)
        with _file(work).open("a") as file:
            file.write(json.dumps({"x": x, "result": result}) + "\n")
    except OSError as error:  # the result itself is not lost
        logging.getLogger(__name__).warning("a result is not kept: %s", error)


def _file(work: str) -> Path:
    return registry.home() / "verified" / f"{work.replace(':', '.')}.jsonl"


def scheduler_of_server() -> str:
    """Address of the Dask scheduler that this server was given; empty: its own cores compute."""
    return os.environ.get(SCHEDULER, "").strip()


def guess(count: int, each: float = SECONDS) -> float:
    """Estimated seconds for this number of designs, from experience."""
    return START + each * -(-count // cores())


def main() -> None:
    """Compute the designs from stdin; see the module."""
    module, _, name = (sys.argv[1] if len(sys.argv) > 1 else GAPS).partition(":")
    lattices = np.array(json.load(sys.stdin), dtype=np.float64)
    parent = os.getppid()

    def say(progress: cluster.Progress) -> None:
        results = {} if progress.key is None else {progress.key: progress.result}
        line = {"eta": progress.eta_seconds, "results": results}
        print(json.dumps(line), flush=True)

    try:
        check_scheduler(scheduler_of_server() or None)
        # A single design runs in this process: starting another would take a second or two.
        computed = getattr(import_module(module), name)(
            lattices,
            workers=0 if len(lattices) == 1 else None,
            scheduler=scheduler_of_server() or None,
            progress=say,
            cancel=lambda: os.getppid() != parent,
        )
    except ValueError as error:  # GPAW is not installed, no scheduler answers, or workers were killed
        raise SystemExit(str(error)) from None
    rest = {str(i): result for i, result in enumerate(computed) if result is not None}
    print(json.dumps({"eta": 0.0, "results": rest}), flush=True)


if __name__ == "__main__":
    main()
