"""Constraints on cells as text: ``volume<=0.6``, ``group=p4m``, ``isotropic``, ``E_y=0.4``, ``solid=1-32,15-18``."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from ipage_core.tasks.cells.dataset import SIDE
from ipage_core.tasks.cells.space import Aim, Filtered, Row
from ipage_core.tasks.cells.wallpaper import GROUPS, operations

ACCEPTED = (
    "volume=V, volume<=V, volume>=V; E_y=E, E_y<=E, E_y>=E (units of E_s); isotropic (E_x = E_y); "
    f"group=G with G among {', '.join(GROUPS)}; solid=REGION, void=REGION with REGION an image, dark where it holds, "
    f"or A-B,C-D (pixels A to B along x, C to D along y, of 1 to {SIDE})"
)
VOLUME_WEIGHT = 4.0
"""Residual per unit of volume fraction: 0.01 of volume then counts like 0.01 E_s of the modulus."""
MARGIN = 0.01
"""Safety margin of localization below a cap on the volume: the clean-up changes the volume by about this much."""
CLOSE = 0.01
"""Largest distance from a volume fraction or modulus [E_s] asked for with '=': as the tolerance of a hit."""
LARGEST = 4096
"""Longest side of an image, in image pixels."""
INLINE = "pixels:"
"""Prefix of a region or a cell in text form; see :func:`written`."""
_RECTANGLE = re.compile(r"(\d+)-(\d+),(\d+)-(\d+)")
_COMPARISON = re.compile(r"(volume|volume fraction|f|e_y|ey)\s*(<=|>=|=)\s*([0-9.eE+-]+)")


def parse(space: Filtered, z_score: Callable[[float], float], expressions: Sequence[str]) -> Filtered:
    """The parametrization of cells that localization uses under these constraints (all of them hold together).

    Args:
        space: of cells without constraints.
        z_score: a modulus in units of E_s → y.
        expressions: see ``ACCEPTED``.

    Raises:
        ValueError: an expression cannot be parsed, a number or an image is invalid, or two expressions contradict.
    """
    moves, rows, aims = space, list[Row](), list[Aim]()
    kept = {name: torch.zeros(SIDE * SIDE, dtype=torch.bool) for name in ("solid", "void")}
    for said in expressions:
        text = said.strip()
        compared = _COMPARISON.fullmatch(text.lower())
        name, _, value = (part.strip() for part in text.partition("="))
        if compared:
            rows.append(_comparison(said, compared[1], compared[2], compared[3], z_score))
            aims.append(_aim(text, compared[1], compared[2], float(compared[3])))
        elif text.lower() in ("isotropic", "e_x=e_y", "e_y=e_x"):
            rows.append(lambda x: (_surrogate().along_y(x) - _surrogate()(x))[:, 0])
            aims.append(Aim(f"{text}, E_y - E_x within {CLOSE} E_s", lambda x, y: y[:, 2] - y[:, 1], -CLOSE, CLOSE))
        elif name == "group" and value in GROUPS:
            if moves.orbits is not None:
                raise ValueError(f"constraint '{said}': one symmetry group at a time")
            moves = replace(moves, orbits=torch.from_numpy(operations(value, SIDE).min(axis=0)))
        elif name in ("solid", "void") and value:
            kept[name] = kept[name] | region(value)
        else:
            raise ValueError(f"constraint '{said}' is not understood; accepted: {ACCEPTED}")
    solid, void = (_copied(painted, moves.orbits) if painted.any() else None for painted in kept.values())
    if solid is not None and void is not None and (solid & void).any():
        raise ValueError(f"the constraints {', '.join(expressions)} want the same pixels solid and void")
    return replace(moves, solid=solid, void=void, rows=tuple(rows), aims=tuple(aims))


def _copied(painted: Tensor, orbits: Tensor | None) -> Tensor:
    """A mask together with its images under the symmetry. (1024,) → (1024,)."""
    if orbits is None:
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


def _aim(said: str, name: str, sign: str, value: float) -> Aim:
    low = {"<=": -math.inf, ">=": value, "=": value - CLOSE}[sign]
    high = {"<=": value, ">=": math.inf, "=": value + CLOSE}[sign]
    along_y = name in ("e_y", "ey")
    return Aim(said, (lambda x, y: y[:, 2]) if along_y else (lambda x, y: x.mean(1)), low, high)


def _beyond(misfit: Tensor, sign: str) -> Tensor:
    return misfit if sign == "=" else misfit.clamp(min=0) if sign == "<=" else misfit.clamp(max=0)


@lru_cache(maxsize=1)
def _surrogate() -> Any:
    """The task's separate surrogate: E_y is E_x of the transposed cell."""
    from ipage_core.inference.methods import load

    return load("architecture", "prior-lm").surrogate


