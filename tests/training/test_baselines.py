"""The baselines match their papers: densities that integrate to one, known posteriors, decreasing losses."""

import json
import math
from dataclasses import asdict, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import MultivariateNormal

from ipage_core.inference.methods import METHODS, Loaded, Prior, load
from ipage_core.inference.neural_adjoint import NeuralAdjoint, Search
from ipage_core.inference.pipeline import design
from ipage_core.networks import CVAE, MDN, networks_of
from ipage_core.networks.store import save_model
from ipage_core.problem.constraints import parse
from ipage_core.problem.watch import watching
from ipage_core.runtime.paths import PRETRAINED
from ipage_core.tasks import TASKS
from ipage_core.tasks.cells.networks import NETWORKS
from ipage_core.tasks.cells.networks.pixel_cnn import PixelCNN
from ipage_core.tasks.cells.networks.pixel_cvae import PixelCVAE
from ipage_core.tasks.cells.networks.pixel_mdn import PixelMDN
from ipage_core.training import baselines
from ipage_core.training.fit import Settings, fit
from ipage_core.training.recipes import recipe, taking_over
from tests.support.stand_ins import wide_task

SMALL = {
    "mdn": {"components": 3, "hidden": 8},
    "cvae": {"latent": 2, "hidden": 8},
    "na": {"hidden": 8},
    "na-published": {"hidden": 8},
}
Z = torch.Generator


def trained(build, arguments, run):
    model = build(**arguments)
    model.load_state_dict(run.weight_sets["phi_star"])
    return model.eval()


# Mixture density network


@given(seed=st.integers(0, 1000), d=st.integers(1, 2))
@settings(max_examples=6, deadline=None)
def test_a_mixture_density_integrates_to_one(seed, d):
    torch.manual_seed(seed)
    mdn = MDN(d, 1, components=3, hidden=8, layers=1).double()
    mdn.fit_scales(2 + 0.5 * torch.randn(100, d), torch.randn(100, 1))
    axes = [torch.linspace(m - 7, m + 7, 700, dtype=torch.float64) for m in mdn.x_scale.mean.tolist()]
    grid = torch.cartesian_prod(*axes).reshape(-1, d)
    with torch.no_grad():
        total = mdn.log_prob(grid, torch.full((len(grid), 1), 0.3, dtype=torch.float64)).exp().sum()
    assert total.item() * (14 / 699) ** d == pytest.approx(1, abs=0.02)


def test_samples_of_a_mixture_follow_its_density():
    mdn = MDN(3, 1, components=4, hidden=8, support=[None, None, (0.0, 1.0)]).double()
    z = torch.randn(40_000, 4, dtype=torch.float64)
    with torch.no_grad():
        x = mdn.sample(torch.zeros(len(z), 1, dtype=torch.float64), z)
        log_weights, mean, factor = mdn.mixture(torch.zeros(1, 1, dtype=torch.float64))
    assert ((x[:, 2] >= 0) & (x[:, 2] <= 1)).all()
    weights, mean = log_weights[0].exp(), mean[0]
    covariance = torch.linalg.inv(factor[0].transpose(1, 2) @ factor[0])
    expected = weights @ mean
    spread = (weights[:, None, None] * (covariance + mean[:, :, None] * mean[:, None])).sum(0)
    spread = spread - expected[:, None] * expected
    standardized = mdn.x_scale(x)
    assert weights.sum().item() == pytest.approx(1)
    torch.testing.assert_close(standardized.mean(0), expected, rtol=0, atol=0.03)
    torch.testing.assert_close(torch.cov(standardized.T), spread, rtol=0, atol=0.06)


