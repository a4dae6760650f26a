"""What a page says about a run, in words and numbers."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

import numpy as np
from jinja2 import Environment

from app.figures.coordinates import MOST
from app.figures.posterior import Density
from app.figures.run import CLEANED, Run
from app.figures.theme import palette, squared
from app.state.inspection import Inspection
from app.state.targets import Doubt
from ipage_core.problem.task import Task
from ipage_core.tasks import TASKS


@dataclass(frozen=True)
class Figure:
    """One key figure: its name, its value, and in plain words what it is."""

    name: str
    value: str
    meaning: str


def unit(run: Run) -> str:
    """The unit that all targets share, with a leading space, or nothing."""
    units = _units(run)
    return units[0] if len(set(units)) == 1 else ""


def _units(run: Run) -> list[str]:
    """Of each target, with a leading space; empty where it has none."""
    labels = TASKS[run.task].property_labels[: len(run.y_star)]
    return [f" {label[label.index('[') + 1 : -1]}" if label.endswith("]") else "" for label in labels]


def target_text(run: Run) -> str:
    """The target with its unit: '1.2', '(1.5, 0) m', '(1.5 eV, 70 cm²)'."""
    own = [""] * len(run.y_star) if unit(run) else _units(run)
    numbers = ", ".join(f"{v:.4g}{u}" for v, u in zip(run.y_star, own, strict=True))
    return (f"({numbers})" if len(run.y_star) > 1 else numbers) + unit(run)


def asked_text(run: Run) -> str:
    """What was asked for: 'y* = 1.2', 'y ≥ 1.5', '0.4 ≤ y ≤ 0.6'; several properties joined by commas."""
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
        return f"±{run.tolerance:.3g}{unit(run)}"
    return "the interval" if np.isfinite(run.accepted).all() else "the bounds"


def headline(run: Run) -> str:
    """The result in one sentence."""
    if not run.verified.any():
        return f"{run.n} design{'' if run.n == 1 else 's'} for {asked_text(run)}, not verified"
    achieve = "design achieves" if run.verified.sum() == 1 else "designs achieve"
    text = f"{run.hit.sum()} of {run.verified.sum()} {achieve} {asked_text(run)}"
    if run.exact.any():
        text += f" within ±{run.tolerance:.3g}{unit(run)}"
    if run.n_modes:
        text += f", on {run.modes_found} of {run.n_modes} loops"
        text += f" ({_beside(run)} beside them, on the arcs at the edge)" if _beside(run) else ""
    return text


def _beside(run: Run) -> int:
    """How many hits lie on no loop: on pieces of the level set whose loop's middle is outside the box."""
    return int((run.hit & (run.modes[-1] < 0)).sum()) if run.modes is not None else 0


def unreachable(run: Run) -> bool:
    """Whether the run gave its target up, and Ω agrees."""
    return bool(run.note) and not run.hit.any()


def doubt_text(task: Task, doubted: Doubt) -> str:
    """What is said before the run of a target that the training data do not hold."""
    ranges = " and ".join(f"{low:.4g} to {high:.4g}" for low, high in doubted.extent.T)
    where = (
        f"lies outside what the {task.data_size:,} training pairs achieve ({ranges})"
        if doubted.where == "beyond"
        else "falls into a gap between the training pairs"
    )
    return (
        f"This target {where}; the nearest that one of them achieves is **{doubted.text}**. "
        "The networks have to extrapolate: "
        + ("trust only what Ω verifies." if task.omega else "trust it only once it is measured.")
    )


def note_text(run: Run) -> str:
    """What is said after a run whose target the surrogate despaired of. Ω may have found hits all the same."""
    if not run.note:
        return ""
    if run.hit.any():
        return (
            "The surrogate f found no design with f(x) = y* and aimed for the closest it could. "
            f"Ω confirms {run.hit.sum()} of the designs all the same: f errs here."
        )
    return run.note + _collapsed(run)


def _collapsed(run: Run) -> str:
    """A word on designs that coincide because few come closest."""
    low, high = TASKS[run.task].bounds.numpy()
    places = len(np.unique(np.round((run.x[-1] - low) / (high - low) / 0.02), axis=0))
    if places > run.n / 2:
        return ""
    where = "the same place" if places == 1 else f"about {places} places"
    return f" Few designs come that close: that the {run.n} samples collapse onto {where} is right here."