def region(text: str) -> Tensor:
    """Parse ``1-32,15-18``, the output of :func:`written`, or the path of an image. → (1024,) bool.

    Raises:
        ValueError: none of these, or pixels outside the cell.
    """
    inside = without_file(text)
    return mask(Path(text)) if inside is None else inside


def without_file(text: str) -> Tensor | None:
    """As :func:`region`, but return None for a path."""
    corners = _RECTANGLE.fullmatch(text.replace(" ", ""))
    if corners:
        left, right, low, high = (int(part) for part in corners.groups())
        if not (1 <= left <= right <= SIDE and 1 <= low <= high <= SIDE):
            raise ValueError(f"region '{text}': expected pixels from 1 to {SIDE}, the smaller number first")
        painted = torch.zeros(SIDE, SIDE, dtype=torch.bool)
        painted[low - 1 : high, left - 1 : right] = True
        return painted.flatten()
    if not text.startswith(INLINE):
        return None
    try:
        content = base64.b64decode(text.removeprefix(INLINE) + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if len(content) != SIDE * SIDE // 8:
        raise ValueError(f"'{INLINE}…' is damaged: expected {SIDE * SIDE} pixels as 171 letters, digits, - and _")
    return torch.from_numpy(np.unpackbits(np.frombuffer(content, np.uint8)).astype(bool))


def written(cell: Tensor) -> str:
    """(1024,) bool → a short text for an address, which :func:`region` reads."""
    return INLINE + base64.urlsafe_b64encode(np.packbits(cell.numpy()).tobytes()).decode().rstrip("=")


def write_cell(values: Sequence[float]) -> str:
    """1024 densities → the nearest black-and-white cell, as text from :func:`written`."""
    return written(torch.tensor(values) > 0.5)


def parse_cell(text: str) -> tuple[float, ...]:
    """Text from :func:`write_cell` → 1024 zeros and ones.

    Raises:
        ValueError: any other text.
    """
    if not text.strip().startswith(INLINE):
        raise ValueError("A cell to start from is an image: open the form, choose 'Start from it', upload it.")
    return tuple(without_file(text.strip()).double().tolist())  # type: ignore[union-attr]


def mask(path: Path | IO[bytes], formats: list[str] | None = None, name: str = "") -> Tensor:
    """An image as a mask, True where it is darker than mid-grey; its lowest row is iy = 0. → (1024,) bool.

    Args:
        path: of the file, or the open file.
        formats: Pillow formats to accept; None: all.
        name: name of the image in messages; its path if empty.

    Raises:
        ValueError: not an image, not square, or its side is not a multiple of 32 (the mean of each block counts).
    """
    name = name or str(path)
    try:
        with Image.open(path, formats=formats) as file:
            width, height = file.size  # the size is known before any pixel is decoded
            if width != height or width % SIDE or width > LARGEST:
                raise ValueError(
                    f"{name} has {width} × {height} pixels; a mask is square, its side a multiple of {SIDE} "
                    f"up to {LARGEST}"
                )
            flat = Image.new("RGBA", file.size, "white")  # transparent pixels count as not painted
            flat.alpha_composite(file.convert("RGBA"))
            pixels = np.asarray(flat.convert("L"), dtype=np.float64)
    except FileNotFoundError:
        raise ValueError(f"{name} does not exist") from None
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError):
        raise ValueError(f"{name} is not an image that can be read") from None
    k = len(pixels) // SIDE
    blocks = pixels.reshape(SIDE, k, SIDE, k).mean(axis=(1, 3))[::-1]
    return torch.from_numpy((blocks < 127.5).ravel().copy())
