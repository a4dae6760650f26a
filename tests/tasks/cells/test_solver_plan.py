"""The plan of a run: which starts a design gets, what is kept and counted, by a stand-in for the attempts."""

from dataclasses import replace

import numpy as np
import pytest

from ipage_core.tasks.cells import solver, starts
from ipage_core.tasks.cells.descent import CellSpace
from ipage_core.tasks.cells.flips import Finished
from ipage_core.tasks.cells.goals import Goal
from ipage_core.tasks.cells.solver import SolvedCells, solve

FULL = np.ones((32, 32), dtype=bool)


class Plan:
    """Records the starts of :func:`solve`; each ends with the next misfit (None: no clean cell) and takes 10 calls."""

    def __init__(self, monkeypatch, *misfits, near=100.0):
        self.ends, self.kinds, self.radii, self.began, self.asked = iter(misfits), [], [], [], []
        self.given, self.ways, self.stored = [], [], FULL[None]
        monkeypatch.setattr(solver, "attempt", self.attempt)
        monkeypatch.setattr(solver, "finish", self.finish)
        monkeypatch.setattr(solver, "pushed", self.pushed)
        monkeypatch.setattr(solver.starts, "nearest", self.nearest)
        self.near = near

    def ended(self, misfit, cell=FULL):
        return Finished(cell, np.eye(3), np.array([misfit]), misfit, 1)

    def attempt(self, how, u, aims, space, mesh, rng, way=None):
        self.kinds.append(how)
        self.radii.append(space.radius)
        self.began.append(u)
        self.given.append((mesh, rng, way))
        misfit = next(self.ends, None)
        return None if misfit is None else self.ended(misfit), 10

    def finish(self, cell, aims, space, rng, operator, rounds):
        assert rounds == 0
        return self.ended(50 - cell.mean(), cell)

    def pushed(self, best, goal, aims, space, mesh, rng, way):
        self.kinds.append(f"pushed {goal.name}")
        self.ways.append(way)
        return best, 100

    def nearest(self, goals, n, feature, extremes=()):
        self.asked.append((n, feature))
        return np.resize(self.stored, (n, 32, 32)), np.full(n, self.near)


AIM = [Goal("E_x", "exactly", 0.3, 0.01)]
AUXETIC = [Goal("nu_xy", "at most", -0.2, 0.02)]


def test_stored_cells_and_noise_take_turns(monkeypatch) -> None:
    plan = Plan(monkeypatch)
    found = solve(AIM, 2)
    assert plan.kinds == ["nearest", "noise"] * 3 * 2
    assert plan.asked == [(8, 1), (40, 1), (40, 1)]
    assert found.attempts.tolist() == [6, 6]
    assert found.calls.tolist() == [6 * 10 + 41] * 2
    assert found.start == ["none", "none"]
    assert found.misfit.tolist() == [49, 49]
    assert not found.met.any()
    assert (found.seconds >= 0).all()
    assert found.seconds.max() < 60
    assert found.ways == ()
    plan = Plan(monkeypatch)
    with pytest.raises(ZeroDivisionError):
        solve(AIM, 400, attempts=3, progress=lambda count: 1 / (count - 1))  # the first design is enough
    assert plan.asked[0] == (512, 1)


