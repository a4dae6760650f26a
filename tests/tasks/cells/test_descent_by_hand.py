"""The descent on several properties, step by step against a reference; its space, pixel by pixel."""

import math

import numpy as np
import pytest

from ipage_core.tasks.cells import descent
from ipage_core.tasks.cells.descent import CellSpace, descend
from ipage_core.tasks.cells.goals import Goal, Goals
from ipage_core.tasks.cells.properties import values_and_gradients

PIXELS = np.arange(1024).reshape(32, 32)
MIRRORED = np.minimum(PIXELS, PIXELS[-np.arange(32)]).ravel()
"""Orbits of a mirror that keeps rows 0 and 16."""


def mask(*pixels, side=32):
    result = np.zeros((side, side), dtype=bool)
    for at in pixels:
        result[at] = True
    return result


def filtered(u, radius):
    """Mean weighted by radius − distance, on the torus."""
    reach, total, weight = int(radius), np.zeros(u.shape), 0.0
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            w = max(0.0, radius - math.hypot(dx, dy))
            total, weight = total + w * np.roll(u, (dy, dx), (0, 1)), weight + w
    return total / weight


@pytest.mark.parametrize(
    ("space", "radius"),
    [
        ({}, 1.8),
        ({"feature": 2}, 3.2),
        ({"side": 48, "feature": 3}, 4.8),
        ({"side": 64, "radius": 2.3}, 2.3),
        ({"solid": mask((3, 4), (0, 0)), "void": mask((5, 5)), "orbits": MIRRORED}, 1.8),
    ],
)
def test_a_density_is_the_filtered_field_sharpened_and_masked(space, radius):
    space = CellSpace(**space)
    assert space.radius == pytest.approx(radius)
    u = np.random.default_rng(0).uniform(-0.1, 1.1, (space.side, space.side))
    for beta in (1.0, 6.0):
        step = 0.5 * (1 + np.tanh(beta * (filtered(u, radius) - 0.5)) / math.tanh(beta / 2))
        wanted = np.clip(step, 0, 1)
        if space.solid is not None:
            wanted[space.solid], wanted[space.void] = 1, 0
        assert space.density(u, beta) == pytest.approx(wanted, abs=1e-12)
    assert space.density(np.full(u.shape, 1.5), 6.0).max() == 1
    assert space.density(np.full(u.shape, -0.5), 6.0).min() == 0


@pytest.mark.parametrize("orbits", [None, MIRRORED])
def test_gradients_are_pulled_back_to_the_field(orbits):
    rng = np.random.default_rng(1)
    space = CellSpace(orbits=orbits, solid=mask((3, 4), (0, 0)), void=mask((5, 5)))
    u = space.symmetric(rng.uniform(0.2, 0.8, (32, 32)))
    weights, ways = rng.standard_normal((2, 32, 32)), rng.standard_normal((4, 32, 32))

    def at(field):
        return (weights * space.density(space.symmetric(field), 3.0)).sum((1, 2))

    found = space.pull_back(weights, u, 3.0)
    assert found.shape == (2, 1024)
    for way in ways:
        numeric = (at(u + 1e-5 * way) - at(u - 1e-5 * way)) / 2e-5
        assert found @ way.ravel() == pytest.approx(numeric, rel=1e-6)


