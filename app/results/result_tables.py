"""The tables of the benchmark page: costs, quality, ablation, with names in words."""

from __future__ import annotations

from typing import Any

import pandas as pd

from app.figures import benchmark as figures
from app.results.paper_tables import TITLES
from ipage_core.inference.costs import Cost, cost
from ipage_core.networks.store import ModelUnavailable

COSTS = (
    "The runs of the paper's Figure 7: 1000 solutions for the default target. Parameters and training: sums over all "
    "networks of a method, from the cards of the installed networks. The INN contains its surrogate, whose parameters "
    "count once and whose training time is included. Networks that methods share count for each method, and searches "
    "for settings do not count. Peak memory: the largest memory of the whole process during the timed runs, without "
    "the GPU's. It includes PyTorch, loaded models and the final check by Ω, so compare only differences between rows."
)
"""How the columns of :func:`costs` were measured."""
ABLATED = ["task", "start", "optimizer", "surrogate", "sampling"]
Tables = dict[str, tuple[pd.DataFrame, dict[str, Any]]]


def in_words(numbers: pd.DataFrame) -> pd.DataFrame:
    """Display names of tasks, methods and samplings."""
    names = {"task": TITLES, "method": figures.NAMES, "sampling": figures.SAMPLINGS}
    return numbers.assign(
        **{name: [names[name].get(str(v), str(v)) for v in numbers[name]] for name in names if name in numbers}
    )


def costs(loaded: Tables) -> pd.DataFrame:
    """Cost of each method: one row per task, method and timed device; empty if there are none."""
    if "compute" not in loaded:
        return pd.DataFrame()
    timed = loaded["compute"][0]
    timed = timed[timed["kind"] == "time"]
    networks = [_networks(one) for one in timed.itertuples()]
    timed = timed.assign(
        parameters=[one.parameters for one in networks], training_seconds=[one.training_seconds for one in networks]
    )
    order = [list(figures.NAMES).index(str(method)) for method in timed["method"]]
    timed = timed.assign(
        task=pd.Categorical(timed["task"].astype(str), list(TITLES), ordered=True), order=order
    ).sort_values(["task", "order", "device"])
    return pd.DataFrame(
        {
            "task": timed["task"].astype(str).map(TITLES),
            "method": [figures.short(str(method)) for method in timed["method"]],
            "sampling": timed["sampling"].astype(str).map(figures.SAMPLINGS) if "sampling" in timed else "SRS",
            "device": timed["device"].astype(str).map({"cpu": "CPU", "cuda": "GPU"}),
            "parameters": timed["parameters"].astype(int),
            "training [min]": (timed["training_seconds"] / 60).round(1),
            "peak memory [MB]": timed["peak_mb"].astype(float).round(0),
            "inference [s]": timed["inference_seconds"].map(_digits),
            "localization [s]": timed["localization_seconds"].map(_digits),
        }
    )


def _networks(row: Any) -> Cost:
    """Those of the row's method, from the installed cards; where there are none, as the row says."""
    try:
        return cost(str(row.task), str(row.method))
    except ModelUnavailable:
        return Cost(int(row.parameters), float(row.training_seconds))


def _digits(value: float) -> float:
    """Three significant digits."""
    return float(f"{value:.3g}")


def quality_table(loaded: Tables) -> pd.DataFrame:
    """One row per task, method, sampling and stage: means over seeds, in words; empty if there are none."""
    if "quality" not in loaded:
        return pd.DataFrame()
    names = ["task", "method", "sampling", "stage"]
    means = loaded["quality"][0].groupby(names, observed=True, sort=False).mean(numeric_only=True).reset_index()
    collected = pd.DataFrame(
        {
            "task": means["task"].map(TITLES).astype(str),
            "method": [figures.short(str(m)) for m in means["method"]],
            "sampling": means["sampling"].map(figures.SAMPLINGS).astype(str),
            "stage": means["stage"].astype(str),
            "MMD² to the posterior": means["mmd2"].astype(float).round(5),
            "diversity": means["diversity"].astype(float).round(3),
            "log prior density": means["log_prior"].astype(float).round(3),
            "of the posterior": means["log_prior_reference"].astype(float).round(3),
            "in bounds": means["in_bounds"].astype(float).round(4),
        }
    )
    return collected


def few_are_known(ablated: pd.DataFrame) -> bool:
    """Whether loops found with few designs are known."""
    return "modes_25" in ablated and bool(ablated["modes_25"].notna().any())


def ablation_table(ablated: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds; Ω evaluations are of the first seed only."""
    collected = ["seconds", "mean", "success", "modes", *["modes_25"] * few_are_known(ablated), "omega_calls"]
    return ablated.groupby(ABLATED, observed=True, sort=False)[collected].mean().reset_index()
