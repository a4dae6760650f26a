"""A user's crystal: images as counted by spglib, properties by ASE's own potentials, files of relaxed cells."""

import io
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.cell import Cell
from ase.io import read, write
from hypothesis import given, settings
from hypothesis import strategies as st

from ipage_core.tasks.own_crystal import calculators, card, export, operator, symmetry
from ipage_core.tasks.own_crystal.network import SymmetricEnsemble
from ipage_core.tasks.silicon.symmetry import on_strains as of_the_cube

pytest.importorskip("spglib")
EXAMPLES = Path(card.__file__).with_name("examples")
STRAIN = np.array([0.01, -0.02, 0.03, 0.004, -0.003, 0.002])


def crystal(tmp_path, atoms, calculator="emt", properties=("energy", "pressure"), **more):
    write(tmp_path / "my.cif", atoms)
    return card.create(tmp_path / "my.cif", calculator, 0.04, properties, **more)


@pytest.fixture
def copper(tmp_path):
    return crystal(tmp_path, bulk("Cu", "fcc", a=3.6), relax=True, kicks=2)


@pytest.mark.parametrize(
    ("atoms", "count", "keeps"),
    [
        (bulk("Si", "diamond", a=5.43), 24, True),
        (bulk("NaCl", "rocksalt", a=5.6), 24, True),
        (bulk("ZnO", "wurtzite", a=3.25, c=5.2), 12, False),
        (bulk("Sn", "bct", a=5.8, c=3.2), 8, True),
    ],
    ids=["diamond", "rocksalt", "wurtzite", "tetragonal"],
)
def test_images_are_as_many_as_spglib_finds(tmp_path, atoms, count, keeps):
    found = crystal(tmp_path, atoms)
    operations = found.on_strains
    assert len(operations) == count
    assert symmetry.keeps(found.bounds, operations) is keeps
    mandel = symmetry.MANDEL[:, None] * operations / symmetry.MANDEL
    assert np.allclose(mandel @ mandel.swapaxes(1, 2), np.eye(6))


def test_a_cube_that_lies_askew_has_the_operations_of_a_cube(tmp_path):
    atoms = bulk("Si", "diamond", a=5.43)
    atoms.rotate(37, (1, 2, 3), rotate_cell=True)
    found = crystal(tmp_path, atoms).on_strains
    known = of_the_cube()
    assert all(np.abs(known - one).max((1, 2)).min() < 1e-9 for one in found)


def test_examples_are_what_they_say():
    rutile = card.create(EXAMPLES / "rutile.cif", "chgnet", 0.03, ("energy",), relax=True)
    diamond = card.create(EXAMPLES / "diamond.cif", "gpaw", 0.03, ("gap", "energy"))
    assert (rutile.space_group, len(rutile.operations)) == ("P4_2/mnm (136)", 8)
    assert (diamond.space_group, len(diamond.operations)) == ("Fd-3m (227)", 24)


def test_the_card_comes_back_and_damage_is_told(tmp_path, copper):
    card.write(tmp_path, copper)
    assert card.read(tmp_path) == copper
    (tmp_path / card.CARD).write_text('{"name": "x"}')
    with pytest.raises(ValueError, match="damaged"):
        card.read(tmp_path)


def test_images_have_the_same_energy_and_turned_stress(tmp_path):
    found = crystal(tmp_path, bulk("Cu", "fcc", a=3.6), properties=("energy", "pressure", "s11", "s22", "s33"))
    calculator = calculators.build("emt", found.atoms)
    answers = [operator.evaluate(found, x, calculator)[0] for x in symmetry.images(STRAIN, found.on_strains)]
    for name in ("energy", "pressure"):
        assert np.ptp([one[name] for one in answers]) < 1e-9
    stresses = {tuple(sorted(round(one[s], 6) for s in ("s11", "s22", "s33"))) for one in answers}
    assert len(stresses) == 1


NAMES = ("energy", "s11", "s33", "s23", "s12")


def test_an_operation_leaves_a_property_if_the_calculator_says_so(tmp_path):
    found = crystal(tmp_path, bulk("Cu", "fcc", a=3.6), properties=NAMES)
    calculator = calculators.build("emt", found.atoms)
    first, *others = (
        operator.evaluate(found, x, calculator)[0] for x in symmetry.images(STRAIN, found.on_strains)
    )  # the image of a general strain under the identity, then the others
    equal = [[abs(one[name] - first[name]) < 1e-9 for name in NAMES] for one in others]
    assert found.leaving[1:].tolist() == equal
    assert found.leaving.sum(0).tolist() == [24, 8, 8, 4, 4]


def test_a_strain_has_the_images_that_have_all_its_properties(tmp_path):
    for properties, count in ((("energy",), 24), (("energy", "s11"), 8), (("s11", "s22"), 4), (("s11", "s12"), 2)):
        folder = tmp_path / "-".join(properties)
        folder.mkdir()
        found = crystal(folder, bulk("Cu", "fcc", a=3.6), properties=properties)
        assert found.leaving.all(1).sum() == count


