"""Strained silicon: ranked strains, DFT on request, the crystal in space, and structure files."""

from __future__ import annotations

import zlib
from dataclasses import replace
from functools import partial
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
from app.components.words import Figure, asked_text, cards
from app.figures.playback import WIDE, Box, Scene, Size
from app.figures.run import Run
from app.figures.theme import Dict, Palette
from app.state.inspection import inspect
from app.state.runs import loaded, stamp
from app.tasks import structures, verification
from app.tasks.panel import TaskPanel
from app.tasks.silicon import figure as drawn
from ipage_core.problem.request import DesignRequest
from ipage_core.tasks.silicon import operator
from ipage_core.tasks.silicon.box import SCISSOR
from ipage_core.tasks.silicon.least import path
from ipage_core.tasks.silicon.ranking import RADIUS
from ipage_core.tasks.silicon.ranking import table as rank
from ipage_core.tasks.silicon.task import TASK, properties

DFT = verification.Operator(
    "ipage_core.tasks.silicon.operator:many", "ipage_core.tasks.silicon.operator:known", TASK.omega_seconds
)
PRESETS = {
    "film on Si₀.₇Ge₀.₃": "substrate=Si0.7Ge0.3",
    "stress along 001": "uniaxial=001",
    "along 110": "uniaxial=110",
    "along 111": "uniaxial=111",
    "strain ≤ 2 %": "strain<=2%",
    "volume ± 1 %": "volume<=1%",
    "≤ 4 meV per atom": "energy<=4meV",
    "lowest valley on axis 3": "valley=3",
}
"""Preset constraints, in the syntax of the field."""
RANKINGS = {"energy": "elastic energy", "strain": "largest strain", "pressure": "pressure"}
RANKED_BY = (
    "The best comes first: least elastic energy, largest principal strain, or |pressure|. Strains within "
    f"{RADIUS:.1%} of each other, modulo the cube's 24 rotations, are one family."
)
FEW = 3
"""Number of top-ranked strains that are verified if no row is ticked."""
GAPS = np.linspace(0.1, 0.56, 24)
"""Gaps at which the path of least elastic energy is computed [eV]."""


def _surrogate() -> Any:
    return loaded(TASK.name, "prior-lm").surrogate


@st.cache_data(max_entries=32, show_spinner=False)
def predicted(x: np.ndarray) -> np.ndarray:
    """Gap, direct gap [eV], elastic energy [eV per atom], pressure [GPa] by the surrogate. (n, 6) → (n, 4) float32."""
    with torch.no_grad():
        return _surrogate().properties(torch.from_numpy(x.astype(np.float32))).numpy()


@st.cache_data(max_entries=64, show_spinner=False)
def candidates(strains: np.ndarray, by: str) -> pd.DataFrame:
    """(n, 6) → one row a strain, see :func:`ipage_core.tasks.silicon.ranking.table`."""
    return rank(torch.from_numpy(strains), _surrogate(), by)


@st.cache_resource(max_entries=2, show_spinner=False)
def least_energy(stamp: int) -> np.ndarray:
    """(k, 8): gap [eV], least elastic energy [eV per atom] by the surrogate, and the strain with this energy."""
    prior = TASK.sample_prior(20_000, torch.Generator().manual_seed(0))
    known = predicted(prior.numpy())

    def starts(gap: float) -> torch.Tensor:
        near = np.abs(known[:, 0] - gap).argsort()[:50]
        return prior[near]

    match = path(_surrogate(), GAPS.tolist(), starts)
    return np.array([[*one.properties[[0, 2]], *one.strain] for one in match if one is not None])


def _strains(run: Run) -> np.ndarray:
    """(n, 6) strains in the precision of the CSV."""
    return run.final[[f"x{j + 1}" for j in range(6)]].to_numpy(dtype=np.float64, copy=True)


def table(run: Run, ranked: pd.DataFrame, scissor: bool = False) -> pd.DataFrame:
    """One row per strain: values by the surrogate, values by DFT, and its rank among the others."""
    columns: dict[str, Any] = {
        "sample": np.arange(run.n),
        "rank": ranked["rank"],
        "gap*": run.aims[:, 0],
        "gap by surrogate": ranked["gap"],
        "±": ranked["gap_sd"],
        "gap by DFT": run.achieved[:, 0],
        "DFT": verification.verdicts(run, _strains(run)),
    }
    if scissor:
        columns["gap + scissor"] = np.where(run.verified, run.achieved[:, 0], ranked["gap"]) + SCISSOR
    columns |= {
        "elastic energy": 1e3 * ranked["energy"],
        "energy by DFT": 1e3 * run.achieved[:, 2],
        "direct gap": ranked["direct"],
        "pressure": ranked["pressure"],
        "valley": ranked["valley"],
        "family": ranked["family"],
        "members": ranked["members"],
        "badges": badges(run),
        "largest strain": 100 * ranked["largest_strain"],
        "volume": 100 * ranked["volume"],
    }
    return pd.DataFrame(columns | dict(zip(x_names(TASK), 100 * run.x[-1].astype(float).T, strict=True)))


