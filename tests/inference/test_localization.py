"""Localization on problems with known answers."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ipage_core.inference import localization
from ipage_core.inference.localization import OPTIMIZERS, localize

BOX = torch.tensor([[-2.0, -2.0], [2.0, 2.0]], dtype=torch.float64)


def circle(u, rows):
    """‖u‖² = 1."""
    return u.square().sum(1, keepdim=True) - 1


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_finds_the_nearby_point_of_a_circle(optimizer):
    u0 = torch.tensor([[0.3, 0.4], [-1.5, 0.5], [0.0, 1.9]], dtype=torch.float64)
    trajectory = localize(circle, u0, BOX, optimizer=optimizer, steps={"lm": 15}.get(optimizer, 400))
    # By symmetry the answer lies on the ray through the start (Adam moves each coordinate its own way).
    if optimizer != "adam":
        expected = u0 / u0.norm(dim=1, keepdim=True)
        torch.testing.assert_close(trajectory.u[-1], expected, rtol=0, atol=1e-3)
    assert trajectory.error[-1].max() < 1e-4
    torch.testing.assert_close(trajectory.u[0], u0)


@given(st.integers(0, 10_000), st.sampled_from(OPTIMIZERS))
@settings(max_examples=20, deadline=None)
def test_no_step_ever_leaves_the_box(seed, optimizer):
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(2, 3, generator=generator, dtype=torch.float64)
    target = 5 * torch.randn(2, generator=generator, dtype=torch.float64)
    low = -torch.rand(3, generator=generator, dtype=torch.float64)
    bounds = torch.stack((low, low + 0.1 + torch.rand(3, generator=generator, dtype=torch.float64)))
    u0 = 3 * torch.randn(10, 3, generator=generator, dtype=torch.float64)
    trajectory = localize(lambda u, rows: torch.sin(u) @ a.T - target, u0, bounds, optimizer=optimizer, steps=20)
    assert (trajectory.u >= bounds[0]).all()
    assert (trajectory.u <= bounds[1]).all()


def test_lm_slides_along_a_wall_to_the_solution():
    # u₀ + u₁ = 3 inside [−2, 2]²; a start at the wall u₀ = 2 must compensate with u₁.
    trajectory = localize(
        lambda u, rows: u.sum(1, keepdim=True) - 3, torch.tensor([[2.0, -2.0]], dtype=torch.float64), BOX
    )
    torch.testing.assert_close(trajectory.u[-1], torch.tensor([[2.0, 1.0]], dtype=torch.float64), atol=1e-5, rtol=0)


def test_lm_looks_inward_when_it_is_stuck_on_a_wall():
    def hill(u, rows):
        """1 + cos 3u₀ = 0 at u₀ = ±π/3; from beyond the hill at −2π/3, descent runs into the wall at −2.5."""
        return 1 + torch.cos(3 * u[:, :1])

    box = torch.tensor([[-2.5, -1.0], [2.5, 1.0]], dtype=torch.float64)
    trajectory = localize(hill, torch.tensor([[-2.2, 0.0]], dtype=torch.float64), box)
    assert (trajectory.u[:, 0, 0] == -2.5).any()  # pushed to the wall first
    assert trajectory.error[-1].item() < 1e-10


def test_lm_never_makes_a_sample_worse_and_survives_flat_spots():
    u0 = torch.cat((torch.zeros(1, 2, dtype=torch.float64), torch.randn(20, 2, dtype=torch.float64)))
    trajectory = localize(circle, u0, BOX)
    assert (trajectory.error.diff(dim=0) <= 0).all()
    assert trajectory.u.isfinite().all()  # the origin has no gradient: it stays, the others arrive
    assert trajectory.error[-1, 1:].max() < 1e-10


def test_samples_do_not_disturb_each_other():
    u0 = torch.randn(30, 2, dtype=torch.float64)
    order = torch.randperm(30)
    together, permuted = (localize(circle, u, BOX, steps=5, enough=0.0).u[-1] for u in (u0, u0[order]))
    torch.testing.assert_close(together[order], permuted)
    alone = localize(circle, u0[:1], BOX, steps=5, enough=0.0).u[-1]
    torch.testing.assert_close(alone, together[:1])


def test_each_sample_keeps_its_own_goal_when_others_have_arrived():
    goals = torch.linspace(0.5, 3.0, 20, dtype=torch.float64)[:, None]
    u0 = torch.rand(20, 2, dtype=torch.float64) + 0.1
    trajectory = localize(lambda u, rows: u.square().sum(1, keepdim=True) - goals[rows], u0, BOX)
    torch.testing.assert_close(trajectory.u[-1].square().sum(1), goals[:, 0], rtol=0, atol=1e-5)


def test_a_thin_record_keeps_both_ends():
    full = localize(circle, torch.full((1, 2), 1.9, dtype=torch.float64), BOX, optimizer="adam", steps=50)
    thin = localize(
        circle, torch.full((1, 2), 1.9, dtype=torch.float64), BOX, optimizer="adam", steps=50, record_every=20
    )
    assert thin.steps.tolist() == [0, 20, 40, 50]
    torch.testing.assert_close(thin.u[-1], full.u[-1])


def test_unknown_optimizer_is_refused():
    with pytest.raises(ValueError, match="accepted: lm, adam, gd"):
        localize(circle, torch.zeros(1, 2), BOX, optimizer="sgd")


def test_derivatives_forward_are_those_backward():
    torch.manual_seed(0)
    a = torch.randn(3, 20, dtype=torch.float64)
    u, rows = torch.randn(7, 3, dtype=torch.float64), torch.arange(7)

    def residual(u, rows):
        return torch.sin(u @ a) * (1 + rows[:, None])

    graph, r = localization.residual_with_graph(residual, u, rows)
    backward = localization.backward_derivatives(r, graph)
    forward_r, forward = localization.forward_derivatives(residual, u, rows)
    torch.testing.assert_close(forward, backward)
    torch.testing.assert_close(forward_r, r.detach())


def test_both_forms_of_the_step_go_the_same_way(monkeypatch):
    torch.manual_seed(1)
    a = torch.randn(2, 30, dtype=torch.float64)
    target = torch.tanh(torch.tensor([[0.4, -0.7]], dtype=torch.float64) @ a) + 0.1 * torch.randn(30)
    u0 = torch.randn(5, 2, dtype=torch.float64)
    found = []
    for many in (3, 1000):
        monkeypatch.setattr(localization, "MANY", many)
        found.append(localize(lambda u, rows: torch.tanh(u @ a) - target, u0, BOX, steps=12).u)
    assert len(found[0]) == len(found[1])
    torch.testing.assert_close(*found, rtol=1e-6, atol=1e-8)


def test_many_weighted_residuals_give_the_least_squares_of_their_weights():
    """For 40 lines the weighted least-squares solution is known in closed form."""
    torch.manual_seed(2)
    a, y = torch.randn(40, 2, dtype=torch.float64), 0.1 * torch.randn(40, dtype=torch.float64)
    weight = torch.rand(40, dtype=torch.float64) + 0.1
    known = torch.linalg.lstsq(a * weight[:, None], (y * weight)[:, None]).solution[:, 0]
    trajectory = localize(lambda u, rows: (u @ a.T - y) * weight, torch.randn(3, 2, dtype=torch.float64), BOX, steps=60)
    torch.testing.assert_close(trajectory.u[-1], known.expand(3, 2), rtol=0, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_first_steps_of_adam_are_its_rate_in_box_widths_whatever_the_scale(scale):
    u0 = torch.tensor([[0.3, -0.7]], dtype=torch.float64)
    path = localize(lambda u, rows: scale * (u.sum(1, keepdim=True) - 3), u0, BOX, optimizer="adam", steps=400)
    steps = (path.u[1:4] - path.u[:3])[:, 0] / 4
    torch.testing.assert_close(steps, torch.full_like(steps, 0.02), rtol=1e-2, atol=0)


def test_samples_that_have_arrived_need_no_derivatives():
    """Of ten samples nine solve the equation already: derivatives are computed for the tenth alone."""
    sizes = []

    def residual(u, rows):
        if u.requires_grad:
            u.register_hook(lambda gradient: sizes.append(len(gradient)))
        return u[:, :1] - 0.5

    u = torch.full((10, 2), 0.5)
    u[3, 0] = 0.1
    path = localize(residual, u, torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
    assert path.residual.abs().max() < 1e-6
    assert torch.equal(path.u[-1][:3], u[:3])
    assert sizes
    assert max(sizes) == 1
