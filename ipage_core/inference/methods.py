"""The inversion methods: each is a proposal of designs, and a surrogate for localization or none."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Generator, Tensor

from ipage_core.inference.calibration import Calibration, of_card
from ipage_core.inference.lookup import Lookup
from ipage_core.inference.neural_adjoint import NeuralAdjoint, Search
from ipage_core.networks import networks_of
from ipage_core.networks.base import Network
from ipage_core.networks.inn import INN
from ipage_core.networks.store import ModelUnavailable as ModelUnavailable  # raised by load
from ipage_core.networks.store import load_model
from ipage_core.problem import constraints
from ipage_core.problem.task import Task
from ipage_core.runtime.catalog import Catalog
from ipage_core.runtime.paths import PRETRAINED
from ipage_core.tasks import TASKS


class Proposal(Protocol):
    """Draws designs for a target from latent points."""

    latent_dim: int

    def sample(self, y_star: Tensor, z: Tensor) -> Tensor:
        """(n, m), (n, k) → (n, d)."""
        ...


Surrogate = Callable[[Tensor], Tensor]
"""Differentiable ŷ = f(x): (n, d) → (n, m)."""


class Prior:
    """Proposes samples of the prior p(x) for any target. It has no latent space; z only seeds the draw."""

    latent_dim = 1

    def __init__(self, task: Task) -> None:
        self.task = task

    def sample(self, y_star: Tensor, z: Tensor) -> Tensor:
        """(n, m), (n, 1) → (n, d) draws from the task's prior."""
        return self.draw(len(z), z)

    def draw(self, n: int, z: Tensor) -> Tensor:
        """(n, d) draws, seeded by all of z."""
        digest = hashlib.sha256(z.detach().cpu().numpy().tobytes()).digest()
        generator = Generator().manual_seed(int.from_bytes(digest[:7], "big"))
        return self.task.sample_prior(n, generator).to(z)


@dataclass(frozen=True)
class Method:
    """A proposal and a surrogate for localization. Surrogate None: the proposed designs are the result."""

    title: str
    """Its label, a colon, and what it does."""
    proposal: tuple[str, str] | None
    """(model, weight set); None: the prior."""
    surrogate: tuple[str, str] | None
    """(model, weight set)."""
    searched: tuple[str, str] | None = None
    """(model, weight set) for the descents of the neural adjoint, with the settings ``search``."""
    search: Search | None = None
    nearest: bool = False
    """It proposes the nearest training rows."""
    task: str | None = None
    """The only task of this method, if the user trained its models; None: every task."""
    folder: Path | None = None
    """Folder of those models; None: the task's."""

    @property
    def label(self) -> str:
        """Its one name in menus, tables and figures: 'iPage', 'Random start (control)'."""
        return self.title.partition(": ")[0]

    @property
    def models(self) -> tuple[str, ...]:
        """The models of the method, without duplicates."""
        return tuple(dict.fromkeys(part[0] for part in (self.proposal, self.surrogate, self.searched) if part))

    @property
    def trained(self) -> tuple[str, ...]:
        """The models to train, in this order: the INN contains the separately trained surrogate."""
        return ("mlp", *self.models) if "inn" in self.models else self.models


_DESCENTS = Search("lm", starts=1, per_design=16, steps=3)
"""Unless a task's recipe of ``na`` has others."""
_SHIPPED = {
    "ipage": Method("iPage: invertible network (INN) as posterior and surrogate", ("inn", "phi"), ("inn", "phi_star")),
    "ipage-cinn": Method(
        "iPage with cINN: a conditional invertible network as posterior, and the same surrogate",
        ("cinn", "phi_star"),
        ("mlp", "phi_star"),
    ),
    "ipage-paper": Method(
        "iPage as in the paper: the INN trained by Eqs. 4–7 alone", ("inn-paper", "phi"), ("inn-paper", "phi_star")
    ),
    "inn": Method("INN alone: samples of the invertible network, without localization", ("inn", "phi"), None),
    "cinn": Method(
        "cINN alone: samples of the conditional invertible network, without localization", ("cinn", "phi_star"), None
    ),
    "inn-ardizzone": Method(
        "INN of Ardizzone: couplings of design and padding in turn, without localization",
        ("inn-alternating", "phi"),
        None,
    ),
    "mdn": Method("MDN: mixture density network, without localization", ("mdn", "phi_star"), None),
    "cvae": Method("cVAE: conditional variational autoencoder, without localization", ("cvae", "phi_star"), None),
    "na": Method(
        "NA, best settings: neural adjoint, the best of several descents per design",
        None,
        None,
        ("na", "phi_star"),
        _DESCENTS,
    ),
    "na-surrogate": Method(
        "NA on iPage's surrogate: the same descents on the network that iPage localizes with",
        None,
        None,
        ("mlp", "phi_star"),
        _DESCENTS,
    ),
    "na-published": Method(
        "NA as published: neural adjoint, the best of 2048 descents by Adam",
        None,
        None,
        ("na-published", "phi_star"),
        Search(),
    ),
    "prior-lm": Method(
        "Random start (control): designs of the prior, with iPage's localization", None, ("mlp", "phi_star")
    ),
    "lookup": Method(
        "Nearest training rows (control): those whose property is nearest to the target, without any network",
        None,
        None,
        nearest=True,
    ),
}
METHODS: Catalog[Method] = Catalog(lambda: _SHIPPED)
"""Read-only, except for :mod:`ipage_core.registry`, which adds the user's trained models."""
FORMER = {"ipage-mlp": "ipage"}
"""Former names of methods."""


