"""Candidates for a slow Ω: a table with selectable rows, the heading of one of them, and their results by Ω."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch

from app.components import favourites
from app.components.choice import KEY, chosen_sample
from app.components.tables import BADGES, badges
from app.figures.run import Run
from app.state.runs import loaded
from ipage_core.inference.basis import VERIFIED
from ipage_core.inference.prediction import interval, rows_behind
from ipage_core.problem.request import DesignRequest
from ipage_core.tasks import TASKS

FEW = 3
"""Number of top-ranked candidates that are verified if no row is ticked."""


def designs(run: Run) -> np.ndarray:
    """(n, d) designs in the precision of the CSV."""
    return run.final[[f"x{j + 1}" for j in range(run.x.shape[-1])]].to_numpy(dtype=np.float64, copy=True)


def surrogate(task: str) -> Any:
    """The networks on which the task's methods localize, or by which their designs are judged."""
    return loaded(task, "prior-lm").surrogate


@st.cache_data(max_entries=64, show_spinner=False)
def properties_of(task: str, x: np.ndarray) -> np.ndarray:
    """All properties that the surrogate predicts for designs. (n, d) → (n, k) float32."""
    with torch.no_grad():
        return surrogate(task).properties(torch.from_numpy(x.astype(np.float32))).numpy()


@st.cache_data(max_entries=64, show_spinner=False)
def half_widths(task: str, x: np.ndarray) -> np.ndarray:
    """Half the width of the 90 % interval of the first property at designs (n, d). → (n,), NaN where not known."""
    ends = interval(loaded(task, "prior-lm"), torch.from_numpy(x.astype(np.float32)))
    return np.full(len(x), np.nan) if ends is None else ((ends[1] - ends[0])[:, 0] / 2).numpy()


def held(task: str) -> str:
    """The meaning of ± in a table of candidates, as a sentence."""
    return f"± holds about 90 % of DFT gaps; calibrated on {rows_behind(loaded(task, 'prior-lm'))}."


def with_units(config: dict[str, Any], units: dict[str, str]) -> dict[str, Any]:
    """The columns with their units in the heading, where a reader sees them without a mouse."""
    return {
        name: column | {"label": f"{name} [{units[name]}]"} if name in units else column
        for name, column in config.items()
    }


def ask_rows(shown: pd.DataFrame, columns: dict[str, Any], key: str) -> tuple[list[int], list[int]]:
    """The table ``shown`` by rank; → the samples that it shows, the best first, and those that are ticked."""
    shown = shown.sort_values("rank").reset_index(drop=True)
    samples = shown["sample"].tolist()
    picked = st.dataframe(
        shown,
        hide_index=True,
        height=340,
        column_config=columns,
        key=key,
        on_select=partial(_on_tick, key, samples),
        selection_mode="multi-row",
        placeholder="–",
    )
    return samples, [samples[row] for row in picked.selection.rows if row < len(samples)]


def _on_tick(key: str, samples: list[int]) -> None:
    """Callback of the table: the row ticked last becomes the chosen sample."""
    rows = [row for row in st.session_state[key].selection.rows if row < len(samples)]
    table_before, before = st.session_state.get("ticked", ("", []))
    new = [row for row in rows if table_before != key or row not in before]
    st.session_state.ticked = (key, rows)
    if new:
        st.session_state[KEY] = int(samples[new[-1]])


def counted(ranked: pd.DataFrame, name: str) -> str:
    """How many candidates there are, and how many of them differ: '25 cells in 3 families'."""
    n, families = len(ranked), ranked["family"].nunique()
    alike = f" in {families} famil{'y' if families == 1 else 'ies'}" if families < n else ", no two of one family"
    return f"{n} {name}{'' if n == 1 else 's'}{alike}"


def structure_rows(run: Run, ranked: pd.DataFrame, samples: list[int]) -> pd.DataFrame:
    """The result's ``samples`` as rows for the structure files; all if none is named."""
    frame = run.final.join(ranked)
    return frame[frame["sample"].isin(samples)] if samples else frame


def show_heading(request: DesignRequest, run: Run, sample: int) -> None:
    """Name of a sample, its badges, and the button that keeps it."""
    name = f"Sample {sample}" + ("" if chosen_sample(run) is not None else ", the best of this ranking")
    st.subheader(name, divider="gray")
    left, right = st.columns([2.2, 1], vertical_alignment="bottom")
    worn = badges(run)[sample]
    text = " ".join(f":{color}-badge[{name}]" for name, color in BADGES.items() if name in worn)
    left.markdown(text + ("" if run.verified[sample] else " not verified"))
    with right:
        favourites.ask_to_keep(request, run, sample)


def completed(
    run: Run, results: list[dict[str, Any] | None], properties: Callable[[dict[str, Any]], list[float]]
) -> Run:
    """The same designs with the ``results`` of Ω that are there by now (n of them, None where Ω has not run).

    ``properties`` gives a result's values in the order of the task's properties; the targets come first.
    """
    done = [(i, result) for i, result in enumerate(results) if result is not None and "fail" not in result]
    if not done:
        return run
    achieved = run.achieved.copy()
    for i, result in done:
        achieved[i] = properties(result)
    m = run.aims.shape[1]
    error = np.square(achieved[:, :m] - run.aims).sum(1)
    frame, rows = run.frame.copy(), run.frame.index[run.frame["stage"] == run.frame["stage"].iloc[-1]]
    names = [*(f"y{j + 1}" for j in range(m)), *TASKS[run.task].property_labels[m:], "resim_error"]
    for name, column in zip(names, [*achieved.T, error], strict=True):
        frame.loc[rows, name] = column
    frame.loc[rows[np.isfinite(error)], "basis"] = VERIFIED
    verified = error[np.isfinite(error)]
    summary = run.summary | {
        "resim_mse": float(verified.mean()),
        "resim_median": float(np.median(verified)),
        "verified": len(verified),
        "omega_calls": max(run.summary["omega_calls"], len(verified)),
    }
    return replace(run, achieved=achieved, frame=frame, summary=summary)
