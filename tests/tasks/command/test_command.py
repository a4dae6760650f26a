"""A command as Ω: from its folder to verified designs; its errors are recorded, and a kill leaves nothing behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from ipage_core import registry
from ipage_core.cli.main import main
from ipage_core.runtime import supervised
from ipage_core.runtime.files import sole_writer
from ipage_core.tasks.command import card as cards
from ipage_core.tasks.command import rows
from ipage_core.tasks.command.call import read_results
from ipage_core.tasks.command.columns import property_, variable

ROOT = Path(__file__).resolve().parents[3]
SIMULATOR = """
import csv, os, sys, time
rows = list(csv.DictReader(open(sys.argv[1])))
with open(sys.argv[2], "w") as out:
    print("sample,area,layers out", file=out)
    for row in rows:
        a, b, layers = float(row["a"]), float(row["b"]), row["layers"]
        {extra}
        print(row["sample"], a * b, layers, sep=",", file=out, flush=True)
"""


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("IPAGE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("IPAGE_TASKS", "")
    monkeypatch.chdir(tmp_path)


def make(extra: str = "pass", *options: str, test: int = 0) -> int:
    """A folder ``box`` whose Ω is a·b; ``extra`` runs before each row is written."""
    Path("sim.py").write_text(SIMULATOR.replace("{extra}", extra))
    x = ("--x", "a [m]=1:2", "--x", "b [m]=0.1:10 log", "--x", "layers=1:4 integer")
    y = ("--y", "area [m²] ± 0.05", "--y", "layers out +- 0.5")
    call = f"{sys.executable} sim.py {{in}} {{out}}"
    return main(["new", "box", *x, *y, "--command", call, "--test", str(test), *options])


def known() -> pd.DataFrame:
    return pd.read_parquet("box/rows.parquet")


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def wait_for(condition, seconds: float = 120):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return value


def test_from_a_command_to_verified_designs(capsys):
    assert make("pass", "--batch", "8", test=1) == 0
    assert json.loads(capsys.readouterr().out)["failed"] == 0
    assert main(["dataset", "box", "--n", "24"]) == 0
    assert main(["dataset", "box", "--n", "32", "--out", "all.parquet"]) == 0
    frame = known()
    assert len(frame) == len(pd.read_parquet("all.parquet")) == 32, "a larger data set keeps the rows of a smaller one"
    assert np.allclose(frame.area, frame.a * frame.b)
    assert (frame.layers == frame.layers.round()).all()
    assert frame.layers.nunique() == 4
    assert (np.log10(frame.b) < 0).mean() == pytest.approx(0.5, abs=0.1), (
        "a log scale is filled evenly in its logarithm"
    )
    assert main(["train", "box", "--epochs", "2", "--method", "ipage"]) == 0
    asked = ["--target", "4,3", "--n", "4", "--omega-evals", "2", "--verify", "all", "--out", "s.csv"]
    assert main(["design", "box", *asked]) == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["hits"] == 4
    final = pd.read_csv("s.csv").query("stage == 'localized'")
    assert np.allclose(final.y1, final.x1 * final.x2)
    assert (final.x3 == 3).all()
    before = len(known())
    assert before > 32, "what designs have cost is kept"
    assert main(["verify", "box", "s.csv", "--out", "v.csv"]) == 0
    again = pd.read_csv("v.csv").query("stage == 'localized'")
    assert np.allclose(again.y1, final.y1)
    assert main(["design", "--task", "box", *asked[:-1], "again.csv"]) == 0
    assert main(["predict", "box", "s.csv", "--out", "p.csv"]) == 0


METALS = """
awk -F, -v OFMT=%.12g 'NR==1{print "sample,cost"; next} {
  price["Cu"] = 1; price["Ag"] = 10; price["Au"] = 100
  if (!($3 in price)) exit 3
  print $1 "," $2 * price[$3] }' "$1" > "$2"
