"""fit(): train one network on pairs with a seed; it can be resumed, and returns the losses."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from ipage_core.networks.base import Network
from ipage_core.networks.losses import dynamic_weights
from ipage_core.networks.store import fingerprint, load_tensors, save_tensors
from ipage_core.runtime.adam import AdamW

CLIP_NORM = 10.0
"""Clipping norm of the likelihood's gradient: a spline's can explode in one batch and undo fifty epochs."""


@dataclass(frozen=True)
class Settings:
    """Training settings. The λ's are end points of :func:`~ipage_core.networks.losses.dynamic_weights`."""

    epochs: int = 300
    batch: int = 250
    epoch_size: int | None = None
    """Number of pairs drawn per epoch; None: all."""
    learning_rate: float = 1e-3
    beta2: float = 0.95
    """β₂ of Adam. With 0.999 the same number of steps left the surrogates 5–15 times less accurate."""
    weight_decay: float = 0.0
    validation_fraction: float = 0.05
    seed: int = 0
    lambda_y: float = 1000.0
    lambda_x: float = 1.0
    """Ten times larger MMD weights made the posterior twice as inaccurate."""
    lambda_z: float = 1.0
    lambda_nll: float = 1.0


@dataclass
class Fit:
    """A trained network: its weight sets, and one row of losses per epoch."""

    weight_sets: dict[str, dict[str, Tensor]]
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0


