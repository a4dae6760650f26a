"""``verify architecture`` of a voxel array."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ipage_core.cli.main import main


def test_a_voxel_array_is_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "solid.npy", np.ones((4, 4, 4)))
    words = ["verify", "architecture", str(tmp_path / "solid.npy"), "--out", str(tmp_path / "c.csv")]
    assert main([*words, "--surface", str(tmp_path / "e.csv")]) == 0
    np.testing.assert_allclose(pd.read_csv(tmp_path / "e.csv")["E [E_s]"], 1, rtol=1e-9)
    assert json.loads(capsys.readouterr().out) == {"n": 1, "omega_calls": 1, "failed": 0}
    row = pd.read_csv(tmp_path / "c.csv").iloc[0]
    np.testing.assert_allclose(row[["e_x", "e_y", "e_z", "e_min", "e_max"]].astype(float), 1, rtol=1e-9)
    assert row["c44"] == pytest.approx(1 / 2.6)


@pytest.mark.parametrize("bad", [np.ones((4, 4)), np.full((2, 2, 2), 2.0), np.ones((40, 2, 2))])
def test_other_arrays_get_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str], bad: np.ndarray) -> None:
    np.savez(tmp_path / "bad.npz", voxels=bad)
    code = main(["verify", "architecture", str(tmp_path / "bad.npz"), "--out", str(tmp_path / "c.csv")])
    assert code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "c.csv").exists()
