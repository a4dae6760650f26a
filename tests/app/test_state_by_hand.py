"""What pages keep and compute of runs, with rows and networks that are written down here."""

import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from app.server import engine
from app.state import class_board, coverage, densities, inspection, runs, targets, worth
from ipage_core import registry
from ipage_core.problem.request import DesignRequest
from ipage_core.tasks import TASKS

SINE, ARM = TASKS["sinewave"], TASKS["robotic_arm"]


def sine(target="1.2", **settings):
    return DesignRequest.of(SINE, target, method="ipage", **settings)


def on_loops(*loops):
    """Designs within 0.01 of 1.2, one on each of these loops."""
    grid = torch.cartesian_prod(*[torch.linspace(-0.99, 0.99, 800, dtype=torch.float64)] * 2)
    grid = grid[(SINE.omega(grid)[:, 0] - 1.2).abs() < 0.01]
    lies = SINE.modes(grid, torch.full((len(grid), 1), 1.2))
    return torch.stack([grid[int((lies == loop).nonzero()[0])] for loop in loops])


# Runs


@pytest.mark.parametrize("newest", [0, 1])
def test_a_stamp_is_the_time_of_the_newest_model(monkeypatch, tmp_path, newest):
    monkeypatch.setattr(runs, "folder", lambda task, method: tmp_path)
    monkeypatch.setattr(runs, "METHODS", {"ipage": SimpleNamespace(models=("one", "other"))})
    for k, name in enumerate(("one", "other")):
        (tmp_path / f"{name}.json").touch()
        os.utime(tmp_path / f"{name}.json", (2000 if k == newest else 1000,) * 2)
    assert runs.stamp("sinewave", "ipage") == 2000 * 10**9


def test_a_run_is_kept_for_its_weights_and_for_any_tolerance(monkeypatch):
    asked = []

    def kept(request, stamp):
        asked.append((request.tolerance, request.seed, stamp))
        return SimpleNamespace(judged=list)

    monkeypatch.setattr(runs, "run", kept)
    monkeypatch.setattr(runs, "stamp", lambda task, method: 77)
    assert [runs.of(sine(tolerance=t, seed=3)) for t in (0.5, 0.1)] == [[0.5 * 0.02], [0.1 * 0.02]]
    assert asked == [(1.0, 3, 77)] * 2


def test_the_hash_of_the_weights_is_of_every_model(monkeypatch):
    def told(**cards):
        cards = {name: {"sha256": digest} for name, digest in cards.items()}
        monkeypatch.setattr(runs, "load", lambda task, method: SimpleNamespace(cards=cards))
        return runs.weights_hash("sinewave", "ipage")

    assert len({told(inn="a", mlp="b"), told(inn="c", mlp="b"), told(inn="a", mlp="c"), told(inn="a")}) == 4
    assert told(mlp="b", inn="a") == told(inn="a", mlp="b")


def test_a_sweep_counts_the_loops_that_are_met_by_the_page_s_tolerance(monkeypatch):
    x = on_loops(0, 4, 4, 8)
    y = SINE.omega(x)
    y[3] += 0.3
    aims = torch.full((4, 1), 1.2, dtype=torch.float64)
    designs = SimpleNamespace(
        verification=SimpleNamespace(y=y, resim_error=(y[:, 0] - 1.2) ** 2, hit=torch.zeros(4, dtype=torch.bool)),
        modes=SINE.modes(x, aims), final=x, y_star=aims, path=None,
    )  # fmt: skip
    monkeypatch.setattr(DesignRequest, "run", lambda self, *loaded, **settings: designs)
    monkeypatch.setattr(runs, "load", lambda task, method: None)
    found = [runs.outcome.__wrapped__(sine(tolerance=t)).found for t in (1e-9, 1, 25)]
    assert found == [0, 2, 3]


def test_a_sweep_without_loops_measures_distances_in_box_widths(monkeypatch):
    low, high = ARM.bounds
    x = torch.stack((low, low + (high - low) * torch.tensor([0.25, 0, 0, 0]), high))
    aims = torch.tensor([[1.5, 0.0]] * 3, dtype=torch.float64)
    found = SimpleNamespace(
        verification=SimpleNamespace(y=aims, resim_error=torch.zeros(3)),
        modes=torch.full((3,), -1), final=x, y_star=aims, path=None,
    )  # fmt: skip
    monkeypatch.setattr(DesignRequest, "run", lambda self, *loaded, **settings: found)
    monkeypatch.setattr(runs, "load", lambda task, method: None)
    asked = DesignRequest.of(ARM, "1.5,0", method="ipage")
    assert runs.outcome.__wrapped__(asked).found == pytest.approx(0.25)


