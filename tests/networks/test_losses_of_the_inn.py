"""Eqs. 6 and 7: the samples that the two MMD terms compare."""

import pytest
import torch

from ipage_core.networks import inn
from tests.support.models import SINEWAVE, SMALL

WEIGHTS = {"y": 0.0, "x": 1.0, "z": 1.0, "nll": 0.0}


@pytest.fixture
def compared(monkeypatch):
    """The pairs of samples passed to the MMD, by the name of the loss."""
    pairs = []
    monkeypatch.setattr(inn, "mmd", lambda a, b: pairs.append((a.detach(), b.detach())) or a.sum() * 0)
    torch.manual_seed(0)
    build, arguments = SMALL["inn"]
    network = build(**arguments)
    x = SINEWAVE.sample_prior(64, torch.Generator().manual_seed(0)).float()
    y = SINEWAVE.omega(x)
    network.fit_scales(x, y)
    drawn = []
    inverse = network.inverse
    monkeypatch.setattr(network, "inverse", lambda y, z: drawn.append((y, z)) or inverse(y, z))
    names = [
        name for direction in network.losses(x, y, WEIGHTS, torch.Generator().manual_seed(1)) for name in direction
    ]
    names = [name for name in names if name in "xz"]
    return network, x, y, dict(zip(names, pairs, strict=True)), drawn


def test_l_z_compares_y_and_z_together_with_the_data_s_y_and_a_normal_z(compared):
    network, x, y, pairs, _ = compared
    joint, wanted = pairs["z"]
    assert joint.shape == wanted.shape == (64, 3)
    torch.testing.assert_close(wanted[:, :1], network.y_scale(y))
    assert (joint[:, :1] - network.y_scale(y)).abs().max() < 6 * network.padding_sd
    assert wanted[:, 1:].std() == pytest.approx(1, abs=0.2)
    torch.testing.assert_close(
        joint[:, 1:], network.encode(x, network.y_scale.inverse(joint[:, :1])), atol=1e-4, rtol=0
    )


def test_l_x_draws_each_design_for_another_y_of_the_data(compared):
    network, x, y, pairs, drawn = compared
    (asked, z), (made, data) = drawn[0], pairs["x"]
    assert torch.equal(asked.sort(dim=0).values, y.sort(dim=0).values)
    assert not torch.equal(asked, y)
    assert z.std() == pytest.approx(1, abs=0.2)
    torch.testing.assert_close(data, network.x_scale(x))
    torch.testing.assert_close(made, network.x_scale(network.inverse(asked, z)[0]))


@pytest.mark.parametrize("order", ["ordered", "alternating"])
def test_the_clipped_parameters_are_those_that_the_likelihood_moves(order):
    build, arguments = SMALL["inn"]
    network = build(**arguments | {"order": order})
    x = SINEWAVE.sample_prior(16, torch.Generator().manual_seed(0)).float()
    network.fit_scales(x, SINEWAVE.omega(x))
    weights = dict.fromkeys("yxz", 0.0) | {"nll": 1.0}
    (losses,) = network.losses(x, SINEWAVE.omega(x), weights, torch.Generator().manual_seed(1))
    losses["nll"].backward()
    moved = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
    clipped = {id(parameter) for parameter in network.density_parameters()}
    assert {name for name, parameter in network.named_parameters() if id(parameter) in clipped} == moved
    assert moved
