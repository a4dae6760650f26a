"""One strain of silicon: its numbers, the crystal in space, and its path step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch

from app.components import inspector
from app.components.chart import chart
from app.components.choice import CONFIG
from app.components.words import Figure, cards, goal_text
from app.figures.playback import Size
from app.figures.run import Run
from app.state.inspection import inspect
from app.tasks import band_panel, verification
from app.tasks.candidates import designs, half_widths, show_heading, surrogate
from app.tasks.silicon import figure as drawn
from ipage_core.problem.request import DesignRequest
from ipage_core.tasks import neighbours
from ipage_core.tasks.silicon import operator
from ipage_core.tasks.silicon.band_structure import PATH
from ipage_core.tasks.silicon.stress import BASIS_SET, normal_stress
from ipage_core.tasks.silicon.task import TASK

DFT = verification.Operator(
    "ipage_core.tasks.silicon.operator:many", "ipage_core.tasks.silicon.operator:cached", TASK.omega_seconds
)

BANDS = band_panel.Bands(
    PATH,
    verification.Operator(
        "ipage_core.tasks.silicon.band_structure:many", "ipage_core.tasks.silicon.band_structure:cached", 10.0
    ),
    "The atoms are relaxed, as in Ω. X₁, X₂, X₃ are the ends of the axes 1, 2, 3, near which the valleys lie; L is "
    "along 111.",
)
UNSTRAINED_GAP, UNSTRAINED_DIRECT = 0.605, 2.548
"""PBE gap and gap at Γ of the unstrained crystal [eV], by ``operator.bands([0] * 6)``."""
MEASURED_GAP, MEASURED_LENGTH = 1.17, 5.431
"""Experiment: gap at 0 K [eV], W. Bludau et al., J. Appl. Phys. 45, 1846 (1974), doi:10.1063/1.1663501; a₀ [Å]."""
BOND = operator.LATTICE_CONSTANT * np.sqrt(3) / 4
"""Length of the bonds without strain [Å]."""


def show_crystal(request: DesignRequest, run: Run, ranked: pd.DataFrame, sample: int, dark: bool, size: Size) -> None:
    """One strain: its numbers, its structure, and its path step by step."""
    show_heading(request, run, sample)
    strain = designs(run)[sample]
    result = DFT.results(strain[None])[0]
    relaxed = result is not None and "fail" not in result
    st.html(cards(_figures(run, ranked.loc[sample], sample, strain, result if relaxed else None)))
    shift = result["shift"] if result is not None and relaxed else -operator.INTERNAL_STRAIN / 2 * strain[3:] * 5.469
    cubes = 2 if st.toggle("2 × 2 × 2 cubes", key="si-supercell") else 1
    shift = np.asarray(shift) / operator.LATTICE_CONSTANT
    chart(drawn.crystal(strain, shift, dark, size, cubes), key="si", config=CONFIG)
    st.caption(
        f"The cube of eight atoms, and what the strain makes of a sphere, both with {drawn.TIMES} times the strain. "
        + ("The atoms are where DFT relaxed them." if relaxed else "The second atom is at a linear estimate.")
    )
    with st.expander("Band structure by DFT", icon=":material/ssid_chart:"):
        band_panel.show(BANDS, run, sample, dark, size)
    with st.expander("Step by step, and the nearest training pairs", icon=":material/footprint:"):
        inspector.show_details(run, sample, inspect(run, sample))


def show_reference() -> None:
    """One line to compare candidates with."""
    st.caption(
        f"**For comparison, the unstrained crystal:** DFT here {UNSTRAINED_GAP:.2f} eV (indirect; direct "
        f"{UNSTRAINED_DIRECT:.2f} eV) at a₀ = {operator.LATTICE_CONSTANT:.3f} Å, elastic energy 0; experiment "
        f"{MEASURED_GAP:.2f} eV (indirect) at {MEASURED_LENGTH:.3f} Å."
    )


def _figures(run: Run, row: pd.Series, sample: int, strain: np.ndarray, result: dict[str, Any] | None) -> list[Figure]:
    """The key numbers of one strain."""
    wanted = f"target: {goal_text(run)}; PBE, ions relaxed"
    by = "surrogate, not verified" if result is None else "DFT"
    shown = f"{run.achieved[sample, 0]:.4f} eV" if run.verified[sample] else "not verified"
    energy = row["energy"] if result is None else (result["energy"] - operator.REFERENCE_ENERGY) / 2
    pressure = row["pressure"] if result is None else result["pressure"]
    half = half_widths(run.task, run.x[-1])[sample]
    off = f"± {half:.4f} holds about 90 % of DFT gaps" if half == half else "mean of five networks"
    alike = f"; family {row['family']:.0f} of {row['members']:.0f} strains" if row["members"] > 1 else ""
    figures = [
        Figure("PBE gap by DFT", shown, wanted),
        Figure("PBE gap by surrogate", f"{row['gap']:.4f} eV", off),
        Figure("Elastic energy", f"{1e3 * energy:.2f} meV", f"per atom; by {by}"),
        Figure("Pressure", f"{pressure:.2f} GPa", f"by {by}; 0.33 GPa of it is an error of the finite basis set"),
        Figure("Gap type", "indirect", f"Γ to Δ on axis {row['valley']:.0f}; direct gap {row['direct']:.2f} eV"),
        Figure(
            "Largest strain",
            f"{100 * row['largest_strain']:.2f} %",
            f"volume {100 * row['volume']:+.2f} %".replace("-", "−"),
        ),
        Figure("Rank", f"{row['rank']:.0f}", f"of {run.n} strain{'' if run.n == 1 else 's'}{alike}"),
    ]
    figures.insert(4, _stress(designs(run)[sample], result))
    atoms = operator.structure(strain, None if result is None else result["shift"])
    (lengths,), (angles,) = neighbours.lengths(atoms).values(), neighbours.angles(atoms).values()
    where = "atoms at a linear estimate" if result is None else "atoms relaxed by DFT"
    figures.append(Figure("Bonds", f"{neighbours.span(lengths, 3)} Å", f"{BOND:.3f} Å without strain; {where}"))
    figures.append(Figure("Angles", f"{neighbours.span(angles, 1)}°", "109.5° without strain"))
    if result is not None:
        figures.append(Figure("Force left", f"{result['force']:.4f} eV/Å", f"after {result['steps']} SCF calculations"))
    return figures


def _stress(strain: np.ndarray, result: dict[str, Any] | None) -> Figure:
    """Normal stresses, by DFT where it ran: they show whether a film or a rod with free surfaces has this strain."""
    if result is not None and "stress" in result:
        by, values = "DFT", np.asarray(result["stress"])[:3] + BASIS_SET
    else:
        by, values = "surrogate", normal_stress(surrogate(TASK.name), torch.from_numpy(strain)[None])[0].numpy()
    shown = ", ".join(f"{value:.1f}" for value in values.round(1) + 0.0).replace("-", "−")
    meaning = f"σ11, σ22, σ33 by {by}, tension positive, without the error of the basis set; 0 across a free surface"
    return Figure("Stress", f"{shown} GPa", meaning)