def test_a_slow_omega_judges_the_first_and_the_last_frame(monkeypatch):
    monkeypatch.setattr(runs, "WATCHING", 0.0)
    found = runs.run.__wrapped__(sine(n=5, sampling="srs"))
    assert len(found.y) > 2
    assert np.isnan(found.y[1:-1]).all()
    for k in (0, -1):
        by_omega = SINE.omega(torch.from_numpy(found.x[k].astype(float))).numpy()
        assert found.y[k] == pytest.approx(by_omega, abs=1e-5)


def test_properties_of_the_training_designs_shown_are_their_own():
    found = runs.run.__wrapped__(sine(n=3, sampling="srs"))
    known, properties = SINE.pairs()
    assert found.prior == pytest.approx(known[: runs.PRIOR_SHOWN].numpy())
    assert found.prior_y == pytest.approx(properties[: runs.PRIOR_SHOWN].numpy())


# Warnings of a target


def rows_of(monkeypatch, y):
    y = np.array(y, dtype=float)
    monkeypatch.setattr(targets, "training", lambda task: (np.zeros((len(y), 2)), y))
    monkeypatch.setattr(targets, "data", targets.data.__wrapped__)


def test_a_gap_is_as_wide_as_the_distances_of_rows_in_their_range(monkeypatch):
    rows_of(monkeypatch, [[10.0 * k] for k in range(11)])
    seen = targets.data("sinewave")
    assert seen.gap == pytest.approx(0.1)
    assert (seen.extent.ravel().tolist(), seen.counts.sum()) == ([0, 100], 11)


def test_the_nearest_row_is_nearest_in_ranges(monkeypatch):
    rows_of(monkeypatch, [[0, 0], [1, 100], [0, 40], [0.9, 60]] * 2)
    said = targets.doubt(ARM, DesignRequest.of(ARM, "0.8,48", method="ipage").target)
    assert (said.where, said.nearest.tolist(), said.pairs) == ("between", [0.9, 60.0], 8)
    said = targets.doubt(ARM, DesignRequest.of(ARM, "0.8:0.85,48:49", method="ipage").target)
    assert said.nearest.tolist() == [0.9, 60.0]


def test_a_number_is_in_doubt_if_no_row_is_within_the_tolerance_of_it(monkeypatch):
    rows_of(monkeypatch, [[0.0], [0.0], [2.0], [2.0]])  # no gap between rows hides the tolerance
    assert targets.doubt(SINE, sine("0.01").target) is None
    said = targets.doubt(SINE, sine("0.05").target)
    assert (said.where, said.nearest.tolist()) == ("between", [0.0])


def test_an_interval_is_in_doubt_if_no_row_is_within_the_tolerance_of_it(monkeypatch):
    rows_of(monkeypatch, [[0.0], [2.0]])
    assert targets.doubt(SINE, sine("0.01:0.5").target) is None
    said = targets.doubt(SINE, sine("0.1:0.5").target)
    assert (said.where, said.nearest.tolist()) == ("between", [0.0])
    assert targets.doubt(SINE, sine("2.1:2.5").target).where == "beyond"


# Densities


def plane_of(monkeypatch, rows, proposal, stamp, y=1.2):
    monkeypatch.setattr(densities, "training", lambda task: (np.array(rows), None))
    monkeypatch.setattr(densities, "loaded", lambda task, method: SimpleNamespace(proposal=proposal))
    run = SimpleNamespace(task="sinewave", method="ipage", y_star=np.array([y]))
    return densities.density(run, 0, 1, False, stamp)


def test_the_prior_s_histogram_has_the_second_coordinate_up_and_holds_one_design_in_all(monkeypatch):
    class Anywhere:
        latent_dim = 2

        def sample(self, y, z):
            return torch.tensor([-0.5, 0.5]).expand(len(z), 2)

    seen = plane_of(monkeypatch, [[0.5, -0.5]] * 50, Anywhere(), -101)
    row, column = np.unravel_index(seen.prior.argmax(), seen.prior.shape)
    assert (seen.prior_across[column], seen.prior_up[row]) == pytest.approx((0.5, -0.5), abs=0.04)
    assert seen.prior.sum() * (2 / densities.BINS) ** 2 == pytest.approx(1, abs=1e-6)
    row, column = np.unravel_index(seen.posterior.argmax(), seen.posterior.shape)
    assert (seen.across[column], seen.up[row]) == pytest.approx((-0.5, 0.5), abs=0.04)


