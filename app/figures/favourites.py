"""Kept designs side by side, each as a line through its coordinates."""

from __future__ import annotations

import html

import numpy as np

from app.figures.playback import Size
from app.figures.theme import Dict, axis, packed, palette
from ipage_core.tasks import TASKS

DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"]
SYMBOLS = ["circle", "square", "diamond", "triangle-up", "x", "star"]
MOST_TICKS = 12


def figure(task: str, designs: list[tuple[str, np.ndarray]], dark: bool, size: Size) -> Dict:
    """Each (name, (d,)) as a line, coordinates scaled to the task's bounds; dashes and symbols differ."""
    colors, problem = palette(dark), TASKS[task]
    low, high = problem.bounds.numpy()
    places = np.arange(problem.d)
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers" if problem.d <= MOST_TICKS else "lines",
            "name": html.escape(name),
            "x": packed(places),
            "y": packed((x - low) / (high - low)),
            "line": {"color": colors.localized, "width": 2, "dash": DASHES[k % len(DASHES)]},
            "marker": {"symbol": SYMBOLS[k % len(SYMBOLS)], "size": 9},
            "hovertemplate": "%{text}<extra>%{fullData.name}</extra>",
            "text": [f"{label}: {value:.5g}" for label, value in zip(problem.x_labels, x, strict=True)],
        }
        for k, (name, x) in enumerate(designs)
    ]
    ticks = places if problem.d <= MOST_TICKS else places[:: problem.d // 8]
    across = axis(colors, "", (0, 1), "y", range=[-0.25, problem.d - 0.75], fixedrange=True)
    across |= {"tickvals": ticks.tolist(), "ticktext": [problem.x_labels[k] for k in ticks]}
    up = axis(colors, "within the prior's box", (0, 1), "x", range=[-0.06, 1.06], fixedrange=True)
    up |= {"tickvals": [0, 1], "ticktext": ["min", "max"]}
    return {
        "data": data,
        "layout": {
            "height": 300,
            "margin": {"l": 62, "r": 14, "t": 40, "b": 46},
            "font": {"size": size.font, "color": colors.text},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            "showlegend": True,
            "xaxis": across,
            "yaxis": up,
        },
    }
