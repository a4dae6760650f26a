"""The surrogate of silicon, number by number: against a reference in NumPy that follows its description."""

import itertools

import numpy as np
import pytest
import torch

from ipage_core.tasks.crystal.bands import views
from ipage_core.tasks.silicon import dataset
from ipage_core.tasks.silicon.dataset import StrainData
from ipage_core.tasks.silicon.valleys import ValleyEdges, ValleySurrogate, pairs

HALF_WIDTHS = np.array([0.03, 0.02, 0.01, 0.04, 0.05, 0.02])
START = [0.0, -0.1, 0.0, 2.5, -0.1, 0.0, 0.6, 0.0, 0.0]
MEAN = np.array([0, 0, 0, 1 / 3, 2 / 3, 1 / 9, 0, 0])


def made(members=2, hidden=3, layers=2):
    """A network with random weights in a box that is not around 0."""
    torch.manual_seed(3)
    net = ValleySurrogate(6, 1, [(0.01 - HALF_WIDTHS).tolist(), (0.01 + HALF_WIDTHS).tolist()], members, hidden, layers)
    net = net.double()
    net.box.copy_(torch.tensor(np.stack([0.01 - HALF_WIDTHS, 0.01 + HALF_WIDTHS])))  # without float32's rounding
    for parameter in net.parameters():
        parameter.data.uniform_(-0.6, 0.6)
    return net


def strains(n=7):
    return 0.01 + HALF_WIDTHS * np.random.default_rng(5).uniform(-1, 1, (n, 6))


def seen_from(axis, u):
    """Features of a strain over the box's half widths from one axis: its own, and sums and products of the others."""
    j, k = (axis + 1) % 3, (axis + 2) % 3
    e, s = u[:3], u[3:]
    features = [e[axis], e[j] + e[k], e[j] * e[k], s[axis] ** 2, s[j] ** 2 + s[k] ** 2, s[j] ** 2 * s[k] ** 2]
    return np.array([*features, e[j] * s[j] ** 2 + e[k] * s[k] ** 2, s[0] * s[1] * s[2]])


def deviations():
    """SD of the features for u uniform in the box; Gauss's rule of three points is exact for powers up to five."""
    points, weights = np.polynomial.legendre.leggauss(3)
    u = np.array(list(itertools.product(points, repeat=6)))
    w = np.array([np.prod(one) / 64 for one in itertools.product(weights, repeat=6)])
    f = np.array([seen_from(0, one) for one in u])
    assert w @ f == pytest.approx(MEAN, abs=1e-12)
    return np.sqrt(w @ (f - MEAN) ** 2)


def reference(net, x):
    """Members' properties (members, n, 4) and band edges (members, n, 7) of strains (n, 6)."""
    weights = [w.detach().numpy() for w in net.net.weights]
    biases = [b.detach().numpy() for b in net.net.biases]
    linear, sd = net.net.linear.detach().numpy(), deviations()
    properties, edges = np.zeros((len(linear), len(x), 4)), np.zeros((len(linear), len(x), 7))
    for m, (n, strain) in itertools.product(range(len(linear)), enumerate(x)):
        u = (strain - 0.01) / HALF_WIDTHS
        out = []
        for axis in range(3):
            read = h = (seen_from(axis, u) - MEAN) / sd
            for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
                h = h @ w[m] + b[m, 0]
                if k < len(weights) - 1:
                    h = h / (1 + np.exp(-h))
            out.append(h + read @ linear[m] + START)
        out = np.array(out)
        matrices = []
        for first in (0, 3):
            matrix = np.diag(out[:, first])
            for i, (j, k) in enumerate(((1, 2), (2, 0), (0, 1))):
                shear = u[3:]
                element = out[i, first + 1] * shear[i] + out[i, first + 2] * shear[j] * shear[k]
                matrix[j, k] = matrix[k, j] = element
            matrices.append(np.linalg.eigvalsh(matrix))
        valence = matrices[0] - matrices[0].mean()
        gamma, valleys = matrices[1][0], out[:, 6]
        edges[m, n] = [*valence, gamma, *valleys]
        energy, pressure = 0.1 * out[:, 7].mean(), 10 * out[:, 8].mean()
        properties[m, n] = [valleys.min() - valence[2], gamma - valence[2], energy, pressure]
    return properties, edges