"""


def test_a_command_gets_the_words_of_a_category_and_designs_choose_among_them(capsys):
    Path("sim.sh").write_text(METALS)
    words = ["--x", "length=1:2", "--x", "metal=Cu|Ag|Au", "--y", "cost ± 0.1", "--command", "sh sim.sh {in} {out}"]
    assert main(["new", "wire", *words, "--batch", "40", "--test", "3"]) == 0
    assert main(["dataset", "wire", "--n", "40"]) == 0
    frame = pd.read_parquet("wire/rows.parquet")
    assert frame["error"].eq("").all()
    assert set(frame["metal"]) == {"Cu", "Ag", "Au"}
    assert (frame["metal"].value_counts() >= 8).all(), "each word is as likely as the others"
    assert np.allclose(frame["cost"], frame["length"] * frame["metal"].map({"Cu": 1, "Ag": 10, "Au": 100}))
    task = registry.load_folder("wire")
    assert torch.equal(task.evaluated()[0][:, 1].unique(), torch.arange(3.0, dtype=torch.float64))
    assert main(["train", "wire", "--epochs", "2"]) == 0
    asked = ["--target", "15", "--n", "4", "--omega-evals", "2", "--verify", "all", "--out", "s.csv"]
    assert main(["design", "wire", *asked]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["hits"] == 4
    final = pd.read_csv("s.csv").query("stage == 'localized'")
    assert set(final["metal"]) == {"Ag"}, "no other metal costs 15"
    assert (final["x2"] == 1).all()
    assert main(["verify", "wire", "s.csv", "--out", "v.csv"]) == 0
    assert np.allclose(pd.read_csv("v.csv").query("stage == 'localized'")["y1"], final["y1"])
    held = ["--target", "1.5", "--n", "4", "--constrain", "metal=Cu", "--out", "h.csv"]
    assert main(["design", "wire", *held]) == 0


def gaps(n: int, shift: float = 0.0) -> pd.DataFrame:
    """Measured rows: length and metal, and their cost, ``shift`` above the simulator's."""
    length = np.linspace(1, 2, n)
    metal = np.array(["Cu", "Ag", "Au"])[np.arange(n) % 3]
    cost = length * pd.Series(metal).map({"Cu": 1.0, "Ag": 10.0, "Au": 100.0}).to_numpy()
    return pd.DataFrame({"length [m]": length, "metal": metal, "cost": cost + shift})


def test_measured_rows_train_beside_those_of_the_command_and_are_never_its_answer(capsys):
    Path("sim.sh").write_text(METALS)
    gaps(24, shift=0.5).to_csv("gaps.csv", index=False)
    words = ["--data", "gaps.csv", "--x", "length=1:1.8", "--x", "metal", "--y", "cost ± 0.1"]
    assert main(["new", "wire", *words, "--command", "sh sim.sh {in} {out}", "--batch", "9"]) == 0
    assert "24 measured rows; 5 of them lie outside the bounds" in capsys.readouterr().err
    measured = pd.read_parquet("wire/measured.parquet")
    assert measured["source"].eq("gaps.csv").all()
    assert len(pd.read_parquet("wire/rows.parquet")) == 1, "the test evaluation alone"
    task = registry.load_folder("wire")
    assert task.files == ("gaps.csv",)
    assert [(v.name, v.kind) for v in task.variables] == [("length", "real"), ("metal", "category")]
    x, y = task.pairs()
    assert len(x) == len(task.evaluated()[0]) == 19 + 1
    first = x[:, 0] == 1.0
    assert not torch.equal(task.omega(x[first]), y[first]), "a measured row is not an answer of Ω"
    assert not pd.read_parquet("wire/rows.parquet")["source"].eq("gaps.csv").any()
    assert main(["train", "wire", "--epochs", "2"]) == 0
    asked = ["--target", "15", "--n", "2", "--omega-evals", "2", "--verify", "all", "--out", "s.csv"]
    assert main(["design", "wire", *asked]) == 0
    final = pd.read_csv("s.csv").query("stage == 'localized'")
    assert np.allclose(final["y1"], final["x1"] * final["metal"].map({"Cu": 1, "Ag": 10, "Au": 100}))


def test_a_table_gets_an_omega_later():
    gaps(60).to_csv("gaps.csv", index=False)
    assert main(["new", "wire", "--data", "gaps.csv", "--x", "length, metal", "--y", "cost ± 0.2"]) == 0
    task = registry.load_folder("wire")
    assert task.omega is None
    assert task.properties[0].tolerance == 0.2
    assert task.variables[1].levels == ("Ag", "Au", "Cu")
    Path("sim.sh").write_text(METALS)
    assert main(["new", "wire", "--command", "sh sim.sh {in} {out}", "--test", "2"]) == 0
    task = registry.load_folder("wire")
    assert task.omega is not None
    assert len(task.pairs()[0]) == 62
    assert task.omega(task.bounds[:1])[0, 0] == 10


