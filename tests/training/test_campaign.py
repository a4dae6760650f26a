"""Campaigns: distinct verified hits within a budget, failures avoided, and nothing lost to a kill."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ipage_core.cli.main import main
from ipage_core.problem.request import DesignRequest
from ipage_core.problem.target import Target
from ipage_core.problem.task import Task, Variable
from ipage_core.tasks import TASKS
from ipage_core.training.campaign import shipped
from ipage_core.training.campaign.beliefs import Accepted, Beliefs, Coordinates
from ipage_core.training.campaign.choose import choose, distinct
from ipage_core.training.campaign.process import alone, fit, ties
from ipage_core.training.campaign.report import summary
from ipage_core.training.campaign.run import Campaign

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("IPAGE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("IPAGE_TASKS", "")
    monkeypatch.chdir(tmp_path)


def area(x):
    """a·b, which fails where a > 1.7."""
    y = x[:, :1] * x[:, 1:]
    return torch.where(x[:, :1] > 1.7, torch.nan, y)


def task(**more) -> Task:
    bounds = {"a [m]": (1, 2), "b [m]": (1, 2)}
    return Task.from_function(area, bounds, {"area [m²]": 0.02}, "box", default_target=(2.0,), seconds=1.0, **more)


def campaign(target="2", **settings) -> Campaign:
    asked = {"hits": 4, "budget": 20, "ledger": Path("c.jsonl")} | settings
    known = asked.pop("task", None) or task()
    return Campaign(known, Target.parse(known, target), **asked)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A campaign that no one stopped, and what it printed."""
    run, lines = campaign(ledger=tmp_path_factory.mktemp("whole") / "c.jsonl"), []
    run.run(lines.append)
    return run, lines


def test_hits_are_true_distinct_and_within_the_budget(whole):
    run, lines = whole
    x, y = run.x[run.distinct_hits], run.y[run.distinct_hits, 0]
    assert len(run.distinct_hits) == 4
    assert run.evaluations <= 20
    assert ((y - 2).abs() <= 0.02).all()
    assert torch.allclose(x.prod(1), y)
    assert torch.pdist(x).min() > 0.02
    assert torch.pdist(x).max() > 0.3, "hits are spread over the solutions"
    assert len(lines) == run.evaluations
    assert all(line.sentence for line in lines)


def test_failures_are_avoided_and_never_hits():
    run, lines = campaign(target="2.5", hits=5, budget=24, task=task(why_failed=lambda x: ["too long"] * len(x))), []
    run.run(lines.append)
    assert sum(line.sentence.endswith("→ failed: too long") for line in lines) == run.failed
    assert run.failed > 0, "the region that fails was met"
    assert (run.x[run.distinct_hits, 0] <= 1.7).all()
    assert run.failed < 0.4 * run.evaluations, "two fifths of all solutions lie where it fails"


def test_intervals_and_bounds_are_targets_and_optima_are_not():
    run = campaign(target="2.1:2.3", hits=2, budget=12)
    run.run()
    assert len(run.distinct_hits) >= 1
    assert ((run.y[run.distinct_hits] >= 2.1) & (run.y[run.distinct_hits] <= 2.3)).all()
    run = campaign(target="2.5:", hits=2, budget=10, ledger=Path("d.jsonl"))
    run.run()
    assert (run.y[run.distinct_hits] >= 2.5).all()
    with pytest.raises(ValueError, match="not minimize or maximize"):
        campaign(target="minimize")