@pytest.mark.parametrize("layers", [1, 2])
def test_the_network_is_what_its_description_says(layers):
    net, x = made(layers=layers), strains()
    properties, edges = reference(net, x)
    found = net.members(torch.tensor(x))
    assert found[0].detach().numpy() == pytest.approx(properties, abs=2e-6)  # mean and SD of features are float32
    assert found[1].detach().numpy() == pytest.approx(edges, abs=2e-6)
    with torch.no_grad():
        assert net.properties(torch.tensor(x)).numpy() == pytest.approx(properties.mean(0), abs=2e-6)
        assert net(torch.tensor(x)).numpy() == pytest.approx(properties.mean(0)[:, :1], abs=2e-6)
        assert net.spread(torch.tensor(x)).numpy() == pytest.approx(properties.std(0, ddof=1), abs=2e-6)
        assert net.valley(torch.tensor(x)).tolist() == edges.mean(0)[:, 4:].argmin(1).tolist()


def test_features_are_read_with_mean_0_and_sd_1():
    net = ValleyEdges(1, 2, 1)
    assert net.feature_mean.numpy() == pytest.approx(MEAN, abs=1e-7)
    assert net.feature_sd.numpy() == pytest.approx(deviations(), rel=1e-6)
    u = np.random.default_rng(1).uniform(-1, 1, (4, 6))
    by_hand = [[seen_from(axis, one) for axis in range(3)] for one in u]
    assert views(torch.tensor(u))[0].numpy() == pytest.approx(np.array(by_hand))


def test_the_usual_network_has_5_members_and_two_layers_of_64():
    torch.manual_seed(0)
    net = ValleySurrogate(6, 1, dataset.BOUNDS.tolist())
    assert [tuple(w.shape) for w in net.net.weights] == [(5, 8, 64), (5, 64, 64), (5, 64, 9)]
    assert [tuple(b.shape) for b in net.net.biases] == [(5, 1, 64), (5, 1, 64), (5, 1, 9)]
    assert tuple(net.net.linear.shape) == (5, 8, 9)
    # Uniform up to 1 / √inputs; a tenth of it at the outputs, which then start as the unstrained crystal.
    for part in (net.net.weights, net.net.biases):
        bounds = [one.abs().max().item() for one in part]
        assert bounds == pytest.approx([8**-0.5, 8**-1, 0.1 * 8**-1], rel=0.05)
    assert net.weight_sets == ("phi",)


def test_training_pairs_are_the_columns_of_the_rows():
    fresh = np.random.default_rng(2)
    n = 3
    valence, conduction, stress = (fresh.uniform(0, 1, (n, k)) for k in (3, 8, 6))
    strain, gap, energy = fresh.uniform(0, 1, (n, 6)), fresh.uniform(0, 1, n), fresh.uniform(0, 1, n)
    x, y = pairs(StrainData(np.arange(n, dtype=np.int32), strain, gap, valence, conduction, energy, stress, {}))
    assert x.numpy().tolist() == strain.tolist()
    for row in range(n):
        middle = valence[row].sum() / 3
        pressure = -(stress[row, 0] + stress[row, 1] + stress[row, 2]) / 3
        by_axis = [conduction[row, 7], conduction[row, 6], conduction[row, 5]]  # D2 lies on the first axis
        edges = [*valence[row], conduction[row, 0], *by_axis]
        wanted = [gap[row], conduction[row, 0] - valence[row, 2], energy[row], pressure]
        assert y[row].numpy() == pytest.approx([*wanted, *(edge - middle for edge in edges)])


def test_losses_are_sums_of_squares_over_known_numbers():
    net, x = made(), strains(4)
    properties, edges = reference(net, x)
    y = np.random.default_rng(4).uniform(-1, 1, (4, 11))
    y[1, 3] = y[2, 9] = y[3, 0] = np.nan
    errors = np.concatenate([(properties - y[:, :4]) / [1, 1, 0.1, 10], edges - y[:, 4:]], axis=2)
    wanted = sum(np.nansum(errors[m, n] ** 2) for m in range(2) for n in range(4)) / 4
    (loss,) = net.losses(torch.tensor(x), torch.tensor(y), {}, torch.Generator())
    assert loss["y"].item() == pytest.approx(wanted, rel=1e-5)
    y = np.nan_to_num(y)
    said = net.validation_loss(torch.tensor(x), torch.tensor(y))
    off = ((properties.mean(0) - y[:, :4]) / [1, 1, 0.1, 10]) ** 2
    assert [said[name].item() for name in ("l2", "direct", "energy", "pressure")] == pytest.approx(
        off.mean(0), rel=1e-5
    )
