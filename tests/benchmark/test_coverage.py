"""The benchmark's coverage: references in closed form, and the coverage of known designs."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
import torch

from app.figures import benchmark as figures
from ipage_core.benchmark import coverage
from ipage_core.benchmark.references import WITHIN, closed_form, loop_gaps, reference
from ipage_core.tasks import TASKS


@pytest.mark.parametrize("name", list(WITHIN))
def test_references_are_solutions_in_the_box(name):
    task = TASKS[name]
    x = torch.from_numpy(reference(name, 2000, 1).x)
    assert len(x) >= 1000
    assert (task.omega(x) - torch.tensor(task.default_target)).abs().max() < 1e-6
    assert task.in_bounds(x).all()


def test_the_weights_are_those_of_the_length():
    """The nine loops are congruent, so each has a ninth of the length, however its points are spaced."""
    truth = reference("sinewave", 20_000, 2)
    angle = np.arctan2(truth.x[:, 1], truth.x[:, 0] - 1 / 6)  # about the maximum at (1/6, 0)
    here = np.hypot(truth.x[:, 0] - 1 / 6, truth.x[:, 1]) < 0.3
    assert truth.area[here].sum() == pytest.approx(1 / 9, rel=0.05)
    quarter = here & (angle > 0) & (angle < np.pi / 2)
    assert truth.area[quarter].sum() == pytest.approx(1 / 36, rel=0.1)


def test_a_task_without_a_closed_form_is_refused():
    with pytest.raises(ValueError, match="accepted: sinewave, robotic_arm, ballistics"):
        closed_form("crystal", 10)


def test_what_is_measured_of_known_designs():
    x = reference("sinewave", 4000, 3).x[:400]
    all_of_them = coverage.measure("sinewave", x, np.ones(400, bool))
    half = coverage.measure("sinewave", x, np.arange(400) < 40)
    assert all_of_them["hits"] == 1.0
    assert half["hits"] == 0.1
    assert half["fill"] > all_of_them["fill"] > all_of_them["mean"] > 0
    assert half["share"] < all_of_them["share"] <= 1.0
    assert half["minimum"] >= all_of_them["minimum"]
    assert all_of_them["evenness"] >= 1.0
    none = coverage.measure("sinewave", x, np.zeros(400, bool))
    assert none["fill"] is None
    assert none["share"] == 0.0


def test_a_loop_without_a_design_is_one_gap():
    gaps = loop_gaps(reference("sinewave", 4000, 3).x[:1])
    whole = gaps[0].sum()
    assert [len(g) for g in gaps] == [1] * 9
    assert np.allclose([g[0] for g in gaps], whole)


def test_the_figure_has_a_line_a_method_and_medians_leave_out_nothing():
    rows = [
        {"task": task, "method": method, "sampling": "maximin", "spread": spread, "seed": seed, "count": n}
        | {"training_seed": 0, "within": 0.05, "hits": 1.0, "fill": 1 / n + seed, "mean": 0.5 / n, "minimum": 0.01}
        | {"share": 0.5, "evenness": np.nan}
        for task in ("sinewave", "robotic_arm")
        for method, spread in (("ipage", "off"), ("ipage", "box"))
        for n in (25, 100)
        for seed in range(3)
    ]
    found = coverage.medians(pd.DataFrame(rows))
    assert (found["runs"] == 3).all()
    assert found["fill"].tolist() == pytest.approx([1 + 1 / n for n in (25, 100)] * 4)
    text = coverage.markdown(found)
    assert text.splitlines()[0] == "| method | sinewave, N = 100 | robotic_arm, N = 100 |"
    assert text.splitlines()[-1] == "| ipage, maximin, spread box | 1.01 / 50 % | 1.01 / 50 % |"
    spec = figures.coverage(found, {"sinewave": "Sine wave", "robotic_arm": "Robotic arm"}, False)
    go.Figure(spec)
    assert len(spec["data"]) == 8
    assert {trace["name"] for trace in spec["data"]} == {"iPage, maximin", "iPage, spread"}
