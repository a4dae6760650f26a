"""Densities, families and published values of the analytic tasks."""

import math

import pytest
import torch
from scipy.integrate import quad
from scipy.stats import gamma, norm

from ipage_core.inference.enclosure import Enclosure
from ipage_core.inference.intervals import Interval
from ipage_core.tasks import TASKS, ballistics, robotic_arm, sinewave


def double(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def test_the_arms_density_is_the_product_of_its_normals():
    x = double([0.1, -0.4, 0.7, 1.1], [0, 0, 0, 0])
    expected = norm(0, [0.25, 0.5, 0.5, 0.5]).logpdf(x.numpy()).sum(1)
    assert robotic_arm.log_prior(x).tolist() == pytest.approx(expected.tolist(), abs=1e-12)


def test_the_balls_density_is_the_product_of_its_factors():
    x = double([0.1, 1.2, 0.5, 15.0], [-0.4, 2.2, 1.0, 9.0])
    v0 = x[:, 3].numpy()
    poisson = v0 * math.log(15) - 15 - [math.lgamma(v + 1) for v in v0]
    expected = norm(0, 0.5).logpdf(x[:, 0]) + norm(1.5, 0.5).logpdf(x[:, 1]) - math.log(math.radians(72)) + poisson
    assert ballistics.log_prior(x).tolist() == pytest.approx(expected.tolist(), abs=1e-12)
    mass = quad(lambda v: math.exp(gamma.logpdf(15, v + 1)), 0, 60)[0]  # Γ interpolates the Poisson probabilities
    assert mass == pytest.approx(1, abs=1e-3)


def test_the_sine_waves_density_is_a_quarter():
    assert sinewave.TASK.log_prior(torch.zeros(3, 2)).exp().tolist() == pytest.approx([0.25] * 3)
    x = sinewave.sample_prior(4000, torch.Generator().manual_seed(0))
    assert x.min(0).values.tolist() == pytest.approx([-1, -1], abs=0.01)
    assert x.max(0).values.tolist() == pytest.approx([1, 1], abs=0.01)
    assert x.mean(0).abs().max() < 0.04


def test_the_centres_of_the_loops_are_maxima():
    centres = double(*sinewave.LOOP_CENTRES)
    assert sinewave.omega(centres).flatten().tolist() == pytest.approx([2.0] * 9)
    assert len({tuple(c) for c in centres.round(decimals=6).tolist()}) == sinewave.TASK.n_modes == 9
    edge = centres[4] + double([1 / 3 - 1e-9, 0], [1 / 3 + 1e-3, 0])
    assert sinewave.loop_of(edge[:1], double([0.5])).tolist() == [4]
    assert sinewave.loop_of(double([-1.0, 0.0]), double([0.5])).tolist() == [-1]  # an arc around x₁ = −7/6
    assert sinewave.loop_of(centres, torch.full((9, 1), 1e-9)).tolist() == list(range(9))


def test_the_arms_rail_moves_the_hand_upwards():
    x = double([0.3, 0.2, -0.1, 0.4])
    joints = robotic_arm.joints(x, robotic_arm.absolute_angles_kruse(x))
    assert joints[0, 0].tolist() == [0, 0.3]
    angles = [0.2, 0.1, 0.5]
    expected = [
        sum(length * math.cos(a) for length, a in zip((0.5, 0.5, 1), angles, strict=True)),
        0.3 + sum(length * math.sin(a) for length, a in zip((0.5, 0.5, 1), angles, strict=True)),
    ]
    assert robotic_arm.omega_kruse(x)[0].tolist() == pytest.approx(expected)
    ren = double([0.3, 0.2, 0.3, 0.8])  # x₃ − x₂ = 0.1, x₄ − x₂ − x₃ = 0.3
    expected = [
        sum(length * math.cos(a) for length, a in zip((0.5, 0.5, 1), (0.2, 0.1, 0.3), strict=True)),
        0.3 + sum(length * math.sin(a) for length, a in zip((0.5, 0.5, 1), (0.2, 0.1, 0.3), strict=True)),
    ]
    assert robotic_arm.omega_ren(ren)[0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "tolerances"), [("sinewave", [0.02]), ("robotic_arm", [0.02] * 2), ("ballistics", [0.05])]
)
def test_hits_are_as_near_as_the_readme_says(name, tolerances):
    task = TASKS[name]
    assert task.tolerances.tolist() == tolerances
    assert task.n_targets == len(tolerances)
    assert task.verifies_by_default


def test_bounds_are_those_of_the_priors():
    assert TASKS["sinewave"].bounds.tolist() == [[-1, -1], [1, 1]]
    assert TASKS["sinewave"].support == ((-1, 1), (-1, 1))
    arm = TASKS["robotic_arm"].bounds[1] / double([0.25, 0.5, 0.5, 0.5])[0]
    assert arm.tolist() == pytest.approx([norm.ppf(0.9995)] * 4)
    low, high = TASKS["ballistics"].bounds.tolist()
    assert low == pytest.approx([-0.5 * norm.ppf(0.9995), 0, math.radians(9), 4])
    assert high == pytest.approx([0.5 * norm.ppf(0.9995), 1.5 + 0.5 * norm.ppf(0.9995), math.radians(81), 29])
    assert TASKS["ballistics"].support == (None, None, (math.radians(9), pytest.approx(math.radians(81))), None)
    assert TASKS["ballistics"].dequantize == (0, 0, 0, 0.5)  # v₀ is a whole number


