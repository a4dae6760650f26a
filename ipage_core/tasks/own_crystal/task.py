"""A folder with ``crystal.json`` as a task: a problem with a command as Ω, plus the crystal's symmetry."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ipage_core.problem.recipe import Recipe
from ipage_core.problem.task import Task
from ipage_core.runtime.paths import ROOT
from ipage_core.tasks import labelled
from ipage_core.tasks.own_crystal import calculators, card, operator, symmetry
from ipage_core.tasks.own_crystal.card import Crystal
from ipage_core.tasks.own_crystal.export import files
from ipage_core.tasks.structures import FORMATS

DRAWS = 5000
"""Number of strains that the surrogate labels to train the posteriors."""
STEPS, BATCH = 3000, 64
"""Steps and batch size of the surrogate's training."""


def referenced(crystal: Crystal) -> tuple[Crystal, dict[str, float]]:
    """The crystal with its reference energy, and the other properties of the unstrained crystal.

    Raises:
        ValueError: the calculator is not available, fails, or cannot compute a requested property.
    """
    from ase.units import GPa

    calculator = calculators.build(crystal.calculator, crystal.atoms)
    try:
        result, atoms = operator.evaluate(crystal, np.zeros(6), calculator)
    except ValueError:
        raise
    except (Exception, SystemExit) as error:  # a calculator may raise anything
        raise ValueError(f"calculator '{crystal.calculator}' fails: {type(error).__name__}: {error}") from None
    energy = float(atoms.get_potential_energy() / len(atoms))
    stress = atoms.calc.results.get("stress")
    text = dict(result) if stress is None else {**result, "pressure": float(-stress[:3].mean() / GPa)}
    if "energy" in text:
        text["energy"] = 0.0
    return replace(crystal, reference_energy=energy, provenance=str(atoms.info["provenance"])), text


def command(folder: Path) -> tuple[str, ...]:
    """The command that computes Ω of the crystal in a folder."""
    words = (sys.executable, "-m", "ipage_core.tasks.own_crystal", str(folder.resolve()), "{in}", "{out}")
    spec = find_spec("ipage_core")
    inside = spec is not None and spec.origin is not None and "site-packages" in spec.origin
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH", "")) if part)
    return words if inside else ("env", f"PYTHONPATH={path}", *words)  # in a clone: calls run in another folder


def elsewhere(folder: Path) -> dict[str, Any]:
    """The command for a machine that lacks this folder, the files that it reads, and the folder of those it brings."""
    return {
        "command": ["{python}", "-m", "ipage_core.tasks.own_crystal", "{here}", "{in}", "{out}"],
        "files": {card.CARD: (folder / card.CARD).read_text()},
        "brings": operator.STRUCTURES,
    }


def dressed(task: Task, folder: Path) -> Task:
    """Add the crystal to the task of a folder: symmetry images, an exactly symmetric surrogate, export of structures.

    Images of a design have all its properties: if the stress s11 is one, only those that leave axis 1 count.

    Raises:
        ValueError: ``crystal.json`` is damaged.
    """
    crystal = card.read(folder)
    operations, leaving = crystal.on_strains, crystal.leaving
    alike = operations[leaving.all(1)]
    epochs = max(100, min(1000, STEPS * BATCH // max(task.data_size, 1)))
    flow = {"learning_rate": 2e-3, "epochs": 30}
    pairs = partial(training_pairs, crystal, task)
    return replace(
        task,
        images=lambda x: symmetry.images(x, alike),
        distance_unit=1 / symmetry.MANDEL,
        distance_name="of strain",
        networks=_networks,
        recipes={
            "mlp": Recipe(
                {"operations": operations.tolist(), "leave_out": True, "leaving": leaving.tolist()},
                {"learning_rate": 5e-3, "epochs": epochs, "batch": BATCH, "weight_decay": 1e-3},
                network="symmetric",
            ),
            "inn": Recipe(settings=flow),
            "cinn": Recipe(settings=flow),
        },
        training_pairs=pairs,
        export_formats=tuple(FORMATS),
        export=lambda frame, form: files(folder, frame, form),
        source=f"{crystal.name}, {crystal.space_group}; Ω: {crystal.calculator}"
        + (f", atoms relaxed to {operator.FORCE} eV/Å" if crystal.relax else ", atoms carried by the strain"),
        remark=remark(crystal),
    )


def remark(crystal: Crystal) -> str:
    """Caveats on every property."""
    held = "" if crystal.relax else "atoms held where the strain carries them"
    seen = "gaps are those of the calculator's own k-points, which may miss the band edges" if _has_gap(crystal) else ""
    return "; ".join(part for part in (held, seen) if part)


def _has_gap(crystal: Crystal) -> bool:
    return "gap" in crystal.properties


def _networks() -> dict[str, type]:
    from ipage_core.tasks.own_crystal.network import SymmetricEnsemble

    return {"symmetric": SymmetricEnsemble}


def training_pairs(
    crystal: Crystal, task: Task, model: str, surrogate: Callable[[], Any]
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Computed rows for the surrogate; draws that it labels for the posteriors: see ``tasks/labelled.py``."""
    assert task.stored is not None
    return labelled.training_pairs(model, task.stored(), crystal.name, surrogate, task.sample_prior, DRAWS)
