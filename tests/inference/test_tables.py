"""The engine's features for tables: integers, equations, logarithms, uncertainty and floors, with exact surrogates."""

import math

import pytest
import torch

from ipage_core.inference.chain import Chain
from ipage_core.inference.methods import Loaded, Prior
from ipage_core.inference.pipeline import design
from ipage_core.networks.base import Network
from ipage_core.problem import constraints
from ipage_core.problem.goal import Goal
from ipage_core.problem.target import Target
from ipage_core.problem.task import Property, Task, Variable


class Known:
    """A surrogate with a known uncertainty, like that of a table."""

    def __init__(self, f, error):
        self.f, self.error = f, torch.tensor(error, dtype=torch.float64)

    def __call__(self, x):
        return self.f(x)

    reads = torch.float64

    def half_width(self, x):
        return 1.645 * self.error.expand(len(x), -1)


def volume_and_length(x):
    """Of n equal boxes: y = (n·a·b, a + b)."""
    return torch.stack((x[:, 0] * x[:, 1] * x[:, 2], x[:, 1] + x[:, 2]), 1)


def problem(f, variables, properties, error, tmp_path=None):
    low, high = (torch.tensor([getattr(v, end) for v in variables], dtype=torch.float64) for end in ("low", "high"))

    def prior(n, generator):
        return low + (high - low) * torch.rand(n, len(low), dtype=torch.float64, generator=generator)

    task = Task(
        "known", "Known", tuple(variables), tuple(properties), prior, None, math.inf, (0.0,) * len(properties), "test",
        n_targets=len(properties),
    )  # fmt: skip
    return task, Loaded("known", Prior(task), Known(f, error), torch.device("cpu"))


BOXES = (Variable("n", low=1, high=9, kind="integer"), Variable("a", low=0, high=4), Variable("b", low=0, high=4))
PROPERTIES = (Property("volume", tolerance=0.1), Property("length", tolerance=0.01))


def test_whole_numbers_are_whole_and_all_else_makes_up_for_them():
    task, method = problem(volume_and_length, BOXES, PROPERTIES, [1e-4, 1e-5])
    found = design(task, method, torch.tensor([10.0, 4.0]), 60)
    assert torch.equal(found.final[:, 0], found.final[:, 0].round())
    assert len(found.final[:, 0].unique()) > 2  # 10/n = a·b with a + b = 4 has a solution for n of 3 and more
    error = (volume_and_length(found.final) - torch.tensor([10.0, 4.0])).abs()
    assert (error <= 0.05 * task.tolerances).all()
    assert not found.note


def test_an_equation_and_a_limit_hold_exactly_beside_a_whole_number():
    task, method = problem(volume_and_length, BOXES, (PROPERTIES[0],), [1e-4])
    space = constraints.parse(task, ["a + 2*b = 4", "n <= 2*a + 1"])
    found = design(task, Loaded("known", method.proposal, Known(lambda x: volume_and_length(x)[:, :1], [1e-4]),
                                torch.device("cpu")), torch.tensor([8.0]), 40, space=space)  # fmt: skip
    x = found.final
    assert x.dtype == torch.float64
    assert (x[:, 1] + 2 * x[:, 2] - 4).abs().max() < 1e-9
    assert (x[:, 0] - 2 * x[:, 1] - 1).max() < 1e-9
    assert torch.equal(x[:, 0], x[:, 0].round())
    assert ((x >= task.bounds[0] - 1e-9) & (x <= task.bounds[1] + 1e-9)).all()
    assert (volume_and_length(x)[:, 0] - 8).abs().median() < 0.005


def test_an_input_over_decades_is_moved_by_its_logarithm():
    """y = log₁₀ x₁ + x₂ over twelve decades: nearly all of the box is within a tenth of its upper end."""
    variables = (Variable("c", low=1e-12, high=1.0, scale="log"), Variable("b", low=0, high=1))
    task, method = problem(lambda x: x[:, :1].log10() + x[:, 1:], variables, (Property("y", tolerance=0.01),), [1e-5])
    found = design(task, method, torch.tensor([-8.0]), 50)
    assert (found.final[:, 0].log10() + found.final[:, 1] + 8).abs().max() < 0.0005
    assert not found.note


def test_properties_are_met_each_in_its_own_tolerance():
    """1700 kg to within a kilogram and 0.06 m to a millimetre: float32 resolves the first only to 1e-4."""
    variables = (Variable("a", low=0, high=1), Variable("b", low=0, high=1))

    def f(x):
        return torch.stack((1700 + 100 * x[:, 0] * x[:, 1], 0.1 * (x[:, 0] - x[:, 1])), 1)

    properties = (Property("mass", "kg", tolerance=1.0), Property("intrusion", "m", tolerance=1e-3))
    task, method = problem(f, variables, properties, [1e-3, 1e-6])
    found = design(task, method, torch.tensor([1724.0, 0.02]), 30)
    error = (f(found.final) - torch.tensor([1724.0, 0.02], dtype=torch.float64)).abs()
    assert (error <= 0.05 * task.tolerances).all()
    assert not found.note


