"""Content of the benchmark page and the report: tables as HTML, figures with captions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Generator

from app.figures import benchmark as figures
from app.figures.theme import Dict
from app.results.paper_tables import TITLES
from app.results.result_tables import Tables, ablation_table, few_are_known
from ipage_core.benchmark import CELLS, coverage, exploration, rows, tables
from ipage_core.benchmark.metrics import expected_coverage
from ipage_core.benchmark.solutions import NOBODY, OMEGA
from ipage_core.inference.latent_design import SAMPLINGS, unit_design
from ipage_core.tasks import TASKS
from ipage_core.tasks.sinewave import TASK as SINEWAVE

TABLED = ["task", "method", "sampling", "by", "n", "runs", "mean", "low", "high", "paper"]
TIMED = ["task", "method", "sampling", "device", "setting", "inference_seconds", "localization_seconds"]
SPREAD = ["count_sd", "even_sd", "mean", "error_sd"]
SIDEWAYS = """
{place} {{ overflow-x: auto; }}
{place} > div {{ min-width: 820px; }}
@media (max-width: 905px) {{
  {place}::before {{ content: "Scroll sideways to see all of the figure"; position: sticky; left: 0;
    font-size: 0.8rem; opacity: 0.7; }}
}}
"""
"""CSS: on a narrow page a wide figure scrolls, with a note, so that its panels stay readable. ``place``: its box."""


@dataclass(frozen=True)
class Shown:
    """A figure with its title, caption and data."""

    key: str
    title: str
    caption: str
    draw: Callable[[bool], Dict]
    """dark → plotly dict."""
    numbers: Callable[[], pd.DataFrame]
    """Its data as a table."""


def load(folder: Path) -> Tables:
    """The small tables of a folder, by name, with their cards: ``cells`` and all sections but the solutions.

    Raises:
        ValueError: there is no ``cells.parquet``, or a file is damaged.
    """
    loaded = {"cells": rows.read(folder / CELLS)}
    for name in ("exploration", "coverage", "quality", "calibration", "ablation", "compute"):
        if (folder / f"{name}.parquet").exists():
            loaded[name] = rows.read(folder / f"{name}.parquet")
    return loaded


def commands(loaded: Tables) -> dict[str, str]:
    """All commands that made the tables, each with its sections."""
    collected: dict[str, list[str]] = {}
    for name, (_, card) in loaded.items():
        for one in filter(None, card["command"].split(" && ")):
            collected.setdefault(one, []).append("tables" if name == "cells" else name)
    return {one: ", ".join(dict.fromkeys(sections)) for one, sections in collected.items()}


def overview(loaded: Tables, folder: Path) -> Iterator[Shown]:
    """All figures for which the folder has results, the paper's first, in its order."""
    cells = loaded["cells"][0]
    if "exploration" in loaded:
        yield from _of_the_sine_wave(loaded["exploration"][0])
    points = {name: unit_design(10, 2, name, 0) for name in SAMPLINGS}
    yield Shown(
        "figure3",
        "Figure 3: space-filling designs",
        "Ten latent points in the unit square. LHS puts one in every row and column; maximin also spreads them out.",
        lambda dark: figures.designs(points, dark),
        lambda: pd.concat(
            [pd.DataFrame(at, columns=["z₁", "z₂"]).assign(sampling=figures.SAMPLINGS[s]) for s, at in points.items()]
        ),
    )
    if "exploration" in loaded:
        yield from _explored(loaded["exploration"][0])
    yield from _applied(cells, folder)
    if "compute" in loaded:
        yield from _computed(*loaded["compute"])
    yield from _beyond(loaded)
    floors = pd.DataFrame(columns=["task", "method", "floor"])
    if "compute" in loaded:
        timed = loaded["compute"][0]
        timed = timed[(timed["kind"] == "time") & (timed["device"] == "cpu")]
        floors = timed[timed["floor"].notna()][["task", "method", "floor"]]
    for protocol, title in tables.PAPER_TABLES.items():
        chosen = tables.displayed(cells, protocol)
        if len(chosen):
            yield Shown(
                f"dots-{protocol}",
                f"{title}, drawn",
                f"Mean of ‖Ω(x) − y*‖² with its 95 % bootstrap interval over {tables.RESAMPLED[protocol]}, beside the "
                "paper's mean. Vertical bars: the mean error of the method's surrogate over the whole prior. "
                "Localization ends at the surrogate's error for its designs, which can be smaller near one target.",
                lambda dark, chosen=chosen: figures.table(chosen, floors, TITLES, dark),
                lambda chosen=chosen: chosen[TABLED].merge(floors, how="left", on=["task", "method"]),
            )


def _one(explored: pd.DataFrame, method: str, sampling: str, count: int) -> pd.DataFrame:
    """The designs of seed 0."""
    own = (explored["method"] == method) & (explored["sampling"] == sampling)
    return explored[own & (explored["count"] == count) & (explored["seed"] == 0)]


