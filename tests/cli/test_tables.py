"""All commands read tables with the same reader: with its options and the table's own names, or with an error."""

import json

import numpy as np
import pandas as pd
import pytest

import ipage_core as ipage
from ipage_core.cli.main import main
from ipage_core.inference import methods
from ipage_core.tasks.export import files
from ipage_core.tasks.table import own_data
from tests.tasks.table.test_own_data import table


def run(capsys, *arguments):
    code = main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A user's table whose file has a decimal comma, and models of one epoch."""
    folder = tmp_path_factory.mktemp("own")
    frame = table().rename(columns={"b": "Water", "angle": "Water content"}).round(4)
    frame.to_csv(folder / "gaps.csv", index=False, sep=";", decimal=",", encoding="cp1252")
    arguments = ["--x", "a,Water,Water content", "--y", "gap", "--bounds", "Water=-2:2", "--units", "Water=g"]
    arguments += ["--epochs", "1", "--size", "small", "--out", folder / "model"]
    assert main(["train", "--data", str(folder / "gaps.csv"), *map(str, arguments)]) == 0
    return folder / "model"


def test_training_says_what_it_guessed_and_takes_short_names(folder):
    card = own_data.read_card(folder)
    assert [c["name"] for c in card["x"]] == ["a (Å)", "Water", "Water content"]
    assert [c["label"] for c in card["x"]] == ["a [Å]", "Water [g]", "Water content"]
    assert (card["x"][1]["low"], card["x"][1]["high"]) == (-2.0, 2.0)


def test_numbers_typed_beside_a_table_with_decimal_commas_are_said(folder, tmp_path, capsys):
    assert own_data.read_card(folder)["decimal"] == ","
    design = ["design", "--model", folder, "--n", 2, "--out", tmp_path / "o.csv"]
    code, _, err = run(capsys, *design, "--goal", "gap<=20.000", "--constrain", "Water<=1.000")
    assert code == 0
    assert err.startswith("'20.000' is read as 20, '1.000' is read as 1: what is typed has a decimal point, the table")
    assert "is read as" not in run(capsys, *design, "--goal", "gap<=20")[2]
    code, _, err = run(capsys, *design, "--goal", "gap<=20", "--constrain", "Water<=0,5")
    assert code == 2
    assert "constraint 'Water<=0,5' is not understood" in err
    assert "numbers have a decimal point, and nothing between thousands" in err
    code, _, err = run(capsys, *design, "--target", "0,5")
    assert code == 2
    assert "a comma separates properties, numbers have a decimal point" in err
    ipage.load(folder, folder).design({"gap": "<=20.000"}, n=2, constraints=["Water<=1.000"])
    assert "'20.000' is read as 20, '1.000' is read as 1:" in capsys.readouterr().err


def test_fewer_designs_to_measure_than_asked_are_explained(folder, tmp_path, capsys):
    asked = ["--n", 6, "--out", tmp_path / "o.csv", "--to-measure", tmp_path / "m.csv", "--measure", 9]
    code, _, err = run(capsys, "design", "--model", folder, "--target", 0.5, *asked)
    assert code == 0
    assert "m.csv has 6 of 9 designs: there are only 6 candidates. A larger --n brings more candidates." in err
    grid = pd.DataFrame([(a, b, a * b + 0.1 * (a - b)) for a in range(1, 13) for b in range(1, 6)], columns=list("aby"))
    grid.to_csv(tmp_path / "grid.csv", index=False)
    train = ["--data", tmp_path / "grid.csv", "--x", "a,b", "--y", "y", "--epochs", 1, "--size", "small"]
    assert run(capsys, "train", *train, "--out", tmp_path / "whole")[0] == 0
    code, _, err = run(capsys, "design", "--model", tmp_path / "whole", "--target", 8, *asked)
    assert code == 0
    assert code == 0, err
    assert "m.csv has 0 of 9 designs: the other 6 candidates repeat these, within 0.01 box widths, or measured" in err


@pytest.mark.parametrize("option", ["--out", "--to-measure"])
def test_the_table_that_was_learned_from_is_not_replaced_unless_forced(folder, tmp_path, capsys, option):
    mine = tmp_path / "gaps.csv"
    mine.write_text("rows")
    design = ["design", "--model", folder, "--target", 0.5, "--n", 2, "--out", tmp_path / "o.csv", option, mine]
    code, _, err = run(capsys, *design)
    assert (code, mine.read_text()) == (2, "rows")
    assert f"{option} {mine} has the name of a table that model learned from; accepted: another name, or --force" in err
    assert run(capsys, *design, "--force")[0] == 0
    assert mine.read_text() != "rows"