@pytest.mark.parametrize("command", [[], ["--command", "sh sim.sh {in} {out}"]])
def test_a_table_that_does_not_fit_is_refused_and_nothing_stays(command, capsys):
    gaps(60).to_csv("gaps.csv", index=False)
    for words, why in (
        (["--x", "width", "--y", "cost"], "There is no column 'width'"),
        (["--x", "length", "--y", "metal"], "holds no numbers"),
        (["--x", "length=3:2", "--y", "cost"], "LOW < HIGH"),
        (["--x", "length", "--y", "cost", "--crystal", "a.cif"], "--crystal"),
        (["--y", "cost"], "least one input"),
    ):
        assert main(["new", "wire", "--data", "gaps.csv", *words, *command]) == 2
        said = capsys.readouterr().err.strip()
        assert why in said
        assert "\n" not in said
        assert not Path("wire").exists()


def test_failures_are_kept_with_their_reasons_and_never_asked_for_again():
    extra = (
        "if a > 1.8: raise SystemExit('diverged at ' + row['a'])\n"
        "        if a < 1.2: continue\n"
        "        if b > 5: a = float('nan')"
    )
    make(extra, "--batch", "16")
    task = registry.load_folder("box")
    x = torch.tensor([[1.9, 1.0, 1.0], [1.1, 1.0, 1.0], [1.5, 8.0, 2.0], [1.5, 2.0, 2.0]], dtype=torch.float64)
    y = task.omega(x)
    assert y.isnan().all(1).tolist() == [True, True, True, False]
    assert y[3].tolist() == [3.0, 2.0]
    error = known().sort_values("made", kind="stable").set_index(["a", "b"])["error"]
    assert error[1.9, 1.0].startswith("exit code 1: ")
    assert error[1.9, 1.0].endswith("diverged at 1.9")
    assert "no row for it" in error[1.1, 1.0]
    assert "area is nan" in error[1.5, 8.0]
    assert error[1.5, 2.0] == ""
    Path("sim.py").unlink()  # so that another call would fail
    assert torch.equal(task.omega(x).nan_to_num(-1), y.nan_to_num(-1))
    assert len(known()) == 4


def test_a_new_command_is_tested_on_a_new_design_and_former_failures_are_forgotten(capsys):
    make("raise SystemExit('no licence')", test=1)
    said = capsys.readouterr().err
    assert "A design failed: exit code 1" in said
    assert "give its call again by --command" in said
    call = f"{sys.executable} sim.py {{in}} {{out}}"
    Path("sim.py").write_text(SIMULATOR.replace("{extra}", "pass"))
    assert main(["new", "box", "--command", call]) == 0
    out, err = capsys.readouterr()
    assert "Failures of before are forgotten: 1" in err
    assert json.loads(out)["failed"] == 0
    assert (known()["error"] == "").all()
    Path("sim.py").write_text(SIMULATOR.replace("{extra}", "raise SystemExit('no licence')"))
    assert main(["new", "box", "--command", call]) == 1  # what the former command said does not count as a test
    assert json.loads(capsys.readouterr().out)["failed"] == 1
    assert len(known()) == 2


def test_failures_are_printed_with_their_reasons(capsys):
    make("if a > 1.5: raise SystemExit('diverged')")
    capsys.readouterr()
    assert main(["dataset", "box", "--n", "8"]) == 0
    out, err = capsys.readouterr()
    failed = json.loads(out)["failed"]
    assert 0 < failed < 8
    assert json.loads(out)["reasons"] == {"exit code 1: diverged": failed}
    assert f"{failed} designs failed: exit code 1" in err
    pd.DataFrame({"x1": [1.9, 1.1], "x2": [1.0] * 2, "x3": [1, 1]}).to_csv("d.csv", index=False)
    assert main(["verify", "box", "d.csv", "--out", "v.csv"]) == 0
    assert "A design failed: exit code 1" in capsys.readouterr().err
    task = registry.load_folder("box")
    x = torch.tensor([[1.9, 1.0, 1.0], [1.1, 1.0, 1.0], [1.3, 1.0, 1.0]], dtype=torch.float64)
    assert [bool(why) for why in task.why_failed(x)] == [True, False, False]


