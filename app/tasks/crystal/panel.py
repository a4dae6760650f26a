"""SrTiO₃ cells: candidates ranked, verified by DFT on request, drawn, and taken away as structure files."""

from __future__ import annotations

import tempfile
import zlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch

from app.components import favourites, inspector
from app.components.chart import chart
from app.components.choice import CONFIG, KEY, chosen_sample
from app.components.form import Form, parts
from app.components.tables import BADGES, badges, x_names
from app.components.words import Figure, asked_text, cards, duration, number, plain
from app.figures.playback import WIDE, Box, Scene, Size
from app.figures.run import Run
from app.figures.theme import Dict, Palette
from app.state import classroom
from app.state.inspection import inspect
from app.state.runs import loaded
from app.tasks import structures
from app.tasks.crystal import figure as drawn
from app.tasks.panel import TaskPanel
from app.workers import jobs
from ipage_core.problem.request import DesignRequest
from ipage_core.tasks import TASKS
from ipage_core.tasks.crystal import dft
from ipage_core.tasks.crystal.box import HELD_IONS
from ipage_core.tasks.crystal.families import table as rank
from ipage_core.tasks.crystal.strain import CUBIC_ENERGY, SUBSTRATES
from ipage_core.tasks.crystal.task import TASK, read_design

PRESETS = {"a = b": "a=b", "right angles": "angles=90", "strain ≤ 5 %": "strain<=5%", "volume ± 3 %": "volume<=3%"}
"""Constraints that a click adds, as the field has them."""
RANKINGS = {"energy": "ΔE", "cubic": "distance from cubic", "robustness": "robustness"}
RANKED_BY = (
    "The best comes first. **ΔE**: energy above the cubic cell, per cell of five atoms. **Distance from cubic**: norm "
    "of the strain. **Robustness**: how far the predicted gap changes when lengths err by ±0.5 % and angles by ±0.5°. "
    "Cells within 1 % of strain, modulo the 24 symmetries of the lattice, are one family."
)
BEST = "best of family"
FEW = 3
"""So many of the ranking are verified if no row is ticked."""
MOST_BYTES = 100_000


def _surrogate() -> Any:
    """The five networks that all methods of this task localize on or are judged by."""
    return loaded(TASK.name, "prior-lm").surrogate


@st.cache_data(max_entries=32, show_spinner=False)
def predicted(x: np.ndarray) -> np.ndarray:
    """Gap, direct gap [eV] and ΔE [eV per cell] by the ensemble of surrogates. (n, 6) → (n, 3) float32."""
    with torch.no_grad():
        return _surrogate().properties(torch.from_numpy(x.astype(np.float32))).numpy()


@st.cache_data(max_entries=64, show_spinner=False)
def candidates(lattices: np.ndarray, by: str) -> pd.DataFrame:
    """(n, 6) → one row a cell, see :func:`ipage_core.tasks.crystal.families.table`."""
    return rank(torch.from_numpy(lattices), _surrogate(), by)


def _final(run: Run) -> pd.DataFrame:
    """The rows of ``solutions.csv`` that hold the result, in the order of the ids."""
    return run.frame[run.frame["stage"] == run.frame["stage"].iloc[-1]]


def _lattices(run: Run) -> np.ndarray:
    """(n, 6) as the CSV has them."""
    return _final(run)[[f"x{j + 1}" for j in range(6)]].to_numpy(dtype=np.float64, copy=True)


