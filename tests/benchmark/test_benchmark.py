"""Benchmark runs can be resumed, rows are tidy, tables stand beside the paper's; only values by Ω are labelled Ω."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch

from ipage_core import benchmark
from ipage_core.benchmark import (
    calibration,
    compute,
    coverage,
    exploration,
    paper,
    quality,
    rows,
    scope,
    solutions,
    tables,
)
from ipage_core.benchmark.metrics import bootstrap_interval
from ipage_core.benchmark.scope import Scope
from ipage_core.cli.main import main
from ipage_core.inference.verification import rows_to_verify
from ipage_core.tasks import TASKS
from tests.support import stand_ins
from tests.support.browser import ROOT

METHODS = ("inn", "ipage", "prior-lm")


@pytest.fixture
def stand_in(monkeypatch):
    """Methods without trained models."""
    monkeypatch.setattr(scope, "load", lambda task, method, root=None: stand_ins.load(task, method))
    monkeypatch.setattr(scope, "weights", lambda task, method, root: ("0" * 8, 0))


@pytest.fixture
def ran(stand_in, tmp_path):
    chosen = Scope(tasks=("sinewave", "robotic_arm"), methods=METHODS, repeats=2, n=12)
    written = benchmark.run(chosen, tmp_path, ["tables"], workers=0)
    return chosen, tmp_path, written["tables"]


def test_there_is_a_row_for_every_solution_and_omega_confirms_it(ran):
    _, _, path = ran
    frame, card = rows.read(path)
    runs = 2 * 2 * 2 * (1 + 3 + 1)  # tasks, protocols, seeds, samplings of inn, ipage and prior-lm
    assert len(frame) == 12 * runs
    assert not frame.duplicated(["task", "method", "sampling", "protocol", "seed", "training_seed", "sample"]).any()
    assert card["missing"] == {}
    assert set(frame["by"]) == {solutions.OMEGA}
    arm = frame[frame["task"] == "robotic_arm"]
    assert arm["off2"].notna().all()
    assert frame.loc[frame["task"] == "sinewave", "off2"].isna().all()
    single = frame[(frame["task"] == "sinewave") & (frame["protocol"] == "single")]
    assert set(single["target1"]) == {np.float32(1.2)}
    assert frame[frame["protocol"] == "many"].groupby("task", observed=True)["target1"].nunique().eq(12).all()


def test_errors_are_those_of_the_chain_to_a_hundredth(ran):
    _, _, path = ran
    frame, _ = rows.read(path)
    one = frame.query("task == 'robotic_arm' and method == 'ipage' and sampling == 'lhs' and protocol == 'single'")
    from ipage_core.inference.pipeline import design

    task = TASKS["robotic_arm"]
    found = design(
        task, stand_ins.load("robotic_arm", "ipage"), torch.tensor(task.default_target), 12, sampling="lhs", seed=1
    )
    error = solutions.squared_error(one[one["seed"] == 1])
    np.testing.assert_allclose(error, found.verification.resim_error, rtol=8e-3)
    assert set(one.loc[one["seed"] == 1, "success"]) == {np.float32(found.success_before_replacement / 12)}


def test_a_second_call_computes_nothing_and_writes_the_same(ran, monkeypatch):
    chosen, folder, path = ran
    before = path.read_bytes()
    monkeypatch.setattr(solutions, "work", lambda argument: pytest.fail("computed again"))
    assert benchmark.run(chosen, folder, ["tables"], workers=0)["tables"].read_bytes() == before


def test_more_repeats_only_add(ran, monkeypatch):
    chosen, folder, path = ran
    seeds, work = [], solutions.work
    monkeypatch.setattr(solutions, "work", lambda argument: seeds.append(argument["seed"]) or work(argument))
    benchmark.run(Scope(chosen.tasks, chosen.methods, repeats=3, n=12), folder, ["tables"], workers=0)
    assert set(seeds) == {2}
    assert len(rows.read(path)[0]) == 3 * 12 * 20


def test_a_killed_run_goes_on_without_a_doubled_row(tmp_path):
    command = [sys.executable, "-m", "ipage_core", "benchmark", "--tasks", "sinewave", "--methods", "mdn,prior-lm"]
    command += ["--repeats", "6", "--n", "20", "--only", "tables", "--workers", "1", "--out", str(tmp_path)]
    if not (ROOT / "pretrained/sinewave/mdn.safetensors").exists():
        pytest.skip("no trained MDN")
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = tmp_path / "solutions.journal"
    while process.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < 3):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with journal.open("ab") as file:  # as if the kill had cut off the last line
        file.write(b'{"key": "half')
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    frame, card = rows.read(tmp_path / "solutions.parquet")
    assert len(frame) == 20 * 2 * 2 * 6
    assert not frame.duplicated(["method", "protocol", "seed", "sample"]).any()
    assert card["command"].startswith("python -m ipage_core benchmark --tasks sinewave")


def test_numbers_are_rounded_to_eight_bits():
    values = np.concatenate([np.geomspace(1e-12, 1e3, 1000), [0.0, np.nan, -np.inf]]).astype(np.float32)
    near = rows.rounded(values)
    np.testing.assert_allclose(near[:1000], values[:1000], rtol=2**-8)
    assert near[1000] == 0
    assert np.isnan(near[1001])
    assert near[1002] == -np.inf
    assert len(set(near[(near >= 1) & (near < 2)])) <= 129


def made(errors, task="sinewave", method="ipage", protocol="single", by=solutions.OMEGA, sampling="maximin"):
    """Rows of one cell with the squared errors (runs, n)."""
    errors = np.asarray(errors, dtype=float)
    seed, sample = np.indices(errors.shape)
    columns = {"task": task, "method": method, "sampling": sampling, "protocol": protocol, "training_seed": 0}
    columns |= {"seed": seed.ravel(), "sample": sample.ravel(), "off1": np.sqrt(errors.ravel()), "by": by}
    columns |= {"in_bounds": True, "inference_seconds": 1.0, "localization_seconds": 2.0, "success": 0.5}
    return pd.DataFrame(columns)


def test_a_cell_s_figures_are_what_their_names_say():
    errors = np.array([[1e-4, 4e-4, 9e-4, 1.0], [1e-4, 2e-4, 3e-4, np.nan]])
    (one,) = tables.summary(made(errors)).to_dict("records")
    known = errors[np.isfinite(errors)]
    assert (one["n"], one["runs"], one["failed_omega"]) == (8, 2, 1)
    assert one["mean"] == pytest.approx(known.mean())
    assert one["median"] == pytest.approx(np.median(known))
    assert one["p95"] == pytest.approx(np.quantile(known, 0.95))
    assert one["failures"] == pytest.approx(3 / 8)  # beyond 0.02² = 4e-4, or unknown
    assert one["seed_sd"] == pytest.approx(np.std([errors[0].mean(), 2e-4], ddof=1))
    assert one["low"] < one["mean"] < one["high"]
    assert (one["paper"], one["paper_sd"]) == (0.004, 2.1e-6)


def test_trainings_are_compared_on_the_solutions_that_all_have():
    first, again = made([[1e-4, 4e-4, 9.0]]), made([[3e-4, 8e-4]])
    cells = tables.summary(pd.concat((first, again.assign(training_seed=1))))
    assert set(cells["trainings"]) == {2}
    np.testing.assert_allclose(cells["training_sd"], np.std([2.5e-4, 5.5e-4], ddof=1))
    by_another = made([[3e-4, 8e-4]], by=solutions.SURROGATE).assign(training_seed=1)
    assert tables.summary(pd.concat((first, by_another)))["training_sd"].isna().all()
    assert tables.summary(first)["training_sd"].isna().all()


def test_trainings_are_compared_by_omega_where_it_judged_some_of_both():
    errors = np.array([[1e-4, 4e-4, 9.0]])
    trainings = [errors, 2 * errors]
    by_surrogate = [made(e, by=solutions.SURROGATE).iloc[:2].assign(training_seed=k) for k, e in enumerate(trainings)]
    by_omega = [made(e).iloc[2:].assign(training_seed=k) for k, e in enumerate(trainings)]
    cells = tables.summary(pd.concat((*by_surrogate, *by_omega)))
    np.testing.assert_allclose(cells["training_sd"], np.std([9.0, 18.0], ddof=1))
    assert set(cells["trainings"]) == {2}
    assert set(cells["training_n"]) == {1}


def test_the_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = [
        low <= 0.5 <= high for low, high in (bootstrap_interval(rng.random(200), resamples=300) for _ in range(300))
    ]
    assert 0.91 <= np.mean(covered) <= 0.98


def test_repeats_of_the_same_targets_do_not_shrink_the_interval():
    errors = np.random.default_rng(0).exponential(size=(1, 100))
    once, often = (tables.summary(made(np.repeat(errors, k, axis=0), protocol="many")).iloc[0] for k in (1, 20))
    assert often["high"] - often["low"] == pytest.approx(once["high"] - once["low"])


def test_bold_are_the_lowest_and_what_lies_within_its_interval_on_as_many_targets():
    cells = pd.DataFrame(
        {
            "task": ["sinewave"] * 5 + ["crystal"] * 3,
            "by": [solutions.OMEGA] * 4 + [solutions.SURROGATE] + [solutions.OMEGA] * 3,
            "n": [100, 100, 100, 20, 100, 50, 300, 20],
            "runs": 1,
            "mean": [8.1e-7, 8.3e-7, 8.6e-7, 1e-7, 1e-9, 0.02, 0.03, 0.01],
            "high": [8.4e-7, 8.6e-7, 8.9e-7, 2e-7, 2e-9, 0.025, 0.04, 0.02],
        }
    )
    assert tables.best(cells).tolist() == [True, True, False, False, False, True, False, False]


def test_a_surrogate_never_stands_for_omega():
    cells = tables.summary(
        pd.concat(
            [
                made([[1e-9] * 4], task="crystal", by=solutions.SURROGATE),
                made([[1e-3] * 3], task="crystal", method="inn", sampling="srs"),
            ]
        )
    )
    shown = tables.displayed(cells, "single")
    assert shown.loc[tables.best(shown), "method"].tolist() == ["inn"]
    text = tables.markdown(cells, {"crystal cinn": "Not available: no model."}, "single")
    assert "n = 4; surrogate, not Ω; paper 0.14" in text
    assert "| cinn | not available |" in text


def test_what_dft_judged_hides_what_the_surrogate_said():
    rows_of = made([[1e-9, 1e-9, 4e-2, 4e-2]], task="crystal")
    rows_of["by"] = [solutions.SURROGATE, solutions.SURROGATE, solutions.OMEGA, solutions.OMEGA]
    (one,) = tables.summary(rows_of).to_dict("records")
    assert (one["by"], one["n"], one["mean"]) == (solutions.OMEGA, 2, pytest.approx(4e-2))


def test_the_best_is_not_a_method_that_saw_a_few_targets_only():
    cells = tables.summary(
        pd.concat(
            [
                made([[1e-9] * 5], method="na-published", protocol="many", sampling="srs"),
                made([[1e-6] * 100], protocol="many"),
            ]
        )
    )
    shown = tables.displayed(cells, "many")
    assert shown.loc[tables.best(shown), "method"].tolist() == ["ipage"]


def test_the_paper_s_tables_are_the_paper_s():
    assert paper.reported("crystal", "cvae", "many") == (0.64, 5.6e-2)
    assert paper.reported("architecture", "mdn", "single") == (1.81, 2.0e-1)
    assert paper.reported("ballistics", "na-published", "single") == (0.031, 4.7e-5)
    assert paper.reported("robotic_arm", "na", "many") == (0.008, 8.8e-6)
    assert paper.reported("sinewave", "prior-lm", "many") is None
    assert paper.reported("robotic_arm_kruse", "inn", "many") is None


def test_missing_models_are_a_sentence_not_an_end(tmp_path, monkeypatch, capsys):
    real = scope.load_card

    def card(task, model, root=None):
        if model == "cvae":
            raise scope.ModelUnavailable(f"There is no trained model 'cvae' for {task}.")
        return real(task, model, root)

    monkeypatch.setattr(scope, "load_card", card)
    arguments = ["benchmark", "--tasks", "sinewave", "--repeats", "1", "--n", "5", "--only", "tables"]
    assert main([*arguments, "--methods", "cvae,prior-lm", "--workers", "0", "--out", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "| cvae | not available |" in told
    assert "Not available: There is no trained model 'cvae' for sinewave." in told
    assert main([*arguments, "--methods", "cvae", "--out", str(tmp_path)]) == 2
    assert "Not available" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--tasks", "cube"], "task 'cube' is not known; accepted: sinewave"),
        (["--methods", "magic"], "method 'magic' is not known; accepted: ipage"),
        (["--sampling", "grid"], "sampling 'grid' is not known; accepted: srs, lhs, maximin"),
        (["--protocol", "few"], "protocol 'few' is not known; accepted: many, single"),
        (["--only", "tea"], "section 'tea' is not known; accepted: tables"),
        (["--scheduler", "host"], "--scheduler host: accepted: an address"),
        (["--models", "/nowhere"], "--models /nowhere: accepted: a folder"),
        (["--models", "/usr"], "--models /usr: accepted: a folder with one folder of models a task"),
        (["--dft"], "--dft lets DFT judge crystals; accepted: with crystal or silicon among --tasks"),
        (["--tasks", ""], "task '' is not known; accepted: sinewave"),
        (["--only", ","], "section '' is not known; accepted: tables"),
        (["--join", "/nowhere"], "/nowhere: accepted: folders with results of the benchmark"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, capsys, arguments, told):
    assert main(["benchmark", "--out", str(tmp_path), *arguments]) == 2
    assert told in capsys.readouterr().err


def test_a_file_is_no_folder_and_a_refused_call_makes_none(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["benchmark", "--out", str(tmp_path / "file")]) == 2
    assert f"--out {tmp_path / 'file'}: File exists; accepted: a folder" in capsys.readouterr().err
    for refused in (["--tasks", "cube"], ["--dft"], ["--fold"], ["--join", str(tmp_path / "nothing")]):
        assert main(["benchmark", "--out", str(tmp_path / "new"), *refused]) == 2
    assert not (tmp_path / "new").exists()


def test_without_out_there_is_nothing_to_do(capsys):
    for asked in ([], ["--join", "somewhere"], ["--fold", "--report", "told.html"]):
        assert main(["benchmark", *asked]) == 2
        assert "accepted: --out DIR" in capsys.readouterr().err


def test_other_models_are_other_trainings(tmp_path, monkeypatch):
    (tmp_path / "sinewave").mkdir()
    monkeypatch.setattr(scope, "weights", lambda task, method, root: ("ab", 7 if root else 0))
    chosen = Scope(("sinewave",), ("inn",), repeats=1, models=(tmp_path,))
    assert [argument["training_seed"] for _, argument in solutions.items(chosen)] == [0, 0, 7, 7]
    assert len(dict(solutions.items(chosen))) == 4
    whole = [argument for _, argument in solutions.items(dataclasses.replace(chosen, repeats=None, methods=("ipage",)))]
    again = [argument for argument in whole if argument["training_seed"] == 7]
    assert {argument["sampling"] for argument in again} == {"maximin"}
    assert len(again) == 2 * 5
    assert len(whole) - len(again) == 2 * 3 * 50


def test_a_table_shows_the_first_training_and_each_method_s_own_sampling():
    each = pd.DataFrame(
        {
            "task": "sinewave",
            "method": ["ipage"] * 4 + ["inn"],
            "sampling": ["maximin", "maximin", "srs", "srs", "srs"],
            "protocol": "single",
            "training_seed": [1, 0, 0, 0, 0],
            "mean": [2.0, 1.0, 3.0, 9.0, 4.0],
        }
    )
    shown = tables.displayed(each, "single").set_index("method")
    assert shown["mean"].to_dict() == {"ipage": 1.0, "inn": 4.0}


def test_a_costly_method_s_targets_are_items_of_their_own_and_one_run(stand_in, tmp_path):
    chosen = Scope(("sinewave",), ("na-published",), protocols=("many",), n=3)
    written = benchmark.run(chosen, tmp_path, ["tables"], workers=0)
    assert len((tmp_path / "solutions.journal").read_text().splitlines()) == 3
    frame, _ = rows.read(written["tables"])
    assert frame["sample"].tolist() == [0, 1, 2]
    assert frame["target1"].nunique() == 3
    assert frame["localization_seconds"].nunique() == 1  # of the run
    assert frame["omega_calls"].tolist() == [3] * 3


def test_recall_counts_what_omega_confirms_over_seeds():
    per_seed = {0: [0, 0, 1, 2], 1: [0, 1, 2, 3]}
    frame = pd.DataFrame(
        [
            {"seed": seed, "sample": i, "family": family, "off1": 0.01, "x1": 0.0, "x2": 0.0}
            for seed, families in per_seed.items()
            for i, family in enumerate(families)
        ]
    ).assign(task="sinewave", method="ipage", sampling="srs", count=4)
    frame.loc[3, "off1"] = 0.03  # beyond the tolerance: family 2 is not found by seed 0
    (one,) = exploration.recall(frame).to_dict("records")
    assert one["runs"] == 2
    assert one["found"] == pytest.approx(3.0)  # two and four
    assert one["all_found"] == 0
    assert one["count_sd"] == pytest.approx(3 * np.std([0, 1], ddof=1) / 9)  # families 0, 2 and 3 of nine
    assert one["mean"] == pytest.approx((3 * 1e-4 + 9e-4 + 4e-4) / 8)


def test_every_section_runs_and_writes_its_table(stand_in, tmp_path, monkeypatch):
    monkeypatch.setattr(quality, "reference", lambda task, n, seed: TASKS[task].sample_prior(
        40, torch.Generator().manual_seed(seed)))  # fmt: skip
    monkeypatch.setattr(calibration, "AT_ONCE", 10)
    monkeypatch.setattr(compute, "load", lambda task, method, device, root: stand_ins.load(task, method))
    monkeypatch.setattr("ipage_core.benchmark.ablation.N", 8)
    monkeypatch.setattr("ipage_core.benchmark.ablation.SURROGATES", {"separate": "ipage"})
    monkeypatch.setattr(exploration, "COUNTS", (5, 10))
    monkeypatch.setattr(coverage, "COUNTS", (5, 10))
    chosen = Scope(("sinewave",), ("inn", "ipage", "prior-lm"), repeats=1, n=10, quick=True)
    written = benchmark.run(chosen, tmp_path, workers=0)
    assert set(written) == set(benchmark.SECTIONS)
    frames = {name: rows.read(path)[0] for name, path in written.items()}
    assert set(frames["exploration"]["count"]) == {5, 10}
    assert set(frames["coverage"]["count"]) == {5, 10}
    assert set(frames["coverage"]["spread"]) == {"off", "box"}
    assert frames["coverage"]["share"].between(0, 1).all()
    assert set(frames["quality"]["stage"]) == {"result", "proposed"}
    assert "reference" in set(frames["quality"]["method"])
    assert frames["calibration"]["rank1"].between(0, calibration.SAMPLES).all()
    assert {"none", "lm"} == set(frames["ablation"]["optimizer"])
    assert (frames["compute"]["inference_seconds"] > 0).all()
    assert frames["compute"]["parameters"].gt(0).any()


def test_the_density_of_the_prior_is_a_density():
    """Its mean over uniform draws of the box, times the box's volume, equals the prior's share in the box."""
    for name in ("sinewave", "robotic_arm"):
        task = TASKS[name]
        low, high = task.bounds
        x = low + (high - low) * torch.rand(
            200_000, task.d, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
        )
        share = quality.log_prior(task, x).exp().mean() * (high - low).prod()
        assert share == pytest.approx(1.0, abs=0.03)
        assert quality.log_prior(task, high[None] + 0.1).isneginf().all()
    with pytest.raises(ValueError, match="prior of crystal is not known"):
        quality.log_prior(TASKS["crystal"], torch.zeros(1, 6))


def test_the_reference_posterior_achieves_the_target():
    x = quality.reference("ballistics", 50, 3)
    assert x.shape == (50, 4)
    assert (TASKS["ballistics"].omega(x) - 5.0).abs().max() <= TASKS["ballistics"].tolerance


def test_what_a_stopped_run_has_finished_can_be_written(ran, tmp_path_factory):
    _, folder, path = ran
    out = tmp_path_factory.mktemp("folded")
    lines = (folder / "solutions.journal").read_text().splitlines(keepends=True)
    (out / "solutions.journal").write_text("".join(lines[:3]) + lines[3][:40])
    wider = Scope(("sinewave", "robotic_arm"), METHODS, repeats=50, n=12)
    frame, _ = rows.read(benchmark.run(wider, out, ["tables"], fold=True)["tables"])
    assert len(frame) == 36
    assert len(rows.read(path)[0]) > 36


def test_a_table_changes_together_with_its_summary(ran, tmp_path_factory, monkeypatch):
    chosen, folder, _ = ran
    out = tmp_path_factory.mktemp("at_once")
    shutil.copy(folder / "solutions.journal", out)
    write, refused = rows.write, []

    def fold():
        return benchmark.run(chosen, out, ["tables"], fold=True)

    def write_and_meet_another(frame, path, about):
        write(frame, path, about)
        with ThreadPoolExecutor(1) as other, pytest.raises(ValueError, match="Another run is writing to"):
            other.submit(fold).result()
        refused.append(path.name)

    monkeypatch.setattr(benchmark, "PATIENCE", 0.0)
    monkeypatch.setattr(rows, "write", write_and_meet_another)
    fold()
    assert refused == ["solutions.parquet", "cells.parquet"]


def test_parts_of_a_benchmark_join_and_the_later_folder_counts(ran, tmp_path_factory):
    _, folder, path = ran
    place = tmp_path_factory.mktemp("parts")
    whole, card = rows.read(path)
    whole["off1"] += 1
    renewed = whole[(whole["method"] == "inn") & (whole["seed"] == 0)]
    more = whole[whole["method"] == "inn"].assign(method="cinn")
    rows.write(pd.concat((renewed, more)), place / "solutions.parquet", card | {"command": "another"})
    assert main(["benchmark", "--join", str(folder), "--join", str(place), "--out", str(place / "all")]) == 0
    joined, about = rows.read(place / "all" / "solutions.parquet")
    assert about["command"] == f"{card['command']} && another"
    key = list(solutions.KEY)
    assert not joined.duplicated(key).any()
    assert len(joined) == len(whole) + len(more)
    both = joined.merge(whole, on=key, suffixes=("", "_now"))
    changed = (both["off1"] == both["off1_now"]).to_numpy()
    np.testing.assert_array_equal(changed, (both["method"].astype(str) == "inn") & (both["seed"] == 0))
    cells, _ = rows.read(place / "all" / benchmark.CELLS)
    assert set(cells["method"]) == {*METHODS, "cinn"}
    rows.write(renewed, place / "solutions.parquet", card | {"command": "another"})
    benchmark.join([place, folder], place / "all")  # of the first no row is left
    assert rows.read(place / "all" / "solutions.parquet")[1]["command"] == card["command"]
    rows.write(whole[:0].astype({"seed": float}), place / "solutions.parquet", card)  # of a section that has no rows
    benchmark.join([folder, place], place / "all")
    assert rows.read(place / "all" / "solutions.parquet")[0]["seed"].dtype == whole["seed"].dtype
    rows.write(more.assign(method="ipage", seed=7, weights="another"), place / "solutions.parquet", card)
    with pytest.raises(ValueError, match="ipage on robotic_arm has been trained anew"):
        benchmark.join([folder, place], place / "all")


def test_other_trainings_get_few_runs_and_a_costly_method_none(monkeypatch, tmp_path):
    (tmp_path / "sinewave").mkdir()
    monkeypatch.setattr(scope, "weights", lambda task, method, root: ("ab", 0 if root is None else 1))
    chosen = Scope(("sinewave",), ("na-published", "ipage"), models=(tmp_path,))
    found = pd.DataFrame([argument for _, argument in solutions.items(chosen)])
    counts = found.groupby(["method", "protocol", "training_seed"]).size()
    assert counts["na-published"].to_dict() == {("many", 0): 20, ("single", 0): 3}
    assert counts["ipage"].to_dict() == {("many", 0): 150, ("many", 1): 5, ("single", 0): 150, ("single", 1): 5}


def test_dft_judges_one_run_of_a_method_and_protocol(monkeypatch):
    monkeypatch.setattr(scope, "weights", lambda task, method, root: ("ab", 0))
    chosen = Scope(("crystal", "sinewave"), ("ipage", "inn"), repeats=3, dft=True)
    alone = [argument for _, argument in solutions.items(chosen) if solutions.alone(argument)]
    assert {argument["task"] for argument in alone} == {"crystal"}
    cells = [(argument["method"], argument["sampling"], argument["protocol"]) for argument in alone]
    assert sorted(cells) == [(m, s, p) for m, s in (("inn", "srs"), ("ipage", "maximin")) for p in ("many", "single")]


def test_dft_judges_few_strains_of_silicon(monkeypatch):
    monkeypatch.setattr(scope, "weights", lambda task, method, root: ("ab", 0))
    monkeypatch.setattr(solutions, "loaded", lambda *_: None)
    chosen, asked = Scope(("silicon",), ("ipage",), repeats=1, dft=True), []
    monkeypatch.setattr(solutions, "design", lambda *_, verify, **__: asked.append(verify) or 1 / 0)
    for argument in (argument for _, argument in solutions.items(chosen) if argument["dft"]):
        with pytest.raises(ZeroDivisionError):
            solutions.work(argument)
    assert asked == ["10", "10"]


def test_dft_judges_one_run_of_another_training_too(monkeypatch, tmp_path):
    (tmp_path / "crystal").mkdir()
    monkeypatch.setattr(scope, "weights", lambda task, method, root: ("ab", 0 if root is None else 1))
    chosen = Scope(("crystal",), ("ipage",), protocols=("many",), dft=True, models=(tmp_path,))
    again = [argument for _, argument in solutions.items(chosen) if argument["training_seed"]]
    assert [(argument["sampling"], argument["seed"], argument["dft"]) for argument in again] == [("maximin", 0, True)]
    asked = []
    monkeypatch.setattr(solutions, "loaded", lambda *_: None)
    monkeypatch.setattr(solutions, "design", lambda *_, verify, **__: asked.append(verify) or 1 / 0)
    first = next(argument for _, argument in solutions.items(chosen) if argument["dft"])
    for argument in (first, again[0]):
        with pytest.raises(ZeroDivisionError):
            solutions.work(argument)
    few, many = (rows_to_verify(TASKS["crystal"], 300, count, 0) for count in reversed(asked))
    assert (few.sum(), many.sum()) == (10, 50)
    assert many[few].all()


def test_clocks_run_on_the_device_that_is_asked_for(monkeypatch):
    def devices(**options):
        found = compute.items(Scope(("sinewave",), ("inn",), quick=True, **options))
        return [argument["device"] for _, argument in found]

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert devices() == ["cpu", "cuda"]
    assert devices(device="cuda") == ["cuda"]
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: "Big GPU")
    assert rows.machine("cuda") == f"Big GPU in {rows.machine()}"
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert devices() == ["cpu"]
    assert devices(device="cuda") == ["cuda"]  # for merging runs from elsewhere
    with pytest.raises(ValueError, match="device 'tpu' is not known; accepted: cpu, cuda"):
        Scope(("sinewave",), device="tpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
def test_a_gpu_that_is_not_there_is_refused_before_anything_is_made(tmp_path, capsys):
    out = tmp_path / "new"
    assert main(["benchmark", "--out", str(out), "--only", "compute", "--device", "cuda"]) == 2
    assert "--device cuda: PyTorch finds no GPU here; accepted: cpu\n" in capsys.readouterr().err
    assert main(["benchmark", "--out", str(out), "--only", "tables", "--device", "cpu"]) == 2
    assert "accepted: with this section" in capsys.readouterr().err
    assert not out.exists()


def test_a_surrogate_does_not_judge_what_was_localized_on_it(stand_in, tmp_path, monkeypatch):
    slow = dataclasses.replace(TASKS["sinewave"], omega_seconds=8.0)
    monkeypatch.setattr(solutions, "load", stand_ins.load)
    with stand_ins.known(slow):
        _unjudged(tmp_path)


def _unjudged(tmp_path):
    chosen = Scope(("sinewave",), ("inn", "prior-lm"), protocols=("single",), repeats=1, n=6)
    path = benchmark.run(chosen, tmp_path, ["tables"], workers=0)["tables"]
    frame, _ = rows.read(path)
    by = frame.groupby("method", observed=True)["by"].unique()
    assert by["inn"].tolist() == [solutions.SURROGATE]
    assert by["prior-lm"].tolist() == [solutions.NOBODY]
    assert frame.loc[frame["method"] == "prior-lm", "off1"].isna().all()
    assert frame.loc[frame["method"] == "inn", "off1"].notna().all()
    cells, _ = rows.read(path.with_name(benchmark.CELLS))
    assert "| prior-lm | not verified |" in tables.markdown(cells, {}, "single")


@pytest.mark.parametrize("path", sorted((ROOT / "data" / "benchmark").glob("*.parquet")), ids=lambda path: path.stem)
def test_shipped_rows_say_which_command_made_them(path):
    """A table without its card closes the Benchmark page."""
    frame, card = rows.read(path)
    assert len(frame)
    assert card["command"].startswith("python -m ipage_core benchmark")
    assert card["machine"]
