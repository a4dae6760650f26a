"""The stored designs x are those of the stored errors: Ω run on them again gives the same y − y*."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ipage_core import benchmark
from ipage_core.benchmark import designs, rows, scope, solutions
from ipage_core.benchmark.scope import Scope
from ipage_core.tasks import TASKS
from tests.support import stand_ins

DATA = Path(__file__).parents[2] / "data/benchmark"
ROUNDED = 2**-8
"""Relative error of a stored y − y*."""


@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 2**32))
def test_bits_and_numbers_are_read_back(d, n, seed):
    generator = np.random.default_rng(seed)
    binary, real = generator.random((n, d)) < 0.5, generator.standard_normal((n, d))
    bits = pd.Series([row.tobytes() for row in np.packbits(binary, axis=1)])
    numbers = pd.Series([row.tobytes() for row in real])
    assert np.array_equal(designs.unpacked(bits, d).numpy(), binary)
    assert np.array_equal(designs.unpacked(numbers, d).numpy(), real)


def test_first_seed_of_every_run_that_omega_confirms(monkeypatch, tmp_path):
    monkeypatch.setattr(scope, "load", lambda task, method, root=None: stand_ins.load(task, method))
    monkeypatch.setattr(scope, "weights", lambda task, method, root: ("0" * 8, 0))
    monkeypatch.setattr(designs, "ANALYTIC", ("sinewave",))
    chosen = Scope(("sinewave", "robotic_arm"), ("inn", "ipage", "prior-lm"), repeats=2, n=12)
    written = benchmark.run(chosen, tmp_path, ["tables", "designs"], workers=0)
    kept, all_rows = rows.read(written["designs"])[0], rows.read(written["tables"])[0]
    expected = all_rows[(all_rows["task"] == "robotic_arm") & (all_rows["seed"] == 0)]
    joined = expected.merge(kept, on=list(designs.KEY), validate="one_to_one")
    assert len(kept) == len(joined) == len(expected) > 0
    task = TASKS["robotic_arm"]
    off = task.omega(designs.unpacked(joined["x"], task.d)).numpy() - joined[["target1", "target2"]].to_numpy()
    # y* itself is stored in single precision
    np.testing.assert_allclose(off, joined[["off1", "off2"]], rtol=ROUNDED, atol=1e-6)


@pytest.mark.parametrize("task", ["architecture", "crystal", "silicon"])
def test_shipped_designs_have_the_shipped_errors(task):
    kept = rows.read(DATA / "designs.parquet", task)[0]
    stored = rows.read(DATA / "solutions.parquet", task)[0].merge(kept, on=list(designs.KEY), validate="one_to_one")
    assert len(stored) == len(kept) > 10_000
    known = stored["weights_x"].notna()  # rows of an earlier program name no weights
    assert (stored["weights_x"].astype(str) == stored["weights_y"].astype(str))[known].all()
    by = solutions.OMEGA if task == "architecture" else solutions.SURROGATE
    few = stored[stored["by"] == by].groupby(["method", "protocol", "sampling"], observed=True)
    few = few.sample(2, random_state=0)
    x = designs.unpacked(few["x"], TASKS[task].d)
    assert TASKS[task].in_bounds(x).numpy().tolist() == few["in_bounds"].tolist()
    y = TASKS[task].omega(x)[:, :1] if by == solutions.OMEGA else solutions.judged(TASKS[task], x)
    np.testing.assert_allclose(y[:, 0].numpy() - few["target1"], few["off1"], rtol=ROUNDED, atol=2e-6)
    assert torch.isfinite(y).all()


@pytest.mark.dft
@pytest.mark.skipif(find_spec("gpaw") is None, reason="GPAW is not installed")
@pytest.mark.parametrize(
    ("task", "method"), [("crystal", "ipage"), ("crystal", "prior-lm"), ("silicon", "ipage"), ("silicon", "mdn")]
)
def test_a_shipped_lattice_has_the_shipped_gap(task, method):
    kept = rows.read(DATA / "designs.parquet", task)[0]
    stored = rows.read(DATA / "solutions.parquet", task)[0].merge(kept, on=list(designs.KEY))
    one = stored[(stored["by"] == solutions.OMEGA) & (stored["method"] == method)].iloc[:1]
    y = TASKS[task].omega(designs.unpacked(one["x"], 6))
    off = y[:, 0].numpy() - one["target1"]
    np.testing.assert_allclose(off, one["off1"], rtol=ROUNDED, atol=1e-4)  # GPAW converges gaps to this
