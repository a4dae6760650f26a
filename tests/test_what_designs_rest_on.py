"""Whatever the task is, each of its candidates says what it rests on: in CSV, summary, printed form, table and page."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ase.build import bulk
from ase.io import write

import ipage_core as ipage
from app.components import tables as generic
from app.state import runs
from app.tasks.crystal import candidates as crystal
from app.tasks.problem import table as problem
from app.tasks.silicon import candidates as silicon
from app.tasks.table import panel as own_table
from ipage_core import registry
from ipage_core.cli.main import main
from ipage_core.problem.request import DesignRequest
from ipage_core.tasks import TASKS

INTERVAL, VERIFIED, MEASURED = "predicted, 90 % interval", "verified by Ω", "measured row"
FUNCTION = """
from ipage_core.problem.task import Task
TASK = Task.from_function(lambda x: (x[:, :1] * x[:, 1:]) ** 2, x={"a [m]": (1, 2), "b [m]": (1, 2)},
                          y={"area": 0.02}, name="area", seconds=1e-6, data_size=400)
"""
AWK = 'awk -F, -v OFMT=%.12g \'NR==1{print "sample,area"; next} {print $1 "," $2*$3*(1+0.3*sin(7*$2))}\' "$1" > "$2"\n'


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a problem of each kind, trained."""
    place = tmp_path_factory.mktemp("kinds")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("IPAGE_HOME", str(place / "home"))
        patched.chdir(place)
        yield place
    registry.refresh()


def made(*words):
    assert main([str(word) for word in words]) == 0


def function(place):
    (place / "home/tasks").mkdir(parents=True, exist_ok=True)
    (place / "home/tasks/area.py").write_text(FUNCTION)
    made("train", "area", "--method", "prior-lm", "--epochs", 5, "--out", place / "area")
    return ["area", "--model", place / "area"]


def command(place):
    (place / "sim.sh").write_text(AWK)
    x = ["--x", "a [m]=1:2", "--x", "b [m]=1:2", "--y", "area [m²] ± 0.02"]
    made("new", "home/tasks/box", *x, "--command", "sh sim.sh {in} {out}", "--test", 0, "--batch", 40)
    made("dataset", "home/tasks/box", "--n", 40)
    made("train", "home/tasks/box", "--method", "prior-lm", "--epochs", 2)
    return ["home/tasks/box"]


def own_crystal(place):
    pytest.importorskip("spglib")
    write(place / "cu.cif", bulk("Cu", "fcc", a=3.6))
    made("new", "home/tasks/cu", "--crystal", "cu.cif", "--calculator", "emt", "--strain", "3%", "--y", "pressure",
         "--test", 0, "--batch", 40)  # fmt: skip
    made("dataset", "home/tasks/cu", "--n", 30)
    made("train", "home/tasks/cu", "--method", "prior-lm", "--epochs", 10)
    return ["home/tasks/cu"]


def table(place):
    rng = np.random.default_rng(0)
    a, b = rng.uniform(1, 2, (2, 60))
    pd.DataFrame({"a": a, "b": b, "area": a * b}).to_csv(place / "areas.csv", index=False)
    made(
        "train", "--data", "areas.csv", "--x", "a,b", "--y", "area", "--method", "prior-lm", "--out", "home/tasks/areas"
    )
    return ["--model", "home/tasks/areas"]


KINDS = {
    # kind: (words of the command, target, table on its page)
    "a formula": (lambda place: ["sinewave"], 1.2, generic.table),
    "two properties": (lambda place: ["robotic_arm"], (1.5, 0), generic.table),
    "SrTiO₃": (lambda place: ["crystal"], 0.5, lambda run: crystal.table(run, ranked(crystal.ranked_cells, run))),
    "silicon": (lambda place: ["silicon"], 0.3, lambda run: silicon.table(run, ranked(silicon.ranked_strains, run))),
    "cells": (lambda place: ["architecture"], 1.0, generic.table),
    "a function": (function, 2.2, generic.table),
    "a command": (command, 2.2, problem.table),
    "a crystal": (own_crystal, 4.0, problem.table),
    "a table": (table, 2.2, own_table.table),
}


def ranked(rank, run):
    return rank(run.x[-1].astype(float), "energy")


@pytest.fixture(scope="module", params=KINDS)
def kind(request, place):
    make, target, shown = KINDS[request.param]
    words = make(place)
    registry.refresh()
    learned = [name for name in ("area", "box", "cu", "areas") if any(name in str(word) for word in words)]
    method = ["--method", "prior-lm"] if learned else []
    return [str(word) for word in words], method, target, shown


def designed(kind, capsys, *more):
    words, method, target, _ = kind
    text = ",".join(map(str, np.atleast_1d(target).tolist()))
    made("design", *words, *method, "--target", text, "--n", 6, "--out", "s.csv", *more)
    out, err = capsys.readouterr()
    return pd.read_csv("s.csv"), json.loads(out.splitlines()[-1]), err


