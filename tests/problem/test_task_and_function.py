"""Tasks from functions, their bounds, pairs, and designs as text."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from ipage_core.problem.constraints import parse
from ipage_core.problem.recipe import Recipe
from ipage_core.problem.task import DesignText, Property, Task, Variable

X = {
    "length [m]": (0.5, 2),
    "count": Variable("count", low=0.5, high=3.2, kind="integer"),
    "kind": Variable("kind", kind="category", levels=("a", "b", "c")),
}
MIXED = Task.from_function(lambda x: x.sum(1), X, {"sum [m]": 0.1}, "mixed", seconds=0.5)


def test_the_prior_is_uniform_over_numbers_whole_numbers_and_levels():
    x = MIXED.sample_prior(6000, torch.Generator().manual_seed(0))
    assert x.dtype == torch.float64
    assert 0.5 <= x[:, 0].min() < 0.51
    assert 1.99 < x[:, 0].max() <= 2
    assert x[:, 0].mean() == pytest.approx(1.25, abs=0.03)
    for column, values in ((1, [1, 2, 3]), (2, [0, 1, 2])):
        found, counts = x[:, column].unique(return_counts=True)
        assert found.tolist() == values
        assert counts.min() > 1850


def test_a_sequence_of_variables_holds_nothing_else():
    for inputs in (["a", "b"], [Variable("a"), "b"], ["a", Variable("b")]):
        with pytest.raises(ValueError, match="Expected a dict of inputs and their bounds, or a sequence of Variable"):
            Task.from_function(lambda x: x, inputs, {"p": 1}, "t")


def test_fields_follow_from_the_variables():
    mixed = Task.from_function(lambda x: x.sum(1), X, {"sum [m]": 0.1}, "mixed", seconds=0.5)
    assert (mixed.name, mixed.title, mixed.omega_seconds) == ("mixed", "mixed", 0.5)
    assert (mixed.default_method, mixed.n_targets, mixed.tolerance) == ("ipage", 1, 0.1)
    assert mixed.support == ((0.5, 2.0), None, None)
    assert mixed.dequantize == (0.0, 0.5, 0.5)
    assert mixed.x_labels == ("length [m]", "count", "kind")
    assert Task.from_function(lambda x: x, {"a": (0, 1)}, {"y": 1}, "t").dequantize == ()
    titled = Task.from_function(lambda x: x, {"a": (0, 1)}, {"y": 1}, "t", title="T", seconds=0.0, default_target=[3])
    assert (titled.title, titled.omega_seconds, titled.default_target) == ("T", 0.0, (3.0,))


def test_a_task_that_leaves_fields_out_has_one_target_and_is_computed_here():
    variables, properties = (Variable("a"),), (Property("p"), Property("note"))
    task = Task("t", "T", variables, properties, lambda n, generator: torch.zeros(n, 1), None, 1.0, (0.5,), "none")
    assert (task.n_targets, task.n_modes, task.data_size) == (1, 0, 10_000)
    assert (task.arrived, task.distinct, task.in_processes) == (5e-5, 0.02, False)
    assert not Recipe().like_ipage


def counted(function, **given):
    """A task of one input whose function notes the designs of each call."""
    seen = []

    def noted(x):
        seen.append(x.clone())
        return function(x)

    return Task.from_function(
        noted, {"a": (0, 1)}, {"y1": 1, "y2": 1, "note": 1}, "counted", n_targets=2, **given
    ), seen


def halves(x):
    return torch.stack((x[:, 0], x[:, 0] / (x[:, 0] > 0.3), -x[:, 0]), 1)  # infinite below 0.3


def test_a_function_runs_when_its_time_or_default_target_is_read():
    task, seen = counted(halves)
    assert repr(task) == "Task('counted': a → y1, y2, note)"
    assert (task.known_target, task.example_target) == (None, "1,1")
    assert not seen
    target = task.default_target
    assert [len(x) for x in seen] == [1, 8]
    finite = seen[1][seen[1] > 0.3]
    assert len(finite) < 8
    assert target == task.known_target == tuple([float(f"{finite.median():.3g}")] * 2)
    assert 0 < task.omega_seconds < 1
    assert len(seen) == 2, "each is measured once"


def test_a_slow_function_is_measured_on_one_design(monkeypatch):
    monkeypatch.setattr("time.perf_counter", iter([1.0, 9.0]).__next__)
    task, seen = counted(halves)
    assert task.omega_seconds == 8
    assert task.default_target[0] == pytest.approx(float(seen[0]), rel=1e-2)
    assert [len(x) for x in seen] == [1]


@pytest.mark.parametrize(("first", "designs"), [(0.0625, [1, 8]), (0.1, [1]), (0.15, [1])])
def test_a_function_that_takes_less_than_a_tenth_of_a_second_is_timed_on_eight_more(monkeypatch, first, designs):
    monkeypatch.setattr("time.perf_counter", iter([0.0, first, 2.0, 2.25]).__next__)
    task, seen = counted(halves)
    assert task.omega_seconds == (0.25 / 8 if designs == [1, 8] else first)
    assert [len(x) for x in seen] == designs
    monkeypatch.setattr("time.perf_counter", iter([0.0, 0.03125, 2.0, 3.0]).__next__)
    assert counted(halves)[0].omega_seconds == 0.03125  # the shorter of both


def test_what_is_given_is_not_measured():
    task, seen = counted(halves, seconds=7, default_target=[7, 8])
    assert (task.omega_seconds, task.default_target, task.known_target) == (7, (7, 8), (7, 8))
    assert not seen
    task, seen = counted(halves, seconds=7)
    assert task.default_target[0] == pytest.approx(float(seen[0]), rel=1e-2)
    assert [len(x) for x in seen] == [1]


def test_a_function_without_a_finite_result_is_a_task():
    task, _ = counted(lambda x: torch.full((len(x), 3), torch.nan))
    assert task.default_target == (0, 0)
    assert task.verifies_by_default


def in_place(x):
    y = x.sum(1)
    x *= 1e-3
    return y


def on_arrays_in_place(x):
    x[:, 0] *= 2
    return np.asarray(x).astype("float32").sum(1) if isinstance(x, np.ndarray) else x.astype("float32")


def on_lists_in_place(x):
    x[:] = x * 2
    return [[float(sum(row))] for row in x.tolist()]


@pytest.mark.parametrize(
    ("function", "y"), [(in_place, [3, 7]), (on_arrays_in_place, [4, 10]), (on_lists_in_place, [6, 14])]
)
def test_a_function_that_changes_its_argument_leaves_the_designs_alone(function, y):
    bounds = {"a": (0, 5), "b": (0, 5)}
    x = torch.tensor([[1, 2], [3, 4]], dtype=torch.float64)
    made = Task.from_function(function, bounds, {"y": 1}, "t", seconds=1.0, default_target=[1])
    plain = replace(made, omega=lambda x: torch.as_tensor(function(x), dtype=torch.float64).reshape(-1, 1))
    for task in (made, plain) if function is not on_arrays_in_place else (made,):
        assert task.omega(x)[:, 0].tolist() == y
        assert x.tolist() == [[1, 2], [3, 4]]
        pairs = task.pairs(5)
        assert torch.equal(pairs[0], task.sample_prior(5, torch.Generator().manual_seed(0)))


def test_gradients_pass_a_function_that_changes_its_argument():
    def cube(x):
        x += 1
        return x**3

    task = Task.from_function(cube, {"a": (0, 1)}, {"y": 1}, "t", seconds=1.0)
    x = torch.tensor([[1.0]], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(task.omega(x).sum(), x)
    assert float(slope) == 12
    assert x.tolist() == [[1]]


def test_a_function_that_calls_exit_is_a_sentence():
    def ends(x):
        sys.exit(4)

    made = Task.from_function(ends, {"a": (0, 1)}, {"y": 1}, "ending", seconds=1.0, default_target=[1])
    with pytest.raises(ValueError, match=r"Ω of ending calls sys\.exit"):
        _ = Task.from_function(ends, {"a": (0, 1)}, {"y": 1}, "ending").default_target
    for task in (made, replace(made, omega=ends)):
        with pytest.raises(ValueError, match=r"Ω of ending calls sys.exit\(4\)"):
            task.omega(torch.ones(1, 1))


def test_a_function_of_arrays_is_an_operator_too():
    def on_arrays(x):
        return x.astype("float32")[:, 0]

    task = Task.from_function(on_arrays, {"a": (0, 1)}, {"y": 1}, "arrays")
    y = task.omega(torch.ones(3, 1, dtype=torch.float64))
    assert (y.shape, y.dtype) == ((3, 1), torch.float64)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda x: x[:2], r"returned shape \(2, 1\); expected \(8, 1\)"),
        (lambda x: torch.cat((x, x), 1), r"returned shape \(8, 2\)"),
        (lambda x: None, r"Expected numbers of shape \(8, 1\) .* got NoneType"),
        (lambda x: 1 / 0, "fails: ZeroDivisionError"),
        (lambda x: x.no_such(), "fails: AttributeError"),
    ],
)
def test_a_function_that_is_no_operator_is_refused(function, says):
    task = Task.from_function(function, {"a": (0, 1)}, {"y": 1}, "t")
    with pytest.raises(ValueError, match=says):
        task.omega(torch.ones(8, 1, dtype=torch.float64))
    with pytest.raises(ValueError, match="is not accepted"):
        Task.from_function(lambda x: x, {"a": (0, 1)}, {"y": 1}, "-t")


def test_a_function_runs_on_boxes_for_a_proof():
    from ipage_core.inference.enclosure import Enclosure
    from ipage_core.inference.intervals import Interval

    task = Task.from_function(lambda x: x[:, 0] * x[:, 1], {"a": (0, 1), "b": (0, 1)}, {"y": 1}, "t")
    box = Interval(torch.tensor([[0.5, 1.0]]).double(), torch.tensor([[1.0, 2.0]]).double())
    y = task.omega(Enclosure.variables(box)).value
    assert (y.lo.tolist(), y.hi.tolist()) == ([[pytest.approx(0.5)]], [[pytest.approx(2)]])


def test_a_task_is_named_on_the_command_line(tmp_path):
    assert MIXED.as_argument == "mixed"
    assert replace(MIXED, models_folder=tmp_path).as_argument == str(tmp_path)
    assert replace(MIXED, models_folder=tmp_path, data_folder=tmp_path).as_argument == f"--model {tmp_path}"


def test_bounds_hold_up_to_a_millionth_of_their_width():
    task = Task.from_function(lambda x: x[:, :1], {"a": (0, 2), "b": (-1, 1)}, {"y": 1}, "t")
    rows = [[0, 0], [-1.9e-6, 0], [-2.1e-6, 0], [2 + 1.9e-6, 0], [2 + 2.1e-6, 0], [1, 1 + 1.9e-6], [1, 9]]
    x = torch.tensor(rows, dtype=torch.float64)
    assert task.in_bounds(x).tolist() == [True, True, False, True, False, True, False]
    edge = x.new_tensor([[0 - 1e-6 * 2, 0], [2 + 1e-6 * 2, 0]])
    assert task.in_bounds(edge).all()


def test_pairs_come_from_omega_or_from_the_store():
    x, y = MIXED.pairs(7, seed=3)
    assert torch.equal(x, MIXED.sample_prior(7, torch.Generator().manual_seed(3)))
    assert torch.equal(y, x.sum(1, keepdim=True))
    assert torch.equal(MIXED.pairs(7)[0], MIXED.sample_prior(7, torch.Generator().manual_seed(0)))
    assert len(replace(MIXED, data_size=11).pairs()[0]) == 11
    assert MIXED.data_size == 10_000  # Table 1 of the paper
    stored = replace(MIXED, stored=lambda: (torch.zeros(5, 3), torch.ones(5, 4)))
    assert [tuple(t.shape) for t in stored.pairs(2)] == [(2, 3), (2, 1)]
    assert [len(t) for t in stored.pairs()] == [5, 5]
    with pytest.raises(ValueError, match="no forward operator"):
        replace(MIXED, omega=None).pairs(2)


def test_only_a_fast_operator_verifies_by_default():
    assert replace(MIXED, omega_seconds=0.0099).verifies_by_default
    assert not replace(MIXED, omega_seconds=0.01).verifies_by_default
    assert not replace(MIXED, omega_seconds=0.0, omega=None).verifies_by_default


def test_a_design_is_text_and_back():
    assert MIXED.parse_design("1.5, 2, b") == (1.5, 2.0, 1.0)
    assert MIXED.write_design((1.5, 2.0, 1.0)) == "1.5, 2.0, b"
    with pytest.raises(ValueError, match="shorter"):
        MIXED.write_design((1.5, 2.0))
    for wrong in ("1.5,2", "1.5,2,b,1", "1.5,2,d", "x,2,b", "inf,2,b"):
        with pytest.raises(ValueError, match=r"Expected 3 finite numbers .* kind \(a or b or c\)"):
            MIXED.parse_design(wrong)
    other = replace(MIXED, design_text=DesignText(lambda values: f"<{values[0]}>", lambda text: (9.0,)))
    assert (other.write_design((1, 2, 3)), other.parse_design("?")) == ("<1>", (9.0,))


def test_categories_go_to_their_nearest_level():
    x = torch.tensor([[0.7, 1.4, 1.6], [0.7, 1.4, -3.0], [0.7, 1.4, 8.0]], dtype=torch.float64)
    assert MIXED.categories.tolist() == [False, False, True]
    assert MIXED.with_levels(x).tolist() == [[0.7, 1.4, 2.0], [0.7, 1.4, 0.0], [0.7, 1.4, 2.0]]


def test_words_in_the_place_of_bounds_are_a_category():
    task = Task.from_function(lambda x: x.sum(1), {"a [m]": (0, 1), "metal": ("Cu", "Ag", "Au")}, {"y": 1}, "t")
    metal = task.variables[1]
    assert (metal.kind, metal.levels, metal.low, metal.high) == ("category", ("Cu", "Ag", "Au"), 0, 2)
    with pytest.raises(ValueError, match=r"\(low, high\) of 'metal', or its words such as"):
        Task.from_function(lambda x: x.sum(1), {"metal": (1, 2, 3)}, {"y": 1}, "t")
    with pytest.raises(ValueError, match=r"\(low, high\) of 'metal', or its words such as"):
        Task.from_function(lambda x: x.sum(1), {"metal": ("Cu", 2)}, {"y": 1}, "t")
    with pytest.raises(ValueError, match="metal has levels, so its kind is 'category'"):
        Variable("metal", levels=("Cu", "Ag"))


def test_relations_of_a_function_hold_in_every_design():
    parts = {"a": (0, 1), "b": (0, 1), "c": (0, 1)}
    relations = ("a + b + c = 1", "x1 <= 0.5")
    task = Task.from_function(lambda x: x[:, 0] * x[:, 1], parts, {"y": 0.01}, "mixture", relations=relations)
    space = parse(task)
    u = space.encode(torch.rand(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    x = space.project(space.decode(u.clamp(*space.bounds)))
    assert (x[:, 0] <= 0.5 + 1e-9).all()
    torch.testing.assert_close(x.sum(1), torch.ones(50, dtype=torch.float64))
    assert "relations" in Task.from_function.__doc__
