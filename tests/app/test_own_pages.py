"""The pages Train and Your data, and Explore with own data, without a browser (Streamlit's AppTest)."""

import io
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from app.components import queue
from app.components.words import method_name, number
from app.state import example_table, runs
from app.tasks import structures
from app.tasks.table import upload
from app.workers import trainings
from ipage_core import registry as home
from ipage_core.networks.store import load_card
from ipage_core.problem.request import DesignRequest
from ipage_core.runtime.paths import ROOT
from ipage_core.tasks import TASKS
from ipage_core.tasks.table import own_data
from ipage_core.training.recipes import train
from tests.support.pages import open_page, until
from tests.tasks.table.test_own_data import table


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder of a user's lattices with models of two epochs, to be copied."""
    folder = tmp_path_factory.mktemp("models") / "strained"
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.uniform(3.5, 4.3, (300, 3)), columns=["a [Å]", "b [Å]", "c [Å]"])
    frame[["alpha", "beta", "gamma"]] = rng.uniform(80, 100, (300, 3))
    frame["gap [eV]"] = 2 - 0.01 * (frame["alpha"] - 90) ** 2 + 0.5 * (frame["a [Å]"] - 4)
    task = own_data.create(folder, frame, list(frame)[:6], ["gap [eV]"], source="strained.csv", title="Strained cells")
    for model in ("mlp", "inn"):
        train(task, model, folder, epochs=2, size="small")
    return folder


@pytest.fixture
def strained(place, models):
    folder = place / "tasks" / "strained"
    folder.mkdir(parents=True)
    for path in models.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def start(page="screens/explore.py", **query):
    test = open_page(**query)
    return test if page == "screens/explore.py" else test.switch_page(page).run()


def said(test):
    return " ".join(e.value for kind in ("markdown", "info", "warning", "error", "caption") for e in test.get(kind))


def test_a_table_becomes_a_task_in_training(place):
    test = start("screens/own_data.py")
    assert not test.exception
    test.file_uploader[0].set_value(("gaps.csv", table().to_csv(index=False).encode(), "text/csv")).run()
    assert not test.exception
    assert test.dataframe[0].value["column"].tolist() == ["a (Å)", "b", "angle", "gap [eV]"]
    x, y = sorted(test.multiselect, key=lambda m: m.value == ["gap [eV]"])
    assert (x.value, y.value) == (["a (Å)", "b", "angle"], ["gap [eV]"])
    assert "its least value: taken as a floor" in said(test).replace("\\", "")
    next(t for t in test.text_input if t.label == "Name").set_value("My gaps").run()
    assert "through the rows 104 times (epochs)" in said(test)
    next(n for n in test.number_input if n.label == "Epochs").set_value(40).run()
    assert "through the rows 40 times (epochs)" in said(test)
    test.button(key="own-train").click().run()
    assert not test.exception
    assert TASKS["my-gaps"].title == "My gaps"
    (training,) = trainings.trainings()
    assert training.models == ["inn", "mlp"] or training.models == ["mlp", "inn"]
    assert (training.task, training.method, training.active) == ("my-gaps", "ipage", True)
    assert trainings.settings(place / "tasks/my-gaps") == {"epochs": 40, "size": "usual", "seed": 0, "device": "auto"}
    assert "My gaps" in said(test)
    waiting = replace(training, number=2, state="waiting")
    trainings.write(waiting)
    row = {"model": "inn", "epoch": 3, "epochs": 40, "loss_y": 1.0, "eta_seconds": 1.0, "validation_l2": 1.0}
    trainings.file_of(waiting, "jsonl").write_text(json.dumps(row) + "\n")
    until(lambda: [line for line in trainings.printed(training) if "epochs" in line])
    test.run()
    bars = [bar.proto.text for bar in test.get("progress")]
    assert any(bar.startswith("In the queue; it continues after epoch 3 of 40 of inn") for bar in bars)
    (running,) = [bar for bar in bars if "left for it, on cpu; validation" in bar]
    model, epoch, of = re.match(r"(\w+) \(\d of 2\): epoch (\d+) of (\d+), about ", running).groups()
    rows = [line for line in trainings.printed(training) if line.get("epochs")]
    assert of == "40"
    assert any((line["model"], line["epoch"]) == (model, int(epoch)) for line in rows)
    test.button(key="stop-2").click().run()
    test.button(key="stop-1").click().run()
    until(lambda: trainings.trainings()[0].state == "stopped")
    test.run()
    for one in (1, 2):
        test.button(key=f"forget-{one}").click().run()
    assert not trainings.trainings()


def test_beside_a_table_with_decimal_commas_a_constraint_that_may_mean_thousands_is_flagged(strained):
    card = json.loads((strained / "task.json").read_text())
    (strained / "task.json").write_text(json.dumps(card | {"decimal": ","}))
    test = start(task="strained", n="25", constrain="x1>=3.600")
    assert not test.exception
    (flag,) = [w.value for w in test.warning if "is read as" in w.value]
    assert flag.startswith("'3.600' is read as 3.6: what is typed has a decimal point")


