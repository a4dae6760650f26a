"""Figures of the guided tour, one for each step."""

from __future__ import annotations

import numpy as np

from app.figures.compare import STYLES
from app.figures.playback import Size
from app.figures.theme import Dict, packed, palette
from app.figures.worth import Outcomes
from app.lessons.panels import Panel, bars, dots, line, side_by_side, square, within

WHEEL = [[k / 6, f"hsl({60 * k}, 65%, 52%)"] for k in range(7)]
"""A cyclic colour scale for directions."""
SHOWN = 0.3
"""Misfits are drawn up to here; the outermost bars of step 3 count all beyond."""
PATCHES = [[edge, f"hsl({80 * k % 360}, 60%, 60%)"] for k in range(9) for edge in (k / 9, (k + 1) / 9)]
"""A colour for each of nine loops."""


def many(x: np.ndarray, y: np.ndarray, target: float, tolerance: float, dark: bool, size: Size) -> Dict:
    """Step 1: draws x (n, 2) with their y (n,); those with the target are highlighted."""
    colors = palette(dark)
    hit = np.abs(y - target) <= tolerance
    left = [dots(x[~hit], colors.prior, "draws", 3), dots(x[hit], colors.localized, "y within tolerance", 8)]
    edges = np.linspace(-2, 2, 41)
    mark = line(np.array([[target, 0], [target, 0.09]]), colors.target, "", 3)
    return side_by_side(
        [
            square("Designs x", left, target, colors),
            Panel(
                "How often y comes",
                [bars(y, edges, colors.prior), mark],
                {"title": "y = Ω(x)", "range": [-2.6, 2.6]},
                {"title": "share of draws", "tickformat": ".0%", "rangemode": "tozero"},
            ),
        ],
        dark,
        size,
    )


def one_to_one(
    z: np.ndarray, x: np.ndarray, mine: tuple[np.ndarray, np.ndarray], target: float, dark: bool, size: Size
) -> Dict:
    """Step 2: latent points z (n, 2) and their designs x (n, 2), each pair in one colour; ``mine``: z and x (2,)."""
    colors = palette(dark)
    wheel = {"colorscale": WHEEL, "cmin": -np.pi, "cmax": np.pi, "line": {"width": 0.5, "color": colors.background}}
    angle = packed(np.arctan2(z[:, 1], z[:, 0]))
    star = {"symbol": "star", "line": {"width": 1.5, "color": colors.text}}
    panels = []
    for at, points in ((0, z), (1, x)):
        own = dots(mine[at][None], colors.highlight, "your z and its x" if at == 0 else "", 19, marker=star)
        panels.append([dots(points, angle, "", 8, marker=wheel), own])
    return side_by_side(
        [
            Panel(
                "Latent points z ~ N(0, I)",
                panels[0],
                {"title": "z₁", "range": [-3, 3], "constrain": "domain", "constraintoward": "left"},
                {
                    "title": "z₂",
                    "range": [-3, 3],
                    "scaleanchor": "x",
                    "constrain": "domain",
                    "constraintoward": "top",
                },
            ),
            square("Their designs x = h(y*, z; φ)", panels[1], target, colors),
        ],
        dark,
        size,
    )


def spread(x: np.ndarray, misfit: np.ndarray, target: float, tolerance: float, dark: bool, size: Size) -> Dict:
    """Step 3: posterior samples x (n, 2) and the distance of Ω(x) from the target (n,)."""
    colors = palette(dark)
    edges = np.linspace(-SHOWN, SHOWN, 61)
    shown = bars(misfit, edges, colors.posterior)
    top = 1.05 * float(np.histogram(np.clip(misfit, -SHOWN, SHOWN), edges)[0].max()) / len(misfit)
    return side_by_side(
        [
            square("Posterior samples", [dots(x, colors.posterior, "posterior", 5)], target, colors),
            Panel(
                "What Ω says of them",
                [within(tolerance, top, colors), shown],
                {"title": "Ω(x) − y*", "range": [-0.31, 0.31]},
                {"title": "share of samples", "tickformat": ".0%", "range": [0, top]},
            ),
        ],
        dark,
        size,
    )


