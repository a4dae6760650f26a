"""Fixtures of the engine's tests."""

import pytest

from ipage_core.inference import coverage, methods
from tests.support import stand_ins


@pytest.fixture
def quick_coverage(monkeypatch):
    """Few starts, and no trained networks."""

    def load(task, method, device="cpu", root=None, models=None):
        return stand_ins.load(task if isinstance(task, str) else task.name, method)

    monkeypatch.setattr(methods, "load", load)
    monkeypatch.setattr(coverage, "LOOKED_AT", 200)
    monkeypatch.setattr(coverage, "HELD_OUT", 100)
