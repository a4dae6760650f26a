"""How each model is built and trained, task by task: the settings behind everything in ``pretrained/``."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any

import torch
from torch import Generator, Tensor

from ipage_core.inference.methods import METHODS
from ipage_core.networks import networks_of
from ipage_core.networks.ensemble import Ensemble
from ipage_core.networks.store import load_tensors, save_model
from ipage_core.problem.task import Task
from ipage_core.tasks.crystal.bands import BandReader, BandSurrogate
from ipage_core.tasks.table import own_data
from ipage_core.tasks.table.surrogate import NORMAL
from ipage_core.training import baselines
from ipage_core.training.datasets import fingerprint, pairs
from ipage_core.training.fit import Fit, Settings, fit
from ipage_core.training.table import MOST_PROPERTIES, MOST_ROWS, fit_table

BUILT_AS = {"inn": "inn", "inn-alternating": "inn", "cinn": "cinn", "mlp": "mlp"}
"""Model name → the name of its network, see :func:`ipage_core.networks.networks_of`."""

# The sine wave's posterior of x₂ given x₁ and y is six spikes: it takes many bins.
_SPLINES: dict[str, dict[str, Any]] = {
    "sinewave": {"couplings": 4, "bins": 32, "hidden": 128},
    "default": {"couplings": 6, "bins": 12, "hidden": 96},
}
_CINN: dict[str, dict[str, Any]] = {
    "sinewave": {"couplings": 6},
    "robotic_arm": {"hidden": 120},
    "robotic_arm_kruse": {"hidden": 120},
    "ballistics": {"hidden": 120},
}
"""Where the cINN differs from the INN: couplings as searched, as wide as the INN with its surrogate has parameters."""
_EPOCHS = {"sinewave": 160, "robotic_arm": 80, "robotic_arm_kruse": 80, "default": 100}
TAUGHT = {"architecture": ("inn",), "crystal": ("inn", "cinn", *baselines.NAMES)}
"""Models that begin with the separate surrogate's weights, or learn from what it labels: it is trained first."""
CRYSTAL_DRAWS = 20_000
"""Lattices that the ensemble labels for the posteriors of the crystal task."""
SIZES = {"small": 0.5, "usual": 1.0, "large": 2.0}
"""How wide the networks are, by name."""
OWN_STEPS, OWN_ROWS = 3000, 10_000
"""Steps that a network of own data is trained for, about; and rows that one of its epochs draws at most."""


def recipe(task: Task, model: str, size: str = "usual") -> tuple[str, dict[str, Any], Settings]:
    """(name of the network, its arguments, its training settings) of a model for a task.

    Raises:
        ValueError: unknown model or size, or a size that the task's networks do not come in.
    """
    if size not in SIZES:
        raise ValueError(f"size '{size}' is not known; accepted: {', '.join(SIZES)}")
    if size != "usual":
        if task.name in TAUGHT or model in baselines.NAMES:
            raise ValueError(f"The networks '{model}' of {task.name} come in one size; accepted: usual")
        network, usual, settings = recipe(task, model)
        wide = {name: round(SIZES[size] * n) for name, n in _widths(task, network, usual).items()}
        return network, usual | wide, settings
    if model in baselines.NAMES:
        return baselines.recipe(task, model, baselines.size(task, *recipe(task, "inn")[:2]))
    if model not in BUILT_AS:
        raise ValueError(f"model '{model}' is not known; accepted: {', '.join((*BUILT_AS, *baselines.NAMES))}")
    arguments: dict[str, Any] = {"d": task.d, "m": task.n_targets}
    # Without a decay the surrogates of Kruse's arm follow its pairs to 1e-6 and miss others by 1e-3.
    decay = 0.1 if task.name == "robotic_arm_kruse" else 0.0
    settings = Settings(learning_rate=5e-3, epochs=_EPOCHS.get(task.name, _EPOCHS["default"]), weight_decay=decay)
    if task.name == "crystal":
        return _crystal_recipe(task, model, arguments)
    if task.name == "architecture":
        return _architecture_recipe(task, model, arguments)
    if task.folder is not None:
        settings = _own_settings(task, model)
        if model == "mlp":  # a decay of 0.3 lowered R² of held-out band gaps from 0.994 to 0.988
            floor = [known.floor for known in task.targets]
            return "table", arguments | {"members": 8, "hidden": 128, "floor": floor}, settings
    if model == "mlp":
        return "mlp", arguments, replace(settings, learning_rate=3e-3, epochs=160, batch=125)
    arguments |= _SPLINES.get(task.name, _SPLINES["default"])
    if model == "cinn":
        arguments |= _CINN.get(task.name, {})
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


