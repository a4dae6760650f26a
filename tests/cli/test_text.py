"""The command line's output works on any terminal, and its files open in any spreadsheet."""

import io
import json
import sys

import pandas as pd
import pytest
import torch

from ipage_core.cli import tables
from ipage_core.cli.main import main
from ipage_core.inference.pipeline import design
from ipage_core.runtime.files import spreadsheet_safe
from ipage_core.runtime.text import printable
from ipage_core.tasks import TASKS
from tests.support.models import exact_method


@pytest.fixture
def terminal(monkeypatch):
    """Run a command on a terminal with some encoding. → exit code, stdout, stderr."""

    def run(encoding, *arguments):
        streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
        monkeypatch.setattr(sys, "stdout", streams[0])
        monkeypatch.setattr(sys, "stderr", streams[1])
        code = main(list(map(str, arguments)))
        for stream in streams:
            stream.flush()
        return code, *(stream.buffer.getvalue().decode(encoding) for stream in streams)

    return run


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_any_encoding_of_the_terminal_does(terminal, encoding):
    code, out, _ = terminal(encoding, "tasks")
    assert code == 0
    assert "robotic_arm" in out
    code, out, _ = terminal(encoding, "tasks", "--json")
    assert code == 0
    told = [json.loads(line) for line in out.splitlines()]
    assert "SrTiO₃ cells by band gap" in json.dumps(told, ensure_ascii=False)


@pytest.mark.parametrize("character", ["\x1b", "\x07", "\x00", "\x9b", "\u202e", "\r"])
@pytest.mark.parametrize("where", ["cell", "task", "constraint", "target"])
def test_control_characters_are_never_echoed(terminal, tmp_path, character, where):
    bad = f"a{character}[31mb"
    (tmp_path / "t.csv").write_text(f'x1,x2\n0.1,"{bad}"\n')
    arguments = {
        "cell": ["verify", "sinewave", tmp_path / "t.csv"],
        "task": ["design", bad, "--target", "1"],
        "constraint": ["design", "sinewave", "--target", "1", "--constrain", f"x1={bad}"],
        "target": ["design", "sinewave", "--target", bad],
    }[where]
    code, _, told = terminal("utf-8", *arguments, "--out", tmp_path / "o.csv")
    assert code == 2
    assert character not in told
    assert len(told.splitlines()) == 1


def test_a_word_of_hundreds_of_letters_is_cut():
    assert len(printable(f"--target '{'9' * 400}': sinewave takes 1 number")) < 120
    assert printable("a name of /a/usual/path.csv") == "a name of /a/usual/path.csv"


@pytest.mark.parametrize(("option", "file"), [("--targets", "y1\n1.2\n"), ("--seed-design", "x1,x2\n0.1,0.2\n")])
def test_a_file_that_is_read_is_not_replaced_unless_forced(tmp_path, capsys, option, file):
    (tmp_path / "t.csv").write_text(file)
    (tmp_path / "link.csv").symlink_to(tmp_path / "t.csv")
    arguments = ["design", "sinewave", "--n", "2", option, str(tmp_path / "t.csv")]
    arguments += [] if option == "--targets" else ["--target", "1.2"]
    for name in ("t.csv", "link.csv"):
        assert main([*arguments, "--out", str(tmp_path / name)]) == 2
        assert "is read by this command; accepted: another name, or --force" in capsys.readouterr().err
        assert (tmp_path / "t.csv").read_text() == file
    assert main([*arguments, "--out", str(tmp_path / "t.csv"), "--force"]) == 0
    assert (tmp_path / "t.csv").read_text().startswith("sample,")


@pytest.mark.parametrize("command", ["verify", "predict"])
def test_designs_are_not_replaced_either(tmp_path, capsys, command):
    (tmp_path / "d.csv").write_text("x1,x2\n0.1,0.2\n")
    assert main([command, "sinewave", str(tmp_path / "d.csv"), "--out", str(tmp_path / "d.csv")]) == 2
    assert "is read by this command" in capsys.readouterr().err
    assert main([command, "sinewave", str(tmp_path / "d.csv"), "--out", str(tmp_path / "o.csv")]) == 0


