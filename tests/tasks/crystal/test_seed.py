"""Cells of SrTiO₃ from typical structure files."""

import numpy as np
import pytest
from ase import Atoms
from ase.geometry import cellpar_to_cell
from ase.io import write
from hypothesis import given, settings
from hypothesis import strategies as st

from ipage_core.cli.main import main
from ipage_core.tasks.crystal.dft import SITES
from ipage_core.tasks.crystal.seed import read

LATTICE = [3.8, 3.9, 4.0, 88.0, 91.0, 95.0]
CIF = """data_{name}
_cell_length_a {a}
_cell_length_b {a}(3)
_cell_length_c {a}
_cell_angle_alpha 90.0(2)
_cell_angle_beta 90
_cell_angle_gamma 90.
_symmetry_space_group_name_H-M 'P m -3 m'
_symmetry_Int_Tables_number 221
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
{sites}
"""
IDEAL = "Sr1 Sr2+ 0 0 0 1.\nTi1 Ti4+ 0.5 0.5 0.5 1\nO1 O2- 0.5 0.5 0. 1.00"


def structure(x, formula="SrTiO3", sites=SITES):
    return Atoms(formula, cell=cellpar_to_cell(x), pbc=True, scaled_positions=sites)


@pytest.mark.parametrize("name", ["own.cif", "own.vasp", "own.extxyz"])
def test_a_cell_is_read_in_every_format(tmp_path, name):
    write(tmp_path / name, structure(LATTICE))
    found = read(tmp_path / name)
    assert found.x.tolist() == pytest.approx(LATTICE, abs=1e-6)
    assert found.remark == ""


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_cif_of_any_editor_is_read(tmp_path, before, end):
    text = CIF.format(name="SrTiO3", a="3.9053", sites=IDEAL).replace("\n", end)
    (tmp_path / "own.cif").write_bytes(before + text.encode())
    assert read(tmp_path / "own.cif").x.tolist() == pytest.approx([3.9053] * 3 + [90] * 3)


def test_of_several_blocks_the_first_is_taken_and_that_is_said(tmp_path, capsys):
    other = "Sr1 Sr 0.5 0.5 0.5 1\nTi1 Ti 0 0 0 1\nO1 O 0.5 0 0 1"
    blocks = CIF.format(name="first", a="3.9053", sites=IDEAL) + CIF.format(name="second", a="4.1", sites=other)
    (tmp_path / "own.cif").write_text(blocks)
    found = read(tmp_path / "own.cif")
    assert found.x[0] == pytest.approx(3.9053)
    assert found.remark == "own.cif holds 2 structures; the first was taken."
    arguments = [
        "design",
        "crystal",
        "--target",
        "1.6",
        "--n",
        "1",
        "--verify",
        "none",
        "--seed-design",
        str(tmp_path / "own.cif"),
    ]
    assert main([*arguments, "--out", str(tmp_path / "s.csv")]) == 0
    assert "the first was taken" in capsys.readouterr().err


@given(st.tuples(*[st.integers(1, 2)] * 3), st.lists(st.floats(-0.07, 0.07), min_size=15, max_size=15))
@settings(max_examples=15)
def test_a_supercell_counts_as_its_primitive_cell(tmp_path_factory, times, moved):
    sites = np.array(SITES) + np.reshape(moved, (5, 3))
    path = tmp_path_factory.mktemp("cells") / "own.vasp"
    write(path, structure(LATTICE, sites=sites - sites[1] + 0.5) * times, sort=False)
    found = read(path)
    lengths, cosines = found.x[:3], np.abs(np.cos(np.radians(found.x[3:])))
    assert sorted(lengths) == pytest.approx(LATTICE[:3], abs=1e-4)
    assert sorted(cosines) == pytest.approx(sorted(np.abs(np.cos(np.radians(LATTICE[3:])))), abs=1e-4)
    count = 5 * int(np.prod(times))
    said = f"own.vasp holds a supercell of {count} ions; its primitive cell was taken."
    assert found.remark == (said if count > 5 else "")


@pytest.mark.parametrize("origin", [(0, 0, 0), (0.5, 0.5, 0.5), (0.1, 0.7, 0.3)])
def test_the_origin_of_a_cell_is_free(tmp_path, origin):
    write(tmp_path / "own.cif", structure(LATTICE, sites=np.array(SITES) + origin))
    assert read(tmp_path / "own.cif").x.tolist() == pytest.approx(LATTICE, abs=1e-6)


