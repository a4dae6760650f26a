"""Callbacks that follow a slow Ω and may stop it, and where it runs."""

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


_WATCH: ContextVar[Watch] = ContextVar("watch")


@contextmanager
def watching(
    progress: Callable[[Progress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
    source: str = "",
    workers: int | None = None,
    scheduler: str | None = None,
    kept: Callable[[int], None] | None = None,
) -> Iterator[None]:
    """Within this block, a slow Ω calls ``progress`` with each result, stops if ``cancel()`` is true, runs as said."""
    token = _WATCH.set(Watch(progress, cancel, source, workers, scheduler, kept))
    try:
        yield
    finally:
        _WATCH.reset(token)


def watched() -> Watch:
    """The callbacks of the enclosing :func:`watching` block, for Ω to call."""
    return _WATCH.get(Watch())
