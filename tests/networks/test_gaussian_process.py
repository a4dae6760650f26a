import math

import numpy as np
import pytest
import torch
from scipy.optimize import check_grad
from torch import Tensor

from ipage_core.networks.gaussian_process import GaussianProcess
from ipage_core.networks.hyperparameters import KERNELS, Hyperparameters, correlation, negative_log_density
from ipage_core.networks.shared_process import SharedProcess
from ipage_core.networks.store import load_tensors, save_tensors


def rows(n: int, noise: float = 0.0, seed: int = 0) -> tuple[Tensor, Tensor]:
    """x (n, 3) in different units; y (n, 2) ignores the last; y1 is smooth, y2 has a kink."""
    generator = torch.Generator().manual_seed(seed)
    u = torch.rand(n, 3, dtype=torch.float64, generator=generator)
    y = torch.stack((1e4 * torch.sin(3 * u[:, 0]) * (1 + u[:, 1]), 1e-3 * (u[:, 0] - 0.5).abs() + 1e-3 * u[:, 1]), 1)
    y = y + noise * y.std(0) * torch.randn(n, 2, dtype=torch.float64, generator=generator)
    return u * torch.tensor([1.0, 1e-6, 1e5], dtype=torch.float64) + 3.0, y


@pytest.mark.parametrize("kernel", KERNELS)
def test_gradient_of_the_density_is_that_of_finite_differences(kernel):
    _, y = rows(40, noise=0.1)
    u, z = torch.rand(40, 3, dtype=torch.float64), (y[:, 0] - y[:, 0].mean()) / y[:, 0].std()
    density = negative_log_density(kernel, u, z)
    theta = np.array([0.3, -0.5, 1.0, 0.2, -3.0])
    gradient = density(theta)[1]
    assert check_grad(lambda t: density(t)[0], lambda t: density(t)[1], theta) < 1e-4 * np.linalg.norm(gradient)


@pytest.mark.parametrize("kernel", KERNELS)
def test_mean_and_deviation_are_those_of_the_joint_normal_distribution(kernel):
    """Compared with direct inversion of the joint covariance of rows and new points."""
    torch.manual_seed(1)
    x, y, new = torch.rand(12, 2).double(), torch.randn(12, 1).double(), torch.rand(5, 2).double()
    known = Hyperparameters(kernel, torch.tensor([0.4, 0.7]).double(), 1.3, 0.05)
    process = GaussianProcess.fitted(x, y, torch.tensor([[0.0, 0.0], [1.0, 1.0]]), like=[known])
    every = torch.cat((x, new)) / known.length
    distance = torch.cdist(every, every)
    if kernel == "rbf":
        k = 1.3 * torch.exp(-(distance**2) / 2)
    else:
        k = 1.3 * (1 + math.sqrt(5) * distance + 5 / 3 * distance**2) * torch.exp(-math.sqrt(5) * distance)
    inverse = torch.linalg.inv(k[:12, :12] + 0.05 * torch.eye(12))
    mean, sd = y.mean(), y.std(correction=0)
    assert torch.allclose(process(new)[:, 0], k[12:, :12] @ inverse @ (y[:, 0] - mean) + mean)
    variance = k[12:, 12:] - k[12:, :12] @ inverse @ k[:12, 12:]
    assert torch.allclose(process.spread(new)[:, 0], sd * (variance.diagonal() + 0.05).sqrt())


def test_a_model_with_the_earlier_name_of_its_mask_still_opens():
    x, y = rows(12, noise=0.1)
    process = GaussianProcess.fitted(x, y)
    state = process.state_dict()
    earlier = {"known" if name == "measured" else name: value for name, value in state.items()}
    again = GaussianProcess.fitted(*rows(12, noise=0.2))
    again.load_state_dict(earlier)
    assert torch.equal(again(x), process(x))


def test_left_out_errors_are_those_of_processes_without_the_row():
    x, y = rows(15, noise=0.2)
    process = GaussianProcess.fitted(x, y)
    error, sd = process.left_out()
    without = torch.arange(15) != 4
    scaled = [h._replace(signal=h.signal, noise=h.noise) for h in process.hyperparameters]
    bounds = torch.stack((x.min(0).values, x.max(0).values))
    # left_out uses mean and scale of y over all rows: give the smaller process the same ones.
    other = GaussianProcess.fitted(x[without], y[without], bounds, like=scaled)
    z = (y - process.mean) / process.sd
    for j in range(2):
        other.weights[j] = torch.cholesky_solve(z[without, j, None], other.factor(j))[:, 0]
    other.mean, other.sd = process.mean, process.sd
    assert torch.allclose(error[4], (y - other(x))[4], rtol=1e-6)
    assert torch.allclose(sd[4], other.spread(x[4:5])[0], rtol=1e-6)


