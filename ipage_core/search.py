"""``python -m ipage_core.search TASK METHOD`` tries a baseline's settings in short runs, judged by held-out pairs.

The score is the mean negative log-likelihood of held-out pairs (cVAE: its importance-weighted bound) at the best epoch;
Ω at a target has no part in it. The log is ``pretrained/TASK/METHOD.search.json``; what is best goes into
``ipage_core.baselines.FOUND`` by hand.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ipage_core import baselines
from ipage_core.recipes import recipe, training_pairs
from ipage_core.shipped import PRETRAINED
from ipage_core.store import replacing
from ipage_core.tasks import TASKS, Task
from ipage_core.training import fit


def candidates(task: Task, model: str) -> list[dict[str, Any]]:
    """The arguments to try, besides the defaults' own."""
    if task.parametrize is not None:  # cells: of the components, and of the channels of the code
        grid = {"mdn": ("components", (2, 6, 12)), "cvae": ("channels", (8, 16, 32))}
        name, values = grid[model]
        return [{name: value} for value in values]
    if model == "mdn":
        return [{"components": 12}, {"components": 48}, {"components": 96}, {"components": 192}]
    if model == "cvae":
        free, d = task.d - task.n_targets, task.d
        tried: list[dict[str, Any]] = [{"latent": free}, {"latent": d}, {"latent": 2 * d}]
        tried += [{"latent": k, "annealing": 500} for k in (d, 2 * d)]
        return [*tried, {"latent": d, "annealing": 500, "beta": 0.3}]
    raise ValueError(f"'{model}' has no settings to search for; accepted: mdn, cvae")


def search(task: Task, model: str, epochs: int, folder: Path) -> dict[str, Any]:
    """Train every candidate for a few epochs and keep the log, best first, beside the card."""
    x, y, about = training_pairs(task, model, folder)
    like = baselines.size(*recipe(task, "inn")[:2])
    path = folder / f"{model}.search.json"
    command = f"python -m ipage_core.search {task.name} {model} --epochs {epochs}"
    log = json.loads(path.read_text()) if path.exists() else {}
    rows: list[dict[str, Any]] = log["rows"] if (log.get("command"), log.get("data")) == (command, about) else []
    for tried in candidates(task, model):
        if any(tried == row["tried"] for row in rows):
            continue
        network, arguments, settings = baselines.recipe(task, model, like, tried)
        run = fit(network, arguments, x, y, replace(settings, epochs=epochs))
        score = min(next(v for k, v in row.items() if k.startswith("validation_")) for row in run.history)
        parameters = baselines.size(network, arguments)
        rows.append({"tried": tried, "score": score, "parameters": parameters, "seconds": round(run.seconds, 1)})
        print(json.dumps(rows[-1]), flush=True)
        log = {
            "command": command,
            "score": "negative log-likelihood of validation pairs, nats; a bound for cvae",
            "data": about,
            "rows": sorted(rows, key=lambda row: row["score"]),
        }
        with replacing(path) as beside:
            beside.write_text(json.dumps(log, indent=2, ensure_ascii=False) + "\n")
    return log


def best(task: Task, model: str) -> dict[str, Any]:
    """The arguments that the log in ``pretrained/`` puts first."""
    log = json.loads((PRETRAINED / task.name / f"{model}.search.json").read_text())
    return min(log["rows"], key=lambda row: row["score"])["tried"]


def main() -> None:
    """Run the search of one method on one task."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("method", choices=("mdn", "cvae"))
    parser.add_argument("--epochs", type=int, default=30, help="of each run (default %(default)s)")
    arguments = parser.parse_args()
    search(TASKS[arguments.task], arguments.method, arguments.epochs, PRETRAINED / arguments.task)


if __name__ == "__main__":
    main()
