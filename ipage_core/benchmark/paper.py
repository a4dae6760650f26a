"""Tables 2 and 3 of the paper (Bi, Fung and Zhang 2023, iPage, AAAI)."""

from __future__ import annotations

TASKS = ("sinewave", "robotic_arm", "ballistics", "crystal", "architecture")
"""The columns, in its order."""
METHODS = ("mdn", "inn", "cinn", "cvae", "na", "ipage")
"""The rows, in its order."""
ROW = {name: name for name in METHODS} | {"na-published": "na"}
"""Our method → the row of the paper; None for methods that the paper does not have."""

_TABLE_2 = {
    "mdn": ((0.17, 2.3e-4), (0.018, 1.1e-5), (0.024, 1.3e-5), (0.81, 2.3e-2), (1.74, 2.5e-1)),
    "inn": ((0.12, 7.8e-5), (0.014, 8.2e-6), (0.019, 9.9e-6), (0.49, 3.9e-2), (0.88, 9.7e-2)),
    "cinn": ((0.11, 2.3e-4), (0.009, 7.3e-6), (0.421, 2.0e-5), (0.35, 8.1e-2), (0.76, 8.6e-2)),
    "cvae": ((0.13, 3.9e-4), (0.021, 9.0e-6), (0.798, 1.8e-5), (0.64, 5.6e-2), (1.03, 1.8e-1)),
    "na": ((0.006, 4.1e-6), (0.008, 8.8e-6), (0.016, 1.4e-5), (0.12, 4.4e-3), (0.71, 1.1e-1)),
    "ipage": ((0.002, 1.6e-6), (0.006, 4.2e-6), (0.011, 4.7e-6), (0.11, 4.5e-3), (0.23, 1.2e-2)),
}
"""1000 different y*, one solution each."""
_TABLE_3 = {
    "mdn": ((0.22, 5.1e-4), (0.023, 2.3e-5), (0.041, 2.9e-5), (0.84, 3.3e-2), (1.81, 2.0e-1)),
    "inn": ((0.19, 9.3e-5), (0.015, 4.7e-5), (0.024, 1.9e-5), (0.57, 4.7e-2), (0.83, 9.1e-2)),
    "cinn": ((0.16, 5.0e-4), (0.032, 3.1e-5), (0.652, 4.3e-5), (0.42, 8.8e-2), (0.82, 8.5e-2)),
    "cvae": ((0.25, 7.0e-4), (0.021, 5.6e-5), (0.912, 3.2e-5), (0.70, 9.0e-2), (1.20, 1.7e-1)),
    "na": ((0.011, 9.1e-6), (0.012, 4.8e-5), (0.031, 4.7e-5), (0.15, 6.6e-3), (0.79, 9.3e-2)),
    "ipage": ((0.004, 2.1e-6), (0.008, 7.6e-6), (0.023, 8.9e-6), (0.14, 2.2e-3), (0.22, 1.2e-2)),
}
"""1000 solutions for one y*."""


def reported(task: str, method: str, protocol: str) -> tuple[float, float] | None:
    """(mean, standard deviation over 50 repetitions) of the re-simulation error; None if the paper has no such cell."""
    table = {"many": _TABLE_2, "single": _TABLE_3}[protocol]
    row = table.get(ROW.get(method, ""))
    return None if row is None or task not in TASKS else row[TASKS.index(task)]
