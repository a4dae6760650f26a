"""What a run says of itself, word for word, and the figures of its summary."""

from dataclasses import replace

import pytest
import torch

from ipage_core.inference.run_result import RunResult
from ipage_core.inference.solution_text import about_intervals, in_words, summary
from ipage_core.inference.verification import Verification
from ipage_core.problem.goal import Goal
from ipage_core.problem.target import Target
from ipage_core.problem.task import Property, Task, Variable


def double(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def task_of(m, names="ab", unit="m", **more):
    task = Task.from_function(
        lambda x: x[:, :1].expand(-1, m),
        [Variable(name, "mm", 0, 1) for name in names],
        [Property(f"p{j + 1}", unit, tolerance=0.1) for j in range(m)],
        "rods",
        seconds=0,
        default_target=(0.5,) * m,
    )
    return replace(task, **more)


def run(task, y_star, errors, hits, **more):
    """Designs in the middle of the box; errors by Ω, NaN where it did not run."""
    y_star, resim = double(*y_star), torch.tensor(errors, dtype=torch.float64)
    n, m = y_star.shape
    y = torch.where(resim.isfinite()[:, None], 0.5, torch.nan).double().expand(n, m)
    by_omega = Verification(y, resim, torch.tensor(hits), more.pop("calls", int(resim.isfinite().sum())))
    x = torch.full((n, task.d), 0.5)
    fields = {
        "posterior": x, "localized": x, "surrogate_posterior": y_star, "surrogate": y_star, "verification": by_omega,
        "replaced": torch.zeros(n, dtype=torch.bool), "success_before_replacement": n - 1, "omega_calls": 7,
        "seconds": {"latent": 0.123456}, "note": "",
    }  # fmt: skip
    return RunResult(
        task=task, method="ipage", sampling="maximin", seed=5, y_star=y_star, z=torch.zeros(n, 2),
        cycle_error=torch.zeros(n), path=None, **{**fields, **more},
    )  # fmt: skip


NAN = float("nan")


def test_one_design_and_one_hit_are_singular_and_the_error_is_a_root():
    one = in_words(run(task_of(1), [[1.25]], [0.04], [True]))
    assert one == (
        "1 design of rods for 1.25 m\n"
        "  by ipage, maximin latent points, seed 5; 1 verified by Ω, 1 hit, median error 0.2 m\n"
        "  inputs a [mm], b [mm]; properties p1 [m]"
    )
    three = in_words(run(task_of(2), [[1, 2]] * 3, [0.04, 0.01, NAN], [True, True, False], calls=3))
    assert three.splitlines()[:2] == [
        "3 designs of rods for (1, 2) m",
        "  by ipage, maximin latent points, seed 5; 3 verified by Ω, 2 hits, median error 0.1 m",
    ]
    failed = in_words(run(task_of(1), [[1.0]], [NAN], [False], calls=1))
    assert failed.splitlines()[1].endswith("; 1 verified by Ω, 0 hits")
    mixed = in_words(run(task_of(2, properties=(Property("p", "m"), Property("q", "s"))), [[1, 2]], [0.04], [True]))
    assert mixed.splitlines()[0] == "1 design of rods for (1, 2)"
    assert mixed.splitlines()[1].endswith("median error 0.2")
    several = in_words(run(task_of(1), [[1.0], [2.0], [1.0]], [NAN] * 3, [False] * 3))
    assert several.splitlines()[:2] == [
        "3 designs of rods for 2 targets",
        "  by ipage, maximin latent points, seed 5; predicted, not verified by Ω",
    ]


def test_what_has_not_been_verified_says_why():
    bare = {"localized": None, "surrogate": None, "surrogate_posterior": None}
    for task, more, said in (
        (task_of(1), {}, "predicted, not verified by Ω"),
        (task_of(1), bare, "not predicted, not verified by Ω"),
        (task_of(1, omega=None), {}, "predicted, not verified: the task has no Ω"),
        (task_of(1, omega=None), bare, "not predicted, not verified: the task has no Ω"),
    ):
        assert in_words(run(task, [[1.0]], [NAN], [False], **more)).splitlines()[1].endswith(f"seed 5; {said}")


def test_six_names_are_listed_and_of_more_the_ends():
    names = in_words(run(task_of(7, "abcdef"), [[1.0] * 7], [NAN], [False])).splitlines()[2]
    inputs = ", ".join(f"{name} [mm]" for name in "abcdef")
    assert names == f"  inputs {inputs}; properties p1 [m], …, p7 [m] (7)"
    commas = task_of(1, ["a, b", "c"])
    assert in_words(run(commas, [[1.0]], [NAN], [False])).splitlines()[2].startswith("  inputs a, b [mm]; c [mm]; ")


def test_remarks_follow_each_on_its_line():
    filled = {"sentence": "Filled."}
    told = run(
        task_of(1, remark="Remark."), [[1.0]], [0.0], [True], note="Note.", not_spread="As drawn.", filled=filled
    )
    assert in_words(told).splitlines()[3:] == ["  Remark.", "  Note.", "  As drawn.", "  Filled."]
    figures = summary(told)
    assert (figures["note"], figures["not_spread"], figures["filled"]) == ("Note.", "As drawn.", filled)
    plain = summary(run(task_of(1), [[1.0]], [0.0], [True]))
    assert not {"note", "not_spread", "filled", "intervals", "distinct", "omega_failed"} & set(plain)


def test_a_target_with_goals_is_said_in_its_own_words():
    goals = Target((Goal.between(0, 2),))
    assert in_words(run(task_of(1), [[1.0], [1.5]], [NAN] * 2, [False] * 2, target=goals)).startswith(
        "2 designs of rods for " + goals.in_words(task_of(1)) + "\n"
    )
    exactly = Target((Goal.exactly(1.0),))
    assert in_words(run(task_of(1), [[1.0]], [NAN], [False], target=exactly)).startswith("1 design of rods for 1 m\n")


def test_the_figures_of_the_summary():
    told = run(
        task_of(1), [[1.0]] * 4, [0.5, 0.1, 0.3, NAN], [True, False, True, False], calls=4,
        replaced=torch.tensor([True, False, True, True]),
        localized=torch.tensor([[0.5, 0.5], [2.0, 0.5], [0.25, 0.5], [0.255, 0.5]]),
    )  # fmt: skip
    assert summary(told) == {
        "n": 4,
        "resim_mse": pytest.approx(0.3),
        "resim_median": pytest.approx(0.3),
        "verified": 4,
        "hits": 2,
        "in_bounds": 3,
        "replaced": 3,
        "success_before_replacement": 3,
        "omega_calls": 7,
        "seconds": {"latent": 0.1235},
        "omega_failed": 1,
        "basis": {"verified by Ω": 3, "predicted": 1},
    }
    optimum = replace(told, target=Target((Goal("maximize"),)))
    assert summary(optimum)["distinct"] == 3  # the last two lie within a hundredth of a width
    assert "distinct" not in summary(replace(told, target=Target((Goal.exactly(1.0),))))


@pytest.mark.parametrize(
    ("families", "found"), [([0, -1, 2, 2], 2), ([0, 0, 0, 0], 1), ([-1, -1, -1, -1], None), ([0, -1, -1, -1], 1)]
)
def test_families_are_counted_for_one_target(families, found):
    task = task_of(1, modes=lambda x, y: torch.tensor(families), n_modes=5)
    figures = summary(run(task, [[1.0]] * 4, [NAN] * 4, [False] * 4))
    assert (figures.get("modes_found"), figures.get("modes_total")) == (found, 5 if found else None)
    several = summary(run(task, [[1.0]] * 3 + [[2.0]], [NAN] * 4, [False] * 4))
    assert "modes_found" not in several


def test_intervals_are_said_by_the_median_of_predicted_designs():
    half = double([0.1], [0.3], [0.2], [9.0])
    middle = double([1.0], [2.0], [3.0], [4.0])
    ends = torch.stack((middle - half, middle + half))
    told = run(
        task_of(1), [[1.0]] * 4, [NAN, NAN, NAN, 0.0], [False] * 3 + [True], interval=ends, calibrated_on="5 rows"
    )
    assert about_intervals(told) == "Predictions: ± 0.2 m (median of the 90 % intervals, calibrated on 5 rows)"
    assert summary(told)["intervals"] == about_intervals(told)
    assert f"  {about_intervals(told)}" in in_words(told).splitlines()
    unknown = replace(told, interval=torch.full_like(ends, NAN))
    assert about_intervals(unknown) == about_intervals(replace(told, interval=None)) == ""
    for m, end in ((6, "p6 ± 0.5 m"), (7, "p6 ± 0.5 m, …")):
        wide = torch.stack((torch.zeros(1, m), torch.ones(1, m))).double()
        many = run(task_of(m), [[1.0] * m], [NAN], [False], interval=wide, calibrated_on="5 rows")
        first = ", ".join(f"p{j} ± 0.5 m" for j in range(1, 6))
        assert about_intervals(many).startswith(f"Predictions: {first}, {end} (median")
