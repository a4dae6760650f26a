"""A wrong call from Python is a ValueError of one sentence, and a function of the user's may fail in any way."""

import numpy as np
import pandas as pd
import pytest
import torch

import ipage_core as ipage
from ipage_core.problem.request import DesignRequest
from ipage_core.tasks import TASKS

X, Y = {"a": (0, 1), "b": (0, 1)}, {"s": 0.05}


def summed(x):
    return x.sum(1)


def task(function=summed, **more):
    return ipage.Task.from_function(function, **({"x": X, "y": Y, "name": "summed"} | more))


def one_sentence(refused):
    said = str(refused.value)
    return said if len(said.splitlines()) == 1 else None


class Unreadable(Exception):
    def __str__(self):
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ZeroDivisionError("boom\nand more"), "fails: ZeroDivisionError: boom and more"),
        (RuntimeError(), "fails: RuntimeError"),
        (Unreadable(), "fails: Unreadable"),
        (TypeError("boom\nand more"), "fails: TypeError: boom and more"),
    ],
)
def test_an_error_of_the_users_function_is_told_on_one_line(error, said):
    def fail(x):
        raise error

    with pytest.raises(ValueError, match="The function of summed fails") as refused:
        task(fail).omega(torch.zeros(3, 2).double())
    assert one_sentence(refused).endswith(said)


def test_a_sparse_result_is_a_result():
    omega = task(lambda x: x.sum(1).to_sparse()).omega
    assert omega(torch.tensor([[0.25, 0.5], [0.0, 0.0]]).double()).tolist() == [[0.75], [0.0]]


def test_training_pairs_leave_failures_out():
    half = task(lambda x: torch.where(x[:, 0] < 0.5, torch.nan, x.sum(1)))
    x, y = half.pairs(1000)
    assert 400 < len(x) < 600
    assert (x[:, 0] >= 0.5).all()
    assert torch.equal(y[:, 0], x.sum(1))
    with pytest.raises(ValueError, match="has a finite result for none of 50 designs within its bounds"):
        task(lambda x: x.sum(1) * torch.nan).pairs(50)


@pytest.mark.parametrize(
    "more",
    [
        {"function": 5},
        {"x": {}},
        {"y": {}},
        {"x": [("a", (0, 1))]},
        {"y": ["s"]},
        {"x": {5: (0, 1)}},
        {"y": {5: 0.1}},
        {"y": {"s": None}},
        {"name": 5.5},
        {"seconds": -1},
        {"seconds": float("nan")},
        {"default_target": [float("nan")]},
        {"default_target": [1, 2]},
    ],
    ids=str,
)
def test_what_makes_no_task_is_one_sentence(more):
    with pytest.raises(ValueError, match=r"Expected|accepted") as refused:
        task(**more)
    assert one_sentence(refused)


@pytest.mark.parametrize(
    "setting",
    [
        *({"n": n} for n in ("3", 3.0, True, None)),
        *({"seed": seed} for seed in ("1", 1.5, None, -1, 2**80)),
        *({"omega_evals": k} for k in ("1", 1.5, None)),
        *({"verify": k} for k in (None, True, 1.5, "x")),
        {"steps": 1.5},
        {"constraints": 5},
        {"constraints": None},
    ],
    ids=str,
)
def test_a_setting_of_another_kind_is_one_sentence(setting):
    with pytest.raises(ValueError, match=r"is not accepted|is not known") as refused:
        ipage.design("sinewave", 1.2, **({"n": 3} | setting))
    assert one_sentence(refused)


def test_numbers_of_numpy_and_a_count_of_checks_are_settings():
    designs = ipage.design("sinewave", np.array(1.2), n=np.int64(4), seed=np.uint8(3), verify=2)
    assert designs.summary()["verified"] == 2
    plain = ipage.design("sinewave", 1.2, n=4, seed=3, verify="2")
    assert torch.equal(designs.final, plain.final)
    assert (
        DesignRequest.of(TASKS["sinewave"], 1.2, n=np.int64(4)).key()
        == DesignRequest.of(TASKS["sinewave"], 1.2, n=4).key()
    )


def test_a_number_too_large_for_any_target_is_one_sentence():
    with pytest.raises(ValueError, match="is not understood") as refused:
        ipage.design("sinewave", 10**400, n=3)
    assert one_sentence(refused)


def test_a_model_has_the_method_that_it_was_loaded_with():
    with pytest.raises(ValueError, match="The model is of the method 'prior-lm', not of 'lookup'"):
        ipage.load("sinewave", method="prior-lm").design(1.2, n=3, method="lookup")


def test_designs_to_predict_may_be_any_table_of_numbers():
    model, rows = ipage.load("sinewave", method="prior-lm"), [[0.1, 0.2], [0.3, 0.4]]
    there = model.predict(rows)
    for same in (
        np.array(rows),
        torch.tensor(rows, requires_grad=True),
        pd.DataFrame(rows),
        pd.DataFrame(rows, dtype=object),
    ):
        assert np.allclose(model.predict(same), there, atol=1e-6)
    for wrong in ("ab", None, 5, (row for row in rows), [["a", "b"]], [[1j, 1]], [[0.1]], [0.1, 0.2]):
        with pytest.raises(ValueError, match=r"Expected designs of shape \(n, 2\), got"):
            model.predict(wrong)