def _columns(names: list[str]) -> dict[str, Any]:
    def numbers(form: str, message: str) -> Any:
        return st.column_config.NumberColumn(format=form, help=message)

    pbe = "PBE gap [eV], ions relaxed, no spin–orbit coupling"
    config = {
        "sample": st.column_config.NumberColumn(
            pinned=True, width="small", help="number of the sample, the same in every export"
        ),
        "rank": numbers("%d", RANKED_BY),
        "gap*": numbers("%.4g", f"target, {pbe}"),
        "gap by surrogate": numbers("%.4f", f"{pbe}: mean of five networks"),
        "±": numbers("%.4f", "standard deviation of the five networks [eV]"),
        "gap by DFT": numbers("%.4f", f"{pbe}, by DFT"),
        "DFT": st.column_config.TextColumn(help="what DFT says: a hit is within the tolerance of the target"),
        "gap + scissor": numbers("%.4f", f"PBE gap by DFT, else by surrogate, plus the customary scissor {SCISSOR} eV"),
        "elastic energy": numbers("%.2f", "[meV per atom] above the unstrained crystal, by surrogate"),
        "energy by DFT": numbers("%.2f", "[meV per atom] above the unstrained crystal, by DFT"),
        "direct gap": numbers("%.3f", "at Γ [eV], by surrogate"),
        "pressure": numbers("%.2f", "[GPa], by surrogate; 0.33 GPa of it is the basis set's"),
        "valley": numbers("%d", "the axis on which the lowest conduction valley lies: the gap is indirect, Γ to Δ"),
        "family": numbers("%d", RANKED_BY),
        "members": numbers("%d", "how many strains this family has"),
        "badges": st.column_config.MultiselectColumn(options=list(BADGES), color=list(BADGES.values()), width=230),
        "largest strain": numbers("%.2f %%", "largest principal strain, either sign"),
        "volume": numbers("%+.2f %%", "change against the unstrained crystal"),
    }
    return {name: config.get(name) or numbers("%+.3f %%", f"strain {name}, tensor component") for name in names}


def _ask_rows(run: Run, ranked: pd.DataFrame, by: str, alone: bool, scissor: bool) -> tuple[list[int], list[int]]:
    """The table; → the samples that it shows, the best first, and those that are ticked."""
    shown = table(run, ranked, scissor)
    shown = shown[ranked["best"].to_numpy()] if alone else shown
    shown = shown.sort_values("rank").reset_index(drop=True)
    samples = shown["sample"].tolist()
    key = f"silicon-{by}-{alone}-{scissor}-{zlib.crc32(run.x[-1].tobytes())}"
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
    count = ranked["family"].nunique()
    st.caption(
        f"{run.n} strain{'' if run.n == 1 else 's'} in {count} famil{'y' if count == 1 else 'ies'}. Tick rows to "
        f"verify, draw or export them; with none ticked, the best {min(FEW, len(samples))} are verified and all "
        "exported. ± is the spread of five networks. Files of verified strains hold the relaxed atoms."
    )
    return samples, ticked


def _choose(key: str, samples: list[int]) -> None:
    """Callback of the table: the row ticked last becomes the chosen sample."""
    rows = [row for row in st.session_state[key].selection.rows if row < len(samples)]
    table_before, before = st.session_state.get("ticked", ("", []))
    new = [row for row in rows if table_before != key or row not in before]
    st.session_state.ticked = (key, rows)
    if new:
        st.session_state[KEY] = int(samples[new[-1]])


def structure_rows(run: Run, ranked: pd.DataFrame, samples: list[int]) -> pd.DataFrame:
    """The result's ``samples`` as rows for the structure files; all if none is named."""
    frame = run.final.join(ranked)
    return frame[frame["sample"].isin(samples)] if samples else frame


