"""Silicon: which strains of the crystal, ions relaxed, have a given band gap? Ω is DFT, about 6 s of CPU a strain.

PBE without spin–orbit coupling, which underestimates gaps: 0.6 eV for the unstrained crystal, 1.17 eV in experiment.
See ``operator.py``. The question is that of deep elastic strain engineering: Z. Shi et al., PNAS 116, 4117 (2019),
doi:10.1073/pnas.1818555116.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from ipage_core.problem.space import Cap
from ipage_core.problem.task import Property, Task, Variable
from ipage_core.problem.watch import watched
from ipage_core.tasks.silicon import dataset, operator

BOUNDS = torch.from_numpy(dataset.BOUNDS)

CAP_WEIGHT, CAP_MARGIN = 100.0, 1e-5
"""A cap aims so far inside, at such a price [eV for each unit of strain]: as for SrTiO₃."""
AXES: dict[str, tuple[str, ...]] = {
    "001": ("e23=0", "e13=0", "e12=0", "e11=e22"),
    "110": ("e23=0", "e13=0", "e11=e22"),
    "111": ("e11=e22", "e22=e33", "e23=e13", "e13=e12"),
}
"""Stress along an axis leaves these strains: what stays alike and what stays zero by symmetry."""
SCISSOR = 0.57
"""Customary correction [eV] of PBE's gap of silicon: experiment's 1.17 eV less PBE's 0.60 eV. Shown, never added."""


def omega(x: Tensor) -> Tensor:
    """Signed PBE gap, direct gap [eV], elastic energy [eV per atom], pressure [GPa]. (n, 6) → (n, 4), NaN on failure.

    Runs on all cores; results are kept on disk and never computed twice. See
    :func:`ipage_core.problem.task.watching` for its progress and for stopping it.

    Raises:
        DFTUnavailable: GPAW is not installed.
    """
    watch = watched()
    results = operator.many(x.detach().cpu().double().numpy(), progress=watch.progress, cancel=watch.cancel)
    rows = [
        [math.nan] * 4
        if r is None or "fail" in r
        else [r["gap"], r["direct"], (r["energy"] - operator.REFERENCE_ENERGY) / 2, r["pressure"]]
        for r in results
    ]
    return torch.tensor(rows, dtype=torch.float64).view(len(x), 4)


def sample_prior(n: int, generator: Generator) -> Tensor:
    """Uniform in the box, which the cube's 24 rotations leave as it is."""
    low, high = BOUNDS
    return low + (high - low) * torch.rand(n, 6, dtype=torch.float64, generator=generator)


def words(text: str) -> Sequence[str | Cap] | None:
    """Constraints of this task alone: a film, stress along an axis, a cap on strain or on the change of volume.

    ``biaxial=1%`` is a film on (001): e11 = e22 = 0.01, e12 = 0, the three others free; ``substrate=Si0.7Ge0.3`` the
    same with that alloy's misfit; ``uniaxial=001`` (or 110, 111) ties what a stress along it leaves alike;
    ``strain<=2%`` (largest principal strain), ``volume<=1%`` (up or down). None: something else.

    Raises:
        ValueError: the axis or the alloy is not known, the misfit leaves the box, or a cap is not a positive number.
    """
    parts = re.fullmatch(r"([^<>=]*)(<?=?)(.*)", text, re.S)
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


def misfit(alloy: str) -> float:
    """Strain of a silicon film on relaxed Si₁₋ₓGeₓ, "Si0.7Ge0.3": lattice constants of J. P. Dismukes et al. (1964).

    a = 5.431 + 0.20 x + 0.027 x² Å, J. Phys. Chem. 68, 3021, doi:10.1021/j100792a049.

    Raises:
        ValueError: the name is not that of such an alloy, or its parts do not sum to 1.
    """
    match = re.fullmatch(r"Si(\d*\.?\d+)Ge(\d*\.?\d+)", alloy.strip(), re.I)
    if match is None or abs(float(match[1]) + float(match[2]) - 1) > 1e-6:
        raise ValueError(f"substrate '{alloy}' is not known; accepted: an alloy such as Si0.7Ge0.3, its parts sum to 1")
    x = float(match[2])
    return (0.20 * x + 0.027 * x * x) / 5.431


def volume_change(x: Tensor) -> Tensor:
    """V/V₀ − 1. (n, 6) → (n,)."""
    return torch.linalg.det(_tensor(x) + torch.eye(3).to(x)) - 1


def largest_strain(x: Tensor) -> Tensor:
    """Largest |principal strain|. (n, 6) → (n,)."""
    return torch.linalg.eigvalsh(_tensor(x)).abs().amax(1)


def _tensor(x: Tensor) -> Tensor:
    return x[:, [0, 5, 4, 5, 1, 3, 4, 3, 2]].view(-1, 3, 3)


def stored() -> tuple[Tensor, Tensor]:
    """The strains of ``data/silicon`` (n, 6) with gap, direct gap, elastic energy and pressure (n, 4)."""
    x, y = edges()
    return x, y[:, :4]


def edges() -> tuple[Tensor, Tensor]:
    """As :func:`stored`, with the band edges that the surrogate learns: y (n, 11), see ``valleys.py``."""
    from ipage_core.tasks.silicon.valleys import pairs

    return pairs(dataset.read())


def networks() -> dict[str, type]:
    """The surrogate of the valleys."""
    from ipage_core.tasks.silicon.valleys import ValleySurrogate

    return {"valleys": ValleySurrogate}


TASK = Task(
    name="silicon",
    title="Strained silicon by band gap",
    variables=tuple(Variable(name, "", *ends) for name, ends in zip(dataset.NAMES, BOUNDS.T.tolist(), strict=True)),
    properties=(
        Property("PBE gap", "eV", tolerance=0.01),
        Property("direct PBE gap", "eV"),
        Property("elastic energy", "eV per atom"),
        Property("pressure", "GPa"),
    ),
    sample_prior=sample_prior,
    omega=omega,
    omega_seconds=6.0,
    default_target=(0.3,),
    support=tuple((low, high) for low, high in BOUNDS.T.tolist()),
    stored=stored,
    networks=networks,
    words=words,
    words_help="biaxial=1%, substrate=Si0.7Ge0.3, uniaxial=001 (110, 111), strain<=2%, volume<=1%",
    source="Shi et al. 2019, doi:10.1073/pnas.1818555116; Ω: GPAW, PBE, ions relaxed, no spin–orbit coupling",
)
"""Not yet among the shipped tasks: its models are still to be trained."""
