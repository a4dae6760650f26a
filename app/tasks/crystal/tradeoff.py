"""Gap against ΔE of all candidates: the Pareto front, the values by DFT, and the cubic cell."""

from __future__ import annotations

import numpy as np

from app.figures.marks import curve, ring
from app.figures.playback import WIDE, Size, static
from app.figures.run import Run
from app.figures.theme import Dict, axis, faded, packed, palette
from app.tasks.crystal.reference import CUBIC_GAP


def front(misfit: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """(n,), (n,) → (n,) bool: no other cell is at least as near the target and as low in energy, and better in one.

    >>> front(np.array([0.0, 1.0, 1.0]), np.array([2.0, 1.0, 3.0])).tolist()
    [True, True, False]
    """
    beaten = (misfit[None] <= misfit[:, None]) & (energy[None] <= energy[:, None])
    beaten &= (misfit[None] < misfit[:, None]) | (energy[None] < energy[:, None])
    return ~beaten.any(1)


def unbeaten(run: Run, gap: np.ndarray, energy: np.ndarray, passing: np.ndarray) -> np.ndarray:
    """(n,) bool: the cells on the front, among those ``passing``; ``gap``, ``energy`` (n,) by the surrogates."""
    y_gap, y_energy = best_values(run, gap, energy)
    return front(np.linalg.norm(run.excess(y_gap[:, None]), axis=1).round(3), y_energy) & passing


def caption(unbeaten: int) -> str:
    """The meaning of the line, or of its only cell; ``unbeaten``: number of cells on the front."""
    beaten = "none comes at least as near the target (to 1 meV) at a lower energy"
    if unbeaten == 1:
        return f"One cell beats all others, so there is no line: {beaten}."
    if unbeaten == 0:
        return "Each cell that passes the filters is beaten by another, so there is no line."
    return f"The line joins the {unbeaten} cells that no other beats: {beaten}."


def best_values(run: Run, gap: np.ndarray, energy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gap and ΔE of every cell, (n,) each: by DFT where it ran, else by the surrogates."""
    return np.where(run.verified, run.achieved[:, 0], gap), np.where(run.verified, run.achieved[:, 2], energy)


def figure(
    run: Run,
    gap: np.ndarray,
    energy: np.ndarray,
    passing: np.ndarray,
    dark: bool = False,
    size: Size = WIDE,
    chosen: int | None = None,
    half: np.ndarray | None = None,
) -> Dict:
    """``gap`` [eV] and ``energy`` [eV per cell] by the surrogates, (n,) each; cells not ``passing`` are faint.

    ``half``: half the width of the 90 % interval of the gap by DFT [eV], (n,); drawn where DFT has not run.
    """
    colors = palette(dark)
    y_gap, y_energy = best_values(run, gap, energy)
    best = unbeaten(run, gap, energy, passing)
    data = []
    for name, rows, color, symbol, opacity in (
        ("filtered out", ~passing, colors.prior, "circle", 0.5),
        ("by surrogates", passing & ~run.verified, colors.localized, "circle-open", 1),
        ("by DFT", passing & run.verified, colors.omega, "diamond", 1),
    ):
        if rows.any():
            data.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": name,
                    "x": packed(y_gap[rows]),
                    "y": packed(y_energy[rows]),
                    "marker": {"size": 9, "symbol": symbol, "color": color, "opacity": opacity},
                    "customdata": np.flatnonzero(rows).tolist(),
                    "hovertemplate": "sample %{customdata}<br>gap %{x:.4f} eV, ΔE %{y:.3f} eV per cell<extra></extra>",
                }
            )
            if half is not None and name == "by surrogates" and np.isfinite(half[rows]).all():
                bars = {"type": "data", "array": packed(half[rows]), "thickness": 1, "width": 0}
                data[-1]["error_x"] = bars | {"color": faded(color, 0.45)}
    order = np.flatnonzero(best)[np.argsort(y_gap[best])]
    line = np.column_stack((y_gap[order], y_energy[order]))
    data.append(curve(line, colors.localized, 1.5, name="beaten by none"))
    if chosen is not None:
        data.append(ring(np.array([[y_gap[chosen], y_energy[chosen]]]), colors, 16))
    data.append(
        {
            "type": "scatter",
            "mode": "markers",
            "name": "cubic cell",
            "x": [CUBIC_GAP],
            "y": [0],
            "marker": {"symbol": "star-diamond", "size": 12, "color": colors.text},
            "hovertemplate": f"cubic cell: {CUBIC_GAP:.2f} eV by DFT<extra></extra>",
        }
    )
    low, high = min(float(y_energy.min()), 0.0), float(y_energy.max())
    for end in run.ends:
        bar = np.array([(end[0], low), (end[0], high)])
        data.append(curve(bar, colors.target, 2, name="target", showlegend=end is run.ends[0]))
    axes = {
        "xaxis": axis(colors, "PBE gap [eV], unrelaxed ions", (0, 1), "y"),
        "yaxis": axis(colors, "ΔE [eV per cell]", (0, 1), "x"),
    }
    drawn = static(run, data, axes, [], dark, size, 420)
    drawn["layout"]["clickmode"] = "event+select"
    return drawn
