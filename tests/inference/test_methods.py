"""Former names of methods, and models of earlier versions."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ipage_core.cli.main import main
from ipage_core.inference import methods
from ipage_core.inference.lookup import Lookup
from ipage_core.inference.methods import METHODS, Method, Prior, folder, load, named
from ipage_core.networks import networks_of
from ipage_core.networks.store import ModelUnavailable, load_model, save_model
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
    cards = {path: json.loads(path.read_text())["arguments"] for path in PRETRAINED.glob("*/inn.json")}
    carried = {path: arguments["surrogate"] for path, arguments in cards.items() if "surrogate" in arguments}
    assert carried
    for path, surrogate in carried.items():
        mlp = json.loads(path.with_name("mlp.json").read_text())
        own = {key: value for key, value in mlp["arguments"].items() if key not in ("d", "m")}
        assert surrogate == {"model": mlp["model"]} | own


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


def test_every_method_descends_the_weights_of_the_best_epoch():
    shipped = {name: row for name, row in METHODS.items() if "@" not in name}  # not a trained task's own
    descended = {name: row.surrogate or row.searched for name, row in shipped.items()}
    assert {name: part[1] for name, part in descended.items() if part} == dict.fromkeys(
        ("ipage", "ipage-cinn", "ipage-paper", "na", "na-surrogate", "na-published", "prior-lm"), "phi_star"
    )


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


@pytest.fixture
def added():
    """Add methods while a test runs."""
    yield lambda **rows: METHODS.extend("test", rows)
    METHODS.extend("test", {})


def test_models_are_those_of_the_method_else_of_the_task_else_those_that_ship(added):
    added(mine=Method("Mine: x", None, None, folder=Path("of the method")), plain=Method("Plain: x", None, None))
    trained = replace(SINEWAVE, models_folder=Path("of the task"))
    assert folder(trained, "mine") == Path("of the method")
    assert folder(trained, "plain") == folder(trained, "ipage-mlp") == Path("of the task")
    assert folder(SINEWAVE, "plain") == PRETRAINED / "sinewave"


def test_a_method_of_one_task_is_not_known_to_others(added):
    added(ours=Method("Ours: x", None, None, task="sinewave"))
    assert isinstance(load("sinewave", "ours").proposal, Prior)
    for task, method in (("ballistics", "ours"), ("sinewave", "theirs")):
        with pytest.raises(ValueError, match=f"method '{method}' is not known; accepted: ") as refused:
            load(task, method)
        accepted = str(refused.value).partition("accepted: ")[2].split(", ")
        assert ("ours" in accepted) == (task == "sinewave")
        assert set(accepted) - {"ours"} == {name for name, row in METHODS.items() if row.task is None}
    with pytest.raises(ValueError, match="task 'cosine' is not known; accepted: sinewave, "):
        load("cosine", "ipage")


def test_a_label_is_what_stands_before_the_colon_and_models_come_once():
    assert Method("A (control): b: c", None, None).label == "A (control)"
    twice = Method("t", ("cinn", "phi"), ("mlp", "phi_star"), ("cinn", "phi"))
    assert twice.models == twice.trained == ("cinn", "mlp")
    assert METHODS["ipage"].trained == ("mlp", "inn")  # the INN carries the surrogate


def test_a_task_of_data_stays_on_the_processor_of_a_mac():
    """Its Gaussian processes need float64."""
    data = replace(SINEWAVE, omega=None, stored=lambda: (torch.zeros(3, 2), torch.zeros(3, 1)))
    for task, device, expected in ((data, "mps", "cpu"), (data, "cuda", "cuda"), (SINEWAVE, "mps", "mps")):
        found = load(task, "lookup", device)
        assert found.device.type == expected
        assert isinstance(found.proposal, Lookup)


def test_models_are_looked_for_in_the_given_folder_then_below_the_root(tmp_path):
    build, arguments = SMALL["mlp"]
    card = {"task": "sinewave", "name": "mlp", "model": "mlp", "arguments": arguments}
    networks = {}
    for seed, place in enumerate((tmp_path / "models", tmp_path / "root" / "sinewave")):
        torch.manual_seed(seed)
        networks[place] = build(**arguments).eval()
        save_model(place, "mlp", {"phi_star": networks[place].state_dict()}, card)
    x = SINEWAVE.sample_prior(20, torch.Generator().manual_seed(0)).float()
    given, below = networks
    both = load("sinewave", "prior-lm", root=tmp_path / "root", models=given)
    assert torch.equal(both.surrogate(x), networks[given](x))
    assert torch.equal(load("sinewave", "prior-lm", root=tmp_path / "root").surrogate(x), networks[below](x))
    assert isinstance(both.proposal, Prior)
    assert list(both.cards) == ["mlp"]
    with pytest.raises(ModelUnavailable, match="make it anew with: python -m ipage_core train sinewave --method"):
        load("sinewave", "prior-lm", root=tmp_path)


def test_the_descents_on_ipage_s_surrogate_are_on_that_of_the_control():
    x = TASKS["sinewave"].sample_prior(20, torch.Generator().manual_seed(0)).float()
    with torch.no_grad():
        on = load("sinewave", "na-surrogate").proposal.network(x)
        assert torch.equal(on, load("sinewave", "prior-lm").surrogate(x))


def test_draws_of_the_prior_depend_on_all_latent_points():
    prior, z = Prior(TASKS["sinewave"]), torch.zeros(3, 1)
    other = z.clone()
    other[2] = 1.0
    y_star = torch.full((3, 1), 1.2)
    assert torch.equal(prior.sample(y_star, z), prior.sample(y_star, z.clone()))
    assert not torch.equal(prior.sample(y_star, z)[0], prior.sample(y_star, other)[0])