def test_what_lies_within_the_doubt_counts_as_reached_and_what_lies_beyond_does_not():
    """Of y = (a, a + δ) with one coordinate, (0.5, 0.5) is missed by δ/2 each."""
    variables = (Variable("a", low=0, high=1),)
    properties = (Property("first", tolerance=0.01), Property("second", tolerance=0.01))
    for error, lost in ((0.05, False), (0.001, True)):
        task, method = problem(lambda x: torch.cat((x, x + 0.06), 1), variables, properties, [error, error])
        found = design(task, method, torch.tensor([0.5, 0.5]), 10)
        assert bool(found.note) == lost
        assert (found.final - 0.47).abs().max() < 0.005  # least squares in any case


def test_with_many_properties_those_that_are_known_badly_count_less():
    variables = (Variable("a", low=0, high=1),)
    properties = (Property("good", tolerance=0.01), Property("bad", tolerance=0.01))
    task, method = problem(lambda x: torch.cat((x, x), 1), variables, properties, [1e-6, 0.1])
    found = design(task, method, torch.tensor([0.5, 0.7]), 5)
    weight = 0.01**2 / (0.01**2 + 0.1**2)  # of the bad one, beside the good one's 1
    assert found.final[0, 0].item() == pytest.approx((0.5 + weight * 0.7) / (1 + weight), abs=1e-4)


class Unsure(Network):
    """y = a + b, known well where a is large and badly where it is small."""

    reads = torch.float64

    def __init__(self):
        super().__init__()
        self.error = torch.tensor([0.02], dtype=torch.float64)

    def forward(self, x):
        return x.sum(1, keepdim=True)

    def spread(self, x):
        return 0.001 + 0.1 * (1 - x[:, :1].to(torch.float64))


def test_designs_that_are_known_badly_are_drawn_afresh():
    variables = (Variable("a", low=0, high=1), Variable("b", low=0, high=1))
    task, method = problem(lambda x: x, variables, (Property("y", tolerance=0.01),), [0.02])
    plain = design(task, Loaded("known", method.proposal, lambda x: x.sum(1, keepdim=True), torch.device("cpu")),
                   torch.tensor([1.0]), 40)  # fmt: skip
    found = design(task, Loaded("known", method.proposal, Unsure(), torch.device("cpu")), torch.tensor([1.0]), 40)
    assert (found.final.sum(1) - 1).abs().max() < 0.05 * task.tolerances[0]
    assert found.final[:, 0].mean() > plain.final[:, 0].mean() + 0.15
    assert len(found.final.unique(dim=0)) == 40
    assert found.replaced.any()


def test_a_target_on_a_floor_is_met_by_all_that_lies_below():
    variables = (Variable("a", low=-1, high=1), Variable("b", low=0, high=1))
    properties = (Property("gap", tolerance=0.01, floor=0.0), Property("b", tolerance=0.01))
    task, method = problem(lambda x: x, variables, properties, [1e-4, 1e-4])
    found = design(task, method, torch.tensor([0.0, 0.5]), 60)
    assert (found.final[:, 0] < 0.001).all()
    assert found.final[:, 0].std() > 0.1  # not all at the floor
    assert (found.final[:, 1] - 0.5).abs().max() < 0.001
    positive = design(task, method, torch.tensor([0.3, 0.5]), 20)
    assert (positive.final[:, 0] - 0.3).abs().max() < 0.001


def test_a_surrogate_that_knows_no_error_leaves_the_units_to_the_tolerances():
    task, method = problem(volume_and_length, BOXES, PROPERTIES, [1e-4, 1e-5])
    plain = Loaded("plain", method.proposal, volume_and_length, torch.device("cpu"))
    chain = Chain(task, plain, constraints.parse(task), "lm", None, 1)
    assert torch.equal(chain.unit, task.tolerances)
    assert chain.doubt == 0
    assert not chain.double


def test_a_property_that_may_be_anything_does_not_count():
    """The target is possible only with a length of 4, whatever lengths the data suggest."""
    task, method = problem(volume_and_length, BOXES, PROPERTIES, [1e-4, 1e-5])
    y_star = torch.tensor([[10.0, 0.1 * k] for k in range(30)])  # aim for lengths that no design has
    target = Target((Goal.exactly(10), Goal()))
    space = constraints.parse(task, ["a + b = 4"])
    found = design(task, method, y_star, 1, target=target, space=space)
    assert not found.note
    assert (found.surrogate[:, 0] - 10).abs().max() < 0.05 * task.tolerances[0]
    assert (found.final[:, 1] + found.final[:, 2] - 4).abs().max() < 1e-9
    torch.testing.assert_close(found.y_star[:, 1], found.surrogate[:, 1].double())
    lost = design(task, method, torch.tensor([[1e3, 1.0]]), 5, target=target, space=space)
    assert lost.note.startswith("The target 1000: no design is predicted")
