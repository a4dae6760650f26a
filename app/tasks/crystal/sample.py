"""One SrTiO₃ cell: in numbers, in space beside the cubic one, and step by step."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.components import favourites, inspector
from app.components.chart import chart
from app.components.choice import CONFIG, chosen_sample
from app.components.tables import BADGES, badges
from app.components.words import Figure, asked_text, cards, number
from app.figures.playback import Size
from app.figures.run import Run
from app.state.inspection import inspect
from app.tasks.crystal import figure as drawn
from app.tasks.crystal.candidates import GROWN
from app.tasks.verification import counted
from ipage_core.problem.request import DesignRequest
from ipage_core.tasks.crystal.box import HELD_IONS
from ipage_core.tasks.crystal.strain import ATOMS, FILM_ENERGY


def show_cell(request: DesignRequest, run: Run, ranked: pd.DataFrame, sample: int, dark: bool, size: Size) -> None:
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
        Figure(
            "ΔE per atom",
            f"{value / ATOMS:.3f} eV" + (", no film" if value / ATOMS > FILM_ENERGY else ""),
            GROWN,
        ),
        Figure("From cubic", f"{100 * row['cubic']:.1f} %", f"norm of strain; volume {100 * row['volume']:+.1f} %"),
        Figure("Under noise", f"± {row['robustness']:.3f} eV", "of the predicted gap, for ±0.5 % in lengths, ±0.5°"),
        Figure(
            "Family", f"{row['family']:.0f}", f"of {counted(int(row['members']))}; rank {row['rank']:.0f} of {run.n}"
        ),
        Figure("Nearest training cell", number(nearest), "distance in widths of the box"),
    ]
    return figures
