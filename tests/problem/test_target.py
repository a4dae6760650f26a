import math

import pytest
import torch

from ipage_core.problem.target import aims, parse
from ipage_core.tasks import TASKS

SINEWAVE, ARM = TASKS["sinewave"], TASKS["robotic_arm"]
Y = torch.linspace(-2, 2, 401, dtype=torch.float64)[:, None]


def test_numbers_and_intervals_are_read():
    assert parse(SINEWAVE, "1.2").tolist() == [[1.2], [1.2]]
    assert parse(SINEWAVE, "0.4:0.6").tolist() == [[0.4], [0.6]]
    assert parse(ARM, "1.5:, 0").tolist() == [[1.5, 0], [math.inf, 0]]
    assert parse(ARM, ":0.3,-1:1").tolist() == [[-math.inf, -1], [0.3, 1]]


@pytest.mark.parametrize("text", ["", "a", "1,2", "nan", "inf", ":", "2:1", "nan:1", "1:2:3"])
def test_anything_else_is_one_sentence(text):
    with pytest.raises(ValueError, match=r"sinewave takes 1 number\(s\) or interval\(s\)"):
        parse(SINEWAVE, text)


def test_aims_fill_the_interval_and_leave_room_for_the_tolerance():
    points = aims(SINEWAVE, parse(SINEWAVE, "0.4:0.6"), Y, 50, 0)
    assert points.shape == (50, 1)
    assert 0.42 - 1e-9 <= points.min() < 0.435
    assert 0.565 < points.max() <= 0.58 + 1e-9
    assert torch.equal(points, aims(SINEWAVE, parse(SINEWAVE, "0.4:0.6"), Y, 50, 0))
    at_least = aims(SINEWAVE, parse(SINEWAVE, "1.5:"), Y, 50, 0)
    assert at_least.min() >= 1.52 - 1e-9
    assert at_least.max() <= 2


def test_an_interval_beside_a_number_keeps_the_number():
    y = torch.rand(5000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    points = aims(ARM, parse(ARM, "0.5,0.2:0.8"), y, 30, 0)
    assert (points[:, 0] == 0.5).all()
    assert (points[:, 1] >= 0.2).all()
    assert (points[:, 1] <= 0.8).all()
    assert points[:, 1].std() > 0.1


def test_an_interval_without_data_is_its_nearest_point():
    assert aims(SINEWAVE, parse(SINEWAVE, "2.5:"), Y, 50, 0).tolist() == [[2.52]]
    assert aims(SINEWAVE, parse(SINEWAVE, "1.2"), Y, 50, 0).tolist() == [[1.2]]
