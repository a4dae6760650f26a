"""Callbacks that follow a slow Ω or a long search and may stop it, and where Ω runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ipage_core.runtime.executor import Progress


class Watch(NamedTuple):
    """How a slow Ω runs: ``progress`` is called with each result, ``cancel`` returns whether to stop."""

    progress: Callable[[Progress], None] | None = None
    cancel: Callable[[], bool] | None = None
    source: str = ""
    """What evaluates the designs, such as a command's name; it is kept beside results that are kept."""
    workers: int | None = None
    """Processes that Ω may use; None: its own choice."""
    scheduler: str | None = None
    """A Dask scheduler for Ω; None: its own choice."""
    kept: Callable[[int], None] | None = None
    """Called with the number of designs that are not evaluated again, because their results are kept."""
    step: Callable[[str, int, int], None] | None = None
    """Called during a long search in this process: the unit's name, how many are done, and of how many."""


_WATCH: ContextVar[Watch] = ContextVar("watch")


@contextmanager
def watching(
    progress: Callable[[Progress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
    source: str = "",
    workers: int | None = None,
    scheduler: str | None = None,
    kept: Callable[[int], None] | None = None,
    step: Callable[[str, int, int], None] | None = None,
) -> Iterator[None]:
    """Within this block, a slow Ω calls ``progress`` with each result, stops if ``cancel()`` is true, runs as said."""
    token = _WATCH.set(Watch(progress, cancel, source, workers, scheduler, kept, step))
    try:
        yield
    finally:
        _WATCH.reset(token)


def watched() -> Watch:
    """The callbacks of the enclosing :func:`watching` block, for Ω to call."""
    return _WATCH.get(Watch())


def tell(unit: str, done: int, total: int) -> None:
    """Pass the state of a long search to the enclosing block; an error raised there ends the search."""
    if (step := watched().step) is not None:
        step(unit, done, total)
