"""The public API as a scientist types it: the ten lines of README and docs, and the errors of wrong calls."""

import subprocess
import sys

import pandas as pd
import pytest
import torch

import ipage_core as ipage
from ipage_core import api, registry
from ipage_core.inference.methods import METHODS
from ipage_core.tasks import TASKS
from ipage_core.training import recipes


@pytest.fixture
def quick(monkeypatch):
    """Networks that train in a moment, because only the chain around them is tested."""
    usual = recipes.fit
    monkeypatch.setattr(
        recipes, "fit", lambda *a, **k: usual(*a[:4], recipes.replace(a[4], epochs=2, epoch_size=500), **k)
    )


def deflection(x):
    """Tip deflection in mm of a square steel cantilever of (length [m], width [mm]) under 1 kN."""
    length, width = x[:, 0], x[:, 1]
    return 1e3 * length**3 / (3 * 210e9 * (1e-3 * width) ** 4 / 12) * 1e3


def beam(**more):
    x = {"length [m]": (0.5, 2), "width [mm]": (20, 80)}
    return ipage.Task.from_function(deflection, x=x, y={"sag [mm]": 0.1}, name="beam", **more)


def test_importing_loads_nothing_heavy():
    code = "import sys, ipage_core; print(sorted({'torch', 'pandas', 'numpy', 'streamlit'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
    assert set(ipage.__all__) <= set(dir(ipage))
    assert all(getattr(ipage, name) is not None for name in ipage.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ipage.nothing  # noqa: B018


def test_designs_print_convert_export_and_come_back(tmp_path):
    found = ipage.design("robotic_arm", target=(1.5, 0), n=30)
    assert len(found) == 30
    assert repr(found).splitlines()[0] == "30 designs of robotic_arm for (1.5, 0) m"
    assert "30 verified by Ω, 30 hits" in repr(found)
    assert found._repr_html_().count("<tr") == 7
    frame = found.to_frame()
    assert list(frame)[:2] == ["sample", "x₁ rail [m]"]
    assert frame["hit"].all()
    y = TASKS["robotic_arm"].omega(found.final.double())
    assert torch.equal(torch.from_numpy(frame[["hand, horizontal [m]", "hand, vertical [m]"]].to_numpy(copy=True)), y)
    assert found.export("csv", tmp_path / "arm.csv") == [tmp_path / "arm.csv"]
    assert len(pd.read_csv(tmp_path / "arm.csv")) == 60
    found.save(tmp_path / "arm.safetensors")
    back = ipage.Solutions.load(tmp_path / "arm.safetensors", TASKS["robotic_arm"])
    assert repr(back) == repr(found)
    assert torch.equal(back.final, found.final)
    with pytest.raises(ValueError, match="designs of 'robotic_arm', not of 'sinewave'"):
        ipage.Solutions.load(tmp_path / "arm.safetensors", TASKS["sinewave"])


def test_a_function_becomes_a_task_that_trains_designs_and_verifies(quick, tmp_path):
    task = beam()
    assert task.x_labels == ("length [m]", "width [mm]")
    assert task.tolerances.tolist() == [0.1]
    assert task.omega_seconds < 0.01
    model = ipage.train(task, out=tmp_path / "beam")
    found = model.design(10, n=8, omega_evals=2)
    expected = deflection(found.final.double())
    assert torch.allclose(found.verification.y[:, 0], expected)
    assert (found.verification.hit == ((expected - 10).abs() <= 0.1)).all()
    assert model.predict(found.final).shape == (8, 1)
    again = ipage.load(task, tmp_path / "beam").design(10, n=8, omega_evals=2)
    assert torch.equal(again.final, found.final)
    with pytest.raises(ValueError, match="The model is for beam, not for sinewave"):
        ipage.design("sinewave", 1.2, model=model)


def test_a_function_of_arrays_serves_as_well():
    import numpy as np

    task = ipage.Task.from_function(
        lambda x: np.hypot(x[:, 0], x[:, 1]), {"a": (0, 1), "b": (0, 1)}, {"r": 0.01}, "radius"
    )
    assert task.omega(torch.tensor([[3.0, 4.0]])).tolist() == [[5.0]]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: ipage.Task.from_function(lambda x: x, {"a": (0, 1)}, {"y": 0.1}, "a b"), "name 'a b' is not accepted"),
        (lambda: ipage.Task.from_function(lambda x: x, {"a": (1, 0)}, {"y": 0.1}, "t"), "bounds LOW < HIGH of a"),
        (lambda: ipage.Task.from_function(lambda x: x, {"a": 1}, {"y": 0.1}, "t"), r"bounds \(low, high\) of 'a'"),
        (lambda: ipage.Task.from_function(lambda x: x, {"a": (0, 1)}, {"y": 0}, "t"), "tolerance above 0 for y"),
        (
            lambda: ipage.Task.from_function(lambda x: 1 / 0, {"a": (0, 1)}, {"y": 1}, "t").pairs(4),
            "fails: ZeroDivisionError",
        ),
        (
            lambda: ipage.Task.from_function(lambda x: x.sum(), {"a": (0, 1)}, {"y": 1}, "t").pairs(4),
            r"returned shape \(\); expected \(4, 1\)",
        ),
        (lambda: ipage.design("arm", 1.5), "task 'arm' is not known; accepted: a Task, or one of sinewave"),
        (lambda: ipage.design("robotic_arm", 1.5), "The target 1.5: robotic_arm takes 2 number"),
        (lambda: ipage.design("sinewave", None), "The target None is not understood"),
        (lambda: ipage.design("sinewave", 1.2, colour="red"), "setting 'colour' is not known; accepted: method"),
        (lambda: ipage.design("sinewave", 1.2, n=0), "at least 1 design"),
        (lambda: ipage.design("sinewave", 1.2, method="guess"), "method 'guess' is not known"),
        (lambda: ipage.design("sinewave", 1.2, n=3).to_measure(), "to_measure is for tables"),
        (lambda: ipage.design("sinewave", 1.2, n=3).export("cif", "."), "not known for sinewave"),
        (lambda: ipage.read_table("no.csv"), "no.csv"),
    ],
)
def test_wrong_calls_are_one_sentence(make, told):
    with pytest.raises(ValueError, match=told) as refused:
        make()
    assert "\n" not in str(refused.value)


