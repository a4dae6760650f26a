"""A request travels as a link, as a command and as a key without losing a setting."""

import math
import shlex
from urllib.parse import parse_qsl

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ipage_core.problem.goal import Goal
from ipage_core.problem.request import DesignRequest, goal_of
from ipage_core.problem.target import Target
from ipage_core.problem.task import Task
from ipage_core.tasks import TASKS
from tests.support.models import exact_method

ARM, SINEWAVE = TASKS["robotic_arm"], TASKS["sinewave"]
FULL = DesignRequest.of(
    ARM,
    (1.5, 0.25),
    n=7,
    method="cinn",
    sampling="lhs",
    seed=3,
    constraints="x1=0; x2=x3",
    start=(0.0, 0.25, 0.25, -0.5),
    omega_evals=2,
    finish=True,
    tolerance=0.5,
    spread="box",
    fill=0.125,
    fill_seconds=2.5,
)

numbers = st.floats(-5, 5)
goals = st.one_of(
    st.builds(Goal.exactly, numbers, st.one_of(st.none(), st.floats(0.01, 1))),
    st.builds(lambda low, width: Goal.between(low, low + width), numbers, st.floats(0.1, 3)),
    st.builds(lambda low: Goal.between(low, math.inf), numbers),
    st.builds(lambda high: Goal.between(-math.inf, high), numbers),
    st.sampled_from(
        [
            Goal("minimize"),
            Goal("maximize"),
            Goal("maximize", weight=2.0),
            Goal("exactly", 1, 1, weight=3),
            Goal("minimize", weight=0.5),
        ]
    ),
)


def restored(request):
    return DesignRequest.from_query(dict(parse_qsl(request.to_query())), TASKS)


@given(first=goals, second=st.one_of(goals, st.just(Goal())))
def test_a_link_brings_every_goal_back(first, second):
    request = DesignRequest(ARM, Target((first, second)), "ipage")
    assert restored(request) == request


def test_a_link_brings_every_setting_back():
    assert restored(FULL) == FULL
    plain = DesignRequest.of(SINEWAVE, 1.2)
    assert restored(plain) == plain
    assert (plain.n, plain.seed, plain.omega_evals, plain.tolerance, plain.finish) == (25, 0, 0, 1.0, False)
    assert "finish" not in plain.to_query()
    assert "spread" not in plain.to_query()


def test_a_request_shows_itself_without_its_many_targets():
    many = DesignRequest.of(SINEWAVE, 1.2, n=2, targets=tuple((0.001 * k,) for k in range(1000)))
    assert "targets" not in repr(many)
    assert "n=2" in repr(many)


def test_a_link_says_of_cells_whether_they_are_finished():
    """The page finishes cells unless it is told not to."""
    request = DesignRequest.of(TASKS["architecture"], 1.0)
    assert "finish=false" in request.to_query()
    assert "finish=true" in request.replace(finish=True).to_query()


def test_designs_keep_the_constraints_that_they_were_asked_with():
    assert DesignRequest.of(SINEWAVE, 1.2, n=2, constraints="x1>=0").run().constraints == ("x1>=0",)


def test_the_seed_is_that_of_the_least_property_too(monkeypatch):
    class Asked(Exception):
        pass

    def optimal(task, method, target, n, seed, space):
        raise Asked(n, seed)

    monkeypatch.setattr("ipage_core.inference.pipeline.optimal", optimal)
    with pytest.raises(Asked) as asked:
        DesignRequest.of(SINEWAVE, "minimize", n=3, seed=5).run()
    assert asked.value.args == (3, 5)


def test_a_short_link_has_the_tasks_defaults():
    request = DesignRequest.from_query({"task": "robotic_arm"}, TASKS)
    assert request == DesignRequest.of(ARM, ARM.default_target)
    assert DesignRequest.from_query({}, TASKS).task is next(iter(TASKS.values()))


@pytest.mark.parametrize(
    "wrong",
    [
        {"task": "no"},
        {"ask1": "above"},
        {"ask1": "between", "y1": "0.5"},  # an interval of no width is not what the sender meant
        {"y1": "inf"},
        {"y1": "a"},
        {"sampling": "grid"},
        {"n": "-1"},
        {"n": "1.5"},
        {"n": "1" * 10},
        {"tol1": "0"},
        {"weight1": "0"},
        {"start": "1,2,3"},
        {"fill": "nan"},
    ],
)
def test_a_link_that_is_not_accepted_is_one_sentence(wrong):
    with pytest.raises(ValueError, match=r"not accepted|not known|above 0|Expected 2 finite"):
        DesignRequest.from_query({"task": "sinewave", **wrong}, TASKS)
    assert DesignRequest.from_query({"task": "sinewave", "n": "9" * 9}, TASKS).n == 999_999_999


