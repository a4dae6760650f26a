"""Structure files, lattices of tables, rows of a sequence, symmetry of any crystal: by hand."""

import io
import json
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.io import read

from ipage_core.problem.task import Task, Variable
from ipage_core.tasks import computed_rows, export, labelled
from ipage_core.tasks.cells import dataset as cells
from ipage_core.tasks.crystal import lattices
from ipage_core.tasks.own_crystal import symmetry
from ipage_core.tasks.silicon import dataset as silicon
from ipage_core.tasks.structures import FORMATS, cif, extxyz, file_name, frames, poscar
from ipage_core.tasks.table.export import files as lattice_files
from ipage_core.tasks.table.lattice import lattice, lattice_in_angstrom

CELL = [3.1, 4.2, 5.3, 81.0, 92.0, 103.0]


def crystal():
    atoms = Atoms(
        "SrOTiO",
        cell=CELL,
        pbc=True,
        scaled_positions=[(0, 0, 0), (0.5, 0.5, 0.25), (0.5, 0.5, 0.5), (0.75, -0.1, 1.2)],
    )
    atoms.info = {"sample": 7, "gap": 1.25}
    return atoms


@pytest.mark.parametrize(("form", "as_ase"), [("cif", "cif"), ("poscar", "vasp"), ("extxyz", "extxyz")])
def test_a_structure_file_brings_the_crystal_back(form, as_ase):
    content = FORMATS[form](crystal(), "name").decode()
    again = read(io.StringIO(content), format=as_ase)
    assert again.cell.cellpar() == pytest.approx(CELL)
    assert sorted(again.get_chemical_symbols()) == ["O", "O", "Sr", "Ti"]
    order = [again.get_chemical_symbols().index(symbol) for symbol in ("Sr", "Ti")]
    assert again.get_distance(*order, mic=True) == pytest.approx(crystal().get_distance(0, 2, mic=True), abs=1e-4)


@pytest.mark.parametrize("form", ["cif", "xyz"])
def test_thousands_of_atoms_are_refused_before_they_are_compared(tmp_path, form):
    path = tmp_path / f"k1.{form}"
    path.write_bytes((cif if form == "cif" else extxyz)(crystal() * (10, 10, 50), "k1"))
    begun = time.process_time()
    with pytest.raises(ValueError, match=r"k1\.\w+ has 20,000 atoms in a cell; accepted: at most 200$"):
        frames(path, 200)
    assert time.process_time() - begun < 10  # ASE alone: half a minute and more
    path.write_bytes((cif if form == "cif" else extxyz)(crystal() * (1, 5, 10), "k1"))
    assert [len(one) for one in frames(path, 200)] == [200]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("3.1000000000", "1e999", "_cell_length_a is 'inf'; accepted: finite numbers"),
        (" 0.000000 ", " nan ", "_atom_site_fract_x is 'nan'; accepted: finite numbers"),
        ("Ti", "Qq", "it has the element 'Qq', which is not known"),
    ],
)
def test_what_is_wrong_in_a_cif_is_named(tmp_path, recwarn, old, new, why):
    text = cif(crystal(), "own").decode()
    assert old in text
    (tmp_path / "own.cif").write_text(text.replace(old, new))
    with pytest.raises(ValueError, match=rf"own\.cif is not a structure file that ASE reads \({why}\)$"):
        frames(tmp_path / "own.cif", 200)
    assert not [one for one in recwarn if one.category is RuntimeWarning]


def test_a_cif_names_its_atoms_and_metadata():
    text = cif(crystal(), "SrTi").decode()
    assert "# sample: 7" in text
    assert "# gap: 1.25" in text
    assert "data_SrTi_7" in text
    assert "_chemical_formula_sum   'O2 Sr Ti'" in text
    assert "_cell_length_b   4.2000000000" in text
    assert "_cell_angle_gamma   103.0000000000" in text
    assert "  Sr  Sr1  0.000000  0.000000  0.000000  1.0" in text
    assert "  O  O4  0.750000  -0.100000  1.200000  1.0" in text
    bare = crystal()
    bare.info = {}
    assert "data_SrTi_0" in cif(bare, "SrTi").decode()
    assert "-0.000000" not in text
    first = poscar(crystal(), "name").decode().split("\n")[0]
    assert first == "name  sample=7  gap=1.25"
    assert "Direct" in poscar(crystal(), "name").decode()
    assert "gap=1.25" in extxyz(crystal(), "name").decode()
    assert (file_name("a", "cif"), file_name("a", "poscar")) == ("a.cif", "a.vasp")


