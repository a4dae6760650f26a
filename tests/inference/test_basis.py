"""What a design rests on: the four columns of a truth table."""

import math

import pytest
import torch

from ipage_core.inference.basis import basis

NAN = math.nan
Y = torch.tensor([[1.0, 2.0], [1.0, NAN], [NAN, NAN], [math.inf, 2.0], [NAN, NAN]])
KNOWN = torch.tensor(
    [[[0.0, 0.0], [0.0, 0.0], [0.0, NAN], [0.0, 0.0], [0.0, 0.0]], [[1.0, 1.0]] * 3 + [[1.0, NAN], [1.0, 1.0]]]
)
FAILING = torch.tensor([True, False, False, False, True])


@pytest.mark.parametrize(
    ("predicted", "interval", "failing", "rest"),
    [
        (False, None, None, ["not predicted"] * 4),
        (False, KNOWN, FAILING, ["not predicted"] * 4),
        (True, None, None, ["predicted"] * 4),
        (True, KNOWN, None, ["predicted, 90 % interval", "predicted", "predicted", "predicted, 90 % interval"]),
        (True, None, FAILING, [*["predicted"] * 3, "predicted, nearest evaluation failed"]),
        (
            True,
            KNOWN,
            FAILING,
            ["predicted, 90 % interval", "predicted", "predicted", "predicted, nearest evaluation failed"],
        ),
    ],
)
def test_only_a_whole_result_of_omega_verifies_a_design(predicted, interval, failing, rest):
    assert basis(Y, predicted, interval, failing) == ["verified by Ω", *rest]
