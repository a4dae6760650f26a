"""Distances among images and steps along a solution set against NumPy, in boxes that are neither square nor centred."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from ipage_core.inference.methods import Loaded, Prior
from ipage_core.inference.solution_set import OWN_IMAGES, SolutionSet, closest, grow, pool
from ipage_core.inference.target_set import by_differences, by_slopes, by_surrogate
from ipage_core.problem.constraints import parse
from ipage_core.problem.task import Task
from tests.inference.test_spread import Box, circle, solutions

SCALE = np.array([1.0, 2.0, 5.0])


def turned(x):
    """All six orders of the coordinates in units of the distance."""
    return np.stack([(x / SCALE)[:, list(order)] * SCALE for order in itertools.permutations(range(3))], 1)


def symmetric(images=turned):
    return SolutionSet(lambda x: x[:, :1], torch.zeros(1), Box(torch.zeros(2, 3)), SCALE, 1.0, images=images)


def random(n, seed):
    return np.random.default_rng(seed).uniform(0, 1, (n, 3)) * SCALE


def every_distance(x, designs):
    """(n, k, s) from each point to each image of each design."""
    return np.linalg.norm((x / SCALE)[:, None, None] - turned(designs)[None] / SCALE, axis=3)


def test_distances_are_to_the_nearest_of_six_images():
    designs, x = random(9, 0), random(20, 1)
    every = every_distance(x, designs)
    distance, row = symmetric().nearest(x, designs)
    assert np.allclose(distance, every.min((1, 2)))
    assert np.array_equal(row, every.min(2).argmin(1))
    two, own = symmetric().two_nearest(x, designs)
    per_design = np.sort(every.min(2), axis=1)
    fourth = np.sort(every.reshape(20, -1), axis=1)[:, OWN_IMAGES - 1]
    hidden = per_design[:, 1] > fourth  # then the last image searched is a lower bound
    assert np.array_equal(own, row)
    assert np.allclose(two[:, 0], per_design[:, 0])
    assert np.allclose(two[:, 1], np.where(hidden, fourth, per_design[:, 1]))
    assert 0 < hidden.sum() < 20


@pytest.mark.parametrize("count", [1, 3])
def test_neighbours_are_the_nearest_images_of_other_designs_even_of_a_symmetric_one(count):
    x = random(8, 2)
    x[0] = (0.5 + np.array([0.0, 1e-4, 2e-4])) * SCALE  # all six of its images are nearest to it
    every = every_distance(x, x)
    every[np.arange(8), np.arange(8)] = np.inf
    flat = np.sort(every.reshape(8, -1), axis=1)
    distance, row, images = symmetric().neighbours(x, count)
    assert np.allclose(images, turned(x).reshape(-1, 3) / SCALE)
    assert distance.shape == row.shape == (8, count)
    found = np.isfinite(distance)
    assert found[:, 0].all()
    assert np.allclose(distance[found], flat[:, :count][found])
    measured = np.linalg.norm(images[row] - (x / SCALE)[:, None], axis=2)
    assert np.allclose(measured[found], distance[found])
    assert (row[found] // 6 != np.nonzero(found)[0]).all()
    assert np.allclose(symmetric().separation(x), flat[:, 0])
    two, alone = symmetric().separation(x[:2]), symmetric(images=None).separation(x[:2])
    assert np.allclose(two, every[0, 1].min())
    assert np.allclose(alone, np.linalg.norm((x[0] - x[1]) / SCALE))


def test_of_neighbours_as_many_are_found_as_own_images_leave_among_the_nearest():
    x = random(8, 2)
    x[0] = (0.5 + np.array([0.0, 1e-4, 2e-4])) * SCALE  # its six images are nearest to it
    distance, _, _ = symmetric().neighbours(x, 3)
    for i, images in enumerate(every_distance(x, x)):
        nearest = sorted((one, k) for k, row in enumerate(images) for one in row)[: 3 + OWN_IMAGES]
        others = [one for one, k in nearest if k != i][:3]
        assert distance[i].tolist() == pytest.approx(others + [np.inf] * (3 - len(others)))
    assert np.isinf(distance[0]).tolist() == [False, True, True]


def test_points_are_counted_from_the_nearest():
    line = np.arange(5.0)[:, None]
    distance, row = closest(line, np.array([[1.2], [3.9]]), 3)
    assert distance.tolist() == [pytest.approx([0.2, 0.8, 1.2]), pytest.approx([0.1, 0.9, 1.9])]
    assert row.tolist() == [[1, 2, 0], [4, 3, 2]]


# Steps

LOW, HIGH = np.array([-1.0, 0.0, 2.0, -3.0]), np.array([1.0, 4.0, 3.0, 7.0])
WIDTH = HIGH - LOW


def bent(x):
    """(n, 4) → (n, 2)."""
    return torch.stack((x[:, 0] ** 2 + 0.3 * x[:, 1] * x[:, 2], torch.sin(x[:, 3]) + x[:, 0] * x[:, 2]), 1)


def bent_slopes(x):
    a, b, c, d = x
    return np.array([[2 * a, 0.3 * c, 0.3 * b, 0], [c, 0, a, np.cos(d)]])


def step_of(slopes, off, way):
    """Tangential part of ``way`` at its full length, and Newton's step of at most a fifth, by the pseudoinverse."""
    inverse = np.linalg.pinv(slopes)
    along = way - inverse @ (slopes @ way)
    back = inverse @ off
    size = np.linalg.norm(along)
    along = along * np.linalg.norm(way) / size if size > 1e-9 else 0 * along
    return along - back * min(1, 0.2 / max(np.linalg.norm(back), 1e-12))