def test_names_and_texts_that_a_spreadsheet_would_run_get_an_apostrophe():
    frame = pd.DataFrame({"=SUM(A1)": [1.5, -2.0], "-log10(p)": [1, 2], "why": ["@cmd", "value"], "x": ["-1.5", "+2"]})
    found = spreadsheet_safe(frame)
    assert found.columns.tolist() == ["'=SUM(A1)", "'-log10(p)", "why", "x"]
    assert found["why"].tolist() == ["'@cmd", "value"]
    assert found["x"].tolist() == ["-1.5", "+2"]
    assert found["'=SUM(A1)"].tolist() == [1.5, -2.0]
    assert frame.columns[0] == "=SUM(A1)"


@pytest.mark.parametrize("first", [*"=+-@\t\r\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_each_character_with_which_a_formula_may_begin_is_quoted(first):
    found = spreadsheet_safe(pd.DataFrame({f"{first}SUM(A1)": [f"{first}cmd|' /C calc'!A0", "1"]}))
    assert found.columns.tolist() == [f"'{first}SUM(A1)"]
    assert found.iloc[:, 0].tolist() == [f"'{first}cmd|' /C calc'!A0", "1"]


@pytest.mark.parametrize("far", [1e6, 1e18, -1e18])
def test_a_target_beyond_all_reach_is_aimed_at_in_its_direction(far):
    found = design(TASKS["sinewave"], exact_method(), torch.tensor([far], dtype=torch.float64), 30)
    y = found.verification.y[:, 0] * (1 if far > 0 else -1)
    assert y.max() > 1.99
    assert "cannot be reached" in found.note


@pytest.mark.parametrize("far", [1.1e18, 1e100, 1e200, 1e308, -1e308])
def test_a_target_whose_square_is_no_number_is_refused(far):
    with pytest.raises(ValueError, match=r"from -1e.18 to 1e.18"):
        design(TASKS["sinewave"], exact_method(), torch.tensor([far], dtype=torch.float64), 30)


def test_the_error_of_a_target_whose_square_is_no_number_is_infinite_without_a_warning(tmp_path, capsys, recwarn):
    (tmp_path / "d.csv").write_text("target1,x1,x2\n1e200,0.1,0.2\n0.75,0.1,0.2\n")
    assert main(["verify", "sinewave", str(tmp_path / "d.csv"), "--out", str(tmp_path / "o.csv")]) == 0
    assert pd.read_csv(tmp_path / "o.csv")["resim_error"].tolist() == [float("inf"), pytest.approx(0.0625)]
    assert not [w for w in recwarn if issubclass(w.category, RuntimeWarning)]


def test_a_cell_whose_square_is_no_number_is_refused_in_one_line(tmp_path, capsys, recwarn):
    (tmp_path / "t.csv").write_text("x1,x2\n1e308,-1e308\n" + "0.1,0.2\n" * 60)
    assert main(["new", str(tmp_path / "n"), "--data", str(tmp_path / "t.csv"), "--x", "x1", "--y", "x2"]) == 2
    assert "The column 'x1' runs from 0.1 to 1e+308; accepted" in capsys.readouterr().err
    assert not [w for w in recwarn if issubclass(w.category, RuntimeWarning)]
    assert not (tmp_path / "n").exists()


def test_a_large_table_is_announced_before_it_is_read_and_its_rows_are_counted(tmp_path, capsys, monkeypatch):
    (tmp_path / "t.csv").write_text("x,y\n" + "1,2\n" * 60)
    words = ["train", "--data", str(tmp_path / "t.csv"), "--x", "x", "--y", "y", "--out", str(tmp_path / "m")]
    assert main(words) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    monkeypatch.setattr(tables, "LARGE", 100)
    assert main(words) == 2
    first, second, error = capsys.readouterr().err.splitlines()
    assert first == "Reading t.csv, 0 MB …"
    assert second == "60 rows are read, and none is left out for speed."
    assert "The column 'x' is 1 in every row" in error


@pytest.mark.parametrize(
    ("content", "encoding"), [("x1,x2\n0.1,0.2\n", "utf-16"), ("x1,x1,x2\n0.1,0.2,0.3\n", "utf-8")]
)
def test_a_refused_coverage_says_why_and_nothing_else(tmp_path, capsys, content, encoding):
    """How the file was read matters to a result; beside a refusal it would hide the reason."""
    path = tmp_path / "t.csv"
    path.write_text(content, encoding=encoding)
    assert main(["coverage", "sinewave", str(path), "--target", "1", "--seconds", "1"]) == 2
    said = capsys.readouterr().err.strip()
    assert said.count("\n") == 0
    assert "no design of 1 meets the target 1" in said
