"""Symmetry images of a strain for any crystal, from its rotations by spglib.

A strain is (6,): tensor components e11, e22, e33, e23, e13, e12 against the reference cell. In Mandel components
(shears × √2) the operations are orthogonal. Inversion leaves every strain unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from ase import Atoms

Floats = NDArray[np.float64]
NAMES = ("e11", "e22", "e33", "e23", "e13", "e12")
MANDEL = np.array([1, 1, 1, *[np.sqrt(2)] * 3])
"""Factors from a strain (…, 6) to its Mandel components, whose squares sum to ε : ε."""
PRECISION = 1e-3
"""Tolerance on atomic positions [Å], because a CIF's coordinates are rounded."""
_PAIRS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
_INDEX = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])


def tensor(strain: ArrayLike) -> Floats:
    """Strain tensor. (…, 6) → symmetric (…, 3, 3)."""
    return np.asarray(strain, dtype=np.float64)[..., _INDEX]


def space_group(atoms: Atoms) -> str:
    """Symbol and number of the space group by spglib, such as ``P4_2/mnm (136)``.

    Raises:
        ValueError: spglib is not installed, or finds no symmetry.
    """
    spglib, cell = _spglib(), (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    if (result := spglib.get_spacegroup(cell, symprec=PRECISION)) is None:
        raise ValueError("spglib finds no space group for this crystal: two of its atoms may coincide")
    return str(result)


def oriented(atoms: Atoms) -> Atoms:
    """The same crystal rotated so that axes 1, 2, 3 are those of its conventional cell by spglib.

    Strain components then refer to the usual axes, and the operations are as simple as possible.

    Raises:
        ValueError: spglib finds no symmetry.
    """
    result = _spglib().get_symmetry_dataset(
        (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers), symprec=PRECISION
    )
    if result is None:
        raise ValueError("spglib finds no symmetry for this crystal: two of its atoms may coincide")
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ np.asarray(result.std_rotation_matrix).T, scale_atoms=True)
    return turned


def rotations(atoms: Atoms) -> Floats:
    """The crystal's rotations Q = Aᵀ R A⁻ᵀ in Cartesian axes, including mirrors; the identity first. → (k, 3, 3)."""
    result = _spglib().get_symmetry((atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers), symprec=PRECISION)
    if result is None:
        raise ValueError("spglib finds no symmetry for this crystal: two of its atoms may coincide")
    a = atoms.cell.array.T
    turned = np.array([a @ r @ np.linalg.inv(a) for r in result["rotations"]])
    return _distinct(turned)


def on_strains(atoms: Atoms) -> Floats:
    """The distinct operations as matrices on strains ε → Q ε Qᵀ; the identity comes first. → (s, 6, 6)."""
    unit = np.zeros((6, 3, 3))
    for j, (a, b) in enumerate(_PAIRS):
        unit[j, a, b] = unit[j, b, a] = 1
    turned = np.einsum("gab,jbc,gdc->gjad", rotations(atoms), unit, rotations(atoms))
    matrices = np.stack([turned[:, :, a, b] for a, b in _PAIRS], axis=1)  # (g, component, from)
    return _distinct(matrices)


def _distinct(matrices: Floats) -> Floats:
    """Matrices distinct to 1e-6, the identity first, −0 replaced by 0."""
    kept: list[Floats] = [np.eye(matrices.shape[-1])]
    for matrix in matrices:
        if all(np.abs(matrix - other).max() > 1e-6 for other in kept):
            kept.append(matrix)
    result = np.array(kept)
    return np.where(np.abs(result) < 1e-12, 0.0, result)


def images(strain: ArrayLike, operations: Floats) -> Floats:
    """Symmetry images of a strain, the strain itself first. (…, 6), (s, 6, 6) → (…, s, 6)."""
    return np.einsum("gij,...j->...gi", operations, np.asarray(strain, dtype=np.float64))


def leaving(operations: Floats, name: str) -> NDArray[np.bool_]:
    """Which operations leave a property as it is: every one a scalar, but few a stress component. (s, 6, 6) → (s,).

    The stress turns with the crystal, σ(Q ε Qᵀ) = Q σ(ε) Qᵀ, so ``s12`` is left by those that leave e12 of any strain.
    """
    component = f"e{name.removeprefix('s')}"
    if component not in NAMES:
        return np.ones(len(operations), dtype=bool)
    j = NAMES.index(component)
    return np.asarray(np.abs(operations[:, j] - np.eye(6)[j]).max(1) < 1e-6)


def keeps(bounds: Floats, operations: Floats) -> bool:
    """Whether a box (2, 6) about zero is invariant: the operations only permute and reverse components of equal bounds.

    With a threefold axis along z no box is: the images of a corner lie outside it.
    """
    half = bounds[1]
    return bool((np.abs(operations) @ half <= half * (1 + 1e-9)).all())


def _spglib() -> Any:
    try:
        import spglib
    except ImportError:
        raise ValueError(
            "spglib is not installed, which finds a crystal's symmetry: "
            "pip install -r ipage_core/tasks/own_crystal/requirements.txt"
        ) from None
    return spglib