def test_a_mixture_density_network_recovers_a_known_mixture():
    torch.manual_seed(1)
    y = torch.rand(3000, 1) * 2 - 1  # one component moves with y, the other stays
    narrow = torch.tensor([[0.3, 0.0], [0.2, 0.1]])
    picked = torch.rand(3000, 1) < 0.3
    noise = torch.randn(3000, 2)
    x = torch.where(picked, torch.cat((2 + y, -y), 1) + noise @ narrow.T, -1.5 + 0.5 * noise)
    arguments = {"d": 2, "m": 1, "components": 3, "hidden": 24, "layers": 1}
    run = fit(MDN, arguments, x, y, Settings(epochs=30, batch=200, learning_rate=0.02))
    model = trained(MDN, arguments, run)
    moving = MultivariateNormal(torch.zeros(2), narrow @ narrow.T).log_prob(x - torch.cat((2 + y, -y), 1))
    resting = MultivariateNormal(torch.zeros(2), 0.25 * torch.eye(2)).log_prob(x + 1.5)
    true = torch.logaddexp(math.log(0.3) + moving, math.log(0.7) + resting)
    with torch.no_grad():
        found = model.log_prob(x, y)
    assert (true - found).mean().item() < 0.08


# Conditional variational autoencoder


@pytest.mark.parametrize("more", [{}, {"decoder_sd": 0.3}, {"decoder_sd": 0.3, "normalized": True}])
def test_a_cvae_recovers_a_linear_gaussian_posterior(more):
    torch.manual_seed(0)
    x = torch.randn(4000, 2)
    y = x.sum(1, keepdim=True)  # so x | y is the line (y/2, y/2) + t (1, −1)/√2 with t ~ N(0, 1)
    arguments = {"d": 2, "m": 1, "latent": 1, "hidden": 32, "layers": 2, "annealing": 50} | more
    run = fit(CVAE, arguments, x, y, Settings(epochs=30, batch=200, learning_rate=0.01))
    losses = [row["loss_nll"] for row in run.history]
    assert losses[-1] < losses[5] < losses[1]
    model = trained(CVAE, arguments, run)
    if more:
        torch.testing.assert_close(model.log_sd.exp(), torch.full((2,), more["decoder_sd"]))
    for target in (-1.0, 0.8):
        with torch.no_grad():
            draws = model.sample(torch.full((4000, 1), target), torch.randn(4000, 1))
        along, across = (draws[:, 0] - draws[:, 1]) / math.sqrt(2), draws.sum(1)
        assert along.mean().abs() < 0.12
        assert along.std().item() == pytest.approx(1, abs=0.12)
        assert (across - target).square().mean().sqrt() < 0.08


def test_the_importance_weighted_bound_lies_between_the_elbo_and_the_likelihood():
    torch.manual_seed(2)
    cvae = CVAE(1, 1, latent=1, hidden=8, layers=1).double()
    x, y = torch.randn(300, 1, dtype=torch.float64), torch.zeros(300, 1, dtype=torch.float64)
    grid = torch.linspace(-8, 8, 1601, dtype=torch.float64)
    with torch.no_grad():
        fits = torch.stack([cvae.log_likelihood(x, z.expand(300, 1), y) for z in grid])
        exact = (fits - 0.5 * grid[:, None] ** 2 - 0.5 * math.log(2 * math.pi) + math.log(0.01)).logsumexp(0).mean()
        bounds = [cvae.bound(x, y, Z().manual_seed(3), draws).mean() for draws in (4, 400)]
        elbo = torch.stack([torch.sub(*cvae.elbo(x, y, Z().manual_seed(i))) for i in range(30)]).mean()
    assert elbo < bounds[0] < bounds[1]
    assert bounds[1].item() == pytest.approx(exact.item(), abs=0.02)


# Neural adjoint


def parabola():
    """y = x₁² + x₂, with a record of its calls: a network with known descents."""

    class Network(torch.nn.Module):
        def forward(self, x):
            return x[:, :1] ** 2 + x[:, 1:2]

    return Network()


def adjoint(search, task=None):
    task = task or wide_task(2)
    return NeuralAdjoint(parabola(), Prior(task).draw, parse(task), search, boundary=task.bounds.float(), enough=1e-6)


