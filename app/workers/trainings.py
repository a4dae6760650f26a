"""The queue of trainings: on disk, so that it outlives a reload of the page and the app itself.

    $IPAGE_HOME/queue/<number>.json    what is asked for and how it stands
                      <number>.jsonl   what the training has printed: a line an epoch, one more a finished model
                      <number>.err     what it complained about
                      lock             held by whoever works

The worker, ``python -m app.workers.trainings``, is a process of its own: one training at a time, the next as long as
there is one. Each is ``python -m ipage_core train … --json``, which keeps a checkpoint an epoch. The lock goes with the
worker and with its training; when it is free and a training is down as running, that one was killed, and goes on from
its checkpoint as soon as somebody looks.
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
from typing import IO, Any

from ipage_core.registry import home
from ipage_core.runtime.files import replacing
from ipage_core.runtime.paths import ROOT

ACTIVE = ("waiting", "running", "stopping")
ATTEMPTS = 2
"""How often in a row a training may be killed before its first epoch has ended; then it counts as failed."""


@dataclass
class Training:
    """One training."""

    number: int
    title: str
    task: str
    method: str
    models: list[str]
    """What it trains, one after the other."""
    out: str
    arguments: list[str]
    """Of ``python -m ipage_core train``."""
    state: str = "waiting"
    """'waiting', 'running', 'stopping', 'stopped', 'done' or 'failed'."""
    message: str = ""
    """Why it failed."""
    pid: int = 0
    begun: list[int] = field(default_factory=list)
    """For each start, how many lines had been printed before."""

    @property
    def active(self) -> bool:
        """Whether it is still to end."""
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
    """Put a training in the queue; ``data`` is the folder of own data, where the task is such.

    Raises:
        ValueError: another training is to write, or has begun to write, to the same folder.
    """
    for other in trainings():
        if other.out == str(out) and other.state not in ("done", "failed"):
            raise ValueError(f"'{other.title}' is {other.state}, with the same folder: end or remove it first")
    arguments = [*([task] if data is None else ["--model", str(data)]), "--out", str(out)]
    arguments += ["--method", method, "--size", size, "--seed", str(seed), "--device", device]
    arguments += [] if epochs is None else ["--epochs", str(epochs)]
    with _editing():
        number = max([t.number for t in trainings()], default=0) + 1
        training = Training(number, title, task, method, models, str(out), arguments)
        _write(training)
    poll()
    return training


def settings(out: Path) -> dict[str, Any]:
    """With which size, epochs, seed and device the models in ``out`` were last trained, as :func:`add` takes them.

    As the queue knows it, else as the command in a model's card says it; empty where neither does.
    """
    said: list[str] = next((t.arguments for t in reversed(trainings()) if Path(t.out).resolve() == out.resolve()), [])
    if not said:
        with suppress(OSError, ValueError, KeyError):
            said = shlex.split(json.loads((out / "mlp.json").read_text())["command"])
    kinds: dict[str, Any] = {"size": str, "epochs": int, "seed": int, "device": str}
    given = dict(pairwise(said))
    return {name: kind(given[f"--{name}"]) for name, kind in kinds.items() if f"--{name}" in given}


def trainings() -> list[Training]:
    """All that the queue knows of, the oldest first."""
    found = []
    for path in sorted(_folder().glob("*.json"), key=lambda p: int(p.stem) if p.stem.isdigit() else 0):
        with suppress(OSError, ValueError, TypeError):
            found.append(Training(**json.loads(path.read_text())))
    return found


def printed(training: Training) -> list[dict[str, Any]]:
    """What it has printed so far, one dict a line; a line cut short by a kill is passed over.

    Epochs that were done twice, before and after a kill, are there once.
    """
    rows: dict[tuple[Any, Any], dict[str, Any]] = {}
    with suppress(FileNotFoundError):
        for line in _path(training, "jsonl").read_text().splitlines():
            with suppress(ValueError):
                row = json.loads(line)
                rows[row.get("model"), row.get("epoch") if "epochs" in row else "end"] = row
    return list(rows.values())


def ahead(training: Training) -> int:
    """How many come before it while it waits: what has begun, and what was asked for earlier."""
    if training.state != "waiting":
        return 0
    others = [other for other in trainings() if other.active and other.number != training.number]
    return sum(other.state != "waiting" or other.number < training.number for other in others)


def stop(number: int) -> None:
    """Stop a training; its checkpoint stays. One that waits just stops waiting."""
    with _editing():
        training = _read(number)
        if training.state == "waiting":
            training.state = "stopped"
        elif training.state == "running":
            training.state = "stopping"
            if training.pid and _is_working():
                with suppress(ProcessLookupError):
                    os.kill(training.pid, signal.SIGTERM)
        _write(training)
    poll()


def resume(number: int) -> None:
    """Let a stopped or failed training wait for its turn again."""
    with _editing():
        training = _read(number)
        if not training.active:
            training.state, training.message = "waiting", ""
            _write(training)
    poll()


def remove(number: int) -> None:
    """Forget a training that has ended, with its checkpoints if it did not finish; finished models stay."""
    with _editing():
        training = _read(number)
        if training.active:
            return
        if training.state != "done":
            for model in training.models:
                (Path(training.out) / f"{model}.checkpoint.safetensors").unlink(missing_ok=True)
        for ending in ("json", "jsonl", "err"):
            _path(training, ending).unlink(missing_ok=True)


def poll() -> None:
    """Notice trainings that were killed, and see to it that somebody works while there is work."""
    if not _folder().exists() or _is_working():
        return
    with _editing():
        for training in trainings():
            if training.state in ("running", "stopping"):
                _conclude(training, None)
        waiting = any(t.state == "waiting" for t in trainings())
    if waiting:
        subprocess.Popen(
            [sys.executable, "-m", "app.workers.trainings"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # it goes on when the app ends
        )
        until = time.monotonic() + 5
        while not _is_working() and time.monotonic() < until and any(t.state == "waiting" for t in trainings()):
            time.sleep(0.02)


def main() -> None:
    """Work until nothing waits any more."""
    with _open("lock") as lock:
        until = time.monotonic() + 2
        while not _locked(lock):  # whoever only looks has it for a moment
            if time.monotonic() > until:
                return
            time.sleep(0.01)
        while True:
            with _editing():
                waiting = [t for t in trainings() if t.state == "waiting"]
                if not waiting:
                    return
                process = _start(waiting[0], lock)
            code = process.wait()
            with _editing():
                _conclude(_read(waiting[0].number), code)


def _start(training: Training, lock: IO[bytes]) -> subprocess.Popen:
    left = [Path(training.out) / f"{model}.checkpoint.safetensors" for model in training.models]
    again = bool(training.begun) and (bool(_ended(training)) or any(path.exists() for path in left))
    training.begun.append(len(printed(training)))
    command = [sys.executable, "-m", "ipage_core", "train", *training.arguments, "--json"]
    command += ["--resume"] if again else []
    # Small networks gain nothing from many threads, and a thread too many on a busy machine costs tenfold.
    threads = str(max(1, min(4, (os.cpu_count() or 2) // 2)))
    inherited: dict[str, Any] = {} if os.name == "nt" else {"pass_fds": [lock.fileno()]}
    with open(_path(training, "jsonl"), "ab") as out, open(_path(training, "err"), "wb") as errors:
        out.write(b"\n")  # after a line that a kill cut short
        out.flush()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
            env={"OMP_NUM_THREADS": threads} | os.environ,
            **inherited,
        )
    training.state, training.pid = "running", process.pid
    _write(training)
    return process


def _conclude(training: Training, code: int | None) -> None:
    """How it ended, by what it left behind; ``code`` is None if nobody was there to see."""
    complaints: list[str] = []
    with suppress(OSError):
        complaints = _path(training, "err").read_text(errors="replace").strip().splitlines()
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
    _write(training)


def _ended(training: Training) -> set[str]:
    """Its models that are trained and kept."""
    return {row["model"] for row in printed(training) if "epochs" not in row}


def _folder() -> Path:
    return home() / "queue"


def _path(training: Training, ending: str) -> Path:
    return _folder() / f"{training.number}.{ending}"


def _read(number: int) -> Training:
    return Training(**json.loads((_folder() / f"{number}.json").read_text()))


def _write(training: Training) -> None:
    with replacing(_path(training, "json")) as beside:
        beside.write_text(json.dumps(asdict(training), ensure_ascii=False))


def _open(name: str) -> IO[bytes]:
    _folder().mkdir(parents=True, exist_ok=True)
    return open(_folder() / name, "ab")


@contextmanager
def _editing() -> Iterator[None]:
    """One at a time reads and writes how trainings stand."""
    with _open("editing") as file:
        until = time.monotonic() + 10
        while not _locked(file) and time.monotonic() < until:
            time.sleep(0.01)
        yield


def _is_working() -> bool:
    if not (_folder() / "lock").exists():
        return False
    with _open("lock") as file:
        return not _locked(file)


def _locked(file: IO[bytes]) -> bool:
    """Take the lock; it is given back when the file is closed by all who hold it. False: somebody else has it."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
