"""Starts of the search for a cell and its space: motifs, noise, filters, masks, by hand."""

import math

import numpy as np
import pytest

from ipage_core.tasks.cells import descent, printable, starts
from ipage_core.tasks.cells.dataset import SIDE, cell, full, pack, random_field, unpack
from ipage_core.tasks.cells.descent import CellSpace, descend
from ipage_core.tasks.cells.features import has_features, repaired
from ipage_core.tasks.cells.goals import Goal, Goals
from ipage_core.tasks.cells.homogenization import homogenize
from ipage_core.tasks.cells.printable import printable_cell
from ipage_core.tasks.cells.properties import values
from ipage_core.tasks.cells.topology import admissible, fill_hinges, is_admissible, percolates
from ipage_core.tasks.cells.voxels import directional_moduli, homogenize_voxels, isotropic, surface
from ipage_core.tasks.cells.wallpaper import ONE_AXIS, is_symmetric


class Fixed:
    """A generator with given numbers: uniform gives the share of the way, random, choice and integers the next."""

    def __init__(self, share=0.5, random=0.9, integers=(0, 0)):
        self.share, self.next, self.whole = share, random, integers

    def uniform(self, low, high):
        return low + self.share * (high - low)

    def random(self):
        return self.next

    def integers(self, low, high, size):
        assert low == 0
        return np.array(self.whole)

    def choice(self, of):
        return of[0]

    def standard_normal(self, shape):
        return np.random.default_rng(5).standard_normal(shape)


def nu(cell):
    return float(values(("nu_xy",), homogenize(cell), cell.mean())[0])


@pytest.mark.parametrize("random", [0.1, 0.9])
@pytest.mark.parametrize("share", [0.2, 0.8])
def test_motifs_are_auxetic_mechanisms(random, share):
    field = starts.motif(Fixed(share, random), 32)
    assert field.min() == 0
    assert 0.8 < field.max() <= 1
    made = admissible(field)
    assert percolates(made) == (True, True)
    assert nu(made) < -0.1


def test_rotating_squares_fill_what_their_angle_leaves():
    # Four squares of half side a = 1/4 / (cos + sin) · 1.06 at 22.5°, of which the corners overlap.
    solid = starts.motif(Fixed(0.5, 0.1), 96) >= 0.5
    half = 0.25 / (math.cos(math.radians(22.5)) + math.sin(math.radians(22.5))) * 1.06
    assert solid.mean() == pytest.approx(4 * (2 * half) ** 2, abs=0.03)
    quarter = np.roll(solid, (48, 48), (0, 1))  # the square at (i, j) and the one at (i + 1, j + 1) are alike
    assert (quarter == solid).mean() > 0.93
    assert (np.rot90(solid) == solid).mean() > 0.95 or (np.rot90(solid) == np.roll(solid, 48, 0)).mean() > 0.95


def test_the_honeycomb_has_walls_of_its_thickness():
    solid = starts.motif(Fixed(0.5, 0.9), 96) >= 0.5
    h, half = 0.345, 0.0425
    # Two upright ribs of length 2h and four slanted ones from (0, ½ ∓ h) to (±½, h) and (±½, 1 − h).
    slanted = math.hypot(0.5, h - (0.5 - h))
    length = 2 * 2 * h + 4 * slanted
    assert solid.mean() == pytest.approx(2 * half * length, abs=0.08)
    column = solid[:, 0] if solid[:, 0].mean() > 0.5 else solid[0]
    assert column.mean() == pytest.approx(2 * h, abs=0.1)
    assert (solid == solid[::-1]).mean() > 0.9
    assert (solid == solid[:, ::-1]).mean() > 0.9


def test_a_motif_may_lie_anywhere():
    at_rest, moved = (starts.motif(Fixed(0.5, 0.9, at), 32) >= 0.5 for at in ((0, 0), (3, 5)))
    assert (np.roll(at_rest, (3, 5), (0, 1)) == moved).mean() > 0.9


