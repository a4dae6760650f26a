"""Recipes: how each model in ``pretrained/`` is built and trained."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any

import torch
from torch import Tensor

from ipage_core.inference.methods import METHODS
from ipage_core.networks import networks_of
from ipage_core.networks.base import Network
from ipage_core.networks.ensemble import Ensemble
from ipage_core.networks.store import fingerprint, load_card, load_tensors, save_model, sha256
from ipage_core.problem.recipe import Recipe
from ipage_core.problem.task import Task
from ipage_core.runtime.files import sole_writer
from ipage_core.tasks.table.surrogate import NORMAL
from ipage_core.training import baselines
from ipage_core.training.calibration import calibration, surrogates
from ipage_core.training.datasets import chosen_rows, pairs
from ipage_core.training.fit import Fit, Settings, fit
from ipage_core.training.table import fit_table

BUILT_AS = {"inn": "inn", "inn-paper": "inn", "inn-alternating": "inn", "cinn": "cinn", "mlp": "mlp"}
"""Model → name of its network, see :func:`ipage_core.networks.networks_of`."""
SPLINES = {"couplings": 6, "bins": 12, "hidden": 96}
SIZES = {"small": 0.5, "usual": 1.0, "large": 2.0}
"""Factors on the widths of the networks, by size."""


def recipe(task: Task, model: str, size: str = "usual") -> tuple[str, dict[str, Any], Settings]:
    """(name of the network, its arguments, its training settings) of a model: defaults, overridden by the task.

    The surrogate of an INN is not among the arguments: it is the model beside it.

    Raises:
        ValueError: unknown model or size, or a size that the task does not have.
    """
    if size not in SIZES:
        raise ValueError(f"size '{size}' is not known; accepted: {', '.join(SIZES)}")
    if size != "usual":
        if size not in task.sizes or model in baselines.NAMES:
            raise ValueError(f"The networks '{model}' of {task.name} have one size; accepted: usual")
        network, usual, settings = recipe(task, model)
        wide = {name: round(SIZES[size] * n) for name, n in _widths(task, network, usual).items()}
        return network, usual | wide, settings
    if model not in BUILT_AS and model not in baselines.NAMES:
        raise ValueError(f"model '{model}' is not known; accepted: {', '.join((*BUILT_AS, *baselines.NAMES))}")
    if model not in task.recipes and "inn" in task.recipes and task.recipes["inn"].network:
        raise ValueError(f"model '{model}' does not exist for {task.name}; accepted: {', '.join(task.recipes)}")
    own = task.recipes.get(model) or task.recipes.get(BUILT_AS.get(model, model), Recipe())
    if model in baselines.NAMES or own.network:
        return baselines.recipe(task, model, own, lambda: baselines.size(task, *recipe(task, "inn")[:2]))
    arguments: dict[str, Any] = {"d": task.d, "m": task.n_targets}
    settings = Settings(learning_rate=5e-3, epochs=100)
    if model == "mlp":
        settings = Settings(learning_rate=3e-3, epochs=160, batch=125)
        return "mlp", arguments | own.arguments, replace(settings, **own.settings)
    arguments |= SPLINES
    if any(task.dequantize):
        # In the INN, the surrogate gives y of the noisy x. In a cINN, y is that of x without noise, so the noise is
        # half as wide.
        share = 0.5 if model == "cinn" else 1.0
        arguments["dequantize"] = [share * half_width for half_width in task.dequantize]
    bounded = [
        j for j, interval in enumerate(task.support) if interval is not None
    ]  # these are standardized differently
    if logarithmic := [j for j in _logarithmic(task) if j not in bounded]:
        arguments["logarithmic"] = logarithmic
    if any(task.support):
        arguments["support"] = [interval and list(interval) for interval in task.support]
    arguments, settings = arguments | own.arguments, replace(settings, **own.settings)
    if model == "inn-paper":  # Eqs. 4–7: no likelihood, all weights up to one N ≫ 1
        settings = replace(settings, lambda_nll=0.0, lambda_x=settings.lambda_y, lambda_z=settings.lambda_y)
    if model == "inn-alternating":
        arguments["order"] = "alternating"
    return BUILT_AS[model], arguments, settings


def _logarithmic(task: Task) -> list[int]:
    return [j for j, variable in enumerate(task.variables) if variable.scale == "log"]


def _widths(task: Task, network: str, arguments: dict[str, Any]) -> dict[str, int]:
    """The width arguments of a network, with their defaults."""
    build = Ensemble if network == "table" else networks_of(task)[network]
    usual = inspect.signature(build).parameters
    names = [name for name in ("hidden", "surrogate_hidden") if name in usual]
    return {name: arguments.get(name, usual[name].default) for name in names}


def surrogate_in(task: Task, folder: Path) -> Any:
    """The trained surrogate of a task in ``folder``."""
    card = json.loads((folder / "mlp.json").read_text())
    surrogate = networks_of(task)[card["model"]](**card["arguments"])
    tensors, _ = load_tensors(folder / "mlp.safetensors")
    # Sorted, φ comes before φ*; the last is φ* (best epoch) if both exist.
    surrogate.load_state_dict({name.split(".", 1)[1]: tensors[name] for name in sorted(tensors)})
    return surrogate.eval().requires_grad_(False)


def taking_over(task: Task, network: str, arguments: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The arguments of an INN with the surrogate in ``folder``, if its network can have one."""
    if "surrogate" not in inspect.signature(networks_of(task)[network]).parameters:
        return arguments
    card = json.loads((folder / "mlp.json").read_text())
    own = {name: value for name, value in card["arguments"].items() if name not in ("d", "m")}
    return arguments | {"surrogate": {"model": card["model"], **own}}