def test_a_campaign_without_enough_hits_says_what_is_near():
    run = campaign(target="3.99", hits=2, budget=5)
    run.run()
    note = summary(run)["note"]
    assert "a larger --budget goes on: the 5 count" in note
    fine = run.y[run.y[:, 0].isfinite(), 0]
    row = run.y[:, 0].nan_to_num(0).argmax() + 1
    assert f"No evaluation met the target; the closest so far is evaluation {row}: area {fine.max():.4g} m²." in note
    assert f"All results of area are from {fine.min():.4g} to {fine.max():.4g} m², below the target." in note
    run.before_y = torch.tensor([[0.001]], dtype=torch.float64)  # of an earlier campaign
    assert f"All results of area are from 0.001 to {fine.max():.4g} m²" in summary(run)["note"]
    run.before_y = torch.tensor([[5.0]], dtype=torch.float64)
    assert "All results" not in summary(run)["note"]
    run = campaign(target="50", hits=1, budget=24, ledger=Path("far.jsonl"))
    run.run()
    assert summary(run)["note"].endswith("m², below the target: it may be out of reach.")
    run = campaign(target="2", hits=3, budget=16, apart=2.0, ledger=Path("d.jsonl"))
    run.run()
    assert len(run.distinct_hits) == 1
    alike, note = int(run.hit.sum()) - 1, summary(run)["note"]
    assert ("within --apart 2 of another one" in note) == bool(alike)
    since = 15 - run.distinct_hits[0]
    assert (f"1 distinct hit; the last {since} evaluations brought none: there may be no more." in note) == (
        since >= 10
    )


def test_a_target_with_few_solutions_says_that_there_may_be_no_more():
    steps = Variable("steps", kind="integer", low=1, high=30)
    known = Task.from_function(
        lambda x: (x - 7).abs(), [steps], {"off": 0.5}, "steps", seconds=1.0, default_target=(1.0,)
    )
    run = Campaign(known, Target.parse(known, "2"), 5, 24, Path("c.jsonl"))  # 5 and 9 alone
    run.run()
    assert sorted(run.x[run.distinct_hits, 0].tolist()) == [5, 9]
    since = 23 - run.distinct_hits[-1]
    assert f"2 distinct hits; the last {since} evaluations brought none: there may be no more." in summary(run)["note"]


def test_a_batch_is_finished_and_the_note_says_so():
    run = campaign(target="1:4", hits=2, budget=20, batch=5)
    run.run()
    hits = len(run.distinct_hits)
    assert hits > 2
    assert summary(run)["note"] == f"{hits} hits, not 2: the last batch of 5 was finished."
    assert "note" not in summary(campaign_of_single_steps())


def campaign_of_single_steps():
    run = campaign(target="1:4", hits=2, budget=20, ledger=Path("single.jsonl"))
    run.run()
    return run


COUNTED = """
import torch
from ipage_core.problem.task import Task
def omega(x):
    with open("calls", "a") as file:
        file.writelines(f"{row}\\n" for row in x.tolist())
    y = x.prod(1)
    x.zero_()
    return torch.where(y < 1.2, torch.nan, y)
TASK = Task.from_function(omega, x={"a": (1, 2), "b": (1, 2)}, y={"area": 0.02}, name="counted")
"""


def test_the_budget_counts_each_evaluation_and_rows_are_the_designs_that_were_evaluated(capsys):
    Path("counted.py").write_text(COUNTED)
    words = ["--task", "counted.py", "--target", "2", "--hits", "9", "--budget", "8", "--batch", "4"]
    main(["campaign", *words, "--out", "hits.csv"])
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["evaluations"] == 8
    calls = [json.loads(line) for line in Path("calls").read_text().splitlines()]
    assert len(calls) == 8
    steps = [json.loads(line) for line in Path("hits.campaign.jsonl").read_text().splitlines()]
    assert [row for step in steps if "ask" in step for row in step["ask"]] == calls
    frame = pd.read_csv("hits.csv")
    assert np.allclose(frame.x1 * frame.x2, frame.y1)


def test_constraints_hold_in_every_design():
    run = campaign(hits=1, budget=9, constraints=("a=b",))
    run.run()
    assert torch.allclose(run.x[:, 0], run.x[:, 1])
    run = campaign(hits=2, budget=10, constraints=("a + b = 2.9",), ledger=Path("d.jsonl"))
    run.run()
    assert torch.allclose(run.x.sum(1), torch.tensor(2.9, dtype=torch.float64))


