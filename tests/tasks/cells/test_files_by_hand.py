"""Files of cells whose corners, sizes and words are written out."""

import io
import re

import ezdxf
import numpy as np
import pytest
import trimesh
from PIL import Image

from ipage_core.tasks.cells.export import Layout, dxf, png, stl, svg
from ipage_core.tasks.cells.homogenization import homogenize, moduli
from ipage_core.tasks.cells.material import Material, metadata

FRAME = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]])
"""A square with a square hole: of 6 mm, its corners lie at 0 and 6, those of the hole at 2 and 4."""
OUTER = [(0, 0), (0, 6), (6, 0), (6, 6)]
INNER = [(2, 2), (2, 4), (4, 2), (4, 4)]


def test_a_drawing_has_every_corner_once() -> None:
    document = ezdxf.read(io.StringIO(dxf(FRAME, Layout((1, 1), 6.0)).decode()))
    lines = {line.dxf.layer: sorted(line.get_points("xy")) for line in document.modelspace().query("LWPOLYLINE")}
    assert lines == {"outline": OUTER, "holes": INNER}


def test_a_path_has_every_corner_once_with_y_downwards() -> None:
    letter = np.array([[1, 1, 1], [1, 0, 0], [1, 0, 0]])  # an L: the first row lies at the bottom
    for cell, layout, height, rings in (
        (FRAME, Layout((1, 1), 6.0), 6, [OUTER, INNER]),
        (letter, Layout((1, 1), 3.0), 3, [[(0, 0), (0, 3), (1, 0), (1, 2), (3, 2), (3, 3)]]),
    ):
        text = svg(cell, layout).decode()
        assert f'height="{height}mm"' in text
        drawn = [
            sorted(tuple(map(float, point.split(","))) for point in ring.split("L"))
            for ring in re.findall(r"M([^Z]+)Z", text)
        ]
        assert drawn == rings


def test_a_pixel_is_8_dots_wide() -> None:
    image = Image.open(io.BytesIO(png(FRAME, Layout((2, 1), 25.4))))
    assert image.size == (48, 24)
    assert image.info["dpi"] == pytest.approx((24, 24), rel=1e-3)
    dots = np.asarray(image)
    assert (dots[8:16, [8, 15, 32, 39]] != 0).all()  # the holes are white
    assert (dots[:, [7, 16, 31, 40]] == 0).all()


@pytest.mark.parametrize(
    ("name", "header"), [("PLA", "iPage Explorer, unit mm, PLA, E_s = 3.5 GPa, nu_s = 0.3"), ("m" * 99, "m")]
)
def test_the_header_of_a_solid_has_80_bytes(name: str, header: str) -> None:
    content = stl(FRAME, Layout((1, 1), 6.0, 2.0), Material(name, 3.5))
    whole = f"iPage Explorer, unit mm, {Material(name, 3.5).label}"
    assert header in whole
    assert content[:80].decode() == whole[:80].ljust(80)
    triangles = int.from_bytes(content[80:84], "little")
    assert len(content) == 84 + 50 * triangles
    mesh = trimesh.load(io.BytesIO(content), file_type="stl")
    assert mesh.volume == pytest.approx(2 * (36 - 4))
    assert mesh.bounds.tolist() == [[0, 0, 0], [6, 6, 2]]


def test_what_is_said_of_a_cross() -> None:
    """Its arms are 2 of 8 pixels wide: in a cell of 4 mm, 1 mm, with gaps of 3 mm. Rubber has 0.01 GPa."""
    cross = np.zeros((8, 8))
    cross[3:5] = cross[:, 3:5] = 1
    e_x, e_y, nu_xy, g_xy = map(float, moduli(homogenize(cross)))
    said = metadata(cross, Layout((3, 2), 4.0), Material("rubber", 0.01))
    assert said["unit"] == "millimeter"
    assert said["cell"] == "4 mm"
    assert said["thinnest wall"] == "1 mm (2 pixels)"
    assert said["narrowest gap"] == "3 mm (6 pixels)"
    assert said["parts"] == "1"
    assert said["material"] == "rubber, E_s = 0.01 GPa, nu_s = 0.3"
    assert said["volume"] == "0.4375"
    assert [said["E_x"], said["E_y"], said["G_xy"]] == [f"{0.01 * value:.6g} GPa" for value in (e_x, e_y, g_xy)]
    assert said["nu_xy"] == f"{nu_xy:.6g}"
    relative = metadata(cross, Layout((3, 2), 4.0), Material())
    assert relative["E_x"] == f"{e_x:.6g} E_s"
    assert relative["material"] == "solid, E_s = 1 (moduli are relative to it), nu_s = 0.3"


@pytest.mark.parametrize("young", [1e-6, 0.5, 1.0, 1e3])
def test_soft_and_stiff_materials_are_accepted(young: float) -> None:
    assert Material("x", young).young_gpa == young