@pytest.mark.parametrize("optimizer", ["published", "adam", "lm"])
def test_neural_adjoint_descends_its_loss_and_keeps_the_best(optimizer):
    search = Search(optimizer, starts=64, steps=1)
    y_star, z = torch.tensor([[0.7]]).repeat(10, 1), torch.randn(10, 1)
    errors = []
    for steps in (1, 100):
        x = adjoint(replace(search, steps=steps, rate=0.05)).sample(y_star, z)
        errors.append((parabola()(x) - y_star).square().sum(1))
    assert errors[1].mean() < errors[0].mean() or errors[0].mean() < 1e-8
    assert errors[1].max() < 1e-4
    every = adjoint(replace(search, steps=1, rate=0.05)).sample(y_star[:1].repeat(64, 1), z)
    best = (parabola()(every) - 0.7).square().sum(1).sort().values[:10]
    if optimizer == "published":  # the same 64 starts whichever z: those are seeded by it
        again = adjoint(replace(search, steps=1, rate=0.05)).sample(y_star, z)
        torch.testing.assert_close((parabola()(again) - 0.7).square().sum(1).sort().values, best)


def test_neural_adjoint_serves_every_target_with_its_own_descents():
    y_star = torch.tensor([[0.2], [0.9], [0.2], [1.3]])
    x = adjoint(Search("lm", starts=1, per_design=8, steps=25)).sample(y_star, torch.randn(4, 1))
    torch.testing.assert_close(parabola()(x), y_star, rtol=0, atol=1e-3)
    assert len(x.unique(dim=0)) == 4


def test_published_descents_say_how_far_they_are_and_can_be_ended():
    y_star, told = torch.tensor([[0.2], [0.9]]), []
    with watching(step=lambda *state: told.append(state)):
        adjoint(Search(starts=8, steps=3)).sample(y_star, torch.randn(2, 1))
    assert told == [("steps of the descents", done, 6) for done in range(6)]

    def end(unit, done, total):
        if done == 4:
            raise InterruptedError

    with watching(step=end), pytest.raises(InterruptedError):
        adjoint(Search(starts=8, steps=3)).sample(y_star, torch.randn(2, 1))


def test_the_published_boundary_keeps_descents_inside():
    y_star = torch.full((50, 1), 3.0)  # out of reach within the box
    loose, tight = (
        adjoint(Search(starts=50, steps=200, rate=0.05, boundary=weight)).sample(y_star, torch.randn(50, 1))
        for weight in (0.0, 0.1)
    )
    outside = [(x - 0.5).abs().sub(0.5).clamp(min=0).sum(1).mean() for x in (loose, tight)]
    assert outside[0] > 0.5
    assert outside[1] < 0.1


# All of them


@pytest.mark.parametrize("name", baselines.NAMES)
def test_every_baseline_designs_and_survives_a_round_trip(name, tmp_path):
    task = TASKS["ballistics"]
    x = task.sample_prior(300, Z().manual_seed(0))
    network, arguments, _ = recipe(task, name)
    arguments |= SMALL[name]
    run = fit(networks_of(task)[network], arguments, x, task.omega(x), Settings(epochs=2, batch=100))
    card = {"task": task.name, "name": name, "model": network, "arguments": arguments}
    save_model(tmp_path / task.name, name, run.weight_sets, card)
    loaded = load(task.name, name, root=tmp_path)
    if name == "na-published":
        loaded.proposal.search = Search(starts=8, steps=3)
    found = design(task, loaded, torch.tensor([[5.0], [4.0]]), 6)
    assert found.final.shape == (12, 4)
    assert found.localized is None
    assert found.omega_calls == 12
    assert torch.equal(design(task, loaded, torch.tensor([[5.0], [4.0]]), 6).final, found.final)
    stored = getattr(loaded.proposal, "network", loaded.proposal).state_dict()
    assert all(torch.equal(value, run.weight_sets["phi_star"][key]) for key, value in stored.items())


@pytest.mark.parametrize("task", TASKS)
def test_baselines_are_of_ipages_size(task):
    like = baselines.size(TASKS[task], *recipe(TASKS[task], "inn")[:2])
    for name in ("mdn", "cvae", "na"):
        assert baselines.size(TASKS[task], *recipe(TASKS[task], name)[:2]) == pytest.approx(like, rel=0.2)
    assert recipe(TASKS[task], "na-published")[0] == "batch-norm-mlp"


