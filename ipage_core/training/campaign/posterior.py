"""iPage's posterior samples as candidates of a campaign, once there are enough rows to train it."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from ipage_core.inference.latent_design import latent_design
from ipage_core.inference.methods import load
from ipage_core.networks.store import ModelUnavailable
from ipage_core.problem.task import Task
from ipage_core.training.recipes import train

ENOUGH = 100
"""Least number of rows with results for a training."""
GROWN = 1.5
"""Factor of growth of the rows after which iPage is trained anew."""
SAMPLES = 64
METHOD = "ipage"


class Posterior:
    """Designs that iPage proposes for a target.

    If the task keeps its rows, networks are trained on them and saved in the folder ``posterior`` beside the rows.
    Otherwise the networks that ship with the task are used.
    """

    def __init__(self, task: Task) -> None:
        self.task = task

    def __call__(self, y_star: Tensor, seed: int) -> Tensor | None:
        """(m,) → (n, d) posterior samples; None if there are too few rows, or the target is a bound."""
        if not bool(y_star.isfinite().all()) or float(y_star.abs().max()) > 1e30:
            return None
        folder = self._trained()
        if folder is None and self.task.models_folder is not None:
            return None  # too few rows so far
        try:
            method = load(self.task, METHOD, models=folder)
        except ModelUnavailable:  # no networks ship with this task
            return None
        z = latent_design(SAMPLES, method.proposal.latent_dim, "srs", seed)
        with torch.no_grad():
            x = method.proposal.sample(y_star.float().expand(SAMPLES, -1), z).double()
        x = x[x.isfinite().all(1)]
        return x.clamp(*self.task.bounds) if len(x) else None

    def _trained(self) -> Path | None:
        """The folder of networks for the current rows; they are trained now if the rows have grown enough."""
        if self.task.evaluated is None or self.task.models_folder is None:
            return None
        count = int(self.task.evaluated()[1].isfinite().all(1).sum())
        if count < ENOUGH:
            return None
        folder = self.task.models_folder / "posterior"
        card = folder / "inn.json"
        had = json.loads(card.read_text())["data"]["n"] if card.exists() else 0
        if count >= GROWN * had:
            for model in ("mlp", "inn"):
                (folder / f"{model}.checkpoint.safetensors").unlink(missing_ok=True)  # from a killed run
                train(self.task, model, folder)
        return folder
