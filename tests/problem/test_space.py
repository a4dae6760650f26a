"""Design spaces: encode is the nearest, decode obeys, caps measure the excess, levels are tried fairly."""

import math

import pytest
import torch

from ipage_core.problem.constraints import parse
from ipage_core.problem.linear import Linear
from ipage_core.problem.space import TURNS, Box, DesignSpace, Settled, Tied, combinations, scaled, staged
from ipage_core.problem.task import Task, Variable


def double(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def flags(*values):
    return torch.tensor(values, dtype=torch.bool)


LEVELS = scaled(
    Box(double([0, 0, 0.5], [1, 2, 3.5])), flags(0, 0, 0), flags(0, 1, 1), flags(0, 1, 1), flags(0, 1, 1)
)  # levels 0, 1, 2 and 1, 2, 3


def test_tied_coordinates_go_to_their_mean():
    space = Tied(double([0, 0], [1, 1]), double([1, 1, 1, 0], [0, 0, 0, 1]), double([0, 0, 0, 0])[0])
    assert space.encode(double([0.1, 0.2, 0.6, 0.5])).tolist() == [[pytest.approx(0.3), 0.5]]
    x = double([0.1, 0.2, 0.6, 0.5])
    assert space.exact(x) is x


def test_under_an_equation_the_nearest_design_counts_in_box_widths():
    # x₁ + x₂ = 1, solved for x₂: u = x₁ in [0, 1]; both coordinates have the same range, so the projection is Euclid's.
    space = Tied(double([0], [1]), double([1, -1]), double([0, 1])[0])
    assert space.encode(double([0.8, 0.8])).tolist() == [[pytest.approx(0.5)]]
    assert space.exact(double([0.8, 0.8]).float()).tolist() == [[pytest.approx(0.5), pytest.approx(0.5)]]
    # A steep one, x₂ = 10 u: one unit of x₂ counts a tenth, as its range is ten times that of x₁.
    steep = Tied(double([0], [1]), double([1, 10]), double([0, 0])[0])
    assert steep.encode(double([0.2, 8])).tolist() == [[pytest.approx(0.5)]]
    assert Tied(double([3], [4]), double([1, 10]), double([0, 0])[0]).encode(double([0.2, 8])).tolist() == [
        [pytest.approx(0.5)]
    ]
    # A coordinate that nothing moves has no say.
    fixed = Tied(double([0], [2]), double([1, -1, 0]), double([0, 1, 5])[0])
    assert fixed.encode(double([0.8, 0.8, 9])).tolist() == [[pytest.approx(0.5)]]


def test_two_coordinates_in_a_sum_are_an_equation_though_all_factors_are_one():
    space = Tied(double([0, 0], [1, 1]), double([1, 0, 1], [0, 1, 1]), double([0, 0, 0])[0])  # x₃ = x₁ + x₂
    x = double([0.2, 0.3, 0.9])
    assert torch.allclose(space.exact(x)[:, 2], space.exact(x)[:, :2].sum(1))
    assert not torch.allclose(space.exact(x), x)


def test_caps_measure_only_what_is_above_them():
    caps = (lambda x: x[:, 0] - 1, lambda x: x[:, 1] - 2)
    space = Tied(double([0, 0], [9, 9]), torch.eye(2).double(), double([0, 0])[0], caps)
    assert space.excess(double([1.5, 1], [0.5, 5])).tolist() == [[0.5, 0], [0, 3]]
    assert Box(double([0], [1])).excess(double([1, 1])).shape == (1, 0)
    assert Tied(double([0], [1]), double([1, 1]), double([0, 0])[0]).excess(double([1, 1])).shape == (1, 0)


def test_a_lower_limit_is_a_cap_in_shares_of_the_range():
    bounds = double([0, 0], [1, 4])
    cap = Linear(double([2, 1])[0], ">=", 3.0).cap(bounds)  # the range of 2x₁ + x₂ is 6
    assert cap(double([0, 0], [1, 4], [1, 1])).tolist() == pytest.approx([0.5, -0.5, 0])


def test_the_base_space_changes_nothing():
    space, x = Box(double([0, 0], [1, 1])), double([0.2, 7])
    for same in (space.settle(x), space.exact(x), space.encode(x), space.decode(x), space.project(x)):
        assert same is x
    assert space.decode_rows(x, torch.tensor([0])) is x
    assert (space.whole, space.held, space.stages, space.correct, space.finish) == (None, None, (), None, None)


def test_a_number_halfway_is_settled_within_its_bounds():
    space = scaled(Box(double([0.5, 0.5], [7.5, 7.5])), flags(0, 0), flags(1, 0), flags(1, 0))
    settled = space.settle(double([0.5, 0.5], [7.5, 7.5], [3.4, 3.4]))  # half to even would be 0 and 8
    assert settled.tolist() == [[1, 0.5], [7, 7.5], [3, 3.4]]


def test_easier_stages_stop_ten_times_earlier():
    class Staged(DesignSpace):
        stages = (Box(double([0], [1])),)

    last = Staged()
    assert list(staged(last)) == [(Staged.stages[0], 10.0), (last, 1.0)]


def test_whole_numbers_settle_inside_their_bounds():
    space = scaled(Box(double([0.6, 0.5, 1e-3], [3.4, 2.0, 10])), flags(0, 0, 1), flags(1, 0, 0), flags(1, 0, 0))
    u = space.encode(double([0.6, 0.7, 1e-3], [3.4, 1.2, 10], [1.6, 1.2, 1]))
    settled = space.decode(space.settle(u))
    assert torch.allclose(settled, double([1, 0.7, 1e-3], [3, 1.2, 10], [2, 1.2, 1]))
    assert space.exact(double([1.2, 0.7, 1e-3]))[:, 0].tolist() == [1]
    assert (space.held, space.whole.tolist()) == (None, [True, False, False])
    assert scaled(Box(double([0], [1])), flags(0), flags(0), flags(0)).whole is None
    assert scaled(Box(double([1], [2])), flags(1), flags(0), flags(0)).whole is None


def test_the_logarithm_of_zero_stays_finite():
    space = scaled(Box(double([1e-3], [1])), flags(1), flags(0), flags(0))
    assert space.encode(double([0.0])).item() == pytest.approx(math.log(1e-300))


def test_settled_samples_keep_their_whole_numbers():
    space = scaled(Box(double([0, 0], [9, 1])), flags(0, 0), flags(1, 0), flags(1, 0))
    settled = Settled(space, double([2.2, 0.5], [7.7, 0.5]), flags(1, 0))
    assert settled.decode_rows(double([0, 0.1]), torch.tensor([1])).tolist() == [[8, 0.1]]
    assert torch.equal(settled.bounds, space.bounds)


def test_every_sample_tries_each_combination_once_and_first_ones_are_shared():
    tried = combinations(LEVELS, 18, 0)
    assert tried.shape == (18, 9, 2)
    for one in tried:
        assert sorted(map(tuple, one.tolist())) == [(a, b) for a in (0, 1, 2) for b in (1, 2, 3)]
    assert tried[:, 0].unique(dim=0, return_counts=True)[1].tolist() == [2] * 9
    assert torch.equal(tried, combinations(LEVELS, 18, 0))
    assert not torch.equal(tried, combinations(LEVELS, 18, 1))
    assert len({str(one.tolist()) for one in tried}) == 18  # an order of each sample's own


def test_of_more_than_64_combinations_64_are_drawn():
    def space(a, b):
        return scaled(Box(double([0, 3], [a - 1, 2 + b])), flags(0, 0), flags(1, 1), flags(1, 1), flags(1, 1))

    assert combinations(space(8, 8), 2, 0)[0].unique(dim=0).shape == (64, 2)
    many = combinations(space(13, 5), 400, 0)
    assert many.shape == (400, TURNS, 2)
    assert many[:, :, 0].unique().tolist() == list(range(13))
    assert many[:, :, 1].unique().tolist() == [3, 4, 5, 6, 7]
    counts = many[:, :, 1].unique(return_counts=True)[1]
    assert counts.max() < 1.1 * counts.min()
    assert not torch.equal(many, combinations(space(13, 5), 400, 1))


# Constraints of tasks


MIXED = Task.from_function(
    lambda x: x.sum(1),
    [
        Variable("a", low=0.0, high=1.0),
        Variable("b", low=0.0, high=2.0),
        Variable("n", low=0.0, high=9.0, kind="integer"),
        Variable("c", low=1e-3, high=1.0, scale="log"),
        Variable("kind", kind="category", levels=("red", "green", "blue")),
    ],
    {"y": 0.1},
    "mixed",
    seconds=1,
)


def test_ties_share_the_narrower_bounds_and_end_as_one_coordinate():
    space = parse(MIXED, ["a=b", "b>=0.25"])
    x = space.decode(space.encode(double([0.5, 0.7, 3, 0.1, 1])))
    assert torch.allclose(x, double([0.6, 0.6, 3, 0.1, 1]))
    assert space.bounds.shape == (2, 4)
    assert space.bounds[:, 0].tolist() == [0.25, 1.0]
    assert space.whole.tolist() == [False, True, False, True]
    assert space.held.tolist() == [False, False, False, True]


def test_a_level_is_held_and_only_equations_hold_it():
    space = parse(MIXED, ["kind=Green"])
    x = space.decode(space.encode(double([0.5, 0.7, 3, 0.1, 2])))
    assert x[0, 4] == 1
    assert space.held is None
    for wrong in ("kind<=green", "kind=yellow", "kind=a"):
        with pytest.raises(ValueError, match="kind is a category; accepted: kind=LEVEL with red, green, blue"):
            parse(MIXED, [wrong])
    with pytest.raises(ValueError, match="of which there are no sums"):
        parse(MIXED, ["a + kind = 1"])


def test_an_equation_leaves_the_bounds_of_what_it_eliminates_as_caps():
    space = parse(MIXED, ["a + b = 2", "a<=0.5"])  # b has the wider range and is eliminated: 1.5 ≤ b ≤ 2
    u = space.encode(double([0.25, 1.75, 3, 0.1, 0]))
    assert torch.allclose(space.decode(u), double([0.25, 1.75, 3, 0.1, 0]))
    assert space.bounds[:, 0].tolist() == [0, 0.5]
    assert space.excess(double([0.25, 1.75, 3, 0.1, 0])).tolist() == [[0, 0]]
    assert space.excess(double([0.25, 2.5, 3, 0.1, 0])).tolist() == [[0.25, 0]]  # a quarter of b's range
    assert space.excess(double([0.25, -0.5, 3, 0.1, 0])).tolist() == [[0, 0.25]]


def test_a_task_of_one_value_each_leaves_nothing():
    with pytest.raises(ValueError, match="nothing is left to design"):
        parse(MIXED, ["a=0", "b=0", "n=1", "c=0.1", "kind=red"])
    with pytest.raises(ValueError, match="nothing is left to design"):
        parse(MIXED, ["a + b = 1", "b=0", "n=1", "c=0.1", "kind=red"])
    with pytest.raises(ValueError, match="leave no values for a and b, whose bounds are 0 to 1, 0 to 2"):
        parse(MIXED, ["a=b", "b>=1.5"])
