"""Two commands at once that write to the same place, and commands whose parent is killed."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import psutil

from tests.support.browser import ROOT
from tests.tools.faults.base import LIMIT, Fault, begun, broken, ended, ran, table

TRIALS = 50
PATIENCE = 10.0
"""Seconds in which a worker must end after its command, on a busy machine."""
COLUMNS = ["--x", "a,b", "--y", "gap"]
SHORT = ["--epochs", "1", "--size", "small", "--method", "prior-lm"]


def writers_of_rows(place, scratch):
    """Two commands at once that add rows to a table, or train on it: both results, or one refused by a sentence."""
    own = _own(scratch)

    def add(to, k):
        return ["train", "--model", to / "own", "--add", scratch / f"more{k}.csv", *SHORT]

    def again(to, k):
        return ["train", "--model", to / "own", "--seed", k, *SHORT]

    yield _pair("--add and --add", (add, add), place, scratch, own)
    yield _pair("--add and a training", (add, again), place, scratch, own)


def writers_of_models(place, scratch):
    """Two trainings at once into one folder."""
    _own(scratch)

    def train(to, k):
        return ["train", "sinewave", "--out", to / "m", "--seed", k, *SHORT]

    def create(to, k):
        return ["train", "--data", scratch / "first.csv", *COLUMNS, "--out", to / "new", "--seed", k, *SHORT]

    yield _pair("two trainings", (train, train), place, scratch)
    yield _pair("two new tables", (create, create), place, scratch)


def writers_of_files(place, scratch):
    """Two commands at once that write the same file."""
    designs = pd.DataFrame(np.random.default_rng(0).uniform(-1, 1, (20_000, 2)), columns=["x1", "x2"])
    designs.to_csv(scratch / "x.csv", index=False)

    def design(to, k):
        return ["design", "sinewave", "--target", k, "--n", 300, "--out", to / "o.csv"]

    def verify(to, k):
        return ["verify", "sinewave", scratch / "x.csv", "--out", to / "o.csv"]

    def dataset(to, k):
        return ["dataset", "ballistics", "--n", 3000, "--seed", k, "--out", to / "d.parquet"]

    yield _pair("two designs", (design, design), place, scratch)
    yield _pair("a design and a check", (design, verify), place, scratch)
    yield _pair("two data sets", (dataset, dataset), place, scratch)


def writers_of_logs(place, scratch):
    """Two commands at once that write the same journal, log or queue."""

    def cells(to, k):
        return ["dataset", "architecture", "--n", 2, "--seed", k, "--workers", 0, "--out", to / "c.parquet"]

    def campaign(to, k):
        return ["campaign", "sinewave", "--target", "1", "--hits", 2, "--budget", 8, "--seed", k, "--out", to / "k.csv"]

    yield _queue(place)
    yield _pair("two journals", (cells, cells), place, scratch)
    yield _pair("two campaigns", (campaign, campaign), place, scratch)


def _own(scratch):
    """Own data with a model, and two files of results for them."""
    table(60).to_csv(scratch / "first.csv", index=False)
    for k in range(2):
        table(6, seed=k + 1).to_csv(scratch / f"more{k}.csv", index=False)
    line = ["train", "--data", scratch / "first.csv", *COLUMNS, "--out", scratch / "own", *SHORT]
    code, _, said = ran(line, scratch)
    assert code == 0, said
    return scratch / "own"


def _pair(name, commands, place, scratch, own=None):
    """A pair of commands, ``TRIALS`` times."""
    fault, refused, chance = Fault(f"two writers: {name}"), 0, random.Random(name)
    for trial in range(TRIALS):
        to = place / str(trial)
        to.mkdir()
        if own is not None:
            shutil.copytree(own, to / "own")
        refused += _together(fault, [command(to, k) for k, command in enumerate(commands)], to, scratch, chance)
        fault.lost += [f"trial {trial}: {p}" for p in broken(to)]
        shutil.rmtree(to)
    fault.note = f"{refused} of {TRIALS} times one was refused"
    return fault


def _together(fault, lines, to, scratch, chance):
    """Run two commands at once, and say what each ended with. → whether one was refused."""
    folders = [scratch / "one", scratch / "two"]
    processes = []
    for line, folder in zip(lines, folders, strict=True):
        folder.mkdir(exist_ok=True)
        processes.append(begun(line, folder))
        time.sleep(chance.choice((0.0, 0.02, 0.1, 0.3)))
    results = [ended(process, folder) for process, folder in zip(processes, folders, strict=True)]
    # A campaign that ends without any hit returns 1, which is its result.
    codes = [
        0 if code == 1 and line[0] == "campaign" else code for line, (code, _, _) in zip(lines, results, strict=True)
    ]
    for line, code, (_, _, err) in zip(lines, codes, results, strict=True):
        said = err.strip().splitlines()[-1].rsplit("\r", 1)[-1] if err.strip() else ""
        wrong = "Traceback" if "Traceback" in err else said
        fault.said(" ".join(map(str, line)), wrong, result=code == 0 and "Traceback" not in err)
    if codes not in ([0, 0], [0, 2], [2, 0]):
        fault.lost.append(f"exit codes {codes}: {[err for _, _, err in results]}")
    _check_rows(fault, lines, codes, to)
    return int(codes != [0, 0])


def _check_rows(fault, lines, codes, to):
    """Rows of each command that succeeded are there, and no others; models are those of one command."""
    from ipage_core.networks import MODELS
    from ipage_core.networks.store import load_model
    from ipage_core.tasks.table import own_data

    for folder in (f for f in (to / "own", to / "new") if f.exists()):
        added = sum(code == 0 and "--add" in line for line, code in zip(lines, codes, strict=True))
        there = len(own_data.measured(folder).x)
        if there != 60 + 6 * added or sum(r["rows"] for r in own_data.read_card(folder)["rounds"]) != there:
            fault.lost.append(f"{there} rows after {added} additions")
    if (to / "m").exists():
        load_model("sinewave", "mlp", folder=to / "m", networks=MODELS)  # weights and card belong together
    if (to / "o.csv").exists() and len(pd.read_csv(to / "o.csv")) not in (300, 600, 20_000):
        fault.lost.append("the table is that of neither command")


def _queue(place):
    """Equal requests to the queue of trainings, from two processes."""
    from app.workers import trainings

    fault = Fault("two writers: two equal requests in the queue")
    for trial in range(TRIALS):
        os.environ["IPAGE_HOME"] = str(place / f"queue{trial}")
        processes = []
        for _ in range(2):
            processes.append(os.fork())
            if not processes[-1]:
                trainings.poll = lambda: None
                try:
                    trainings.add("one", "sinewave", "prior-lm", ["mlp"], place / "models")
                    os._exit(0)
                except ValueError as error:
                    os._exit(2 if "with the same folder" in str(error) else 1)
                except BaseException:
                    os._exit(1)
        codes = sorted(os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]) for p in processes)
        fault.said(f"trial {trial}", "refused" if codes == [0, 2] else f"Traceback: {codes}")
        if len(trainings.trainings()) != 1:
            fault.lost.append(f"trial {trial}: {len(trainings.trainings())} are queued")
    return fault


def additions(place, scratch):
    """SIGKILL anywhere in ``train --add``; the same command again ends with all rows."""
    from ipage_core.tasks.table import own_data

    fault, chance = Fault("SIGKILL in train --add, and again"), random.Random(1)
    long = ["--epochs", "8", "--size", "small", "--method", "ipage"]
    base = _own(scratch)
    for trial in range(20):
        own = place / str(trial)
        shutil.copytree(base, own)
        line = ["train", "--model", own, "--add", scratch / "more0.csv", *long]
        process = begun(line, scratch)
        time.sleep(chance.uniform(0.0, 1.5))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        code, _, err = ran(line, scratch)
        said = err.strip().splitlines()[-1] if err.strip() else ""
        finished = code == 2 and "are in the data already" in said  # before the kill
        fault.said(f"trial {trial}", said, result=code == 0)
        if not (code == 0 or finished) or len(own_data.measured(own).x) != 66 or broken(own):
            fault.lost.append(f"trial {trial}: exit code {code}, {len(own_data.measured(own).x)} rows, {broken(own)}")
    return [fault]


def orphans(place, scratch):
    """SIGKILL of commands that have workers: none of these lives on."""
    fault = Fault("workers whose command is killed")
    (scratch / "slow.py").write_text("import time\ntime.sleep(100)\n", encoding="utf-8")
    command = f"{sys.executable} {scratch}/slow.py {{in}} {{out}}"
    code, _, err = ran(
        ["new", scratch / "slow", "--x", "a=0:1", "--y", "b ± 0.1", "--command", command, "--test", 0], scratch
    )
    assert code == 0, err
    pd.DataFrame({"x1": [0.1, 0.2, 0.3]}).to_csv(scratch / "a.csv", index=False)
    lattices = [[3.9 + 0.02 * k, 3.95, 4.0, 90, 90, 90] for k in range(4)]
    pd.DataFrame(lattices, columns=[f"x{k + 1}" for k in range(6)]).to_csv(scratch / "l.csv", index=False)
    os.environ["IPAGE_CACHE"] = str(place / "cache")
    lines = {
        "a data set of cells": ["dataset", "architecture", "--n", 3000, "--workers", 2, "--out", place / "c.parquet"],
        "DFT": ["verify", "crystal", scratch / "l.csv", "--out", place / "v.csv"],
        "an Ω that is a command": ["verify", scratch / "slow", scratch / "a.csv", "--out", place / "w.csv"],
        "the benchmark": ["benchmark", "--quick", "--workers", 2, "--out", place / "b"],
    }
    for name, line in lines.items():
        for wait in (0.3, 1.0, 3.0):
            command = [sys.executable, "-m", "ipage_core", *map(str, line)]
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT) as process:
                parent, end = psutil.Process(process.pid), time.monotonic() + LIMIT
                while not (workers := parent.children(recursive=True)) and time.monotonic() < end:
                    if process.poll() is not None:
                        break
                    time.sleep(0.02)
                time.sleep(wait)
                with_workers = parent.children(recursive=True) if process.poll() is None else workers
                process.kill()
            alive, end = with_workers, time.monotonic() + PATIENCE
            while alive and time.monotonic() < end:
                alive = [one for one in alive if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
                time.sleep(0.1)
            fault.said(f"{name} after {wait:g} s", "", result=True)
            fault.lost += [f"{name}: {one} lives on" for one in alive]
            if not with_workers:
                fault.unclear.append(f"{name}: no worker was seen")
            for one in alive:
                one.kill()
    return [fault]
