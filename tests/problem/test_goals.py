"""Goals at their limits: what is a hit, which values designs aim at, what is refused."""

import math
from dataclasses import replace

import pytest
import torch

from ipage_core.problem.goal import Goal, expression
from ipage_core.problem.numerals import comma_doubts, doubts
from ipage_core.problem.target import Target
from ipage_core.problem.task import Property, Task, Variable

THREE = Task.from_function(
    lambda x: x,
    {"a": (0, 1), "b": (0, 1), "c": (0, 1)},
    {"p": 0.25, "q": 0.25, "r": 0.25},
    "three",
    default_target=(0.5, 0.5, 0.5),
    seconds=1,
)
ONE = Task.from_function(lambda x: x, [Variable("a")], [Property("p", tolerance=0.25)], "one", default_target=[0.5])


def column(*values):
    return torch.tensor(values, dtype=torch.float64)[:, None]


def test_an_error_as_large_as_the_tolerance_is_a_hit():
    y = column(0.75, 1.25, 0.7499, 1.2501)
    assert Target.of(ONE, 1).within(ONE, y).tolist() == [True, True, False, False]
    assert Target.of(ONE, Goal.exactly(1, 0.5)).within(ONE, column(0.5, 1.5, 0.49, 1.51)).tolist() == [
        True,
        True,
        False,
        False,
    ]


def test_an_interval_is_met_up_to_round_off():
    slack = 1.4e-9  # 1e-9 (1 + |y|)
    below, above = [0.4 - 0.95 * slack, 0.4 - 1.05 * slack], [0.4 + 0.95 * slack, 0.4 + 1.05 * slack]
    assert Target.of(ONE, "0.4:0.6").within(ONE, column(*below)).tolist() == [True, False]
    assert Target.of(ONE, "0.2:0.4").within(ONE, column(*above)).tolist() == [True, False]


def test_designs_aim_at_even_quantiles_of_what_lies_inside():
    y = torch.arange(100, dtype=torch.float64)[torch.randperm(100)][:, None]  # inside: 40 … 59
    target = Target((Goal("between", 39.5, 59.5, tolerance=0.5),))
    points = target.aims(ONE, y, 5, 0)
    assert points.flatten().sort().values.tolist() == [42, 46, 50, 54, 58]
    assert target.aims(ONE, y, 20, 3).flatten().sort().values.tolist() == list(range(40, 60))
    assert not torch.equal(target.aims(ONE, y, 20, 3), target.aims(ONE, y, 20, 4))  # the order is the seed's


def test_ends_that_are_a_tolerance_inside_are_aimed_at():
    assert Target.of(ONE, (0, 1)).aims(ONE, column(0.25, 0.75, 0.2, 0.8), 4, 0).unique().tolist() == [0.25, 0.75]


def test_an_interval_narrower_than_the_tolerances_is_aimed_at_in_its_middle():
    assert Target.of(ONE, (0.5, 0.75)).aims(ONE, column(0.0, 0.6, 1.0), 4, 0).tolist() == [[0.625]]


def test_outside_the_data_the_point_nearest_to_them_is_aimed_at():
    y = torch.tensor([[0.0, 0.0, 0.0], [1.0, 3.0, 7.0], [3.0, 1.0, 0.0]], dtype=torch.float64)
    far = Target((Goal.between(2, 9), Goal.between(3, 9), Goal()))
    assert far.aims(THREE, y, 3, 0).tolist() == [[2.25, 3.25, 7.0]]


def test_two_free_properties_take_their_values_from_the_same_pair():
    y = torch.rand(500, 3, dtype=torch.float64)
    points = Target((Goal.between(0.2, 0.9), Goal.between(-1, 0.5), Goal())).aims(THREE, y, 40, 1)
    assert points.shape == (40, 3)
    assert all((y == point).all(1).any() for point in points)
    assert len(points.unique(dim=0)) > 10
    assert points[:, 0].min() >= 0.45
    assert points[:, 1].max() <= 0.25


