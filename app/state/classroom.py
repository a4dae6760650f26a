"""Classroom mode: IPAGE_CLASSROOM=1 switches off training and uploads, and limits each visitor's work."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence

import streamlit as st

MOST = 200
"""Maximum number of designs, unless the task's form sets another."""
DFT = 3
"""Number of crystals that a visitor may verify by DFT."""


@functools.cache
def on() -> bool:
    """Whether the server was started for a class; read once."""
    return os.environ.get("IPAGE_CLASSROOM", "") not in ("", "0")


def within(counts: Sequence[int], most: int) -> list[int]:
    """The allowed numbers of designs: in a class at most ``most``."""
    return [count for count in counts if count <= most or not on()]


def closed(what: str) -> None:
    """Where ``what`` is switched off: show a message and end the page."""
    if on():
        text = f"{what} is switched off in this classroom, so that the machine serves everyone."
        st.info(text, icon=":material/school:")
        st.stop()


def note(text: str) -> None:
    """In a class, a sentence about a limit."""
    if on():
        st.caption(f":material/school: {text}")


def dft_left() -> int:
    """Number of crystals that this visitor may still verify; a large number if classroom mode is off."""
    return max(0, DFT - st.session_state.get("dft_asked", 0)) if on() else 10**6