@pytest.mark.parametrize(("length", "share"), [(1.0, 0.78), (3.0, 0.97)])
def test_noise_is_centred_and_as_smooth_as_its_length(length, share):
    rng = np.random.default_rng(0)
    fields = np.stack([starts.noise(rng, 32, length) for _ in range(80)])
    assert fields.min() >= 0
    assert fields.max() <= 1
    assert fields.mean() == pytest.approx(0.5, abs=0.02)
    assert fields.std() == pytest.approx(0.29, abs=0.02)
    off = fields - 0.5
    neighbours = (off * np.roll(off, 1, 2)).mean() / (off**2).mean()
    # The spectrum is filtered with exp(−k²ℓ²/2), so the covariance is exp(−r²/4ℓ²).
    assert neighbours == pytest.approx(math.exp(-1 / (4 * length**2)), abs=0.03)
    assert neighbours == pytest.approx(share, abs=0.04)
    assert (starts.noise(Fixed(), 64) == starts.noise(Fixed(), 64, 1.4)).all()


def test_a_shaken_cell_keeps_its_shape():
    solid = cell(7, 3).pixels
    made = starts.shaken(np.random.default_rng(0), solid)
    assert made[solid].mean() == pytest.approx(0.84, abs=0.02)
    assert made[~solid].mean() == pytest.approx(0.16, abs=0.02)
    assert made[solid].std() == pytest.approx(0.13, abs=0.02)
    assert made.min() >= 0
    assert made.max() <= 1


def test_a_field_is_resized_between_its_pixels():
    ramp = np.tile([0.0, 1.0], (2, 1))
    assert starts.resized(ramp, 2).tolist() == ramp.tolist()
    assert starts.resized(ramp, 4)[0].tolist() == pytest.approx([0.25, 0.25, 0.75, 0.75])
    assert starts.resized(ramp.T, 4)[:, 0].tolist() == pytest.approx([0.25, 0.25, 0.75, 0.75])
    waves = np.sin(2 * np.pi * (np.arange(32) + 0.5) / 32)[:, None] * np.ones(32)
    fine = np.sin(2 * np.pi * (np.arange(64) + 0.5) / 64)[:, None] * np.ones(64)
    assert np.abs(starts.resized(waves, 64) - fine).max() < 0.01


def test_the_nearest_cells_are_near_and_differ():
    goals = Goals.of([Goal("E_x", "exactly", 0.3, 0.01), Goal("E_y", "exactly", 0.5, 0.01)])
    cells, residual = starts.nearest(goals, 6)
    assert cells.shape == (6, 32, 32)
    own = values(("E_x", "E_y"), homogenize(cells), cells.mean((1, 2)))
    assert np.allclose(np.abs(own - [0.3, 0.5]).max(1) / 0.01, residual, atol=1e-4)
    assert residual.max() < 8
    for i in range(6):
        for j in range(i):
            assert min((cells[i] != cells[j]).mean(), (cells[i] != cells[j].T).mean()) > 0.06
    thick, _ = starts.nearest(goals, 3, feature=4)
    assert has_features(thick, 2).all()
    mean, sd = starts.mean_and_sd("E_x")
    assert (mean, sd) == (pytest.approx(0.3559279405), pytest.approx(0.2601029469))
    n = len(starts.shipped_property("E_x")) // 2
    assert np.allclose(starts.shipped_property("E_x")[n:], starts.shipped_property("E_y")[:n])


# The space of the descent


