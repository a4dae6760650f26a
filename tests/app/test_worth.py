"""How often a sampling finds all solutions: as in the benchmark's data."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from app.figures import worth as worth_figure
from app.state import worth
from ipage_core.benchmark.exploration import recall
from ipage_core.benchmark.references import WITHIN, reference
from ipage_core.problem.request import SAMPLINGS, DesignRequest
from ipage_core.tasks import TASKS

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.skipif(
    not (ROOT / "pretrained/sinewave/inn.safetensors").exists(), reason="no trained networks in pretrained/"
)


def request(task, **settings):
    return DesignRequest.of(TASKS[task], TASKS[task].default_target, **settings)


@pytest.mark.parametrize("sampling", list(SAMPLINGS))
def test_the_share_of_seeds_with_all_loops_is_the_benchmark_s(sampling):
    rows = pd.read_parquet(ROOT / "data/benchmark/exploration.parquet")
    rows = rows[(rows["method"] == "ipage") & (rows["count"] == 25) & (rows["sampling"] == sampling)]
    known = recall(rows.astype({"method": str, "sampling": str}))["all_found"].item()
    one = worth.worth(request("sinewave", n=25, sampling=sampling), worth.SEEDS)
    assert one.share == pytest.approx(known, abs=0.05)
    said = worth_figure.sentence({SAMPLINGS[sampling]: {25: one}}, 25)
    assert said.endswith(f"{SAMPLINGS[sampling]} {100 * (one.found == 9).mean():.0f} %.")
    assert f"of {worth.SEEDS} seeds finds all 9 loops" in said


def test_without_loops_the_share_of_the_solution_set_is_told():
    asked = request("robotic_arm", n=25)
    assert worth.judged_by(asked) == "set"
    one = worth.worth(asked, 2)
    designs = asked.run()
    truth = reference("robotic_arm", worth.SOLUTIONS)
    distance = truth.distance(designs.final.double().numpy())
    assert one.found[0] == pytest.approx(truth.area[distance <= WITHIN["robotic_arm"]].sum(), abs=0.02)
    assert one.evenness[0] == pytest.approx(distance.max(), rel=0.1)
    assert np.isfinite(one.errors).all()


@pytest.mark.parametrize(
    ("task", "settings"),
    [("crystal", {}), ("ballistics", {"spread": "box"}), ("robotic_arm", {"constraints": ("x1 = 0",)})],
)
def test_where_neither_is_known_nothing_is_claimed(task, settings):
    assert worth.judged_by(request(task, **settings)) == ""


def test_as_many_seeds_run_by_themselves_as_the_bar_says(monkeypatch):
    monkeypatch.setattr(worth, "SIZES", (9,))
    monkeypatch.setattr(worth, "SEEDS", 3)
    asked = request("sinewave", n=25)
    *_, (done, results) = worth.over_sizes(asked)
    assert done == 1
    for by_n in results.values():  # "Runs by itself: 3 seeds at each N"
        assert len(by_n[9].found) == worth.seeds_of(asked) == 3


def test_the_view_compare_shows_pictures_that_differ_and_shares_over_seeds():
    test = AppTest.from_file(str(ROOT / "app/main.py"), default_timeout=180)
    test.query_params.update({"task": "sinewave", "view": "Compare", "n": "25"})
    test.run()
    assert not test.exception
    shares = [m.value for m in test.markdown if "seeds finds all 9 loops" in m.value]
    assert [re.findall(r"(\d+) %", text) for text in shares] == [["63", "84", "100"]]
    headings = [m.value for m in test.markdown]
    assert "**Over many seeds, with few designs** (N = 9 to 50; starts by itself)" in headings
    assert "**Over some seeds, with more designs** (N = 25 to 200; starts on the button)" in headings
    assert any("own N = **12** designs" in c.value and "are of your N = 25." in c.value for c in test.caption)
    drawn = test.dataframe[0].value
    assert drawn["loops found"].nunique() > 1
    assert any("target, N = 12 and seed: only the latent design differs" in c.value for c in test.caption)
    assert any("Bars hold 90 %. No corrections by Ω." in c.value for c in test.caption)
