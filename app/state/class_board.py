"""The class at a glance: the latest choice and result of each visitor, kept in this server's memory only."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from itertools import count
from threading import Lock

import pandas as pd
import streamlit as st

from app.figures.run import Run
from ipage_core.problem.request import SAMPLINGS, DesignRequest
from ipage_core.tasks import TASKS

MOST = 300
"""Visitors that are remembered."""


@dataclass(frozen=True)
class Entry:
    """One visitor's latest result."""

    task: str
    target: str
    sampling: str
    n: int
    method: str
    verified: int
    hits: int
    loops: int | None
    """Number of loops found; None if the target has none."""
    view: str
    at: float
    loops_of: int = 0
    """Number of loops that there are."""


class Board:
    """The latest entry of each visitor, and their best guess by hand; safe for threads."""

    def __init__(self) -> None:
        self._lock, self._numbers = Lock(), count(1)
        self._entries: OrderedDict[int, Entry] = OrderedDict()
        self._guesses: dict[int, dict[str, float]] = {}

    def number(self) -> int:
        """A new visitor's number."""
        with self._lock:
            return next(self._numbers)

    def post(self, visitor: int, entry: Entry) -> None:
        with self._lock:
            self._entries[visitor] = entry
            self._entries.move_to_end(visitor)
            while len(self._entries) > MOST:
                gone, _ = self._entries.popitem(last=False)
                self._guesses.pop(gone, None)

    def guess(self, visitor: int, about: str, error: float) -> None:
        """The error of a guess by hand; the smallest counts."""
        with self._lock:
            best = self._guesses.setdefault(visitor, {})
            best[about] = min(error, best.get(about, error))

    def table(self, now: float) -> pd.DataFrame:
        """One row per visitor, the latest first."""
        with self._lock:
            entries, guesses = list(self._entries.items()), {k: dict(v) for k, v in self._guesses.items()}
        rows = []
        for visitor, one in reversed(entries):
            rows.append(
                {
                    "visitor": visitor,
                    "task": one.task,
                    "target": one.target,
                    "sampling": one.sampling,
                    "N": one.n,
                    "method": one.method,
                    "hits": f"{one.hits} / {one.verified}" if one.verified else "not verified",
                    "loops": one.loops,
                    "loops of": one.loops_of,
                    "best guess, off by": guesses.get(visitor, {}).get(f"{one.task} {one.target}"),
                    "looks at": one.view,
                    "ago [s]": round(now - one.at),
                }
            )
        frame = pd.DataFrame(rows)
        return frame.astype({"loops": "Int64", "best guess, off by": float}) if len(frame) else frame


@st.cache_resource(show_spinner=False)
def board() -> Board:
    """This server's board."""
    return Board()


def visitor() -> int:
    """This session's number."""
    if "visitor" not in st.session_state:
        st.session_state.visitor = board().number()
    return int(st.session_state.visitor)


def post(request: DesignRequest, run: Run, target: str, view: str) -> None:
    """Put this session's result on the board."""
    board().post(
        visitor(),
        Entry(
            TASKS[run.task].title,
            target,
            SAMPLINGS[request.sampling],
            run.n,
            run.method,
            int(run.verified.sum()),
            int(run.hit.sum()),
            run.modes_found if run.n_modes else None,
            view,
            time.time(),
            run.n_modes,
        ),
    )
