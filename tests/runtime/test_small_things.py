"""The seconds left of a resumed run, the threads of networks, and names of columns that a spreadsheet would run."""

from itertools import count
from types import SimpleNamespace

import pandas as pd
import pytest

from ipage_core.runtime import cores, executor
from ipage_core.runtime.files import spreadsheet_safe


def square(number):
    return {"square": number * number}


def test_a_resumed_run_is_as_fast_as_its_own_items(tmp_path, monkeypatch):
    """A second passes between two looks at the clock; three results of five are there already."""
    items = [(str(k), k) for k in range(5)]
    executor.run(square, items[:3], tmp_path / "j", workers=0)
    clock = count()
    monkeypatch.setattr(executor, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    said = []
    executor.run(square, items, tmp_path / "j", workers=0, progress=said.append)
    assert [(p.done, p.eta_seconds) for p in said] == [(3, None), (4, 1.0), (5, 0.0)]


@pytest.mark.parametrize(("there", "threads"), [(1, 1), (2, 1), (4, 2), (8, 4), (64, 4)])
def test_networks_take_half_of_the_cores_at_most_four(monkeypatch, there, threads):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(cores, "cores", lambda: there)
    assert cores.threads() == threads


def test_names_and_texts_that_a_spreadsheet_would_run_are_text():
    frame = pd.DataFrame({"=SUM(A1)": [1.0], "-log10(p)": ["@now"], "x1": ["-3.5"]})
    safe = spreadsheet_safe(frame)
    assert list(safe) == ["'=SUM(A1)", "'-log10(p)", "x1"]
    assert safe.iloc[0].tolist() == [1.0, "'@now", "-3.5"]