def _of_the_sine_wave(explored: pd.DataFrame) -> Iterator[Shown]:
    """Figures 1 and 2."""
    one = _one(explored, "ipage", "maximin", int(explored["count"].max()))
    if not len(one) or "start1" not in one:
        return
    task = SINEWAVE
    prior = task.sample_prior(600, Generator().manual_seed(0))
    assert task.omega is not None
    y, target = task.omega(prior)[:, 0].numpy(), task.default_target[0]
    yield Shown(
        "figure1",
        "Figure 1: one target, many designs",
        f"The sine wave. Left: {len(prior)} draws of the prior; infinitely many designs have y = {target:g}. Right: "
        "designs for that y, coloured by their latent point: each y and z give one x.",
        lambda dark: figures.one_to_many(one, y, prior.numpy(), target, dark),
        lambda: one[["x1", "x2", "z1", "z2"]],
    )
    yield Shown(
        "figure2",
        "Figure 2: localization starts from posterior samples",
        f"{len(one)} posterior samples (rings) and the exact solutions they become (dots): they move little.",
        lambda dark: figures.way(one, dark),
        lambda: one[["sample", "start1", "start2", "x1", "x2"]],
    )


def _explored(explored: pd.DataFrame) -> Iterator[Shown]:
    """Figures 4 and 5, and their summary over many seeds."""
    first = explored[(explored["seed"] == 0) & (explored["task"] == SINEWAVE.name)]
    there = set(zip(first["method"].astype(str), first["sampling"].astype(str), strict=True))
    grid = [cell for cell in (("inn", "srs"), ("cinn", "srs"), ("cvae", "srs"), ("na", "srs"), ("ipage", "srs"))
            if cell in there]  # fmt: skip
    if grid:
        yield Shown(
            "figure4",
            "Figure 4: localization and exploration of the sine wave",
            "Seed 0. Lines are the nine loops of solutions; dotted where no design is within tolerance by Ω.",
            lambda dark: figures.gallery(first, grid, dark),
            lambda: _loops_found(first, grid),
        )
    if ("ipage", "maximin") in there:
        yield Shown(
            "figure5",
            "Figure 5: iPage with maximin LHS",
            "Seed 0, drawn as in the paper's Figure 4. The latent points are a maximin design, which fills the space.",
            lambda dark: figures.gallery(first, [("ipage", "maximin")], dark),
            lambda: _loops_found(first, [("ipage", "maximin")]),
        )
    loaded = exploration.recall(explored)
    yield Shown(
        "recall",
        "Loops found over many seeds",
        f"Over up to {int(loaded['runs'].max())} latent seeds. A design counts if it is within the tolerance by Ω. "
        "The lower panels test the paper's claim that space-filling latent points lower the variance: how much the "
        "number of designs on a loop, and the mean squared error of a run, vary between seeds. Thin line: each of the "
        "N designs goes to one of the nine loops at random. Designs outside the tolerance are on no loop, which "
        "lowers it.",
        lambda dark: figures.recall(loaded, dark),
        lambda: loaded[["method", "sampling", "count", "runs", "found", "all_found", *SPREAD]],
    )


def _loops_found(first: pd.DataFrame, grid: list[tuple[str, str]]) -> pd.DataFrame:
    """Loops found for one seed, for the panels of a gallery."""
    loaded = exploration.recall(first)
    order = {cell: k for k, cell in enumerate(grid)}
    place = [order.get((str(one.method), str(one.sampling)), -1) for one in loaded.itertuples()]
    loaded = loaded.assign(place=place).query("place >= 0").sort_values(["place", "count"], kind="stable")
    return loaded[["method", "sampling", "count", "found", "n_modes", "mean"]].rename(columns={"mean": "mean error²"})


def _applied(cells: pd.DataFrame, folder: Path) -> Iterator[Shown]:
    """Figure 6."""
    for task, unit, name in (("crystal", "[eV]", "left"), ("architecture", "[SD of E_x]", "right")):
        own = cells[(cells["task"] == task) & (cells["protocol"] == "single")]
        if not len(own):
            continue
        drawn = own[own["by"] != NOBODY]  # if Ω judged a method on any target, only that counts
        by_omega = (drawn["by"] == OMEGA).groupby(drawn["method"].astype(str)).any().all()
        yield Shown(
            f"figure6-{name}",
            f"Figure 6, {name}: {TASKS[task].title}",
            "Errors of the solutions for the default target"
            + (", by Ω." if by_omega else ". Outlined: by a surrogate, because Ω has not run."),
            lambda dark, task=task, unit=unit: figures.achieved(
                _solutions(folder, task).query("protocol == 'single'"), TASKS[task].title, unit, dark
            ),
            lambda task=task: _spread(_solutions(folder, task).query("protocol == 'single'")),
        )


def _spread(solutions: pd.DataFrame) -> pd.DataFrame:
    """Distance of solutions from the target: one row per method and judge."""
    off = solutions.dropna(subset="off1").astype({"off1": float}).groupby(["method", "by"], observed=True, sort=False)
    quantiles = off["off1"].quantile([0.05, 0.25, 0.5, 0.75, 0.95]).unstack()
    quantiles.columns = [f"{100 * q:.0f} %" for q in quantiles]
    return quantiles.assign(n=off.size()).reset_index()