def test_two_properties_in_units_far_apart():
    def both(x):
        return torch.stack((x[:, 0] * x[:, 1], 1e4 * (x[:, 0] + x[:, 2])), dim=1)

    bounds = {"a": (1, 2), "b": (1, 2), "c": (1, 2)}
    known = Task.from_function(
        both, bounds, {"area": 0.03, "sum": 300.0}, "two", default_target=(2.0, 3e4), seconds=1.0
    )
    run = Campaign(known, Target.parse(known, "2,30000"), 4, 30, Path("c.jsonl"))
    run.run()
    assert len(run.distinct_hits) == 4


def test_categories_are_chosen_and_differ_as_much_as_the_ends_of_a_box():
    metal = Variable("metal", kind="category", levels=("Cu", "Ag", "Au"))

    def cost(x):
        return x[:, :1] * torch.tensor([1.0, 1.2, 10.0], dtype=torch.float64)[x[:, 1:].round().long()]

    known = Task.from_function(
        cost, [Variable("length", "m", 1, 2), metal], {"cost": 0.02}, "wire", default_target=(1.5,), seconds=1.0
    )
    run = Campaign(known, Target.parse(known, "1.5"), 2, 24, Path("c.jsonl"))
    run.run()
    x = run.x[run.distinct_hits]
    assert sorted(x[:, 1].tolist()) == [0, 1], "one hit of copper, one of silver"
    assert (run.x[:, 1] == run.x[:, 1].round()).all()
    assert float(run.at.distance(x[:1], x[1:])) >= 1
    assert torch.allclose(cost(x), run.y[run.distinct_hits])
    held = Campaign(known, Target.parse(known, "1.5"), 1, 16, Path("d.jsonl"), constraints=("metal=Ag",))
    held.run()
    assert (held.x[:, 1] == 1).all()
    assert len(held.distinct_hits) == 1


def test_hits_of_one_coordinate_are_spread_within_the_tolerance():
    known = Task.from_function(
        lambda x: x**2, {"a": (1, 2)}, {"square": 0.4}, "line", default_target=(2.5,), seconds=1.0
    )
    run = Campaign(known, Target.parse(known, "2.5"), 6, 24, Path("c.jsonl"))
    run.run()
    assert len(run.distinct_hits) == 6


def test_designs_of_many_coordinates_come_from_the_networks(monkeypatch):
    known = TASKS["architecture"]
    drawn = known.stored()[0][:200].double()

    class Found:
        def __init__(self, x):
            self.final, self.surrogate = x, known.omega(x)[:, :1].float() + 0.05

    calls = itertools.count()
    monkeypatch.setattr(shipped, "load", lambda *_: None)
    monkeypatch.setattr(
        DesignRequest, "run", lambda request, method: Found(drawn[32 * (k := next(calls)) : 32 * k + 32])
    )
    middle = float(known.omega(drawn[:32])[:, 0].median())
    run = Campaign(known, Target.parse(known, f"{middle - 0.1}:{middle + 0.1}"), 3, 12, Path("c.jsonl"))
    run.run()
    y = run.y[run.distinct_hits, 0]
    assert len(run.distinct_hits) >= 1
    assert ((y >= middle - 0.1) & (y <= middle + 0.1)).all()
    assert torch.allclose(known.omega(run.x[run.distinct_hits])[:, 0], y)
    assert len(run.x.unique(dim=0)) == run.evaluations <= 12
    assert (run.predicted[:, 0].isfinite()).all()


def test_a_stopped_campaign_goes_on_and_counts_each_evaluation_once(whole):
    count = itertools.count()
    part = campaign()
    part.run(cancel=lambda: next(count) > 5)
    assert 0 < part.evaluations < whole[0].evaluations
    again = campaign()
    again.run()
    assert torch.equal(again.x[: part.evaluations], part.x)
    assert len(again.x.unique(dim=0)) == again.evaluations <= 20
    assert len(again.distinct_hits) == 4


