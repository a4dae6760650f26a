"""What commands make of the columns of a table: which rows they take, what they fill in, and what they leave."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from ipage_core import api
from ipage_core.cli.main import main
from ipage_core.inference.methods import load
from ipage_core.inference.prediction import interval
from ipage_core.problem.watch import watched
from ipage_core.tasks import TASKS
from ipage_core.tasks.table import own_data
from ipage_core.training import recipes

ON, OFF = 0.5 * np.arcsin(0.2) / (1.5 * np.pi), 0.5
"""x₁ of the sine wave at x₂ = 0: with y = 1.2, and with y = 0."""


def last(capsys):
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def two_stages(path, **more):
    """Two designs of the sine wave that localization has brought from y = 0 to y = 1.2."""
    rows = pd.DataFrame({"sample": [0, 1, 0, 1], "stage": ["posterior"] * 2 + ["localized"] * 2, "target1": 1.2})
    rows = rows.assign(x1=[OFF, OFF, ON, ON + 2 / 3], x2=0.0, **more)
    rows.to_csv(path, index=False)
    return rows


def test_coverage_is_that_of_the_localized_designs(tmp_path, capsys):
    two_stages(tmp_path / "s.csv")
    assert main(["coverage", "sinewave", str(tmp_path / "s.csv"), "--seconds", "0.1", "--device", "cpu"]) == 0
    assert last(capsys)["n"] == 2


def test_a_slow_omega_s_results_in_a_file_are_judged_by_the_tolerance(tmp_path, capsys, monkeypatch):
    """SrTiO₃: 0.51 eV is within 0.02 eV of the target, 0.6 eV is not."""
    seen = {}

    def covered(task, method, x, y_star, within, *, meets, judge, **how):
        seen.update(meets=meets.tolist(), judge=judge)
        raise ValueError("seen")

    monkeypatch.setattr("ipage_core.inference.target_set.coverage_of", covered)
    rows = pd.DataFrame({"sample": [0, 1], "stage": "localized", "target1": 0.5, "y1": [0.51, 0.6]})
    rows = rows.assign(**{f"x{j + 1}": value for j, value in enumerate((3.9, 3.9, 3.9, 85.0, 90.0, 90.0))})
    rows.to_csv(tmp_path / "s.csv", index=False)
    assert main(["coverage", "crystal", str(tmp_path / "s.csv")]) == 2
    assert seen == {"meets": [True, False], "judge": "Ω"}


def test_verify_fills_in_errors_and_leaves_the_hits_that_the_design_has_judged(tmp_path, capsys):
    """The design may have had a tolerance of its own, so what it judged stays."""
    rows = two_stages(tmp_path / "s.csv", hit=[pd.NA, pd.NA, False, pd.NA], y1=[pd.NA, pd.NA, 1.2, pd.NA])
    assert main(["verify", "sinewave", str(tmp_path / "s.csv"), "--out", str(tmp_path / "v.csv")]) == 0
    found = pd.read_csv(tmp_path / "v.csv")
    y = TASKS["sinewave"].omega(torch.tensor(rows[["x1", "x2"]].to_numpy()))[:, 0].numpy()
    assert found["y1"].to_numpy() == pytest.approx(y)
    assert found["resim_error"].to_numpy() == pytest.approx((y - 1.2) ** 2)
    assert found["resim_error"][0] == pytest.approx(1.44)
    assert found["hit"].tolist() == [False, False, False, True]


def test_verify_judges_anew_where_its_result_is_another(tmp_path, capsys):
    """Designs with y = 0, 0, 1.2, 1.2 for 1.2, whose file says otherwise."""
    two_stages(tmp_path / "s.csv", hit=[True, True, False, False], y1=[1.2, 0.0, 0.0, 1.2001])
    assert main(["verify", "sinewave", str(tmp_path / "s.csv"), "--out", str(tmp_path / "v.csv")]) == 0
    found = pd.read_csv(tmp_path / "v.csv")
    assert found["y1"].to_numpy() == pytest.approx([0, 0, 1.2, 1.2])
    assert found["hit"].tolist() == [False, True, True, False]  # the second's and the last's results are the file's
    two_stages(tmp_path / "s.csv", hit=[True, True, False, False])
    assert main(["verify", "sinewave", str(tmp_path / "s.csv"), "--out", str(tmp_path / "v.csv")]) == 0
    assert pd.read_csv(tmp_path / "v.csv")["hit"].tolist() == [False, False, True, True]


def test_verify_judges_by_the_tolerance_and_not_by_its_square(tmp_path, capsys):
    """On the sine wave y = 1.21 is within 0.02 of 1.2, and y = 1.25 is not."""
    x1 = np.arcsin([0.21, 0.25]) / (3 * np.pi)
    rows = pd.DataFrame({"sample": [0, 1], "stage": "localized", "target1": 1.2, "x1": x1, "x2": 0.0, "hit": pd.NA})
    rows.to_csv(tmp_path / "s.csv", index=False)
    assert main(["verify", "sinewave", str(tmp_path / "s.csv"), "--out", str(tmp_path / "v.csv")]) == 0
    assert pd.read_csv(tmp_path / "v.csv")["hit"].tolist() == [True, False]


def test_verify_counts_what_omega_has_computed_now(tmp_path, capsys, monkeypatch):
    def kept(x):
        if watched().kept is not None:
            watched().kept(3)  # of these designs it had the results already
        return torch.ones(len(x), 1, dtype=torch.float64)

    task = replace(TASKS["sinewave"], omega=kept)
    monkeypatch.setattr("ipage_core.cli.verify.find_task", lambda name: task)
    two_stages(tmp_path / "s.csv")
    assert main(["verify", "sinewave", str(tmp_path / "s.csv"), "--out", str(tmp_path / "v.csv")]) == 0
    assert last(capsys) == {"n": 4, "omega_calls": 1, "failed": 0}
    monkeypatch.setattr("ipage_core.cli.design.find_task", lambda name, model: task)
    words = ["design", "sinewave", "--target", "1.2", "--n", "5", "--out", str(tmp_path / "d.csv"), "--device", "cpu"]
    assert main(words) == 0
    assert last(capsys)["omega_calls"] == 5 - 3


def test_verify_relaxes_the_final_designs_under_their_own_numbers(tmp_path, capsys, monkeypatch):
    asked = []

    def relax(x, samples):
        asked.append((x[:, 0].tolist(), samples))
        return pd.DataFrame({"relaxed_gap": [1.0, 2.0]}), {}

    task = replace(TASKS["sinewave"], relax=relax)
    monkeypatch.setattr("ipage_core.cli.verify.find_task", lambda name: task)
    rows = two_stages(tmp_path / "s.csv").assign(sample=[4, 7, 4, 7])
    rows.to_csv(tmp_path / "s.csv", index=False)
    assert main(["verify", "sinewave", str(tmp_path / "s.csv"), "--relax", "--out", str(tmp_path / "v.csv")]) == 0
    assert asked == [(pytest.approx([ON, ON + 2 / 3]), [4, 7])]
    assert pd.read_csv(tmp_path / "v.csv")["relaxed_gap"].tolist() == pytest.approx([np.nan] * 2 + [1, 2], nan_ok=True)


def test_predict_writes_the_lower_end_as_low(tmp_path, capsys):
    rows = two_stages(tmp_path / "s.csv")
    assert main(["predict", "sinewave", str(tmp_path / "s.csv"), "--out", str(tmp_path / "p.csv")]) == 0
    found, method = pd.read_csv(tmp_path / "p.csv"), load("sinewave", "ipage")
    ends = interval(method, torch.tensor(rows[["x1", "x2"]].to_numpy()))
    assert (found["low1"] < found["surrogate1"]).all()
    assert (found["surrogate1"] < found["high1"]).all()
    assert found["low1"].to_numpy() == pytest.approx(ends[0, :, 0].numpy(), rel=1e-5)


def test_rank_keeps_the_best_of_each_family(tmp_path, capsys):
    """Two images of one cell, lengths exchanged, and another cell."""
    cells = [(3.95, 3.95, 4.0, 90, 90, 88), (4.0, 3.95, 3.95, 88, 90, 90), (3.8, 3.8, 4.1, 90, 90, 90)]
    rows = pd.DataFrame(cells, columns=[f"x{j + 1}" for j in range(6)]).assign(sample=range(3), stage="localized")
    rows.to_csv(tmp_path / "s.csv", index=False)
    words = ["rank", str(tmp_path / "s.csv"), "--out", str(tmp_path / "r.csv")]
    assert main(words) == 0
    everyone = pd.read_csv(tmp_path / "r.csv")
    assert main([*words, "--best-only"]) == 0
    found = pd.read_csv(tmp_path / "r.csv")
    assert found["family"].tolist() == [1, 2]
    assert found["rank"].tolist() == everyone.groupby("family")["rank"].min().tolist()


def test_as_many_designs_are_measured_as_were_asked_for(tmp_path, capsys):
    x = np.random.default_rng(0).random((60, 2))
    frame = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": x.sum(1)})
    own_data.create(tmp_path / "own", frame, ["a", "b"], ["y"], source="t.csv")
    assert (
        main(["train", "--model", str(tmp_path / "own"), "--method", "prior-lm", "--out", str(tmp_path / "own")]) == 0
    )
    words = ["design", "--model", str(tmp_path / "own"), "--target", "1", "--n", "30", "--method", "prior-lm"]
    words += ["--out", str(tmp_path / "c.csv"), "--to-measure", str(tmp_path / "next.csv"), "--measure", "4"]
    assert main([*words, "--device", "cpu"]) == 0
    assert len(pd.read_csv(tmp_path / "next.csv")) == 4


def test_python_trains_as_it_is_told(tmp_path, monkeypatch):
    asked = []

    def train(task, model, folder, **how):
        asked.append((model, folder, {name: how[name] for name in ("epochs", "size", "seed", "resume")}))
        return {}

    monkeypatch.setattr(recipes, "train", train)
    api.train("sinewave", tmp_path, method="ipage-cinn", epochs=3, size="small", seed=7, resume=True, device="cpu")
    told = {"epochs": 3, "size": "small", "seed": 7, "resume": True}
    assert asked == [("cinn", tmp_path, told), ("mlp", tmp_path, told)]
