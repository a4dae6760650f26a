"""Categories as inputs: read, respected by every candidate, written as words; rows without some of the properties."""

import numpy as np
import pandas as pd
import pytest
import torch

import ipage_core as ipage
from ipage_core.inference.methods import load
from ipage_core.problem import constraints
from ipage_core.tasks.table import candidates, kinds, own_data, own_task, reader
from ipage_core.tasks.table.rows import complete_pairs
from ipage_core.training.recipes import train

BASE = {"ethanol": 1.0, "oil": 3.0, "water": 0.0}


def first(a, solvent, stirred):
    return a + solvent.map(BASE) + np.where(stirred == "yes", 0.5 * a, 0)


def table(n=90, seed=0):
    """y depends on a solvent and on whether it is stirred; z is known in two rows of three."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({
        "a": rng.uniform(0, 1, n),
        "solvent": rng.choice(list(BASE), n),
        "stirred": rng.choice(["yes", "no"], n),
        "code": rng.choice([7, 9, 40], n),
    })  # fmt: skip
    frame["y"] = first(frame["a"], frame["solvent"], frame["stirred"])
    frame["z"] = np.where(np.arange(n) % 3 > 0, 2 * frame["a"] - (frame["code"] == 40), np.nan)
    return frame


INPUTS = ["a", "solvent", "stirred", "code"]


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds") / "model"
    made = own_data.create(folder, table(), INPUTS, ["y", "z"], source="t.csv", kinds={"code": "category"})
    with pytest.MonkeyPatch.context() as quick:
        quick.setattr("ipage_core.networks.hyperparameters.KERNELS", ("rbf",))
        quick.setattr("ipage_core.networks.hyperparameters.STARTS", (1.0,))
        quick.setattr("ipage_core.networks.hyperparameters.STEPS", 25)
        for model in ("mlp", "inn"):
            train(made, model, folder, epochs=2)
    return own_task.load(folder)


def test_words_and_codes_become_categories(task):
    assert [v.kind for v in task.variables] == ["real", "category", "category", "category"]
    assert task.variables[1].levels == ("ethanol", "oil", "water")
    assert task.variables[3].levels == ("7", "9", "40")
    assert task.bounds[:, 3].tolist() == [0, 2]
    assert task.variables[1].read("Water") == 2
    assert task.variables[1].read("2") is None


def test_every_candidate_has_one_of_the_levels_and_meets_the_target(task):
    method = load(task, "ipage")
    found = ipage.design(task, {"y": 2.125, "z": 0.5}, n=24)  # stirred ethanol, code 40, a = 0.75
    for x in (found.final, found.posterior):
        assert torch.equal(x[:, 1:], x[:, 1:].round())
        assert task.in_bounds(x[:, :]).all() or x is found.posterior
    frame = candidates.named_beside(task, method, found, found.frame())
    assert set(frame["solvent"]) <= set(BASE)
    assert set(frame["stirred"]) <= {"yes", "no"}
    assert set(frame["code"]) <= {"7", "9", "40"}
    final = frame[frame["stage"] == "localized"]
    assert (first(final["a"], final["solvent"], final["stirred"]) - 2.125).abs().median() < 0.02
    assert (found.surrogate[:, 1] - 0.5).abs().median() < 0.02
    assert set(found.to_frame()["solvent"]) <= set(BASE)


def test_levels_that_reach_the_target_share_the_designs(task):
    """y = 1.2 is possible in ethanol, stirred or not, and in water that is stirred: a = 0.2, 0.13, 0.8."""
    found = ipage.design(task, {"y": 1.2}, n=30)
    reached = (found.surrogate[:, 0] - 1.2).abs() < 0.01
    counts = pd.Series(map(tuple, found.final[reached, 1:3].int().tolist())).value_counts()
    assert set(counts.index) == {(0, 0), (0, 1), (2, 1)}
    assert counts.min() >= 4


def test_a_constraint_names_a_level(task):
    found = ipage.design(task, {"y": 2.0}, n=8, constraints="solvent = ethanol; stirred = yes")
    assert found.to_frame()["solvent"].eq("ethanol").all()
    for said, what in (
        ("solvent = beer", "accepted: solvent=LEVEL with ethanol, oil, water"),
        ("solvent <= oil", "is a category"),
        ("solvent + a <= 1", "of which there are no sums"),
    ):
        with pytest.raises(ValueError, match=what):
            constraints.parse(task, [said])


def test_designs_with_categories_are_not_spread(task):
    with pytest.raises(ValueError, match="between categories there is no distance"):
        ipage.design(task, {"y": 2.0}, n=4, fill=0.1)
    found = ipage.design(task, {"y": 2.0}, n=4, spread="box")
    assert torch.equal(found.final[:, 1:], found.final[:, 1:].round())


def test_two_levels_are_a_width_apart(task):
    rows = own_data.measured(task.models_folder).x
    low, high = task.bounds
    other = rows[:20].clone()
    other[:, 1] = (other[:, 1] + 1) % 3
    a = (other[:, None, 0] - rows[:, 0]) / (high[0] - low[0])
    by_hand = (a.square() + (other[:, None, 1:] != rows[:, 1:]).sum(2)).sqrt()
    _, distance = candidates.nearest(task, other)
    torch.testing.assert_close(distance, by_hand.amin(1))
    assert torch.equal(candidates.nearest(task, rows)[1], torch.zeros(len(rows), dtype=torch.float64))


def test_what_is_to_be_measured_comes_back_in_words(task, tmp_path):
    found = ipage.design(task, {"y": 2.0, "z": 0.5}, n=12)
    chosen = found.to_measure(4)
    assert set(chosen["stirred"]) <= {"yes", "no"}
    chosen["y"] = 2.0  # z was not measured
    chosen["stirred"] = chosen["stirred"].str.upper()
    folder = tmp_path / "copy"
    own_data.create(folder, table(), INPUTS, ["y", "z"], source="t.csv", kinds={"code": "category"})
    assert own_data.add(folder, chosen[[*INPUTS, "y", "z"]], source="next.csv") == len(chosen)
    chosen.loc[chosen.index[0], "solvent"] = "beer"
    with pytest.raises(ValueError, match="'beer' is no level of solvent, which has ethanol, oil, water"):
        own_data.add(folder, chosen, source="next.csv")


def test_rows_without_a_property_train_the_others(task):
    rows = own_data.measured(task.models_folder)
    assert rows.y[:, 0].isfinite().all()
    assert rows.y[:, 1].isnan().sum() == 30
    x, y, _ = task.training_pairs("mlp", lambda: None)
    assert len(x) == int((~rows.held_out).sum())
    assert y[:, 1].isnan().any()
    assert not task.training_pairs("inn", lambda: load(task, "ipage").surrogate)[1].isnan().any()
    assert not task.pairs()[1].isnan().any()
    told = " ".join(reader.warnings(table(), INPUTS, ["y", "z"]))
    assert "30 of 90 rows lack z: they train the other properties" in told
    assert "solvent is a category of 3 levels (ethanol, oil, water)" in told


def test_no_row_need_have_all_properties():
    y = torch.tensor([[1.0, torch.nan], [torch.nan, 5.0], [2.0, torch.nan]], dtype=torch.float64)
    x = torch.tensor([[0.0], [0.9], [1.0]], dtype=torch.float64)
    assert complete_pairs(x, y)[1].tolist() == [[1, 5], [2, 5], [2, 5]]


def test_a_gap_is_filled_from_the_row_that_is_nearest_in_widths_of_the_inputs():
    x = torch.tensor([[0.0, 40.0], [1.0, 60.0], [0.95, 45.0], [0.5, 100.0]], dtype=torch.float64)
    y = torch.tensor([[1.0, 5.0], [2.0, torch.nan], [torch.nan, 6.0], [4.0, torch.nan]], dtype=torch.float64)
    assert complete_pairs(x, y)[1].tolist() == [[1, 5], [2, 6], [2, 6], [4, 6]]


@pytest.mark.parametrize(
    ("column", "said", "what"),
    [
        ("label", "", "holds 100 different words, as 'row 0', too many for a category"),
        ("day", "", "holds dates"),
        ("solvent", "log", "holds categories, as 'oil', which are not 'log'"),
        ("solvent", "colour", "'colour' is no kind of the column 'solvent'"),
        ("same", "", "'same' is x in every row"),
    ],
)
def test_what_is_no_category_is_refused(tmp_path, column, said, what):
    n = 100
    frame = pd.DataFrame({"a": np.arange(n) / n, "solvent": ["oil", "water"] * 50, "y": np.arange(n) ** 2.0})
    frame["label"] = [f"row {k}" for k in range(n)]
    frame["day"] = [f"2024-01-{1 + k % 28:02d}" for k in range(n)]
    frame["same"] = "x"
    with pytest.raises(ValueError, match=what):
        own_data.create(
            tmp_path / "t", frame, ["a", column], ["y"], source="t.csv", kinds={column: said} if said else {}
        )


def test_levels_are_told_apart_by_case_only_where_they_must_be():
    cells = pd.Series(["YES", "no", None, "perhaps", True])
    assert np.array_equal(kinds.places(cells, ["no", "yes"]), [1, 0, np.nan, np.nan, np.nan], equal_nan=True)
    assert np.array_equal(kinds.places(pd.Series(["a", "A", "B"]), ["a", "A", "b"]), [0, 1, 2])
    assert np.array_equal(kinds.places(pd.Series([True, False]), ["False", "True"]), [1, 0])
    assert np.array_equal(kinds.places(pd.Series([1.0, 2.0]), ["1", "2"]), [0, 1])