@pytest.mark.parametrize("unit", [None, (0.5, 4.0)])
@pytest.mark.parametrize("moves", [True, False])
def test_a_step_along_the_set_is_that_of_the_pseudoinverse(unit, moves):
    rng = np.random.default_rng(5)
    x = rng.uniform(LOW, HIGH, (40, 4))
    x[:10, 0], x[10:20, 1], x[20:25, 2], x[25:30, 3], x[3:6, 2] = LOW[0], HIGH[1], LOW[2], HIGH[3], HIGH[2]
    way = rng.standard_normal((40, 4)) * 0.1
    bounds, y = torch.from_numpy(np.stack((LOW, HIGH))), (2.0, 0.5)
    tensor = None if unit is None else torch.tensor(unit, dtype=torch.float64)
    moved = solutions(bent, y, bounds, unit=tensor).slide(x, way if moves else None)
    size, held, far = np.ones(2) if unit is None else np.array(unit), 0, 0
    for i, at in enumerate(x):
        off = (bent(torch.from_numpy(at[None]))[0].numpy() - y) / size
        slopes, wanted = bent_slopes(at) * WIDTH / size[:, None], way[i] * moves
        step = step_of(slopes, off, wanted)
        blocked = ((at <= LOW) & (step < 0)) | ((at >= HIGH) & (step > 0))
        if blocked.any():
            free = wanted * ~blocked
            step = step_of(slopes * ~blocked, off, free)
            if np.linalg.norm(free) > 0:  # the length stays that of the whole direction
                step = step_of(slopes * ~blocked, 0 * off, free) * np.linalg.norm(wanted) / np.linalg.norm(free)
                step = step + step_of(slopes * ~blocked, off, 0 * free)
        assert np.allclose(moved[i], np.clip(at + step * WIDTH, LOW, HIGH), atol=1e-6), i
        held, far = held + blocked.any(), far + (np.linalg.norm(np.linalg.pinv(slopes) @ off) > 0.2)
    assert held > 5
    assert 0 < far < 40


def test_units_are_taken_a_quarter_of_the_box_from_its_middle():
    class Squared(Box):
        def decode(self, u):
            return u**2

    bounds = torch.tensor([[1.0, 0.0], [3.0, 8.0]], dtype=torch.float64)
    curved = solutions(bounds=bounds, space=Squared(bounds))  # distances are in widths of 2 and 8
    expected = [0.5 / ((2.5**2 - 2**2) / 2), 2 / ((6**2 - 4**2) / 8)]
    assert curved.units().tolist() == pytest.approx(expected)


def test_a_flat_place_leaves_a_design_where_it_is():
    flat = solutions(lambda x: 0 * x[:, :1] + torch.where(x[:, :1] > 2, torch.nan, 1.0), (0.25,))
    x = np.array([[0.5, 0.3]])
    assert np.allclose(flat.slide(x), x)
    assert np.allclose(flat.slide(x, np.array([[0.1, 0.0]])), [[0.7, 0.3]])  # all ways are tangential


def test_starts_of_the_pool_lie_in_the_box_and_broken_samples_are_left_out():
    bounds = torch.tensor([[1.0, -5.0], [2.0, -3.0]], dtype=torch.float64)
    everywhere = solutions(lambda x: 0 * x[:, :1], (0.0,), bounds)

    def propose(count, seed):
        x = torch.full((count, 2), 1.5)
        x[0, 1], x[1] = torch.nan, torch.inf
        return x

    x = pool(everywhere, 100, 3, propose)
    assert len(x) == 98 + 100
    box = x[98:]
    assert ((box >= [1, -5]) & (box <= [2, -3])).all()
    for k, (low, high) in enumerate(((1, 2), (-5, -3))):  # a Sobol sequence fills every tenth of each side alike
        counts = np.histogram(box[:, k], bins=10, range=(low, high))[0]
        assert counts.min() >= 8
        assert counts.max() <= 12
    rough = solutions(lambda x: x[:, :1], (0.0,), bounds - 1.5)
    assert len(pool(rough, 10, 0, None)) == 10


