import math

import pytest
import torch

from ipage_core.problem.goal import Goal
from ipage_core.problem.request import DesignRequest
from ipage_core.problem.target import Target
from ipage_core.tasks import TASKS

SINEWAVE, ARM, CELLS = TASKS["sinewave"], TASKS["robotic_arm"], TASKS["architecture"]
Y = torch.linspace(-2, 2, 401, dtype=torch.float64)[:, None]


def test_numbers_and_intervals_are_read():
    assert Target.parse(SINEWAVE, "1.2").accepted.tolist() == [[1.2], [1.2]]
    assert Target.parse(SINEWAVE, "0.4:0.6").accepted.tolist() == [[0.4], [0.6]]
    assert Target.parse(ARM, "1.5:, 0").accepted.tolist() == [[1.5, 0], [math.inf, 0]]
    assert Target.parse(ARM, ":0.3,-1:1").accepted.tolist() == [[-math.inf, -1], [0.3, 1]]


@pytest.mark.parametrize("text", ["", "a", "1,2", "nan", "inf", ":", "2:1", "nan:1", "1:2:3"])
def test_anything_else_is_one_sentence(text):
    with pytest.raises(ValueError, match=r"sinewave takes 1 number\(s\) or interval\(s\)"):
        Target.parse(SINEWAVE, text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2:1", "The interval 2:1 is empty: its second number must be larger"),
        ("nan", "Expected a finite number as the target, got nan"),
        ("1e999", "Expected a finite number as the target, got inf"),
        ("1e200", r"Expected numbers from -1e\+18 to 1e\+18, got 1e\+200"),
        ("-1e19:0", r"Expected numbers from -1e\+18 to 1e\+18, got -1e\+19:0.0"),
    ],
)
def test_a_target_that_cannot_be_is_refused_with_its_reason(text, why):
    with pytest.raises(ValueError, match=rf"^--target '.*': sinewave takes 1 number.* \({why}\)$"):
        Target.parse(SINEWAVE, text)


def test_numbers_whose_squared_errors_overflow_are_no_targets():
    assert Goal.exactly(1e18).low == 1e18
    assert Goal.exactly(5, 1e18).tolerance == 1e18
    assert Goal.between(-math.inf, -1e18).high == -1e18
    for wrong in (1e200, -2e18, (0, 1e19), "1e200"):
        with pytest.raises(ValueError, match=r"Expected numbers from -1e\+18 to 1e\+18"):
            Target.of(SINEWAVE, wrong)


def test_aims_fill_the_interval_and_leave_room_for_the_tolerance():
    points = Target.parse(SINEWAVE, "0.4:0.6").aims(SINEWAVE, Y, 50, 0)
    assert points.shape == (50, 1)
    assert 0.42 - 1e-9 <= points.min() < 0.435
    assert 0.565 < points.max() <= 0.58 + 1e-9
    assert torch.equal(points, Target.parse(SINEWAVE, "0.4:0.6").aims(SINEWAVE, Y, 50, 0))
    at_least = Target.parse(SINEWAVE, "1.5:").aims(SINEWAVE, Y, 50, 0)
    assert at_least.min() >= 1.52 - 1e-9
    assert at_least.max() <= 2


