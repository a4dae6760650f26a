"""Structure files, exports, rows of a sequence, training pairs of a slow Ω: by hand."""

import bz2
import gzip
import io
import json
import lzma
import os
import re
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from ase import Atoms
from ase.io import read, write

from ipage_core.problem.task import Task
from ipage_core.tasks import computed_rows, export, labelled
from ipage_core.tasks.cells import dataset as cells
from ipage_core.tasks.crystal import lattices
from ipage_core.tasks.silicon import dataset as silicon
from ipage_core.tasks.structures import FORMATS, axes, cif, extxyz, file_name, frames, poscar

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


def test_axes_have_the_lengths_and_angles_of_the_cell():
    a, b, c, *angles = CELL
    found, cosines = axes(CELL), np.cos(np.radians(angles))
    expected = [[a * a, a * b * cosines[2], a * c * cosines[1]]]
    expected += [[a * b * cosines[2], b * b, b * c * cosines[0]], [a * c * cosines[1], b * c * cosines[0], c * c]]
    assert found @ found.T == pytest.approx(np.array(expected))
    assert found[0].tolist() == pytest.approx([a, 0, 0])
    assert found[1, 2] == pytest.approx(0)


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("place", range(6))
def test_no_length_or_angle_of_a_cell_is_zero_or_infinite(place, wrong):
    x = np.array(CELL)
    x[place] = wrong
    with pytest.raises(ValueError, match="Expected a, b, c > 0"):
        axes(x)
    with pytest.raises(ValueError, match="Expected a, b, c > 0"):
        axes(CELL[:5])


@pytest.mark.parametrize("turn", range(3))
def test_the_angles_of_a_cell_leave_it_a_volume(turn):
    """One angle is less than the sum of the others, and the three are less than 360° in all."""
    for angles, fine in (
        ((60, 70, 129), True), ((60, 70, 130), False), ((60, 70, 131), False), ((10, 10, 90), False),
        ((110, 120, 129), True), ((110, 120, 130), False), ((110, 120, 135), False),
        ((90, 90, 180), False), ((90, 90, 180.5), False), ((180, 60, 60), False), ((200, 170, 170), False),
        ((270, 90, 90), False), ((1, 1, 1), True), ((179, 90, 90), True),
    ):  # fmt: skip
        x = [3, 4, 5, *np.roll(angles, turn)]
        if fine:
            assert np.linalg.det(axes(x)) > 0
        else:
            with pytest.raises(ValueError, match="No cell has the angles"):
                axes(x)


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
    ("rows", "least"),
    [
        ("H 0 0 0\n" * 12, 3),
        ("H 0\n0 0\n" * 12, 6),
        ("H\n0\n0\n0\n" * 12, 12),
        ("  H 0 0 0\r\n" * 12, 3),
        ("'H 1' 0 0 0\n" * 12, 3),
        ("H 0 0 0\n" * 12 + "loop_\n_symmetry_equiv_pos_as_xyz\n" + "x,y,z\n" * 99, 3),
        ("H 0 0 0\n" * 12 + "data_other\n" + "# more\n" * 99, 3),
    ],
)
def test_a_loop_lists_at_least_its_lines_over_its_columns(tmp_path, rows, least):
    names = "_atom_site_label\n _atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
    other = "loop_\n_publ_author_name\n" + "'A. Name'\n" * 50
    (tmp_path / "own.cif").write_text(f"data_x\n_cell_length_a 4\n{other}LOOP_\n{names}{rows}")
    with pytest.raises(ValueError, match=f"has at least {least} atoms in a cell; accepted: at most 0$"):
        frames(tmp_path / "own.cif", 0)


def test_every_structure_of_a_file_is_read_and_the_largest_counts(tmp_path):
    small, large = crystal(), crystal() * (1, 1, 2)
    for path in (tmp_path / "own.xyz", tmp_path / "own.extxyz"):
        write(path, [small, large], format="extxyz")
        assert [len(one) for one in frames(path, 8)] == [4, 8]
        assert [len(one) for one in frames(path, 8, "-1:")] == [8]
        with pytest.raises(ValueError, match="has 8 atoms in a cell; accepted: at most 7"):
            frames(path, 7)
    for order in ((small, large), (large, small)):
        path = tmp_path / "own.cif"
        path.write_bytes(b"\xef\xbb\xbf" + b"".join(cif(one, f"own{len(one)}") for one in order))
        assert [len(one) for one in frames(path, 8)] == [len(one) for one in order]
        with pytest.raises(ValueError, match="has 8 atoms in a cell; accepted: at most 7"):
            frames(path, 7)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (KeyError("Qq"), r" \(it has the element 'Qq', which is not known\)"),
        (KeyError("a column"), r" \('a column'\)"),
        (ValueError("'Qq'"), r" \('Qq'\)"),
        (ValueError("two\n words " + 200 * "x"), r" \(two words x{90}\)"),
        (ValueError(), ""),
    ],
)
def test_the_readers_reason_is_passed_on(tmp_path, monkeypatch, error, why):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr("ipage_core.tasks.structures.read_structures", fails)
    (tmp_path / "own.xyz").write_text("2\n")
    with pytest.raises(ValueError, match=rf"own\.xyz is not a structure file that ASE reads{why}$"):
        frames(tmp_path / "own.xyz", 8)