def test_gaps_of_strontium_titanate_are_told_with_what_they_leave_out(tmp_path, capsys):
    from ipage_core.cli.main import main

    told = "ions held at ideal sites; relaxed, this cell's gap is another (1–2 eV larger in four of four tested)"
    assert told in repr(ipage.design("crystal", 1.6, n=2, verify="none"))
    assert main(["design", "crystal", "--target", "1.6", "--n", "2", "--out", str(tmp_path / "c.csv")]) == 0
    assert told in capsys.readouterr().err


def test_constraints_are_a_list_or_text():
    for constraints in ("x1=0.2", ["x1=0.2"], ("x1=0.2",)):
        found = ipage.design("sinewave", 1.2, n=3, constraints=constraints)
        assert (found.final[:, 0] - 0.2).abs().max() < 1e-6


FILE = """
import ipage_core as ipage

def area(x):
    return x[:, :1] * x[:, 1:]

TASK = ipage.Task.from_function(area, {"a [m]": (1, 2), "b [m]": (1, 2)}, {"area [m²]": 0.05}, "rectangle")
"""


@pytest.fixture
def rectangle(tmp_path, monkeypatch):
    (tmp_path / "rectangle.py").write_text(FILE)
    yield tmp_path / "rectangle.py"
    TASKS.extend(registry.NAMED, {})


def test_a_task_in_a_python_file_joins_the_others(rectangle, monkeypatch):
    assert registry.load_file(rectangle).name == "rectangle"
    assert ipage.tasks()["rectangle"].property_labels == ("area [m²]",)
    TASKS.extend(registry.NAMED, {})
    assert "rectangle" not in ipage.tasks()
    monkeypatch.setenv("IPAGE_TASKS", str(rectangle))
    assert "rectangle" in ipage.tasks()
    monkeypatch.delenv("IPAGE_TASKS")
    assert "rectangle" not in ipage.tasks()
    folder = registry.home() / "tasks"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mine.py").write_text(FILE)
    try:
        assert "rectangle" in ipage.tasks()
    finally:
        (folder / "mine.py").unlink()
    assert "rectangle" not in ipage.tasks()


def test_tasks_cannot_be_changed_in_place():
    for table in (TASKS, METHODS):
        name = next(iter(table))
        with pytest.raises(TypeError):
            table[name] = table[name]
        with pytest.raises(TypeError):
            del table[name]
    ipage.tasks().clear()
    assert "sinewave" in ipage.tasks()


def test_an_installed_package_brings_a_task(rectangle, monkeypatch):
    from importlib.metadata import EntryPoint

    monkeypatch.syspath_prepend(str(rectangle.parent))
    point = EntryPoint("rectangle", "rectangle:TASK", "ipage.tasks")
    broken = EntryPoint("broken", "nowhere:TASK", "ipage.tasks")
    monkeypatch.setattr(registry, "entry_points", lambda group: [broken, point])
    assert ipage.tasks()["rectangle"].n_targets == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1/0", "fails when it is imported: ZeroDivisionError"),
        ("import sys; sys.exit(3)", r"fails when it is imported: it calls sys.exit\(3\)"),
        ("import builtins; builtins.len = lambda x: 0; 1/0", r"replaces functions of Python itself \(len\)"),
        ("x = 1", "defines no TASK"),
        (FILE.replace('"rectangle"', '"sinewave"'), "the name of a shipped task"),
    ],
)
def test_a_file_that_is_no_task_is_one_sentence(tmp_path, text, told):
    (tmp_path / "task.py").write_text(text)
    with pytest.raises(ValueError, match=told):
        registry.load_file(tmp_path / "task.py")
    assert len([1]) == 1, "Python's own functions are as they were"
    with pytest.raises(ValueError, match="accepted: a Python file that defines TASK"):
        registry.load_file(tmp_path / "none.py")


