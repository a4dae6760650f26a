"""What a card says of a training: seed, best epoch, accuracy, and the surrogate behind it."""

import pytest
import torch
from torch import Generator

from ipage_core.inference.calibration import Calibration
from ipage_core.networks.base import Network
from ipage_core.networks.ensemble import Ensemble
from ipage_core.networks.store import load_card, save_model
from ipage_core.tasks import TASKS
from ipage_core.training import calibrate, calibration, recipes
from ipage_core.training.choose import LeftOut, of_the_mean
from ipage_core.training.fit import Fit
from tests.support.models import SMALL

SINEWAVE = TASKS["sinewave"]


@pytest.fixture
def quick(monkeypatch):
    """Trainings of three epochs, of which the second is the best, on few pairs; → the seeds of all of them."""
    seeds = []

    def fit(build, arguments, x, y, settings, *, begin_from=None, **how):
        seeds.append((build.__name__, settings.seed))
        network = build(**arguments)
        network.fit_scales(x.float(), y.float())
        figures = ("nll",) if not hasattr(network, "surrogate") else ("l2", "nll")
        history = [
            {"epoch": k + 1, "epochs": 3, "loss_y": 1.0} | {f"validation_{name}": value for name in figures}
            for k, value in enumerate((3.0, 1.0, 2.0))
        ]
        return Fit({name: network.state_dict() for name in network.weight_sets}, history, 1.0)

    monkeypatch.setattr(recipes, "fit", fit)
    monkeypatch.setattr(recipes, "pairs", lambda task: task.pairs(400, 0))
    return seeds


def test_a_training_s_seed_is_that_of_its_surrogate_and_stands_on_both_cards(quick, tmp_path):
    recipes.train(SINEWAVE, "inn", tmp_path, size="small", seed=5)
    assert quick == [("MLP", 5), ("INN", 5)]
    for model in ("mlp", "inn"):
        card = load_card("sinewave", model, folder=tmp_path)
        assert card["settings"]["seed"] == 5
        assert card["command"].endswith("--size small --seed 5")


def test_a_surrogate_of_another_seed_is_trained_anew(quick, tmp_path):
    recipes.train(SINEWAVE, "mlp", tmp_path, size="small", seed=5)
    recipes.train(SINEWAVE, "inn", tmp_path, size="small", seed=5)
    assert quick == [("MLP", 5), ("INN", 5)]
    recipes.train(SINEWAVE, "inn", tmp_path, size="small", seed=6)
    assert quick[2:] == [("MLP", 6), ("INN", 6)]


def test_the_card_s_epoch_is_that_of_the_weights_that_are_used(quick, tmp_path):
    recipes.train(SINEWAVE, "inn", tmp_path, size="small")
    assert load_card("sinewave", "mlp", folder=tmp_path)["validation"]["epoch"] == 2  # φ*: the best
    inn = load_card("sinewave", "inn", folder=tmp_path)
    assert inn["weight_sets"] == ["phi"]
    assert inn["validation"]["epoch"] == 3  # φ: the last


def test_an_inn_keeps_the_calibration_of_its_surrogate(quick, tmp_path):
    recipes.train(SINEWAVE, "inn", tmp_path, size="small")
    surrogate, inn = (load_card("sinewave", model, folder=tmp_path) for model in ("mlp", "inn"))
    assert surrogate["calibration"]["rows"].startswith("40 random designs")
    assert inn["calibration"] == surrogate["calibration"]


def test_the_surrogate_of_a_folder_has_its_best_weights(tmp_path):
    build, arguments = SMALL["mlp"]
    networks = {name: build(**arguments) for name in ("phi", "phi_star")}
    card = {"task": "sinewave", "name": "mlp", "model": "mlp", "arguments": arguments}
    save_model(tmp_path, "mlp", {name: one.state_dict() for name, one in networks.items()}, card)
    x = torch.rand(5, 2)
    found = recipes.surrogate_in(SINEWAVE, tmp_path)(x)
    assert torch.equal(found, networks["phi_star"].eval()(x))
    assert not torch.equal(found, networks["phi"].eval()(x))


def test_what_judges_a_surrogate_judges_the_weights_that_methods_descend(monkeypatch, tmp_path):
    trained, judged = {}, []

    def fit(build, arguments, x, y, settings, **how):
        trained.update({name: build(**arguments) for name in build.weight_sets})
        for network in trained.values():
            network.fit_scales(x.float(), y.float())
        history = [{"epoch": 1, "epochs": 1, "loss_y": 1.0, "validation_l2": 1.0, "validation_nll": 1.0}]
        return Fit({name: network.state_dict() for name, network in trained.items()}, history, 1.0)

    monkeypatch.setattr(recipes, "fit", fit)
    monkeypatch.setattr(recipes, "pairs", lambda task: task.pairs(400, 0))
    for module in (recipes, calibrate):
        monkeypatch.setattr(module, "calibration", lambda task, surrogate, *rest: judged.append(surrogate))
    recipes.train(SINEWAVE, "inn-paper", tmp_path, size="small")
    with pytest.raises(ValueError, match="too few rows"):  # as no calibration came
        calibrate.calibrate(SINEWAVE, "inn-paper", tmp_path)
    x = torch.rand(5, 2)
    last, best = (trained[name].eval()(x) for name in ("phi", "phi_star"))
    assert [torch.equal(surrogate(x), best) for surrogate in judged] == [True, True]
    assert not torch.equal(last, best)


class Nothing(Network):
    """Predicts 0 with a spread of 1."""

    def forward(self, x):
        return torch.zeros(len(x), 1)

    def spread(self, x):
        return torch.ones(len(x), 1)


def test_accuracy_is_of_errors_against_the_variance_of_the_rows():
    y = torch.tensor([[-1.8], [-1.0], [0.5], [1.0], [1.8]], dtype=torch.float64)
    told = recipes.accuracy(Nothing(), torch.zeros(5, 2), y)
    variance = ((y - y.mean()) ** 2).mean().item()
    assert told["r2"][0] == pytest.approx(1 - (y**2).mean().item() / variance, abs=1e-5)
    assert told["mae"] == [pytest.approx(6.1 / 5)]
    assert told["largest_error"] == [1.8]
    assert told["covered"] == [0.6]  # ±1.645 holds three of five; ±1.96 would hold all
    assert told["error_per_spread"] == [pytest.approx((y**2).mean().sqrt().item(), rel=1e-2)]


def test_new_random_designs_of_a_calibration_are_none_of_the_training():
    seen = []

    class Seen(Nothing):
        def forward(self, x):
            seen.append(x.double())
            return super().forward(x)

    x, y = SINEWAVE.pairs(2000, 0)
    calibration.calibration(SINEWAVE, Seen(), x, y)
    (drawn,) = seen
    assert len(drawn) == 200
    assert torch.cdist(drawn, x).min() > 1e-6


def test_a_calibration_by_members_is_of_their_mean(monkeypatch):
    torch.manual_seed(0)
    network = Ensemble(d=2, m=1, members=4, hidden=8, layers=1, leave_out=True).eval()
    x = torch.rand(200, 2, dtype=torch.float64, generator=Generator().manual_seed(0))
    y = x.sum(1, keepdim=True)
    seen = {}
    monkeypatch.setattr(Calibration, "fitted", lambda predicted, spread, y, rows: seen.update(error=y - predicted))
    calibration.calibration(SINEWAVE, network, x, y)
    members = LeftOut(*network.left_out(x, y))
    assert torch.allclose(seen["error"], of_the_mean(members, 4).error)
    assert seen["error"].abs().mean() < members.error.abs().mean()
