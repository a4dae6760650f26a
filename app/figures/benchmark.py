"""The paper's Figures 1 to 7 and what lies beyond them, from the benchmark's rows: data frames → plain plotly dicts.

Nothing here knows of Streamlit: the report on the command line draws the same figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from app.figures.theme import Dict, Palette, axis, faded, packed, palette
from ipage_core.benchmark.tables import RESAMPLED

SAMPLINGS = {"srs": "SRS", "lhs": "LHS", "maximin": "maximin"}
SYMBOLS = {"srs": "circle", "lhs": "square", "maximin": "diamond"}
NAMES = {
    "mdn": "MDN",
    "inn": "INN",
    "cinn": "cINN",
    "cvae": "cVAE",
    "na": "NA",
    "na-published": "NA as published",
    "ipage": "iPage",
    "ipage-mlp": "iPage, MLP surrogate",
    "ipage-cinn": "iPage, cINN + MLP",
    "prior-lm": "control: prior + LM",
    "reference": "the posterior itself",
}
"""Methods as figures and tables call them, in their order."""
FONT = 12
TOP = 58
"""Pixels above the panels: their titles, and Plotly's buttons above those."""
LOOPS = np.array([(x, y) for x in (-1 / 2, 1 / 6, 5 / 6) for y in (-2 / 3, 0.0, 2 / 3)])
"""Centres of the sine wave's nine loops of solutions."""


_ROUND = ("#a7770c", "#c56033", "#d94360", "#dd26a3", "#c43be0", "#9961f4",
          "#5f7fe4", "#2890b7", "#0f9788", "#27994f", "#778d11", "#a7770c")  # fmt: skip
PHASE = [[k / 11, color] for k, color in enumerate(_ROUND)]
"""An angle's colours, as light at every angle (cmocean's phase). Written out: plotly.js knows no cyclic scale by name,
and where a name is unknown, page and report each take a default of their own."""


def color_of(method: str, colors: Palette) -> str:
    """What proposes wears the posterior's colour, what localizes that of results, what starts at the prior its own."""
    if method.startswith("ipage"):
        return colors.localized
    return colors.prior if method in ("na", "na-published", "prior-lm") else colors.posterior


def short(method: str) -> str:
    """A method's name in figures."""
    return NAMES.get(method, method)


def counted(cell: Any) -> str:
    """How many solutions stand behind a cell of a table; of Table 2, for how many different targets."""
    targets = f" ({round(cell.n / cell.runs)} targets)" if cell.protocol == "many" else ""
    return f"n = {cell.n:,}{targets}"


def one_to_many(rows: pd.DataFrame, omega: np.ndarray, prior: np.ndarray, target: float, dark: bool) -> Dict:
    """Figure 1. Left: designs x₁ against y, prior draws (n, 2) and their ``omega`` (n,): many x share one y.

    Right: designs for the target, each coloured as the angle of its latent point (z₁, z₂): with z, each has its own.
    ``rows`` are an exploration's, of one run.
    """
    colors = palette(dark)
    turn = np.degrees(np.arctan2(rows["z2"], rows["z1"]))
    left = _points(prior[:, 0], omega, colors.prior, 4, "x", name="draws of the prior")
    line = _line([-1, 1], [target, target], colors.target, "x", name="target y*")
    on = _points(rows["x1"], np.full(len(rows), target), colors.localized, 5, "x", name="designs for y*")
    wheel = {"size": 8, "color": turn.tolist(), "colorscale": PHASE, "cmin": -180, "cmax": 180}
    wheel["colorbar"] = {"title": {"text": "angle of z [°]"}, "len": 0.8, "tickvals": [-180, -90, 0, 90, 180]}
    told = np.stack((rows["z1"], rows["z2"]), axis=1).round(2).tolist()
    right = _points(rows["x1"], rows["x2"], "", 8, "x2", showlegend=False, customdata=told) | {"marker": wheel}
    right["hovertemplate"] = "x = (%{x:.3f}, %{y:.3f})<br>z = (%{customdata[0]}, %{customdata[1]})<extra></extra>"
    axes = _axes(colors, [((0, 0.5), (0, 1)), ((0.6, 1), (0, 1))], [("x₁", "y"), ("x₁", "x₂")])
    axes["yaxis2"] |= {"scaleanchor": "x2"}  # one scale, and the panel keeps its place beside the colours
    for name in ("xaxis", "xaxis2", "yaxis2"):
        axes[name] |= {"range": [-1.05, 1.05], "tickangle": 0, "nticks": 6}
    titles = [_title("<b>One y, many x</b>", 0, 1), _title("<b>With z, one x each</b>", 0.6, 1)]
    return _figure([left, line, on, right], axes, titles, colors, 500)


