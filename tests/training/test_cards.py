"""The cards of the shipped networks: each names a command that learns from the same pairs again."""

import json
import shlex

import pytest

from ipage_core.cli.main import build
from ipage_core.networks.store import PRETRAINED
from ipage_core.tasks import TASKS
from ipage_core.training.recipes import surrogate_in, training_pairs

CARDS = {path: json.loads(path.read_text()) for path in sorted(PRETRAINED.glob("*/*.json"))}
TRAINED = {path: card for path, card in CARDS.items() if "data" in card and not path.stem.endswith(".search")}


@pytest.mark.parametrize(
    "path", [p for p, card in CARDS.items() if "command" in card], ids=lambda p: f"{p.parent.name} {p.stem}"
)
def test_the_command_is_accepted(path):
    words = shlex.split(CARDS[path]["command"])
    assert words[:3] == ["python", "-m", "ipage_core"]
    arguments = build(words[3]).parse_args(words[3:])
    assert arguments.task == path.parent.name


def one_for_each_data():
    """A card for each set of pairs."""
    first = {}
    for path, card in TRAINED.items():
        first.setdefault((card["task"], card["data"]["sha256"]), path)
    return list(first.values())


@pytest.mark.parametrize("path", one_for_each_data(), ids=lambda p: f"{p.parent.name} {p.stem}")
def test_the_command_learns_from_the_same_pairs(path):
    card = CARDS[path]
    arguments = build(shlex.split(card["command"])[3]).parse_args(shlex.split(card["command"])[3:])
    task = TASKS[card["task"]]
    _, _, about = training_pairs(task, card["name"], lambda: surrogate_in(task, path.parent), arguments.rows)
    if "labelled_by" in about:  # labels by a network differ in their last digits from processor to processor
        about["sha256"] = card["data"]["sha256"]
    assert about == card["data"]


def test_labels_are_those_of_the_shipped_surrogate():
    for path, card in TRAINED.items():
        if "computed" in card["data"]:
            assert card["data"]["computed"] == json.loads((path.parent / "mlp.json").read_text())["data"], path
