"""Inventory: each sentence of the app that has a value in it shares words with a test."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TEXTS = {"text", "said", "meaning", "label"}
"""Variables that hold sentences."""
SAYS = {
    "Figure",
    "progress",
    "caption",
    "markdown",
    "info",
    "warning",
    "success",
    "error",
    "write",
    "subheader",
    "toast",
}
SHORTEST = 14
"""Letters that a test and a sentence must share."""
WORDS = re.compile(r"^[^<=]*[a-z]{3,}[^<=]* [^<=]*[a-z]{2,}[^<=]*$")
"""At least two words, and no tag or attribute of a drawing."""


def sentences():
    """Function → the fixed parts of each of its sentences that has a value in it."""
    for path in sorted(ROOT.glob("app/**/*.py")):
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, ast.FunctionDef):
                continue
            says = [node for node in ast.walk(function) if _is_said(node, function)]
            for text in (part for node in says for part in ast.walk(node) if isinstance(part, ast.JoinedStr)):
                fixed = [value.value for value in text.values if isinstance(value, ast.Constant)]
                parts = [part.strip(" *.,:;()") for one in fixed for part in re.split(r"[*`\n]", one)]
                parts = [part for part in parts if len(part) >= 8 and WORDS.search(part)]
                if len(fixed) < len(text.values) and parts:
                    yield f"{path.relative_to(ROOT)}:{function.name}", parts


def _is_said(node, function):
    if isinstance(node, ast.Call):
        return getattr(node.func, "attr", getattr(node.func, "id", "")) in SAYS
    if isinstance(node, ast.Assign):
        return any(isinstance(target, ast.Name) and target.id in TEXTS for target in node.targets)
    returns = function.returns
    return isinstance(node, ast.Return) and isinstance(returns, ast.Name) and returns.id == "str"


def held(part, tests):
    ends = range(max(1, len(part) - SHORTEST + 1))
    return any(part[k : k + SHORTEST] in tests for k in ends)


def test_every_sentence_with_a_value_is_in_a_test_s_words():
    files = [path for folder in ("app", "browser", "tasks") for path in (ROOT / "tests" / folder).glob("**/*.py")]
    tests = re.sub(r"\s+", " ", " ".join(path.read_text() for path in files if path != Path(__file__).resolve()))
    known = list(sentences())
    assert len(known) > 60
    unheld = {where for where, parts in known if not any(held(part, tests) for part in parts)}
    assert unheld == set(), "each needs a test that states the right sentence"
