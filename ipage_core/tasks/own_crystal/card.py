"""``crystal.json`` in a problem's folder: the reference crystal, its calculator and its symmetry."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ipage_core.problem.task import Property, Variable
from ipage_core.runtime.files import replacing
from ipage_core.tasks.own_crystal import calculators, symmetry

if TYPE_CHECKING:
    from ase import Atoms

CARD = "crystal.json"
SHEAR = 2 / 3
"""Largest shear component, as a fraction of the requested strain; as for silicon."""
LEAST_ROOM = 2.0
"""Least volume of a cell per atom [Å³]: diamond, the densest crystal in atoms, has 5.7."""
LEAST_DISTANCE = 0.5
"""Least distance of two atoms [Å]: those of H2 are 0.74 apart."""
MOST_ATOMS = 200


@dataclass(frozen=True)
class Unit:
    """A property of a strained crystal."""

    unit: str
    tolerance: float
    about: str


PROPERTIES: dict[str, Unit] = {
    "gap": Unit("eV", 0.02, "smallest difference of band edges on the calculator's own k-points"),
    "energy": Unit("eV per atom", 0.001, "above the reference crystal"),
    "pressure": Unit("GPa", 0.2, "a third of the stress's trace, compression positive"),
    **{f"s{ij}": Unit("GPa", 0.2, "stress, tension positive") for ij in ("11", "22", "33", "23", "13", "12")},
    "density": Unit("g/cm3", 0.01, "mass over volume"),
    "volume": Unit("A3 per atom", 0.01, "of the cell"),
    "displacement": Unit("A", 0.02, "root mean square of what relaxation moved the atoms by"),
}
"""Properties of a crystal that can be targets, by name."""


@dataclass(frozen=True)
class Crystal:
    """A crystal to strain."""

    name: str
    symbols: tuple[str, ...]
    cell: tuple[tuple[float, float, float], ...]
    """Rows are the vectors a, b, c [Å]."""
    sites: tuple[tuple[float, float, float], ...]
    """Fractional coordinates."""
    calculator: str
    strain: float
    """Largest normal component of the strain."""
    relax: bool
    """Whether to relax the atoms in each strained cell."""
    kicks: int
    """Number of relaxation starts: the strained sites once, all others with noise on these sites."""
    properties: tuple[str, ...]
    space_group: str
    operations: tuple[tuple[tuple[float, ...], ...], ...]
    """(s, 6, 6) symmetry operations on strains; the identity comes first."""
    reference_energy: float | None = None
    """Energy of the reference crystal [eV per atom]; None until computed."""
    provenance: str = "{}"
    """Calculator, settings and versions, as JSON."""
    remark: str = ""
    """A choice that was made when the structure file was read."""

    @property
    def atoms(self) -> Atoms:
        """The reference crystal."""
        from ase import Atoms

        return Atoms(list(self.symbols), cell=np.array(self.cell), scaled_positions=np.array(self.sites), pbc=True)

    @property
    def bounds(self) -> NDArray[np.float64]:
        """Box of the strains (2, 6)."""
        half = np.array([self.strain] * 3 + [SHEAR * self.strain] * 3)
        return np.stack((-half, half))

    @property
    def on_strains(self) -> NDArray[np.float64]:
        """Symmetry operations on strains (s, 6, 6), as an array."""
        return np.array(self.operations)

    @property
    def leaving(self) -> NDArray[np.bool_]:
        """Whether an operation leaves a property as it is (s, m)."""
        return np.stack([symmetry.leaving(self.on_strains, name) for name in self.properties], axis=1)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """e11, e22, e33, e23, e13, e12 within ``bounds``."""
        ends = zip(symmetry.NAMES, self.bounds.T.tolist(), strict=True)
        return tuple(Variable(name, "", low, high) for name, (low, high) in ends)

    @property
    def targets(self) -> tuple[Property, ...]:
        """The properties in the form that a task needs."""
        own = [(name, PROPERTIES[name]) for name in self.properties]
        return tuple(Property(name, one.unit, one.tolerance) for name, one in own)


def create(
    path: Path,
    calculator: str,
    strain: float,
    properties: tuple[str, ...],
    *,
    relax: bool = False,
    kicks: int = 4,
    name: str = "",
) -> Crystal:
    """Create a crystal from a structure file of any ASE format, with its symmetry by spglib.

    Raises:
        ValueError: the file, the calculator, a property or a number is not acceptable.
    """
    if not 0.001 <= strain <= 0.2:
        raise ValueError(f"--strain {strain:g} is not accepted: from 0.1% to 20%, e.g. 4%")
    if unknown := [one for one in properties if one not in PROPERTIES]:
        raise ValueError(f"property '{unknown[0]}' is not known; accepted: {', '.join(PROPERTIES)}")
    if not properties or len(set(properties)) < len(properties):
        raise ValueError(f"--y: accepted are different ones of {', '.join(PROPERTIES)}")
    if "displacement" in properties and not relax:
        raise ValueError("property 'displacement' needs --relax: without it no atom moves")
    if not 1 <= kicks <= 20:
        raise ValueError(f"--kicks {kicks} is not accepted: 1 to 20")
    given = read_structure(path)
    atoms = symmetry.oriented(given)
    calculators.factory(calculator)
    operations = symmetry.on_strains(atoms)
    return Crystal(
        name=name or path.stem,
        symbols=tuple(atoms.get_chemical_symbols()),
        cell=tuple(map(tuple, atoms.cell.array.tolist())),
        sites=tuple(map(tuple, atoms.get_scaled_positions().tolist())),
        calculator=calculators.absolute(calculator),
        strain=strain,
        relax=relax,
        kicks=kicks if relax else 1,
        properties=tuple(properties),
        space_group=symmetry.space_group(atoms),
        operations=tuple(tuple(map(tuple, matrix)) for matrix in operations.tolist()),
        remark=given.info["remark"],
    )


def strain(text: str) -> float:
    """Parse a strain: '4%' or '0.04' → 0.04.

    Raises:
        ValueError: the text has neither form.
    """
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise ValueError(f"--strain {text} is not accepted: a part such as 4%") from None


def read_structure(path: Path) -> Atoms:
    """Read one periodic crystal.

    Raises:
        ValueError: the file cannot be read, is not periodic, has too many atoms, or atoms that share a place.
    """
    from ipage_core.tasks.structures import frames, refuse_partial

    found = frames(path, MOST_ATOMS, ":")
    atoms = found[-1]
    if not (abs(atoms.cell.volume) > 0 and atoms.pbc.all()) or len(atoms) == 0:
        raise ValueError(f"{path} holds no crystal: it needs a cell, periodic in three directions, and atoms in it")
    refuse_partial(path, atoms)
    if (room := abs(atoms.cell.volume) / len(atoms)) < LEAST_ROOM:
        raise ValueError(
            f"{path} leaves {room:.2g} Å³ for an atom; accepted: at least {LEAST_ROOM:g}. Are its lengths in nm, not Å?"
        )
    distances = atoms.get_all_distances(mic=True) + np.eye(len(atoms)) * 2 * LEAST_DISTANCE
    if distances.min() < LEAST_DISTANCE:
        one, other = np.unravel_index(distances.argmin(), distances.shape)
        names = atoms.get_chemical_symbols()
        raise ValueError(
            f"{path} has two atoms, {names[one]} and {names[other]}, {distances.min():.2g} Å apart; accepted: at least "
            f"{LEAST_DISTANCE:g}"
        )
    atoms.info = {"remark": f"{path.name} holds {len(found)} structures; the last was taken." if len(found) > 1 else ""}
    return atoms


def write(folder: Path, crystal: Crystal) -> None:
    """Write the card into its folder."""
    with replacing(folder / CARD) as beside:
        beside.write_text(json.dumps(asdict(crystal), indent=1, ensure_ascii=False) + "\n")


def read(folder: Path) -> Crystal:
    """Read the card of a folder.

    Raises:
        ValueError: the card is missing or damaged.
    """
    path = folder / CARD
    try:
        said: dict[str, Any] = json.loads(path.read_text())
        crystal = Crystal(**{name: _tuples(value) for name, value in said.items()})
        whole = crystal.on_strains.shape[1:] == (6, 6) and len(crystal.sites) == len(crystal.symbols)
        if not whole or set(crystal.properties) - set(PROPERTIES):
            raise ValueError("parts of it do not fit together")
    except OSError:
        raise ValueError(f"{folder} holds no crystal: it has no {CARD}") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    return crystal


def _tuples(value: Any) -> Any:
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value