def test_growth_steps_one_and_a_half_reaches_along_the_set():
    """On a straight line, new points lie 1.5 reaches of the sparsest points away from these."""
    line = solutions(lambda x: x[:, 1:], (0.0,), torch.tensor([[-9.0, -1.0], [9.0, 1.0]], dtype=torch.float64))
    x = np.stack((np.concatenate((np.linspace(-1, 1, 30), [2.0, 3.0])), np.zeros(32)), 1)
    reach = line.reach(x)
    more = grow(line, x, 0, rounds=1, count=4)[32:]
    sparsest = np.argsort(-reach, kind="stable")[:2]
    expected = [abs(x[k, 0] + side * 1.5 * reach[k] * 18) for k in sparsest for side in (-1, 1)]
    assert len(more) == 4
    assert all(min(abs(abs(new) - one) for one in expected) < 1e-3 for new in more[:, 0])
    assert np.allclose(more[:, 1], 0, atol=1e-8)
    assert len(grow(solutions(circle), np.array([[0.5, 0.0], [0.0, 0.5]]), 0, rounds=1, count=2)) == 4


def test_derivatives_by_differences_are_those_of_the_function():
    step = torch.tensor([1e-4, 1e-3, 2e-4, 5e-5], dtype=torch.float64)
    x = torch.from_numpy(np.random.default_rng(3).uniform(LOW, HIGH, (6, 4))).requires_grad_(True)
    y = by_differences(lambda x: torch.from_numpy(bent(torch.from_numpy(x.detach().numpy())).numpy()), step)(x)
    assert torch.equal(y.detach(), bent(x.detach()))
    for j in (0, 1):
        (slopes,) = torch.autograd.grad(y[:, j].sum(), x, retain_graph=True)
        for at, found in zip(x.detach().numpy(), slopes.numpy(), strict=True):
            assert np.allclose(found, bent_slopes(at)[j], atol=1e-6)

    def half(x):  # no value on the right
        return torch.where(x > 0, torch.nan, x**2)

    edge = torch.tensor([[0.0], [-1.0]], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(by_differences(half, step[:1])(edge).sum(), edge)
    assert slope[:, 0].tolist() == pytest.approx([0, -2])


def test_an_omega_without_derivatives_is_followed_by_steps_of_a_millionth_of_each_width():
    def blind(x):
        return torch.from_numpy(np.asarray(x.detach()) @ np.array([[1.0], [1e-3]])).to(x)

    task = Task.from_function(
        blind, {"a": (-1, 1), "b": (0, 1e5)}, {"p": 0.1}, "blind", default_target=(3,), seconds=1e-6
    )
    x, arrived = by_slopes(task, parse(task), torch.tensor([60.0])).land(np.array([[0.0, 2e4], [0.9, 8e4]]))
    assert arrived.all()
    assert np.allclose(x @ [1, 1e-3], 60, atol=1e-5)
    with pytest.raises(ValueError, match="has no derivatives"):  # 2e-4 s a coordinate are the most
        by_slopes(replace(task, omega_seconds=1.1e-4), parse(task), torch.tensor([60.0]))
    smooth = Task.from_function(
        lambda x: x.sum(1), {"a": (-1, 1), "b": (0, 2)}, {"p": 0.1}, "smooth", default_target=(1,), seconds=5e-3
    )
    x, arrived = by_slopes(smooth, parse(smooth), torch.tensor([1.0])).land(np.array([[0.5, 1.5]]))  # too slow for that
    assert arrived.all()
    assert np.allclose(x.sum(1), 1, atol=1e-6)


def test_an_ensemble_is_trusted_where_it_agrees_on_every_property():
    class Ensemble:
        def __call__(self, x):
            return x[:, :2]

        def spread(self, x):
            return x[:, :2].abs() * torch.tensor([1.0, 10.0])

    known = torch.linspace(0, 1, 101, dtype=torch.float64)[:, None].expand(101, 3)
    names = {"a": (0, 1), "b": (0, 1), "c": (0, 1)}
    task = Task.from_function(lambda x: x[:, :2], names, {"p": 0.1, "q": 0.1}, "two", default_target=(0.5, 0.5))
    task = replace(task, held_out=lambda: (known, known[:, :2]))  # 99 % have spreads up to 0.99 and 9.9
    method = Loaded("two", Prior(task), Ensemble(), torch.device("cpu"))
    found = by_surrogate(task, method, parse(task), torch.tensor([0.5, 0.5]), task.tolerances)
    x = torch.tensor([[0.5, 0.5, 0], [0.98, 0.98, 0], [0.995, 0.5, 0], [0.5, 0.995, 0], [1, 1, 0]])
    assert found.trusted(x).tolist() == [True, True, False, False, False]
    assert found.sure(x.double().numpy()).tolist() == [True, True, False, False, False]