def test_the_space_of_cells_filters_masks_and_averages():
    space = CellSpace()
    assert space.radius == 1.8
    assert CellSpace(feature=2).radius == pytest.approx(3.2)
    assert CellSpace(radius=2.5).radius == 2.5
    u = np.zeros((32, 32))
    u[0, 0] = 1
    blurred = np.arctanh((2 * space.density(u, 1e-3) - 1) * math.tanh(5e-4)) / 1e-3 + 0.5
    cone = np.maximum(0, 1.8 - np.hypot(*np.mgrid[-1:2, -1:2]))
    assert np.allclose(np.roll(blurred, (1, 1), (0, 1))[:3, :3], cone / cone.sum(), atol=1e-6)
    half = space.density(np.full((32, 32), 0.6), 8.0)
    assert np.allclose(half, 0.5 + 0.5 * math.tanh(0.8) / math.tanh(4))
    solid = np.zeros((32, 32), dtype=bool)
    solid[0, 0] = True
    void = np.roll(solid, 1)
    both = CellSpace(solid=solid, void=void)
    assert both.frozen.sum() == 2
    assert CellSpace(solid=solid).frozen is solid
    assert CellSpace(void=void).frozen is void
    assert CellSpace().frozen is None
    rho = both.density(np.full((32, 32), 0.5), 4.0)
    assert (rho[0, 0], rho[0, 1], rho[5, 5]) == (1, 0, pytest.approx(0.5))
    orbits = np.arange(1024).reshape(32, 32)
    orbits = np.minimum(orbits, orbits[::-1]).ravel()
    field = np.random.default_rng(0).random((32, 32))
    even = CellSpace(orbits=orbits).symmetric(field)
    assert np.allclose(even, (field + field[::-1]) / 2)
    assert space.symmetric(field) is field


@pytest.mark.parametrize(("side", "feature"), [(33, 1), (16, 1), (32, 0), (32, 9), (64, 17)])
def test_a_space_that_cannot_be_is_refused(side, feature):
    with pytest.raises(ValueError, match="expected"):
        CellSpace(side=side, feature=feature)
    assert CellSpace(side=32, feature=8).feature == 8
    assert CellSpace(side=64, feature=16).side == 64


def test_a_clean_cell_obeys_masks_and_features():
    cross = np.zeros((32, 32), dtype=bool)
    cross[10:20] = cross[:, 10:20] = True
    assert CellSpace().allows(cross)
    assert np.array_equal(CellSpace().clean(cross.astype(float)), cross)
    thin = cross.copy()
    thin[25] = True
    assert CellSpace().allows(thin)
    assert not CellSpace(feature=2).allows(thin)
    assert CellSpace(feature=2).clean(thin.astype(float)) is not None
    hinge = cross.copy()
    hinge[5, 5] = hinge[6, 6] = True
    assert not CellSpace().allows(hinge)
    hole = np.zeros_like(cross)
    hole[0, 0] = True
    assert CellSpace(solid=~cross & hole).allows(cross) is False
    assert CellSpace(void=cross).allows(cross) is False
    assert CellSpace(void=hole, solid=cross).allows(cross)


def test_a_descent_takes_steps_of_bounded_size_and_counts_evaluations():
    goals = Goals.of([Goal("volume", "exactly", 0.7, 0.01)])
    u = np.full((32, 32), 0.5)
    way = []
    ended, rho, calls = descend(u, goals, CellSpace(), sharpness=(4.0,), way=way)
    assert rho.mean() == pytest.approx(0.7, abs=0.003)
    assert np.allclose(ended, ended[0, 0], atol=1e-6)  # the step of least norm is uniform
    assert calls > 1
    assert len(way) == 1
    assert np.array_equal(way[0], rho)


# Data and voxels


def test_a_cell_depends_on_its_seed_and_index_alone():
    one = cell(7, 3)
    assert np.array_equal(one.pixels, cell(7, 3).pixels)
    assert not np.array_equal(one.pixels, cell(7, 4).pixels)
    assert not np.array_equal(one.pixels, cell(8, 3).pixels)
    assert one.volume_fraction == one.pixels.mean()
    assert one.attempts >= 1
    some = [cell(11, i) for i in range(12)]
    assert all(percolates(c.pixels) == (True, True) for c in some)
    assert all(0.28 < c.volume_fraction <= 1 for c in some)


def test_a_printable_cell_has_no_thin_feature():
    for i in range(3):
        made = printable_cell(3, i)
        assert has_features(made.pixels, 2)
        assert is_admissible(made.pixels)
        assert is_symmetric(made.pixels, made.group) or is_symmetric(made.pixels, made.group, swap=True)
        assert made.volume_fraction == made.pixels.mean()


