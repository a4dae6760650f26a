"""Choosing the columns of a new task, their bounds and kinds, and its training."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from app.components.words import plain
from app.tasks.table.panel import usual_training
from ipage_core.tasks.table import reader as tables
from ipage_core.tasks.table.names import choose
from ipage_core.training.recipes import SIZES

STEP_SECONDS = (0.05, 0.3)
"""Seconds for one batch through both networks, on an idle processor and on a busy one."""


def by_pattern(usable: list[str], pattern: str) -> list[str]:
    """The columns that match a pattern such as R*; none, with a message, if none matches."""
    try:
        return choose(usable, pattern)
    except ValueError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return []


def unusable(seen: list[tables.Column]) -> str:
    """A sentence on columns that cannot be inputs; '' if all can."""
    text = [c.name for c in seen if not c.numeric and not tables.is_input(c)]
    constant = [c.name for c in seen if c.numeric and c.constant]
    reasons = [f"Ignored (not numeric, not a category): {', '.join(text)}."] if text else []
    reasons += [f"Ignored (the same in every row): {', '.join(constant)}."] if constant else []
    return " ".join(reasons)


def ask_limits(table: tables.Table, x: list[str], y: list[str], key: str) -> pd.DataFrame:
    """An editable table: names and units of all columns, and kind, scale and bounds of the inputs."""
    seen = table.columns
    category = {name for name in x if seen[name].kind in ("category", "boolean")}
    rows = [
        {
            "column": name,
            "as": "x" if name in x else "y",
            "called": name,
            "unit": seen[name].unit,
            "kind": None if name in y else _kind(seen[name]),
            "scale": seen[name].scale if name in x and name not in category else None,
            "low": seen[name].low if name in x and name not in category else None,
            "high": seen[name].high if name in x and name not in category else None,
        }
        for name in (*x, *y)
    ]
    choices = {
        "kind": st.column_config.SelectboxColumn(
            options=["real", "integer", "category"],
            help="For inputs. A real input may take any number within its bounds; a category takes one of its levels.",
        ),
        "scale": st.column_config.SelectboxColumn(
            options=["linear", "log"], help="For inputs: log if the values span decades and all are above 0."
        ),
    }
    return st.data_editor(
        pd.DataFrame(rows),
        hide_index=True,
        disabled=["column", "as"],
        key=key,
        width="stretch",
        column_config=choices,
    )


def _kind(column: tables.Column) -> str:
    return {"integer": "integer", "category": "category", "boolean": "category"}.get(column.kind, "real")


def kinds_of_x(rows: list[dict[str, Any]], called: dict[str, str]) -> dict[str, str]:
    """Kind and scale of each input, in the form that :func:`ipage_core.tasks.table.own_data.create` accepts."""
    return {
        called[r["column"]]: "category" if r["kind"] == "category" else f"{r['kind'] or ''} {r['scale'] or ''}".strip()
        for r in rows
        if r["as"] == "x"
    }


def passes_text(first: int, second: int) -> str:
    """How often each of the two networks sees the rows."""
    if first == second:
        return f"Both go through the rows {first} times (epochs)."
    return f"The first goes through the rows {first} times (epochs), the second {second} times."


def ask_training(rows: int, mark: str) -> dict[str, Any]:
    """Epochs, size and seed, with an estimate of the duration; in the form that ``trainings.add`` accepts."""
    with st.expander("Training settings"):
        left, middle, right = st.columns(3)
        size = middle.segmented_control("Size", list(SIZES), default="usual", required=True, key=f"own-size-{mark}")
        fit, flow = usual_training(rows, size), usual_training(rows, size, "inn")
        epochs = left.number_input(
            "Epochs", 1, 10_000, None, placeholder=f"{fit.epochs}, as the recipe says", key=f"own-epochs-{mark}"
        )
        seed = right.number_input("Seed", 0, 10**6, 0, key=f"own-seed-{mark}")
        steps = (epochs or fit.epochs) * max(1, min(rows, fit.epoch_size or rows) // fit.batch)
        fast, slow = (max(1, round(steps * s * SIZES[size] ** 0.5 / 60)) for s in STEP_SECONDS)
    time = f"{fast} to {slow}" if fast < slow else f"{slow}"
    st.caption(
        f"Training takes about {time} min on a CPU, less on a GPU. It trains two networks: one predicts the properties "
        f"of a design, the other proposes designs. {passes_text(epochs or fit.epochs, epochs or flow.epochs)}"
    )
    return {"epochs": epochs, "size": size, "seed": int(seed)}
