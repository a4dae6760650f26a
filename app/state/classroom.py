"""A class on one laptop: IPAGE_CLASSROOM=1 switches off training and uploads, and bounds each visitor's work."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence

import streamlit as st

MOST = 200
"""Designs at once, unless the task's form says otherwise."""
DFT = 3
"""Crystals that a visitor may have verified by DFT."""


@functools.cache
def on() -> bool:
    """Whether the server was started for a class; read once."""
    return os.environ.get("IPAGE_CLASSROOM", "") not in ("", "0")


def within(counts: Sequence[int], most: int) -> list[int]:
    """Of the numbers of designs, those that are allowed: in a class at most ``most``."""
    return [count for count in counts if count <= most or not on()]


def closed(what: str) -> None:
    """Where ``what`` is switched off, a sentence in place of the rest of the page."""
    if on():
        text = f"{what} is switched off in this classroom, so that the machine serves everyone."
        st.info(text, icon=":material/school:")
        st.stop()


def note(text: str) -> None:
    """A sentence about a limit, in a class."""
    if on():
        st.caption(f":material/school: {text}")


def dft_left() -> int:
    """Crystals that this visitor may still have verified; many where no class is on."""
    return max(0, DFT - st.session_state.get("dft_asked", 0)) if on() else 10**6
