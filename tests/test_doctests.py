"""Every docstring example runs and prints the documented output."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
WITH_EXAMPLES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "ipage_core").rglob("*.py")
    if ">>> " in path.read_text()
)


def test_there_are_examples():
    assert {"ipage_core", "ipage_core.api", "ipage_core.problem.task"} <= set(WITH_EXAMPLES)


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_run(module):
    ran = doctest.testmod(import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert ran.attempted
    assert not ran.failed
