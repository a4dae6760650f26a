"""The forward operator Ω in words, as a formula, and as a sketch."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import streamlit as st

from app.components.words import plain
from app.figures.theme import palette
from ipage_core.problem.task import Task

MOST = 8
"""Tasks with more coordinates are described by their number."""


def show(task: Task, formula: str, sketch: str) -> None:
    """What goes in, what comes out, the formula or sentence, and the sketch (SVG)."""
    names = ", ".join(task.x_labels) if task.d <= MOST else f"{task.d} numbers"
    gives = "; ".join(task.property_labels[: task.n_targets])
    its = "property is" if task.n_targets == 1 else "properties are"
    st.markdown(plain(f"A design x is: {names}. Its {its}: {gives}."))
    if formula.endswith("."):
        st.markdown(formula)
    elif formula:
        st.latex(formula)
    if sketch:
        source = base64.b64encode(sketch.encode()).decode()
        st.html(
            f"<img alt='Sketch of Ω' style='width: 22rem; max-width: 100%' src='data:image/svg+xml;base64,{source}'>"
        )
    if task.omega is None:
        st.caption("There is no Ω for these data: the networks learned from the table alone.")
    if task.source:
        st.caption(plain(f"Source: {task.source}."))


def drawing(width: int, height: int, dark: bool, parts: Sequence[str]) -> str:
    """An SVG of these parts; {prior}, {localized}, {target} and {text} in them become the colours of the figures."""
    colors = palette(dark)
    body = "".join(parts)
    for name in ("prior", "localized", "target", "posterior", "text"):
        body = body.replace("{" + name + "}", getattr(colors, name))
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' font-family='sans-serif' "
        f"font-size='15' fill='none' stroke-linecap='round' stroke-linejoin='round'>{body}</svg>"
    )


def label(x: float, y: float, text: str, color: str = "{text}") -> str:
    """Text at a point of a drawing."""
    return f"<text x='{x:g}' y='{y:g}' fill='{color}'>{text}</text>"