def test_the_neural_adjoint_descends_in_the_bounds_of_ren_et_al():
    # github.com/BensonRen/BDIMNNA, their settings for each problem.
    (low, high), unit = TASKS["robotic_arm"].published_descent
    assert (low, high, unit) == ((-0.6, -1.2, -1.2, -1.2), (0.6, 1.2, 1.2, 1.2), (1, 1, 1, 1))
    (low, high), unit = TASKS["ballistics"].published_descent
    assert (low, high, unit) == ((-1, 0.5, 0.157, 6.9), (1, 2.5, 1.256, 21.9), (1, 1, 1, 15))


def test_a_fall_without_throw_lands_below():
    x = double([0.7, 2.0, 0.3, 0.0])
    t = ballistics.landing_time(x)
    assert ballistics.position(x, t)[1].abs() < 1e-9
    assert ballistics.omega(x).item() == pytest.approx(0.7)
    # y(t) = y₀ − (m/k) g [t − (m/k)(1 − e^(−kt/m))], with m/k = 0.8 s
    fallen = 0.8 * 9.81 * (t - 0.8 * (1 - torch.exp(-t / 0.8)))
    assert fallen.item() == pytest.approx(2.0)


def test_the_landing_times_slope_is_the_finite_difference():
    x = double([0.1, 1.4, 0.8, 14.0]).requires_grad_(True)
    (slope,) = torch.autograd.grad(ballistics.landing_time(x).sum(), x)
    step = 1e-6 * torch.eye(4).double()
    numeric = (ballistics.landing_time(x.detach() + step) - ballistics.landing_time(x.detach() - step)) / 2e-6
    assert slope[0].tolist() == pytest.approx(numeric.tolist(), abs=1e-6)


def _box(low, high):
    return Interval(double(low), double(high))


def test_a_box_encloses_the_landing_times_of_its_designs_tightly():
    box = _box([-0.2, 1.0, 0.4, 10.0], [0.2, 1.2, 0.5, 11.0])
    enclosed = ballistics.landing_time.enclosure(Enclosure.variables(box, True))
    x = box.lo + torch.rand(500, 4, dtype=torch.float64) * (box.hi - box.lo)
    x = torch.cat((x, box.lo, box.hi)).requires_grad_(True)
    t = ballistics.landing_time(x)
    value, gradient = enclosed.value, enclosed.gradient
    assert (t >= value.lo).all()
    assert (t <= value.hi).all()
    assert value.lo.item() == pytest.approx(t.min().item(), rel=1e-8)
    assert value.hi.item() == pytest.approx(t.max().item(), rel=1e-8)
    (slope,) = torch.autograd.grad(t.sum(), x)
    assert (slope >= gradient.lo - 1e-12).all()
    assert (slope <= gradient.hi + 1e-12).all()
    assert (gradient.hi - gradient.lo).max() < 0.7
    assert ballistics.landing_time.enclosure(Enclosure.variables(box, False)).gradient is None


def test_the_slopes_of_boxes_follow_what_the_throws_are_made_of():
    """Throws (u₁, 1 + u₁/2 + u₂, 0.4 + u₂/10, 10 + u₁): the slopes of the landing time by u₁ and u₂."""
    mixed = double([1, 0], [0.5, 1], [0, 0.1], [1, 0])

    def time(u):
        return ballistics.landing_time(torch.nn.functional.linear(u, mixed) + double([0, 1, 0.4, 10]))

    box = Interval(double([0.1, 0.1]), double([0.11, 0.12]))
    found = time(Enclosure.variables(box, True)).gradient
    u = (box.lo + (box.hi - box.lo) * torch.rand(200, 2, dtype=torch.float64)).requires_grad_(True)
    (slope,) = torch.autograd.grad(time(u).sum(), u)
    assert found.lo.shape == (1, 2)
    assert (slope >= found.lo - 1e-12).all()
    assert (slope <= found.hi + 1e-12).all()
    assert (found.hi - found.lo).max() < 0.05


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ([0, -0.1, 0.4, 10], [0, 1, 0.5, 11]),
        ([0, 1, -0.1, 10], [0, 1.2, 0.5, 11]),
        ([0, 1, 0.4, 10], [0, 1.2, 1.6, 11]),
        ([0, 1, 0.4, -1], [0, 1.2, 0.5, 11]),
    ],
)
def test_where_landing_times_do_not_rise_nothing_is_enclosed(low, high):
    enclosed = ballistics.landing_time.enclosure(Enclosure.variables(_box(low, high), False))
    assert enclosed.value.lo.isnan().all()
    assert enclosed.value.hi.isnan().all()


@pytest.mark.parametrize(("factor", "known"), [(1.0, (True, True)), (0.999, (True, False)), (1.001, (False, True))])
def test_an_end_that_is_no_landing_is_not_taken_for_one(monkeypatch, factor, known):
    enclosure, right = ballistics.landing_time.enclosure, ballistics.landing_time
    monkeypatch.setattr(ballistics, "landing_time", lambda x: factor * right(x))
    found = enclosure(Enclosure.variables(_box([0, 1, 0.4, 10], [0, 1.2, 0.5, 11]), False)).value
    assert (found.lo.isfinite().all(), found.hi.isfinite().all()) == known


def test_at_the_edge_of_the_rising_region_landing_times_are_enclosed():
    for low, high in (([0, 0, 0, 0], [0, 1, 0.5, 1]), ([0, 1, 0, 0], [0, 1, 1.57, 0.5])):
        value = ballistics.landing_time.enclosure(Enclosure.variables(_box(low, high), False)).value
        assert not value.lo.isnan().any()
        assert not value.hi.isnan().any()
        assert (value.lo <= value.hi).all()
