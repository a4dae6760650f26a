"""How each model is built and trained, task by task: the settings behind everything in ``pretrained/``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any

import torch

from ipage_core.datasets import fingerprint, pairs
from ipage_core.methods import METHODS
from ipage_core.store import save_model
from ipage_core.tasks import Task
from ipage_core.training import Settings, fit

BUILT_AS = {"inn": "inn", "inn-alternating": "inn", "cinn": "cinn", "mlp": "mlp"}
"""Model name → network in ``MODELS``."""

# The sine wave's posterior of x₂ given x₁ and y is six spikes: it takes many bins, and few couplings.
_SPLINES: dict[str, dict[str, Any]] = {
    "sinewave": {"couplings": 4, "bins": 32, "hidden": 128, "smallest_bin": 1e-3},
    "default": {"couplings": 6, "bins": 12, "hidden": 96, "smallest_bin": 1e-4},
}
_EPOCHS = {"sinewave": 160, "robotic_arm": 80, "robotic_arm_kruse": 80, "default": 120}


def recipe(task: Task, model: str) -> tuple[str, dict[str, Any], Settings]:
    """(network in ``MODELS``, its arguments, its training settings) of a model for a task.

    Raises:
        ValueError: unknown model.
    """
    if model not in BUILT_AS:
        raise ValueError(f"model '{model}' is not known; accepted: {', '.join(BUILT_AS)}")
    arguments: dict[str, Any] = {"d": task.d, "m": task.n_targets}
    settings = Settings(learning_rate=1.5e-3, epochs=_EPOCHS.get(task.name, _EPOCHS["default"]))
    if task.name == "sinewave":  # MMD terms ten times as heavy cost its posterior a factor of two
        settings = replace(settings, lambda_x=1.0, lambda_z=1.0)
    if model == "mlp":
        return "mlp", arguments, replace(settings, learning_rate=1e-3, epochs=250)
    arguments |= _SPLINES.get(task.name, _SPLINES["default"])
    if any(task.dequantize):
        # The INN's surrogate moves y along with the smeared x; a cINN's y stays behind, so it smears half as far.
        share = 0.5 if model == "cinn" else 1.0
        arguments["dequantize"] = [share * half_width for half_width in task.dequantize]
    if any(task.support):
        arguments["support"] = [interval and list(interval) for interval in task.support]
    if task.name == "ballistics" and BUILT_AS[model] == "inn":
        arguments["padding_sd"] = 0.01  # its y spreads over metres: at 0.02 the noise alone costs 0.004 m²
    if model == "inn-alternating":
        arguments["order"] = "alternating"
        settings = replace(settings, epochs=40)
    return BUILT_AS[model], arguments, settings


def train(
    task: Task,
    model: str,
    out: Path,
    *,
    epochs: int | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    resume: bool = False,
    progress: Callable[[dict[str, Any]], None] = lambda row: None,
) -> dict[str, Any]:
    """Train a task's model by its recipe, on its own pairs, and keep it in ``out`` with its card, which is returned.

    While it runs, ``out`` holds a checkpoint; ``resume`` goes on from it.

    Raises:
        ValueError: unknown model, or a checkpoint that is in the way or belongs to another run.
    """
    network, arguments, settings = recipe(task, model)
    settings = replace(settings, seed=seed, epochs=settings.epochs if epochs is None else epochs)
    if settings.epochs < 1:
        raise ValueError(f"Expected at least 1 epoch, got {settings.epochs}")
    checkpoint = out / f"{model}.checkpoint.safetensors"
    if checkpoint.exists() and not resume:
        raise ValueError(f"{checkpoint} is left from a stopped run: go on with --resume, or remove it")
    x, y = pairs(task)
    result = fit(
        network,
        arguments,
        x,
        y,
        settings,
        device=device,
        checkpoint=checkpoint,
        progress=lambda row: progress({"model": model, **row}),
    )
    best = min(result.history, key=lambda row: next(v for k, v in row.items() if k.startswith("validation_")))
    method = next(name for name, row in METHODS.items() if model in row.models)
    card = {
        "task": task.name,
        "name": model,
        "model": network,
        "arguments": arguments,
        "settings": asdict(settings),
        "parameters": sum(tensor.numel() for tensor in next(iter(result.weight_sets.values())).values()),
        "weight_sets": list(result.weight_sets),
        "data": {"n": len(x), "seed": 0, "sha256": fingerprint(x, y)},
        "validation": {k: v for k, v in best.items() if k.startswith("validation_") or k == "epoch"},
        "history": result.history[:: max(1, len(result.history) // 50)],
        "training_seconds": round(result.seconds, 1),
        "device": str(device),
        "versions": {name: version(name) for name in ("torch", "nflows", "numpy")} | {"python": python_version()},
        "command": f"python -m ipage_core train {task.name} --method {method} --out {out}"
        + (f" --epochs {epochs}" if epochs is not None else "")
        + (f" --seed {seed}" if seed else ""),
    }
    save_model(out, model, result.weight_sets, card)
    checkpoint.unlink(missing_ok=True)
    return card
