"""The texts and numbers about a run."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jinja2 import Environment

from app.components.beyond import closest, collapsed, unreached
from app.figures.coordinates import MOST
from app.figures.playback import WIDE, Size
from app.figures.posterior import Density
from app.figures.run import CLEANED, Run
from app.figures.theme import palette, squared
from app.state.inspection import Inspection
from app.state.targets import Doubt
from ipage_core.inference.methods import METHODS
from ipage_core.inference.pareto import APART
from ipage_core.problem.task import Task
from ipage_core.runtime.text import printable
from ipage_core.tasks import TASKS

RESULTS = {"descended": "the best of a design's descents", "stored": "a design of the training data"}
"""What a dot is if a method neither has a posterior nor localizes."""


@dataclass(frozen=True)
class Figure:
    """A key figure: name, value and meaning. Figures for experts are folded away."""

    name: str
    value: str
    meaning: str
    expert: bool = False


def method_name(method: str) -> str:
    """The label of a method, for menus and tables: 'NA as published', 'iPage, trained here: sinewave-1'."""
    base, _, run = method.partition("@")
    return f"{METHODS[base].label}, trained here: {run}" if run else METHODS[base].label


def method_and_id(method: str) -> str:
    """The label with the name that commands take: 'Random start (control) · prior-lm'."""
    return f"{METHODS[method.partition('@')[0]].label} · {method}"


def unit(run: Run) -> str:
    """The unit that all targets share, with a leading space, or ''."""
    units = _units(run)
    return units[0] if len(set(units)) == 1 else ""


def _units(run: Run) -> list[str]:
    """The unit of each target, with a leading space; empty if it has none."""
    labels = TASKS[run.task].property_labels[: len(run.y_star)]
    return [f" {label[label.index('[') + 1 : -1]}" if label.endswith("]") else "" for label in labels]


def target_text(run: Run) -> str:
    """The target with its unit: '1.2', '(1.5, 0) m', '(1.5 eV, 70 cm²)'."""
    own = [""] * len(run.y_star) if unit(run) else _units(run)
    numbers = ", ".join(f"{v:.4g}{u}" for v, u in zip(run.y_star, own, strict=True))
    return (f"({numbers})" if len(run.y_star) > 1 else numbers) + unit(run)


def goal_text(run: Run) -> str:
    """The target: 'y* = 1.2', 'y ≥ 1.5', '0.4 ≤ y ≤ 0.6'; several properties are joined by commas."""
    if run.exact.all():
        return f"y* = {target_text(run)}"
    texts, shared = [], unit(run)
    for j, (low, high) in enumerate(run.accepted.T):
        name = "y" if len(run.y_star) == 1 else f"y{chr(0x2080 + j + 1)}"
        if np.isinf(low) and np.isinf(high):
            best = {"minimize": "minimal", "maximize": "maximal"}.get(run.kinds[j] if run.kinds else "")
            texts += [f"{best} {name}"] if best else []
            continue
        if low == high:
            texts.append(f"{name}* = {low:.4g}")
        elif np.isinf(high):
            texts.append(f"{name} ≥ {low:.4g}")
        else:
            texts.append((f"{low:.4g} ≤ " if np.isfinite(low) else "") + f"{name} ≤ {high:.4g}")
        texts[-1] += "" if shared else _units(run)[j]
    return ", ".join(texts) + shared


def _allowed(run: Run) -> str:
    if run.exact.any():
        return f"±{run.tolerance:.3g}{unit(run)} of the target"
    return "the interval" if np.isfinite(run.accepted).all() else "the bounds"


def constraints_text(constraints: Sequence[str]) -> str:
    """' with strain ≤ 4 %, a = b'; '' without any."""
    if not constraints:
        return ""
    spaced = (re.sub(r"\s*(<=|>=|=)\s*", r" \1 ", " ".join(text.split())) for text in constraints)
    return " with " + plain(", ".join(spaced).replace("<=", "≤").replace(">=", "≥"))


def headline(run: Run, constrained: bool = False, constraints: Sequence[str] = ()) -> str:
    """The result in one sentence; ``constrained``: the ``constraints`` put the target out of reach."""
    within, held = " within the constraints" if constrained else "", constraints_text(constraints)
    if not run.verified.any() and unreached(run):
        best, by = closest(run)
        numbers = ", ".join(f"{v:.4g}" for v in best)
        numbers = f"({numbers})" if len(best) > 1 else numbers
        text = f"No design{within} for {goal_text(run)}{held}: the closest has"
        return f"{text} {numbers}{unit(run)} by {by}, not verified"
    if not run.verified.any():
        return f"{run.n} design{'' if run.n == 1 else 's'} for {goal_text(run)}{held}, not verified"
    achieve = "design achieves" if run.verified.sum() == 1 else "designs achieve"
    achieve = achieve if run.verified.all() else f"verified {achieve}"
    text = f"{run.hit.sum()} of {run.verified.sum()} {achieve} {goal_text(run)}"
    if run.exact.any():
        text += f" within ±{run.tolerance:.3g}{unit(run)}"
    text += held
    if constrained:
        text += "; the constraints exclude the target"
    if run.n_modes:
        text += f", on {run.modes_found} of {run.n_modes} loops"
        text += f" ({_beside(run)} on open arcs at the edge)" if _beside(run) else ""
    return text


def distinct_text(run: Run) -> str:
    """Of designs that minimize or maximize: how many are distinct, if not all; else nothing."""
    count = run.summary.get("distinct", run.n)
    if count >= run.n:
        return ""
    text = "1 is distinct: all others are" if count == 1 else f"{count} are distinct: each other one is"
    near = "it" if count == 1 else "one of these"
    text = f"Of the {run.n} designs, {text} within {APART:g} box widths of {near}."
    return f"{text} Few designs come this close to the best."


def _beside(run: Run) -> int:
    """Number of hits on no loop but on open arcs at the edge of the box."""
    return int((run.hit & (run.modes[-1] < 0)).sum()) if run.modes is not None else 0


def doubt_text(task: Task, doubted: Doubt) -> tuple[str, str]:
    """The warning before a run whose target lies outside the training data or in a gap: in brief, and what it means."""
    ranges = " and ".join(f"{low:.4g} to {high:.4g}" for low, high in doubted.extent.T).replace("-", "−")
    where = (
        f"lies outside the values of the {doubted.pairs:,} training pairs ({ranges})"
        if doubted.where == "beyond"
        else "lies in a gap between the training pairs"
    )
    why = (
        "The networks have to extrapolate" if doubted.where == "beyond" else "The networks learned nothing close to it"
    )
    trust = "trust only what Ω verifies." if task.omega else "trust a design only after measuring it."
    nearest = f"The nearest value of a training pair is about **{doubted.text}**."
    return f"This target {where}.", f"{nearest} {why}: {trust}"


def note_text(run: Run) -> str:
    """The note after a run whose target the surrogate could not reach. Ω may still count hits."""
    if not run.note:
        return ""
    if run.hit.any():
        return (
            "By the surrogate f, no design reaches the target; the designs aim at the closest value. "
            f"By Ω, {run.hit.sum()} of the designs are hits: f is wrong here."
        )
    return run.note + collapsed(run)


def drawn(run: Run, at_most: int) -> str:
    """How many designs a picture draws, if not all."""
    return f" ({at_most} of the {run.n} are drawn)" if run.n > at_most else ""


def caption(run: Run, picture: str = "Each dot is a design.", more: str = "") -> str:
    """The caption of the figure: its ``picture``, ``more`` about it, and its marks and curves."""
    text = [picture]
    if run.x.shape[-1] > MOST:
        text.append("The axes are the prior's two main principal components: a design has too many coordinates.")
    if more:
        text.append(more)
    start = RESULTS.get(run.labels[0], f"a {run.labels[0]} sample")
    if run.localizes:
        full = "filled: a hit by Ω" if run.verified.any() else "open: not verified"
        text.append(f"**Ring:** {start}. **Dot:** the same sample while localization moves it; {full}.")
        outside = int((~TASKS[run.task].in_bounds(torch.from_numpy(run.x[0]).double())).sum())
        if outside:
            begin = "1 starts" if outside == 1 else f"{outside} start"
            text.append(f"Of {run.n} samples, {begin} outside the bounds; localization brings them inside.")
        if run.labels[0] != "prior":
            text.append(
                "Play begins with the **latent points** z (their first two coordinates); each becomes a sample."
            )
    else:
        text.append(f"**Dot:** {start}; filled: a hit by Ω. This method does not localize.")
    if run.f_error is not None and run.omega_error is not None:
        corrected = run.labels[-1].startswith("correction")
        if unreached(run):
            text.append(
                "**Error:** no design reaches this target, so localization aims at the closest value. The errors by f "
                "(dashed) and by Ω (solid) level off at the remaining squared distance, which corrections with Ω "
                "cannot remove."
            )
        else:
            text.append(
                "**Error:** by the surrogate f (dashed) it soon vanishes; by the true Ω (solid) the error of f itself "
                f"remains{', until corrections' if corrected else '. Corrections'} with Ω remove it"
                f"{'; what f then shows is its own error.' if corrected else '.'}"
            )
        text.append("Lines are medians, bands hold 90 % of the samples, the dotted line marks the tolerance.")
        if not run.exact.all():
            text.append(
                "Each design aims at a value of its own that the goal allows. The error is the distance from it."
            )
        if np.isnan(run.y).all(axis=(1, 2)).any():
            text.append("Ω is slow here, so it ran only on the first and the last frame.")
    elif run.f_error is not None and TASKS[run.task].omega is None:
        text.append(
            "**Error:** as the surrogates estimate it, without their own error; for that, see the held-out rows and "
            "the spread. There is no Ω."
        )
    elif run.f_error is not None and not run.verified.any():
        text.append(
            "**Error:** as the fast model f estimates it, without its own error. Ω takes "
            f"{TASKS[run.task].omega_seconds:.2g} s per design, so it runs only on request."
        )
    return " ".join(text)


def density_caption(run: Run, density: Density, size: Size = WIDE) -> str:
    """The caption of the figure of prior and posterior density."""
    if density.posterior is None and not run.localizes:
        return "This method has no posterior. Choose another method to see one."
    if density.posterior is None:
        return (
            "This method has no posterior: its samples start from the **prior**, and localization moves them all the "
            "way. Compare how far they move with a method that has one."
        )
    how = {
        "exact": "The color is the density p̂(x | y*) by Eq. 3, p(z)/|J|, computed at every point of the square.",
        "slice": "The color is the density p̂(x | y*) by Eq. 3, p(z)/|J|, on a plane through the MAP point: all other "
        "coordinates are fixed there. Samples are projected onto it, so they need not lie on the color.",
        "draws": "The color is a histogram of 20,000 posterior samples: the density of Eq. 3 with all "
        "other coordinates averaged out.",
    }[density.kind]
    levels = "On the green line, Ω(x) = y*. " if len(density.levels) == 1 else ""
    levels = "Where the green lines cross, Ω(x) = y*. " if len(density.levels) > 1 else levels
    star = ""
    if density.likeliest is not None:
        star = "The star is the MAP point: the most likely design at least 1 % away from the bounds. "
    first, second = size.places(2)
    return (
        f"**{first}:** the prior, before a target is given. Its grey is a smoothed histogram of the training designs, "
        f"so it is mottled where the prior itself is even. **{second}:** {how} {levels}{star}"
        "The posterior narrows the search; localization does the rest."
    )


def key_figures(run: Run) -> list[Figure]:
    """The key figures of a run."""
    in_unit = f", in {squared(unit(run).strip())}" if unit(run) else ""
    s, square = run.summary, "‖Ω(x) − y*‖²" + in_unit
    figures = []
    if run.localizes and run.omega_error is not None:
        before = float(np.nanmean(run.omega_error[0]))
        grey = " and clean-up: cells are grey" if CLEANED in run.labels else ""
        meaning = f"mean {square}, before localization{grey}"
        figures.append(Figure(f"MSE, {run.labels[0]}", number(before), meaning, True))
    after = "localized" if run.localizes else run.labels[0]
    half = f"half of the {'' if run.verified.all() else 'verified '}designs have this or less{in_unit}"
    half += "" if run.exact.all() else "; from the value that each aims at"
    figures += [
        Figure(f"MSE, {after}", number(s["resim_mse"]), f"mean {square}", True),
        Figure(
            "Median error²",
            number(s["resim_median"]) if run.verified.any() else "not verified",
            half,
        ),
        Figure("Hits", _share(run.hit, run.verified), f"by Ω within {_allowed(run)}"),
    ]
    if run.n_modes:
        figures.append(Figure("Loops", f"{run.modes_found} / {run.n_modes}", "with at least one design"))
    if run.localizes:
        at_once, fresh = s["success_before_replacement"], s["replaced"]
        afresh = f"{fresh} {'was' if fresh == 1 else 'were'} drawn afresh"
        if fresh > s["n"] - at_once:
            corrected = run.labels[-1].startswith("correction")
            afresh += ", during corrections too" if corrected else ", also some that f is unsure of"
        meaning = f"reached y* by f before any was replaced; {afresh}"
        figures.append(Figure("Success before replacement", f"{at_once} / {s['n']}", meaning, True))
    figures.append(Figure("Ω calls", f"{s['omega_calls']}", "evaluations of Ω, with the final check", True))
    seconds = sum(s["seconds"].values())
    to = "verified designs" if run.verified.all() else "designs, not all verified" if run.verified.any() else "designs"
    figures.append(Figure("Time", f"{seconds:.2f} s", f"from latent points to {to}"))
    return figures


def sample_figures(run: Run, sample: int, seen: Inspection) -> list[Figure]:
    """The key figures of a sample: by Ω, by the surrogate f, and compared with the training data."""
    targets = ", ".join(f"{v:.5g}" for v in run.achieved[sample, : len(run.y_star)])
    verified = bool(run.verified[sample])
    truth = float(np.square(run.achieved[sample, : len(run.y_star)] - run.aims[sample]).sum())
    unseen = "Ω has not run" if TASKS[run.task].omega else "there is no Ω: measure it"
    meaning = f"Ω(x); the target is {goal_text(run)}" if verified else unseen
    figures = [
        Figure("Achieved y", targets + unit(run) if verified else "not verified", meaning),
    ]
    if TASKS[run.task].omega is not None:
        figures.append(Figure("Re-simulation error", number(truth), "‖Ω(x) − y*‖²", True))
    if run.f_error is not None:
        error = number(float(run.f_error[-1, sample]))
        figures.append(Figure("Surrogate error", error, "‖f(x) − y*‖²", True))
    if run.localizes:
        low, high = TASKS[run.task].bounds.numpy()
        moved = float(np.linalg.norm((run.x[-1, sample] - run.x[0, sample]) / (high - low)))
        figures.append(Figure("Moved", number(moved), "by localization, in widths of the box"))
    if np.isfinite(run.cycle_error[sample]):
        error = number(float(run.cycle_error[sample]))
        figures.append(Figure("Cycle error", error, "largest |z − f(x)|, in standard deviations of z", True))
    if seen.usual is not None:
        share = f"{100 * seen.usual:.0f} %"
        figures.append(Figure("Prior density", share, "of the training designs are less likely"))
    nearest = number(float(seen.near_distance[0]))
    figures.append(Figure("Nearest training design", nearest, "distance in widths of the box"))
    return figures


def _share(part: np.ndarray, whole: np.ndarray) -> str:
    return f"{part.sum()} / {whole.sum()}" if whole.any() else "not verified"


_CARDS = Environment(autoescape=True).from_string(
    "{% macro grid(figures) %}<div class='cards'>{% for f in figures %}"
    "<div class='card'><div class='name'>{{ f.name }}</div>"
    "<div class='value{{ ' long' if f.value|length > 14 }}'>{{ f.value }}</div>"
    "<div class='meaning'>{{ f.meaning }}</div></div>"
    "{% endfor %}</div>{% endmacro %}"
    "<div class='frame'>{{ grid(shown) }}"
    "{% if experts %}<details><summary>More figures, for experts</summary>{{ grid(experts) }}</details>"
    "{% endif %}</div>"
)


def cards(figures: list[Figure]) -> str:
    """Key figures as a grid for any width, with those for experts folded away."""
    return _CARDS.render(shown=[f for f in figures if not f.expert], experts=[f for f in figures if f.expert])


_MARKUP = re.compile(
    r"[\\`*<$~]"  # everywhere
    r"|(?<![^\W_])_|_(?![^\W_])|(?<=\])[(\[:]|:(?=\w+[:/\[])|(?<=:)//|^[#+>=-]"  # emphasis, links, icons, lists
)


def plain(text: str) -> str:
    """Text from the user, a file or a link, escaped for Markdown, and cut and cleaned as on a terminal."""
    return _MARKUP.sub(r"\\\g<0>", printable(" ".join(text.split())))


def duration(seconds: float) -> str:
    """'45 s', '12 min'."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float | None) -> str:
    """A number in two or three significant digits: 784, 0.0312, 5.1 · 10⁻¹³; None: a dash."""
    if value is None or not np.isfinite(value):
        return "–"
    if value == 0 or 1e-3 <= abs(value) < 1e3:
        return f"{value:.3g}"
    if 1e3 <= abs(value) < 1e6:
        return f"{value:,.0f}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa} · 10{str(int(exponent)).translate(SUPERSCRIPT)}"


