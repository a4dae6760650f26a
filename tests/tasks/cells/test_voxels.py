"""Voxels compared with laminates, Hashin–Shtrikman, cubic symmetry and a file that is read back."""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import trimesh

from ipage_core.tasks.cells.homogenization import POISSON
from ipage_core.tasks.cells.voxel_files import read_voxels, summary, surface_file
from ipage_core.tasks.cells.voxels import directional_moduli, homogenize_voxels, isotropic, surface
from tests.support.elasticity import young_x


def laminate(moduli: np.ndarray, poisson: float = POISSON) -> np.ndarray:
    """Exact C of isotropic layers of equal thickness stacked along z: they share σ_z· and the strains in the plane.

    With Voigt order (xx, yy, zz, yz, xz, xy), n = (zz, yz, xz) and t = (xx, yy, xy): (Backus 1962).
    """
    n, t = [2, 3, 4], [0, 1, 5]
    layers = moduli[:, None, None] * isotropic(poisson)
    nn, nt, tt = layers[:, n][:, :, n], layers[:, n][:, :, t], layers[:, t][:, :, t]
    inverse = np.linalg.inv(nn)
    c_nn = np.linalg.inv(inverse.mean(0))
    c_nt = c_nn @ (inverse @ nt).mean(0)
    c = np.empty((6, 6))
    c[np.ix_(n, n)], c[np.ix_(n, t)], c[np.ix_(t, n)] = c_nn, c_nt, c_nt.T
    rest = (tt - nt.swapaxes(1, 2) @ inverse @ nt).mean(0)
    c[np.ix_(t, t)] = rest + c_nt.T @ np.linalg.inv(c_nn) @ c_nt
    return c


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_laminates(axis: int) -> None:
    layers = np.repeat([1.0, 0.25, 0.6, 0.25], 2)
    shape = [1, 1, 1]
    shape[axis] = 8
    rho = np.broadcast_to(layers.reshape(shape), (8, 8, 8))
    c = homogenize_voxels(rho, e_void=1e-6)
    expected = laminate(1e-6 + (1 - 1e-6) * layers)
    # The array's axes are (z, y, x); bring the stacking axis to z by exchanging the names of two axes.
    order = {0: [0, 1, 2, 3, 4, 5], 1: [0, 2, 1, 3, 5, 4], 2: [2, 1, 0, 5, 4, 3]}[axis]
    np.testing.assert_allclose(c[np.ix_(order, order)], expected, atol=1e-5)


def test_solid_is_the_solid() -> None:
    np.testing.assert_allclose(homogenize_voxels(np.ones((4, 5, 6))), isotropic(), atol=1e-12)


def sphere(n: int, radius: float) -> np.ndarray:
    at = (np.arange(n) + 0.5) / n - 0.5
    return np.sqrt(at[:, None, None] ** 2 + at[:, None] ** 2 + at**2) < radius


def cubic(c: np.ndarray) -> np.ndarray:
    expected = np.zeros((6, 6))
    expected[:3, :3] = c[0, 1]
    expected[range(3), range(3)], expected[range(3, 6), range(3, 6)] = c[0, 0], c[3, 3]
    return expected


def test_hashin_shtrikman_and_cubic_symmetry() -> None:
    """A solid with spherical holes: bulk and shear moduli below the upper bounds; C keeps the cube's symmetry."""
    rho = (~sphere(16, 0.4)).astype(float)
    c = homogenize_voxels(rho, tolerance=1e-4)
    np.testing.assert_allclose(c, cubic(c), atol=1e-6)
    k, g = 1 / (3 * (1 - 2 * POISSON)), 1 / (2 * (1 + POISSON))
    f = rho.mean()
    bulk = (c[0, 0] + 2 * c[0, 1]) / 3
    bound = f * k * 4 * g / (4 * g + 3 * (1 - f) * k)
    assert 0.9 * bound < bulk < bound
    # Voigt's average over orientations is what the bound on an isotropic mixture's shear modulus allows, and more.
    reuss = 5 / (2 / ((c[0, 0] - c[0, 1]) / 2) + 3 / c[3, 3])
    beta = 6 * (k + 2 * g) / (5 * g * (3 * k + 4 * g))
    assert reuss < g + (1 - f) / (-1 / g + f * beta)