def _ask_rows(run: Run, ranked: pd.DataFrame, by: str, alone: bool) -> tuple[list[int], list[int]]:
    """The table; → the samples that it shows, the best first, and those that are ticked."""
    shown = table(run, ranked)
    shown = shown[ranked["best"].to_numpy()] if alone else shown
    shown = shown.sort_values("rank").reset_index(drop=True)
    samples = shown["sample"].tolist()
    key = f"candidates-{by}-{alone}-{zlib.crc32(run.x[-1].tobytes())}"
    picked = st.dataframe(
        shown,
        hide_index=True,
        height=340,
        column_config=_columns(list(shown.columns)),
        key=key,
        on_select=partial(_choose, key, samples),
        selection_mode="multi-row",
        placeholder="–",
    )
    ticked = [samples[row] for row in picked.selection.rows if row < len(samples)]
    many, count = f"{run.n} cell{'' if run.n == 1 else 's'}", ranked["family"].nunique()
    st.caption(
        f"{many} in {count} famil{'y' if count == 1 else 'ies'}. Tick rows to verify, draw or export them; with none "
        f"ticked, the best {min(FEW, len(samples))} are verified and all exported. ± is the spread of five surrogates."
    )
    return samples, ticked


def table(run: Run, ranked: pd.DataFrame) -> pd.DataFrame:
    """One row a cell: what the surrogates say, what DFT says, and where it stands among the others."""
    worn = [
        row + [BEST] * bool(best and members > 1)
        for row, best, members in zip(badges(run), ranked["best"], ranked["members"], strict=True)
    ]
    columns: dict[str, Any] = {
        "sample": np.arange(run.n),
        "rank": ranked["rank"],
        "gap*": run.aims[:, 0],
        "gap by surrogates": ranked["gap"],
        "±": ranked["gap_sd"],
        "gap by DFT": run.achieved[:, 0],
        "DFT": _verdicts(run),
        "ΔE by surrogates": ranked["energy"],
        "ΔE by DFT": run.achieved[:, 2],
        "family": ranked["family"],
        "members": ranked["members"],
        "badges": worn,
        "from cubic": 100 * ranked["cubic"],
        "largest strain": 100 * ranked["largest_strain"],
        "volume": 100 * ranked["volume"],
        "gap ± by noise": ranked["robustness"],
    }
    columns |= dict(zip(x_names(TASKS[run.task]), run.x[-1].astype(float).T, strict=True))
    return pd.DataFrame(columns)


def _verdicts(run: Run) -> list[str]:
    """What DFT says of each cell, in a word or two."""
    x = _lattices(run)
    under_way = {lattice for job in jobs.queue().about(x) for lattice in job.lattices}
    verdicts = []
    for i, lattice in enumerate(jobs.keys(x)):
        if run.verified[i]:
            verdicts.append("hit" if run.hit[i] else "off")
        elif lattice in under_way:
            verdicts.append("under way")
        else:
            verdicts.append("failed" if "fail" in jobs.queue().found.get(lattice, {}) else "not verified")
    return verdicts


def _columns(names: list[str]) -> dict[str, Any]:
    def numbers(form: str, told: str) -> Any:
        return st.column_config.NumberColumn(format=form, help=told)

    unrelaxed = f"PBE gap [eV], unrelaxed internal coordinates: {HELD_IONS}"
    config = {
        "sample": st.column_config.NumberColumn(pinned=True, width="small", help="the id that every export shares"),
        "rank": numbers("%d", RANKED_BY.replace("**", "")),
        "gap*": numbers("%.4g", f"target, {unrelaxed}"),
        "gap by surrogates": numbers("%.4f", f"{unrelaxed}: mean of five networks"),
        "±": numbers("%.4f", "standard deviation of the five networks [eV]"),
        "gap by DFT": numbers("%.4f", f"{unrelaxed}, by DFT"),
        "DFT": st.column_config.TextColumn(help="what DFT says: a hit is within the tolerance of the target"),
        "ΔE by surrogates": numbers("%.3f", "energy above the cubic cell [eV per cell]: mean of five networks"),
        "ΔE by DFT": numbers("%.3f", "energy above the cubic cell [eV per cell], by DFT"),
        "family": numbers("%d", "cells that are the same within 1 % of strain, modulo the 24 symmetries"),
        "members": numbers("%d", "how many cells this family has"),
        "badges": st.column_config.MultiselectColumn(
            options=[*BADGES, BEST], color=[*BADGES.values(), "violet"], width=230
        ),
        "from cubic": numbers("%.1f %%", "norm of the strain from the cubic cell of lowest energy"),
        "largest strain": numbers("%.1f %%", "largest principal strain, either sign"),
        "volume": numbers("%+.1f %%", "change against the cubic cell of lowest energy"),
        "gap ± by noise": numbers(
            "%.3f", "RMS change of the gap [eV] under ±0.5 % in lengths, ±0.5° in angles, by them"
        ),
    }
    labels = dict(zip(x_names(TASK), TASK.x_labels, strict=True))
    return {name: config.get(name) or numbers("%.4f", labels[name]) for name in names}


