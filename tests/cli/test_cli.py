"""The documented interface of the command line: files, last line, exit codes, error messages."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from ipage_core.cli.main import main
from ipage_core.inference.solutions import Solutions
from ipage_core.tasks import TASKS


def run(capsys, *arguments):
    """(exit code, stdout, stderr)."""
    try:
        code = main([str(a) for a in arguments])
    except SystemExit as stop:
        code = stop.code
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "solutions.csv"
    command = [sys.executable, "-m", "ipage_core", "design", "sinewave", "--target", "1.2", "--n", "25", "--out", path]
    process = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    return pd.read_csv(path), json.loads(process.stdout.splitlines()[-1])


def test_help_does_not_import_torch():
    code = "import sys; from ipage_core.cli.main import main\ntry: main(['--help'])\n"
    code += "finally: print('torch' in sys.modules)"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.stdout.splitlines()[-1] == "False"
    assert "design" in process.stdout


def test_solutions_have_the_columns_of_the_contract(solved):
    frame, summary = solved
    assert frame.columns.tolist() == [
        "sample", "stage", "target1", "x1", "x2", "surrogate1", "y1", "resim_error", "hit", "in_bounds",
        "replaced", "basis",
    ]  # fmt: skip
    assert len(frame) == 50
    assert frame["stage"].value_counts().to_dict() == {"posterior": 25, "localized": 25}
    assert sorted(frame.loc[frame["stage"] == "localized", "sample"]) == list(range(25))
    assert set(summary) == {
        "n", "resim_mse", "resim_median", "verified", "hits", "in_bounds", "replaced", "success_before_replacement",
        "omega_calls", "seconds", "modes_found", "modes_total", "basis",
    }  # fmt: skip
    assert set(summary["seconds"]) == {"latent", "proposal", "localization", "verification"}
    assert (summary["n"], summary["verified"], summary["modes_total"]) == (25, 25, 9)
    assert summary["omega_calls"] == 25


def test_the_table_agrees_with_the_physics_and_the_summary(solved):
    frame, summary = solved
    localized = frame[frame["stage"] == "localized"]
    y = np.sin(3 * np.pi * localized["x1"]) + np.cos(3 * np.pi * localized["x2"])
    np.testing.assert_allclose(localized["y1"], y, atol=1e-12)
    np.testing.assert_allclose(localized["resim_error"], (y - 1.2) ** 2, atol=1e-12)
    assert summary["resim_mse"] == pytest.approx(localized["resim_error"].mean())
    assert summary["resim_median"] == pytest.approx(localized["resim_error"].median(), rel=0.2)
    assert summary["hits"] == (localized["resim_error"] <= 0.02**2).sum()
    assert localized["hit"].sum() == summary["hits"]
    first = frame[frame["stage"] == "posterior"]  # what the page shows of the starts, at no counted evaluation
    y = np.sin(3 * np.pi * first["x1"]) + np.cos(3 * np.pi * first["x2"])
    np.testing.assert_allclose(first["y1"], y, atol=1e-12)
    assert first["hit"].tolist() == (abs(y - 1.2) <= 0.02).tolist()
    assert (first["basis"] == "verified by Ω").all()


def test_the_same_command_writes_the_same_file(capsys, tmp_path):
    for name in ("a.csv", "b.csv"):
        run(capsys, "design", "sinewave", "--target", "0.3", "--n", 7, "--seed", 5, "--out", tmp_path / name)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_targets_file_and_verify_number(capsys, tmp_path):
    targets = tmp_path / "targets.csv"
    pd.DataFrame({"y1": [0.5, 1.0, -1.5]}).to_csv(targets, index=False)
    code, out, _ = run(capsys, "design", "sinewave", "--targets", targets, "--n", 4, "--verify", 5,
                       "--out", tmp_path / "s.csv")  # fmt: skip
    frame = pd.read_csv(tmp_path / "s.csv")
    localized = frame[frame["stage"] == "localized"]
    assert code == 0
    assert localized["target1"].tolist() == [0.5] * 4 + [1.0] * 4 + [-1.5] * 4
    assert localized["y1"].notna().sum() == 5 == json.loads(out.splitlines()[-1])["verified"]


def test_predict_and_verify_take_solutions_back(capsys, tmp_path, solved):
    designs = tmp_path / "designs.csv"
    solved[0].to_csv(designs, index=False)
    assert run(capsys, "verify", "sinewave", designs, "--out", tmp_path / "v.csv")[0] == 0
    assert run(capsys, "predict", "sinewave", designs, "--out", tmp_path / "p.csv")[0] == 0
    verified, predicted = pd.read_csv(tmp_path / "v.csv"), pd.read_csv(tmp_path / "p.csv")
    localized = solved[0]["stage"] == "localized"
    np.testing.assert_allclose(verified["y1"][localized], solved[0]["y1"][localized], atol=1e-12)
    np.testing.assert_allclose(predicted["surrogate1"], solved[0]["surrogate1"], atol=1e-4)


def test_dataset_of_a_cheap_task_and_of_cells(capsys, tmp_path):
    code, out, _ = run(capsys, "dataset", "ballistics", "--n", 30, "--out", tmp_path / "b.parquet")
    frame = pd.read_parquet(tmp_path / "b.parquet")
    assert (code, json.loads(out.splitlines()[-1])["n"], frame.shape) == (0, 30, (30, 5))
    code, out, _ = run(capsys, "dataset", "architecture", "--n", 6, "--workers", 0, "--out", tmp_path / "a.parquet")
    assert (code, json.loads(out.splitlines()[-1])["n"]) == (0, 6)
    left = sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".lock")  # a lock's file stays, hidden
    assert left == ["a.parquet", "b.parquet"]


def test_tasks_as_json(capsys):
    rows = json.loads(run(capsys, "tasks", "--json")[1])
    assert [row["name"] for row in rows] == list(TASKS)
    assert all(len(row["x"]) == len(row["bounds"][0]) for row in rows)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["design", "sine", "--target", "1"], "accepted: sinewave"),
        (["design", "sinewave"], "--target --targets --goal is required"),
        (["design", "sinewave", "--target", "one"], "takes 1 number"),
        (["design", "sinewave", "--target", "1,2"], "takes 1 number"),
        (["design", "sinewave", "--target", "nan"], "takes 1 number"),
        (["design", "sinewave", "--target", "1", "--n", "0"], "a whole number, from 1 to "),
        (["design", "sinewave", "--target", "1", "--n", "many"], "a whole number, from 1 to "),
        (["design", "sinewave", "--target", "1", "--sampling", "sobol"], "accepted: srs, lhs, maximin"),
        (["design", "sinewave", "--target", "1", "--method", "magic"], "accepted: ipage"),
        (["design", "sinewave", "--target", "1", "--verify", "maybe"], "accepted: auto, all, none"),
        (["design", "sinewave", "--target", "1", "--device", "tpu"], "accepted: auto"),
        (["design", "sinewave", "--target", "1", "--omega-evals", "-1"], "from 0 to 100"),
        (["design", "sinewave", "--target", "1", "--steps", "0"], "from 1 to 10000"),
        (["design", "sinewave", "--target", "1", "--method", "inn", "--omega-evals", "1"], "lacks a surrogate"),
        (["design", "sinewave", "--targets", "missing.csv"], "does not exist"),
        (["verify", "sinewave", "missing.csv"], "does not exist"),
        (["predict", "sinewave", "missing.csv", "--method", "cinn"], "no surrogate"),
        (["train", "sinewave", "--method", "nonsense"], "accepted: ipage"),
        (["train", "sinewave", "--resume"], "holds no stopped run"),
        (["train", "sinewave", "--epochs", "0"], "from 1 to 10000"),
        (["design", "sinewave", "--target", "1", "--n", "100001"], "from 1 to 100000"),
        (["design", "sinewave", "--target", "1", "--seed", "-1"], "a whole number, from 0"),
        (["dataset", "architecture", "--n", "6", "--scheduler", "banana"], "tcp://"),
        (["dataset", "bridge", "--n", "5"], "accepted: sinewave"),
        (["dataset", "architecture", "--n", "0"], "a whole number, from 1 to "),
        (["fly"], "invalid choice"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_no_file(capsys, tmp_path, arguments, words):
    out = tmp_path / "out.parquet"
    with_out = arguments if arguments == ["fly"] else [*arguments, "--out", out]
    code, _, err = run(capsys, *with_out)
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert words in err
    assert not out.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a readable CSV"),
        (b"a,b\n1,2\n", "lacks the column(s) x1, x2"),
        (b"x1,x2,x3\n1,2,3\n", "has x1 … x2 alone"),
        (b"x1,x2\n", "has no rows"),
        (b"x1,x2\n1,2,3\n", "more values"),
        (b"x1,x2\n0.1,0.2\n0.1,spam\n", "row 3"),
        (b"x1,x2\n0.1,inf\n", "row 2"),
        (b"\xff\xfe\x00bad", "not a readable CSV"),
    ],
)
def test_bad_files_say_where(capsys, tmp_path, content, words):
    designs = tmp_path / "designs.csv"
    designs.write_bytes(content)
    code, _, err = run(capsys, "verify", "sinewave", designs, "--out", tmp_path / "out.csv")
    assert code == 2
    assert words in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out.csv").exists()


def test_a_failed_write_leaves_what_was_there(capsys, tmp_path, monkeypatch):
    out = tmp_path / "s.csv"
    out.write_text("precious")

    def fail(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(Solutions, "frame", fail)
    code, _, err = run(capsys, "design", "sinewave", "--target", "1", "--out", out)
    assert code == 2
    assert "No space left" in err
    assert out.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [out]


def test_an_unreachable_target_is_said_in_a_sentence(capsys, tmp_path):
    code, out, err = run(capsys, "design", "sinewave", "--target", "5", "--n", 5, "--out", tmp_path / "s.csv")
    assert code == 0
    assert "cannot be reached" in err
    assert "cannot be reached" in json.loads(out.splitlines()[-1])["note"]


@pytest.mark.parametrize(
    ("method", "sampling", "told"),
    [
        ("prior-lm", "maximin", True),
        ("na", "lhs", True),
        ("lookup", None, False),
        ("na", "srs", False),
        ("ipage", "lhs", False),
    ],
)
def test_a_sampling_that_has_no_effect_is_said(method, sampling, told, tmp_path, capsys):
    asked = ["design", "sinewave", "--target", "1.2", "--n", "2", "--method", method, "--out", str(tmp_path / "d.csv")]
    main(asked + ([] if sampling is None else ["--sampling", sampling]))
    said = f"The method {method} has no latent space: --sampling {sampling} has no effect."
    assert (said in capsys.readouterr().err) == told