def test_predict_and_python_do_not_replace_it_either(folder, tmp_path, capsys):
    mine, designs = tmp_path / "gaps.csv", tmp_path / "x.csv"
    mine.write_text("rows")
    designs.write_text("a (Å),Water,Water content\n3.25,0.5,90.5\n")
    code, _, err = run(capsys, "predict", "--model", folder, designs, "--out", mine)
    assert code == 2
    assert "learned from; accepted: another name" in err
    with pytest.raises(ValueError, match="has the name of a table that model learned from: choose another"):
        ipage.load(folder, folder).design(0.5, n=2).export("csv", mine)
    assert mine.read_text() == "rows"


def test_a_file_of_the_task_is_never_replaced(folder, capsys):
    card = (folder / "task.json").read_text()
    design = ["design", "--model", folder, "--target", 0.5, "--n", 2, "--out", folder / "task.json", "--force"]
    code, _, err = run(capsys, *design)
    assert code == 2
    assert "is a file of the task model; accepted: another name" in err
    assert (folder / "task.json").read_text() == card


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--decimal", "x"], "The decimal mark 'x' is not accepted: '.' or ','"),
        (["--separator", "ab"], "The separator 'ab' is not accepted"),
        (["--encoding", "klingon"], "The encoding 'klingon' is not known"),
        (["--missing", "3.5"], None),
        (["--separator", ";", "--decimal", ",", "--encoding", "cp1252"], None),
    ],
)
def test_every_command_has_the_readers_options(folder, tmp_path, capsys, options, words):
    frame = pd.DataFrame({"a (Å)": [3.25, 3.75], "Water": [0.5, -0.5], "Water content": [90.5, 89.5]})
    frame.to_csv(tmp_path / "x.csv", index=False, sep=";", decimal=",", encoding="cp1252")
    design = ["design", "--model", folder, "--target", 0.5, "--n", 2, "--seed-design", tmp_path / "x.csv"]
    for command in (["predict", "--model", folder, tmp_path / "x.csv"], design):
        code, _, err = run(capsys, *command, *options, "--out", tmp_path / "o.csv")
        assert (code, len(list(tmp_path.glob("o.csv")))) == ((2, 0) if words else (0, 1)), err
        assert (words or "") in err
        (tmp_path / "o.csv").unlink(missing_ok=True)


def test_predict_takes_the_tables_own_names(folder, tmp_path, capsys):
    frame = pd.DataFrame({"Water content": [90.5, 89.5], "a (Å)": [3.25, 3.75], "Water": [0.5, -0.5], "note": "x"})
    frame.to_excel(tmp_path / "x.xlsx", index=False)
    numbered = pd.DataFrame({"x1": frame["a (Å)"], "x2": frame["Water"], "x3": frame["Water content"]})
    numbered.to_csv(tmp_path / "n.csv", index=False)
    for name in ("x.xlsx", "n.csv"):
        assert run(capsys, "predict", "--model", folder, tmp_path / name, "--out", tmp_path / f"{name}.csv")[0] == 0
    own, by_place = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("x.xlsx", "n.csv"))
    np.testing.assert_array_equal(own["surrogate1"], by_place["surrogate1"])
    assert list(own)[:4] == list(frame)


def test_targets_and_constraints_take_the_tables_own_names(folder, tmp_path, capsys):
    (tmp_path / "t.csv").write_text("gap [eV]\n0,25\n0,5\n")
    code, out, err = run(
        capsys, "design", "--model", folder, "--targets", tmp_path / "t.csv", "--n", 3, "--out", tmp_path / "s.csv",
        "--separator", ";", "--constrain", "Water<=0.125", "--constrain", "Water content>=85",
    )  # fmt: skip
    assert code == 0, err
    assert json.loads(out.splitlines()[-1])["n"] == 6
    found = pd.read_csv(tmp_path / "s.csv").query("stage == 'localized'")
    assert sorted(set(found["target1"])) == [0.25, 0.5]
    assert found["x2"].max() <= 0.125 + 1e-9
    assert found["x3"].min() >= 85 - 1e-9
    code, _, err = run(capsys, "design", "--model", folder, "--target", 0.5, "--out", tmp_path / "s.csv",
                       "--constrain", "water c=1")  # fmt: skip
    assert code == 2
    assert "is not understood" in err


HUGE = "9" * 400


