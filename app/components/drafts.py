"""Input that is still being typed: an error appears under its field, and the page keeps the last valid value."""

from __future__ import annotations

from typing import TypeVar

import streamlit as st

from app.components.words import plain
from ipage_core.problem import constraints
from ipage_core.problem.task import Task

T = TypeVar("T")


def accepted(key: str, value: T, wrong: str) -> T | None:
    """``value`` if nothing is ``wrong`` with it; else the error and the last accepted value, or None if there is none.

    If a link brings a wrong value, there is no last accepted value and nothing to show.
    """
    if not wrong:
        st.session_state[f"accepted-{key}"] = value
        return value
    st.error(plain(wrong), icon=":material/error:")
    last: T | None = st.session_state.get(f"accepted-{key}")
    return last


def unreadable(task: Task, written: tuple[str, ...]) -> str:
    """Why the constraints cannot be parsed, or nothing."""
    try:
        constraints.parse(task, written)
    except ValueError as error:
        return str(error)
    return ""


def misread(task: Task, text: str) -> tuple[tuple[float, ...], str]:
    """The design in the text, or the reason why it is not one."""
    if not text.strip():
        return (), ""
    try:
        return task.parse_design(text), ""
    except ValueError as error:
        return (), str(error)