def _show_crystal(request: DesignRequest, run: Run, ranked: pd.DataFrame, sample: int, dark: bool, size: Size) -> None:
    """One strain: its numbers, its structure, and its path step by step."""
    named = f"Sample {sample}" + ("" if chosen_sample(run) is not None else ", the best of this ranking")
    st.subheader(named, divider="gray")
    left, right = st.columns([2.2, 1], vertical_alignment="bottom")
    worn = badges(run)[sample]
    message = " ".join(f":{color}-badge[{name}]" for name, color in BADGES.items() if name in worn)
    left.markdown(message + ("" if run.verified[sample] else " not verified"))
    with right:
        favourites.ask_to_keep(request, run, sample)
    strain = _strains(run)[sample]
    result = DFT.known(strain[None])[0]
    relaxed = result is not None and "fail" not in result
    st.html(cards(_figures(run, ranked.loc[sample], sample, result if relaxed else None)))
    shift = result["shift"] if result is not None and relaxed else -operator.INTERNAL_STRAIN / 2 * strain[3:] * 5.469
    chart(drawn.crystal(strain, np.asarray(shift) / operator.LATTICE_CONSTANT, dark, size), key="si", config=CONFIG)
    st.caption(
        f"The cube of eight atoms; strain and shift of the second atom are drawn {drawn.TIMES} times as large. "
        + ("The atoms are where DFT relaxed them." if relaxed else "The second atom is at a linear estimate.")
    )
    with st.expander("Step by step, and the nearest training pairs", icon=":material/footprint:"):
        inspector.show_details(run, sample, inspect(run, sample))


def _figures(run: Run, row: pd.Series, sample: int, result: dict[str, Any] | None) -> list[Figure]:
    """The key numbers of one strain."""
    wanted = f"target: {asked_text(run)}; PBE, ions relaxed"
    by = "surrogate, not verified" if result is None else "DFT"
    shown = f"{run.achieved[sample, 0]:.4f} eV" if run.verified[sample] else "not verified"
    energy = row["energy"] if result is None else (result["energy"] - operator.REFERENCE_ENERGY) / 2
    pressure = row["pressure"] if result is None else result["pressure"]
    figures = [
        Figure("PBE gap by DFT", shown, wanted),
        Figure("PBE gap by surrogate", f"{row['gap']:.4f} eV", f"± {row['gap_sd']:.4f}, the spread of five networks"),
        Figure("Elastic energy", f"{1e3 * energy:.2f} meV", f"per atom; by {by}"),
        Figure("Pressure", f"{pressure:.2f} GPa", f"by {by}; 0.33 GPa of it is the basis set's"),
        Figure("Gap type", "indirect", f"Γ to Δ on axis {row['valley']:.0f}; direct gap {row['direct']:.2f} eV"),
        Figure("Largest strain", f"{100 * row['largest_strain']:.2f} %", f"volume {100 * row['volume']:+.2f} %"),
        Figure("Family", f"{row['family']:.0f}", f"of {row['members']:.0f}; rank {row['rank']:.0f} of {run.n}"),
    ]
    if result is not None:
        figures.append(Figure("Force left", f"{result['force']:.4f} eV/Å", f"after {result['steps']} SCF calculations"))
    return figures


def ask_otherwise() -> None:
    """A widget below the field for constraints; it fills in presets."""
    written = ["".join(part.split()).lower() for part in parts()]
    st.session_state.si_presets = [name for name, text in PRESETS.items() if text.lower() in written]
    st.pills("Add constraints", list(PRESETS), selection_mode="multi", key="si_presets", on_change=_on_preset)


def _on_preset() -> None:
    """Add the chosen preset to the constraints and remove the other presets."""
    known = {text.lower() for text in PRESETS.values()}
    others = [part for part in parts() if "".join(part.split()).lower() not in known]
    st.session_state.constrain = "; ".join(others + [PRESETS[name] for name in st.session_state.si_presets])


