"""Parts shared by all animated figures: frames, and the buttons and slider that play them.

A figure is a plain dict. Moving traces are Scatter traces in SVG, so that frames need no redraw and the whole
animation runs in the browser.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

import numpy as np

from app.figures.run import Run
from app.figures.theme import Dict, Palette, faded, joined, packed, palette, sized

SMOOTH_UP_TO = 300
"""Maximum number of samples for smooth motion between frames; with more, the browser is too slow."""
SPEEDS = {"▶ Play": 450, "Slow": 1200, "Fast": 180}
"""Milliseconds per step."""
LATENT = "latent z"
"""The frame before the first: the latent points, which become posterior samples."""
HELD, TRAVEL = 2, 4
"""Duration, in steps, of the pause at the latent points and of the motion from there to the posterior samples."""
WORTH = 0.8
"""Play skips a step if its median error is within this factor of the last one shown: no motion would be visible."""

BUTTONS = 24.5
"""Width of the buttons together, in font sizes."""
LEFT, BOTTOM = 46, 62
"""Pixels beside and below the plot area, for axis titles; the controls start at the figure's edge instead."""

LEGEND_ABOVE = {"narrow": 0, "medium": 42, "wide": 24, "large": 28}
"""Pixels between the legend and the panels, for the panel titles."""

Box = tuple[tuple[float, float], tuple[float, float]]
"""Domain ((x from, x to), (y from, y to)) in fractions of the plot area."""


@dataclass(frozen=True)
class Size:
    """Size class of the browser: 'narrow' (a phone), 'medium', 'wide' or 'large' (a projector)."""

    name: str = "wide"
    tall: int = 0
    """Height of the animated figure in pixels, where it has the screen for itself; 0: its usual height."""

    @property
    def narrow(self) -> bool:
        """Whether panels are stacked instead of side by side."""
        return self.name == "narrow"

    def places(self, count: int) -> tuple[str, ...]:
        """Where two or three panels are, for captions: beside one another, or on a phone above one another."""
        if self.narrow:
            return ("Above", "Below") if count == 2 else ("Top", "Middle", "Bottom")
        return ("Left", "Right") if count == 2 else ("Left", "Middle", "Right")

    @property
    def edge(self) -> float:
        """The figure's left edge, in fractions of the plot area."""
        return -LEFT / self.width

    @property
    def width(self) -> int:
        """Approximate width of the plot area in pixels: the browser's exact width is unknown here."""
        return {"narrow": 298, "medium": 680, "wide": 1010, "large": 1500}[self.name]

    @property
    def font(self) -> int:
        """Font size in pixels."""
        return {"narrow": 12, "medium": 12, "wide": 13, "large": 16}[self.name] + (2 if self.tall else 0)


WIDE = Size()


@dataclass
class Scene:
    """A figure under construction: fixed traces, moving traces (the same number in every frame), axes and titles."""

    still: list[Dict] = field(default_factory=list)
    moving: list[list[Dict]] = field(default_factory=list)
    """[frame][trace]: full traces; the other frames transmit only the differences from frame 0."""
    top: list[Dict] = field(default_factory=list)
    """Fixed traces drawn above the moving ones."""
    axes: Dict = field(default_factory=dict)
    titles: list[Dict] = field(default_factory=list)
    shapes: list[Dict] = field(default_factory=list)
    height: int = 0
    chosen: int | None = None
    """The sample that is highlighted."""
    latent: dict[int, np.ndarray] = field(default_factory=dict)
    """Index of each moving trace of samples in the main panel → places of their latent points: (k, 2) of 0 to 1."""
    trails: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    """Index of each moving trace of paths → the places of the latent points, and the first places of the samples."""
    controls: float | None = None
    """Left edge of the controls if they stand beside the main panel, in fractions of the plot area; None: above it."""
    redraw: bool = False
    """Whether frames hold a heatmap, which must be redrawn. Then there is no motion between frames."""


def assemble(run: Run, scene: Scene, dark: bool, size: Size) -> Dict:
    """The figure: fixed traces first, then the moving ones, resting at the last frame."""
    colors = palette(dark)
    sized(scene.axes, size.font - 1)
    first = len(scene.still)
    moving = list(range(first, first + len(scene.moving[-1])))
    labels = run.labels
    if run.localizes and scene.latent:
        labels = (LATENT, *labels)
        scene.moving = _from_latent(scene, colors)
    top = _top(run, size, scene.controls is not None)
    controls = _controls(run, labels, size, colors, top, scene) if run.localizes else {}
    layout = dressing(run, colors, size, scene.height, top)
    layout |= {"annotations": scene.titles, "shapes": scene.shapes, **scene.axes, **controls}
    frames = []
    if run.localizes:
        for t, label in enumerate(labels):
            data = [_changes(trace, [f[k] for f in scene.moving]) for k, trace in enumerate(scene.moving[t])]
            frames.append({"name": label, "data": data, "traces": moving})
        frames.append({"name": "·", "data": [], "traces": []})
    data = [undimmed(trace) for trace in (*scene.still, *scene.moving[-1], *scene.top)]
    return {"data": data, "layout": layout, "frames": frames}