@pytest.mark.parametrize(
    ("sites", "says"),
    [
        ("Sr1 Sr 0 0 0 0.7\nBa1 Ba 0 0 0 0.3\nTi1 Ti 0.5 0.5 0.5 1\nO1 O 0.5 0.5 0 1", "partly occupied.*0.7 Sr"),
        ("Sr1 Sr 0 0 0 1\nTi1 Ti 0.5 0.5 0.5 1\nO1 O 0.5 0.5 0 0.95", "partly occupied.*0.95 O"),
        ("Ba1 Ba 0 0 0 1\nTi1 Ti 0.5 0.5 0.5 1\nO1 O 0.5 0.5 0 1", "holds BaO3Ti; expected one perovskite cell"),
        ("Sr1 Sr 0 0 0 1\nTi1 Ti 0.5 0.5 0.5 1\nO1 O 0.25 0 0 1", "holds O6SrTi"),
        ("Ti1 Ti 0 0 0 1\nSr1 Sr 0.5 0.5 0.5 1\nO1 O 0.5 0.5 0 1", "not as a perovskite"),
    ],
)
def test_other_crystals_are_refused_with_the_reason(tmp_path, sites, says):
    (tmp_path / "own.cif").write_text(CIF.format(name="other", a="3.905", sites=sites))
    with pytest.raises(ValueError, match=says):
        read(tmp_path / "own.cif")


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=12, max_size=12))
@settings(max_examples=40)
def test_ions_anywhere_else_are_no_perovskite(tmp_path_factory, places):
    sites = np.vstack(([0.5] * 3, np.reshape(places, (4, 3))))
    ideal = np.array([(0, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)])
    offset = sites[1] - ideal[0]
    path = tmp_path_factory.mktemp("cells") / "own.extxyz"
    write(path, Atoms("TiSrO3", cell=cellpar_to_cell(LATTICE), pbc=True, scaled_positions=sites))
    if np.abs(offset - np.round(offset)).max() > 0.16:  # strontium is not in the corner
        with pytest.raises(ValueError, match="not as a perovskite"):
            read(path)


@pytest.mark.parametrize("ion", [0, 2, 3, 4])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("to", [0.149, -0.149, 0.151, -0.151])
def test_an_ion_may_be_off_its_site_by_up_to_15_percent_of_each_axis(tmp_path, ion, axis, to):
    sites = np.array(SITES, dtype=float)
    sites[ion, axis] += to
    write(tmp_path / "own.extxyz", structure(LATTICE, sites=sites))
    if abs(to) > 0.15:
        with pytest.raises(ValueError, match="not as a perovskite"):
            read(tmp_path / "own.extxyz")
    else:
        assert read(tmp_path / "own.extxyz").x.tolist() == pytest.approx(LATTICE)


@pytest.mark.parametrize("share", [0.9985, 0.9995])
def test_a_site_counts_as_full_within_a_thousandth(tmp_path, share):
    sites = f"Sr1 Sr 0 0 0 {share}\nTi1 Ti 0.5 0.5 0.5 1\nO1 O 0.5 0.5 0 1"
    (tmp_path / "own.cif").write_text(CIF.format(name="own", a="3.905", sites=sites))
    if share < 0.999:
        with pytest.raises(ValueError, match=rf"partly occupied \({share} Sr\)"):
            read(tmp_path / "own.cif")
    else:
        assert read(tmp_path / "own.cif").x[0] == pytest.approx(3.905)


def test_of_supercells_those_with_up_to_a_thousand_ions_are_read(tmp_path):
    write(tmp_path / "own.vasp", structure(LATTICE) * (1, 1, 200), sort=False)
    assert (
        read(tmp_path / "own.vasp").remark == "own.vasp holds a supercell of 1000 ions; its primitive cell was taken."
    )
    write(tmp_path / "own.vasp", structure(LATTICE) * (1, 3, 67), sort=False)
    with pytest.raises(ValueError, match=r"has 1,005 atoms in a cell; accepted: at most 1,000"):
        read(tmp_path / "own.vasp")


def test_a_supercell_whose_ions_are_off_by_rounding_alone_is_reduced(tmp_path):
    for off, count in ((5e-4, 5), (5e-3, 10)):
        atoms = structure([3.9] * 3 + [90] * 3) * (1, 1, 2)
        atoms.positions[1, 2] += off
        write(tmp_path / "own.extxyz", atoms)
        if count == 5:
            assert "its primitive cell was taken" in read(tmp_path / "own.extxyz").remark
        else:
            with pytest.raises(ValueError, match="holds O6Sr2Ti2; expected one perovskite cell"):
                read(tmp_path / "own.extxyz")


def test_a_far_lattice_and_what_is_no_structure_get_a_sentence(tmp_path):
    write(tmp_path / "far.cif", structure([5.0, 3.9, 4.0, 88.0, 91.0, 95.0]))
    with pytest.raises(ValueError, match=r"outside the box: a 3.436 to 4.374"):
        read(tmp_path / "far.cif")
    for name, content in (("no.cif", b"nothing"), ("empty.cif", b""), ("bytes.vasp", b"\x00\xff\xfe" * 50)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match="is not a structure file that ASE reads"):
            read(tmp_path / name)
    with pytest.raises(ValueError, match="does not exist"):
        read(tmp_path / "none.cif")


def test_a_cell_on_the_walls_of_the_box_is_inside(tmp_path, monkeypatch):
    cube = np.array([3.875] * 3 + [90.0] * 3)
    write(tmp_path / "own.extxyz", structure(cube))
    for low, high in ((cube, cube + 1), (cube - 1, cube), (cube, cube)):
        monkeypatch.setattr("ipage_core.tasks.crystal.seed.BOUNDS", np.stack((low, high)))
        assert read(tmp_path / "own.extxyz").x.tolist() == cube.tolist()
