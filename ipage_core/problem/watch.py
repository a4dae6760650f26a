"""Callbacks that follow a slow Ω and may stop it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ipage_core.runtime.executor import Progress


class Watch(NamedTuple):
    """Callbacks of a slow Ω: ``progress`` is called with each result, ``cancel`` returns whether to stop."""

    progress: Callable[[Progress], None] | None = None
    cancel: Callable[[], bool] | None = None


_WATCH: ContextVar[Watch] = ContextVar("watch")


@contextmanager
def watching(
    progress: Callable[[Progress], None] | None = None, cancel: Callable[[], bool] | None = None
) -> Iterator[None]:
    """Within this block, a slow Ω calls ``progress`` with each result and stops if ``cancel()`` is true."""
    token = _WATCH.set(Watch(progress, cancel))
    try:
        yield
    finally:
        _WATCH.reset(token)


def watched() -> Watch:
    """The callbacks of the enclosing :func:`watching` block, for Ω to call."""
    return _WATCH.get(Watch())
