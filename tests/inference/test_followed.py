"""What interval arithmetic would follow wrongly gets no proof."""

import pytest
import torch

from ipage_core.inference.components import count_pieces
from ipage_core.inference.enclosure import NoRule
from ipage_core.inference.followed import follows, rows_alone
from ipage_core.inference.paving import Equation
from ipage_core.inference.target_set import by_omega, by_slopes, coverage_of
from ipage_core.problem import constraints
from ipage_core.problem.task import Task
from ipage_core.tasks import TASKS

BOX = torch.tensor([[-1.0, -1.0], [1.0, 1.0]], dtype=torch.float64)


def task_of(omega, low=-1.0, high=1.0):
    return Task.from_function(omega, x={"a": (low, high), "b": (low, high)}, y={"y": 0.01}, name="mine")


def caught(x):
    try:
        return torch.tan(x[:, :1]) + x[:, 1:]
    except Exception:
        return x[:, :1] * 0 + x[:, 1:]


def noisy(x):
    generator = torch.Generator().manual_seed(0)
    return (x[:, 0] * x[:, 1] + 0.1 * torch.randn(len(x), generator=generator, dtype=torch.float64))[:, None]


def centred(x):
    return (x[:, 0] - x[:, 0].mean(0) + x[:, 1])[:, None]


def either(x):
    c = x > torch.tensor([-1.0, 0.5])
    return ((c[:, 0] + c[:, 1]) * x[:, 0])[:, None]


def constant_or(x):
    return ((torch.ones(len(x), dtype=torch.bool) + (x[:, 1] > 0.5)) * x[:, 0])[:, None]


@pytest.mark.parametrize("order", [1, float("inf"), 3])
def test_norms_of_another_order_are_not_proved_as_the_second(order):
    for norm in (
        lambda x: torch.linalg.vector_norm(x, ord=order, dim=1),
        lambda x: torch.linalg.norm(x, order, dim=1),
        lambda x: torch.norm(x, p=order, dim=1),
    ):
        with pytest.raises(NoRule, match="norm"):
            Equation(lambda x, norm=norm: norm(x)[:, None], torch.tensor([0.5]), BOX)


def test_the_second_norm_is_followed():
    for norm in (torch.linalg.vector_norm, torch.linalg.norm, torch.norm):
        equation = Equation(lambda x, norm=norm: norm(x, dim=1)[:, None], torch.tensor([0.5]), BOX)
        assert follows(equation, equation.f)


@pytest.mark.parametrize("omega", [caught, noisy, centred, either, constant_or], ids=lambda f: f.__name__)
def test_an_omega_that_intervals_do_not_follow_gets_no_proof(omega):
    task = task_of(omega)
    with pytest.raises(NoRule, match="no proof available"):
        by_omega(task, constraints.parse(task), torch.tensor([0.4], dtype=torch.float64))


@pytest.mark.parametrize("name", ["sinewave", "robotic_arm", "robotic_arm_kruse", "ballistics"])
def test_the_shipped_operators_are_followed(name):
    task = TASKS[name]
    space = constraints.parse(task)
    _, equation = by_omega(task, space, torch.tensor(task.default_target, dtype=torch.float64))
    assert follows(equation, equation.f)
    assert not follows(equation, lambda u: equation.f(u) * 1.01 + 0.01)


def test_slopes_that_are_too_small_are_noticed():
    equation = Equation(lambda x: x[:, :1] * x[:, 1:], torch.tensor([0.1]), BOX)
    assert follows(equation, equation.f)
    misfit = equation.misfit

    def flat(box, gradient=False):
        found = misfit(box, gradient)
        if gradient:
            found.gradient = found.gradient * type(found.gradient).of(0.9)
        return found

    equation.misfit = flat
    assert not follows(equation, equation.f)


def test_rows_are_compared_with_themselves_among_others():
    assert rows_alone(lambda x: x.sin().sum(1, keepdim=True), BOX)
    assert not rows_alone(noisy, BOX)
    assert not rows_alone(centred, BOX)
    assert not rows_alone(lambda x: x + torch.arange(len(x))[:, None], BOX)


