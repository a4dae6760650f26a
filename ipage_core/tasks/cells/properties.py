"""The elastic properties of a periodic cell as functions of its stiffness C, each with its exact derivative.

Convention as in the homogenization: strains (ε_xx, ε_yy, γ_xy), σ = C ε, compliance S = C⁻¹, moduli in units of the
solid's E_s. A property is a function of C alone; only the volume fraction is a function of the pixels.

Most properties are one of three forms in S, with a stress direction q:

    modulus     1 / qᵀSq                  Young's modulus, shear modulus, plane bulk modulus, E(θ)
    ratio       −pᵀSq / qᵀSq              Poisson's ratio
    coupling    pᵀSq / √(pᵀSp qᵀSq)       normal–shear coupling, in (−1, 1), zero if the axes are principal

With D = ∂f/∂S (symmetric) their derivative is ∂f/∂C = −S D S. Source of the forms: Lekhnitskii 1963, Theory of
Elasticity of an Anisotropic Body, sections 9 and 10.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ipage_core.tasks.cells.homogenization import POISSON

Array = NDArray[np.float64]
Formula = Callable[[Array], tuple[Array, Array]]
"""C (*, 3, 3) → value (*,), ∂value/∂C (*, 3, 3)."""


@dataclass(frozen=True, eq=False)
class CellProperty:
    """One property of a cell."""

    name: str
    label: str
    """Its symbol."""
    unit: str
    """``E_s`` or empty."""
    formula: Formula | None
    """None for the volume fraction."""
    tolerance: float
    """Default tolerance of a goal; for moduli see :func:`default_tolerance`."""


def _form(s: Array, p: Array, q: Array) -> Array:
    return np.einsum("...ij,i,j->...", s, p, q)


def _outer(p: Array, q: Array) -> Array:
    return np.asarray(np.outer(p, q) + np.outer(q, p), dtype=np.float64) / 2


def _scaled(factor: Array, matrix: Array) -> Array:
    return np.asarray(factor, dtype=np.float64)[..., None, None] * matrix


def _through_compliance(of_s: Formula) -> Formula:
    def of_c(c: Array) -> tuple[Array, Array]:
        s = np.asarray(np.linalg.inv(c), dtype=np.float64)
        value, d = of_s(s)
        return value, -s @ d @ s

    return of_c


def _modulus(q: Sequence[float]) -> Formula:
    stress = np.array(q, dtype=np.float64)

    def of_s(s: Array) -> tuple[Array, Array]:
        value = 1 / _form(s, stress, stress)
        return value, _scaled(-(value**2), _outer(stress, stress))

    return _through_compliance(of_s)


def _ratio(p: Sequence[float], q: Sequence[float]) -> Formula:
    across, along = np.array(p, dtype=np.float64), np.array(q, dtype=np.float64)

    def of_s(s: Array) -> tuple[Array, Array]:
        soft = _form(s, along, along)
        value = -_form(s, across, along) / soft
        return value, -_scaled(1 / soft, _outer(across, along)) - _scaled(value / soft, _outer(along, along))

    return _through_compliance(of_s)


def _coupling(p: Sequence[float], q: Sequence[float]) -> Formula:
    normal, shear = np.array(p, dtype=np.float64), np.array(q, dtype=np.float64)

    def of_s(s: Array) -> tuple[Array, Array]:
        a, b = _form(s, normal, normal), _form(s, shear, shear)
        value = _form(s, normal, shear) / np.sqrt(a * b)
        d = _scaled(1 / np.sqrt(a * b), _outer(normal, shear))
        d -= _scaled(value / (2 * a), _outer(normal, normal)) + _scaled(value / (2 * b), _outer(shear, shear))
        return value, d

    return _through_compliance(of_s)


_MANDEL = np.outer((1, 1, math.sqrt(2)), (1, 1, math.sqrt(2))) ** 2
"""Weights of the squared entries of C in the rotation-invariant norm."""


def isotropic_part(c: ArrayLike) -> Array:
    """The isotropic stiffness nearest to C in the rotation-invariant norm. C (*, 3, 3) → (*, 3, 3)."""
    c = np.asarray(c, dtype=np.float64)
    bulk = (c[..., 0, 0] + c[..., 1, 1] + 2 * c[..., 0, 1]) / 4
    shear = (c[..., 0, 0] + c[..., 1, 1] - 2 * c[..., 0, 1] + 4 * c[..., 2, 2]) / 8
    return _scaled(bulk, np.array([(1, 1, 0), (1, 1, 0), (0, 0, 0)])) + _scaled(
        shear, np.array([(1, -1, 0), (-1, 1, 0), (0, 0, 1)])
    )


def _anisotropy(c: Array) -> tuple[Array, Array]:
    """‖C − isotropic part‖ / ‖C‖: 0 for an isotropic C, where the derivative is set to 0."""
    rest = c - isotropic_part(c)
    size = np.sqrt((_MANDEL * c**2).sum((-2, -1)))
    off = np.sqrt((_MANDEL * rest**2).sum((-2, -1)))
    value = off / size
    tiny = np.finfo(np.float64).tiny
    # The isotropic part is an orthogonal projection, so d‖rest‖²/2 = ⟨rest, dC⟩.
    return value, _MANDEL * (_scaled(1 / np.maximum(off * size, tiny), rest) - _scaled(value / size**2, c))


SOLID = np.array([(1, POISSON, 0), (POISSON, 1, 0), (0, 0, (1 - POISSON) / 2)]) / (1 - POISSON**2)
"""C of the solid in plane stress, E_s = 1."""

_X, _Y, _XY = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)

TABLE: dict[str, CellProperty] = {
    p.name: p
    for p in (
        CellProperty("E_x", "E_x", "E_s", _modulus(_X), 0.01),
        CellProperty("E_y", "E_y", "E_s", _modulus(_Y), 0.01),
        CellProperty("nu_xy", "ν_xy", "", _ratio(_Y, _X), 0.01),
        CellProperty("nu_yx", "ν_yx", "", _ratio(_X, _Y), 0.01),
        CellProperty("G_xy", "G_xy", "E_s", _modulus(_XY), 0.004),
        CellProperty("K", "K", "E_s", _modulus((1.0, 1.0, 0.0)), 0.01),
        CellProperty("volume", "volume fraction", "", None, 0.01),
        CellProperty("anisotropy", "anisotropy", "", _anisotropy, 0.02),
        CellProperty("eta_x", "η_x (coupling of σ_xx and γ_xy)", "", _coupling(_X, _XY), 0.02),
        CellProperty("eta_y", "η_y (coupling of σ_yy and γ_xy)", "", _coupling(_Y, _XY), 0.02),
    )
}
"""Every property by name; :func:`cell_property` creates E(θ) from a name such as ``E(30)``."""

RELATIVE = 0.05
"""Relative tolerance of a modulus; it applies to soft cells, where it is less than the absolute tolerance."""
_SPELLINGS = {
    spelling.lower(): name
    for name, prop in TABLE.items()
    for spelling in (name, prop.label, prop.label.split(" (")[0], name.replace("_", ""))
} | {"f": "volume"}
"""Other spellings of the names, such as ν_xy for nu_xy; upper and lower case are alike."""
_ALONG = re.compile(r"[Ee]\(\s*([^\s°)]+)\s*(?:°|deg)?\s*\)")


@lru_cache(maxsize=64)
def cell_property(name: str) -> CellProperty:
    """A property by a name of :data:`TABLE` or by its symbol; ``E(θ)`` is Young's modulus θ degrees from x to y.

    Python, command line, links and the form all take these names.

    Raises:
        ValueError: unknown name.

    >>> cell_property("ν_xy").name, cell_property("E(45°)").name
    ('nu_xy', 'E(45)')
    """
    if (known := _SPELLINGS.get(name.strip().lower())) is not None:
        return TABLE[known]
    match = _ALONG.fullmatch(name.strip())
    try:
        degrees = float(match[1]) if match else math.nan
    except ValueError:
        degrees = math.nan
    if not abs(degrees) <= 360:
        raise ValueError(
            f"property '{name}' is not known; accepted: {', '.join(TABLE)}, E(θ) with θ in degrees, −360 to 360"
        )
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return CellProperty(f"E({degrees:g})", f"E({degrees:g}°)", "E_s", _modulus((c * c, s * s, c * s)), 0.01)


def same_as(name: str) -> str:
    """One name for the names of one property: E(θ) is E(θ + 180), E(0) is E_x, E(90) is E_y.

    >>> same_as("E(0)"), same_as("E(-90)"), same_as("E(225)"), same_as("volume")
    ('E_x', 'E_y', 'E(45)', 'volume')
    """
    match = _ALONG.fullmatch(name)
    if match is None:
        return name
    degrees = float(match[1]) % 180
    return {0.0: "E_x", 90.0: "E_y"}.get(degrees, f"E({degrees:g})")


def default_tolerance(name: str, value: float) -> float:
    """The default tolerance of a goal. It is relative for a modulus near 0; otherwise any soft cell would pass."""
    prop = cell_property(name)
    return min(prop.tolerance, RELATIVE * value) if prop.unit == "E_s" and value > 0 else prop.tolerance


def limits(name: str) -> tuple[float, float]:
    """Lowest and highest value of a property of any cell: C is positive, and no stiffer than the solid (Voigt).

    >>> limits("E_x")
    (0.0, 1.0)
    """
    prop = cell_property(name)
    if prop.unit == "E_s" and prop.formula is not None:
        return 0.0, round(float(prop.formula(SOLID)[0]), 12)
    return {"volume": (0.0, 1.0), "anisotropy": (0.0, 1.0), "eta_x": (-1.0, 1.0), "eta_y": (-1.0, 1.0)}.get(
        prop.name, (-math.inf, math.inf)
    )


def values(names: Sequence[str], stiffness: ArrayLike, volume: ArrayLike) -> Array:
    """The named properties. C (*, 3, 3), volume fractions (*,) → (*, k)."""
    c = np.asarray(stiffness, dtype=np.float64)
    formulas = [cell_property(name).formula for name in names]
    columns = [np.broadcast_to(volume, c.shape[:-2]) if f is None else f(c)[0] for f in formulas]
    return np.stack(columns, axis=-1)


def values_and_gradients(
    names: Sequence[str], stiffness: Array, stiffness_gradient: Array, volume: float
) -> tuple[Array, Array]:
    """The named properties of one cell and their gradients with respect to its pixels.

    Args:
        names: k names.
        stiffness: C (3, 3).
        stiffness_gradient: ∂C/∂ρ (3, 3, ny, nx).
        volume: volume fraction.

    Returns:
        (k,) values, (k, ny, nx) gradients.
    """
    shape = stiffness_gradient.shape[2:]
    value, slopes = np.empty(len(names)), np.zeros((len(names), 9))
    for j, name in enumerate(names):
        formula = cell_property(name).formula
        if formula is None:
            value[j] = volume
        else:
            value[j], slope = formula(stiffness)
            slopes[j] = slope.ravel()
    gradients = (slopes @ stiffness_gradient.reshape(9, -1)).reshape(len(names), *shape)
    for j, name in enumerate(names):
        if cell_property(name).formula is None:
            gradients[j] = 1 / math.prod(shape)
    return value, gradients
