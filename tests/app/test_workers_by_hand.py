"""What the server's workers keep and are told, and figures of goals for cells, from numbers written down here."""

import json
import os
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest

from app.figures.playback import WIDE
from app.figures.theme import unpacked
from app.tasks.cells.goals import figures as goal_figures
from app.tasks.crystal import tradeoff
from app.workers import campaigns, jobs, trainings
from ipage_core.tasks.cells.goals import Goal
from ipage_core.tasks.cells.homogenization import directional_modulus


@pytest.fixture(autouse=True)
def own_home(monkeypatch, tmp_path):
    monkeypatch.setenv("IPAGE_HOME", str(tmp_path))
    return tmp_path


def test_results_from_disk_come_first_then_those_of_the_same_work(monkeypatch):
    design = (1.0, 2.0)
    finished = {("other", design): {"gap": 9.0}, ("mine", (3.0, 4.0)): {"gap": 3.0}}
    monkeypatch.setattr(jobs, "queue", lambda: SimpleNamespace(finished=finished))
    x = np.array([design, (3.0, 4.0), (5.0, 6.0)])
    found = jobs.results(x, lambda lattices: [None, None, {"gap": 5.0}], "mine")
    assert found == [None, {"gap": 3.0}, {"gap": 5.0}]
    assert jobs.results(x[:1], lambda lattices: [None], "other") == [{"gap": 9.0}]


def test_a_guess_counts_the_rounds_that_the_cores_need(monkeypatch):
    monkeypatch.setattr(jobs, "cores", lambda: 4)
    assert [jobs.guess(n, 10.0) - jobs.START for n in (1, 4, 5, 9)] == [10, 10, 20, 30]


def test_a_campaign_is_told_all_that_was_asked():
    asked = campaigns.CampaignRequest(
        "one", "sinewave", "1.2", 7, 50, batch=5, start="table", constraints="x1 >= 0", scheduler="tcp://there:1"
    )
    words = asked.arguments
    told = {words[k]: words[k + 1] for k in range(2, len(words), 2)}
    assert words[:2] == ["campaign", "sinewave"]
    assert told == {
        "--target": "1.2", "--hits": "7", "--budget": "50", "--batch": "5", "--out": str(asked.out),
        "--start": "table", "--constrain": "x1 >= 0", "--scheduler": "tcp://there:1",
    }  # fmt: skip


def test_the_newest_campaign_comes_first_and_a_free_name_is_no_one_s(own_home):
    for k, when in ((1, 3000), (2, 1000), (3, 2000)):
        asked = campaigns.CampaignRequest(f"sinewave-{k}", "sinewave", "1.2", 1, 10)
        asked.folder.mkdir(parents=True)
        file = asked.folder / "campaign.json"
        file.write_text(json.dumps(asdict(asked)))
        os.utime(file, (when, when))
    assert [one.name for one in campaigns.stored()] == ["sinewave-1", "sinewave-3", "sinewave-2"]
    assert campaigns.free_name("sinewave") == "sinewave-4"


def test_the_settings_of_models_are_those_of_their_last_training(own_home):
    out = own_home / "models"
    for number, seed in ((2, 5), (10, 7), (1, 3)):
        arguments = ["train", "sinewave", "--method", "ipage", "--seed", str(seed), "--epochs", f"{number}"]
        trainings.write(trainings.Training(number, "t", "sinewave", "ipage", ["mlp"], str(out), arguments))
    trainings.write(trainings.Training(11, "t", "sinewave", "ipage", ["mlp"], str(own_home / "else"), ["train"]))
    assert trainings.settings(out) == {"epochs": 10, "seed": 7}


def test_the_front_of_crystals_takes_dft_where_it_ran_and_gaps_to_a_thousandth():
    run = SimpleNamespace(
        verified=np.array([True, False, False, False]), achieved=np.array([[0.5, 0, 0.3]] + [[np.nan] * 3] * 3),
        excess=lambda y: np.abs(y - 0.5),
    )  # fmt: skip
    gap, energy = np.array([0.9, 0.5004, 0.502, 0.53]), np.array([0.0, 0.2, 0.1, 0.15])
    assert tradeoff.best_values(run, gap, energy)[0].tolist() == [0.5, 0.5004, 0.502, 0.53]
    # to 1 meV, the first two hit alike, and the second is lower
    assert tradeoff.unbeaten(run, gap, energy, np.ones(4, bool)).tolist() == [False, True, True, False]
    assert tradeoff.unbeaten(run, gap, energy, np.array([1, 1, 0, 1], bool)).tolist() == [False, True, False, False]


def test_deviations_from_goals_are_in_the_tolerances_of_each():
    goals = [Goal("E_x", "exactly", 0.3, 0.01), Goal("nu_xy", "at most", 0.1, 0.05)]
    values = np.array([[0.31, 0.05], [0.28, 0.2]])
    drawn = goal_figures.attainment(goals, values, np.array([True, False]), None, False, WIDE)["data"]
    points = {one["name"]: np.asarray(unpacked(one["x"])) for one in drawn if one.get("mode") == "markers"}
    assert points["meets every goal"] == pytest.approx([1, -1], abs=1e-5)
    assert points["misses a goal"] == pytest.approx([-2, 2], abs=1e-5)


def test_the_stiffness_of_goals_has_their_moduli_in_their_directions_and_is_drawn_in_degrees():
    names = {"E_x": 0.4, "E_y": 0.2, "nu_xy": 0.3, "G_xy": 0.1}
    goals = [Goal(name, "exactly", value, 0.01) for name, value in names.items()]
    target = goal_figures.target_stiffness(goals)
    s = np.linalg.inv(target)
    assert (1 / s[0, 0], 1 / s[1, 1], 1 / s[2, 2], -s[0, 1] / s[0, 0]) == pytest.approx((0.4, 0.2, 0.1, 0.3))
    assert s == pytest.approx(s.T)
    assert directional_modulus(target, np.array([0, np.pi / 2])).ravel() == pytest.approx([0.4, 0.2])
    drawn = goal_figures.directions(goals, target[None], None, False, WIDE)["data"]
    (wanted,) = [one for one in drawn if one["name"] == "target"]
    theta, r = (np.asarray(unpacked(wanted[name])) for name in ("theta", "r"))
    assert (theta[0], theta[-1], r.max()) == pytest.approx((0, 360, 0.4), rel=1e-5)
    assert r[np.abs(theta - 90).argmin()] == pytest.approx(0.2, rel=1e-5)
