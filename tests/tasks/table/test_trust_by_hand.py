"""What is said of a table's candidates, by a surrogate whose predictions and spreads are written down."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from ipage_core.inference.basis import MEASURED
from ipage_core.networks.base import Network
from ipage_core.networks.store import load_tensors, save_tensors
from ipage_core.problem.goal import Goal
from ipage_core.problem.target import Target
from ipage_core.tasks.table import candidates, own_data, own_task, trust
from ipage_core.tasks.table.advice import warnings
from ipage_core.tasks.table.card import read_card
from ipage_core.tasks.table.rows import ROWS, complete_pairs, measured
from ipage_core.tasks.table.surrogate import NORMAL
from ipage_core.training.fit import Settings
from ipage_core.training.table import fit_table

A, B = np.random.default_rng(0).random((2, 60))


class Linear(Network):
    """Predicts (a, 10 b), with spreads (0.1, 2)."""

    def forward(self, x):
        return x * x.new_tensor([1.0, 10.0])

    def spread(self, x):
        return x.new_tensor([0.1, 2.0]).expand(len(x), 2)


def a_method():
    return SimpleNamespace(name="prior-lm", surrogate=Linear(), device="cpu", cards={"mlp": {}})


@pytest.fixture
def task(tmp_path):
    """Sixty rows below one without an input: y = (a, 10 b); a from 0 to 1, b from 0 to 10, so widths differ."""
    frame = pd.DataFrame({"a": [np.nan, *A], "b": [0.5, *10 * B], "p": [0.0, *A], "q": [0.0, *10 * B]})
    return own_data.create(tmp_path / "own", frame, ["a", "b"], ["p", "q"], source="t.csv")


def test_the_expected_misfit_has_bias_and_spread_in_tolerances(task):
    x = torch.tensor([[0.5, 0.2], [0.3, 0.4]]).double()
    y_star = torch.tensor([[0.4, 3.0], [0.3, 4.0]]).double()
    found = trust.trust(task, a_method(), x, y_star)
    tolerance = task.tolerances
    assert found.predicted.flatten().tolist() == pytest.approx([0.5, 2.0, 0.3, 4.0])
    assert found.half_width[0].tolist() == pytest.approx([NORMAL * 0.1, NORMAL * 2.0])
    square = (torch.tensor([0.1, 1.0]).square() + torch.tensor([0.1, 2.0]).square()) / tolerance.square()
    assert found.expected[0].item() == pytest.approx(math.sqrt(square.mean().item()), rel=1e-6)
    off = ((measured(task.models_folder).y - y_star[0]) / tolerance).square().mean(1).sqrt()
    assert found.row[0] == off.argmin()
    assert found.row_misfit[0] == off.min()


def test_a_property_that_may_be_anything_does_not_count(task):
    x, aims = torch.tensor([[0.5, 0.2]]).double(), torch.tensor([[0.4, 3.0]]).double()
    found = trust.trust(task, a_method(), x, aims, Target((Goal.exactly(0.4), Goal())))
    assert found.expected.item() == pytest.approx(math.sqrt(0.1**2 + 0.1**2) / task.tolerances[0].item(), rel=1e-6)


def test_a_row_that_lacks_a_wanted_property_is_not_the_closest(task):
    rows = torch.tensor([[0.4, math.nan], [0.9, 0.0], [0.2, 0.0]]).double()
    found = trust.trust(task, a_method(), torch.zeros(1, 2).double(), torch.tensor([[0.4, 0.0]]).double(), rows=rows)
    assert found.row.tolist() == [2]


def test_a_row_that_breaks_the_constraints_is_not_the_closest(task):
    """The row closest to p = 0.9 has a near 0.9; of those with a ≤ 0.5 it is the one with the largest a."""
    x, aims = torch.tensor([[0.5, 0.2]]).double(), torch.tensor([[0.9, 3.0]]).double()
    wanted = Target((Goal.exactly(0.9), Goal()))
    rows = measured(task.models_folder)
    free = trust.trust(task, a_method(), x, aims, wanted)
    assert rows.x[free.row[0], 0] > 0.8
    bound = trust.trust(task, a_method(), x, aims, wanted, restrictions=("a<=0.5",))
    assert rows.x[bound.row[0], 0] == rows.x[:, 0][rows.x[:, 0] <= 0.5].max()
    none = trust.trust(task, a_method(), x, aims, wanted, restrictions=("a=0.123",))
    assert math.isinf(none.row_misfit[0])
    assert not none.row_is_closer[0]


def test_no_interval_reaches_below_the_floor():
    zero = torch.zeros(1)
    one = trust.Trust(torch.tensor([[0.05]]), torch.tensor([[0.2]]), zero, zero.long(), zero, torch.zeros(1).double())
    assert one.low.item() == 0.0
    assert one.high.item() == pytest.approx(0.25)


def test_sentences_name_the_row_of_the_file_and_the_surest_candidate(task):
    x = torch.tensor([[0.5, 0.2], [0.4, 0.3]]).double()
    y_star = torch.tensor([[0.4, 3.0]] * 2).double()
    found = trust.trust(task, a_method(), x, y_star)
    number = int(measured(task.models_folder).row[found.row[0]])
    assert number == int(found.row[0]) + 2  # the first row below the header is 1, and lacks an input
    assert f"Row {number} (" in trust.advice(task, found)
    said = trust.intervals(task, found, samples=[10, 11])
    assert "sample 11 is expected to come closest" in said
    assert "q" in said


def test_candidates_stand_beside_their_nearest_rows(task):
    rows = measured(task.models_folder)
    near = rows.x[7] + torch.tensor([0.001, 0.0])
    x = torch.stack((rows.x[3], near, rows.x[3] + 0.5, near))
    frame = pd.DataFrame({"sample": [0, 1, 0, 1], "stage": ["posterior"] * 2 + ["localized"] * 2, "basis": "predicted"})
    frame = frame.assign(x1=x[:, 0], x2=x[:, 1], target1=0.4, target2=3.0)
    aims = torch.tensor([[0.4, 3.0]] * 2).double()
    solutions = SimpleNamespace(target=None, constraints=(), final=x[2:], y_star=aims)
    found = candidates.beside(task, a_method(), solutions, frame)
    assert found["nearest_row"].tolist()[:2] == [int(rows.row[3]), int(rows.row[7])] == [5, 9]
    assert found["basis"].tolist() == [MEASURED, "predicted", "predicted", "predicted"]
    width = float(task.bounds[1, 0] - task.bounds[0, 0])
    assert found["nearest_distance"][1] == pytest.approx(0.001 / width)
    told = candidates.summary(task, a_method(), solutions, found)
    median = found["nearest_distance"][2:].median()
    assert told["median_distance_to_measured"] == pytest.approx(median, rel=1e-3)


def test_each_candidate_to_measure_keeps_its_own_columns(task):
    x = torch.tensor([[0.9, 0.9], [0.4, 0.3], [0.1, 8.0], [0.6, 5.0]]).double()
    y_star = torch.tensor([[0.1, 1.0], [0.4, 3.0], [0.2, 2.0], [0.3, 4.0]]).double()
    found = candidates.to_measure(task, a_method(), x, y_star, 3)
    assert found["why"].tolist() == ["value", "information", "value"]
    assert found["a"][0] == pytest.approx(0.4)  # the candidate that hits is the first
    index, distance = candidates.nearest(task, x)
    for _, row in found.iterrows():
        i = int((x[:, 0] - row["a"]).abs().argmin())
        assert row["p target"] == pytest.approx(y_star[i, 0].item())
        assert row["q predicted"] == pytest.approx(10 * x[i, 1].item())
        assert row["distance"] == pytest.approx(distance[i].item())
        assert row["nearest row"] == int(measured(task.models_folder).row[index[i]])
        assert row["p of nearest row"] == pytest.approx(measured(task.models_folder).y[index[i], 0].item())


def test_the_chance_of_a_hit_is_judged_by_each_property_s_tolerance(tmp_path):
    """A miss of 0.4 in q is within its tolerance of about 0.6, a miss of 0.1 in p is beyond its 0.006."""
    frame = pd.DataFrame({"a": A, "b": 10 * B, "p": A, "q": 100 * B})
    own = own_data.create(tmp_path / "own", frame, ["a", "b"], ["p", "q"], source="t.csv")
    assert own.tolerances[0] < 0.01 < 0.4 < own.tolerances[1]

    class Sure(Linear):
        def spread(self, x):
            return torch.full((len(x), 2), 1e-3)

    method = SimpleNamespace(name="prior-lm", surrogate=Sure(), device="cpu", cards={"mlp": {}})
    x = torch.tensor([[0.5, 3.0], [0.4, 3.04]]).double()
    found = candidates.to_measure(own, method, x, torch.tensor([[0.4, 30.0]] * 2).double(), 1)
    assert found["a"].tolist() == pytest.approx([0.4])


# Rows


def test_rows_of_a_round_that_was_not_recorded_do_not_count(task):
    tensors, _ = load_tensors(task.models_folder / ROWS)
    more = {name: torch.cat((value, value[:1])) for name, value in tensors.items()}
    more["round"][-1] = 1
    save_tensors(task.models_folder / ROWS, more)
    assert len(measured(task.models_folder).x) == 60


def test_a_gap_is_filled_from_the_row_that_is_nearest_in_widths():
    x = torch.tensor([[0.0, 0.0], [1.0, 1000.0], [0.9, 300.0]]).double()
    y = torch.tensor([[1.0], [2.0], [math.nan]]).double()
    assert complete_pairs(x, y)[1].tolist() == [[1.0], [2.0], [2.0]]


def test_a_floor_is_that_of_the_rows_to_train_on(tmp_path):
    y = np.maximum(A - 0.3, 0)
    frame = pd.DataFrame({"a": A, "b": B, "y": y})
    own_data.create(tmp_path / "one", frame, ["a", "b"], ["y"], source="t.csv")
    held_out = measured(tmp_path / "one").held_out.numpy()
    assert own_task.load(tmp_path / "one").targets[0].floor == 0.0
    frame.loc[np.flatnonzero(held_out)[0], "y"] = -1.0  # a row that no training may see
    assert own_data.create(tmp_path / "two", frame, ["a", "b"], ["y"], source="t.csv").targets[0].floor == 0.0


def test_the_default_target_is_usual_among_rows_above_the_floor(tmp_path):
    y = np.where(np.arange(60) < 35, 0.0, np.arange(60.0))
    frame = pd.DataFrame({"a": A, "b": B, "y": y})
    own = own_data.create(tmp_path / "own", frame, ["a", "b"], ["y"], source="t.csv")
    assert own.default_target == (47.0,)  # the middle of 35 … 59
    card = read_card(tmp_path / "own")
    assert card["tolerance"] == card["y"][0]["tolerance"] == float(f"{0.02 * y.std():.1g}")


def test_the_tolerance_of_a_table_is_that_of_the_property_that_varies_least(task):
    card = read_card(task.models_folder)
    assert card["tolerance"] == min(column["tolerance"] for column in card["y"]) < card["y"][1]["tolerance"]


def test_the_tolerance_of_a_number_is_a_share_of_it_where_values_span_decades(tmp_path):
    """Of 10 to 10⁶ the standard deviation is some 10⁵: 0.02 of it would accept any design for a target of 1000."""
    frame = pd.DataFrame({"a": A, "b": B, "rate": 10 ** (1 + 5 * A), "b2": 1 + B})
    own = own_data.create(tmp_path / "own", frame, ["a", "b"], ["rate", "b2"], source="t.csv")
    assert own.targets[0].tolerance > 1000
    usual = own.targets[1].tolerance

    def tolerances(goal):
        return Target((goal, Goal.exactly(1.5))).tolerances(own).tolist()

    assert tolerances(Goal.exactly(1000)) == [20.0, usual]
    assert tolerances(Goal.between(2000, 5000)) == [40.0, usual]
    assert tolerances(Goal.exactly(1000, 7)) == [7.0, usual]
    assert tolerances(Goal("minimize")) == tolerances(Goal.exactly(0)) == [0.02 * own.targets[0].least, usual]
    assert tolerances(Goal("maximize")) == [own.targets[0].tolerance, usual]
    low = measured(tmp_path / "own")
    assert own.targets[0].least == low.y[~low.held_out, 0].min()


def test_uniform_values_span_no_decades_though_some_are_near_zero(task):
    assert [one.least for one in task.targets] == [None, None]


def test_rows_are_few_by_the_number_of_inputs():
    frame = pd.DataFrame({"a": A[:30], "b": B[:30], "y": A[:30] + B[:30]})
    assert any("30 complete rows are few for 2 inputs; below 40" in said for said in warnings(frame, ["a", "b"], ["y"]))
    assert not any("are few" in said for said in warnings(frame, ["a"], ["y"]))


def test_a_factor_of_two_doubles_the_spread():
    x = torch.from_numpy(np.stack((A, B), axis=1))
    bounds, y = torch.tensor([[0.0, 0.0], [1.0, 1.0]]), (x.sum(1) + 0.1 * torch.from_numpy(np.sin(99 * A)))[:, None]
    usual = {"members": 4, "hidden": 8, "layers": 1}
    surrogate, _, _ = fit_table(x, y, bounds, usual, Settings(epochs=1, batch=60))
    before = surrogate.spread(x)
    surrogate.factor = 2 * surrogate.factor
    assert torch.allclose(surrogate.spread(x), 2 * before, rtol=1e-4)


def test_a_spike_of_whole_numbers_does_not_hide_that_designs_are_whole():
    days = np.tile([1, 3, 7, 14, 28, 56], 10)
    said = " ".join(warnings(pd.DataFrame({"days": days, "y": A}), ["days"], ["y"]))
    assert "days are exactly" in said
    assert "days holds whole numbers, 1 to 56: designs do, too" in said
