"""Band structure of a cell: energies along the lines between the corners of the Brillouin zone."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.figures.playback import WIDE, Size, dressing
from app.figures.run import Run
from app.figures.theme import Dict, axis, packed, palette, sized
from ipage_core.tasks.band_path import BandPath

HEIGHT, TOP = 400, 40
"""Of the figure, and of the room for its legend, in pixels."""
SHOWN = (-4.0, 6.0)
"""Energies that the figure shows at first [eV]."""


def figure(run: Run, path: BandPath, result: dict[str, Any], dark: bool = False, size: Size = WIDE) -> Dict:
    """``result`` of :meth:`ipage_core.tasks.band_path.BandPath.result` as curves, occupied and empty."""
    colors = palette(dark)
    at, levels = np.array(result["at"]), np.array(result["levels"])
    data: list[Dict] = []
    occupied = path.valence + 1
    for name, bands, color in (
        ("occupied", levels[:, :occupied], colors.posterior),
        ("empty", levels[:, occupied:], colors.localized),
    ):
        for k, band in enumerate(bands.T):
            data.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "x": packed(at),
                    "y": packed(band),
                    "name": name,
                    "legendgroup": name,
                    "showlegend": k == 0,
                    "line": {"color": color, "width": 2},
                    "hovertemplate": f"{name}: %{{y:.3f}} eV<extra></extra>",
                }
            )
    across = axis(colors, "", (0, 1), "y", range=[0, at[-1]], fixedrange=True)
    across |= {"tickvals": result["corners"], "ticktext": list(path.names), "gridcolor": colors.prior}
    axes = {"xaxis": across, "yaxis": axis(colors, "energy above the highest occupied level [eV]", (0, 1), "x")}
    axes["yaxis"]["range"] = list(SHOWN)
    sized(axes, size.font - 1)
    return {"data": data, "layout": dressing(run, colors, size, HEIGHT, TOP) | axes}