def test_energy_bounds_from_above_and_converges() -> None:
    rho = (~sphere(12, 0.45)).astype(float)
    exact = homogenize_voxels(rho, tolerance=1e-7)
    usual = homogenize_voxels(rho)
    assert (np.diag(usual) >= np.diag(exact) - 1e-12).all()
    np.testing.assert_allclose(usual, exact, atol=1e-4)


def test_an_extruded_cell_bounds_plane_stress() -> None:
    """Extruded along z, only the mean of σ_zz is zero: a little stiffer than plane stress."""
    cell = np.zeros((8, 8))
    cell[2:5] = cell[:, 3:6] = 1
    c = homogenize_voxels(np.broadcast_to(cell, (3, 8, 8)), tolerance=1e-5)
    ratio = directional_moduli(c, [(1, 0, 0)])[0] / float(young_x(cell))
    assert 1 <= ratio <= 1.05


def test_directions() -> None:
    c = isotropic()
    along = np.random.default_rng(0).standard_normal((20, 3))
    np.testing.assert_allclose(directional_moduli(c, along), 1, rtol=1e-12)


def test_surface_and_summary() -> None:
    points, e = surface(isotropic())
    np.testing.assert_allclose(e, 1, rtol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(points, axis=-1), 1, rtol=1e-12)
    row = summary(np.broadcast_to([1.0, 0.25], (2, 2, 2)))
    assert row["e_y"] == pytest.approx(row["e_z"])
    assert row["e_min"] <= row["e_x"] < row["e_y"] <= row["e_max"]
    assert row["volume"] == 0.625


def test_files(tmp_path: Path) -> None:
    rho = sphere(4, 0.4)
    np.save(tmp_path / "a.npy", rho)
    np.savez(tmp_path / "a.npz", voxels=rho, other=1)
    for name in ("a.npy", "a.npz"):
        assert (read_voxels(tmp_path / name) == rho).all()
    np.savez(tmp_path / "b.npz", one=rho, two=rho)
    np.save(tmp_path / "flat.npy", rho[0])
    np.save(tmp_path / "objects.npy", np.array([None]), allow_pickle=True)
    (tmp_path / "text.npy").write_text("no")
    for name in ("b.npz", "flat.npy", "objects.npy", "text.npy", "missing.npy"):
        with pytest.raises(ValueError, match=name):
            read_voxels(tmp_path / name)


