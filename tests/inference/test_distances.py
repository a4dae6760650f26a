"""Distances on a solution set, steps along it, cells of designs: by hand on lines and circles."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ipage_core.inference.coverage import Coverage, coverage, fill_gaps, interval, percent, solutions_everywhere
from ipage_core.inference.paving import Radius
from ipage_core.inference.solution_set import grow, pool
from ipage_core.inference.spread import farthest, spread
from tests.inference.test_spread import SQUARE, Box, solutions


def mirror(x):
    """The design and its mirror image in the second axis."""
    return np.stack([x, x * [-1, 1]], 1)


PLAIN, TWINS = solutions(), solutions(images=mirror)  # the circle of radius 1/2; distances in widths of 2


def test_distances_are_in_units_of_the_scale():
    x = np.array([[0.5, 0.0], [0.0, 0.5], [-0.5, 0.0]])
    assert PLAIN.coordinates(x).tolist() == (x / 2).tolist()
    assert (PLAIN.d, PLAIN.dimension) == (2, 1)
    distance, row = PLAIN.nearest(np.array([[0.5, 0.2], [-0.4, 0.0]]), x)
    assert distance.tolist() == pytest.approx([0.1, 0.05])
    assert row.tolist() == [0, 2]
    assert PLAIN.separation(x).tolist() == pytest.approx([math.sqrt(0.125)] * 3)


def test_an_image_counts_as_the_design_itself():
    x = np.array([[0.3, 0.4], [0.0, 0.5]])
    distance, row = TWINS.nearest(np.array([[-0.3, 0.4]]), x)
    assert (distance.tolist(), row.tolist()) == ([0.0], [0])
    assert PLAIN.nearest(np.array([[-0.3, 0.4]]), x)[0][0] > 0.1
    assert TWINS.copies(x).shape == (2, 2, 2)
    apart = math.hypot(0.3, 0.1) / 2
    assert TWINS.separation(x).tolist() == pytest.approx([apart, apart])  # not the distance to its own image
    # The nearest two designs, not two images of one: 0 for the first, then the other.
    distances, own = TWINS.two_nearest(np.array([[0.3, 0.4], [-0.1, 0.5]]), x)
    assert own.tolist() == [0, 1]
    assert distances[0].tolist() == pytest.approx([0, apart])
    assert distances[1].tolist() == pytest.approx([0.05, math.hypot(0.2, 0.1) / 2])


def test_the_neighbours_of_a_design_are_other_designs_nearest_first():
    x = np.array([[0.0, 0.0], [0.1, 0.0], [0.3, 0.0], [0.7, 0.0]])
    distance, row, flat = PLAIN.neighbours(x, 2)
    assert distance.tolist() == [pytest.approx(pair) for pair in ([0.05, 0.15], [0.05, 0.1], [0.1, 0.15], [0.2, 0.3])]
    assert row.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    assert np.array_equal(flat, x / 2)
    distance, row, flat = TWINS.neighbours(x[1:3], 2)
    assert row.tolist() == [[2, 3], [0, 1]]  # rows of images: 2 and 3 are of the second design
    assert distance[0].tolist() == pytest.approx([0.1, 0.2])


def test_two_nearest_of_plain_designs():
    distances, own = PLAIN.two_nearest(np.array([[0.1, 0.0]]), np.array([[0.5, 0.0], [0.0, 0.0], [-1.0, 0.0]]))
    assert distances[0].tolist() == pytest.approx([0.05, 0.2])
    assert own.tolist() == [1]
    single, _ = PLAIN.two_nearest(np.array([[0.1, 0.0]]), np.array([[0.5, 0.0]]))
    assert single[0].tolist() == pytest.approx([0.2, 0.2])  # there is no second one


def test_the_eighth_neighbour_measures_the_density():
    x = np.stack([np.arange(30) * 0.02, np.zeros(30)], 1)
    reach = PLAIN.reach(x)
    assert reach[0] == pytest.approx(0.08)  # 8 steps of 0.01 widths
    assert reach[15] == pytest.approx(0.04)
    assert PLAIN.reach(x[:3]).tolist() == pytest.approx([0.02, 0.01, 0.02])
    assert (PLAIN.reach(np.zeros((9, 2))) == 1e-12).all()
    far = np.concatenate([x, [[0.99, 0.99]]])
    assert PLAIN.spacing(far).max() <= np.quantile(PLAIN.reach(far), 0.95) + 1e-15
    sheet = solutions(lambda x: x[:, :1], y=(0.0,), bounds=torch.tensor([[-1.0] * 3, [1.0] * 3], dtype=torch.float64))
    y = np.random.default_rng(0).uniform(-1, 1, (50, 3))
    capped = np.minimum(sheet.reach(y), np.quantile(sheet.reach(y), 0.95))
    assert np.allclose(sheet.spacing(y), capped**2)  # areas on a sheet
    lines = replace(sheet, integers=(1,))
    assert np.allclose(lines.spacing(y), capped)  # a whole number leaves lines of the sheet, two leave points
    assert (replace(sheet, integers=(1, 2)).spacing(y) == 1).all()


def test_a_step_along_the_circle_is_straight_and_as_long_as_its_direction():
    x = np.array([[0.5, 0.0], [0.0, -0.5]])
    moved = PLAIN.slide(x, np.array([[0.3, 0.1], [-0.2, 0.0]]))
    expected = x + 2 * np.array([[0.0, math.hypot(0.3, 0.1)], [-0.2, 0.0]])
    assert np.allclose(moved, expected, atol=1e-9)
    assert np.abs(PLAIN.slide(x, np.array([[0.0, 9.0], [9.0, 0.0]]))).max() == 1  # within the box
    beside = PLAIN.slide(np.array([[0.6, 0.0], [0.0, -0.45]]))  # Newton's step for r² = 1/4 from r: (r + 1/(4 r)) / 2
    assert np.allclose(beside, [[0.5 * (0.6 + 0.25 / 0.6), 0.0], [0.0, -0.5 * (0.45 + 0.25 / 0.45)]], atol=1e-8)


@pytest.mark.parametrize("side", [1, -1])
def test_a_coordinate_that_is_pushed_against_its_bound_stays_and_the_others_compensate(side):
    cube = torch.tensor([[-1.0] * 3, [1.0] * 3], dtype=torch.float64)
    plane = solutions(lambda x: x.sum(1, keepdim=True), (0.0,), cube)
    at = side * np.array([[1.0, -0.5, -0.5], [1.0, -0.5, -0.5], [0.9, -0.5, -0.4]])
    way = side * 0.01 * np.array([[1, 1, -1], [-1, 0, 1], [1, 1, -1]])
    moved = plane.slide(at, way)
    long = 2 * 0.01 * np.array([math.sqrt(3), math.sqrt(2), math.sqrt(3)])  # distances are in widths of 2
    tangent = np.array([[0, 1, -1], [-1, 0, 1], [1 - 1 / 3, 1 - 1 / 3, -1 - 1 / 3]])
    tangent = tangent / np.linalg.norm(tangent, axis=1, keepdims=True)
    assert np.allclose(moved, at + side * long[:, None] * tangent, atol=1e-8)
    line = solutions(lambda x: x[:, :1] + 2 * x[:, 1:], (0.5 * side,))
    corner = side * np.array([[1.0, -0.25]])
    assert np.allclose(line.slide(corner, side * np.array([[0.1, 0.0]])), corner)


def test_units_move_a_design_by_one_unit_of_the_distance():
    bounds = torch.tensor([[0.0, -10.0], [1.0, 30.0]], dtype=torch.float64)
    assert solutions(bounds=bounds).units().tolist() == pytest.approx([1, 40])

    class Doubled(Box):
        def decode(self, u):
            return 2 * u

    assert solutions(space=Doubled(SQUARE)).units().tolist() == pytest.approx([1, 1])


def test_designs_land_on_the_set_and_held_coordinates_stay():
    x, fine = PLAIN.land(np.array([[0.3, 0.3], [0.9, 0.1]]))
    assert fine.all()
    assert np.allclose((x**2).sum(1), 0.25)
    assert np.allclose(x[0], [0.5 / math.sqrt(2)] * 2, atol=1e-6)
    held, fine = PLAIN.land(np.array([[0.3, 0.3], [0.9, 0.1]]), held=(0,))
    assert fine.tolist() == [True, False]
    assert held[:, 0].tolist() == [0.3, 0.9]
    assert held[0, 1] == pytest.approx(0.4)
    empty, fine = PLAIN.land(np.empty((0, 2)))
    assert (empty.shape, fine.shape) == ((0, 2), (0,))


def test_residuals_are_in_their_unit_and_caps_in_the_first_ones():
    class Capped(Box):
        def excess(self, x):
            return (x[:, :1] - 0.4).clamp(min=0)

    halved = solutions(unit=torch.tensor([2.0], dtype=torch.float64), space=Capped(SQUARE))
    assert halved.residual(torch.tensor([[0.6, 0.0]]).double())[0].tolist() == pytest.approx([0.055, 0.1])
    rough = solutions(unit=torch.tensor([1e9], dtype=torch.float64))
    x, fine = rough.land(np.array([[0.3, 0.3]]), steps=1)
    assert fine.all()  # 0.07 of 1e9 is below 1e-9
    assert np.allclose(x, 0.3)
    x, fine = solutions(space=Capped(SQUARE)).land(np.array([[0.45, 0.3], [-0.5, 0.1]]))
    assert fine.all()
    assert x[:, 0].max() <= 0.4 + 1e-8
    some = solutions(trusted=lambda x: x[:, 0] > 0).land(np.array([[0.3, 0.3], [-0.3, 0.3]]))[1]
    assert some.tolist() == [True, False]


def test_whole_coordinates_are_rounded_and_the_rest_lands():
    bounds = torch.tensor([[-3.0, -3.0], [3.0, 3.0]], dtype=torch.float64)
    whole = solutions(y=(4.25,), bounds=bounds, integers=(0,))
    x, fine = whole.whole(np.array([[1.9, 0.4], [0.2, 2.0], [2.8, 0.0]]))
    assert x[:, 0].tolist() == [2, 0, 3]
    assert x[:2, 1].tolist() == pytest.approx([0.5, math.sqrt(4.25)])
    assert fine.tolist() == [True, True, False]
    given = np.array([[0.1, 0.2]])
    assert PLAIN.whole(given)[0] is given
    assert PLAIN.whole(given)[1].tolist() == [True]


def test_the_pool_has_as_many_starts_of_each_kind():
    def propose(count, seed):
        x = torch.full((count, 2), 0.3)
        x[0] = math.nan
        return x

    assert len(pool(PLAIN, 64, 0, propose, box=False)) == 63
    both = pool(PLAIN, 64, 0, propose)
    assert 63 + 50 < len(both) <= 127
    only = pool(PLAIN, 100, 0, None)
    assert 90 < len(only) <= 100
    assert np.allclose((only**2).sum(1), 0.25)
    assert not np.array_equal(only[:9], pool(PLAIN, 100, 1, None)[:9])


def test_growth_adds_where_points_are_sparse():
    angle = np.linspace(0, np.pi, 200)
    half = 0.5 * np.stack([np.cos(angle), np.sin(angle)], 1)
    more = grow(PLAIN, half, 0, rounds=3, count=40)
    assert np.array_equal(more[:200], half)
    assert 250 < len(more) <= 320
    new = more[200:]
    assert np.allclose((new**2).sum(1), 0.25, atol=1e-7)
    assert (np.abs(new[:, 0]) > 0.4).mean() > 0.7  # near the two ends
    assert np.array_equal(more, grow(PLAIN, half, 0, rounds=3, count=40))
    assert not np.array_equal(more, grow(PLAIN, half, 1, rounds=3, count=40))
    assert grow(PLAIN, half[:1], 0) is not None
    assert len(grow(PLAIN, half[:1], 0)) == 1
    assert len(grow(PLAIN, half[:2], 0)) > 2
    points = solutions(lambda x: x, y=(0.0, 0.0))
    assert points.dimension == 0
    assert len(grow(points, half, 0)) == 200


# Farthest points and spread


def test_farthest_points_start_in_the_middle_and_go_to_the_ends():
    line = np.stack([np.linspace(-1, 1, 101), np.zeros(101)], 1)
    assert farthest(PLAIN, line, 5).tolist()[0] == 50
    assert set(farthest(PLAIN, line, 3).tolist()) == {50, 0, 100}
    assert set(farthest(PLAIN, line, 5).tolist()) == {50, 0, 100, 25, 75}
    assert len(farthest(PLAIN, line, 500)) == 101
    beyond = farthest(PLAIN, line, 2, beyond=np.array([[-1.0, 0.0]]))
    assert beyond.tolist() == [100, 50]
    assert farthest(PLAIN, line, 99, beyond=np.array([[0.0, 0.0]]), enough=0.5).tolist() == []
    assert set(farthest(PLAIN, line, 99, beyond=np.array([[0.0, 0.0]]), enough=0.49).tolist()) == {0, 100}
    assert len(farthest(PLAIN, line, 99, enough=0.24)) == 5
    assert farthest(TWINS, line, 9, enough=0.3).tolist() in ([50, 0], [50, 100])  # the other end is an image


def test_spread_refuses_what_it_does_not_know():
    for region in ("off", "everywhere"):
        with pytest.raises(ValueError, match="is not known"):
            spread(PLAIN, 3, region=region)
    with pytest.raises(ValueError, match="needs a method that proposes"):
        spread(PLAIN, 3, region="posterior")
    assert spread(solutions(y=(9.0,)), 3).shape == (0, 2)


def test_a_line_is_filled_evenly_to_its_ends():
    segment = solutions(lambda x: x[:, 1:], y=(0.0,))
    x = np.sort(spread(segment, 8, seed=2)[:, 0])
    steps = np.diff(x)
    assert steps.max() < 1.02 * steps.min()
    assert x[0] == pytest.approx(-1 + steps.mean() / 2, abs=0.06)  # the middle of its own eighth
    assert x[-1] == pytest.approx(1 - steps.mean() / 2, abs=0.06)


def test_a_sheet_is_covered_evenly():
    cube = torch.tensor([[-1.0] * 3, [1.0] * 3], dtype=torch.float64)
    sheet = solutions(lambda x: x[:, 2:], y=(0.0,), bounds=cube)
    x = spread(sheet, 16, seed=0)
    assert np.allclose(x[:, 2], 0, atol=1e-8)
    apart = sheet.separation(x)
    assert apart.min() > 0.17  # a square lattice of 16 has 0.25
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 41)] * 2, [0.0]), -1).reshape(-1, 3)
    assert sheet.nearest(grid, x)[0].max() < 0.26  # the square lattice has 0.177


def test_few_points_are_taken_more_than_once():
    x = spread(solutions(lambda x: x, y=(0.2, 0.3)), 5)
    assert np.allclose(x, [0.2, 0.3], atol=1e-7)
    assert x.shape == (5, 2)


# Coverage


def figures(distance, posterior=(), within=0.1):
    n = len(distance)
    weight = np.arange(1, n + 1) / (n * (n + 1) / 2) if n else np.empty(0)
    return Coverage(within, np.zeros((n, 2)), weight, np.array(distance), np.array(posterior), True, None, "")


def test_shares_are_weighted_and_a_distance_of_epsilon_is_covered():
    cover = figures([0.05, 0.1, 0.2, 0.01], posterior=[0.1, 0.2])
    assert cover.share() == pytest.approx(0.7)
    assert cover.share(0.05) == pytest.approx(0.5)
    assert cover.fill == 0.2
    assert cover.likely() == interval(1, 2)
    assert cover.likely(0.2)[0] == 1
    summary = cover.summary()
    assert summary["mean_distance"] == pytest.approx((0.05 + 2 * 0.1 + 3 * 0.2 + 4 * 0.01) / 10)
    assert (summary["share"], summary["posterior_share"]) == (cover.share(), 0.5)
    assert (summary["proved_radius"], summary["boxes"], summary["no_proof"]) == (None, None, None)
    nothing = figures([])
    assert math.isnan(nothing.fill)
    assert math.isnan(nothing.share())
    assert all(math.isnan(figure) for figure in nothing.likely())
    assert nothing.sentence() == "No solution is known: nothing can be said of the coverage."
    assert nothing.summary()["share"] is None


def test_intervals_are_those_of_clopper_and_pearson():
    assert interval(0, 10) == (0, 0, pytest.approx(0.3085, abs=1e-4))  # 1 − 0.025^(1/10)
    assert interval(10, 10) == (1, pytest.approx(0.025**0.1), 1)
    assert interval(5, 10) == (0.5, pytest.approx(0.1871, abs=1e-4), pytest.approx(0.8129, abs=1e-4))


def test_only_all_is_100_per_cent():
    assert [percent(share) for share in (1, 0.99999, 0.5, 1e-9, 0)] == ["100 %", "99.9 %", "50 %", "0.1 %", "0 %"]


def test_coverage_of_half_a_circle_is_a_half():
    angle = np.linspace(0, np.pi, 100)
    half = 0.5 * np.stack([np.cos(angle), np.sin(angle)], 1)
    cover = coverage(PLAIN, half, 0.01, measured=True)
    assert cover.share() == pytest.approx(0.5, abs=0.03)
    assert cover.weight.sum() == pytest.approx(1)
    assert cover.fill == pytest.approx(math.sqrt(2) / 4, abs=0.01)
    assert "Measured, over the box" in cover.sentence()
    assert (cover.proof, cover.refused) == (None, "")
    assert len(cover.posterior) == 0

    def propose(count, seed):
        return torch.tensor([[0.0, -0.5]]).expand(count, 2)

    likely = coverage(PLAIN, half, 0.01, propose=propose, equation="no proof here")
    assert likely.likely()[0] == 0
    assert len(likely.posterior) == 1000
    assert "Estimate, posterior-weighted: 0 %" in likely.sentence()
    assert likely.refused == "no proof here"
    for wrong in (0.0, math.inf, -1.0):
        with pytest.raises(ValueError, match="distance above 0"):
            coverage(PLAIN, half, wrong)
    with pytest.raises(ValueError, match="at least one"):
        coverage(PLAIN, half[:0])


def test_gaps_are_filled_until_no_known_solution_is_far():
    start = np.array([[0.5, 0.0]])
    new, early = fill_gaps(PLAIN, start, 0.1, seed=0, seconds=60)
    assert early == ""
    every = np.concatenate([start, new])
    angle = np.linspace(0, 2 * np.pi, 1000)
    rim = 0.5 * np.stack([np.cos(angle), np.sin(angle)], 1)
    assert PLAIN.nearest(rim, every)[0].max() <= 0.1
    assert PLAIN.separation(every).min() > 0.7 * 0.1 - 1e-9  # none is added within 0.7 ε of another
    few, early = fill_gaps(PLAIN, start, 0.01, seed=0, most=5)
    assert len(few) == 5
    assert early == "at most 5 designs are added"
    few, early = fill_gaps(PLAIN, start, 0.01, seed=0, seconds=1e-9)
    assert early == "the time for it, 1e-09 s, ended"
    none, early = fill_gaps(solutions(y=(9.0,)), start, 0.1)
    assert (len(none), early) == (0, "")
    assert len(solutions_everywhere(PLAIN, 0, None)) > 4000


def rounds_of(monkeypatch, *rounds):
    """Known solutions of each round of filling; the seeds that were asked for."""
    seeds = []

    def everywhere(solutions, seed, propose):
        seeds.append(seed)
        return np.array(rounds[min(len(seeds), len(rounds)) - 1], dtype=float)

    monkeypatch.setattr("ipage_core.inference.coverage.solutions_everywhere", everywhere)
    return seeds


EAST, NORTH, WEST, SOUTH = ([0.5, 0.0], [0.0, 0.5], [-0.5, 0.0], [0.0, -0.5])


def test_gaps_are_looked_for_from_new_starts_until_a_round_adds_nothing(monkeypatch):
    seeds = rounds_of(monkeypatch, [EAST, NORTH], [EAST, NORTH, WEST], [WEST, NORTH])
    new, early = fill_gaps(PLAIN, np.array([EAST]), 0.1, seed=3, seconds=60)
    assert new.tolist() == [NORTH, WEST]
    assert early == ""
    assert len(seeds) == len(set(seeds)) == 3
    seeds = rounds_of(monkeypatch, np.zeros((0, 2)))
    assert len(fill_gaps(PLAIN, np.array([EAST]), 0.1)[0]) == 0
    assert len(seeds) == 1


def test_filling_stops_at_its_number_and_before_a_round_that_its_time_does_not_hold(monkeypatch):
    every = [EAST, NORTH, WEST, SOUTH]
    seeds = rounds_of(monkeypatch, every)
    new, early = fill_gaps(PLAIN, np.array([EAST]), 0.1, most=2, seconds=60)
    assert (len(new), early, len(seeds)) == (2, "at most 2 designs are added", 1)
    seeds = rounds_of(monkeypatch, every[:2], every[:3], every)
    assert (len(fill_gaps(PLAIN, np.array([EAST]), 0.1, most=2, seconds=60)[0]), len(seeds)) == (2, 2)
    for ticks, count in (((5, 9, 9, 9, 9), 3), ((5, 9.1), 1), ((5, 8, 9.1), 2)):
        clock = iter(ticks)
        monkeypatch.setattr(
            "ipage_core.inference.coverage.time", SimpleNamespace(perf_counter=lambda clock=clock: next(clock))
        )
        rounds_of(monkeypatch, every[:2], every[:3], every)
        new, early = fill_gaps(PLAIN, np.array([EAST]), 0.1, seconds=8)
        assert len(new) == count
        assert early == ("" if count == 3 else "the time for it, 8 s, ended")


def test_filling_whole_numbers_stops_where_rounding_leaves_no_solution(monkeypatch):
    bounds = torch.tensor([[-3.0, -3.0], [3.0, 3.0]], dtype=torch.float64)
    whole = solutions(y=(4.25,), bounds=bounds, integers=(0,))
    seeds = rounds_of(monkeypatch, [[2.02, 0.4], [0.2, 2.02]], [[2.8, 0.0]])
    new, early = fill_gaps(whole, np.array([[-2.0, 0.5]]), 0.1, seconds=60)
    assert new[:, 0].tolist() in ([2, 0], [0, 2])
    assert (early, len(seeds)) == ("rounding to whole numbers leaves no solution there", 2)


def test_a_proved_radius_is_rounded_up_and_few_hits_are_doubted():
    def told(radius=None, left_out=0, violating=0, hits=2, **more):
        proof = None if radius is None else Radius(radius, None, 1, 0.0, radius == 0)
        cover = Coverage(
            0.1, np.zeros((0, 2)), *[np.empty(0)] * 3, True, proof, "", designs=np.zeros((hits, 2)), **more
        )
        return replace(cover, left_out=left_out, violating=violating).sentence()

    assert told(0.12341) == "Proved: no solution in the box is farther than 0.1235 box widths from a design."
    assert told(0.25) == "Proved: no solution in the box is farther than 0.2500 box widths from a design."
    assert told(0.0).startswith("Proved: no design in the box has exactly this target")
    assert told(left_out=17).startswith("By Ω, 17 of 19 designs miss the target, so they do not count.")
    assert told(left_out=18).startswith("By Ω, only 2 of 20 designs meet the target")
    assert told(left_out=19, hits=1).startswith("By Ω, only 1 of 20 designs meets the target")
    assert told(left_out=1).startswith("By Ω, 1 of 3 designs misses the target, so it does not count.")
    assert told(violating=1).startswith("1 of 3 designs lies outside the box, so it does not count.")
    assert told(violating=2, constrained=True).startswith("2 of 4 designs violate the constraints, so they do not")
    assert told(violating=2, left_out=1).startswith(
        "2 of 5 designs lie outside the box, so they do not count. By Ω, 1 of"
    )
