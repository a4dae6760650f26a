"""Runs long work in this process, on local cores, or on an existing Dask scheduler.

A run is an importable function, items ``(key, argument)``, and a journal: a file with one line of JSON for each
finished item, ``{"key", "result"}``, synced to disk. A run that starts again with the same journal does only the
missing items. If a worker is killed, another one takes over its item. If a run is killed, only the items in flight are
lost. The journal never holds a key twice.

Local cores use own processes, not ``distributed.LocalCluster``: pages start a run for every check, and two workers of
LocalCluster took 2.2 s of CPU to start, these 0.1 s. Neither leaves a process behind when the run is killed.
"""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO, Any, NamedTuple

from filelock import FileLock, Timeout

from ipage_core.runtime.files import check_writable

Result = dict[str, Any]
Work = Callable[[Any], Result]
Item = tuple[str, Any]
Finished = Generator[tuple[str, Result] | None]
"""Yields each item when it finishes, or None at least every ``TICK`` seconds."""

TICK = 0.5
ATTEMPTS = 3
"""A run fails if one item loses this many workers."""


class Progress(NamedTuple):
    """State of a run, passed to ``progress`` at the start and after every item."""

    done: int
    total: int
    eta_seconds: float | None
    """Estimated from this run's pace; None before its first item."""
    key: str | None
    """The item that has just finished; None at the start."""
    result: Result | None


class WorkerLost(ValueError):
    """One item killed every worker that tried it. The message is one sentence for the user."""


def _lost(what: str, code: int) -> WorkerLost:
    """The error about an item whose last worker ended with an exit code, negative for a signal."""
    how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    how = "killed, as when the memory is full" if code == -signal.SIGKILL else how
    return WorkerLost(f"{what} lost {ATTEMPTS} workers ({how}); accepted: fewer workers, or more memory")


class Apart:
    """A function in a process of its own, which starts at the first call and stays. Calls run one after the other.

    For work that would keep this process's Python lock: other threads go on meanwhile. ``work`` is a top-level function
    of an importable module; argument and result are pickled.
    """

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self._work = work
        self._turn = threading.Lock()
        self._worker: tuple[BaseProcess, Connection] | None = None

    def __call__(self, argument: Any) -> Any:
        """The result of the work.

        Raises:
            WorkerLost: the argument killed every worker that tried it.
            Exception: an error of the work.
        """
        with self._turn:
            for _ in range(ATTEMPTS):
                self._worker = process, pipe = self._worker or _hire(self._work)
                try:
                    pipe.send(("", argument))
                    error, trace, result = pipe.recv()
                except (EOFError, OSError):
                    pipe.close()
                    process.join()
                    self._worker = None
                    continue
                if error is not None:
                    error.add_note(f"In a worker:\n{trace}")
                    raise error
                return result
        raise _lost("The work", process.exitcode or 0)


