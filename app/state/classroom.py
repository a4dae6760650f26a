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
    return max(0, DFT - st.session_state.get("dft_requested", 0)) if on() else 10**6


def at_this_machine() -> bool:
    """Whether the visitor sits at the server's machine, or IPAGE_COMMANDS=1 lets every visitor run programs on it.

    The server's own address decides, because a browser's can be forged.
    """
    if os.environ.get("IPAGE_COMMANDS", "") not in ("", "0"):
        return True
    behind_proxy = any(name in st.context.headers for name in ("X-Forwarded-For", "Forwarded", "X-Real-Ip"))
    return st.get_option("server.address") in ("127.0.0.1", "localhost", "::1") and not behind_proxy
