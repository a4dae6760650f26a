"""Stand-ins with exact answers, and networks that are small enough to train in a test."""

from dataclasses import replace

import torch

from ipage_core.inference.methods import Loaded
from ipage_core.networks import CINN, INN, MLP
from ipage_core.tasks import TASKS

SINEWAVE = TASKS["sinewave"]


class Exact:
    """Ω itself as the surrogate: the chain around it must then be exact."""

    def __init__(self, bias=0.0):
        self.bias = bias

    def __call__(self, x):
        return SINEWAVE.omega(x) + self.bias * torch.cos(5 * x[:, :1])


class Uniform:
    """Proposes Φ(z) scaled to the box, so that the latent design is directly visible."""

    latent_dim = 2

    def sample(self, y_star, z):
        return 2 * torch.special.ndtr(z) - 1


def exact_method(bias=0.0, proposal=None):
    return Loaded("exact", proposal or Uniform(), Exact(bias), torch.device("cpu"))


def counting(task=SINEWAVE):
    """The task with an Ω that counts its evaluations, and the counter."""
    calls = []

    def omega(x):
        calls.append(len(x))
        return task.omega(x)

    return replace(task, omega=omega), calls


SMALL = {
    "mlp": (MLP, {"d": 2, "m": 1, "hidden": 16, "layers": 2}),
    "inn": (INN, {"d": 2, "m": 1, "couplings": 2, "hidden": 8, "blocks": 1, "bins": 4, "surrogate_hidden": 16}),
    "cinn": (CINN, {"d": 2, "m": 1, "couplings": 2, "hidden": 8, "blocks": 1, "bins": 4}),
}