def test_a_density_is_kept_for_its_own_target(monkeypatch):
    class AtTheTarget:
        latent_dim = 2

        def sample(self, y, z):
            return torch.cat((y, y), dim=1)

    shown = [plane_of(monkeypatch, [[0.0, 0.0]] * 50, AtTheTarget(), -102, y) for y in (-0.5, 0.5)]
    assert [each.across[each.posterior.argmax() % densities.BINS] for each in shown] == pytest.approx(
        [-0.5, 0.5], abs=0.04
    )


def test_the_density_in_a_plane_and_its_map_point_are_where_the_density_is_largest(monkeypatch):
    class Bell:
        latent_dim = 2

        def sample(self, y, z):
            return (0.3 * z).clamp(-1, 1)

        def log_prob(self, x, y):
            return -((x - torch.tensor([0.4, -0.6])) ** 2).sum(1) / 0.02

    seen = plane_of(monkeypatch, [[0.0, 0.0]] * 50, Bell(), -103)
    assert seen.kind == "exact"
    assert seen.likeliest == pytest.approx([0.4, -0.6], abs=0.01)
    row, column = np.unravel_index(seen.posterior.argmax(), seen.posterior.shape)
    assert (seen.across[column], seen.up[row]) == pytest.approx((0.4, -0.6), abs=0.01)
    assert seen.posterior.max() == pytest.approx(1, abs=0.01)
    at = torch.tensor([[seen.across[30], seen.up[170]]])
    assert seen.levels[0][170, 30] == pytest.approx(SINE.omega(at)[0, 0].item())


# Many seeds


def test_loops_found_are_counted_for_each_seed_and_evenness_over_all_loops(monkeypatch):
    asked = []

    def latent(n, d, sampling, seed):
        asked.append((n, sampling, seed))
        return torch.zeros(n, 2)

    class Known:
        def __init__(self, *settings):
            pass

        def propose(self, y, z):
            return SimpleNamespace(x=on_loops(0, 1, 3, 3))

    monkeypatch.setattr(worth, "latent_design", latent)
    monkeypatch.setattr(worth, "Chain", Known)
    method = SimpleNamespace(proposal=SimpleNamespace(latent_dim=2), surrogate=None)
    monkeypatch.setattr(worth, "loaded", lambda task, method_: method)
    one = worth.worth.__wrapped__(sine(n=2, sampling="srs"), 2)
    assert asked == [(2, "srs", 0), (2, "srs", 1)]
    assert (one.found.tolist(), one.of) == ([2, 1], 9)
    # standard deviation over the mean of 1, 1 and seven 0, and of 2 and eight 0
    assert one.evenness == pytest.approx([np.sqrt(2 / 9 - 4 / 81) / (2 / 9), np.sqrt(4 / 9 - 4 / 81) / (2 / 9)])
    assert max(one.errors) <= 0.01**2


def test_the_share_is_of_seeds_that_find_every_loop():
    assert worth.Worth(np.array([9, 8, 9, 0]), np.zeros(4), (0, 0, 0), 9).share == 0.5
    assert worth.Worth(np.array([0.5, 0.75]), np.zeros(2), (0, 0, 0), 0).share == 0.625


# Coverage of a run


def test_coverage_is_of_the_results_that_meet_the_target_in_the_space_that_is_left(monkeypatch):
    taken = []

    def measured(task, method, x, y_star, **more):
        taken.append((x, y_star, more))
        return "coverage"

    monkeypatch.setattr(coverage, "coverage_of", measured)
    monkeypatch.setattr(coverage, "loaded", lambda task, method: None)
    monkeypatch.setattr(coverage, "CURVES", 0)
    x = np.arange(18.0).reshape(3, 3, 2).astype(np.float32) / 20
    run = SimpleNamespace(
        task="sinewave", method="ipage", seed=5, n=3, x=x, y_star=np.array([1.2]), tolerances=np.array([0.02]),
        verified=np.zeros(3, bool), hit=np.zeros(3, bool), f_error=np.array([[0.0, 0, 0], [0.0003, 0.0005, 0.03]]),
    )  # fmt: skip
    found = coverage.cover(sine(constraints=("x1 >= 0",)), run, lambda *state: None)
    (designs, y_star, more), = taken  # fmt: skip
    assert (found.coverage, y_star.tolist(), more["seed"]) == ("coverage", [1.2], 5)
    assert designs.numpy() == pytest.approx(x[-1])
    assert more["meets"].tolist() == [True, False, False]
    assert more["judge"] == "the surrogate f"
    assert more["space"].bounds.tolist() == [[0, -1], [1, 1]]
    run.verified, run.hit = np.ones(3, bool), np.array([False, True, True])
    coverage.cover(sine(), run, lambda *state: None)
    assert taken[1][2]["meets"].tolist() == [False, True, True]
    assert taken[1][2]["judge"] == "Ω"
    assert taken[1][2]["space"].bounds.tolist() == [[-1, -1], [1, 1]]