@pytest.mark.parametrize("task", TASKS)
def test_what_ships_was_trained_by_its_recipe(task):
    cards = [path for path in PRETRAINED.glob(f"{task}/*.json") if not path.name.endswith(".search.json")]
    assert cards
    for card in map(json.loads, (path.read_text() for path in cards)):
        network, arguments, settings = recipe(TASKS[task], card["name"])
        if card["name"] == "inn":
            arguments = taking_over(TASKS[task], network, arguments, PRETRAINED / task)
        said = json.loads(json.dumps([network, arguments, asdict(settings)]))
        assert said == [card["model"], card["arguments"], card["settings"]], card["name"]


# Pixels


CELLS = (torch.rand(40, 1024, generator=Z().manual_seed(0)) < 0.7).float()
PIXELS = {
    "pixel-mdn": {"d": 1024, "m": 1, "code": 12, "components": 2, "rank": 2, "hidden": 8},
    "pixel-cvae": {"d": 1024, "m": 1, "channels": 2, "hidden": 8},
    "pixel-cnn": {"d": 1024, "m": 1, "hidden": 8},
}


@pytest.mark.parametrize("network", PIXELS)
def test_networks_of_pixels_learn_and_propose_cells(network):
    y = CELLS.mean(1, keepdim=True).repeat(1, 2)
    run = fit(NETWORKS[network], PIXELS[network], CELLS, y, Settings(epochs=2, batch=20, learning_rate=1e-3))
    model = trained(NETWORKS[network], PIXELS[network], run)
    if isinstance(model, PixelCNN):
        assert model(CELLS).shape == (40, 1)
        return
    with torch.no_grad():
        x = model.sample(torch.full((5, 1), 0.7), torch.randn(5, model.latent_dim))
    assert x.shape == (5, 1024)
    assert ((x >= 0) & (x <= 1)).all()
    cells = design(
        TASKS["architecture"], Loaded("it", model, None, torch.device("cpu")), torch.tensor([0.0]), 2, verify="none"
    )
    assert set(cells.final.unique().tolist()) <= {0.0, 1.0}  # Ω is called only on admissible cells


def test_the_code_of_cells_is_standardized_and_its_mixture_consistent():
    mdn = PixelMDN(1024, 1, code=12, components=2, rank=2, hidden=8)
    mdn.fit_scales(CELLS, CELLS[:, :1])
    assert 0 < mdn.explained < 1
    torch.testing.assert_close(mdn.axes.T @ mdn.axes, torch.eye(12), rtol=0, atol=1e-5)
    log_weights, mean, wide, sd = mdn.mixture(torch.zeros(1, 1))
    assert log_weights.exp().sum().item() == pytest.approx(1)
    assert (mean.shape, wide.shape, sd.shape) == ((1, 2, 12), (1, 2, 12, 2), (1, 2, 12))


def test_the_cvae_of_cells_turns_on_the_torus():
    cvae = PixelCVAE(1024, 1, channels=2, hidden=8).eval()
    moved = CELLS.reshape(-1, 32, 32).roll((8, 16), (1, 2)).flatten(1)
    y = torch.zeros(40, 1)
    with torch.no_grad():
        here, there = (cvae.logits(cvae.encode(x, y)[0], y).reshape(-1, 32, 32) for x in (CELLS, moved))
    torch.testing.assert_close(here.roll((8, 16), (1, 2)), there, rtol=0, atol=1e-5)


def test_titles_say_what_a_method_is():
    assert {"mdn", "cvae", "na", "na-published"} <= set(METHODS)
    assert all(METHODS[name].title for name in baselines.NAMES)
    assert METHODS["na-published"].models == ("na-published",)


def test_the_paper_s_inn_has_no_likelihood_and_both_mmd_terms_grow_to_the_weight_of_l_y():
    network, arguments, settings = recipe(TASKS["sinewave"], "inn-paper")
    usual = recipe(TASKS["sinewave"], "inn")
    assert (network, arguments) == usual[:2]
    assert settings.lambda_nll == 0.0
    assert settings.lambda_x == settings.lambda_z == settings.lambda_y == 1000.0
    assert settings.epochs == usual[2].epochs
