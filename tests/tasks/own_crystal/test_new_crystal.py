"""``new DIR --crystal``: from a structure file to a problem whose Ω is a calculator."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.io import write

from ipage_core import registry
from ipage_core.cli.main import main
from ipage_core.runtime.executor import Progress
from ipage_core.tasks.command import card as cards
from ipage_core.tasks.command import evaluate
from ipage_core.tasks.command.call import work
from ipage_core.tasks.own_crystal import card, operator
from ipage_core.tasks.own_crystal.network import SymmetricEnsemble
from ipage_core.training.recipes import recipe

pytest.importorskip("spglib")


@pytest.fixture
def cif(tmp_path, monkeypatch):
    monkeypatch.setenv("IPAGE_HOME", str(tmp_path / "home"))
    write(tmp_path / "cu.cif", bulk("Cu", "fcc", a=3.6))
    return tmp_path / "cu.cif"


def made(folder, cif, *more):
    line = ["new", str(folder), "--crystal", str(cif), "--calculator", "emt", "--strain", "3%", "--test", "0"]
    return main([*line, *more])


def test_a_structure_file_becomes_a_task_with_its_symmetry(cif, tmp_path, capsys):
    assert made(tmp_path / "cu", cif, "--y", "energy,pressure", "--relax", "--kicks", "1") in (0, None)
    told = capsys.readouterr()
    assert "Fm-3m (225), 24 images" in told.err
    assert json.loads(told.out)["name"] == "cu"
    task = registry.load_folder(tmp_path / "cu")
    assert [v.name for v in task.variables] == ["e11", "e22", "e33", "e23", "e13", "e12"]
    assert task.bounds[1].tolist() == pytest.approx([0.03] * 3 + [0.02] * 3)
    assert task.images(np.zeros((2, 6))).shape == (2, 24, 6)
    assert task.export_formats == ("cif", "poscar", "extxyz")
    network, arguments, _ = recipe(task, "mlp")
    assert isinstance(task.networks()[network](**arguments), SymmetricEnsemble)
    assert card.read(tmp_path / "cu").reference_energy is not None
    draws = task.sample_prior(5, torch.Generator().manual_seed(0))
    assert task.in_bounds(draws).all()


@pytest.mark.slow
def test_its_calculator_is_omega_and_leaves_the_atoms_at_rest(cif, tmp_path):
    folder = tmp_path / "cu"
    made(folder, cif, "--y", "energy,pressure")
    assert main(["dataset", str(folder), "--n", "4"]) in (0, None)
    assert len(list((folder / "structures").iterdir())) == 4
    x, y = registry.load_folder(folder).omega(torch.zeros(1, 6, dtype=torch.float64)), card.read(folder)
    assert x[0, 0] == pytest.approx(0, abs=1e-9)
    assert y.calculator == "emt"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--x", "a=0:1"], "takes none of --x"),
        (["--y", "hardness"], "not known"),
        (["--y", "gap"], "has no eigenvalues"),
        (["--strain", "lots"], "--strain lots"),
        (["--calculator", "vasp"], "accepted: gpaw"),
    ],
)
def test_what_cannot_be_leaves_no_folder(cif, tmp_path, capsys, more, why):
    assert made(tmp_path / "cu", cif, *more) == 2
    assert why in capsys.readouterr().err
    assert not (tmp_path / "cu").exists()


def test_lengths_in_nm_are_refused_before_anything_is_computed(tmp_path, capsys):
    small = bulk("MgO", "rocksalt", a=0.42)
    write(tmp_path / "nm.cif", small)
    asked = ["new", str(tmp_path / "p"), "--crystal", str(tmp_path / "nm.cif"), "--calculator", "emt", "--strain", "4%"]
    assert main([*asked, "--y", "energy"]) == 2
    assert "leaves 0.0093 Å³ for an atom; accepted: at least 2. Are its lengths in nm" in capsys.readouterr().err
    assert not (tmp_path / "p").exists()


def test_a_calculator_needs_a_crystal(cif, tmp_path, capsys):
    assert main(["new", str(tmp_path / "p"), "--calculator", "emt"]) == 2
    assert "needs --crystal" in capsys.readouterr().err


def test_a_worker_without_the_folder_computes_and_brings_the_structure_back(cif, tmp_path, monkeypatch):
    folder = tmp_path / "cu"
    made(folder, cif, "--y", "energy,pressure")
    problem = cards.read(folder)
    (key, argument), *_ = evaluate.items(
        folder, replace(problem, scheduler="tcp://127.0.0.1:1"), np.zeros((1, 6)), "", ""
    )
    folder.rename(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    result = work(json.loads(json.dumps(argument)))
    assert result["error"] == [""]
    assert result["y"][0][0] == pytest.approx(0, abs=1e-9)
    assert not folder.exists()
    (tmp_path / "elsewhere").rename(folder)

    def on_dask(work_, items, journal, *, progress, **where):
        progress(Progress(1, 1, 0.0, key, result))
        return {}

    monkeypatch.setattr(evaluate.executor, "run", on_dask)
    evaluate.evaluate(folder, problem, np.zeros((1, 6)), scheduler="tcp://127.0.0.1:1")
    assert operator.kept(folder, np.zeros(6)).get_potential_energy() == pytest.approx(
        len(card.read(folder).symbols) * card.read(folder).reference_energy
    )
