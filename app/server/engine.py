"""The engine is warmed up while the browser still loads the page: importing torch takes longer than anything else."""

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
    """Let threads share two heaps, before there are threads; where the C library is not glibc, nothing.

    glibc gives each thread a heap of its own, and each page's run is a thread: thirty visitors left holes in sixteen of
    them, and the server's memory grew for as long as they stayed.
    """
    if sys.platform == "linux":
        getattr(ctypes.CDLL(None), "mallopt", lambda *_: 0)(M_ARENA_MAX, 2)


def start() -> None:
    """Import the engine and run the default design once, beside the server's own start."""
    global _warming
    _warming = Thread(target=_warm_up, name="engine", daemon=True)
    _warming.start()


def wait() -> None:
    """Return when the engine is warm: two threads that import the same modules at once may see half of them.

    The empty chart lets the browser fetch and compile Plotly meanwhile, which is the longest part of its work.
    """
    if _warming is None or not _warming.is_alive():
        return
    import pandas  # noqa: F401  Plotly would use the half of it that the other thread has imported so far

    place = st.empty()
    with place.container():
        st.markdown("#### iPage Explorer")
        st.caption("Every design x that achieves a target: Ω(x) = y*")
        with st.spinner("Starting the engine: a few seconds, once for every start of the server …"):
            st.plotly_chart(EMPTY, key="empty")
            _warming.join()
    place.empty()


def refresh() -> None:
    """Take in the tasks, rows and models that have been made since; trainings that were killed go on."""
    from app.workers import trainings
    from ipage_core import registry as home

    try:
        trainings.poll()
    except OSError as error:  # a full disk, or one that is read-only: pages need neither
        logging.getLogger(__name__).warning("trainings cannot be looked after: %s", error)
    if home.refresh():
        from app.state import inspection, runs, targets

        for cached in (runs.training, targets.data, inspection.prior_reference):
            cached.clear()


def _warm_up() -> None:
    try:
        import torch  # and nothing of Plotly, which the waiting page imports at the same time

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
    except Exception:  # the page will meet the same trouble and say it
        logging.getLogger(__name__).warning("the engine could not be warmed up", exc_info=True)
    # What has been imported stays, so it need not be searched for garbage again and again while everybody waits.
    gc.collect()
    gc.freeze()
