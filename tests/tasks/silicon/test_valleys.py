"""The surrogate of silicon: exactly symmetric, with kinks where band edges cross, and able to learn such functions."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ipage_core.tasks.silicon import dataset, symmetry
from ipage_core.tasks.silicon.valleys import ENERGY_UNIT, ValleySurrogate, pairs
from ipage_core.training.fit import Settings, fit

ARGUMENTS = {"d": 6, "m": 1, "box": dataset.BOUNDS.tolist(), "members": 3, "hidden": 16}


def network():
    torch.manual_seed(1)
    made = ValleySurrogate(**ARGUMENTS)
    for parameter in made.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return made.double()


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(-1, 1), min_size=6, max_size=6))
def test_the_24_images_have_the_same_properties(u):
    x = torch.tensor(symmetry.images(np.array(u) * dataset.BOUNDS[1]))
    properties, edges = network().members(x)
    assert torch.allclose(properties, properties[:, :1], atol=1e-9)
    edges[..., 4:] = edges[..., 4:].sort(-1).values  # the valleys go over into each other
    assert torch.allclose(edges, edges[:, :1], atol=1e-9)


def test_a_valley_goes_where_its_axis_goes():
    made = network()
    x = torch.tensor(dataset.design(20))
    at_rest = made.members(x)[1][..., 4:]
    for q, turned in zip(symmetry.operations(), symmetry.images(x.numpy()).swapaxes(0, 1), strict=True):
        goes_to = np.abs(q).argmax(0)  # axis j becomes axis goes_to[j]
        there = made.members(torch.tensor(turned))[1][..., 4:]
        assert torch.allclose(there[..., goes_to], at_rest, atol=1e-9)


def test_shears_that_no_operation_joins_are_told_apart():
    """Two strains with equal shears, but opposite sign of their product."""
    x = torch.tensor([[0.01, 0, 0, 0.01, 0.01, 0.01], [0.01, 0, 0, 0.01, 0.01, -0.01]], dtype=torch.float64)
    one, other = network().properties(x)
    assert (one - other).abs().min() > 1e-6


def test_the_gap_is_the_lowest_valley_over_the_highest_valence_band():
    properties, edges = network().members(torch.tensor(dataset.design(50)))
    assert torch.equal(properties[..., 0], edges[..., 4:].amin(-1) - edges[..., 2])
    assert torch.equal(properties[..., 1], edges[..., 3] - edges[..., 2])
    assert edges[..., :3].sum(-1).abs().max() < 1e-12
    assert (edges[..., 2] >= edges[..., 1]).all()


def deformed(x):
    """Gap and edges of silicon by deformation potentials alone: (n, 6) → y (n, 11). Kinks, and no noise."""
    e = x / torch.tensor(dataset.BOUNDS[1])
    trace = x[:, :3].sum(1)
    rows = (e[:, 0], -e[:, 5], -e[:, 4], -e[:, 5], e[:, 1], -e[:, 3], -e[:, 4], -e[:, 3], e[:, 2])
    valence = torch.linalg.eigvalsh(0.1 * torch.stack(rows, 1).view(-1, 3, 3))
    valence = valence - valence.mean(1, keepdim=True)
    delta = 0.6 + 2 * trace[:, None] + 9 * (x[:, :3] - trace[:, None] / 3)
    gamma = 2.5 + trace
    top = valence[:, 2]
    energy = ENERGY_UNIT * e.square().sum(1)
    return torch.column_stack((delta.amin(1) - top, gamma - top, energy, -100 * trace, valence, gamma, delta))


def test_it_learns_deformation_potentials_from_few_rows():
    x = torch.tensor(dataset.design(400))
    y = deformed(x)
    run = fit(ValleySurrogate, ARGUMENTS, x[:200], y[:200], Settings(epochs=200, batch=50, learning_rate=8e-3))
    made = ValleySurrogate(**ARGUMENTS)
    made.load_state_dict(run.weight_sets["phi"])
    off = (made.properties(x[200:].float()) - y[200:, :4]).abs()
    assert off[:, 0].mean() < 0.003
    assert off[:, 2].mean() < 0.03 * ENERGY_UNIT
    assert off[:, 3].mean() < 0.1
    right = made.valley(x[200:].float()) == y[200:, 8:].argmin(1)
    assert right.float().mean() > 0.97
    assert (made.spread(x.float()) > 0).all()


def test_the_gradient_is_that_of_the_gap():
    x = torch.tensor(dataset.design(5), requires_grad=True)
    assert torch.autograd.gradcheck(network().properties, x)


def test_only_one_target_and_six_components():
    with pytest.raises(ValueError, match="Expected 6 strain components"):
        ValleySurrogate(5, 1, dataset.BOUNDS.tolist())


def test_the_training_pairs_are_what_the_rows_say():
    data = dataset.read()
    x, y = pairs(data)
    assert torch.equal(x, torch.tensor(data.strain))
    assert y[:, 4:7].sum(1).abs().max() < 1e-9
    # The gap is the lowest valley over the highest valence band: no row has its lowest edge at Γ or L.
    assert (y[:, 8:].amin(1) - y[:, 6] - y[:, 0]).abs().max() < 2.1e-5
    assert (y[:, 7] - y[:, 6] - y[:, 1]).abs().max() < 2.1e-5
    # The first component of strain belongs to the first valley: stretched along its axis, a valley rises.
    uniaxial = x[:, :3] - x[:, :3].mean(1, keepdim=True)
    split = y[:, 8:] - y[:, 8:].mean(1, keepdim=True)
    assert np.corrcoef(uniaxial.flatten(), split.flatten())[0, 1] > 0.8
