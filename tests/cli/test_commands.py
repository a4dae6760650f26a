"""One module per command: each is found, builds its options without heavy imports, and accepts typed values."""

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from ipage_core.cli.main import COMMANDS, main
from ipage_core.cli.parser import negative_values
from ipage_core.tasks import MODULES
from ipage_core.tasks.cells.generation import generate
from ipage_core.tasks.crystal.families import distances

HEAVY = {"torch", "pandas", "scipy", "pyarrow"}


def python(code, **options):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, **options)


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["design", "sinewave"],
        ["nothing"],
        ["train", "--seed", "-1"],
        *([name, "--help"] for name in COMMANDS),
    ],
    ids=" ".join,
)
def test_help_and_errors_of_the_parser_load_nothing_heavy(words):
    code = f"import sys; from ipage_core.cli.main import main\ntry: main({words})\n"
    done = python(code + f"finally: print(sorted({HEAVY} & set(sys.modules)), file=sys.stderr)")
    assert done.returncode == (0 if "--help" in words else 2)
    said = done.stderr.splitlines()
    assert said[-1] == "[]"
    assert len(said) == (1 if "--help" in words else 2)


@pytest.mark.parametrize(
    "words", [["tasks"], ["tasks", "--json"], ["design", "nothing", "--target", "1", "--out", "s.csv"]]
)
def test_tasks_and_an_unknown_one_load_nothing_heavy(words, tmp_path):
    code = f"import sys; from ipage_core.cli.main import main\nfound = main({words})\n"
    code += f"print(sorted({HEAVY} & set(sys.modules)), file=sys.stderr); sys.exit(found)"
    done = python(code, env=os.environ | {"IPAGE_HOME": str(tmp_path)})
    assert done.returncode == (0 if words[0] == "tasks" else 2)
    assert done.stderr.splitlines()[-1] == "[]"
    assert all(name in done.stdout + done.stderr for name in MODULES)


def test_help_names_every_command_and_each_names_itself():
    done = python("from ipage_core.cli.main import main; main(['--help'])")
    listed = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("    ") and line[4] != " "]
    assert listed == list(COMMANDS)


@pytest.mark.parametrize(
    ("typed", "joined"),
    [
        (["--target", "-1,0"], ["--target=-1,0"]),
        (["--target", "-1:"], ["--target=-1:"]),
        (["--goal", "-1<=y", "--goal", "y=-2"], ["--goal=-1<=y", "--goal", "y=-2"]),
        (["--constrain", "-x1+x2<=0"], ["--constrain=-x1+x2<=0"]),
        (["--finish", "--target", "1"], ["--finish", "--target", "1"]),
        (["--target=1", "-h"], ["--target=1", "-h"]),
        (["--json", "--", "-1"], ["--json", "--", "-1"]),
    ],
)
def test_a_value_that_begins_with_a_minus_belongs_to_its_option(typed, joined):
    assert negative_values(typed) == joined


@pytest.mark.parametrize("target", [["--target", "-0.5,-0.25"], ["--targets", "-t.csv"], ["--goal", "-0.6<=y<=-0.4"]])
def test_negative_targets_work_as_typed(capsys, tmp_path, monkeypatch, target):
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"y1": [-0.5]}).to_csv("-t.csv", index=False)
    task = "robotic_arm" if "--target" in target else "sinewave"
    assert main(["design", task, *target, "--n", "4", "--out", "s.csv"]) == 0, capsys.readouterr().err
    frame = pd.read_csv("s.csv")
    assert len(frame) == 8
    assert (frame["y1"][frame["stage"] == "localized"] < 0).all()


def test_rank_merges_and_sorts_crystals(capsys, tmp_path):
    cells = np.array([[3.9, 3.95, 4.0, 90, 90, 90], [4.0, 3.9, 3.95, 90, 90, 90], [3.7, 3.7, 4.2, 90, 90, 85]])
    frame = pd.DataFrame(cells, columns=[f"x{j}" for j in range(1, 7)]).assign(sample=range(3), stage="localized")
    frame.to_csv(tmp_path / "s.csv", index=False)
    for options, rows in ([], 3), (["--best-only"], 2):
        words = ["rank", tmp_path / "s.csv", "--by", "cubic", *options, "--out", tmp_path / "r.csv"]
        assert main(list(map(str, words))) == 0
        assert json.loads(capsys.readouterr().out) == {"n": 3, "families": 2, "by": "cubic"}
        ranked = pd.read_csv(tmp_path / "r.csv")
        assert len(ranked) == rows
        assert ranked["rank"].is_monotonic_increasing
    assert distances(cells[:1], cells[1:2]) == pytest.approx(0, abs=1e-6)


