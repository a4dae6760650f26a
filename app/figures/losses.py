"""Progress of a training: losses on training batches, error on validation pairs, and the loss weights λ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from app.figures.panels import title
from app.figures.playback import Size
from app.figures.theme import Dict, axis, packed, palette

PANELS = (
    ("Squared error of y", {"loss_y": "training", "validation_l2": "validation"}, True),
    ("Negative log-likelihood", {"loss_nll": "training", "validation_nll": "validation"}, False),
    ("Weights λ", {"lambda_y": "λ_y", "lambda_z": "λ_z", "lambda_x": "λ_x", "lambda_nll": "λ_nll"}, True),
)
"""Title, columns with their legend labels, and whether the axis is logarithmic."""


def figure(rows: list[dict[str, Any]], dark: bool, size: Size) -> Dict:
    """The epochs of one model, as it printed them, in order."""
    colors = palette(dark)
    drawn = [p for p in PANELS if any(column in row for row in rows for column in p[1])]
    epoch, last = [row["epoch"] for row in rows], rows[-1]["epochs"]
    inks = (colors.surrogate, colors.omega, colors.localized, colors.target)
    data: list[Dict] = []
    layout: Dict = {"annotations": []}
    for k, (name, columns, logarithmic) in enumerate(drawn):
        ids = "" if k == 0 else str(k + 1)
        across, up = _box(k, len(drawn), size.narrow)
        for ink, (column, called) in zip(inks, columns.items(), strict=False):
            values = np.array([row.get(column, np.nan) for row in rows], dtype=float)
            if not np.isfinite(values).any():
                continue
            data.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers" if len(rows) < 3 else "lines",
                    "x": epoch,
                    "y": packed(np.where(values > 0, values, np.nan) if logarithmic else values),
                    "name": called,
                    "xaxis": f"x{ids}",
                    "yaxis": f"y{ids}",
                    "line": {"color": ink, "width": 2, "dash": "dash" if column.startswith("validation") else "solid"},
                    "legend": f"legend{ids}",
                    "hovertemplate": f"{called}, epoch %{{x}}: %{{y:.3g}}<extra></extra>",
                }
            )
        layout[f"xaxis{ids}"] = axis(colors, "epoch", across, f"y{ids}", range=[0, last], fixedrange=True)
        layout[f"yaxis{ids}"] = axis(colors, "", up, f"x{ids}", fixedrange=True, nticks=5)
        if logarithmic:
            layout[f"yaxis{ids}"] |= {"type": "log", "exponentformat": "power", "dtick": 1}
        layout[f"legend{ids}"] = {
            "x": across[1], "y": up[1], "xanchor": "right", "yanchor": "top", "bgcolor": "rgba(0,0,0,0)",
            "font": {"color": colors.text},
        }  # fmt: skip
        layout["annotations"].append(title(f"<b>{name}</b>", (across, up), size) | {"font": {"color": colors.text}})
    layout |= {
        "height": 300 * len(drawn) if size.narrow else 300,
        "margin": {"l": 48, "r": 12, "t": 30, "b": 40},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": colors.text},
        "uirevision": "losses",
    }
    return {"data": data, "layout": layout}


def table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The data of :func:`figure`, one row per epoch."""
    columns = {"epoch": "epoch"}
    for name, shown, _ in PANELS:
        columns |= {column: called if called[0] == "λ" else f"{name}, {called}" for column, called in shown.items()}
    there = [column for column in columns if any(column in row for row in rows)]
    return pd.DataFrame(rows, columns=there).rename(columns=columns)


def _box(k: int, count: int, narrow: bool) -> tuple[tuple[float, float], tuple[float, float]]:
    """Panel k of ``count``: one below the other, or side by side."""
    if narrow:
        height = (1 - 0.14 * (count - 1)) / count
        top = 1 - k * (height + 0.14)
        return (0, 1), (max(0.0, top - height), top)
    width = (1 - 0.07 * (count - 1)) / count
    return (k * (width + 0.07), min(1.0, k * (width + 0.07) + width)), (0, 1)
