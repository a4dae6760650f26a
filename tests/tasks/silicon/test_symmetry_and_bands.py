"""Symmetry of strains and the form of the valleys' network, by hand."""

import numpy as np
import pytest
import torch

from ipage_core.tasks.silicon import dataset, symmetry
from ipage_core.tasks.silicon.valleys import ENERGY_UNIT, PRESSURE_UNIT, ValleySurrogate


def test_the_operations_are_the_24_rotations_up_to_inversion():
    q = symmetry.operations()
    assert q.shape == (24, 3, 3)
    assert np.array_equal(q[0], np.eye(3))
    assert np.allclose(q @ q.swapaxes(1, 2), np.eye(3))
    proper = q * np.rint(np.linalg.det(q))[:, None, None]  # times inversion where it is a reflection
    assert len({tuple(np.rint(one).astype(int).ravel()) for one in proper}) == 24


def test_images_are_the_turned_tensors_and_keep_the_mandel_norm():
    from ipage_core.tasks.silicon.operator import tensor

    strain = np.array([0.01, -0.02, 0.03, 0.004, 0.006, -0.008])
    images = symmetry.images(strain)
    assert np.allclose(images[0], strain)
    for q, image in zip(symmetry.operations(), images, strict=True):
        assert np.allclose(tensor(image), q @ tensor(strain) @ q.T)
    assert np.allclose((symmetry.MANDEL * images) ** 2 @ np.ones(6), (tensor(strain) ** 2).sum())
    assert symmetry.MANDEL.tolist() == pytest.approx([1, 1, 1, 2**0.5, 2**0.5, 2**0.5])


def test_all_images_have_the_same_images():
    def family(strain):
        return {tuple(row) for row in (symmetry.images(strain).round(7) + 0.0).tolist()}

    for strain in np.random.default_rng(0).uniform(-0.05, 0.05, (5, 6)):
        assert all(family(image) == family(strain) for image in symmetry.images(strain))
        assert len(family(strain)) == 24
        last = max(family(strain))
        assert last[0] >= last[1] >= last[2]
    assert len(family([0.01] * 3 + [0.0] * 3)) == 1


def test_the_distance_is_to_the_nearest_image():
    a, b = np.array([0.03, 0, 0, 0, 0, 0.01]), np.array([0, 0, 0.03, 0, 0.01, 0])
    assert symmetry.distance(a, b) == pytest.approx(0)
    assert symmetry.distance(np.zeros(6), b) == pytest.approx(np.hypot(0.03, 0.01 * 2**0.5))
    assert symmetry.distance(a, np.stack([a, np.zeros(6)])).tolist() == pytest.approx(
        [0, np.hypot(0.03, 0.01 * 2**0.5)]
    )


def test_an_unstrained_crystal_starts_with_silicons_edges():
    torch.manual_seed(0)
    net = ValleySurrogate(6, 1, dataset.BOUNDS.tolist(), members=400, hidden=8, layers=1)
    properties, edges = net.members(torch.zeros(1, 6))
    mean = properties.mean(0)[0]
    assert mean[0].item() == pytest.approx(0.6, abs=0.06)  # eV
    assert mean[1].item() == pytest.approx(2.5, abs=0.06)
    assert mean[2].item() == pytest.approx(0, abs=0.01)
    assert edges.shape == (400, 1, 7)
    sizes = [w.abs().max().item() for w in net.net.weights]
    assert sizes[0] == pytest.approx(8**-0.5, rel=0.02)
    assert sizes[-1] == pytest.approx(0.1 * 8**-0.5, rel=0.02)
    assert (net.net.linear == 0).all()


def test_the_matrices_hold_their_elements_where_they_belong():
    net = ValleySurrogate(6, 1, dataset.BOUNDS.tolist(), members=1, hidden=4, layers=1).double()
    for parameter in net.parameters():
        parameter.data.zero_()
    # Valence matrix: the diagonal is the stretch of its axis, the off-diagonals are the start's −0.1 times the shear.
    net.net.linear.data[0, 0, 0] = 0.3
    x = torch.tensor(dataset.design(6))
    _, edges = net.members(x)
    low, high = torch.tensor(dataset.BOUNDS)
    u = 2 * (x - low) / (high - low) - 1
    matrix = torch.diag_embed(0.3 * u[:, :3] / (1 / 3) ** 0.5)
    for k, (i, j) in enumerate(((1, 2), (0, 2), (0, 1))):
        matrix[:, i, j] = matrix[:, j, i] = -0.1 * u[:, 3 + k]
    valence = torch.linalg.eigvalsh(matrix)
    assert torch.allclose(edges[0, :, :3], valence - valence.mean(1, keepdim=True), atol=1e-9)
    gamma = torch.diag_embed(torch.full((6, 3), 2.5, dtype=torch.float64))
    for k, (i, j) in enumerate(((1, 2), (0, 2), (0, 1))):
        gamma[:, i, j] = gamma[:, j, i] = -0.1 * u[:, 3 + k]
    assert torch.allclose(edges[0, :, 3], torch.linalg.eigvalsh(gamma)[:, 0], atol=1e-9)
    assert torch.allclose(edges[0, :, 4:], torch.full((6, 3), 0.6).double(), atol=1e-6)


def test_errors_count_in_their_units():
    net = ValleySurrogate(6, 1, dataset.BOUNDS.tolist(), members=2, hidden=4, layers=1)
    x = torch.tensor(dataset.design(5), dtype=torch.float32)
    with torch.no_grad():
        properties, edges = net.members(x)
    y = torch.cat((properties.mean(0), edges.mean(0)), 1)
    off = torch.tensor([0.1, 0.2, 0.3 * ENERGY_UNIT, 0.4 * PRESSURE_UNIT])
    errors = net.validation_loss(x, torch.cat((y[:, :4] + off, y[:, 4:]), 1))
    assert [errors[k].item() for k in ("l2", "direct", "energy", "pressure")] == pytest.approx(
        [0.01, 0.04, 0.09, 0.16], rel=1e-3
    )
    single = ValleySurrogate(6, 1, dataset.BOUNDS.tolist(), members=1, hidden=4, layers=1)
    with torch.no_grad():
        properties, edges = single.members(x)
    y = torch.cat((properties[0], edges[0]), 1)
    y[:, :4] += off
    y[:, 4:] += 0.5
    (loss,) = single.losses(x, y, {}, torch.Generator())
    assert loss["y"].item() == pytest.approx(0.01 + 0.04 + 0.09 + 0.16 + 7 * 0.25, rel=1e-3)
    twice = ValleySurrogate(6, 1, dataset.BOUNDS.tolist(), members=2, hidden=4, layers=1)
    twice.net.load_state_dict(
        {k: v.repeat(2, *[1] * (v.dim() - 1)) if v.dim() == 3 else v for k, v in single.net.state_dict().items()}
    )
    (double,) = twice.losses(x, y, {}, torch.Generator())
    assert double["y"].item() == pytest.approx(2 * loss["y"].item(), rel=1e-4)  # each member learns by itself
    assert twice.spread(x).abs().max() < 1e-6
    assert torch.allclose(twice.properties(x), single.properties(x), atol=1e-6)
