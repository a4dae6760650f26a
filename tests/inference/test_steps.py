"""Steps of localization by hand: on linear and quadratic residuals the right step is known."""

import math

import pytest
import torch

from ipage_core.inference.localization import backward_derivatives, forward_derivatives, localize, residual_with_graph

BOX = torch.tensor([[-1.0, -1.0], [1.0, 1.0]], dtype=torch.float64)


def double(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def line(u, rows):
    """x₁ + 2 x₂ − 0.5."""
    return u[:, :1] + 2 * u[:, 1:] - 0.5


def test_levenberg_marquardt_takes_the_shortest_way_onto_a_line():
    path = localize(line, double([0.2, 0.3], [-0.1, 0.25]), BOX, enough=1e-12)
    off = double([0.3, -0.1])[0] / 5  # the projection onto the line, in a box of equal widths
    expected = double([0.2, 0.3], [-0.1, 0.25]) - off[:, None] * double([1, 2])
    assert torch.allclose(path.u[-1], expected, atol=1e-4)
    assert path.residual.abs().max() < 1e-10
    assert path.first[:, 0].tolist() == pytest.approx([0.3, -0.1])
    assert path.error[0].tolist() == pytest.approx([0.09, 0.01])
    assert path.steps[0] == 0
    # The first step is damped by λ = 1e-3 of the mean diagonal: r falls to λ/(1 + λ) of itself.
    assert path.error[1].sqrt().tolist() == pytest.approx([0.3 * 1e-3 / 1.001, 0.1 * 1e-3 / 1.001], rel=1e-6)
    # … then by a fifth of that.
    assert (path.error[2] / path.error[1]).sqrt().tolist() == pytest.approx([2e-4 / 1.0002] * 2, rel=1e-6)


def test_the_shortest_way_counts_in_box_widths():
    wide = torch.tensor([[-1.0, -10.0], [1.0, 10.0]], dtype=torch.float64)
    u = localize(line, double([0.2, 0.3]), wide, enough=1e-12).u[-1]
    # In widths the gradient is (2, 40): the step goes along (4, 800) in raw units.
    expected = double([0.2, 0.3]) - 0.3 * double([4, 800]) / (4 + 2 * 800)
    assert torch.allclose(u, expected, atol=1e-4)


def test_several_residuals_are_met_together():
    def two(u, rows):
        return torch.stack((u[:, 0] - 0.25, u[:, 1] * 3 + u[:, 0] - 0.4), 1)

    path = localize(two, double([0.2, 0.1], [-0.1, 0.2]), BOX, enough=1e-10)
    assert torch.allclose(path.u[-1], double([0.25, 0.05], [0.25, 0.05]), atol=1e-8)


def test_many_residuals_are_fitted_in_the_mean():
    data = double([0.1, 0.2, 0.3, 0.4, 0.5, 0.9])[0]

    def fit(u, rows):  # the straight line u₁ + u₂ t through six points: least squares
        t = torch.linspace(0, 1, 6, dtype=u.dtype)
        return u[:, :1] + u[:, 1:] * t - data

    path = localize(fit, double([0.0, 0.0], [-0.4, 0.7]), BOX, steps=50)
    t = torch.linspace(0, 1, 6, dtype=torch.float64)
    basis = torch.stack((torch.ones(6, dtype=torch.float64), t), 1)
    best = torch.linalg.lstsq(basis, data[:, None]).solution[:, 0]
    assert torch.allclose(path.u[-1], best.expand(2, 2), atol=1e-6)


def test_a_step_is_a_fifth_of_a_width_at_most():
    path = localize(lambda u, rows: u[:, :1] - 0.9, double([-0.9, 0.3]), BOX, enough=1e-9)
    lengths = ((path.u[1:] - path.u[:-1]) / 2).norm(dim=2)[:, 0]
    assert lengths.max().item() == pytest.approx(0.2)
    many = torch.tensor([[-1.0], [1.0]], dtype=torch.float64).expand(2, 25)
    path = localize(lambda u, rows: u.sum(1, keepdim=True) - 20, torch.zeros(1, 25, dtype=torch.float64), many)
    lengths = ((path.u[1:] - path.u[:-1]) / 2).norm(dim=2)[:, 0]
    assert lengths.max().item() == pytest.approx(0.07 * 5)


def test_a_coordinate_at_its_bound_stays_and_the_others_compensate():
    u = localize(line, double([0.99, -0.5]), BOX, enough=1e-12).u[-1]
    assert line(u, None).abs().max() < 1e-10
    far = localize(lambda u, rows: u[:, :1] + 0.1 * u[:, 1:] - 1.05, double([0.9, 0.0]), BOX, enough=1e-12).u[-1]
    assert far[0].tolist() == pytest.approx([1, 0.5], abs=1e-6)
    low = localize(lambda u, rows: u[:, :1] + 0.1 * u[:, 1:] + 1.05, double([-0.9, 0.0]), BOX, enough=1e-12).u[-1]
    assert low[0].tolist() == pytest.approx([-1, -0.5], abs=1e-6)


@pytest.mark.parametrize("end", [-1.0, 1.0])
def test_a_sample_stuck_at_a_bound_looks_straight_inward(end):
    # From the bound the residual falls outward; inside, 0.5 widths·0.3 away, lies a second valley that reaches 0.
    def hill(u, rows):
        t = (end - u[:, :1]) * end  # distance from the bound: 0 to 2
        return torch.where(t < 0.2, 0.5 + t, (0.7 - 2 * (t - 0.2)).clamp(min=-1))

    box = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    path = localize(hill, torch.tensor([[end], [end * 0.9]], dtype=torch.float64), box, enough=1e-9)
    assert path.residual.abs().max() < 1e-9
    assert (path.u[-1][:, 0] * end).tolist() == pytest.approx([0.45, 0.45])


def test_frames_are_the_first_the_last_and_every_kth():
    u0 = double([-0.9, 0.9])

    def slow(u, rows):
        return (u[:, :1] - 0.9).abs().sqrt() + u[:, 1:].square()

    path = localize(slow, u0, BOX, steps=7, record_every=3)
    assert path.steps.tolist() == [0, 3, 6, 7]
    assert path.u.shape == (4, 1, 2)
    assert localize(slow, u0, BOX, steps=6, record_every=3).steps.tolist() == [0, 3, 6]
    assert localize(line, double([0.5, 0.0]), BOX).steps.tolist() == [0]
    assert len(localize(slow, u0, BOX, optimizer="adam", steps=4).steps) == 5
    assert localize(slow, u0, BOX, record_every=10**6).steps.tolist()[-1] <= 25
    assert localize(slow, u0, BOX, optimizer="gd", record_every=10**6).steps.tolist() == [0, 200]
    assert localize(line, double([3.0, 0.0]), BOX, steps=1).u[0].tolist() == [[1.0, 0.0]]  # clipped to the box
    for wrong in ({"steps": 0}, {"optimizer": "newton"}):
        with pytest.raises(ValueError, match=r"at least 1 step|is not known; accepted: lm, adam, gd"):
            localize(line, u0, BOX, **wrong)


@pytest.mark.parametrize("optimizer", ["lm", "adam", "gd"])
@pytest.mark.parametrize("enough", [0.1, 0.01])
def test_the_path_ends_when_the_last_sample_is_near_enough(optimizer, enough):
    def bowl(u, rows):
        return torch.stack((u[:, 0] * 0.3 + u[:, 1] ** 3, u[:, 1] - u[:, 0] ** 2), 1)

    u0 = double([0.9, 0.9], [-0.5, 0.2])
    path = localize(bowl, u0, BOX, optimizer=optimizer, steps=400, enough=enough)
    norms = torch.stack([bowl(u, None).norm(dim=1).max() for u in path.u])
    assert norms[-1] <= enough
    assert (norms[:-1] > enough).all()


def test_the_error_of_the_path_is_the_measured_one():
    path = localize(line, double([0.2, 0.3]), BOX, steps=1, measure=lambda r: r.abs().amax(1))
    assert path.error[0].tolist() == pytest.approx([0.3])


def test_gradient_descent_has_the_step_that_is_stable_at_the_steepest_start():
    # In widths (2, 2) the slope of the residual is 2·(1, 2), its square 20: γ = 0.5/20, and r ← r (1 − 2γ·20) = 0.
    path = localize(line, double([0.2, 0.3], [0.4, 0.1]), BOX, optimizer="gd", steps=3)
    assert path.error[1].max() < 1e-28

    # Two samples of different slopes: the steeper one sets γ for both.
    def steep(u, rows):
        return torch.where(rows[:, None] == 0, 1.0, 0.5) * u[:, :1]

    path = localize(steep, double([0.4, 0], [0.4, 0]), BOX, optimizer="gd", steps=1)
    assert path.u[-1][:, 0].tolist() == pytest.approx([0, 0.4 * (1 - 0.25)])


def test_adam_moves_a_fiftieth_of_a_width_at_first_and_its_rate_falls_along_a_cosine():
    path = localize(lambda u, rows: u[:, :1] + 100, double([0.9, 0.0]), BOX, optimizer="adam", steps=10)
    moves = -(path.u[1:] - path.u[:-1])[:, 0, 0] / 2
    rates = [0.01 * (1 + math.cos(math.pi * k / 10)) for k in range(1, 11)]
    assert moves.tolist() == pytest.approx(rates, rel=1e-3, abs=1e-9)  # of a constant sign, Adam moves by its rate


def test_forward_and_backward_derivatives_are_the_same():
    def residual(u, rows):
        return torch.stack((u[:, 0] * u[:, 1], u[:, 0] ** 2 + rows, u[:, 1].sin(), u.sum(1), u[:, 0]), 1)

    u, rows = double([0.2, 0.7], [0.5, -0.3]), torch.tensor([4, 7])
    r, forward = forward_derivatives(residual, u, rows)
    leaf, with_graph = residual_with_graph(residual, u, rows)
    backward = backward_derivatives(with_graph, leaf)
    assert torch.allclose(r, with_graph)
    assert torch.allclose(forward, backward)
    assert forward.shape == (2, 5, 2)
    assert forward[0, 0].tolist() == pytest.approx([0.7, 0.2])


def test_a_path_ends_when_the_norm_of_its_residuals_is_small_enough():
    def four(u, rows):
        return u[:, :1].expand(-1, 4)

    path = localize(four, double([0.4, 0.0], [0.1, 0.0]), BOX, optimizer="adam", enough=0.05, steps=400)
    norms = path.error.sqrt().amax(1)  # 2 |u₁|
    assert norms[-1] <= 0.05
    assert (norms[:-1] > 0.05).all()


@pytest.mark.parametrize("end", [-1.0, 1.0])
def test_a_stuck_sample_looks_no_farther_than_three_tenths_of_a_width(end):
    def far(u, rows):  # from the bound the residual rises for 0.25 or 0.45 widths, then falls to 0
        t, rise = (end - u[:, :1]) * end / 2, torch.where(rows[:, None] == 0, 0.05, 0.25)
        return torch.where(t < rise, 0.5 + t, (0.5 + rise - 4 * (t - rise)).clamp(min=0))

    box = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    path = localize(far, torch.tensor([[end], [end]], dtype=torch.float64), box, enough=1e-9)
    assert path.residual[0].item() == pytest.approx(0, abs=1e-9)
    assert path.u[-1, 1].item() == end
    assert path.residual[1].item() == pytest.approx(0.5)