def test_beside_numbers_the_200_nearest_pairs_count_in_standard_deviations():
    n = 1000
    y = torch.zeros(n, 3, dtype=torch.float64)
    y[:, 0] = torch.arange(n) / n * 1e6  # a wide property
    y[:, 1] = torch.arange(n).flip(0) / n * 1e-3  # a narrow one
    y[:, 2] = torch.arange(n)
    points = Target((Goal.exactly(0), Goal.exactly(1e-3), Goal())).aims(THREE, y, 400, 0)
    assert (points[:, :2] == torch.tensor([0, 1e-3], dtype=torch.float64)).all()
    assert points[:, 2].unique().tolist() == list(range(200))
    leaning = Target((Goal.exactly(1e5), Goal.exactly(0.0009 - 0.0002), Goal())).aims(THREE, y, 400, 0)
    assert leaning[:, 2].median() == pytest.approx(200, abs=3)  # between 100 and 300, which are equally far
    failed = y.clone()
    failed[::2] = math.nan  # Ω failed there: the nearest of the others count
    points = Target((Goal.exactly(0), Goal.exactly(1e-3), Goal())).aims(THREE, failed, 400, 0)
    assert points[:, 2].unique().tolist() == list(range(1, 401, 2))
    failed[::2] = y[::2]
    failed[::2, 1] = math.nan  # a property that is missing is a failure too
    points = Target((Goal.exactly(0), Goal.exactly(1e-3), Goal())).aims(THREE, failed, 400, 0)
    assert points[:, 2].unique().tolist() == list(range(1, 401, 2))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Goal.exactly(1, 0.0),
        lambda: Goal.exactly(1, math.inf),
        lambda: Goal(weight=0.0),
        lambda: Goal(weight=math.inf),
        lambda: Goal("between", 1.0, 0.5),
        lambda: Goal("above"),  # type: ignore[arg-type]
        lambda: Goal.exactly(math.inf),
        lambda: Goal.between(math.nan, 1),
        lambda: Goal.between(0, math.nan),
        lambda: Goal.between(-math.inf, math.inf),
    ],
)
def test_a_goal_that_cannot_be_met_is_refused(wrong):
    with pytest.raises(ValueError, match=r"not known|is empty|above 0|finite"):
        wrong()


def test_an_interval_of_one_point_is_a_number():
    assert Goal.between(2, 2) == Goal.exactly(2)
    assert Goal().weight == 1


@pytest.mark.parametrize(
    ("text", "goal"),
    [
        ("p=5", Goal.exactly(5)),
        ("p = -5±2%", Goal.exactly(-5, 0.1)),
        ("p=5+/-0.5", Goal.exactly(5, 0.5)),
        ("p≤3", Goal.between(-math.inf, 3)),
        ("p≥3", Goal.between(3, math.inf)),
        ("1 ≤ p ≤ 3", Goal.between(1, 3)),
        ("minimise p", Goal("minimize")),
        ("Maximize p", Goal("maximize")),
        ("anything p", Goal()),
        ("p=1:2 weight 3", Goal("between", 1, 2, weight=3)),
    ],
)
def test_an_expression_is_read(text, goal):
    assert expression(text) == ("p", goal)


@pytest.mark.parametrize("text", ["p<=3±0.1", "p=5±0%", "p=5±1%%", "p=1 weight 0", "3<=p<=1", "p", "p=", "p=5±"])
def test_an_expression_that_means_nothing_is_refused(text):
    with pytest.raises(ValueError, match="is not understood"):
        expression(text)


@pytest.mark.parametrize("text", ["p=4 mm", "p<=4 mm", "p=5±4 mm", "p=0:4 mm", "1 <= p <= 4 mm"])
def test_a_number_with_a_unit_is_named_in_words(text):
    with pytest.raises(ValueError, match=r"'4 mm' is not a number; units are left out"):
        expression(text)


