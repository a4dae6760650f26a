"""The scope of a benchmark: tasks, methods, samplings, protocols, repeats and models."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Generator, Tensor

from ipage_core.inference.latent_design import SAMPLINGS
from ipage_core.inference.methods import METHODS, Loaded, load
from ipage_core.networks.store import ModelUnavailable, load_card
from ipage_core.runtime.paths import PRETRAINED
from ipage_core.tasks import TASKS

ANALYTIC = ("sinewave", "robotic_arm", "ballistics")
PROTOCOLS = ("many", "single")
N = 1000
"""Solutions per run, as in the paper."""
UNSEEN_SEED = 12345
"""Targets of ``many`` are drawn from the prior predictive with a seed that no training has used.

The prior of ``architecture`` is the shipped cells, so its targets are values of the training data.
"""
REPEATS = {"architecture": 5, "crystal": 5, "silicon": 5}
"""Latent seeds; 50 for all other tasks, as in the paper. Of the tasks in ``BY_DFT``, Ω verifies only the first seed."""
BY_DFT = {"crystal": 50, "silicon": 10}
"""Solutions per method and protocol verified by DFT: a random choice from the first seed (iPage: with maximin)."""
DEVICES = ("cpu", "cuda")
"""Devices of ``compute``."""
COSTLY = ("na-published",)
"""Methods with 2048 descents of 300 steps per target, so they get few repeats and targets."""


@dataclass(frozen=True)
class Scope:
    """The scope; None for ``repeats`` and ``samplings`` means those of the paper."""

    tasks: tuple[str, ...] = ANALYTIC
    methods: tuple[str, ...] = tuple(METHODS)
    samplings: tuple[str, ...] | None = None
    protocols: tuple[str, ...] = PROTOCOLS
    repeats: int | None = None
    n: int = N
    quick: bool = False
    dft: bool = False
    """Whether density functional theory may run, on a few solutions per method and protocol, see ``BY_DFT``."""
    models: tuple[Path, ...] = ()
    """Further folders like ``pretrained/``, trained with other seeds."""
    device: str | None = None
    """Device that ``compute`` times: ``cpu`` or ``cuda``; None: both, if there is a GPU."""

    def __post_init__(self) -> None:
        for what, chosen, accepted in (
            ("task", self.tasks, TASKS),
            ("method", self.methods, METHODS),
            ("sampling", self.samplings or (), SAMPLINGS),
            ("protocol", self.protocols, PROTOCOLS),
        ):
            if unknown := [name for name in chosen if name not in accepted]:
                raise ValueError(f"{what} '{unknown[0]}' is not known; accepted: {', '.join(accepted)}")
        if self.device not in (None, *DEVICES):
            raise ValueError(f"device '{self.device}' is not known; accepted: {', '.join(DEVICES)}")
        if self.dft and not BY_DFT.keys() & set(self.tasks):
            raise ValueError(f"--dft lets DFT judge crystals; accepted: with {' or '.join(BY_DFT)} among --tasks")
        for folder in self.models:
            if not any((folder / task).is_dir() for task in self.tasks):
                raise ValueError(f"--models {folder}: accepted: a folder with one folder of models a task")

    @property
    def devices(self) -> tuple[str, ...]:
        """Devices for ``compute``."""
        return DEVICES[: 1 + torch.cuda.is_available()] if self.device is None else (self.device,)

    @property
    def roots(self) -> tuple[Path | None, ...]:
        """Folders of models; None is ``pretrained/``."""
        return (None, *self.models)

    def seeds(self, task: str, method: str, protocol: str) -> range:
        """Latent seeds of a cell; only one for a lookup, which does not depend on the seed."""
        if METHODS[method].nearest:
            return range(1)
        if self.repeats is not None:
            return range(self.repeats)
        if method in COSTLY:
            return range(3 if protocol == "single" and not self.quick else 1)
        return range(min(3 if self.quick else 50, REPEATS.get(task, 50)))

    def sampled(self, method: str) -> tuple[str, ...]:
        """Samplings of a method. A method without latent space has none: its z only seeds draws from the prior.

        By default: iPage with all three, its variants with the paper's maximin, the others with random sampling.
        """
        if METHODS[method].proposal is None:
            return ("srs",)
        if self.samplings is not None:
            return self.samplings
        return {"ipage": SAMPLINGS}.get(method, ("maximin",) if method.startswith("ipage") else ("srs",))


def targets(task: str, protocol: str, n: int, part: int | None = None) -> tuple[Tensor, int]:
    """The targets (t, m) of a run and the number of solutions for each.

    ``many``: n different targets from the prior predictive, one solution each, or only target number ``part``; for
    crystals, the targets of random ones computed by DFT in addition to the training data, at most 300. ``single``: n
    solutions for the task's default target.
    """
    if protocol == "single":
        return torch.tensor([TASKS[task].default_target], dtype=torch.float64), n
    return _unseen(task)[1][slice(n) if part is None else slice(part, part + 1)], 1


@lru_cache(maxsize=8)
def _unseen(task: str) -> tuple[Tensor, Tensor]:
    """Pairs x (1000, d), y (1000, m) for testing; for crystals those at hand, at most (300, 6), (300, 1)."""
    problem = TASKS[task]
    if problem.test_pairs is not None:
        return problem.test_pairs()
    x = problem.sample_prior(N, Generator().manual_seed(UNSEEN_SEED))
    assert problem.omega is not None
    return x, problem.omega(x)[:, : problem.n_targets]


def held_out(task: str) -> tuple[Tensor, Tensor]:
    """Pairs x (k, d), y (k, m) from prior and Ω, unseen in training (except the cells of ``architecture``)."""
    return _unseen(task)


def weights(task: str, method: str, root: Path | None) -> tuple[str, int]:
    """Eight hexadecimal digits that change with any weight of a method, and the seed it was trained with.

    Raises:
        ModelUnavailable: a model is missing.
    """
    digest, seed = hashlib.sha256(), 0
    for model in METHODS[method].models:
        card = load_card(task, model, root)
        if not ((root or PRETRAINED) / task / f"{model}.safetensors").exists():
            raise ModelUnavailable(f"There are no weights of '{model}' for {task} in {(root or PRETRAINED) / task}.")
        digest.update(card["sha256"].encode())
        seed = max(seed, int(card["settings"]["seed"]))
    return digest.hexdigest()[:8], seed


def missing(scope: Scope) -> dict[str, str]:
    """'task method' → the reason why it is not available, a sentence; empty if all models are available."""
    unavailable = {}
    for task in scope.tasks:
        for method in scope.methods:
            try:
                weights(task, method, None)
            except ModelUnavailable as error:
                unavailable[f"{task} {method}"] = f"Not available: {str(error).replace(f'{PRETRAINED.parent}/', '')}"
    return unavailable


def there(scope: Scope, task: str, method: str) -> list[tuple[str | None, str, int]]:
    """(folder as :func:`loaded` takes it, hash, training seed) of every copy of a method's models for a task."""
    copies = []
    for root in scope.roots if METHODS[method].models else scope.roots[:1]:
        try:
            copies.append((None if root is None else str(root), *weights(task, method, root)))
        except ModelUnavailable:
            continue
    return copies


def loaded(task: str, method: str, root: str | None) -> Loaded:
    """A method with its networks, from the folder named in an item's argument."""
    return load(task, method, root=None if root is None else Path(root))
