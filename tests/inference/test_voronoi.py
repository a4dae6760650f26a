"""Voronoi cells and breathing k-means against loops over all points and designs."""

import math

import numpy as np
import pytest
import torch

from ipage_core.inference.voronoi import Points, breathe
from tests.inference.test_spread import solutions

BOUNDS = torch.tensor([[-1.0, -2.0, -1.0], [1.0, 2.0, 1.0]], dtype=torch.float64)
SCALE = np.array([2.0, 4.0, 2.0])


def alone(x):
    return [x]


def mirrored(x):
    return [x, x * [-1, 1, 1]]


def space(images):
    """The box, without steps along a set: cells know distances and images alone."""
    both = None if images is alone else lambda x: np.stack(mirrored(x), 1)
    return solutions(None, (0.0,), BOUNDS, images=both)


def some(n, seed):
    return np.random.default_rng(seed).uniform(-1, 1, (n, 3)) * [1, 2, 1]


def table(a, b, images):
    """(n, k) distances from points to the nearest image of each design."""
    return np.min([np.linalg.norm((a[:, None] - image) / SCALE, axis=2) for image in images(b)], axis=0)


def plain_means(known, weight, x, images, power=2.0):
    """→ means, total error."""
    distance, means, error = table(known, x, images), x.copy(), 0.0
    for i in range(len(x)):
        rows, pull, sums = np.flatnonzero(distance.argmin(1) == i), 0.0, np.zeros(3)
        for k in rows:
            near = min(images(known[k]), key=lambda image, i=i: math.dist(image / SCALE, x[i] / SCALE))
            pull += weight[k] * distance[k, i] ** (power - 2)
            sums += weight[k] * distance[k, i] ** (power - 2) * near
            error += weight[k] * distance[k, i] ** power
        if pull:
            means[i] = sums / pull
    return means, error


def plain_cells(known, weight, x, images):
    """→ errors, needed, costliest points, total."""
    errors, needed, costliest = np.zeros(len(x)), np.zeros(len(x)), np.zeros(len(x), int)
    distance = table(known, x, images)
    for i in range(len(x)):
        rows = np.flatnonzero(distance.argmin(1) == i)
        cost = {k: weight[k] * distance[k, i] ** 2 for k in rows}
        without = {k: weight[k] * min(np.delete(distance[k], i)) ** 2 for k in rows}
        errors[i], needed[i] = sum(cost.values()), sum(without.values()) - sum(cost.values())
        costliest[i] = max(cost, key=cost.get, default=0)
    return errors, needed, costliest, errors.sum()


def plainly_breathed(known, weight, x, images):
    """Add where the error is largest, remove where least is needed; fewer at a time once that does not help."""

    def twice(y):
        return plain_means(known, weight, plain_means(known, weight, y, images)[0], images)[0]

    count, told = max(1, len(x) // 20), []
    for _ in range(8):
        errors, _, costliest, total = plain_cells(known, weight, x, images)
        y = twice(np.concatenate([x, [known[costliest[i]] for i in np.argsort(-errors)[:count]]]))
        apart, gone = table(y, y, images) + 9 * np.eye(len(y)), []
        for i in np.argsort(plain_cells(known, weight, y, images)[1], kind="stable"):
            if len(gone) < count and apart[i].argmin() not in gone:
                gone.append(i)
        y = twice(np.delete(y, gone, axis=0))
        better = plain_cells(known, weight, y, images)[3] < 0.997 * total
        told.append((count, bool(better)))
        if better:
            x = y
        elif count == 1:
            break
        else:
            count //= 2
    return x, told


@pytest.mark.parametrize("images", [alone, mirrored])
@pytest.mark.parametrize("power", [2.0, 3.0, 6.0])
def test_a_mean_is_of_the_images_nearest_to_the_design(images, power):
    known, x, weight = some(60, 0), some(7, 1), np.random.default_rng(2).random(60)
    expected, error = plain_means(known, weight, x, images, power)
    means, total = Points(space(images), known, weight).means(x, power)
    np.testing.assert_allclose(means, expected, atol=1e-12)
    assert total == pytest.approx(error)
    if power == 2:
        assert np.array_equal(Points(space(images), known, weight).means(x)[0], means)


def test_a_design_without_points_stays():
    x = np.array([[0.5, 1.0, 0.0], [-0.9, -1.9, 0.9]])
    means, _ = Points(space(alone), x[:1] + 0.1, np.ones(1)).means(x)
    np.testing.assert_allclose(means, [x[0] + 0.1, x[1]])


@pytest.mark.parametrize("images", [alone, mirrored])
def test_cells_are_those_of_the_definition(images):
    known, weight = some(60, 3), np.random.default_rng(5).random(60)
    x = np.concatenate([some(7, 4), [[0.99, 1.99, -0.99]]])  # the last one has no point
    cells = Points(space(images), known, weight).cells(x)
    errors, needed, costliest, total = plain_cells(known, weight, x, images)
    np.testing.assert_allclose(cells.error, errors, atol=1e-12)
    np.testing.assert_allclose(cells.needed, needed, atol=1e-12)
    assert cells.farthest.tolist() == costliest.tolist()
    assert cells.total == pytest.approx(total)


def test_points_are_taken_and_added_with_their_weight():
    known, weight = some(30, 0), np.arange(30.0)
    points = Points(space(alone), known, weight)
    few = points.some(9)
    assert len(few.on_set) == len({*few.weight}) == 9
    assert np.array_equal(few.on_set, known[few.weight.astype(int)])
    assert len(points.some(99).on_set) == 30
    more = points.with_more(some(2, 1))
    assert np.array_equal(more.on_set, np.concatenate([known, some(2, 1)]))
    assert more.weight.tolist() == [*weight, 14.5, 14.5]


CASES = [(2, 20, 0, alone), (6, 50, 1, alone), (6, 50, 2, mirrored), (41, 60, 4, alone), (41, 150, 3, mirrored)]


def case(n, known, seed, images):
    return some(known, seed), np.random.default_rng(seed).random(known), some(n, seed + 10), images


@pytest.mark.parametrize("given", CASES)
def test_breathing_is_that_of_the_definition(given):
    known, weight, x, images = case(*given)
    expected, told = plainly_breathed(known, weight, x, images)
    np.testing.assert_allclose(breathe(Points(space(images), known, weight), x), expected, atol=1e-9)
    if len(x) == 41:  # two at a time, then one, which helps in one case
        assert (2, True) in told
        assert told[-2:] == [(2, False), (1, images is alone)]
