"""The definition of a hit, and the choice of designs to verify."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch

from ipage_core.inference.verification import omega_bar, rows_to_verify, verify
from ipage_core.problem.watch import watched, watching
from ipage_core.tasks import TASKS


@pytest.mark.parametrize("task", ["sinewave", "robotic_arm", "ballistics"])
@pytest.mark.parametrize(("off", "hit"), [(0.0, True), (0.9, True), (-0.9, True), (1.1, False), (-1.1, False)])
def test_a_hit_is_a_design_each_of_whose_properties_is_within_its_tolerance(task, off, hit):
    task = TASKS[task]
    x = task.sample_prior(20, torch.Generator().manual_seed(0))
    for j in range(task.n_targets):
        y_star = task.omega(x)[:, : task.n_targets]
        y_star[:, j] += off * task.tolerances[j]
        found = verify(task, x, y_star)
        assert (found.hit == hit).all()
        assert found.resim_error.allclose(
            torch.full((20,), float(off * task.tolerances[j]), dtype=torch.float64) ** 2, atol=1e-12
        )
        assert (verify(task, x, y_star, tolerances=2 * task.tolerances).hit).all()


def test_a_number_of_rows_to_verify_is_a_subset_drawn_by_the_seed():
    task = TASKS["sinewave"]
    first, again, other = (rows_to_verify(task, 100, "10", seed) for seed in (0, 0, 1))
    assert first.sum() == again.sum() == other.sum() == 10
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    drawn = torch.stack([rows_to_verify(task, 10, "3", seed) for seed in range(200)]).double().mean(0)
    assert ((drawn - 0.3).abs() < 0.15).all()  # every row has its chance


def test_a_slow_omega_has_a_bar_unless_someone_follows_it(monkeypatch):
    shown, told = [], []

    @contextmanager
    def bar(unit):
        yield lambda *state: shown.append((unit, *state))

    monkeypatch.setattr("ipage_core.inference.verification.progress_bar", bar)
    state = SimpleNamespace(done=3, total=8)
    with watching(cancel=lambda: True), omega_bar():
        watched().progress(state)
        assert watched().cancel()
    assert shown == [("design", 3, 8, "Ω")]
    with watching(told.append), omega_bar():
        watched().progress(state)
    assert (len(shown), told) == (1, [state])