def test_a_candidate_is_repaired_until_it_is_admissible_six_times_at_most(monkeypatch):
    rounds, attempts, volumes = [], [], []

    def field(rng, shortest, longest):
        assert (shortest, longest) == (1.6, 5.0)
        rounds.append([])
        return random_field(rng, shortest, longest)

    def fill(pixels):
        if not rounds[-1]:
            volumes.append(pixels.mean())
        return fill_hinges(pixels)

    def repair(*cell):
        after = repaired(*cell)
        rounds[-1].append(is_admissible(after))
        return after

    monkeypatch.setattr(printable, "random_field", field)
    monkeypatch.setattr(printable, "fill_hinges", fill)
    monkeypatch.setattr(printable, "repaired", repair)
    for i in range(40):
        made, before = printable_cell(0, i), sum(attempts)
        attempts.append(made.attempts)
        assert len(rounds) - before == made.attempts
        assert is_admissible(made.pixels)
        assert has_features(made.pixels, 2)
        swaps = (False, True) if made.group in ONE_AXIS else (False,)
        assert any(is_symmetric(made.pixels, made.group, swap=swap) for swap in swaps)
    assert [min(volumes), max(volumes)] == pytest.approx([0.2, 0.95], abs=0.03)
    assert all(not any(each[:-1]) for each in rounds)
    assert {len(each) for each in rounds if not each[-1]} == {6}
    assert {1, 2} <= {len(each) for each in rounds if each[-1]} <= {1, 2, 3, 4, 5, 6}


def test_random_fields_have_lengths_within_their_range():
    rng = np.random.default_rng(0)
    for length in (1.5, 4.0):
        fields = np.stack([random_field(rng, length, length) for _ in range(300)])
        # Averaged over directions and aspect ratios 1 to 3; isotropic would be exp(−r²/2ℓ²).
        each = fields / np.sqrt((fields**2).mean((1, 2), keepdims=True))
        near = np.mean([(each * np.roll(each, 1, axis)).mean() for axis in (1, 2)])
        draws = np.random.default_rng(1)
        aspect, angle = np.sqrt(draws.uniform(1, 3, 4000)), draws.uniform(0, np.pi, 4000)
        square = (np.cos(angle) / aspect) ** 2 + (np.sin(angle) * aspect) ** 2
        assert near == pytest.approx(np.exp(-square / (2 * length**2)).mean(), abs=0.03)


def test_cells_are_packed_row_by_row():
    pixels = np.random.default_rng(0).random((3, SIDE, SIDE)) < 0.5
    packed = pack(pixels)
    assert packed.shape == (3, 128)
    assert packed[0, 0] == sum(int(pixels[0, 0, k]) << (7 - k) for k in range(8))
    assert np.array_equal(unpack(packed), pixels)
    c = full(np.arange(12.0).reshape(2, 6))
    assert c[1].tolist() == [[6, 7, 8], [7, 9, 10], [8, 10, 11]]


def test_the_solids_stiffness_is_hookes():
    c = isotropic(0.25)  # E = 1: λ = 0.4, μ = 0.4
    assert c[0, 0] == pytest.approx(1.2)
    assert c[0, 1] == pytest.approx(0.4)
    assert c[3, 3] == pytest.approx(0.4)
    assert np.linalg.inv(c)[0, :3].tolist() == pytest.approx([1, -0.25, -0.25])
    assert np.allclose(homogenize_voxels(np.ones((2, 1, 3)), poisson=0.25), c)
    assert np.allclose(homogenize_voxels(np.full((2, 2, 2), 0.5)), isotropic() * (1e-6 + (1 - 1e-6) * 0.5))


