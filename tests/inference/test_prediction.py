"""Intervals of predictions hold 90 % of the results of Ω, also where designs are chosen by their prediction."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ipage_core.inference.calibration import FEWEST, IN_A_GROUP, Calibration, of_card
from ipage_core.inference.methods import load
from ipage_core.inference.pipeline import design
from ipage_core.inference.prediction import interval
from ipage_core.networks.store import PRETRAINED, ModelUnavailable, save_model
from ipage_core.tasks import TASKS
from ipage_core.training.calibration import calibration
from ipage_core.training.datasets import chosen_rows

CARDS = sorted(path for path in PRETRAINED.glob("*/*.json") if path.stem in ("mlp", "inn", "inn-paper"))


def heteroscedastic(n, seed):
    """Predictions, and results whose errors grow with the prediction."""
    generator = torch.Generator().manual_seed(seed)
    predicted = torch.rand(n, 1, generator=generator, dtype=torch.float64)
    noise = torch.randn(n, 1, generator=generator, dtype=torch.float64)
    return predicted, predicted + noise * (0.02 + predicted)


@pytest.mark.parametrize("n", [FEWEST, 30, 120, 1000])
def test_nine_in_ten_new_results_lie_inside(n):
    held = []
    for seed in range(60):
        predicted, y = heteroscedastic(n, seed)
        known = Calibration.fitted(predicted, None, y, "rows")
        predicted, y = heteroscedastic(300, 1000 + seed)
        low, high = known.interval(predicted, None)
        held.append(((y >= low) & (y <= high))[low.isfinite()].double().mean())
    assert 0.88 <= np.mean(held) <= 0.93


def test_designs_chosen_by_their_prediction_have_the_width_of_this_prediction():
    predicted, y = heteroscedastic(2000, 0)
    known = Calibration.fitted(predicted, None, y, "rows")
    fresh, result = heteroscedastic(20_000, 1)
    widths = []
    for target in (0.05, 0.95):  # every design there has the same prediction
        chosen = (fresh[:, 0] - target).abs() < 0.04
        low, high = known.interval(fresh[chosen], None)
        assert 0.85 <= ((result[chosen] >= low) & (result[chosen] <= high)).double().mean() <= 0.95
        widths.append(float((high - low).mean()))
    assert widths[1] > 5 * widths[0]
    assert known.covered[0] == pytest.approx(0.9, abs=0.02)


def test_a_spread_says_which_design_is_less_certain():
    generator = torch.Generator().manual_seed(0)
    spread = torch.rand(1000, 1, generator=generator) + 0.1
    predicted = torch.zeros(1000, 1)
    known = Calibration.fitted(predicted, spread, spread * torch.randn(1000, 1, generator=generator), "rows")
    low, high = known.interval(torch.zeros(2, 1), torch.tensor([[0.1], [1.0]]))
    assert (high - low)[1] > 5 * (high - low)[0]


def test_too_few_rows_promise_nothing():
    predicted, y = heteroscedastic(FEWEST - 1, 0)
    assert Calibration.fitted(predicted, None, y, "rows") is None
    y = torch.cat((y, torch.full((3, 1), torch.nan)))  # failures of Ω are no rows
    assert Calibration.fitted(torch.cat((predicted, torch.zeros(3, 1))), None, y, "rows") is None


def test_nothing_is_said_beyond_the_predictions_of_all_rows():
    predicted, y = heteroscedastic(500, 0)
    known = Calibration.fitted(predicted, None, y, "rows")
    ends = known.interval(torch.tensor([[-9.0], [0.5], [9.0]]), None)
    assert ends.isfinite().all(0)[:, 0].tolist() == [False, True, False]


@given(st.integers(FEWEST, 400), st.integers(1, 3), st.integers(0, 99), st.booleans())
def test_the_card_gives_the_same_intervals(n, m, seed, tied):
    generator = torch.Generator().manual_seed(seed)
    predicted = torch.randn(n, m, generator=generator, dtype=torch.float64)
    predicted = predicted.round() if tied else predicted
    y = predicted + torch.randn(n, m, generator=generator, dtype=torch.float64)
    known = Calibration.fitted(predicted, None, y, f"{n} rows")
    again = Calibration.read(json.loads(json.dumps(known.card())), m)
    assert again.rows == f"{n} rows"
    assert all(len(factors) <= max(1, n // (IN_A_GROUP // 2)) for _, factors in again.groups)
    low, high = known.interval(predicted, None)
    assert torch.allclose(torch.stack((low, high)), again.interval(predicted, None), atol=1e-4, equal_nan=True)
    assert bool(((y >= low) & (y <= high)).double().mean(0).ge(0.9).all())  # of the rows themselves


@pytest.mark.parametrize("path", CARDS, ids=lambda path: f"{path.parent.name} {path.stem}")
def test_every_shipped_surrogate_is_calibrated(path):
    known = Calibration.read(json.loads(path.read_text())["calibration"], TASKS[path.parent.name].n_targets)
    assert all(0.88 <= share <= 0.92 for share in known.covered)
    assert "has not learned" in known.rows


WHOLE = {"rows": "x", "covered": [0.9], "least": [1.0], "groups": [{"ends": [0, 1], "factors": [1]}]}


@pytest.mark.parametrize(
    "said",
    [
        {},
        [],
        WHOLE | {"groups": []},
        WHOLE | {"groups": [{"ends": [0, 1], "factors": ["a"]}]},
        WHOLE | {"groups": [{"ends": [0], "factors": [1]}]},
        WHOLE | {"groups": [{"ends": [0], "factors": []}]},
        WHOLE | {"groups": [{"ends": [0, 1, 2], "factors": [1]}]},
        WHOLE | {"groups": [{"ends": [0, 1], "factors": [1]}] * 2},
        WHOLE | {"covered": [0.9, 0.9]},
        WHOLE | {"least": [1.0, 1.0]},
        WHOLE | {"least": [math.nan]},
        WHOLE | {"groups": [{"ends": [0, math.inf], "factors": [1]}]},
        WHOLE | {"covered": []},
    ],
)
def test_a_damaged_calibration_is_one_sentence(tmp_path, said):
    modules = load("sinewave", "prior-lm").surrogate
    card = json.loads((PRETRAINED / "sinewave" / "mlp.json").read_text())
    save_model(tmp_path, "mlp", {"phi_star": modules.state_dict()}, card | {"calibration": said})
    with pytest.raises(ModelUnavailable, match=r"The calibration in .*mlp.json is damaged"):
        load("sinewave", "prior-lm", models=tmp_path)


@pytest.mark.parametrize("name", ["sinewave", "robotic_arm", "ballistics"])
def test_the_intervals_hold_what_omega_says_of_designs(name):
    task, method = TASKS[name], load(name, "ipage")
    aims = task.omega(task.sample_prior(40, torch.Generator().manual_seed(11)))[:, : task.n_targets]
    run = design(task, method, aims, 10, verify="none", seed=3)
    y = task.omega(run.final.double())[:, : task.n_targets]
    inside = ((y >= run.interval[0]) & (y <= run.interval[1])).double().mean(0)
    assert ((inside > 0.84) & (inside < 0.96)).all(), inside


def test_the_rows_behind_silicon_s_intervals_are_those_that_it_has_not_learned():
    task, surrogate = TASKS["silicon"], load("silicon", "prior-lm").surrogate
    x, y, _ = task.training_pairs("mlp", lambda: None)
    learned = chosen_rows("0:449", len(x))
    unlearned = len(x) - 449 + len(task.test_pairs()[0])
    assert calibration(task, surrogate, x[learned], y[learned]).rows.startswith(f"{unlearned:,} results")
    assert calibration(task, surrogate, x, y).rows.startswith(f"{len(task.test_pairs()[0])} results")
    drawn = task.sample_prior(5, torch.Generator().manual_seed(0))
    labelled = calibration(task, surrogate, drawn, y[:5], behind=x[learned])  # by a surrogate that learned those rows
    assert labelled.rows.startswith(f"{unlearned:,} results")


def test_no_surrogate_no_interval():
    assert interval(load("sinewave", "inn"), torch.zeros(2, 2)) is None


def column(*values):
    return torch.tensor(values, dtype=torch.float64)[:, None]


def factors(known):
    return known.groups[0][1].tolist()


@pytest.mark.parametrize(("n", "rank"), [(9, 9), (10, 10), (18, 18), (19, 18), (29, 27), (39, 36), (40, 37)])
def test_the_bound_is_the_ninetieth_percentile_of_one_more_row(n, rank):
    """Of n errors 1, 2, …, n the ⌈0.9 (n + 1)⌉-th bounds nine new ones in ten."""
    known = Calibration.fitted(torch.zeros(n, 1), None, column(*range(1, n + 1)), "rows")
    assert factors(known) == [rank]
    assert Calibration.fitted(torch.zeros(8, 1), None, column(*range(8)), "rows") is None


@pytest.mark.parametrize(("n", "cuts"), [(99, []), (100, [49.5]), (149, [74.5]), (150, [49.5, 99.5]), (600, 9)])
def test_a_group_has_at_least_fifty_rows_and_there_are_at_most_ten(n, cuts):
    at = torch.arange(n, dtype=torch.float64)[:, None]
    known = Calibration.fitted(at, None, at + 1, "rows")
    ends = known.groups[0][0].tolist()
    assert (ends[0], ends[-1]) == (0, n - 1)
    assert ends[1:-1] == ([60 * k - 0.5 for k in range(1, 10)] if cuts == 9 else cuts)
    assert factors(known) == [1.0] * (len(ends) - 1)


@pytest.mark.parametrize(("equal", "cut"), [(25, 50), (26, 100)])
def test_equal_predictions_leave_no_group_of_less_than_half_its_rows(equal, cut):
    at = torch.cat((torch.zeros(equal), torch.arange(equal, 200))).double()[:, None]
    known = Calibration.fitted(at, None, at + 1, "rows")
    assert known.groups[0][0][1] == cut - 0.5


def test_a_tenth_of_the_usual_error_is_added_to_a_spread_in_quadrature():
    known = Calibration.fitted(torch.zeros(20, 1), torch.full((20, 1), 0.15), column(*[2, -2] * 10), "rows")
    assert known.least.tolist() == pytest.approx([0.2])
    assert factors(known) == pytest.approx([2 / 0.25])  # 0.25² = 0.15² + 0.2²
    low, high = known.interval(torch.zeros(1, 1), torch.tensor([[0.48]]))
    assert (low.item(), high.item()) == (pytest.approx(-8 * 0.52), pytest.approx(8 * 0.52))
    perfect = Calibration.fitted(column(*range(20)), torch.zeros(20, 1), column(*range(20)), "rows")
    assert perfect.interval(column(3, 40), torch.zeros(2, 1))[:, 0, 0].tolist() == [3, 3]


def test_an_interval_that_touches_the_predictions_of_the_rows_is_known():
    known = Calibration.fitted(column(*[0, 1] * 10), None, column(*[0.5, 1.5] * 10), "rows")
    ends = known.interval(column(-0.75, -0.5, 0.25, 1.5, 1.75), None)
    assert ends.isfinite().all(0)[:, 0].tolist() == [False, True, True, True, False]
    assert ends[:, 2, 0].tolist() == [-0.25, 0.75]


def test_what_a_card_says_of_two_properties_fits_together():
    group = {"ends": [0, 1], "factors": [1]}
    two = {"rows": "x", "covered": [0.9, 0.8], "least": [1.0, 2.0], "groups": [group, {"ends": [0, 3], "factors": [2]}]}
    known = Calibration.read(two, 2)
    assert (known.rows, known.covered, known.least.tolist()) == ("x", (0.9, 0.8), [1, 2])
    assert known.interval(torch.tensor([[0.5, 1.0]]), None).tolist() == [[[-0.5, -1.0]], [[1.5, 3.0]]]
    assert of_card({"calibration": two}, 2).card()["groups"] == known.card()["groups"]
    assert of_card({}, 2) is None
    for damaged in (
        two | {"groups": [group, {"ends": [0, 3], "factors": [2, 3]}]},
        two | {"groups": [{"ends": [0, 3], "factors": [2, 3]}, group]},
        two | {"groups": [group] * 3},
        two | {"covered": [0.9]},
        two | {"least": [1.0, math.inf]},
        two | {"least": [1.0]},
        two | {"groups": [group, {"ends": [math.nan, 3], "factors": [2]}]},
    ):
        with pytest.raises(ValueError, match="do not fit together"):
            Calibration.read(damaged, 2)
    with pytest.raises(ValueError, match="do not fit together"):
        Calibration.read(two, 1)


def test_rows_that_are_not_finite_in_any_property_are_left_out():
    predicted, spread = torch.zeros(22, 2), torch.full((22, 2), 0.5)
    y = torch.arange(1.0, 45.0).reshape(22, 2)
    whole = Calibration.fitted(predicted[:20], spread[:20], y[:20], "rows")
    y[20, 1], predicted[21, 0] = math.nan, math.inf
    some = Calibration.fitted(predicted, spread, y, "rows")
    assert some.card() == whole.card()


def test_the_errors_of_one_group_bound_all_predictions_in_it():
    known = Calibration.fitted(column(*range(7, 27)), None, column(*range(7, 27)) + column(*range(1, 21)), "rows")
    assert factors(known) == [19]  # of 20 errors 1, 2, …, 20
    assert known.groups[0][0].tolist() == [7, 26]


@pytest.mark.parametrize("spread", [None, 0.5, 3.0])
def test_the_largest_of_ten_errors_is_outside_what_the_nine_others_bound(spread):
    """Each row is a tenth of the rows; nine others bound it by their largest error."""
    spreads = None if spread is None else torch.full((10, 1), spread)
    at = torch.zeros(10, 1)
    assert Calibration.fitted(at, spreads, column(*range(1, 11)), "rows").covered == (0.9,)
    assert Calibration.fitted(at, spreads, -column(*range(1, 11)), "rows").covered == (0.9,)
    if spread is None:  # the ends themselves are inside
        assert Calibration.fitted(at, None, column(*[1, -1] * 5), "rows").covered == (1.0,)


def test_rows_are_judged_by_intervals_of_the_other_rows():
    # The largest error lies outside of what the others bound; each other error inside, unless it shares its tenth.
    known = Calibration.fitted(torch.zeros(20, 1), None, column(*range(1, 21)), "rows")
    assert known.covered[0] in (0.95, 0.9)