def way(rows: pd.DataFrame, dark: bool) -> Dict:
    """Figure 2: designs as proposed and as localized, and the way between; ``rows`` of one run. Right: one loop."""
    colors, data = palette(dark), []
    start, end = rows[["start1", "start2"]].to_numpy(float), rows[["x1", "x2"]].to_numpy(float)
    lines = np.stack((start, end, np.full_like(end, np.nan)), axis=1).reshape(-1, 2)
    for k, ids in enumerate(("x", "x2")):
        data += [
            _line(lines[:, 0], lines[:, 1], colors.posterior, ids, width=1, showlegend=False),
            _points(start[:, 0], start[:, 1], colors.posterior, 6, ids, symbol="circle-open", name="posterior samples"),
            _points(end[:, 0], end[:, 1], colors.localized, 5, ids, name="localized"),
        ]
        for trace in data[3 * k :]:
            trace["showlegend"] = trace.get("showlegend", True) and not k
    axes = _axes(colors, [((0, 0.46), (0, 1)), ((0.54, 1), (0, 1))], [("x₁", "x₂"), ("x₁", "x₂")])
    far = np.linalg.norm(end - start, axis=1)
    loop = LOOPS[np.argmin(np.linalg.norm(LOOPS - end[far.argmax()], axis=1))]
    for name, centre in (("xaxis2", loop[0]), ("yaxis2", loop[1])):
        axes[name]["range"] = [float(centre - 0.22), float(centre + 0.22)]
    axes["xaxis"]["range"] = axes["yaxis"]["range"] = [-1.05, 1.05]
    titles = [_title("<b>All nine loops</b>", 0, 1), _title("<b>One of them, closely</b>", 0.54, 1)]
    spec = _figure(data, _square(axes), titles, colors, 468)
    spec["layout"]["width"] = 820  # so that both panels are squares
    return spec


def designs(points: dict[str, np.ndarray], dark: bool) -> Dict:
    """Figure 3: designs (n, 2) of the unit square by name of sampling, with the least distance between two points."""
    colors, data, titles, boxes = palette(dark), [], [], []
    for k, (name, at) in enumerate(points.items()):
        left = k * 0.35
        boxes.append(((left, left + 0.3), (0.0, 1.0)))
        data.append(_points(at[:, 0], at[:, 1], colors.omega, 9, _id(k), symbol=SYMBOLS[name], showlegend=False))
        apart = np.linalg.norm(at[:, None] - at[None], axis=2)[np.triu_indices(len(at), 1)].min()
        titles.append(_title(f"<b>{SAMPLINGS[name]}</b>, least distance {apart:.2g}", left, 1))
    axes = _axes(colors, boxes, [("z₁, as a share", "z₂" if not k else "") for k in range(len(boxes))])
    ticks = np.linspace(0, 1, len(next(iter(points.values()))) + 1).round(3).tolist()
    for name in axes:
        axes[name] |= {"range": [0, 1], "tickvals": ticks, "tickfont": {"size": 8, "color": colors.text}}
    return _figure(data, _square(axes), titles, colors, 440)


def gallery(rows: pd.DataFrame, cells: Sequence[tuple[str, str]], dark: bool) -> Dict:
    """Figures 4 and 5: designs of the sine wave, a row for each (method, sampling) and a column for each count.

    ``rows`` of one seed. Loops of solutions are drawn as lines, loops that no design within tolerance lies on dashed.
    """
    colors, counts = palette(dark), sorted(rows["count"].unique().tolist())
    data: list[Dict] = []
    titles: list[Dict] = []
    boxes = []
    high, wide = 1 / len(cells), 1 / len(counts)
    for r, (method, sampling) in enumerate(cells):
        for c, count in enumerate(counts):
            k = r * len(counts) + c
            boxes.append(((c * wide, (c + 0.9) * wide), (1 - (r + 0.87) * high, 1 - r * high)))
            own = (rows["method"] == method) & (rows["sampling"] == sampling) & (rows["count"] == count)
            here = rows[own]
            hit = (here["off1"].abs() <= 0.02) & (here["family"] >= 0)
            found = set(here.loc[hit, "family"].tolist())
            for those, dash in ((found, "solid"), (set(range(9)) - found, "dot")):
                loops = np.concatenate([_loop(i) for i in sorted(those)]) if those else np.empty((0, 2))
                data.append(_line(loops[:, 0], loops[:, 1], colors.target, _id(k), dash=dash, showlegend=False))
            color = color_of(method, colors)
            data.append(_points(here["x1"], here["x2"], color, 4 if count < 200 else 3, _id(k), showlegend=False))
            name = f"<b>{short(method)}, {SAMPLINGS[sampling]}</b>, " if c == 0 else ""
            titles.append(_title(f"{name}N = {count}: {len(found)} of 9", boxes[-1][0][0], boxes[-1][1][1], 11))
    axes = _axes(colors, boxes, [("", "")] * len(boxes))
    for name in axes:
        axes[name] |= {"range": [-1.05, 1.05], "showticklabels": False, "showgrid": False}
    return _figure(data, _square(axes), titles, colors, 60 + 250 * len(cells))