def test_voxels_may_be_shifted_and_their_axes_exchanged():
    rho = np.random.default_rng(2).uniform(0.3, 1, (3, 4, 5))
    c = homogenize_voxels(rho, tolerance=1e-6)
    assert np.allclose(c, c.T)
    assert np.allclose(homogenize_voxels(np.roll(rho, (1, 2, 3), (0, 1, 2)), tolerance=1e-6), c, atol=1e-6)
    order = [2, 1, 0, 5, 4, 3]  # x and z exchanged
    assert np.allclose(homogenize_voxels(rho.transpose(2, 1, 0), tolerance=1e-6), c[np.ix_(order, order)], atol=1e-6)
    mirrored = homogenize_voxels(rho[:, :, ::-1], tolerance=1e-6)
    signs = np.array([1, 1, 1, 1, -1, -1])
    assert np.allclose(mirrored, c * np.outer(signs, signs), atol=1e-6)
    coarse = homogenize_voxels(rho)
    assert np.abs(coarse - c).max() < 1e-4


def test_many_layers_are_processed_in_slabs(monkeypatch):
    rho = np.random.default_rng(2).uniform(0.3, 1, (5, 4, 3))
    whole = homogenize_voxels(rho, tolerance=1e-6)
    monkeypatch.setattr("ipage_core.tasks.cells.voxels.SLAB", 24)
    assert np.allclose(homogenize_voxels(rho, tolerance=1e-6), whole, atol=1e-9)


@pytest.mark.parametrize("wrong", [np.ones((2, 2)), np.ones((33, 1, 1)), np.ones((0, 1, 1)), np.full((1, 1, 1), 1.1)])
def test_voxels_that_are_none_are_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        homogenize_voxels(wrong)
    assert homogenize_voxels(np.ones((32, 1, 1))).shape == (6, 6)


def test_moduli_along_axes_and_diagonals():
    c = np.diag([2.0, 3.0, 4.0, 0.5, 0.6, 0.7])
    c[0, 1] = c[1, 0] = 0.5
    s = np.linalg.inv(c)
    along = directional_moduli(c, [(2, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 1, 1), (1, 0, 1)])
    assert along[:3].tolist() == pytest.approx([1 / s[0, 0], 1 / s[1, 1], 1 / s[2, 2]])
    assert along[3] == pytest.approx(4 / (s[0, 0] + s[1, 1] + 2 * s[0, 1] + s[5, 5]))
    assert along[4] == pytest.approx(4 / (s[1, 1] + s[2, 2] + s[3, 3]))
    assert along[5] == pytest.approx(4 / (s[0, 0] + s[2, 2] + s[4, 4]))
    points, e = surface(c, 5)
    assert points.shape == (5, 9, 3)
    assert e[0, 0] == pytest.approx(1 / s[2, 2])
    assert points[2, 0].tolist() == pytest.approx([1 / s[0, 0], 0, 0], abs=1e-12)
    assert points[2, 2].tolist() == pytest.approx([0, 1 / s[1, 1], 0], abs=1e-12)
    assert points[-1, 0].tolist() == pytest.approx([0, 0, -1 / s[2, 2]], abs=1e-12)
    assert surface(c)[1].shape == (33, 65)


def one_step(monkeypatch, u, volume, beta, **space):
    """u after one step of the descent towards a volume, of which one hundredth is a tolerance."""
    monkeypatch.setattr(descent, "STEPS", 1)
    goals = Goals.of([Goal("volume", "exactly", volume, 0.01)])
    return descend(u, goals, CellSpace(**space), sharpness=(beta,))


def test_a_step_is_the_smallest_that_closes_the_gap_to_first_order(monkeypatch):
    slope = 2.0 / math.tanh(2.0)  # of ρ at u = 1/2, β = 4
    u, rho, calls = one_step(monkeypatch, np.full((32, 32), 0.5), 0.7, 4.0)
    assert np.allclose(u, 0.5 + 0.2 / slope / 1.001)  # damped by a thousandth
    assert np.allclose(rho, 0.5 + 0.5 * math.tanh(4 * (u[0, 0] - 0.5)) / math.tanh(2))
    assert calls == 1
    # At most 25 tolerances at once …
    assert np.allclose(one_step(monkeypatch, np.full((32, 32), 0.5), 0.95, 4.0)[0], 0.5 + 0.25 / slope / 1.001)
    # … and at most 0.15 of u.
    assert np.allclose(one_step(monkeypatch, np.full((32, 32), 0.5), 0.7, 1.0)[0], 0.65)
    assert np.allclose(one_step(monkeypatch, np.full((32, 32), 0.5), 0.3, 1.0)[0], 0.35)