@pytest.mark.parametrize(
    ("goals", "more", "kinds"),
    [
        (AIM, {"from_": ("noise", "motif")}, ["noise"] * 9),
        (AIM, {"from_": ("motif",)}, ["motif"] * 9),
        (AUXETIC, {"from_": ("noise", "motif")}, ["noise"] * 7 + ["motif", "noise"]),
        (AUXETIC, {"from_": ("noise",)}, ["noise"] * 9),
        ([Goal("nu_xy", "exactly", 0.0, 0.02)], {"from_": ("noise", "motif")}, ["noise"] * 9),
        (AUXETIC, {"from_": ("noise", "motif"), "space": CellSpace(feature=2)}, ["noise", "motif"] * 4 + ["noise"]),
        ([Goal("nu_xy", "exactly", 0.2, 0.02)], {"from_": ("noise", "motif")}, ["noise"] * 9),
        ([Goal("volume", "at most", 0.5), *AUXETIC], {"from_": ("noise", "motif")}, ["noise"] * 7 + ["motif", "noise"]),
    ],
)
def test_motifs_are_one_start_in_eight_or_in_two_where_a_ratio_is_negative(monkeypatch, goals, more, kinds) -> None:
    plan = Plan(monkeypatch)
    solve(goals, 9, attempts=1, **more)
    assert plan.kinds == kinds
    plan = Plan(monkeypatch)
    solve(goals, 1, attempts=9, **more)
    assert plan.kinds == kinds
    plan = Plan(monkeypatch)
    solve(goals, 1, attempts=18, **{**more, "from_": ("nearest", *more["from_"])})
    assert plan.kinds[1::2] == kinds
    assert set(plan.kinds[::2]) == {"nearest"}


def test_a_near_stored_cell_is_flipped_alone_unless_symmetry_or_size_differ(monkeypatch) -> None:
    for near, space, kind in (
        (40.0, None, "flips"),
        (40.1, None, "nearest"),
        (1.0, CellSpace(48), "nearest"),
        (1.0, CellSpace(orbits=np.arange(1024)), "nearest"),
        (1.0, CellSpace(void=FULL), "nearest"),
    ):
        plan = Plan(monkeypatch, 0.5, near=near)
        solve(AIM, 1, space=space)
        assert plan.kinds == [kind]


def test_every_other_fresh_start_goes_on_from_the_best_cell(monkeypatch) -> None:
    plan = Plan(monkeypatch, 9.0, 3.9, None, 3.0, 8.0, 1.5, 5.0, 1.0)
    found = solve(AIM, 1, from_=("noise",), attempts=9)
    assert plan.kinds == ["noise", "noise", "noise", "again", "noise", "again", "noise", "annealed"]
    assert plan.radii == pytest.approx([1.8 * (0.72 if kind == "again" else 1) for kind in plan.kinds])
    assert np.array_equal(plan.began[-1], FULL)
    assert plan.began[3].mean() == pytest.approx(0.85, abs=0.1)  # the best cell, shaken
    assert (found.start, found.attempts.tolist(), found.calls.tolist()) == (["again"], [8], [80])
    assert (found.misfit[0], found.met[0]) == (1.0, True)
    for nearly, kinds in ((1.6, ["noise", "again"]), (1.59, ["noise", "annealed"])):
        plan = Plan(monkeypatch, nearly, 5.0)
        solve(AIM, 1, from_=("noise",), attempts=2)
        assert plan.kinds == kinds
    assert Plan(monkeypatch, 4.0, 4.0, 4.0).kinds == []
    plan = Plan(monkeypatch, 4.0, 4.0, 4.0)
    assert solve(AIM, 1, from_=("noise",), attempts=3).misfit.tolist() == [4.0]
    assert plan.kinds == ["noise"] * 3


def test_open_goals_are_pushed_where_the_others_are_met_and_the_way_is_kept(monkeypatch) -> None:
    told = []
    plan = Plan(monkeypatch, 1.0, 1.5)
    goals = [*AIM, Goal("volume", "minimize"), Goal("E_y", "maximize")]
    found = solve(goals, 2, from_=("noise",), attempts=1, record=True, progress=told.append)
    assert plan.kinds == ["noise", "pushed volume", "pushed E_y", "noise"]
    assert found.calls.tolist() == [210, 10]
    assert found.met.tolist() == [True, False]
    assert told == [1, 2]
    assert [len(way) for way in found.ways] == [2, 2]
    assert all(np.array_equal(way[0], u) for way, u in zip(found.ways, plan.began, strict=True))
    assert all(np.array_equal(way[-1], FULL) for way in found.ways)
    assert found.values[:, 1].tolist() == [1, 1]
    assert found.sentence() == (
        "1 of 2 cells meet every goal with a number, by finite elements at one element a pixel; "
        "the smallest volume among them is 1; the largest E_y among them is 1"
    )
    assert len(plan.ways) == 2
    assert all(len(way) == 1 and np.array_equal(way[0], plan.began[0]) for way in plan.ways)
    plan = Plan(monkeypatch, 1.0)
    assert solve(goals, 1, from_=("noise",)).ways == ()
    assert plan.ways == [None, None]
    assert plan.given[0][2] is None


