"""Every operation with a rule, and each form of its arguments, gives on thin boxes what PyTorch gives on numbers."""

import itertools
import math

import numpy as np
import pytest
import torch

from ipage_core.inference.enclosed import NoRule
from ipage_core.inference.enclosure import Enclosure
from ipage_core.inference.intervals import Interval
from ipage_core.inference.paving import Equation

A = torch.tensor([[1.0, 2.0, -1.0], [0.5, -3.0, 4.0]], dtype=torch.float64)
W = torch.tensor([[1.0, -2.0, 0.5], [2.0, 1.0, 3.0]], dtype=torch.float64)
BIAS = torch.tensor([0.25, -0.5], dtype=torch.float64)
COLUMN = torch.tensor([[2.0], [3.0]], dtype=torch.float64)


def split(x):
    a, b, c = x.unbind(-1)
    return a, b, c


OPERATIONS = {
    "add a number": lambda x: 2 + x + 1,
    "add a column": lambda x: COLUMN + x,
    "add a multiple": lambda x: torch.add(x, x, alpha=3) + torch.add(x, x.square(), alpha=2),
    "subtract": lambda x: 5 - x - 1,
    "subtract a multiple": lambda x: torch.sub(x, x.square(), alpha=2),
    "rsub": lambda x: torch.rsub(x, 4),
    "multiply": lambda x: x * x[:, :1] * 2,
    "broadcast": lambda x: x[:, :1] * torch.ones(1, 4, dtype=torch.float64),
    "divide": lambda x: x / COLUMN + 1 / x,
    "torch.div": lambda x: torch.div(x, x[:, 2:]),
    "negative": lambda x: torch.neg(x) + (-x) * 2,
    "square": lambda x: x**2,
    "cube": lambda x: x**3,
    "fifth": lambda x: torch.pow(x, 5),
    "first": lambda x: x**1,
    "inverse square": lambda x: x**-2,
    "inverse cube": lambda x: x**-3.0,
    "eighth": lambda x: x**8 + x**-8,
    "root": lambda x: x.square() ** 0.5,
    "stack": lambda x: torch.stack(split(x), dim=1),
    "stack at the end": lambda x: torch.stack(split(x), dim=-1),
    "stack in front": lambda x: torch.stack((x, 2 * x)).sum(0),
    "stack with a constant": lambda x: torch.stack((x[:, 0], torch.ones(2, dtype=torch.float64)), dim=1),
    "cat": lambda x: torch.cat((x, COLUMN, x), dim=1),
    "cat at the end": lambda x: torch.cat((x, COLUMN, x[:, 1:]), dim=-1),
    "unbind": lambda x: x.unbind(1)[2][:, None] if isinstance(x, torch.Tensor) else x.unbind(1)[2].unsqueeze(1),
    "sum of a row": lambda x: x.sum(1, keepdim=True),
    "sum at the end": lambda x: x.sum(-1, keepdim=True) * x.sum(dim=-1).unsqueeze(-1),
    "sum of two dims": lambda x: x.unsqueeze(2).sum((1, 2)).unsqueeze(1),
    "mean": lambda x: x.mean(1, keepdim=True) + x.mean(-1).unsqueeze(1),
    "cumsum": lambda x: x.cumsum(1) + 2 * x.cumsum(-1),
    "unsqueeze": lambda x: x.unsqueeze(1).unsqueeze(-1).sum(-1).sum(1),
    "reshape": lambda x: x.unsqueeze(2).reshape(2, 3) * x.view(-1, 3),
    "flatten": lambda x: torch.stack((x, x), 1).flatten(1),
    "flatten in the middle": lambda x: torch.stack((x, x), 1).flatten(start_dim=1),
    "squeeze": lambda x: x.unsqueeze(1).squeeze(1) + x.squeeze(1),
    "linear": lambda x: torch.nn.functional.linear(x, W, BIAS),
    "linear without bias": lambda x: torch.nn.functional.linear(x, W),
    "matrix": lambda x: x @ W.T + torch.matmul(x, W.T),
    "clamp below": lambda x: x.clamp(min=0.75),
    "clamp above": lambda x: x.clamp(max=0.75),
    "clip": lambda x: torch.clip(x, -0.5, 1.5),
    "norm": lambda x: x.norm(dim=1, keepdim=True) + torch.linalg.vector_norm(x, dim=1).unsqueeze(1),
    "norm of order 2": lambda x: x.norm(2, 1).unsqueeze(1) + x.norm(p=2.0, dim=-1, keepdim=True),
    "like": lambda x: torch.ones_like(x) * 2 + torch.zeros_like(x) + torch.full_like(x, 3.0) * x,
    "new": lambda x: x * x.new_tensor([1.0, 2.0, 3.0]) + x.new_ones(2, 3) + x.new_zeros(2, 3),
    "as it is": lambda x: x.to(torch.float64).double().clone().contiguous().detach() * 1 + x.to(x.device),
    "slices": lambda x: x[..., 1:] + x[:, [0, 2]] - x[:, :2],
    "rows in turn": lambda x: torch.stack([row * 2 for row in x]),
    "shape": lambda x: x * (x.dim() + x.ndim + len(x) + x.size(0) + x.size()[1] + x.shape[-1]),
    "where": lambda x: torch.where(x > 0.75, x**2, 3 * x) + torch.where(COLUMN > 2.5, x, -x) + x.where(x < 0, 0.5),
    "where of constants": lambda x: torch.where(x <= 0.75, 1.0, 2.0) * x + torch.where(x >= 3, 1.0, x),
    "conditions": lambda x: torch.where((x > 0) & (x < 3) | ~(x != -3), x, 7.0) * torch.where(x == 2, x, 1.0),
    "named conditions": lambda x: torch.where(
        torch.logical_or(torch.lt(x, 0), torch.logical_not(torch.greater(x, 1.5))), x, 2 * x
    ).masked_fill(x > 3, 1.0),
    "mask": lambda x: (x > 0.75) * x + (x < 0).double() * 3 + (1 - (x > 0) * 1.0) * x,
    "larger": lambda x: torch.maximum(x, 2.25 - x) + torch.minimum(x**2, torch.full_like(x, 1.5)) * abs(x),
    "names": lambda x: torch.absolute(x) + torch.arctan(x) + torch.negative(x) + torch.multiply(x, x),
    "whole rows": lambda x: torch.stack([row.sum() * row.flatten() + row.norm() for row in x]),
    "in front": lambda x: x.unsqueeze(0).sum(0) + torch.cat((x, 2 * x))[2:] + x.unsqueeze(0).unsqueeze(0).sum((0, 1)),
    "linalg.norm": lambda x: torch.linalg.norm(x, dim=1).unsqueeze(1) + torch.linalg.norm(x, 2, 1, True) * x,
    "norm of doubles": lambda x: x.norm(dim=1, keepdim=True, dtype=torch.float64) + x.norm("fro", 1).unsqueeze(1),
    "types": lambda x: ((x > 0) * 2).to(torch.float32).double() * x + (x < 0).to(torch.int64).to(torch.float64) * x,
    "numpy": lambda x: np.multiply(x, 2) + np.square(x) if isinstance(x, Enclosure) else x * 2 + x**2,
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_on_single_numbers_values_and_slopes_are_pytorchs(name):
    enclosed = OPERATIONS[name](Enclosure.variables(Interval(A)))
    x = A.clone().requires_grad_(True)
    y = OPERATIONS[name](x)
    assert enclosed.shape == y.shape
    for end in (enclosed.value.lo, enclosed.value.hi):
        assert torch.allclose(end, y.detach(), rtol=1e-12, atol=1e-12)
    assert (enclosed.value.lo <= y + 1e-300).all()
    assert (enclosed.value.hi >= y - 1e-300).all()
    if name == "as it is":
        return  # autograd does not pass through detach
    slopes = torch.stack(
        [
            torch.stack([torch.autograd.grad(y[i, j], x, retain_graph=True)[0][i] for j in range(y.shape[1])])
            for i in range(len(y))
        ]
    )
    for end in (enclosed.gradient.lo, enclosed.gradient.hi):
        assert torch.allclose(end.expand_as(slopes), slopes, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", OPERATIONS)
def test_without_slopes_values_are_the_same(name):
    enclosed = OPERATIONS[name](Enclosure.variables(Interval(A), gradient=False))
    assert enclosed.gradient is None
    assert torch.allclose(enclosed.value.lo, OPERATIONS[name](A), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", OPERATIONS)
def test_on_wide_boxes_values_and_slopes_of_all_points_are_enclosed(name):
    """At the corners and inside; a condition that changes within a box has no slope there, but one-sided ones."""
    enclosed = OPERATIONS[name](Enclosure.variables(Interval(A - 0.3, A + 0.3)))
    generator = torch.Generator().manual_seed(0)
    inside = [A + 0.6 * torch.rand(2, 3, dtype=torch.float64, generator=generator) - 0.3 for _ in range(20)]
    corners = [A + 0.3 * torch.tensor(signs, dtype=torch.float64) for signs in itertools.product((-1, 1), repeat=3)]
    slack = 1e-12
    for point in (*inside, *corners):
        x = point.clone().requires_grad_(True)
        y = OPERATIONS[name](x)
        assert (enclosed.value.lo <= y + slack).all()
        assert (enclosed.value.hi >= y - slack).all()
        if name == "as it is":
            continue
        for j in range(y.shape[1]):
            (slopes,) = torch.autograd.grad(y[:, j].sum(), x, retain_graph=True)
            assert (enclosed.gradient.lo[:, j] <= slopes + slack).all()
            assert (enclosed.gradient.hi[:, j] >= slopes - slack).all()


def test_a_wide_box_gives_the_range_of_a_linear_function():
    box = Interval(A - 0.5, A + 0.5)
    enclosed = OPERATIONS["linear"](Enclosure.variables(box))
    middle, half = OPERATIONS["linear"](A), 0.5 * W.abs().sum(1)
    assert torch.allclose(enclosed.value.lo, middle - half)
    assert torch.allclose(enclosed.value.hi, middle + half)
    assert torch.allclose(enclosed.gradient.lo, W.expand(2, 2, 3))


def test_constants_have_no_slope():
    both = torch.stack((Enclosure(Interval(COLUMN)), Enclosure(Interval(COLUMN))), dim=1)
    assert both.gradient is None
    assert both.shape == (2, 2, 1)
    assert (both + 1).gradient is None
    assert both.reshape(2, 2).gradient is None
    assert not both.requires_grad


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (lambda x: x**9, "a power of 9"),
        (lambda x: x**-9, "a power of -9"),
        (lambda x: x**0, "a power of 0"),
        (lambda x: x**1.5, r"a power of 1\.5"),
        (lambda x: x.norm(1, 1), "a norm of order 1"),
        (lambda x: torch.nn.functional.linear(x, torch.ones(3, dtype=torch.float64)), "product of two matrices"),
        (lambda x: torch.nn.functional.linear(x, x), "product of two matrices"),
        (lambda x: W @ x, "a constant matrix times x"),
        (lambda x: torch.matmul(W, x), "a constant matrix times x"),
        (lambda x: torch.where(x > 0, x < 1, x > 2), "this use of 'where'"),
        (lambda x: torch.where(x, x, x), "this use of 'where'"),
        (lambda x: (x > 0).where(x < 1, x), "this use of 'where'"),
        (lambda x: torch.sign(x), "'sign'"),
        (lambda x: x.mul_(2), "mul_, which changes a tensor in place"),
        (lambda x: torch.nn.functional.relu(x, inplace=True), "'relu' with inplace=True"),
        (lambda x: x.is_cuda, "the attribute 'is_cuda'"),
        (lambda x: x.T, "the attribute 'T'"),
        (lambda x: x.half(), "'half'"),
        (lambda x: x.to(torch.ones(1)), "rounding to torch.float32"),
        (lambda x: torch.sin((x > 0) * 0.1), "'sin' of numbers of torch.float32"),
        (lambda x: ((x > 0) * 0.1).sum(1), "'sum' of numbers of torch.float32"),
        (lambda x: ((x > 0) * 0.1).cumsum(1), "'cumsum' of numbers of torch.float32"),
        (lambda x: ((x > 0) * 2).clamp(max=1), "'clamp' of numbers of torch.int64"),
        (lambda x: (x > 0).to(torch.float32) @ W.T, "'linear' of numbers of torch.float32"),
        (lambda x: ((x > 0) * 3).masked_fill(x > 1, 0), "'masked_fill' of numbers of torch.int64"),
        (lambda x: x.to(dtype=torch.float32), "rounding to torch.float32"),
        (lambda x: x.to(torch.int64), "rounding to torch.int64"),
        (lambda x: ((x > 0) * 2).to(torch.bool), "rounding to torch.bool"),
        (lambda x: ((x > 0) * 0.1).to(torch.int64), "rounding to torch.int64"),
        (lambda x: x.norm(dim=1, dtype=torch.float32), "this use of 'norm'"),
        (lambda x: torch.linalg.norm(x, 2), "a norm of matrices"),
        (lambda x: torch.linalg.norm(x, 1, 1), "a norm of order 1"),
        (lambda x: (x > 0) & x, "'and', 'or', 'not' of numbers"),
        (lambda x: x[x], "an index that depends on x"),
        (lambda x: x[:, x], "an index that depends on x"),
        (lambda x: x.sum(1, 2, 3), "this use of 'sum'"),
        (lambda x: np.add.reduce(x), "numpy"),
        (lambda x: np.add.reduce(x, axis=1), "numpy"),
        (lambda x: np.sin(x, dtype="float32"), "this use of numpy's 'sin'"),
        (lambda x: np.multiply(x, x, where=[True, False, True]), "this use of numpy's 'multiply'"),
        (lambda x: np.multiply.outer(x, x), "this use of numpy's 'multiply'"),
        (lambda x: x ** np.int64(2), "a power of 2"),
        (lambda x: x**8.5, r"a power of 8\.5"),
    ],
)
def test_what_has_no_rule_is_refused(function, named):
    with pytest.raises(NoRule, match=named):
        function(Enclosure.variables(Interval(A)))


@pytest.mark.parametrize(("function", "end"), [(torch.sqrt, 0.0), (torch.log, 0.0), (torch.log1p, -1.0)])
def test_a_comparison_beside_a_function_is_refused_just_where_it_has_no_value(function, end):
    """In any part of the box, of any coordinate."""

    def compared(x):
        return torch.maximum(function(x), torch.zeros_like(x)).sum(1, keepdim=True)

    def refused(f, *lows):
        box = torch.tensor([list(lows), [end + 2.0] * len(lows)], dtype=torch.float64)
        try:
            Equation(f, torch.tensor([0.5]), box)
        except NoRule as error:
            assert "compares values" in str(error)  # noqa: PT017
            return True
        return False

    assert not refused(compared, end + 1e-9, end + 0.5)
    assert not refused(compared, end, end)
    assert refused(compared, end - 1e-9, end - 1e-9)
    assert refused(compared, end - 1e-9, end + 0.5)
    assert refused(compared, end + 0.5, end - 0.5)
    assert not refused(lambda x: function(x), end - 0.5)  # nothing is compared
    assert not refused(lambda x: torch.maximum(x, x * x), end - 0.5)


def test_what_pytorch_rounds_is_enclosed_as_written_and_as_rounded():
    x = Enclosure.variables(Interval(A))
    for number in (0.1, 0.7):  # rounded up and down
        made = (x > -9) * number
        assert made.dtype == torch.float32
        low, high = sorted((number, float(torch.tensor(number, dtype=torch.float32))))
        assert made.value.lo.max() <= low < high <= made.value.hi.min()
        assert (made.value.hi - made.value.lo).max() < 1e-7


def test_a_change_in_place_keeps_type_and_shape():
    x = Enclosure.variables(Interval(A))
    total = x.sum(1, keepdim=True)
    with pytest.raises(NoRule, match="'add' in place with another type or shape"):
        total += x
    mask = x > 0
    with pytest.raises(NoRule, match="'mul' in place with another type or shape"):
        mask *= x
    same = x * 1
    same += x
    assert torch.allclose(same.value.lo, 2 * A)
    assert torch.allclose(same.gradient.lo, 2 * torch.eye(3, dtype=torch.float64).expand(2, 3, 3))


def test_a_misspelt_method_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'summ'"):
        Enclosure.variables(Interval(A)).summ(1)
    assert not hasattr(Enclosure.variables(Interval(A)), "__fspath__")


def test_a_functions_own_rule_is_called_with_its_arguments():
    def own(x, factor=1):
        return torch.overrides.handle_torch_function(own, (x,), x, factor=factor)

    own.enclosure = lambda x, factor=1: x * factor
    x = Enclosure.variables(Interval(A))
    assert torch.allclose(own(x, factor=3).value.lo, 3 * A)
    own.enclosure = lambda x, **_: x
    assert own(x) is x


COMPARISONS = {
    "<": (lambda x: x[:, 0] < x[:, 1], lambda a, b: a < b),
    "<=": (lambda x: x[:, 0] <= x[:, 1], lambda a, b: a <= b),
    ">": (lambda x: x[:, 0] > x[:, 1], lambda a, b: a > b),
    ">=": (lambda x: x[:, 0] >= x[:, 1], lambda a, b: a >= b),
    "==": (lambda x: x[:, 0] == x[:, 1], lambda a, b: a == b),
    "!=": (lambda x: x[:, 0] != x[:, 1], lambda a, b: a != b),
    "and": (lambda x: (x[:, 0] < 1) & (x[:, 1] < 1), lambda a, b: a < 1 and b < 1),
    "or": (lambda x: (x[:, 0] < 1) | (x[:, 1] > 1), lambda a, b: a < 1 or b > 1),
}


@pytest.mark.parametrize("name", COMPARISONS)
def test_a_comparison_of_boxes_holds_surely_never_or_is_undecided(name):
    """All boxes with ends 0, 1 and 2, many of which touch, against the comparisons of the numbers in them."""
    ends = [(lo, hi) for lo in range(3) for hi in range(lo, 3)]
    boxes = [(a, b) for a in ends for b in ends]
    lo, hi = (torch.tensor([[a[k], b[k]] for a, b in boxes], dtype=torch.float64) for k in (0, 1))
    on_boxes, of_numbers = COMPARISONS[name]
    found = on_boxes(Enclosure.variables(Interval(lo, hi)))
    for (a, b), surely, maybe in zip(boxes, found.value.lo.tolist(), found.value.hi.tolist(), strict=True):
        inside = [[a[0] + s * (a[1] - a[0]) for s in (0, 0.5, 1)], [b[0] + s * (b[1] - b[0]) for s in (0, 0.5, 1)]]
        truths = {bool(of_numbers(p, q)) for p in inside[0] for q in inside[1]}
        assert (surely, maybe) == (float(truths == {True}), float(True in truths)), (a, b)


def test_a_choice_is_the_hull_of_both_only_where_it_is_undecided():
    low, high = torch.tensor([[0.0], [0.0], [1.0], [0.5]]), torch.tensor([[0.5], [1.0], [2.0], [1.5]])
    box = Interval(low.double(), high.double())
    chosen = torch.where(Enclosure.variables(box) < 1, Enclosure.variables(box), Enclosure.variables(box) * 2 + 10)
    assert chosen.value.lo.flatten().tolist() == pytest.approx([0, 0, 12, 0.5])
    assert chosen.value.hi.flatten().tolist() == pytest.approx([0.5, 12, 14, 13])
    slopes = [(chosen.gradient.lo[i].item(), chosen.gradient.hi[i].item()) for i in range(4)]
    assert slopes[0] == pytest.approx((1, 1))
    assert slopes[2] == pytest.approx((2, 2))
    assert slopes[1] == slopes[3] == (-math.inf, math.inf)  # it may jump


@pytest.mark.parametrize(("low", "high", "largest", "smallest"), [
    (-1, 0.5, (0, 0), (1, 1)), (2, 3, (1, 1), (0, 0)), (0, 2, (0, 1), (0, 1)), (1, 2, (0, 1), (0, 1)),
])  # fmt: skip
def test_the_larger_of_two_has_the_slope_of_the_one_that_surely_is(low, high, largest, smallest):
    x = Enclosure.variables(Interval(torch.tensor([[low]]).double(), torch.tensor([[high]]).double()))
    for made, slope, ends in (
        (torch.maximum(x, x * 0 + 1), largest, (max(low, 1), max(high, 1))),
        (torch.maximum(x * 0 + 1, x), largest, (max(low, 1), max(high, 1))),
        (torch.minimum(x, x * 0 + 1), smallest, (min(low, 1), min(high, 1))),
        (torch.minimum(x * 0 + 1, x), smallest, (min(low, 1), min(high, 1))),
    ):
        assert (made.value.lo.item(), made.value.hi.item()) == pytest.approx(ends)
        assert (made.gradient.lo.item(), made.gradient.hi.item()) == pytest.approx(slope)
