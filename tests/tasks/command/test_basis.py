"""Each design of a command's problem says what it rests on: Ω, or an interval that holds results of Ω."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from app.state import runs
from app.tasks.problem.table import table
from ipage_core import registry
from ipage_core.cli.main import main
from ipage_core.problem.request import DesignRequest
from ipage_core.tasks import TASKS

SIMULATOR = (
    'awk -F, -v OFMT=%.12g \'NR==1{print "sample,area"; next} '
    '{if ($2 > 1.95) {print "too long" > "/dev/stderr"; exit 4}; print $1 "," $2*$3*(1+0.3*sin(7*$2))}\' "$1" > "$2"\n'
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder ``box`` with 40 evaluated designs, some of them failed, and its networks."""
    place = tmp_path_factory.mktemp("basis")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("IPAGE_HOME", str(place / "home"))
        patched.chdir(place)
        Path("sim.sh").write_text(SIMULATOR)
        words = ["--x", "a [m]=1:2", "--x", "b [m]=1:2", "--y", "area [m²] ± 0.02", "--batch", "40"]
        assert main(["new", "box", *words, "--command", "sh sim.sh {in} {out}", "--test", "0"]) == 0
        assert main(["dataset", "box", "--n", "40"]) == 0
        assert main(["train", "box", "--epochs", "2"]) == 0
    return place


@pytest.fixture
def box(trained, tmp_path, monkeypatch):
    """A copy of it, in the working directory."""
    monkeypatch.setenv("IPAGE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained / "box", "box")
    shutil.copy(trained / "sim.sh", "sim.sh")
    assert main(["new", "box", "--command", "sh sim.sh {in} {out}", "--test", "0"]) == 0
    return Path("box")


def design(*words: str) -> pd.DataFrame:
    assert main(["design", "box", "--target", "2.2", "--n", "30", "--out", "s.csv", *words]) == 0
    return pd.read_csv("s.csv").query("stage == 'localized'").reset_index(drop=True)


def test_a_prediction_has_an_interval_that_holds_what_omega_says(box, capsys):
    final = design("--verify", "none")
    assert set(final.basis) == {"predicted, 90 % interval"}
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["basis"] == {"predicted, 90 % interval": 30}
    assert "(90 %)" in summary["intervals"]
    assert (final.low1 < final.surrogate1).all()
    assert (final.high1 > final.surrogate1).all()
    truth = final.x1 * final.x2 * (1 + 0.3 * np.sin(7 * final.x1))
    assert ((truth >= final.low1) & (truth <= final.high1)).mean() > 0.6


def test_the_nearest_row_is_one_that_omega_has_evaluated(box):
    final, known = design("--verify", "none"), pd.read_parquet("box/rows.parquet")
    rows = final.nearest_row.str.removeprefix("evaluated ").astype(int) - 1
    nearest = known.iloc[rows].reset_index(drop=True)
    assert (nearest.error == "").all()
    assert np.allclose(nearest.area, final.nearest_y1)
    assert np.allclose(np.hypot(nearest.a - final.x1, nearest.b - final.x2), final.nearest_distance)
    fine = known[known.error == ""]
    apart = np.hypot(*(fine[name].to_numpy() - final[x].to_numpy()[:, None] for name, x in (("a", "x1"), ("b", "x2"))))
    assert np.allclose(apart.min(1), final.nearest_distance)


def test_what_omega_has_verified_rests_on_omega_alone(box):
    final = design("--verify", "5")
    verified = final.y1.notna()
    assert verified.sum() == 5
    assert set(final.basis[verified]) == {"verified by Ω"}
    assert set(final.basis[~verified]) == {"predicted, 90 % interval"}
    assert final.nearest_row[verified].isna().all()
    assert (final.nearest_distance[~verified] >= 0).all()


def test_the_table_on_the_page_shows_it(box, monkeypatch):
    shutil.copytree(box, "home/tasks/box")
    try:
        registry.refresh()
        run = runs.run(DesignRequest.of(TASKS["box"], 2.2, n=4, verify="none"))
        shown = table(run)
    finally:
        monkeypatch.undo()
        registry.refresh()
    assert set(shown["rests on"]) == {"predicted, 90 % interval"}
    assert shown["y, 90 %"].str.contains("–").all()
    assert shown["nearest"].str.startswith("evaluated ").all()
    assert shown["y by Ω"].isna().all()
