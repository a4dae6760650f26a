"""Tables of cells for goals: what the network predicts along each axis, and the misfit of the worst goal."""

import numpy as np
import pandas as pd
import pytest
import torch

from ipage_core.tasks.cells.goal_prediction import predict_table
from ipage_core.tasks.cells.goal_table import columns
from ipage_core.tasks.cells.goals import Goal
from ipage_core.tasks.cells.modulus import E_X_MEAN, E_X_SD


def first_row(x):
    """A z-score that differs between a cell and its transpose: the share of solid in the first row of pixels."""
    return x.view(-1, 32, 32)[:, 0].mean(1, keepdim=True)


def test_e_y_is_that_of_the_transposed_cell_in_units_of_the_solid():
    cell = np.zeros((32, 32), int)
    cell[0] = 1  # solid along x: 1 in the first row, 1/32 in the first column
    frame = pd.DataFrame([cell.ravel()], columns=[f"x{j + 1}" for j in range(1024)])
    found, _ = predict_table(frame.assign(goals="E_y=0.3±0.01 & E_x=0.3±0.01", mesh="pixel"), first_row)
    assert found["E_x predicted"][0] == pytest.approx(E_X_MEAN + E_X_SD, rel=1e-6)
    assert found["E_y predicted"][0] == pytest.approx(E_X_MEAN + E_X_SD / 32, rel=1e-6)
    assert found["surrogate1"][0] == found["E_y predicted"][0]  # the first goal
    assert found["surrogate2"][0] == found["E_x predicted"][0]


def test_the_misfit_is_that_of_the_worst_goal():
    """A solid cell with C of an isotropic sheet: E = 1; volume 1."""
    nu = 0.3
    c = np.array([[[1, nu, 0], [nu, 1, 0], [0, 0, (1 - nu) / 2]]]) / (1 - nu**2)
    goals = [
        Goal("E_x", "exactly", 0.98, 0.01),
        Goal("volume", "exactly", 1.0, 0.01),
        Goal("E_y", "exactly", 0.96, 0.01),
    ]
    found = columns(goals, np.ones((1, 32, 32), bool), c, "pixel")
    assert [found["y1"][0], found["y2"][0], found["y3"][0]] == pytest.approx([1, 1, 1])
    assert found["misfit"][0] == pytest.approx(4.0)
    assert found["resim_error"][0] == pytest.approx(0.02**2 + 0.04**2)
    assert torch.tensor(found["E_x"]).shape == (1,)
