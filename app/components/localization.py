"""Watch: samples move from where they were proposed onto exact solutions."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.components.chart import chart
from app.components.choice import CONFIG, ask_plane, chosen_sample, clicked
from app.figures.coordinates import coordinates
from app.figures.playback import Size
from app.figures.run import Run
from app.figures.theme import Dict

Draw = Callable[..., Dict]
"""(run, dark, size, chosen sample) → the animated figure; where any plane can be drawn, its ``pair`` as well."""


def show(run: Run, draw: Draw, text: str, any_plane: bool, dark: bool, size: Size) -> None:
    """The animation, and what to see in it; a click on a sample chooses it. ``any_plane``: one may choose two axes."""
    more, labels = {}, list(coordinates(run).labels)
    if any_plane and len(labels) > 2:
        pair = ask_plane(labels, (0, 1), st.columns([1, 1, 1.6]))
        if pair[0] == pair[1]:
            return
        more["pair"] = pair
    chart(
        draw(run, dark, size, chosen_sample(run), **more),
        key="animation",
        on_select=lambda: clicked("animation"),
        selection_mode="points",
        config=CONFIG | {"displayModeBar": "hover" if not size.narrow else False},  # it would cover the buttons
    )
    st.caption(text)