def _from_latent(scene: Scene, colors: Palette) -> list[list[Dict]]:
    """The frames, with one more at the start: samples at their latent points (z from −3 to 3)."""
    low, high = np.array([scene.axes["xaxis"]["range"], scene.axes["yaxis"]["range"]], dtype=float).T

    def places(latent: np.ndarray) -> np.ndarray:
        return low + (high - low) * (0.05 + 0.9 * latent)

    frames = [
        [trace if _stays(k, trace, scene) else {"opacity": 1, **trace} for k, trace in enumerate(frame)]
        for frame in scene.moving
    ]
    before = []
    for k, trace in enumerate(frames[0]):
        if k in scene.latent:
            across, up = places(scene.latent[k]).T
            marker = trace["marker"] | {"color": colors.omega, "symbol": [0] * len(across)}
            before.append(trace | {"x": packed(across), "y": packed(up), "marker": marker})
        elif k in scene.trails:
            start, end = places(scene.trails[k][0]), scene.trails[k][1]
            before.append(trace | _line(start, start))
            frames[0][k] = trace | _line(start, end)
        else:
            before.append(trace if _stays(k, trace, scene) else trace | {"opacity": 0})
    return [before, *frames]


def _line(start: np.ndarray, end: np.ndarray) -> Dict:
    x, y = joined(np.stack((start, end), axis=1)).T
    return {"x": packed(x), "y": packed(y)}


def _stays(k: int, trace: Dict, scene: Scene) -> bool:
    """Whether a trace is visible among the latent points: samples, their paths, the error panel without hits."""
    return k in scene.latent or k in scene.trails or (trace.get("xaxis") == "x2" and trace.get("mode") != "text")


def dressing(run: Run, colors: Palette, size: Size, height: int, top: int) -> Dict:
    """Layout options common to all figures; ``top``: pixels above the panels."""
    return {
        "height": height,
        "margin": {"l": LEFT, "r": 14, "t": top, "b": BOTTOM, "pad": 0},
        "font": {"size": size.font, "color": colors.text},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "hovermode": "closest",
        "dragmode": False if size.narrow else "zoom",
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1 + LEGEND_ABOVE[size.name] / (height - top - BOTTOM),
            "yref": "paper",
            "yanchor": "bottom",
            "font": {"size": size.font - 1},
            "itemsizing": "constant",
            "bgcolor": "rgba(0,0,0,0)",
            "uirevision": "legend",
        },
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": colors.prior, "activecolor": colors.text},
        "uirevision": run.task,
        "meta": {"task": run.task, "target": run.y_star.tolist(), "run": zlib.crc32(run.x[-1].tobytes())},
    }


def static(run: Run, data: list[Dict], axes: Dict, titles: list[Dict], dark: bool, size: Size, height: int) -> Dict:
    """A figure without frames, in the style of the animated ones."""
    sized(axes, size.font - 1)
    top = 110 if size.narrow else 70
    layout = dressing(run, palette(dark), size, height, top)
    if size.narrow:  # the first panel's title takes the place that an animation leaves free
        layout["legend"]["y"] = 1 + 24 / (height - top - BOTTOM)
    layout |= {"annotations": titles, **axes}
    return {"data": [undimmed(trace) for trace in data], "layout": layout}


def undimmed(trace: Dict) -> Dict:
    """Keep the other samples at full opacity when a click chooses one; Plotly would fade them."""
    if "marker" not in trace:
        return trace
    return trace | {"unselected": {"marker": {"opacity": trace["marker"].get("opacity", 1)}}}


def _changes(trace: Dict, siblings: list[Dict]) -> Dict:
    """The properties of a moving trace that a frame must transmit: all that differ between frames."""

    def differing(of: Dict, others: list[Dict]) -> Dict:
        return {k: v for k, v in of.items() if any(other.get(k) != v for other in others)}

    changed = differing(trace, siblings)
    if changed and trace["type"] != "scatter":  # Plotly's default for a trace without a type
        changed["type"] = trace["type"]
    if "marker" in changed:
        changed["marker"] = differing(trace["marker"], [s["marker"] for s in siblings])
    return changed


def steps_named(labels: tuple[str, ...]) -> list[str]:
    """Names of the frames on the slider: 'posterior', 'step 3 of 25', 'correction 1 of 2'."""
    count = {kind: sum(label.startswith(f"{kind} ") for label in labels) for kind in ("step", "correction")}
    return [f"{label} of {count[label.split()[0]]}" if label.split()[0] in count else label for label in labels]