class SiliconPanel(TaskPanel):
    """A table of candidates for DFT replaces the table of all designs."""

    any_plane = False
    formula = "Ω computes the gap and the elastic energy of strained silicon by DFT (PBE). It runs only on request."
    caption = staticmethod(drawn.caption)
    about = (
        "Every gap here is a **PBE gap without spin–orbit coupling, ions relaxed**: 0.60 eV for the unstrained "
        f"crystal, 1.17 eV in experiment (a scissor of {SCISSOR} eV is customary). In all data the gap is indirect, "
        "from Γ to a valley on Δ. DFT runs only on request; until then designs are **not verified**."
    )
    form = Form(
        example="substrate=Si0.7Ge0.3; energy<=4meV; valley=3",
        accepted="Separated by semicolons; they hold during the descent. **e11=e22** ties, **e12=0** fixes. "
        "**biaxial=1%**, **substrate=Si0.7Ge0.3**: a film on (001). **uniaxial=001**, **110**, **111**: stress along "
        "this axis. **strain<=2%**: largest principal strain; **volume<=1%**: either way. By the surrogate: "
        "**energy<=4meV** per atom, **pressure<=1** GPa (also >= and =), **direct>=2.4** eV, **valley=3**: the axis "
        "of the lowest valley. Names: e11, e22, e33, e23, e13, e12, tensor components.",
        below=ask_otherwise,
    )

    def figure(self, run: Run, dark: bool = False, size: Size = WIDE, chosen: int | None = None, **_: Any) -> Dict:
        return drawn.figure(run, predicted, self._path(), dark, size, chosen)

    def picture(self, scene: Scene, run: Run, box: Box, colors: Palette, size: Size) -> None:
        drawn.picture(scene, run, predicted, box, colors, size)

    def _path(self) -> np.ndarray | None:
        """Computed once per server, when the switch is on."""
        if not st.session_state.get("least"):
            return None
        return least_energy(stamp(TASK.name, "prior-lm"))

    def before(self, request: DesignRequest) -> None:
        """The least elastic energy for each gap."""
        st.toggle(
            "Draw the path of least elastic energy",
            key="least",
            help="For each gap the strain that costs least, by the surrogate: Shi et al., PNAS 116, 4117 (2019). "
            "The first time takes some seconds.",
        )
        if st.session_state.get("least"):
            with st.spinner("Descending to the least elastic energy …"):
                least = least_energy(stamp(TASK.name, "prior-lm"))
            at = request.target.goals[0].low
            if len(least) and GAPS[0] <= at <= GAPS[-1]:
                row = least[np.abs(least[:, 0] - at).argmin()]
                strain = ", ".join(f"{100 * e:.2f}" for e in row[2:])
                st.caption(
                    f"Least elastic energy at {row[0]:.2f} eV: **{1e3 * row[1]:.2f} meV per atom**, by the surrogate, "
                    f"at e11 … e12 = {strain} %, and at its 24 images."
                )

    def show_table(self, run: Run) -> None:
        """Nothing: the candidates are shown already."""

    def completed(self, run: Run) -> Run:
        """The same designs with all of their DFT results, for figures, table and exports."""
        match = DFT.known(_strains(run))
        said = [i for i, one in enumerate(match) if one is not None and "fail" not in one]
        if not said:
            return run
        achieved = run.achieved.copy()
        for i in said:
            achieved[i] = properties(match[i])
        frame, rows = run.frame.copy(), run.frame[run.frame["stage"] == run.frame["stage"].iloc[-1]].index
        error = np.square(achieved[:, 0] - run.aims[:, 0])
        names = ["y1", *TASK.property_labels[1:], "resim_error"]
        for name, column in zip(names, [*achieved.T, error], strict=True):
            frame.loc[rows, name] = column
        known = error[np.isfinite(error)]
        message = {"resim_mse": float(known.mean()), "resim_median": float(np.median(known)), "verified": len(known)}
        message["omega_calls"] = max(run.summary["omega_calls"], len(known))
        return replace(run, achieved=achieved, frame=frame, summary=run.summary | message)

    def show_sample(self, request: DesignRequest, run: Run, dark: bool, size: Size) -> None:
        """Candidates with verification and files, then details of one of them."""
        st.subheader("Candidates", divider="gray")
        left, middle, right = st.columns([2.2, 1, 1], vertical_alignment="bottom")
        by = left.segmented_control(
            "Rank by",
            list(RANKINGS),
            default="energy",
            required=True,
            format_func=RANKINGS.get,
            key="rank_si",
            help=RANKED_BY,
        )
        alone = middle.toggle("One strain for each family", key="families_si")
        scissor = right.toggle(
            f"Add the scissor, {SCISSOR} eV", key="scissor", help="Adds a column with the corrected gap."
        )
        ranked = candidates(run.x[-1].astype(float), by)
        shown, ticked = _ask_rows(run, ranked, by, alone, scissor)
        verification.ask(run, _strains(run), ticked or shown[:FEW], bool(ticked), DFT)
        which = f"{len(ticked)} ticked" if ticked else f"all {run.n}"
        structures.ask(TASK, structure_rows(run, ranked, ticked), which, "silicon")
        chosen = chosen_sample(run)
        _show_crystal(request, run, ranked, shown[0] if chosen is None else chosen, dark, size)


PANEL = SiliconPanel()
