"""The networks by name. JSON arguments are enough to build one: ``networks_of(task)[name](**arguments)``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ipage_core.networks.batch_norm_mlp import BatchNormMLP
from ipage_core.networks.cinn import CINN
from ipage_core.networks.cvae import CVAE
from ipage_core.networks.ensemble import Ensemble
from ipage_core.networks.inn import INN
from ipage_core.networks.mdn import MDN
from ipage_core.networks.mlp import MLP
from ipage_core.problem.task import Task

MODELS: dict[str, type[Any]] = {
    "inn": INN,
    "cinn": CINN,
    "mlp": MLP,
    "ensemble": Ensemble,
    "mdn": MDN,
    "cvae": CVAE,
    "batch-norm-mlp": BatchNormMLP,
}
"""Networks for any task whose designs are coordinates."""


def networks_of(task: Task) -> Mapping[str, type[Any]]:
    """All networks for a task's models: the task's own, and those for any task."""
    networks = MODELS | dict(task.networks())
    return networks | {"inn": type("INN", (networks["inn"],), {"surrogates": networks})}
