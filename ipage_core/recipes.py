"""How each model is built and trained, task by task: the settings behind everything in ``pretrained/``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ipage_core.tasks import Task
from ipage_core.training import Settings

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
