"""The request that Explore asks for: the task and its target at the top of the page, the settings in the sidebar."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.components import links
from app.components.back import walking
from app.components.form import Form
from app.components.settings_form import COUNTS, ask_settings
from app.components.target_form import ask_otherwise, ask_target, places_of
from ipage_core.problem.request import DesignRequest
from ipage_core.problem.task import Task
from ipage_core.tasks import TASKS

Forms = Callable[[str], Form]
"""Name of a task → its form; passed in by the page, since this module must not import tasks."""


def ask(forms: Forms) -> DesignRequest:
    """All widgets: target at the top of the page, settings in the sidebar."""
    index = links.task_index(list(TASKS))
    left, right = st.columns([1.15, 3.2], gap="medium", vertical_alignment="top")
    with left:
        task = _ask_task(forms, index)
    form = forms(task.name)
    if why := form.blocked(task.name):
        right.info(why, icon=":material/info:")
        st.stop()
    _begin(form)
    keys = [f"ask{j + 1}" for j in range(task.n_targets)]  # read before their widgets are drawn
    kinds = [st.session_state.get(key, st.query_params.get(key, "exactly")) for key in keys]
    with right:
        y = []
        for j, place in enumerate(places_of(task.n_targets)):
            with place, st.container(key=f"target-{j + 1}"):
                y.append(ask_target(task, j, kinds[j], (form.target or task.default_target)[j], form.natural))
    other = ask_otherwise(task, form, tuple(y))
    with st.sidebar:
        st.markdown("#### iPage Explorer")
        st.caption("Every design x that achieves a target: Ω(x) = y*")
        st.page_link("screens/learn.py", label="First time here? Start with Learn", icon=":material/school:")
        how = ask_settings(task, form)
    if other is None:
        st.stop()
    return DesignRequest(task=task, **other, **how)


def _begin(form: Form) -> None:
    """Set the constraints of the form's default question, unless the link or the visitor has asked another.

    Until one run of the page is complete they are set in every run: the browser may have dropped what an interrupted
    run told it, and would show an empty field.
    """
    if "begun" not in st.session_state:
        own = form.target and {*st.session_state, *st.query_params}.isdisjoint(("y1", "ask1", "constrain", "start"))
        st.session_state.begun = form.constraints if own else None
    if st.session_state.begun is not None:
        st.session_state.constrain = st.session_state.begun


def begun() -> None:
    """Call it when a run of the page is complete; see :func:`_begin`."""
    st.session_state.begun = None


def _ask_task(forms: Forms, index: int | None) -> Task:
    """The task, kept in the URL by name: a bound widget would write its title; ``index``: that of the URL."""
    names = list(TASKS)

    def change() -> None:
        name = st.session_state.task_choice
        st.query_params.update(task=name) if name != names[0] else st.query_params.pop("task", None)
        form = forms(name)
        aim(form.target or TASKS[name].default_target)
        st.session_state.method = TASKS[name].default_method
        if st.session_state.get("n") not in form.offered(COUNTS) or form.counts:
            st.session_state.n = form.at_first(200)
        if st.session_state.get("view") in form.hidden:
            st.session_state.view = "Localization"
        st.session_state.update(constrain=form.constraints, start="")
        for j in range(TASKS[name].n_targets):
            st.session_state[f"ask{j + 1}"] = "exactly"
            st.session_state[f"tol{j + 1}"] = None

    if walking():
        st.session_state.task_choice = None if index is None else names[index]
    chosen = st.selectbox(
        "Task",
        names,
        index,
        format_func=lambda name: TASKS[name].title,
        placeholder="Choose a task",
        key="task_choice",
        on_change=change,
        persist_state="session",
    )
    if index is None or chosen is None:
        st.stop()
    return TASKS[chosen]


def aim(target: tuple[float, ...]) -> None:
    """Callback: set y*."""
    for j, value in enumerate(target):
        st.session_state[f"y{j + 1}"] = float(value)