def _solutions(folder: Path, task: str) -> pd.DataFrame:
    return rows.read(folder / "solutions.parquet", task)[0]


def _computed(compute: pd.DataFrame, card: dict[str, Any]) -> Iterator[Shown]:
    """Figure 7, and error against time."""
    timed = [name for name in TIMED if name in compute]
    yield Shown(
        "figure7",
        "Figure 7: total time for 1000 solutions",
        f"Inference and localization, median of up to three runs, models loaded; {machines(compute, card)}. "
        "The neural-adjoint method's descents count as localization.",
        lambda dark: figures.times(compute, TITLES, dark),
        lambda: compute[compute["kind"] == "time"][timed],
    )
    if (compute["kind"] == "budget").any():
        yield Shown(
            "budget",
            "Error against wall-clock time",
            "1000 solutions for the default target. Rings: more steps, or (NA) more starts; stars: with true "
            "evaluations (the hover says how many a design), whose cost is negligible for the analytic tasks but can "
            "dominate for others.",
            lambda dark: figures.budget(compute, TITLES, dark),
            lambda: compute[compute["mean"].notna() & (compute["device"] == "cpu")][[*timed, "omega_calls", "mean"]],
        )


def machines(compute: pd.DataFrame, card: dict[str, Any]) -> str:
    """The machines on which the times were measured."""
    timed = compute[compute["kind"] == "time"]
    collected = []
    for device, place in (("cpu", "one thread of"), ("cuda", "GPU:")):
        own = timed[timed["device"] == device]
        if len(own):
            names = sorted(own["machine"].dropna().astype(str).unique()) if "machine" in own else [card["machine"]]
            collected.append(f"{place} {', '.join(names)}" + (" (blank: not run there)" if device == "cuda" else ""))
    return "; ".join(collected)


def _beyond(loaded: Tables) -> Iterator[Shown]:
    """Results beyond the paper: coverage, calibration and ablation."""
    if "coverage" in loaded:
        covered_by = coverage.medians(loaded["coverage"][0])
        yield Shown(
            "coverage",
            "Did we find them all?",
            coverage_caption(covered_by),
            lambda dark: figures.coverage(covered_by, TITLES, dark),
            lambda: covered_by,
        )
    if "calibration" in loaded:
        pairs, levels = loaded["calibration"][0], np.linspace(0, 1, 41)
        covered = {
            (str(task), str(method)): expected_coverage(own["credibility"].to_numpy(float), levels)
            for (task, method), own in pairs.groupby(["task", "method"], observed=True)
        }
        yield Shown(
            "calibration",
            "Calibration of the posteriors, before localization",
            "For pairs outside the training data. Credible regions are centred at random points. If a posterior is "
            "too narrow (over-confident), its coverage is above the diagonal at low levels and below it at high "
            "levels, and its ranks pile up at both ends. If it is too wide, the opposite holds, and ranks pile up in "
            "the middle. A posterior that ignores y is calibrated too, so read this beside the tables.",
            lambda dark: figures.calibration(pairs, TITLES, levels, covered, dark),
            lambda: pd.DataFrame(
                {"credible region": levels} | {f"{TITLES[t]}, {m}": c for (t, m), c in covered.items()}
            ),
        )
    if "ablation" in loaded:
        ablated = loaded["ablation"][0]
        yield Shown(
            "ablation",
            "What the posterior buys, and what it does not",
            ablation_caption(ablated),
            lambda dark: figures.ablation(ablated, TITLES, dark),
            lambda: ablation_table(ablated),
        )


def coverage_caption(loaded: pd.DataFrame) -> str:
    """Its caption."""
    seeds = sorted({int(n) for n in loaded["runs"]})
    over = f"{seeds[-1]} seeds" if len(seeds) == 1 and seeds[-1] > 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    over = "one seed" if seeds == [1] else f"medians over {over}"
    return (
        f"Designs for the default target; {over}. Above: the distance from the farthest solution to its nearest "
        "design, in box widths, against all solutions in closed form. Below: the share of the solution set's area that "
        "has a design within ε. Only designs that Ω puts within the tolerance count. A method that never leaves its "
        "posterior crowds where the posterior is dense; spread places the designs over the solution set itself. "
        "The table adds the mean distance, the smallest distance between two designs, and for the sine wave the "
        "longest gap along its loops over the mean one (evenness)."
    )


def ablation_caption(ablated: pd.DataFrame) -> str:
    """Its caption."""
    drawn = " (right)" if few_are_known(ablated) else ""
    return (
        "200 designs for the default target, on one thread; each point is a combination of start, optimizer, "
        "surrogate and sampling, with its mean over seeds. After localization all starts have similar errors: the "
        "surrogate determines them, and Levenberg–Marquardt (LM) also converges from the prior. In the squares: how "
        "many evaluations of Ω (at most four) LM needs for each solution to reach a mean error of 1e-6, for the first "
        f"seed, as the mean over samplings. Starts that fill their space find more loops with few designs{drawn}, with "
        "the posterior or without it. What the posterior gives is not drawn here: mostly smaller errors over many "
        "targets (the paper's Table 2), some of which prior starts do not reach, and solutions spread as it is."
    )