def _choose(key: str, samples: list[int]) -> None:
    """Callback of the table: the row ticked last is the sample that the page looks at."""
    rows = [row for row in st.session_state[key].selection.rows if row < len(samples)]
    table_before, before = st.session_state.get("ticked", ("", []))
    new = [row for row in rows if table_before != key or row not in before]
    st.session_state.ticked = (key, rows)
    if new:
        st.session_state[KEY] = int(samples[new[-1]])


def _verify(run: Run, wanted: list[int], ticked: bool) -> None:
    """The button, and what has become of the jobs of this session."""
    try:
        dft.require()
    except dft.DFTUnavailable as error:
        st.info(f"Not verified, and cannot be here. {error}", icon=":material/science_off:")
        return
    x = _lattices(run)
    mine: list[jobs.Job] = st.session_state.setdefault("dft_jobs", [])
    mine += [job for job in jobs.queue().about(x) if job not in mine]
    verdicts = _verdicts(run)
    left = [sample for sample in wanted if verdicts[sample] in ("not verified", "failed")]
    left = left[: min(jobs.MOST, classroom.dft_left())]

    def ask() -> None:
        mine.append(jobs.queue().add(tuple(left), x[left]))
        st.session_state.dft_asked = st.session_state.get("dft_asked", 0) + len(left)

    count = "the ticked" if ticked else f"the best {len(wanted)}"
    if left:
        which = f"{len(left)} ticked" if ticked else f"the best {len(left)}"
        label = f"Verify {which} with DFT, about {duration(jobs.guess(len(left)))}"
    elif not classroom.dft_left():
        label = "Verify with DFT: your share is used up"
    else:
        under_way = any(verdicts[sample] == "under way" for sample in wanted)
        label = f"Verify with DFT: {count} {'are under way' if under_way else 'are verified'}"
    st.button(label, key="verify", icon=":material/science:", on_click=ask, disabled=not left, type="primary")
    classroom.told(f"DFT verifies {classroom.DFT} crystals a visitor in this classroom; {classroom.dft_left()} left.")
    active = [job.active for job in mine]
    st.fragment(_progress, run_every=1.0 if any(active) else None)(mine, active)


def _progress(mine: list[jobs.Job], before: list[bool]) -> None:
    """Polled while a job is active; the page, which knew those ``before``, follows once one ends or is cancelled."""
    jobs.queue().poll()
    for job in mine:
        if job.active:
            _bar(job)
    if [job.active for job in mine] != before:
        st.rerun()
    for job in mine[-1:]:
        if not job.active:
            _outcome(job)


def _bar(job: jobs.Job) -> None:
    told, stop = st.columns([4, 1], vertical_alignment="center")
    count, done, ahead = len(job.samples), len(job.results), jobs.queue().ahead(job)
    if job.state == "waiting":
        text = f"{_cells(count)} wait{'s' * (count == 1)} behind {ahead} other {'job' if ahead == 1 else 'jobs'}"
    else:
        left = job.seconds_left
        told_left = (
            f"about {duration(left)} left" if left > 1 else "slower than expected: other work shares these cores"
        )
        text = f"DFT: {done} of {count} done, {told_left}"
    told.progress(done / count, text)
    stop.button(
        "Cancel",
        key=f"cancel-{job.number}",
        on_click=jobs.queue().cancel,
        args=(job,),
        icon=":material/close:",
        width="stretch",
    )


