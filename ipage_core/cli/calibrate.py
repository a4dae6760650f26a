"""``calibrate``: intervals for the predictions of trained models, from results of Ω that they have not learned."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ipage_core.cli.shared import find_task


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("task", metavar="TASK", nargs="?")
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="folder of models (default: those that ship, or the problem's own)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the calibration to the cards in the folder, and print one JSON line for each."""
    task = find_task(arguments.task, arguments.model)
    from ipage_core.inference.methods import ModelUnavailable
    from ipage_core.runtime.paths import PRETRAINED
    from ipage_core.training.calibrate import calibrate
    from ipage_core.training.calibration import surrogates

    folder = arguments.model or task.models_folder or PRETRAINED / task.name
    models = [name for name in sorted(surrogates()) if (folder / f"{name}.json").exists()]
    if not models:
        raise ModelUnavailable(f"There is no trained surrogate of {task.name} in {folder}: train it first")
    for model in models:
        said = calibrate(task, model, folder)["calibration"]
        print(json.dumps({"model": model, **{name: said[name] for name in ("level", "rows", "covered")}}))
