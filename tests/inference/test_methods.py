"""Methods by the names that they had, and models of earlier programs."""

import json

import pytest
import torch

from ipage_core.cli.main import main
from ipage_core.inference import methods
from ipage_core.inference.methods import METHODS, load, named
from ipage_core.networks.store import save_model
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
