"""One writer a folder, across threads and processes; a killed writer leaves it free."""

import json
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from app.workers import trainings
from ipage_core.cli.main import main
from ipage_core.runtime.files import LOCK, sole_writer
from ipage_core.runtime.paths import PRETRAINED
from ipage_core.tasks import TASKS
from ipage_core.tasks.crystal import lattices
from ipage_core.tasks.silicon import dataset as silicon
from ipage_core.tasks.table import own_data
from ipage_core.training import ablation, calibrate, learn, search
from ipage_core.training.fit import Fit

HOLD = """
import sys
from pathlib import Path
from ipage_core.runtime.files import sole_writer
with sole_writer(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def rows(count, seed):
    x = np.random.default_rng(seed).normal(size=(count, 2))
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "gap": x.sum(1)})


@pytest.fixture
def held(tmp_path):
    """A folder that another process holds, and the process."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "m")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield tmp_path / "m", process
        process.kill()


def test_another_process_is_refused_until_the_first_is_killed(held, capsys):
    folder, process = held
    train = ["train", "sinewave", "--method", "prior-lm", "--epochs", "1", "--size", "small", "--out", str(folder)]
    assert main(train) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"Another run is writing to {folder.resolve()}" in said
    process.kill()
    process.wait()
    assert main(train) == 0
    assert json.loads((folder / "mlp.json").read_text())["settings"]["epochs"] == 1


def test_a_thread_may_enter_again_and_another_may_not(tmp_path):
    refused = []

    def enter():
        try:
            with sole_writer(tmp_path):
                refused.append(False)
        except ValueError:
            refused.append(True)

    with sole_writer(tmp_path), sole_writer(tmp_path):
        other = threading.Thread(target=enter)
        other.start()
        other.join()
    enter()
    assert refused == [True, False]


def test_a_new_folder_goes_if_nothing_was_written(tmp_path):
    with pytest.raises(ValueError, match="no"), sole_writer(tmp_path / "new"):
        raise ValueError("no")
    assert not list(tmp_path.iterdir())
    with suppress(ValueError), sole_writer(tmp_path / "new"):
        (tmp_path / "new/file").touch()
        raise ValueError("no")
    assert (tmp_path / "new/file").exists()


def test_a_new_folder_goes_before_another_writer_may_enter_it(tmp_path, monkeypatch):
    unlink, refused = Path.unlink, []

    def meanwhile():
        with pytest.raises(ValueError, match="Another run"), sole_writer(tmp_path / "new"):
            pass
        refused.append(True)

    def remove(path, missing_ok=False):
        if path.name == LOCK and not refused:
            with ThreadPoolExecutor(1) as other:
                other.submit(meanwhile).result()
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", remove)
    with pytest.raises(ValueError, match="no"), sole_writer(tmp_path / "new"):
        raise ValueError("no")
    assert refused
    assert not list(tmp_path.iterdir())


def test_a_folder_that_another_run_removes_meanwhile_is_made_again(tmp_path, monkeypatch):
    mkdir, gone = Path.mkdir, []

    def made(path, *arguments, **options):
        mkdir(path, *arguments, **options)
        if path.name == "new" and not gone:
            gone.append(path)
            path.rmdir()

    monkeypatch.setattr(Path, "mkdir", made)
    with sole_writer(tmp_path / "new"):
        assert (tmp_path / "new" / LOCK).exists()
    assert gone


