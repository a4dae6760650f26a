"""Tests use only the public interface of modules: none accesses a private name of another module."""

import ast
from pathlib import Path

TESTS = Path(__file__).resolve().parent
PUBLIC = {"_replace", "_asdict", "_fields", "_make", "_repr_html_", "_exit"}
"""Documented names with an underscore: of named tuples, of notebooks, of ``os``."""
PACKAGES = ("ipage_core", "app", "streamlit_app")


def is_private(name):
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__")) and name not in PUBLIC


def reaches(code):
    """→ (line, name) of each private name of the program's modules, or of an object, that the code uses."""
    tree, modules = ast.parse(code), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PACKAGES:
            modules |= {alias.asname or alias.name for alias in node.names}
            yield from ((node.lineno, f"{node.module}.{a.name}") for a in node.names if is_private(a.name))
        elif isinstance(node, ast.Import):
            modules |= {alias.asname for alias in node.names if alias.asname}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if owner not in ("self", "cls"):
                yield node.lineno, f"{owner or '…'}.{node.attr}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            if called in ("setattr", "getattr", "delattr", "patch", "object"):
                texts = [a.value for a in node.args[:2] if isinstance(a, ast.Constant) and isinstance(a.value, str)]
                yield from ((node.lineno, text) for text in texts if any(map(is_private, text.split("."))))


def test_no_test_reaches_into_a_private_name():
    found = [
        f"{path.relative_to(TESTS)}:{line} {what}"
        for path in sorted(TESTS.rglob("*.py"))
        for line, what in reaches(path.read_text())
    ]
    assert not found, "\n".join(found)


def test_the_search_would_find_each_way():
    assert [what for _, what in reaches("from app.state.runs import _watched")] == ["app.state.runs._watched"]
    assert [what for _, what in reaches("from app.state import runs\nruns._watched()")] == ["runs._watched"]
    assert [what for _, what in reaches("queue()._jobs")] == ["…._jobs"]
    assert [what for _, what in reaches("monkeypatch.setattr(runs, '_watched', None)")] == ["_watched"]
    assert [what for _, what in reaches("patch.setattr('app.state.runs._watched', None)")] == [
        "app.state.runs._watched"
    ]
    assert list(reaches("class A:\n    def f(self): return self._x + self.__dict__")) == []
