"""A real Dask cluster on the loopback device: a scheduler, and single-threaded workers, each its own process."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def dask_cluster(
    folder: Path, environment: Mapping[str, str], workers: int = 2
) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """→ the scheduler's address and the workers' processes, all of which end with the block."""
    started: list[subprocess.Popen] = []

    def start(*arguments: str) -> None:
        command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard", "--host", "127.0.0.1"]
        with (folder / "log").open("a") as log:
            started.append(subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log))

    def said(pattern: str, count: int) -> list[str]:
        end = time.monotonic() + 60
        while len(lines := re.findall(pattern, (folder / "log").read_text())) < count:
            assert time.monotonic() < end, (folder / "log").read_text()
            time.sleep(0.02)
        return lines

    try:
        start("scheduler", "--port", "0")
        address = said(r"Scheduler at:\s+(tcp://\S+)", 1)[0]
        for _ in range(workers):
            start("worker", address, "--nthreads", "1", "--no-nanny")
        said(r"Registered to:\s+tcp", workers)
        yield address, started[1:]
    finally:
        for process in started:
            process.kill()
            process.wait()
