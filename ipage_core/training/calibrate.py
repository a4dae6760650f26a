"""Calibrate the predictions of a surrogate on results of Ω that it has not learned; its card keeps the calibration.

Which rows these are: stored rows that the surrogate was not trained on, and the rows kept for tests; else new random
designs, evaluated by an Ω that runs in this process; else, for an ensemble whose members leave out a part of the rows
each, all rows, predicted by the members that have not seen them.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from ipage_core.inference.calibration import FEWEST, Calibration
from ipage_core.inference.methods import METHODS
from ipage_core.networks import networks_of
from ipage_core.networks.base import Network
from ipage_core.networks.ensemble import Ensemble
from ipage_core.networks.store import fingerprint, load_card, load_model
from ipage_core.problem.task import Task
from ipage_core.runtime.files import replacing
from ipage_core.training.choose import LeftOut, of_the_mean
from ipage_core.training.datasets import digests

MOST_DRAWS, SHARE, SEED = 1000, 10, 1_000_000_007
"""New random designs: at most so many, and no more than 1/SHARE of the training pairs; their seed."""
AT_ONCE = 2000
"""Number of designs predicted in one batch."""


class Unlearned(NamedTuple):
    """Rows that a surrogate has not learned, with its predictions."""

    predicted: Tensor
    """(k, m)."""
    spread: Tensor | None
    """(k, m)."""
    y: Tensor
    """(k, m) results of Ω."""
    rows: str
    """What the rows are."""


def surrogates() -> frozenset[str]:
    """Names of the models that are a method's surrogate."""
    return frozenset(row.surrogate[0] for row in METHODS.values() if row.surrogate is not None)


def calibration(task: Task, surrogate: Network, x: Tensor, y: Tensor) -> Calibration | None:
    """The calibration of a surrogate that was trained on pairs x (n, d), y (n, k).

    None if its spread is calibrated by itself, or if there are too few rows that it has not learned.
    """
    if surrogate.interval(x[:1].to(surrogate.reads)) is not None:
        return None
    found = _unlearned(task, surrogate, x, y[:, : task.n_targets])
    return None if found is None else Calibration.fitted(*found)


def _unlearned(task: Task, surrogate: Network, x: Tensor, y: Tensor) -> Unlearned | None:
    known, m = set(digests(x)), task.n_targets
    parts = []
    for source in (task.stored, task.held_out, task.test_pairs):
        if source is not None:
            rows, results = source()
            new = [i for i, digest in enumerate(digests(rows)) if digest not in known]
            known |= set(digests(rows[new]))
            parts.append((rows[new], results[new, :m]))
    if sum(len(rows) for rows, _ in parts) >= FEWEST:
        rows, results = (torch.cat(columns).double() for columns in zip(*parts, strict=True))
        return _predicted(surrogate, rows, results, f"{len(rows):,} results that the surrogate has not learned")
    if isinstance(surrogate, Ensemble) and surrogate.leave_out:
        error, spread = surrogate.left_out(x.double(), y.double())
        error = of_the_mean(LeftOut(error, spread), len(surrogate.weights[0])).error
        return Unlearned(y - error, spread, y, f"{len(x):,} results, each predicted without learning it")
    if task.omega is None or task.in_processes:
        return None
    n = min(MOST_DRAWS, len(x) // SHARE)
    if task.new_pairs is not None:
        rows, results = task.new_pairs(n, SEED)
    else:
        rows = task.sample_prior(n, Generator().manual_seed(SEED))
        results = task.omega(rows)
    return _predicted(surrogate, rows, results[:, :m], f"{n:,} random designs that the surrogate has not learned")


@torch.no_grad()
def _predicted(surrogate: Network, x: Tensor, y: Tensor, rows: str) -> Unlearned:
    m, parts = y.shape[1], [part.to(surrogate.reads) for part in x.split(AT_ONCE)]
    spreads = [surrogate.spread(part) for part in parts]
    spread = torch.cat([one[:, :m] for one in spreads if one is not None]) if spreads[0] is not None else None
    return Unlearned(torch.cat([surrogate(part)[:, :m] for part in parts]), spread, y, rows)


def calibrate(task: Task, model: str, folder: Path) -> dict[str, Any]:
    """Calibrate a trained model anew, and write the result to its card; the weights stay. → the card.

    Raises:
        ValueError: the model is missing or no surrogate, its training rows are not there any more, or there are too few
            rows that it has not learned.
    """
    from ipage_core.training.recipes import surrogate_in, training_pairs

    if model not in surrogates():
        raise ValueError(f"'{model}' predicts nothing for a method; accepted: {', '.join(sorted(surrogates()))}")
    modules, card = load_model(task.name, model, folder=folder, networks=networks_of(task))
    surrogate = list(modules.values())[-1].surrogate  # φ* where there are both
    learned = "mlp" if (folder / "mlp.json").exists() and model == "inn" else model  # an INN takes over the surrogate
    its = load_card(task.name, learned, folder=folder)
    if "learned" in its:
        raise ValueError(f"{folder / learned} has learned from verified designs, which are not stored: learn anew")
    words = shlex.split(its["command"])
    rows = words[words.index("--rows") + 1] if "--rows" in words else None
    x, y, _ = training_pairs(task, learned, lambda: surrogate_in(task, folder), rows)
    if fingerprint(x, y) != its["data"]["sha256"]:
        raise ValueError(f"The rows that {folder / learned} has learned are not those of {task.name} today")
    made = calibration(task, surrogate, x, y)
    if made is None:
        raise ValueError(
            f"{folder / model}: there are too few rows that it has not learned, or its intervals come from left-out "
            "rows already"
        )
    card["calibration"] = made.card()
    with replacing(folder / f"{model}.json") as beside:
        beside.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    return card
