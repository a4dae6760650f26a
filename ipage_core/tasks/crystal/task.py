"""SrTiO₃: which strained cells have a given band gap? Ω is density functional theory, about 8 s of CPU per lattice.

Unrelaxed internal coordinates, PBE gap: the ions stay at the ideal sites, so a design is six lattice parameters. PBE
underestimates gaps (1.9 eV for the cubic crystal, about 3.25 eV in experiment). See ``dft.py``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ipage_core.problem.recipe import Recipe
from ipage_core.problem.task import Property, Task, Variable
from ipage_core.problem.watch import watched
from ipage_core.runtime.lazy import LazyModule, late, torch
from ipage_core.tasks import labelled
from ipage_core.tasks.crystal.box import BOUNDS, HELD_IONS, NAMES
from ipage_core.tasks.crystal.strain import CUBIC_ENERGY, STRAIN_UNIT, SUBSTRATES, largest_strain, volume_change

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from ipage_core.problem.space import Cap

dft: Any = LazyModule("ipage_core.tasks.crystal.dft")
lattices: Any = LazyModule("ipage_core.tasks.crystal.lattices")

CAP_WEIGHT, CAP_MARGIN = 100.0, 1e-5
"""Weight [eV per unit of strain] and safety margin of a cap: a sample that reaches its target to 1e-3 eV keeps the cap.

If target and cap exclude each other, localization ends in a compromise, which is then moved to the cap. With ten
times the weight few samples reach the target.
"""


def omega(x: Tensor) -> Tensor:
    """Signed PBE gap, direct gap [eV], ΔE [eV per cell] at ideal sites. (n, 6) → (n, 3), NaN where the SCF failed.

    Runs on all cores and caches results on disk. See :func:`ipage_core.problem.watch.watching` for progress and
    cancellation.

    Raises:
        DFTUnavailable: GPAW is not installed.
    """
    watch = watched()
    where = {"workers": watch.workers, "scheduler": watch.scheduler}
    results = dft.gaps(x.detach().cpu().double().numpy(), progress=watch.progress, cancel=watch.cancel, **where)
    return torch.tensor([properties(result) for result in results], dtype=torch.float64).view(len(x), 3)


def properties(result: dict[str, Any] | None) -> list[float]:
    """The task's three properties from a result of :mod:`ipage_core.tasks.crystal.dft`; NaN if it failed."""
    if result is None or "fail" in result:
        return [math.nan] * 3
    return [result["gap"], result["direct"], result["energy"] - CUBIC_ENERGY]


def sample_prior(n: int, generator: Generator) -> Tensor:
    """Uniform in the box; every lattice in it exists (positive determinant)."""
    low, high = torch.from_numpy(BOUNDS)
    return low + (high - low) * torch.rand(n, 6, dtype=torch.float64, generator=generator)


def words(text: str) -> Sequence[str | Cap] | None:
    """Constraints specific to this task: a substrate, right angles, a cap on strain or on the change of volume.

    ``substrate=LSAT`` fixes a, b and γ to the substrate's plane; ``angles=90``; ``strain<=5%`` (largest principal
    strain), ``volume<=3%`` (up or down), both against the cubic cell of lowest energy. None for any other text.

    Raises:
        ValueError: the substrate is not known, or a cap is not a fraction between 0 and 1.
    """
    left, sign, right = (part.strip() for part in re.fullmatch(r"([^<>=]*)(<?=?)(.*)", text, re.S).groups())  # type: ignore[union-attr]
    if (left.lower(), sign) == ("substrate", "="):
        plane = {name.lower(): a for name, a in SUBSTRATES.items()}.get(right.lower())
        if plane is None:
            raise ValueError(f"substrate '{right}' is not known; accepted: {', '.join(SUBSTRATES)}")
        return [f"a={plane}", f"b={plane}", "gamma=90"]
    if (left.lower(), sign) == ("angles", "="):
        return [f"{angle}={right}" for angle in NAMES[3:]]
    measure = {"strain": largest_strain, "volume": volume_change}.get(left.lower())
    if measure is None or sign != "<=":
        return None
    try:
        most = float(right.removesuffix("%")) / (100 if right.endswith("%") else 1)
    except ValueError:
        most = math.nan
    if not 0 < most < 1:
        raise ValueError(f"constraint '{text}': expected a fraction between 0 and 1, or a percentage, e.g. {left}<=5%")
    return [lambda x: CAP_WEIGHT * (measure(x).abs() - most + CAP_MARGIN)]


def read_design(path: Path) -> tuple[Tensor, str]:
    """The lattice (6,) of a structure file, and a remark on choices; see :mod:`ipage_core.tasks.crystal.seed`.

    Raises:
        ValueError: not readable, not one perovskite cell of SrTiO₃, or outside the box.
    """
    from ipage_core.tasks.crystal import seed

    result = seed.read(path)
    return torch.from_numpy(result.x).double(), result.remark


