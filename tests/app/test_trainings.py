"""The queue of trainings: real trainings of a few seconds, killed, stopped and resumed."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from app.components.queue import heading
from app.workers import trainings
from ipage_core import registry as home
from ipage_core.runtime.paths import ROOT
from tests.support.pages import until

pytestmark = pytest.mark.usefixtures("place")
TRAIN = {"task": "sinewave", "method": "prior-lm", "models": ["mlp"], "size": "small"}


def now(number):
    return trainings.read(number)


def epochs(number):
    return [row["epoch"] for row in trainings.printed(now(number)) if "epochs" in row]


def test_it_starts_without_the_heavy_libraries():
    code = "import sys, app.workers.trainings; print({'torch', 'pandas', 'streamlit'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert said.stdout.strip() == "set()"


def test_a_training_named_as_its_task_says_so_once():
    training = trainings.Training(1, "Sine wave", "sinewave", "ipage", [], "", [])
    assert heading(training) == "**Sine wave** · iPage"
    assert heading(replace(training, title="mortar", task="mortar")) == "**mortar** · iPage"
    assert heading(replace(training, title="sinewave-1")) == "**sinewave-1** · Sine wave · iPage"


@pytest.mark.slow
def test_one_at_a_time_and_the_next_by_itself(place):
    first = trainings.add("one", out=place / "models/one", epochs=2, **TRAIN)
    second = trainings.add("two", out=place / "models/two", epochs=1, **TRAIN)
    assert (first.number, second.number) == (1, 2)
    assert trainings.ahead(second) == 1
    until(lambda: now(1).state != "waiting")
    assert now(2).state == "waiting"
    with pytest.raises(ValueError, match="with the same folder"):
        trainings.add("three", out=place / "models/two", **TRAIN)
    until(lambda: now(2).state == "done")  # without polls, the worker continues alone
    assert now(1).state == "done"
    assert epochs(1) == [1, 2]
    assert trainings.printed(now(1))[0]["device"]
    home.refresh()
    from ipage_core.inference.methods import METHODS, load

    assert METHODS["prior-lm@one"].task == "sinewave"
    assert load("sinewave", "prior-lm@one").cards["mlp"]["settings"]["epochs"] == 2
    with pytest.raises(ValueError, match="'prior-lm@one' is not known"):
        load("ballistics", "prior-lm@one")
    trainings.remove(1)
    assert [t.number for t in trainings.trainings()] == [2]
    assert (place / "models/one/mlp.safetensors").exists()


@pytest.mark.slow
def test_killed_with_its_worker_it_goes_on_where_it_was(place):
    trainings.add("one", out=place / "models/one", epochs=6, **TRAIN)
    until(lambda: len(epochs(1)) >= 2)
    pid = now(1).pid
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    parent = int(next(line for line in status if line.startswith("PPid")).split()[1])
    assert parent != os.getpid()
    os.kill(parent, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not trainings.is_working())
    before = len(epochs(1))
    assert now(1).state == "running"  # as the kill left it
    trainings.poll()  # called by every page, and by the app at its start
    until(lambda: len(epochs(1)) > before or now(1).state == "done")
    lines = [json.loads(x) for x in (place / "queue/1.jsonl").read_text().splitlines() if x.startswith("{")]
    printed = [row["epoch"] for row in lines if "epochs" in row]
    assert printed[before] >= before  # at most one epoch was repeated
    until(lambda: now(1).state == "done")
    assert epochs(1) == [1, 2, 3, 4, 5, 6]


@pytest.mark.slow
def test_stopped_it_resumes(place):
    trainings.add("one", out=place / "models/one", epochs=4, **TRAIN)
    until(lambda: len(epochs(1)) >= 1)
    trainings.stop(1)
    until(lambda: now(1).state == "stopped")
    done = len(epochs(1))
    assert (place / "models/one/mlp.checkpoint.safetensors").exists()
    trainings.resume(1)
    until(lambda: now(1).state == "done")
    assert done < 4
    assert epochs(1) == [1, 2, 3, 4]


def test_a_failure_says_why_and_does_not_come_back(place):
    trainings.add("one", out=place / "models/one", epochs=0, **TRAIN)
    until(lambda: now(1).state == "failed")
    assert "'0' is not accepted: a whole number, from 1 to 10000" in now(1).message
    trainings.poll()
    assert now(1).state == "failed"


def test_what_dies_at_once_is_not_tried_for_ever(place, monkeypatch):
    training = trainings.Training(1, "one", "sinewave", "prior-lm", ["mlp"], str(place / "m"), [])
    for attempt in range(trainings.ATTEMPTS):
        training.begun.append(0)
        trainings.conclude(training, -9)
        assert training.state == ("waiting" if attempt + 1 < trainings.ATTEMPTS else "failed")
    assert "out of memory" in training.message


def test_a_waiting_one_can_be_taken_out(place):
    trainings.add("one", out=place / "models/one", epochs=3, **TRAIN)
    trainings.add("two", out=place / "models/two", epochs=3, **TRAIN)
    trainings.stop(2)
    assert now(2).state == "stopped"
    trainings.remove(2)
    assert [t.number for t in trainings.trainings()] == [1]


def test_what_runs_is_ahead_of_one_resumed(place):
    begun = trainings.Training(1, "one", "sinewave", "prior-lm", ["mlp"], str(place / "one"), [], state="waiting")
    runs = trainings.Training(2, "two", "sinewave", "prior-lm", ["mlp"], str(place / "two"), [], state="running")
    for training in (begun, runs):
        trainings.write(training)
    assert (trainings.ahead(begun), trainings.ahead(runs)) == (1, 0)
    for training in (begun, runs):
        training.state = "stopped"
        trainings.write(training)


def test_the_settings_of_the_last_training_are_found_again(place):
    out = place / "models/one"
    assert trainings.settings(out) == {}
    out.mkdir(parents=True)
    command = f"python -m ipage_core train --model '{out}' --method prior-lm --out '{out}' --epochs 7 --size small"
    (out / "mlp.json").write_text(json.dumps({"command": command}))
    assert trainings.settings(out) == {"epochs": 7, "size": "small"}
    said = ["--size", "large", "--seed", "3", "--device", "cpu"]
    trainings.write(trainings.Training(1, "one", "sinewave", "prior-lm", ["mlp"], str(out), said, state="done"))
    assert trainings.settings(out) == {"size": "large", "seed": 3, "device": "cpu"}