def test_pixels_that_are_full_or_empty_stay_and_the_others_go_farther(monkeypatch):
    half = np.full((32, 32), 0.5)
    half[:, :16] = 1.0
    for u, sign in ((half, 1), (1 - half, -1)):
        start = CellSpace().density(u, 4.0).mean()
        after, _, _ = one_step(monkeypatch, u, start + sign * 0.02, 4.0)
        assert np.array_equal(after[:, :16], u[:, :16])
        moved = sign * (after - u)[:, 18:-2]
        # Half of the pixels close the whole gap, at the slope 2 / tanh 2 of ρ; beside the others a little less.
        assert np.allclose(moved, 2 * 0.02 * math.tanh(2) / 2, rtol=0.1)


@pytest.mark.parametrize(("off", "calls"), [(0.0, 1), (0.0029, 1), (0.0031, 2), (-0.0029, 1), (-0.0031, 2)])
def test_a_stage_ends_within_three_tenths_of_a_tolerance(off, calls):
    u = np.full((32, 32), 0.5)
    goals = Goals.of([Goal("volume", "exactly", 0.5 + off, 0.01)])
    ended, rho, used = descend(u, goals, CellSpace(), sharpness=(4.0,))
    assert used == calls
    assert np.array_equal(ended, u) is (calls == 1)
    assert descend(u, goals, CellSpace(), sharpness=(4.0, 8.0))[2] == calls + 1
    assert np.array_equal(rho, CellSpace().density(ended, 4.0))


def test_a_descent_becomes_steeper_in_four_stages_of_twelve_steps_at_most():
    stages = []
    descend(np.full((32, 32), 0.5), Goals.of([Goal("volume", "exactly", 0.5)]), CellSpace(), way=stages)
    assert len(stages) == 4
    u = starts.noise(np.random.default_rng(0), 32)
    calls = []

    def stiff(rho):  # nothing changes the modulus: the goal stays as far as it is
        calls.append(rho)
        return np.eye(3), np.full((3, 3, 32, 32), 1e-9)

    ended, rho, used = descend(u, Goals.of([Goal("E_x", "exactly", 0.5)]), CellSpace(), stiff)
    assert used == len(calls) == 4 * 12
    assert np.allclose(calls[0], CellSpace().density(u, 4.0))
    assert np.allclose(rho, CellSpace().density(ended, 32.0))


def test_noise_has_one_of_three_lengths_in_pixels_of_32():
    offered = []

    class Offered(Fixed):
        def choice(self, of):
            offered.append(of)
            return of[-1]

    assert np.array_equal(starts.noise(Offered(), 64), starts.noise(Fixed(), 64, 5.0))
    assert offered == [(0.7, 1.5, 2.5)]


def test_a_cell_is_cut_at_several_levels_only_where_features_are_asked_for(monkeypatch):
    hinge = np.zeros((32, 32), dtype=bool)
    hinge[5, 5] = hinge[6, 6] = True
    seen = []

    def cut(density, orbits, frozen):
        seen.append(float(density[0, 0]))
        return hinge

    monkeypatch.setattr(descent, "admissible", cut)
    monkeypatch.setattr(descent, "repaired", lambda cell, feature: cell)
    grey = np.full((32, 32), 0.5)
    assert CellSpace().clean(grey) is None
    assert seen == [0.5, 0, 0, 0]
    seen.clear()
    assert CellSpace(feature=2).clean(grey) is None
    assert seen[::4] == pytest.approx([0.5, 0.65, 0.35, 0.8, 0.2])
