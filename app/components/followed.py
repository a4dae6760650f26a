"""Work that a page waits for: it shows how far it is, and Stop, or any change on the page, ends it."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event
from typing import TypeVar

import streamlit as st

from ipage_core.problem.watch import watching

QUICK = 0.7
"""Seconds before anything is shown: most work is done by then."""
POLL = 0.25
"""Seconds between looks at the work."""
T = TypeVar("T")


class Stopped(Exception):
    """The visitor has stopped the work, or asked for something else."""


def followed(work: Callable[[], T], text: str, key: str, about: Hashable) -> T | None:
    """The result of ``work``; None, with a button to start again, if the visitor has stopped it.

    The work runs in a thread, because a cached function may not draw. ``text`` says what it does; ``key`` is the
    place on the page, ``about`` what is asked there.
    """
    stops: dict[str, Hashable] = st.session_state.setdefault("stops", {})

    def press() -> None:
        stops[key] = None if stops.get(key) == about else about

    if stops.get(key) == about:
        note, button = st.columns([4, 1], vertical_alignment="center")
        note.info("Stopped before it was complete. Change a setting, or start it again.", icon=":material/stop_circle:")
        button.button("Start again", key=f"again-{key}", on_click=press, icon=":material/replay:", width="stretch")
        return None
    place, began, ended, state = st.empty(), time.monotonic(), Event(), [(0.0, "")]

    def tell(unit: str, done: int, total: int) -> None:
        if ended.is_set():
            raise Stopped
        state[0] = (min(done / max(total, 1), 1.0), f"{done} of {total} {unit}, ")

    def cancel() -> bool:
        if ended.is_set():  # an end with half of the results would be kept as the result
            raise Stopped
        return False

    def inside() -> T:
        with watching(lambda p: tell("true evaluations", p.done, p.total), cancel, step=tell):
            return work()

    pool = ThreadPoolExecutor(1)
    try:
        task = pool.submit(inside)
        wait([task], QUICK)
        if not task.done():
            with place.container():
                left, right = st.columns([4, 1], vertical_alignment="center")
                right.button("Stop", key=f"stop-{key}", on_click=press, icon=":material/stop:", width="stretch")
                bar = left.empty()
        while not task.done():
            share, said = state[0]
            bar.progress(share, f"{text} {said}{time.monotonic() - began:.0f} s")
            wait([task], POLL)
        place.empty()
        return task.result()
    finally:
        ended.set()
        pool.shutdown(wait=False)