def test_columns_that_cannot_be_inputs_are_named(place):
    test = start("screens/own_data.py")
    frame = table().assign(note=[f"sample {k}" for k in range(len(table()))], lab=1.0)
    test.file_uploader[0].set_value(("gaps.csv", frame.to_csv(index=False).encode(), "text/csv")).run()
    assert not test.exception
    seen = test.dataframe[0].value.set_index("column")
    assert seen.loc["note", "distinct"] == len(frame)
    assert "most frequent value" in seen
    assert "Ignored (not numeric, not a category): note. Ignored (the same in every row): lab." in said(test)


def test_what_is_guessed_of_a_file_is_said_and_can_be_set(place):
    test = start("screens/own_data.py")
    rows = [f"{300 + 17 * k:,}".replace(",", ".") + f";{k % 9};{-999 if k % 8 == 0 else k}" for k in range(120)]
    content = "\n".join(["T [°C];n;gap", *rows]).encode("cp1252")
    test.file_uploader[0].set_value(("gaps.csv", content, "text/csv")).run()
    assert not test.exception
    seen = test.dataframe[0].value.set_index("column")
    assert seen["kind"].tolist() == ["whole numbers"] * 3
    assert seen["unit"].tolist() == ["°C", "", ""]
    assert seen.loc["T [°C]", "highest"] == 300 + 17 * 119
    assert "It is read as text in cp1252" in said(test)
    assert "separates thousands" in said(test)
    assert "probably a marker of missing values" in said(test)
    next(b for b in test.button if b.label == "Leave out rows with -999").click().run()
    assert not test.exception
    assert test.dataframe[0].value.set_index("column").loc["gap", "missing"] == 15
    assert "probably a marker" not in said(test)
    next(s for s in test.selectbox if s.label == "Decimal mark").set_value(".").run()
    assert test.dataframe[0].value.set_index("column").loc["T [°C]", "highest"] < 1000


def test_a_bad_table_gets_a_sentence_and_leaves_nothing(place):
    test = start("screens/own_data.py")
    test.file_uploader[0].set_value(("gaps.csv", b"a,b\n", "text/csv")).run()
    assert [e.value for e in test.error] == ["gaps.csv has no rows; accepted: at least 50, below a header"]
    test.file_uploader[0].set_value(("gaps.csv", table(20).to_csv(index=False).encode(), "text/csv")).run()
    test.button(key="own-train").click().run()
    assert "20 rows with numbers in all inputs and a property are too few" in test.error[0].value
    assert not list(place.glob("tasks/*"))


def test_a_large_bad_table_leaves_the_memory_of_the_server(place, monkeypatch):
    monkeypatch.setattr(upload, "LARGE", 2)
    test = start("screens/own_data.py")
    test.file_uploader[0].set_value(("gaps.csv", b"a,b\n", "text/csv")).run()
    assert [e.value for e in test.error] == [
        "gaps.csv has no rows; accepted: at least 50, below a header. The server has dropped gaps.csv."
    ]
    assert not test.file_uploader[0].value
    test.run()
    assert "has dropped" in test.error[0].value
    test.file_uploader[0].set_value(("gaps.csv", table(60).to_csv(index=False).encode(), "text/csv")).run()
    assert not test.error
    assert not test.exception


def test_explore_shows_accuracy_first_and_verifies_nothing(strained):
    test = start(task="strained", n="25", y1="1.5", sample="3")
    assert not test.exception
    assert not test.error
    assert "on 30 held-out rows" in test.info[0].value
    assert "25 designs for y* = 1.5 eV, not verified" in said(test)
    shown = test.dataframe[0].value
    assert {"y predicted", "y, 90 %", "y of nearest row", "distance", "nearest row"} <= set(shown.columns)
    assert shown["y, 90 %"].str.fullmatch(r"−?[0-9.]+ – −?[0-9.]+ \(90 %\)").all()
    assert "hit" not in shown.columns
    assert shown["expected miss"].is_monotonic_increasing
    assert sorted(shown["sample"]) == list(range(25))
    found = runs.run(DesignRequest.of(TASKS["strained"], 1.5, n=25)).final.set_index("sample")
    np.testing.assert_allclose(shown["expected miss"], found["expected_misfit"][shown["sample"]])
    np.testing.assert_allclose(shown["y predicted"], found["surrogate1"][shown["sample"]])
    assert "The most trustworthy candidate comes first" in said(test)
    cells = [chart for chart in test.get("plotly_chart") if "scatter3d" in chart.proto.spec]
    assert len(cells) == 1
    assert json.loads(cells[0].proto.spec)["data"][0]["name"] == "nearest measured row"
    test.session_state["share_texts"] = True
    test.run()
    assert "design strained --target=1.5" in " ".join(code.value for code in test.code)
    for view in ("Posterior", "Latent design", "Compare"):
        test.session_state["view"] = view
        test.run()
        assert not test.exception


