"""Small shell scripts as Ω that do something wrong: each is a failure with a sentence, never a wrong result."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from ipage_core import registry
from ipage_core.cli.main import main
from ipage_core.tasks.command import card as cards

ROOT = Path(__file__).resolve().parents[3]
SUM = 'awk -F, \'NR==1{print "sample,s"; next} {print $1 "," $2 + $3 + %s}\' $1 > $2\n'


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("IPAGE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("IPAGE_TASKS", "")
    monkeypatch.chdir(tmp_path)


def new(script: str, *options: str, folder: str = "sum") -> int:
    """A problem whose Ω is a shell script of two numbers."""
    Path("sim.sh").write_text(script)
    names = ["--x", "a [cm]=0:1", "--x", "b=0:1", "--y", "s ± 0.05"]
    return main(["new", folder, *names, "--command", "sh sim.sh {in} {out}", *options])


def summary(capsys) -> tuple[dict, str]:
    out, err = capsys.readouterr()
    return json.loads(out.splitlines()[-1]), err


def results() -> pd.DataFrame:
    """The rows of the program of now."""
    assert main(["dataset", "sum", "--n", "4", "--out", "now.parquet"]) == 0
    return pd.read_parquet("now.parquet")


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (SUM % 0 + "echo 'licence expired' >&2; exit 1", "exit code 1: licence expired"),
        ("mkfifo $2", "{out} is a link, a pipe or a folder; accepted: a regular file"),
        ("ln -s /dev/zero $2", "{out} is a link, a pipe or a folder"),
        ("mkdir $2", "{out} is a link, a pipe or a folder"),
        ("rm stderr.txt; mkfifo stderr.txt; exit 1", "exit code 1"),
        (SUM.replace('print $1 "', 'print $1 + 1 "') % 0, "a row for sample '1', which {in} does not have"),
    ],
)
def test_it_fails_with_a_sentence(script, why, capsys):
    assert new(script, "--timeout", "20") == 1
    said, err = summary(capsys)
    assert said["failed"] == 1
    assert why in err.splitlines()[-1]
    assert "First lines of {in}:\n  sample,a,b\n  0," in err
    assert "First lines of {out}:\n  " in err


def test_samples_that_count_from_one_give_no_result_at_all(capsys):
    assert new(SUM.replace('print $1 "', 'print $1 + 1 "') % 0, "--batch", "8", "--test", "0") == 0
    assert main(["dataset", "sum", "--n", "8"]) == 0
    said, err = summary(capsys)
    assert said["failed"] == 8
    assert "accepted: the samples of {in}, 0 to 7" in err


def test_designs_of_a_call_that_failed_get_their_results_alone():
    assert new("grep -q '^1,' $1 && exit 3\n" + SUM % 0, "--batch", "4", "--test", "0") == 0
    frame = results()
    assert frame["error"].eq("").all()
    assert (frame["s"] - frame["a"] - frame["b"]).abs().max() < 1e-4


def test_the_first_lines_of_both_files_are_shown(capsys):
    assert new(SUM % 0) == 0
    _, err = summary(capsys)
    assert "First lines of {in}:\n  sample,a,b\n  0," in err  # without the unit
    assert "First lines of {out}:\n  sample,s\n  0," in err


def test_a_changed_program_gets_none_of_the_rows_of_the_earlier_one(capsys, caplog):
    assert new(SUM % 0, "--batch", "4") == 0
    old = results()
    capsys.readouterr()
    Path("other.sh").write_text(SUM % 10)
    assert main(["new", "sum", "--command", "sh other.sh {in} {out}"]) == 0
    assert summary(capsys)[0]["evaluated"] == 1
    assert "4 rows are results of an earlier program, kept but not used" in caplog.text
    assert "sum --earlier use" in caplog.text
    assert (results()["s"] > 10).all()
    old[["a", "b"]].set_axis(["x1", "x2"], axis=1).to_csv("d.csv", index=False)
    assert main(["verify", "sum", "d.csv", "--out", "v.csv"]) == 0
    assert (pd.read_csv("v.csv")["y1"] - old["s"] - 10).abs().max() < 1e-4
    assert len(pd.read_parquet("sum/rows.parquet")) == 9, "those of the earlier program are kept"
    capsys.readouterr()
    assert main(["new", "sum", "--command", "sh sim.sh {in} {out}", "--test", "0"]) == 0
    assert "5 rows are results of an earlier program" in capsys.readouterr().err
    Path("sim.sh").rename("away.sh")  # so that a call would fail
    pd.testing.assert_frame_equal(results(), old)


def test_an_edited_script_is_another_program(capsys, caplog):
    new(SUM % 0, "--batch", "4")
    results()
    Path("sim.sh").write_text(SUM % 10)
    assert (results()["s"] > 10).all()
    assert "4 rows are results of an earlier program" in caplog.text
    assert registry.load_folder("sum").data_size == 4
    assert main(["dataset", "sum", "--earlier", "drop"]) == 0
    assert summary(capsys)[0] == {"earlier": 4}
    assert (pd.read_parquet("sum/rows.parquet")["s"] > 10).all()
    Path("sim.sh").write_text("# the same\n" + SUM % 10)
    assert main(["dataset", "sum", "--earlier", "use"]) == 0
    Path("sim.sh").unlink()  # as on another machine: the rows stay those of the program of now
    assert (results()["s"] > 10).all()


def test_a_script_edited_while_it_runs_gives_results_of_the_former_one():
    new(SUM % 0 + "echo '# edited' >> " + str(Path("sim.sh").resolve()), "--test", "0")
    assert main(["dataset", "sum", "--n", "2"]) == 0
    frame = pd.read_parquet("sum/rows.parquet")
    assert len(frame) == 2
    assert frame["program"].nunique() == 1


def test_a_script_that_moved_is_the_same_program(tmp_path, monkeypatch):
    new(SUM % 0, "--batch", "4")
    old = results()
    (tmp_path / "there").mkdir()
    for name in ("sum", "sim.sh"):
        Path(name).rename(tmp_path / "there" / name)
    monkeypatch.chdir(tmp_path / "there")
    assert main(["new", "sum", "--command", "sh sim.sh {in} {out}", "--test", "0"]) == 0
    Path("sim.sh").unlink()  # so that a call would fail
    pd.testing.assert_frame_equal(results(), old)


def test_a_mended_script_is_run_again(capsys):
    new("exit 1")
    capsys.readouterr()
    Path("sim.sh").write_text(SUM % 0)
    assert main(["new", "sum", "--command", "sh sim.sh {in} {out}"]) == 0
    assert summary(capsys)[0]["failed"] == 0


@pytest.mark.parametrize("what", ["sum", "sum/rows.journal.jsonl"])
def test_a_program_that_deletes_its_problem_or_the_results(what, capsys):
    assert new(f"{SUM % 0}rm -rf {Path(what).resolve()}") == 2
    out, err = capsys.readouterr()
    assert "lost results while its command ran" in err.splitlines()[-1]
    assert "NaN" not in out


def test_a_folder_named_like_a_shipped_task_is_refused(capsys):
    for name in ("sinewave", "Sinewave", "robotic_arm"):
        assert new(SUM % 0, folder=name) == 2
        assert "as a shipped task is: give the folder another name" in capsys.readouterr().err
        assert not Path(name).exists()


def test_folders_in_other_scripts_have_names_of_their_own(capsys):
    names = set()
    for folder in ("日本", "東京"):
        assert new(SUM % 0, "--test", "0", folder=folder) == 0
        names.add(summary(capsys)[0]["name"])
    assert len(names) == 2


def test_two_processes_record_all_their_permissions(tmp_path):
    code = (
        "import sys, pathlib; from ipage_core.tasks.command.card import allow\n"
        "for i in range(20): allow(pathlib.Path('/p') / f'{sys.argv[1]}{i}', ['sh', 'x'])"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code, name], cwd=ROOT) for name in "ab"]
    assert [run.wait() for run in runs] == [0, 0]
    assert len(json.loads((tmp_path / "home/commands.json").read_text())) == 40


def test_shell_syntax_in_quotes_reaches_the_shell():
    text = "sh -c 'cat {in} | tail -n 1 > {out}; true' $"
    words = cards.parse_command(text)
    assert words[2] == "cat {in} | tail -n 1 > {out}; true"
    assert cards.parse_command('sh -c "cat {in} > {out}"')[2] == "cat {in} > {out}"


def test_a_campaign_does_not_go_on_with_another_program(capsys):
    assert new(SUM % 0) == 0
    words = ["campaign", "sum", "--target", "1", "--hits", "9", "--start", "none", "--batch", "1", "--out", "hits.csv"]
    assert main([*words, "--budget", "3"]) == 0
    assert main([*words, "--budget", "4"]) == 0  # the same program: it goes on
    Path("sim.sh").write_text(SUM % 10)
    capsys.readouterr()
    assert main([*words, "--budget", "5"]) == 2
    assert "has results of an earlier program" in capsys.readouterr().err


def test_a_campaign_replaces_tables_of_designs_alone(capsys):
    new(SUM % 0)
    words = ["campaign", "sum", "--target", "1", "--hits", "1", "--budget", "3", "--out"]
    Path("mine.csv").write_text("a,b\n1,2\n")
    assert main([*words, "mine.csv"]) == 2
    assert "--out mine.csv holds no designs" in capsys.readouterr().err
    assert Path("mine.csv").read_text() == "a,b\n1,2\n"
    assert main([*words, "mine.csv", "--force"]) in (0, 1)
    assert main([*words, "mine.csv"]) in (0, 1)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no /proc")
def test_a_file_in_proc_cannot_be_written(capsys):
    new(SUM % 0)
    assert main(["campaign", "sum", "--target", "1", "--out", "/proc/x.csv"]) == 2
    assert "/proc/x.csv cannot be written" in capsys.readouterr().err


def test_a_program_that_kills_its_worker_ends_in_one_sentence_and_keeps_the_other_results(capsys):
    kill = f"[ -e {Path.cwd()}/mended ] || ! grep -q ',0.125,' $1 || kill -9 $(ps -o ppid= -p $PPID)\n"
    assert new(kill + SUM % 0, "--test", "0") == 0
    pd.DataFrame({"x1": [0.125, 0.5, 0.25], "x2": [0.0, 0.5, 0.5]}).to_csv("x.csv", index=False)
    capsys.readouterr()
    assert main(["verify", "sum", "x.csv", "--out", "y.csv"]) == 2
    said = capsys.readouterr().err.splitlines()[-1].rsplit("\r", 1)[-1]
    assert "ipage_core verify: Item '0' lost 3 workers (killed, as when the memory is full); accepted: " in said
    assert sorted(pd.read_parquet("sum/rows.parquet")["s"]) == [0.75, 1.0]
    Path("mended").touch()
    assert main(["verify", "sum", "x.csv", "--out", "y.csv"]) == 0
    assert pd.read_csv("y.csv")["y1"].tolist() == [0.125, 1.0, 0.75]
