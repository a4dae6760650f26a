"""Strains of silicon as candidates for DFT: predictions, ranking, and a table with selectable rows."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch

from app.components.tables import BADGES, RESTS_ON, badges, x_names
from app.figures.run import Run
from app.tasks import candidates, verification
from app.tasks.candidates import FEW, designs, half_widths, held, properties_of, surrogate
from app.tasks.silicon.sample import DFT
from ipage_core.tasks.silicon.box import SCISSOR
from ipage_core.tasks.silicon.ranking import RADIUS
from ipage_core.tasks.silicon.ranking import table as rank
from ipage_core.tasks.silicon.task import TASK

RANKINGS = {"energy": "elastic energy", "strain": "largest strain", "pressure": "pressure"}
RANKED_BY = (
    "The best comes first: least elastic energy, largest principal strain, or |pressure|. Strains within "
    f"{RADIUS:.1%} of each other, modulo the cube's 24 rotations, are one family."
)


def predicted(x: np.ndarray) -> np.ndarray:
    """Gap, direct gap [eV], elastic energy [eV per atom], pressure [GPa] by the surrogate. (n, 6) → (n, 4) float32."""
    return properties_of(TASK.name, x)


@st.cache_data(max_entries=64, show_spinner=False)
def ranked_strains(strains: np.ndarray, by: str) -> pd.DataFrame:
    """(n, 6) → one row a strain, see :func:`ipage_core.tasks.silicon.ranking.table`."""
    return rank(torch.from_numpy(strains), surrogate(TASK.name), by)


def table(run: Run, ranked: pd.DataFrame, scissor: bool = False) -> pd.DataFrame:
    """One row per strain: values by the surrogate, values by DFT, and its rank among the others."""
    columns: dict[str, Any] = {
        "sample": np.arange(run.n),
        "rank": ranked["rank"],
        "gap*": run.aims[:, 0],
        "gap by surrogate": ranked["gap"],
        "±": half_widths(TASK.name, run.x[-1]),
        "gap by DFT": run.achieved[:, 0],
        "DFT": verification.verdicts(run, designs(run), DFT),
        "rests on": run.final["basis"],
    }
    if scissor:
        columns["gap + scissor"] = np.where(run.verified, run.achieved[:, 0], ranked["gap"]) + SCISSOR
    columns |= {
        "elastic energy": 1e3 * ranked["energy"],
        "energy by DFT": 1e3 * run.achieved[:, 2],
        "direct gap": ranked["direct"],
        "pressure": ranked["pressure"],
        "valley": ranked["valley"],
        **({"family": ranked["family"], "members": ranked["members"]} if (ranked["members"] > 1).any() else {}),
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
        "±": numbers("%.4f", f"[eV] {held(TASK.name)}"),
        "gap by DFT": numbers("%.4f", f"{pbe}, by DFT"),
        "DFT": st.column_config.TextColumn(help="what DFT says: a hit is within the tolerance of the target"),
        "rests on": st.column_config.TextColumn(help=RESTS_ON),
        "gap + scissor": numbers("%.4f", f"PBE gap by DFT, else by surrogate, plus the customary scissor {SCISSOR} eV"),
        "elastic energy": numbers("%.2f", "[meV per atom] above the unstrained crystal, by surrogate"),
        "energy by DFT": numbers("%.2f", "[meV per atom] above the unstrained crystal, by DFT"),
        "direct gap": numbers("%.3f", "at Γ [eV], by surrogate"),
        "pressure": numbers("%.2f", "[GPa], by surrogate; 0.33 GPa of it is an error of the finite basis set"),
        "valley": numbers("%d", "the axis on which the lowest conduction valley lies: the gap is indirect, Γ to Δ"),
        "family": numbers("%d", RANKED_BY),
        "members": numbers("%d", "how many strains this family has"),
        "badges": st.column_config.MultiselectColumn(options=list(BADGES), color=list(BADGES.values()), width=230),
        "largest strain": numbers("%.2f %%", "largest principal strain, either sign"),
        "volume": numbers("%+.2f %%", "change against the unstrained crystal"),
    }
    shown = {name: config.get(name) or numbers("%+.3f %%", f"strain {name}, tensor component") for name in names}
    units = dict.fromkeys(("gap*", "gap by surrogate", "±", "gap by DFT", "gap + scissor", "direct gap"), "eV")
    units |= dict.fromkeys(("elastic energy", "energy by DFT"), "meV per atom")
    return candidates.with_units(shown, units | {"pressure": "GPa"})


def ask_rows(run: Run, ranked: pd.DataFrame, by: str, alone: bool, scissor: bool) -> tuple[list[int], list[int]]:
    """The table; → the samples that it shows, the best first, and those that are ticked."""
    shown = table(run, ranked, scissor)
    shown = shown[ranked["best"].to_numpy()] if alone else shown
    key = f"silicon-{by}-{alone}-{scissor}-{zlib.crc32(run.x[-1].tobytes())}"
    samples, ticked = candidates.ask_rows(shown, _columns(list(shown.columns)), key)
    st.caption(
        f"{candidates.counted(ranked, 'strain')}. Tick rows to "
        f"verify, draw or export them; with none ticked, the best {min(FEW, len(samples))} are verified and all "
        f"exported. {held(TASK.name)} Files of verified strains hold the relaxed atoms."
    )
    return samples, ticked
