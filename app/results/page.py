"""The benchmark page: the paper's numbers beside ours, every figure, and a cell rerun on request."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.components import glossary
from app.components.chart import chart, numbers
from app.components.words import plain
from app.figures import benchmark as figures
from app.results import paper_tables, result_tables
from app.results import shown as results
from app.state import classroom
from app.workers.rerun import OUT, Rerun, rerun
from ipage_core.benchmark import CELLS, SHIPPED, rows, tables
from ipage_core.benchmark.scope import Scope, missing
from ipage_core.inference.methods import METHODS
from ipage_core.runtime.files import spreadsheet_safe
from ipage_core.tasks import TASKS

FORMATS = {"SVG": "svg", "PNG": "png"}
COMMAND = "python -m ipage_core benchmark --out runs/benchmark"


@st.cache_resource(max_entries=2, show_spinner="Reading results …")
def _tables(folder: str, stamp: int) -> result_tables.Tables:
    """Cached for all sessions; do not modify."""
    return results.load(Path(folder))


@st.cache_resource(max_entries=2, show_spinner="Reading results …")
def _overview(folder: str, stamp: int) -> dict[str, results.Shown]:
    """All figures by title; cached for all sessions."""
    return {one.title: one for one in results.overview(_tables(folder, stamp), Path(folder))}


@st.cache_data(max_entries=64, show_spinner=False)
def _numbers(folder: str, stamp: int, title: str) -> pd.DataFrame:
    return result_tables.in_words(_overview(folder, stamp)[title].numbers())


def show(dark: bool, folder: Path | None = None) -> None:
    """The whole page, for the shipped results or another folder."""
    folder = folder or SHIPPED
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("#### Benchmark: the paper's tables and figures, and what this program reaches", width="content")
        glossary.offer("content")
    cells_file = folder / CELLS
    if not cells_file.exists():
        st.info(f"There are no results here yet. They come from: `{COMMAND}`", icon=":material/info:")
        _rerun()
        return
    there = str(folder), cells_file.stat().st_mtime_ns
    try:
        loaded = _tables(*there)
    except ValueError as error:
        st.error(str(error), icon=":material/error:")
        return
    cells, card = loaded["cells"]
    st.caption(
        "Tables 2 and 3 and Figures 1 to 7 are numbered as in the paper (Bi, Fung and Zhang, iPage, AAAI 2023). Mean "
        "of ‖Ω(x) − y*‖² **by the true forward operator Ω**, unless a cell says otherwise. The lowest value of each "
        "column is bold, and so are all values within its 95 % interval; means over too few targets do not compete. "
        "Hover over a cell for its quantiles. The "
        "bootstrap interval is over targets in the paper's Table 2 and over solutions in its Table 3. It and the "
        "standard deviation over latent seeds are for one training. If a method was trained more than once, the hover "
        "adds the standard deviation over training seeds, for the solutions that all trainings have."
    )
    protocol, chosen = _ask(cells)
    gone = {key: why for key, why in card["missing"].items() if _kept(key, chosen)}
    intervals = st.toggle("With 95 % intervals", key="intervals", bind="query-params")
    sideways = results.SIDEWAYS.format(place=".st-key-benchmark-figure")
    st.html(f"<style>{paper_tables.CSS}{sideways}</style>{paper_tables.table(chosen, gone, protocol, intervals)}")
    if gone:
        with st.expander(f"Why {len(gone)} {'cells are' if len(gone) > 1 else 'cell is'} not available"):
            for why, those in paper_tables.reasons(gone).items():
                st.caption(f"**{those}.** {plain(why)}")
    _downloads(chosen, folder)
    _rerun()
    _figures(there, dark)
    _costs(loaded)
    _quality(loaded)
    with st.expander(f"Measured on: {card['machine']}; by these commands"):
        st.caption("\n".join(f"- `{command}`: {made}" for command, made in results.commands(loaded).items()))


def _kept(key: str, chosen: pd.DataFrame) -> bool:
    task, method = key.split()
    return task in chosen.attrs["tasks"] and method in chosen.attrs["methods"]


def _ask(cells: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """Choose the table, its columns and its rows."""
    by_title = {title: protocol for protocol, title in tables.PAPER_TABLES.items()}
    title = st.segmented_control(
        "Table of the paper",
        list(by_title),
        default=tables.PAPER_TABLES["single"],
        required=True,
        key="table",
        bind="query-params",
    )
    protocol = by_title[title]
    left, right = st.columns(2)
    there = [name for name in paper_tables.TITLES if (cells["task"] == name).any()]
    task_names = left.multiselect("Tasks", there, default=there, format_func=paper_tables.TITLES.get, key="tasks")
    methods = [name for name in figures.NAMES if name in METHODS]
    method_names = right.multiselect("Methods", methods, default=methods, format_func=figures.short, key="methods")
    chosen = cells[cells["task"].isin(task_names) & cells["method"].isin(method_names)]
    chosen.attrs = {"tasks": task_names, "methods": method_names}
    return protocol, chosen


def _downloads(chosen: pd.DataFrame, folder: Path) -> None:
    places = st.columns(3)
    places[0].download_button(
        "These cells as CSV",
        partial(_csv, chosen),
        "cells.csv",
        "text/csv",
        key="cells-csv",
        on_click="ignore",
        icon=":material/table:",
        width="stretch",
        help="All columns: both tables, every sampling, quantiles, intervals, seconds, and the paper's figure.",
    )
    solutions = folder / "solutions.parquet"
    places[1].download_button(
        "Every solution as Parquet",
        solutions.read_bytes if solutions.exists() else b"",
        "solutions.parquet",
        key="solutions-parquet",
        on_click="ignore",
        icon=":material/database:",
        width="stretch",
        disabled=not solutions.exists(),
        help="One row a solution: all tables are computed from it.",
    )
    places[2].download_button(
        "Report as HTML",
        partial(_report, folder),
        "benchmark.html",
        "text/html",
        key="report-html",
        on_click="ignore",
        icon=":material/description:",
        width="stretch",
        help="Tables and all figures in one file that needs no network.",
    )


def _csv(chosen: pd.DataFrame) -> str:
    return spreadsheet_safe(chosen).to_csv(index=False)


def _report(folder: Path) -> bytes:
    import tempfile

    from app.results import report

    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "benchmark.html"
        report.write(folder, out)
        return out.read_bytes()


def _figures(there: tuple[str, int], dark: bool) -> None:
    st.subheader("Figures", divider="gray")
    shown = _overview(*there)
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    title = left.selectbox("Figure (numbered as in the paper)", list(shown), key="figure", bind="query-params")
    form = right.segmented_control("Camera saves", list(FORMATS), default="SVG", required=True, key="camera")
    one = shown[title]
    config = {"displaylogo": False, "displayModeBar": True}
    config["toImageButtonOptions"] = {"format": FORMATS[form], "filename": one.key, "scale": 2}
    with st.container(key="benchmark-figure"):
        drawn = one.draw(dark)
        wide = "content" if "width" in drawn["layout"] else "stretch"
        chart(drawn, key=f"benchmark-{one.key}-{form}", config=config, width=wide)
    st.caption(one.caption)
    numbers(_numbers(*there, title), one.key)


def _costs(loaded: result_tables.Tables) -> None:
    table = result_tables.costs(loaded)
    if not len(table):
        return
    st.subheader("What a method costs", divider="gray")
    formats = {"parameters": st.column_config.NumberColumn(format="localized")}
    formats |= {f"{part} [s]": st.column_config.NumberColumn(format="%.3g") for part in ("inference", "localization")}
    st.dataframe(table, hide_index=True, key="costs", column_config=formats)
    st.caption(result_tables.COSTS)


def _quality(loaded: result_tables.Tables) -> None:
    table = result_tables.quality_table(loaded)
    if not len(table):
        return
    st.subheader("Are the solutions spread like the posterior?", divider="gray")
    st.dataframe(table, hide_index=True, key="quality")
    st.caption(
        "Compared with samples of the true posterior, drawn by rejection. **MMD²** (maximum mean discrepancy): 0 on "
        "average if both agree; it can be negative. **Diversity**: mean distance between two designs, divided by that "
        "in the posterior. **Log prior density**: below the posterior's if solutions are less likely than necessary."
    )


def _rerun() -> None:
    """A form to rerun one cell, and the state of this run."""
    st.subheader("Run a cell on this machine", divider="gray")
    if classroom.on():
        classroom.note("Runs of the benchmark are switched off in this classroom.")
        return
    places = st.columns([1.2, 1.2, 1, 1, 1, 1], vertical_alignment="bottom")
    task = places[0].selectbox("Task", list(paper_tables.TITLES), format_func=paper_tables.TITLES.get, key="cell-task")
    methods = [name for name in figures.NAMES if name in METHODS]
    method = places[1].selectbox(
        "Method", methods, methods.index("ipage"), format_func=figures.short, key="cell-method"
    )
    sampling = _sampling(method, places[2])
    protocol = places[3].selectbox(
        "Table of the paper", ["single", "many"], format_func=tables.paper_table, key="cell-protocol"
    )
    repeats = places[4].number_input("Latent seeds", 1, 50, 3, key="cell-repeats")
    why = missing(Scope(tasks=(task,), methods=(method,)))
    arguments = ("--tasks", task, "--methods", method, *(("--sampling", sampling) if sampling else ()))
    arguments += ("--protocol", protocol, "--repeats", str(repeats))
    job = rerun()
    job.poll()
    places[5].button(
        "Run",
        key="cell-run",
        icon=":material/play_arrow:",
        on_click=job.start,
        args=arguments,
        disabled=bool(why) or job.state == "running",
        type="primary",
        width="stretch",
    )
    if why:
        st.info(next(iter(why.values())), icon=":material/info:")
    elif not TASKS[task].verifies_by_default:
        st.caption("Ω is slow here and does not run: the errors are by a surrogate, and marked so.")
    st.fragment(_progress, run_every=1.0 if job.state == "running" else None)(job, job.state)


def _sampling(method: str, place: DeltaGenerator) -> str | None:
    """The sampling of latent points, by default that of the tables; None if the method has no latent space."""
    if METHODS[method].proposal is None:
        return None
    samplings = list(figures.SAMPLINGS)
    first = samplings.index("maximin" if method.startswith("ipage") else "srs")
    # One key per method, so that the methods do not share their choice.
    key = f"cell-sampling-{method}"
    return place.selectbox("Sampling", samplings, first, format_func=figures.SAMPLINGS.get, key=key)


def _progress(job: Rerun, before: str) -> None:
    """Progress, polled during the run; the page reruns when it ends."""
    job.poll()
    if job.state == "running":
        text_column, stop = st.columns([4, 1], vertical_alignment="center")
        left = "" if job.eta is None else f", about {job.eta:.0f} s left"
        text_column.progress(job.done / max(job.total, 1), f"{described(job)}: {job.done} of {job.total}{left}")
        stop.button("Cancel", key="cell-cancel", on_click=job.stop, icon=":material/close:", width="stretch")
    if job.state != before:
        st.rerun()
    elif job.state == "failed":
        st.error(f"The run stopped: {plain(job.message)}", icon=":material/error:")
    elif job.state == "stopped":
        st.info("Cancelled; finished runs are kept.", icon=":material/close:")
    elif job.state == "done":
        _outcome(job)


def described(job: Rerun) -> str:
    """The running cell in the words of the form."""
    said = dict(zip(job.arguments[::2], job.arguments[1::2], strict=True))
    repeats = said["--repeats"]
    words = [paper_tables.TITLES[said["--tasks"]], figures.short(said["--methods"])]
    if "--sampling" in said:
        words.append(figures.SAMPLINGS[said["--sampling"]])
    words += [tables.paper_table(said["--protocol"]), f"{repeats} latent seed{'s' if repeats != '1' else ''}"]
    return ", ".join(words)


def _outcome(job: Rerun) -> None:
    cells, card = rows.read(OUT / CELLS)
    for one in tables.displayed(cells, str(cells["protocol"].iloc[0])).itertuples():
        paper = f" The paper: {one.paper:g}." if one.paper == one.paper else ""
        latent = METHODS[str(one.method)].proposal is not None
        sampling = f", {figures.SAMPLINGS[str(one.sampling)]}" if latent else ""
        spread = f" ± {tables.number(one.seed_sd)} over seeds" if one.runs > 1 else ""
        st.success(
            f"{paper_tables.TITLES[str(one.task)]}, {figures.short(str(one.method))}{sampling}, "
            f"{tables.paper_table(str(one.protocol))}: mean "
            f"{tables.number(one.mean)} by {one.by} [{tables.number(one.low)}, {tables.number(one.high)}, over "
            f"{tables.RESAMPLED[str(one.protocol)]}]{spread}, {figures.counted(one)}.{paper}",
            icon=":material/check:",
        )
    st.caption(f"`{card['command']} --out {shlex.quote(str(OUT))}`")