@pytest.mark.parametrize("where", ["first", "second"])
@pytest.mark.parametrize("what", ["place", "cell"])
def test_a_number_that_is_not_finite_is_refused_in_any_structure(tmp_path, where, what):
    pair = [crystal(), crystal()]
    wrong = pair[where == "second"]
    if what == "place":
        wrong.positions[2, 1] = np.nan
    else:
        wrong.cell[2, 2] = np.inf
    write(tmp_path / "own.extxyz", pair)
    with pytest.raises(
        ValueError, match=r"own\.extxyz is not a structure file that ASE reads \(its cell and places must"
    ):
        frames(tmp_path / "own.extxyz", 8)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("3.1000000000", "1e999", "_cell_length_a is 'inf'; accepted: finite numbers above 0"),
        ("3.1000000000", "-3.1", "_cell_length_a is '-3.1'; accepted: finite numbers above 0"),
        ("3.1000000000", "9" * 320, f"_cell_length_a is '{'9' * 20}'; accepted: finite numbers above 0"),
        ("3.1000000000", "1e300", "_cell_length_a is '1e[+]300'; accepted: finite numbers above 0"),
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


@pytest.mark.parametrize("end", ["\n", "\r"])
@pytest.mark.parametrize("name", ["own.cif", "own.extxyz", "POSCAR"])
def test_a_file_of_very_many_lines_is_refused_before_it_is_read(tmp_path, end, name):
    (tmp_path / name).write_text(end * 1_000_001, newline="")
    with pytest.raises(ValueError, match="it has 1,000,001 lines, more than 1,000,000"):
        frames(tmp_path / name, 200)


