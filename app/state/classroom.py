"""A class on one laptop: IPAGE_CLASSROOM=1 switches off training and uploads, and bounds each visitor's work."""

from __future__ import annotations

import functools
import os

import streamlit as st

MOST, MOST_CELLS = 200, 16
"""Designs at once; of cells, each of which finite elements check."""
DFT = 3
"""Crystals that a visitor may have verified by DFT."""
FEM_EVALUATIONS = 2
"""True evaluations by finite elements that a cell may cost for its correction."""


@functools.cache
def on() -> bool:
    """Whether the server was started for a class; asked once."""
    return os.environ.get("IPAGE_CLASSROOM", "") not in ("", "0")


def most(task: str) -> int:
    """Designs that one may ask for at once, in a class."""
    return MOST_CELLS if task == "architecture" else MOST


def within(counts: list[int], task: str) -> list[int]:
    """Of the numbers of designs, those that may be asked for."""
    return [count for count in counts if count <= most(task)] if on() else counts


def closed(what: str) -> None:
    """Where ``what`` is switched off, a sentence in place of the rest of the page."""
    if on():
        told = f"{what} is switched off in this classroom, so that the machine serves everyone."
        st.info(told, icon=":material/school:")
        st.stop()


def told(text: str) -> None:
    """A sentence about a limit, in a class."""
    if on():
        st.caption(f":material/school: {text}")


def dft_left() -> int:
    """Crystals that this visitor may still have verified; many where no class is on."""
    return max(0, DFT - st.session_state.get("dft_asked", 0)) if on() else 10**6