def test_of_a_call_that_succeeds_only_lines_that_name_a_sample_are_its_reason():
    extra = (
        "if a > 1.8: print('sample ' + row['sample'] + ': diverged', file=sys.stderr)\n"
        "        if a > 1.6: continue\n"
        "        print('a warning', file=sys.stderr)"
    )
    make(extra, "--batch", "16")
    x = torch.tensor([[1.9, 1.0, 1.0], [1.7, 1.0, 1.0], [1.5, 8.0, 2.0]], dtype=torch.float64)
    registry.load_folder("box").omega(x)
    error = known().set_index("a")["error"]
    assert error[1.9].endswith("no row for it: sample 0: diverged")
    assert error[1.7].endswith("no row for it"), "'a warning' may be about another sample"


def test_known_rows_are_not_counted_as_calls(capsys):
    make()
    pd.DataFrame({"x1": [1.1, 1.2, 1.1], "x2": [1.0] * 3, "x3": [1, 1, 1]}).to_csv("d.csv", index=False)
    calls = []
    for _ in range(2):
        assert main(["verify", "box", "d.csv", "--out", "v.csv"]) == 0
        calls.append(json.loads(capsys.readouterr().out.splitlines()[-1])["omega_calls"])
    assert calls == [2, 0], "two designs are the same, and all are known the second time"


def test_a_call_that_hangs_is_stopped_with_all_that_it_has_started():
    extra = (
        "import subprocess\n"
        "        if a > 1.5:\n"
        "            child = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
        "            open('PIDS', 'a').write(str(child.pid) + chr(10))\n"
        "            time.sleep(1000)"
    ).replace("PIDS", str(Path("pids").resolve()))
    make(extra, "--timeout", "1.5", "--batch", "2")
    y = registry.load_folder("box").omega(torch.tensor([[1.2, 1.0, 1.0], [1.7, 1.0, 1.0]], dtype=torch.float64))
    assert y[:, 0].isfinite().tolist() == [True, False], "a design that was answered before the stop counts"
    assert known()["error"].iloc[-1].startswith("stopped after 1.5 s")
    pids = [int(line) for line in Path("pids").read_text().split()]
    assert len(pids) == 2, "the one without an answer was tried once more, alone"
    wait_for(lambda: not any(map(lives, pids)))
    assert not list(Path("box").glob("call-*"))


def test_folders_of_calls_that_were_killed_go_with_the_next_call_and_those_of_living_processes_stay():
    make()
    dead = subprocess.Popen(["true"])
    dead.wait()
    living = [f"call-{os.getpid()}-a", "call-mine-a", "call-" + "9" * 30 + "-a"]
    for name in (f"call-{dead.pid}-a", *living):
        (Path("box") / name).mkdir()
        (Path("box") / name / "out.csv").touch()
    assert main(["dataset", "box", "--n", "2"]) == 0
    assert sorted(path.name for path in Path("box").glob("call-*")) == sorted(living)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigkill_of_a_run_leaves_nothing_and_the_next_one_goes_on(workers):
    trace = Path("trace").resolve()
    extra = (
        f"open({str(trace)!r}, 'a').write(f'{{os.getpid()}} {{a}}' + chr(10))\n"
        f"        if os.path.exists({str(Path('slow').resolve())!r}) and len(open({str(trace)!r}).readlines()) > 2:\n"
        "            time.sleep(1000)"
    )
    Path("slow").touch()
    make(extra, "--workers", workers)
    code = "from ipage_core.cli.main import main; main(['dataset', 'box', '--n', '8'])"
    run = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL
    )
    journal = Path("box") / rows.JOURNAL
    wait_for(
        lambda: journal.exists() and journal.read_bytes().count(b"\n") >= 2 and len(trace.read_text().splitlines()) > 2
    )
    run.send_signal(signal.SIGKILL)
    run.wait()
    Path("slow").unlink()
    wait_for(lambda: not any(lives(int(line.split()[0])) for line in trace.read_text().splitlines()))
    wait_for(lambda: not list(Path("box").glob("call-*")))
    done = journal.read_bytes().count(b"\n")
    assert main(["dataset", "box", "--n", "8"]) == 0
    frame = known()
    assert len(frame) == 8
    assert frame["error"].eq("").all()
    begun = len(trace.read_text().splitlines())
    assert begun <= 8 + int(workers), f"{done} were kept, yet {begun} calls were made"


