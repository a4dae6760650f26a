"""Ablation of the INN: ``python -m ipage_core ablate TASK`` trains variants and writes them into the INN's card.

Variants: ordered couplings with the paper's losses alone (Eqs. 4–7: MMD), with the likelihood alone, and with both;
alternating couplings (Ardizzone et al. 2018, arXiv:1808.04730) with these losses alone, as its authors train it, and
with both. In one call all get the same number of epochs, by default fewer than the shipped model.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ipage_core.inference.methods import Loaded
from ipage_core.inference.pipeline import design
from ipage_core.networks import networks_of
from ipage_core.networks.store import load_card
from ipage_core.problem.task import Task
from ipage_core.runtime.files import sole_writer, write_json
from ipage_core.runtime.paths import PRETRAINED
from ipage_core.training.datasets import pairs
from ipage_core.training.fit import fit
from ipage_core.training.recipes import recipe

VARIANTS: dict[str, tuple[str, dict[str, float]]] = {
    "ordered, MMD only": ("inn", {"lambda_nll": 0.0, "lambda_x": 1000.0, "lambda_z": 1000.0}),
    "ordered, likelihood only": ("inn", {"lambda_x": 0.0, "lambda_z": 0.0}),
    "ordered, both": ("inn", {}),
    "alternating, MMD only": ("inn-alternating", {"lambda_nll": 0.0, "lambda_x": 1000.0, "lambda_z": 1000.0}),
    "alternating, both": ("inn-alternating", {"lambda_x": 1.0, "lambda_z": 1.0}),
}


def measure(task: Task, variant: str, epochs: int) -> dict[str, Any]:
    """Train one variant; measure its surrogate (φ*; φ if that is all) and its posterior (φ) by Ω, 1000 samples each."""
    model, weights = VARIANTS[variant]
    network, arguments, settings = recipe(task, model)
    run = fit(networks_of(task)[network], arguments, *pairs(task), replace(settings, epochs=epochs, **weights))  # type: ignore[arg-type]
    modules: dict[str, Any] = {}
    for name, state in run.weight_sets.items():
        modules[name] = networks_of(task)[network](**arguments)
        modules[name].load_state_dict(state)
        modules[name].eval()
    x, y = pairs(task, 10_000, seed=1)
    with torch.no_grad():
        forward = (modules.get("phi_star", modules["phi"])(x.float()).double() - y).square().sum(1).mean().item()
    posterior = Loaded(model, modules["phi"], None, torch.device("cpu"))
    return {
        "variant": variant,
        "epochs": epochs,
        "forward_mse": forward,
        "posterior_mse_single": _mean_error(design(task, posterior, torch.tensor(task.default_target), 1000)),
        "posterior_mse_many": _mean_error(design(task, posterior, y[:1000], 1)),
        "seconds": round(run.seconds, 1),
    }


def _mean_error(solutions: Any) -> float:
    return float(solutions.summary()["resim_mse"])


def ablate(task: Task, epochs: int, variants: Iterable[str] = tuple(VARIANTS)) -> None:
    """Train the variants that the card does not hold yet with so many epochs, one by one, and add them to the card.

    Raises:
        ValueError: unknown variant, or another run is writing to the folder.
    """
    if unknown := set(variants) - set(VARIANTS):
        raise ValueError(f"variant '{min(unknown)}' is not known; accepted: {'; '.join(VARIANTS)}")
    with sole_writer(PRETRAINED / task.name):
        _ablate(task, epochs, variants, PRETRAINED / task.name / "inn.json")


def _ablate(task: Task, epochs: int, variants: Iterable[str], path: Path) -> None:
    for variant in variants:
        card = load_card(task.name, "inn")
        rows = card.get("ablation", {}).get("rows", [])
        if any(row["variant"] == variant and row["epochs"] == epochs for row in rows):
            continue
        rows = [*rows, measure(task, variant, epochs)]
        print(json.dumps(rows[-1], ensure_ascii=False), flush=True)
        card["ablation"] = {"command": f"python -m ipage_core ablate {task.name} --epochs EPOCHS", "rows": rows}
        write_json(path, card)
