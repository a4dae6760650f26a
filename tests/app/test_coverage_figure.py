"""The figure of a coverage shows every known solution once, and marks as proved only what is proved."""

from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest

from app.components.coverage import caption
from app.figures.coverage import figure, table
from app.figures.playback import Size
from app.figures.theme import palette, unpacked
from ipage_core.inference.coverage import Coverage
from ipage_core.inference.intervals import Interval
from ipage_core.inference.paving import Radius


def told(proof=None):
    rng = np.random.default_rng(0)
    distance = np.linspace(0, 0.2, 300)
    return Coverage(0.1, rng.random((300, 3)), np.full(300, 1 / 300), distance, distance[:50], True, proof, "")


@pytest.mark.parametrize("size", ["narrow", "wide"])
@pytest.mark.parametrize("dark", [False, True])
def test_it_is_a_figure(size, dark):
    spec = figure(told(), np.zeros((5, 3)), ("a [m]", "b", "c"), (0, 2), dark, Size(size))
    go.Figure(spec)
    points = {trace["name"]: len(unpacked(trace["x"])) for trace in spec["data"]}
    assert points["solutions: within ε of a design"] == (told().distance <= 0.1).sum()
    assert points["solutions: farther than ε"] == (told().distance > 0.1).sum()
    at = next(trace for trace in spec["data"] if trace["name"] == "ε = 0.1")
    assert unpacked(at["x"]) == pytest.approx([0.1, 0.1])
    assert at["line"]["color"] == palette(dark).target
    assert points["designs"] == 5
    assert "proved" not in points
    assert spec["layout"]["xaxis"]["title"]["text"].startswith("a [m]")


def test_proved_is_drawn_from_the_radius_on():
    box = Interval(*np.zeros((2, 0, 3)))
    spec = figure(told(Radius(0.22, box, 1, 0.0)), np.zeros((5, 3)), ("a", "b", "c"), (0, 1), False, Size("wide"))
    proved = next(trace for trace in spec["data"] if trace["name"] == "proved")
    assert unpacked(proved["x"])[:2] == pytest.approx([0.22, 0.22])
    assert unpacked(proved["y"]).tolist() == [0, 100, 100]
    shares = table(told(Radius(0.22, box, 1, 0.0)))
    assert (shares["proved"].isna() == (shares["within"] < 0.22)).all()


def test_the_caption_names_only_the_curves_that_are_there():
    box = Interval(*np.zeros((2, 0, 3)))
    assert "Dashed" in caption(told(), Size("wide"))
    assert "Dotted" not in caption(told(), Size("wide"))
    assert "Dotted" in caption(told(Radius(0.22, box, 1, 0.0)), Size("wide"))
    assert "Dashed" not in caption(replace(told(), posterior=np.zeros(0)), Size("wide"))
