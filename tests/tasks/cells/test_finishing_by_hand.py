"""Corrections and finishing of cells with scripted results of Ω: which cell is kept, and which seeds are used."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from ipage_core.inference.chain import Samples
from ipage_core.tasks.cells import finishing
from ipage_core.tasks.cells.modulus import E_X_SD
from ipage_core.tasks.cells.space import Filtered

BOUNDS = torch.tensor([[0.0], [1.0]])
TOLERANCE = 0.01 / E_X_SD
"""Of y; in units of E_s it is 0.01."""


class Whole(Filtered):
    """Every design is a cell as it is."""

    def project(self, x):
        return x

    def encode(self, x):
        return x


def samples(*values):
    """A sample for each value, at which it is and which is its error."""
    x = torch.tensor(values)[:, None]
    return Samples(*[x.clone() for _ in range(7)], ["posterior"], x[None].clone(), x[None, :, 0].clone())


def chain(**more):
    return SimpleNamespace(
        space=Whole(BOUNDS),
        task=SimpleNamespace(tolerance=TOLERANCE, n_targets=1, **more.pop("of_task", {})),
        clock=lambda stage: nullcontext(),
        omega_calls=0,
        **more,
    )


def test_a_stuck_cell_is_drawn_again_and_the_nearest_is_kept(monkeypatch):
    """Rows 1 and 2 are stuck: row 1 is better the second time, row 2 the first time; then each draw is worse."""
    off = {0: [0.005, 0.5, 0.5, 0.5], 1: [0.6, 0.2], 2: [0.1, 0.3], 3: [0.2, 0.25]}
    asked, seeds = [], []

    def fresh(of, goal, seed, attempt):
        asked.append((seed, attempt, of.x[:, 0].tolist()))
        return samples(*(10.0 * (attempt + 1) + k for k in range(len(goal))))

    def finished(cells, target, moves, seed):
        seeds.append(seed)
        return cells, torch.tensor(off[len(seeds) - 1], dtype=torch.float64), 7

    monkeypatch.setattr(finishing, "finished", finished)
    run, found = chain(fresh=fresh), samples(0.0, 1.0, 2.0, 3.0)
    replaceable = torch.tensor([True, True, True, False])
    replaced = finishing.finish(run, found, torch.zeros(4, 1), 5, replaceable)
    assert found.x[:, 0].tolist() == found.errors[0].tolist() == [0, 20, 11, 3]
    assert replaced.tolist() == [False, True, True, False]
    assert asked == [(8, 0, [1, 2]), (8, 1, [1, 11]), (8, 2, [20, 11])]
    assert (seeds, run.omega_calls) == ([5] * 4, 28)


def test_corrections_keep_the_best_cell_that_omega_has_seen():
    """The corrections move each sample by one; by Ω the third cell of one is the best, and the first of the other."""
    off = iter(([0.3, 0.1, 0.5], [0.5, 0.4, 0.4], [0.2, 0.3, 0.6]))

    def descend(u, goal):
        return SimpleNamespace(u=u[None] + 1), u.clone()

    run = chain(
        descend=descend,
        predict=lambda x: 100 * x,
        of_task={"omega": lambda x: torch.tensor(next(off), dtype=torch.float64)[:, None]},
    )
    found = samples(0.0, 10.0, 20.0)
    replaced = finishing.correct(run, found, torch.zeros(3, 1, dtype=torch.float64), 3, 0, torch.ones(3).bool())
    assert found.x[:, 0].tolist() == [2, 10, 21]
    assert found.predicted[:, 0].tolist() == [200, 1000, 2100]
    assert not replaced.any()
    assert run.omega_calls == 9


def test_flips_that_bring_a_cell_no_nearer_are_not_kept(monkeypatch):
    cells = torch.zeros(1, 1024)
    cells[0, :512] = 1

    def modulus(pixels):
        moduli = torch.full(pixels.shape[:-2], 0.9).double().numpy()
        return (moduli if pixels.ndim == 3 else 0.5), torch.zeros(pixels.shape).double().numpy()

    monkeypatch.setattr(finishing, "young_x_with_gradient", modulus)
    ends, off, _ = finishing.finished(cells, torch.tensor([0.6]), Filtered(torch.tensor([[0.0] * 1024, [1.0] * 1024])))
    assert torch.equal(ends, cells)
    assert off.tolist() == pytest.approx([0.1], rel=1e-6)


def test_the_choice_of_flips_follows_the_seed():
    cells = torch.zeros(1, 32, 32)
    cells[:, 8:24], cells[:, :, 8:24] = 1, 1
    moves, target = Filtered(torch.tensor([[0.0] * 1024, [1.0] * 1024])), torch.tensor([0.5])
    ends = [finishing.finished(cells.flatten(1), target, moves, seed)[0] for seed in (0, 0, 1)]
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])
