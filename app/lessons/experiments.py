"""The experiments of the guided tour: widgets in, figure out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch

from app.components.settings_form import trained
from app.components.words import method_name, number
from app.figures import coverage as coverage_figure
from app.figures import worth as worth_figure
from app.figures.playback import Size
from app.lessons import computations as lessons
from app.lessons import figures
from app.state import runs, worth
from ipage_core.benchmark.references import WITHIN, reference
from ipage_core.inference.coverage import Coverage, percent
from ipage_core.inference.latent_design import minimum_distance, unit_design
from ipage_core.problem.request import SAMPLINGS, DesignRequest
from ipage_core.tasks import TASKS, ballistics

TOLERANCE = lessons.TASK.tolerance


@dataclass(frozen=True)
class Shown:
    """The result of an experiment."""

    figure: dict
    text: str
    """The result in a sentence."""
    numbers: pd.DataFrame
    """The data of the figure."""
    request: DesignRequest
    view: str = "Localization"

    @property
    def address(self) -> str:
        """Address of Explore with these settings, relative to any page."""
        return f"./?{self.request.to_query()}&view={self.view.replace(' ', '+')}"


def state(target: float, method: str = lessons.METHOD, task: str = lessons.TASK.name, **more: Any) -> DesignRequest:
    """The request with these settings on Explore."""
    return DesignRequest.of(TASKS[task], target, method=method, **{"n": 200} | more)


def ask_target() -> float:
    """y*, shared by all steps."""
    return st.slider("Target y*", -2.0, 2.0, 1.2, 0.1, key="learn_target", persist_state="session")


def table(points: np.ndarray, *names: str) -> pd.DataFrame:
    """(n, k) with a name for every column."""
    return pd.DataFrame(np.asarray(points, dtype=float), columns=list(names))


def many(dark: bool, size: Size) -> Shown:
    """The share of random designs with the target."""
    target = ask_target()
    n = st.select_slider("Designs drawn at random", [100, 300, 1000, 3000], 1000, key="learn_draws")
    x, y = lessons.draws(n, 0)
    hits = int((np.abs(y - target) <= TOLERANCE).sum())
    text = f"{hits} of {n:,} designs drawn at random have y = {target:g} ± {TOLERANCE:g}: {100 * hits / n:.1f} %."
    return Shown(
        figures.many(x, y, target, TOLERANCE, dark, size),
        text,
        table(np.column_stack((x, y)), "x₁", "x₂", "y"),
        state(target),
    )


def latent(dark: bool, size: Size) -> Shown:
    """One latent point, one design."""
    target = ask_target()
    left, right = st.columns(2)
    own = np.array(
        [
            left.slider("z₁", -2.5, 2.5, 0.5, 0.1, key="learn_z1"),
            right.slider("z₂", -2.5, 2.5, 0.5, 0.1, key="learn_z2"),
        ]
    )
    z, x = lessons.pairs(target, 300)
    mine = lessons.invert(target, torch.tensor(own, dtype=torch.float32)[None])[0].numpy()
    y = float(lessons.TASK.omega(torch.tensor(mine)[None].double())[0, 0])  # type: ignore[misc]
    text = f"z = ({own[0]:g}, {own[1]:g}) becomes x = ({mine[0]:.3f}, {mine[1]:.3f}), where Ω(x) = {y:.3f}."
    return Shown(
        figures.one_to_one(z, x, (own, mine), target, dark, size),
        text,
        table(np.column_stack((z, x)), "z₁", "z₂", "x₁", "x₂"),
        state(target, n=200),
        "Latent design",
    )


POSTERIORS = ("inn", "cinn", "ipage-paper", "inn-ardizzone")
"""Methods whose posterior samples step 3 compares."""


def posterior(dark: bool, size: Size) -> Shown:
    """The error of posterior samples, before any localization."""
    target = ask_target()
    name = st.segmented_control(
        "Posterior of",
        [name for name in POSTERIORS if name in trained(lessons.TASK)],
        default="inn",
        required=True,
        format_func=method_name,
        key="learn_posterior",
        wrap=True,
    )
    shown_request = state(target, name, n=500)
    samples = runs.of(shown_request).x[0]
    misfit = lessons.omega_of(samples) - target
    within = np.abs(misfit) <= TOLERANCE
    text = (
        f"{100 * within.mean():.0f} % of 500 posterior samples are within the tolerance ±{TOLERANCE:g}; "
        f"the outermost bars count all beyond ±{figures.SHOWN:g}; "
        f"the mean of (Ω(x) − y*)² is {number(float(np.square(misfit).mean()))}."
    )
    return Shown(
        figures.spread(samples, misfit, target, TOLERANCE, dark, size),
        text,
        table(np.column_stack((samples, misfit)), "x₁", "x₂", "Ω(x) − y*"),
        shown_request,
        "Posterior",
    )


def eyes(dark: bool, size: Size) -> Shown:
    """The misfit of samples by their own network."""
    target = ask_target()
    eye = st.segmented_control(
        "Run the network forwards with",
        lessons.EYES,
        default=lessons.EYES[0],
        required=True,
        key="learn_eye",
        wrap=True,
    )
    x, step, truth, misfit = lessons.seen(target, 300, eye)
    text = (
        f"Median distance from y*: {number(float(np.median(np.abs(misfit))))} by f, "
        f"{number(float(np.median(np.abs(truth))))} by Ω. "
        f"Median step: {number(float(np.median(np.linalg.norm(step, axis=1))))}."
    )
    return Shown(
        figures.eyes(x, step, truth, misfit, target, dark, size),
        text,
        table(np.column_stack((x, step, truth, misfit)), "x₁", "x₂", "step₁", "step₂", "Ω(x) − y*", "f(x) − y*"),
        state(target),
    )


SPACES_TARGET = 1.2
SPACES_GUESS = "learn_guess_4"
"""Key of the question of this step."""


def spaces(dark: bool, size: Size) -> Shown:
    """Three ways to lay out latent points."""
    left, right = st.columns(2)
    n = left.select_slider("Number of samples", list(worth.SIZES), 25, key="learn_n")
    seed = int(right.number_input("Seed", 0, 1000, 0, key="learn_seed"))
    cubes = {name: unit_design(n, 2, kind, seed) for kind, name in SAMPLINGS.items()}  # type: ignore[arg-type]
    least = {name: minimum_distance(cube) for name, cube in cubes.items()}
    met = {name: set(lessons.loops_of(SPACES_TARGET, cube)) - {-1} for name, cube in cubes.items()}
    asked, results = state(SPACES_TARGET, n=n, seed=seed), None
    often = "Predict first; then this line says how often all loops are found."
    if st.session_state.get(SPACES_GUESS) is not None:  # this figure is the answer
        with st.spinner(f"Designing with {worth.SEEDS} seeds …"):
            *_, (_, results) = worth.over_sizes(asked)
        often = worth_figure.sentence(results, n)
    text = (
        f"For y* = {SPACES_TARGET:g}: {often} For seed {seed}, the points meet the patches of "
        + ", ".join(f"{len(loops)} loops ({name})" for name, loops in met.items())
        + ", and the smallest distance between two points is "
        + ", ".join(f"{least[name]:.3f} ({name})" for name in cubes)
        + "."
    )
    columns = [f"{name} Φ(z{j})" for name in cubes for j in "₁₂"]
    return Shown(
        figures.spaces(cubes, lessons.patches(SPACES_TARGET, 80), least, results, n, dark, size),
        text,
        table(np.column_stack(list(cubes.values())), *columns),
        asked.replace(n={9: 10, 12: 10, 16: 10}.get(n, n)),
        f"Compare&compare_n={n}",
    )


def descent(dark: bool, size: Size) -> Shown:
    """Moving samples, by three optimizers."""
    target = ask_target()
    left, right = st.columns(2)
    titles = {"lm": "Levenberg–Marquardt", "adam": "Adam", "gd": "gradient descent"}
    optimizer = left.segmented_control(
        "Optimizer", list(titles), default="lm", required=True, format_func=titles.get, key="learn_optimizer", wrap=True
    )
    path, believed, truth = lessons.descent(target, 200, optimizer, 12 if optimizer == "lm" else 60)
    last = len(path) - 1
    step = right.slider("Step", 0, last, min(2, last), key=f"learn_step_{optimizer}_{last}")
    text = (
        f"After {step} of {last} steps the median squared error is {number(float(believed[step]))} by f and "
        f"{number(float(truth[step]))} by Ω."
    )
    if optimizer == "adam" and believed[1] > believed[0]:
        text += " At first it rises, because Adam's first steps are equally long however near the target is."
    return Shown(
        figures.descent(path, believed, truth, step, target, dark, size),
        text,
        table(np.column_stack((range(last + 1), believed, truth)), "step", "median error² by f", "by Ω"),
        state(target),
    )


STARTS = ("ipage", "prior-lm")
"""Methods that start from the posterior, and from random designs."""


def starts(dark: bool, size: Size) -> Shown:
    """The posterior against random starts."""
    left, right = st.columns(2)
    tasks = [lessons.TASK.name, ballistics.TASK.name]
    task = left.segmented_control(
        "Task",
        tasks,
        default=tasks[0],
        required=True,
        format_func=lambda t: TASKS[t].title,
        key="learn_task",
        wrap=True,
    )
    ways = ["one target", "200 targets"]
    way = right.segmented_control("Designs for", ways, default=ways[0], required=True, key="learn_way")
    moved, errors = {}, {}
    target = TASKS[task].default_target[0]
    for method, name in ((method, method_name(method)) for method in STARTS):
        if way == ways[1]:
            moved[name], errors[name] = lessons.over_targets(task, method, 200)
            continue
        run = runs.of(state(target, method, task))
        low, high = TASKS[task].bounds.numpy()
        moved[name] = np.linalg.norm((run.x[-1] - run.x[0]) / (high - low), axis=1)
        errors[name] = np.square(run.off_by)
    text = " ".join(
        f"**{name}**: median distance moved {number(float(np.median(moved[name])))} widths of the box, "
        f"mean error² {number(float(np.nanmean(errors[name])))}, median {number(float(np.nanmedian(errors[name])))}."
        for name in moved
    )
    columns = {f"{what}, {name}": values[name] for name in moved for what, values in
               (("way", moved), ("error²", errors))}  # fmt: skip
    return Shown(figures.starts(moved, errors, dark, size), text, pd.DataFrame(columns), state(target, "ipage", task))


def believed(dark: bool, size: Size) -> Shown:
    """Errors by f and by Ω."""
    target = ask_target()
    strictness = st.select_slider("Tolerance", [0.0002, 0.0006, 0.002, 0.006, 0.02], 0.002, key="learn_tolerance")
    shown_request = state(target, tolerance={0.0002: 0.01, 0.0006: 0.03, 0.002: 0.1, 0.006: 0.3, 0.02: 1.0}[strictness])
    run = runs.of(shown_request)
    assert run.f_error is not None
    f_off, omega_off = np.sqrt(run.f_error[-1]), run.off_by
    text = (
        f"By f, {int((f_off <= strictness).sum())} of {run.n} designs are within ±{strictness:g}; by Ω, "
        f"{int((omega_off <= strictness).sum())}. Ω ran {run.n} times for this. "
        f"{_columns(f_off)}Misfits of f below 10⁻⁹ are drawn at 10⁻⁹."
    )
    return Shown(
        figures.believed(f_off, omega_off, strictness, dark, size),
        text,
        table(np.column_stack((f_off, omega_off)), "|f(x) − y*|", "|Ω(x) − y*|"),
        shown_request,
    )


def _columns(f_off: np.ndarray) -> str:
    """Why the dots stand in columns, if they do; f_off (n,)."""
    values = np.unique(f_off)
    if 4 * len(values) > len(f_off):
        return ""
    apart = number(float(values[values > 0].min(initial=np.inf)))
    return (
        f"The dots stand in columns because the computer rounds f(x) (float32): near y* its values are {apart} apart. "
    )


def corrected(dark: bool, size: Size) -> Shown:
    """Errors after true evaluations."""
    target = ask_target()
    most = st.slider("Ω evaluations for each design, K", 0, 3, 1, key="learn_k")
    shown_request = state(target, omega_evals=most)
    run = runs.of(shown_request)
    assert run.omega_error is not None
    frames = [run.omega_error[-1 - k] for k in range(most, -1, -1)]
    medians = [float(np.median(frame)) for frame in frames]
    text = (
        "Median squared error by Ω: "
        + ", ".join(f"K = {k}: {number(median)}" for k, median in enumerate(medians))
        + f". In all, Ω ran {run.summary['omega_calls']} times, with the final check."
    )
    names = [f"error², K = {k}" for k in range(most + 1)]
    return Shown(figures.corrected(frames, dark, size), text, table(np.stack(frames, axis=1), *names), shown_request)


PLACED = {"off": "as drawn", "box": "spread over all solutions"}


def covered(dark: bool, size: Size) -> Shown:
    """The share of all solutions near a design."""
    left, right = st.columns(2)
    n = left.select_slider("Designs, N", [25, 50, 100, 200], 100, key="learn_designs")
    spread = right.segmented_control(
        "Designs are", list(PLACED), default="off", required=True, format_func=PLACED.get, key="learn_spread"
    )
    shown_request = state(lessons.TASK.default_target[0], n=n, spread=spread)
    run, truth = runs.of(shown_request), reference(lessons.TASK.name, 4000)
    designs = run.x[-1][run.hit].astype(np.float64)
    within = WITHIN[lessons.TASK.name]
    share_covered = Coverage(within, truth.x, truth.area, truth.distance(designs), np.empty(0), True, None, "")
    text = (
        f"{len(designs)} designs for y* = {lessons.TASK.default_target[0]:g}, {PLACED[spread]}. Of all solutions, "
        f"{percent(share_covered.share())} have a design within {within:g} box widths. The farthest solution is "
        f"{share_covered.fill:.3f} box widths from its nearest design."
    )
    return Shown(
        coverage_figure.figure(share_covered, designs, lessons.TASK.x_labels, (0, 1), dark, size),
        text,
        coverage_figure.table(share_covered),
        shown_request,
        "Coverage",
    )