def eyes(
    x: np.ndarray, step: np.ndarray, truth: np.ndarray, seen: np.ndarray, target: float, dark: bool, size: Size
) -> Dict:
    """Step 4: samples x (n, 2) with the step of each (n, 2); errors by Ω and by the network (n,)."""
    colors = palette(dark)
    ways = np.stack((x, x + step, np.full_like(x, np.nan)), axis=1).reshape(-1, 2)
    zoom = np.array([[-0.09, -0.26], [0.42, 0.26]])
    limit = 1.1 * float(np.quantile(np.abs(truth), 0.97)) + 1e-6
    diagonal = np.array([[-limit, -limit], [limit, limit]])
    return side_by_side(
        [
            square(
                "The step that f asks for",
                [line(ways, colors.localized, "step", 2), dots(x, colors.posterior, "posterior", 7)],
                target,
                colors,
                zoom,
            ),
            Panel(
                "Does f see the error?",
                [
                    line(diagonal, colors.prior, "f as good as Ω", 1.5, "dot"),
                    dots(np.stack((truth, seen), axis=1), colors.surrogate, "", 6, marker={"opacity": 0.7}),
                ],
                {"title": "Ω(x) − y*, the truth", "range": [-limit, limit]},
                {"title": "f(x) − y*", "range": [-limit, limit]},
            ),
        ],
        dark,
        size,
    )


def spaces(
    cubes: dict[str, np.ndarray],
    patches: np.ndarray,
    least: dict[str, float],
    outcomes: Outcomes | None,
    n: int,
    dark: bool,
    size: Size,
) -> Dict:
    """Step 5: designs of the unit square (n, 2) on the patches of the loops, and how often all are found, by N.

    ``outcomes`` None: not shown yet.
    """
    colors = palette(dark)
    panels = []
    middles = (np.arange(len(patches)) + 0.5) / len(patches)
    ground: Dict = {"type": "heatmap", "x": packed(middles), "y": packed(middles), "hoverinfo": "skip"}
    ground |= {"z": packed(np.where(patches < 0, np.nan, patches)), "zmin": -0.5, "zmax": 8.5, "showscale": False}
    ground |= {"colorscale": PATCHES, "opacity": 0.45}
    for name, cube in cubes.items():
        slices = {"tickvals": np.linspace(0, 1, len(cube) + 1).tolist(), "showticklabels": False, "showgrid": True}
        slices["range"] = [0, 1]
        panels.append(
            Panel(
                name,
                [ground, dots(cube, colors.text, "", 7, cliponaxis=False)],
                {
                    "title": f"Φ(z₁); least distance {least[name]:.3f}",
                    "constrain": "domain",
                    "constraintoward": "left",
                    **slices,
                },
                {
                    "title": "Φ(z₂)",
                    "scaleanchor": "x",
                    "constrain": "domain",
                    "constraintoward": "top",
                    **slices,
                },
            )
        )
    if outcomes is None:
        return side_by_side(panels, dark, size)
    curves = []
    for name, by_n in outcomes.items():
        points = np.array([(at, 100 * one.share) for at, one in sorted(by_n.items())], dtype=float)
        curves.append(line(points, colors.localized, name, 2, STYLES[name][0]))
        now = points[points[:, 0] == n]
        curves.append(dots(now, colors.localized, "", 9, marker={"symbol": STYLES[name][1]}, cliponaxis=False))
    sizes = sorted(next(iter(outcomes.values())))
    ticks = {"type": "log", "tickvals": sizes, "ticktext": [str(at) for at in sizes]}
    ticks["range"] = [float(np.log10(sizes[0] / 1.15)), float(np.log10(sizes[-1] * 1.15))]
    panels.append(
        Panel(
            "All nine loops",
            curves,
            {"title": "number of designs, N", **ticks},
            {"title": "% of seeds", "range": [0, 105]},
        )
    )
    return side_by_side(panels, dark, size)


def descent(
    path: np.ndarray, believed: np.ndarray, truth: np.ndarray, step: int, target: float, dark: bool, size: Size
) -> Dict:
    """Step 6: samples (T, n, 2) up to ``step``, and their median squared errors by f and Ω (T,)."""
    colors = palette(dark)
    until = path[: step + 1]
    ways = np.concatenate((until, np.full_like(until[:1], np.nan))).transpose(1, 0, 2).reshape(-1, 2)
    zoom = np.array([[-0.09, -0.26], [0.42, 0.26]])
    steps = np.arange(len(path), dtype=float)
    floor = 1e-16
    curves = [
        line(np.stack((steps, np.maximum(believed, floor)), 1), colors.surrogate, "by f", 2, "dash"),
        line(np.stack((steps, np.maximum(truth, floor)), 1), colors.omega, "by Ω", 2),
        dots(np.array([[step, max(believed[step], floor)]]), colors.surrogate, "", 10),
        dots(np.array([[step, max(truth[step], floor)]]), colors.omega, "", 10),
    ]
    return side_by_side(
        [
            square(
                f"One loop after {step} steps",
                [
                    line(ways, colors.posterior, "", 1),
                    dots(path[0], colors.posterior, "posterior", 7, marker={"symbol": "circle-open"}),
                    dots(until[-1], colors.localized, "now", 6),
                ],
                target,
                colors,
                zoom,
            ),
            Panel(
                "Median squared error",
                curves,
                {"title": "step", "range": [-0.5, len(path) - 0.5]},
                {"title": "error²", "type": "log", "exponentformat": "power", "dtick": 3},
            ),
        ],
        dark,
        size,
    )