def taken_over(surrogate: Any) -> dict[str, Tensor]:
    """The weights of a surrogate by their names in an INN, for ``begin_from`` of ``fit``."""
    return {f"t.{name}": value for name, value in surrogate.state_dict().items()}


def _trained(
    task: Task,
    model: str,
    folder: Path,
    network: str,
    arguments: dict[str, Any],
    settings: Settings,
    rows: str | None = None,
) -> dict[str, Any] | None:
    """The card of a model in ``folder`` if it has this recipe, these settings and these rows; else None."""
    card = _card(folder / f"{model}.json")
    if card is None or not (folder / f"{model}.safetensors").exists():
        return None
    wanted = json.loads(json.dumps([network, arguments, asdict(settings)]))
    made = card.get("recipe") or [card.get("model"), card.get("arguments")]
    alike = card.get("task") == task.name and [*made, card.get("settings")] == wanted
    alike = alike and card.get("sha256") == sha256(folder / f"{model}.safetensors")  # a kill may come between the two
    generated = task.omega is not None and rows is None
    return card if alike and (generated or knows_all_rows(task, model, folder, rows)) else None


def _card(path: Path) -> dict[str, Any] | None:
    """A model's card; None if there is none, or it is damaged: the model is trained anew."""
    try:
        card = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return None
    return card if isinstance(card, dict) and isinstance(card.get("data"), dict) else None


def knows_all_rows(task: Task, model: str, folder: Path, rows: str | None = None) -> bool:
    """Whether the model in ``folder`` was trained on the rows that the task has today, or on those chosen of them."""
    card = _card(folder / f"{model}.json")
    if card is None:
        return False
    try:
        _, _, about = training_pairs(task, model, lambda: surrogate_in(task, folder), rows)
    except FileNotFoundError:
        return False
    return bool(card["data"].get("sha256") == about["sha256"])


