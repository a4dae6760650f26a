"""What interval arithmetic would follow wrongly gets no proof."""

import math
import re

import pytest
import torch

from ipage_core.inference.components import count_pieces
from ipage_core.inference.enclosed import NoRule
from ipage_core.inference.enclosure import Enclosure
from ipage_core.inference.followed import follows, rows_alone
from ipage_core.inference.intervals import Interval
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


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
def test_slopes_are_judged_in_the_unit_of_omega(unit):
    equation = Equation(lambda x: unit * x[:, :1] * x[:, 1:], torch.tensor([0.1 * unit]), BOX)
    assert follows(equation, equation.f)
    misfit = equation.misfit
    for factor in (0.9, -1.0):

        def wrong(box, gradient=False, factor=factor):
            found = misfit(box, gradient)
            if gradient:
                found.gradient = found.gradient * type(found.gradient).of(factor)
            return found

        equation.misfit = wrong
        assert not follows(equation, equation.f)


def test_omega_is_compared_at_points_of_boxes_from_the_whole_domain_to_a_speck():
    """The k-th box is at most 2^(−k mod 16) of the domain wide."""
    domain = torch.tensor([[1.0, 10.0], [2.0, 30.0]], dtype=torch.float64)
    low, width = domain[0], domain[1] - domain[0]
    boxes, points = [], []

    def seen(x):
        if isinstance(x, Enclosure):
            boxes.append((x.value.lo, x.value.hi))
        else:
            points.append(x)
        return x[:, :1] + 2 * x[:, 1:]

    equation = Equation(seen, torch.tensor([40.0]), domain)
    assert follows(equation, seen)
    (lo, hi), [x] = boxes[-1], points
    x = x.reshape(-1, len(lo), 2)
    assert ((lo >= low) & (lo <= hi) & (hi <= domain[1])).all()
    assert ((lo <= x) & (x <= hi)).all()
    size = (hi - lo) / width
    most = 0.5 ** (torch.arange(len(lo)) % 16).double()[:, None]
    assert (size <= most + 1e-12).all()
    assert (size > 0.2 * most).any(0).all()
    assert [(size > 0.5).any().item(), (size.amax(1) < 2.0**-15).any().item()] == [True, True]
    middle = ((lo + hi) / 2 - low) / width
    assert middle.min() < 0.05
    assert middle.max() > 0.95
    share = ((x - lo) / (hi - lo)).flatten()
    assert share.quantile(torch.tensor([0.1, 0.5, 0.9]).double()).tolist() == pytest.approx([0.1, 0.5, 0.9], abs=0.03)


def test_a_target_far_from_omega_s_own_size_is_followed():
    """y − y* is rounded as y* is."""
    for y_star in (1e6, -1e6, 0.0):
        equation = Equation(lambda x: 1e-3 * x.sum(1, keepdim=True), torch.tensor([y_star]).double(), BOX)
        assert follows(equation, equation.f)
    equation = Equation(lambda x: x.sum(1, keepdim=True), torch.tensor([1.5]), BOX)
    assert not follows(equation, lambda x: equation.f(x) + 1e-3 * (x[:, :1] > 0.9))  # wrong in few boxes
    assert not follows(equation, lambda x: equation.f(x) - 1e-3 * (x[:, :1] > 0.9))


def test_every_property_is_judged_in_its_own_unit():
    right = Equation(lambda x: torch.cat((1e9 * x[:, :1], x[:, 1:]), 1), torch.tensor([0.0, 0.5]), BOX)
    assert follows(right, right.f)
    assert not follows(right, lambda x: right.f(x) + torch.tensor([0.0, 1e-6]))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_no_size(value):
    def in_parts(x):
        return torch.where(x[:, :1] > 0.5, value, x[:, :1])

    assert rows_alone(in_parts, BOX)
    assert not rows_alone(lambda x: torch.where(x[:, :1] > 0.5, value, 1e-12 * noisy(x)), BOX)
    assert not rows_alone(lambda x: torch.where(x[:, :1] > 0.5, value if len(x) == 16 else 0.0, x[:, :1]), BOX)


def test_rows_are_drawn_from_the_whole_box_and_run_in_other_company():
    domain = torch.tensor([[1.0, 10.0], [2.0, 30.0]], dtype=torch.float64)
    calls = []

    def seen(x):
        calls.append(x)
        return x[:, :1] + 3 * x[:, 1:]

    assert rows_alone(seen, domain)
    first, turned = calls[:2]
    share = (first - domain[0]) / (domain[1] - domain[0])
    assert (16 * share).floor().sort(0).values.tolist() == [[k, k] for k in range(16)]
    assert torch.equal(turned, first.flip(0))
    assert sum(len(x) for x in calls[2:4]) == 16
    assert [len(x) for x in calls[4:]] == [1] * 4


def test_the_number_of_rows_may_change_the_rounding_of_the_largest_property_alone():
    def large(x, off):
        return torch.cat((1e6 * x[:, :1] + off * (len(x) == 16), torch.full_like(x[:, :1], 1e-9)), 1)

    assert rows_alone(lambda x: large(x, 0.02), BOX)
    assert not rows_alone(lambda x: large(x, 20.0), BOX)
    assert not rows_alone(lambda x: x[:, :1] * (1 + 0.01 * (len(x) == 1)), BOX)
    assert not rows_alone(lambda x: x[:, :1] * (1 + 0.01 * (len(x) == 5)), BOX)
    assert not rows_alone(lambda x: x[:, :1] + 0.01 * (x[0] > x[-1])[0], BOX)


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


