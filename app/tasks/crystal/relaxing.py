"""SrTiO₃ cells whose ions come to rest, on request: the button, the states that DFT reports, and their files."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app.components.share import zipped
from app.components.words import plain
from app.figures.run import Run
from app.state import classroom
from app.tasks import verification
from ipage_core.tasks.crystal import relaxation
from ipage_core.tasks.crystal.strain import ATOMS, CUBIC_ENERGY

BY_CHGNET = find_spec("chgnet") is not None
RELAX = verification.Operator(
    "ipage_core.tasks.crystal.relaxation:many",
    "ipage_core.tasks.crystal.relaxation:cached",
    100.0 if BY_CHGNET else 300.0,
    "Relax and verify",
    "relaxed",
)
ABOUT = (
    "The cell stays, its ions come to rest from four starts, one along each body diagonal, "
    + (
        f"and {relaxation.NOISY} random ones, first by the potential CHGNet, then by DFT"
        if BY_CHGNET
        else "by DFT alone (with CHGNet it would be faster)"
    )
    + f", until no force exceeds {relaxation.FORCE} eV/Å. Every state within {1e3 * relaxation.BRANCHES:.0f} meV per "
    "cell of the lowest is shown: their gaps may differ."
)


def ask(run: Run, ranked: pd.DataFrame, x: np.ndarray, wanted: list[int], ticked: bool) -> None:
    """The button for the samples ``wanted`` of lattices x (n, 6); then every relaxed state of this run."""
    results = RELAX.results(x)
    if classroom.on():
        classroom.note("Relaxations are switched off in this classroom: each takes minutes.")
    elif not verification.unavailable():
        verification.ask(states(x, results), x, wanted, ticked, RELAX, "secondary")
    known = [sample for sample, result in enumerate(results) if result is not None]
    if not known:
        return
    gaps = np.where(run.verified, run.achieved[:, 0], ranked["gap"])
    shown = table(gaps, [(sample, results[sample]) for sample in known])
    if len(shown):
        st.dataframe(shown, hide_index=True, column_config=_columns(), key="relaxed")
        st.caption(ABOUT)
        files = relaxation.files(x[known], [results[sample] for sample in known], known)
        st.download_button(
            f"CIF, relaxed, {len(files)} state{'s' * (len(files) != 1)}",
            zipped(files),
            file_name="srtio3-relaxed.zip",
            mime="application/zip",
            key="export-relaxed",
            icon=":material/folder_zip:",
            on_click="ignore",
        )
    for sample in known:
        for why in (results[sample] or {}).get("failed", [])[:4]:
            st.warning(f"Sample {sample}, one start: {plain(why)}", icon=":material/science_off:")


def states(x: np.ndarray, results: list[dict[str, Any] | None]) -> list[str]:
    """What is known of each lattice (n, 6): "relaxed", "under way", "failed" or "not verified"."""
    pending = verification.pending(x, RELAX)
    said = []
    for lattice, result in zip(map(tuple, x.tolist()), results, strict=True):
        if result is not None:
            said.append("relaxed" if result["branches"] else "failed")
        else:
            said.append("under way" if lattice in pending else "not verified")
    return said


def table(gaps: np.ndarray, results: list[tuple[int, dict[str, Any] | None]]) -> pd.DataFrame:
    """One row a state: ``gaps`` (n,) [eV] are those at ideal sites, ``results`` are by sample."""
    rows = []
    for sample, result in results:
        for k, state in enumerate(result["branches"] if result else ()):
            least = state["curvature"]
            kind = "not known" if least is None else "minimum" if least > 0 else "saddle"
            rows.append(
                {
                    "sample": sample,
                    "state": k,
                    "gap, ideal sites": gaps[sample],
                    "gap, relaxed": state["gap"],
                    "above": 1e3 * state["above"],
                    "ΔE per atom": (state["energy"] - CUBIC_ENERGY) / ATOMS,
                    "space group": state["space_group"],
                    "displacement": state["displacement"],
                    "kind": kind,
                    "force": state["force"],
                }
            )
    return pd.DataFrame(rows)


def _columns() -> dict[str, Any]:
    def numbers(form: str, text: str) -> Any:
        return st.column_config.NumberColumn(format=form, help=text)

    return {
        "state": numbers("%d", "0 is the lowest"),
        "gap, ideal sites": numbers("%.3f", "PBE gap [eV] with the ions held, by DFT where it ran, else by surrogates"),
        "gap, relaxed": numbers("%.3f", "PBE gap [eV] with the ions at rest, by DFT"),
        "above": numbers("%.1f", "energy above the lowest state [meV per cell]"),
        "ΔE per atom": numbers("%.3f", "energy above the cubic cell [eV per atom]"),
        "displacement": numbers("%.3f", "of the ions from their ideal sites, root mean square [Å]"),
        "kind": st.column_config.TextColumn(
            help="by the smallest eigenvalue of CHGNet's Hessian: a saddle would move on if it were nudged"
        ),
        "force": numbers("%.4f", "largest force left [eV/Å]"),
    }
