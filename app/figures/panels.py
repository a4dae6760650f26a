"""Panels for every task: error against step, and the designs as lines over their coordinates."""

from __future__ import annotations

import numpy as np

from app.figures.coordinates import coordinates
from app.figures.marks import band, curve, proposal_color, ring
from app.figures.playback import Box, Scene, Size
from app.figures.run import Run
from app.figures.theme import Dict, Palette, axis, packed, squared
from ipage_core.tasks import TASKS

FLOOR = 1e-16
"""Smaller errors are drawn at this value: float64 resolves no smaller y², and the axis is logarithmic."""


def title(text: str, box: Box, size: Size) -> Dict:
    """A panel's title, flush left above it."""
    return {
        "text": text,
        "x": box[0][0],
        "y": box[1][1],
        "xref": "paper",
        "yref": "paper",
        "xanchor": "left",
        "yanchor": "bottom",
        "align": "left",
        "yshift": 3,
        "showarrow": False,
        "font": {"size": size.font},
    }


def error_panel(scene: Scene, run: Run, box: Box, colors: Palette, size: Size, ids: str = "2") -> None:
    """Median error against step, by the surrogate f and by the true Ω, always kept apart."""
    curves = [
        ("surrogate, by f", run.f_error, colors.surrogate, "dash"),
        ("re-simulation, by Ω", run.omega_error, colors.omega, "solid"),
    ]
    curves = [c for c in curves if c[1] is not None]
    where = {"xaxis": f"x{ids}", "yaxis": f"y{ids}"}
    lows, medians, highs, every = [], [], [], np.arange(len(run.labels))
    for name, error, color, dash in curves:
        steps = every[np.isfinite(error).any(axis=1)]  # Ω may have judged only the first and the last frame
        low, median, high = np.maximum(np.nanquantile(error[steps], (0.05, 0.5, 0.95), axis=1), FLOOR)
        lows.append(low)
        medians.append((dict(zip(steps.tolist(), median.tolist(), strict=True)), color))
        highs.append(high)
        scene.still.append(band(steps, low, high, color, **where))
        scene.still.append(
            {
                **where,
                "type": "scatter",
                "mode": "lines" if run.localizes else "markers",
                "x": packed(steps),
                "y": packed(median),
                "line": {"color": color, "width": 2, "dash": dash},
                "marker": {"color": color, "size": 9},
                "hovertemplate": f"median {name}: %{{y:.3~g}}<extra></extra>",
                "showlegend": False,
            }
        )
    tolerance, steps = run.tolerance**2, every
    scene.still.append(
        {
            **where,
            "type": "scatter",
            "mode": "lines",
            "x": [-0.5, len(steps) - 0.5],
            "y": [tolerance, tolerance],
            "line": {"color": colors.target, "width": 1.2, "dash": "dot"},
            "hovertemplate": f"tolerance²: {tolerance:.3g}<extra></extra>",
            "showlegend": False,
        }
    )
    bottom = max(FLOOR, min([tolerance / 100, *(float(low.min()) for low in lows)]) / 3)
    top = 3 * max([10 * tolerance, *(float(high.max()) for high in highs)])
    top *= (top / bottom) ** 0.1  # room for the counter
    if not run.localizes and run.omega_error is not None:
        scene.still.append(_strip(run, colors, where))
    if scene.chosen is not None and run.localizes:
        for _, error, color, dash in curves:
            points = np.stack((steps, np.maximum(error[:, scene.chosen], FLOOR)), axis=1)
            scene.still.append(curve(points, color, 1, **where, showlegend=False) | {"line": _thin(color, dash)})
            scene.still.append(ring(points[-1:], colors, 9, **where))
    for t, frame in enumerate(scene.moving if run.localizes else []):
        if run.arrived is not None:
            frame.append(_counter(run, t, top, where, size))
        frame.append(
            {
                **where,
                "type": "scatter",
                "mode": "lines",
                "x": [t, t],
                "y": [bottom, top],
                "line": {"color": colors.localized, "width": 2},
                "hoverinfo": "skip",
                "showlegend": False,
            }
        )
        frame.append(
            {
                **where,
                "type": "scatter",
                "mode": "markers",
                "x": [t] * len(medians),
                "y": [m.get(t) for m, _ in medians],
                "marker": {
                    "color": [c for _, c in medians],
                    "size": 9,
                    "line": {"width": 1.5, "color": colors.background},
                },
                "hoverinfo": "skip",
                "showlegend": False,
            }
        )
    ticks = [] if not run.localizes else _ticks(run.labels, (box[0][1] - box[0][0]) * size.width / size.font)
    scene.axes[f"xaxis{ids}"] = axis(
        colors,
        _steps_title(run),
        box[0],
        f"y{ids}",
        range=[-0.5, len(steps) - 0.5],
        tickvals=[t for t, _ in ticks],
        ticktext=[text for _, text in ticks],
        tickangle=0,
        fixedrange=True,
    )
    scene.axes[f"yaxis{ids}"] = axis(
        colors,
        "",
        box[1],
        f"x{ids}",
        type="log",
        range=[np.log10(bottom), np.log10(top)],
        exponentformat="power",
        nticks=5,
        fixedrange=True,
    )
    named = [
        f"<span style='color:{color}'>{'┅' if dash == 'dash' else '━'} {name}</span>" for name, _, color, dash in curves
    ]
    heading = f"<b>Squared error</b>{unit_squared(run)}"
    if named:
        heading += ": " if size.name in ("wide", "large") else "<br>"
    scene.titles.append(title(heading + "  ".join(named), box, size))


