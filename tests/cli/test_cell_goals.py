"""``design architecture --goal``: several properties, and the documented columns and JSON."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ipage_core.cli.main import main


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    try:
        code = main([str(a) for a in arguments])
    except SystemExit as stop:
        code = int(stop.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def test_goals_of_cells(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "cells.csv"
    code, out, _ = run(
        capsys, "design", "architecture", "--goal", "E_x=0.3±0.01", "--goal", "nu_xy<=0.3", "--goal", "E(45)>=0.1",
        "--constrain", "volume<=0.8", "--n", 2, "--out", path,
    )  # fmt: skip
    assert code == 0
    summary = json.loads(out.splitlines()[-1])
    assert (summary["n"], summary["hits"], summary["verified"]) == (2, 2, 2)
    assert summary["goals"] == ["E_x=0.3±0.01", "nu_xy<=0.3", "E(45)>=0.1", "volume<=0.8"]
    frame = pd.read_csv(path)
    assert (np.abs(frame["y1"] - 0.3) <= 0.01).all()
    assert (frame["y4"] <= 0.8).all()
    code, out, _ = run(capsys, "verify", "architecture", path, "--out", tmp_path / "verified.csv")
    assert code == 0
    verified = pd.read_csv(tmp_path / "verified.csv")
    np.testing.assert_allclose(verified["E_x [E_s]"], frame["E_x"], rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--goal", "E_x=0.3", "--goal", "E_z=0.3"], "E_z"),
        (["--goal", "E_x=0.3", "--side", "40"], "32, 48 or 64"),
        (["--goal", "E_x=0.3", "--feature", "0"], "feature"),
        (["--goal", "E_x=0.3", "--feature", "2cm"], "millimetres"),
        (["--goal", "E_x=0.3", "--feature", "6mm"], "half of a cell"),
        (["--goal", "minimize volume"], "at least one goal"),
        (["--goal", "E_x=0.3", "--constrain", "group=p5"], "p5"),
    ],
)
def test_bad_goals_are_one_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[str], words: str
) -> None:
    code, _, err = run(capsys, "design", "architecture", *options, "--out", tmp_path / "cells.csv")
    assert code == 2
    assert words in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "cells.csv").exists()
