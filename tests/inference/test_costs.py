"""Size and training time of a method: by one rule, from the cards."""

import json

import pytest

from ipage_core.inference.costs import Cost, cost
from ipage_core.networks.store import ModelUnavailable

CARDS = {"mlp": (100, 40.0), "inn": (350, 30.0), "cinn": (200, 20.0), "inn-paper": (340, 50.0)}


@pytest.fixture
def cards(tmp_path):
    for name, (parameters, seconds) in CARDS.items():
        card = {"task": "sinewave", "name": name, "parameters": parameters, "training_seconds": seconds}
        (tmp_path / f"{name}.json").write_text(json.dumps(card))
    return tmp_path


@pytest.mark.parametrize(
    ("method", "right"),
    [
        ("ipage", Cost(350, 70.0)),  # t(x) counts once, within the INN; both were trained
        ("inn", Cost(350, 70.0)),
        ("prior-lm", Cost(100, 40.0)),
        ("ipage-cinn", Cost(300, 60.0)),  # two separate networks
        ("ipage-paper", Cost(340, 50.0)),  # it takes nothing over
        ("lookup", Cost(0, 0.0)),
    ],
)
def test_a_surrogate_that_an_inn_took_over_counts_once(cards, method, right):
    assert cost("sinewave", method, cards) == right


def test_an_inn_of_an_earlier_program_has_no_surrogate_beside_it(cards):
    (cards / "mlp.json").unlink()
    assert cost("sinewave", "ipage", cards) == Cost(350, 30.0)
    with pytest.raises(ModelUnavailable, match="mlp"):
        cost("sinewave", "prior-lm", cards)
