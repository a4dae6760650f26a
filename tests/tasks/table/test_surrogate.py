"""The surrogate of a table, on known functions."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Generator

from ipage_core.networks.ensemble import Ensemble, part_of
from ipage_core.networks.gaussian_process import GaussianProcess
from ipage_core.networks.store import load_tensors, save_tensors
from ipage_core.problem.goal import Goal
from ipage_core.problem.target import Target
from ipage_core.tasks.table import trust
from ipage_core.tasks.table.rows import Measured
from ipage_core.tasks.table.scales import SCALES, is_fraction, spans_decades
from ipage_core.tasks.table.surrogate import TableSurrogate, as_read, ratio_of_the_alike
from ipage_core.training.candidates import LEAST, regimes
from ipage_core.training.choose import (
    FINEST,
    LeftOut,
    best,
    between,
    calibrate,
    in_raw_units,
    of_the_mean,
)
from ipage_core.training.fit import Settings
from ipage_core.training.table import fit_table

BOUNDS = torch.tensor([[1.0, 1e-6], [3.0, 1e-2]], dtype=torch.float64)
NETWORK = {"d": 2, "m": 3, "members": 4, "hidden": 16}
QUICK = Settings(epochs=6, batch=25, learning_rate=5e-3)


def rows(n, seed=0):
    """y1 smooth in log x2, y2 over six decades, y3 pure noise."""
    generator = Generator().manual_seed(seed)
    u = torch.rand(n, 2, dtype=torch.float64, generator=generator)
    x = torch.stack((1 + 2 * u[:, 0], 10 ** (-6 + 4 * u[:, 1])), 1)
    noise = torch.randn(n, dtype=torch.float64, generator=generator)
    return x, torch.stack((torch.sin(2 * x[:, 0]) + x[:, 1].log10(), 10 ** (3 * u[:, 1] - u[:, 0]), noise), 1)


@pytest.fixture(scope="module")
def fitted():
    x, y = rows(150)
    y[::10, 0] = math.nan  # rows that lack one property
    told = []
    return (*fit_table(x, y, BOUNDS, NETWORK, QUICK, progress=told.append), told)


def test_each_property_gets_what_predicts_it_best(fitted):
    surrogate, run, choice, told = fitted
    assert surrogate.log_x == [1]
    assert surrogate.log_y == [1]  # chosen, not only tried
    assert choice["by"][0] == "process"
    assert choice["by"][1] == "process of the logarithm"
    assert choice["r2"][0] > 0.999
    assert choice["r2"][2] < 0.1  # noise cannot be learned, and R² shows it
    assert len(told) == QUICK.epochs  # the noise called for an ensemble
    assert set(run.weight_sets) == {"phi_star"}


def test_predictions_are_near_the_truth_and_intervals_hold_what_is_measured(fitted):
    surrogate = fitted[0]
    x, y = rows(1000, seed=1)
    error = (surrogate.predict(x) - y).abs()
    assert (error[:, :2].square().mean(0).sqrt() < 0.01 * y.std(0)[:2]).all()
    inside = (error <= surrogate.half_width(x)).double().mean(0)
    assert (inside > 0.8).all()
    assert inside[2] < 0.97  # not by being wide


def test_a_file_gives_back_the_same_surrogate(fitted, tmp_path):
    surrogate = fitted[0]
    x, _ = rows(20, seed=2)
    save_tensors(tmp_path / "s.safetensors", surrogate.state_dict())
    again = TableSurrogate(**surrogate.arguments)
    again.load_state_dict(load_tensors(tmp_path / "s.safetensors")[0])
    assert torch.equal(again(x), surrogate(x))
    assert torch.equal(again.half_width(x), surrogate.half_width(x))


def test_derivatives_pass_through_logarithms(fitted):
    surrogate = fitted[0]
    x = torch.tensor([[2.0, 1e-4]], dtype=torch.float64)
    by_autograd = torch.autograd.functional.jacobian(surrogate, x)[0, :2, 0, 1]
    step = torch.tensor([[0.0, 1e-9]], dtype=torch.float64)
    by_steps = ((surrogate(x + step) - surrogate(x - step)) / 2e-9)[0, :2]
    torch.testing.assert_close(by_autograd, by_steps, rtol=1e-3, atol=0)


def test_a_table_that_processes_predict_trains_no_network():
    x, y = rows(100)
    told = []
    _, run, choice = fit_table(x, y[:, :1], BOUNDS, NETWORK | {"m": 1}, QUICK, progress=told.append)
    assert choice["by"] == ["process"]
    assert list(choice["rmse"]) == ["process"]
    assert len(told) == len(run.history) == 1
    assert run.history[0]["validation_l2"] > 0


def jumping(n, seed=0):
    """y1 and y2 jump where x1 falls below 1.4; y1 by far more than it varies."""
    x, _ = rows(n, seed)
    start = (x[:, 0] > 1.4).double()
    return x, torch.stack((start * (5 + torch.sin(2 * x[:, 0])), start + x[:, 1].log10()), 1)


def test_properties_that_jump_get_processes_of_two_regimes():
    x, y = jumping(200)
    surrogate, _, choice = fit_table(x, y, BOUNDS, NETWORK | {"m": 2}, QUICK)
    assert choice["by"] == ["process of two regimes"] * 2
    x, y = jumping(1000, seed=1)
    away = (x[:, 0] - 1.4).abs() > 0.1
    error = (surrogate.predict(x) - y).abs()
    assert (error[away].median(0).values < 1e-3).all()
    assert ((error <= surrogate.half_width(x)).double().mean(0) > 0.85).all()


def test_two_regimes_are_rows_on_both_sides_of_a_wide_gap():
    _, y = jumping(200)
    below = y[:, 0] == 0
    assert regimes(y, [None, None]).tolist() == (~below).tolist()
    assert regimes(y, [0.0, None]) is None  # values on a floor are no regime
    assert regimes(y[:, 1:], [None]) is None  # that property has no gap
    assert regimes(rows(200)[1], [None] * 3) is None
    few = torch.cat((below.nonzero()[: LEAST - 1, 0], (~below).nonzero()[:, 0]))
    assert regimes(y[few], [None, None]) is None
    y[0, 0] = math.nan
    assert regimes(y, [None, None]) is None
    assert regimes(torch.ones(100, 1).double(), [None]) is None


def test_regimes_need_rows_with_every_property():
    _, y = jumping(200)
    y[y[:, 0] == 0, 1] = math.nan
    assert regimes(y, [None, None]) is None


def curve(n, m=16, seed=0):
    """x (n, 2) and the reflectance (n, m) of a film at m wavelengths: near 1 it has sharp dips, its odds are smooth."""
    x = BOUNDS[0] + (BOUNDS[1] - BOUNDS[0]) * torch.rand(n, 2, generator=Generator().manual_seed(seed)).double()
    wave = torch.linspace(1, 2, m).double()
    odds = 1 + 10 * torch.sin(x[:, :1] * wave + 100 * x[:, 1:]).square()
    return x, odds / (1 + odds)


@pytest.fixture(scope="module")
def reflectance():
    x, y = curve(200)
    return fit_table(x, y, BOUNDS, NETWORK | {"m": 16}, QUICK, log_x=())


def test_a_curve_of_fractions_is_learned_by_its_odds_with_one_kernel(reflectance):
    surrogate, _, choice = reflectance
    assert choice["by"] == ["shared process 1 of the odds"] * 16
    new, truth = curve(500, seed=1)
    error, sd = surrogate.predict(new) - truth, truth.std(0)
    assert ((error / sd).square().mean().sqrt() < 1e-3).all()
    inside = (error.abs() <= surrogate.half_width(new)).double().mean()
    assert 0.8 <= inside <= 0.99
    assert 0.3 < float(surrogate.error.square().mean().sqrt() / error.square().mean().sqrt()) < 5


def test_derivatives_pass_through_odds(reflectance):
    surrogate, x = reflectance[0], torch.tensor([[2.0, 5e-3]], dtype=torch.float64)
    by_autograd = torch.autograd.functional.jacobian(surrogate, x)[0, :, 0, 0]
    direction = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    by_steps = ((surrogate(x + 1e-5 * direction) - surrogate(x - 1e-5 * direction)) / 2e-5)[0]
    torch.testing.assert_close(by_autograd, by_steps, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(torch.func.jvp(surrogate, (x,), (direction,))[1][0], by_autograd)


def test_a_shared_process_in_a_file_is_the_same(reflectance, tmp_path):
    surrogate, x = reflectance[0], curve(20, seed=2)[0]
    save_tensors(tmp_path / "shared.safetensors", surrogate.state_dict())
    again = TableSurrogate(**surrogate.arguments)
    again.load_state_dict(load_tensors(tmp_path / "shared.safetensors")[0])
    torch.testing.assert_close(again(x), surrogate(x), rtol=0, atol=0)
    torch.testing.assert_close(again.spread(x), surrogate.spread(x))


def test_a_curve_that_lacks_values_is_left_to_networks():
    x, y = curve(60)
    y[0, 3] = math.nan
    _, _, choice = fit_table(x, y, BOUNDS, NETWORK | {"m": 16}, QUICK, log_x=())
    assert all(name.startswith("ensemble") for name in choice["by"])


@given(y=st.floats(0, 1 - 1e-5))
@settings(deadline=None)
def test_odds_and_back(y):
    odds, column = SCALES["odds"], torch.tensor([y], dtype=torch.float64)
    z = odds.of(column).requires_grad_()
    torch.testing.assert_close(odds.back(z).detach(), column)
    torch.testing.assert_close(torch.autograd.grad(odds.back(z).sum(), z)[0], odds.slope(z).detach())


def test_fractions_are_from_0_to_below_1():
    assert not is_fraction(torch.tensor([0.2, 1.0]))
    assert not is_fraction(torch.tensor([-0.1, 0.9]))
    assert not is_fraction(torch.tensor([math.nan]))


def test_many_rows_or_properties_are_left_to_networks(monkeypatch):
    monkeypatch.setattr("ipage_core.training.table.MOST_ROWS", 90)
    x, y = rows(100)
    surrogate, _, choice = fit_table(x, y, BOUNDS, NETWORK, QUICK)
    assert all(name.startswith("ensemble") for name in choice["by"])
    assert surrogate(x).isfinite().all()


def test_what_lies_below_a_floor_is_predicted_as_the_floor():
    x, _ = rows(80)
    y = (x[:, :1] - 2).clamp(min=0)
    surrogate, _, _ = fit_table(x, y, BOUNDS, NETWORK | {"m": 1, "floor": [0.0]}, QUICK)
    assert (surrogate.predict(x) >= 0).all()
    assert (surrogate(x) < 0).any()


def test_parts_predict_each_property_once():
    part = {"network": "gaussian-process", "arguments": {"d": 1, "m": 1, "n": 3, "kernels": ["rbf"]}, "columns": [0]}
    with pytest.raises(ValueError, match="each of 2 properties once"):
        TableSurrogate(1, 2, [part])
    with pytest.raises(ValueError, match="Expected parts of"):
        TableSurrogate(1, 1, [part | {"network": "inn"}])


def test_a_process_of_some_properties_is_the_same_there():
    x, y = rows(30)
    whole = GaussianProcess.fitted(x, y)
    assert torch.equal(whole.of([2, 0])(x), whole(x)[:, [2, 0]])
    torch.testing.assert_close(whole.of([1]).spread(x), whole.spread(x)[:, [1]])


def test_an_ensemble_of_some_properties_is_the_same_there():
    ensemble = Ensemble(2, 3, hidden=8, floor=[0.0, None, 1.0])
    x, y = rows(30)
    ensemble.fit_scales(x.float(), y.float())
    part = ensemble.of([2, 0])
    torch.testing.assert_close(part(x.float()), ensemble(x.float())[:, [2, 0]])
    torch.testing.assert_close(part.predict(x.float()), ensemble.predict(x.float())[:, [2, 0]])
    assert Ensemble(**part.arguments).state_dict().keys() == part.state_dict().keys()


def test_a_member_learns_nothing_from_the_part_it_leaves_out():
    x = torch.rand(64, 2)
    ensemble = Ensemble(2, 1, members=4, hidden=8, leave_out=True)
    own = part_of(x, 4)
    y = torch.zeros(64, 1)
    ensemble.fit_scales(x, torch.randn(64, 1))
    (loss,) = next(ensemble.losses(x[own == 2], y[own == 2], {}, Generator())).values()
    loss.backward()
    gradient = ensemble.weights[0].grad.abs().sum((1, 2))
    assert gradient[2] == 0
    assert (gradient[[0, 1, 3]] > 0).all()


def test_parts_are_even_and_keep_equal_designs_together():
    x = torch.rand(8000, 3, dtype=torch.float64)
    counts = part_of(x, 8).bincount(minlength=8)
    assert (counts - 1000).abs().max() < 150  # five standard deviations of a fair draw
    assert torch.equal(part_of(x, 8), part_of(x.clone(), 8))
    zero = torch.tensor([[0.0, 1.0], [-0.0, 1.0]])
    assert part_of(zero, 1000).unique().numel() == 1


def test_left_out_errors_are_of_the_member_that_has_not_seen_the_row():
    ensemble = Ensemble(2, 1, members=4, hidden=8, leave_out=True)
    x, y = torch.rand(20, 2, dtype=torch.float64), torch.randn(20, 1, dtype=torch.float64)
    error, spread = ensemble.left_out(x, y)
    member = int(part_of(x, 4)[7])
    torch.testing.assert_close(error[7], y[7] - ensemble.members(x.float())[member, 7].detach().double())
    assert (spread > 0).all()


def test_calibrated_intervals_hold_nine_in_ten_whatever_the_spread_says():
    generator = Generator().manual_seed(0)
    error = torch.randn(4000, 2, dtype=torch.float64, generator=generator)
    for own in (0.05, 1.0, 20.0):
        spread = own * torch.ones_like(error)
        at = torch.rand(4000, 2, dtype=torch.float64, generator=generator)
        factor, least, tested, ratio = calibrate(LeftOut(error, spread), at)
        local = ratio_of_the_alike(torch.rand(4000, 2, dtype=torch.float64, generator=generator), tested, ratio)
        half = 1.645 * factor * (local * (spread.square() + least.square())).sqrt()
        new = torch.randn(4000, 2, dtype=torch.float64, generator=generator)
        assert torch.allclose((new.abs() <= half).double().mean(0), torch.tensor(0.9).double(), atol=0.02)


def test_errors_lie_between_those_of_a_row_and_of_a_fold():
    one = LeftOut(torch.tensor([[1.0, 2.0], [-1.0, 0.0]]), torch.ones(2, 2))
    fold = LeftOut(torch.tensor([[4.0, 1.0], [-4.0, 0.0]]), torch.ones(2, 2))
    torch.testing.assert_close(between(one, fold).error, torch.tensor([[2.0, 2.0], [-2.0, 0.0]]))


def test_rows_on_a_floor_make_the_intervals_of_the_others_no_narrower():
    generator = Generator().manual_seed(0)
    error = torch.randn(600, 1, generator=generator, dtype=torch.float64)
    at = torch.rand(600, 1, generator=generator, dtype=torch.float64)
    factors = []
    for on_floor in (0, 400):  # there, prediction and measurement are the floor
        error[:on_floor], at[:on_floor] = 0, -5
        factor, least, tested, ratio = calibrate(LeftOut(error, torch.ones_like(error)), at)
        half = 1.645 * factor * ((1 + least.square()) * ratio_of_the_alike(at, tested, ratio, itself=True)).sqrt()
        factors.append(float((error[400:].abs() <= half[400:]).double().mean()))
    assert min(factors) >= 0.86
    assert max(factors) <= 0.95


def test_few_rows_make_wider_intervals():
    generator = Generator().manual_seed(0)
    error = torch.randn(4000, 1, dtype=torch.float64, generator=generator)
    few, many = (calibrate(LeftOut(e, torch.ones_like(e)), e).factor for e in (error[:15], error))
    assert calibrate(LeftOut(error[:8], torch.ones(8, 1).double()), error[:8]).factor.isfinite()
    assert few > many


def test_intervals_are_narrow_where_rows_with_such_predictions_are_predicted_well():
    """Errors below 0 are a hundredth of those above, but the spread does not show it."""
    generator = Generator().manual_seed(0)
    at, new = torch.rand(2, 1500, 1, dtype=torch.float64, generator=generator) - 0.5
    error = torch.randn(2, 1500, 1, dtype=torch.float64, generator=generator) * torch.where(
        torch.stack((at, new)) < 0, 0.01, 1.0
    )
    factor, least, tested, ratio = calibrate(LeftOut(error[0], torch.ones_like(at)), at)
    half = 1.645 * factor * (ratio_of_the_alike(new, tested, ratio) * (1 + least.square())).sqrt()
    inside = (error[1].abs() <= half).double()
    low, high = new[:, 0] < -0.05, new[:, 0] > 0.05
    assert half[low].median() < 0.4 * half[high].median()
    assert inside.mean() == pytest.approx(0.9, abs=0.03)
    assert inside[high].mean() > 0.78  # as if all were alike: 0.80, and 1 below


def test_the_mean_of_members_errs_less_than_each():
    """Members have a common error, and each an equally large error of its own."""
    generator = Generator().manual_seed(0)
    common = torch.randn(20_000, 1, dtype=torch.float64, generator=generator)
    own = torch.randn(20_000, 8, dtype=torch.float64, generator=generator)
    members = LeftOut(common + own[:, :1], own.std(1, keepdim=True))
    of_all = (common + own.mean(1, keepdim=True)).std().item()
    assert of_the_mean(members, 8).rmse.item() == pytest.approx(of_all, rel=0.03)


def test_categories_are_read_as_one_number_for_each_level():
    x = torch.tensor([[2.0, 0.5, 1.0], [0.0, 0.1, 0.0]], dtype=torch.float64, requires_grad=True)
    read = as_read(x, [1], {0: 3, 2: 2})
    assert read[:, :3].tolist() == [[0, 0, 1], [1, 0, 0]]
    assert read[:, 3].tolist() == pytest.approx([math.log(0.5), math.log(0.1)])
    assert read[:, 4].tolist() == [1, 0]
    (slope,) = torch.autograd.grad(read.sum(), x)
    assert slope[:, 0].abs().max() == 0


def test_the_best_is_chosen_by_property_and_what_is_unknown_is_never_chosen():
    good, bad = torch.tensor([[0.1, 2.0]]).double(), torch.tensor([[0.2, 1.0]]).double()
    unknown = torch.full((1, 2), math.nan, dtype=torch.float64)
    assert best({"a": LeftOut(good, good), "b": LeftOut(bad, bad), "c": LeftOut(unknown, unknown)}) == ["a", "b"]


def test_a_property_that_jumps_goes_to_the_smallest_mean_absolute_error():
    exact = torch.tensor([[0.0], [0.0], [3.0]]).double()  # but for one row on the wrong side
    blurred = torch.tensor([[1.5], [1.5], [1.5]]).double()
    results = {"exact": LeftOut(exact, exact), "blurred": LeftOut(blurred, blurred)}
    assert best(results) == ["blurred"]
    assert best(results, jumps=True) == ["exact"]


def test_errors_of_a_logarithm_in_raw_units():
    y = torch.tensor([[100.0]], dtype=torch.float64)
    raw = in_raw_units(LeftOut(y.log() - math.log(90), torch.tensor([[0.1]]).double()), y, SCALES["logarithm"])
    assert raw.error.item() == pytest.approx(10)
    assert raw.spread.item() == pytest.approx(9)


def test_decades_are_of_positive_numbers():
    assert spans_decades(torch.tensor([1.0, 100.0, math.nan]))
    assert not spans_decades(torch.tensor([1.0, 99.0]))
    assert not spans_decades(torch.tensor([0.0, 100.0]))
    assert not spans_decades(torch.tensor([math.nan]))


@pytest.mark.parametrize(
    ("low", "high"),
    [((1.2, 0.0), (1.2, 0.0)), ((0.5, -1.0), (0.8, 2.0)), ((1.1, -math.inf), (math.inf, math.inf))],
)
def test_expected_misfit_is_the_mean_over_measurements_to_come(low, high):
    torch.manual_seed(0)
    predicted, sd = torch.tensor([[1.0, -2.0]]).double(), torch.tensor([[0.5, 3.0]]).double()
    ends, tolerances = (torch.tensor([end]).double() for end in (low, high)), torch.tensor([0.1, 10.0]).double()
    low, high = ends
    drawn = predicted + sd * torch.randn(200_000, 2, dtype=torch.float64)
    by_chance = trust.misfit(drawn, low, high, tolerances).square().mean().sqrt().item()
    assert trust.expected_misfit(predicted, sd, low, high, tolerances).item() == pytest.approx(by_chance, rel=0.01)


def test_a_property_that_may_be_anything_does_not_count():
    y, tolerances = torch.tensor([[3.0, 1e9]]).double(), torch.tensor([0.5, 1.0]).double()
    target = Target((Goal.exactly(2.0), Goal()))
    assert trust.misfit(y, *target.ranges(torch.tensor([[2.0, 5.0]]).double()), tolerances).item() == pytest.approx(2.0)


def test_no_interval_ends_below_the_floor():
    predicted, half = torch.tensor([[0.1], [3.0]]).double(), torch.tensor([[0.5], [0.5]]).double()
    nothing, floor = torch.zeros(2), torch.tensor([0.0]).double()
    result = trust.Trust(predicted, half, nothing, nothing.long(), nothing, floor)
    assert result.low[:, 0].tolist() == [0.0, 2.5]
    assert result.high[:, 0].tolist() == pytest.approx([0.6, 3.5])


@given(low=st.floats(-1e12, 1e12), width=st.floats(1e-9, 1e12))
@settings(deadline=None)
def test_intervals_as_text_keep_two_digits_of_half_their_width(low, width):
    high = low + width
    assume(high - low > 1e-12 * max(abs(low), abs(high)))
    ends = [float(end.replace("−", "-")) for end in trust.interval_text(low, high).split(" – ")]
    for end, written in zip((low, high), ends, strict=True):
        assert abs(written - end) <= 0.051 * (high - low) + 5e-13


def test_no_spread_is_finer_than_float32_can_tell():
    x, _ = rows(60)
    y = 1700 + 0.001 * x[:, :1]
    surrogate, _, _ = fit_table(x, y, BOUNDS, NETWORK | {"m": 1}, QUICK)
    assert (surrogate.spread(x) >= 0.99 * FINEST * y.std()).all()


def noisy_table(seed=0, noise=0.3):
    """y = 4a + sin 3b with normal noise, or with rare jumps instead."""
    generator = Generator().manual_seed(seed)
    x = torch.rand(120, 2, dtype=torch.float64, generator=generator)
    error = noise * torch.randn(120, dtype=torch.float64, generator=generator)
    return x, (4 * x[:, 0] + torch.sin(3 * x[:, 1]) + error)[:, None]


@pytest.fixture(scope="module")
def by_noise():
    """Surrogates of the table with noise, without it, and with a jump in few rows."""
    box = torch.tensor([[0.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    arguments = {"d": 2, "m": 1, "members": 4, "hidden": 16}
    x, y = noisy_table()
    smooth = noisy_table(noise=0.0)[1]
    jumps = smooth + 5.0 * ((x - 0.5).square().sum(1, keepdim=True) < 0.01)
    tables = {"noise": y, "smooth": smooth, "jumps": jumps}
    return {name: (x, y, fit_table(x, y, box, arguments, QUICK)[0]) for name, y in tables.items()}


def test_noise_is_told_from_jumps_and_from_a_smooth_function(by_noise):
    tolerance = torch.tensor([0.02 * 1.2])
    found = {name: float(surrogate.noise) for name, (_, _, surrogate) in by_noise.items()}
    assert found["noise"] == pytest.approx(0.3, rel=0.25)
    assert found["smooth"] < 0.1 * tolerance
    assert found["jumps"] < 0.1 * tolerance


def test_noisy_rows_count_as_another_measurement_of_them_would(by_noise):
    x, y, surrogate = by_noise["noise"]
    known = Measured(x, y, torch.zeros(120).bool(), torch.zeros(120).int(), torch.arange(120))
    mean, sd = trust.measured_again(surrogate, known, torch.tensor([0.02]))
    truth = noisy_table(noise=0.0)[1]
    assert (mean - truth).square().mean() < 0.2 * (y - truth).square().mean()
    assert 0.25 < sd.mean() < 0.4
    for name in ("smooth", "jumps"):
        x, y, surrogate = by_noise[name]
        assert trust.measured_again(surrogate, Measured(x, y, *[None] * 3), torch.tensor([0.02])) is None


def test_beside_noise_a_row_must_be_clearly_closer():
    one = torch.ones(3, dtype=torch.float64)
    misfits = torch.tensor([0.7, 0.95, 1.05], dtype=torch.float64)
    plain = trust.Trust(one[:, None], one[:, None], one, one.long(), misfits, torch.tensor([-math.inf]))
    assert plain.row_is_closer.tolist() == [True, True, False]
    assert replace(plain, noisy=True).row_is_closer.tolist() == [True, False, False]


def test_intervals_of_what_is_learned_as_a_logarithm_end_at_zero():
    """y over three decades, measured to a tenth: spreads are of large values, and would pass zero at small ones."""
    generator = Generator().manual_seed(1)
    x = torch.rand(200, 2, dtype=torch.float64, generator=generator)
    error = torch.randn(200, dtype=torch.float64, generator=generator)
    y = (10 ** (3 * x[:, 0]) * (1 + x[:, 1].square()) * (0.1 * error).exp())[:, None]
    unit = torch.tensor([[0.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    surrogate, _, _ = fit_table(x, y, unit, NETWORK | {"m": 1}, QUICK)
    assert surrogate.log_y == [0]
    low, _ = surrogate.interval(x)
    assert (surrogate.predict(x) - surrogate.half_width(x)).min() < 0
    assert low.min() == 0
