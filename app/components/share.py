"""Share a result: a link that reproduces it, the table, or an archive with everything."""

from __future__ import annotations

import functools
import io
import json
import zipfile
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from app.components import links
from app.components.chart import dressed
from app.components.link import link_of
from app.components.words import goal_text, plain
from app.figures import posterior, still
from app.figures.coordinates import coordinates
from app.figures.playback import WIDE
from app.figures.posterior import pairs
from app.figures.run import Run
from app.figures.theme import Dict
from app.state.densities import density
from app.state.runs import stamp, weights_hash
from ipage_core.inference.methods import METHODS, folder
from ipage_core.networks.store import load_card
from ipage_core.problem.request import DesignRequest
from ipage_core.problem.task import Task
from ipage_core.runtime.executor import Apart
from ipage_core.runtime.files import spreadsheet_safe
from ipage_core.tasks import TASKS

MOST_NAMED = 30
"""Coordinates that the archive's text names one by one."""
READ_ME = """{title}: {n} designs for {target}

solutions.csv   one row per sample and stage; 'sample' is the id that the figures show
{columns}figures/        PNG and SVG; with interactive figures also HTML, which opens in any browser without a network
models/         the cards of the networks that proposed and localized
settings.json   every setting, and the hash of the networks' weights

The same designs from the command line, in a checkout of iPage Explorer with these weights:

    {command}

In a running explorer, append this to its address:

    /?{address}
"""


def columns_text(task: Task) -> str:
    """The columns of solutions.csv in words, a line each."""
    inputs = enumerate(task.x_labels if task.d <= MOST_NAMED else (), 1)
    lines = [(f"x{j}", f"{label}{_numbered(task.variables[j - 1].levels)}") for j, label in inputs]
    if not lines:
        lines = [(f"x1 … x{task.d}", "the numbers that make a design")]
    for j, one in enumerate(task.targets, 1):
        by = "by Ω, empty where Ω did not run" if task.omega else "empty: a table has no Ω"
        lines += [(f"target{j}", f"the value of {one.label} that the design aims at")]
        lines += [(f"surrogate{j}", f"{one.label} predicted by the surrogate"), (f"y{j}", f"{one.label} {by}")]
    lines += [("resim_error", "sum of (y − target)² over the properties, each in its unit")]
    lines += [("hit", "whether y is accepted, within the tolerance that the page is set to; empty where Ω did not run")]
    lines += [("in_bounds", "whether the design lies within its bounds")]
    lines += [("replaced", "whether a fresh sample took the place of one that stalled")]
    lines += [("basis", "what the row's y rests on: verified by Ω, predicted, …")]
    return "".join(f"    {name:<12}{meaning}\n" for name, meaning in lines)


def _columns_help(task: Task) -> str:
    """The same for a tooltip: only the coordinates and properties."""
    x = [f"x{j} is {label}" for j, label in enumerate(task.x_labels, 1)] if task.d <= MOST_NAMED else []
    name, how = ("y", "by Ω") if task.omega else ("surrogate", "predicted")
    y = [f"{name}{j} is {one.label}, {how}" for j, one in enumerate(task.targets, 1)]
    return plain("; ".join([*x, *y]) + ". The ZIP explains every column.")


def _numbered(levels: tuple[str, ...]) -> str:
    return f": {', '.join(f'{k} is {level}' for k, level in enumerate(levels))}" if levels else ""


def check_link(request: DesignRequest) -> None:
    """Warn if the link was made with weights that differ from those installed here."""
    links.use("model")
    made_with = st.query_params.get("model")
    if made_with is None:
        return
    current = (request.task.name, request.method)
    if st.session_state.setdefault("linked", current) != current:  # another method: the hash does not apply
        st.query_params.pop("model")
        return
    here = weights_hash(*current)
    if made_with != here:
        st.warning(
            "This link was made with weights of this method that differ from those installed here "
            f"(theirs {plain(made_with[:8])}, here {here}): the designs below may differ from the sender's.",
            icon=":material/link_off:",
        )


_stills = Apart(still.stills)
"""In a process of its own: Matplotlib keeps Python's lock for seconds, and all visitors would wait."""

Figures = Callable[[Run], dict[str, Dict]]
"""Run → the figures of the archive, by name, with the light theme."""


def show(request: DesignRequest, run: Run, figures: Figures) -> None:
    """The table, the archive, the link, the command."""
    st.subheader("Share and take away", divider="gray")
    left, right = st.columns(2)
    left.download_button(
        "Download CSV",
        partial(table_csv, run),
        help=_columns_help(TASKS[run.task]),
        file_name=f"{run.task}_solutions.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        width="stretch",
    )
    moving = st.toggle(
        "Interactive figures in the ZIP (1.5 MB more)",
        key="share_moving",
        help="HTML files that play in any browser, beside PNG and SVG.",
    )
    right.download_button(
        "Download ZIP: table, figures, model cards, command",
        partial(archive, request, run, figures, moving),
        file_name=f"{run.task}_solutions.zip",
        mime="application/zip",
        icon=":material/folder_zip:",
        on_click="ignore",
        width="stretch",
    )
    _texts(link_of(request, run), request.to_command())