# Export


def test_only_the_last_stage_of_each_sample_is_exported():
    frame = pd.DataFrame({"sample": [0, 0, 1, 1], "stage": ["posterior", "localized"] * 2, "x1": [1, 2, 3, 4]})
    seen = []

    def write(frame, form):
        seen.append(frame["x1"].tolist())
        return {form: b""}

    task = Task.from_function(lambda x: x, {"a": (0, 1)}, {"y": 1}, "t")
    task = replace(task, export=write, export_formats=("txt",))
    assert export.files(task, "txt", frame) == {"txt": b""}
    export.files(task, "txt", frame[frame["stage"] == "posterior"])
    export.files(task, "txt", frame.drop(columns="stage").assign(sample=range(4)))
    assert seen == [[2, 4], [1, 3], [1, 2, 3, 4]]
    with pytest.raises(ValueError, match="format 'png' is not known for t; accepted: txt"):
        export.files(task, "png", frame)
    with pytest.raises(ValueError, match="accepted: none"):
        export.files(replace(task, export=None), "txt", frame)
    bare = frame.drop(columns="stage")
    for samples, says in (
        ([0, 0, 1, 2], "there twice"),
        ([-1, 0, 1, 2], "whole numbers"),
        (["0", 1, 2, 3], "whole numbers"),
    ):
        with pytest.raises(ValueError, match=says):
            export.files(task, "txt", bare.assign(sample=samples))


# Lattices of tables


def table(*labels, high=9.0):
    return Task.from_function(lambda x: x[:, :1], dict.fromkeys(labels, (0.5, high)), {"y": 1}, "t")


def test_lattice_parameters_are_known_by_their_names():
    task = table("x", "c [nm]", "B [pm]", "a [Å]", "Gamma [rad]", "α [°]", "beta")
    assert lattice(task) == [3, 2, 1, 5, 6, 4]
    order, factors = lattice_in_angstrom(task)
    assert order == [3, 2, 1, 5, 6, 4]
    assert factors.tolist() == pytest.approx([1, 0.01, 10, 1, 1, 180 / np.pi])
    assert lattice(table("a", "b", "c", "α", "β")) is None
    assert lattice_in_angstrom(table("a", "b", "c", "α", "β")) is None
    bohr = lattice_in_angstrom(table("a [bohr]", "b [a0]", "c", "alpha [deg]", "beta", "gamma"))
    assert bohr[1].tolist() == pytest.approx([0.529177210544] * 2 + [1] * 4)
    assert lattice(table("a", "A [nm]", "b", "c", "α", "β", "γ"))[0] == 0  # the first of two


def test_a_lattice_of_doubtful_units_is_refused():
    with pytest.raises(ValueError, match="unit 'inch' of a is not known"):
        lattice_in_angstrom(table("a [inch]", "b", "c", "α", "β", "γ"))
    variables = [Variable(n, low=0.1, high=h) for n, h in zip("abcαβγ", (0.9, 5, 5, 90, 90, 90), strict=True)]
    with pytest.raises(ValueError, match=r"a has no unit, and with at most 0\.9 is hardly in Å"):
        lattice_in_angstrom(Task.from_function(lambda x: x[:, :1], variables, {"y": 1}, "t"))
    variables[0] = Variable("a", low=0.1, high=1.0)
    assert lattice_in_angstrom(Task.from_function(lambda x: x[:, :1], variables, {"y": 1}, "t")) is not None
    variables[3] = Variable("α", low=0.1, high=3.9)
    with pytest.raises(ValueError, match=r"α has no unit, and with at most 3\.9 is hardly in degrees"):
        lattice_in_angstrom(Task.from_function(lambda x: x[:, :1], variables, {"y": 1}, "t"))
    variables[3] = Variable("α", low=0.1, high=4.0)
    assert lattice_in_angstrom(Task.from_function(lambda x: x[:, :1], variables, {"y": 1}, "t")) is not None


