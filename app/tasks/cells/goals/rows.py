"""Goals as rows: property, kind, value, tolerance, and the value's z-score over the data."""

from __future__ import annotations

import math
from typing import Any, get_args

import streamlit as st

from app.components.words import plain
from app.tasks.cells.goals.request import EXAMPLES, GoalRequest
from ipage_core.problem.goal import expression
from ipage_core.runtime.text import parts_of
from ipage_core.tasks.cells.goal_design import cell_goals
from ipage_core.tasks.cells.goal_table import z_score
from ipage_core.tasks.cells.goals import Goal, Kind
from ipage_core.tasks.cells.properties import TABLE, cell_property, default_tolerance

DIRECTION = "E(θ)"
MOST = 10
"""Maximum number of rows."""
ROWS, LEFT_OUT = "goal_rows", "goal_left_out"
"""Session keys: numbers of the rows, which name their widgets; sentences on goals of the address without a row."""


def show_rows() -> None:
    """Fill the rows with the address's ``goals`` on the first visit, then draw them."""
    if ROWS not in st.session_state:
        put(GoalRequest.from_query(st.query_params).goals)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Begin with",
            list(EXAMPLES),
            None,
            placeholder="an example",
            key="goal_example",
            on_change=_example,
            width=230,
        )
        st.button(
            "Add a goal",
            icon=":material/add:",
            key="goal_add",
            on_click=_add,
            disabled=len(st.session_state[ROWS]) >= MOST,
        )
    for place, row in enumerate(st.session_state[ROWS]):
        _show_row(row, place)


def goals() -> tuple[str, ...]:
    """The rows in the syntax of the command line.

    Raises:
        ValueError: a row is not complete.
    """
    return tuple(_goal(row).text for row in st.session_state[ROWS])


def put(texts: tuple[str, ...]) -> None:
    """Set the rows to these goals; goals that cannot be parsed are left out, with a message."""
    result, wrong = list[Goal](), list[str]()
    for said in texts[:MOST]:
        try:
            result += cell_goals(*expression(said))
        except ValueError as error:
            wrong.append(str(error))
    if len(texts) > MOST or len(result) > MOST:
        wrong.append(f"The link has more than {MOST} goals or bounds; the page takes the first {MOST}.")
    result = result[:MOST]
    st.session_state[LEFT_OUT] = list(dict.fromkeys(wrong))
    first = st.session_state.get("goal_next", 0)
    st.session_state[ROWS] = list(range(first, first + len(result)))
    st.session_state.goal_next = first + len(result)
    for row, goal in zip(st.session_state[ROWS], result, strict=True):
        directed = goal.name.startswith("E(")
        values: dict[str, Any] = {
            "property": DIRECTION if directed else goal.name,
            "kind": goal.kind,
            "value": None if goal.open else goal.value,
            "tolerance": None if goal.open or _usual(goal) else goal.tolerance,
        }
        if directed:
            values["angle"] = float(goal.name[2:-1])
        for name, value in values.items():
            st.session_state[_key(row, name)] = value


def _usual(goal: Goal) -> bool:
    return math.isclose(goal.tolerance, default_tolerance(goal.name, goal.value), rel_tol=1e-9)


def _key(row: int, name: str) -> str:
    return f"goal-{row}-{name}"


def _example() -> None:
    if (chosen := st.session_state.goal_example) is not None:
        put(parts_of(EXAMPLES[chosen]))


def _add() -> None:
    used = {st.session_state.get(_key(row, "property")) for row in st.session_state[ROWS]}
    row = st.session_state.goal_next
    st.session_state.goal_next = row + 1
    st.session_state[ROWS] = [*st.session_state[ROWS], row]
    st.session_state[_key(row, "property")] = next(name for name in (*TABLE, DIRECTION) if name not in used)


def _remove(row: int) -> None:
    st.session_state[ROWS] = [other for other in st.session_state[ROWS] if other != row]


def _label(name: str) -> str:
    return "E along an angle" if name == DIRECTION else cell_property(name).label


def _show_row(row: int, place: int) -> None:
    shown = "visible" if place == 0 else "collapsed"
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"goal-row-{place + 1}", gap="small"):
        name = st.selectbox(
            "Property",
            [*TABLE, DIRECTION],
            key=_key(row, "property"),
            persist_state="session",
            format_func=_label,
            label_visibility=shown,
            width=190,
        )
        if name == DIRECTION:
            st.number_input(
                "Angle [°]", -180.0, 180.0, 45.0, key=_key(row, "angle"), width=110, persist_state="session"
            )
        kind = st.selectbox(
            "I want it",
            get_args(Kind),
            key=_key(row, "kind"),
            label_visibility=shown,
            width=130,
            persist_state="session",
        )
        if kind in ("minimize", "maximize"):
            st.markdown("as far as the other goals allow", width="content")
        else:
            unit = f" [{cell_property(name).unit}]" if name != DIRECTION and cell_property(name).unit else ""
            value = st.number_input(
                f"Value{unit}",
                value=None,
                step=0.01,
                format="%.4g",
                key=_key(row, "value"),
                persist_state="session",
                label_visibility=shown,
                width=165,
                placeholder="a number",
            )
            if kind == "exactly":
                st.number_input(
                    "± tolerance",
                    value=None,
                    min_value=0.0,
                    step=0.001,
                    format="%.4g",
                    key=_key(row, "tolerance"),
                    persist_state="session",
                    label_visibility=shown,
                    width=175,
                    placeholder=_placeholder(name, value),
                    help="A design hits where it is within it. A modulus of a soft cell has 5 % of its value, unless "
                    "you say otherwise."
                    if place == 0
                    else None,
                )
            if value is not None:
                st.markdown(f"z = {z_score(_name(row), value):z.2f}", width=76)
        st.button(
            "",
            icon=":material/delete:",
            key=_key(row, "remove"),
            on_click=_remove,
            args=(row,),
            help=f"Remove goal {place + 1}",
            disabled=len(st.session_state[ROWS]) == 1,
        )


def _placeholder(name: str, value: float | None) -> str:
    name = "E(45)" if name == DIRECTION else name
    return f"± {default_tolerance(name, value or 0.0):.3g}"


def _name(row: int) -> str:
    name = st.session_state[_key(row, "property")]
    return f"E({st.session_state.get(_key(row, 'angle'), 45.0):g})" if name == DIRECTION else name


def _goal(row: int) -> Goal:
    kind, name = st.session_state[_key(row, "kind")], _name(row)
    if kind in ("minimize", "maximize"):
        return Goal(name, kind)
    value, tolerance = (st.session_state.get(_key(row, part)) for part in ("value", "tolerance"))
    if value is None:
        raise ValueError(f"The goal on {cell_property(name).label} has no number yet.")
    given = tolerance if kind == "exactly" and tolerance else math.nan
    return Goal(name, kind, float(value), given)


def show_what_is_left_out(done: bool) -> None:
    """Sentences on goals of the address that have no row; ``done``: the user goes on without them."""
    if done:
        st.session_state[LEFT_OUT] = []
    for said in st.session_state[LEFT_OUT]:
        st.error(plain(said), icon=":material/error:")
