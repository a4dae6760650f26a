"""Worth of a sampling against N: how often all solutions are found, how evenly, with which errors."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pandas as pd

from app.figures.compare import STYLES
from app.figures.panels import FLOOR, title, unit_squared
from app.figures.playback import Box, Size, static
from app.figures.run import Run
from app.figures.theme import Dict, axis, packed, palette


class Outcome(Protocol):
    """One sampling at one N; see :class:`app.state.worth.Worth`."""

    found: np.ndarray
    evenness: np.ndarray
    errors: tuple[float, ...]
    of: int
    share: float


Outcomes = dict[str, dict[int, Outcome]]
"""By sampling and N."""
BOXES: dict[bool, list[Box]] = {
    False: [((0, 0.27), (0, 1)), ((0.365, 0.635), (0, 1)), ((0.73, 1), (0, 1))],
    True: [((0, 1), (0.76, 1)), ((0, 1), (0.38, 0.62)), ((0, 1), (0, 0.24))],
}
"""The three panels; stacked on a phone."""


def figure(run: Run, outcomes: Outcomes, within: float, dark: bool, size: Size) -> Dict:
    """Share, evenness and errors of each sampling; ``within``: how near a design sees a solution, in box widths."""
    colors, boxes = palette(dark), BOXES[size.narrow]
    data: list[Dict] = []
    sizes = sorted({n for by_n in outcomes.values() for n in by_n})
    for place, (name, by_n) in enumerate(outcomes.items()):
        dash, symbol = STYLES[name]
        at = [n for n in sizes if n in by_n]
        x = np.array(at, dtype=float) * (0.985 + 0.015 * place)
        even = np.array([np.quantile(by_n[n].evenness, (0.5, 0.05, 0.95)) for n in at])
        errors = np.maximum(np.array([[by_n[n].errors[k] for k in (1, 0, 2)] for n in at]), FLOOR)
        shares = np.array([100 * by_n[n].share for n in at])
        drawn = (
            (shares, None, colors.localized),
            (even[:, 0], even, colors.posterior),
            (errors[:, 0], errors, colors.omega),
        )
        for k, (values, band, color) in enumerate(drawn):
            ids = "" if k == 0 else str(k + 1)
            trace: Dict = {
                "type": "scatter",
                "mode": "lines+markers",
                "cliponaxis": k > 0,  # so that no marker at 0 % is halved
                "x": packed(x),
                "y": packed(values),
                "xaxis": f"x{ids}",
                "yaxis": f"y{ids}",
                "name": name,
                "legendgroup": name,
                "showlegend": k == 0,
                "line": {"color": color, "width": 2, "dash": dash},
                "marker": {"color": color, "size": 9, "symbol": symbol},
                "hovertemplate": f"{name}, N = %{{customdata}}: %{{y:.3~g}}<extra></extra>",
                "customdata": at,
            }
            if band is not None:
                high, low = packed(band[:, 2] - band[:, 0]), packed(band[:, 0] - band[:, 1])
                trace["error_y"] = {"type": "data", "array": high, "arrayminus": low, "width": 3, "thickness": 1.2}
            data.append(trace)
    first = next(iter(next(iter(outcomes.values())).values()))
    named = (
        (f"Seeds that find all {first.of} loops [%]", "Unevenness: SD ÷ mean per loop")
        if first.of
        else (f"Solutions seen within {within:g} [%]", "Farthest solution [box widths]")
    )
    ticks = {"type": "log", "tickvals": sizes, "ticktext": [str(n) for n in sizes], "fixedrange": True}
    axes: Dict = {}
    for k, box in enumerate(boxes):
        ids = "" if k == 0 else str(k + 1)
        axes[f"xaxis{ids}"] = axis(colors, "number of designs, N", box[0], f"y{ids}", **ticks)
        axes[f"yaxis{ids}"] = axis(colors, "", box[1], f"x{ids}", fixedrange=True, rangemode="tozero")
    axes["yaxis"]["range"] = [0, 105]
    axes["yaxis3"] |= {"type": "log", "exponentformat": "power", "dtick": 1}
    texts = (*named, f"Squared error{unit_squared(run)}, by Ω")
    titles = [title(f"<b>{text}</b>", box, size) for text, box in zip(texts, boxes, strict=True)]
    return static(run, data, axes, titles, dark, size, 900 if size.narrow else 340)


def table(outcomes: Outcomes) -> pd.DataFrame:
    """The data of :func:`figure`: one row per sampling and N, over the seeds."""
    rows = []
    for name, by_n in outcomes.items():
        for n, one in sorted(by_n.items()):
            even = np.quantile(one.evenness, (0.05, 0.5, 0.95))
            rows.append(
                {
                    "sampling": name,
                    "N": n,
                    "seeds": len(one.found),
                    "all loops found [%]" if one.of else "solutions seen [%]": 100 * one.share,
                    "unevenness: 5 %" if one.of else "farthest: 5 %": even[0],
                    "median": even[1],
                    "95 %": even[2],
                    **dict(zip(("error², by Ω: 5 %", "error² median", "error² 95 %"), one.errors, strict=True)),
                }
            )
    return pd.DataFrame(rows)


def sentence(outcomes: Outcomes, n: int) -> str:
    """What each sampling reaches with n designs."""
    some = [(name, by_n[n]) for name, by_n in outcomes.items() if n in by_n]
    shares = ", ".join(f"{name} {100 * one.share:.0f} %" for name, one in some)
    seeds, of = len(some[0][1].found), some[0][1].of
    if of:
        return f"With N = {n} designs, this share of {seeds} seeds finds all {of} loops: {shares}."
    return f"With N = {n} designs, this share of all solutions has a design nearby, mean of {seeds} seeds: {shares}."