def caption(run: Run, picture: str = "Each dot is a design.", more: str = "") -> str:
    """What to see in the figure: what its ``picture`` shows, ``more`` of what is special about it, and the rest."""
    text = [picture]
    if run.x.shape[-1] > MOST:
        text.append("Its place is told by the prior's two main principal components: it has too many coordinates.")
    if more:
        text.append(more)
    start = f"a {run.labels[0]} sample"
    if run.localizes:
        full = "full once Ω says that it hits" if run.verified.any() else "open: not verified"
        text.append(f"**Ring:** {start}. **Dot:** the same sample as localization moves it; {full}.")
        if run.labels[0] != "prior":
            text.append(
                "Play begins with the **latent points** z (their first two coordinates): each becomes a sample."
            )
    else:
        text.append(f"**Dot:** {start}; full if Ω says that it hits. This method does not localize.")
    if run.f_error is not None and run.omega_error is not None:
        corrected = run.labels[-1].startswith("correction")
        if unreachable(run):
            text.append(
                "**Error:** no design achieves this target, so localization aims at the closest one that it can: the "
                "curves by f (dashed) and by Ω (solid) level off at the squared distance that remains, which "
                "corrections with Ω cannot remove."
            )
        else:
            text.append(
                "**Error:** the surrogate f soon believes that all is exact (dashed); the true Ω (solid) tells what "
                f"f's own error leaves{', until corrections' if corrected else '. Corrections'} with Ω remove it."
            )
        text.append("Lines are medians, bands hold 90 % of the samples, dots mark the tolerance.")
        if np.isnan(run.y).all(axis=(1, 2)).any():
            text.append("Ω takes its time here, so it ran on the first frame and on the last; a line joins them.")
    elif run.f_error is not None and TASKS[run.task].omega is None:
        text.append(
            "**Error:** what the surrogates believe, which says nothing of their own error: see the held-out rows and "
            "the spread. There is no Ω to ask."
        )
    elif run.f_error is not None and not run.verified.any():
        text.append(
            "**Error:** what the surrogate f believes, which says nothing of its own error. Ω takes "
            f"{TASKS[run.task].omega_seconds:.2g} s a design here, so it runs only when asked for."
        )
    return " ".join(text)


def density_caption(run: Run, found: Density) -> str:
    """What to see in the figure of prior and posterior density."""
    if found.posterior is None:
        return (
            "This method knows no posterior: its samples start from the **prior** and localization must carry them all "
            "the way. Compare how far they move with a method that has one."
        )
    how = {
        "exact": "The tint is the density p̂(x | y*) by Eq. 3, p(z)/|J|, computed at every point of the square.",
        "slice": "The tint is the density p̂(x | y*) by Eq. 3, p(z)/|J|, on a plane through the MAP point: all other "
        "coordinates are held there. Samples and MAP are projected onto it, so samples need not lie on the tint.",
        "draws": "The tint is a histogram of 20,000 posterior samples: what the density of Eq. 3 becomes with all "
        "other coordinates averaged.",
    }[found.kind]
    levels = "On the green line, Ω(x) = y*. " if len(found.levels) == 1 else ""
    levels = "Where the green lines cross, Ω(x) = y*. " if len(found.levels) > 1 else levels
    star = ""
    if found.likeliest is not None:
        star = "The star is the MAP point: the most likely design, at least 1 % away from the box's walls. "
    return (
        f"**Left:** the prior, all that is known without a target. **Right:** {how} {levels}{star}"
        "The posterior narrows the search; localization does the rest."
    )


def key_figures(run: Run) -> list[Figure]:
    """The run in numbers."""
    s, square = run.summary, "‖Ω(x) − y*‖²" + (f", in {squared(unit(run).strip())}" if unit(run) else "")
    figures = []
    if run.localizes and run.omega_error is not None:
        before = float(np.nanmean(run.omega_error[0]))
        grey = " and clean-up: cells are grey" if CLEANED in run.labels else ""
        figures.append(Figure(f"MSE, {run.labels[0]}", number(before), f"mean {square}, before localization{grey}"))
    after = "localized" if run.localizes else run.labels[0]
    figures += [
        Figure(f"MSE, {after}", number(s["resim_mse"]), f"mean {square}"),
        Figure("Median error²", number(s["resim_median"]), "half of the designs are closer than this"),
        Figure("Hits", _share(run.hit, run.verified), f"verified by Ω to be within {_allowed(run)}"),
    ]
    if run.n_modes:
        figures.append(Figure("Loops found", f"{run.modes_found} / {run.n_modes}", "with at least one design"))
    if run.localizes:
        at_once, fresh = s["success_before_replacement"], s["replaced"]
        afresh = f"{fresh} {'was' if fresh == 1 else 'were'} drawn afresh"
        if fresh > s["n"] - at_once:  # those that a correction lost count as well
            afresh += ", during corrections too"
        told = f"reached y* by f at first try; {afresh}"
        figures.append(Figure("Success before replacement", f"{at_once} / {s['n']}", told))
    figures.append(Figure("Ω calls", f"{s['omega_calls']}", "true evaluations, the final check included"))
    seconds = sum(s["seconds"].values())
    figures.append(Figure("Time", f"{seconds:.2f} s", "from latent points to verified designs"))
    return figures


