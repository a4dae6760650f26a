"""Properties of the networks: invertible, correct Jacobians, independent of the order of their rows."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import kstest

from ipage_core.networks import CINN, INN, MLP
from ipage_core.networks.losses import dynamic_weights, mmd
from ipage_core.networks.standardize import Standardizer
from ipage_core.training.fit import Settings, fit


def small_inn(d, m, order, **more):
    inn = INN(d, m, order=order, couplings=4, hidden=16, blocks=1, bins=6, surrogate_hidden=16, **more)
    inn.fit_scales(2 + 3 * torch.randn(100, d), -1 + 0.5 * torch.randn(100, m))
    return inn.double().eval()


@pytest.mark.parametrize("order", ["ordered", "alternating"])
@given(d=st.integers(2, 6), m=st.integers(1, 2), seed=st.integers(0, 1000))
@settings(max_examples=8, deadline=None)
def test_inn_is_invertible_both_ways(order, d, m, seed):
    torch.manual_seed(seed)
    inn = small_inn(d, m, order)
    x, padding = 2 + 3 * torch.randn(20, d, dtype=torch.float64), torch.randn(20, m, dtype=torch.float64)
    y, z, _ = inn.transport(x, padding)
    x_back, padding_back = inn.inverse(y, z)
    torch.testing.assert_close(x_back, x, rtol=0, atol=1e-6)
    torch.testing.assert_close(padding_back, padding, rtol=0, atol=1e-6)
    for each, expected in zip(inn.cycle(y, z), (x, z), strict=True):
        torch.testing.assert_close(each, expected, rtol=0, atol=1e-6)


BOUNDED = [None, (-5.0, 4.0), (0.0, 2.0)]


@pytest.mark.parametrize("order", ["ordered", "alternating"])
@pytest.mark.parametrize("support", [(), BOUNDED])
def test_inn_log_determinant_against_autograd(order, support):
    inn = small_inn(3, 2, order, support=support)
    joint = torch.randn(4, 5, dtype=torch.float64)
    joint[:, 2] = torch.rand(4, dtype=torch.float64) * 1.8 + 0.1

    def f(row):
        y, z, _ = inn.transport(row[None, :3], row[None, 3:])
        return torch.cat((y, z), dim=1)[0]

    _, _, log_det = inn.transport(joint[:, :3], joint[:, 3:])
    for row, value in zip(joint, log_det, strict=True):
        jacobian = torch.autograd.functional.jacobian(f, row)
        torch.testing.assert_close(jacobian.det().abs().log(), value, rtol=0, atol=1e-8)


@pytest.mark.parametrize("build", [lambda: small_inn(2, 1, "ordered"), lambda: CINN(2, 1, hidden=16, bins=6).double()])
def test_posterior_density_is_the_jacobian_of_sampling_and_integrates_to_one(build):
    model = build()
    y_star = torch.full((5, 1), -0.8, dtype=torch.float64)
    z = torch.randn(5, 2, dtype=torch.float64)
    x = model.sample(y_star, z)
    torch.testing.assert_close(model.encode(x, y_star), z, rtol=0, atol=1e-6)
    for i in range(5):
        jacobian = torch.autograd.functional.jacobian(lambda row: model.sample(y_star[:1], row[None])[0], z[i])
        expected = -0.5 * z[i].square().sum() - math.log(2 * math.pi) - jacobian.det().abs().log()
        torch.testing.assert_close(model.log_prob(x, y_star)[i], expected, rtol=0, atol=1e-6)
    axes = [torch.linspace(m - 8 * s, m + 8 * s, 400, dtype=torch.float64)
            for m, s in zip(model.x_scale.mean.tolist(), model.x_scale.sd.tolist(), strict=True)]  # fmt: skip
    grid = torch.cartesian_prod(*axes)
    with torch.no_grad():
        density = model.log_prob(grid, y_star[:1].expand(len(grid), 1)).exp()
    cell = (axes[0][1] - axes[0][0]) * (axes[1][1] - axes[1][0])
    assert (density.sum() * cell).item() == pytest.approx(1.0, abs=0.01)


def test_no_sample_leaves_the_support_and_it_stays_invertible():
    inn = small_inn(3, 1, "ordered", support=BOUNDED)
    z, y_star = 6 * torch.randn(500, 3, dtype=torch.float64), torch.randn(500, 1, dtype=torch.float64)
    x = inn.sample(y_star, z)
    assert ((x[:, 1] >= -5) & (x[:, 1] <= 4) & (x[:, 2] >= 0) & (x[:, 2] <= 2)).all()
    central = z.abs().max(dim=1).values < 3
    once, back = inn.cycle(y_star, z)
    assert torch.equal(once, x)
    torch.testing.assert_close(back[central], z[central], rtol=0, atol=1e-5)


@pytest.mark.parametrize("support", [(), BOUNDED])
def test_the_surrogate_is_the_forward_at_zero_padding_with_a_gradient_on_the_walls_too(support):
    inn = small_inn(3, 2, "ordered", support=support)
    x = torch.tensor([[0.3, 1.0, 0.5], [-2.0, -4.0, 1.9]], dtype=torch.float64)
    torch.testing.assert_close(inn(x), inn.transport(x, torch.zeros(2, 2, dtype=torch.float64))[0])
    wall = torch.tensor([[0.3, -5.0, 2.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.grad(inn(wall).sum(), wall)[0].abs().min() > 0


def test_a_bounded_uniform_coordinate_becomes_standard_normal():
    scale = Standardizer(2, [(2.0, 6.0), None]).double()
    x = torch.stack((2 + 4 * torch.rand(20_000, dtype=torch.float64), torch.randn(20_000).double() * 3 + 1), dim=1)
    scale.fit(x)
    v = scale(x)
    assert kstest(v[:, 0].numpy(), "norm").pvalue > 1e-3
    torch.testing.assert_close(v.std(0), torch.ones(2, dtype=torch.float64), rtol=0, atol=0.03)
    torch.testing.assert_close(scale.inverse(v), x, rtol=0, atol=1e-5)


def test_ordered_inn_has_a_gradient_at_its_own_posterior_samples():
    # With the padding kept, f_y(h(y*, z)) = y* identically and there is nothing to descend; with zero padding there is.
    inn = small_inn(3, 1, "ordered")
    y_star, z = torch.full((8, 1), 0.3, dtype=torch.float64), torch.randn(8, 3, dtype=torch.float64)
    x, padding = inn.inverse(y_star, z)
    torch.testing.assert_close(inn.transport(x, padding)[0], y_star, rtol=0, atol=1e-8)
    x = x.detach().requires_grad_(True)
    misfit = inn(x) - y_star
    (gradient,) = torch.autograd.grad(misfit.square().sum(), x)
    assert (misfit.abs() > 1e-3).any()
    assert gradient.norm() > 1e-3


@pytest.mark.parametrize("build", [lambda: small_inn(3, 2, "ordered"), lambda: MLP(3, 2).double()])
def test_surrogates_treat_rows_alike(build):
    model = build()
    x = torch.randn(12, 3, dtype=torch.float64)
    order = torch.randperm(12)
    torch.testing.assert_close(model(x)[order], model(x[order]))


def test_alternating_inn_has_no_closed_form_posterior():
    with pytest.raises(ValueError, match="ordered"):
        small_inn(2, 1, "alternating").log_prob(torch.zeros(1, 2), torch.zeros(1, 1))
    with pytest.raises(ValueError, match="'ordered' or 'alternating'"):
        INN(2, 1, order="sideways")


def test_an_alternating_inn_learns_a_property_that_grows_with_no_coordinate():
    """It writes y onto the padding. Written onto a coordinate of x, y would have to grow with it."""
    x = 2 * torch.rand(2000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
    y = x[:, :1] ** 2 - x[:, 1:] ** 2
    arguments = {"d": 2, "m": 1, "couplings": 4, "hidden": 32, "order": "alternating"}
    run = fit(INN, arguments, x, y, Settings(epochs=8, batch=100, lambda_x=0.0, lambda_z=0.0))
    assert list(run.weight_sets) == ["phi"]
    assert run.history[-1]["validation_l2"] < 0.1 * y.var()


def test_mmd_against_its_closed_form():
    # C/(C + r²) = ∫ e⁻ˢ exp(−s r²/C) ds, and r = a − b ~ N(δ, 2I) makes each Gaussian factor explicit.
    k, scale, shift = 3, 0.9, 1.5

    def expected_kernel(delta_squared):
        def integrand(s):
            spread = 1 + 4 * s / scale
            return math.exp(-s) * spread ** (-k / 2) * math.exp(-s * delta_squared / scale / spread)

        return quad(integrand, 0, math.inf)[0]

    expected = 2 * expected_kernel(0) - 2 * expected_kernel(shift**2)
    generator = torch.Generator().manual_seed(0)
    estimates = []
    for _ in range(40):
        a, b = (torch.randn(400, k, generator=generator, dtype=torch.float64) for _ in range(2))
        b[:, 0] += shift
        estimates.append(mmd(a, b, scales=(scale,)).item())
    values = torch.tensor(estimates)
    assert values.mean().item() == pytest.approx(expected, abs=4 * values.std().item() / math.sqrt(40))
    assert values.std() / math.sqrt(40) < 0.05 * expected  # the test is sensitive enough


def test_mmd_is_unbiased_at_zero():
    generator = torch.Generator().manual_seed(1)
    values = torch.tensor(
        [mmd(torch.randn(60, 2, generator=generator), torch.randn(60, 2, generator=generator)) for _ in range(300)]
    )
    assert abs(values.mean()) < 4 * values.std() / math.sqrt(300)


@given(st.integers(2, 400))
@settings(deadline=None)
def test_schedule_of_the_paper(epochs):
    rows = [dynamic_weights(i, epochs, y=1000.0, x=10.0, z=20.0, nll=1.0) for i in range(epochs)]
    half = epochs // 2
    assert all(row["y"] == 1000 and row["x"] == row["z"] == 0 for row in rows[:half])
    assert all(a["y"] >= b["y"] and a["x"] <= b["x"] for a, b in pairwise(rows))
    assert rows[-1]["y"] == pytest.approx(0, abs=1e-9)
    assert (rows[-1]["x"], rows[-1]["z"], rows[-1]["nll"]) == (10, 20, 1)


TAKEN = {"model": "mlp", "hidden": 16, "layers": 2}


def with_surrogate(d=2, m=1, **more):
    """A small INN, and the MLP whose weights it contains."""
    mlp = MLP(d, m, hidden=16, layers=2)
    mlp.fit_scales(3 * torch.randn(50, d) + 1, 5 * torch.randn(50, m) - 2)
    inn = INN(d, m, couplings=2, hidden=8, blocks=1, bins=4, surrogate=TAKEN, **more)
    inn.fit_scales(torch.rand(50, d), torch.randn(50, m))
    assert not inn.load_state_dict({f"t.{k}": v for k, v in mlp.state_dict().items()}, strict=False).unexpected_keys
    return inn.eval(), mlp.eval()


@pytest.mark.parametrize("support", [(), ((-1.0, 1.0), None)])
def test_the_surrogate_of_an_inn_is_the_one_it_has_taken_over(support):
    inn, mlp = with_surrogate(support=support)
    x, y, z = torch.rand(30, 2) - 0.5, torch.randn(30, 1), torch.randn(30, 2)
    assert torch.equal(inn(x), mlp(x))
    assert torch.equal(inn.surrogate(x), mlp(x))
    moved, latent, _ = inn.double().transport(x.double(), torch.zeros(30, 1).double())  # Eq. 2 at zero padding
    torch.testing.assert_close(moved, mlp(x).double(), rtol=1e-5, atol=1e-5)
    back, padding = inn.inverse(moved, latent)
    torch.testing.assert_close(back, x.double(), rtol=0, atol=1e-6)
    torch.testing.assert_close(padding, torch.zeros(30, 1).double(), rtol=0, atol=1e-5)
    torch.testing.assert_close(inn.cycle(y.double(), z.double())[1], z.double(), rtol=0, atol=1e-6)


def test_the_splines_of_an_inn_are_drawn_alike_whatever_surrogate_it_takes():
    drawn = []
    for surrogate in (None, TAKEN, {"model": "ensemble", "members": 3, "hidden": 8}):
        torch.manual_seed(3)
        drawn.append(INN(2, 1, couplings=2, hidden=8, blocks=1, bins=4, surrogate=surrogate).posterior.state_dict())
    assert all(torch.equal(value, other[key]) for other in drawn[1:] for key, value in drawn[0].items())


def test_an_inn_trains_its_splines_and_leaves_the_taken_surrogate_alone():
    inn, _ = with_surrogate()
    assert inn.weight_sets == ("phi",)
    weights = {"y": 1.0, "x": 1.0, "z": 1.0, "nll": 1.0}
    names = []
    for direction in inn.train().losses(torch.rand(40, 2), torch.randn(40, 1), weights, torch.Generator()):
        sum(direction.values()).backward()
        names += list(direction)
    assert names == ["nll", "z", "x"]
    assert all(p.grad is None for p in inn.t.parameters())
    assert any(p.grad is not None and p.grad.any() for p in inn.density_parameters())
    assert not {id(p) for p in inn.t.parameters()} & {id(p) for p in inn.density_parameters()}


def test_a_network_that_proposes_nothing_has_nothing_for_the_likelihood():
    assert MLP(2, 1).density_parameters() == []
    assert len(CINN(2, 1, hidden=8, couplings=2).density_parameters()) > 0
    assert MLP(2, 1).spread(torch.zeros(3, 2)) is None
    assert MLP(2, 1).surrogate.predict(torch.zeros(3, 2)).shape == (3, 1)


def test_a_logarithmic_coordinate_is_standardized_in_its_logarithm_and_keeps_the_density_right():
    generator = torch.Generator().manual_seed(0)
    u = torch.rand(50, 2, dtype=torch.float64, generator=generator)
    x = torch.stack((u[:, 0], 10 ** (-12 + 8 * u[:, 1])), 1)
    scale = Standardizer(2, logarithmic=[1]).double()
    scale.fit(x)
    v = scale(x)
    assert v.std(0).tolist() == pytest.approx([1, 1])
    torch.testing.assert_close(scale.inverse(v), x)
    jacobian = torch.stack([torch.autograd.functional.jacobian(lambda row: scale(row[None])[0], row) for row in x])
    torch.testing.assert_close(torch.linalg.slogdet(jacobian).logabsdet, scale.log_det(v))


def test_an_inn_of_one_input_learns_both_directions():
    torch.manual_seed(0)
    x = torch.rand(200, 1)
    y = (3 * x).sin()
    network = INN(d=1, m=1, couplings=2, hidden=8, blocks=1, bins=4)
    network.fit_scales(x, y)
    out, z, log_det = network.transport(x, torch.zeros(200, 1))
    assert out.shape == z.shape == (200, 1)
    back, _ = network.inverse(out, z)
    assert (back - x).abs().max() < 1e-3
    assert log_det.isfinite().all()