def test_rows_added_at_once_are_all_there(tmp_path, monkeypatch):
    monkeypatch.setattr(own_data, "PATIENCE", 120.0)  # on a busy machine, four writers may take longer than usual
    own_data.create(tmp_path / "own", rows(80, 0), ["a", "b"], ["gap"], source="first")
    threads = [
        threading.Thread(target=own_data.add, args=(tmp_path / "own", rows(10, k)), kwargs={"source": f"{k}.csv"})
        for k in range(1, 5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    card, there = own_data.read_card(tmp_path / "own"), own_data.measured(tmp_path / "own")
    assert sorted(r["source"] for r in card["rounds"]) == sorted(["first", *(f"{k}.csv" for k in range(1, 5))])
    assert len(there.x) == 80 + 4 * 10
    assert there.round.bincount().tolist() == [80] + 4 * [10]


@pytest.mark.parametrize("damage", ["", "{", "null", "[1]", "{}", '{"data": null}', "[" * 100_000, "\udcff"])
def test_add_again_trains_a_model_anew_whose_card_is_damaged(tmp_path, capsys, damage):
    own, first = tmp_path / "own", tmp_path / "first.csv"
    rows(80, 0).to_csv(first, index=False)
    short = ["--epochs", "1", "--size", "small", "--method", "prior-lm"]
    assert main(["train", "--data", str(first), "--x", "a,b", "--y", "gap", "--out", str(own), *short]) == 0
    (own / "mlp.json").write_bytes(damage.encode(errors="surrogateescape"))
    capsys.readouterr()
    assert main(["train", "--model", str(own), "--add", str(first), *short]) == 0
    assert "are in the data already: the training goes on" in capsys.readouterr().err
    assert json.loads((own / "mlp.json").read_text())["data"]["n"] > 0
    assert len(own_data.measured(own).x) == 80


def test_add_again_after_a_kill_goes_on_and_loses_no_row(tmp_path, capsys):
    own, more = tmp_path / "own", tmp_path / "more.csv"
    rows(80, 0).to_csv(tmp_path / "first.csv", index=False)
    rows(10, 1).to_csv(more, index=False)
    short = ["--epochs", "1", "--size", "small", "--method", "prior-lm"]
    data = ["--data", str(tmp_path / "first.csv"), "--x", "a,b", "--y", "gap", "--out", str(own)]
    assert main(["train", *data, *short]) == 0
    own_data.add(own, pd.read_csv(more), source="more.csv")  # and killed before the training
    trained_on = json.loads((own / "mlp.json").read_text())["data"]["n"]
    capsys.readouterr()
    assert main(["train", "--model", str(own), "--add", str(more), *short]) == 0
    assert "are in the data already: the training goes on" in capsys.readouterr().err
    assert main(["train", "--model", str(own), "--add", str(more), *short]) == 2  # nothing is left to do
    assert json.loads((own / "mlp.json").read_text())["data"]["n"] == trained_on + 10
    assert len(own_data.measured(own).x) == 90


def test_a_table_whose_training_was_killed_before_its_first_checkpoint_says_how_to_go_on(tmp_path, capsys):
    own = tmp_path / "own"
    rows(80, 0).to_csv(tmp_path / "first.csv", index=False)
    own_data.create(own, rows(80, 0), ["a", "b"], ["gap"], source="first.csv")  # and killed
    short = ["--epochs", "1", "--size", "small", "--method", "prior-lm"]
    train = ["train", "--data", str(tmp_path / "first.csv"), "--x", "a,b", "--y", "gap", "--out", str(own), *short]
    assert main(train) == 2
    assert "holds a task already: go on with its training by --resume" in capsys.readouterr().err
    assert main([*train, "--resume"]) == 0
    assert len(own_data.measured(own).x) == 80
    assert (own / "mlp.json").exists()


def test_what_changes_a_stored_file_waits_for_no_other_writer_and_changes_nothing(tmp_path, monkeypatch):
    task, folder = TASKS["sinewave"], tmp_path / "sinewave"
    shutil.copytree(PRETRAINED / "sinewave", folder)
    shutil.copy(lattices.DATA, folder)
    shutil.copy(silicon.DATA, folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(ablation, "PRETRAINED", tmp_path)
    for module in (calibrate, lattices, silicon):
        monkeypatch.setattr(module, "PATIENCE", 0.0)
    attempts = (
        lambda: calibrate.calibrate(task, "mlp", folder),
        lambda: ablation.ablate(task, 1),
        lambda: lattices.fold([], folder / lattices.DATA.name),
        lambda: silicon.fold([], folder / silicon.DATA.name),
        lambda: learn.learn(TASKS["crystal"], torch.empty(0, 6), torch.empty(0, 3), folder),
    )
    with ThreadPoolExecutor(1) as other, sole_writer(folder):
        for attempt in attempts:
            with pytest.raises(ValueError, match="Another run is writing to"):
                other.submit(attempt).result()
    assert {path: path.read_bytes() for path in folder.iterdir() if path.name != LOCK} == before


def test_of_two_searches_with_one_log_the_second_is_refused(tmp_path, monkeypatch):
    def during(build, arguments, x, y, its):
        with ThreadPoolExecutor(1) as other, pytest.raises(ValueError, match="Another run is writing to"):
            other.submit(search.search_networks, TASKS["sinewave"], tmp_path).result()
        return Fit({}, [{"validation_l2": 2.0}], 1.0)

    monkeypatch.setattr(search, "fit", during)
    assert {row["score"] for row in search.search_networks(TASKS["sinewave"], tmp_path)["rows"]} == {2.0}
    with sole_writer(tmp_path):  # as a training beside it does
        assert {row["score"] for row in search.search_networks(TASKS["sinewave"], tmp_path)["rows"]} == {2.0}


def test_two_equal_requests_are_queued_once(tmp_path, monkeypatch):
    monkeypatch.setenv("IPAGE_HOME", str(tmp_path))
    monkeypatch.setattr(trainings, "poll", lambda: None)
    ended = []

    def add():
        try:
            trainings.add("one", "sinewave", "prior-lm", ["mlp"], tmp_path / "models/one")
            ended.append("queued")
        except ValueError as error:
            ended.append(str(error))

    threads = [threading.Thread(target=add) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == ["'one' is waiting, with the same folder: end or remove it first"] * 5 + ["queued"]
    assert len(trainings.trainings()) == 1