@pytest.fixture(params=["a file", "a package"])
def brought(request, rectangle, monkeypatch):
    """The task in a file, or in an installed package. → how the command line names it."""
    from importlib.metadata import EntryPoint

    monkeypatch.setenv("IPAGE_TASKS", "")
    if request.param == "a file":
        return ["--task", str(rectangle)]
    monkeypatch.syspath_prepend(str(rectangle.parent))
    monkeypatch.delitem(sys.modules, "rectangle", raising=False)
    point = EntryPoint("rectangle", "rectangle:TASK", "ipage.tasks")
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    return ["rectangle"]


def test_a_task_of_ones_own_trains_designs_verifies_and_exports(quick, brought, tmp_path, capsys):
    from ipage_core.cli.main import main

    models, designs, verified = (str(tmp_path / name) for name in ("models", "designs.csv", "verified.csv"))
    assert main(["train", *brought, "--out", models]) == 0
    asked = ["--model", models, "--target", "2", "--n", "6", "--omega-evals", "2", "--constrain", "a<=1.5"]
    assert main(["design", *brought, *asked, "--out", designs]) == 0
    assert main(["verify", *brought, designs, "--out", verified]) == 0
    frame = pd.read_csv(verified)
    assert (frame["y1"] - frame["x1"] * frame["x2"]).abs().max() < 1e-6
    final = frame[frame["stage"] == "localized"]
    assert (final["x1"] <= 1.5 + 1e-6).all()
    found = ipage.design("rectangle", 2, n=6, model=models, constraints=["a<=1.5"])
    assert found.verification.calls == 6
    assert found.export("csv", tmp_path / "again.csv") == [tmp_path / "again.csv"]
    assert len(pd.read_csv(tmp_path / "again.csv")) == 12
    capsys.readouterr()
    assert main(["tasks", *(brought if brought[0] == "--task" else [])]) == 0
    assert "rectangle" in capsys.readouterr().out


def test_a_file_that_is_not_there_takes_no_place(tmp_path, capsys):
    from ipage_core.cli.main import main

    assert main(["design", "--task", "none.py", "--target", "2", "--out", str(tmp_path / "designs.csv")]) == 2
    assert capsys.readouterr().err.strip() == (
        "ipage_core design: --task none.py: accepted: a Python file that defines TASK, or the folder of a problem"
    )


def test_a_task_of_ones_own_has_its_page(quick, brought, rectangle, monkeypatch):
    from streamlit.testing.v1 import AppTest

    from ipage_core.runtime.paths import ROOT

    if brought[0] == "--task":
        monkeypatch.setenv("IPAGE_TASKS", str(rectangle))
    task = ipage.tasks()["rectangle"]
    ipage.train(task, out=registry.home() / "models" / "rectangle-1")
    test = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=120)
    test.query_params["task"] = "rectangle"
    test.query_params["n"] = "10"
    test.query_params["method"] = "ipage@rectangle-1"
    test.run()
    assert not test.exception
    assert test.selectbox(key="task_choice").value == "rectangle"
    assert test.get("plotly_chart")


def documented():
    for name in ipage.__all__:
        thing = getattr(api, name, None) or getattr(ipage, name)  # ipage.tasks is the package once it is imported
        yield name, thing
        if isinstance(thing, type) and thing not in (ipage.DesignRequest, ipage.Task):
            methods = {k: v for k, v in vars(thing).items() if not k.startswith("_") and k in METHODS_OF_A_NOTEBOOK}
            yield from ((f"{name}.{k}", getattr(v, "__func__", v)) for k, v in methods.items())
    yield "Task.from_function", ipage.Task.from_function
    yield "DesignRequest.of", ipage.DesignRequest.of
    yield "DesignRequest.run", ipage.DesignRequest.run


METHODS_OF_A_NOTEBOOK = ("design", "predict", "to_frame", "verify", "export", "coverage", "to_measure", "save", "load")


@pytest.mark.parametrize(("name", "thing"), documented())
def test_the_interface_is_documented_in_numpydoc_form_with_an_example(name, thing):
    text = thing.__doc__
    assert "Examples\n" in text, name
    assert ">>> " in text or "See :meth:" in text, name
    assert "Args:" not in text, name
    code = getattr(thing, "__code__", None)
    arguments = [] if code is None else code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    described = text.partition("Parameters\n")[2].partition("Returns\n")[0]
    for argument in arguments:
        assert argument in ("self", "cls") or argument in described, (name, argument)


def test_a_slow_omega_shows_a_bar(capsys, monkeypatch):
    from ipage_core.inference.verification import omega_bar
    from ipage_core.problem.watch import watched, watching
    from ipage_core.runtime.executor import Progress

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with omega_bar():
        watched().progress(Progress(1, 2, None, "1", None))
    shown = capsys.readouterr().err
    assert "Ω" in shown
    assert "/2" in shown
    counts = []
    with watching(counts.append), omega_bar():
        watched().progress(Progress(1, 2, None, "1", None))
    assert len(counts) == 1
    assert capsys.readouterr().err == ""