def _top(run: Run, size: Size, beside: bool) -> int:
    if not run.localizes or beside:
        return 70
    return {"narrow": 150, "medium": 124}.get(size.name, 104)


def played(run: Run) -> list[str]:
    """The frames that Play shows: it skips steps without visible change."""
    if run.f_error is None:
        return list(run.labels)
    median, shown = np.nanmedian(run.f_error, axis=1), [0]
    for t, label in enumerate(run.labels[1:-1], start=1):
        if not label.startswith("step ") or not WORTH * median[shown[-1]] <= median[t] <= median[shown[-1]] / WORTH:
            shown.append(t)
    return [run.labels[t] for t in (*shown, len(run.labels) - 1)]


def _controls(run: Run, labels: tuple[str, ...], size: Size, colors: Palette, top: int, scene: Scene) -> Dict:
    """Play at three speeds, Pause, single steps in both directions, and the slider."""
    redraw, beside = scene.redraw, scene.controls
    smooth = run.x.shape[1] <= SMOOTH_UP_TO and not redraw
    last = len(labels) - 1
    names = [LATENT] * (labels[0] == LATENT) + played(run)

    def play(duration: int) -> list:
        lasts = [duration * {LATENT: HELD, run.labels[0]: TRAVEL if names[0] == LATENT else 1}.get(n, 1) for n in names]
        frames = [{"duration": one, "redraw": redraw} for one in lasts]
        moves = [int(0.7 * one) if smooth and name != LATENT else 0 for one, name in zip(lasts, names, strict=True)]
        transitions = [{"duration": one, "easing": "cubic-in-out"} for one in moves]
        return [names, {"frame": frames, "transition": transitions, "mode": "immediate", "fromcurrent": True}]

    def step(order: list[str]) -> list:
        # Plotly has no "next frame", so a step plays from the current frame but stays for ever on the next one. An
        # empty first frame keeps the current frame off index 0, which Plotly takes for "no frame".
        names = [name for label in order for name in ("·", label)]
        frame = [{"duration": 0, "redraw": redraw}, {"duration": 1e9, "redraw": redraw}]
        transition = [{"duration": 0}, {"duration": 250 if smooth else 0}]
        return [names, {"frame": frame, "transition": transition, "mode": "immediate", "fromcurrent": True}]

    forward = [*labels[1:], labels[0]]
    backward = [*labels[-2::-1], labels[-1]]
    still = [[None], {"frame": {"duration": 0, "redraw": redraw}, "transition": {"duration": 0}, "mode": "immediate"}]
    buttons = [(name, play(duration)) for name, duration in SPEEDS.items()]
    buttons += [("Pause", still), ("‹ Step", step(backward)), ("Step ›", step(forward))]
    menu = {
        "type": "buttons",
        "direction": "right",
        "showactive": False,
        "x": size.edge if beside is None else beside,
        "xanchor": "left",
        "y": 1,
        "yanchor": "bottom" if beside is None else "top",
        "pad": {"l": 0, "r": 0, "t": 0, "b": top - 36 if beside is None else 0},
        "bgcolor": faded("#808080", 0.15),
        "bordercolor": faded("#808080", 0.55),
        "font": {"color": colors.text, "size": size.font - (1 if size.narrow else 0)},
        "buttons": [{"label": label, "method": "animate", "args": args} for label, args in buttons],
    }
    left = {"narrow": size.edge, "medium": 0.55}.get(size.name, 0.46)
    if beside is not None:
        left = beside + BUTTONS * size.font / (0.86 * size.width)  # a projector's page may be narrower
    slider = {
        "active": last,
        "x": left,
        "len": 1 - left,
        "xanchor": "left",
        "y": 1,
        "yanchor": "bottom" if beside is None else "top",
        "pad": {"l": 8, "r": 8, "t": 0, "b": top - (92 if size.narrow else 44) if beside is None else 0},
        "currentvalue": {
            "prefix": "",
            "xanchor": "left",
            "offset": 4,
            "font": {"size": size.font, "color": colors.text},
        },
        "ticklen": 0,
        "minorticklen": 0,
        "font": {"size": 1, "color": "rgba(0,0,0,0)"},
        "bgcolor": colors.localized,
        "activebgcolor": colors.localized,
        "bordercolor": "rgba(0,0,0,0)",
        "transition": {"duration": 0},
        "steps": [
            {
                "label": shown,
                "method": "animate",
                "args": [
                    [label],
                    {"frame": {"duration": 0, "redraw": redraw}, "transition": {"duration": 0}, "mode": "immediate"},
                ],
            }
            for label, shown in zip(labels, steps_named(labels), strict=True)
        ],
    }
    return {"updatemenus": [menu], "sliders": [slider]}
