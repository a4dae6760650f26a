"""Warms the engine up while the browser loads the page, because importing torch takes longer than all the rest."""

from __future__ import annotations

import ctypes
import gc
import logging
import sys
from threading import Thread

import streamlit as st

EMPTY = {
    "data": [{"type": "scatter"}],
    "layout": {"height": 600, "xaxis": {"visible": False}, "yaxis": {"visible": False}},
}
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

    Meanwhile an empty chart lets the browser fetch and compile Plotly, which is the longest part of its work.
    """
    # Even if there is nothing to show: a bound widget that moves down the page is cut off from the address.
    place = st.empty()
    if _warming is None or not _warming.is_alive():
        return
    import pandas  # noqa: F401  Plotly would use the half of it that the other thread has imported so far

    with place.container():
        st.markdown("#### iPage Explorer")
        st.caption("Every design x that achieves a target: Ω(x) = y*")
        with st.spinner("Starting the engine: a few seconds, once for every start of the server …"):
            st.plotly_chart(EMPTY, key="empty")
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


def _warm_up() -> None:
    try:
        import torch  # without Plotly, which the waiting page imports at the same time

        from app.components import (  # noqa: F401
            compare,
            inspector,
            latent,
            posterior,
            share,
            widgets,
        )
        from app.tasks import panel_of
        from ipage_core.inference.methods import load
        from ipage_core.inference.pipeline import design
        from ipage_core.tasks import TASKS

        task = next(iter(TASKS.values()))
        panel_of(task.name)
        target = torch.tensor(task.default_target, dtype=torch.float64)
        design(task, load(task.name, task.default_method), target, 200, sampling="maximin", seed=0)
    except Exception:  # the page will meet the same error and report it
        logging.getLogger(__name__).warning("the engine could not be warmed up", exc_info=True)
    # Exempt the imported objects from garbage collection, which would scan them repeatedly and delay everyone.
    gc.collect()
    gc.freeze()
