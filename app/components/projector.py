"""Projector mode for a class: only headline, task, figure and controls, in large type; by a button or the key F."""

from __future__ import annotations

import streamlit as st

from app.figures.playback import Size

BARE = """
<style>
[data-testid="stSidebar"], [data-testid="stSidebarCollapsedControl"], [data-testid="stExpandSidebarButton"],
.st-key-ask, [data-testid="stHeader"] { display: none; }
.stMainBlockContainer { padding-top: 1rem; }
.stMain h4 { font-size: 2.2rem; }
.stMain [data-testid="stCaptionContainer"] { font-size: 1.15rem; }
</style>
"""


TAKEN = 232
"""Pixels of the screen above the figure."""


def on() -> bool:
    """Whether projector mode is on."""
    return bool(st.session_state.get("projector"))


def size_of(screen: int) -> Size:
    """Size of the figure on a ``screen`` of this height in pixels: all that headline and controls leave."""
    return Size("large", max(TAKEN + 300, min(screen, 2160)) - TAKEN)


def ask() -> None:
    """The button; hides the rest of the page while it is on."""

    def press() -> None:
        st.session_state.projector = not on()

    st.button(
        "All settings" if on() else "Projector",
        key="project",
        icon=":material/fullscreen_exit:" if on() else ":material/present_to_all:",
        on_click=press,
        shortcut="F",
        width="stretch",
        help="Headline, figure and its controls alone, in large type.",
    )
    if on():
        st.html(BARE)