def test_data_can_be_removed(strained):
    test = start("screens/own_data.py")
    assert "strained" in TASKS
    test.button(key="own-remove").click().run()
    assert not test.exception
    assert "strained" not in TASKS
    assert not strained.exists()


def test_lattices_leave_as_structure_files(strained):
    import zipfile

    from ase.io import read

    home.refresh()
    found = runs.run(DesignRequest.of(TASKS["strained"], 1.5, n=3))
    for form in structures.FORMATS:
        content = structures.archive(TASKS["strained"], found.final, form)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert len(archive.namelist()) == 3
            text = archive.read(archive.namelist()[0]).decode()
        assert "not verified" in text
        if form == "extxyz":
            cell = read(io.StringIO(text), format="extxyz").cell.cellpar()
            np.testing.assert_allclose(cell, found.x[-1, 0], atol=1e-4)


def test_the_table_to_take_away_has_the_columns_that_were_uploaded(strained):
    from app.components import share

    home.refresh()
    found = runs.run(DesignRequest.of(TASKS["strained"], 1.5, n=3))
    taken = pd.read_csv(io.StringIO(share.table_csv(found)))
    for j, name in enumerate(["a [Å]", "b [Å]", "c [Å]", "alpha", "beta", "gamma"], start=1):
        assert taken[name].equals(taken[f"x{j}"])
    assert taken["gap [eV] predicted"].equals(taken["surrogate1"])


def test_results_come_back_through_the_page(strained, monkeypatch):
    asked = []
    monkeypatch.setattr(trainings, "add", lambda *a, **k: asked.append((a, k)))
    test = start(task="strained", n="25")
    found = own_data.measured(strained)
    frame = pd.DataFrame(found.x[:3].numpy() + 0.01, columns=["a [Å]", "b [Å]", "c [Å]", "alpha", "beta", "gamma"])
    frame["gap [eV]"] = 1.0
    test.file_uploader(key="results-0").set_value(("results.csv", frame.to_csv(index=False).encode(), "text/csv")).run()
    next(b for b in test.button if b.label.startswith("Add these results")).click().run()
    assert not test.exception
    assert len(own_data.measured(strained).x) == 303
    assert asked[0][0][1] == "strained"
    assert (asked[0][1]["epochs"], asked[0][1]["size"]) == (2, "small")
    assert test.success[0].value.startswith("3 rows added")
    assert "(2 epochs)" in test.success[0].value
    assert "3 measured rows are not in this model yet." in said(test)
    rounds = next(d.value for d in test.dataframe if "round" in d.value)
    assert rounds["surrogates after it"].tolist()[1] == "not trained yet"


def test_a_model_trained_here_joins_the_list(place):
    test = start("screens/train.py")
    assert not test.exception
    test.selectbox(key="train_method_sinewave").set_value("prior-lm").run()
    test.segmented_control(key="train_size").set_value("small").run()
    test.number_input(key="train_epochs").set_value(1).run()
    test.button(key="train").click().run()
    assert not test.exception
    until(lambda: trainings.trainings()[0].state == "done")
    test.run()
    assert "sinewave-1" in said(test)
    assert test.get("plotly_chart")
    assert method_name("prior-lm@sinewave-1") in start(n="3").selectbox(key="method").options
    test.button(key="explore-1").click().run()
    assert not test.exception
    assert test.selectbox(key="method").value == "prior-lm@sinewave-1"
    assert "trained here: sinewave-1" in method_name("prior-lm@sinewave-1")
    assert "In commands: `prior-lm@sinewave-1`." in said(test)


def test_train_says_what_does_not_go_together(place):
    test = start("screens/train.py")
    test.selectbox(key="train_task").set_value("crystal").run()
    test.segmented_control(key="train_size").set_value("large").run()
    assert "have one size" in test.error[0].value
    assert test.button(key="train").disabled


def test_train_says_how_a_name_will_be_written(place):
    test = start("screens/train.py")
    test.text_input(key="train_name").set_value("quick one").run()
    assert "It will be called **quick-one**" in said(test)
    test.text_input(key="train_name").set_value("quick-one").run()
    assert "It will be called" not in said(test)