def test_pressure_is_minus_the_slope_of_the_energy_over_volume(tmp_path):
    found = crystal(tmp_path, bulk("Cu", "fcc", a=3.6), properties=("energy", "pressure", "volume", "density"))
    calculator = calculators.build("emt", found.atoms)
    low, mid, high = (operator.evaluate(found, [e, e, e, 0, 0, 0], calculator)[0] for e in (0.0099, 0.01, 0.0101))
    slope = (high["energy"] - low["energy"]) / (high["volume"] - low["volume"]) * 160.21766
    assert mid["pressure"] == pytest.approx(-slope, rel=1e-3)
    assert mid["density"] == pytest.approx(63.546 * 1.66054 / mid["volume"], rel=1e-4)


def test_a_moved_atom_comes_back_to_rest(tmp_path):
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True)
    atoms.positions[0] += [0.1, 0.05, 0]
    found = crystal(tmp_path, atoms, properties=("energy", "displacement"), relax=True, kicks=2)
    answer, rest = operator.evaluate(found, np.zeros(6), calculators.build("emt", found.atoms))
    assert np.linalg.norm(rest.get_forces(), axis=1).max() <= operator.FORCE
    assert answer["displacement"] > 0.03
    assert rest.info["branches"] == 1


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"calculator": "vasp"}, "accepted: gpaw, chgnet, emt"),
        ({"calculator": "nowhere:calculator"}, "cannot be imported"),
        ({"properties": ("hardness",)}, "not known"),
        ({"properties": ("displacement",)}, "needs --relax"),
        ({"properties": ()}, "accepted"),
        ({"strain": 0.5}, "20%"),
        ({"path": Path("nowhere.cif")}, "does not exist"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(changes, why):
    said = {"path": EXAMPLES / "rutile.cif", "calculator": "emt", "strain": 0.03, "properties": ("energy",)} | changes
    with pytest.raises(ValueError, match=why) as told:
        card.create(said["path"], said["calculator"], said["strain"], said["properties"])
    assert "\n" not in str(told.value)


def test_a_calculator_that_cannot_say_it_is_named(tmp_path):
    found = crystal(tmp_path, bulk("Cu", "fcc", a=3.6), properties=("gap",))
    with pytest.raises(ValueError, match="does not say 'gap': it has no eigenvalues"):
        operator.evaluate(found, STRAIN, calculators.build("emt", found.atoms))


def test_a_factory_of_ones_own_is_a_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("from ase.calculators.emt import EMT\ndef make(reference):\n    return EMT()\n")
    found = crystal(tmp_path, bulk("Cu", "fcc", a=3.6), calculator=f"{file}:make")
    answer, atoms = operator.evaluate(found, STRAIN, calculators.build(found.calculator, found.atoms))
    assert np.isfinite(list(answer.values())).all()
    assert "mine.py" in json.loads(atoms.info["provenance"])["calculator"]


OPERATIONS = of_the_cube()


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(-0.04, 0.04), min_size=6, max_size=6))
def test_the_surrogate_is_the_same_for_all_images(strain):
    torch.manual_seed(0)
    network = SymmetricEnsemble(6, 2, OPERATIONS.tolist(), members=3, hidden=8, layers=1)
    network.fit_scales(torch.randn(50, 6) * 0.02, torch.randn(50, 2))
    y = network(torch.tensor(symmetry.images(strain, OPERATIONS), dtype=torch.float32))
    assert torch.allclose(y, y[:1], atol=1e-5)


def test_the_surrogate_learns_a_stress_that_turns_with_the_crystal():
    torch.manual_seed(0)
    names = ("pressure", "s11", "s12")
    leaving = np.stack([symmetry.leaving(OPERATIONS, name) for name in names], axis=1)
    network = SymmetricEnsemble(6, 3, OPERATIONS.tolist(), 3, 16, 1, leaving=leaving.tolist())
    x = 0.03 * (2 * torch.rand(400, 6) - 1)
    c11, c12, c44 = 166.0, 120.0, 76.0  # Hooke's law of a cubic crystal [GPa]
    trace = x[:, :3].sum(1)
    stress = torch.stack([-(c11 + 2 * c12) * trace / 3, (c11 - c12) * x[:, 0] + c12 * trace, 2 * c44 * x[:, 5]], dim=1)
    network.fit_scales(x, stress)
    steps = torch.optim.Adam(network.parameters(), 0.02)
    for _ in range(300):
        steps.zero_grad()
        next(network.losses(x, stress, {}, torch.Generator()))["y"].backward()
        steps.step()
    with torch.no_grad():
        error = (network(x) - stress).square().mean(0).sqrt() / stress.std(0)
    assert error.max() < 0.05  # the mean over all 24 images, which turn a stress, leaves all of s12


