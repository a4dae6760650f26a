"""``design architecture --goal``: several properties, and the documented columns and JSON."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import trimesh

from ipage_core.cli.main import main
from ipage_core.tasks.cells.modulus import E_X_SD


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
    frame.assign(y1=0, E_x=0, misfit=0, resim_error=9).to_csv(tmp_path / "altered.csv", index=False)
    code, out, err = run(capsys, "verify", "architecture", tmp_path / "altered.csv", "--out", tmp_path / "verified.csv")
    assert code == 0
    assert "2 of 2 cells meet every goal, by finite elements at one element a pixel" in err
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "verified.csv"), frame, rtol=1e-9, check_dtype=False)


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
        (["--goal", "E(abc)=0.3"], "E_x, E_y"),
        (["--goal", "E_x=2"], "between 0 and 1"),
        (["--goal", "E_x=-0.3"], "between 0 and 1"),
        (["--goal", "G_xy>=0.5"], "between 0 and 0.3846"),
        (["--goal", "E_x=0.3", "--goal", "E_x=0.5"], "2 exact goals"),
        (["--goal", "E_x=0.3", "--constrain", "void=1-32,1-1"], "cuts the cell"),
        (["--target", "1", "--mesh", "converged"], "--localize-on omega"),
        (["--goal", "E_x=0.3", "--localize-on", "surrogate"], "E_x alone"),
        (["--goal", "E_x=0.3", "--finish"], "--finish"),
        (["--goal", "E_x=0.3", "--verify", "none"], "verifies every design"),
        (["--goal", "E_x=0.3", "--starts", "nearest,luck"], "luck"),
        (["--goal", "nu_xy=0.3", "--starts", "posterior"], "goal on E_x"),
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


def test_the_target_of_the_task_may_be_descended_on_omega(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "cells.csv"
    code, out, _ = run(
        capsys, "design", "architecture", "--target", "1.0", "--localize-on", "omega", "--n", 2, "--starts",
        "posterior", "--feature", "1", "--out", path,
    )  # fmt: skip
    assert code == 0
    summary = json.loads(out.splitlines()[-1])
    assert summary["hits"] == 2
    assert sum(summary["hits_by_start"].values()) == 2
    assert set(summary["hits_by_start"]) <= {"posterior", "again"}
    frame = pd.read_csv(path)
    assert (np.abs(frame["z_E_x"] - 1) <= 0.01 / E_X_SD + 1e-9).all()
    np.testing.assert_allclose(summary["achieved"]["E_x"], frame["E_x"].median(), atol=1e-6)


def test_options_of_cells_are_for_cells(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = run(
        capsys, "design", "sinewave", "--target", "1", "--mesh", "converged", "--out", tmp_path / "x.csv"
    )
    assert code == 2
    assert "--mesh has no meaning for sinewave" in err


def test_files_take_layout_and_material(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    cell = np.zeros((32, 32))
    cell[10:30] = cell[:, 10:30] = 1
    table = pd.DataFrame([[0, *cell.ravel()]], columns=["sample", *(f"x{j + 1}" for j in range(1024))])
    table["sample"] = 0
    table.to_csv(tmp_path / "cells.csv", index=False)
    export = ("export", "architecture", tmp_path / "cells.csv", "--format", "3mf", "--out", tmp_path)
    code, _, _ = run(
        capsys, *export, "--tiles", "2x1", "--cell-mm", 8, "--thickness-mm", 3, "--material", "PLA", "--young-gpa", 3.5
    )
    assert code == 0
    scene = trimesh.load_scene(tmp_path / "cell-0.3mf")
    assert scene.units == "millimeter"
    np.testing.assert_allclose(scene.extents, (16, 8, 3), atol=1e-6)
    with zipfile.ZipFile(tmp_path / "cell-0.3mf") as archive:
        assert "PLA, E_s = 3.5 GPa" in archive.read("3D/3dmodel.model").decode()
    for options in (("--tiles", "2by1"), ("--tiles", "0x2"), ("--cell-mm", -1), ("--young-gpa", 0)):
        code, _, err = run(capsys, *export, *options)
        assert code == 2
        assert len(err.strip().splitlines()) == 1