def _own_settings(task: Task, model: str) -> Settings:
    """As many steps for every table: small ones in small batches and many epochs, large ones a part an epoch.

    Where localization can rest on Gaussian processes, the ensemble takes half the steps, and the flows,
    which only say where it starts, a tenth, in larger batches: these tables train in seconds.
    """
    rows, steps = min(task.data_size, OWN_ROWS), OWN_STEPS
    batch = max(25, min(250, rows // 20))
    if rows <= MOST_ROWS and task.n_targets <= MOST_PROPERTIES:
        steps = OWN_STEPS // 2 if model == "mlp" else OWN_STEPS // 10
        batch = batch if model == "mlp" else max(25, min(250, rows // 4))
    epochs = max(30, min(150, round(steps * batch / rows)))
    return Settings(learning_rate=5e-3, epochs=epochs, batch=batch, epoch_size=OWN_ROWS)


def _widths(task: Task, network: str, arguments: dict[str, Any]) -> dict[str, int]:
    """The arguments that say how wide a network is, with those it has unless told otherwise."""
    build = Ensemble if network == "table" else networks_of(task)[network]
    usual = inspect.signature(build).parameters
    names = [name for name in ("hidden", "surrogate_hidden") if name in usual]
    return {name: arguments.get(name, usual[name].default) for name in names}


def _crystal_recipe(task: Task, model: str, arguments: dict[str, Any]) -> tuple[str, dict[str, Any], Settings]:
    """The separate surrogate is an ensemble of band-edge networks; the INN's t(x) begins as its first member."""
    if model == "mlp":
        settings = Settings(learning_rate=8e-3, epochs=250, batch=128)
        return "bands", arguments | {"box": task.bounds.tolist(), "members": 5}, settings
    arguments |= _SPLINES["default"] | {"support": [list(interval) for interval in task.support if interval]}
    if model == "inn":
        arguments |= {"surrogate": "bands", "surrogate_hidden": 96}
    return BUILT_AS[model], arguments, Settings(learning_rate=1.5e-3, epochs=60)


def _ensemble(task: Task, out: Path) -> BandSurrogate:
    """The crystal task's ensemble in ``out``, whatever that folder is called; built as the recipe says."""
    ensemble = BandSurrogate(**recipe(task, "mlp")[1])
    tensors, _ = load_tensors(out / "mlp.safetensors")
    ensemble.load_state_dict({name.removeprefix("phi_star."): value for name, value in tensors.items()})
    return ensemble


def starting_weights(task: Task, model: str, out: Path) -> dict[str, Tensor] | None:
    """Weights that a model takes over from another one in ``out``: what ``fit`` calls ``begin_from``."""
    if task.name == "crystal" and model == "inn":
        return BandReader.start(_ensemble(task, out).state_dict(), "transform._transforms.0.transform_net.")
    if task.name == "architecture" and model == "inn":
        surrogate, _ = load_tensors(out / "mlp.safetensors")
        return {f"t.{name.removeprefix('phi_star.')}": value for name, value in surrogate.items()}
    return None


def _architecture_recipe(task: Task, model: str, arguments: dict[str, Any]) -> tuple[str, dict[str, Any], Settings]:
    """The separate surrogate is a network of displacements; the INN takes it over as its t(x) and learns the field."""
    from ipage_core.tasks.cells.modulus import E_X_MEAN, E_X_SD

    settings = Settings(batch=32, epoch_size=8192, validation_fraction=0.02, learning_rate=2e-3, lambda_y=1.0)
    if model == "mlp":
        return "cells", arguments | {"mean": E_X_MEAN, "sd": E_X_SD}, replace(settings, epochs=14)
    if model == "inn":
        arguments |= {"mean": E_X_MEAN, "sd": E_X_SD}
        return "pixel-inn", arguments, replace(settings, batch=64, epochs=10, lambda_z=0.1)
    if model == "cinn":  # its flow alone has as many numbers as the INN's with its surrogate
        like = baselines.size(task, *_architecture_recipe(task, "inn", dict(arguments))[:2])
        return (
            "pixel-cinn",
            baselines.of_size(task, "pixel-cinn", arguments, like),
            replace(settings, batch=64, epochs=10),
        )
    raise ValueError(f"model '{model}' is not made for architecture; accepted: cinn, inn, mlp")


def training_pairs(task: Task, model: str, out: Path) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """x (n, d), y (n, m) that a model learns from, and what its card says of them.

    Crystals: the ensemble ("mlp") learns from what DFT computed. The posteriors of the INN and the cINN need far more
    pairs than a calculation of seconds can give, so they learn from draws of the prior that the ensemble in ``out``
    labels, whose error is below the noise that the likelihood needs on y anyway.
    """
    if task.name == "architecture":
        from ipage_core.tasks.cells.task import cells_with_moduli

        x, y = cells_with_moduli()
        y = y[:, :1] if model == "na-published" else y  # the others learn from transposed cells too
        return x, y, {"n": len(x), "sha256": fingerprint(x, y), "from": "data/architecture"}
    if task.name != "crystal":
        x, y = pairs(task)
        where = {"from": task.source} if task.folder else {"seed": 0}
        return x, y, {"n": len(x), **where, "sha256": fingerprint(x, y)}
    from ipage_core.tasks.crystal.task import with_edges

    x, y = with_edges()
    about = {"n": len(x), "sha256": fingerprint(x, y), "from": "data/crystal"}
    if model == "mlp":
        return x, y, about
    ensemble = _ensemble(task, out)
    x = task.sample_prior(CRYSTAL_DRAWS, Generator().manual_seed(0))
    with torch.no_grad():
        y = torch.cat([ensemble(part.float()).double() for part in x.split(2000)])
    return (
        x,
        y,
        {"n": len(x), "seed": 0, "sha256": fingerprint(x, y), "labelled_by": "mlp, trained on", "computed": about},
    )


def train(
    task: Task,
    model: str,
    out: Path,
    *,
    epochs: int | None = None,
    size: str = "usual",
    seed: int = 0,
    device: torch.device | str = "cpu",
    resume: bool = False,
    progress: Callable[[dict[str, Any]], None] = lambda row: None,
) -> dict[str, Any]:
    """Train a task's model by its recipe, on its own pairs, and keep it in ``out`` with its card, which is returned.

    While it runs, ``out`` holds a checkpoint; ``resume`` goes on from it, and leaves a model alone that is finished.

    Raises:
        ValueError: unknown model or size, a model of another task or a checkpoint in the way, or one of another run.
    """
    network, arguments, settings = recipe(task, model, size)
    settings = replace(settings, seed=seed, epochs=settings.epochs if epochs is None else epochs)
    if settings.epochs < 1:
        raise ValueError(f"Expected at least 1 epoch, got {settings.epochs}")
    settings_said = json.loads(json.dumps([network, arguments, asdict(settings)]))
    if (out / f"{model}.json").exists():
        card = json.loads((out / f"{model}.json").read_text())
        if card["task"] != task.name:
            raise ValueError(f"{out} holds a model '{model}' of {card['task']}: name another --out")
        made = card.get("recipe") or [card["model"], card["arguments"]]
        done = [*made, card["settings"]] == settings_said
        if resume and done and (task.folder is None or card["data"]["sha256"] == fingerprint(*pairs(task))):
            return card
    if model in TAUGHT.get(task.name, ()) and not (out / "mlp.safetensors").exists():
        train(task, "mlp", out, seed=seed, device=device, resume=resume, progress=progress)
    checkpoint = out / f"{model}.checkpoint.safetensors"
    if checkpoint.exists() and not resume:
        raise ValueError(f"{checkpoint} is left from a stopped run: go on with --resume, or remove it")
    x, y, about_pairs = training_pairs(task, model, out)
    about: dict[str, Any] = {}

    def told(row: dict[str, float]) -> None:
        progress({"model": model, **row, "device": str(device)})

    if network == "table":
        surrogate, result, choice = fit_table(
            x, y, task.bounds, arguments, settings, device=device, checkpoint=checkpoint, progress=told
        )
        about = {"recipe": [network, arguments], "choice": choice}
        arguments = surrogate.arguments
    else:
        result = fit(
            networks_of(task)[network],
            arguments,
            x,
            y,
            settings,
            begin_from=starting_weights(task, model, out),
            device=device,
            checkpoint=checkpoint,
            progress=told,
        )
    best = min(result.history, key=lambda row: next(v for k, v in row.items() if k.startswith("validation_")))
    method = min((name for name, row in METHODS.items() if model in row.models), key=lambda m: len(METHODS[m].models))
    card = {
        "task": task.name,
        "name": model,
        "model": network,
        "arguments": arguments,
        "settings": asdict(settings),
        **about,
        "parameters": sum(tensor.numel() for tensor in next(iter(result.weight_sets.values())).values()),
        "weight_sets": list(result.weight_sets),
        "data": about_pairs,
        "validation": {k: v for k, v in best.items() if k.startswith("validation_") or k == "epoch"},
        "history": result.history[:: max(1, len(result.history) // 50)],
        "training_seconds": round(result.seconds, 1),
        "device": str(device),
        "versions": {name: version(name) for name in ("torch", "nflows", "numpy")} | {"python": python_version()},
        "command": f"python -m ipage_core train {f'--model {task.folder}' if task.folder else task.name} "
        + f"--method {method} --out {out}"
        + (f" --epochs {epochs}" if epochs is not None else "")
        + (f" --size {size}" if size != "usual" else "")
        + (f" --seed {seed}" if seed else ""),
    }
    if task.held_out is not None and (surrogate := _surrogate_of(task, network, arguments, result)) is not None:
        card["held_out"] = accuracy(surrogate, *task.held_out())
    save_model(out, model, result.weight_sets, card)
    if task.folder is not None and task.folder == out.resolve() and "held_out" in card:
        own_data.note_accuracy(out, model, card["held_out"])
    checkpoint.unlink(missing_ok=True)
    return card


def _surrogate_of(task: Task, network: str, arguments: dict[str, Any], result: Fit) -> Any:
    """The trained network, if it predicts y: those with a lowest ℓ2 loss on validation pairs do."""
    if not any("validation_l2" in row for row in result.history):
        return None
    module = networks_of(task)[network](**arguments)
    first = next(iter(result.weight_sets.values()))
    module.load_state_dict({**first, **result.weight_sets.get("phi_star", {})})
    return module.eval().requires_grad_(False)


def accuracy(surrogate: Any, x: Tensor, y: Tensor) -> dict[str, Any]:
    """What a surrogate makes of held-out pairs x (n, d), y (n, m): R², MAE, largest error, for each property.

    Where it has a spread: ``error_per_spread``, the root mean square error over that of the spread. One means that the
    spread is as large as the error; two, that the error is twice as large. And ``covered``: the share of the pairs
    within ŷ ± 1.645 spreads, which is 0.9 where the spread is right.
    """
    with torch.no_grad():
        predict = getattr(surrogate, "predict", surrogate)
        parts = x.split(10_000) if hasattr(surrogate, "half_width") else x.float().split(10_000)
        predicted = torch.cat([predict(part).double() for part in parts])
        doubted = [surrogate.spread(part).double() for part in parts] if hasattr(surrogate, "spread") else []
    error = predicted - y
    variance = (y - y.mean(0)).square().mean(0)
    found: dict[str, Any] = {
        "n": len(x),
        "r2": [round(v, 5) for v in (1 - error.square().mean(0) / variance.clamp(min=1e-300)).tolist()],
        "mae": [float(f"{v:.4g}") for v in error.abs().mean(0).tolist()],
        "largest_error": [float(f"{v:.4g}") for v in error.abs().amax(0).tolist()],
    }
    if doubted:
        ratio = error.square().mean(0).sqrt() / torch.cat(doubted).square().mean(0).sqrt().clamp(min=1e-300)
        found["error_per_spread"] = [float(f"{v:.3g}") for v in ratio.tolist()]
        inside = error.abs() <= NORMAL * torch.cat(doubted)
        found["covered"] = [round(v, 3) for v in inside.double().mean(0).tolist()]
    return found