def test_an_interval_beside_a_number_keeps_the_number():
    y = torch.rand(5000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    points = Target.parse(ARM, "0.5,0.2:0.8").aims(ARM, y, 30, 0)
    assert (points[:, 0] == 0.5).all()
    assert (points[:, 1] >= 0.2).all()
    assert (points[:, 1] <= 0.8).all()
    assert points[:, 1].std() > 0.1


def test_an_interval_without_data_is_its_nearest_point():
    assert Target.parse(SINEWAVE, "2.5:").aims(SINEWAVE, Y, 50, 0).tolist() == [[2.52]]
    assert Target.parse(SINEWAVE, "1.2").aims(SINEWAVE, Y, 50, 0).tolist() == [[1.2]]


@pytest.mark.parametrize("text", ["10.165", "2.6:", "3:5", ":-1.5", "-1.5"])
def test_no_cell_is_asked_to_be_stiffer_than_the_solid(text):
    with pytest.raises(ValueError, match=r"accepted: -1\.368 to 2\.476 \(E_x from 0 to 1 E_s: no cell is stiffer"):
        Target.parse(CELLS, text).check_limits(CELLS)


@pytest.mark.parametrize("text", ["2.476", "2.51", "-1.368", "1:9", "-9:", "1"])
def test_a_goal_that_the_solid_or_another_cell_meets_is_accepted(text):
    Target.parse(CELLS, text).check_limits(CELLS)


def test_an_impossible_goal_is_refused_before_a_model_is_loaded():
    for request in (DesignRequest.of(CELLS, 10.165), DesignRequest.of(CELLS, 1.0, targets=((1.0,), (10.165,)))):
        with pytest.raises(ValueError, match=r"No design has 10\.1\d+ for 'y = z-score of E_x'"):
            request.run(object())


def test_every_kind_of_goal_is_read_by_name():
    read = Target.from_goals(ARM, ["hand, vertical<=0.5", "hand, horizontal=1.5+-0.1"])
    assert read.goals == (Goal.exactly(1.5, 0.1), Goal.between(-math.inf, 0.5))
    assert read.tolerances(ARM).tolist() == [0.1, 0.02]
    assert Target.from_goals(SINEWAVE, ["y>=1.5"]).goals[0].kind == "at least"
    assert Target.from_goals(SINEWAVE, ["y = 0.4:0.6"]).accepted.tolist() == [[0.4], [0.6]]
    assert Target.from_goals(SINEWAVE, ["0.4 <= y <= 0.6"]).accepted.tolist() == [[0.4], [0.6]]
    assert Target.from_goals(SINEWAVE, ["maximise y"]).goals[0].kind == "maximize"
    assert Target.from_goals(ARM, ["y1=1.5±0.1"]).goals == (Goal.exactly(1.5, 0.1), Goal())
    assert Target.from_goals(ARM, ["y1=-1.5 ± 2%"]).goals[0] == Goal.exactly(-1.5, 0.03)


@pytest.mark.parametrize(
    ("goals", "told"),
    [
        (["height=3"], "property 'height' is not known; accepted: hand, horizontal"),
        (["y1=3", "y1<=4"], "one for each property"),
        (["y1"], "is not understood; accepted: NAME=5"),
        (["y1=5±-1"], "tolerance above 0"),
        (["y1=5:4"], "is empty"),
        ([], "At least one goal"),
    ],
)
def test_a_goal_that_cannot_be_is_one_sentence(goals, told):
    with pytest.raises(ValueError, match=told):
        Target.from_goals(ARM, goals)


def test_a_target_is_a_number_a_sequence_a_dict_or_text():
    assert Target.of(SINEWAVE, 1.2) == Target.of(SINEWAVE, (1.2,)) == Target.of(SINEWAVE, "1.2")
    assert Target.of(SINEWAVE, torch.tensor(1.2, dtype=torch.float64)) == Target.of(SINEWAVE, 1.2)
    assert Target.of(ARM, (1.5, (0, 1))).accepted.tolist() == [[1.5, 0], [1.5, 1]]
    assert Target.of(ARM, {"hand, vertical": 0.5}).goals == (Goal(), Goal.exactly(0.5))
    for wrong in (1.2, (1, 2, 3), None, "banana", {"y9": 1}):
        with pytest.raises(ValueError, match=r"takes 2 number|not known|not understood"):
            Target.of(ARM, wrong)


def test_text_brings_a_target_back():
    for text in ("1.5,0.0", "0.4:0.6,:0.3", "1.5:,:", "minimize,0.1"):
        assert Target.parse(ARM, Target.parse(ARM, text).text) == Target.parse(ARM, text)


def test_a_hit_has_every_property_within_its_own_tolerance():
    y = torch.tensor([[1.5, 0.0], [1.519, 0.019], [1.521, 0.0], [1.5, 0.021]], dtype=torch.float64)
    assert Target.parse(ARM, "1.5,0").within(ARM, y).tolist() == [True, True, False, False]
    assert Target.parse(ARM, "1.5,0.01:").within(ARM, y).tolist() == [False, True, False, True]


def test_accepted_values_end_at_the_aims_of_exact_goals_and_optima():
    kinds = (Goal.exactly(1), Goal("minimize"), Goal("maximize"), Goal.between(0.2, 0.4), Goal())
    low, high = Target(kinds).ranges(torch.tensor([[1.0, 2, 3, 0.3, 5], [1.5, 2.5, 3.5, 0.25, 6]]).double())
    inf = math.inf
    assert low.tolist() == [[1, -inf, 3, 0.2, -inf], [1.5, -inf, 3.5, 0.2, -inf]]
    assert high.tolist() == [[1, 2, inf, 0.4, inf], [1.5, 2.5, inf, 0.4, inf]]
