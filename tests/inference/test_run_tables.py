"""Both tables of a run, column by column, for a task with a category, a property beyond the targets, and intervals."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ipage_core.inference.methods import Loaded, Prior
from ipage_core.inference.pipeline import design
from ipage_core.inference.solution_tables import named_table, numbered_table, words_of_categories
from ipage_core.inference.verification import Verification
from ipage_core.problem.goal import Goal
from ipage_core.problem.target import Target
from ipage_core.problem.task import Property, Task, Variable

TASK = Task.from_function(
    lambda x: torch.stack((x[:, 0] + x[:, 1], x[:, 0], 10 * x[:, 1], -x[:, 0]), 1),
    [Variable("a", "mm", 0, 1), Variable("k", kind="category", levels=("oak", "elm"))],
    [
        Property("p", "N", tolerance=0.1),
        Property("q", tolerance=0.3),
        Property("mass", "kg", tolerance=1),
        Property("cost", tolerance=1),
    ],
    "beam",
    n_targets=2,
    seconds=0,
    default_target=(1.5, 0.5),
)


@pytest.fixture(scope="module")
def run():
    method = Loaded("exact", Prior(TASK), lambda x: torch.stack((x[:, 0] + x[:, 1], x[:, 0]), 1), torch.device("cpu"))
    found = design(TASK, method, torch.tensor([1.5, 0.5]), 6)
    goals = torch.tensor([[1.5, 0.5]] * 3 + [[0.9, 0.4]] * 3, dtype=torch.float64)
    starts = torch.tensor([[0.45, 1.0], [0.7, 1.0], [0.55, 1.0], [0.5, 0.0], [0.95, 0.0], [0.68, 0.0]])
    ends = torch.tensor([[0.5, 1.0], [0.55, 1.0], [0.7, 1.0], [0.4, 0.0], [0.85, 0.0], [0.98, 0.0]])
    y = TASK.omega(ends.double())
    off = y[:, :2] - goals
    by_omega = replace(
        found.verification, y=y, resim_error=off.square().sum(1), hit=off.abs().le(TASK.tolerances).all(1)
    )
    intervals = torch.arange(24.0, dtype=torch.float64).view(2, 6, 2)
    return replace(
        found,
        y_star=goals,
        posterior=starts,
        localized=ends,
        verification=by_omega,
        replaced=torch.tensor([False, True, False, False, False, True]),
        interval_posterior=intervals + 100,
        interval=intervals,
    )


def test_a_design_is_predicted_to_hit_within_the_tolerance_of_each_property(run):
    predicted = torch.tensor([[1.59, 0.5], [1.65, 0.5], [1.5, 0.85], [0.81, 0.4], [0.9, 0.69], [0.7, 0.4]])
    one = replace(run, surrogate=predicted, omega_calls=run.verification.calls)
    assert one.predicted_hits().tolist() == [True, False, False, True, True, False]
    wider = replace(one, target=Target((Goal.exactly(1.5, 0.16), Goal.exactly(0.5))))
    assert wider.predicted_hits().tolist() == [True, True, False, True, True, False]


def test_the_numbered_table_holds_every_stage_column_by_column(run):
    table = numbered_table(run)
    assert list(table) == [
        *("sample", "stage", "target1", "target2", "x1", "x2", "surrogate1", "surrogate2", "y1", "y2"),
        *(
            "resim_error",
            "hit",
            "in_bounds",
            "replaced",
            "mass [kg]",
            "cost",
            "low1",
            "low2",
            "high1",
            "high2",
            "basis",
            "k",
        ),
    ]
    assert table.index.tolist() == list(range(12))
    assert table["sample"].tolist() == [*range(6), *range(6)]
    assert table["target1"].tolist() == ([1.5] * 3 + [0.9] * 3) * 2
    for stage, x, low in (("posterior", run.posterior, 100), ("localized", run.localized, 0)):
        part = table[table["stage"] == stage]
        y = TASK.omega(x.double())
        off = y[:, :2] - run.y_star
        expected = {
            "x1": x[:, 0], "x2": x[:, 1], "y1": y[:, 0], "y2": y[:, 1], "mass [kg]": y[:, 2], "cost": y[:, 3],
            "resim_error": off.square().sum(1), "hit": ((off[:, 0].abs() <= 0.1) & (off[:, 1].abs() <= 0.3)).double(),
        }  # fmt: skip
        for name, values in expected.items():
            assert part[name].astype(float).tolist() == pytest.approx(values.tolist(), abs=1e-9)
        assert part["low1"].tolist() == [low + 2 * i for i in range(6)]
        assert part["low2"].tolist() == [low + 2 * i + 1 for i in range(6)]
        assert part["high1"].tolist() == [low + 12 + 2 * i for i in range(6)]
        assert part["k"].tolist() == ["elm"] * 3 + ["oak"] * 3
        assert part["replaced"].tolist() == [stage == "localized" and i in (1, 5) for i in range(6)]
        assert part["basis"].tolist() == ["verified by Ω"] * 6
    unverified = replace(run, verification=Verification.nowhere(TASK, 6))
    assert numbered_table(unverified)["basis"].tolist() == ["predicted, 90 % interval"] * 12
    assert numbered_table(replace(unverified, localized=None))["basis"].tolist() == ["not predicted"] * 6
    assert words_of_categories(TASK, run.posterior) == {"k": ["elm"] * 3 + ["oak"] * 3}
    renamed = numbered_table(replace(run, task=replace(TASK, columns=("length", "wood"))))
    assert "k" not in renamed  # the table's own names follow elsewhere


def test_starts_are_judged_by_a_fast_omega_that_has_judged_all_designs_and_as_the_run_is(run):
    def hits(run):
        return numbered_table(run)["hit"].iloc[:6]

    assert hits(run).tolist() == [True, False, True, False, False, False]  # p ± 0.1, q ± 0.3
    for partly in (
        replace(run, verification=replace(run.verification, calls=5)),
        replace(run, task=replace(TASK, omega_seconds=1.0)),
    ):
        assert hits(partly).isna().all()
        assert numbered_table(partly)["y1"].iloc[:6].isna().all()
    wide = replace(run, target=Target((Goal("exactly", 1.5, 1.5, tolerance=0.45), Goal.exactly(0.5))))
    assert hits(wide).tolist() == [True, True, True, True, False, True]
    free = replace(run, target=Target((Goal.exactly(1.5), Goal())))
    assert hits(free).tolist() == [True, False, True, False, True, False]
    other = replace(run, target=Target((Goal(), Goal.exactly(0.5))))
    assert hits(other).tolist() == [True, True, True, True, False, True]


def test_the_named_table_holds_words_units_and_the_ends_of_intervals(run):
    table = named_table(run)
    assert list(table) == [
        *("sample", "a [mm]", "k", "p [N]", "q", "mass [kg]", "cost", "p predicted [N]", "q predicted"),
        *("p predicted [N], 90 % from", "p predicted [N], 90 % to", "q predicted, 90 % from", "q predicted, 90 % to"),
        *("hit", "rests on"),
    ]
    assert table["k"].tolist() == ["elm"] * 3 + ["oak"] * 3
    assert np.allclose(table["a [mm]"], run.localized[:, 0])
    assert np.allclose(table["mass [kg]"], 10 * run.localized[:, 1])
    assert np.allclose(table["q predicted"], run.surrogate[:, 1])
    assert table["p predicted [N], 90 % from"].tolist() == [0, 2, 4, 6, 8, 10]
    assert table["p predicted [N], 90 % to"].tolist() == [12, 14, 16, 18, 20, 22]
    assert table["q predicted, 90 % from"].tolist() == [1, 3, 5, 7, 9, 11]
    assert table["q predicted, 90 % to"].tolist() == [13, 15, 17, 19, 21, 23]
    assert table["hit"].tolist() == [True, True, False, False, False, False]
    without = named_table(replace(run, task=replace(TASK, omega=None)))
    assert not {"p [N]", "mass [kg]", "hit"} & set(without)
