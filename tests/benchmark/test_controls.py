import re

import pandas as pd
import pytest
import torch
from torch import Generator

from ipage_core.benchmark import controls, tables_of_others
from ipage_core.benchmark.controls import ExtraTrees, search
from ipage_core.benchmark.rows import read
from ipage_core.cli.main import main


def test_trees_reproduce_their_rows_and_follow_a_step():
    x = torch.rand(200, 2, dtype=torch.float64, generator=Generator().manual_seed(0))
    y = torch.stack(((x[:, 0] > 0.5).double() * 1e4, 1e-3 * x[:, 1]), 1)
    trees = ExtraTrees(x, y)
    assert torch.allclose(trees(x), y)
    new = torch.rand(500, 2, dtype=torch.float64, generator=Generator().manual_seed(1))
    new = new[(new[:, 0] - 0.5).abs() > 0.05]
    step = (new[:, 0] > 0.5).double() * 1e4
    assert (trees(new)[:, 0] - step).abs().mean() < 300
    assert (trees(new)[:, 1] - 1e-3 * new[:, 1]).abs().mean() < 3e-5


def test_a_search_comes_closer_than_its_draws(monkeypatch):
    monkeypatch.setattr(controls, "DRAWS", 500)

    def draw(n, generator):
        return torch.rand(n, 2, dtype=torch.float64, generator=generator)

    target = torch.tensor([0.5, 0.05], dtype=torch.float64)

    def off(x):
        return ((torch.stack((x.sum(1), x[:, 0] * x[:, 1]), 1) - target) / torch.tensor([1.0, 0.1])).norm(dim=1)

    found = search(
        lambda x: torch.stack((x.sum(1), x[:, 0] * x[:, 1]), 1), draw, lambda x: x.clamp(0, 1), target[None],
        torch.tensor([1.0, 0.1]), 5, 3,
    )[0]  # fmt: skip
    assert ((found >= 0) & (found <= 1)).all()
    drawn = off(draw(500, Generator().manual_seed(3))).sort().values[:5]
    assert off(found).median() < 0.1 * drawn.median()


def test_the_summary_counts_what_was_said_and_what_it_cost():
    rows = [
        {"way": "program", "target": t, "candidate": c, "error": e, "lost": False, "whole": True, "covered": v,
         "row_is_closer": r}
        for t, c, e, v, r in [(0, 0, 0.1, 1, 0), (0, 1, 0.3, 0, 0), (1, 0, 0.9, 1, 1), (1, 1, 0.9, 1, 1)]
    ]  # fmt: skip
    rows += [{"way": "nearest row", "target": t, "candidate": 0, "error": e} for t, e in [(0, 0.25), (1, 0.5)]]
    result = {"rows": rows, "training_seconds": 1.0, "design_seconds": 0.1, "r2": 0.9}
    item = ("vehicle|0", {"problem": "vehicle", "seed": 0})
    found = tables_of_others.frame({"vehicle|0": result}, [item])
    line = tables_of_others.summary(found).iloc[0]
    assert line["program"] == 0.6
    assert line["nearest row"] == 0.375
    assert line["best"] == "nearest row"
    assert line["limit"] == 0.5  # in a quarter of the draws the second target comes twice
    assert line["says the row is closer"] == 1
    assert line["worst advice"] == 1.0  # the second target's advice is the row itself; the first's is 0.2 of 0.25
    assert line["covered"] == 0.75


@pytest.mark.parametrize(("limit", "bold"), [(0.012, ["0.012", "0.01"]), (0.0119, ["0.01"])])
def test_bold_is_the_lowest_and_what_lies_within_its_interval(limit, bold):
    line = dict.fromkeys(("program", "nearest row", "ExtraTrees + search", "Gaussian process + search"), float("nan"))
    line |= {"problem": "vehicle", "program": 0.012, "nearest row": 0.01, "limit": limit, "targets": 1}
    line |= dict.fromkeys(("false cannot be reached", "says the row is closer"), 0)
    line |= dict.fromkeys(("worst advice", "covered", "training_seconds", "design_seconds"), 1.0)
    text = tables_of_others.markdown(pd.DataFrame([line]))
    assert re.findall(r"\*\*(.*?)\*\*", text) == bold


def made_up(argument):
    """Rows as returned by `work`: a program that hits, and a nearest row that does not."""
    rows = [
        {"way": "program", "target": 0, "candidate": i, "error": 0.01, "lost": False, "whole": True, "covered": 1.0,
         "row_is_closer": False}
        for i in range(2)
    ]  # fmt: skip
    rows.append({"way": "nearest row", "target": 0, "candidate": 0, "error": 0.1 + argument["seed"]})
    return {"rows": rows, "training_seconds": 3.0, "design_seconds": 0.5, "r2": 0.99, "notes": []}


def test_the_command_writes_rows_and_prints_a_table(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tables_of_others, "work", made_up)
    words = ["benchmark", "--tables", "--tasks", "vehicle,spring", "--repeats", "2", "--workers", "0"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert (
        "| Vehicle safety (1000, 5 → 3) | **0.01** | 0.6 | – | – | 0 of 2 | 0 of 2 | 0.10 | 1.00 | 3 s, 0 s |" in told
    )
    found, card = read(tmp_path / "tables_of_others.parquet")
    assert len(found) == 2 * 2 * 3
    assert set(found["problem"]) == {"vehicle", "spring"}
    assert card["command"] == "python -m ipage_core benchmark --tasks vehicle,spring --repeats 2 --tables"
    assert main([*words[:2], "--fold", "--tasks", "vehicle", "--repeats", "1", "--out", str(tmp_path)]) == 0
    assert len(read(tmp_path / "tables_of_others.parquet")[0]) == 3
    assert main(["benchmark", "--tables", "--tasks", "bridge", "--out", str(tmp_path)]) == 2
    assert "problem 'bridge' is not known; accepted: welded-beam" in capsys.readouterr().err
