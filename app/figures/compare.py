"""Three ways of sampling side by side: their designs on linked axes, families found, quantiles of the error."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from app.figures.marks import curve
from app.figures.panels import FLOOR, title, unit_squared
from app.figures.playback import Box, Scene, Size, static
from app.figures.run import Outcome, Run
from app.figures.theme import Dict, Palette, axis, faded, packed, palette
from ipage_core.benchmark.metrics import error_quantiles

STYLES = {"SRS": ("dot", "circle"), "LHS": ("dash", "square"), "maximin": ("solid", "diamond")}
"""Dash and symbol of each sampling, because colours already mean posterior, result and target."""
OTHERS = (("solid", "circle"), ("dot", "square"), ("dash", "diamond"), ("dashdot", "triangle-up"))
"""Dashes and symbols of runs that differ in something else."""


Picture = Callable[[Scene, Run, Box, Palette, Size], None]
"""Draws a task's designs in one panel."""


def figure(runs: dict[str, Run], picture: Picture, dark: bool, size: Size) -> Dict:
    """Results by sampling, each drawn by the task's ``picture``."""
    colors = palette(dark)
    count, first = len(runs), next(iter(runs.values()))
    height = {"narrow": 1500, "medium": 600, "wide": 720, "large": 980}[size.name]
    if size.narrow:
        pictures: list[Box] = [((0, 1), (0.77, 1)), ((0, 1), (0.495, 0.725)), ((0, 1), (0.22, 0.45))]
        error_box: Box = (0.16, 1), (0, 0.14)
    else:
        width = (1 - 0.05 * (count - 1)) / count
        pictures = [((k * (width + 0.05), k * (width + 0.05) + width), (0.44, 1)) for k in range(count)]
        error_box = ((0.06, 1) if not first.n_modes else (0.56, 1)), (0, 0.22)
    data: list[Dict] = []
    axes: Dict = {}
    titles: list[Dict] = []
    ranges = []
    for k, (name, run) in enumerate(runs.items()):
        ids = "" if k == 0 else str(k + 1)
        rest = run.at_rest()
        scene = Scene(moving=[[]])
        picture(scene, rest, pictures[k], colors, size)
        for trace in (*scene.still, *scene.moving[0], *scene.top):
            shown = trace.get("visible") != "legendonly"
            if shown:
                legend = {"showlegend": False} if k else {}
                data.append(trace | {"xaxis": f"x{ids}", "yaxis": f"y{ids}"} | legend)
        across, up = scene.axes["xaxis"], scene.axes["yaxis"]
        ranges.append((across["range"], up["range"]))
        across["anchor"], up["anchor"] = f"y{ids}", f"x{ids}"
        # Plotly hangs if axes are both linked and of equal scale, so the ranges are computed here.
        equal = "scaleanchor" in up
        for one in (across, up):
            for name_of in ("scaleanchor", "constrain", "constraintoward"):
                one.pop(name_of, None)
        if k:
            across["matches"], up["matches"] = "x", "y"
            if not size.narrow:
                up["title"] = {"text": "", "font": {}}
        axes[f"xaxis{ids}"], axes[f"yaxis{ids}"] = across, up
        loops = f", <b>{run.modes_found}</b> of {run.n_modes} loops" if run.n_modes else ""
        loops += "<br>" if size.name == "medium" else ", "
        hits = f"{run.hit.sum()} of {run.verified.sum()} hit" if run.verified.any() else "not verified"
        titles.append(title(f"<b>{name}</b>{loops}{hits}", pictures[k], size))
    low = np.array([[r[0][0], r[1][0]] for r in ranges]).min(0)
    high = np.array([[r[0][1], r[1][1]] for r in ranges]).max(0)
    if equal:
        low, high = _equalized(low, high, pictures[0], height, size)
    for k in range(count):
        ids = "" if k == 0 else str(k + 1)
        axes[f"xaxis{ids}"]["range"] = [float(low[0]), float(high[0])]
        axes[f"yaxis{ids}"]["range"] = [float(low[1]), float(high[1])]
    _errors(runs, error_box, colors, size, data, axes, titles)
    if first.n_modes and not size.narrow:
        _counts(runs, ((0.0, 0.46), (0, 0.22)), colors, size, data, axes, titles)
    spec = static(first, data, axes, titles, dark, size, height)
    spec["layout"]["legend2"] = {"orientation": "h", "x": 0.46, "xanchor": "right", "y": 0.22, "yanchor": "bottom"}
    return spec


def _equalized(low: np.ndarray, high: np.ndarray, box: Box, height: int, size: Size) -> tuple[np.ndarray, np.ndarray]:
    """The corners (2,) of a range that holds the given one, at about equal scales in the panel ``box``."""
    pixels = np.array([(box[0][1] - box[0][0]) * size.width, (box[1][1] - box[1][0]) * (height - 132)])
    centre, scale = (low + high) / 2, ((high - low) / pixels).max()
    return centre - scale * pixels / 2, centre + scale * pixels / 2