def training_pairs(
    task: Task, model: str, surrogate: Callable[[], Any], rows: str | None = None
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Training pairs x (n, d), y (n, m) of a model, and their description for its card.

    ``surrogate()`` is the trained surrogate, which may be needed: see ``Task.training_pairs``. ``rows`` chooses among
    the task's rows (:func:`ipage_core.training.datasets.chosen_rows`); the surrogate's labels of drawn x are all kept.

    Raises:
        ValueError: ``rows`` are not accepted.
    """
    if task.training_pairs is not None:
        x, y, about = task.training_pairs(model, surrogate)
    else:
        x, y = pairs(task)
        about = {"seed": 0} if task.stored is None else {"from": task.source}
    if rows is not None and "computed" in about:
        x_computed, y_computed, _ = training_pairs(task, "mlp", surrogate, rows)
        computed = {"n": len(x_computed), "sha256": fingerprint(x_computed, y_computed)}
        about = about | {"computed": about["computed"] | computed}
    elif rows is not None:
        numbers = chosen_rows(rows, len(x))
        x, y = x[numbers], y[numbers]
    return x, y, {"n": len(x), **about, "sha256": fingerprint(x, y)}


def taught_by(task: Task, about: dict[str, Any], rows: str | None = None) -> Tensor | None:
    """Designs (k, d) of the computed rows behind the labels of a model's training pairs; None if Ω made these itself.

    ``about`` and ``rows`` are those of :func:`training_pairs`.
    """
    if "labelled_by" not in about:
        return None
    return training_pairs(task, "mlp", lambda: None, rows)[0]


def train(
    task: Task,
    model: str,
    out: Path,
    *,
    epochs: int | None = None,
    size: str = "usual",
    seed: int = 0,
    device: torch.device | str = "cpu",
    rows: str | None = None,
    resume: bool = False,
    progress: Callable[[dict[str, Any]], None] = lambda row: None,
) -> dict[str, Any]:
    """Train a task's model by its recipe and save it in ``out``. → its card.

    ``out`` holds a checkpoint during the training; ``resume`` continues from it, and leaves a finished model as it is.
    ``rows`` chooses among the task's rows, see :func:`training_pairs`.

    Raises:
        ValueError: unknown model or size, rows that are not there, a model of another task in ``out``, a checkpoint of
            another run, or another run is writing to ``out``.
    """
    with sole_writer(out):
        return _train(task, model, out, epochs, size, seed, device, rows, resume, progress)


def _train(
    task: Task,
    model: str,
    out: Path,
    epochs: int | None,
    size: str,
    seed: int,
    device: torch.device | str,
    rows: str | None,
    resume: bool,
    progress: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    network, arguments, settings = _asked(task, model, size, seed, epochs)
    if settings.epochs < 1:
        raise ValueError(f"Expected at least 1 epoch, got {settings.epochs}")
    card = _card(out / f"{model}.json")
    if card is not None and card.get("task") != task.name:
        raise ValueError(f"{out} holds a model '{model}' of {card.get('task')}: name another --out")

    def surrogate() -> Any:
        """The surrogate: that in ``out`` if its recipe and data agree, else it is trained first."""
        if _trained(task, "mlp", out, *_asked(task, "mlp", size, seed, epochs), rows) is None:
            _train(task, "mlp", out, epochs, size, seed, device, rows, resume, progress)
        return surrogate_in(task, out)

    begin_from = None
    if model == "inn" or networks_of(task)[network].given_surrogate:
        taken = surrogate()
        arguments, begin_from = taking_over(task, network, arguments, out), taken_over(taken)
    if resume and (card := _trained(task, model, out, network, arguments, settings, rows)) is not None:
        return card
    checkpoint = out / f"{model}.checkpoint.safetensors"
    if checkpoint.exists() and not resume:
        raise ValueError(f"{checkpoint} is left from a stopped run: continue with --resume, or remove it")
    x, y, about_pairs = training_pairs(task, model, surrogate, rows)
    about: dict[str, Any] = {}

    def report(row: dict[str, float]) -> None:
        progress({"model": model, **row, "device": str(device)})

    if network == "table":
        made, result, choice = fit_table(
            x,
            y,
            task.bounds,
            arguments,
            settings,
            log_x=_logarithmic(task),
            levels={j: len(v.levels) for j, v in enumerate(task.variables) if v.kind == "category"},
            device=device,
            checkpoint=checkpoint,
            progress=report,
        )
        about = {"recipe": [network, arguments], "choice": choice}
        arguments = made.arguments
    else:
        result = fit(
            networks_of(task)[network],
            arguments,
            x,
            y,
            settings,
            begin_from=begin_from,
            device=device,
            checkpoint=checkpoint,
            progress=report,
        )
    best = result.history[-1]
    if "phi_star" in result.weight_sets:
        best = min(result.history, key=lambda row: next(v for k, v in row.items() if k.startswith("validation_")))
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
        "command": _command(task, model, out, epochs, size, seed, rows),
    }
    trained = _surrogate_of(task, network, arguments, result)
    if task.held_out is not None and trained is not None:
        card["held_out"] = accuracy(trained, *task.held_out())
    if begin_from is not None:  # an INN keeps the surrogate that it takes over
        if calibrated := load_card(task.name, "mlp", folder=out).get("calibration"):
            card["calibration"] = calibrated
    elif model in surrogates() and trained is not None:
        found = calibration(task, trained, x, y, taught_by(task, about_pairs, rows))
        card |= {"calibration": found.card()} if found else {}
    save_model(out, model, result.weight_sets, card)
    if task.models_folder == out.resolve() and task.note_accuracy is not None and "held_out" in card:
        task.note_accuracy(model, card["held_out"])
    checkpoint.unlink(missing_ok=True)
    return card


def _asked(task: Task, model: str, size: str, seed: int, epochs: int | None) -> tuple[str, dict[str, Any], Settings]:
    """The recipe with the seed, and with the number of epochs if one was asked for."""
    network, arguments, settings = recipe(task, model, size)
    return network, arguments, replace(settings, seed=seed, epochs=settings.epochs if epochs is None else epochs)


def _command(task: Task, model: str, out: Path, epochs: int | None, size: str, seed: int, rows: str | None) -> str:
    """The command that trains this model, by the method with the fewest models."""
    method = min((name for name, row in METHODS.items() if model in row.models), key=lambda m: len(METHODS[m].models))
    words = f"python -m ipage_core train {task.as_argument} --method {method} --out {out}"
    words += f" --epochs {epochs}" if epochs is not None else ""
    words += f" --size {size}" if size != "usual" else ""
    words += f" --seed {seed}" if seed else ""
    return words + (f" --rows {rows}" if rows else "")


def _surrogate_of(task: Task, network: str, arguments: dict[str, Any], result: Fit) -> Any:
    """The trained network if it predicts y, that is, if its history has a validation ℓ2 loss."""
    if not any("validation_l2" in row for row in result.history):
        return None
    module = networks_of(task)[network](**arguments)
    first = next(iter(result.weight_sets.values()))
    module.load_state_dict({**first, **result.weight_sets.get("phi_star", {})})
    return module.eval().requires_grad_(False).surrogate


def accuracy(surrogate: Network, x: Tensor, y: Tensor) -> dict[str, Any]:
    """Accuracy of a surrogate on held-out pairs x (n, d), y (n, m): R², MAE, largest error, for each property.

    If it gives a spread: ``error_per_spread``, the root mean square error divided by that of the spread (1: the spread
    is as large as the error; 2: the error is twice as large), and ``covered``, the share of the pairs within ŷ ± 1.645
    spreads (0.9 if the spread is right).
    """
    with torch.no_grad():
        parts = x.to(surrogate.reads).split(10_000)
        predicted = torch.cat([surrogate.predict(part).double() for part in parts])
        doubted = [spread.double() for part in parts if (spread := surrogate.spread(part)) is not None]
    error, known = predicted - y, ~y.isnan()
    variance = (y - y.nanmean(0)).square().nanmean(0)
    r2 = torch.where(known.sum(0) > 1, 1 - error.square().nanmean(0) / variance.clamp(min=1e-300), math.nan)
    figures: dict[str, Any] = {
        "n": len(x),
        "r2": [_figure(v, ".5f") for v in r2.tolist()],
        "mae": [_figure(v, ".4g") for v in error.abs().nanmean(0).tolist()],
        "largest_error": [_figure(v, ".4g") for v in torch.where(known, error.abs(), -1.0).amax(0).tolist()],
    }
    if not known.all():
        figures["known"] = known.sum(0).tolist()
    if doubted:
        spread = torch.where(known, torch.cat(doubted), math.nan)
        ratio = error.square().nanmean(0).sqrt() / spread.square().nanmean(0).sqrt().clamp(min=1e-300)
        figures["error_per_spread"] = [_figure(v, ".3g") for v in ratio.tolist()]
        inside = torch.where(known, (error.abs() <= NORMAL * spread).double(), math.nan)
        figures["covered"] = [_figure(v, ".3f") for v in inside.nanmean(0).tolist()]
    return figures


def _figure(value: float, form: str) -> float | None:
    """A rounded figure for a card; None if it cannot be computed."""
    return None if value != value else float(format(value, form))