def test_learns_each_property_in_its_own_unit_and_ignores_what_does_not_matter():
    x, y = rows(150)
    process = GaussianProcess.fitted(x, y)
    new, truth = rows(400, seed=1)
    error = ((process(new) - truth).square().mean(0).sqrt() / truth.std(0)).tolist()
    assert error[0] < 2e-4  # smooth: what jitter allows
    assert error[1] < 0.02  # a kink
    assert (process.length[:, 2] > 5 * process.length[:, :2].amax(1)).all()


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_shared_process_is_a_process_for_each_property_with_the_same_kernel(kernel):
    x, y = rows(25, noise=0.1)
    bounds = torch.stack((x.min(0).values, x.max(0).values))
    known = Hyperparameters(kernel, torch.tensor([0.4, 0.7, 2.0]).double(), 1.3, 0.05)
    shared, each = (
        SharedProcess.fitted(x, y, bounds, like=known),
        GaussianProcess.fitted(x, y, bounds, like=[known] * 2),
    )
    new = rows(7, seed=3)[0]
    torch.testing.assert_close(shared(new), each(new))
    torch.testing.assert_close(shared.spread(new), each.spread(new))
    torch.testing.assert_close(torch.stack(shared.left_out()), torch.stack(each.left_out()))
    torch.testing.assert_close(shared.of([1])(new), each(new)[:, 1:])


def test_a_shared_process_needs_all_values():
    x, y = rows(10)
    y[0, 0] = math.nan
    with pytest.raises(ValueError, match="each with all properties"):
        SharedProcess.fitted(x, y)


def test_the_density_of_properties_with_one_kernel_is_the_mean_of_theirs():
    u, z = torch.rand(20, 2, dtype=torch.float64), torch.randn(20, 2, dtype=torch.float64)
    theta = np.array([0.1, 0.3, 0.2, -2.0])
    both = negative_log_density("rbf", u, z)(theta)
    each = [negative_log_density("rbf", u, column)(theta) for column in z.T]
    assert both[0] == pytest.approx((each[0][0] + each[1][0]) / 2)
    assert both[1] == pytest.approx((each[0][1] + each[1][1]) / 2)


def test_noise_is_found_and_is_part_of_the_deviation():
    x, y = rows(250, noise=0.2)
    process = GaussianProcess.fitted(x, y)
    new, measured = rows(2000, noise=0.2, seed=1)
    inside = ((process(new) - measured).abs() <= 1.645 * process.spread(new)).double().mean(0)
    assert ((inside > 0.85) & (inside < 0.95)).all()


def test_a_row_that_lacks_one_property_trains_the_other():
    x, y = rows(80)
    y[::2, 1] = math.nan
    process = GaussianProcess.fitted(x, y)
    alone = GaussianProcess.fitted(x[1::2], y[1::2, 1:], torch.stack((x.min(0).values, x.max(0).values)))
    assert torch.allclose(process(x)[:, 1:], alone(x), rtol=1e-6)
    assert process.left_out()[0].isnan().equal(y.isnan())
    with pytest.raises(ValueError, match="Expected 3 rows or more"):
        GaussianProcess.fitted(x[:4], y[:4] * torch.tensor([1.0, math.nan]))


def test_derivatives_are_those_of_finite_differences_even_at_a_row():
    x, y = rows(30)
    process = GaussianProcess.fitted(x, y)
    unit = process.width
    by_autograd = torch.autograd.functional.jacobian(process, x[3:4])[0, :, 0] * unit
    steps = 1e-5 * unit * torch.eye(3, dtype=torch.float64)
    by_steps = (process(x[3] + steps) - process(x[3] - steps)) / 2e-5
    assert torch.allclose(by_autograd, by_steps.T, rtol=1e-4, atol=1e-6 * float(by_steps.abs().max()))
    forward = torch.func.jvp(process, (x[3:4],), (unit[None] * torch.tensor([1.0, 0.0, 0.0]),))[1]
    assert torch.allclose(forward[0], by_autograd[:, 0])


def test_a_file_gives_back_the_same_process(tmp_path):
    x, y = rows(60, noise=0.1)
    process = GaussianProcess.fitted(x, y)
    save_tensors(tmp_path / "gp.safetensors", process.state_dict())
    again = GaussianProcess(**process.arguments)
    again.load_state_dict(load_tensors(tmp_path / "gp.safetensors")[0])
    assert torch.equal(again(x), process(x))
    assert torch.equal(again.spread(x), process.spread(x))
    assert again(x.float()).dtype == torch.float32


def test_rows_that_repeat_and_constant_columns_are_no_obstacle():
    x, y = rows(40)
    x[:, 1] = 2.0
    x, y = x.repeat(3, 1), y.repeat(3, 1)
    process = GaussianProcess.fitted(x, y)
    assert process(x).isfinite().all()
    assert process.spread(x).isfinite().all()


def test_kernels_are_named():
    with pytest.raises(ValueError, match="Expected a kernel for each of 2 properties"):
        GaussianProcess(1, 2, 3, ["rbf"])
    with pytest.raises(ValueError, match="of matern52, rbf"):
        GaussianProcess(1, 1, 3, ["cubic"])


def test_correlation_is_one_at_zero_and_falls():
    a = torch.zeros(1, 2, dtype=torch.float64)
    b = torch.linspace(0, 5, 50, dtype=torch.float64)[:, None] * torch.tensor([0.6, 0.8])
    for kernel in KERNELS:
        k = correlation(kernel, a, b)[0]
        assert k[0] == pytest.approx(1)
        assert (k.diff() < 0).all()