def test_an_omega_that_changes_in_place_is_covered_by_differences():
    def in_place(x):
        y = x.clone()
        y[:, 0] = y[:, 0] ** 2
        y += 1
        return y.sum(1, keepdim=True)

    task = task_of(in_place)
    y_star = torch.tensor([2.5], dtype=torch.float64)
    solutions = by_slopes(task, constraints.parse(task), y_star)
    a = torch.linspace(-1, 1, 9, dtype=torch.float64)
    designs = torch.stack((a, 0.5 - a**2), 1)
    result = coverage_of(task, None, designs, y_star, 0.3)
    assert result.proof is None
    assert "assignment to parts of a tensor" in result.sentence()
    assert result.share() == 1
    assert solutions.d == 2


def test_designs_that_come_close_to_a_target_that_none_has_are_no_contradiction():
    task = task_of(lambda x: (x * x).sum(1, keepdim=True) - 1)
    zero = torch.zeros(1, 2, dtype=torch.float64)
    result = coverage_of(task, None, zero, torch.tensor([-1.005], dtype=torch.float64))
    assert result.proof is not None
    assert result.proof.empty
    assert "no design in the box has exactly this target; those that count come close enough" in result.sentence()


@pytest.mark.parametrize(
    "omega",
    [
        lambda x: torch.where(torch.logical_not(x[:, :1]), x[:, 1:], x[:, 1:] + 5),
        lambda x: torch.logical_and(x[:, :1], x[:, 1:] > 0) * x[:, :1],
        lambda x: ((x[:, 0] > 0).reshape(-1, 1) + (x[:, 1] > 0).reshape(-1, 1)) * x[:, :1],
        lambda x: ((x[:, 0] > 0).unsqueeze(1) + True) * x[:, :1],
    ],
    ids=["not", "and", "reshaped", "constant"],
)
def test_what_is_no_condition_is_refused(omega):
    with pytest.raises(NoRule, match="conditions"):
        Equation(omega, torch.tensor([0.5]), BOX)


@pytest.mark.parametrize("offset", [0.0, 1e7, 1.7e9])
def test_boxes_far_from_zero_touch(offset):
    box = torch.tensor([[offset, 0.0], [offset + 3, 1.0]], dtype=torch.float64)
    line = Equation(lambda x: x[:, 1:] + 0.2 * (x[:, :1] - offset), torch.tensor([0.53]), box)
    pieces = count_pieces(line)
    assert pieces.least <= 1, pieces.sentence()


@pytest.mark.parametrize(
    "omega",
    [
        lambda x: torch.maximum(x[:, 1:] + 10, torch.sqrt((x[:, :1] - 0.503) ** 2 - 1e-10)),
        lambda x: torch.where(torch.sqrt((x[:, :1] - 0.503) ** 2 - 1e-12) < 2, x[:, 1:], x[:, 1:] + 10),
        lambda x: x[:, 1:] + torch.relu(torch.log(x[:, :1])),
        lambda x: x[:, 1:] + torch.log1p(x[:, :1] - 1).clamp(min=-1),
    ],
    ids=["maximum", "where", "relu", "clamp"],
)
def test_comparing_what_has_no_value_is_refused(omega):
    with pytest.raises(NoRule, match="compares values"):
        Equation(omega, torch.tensor([0.5]), BOX)


def test_comparing_beside_roots_that_have_values_is_followed():
    for omega in (
        lambda x: torch.maximum(x[:, 1:], torch.linalg.vector_norm(x, dim=1)[:, None]),
        lambda x: torch.where(torch.sqrt(x[:, :1] + 2) < 1.2, x[:, 1:], x[:, 1:] * 2),
        lambda x: torch.sqrt(x[:, :1]) + x[:, 1:],
    ):
        equation = Equation(omega, torch.tensor([0.5]), BOX)
        assert follows(equation, equation.f)


def test_the_unit_of_omega_makes_no_difference():
    right = Equation(lambda x: 1e-12 * x[:, :1] * x[:, 1:], torch.tensor([1e-13]), BOX)
    assert follows(right, right.f)
    assert not follows(right, lambda x: right.f(x) + 1e-14)
    assert not rows_alone(lambda x: 1e-12 * noisy(x), BOX)
