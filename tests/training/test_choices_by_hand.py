"""What a campaign evaluates next, from chances, results and processes that are written down here."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ipage_core.problem import constraints
from ipage_core.problem.target import Target
from ipage_core.tasks import TASKS
from ipage_core.training.campaign import beliefs, choose, process, report, selection
from ipage_core.training.campaign.beliefs import Accepted, Beliefs, Coordinates

SINE, BALLISTICS = TASKS["sinewave"], TASKS["ballistics"]
AT = Coordinates.of(SINE)


def line(*places):
    """Designs (k, 2) on the x₁ axis."""
    return torch.tensor([[place, 0.0] for place in places], dtype=torch.float64)


class Known:
    """A process that predicts the same everywhere."""

    def __init__(self, mean, spread, density=0.0):
        self.mean, self.spread, self.density, self.theta = mean, spread, density, torch.zeros(1)

    def mean_of(self, points):
        return torch.full((len(points),), self.mean, dtype=torch.float64)

    def spread_of(self, points):
        return torch.full((len(points),), self.spread, dtype=torch.float64)


def normal(z):
    return 0.5 * (1 + math.erf(z / 2**0.5))


def test_designs_are_apart_in_widths_of_the_box():
    """Ballistics: 0.3 and 0.4 widths along two coordinates of different widths."""
    low, high = BALLISTICS.bounds
    here = 0.5 * (low + high)
    there = here + (high - low) * torch.tensor([0.3, 0.0, 0.0, 0.4], dtype=torch.float64)
    apart = Coordinates.of(BALLISTICS).distance(here[None], torch.stack((there, here)))
    assert apart[0].tolist() == pytest.approx([0.5, 0.0], abs=1e-7)


def test_a_number_is_met_within_its_tolerance_on_both_sides_and_an_interval_in_it():
    assert Accepted.of(SINE, Target.of(SINE, "1.2")).ends.ravel().tolist() == pytest.approx([1.18, 1.22])
    assert Accepted.of(SINE, Target.of(SINE, "1:1.5")).ends.ravel().tolist() == [1.0, 1.5]


def chosen(x, chance, *, hits=(), evaluated=(), apart=0.1, wanted=1, left=10, count=1):
    named = ["origin"] * len(x)
    sets = (line(*hits) if hits else torch.empty(0, 2).double(), line(*evaluated) if evaluated else torch.empty(0, 2))
    return choose.choose(AT, x, torch.tensor(chance).double(), named, *sets, apart, wanted, left, count).rows


def test_of_the_sure_enough_the_farthest_from_all_hits_is_next_and_none_that_was_evaluated():
    x, chance = line(-0.9, 0.1, 0.3, 0.8), [0.05, 0.9, 0.9, 0.5]
    # 1 more of 10: 11.5 % is sure enough; 1 more of 1: 85 %
    assert chosen(x, chance, hits=[0.0]) == [3]
    assert chosen(x, chance, hits=[0.0], left=1) == [2]
    assert chosen(x, chance, hits=[0.0], evaluated=[0.8]) == [2]
    assert chosen(x, chance) == [1]


def test_designs_of_a_batch_are_apart_from_each_other():
    x, chance = line(0.5, 0.52, -0.5, 0.9), [0.9, 0.9, 0.8, 0.7]
    assert chosen(x, chance, hits=[0.0], apart=0.05, count=4) == [3, 2, 0]  # then 0.52 is too near
    assert chosen(x[:2], chance[:2], hits=[0.0], apart=0.05, count=2) in ([0], [1])


def believed(**more):
    ends = torch.tensor([[0.5, 1.0], [1.5, 3.0]], dtype=torch.float64)
    processes = [Known(1.0, 0.25), Known(2.0, 0.5)]
    return Beliefs(AT, processes, [False, False], more.pop("works", None), ends, **more)


def test_the_chance_of_a_hit_is_that_of_every_property_times_that_of_an_answer():
    two_sided = normal(2) - normal(-2)
    assert believed().chance(line(0.0)).item() == pytest.approx(two_sided**2)
    works = believed(works=Known(0.8, 0.3))
    assert works.chance(line(0.0)).item() == pytest.approx(two_sided**2 * normal(1))
    doubted = normal(1) - normal(-1)
    assert believed(doubt=2.0).chance(line(0.0)).item() == pytest.approx(doubted**2)
    assert believed(doubt=2.0).predict(line(0.0))[1].tolist() == [[0.5, 1.0]]


@pytest.mark.parametrize(("of_log", "level", "log"), [(-30.0, -5.0, True), (-5.0, 5.0, False), (-40.0, -5.0, False)])
def test_a_property_is_read_by_its_logarithm_if_that_makes_its_values_more_likely(monkeypatch, of_log, level, log):
    """The density of y is that of log y, divided by y; that of y itself is e⁻¹⁰."""
    y = torch.full((5, 1), math.exp(level), dtype=torch.float64)

    def fit(points, values, *settings):
        return Known(0.0, 1.0, of_log if bool((values == y[:, 0].log()).all()) else -10.0)

    monkeypatch.setattr(beliefs, "fit", fit)
    accepted = Accepted(torch.tensor([[0.5], [2.0]], dtype=torch.float64))
    found = Beliefs.given(AT, line(*np.linspace(-1, 1, 5)), y, accepted)
    assert found.logs == [log]
    ends = np.log([0.5, 2]) if log else np.array([0.5, 2])
    assert found.ends.ravel().numpy() == pytest.approx(ends)
    assert found.raw(torch.tensor([[0.7]])).item() == pytest.approx(math.exp(0.7) if log else 0.7)


def selecting(**more):
    settings = {"hits": 3, "budget": 40, "seed": 2, "apart": 0.05, "propose": None, "networks": None}
    accepted = Accepted(torch.tensor([[1.0], [2.0]], dtype=torch.float64))
    return selection.Selection(accepted, constraints.parse(SINE, ()), AT, **(settings | more))


def state(x, y, hits=(), steps=()):
    nothing = torch.empty(0, 2).double(), torch.empty(0, 1).double()
    y = torch.tensor(y, dtype=torch.float64).reshape(-1, 1)
    return selection.State(*nothing, x, y, torch.full_like(y, math.nan), list(hits), list(steps))


def test_chances_are_corrected_by_the_hits_of_their_origin(monkeypatch):
    seeds = []

    def pool(beliefs, space, x, y, off, apart, generator, proposed):
        seeds.append(generator.initial_seed())
        return line(0.9, -0.9), ["chord", "process"]

    monkeypatch.setattr(selection, "candidates", pool)
    said = SimpleNamespace(
        chance=lambda x: torch.tensor([0.3, 0.3]).double(), doubt=2.0, raw=lambda mean: mean * 10, logs=[False],
        predict=lambda x: (torch.full((len(x), 1), 1.5), torch.full((len(x), 1), 0.8)),
    )  # fmt: skip
    step = SimpleNamespace(
        why=["chord: a", "chord: b", "process: c"], chance=torch.tensor([0.9, 0.9, 0.5]), y=torch.zeros(3, 1)
    )
    one = selecting().next(state(line(0.0, 0.1, 0.2), [1.5, 9.0, 1.6], [0, 2], [step]), said, 2)
    by_origin = {why.partition(":")[0]: chance for why, chance in zip(one.why, one.chance.tolist(), strict=True)}
    # hits and promised hits, one more of each
    assert by_origin == pytest.approx({"chord": 0.3 * 2 / 2.8, "process": 0.3 * 2 / 1.5}, rel=1e-6)
    assert np.array(one.spoken["spread"]).ravel() == pytest.approx([0.4, 0.4])  # without the doubt
    assert np.array(one.spoken["mean"]).ravel() == pytest.approx([1.5, 1.5])
    assert one.predicted.ravel().tolist() == [15.0, 15.0]
    selecting().next(state(line(0.0, 0.1), [1.5, 1.6], [0, 1]), said, 1)
    assert seeds == [2 * 1_000_003 + 3, 2 * 1_000_003 + 2]


def test_the_start_goes_on_where_it_stopped():
    whole = selecting().next(state(torch.empty(0, 2).double(), []), None, 5).x
    first = selecting().next(state(torch.empty(0, 2).double(), []), None, 2).x
    rest = selecting().next(state(first, [1.0, 1.0]), None, 3).x
    assert torch.cat((first, rest)).tolist() == whole.tolist()
    assert len({tuple(row) for row in whole.tolist()}) == 5


def test_hits_have_the_number_of_their_evaluation_and_the_nearer_end_of_an_interval():
    x, y = line(0.1, 0.2, 0.3), torch.tensor([[1.0], [1.6], [1.2]], dtype=torch.float64)
    done = SimpleNamespace(
        task=SINE, distinct_hits=[1, 2], x=x, y=y, predicted=y + 0.25, target=Target.of(SINE, "1.2:1.5")
    )
    rows = report.hits_frame(done)
    assert rows["sample"].tolist() == [1, 2]
    assert rows[["target1", "y1", "surrogate1"]].to_numpy() == pytest.approx(
        np.array([[1.5, 1.6, 1.85], [1.2, 1.2, 1.45]])
    )
    assert rows["resim_error"].tolist() == pytest.approx([0.01, 0.0])


def test_a_process_of_repeated_designs_predicts_their_spread_in_units_of_the_property():
    rng = np.random.default_rng(0)
    points = torch.linspace(0, 1, 8, dtype=torch.float64).repeat(10)[:, None]
    values = torch.from_numpy(100 * rng.normal(size=80) + 500)
    found = process.fit(points, values)
    with torch.no_grad():
        assert 80 < found.spread_of(points).mean().item() < 125
        assert 450 < found.mean_of(points).mean().item() < 550
