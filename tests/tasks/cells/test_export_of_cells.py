"""The four files of a cell: one picture, the right size in millimetres, and a mesh without holes."""

import io
import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from types import SimpleNamespace

import ezdxf
import numpy as np
import pandas as pd
import pytest
import trimesh
from PIL import Image
from shapely.geometry import Polygon

from ipage_core.tasks.cells.dataset import cell
from ipage_core.tasks.cells.export import (
    DOT,
    FORMATS,
    Layout,
    dxf,
    files,
    outline,
    png,
    settings,
    solid_mesh,
    stl,
    svg,
    tiled,
)
from ipage_core.tasks.cells.layout import origin, pieces
from ipage_core.tasks.cells.material import Material, metadata


@pytest.fixture(scope="module")
def lopsided() -> np.ndarray:
    """No symmetry at all, a hole, an island and diagonal contacts, one of them across the seam of two tiles."""
    rows = "###..... #.#..... ###..... ...#.... ....#... ....###. .....#.# #......#"
    return np.array([[c == "#" for c in row] for row in rows.split()])


def rasterize(polygons: list[Polygon], pitch: float, shape: tuple[int, int]) -> np.ndarray:
    """Which pixel centres lie inside, by even-odd crossings of a horizontal ray."""
    inside = np.zeros(shape, dtype=int)
    y, x = (np.indices(shape) + 0.5) * pitch
    for polygon in polygons:
        for ring in (polygon.exterior, *polygon.interiors):
            points = np.array(ring.coords)
            for (x0, y0), (x1, y1) in pairwise(points):
                if y0 != y1:
                    crosses = (y0 > y) != (y1 > y)
                    inside += crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return inside % 2 == 1


@pytest.mark.parametrize("index", range(20))
def test_meshes_of_generated_cells_are_watertight(index: int) -> None:
    layout = Layout(tiles=(3, 3), cell_mm=12.0, thickness_mm=4.0)
    made = cell(1, index)
    mesh = trimesh.load(io.BytesIO(stl(made.pixels, layout)), file_type="stl")
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    np.testing.assert_allclose(mesh.volume, made.volume_fraction * 36**2 * 4, rtol=1e-5)
    assert (mesh.extents <= (36.0001, 36.0001, 4.0001)).all()


@pytest.mark.parametrize("contacts", ["join", "separate"])
@pytest.mark.parametrize("fraction", [0.35, 0.55, 0.75])
def test_meshes_of_noise_are_watertight(fraction: float, contacts: str) -> None:
    noise = np.random.default_rng(int(100 * fraction)).random((32, 32)) < fraction
    layout = Layout(tiles=(1, 2), contacts=contacts)  # type: ignore[arg-type]
    mesh = solid_mesh(noise, layout)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    area = sum(part.area for part in outline(noise, layout))
    np.testing.assert_allclose(mesh.volume, area * layout.thickness_mm, rtol=1e-9)


@pytest.mark.parametrize("contacts", ["join", "separate"])
def test_contacts_are_joined_or_separated(contacts: str) -> None:
    diagonal = np.eye(2, dtype=bool)
    layout = Layout(tiles=(2, 1), cell_mm=2.0, contacts=contacts, contact_size=0.1)  # type: ignore[arg-type]
    parts = outline(diagonal, layout)
    # Pixels (0,0), (1,1), (0,2), (1,3) in a row of contacts: three corners, half of each square is new.
    assert len(parts) == (1 if contacts == "join" else 4)
    gained = sum(part.area for part in parts) - 4
    np.testing.assert_allclose(gained, 3 * 0.02 if contacts == "join" else -3 * 0.02, rtol=1e-9)
    assert all(part.is_valid for part in parts)


