"""Constraints on strains of silicon: films, stress along an axis, caps, and bounds on the surrogate's predictions."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ipage_core.runtime.lazy import torch
from ipage_core.tasks.silicon.box import BOUNDS

if TYPE_CHECKING:
    from torch import Tensor

    from ipage_core.problem.space import Cap

CAP_WEIGHT, CAP_MARGIN = 100.0, 1e-5
"""Weight [eV per unit of strain] and safety margin of a cap on strain, as for SrTiO₃."""
AXES: dict[str, tuple[str, ...]] = {
    "001": ("e23=0", "e13=0", "e12=0", "e11=e22"),
    "110": ("e23=0", "e13=0", "e11=e22"),
    "111": ("e11=e22", "e22=e33", "e23=e13", "e13=e12"),
}
"""Axis → constraints that stress along it puts on the strain: by symmetry, components are equal or zero."""
PREDICTED = {
    "direct": (1, {"": 1.0, "ev": 1.0, "mev": 1e-3}, 1.0),
    "energy": (2, {"": 1.0, "ev": 1.0, "mev": 1e-3}, 100.0),
    "pressure": (3, {"": 1.0, "gpa": 1.0, "mpa": 1e-3}, 0.2),
}
"""Name → column of the surrogate's properties, accepted units, and weight [eV per unit]."""
VALLEYS = {"1": 0, "2": 1, "3": 2, "x": 0, "y": 1, "z": 2, "100": 0, "010": 1, "001": 2}
"""Name of an axis → index of its Δ valleys."""
VALLEY_MARGIN = 0.002
"""Margin [eV] of the lowest valley below the others: slightly more than the surrogate's error."""
HELP = (
    "biaxial=1%, substrate=Si0.7Ge0.3, uniaxial=001 (110, 111), strain<=2%, volume<=1%; by the surrogate "
    "energy<=3meV (per atom), pressure<=1 (GPa, also >= and =), direct>=2.5 (eV), valley=1 (2, 3: the axis)"
)


def words(text: str) -> Sequence[str | Cap] | None:
    """Constraints specific to this task: see ``HELP``. None for any other text.

    ``biaxial=1%`` is the plane of a film on (001): e11 = e22 = 0.01, e12 = 0, the other three free, and with them the
    stress out of the plane; ``substrate=Si0.7Ge0.3`` is the same with that alloy's misfit; ``uniaxial=001`` (or 110,
    111) applies the symmetry of a stress along that axis, and allows stress across it; ``strain<=2%`` (largest
    principal strain), ``volume<=1%`` (up or down). The shipped surrogate predicts elastic
    energy [eV per atom], pressure [GPa], direct gap [eV] and the axis of the lowest valley.

    Raises:
        ValueError: the axis or the alloy is not known, the misfit leaves the box, or a number is not acceptable.
    """
    parts = re.fullmatch(r"([^<>=]*)([<>]?=?)(.*)", text, re.S)
    assert parts is not None
    left, sign, right = (part.strip() for part in parts.groups())
    left = left.lower()
    if (left, sign) == ("uniaxial", "="):
        if (axis := right.strip("[]")) not in AXES:
            raise ValueError(f"constraint '{text}': expected an axis among {', '.join(AXES)}")
        return AXES[axis]
    if (left, sign) == ("substrate", "="):
        return _film(misfit(right), text)
    if (left, sign) == ("biaxial", "="):
        return _film(_fraction(right, text, f"{left}=1%"), text)
    if (left, sign) == ("valley", "="):
        return [_valley(right, text)]
    if left in PREDICTED and sign in ("<=", ">=", "="):
        return _predicted(left, sign, right, text)
    measure = {"strain": largest_strain, "volume": volume_change}.get(left)
    if measure is None or sign != "<=":
        return None
    most = _fraction(right, text, f"{left}<=2%")
    if not 0 < most < 1:
        raise ValueError(f"constraint '{text}': expected a fraction between 0 and 1, or a percentage, e.g. {left}<=2%")
    return [lambda x: CAP_WEIGHT * (measure(x).abs() - most + CAP_MARGIN)]


