"""Networks and training of the baselines; ``python -m ipage_core sizes`` prints their sizes.

The tasks' recipes hold the best settings of :mod:`ipage_core.training.search`; its logs are beside the cards. Every
baseline is as large as iPage's network for the task, except the neural adjoint as published.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from ipage_core.networks import networks_of
from ipage_core.problem.recipe import Recipe
from ipage_core.problem.task import Task
from ipage_core.tasks import MODULES
from ipage_core.training.fit import Settings

NAMES = ("mdn", "cvae", "na", "na-published")

DEFAULT: dict[str, dict[str, Any]] = {
    "mdn": {"components": 48},
    "cvae": {"beta": 1.0, "annealing": 0},
    "na": {},
}
EPOCHS = {"mdn": 120, "cvae": 100, "na": 120, "na-published": 250}


def size(task: Task, network: str, arguments: dict[str, Any]) -> int:
    """Number of values in the state of a task's network built from ``arguments``, as on its card."""
    with torch.random.fork_rng():
        return sum(tensor.numel() for tensor in networks_of(task)[network](**arguments).state_dict().values())


def of_size(task: Task, network: str, arguments: dict[str, Any], like: int) -> dict[str, Any]:
    """The arguments with the ``hidden`` width, a multiple of 8, for which the network has about ``like`` values."""
    low, high = 1, 256
    while high - low > 1:  # bisection: the size grows with the width
        middle = (low + high) // 2
        low, high = (middle, high) if size(task, network, arguments | {"hidden": 8 * middle}) <= like else (low, middle)
    widths = [8 * low, 8 * high]
    return arguments | {"hidden": min(widths, key=lambda h: abs(size(task, network, arguments | {"hidden": h}) - like))}


def recipe(task: Task, model: str, own: Recipe, like: Callable[[], int]) -> tuple[str, dict[str, Any], Settings]:
    """(name of the network, its arguments, its training settings) of a baseline, or of a network of the task.

    ``own``: the task's settings for it; ``like()``: the size of the INN, which all but the published method match.
    """
    arguments: dict[str, Any] = {"d": task.d, "m": task.n_targets}
    if own.network:
        arguments |= own.arguments
        if own.like_ipage:
            arguments = of_size(task, own.network, arguments, like())
        return own.network, arguments, Settings(**own.settings)
    if model == "na-published":
        # As published: 500 epochs, batches of 1024, the rate halved on plateaus. The networks of sine wave, arm and
        # ballistics then end at 1.7e-3, 3.2e-4 and 9.4e-3 on validation pairs. With the cosine schedule of fit(), in
        # half the epochs: 1.5e-3, 2.2e-4 and 4.8e-3 (ballistics at its published rate of 1e-2: 4.9e-3).
        settings = Settings(epochs=EPOCHS[model], batch=1024, learning_rate=2e-3, beta2=0.999)
        return "batch-norm-mlp", arguments | {"layers": 4, **own.arguments}, replace(settings, **own.settings)
    arguments |= DEFAULT[model] | dict(own.arguments)
    if model == "na":
        settings = Settings(epochs=EPOCHS[model], batch=125, learning_rate=3e-3)
        return "mlp", of_size(task, "mlp", arguments, like()), replace(settings, **own.settings)
    settings = replace(Settings(epochs=EPOCHS[model], learning_rate=2e-3), **own.settings)
    if model == "cvae":
        arguments = {"latent": task.d} | arguments
        if arguments.get("normalized"):  # the bound falls for as long as Ren et al. train
            settings = replace(settings, epochs=5 * settings.epochs)
    if any(task.dequantize):  # y is that of x without noise, so the noise is half as wide
        arguments["dequantize"] = [0.5 * half_width for half_width in task.dequantize]
    if any(task.support):
        arguments.setdefault("support", [interval and list(interval) for interval in task.support])
    return model, of_size(task, model, arguments, like()), settings


def sizes() -> str:
    """Number of values in each model, from the cards, and the ratio to iPage's, as a Markdown table."""
    from ipage_core.networks.store import ModelUnavailable, load_card

    names = ("inn", "cinn", "inn-alternating", *NAMES)
    lines = ["| task | " + " | ".join("iPage, INN" if name == "inn" else name for name in names) + " |"]
    lines.append("|---" * (len(names) + 1) + "|")
    for task in MODULES:
        cells = []
        reference = load_card(task, "inn")["parameters"]
        for name in names:
            try:
                count = load_card(task, name)["parameters"]
                cells.append(f"{count:,}" + (f" ({count / reference:.2f})" if name != "inn" else ""))
            except ModelUnavailable:
                cells.append("–")
        lines.append(f"| {task} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
