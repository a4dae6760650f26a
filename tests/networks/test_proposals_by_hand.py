"""Densities and losses of networks whose weights are set by hand."""

import math

import pytest
import torch
from torch import Generator

from ipage_core.networks.cvae import CVAE
from ipage_core.networks.ensemble import Ensemble, part_of
from ipage_core.networks.mdn import MDN


@torch.no_grad()
def test_a_cvae_whose_decoder_ignores_z_is_a_gaussian():
    """All weights 0: q is the prior, the decoder's mean 0, its standard deviation e⁻¹."""
    network = CVAE(2, 1, latent=2, hidden=8, layers=1).eval()
    for part in (network.encoder, network.decoder):
        for parameter in part.parameters():
            parameter.zero_()
    x = torch.tensor([[0.3, -0.1], [0.0, 0.5]])
    expected = -0.5 * math.exp(2) * x.square().sum(1) - math.log(2 * math.pi) + 2
    for draws in (1, 16):
        assert network.bound(x, torch.zeros(2, 1), Generator().manual_seed(0), draws).tolist() == pytest.approx(
            expected.tolist(), abs=1e-5
        )


@torch.no_grad()
def test_a_mixture_density_integrates_to_one():
    torch.manual_seed(0)
    network = MDN(2, 1, components=3, hidden=8, layers=1).eval()
    line = torch.linspace(-12, 12, 481)
    grid = torch.cartesian_prod(line, line)
    density = network.log_prob(grid, torch.zeros(len(grid), 1)).double().exp().sum() * (line[1] - line[0]) ** 2
    assert density.item() == pytest.approx(1, abs=1e-3)


def an_ensemble(**more):
    torch.manual_seed(0)
    return Ensemble(d=2, m=1, members=4, hidden=8, layers=1, **more).eval()


@torch.no_grad()
def test_the_spread_is_the_standard_deviation_of_a_sample_of_members():
    network, x = an_ensemble(), torch.rand(5, 2)
    members = network.members(x)
    expected = (members - members.mean(0)).square().sum(0) / 3
    assert torch.allclose(network.spread(x), expected.sqrt())


@torch.no_grad()
def test_a_left_out_row_is_predicted_by_the_member_that_has_not_seen_it():
    network, x = an_ensemble(leave_out=True), torch.rand(40, 2).double()
    error, _ = network.left_out(x, torch.zeros(40, 1).double())
    parts, members = part_of(x, 4), network.members(x.float()).double()
    assert [-error[i, 0].item() for i in range(40)] == pytest.approx(
        [members[parts[i], i, 0].item() for i in range(40)]
    )


def test_no_member_learns_from_the_rows_of_its_part():
    network, x = an_ensemble(leave_out=True), torch.rand(200, 2)
    own = x[part_of(x, 4) == 2]
    (loss,) = network.losses(own, torch.ones(len(own), 1), {}, Generator())
    loss["y"].backward()
    moved = [bool(network.biases[0].grad[k].any()) for k in range(4)]
    assert moved == [True, True, False, True]


def test_a_prediction_below_the_floor_is_no_error_of_a_row_on_it():
    network = an_ensemble(floor=[0.0])
    with torch.no_grad():
        network.biases[-1].fill_(-5.0)  # far below
    x = torch.rand(10, 2)
    (on_floor,) = network.losses(x, torch.zeros(10, 1), {}, Generator())
    (above,) = network.losses(x, torch.ones(10, 1), {}, Generator())
    assert on_floor["y"].item() == 0.0
    assert above["y"].item() > 9
