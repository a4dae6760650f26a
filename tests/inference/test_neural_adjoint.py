"""The neural adjoint against its published rule written out plainly, and what it says while it runs."""

import pytest
import torch

from ipage_core.inference.methods import METHODS, Prior, load
from ipage_core.inference.neural_adjoint import NeuralAdjoint, Search
from ipage_core.problem.space import Box
from ipage_core.problem.watch import watching
from tests.support.models import SINEWAVE

BOX = torch.tensor([[-1.0, 0.5], [1.5, 2.5]], dtype=torch.float64)
"""Neither centred at zero nor square."""


def network(x):
    """(n, 2) → (n, 2), least at different places; no design has both values of a target far away."""
    return torch.stack((x[:, 0] + 0.5 * x[:, 1] ** 2, torch.sin(2 * x[:, 0]) - x[:, 1]), 1)


def drawn(n, z):
    low, high = BOX
    grid = torch.linspace(0, 1, n, dtype=torch.float64)
    return torch.stack((low[0] + (high[0] - low[0]) * grid, high[1] - (high[1] - low[1]) * grid.square()), 1)


def by_hand(start, goal, unit, steps, rate, weight):
    """Adam (Kingma and Ba 2015) on all designs of one target; the rate is halved after ten steps without a gain.

    → the ends, and how often it was halved.
    """
    low, high = BOX
    u, m, v = start / unit, 0.0, 0.0
    best, waited, halved = float("inf"), 0, 0
    for t in range(1, steps + 1):
        u = u.detach().requires_grad_(True)
        x = u * unit
        beyond = torch.relu((x - 0.5 * (low + high)).abs() - 0.5 * (high - low)).sum()
        loss = ((network(x) - goal) ** 2).mean() + weight * beyond
        (slope,) = torch.autograd.grad(loss, u)
        m, v = 0.9 * m + 0.1 * slope, 0.999 * v + 0.001 * slope**2
        u = u - rate * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
        if loss < best * (1 - 1e-4):
            best, waited = loss.item(), 0
        else:
            waited += 1
        if waited > 10:
            rate, waited, halved = rate / 2, 0, halved + 1
    return (u * unit).detach(), halved


@pytest.mark.parametrize("units", [(), (0.5, 4.0)])
def test_the_published_descent_is_adam_with_a_boundary_and_a_rate_that_halves(units):
    targets = torch.tensor([[0.3, -1.2], [9.0, 3.0]], dtype=torch.float64)  # the second pulls designs out of the box
    search = Search("published", starts=7, steps=120, rate=0.3, boundary=0.4)
    adjoint = NeuralAdjoint(network, drawn, Box(BOX), search, boundary=BOX, enough=1.0, units=units)
    told = []
    with watching(step=lambda *state: told.append(state)):
        found = adjoint.sample(targets[[1, 0, 1]], torch.zeros(3, 1))
    unit = torch.tensor(units, dtype=torch.float64) if units else BOX[1] - BOX[0]
    starts = drawn(14, None).split(7)
    expected = {}
    for t in (0, 1):
        end, halved = by_hand(starts[t], targets[t], unit, 120, 0.3, 0.4)
        assert halved == 4 * t
        error = (network(end) - targets[t]).square().sum(1)
        expected[t] = end[sorted(error.argsort()[: 2 if t else 1].tolist())]
    torch.testing.assert_close(found[1:2], expected[0], rtol=0, atol=1e-9)
    torch.testing.assert_close(found[[0, 2]], expected[1], rtol=0, atol=1e-9)
    assert told == [("steps of the descents", done, 240) for done in range(240)]


def one_start(network, optimizer, steps, target, **more):
    """The end of one descent from (0, 0)."""
    search = Search(optimizer, 1, 1, steps, rate=0.01, boundary=0.0)
    box = torch.tensor([[-1.0, -1.0], [1.0, 1.0]], dtype=torch.float64)
    proposal = NeuralAdjoint(
        network, lambda n, z: torch.zeros(n, 2).double(), Box(box), search, boundary=box, enough=1e-9, **more
    )
    return proposal.sample(torch.tensor([target], dtype=torch.float64), torch.zeros(1, 1))[0].tolist()


def test_a_loss_that_falls_by_a_ten_thousandth_in_ten_steps_has_fallen():
    """Far away it falls by 1.3e-5 of itself a step, so the rate stays: Adam moves by it in each of 40 steps."""
    end = one_start(lambda x: x[:, :1], "published", 40, [0.02 / 1.3e-5], units=(1.0, 1.0))
    assert end == pytest.approx([0.4, 0.0], abs=1e-3)


def test_a_target_that_no_design_has_is_missed_least_in_the_units():
    """x² + ((x − 1) / 0.5)² is least at 0.8."""
    end = one_start(lambda x: torch.stack((x[:, 0], x[:, 0]), 1), "lm", 25, [0.0, 1.0], unit=torch.tensor([1.0, 0.5]))
    assert end == pytest.approx([0.8, 0.0], abs=1e-4)


def test_the_best_descent_counts_each_property_in_its_unit():
    starts = torch.tensor([[0.3, 0.0], [0.0, 0.2]], dtype=torch.float64)  # errors 0.3 of the first, 0.2 of the second
    box = torch.tensor([[-1.0, -1.0], [1.0, 1.0]], dtype=torch.float64)

    def still(unit):
        return NeuralAdjoint(
            lambda x: x, lambda n, z: starts, Box(box), Search("lm", 2, 1, 1), boundary=box, unit=unit, enough=100.0
        ).sample(torch.zeros(1, 2, dtype=torch.float64), torch.zeros(1, 1))

    assert still(None).tolist() == [[0.0, 0.2]]
    assert still(torch.tensor([1.0, 0.5])).tolist() == [[0.3, 0.0]]  # 0.2 of 0.5 is more than 0.3 of 1


@pytest.mark.parametrize("method", ["na", "na-surrogate"])
def test_the_usual_settings_are_16_descents_a_design_of_three_steps(method):
    assert METHODS[method].search == Search("lm", starts=1, per_design=16, steps=3)
    assert load("robotic_arm", method).proposal.search == Search("lm", starts=1, per_design=64, steps=3)  # its recipe's
    found = load("sinewave", method).proposal
    assert isinstance(found, NeuralAdjoint)
    assert found.search == METHODS[method].search
    assert load("sinewave", "na-published").proposal.search == Search()
    assert torch.equal(found.unit, SINEWAVE.tolerances)
    assert found.enough == SINEWAVE.arrived
    assert torch.equal(found.boundary, SINEWAVE.bounds.float())


def test_a_method_without_a_latent_space_takes_one_column():
    """z only seeds it."""
    for proposal in (Prior(SINEWAVE), load("sinewave", "lookup").proposal, load("sinewave", "na").proposal):
        assert proposal.latent_dim == 1
        assert proposal.sample(torch.full((4, 1), 1.2), torch.zeros(4, 1)).shape == (4, 2)
