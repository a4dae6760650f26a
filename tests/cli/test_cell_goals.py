"""``design architecture --goal``: several properties, and the documented columns and JSON."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import trimesh

from ipage_core.cli.main import main
from ipage_core.tasks.cells.goal_prediction import predict_table
from ipage_core.tasks.cells.modulus import E_X_MEAN, E_X_SD


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
    assert frame["hit"].tolist() == [True, True]
    frame.assign(y1=0, E_x=0, misfit=9, resim_error=9, hit=False).to_csv(tmp_path / "altered.csv", index=False)
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
        (["--goal", "nu_xy=0.3", "--starts", "given"], "nearest, noise, motif, posterior"),
        (["--goal", "E_x=0.3", "--goal", "E_x>=0.5"], "contradict each other: no E_x meets both"),
        (["--goal", "E_x=0.3", "--constrain", "E_x<=0.2"], "contradict"),
        (["--goal", "E_x=0.3", "--goal", "E(180)=0.9"], "'E(180)=0.9±0.01' contradict each other: no E_x meets both"),
        (["--goal", "E_x=0.3", "--goal", "minimize volume", "--goal", "maximize volume"], "contradict"),
        (["--goal", "nu_xy=-3", "--goal", "E_y>=0.3"], "at most 1.83"),
        (["--goal", "nu_yx>=2", "--goal", "E_x>=0.5", "--goal", "E_y<=0.5"], "below √(E_y/E_x)"),
        (["--goal", "nu_xy=-3", "--goal", "nu_yx=-3"], "nu_xy times nu_yx is below 1"),
        (["--goal", "nu_xy=-0.3", "--goal", "nu_yx=0.3"], "have the same sign"),
        (["--goal", "E(30)=0.3", "--goal", "volume<=0.1"], "E(30) is at most 0.1 E_s"),
        (["--goal", "E(1e300)=0.3"], "−360 to 360"),
        (["--goal", "E_x=0.3", "--goal", "y=1"], "goes with no other goal"),
        (["--goal", "E_x=0.3 weight 2"], "weight"),
        (["--goal", "minimize nothing"], "'nothing' is not known"),
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


def test_predictions_have_the_units_of_the_goals(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path, predicted = tmp_path / "cells.csv", tmp_path / "predicted.csv"
    goals = ("--goal", "nu_xy<=0.4", "--goal", "E_x=0.3", "--goal", "E_y=0.5±0.02")
    assert run(capsys, "design", "architecture", *goals, "--n", 2, "--feature", 1, "--out", path)[0] == 0
    code, _, err = run(capsys, "predict", "architecture", path, "--out", predicted)
    assert code == 0
    assert "E_x and E_y, in units of E_s" in err
    assert "no other property" in err
    frame = pd.read_csv(predicted)
    assert frame["surrogate1"].isna().all()
    np.testing.assert_allclose(frame["surrogate2"], frame["E_x"], atol=0.03)
    np.testing.assert_allclose(frame["surrogate3"], frame["E_y"], atol=0.03)
    assert (frame["E_x predicted"] == frame["surrogate2"]).all()
    assert (frame["E_y predicted"] == frame["surrogate3"]).all()
    # As a plain table of designs, the same cells get the task's own target, a z-score.
    frame[["sample", *(f"x{j + 1}" for j in range(1024))]].to_csv(tmp_path / "plain.csv", index=False)
    assert run(capsys, "predict", "architecture", tmp_path / "plain.csv", "--out", tmp_path / "z.csv")[0] == 0
    z = pd.read_csv(tmp_path / "z.csv")["surrogate1"]
    np.testing.assert_allclose(E_X_MEAN + E_X_SD * z, frame["E_x predicted"], atol=1e-6)


def test_a_network_of_32_pixels_predicts_no_finer_cell() -> None:
    table = pd.DataFrame(np.ones((1, 48**2)), columns=[f"x{j + 1}" for j in range(48**2)])
    with pytest.raises(ValueError, match="32 pixels a side, not of 48"):
        predict_table(table.assign(goals="E_x=0.3±0.01", mesh="pixel"), lambda x: x[:, :1])


def test_designs_for_goals_are_none_for_a_target_of_the_task(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    table = pd.DataFrame(np.ones((1, 1024)), columns=[f"x{j + 1}" for j in range(1024)])
    table.assign(target1=0.3, y1=1.0, goals="E_x=0.3±0.01", mesh="pixel").to_csv(tmp_path / "cells.csv", index=False)
    code, _, err = run(capsys, "coverage", "architecture", tmp_path / "cells.csv")
    assert code == 2
    assert "holds designs for goals (E_x=0.3±0.01)" in err


def cross(side: int, file: Path) -> pd.DataFrame:
    """Write a table of one cell, a cross."""
    cell = np.zeros((side, side))
    cell[4:14] = cell[:, 4:20] = 1
    names = [f"x{j + 1}" for j in range(side**2)]
    frame = pd.DataFrame([cell.ravel()], columns=names).assign(sample=0, goals="E_x=0.3±0.01", mesh="pixel")
    frame.to_csv(file, index=False)
    return frame


@pytest.mark.parametrize("side", [48, 64])
def test_finer_cells_are_exported(capsys: pytest.CaptureFixture[str], tmp_path: Path, side: int) -> None:
    solid = cross(side, tmp_path / "cells.csv").filter(regex=r"^x\d").to_numpy().mean()
    words = ("export", "architecture", tmp_path / "cells.csv", "--format", "stl", "--out", tmp_path)
    assert run(capsys, *words, "--tiles", "1x1", "--cell-mm", 8, "--thickness-mm", 2)[0] == 0
    mesh = trimesh.load(tmp_path / "cell-0.stl")
    assert mesh.is_watertight
    np.testing.assert_allclose(mesh.volume, solid * 8**2 * 2, rtol=1e-5)


def test_what_is_no_cell_is_not_exported(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    frame, words = cross(48, tmp_path / "cells.csv"), ("--format", "stl", "--out", tmp_path / "none")
    for bad in ("solid", 0.5):
        frame.assign(x7=bad).to_csv(tmp_path / "bad.csv", index=False)
        code, _, err = run(capsys, "export", "architecture", tmp_path / "bad.csv", *words)
        assert code == 2
        assert "cell of 0 and 1" in err
        assert not (tmp_path / "none").exists()
    frame.drop(columns="x9").to_csv(tmp_path / "fewer.csv", index=False)
    assert run(capsys, "export", "architecture", tmp_path / "fewer.csv", *words)[0] == 2


def test_designs_for_goals_are_no_results_to_learn(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table = pd.DataFrame(np.ones((1, 1024)), columns=[f"x{j + 1}" for j in range(1024)])
    table.assign(y1=0.3, E_x=0.3, E_y=0.3, goals="E_x=0.3±0.01", mesh="pixel").to_csv(tmp_path / "c.csv", index=False)
    code, _, err = run(capsys, "learn", "architecture", tmp_path / "c.csv", "--out", tmp_path / "model")
    assert code == 2
    assert "holds designs for goals (E_x=0.3±0.01)" in err
    assert len(err.strip().splitlines()) == 1
