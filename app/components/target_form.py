"""The form for the target: numbers, other goals, constraints, a design to start from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st

from app.components import links
from app.components.drafts import accepted, misread, unreadable
from app.components.form import Form
from app.components.look import is_dark
from app.components.tables import MOST_COLUMNS, x_names, y_names
from app.components.words import histogram, plain
from app.state.targets import data
from ipage_core.problem.constraints import parse
from ipage_core.problem.goal import KINDS, LARGEST, Goal
from ipage_core.problem.numerals import doubts
from ipage_core.problem.request import goal_of
from ipage_core.problem.target import Target
from ipage_core.problem.task import Task
from ipage_core.runtime.text import parts_of

ABREAST, AT_ONCE = 4, 8
"""Properties per row of the form, and the number of properties before the rest is folded away."""
EMPTY = "This interval is empty: its second number must be larger."


def places_of(count: int, folded: bool = True) -> list[Any]:
    """A place for each property, ``ABREAST`` per row; those beyond ``AT_ONCE`` are folded away."""
    if count <= ABREAST:
        return st.columns(count, gap="medium")
    places: list[Any] = []
    shown = min(count, AT_ONCE) if folded else count
    for first in range(0, shown, ABREAST):
        places += st.columns(ABREAST, gap="medium")[: count - first]
    if count > shown:
        with st.expander(f"{count - AT_ONCE} more properties"):
            for first in range(AT_ONCE, count, ABREAST):
                places += st.columns(ABREAST, gap="medium")[: count - first]
    return places


def ask_target(task: Task, j: int, kind: str, usual: float, natural: tuple[str, float, float] | None = None) -> float:
    """Number and slider for one coordinate of y*, with the histogram of the training data above the slider."""
    values, number, slider = data(task.name), f"y{j + 1}", f"slide_{task.name}_{j + 1}"
    label, alone = task.property_labels[j], task.n_targets == 1
    shares = [1.7, 2.2] if natural else [1, 2.4] if alone else [1.25, 1.4]
    left, right = st.columns(shares, gap="small", vertical_alignment="bottom")
    if natural:
        first, left = left.columns(2)
    value = left.number_input(
        target_label(task, j),
        -LARGEST,
        LARGEST,
        float(usual),
        step=10 * values.step[j],
        format="%.4g",
        key=number,
        bind="query-params",
    )
    if natural:
        title, a, b = natural
        beside = f"natural_{task.name}_{j + 1}"
        st.session_state[beside] = round(a + b * value, 4)
        first.number_input(
            title,
            step=0.01,
            format="%.4g",
            key=beside,
            on_change=lambda: st.session_state.update({number: (st.session_state[beside] - a) / b}),
        )
    low, high = values.low[j], values.high[j]
    st.session_state[slider] = min(max(value, low), high)
    top = st.session_state.get(f"upto{j + 1}", value)
    everything = (-np.inf, np.inf)
    accepted = {"exactly": (value, value), "at least": (value, np.inf), "at most": (-np.inf, value)}
    accepted |= dict.fromkeys(("minimize", "maximize", "anything"), everything)
    right.html(histogram(values.counts[j], low, high, accepted.get(kind, (value, top)), is_dark()))
    right.slider(
        label,
        low,
        high,
        step=values.step[j],
        key=slider,
        label_visibility="collapsed",
        on_change=_follow,
        args=(slider, number),
    )
    return value


def target_label(task: Task, j: int) -> str:
    """The label of a field for y*: 'Target y*: landing point [m]', or 'y₁*: hand, horizontal [m]' among several."""
    label = task.property_labels[j]
    if task.n_targets > 1:
        return f"{y_names(task)[j]}*: {label}"
    return f"Target y*: {label.removeprefix('y = ')}".removesuffix(": y")


def ask_otherwise(task: Task, form: Form, y: tuple[float, ...]) -> dict[str, Any] | None:
    """Intervals, constraints and a design to start from, folded away until one is in use; None: no valid request."""
    keys = [f"ask{j + 1}" for j in range(task.n_targets)] + ["constrain", "start"]
    usual = (None, "", "exactly", form.constraints)
    used = any(st.session_state.get(key, st.query_params.get(key)) not in usual for key in keys)
    used = st.session_state[f"other_ways_{task.name}"] = used or st.session_state.get(f"other_ways_{task.name}", False)
    goals = []  # once unfolded, the form stays open: clearing a field does not close it
    with st.expander("More ways to ask: intervals, constraints, your own design", used, icon=":material/tune:"):
        for j, place in enumerate(places_of(task.n_targets, folded=False)):
            with place, st.container(horizontal=True, vertical_alignment="bottom"):
                goals.append(_ask_goal(task, j, y[j]))
        free = all(goal is not None and goal.kind == "anything" for goal in goals)
        wrong = "Choose a goal for at least one property." if free else ""
        chosen_goals = accepted(f"{task.name}-goals", goals, wrong)
        left, right = st.columns(2)
        examples = "; ".join(_example(task, j) for j in range(min(task.d, 2)))
        written = left.text_input(
            "Constraints on x",
            key="constrain",
            bind="query-params",
            placeholder=form.example or examples,
            help=form.accepted
            or "Separated by semicolons: fix (x1 = 0.2), tie (x1 = x2), bound (x1 <= 0.5). They hold during descent, "
            f"not only afterwards. Names: x1 … x{task.d}{', ' + ', '.join(x_names(task)) if task.d <= 8 else ''}. "
            + ("Angles in rad, or in degrees: 60°. " if any("[rad]" in label for label in task.x_labels) else "")
            + task.words_help,
        )
        start = right.text_input(
            "Start from your own design",
            key="start",
            bind="query-params",
            placeholder=form.start or _usual(task),
            help=form.starts
            or f"Its {task.d} coordinates with commas: {', '.join(task.x_labels)}. Samples start near it.",
        )
        constraints = parts_of(written)
        with left:
            wrong = form.objection(constraints) or unreadable(task, constraints)
            held = accepted(f"{task.name}-constraints", constraints, wrong)
            for sentence in doubts(task, constraints):
                st.warning(plain(sentence), icon=":material/flag:")
        with right:
            seed_design, wrong = misread(task, start)
            begin = accepted(f"{task.name}-start", seed_design, wrong)
        form.below()
    if chosen_goals is None or held is None or begin is None or None in chosen_goals:
        return None
    return {"target": Target(tuple(goal for goal in chosen_goals if goal)), "constraints": held, "start": begin}


def _example(task: Task, j: int) -> str:
    """A constraint on a coordinate: 'metal = Cu', or 'x₁ = 0.5' for the first one, 'x₂ <= 1' for the others."""
    name, variable = x_names(task)[j], task.variables[j]
    if variable.levels:
        return f"{name} = {variable.levels[0]}"
    return f"{name} = {float(task.bounds.mean(0)[j]):g}" if j == 0 else f"{name} <= {float(task.bounds[1, j]):.3g}"


def _usual(task: Task) -> str:
    """A design that the task allows, in the form that is typed: the middle of the box, moved onto its relations."""
    x = task.bounds.mean(0)[None]
    if task.relations:
        space = parse(task)
        x = space.exact(space.decode(space.encode(x).clamp(*space.bounds)))
    typed = [v.levels[round(a)] if v.levels else f"{a:.3g}" for v, a in zip(task.variables, x[0].tolist(), strict=True)]
    return ", ".join(typed[:MOST_COLUMNS])


def _ask_goal(task: Task, j: int, y: float) -> Goal | None:
    """The goal for a property: a number, a bound, an interval, minimize, maximize, or anything; None: no goal yet."""
    name = y_names(task)[j]
    kind = st.selectbox(
        f"I want {name}",
        KINDS,
        key=f"ask{j + 1}",
        bind="query-params",
        help="For an interval, the designs are spread over it like the training data. To minimize or maximize, they "
        "start from the best training data and move further as long as the surrogate can follow; with two such goals "
        "they lie along the Pareto front. **anything**: this property is free.",
    )
    top, tolerance = y, None
    if kind == "exactly":
        tolerance = st.number_input(
            f"± tolerance of {name}",
            min_value=0.0,
            max_value=LARGEST,
            value=None,
            format="%.4g",
            placeholder=f"{task.targets[j].tolerance_at(y):.3g}",
            key=f"tol{j + 1}",
            bind="query-params",
            help="Largest error of a hit. Properties with a smaller tolerance weigh more.",
        )
    if kind == "between":
        above = min(y + 0.2 * _span(task, j), LARGEST)
        left_open = links.opens(f"ask{j + 1}") and f"upto{j + 1}" not in st.query_params
        top = st.number_input(f"and {name} ≤", -LARGEST, LARGEST, above, key=f"upto{j + 1}", bind="query-params")
        if left_open:
            links.note(f"upto{j + 1}", f"This link gives no upper end for {name}: {above:.4g} stands there.")
        top = accepted(f"{task.name}-upto{j + 1}", top, "" if top is not None and top >= y else EMPTY)
        if top is None or top < y:
            return None
    goal = goal_of(kind, float(y), float(top))
    return replace(goal, tolerance=float(tolerance)) if tolerance else goal


def _span(task: Task, j: int) -> float:
    values = data(task.name)
    return values.high[j] - values.low[j]


def _follow(source: str, sink: str) -> None:
    st.session_state[sink] = st.session_state[source]
