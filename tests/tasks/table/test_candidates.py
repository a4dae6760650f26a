"""Candidates for a user's table: nearest rows in box widths, and a varied choice of designs to measure."""

import numpy as np
import pandas as pd
import pytest
import torch

from ipage_core.inference.methods import Loaded
from ipage_core.networks.base import Network
from ipage_core.tasks.table import candidates, own_data, own_task


class Sure(Network):
    """Predicts the first input, with the same spread everywhere."""

    reads = torch.float32

    def forward(self, x):
        return x[:, :1]

    def spread(self, x):
        return torch.full((len(x), 1), 0.1)


@pytest.fixture
def task(tmp_path):
    """Two inputs, of widths 1 and 1000, none measured near the middle."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.uniform(0, 1, 60), "b": rng.uniform(0, 1000, 60)})
    table.loc[0] = [0.0, 0.0]
    table.loc[1] = [1.0, 1000.0]
    table = table[np.hypot(table["a"] - 0.5, table["b"] / 1000 - 0.5) > 0.2].reset_index(drop=True)
    table["y"] = table["a"]
    own_data.create(tmp_path / "own", table, ["a", "b"], ["y"], title="own", source="rows.csv")
    return own_task.load(tmp_path / "own")


def test_the_nearest_row_is_nearest_in_widths_of_the_box(task):
    x = torch.rand(40, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * torch.tensor([1.0, 1000.0])
    index, distance = candidates.nearest(task, x)
    rows = own_data.measured(task.models_folder).x
    low, high = task.bounds
    apart = ((x[:, None] - rows[None]) / (high - low)).norm(dim=2)
    assert torch.equal(index, apart.argmin(1))
    torch.testing.assert_close(distance, apart.amin(1))


def test_what_is_to_be_measured_for_information_is_far_from_what_was_chosen(task):
    crowd = torch.tensor([[0.501, 500.0], [0.5115, 501.0]], dtype=torch.float64)
    alone = torch.tensor([[0.05, 950.0], [0.95, 60.0]], dtype=torch.float64)
    method = Loaded("ipage", None, Sure(), torch.device("cpu"), {"inn": {"held_out": {"error_per_spread": [1.0]}}})
    x = torch.cat((crowd, alone))
    found = candidates.to_measure(task, method, x, torch.full((4, 1), 0.5, dtype=torch.float64), 4)
    assert found["why"].tolist() == ["value", "information", "value", "information"]
    # The cluster in the middle is farthest from all rows until one of its designs is chosen.
    assert sorted(found.loc[found["why"] == "information", "a"]) == [0.05, 0.95]


def test_designs_that_gather_in_one_place_are_to_be_measured_once(task):
    crowd = torch.tensor([[0.501, 500.0], [0.502, 501.0], [0.503, 502.0], [0.504, 503.0]], dtype=torch.float64)
    x = torch.cat((crowd, torch.tensor([[0.05, 950.0]], dtype=torch.float64)))
    method = Loaded("ipage", None, Sure(), torch.device("cpu"), {"inn": {"held_out": {"error_per_spread": [1.0]}}})
    found = candidates.to_measure(task, method, x, torch.full((5, 1), 0.5, dtype=torch.float64), 5)
    assert found["a"].tolist() == [0.501, 0.05]