def test_a_command_that_was_not_given_here_never_runs(tmp_path):
    make()
    (tmp_path / "home/commands.json").unlink()  # as on another user's machine
    task = registry.load_folder("box")
    x = torch.tensor([[1.5, 1.0, 1.0]], dtype=torch.float64)
    with pytest.raises(ValueError, match="was not given on this machine"):
        task.omega(x)
    assert main(["new", "box", "--command", f"{sys.executable} sim.py {{in}} {{out}}", "--test", "0"]) == 0
    assert task.omega(x)[0, 0] == 1.5
    card = json.loads(Path("box/problem.json").read_text())
    Path("box/problem.json").write_text(json.dumps(card | {"command": "sh -c 'touch harm' {in} {out}"}))
    with pytest.raises(ValueError, match="was not given on this machine"):
        registry.load_folder("box").omega(x + 0.1)
    assert not Path("harm").exists()


def test_rows_are_read_as_they_were_when_the_file_was_opened(monkeypatch):
    """A page reads while a campaign replaces the file."""
    make(test=2)
    folder = Path("box").resolve()
    before, card = known(), cards.read(folder)
    reading = pd.read_parquet

    def replaced_meanwhile(source):
        before.iloc[:1].to_parquet("beside.parquet")
        os.replace("beside.parquet", folder / "rows.parquet")
        return reading(source)

    monkeypatch.setattr(rows.pd, "read_parquet", replaced_meanwhile)
    assert len(before) == len(rows.read(folder, card).frame) == 2


def test_two_runs_do_not_call_at_once():
    make()
    task = registry.load_folder("box")
    with rows.locked(Path("box")), pytest.raises(ValueError, match="Another run calls the command"):
        task.omega(torch.tensor([[1.5, 1.0, 1.0]], dtype=torch.float64))


def test_rows_are_needed_before_a_training():
    make()
    with pytest.raises(ValueError, match="has 0 rows with results, a training needs 10"):
        registry.load_folder("box").pairs()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("length", "is not understood"),
        ("length=1", "is not understood"),
        ("length=2:1", "LOW < HIGH"),
        ("length=a:b", "are no numbers"),
        ("length=1:inf", "not finite"),
        ("n=0.5:3 integer", "not whole"),
        ("R=0:1 log", "above 0"),
        ("R=1:2 logs", "is not understood"),
        ("n=1:2 integer integer", "is not understood"),
        ("metal=Cu|Cu", "must differ"),
        ("metal=Cu||Ag", "must differ"),
    ],
)
def test_an_input_that_is_not_written_as_accepted(text, why):
    with pytest.raises(ValueError, match=why):
        variable(text)


@pytest.mark.parametrize("text", ["sag", "sag ± x", "sag ± 0.1 ± 2", " ± 1"])
def test_a_property_that_is_not_written_as_accepted(text):
    with pytest.raises(ValueError, match="is not understood"):
        property_(text)
    with pytest.raises(ValueError, match="above 0"):
        property_("sag ± 0")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--command", "python sim.py {in}"], "lacks {in} or {out}"),
        (["--command", "no-such-program {in} {out}"], "is not there"),
        (["--command", "sh 'x {in} {out}"], "no closing quotation; accepted: words in which each quotation mark"),
        (["--command", "true && sh sim.sh {in} {out}"], "No shell reads the command, so '&&'"),
        (["--command", "sh sim.sh {in} | tee {out}"], "so '|'"),
        (["--command", "cat {in} > {out}"], "so '>'"),
        (["--command", "true; sh sim.sh {in} {out}"], "so ';'"),
        (["--command", "sh $HOME/sim.sh {in} {out}"], "so '$H'"),
        (["--command", "sh ~/sim.sh {in} {out}"], "so '~/'"),
        (["--command", "sh {in} {out}", "--timeout", "-1"], "--timeout"),
        (["--command", "sh {in} {out}", "--x", "y=0:1"], "given twice"),
        (["--command", "sh {in} {out}", "--x", "sample=0:1"], "is taken"),
        ([], "--command is required"),
    ],
)
def test_new_refuses_in_one_sentence_and_writes_nothing(words, why, capsys):
    assert main(["new", "box", "--x", "x=0:1", "--y", "y ± 1", *words]) == 2
    told = capsys.readouterr().err.strip()
    assert why in told
    assert "\n" not in told
    assert not Path("box").exists()


