"""The notebook runs from top to bottom, as a new user runs it.

Its code cells run in one plain Python process. A Jupyter kernel would add some twenty packages to the development
requirements and test nothing of this repository.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "app" / "lessons" / "first_steps.ipynb"
RUN = """
import ast, json, sys

names = {"__name__": "__main__"}
for number, source in enumerate(json.load(sys.stdin), 1):
    body = ast.parse(source).body
    last = ast.Expression(body.pop().value) if isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), f"cell {number}", "exec"), names)
    shown = eval(compile(last, f"cell {number}", "eval"), names) if last else None
    if shown is not None:
        print(shown._repr_html_() if hasattr(shown, "_repr_html_") else repr(shown))
"""


@pytest.fixture(scope="module")
def notebook():
    return json.loads(NOTEBOOK.read_text())


def test_it_is_small_and_holds_no_outputs(notebook):
    assert NOTEBOOK.stat().st_size < 20_000
    assert notebook["nbformat"] == 4
    for cell in notebook["cells"]:
        assert cell["cell_type"] == "markdown" or (not cell["outputs"] and cell["execution_count"] is None)


def test_its_links_lead_somewhere(notebook):
    text = "".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    links = re.findall(r"\]\(([^)#]+)", text)
    assert links
    assert all((NOTEBOOK.parent / link).exists() for link in links)


@pytest.mark.slow
def test_it_runs(notebook, tmp_path):
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    environment = {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PATH": "", "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps(cells),
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert "100 designs of sinewave for 1.2" in ran.stdout
    assert "30 designs of crystal for 0.5 eV" in ran.stdout
    assert "50 designs of beam for 10 mm" in ran.stdout
    assert len(list((tmp_path / "crystals").glob("*.cif"))) == 30
    hits = re.findall(r"(\d+) hits", ran.stdout)
    assert hits[0] == "100"
    assert int(hits[-1]) >= 45
