"""Export pixel cells as PNG, SVG, DXF, STL and 3MF: n × m cells at a size in millimetres.

A cell is ``[iy, ix]``, True = solid, x to the right and y upwards: all formats show the same orientation, with E_x
horizontal. Every function returns the file's bytes.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

import ezdxf
import numpy as np
import pandas as pd
import trimesh
from ezdxf import units
from numpy.typing import ArrayLike
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ipage_core.tasks.cells.layout import Layout, outline, solid_mesh, tiled
from ipage_core.tasks.cells.material import Material, metadata
from ipage_core.tasks.cells.threemf import threemf

SIDE = 32
MOST_TILES = 20
"""Most cells along an axis of a layout."""
DOT = 8
"""Image dots per pixel of the cell, along each axis."""


def png(cell: ArrayLike, layout: Layout, material: Material | None = None) -> bytes:
    """Solid black on white, with the resolution (dpi) for its printed size. Diagonal contacts stay as they are."""
    solid = tiled(cell, layout)[::-1].repeat(DOT, axis=0).repeat(DOT, axis=1)
    per_inch = solid.shape[1] / (layout.tiles[0] * layout.cell_mm) * 25.4
    file, said = io.BytesIO(), PngInfo()
    for name, value in metadata(cell, layout, material or Material()).items():
        said.add_itxt(name, value)
    Image.fromarray(~solid).save(file, format="PNG", dpi=(per_inch, per_inch), optimize=True, pnginfo=said)
    return file.getvalue()


def svg(cell: ArrayLike, layout: Layout, material: Material | None = None) -> bytes:
    """One filled path in user units of a millimetre."""
    rows, columns = tiled(cell, layout).shape
    width = layout.tiles[0] * layout.cell_mm
    height = width * rows / columns
    rings = [ring for part in outline(cell, layout) for ring in (part.exterior, *part.interiors)]
    # SVG's y points down.
    paths = ("M" + "L".join(f"{x:.6g},{height - y:.6g}" for x, y in ring.coords[:-1]) + "Z" for ring in rings)
    text = "\n".join(f"{name}: {value}" for name, value in metadata(cell, layout, material or Material()).items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}mm" height="{height:g}mm" '
        f'viewBox="0 0 {width:g} {height:g}"><desc>{escape(text)}</desc>'
        f'<path fill-rule="evenodd" d="{"".join(paths)}"/></svg>\n'
    ).encode()


def dxf(cell: ArrayLike, layout: Layout, material: Material | None = None) -> bytes:
    """Closed polylines in millimetres: contours on the layer ``outline``, holes on ``holes``."""
    document = ezdxf.new("R2010", units=units.MM)
    for name, value in metadata(cell, layout, material or Material()).items():
        document.header.custom_vars.append(name, value)
    document.layers.add("outline", color=7)
    document.layers.add("holes", color=1)
    space = document.modelspace()
    for part in outline(cell, layout):
        space.add_lwpolyline(part.exterior.coords[:-1], close=True, dxfattribs={"layer": "outline"})
        for ring in part.interiors:
            space.add_lwpolyline(ring.coords[:-1], close=True, dxfattribs={"layer": "holes"})
    file = io.StringIO()
    document.write(file)
    return file.getvalue().encode(document.output_encoding)


def stl(cell: ArrayLike, layout: Layout, material: Material | None = None) -> bytes:
    """Binary STL in millimetres; the format has no unit, so its 80-byte header names the unit and E_s."""
    content = trimesh.exchange.stl.export_stl(solid_mesh(cell, layout))
    said = f"iPage Explorer, unit mm, {(material or Material()).label}".encode("ascii", "replace")[:80]
    return said.ljust(80) + bytes(content)[80:]


FORMATS: dict[str, Callable[..., bytes]] = {
    "png": png,
    "svg": svg,
    "dxf": dxf,
    "stl": stl,
    "3mf": threemf,
}
"""(cell, layout, material or None) → bytes."""


def files(
    frame: pd.DataFrame, form: str, layout: Layout | None = None, material: Material | None = None
) -> dict[str, bytes]:
    """Rows of a ``solutions.csv`` → content by file name; the ids are the CSV's ``sample``.

    Raises:
        ValueError: a row is not a cell of zeros and ones.
    """
    names, results = [name for name in map(str, frame.columns) if re.fullmatch(r"x[0-9]+", name)], {}
    side = math.isqrt(len(names))  # 32, or the side at another resolution
    if side * side != len(names) or set(names) != {f"x{j + 1}" for j in range(side * side)}:
        raise ValueError(f"expected the pixels x1..x{SIDE * SIDE} of square cells, got {len(names)} columns")
    names.sort(key=lambda name: int(name[1:]))
    pixels = frame[names].apply(pd.to_numeric, errors="coerce")  # what is no number is no pixel of 0 or 1 either
    for sample, row in zip(frame["sample"], pixels.to_numpy(dtype=np.float64), strict=True):
        try:
            results[f"cell-{sample}.{form}"] = FORMATS[form](row.reshape(side, side), layout or Layout(), material)
        except ValueError as error:
            raise ValueError(f"sample {sample}: {error}") from None
    return results


def settings(options: Any) -> dict[str, Any]:
    """Layout and material from the options of the command ``export``; what is not given keeps its default.

    Raises:
        ValueError: the number of cells cannot be parsed, or a size is not positive.
    """
    given: dict[str, Any] = {
        name: getattr(options, name) for name in ("cell_mm", "thickness_mm") if getattr(options, name) is not None
    }
    if options.tiles is not None:
        match = re.fullmatch(r"([0-9]{1,3})[x×*]([0-9]{1,3})", options.tiles.strip())
        if match is None or not all(1 <= int(part) <= MOST_TILES for part in match.groups()):
            raise ValueError(
                f"--tiles '{options.tiles}' is not accepted: cells along x and y, such as 3x3, 1 to {MOST_TILES}"
            )
        given["tiles"] = int(match[1]), int(match[2])
    return {"layout": Layout(**given), "material": Material(options.material or "solid", options.young_gpa)}