@pytest.mark.parametrize(("ending", "packed"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_a_compressed_file_is_refused_before_it_is_unpacked(tmp_path, ending, packed):
    (tmp_path / f"own.xyz.{ending}").write_bytes(packed(b"2\n\n" + b"Al 0 0 0\n" * 10_000))
    with pytest.raises(ValueError, match=rf"own\.xyz\.{ending} is compressed; accepted: the structure file itself"):
        frames(tmp_path / f"own.xyz.{ending}", 200)


@pytest.mark.parametrize("name", ["own.xyz", "own.extxyz"])
def test_a_comment_of_millions_of_letters_is_refused_before_it_is_read(tmp_path, name):
    (tmp_path / name).write_text("1\n" + "a=1 " * 250_001 + "\nAl 0 0 0\n")
    with pytest.raises(ValueError, match="it has a line of more than 1,000,000 characters"):
        frames(tmp_path / name, 200)


@pytest.mark.parametrize("frame", [0, 1])
@pytest.mark.parametrize("width", ["1000", "1000000000", "9" * 400])
def test_a_property_of_very_many_columns_is_refused_before_room_is_made_for_them(tmp_path, frame, width):
    write(tmp_path / "own.extxyz", [crystal(), crystal()])
    parts = (tmp_path / "own.extxyz").read_text().split("pos:R:3")
    parts[frame] += f"pos:R:3:z:R:{width}"
    parts[1 - frame] += "pos:R:3"
    (tmp_path / "own.extxyz").write_text("".join(parts))
    with pytest.raises(ValueError, match="it has a property of 1,000 columns or more"):
        frames(tmp_path / "own.extxyz", 200)


@pytest.mark.parametrize("angle", [0, 180, 200, -90])
def test_an_angle_that_no_cell_has_is_named(tmp_path, angle):
    text = cif(crystal(), "own").decode()
    (tmp_path / "own.cif").write_text(re.sub(r"(_cell_angle_gamma) .*", rf"\1 {angle}", text))
    with pytest.raises(
        ValueError, match=rf"_cell_angle_gamma is '{angle}'; accepted: finite numbers above 0 and below"
    ):
        frames(tmp_path / "own.cif", 200)


def test_an_atom_that_is_listed_twice_counts_once_and_two_elements_at_one_place_are_refused(tmp_path, recwarn):
    text = MONOCLINIC.format(beta=90, group=NAME.format("P 1"))
    (tmp_path / "own.cif").write_text(f"{text}Cl2 1.5 -.5 .5\n")
    assert frames(tmp_path / "own.cif", 200)[0].get_chemical_formula() == "ClNa"
    (tmp_path / "own.cif").write_text(f"{text}Na2 1.5 -.5 .5\n")
    with pytest.raises(ValueError, match="Cl and Na are at one place; accepted: one atom on each site"):
        frames(tmp_path / "own.cif", 200)
    assert not recwarn.list


MONOCLINIC = """data_x
_cell_length_a 5.64
_cell_length_b 6.1
_cell_length_c 7.0
_cell_angle_alpha 90
_cell_angle_beta {beta}
_cell_angle_gamma 90
{group}loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Na1 .1 .2 .3
Cl1 .5 .5 .5
"""
OPERATIONS = "loop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\n1/2-x,1/2+y,1/2-z\n-x,-y,-z\n1/2+x,1/2-y,1/2+z\n"
NAME, NUMBER = "_symmetry_space_group_name_H-M '{}'\n", "_symmetry_Int_Tables_number 14\n"


@pytest.mark.parametrize("named", ["", NUMBER, NAME.format("P 1 21/n 1"), NAME.format("P 1 21/n 1") + NUMBER])
def test_listed_operations_make_a_crystal_whatever_its_group_is_called(tmp_path, named):
    (tmp_path / "own.cif").write_text(MONOCLINIC.format(beta=95, group=named + OPERATIONS))
    (atoms,) = frames(tmp_path / "own.cif", 200)
    assert atoms.get_chemical_formula() == "Cl2Na4"
    np.testing.assert_allclose(atoms.get_scaled_positions()[1], [0.4, 0.7, 0.2], atol=1e-9)


@pytest.mark.parametrize("named", [NUMBER, NAME.format("P 1 21/c 1") + NUMBER, NAME.format("P21/c") + NUMBER])
def test_without_operations_the_standard_setting_is_read(tmp_path, named):
    (tmp_path / "own.cif").write_text(MONOCLINIC.format(beta=95, group=named))
    (atoms,) = frames(tmp_path / "own.cif", 200)
    np.testing.assert_allclose(atoms.get_scaled_positions()[1], [0.9, 0.7, 0.2], atol=1e-9)


@pytest.mark.parametrize(
    ("group", "beta", "why"),
    [
        (NAME.format("P 1 21/n 1") + NUMBER, 95, r"'P 1 21/n 1' is not the standard setting of its group"),
        (NAME.format("F d -3 m :2") + NUMBER.replace("14", "227"), 90, "'F d -3 m :2' is not the standard setting"),
        (NAME.format("F d -3 m Z") + NUMBER.replace("14", "227"), 90, "'F d -3 m Z' is not the standard setting"),
        ("_space_group_name_Hall '-P 2yn'\n", 95, "'-P 2yn' is not the standard setting"),
        ("_symmetry_Int_Tables_number 225\n", 95, "its cell does not have the symmetry of its space group"),
        ("loop_\n_symmetry_equiv_pos_as_xyz\nx,y,z\ny,x,z\n", 95, "its cell does not have the symmetry of its"),
    ],
)
def test_a_crystal_in_another_setting_than_its_file_can_say_is_refused(tmp_path, group, beta, why):
    (tmp_path / "own.cif").write_text(MONOCLINIC.format(beta=beta, group=group))
    with pytest.raises(ValueError, match=why):
        frames(tmp_path / "own.cif", 200)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("own.xyz", "99999999999\n\nNa 0 0 0\n"),
        ("own.xyz", f"{'9' * 400}\n\nNa 0 0 0\n"),
        ("own.xyz", f"{'9' * 1500}\n\nNa 0 0 0\n"),
        ("own.vasp", "c\n1\n5 0 0\n0 5 0\n0 0 5\nNa Cl\n9 999999999\nDirect\n"),
    ],
)
def test_atoms_that_are_only_announced_take_no_memory(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=r"has [\d,]+ atoms in a cell; accepted: at most 200"):
        frames(tmp_path / name, 200)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_pipes_and_very_large_files_are_refused_at_once(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "own.cif")
    with pytest.raises(ValueError, match=r"own\.cif is not a file; accepted: a structure in a file"):
        frames(tmp_path / "own.cif", 200)
    monkeypatch.setattr("ipage_core.tasks.structures.MOST_BYTES", 3e6)
    (tmp_path / "own.xyz").write_bytes(b" " * 4_000_000)
    with pytest.raises(ValueError, match=r"own\.xyz has 4 MB; accepted: at most 3 MB"):
        frames(tmp_path / "own.xyz", 200)