@pytest.mark.parametrize(("form", "as_ase"), [("cif", None), ("poscar", "vasp"), ("extxyz", "extxyz")])
def test_a_lattice_is_a_file_without_atoms(form, as_ase):
    names = ["a", "b", "c", "α", "β", "γ"]
    frame = pd.DataFrame([{"sample": 4, **dict(zip(names, CELL, strict=True))}])
    ((name, content),) = lattice_files(frame, form, names, "t").items()
    assert name == f"t-4.{'vasp' if form == 'poscar' else form}"
    text = content.decode()
    assert "t sample 4; lattice only" in text
    if as_ase is None:
        assert "_cell_length_c   5.3000000000" in text
    else:
        assert read(io.StringIO(text), format=as_ase).cell.cellpar() == pytest.approx(CELL)
    for wrong in ({"a": -1.0}, {"a": 0.0}, {"α": 180.0}, {"α": 10.0, "β": 10.0, "γ": 90.0}):
        with pytest.raises(ValueError, match=r"Sample 4: (No cell has the angles|Expected a, b, c > 0)"):
            lattice_files(frame.assign(**wrong), form, names, "t")
    with pytest.raises(ValueError, match="format 'stl' is not known"):
        lattice_files(frame, "stl", names, "t")


# Symmetry of any crystal


def test_rutile_and_quartz_like_crystals_have_their_rotations():
    diamond = bulk("Si", "diamond", a=5.43)
    assert symmetry.space_group(diamond) == "Fd-3m (227)"
    q = symmetry.rotations(diamond)
    assert len(q) == 48
    assert np.allclose(q[0], np.eye(3))
    assert np.allclose(q @ q.swapaxes(1, 2), np.eye(3))
    assert len(symmetry.on_strains(diamond)) == 24
    hexagonal = bulk("Zn", "hcp", a=2.66, c=4.95)
    assert len(symmetry.rotations(hexagonal)) == 24
    assert len(symmetry.on_strains(hexagonal)) == 12
    tetragonal = Atoms("Si", cell=[3, 3, 4], pbc=True)
    assert len(symmetry.on_strains(tetragonal)) == 8


def test_images_are_the_turned_tensors():
    crystal = bulk("Zn", "hcp", a=2.66, c=4.95)
    strain = np.array([0.01, -0.02, 0.03, 0.004, 0.006, -0.008])
    images = symmetry.images(strain, symmetry.on_strains(crystal))
    assert np.allclose(images[0], strain)
    size = ((images * symmetry.MANDEL) ** 2).sum(1)
    assert np.allclose(size, size[0])
    turned = [q @ symmetry.tensor(strain) @ q.T for q in symmetry.rotations(crystal)]
    for image in images:
        assert min(np.abs(symmetry.tensor(image) - one).max() for one in turned) < 1e-12
    assert len({tuple(row) for row in images.round(9).tolist()}) == 12


def test_a_box_is_kept_by_operations_that_only_permute_equal_sides():
    cube = symmetry.on_strains(Atoms("Si", cell=[3, 3, 3], pbc=True))
    half = np.array([0.1, 0.1, 0.1, 0.05, 0.05, 0.05])
    assert symmetry.keeps(np.stack((-half, half)), cube)
    half[2] = 0.2
    assert not symmetry.keeps(np.stack((-half, half)), cube)
    assert symmetry.keeps(np.stack((-half, half)), symmetry.on_strains(Atoms("Si", cell=[3, 3, 4], pbc=True)))
    hexagonal = symmetry.on_strains(bulk("Zn", "hcp", a=2.66, c=4.95))
    same = np.full(6, 0.1)
    assert not symmetry.keeps(np.stack((-same, same)), hexagonal)