def named(method: str) -> str:
    """The present name of a method; a former name prints a note on stderr, once."""
    name, at, run = method.partition("@")
    if name not in FORMER:
        return method
    say_former(name)
    return FORMER[name] + at + run


@cache
def say_former(name: str) -> None:
    """Print a note on stderr, once per name."""
    print(f"The method '{name}' is '{FORMER[name]}' now, because its INN contains this surrogate.", file=sys.stderr)


@dataclass(frozen=True, eq=False)
class Loaded:
    """The networks of a method, loaded on a device."""

    name: str
    proposal: Proposal
    surrogate: Surrogate | None
    device: torch.device
    cards: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The JSON cards of its models, by model name."""
    calibration: Calibration | None = None
    """That of the surrogate's predictions; None if it is not known how far they are off."""


def folder(task: Task, method: str) -> Path:
    """Folder of a method's models for a task."""
    return METHODS[named(method)].folder or task.models_folder or PRETRAINED / task.name


def load(
    task: str | Task,
    method: str,
    device: torch.device | str = "cpu",
    root: Path | None = None,
    models: Path | None = None,
) -> Loaded:
    """Load a method's networks for a task from ``models``, else from ``root/<task>``, else from its own folder.

    Raises:
        ValueError: unknown task or method.
        ModelUnavailable: a model is missing or damaged.
    """
    if isinstance(task, str):
        if task not in TASKS:
            raise ValueError(f"task '{task}' is not known; accepted: {', '.join(TASKS)}")
        task = TASKS[task]
    method = named(method)
    if method not in METHODS or METHODS[method].task not in (None, task.name):
        accepted = ", ".join(name for name, row in METHODS.items() if row.task in (None, task.name))
        raise ValueError(f"method '{method}' is not known; accepted: {accepted}")
    device = torch.device(device)
    if device.type == "mps" and task.omega is None:
        device = torch.device("cpu")  # Gaussian processes need float64, which MPS lacks
    where = models or (root / task.name if root else folder(task, method))
    modules: dict[tuple[str, str], Network] = {}
    cards: dict[str, dict[str, Any]] = {}
    for name in METHODS[method].models:
        weights = where / f"{name}.safetensors"
        written = weights.stat().st_mtime_ns if weights.exists() else 0  # so that a newly trained model is loaded
        try:
            weight_sets, cards[name] = _load_once(task, name, str(device), where, written)
        except ModelUnavailable as error:
            command = f"python -m ipage_core train {task.as_argument} --method {method.partition('@')[0]} --out {where}"
            raise ModelUnavailable(f"{error} Restore it, or make it anew with: {command}") from None
        modules.update({(name, weight_set): module for weight_set, module in weight_sets.items()})
    row = METHODS[method]
    proposal: Any = modules[row.proposal] if row.proposal else Prior(task)
    if row.nearest:
        proposal = Lookup(task)
    if row.searched and row.search:
        own = task.recipes["na"].descents if row.search.optimizer != "published" and "na" in task.recipes else {}
        proposal = _neural_adjoint(task, modules[row.searched], replace(row.search, **own))
    surrogate = modules[row.surrogate].surrogate if row.surrogate else None
    if (
        isinstance(surrogate, INN) and "inn" in cards and (where / "mlp.json").exists()
    ):  # of an earlier program, whose t learned by itself
        separate, card = load_model(task.name, "mlp", folder=where, networks=networks_of(task))
        surrogate = separate["phi_star"].to(device)
        cards["inn"] = cards["inn"] | {"held_out": card.get("held_out", {})}
    return Loaded(method, proposal, surrogate, device, cards, _calibration(task, row, cards, where))


def _calibration(task: Task, row: Method, cards: dict[str, dict[str, Any]], where: Path) -> Calibration | None:
    """The calibration on the card of the surrogate's model."""
    if row.surrogate is None:
        return None
    name = row.surrogate[0]
    try:
        return of_card(cards[name], task.n_targets)
    except ValueError as error:
        raise ModelUnavailable(f"The calibration in {where / name}.json is damaged ({error}).") from None


def _neural_adjoint(task: Task, network: torch.nn.Module, search: Search) -> NeuralAdjoint:
    boundary, units = task.published_descent or (task.bounds.tolist(), ())
    return NeuralAdjoint(
        network,
        Prior(task).draw,
        constraints.parse(task),
        search,
        boundary=torch.tensor(boundary),
        units=units,
        unit=task.tolerances,
        enough=task.arrived,
    )


@lru_cache(maxsize=16)
def _load_once(
    task: Task, name: str, device: str, where: Path, written: int
) -> tuple[dict[str, Network], dict[str, Any]]:
    modules, card = load_model(task.name, name, folder=where, networks=networks_of(task))
    return {weight_set: module.to(device) for weight_set, module in modules.items()}, card
