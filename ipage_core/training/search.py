"""Searches for a baseline's settings in short runs: ``python -m ipage_core search TASK METHOD``.

The score is the mean negative log-likelihood of held-out pairs at the best epoch (cVAE: its importance-weighted bound;
cells: per pixel, or per entry of their code). Ω is not used. The ranking of cVAEs changes during training, so they need
their full length: ``--epochs 100``, on cells 10. INN and cINN are tried with other couplings and bins, each as wide as
its size allows. Where the best lies at an edge of what was tried, the search goes on beyond it.

For the neural adjoint there are two searches. That over its descents is scored by the mean error at properties of
training pairs, with one design each, by Ω, or by the separate surrogate if Ω is slow. That over its network
(``--networks``) is scored by the squared error on validation pairs, and trains for as many epochs as iPage's two
networks together.

The log is ``pretrained/TASK/METHOD.search.json``, or ``na-network.search.json``. The best settings are copied by hand
into the task's ``recipes``; those of descents that suit most tasks stand in
``ipage_core.inference.methods.METHODS["na"]``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ipage_core.inference.methods import load
from ipage_core.inference.neural_adjoint import NeuralAdjoint
from ipage_core.inference.pipeline import design
from ipage_core.networks import networks_of
from ipage_core.problem.recipe import Recipe
from ipage_core.problem.task import Task
from ipage_core.runtime.files import sole_writer, write_json
from ipage_core.runtime.paths import PRETRAINED
from ipage_core.training import baselines
from ipage_core.training.fit import fit
from ipage_core.training.recipes import recipe, surrogate_in, taken_over, taking_over, training_pairs

DESCENTS: list[dict[str, Any]] = [
    *({"optimizer": "lm", "per_design": k, "steps": steps} for k in (1, 2, 4, 8, 16) for steps in (1, 2, 3, 10, 25)),
    *({"optimizer": "adam", "per_design": k, "steps": 200} for k in (1, 4)),
    {"optimizer": "lm", "per_design": 64, "steps": 3},
]
"""Settings of ``na`` to try: descents per design, and steps per descent."""
NETWORK: dict[str, Any] = {"layers": 3, "learning_rate": 7.5e-4}
"""The network of ``na`` from which its search begins, unless the task has its own. All have iPage's size."""
GAIN = 0.1
"""The search for networks goes on while a neighbour is better by this share."""
MANY = 100
"""With more coordinates than this a descent is expensive."""


def candidates(task: Task, model: str) -> list[dict[str, Any]]:
    """The arguments to try, besides the defaults."""
    own = task.recipes.get(model, Recipe())
    if own.tried:
        return [dict(tried) for tried in own.tried]
    if model == "mdn" and not own.network:
        return [{"components": 12}, {"components": 48}, {"components": 96}, {"components": 192}]
    if model == "cvae" and not own.network:
        free, d = task.d - task.n_targets, task.d
        tried: list[dict[str, Any]] = [{"latent": free}, {"latent": d}, {"latent": 2 * d}]
        tried += [{"latent": k, "annealing": 500} for k in (d, 2 * d)]
        published = {"layers": 6, "normalized": True, "support": []}  # Ren et al. 2020: weight 2 sd² of the KL term
        return tried + [{"latent": k, "decoder_sd": sd} | published for k in (d + 1, d + 2) for sd in (0.05, 0.09)]
    if model in ("inn", "cinn") and not own.network:
        return [{"couplings": k, "bins": bins} for k, bins in ((4, 12), (4, 32), (6, 12), (6, 32), (8, 8))]
    raise ValueError(f"'{model}' of {task.name} has no settings to try; accepted: inn, cinn, mdn, cvae, na")