def test_given_densities_come_first_in_turn(monkeypatch) -> None:
    plan = Plan(monkeypatch)
    given = np.stack([np.full((32, 32), 0.25), np.full((32, 32), 0.75)])
    solve(AIM, 3, from_=("given", "noise"), given=given, attempts=2)
    assert plan.kinds == ["given", "noise"] * 3
    assert [float(u.mean()) for u in plan.began[::2]] == [0.25, 0.75, 0.25]
    for wrong in (np.zeros((32, 32)), np.zeros((1, 48, 48))):
        with pytest.raises(ValueError, match="given cells of shape"):
            solve(AIM, 1, from_=("given",), given=wrong)
    with pytest.raises(ValueError, match="given cells of shape"):
        solve(AIM, 1, from_=("noise",), given=given)
    with pytest.raises(ValueError, match="one attempt"):
        solve(AIM, 1, attempts=0)


def test_without_a_clean_cell_the_nearest_that_may_stand_is_kept(monkeypatch) -> None:
    void = np.zeros((32, 32), dtype=bool)
    void[:8] = True
    plan = Plan(monkeypatch)
    found = solve(AIM, 1, from_=("noise",), space=CellSpace(void=void), attempts=1)
    assert np.array_equal(found.cells[0], ~void)  # stored cells have pixels where none may be
    assert found.calls.tolist() == [11]
    plan = Plan(monkeypatch)
    assert solve(AIM, 1, from_=("noise",), space=CellSpace(48), attempts=1).cells.all()
    assert plan.asked == []
    plan = Plan(monkeypatch)
    symmetric = CellSpace(orbits=np.arange(1024))  # a stored cell need not have the symmetry
    assert solve(AIM, 1, from_=("noise",), space=symmetric, attempts=1).calls.tolist() == [11]
    assert plan.asked == []
    nearest = "not reached in 1 starts at one element a pixel; nearest achieved: E_x = 1"
    assert solve(AIM, 1, from_=("noise",), attempts=1).sentence() == nearest


def test_the_nearest_of_several_misses_is_said() -> None:
    some = SolvedCells(
        np.ones((3, 4, 4), dtype=bool), np.stack([np.eye(3)] * 3), (*AIM, Goal("volume", "exactly", 0.5)),
        np.array([[0.1, 0.5], [0.2, 0.6], [0.3, 0.7]]), np.array([4.0, 2.0, 3.0]), ["noise"] * 3, np.array([1, 2, 3]),
        np.array([10, 20, 30]), np.zeros(3), "pixel",
    )  # fmt: skip
    assert some.sentence() == (
        "not reached in 6 starts at one element a pixel; nearest achieved: E_x = 0.2, volume = 0.6"
    )
    none = replace(some, cells=some.cells[:0], misfit=np.empty(0))
    assert none.sentence() == "0 of 0 cells meet every goal, by finite elements at one element a pixel"
    met = replace(some, misfit=np.array([4.0, 1.0, 1.01]))
    assert met.met.tolist() == [False, True, False]
    assert met.sentence() == "1 of 3 cells meet every goal, by finite elements at one element a pixel"