def sample_figures(run: Run, sample: int, seen: Inspection) -> list[Figure]:
    """One sample in numbers: what Ω says, what f believed, how usual it is."""
    targets = ", ".join(f"{v:.5g}" for v in run.achieved[sample, : len(run.y_star)])
    verified = bool(run.verified[sample])
    truth = float(np.square(run.achieved[sample, : len(run.y_star)] - run.aims[sample]).sum())
    unseen = "Ω has not run on it" if TASKS[run.task].omega else "there is no Ω: it is to be measured"
    told = f"Ω(x), asked was {asked_text(run)}" if verified else unseen
    figures = [
        Figure("Achieved y", targets + unit(run) if verified else "not verified", told),
    ]
    if TASKS[run.task].omega is not None:
        figures.append(Figure("Re-simulation error", number(truth), "‖Ω(x) − y*‖², the truth"))
    if run.f_error is not None:
        believed = number(float(run.f_error[-1, sample]))
        figures.append(Figure("Surrogate error", believed, "‖f(x) − y*‖², what localization believes"))
    if run.localizes:
        low, high = TASKS[run.task].bounds.numpy()
        moved = float(np.linalg.norm((run.x[-1, sample] - run.x[0, sample]) / (high - low)))
        figures.append(Figure("Moved", number(moved), "by localization, in widths of the box"))
    if np.isfinite(run.cycle_error[sample]):
        error = number(float(run.cycle_error[sample]))
        figures.append(Figure("Cycle error", error, "largest |z − f(x)|, in SDs of the latent space"))
    if seen.usual is not None:
        share = f"{100 * seen.usual:.0f} %"
        figures.append(Figure("Prior density", share, "of training designs lie where the prior is thinner"))
    nearest = number(float(seen.near_distance[0]))
    figures.append(Figure("Nearest training design", nearest, "distance in widths of the box"))
    return figures


def _share(part: np.ndarray, whole: np.ndarray) -> str:
    return f"{part.sum()} / {whole.sum()}" if whole.any() else "not verified"


_CARDS = Environment(autoescape=True).from_string(
    "<div class='frame'><div class='cards'>{% for f in figures %}"
    "<div class='card'><div class='name'>{{ f.name }}</div><div class='value'>{{ f.value }}</div>"
    "<div class='meaning'>{{ f.meaning }}</div></div>"
    "{% endfor %}</div></div>"
)


def cards(figures: list[Figure]) -> str:
    """Key figures as a grid that fits any width."""
    return _CARDS.render(figures=figures)


_MARKUP = re.compile(
    r"[\\`*<$~]"  # everywhere
    r"|(?<!\w)_|_(?!\w)|(?<=\])[(\[:]|:(?=\w+[:/\[])|(?<=:)//|^[#+>=-]"  # emphasis, links, icons, lists
)


def plain(text: str) -> str:
    """Text of the user's, or of a file or an address of theirs, as text in Markdown."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))


def duration(seconds: float) -> str:
    """'45 s', '12 min'."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float | None) -> str:
    """As people write them, in two or three significant digits: 784, 0.0312, 5.1 · 10⁻¹³, or a dash for None."""
    if value is None or not np.isfinite(value):
        return "–"
    if value == 0 or 1e-3 <= abs(value) < 1e3:
        return f"{value:.3g}"
    if 1e3 <= abs(value) < 1e6:
        return f"{value:,.0f}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa} · 10{str(int(exponent)).translate(SUPERSCRIPT)}"


def histogram(counts: np.ndarray, low: float, high: float, accepted: tuple[float, float], dark: bool) -> str:
    """The training data's y as an image that stretches over the slider, with a mark at the target or interval."""
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
