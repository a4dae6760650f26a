"""The parametrization of cells for localization, pixel by pixel: filter, step, symmetry, masks and residuals."""

import math

import numpy as np
import pytest
import torch

from ipage_core.tasks.cells import constraints, space
from ipage_core.tasks.cells.space import Filtered, blur, cone, sharpen

FIELD = torch.tensor(np.random.default_rng(0).uniform(-0.2, 1.2, (2, 64)))
BOUNDS = torch.tensor([[0.0] * 64, [1.0] * 64], dtype=torch.float64)
IMAGE = [8 * (-(i // 8) % 8) + i % 8 for i in range(64)]
ORBITS = torch.tensor([min(i, k) for i, k in enumerate(IMAGE)])
"""Of a mirror of 8 × 8 pixels that keeps rows 0 and 4 and exchanges the others."""


def filtered(field, radius=1.8):
    """Mean of the pixels within the radius, weighted by radius − distance, on the torus: (64,) → (64,)."""
    side, result = 8, np.zeros(64)
    for y in range(side):
        for x in range(side):
            total = weight = 0.0
            for dy in range(-3, 4):
                for dx in range(-3, 4):
                    w = max(0.0, radius - math.hypot(dx, dy))
                    total += w * float(field[(y + dy) % side * side + (x + dx) % side])
                    weight += w
            result[y * side + x] = total / weight
    return result


def stepped(value, beta):
    return 0.5 * (1 + math.tanh(beta * (value - 0.5)) / math.tanh(beta / 2))


@pytest.mark.parametrize("radius", [1.0, 1.8, 2.5, 3.7])
def test_weights_fall_with_distance_and_add_up_to_one(radius):
    reach = int(radius)
    steps = range(-reach, reach + 1)
    wanted = np.array([[max(0.0, radius - math.hypot(x, y)) for x in steps] for y in steps])
    cone.cache_clear()
    found = cone(radius)
    assert found.dtype == torch.float64
    assert found.shape == (1, 1, 2 * reach + 1, 2 * reach + 1)
    assert found[0, 0].numpy() == pytest.approx(wanted / wanted.sum(), abs=1e-12)
    assert torch.equal(cone(), cone(1.8))


def test_the_filter_is_a_weighted_mean_on_the_torus():
    wanted = np.array([filtered(one) for one in FIELD])
    assert blur(FIELD).numpy() == pytest.approx(wanted, abs=1e-12)
    assert blur(FIELD.float()).dtype == torch.float32


@pytest.mark.parametrize("beta", [4.0, 32.0, torch.tensor(8.0)])
def test_the_step_keeps_0_half_and_1(beta):
    at = torch.tensor([-0.2, 0.0, 0.3, 0.5, 0.51, 0.9, 1.0], dtype=torch.float64)
    assert sharpen(at, beta).tolist() == pytest.approx([stepped(one, float(beta)) for one in at.tolist()])
    assert sharpen(at, beta)[[1, 3, 6]].tolist() == pytest.approx([0, 0.5, 1])


def test_a_field_becomes_a_cell_with_its_symmetry_and_masks():
    solid, void = torch.zeros(64, dtype=torch.bool), torch.zeros(64, dtype=torch.bool)
    solid[[3, 40]] = void[[5, 63]] = True
    plain = Filtered(BOUNDS)
    assert plain.beta == 32
    x = plain.decode(FIELD)
    wanted = np.array([[stepped(value, 32) for value in filtered(one)] for one in FIELD])
    assert x.numpy() == pytest.approx(wanted, abs=1e-9)
    assert torch.equal(plain.encode(FIELD), FIELD.clamp(0, 1))
    assert not plain.frozen.any()
    assert plain.frozen.shape == (64,)
    even = (FIELD + FIELD[:, IMAGE]) / 2
    masked = Filtered(BOUNDS, 8.0, ORBITS, solid, void)
    wanted = np.array([[stepped(value, 8) for value in filtered(one)] for one in even])
    wanted[:, solid], wanted[:, void] = 1, 0
    assert masked.decode(FIELD).numpy() == pytest.approx(wanted, abs=1e-9)
    cut = FIELD.clamp(0, 1)
    assert torch.allclose(masked.encode(FIELD), (cut + cut[:, IMAGE]) / 2)
    assert torch.equal(masked.frozen, solid | void)
    assert torch.equal(Filtered(BOUNDS, solid=solid).frozen, solid)
    assert torch.equal(Filtered(BOUNDS, void=void).frozen, void)


def test_stages_become_steeper():
    assert [stage.beta for stage in Filtered(BOUNDS, orbits=ORBITS).stages] == [8.0]
    assert [stage.beta for stage in Filtered(BOUNDS, 64.0).stages] == [8.0, 32.0]
    assert Filtered(BOUNDS, 8.0).stages == ()
    assert Filtered(BOUNDS, orbits=ORBITS).stages[0].orbits is ORBITS


def test_residuals_are_those_of_the_rows():
    rows = (lambda x: x.sum(1), lambda x: x[:, 0] * 2, lambda x: x[:, 1])
    assert torch.equal(Filtered(BOUNDS, rows=rows).excess(FIELD), torch.stack([row(FIELD) for row in rows]).T)
    assert Filtered(BOUNDS).excess(FIELD).shape == (2, 0)


@pytest.mark.parametrize("symmetric", [False, True])
def test_a_grey_cell_goes_to_the_nearest_admissible_one_of_its_symmetry(monkeypatch, symmetric):
    asked = []

    def admissible(grey, orbits, frozen):
        asked.append((grey, orbits, frozen))
        return grey > 0.7

    monkeypatch.setattr(space, "admissible", admissible)
    solid = torch.zeros(64, dtype=torch.bool)
    solid[9] = True
    grid = Filtered(BOUNDS, orbits=ORBITS if symmetric else None, solid=solid)
    found = grid.project(FIELD.float())
    assert found.dtype == torch.float32
    assert torch.equal(found, (FIELD.float() > 0.7).float())
    own = (ORBITS if symmetric else torch.arange(64)).numpy()
    assert grid.orbits_or_pixels().tolist() == own.tolist()
    for (grey, orbits, frozen), row in zip(asked, FIELD.float().double().numpy(), strict=True):
        assert np.array_equal(grey, row.reshape(8, 8))
        assert np.array_equal(orbits, own.reshape(8, 8))
        assert np.argwhere(frozen).tolist() == [[1, 1]]


def test_cells_that_miss_a_constraint_are_counted_and_the_farthest_is_said():
    cells = torch.zeros(3, 1024, dtype=torch.float64)
    cells[0, :700], cells[1, :600], cells[2, :512] = 1, 1, 1  # volumes 0.684, 0.586, 0.5
    y = torch.tensor([[0, 0.30, 0.25, 0, 0], [0, 0.30, 0.295, 0, 0], [math.nan] * 5], dtype=torch.float64)
    box = Filtered(torch.tensor([[0.0], [1.0]]).expand(2, 1024))

    def said(*expressions):
        return constraints.parse(box, lambda modulus: modulus, expressions).unmet(cells, y)

    assert said("volume>=0.55") == "1 of 3 cells miss volume>=0.55; the farthest has 0.5."
    assert said("volume<=0.55") == "2 of 3 cells miss volume<=0.55; the farthest has 0.684."
    assert said("volume=0.595", "E_y<=0.26") == (
        "2 of 3 cells miss volume=0.595; the farthest has 0.5. 1 of 3 cells miss E_y<=0.26; the farthest has 0.295."
    )
    assert said("isotropic") == "1 of 3 cells miss isotropic, E_y - E_x within 0.01 E_s; the farthest has -0.05."
    assert said("volume<=0.7", "volume>=0.5", "E_y>=0.25", "group=p4m") == ""
    assert box.unmet(cells, y) == ""