def _errors(
    runs: dict[str, Run], box: Box, colors: Palette, size: Size, data: list, axes: Dict, titles: list[Dict]
) -> None:
    """One row per sampling: a thin line for 90 % of the errors, a thick one for half of them, a dot for the median."""
    where = {"xaxis": "x8", "yaxis": "y8", "showlegend": False}
    by_omega = next(iter(runs.values())).verified.any()
    color = colors.omega if by_omega else colors.surrogate
    names = list(runs)
    quantiles = [np.maximum(error_quantiles(_judged(run)[1]), FLOOR) for run in runs.values()]
    for k, (low, q1, median, q3, high) in enumerate(quantiles):
        for a, b, width in ((low, high, 2), (q1, q3, 8)):
            data.append(curve(np.array([[a, k], [b, k]]), color, width, **where))
        data.append(
            {
                **where,
                "type": "scatter",
                "mode": "markers",
                "x": [float(median)],
                "y": [k],
                "marker": {"size": 12, "color": colors.background, "line": {"width": 2.5, "color": color}},
                "hovertemplate": f"{names[k]}: half below %{{x:.3~g}}, 95 % below {high:.3g}<extra></extra>",
            }
        )
    axes["xaxis8"] = axis(colors, "", box[0], "y8", type="log", exponentformat="power", dtick=1, fixedrange=True)
    ends = np.log10([np.nanmin(quantiles), np.nanmax(quantiles)])
    if np.isfinite(ends).all():
        pad = max(0.06 * float(ends[1] - ends[0]), 0.1)  # so that no line runs into the frame
        axes["xaxis8"]["range"] = [float(ends[0]) - pad, float(ends[1]) + pad]
    axes["yaxis8"] = axis(colors, "", box[1], "x8", range=[len(names) - 0.5, -0.5], fixedrange=True)
    axes["yaxis8"] |= {"tickvals": list(range(len(names))), "ticktext": names, "showgrid": False}
    unit = unit_squared(next(iter(runs.values())))
    what = f"Re-simulation error²{unit}, by Ω" if by_omega else f"Surrogate error²{unit}, by f: not verified"
    titles.append(title(f"<b>{what.replace('²', '', 1)}</b>", box, size))


def _counts(
    runs: dict[str, Run], box: Box, colors: Palette, size: Size, data: list, axes: Dict, titles: list[Dict]
) -> None:
    """Number of designs on each loop, as a group of bars per loop."""
    where = {"xaxis": "x9", "yaxis": "y9", "showlegend": False}
    n_modes = next(iter(runs.values())).n_modes
    patterns = {"SRS": "/", "LHS": ".", "maximin": ""}
    for name, run in runs.items():
        counts = [int((run.modes[-1] == k).sum()) for k in range(n_modes)]
        fill = {"color": colors.localized if name == "maximin" else faded(colors.localized, 0.35)}
        fill["line"] = {"width": 1, "color": colors.localized}
        fill["pattern"] = {"shape": patterns[name], "fgcolor": colors.localized, "size": 5}
        hover = f"{name}, loop %{{x}}: %{{y}} designs<extra></extra>"
        bars = {"x": list(range(1, n_modes + 1)), "y": counts, "marker": fill, "hovertemplate": hover}
        data.append({**where, "type": "bar", "name": name, **bars, "showlegend": True, "legend": "legend2"})
    axes["xaxis9"] = axis(colors, "loop", box[0], "y9", tickvals=list(range(1, n_modes + 1)), fixedrange=True)
    axes["yaxis9"] = axis(colors, "designs", box[1], "x9", fixedrange=True, nticks=4)
    titles.append(title("<b>Designs on each loop</b>", box, size))


