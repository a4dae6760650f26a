"""Calibrate a trained model anew, from its card and the rows that are there today."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from ipage_core.networks import networks_of
from ipage_core.networks.store import fingerprint, load_card, load_model
from ipage_core.problem.task import Task
from ipage_core.runtime.files import PATIENCE, sole_writer, write_json
from ipage_core.training.calibration import calibration, surrogates
from ipage_core.training.recipes import surrogate_in, taught_by, training_pairs


def calibrate(task: Task, model: str, folder: Path) -> dict[str, Any]:
    """Calibrate a trained model anew, and write the result to its card; the weights stay. → the card.

    Raises:
        ValueError: the model is missing or no surrogate, its training rows are not there any more, there are too few
            rows that it has not learned, or another run is writing to the folder.
    """
    if model not in surrogates():
        raise ValueError(f"'{model}' predicts nothing for a method; accepted: {', '.join(sorted(surrogates()))}")
    load_card(task.name, model, folder=folder)  # before the lock, which makes a folder
    with sole_writer(folder, PATIENCE):
        return _calibrate(task, model, folder)


def _calibrate(task: Task, model: str, folder: Path) -> dict[str, Any]:
    modules, card = load_model(task.name, model, folder=folder, networks=networks_of(task))
    surrogate = list(modules.values())[-1].surrogate  # φ* where there are both
    learned = "mlp" if (folder / "mlp.json").exists() and model == "inn" else model  # an INN takes over the surrogate
    its = load_card(task.name, learned, folder=folder)
    if "learned" in its:
        raise ValueError(f"{folder / learned} has learned from verified designs, which are not stored: learn anew")
    words = shlex.split(its["command"])
    rows = words[words.index("--rows") + 1] if "--rows" in words else None
    x, y, about = training_pairs(task, learned, lambda: surrogate_in(task, folder), rows)
    if fingerprint(x, y) != its["data"]["sha256"]:
        raise ValueError(f"The rows that {folder / learned} has learned are not those of {task.name} today")
    made = calibration(task, surrogate, x, y, taught_by(task, about, rows))
    if made is None:
        raise ValueError(
            f"{folder / model}: there are too few rows that it has not learned, or its intervals come from left-out "
            "rows already"
        )
    card["calibration"] = made.card()
    write_json(folder / f"{model}.json", card)
    return card