ROUNDED = {
    "times a condition": lambda c, x: c * 0.1 + x,
    "a choice of numbers": lambda c, x: torch.where(c, 0.1, 0.7) + x,
    "a chain": lambda c, x: ((c * 0.1 + 0.3) * 0.7 - 0.9) * x,
    "thirds": lambda c, x: c / 3 + x + (c * 2) / 7,
    "float": lambda c, x: c.float() * 0.1 + x + c.to(torch.float32) / 3,
    "whole numbers": lambda c, x: (c * 3 + 1) * 0.1 * x + c.cumsum(0).shape[0],
    "a constant's type": lambda c, x: torch.ones_like(x, dtype=torch.float32) * 0.1 + x + c * torch.tensor(0.7),
    "a new tensor": lambda c, x: x.new_tensor([0.1], dtype=torch.float32) * x + c.to(x) * 0.1,
    "a limit of its own type": lambda c, x: torch.where(torch.where(c, 0.1, 0.7) > 0.1, x, 2 * x),
    "the larger": lambda c, x: torch.maximum(c * 0.1, 0.7 * c.float()) + torch.minimum(c * 0.3, x),
    "side by side": lambda c, x: torch.stack((c * 0.1, 0.3 * c.float()), 1).unbind(1)[1] * 0.7 + x,
    "filled": lambda c, x: (c * 0.2).masked_fill(x > 0.3, 0.1) + x,
}


@pytest.mark.parametrize("name", ROUNDED)
def test_what_pytorch_rounds_to_float32_lies_in_its_enclosure(name):
    """A condition times a number is of float32 in PyTorch: 0.1 is then off by 1.5e-9."""

    def f(x):
        return ROUNDED[name](x[:, 0] > 0.5, x[:, 1])

    x = torch.rand(1000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = f(x)
    assert y.dtype == torch.float64
    for half in (0.0, 0.1):
        found = f(Enclosure.variables(Interval(x - half, x + half)))
        assert ((found.value.lo <= y) & (y <= found.value.hi)).all()
        assert found.dtype == torch.float64
    if name != "a limit of its own type":  # both sides of the limit are possible there
        thin = f(Enclosure.variables(Interval(x)))
        assert (thin.value.hi - thin.value.lo).max() < 1e-6


def test_conditions_counted_are_exact():
    def f(x):
        return (x > 0).sum(1) + (x > 0.5).double().sum(1) + (x > 0.2)[:, 0].double() + (x[:, 0] < 0).double()

    x = 2 * torch.rand(1000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 1
    found = f(Enclosure.variables(Interval(x)))
    assert torch.allclose(found.value.lo, f(x), rtol=0, atol=1e-12)
    assert torch.allclose(found.value.hi, f(x), rtol=0, atol=1e-12)


def renamed(x):
    y = 2 * x
    z = y
    z += 1
    return y + z


def copied(x):
    y = x.clone()
    y *= x
    y -= 0.5
    return x + y


def summed(x):
    total = x[:, 0] ** 2
    total += x[:, 1] ** 2
    total /= 2
    return total[:, None]


@pytest.mark.parametrize("f", [renamed, copied, summed], ids=lambda f: f.__name__)
def test_a_change_in_place_is_followed_under_all_names(f):
    equation = Equation(f, torch.tensor([0.5]), BOX)
    assert follows(equation, f)


def of_a_column(x):
    y = x[:, 0]
    y += 1
    return x


def of_what_has_a_column(x):
    y = x * 1
    a = y[:, 0]
    y *= 2
    return a[:, None]


def of_parts(x):
    a, b = x.unbind(1)
    a -= b
    return x


def of_another_shape(x):
    y = x.reshape(-1, 2, 1)
    y *= 2
    return x


def of_the_same_tensor(x):
    y = x.double()
    y += 1
    return x


def of_a_detached_one(x):
    y = x.detach()
    y /= 2
    return x


def of_another_type(x):
    y = (x > 0) * 0.1
    y += x
    return y


@pytest.mark.parametrize(
    "f",
    [
        of_a_column,
        of_what_has_a_column,
        of_parts,
        of_another_shape,
        of_the_same_tensor,
        of_a_detached_one,
        of_another_type,
    ],
    ids=lambda f: f.__name__,
)
def test_a_change_in_place_of_shared_memory_is_refused(f):
    with pytest.raises(NoRule, match="in place"):
        Equation(f, torch.tensor([0.5]), BOX)


def test_a_share_without_a_value_is_said():
    """√(1 − a² − b²) has a value in π/4 of the square."""
    task = task_of(lambda x: (1 - x.square().sum(1, keepdim=True)).sqrt())
    angle = torch.linspace(0, 2 * math.pi, 200, dtype=torch.float64)
    ring = 0.6**0.5 * torch.stack((angle.cos(), angle.sin()), 1)
    covered = coverage_of(task, None, ring, torch.tensor([0.4**0.5], dtype=torch.float64), seconds=1)
    assert covered.undefined == pytest.approx(1 - math.pi / 4, abs=0.02)
    assert re.match(r"Estimate: Ω has no finite value in 2[12][.0-9]* % of the box\. ", covered.sentence())
    assert covered.share() == 1
    assert covered.proof.radius < 0.01  # half of the distance of two designs is 0.006
    inside = coverage_of(
        task,
        None,
        ring,
        torch.tensor([0.4**0.5], dtype=torch.float64),
        space=constraints.parse(task, ["a<=0.1"]),
        seconds=1,
    )
    assert "of the box that the constraints leave." in inside.sentence()
    everywhere = coverage_of(task_of(lambda x: x.square().sum(1, keepdim=True)), None, ring, torch.tensor([0.6]))
    assert "no finite value" not in everywhere.sentence()