def histogram(counts: np.ndarray, low: float, high: float, accepted: tuple[float, float], dark: bool) -> str:
    """Histogram of y in the training data, for above the slider, with a mark at the target or interval."""
    colors = palette(dark)
    heights = 36 * np.sqrt(counts / counts.max())
    bars = "".join(
        f"<rect x='{10 * i + 0.5:.1f}' y='{38 - h:.1f}' width='9' height='{h:.1f}'/>" for i, h in enumerate(heights)
    )
    first, last = (10 * len(counts) * min(max((end - low) / (high - low), 0), 1) for end in accepted)
    lines = "".join(
        f"<line x1='{at:.1f}' x2='{at:.1f}' y1='0' y2='38' stroke='{colors.target}' stroke-width='3' "
        "vector-effect='non-scaling-stroke'/>"
        for at, end in ((first, accepted[0]), (last, accepted[1]))
        if np.isfinite(end)
    )
    svg = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {10 * len(counts)} 38' preserveAspectRatio='none'>"
        f"<rect x='{first:.1f}' y='0' width='{max(last - first, 0):.1f}' height='38' fill='{colors.target}' "
        f"fill-opacity='0.2'/><g fill='{colors.prior}' fill-opacity='0.55'>{bars}</g>{lines}</svg>"
    )
    source = base64.b64encode(svg.encode()).decode()
    return f"<img class='histogram' alt='Histogram of y in the training data' src='data:image/svg+xml;base64,{source}'>"