@st.fragment
def _texts(link: str, command: str) -> None:
    """The link and the command, in a folded part whose content is sent when it opens.

    Streamlit's script for code takes longer to start than the figure takes to be drawn.
    """
    folded = st.expander("Link and command line", icon=":material/link:", key="share_texts", on_change="rerun")
    if folded.open:
        with folded:
            st.caption(
                "This link opens the same designs: it holds every setting, the seed, and the hash of the weights."
            )
            st.code(link, language=None, wrap_lines=True)
            st.caption("On the command line, the same designs:")
            st.code(command, language="bash", wrap_lines=True)


def table_csv(run: Run) -> str:
    """``solutions.csv``, as the command line writes it; hits are those of the page, whose tolerance can be set."""
    table = run.frame.copy()
    y = table[[f"y{j + 1}" for j in range(run.aims.shape[1])]].to_numpy(dtype=float)
    ran = pd.Series(np.isfinite(y).all(1), table.index)
    table["hit"] = pd.Series(run.within(y), table.index).astype("boolean").where(ran)
    return spreadsheet_safe(table).to_csv(index=False)


def archive(request: DesignRequest, run: Run, figures: Figures, moving: bool = False) -> bytes:
    """Everything as a ZIP; see ``READ_ME``. ``moving``: with the figures as HTML that plays, and plotly.js."""
    from plotly.io import to_html

    read_me = READ_ME.format(
        title=TASKS[run.task].title,
        columns=columns_text(TASKS[run.task]),
        n=run.n,
        target=goal_text(run),
        command=request.to_command(),
        address=request.to_query(),
    )
    stored = {
        "task": run.task,
        "method": run.method,
        "target": request.target.text,
        "constraints": list(request.constraints),
        "seed_design": list(request.start),
        "n": run.n,
        "sampling": run.sampling,
        "spread": request.spread,
        "fill": request.fill,
        "seed": run.seed,
        "omega_evals": request.omega_evals,
        "tolerance": run.tolerance if len(run.tolerances) == 1 else run.tolerances.tolist(),
        "weights": weights_hash(run.task, run.method),
        "summary": run.summary,
        "hits_within_tolerance": int(run.hit.sum()),
    }
    drawn = figures(run)
    for figure in drawn.values():
        figure["layout"] |= {"paper_bgcolor": "#ffffff"}
    flat = {name: {"data": f["data"], "layout": f["layout"]} for name, f in drawn.items() if still.can(f)}
    moving = moving or len(flat) < len(drawn)
    buffer = io.BytesIO(_with_plotly() if moving else b"")
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("README.txt", read_me)
        file.writestr("solutions.csv", table_csv(run))
        file.writestr("settings.json", json.dumps(stored, indent=2, ensure_ascii=False))
        if request.start:
            names = ",".join(f"x{j + 1}" for j in range(len(request.start)))
            file.writestr("seed_design.csv", names + "\n" + ",".join(map(repr, request.start)) + "\n")
        for name, content in _stills(flat).items():
            file.writestr(f"figures/{name}", content)
        if moving:
            for name, figure in drawn.items():
                html = to_html(dressed(figure), include_plotlyjs="plotly.min.js", auto_play=False, validate=False)
                file.writestr(f"figures/{name}.html", html)
        for model in METHODS[run.method].models:
            card = load_card(run.task, model, folder=folder(TASKS[run.task], run.method))
            file.writestr(f"models/{model}.json", json.dumps(card, indent=2, ensure_ascii=False))
    return buffer.getvalue()


@functools.cache
def _with_plotly() -> bytes:
    """A new archive that already holds plotly.js, packed only once because this takes longer than all the rest."""
    from plotly.offline import get_plotlyjs

    return zipped({"figures/plotly.min.js": get_plotlyjs().encode()})


def densities(run: Run, plane: tuple[int, int]) -> dict[str, Dict]:
    """The figures of prior and posterior density for the archive, in the coordinates ``plane``."""
    drawn = {"pairs": pairs(run, False, WIDE)}
    if len(coordinates(run).labels) > 1:
        shown = density(run, *plane, False, stamp(run.task, run.method))
        drawn["posterior"] = posterior.figure(run, shown, *plane, False, WIDE)
    return drawn


def zipped(files: dict[str, bytes]) -> bytes:
    """A ZIP of the contents by name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()
