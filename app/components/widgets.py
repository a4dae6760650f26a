"""The widgets of Explore: the target at the top of the page, the settings in the sidebar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st

from app.components import links
from app.components.back import walking
from app.components.drafts import accepted, misread, unreadable
from app.components.form import Form
from app.components.look import is_dark
from app.components.tables import MOST_COLUMNS, x_names, y_names
from app.components.words import duration, histogram, method_name
from app.state import classroom
from app.state.targets import data
from ipage_core.inference.methods import METHODS, folder
from ipage_core.problem.request import SAMPLINGS, DesignRequest, goal_of
from ipage_core.problem.target import KINDS, LARGEST, Goal, Target
from ipage_core.problem.task import Task
from ipage_core.runtime.cores import cores
from ipage_core.tasks import TASKS

Forms = Callable[[str], Form]
"""Name of a task → its form; passed in by the page, since this module must not import tasks."""
COUNTS = [1, 3, 10, 25, 50, 100, 200, 500, 1000]
ABREAST, AT_ONCE = 4, 8
"""Properties per row of the form, and the number of properties before the rest is folded away."""
STRICTNESS = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0]
"""Values of the tolerance slider, as factors of the task's tolerance."""
EMPTY = "This interval is empty: its second number must be larger."


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
        for j, place in enumerate(_places(task.n_targets)):
            with place, st.container(key=f"target-{j + 1}"):
                y.append(_ask_target(task, j, kinds[j], (form.target or task.default_target)[j], form.natural))
    other = _ask_otherwise(task, form, tuple(y))
    with st.sidebar:
        st.markdown("#### iPage Explorer")
        st.caption("Every design x that achieves a target: Ω(x) = y*")
        st.page_link("screens/learn.py", label="First time here? Start with Learn", icon=":material/school:")
        how = _ask_how(task, form)
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


def _places(count: int, folded: bool = True) -> list[Any]:
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


def _ask_otherwise(task: Task, form: Form, y: tuple[float, ...]) -> dict[str, Any] | None:
    """Intervals, constraints and a design to start from, folded away until one is in use; None: no valid request."""
    keys = [f"ask{j + 1}" for j in range(task.n_targets)] + ["constrain", "start"]
    usual = (None, "", "exactly", form.constraints)
    used = any(st.session_state.get(key, st.query_params.get(key)) not in usual for key in keys)
    used = st.session_state[f"other_ways_{task.name}"] = used or st.session_state.get(f"other_ways_{task.name}", False)
    goals = []  # once unfolded, the form stays open: clearing a field does not close it
    with st.expander("More ways to ask: intervals, constraints, your own design", used, icon=":material/tune:"):
        for j, place in enumerate(_places(task.n_targets, folded=False)):
            with place, st.container(horizontal=True, vertical_alignment="bottom"):
                goals.append(_ask_goal(task, j, y[j]))
        free = all(goal is not None and goal.kind == "anything" for goal in goals)
        wrong = "Choose a goal for at least one property." if free else ""
        chosen_goals = accepted(f"{task.name}-goals", goals, wrong)
        left, right = st.columns(2)
        first = task.variables[0]
        examples = f"{x_names(task)[0]} = {first.levels[0] if first.levels else f'{float(task.bounds.mean(0)[0]):g}'}"
        if task.d > 1:
            examples += f"; {x_names(task)[1]} <= {float(task.bounds[1, 1]):.3g}"
        written = left.text_input(
            "Constraints on x",
            key="constrain",
            bind="query-params",
            placeholder=form.example or examples,
            help=form.accepted
            or "Separated by semicolons: fix (x1 = 0.2), tie (x1 = x2), bound (x1 <= 0.5). They hold during descent, "
            f"not only afterwards. Names: x1 … x{task.d}{', ' + ', '.join(x_names(task)) if task.d <= 8 else ''}. "
            + task.words_help,
        )
        start = right.text_input(
            "Start from your own design",
            key="start",
            bind="query-params",
            placeholder=form.start or ", ".join(f"{v:.3g}" for v in task.bounds.mean(0)[:MOST_COLUMNS]),
            help=form.starts
            or f"Its {task.d} coordinates with commas: {', '.join(task.x_labels)}. Samples start near it.",
        )
        constraints = tuple(part.strip() for part in written.split(";") if part.strip())
        with left:
            wrong = form.objection(constraints) or unreadable(task, constraints)
            held = accepted(f"{task.name}-constraints", constraints, wrong)
        with right:
            seed_design, wrong = misread(task, start)
            begin = accepted(f"{task.name}-start", seed_design, wrong)
        form.below()
    if chosen_goals is None or held is None or begin is None or None in chosen_goals:
        return None
    return {"target": Target(tuple(goal for goal in chosen_goals if goal)), "constraints": held, "start": begin}


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
            placeholder=f"{task.tolerances[j]:.3g}",
            key=f"tol{j + 1}",
            bind="query-params",
            help="Largest error of a hit. Properties with a smaller tolerance weigh more.",
        )
    if kind == "between":
        above = min(y + 0.2 * _span(task, j), LARGEST)
        top = st.number_input(f"and {name} ≤", -LARGEST, LARGEST, above, key=f"upto{j + 1}", bind="query-params")
        top = accepted(f"{task.name}-upto{j + 1}", top, "" if top is not None and top >= y else EMPTY)
        if top is None or top < y:
            return None
    goal = goal_of(kind, float(y), float(top))
    return replace(goal, tolerance=float(tolerance)) if tolerance else goal


def _span(task: Task, j: int) -> float:
    values = data(task.name)
    return values.high[j] - values.low[j]


SPREADS = {"box": "over all solutions", "posterior": "over the likely solutions", "off": "no: as drawn"}
"""Spread settings and their labels."""


