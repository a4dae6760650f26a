"""Searches for settings end within what they tried, the shipped networks have what was found, ablations add up."""

import json
import math
import shutil
from types import SimpleNamespace

import pytest
import torch

from ipage_core.inference.methods import load
from ipage_core.networks import networks_of
from ipage_core.runtime.paths import PRETRAINED
from ipage_core.tasks import TASKS
from ipage_core.training import ablation, search
from ipage_core.training.fit import Fit
from ipage_core.training.recipes import recipe
from ipage_core.training.search import DESCENTS, best


def test_what_was_found_is_what_the_logs_say_is_best():
    logs = [path.relative_to(PRETRAINED).parts for path in PRETRAINED.glob("*/*.search.json")]
    assert {"mdn.search.json", "cvae.search.json"} <= {file for _, file in logs}
    for name, file in logs:
        model = file.partition(".")[0]
        if model in ("mdn", "cvae"):
            assert best(TASKS[name], model) == TASKS[name].recipes[model].arguments
        if (name, file) in (("sinewave", "cinn.search.json"), ("silicon", "cinn.search.json")):
            assert best(TASKS[name], model).items() <= TASKS[name].recipes[model].arguments.items()


@pytest.mark.parametrize(
    "path",
    sorted(p for p in PRETRAINED.glob("*/*.search.json") if p.name[:2] != "na"),
    ids=lambda p: "/".join(p.parts[-2:]),
)
def test_no_search_ends_with_its_best_at_an_edge(path):
    rows = json.loads(path.read_text())["rows"]
    assert rows == sorted(rows, key=lambda row: row["score"])
    assert not search.beyond(rows)


def test_a_search_goes_on_beyond_the_edge_on_which_its_best_lies(tmp_path, monkeypatch):
    """The score falls towards 500 components: 192 is the largest that every search begins with."""
    seen = []

    def trained(build, arguments, x, y, its, begin_from):
        seen.append(arguments["components"])
        return Fit({}, [{"validation_nll": abs(arguments["components"] - 500)}], 1.0)

    monkeypatch.setattr(search, "fit", trained)
    log = search.search(TASKS["sinewave"], "mdn", 1, tmp_path)
    assert seen == [12, 48, 96, 192, 288, 432, 648]
    assert log["rows"][0]["tried"] == {"components": 432}


@pytest.mark.parametrize(
    ("tried", "further"),
    [
        ([{"k": 3}, {"k": 2}, {"k": 4}], []),
        ([{"k": 3}, {"k": 4}], [{"k": 2}]),
        ([{"k": 1}, {"k": 2}], []),  # nothing is smaller
        ([{"k": 1}], []),  # one value only: it was not searched
        ([{"k": 8, "w": 5}, {"k": 4, "w": 9}], [{"k": 12, "w": 5}, {"k": 8, "w": 3}]),
        ([{"sd": 0.05}, {"sd": 0.09}], [{"sd": 0.033}]),
        ([{"sd": 0.09}, {"sd": 0.05}], [{"sd": 0.14}]),
        ([{"on": True, "k": 2, "box": []}, {"on": False, "k": 2, "box": [1]}, {}], []),
    ],
)
def test_beyond_an_edge_are_two_thirds_and_one_and_a_half_times(tried, further):
    rows = [{"tried": one, "score": score} for score, one in enumerate(tried)]
    assert search.beyond(rows[::-1]) == further