# One sample


def test_a_sample_s_neighbours_are_nearest_in_box_widths_and_f_is_its_own(monkeypatch):
    low, high = TASKS["ballistics"].bounds.numpy()
    middle, width = (low + high) / 2, high - low
    away = np.array(
        [[0, 0, 0, 0.04], [0.2, 0, 0, 0], [0, 0, 0.3, 0], [0, 0, 0, 0.4], [0, 0.45, 0, 0], [0.5, 0, 0, 0.5]]
    )
    rows = middle + away[::-1] * width
    monkeypatch.setattr(inspection, "training", lambda task: (rows, np.arange(6.0)[:, None]))
    monkeypatch.setattr(inspection, "prior_reference", lambda task: np.array([-1e9, -1e9, -1e9, 0.0]))
    own = SimpleNamespace(surrogate=lambda x: x.sum(1, keepdim=True))
    monkeypatch.setattr(inspection, "loaded", lambda task, method: own)
    x = np.stack([np.stack((middle, middle + k)) for k in (5, 6, 0)])
    seen = inspection.inspect(SimpleNamespace(task="ballistics", method="ipage", x=x), 1)
    assert seen.near_distance == pytest.approx([0.04, 0.2, 0.3, 0.4, 0.45])
    assert seen.near_y.ravel().tolist() == [5, 4, 3, 2, 1]
    assert seen.near_x == pytest.approx(rows[[5, 4, 3, 2, 1]])
    assert seen.f.ravel() == pytest.approx(middle.sum() + np.array([20, 24, 0]))
    assert seen.usual == 0.75


def test_the_kernel_s_width_is_scott_s(monkeypatch):
    from scipy.stats import gaussian_kde

    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 2)) * (1.0, 3.0)
    rows -= rows.mean(0)
    # the kernels know no correlation
    rows[:, 1] -= rows[:, 0] * (rows[:, 0] @ rows[:, 1]) / (rows[:, 0] @ rows[:, 0])
    monkeypatch.setattr(inspection, "training", lambda task: (rows, None))
    mine = inspection.prior_reference.__wrapped__("sinewave")
    known = np.log(gaussian_kde(rows.T)(rows[: inspection.REFERENCE].T))
    assert mine - mine.mean() == pytest.approx(known - known.mean(), abs=0.02)


# The class and the start


def test_the_board_keeps_each_visitor_s_best_guess_and_hits_out_of_the_verified(monkeypatch):
    board = class_board.Board()
    monkeypatch.setattr(class_board, "board", lambda: board)
    monkeypatch.setattr(class_board, "visitor", lambda: 7)
    run = SimpleNamespace(
        task="sinewave", method="ipage", n=5, verified=np.array([1, 1, 1, 1, 0], bool),
        hit=np.array([1, 1, 1, 0, 0], bool), n_modes=9, modes_found=2,
    )  # fmt: skip
    class_board.post(sine(), run, "1.2", "Posterior")
    for error in (0.5, 0.2, 0.8):
        board.guess(7, f"{SINE.title} 1.2", error)
    (row,) = board.table(0.0).to_dict("records")
    assert (row["visitor"], row["hits"], row["best guess, off by"]) == (7, "3 / 4", 0.2)
    assert (row["loops"], row["loops of"], row["N"]) == (2, 9, 5)


def test_what_is_kept_of_rows_is_forgotten_when_a_task_has_changed(monkeypatch):
    forgotten = []
    kept = {"training": runs, "data": targets, "prior_reference": inspection}
    for name, module in kept.items():
        monkeypatch.setattr(module, name, SimpleNamespace(clear=lambda name=name: forgotten.append(name)))
    monkeypatch.setattr(registry, "refresh", lambda: False)
    engine.refresh()
    assert forgotten == []
    monkeypatch.setattr(registry, "refresh", lambda: True)
    engine.refresh()
    assert sorted(forgotten) == sorted(kept)
