"""Ablation of the INN: ``python -m ipage_core ablate TASK`` trains variants and writes them into the INN's card.

Variants: ordered couplings with the paper's losses alone (Eqs. 4–7: MMD), with the likelihood alone, and with both (the
default); alternating couplings with both. All get the same number of epochs, fewer than the shipped model.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ipage_core.inference.methods import Loaded
from ipage_core.inference.pipeline import design
from ipage_core.networks import networks_of
from ipage_core.networks.store import load_card
from ipage_core.problem.task import Task
from ipage_core.runtime.files import replacing, sole_writer
from ipage_core.runtime.paths import PRETRAINED
from ipage_core.training.datasets import pairs
from ipage_core.training.fit import fit
from ipage_core.training.recipes import recipe

VARIANTS: dict[str, tuple[str, dict[str, float]]] = {
    "ordered, MMD only": ("inn", {"lambda_nll": 0.0, "lambda_x": 1000.0, "lambda_z": 1000.0}),
    "ordered, likelihood only": ("inn", {"lambda_x": 0.0, "lambda_z": 0.0}),
    "ordered, both": ("inn", {}),
    "alternating, both": ("inn-alternating", {}),
}


def measure(task: Task, variant: str, epochs: int) -> dict[str, Any]:
    """Train one variant; measure its surrogate (φ*) and its posterior alone (φ) by Ω, on 1000 samples each."""
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
        forward = (modules["phi_star"](x.float()).double() - y).square().sum(1).mean().item()
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


def ablate(task: Task, epochs: int) -> None:
    """Train the variants that the card does not hold yet, one by one, and add them to the card.

    Raises:
        ValueError: another run is writing to the folder.
    """
    with sole_writer(PRETRAINED / task.name):
        _ablate(task, epochs, PRETRAINED / task.name / "inn.json")


def _ablate(task: Task, epochs: int, path: Path) -> None:
    for variant in VARIANTS:
        card = load_card(task.name, "inn")
        rows = card.get("ablation", {}).get("rows", [])
        if any(row["variant"] == variant and row["epochs"] == epochs for row in rows):
            continue
        rows = [row for row in rows if row["variant"] != variant] + [measure(task, variant, epochs)]
        print(json.dumps(rows[-1], ensure_ascii=False), flush=True)
        card["ablation"] = {"command": f"python -m ipage_core ablate {task.name} --epochs {epochs}", "rows": rows}
        with replacing(path) as beside:
            beside.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")
