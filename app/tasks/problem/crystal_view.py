"""A design of a crystal of one's own: the strained crystal in space, its bonds and angles, its principal strains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from ase import Atoms

from app.components.chart import chart
from app.components.choice import CONFIG, chosen_sample
from app.figures.playback import Size
from app.figures.run import Run
from app.tasks.candidates import designs
from app.tasks.problem import crystal_figure
from ipage_core.tasks import TASKS, neighbours
from ipage_core.tasks.own_crystal import card, operator
from ipage_core.tasks.own_crystal.symmetry import tensor


def folder_of(task: str) -> Path | None:
    """The folder of a problem whose Ω is a calculator for a crystal, else None."""
    folder = TASKS[task].models_folder
    return folder if folder is not None and (folder / card.CARD).exists() else None


def show(run: Run, folder: Path, dark: bool, size: Size) -> None:
    """The chosen sample, or the first."""
    chosen = chosen_sample(run)
    sample = 0 if chosen is None else chosen
    crystal, strain = card.read(folder), designs(run)[sample]
    kept = operator.kept(folder, strain)
    atoms = operator.strained(crystal, strain) if kept is None else kept
    st.subheader(f"Sample {sample}: the crystal", divider="gray")
    large = 8 * len(atoms) > crystal_figure.MOST_DRAWN
    more = not large and st.toggle("2 × 2 × 2 cells", key="own-supercell")
    chart(crystal_figure.figure(atoms, tensor(strain), 2 if more else 1, dark, size), key="own-crystal", config=CONFIG)
    st.caption(caption(strain, kept))
    st.dataframe(compared(atoms, crystal.atoms), hide_index=True)


def caption(strain: np.ndarray, kept: Atoms | None) -> str:
    """The origin of the atoms, and the principal strains; ``strain`` (6,), ``kept``: the calculator's result."""
    where = (
        "Not computed yet: the atoms are where the strain carries them."
        if kept is None
        else f"The atoms are where the calculator left them, with forces of {_force(kept):.4f} eV/Å at most."
    )
    principal = ", ".join(f"{100 * e:+.2f}" for e in np.linalg.eigvalsh(tensor(strain)))
    return f"{where} Principal strains: {principal} %. Drag to turn."


def compared(atoms: Atoms, reference: Atoms) -> pd.DataFrame:
    """Bonds and angles of a crystal beside those of the unstrained one."""
    rows = []
    for measure, unit, digits in ((neighbours.lengths, "Å", 3), (neighbours.angles, "°", 1)):
        here, there = measure(atoms), measure(reference)
        for name in here:
            rest = neighbours.span(there[name], digits) if name in there else "–"
            rows.append({"": f"{name} [{unit}]", "strained": neighbours.span(here[name], digits), "unstrained": rest})
    return pd.DataFrame(rows)


def _force(atoms: Atoms) -> float:
    return float(np.linalg.norm(atoms.get_forces(), axis=1).max())
