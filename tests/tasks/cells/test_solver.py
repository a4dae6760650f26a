"""Goals of several properties: gradients through the filter, admissible flips, cells checked by the operator."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ipage_core.tasks.cells import starts
from ipage_core.tasks.cells.annealing import anneal
from ipage_core.tasks.cells.dataset import cell, unpack
from ipage_core.tasks.cells.descent import CellSpace, descend
from ipage_core.tasks.cells.features import has_features
from ipage_core.tasks.cells.flips import Finished, finish
from ipage_core.tasks.cells.goals import Goal, Goals
from ipage_core.tasks.cells.homogenization import homogenize
from ipage_core.tasks.cells.mesh import on_pixels
from ipage_core.tasks.cells.modulus import E_X_MEAN, E_X_SD
from ipage_core.tasks.cells.posterior_start import posterior_samples
from ipage_core.tasks.cells.properties import values, values_and_gradients
from ipage_core.tasks.cells.solver import solve
from ipage_core.tasks.cells.topology import is_admissible
from ipage_core.tasks.cells.wallpaper import is_symmetric, operations

MODULI = ("E_x", "E_y", "nu_xy", "G_xy")
TOLERANCE = (0.01, 0.01, 0.012, 0.004)
P4M = operations("p4m", 32).min(axis=0)


def properties_of(cells: np.ndarray, names: tuple[str, ...] = MODULI) -> np.ndarray:
    return values(names, homogenize(cells), np.asarray(cells, dtype=float).mean((-2, -1)))


def goals_of(target: np.ndarray) -> list[Goal]:
    return [Goal(n, "exactly", v, t) for n, v, t in zip(MODULI, target.tolist(), TOLERANCE, strict=True)]


@pytest.fixture(scope="module")
def target() -> np.ndarray:
    return properties_of(cell(7, 3).pixels)


@pytest.mark.parametrize("symmetric", [False, True])
def test_gradient_through_filter_symmetry_and_masks(symmetric: bool) -> None:
    solid = np.zeros((32, 32), dtype=bool)
    solid[14:18, 14:18] = True
    space = CellSpace(orbits=P4M if symmetric else None, solid=solid, void=np.roll(solid, 16, axis=(0, 1)))
    rng = np.random.default_rng(0)
    u, direction, beta, step = rng.uniform(0.3, 0.7, (32, 32)), rng.standard_normal((32, 32)), 4.0, 1e-5

    def at(field: np.ndarray) -> np.ndarray:
        rho = space.density(space.symmetric(field), beta)
        return values_and_gradients((*MODULI, "volume"), *on_pixels(rho), rho.mean())

    slopes = space.pull_back(at(u)[1], space.symmetric(u), beta)
    numeric = (at(u + step * direction)[0] - at(u - step * direction)[0]) / (2 * step)
    np.testing.assert_allclose(slopes @ direction.ravel(), numeric, rtol=1e-4, atol=1e-7)
    rho = space.density(u, beta)
    assert (rho[solid] == 1).all()
    assert (rho[space.void] == 0).all()


def test_descent_brings_grey_cells_to_every_goal(target: np.ndarray) -> None:
    goals = Goals.of(goals_of(target))
    _, rho, calls = descend(starts.noise(np.random.default_rng(0), 32), goals, CellSpace())
    assert np.abs(goals.residual(properties_of(rho))).max() < 1
    assert calls > 1


@pytest.mark.parametrize("search", [finish, anneal])
@pytest.mark.parametrize("space", [CellSpace(), CellSpace(orbits=P4M), CellSpace(feature=2)], ids=str)
def test_flips_obey(space: CellSpace, search: Callable[..., Finished]) -> None:
    """From a cross, which is admissible, symmetric and wide enough for all of them."""
    cross = np.zeros((32, 32), dtype=bool)
    cross[12:20] = cross[:, 12:20] = True
    before = properties_of(cross)
    goals = Goals.of([Goal("E_x", "exactly", before[0] + 0.03, 0.01), Goal("volume", "at most", 0.6, 0.01)])
    ended = search(cross, goals, space, np.random.default_rng(0))
    assert ended.misfit <= 1
    assert is_admissible(ended.cell)
    assert has_features(ended.cell, space.feature)
    assert space.orbits is None or is_symmetric(ended.cell, "p4m")
    np.testing.assert_allclose(ended.values, properties_of(ended.cell, goals.names), rtol=1e-12)
    assert abs(ended.values[0] - before[0] - 0.03) <= 0.01
    assert ended.values[1] <= 0.6


@pytest.mark.parametrize("search", [finish, anneal])
def test_flips_leave_masks_alone(target: np.ndarray, search: Callable[..., Finished]) -> None:
    pixels = cell(7, 3).pixels
    rows = np.zeros((32, 32), dtype=bool)
    rows[:8] = True
    space = CellSpace(solid=rows & pixels, void=rows & ~pixels)
    ended = search(pixels, Goals.of([Goal("E_x", "exactly", target[0] + 0.03)]), space, np.random.default_rng(0))
    assert ended.misfit <= 1
    assert (ended.cell == pixels)[rows].all()


def test_solve_keeps_its_word(target: np.ndarray) -> None:
    found = solve(goals_of(target), 4, seed=1)
    again = solve(goals_of(target), 4, seed=1)
    assert (found.cells == again.cells).all()
    assert found.met.all()
    assert all(map(is_admissible, found.cells))
    off = np.abs(properties_of(found.cells) - target) / TOLERANCE
    assert off.max() <= 1
    np.testing.assert_allclose(found.misfit, off.max(1), rtol=1e-9)
    assert "4 of 4" in found.sentence()


@pytest.mark.parametrize("start", ["nearest", "noise", "motif"])
def test_auxetic_from_every_start(start: str) -> None:
    goals = [Goal("nu_xy", "at most", -0.2, 0.02), Goal("E_x", "at least", 0.02, 0.002)]
    found = solve(goals, 1, from_=(start,), attempts=3)
    assert found.met.all()
    e_x, nu = properties_of(found.cells[0], ("E_x", "nu_xy"))
    assert nu <= -0.2
    assert e_x >= 0.02


def test_open_goals_are_pushed() -> None:
    held = Goal("E_x", "at least", 0.3, 0.01)
    plain = solve([held], 1, from_=("noise",))
    light = solve([held, Goal("volume", "minimize")], 1, from_=("noise",))
    assert light.met.all()
    assert light.values[0, 0] >= 0.3
    assert light.values[0, 1] <= plain.cells.mean() - 0.05


def test_what_is_pushed_begins_with_the_best_stored_cells() -> None:
    held = Goal("volume", "at most", 0.5)
    found = solve([Goal("E_x", "maximize"), held], 2)
    stored = starts.shipped_property("volume") <= 0.5
    assert found.met.all()
    assert found.values[:, 0].max() > starts.shipped_property("E_x")[stored].max()
    assert found.sentence().endswith(f"; the largest E_x among them is {found.values[:, 0].max():.4g}")


def test_other_resolutions_and_features() -> None:
    found = solve([Goal("E_x", "exactly", 0.3), Goal("E_y", "exactly", 0.4)], 1, space=CellSpace(48, feature=2))
    assert found.cells.shape == (1, 48, 48)
    assert found.met.all()
    assert has_features(found.cells, 2).all()


def test_the_extrapolated_property_is_designed_to() -> None:
    found = solve([Goal("E_x", "exactly", 0.3), Goal("nu_xy", "exactly", 0.2)], 1, mesh="converged")
    assert found.met.all()
    fine = values(("E_x",), homogenize(found.cells[0].repeat(4, 0).repeat(4, 1)), 1)
    assert abs(fine[0] - 0.3) <= 0.02


def test_what_is_not_found_is_said_so() -> None:
    found = solve([Goal("E_x", "at least", 0.49), Goal("volume", "at most", 0.5)], 1, attempts=1, from_=("noise",))
    assert not found.met.any()
    assert "not reached in 1 starts" in found.sentence()
    assert is_admissible(found.cells[0])


def test_given_starts() -> None:
    pixels = cell(7, 3).pixels
    goals = [Goal("E_x", "exactly", float(properties_of(pixels)[0]), 0.01)]
    found = solve(goals, 2, from_=("given",), given=pixels[None])
    assert found.met.all()
    assert found.start == ["given", "given"]


def test_nearest_finds_the_cell_itself_and_its_transpose() -> None:
    data = starts.stored()
    row = int(np.flatnonzero(data.group == "pm")[0])
    names = ("E_x", "E_y", "nu_xy", "G_xy", "volume", "eta_x", "eta_y")
    for turn in (data.pixels[row], data.pixels[row].T):
        exact = properties_of(turn, names)
        goals = Goals.of([Goal(n, "exactly", v, 1e-3) for n, v in zip(names, exact.tolist(), strict=True)])
        cells, misfit = starts.nearest(goals, 3)
        assert misfit[0] < 1e-6
        assert (cells[0] == turn).all()


def test_motifs_are_auxetic() -> None:
    rng = np.random.default_rng(0)
    nu = [properties_of(CellSpace().clean(starts.motif(rng, 32)))[2] for _ in range(12)]
    assert np.median(nu) < -0.1


def test_bounds_aim_inside() -> None:
    goals = Goals.of([Goal("volume", "at most", 0.5, 0.02), Goal("E_x", "at least", 0.2, 0.01)])
    np.testing.assert_allclose(goals.residual([0.40, 0.30]), 0)
    np.testing.assert_allclose(goals.residual([0.50, 0.20]), [-1, 1])
    np.testing.assert_allclose(goals.residual([0.54, 0.18]), [-3, 3])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"goals": [Goal("volume", "minimize")]}, "at least one goal"),
        ({"n": 0}, "at least one design"),
        ({"from_": ()}, "start '' is not known"),
        ({"from_": ("luck",)}, "start 'luck'"),
        ({"mesh": "fine"}, "mesh 'fine'"),
        ({"from_": ("given",)}, "given cells"),
    ],
)
def test_bad_calls_are_refused(bad: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        solve(**{"goals": [Goal("E_x", "exactly", 0.3)], **bad})


@pytest.mark.parametrize(
    "bad", [("E_z", "exactly", 1), ("E_x", "about", 1), ("E_x", "exactly"), ("E_x", "exactly", 0.3, 0)]
)
def test_bad_goals_are_refused(bad: tuple) -> None:
    with pytest.raises(ValueError, match=r"accepted|expected"):
        Goal(*bad)


@pytest.mark.parametrize("bad", [{"side": 40}, {"feature": 0}, {"feature": 9}])
def test_bad_spaces_are_refused(bad: dict) -> None:
    with pytest.raises(ValueError, match="expected"):
        CellSpace(**bad)


@pytest.mark.filterwarnings("error")
def test_where_no_pixel_can_move_the_nearest_is_said() -> None:
    """Every pixel kept solid, and a stiffness that only the solid itself has."""
    fixed = CellSpace(solid=np.ones((32, 32), dtype=bool))
    found = solve([Goal("E_x", "exactly", 0.3, 0.01)], 1, space=fixed, attempts=2)
    assert found.cells.all()
    assert not found.met.any()
    assert "not reached in 2 starts" in found.sentence()
    assert "E_x = 1" in found.sentence()
    assert solve([Goal("E_x", "exactly", 1.0, 0.001)], 1, from_=("noise",), attempts=2).values[0, 0] > 0.9


def test_without_a_clean_start_a_stored_cell_is_kept_if_it_is_nearer() -> None:
    """No cell has so little solid: the solid cell would be the worst answer."""
    found = solve([Goal("volume", "exactly", 0.0, 0.001)], 1, space=CellSpace(feature=2), attempts=1)
    assert not found.met.any()
    assert found.values[0, 0] < 0.5
    assert is_admissible(found.cells[0])


def test_lookup_is_the_least_misfit_of_all_shipped_cells() -> None:
    """The nearest in the sum of squares may miss a goal that another cell meets."""
    goals = Goals.of(goals_of(properties_of(cell(7, 11).pixels)))
    every = np.concatenate((starts.shipped(1).stiffness, starts.shipped(1).stiffness[:, [1, 0, 2]][:, :, [1, 0, 2]]))
    assert starts.lookup(goals) == pytest.approx(np.abs(goals.residual(values(MODULI, every, 1))).max(1).min())
    assert starts.lookup(goals) <= starts.nearest(goals, 1)[1][0]


def test_lookup_counts_cells_with_the_feature_at_their_own_resolution() -> None:
    goals = Goals.of([Goal("E_x", "exactly", 0.6, 0.001), Goal("volume", "exactly", 0.8, 0.001)])
    assert starts.lookup(goals, 2, 32) == starts.lookup(goals, 4, 64)
    data = starts.shipped(2)
    wide = has_features(unpack(data.packed), 4)
    both = values(goals.names, data.stiffness[wide], data.volume[wide])
    swapped = values(goals.names, data.stiffness[wide][:, [1, 0, 2]][:, :, [1, 0, 2]], data.volume[wide])
    misfit = np.abs(goals.residual(np.concatenate((both, swapped)))).max(1)
    assert starts.lookup(goals, 4, 32) == pytest.approx(misfit.min())
    assert starts.lookup(goals, 16, 32) == np.inf or starts.lookup(goals, 16, 32) >= starts.lookup(goals, 4, 32)


class Drawing:
    """In place of the shipped network: remembers y, and draws the ramp z₁ … along x."""

    def sample(self, y, z):
        self.y, self.z = y, z
        return torch.linspace(-0.5, 1.5, 32).expand(len(z), 32, 32).reshape(len(z), -1)


@pytest.mark.parametrize(("names", "turned"), [(("E_x",), False), (("E_y",), True), (("volume", "E_y", "E_x"), False)])
def test_samples_of_the_posterior_are_drawn_at_the_goal_and_turned_for_e_y(monkeypatch, names, turned) -> None:
    drawing = Drawing()
    monkeypatch.setattr("ipage_core.inference.methods.load", lambda task, name: SimpleNamespace(proposal=drawing))
    aims = Goals.of([Goal(name, "exactly", 0.3 + 0.1 * (name == "E_x")) for name in names])
    samples = posterior_samples(aims, 3, 5)
    known = 0.4 if "E_x" in names else 0.3
    assert drawing.y.tolist() == [[pytest.approx((known - E_X_MEAN) / E_X_SD)]] * 3
    assert drawing.z.shape == (3, 1024)
    assert torch.equal(drawing.z, torch.randn(3, 1024, generator=torch.Generator().manual_seed(5)))
    ramp = np.tile(np.linspace(-0.5, 1.5, 32).clip(0, 1), (32, 1))
    assert np.allclose(samples, [ramp.T if turned else ramp] * 3, atol=1e-6)


def test_the_posterior_needs_a_modulus_that_the_network_knows() -> None:
    with pytest.raises(ValueError, match="needs a goal on E_x or E_y"):
        posterior_samples(Goals.of([Goal("volume", "exactly", 0.5)]), 1, 0)
