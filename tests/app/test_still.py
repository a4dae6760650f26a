"""Stills of figures: PNG and SVG show what the figure holds."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.figures.still import can, still, stills
from app.figures.theme import packed
from app.state import runs
from app.tasks import panel_of
from ipage_core.problem.request import DesignRequest
from ipage_core.tasks import TASKS

ROOT = Path(__file__).resolve().parent.parent.parent


def figure(*traces, **layout):
    axes = {"xaxis": {"domain": [0, 1], "range": [0, 10]}, "yaxis": {"domain": [0, 1], "range": [0, 10]}}
    margin = {"l": 50, "r": 50, "t": 50, "b": 50}
    return {"data": list(traces), "layout": {"height": 600, "margin": margin, **axes, **layout}}


def dots(x, y, **marker):
    return {"type": "scatter", "mode": "markers", "x": packed(np.array(x)), "y": packed(np.array(y)), "marker": marker}


def colored(drawn, color):
    pixels = np.asarray(Image.open(io.BytesIO(still(drawn, "png"))).convert("RGB"), dtype=int)
    return np.argwhere(np.abs(pixels - color).sum(2) < 12), pixels.shape


def test_a_point_is_where_it_belongs():
    where, (height, width, _) = colored(figure(dots([7.5], [2.5], size=20, color="#ff0000")), (255, 0, 0))
    row, column = where.mean(0)
    assert (column / width * 1100 - 50) / 1000 == pytest.approx(0.75, abs=0.005)
    assert (row / height * 600 - 50) / 500 == pytest.approx(0.75, abs=0.005)
    assert len(where) == pytest.approx(np.pi / 4 * 40**2, rel=0.15)  # 20 px at twice the resolution


def test_what_is_hidden_stays_hidden():
    hidden = dots([5], [5], size=20, color="#ff0000") | {"visible": "legendonly", "name": "prior"}
    assert not len(colored(figure(hidden), (255, 0, 0))[0])


def test_areas_bars_and_faint_lines_keep_their_colors():
    square = {"type": "scatter", "mode": "lines", "x": [1, 4, 4, 1], "y": [1, 1, 4, 4], "fill": "toself"}
    square |= {"fillcolor": "rgba(0,0,255,0.5)", "line": {"width": 0}}
    bars = {"type": "bar", "x": [7], "y": [6], "width": 2, "marker": {"color": "#00ff00"}}
    drawn = figure(square, bars)
    assert len(colored(drawn, (127, 127, 255))[0]) == pytest.approx(0.09 * 2000 * 1000, rel=0.05)
    assert len(colored(drawn, (0, 255, 0))[0]) == pytest.approx(0.12 * 2000 * 1000, rel=0.05)


def test_titles_and_names_are_text_in_the_svg():
    note = {"text": "<b>Error</b> 10<sup>-3</sup>", "x": 0, "y": 1, "xref": "paper", "yref": "paper"}
    told = still(figure(dots([5], [5]) | {"name": "localized"}, annotations=[note]), "svg").decode()
    assert re.search("<svg", told)
    assert "localized" in told
    assert "Error" in told


def test_both_stills_of_one_drawing_are_those_of_two():
    drawn = figure(dots([5, 6], [5, 2], size=9, color="#ff0000") | {"name": "localized"}, annotations=[])
    both = stills({"one": drawn})
    assert list(both) == ["one.png", "one.svg"]
    assert both["one.png"] == still(drawn, "png")
    assert b"localized" in both["one.svg"]


def test_figures_in_space_are_refused():
    drawn = figure({"type": "scatter3d", "x": [0], "y": [0], "z": [0]})
    assert not can(drawn)
    with pytest.raises(ValueError, match="flat"):
        still(drawn, "png")


@pytest.mark.skipif(not (ROOT / "pretrained/crystal/inn.safetensors").exists(), reason="no trained networks")
@pytest.mark.parametrize("task", ["sinewave", "robotic_arm", "ballistics", "crystal", "architecture"])
def test_every_flat_figure_of_the_archive_has_a_still(task):
    run = runs.run(DesignRequest.of(TASKS[task], TASKS[task].default_target, n=4))
    drawn = panel_of(task).figures(run)
    assert can(drawn["localization"])
    for name in drawn:
        if can(drawn[name]):
            picture = Image.open(io.BytesIO(still(drawn[name], "png")))
            assert np.asarray(picture.convert("L")).std() > 5, name
