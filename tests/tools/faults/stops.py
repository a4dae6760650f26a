"""Ctrl-C, SIGTERM and SIGKILL at random moments; the same command again gives what an undisturbed run gives."""

import os
import random
import shutil
import signal
import sys
import time

import pandas as pd
import psutil
from safetensors.torch import load_file

from tests.tools.faults.base import Fault, begun, broken, ended, ran, table

TRIALS = 6
PATIENCE = 10.0
"""Seconds in which a worker must end after its command, on a busy machine."""
SIMULATOR = """
import csv, sys
with open(sys.argv[1]) as given, open(sys.argv[2], "w") as out:
    print("sample,q", file=out)
    for row in csv.DictReader(given):
        print(row["sample"], float(row["u"]) ** 2 + float(row["v"]), sep=",", file=out)
"""
DONE = ("holds a problem already", "are in the data already")
"""What a command says that had finished before it was stopped."""


def stops(place, scratch):
    """Commands that write folders, files, tables, journals and rows of their own."""
    table(60).to_csv(scratch / "first.csv", index=False)
    (scratch / "sim.py").write_text(SIMULATOR)
    program = f"{sys.executable} {scratch}/sim.py {{in}} {{out}}"
    new = ["--x", "u=0:1", "--x", "v=0:2", "--y", "q ± 0.05", "--command", program, "--batch", 2]
    train = ["--x", "a,b", "--y", "gap", "--epochs", 8, "--size", "small"]
    campaign = ["--target", 1, "--hits", 30, "--budget", 12, "--batch", 2]
    benchmark = ["--tasks", "sinewave", "--methods", "prior-lm", "--only", "tables", "--repeats", 2, "--n", 20]
    commands = {
        "new": (lambda to: ["new", to / "p", *new, "--test", 8], _rows),
        "dataset of a command": (lambda to: ["dataset", to / "p", "--n", 24, "--workers", 2], _rows),
        "train of a table": (
            lambda to: ["train", "--data", scratch / "first.csv", *train, "--out", to / "own"],
            lambda to: {key: value.tolist() for key, value in load_file(to / "own/inn.safetensors").items()},
        ),
        "campaign": (
            lambda to: ["campaign", "sinewave", *campaign, "--out", to / "k.csv"],
            lambda to: (to / "k.csv").read_text(),
        ),
        "benchmark": (
            lambda to: ["benchmark", *benchmark, "--workers", 2, "--out", to / "b"],
            lambda to: pd.read_parquet(to / "b/solutions.parquet").filter(regex="^(off|sample|seed)").to_csv(),
        ),
    }
    made = scratch / "made"
    ran(["new", made / "p", *new, "--test", 0], scratch)
    for name, (line, result) in commands.items():
        yield _stopped(name, line, result, made if name.startswith("dataset") else None, place, scratch)


def _rows(to):
    return sorted(map(tuple, pd.read_parquet(to / "p/rows.parquet")[["u", "v", "q"]].to_numpy()))


def _stopped(name, line, result, made, place, scratch):
    """One command, undisturbed and then stopped ``TRIALS`` times."""
    fault, chance = Fault(f"stopped: {name}"), random.Random(name)
    begin = time.monotonic()
    whole, seconds = None, 0.0
    for trial in range(-1, TRIALS):
        to = _place(place / f"{name[:3]}{trial}", made)
        if trial < 0:
            code, _, err = ran(line(to), scratch)
            whole, seconds = result(to), time.monotonic() - begin
            if code:
                fault.unclear.append(f"undisturbed: exit code {code}, {err[-200:]}")
            continue
        sent = chance.choice((signal.SIGINT, signal.SIGTERM, signal.SIGKILL))
        process = begun(line(to), scratch, session=True)
        time.sleep(chance.uniform(0.05, seconds))
        (os.killpg if sent is signal.SIGINT else os.kill)(process, sent)  # Ctrl-C reaches all processes
        code, _, err = ended(process, scratch)
        what = f"trial {trial}, {sent.name}"
        fault.said(what, err if "Traceback" in err else "", result=code in (0, 130, -sent))
        fault.lost += [f"{what}: {one} lives on" for one in _left(process)]
        fault.lost += [f"{what}: {path}" for path in broken(to) if not path.endswith(".part")]
        code, _, err = ran(line(to), scratch)
        if code == 2 and "--resume" in err:
            code, _, err = ran([*line(to), "--resume"], scratch)
        if (code and not any(said in err for said in DONE)) or result(to) != whole or broken(to):
            fault.lost.append(f"{what}, again: exit code {code}, {err[-200:]} {broken(to)}")
        shutil.rmtree(to)
    return fault


def _place(to, made):
    """A fresh folder, with a copy of a problem that may run here."""
    from ipage_core.tasks.command import card

    to.mkdir()
    if made is not None:
        shutil.copytree(made / "p", to / "p")
        card.allow(to / "p", card.read(to / "p").command)
    return to


def _left(session):
    """Processes of a session that do not end."""
    end = time.monotonic() + PATIENCE
    while left := [one for one in psutil.process_iter() if _session(one.pid) == session]:
        if time.monotonic() > end:
            return left
        time.sleep(0.1)
    return []


def _session(process):
    try:
        return os.getsid(process)
    except OSError:
        return None
