"""Loading returns exactly what was saved, or an error: missing, truncated, tampered."""

import json
import os

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipage_core.inference.methods import METHODS, load
from ipage_core.networks import MODELS, networks_of
from ipage_core.networks.store import (
    PRETRAINED,
    ModelUnavailable,
    check_arguments,
    load_model,
    save_model,
    save_tensors,
)
from ipage_core.runtime.files import replacing
from ipage_core.tasks import MODULES, TASKS
from tests.support.models import SMALL

NETWORK, ARGUMENTS = SMALL["inn"]


@pytest.fixture
def stored(tmp_path):
    sets = {"phi": NETWORK(**ARGUMENTS).state_dict(), "phi_star": NETWORK(**ARGUMENTS).state_dict()}
    save_model(
        tmp_path / "sinewave", "inn", sets, {"task": "sinewave", "name": "inn", "model": "inn", "arguments": ARGUMENTS}
    )
    return tmp_path, sets


def test_round_trip_of_both_weight_sets(stored):
    modules, card = load_model("sinewave", "inn", stored[0], networks=MODELS)
    assert card["arguments"] == ARGUMENTS
    for name, state in stored[1].items():
        assert not modules[name].training
        for key, value in modules[name].state_dict().items():
            torch.testing.assert_close(value, state[key], rtol=0, atol=0)


def test_missing_model_names_the_command_that_makes_it(tmp_path):
    with pytest.raises(ModelUnavailable, match="make it anew with: python -m ipage_core train sinewave --method cinn"):
        load("sinewave", "cinn", root=tmp_path)


@given(cut=st.integers(0, 5_000))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_truncated_weights(stored, cut):
    path = stored[0] / "sinewave" / "inn.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    with pytest.raises(ModelUnavailable):
        load_model("sinewave", "inn", stored[0], networks=MODELS)
    path.write_bytes(whole)


def test_tampered_weights_and_damaged_card(stored):
    root = stored[0]
    weights, card = root / "sinewave" / "inn.safetensors", root / "sinewave" / "inn.json"
    whole = bytearray(weights.read_bytes())
    whole[-1] ^= 1
    weights.write_bytes(whole)
    with pytest.raises(ModelUnavailable, match="does not match the hash"):
        load_model("sinewave", "inn", root, networks=MODELS)
    card.write_text(card.read_text()[:-20])
    with pytest.raises(ModelUnavailable, match="is damaged"):
        load_model("sinewave", "inn", root, networks=MODELS)


def test_a_card_for_another_network(stored):
    card = stored[0] / "sinewave" / "inn.json"
    content = json.loads(card.read_text())
    for change in ({"arguments": {**ARGUMENTS, "d": 3}}, {"model": "gpt"}, {"arguments": {"hidden": "rm -rf"}}):
        card.write_text(json.dumps({**content, **change}))
        with pytest.raises(ModelUnavailable, match="does not fit its card"):
            load_model("sinewave", "inn", stored[0], networks=MODELS)


def test_data_may_be_counted_in_small_units():
    check_arguments({**ARGUMENTS, "scale": [2.1e11, 9e12]}, 1000)
    with pytest.raises(ValueError, match="too large for 1,000 weights"):
        check_arguments({**ARGUMENTS, "hidden": [10**9]}, 1000)


def test_a_card_in_the_wrong_place_or_of_another_kind(stored):
    card = stored[0] / "sinewave" / "inn.json"
    content = json.loads(card.read_text())
    card.write_text(json.dumps({**content, "task": "ballistics"}))
    with pytest.raises(ModelUnavailable, match="accepted: a card of this model"):
        load_model("sinewave", "inn", stored[0], networks=MODELS)
    for text in ("null", "[]", "3"):
        card.write_text(text)
        with pytest.raises(ModelUnavailable, match="damaged"):
            load_model("sinewave", "inn", stored[0], networks=MODELS)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_files_of_weights_may_be_read_by_those_whom_the_umask_lets(umask, mode, tmp_path):
    before = os.umask(umask)
    try:
        save_tensors(tmp_path / "rows.safetensors", {"x": torch.ones(2)})
        save_model(tmp_path, "mlp", {"phi": {"w": torch.ones(2)}}, {"task": "t", "name": "mlp"})
    finally:
        os.umask(before)
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == dict.fromkeys(
        ("rows.safetensors", "mlp.safetensors", "mlp.json"), mode
    )


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def fail():
        with replacing(path) as beside:
            beside.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_ships_is_small_loads_and_fits_its_card():
    cards = sorted(p for p in PRETRAINED.glob("*/*.json") if not p.name.endswith(".search.json"))
    for task in MODULES:
        assert {"inn", "mlp"} <= {card.stem for card in cards if card.parent.name == task}
    for path in cards:
        task, name = path.parent.name, path.stem
        weights = path.with_suffix(".safetensors")
        assert weights.stat().st_size <= 5e6, weights
        modules, card = load_model(task, name, networks=networks_of(TASKS[task]))
        count = sum(parameter.numel() for parameter in next(iter(modules.values())).state_dict().values())
        assert card["parameters"] == count
        assert card["task"] == task
    known = {model for method in METHODS.values() for model in method.models}
    assert {card.stem for card in cards} <= known
    assert {p.stem for p in PRETRAINED.rglob("*.safetensors")} == {card.stem for card in cards}
    others = {p.name for p in PRETRAINED.rglob("*") if p.is_file() and p.suffix not in (".json", ".safetensors")}
    assert others == {"README.md"}
