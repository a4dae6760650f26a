"""A surrogate learns from new results of Ω: it gets better there, and the shipped model stays as it is."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from ipage_core.cli.main import main
from ipage_core.inference.methods import load
from ipage_core.networks.store import sha256
from ipage_core.runtime.paths import PRETRAINED
from ipage_core.tasks import TASKS
from ipage_core.tasks.cells.modulus import E_X_SD
from ipage_core.training.learn import learn, new_rows
from tests.support.browser import ROOT

pytestmark = pytest.mark.skipif(
    not (PRETRAINED / "crystal/inn.safetensors").exists(), reason="no trained networks in pretrained/"
)
TASK = TASKS["crystal"]


@pytest.fixture(scope="module")
def results():
    """Twelve lattices with gaps 0.2 eV above the ensemble's."""
    x = TASK.sample_prior(12, torch.Generator().manual_seed(7))
    with torch.no_grad():
        gap = load(TASK, "ipage").surrogate(x.float()).double() + 0.2
    return x, torch.cat((gap, gap + 0.1, torch.ones_like(gap)), dim=1)


@pytest.fixture(scope="module")
def learned(results, tmp_path_factory):
    out = tmp_path_factory.mktemp("learned") / "model"
    before = {path.name: sha256(path) for path in (PRETRAINED / "crystal").glob("*.safetensors")}
    card = learn(TASK, *results, out, epochs=3)
    assert {path.name: sha256(path) for path in (PRETRAINED / "crystal").glob("*.safetensors")} == before
    return card, out


def test_it_is_better_on_what_it_has_learned_and_has_a_hash_of_its_own(learned):
    card, _ = learned
    assert card["learned"]["new"] == 12
    assert card["learned"]["mae_before"] == pytest.approx(0.2, abs=0.01)
    assert card["learned"]["mae_after"] < 0.75 * card["learned"]["mae_before"]
    assert card["learned"]["from"] == json.loads((PRETRAINED / "crystal/mlp.json").read_text())["sha256"]
    assert card["sha256"] != card["learned"]["from"]


def test_the_posterior_is_that_of_before_and_the_surrogate_is_the_new_one(learned, results):
    _, out = learned
    old, new = load(TASK, "ipage"), load(TASK, "ipage", models=out)
    y_star, z = torch.full((8, 1), 0.5), torch.linspace(-1, 1, 8)[:, None].expand(-1, old.proposal.latent_dim)
    with torch.no_grad():
        assert torch.allclose(old.proposal.sample(y_star, z), new.proposal.sample(y_star, z), atol=1e-5)
        x = results[0].float()
        assert (new.surrogate(x) - old.surrogate(x)).abs().mean() > 0.03
        assert torch.allclose(
            new.surrogate(x), load(TASK, "ipage-cinn", models=_with_cinn(out)).surrogate(x), atol=1e-4
        )


def _with_cinn(out: Path) -> Path:
    """The folder with the shipped cINN beside the new surrogate."""
    for ending in ("json", "safetensors"):
        target = out / f"cinn.{ending}"
        if not target.exists():
            target.write_bytes((PRETRAINED / f"crystal/cinn.{ending}").read_bytes())
    return out


def test_known_failed_and_repeated_results_are_left_out(results):
    x, y = results
    stored_x, stored_y = TASK.stored()
    failed = y.clone()
    failed[0, 0] = torch.nan
    kept, _ = new_rows(TASK, torch.cat((stored_x[:3], x, x)), torch.cat((stored_y[:3], failed, failed)))
    assert torch.equal(kept, x[1:])


def test_designs_without_results_are_refused_in_one_line(tmp_path):
    out, model = tmp_path / "d.csv", tmp_path / "m"
    assert main(["design", "crystal", "--target", "1", "--n", "3", "--out", str(out)]) == 0
    command = [sys.executable, "-m", "ipage_core", "learn", "crystal", str(out), "--out", str(model)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)  # in this process torch warns once
    assert said.returncode == 2
    assert len(said.stderr.splitlines()) == 1, said.stderr
    assert not model.exists()


def test_from_the_command_line(results, tmp_path, capsys):
    x, y = results
    columns = {f"x{j + 1}": column for j, column in enumerate(x.numpy().T)} | {"y1": y[:, 0]}
    pd.DataFrame(columns).to_csv(tmp_path / "few.csv", index=False)
    assert main(["learn", "crystal", str(tmp_path / "few.csv"), "--out", str(tmp_path / "m")]) == 2
    assert "lacks the column 'direct PBE gap" in capsys.readouterr().err
    frame = pd.DataFrame(columns | dict(zip(TASK.property_labels[1:], y[:, 1:].numpy().T, strict=True)))
    frame.to_csv(tmp_path / "v.csv", index=False)
    words = ["learn", "crystal", str(tmp_path / "v.csv"), "--out", str(tmp_path / "m"), "--epochs", "1"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["new"] == 12
    assert main(words) == 2, "it does not write over a model"
    assert "holds a model already" in capsys.readouterr().err
    assert main(["learn", "sinewave", str(tmp_path / "v.csv"), "--out", str(tmp_path / "n")]) == 2


def test_silicon_learns_gaps_and_keeps_what_it_knows_of_band_edges(tmp_path):
    task = TASKS["silicon"]
    old = load(task, "ipage").surrogate
    x = task.sample_prior(12, torch.Generator().manual_seed(7))
    with torch.no_grad():
        properties, edges = old.properties(x.float()).double(), old.members(x.float())[1].mean(0)
    y = torch.cat((properties + torch.tensor([0.02, 0.0, 0.0, 0.0]), torch.ones(12, 1)), dim=1)
    card = learn(task, x, y, tmp_path / "m")
    assert card["learned"]["mae_before"] == pytest.approx(0.02, abs=1e-3)
    assert card["learned"]["mae_after"] < 0.9 * card["learned"]["mae_before"]
    new = load(task, "ipage", models=tmp_path / "m").surrogate
    with torch.no_grad():
        assert (new.members(x.float())[1].mean(0) - edges).abs().max() < 0.1, "the valley's number became a band edge"


def test_cells_learn_both_moduli_from_a_few_old_rows(tmp_path, monkeypatch):
    task = TASKS["architecture"]
    old_x = (torch.rand(40, 1024, generator=torch.Generator().manual_seed(1)) > 0.3).to(torch.uint8)
    small = replace(
        task,
        stored=lambda: (old_x, task.omega(old_x.double())[:, :1]),
        training_pairs=lambda model, surrogate: (old_x, task.taught(task.omega(old_x.double())), {"from": "here"}),
    )
    x = (torch.rand(6, 1024, generator=torch.Generator().manual_seed(2)) > 0.4).double()
    y = task.omega(x)
    assert len(new_rows(small, torch.cat((old_x[:2].double(), x, x)), torch.cat((y[:2], y, y)))[0]) == 6
    pairs = task.taught(y)
    assert torch.allclose(pairs[:, 1], task.omega(x.view(-1, 32, 32).transpose(1, 2).flatten(1))[:, 0], atol=1e-9)
    monkeypatch.setattr("ipage_core.training.learn.MOST_OLD", 20)
    y[:, 0], y[:, 2] = y[:, 0] - 0.4, y[:, 2] - 0.4 * E_X_SD  # as if finite elements said less
    card = learn(small, x, y, tmp_path / "m", epochs=20)
    assert (card["learned"]["new"], card["data"]["n"], card["data"]["learned_again"]) == (6, 46, 20)
    assert card["learned"]["mae_after"] < card["learned"]["mae_before"]
