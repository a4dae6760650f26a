"""Target against achieved: the deviation from every goal in tolerances, and E(θ)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.figures.marks import curve
from app.figures.playback import Size
from app.figures.theme import Dict, axis, faded, packed, palette
from app.tasks.cells.goals.dress import dressed, ring, short
from ipage_core.tasks.cells.goals import Goal
from ipage_core.tasks.cells.homogenization import directional_modulus

ANGLES = np.linspace(0, 2 * np.pi, 121)
CLIPPED = 4.0
"""Deviations beyond this number of tolerances are drawn at the edge."""
BAD = "#D55E00"


def attainment(
    goals: Sequence[Goal], values: np.ndarray, met: np.ndarray, chosen: int | None, dark: bool, size: Size
) -> Dict:
    """Deviation of each design from each goal, in tolerances. values (n, k) of all goals; met (n,)."""
    colors = palette(dark)
    closed = [j for j, goal in enumerate(goals) if not goal.open]
    off = np.stack([(values[:, j] - goals[j].value) / goals[j].tolerance for j in closed], axis=1)
    rows, n = np.arange(len(closed)), len(values)
    spread = np.linspace(-0.28, 0.28, n) if n > 1 else np.zeros(1)
    data: list[Dict] = []
    for row, j in enumerate(closed):
        kind = goals[j].kind
        low, high = {"at least": (0, CLIPPED), "at most": (-CLIPPED, 0)}.get(kind, (-1, 1))
        box = np.array([(low, row - 0.38), (high, row - 0.38), (high, row + 0.38), (low, row + 0.38)])
        data.append(
            curve(
                box,
                colors.target,
                0,
                fill="toself",
                fillcolor=faded(colors.target, 0.2),
                name="accepted",
                showlegend=row == 0,
            )
        )
    for name, rows_of, color in (
        ("meets every goal", met, colors.localized),
        ("misses a goal", ~met, BAD),
    ):
        if rows_of.any():
            samples = np.flatnonzero(rows_of)
            data.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": name,
                    "x": packed(off[rows_of].clip(-CLIPPED, CLIPPED).T.ravel()),
                    "y": packed((rows[:, None] + spread[rows_of]).ravel()),
                    "marker": {"size": 6, "color": color, "symbol": "circle" if color != BAD else "x"},
                    "customdata": np.tile(samples, len(closed)).tolist(),
                    "text": [f"{values[i, j]:.4g}" for j in closed for i in samples],
                    "hovertemplate": "design %{customdata}: %{text}<extra></extra>",
                }
            )
    if chosen is not None:
        data.append(ring(off[chosen].clip(-CLIPPED, CLIPPED), rows + spread[chosen], colors))
    labels = [f"{short(goals[j].name)}<br>{_goal_text(goals[j])}" for j in closed]
    axes = {
        "xaxis": axis(
            colors, "from the goal, in tolerances", (0, 1), "y", range=[-CLIPPED - 0.2, CLIPPED + 0.2], fixedrange=True
        ),
        "yaxis": axis(
            colors,
            "",
            (0, 1),
            "x",
            range=[len(closed) - 0.5, -0.5],
            fixedrange=True,
            tickmode="array",
            tickvals=rows.tolist(),
            ticktext=labels,
        ),
    }
    return dressed(data, axes, colors, size, max(240, 62 * len(closed) + 110), left=112)


def directions(
    goals: Sequence[Goal], stiffness: np.ndarray, chosen: int | None, dark: bool, size: Size, height: int = 380
) -> Dict:
    """E(θ) of every design, the chosen one on top, with the values that the goals set. stiffness (n, 3, 3)."""
    colors = palette(dark)
    along = directional_modulus(stiffness, ANGLES)
    degrees = np.degrees(ANGLES)
    gap = np.full((len(along), 1), np.nan)
    data: list[Dict] = [
        {
            "type": "scatterpolar",
            "mode": "lines",
            "name": "designs",
            "theta": packed(np.tile(np.append(degrees, np.nan), len(along))),
            "r": packed(np.hstack((along, gap)).ravel()),
            "line": {"color": faded(colors.localized, 0.35), "width": 1},
            "hoverinfo": "skip",
        }
    ]
    largest = float(along.max())
    target = target_stiffness(goals)
    if target is not None:
        wanted = directional_modulus(target, ANGLES)
        largest = max(largest, float(wanted.max()))
        data.append(
            {
                "type": "scatterpolar",
                "mode": "lines",
                "name": "target",
                "theta": packed(degrees),
                "r": packed(wanted),
                "line": {"color": colors.target, "width": 2.5, "dash": "dash"},
                "hovertemplate": "%{theta:.0f}°: target %{r:.3f} E_s<extra></extra>",
            }
        )
    marks = [(angle, goal) for goal in goals if not goal.open and (angle := _angle(goal.name)) is not None]
    if marks:
        largest = max(largest, *(goal.value for _, goal in marks))
        symbols = {"exactly": "diamond", "at least": "triangle-up", "at most": "triangle-down"}
        data.append(
            {
                "type": "scatterpolar",
                "mode": "markers",
                "name": "goals on moduli",
                "theta": [angle + turn for angle, _ in marks for turn in (0, 180)],
                "r": [goal.value for _, goal in marks for _ in (0, 1)],
                "marker": {
                    "color": colors.target,
                    "size": 10,
                    "symbol": [symbols[goal.kind] for _, goal in marks for _ in (0, 1)],
                },
                "text": [goal.text for _, goal in marks for _ in (0, 1)],
                "hovertemplate": "%{text}<extra></extra>",
            }
        )
    if chosen is not None:
        data.append(
            {
                "type": "scatterpolar",
                "mode": "lines",
                "name": f"design {chosen}",
                "theta": packed(degrees),
                "r": packed(along[chosen]),
                "line": {"color": colors.localized, "width": 3},
                "hovertemplate": "%{theta:.0f}°: %{r:.3f} E_s<extra></extra>",
            }
        )
    faint = {"gridcolor": colors.faint, "linecolor": colors.faint, "tickfont": {"size": size.font - 2}}
    figure = dressed(data, {}, colors, size, height)
    figure["layout"]["margin"]["t"] = 34  # room for the label 90° above the circle
    figure["layout"]["polar"] = {
        "bgcolor": "rgba(0,0,0,0)",
        "radialaxis": {**faint, "range": [0, 1.08 * largest], "nticks": 4, "angle": 45, "tickangle": 45},
        "angularaxis": {**faint, "dtick": 45},
    }
    return figure


def target_stiffness(goals: Sequence[Goal]) -> np.ndarray | None:
    """C (3, 3) set by the goals, with couplings zero unless a goal sets them; None if the goals leave it open."""
    exact = {goal.name: goal.value for goal in goals if goal.kind == "exactly"}
    if not {"E_x", "E_y", "nu_xy", "G_xy"} <= exact.keys() or any(exact.get(name, 0.0) for name in ("eta_x", "eta_y")):
        return None
    e_x, e_y, nu, g = (exact[name] for name in ("E_x", "E_y", "nu_xy", "G_xy"))
    compliance = np.array([[1 / e_x, -nu / e_x, 0], [-nu / e_x, 1 / e_y, 0], [0, 0, 1 / g]])
    return np.linalg.inv(compliance) if np.linalg.eigvalsh(compliance).min() > 0 else None


def _angle(name: str) -> float | None:
    if name.startswith("E("):
        return float(name[2:-1])
    return {"E_x": 0.0, "E_y": 90.0}.get(name)


def _goal_text(goal: Goal) -> str:
    sign = {"at least": "≥ ", "at most": "≤ "}.get(goal.kind, "")
    return f"{sign}{goal.value:.4g}" + (f" ± {goal.tolerance:.2g}" if not sign else "")