def test_symmetry_is_the_mean_over_orbits():
    u = np.random.default_rng(2).random((3, 32, 32))
    assert CellSpace(orbits=MIRRORED).symmetric(u) == pytest.approx((u + u[:, -np.arange(32)]) / 2)
    assert CellSpace().symmetric(u) is u
    assert (CellSpace().side, CellSpace().feature) == (32, 1)
    for side in (32, 48, 64):
        assert CellSpace(side, side // 4).side == side
        with pytest.raises(ValueError, match=f"1 to {side // 4} pixels"):
            CellSpace(side, side // 4 + 1)
    for wrong in (33, 49, 65):
        with pytest.raises(ValueError, match="32, 48 or 64"):
            CellSpace(wrong)
    with pytest.raises(ValueError, match="smallest feature"):
        CellSpace(feature=0)


def test_flips_take_their_orbits_with_them():
    cell = np.random.default_rng(3).random((32, 32)) < 0.5
    before = cell.copy()
    pixels = np.array([5, 40, 32 * 16 + 2])
    alone = CellSpace().flipped(cell, pixels)
    assert np.flatnonzero(alone != cell).tolist() == pixels.tolist()
    together = CellSpace(orbits=MIRRORED).flipped(cell, pixels)
    assert np.flatnonzero(together != cell).tolist() == [5, 40, 32 * 16 + 2, 32 * 31 + 8]
    assert np.array_equal(cell, before)


def test_a_cell_is_allowed_by_features_masks_and_hinges():
    cell = np.zeros((32, 32), dtype=bool)
    cell[4:8] = cell[:, 4:8] = True
    there, absent = mask((4, 20), (5, 20)), mask((20, 20), (21, 20))
    half = mask((4, 20), (20, 20))
    assert CellSpace().allows(cell)
    assert CellSpace(feature=4).allows(cell)
    assert not CellSpace(feature=5).allows(cell)
    assert CellSpace(feature=2, solid=there, void=absent).allows(cell)
    assert not CellSpace(solid=absent).allows(cell)
    assert not CellSpace(solid=half).allows(cell)
    assert not CellSpace(void=there).allows(cell)
    assert not CellSpace(void=half).allows(cell)
    assert not CellSpace(solid=there, void=half).allows(cell)
    assert not CellSpace(solid=half, void=absent).allows(cell)
    thin = cell | mask(*((y, 20) for y in range(32)))
    assert CellSpace().allows(thin)
    assert not CellSpace(feature=2).allows(thin)
    assert not CellSpace().allows(cell | mask((20, 20), (21, 21)))
    assert np.array_equal(CellSpace(solid=there, void=absent).frozen, there | absent)
    assert CellSpace(solid=there).frozen is there
    assert CellSpace(void=absent).frozen is absent
    assert CellSpace().frozen is None


@pytest.mark.parametrize("feature", [1, 2])
@pytest.mark.parametrize("good", [1, 2, 3, 6, 7, 8, 15, 34, 35])
@pytest.mark.parametrize("part", ["both", "allowed", "admissible"])
def test_a_clean_cell_is_sought_by_turns_of_making_admissible_and_repairing(monkeypatch, feature, good, part):
    """Seven cells are made at each level: cut, and repaired and made admissible three times in turn.

    Each is checked, but the last one of a level only at the last level.
    """
    made, asked = [], []

    def another(kind, *arguments):
        made.append(kind)
        asked.append(arguments)
        return mask(*((0, k) for k in range(len(made) % 32)), *((k // 32 + 1, k % 32) for k in range(len(made) // 32)))

    def is_good(cell):
        return np.array_equal(cell, mask(*((0, k) for k in range(good % 32)), *((1, k) for k in range(good // 32))))

    monkeypatch.setattr(descent, "admissible", lambda *arguments: another("admissible", *arguments))
    monkeypatch.setattr(descent, "repaired", lambda *arguments: another("repaired", *arguments))
    monkeypatch.setattr(descent, "is_admissible", lambda cell: part != "allowed" and is_good(cell))
    monkeypatch.setattr(descent, "has_hinges", lambda cell: not (part != "admissible" and is_good(cell)))
    monkeypatch.setattr(descent, "has_features", lambda cell, k: k == 2)
    grey = np.random.default_rng(0).random((32, 32))
    space = CellSpace(feature=feature, orbits=MIRRORED)
    found = space.clean(grey)
    levels = (0.5,) if feature == 1 else (0.5, 0.35, 0.65, 0.2, 0.8)
    checked = {k for k in range(1, 7 * len(levels) + 1) if k % 7 or k == 7 * len(levels)}
    success = part == "both" and good in checked
    assert (found is not None) == success
    assert len(made) == (good if success else 7 * len(levels))
    assert (
        made
        == (["admissible", "repaired"] * 3 + ["admissible"]) * (len(made) // 7)
        + (["admissible", "repaired"] * 3)[: len(made) % 7]
    )
    for k, level in enumerate(levels[: -(-len(made) // 7)]):
        density, orbits, frozen = asked[7 * k]
        assert density == pytest.approx(np.clip(grey + 0.5 - level, 0, 1))
        assert np.array_equal(orbits, MIRRORED.reshape(32, 32))
        assert frozen is None
    assert all(arguments[1] == feature for kind, arguments in zip(made, asked, strict=True) if kind == "repaired")


# The descent


def stepped(u, jacobian, residual):
    """A step by the description, and in how many rounds pixels at the end of their range were found to be pushed."""
    flat, free, rounds = u.ravel().copy(), np.ones(u.size, dtype=bool), 0
    wanted = residual * min(1, 25 / max(abs(residual)))
    for _ in range(3):
        columns = np.where(free, jacobian, 0)
        normal = columns @ columns.T
        if np.trace(normal) == 0:
            return u, -1
        normal += 1e-3 * np.trace(normal) / len(normal) * np.eye(len(normal))
        delta = columns.T @ np.linalg.inv(normal) @ wanted
        pushed = free & (((flat >= 1) & (delta > 1e-15)) | ((flat <= 0) & (delta < -1e-15)))
        if not pushed.any():
            break
        free &= ~pushed
        rounds += 1
    delta *= min(1, 0.15 / abs(delta).max())
    return np.clip(flat + delta, 0, 1).reshape(u.shape), rounds


def reference(u, goals, space, operator, sharpness):
    u, calls, way, pushed = space.symmetric(u), 0, [], []
    for beta in sharpness:
        for _ in range(12):
            rho = space.density(u, beta)
            stiffness, gradient = operator(rho)
            calls += 1
            value, slopes = values_and_gradients(goals.names, stiffness, gradient, rho.sum() / rho.size)
            residual = goals.residual(value)
            if max(abs(residual)) < 0.3:
                break
            active = [k for k, r in enumerate(residual) if r != 0]
            jacobian = np.array([space.pull_back(slopes[[k]], u, beta)[0] / goals.tolerance[k] for k in active])
            u, rounds = stepped(u, jacobian, residual[active])
            pushed.append(rounds)
        way.append(space.density(u, beta))
    return u, way, calls, pushed


def mixture(seed):
    """An operator that adds up what pixels contribute; some of them make the cell softer."""
    rng = np.random.default_rng(seed)
    a = rng.uniform(-1, 1, (32, 32, 3, 3))
    share = (a @ a.swapaxes(2, 3)) * rng.uniform(-0.3, 1, (32, 32, 1, 1)) / 1024

    def operator(rho):
        return 0.3 * np.eye(3) + (share * rho[..., None, None]).sum((0, 1)), share.transpose(2, 3, 0, 1)

    return operator


CASES = [
    ([Goal("E_x", "exactly", 0.45, 0.004), Goal("volume", "exactly", 0.6, 0.01)], {}, (4.0, 8.0, 16.0, 32.0)),
    (
        [Goal("E_x", "exactly", 0.6, 0.001), Goal("E_y", "at least", 0.3), Goal("volume", "at most", 0.3)],
        {},
        (4.0, 8.0),
    ),
    ([Goal("E_x", "exactly", 0.36, 0.01), Goal("G_xy", "exactly", 0.3, 0.002)], {"orbits": MIRRORED}, (4.0, 16.0)),
    ([Goal("volume", "exactly", 0.9, 0.001)], {"solid": PIXELS < 100, "void": PIXELS > 900}, (2.0,)),
    (
        [Goal("E_x", "exactly", 0.47, 0.01), Goal("E_y", "exactly", 0.4, 0.01), Goal("nu_xy", "exactly", 0.05)],
        {},
        (8.0,),
    ),
    # Far in tolerances, but not in steps; and a goal that hardly depends on any pixel.
    ([Goal("E_x", "exactly", 0.5, 3e-4), Goal("volume", "exactly", 0.6, 2e-4)], {}, (4.0,)),
    ([Goal("E_x", "exactly", 0.7, 0.3)], {}, (4.0,)),
]


@pytest.mark.parametrize(("goals", "space", "sharpness"), CASES)
@pytest.mark.parametrize("ends", [False, True])
def test_a_descent_goes_step_by_step_as_described(goals, space, sharpness, ends):
    space, goals = CellSpace(**space), Goals.of(goals)
    rng = np.random.default_rng(5)
    u = rng.uniform(-0.6, 1.6, (32, 32)).clip(0, 1) if ends else rng.uniform(0.3, 0.7, (32, 32))
    wanted, stages, calls, pushed = reference(u, goals, space, mixture(5), sharpness)
    assert max(pushed) > 0 if ends else 0 in pushed
    assert len(goals.names) != 3 or sharpness != (4.0, 8.0) or not ends or 3 in pushed  # not all found in three rounds
    way = []
    found, rho, used = descend(u, goals, space, mixture(5), sharpness, way)
    assert used == calls
    assert found == pytest.approx(wanted, abs=1e-7)
    assert len(way) == len(stages)
    for one, other in zip(way, stages, strict=True):
        assert one == pytest.approx(other, abs=1e-6)
    assert np.array_equal(rho, way[-1])


def test_a_descent_becomes_steeper_in_four_stages_unless_told_otherwise():
    goals, u = Goals.of(CASES[0][0]), np.random.default_rng(6).random((32, 32))
    usual, told = [], []
    ended = descend(u, goals, CellSpace(), mixture(5), way=usual)
    other = descend(u, goals, CellSpace(), mixture(5), (4.0, 8.0, 16.0, 32.0), told)
    assert np.array_equal(usual, told)
    assert (np.array_equal(ended[0], other[0]), ended[2]) == (True, other[2])


def test_where_nothing_can_move_the_field_stays():
    everything = np.ones((32, 32), dtype=bool)
    u = np.random.default_rng(6).random((32, 32))
    goals = Goals.of([Goal("volume", "exactly", 0.5, 0.01)])
    found, rho, calls = descend(u, goals, CellSpace(solid=everything), mixture(5), (4.0,))
    assert np.array_equal(found, u)
    assert rho.min() == 1
    assert calls == 12
    full = np.ones((32, 32))
    assert np.array_equal(descend(full, Goals.of([Goal("volume", "at least", 1.0)]), CellSpace(), mixture(5))[0], full)
