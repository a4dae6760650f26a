"""Elastic constants, meshes, filters and loops of cells against closed forms."""

import math

import numpy as np
import pytest
import torch

from ipage_core.tasks.cells import homogenization as h
from ipage_core.tasks.cells import mesh, modulus
from ipage_core.tasks.cells.deformation import deformed
from ipage_core.tasks.cells.properties import (
    SOLID,
    TABLE,
    cell_property,
    default_tolerance,
    isotropic_part,
    limits,
    values,
    values_and_gradients,
)
from ipage_core.tasks.cells.space import SHARPNESS, Filtered, blur, cone, sharpen
from ipage_core.tasks.cells.topology import (
    admissible,
    components,
    fill_hinges,
    has_hinges,
    is_admissible,
    largest_component,
    percolates,
)
from tests.support.elasticity import young_x

C = np.array([[2.0, 0.5, 0.1], [0.5, 1.0, -0.2], [0.1, -0.2, 0.6]])
S = np.linalg.inv(C)


def turned(c, degrees):
    """C in axes turned by an angle: σ' = T σ for stresses (σ_xx, σ_yy, σ_xy), C' = T C Tᵀ."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    t = np.array(
        [(cos**2, sin**2, 2 * cos * sin), (sin**2, cos**2, -2 * cos * sin), (-cos * sin, cos * sin, cos**2 - sin**2)]
    )
    return t @ c @ t.T


# Properties of a stiffness


def test_every_property_has_its_formula():
    names = [*TABLE, "E(30)", "E(-45°)"]
    found = dict(zip(names, values(names, C, 0.4).tolist(), strict=True))
    expected = {
        "E_x": 1 / S[0, 0],
        "E_y": 1 / S[1, 1],
        "nu_xy": -S[0, 1] / S[0, 0],
        "nu_yx": -S[0, 1] / S[1, 1],
        "G_xy": 1 / S[2, 2],
        "K": 1 / (S[0, 0] + S[1, 1] + 2 * S[0, 1]),
        "volume": 0.4,
        "eta_x": S[0, 2] / math.sqrt(S[0, 0] * S[2, 2]),
        "eta_y": S[1, 2] / math.sqrt(S[1, 1] * S[2, 2]),
        "E(30)": 1 / np.linalg.inv(turned(C, 30))[0, 0],
        "E(-45°)": 1 / np.linalg.inv(turned(C, -45))[0, 0],
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value), name
    assert h.directional_modulus(C, np.radians([30, -45])).tolist() == pytest.approx([found["E(30)"], found["E(-45°)"]])
    made = h.moduli(C)
    assert [float(v) for v in made] == pytest.approx([found[n] for n in ("E_x", "E_y", "nu_xy", "G_xy")])


def test_anisotropy_is_the_distance_from_the_isotropic_part_whatever_the_axes():
    iso = isotropic_part(C)
    mean = np.mean([turned(C, angle) for angle in range(360)], axis=0)  # the isotropic part is the mean over all axes
    assert np.allclose(iso, mean)
    found = values(["anisotropy"], np.stack([C, turned(C, 33), iso]), 1.0)[:, 0]
    weights = np.array([[1, 1, 2], [1, 1, 2], [2, 2, 4]])
    assert found[0] == pytest.approx(math.sqrt((weights * (C - iso) ** 2).sum() / (weights * C**2).sum()))
    assert found[1] == pytest.approx(found[0])
    assert found[2] == pytest.approx(0, abs=1e-12)
    assert np.allclose(isotropic_part(SOLID), SOLID)


@pytest.mark.parametrize("name", [name for name in TABLE if name != "volume"] + ["E(20)"])
def test_derivatives_are_those_of_the_formulas(name):
    formula = cell_property(name).formula
    _, slope = formula(C)
    for i in range(3):
        for j in range(3):
            step = np.zeros((3, 3))
            step[i, j] += 5e-6
            step[j, i] += 5e-6
            numeric = (formula(C + step)[0] - formula(C - step)[0]) / 1e-5
            assert slope[i, j] + slope[j, i] == pytest.approx(numeric, abs=1e-7)


def test_gradients_of_pixels_follow_the_chain_rule():
    rho = np.random.default_rng(0).uniform(0.2, 1, (3, 4))
    names = ["E_x", "volume", "nu_xy"]
    value, gradient = values_and_gradients(names, *h.homogenize_with_gradient(rho), rho.mean())
    assert value.tolist() == pytest.approx(values(names, h.homogenize(rho), rho.mean()).tolist())
    assert gradient.shape == (3, 3, 4)
    assert np.allclose(gradient[1], 1 / 12)
    step = np.zeros((3, 4))
    step[1, 2] = 1e-6
    numeric = (values(names, h.homogenize(rho + step), 0) - values(names, h.homogenize(rho - step), 0)) / 2e-6
    assert gradient[[0, 2], 1, 2].tolist() == pytest.approx(numeric[[0, 2]].tolist(), rel=1e-5)
    e_x, slope = h.young_x_with_gradient(rho)
    assert e_x == pytest.approx(value[0])
    assert np.allclose(slope, gradient[0])
    assert young_x(rho) == pytest.approx(value[0])


def test_limits_are_the_solids_and_tolerances_shrink_for_soft_cells():
    assert limits("E_x") == (0, pytest.approx(1))
    assert limits("G_xy") == (0, pytest.approx(1 / 2.6))
    assert limits("K") == (0, pytest.approx(1 / 1.4))
    assert limits("volume") == limits("anisotropy") == (0, 1)
    assert limits("eta_x") == limits("eta_y") == (-1, 1)
    assert limits("nu_xy") == (-math.inf, math.inf)
    assert default_tolerance("E_x", 0.5) == 0.01
    assert default_tolerance("E_x", 0.1) == pytest.approx(0.005)
    assert default_tolerance("E_x", 0.0) == 0.01
    assert default_tolerance("G_xy", 0.3) == 0.004
    assert [default_tolerance(name, 0.01) for name in ("nu_xy", "volume", "anisotropy", "eta_x")] == [
        0.01,
        0.01,
        0.02,
        0.02,
    ]
    assert cell_property("E( 30 ° )").name == "E(30)"
    assert cell_property("e_x").name == "E_x"
    for wrong in ("E(a)", "E(inf)", "E()", "E", "e_q"):
        with pytest.raises(ValueError, match="is not known; accepted"):
            cell_property(wrong)


# Homogenization


def test_an_element_holds_the_energy_of_a_uniform_strain():
    k0, u0 = h.element_matrices(0.3)
    assert np.allclose(u0 @ k0 @ u0.T, SOLID)
    assert np.allclose(k0, k0.T)
    assert (np.linalg.eigvalsh(k0) > -1e-12).all()
    assert (np.linalg.eigvalsh(k0)[:3] < 1e-12).all()  # two shifts and a rotation
    rotation = np.array([0, 0, 0, 1, -1, 1, -1, 0])  # (−y, x) at the nodes (0,0), (1,0), (1,1), (0,1)
    assert np.allclose(k0 @ rotation, 0)
    modes, mean = h.element_modes()
    assert np.allclose(modes.T @ modes, k0)
    assert np.allclose(mean, u0 @ modes.T)
    assert modes.shape == (5, 8)


def test_an_element_is_that_of_sigmunds_99_lines():
    nu = 0.3  # O. Sigmund, Struct. Multidisc. Optim. 21, 120 (2001), doi:10.1007/s001580050176: the first row of KE
    row = [1 / 2 - nu / 6, 1 / 8 + nu / 8, -1 / 4 - nu / 12, -1 / 8 + 3 * nu / 8]
    row += [-1 / 4 + nu / 12, -1 / 8 - nu / 8, nu / 6, 1 / 8 - 3 * nu / 8]
    assert h.element_matrices(nu)[0][0].tolist() == pytest.approx([value / (1 - nu**2) for value in row])


def test_laminates_have_the_rule_of_mixtures_along_their_layers():
    rho = np.zeros((6, 5))
    rho[:2] = 1
    rho[2:] = 0.25
    e = h.E_VOID + (1 - h.E_VOID) * rho[:, 0]
    # With ν = 0 layers along x: E_x is the mean, E_y the harmonic mean, G the harmonic mean, exactly.
    made = h.moduli(h.homogenize(rho, poisson=0.0))
    assert made.e_x == pytest.approx(e.mean())
    assert made.e_y == pytest.approx(1 / (1 / e).mean())
    assert made.g_xy == pytest.approx(0.5 / (1 / e).mean())
    assert made.nu_xy == pytest.approx(0, abs=1e-12)
    across = h.moduli(h.homogenize(rho.T, poisson=0.0))
    assert (across.e_x, across.e_y) == (pytest.approx(made.e_y), pytest.approx(made.e_x))


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (3, 1), (2, 3)])
def test_a_uniform_cell_of_any_shape_is_its_material(shape):
    assert np.allclose(h.homogenize(np.ones(shape)), SOLID)
    assert np.allclose(h.homogenize(np.full((2, *shape), 0.5)), SOLID * (h.E_VOID + (1 - h.E_VOID) * 0.5))
    stiffness, u = h.displacements(np.ones(shape))
    ny, nx = shape
    y, x = np.mgrid[: ny + 1, : nx + 1]
    assert np.allclose(stiffness, SOLID)
    assert np.allclose(u[0] - u[0, 0, 0], np.stack([x, 0 * y], -1))
    assert np.allclose(u[1] - u[1, 0, 0], np.stack([0 * x, y], -1))
    assert np.allclose(u[2] - u[2, 0, 0], np.stack([y / 2, x / 2], -1))


def test_a_cell_may_be_shifted_and_turned():
    rho = (np.random.default_rng(1).random((5, 6)) < 0.6).astype(float)
    c = h.homogenize(rho)
    assert np.allclose(h.homogenize(np.roll(rho, (2, 3), (0, 1))), c, atol=1e-9)
    quarter = h.homogenize(np.rot90(rho))
    assert np.allclose(quarter, turned(c, 90), atol=1e-9)


@pytest.mark.parametrize("wrong", [np.zeros(4), np.zeros((0, 4)), np.full((2, 2), 1.01), np.full((2, 2), -0.01)])
def test_densities_that_are_none_are_refused(wrong):
    with pytest.raises(ValueError, match="Expected densities"):
        h.homogenize(wrong)
    with pytest.raises(ValueError, match="Expected one cell"):
        h.displacements(np.ones((2, 2, 2)))


def test_the_extrapolated_mesh():
    rho = np.zeros((3, 3))
    rho[1], rho[:, 1] = 1, 1
    assert mesh.refined([[1, 0]], 2).tolist() == [[1, 1, 0, 0], [1, 1, 0, 0]]
    c1, c2 = h.homogenize(rho), h.homogenize(rho.repeat(2, 0).repeat(2, 1))
    assert np.allclose(mesh.stiffness(rho, "converged"), c2 + 0.77 * (c2 - c1))
    assert np.allclose(mesh.stiffness(rho), c1)
    assert np.allclose(mesh.confirmed(rho), h.homogenize(rho.repeat(4, 0).repeat(4, 1)))
    grey = np.clip(rho, 0.2, 0.9)
    c, slope = mesh.converged(grey)
    assert np.allclose(c, mesh.stiffness(grey, "converged"))
    step = np.zeros((3, 3))
    step[0, 1] = 1e-6
    numeric = (mesh.converged(grey + step)[0] - mesh.converged(grey - step)[0]) / 2e-6
    assert np.allclose(slope[:, :, 0, 1], numeric, rtol=1e-5, atol=1e-7)


def test_tiles_of_a_deformed_cell_differ_by_the_mean_strain():
    rho = np.ones((2, 3))
    at, strains = deformed(rho, 0.1, tiles=3)
    assert at.shape == (3, 7, 10, 2)
    assert strains[0].tolist() == pytest.approx([0.1, -0.03, 0])
    assert strains[1].tolist() == pytest.approx([-0.03, 0.1, 0])
    assert strains[2].tolist() == pytest.approx([0, 0, 0.1])
    y, x = np.mgrid[:7, :10]
    pulled = np.stack((x * 1.1, y * 0.97), -1)
    assert np.allclose(at[0] - at[0, 0, 0], pulled)
    sheared = np.stack((x + 0.05 * y, y + 0.05 * x), -1)
    assert np.allclose(at[2] - at[2, 0, 0], sheared)


def test_z_scores_are_those_of_the_card():
    y = modulus.z_score(torch.tensor([0.3559279405366462, 0.3559279405366462 + 0.26010294693780217]).double())
    assert y.tolist() == pytest.approx([0, 1], abs=1e-6)
    assert modulus.from_z_score(y).tolist() == pytest.approx([0.35592794, 0.61603089])


# The field of localization


def test_the_filter_is_a_cone_of_radius_1_8_on_the_torus():
    weights = cone()[0, 0]
    assert weights.shape == (3, 3)
    by_hand = torch.tensor([[1.8 - math.hypot(i, j) for j in (-1, 0, 1)] for i in (-1, 0, 1)], dtype=torch.float64)
    assert torch.allclose(weights, by_hand / by_hand.sum())
    assert cone(2.5).shape == (1, 1, 5, 5)
    assert cone(2.5)[0, 0, 0, 0] == 0
    field = torch.zeros(1, 16, dtype=torch.float64)
    field[0, 0] = 1
    spread = blur(field).reshape(4, 4)
    assert spread.sum().item() == pytest.approx(1)
    assert torch.allclose(spread.roll((1, 1), (0, 1))[:3, :3], weights)


def test_sharpening_keeps_0_a_half_and_1():
    x = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0], dtype=torch.float64)
    for beta in (2.0, 8.0, 32.0):
        y = sharpen(x, beta)
        expected = 0.5 + 0.5 * math.tanh(beta * 0.25) / math.tanh(beta / 2)
        assert y.tolist() == pytest.approx([0, 1 - expected, 0.5, expected, 1])
    assert SHARPNESS == (8, 32)


def filtered(**more):
    side = 4
    bounds = torch.stack((torch.zeros(side * side), torch.ones(side * side))).double()
    return Filtered(bounds, **more)


def test_masked_pixels_stay_and_orbits_are_averaged():
    solid, void = torch.zeros(16, dtype=torch.bool), torch.zeros(16, dtype=torch.bool)
    solid[3], void[5] = True, True
    space = filtered(solid=solid, void=void)
    x = space.decode(torch.rand(2, 16, dtype=torch.float64))
    assert (x[:, 3] == 1).all()
    assert (x[:, 5] == 0).all()
    assert space.frozen.nonzero()[:, 0].tolist() == [3, 5]
    assert not filtered().frozen.any()
    orbits = torch.tensor([0, 1, 1, 0] * 4)
    mirrored = filtered(orbits=orbits + 4 * (torch.arange(16) // 4))
    u = torch.rand(1, 16, dtype=torch.float64)
    even = mirrored.encode(u).reshape(4, 4)
    assert torch.allclose(even, even.flip(1))
    assert torch.allclose(even[:, 0], (u.reshape(4, 4)[:, 0] + u.reshape(4, 4)[:, 3]) / 2)
    assert mirrored.encode(u + 5).max() == 1
    assert [stage.beta for stage in filtered().stages] == [8]
    assert filtered(beta=8.0).stages == ()
    assert filtered().excess(x).shape == (2, 0)
    assert filtered(rows=(lambda x: x.sum(1), lambda x: x[:, 0])).excess(x).shape == (2, 2)


# Topology on the torus


def grid(text):
    return np.array([[c == "#" for c in row] for row in text.split()])


def test_hinges_on_the_torus():
    assert has_hinges(grid("#... .#.. .... ....")).item()
    assert has_hinges(grid(".#.. #... .... ....")).item()
    assert has_hinges(grid("#... .... .... ...#")).item()  # across the corner of the torus
    assert not has_hinges(grid("##.. .#.. .... ....")).item()
    assert fill_hinges(grid("#... .#.. .... ....")).tolist() == grid("##.. ##.. .... ....").tolist()
    assert fill_hinges(grid(".#.. #... .... ....")).tolist() == grid("##.. ##.. .... ....").tolist()
    assert fill_hinges(grid("#... .... .... ...#")).tolist() == grid("#..# .... .... #..#").tolist()


@pytest.mark.parametrize(
    ("text", "along"),
    [
        ("#### .... .... ....", (True, False)),
        ("#... #... #... #...", (False, True)),
        ("#### #... #... #...", (True, True)),
        ("##.. ..## .... ....", (False, False)),
        ("##.. .##. ..## #..#", (False, False)),  # a diagonal stripe bears no load along an axis
        (".... .##. .##. ....", (False, False)),
    ],
)
def test_percolation(text, along):
    assert percolates(grid(text)) == along


def test_components_join_across_the_seams():
    found = components(grid("#..# .... .##. #..#"))
    assert found.labels.max() == 2
    assert found.labels[0, 0] == found.labels[0, 3] == found.labels[3, 0] == found.labels[3, 3]
    assert found.labels[2, 1] != found.labels[0, 0]
    assert found.windings == [[], []]
    # A piece around the torus winds once along x, whichever way its parts are joined.
    assert [abs(x) + abs(y) for x, y in components(grid("#### .... .... ....")).windings[0]] == [1]
    both = components(grid("#### #... #... #...")).windings[0]
    assert {tuple(map(abs, w)) for w in both} >= {(1, 0), (0, 1)}
    assert largest_component(grid("#..# .... .##. ....")).tolist() == grid("#..# .... .... ....").tolist()
    assert largest_component(grid("#... .... .##. ....")).tolist() == grid(".... .... .##. ....").tolist()
    assert not largest_component(np.zeros((3, 3))).any()


def test_an_admissible_cell_is_one_piece_that_spans_the_plane():
    cross = grid("#### #... #... #...")
    assert is_admissible(cross)
    assert not is_admissible(grid("#### #... #.#. #..."))
    assert not is_admissible(grid("#### .... .... ...."))
    assert np.array_equal(admissible(cross), cross)
    assert np.array_equal(admissible(cross * 0.4 + 0.3), cross)
    island = cross.astype(float)
    island[2, 2] = 1
    assert np.array_equal(admissible(island), cross)  # only the percolating piece stays
    assert admissible(np.zeros((5, 5))).any()
    rng = np.random.default_rng(3)
    for _ in range(20):
        assert is_admissible(admissible(rng.random((8, 8))))


def test_a_missing_bridge_is_laid_where_the_cell_is_densest():
    grey = np.zeros((9, 9))
    grey[:, 4] = 1  # percolates along y alone
    grey[6] = np.maximum(grey[6], 0.3)  # the densest row
    made = admissible(grey)
    assert is_admissible(made)
    assert made[6].all()
    assert made[:, 4].all()
    assert made.sum() <= 3 * 9 + 9
    turned_made = admissible(grey.T)
    assert turned_made[:, 6].all()
    held = np.zeros((9, 9), dtype=bool)
    held[6, :4] = True  # there the void must stay
    around = admissible(grey, frozen=held)
    assert is_admissible(around)
    assert not around[6, :4].any()


@pytest.mark.parametrize("level", [0.45, 0.4, 0.3, 0.2, 0.1])
def test_what_must_stay_is_joined_along_the_densest_pixels(level):
    """An island that must stay is joined to the rest where the density is above one of five levels, not below it."""
    grey = np.zeros((30, 30))
    grey[12:20, :16], grey[22:] = level + 0.02, level - 0.02
    held = np.zeros((30, 30), dtype=bool)
    held[:3] = held[:, :3] = held[14:18, 14:18] = True
    grey[held] = 0.5  # just solid
    made = admissible(grey, frozen=held)
    assert is_admissible(made)
    assert made[held].all()
    assert made[15, :16].all()
    assert not made[25:27, 7:26].any()


def test_an_island_that_nothing_can_join_is_given_up_as_a_last_resort():
    cross = grid("##### #.... #.... #.... #....")
    island = cross.copy()
    island[2:4, 2:4] = True
    assert np.array_equal(admissible(island, frozen=np.ones((5, 5), dtype=bool)), cross)


def test_pixels_with_equal_labels_stay_equal():
    island = grid("##### #.... #.... #.... #....")
    island[2, 2] = True
    orbits = np.arange(25).reshape(5, 5)
    orbits[2, 2] = orbits[0, 0]
    made = admissible(island, orbits)
    assert is_admissible(made)
    assert made[2, 2] == made[0, 0]


def without_hinges(grey):
    """The least certain pixel of all hinges flips, once at most, until none is left; None if all have flipped."""
    (ny, nx), solid, flipped = grey.shape, grey >= 0.5, set()
    while True:
        blocks = [
            [(y, x), (y, (x + 1) % nx), ((y + 1) % ny, x), ((y + 1) % ny, (x + 1) % nx)] for y, x in np.ndindex(ny, nx)
        ]
        hinges = [
            b for b in blocks if [solid[at] for at in b] in ([True, False, False, True], [False, True, True, False])
        ]
        if not hinges:
            return solid
        left = {at for block in hinges for at in block} - flipped
        if not left:
            return None
        pixel = min(left, key=lambda at: abs(grey[at] - 0.5))
        solid[pixel] = not solid[pixel]
        flipped.add(pixel)


def test_hinges_are_repaired_pixel_by_pixel_also_across_the_seams():
    rng, compared = np.random.default_rng(0), 0
    for _ in range(60):
        grey = rng.random((5, 7)) ** 0.6
        plain = without_hinges(grey)
        if plain is not None and is_admissible(plain) and not np.array_equal(plain, grey >= 0.5):
            assert np.array_equal(admissible(grey), plain)
            compared += 1
    assert compared > 20


def test_of_a_hinge_the_least_certain_pixel_flips():
    grey = grid("####### #...... #...... #...... #...... #...... #......").astype(float)
    grey[2, 2], grey[3, 3], grey[2, 3], grey[3, 2] = 0.9, 0.8, 0.1, 0.2
    grey[2, 1], grey[3, 4], grey[3, 5], grey[3, 6] = 1, 1, 1, 1
    grey[3, 2] = 0.45  # becomes solid
    made = admissible(grey)
    assert made[3, 2]
    assert made[2, 2]
    assert made[3, 3]
    assert not made[2, 3]