def starts(moved: dict[str, np.ndarray], errors: dict[str, np.ndarray], dark: bool, size: Size) -> Dict:
    """Step 7: distances moved (n,) and final squared errors by Ω (n,), by kind of start."""
    colors = palette(dark)
    own = dict(zip(moved, (colors.posterior, colors.prior), strict=True))
    edges = np.linspace(-5, 0.5, 45)
    low, rank = 1e-14, {name: np.linspace(0, 1, len(values)) for name, values in errors.items()}
    return side_by_side(
        [
            Panel(
                "How far samples move",
                [bars(np.log10(np.maximum(v, 1e-5)), edges, own[name], name) for name, v in moved.items()],
                {
                    "title": "‖x localized − x start‖, in widths of the box",
                    "tickvals": [-5, -4, -3, -2, -1, 0],
                    "ticktext": ["10⁻⁵", "10⁻⁴", "10⁻³", "0.01", "0.1", "1"],
                },
                {"title": "share of samples", "tickformat": ".0%"},
            ),
            Panel(
                "What is left, by Ω",
                [
                    line(np.stack((np.maximum(np.sort(v), low), rank[name]), 1), own[name], "", 3)
                    for name, v in errors.items()
                ],
                {"title": "‖Ω(x) − y*‖²", "type": "log", "exponentformat": "power", "dtick": 2},
                {"title": "share below", "tickformat": ".0%", "range": [-0.02, 1.02]},
            ),
        ],
        dark,
        size,
    )


def believed(f_off: np.ndarray, omega_off: np.ndarray, tolerance: float, dark: bool, size: Size) -> Dict:
    """Step 8: distances from the target by f and by Ω (n,)."""
    colors = palette(dark)
    points = np.maximum(np.stack((f_off, omega_off), axis=1), 1e-9)
    low, high = 10 ** np.floor(np.log10(points.min())), 10 ** np.ceil(np.log10(max(points.max(), 2 * tolerance)))
    hit = omega_off <= tolerance
    ends = [float(np.log10(low)), float(np.log10(high))]
    same = np.geomspace(low, high, 20)
    powers = {"type": "log", "range": ends, "exponentformat": "power", "dtick": 1}
    edges = np.linspace(ends[0], ends[1], 41)
    logs = np.log10(points)
    return side_by_side(
        [
            Panel(
                "Each dot is a design",
                [
                    line(np.stack((same, same), 1), colors.prior, "f as good as Ω", 1.5, "dot"),
                    line(np.array([[low, tolerance], [high, tolerance]]), colors.target, "tolerance", 2),
                    dots(points[hit], colors.localized, "hit", 6),
                    dots(points[~hit], colors.posterior, "miss", 7, marker={"symbol": "x"}),
                ],
                {"title": "|f(x) − y*|, believed", **powers},
                {"title": "|Ω(x) − y*|, verified", **powers},
            ),
            Panel(
                "The same as histograms",
                [bars(logs[:, 0], edges, colors.surrogate, "by f"), bars(logs[:, 1], edges, colors.omega, "by Ω")],
                {
                    "title": "distance from y*",
                    "tickvals": list(range(int(ends[0]), int(ends[1]) + 1)),
                    "ticktext": [f"10<sup>{k}</sup>" for k in range(int(ends[0]), int(ends[1]) + 1)],
                },
                {"title": "share of designs", "tickformat": ".0%"},
            ),
        ],
        dark,
        size,
    )


def corrected(errors: list[np.ndarray], dark: bool, size: Size) -> Dict:
    """Step 9: squared errors by Ω (n,) after 0, 1, … true evaluations per design."""
    colors = palette(dark)
    rng = np.random.default_rng(0)
    data = []
    for k, values in enumerate(errors):
        points = np.stack((k + rng.uniform(-0.25, 0.25, len(values)), np.maximum(values, 1e-32)), axis=1)
        data.append(dots(points, colors.localized if k else colors.prior, "", 5, marker={"opacity": 0.6}))
        middle = float(np.median(points[:, 1]))
        data.append(line(np.array([[k - 0.35, middle], [k + 0.35, middle]]), colors.omega, "" if k else "median", 3))
    return side_by_side(
        [
            Panel(
                "Each dot is a design",
                data,
                {"title": "true evaluations for each design, K", "dtick": 1, "range": [-0.5, 3.5]},
                {"title": "‖Ω(x) − y*‖²", "type": "log", "exponentformat": "power", "dtick": 4},
            )
        ],
        dark,
        size,
    )