def _loop(i: int, target: float = 1.2) -> np.ndarray:
    """The i-th closed curve on which sin 3πx₁ + cos 3πx₂ is the target, with a gap at its end. (k, 2)."""
    reach = np.arccos(target - 1)
    t = reach * np.cos(np.linspace(0, np.pi, 60))
    u = np.arccos(np.clip(target - np.cos(t), -1, 1))
    curve = np.concatenate((np.stack((t, u), axis=1), np.stack((t[::-1], -u[::-1]), axis=1)))
    curve = np.concatenate((curve / (3 * np.pi) + LOOPS[i], [[np.nan, np.nan]]))
    return np.where(np.abs(curve) > 1, np.nan, curve)


def achieved(rows: pd.DataFrame, title: str, unit: str, dark: bool) -> Dict:
    """Figure 6: how far from the target each method's solutions are, as violins; ``rows`` of one task and protocol.

    Solid: by Ω. Outlined: by a surrogate, where Ω has not run.
    """
    colors, data = palette(dark), []
    for method in [name for name in NAMES if (rows["method"] == name).any()]:
        own = rows[rows["method"] == method]
        judged = own[own["by"] == "Ω"]
        by_omega = len(judged) > 0
        off = (judged if by_omega else own)["off1"].to_numpy(float)
        off = off[np.isfinite(off)]
        if not len(off):
            continue
        thinned = off[:: max(1, len(off) // 1000)]
        color = color_of(method, colors) if by_omega else colors.surrogate
        name = short(method) + ("" if by_omega else "<br>surrogate, not Ω")
        data.append(
            {
                "type": "violin",
                "y": packed(thinned),
                "name": name,
                "line": {"color": color, "width": 1.5},
                "fillcolor": faded(color, 0.35 if by_omega else 0.0),
                "points": False,
                "meanline": {"visible": True},
                "showlegend": False,
                "hoverinfo": "y+name",
            }
        )
    axes = _axes(colors, [((0, 1), (0, 1))], [("", f"y − y* {unit}".strip())])
    axes["xaxis"] |= {"type": "category", "showgrid": False}
    axes["yaxis"] |= {"zeroline": True, "zerolinecolor": colors.target}
    return _figure(data, axes, [_title(f"<b>{title}</b>", 0, 1)], colors, 420)


def times(compute: pd.DataFrame, titles_of: dict[str, str], dark: bool) -> Dict:
    """Figure 7: seconds for 1000 solutions, inference and localization, a panel for each task.

    A bar a method on one thread of the CPU and, where it has run there, one on the GPU below.
    """
    colors = palette(dark)
    rows = compute[compute["kind"] == "time"].astype(dict.fromkeys(("task", "method", "device"), str))
    tasks = [name for name in titles_of if (rows["task"] == name).any()]
    data: list[Dict] = []
    titles: list[Dict] = []
    boxes = []
    gap = 0.02
    width = (1 - gap * (len(tasks) - 1)) / len(tasks)
    there = set(zip(rows["method"], rows["device"], strict=True))
    names = [name for name in NAMES if (rows["method"] == name).any()]
    bars = {
        (name, device): short(name) + said
        for name in names
        for device, said in (("cpu", ""), ("cuda", ", GPU"))
        if device == "cpu" or (name, device) in there
    }
    labels = list(bars.values())
    for k, task in enumerate(tasks):
        own = rows[rows["task"] == task].set_index(["method", "device"]).reindex(list(bars))
        left = k * (width + gap)
        boxes.append(((left, left + width), (0.0, 1.0)))
        for part, color in (("inference", colors.posterior), ("localization", colors.localized)):
            seconds = own[f"{part}_seconds"].fillna(0).tolist()
            data.append(
                {
                    "type": "bar",
                    "orientation": "h",
                    "x": seconds,
                    "y": labels,
                    "name": part,
                    "marker": {"color": color},
                    "showlegend": not k,
                    "hovertemplate": f"%{{y}}: {part} %{{x:.3~s}}s<extra></extra>",
                    **_on(_id(k)),
                }
            )
        for bar, label in bars.items():
            total = own.loc[bar, ["inference_seconds", "localization_seconds"]].sum(min_count=1)
            missing = "not available" if bar[1] == "cpu" else "not run"
            text = missing if not np.isfinite(total) else f" {total:.2g} s"
            data.append(
                {
                    "type": "scatter",
                    "mode": "text",
                    "x": [0 if not np.isfinite(total) else float(total)],
                    "y": [label],
                    "text": [text],
                    "textposition": "middle right",
                    "textfont": {"size": 10, "color": colors.text},
                    "showlegend": False,
                    "hoverinfo": "skip",
                    "cliponaxis": False,
                    **_on(_id(k)),
                }
            )
        titles.append(_title(f"<b>{titles_of[task]}</b>", left, 1))
    axes = _axes(colors, boxes, [("seconds", "")] * len(tasks))
    for k in range(len(tasks)):
        ids = "" if not k else str(k + 1)
        own = rows[rows["task"] == tasks[k]]
        top = float((own["inference_seconds"] + own["localization_seconds"]).max())
        axes[f"xaxis{ids}"] |= {"range": [0, 1.45 * top], "nticks": 4}
        axes[f"yaxis{ids}"] |= {"type": "category", "categoryarray": labels[::-1]}
        axes[f"yaxis{ids}"] |= {"categoryorder": "array", "showticklabels": not k, "showgrid": False}
        axes[f"yaxis{ids}"] |= {"range": [-0.6, len(labels) - 0.4]}
    spec = _figure(data, axes, titles, colors, 90 + (34 if len(labels) == len(names) else 26) * len(labels))
    spec["layout"] |= {"barmode": "stack"}
    spec["layout"]["margin"]["l"] = 145
    return spec


def table(cells: pd.DataFrame, floors: pd.DataFrame, titles_of: dict[str, str], dark: bool) -> Dict:
    """A table as dots: ours with its 95 % interval, the paper's as a hollow diamond, a panel for each task, log scale.

    ``cells`` as :func:`ipage_core.benchmark.tables.displayed` gives them; ``floors`` (task, method, floor), the
    surrogates' own errors, as bars.
    """
    colors = palette(dark)
    tasks = [name for name in titles_of if (cells["task"] == name).any()]
    names = [name for name in NAMES if (cells["method"] == name).any()][::-1]
    width = (1 - 0.02 * (len(tasks) - 1)) / len(tasks)
    data: list[Dict] = []
    boxes, titles = [], []
    for k, task in enumerate(tasks):
        left = k * (width + 0.02)
        boxes.append(((left, left + width), (0.0, 1.0)))
        titles.append(_title(f"<b>{titles_of[task]}</b>", left, 1))
        own = cells[cells["task"] == task]
        for by, color, symbol in (("Ω", colors.omega, "circle"), ("surrogate, not Ω", colors.surrogate, "circle-open")):
            here = own[own["by"] == by]
            if not len(here):
                continue
            mean = here["mean"].to_numpy(float)
            told = [
                f"{short(str(one.method))}, {one.by}<br>mean {one.mean:.3g}, 95 % interval over "
                f"{RESAMPLED[str(one.protocol)]} [{one.low:.2g}, {one.high:.2g}]<br>{counted(one)}, runs: {one.runs}"
                for one in here.itertuples()
            ]
            data.append(
                _points(
                    mean, [short(m) for m in here["method"]], color, 9, _id(k), symbol=symbol, name=f"ours, by {by}"
                )
                | {
                    "error_x": {
                        "type": "data",
                        "symmetric": False,
                        "array": (here["high"] - mean).fillna(0).tolist(),
                        "arrayminus": (mean - here["low"]).fillna(0).tolist(),
                        "thickness": 1.5,
                        "width": 3,
                        "color": color,
                    },
                    "text": told,
                    "hovertemplate": "%{text}<extra></extra>",
                    "showlegend": not any(trace.get("name") == f"ours, by {by}" for trace in data),
                }
            )
        level = floors[(floors["task"] == task) & floors["method"].isin(own["method"])]
        if len(level):
            at = [short(m) for m in level["method"]]
            data.append(
                _points(
                    level["floor"], at, colors.surrogate, 12, _id(k), "line-ns-open", name="the surrogate's own error"
                )
                | {"hovertemplate": "the surrogate's error on unseen designs: %{x:.3g}<extra></extra>"}
            )
            data[-1]["showlegend"] = sum(trace.get("name") == "the surrogate's own error" for trace in data) == 1
        known = own[own["paper"].notna()]
        data.append(
            _points(known["paper"], [short(m) for m in known["method"]], colors.posterior, 9, _id(k), "diamond-open")
            | {"name": "the paper", "showlegend": not k, "hovertemplate": "the paper: %{x}<extra></extra>"}
        )
    axes = _axes(colors, boxes, [("mean squared error", "")] * len(tasks))
    for k in range(len(tasks)):
        ids = "" if not k else str(k + 1)
        axes[f"xaxis{ids}"] |= {"type": "log", "exponentformat": "power", "dtick": 2}
        axes[f"yaxis{ids}"] |= {"type": "category", "categoryorder": "array", "showticklabels": not k}
        axes[f"yaxis{ids}"] |= {"categoryarray": [short(n) for n in names], "range": [-0.6, len(names) - 0.4]}
    spec = _figure(data, axes, titles, colors, 110 + 30 * len(names))
    spec["layout"]["margin"]["l"] = 145
    return spec


def recall(found: pd.DataFrame, dark: bool) -> Dict:
    """Against N: loops found, seeds that found all; SD over seeds of a loop's number of designs, of a run's mean error.

    ``found`` as :func:`ipage_core.benchmark.exploration.recall` gives it. Thin: the SD of a number of designs if each
    went to a loop at random.
    """
    colors, data = palette(dark), []
    panels = (("found", "loops found, mean over seeds"), ("all_found", "seeds that found all nine"),
              ("count_sd", "SD over seeds: designs on a loop"),
              ("error_sd", "SD over seeds: mean squared error of a run"))  # fmt: skip
    lines = [
        ("ipage", "srs", colors.localized, "dot"), ("ipage", "lhs", colors.localized, "dash"),
        ("ipage", "maximin", colors.localized, "solid"), ("inn", "srs", colors.posterior, "solid"),
        ("cinn", "srs", colors.posterior, "dash"), ("mdn", "srs", colors.posterior, "dot"),
        ("na", "srs", colors.prior, "solid"), ("prior-lm", "srs", colors.prior, "dash"),
    ]  # fmt: skip
    for k, (column, _) in enumerate(panels):
        for method, sampling, color, dash in lines:
            own = found[(found["method"] == method) & (found["sampling"] == sampling)].sort_values("count")
            if len(own):
                name = f"{short(method)}, {SAMPLINGS[sampling]}" if method == "ipage" else short(method)
                data.append(
                    _line(own["count"], own[column], color, _id(k), dash=dash, width=2, name=name, showlegend=not k)
                    | {"mode": "lines+markers", "marker": {"symbol": SYMBOLS[sampling], "size": 7, "color": color}}
                    | {"hovertemplate": f"{name}: %{{y:.3g}}<extra></extra>", "hoverinfo": "all", "legendgroup": name}
                )
    even = found.drop_duplicates("count").sort_values("count")
    data.append(_line(even["count"], even["even_sd"], colors.text, _id(2), width=1, name="each to a loop at random"))
    boxes = [((left, left + 0.46), box) for box in ((0.57, 1.0), (0.0, 0.43)) for left in (0.0, 0.54)]
    axes = _axes(colors, boxes, [("N", "")] * 4)
    counts = sorted(found["count"].unique().tolist())
    for ids in ("", "2", "3", "4"):
        axes[f"xaxis{ids}"] |= {"type": "log", "tickvals": counts, "ticktext": [str(n) for n in counts]}
    axes["yaxis2"] |= {"tickformat": ".0%"}
    axes["yaxis3"] |= {"rangemode": "tozero"}
    axes["yaxis4"] |= {"type": "log", "exponentformat": "power", "dtick": 1}
    titles = [_title(f"<b>{text}</b>", box[0][0], box[1][1]) for (_, text), box in zip(panels, boxes, strict=True)]
    return _figure(data, axes, titles, colors, 640)


def calibration(rows: pd.DataFrame, titles_of: dict[str, str], levels: np.ndarray, covered: Dict, dark: bool) -> Dict:
    """Above, expected coverage ``covered[task, method]`` at the levels; below, ranks of the truth over all coordinates.

    A panel for each task. On the diagonal, and flat, if the posterior is as wide as it should be.
    """
    colors = palette(dark)
    tasks = [name for name in titles_of if (rows["task"] == name).any()]
    dashes = {"inn": "solid", "cinn": "dash", "cvae": "dot", "mdn": "dashdot"}
    data: list[Dict] = []
    boxes, titles, names = [], [], []
    width = (1 - 0.05 * (len(tasks) - 1)) / len(tasks)
    for k, task in enumerate(tasks):
        left = k * (width + 0.05)
        boxes += [((left, left + width), (0.56, 1.0)), ((left, left + width), (0.0, 0.38))]
        titles += [_title(f"<b>{titles_of[task]}</b>: coverage", left, 1), _title("ranks of the truth", left, 0.38)]
        names += [("credible region", ""), ("rank", "")]
        data.append(_line([0, 1], [0, 1], colors.target, _id(2 * k), showlegend=False))
        data.append(_line([0, 199], [1, 1], colors.target, _id(2 * k + 1), showlegend=False))
        for method, dash in dashes.items():
            own = rows[(rows["task"] == task) & (rows["method"] == method)]
            if not len(own):
                continue
            look = {"dash": dash, "width": 2, "name": short(method), "legendgroup": method}
            curve = covered[task, method]
            first = not any(trace.get("name") == short(method) for trace in data)
            data.append(_line(levels, curve, colors.posterior, _id(2 * k), showlegend=first, **look))
            ranks = own[[c for c in own if str(c).startswith("rank")]].to_numpy(float).ravel()
            ranks = ranks[np.isfinite(ranks)]
            share = np.histogram(ranks, bins=20, range=(0, 200))[0] / len(ranks) * 20
            data.append(
                _line(
                    np.arange(5, 200, 10),
                    share,
                    colors.posterior,
                    _id(2 * k + 1),
                    showlegend=False,
                    shape="hvh",
                    **look,
                )
            )
    axes = _axes(colors, boxes, names)
    for k in range(len(tasks)):
        ids = str(2 * k + 2)
        axes[f"yaxis{ids}"] |= {"rangemode": "tozero", "nticks": 4}
    return _figure(data, axes, titles, colors, 560)


_COMBINATION = ["start", "optimizer", "surrogate", "sampling"]
_BRIEF = {
    "prior": "prior",
    "INN posterior (φ)": "INN",
    "cINN posterior": "cINN",
    "INN's last (φ)": "φ",
    "INN's best (φ*)": "φ*",
    "separate": "separate",
}
"""Starts and surrogates of the ablation, where there is little room."""
_OPTIMIZERS = {"none": ("x", "none"), "gd": ("triangle-up", "GD"), "adam": ("square", "Adam"), "lm": ("circle", "LM")}


def ablation(rows: pd.DataFrame, titles_of: dict[str, str], dark: bool) -> Dict:
    """What the posterior buys: a row of panels for each task, of those that there is something to draw in.

    From the left: error, and share that needed no replacement, against seconds; Ω evaluations a solution until the
    mean error is 1e-6, by start and surrogate; loops found with 25 designs, by start and sampling. Colours are starts,
    symbols optimizers; a point is a combination of start, optimizer, surrogate and sampling, over seeds its mean.
    """
    colors = palette(dark)
    tasks = [name for name in titles_of if (rows["task"] == name).any()]
    rows = rows.astype(dict.fromkeys(_COMBINATION, str))
    few = "modes_25" in rows and bool(rows["modes_25"].notna().any())
    across = [(0, 0.2), (0.26, 0.44), (0.51, 0.7), (0.83, 1)] if few else [(0, 0.27), (0.34, 0.61), (0.7, 1)]
    high, gap = 190, 94  # pixels: a panel, and between two
    height = high * len(tasks) + gap * (len(tasks) - 1)
    data = _starts_and_optimizers(rows, colors)
    boxes, names, titles, more = [], [], [], []
    for k, task in enumerate(tasks):
        own = rows[rows["task"] == task]
        means = own.groupby(_COMBINATION).mean(numeric_only=True).reset_index()
        judged = bool(means["mean"].notna().any())
        top = 1 - k * (high + gap) / height
        seconds = means["seconds"]
        panels: list[tuple[int, str, str, list[Dict], Dict, Dict]] = []  # column, title, x axis, traces, axes
        if judged:
            error = {"type": "log", "exponentformat": "power", "dtick": 2}
            traces = _combinations(means, seconds, means["mean"], colors)
            panels.append((0, "mean squared error", "seconds for 200 designs", traces, _decades(seconds), error))
        if means["success"].notna().any():
            share = {"tickformat": ".0%", "range": [min(0.84, means["success"].min() - 0.05), 1.01]}
            traces = _combinations(means, seconds, means["success"], colors)
            across_of = _decades(seconds[means["success"].notna()])
            panels.append((1, "needed no replacement", "seconds for 200 designs", traces, across_of, share))
        by_lm = own[(own["optimizer"] == "lm") & (own["seed"] == own["seed"].min())]
        if judged and len(by_lm):
            names_of: Dict = {"type": "category", "showgrid": False}
            traces = [_evaluations(by_lm, colors)]
            panels.append(
                (2, "Ω evaluations to 1e-6", "surrogate", traces, names_of, names_of | {"autorange": "reversed"})
            )
        if few and means["modes_25"].notna().any():
            places = means["start"].map(_brief) + ", " + means["sampling"].map(SAMPLINGS)
            order = [f"{start}, {sampling}" for start in _BRIEF.values() for sampling in SAMPLINGS.values()]
            order = [place for place in order if (places == place).any()][::-1]
            up: Dict = {"type": "category", "categoryorder": "array", "categoryarray": order}
            traces = _combinations(means, means["modes_25"], places, colors)
            panels.append(
                (3, "loops found with 25 designs", "loops", traces, {"range": [-0.4, 9.4], "dtick": 3},
                 up | {"range": [-0.6, len(order) - 0.4]})
            )  # fmt: skip
        said = titles_of[task] + ("" if judged else ": Ω has not run")
        titles.append(_title(f"<b>{said}</b>", 0, top) | {"yshift": 22})
        for column, title, name, traces, *both in panels:
            data += [trace | _on(_id(len(boxes))) for trace in traces]
            boxes.append((across[column], (max(0.0, top - high / height), top)))
            titles.append(_title(title, across[column][0], top))
            names.append((name, ""))
            more.append(both)
    axes = _axes(colors, boxes, names)
    for k, (x, y) in enumerate(more):
        axes[f"xaxis{_id(k)[1:]}"] |= x
        axes[f"yaxis{_id(k)[1:]}"] |= y
    return _figure(data, axes, titles, colors, height + 146)


def _decades(values: pd.Series) -> Dict:
    """A logarithmic axis with ticks at powers of ten, and at 2 and 5 where these are few; numbers in full."""
    return {"type": "log", "dtick": "D2" if values.max() < 30 * values.min() else 1, "tickformat": "~r"}


def _brief(name: str) -> str:
    return _BRIEF.get(name, name)


def _start_color(start: str, colors: Palette) -> str:
    return {"prior": colors.prior, "cINN posterior": colors.localized}.get(start, colors.posterior)


def _starts_and_optimizers(rows: pd.DataFrame, colors: Palette) -> list[Dict]:
    """The legend of the ablation: a colour a start, a symbol an optimizer."""
    looks = [(f"from the {start}", _start_color(start, colors), "circle") for start in rows["start"].unique()]
    looks += [
        ("no localization" if name == "none" else f"by {word}", colors.text, symbol)
        for name, (symbol, word) in _OPTIMIZERS.items()
        if (rows["optimizer"] == name).any()
    ]
    return [_points([None], [None], color, 9, "x", symbol, name=name) for name, color, symbol in looks]


def _combinations(means: pd.DataFrame, x: pd.Series, y: pd.Series, colors: Palette) -> list[Dict]:
    """Points of one panel of the ablation, a trace a start and optimizer; ``x, y`` as long as ``means``."""
    traces = []
    for (start, optimizer), here in means[x.notna() & y.notna()].groupby(["start", "optimizer"], sort=False):
        symbol, word = _OPTIMIZERS[str(optimizer)]
        told = [f"{one.start}, {word}, {one.surrogate}, {SAMPLINGS[str(one.sampling)]}" for one in here.itertuples()]
        color, at = _start_color(str(start), colors), here.index
        trace = _points(x[at], y[at], color, 9, "x", symbol, showlegend=False, text=told)
        traces.append(trace | {"hovertemplate": "%{text}<br>%{x:.3~g}: %{y:.3~g}<extra></extra>"})
    return traces


def _evaluations(rows: pd.DataFrame, colors: Palette) -> Dict:
    """Ω evaluations a solution by start and surrogate, means over samplings, as a table in colour."""
    cells = rows.groupby(["start", "surrogate"])["omega_calls"].agg(["mean", "count", "size"])
    starts, surrogates = ([name for name in _BRIEF if name in set(rows[of])] for of in ("start", "surrogate"))
    cells = cells.reindex(pd.MultiIndex.from_product((starts, surrogates)))

    def told(mean: float, reached: float, tried: float) -> str:
        if not reached > 0:
            return "not<br>reached" if tried > 0 else ""
        return f"{mean:.2g}" + (f"<br>{tried - reached:.0f} of {tried:.0f} not" if reached < tried else "")

    shape = (len(starts), len(surrogates))
    words = np.array([told(*one) for one in cells.itertuples(index=False)], dtype=object).reshape(shape)
    calls = cells["mean"].to_numpy(float).reshape(shape)
    return {
        "type": "heatmap",
        "x": [_brief(name) for name in surrogates],
        "y": [_brief(name) for name in starts],
        "z": packed(calls),
        "zmin": 0,
        "zmax": 4,  # as many as the benchmark tries
        "colorscale": [[0, faded(colors.omega, 0.04)], [1, faded(colors.omega, 0.5)]],
        "showscale": False,
        "text": words.tolist(),
        "texttemplate": "%{text}",
        "textfont": {"size": 11, "color": colors.text},
        "hovertemplate": "start: %{y}, surrogate: %{x}<br>%{z:.3~g} evaluations a solution<extra></extra>",
        "hoverongaps": False,
        "xgap": 2,
        "ygap": 2,
    }


def budget(compute: pd.DataFrame, titles_of: dict[str, str], dark: bool) -> Dict:
    """Mean error against wall-clock seconds for 1000 solutions: more steps, more starts, or Ω's own word (stars)."""
    colors = palette(dark)
    rows = compute[compute["mean"].notna() & (compute["device"] == "cpu")]
    tasks = [name for name in titles_of if (rows["task"] == name).any()]
    data: list[Dict] = []
    boxes, titles = [], []
    width = (1 - 0.07 * (len(tasks) - 1)) / len(tasks)
    dashes = {"ipage": "solid", "ipage-mlp": "dash", "ipage-cinn": "dot", "prior-lm": "dash", "na": "solid"}
    for k, task in enumerate(tasks):
        left = k * (width + 0.07)
        boxes.append(((left, left + width), (0.0, 1.0)))
        titles.append(_title(f"<b>{titles_of[task]}</b>", left, 1))
        for method in [name for name in NAMES if name in dashes or name == "na-published"]:
            own = rows[(rows["task"] == task) & (rows["method"] == method)].copy()
            own["seconds"] = own["inference_seconds"] + own["localization_seconds"]
            evaluated, by_adam = own["omega_calls"] > 0, own["setting"].astype(str).str.contains("adam")
            for mask, more, symbol in (
                (~evaluated & ~by_adam, "", "circle-open"),
                (by_adam, ", with its own Adam", "diamond-open"),
                (evaluated, ", with Ω evaluations", "star"),
            ):
                here = own[mask].sort_values("seconds")
                if not len(here):
                    continue
                color = color_of(method, colors)
                trace = _line(here["seconds"], here["mean"], color, _id(k), dash=dashes.get(method, "solid"), width=1.5)
                name = short(method) + more
                trace |= {"mode": "lines+markers", "name": name, "legendgroup": name, "hoverinfo": "all"}
                trace["showlegend"] = not any(other.get("name") == name for other in data)
                symbol = "square-open" if method == "na-published" else symbol
                trace["marker"] = {"size": 10 if symbol == "star" else 7, "symbol": symbol, "color": color}
                trace |= {"text": [setting or "as set" for setting in here["setting"].astype(str)]}
                trace["hovertemplate"] = f"{name}<br>%{{text}}<br>%{{x:.3g}} s: %{{y:.3g}}<extra></extra>"
                data.append(trace)
    axes = _axes(colors, boxes, [("seconds", "mean squared error" if not k else "") for k in range(len(tasks))])
    for k, task in enumerate(tasks):
        own = rows[(rows["task"] == task) & rows["method"].isin([*dashes, "na-published"])]
        axes[f"xaxis{_id(k)[1:]}"] |= _decades(own["inference_seconds"] + own["localization_seconds"])
        axes[f"yaxis{_id(k)[1:]}"] |= {"type": "log", "exponentformat": "power", "dtick": 2}
    spec = _figure(data, axes, titles, colors, 460)
    spec["layout"]["margin"]["l"] = 80
    return spec


def _id(k: int) -> str:
    """The k-th panel: 'x', 'x2', …"""
    return "x" if k == 0 else f"x{k + 1}"


def _on(ids: str) -> Dict:
    return {"xaxis": ids, "yaxis": ids.replace("x", "y")}


def _points(x: Any, y: Any, color: str, size: float, ids: str, symbol: str = "circle", **more: Any) -> Dict:
    marker = {"color": color, "size": size, "symbol": symbol, "opacity": 0.85}
    return {
        "type": "scatter",
        "mode": "markers",
        "x": _values(x),
        "y": _values(y),
        "marker": marker,
        **_on(ids),
        **more,
    }


def _line(
    x: Any, y: Any, color: str, ids: str, *, dash: str = "solid", width: float = 1.5, shape: str = "linear", **more: Any
) -> Dict:
    line = {"color": color, "dash": dash, "width": width, "shape": shape}
    base: Dict = {"type": "scatter", "mode": "lines", "x": _values(x), "y": _values(y), "line": line}
    return {**base, "hoverinfo": "skip", **_on(ids), **more}


def _values(values: Any) -> Any:
    """Numbers packed, anything else as a list."""
    array = np.asarray(values)
    return packed(array.astype(float)) if array.dtype.kind in "iuf" else array.tolist()


def _axes(colors: Palette, boxes: Sequence[tuple], names: Sequence[tuple[str, str]]) -> Dict:
    axes: Dict = {}
    for k, (box, (across, up)) in enumerate(zip(boxes, names, strict=True)):
        ids = "" if k == 0 else str(k + 1)
        axes[f"xaxis{ids}"] = axis(colors, across, box[0], f"y{ids}")
        axes[f"yaxis{ids}"] = axis(colors, up, box[1], f"x{ids}")
    return axes


def _square(axes: Dict) -> Dict:
    """With one scale for x and y, so that loops keep their shape; each panel shrinks towards its title."""
    for name in axes:
        toward = "left" if name.startswith("x") else "top"
        axes[name] |= {"constrain": "domain", "constraintoward": toward}
        if name.startswith("y"):
            axes[name] |= {"scaleanchor": name.replace("axis", "").replace("y", "x")}
    return axes


def _title(text: str, x: float, y: float, size: int = FONT) -> Dict:
    """A panel's title, flush left above it."""
    where = {"x": x, "y": y, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom", "yshift": 3}
    return {"text": text, "align": "left", "showarrow": False, "font": {"size": size}, **where}


def _figure(data: list[Dict], axes: Dict, titles: list[Dict], colors: Palette, height: int) -> Dict:
    height += TOP - 34
    for one in axes.values():
        if one.get("exponentformat") == "power":
            one["tickfont"] |= {"size": 0.8 * FONT}  # Plotly writes powers of ten a quarter larger than told
    layout: Dict = {
        "height": height,
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": faded(colors.prior, 0.8), "activecolor": colors.text},
        "margin": {"l": 56, "r": 16, "t": TOP, "b": 48},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"size": FONT, "color": colors.text},
        "annotations": titles,
        "hoverlabel": {"align": "left"},
        **axes,
    }
    layout["margin"]["b"] = 90 if any(trace.get("showlegend", True) and trace.get("name") for trace in data) else 48
    below = -50 / (height - TOP - layout["margin"]["b"])  # in heights of the panels: below the axis' title
    layout["legend"] = {"orientation": "h", "x": 0, "xanchor": "left", "y": below, "yanchor": "top"}
    return {"data": data, "layout": layout}