def test_new_does_not_write_over_anything(capsys):
    make()
    assert main(["new", "box", "--x", "x=0:1", "--y", "y ± 1", "--command", "sh {in} {out}"]) == 2
    assert "holds a problem already" in capsys.readouterr().err
    Path("full").mkdir()
    Path("full/file").touch()
    assert main(["new", "full", "--x", "x=0:1", "--y", "y ± 1", "--command", "sh {in} {out}"]) == 2
    assert "is there already" in capsys.readouterr().err


def test_what_a_killed_new_left_is_made_anew_and_nothing_else_is(capsys):
    words = ["--x", "x=0:1", "--y", "y ± 1", "--command", "sh sim.sh {in} {out}", "--test", "0"]
    Path("sim.sh").touch()
    for name in ("killed", "own"):
        Path(name).mkdir()
        Path(name, "measured.parquet").write_text("half")
    Path("killed/.making").touch()
    assert main(["new", "killed", *words]) == 0
    assert json.loads(Path("killed/problem.json").read_text())["name"] == "killed"
    assert not Path("killed/.making").exists()
    assert main(["new", "own", *words]) == 2
    assert "is there already" in capsys.readouterr().err
    assert [path.name for path in Path("own").iterdir()] == ["measured.parquet"]


def test_a_new_that_was_stopped_in_its_test_goes_on_and_another_is_refused(monkeypatch, capsys):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as at_once:
        at_once.setattr("ipage_core.runtime.executor.run", stopped)
        assert make(test=3) == 130
    assert main(["new", "box", "--x", "x=0:1", "--y", "y ± 1", "--command", "sh {in} {out}"]) == 2
    assert "holds a problem already" in capsys.readouterr().err
    assert make(test=3) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["evaluated"] == 3
    assert len(known()) == 3
    assert not Path("box/.making").exists()
    assert make(test=3) == 2  # nothing is left to do


def test_of_two_runs_that_make_one_folder_the_second_leaves_it_alone(capsys):
    words = ["new", "box", "--x", "x=0:1", "--y", "y ± 1", "--command", "sh sim.sh {in} {out}", "--test", "0"]
    Path("sim.sh").touch()
    codes = []
    with sole_writer(Path("box")):
        Path("box/.making").touch()  # as the first one does
        second = threading.Thread(target=lambda: codes.append(main(words)))
        second.start()
        second.join()
        assert Path("box/.making").exists()
    assert codes == [2]
    assert "Another run is writing to" in capsys.readouterr().err


def test_a_problem_that_cannot_be_allowed_is_not_made(monkeypatch, capsys):
    Path("sim.sh").touch()
    Path("file").touch()
    monkeypatch.setenv("IPAGE_HOME", "file/home")
    words = ["--x", "x=0:1", "--y", "y ± 1", "--command", "sh sim.sh {in} {out}"]
    assert main(["new", "box", *words]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert not Path("box").exists()


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"kind": "command"}', '{"kind": "other"}'])
def test_a_damaged_card_is_answered_in_one_sentence(damage):
    make()
    Path("box/problem.json").write_text(damage)
    with pytest.raises(ValueError, match=r"problem\.json is damaged"):
        registry.load_folder("box")


