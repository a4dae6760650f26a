"""One SrTiO₃ cell: its numbers, its structure beside the cubic one, and its path step by step."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from app.components import inspector
from app.components.chart import chart
from app.components.choice import CONFIG
from app.components.words import Figure, cards, goal_text, number
from app.figures.playback import Size
from app.figures.run import Run
from app.state.inspection import inspect
from app.tasks import band_panel, verification
from app.tasks.candidates import half_widths, show_heading
from app.tasks.crystal import cell_figure
from app.tasks.crystal import figure as drawn
from app.tasks.crystal.candidates import GROWN
from ipage_core.problem.request import DesignRequest
from ipage_core.tasks.crystal.band_structure import PATH
from ipage_core.tasks.crystal.box import HELD_IONS
from ipage_core.tasks.crystal.geometry import SYMPREC, geometry
from ipage_core.tasks.crystal.strain import ATOMS, FILM_ENERGY

BANDS = band_panel.Bands(
    PATH,
    verification.Operator(
        "ipage_core.tasks.crystal.band_structure:many", "ipage_core.tasks.crystal.band_structure:cached", 25.0
    ),
    "The ions are at ideal sites, as in Ω.",
)


def show_cell(
    request: DesignRequest,
    run: Run,
    ranked: pd.DataFrame,
    sample: int,
    dark: bool,
    size: Size,
    beside: int | None = None,
) -> None:
    """One cell: its numbers, its structure beside the sample ``beside`` or the cubic cell, and its path by steps."""
    show_heading(request, run, sample)
    seen = inspect(run, sample)
    st.html(cards(_figures(run, ranked.loc[sample], sample, float(seen.near_distance[0]))))
    times = 2 if st.toggle("2 × 2 × 2 cells", key="supercell", bind="query-params") else 1
    second = (drawn.CUBIC, "Cubic cell") if beside is None else (_lattice(run, beside), f"Sample {beside}")
    chart(
        cell_figure.cells(_lattice(run, sample), f"Sample {sample}", dark, size, second, times),
        key="cells",
        config=CONFIG,
    )
    other = "the cubic cell of lowest energy; tick two rows to see both" if beside is None else f"sample {beside}"
    st.caption(
        f"Drag to turn. Beside it, at the same scale, {other}. The ellipsoid is what sample {sample}'s strain against "
        "the cubic cell makes of a sphere."
    )
    if beside is not None:
        st.dataframe(compared(run, ranked, [sample, beside]), hide_index=True, height="content")
    with st.expander("Band structure by DFT", icon=":material/ssid_chart:"):
        band_panel.show(BANDS, run, sample, dark, size)
    with st.expander("Step by step, and the nearest training pairs", icon=":material/footprint:"):
        inspector.show_details(run, sample, seen)


def _lattice(run: Run, sample: int) -> np.ndarray:
    return run.x[-1, sample].astype(float)


def compared(run: Run, ranked: pd.DataFrame, samples: list[int]) -> pd.DataFrame:
    """Samples side by side: one row per quantity, one column per cell."""
    columns: dict[str, list[str]] = {"": []}
    for sample in samples:
        figures = _figures(run, ranked.loc[sample], sample, float("nan"))[:-1]
        columns[""] = [figure.name for figure in figures]
        columns[f"sample {sample}"] = [figure.value for figure in figures]
    return pd.DataFrame(columns)


def _figures(run: Run, row: pd.Series, sample: int, nearest: float) -> list[Figure]:
    """The key numbers of one cell."""
    gap, direct, energy = run.achieved[sample]
    target_note = f"target: {goal_text(run)}"
    if run.verified[sample]:
        figures = [Figure("PBE gap by DFT", f"{gap:.4f} eV", f"{target_note}; {HELD_IONS}; direct gap {direct:.3f} eV")]
    else:
        figures = [Figure("PBE gap by DFT", "not verified", f"{target_note}; {HELD_IONS}")]
    said = (gap, direct) if run.verified[sample] else (row["gap"], row["direct"])
    kind = Figure("Gap type", band_panel.gap_type(*said), f"least direct gap {said[1]:.3f} eV; by {_by(run, sample)}")
    half = half_widths(run.task, run.x[-1])[sample]
    spread = f"± {half:.4f} holds about 90 % of DFT gaps; unrelaxed" if half == half else "unrelaxed"
    figures.append(Figure("PBE gap by surrogates", f"{row['gap']:.4f} eV", spread))
    by, shape = _by(run, sample), geometry(_lattice(run, sample))
    value = energy if run.verified[sample] else row["energy"]
    figures += [
        kind,
        Figure("ΔE", f"{value:#.3g} eV", f"above the cubic cell, per cell of five atoms; by {by}"),
        Figure(
            "ΔE per atom",
            f"{value / ATOMS:.3f} eV" + (", no film" if value / ATOMS > FILM_ENERGY else ""),
            GROWN,
        ),
        Figure(
            "From cubic",
            f"{100 * row['cubic']:.1f} %",
            f"norm of strain; largest strain {100 * row['largest_strain']:.1f} %; "
            + f"volume {100 * row['volume']:+.1f} %".replace("-", "−"),
        ),
        Figure("Space group", shape.space_group, f"atoms within {SYMPREC:g} Å; ions at ideal sites"),
        Figure("Ti–O along a, b, c", ", ".join(f"{v:.3f}" for v in shape.bonds) + " Å", "half of each edge"),
        Figure("Ti–O–Ti", ", ".join(f"{v:.0f}" for v in shape.angles) + "°", "along a, b, c: ideal sites do not tilt"),
        Figure("Under noise", f"± {row['robustness']:.3f} eV", "of the predicted gap, for ±0.5 % in lengths, ±0.5°"),
        Figure("Rank", f"{row['rank']:.0f}", f"of {verification.counted(run.n)}{_alike(row)}"),
        Figure("Nearest training cell", number(nearest), "distance in widths of the box"),
    ]
    return figures


def _by(run: Run, sample: int) -> str:
    return "DFT" if run.verified[sample] else "surrogates, not verified"


def _alike(row: pd.Series) -> str:
    """Its family, if that has other members."""
    members = int(row["members"])
    return f"; family {row['family']:.0f} of {verification.counted(members)}" if members > 1 else ""