@pytest.mark.parametrize("steps", [4, 9, 14])
def test_a_campaign_that_goes_on_chooses_what_it_would_have_chosen_unbroken(steps):
    unbroken = campaign(target="2.5", hits=12, budget=18, ledger=Path("whole.jsonl"))
    unbroken.run()
    count = itertools.count()
    campaign(target="2.5", hits=12, budget=18).run(cancel=lambda: next(count) > steps)
    again = campaign(target="2.5", hits=12, budget=18)
    again.run()
    assert torch.equal(again.x, unbroken.x)
    assert Path("c.jsonl").read_text() == Path("whole.jsonl").read_text()


def test_a_campaign_of_networks_that_goes_on_draws_their_pool_again(monkeypatch):
    known, drawn = TASKS["architecture"], TASKS["architecture"].stored()[0][:100].double()
    monkeypatch.setattr(shipped, "load", lambda *_: None)

    class Found:
        def __init__(self, seed):
            self.final = drawn[torch.randperm(100, generator=torch.Generator().manual_seed(seed))[:32]]
            self.surrogate = torch.zeros(32, 1)

    monkeypatch.setattr(DesignRequest, "run", lambda request, method: Found(request.seed))
    never = replace(known, omega=lambda x: x[:, :1].expand(-1, 5) + 5)
    settings = {"task": never, "hits": 40, "budget": 40, "batch": 3}
    unbroken = campaign(target="0", ledger=Path("whole.jsonl"), **settings)
    unbroken.run()
    count = itertools.count()
    campaign(target="0", **settings).run(cancel=lambda: next(count) > 5)
    again = campaign(target="0", **settings)
    again.run()
    assert 0 < again.evaluations == unbroken.evaluations
    assert torch.equal(again.x, unbroken.x)


def test_a_step_that_a_kill_left_open_is_asked_for_again():
    run = campaign(batch=3)
    count = itertools.count()
    run.run(cancel=lambda: next(count) > 4)
    lines = Path("c.jsonl").read_text().splitlines(keepends=True)
    while lines[-1].startswith('{"answer"'):
        lines.pop()
    Path("c.jsonl").write_text("".join(lines) + '{"answ')
    asked = json.loads(lines[-1])["ask"]
    again = campaign(batch=3)
    again.run()
    at = sum(len(json.loads(line)["answer"]) for line in lines if line.startswith('{"answer"'))
    assert again.x[at : at + len(asked)].tolist() == asked
    assert len(again.predicted) == len(again.x) == again.evaluations
    assert again.evaluations <= 20


def test_another_campaign_or_a_damaged_ledger_is_refused():
    campaign(hits=1).run()
    with pytest.raises(ValueError, match="belongs to another campaign"):
        campaign(target="3").run()
    lines = Path("c.jsonl").read_text().splitlines(keepends=True)
    Path("c.jsonl").write_text(lines[0] + "junk\n")
    with pytest.raises(ValueError, match="is damaged"):
        campaign().run()


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"hits": 0}, "--hits 0"),
        ({"budget": 0}, "--budget 0"),
        ({"start": "middle"}, "--start middle"),
        ({"start": "table"}, "has no stored rows"),
        ({"task": replace(task(), omega=None)}, "no forward operator"),
    ],
)
def test_a_campaign_that_cannot_be_is_refused(settings, why):
    with pytest.raises(ValueError, match=why):
        campaign(**settings)


def test_rows_that_are_there_are_learned_from():
    known = task()
    x = known.sample_prior(25, torch.Generator().manual_seed(0))
    run = campaign(task=replace(known, stored=lambda: (x, area(x))), start="table", hits=3, budget=8)
    run.run()
    assert len(run.distinct_hits) == 3
    assert len(run.before_x) == 25


