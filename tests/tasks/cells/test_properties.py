"""Properties of C: the analytic isotropic case, exact derivatives, rotation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipage_core.tasks.cells.homogenization import directional_modulus, homogenize_with_gradient, moduli
from ipage_core.tasks.cells.properties import (
    TABLE,
    cell_property,
    default_tolerance,
    isotropic_part,
    same_as,
    values,
    values_and_gradients,
)
from tests.support.elasticity import turned

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=20, deadline=None)
NAMES = (*TABLE, "E(30)", "E(-75.5)")
OF_C = [name for name in NAMES if name != "volume"]


def isotropic(e: float, nu: float) -> np.ndarray:
    return e / (1 - nu**2) * np.array([(1, nu, 0), (nu, 1, 0), (0, 0, (1 - nu) / 2)])


def random_stiffness(seed: int) -> np.ndarray:
    a = np.random.default_rng(seed).standard_normal((3, 3))
    return a @ a.T + 0.3 * np.eye(3)


@pytest.mark.parametrize("nu", [-0.6, 0.0, 0.3])
def test_isotropic_solid(nu: float) -> None:
    expected = {
        "E_x": 0.4, "E_y": 0.4, "nu_xy": nu, "nu_yx": nu, "G_xy": 0.4 / (2 * (1 + nu)), "K": 0.4 / (2 * (1 - nu)),
        "volume": 0.7, "anisotropy": 0.0, "eta_x": 0.0, "eta_y": 0.0, "E(30)": 0.4, "E(-75.5)": 0.4,
    }  # fmt: skip
    found = values(NAMES, isotropic(0.4, nu), 0.7)
    np.testing.assert_allclose(found, [expected[name] for name in NAMES], atol=1e-12)


@few
@given(seeds)
def test_moduli_agree_with_the_homogenization(seed: int) -> None:
    c = random_stiffness(seed)
    np.testing.assert_allclose(values(("E_x", "E_y", "nu_xy", "G_xy"), c, 1), moduli(c), rtol=1e-9)
    angle = np.radians(37)
    np.testing.assert_allclose(values(("E(37)",), c, 1), directional_modulus(c, [angle]), rtol=1e-9)


@few
@given(seeds)
def test_derivatives_equal_finite_differences(seed: int) -> None:
    c, step = random_stiffness(seed), 1e-6
    for name in OF_C:
        formula = cell_property(name).formula
        assert formula is not None
        value, slope = formula(c)
        np.testing.assert_allclose(slope, slope.T, atol=1e-9)
        for i, j in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)):
            change = np.zeros((3, 3))
            change[i, j] = change[j, i] = step
            numeric = (formula(c + change)[0] - formula(c - change)[0]) / (2 * step)
            exact = slope[i, j] * (1 if i == j else 2)
            assert abs(numeric - exact) <= 1e-5 * max(1, np.abs(slope).max(), abs(value)), name


@few
@given(seeds)
def test_gradients_over_pixels_equal_finite_differences(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rho, step = rng.uniform(0.2, 1, (4, 5)), 1e-6

    def at(density: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return values_and_gradients(NAMES, *homogenize_with_gradient(density), density.mean())

    _, gradients = at(rho)
    up, down = rho.copy(), rho.copy()
    up[1, 3] += step
    down[1, 3] -= step
    numeric = (at(up)[0] - at(down)[0]) / (2 * step)
    np.testing.assert_allclose(gradients[:, 1, 3], numeric, atol=1e-6 * max(1, np.abs(gradients).max()))


@few
@given(seeds, st.floats(-180, 180))
def test_turning_the_axes(seed: int, degrees: float) -> None:
    c = random_stiffness(seed)
    after = turned(c, np.radians(degrees))
    along = cell_property(f"E({degrees})").formula
    assert along is not None
    np.testing.assert_allclose(along(c)[0], values(("E_x",), after, 1)[0], rtol=1e-7)
    unchanged = ("K", "anisotropy")
    np.testing.assert_allclose(values(unchanged, c, 1), values(unchanged, after, 1), rtol=1e-7)
    np.testing.assert_allclose(isotropic_part(after), isotropic_part(c), atol=1e-8 * np.abs(c).max())


@few
@given(seeds)
def test_reciprocity_and_exchanged_axes(seed: int) -> None:
    c = random_stiffness(seed)
    e_x, e_y, nu_xy, nu_yx, eta_x, eta_y = values(("E_x", "E_y", "nu_xy", "nu_yx", "eta_x", "eta_y"), c, 1)
    assert nu_xy / e_x == pytest.approx(nu_yx / e_y, abs=1e-10)
    assert max(abs(eta_x), abs(eta_y)) < 1
    swap = [1, 0, 2]
    exchanged = values(("E_y", "E_x", "nu_yx", "nu_xy", "eta_y", "eta_x"), c[swap][:, swap], 1)
    np.testing.assert_allclose(exchanged, (e_x, e_y, nu_xy, nu_yx, eta_x, eta_y), rtol=1e-9)


def test_batches_are_rows() -> None:
    c = np.array([random_stiffness(seed) for seed in range(4)])
    volume = np.linspace(0.2, 0.8, 4)
    rows = [values(NAMES, one, v) for one, v in zip(c, volume, strict=True)]
    np.testing.assert_allclose(values(NAMES, c, volume), rows, rtol=1e-12)


def test_soft_cells_have_relative_tolerances() -> None:
    assert default_tolerance("E_x", 0.5) == pytest.approx(0.01)
    assert default_tolerance("E_x", 0.02) == pytest.approx(0.001)
    assert default_tolerance("nu_xy", -0.4) == pytest.approx(0.01)


def test_each_property_has_its_default_tolerance() -> None:
    """Of a stiff cell; a twentieth of a modulus below 0.2 E_s, or below 0.08 E_s of the shear modulus."""
    tolerances = {
        "E_x": 0.01, "E_y": 0.01, "nu_xy": 0.01, "nu_yx": 0.01, "G_xy": 0.004, "K": 0.01, "volume": 0.01,
        "anisotropy": 0.02, "eta_x": 0.02, "eta_y": 0.02, "E(30)": 0.01, "E(-75.5)": 0.01,
    }  # fmt: skip
    assert set(tolerances) == set(NAMES)
    for name, tolerance in tolerances.items():
        assert cell_property(name).tolerance == tolerance
        assert default_tolerance(name, 0.5) == tolerance
        modulus = name[0] in "EGK"
        assert cell_property(name).unit == ("E_s" if modulus else "")
        assert default_tolerance(name, 0.04) == pytest.approx(0.002 if modulus else tolerance)
        assert default_tolerance(name, 0.0) == default_tolerance(name, -0.01) == tolerance


@pytest.mark.parametrize("degrees", [360, -360, 359.5, 0.25])
def test_a_full_turn_either_way_is_accepted(degrees: float) -> None:
    c = random_stiffness(1)
    for spelling in (f"E({degrees})", f"e( {degrees}° )", f" E({degrees} deg) "):
        assert cell_property(spelling).name == f"E({degrees:g})"
        assert cell_property(spelling).label == f"E({degrees:g}°)"
        assert (cell_property(spelling).tolerance, cell_property(spelling).unit) == (0.01, "E_s")
        np.testing.assert_allclose(values([spelling], c, 1), directional_modulus(c, [np.radians(degrees)]), rtol=1e-9)
    for name in (f"E({degrees + 180})", f"E({degrees - 180})"):
        if abs(float(name[2:-1])) <= 360:
            np.testing.assert_allclose(values([name], c, 1), values([f"E({degrees})"], c, 1), rtol=1e-9)
            assert same_as(name) == same_as(f"E({degrees})")


@pytest.mark.parametrize("name", ["E(360.1)", "E(361)", "E(-360.5)", "E(nan)", "E(1e9)"])
def test_more_than_a_turn_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"E\(θ\) with θ in degrees, −360 to 360"):
        cell_property(name)


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("E(180)", "E_x"), ("E(-180)", "E_x"), ("E(360)", "E_x"), ("E(270)", "E_y"), ("E(-90)", "E_y"),
        ("E(1)", "E(1)"), ("E(-1)", "E(179)"), ("E(91)", "E(91)"), ("E(180.5)", "E(0.5)"), ("nu_xy", "nu_xy"),
    ],
)  # fmt: skip
def test_one_property_has_one_name(name: str, same: str) -> None:
    assert same_as(name) == same


@pytest.mark.parametrize("name", ["E_z", "E()", "E(..)", "", "nu"])
def test_unknown_properties_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="accepted"):
        cell_property(name)