def _name_in_address(key: str, names: Mapping[str, str]) -> None:
    """Translate a setting in the address: links hold its key, such as ``srs``, a bound widget expects its label."""
    linked = st.query_params.get(key, "")
    linked = linked.lower() if linked.lower() in names else linked
    if linked in names and st.query_params[key] != names[linked]:
        st.query_params[key] = names[linked]
        st.session_state[key] = linked


def _ask_how(task: Task, form: Form) -> dict[str, Any]:
    _name_in_address("sampling", SAMPLINGS)
    _name_in_address("spread", SPREADS)
    sampling = st.segmented_control(
        "Latent design",
        list(SAMPLINGS),
        default="maximin",
        required=True,
        format_func=SAMPLINGS.get,
        key="sampling",
        bind="query-params",
        help="How the latent points z are placed. SRS: simple random sampling. LHS: Latin hypercube sampling, one "
        "point in each slice. Maximin: LHS with points as far apart as possible. With few designs, spread-out points "
        "reach more families of solutions.",
    )
    if form.sampling:
        st.caption(form.sampling)
    counts = form.offered(COUNTS)
    linked = st.query_params.get("n", "")
    n = st.select_slider("Number of designs, N", counts, value=form.at_first(200), key="n", bind="query-params")
    larger = linked.isdecimal() and len(linked) < 10 and int(linked) > counts[-1]
    more = f"; the link asks for {linked}" if larger else ""
    classroom.note(f"At most {counts[-1]} designs at once in this classroom{more}.")
    seed = st.number_input("Seed", 0, 10**6, 0, key="seed", bind="query-params")
    names = trained(task)
    usual = names.index(task.default_method) if task.default_method in names else 0
    _name_in_address("method", {name: method_name(name) for name in names})
    method = st.selectbox("Method", names, usual, format_func=method_name, key="method", bind="query-params")
    st.caption(METHODS[method].title)
    spread = st.selectbox(
        "Spread the designs",
        list(SPREADS),
        list(SPREADS).index("off"),
        format_func=SPREADS.get,
        key="spread",
        bind="query-params",
        disabled=METHODS[method].surrogate is None,
        help="Over all solutions: as far apart as possible on the solution set, so that rare solutions have a design "
        "nearby too. Over the likely solutions: each likely solution has a design nearby. A fast Ω then corrects "
        "every design twice.",
    )
    omega = st.slider(
        "Extra true simulations per design",
        0,
        form.corrections_in_class if classroom.on() else 5,
        0,
        key="omega",
        bind="query-params",
        disabled=METHODS[method].surrogate is None or task.omega is None,
        help="Each one runs Ω on the design and corrects the design by the result: x ← localize(f, y* + f(x) − Ω(x)).",
    )
    finish = False
    if form.finishing:
        finish = st.toggle(
            "Bring designs to the exact target",
            key="finish",
            bind="query-params",
            disabled=METHODS[method].surrogate is None or classroom.on(),
            help=form.finishing,
        )
        classroom.note("This step takes many finite-element runs, so it is switched off in this classroom.")
    omega = omega if METHODS[method].surrogate and task.omega and _agreed(task, n * omega) else 0
    strictness = st.select_slider(
        "Tolerance (× the default" + (f" ±{task.tolerance:g})" if task.n_targets == 1 else ")"),
        STRICTNESS,
        value=1.0,
        key="tolerance",
        bind="query-params",
        help="A design is a hit if Ω(x) is this close to y*. This does not change the designs.",
    )
    return {
        "sampling": sampling,
        "n": n,
        "seed": int(seed),
        "method": method,
        "omega_evals": omega,
        "spread": spread if METHODS[method].surrogate is not None else "off",
        "finish": finish and METHODS[method].surrogate is not None and not classroom.on(),
        "tolerance": strictness,
    }


def _agreed(task: Task, evaluations: int) -> bool:
    """Whether Ω may run: a slow Ω needs the user's consent, even if a slider or link asks for evaluations."""
    if not evaluations or task.verifies_by_default:
        return True
    if classroom.on():
        classroom.note("Corrections by a slow Ω are switched off in this classroom.")
        return False
    seconds = evaluations * task.omega_seconds / cores()
    st.warning(
        f"{evaluations} true evaluations of {task.omega_seconds:g} s each take at least {duration(seconds)} on "
        f"{cores()} cores, and the page waits for them."
    )
    return st.toggle("Run them", key=f"agreed-{task.name}-{evaluations}")


def trained(task: Task) -> list[str]:
    """Methods with trained networks; all methods if there are none, so that the page can name the missing files."""
    suited = [name for name, row in METHODS.items() if row.task in (None, task.name)]
    have = [
        name
        for name in suited
        if all((folder(task, name) / f"{model}.safetensors").exists() for model in METHODS[name].models)
    ]
    return have or suited


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


def _follow(source: str, sink: str) -> None:
    st.session_state[sink] = st.session_state[source]


def _ask_target(task: Task, j: int, kind: str, usual: float, natural: tuple[str, float, float] | None = None) -> float:
    """Number and slider for one coordinate of y*, with the histogram of the training data above the slider."""
    values, number, slider = data(task.name), f"y{j + 1}", f"slide_{task.name}_{j + 1}"
    label, alone = task.property_labels[j], task.n_targets == 1
    shares = [1.7, 2.2] if natural else [1, 2.4] if alone else [1.25, 1.4]
    left, right = st.columns(shares, gap="small", vertical_alignment="bottom")
    named = f"Target y*: {label.removeprefix('y = ')}".removesuffix(": y")
    if natural:
        first, left = left.columns(2)
    value = left.number_input(
        named if alone else f"{y_names(task)[j]}*: {label}",
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
