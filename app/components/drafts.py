"""What somebody is still typing: a wrong value is answered under its field, and the page goes on with the last one."""

from __future__ import annotations

from typing import TypeVar

import streamlit as st

from app.components.words import plain
from ipage_core.problem import constraints
from ipage_core.problem.task import Task

T = TypeVar("T")


def accepted(key: str, value: T, wrong: str) -> T | None:
    """``value`` if nothing is ``wrong`` with it; else the sentence, and the last value accepted, None if there is none.

    A link may bring a wrong value: then there is no last one, and nothing to show.
    """
    if not wrong:
        st.session_state[f"accepted-{key}"] = value
        return value
    st.error(plain(wrong), icon=":material/error:")
    last: T | None = st.session_state.get(f"accepted-{key}")
    return last


def unreadable(task: Task, written: tuple[str, ...]) -> str:
    """Why constraints cannot be read, or nothing."""
    try:
        constraints.parse(task, written)
    except ValueError as error:
        return str(error)
    return ""


def misread(task: Task, text: str) -> tuple[tuple[float, ...], str]:
    """The design that a text names, or why it names none."""
    if not text.strip():
        return (), ""
    try:
        return task.parse_design(text), ""
    except ValueError as error:
        return (), str(error)
