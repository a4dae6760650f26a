"""Every docstring example runs and prints the documented output; sections are indented, and name all arguments."""

import ast
import doctest
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
WITH_EXAMPLES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "ipage_core").rglob("*.py")
    if ">>> " in path.read_text()
)


SECTION = re.compile(r"^(Args|Raises|Returns|Yields):\n((?:    .*\n?|\n)*)", re.MULTILINE)


def sections():
    """→ (function, heading, text) of each section of a docstring."""
    for path in sorted((ROOT / "ipage_core").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                for heading, text in SECTION.findall(ast.get_docstring(node) or ""):
                    yield node, heading, text


def test_sections_are_indented_once_and_name_every_argument():
    found = list(sections())
    assert len(found) > 100
    for node, heading, text in found:
        assert re.match(r" {4}\S", text), (node.name, heading)
        if heading == "Args":
            named = re.findall(r"^ {4}([a-z_0-9]+(?:, [a-z_0-9]+)*):", text, re.MULTILINE)
            every = (*node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg)
            arguments = {one.arg for one in every if one is not None} - {"self", "cls"}
            assert set(", ".join(named).split(", ")) == arguments, node.name


def test_there_are_examples():
    assert {"ipage_core", "ipage_core.api", "ipage_core.problem.task"} <= set(WITH_EXAMPLES)


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_run(module):
    ran = doctest.testmod(import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert ran.attempted
    assert not ran.failed