@pytest.mark.parametrize("form", ["cif", "poscar", "extxyz"])
def test_cells_leave_relaxed_with_forces_and_where_they_come_from(tmp_path, copper, form):
    import pandas as pd

    card.write(tmp_path, copper)
    _, atoms = operator.evaluate(copper, STRAIN, calculators.build("emt", copper.atoms))
    operator.keep(tmp_path, STRAIN, atoms)
    rows = [{"sample": 7, **{f"x{j + 1}": e for j, e in enumerate(STRAIN)}}]
    rows.append({"sample": 8, **{f"x{j + 1}": -e for j, e in enumerate(STRAIN)}})
    known, unknown = export.files(tmp_path, pd.DataFrame(rows), form).values()
    back, carried = (read(io.StringIO(f.decode()), format={"poscar": "vasp"}.get(form, form)) for f in (known, unknown))
    for one, (e11, e22, e33, e23, e13, e12) in ((back, STRAIN), (carried, -STRAIN)):
        stretched = np.eye(3) + np.array([[e11, e12, e13], [e12, e22, e23], [e13, e23, e33]])
        right = Cell(copper.atoms.cell.array @ stretched).cellpar()
        assert np.ptp(right[3:]) > 1  # so that no two angles can be exchanged
        assert one.cell.cellpar() == pytest.approx(right, abs=1e-5)
    assert back.cell.volume == pytest.approx(atoms.cell.volume, rel=1e-6)
    assert b"emt" in known
    assert b"not computed" in unknown
    if form == "extxyz":
        calculator = calculators.build("emt", copper.atoms)
        back_energy, back_forces = back.get_potential_energy(), back.get_forces()
        back.calc = calculator
        assert back.get_potential_energy() == pytest.approx(back_energy, abs=1e-3)
        assert np.abs(back.get_forces() - back_forces).max() < 0.02


@pytest.mark.dft
@pytest.mark.skipif(find_spec("gpaw") is None, reason="GPAW is not installed")
def test_strained_diamond_by_gpaw_has_a_gap_and_an_atom_that_moved():
    found = card.create(EXAMPLES / "diamond.cif", "gpaw", 0.03, ("gap", "displacement"), relax=True, kicks=1)
    answer, atoms = operator.evaluate(found, [0, 0, 0, 0.02, 0, 0], calculators.build("gpaw", found.atoms))
    assert 3 < answer["gap"] < 5
    # Kleinman's parameter: the two atoms shift by ζ a γ/4 against each other, γ = 2 e23; 0.1 by theory and experiment
    # (Nielsen, Phys. Rev. B 34, 5808 (1986)); each atom moves by half of it.
    zeta = 2 * answer["displacement"] / (3.567 / 4 * 0.04)
    assert 0.05 < zeta < 0.15
    assert np.linalg.norm(atoms.get_forces(), axis=1).max() <= operator.FORCE


@pytest.mark.skipif(find_spec("chgnet") is None, reason="CHGNet is not installed")
def test_strained_rutile_by_chgnet_has_the_energy_of_its_image():
    found = card.create(EXAMPLES / "rutile.cif", "chgnet", 0.03, ("energy", "pressure"), relax=True, kicks=1)
    calculator = calculators.build("chgnet", found.atoms)
    one, other = (
        operator.evaluate(found, x, calculator)[0] for x in symmetry.images(STRAIN, found.on_strains)[[0, -1]]
    )
    assert one["energy"] == pytest.approx(other["energy"], abs=5e-4)
    assert one["pressure"] == pytest.approx(other["pressure"], abs=0.1)


def shared(atoms):
    atoms.info["occupancy"] = {str(k): {str(one): 0.5} for k, one in enumerate(atoms.symbols)}
    atoms.set_array("spacegroup_kinds", np.arange(len(atoms)))
    return atoms


def in_layers(atoms):
    atoms.pbc = (True, True, False)
    return atoms


@pytest.mark.parametrize(
    ("name", "atoms", "why"),
    [
        ("own.cif", shared(bulk("Cu", cubic=True)), r"partly occupied \(0\.5 Cu\); accepted: one atom on each site"),
        ("own.extxyz", in_layers(bulk("Cu", cubic=True)), "needs a cell, periodic in three directions"),
        ("own.vasp", bulk("Cu", a=8) + Atoms("Zn", [(0.1, 0, 0)]), r"Cu and Zn, 0\.1 Å apart; accepted: at least 0\.5"),
    ],
)
def test_what_is_no_crystal_of_whole_atoms_is_refused(tmp_path, name, atoms, why):
    write(tmp_path / name, atoms)
    with pytest.raises(ValueError, match=why):
        card.create(tmp_path / name, "emt", 0.04, ("energy",))


def test_of_several_structures_it_is_said_which_one_is_taken(tmp_path):
    write(tmp_path / "own.extxyz", [bulk("Cu"), bulk("Ag")])
    found = card.create(tmp_path / "own.extxyz", "emt", 0.04, ("energy",))
    assert (found.symbols, found.remark) == (("Ag",), "own.extxyz holds 2 structures; the last was taken.")