def test_the_search_for_networks_of_na_ends_where_no_neighbour_is_better(tmp_path, monkeypatch):
    seen = []

    def trained(build, arguments, x, y, its):
        """Falls towards four layers and a rate of 1.5e-3; twice the rate is hardly better, four times much."""
        layers, rate = arguments["layers"], its.learning_rate
        seen.append((layers, rate, its.epochs))
        score = 1 + abs(layers - 4) + {3e-3: -0.05, 6e-3: -0.5}.get(rate, abs(math.log2(rate / 1.5e-3)))
        return Fit({}, [{"validation_l2": 9.0}, {"validation_l2": score}], 1.0)

    monkeypatch.setattr(search, "fit", trained)
    log = search.search_networks(TASKS["sinewave"], tmp_path)
    first = [(3, 7.5e-4), (3, 3.75e-4), (3, 1.5e-3), (2, 7.5e-4), (4, 7.5e-4)]  # the start and its neighbours
    assert [(layers, rate) for layers, rate, _ in seen[:5]] == first
    assert len(set(seen)) == len(seen)
    assert {epochs for *_, epochs in seen} == {560}  # 400 of the surrogate, 160 of the INN
    assert {one[:2] for one in seen} >= neighbours(4, 1.5e-3)
    assert not any(rate == 6e-3 for _, rate, _ in seen)  # it lies behind a gain that is too small
    scores = [(*row["tried"].values(), row["score"]) for row in log["rows"]]
    assert scores[:2] == [(4, 3e-3, pytest.approx(0.95)), (4, 1.5e-3, pytest.approx(1))]
    assert json.loads((tmp_path / "na-network.search.json").read_text()) == log
    seen.clear()
    assert search.search_networks(TASKS["sinewave"], tmp_path) == log
    assert not seen  # nothing is trained again


def test_the_rate_of_a_network_of_the_task_s_own_is_searched(tmp_path, monkeypatch):
    """It begins at 4e-3, the recipe's, and the score falls towards 2e-3."""
    seen = []

    def trained(build, arguments, x, y, its):
        seen.append((build, arguments, its.epochs, its.learning_rate))
        return Fit({}, [{"validation_l2": 1 + abs(math.log2(its.learning_rate / 2e-3))}], 1.0)

    monkeypatch.setattr(search, "fit", trained)
    monkeypatch.setattr(search, "training_pairs", lambda *_: (None, None, {}))
    log = search.search_networks(TASKS["architecture"], tmp_path)
    assert [rate for *_, rate in seen] == [4e-3, 2e-3, 8e-3, 1e-3]
    assert {epochs for *_, epochs, _ in seen} == {24}  # 14 of the surrogate, 10 of the INN
    network, arguments, _ = recipe(TASKS["architecture"], "na")
    assert all((build, used) == (networks_of(TASKS["architecture"])[network], arguments) for build, used, *_ in seen)
    assert [row["tried"] for row in log["rows"][:2]] == [{"learning_rate": 2e-3}, {"learning_rate": 4e-3}]


def neighbours(layers, rate):
    """A layer more or fewer, half or twice the rate."""
    return {(layers, rate / 2), (layers, 2 * rate), (layers - 1, rate), (layers + 1, rate)}


@pytest.mark.parametrize("task", ["sinewave", "robotic_arm", "ballistics", "crystal", "silicon", "architecture"])
def test_na_has_the_network_where_its_search_ended(task):
    """No neighbour is better by a tenth, and the lowest score of the log is not either."""
    rows = json.loads((PRETRAINED / task / "na-network.search.json").read_text())["rows"]
    assert rows == sorted(rows, key=lambda row: row["score"])
    scores = {tuple(row["tried"].values()): row["score"] for row in rows}
    card = json.loads((PRETRAINED / task / "na.json").read_text())
    rate = card["settings"]["learning_rate"]
    used, around = (rate,), {(rate / 2,), (2 * rate,)}  # a network of the task's own has no layers to search
    if "layers" in rows[0]["tried"]:
        layers = card["arguments"]["layers"]
        used, around = (layers, rate), neighbours(layers, rate)
    assert set(scores) >= around
    assert rows[0]["score"] > (1 - search.GAIN) * scores[used]
    epochs = [
        json.loads((PRETRAINED / task / f"{model}.json").read_text())["settings"]["epochs"] for model in ("mlp", "inn")
    ]
    assert card["settings"]["epochs"] == sum(epochs)
    rounding = 0.2  # another machine's
    assert card["validation"]["validation_l2"] == pytest.approx(scores[used], rel=rounding)


