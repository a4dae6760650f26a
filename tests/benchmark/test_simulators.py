import math

import pytest
import torch
from torch import Generator

from ipage_core.benchmark.simulators import PROBLEMS
from ipage_core.tasks.table.density import floor_of
from ipage_core.training.candidates import regimes


def at(name: str, *x: float) -> list[float]:
    return PROBLEMS[name].simulate(torch.tensor([x], dtype=torch.float64))[0].tolist()


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_problem_draws_from_its_box_and_measures_finite_numbers(name):
    problem = PROBLEMS[name]
    x = problem.draw(200, Generator().manual_seed(0))
    y = problem.measure(x, Generator().manual_seed(1))
    assert y.shape == (200, len(problem.y))
    assert y.isfinite().all()
    assert (y.std(0) > 0).all()
    low, high = problem.bounds
    assert ((x >= low) & (x <= high)).all()
    for column in problem.whole:
        assert (x[:, list(problem.x).index(column)] % 1 == 0).all()
    assert torch.equal(y, problem.measure(x, Generator().manual_seed(1)))


def test_the_best_known_welded_beam_costs_what_is_published():
    """h = 0.205730, l = 3.470489, t = 9.036624, b = 0.205730: cost 1.724852, stress and buckling at their limits."""
    cost, stress, buckling = at("welded-beam", 0.205730, 3.470489, 9.036624, 0.205730)
    assert cost == pytest.approx(1.724852, abs=1e-4)
    assert stress == pytest.approx(13600, rel=1e-3)
    assert buckling == pytest.approx(6000, rel=1e-3)


def test_the_best_known_vessel_costs_what_is_published():
    """Shell 13/16 in, head 7/16 in, radius 42.0984, length 176.6366: cost 6059.714, volume 1,296,000 in³."""
    cost, volume = at("vessel", 13, 7, 42.098446, 176.636596)
    assert cost == pytest.approx(6059.714, rel=1e-5)
    assert volume == pytest.approx(1_296_000, rel=1e-5)


def test_a_spring_is_half_as_stiff_with_twice_the_turns():
    assert at("spring", 10, 1.5, 0.25)[1] == pytest.approx(0.5 * at("spring", 5, 1.5, 0.25)[1])
    assert at("spring", 10, 2.0, 0.3)[0] == pytest.approx(12 * math.pi * 2.0 * math.pi * 0.3**2 / 4)


def test_films_of_no_thickness_leave_the_reflectance_of_glass():
    assert at("films", 0, 0, 0, 0, 0) == pytest.approx([((1.52 - 1) / (1.52 + 1)) ** 2] * 256)


def test_a_quarter_wave_reflects_as_by_its_admittance():
    quarter = 400 / 4 / 2.4
    reflected = ((2.4**2 / 1.52 - 1) / (2.4**2 / 1.52 + 1)) ** 2
    assert at("films", quarter, 0, 0, 0, 0)[0] == pytest.approx(reflected)


def test_an_ideal_cell_obeys_shockley():
    """Without resistances: I_sc = I_L, V_oc = nV_T ln(1 + I_L/I₀), and the power has its maximum where dP/dV = 0."""
    short, opened, power = at("solar", 35.0, 1e-9, 0.0, 1e15, 1.3)
    thermal = 1.3 * 0.025693
    assert short == pytest.approx(35)
    assert opened == pytest.approx(thermal * math.log1p(0.035 / 1e-9))
    v = torch.linspace(0, opened, 200_001, dtype=torch.float64)
    assert power == pytest.approx(float((v * (35 - 1e-6 * (torch.exp(v / thermal) - 1))).max()), rel=1e-6)


def test_a_series_resistance_costs_power_and_no_voltage():
    _, opened, power = at("solar", 35.0, 1e-9, 0.1, 1e3, 1.3)
    _, opened_too, less = at("solar", 35.0, 1e-9, 3.0, 1e3, 1.3)
    assert opened_too == pytest.approx(opened)
    assert less < power


def test_a_full_vessel_ends_the_fermentation():
    """At 0.5 l/h minus evaporation, 120 l reach 180 l after about 120 h, and not before."""
    made, gas, hours = at("penicillin", 120, 5, 298, 10, 0.5, 600, 5.8)
    assert 60 / 0.5 <= hours < 2500
    assert made > 0
    assert gas > 0


def test_the_first_crash_figure_is_a_sum_of_masses():
    assert at("vehicle", 1, 1, 1, 1, 1)[0] == pytest.approx(1661.7078225)


def test_the_truth_of_a_noisy_problem_is_its_mean():
    problem = PROBLEMS["car-cab"]
    x = problem.draw(20, Generator().manual_seed(0))
    many = torch.stack([problem.measure(x, Generator().manual_seed(seed)) for seed in range(1000, 1400)])
    error = (problem.truth(x) - many.mean(0)).abs() / (many.std(0) + 1e-12)
    assert (error < 5 / math.sqrt(100)).all()
    assert (many.std(0)[:, 1:] > 0).any(0).all()


@pytest.mark.parametrize("name", PROBLEMS)
def test_only_fermentations_that_end_at_once_are_another_regime(name):
    problem, generator = PROBLEMS[name], Generator().manual_seed(0)
    x = problem.draw(500, generator)
    y = problem.measure(x, generator)
    is_upper = regimes(y, [floor_of(column) for column in y.T])
    if name == "penicillin":
        hours = y[:, 2]
        assert hours[~is_upper].max() < 100
        assert hours[is_upper].min() > 200
    else:
        assert is_upper is None