def sweep_figure(
    run: Run, outcomes: dict[str, dict[int, list[Outcome]]], counts: list[int], by_omega: bool, dark: bool, size: Size
) -> Dict:
    """Families found and errors against N; lines join means over seeds, bands hold all seeds."""
    colors = palette(dark)
    boxes: list[Box] = (
        [((0, 1), (0.58, 1)), ((0, 1), (0, 0.4))] if size.narrow else [((0, 0.46), (0, 1)), ((0.56, 1), (0, 1))]
    )
    data: list[Dict] = []
    for place, (name, by_n) in enumerate(outcomes.items()):
        dash, symbol = STYLES.get(name, OTHERS[place % len(OTHERS)])
        sizes = [n for n in counts if by_n.get(n)]
        if not sizes:
            continue
        reached = np.array([[f(o.found for o in by_n[n]) for f in (_mean, min, max)] for n in sizes])
        errors = np.array([np.mean([o.errors for o in by_n[n]], axis=0) for n in sizes])
        color = colors.omega if by_omega else colors.surrogate
        shift = 0.96 + 0.04 * place
        for k, (middle, low, high, ink) in enumerate(
            (
                (reached[:, 0], reached[:, 1], reached[:, 2], colors.localized),
                (errors[:, 1], errors[:, 0], errors[:, 2], color),
            )
        ):
            where = {"xaxis": "x" if k == 0 else "x2", "yaxis": "y" if k == 0 else "y2"}
            if k:
                middle, low, high = (np.maximum(v, FLOOR) for v in (middle, low, high))
            data.append(
                {
                    **where,
                    "type": "scatter",
                    "mode": "lines+markers",
                    "x": packed(np.array(sizes) * shift),
                    "y": packed(middle),
                    "error_y": {
                        "type": "data",
                        "symmetric": False,
                        "array": packed(high - middle),
                        "arrayminus": packed(middle - low),
                        "thickness": 1.2,
                        "width": 4,
                        "color": ink,
                    },
                    "name": name,
                    "legendgroup": name,
                    "showlegend": k == 0,
                    "line": {"color": ink, "width": 2, "dash": dash},
                    "marker": {"color": ink, "size": 9, "symbol": symbol},
                    "hovertemplate": f"{name}: %{{y:.3g}}<extra></extra>",
                }
            )
    ticks = {"type": "log", "tickvals": counts, "ticktext": [str(n) for n in counts], "fixedrange": True}
    limits = [np.log10(counts[0] * 0.8), np.log10(counts[-1] * 1.25)]
    axes = {
        "xaxis": axis(colors, "N", boxes[0][0], "y", range=limits, **ticks),
        "yaxis": axis(colors, "", boxes[0][1], "x", fixedrange=True, nticks=6),
        "xaxis2": axis(colors, "N", boxes[1][0], "y2", range=limits, **ticks),
        "yaxis2": axis(colors, "", boxes[1][1], "x2", type="log", exponentformat="power", nticks=5, fixedrange=True),
    }
    if run.n_modes:
        axes["yaxis"]["range"] = [0, run.n_modes + 0.6]
    else:
        axes["yaxis"]["rangemode"] = "tozero"
    what = f"Loops found, of {run.n_modes}" if run.n_modes else "Distance between neighbouring designs"
    error = f"Squared error{unit_squared(run)}, {'by Ω' if by_omega else 'by the surrogate f: not verified'}"
    titles = [title(f"<b>{what}</b>", boxes[0], size), title(f"<b>{error}</b>", boxes[1], size)]
    return static(run, data, axes, titles, dark, size, 700 if size.narrow else 400)


def sweep_table(run: Run, outcomes: dict[str, dict[int, list[Outcome]]], by_omega: bool) -> pd.DataFrame:
    """The data of :func:`sweep_figure`: one row per curve and N, over the seeds."""
    counted = "loops found" if run.n_modes else "distance between neighbours"
    error = f"error², by {'Ω' if by_omega else 'f'}"
    rows = []
    for name, by_n in outcomes.items():
        for n, those in sorted(by_n.items()):
            counts = [one.found for one in those]
            row = {"run": name, "N": n, "seeds": len(those)}
            row |= {f"{counted}, mean": float(np.mean(counts)), "least": min(counts), "most": max(counts)}
            quantiles = np.mean([one.errors for one in those], axis=0).tolist()
            rows.append(row | dict(zip((f"{error}: 5 %", "median", "95 %"), quantiles, strict=True)))
    return pd.DataFrame(rows)


def table(runs: dict[str, Run]) -> pd.DataFrame:
    """The data of :func:`figure` below the designs: one row per sampling, with its loops and errors."""
    rows = []
    for name, run in runs.items():
        row: Dict = {"sampling": name, "hit": int(run.hit.sum()), "verified": int(run.verified.sum())}
        row |= {"loops found": run.modes_found} if run.n_modes else {}
        by, errors = _judged(run)
        row |= dict(zip((f"error² {by}: 5 %", "25 %", "median", "75 %", "95 %"), error_quantiles(errors), strict=True))
        if run.modes is not None:
            row |= {f"on loop {k + 1}": int((run.modes[-1] == k).sum()) for k in range(run.n_modes)}
        rows.append(row)
    return pd.DataFrame(rows)


def _judged(run: Run) -> tuple[str, np.ndarray]:
    """The judge and the errors (n,) of the result: Ω if it ran, else the surrogate."""
    if run.verified.any():
        return "by Ω", run.off_by**2
    return "by f", run.f_error[-1] if run.f_error is not None else np.array([np.nan])


def _mean(values) -> float:  # type: ignore[no-untyped-def]
    return float(np.mean(list(values)))