def test_ablations_of_other_lengths_stay_on_the_card(tmp_path, monkeypatch):
    (tmp_path / "sinewave").mkdir()
    card = {"task": "sinewave", "ablation": {"command": "", "rows": [{"variant": "ordered, both", "epochs": 30}]}}
    (tmp_path / "sinewave/inn.json").write_text(json.dumps(card))
    monkeypatch.setattr(ablation, "PRETRAINED", tmp_path)
    monkeypatch.setattr(
        ablation, "load_card", lambda task, name: json.loads((tmp_path / task / f"{name}.json").read_text())
    )
    monkeypatch.setattr(ablation, "measure", lambda task, variant, epochs: {"variant": variant, "epochs": epochs})
    for epochs, variants in ((30, ["ordered, both", "alternating, both"]), (80, ["ordered, both"])):
        ablation.ablate(TASKS["sinewave"], epochs, variants)
    rows = json.loads((tmp_path / "sinewave/inn.json").read_text())["ablation"]["rows"]
    kept = [(row["variant"], row["epochs"]) for row in rows]
    assert kept == [("ordered, both", 30), ("alternating, both", 30), ("ordered, both", 80)]


@pytest.mark.parametrize("path", sorted(PRETRAINED.glob("*/na.search.json")), ids=lambda path: path.parent.name)
def test_na_descends_as_the_log_of_its_task_says_is_best(path):
    """Within a tenth of the best, which is at no edge."""
    rows = json.loads(path.read_text())["rows"]
    assert rows == sorted(rows, key=lambda row: row["score"])
    assert all(any(row["tried"] == one for row in rows) for one in DESCENTS)
    best = rows[0]
    assert not search.beyond([row for row in rows if row["tried"]["optimizer"] == best["tried"]["optimizer"]])
    task = TASKS[path.parent.name]
    used = {name: getattr(load(task, "na").proposal.search, name) for name in DESCENTS[0]}
    assert load(task, "na-surrogate").proposal.search.per_design == used["per_design"]
    scores = {tuple(row["tried"].values()): row["score"] for row in rows}
    assert scores[tuple(used.values())] <= 1.1 * best["score"]


def test_a_search_for_descents_goes_on_beyond_the_edge_of_its_optimizer(tmp_path, monkeypatch):
    """Falls towards 100 descents of Levenberg and Marquardt; Adam's 200 steps are no edge of theirs."""
    seen = []

    def designed(task, method, targets, n, **_):
        own = method.proposal.search
        seen.append(own.per_design)
        off = abs(own.per_design - 100) + abs(own.steps - 3) if own.optimizer == "lm" else 1000
        y = targets + torch.tensor([float(off)])
        return SimpleNamespace(final=y, verification=SimpleNamespace(y=y), seconds={"proposal": 0.0})

    shutil.copytree(PRETRAINED / "sinewave", tmp_path / "sinewave", ignore=shutil.ignore_patterns("*.search.json"))
    monkeypatch.setattr(search, "design", designed)
    log = search.search_descents(TASKS["sinewave"], tmp_path / "sinewave")
    assert seen[len(DESCENTS) :] == [96, 144]
    assert log["rows"][0] == {
        "tried": {"optimizer": "lm", "per_design": 96, "steps": 3}, "score": 16, "median": 16, "seconds": 0
    }  # fmt: skip


def test_an_ablation_s_surrogate_is_phi_star_and_its_posterior_phi(monkeypatch):
    trained, asked = {}, []

    def fit(build, arguments, x, y, settings):
        trained.update({name: build(**arguments) for name in build.weight_sets})
        for network in trained.values():
            network.fit_scales(x.float(), y.float())
        return Fit({name: network.state_dict() for name, network in trained.items()})

    def design(task, method, *rest):
        asked.append(method.proposal)
        return SimpleNamespace(summary=lambda: {"resim_mse": 0.0})

    monkeypatch.setattr(ablation, "fit", fit)
    monkeypatch.setattr(ablation, "pairs", lambda task, n=400, seed=0: task.pairs(n, seed))
    monkeypatch.setattr(ablation, "design", design)
    row = ablation.measure(TASKS["sinewave"], "ordered, MMD only", 1)
    x, y = TASKS["sinewave"].pairs(10_000, 1)
    with torch.no_grad():
        errors = {name: (one.eval()(x.float()) - y).square().sum(1).mean().item() for name, one in trained.items()}
        z = torch.zeros(5, 2)
        samples = [one.sample(y[:5].float(), z) for one in asked]
        assert all(torch.equal(one, trained["phi"].sample(y[:5].float(), z)) for one in samples)
    assert row["forward_mse"] == pytest.approx(errors["phi_star"])
    assert errors["phi"] != pytest.approx(errors["phi_star"])