@pytest.mark.parametrize("command", ["verify", "predict", "export", "--targets", "--seed-design"])
@pytest.mark.parametrize(
    "content",
    [
        f"sample,x1,x2,x3,x4,x5,x6,y1\n0,{HUGE},4,4,90,90,90,{HUGE}\n",
        "sample,x1,x2,x3,x4,x5,x6,y1\n0,1e308,4,4,90,90,90,\n",
        "sample,x1,x2,x3,x4,x5,x6,y1\n0,0.395,0.395,0.395,90,90,90,<1\n",
    ],
)
def test_what_no_design_can_be_is_one_sentence_for_each(tmp_path, capsys, monkeypatch, command, content):
    def load(task, name, device, models=None):
        return methods.Loaded(name, None, lambda x: x, device)

    monkeypatch.setattr(methods, "load", load)
    (tmp_path / "x.csv").write_text(content)
    path = tmp_path / "x.csv"
    arguments = {
        "verify": ["verify", "crystal", path],
        "predict": ["predict", "crystal", path],
        "export": ["export", "crystal", path, "--format", "cif"],
        "--targets": ["design", "crystal", "--targets", path],
        "--seed-design": ["design", "crystal", "--target", 0.5, "--seed-design", path],
    }[command]
    code, _, err = run(capsys, *arguments, "--out", tmp_path / "o.csv")
    assert code == 2
    assert len(err.splitlines()) == 1
    assert "row 2: " in err
    assert "accepted: " in err
    assert [p.name for p in tmp_path.iterdir()] == ["x.csv"]


@pytest.mark.parametrize(
    ("units", "factors"),
    [
        (("nm", "deg"), (10.0, 1.0)),
        (("Å", "°"), (1.0, 1.0)),
        (("pm", "rad"), (0.01, 180 / np.pi)),
        (("bohr", "degrees"), (0.529177210544, 1.0)),
        (("", ""), (1.0, 1.0)),
    ],
)
def test_structure_files_are_in_angstrom_and_degrees(tmp_path, units, factors):
    task, cell = lattice(tmp_path, units, factors)
    x = [v / f for v, f in zip(cell, [factors[0]] * 3 + [factors[1]] * 3, strict=True)]
    frame = pd.DataFrame([[0, *x]], columns=["sample", *(f"x{k + 1}" for k in range(6))])
    (content,) = files(task, "cif", frame).values()
    written = [float(line.split()[1]) for line in content.decode().splitlines() if line.startswith("_cell")]
    np.testing.assert_allclose(written, cell, rtol=1e-9)


@pytest.mark.parametrize(
    ("units", "factors", "words"),
    [
        (("inch", "deg"), (1.0, 1.0), "The unit 'inch' of a is not known for structure files; accepted: å"),
        (("Å", "gon"), (1.0, 1.0), "The unit 'gon' of alpha is not known"),
        (("", ""), (10.0, 1.0), "a has no unit, and with at most 0.4"),
        (("Å", ""), (1.0, 180 / np.pi), "alpha has no unit"),
    ],
)
def test_an_unknown_unit_makes_no_structure_file(tmp_path, units, factors, words):
    task, _ = lattice(tmp_path, units, factors)
    frame = pd.DataFrame([[0, *task.bounds.mean(0).tolist()]], columns=["sample", *(f"x{k + 1}" for k in range(6))])
    with pytest.raises(ValueError, match=words):
        files(task, "cif", frame)


def lattice(folder, units, factors):
    """Cells around 4 Å and 90° as a task in other units, and one of them in Å and degrees."""
    rng = np.random.default_rng(0)
    cells = np.concatenate((rng.uniform(3.6, 4.2, (80, 3)), rng.uniform(85, 95, (80, 3))), axis=1)
    names = ["a", "b", "c", "alpha", "beta", "gamma"]
    columns = [f"{name} ({units[k > 2]})" if units[k > 2] else name for k, name in enumerate(names)]
    frame = pd.DataFrame(cells / np.repeat(factors, 3), columns=columns).assign(gap=rng.random(80))
    return own_data.create(folder / "t", frame, columns, ["gap"], source="t"), cells[0]


def test_a_file_that_is_no_table_is_named_as_it_is_called(tmp_path, capsys):
    (tmp_path / "my.cif").write_text("data_x\n_cell_length_a 5.4\n_cell_length_b 5.4\n_cell_length_c 5.4\n")
    code = main(["verify", "sinewave", str(tmp_path / "my.cif"), "--out", str(tmp_path / "v.csv")])
    assert code == 2
    told = capsys.readouterr().err
    assert "my.cif is not a readable CSV table" in told
    assert "my.cif.csv" not in told
