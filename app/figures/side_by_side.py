"""Runs side by side: error against step on linked axes, and cost."""

from __future__ import annotations

import numpy as np
import pandas as pd

from app.figures.marks import band
from app.figures.panels import FLOOR, title
from app.figures.playback import Box, Size, static
from app.figures.run import Run
from app.figures.theme import Dict, axis, packed, palette

F, OMEGA = "by the surrogate f", "by Ω"
STAGES = ("latent", "proposal", "localization", "verification")


def residuals(runs: dict[str, Run], dark: bool, size: Size) -> Dict:
    """Median squared error against step, one panel per run: by the surrogate f, and by Ω where it judged."""
    colors, data, axes, titles = palette(dark), list[Dict](), Dict(), list[Dict]()
    shown = set[str]()
    for k, (name, run) in enumerate(runs.items()):
        ids, box = "" if k == 0 else str(k + 1), _box(k, len(runs), size)
        where = {"xaxis": f"x{ids}", "yaxis": f"y{ids}"}
        inks = {F: (colors.surrogate, "dash"), OMEGA: (colors.omega, "solid")}
        for called, steps, quantiles in _curves(run):
            (color, dash), (low, median, high) = inks[called], np.maximum(quantiles, FLOOR)
            data.append(band(steps, low, high, color, **where))
            data.append(
                {
                    **where,
                    "type": "scatter",
                    "mode": "lines+markers" if len(steps) == 1 else "lines",
                    "x": packed(steps),
                    "y": packed(median),
                    "name": called,
                    "legendgroup": called,
                    "showlegend": called not in shown,
                    "line": {"color": color, "width": 2.5, "dash": dash},
                    "marker": {"color": color, "size": 10},
                    "hovertemplate": f"step %{{x}}: half below %{{y:.2g}}, {called}<extra></extra>",
                }
            )
            shown.add(called)
        linked = {} if k == 0 else {"matches": "x"}
        axes[f"xaxis{ids}"] = axis(colors, "step", box[0], f"y{ids}", rangemode="tozero", nticks=6, **linked)
        linked = {} if k == 0 else {"matches": "y"}
        more = {"type": "log", "exponentformat": "power", "nticks": 6}
        axes[f"yaxis{ids}"] = axis(colors, "", box[1], f"x{ids}", **more, **linked)
        titles.append(title(f"<b>{_fitting(name, box, size)}</b>", box, size))
    first = next(iter(runs.values()))
    spec = static(first, data, axes, titles, dark, size, 300 * len(runs) if size.narrow else 380)
    spec["layout"]["title"] = {}
    return spec


def _fitting(name: str, box: Box, size: Size) -> str:
    """The name of a run without the parts at its end that its panel has no room for; the table above has all."""
    most = int((box[0][1] - box[0][0]) * size.width / (0.6 * size.font))
    while len(name) > most and ", " in name:
        name = name.rpartition(", ")[0]
    return name


def ends(runs: dict[str, Run]) -> str:
    """Where the curves of :func:`residuals` end, and why; '' if no run localizes. Names begin with 'A: '."""
    last = {}
    for name, run in runs.items():
        if steps := [label for label in run.labels if label.startswith("step ")]:
            last[name.partition(":")[0]] = steps[-1]
    if not last:
        return ""
    where = ", ".join(f"{name}: {step}" for name, step in last.items())
    text = (
        f"A curve ends with its run ({where}): localization stops when every sample has arrived by f, or when its "
        "steps are used up. "
    )
    if any(run.labels[-1].startswith("correction") for run in runs.values()):
        text += "Points after the last step are corrections by Ω. "
    return text


def residual_table(runs: dict[str, Run]) -> pd.DataFrame:
    """The data of :func:`residuals`: one row per run, step and judge."""
    rows = []
    for name, run in runs.items():
        for called, steps, (low, median, high) in _curves(run):
            columns = {"run": name, "step": steps, "squared error": called, "5 %": low, "median": median, "95 %": high}
            rows.append(pd.DataFrame(columns))
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()


def cost_table(runs: dict[str, Run]) -> pd.DataFrame:
    """The data of :func:`cost`: one row per run, with its seconds by stage."""
    seconds = [{stage: run.summary["seconds"][stage] for stage in STAGES} for run in runs.values()]
    return pd.DataFrame({"run": list(runs)}).join(pd.DataFrame(seconds).rename(columns="{}, seconds".format))


def _curves(run: Run) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """The judge, its steps (k,), and 5 %, 50 % and 95 % quantiles of squared errors there (3, k)."""
    by_omega = run.omega_error if run.omega_error is not None else _at_the_end(run)
    curves = []
    for called, errors in ((F, run.f_error), (OMEGA, by_omega)):
        if errors is not None and np.isfinite(errors).any():
            steps = np.flatnonzero(np.isfinite(errors).any(axis=1))
            curves.append((called, steps, np.nanquantile(errors[steps], (0.05, 0.5, 0.95), axis=1)))
    return curves


def _at_the_end(run: Run) -> np.ndarray | None:
    """(T, n) the result's error by Ω where Ω did not judge the earlier frames, for which it is NaN."""
    if not run.verified.any():
        return None
    errors = np.full((len(run.labels), run.n), np.nan)
    errors[-1] = run.off_by**2
    return errors


def cost(runs: dict[str, Run], dark: bool, size: Size) -> Dict:
    """Seconds by stage, one bar per run."""
    colors = palette(dark)
    inks = (colors.prior, colors.posterior, colors.localized, colors.omega)
    names, data = [name.partition(":")[0] if size.narrow else name for name in runs], []
    for stage, ink in zip(STAGES, inks, strict=True):
        seconds = [run.summary["seconds"][stage] for run in runs.values()]
        data.append(
            {
                "type": "bar",
                "orientation": "h",
                "x": seconds,
                "y": names,
                "name": stage,
                "marker": {"color": ink},
                "hovertemplate": f"{stage}: %{{x:.3g}} s<extra></extra>",
                "xaxis": "x",
                "yaxis": "y",
            }
        )
    axes = {
        "xaxis": axis(colors, "seconds", (0, 1), "y", rangemode="tozero", fixedrange=True),
        "yaxis": axis(colors, "", (0, 1), "x", autorange="reversed", fixedrange=True, automargin=True),
    }
    spec = static(next(iter(runs.values())), data, axes, [], dark, size, 170 + 44 * len(runs))
    spec["layout"] |= {"barmode": "stack"}
    return spec


def _box(k: int, count: int, size: Size) -> Box:
    if size.narrow:
        height = (1 - 0.15 * (count - 1)) / count
        top = 1 - k * (height + 0.15)
        return (0, 1), (max(0.0, top - height), top)
    width = (1 - 0.05 * (count - 1)) / count
    return (k * (width + 0.05), min(1.0, k * (width + 0.05) + width)), (0, 1)