@pytest.mark.parametrize(
    ("text", "whole", "expected", "why"),
    [
        ("sample,y\n0,1\n1,2\n", True, [[1.0], [2.0]], ""),
        ("y [m];sample\n1;0\n2;1\n", True, [[1.0], [2.0]], ""),
        ("sample\ty\n1\t2\n0\t1\n", True, [[1.0], [2.0]], ""),
        ("﻿sample,y\n0,1\n1,2", True, [[1.0], [2.0]], ""),
        ("sample,y\n0,1\n1,2.5", False, [[1.0], None], "no row"),
        ("sample,y\n0,1\n1,\n", True, [[1.0], None], "is empty"),
        ("sample,y\n0,1\n1,banana\n", True, [[1.0], None], "is 'banana'"),
        ("sample,y\n0,1\n1,inf\n", True, [[1.0], None], "is inf"),
        ("sample,y\n0,1\n1,2\n1,3\n", True, [[1.0], None], "two rows"),
        ("sample,y\n0,1\n7,2\n", True, [None, None], "a row for sample '7', which {in} does not have"),
        ("sample,y\n1,1\n2,2\n", True, [None, None], "accepted: the samples of {in}, 0 to 1"),
        ("sample,y\n0,1\nend\n", True, [None, None], "a row for sample 'end'"),
        ("sample,y,y\n0,1,2\n1,2,3\n", True, [None, None], "two columns 'y'"),
        ("sample,y\n0,1\n1,1_000\n", True, [[1.0], None], "y is '1_000', no number"),
        ("Segmentation fault\n", True, [None, None], "no column 'sample'"),
        ("", True, [None, None], "no column 'sample'"),
        ("\x00\xff,\n\n\x01", True, [None, None], "no column 'sample'"),
    ],
)
def test_what_a_command_writes_is_read_or_refused(tmp_path, text, whole, expected, why):
    path = tmp_path / "out.csv"
    path.write_text(text, encoding="utf-8")
    y, error = read_results(path, ["y"], 2, whole)
    assert y == expected
    assert why in error[1]
    assert error[1].isprintable()
    assert bool(error[1]) == (expected[1] is None)


def test_a_command_ends_with_its_supervisors_caller(tmp_path):
    """A command that ignores signals and starts a daemon ends all the same when the caller is killed."""
    script = (
        "import os, subprocess, sys, time, signal\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
        f"open({str(tmp_path / 'pids')!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "time.sleep(1000)\n"
    )
    folder = tmp_path / "call"
    folder.mkdir()
    code = (
        "from pathlib import Path; from ipage_core.runtime import supervised; "
        f"supervised.run([{sys.executable!r}, '-c', {script!r}], Path({str(folder)!r}), 1000)"
    )
    caller = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)})
    pids = wait_for(lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text().split())
    caller.send_signal(signal.SIGKILL)
    caller.wait()
    wait_for(lambda: not any(lives(int(pid)) for pid in pids))
    wait_for(lambda: not folder.exists())


def test_how_a_command_ends(tmp_path):
    assert supervised.run(["sh", "-c", "exit 3"], tmp_path, 60).code == 3
    assert supervised.run(["sh", "-c", "kill -9 $$"], tmp_path, 60).code == -9
    assert supervised.run(["sleep", "60"], tmp_path, 0.2).late
    assert "No such file" in supervised.run([str(tmp_path / "none")], tmp_path, 60).error
    supervised.run(["sh", "-c", "echo $A; echo $B >&2"], tmp_path, 60, {"A": "1", "B": None})
    assert (tmp_path / "stdout.txt").read_text() == "1\n"
    assert (tmp_path / "stderr.txt").read_text() == "\n"


def test_files_named_in_the_command_are_those_of_here(tmp_path):
    (tmp_path / "run.sh").touch()
    assert cards.parse_command("sh run.sh --in={in} {out}") == ("sh", str(tmp_path / "run.sh"), "--in={in}", "{out}")


def test_dask_with_two_workers_and_one_killed_gives_the_rows_of_this_process():
    import distributed  # a quarter of a second, which each process that collects tests would spend

    make("time.sleep(0.05)")
    shutil.copytree("box", "alone")
    assert main(["new", "alone", "--command", f"{sys.executable} sim.py {{in}} {{out}}", "--test", "0"]) == 0
    registry.load_folder("alone").collect(10, None, None, workers=0)
    quiet = {"dashboard_address": None, "host": "127.0.0.1", "silence_logs": 50}
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, **quiet) as cluster:
        with distributed.Client(cluster) as client:
            pids = list(client.run(os.getpid).values())

        def kill_one(progress):
            if progress.done == 3:
                os.kill(pids[0], signal.SIGKILL)

        task = registry.load_folder("box")
        told = task.collect(10, None, None, scheduler=cluster.scheduler_address, progress=kill_one)
    assert told["failed"] == 0
    columns = ["a", "b", "layers", "area", "layers out", "error"]
    found, expected = (pd.read_parquet(f"{name}/rows.parquet")[columns].sort_values("a") for name in ("box", "alone"))
    pd.testing.assert_frame_equal(found.reset_index(drop=True), expected.reset_index(drop=True))
