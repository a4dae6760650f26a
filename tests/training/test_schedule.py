"""What the optimizer does at each step, read from a network of one weight whose gradient is known.

With a gradient that does not change, Adam moves a weight by the learning rate, whatever the gradient's size.
"""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from ipage_core.networks import MLP
from ipage_core.networks.base import Network
from ipage_core.training.fit import Settings, fit


class Weight(Network):
    """One weight; the loss is a slope times it. It notes the weight, the batch and its rows at each step."""

    def __init__(self, slope=1.0):
        super().__init__()
        self.slope, self.weight = slope, nn.Parameter(torch.ones(1))
        self.noted = []
        notes.append(self)

    def fit_scales(self, x, y):
        self.scaled_on = x[:, 0].tolist()

    def losses(self, x, y, weights, generator):
        self.noted.append((self.weight.item(), x[:, 0].tolist(), torch.randn(1, generator=generator).item()))
        yield {"nll": self.slope * self.weight.sum()}

    def validation_loss(self, x, y):
        self.validated_on, self.was_training = x[:, 0].tolist(), self.training
        return {"nll": self.weight.sum()}


notes: list[Weight] = []
X = torch.arange(40.0)[:, None]


def trained(slope=1.0, **settings):
    """The network, after a training on forty rows, of which four are for validation."""
    notes.clear()
    settings = {"batch": 9, "validation_fraction": 0.1, "learning_rate": 0.01} | settings
    run = fit(Weight, {"slope": slope}, X, X, Settings(**settings))
    return run, notes[0]


def test_the_learning_rate_falls_to_zero_by_half_a_cosine():
    run, network = trained(epochs=5)
    weights = [weight for weight, _, _ in network.noted] + [run.weight_sets["phi_star"]["weight"].item()]
    steps = [before - after for before, after in pairwise(weights)]
    assert len(steps) == 20  # four batches of nine, five times
    expected = [0.01 * 0.5 * (1 + math.cos(math.pi * k / 20)) for k in range(20)]
    assert steps == pytest.approx(expected, abs=2e-6)


def test_weights_decay_by_their_share_of_the_rate():
    _, network = trained(slope=0.0, epochs=1, weight_decay=0.5)
    first, second = (weight for weight, _, _ in network.noted[:2])
    assert second / first == pytest.approx(1 - 0.01 * 0.5, rel=1e-6)


def test_an_epoch_sees_each_training_row_once_in_a_new_order_with_new_noise():
    _, network = trained(epochs=2)
    epochs = [[row for _, rows, _ in network.noted[k : k + 4] for row in rows] for k in (0, 4)]
    seen = set(range(40)) - set(network.validated_on)
    assert len(network.validated_on) == 4
    assert set(epochs[0]) == set(epochs[1]) == seen == set(network.scaled_on)
    assert epochs[0] != epochs[1]
    assert len({noise for _, _, noise in network.noted}) == 8
    assert not network.was_training  # while it is validated


def test_an_epoch_of_fewer_rows_draws_other_rows_each_time():
    _, network = trained(epochs=2, epoch_size=12)
    assert [len(rows) for _, rows, _ in network.noted] == [9, 3, 9, 3]
    assert set(network.noted[0][1]) != set(network.noted[2][1])


def test_another_seed_validates_on_other_rows_and_begins_from_other_weights():
    _, first = trained(epochs=1)
    _, second = trained(epochs=1, seed=1)
    assert set(first.validated_on) != set(second.validated_on)

    def begun(seed):
        settings = Settings(epochs=1, learning_rate=0.0, seed=seed)
        return fit(MLP, {"d": 1, "m": 1, "hidden": 8, "layers": 1}, X, X, settings).weight_sets["phi_star"]

    name = next(name for name, value in begun(0).items() if value.numel() == 8)
    assert torch.equal(begun(0)[name], begun(0)[name])
    assert not torch.equal(begun(0)[name], begun(1)[name])


def test_the_seconds_left_are_those_of_the_epochs_to_come():
    run, _ = trained(epochs=4)
    for row in run.history:
        assert row["eta_seconds"] == pytest.approx(row["seconds"] * (4 - row["epoch"]) / row["epoch"])


def test_beta_2_is_that_of_the_settings():
    """A gradient ten times smaller after the first step: v = β₂ g₁² + (1 − β₂) g₂², corrected by 1 − β₂²."""

    class Weaker(Weight):
        def losses(self, x, y, weights, generator):
            self.noted.append((self.weight.item(), None, None))
            yield {"nll": (1.0 if len(self.noted) == 1 else 0.1) * self.weight.sum()}

    notes.clear()
    fit(Weaker, {}, X, X, Settings(epochs=3, batch=36, validation_fraction=0.1, learning_rate=0.01, beta2=0.5))
    weights = [weight for weight, _, _ in notes[-1].noted]
    rate = 0.01 * 0.5 * (1 + math.cos(math.pi / 3))
    mean, square = (0.9 * 0.1 + 0.1 * 0.1) / (1 - 0.9**2), (0.5 * 0.5 + 0.5 * 0.01) / (1 - 0.5**2)
    assert weights[1] - weights[2] == pytest.approx(rate * mean / math.sqrt(square), rel=1e-3)