def pick_device(name: str) -> torch.device:
    """The device: ``auto`` is cuda, else mps, else cpu.

    Raises:
        ValueError: this device does not exist.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(d for d, is_there in there.items() if is_there))
    kind = name.split(":")[0]
    if not there.get(kind, False):
        accepted = ", ".join(["auto", *(d for d, is_there in there.items() if is_there)])
        raise ValueError(f"device '{name}' is not available here; accepted: {accepted}")
    return torch.device(name)


def fit(
    build: type[Any],
    arguments: dict[str, Any],
    x: Tensor,
    y: Tensor,
    settings: Settings,
    *,
    begin_from: dict[str, Tensor] | None = None,
    device: torch.device | str = "cpu",
    checkpoint: Path | None = None,
    progress: Callable[[dict[str, float]], None] = lambda row: None,
) -> Fit:
    """Train ``build(**arguments)``, one of :mod:`ipage_core.networks`, on pairs x (n, d), y (n, m).

    ``begin_from`` holds initial weights from another model, by the names of this network's parameters.

    Every epoch has its own generator for order and noise, seeded by (seed, epoch). So a run resumed from ``checkpoint``
    (written after each epoch, never removed) continues exactly as if it had not been stopped.

    Returns the weight sets of the model: ``phi`` at the end of the schedule, ``phi_star`` at the epoch with the lowest
    first entry of ``validation_loss``.

    Raises:
        FloatingPointError: a loss is no longer finite.
        ValueError: the checkpoint belongs to other data or settings, or ``begin_from`` to another network.
    """
    x, y = x.to(torch.float32), y.to(torch.float32)
    torch.manual_seed(settings.seed)
    network = build(**arguments)
    order = torch.randperm(len(x), generator=Generator().manual_seed(settings.seed))
    n_validation = max(1, round(settings.validation_fraction * len(x)))
    x_validation, y_validation = x[order[:n_validation]].to(device), y[order[:n_validation]].to(device)
    x, y = x[order[n_validation:]].to(device), y[order[n_validation:]].to(device)
    network.fit_scales(x.cpu(), y.cpu())
    if begin_from is not None and (unknown := network.load_state_dict(begin_from, strict=False).unexpected_keys):
        raise ValueError(f"Expected weights of {build.__name__} to start from, got {', '.join(unknown)}")
    network.to(device)
    optimizer = AdamW(
        network.parameters(),
        lr=settings.learning_rate,
        betas=(0.9, settings.beta2),
        weight_decay=settings.weight_decay,
    )
    seen = min(len(x), settings.epoch_size or len(x))
    batches = math.ceil(seen / settings.batch)
    identity = json.dumps([build.__name__, arguments, asdict(settings), fingerprint(x, y)])
    run = Fit({})
    best, best_state, epoch = math.inf, copy.deepcopy(network.state_dict()), 0
    if checkpoint is not None and checkpoint.exists():
        best, best_state, epoch = _restore(checkpoint, identity, network, optimizer, run)

    while epoch < settings.epochs:
        start = time.perf_counter()
        weights = dynamic_weights(
            epoch,
            settings.epochs,
            y=settings.lambda_y,
            x=settings.lambda_x,
            z=settings.lambda_z,
            nll=settings.lambda_nll,
        )
        generator = Generator().manual_seed(settings.seed * 1_000_003 + epoch + 1)
        sums: dict[str, float] = {}
        left_out = 0
        network.train()
        shuffled = torch.randperm(len(x), generator=generator)[:seen].to(x.device)
        for batch, index in enumerate(shuffled.split(settings.batch)):
            progressed = (epoch + batch / batches) / settings.epochs
            optimizer.param_groups[0]["lr"] = settings.learning_rate * 0.5 * (1 + math.cos(math.pi * progressed))
            optimizer.zero_grad(set_to_none=True)
            losses: dict[str, float] = {}
            for direction in network.losses(x[index], y[index], weights, generator):
                total = torch.stack([weights[name] * loss for name, loss in direction.items()]).sum()
                total.backward()
                losses |= {name: loss.item() for name, loss in direction.items()}
            norm = torch.nn.utils.clip_grad_norm_(network.density_parameters(), CLIP_NORM)
            if not all(map(math.isfinite, (*losses.values(), float(norm)))):
                left_out += 1  # one batch on a spline's edge must not undo the others
                continue
            for name, loss in losses.items():
                sums[name] = sums.get(name, 0.0) + loss * len(index) / seen
            optimizer.step()
        if left_out > batches / 2:
            raise FloatingPointError(f"epoch {epoch + 1}: a loss is no longer finite; lower the learning rate")
        network.eval()
        with torch.no_grad():
            validation = {k: v.item() for k, v in network.validation_loss(x_validation, y_validation).items()}
        criterion = next(iter(validation.values()))
        if criterion < best:
            best, best_state = criterion, copy.deepcopy(network.state_dict())
        epoch += 1
        run.seconds += time.perf_counter() - start
        row = {
            "epoch": epoch,
            "epochs": settings.epochs,
            **{f"loss_{k}": v for k, v in sums.items()},
            **{f"lambda_{k}": weights[k] for k in sums},
            **{f"validation_{k}": v for k, v in validation.items()},
            "seconds": run.seconds,
            "eta_seconds": run.seconds / epoch * (settings.epochs - epoch),
        }
        run.history.append(row)
        if checkpoint is not None:
            tensors = {"model": network.state_dict(), "best": best_state, "adam": _adam_tensors(optimizer)}
            said = {"epoch": str(epoch), "best": repr(best), "seconds": repr(run.seconds)}
            save_tensors(
                checkpoint,
                {f"{group}/{name}": value for group, state in tensors.items() for name, value in state.items()},
                {"identity": identity, "history": json.dumps(run.history), **said},
            )
        progress(row)

    states = {"phi": network.state_dict(), "phi_star": best_state}
    run.weight_sets = {name: {k: v.cpu() for k, v in states[name].items()} for name in network.weight_sets}
    return run


def _restore(
    checkpoint: Path, identity: str, network: Network, optimizer: torch.optim.Optimizer, run: Fit
) -> tuple[float, dict[str, Tensor], int]:
    """Put a checkpoint into network, optimizer and run. → the best criterion, its weights, the epochs done.

    Raises:
        ValueError: it is of another ``identity``.
    """
    tensors, metadata = load_tensors(checkpoint)
    if metadata["identity"] != identity:
        raise ValueError(f"{checkpoint} belongs to another model, data or schedule: remove it or name another --out")
    groups: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "adam": {}}
    for key, value in tensors.items():
        group, name = key.split("/", 1)
        groups[group][name] = value
    network.load_state_dict(groups["model"])
    _restore_adam(optimizer, groups["adam"])
    run.history, run.seconds = json.loads(metadata["history"]), float(metadata["seconds"])
    return float(metadata["best"]), groups["best"], int(metadata["epoch"])


def _adam_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"{i}/{name}": value for i, entry in state.items() for name, value in entry.items()}


def _restore_adam(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        i, name = key.split("/")
        state.setdefault(int(i), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
