"""The animation: samples move from their proposals to exact solutions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from app.components.chart import chart
from app.components.choice import CONFIG, ask_plane, chosen_sample, clicked
from app.figures.coordinates import coordinates
from app.figures.playback import Size
from app.figures.run import Run
from app.figures.theme import Dict

Draw = Callable[..., Dict]
"""(run, dark, size, chosen sample) → the animated figure; with a keyword ``pair`` if it can draw any plane."""


def show(run: Run, draw: Draw, text: str, any_plane: bool, dark: bool, size: Size) -> None:
    """The animation and its caption; a click on a sample chooses it. ``any_plane``: the user can choose two axes."""
    more: dict[str, Any] = {}
    labels = list(coordinates(run).labels) if any_plane else []
    if len(labels) > 2:
        pair = ask_plane(labels, (0, 1), st.columns([1, 1, 1.6]))
        if pair[0] == pair[1]:
            return
        more["pair"] = pair
    chart(
        draw(run, dark, size, chosen_sample(run), **more),
        key="animation",
        on_select=lambda: clicked("animation"),
        selection_mode="points",
        config=CONFIG | {"displayModeBar": "hover" if not size.narrow else False},  # the toolbar would hide the buttons
    )
    st.caption(text)
