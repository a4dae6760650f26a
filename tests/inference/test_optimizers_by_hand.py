"""The three optimizers of localization against plain loops over single samples."""

import math

import pytest
import torch

from ipage_core.inference.localization import localize

LOW, HIGH = torch.tensor([[-1.0, 0.0], [1.0, 4.0]], dtype=torch.float64)


def waves(u):
    """(n, 2) → (n, 2): several solutions, and valleys that end at the bounds."""
    a, b = u.unbind(1)
    return torch.stack((torch.sin(3 * a) + 0.25 * b - 0.6, 0.5 * a * b + torch.cos(b) - 0.1), 1)


def one(u):
    """(n, 2) → (n, 1)."""
    return torch.cos(4 * u[:, :1]) + 0.3 * (u[:, 1:] - 1) - 0.4


def many(u):
    """(n, 2) → (n, 8): more residuals than coordinates, which cannot all be zero."""
    t = torch.linspace(0, 1, 8, dtype=torch.float64)
    return torch.exp(-u[:, :1] * t) * torch.sin(u[:, 1:] * t) - 0.3 * t


def slopes_of(f, u):
    """(2,) → (r, 2), column by column."""
    u = u[None].clone().requires_grad_(True)
    return torch.stack([torch.autograd.grad(column, u, retain_graph=True)[0][0] for column in f(u)[0]])


def starts(n=24):
    grid = torch.rand(n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    grid[0], grid[1], grid[2] = torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0]), torch.tensor([0.5, 1.0])
    return LOW + (HIGH - LOW) * grid


def damped(j, r, damping):
    """The δ of ‖J δ + r‖² + λ ‖δ‖² → min, as one stacked system."""
    size = max(j.square().sum().item() / len(r), 1e-9)
    stacked = torch.cat((j, math.sqrt(damping * size) * torch.eye(j.shape[1], dtype=torch.float64)))
    right = torch.cat((-r, torch.zeros(j.shape[1], dtype=torch.float64)))
    return torch.linalg.lstsq(stacked, right[:, None]).solution[:, 0]


def levenberg_marquardt(of_rows, u, steps, enough):
    """The path of one sample, and how often it looked inward."""

    def f(u):
        return of_rows(u[None])[0]

    width, damping, path, looked = HIGH - LOW, 1e-3, [u], 0
    for _ in range(steps):
        r = f(u)
        if r.norm() <= enough:
            break
        slopes = slopes_of(of_rows, u) * width
        way = damped(slopes, r, damping)
        blocked = [(u[k] <= LOW[k] and way[k] < 0) or (u[k] >= HIGH[k] and way[k] > 0) for k in range(len(u))]
        blocked = torch.tensor([bool(b) for b in blocked])
        free = slopes.clone()
        free[:, blocked] = 0
        step = damped(free, r, damping)
        step[blocked] = 0
        step = step * min(1.0, 0.2 / max(step.norm().item(), 1e-300))
        there = torch.minimum(torch.maximum(u + width * step, LOW), HIGH)
        if blocked.any() and step.norm() < 0.01 and (r + slopes @ step).norm() > 0.5 * r.norm():
            inward = torch.where(blocked, torch.where(u <= LOW, width, -width), 0.0)
            points = [u + 0.025 * k * inward for k in range(1, 13)]
            there = min(points, key=lambda p: f(p).norm().item())
            looked += 1
        if f(there).norm() < r.norm():
            u, damping = there, max(damping / 5, 1e-6)
        else:
            damping = min(damping * 8, 1e8)
        path.append(u)
    return path, looked


@pytest.mark.parametrize(("f", "looks"), [(waves, True), (one, True), (many, False)])
def test_levenberg_marquardt_is_its_rule_for_each_sample(f, looks):
    u0, steps = starts(), 12
    path = localize(lambda u, rows: f(u), u0, torch.stack((LOW, HIGH)), steps=steps, enough=1e-5)
    looked = arrived = 0
    for i, start in enumerate(u0):
        by_hand, times = levenberg_marquardt(f, start, steps, 1e-5)
        ends = torch.stack(by_hand + by_hand[-1:] * (steps + 1 - len(by_hand)))[: len(path.u)]
        torch.testing.assert_close(path.u[:, i], ends, rtol=0, atol=1e-7)
        torch.testing.assert_close(path.residual[i], f(ends[-1:])[0], rtol=0, atol=1e-6)
        looked, arrived = looked + times, arrived + (len(by_hand) <= steps)
    assert bool(looked) == looks
    assert (0 < arrived < len(u0)) or f is many


@pytest.mark.parametrize("f", [waves, many])
def test_adam_is_its_rule_in_box_widths_with_a_rate_that_falls_along_a_cosine(f):
    u0, steps, width = starts(5), 30, HIGH - LOW
    path = localize(lambda u, rows: f(u), u0, torch.stack((LOW, HIGH)), optimizer="adam", steps=steps)
    for i, u in enumerate(u0):
        m, v = torch.zeros(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
        for k in range(1, steps + 1):
            gradient = 2 * f(u[None])[0] @ slopes_of(f, u) * width
            m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient.square()
            rate = 0.01 * (1 + math.cos(math.pi * k / steps))
            move = rate * (m / (1 - 0.9**k)) / ((v / (1 - 0.999**k)).sqrt() + 1e-8)
            u = torch.minimum(torch.maximum(u - width * move, LOW), HIGH)
            torch.testing.assert_close(path.u[k, i], u, rtol=0, atol=1e-9)
            assert path.error[k, i].item() == pytest.approx(f(u[None]).square().sum().item(), abs=1e-9)


@pytest.mark.parametrize("f", [waves, many])
def test_gradient_descent_is_its_rule_with_one_rate_for_all(f):
    u0, steps, width = starts(5), 8, HIGH - LOW
    path = localize(lambda u, rows: f(u), u0, torch.stack((LOW, HIGH)), optimizer="gd", steps=steps)
    steepest = max((slopes_of(f, u) * width).square().sum().item() for u in u0)
    for i, u in enumerate(u0):
        for k in range(1, steps + 1):
            gradient = 2 * f(u[None])[0] @ slopes_of(f, u) * width
            u = torch.minimum(torch.maximum(u - 0.5 / steepest * width * gradient, LOW), HIGH)
            torch.testing.assert_close(path.u[k, i], u, rtol=0, atol=1e-9)


@pytest.mark.parametrize("beside", [0, 20])
def test_a_sample_arrives_by_its_whole_residual_not_by_the_mean_over_properties(beside):
    """Two properties that are each within a limit, together beyond it: the sample must still be moved."""
    enough, target = 1e-3, torch.tensor([0.2, 2.0], dtype=torch.float64)
    near = target + torch.tensor([[0.9e-3, 0.9e-3]], dtype=torch.float64)
    u = torch.cat((near, target.repeat(beside, 1)))  # the others are there from the beginning
    path = localize(lambda u, rows: u - target, u, torch.stack((LOW, HIGH)), enough=enough)
    assert path.residual[0].norm() < 0.1 * enough
