"""What the networks of a method cost: their size and their training, by one rule for every table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ipage_core.inference.methods import METHODS, folder
from ipage_core.networks.store import ModelUnavailable, load_card
from ipage_core.tasks import TASKS


@dataclass(frozen=True)
class Cost:
    """Size and training time of a method."""

    parameters: int
    training_seconds: float


def cost(task: str, method: str, models: Path | None = None) -> Cost:
    """Sums over the networks of a method, from their cards in ``models`` or else in its own folder.

    An INN contains the surrogate t(x) that it took over. So t(x) counts once among the parameters, within the INN, and
    its training counts as part of the INN's.

    Raises:
        ModelUnavailable: a card is missing or damaged.

    >>> cost("sinewave", "lookup")
    Cost(parameters=0, training_seconds=0.0)
    """
    where, row = models or folder(TASKS[task], method), METHODS[method]
    cards = {name: load_card(task, name, folder=where) for name in row.models}
    sized = [card for name, card in cards.items() if name != "mlp" or "inn" not in cards]
    for name in row.trained:
        if name not in cards:
            try:
                cards[name] = load_card(task, name, folder=where)
            except ModelUnavailable:  # an INN of an earlier program, which learned its t(x) by itself
                continue
    return Cost(
        sum(int(card["parameters"]) for card in sized),
        float(sum(card["training_seconds"] for card in cards.values())),
    )