def test_rank_reads_tables_as_all_commands_do(capsys, tmp_path):
    """Numbers in German format between semicolons are read; a table without crystals is rejected."""
    text = "stage;x1;x2;x3;x4;x5;x6\nlocalized;4,0;4,1;4,2;90;90;90\nlocalized;4,05;4,0;4,1;90;91;90\n"
    (tmp_path / "s.csv").write_text(text)
    assert main(["rank", str(tmp_path / "s.csv"), "--by", "cubic", "--out", str(tmp_path / "r.csv")]) == 0
    assert sorted(pd.read_csv(tmp_path / "r.csv")["x1"]) == [4.0, 4.05]
    (tmp_path / "o.csv").write_text("stage,x1\nlocalized,4\n")
    assert main(["rank", str(tmp_path / "o.csv"), "--out", str(tmp_path / "r2.csv")]) == 2
    assert "is not a table of crystals; accepted: what 'design crystal --out' wrote" in capsys.readouterr().err
    (tmp_path / "si.csv").write_text("stage,x1,x2,x3,x4,x5,x6\nlocalized,0.01,0.01,-0.02,0,0,0\n")  # strains of silicon
    assert main(["rank", str(tmp_path / "si.csv"), "--out", str(tmp_path / "r2.csv")]) == 2
    assert "si.csv has cells far outside SrTiO3's box" in capsys.readouterr().err
    assert not (tmp_path / "r2.csv").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rank", "none.csv"], "none.csv does not exist; accepted: a table with a header"),
        (["rank", "/dev/zero"], "/dev/zero is not a file; accepted: a table with a header"),
        (["search", "sine", "inn"], "task 'sine' is not known; accepted: sinewave"),
        (["search", "sinewave", "ipage"], "invalid choice: 'ipage'"),
        (["search", "sinewave", "inn", "--networks"], "--networks is for na; 'inn' has one search"),
        (["ablate", "sine"], "task 'sine' is not known"),
        (
            ["ablate", "sinewave", "--variant", "MMD"],
            "variant 'MMD' is not known; accepted: ordered, MMD only; ordered",
        ),
        (["dataset", "sinewave"], "the following arguments are required: --n, --out"),
        (["dataset", "sinewave", "--check"], "sinewave has no stored data"),
        (["dataset", "sinewave", "--merge", "a.journal"], "do not come from journals"),
        (["dataset", "crystal", "--check", "--merge", "a.journal"], "give one of them"),
        (["dataset", "architecture", "--check", "none.parquet"], "none.parquet does not exist; make it with"),
    ],
)
def test_wrong_usage_is_one_line(capsys, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    try:
        code = main([*words, *(["--out", "r.csv"] if words[0] == "rank" else [])])
    except SystemExit as stop:
        code = stop.code
    err = capsys.readouterr().err
    assert code == 2
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_check_of_stored_cells_answers_by_its_exit_code(capsys, tmp_path):
    path = tmp_path / "cells.parquet"
    generate(6, 3, path, workers=0)
    assert main(["dataset", "architecture", "--check", str(path), "--n", "3"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 3
    frame_of_another_seed = tmp_path / "other.parquet"
    generate(6, 4, frame_of_another_seed, workers=0)
    forge(path, frame_of_another_seed)
    assert main(["dataset", "architecture", "--check", str(path), "--n", "3"]) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


def forge(path, other):
    """Cells of another seed with the card of this one."""
    import pyarrow.parquet as pq

    card = pq.read_schema(path).metadata
    pq.write_table(pq.read_table(other).replace_schema_metadata(card), path)


def test_sizes_has_a_row_a_shipped_task(capsys):
    assert main(["sizes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| task | iPage, INN | cinn | inn-alternating | mdn")
    assert [line.split(" | ")[0] for line in lines[2:]] == [f"| {name}" for name in MODULES]