def test_dummy_atoms_are_no_element(tmp_path):
    (tmp_path / "own.cif").write_text(MONOCLINIC.format(beta=95, group="").replace("Cl1", "X1"))
    with pytest.raises(ValueError, match="it has dummy atoms, X, which are no element"):
        frames(tmp_path / "own.cif", 200)


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


# Rows of a sequence


def test_a_sequence_fills_its_box_evenly_and_may_be_extended():
    bounds = np.array([[1.0, -2.0], [3.0, 2.0]])
    points = computed_rows.sequence(64, 3, bounds)
    assert np.array_equal(points[:5], computed_rows.sequence(5, 3, bounds))
    assert np.array_equal(points[:1], computed_rows.sequence(1, 3, bounds))
    for n in (0, 1, 2, 3, 4, 5, 65):
        assert computed_rows.sequence(n, 3, bounds).shape == (n, 2)
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


def test_rows_that_are_stored_are_not_computed_again(tmp_path, monkeypatch):
    out, shipped = tmp_path / "out.parquet", tmp_path / "shipped.parquet"
    computed_rows.write([row(0, 0.5), row(1, 1.5), row(9, 9.5)], shipped, SCHEMA, 7)
    computed_rows.write([row(1, 1.25)], out, SCHEMA, 7)
    points, asked, required = np.arange(8.0).reshape(4, 2), [], []

    def work(item):
        asked.append(item)
        return row(item["i"], sum(item["point"]))

    def computed(n, seed=7, **where):
        where = {"out": out, "shipped": shipped, "require": lambda: required.append(n), "workers": 0, **where}
        return {r["i"]: r["gap"] for r in computed_rows.computed(points[:n], "point", work, seed=seed, **where)}

    assert computed(4) == {0: 0.5, 1: 1.25, 2: 9.0, 3: 13.0}
    assert asked == [{"i": 2, "point": [4.0, 5.0]}, {"i": 3, "point": [6.0, 7.0]}]
    assert required == [4]
    assert computed(2) == {0: 0.5, 1: 1.25}
    assert (required, len(asked)) == ([4], 2), "nothing is left to compute"
    assert computed(4) == {0: 0.5, 1: 1.25, 2: 9.0, 3: 13.0}
    assert len(asked) == 2, "the journal beside out holds these rows"
    assert computed(1, seed=8) == {0: 1.0}

    def run(work, items, journal, workers, scheduler, progress):
        assert (journal, workers, scheduler, progress) == (tmp_path / "out.parquet.journal", 5, "tcp://x", print)
        return {key: work(item) for key, item in items}

    del required[:]
    monkeypatch.setattr(computed_rows.executor, "run", run)
    assert computed(2, seed=9, workers=5, scheduler="tcp://x", progress=print) == {0: 1.0, 1: 5.0}
    assert required == [], "the scheduler's machines compute"


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
    same = {"3": result(0.0)}
    assert computed_rows.agreement(same, {"3": result(1e-3)}, 1.0)["ok"]  # a thousandth is close enough
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
                fold([file], tmp_path / "data.parquet")


def test_the_largest_disagreement_of_rows_computed_anew_has_either_sign():
    old = {"3": {"gap": 1.0, "direct": 2.0, "energy": 0.0}, "5": {"gap": 1.5, "direct": 2.5, "energy": 0.1}}
    new = {
        "3": {"gap": 0.998, "direct": 2.0005, "energy": 0.0, "cpu_s": 2.0, "fail": None},
        "5": {"gap": 1.501, "direct": 2.5, "energy": 0.1, "cpu_s": 4.0, "fail": None},
    }
    said = computed_rows.agreement(old, new, 1.25)
    assert said["gap"] == pytest.approx({"mean": -0.0005, "sd": 0.0015, "max": 0.002})
    assert (said["ok"], said["failed"], said["cpu_s"]) == (False, [], 3.0)
    new["3"]["gap"] = 1.0005
    new["5"]["gap"] = 1.4995
    assert computed_rows.agreement(old, new, 1.25)["ok"]