def test_a_turned_crystal_is_turned_back_to_its_usual_axes():
    cube = Atoms("CsCl", cell=[4, 4, 4], pbc=True, scaled_positions=[(0, 0, 0), (0.5, 0.5, 0.5)])
    turned = cube.copy()
    turned.rotate(30, "z", rotate_cell=True)
    axes = symmetry.oriented(turned).cell.array
    assert np.allclose(np.sort(np.abs(axes), axis=1), [[0, 0, 4]] * 3, atol=1e-9)
    assert symmetry.oriented(turned).get_scaled_positions()[1].tolist() == pytest.approx([0.5] * 3)
    strain = symmetry.tensor([1, 2, 3, 4, 5, 6])
    assert strain.tolist() == [[1, 6, 5], [6, 2, 4], [5, 4, 3]]


# Rows of a sequence


def test_a_sequence_fills_its_box_evenly_and_may_be_extended():
    bounds = np.array([[1.0, -2.0], [3.0, 2.0]])
    points = computed_rows.sequence(64, 3, bounds)
    assert np.array_equal(points[:5], computed_rows.sequence(5, 3, bounds))
    assert np.array_equal(points[:1], computed_rows.sequence(1, 3, bounds))
    assert computed_rows.sequence(65, 3, bounds).shape == (65, 2)
    assert not np.array_equal(points, computed_rows.sequence(64, 4, bounds))
    for j in range(2):  # one point in each 64th of every side
        share = (points[:, j] - bounds[0, j]) / (bounds[1, j] - bounds[0, j])
        assert np.array_equal(np.sort(np.floor(share * 64)), np.arange(64))


SCHEMA = pa.schema([("i", pa.int32()), ("gap", pa.float64()), ("fail", pa.string())])


def row(i, gap=1.0, fail=None):
    return {"i": i, "gap": gap, "fail": fail}


def test_rows_are_written_in_order_with_a_card(tmp_path):
    file = tmp_path / "rows.parquet"
    card = computed_rows.write([row(2), row(0, fail="no"), row(1, 3.0)], file, SCHEMA, 7, about="x")
    assert card == {"n": 3, "failed": [0], "seed": 7, "about": "x"}
    assert computed_rows.card_of(file) == card
    assert [r["i"] for r in computed_rows.read(file)] == [0, 1, 2]
    other = tmp_path / "other.parquet"
    computed_rows.write([row(1, 9.0), row(5)], other, SCHEMA, 7)
    known = computed_rows.stored([file, other, tmp_path / "none.parquet"], 7, 3)
    assert sorted(known) == [0, 1, 2]
    assert known[1]["gap"] == 9.0  # the later file
    assert computed_rows.stored([file], 8, 3) == {}
    assert sorted(computed_rows.stored([file], 7, 2)) == [0, 1]


def test_lines_of_a_journal_without_an_end_are_skipped(tmp_path):
    file = tmp_path / "journal"
    file.write_text(json.dumps({"i": 1}) + "\n" + json.dumps({"i": 2}) + "\n" + '{"i": 3')
    assert [record["i"] for _, record in computed_rows.records([file])] == [1, 2]


def test_a_row_must_be_its_point_of_the_sequence(tmp_path):
    points = np.array([[0.0, 1.0], [0.5, 0.5]])
    computed_rows.check_point(tmp_path, 1, [0.5, 0.5 + 5e-10], points, 7)
    for i, point in ((1, [0.5, 0.5 + 5e-9]), (2, [0.5, 0.5]), (0, [0.5, 0.5])):
        with pytest.raises(ValueError, match=f"row {i} is not point {i} of the sequence with seed 7"):
            computed_rows.check_point(tmp_path, i, point, points, 7)


def test_a_summary_replaces_only_its_place(tmp_path):
    data, readme = tmp_path / "rows.parquet", tmp_path / "README.md"
    computed_rows.put_summary(data, "new\n")  # without a README: nothing
    readme.write_text("a\n<!-- summary -->\nold\\1\nold\n<!-- end -->\nb\n")
    computed_rows.put_summary(data, "new \\1\n")
    assert readme.read_text() == "a\n<!-- summary -->\nnew \\1\n<!-- end -->\nb\n"