def _outcome(job: jobs.Job) -> None:
    """How the last job ended."""
    failed = [(job.samples[row], result["fail"]) for row, result in sorted(job.results.items()) if "fail" in result]
    good, count = len(job.results) - len(failed), len(job.samples)
    if job.state == "failed":
        st.error(f"DFT stopped after {good} of {_cells(count)}: {plain(job.message)}.", icon=":material/error:")
    elif job.state == "cancelled":
        st.info(f"Cancelled; what DFT said of {good} of {_cells(count)} is kept.", icon=":material/close:")
    elif good:
        st.success(f"DFT took {duration(job.took)} for {_cells(good)}.", icon=":material/science:")
    for sample, why in failed[:5]:
        st.warning(f"Sample {sample}: {why}", icon=":material/science_off:")


def _cells(count: int) -> str:
    return f"{count} cell{'' if count == 1 else 's'}"


def structure_rows(run: Run, ranked: pd.DataFrame, samples: list[int]) -> pd.DataFrame:
    """The result's ``samples`` as the structure files tell of them; all if none is named."""
    frame = _final(run).reset_index(drop=True).join(ranked)
    return frame[frame["sample"].isin(samples)] if samples else frame


def _show_cell(request: DesignRequest, run: Run, ranked: pd.DataFrame, sample: int, dark: bool, size: Size) -> None:
    """One cell: in numbers, in space beside the cubic one, and step by step."""
    named = f"Sample {sample}" + ("" if chosen_sample(run) is not None else ", the best of this ranking")
    st.subheader(named, divider="gray")
    left, right = st.columns([2.2, 1], vertical_alignment="bottom")
    worn = badges(run)[sample]
    told = " ".join(f":{color}-badge[{name}]" for name, color in BADGES.items() if name in worn)
    left.markdown(told + ("" if run.verified[sample] else " not verified"))
    with right:
        favourites.ask_to_keep(request, run, sample)
    seen = inspect(run, sample)
    st.html(cards(_figures(run, ranked.loc[sample], sample, float(seen.near_distance[0]))))
    chart(drawn.cells(run.x[-1, sample].astype(float), f"Sample {sample}", dark, size), key="cells", config=CONFIG)
    st.caption("Drag to turn. On the right, at the same scale, the cubic cell of lowest energy.")
    with st.expander("Step by step, and the nearest training pairs", icon=":material/footprint:"):
        inspector.show_details(run, sample, seen)


def _figures(run: Run, row: pd.Series, sample: int, nearest: float) -> list[Figure]:
    """One cell in numbers."""
    gap, direct, energy = run.achieved[sample]
    asked = f"asked was {asked_text(run)}"
    if run.verified[sample]:
        figures = [Figure("PBE gap by DFT", f"{gap:.4f} eV", f"{asked}; {HELD_IONS}; direct gap {direct:.3f} eV")]
    else:
        figures = [Figure("PBE gap by DFT", "not verified", f"{asked}; {HELD_IONS}")]
    spread = f"± {row['gap_sd']:.4f}, the spread of the five; unrelaxed"
    figures.append(Figure("PBE gap by surrogates", f"{row['gap']:.4f} eV", spread))
    by = "DFT" if run.verified[sample] else "surrogates, not verified"
    value = energy if run.verified[sample] else row["energy"]
    figures += [
        Figure("ΔE", f"{value:.2f} eV", f"above the cubic cell, per cell of five atoms; by {by}"),
        Figure("From cubic", f"{100 * row['cubic']:.1f} %", f"norm of strain; volume {100 * row['volume']:+.1f} %"),
        Figure("Under noise", f"± {row['robustness']:.3f} eV", "of the predicted gap, for ±0.5 % in lengths, ±0.5°"),
        Figure(
            "Family", f"{row['family']:.0f}", f"of {_cells(int(row['members']))}; rank {row['rank']:.0f} of {run.n}"
        ),
        Figure("Nearest training cell", number(nearest), "distance in widths of the box"),
    ]
    return figures


