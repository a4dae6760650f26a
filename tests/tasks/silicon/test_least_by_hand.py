"""The least energy at a gap: which descents count, and how a path goes from gap to gap."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ipage_core.problem import constraints
from ipage_core.tasks.silicon import dataset, least
from ipage_core.tasks.silicon.task import TASK
from ipage_core.tasks.silicon.valleys import ValleySurrogate


class Quadratic(torch.nn.Module):
    """gap = 0.5 − 10 e33; direct gap 2 + e11; energy = 50 (e : e); pressure = −100 tr e."""

    def properties(self, x):
        energy = 50 * (x[:, :3].square().sum(1) + 2 * x[:, 3:].square().sum(1))
        return torch.stack((0.5 - 10 * x[:, 2], 2 + x[:, 0], energy, -100 * x[:, :3].sum(1)), 1)


def ends_at(monkeypatch, *strain):
    monkeypatch.setattr(least, "minimize", lambda *_, **__: SimpleNamespace(x=np.array(strain, dtype=float)))


@pytest.mark.parametrize(("off", "counts"), [(0.99e-5, True), (-0.99e-5, True), (1.01e-5, False), (-1.01e-5, False)])
def test_a_descent_counts_if_it_keeps_the_gap_to_1e_5(monkeypatch, off, counts):
    ends_at(monkeypatch, 0.01, 0, 0.02 - off / 10, 0, 0, 0)
    [found] = least.extreme(Quadratic(), torch.zeros(1, 6), 0.3)
    assert (found is not None) == counts
    if counts:
        assert found.properties[:3] == pytest.approx([0.3 + off, 2.01, 50 * (1e-4 + (0.02 - off / 10) ** 2)], abs=1e-9)


@pytest.mark.parametrize(("beyond", "counts"), [(0.98e-3, True), (1.02e-3, False)])
def test_a_descent_counts_if_its_caps_are_exceeded_by_1e_3_in_all(monkeypatch, beyond, counts):
    space = constraints.parse(TASK, ["e11+e23<=0.01", "e22-e23<=0.01"])
    excess = space.excess(torch.tensor([[0.011, 0.012, 0.02, 0, 0, 0]], dtype=torch.float64))
    part = beyond / float(excess.sum())
    ends_at(monkeypatch, 0.01 + 0.001 * part, 0.01 + 0.002 * part, 0.02, 0, 0, 0)
    [found] = least.extreme(Quadratic(), torch.zeros(1, 6), 0.3, space=space)
    assert (found is not None) == counts


def test_an_end_beyond_the_box_is_cut_to_it(monkeypatch):
    ends_at(monkeypatch, 0.2, 0, 0.02, 0, 0, 0)
    [found] = least.extreme(Quadratic(), torch.zeros(1, 6), 0.3)
    assert found.strain == pytest.approx([dataset.BOUNDS[1, 0], 0, 0.02, 0, 0, 0])


@pytest.mark.parametrize(
    ("name", "sign", "wanted"),
    [
        ("direct", 1.0, [-0.03, None, 0.02]),
        ("direct", -1.0, [0.03, None, 0.02]),
        ("energy", 1.0, [0, 0, 0.02, 0, 0, 0]),
        ("pressure", 1.0, [0.03, 0.03, 0.02]),
        ("pressure", -1.0, [-0.03, -0.03, 0.02]),
    ],
)
def test_each_property_has_its_least_and_greatest_value_where_it_should(name, sign, wanted):
    start = torch.full((2, 6), 0.004)
    start[1] *= -1
    for found in least.extreme(Quadratic(), start, 0.3, name, sign):
        for value, known in zip(found.strain, wanted, strict=False):
            assert known is None or value == pytest.approx(known, abs=1e-5)


def test_two_caps_bind_at_once():
    space = constraints.parse(TASK, ["e11+e23<=0.01", "e22-e23<=0.005"])
    [found] = least.extreme(Quadratic(), torch.zeros(1, 6), 0.3, "pressure", 1.0, space)
    e11, e22, e33, e23, *_ = found.strain
    assert (e11 + e23, e22 - e23, e33) == pytest.approx((0.01, 0.005, 0.02), abs=1e-5)


def test_the_copy_in_double_is_fixed_and_the_network_stays_as_it_is():
    network = ValleySurrogate(6, 1, dataset.BOUNDS.tolist(), members=2, hidden=4, layers=1).train()
    exact = least.in_double(network)
    assert all(one.dtype == torch.float64 and not one.requires_grad for one in exact.parameters())
    assert not exact.training
    assert network.training
    assert all(one.dtype == torch.float32 and one.requires_grad for one in network.parameters())


def test_a_path_starts_from_the_best_and_from_where_it_was(monkeypatch):
    """The descents are replaced by some that end where they start, and fail from a negative e22."""
    tried, done = [], []

    def extreme(network, starts, gap):
        assert next(network.parameters(), torch.zeros((), dtype=torch.float64)).dtype == torch.float64
        tried.append(starts.tolist())
        rows = network.properties(starts).numpy()
        return [None if x[1] < 0 else least.Minimum(x.numpy(), row) for x, row in zip(starts, rows, strict=True)]

    def at(*sizes):
        return torch.tensor([[0.0, size, 0, 0, 0, 0] for size in sizes])

    starts = {0.1: at(0.03, 0.01, 0.025, 0.02), 0.2: at(0.015), 0.3: at(-0.01), 0.4: at(0.005), 0.5: at(-0.02, -0.01)}
    monkeypatch.setattr(least, "extreme", extreme)
    found = least.path(Quadratic(), [0.1, 0.2, 0.3, 0.4, 0.5], starts.__getitem__, progress=done.append)
    sizes = [[round(x[1], 6) for x in rows] for rows in tried]
    # The three of least energy; then the last one found and the new ones.
    assert sizes == [[0.01, 0.02, 0.025], [0.01, 0.015], [0.01, -0.01], [0.01, 0.005], [0.005, -0.01, -0.02]]
    assert [round(float(one.strain[1]), 6) for one in found] == [0.01, 0.01, 0.01, 0.005, 0.005]
    assert done == [1, 2, 3, 4, 5]
    tried.clear()
    lost = least.path(Quadratic(), [0.3, 0.5, 0.2, 0.4], starts.__getitem__, tried=1)
    assert [None if one is None else round(float(one.strain[1]), 6) for one in lost] == [None, None, 0.015, 0.005]
    assert [[round(x[1], 6) for x in rows] for rows in tried] == [[-0.01], [-0.01], [0.015], [0.015, 0.005]]
