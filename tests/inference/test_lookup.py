"""The control that looks designs up in the training rows."""

import pytest
import torch

from ipage_core.inference.lookup import Lookup
from ipage_core.inference.methods import load
from ipage_core.inference.pipeline import design
from ipage_core.tasks import TASKS


@pytest.mark.parametrize("task", ["sinewave", "robotic_arm"])
def test_the_nearest_rows_are_those_of_a_search_by_hand(task):
    x, y = TASKS[task].pairs()
    targets = y[:3] + 0.01
    y_star = targets.repeat_interleave(4, dim=0)
    found = Lookup(TASKS[task]).sample(y_star.float(), torch.zeros(12, 1, dtype=torch.float64))
    for t in range(3):
        distance = ((y - targets[t].float().double()) / TASKS[task].tolerances).norm(dim=1)
        assert torch.equal(found[4 * t : 4 * t + 4], x[distance.argsort()[:4]])


def test_rows_of_a_target_in_any_order_get_each_row_once():
    y_star = torch.tensor([[0.3], [0.9], [0.3], [0.3], [0.9]])
    found = Lookup(TASKS["sinewave"]).sample(y_star, torch.zeros(5, 1))
    assert len(found.unique(dim=0)) == 5
    assert (TASKS["sinewave"].omega(found.double()) - y_star).abs().max() < 0.01


def test_lookup_designs_like_any_method_and_knows_how_many_rows_it_has():
    found = design(TASKS["sinewave"], load("sinewave", "lookup"), torch.tensor([1.2]), 50)
    assert found.localized is None
    assert found.verification.hit.all()
    with pytest.raises(ValueError, match="10000 rows, fewer than the 10001"):
        design(TASKS["sinewave"], load("sinewave", "lookup"), torch.tensor([1.2]), 10_001)


def test_the_stored_property_of_a_row_is_its_own():
    lookup = Lookup(TASKS["crystal"])
    x, y = lookup.pairs
    found = lookup.sample(torch.full((20, 1), 0.5), torch.zeros(20, 1))  # in float32
    assert torch.equal(lookup.stored(found), y[(y - 0.5).abs()[:, 0].argsort(stable=True)[:20]])
    assert torch.equal(lookup.stored(x[:5]), y[:5])
