"""The queue of trainings, kept on disk so that it survives a reload of the page and a restart of the app.

    $IPAGE_HOME/queue/<number>.json    the request and its state
                      <number>.jsonl   output of the training: a line per epoch, one more per finished model
                      <number>.err     its stderr
                      worker.lock, training.lock, editing.lock

The worker, ``python -m app.workers.trainings``, is a separate process that runs one training after the other. Each
training is another process, ``python -m app.workers.trainings NUMBER``, which does the same as
``python -m ipage_core train … --json``: it keeps a checkpoint per epoch. Worker and training hold a lock each, which
the system releases when they are killed. If both locks are free and a training is recorded as running, it was killed,
and resumes from its checkpoint at the next poll.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from app.workers.process import start
from ipage_core.registry import home
from ipage_core.runtime.cores import threads
from ipage_core.runtime.files import replacing

COMMAND = ["-m", "app.workers.trainings"]
ACTIVE = ("waiting", "running", "stopping")
ATTEMPTS = 2
"""Number of kills in a row before the first epoch has ended, after which a training counts as failed."""


@dataclass
class Training:
    """One training."""

    number: int
    title: str
    task: str
    method: str
    models: list[str]
    """The models that it trains, one after the other."""
    out: str
    arguments: list[str]
    """Arguments of ``python -m ipage_core train``."""
    state: str = "waiting"
    """'waiting', 'running', 'stopping', 'stopped', 'done' or 'failed'."""
    message: str = ""
    """Why it failed."""
    pid: int = 0
    begun: list[int] = field(default_factory=list)
    """For each start, the number of lines printed before."""

    @property
    def active(self) -> bool:
        """Whether it has not ended yet."""
        return self.state in ACTIVE


def add(
    title: str,
    task: str,
    method: str,
    models: list[str],
    out: Path,
    *,
    data: Path | None = None,
    size: str = "usual",
    epochs: int | None = None,
    seed: int = 0,
    device: str = "auto",
) -> Training:
    """Put a training in the queue; ``data`` is the folder of the data if the task is the user's own.

    Raises:
        ValueError: another training is to write, or has begun to write, to the same folder.
    """
    arguments = [*([task] if data is None else ["--model", str(data)]), "--out", str(out)]
    arguments += ["--method", method, "--size", size, "--seed", str(seed), "--device", device]
    arguments += [] if epochs is None else ["--epochs", str(epochs)]
    with _editing():
        for other in trainings():
            if Path(other.out).resolve() == out.resolve() and other.state not in ("done", "failed"):
                raise ValueError(f"'{other.title}' is {other.state}, with the same folder: end or remove it first")
        number = max([t.number for t in trainings()], default=0) + 1
        training = Training(number, title, task, method, models, str(out), arguments)
        write(training)
    poll()
    return training


def settings(out: Path) -> dict[str, Any]:
    """Size, epochs, seed and device of the last training of the models in ``out``, as :func:`add` takes them.

    From the queue, else from the command in a model's card; empty if neither has them.
    """
    said: list[str] = next((t.arguments for t in reversed(trainings()) if Path(t.out).resolve() == out.resolve()), [])
    if not said:
        with suppress(OSError, ValueError, KeyError):
            said = shlex.split(json.loads((out / "mlp.json").read_text())["command"])
    kinds: dict[str, Any] = {"size": str, "epochs": int, "seed": int, "device": str}
    given = dict(pairwise(said))
    return {name: kind(given[f"--{name}"]) for name, kind in kinds.items() if f"--{name}" in given}


def trainings() -> list[Training]:
    """All trainings in the queue's folder, the oldest first."""
    results = []
    for path in sorted(_folder().glob("*.json"), key=lambda p: int(p.stem) if p.stem.isdigit() else 0):
        with suppress(OSError, ValueError, TypeError):
            results.append(Training(**json.loads(path.read_text())))
    return results


def printed(training: Training) -> list[dict[str, Any]]:
    """Its output so far, one dict per line; a line cut short by a kill is skipped.

    Epochs that were repeated after a kill appear once.
    """
    rows: dict[tuple[Any, Any], dict[str, Any]] = {}
    with suppress(FileNotFoundError):
        for line in file_of(training, "jsonl").read_text().splitlines():
            with suppress(ValueError):
                row = json.loads(line)
                rows[row.get("model"), row.get("epoch") if "epochs" in row else "end"] = row
    return list(rows.values())


def ahead(training: Training) -> int:
    """Number of trainings before it while it waits: those running, and those added earlier."""
    if training.state != "waiting":
        return 0
    others = [other for other in trainings() if other.active and other.number != training.number]
    return sum(other.state != "waiting" or other.number < training.number for other in others)


def stop(number: int) -> None:
    """Stop a training; its checkpoint stays. A waiting training just leaves the queue."""
    with _editing():
        training = read(number)
        if training.state == "waiting":
            training.state = "stopped"
        elif training.state == "running":
            training.state = "stopping"
            if training.pid and is_working():
                with suppress(ProcessLookupError):
                    os.kill(training.pid, signal.SIGTERM)
        write(training)
    poll()


