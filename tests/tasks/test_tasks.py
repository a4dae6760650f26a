"""Forward operators compared with independent values, priors with their definitions."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.optimize import brentq
from scipy.stats import kstest, norm, poisson
from torch import Generator

from ipage_core.tasks import TASKS, ballistics, robotic_arm, sinewave
from ipage_core.training.datasets import fingerprint, pairs

CENTRES = torch.tensor(sinewave.LOOP_CENTRES, dtype=torch.float64)

# Ω is a formula: no stored data, and it may be called as often as one likes.
ANALYTIC = [task for task in TASKS.values() if task.verifies_by_default and task.stored is None]

# Prior-only mean squared error to the default target, from 2·10⁶ prior samples of independent implementations.
PRIOR_MSE = {"sinewave": 2.43, "robotic_arm": 0.53, "ballistics": 13.2}


@pytest.mark.parametrize("task", ANALYTIC, ids=lambda task: task.name)
def test_shapes_dtypes_and_gradient(task):
    x, y = pairs(task, 50)
    assert x.shape == (50, task.d)
    assert y.shape == (50, task.n_targets)
    assert x.dtype == y.dtype == torch.float64
    assert len(task.default_target) == task.n_targets == len(task.property_labels)
    assert torch.autograd.gradcheck(task.omega, x[:5].requires_grad_(True))


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_bounds_hold_the_central_part_of_the_prior(task):
    x = task.sample_prior(100_000, Generator().manual_seed(1))
    inside = ((x >= task.bounds[0]) & (x <= task.bounds[1])).double().mean(0)
    assert (inside >= 0.998).all()


@pytest.mark.parametrize("name", PRIOR_MSE)
def test_prior_misses_the_target_as_known(name):
    task = TASKS[name]
    x = task.sample_prior(200_000, Generator().manual_seed(2))
    error = (task.omega(x) - torch.tensor(task.default_target)).square().sum(1).mean()
    assert error == pytest.approx(PRIOR_MSE[name], rel=0.03)


@pytest.mark.parametrize("task", ANALYTIC, ids=lambda task: task.name)
def test_pairs_are_a_function_of_the_seed(task):
    first, again, other = (fingerprint(*pairs(task, 100, seed)) for seed in (3, 3, 4))
    assert first == again != other


def test_rows_do_not_depend_on_their_neighbours():
    for task in ANALYTIC:
        x = task.sample_prior(20, Generator().manual_seed(5))
        order = torch.randperm(20)
        torch.testing.assert_close(task.omega(x)[order], task.omega(x[order]), rtol=0, atol=1e-12)


def test_sinewave_loops_are_where_the_paper_draws_them():
    # y* = 1.2: nine loops, semi-axis arccos(0.2)/3π about each centre.
    semi_axis = math.acos(0.2) / (3 * math.pi)
    assert semi_axis == pytest.approx(0.1453, abs=1e-4)
    on_loop = CENTRES + torch.tensor([0.0, semi_axis])
    torch.testing.assert_close(sinewave.omega(on_loop), torch.full((9, 1), 1.2, dtype=torch.float64))
    assert sinewave.loop_of(on_loop, torch.full((9, 1), 1.2)).tolist() == list(range(9))


@given(st.floats(0.05, 1.95), st.integers(0, 8), st.floats(0, 2 * math.pi))
@settings(max_examples=50, deadline=None)
def test_every_point_of_a_loop_is_counted_on_it(y_star, loop, angle):
    # Shoot a ray from the maximum and bisect for the level: y falls monotonically on the way to y = 0.
    direction = torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)
    near, far = 0.0, 1 / 3
    for _ in range(60):
        middle = (near + far) / 2
        x = CENTRES[loop] + middle * direction
        near, far = (middle, far) if sinewave.omega(x[None]).item() > y_star else (near, middle)
    assert sinewave.loop_of(x[None], torch.tensor([[y_star]])).item() == loop


def test_no_loops_for_targets_without_them():
    x = CENTRES
    for y_star in (-0.5, 0.0, 2.0, 3.0):
        assert (sinewave.loop_of(x, torch.full((9, 1), y_star)) == -1).all()


def test_arm_geometry_by_hand():
    right_angles = torch.tensor([[0.1, math.pi / 2, 0.0, 0.0]], dtype=torch.float64)
    # Kruse: all segments point up. Ren: θ = (π/2, −π/2, −π/2): up, then down twice.
    torch.testing.assert_close(
        robotic_arm.omega_kruse(right_angles), torch.tensor([[0.0, 2.1]], dtype=torch.float64), atol=1e-12, rtol=0
    )
    torch.testing.assert_close(
        robotic_arm.omega_ren(right_angles), torch.tensor([[0.0, -0.9]], dtype=torch.float64), atol=1e-12, rtol=0
    )


@given(st.lists(st.floats(-2, 2), min_size=4, max_size=4))
@settings(max_examples=50, deadline=None)
def test_arm_joints_keep_the_segments_lengths(values):
    x = torch.tensor([values], dtype=torch.float64)
    for angles in (robotic_arm.absolute_angles_ren, robotic_arm.absolute_angles_kruse):
        joints = robotic_arm.joints(x, angles(x))
        lengths = torch.tensor(robotic_arm.LENGTHS, dtype=torch.float64)
        torch.testing.assert_close(joints.diff(dim=1).norm(dim=2)[0], lengths)


def test_ballistics_against_an_ode_solver():
    x = ballistics.sample_prior(25, Generator().manual_seed(7))

    def motion(t, s):
        return [s[2], s[3], -ballistics.DRAG / ballistics.MASS * s[2],
                -ballistics.GRAVITY - ballistics.DRAG / ballistics.MASS * s[3]]  # fmt: skip

    def ground(t, s):
        return s[1]

    ground.terminal, ground.direction = True, -1
    for row, landed in zip(x.tolist(), ballistics.omega(x)[:, 0].tolist(), strict=True):
        x0, y0, angle, v0 = row
        start = [x0, y0, v0 * math.cos(angle), v0 * math.sin(angle)]
        path = solve_ivp(motion, (0, 60), start, events=ground, rtol=1e-10, atol=1e-12)
        assert landed == pytest.approx(path.y_events[0][0][0], abs=1e-7)


def test_a_throw_from_below_ground_that_never_surfaces_is_nan():
    assert ballistics.omega(torch.tensor([[0.0, -5.0, 0.2, 3.0]], dtype=torch.float64)).isnan().all()


def test_the_last_landing_of_steep_and_downward_throws_is_found():
    throws = [(1.0, math.pi / 2, 29.0), (0.0, math.pi / 2, 29.0), (50.0, -1.0, 30.0), (5.0, -1.0, 10.0)]
    fall, rate = ballistics.GRAVITY * ballistics.MASS / ballistics.DRAG, ballistics.DRAG / ballistics.MASS
    x = torch.tensor([(0.0, *throw) for throw in throws], dtype=torch.float64)
    for (y0, angle, v0), t in zip(throws, ballistics.landing_time(x).tolist(), strict=True):
        rise = v0 * math.sin(angle)

        def height(t, y0=y0, rise=rise):
            return y0 - fall * t + (fall + rise) * (1 - math.exp(-rate * t)) / rate

        top = max(0.0, math.log1p(rise / fall) / rate) if rise > 0 else 0.0  # afterwards it only falls
        assert t == pytest.approx(brentq(height, top, 60, xtol=1e-13), abs=1e-9)


def test_a_throw_into_the_ground_lands_where_it_starts():
    angles = torch.linspace(-1.4, -0.05, 28, dtype=torch.float64)
    x = torch.stack([torch.full_like(angles, 0.3), 0 * angles, angles, torch.full_like(angles, 5.0)], 1)
    assert ballistics.omega(x)[:, 0].tolist() == pytest.approx([0.3] * 28, abs=1e-12)


def test_ballistics_bounds_hold_all_but_a_thousandth_of_each_variable():
    ends = [0.0005, 0.9995]
    x0, y0, v0 = norm(0, 0.5).ppf(ends), norm(1.5, 0.5).ppf(ends[1]), poisson(15).ppf(ends)
    expected = [x0, [0.0, y0], [math.radians(9), math.radians(81)], v0]
    assert ballistics.TASK.bounds.T.flatten().tolist() == pytest.approx([end for pair in expected for end in pair])


def test_ballistics_prior_is_the_published_one():
    x = ballistics.sample_prior(20_000, Generator().manual_seed(8)).numpy()
    assert kstest(x[:, 0], norm(0, 0.5).cdf).pvalue > 1e-3
    assert np.mean(x[:, 1] == 0) == pytest.approx(norm.cdf(-3), abs=1e-3)
    assert x[:, 2].min() >= math.radians(9)
    assert x[:, 2].max() <= math.radians(81)
    assert np.mean(x[:, 3] <= 15) == pytest.approx(poisson.cdf(15, 15), abs=0.015)