def ask_otherwise() -> None:
    """Below the fields for constraints and a design of one's own: what fills them in by a click or from a file."""
    written = _written()
    st.session_state.presets = [name for name, text in PRESETS.items() if text in written]
    st.session_state.substrate = next((name for name in SUBSTRATES if f"substrate={name}".lower() in written), None)
    left, right = st.columns(2)
    left.pills("Add constraints", list(PRESETS), selection_mode="multi", key="presets", on_change=_on_preset)
    left.selectbox(
        "Grown on a substrate",
        list(SUBSTRATES),
        index=None,
        placeholder="none",
        key="substrate",
        on_change=_on_preset,
        format_func=lambda name: f"{name}: a = b = {SUBSTRATES[name]:.3f} Å, γ = 90°",
        help="In-plane lattice constants at room temperature, pseudocubic: Schlom et al., Annu. Rev. Mater. Res. 37, "
        "589 (2007), doi:10.1146/annurev.matsci.37.061206.113016.",
    )
    right.file_uploader(
        "Start from a CIF of your own",
        type="cif",
        key="cif",
        disabled=classroom.on(),
        on_change=_on_cif,
        max_upload_size=1,
        help="One perovskite cell of SrTiO₃, five atoms, within the box. Its lattice is used; its ions are not.",
    )
    classroom.told("Uploads are switched off in this classroom.")
    if wrong := st.session_state.get("cif_wrong"):
        right.error(plain(wrong), icon=":material/error:")


def _written() -> list[str]:
    """The constraints as written, without blanks and in small letters."""
    return ["".join(part.split()).lower() for part in parts()]


def _on_preset() -> None:
    """Put what is chosen among the constraints, and take the rest of the presets out."""
    others = [part for part in _written() if part not in PRESETS.values() and not part.startswith("substrate=")]
    chosen = [PRESETS[name] for name in st.session_state.presets]
    chosen += [f"substrate={name}" for name in [st.session_state.substrate] if name]
    st.session_state.constrain = "; ".join(others + chosen)


def _on_cif() -> None:
    """Put the file's lattice into the field of the design to start from, or say what is wrong with it."""
    file, st.session_state.cif_wrong = st.session_state.cif, ""
    try:
        st.session_state.start = ", ".join(f"{v:.10g}" for v in read_cif(file.getvalue())) if file else ""
    except ValueError as error:
        st.session_state.cif_wrong = str(error)


