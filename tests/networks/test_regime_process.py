"""Gaussian processes of two regimes, on a known function that jumps."""

import pytest
import torch
from torch import Tensor

from ipage_core.networks.gaussian_process import GaussianProcess
from ipage_core.networks.regime_process import RegimeProcess
from ipage_core.networks.store import load_tensors, save_tensors


def rows(n: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """x (n, 2), y (n, 2) and the regime (n,): where x1 + x2 > 0.6, y1 and y2 lie 10 and 3 higher."""
    x = torch.rand(n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    is_upper = x.sum(1) > 0.6
    y = torch.stack((torch.sin(3 * x[:, 0]), x[:, 1].square()), 1)
    return x, y + is_upper[:, None] * torch.tensor([10.0, 3.0]), is_upper


@pytest.fixture(scope="module")
def process():
    return RegimeProcess.fitted(*rows(120))


def test_the_jump_does_not_blur_the_regimes(process):
    x, y, _ = rows(500, seed=1)
    away = (x.sum(1) - 0.6).abs() > 0.15
    error = (process(x) - y).abs()[away]
    blurred = (GaussianProcess.fitted(*rows(120)[:2])(x) - y).abs()[away]
    assert error.median() < 0.1 * blurred.median()
    assert (error.median(0).values < torch.tensor([1e-2, 1e-2])).all()


def test_the_probability_is_that_of_the_regime(process):
    x, _, is_upper = rows(500, seed=1)
    p = process.probability(x)[:, 0]
    away = (x.sum(1) - 0.6).abs() > 0.15
    assert (p[is_upper & away] > 0.95).double().mean() > 0.98
    assert (p[~is_upper & away] < 0.05).double().mean() > 0.98
    assert ((p > 0.5) == is_upper).double().mean() > 0.95


def test_mean_and_deviation_are_those_of_draws_from_either_regime(process):
    x = torch.tensor([[0.3, 0.31]], dtype=torch.float64)  # at the jump
    generator = torch.Generator().manual_seed(0)
    is_upper = torch.rand(200_000, 1, dtype=torch.float64, generator=generator) < process.probability(x)
    each = [
        part(x) + part.spread(x) * torch.randn(200_000, 2, dtype=torch.float64, generator=generator)
        for part in (process.lower, process.upper)
    ]
    drawn = torch.where(is_upper, each[1], each[0])
    torch.testing.assert_close(drawn.mean(0), process(x)[0], rtol=0.02, atol=0)
    torch.testing.assert_close(drawn.std(0), process.spread(x)[0], rtol=0.02, atol=0)


def test_left_out_rows_are_predicted_by_processes_without_them(process):
    x, y, is_upper = rows(120)
    error, deviation = process.left_out(x, y, is_upper)
    label = torch.where(is_upper, 1.0, -1.0).double()[:, None]
    gate_error, gate_deviation = process.gate.left_out()
    p = torch.special.ndtr((label - gate_error) / gate_deviation)
    k = int(is_upper.nonzero()[3])
    own_error, own_deviation = (values[3] for values in process.upper.left_out())
    other = process.lower(x[k : k + 1])[0]
    mean = p[k] * (y[k] - own_error) + (1 - p[k]) * other
    assert torch.allclose(error[k], y[k] - mean)
    variance = p[k] * own_deviation**2 + (1 - p[k]) * process.lower.spread(x[k : k + 1])[0] ** 2
    assert torch.allclose(deviation[k] ** 2, variance + p[k] * (1 - p[k]) * (y[k] - own_error - other) ** 2)


def test_a_row_that_lacks_one_property_trains_the_other():
    x, y, is_upper = rows(80)
    y[::4, 0] = torch.nan
    error, deviation = RegimeProcess.fitted(x, y, is_upper).left_out(x, y, is_upper)
    assert torch.equal(error.isnan(), y.isnan())
    assert (deviation[~y.isnan()] > 0).all()


def test_derivatives_are_those_of_finite_differences_at_the_jump(process):
    x = torch.tensor([[0.3, 0.31]], dtype=torch.float64)
    by_autograd = torch.autograd.functional.jacobian(process, x)[0, :, 0]
    steps = 1e-6 * torch.eye(2, dtype=torch.float64)
    by_steps = (process(x + steps) - process(x - steps)).T / 2e-6
    torch.testing.assert_close(by_autograd, by_steps, rtol=1e-4, atol=1e-6)


def test_a_file_gives_back_the_same_processes_and_some_of_their_properties(process, tmp_path):
    x, _, _ = rows(20, seed=2)
    save_tensors(tmp_path / "p.safetensors", {name: value.clone() for name, value in process.state_dict().items()})
    again = RegimeProcess(**process.arguments)
    again.load_state_dict(load_tensors(tmp_path / "p.safetensors")[0])
    assert torch.equal(again(x), process(x))
    assert torch.equal(again.spread(x), process.spread(x))
    assert torch.equal(process.of([1])(x), process(x)[:, 1:])
    assert torch.equal(process.of([1]).spread(x), process.spread(x)[:, 1:])
