"""SrTiO₃ cells as candidates for DFT: predictions, ranking, and a table with selectable rows."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch

from app.components.tables import BADGES, RESTS_ON, badges, unit_of, x_names
from app.figures.run import Run
from app.tasks import candidates, verification
from app.tasks.candidates import FEW, designs, half_widths, held, properties_of, surrogate
from ipage_core.tasks import TASKS
from ipage_core.tasks.crystal.box import HELD_IONS
from ipage_core.tasks.crystal.families import table as rank
from ipage_core.tasks.crystal.strain import ATOMS, FILM_ENERGY, FILM_STRAIN
from ipage_core.tasks.crystal.task import TASK

RANKINGS = {"energy": "ΔE", "cubic": "distance from cubic", "robustness": "robustness"}
RANKED_BY = (
    "The best comes first. **ΔE**: energy above the cubic cell, per cell of five atoms. **Distance from cubic**: norm "
    "of the strain. **Robustness**: how far the predicted gap changes when lengths err by ±0.5 % and angles by ±0.5°. "
    "Cells within 1 % of strain, modulo the 24 symmetries of the lattice, are one family."
)
GROWN = (
    f"films are grown up to {FILM_ENERGY} eV per atom: ΔE of {FILM_STRAIN:.1%} biaxial strain, the record of "
    "perovskites (Schlom et al., MRS Bulletin 39, 118, 2014)"
)
BEST = "best of family"


def predicted(x: np.ndarray) -> np.ndarray:
    """Gap, direct gap [eV] and ΔE [eV per cell] by the ensemble of surrogates. (n, 6) → (n, 3) float32."""
    return properties_of(TASK.name, x)


@st.cache_data(max_entries=64, show_spinner=False)
def ranked_cells(lattices: np.ndarray, by: str) -> pd.DataFrame:
    """(n, 6) → one row a cell, see :func:`ipage_core.tasks.crystal.families.table`."""
    return rank(torch.from_numpy(lattices), surrogate(TASK.name), by)


def energy_per_atom(run: Run, ranked: pd.DataFrame) -> np.ndarray:
    """ΔE [eV per atom] by DFT where it ran, else by the surrogates. → (n,)."""
    return np.where(run.verified, run.achieved[:, 2], ranked["energy"]) / ATOMS


def ask_rows(run: Run, ranked: pd.DataFrame, by: str, alone: bool, passing: np.ndarray) -> tuple[list[int], list[int]]:
    """The table; → the samples that it shows, the best first, and those that are ticked.

    ``alone``: one cell of each family; ``passing`` (n,) bool: the cells that pass the filters.
    """
    shown = table(run, ranked)
    kept = passing & ranked["best"].to_numpy() if alone else passing
    shown = shown[kept if kept.any() else passing]
    key = f"candidates-{by}-{zlib.crc32(shown['sample'].to_numpy().tobytes())}-{zlib.crc32(run.x[-1].tobytes())}"
    samples, ticked = candidates.ask_rows(shown, _columns(list(shown.columns)), key)
    st.caption(
        f"{candidates.counted(ranked, 'cell')}. Tick rows to verify, draw or export them; with none "
        f"ticked, the best {min(FEW, len(samples))} are verified and all exported. {held(TASK.name)}"
    )
    return samples, ticked


def table(run: Run, ranked: pd.DataFrame) -> pd.DataFrame:
    """One row per cell: values by the surrogates, values by DFT, and its rank among the others."""
    worn = [
        row + [BEST] * bool(best and members > 1)
        for row, best, members in zip(badges(run), ranked["best"], ranked["members"], strict=True)
    ]
    columns: dict[str, Any] = {
        "sample": np.arange(run.n),
        "rank": ranked["rank"],
        "gap*": run.aims[:, 0],
        "gap by surrogates": ranked["gap"],
        "±": half_widths(TASK.name, run.x[-1]),
        "gap by DFT": run.achieved[:, 0],
        "DFT": verification.verdicts(run, designs(run)),
        "rests on": run.final["basis"],
        "ΔE by surrogates": ranked["energy"],
        "ΔE by DFT": run.achieved[:, 2],
        "ΔE per atom": energy_per_atom(run, ranked),
        "film": np.where(energy_per_atom(run, ranked) <= FILM_ENERGY, "", "none grown"),
        **({"family": ranked["family"], "members": ranked["members"]} if (ranked["members"] > 1).any() else {}),
        "badges": worn,
        "from cubic": 100 * ranked["cubic"],
        "largest strain": 100 * ranked["largest_strain"],
        "volume": 100 * ranked["volume"],
        "gap ± by noise": ranked["robustness"],
    }
    columns |= dict(zip(x_names(TASKS[run.task]), run.x[-1].astype(float).T, strict=True))
    return pd.DataFrame(columns)


def _columns(names: list[str]) -> dict[str, Any]:
    def numbers(form: str, text: str) -> Any:
        return st.column_config.NumberColumn(format=form, help=text)

    unrelaxed = f"PBE gap [eV], unrelaxed internal coordinates: {HELD_IONS}"
    config = {
        "sample": st.column_config.NumberColumn(
            pinned=True, width="small", help="number of the sample, the same in every export"
        ),
        "rank": numbers("%d", RANKED_BY.replace("**", "")),
        "gap*": numbers("%.4g", f"target, {unrelaxed}"),
        "gap by surrogates": numbers("%.4f", f"{unrelaxed}: mean of five networks"),
        "±": numbers("%.4f", f"[eV] {held(TASK.name)}"),
        "gap by DFT": numbers("%.4f", f"{unrelaxed}, by DFT"),
        "DFT": st.column_config.TextColumn(help="what DFT says: a hit is within the tolerance of the target"),
        "rests on": st.column_config.TextColumn(help=RESTS_ON),
        "ΔE by surrogates": numbers("%.3f", "energy above the cubic cell [eV per cell]: mean of five networks"),
        "ΔE by DFT": numbers("%.3f", "energy above the cubic cell [eV per cell], by DFT"),
        "ΔE per atom": numbers("%.3f", f"[eV per atom], by DFT where it ran, else by surrogates; {GROWN}"),
        "film": st.column_config.TextColumn(help=f"'none grown' is beyond that: {GROWN}"),
        "family": numbers("%d", "cells that are the same within 1 % of strain, modulo the 24 symmetries"),
        "members": numbers("%d", "how many cells this family has"),
        "badges": st.column_config.MultiselectColumn(
            options=[*BADGES, BEST], color=[*BADGES.values(), "violet"], width=230
        ),
        "from cubic": numbers("%.1f %%", "norm of the strain from the cubic cell of lowest energy"),
        "largest strain": numbers("%.1f %%", "largest principal strain, either sign"),
        "volume": numbers("%+.1f %%", "change against the cubic cell of lowest energy"),
        "gap ± by noise": numbers(
            "%.3f", "Predicted RMS change of the gap [eV] for ±0.5 % length and ±0.5° angle errors"
        ),
    }
    labels = dict(zip(x_names(TASK), TASK.x_labels, strict=True))
    shown = {name: config.get(name) or numbers("%.4f", labels[name]) for name in names}
    units = dict.fromkeys(("gap*", "gap by surrogates", "±", "gap by DFT", "gap ± by noise"), "eV")
    units |= dict.fromkeys(("ΔE by surrogates", "ΔE by DFT", "ΔE per atom"), "eV")
    return candidates.with_units(shown, units | {name: unit_of(label)[2:-1] for name, label in labels.items()})
