"""Campaigns on a page: what to ask for, and each one live: its steps, its hits, a figure, a button that stops it."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app.components.chart import chart, numbers
from app.components.choice import CONFIG
from app.components.words import plain
from app.figures.campaign import figure
from app.figures.playback import Size
from app.workers import campaigns
from app.workers.campaigns import CampaignRequest
from app.workers.jobs import scheduler_of_server
from ipage_core import registry
from ipage_core.problem.target import Target
from ipage_core.problem.task import Task
from ipage_core.runtime.files import spreadsheet_safe
from ipage_core.training.campaign.report import hits_frame, known
from ipage_core.training.campaign.run import Campaign, Line

LATEST = 6
"""Steps that are shown unfolded."""
STATES = {
    "running": ("blue", "running"),
    "elsewhere": ("blue", "running in another process"),
    "done": ("green", "done"),
    "failed": ("red", "failed"),
    "stopped": ("gray", "stopped"),
    "idle": ("gray", "not running"),
}


def ask(task: Task) -> CampaignRequest:
    """The form of a new campaign."""
    places = st.columns(task.n_targets)
    goals = []
    for j, (place, target) in enumerate(zip(places, task.targets, strict=True)):
        usual = "" if task.known_target is None else f"{task.known_target[j]:.4g}"
        goals.append(
            place.text_input(
                f"Target y* for {target.label}",
                usual,
                key=f"campaign-target-{task.name}-{j}",
                help=f"A number, met within ± {target.tolerance:g}; or an interval LOW:HIGH, one end may be missing.",
            ).strip()
        )
    left, middle, right, last = st.columns(4)
    hits = left.number_input("Distinct hits wanted", 1, 10_000, 20, key="campaign-hits")
    budget = middle.number_input("Evaluations at most", 1, 100_000, 60, key="campaign-budget")
    batch = right.number_input("Evaluations at a time", 1, 1000, 1, key="campaign-batch")
    rows = _rows(task)
    start = last.selectbox(
        "Begin with",
        ["none", "table"] if rows else ["none"],
        index=1 if rows else 0,
        key=f"campaign-start-{task.name}",
        format_func=lambda name: _those(rows) if name == "table" else "no row",
    )
    with st.expander("Constraints and scheduler"):
        left, right = st.columns(2)
        constraints = left.text_input("Constraints", key="campaign-constraints", placeholder="x1<=0.5; x2=x3")
        scheduler = ""
        if task.in_processes:
            scheduler = right.text_input(
                "Dask scheduler", scheduler_of_server(), key="campaign-scheduler", placeholder="tcp://host:8786"
            )
    name = campaigns.free_name(task.name)
    return CampaignRequest(
        name, task.name, ",".join(goals), int(hits), int(budget), int(batch), start, constraints, scheduler.strip()
    )


def wanted(request: CampaignRequest) -> str:
    """The target in words: 'fan speed = 70 rpm, noise ≤ 4.5 dB'."""
    task = registry.find(request.task)
    return Target.parse(task, request.target).in_words(task)


def _those(rows: int) -> str:
    return "the row that is there" if rows == 1 else f"the {rows:,} rows that are there"


def _rows(task: Task) -> int:
    """Rows that the task keeps."""
    return len(task.evaluated()[0]) if task.evaluated is not None else 0


def show(request: CampaignRequest, dark: bool, size: Size) -> None:
    """A campaign, polled while it runs."""
    running = request.state in ("running", "elsewhere")
    st.fragment(_live, run_every=1.5 if running else None)(request, running, dark, size)


def _live(request: CampaignRequest, before: bool, dark: bool, size: Size) -> None:
    state = request.state
    if (state in ("running", "elsewhere")) != before:
        st.rerun()
    try:
        campaign = request.campaign()
        lines = campaign.follow()
    except ValueError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    _head(request, state, lines)
    if (note := known(campaign)) and state not in ("running", "elsewhere"):
        st.caption(plain(note))
    if not lines:
        st.caption("The first evaluation is under way." if before else "Nothing has been evaluated yet.")
        return
    _steps(lines)
    _figure(request, campaign, lines, dark, size)
    _hits(request, campaign)


def _head(request: CampaignRequest, state: str, lines: list[Line]) -> None:
    """State, counts, and the buttons."""
    color, said = STATES[state]
    last = lines[-1] if lines else Line(0, 0, 0, "")
    enough = last.hits >= request.hits
    if state in ("done", "failed", "idle") and lines:
        color, said = ("green", "done") if enough else ("orange", "budget used up")
        if not enough and last.evaluations < request.budget:
            color, said = ("red", "failed") if state == "failed" else ("gray", "not running")
    left, right = st.columns([3, 1.6], vertical_alignment="center")
    left.markdown(f":{color}-badge[{said}] **{plain(request.name)}** · {plain(wanted(request))}")
    text = f"{last.evaluations} of {request.budget} evaluations, {last.hits} of {request.hits} distinct hits"
    text += f", {last.failed} failed" if last.failed else ""
    left.progress(min(1.0, max(last.evaluations / request.budget, last.hits / request.hits)), text)
    with right.container(horizontal=True, horizontal_alignment="right"):
        if state == "running":
            st.button(
                "Stop", key=f"stop-{request.name}", on_click=campaigns.stop, args=(request,), icon=":material/stop:"
            )
        elif state != "elsewhere":
            if not enough and last.evaluations < request.budget:
                st.button(
                    "Go on", key=f"go-{request.name}", on_click=_go_on, args=(request,), icon=":material/play_arrow:"
                )
            st.button(
                "Remove", key=f"remove-{request.name}", on_click=shutil.rmtree, args=(request.folder,),
                icon=":material/delete:", help="Deletes its steps and hits for ever. Rows of your problem stay.",
            )  # fmt: skip
    message = campaigns.commands.run(f"campaign {request.name}").message
    if state == "failed" and not lines and message:
        st.error(plain(message), icon=":material/error:")


def _go_on(request: CampaignRequest) -> None:
    try:
        campaigns.start(request)
    except (ValueError, OSError) as error:
        st.session_state.problem_said = str(error)


def _steps(lines: list[Line]) -> None:
    """One line per step, the newest first."""
    latest = lines[: -LATEST - 1 : -1]
    st.markdown("\n".join(f"- **{line.evaluations}** {plain(line.sentence)}" for line in latest))
    if len(lines) > LATEST:
        with st.expander(f"All {len(lines)} steps"):
            rows = [
                {"evaluation": line.evaluations, "distinct hits": line.hits, "step": line.sentence} for line in lines
            ]
            st.dataframe(pd.DataFrame(rows), hide_index=True, height=300)


def _figure(request: CampaignRequest, campaign: Campaign, lines: list[Line], dark: bool, size: Size) -> None:
    y, target = campaign.y[:, 0].numpy(), campaign.task.targets[0]
    hits, low_high = np.array([line.hits for line in lines]), campaign.accepted.ends[:, 0].tolist()
    drawn = figure(
        hits,
        request.hits,
        request.budget,
        y,
        campaign.hit.numpy(),
        (low_high[0], low_high[1]),
        target.label,
        dark,
        size,
    )
    chart(drawn, key=f"campaign-{request.name}", config=CONFIG)
    rows = {"evaluation": range(1, len(y) + 1), "distinct hits": hits, target.label: y, "hit": campaign.hit.numpy()}
    numbers(pd.DataFrame(rows), "campaign", f"campaign-{request.name}")


def _hits(request: CampaignRequest, campaign: Campaign) -> None:
    """The hits by name, with their download in the form of solutions.csv."""
    if not campaign.distinct_hits:
        return
    task, x, y = campaign.task, campaign.x[campaign.distinct_hits], campaign.y[campaign.distinct_hits]
    columns: dict[str, Any] = {"evaluation": [row + 1 for row in campaign.distinct_hits]}
    columns |= dict(zip(task.property_labels, y.numpy().T, strict=True))
    shown = list(zip(task.variables, x.T, strict=True))[:12]
    columns |= {target.label: [target.show(value) for value in column.tolist()] for target, column in shown}
    st.subheader(f"{len(campaign.distinct_hits)} distinct hits, all verified by Ω", divider="gray")
    frame = pd.DataFrame(columns)
    formats = {name: st.column_config.NumberColumn(format="%.5g") for name in frame.select_dtypes("floating")}
    st.dataframe(frame, hide_index=True, column_config=formats)
    st.download_button(
        "Download hits",
        lambda: spreadsheet_safe(hits_frame(campaign)).to_csv(index=False),
        file_name=f"{request.name}.csv", mime="text/csv", key=f"hits-{request.name}", icon=":material/download:",
        on_click="ignore",
    )  # fmt: skip