def _film(strain: float, text: str) -> list[str]:
    most = float(BOUNDS[1, 0])
    if not abs(strain) <= most:
        raise ValueError(f"constraint '{text}' strains the film by {strain:.1%}; accepted: at most {most:.0%}")
    return [f"e11={strain:.9f}", "e11=e22", "e12=0"]


def _fraction(number: str, text: str, example: str) -> float:
    try:
        value = float(number.removesuffix("%")) / (100 if number.endswith("%") else 1)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"constraint '{text}': expected a number or a percentage, e.g. {example}")
    return value


def _predicted(name: str, sign: str, said: str, text: str) -> list[Cap]:
    column, units, price = PREDICTED[name]
    number = re.fullmatch(r"([-+]?[\d.]+(?:e[-+]?\d+)?)\s*([a-z]*)", said.lower())
    if number is None or number[2] not in units:
        accepted = ", ".join(unit for unit in units if unit)
        raise ValueError(f"constraint '{text}': expected a number, with one of the units {accepted} or none")
    bound = float(number[1]) * units[number[2]]

    def above(x: Tensor) -> Tensor:
        return price * (surrogate().properties(x)[:, column] - bound)

    def below(x: Tensor) -> Tensor:
        return -above(x)

    caps: dict[str, list[Cap]] = {"<=": [above], ">=": [below], "=": [above, below]}
    return caps[sign]


def _valley(said: str, text: str) -> Cap:
    if (axis := VALLEYS.get(said.lower().strip("[]"))) is None:
        raise ValueError(f"constraint '{text}': expected the axis of the lowest valley, one of 1, 2, 3")
    others = [i for i in range(3) if i != axis]

    def above(x: Tensor) -> Tensor:
        edges = surrogate().members(x)[1].mean(0)[:, 4:]
        return edges[:, axis] - edges[:, others].amin(1) + VALLEY_MARGIN

    return above


@lru_cache(maxsize=1)
def surrogate() -> Any:
    """The shipped surrogate, a :class:`~ipage_core.tasks.silicon.valleys.ValleySurrogate`.

    Raises:
        ModelUnavailable: the surrogate is missing or damaged.
    """
    from ipage_core.inference.methods import load

    return load("silicon", "prior-lm").surrogate


def misfit(alloy: str) -> float:
    """Strain of a silicon film on relaxed Si₁₋ₓGeₓ, "Si0.7Ge0.3": lattice constants of J. P. Dismukes et al. (1964).

    a = 5.431 + 0.20 x + 0.027 x² Å, J. Phys. Chem. 68, 3021, doi:10.1021/j100792a049.

    Raises:
        ValueError: the name is not a valid alloy, or its parts do not sum to 1.

    >>> round(misfit("Si0.7Ge0.3"), 4)
    0.0115
    """
    match = re.fullmatch(r"Si(\d*\.?\d+)Ge(\d*\.?\d+)", alloy.strip(), re.I)
    if match is None or abs(float(match[1]) + float(match[2]) - 1) > 1e-6:
        raise ValueError(f"substrate '{alloy}' is not known; accepted: an alloy such as Si0.7Ge0.3, its parts sum to 1")
    x = float(match[2])
    return (0.20 * x + 0.027 * x * x) / 5.431


def volume_change(x: Tensor) -> Tensor:
    """Relative change of volume, V/V₀ − 1. (n, 6) → (n,)."""
    return torch.linalg.det(tensor(x) + torch.eye(3).to(x)) - 1


def largest_strain(x: Tensor) -> Tensor:
    """Largest |principal strain|. (n, 6) → (n,)."""
    return torch.linalg.eigvalsh(tensor(x)).abs().amax(1)


def tensor(x: Tensor) -> Tensor:
    """Strains (n, 6) as symmetric tensors (n, 3, 3)."""
    return x[:, [0, 5, 4, 5, 1, 3, 4, 3, 2]].view(-1, 3, 3)
