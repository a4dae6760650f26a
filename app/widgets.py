"""The widgets that ask: how to explore in the sidebar, what for on top of the page."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.look import is_dark
from app.settings import SAMPLINGS, Settings
from app.tables import y_names
from app.targets import data
from app.words import histogram
from ipage_core.methods import METHODS
from ipage_core.tasks import TASKS, Task

COUNTS = [10, 25, 50, 100, 200, 500, 1000]
STRICTNESS = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0]
"""The tolerance slider, in units of the task's own tolerance."""


def ask() -> Settings:
    """All widgets: how to explore in the sidebar, what for on top of the page."""
    with st.sidebar:
        st.markdown("#### iPage Explorer")
        st.caption("Every design x that achieves a target: Ω(x) = y*")
        how = _ask_how()
    left, right = st.columns([1.15, 3.2], gap="medium", vertical_alignment="top")
    with left:
        task = _ask_task()
    with right:
        target = []
        for j, place in enumerate(st.columns(task.n_targets, gap="medium")):
            with place, st.container(key=f"target-{j + 1}"):
                target.append(_ask_target(task, j))
    return Settings(task=task, y_star=tuple(target), **how)


def _ask_how() -> dict[str, Any]:
    sampling = st.segmented_control(
        "Latent design",
        list(SAMPLINGS),
        default="maximin",
        required=True,
        format_func=SAMPLINGS.get,
        key="sampling",
        bind="query-params",
        help="How the latent points z are laid out: at random (SRS), one in each slice (LHS), or LHS spread out as "
        "far as possible (maximin). With few samples, spread-out points find more families of solutions.",
    )
    n = st.select_slider("How many, N", COUNTS, value=200, key="n", bind="query-params")
    seed = st.number_input("Seed", 0, 10**6, 0, key="seed", bind="query-params")
    names = list(METHODS)
    method = st.selectbox("Method", names, key="method", bind="query-params")
    st.caption(METHODS[method].title)
    omega = st.slider(
        "Ω evaluations for correction, per design",
        0,
        5,
        0,
        key="omega",
        bind="query-params",
        disabled=METHODS[method].surrogate is None,
        help="After localization on the surrogate f, each true evaluation of Ω corrects a design: "
        "x ← localize(f, y* + f(x) − Ω(x)).",
    )
    strictness = st.select_slider(
        "Tolerance, in units of the task's own",
        STRICTNESS,
        value=1.0,
        key="tolerance",
        bind="query-params",
        help="How close Ω(x) must come to y* to count as a hit. It judges the designs; it does not change them.",
    )
    return {
        "sampling": sampling,
        "n": n,
        "seed": int(seed),
        "method": method,
        "omega_evals": omega if METHODS[method].surrogate else 0,
        "strictness": strictness,
    }


def _ask_task() -> Task:
    """The task, kept in the URL by its name: a bound widget would put its title there."""
    names = list(TASKS)

    def change() -> None:
        name = st.session_state.task_choice
        st.query_params.update(task=name) if name != names[0] else st.query_params.pop("task", None)
        aim(TASKS[name].default_target)

    asked = st.query_params.get("task")
    index = names.index(asked) if asked in names else 0
    return TASKS[
        st.selectbox(
            "Task",
            names,
            index,
            format_func=lambda name: TASKS[name].title,
            key="task_choice",
            on_change=change,
            persist_state="session",
        )
    ]


def aim(target: tuple[float, ...]) -> None:
    """Set y* from a callback."""
    for j, value in enumerate(target):
        st.session_state[f"y{j + 1}"] = float(value)


def _follow(source: str, sink: str) -> None:
    st.session_state[sink] = st.session_state[source]


def _ask_target(task: Task, j: int) -> float:
    """Number and slider for one coordinate of y*, with the histogram of the training data above the slider."""
    known, number, slider = data(task.name), f"y{j + 1}", f"slide_{task.name}_{j + 1}"
    label = task.property_labels[j]
    left, right = st.columns([1, 2.4], gap="small", vertical_alignment="bottom")
    value = left.number_input(
        f"{y_names(task)[j]}*: {label}" if task.n_targets > 1 else f"Target y*: {label}".removesuffix(": y"),
        value=float(task.default_target[j]),
        step=10 * known.step[j],
        format="%.4g",
        key=number,
        bind="query-params",
    )
    low, high = known.low[j], known.high[j]
    st.session_state[slider] = min(max(value, low), high)
    right.html(histogram(known.counts[j], low, high, value, is_dark()))
    right.slider(
        label,
        low,
        high,
        step=known.step[j],
        key=slider,
        label_visibility="collapsed",
        on_change=_follow,
        args=(slider, number),
    )
    return value
