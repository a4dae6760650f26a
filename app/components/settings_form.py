"""The form for the settings in the sidebar: latent design, number, method, corrections, tolerance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app.components.form import Form
from app.components.words import duration, method_name
from app.state import classroom
from ipage_core.inference.methods import METHODS, folder
from ipage_core.problem.request import SAMPLINGS
from ipage_core.problem.task import Task
from ipage_core.runtime.cores import cores

COUNTS = [1, 3, 10, 25, 50, 100, 200, 500, 1000]
STRICTNESS = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0]
"""Values of the tolerance slider, as factors of the task's tolerance."""
SPREADS = {"box": "over all solutions", "posterior": "over the likely solutions", "off": "no: as drawn"}
"""Spread settings and their labels."""


def ask_settings(task: Task, form: Form) -> dict[str, Any]:
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
    st.caption(f"{METHODS[method].title.partition('; ')[0]}. In commands: `{method}`.")
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
            form.finished,
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
    if task.collect is not None and not classroom.at_this_machine():
        st.caption("This task's program runs only for those who sit at the machine of this server.")
        return False
    seconds = evaluations * task.omega_seconds / cores()
    st.warning(
        f"{evaluations} true evaluations of {task.omega_seconds:g} s each take at least {duration(seconds)} on "
        f"{cores()} cores, and the page waits for them."
    )
    return st.toggle("Run them", key=f"agreed-{task.name}-{evaluations}")


def _name_in_address(key: str, names: Mapping[str, str]) -> None:
    """Translate a setting in the address: links hold its key, such as ``srs``, a bound widget expects its label.

    The widget takes the label from the address of the next run; a value set here would vanish from the address.
    """
    linked = st.query_params.get(key, "")
    linked = linked.lower() if linked.lower() in names else linked
    if linked in names and st.query_params[key] != names[linked]:
        st.query_params[key] = names[linked]
        st.rerun()


def trained(task: Task) -> list[str]:
    """Methods with trained networks; all methods if there are none, so that the page can name the missing files."""
    suited = [name for name, row in METHODS.items() if row.task in (None, task.name)]
    have = [
        name
        for name in suited
        if all((folder(task, name) / f"{model}.safetensors").exists() for model in METHODS[name].models)
    ]
    return have or suited