def forged(shape: str) -> bytes:
    """An NPY file whose header announces a shape that is not there."""
    text = f"{{'descr': '|b1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def test_a_forged_header_or_archive_is_refused_before_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "huge.npy").write_bytes(forged("(100000, 100000, 100000)"))
    (tmp_path / "short.npy").write_bytes(forged("(16, 16, 16)"))
    for name, member in (("huge.npz", "a.npy"), ("text.npz", "a.txt")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(member, forged("(100000, 100000, 100000)"))
    np.savez(tmp_path / "nan.npz", np.full((2, 2, 2), np.nan))
    for name, words in {
        "huge.npy": "1 to 32 voxels",
        "huge.npz": "1 to 32 voxels",
        "short.npy": "cut short",
        "text.npz": "got none",
        "nan.npz": "8 NaN",
    }.items():
        with pytest.raises(ValueError, match=words):
            read_voxels(tmp_path / name)


@pytest.mark.parametrize(("low", "high"), [(-0.1, 0.5), (0.5, 1.1)])
def test_densities_below_0_or_above_1_are_refused_as_they_are_read(tmp_path: Path, low: float, high: float) -> None:
    np.save(tmp_path / "wrong.npy", np.array([low, high]).reshape(1, 1, 2))
    with pytest.raises(ValueError, match=f"expected densities from 0 to 1, got {low:g} to {high:g}"):
        read_voxels(tmp_path / "wrong.npy")
    for shape in ((32, 1, 1), (1, 33, 1)):
        np.save(tmp_path / "long.npy", np.array([0.0] * (shape[0] * shape[1] - 1) + [1.0]).reshape(shape))
        if max(shape) == 32:
            assert read_voxels(tmp_path / "long.npy").shape == shape
        else:
            with pytest.raises(ValueError, match="1 to 32 voxels along each axis"):
                read_voxels(tmp_path / "long.npy")


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_one_density_that_is_no_number_is_refused_as_it_is_read(tmp_path: Path, wrong: float) -> None:
    rho = np.full((2, 3, 4), 0.5)
    rho[1, 2, 3] = wrong
    np.save(tmp_path / "wrong.npy", rho)
    with pytest.raises(ValueError, match="expected densities from 0 to 1, got 1 NaN or infinite"):
        read_voxels(tmp_path / "wrong.npy")


def test_a_large_file_is_read_to_the_end_of_its_array_and_no_farther(tmp_path: Path) -> None:
    """32³ voxels of eight bytes are more than the part that holds the header."""
    rho, path = np.random.default_rng(0).random((32, 32, 32)), tmp_path / "large.npy"
    np.save(path, rho)
    whole = path.read_bytes()
    path.write_bytes(whole + b"more")
    np.testing.assert_array_equal(read_voxels(path), rho)
    for missing in (1, rho.nbytes // 2):
        path.write_bytes(whole[:-missing])
        with pytest.raises(ValueError, match="cut short: its header announces 32768 voxels"):
            read_voxels(path)


@pytest.mark.parametrize("shape", [(0, 2, 2), (2, 0, 2), (2, 2, 0)])
def test_an_empty_array_is_refused_as_it_is_read(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "empty.npy", np.empty(shape))
    with pytest.raises(ValueError, match="expected 1 to 32 voxels along each axis"):
        read_voxels(tmp_path / "empty.npy")


def test_the_order_of_an_array_in_memory_does_not_matter(tmp_path: Path) -> None:
    rho = np.random.default_rng(0).random((3, 4, 5))
    np.save(tmp_path / "fortran.npy", np.asfortranarray(rho))
    np.testing.assert_array_equal(read_voxels(tmp_path / "fortran.npy"), rho)


def test_the_surface_is_closed_and_has_the_moduli_as_distances() -> None:
    row = summary(np.broadcast_to([1.0, 0.25], (2, 2, 2)))
    mesh = trimesh.load(io.BytesIO(surface_file(row, ".ply")), file_type="ply")
    assert mesh.is_watertight
    assert mesh.volume > 0
    away = np.linalg.norm(mesh.vertices, axis=1)
    assert away.min() == pytest.approx(row["e_min"], rel=1e-5)
    assert away.max() == pytest.approx(row["e_max"], rel=1e-5)
    table = pd.read_csv(io.BytesIO(surface_file(row, ".csv")))
    along_x = table[(table["n_x"] - 1).abs() < 1e-9]
    assert along_x["E [E_s]"].to_numpy() == pytest.approx(row["e_x"])
    with pytest.raises(ValueError, match="accepted"):
        surface_file(row, ".png")


@pytest.mark.parametrize("bad", [np.ones((2, 2)), np.ones((33, 2, 2)), np.full((2, 2, 2), 1.5), np.ones((0, 2, 2))])
def test_bad_voxels_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected"):
        homogenize_voxels(bad)


@pytest.mark.parametrize("wrong", [-1e-9, 1 + 1e-9, np.nan, np.inf])
def test_one_density_outside_0_to_1_is_refused(wrong: float) -> None:
    rho = np.full((2, 2, 2), 0.5)
    rho[1, 0, 1] = wrong
    with pytest.raises(ValueError, match=r"expected densities in \[0, 1\]"):
        homogenize_voxels(rho)


def test_32_voxels_along_an_axis_and_densities_of_0_and_1_are_accepted() -> None:
    """Half solid, half void in layers: the moduli in the plane are the means."""
    rho = np.repeat([1.0, 0.0], 16).reshape(32, 1, 1)
    moduli = directional_moduli(homogenize_voxels(rho, poisson=0.0, e_void=0.1), np.eye(3))
    np.testing.assert_allclose(moduli, [0.55, 0.55, 2 / (1 + 10)], rtol=1e-4)