def test_the_csv_the_summary_and_stderr_say_it(kind, capsys):
    frame, summary, err = designed(kind, capsys, "--verify", "none")
    final = frame[frame["stage"] == "localized"]
    assert set(final["basis"]) <= {INTERVAL, MEASURED}
    assert summary["basis"][INTERVAL] >= 4
    predicted = final[final["basis"] == INTERVAL]
    m = len(np.atleast_1d(kind[2]))
    for j in range(1, m + 1):
        assert (predicted[f"low{j}"] < predicted[f"surrogate{j}"]).all()
        assert (predicted[f"high{j}"] > predicted[f"surrogate{j}"]).all()
    assert "90 %" in err
    assert "90 %" in summary["intervals"]


def test_what_is_verified_rests_on_omega(kind, capsys):
    words = kind[0]
    if words[0] == "--model" or (words[0] in ("crystal", "silicon") and find_spec("gpaw") is None):
        pytest.skip("no Ω here")
    few = "2" if words[0] not in ("crystal", "silicon") else "0"
    frame, summary, _ = designed(kind, capsys, "--verify", few)
    final = frame[frame["stage"] == "localized"]
    assert (final["basis"] == VERIFIED).tolist() == final["y1"].notna().tolist()
    assert summary["basis"].get(VERIFIED, 0) == int(few)
    if words[0] in ("sinewave", "area", "home/tasks/box"):
        made("verify", words[0], "s.csv", "--out", "v.csv")
        verified = pd.read_csv("v.csv")
        assert verified["y1"].notna().all()
        assert set(verified["basis"]) == {VERIFIED}


def test_python_says_it(kind):
    words, method, target, _ = kind
    at = Path(words[-1]) if len(words) > 1 else None
    task = registry.load_folder(at) if words[0] == "--model" else registry.find(words[0])
    model = None if not method else ipage.load(task, at, method="prior-lm")
    found = ipage.design(task, target, n=6, verify="none", model=model)
    frame = found.to_frame()
    assert set(frame["rests on"]) == {INTERVAL}
    assert sum("90 % from" in name for name in frame) == len(np.atleast_1d(target))
    assert "90 % intervals" in repr(found)
    assert "low1" in found.frame()


def test_the_page_s_table_says_it(kind):
    words, method, target, shown = kind
    if words[0] == "area":  # pages know a model only where it ships, or in its own folder
        task, model = TASKS["area"], Path(words[-1])
        from ipage_core.inference.methods import load

        run = runs.record(DesignRequest.of(task, target, n=6, verify="none", method="prior-lm")
                          .run(load(task, "prior-lm", models=model)))  # fmt: skip
    else:
        name = Path(words[-1]).name
        task = registry.load_folder(Path(words[-1])) if words[0] == "--model" else TASKS[name]
        more = {"method": "prior-lm"} if method else {}
        run = runs.run(DesignRequest.of(task, target, n=6, verify="none", **more))
    table = shown(run)
    assert set(table["rests on"]) <= {INTERVAL, MEASURED}
    assert any("90 %" in name or name == "±" for name in table)


def test_cells_for_goals_are_all_verified(place, capsys):
    made("design", "architecture", "--goal", "E_x=0.3", "--n", 1, "--starts", "nearest", "--out", "g.csv")
    assert set(pd.read_csv("g.csv")["basis"]) == {VERIFIED}


def test_predictions_of_any_designs_have_an_interval(place, capsys):
    pd.DataFrame({"x1": [0.1, 0.5], "x2": [0.2, -0.5]}).to_csv("x.csv", index=False)
    made("predict", "sinewave", "x.csv", "--out", "p.csv")
    frame = pd.read_csv("p.csv")
    assert set(frame["basis"]) == {INTERVAL}
    assert ((frame["low1"] < frame["surrogate1"]) & (frame["surrogate1"] < frame["high1"])).all()


def test_a_prediction_beside_a_failure_says_so(place, capsys):
    (place / "holes.sh").write_text(AWK.replace("{print $1", '{if ($2 > 1.7) print $1 ","; else print $1'))
    x = ["--x", "a [m]=1:2", "--x", "b [m]=1:2", "--y", "area [m²] ± 0.02"]
    made("new", "holes", *x, "--command", "sh holes.sh {in} {out}", "--test", 0, "--batch", 40)
    made("dataset", "holes", "--n", 40)
    made("train", "holes", "--method", "prior-lm", "--epochs", 2)
    capsys.readouterr()
    words = ["--method", "prior-lm", "--target", 2.0, "--n", 40, "--verify", "none", "--out", "h.csv"]
    made("design", "holes", *words)
    counts = json.loads(capsys.readouterr().out.splitlines()[-1])["basis"]
    frame, rows = pd.read_csv("h.csv"), pd.read_parquet("holes/rows.parquet")
    final, known = frame[frame["stage"] == "localized"], rows[["a", "b"]].to_numpy()
    distance = np.linalg.norm(final[["x1", "x2"]].to_numpy()[:, None] - known[None], axis=2)
    beside = rows["area"].isna().to_numpy()[distance.argmin(1)]
    assert 0 < beside.sum() < 40
    assert final["basis"].eq("predicted, nearest evaluation failed").tolist() == beside.tolist()
    assert counts["predicted, nearest evaluation failed"] == beside.sum()
    made("verify", "holes", "h.csv", "--out", "hv.csv")
    verified = pd.read_csv("hv.csv")
    assert verified["basis"].eq(VERIFIED).tolist() == verified["y1"].notna().tolist()