def resume(number: int) -> None:
    """Queue a stopped or failed training again."""
    with _editing():
        training = read(number)
        if not training.active:
            training.state, training.message = "waiting", ""
            write(training)
    poll()


def remove(number: int) -> None:
    """Delete an ended training, with its checkpoints if it did not finish; finished models stay."""
    with _editing():
        training = read(number)
        if training.active:
            return
        if training.state != "done":
            for model in training.models:
                (Path(training.out) / f"{model}.checkpoint.safetensors").unlink(missing_ok=True)
        for ending in ("json", "jsonl", "err"):
            file_of(training, ending).unlink(missing_ok=True)


def poll() -> None:
    """Detect killed trainings, and make sure that a worker runs while there is work."""
    if not _folder().exists() or is_working():
        return
    with _editing():
        for training in trainings():
            if training.state in ("running", "stopping"):
                conclude(training, None)
        waiting = any(t.state == "waiting" for t in trainings())
    if waiting:
        start(COMMAND)
        until = time.monotonic() + 5
        while not is_working() and time.monotonic() < until and any(t.state == "waiting" for t in trainings()):
            time.sleep(0.02)


def main() -> None:
    """Run trainings until none is waiting."""
    try:
        lock = _lock("worker").acquire(timeout=2)  # a process that only polls holds the lock briefly
    except Timeout:
        return
    with lock:
        while True:
            with _editing():
                waiting = [t for t in trainings() if t.state == "waiting"]
                if not waiting:
                    return
                process = _start(waiting[0])
            code = process.wait()
            with _editing():
                conclude(read(waiting[0].number), code)


def _start(training: Training) -> subprocess.Popen:
    training.begun.append(len(printed(training)))
    with open(file_of(training, "jsonl"), "ab") as out, open(file_of(training, "err"), "wb") as errors:
        out.write(b"\n")  # after a line that a kill cut short
        out.flush()
        process = start([*COMMAND, str(training.number)], out, errors, threads=threads())
    training.state, training.pid = "running", process.pid
    write(training)
    return process


def train(number: int) -> int:
    """Run a training in this process, which the worker has started for it. → exit code."""
    with _lock("training").acquire(timeout=10):
        with _editing():
            training = read(number)
        if training.pid != os.getpid():  # the worker was killed before it recorded this process
            return 1
        left = [Path(training.out) / f"{model}.checkpoint.safetensors" for model in training.models]
        again = len(training.begun) > 1 and (bool(_ended(training)) or any(path.exists() for path in left))
        from ipage_core.cli.main import main as command

        return command(["train", *training.arguments, "--json", *(["--resume"] if again else [])])


def conclude(training: Training, code: int | None) -> None:
    """Record how it ended, from the files it left; ``code`` is None if no worker saw the end."""
    complaints: list[str] = []
    with suppress(OSError):
        complaints = file_of(training, "err").read_text(errors="replace").strip().splitlines()
    said = [line for line in complaints if line.startswith("ipage_core train: ") and not line.endswith(": stopped")]
    training.pid = 0
    if _ended(training) == set(training.models) and code in (0, None):
        training.state = "done"
    elif training.state == "stopping":
        training.state = "stopped"
    elif said or (code is not None and code > 0):
        training.state = "failed"
        training.message = (said or complaints or ["it ended without a word"])[-1].removeprefix("ipage_core train: ")
    elif len(training.begun) >= ATTEMPTS and len(printed(training)) <= training.begun[-ATTEMPTS]:
        training.state, training.message = "failed", f"it was killed {ATTEMPTS} times within an epoch: out of memory?"
    else:
        training.state = "waiting"
    write(training)


def _ended(training: Training) -> set[str]:
    """Its trained and saved models."""
    return {row["model"] for row in printed(training) if "epochs" not in row}


def _folder() -> Path:
    return home() / "queue"


def file_of(training: Training, ending: str) -> Path:
    """``ending``: json, jsonl or err, see the module."""
    return _folder() / f"{training.number}.{ending}"


def read(number: int) -> Training:
    """Read the record of one training."""
    return Training(**json.loads((_folder() / f"{number}.json").read_text()))


def write(training: Training) -> None:
    """Write the record of a training."""
    with replacing(file_of(training, "json")) as beside:
        beside.write_text(json.dumps(asdict(training), ensure_ascii=False))


def _lock(name: str) -> FileLock:
    _folder().mkdir(parents=True, exist_ok=True)
    return FileLock(_folder() / f"{name}.lock")


@contextmanager
def _editing() -> Iterator[None]:
    """Lock: only one process at a time reads and writes the records."""
    with _lock("editing").acquire(timeout=10):
        yield


def is_working() -> bool:
    """Whether a worker is running, or a training that has outlived its worker."""
    for name in ("worker", "training"):
        if (_folder() / f"{name}.lock").exists():
            try:
                with _lock(name).acquire(blocking=False):
                    pass
            except Timeout:
                return True
    return False


if __name__ == "__main__":
    sys.exit(train(int(sys.argv[1])) if len(sys.argv) > 1 else main())
