"""Learn from new results of Ω: a shipped surrogate trains for a few more epochs, on old and new rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ipage_core.inference.methods import folder as folder_of
from ipage_core.networks import networks_of
from ipage_core.networks.store import fingerprint, load_card, load_model, load_tensors, save_model
from ipage_core.problem.task import Task
from ipage_core.runtime.files import sole_writer
from ipage_core.training.calibration import calibration
from ipage_core.training.datasets import digests
from ipage_core.training.fit import Settings, fit
from ipage_core.training.recipes import taken_over, training_pairs

EPOCHS, SLOWER = 10, 10.0
"""Epochs, and the factor by which their learning rate is below the recipe's."""
SHARE = 0.1
"""Least share of new rows in an epoch: few ones are repeated."""
MOST_OLD, MOST_VALUES = 4000, 640_000
"""Maximum number of old rows that are learned again, and of their coordinates: a random choice. Cells of 1024 pixels
are few then, because a network takes some milliseconds for each."""


def new_rows(task: Task, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Of results x (n, d), y (n, m + p), those that Ω gave and that the task's stored rows lack, each once."""
    assert task.stored is not None
    known, kept = _digests_of(task.stored), []
    seen: set[bytes] = set()
    for i, digest in enumerate(digests(x)):
        if bool(y[i].isfinite().all()) and digest not in known and digest not in seen:
            seen.add(digest)
            kept.append(i)
    return x[kept], y[kept]


@lru_cache(maxsize=4)
def _digests_of(stored: Callable[[], tuple[Tensor, Tensor]]) -> frozenset[bytes]:
    """Digests of a task's stored designs."""
    return frozenset(digests(stored()[0]))


def learn(
    task: Task,
    x: Tensor,
    y: Tensor,
    out: Path,
    *,
    epochs: int = EPOCHS,
    progress: Callable[[dict[str, float]], None] = lambda row: None,
) -> dict[str, Any]:
    """Train the task's surrogate further with new results, and save it in ``out`` with the posterior that is there.

    The shipped files stay as they are. In an INN only the surrogate changes: its posterior shares no weight with it.

    Args:
        task: with stored rows and trained models ``mlp`` and ``inn``.
        x: designs (n, d).
        y: their results by Ω (n, m + p).
        out: a new folder.
        epochs: number of epochs.
        progress: called with a row per epoch.

    Returns:
        The card of the surrogate. ``learned`` holds the number of new rows, the hash of the surrogate that it began
        from, and the mean absolute error of the first property on the new rows, before and after.

    Raises:
        ValueError: nothing is new, ``out`` holds a model, a model is missing, or another run is writing to ``out``.
    """
    with sole_writer(out):
        return _learn(task, x, y, out, epochs, progress)


def _learn(
    task: Task, x: Tensor, y: Tensor, out: Path, epochs: int, progress: Callable[[dict[str, float]], None]
) -> dict[str, Any]:
    x, y = new_rows(task, x, y)
    if not len(x):
        raise ValueError(f"There is nothing new to learn: all results are among the stored rows of {task.name}")
    if (out / "mlp.json").exists():
        raise ValueError(f"{out} holds a model already: name another folder")
    shipped = folder_of(task, task.default_method)
    networks = networks_of(task)
    modules, card = load_model(task.name, "mlp", folder=shipped, networks=networks)
    old = next(iter(modules.values()))
    old_x, old_y, about = training_pairs(task, "mlp", lambda: old)
    wide = _as_pairs(task, y, old_y.shape[1])
    about |= {"n": len(old_x) + len(x), "new_sha256": fingerprint(x, wide)}
    all_x, all_y = old_x.double(), old_y.double()
    if len(old_x) > (most := min(MOST_OLD, MOST_VALUES // task.d)):
        some = torch.randperm(len(old_x), generator=torch.Generator().manual_seed(0))[:most]
        old_x, old_y = old_x[some], old_y[some]
        about["learned_again"] = most
    times = max(1, round(SHARE * len(old_x) / len(x)))
    rows = torch.cat((old_x.double(), x.double().repeat(times, 1)))
    values = torch.cat((old_y.double(), wide.repeat(times, 1)))
    recipe = Settings(**card["settings"])
    settings = replace(recipe, epochs=epochs, learning_rate=recipe.learning_rate / SLOWER)
    run = fit(
        networks[card["model"]],
        card["arguments"],
        rows,
        values,
        settings,
        begin_from=old.state_dict(),
        progress=progress,
    )
    new = networks[card["model"]](**card["arguments"])
    new.load_state_dict(run.weight_sets[old.weight_sets[-1]])
    new.eval().requires_grad_(False)
    learned = {
        "new": len(x),
        "from": card["sha256"],
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "mae_before": _mae(old, x, y),
        "mae_after": _mae(new, x, y),
    }
    made = card | {
        "settings": {**card["settings"], "epochs": epochs, "learning_rate": settings.learning_rate},
        "data": about,
        "history": run.history,
        "validation": {k: v for k, v in run.history[-1].items() if k.startswith("validation_") or k == "epoch"},
        "training_seconds": round(run.seconds, 1),
        "learned": learned,
    }
    made.pop("sha256")
    made.pop("calibration", None)
    if (calibrated := calibration(task, new, torch.cat((all_x, x)), torch.cat((all_y, wide)))) is not None:
        made["calibration"] = calibrated.card()
    _with_surrogate(task, shipped, out, new, made.get("calibration"))
    save_model(out, "mlp", run.weight_sets, made)
    return load_card(task.name, "mlp", folder=out)


def _as_pairs(task: Task, y: Tensor, k: int) -> Tensor:
    """Results of Ω (n, m + p) as y of the surrogate's training pairs (n, k); NaN: not said."""
    if task.taught is not None:
        return task.taught(y)
    wide = torch.full((len(y), k), torch.nan, dtype=torch.float64)
    wide[:, : y.shape[1]] = y[:, :k]
    return wide


def _with_surrogate(task: Task, shipped: Path, out: Path, surrogate: Any, calibrated: dict[str, Any] | None) -> None:
    """The INN of the folder ``shipped`` with another surrogate and its calibration, in ``out``."""
    card = load_card(task.name, "inn", folder=shipped)
    card.pop("calibration", None)
    if calibrated is not None:
        card["calibration"] = calibrated
    tensors, _ = load_tensors(shipped / "inn.safetensors")
    sets: dict[str, dict[str, Tensor]] = {name: {} for name in card["weight_sets"]}
    for key, value in tensors.items():
        name, _, parameter = key.partition(".")
        sets[name][parameter] = value
    first = next(iter(sets.values()))
    own = taken_over(surrogate)
    if unknown := set(own) - set(first):
        raise ValueError(f"The INN of {task.name} lacks the weights {', '.join(sorted(unknown)[:3])} of its surrogate")
    save_model(out, "inn", {name: {**first, **state, **own} for name, state in sets.items()}, _without_hash(card))


def _without_hash(card: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in card.items() if name != "sha256"}


def _mae(surrogate: Any, x: Tensor, y: Tensor) -> float:
    """Mean absolute error of the first property on designs x (n, d)."""
    with torch.no_grad():
        predicted = surrogate.predict(x.to(surrogate.reads))[:, 0].double()
    return float(f"{(predicted - y[:, 0]).abs().mean():.4g}")
