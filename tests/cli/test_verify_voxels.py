"""``verify architecture`` of a voxel array."""

import json
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ipage_core.cli.main import main
from ipage_core.tasks.cells.voxel_files import read_voxels


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


def forged(path: Path, head: bytes, version: bytes = b"\x01\x00", announced: int | None = None) -> Path:
    """An NPY file with this header, and perhaps another length than it has."""
    size = (len(head) if announced is None else announced).to_bytes(2 if version == b"\x01\x00" else 4, "little")
    path.write_bytes(b"\x93NUMPY" + version + size + head + bytes(100))
    return path


@pytest.mark.parametrize(
    "shape", ["(True, 4, 4)", "(2.0, 2, 2)", "(-2, 2, 2)", "(10**9, 2, 2)", "(99999999999999999999, 1, 1)"]
)
def test_forged_shapes_get_one_sentence(tmp_path: Path, shape: str) -> None:
    head = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    path = forged(tmp_path / "forged.npy", head)
    if shape.startswith("(True"):
        assert read_voxels(path).shape == (1, 4, 4)
    else:
        with pytest.raises(ValueError, match=r"damaged|1 to 32 voxels"):
            read_voxels(path)


def test_forged_headers_get_one_sentence_and_little_memory(tmp_path: Path) -> None:
    nested = forged(tmp_path / "nested.npy", b"{" * 5000)
    endless = forged(tmp_path / "endless.npy", b"{", b"\x02\x00", 4_000_000_000)
    packed = tmp_path / "packed.npz"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("voxels.npy", "w") as file:
        file.write(b"\x93NUMPY\x02\x00" + (100_000_000).to_bytes(4, "little"))
        for _ in range(100):
            file.write(b" " * 1_000_000)
    tracemalloc.start()
    for path in (nested, endless, packed):
        with pytest.raises(ValueError, match="is damaged, or not an NPY or NPZ file"):
            read_voxels(path)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_a_surface_is_no_array_of_voxels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "gyroid.STL").write_text("solid gyroid\nendsolid gyroid\n")
    code = main(["verify", "architecture", str(tmp_path / "gyroid.STL"), "--out", str(tmp_path / "c.csv")])
    assert code == 2
    said = capsys.readouterr().err
    assert "no array of voxels; accepted: NPY or NPZ" in said
    assert len(said.strip().splitlines()) == 1


def test_two_outputs_need_two_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "solid.npy", np.ones((2, 2, 2)))
    words = ["verify", "architecture", str(tmp_path / "solid.npy"), "--out", str(tmp_path / "c.csv")]
    assert main([*words, "--surface", str(tmp_path / "." / "c.csv")]) == 2
    assert "--out and --surface are the same file" in capsys.readouterr().err
    assert not (tmp_path / "c.csv").exists()