def test_the_command_says_the_same():
    words = shlex.split(FULL.to_command())
    assert words[:5] == ["python", "-m", "ipage_core", "design", "robotic_arm"]
    assert words[5] == "--target=1.5,0.25"
    assert [word for word in words if word.startswith("--constrain")] == ["--constrain=x1=0", "--constrain=x2=x3"]
    for option, value in {
        "--n": "7",
        "--seed": "3",
        "--fill": "0.125",
        "--fill-seconds": "2.5",
        "--omega-evals": "2",
        "--spread": "box",
    }.items():
        assert words[words.index(option) + 1] == value
    assert "--finish" in words
    assert "--seed-design" in words
    plain = shlex.split(DesignRequest.of(SINEWAVE, 1.2).to_command())
    assert not {"--finish", "--seed-design", "--fill", "--fill-seconds"} & set(plain)


def test_goals_with_tolerances_or_weights_are_written_as_goals():
    target = Target((Goal.exactly(1.5, 0.1), Goal("minimize", weight=2.0)))
    words = shlex.split(DesignRequest(ARM, target, "ipage").to_command())
    written = [word.removeprefix("--goal=") for word in words if word.startswith("--goal")]
    assert Target.from_goals(ARM, written) == target
    weighted = Target((Goal("exactly", 1.5, 1.5, weight=2.0), Goal()))
    words = shlex.split(DesignRequest(ARM, weighted, "ipage").to_command())
    written = [word.removeprefix("--goal=") for word in words if word.startswith("--goal")]
    assert Target.from_goals(ARM, written) == weighted


def test_a_number_has_n_designs_and_an_interval_a_value_for_each():
    aims, n = DesignRequest.of(SINEWAVE, 1.2, n=7).aims()
    assert (aims.tolist(), n) == ([[1.2]], 7)
    aims, n = DesignRequest.of(SINEWAVE, (0.4, 0.6), n=7).aims()
    assert (aims.shape, n) == ((7, 1), 1)
    aims, n = DesignRequest.of(SINEWAVE, 1.2, n=3, targets=((1.0,), (0.5,))).aims()
    assert (aims.tolist(), n, aims.dtype) == ([[1.0], [0.5]], 3, torch.float64)


def test_only_targets_are_written_as_goals():
    task = Task.from_function(lambda x: x, {"a": (0, 1), "b": (0, 1)}, {"p": 1, "note": 1}, "t", n_targets=1)
    words = shlex.split(DesignRequest(task, Target((Goal.exactly(0.5, 0.1),)), "ipage").to_command())
    assert [word for word in words if word.startswith("--goal")] == ["--goal=p=0.5±0.1"]


def test_a_run_starts_from_the_users_design():
    request = DesignRequest.of(SINEWAVE, 1.2, n=3, start=(0.25, 0.15))
    assert request.run(exact_method()).posterior[0].tolist() == pytest.approx([0.25, 0.15])
    assert len(request.replace(start=()).run(exact_method())) == 3


def test_an_optimum_has_as_many_designs_as_asked():
    found = DesignRequest.of(SINEWAVE, Goal("maximize"), n=3).run(exact_method())
    assert len(found) == 3
    assert SINEWAVE.omega(found.final.double()).min() > 2 - SINEWAVE.tolerance  # as good as the best, within it


def test_hits_are_judged_with_the_requests_tolerance():
    request = DesignRequest.of(SINEWAVE, 1.2)
    assert request.judged() is request.target
    assert request.replace(tolerance=0.5).judged().tolerances(SINEWAVE).tolist() == [0.01]


def test_requests_have_the_same_key_if_and_only_if_they_are_the_same():
    assert FULL.key() == FULL.replace().key()
    for name, value in {
        "seed": 4,
        "n": 8,
        "fill": None,
        "finish": False,
        "constraints": (),
        "targets": ((1.0, 2.0),),
    }.items():
        assert FULL.replace(**{name: value}).key() != FULL.key()
    other = DesignRequest.of(TASKS["robotic_arm_kruse"], (1.5, 0.25))
    assert other.key() != DesignRequest.of(ARM, (1.5, 0.25)).key()


@pytest.mark.parametrize(
    ("kind", "goal"),
    [
        ("exactly", Goal.exactly(1)),
        ("between", Goal("between", 1, 2)),
        ("at least", Goal("at least", 1, math.inf)),
        ("at most", Goal("at most", -math.inf, 1)),
        ("minimize", Goal("minimize")),
        ("anything", Goal()),
    ],
)
def test_a_form_makes_a_goal(kind, goal):
    assert goal_of(kind, 1.0, 2.0) == goal