def _counter(run: Run, t: int, top: float, where: Dict, size: Size) -> Dict:
    """The number of hits at frame t, in the panel's upper right corner."""
    return {
        **where,
        "type": "scatter",
        "mode": "text",
        "x": [len(run.labels) - 1.2],
        "y": [top],
        "text": [f"<b>{run.arrived[t].sum()}</b> of {run.n} hit" if np.isfinite(run.y[t]).any() else ""],
        "textposition": "bottom left",
        "textfont": {"size": size.font},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _thin(color: str, dash: str) -> Dict:
    return {"color": color, "width": 1.2, "dash": "dot" if dash == "dash" else "solid"}


def _strip(run: Run, colors: Palette, where: Dict) -> Dict:
    """For methods without motion: the errors of all samples, spread sideways by their ids."""
    error = np.maximum(run.omega_error[0], FLOOR)
    return {
        **where,
        "type": "scatter",
        "mode": "markers",
        "x": packed(0.35 * np.linspace(-1, 1, len(error))),
        "y": packed(error),
        "marker": {"size": 4, "color": proposal_color(run, colors), "opacity": 0.6},
        "hovertemplate": "%{y:.3~g}<extra></extra>",
        "showlegend": False,
    }


def _steps_title(run: Run) -> str:
    if not run.localizes and run.omega_error is None:
        return "no error is known: Ω has not run"
    if not run.localizes:
        return f"each dot a {run.labels[0]} sample, the large one their median"
    corrected = run.labels[-1].startswith("correction")
    return f"step (0: {run.labels[0]}{'; Ω: correction' if corrected else ''})"


def unit_squared(run: Run) -> str:
    """The unit of squared errors in brackets, if all targets have the same unit."""
    labels = TASKS[run.task].property_labels[: len(run.y_star)]
    units = {label[label.index("[") + 1 : -1] if label.endswith("]") else "" for label in labels}
    unit = units.pop()
    return f" [{squared(unit)}]" if unit and not units else ""


def designs_panel(
    scene: Scene, run: Run, rows: np.ndarray, box: Box, colors: Palette, size: Size, ids: str = "4"
) -> None:
    """Each of the designs ``rows`` as a line through its coordinates, each coordinate scaled to the task's bounds."""
    shown = coordinates(run)
    count = len(shown.labels)
    where = {"xaxis": f"x{ids}", "yaxis": f"y{ids}", "showlegend": False}

    def lines(x: np.ndarray, color: str, opacity: float, rows: np.ndarray = rows) -> Dict:
        places = np.broadcast_to(np.arange(count, dtype=float), (len(rows), count))
        points = np.stack((places, (shown.of(x[rows]) - shown.low) / (shown.high - shown.low)), axis=-1)
        gapped = np.concatenate((points, np.full_like(points[:, :1], np.nan)), axis=1).reshape(-1, 2)
        return curve(gapped, color, 1.2, opacity=opacity, **where)

    start = proposal_color(run, colors)
    if run.localizes:
        scene.still.append(lines(run.x[0], start, 0.4))
    for t, frame in enumerate(scene.moving):
        frame.append(lines(run.x[t], colors.localized if t else start, 0.75))
        if scene.chosen is not None:
            frame.append(
                lines(run.x[t], colors.text, 1, np.array([scene.chosen]))
                | {"line": {"color": colors.text, "width": 2.5}}
            )
    scene.axes[f"xaxis{ids}"] = axis(
        colors,
        "",
        box[0],
        f"y{ids}",
        range=[-0.25, count - 0.75],
        tickvals=list(range(count)),
        ticktext=[_wrapped(label, size) for label in shown.labels],
        tickangle=0,
        ticklabeloverflow="allow",
        fixedrange=True,
        showgrid=True,
    )
    scene.axes[f"yaxis{ids}"] = axis(
        colors,
        "",
        box[1],
        f"x{ids}",
        range=[-0.16, 1.16] if shown.own else [-0.06, 1.06],
        tickvals=[] if shown.own else [0, 1],
        ticktext=["min", "max"],
        fixedrange=True,
        showgrid=False,
    )
    if shown.own:
        low, high = zip(*(shown.ends(j) for j in range(count)), strict=True)
        scene.still.append(
            {
                **where,
                "type": "scatter",
                "mode": "text",
                "x": [*range(count), *range(count)],
                "y": [0] * count + [1] * count,
                "text": [*low, *high],
                "textposition": ["bottom center"] * count + ["top center"] * count,
                "textfont": {"size": size.font - 3, "color": colors.text},
                "cliponaxis": False,
                "hoverinfo": "skip",
            }
        )
    scene.titles.append(title("<b>Designs</b>, a line each", box, size))


def _wrapped(label: str, size: Size) -> str:
    """'x₂ joint 1 [rad]' on three short lines; on a phone, the symbol alone."""
    name, _, rest = label.partition(" ")
    return name if size.narrow else f"{name}<br>{rest.replace(' [', '<br>[')}"


def _ticks(labels: tuple[str, ...], letters: float) -> list[tuple[float, str]]:
    """Tick positions and labels: regular steps, and the corrections. ``letters``: width of the axis in letters."""
    last, apart = len(labels) - 1, letters / len(labels)
    corrections = [(float(t), f"Ω{label.split()[-1]}") for t, label in enumerate(labels) if label.startswith("corr")]
    if len(corrections) > 1 and apart < 2.5:
        corrections = [((corrections[0][0] + corrections[-1][0]) / 2, f"Ω1–{len(corrections)}")]
    every = next(step for step in (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, len(labels)) if step * apart >= 3)
    clear = corrections[0][0] - 3.2 / apart if corrections else last
    return [(float(t), str(t)) for t in range(0, last + 1, every) if t <= clear] + corrections
