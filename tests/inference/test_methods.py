"""Former names of methods, and models of earlier versions."""

import json
import os

import pytest
import torch

from ipage_core.cli.main import main
from ipage_core.inference import methods
from ipage_core.inference.methods import METHODS, load, named
from ipage_core.networks import networks_of
from ipage_core.networks.store import load_model, save_model
from ipage_core.runtime.paths import PRETRAINED
from ipage_core.tasks import TASKS
from ipage_core.training.fit import Settings, fit
from tests.support.models import SINEWAVE, SMALL


@pytest.fixture
def unsaid():
    methods.say_former.cache_clear()


def test_a_former_name_works_and_says_so_once(unsaid, capsys):
    assert named("ipage-mlp") == named("ipage-mlp") == "ipage"
    assert named("ipage-mlp@run") == "ipage@run"
    assert named("ipage") == "ipage"
    said = capsys.readouterr().err
    assert said.count("ipage-mlp") == 1
    assert "'ipage' now" in said
    assert "ipage-mlp" not in METHODS


def test_the_command_line_takes_a_former_name(unsaid, tmp_path, capsys):
    for method in ("ipage-mlp", "ipage"):
        arguments = ["design", "sinewave", "--target", "0.4", "--n", "5", "--method", method, "--device", "cpu"]
        assert main([*arguments, "--out", str(tmp_path / f"{method}.csv")]) == 0
    assert capsys.readouterr().err.count("'ipage-mlp' is 'ipage' now") == 1
    assert (tmp_path / "ipage-mlp.csv").read_bytes() == (tmp_path / "ipage.csv").read_bytes()


@pytest.mark.parametrize("task", TASKS)
def test_ipage_localizes_on_the_separate_surrogate(task):
    ipage, control = (load(task, method).surrogate for method in ("ipage", "prior-lm"))
    low, high = TASKS[task].bounds.float()
    x = low + (high - low) * torch.rand(20, len(low), generator=torch.Generator().manual_seed(0))
    assert torch.equal(ipage(x), control(x))


def test_models_of_an_earlier_program_localize_on_the_surrogate_beside_them(tmp_path):
    x = SINEWAVE.sample_prior(200, torch.Generator().manual_seed(0))
    for name in ("inn", "mlp"):
        build, arguments = SMALL[name]
        run = fit(build, arguments, x, SINEWAVE.omega(x), Settings(epochs=1, batch=100))
        card = {"task": "sinewave", "name": name, "model": name, "arguments": arguments, "held_out": {"by": name}}
        save_model(tmp_path, name, run.weight_sets, card)
    found, control = (load("sinewave", method, models=tmp_path) for method in ("ipage", "prior-lm"))
    assert torch.equal(found.surrogate(x.float()), control.surrogate(x.float()))
    assert found.cards["inn"]["held_out"] == {"by": "mlp"}
    (tmp_path / "mlp.json").unlink()
    alone = load("sinewave", "ipage", models=tmp_path)
    assert not torch.equal(alone.surrogate(x.float()), control.surrogate(x.float()))


def test_the_inn_that_ships_says_whose_surrogate_it_carries():
    for path in PRETRAINED.glob("*/inn.json"):
        card, mlp = json.loads(path.read_text()), json.loads(path.with_name("mlp.json").read_text())
        if "surrogate" in card["arguments"]:
            assert card["arguments"]["surrogate"] == {"model": mlp["model"]} | {
                key: value for key, value in mlp["arguments"].items() if key not in ("d", "m")
            }


@pytest.fixture
def two_weight_sets(tmp_path):
    """A surrogate and an INN of the sine wave whose φ and φ* differ strongly; and the network with φ*."""
    torch.manual_seed(0)
    for name in ("mlp", "inn"):
        build, arguments = SMALL[name]
        modules = {word: build(**arguments) for word in ("phi", "phi_star")}
        sets = {word: module.state_dict() for word, module in modules.items() if name == "inn" or word == "phi_star"}
        if name == "mlp":
            assert build.weight_sets == ("phi_star",)
        card = {"task": "sinewave", "name": name, "model": name, "arguments": arguments}
        save_model(tmp_path, name, sets, card)
    return tmp_path


def test_localization_descends_phi_star_and_proposals_come_from_phi(two_weight_sets):
    (two_weight_sets / "mlp.json").unlink()
    (two_weight_sets / "mlp.safetensors").unlink()
    both = load_model("sinewave", "inn", folder=two_weight_sets, networks=networks_of(SINEWAVE))[0]
    found = load("sinewave", "ipage", models=two_weight_sets)
    x = SINEWAVE.sample_prior(20, torch.Generator().manual_seed(0)).float()
    assert torch.equal(found.surrogate(x), both["phi_star"](x))
    assert not torch.equal(both["phi_star"](x), both["phi"](x))
    y, z = torch.full((20, 1), 1.2), torch.randn(20, 2)
    assert torch.equal(found.proposal.sample(y, z), both["phi"].sample(y, z))


def test_a_model_that_is_trained_anew_is_loaded_anew(tmp_path):
    x = SINEWAVE.sample_prior(20, torch.Generator().manual_seed(0)).float()
    build, arguments = SMALL["mlp"]
    card = {"task": "sinewave", "name": "mlp", "model": "mlp", "arguments": arguments}
    predicted = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        network = build(**arguments).eval()
        save_model(tmp_path, "mlp", {"phi_star": network.state_dict()}, card)
        written = 1_000_000_000 * (seed + 1)  # two files written within the clock's resolution look alike
        os.utime(tmp_path / "mlp.safetensors", ns=(written, written))
        found = load("sinewave", "prior-lm", models=tmp_path).surrogate(x)
        assert torch.equal(found, network(x))
        predicted.append(found)
    assert not torch.equal(*predicted)


def test_ipage_as_in_the_paper_localizes_on_its_own_network():
    paper, usual = load("sinewave", "ipage-paper"), load("sinewave", "ipage")
    x = SINEWAVE.sample_prior(20, torch.Generator().manual_seed(0)).float()
    networks = load_model("sinewave", "inn-paper", networks=networks_of(SINEWAVE))[0]
    assert torch.equal(paper.surrogate(x), networks["phi_star"](x))
    assert not torch.equal(paper.surrogate(x), usual.surrogate(x))
    assert paper.cards["inn-paper"]["settings"]["lambda_nll"] == 0.0
