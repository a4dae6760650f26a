"""Options from Python have the names and defaults of the command line's."""

import argparse

import pytest

from ipage_core.cli import design
from ipage_core.problem.goal import Goal, expression, read_goal
from ipage_core.problem.options import USUAL, from_python
from ipage_core.tasks import TASKS


@pytest.mark.parametrize("name", ["architecture", "silicon"])
def test_defaults_are_those_of_the_command_line(name):
    parser = argparse.ArgumentParser()
    design.add_options(parser)
    command = vars(parser.parse_args([name, "--goal", "gap=1", "--out", "x.csv"]))
    task = TASKS[name]
    for option, usual in {**USUAL, **dict.fromkeys(task.goal_settings)}.items():
        assert command[option] == usual, option
    options = from_python(task, {"gap": 1.0}, 3, {"constraints": "a; b", "seed": 5})
    assert set(vars(options)) >= set(task.goal_settings) | {"goal", "n", "constrain"}
    assert (options.goal, options.n, options.seed, options.constrain) == (["gap=1.0"], 3, 5, ["a; b"])


@pytest.mark.parametrize(
    ("value", "goal"),
    [
        (0.3, Goal.exactly(0.3)),
        ("0.3±0.01", Goal.exactly(0.3, 0.01)),
        ("= 0.5 ± 10%", Goal.exactly(0.5, 0.05)),
        ("<=2", Goal.between(float("-inf"), 2)),
        ("≥2", Goal.between(2, float("inf"))),
        ("0.1:0.2", Goal.between(0.1, 0.2)),
        ((0.1, None), "nan"),
        ((0.1, 0.2), Goal.between(0.1, 0.2)),
        ("Minimise", Goal("minimize")),
        ("anything", Goal()),
        (Goal("maximize"), Goal("maximize")),
    ],
)
def test_a_value_as_a_goal(value, goal):
    if goal == "nan":
        with pytest.raises(ValueError, match="finite end"):
            read_goal(value)
    else:
        assert read_goal(value) == goal
        assert goal.kind == "anything" or expression(goal.named("p"))[1] == goal


@pytest.mark.parametrize("value", ["", "0.3±", "two", "<", "1:x", None, object()])
def test_other_values_are_refused(value):
    with pytest.raises((TypeError, ValueError)):
        read_goal(value)


def test_a_gap_of_silicon_has_its_short_name_alone_too():
    options = from_python(TASKS["silicon"], {"gap": "0.3±0.01"}, 1, {})
    assert TASKS["silicon"].design_goals(options) is None
    assert options.goal == ["PBE gap=0.3±0.01"]


def test_one_goal_beside_properties_that_may_be_anything_is_enough():
    task = TASKS["robotic_arm"]
    labels = [label.split(" [")[0] for label in task.property_labels]
    asked = dict(zip(labels, ("anything", (0.25, 0.5)), strict=True))
    assert from_python(task, asked, 1, {}).goal == [f"{labels[1]}=0.25:0.5"]
    with pytest.raises(ValueError, match="At least one goal is needed, such as"):
        from_python(task, dict.fromkeys(labels, "anything"), 1, {})
