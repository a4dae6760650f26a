"""Voxels against an independent finite-element code, tensors written out, and files taken apart."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skfem
import trimesh
from skfem.helpers import ddot, eye, sym_grad, trace

from ipage_core.tasks.cells import voxels
from ipage_core.tasks.cells.voxel_files import read_voxels, summary, surface_file
from ipage_core.tasks.cells.voxels import directional_moduli, homogenize_voxels, isotropic, surface

VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
"""Axes of ε_xx, ε_yy, ε_zz, γ_yz, γ_xz and γ_xy."""


def oracle(modulus: np.ndarray, nu: float) -> np.ndarray:
    """The same problem by scikit-fem: its element and assembly, constraints by elimination, a dense solution."""
    nz, ny, nx = modulus.shape
    mesh = skfem.MeshHex.init_tensor(*(np.arange(n + 1.0) for n in (nx, ny, nz)))
    basis = skfem.Basis(mesh, skfem.ElementVector(skfem.ElementHex1()), intorder=3)
    ix, iy, iz = np.floor(mesh.p[:, mesh.t].mean(axis=1)).astype(int)

    @skfem.BilinearForm
    def elasticity(u, v, w):  # type: ignore[no-untyped-def]
        strain = sym_grad(u)
        stress = w["young"] / (1 + nu) * (strain + nu / (1 - 2 * nu) * eye(trace(strain), 3))
        return ddot(stress, sym_grad(v))

    constant = basis.with_element(skfem.ElementHex0())
    k = elasticity.assemble(basis, young=constant.interpolate(modulus[iz, iy, ix])).toarray()
    x, y, z = at = np.rint(basis.doflocs).astype(int)
    component = np.empty(basis.N, dtype=int)
    for axis in range(3):
        component[basis.nodal_dofs[axis]] = axis
    column = 3 * (((z % nz) * ny + y % ny) * nx + x % nx) + component
    periodic = np.eye(3 * modulus.size)[column][:, 3:]  # one node is held
    affine = np.zeros((basis.N, 6))
    for case, (i, j) in enumerate(VOIGT):
        affine[:, case] += np.where(component == i, at[j], 0) / 2
        affine[:, case] += np.where(component == j, at[i], 0) / 2
    total = affine - periodic @ np.linalg.solve(periodic.T @ k @ periodic, periodic.T @ k @ affine)
    return total.T @ k @ total / modulus.size


@pytest.mark.parametrize("shape", [(3, 2, 4), (2, 4, 3), (4, 3, 2), (1, 3, 2), (5, 1, 1)])
def test_agrees_with_scikit_fem(shape: tuple[int, int, int]) -> None:
    rho, nu = np.random.default_rng(sum(shape)).random(shape), 0.2
    rho[0, 0, 0] = 0
    c = homogenize_voxels(rho, poisson=nu, e_void=0.02, tolerance=1e-8)
    np.testing.assert_allclose(c, oracle(0.02 + 0.98 * rho, nu), atol=1e-10)
    assert (c == c.T).all()


@pytest.mark.parametrize("slab", [6, 13, 18, 29, 30])
def test_cells_may_be_worked_off_in_slabs(monkeypatch: pytest.MonkeyPatch, slab: int) -> None:
    """Of one layer, two, three and a rest, four and a rest, or all five."""
    rho = np.random.default_rng(1).random((5, 2, 3))
    whole = homogenize_voxels(rho)
    monkeypatch.setattr(voxels, "SLAB", slab)
    np.testing.assert_allclose(homogenize_voxels(rho), whole, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_error_is_the_square_of_the_tolerance(seed: int) -> None:
    """Of random cells of solid and void, by the residual that is left: 4e-3 unless another is asked for."""
    rho = (np.random.default_rng(seed).random((6, 5, 4)) < 0.5).astype(float)
    exact = homogenize_voxels(rho, tolerance=1e-9)
    usual = 4e-3, homogenize_voxels(rho)
    for tolerance, c in (usual, *((t, homogenize_voxels(rho, tolerance=t)) for t in (0.1, 0.01, 1e-3))):
        off = np.diag(c - exact) / np.diag(exact).max() / tolerance**2
        assert off.min() > 0.05
        assert 0.5 < off.max() < 2


def test_a_softer_solid_is_as_much_softer_at_any_tolerance() -> None:
    """The tolerance is relative: as many iterations, and C in proportion to the moduli."""
    rho, soft = np.random.default_rng(2).random((3, 4, 5)), 0.01
    c = homogenize_voxels(rho, e_void=0.1, tolerance=0.02)
    modulus = soft * (0.1 + 0.9 * rho)
    e_void = soft * 0.1
    softer = homogenize_voxels((modulus - e_void) / (1 - e_void), e_void=e_void, tolerance=0.02)
    np.testing.assert_allclose(softer, soft * c, rtol=1e-10, atol=1e-15)


def test_too_few_iterations_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voxels, "ITERATIONS", 2)
    with pytest.raises(ArithmeticError, match="did not converge in 2 iterations"):
        homogenize_voxels(np.random.default_rng(0).random((3, 3, 3)), tolerance=1e-9)
    np.testing.assert_allclose(homogenize_voxels(np.ones((3, 3, 3))), isotropic(), atol=1e-12)  # needs none


@pytest.mark.parametrize("nu", [-0.3, 0.0, 0.45])
def test_the_solid_obeys_hookes_law(nu: float) -> None:
    compliance = np.zeros((6, 6))
    compliance[:3, :3] = -nu
    compliance[range(3), range(3)] = 1
    compliance[range(3, 6), range(3, 6)] = 2 * (1 + nu)
    np.testing.assert_allclose(isotropic(nu) @ compliance, np.eye(6), atol=1e-12)
    np.testing.assert_allclose(isotropic(), isotropic(0.3))


def stiff() -> np.ndarray:
    """A stiffness without any symmetry of axes."""
    a = np.random.default_rng(4).standard_normal((6, 6))
    return a @ a.T + 10 * np.eye(6)


def young_along(c: np.ndarray, n: np.ndarray) -> float:
    """1 / S_ijkl n_i n_j n_k n_l with the compliance as a tensor: its shears are those of γ = 2 ε."""
    compliance = np.linalg.inv(c)
    tensor = np.empty((3, 3, 3, 3))
    for a, (i, j) in enumerate(VOIGT):
        for b, (k, m) in enumerate(VOIGT):
            value = compliance[a, b] / ((1 if i == j else 2) * (1 if k == m else 2))
            tensor[i, j, k, m] = tensor[j, i, k, m] = tensor[i, j, m, k] = tensor[j, i, m, k] = value
    return 1 / np.einsum("ijkl,i,j,k,l", tensor, n, n, n, n)


def test_moduli_along_directions_are_those_of_the_tensor() -> None:
    c, n = stiff(), np.random.default_rng(5).standard_normal((20, 3))
    unit = n / np.linalg.norm(n, axis=1)[:, None]
    np.testing.assert_allclose(directional_moduli(c, n), [young_along(c, one) for one in unit], rtol=1e-10)


def test_a_surface_runs_from_pole_to_pole_and_once_around() -> None:
    c = stiff()
    for points, e, n in ((*surface(c), 33), (*surface(c, 5), 5)):
        assert (points.shape, e.shape) == ((n, 2 * n - 1, 3), (n, 2 * n - 1))
        for i, j in ((0, 0), (1, 2), (n // 2, 0), (n // 2, n // 2), (n - 2, 2 * n - 3), (n - 1, 2 * n - 2)):
            polar, around = np.pi * i / (n - 1), np.pi * j / (n - 1)
            unit = np.array([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)])
            assert e[i, j] == pytest.approx(young_along(c, unit))
            np.testing.assert_allclose(points[i, j], e[i, j] * unit, atol=1e-12)


# Files


def test_a_row_holds_the_upper_triangle_and_the_moduli() -> None:
    rho = np.random.default_rng(6).random((2, 3, 4))
    row, c = summary(rho), homogenize_voxels(rho)
    triangle = {f"c{i}{j}": c[i - 1, j - 1] for i in range(1, 7) for j in range(i, 7)}
    moduli = {name: young_along(c, n) for name, n in zip(("e_x", "e_y", "e_z"), np.eye(3), strict=True)}
    everywhere = surface(c)[1]
    extremes = {"e_min": everywhere.min(), "e_max": everywhere.max(), "volume": rho.sum() / 24}
    assert row == pytest.approx(triangle | moduli | extremes)
    assert list(row) == [*triangle, *moduli, *extremes]


@pytest.fixture(scope="module")
def lopsided() -> tuple[dict[str, float], np.ndarray]:
    c = stiff()
    return {f"c{i + 1}{j + 1}": c[i, j] for i in range(6) for j in range(i, 6)}, c


def test_a_table_of_the_surface_has_a_row_for_each_direction(lopsided: tuple[dict[str, float], np.ndarray]) -> None:
    row, c = lopsided
    table = pd.read_csv(io.BytesIO(surface_file(row, ".CSV")))
    assert list(table) == ["n_x", "n_y", "n_z", "E [E_s]"]
    assert len(table) == 33 * 65
    for n_x, n_y, n_z, e in table.iloc[::97].itertuples(index=False):
        assert np.linalg.norm([n_x, n_y, n_z]) == pytest.approx(1)
        assert e == pytest.approx(young_along(c, np.array([n_x, n_y, n_z])))


@pytest.mark.parametrize("form", [".ply", ".stl", ".STL"])
def test_the_surface_is_one_closed_sheet(lopsided: tuple[dict[str, float], np.ndarray], form: str) -> None:
    """Its points by their moduli, and its volume by the integral of E³/3 over all directions."""
    row, c = lopsided
    mesh = trimesh.load(io.BytesIO(surface_file(row, form)), file_type=form[1:].lower())
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.euler_number == 2
    assert len(mesh.vertices) == 31 * 64 + 2
    assert len(mesh.faces) == 2 * 31 * 64
    away = np.linalg.norm(mesh.vertices, axis=1)
    some = mesh.vertices[::50] / away[::50, None]
    np.testing.assert_allclose(away[::50], [young_along(c, n) for n in some], rtol=1e-4)
    height, around = np.meshgrid((np.arange(50) + 0.5) / 25 - 1, np.arange(100) * np.pi / 50)  # equal parts of a sphere
    level = np.sqrt(1 - height**2)
    n = np.stack((level * np.cos(around), level * np.sin(around), height), axis=-1).reshape(-1, 3)
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * (directional_moduli(c, n) ** 3).mean(), rel=0.02)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("ab", "got a, b"),
        ("abcde", "got a, b, c, d, e"),
        ("abcdef", "got a, b, c, d, e, …"),
        ("abcdefg", "got a, b, c, d, e, …"),
    ],
)
def test_of_many_arrays_five_are_named(tmp_path: Path, names: str, said: str) -> None:
    np.savez(tmp_path / "many.npz", **{name: np.ones((2, 2, 2)) for name in names})
    with pytest.raises(ValueError, match="expected one array, or one named 'voxels'") as refused:
        read_voxels(tmp_path / "many.npz")
    assert str(refused.value).endswith(said)