def test_rows_agree_within_a_thousandth_of_an_ev():
    def result(gap, direct=2.0, energy=-1.0, **more):
        return {"gap": gap, "direct": direct, "energy": energy, "cpu_s": 2.0, **more}

    rows = {"3": result(1.0), "5": result(1.5)}
    close = computed_rows.agreement(rows, {"3": result(1.0009), "5": result(1.4997)}, 1.26)
    assert close["ok"]
    assert close["rows"] == [3, 5]
    assert close["gap"]["mean"] == pytest.approx(0.0003)
    assert close["gap"]["sd"] == pytest.approx(0.0006)
    assert close["gap"]["max"] == pytest.approx(0.0009)
    assert (close["cpu_s"], close["wall_s"]) == (2.0, 1.3)
    assert not computed_rows.agreement(rows, {"3": result(1.0), "5": result(1.5011)}, 1.0)["ok"]
    assert not computed_rows.agreement(rows, {"3": result(1.0, 2.0011), "5": result(1.5)}, 1.0)["ok"]
    assert computed_rows.agreement(rows, {"3": result(1.0, energy=0.0), "5": result(1.5)}, 1.0)["ok"]
    failed = computed_rows.agreement(rows, {"3": result(1.0), "5": {"fail": "no", "cpu_s": 4.0}}, 1.0)
    assert (failed["ok"], failed["failed"], failed["cpu_s"]) == (False, [5], 3.0)


# Training pairs of a slow Ω


def test_posteriors_learn_draws_that_the_surrogate_labels_and_the_surrogate_the_rows(monkeypatch):
    x, y = torch.rand(5, 2).double(), torch.rand(5, 1).double()
    sizes = []

    def surrogate():
        return lambda part: sizes.append(len(part)) or part.sum(1, keepdim=True)

    def prior(n, generator):
        return torch.rand(n, 2, dtype=torch.float64, generator=generator)

    rows = labelled.training_pairs("mlp", (x, y), "rows", surrogate, prior, 7)
    assert rows[0] is x
    assert rows[1] is y
    assert rows[2] == {"from": "rows"}
    monkeypatch.setattr(labelled, "AT_ONCE", 3)
    drawn, told, about = labelled.training_pairs("inn", (x, y), "rows", surrogate, prior, 7)
    assert sizes == [3, 3, 1]
    assert torch.equal(drawn, prior(7, torch.Generator().manual_seed(0)))
    assert torch.allclose(told, drawn.sum(1, keepdim=True), atol=1e-6)
    assert told.dtype == torch.float64
    assert (about["seed"], about["labelled_by"]) == (0, "mlp, trained on")
    assert (about["computed"]["n"], about["computed"]["from"]) == (5, "rows")


def test_foreign_files_are_no_computed_rows(tmp_path):
    parquet, text = tmp_path / "own.parquet", tmp_path / "own.csv"
    pd.DataFrame({"a": [1.0]}).to_parquet(parquet)
    text.write_text("a\n1\n")
    for read_one in (silicon.read_rows, lattices.read_rows, cells.read, computed_rows.card_of):
        with pytest.raises(ValueError, match=r"own\.parquet is not a set of c(omputed row|ell)s"):
            read_one(parquet)
        with pytest.raises(ValueError, match=r"own\.csv is not a Parquet file; accepted: a (file|set)"):
            read_one(text)
    for other, read_one in ((lattices.DATA, silicon.read_rows), (silicon.DATA, lattices.read_rows)):
        with pytest.raises(ValueError, match="it holds rows of another task"):
            read_one(other)
    with pytest.raises(ValueError, match="is not a set of cells"):
        cells.read(silicon.DATA)
    for file in (parquet, text):
        for fold in (silicon.fold, lattices.fold):
            with pytest.raises(ValueError, match=rf"{file.name} is not a journal: its line 1 is no row; accepted"):
                fold([file])