def beyond(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What to try next: the best, with one and a half times or two thirds of each value that lies at an edge.

    >>> beyond([{"tried": {"latent": 4}, "score": 0.1}, {"tried": {"latent": 2}, "score": 0.2}])
    [{'latent': 6}]
    """
    best = min(rows, key=lambda row: row["score"])["tried"]
    found = []
    for name, value in best.items():
        values = [row["tried"][name] for row in rows if name in row["tried"]]
        if type(value) not in (int, float) or min(values) == max(values):
            continue  # a switch, or one that all have
        whole = type(value) is int
        if value == max(values):
            found.append(best | {name: max(value + 1, 3 * value // 2) if whole else float(f"{1.5 * value:.2g}")})
        if value == min(values) and value != 1:
            found.append(best | {name: max(1, 2 * value // 3) if whole else float(f"{value / 1.5:.2g}")})
    return found


def search(task: Task, model: str, epochs: int, folder: Path) -> dict[str, Any]:
    """Train every candidate for a few epochs, and more while the best lies at an edge of what was tried.

    The log is written beside the card, best first.
    """
    x, y, about = training_pairs(task, model, lambda: surrogate_in(task, folder))
    like = baselines.size(task, *recipe(task, "inn")[:2])
    path = folder / f"{model}.search.json"
    begin = taken_over(surrogate_in(task, folder)) if model == "inn" else None

    def train(tried: dict[str, Any]) -> dict[str, Any]:
        if model in baselines.NAMES:
            own = replace(task.recipes.get(model, Recipe()), arguments=tried)
            network, arguments, settings = baselines.recipe(task, model, own, lambda: like)
        else:
            network, usual, settings = recipe(task, model)
            arguments = baselines.of_size(task, network, usual | tried, like)
            arguments = taking_over(task, network, arguments, folder) if begin else arguments
        run = fit(networks_of(task)[network], arguments, x, y, replace(settings, epochs=epochs), begin_from=begin)
        score = min(row["validation_nll"] for row in run.history)
        parameters = baselines.size(task, network, arguments)
        return {"score": score, "parameters": parameters, "seconds": round(run.seconds, 1)}

    head = {
        "command": f"python -m ipage_core search {task.name} {model} --epochs {epochs}",
        "score": "negative log-likelihood of validation pairs, nats; a bound for cvae",
        "data": about,
    }
    log = _logged(path, head, candidates(task, model), train)
    while further := beyond(log["rows"]):
        log = _logged(path, head, further, train)
    return log


def search_descents(task: Task, folder: Path) -> dict[str, Any]:
    """Run ``na`` with every setting of :data:`DESCENTS`, and more while the best lies at an edge.

    The log is written best first.
    """
    _, y, about = training_pairs(task, "na", lambda: surrogate_in(task, folder))
    targets = y[: 200 if task.d > MANY else 1000, : task.n_targets].double()
    method = load(task, "na", models=folder)
    judge = None if task.verifies_by_default else load(task, "prior-lm", models=folder).surrogate
    proposal = method.proposal
    assert isinstance(proposal, NeuralAdjoint)

    def descend(tried: dict[str, Any]) -> dict[str, Any]:
        as_tried = replace(method, proposal=proposal.searching(replace(proposal.search, **tried)))
        verify = "none" if judge else "all"
        designs = design(task, as_tried, targets, 1, sampling="srs", verify=verify, record_every=10_000)
        with torch.no_grad():
            achieved = judge(designs.final.float()).double() if judge else designs.verification.y
        errors = (achieved[:, : task.n_targets] - targets).square().sum(1)
        seconds = round(designs.seconds["proposal"], 2)
        return {"score": errors.mean().item(), "median": errors.median().item(), "seconds": seconds}

    by = "a surrogate, not Ω" if judge else "Ω"
    head = {
        "command": f"python -m ipage_core search {task.name} na",
        "score": f"mean squared error at {len(targets)} y of training pairs, by {by}",
        "data": about,
    }
    path, tried = folder / "na.search.json", DESCENTS
    while tried:
        log = _logged(path, head, tried, descend)
        optimizer = min(log["rows"], key=lambda row: row["score"])["tried"]["optimizer"]
        tried = beyond([row for row in log["rows"] if row["tried"]["optimizer"] == optimizer])
    return log


def search_networks(task: Task, folder: Path) -> dict[str, Any]:
    """Train networks of ``na`` for the epochs of iPage's surrogate and INN, until no neighbour is better by a tenth.

    Neighbours have one layer more or fewer, or twice or half the learning rate; where the task has a network of its
    own, its rate alone is searched, from that of its recipe. Smaller gains are less than what two training seeds differ
    by. The log is written best first.
    """
    x, y, about = training_pairs(task, "na", lambda: surrogate_in(task, folder))
    like = baselines.size(task, *recipe(task, "inn")[:2])
    network, usual, settings = recipe(task, "na")
    own = task.recipes.get("na", Recipe()).network
    epochs = recipe(task, "mlp")[2].epochs + recipe(task, "inn")[2].epochs

    def train(tried: dict[str, Any]) -> dict[str, Any]:
        arguments = usual if own else baselines.of_size(task, network, usual | {"layers": tried["layers"]}, like)
        its = replace(settings, epochs=epochs, learning_rate=tried["learning_rate"])
        run = fit(networks_of(task)[network], arguments, x, y, its)
        score = min(row["validation_l2"] for row in run.history)
        parameters = baselines.size(task, network, arguments)
        return {"score": score, "parameters": parameters, "seconds": round(run.seconds, 1)}

    head = {
        "command": f"python -m ipage_core search {task.name} na --networks",
        "score": f"mean squared error on validation pairs; {epochs} epochs, as many as iPage's surrogate and INN",
        "data": about,
    }
    path = folder / "na-network.search.json"
    at = {"learning_rate": settings.learning_rate} if own else NETWORK
    while True:
        log = _logged(path, head, [at, *_neighbours(at)], train)
        score = {tuple(row["tried"].values()): row["score"] for row in log["rows"]}
        best = min(_neighbours(at), key=lambda one: score[tuple(one.values())])
        if score[tuple(best.values())] > (1 - GAIN) * score[tuple(at.values())]:
            return log
        at = best


def _neighbours(network: dict[str, Any]) -> list[dict[str, Any]]:
    rate = network["learning_rate"]
    found = [network | {"learning_rate": other} for other in (rate / 2, 2 * rate)]
    layers = network.get("layers", 0)
    return found + [network | {"layers": n} for n in (layers - 1, layers + 1) if layers and n > 0]


def _logged(
    path: Path, head: dict[str, Any], tried: list[dict[str, Any]], run: Callable[[dict[str, Any]], dict[str, Any]]
) -> dict[str, Any]:
    """Run the settings missing in the log at ``path``, or all if its head differs; write the log after each.

    Raises:
        ValueError: another search writes this log. Trainings may go on in its folder.
    """
    with sole_writer(path.parent, lock_name=f".{path.name}.lock"):
        return _filled(path, head, tried, run)


def _filled(
    path: Path, head: dict[str, Any], tried: list[dict[str, Any]], run: Callable[[dict[str, Any]], dict[str, Any]]
) -> dict[str, Any]:
    log = json.loads(path.read_text()) if path.exists() else {}
    rows: list[dict[str, Any]] = log["rows"] if all(log.get(k) == v for k, v in head.items()) else []
    for one in tried:
        if any(one == row["tried"] for row in rows):
            continue
        rows.append({"tried": one} | run(one))
        print(json.dumps(rows[-1]), flush=True)
        log = head | {"rows": sorted(rows, key=lambda row: row["score"])}
        write_json(path, log)
    return log


def best(task: Task, model: str) -> dict[str, Any]:
    """The best arguments in the log of ``pretrained/``."""
    log = json.loads((PRETRAINED / task.name / f"{model}.search.json").read_text())
    return min(log["rows"], key=lambda row: row["score"])["tried"]