def test_all_formats_show_the_same_picture(lopsided: np.ndarray) -> None:
    layout = Layout(tiles=(2, 3), cell_mm=16.0, contact_size=0.05)
    expected = tiled(lopsided, layout)
    assert expected.shape == (24, 16)

    image = np.array(Image.open(io.BytesIO(png(lopsided, layout))).convert("L"))
    assert (image[::-1][DOT // 2 :: DOT, DOT // 2 :: DOT] == np.where(expected, 0, 255)).all()

    assert (rasterize(outline(lopsided, layout), 2.0, expected.shape) == expected).all()

    text = svg(lopsided, layout).decode()
    assert 'width="32mm" height="48mm" viewBox="0 0 32 48"' in text
    rings = re.findall(r"M([^Z]+)Z", text)
    drawn = [Polygon([tuple(map(float, point.split(","))) for point in ring.split("L")]) for ring in rings]
    assert (rasterize(drawn, 2.0, expected.shape)[::-1] == expected).all()

    document = ezdxf.read(io.StringIO(dxf(lopsided, layout).decode()))
    assert document.units == ezdxf.units.MM
    lines = list(document.modelspace().query("LWPOLYLINE"))
    assert all(line.closed for line in lines)
    assert (rasterize([Polygon(line.get_points("xy")) for line in lines], 2.0, expected.shape) == expected).all()
    assert {line.dxf.layer for line in lines} == {"outline", "holes"}

    mesh = solid_mesh(lopsided, layout)
    up = mesh.triangles[mesh.face_normals[:, 2] > 0.5][:, :, :2]
    assert (rasterize([Polygon(triangle) for triangle in up], 2.0, expected.shape) == expected).all()
    np.testing.assert_allclose(mesh.bounds[:, 2], [0, 5])


def test_png_prints_at_its_size(lopsided: np.ndarray) -> None:
    image = Image.open(io.BytesIO(png(lopsided, Layout(tiles=(2, 1), cell_mm=25.4))))
    assert image.size == (2 * 8 * DOT, 8 * DOT)
    assert image.info["dpi"][0] == pytest.approx(8 * DOT, rel=1e-3)


def test_a_full_cell_is_a_box() -> None:
    layout = Layout(tiles=(3, 2), cell_mm=5.0, thickness_mm=1.5)
    (part,) = outline(np.ones((32, 32)), layout)
    assert len(part.exterior.coords) == 5
    np.testing.assert_allclose(solid_mesh(np.ones((32, 32)), layout).bounds, [(0, 0, 0), (15, 10, 1.5)])


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("bad", [np.zeros((4, 4)), np.full((4, 4), 0.5), np.ones(4)])
def test_what_is_not_a_cell_is_refused(name: str, bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="Expected"):
        FORMATS[name](bad, Layout())


@pytest.mark.parametrize(
    "bad",
    [
        {"tiles": (0, 1)},
        {"cell_mm": 0.0},
        {"cell_mm": float("nan")},
        {"cell_mm": 1e-300},
        {"cell_mm": 1e300},
        {"thickness_mm": 1e-9},
        {"thickness_mm": -1.0},
        {"contacts": "weld"},
        {"contact_size": 0.5},
    ],
)
def test_impossible_layouts_are_refused(bad: dict) -> None:
    with pytest.raises(ValueError, match="Expected"):
        Layout(**bad)


def test_every_file_names_its_unit_and_material() -> None:
    pixels, layout, material = cell(1, 0).pixels, Layout(tiles=(1, 1)), Material("PA12 & more", 1.7)
    picture = Image.open(io.BytesIO(png(pixels, layout, material)))
    assert picture.text["material"].startswith("PA12 & more, E_s = 1.7 GPa")
    assert picture.text["thinnest wall"].endswith("pixels)")
    told = ElementTree.fromstring(svg(pixels, layout, material))[0].text
    assert "unit: millimeter" in told
    assert "PA12 & more, E_s = 1.7 GPa" in told
    document = ezdxf.read(io.StringIO(dxf(pixels, layout, material).decode()))
    assert document.header.custom_vars.get("material").startswith("PA12 & more, E_s = 1.7 GPa")
    assert document.header.custom_vars.get("E_x").endswith(" GPa")
    solid = stl(pixels, layout, material)
    assert b"unit mm, PA12 & more, E_s = 1.7 GPa" in solid[:80]
    assert not solid.startswith(b"solid")
    assert trimesh.load(io.BytesIO(solid), file_type="stl").is_watertight


def test_a_sheet_is_cut_where_nothing_falls_off() -> None:
    """The end of a bar lies beyond the seam: cut there, it is a loose piece in every cell of the lowest row."""
    around = np.zeros((32, 32), dtype=bool)
    around[10:14] = around[:, 10:14] = True
    around[13:, 20:22] = around[:2, 20:22] = True
    row, column = origin(around)
    assert (row, column) != (0, 0)
    whole = tiled(around, Layout((3, 2)))
    assert pieces(np.tile(around, (2, 3))) == 4
    assert pieces(whole) == 1
    assert (np.roll(whole, (row, column), axis=(0, 1)) == np.tile(around, (2, 3))).all()
    rolled = np.roll(around, (-row, -column), axis=(0, 1))
    assert origin(rolled) == (0, 0)
    text = metadata(around, Layout((3, 2)), Material())
    assert (text["parts"], text["first pixel"]) == ("1", f"x {column + 1}, y {row + 1}")
    mesh = trimesh.load(io.BytesIO(stl(around, Layout((3, 2)))), file_type="stl")
    assert mesh.body_count == 1


def options(**given):
    return SimpleNamespace(
        **{"cell_mm": None, "thickness_mm": None, "tiles": None, "material": None, "young_gpa": None} | given
    )


def test_options_of_an_export_that_are_not_given_keep_their_defaults() -> None:
    assert settings(options()) == {"layout": Layout((3, 3), 10.0, 5.0), "material": Material("solid", None)}
    made = settings(options(tiles=" 1×20 ", cell_mm=4.0, thickness_mm=2.0, material="PLA", young_gpa=3.5))
    assert made == {"layout": Layout((1, 20), 4.0, 2.0), "material": Material("PLA", 3.5)}
    assert settings(options(tiles="20*1"))["layout"].tiles == (20, 1)
    for wrong in ("0x1", "1x0", "21x1", "1x21", "3", "3x", "x3", "3x3x3", "-1x2", "1.5x2", ""):
        with pytest.raises(ValueError, match="cells along x and y, such as 3x3, 1 to 20"):
            settings(options(tiles=wrong))


def test_rows_of_a_table_are_files_of_cells() -> None:
    pixels = np.array([[1, 1], [1, 0]])
    frame = pd.DataFrame([{"sample": 7, **{f"x{j + 1}": v for j, v in enumerate(pixels.ravel())}}])
    ((name, content),) = files(frame[["x4", "sample", "x2", "x1", "x3"]], "png", Layout((1, 1))).items()
    assert name == "cell-7.png"
    image = np.asarray(Image.open(io.BytesIO(content)))
    assert image.shape == (2 * DOT, 2 * DOT)
    assert (image[::-DOT, ::DOT] == 0).tolist() == [[True, True], [True, False]]
    for wrong in (frame.drop(columns="x4"), frame.rename(columns={"x4": "x5"})):
        with pytest.raises(ValueError, match="expected the pixels"):
            files(wrong, "png")
    with pytest.raises(ValueError, match="sample 7: Expected a two-dimensional cell of 0 and 1"):
        files(frame.assign(x1=2), "png")
    with pytest.raises(ValueError, match="sample 7"):
        files(frame.assign(x1="a"), "png")


def test_a_drawing_has_two_layers_of_different_colours(lopsided: np.ndarray) -> None:
    document = ezdxf.read(io.StringIO(dxf(lopsided, Layout((1, 1))).decode()))
    assert document.units == ezdxf.units.MM
    colours = {layer.dxf.name: layer.color for layer in document.layers if layer.dxf.name in ("outline", "holes")}
    assert colours == {"outline": 7, "holes": 1}  # AutoCAD's colour index: black or white, and red
    assert all(line.closed for line in document.modelspace().query("LWPOLYLINE"))
