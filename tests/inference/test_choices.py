"""Which designs are verified and looked up, which aims are optimal, how latent points lie: by hand."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist

from ipage_core.inference import latent_design as latent
from ipage_core.inference.latent_design import latent_design, unit_design
from ipage_core.inference.lookup import Lookup
from ipage_core.inference.neighbours import beside_failure, in_widths
from ipage_core.inference.pareto import front, optimal_aims
from ipage_core.inference.verification import Verification, rows_to_verify, verify
from ipage_core.problem.goal import Goal
from ipage_core.problem.target import Target
from ipage_core.problem.task import Task, Variable
from ipage_core.tasks import TASKS

SINEWAVE = TASKS["sinewave"]


@pytest.fixture
def two():
    """Two properties and a note, which is no target."""
    return Task.from_function(
        lambda x: torch.stack((x[:, 0], x[:, 1], x.sum(1)), 1),
        {"a": (0, 1), "b": (0, 2)},
        {"p": 0.25, "q": 0.5, "note": 1},
        "two",
        n_targets=2,
        seconds=0,
        default_target=(0.5, 0.5),
    )


# Verification


def test_an_error_of_one_tolerance_is_a_hit_and_errors_are_squared_and_summed(two):
    x = torch.tensor([[0.5, 0.5], [0.75, 1.0], [0.25, 0.0], [0.76, 0.5], [0.5, 1.01]], dtype=torch.float64)
    found = verify(two, x, torch.tensor([[0.5, 0.5]]).expand(5, 2))
    assert found.hit.tolist() == [True, True, True, False, False]
    assert found.resim_error.tolist() == pytest.approx([0, 0.3125, 0.3125, 0.0676, 0.2601])
    assert found.y[:, 2].tolist() == pytest.approx(x.sum(1).tolist())
    assert found.calls == 5
    narrow = verify(two, x, torch.tensor([[0.5, 0.5]]).expand(5, 2), tolerances=torch.tensor([0.25, 0.4]).double())
    assert narrow.hit.tolist() == [True, False, False, False, False]


def test_where_omega_did_not_run_nothing_is_known(two):
    which = torch.tensor([False, True, False])
    found = verify(two, torch.full((3, 2), 0.5), torch.full((3, 2), 0.5), which)
    assert found.hit.tolist() == [False, True, False]
    assert found.y.isnan().all(1).tolist() == [True, False, True]
    assert found.resim_error.isnan().tolist() == [True, False, True]
    assert found.calls == 1
    assert verify(two, torch.zeros(2, 2), torch.zeros(2, 2), torch.zeros(2, dtype=torch.bool)).calls == 0
    nowhere = Verification.nowhere(two, 2)
    assert (nowhere.y.shape, nowhere.calls, nowhere.hit.any().item()) == ((2, 3), 0, False)
    assert nowhere.resim_error.isnan().all()
    with pytest.raises(ValueError, match="no forward operator"):
        verify(replace(two, omega=None), torch.zeros(1, 2), torch.zeros(1, 2))


def test_rows_to_verify(two):
    def count(verify, task=two):
        return int(rows_to_verify(task, 5, verify, 0).sum())

    assert [count(word) for word in ("auto", "all", "none", "0", "3", "5", "9")] == [5, 5, 0, 0, 3, 5, 5]
    assert count("auto", replace(two, omega_seconds=1.0)) == 0
    assert count("none", replace(two, omega=None)) == 0
    assert count("auto", replace(two, omega=None)) == 0
    for word in ("some", "-1", "²", "1.5", ""):
        with pytest.raises(ValueError, match="is not known; accepted: auto, all, none"):
            count(word)
    for word in ("all", "3"):
        with pytest.raises(ValueError, match="no forward operator"):
            count(word, replace(two, omega=None))


# Neighbours


def test_distances_count_in_widths_of_the_box_and_levels_are_all_one_apart():
    task = Task.from_function(
        lambda x: x[:, :1],
        [
            Variable("a", low=-2, high=2),
            Variable("k", kind="category", levels=("x", "y", "z")),
            Variable("b", low=5, high=9),
        ],
        {"p": 1},
        "t",
        default_target=(0,),
    )
    x = torch.tensor([[-2.0, 0, 9], [2, 1, 5], [0, 2, 7], [0, 0, 7]])
    at = in_widths(task, x)
    assert at[:, :2].tolist() == [[0, 1], [1, 0], [0.5, 0.5], [0.5, 0.5]]
    apart = torch.cdist(at[:, 2:], at[:, 2:])
    assert torch.allclose(apart[:3, :3], 1 - torch.eye(3).double())
    assert apart[0, 3] == 0
    assert (at.dtype, at.shape) == (torch.float64, (4, 2 + 3))
    plain = replace(task, variables=(task.variables[0], task.variables[2]))
    assert in_widths(plain, x[:, [0, 2]]).tolist() == [[0, 1], [1, 0], [0.5, 0.5], [0.5, 0.5]]


def test_a_design_is_beside_a_failure_if_the_nearest_evaluated_one_failed(two):
    known = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]], dtype=torch.float64)
    y = torch.tensor([[1.0, 1.0], [1.0, torch.nan], [torch.inf, 1.0]], dtype=torch.float64)
    x = torch.tensor([[0.1, 0.1], [0.6, 0.0], [0.4, 1.1], [0.1, 0.9], [torch.nan, 0.0]])
    task = replace(two, evaluated=lambda: (known, y))
    assert beside_failure(task, x).tolist() == [False, True, True, False, False]
    assert beside_failure(task, x[1:2]).tolist() == [True]
    assert not beside_failure(two, x).any()
    assert not beside_failure(replace(two, evaluated=lambda: (known, torch.ones(3, 2))), x).any()


# Lookup


def test_the_nearest_row_counts_in_tolerances_and_a_target_may_take_every_row(two):
    y = torch.tensor([[0.0, 0.0], [0.3, 0.0], [0.0, 0.4]], dtype=torch.float64)
    x = torch.tensor([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]], dtype=torch.float64)
    lookup = Lookup(replace(two, stored=lambda: (x, y)))
    found = lookup.sample(torch.zeros(3, 2), torch.zeros(3, lookup.latent_dim))
    assert found.tolist() == [[1, 1], [3, 3], [2, 2]]  # 0.4 of 0.5 is nearer than 0.3 of 0.25
    assert found.dtype == torch.float32
    assert lookup.stored(x[1:2].float()).tolist() == [[0.3, 0.0]]
    with pytest.raises(ValueError, match="lookup has 3 rows, fewer than the 4 requested"):
        lookup.sample(torch.zeros(4, 2), torch.zeros(4, 1))


# Optima


def test_points_that_are_equal_do_not_dominate_each_other():
    y = torch.tensor([[0.0, 1.0], [0.0, 1.0], [0.0, 2.0], [1.0, 0.0], [1.0, 1.0], [-1.0, 5.0]])
    assert front(y).tolist() == [True, True, False, True, False, True]


def optimum(task, *kinds):
    return Target(tuple(Goal(kind) if isinstance(kind, str) else kind for kind in kinds))


def test_aims_move_fourteen_times_a_fifth_of_a_standard_deviation(two):
    y = two.pairs()[1]
    far = 14 * 0.2 * y.std(0)
    out = optimal_aims(two, optimum(two, "minimize", Goal()), 1, 0, lambda y: torch.ones(len(y), dtype=torch.bool))
    assert out[0, 0].item() == pytest.approx(float(y[:, 0].min() - far[0]))
    up = optimal_aims(two, optimum(two, "maximize", Goal()), 1, 0, lambda y: torch.ones(len(y), dtype=torch.bool))
    assert up[0, 0].item() == pytest.approx(float(y[:, 0].max() + far[0]))
    stay = optimal_aims(two, optimum(two, "maximize", Goal()), 1, 0, lambda y: torch.zeros(len(y), dtype=torch.bool))
    assert stay[0, 0].item() == pytest.approx(float(y[:, 0].max()))
    half = optimal_aims(two, optimum(two, "maximize", Goal()), 1, 0, lambda y: y[:, 0] <= 1.1)
    assert half[0, 0].item() == pytest.approx(1.1, abs=1e-3)  # the step is halved at each failure


def test_the_other_goals_hold_where_the_optimum_is_sought(two):
    near = optimum(two, "maximize", Goal.between(0.5, 0.6))
    aims = optimal_aims(two, near, 3, 0, lambda y: torch.zeros(len(y), dtype=torch.bool))
    y = two.pairs()[1]
    inside = y[(y[:, 1] >= 0.5) & (y[:, 1] <= 0.6)]
    assert aims[:, 0].tolist() == pytest.approx([float(inside[:, 0].max())] * 3)
    assert ((aims[:, 1] >= 0.5) & (aims[:, 1] <= 0.6)).all()
    # Where no pair meets them, the 400 nearest stand in: of q, the highest 400.
    beyond = optimal_aims(two, optimum(two, "maximize", Goal.exactly(9)), 1, 0, lambda y: y[:, 0] < -9)
    highest = y[y[:, 1].argsort(descending=True)[:400]]
    assert beyond.tolist() == [[pytest.approx(float(highest[:, 0].max())), 9]]


def test_starts_are_equal_steps_along_the_front():
    t = torch.linspace(0, 1, 101, dtype=torch.float64)
    y = torch.stack((t, 1 - t), 1)[torch.randperm(101)]  # every point is on the front
    task = Task.from_function(lambda x: x, {"a": (0, 1), "b": (0, 1)}, {"p": 1, "q": 1}, "t", default_target=(0, 0))
    task = replace(task, stored=lambda: (y, y))
    goal = optimum(task, "minimize", "minimize")
    starts = optimal_aims(task, goal, 5, 0, lambda y: torch.zeros(len(y), dtype=torch.bool))
    assert starts.tolist() == [pytest.approx([s, 1 - s]) for s in (0, 0.25, 0.5, 0.75, 1)]
    all_of_them = optimal_aims(task, goal, 101, 0, lambda y: torch.zeros(len(y), dtype=torch.bool))
    assert torch.equal(all_of_them, torch.stack((t, 1 - t), 1))
    many = optimal_aims(task, goal, 300, 0, lambda y: torch.zeros(len(y), dtype=torch.bool))
    assert len(many) == 300
    assert 60 < len(many.unique(dim=0)) <= 101
    again = optimal_aims(task, goal, 300, 1, lambda y: torch.zeros(len(y), dtype=torch.bool))
    assert not torch.equal(many, again)


# Latent points


def test_latent_points_at_the_ends_of_the_cube_stay_finite(monkeypatch):
    ends = SimpleNamespace(random=lambda shape: np.array([[0.0, 1.0]]))
    monkeypatch.setattr(np.random, "default_rng", lambda seed: ends)
    unit_design.cache_clear()
    z = latent_design(1, 2, "srs", 123_456)
    unit_design.cache_clear()
    assert z[0].tolist() == pytest.approx([-5.1665, 5.1665], abs=1e-3)  # Φ⁻¹ of one step of float32


def test_hypercubes_of_different_seeds_differ():
    for kind in ("lhs", "maximin", "srs"):
        designs = [unit_design(7, 2, kind, seed).tobytes() for seed in (1, 2, 65, 33)]
        assert len(set(designs)) == 4


def lattice_of(n, k, seed):
    x = unit_design(n, k, "maximin", seed)
    steps = np.diff(np.vstack((x, x[:1])), axis=0) % 1
    return x, steps


@pytest.mark.parametrize(("n", "k"), [(101, 2), (128, 3), (90, 2)])
def test_many_points_are_a_lattice_with_generators_prime_to_n(n, k):
    for seed in range(4):
        _, steps = lattice_of(n, k, seed)
        assert np.abs(steps - steps[0]).max() < 1e-9
        generators = np.rint(steps[0] * n).astype(int)
        assert (np.gcd(generators, n) == 1).all()
        assert len({min(g, n - g) for g in generators.tolist()}) == k


def test_a_lattice_is_the_best_of_its_generators():
    # The torus distances of all lattices of 101 points in 2 dimensions, by brute force.
    n = 101
    i = np.arange(1, n)
    best = 0.0
    for g in range(1, n):
        apart = np.stack((i, i * g % n), 1)
        best = max(best, (np.minimum(apart, n - apart) ** 2).sum(1).min())
    shortest = []
    for seed in range(3):
        _, steps = lattice_of(n, 2, seed)
        g = np.rint(steps[0] * n).astype(int)
        apart = i[:, None] * g % n
        shortest.append((np.minimum(apart, n - apart) ** 2).sum(1).min())
    assert max(shortest) == best
    assert min(shortest) > 0.8 * best


def closeness(x):
    return (pdist(x) ** -20.0).sum()


def test_few_points_have_no_swap_left_that_spreads_them():
    settled = 0
    for seed in range(12):
        x = np.array(unit_design(6, 2, "maximin", seed))
        before, better = closeness(x), 0
        for c in range(2):
            for i in range(6):
                for j in range(i):
                    y = x.copy()
                    y[[i, j], c] = y[[j, i], c]
                    better += closeness(y) < before * (1 - 1e-9)
        settled += better == 0
    assert settled >= 10  # a rare point is never tried


@pytest.mark.parametrize(("n", "k"), [(2, 2), (9, 1)])
def test_too_few_points_or_dimensions_are_a_plain_hypercube(n, k):
    assert np.array_equal(unit_design(n, k, "maximin", 4), unit_design(n, k, "lhs", 4))
    assert not np.array_equal(unit_design(9, 2, "maximin", 4), unit_design(9, 2, "lhs", 4))


def test_a_hypercube_of_too_many_values_is_not_spread(monkeypatch):
    monkeypatch.setattr(latent, "MAXIMIN_VALUES", 40)
    unit_design.cache_clear()
    assert not np.array_equal(unit_design(20, 2, "maximin", 4), unit_design(20, 2, "lhs", 4))
    assert np.array_equal(unit_design(21, 2, "maximin", 4), unit_design(21, 2, "lhs", 4))
    unit_design.cache_clear()


def test_seeds_beyond_32_bits_are_taken():
    assert np.array_equal(unit_design(5, 2, "lhs", 2**32 + 3), unit_design(5, 2, "lhs", 3))
    assert not np.array_equal(unit_design(5, 2, "lhs", 2**31), unit_design(5, 2, "lhs", 0))
