"""What a class found: loops against the number of designs, by sampling."""

from __future__ import annotations

import numpy as np
import pandas as pd

from app.figures.compare import STYLES
from app.figures.theme import Dict, axis, packed, palette

COLORS = {"SRS": "posterior", "LHS": "surrogate", "maximin": "localized"}


def figure(rows: pd.DataFrame, dark: bool) -> Dict:
    """``rows`` has the columns visitor, sampling, N and loops; dots of equal N and loops lie side by side."""
    colors, data = palette(dark), []
    same = rows.groupby(["N", "loops"])["visitor"]
    rank, count = same.cumcount().to_numpy(), same.transform("size").to_numpy()
    # side by side whatever their sampling; three heights, so that a full row stays narrow
    x = rows["N"].to_numpy(float) * 10 ** ((rank - (count - 1) / 2) * np.minimum(0.03, 0.2 / count))
    y = rows["loops"].to_numpy(float) + 0.15 * ((rank + 1) % 3 - 1)
    for name, (_, symbol) in STYLES.items():
        those = (rows["sampling"] == name).to_numpy()
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": packed(x[those]),
                "y": packed(y[those]),
                "customdata": rows["visitor"][those].tolist(),
                "marker": {"size": 12, "symbol": symbol, "color": getattr(colors, COLORS[name]), "opacity": 0.75},
                "hovertemplate": "visitor %{customdata}<extra>" + name + "</extra>",
            }
        )
    sizes = sorted({int(n) for n in rows["N"]})
    across = [float(np.log10(sizes[0]) - 0.12), float(np.log10(sizes[-1]) + 0.12)]
    up = [-0.4, float(rows["loops"].max()) + 0.6]
    layout = {
        "height": 320,
        "margin": {"l": 56, "r": 12, "t": 40, "b": 48},
        "xaxis": axis(
            colors, "number of designs, N", (0, 1), "y", type="log", fixedrange=True, tickvals=sizes, range=across
        ),
        "yaxis": axis(colors, "loops found", (0, 1), "x", range=up, fixedrange=True),
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "font": {"color": colors.text},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "uirevision": "class",
    }
    return {"data": data, "layout": layout}
