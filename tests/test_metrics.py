import numpy as np
import pytest
from scipy.spatial.distance import pdist

from ipage_core.metrics import error_quantiles, least_distance, mode_recall, nearest_distances


def test_recall_counts_families_once_and_no_refuted_design():
    assert mode_recall(np.array([0, 0, 2, -1]), 4) == 0.5
    assert mode_recall(np.array([-1, -1]), 4) == 0


@pytest.mark.parametrize("k", [2, 40])
def test_distances_are_those_of_all_pairs(k):
    points = np.random.default_rng(0).random((30, k))
    assert least_distance(points) == pytest.approx(pdist(points).min())
    assert len(nearest_distances(points)) == 30


def test_quantiles_leave_out_what_is_not_known():
    assert error_quantiles(np.array([1.0, np.nan, 3.0]), (0.5,)) == pytest.approx([2.0])
    assert np.isnan(error_quantiles(np.array([np.nan]))).all()