def test_without_numbers_eight_designs_are_made_from_seed_0_on_the_coarse_mesh(monkeypatch) -> None:
    """Each design draws from a stream of its own, which does not depend on how many starts the others took."""
    plan = Plan(monkeypatch, *[1.0] * 8)
    found = solve(AIM, from_=("noise",))
    assert (len(found.cells), found.mesh, {mesh for mesh, *_ in plan.given}) == (8, "pixel", {"pixel"})
    for seed, more in ((0, {}), (5, {"seed": 5})):
        plan = Plan(monkeypatch, 1.0, None, 1.0, 1.0)
        solve(AIM, 3, from_=("noise",), mesh="converged", **more)
        first, second, third = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(3))
        own = [starts.noise(rng, 32) for rng in (first, second, second, third)]
        assert all(np.array_equal(u, begun) for u, begun in zip(own, plan.began, strict=True))
        assert {mesh for mesh, *_ in plan.given} == {"converged"}
        assert plan.given[1][1] is plan.given[2][1]


def test_noise_is_noise_and_a_motif_a_motif_of_the_cells_side(monkeypatch) -> None:
    for number, kind in ((0.25, "noise"), (0.75, "motif")):
        monkeypatch.setattr(starts, kind, lambda rng, side, number=number: np.full((side, side), number))
    plan = Plan(monkeypatch)
    solve(AUXETIC, 1, from_=("noise", "motif"), space=CellSpace(48, feature=2), attempts=4)
    assert plan.kinds == ["noise", "motif", "noise", "motif"]
    assert [(u.shape, u[0, 0], u.std()) for u in plan.began] == [((48, 48), n, 0) for n in (0.25, 0.75, 0.25, 0.75)]


def test_designs_take_stored_cells_in_turn_the_nearest_first(monkeypatch) -> None:
    plan = Plan(monkeypatch)
    plan.stored = np.zeros((8, 32, 32), dtype=bool)
    for k in range(8):
        plan.stored[k, k] = True
    solve(AIM, 2, from_=("nearest",), attempts=6)
    assert [int(u.mean(1).argmax()) for u in plan.began] == [0, 2, 4, 6, 1, 3, 5, 7]  # there are no more
    assert plan.kinds == ["nearest"] * 8


def test_a_given_density_is_one_of_the_starts(monkeypatch) -> None:
    plan = Plan(monkeypatch)
    found = solve(AIM, 1, from_=("given", "nearest", "noise"), given=np.full((1, 32, 32), 0.5), attempts=4)
    assert plan.kinds == ["given", "nearest", "noise", "nearest"]
    assert found.attempts.tolist() == [4]


def test_samples_of_the_posterior_are_starts_of_the_cells_side(monkeypatch) -> None:
    drawn = []

    def samples(aims, n, seed):
        drawn.append((aims.names, n, seed))
        return np.stack([np.full((32, 32), (k + 1) / 10) for k in range(n)])

    monkeypatch.setattr(solver, "posterior_samples", samples)
    plan = Plan(monkeypatch)
    solve(AIM, 2, from_=("posterior", "noise"), space=CellSpace(64), attempts=2, seed=3)
    assert drawn == [(("E_x",), 2, 3)]
    assert plan.kinds == ["posterior", "noise"] * 2
    assert [u.shape for u in plan.began] == [(64, 64)] * 4
    assert [float(u.mean()) for u in plan.began[::2]] == pytest.approx([0.1, 0.2])
    with pytest.raises(ValueError, match="'posterior' or 'given', got both"):
        solve(AIM, 1, from_=("posterior", "given"), given=np.ones((1, 32, 32)))


def test_seconds_are_those_of_each_design(monkeypatch) -> None:
    clock = iter([100.0, 103.0, 110.0, 117.0])
    monkeypatch.setattr(solver, "thread_time", lambda: next(clock))
    Plan(monkeypatch, 1.0, 1.0)
    assert solve(AIM, 2, from_=("noise",)).seconds.tolist() == [3.0, 7.0]