def test_from_the_command_line_on_a_command(capsys):
    Path("sim.sh").write_text(
        f"echo run >> {Path('trace').resolve()}\n"
        'awk -F, -v OFMT=%.12g \'NR==1{print "sample,area"; next} '
        '{if ($2 > 1.8) exit 4; print $1 "," $2*$3}\' "$1" > "$2"\n'
    )
    x, y = ["--x", "a [m]=1:2", "--x", "b [m]=1:2"], ["--y", "area [m²] ± 0.02"]
    assert main(["new", "box", *x, *y, "--command", "sh sim.sh {in} {out}", "--test", "0"]) == 0
    asked = ["campaign", "box", "--target", "2", "--budget", "24", "--batch", "2", "--out", "hits.csv"]
    assert main([*asked, "--hits", "2"]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert main([*asked, "--hits", "4"]) == 0
    told = capsys.readouterr()
    second = json.loads(told.out.splitlines()[-1])
    frame, rows = pd.read_csv("hits.csv"), pd.read_parquet("box/rows.parquet")
    assert len(frame) == second["hits"] >= 4
    assert np.allclose(frame.y1, frame.x1 * frame.x2, atol=1e-5)
    assert ((frame.y1 - 2).abs() <= 0.02).all()
    assert {"sample", "stage", "target1", "surrogate1", "y1", "resim_error", "in_bounds", "replaced"} <= set(frame)
    assert len(rows) == second["evaluations"] > first["evaluations"]
    assert len(Path("trace").read_text().splitlines()) == second["evaluations"]
    assert rows.source.eq("campaign hits").all()
    assert "% " in told.err or "chance" in told.err


def test_sigkill_of_a_campaign_costs_only_what_was_in_flight():
    Path("sim.sh").write_text(
        f"echo run >> {Path('trace').resolve()}\n"
        f"[ -e {Path('slow').resolve()} ] && [ $(wc -l < {Path('trace').resolve()}) -gt 5 ] && sleep 1000\n"
        'awk -F, -v OFMT=%.12g \'NR==1{print "sample,area"; next} {print $1 "," $2*$3}\' "$1" > "$2"\n'
    )
    Path("slow").touch()
    x, y = ["--x", "a [m]=1:2", "--x", "b [m]=1:2"], ["--y", "area [m²] ± 0.02"]
    assert main(["new", "box", *x, *y, "--command", "sh sim.sh {in} {out}", "--test", "0"]) == 0
    words = ["campaign", "box", "--target", "2", "--hits", "2", "--budget", "20", "--out", "hits.csv"]
    code = f"from ipage_core.cli.main import main; main({words})"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.DEVNULL)
    trace, end = Path("trace"), time.monotonic() + 180
    while not trace.exists() or len(trace.read_text().splitlines()) < 6:
        assert time.monotonic() < end
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    run.wait()
    Path("slow").unlink()
    assert main(words) == 0
    rows = pd.read_parquet("box/rows.parquet")
    calls = len(trace.read_text().splitlines())
    assert calls <= len(rows) + 1, "one call was in flight"
    assert not rows.duplicated(["a", "b"]).any()


# The parts.


def test_a_process_finds_a_smooth_function_and_knows_its_error():
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(40, 2, dtype=torch.float64, generator=generator)
    new = torch.rand(200, 2, dtype=torch.float64, generator=generator)

    def f(x):
        return torch.sin(3 * x[:, 0]) + x[:, 1] ** 2

    process = fit(x, f(x))
    error = process.mean_of(new) - f(new)
    assert error.abs().max() < 0.02
    assert ((error / process.spread_of(new)).abs() < 4).double().mean() > 0.97
    assert torch.allclose(process.mean_of(x), f(x), atol=1e-3)