def run(
    work: Work,
    items: Iterable[Item],
    journal: Path | None,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    progress: Callable[[Progress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> dict[str, Result]:
    """Compute ``work(argument)`` for all items. → results by key, in the order of the items.

    Args:
        work: top-level function of an importable module; its result must survive JSON.
        items: pairs of a key and an argument; keys differ, and name everything that the result depends on.
        journal: file for finished items; None: memory only.
        workers: 0: this process; n ≥ 1: n fresh processes with one BLAS thread each.
        scheduler: address of a Dask scheduler, ``tcp://host:8786``; overrides ``workers``. Its workers need
            this package installed, but no common file system.
        progress: called in this process.
        cancel: called at least twice a second (after every item if ``workers`` is 0); if true, items in flight
            are dropped and the finished results are returned.

    Raises:
        ValueError: two items share a key, the journal is damaged or in use, or no scheduler answers.
        WorkerLost: an item was lost with its worker three times.
        Exception: an error of ``work`` ends the run; finished items stay in the journal.
    """
    wanted: dict[str, Any] = {}
    for key, argument in items:
        if key in wanted:
            raise ValueError(f"Two items have the key '{key}'.")
        wanted[key] = argument
    with _opened(journal, wanted) as (results, file):
        left = [item for item in wanted.items() if item[0] not in results]
        begun, before = time.monotonic(), len(results)

        def report(key: str | None = None) -> None:
            if progress is None:
                return
            new = len(results) - before
            pace = (time.monotonic() - begun) / new if new else None
            eta = None if pace is None else pace * (len(wanted) - len(results))
            progress(Progress(len(results), len(wanted), eta, key, results[key] if key else None))

        report()
        with closing(_place(work, left, workers, scheduler)) as finished:
            for one in finished:
                if one is not None:
                    line = json.dumps({"key": one[0], "result": one[1]})
                    _append(file, line)
                    # Through JSON and back, so that a resumed run returns the same as an uninterrupted one.
                    results[one[0]] = json.loads(line)["result"]
                    report(one[0])
                if cancel is not None and cancel():
                    break
    return {key: results[key] for key in wanted if key in results}


def _place(work: Work, items: list[Item], workers: int, scheduler: str | None) -> Finished:
    if not items:
        return _here(work, items)
    if scheduler is not None:
        return _on_dask(work, items, scheduler)
    return _on_cores(work, items, workers) if workers else _here(work, items)


def _here(work: Work, items: list[Item]) -> Finished:
    for key, argument in items:
        yield key, work(argument)


def _on_cores(work: Work, items: list[Item], workers: int) -> Finished:
    # concurrent.futures would not do: one killed worker breaks its pool and loses every item in flight.
    waiting, lost = deque(items), Counter[str]()
    crew: dict[Connection, tuple[BaseProcess, Item]] = {}
    try:
        while waiting or crew:
            while waiting and len(crew) < workers:
                process, pipe = _hire(work)
                crew[pipe] = process, waiting.popleft()
                _hand(pipe, crew[pipe][1])
            ready = set(wait(list(crew), timeout=TICK))
            if not ready:
                yield None
            for pipe in [pipe for pipe in crew if pipe in ready]:
                process, item = crew.pop(pipe)
                try:
                    error, trace, result = pipe.recv()
                except (EOFError, OSError):
                    pipe.close()
                    process.join()
                    lost[item[0]] += 1
                    if lost[item[0]] == ATTEMPTS:
                        raise _lost(f"Item '{item[0]}'", process.exitcode or 0) from None
                    waiting.append(item)
                    continue
                if waiting and error is None:
                    crew[pipe] = process, waiting.popleft()
                    _hand(pipe, crew[pipe][1])
                else:
                    pipe.close()
                if error is not None:
                    error.add_note(f"In a worker, at item '{item[0]}':\n{trace}")
                    raise error
                yield item[0], result
    finally:
        for process, _ in crew.values():
            process.terminate()
        for process, _ in crew.values():
            process.join()


_STARTING = threading.Lock()
"""A start changes variables of the whole process for a moment."""


def _hire(work: Callable[[Any], Any]) -> tuple[BaseProcess, Connection]:
    """Start a fresh process that serves one end of a pipe. → the process and the other end."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    # Pickled, because its imports take seconds, in which the worker would not notice the end of this process.
    pickled = pickle.dumps(work)
    process = context.Process(target=_serve, args=(theirs, pickled), daemon=True)
    with _STARTING, _one_thread(), _no_ctrl_c(), nullcontext() if b"__main__" in pickled else _without_main():
        process.start()
    theirs.close()  # otherwise the pipe stays open when the process ends
    return process, ours


def _hand(pipe: Connection, item: Item) -> None:
    with suppress(OSError):  # a dead worker is noticed when its result is read
        pipe.send(item)


@contextmanager
def _one_thread() -> Iterator[None]:
    """BLAS and OpenMP read these variables when a process starts."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _no_ctrl_c() -> Iterator[None]:
    """Ctrl-C, which reaches all processes, waits here, and passes over a process that starts in the block.

    The new one would end with a traceback before :func:`_serve` ignores the signal, or if it got half of its work.
    """
    pressed: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    if waits := threading.current_thread() is threading.main_thread() and before is not None:
        signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    if blocks := hasattr(signal, "pthread_sigmask"):  # a process that starts inherits this
        resource_tracker.ensure_running()  # otherwise the first process starts it, which lets Ctrl-C pass again
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if blocks:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if waits:
            signal.signal(signal.SIGINT, before)
        if pressed:
            signal.raise_signal(signal.SIGINT)


@contextmanager
def _without_main() -> Iterator[None]:
    """A worker does not import the script of this process, so the script needs no ``if __name__ == "__main__"``."""
    main = sys.modules["__main__"]
    before: dict[str, Any] = {n: main.__dict__.pop(n) for n in ("__spec__", "__file__") if n in main.__dict__}
    main.__spec__ = None
    try:
        yield
    finally:
        main.__dict__.update(before)


def _serve(pipe: Connection, pickled: bytes) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the run ends its workers
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # for the programs that the work starts
    threading.Thread(target=_end_with_parent, daemon=True).start()
    work: Callable[[Any], Any] = pickle.loads(pickled)
    with suppress(EOFError, OSError):  # the run has ended
        while True:
            _, argument = pipe.recv()
            try:
                answer: tuple[Exception | None, str, Any] = (None, "", work(argument))
            except Exception as error:
                answer = (_portable(error), traceback.format_exc(), None)
            pipe.send(answer)


def _end_with_parent() -> None:
    """End this worker when the run ends, by SIGKILL too: otherwise it would finish its item in vain."""
    if (parent := multiprocessing.parent_process()) is not None:
        wait([parent.sentinel])
        os._exit(1)


def _portable(error: Exception) -> Exception:
    """The error itself if it can be pickled, otherwise a RuntimeError with its message."""
    try:
        return pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")


def _on_dask(work: Work, items: list[Item], scheduler: str) -> Finished:
    import distributed

    try:
        client = distributed.Client(scheduler, timeout=10, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"No Dask scheduler answers at {scheduler} ({error}).") from None
    waiting, lost = deque(items), Counter[str]()
    flying: dict[Any, Item] = {}
    with client:
        try:
            client.wait_for_workers(1, timeout=60)
        except TimeoutError:
            raise ValueError(f"The Dask scheduler at {scheduler} has no workers.") from None
        while waiting or flying:
            # Two items per thread keep the workers busy; more would fill memory. Workers may come and go.
            window = max(2, 2 * sum(client.nthreads().values()))
            while waiting and len(flying) < window:
                item = waiting.popleft()
                flying[client.submit(work, item[1], pure=False)] = item
            try:
                with client.as_current():
                    landed = distributed.wait(list(flying), timeout=TICK, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                yield None
                continue
            for future in landed:
                item = flying.pop(future)
                try:
                    result = future.result()
                except (distributed.KilledWorker, distributed.CancelledError):
                    lost[item[0]] += 1
                    if lost[item[0]] == ATTEMPTS:
                        raise WorkerLost(f"Item '{item[0]}' lost its Dask workers {ATTEMPTS} times.") from None
                    waiting.append(item)
                    continue
                finally:
                    future.release()
                yield item[0], result


@contextmanager
def _opened(journal: Path | None, wanted: dict[str, Any]) -> Iterator[tuple[dict[str, Result], IO[bytes] | None]]:
    """Open and lock a journal. → its results for the wanted keys, and the file, ready to append."""
    if journal is None:
        yield {}, None
        return
    check_writable(journal)  # the lock of a file that cannot be written never comes
    try:
        lock = FileLock(journal.with_name(f".{journal.name}.lock")).acquire(blocking=False)
    except Timeout:
        raise ValueError(f"Another run is writing {journal}.") from None
    with lock, journal.open("a+b") as file:
        yield {key: result for key, result in _recovered(file, journal) if key in wanted}, file


def _recovered(file: IO[bytes], journal: Path) -> Iterator[tuple[str, Result]]:
    """Read the lines of a journal. A last line that a kill cut short is removed; its item runs again."""
    file.seek(0)
    whole = 0
    for number, line in enumerate(file, 1):
        if not line.endswith(b"\n"):
            file.truncate(whole)
            return
        try:
            record = json.loads(line)
            yield record["key"], record["result"]
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"{journal}, line {number} is damaged: remove that line to continue without it.") from None
        whole += len(line)


def _append(file: IO[bytes] | None, line: str) -> None:
    """Write without Python's buffer, which would write again on closing and hide the error raised here."""
    if file is None:
        return
    try:
        whole = line.encode() + b"\n"
        if os.write(file.fileno(), whole) < len(whole):
            raise OSError(errno.ENOSPC, "the disk is full")
        os.fsync(file.fileno())
    except OSError as error:
        raise OSError(f"{file.name}: {error.strerror}; finished items are safe, run again to continue") from None