def test_a_stopped_training_says_where_and_every_network_keeps_its_curves(place):
    out = str(place / "models/one")
    asked = trainings.Training(1, "one", "sinewave", "ipage", ["inn", "mlp"], out, [], state="stopped")
    trainings.write(asked)
    row = {"epochs": 3, "loss_y": 1.0, "validation_l2": 1.0, "lambda_y": 1000.0, "eta_seconds": 1.0}
    rows = [row | {"model": "inn", "epoch": k} for k in (1, 2, 3)] + [row | {"model": "mlp", "epoch": 1}]
    trainings.file_of(asked, "jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    test = start("screens/train.py")
    assert not test.exception
    assert "stopped at epoch 1 of 3 of mlp (2 of 2)" in said(test)
    chosen = test.segmented_control(key="curves-1-2")
    assert (chosen.value, chosen.options) == ("mlp", ["inn", "mlp"])
    chosen.set_value("inn").run()
    assert not test.exception
    drawn = json.loads(test.get("plotly_chart")[0].proto.spec)
    assert drawn["data"][0]["x"] == [1, 2, 3]
    listed = next(d.value for d in test.dataframe if "epoch" in d.value)
    assert list(listed) == ["epoch", "Squared error of y, training", "Squared error of y, validation", "λ_y"]
    assert listed["epoch"].tolist() == [1, 2, 3]


def test_a_finished_training_says_what_its_cards_say(strained, place):
    home.refresh()
    trainings.write(trainings.Training(1, "one", "strained", "ipage", ["mlp"], str(strained), [], state="done"))
    test = start("screens/train.py")
    assert not test.exception
    held_out = load_card("strained", "mlp", folder=strained)["held_out"]
    cards = " ".join(h.proto.body for h in test.get("html"))
    assert f"mlp: on {held_out['n']} rows that no training saw; MAE {number(held_out['mae'][0])}" in cards
    assert f"{held_out['r2'][0]:.3f}" in cards
    assert "spread" not in said(test)


def test_curves_say_whose_they_are(place):
    asked = trainings.Training(1, "one", "sinewave", "ipage", ["inn", "mlp"], str(place / "one"), [], state="stopped")
    trainings.write(asked)
    row = {"epochs": 3, "loss_y": 1.0, "validation_l2": 1.0, "eta_seconds": 1.0, "model": "inn", "epoch": 1}
    trainings.file_of(asked, "jsonl").write_text(json.dumps(row) + "\n")
    assert "Curves of inn (1 of 2)" in said(start("screens/train.py"))


def test_weights_have_ticks_on_both_sides():
    axis = queue.ticks([1000.0, 400.0])
    assert axis["tickvals"] == [100, 200, 500, 1000]
    assert queue.ticks([1000.0])["tickvals"] == [1000, 2000, 5000, 10000]
    assert queue.ticks([0.0]) == {}
    assert len(queue.ticks([1e-9, 1.0, 1e3])["tickvals"]) < 9


def test_the_greatest_of_a_property_can_be_asked_for(strained):
    test = start(task="strained", ask1="maximize", n="3", method="prior-lm")
    assert not test.exception
    assert "maximal y" in said(test)
    assert not start(task="strained", ask1="exactly", tol1="0.05", n="3", method="prior-lm").exception
    assert "Choose a goal for at least one property" in said(start(task="strained", ask1="anything", n="3"))


def test_words_are_offered_as_inputs_and_obeyed(place):
    test = start("screens/own_data.py")
    frame = table().assign(route=["sol", "gel"] * 200)
    test.file_uploader[0].set_value(("gaps.csv", frame.to_csv(index=False).encode(), "text/csv")).run()
    assert not test.exception
    assert any("route" in m.value for m in test.multiselect)
    assert "route is a category of 2 levels (gel, sol)" in said(test)
    next(t for t in test.text_input if t.label == "Name").set_value("Routes").run()
    test.button(key="own-train").click().run()
    assert not test.exception
    assert TASKS["routes"].variables[3].levels == ("gel", "sol")


def test_an_example_is_one_click_away(place):
    test = start("screens/own_data.py")
    assert not test.get("text_input")
    test.toggle(key="own-example-0").set_value(True).run()
    assert not test.exception
    assert not test.error
    assert test.subheader[0].value == "400 rows, 6 columns"
    assert {m.label.split(" ")[0]: m.value for m in test.multiselect} == {
        "Properties": ["deflection [mm]", "mass [kg]"],
        "Inputs": ["length [m]", "width [mm]", "height [mm]", "material"],
    }
    assert any(b.label == "Train on these data" for b in test.button)


def test_the_example_is_the_file_that_ships():
    assert example_table.csv() == (ROOT / "data/cantilevers.csv").read_bytes()
    frame = example_table.table()
    beam = frame.iloc[0]
    assert beam["material"] == "aluminium"
    inertia = beam["width [mm]"] * beam["height [mm]"] ** 3 / 12  # mm⁴
    sag = 1000 * (1e3 * beam["length [m]"]) ** 3 / (3 * 70e3 * inertia)  # 1 kN, 70 GPa in MPa
    assert beam["deflection [mm]"] == pytest.approx(sag, rel=1e-5)