def stored() -> tuple[Tensor, Tensor]:
    """The lattices of ``data/crystal`` (n, 6) with gap, direct gap and ΔE (n, 3)."""
    data = lattices.read()
    y = np.stack([data.gap, data.direct, data.energy - CUBIC_ENERGY], axis=1)
    return torch.from_numpy(data.lattice), torch.from_numpy(y)


def with_edges() -> tuple[Tensor, Tensor]:
    """Like :func:`stored`, with a fourth column of y: the gap from R to Γ [eV], NaN where unknown.

    It is known if band edges were stored, or if it is the smaller of the two gaps.
    """
    data = lattices.read()
    x, y = stored()
    gamma, r = (data.card["k_points"].index(k) for k in ([0.0, 0.0, 0.0], [0.5, 0.5, 0.5]))
    from_edges = data.edges[:, 1, gamma] - data.edges[:, 0, r]
    at_r = np.where(np.isfinite(from_edges), from_edges, np.where(data.gap < data.direct, data.gap, np.nan))
    return x, torch.cat((y, torch.from_numpy(at_r)[:, None]), dim=1)


def test_pairs() -> tuple[Tensor, Tensor]:
    """300 random lattices outside the training data and their DFT gaps: (300, 6), (300, 1)."""
    data = lattices.read(lattices.DATA.with_name("test_random.parquet"))
    return torch.from_numpy(data.lattice), torch.from_numpy(data.gap)[:, None]


def networks() -> dict[str, type]:
    """The surrogate: an ensemble of band-edge networks."""
    from ipage_core.tasks.crystal.bands import BandSurrogate

    return {"bands": BandSurrogate}


DRAWS = 20_000
"""Number of lattices that the ensemble labels to train the posteriors."""


def training_pairs(model: str, surrogate: Callable[[], Any]) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """DFT results for the surrogate; draws that it labels for the posteriors: see ``tasks/labelled.py``."""
    return labelled.training_pairs(model, with_edges(), "data/crystal", surrogate, sample_prior, DRAWS)


def relaxed(x: Tensor, samples: Sequence[int]) -> tuple[Any, dict[str, bytes]]:
    """Columns on the relaxed states of lattices (n, 6), and a CIF for each state: see ``relaxation.py``.

    Raises:
        DFTUnavailable: GPAW is not installed.
    """
    from ipage_core.tasks.crystal import relaxation

    watch, lattices = watched(), x.detach().cpu().double().numpy()
    results = relaxation.many(
        lattices, workers=watch.workers, scheduler=watch.scheduler, progress=watch.progress, cancel=watch.cancel
    )
    return relaxation.table(lattices, results), relaxation.files(lattices, results, list(samples))


TASK = Task(
    name="crystal",
    title="SrTiO₃ cells by band gap",
    variables=tuple(
        Variable(name, unit, low, high)
        for name, unit, (low, high) in zip("abcαβγ", ("Å",) * 3 + ("°",) * 3, BOUNDS.T.tolist(), strict=True)
    ),
    properties=(
        Property("PBE gap", "eV", tolerance=0.02),
        Property("direct PBE gap", "eV"),
        Property("ΔE", "eV per cell"),
    ),
    sample_prior=sample_prior,
    omega=omega,
    omega_seconds=8.0,
    in_processes=True,
    default_target=(0.5,),
    support=tuple((low, high) for low, high in BOUNDS.T.tolist()),
    stored=stored,
    check_data=late("ipage_core.tasks.crystal.lattices:check"),
    merge_data=late("ipage_core.tasks.crystal.lattices:fold"),
    networks=networks,
    words=words,
    words_help=f"substrate=NAME ({', '.join(SUBSTRATES)}), angles=90, strain<=5%, volume<=3%",
    read_design=read_design,
    recipes={
        "mlp": Recipe(
            {"box": BOUNDS.tolist(), "members": 5},
            {"learning_rate": 8e-3, "epochs": 250, "batch": 128},
            network="bands",
        ),
        "inn": Recipe({"surrogate_hidden": 96}, {"learning_rate": 1.5e-3, "epochs": 60}),
        "cinn": Recipe(settings={"learning_rate": 1.5e-3, "epochs": 60}),
        # Half the epochs of other tasks, because there are more than twice as many pairs.
        "mdn": Recipe({"components": 96}, {"epochs": 60}),
        "cvae": Recipe({"latent": 5}, {"epochs": 50}),
        "na": Recipe({"layers": 6}, {"epochs": 310, "learning_rate": 7.5e-4}),
        "na-published": Recipe(settings={"epochs": 125}),
    },
    sizes=("usual",),
    training_pairs=training_pairs,
    test_pairs=test_pairs,
    generate=late("ipage_core.tasks.crystal.lattices:generate"),
    relax=relaxed,
    export_formats=("cif", "poscar", "extxyz"),
    export=late("ipage_core.tasks.crystal.export:files"),
    images=late("ipage_core.tasks.crystal.lattices:images"),
    distance_unit=STRAIN_UNIT,
    distance_name="of strain",
    distinct=0.01,
    source="Bi, Fung and Zhang 2023 (iPage, AAAI), 'Crystal Design'; Ω: GPAW, PBE, unrelaxed internal coordinates",
    remark=HELD_IONS,
)