@pytest.mark.parametrize("text", ["p=1.234,5", "p<=1,5", "p=0,4:0,6", "p=12 000", "p=1.234.567", "p=5±0,1", "p=1'000"])
def test_a_number_with_another_decimal_mark_is_refused_with_the_rule(text):
    rule = "is not a number; numbers have a decimal point, and nothing between thousands"
    with pytest.raises(ValueError, match=rule):
        expression(text)
    value = text.removeprefix("p").removeprefix("=")
    with pytest.raises(ValueError, match=r"numbers have a decimal point, and nothing between thousands"):
        Target.of(ONE, {"p": value})


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        (["p>=20.000"], ["'20.000' is read as 20:", "If 20000 is meant"]),
        (
            ["p=1.234±0.100", "x1<=-2.500"],
            ["'1.234' is read as 1.234, '2.500' is read as 2.5:", "If 1234, 2500 is meant"],
        ),
        (["p=20.0", "p=0.500", "p=1.2345", "p=20000", "p=12.345e3", "a.123.456=1"], []),
    ],
)
def test_beside_a_table_with_decimal_commas_what_may_be_thousands_is_said(typed, read):
    found = doubts(replace(ONE, decimal=","), typed)
    assert len(found) == bool(read)
    assert all(part in found[0] for part in read)
    assert doubts(ONE, typed) == []


def test_beside_such_a_table_commas_that_separate_targets_are_said():
    two = replace(THREE, properties=THREE.properties[:2], n_targets=2, decimal=",")
    read = Target.parse(two, "300,5").in_words(two)
    assert comma_doubts(two, "300,5", read) == [
        "'300,5' is read as p = 300, q = 5: a comma separates properties, numbers have a decimal point, and nothing "
        "between thousands."
    ]
    assert comma_doubts(two, "300, 5", read) == comma_doubts(replace(two, decimal="."), "300,5", read) == []


def test_tolerances_and_weights_are_the_goals_own():
    target = Target((Goal.exactly(1, 0.5), Goal.exactly(1), Goal("minimize", weight=2)))
    assert target.tolerances(THREE).tolist() == [0.5, 0.25, 0.25]
    assert target.scaled(2, THREE).tolerances(THREE).tolist() == [1, 0.5, 0.5]
    assert target.weights.tolist() == [1, 1, 2]
    assert target.optimizes
    assert not target.exact
    assert not Target.of(THREE, (1, 1, 1)).optimizes


def test_a_target_by_name_or_by_pair():
    assert Target.of(THREE, {"q": 1}).goals == (Goal(), Goal.exactly(1), Goal())
    assert Target.of(ONE, (0, 1)).goals == (Goal.between(0, 1),)
    assert Target.of(ONE, [(0, 1)]).goals == (Goal.between(0, 1),)
    assert Target.of(THREE, ["minimize", ":", "1:"]).goals == (Goal("minimize"), Goal(), Goal.between(1, math.inf))
    for given, named in (("::", "--target '::'"), (":,:,:", "--target"), ([Goal()] * 3, "The target")):
        with pytest.raises(ValueError, match=f"{named}.* takes 3 number"):
            Target.of(THREE, given)


def test_a_goal_may_be_beyond_the_limits_by_its_tolerance():
    limited = Property("p", tolerance=0.25, limits=(0.0, 1.0), limited_by="law")
    task = Task.from_function(lambda x: x, [Variable("a")], [limited], "limited", default_target=[0.5])
    for goal in (1.25, -0.25, Goal.between(1.25, 9), Goal.between(-9, -0.25), Goal.exactly(1.5, 0.5)):
        Target.of(task, goal).check_limits(task)
    for goal, said in ((1.26, 1.26), (-0.26, -0.26), (Goal.between(1.26, 9), 1.26), (Goal.between(-9, -0.26), -0.26)):
        with pytest.raises(ValueError, match=rf"No design has {said} for 'p'; accepted: 0 to 1 \(law\)"):
            Target.of(task, goal).check_limits(task)


def test_a_table_is_told_what_a_comma_means_and_others_are_not(tmp_path):
    table = replace(THREE, data_folder=tmp_path)
    for task, given, told in ((THREE, "1,2", False), (table, "1,2", True), (table, "1", False), (THREE, "1", False)):
        with pytest.raises(ValueError, match=r"takes 3 number") as error:
            Target.of(task, given)
        assert ("a comma separates properties" in str(error.value)) is told
