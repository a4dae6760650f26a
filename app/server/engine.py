"""Warms the engine up while the browser loads the page, because importing torch takes longer than all the rest."""

from __future__ import annotations

import ctypes
import gc
import logging
import sys
from threading import Thread
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from ipage_core.problem.request import DesignRequest

M_ARENA_MAX = -8  # malloc.h of glibc
_warming: Thread | None = None


def share_memory() -> None:
    """Let all threads share two heaps; call before threads exist. No effect if the C library is not glibc.

    glibc gives each thread its own heap, and each page's run is a thread: with thirty visitors, sixteen heaps became
    fragmented, and the server's memory grew as long as they stayed.
    """
    if sys.platform == "linux":
        getattr(ctypes.CDLL(None), "mallopt", lambda *_: 0)(M_ARENA_MAX, 2)


def start() -> None:
    """Import the engine and run the default design once, while the server starts."""
    global _warming
    _warming = Thread(target=_warm_up, name="engine", daemon=True)
    _warming.start()


def wait() -> None:
    """Return when the engine is warm: two threads that import the same modules at once may see them half loaded.

    Until then a page imports nothing but Streamlit, so that the visitor sees at once that the engine starts.
    """
    # Even if there is nothing to show: a bound widget that moves down the page is cut off from the address.
    place = st.empty()
    if _warming is None or not _warming.is_alive():
        return
    with place.container():
        st.markdown("#### iPage Explorer")
        st.caption("Every design x that achieves a target: Ω(x) = y*")
        with st.spinner("Starting the engine: a few seconds, once for every start of the server …", show_time=True):
            _warming.join()
    place.empty()


def refresh() -> None:
    """Load tasks, rows and models that are new since the start, and resume trainings that were killed."""
    from app.workers import trainings
    from ipage_core import registry as home

    try:
        trainings.poll()
    except OSError as error:  # the disk is full or read-only: pages need neither
        logging.getLogger(__name__).warning("trainings cannot be looked after: %s", error)
    if home.refresh():
        from app.state import inspection, runs, targets

        for cached in (runs.training, targets.data, inspection.prior_reference):
            cached.clear()


def first_request() -> DesignRequest:
    """What Explore designs for a visitor who has chosen nothing."""
    from ipage_core.problem.request import DesignRequest
    from ipage_core.tasks import TASKS

    task = next(iter(TASKS.values()))
    return DesignRequest.of(task, task.default_target, method=task.default_method, n=200)


def _warm_up() -> None:
    gc.disable()  # searches for garbage would take a tenth of the time, and imports leave none
    try:
        import pandas  # noqa: F401
        import torch  # noqa: F401

        from app.components import (  # noqa: F401
            chart,
            choice,
            compare,
            coverage,
            favourites,
            flicker,
            glossary,
            guess,
            inspector,
            latent,
            links,
            localization,
            motion,
            posterior,
            projector,
            share,
            starts,
            widgets,
        )
        from app.state import class_board, runs, targets  # noqa: F401
        from app.tasks import panel_of
        from app.workers import trainings  # noqa: F401

        request = first_request()
        panel_of(request.task.name)
        targets.data(request.task.name)
        runs.of(request)
        chart.dressed({"layout": {}})
    except Exception:  # the page will meet the same error and report it
        logging.getLogger(__name__).warning("the engine could not be warmed up", exc_info=True)
    # Exempt the imported objects from garbage collection, which would scan them repeatedly and delay everyone.
    gc.freeze()
    gc.enable()