def read_cif(content: bytes) -> list[float]:
    """a, b, c [Å], α, β, γ [°] of one cell of SrTiO₃.

    Raises:
        ValueError: too large, not a CIF, another crystal, or outside the box.
    """
    if len(content) > MOST_BYTES:
        raise ValueError(f"This file has {len(content) / 1000:.0f} kB; a cell of five atoms needs a few, at most 100.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cell.cif"
        path.write_bytes(content)
        try:
            return read_design(path).tolist()
        except ValueError as error:
            raise ValueError(str(error).replace(str(path), "This file")) from None


class CrystalPanel(TaskPanel):
    """Candidates for DFT in the place of the table of every design."""

    plane = drawn.PLANE
    any_plane = False
    caption = staticmethod(drawn.caption)
    about = (
        f"Every gap here is a **PBE gap with unrelaxed internal coordinates**: {HELD_IONS}. "
        "PBE underestimates (1.9 eV for the cubic crystal, about 3.25 eV in experiment). DFT runs only when asked to: "
        "until then designs are **not verified**."
    )
    form = Form(
        example="a=b; angles=90; strain<=5%",
        accepted="Separated by semicolons; they hold during the descent. **a=b**: two parameters tied. **c=4.1**, "
        "**gamma<=95**: one fixed or bounded. **angles=90**: all three. **substrate=LSAT**: a, b and γ of its plane. "
        "**strain<=5%**: largest principal strain, **volume<=3%**: change either way, both against the cubic cell of "
        "lowest energy. Names: a, b, c [Å], alpha, beta, gamma [°].",
        below=ask_otherwise,
    )

    def figure(self, run: Run, dark: bool = False, size: Size = WIDE, chosen: int | None = None, **_: Any) -> Dict:
        return drawn.figure(run, predicted, dark, size, chosen)

    def picture(self, scene: Scene, run: Run, box: Box, colors: Palette, size: Size) -> None:
        drawn.picture(scene, run, predicted, box, colors, size)

    def figures(self, run: Run) -> dict[str, Dict]:
        return super().figures(run) | {"lattices": drawn.lattices(run)}

    def show_table(self, run: Run) -> None:
        """The candidates are there already."""

    def completed(self, run: Run) -> Run:
        """The same designs, with what DFT has said of any of them, whoever asked: figures, table and exports follow."""
        found = jobs.known(_lattices(run))
        said = [i for i, one in enumerate(found) if one is not None and "fail" not in one]
        if not said:
            return run
        achieved = run.achieved.copy()
        for i in said:
            achieved[i] = [found[i]["gap"], found[i]["direct"], found[i]["energy"] - CUBIC_ENERGY]
        frame, rows = run.frame.copy(), _final(run).index
        error = np.square(achieved[:, 0] - run.aims[:, 0])
        names = ["y1", *TASKS[run.task].property_labels[1:], "resim_error"]
        for name, column in zip(names, [*achieved.T, error], strict=True):
            frame.loc[rows, name] = column
        known = error[np.isfinite(error)]
        told = {"resim_mse": float(known.mean()), "resim_median": float(np.median(known)), "verified": len(known)}
        told["omega_calls"] = max(run.summary["omega_calls"], len(known))
        return replace(run, achieved=achieved, frame=frame, summary=run.summary | told)

    def show_sample(self, request: DesignRequest, run: Run, dark: bool, size: Size) -> None:
        """Candidates with their verification and files; one cell closely; the distributions of lattice parameters."""
        st.subheader("Candidates", divider="gray")
        left, right = st.columns([2.2, 1], vertical_alignment="bottom")
        by = left.segmented_control(
            "Rank by",
            list(RANKINGS),
            default="energy",
            required=True,
            format_func=RANKINGS.get,
            key="rank",
            bind="query-params",
            help=RANKED_BY,
        )
        alone = right.toggle("One cell for each family", key="families", bind="query-params")
        with st.spinner("Ranking …"):
            ranked = candidates(run.x[-1].astype(float), by)
        shown, ticked = _ask_rows(run, ranked, by, alone)
        _verify(run, ticked or shown[:FEW], bool(ticked))
        which = f"{len(ticked)} ticked" if ticked else f"all {run.n}"
        structures.ask(TASK, structure_rows(run, ranked, ticked), which, "srtio3")
        chosen = chosen_sample(run)
        _show_cell(request, run, ranked, shown[0] if chosen is None else chosen, dark, size)
        st.subheader("Lattice parameters", divider="gray")
        chart(drawn.lattices(run, dark, size, chosen), key="lattices", config=CONFIG)
        versus = f"**{run.labels[0].capitalize()}** against **localized**" if run.localizes else "The posterior"
        st.caption(
            f"{versus}; dashed, the cubic cell of lowest energy. The 24 symmetries mirror angles about 90° and swap "
            "axes, so solutions come on both sides. Lines: at most 100 cells of each kind."
        )


PANEL = CrystalPanel()
