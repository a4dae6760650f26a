"""Constraints on cells as text: ``volume<=0.6``, ``group=p4m``, ``isotropic``, ``E_y=0.4``, ``solid=mask.png``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from ipage_core.physics.cells import SIDE
from ipage_core.physics.wallpaper import GROUPS, operations
from ipage_core.pixels import Filtered, Row

ACCEPTED = (
    "volume=V, volume<=V, volume>=V; E_y=E, E_y<=E, E_y>=E (units of E_s); isotropic (E_x = E_y); "
    f"group=G with G among {', '.join(GROUPS)}; solid=IMAGE, void=IMAGE (dark where it holds)"
)
VOLUME_WEIGHT = 4.0
"""Residual per unit of volume fraction: 0.01 of it then counts like 0.01 E_s of the modulus."""
MARGIN = 0.01
"""How far inside a cap on the volume localization stays: the clean-up moves it by about as much."""
_COMPARISON = re.compile(r"(volume|volume fraction|f|e_y|ey)\s*(<=|>=|=)\s*([0-9.eE+-]+)")


def parse(bounds: Tensor, z_score: Callable[[float], float], expressions: Sequence[str]) -> Filtered:
    """What localization moves on cells under these constraints (all of them hold together).

    Args:
        bounds: (2, 1024).
        z_score: a modulus in units of E_s → y.
        expressions: see ``ACCEPTED``.

    Raises:
        ValueError: an expression is not understood, a number or an image cannot be, or two of them contradict.
    """
    moves, rows = Filtered(bounds), list[Row]()
    for said in expressions:
        text = said.strip()
        compared = _COMPARISON.fullmatch(text.lower())
        name, _, value = (part.strip() for part in text.partition("="))
        if compared:
            rows.append(_comparison(said, compared[1], compared[2], compared[3], z_score))
        elif text.lower() in ("isotropic", "e_x=e_y", "e_y=e_x"):
            rows.append(lambda x: (_surrogate().along_y(x) - _surrogate()(x))[:, 0])
        elif name == "group" and value in GROUPS:
            if moves.orbits is not None:
                raise ValueError(f"constraint '{said}': one symmetry group at a time")
            moves = replace(moves, orbits=torch.from_numpy(operations(value, SIDE).min(axis=0)))
        elif name in ("solid", "void") and value:
            painted = mask(Path(value))
            moves = replace(moves, solid=painted) if name == "solid" else replace(moves, void=painted)
        else:
            raise ValueError(f"constraint '{said}' is not understood; accepted: {ACCEPTED}")
    moves = replace(moves, solid=_copied(moves.solid, moves.orbits), void=_copied(moves.void, moves.orbits))
    if moves.solid is not None and moves.void is not None and (moves.solid & moves.void).any():
        raise ValueError(f"the constraints {', '.join(expressions)} want the same pixels solid and void")
    return replace(moves, rows=tuple(rows))


def _copied(painted: Tensor | None, orbits: Tensor | None) -> Tensor | None:
    """A mask with what symmetry makes of it. (1024,) → (1024,)."""
    if painted is None or orbits is None:
        return painted
    return torch.zeros(len(painted)).index_add(0, orbits, painted.float())[orbits] > 0


def _comparison(said: str, name: str, sign: str, number: str, z_score: Callable[[float], float]) -> Row:
    try:
        value = float(number)
    except ValueError:
        raise ValueError(f"constraint '{said}': '{number}' is not a number") from None
    if not 0 < value <= 1:
        raise ValueError(f"constraint '{said}': expected a number in (0, 1], got {number}")
    if name in ("e_y", "ey"):
        return lambda x: _beyond(_surrogate().along_y(x)[:, 0] - z_score(value), sign)
    aim = value + {"<=": -MARGIN, ">=": MARGIN, "=": 0.0}[sign]
    return lambda x: VOLUME_WEIGHT * _beyond(x.mean(1) - aim, sign)


def _beyond(misfit: Tensor, sign: str) -> Tensor:
    return misfit if sign == "=" else misfit.clamp(min=0) if sign == "<=" else misfit.clamp(max=0)


@lru_cache(maxsize=1)
def _surrogate() -> Any:
    """The task's separate surrogate: E_y is E_x of the transposed cell."""
    from ipage_core.methods import load

    return load("architecture", "prior-lm").surrogate


def mask(path: Path) -> Tensor:
    """An image as a mask, True where it is darker than mid-grey; its lowest row is iy = 0. → (1024,) bool.

    Raises:
        ValueError: no image, not square, or its side is not a multiple of 32 (each block then counts by its mean).
    """
    try:
        with Image.open(path) as file:
            flat = Image.new("RGBA", file.size, "white")  # what is transparent is not painted
            flat.alpha_composite(file.convert("RGBA"))
            pixels = np.asarray(flat.convert("L"), dtype=np.float64)
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist") from None
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        raise ValueError(f"{path} is not an image that can be read") from None
    if pixels.shape[0] != pixels.shape[1] or pixels.shape[0] % SIDE:
        height, width = pixels.shape
        raise ValueError(f"{path} has {width} × {height} pixels; a mask is square, its side a multiple of {SIDE}")
    k = len(pixels) // SIDE
    blocks = pixels.reshape(SIDE, k, SIDE, k).mean(axis=(1, 3))[::-1]
    return torch.from_numpy((blocks < 127.5).ravel().copy())