def test_images_are_the_same_design():
    def swapped(points):
        return torch.stack((points, points.flip(1)), dim=1)

    x = torch.rand(12, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] * x[:, 1]) + x.sum(1)
    assert ties(swapped, 2).tolist() == [0, 0]
    assert ties(alone, 2).tolist() == [0, 1]
    process = fit(x, y, swapped, ties(swapped, 2))
    assert torch.allclose(process.mean_of(x), process.mean_of(x.flip(1)))
    assert torch.allclose(process.spread_of(x), process.spread_of(x.flip(1)), atol=1e-9)
    assert float(process.spread_of(x.flip(1)).max()) < 0.05, "an image of a row is as well known as the row"


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.floats(0.01, 0.3))
def test_distinct_hits_are_apart_and_none_is_left_out(seed, apart):
    at = Coordinates.of(task())
    x = 1 + torch.rand(30, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    kept = distinct(at, x, apart)
    distance = at.distance(x[kept], x[kept]) + 10 * torch.eye(len(kept))
    assert (distance > apart).all()
    assert (at.distance(x, x[kept]).amin(1) <= apart + 1e-12).all()


def test_the_budget_decides_between_sure_and_far():
    at = Coordinates.of(task())
    x = torch.tensor([[1.1, 1.1], [1.9, 1.9]], dtype=torch.float64)
    chance, hits = torch.tensor([0.9, 0.3], dtype=torch.float64), torch.tensor([[1.0, 1.0]], dtype=torch.float64)

    def chosen(wanted, left):
        return choose(at, x, chance, ["secant", "iPage"], hits, x[:0], 0.02, wanted, left, 1).rows

    assert chosen(wanted=7, left=10) == [0], "seven of ten have to hit: the sure one"
    assert chosen(wanted=1, left=10) == [1], "one of ten: the far one"


def test_a_property_over_decades_is_read_as_its_logarithm():
    generator = torch.Generator().manual_seed(0)
    x = 1 + torch.rand(20, 2, dtype=torch.float64, generator=generator)
    known = task()
    y = torch.exp(6 * x[:, :1] - 3 * x[:, 1:])
    accepted = Accepted.of(known, Target.parse(known, "100"))
    beliefs = Beliefs.given(Coordinates.of(known), x, y, accepted)
    assert beliefs.logs == [True]
    new = 1 + torch.rand(50, 2, dtype=torch.float64, generator=generator)
    truth = 6 * new[:, 0] - 3 * new[:, 1]
    assert (beliefs.predict(new)[0][:, 0] - truth).abs().max() < 0.1
    chance = beliefs.chance(new)
    assert ((chance >= 0) & (chance <= 1)).all()


@pytest.mark.parametrize(("start", "knows"), [("none", False), ("table", True)])
def test_a_campaign_that_begins_with_nothing_does_without_shipped_networks(start, knows, tmp_path, monkeypatch):
    told = {}

    def spy(*_, **settings):
        told.update(settings)
        raise ValueError("enough")

    monkeypatch.setattr("ipage_core.training.campaign.run.Campaign", spy)
    words = ["campaign", "crystal", "--target", "0.5", "--start", start, "--out", str(tmp_path / "h.csv")]
    assert main(words) == 2
    assert told["start"] == start
    assert (told["propose"] is not None) == knows


@pytest.mark.parametrize(("constraint", "total"), [("a + b <= 2.3", 2.3), ("a + b = 2.4", 2.4), ("a + b = 2.02", 2.02)])
def test_the_start_keeps_to_constraints_and_bounds(constraint, total):
    run = campaign(target="5", constraints=(constraint,), hits=5, budget=12)
    run.run(lambda line: None)
    assert run.evaluations == 12
    assert (run.x.sum(1) - total <= 1e-6).all()
    assert "<" in constraint or torch.allclose(run.x.sum(1), torch.tensor(total, dtype=torch.float64))
    assert float(run.x.min()) >= 1 - 1e-6
    assert float(run.x.max()) <= 2 + 1e-6
    assert torch.pdist(run.x).min() > 0
