"""3MF files, read back by another program: trimesh's reader shares no code with the writer."""

import io
import xml.etree.ElementTree as ET
import zipfile

import numpy as np
import pytest
import trimesh

from ipage_core.tasks.cells.dataset import cell
from ipage_core.tasks.cells.export import Layout
from ipage_core.tasks.cells.threemf import NAMESPACE, Material, threemf
from tests.support.elasticity import young_x


@pytest.mark.parametrize("index", range(6))
def test_read_back_by_another_program(index: int) -> None:
    made, layout = cell(1, index), Layout(tiles=(2, 3), cell_mm=12.0, thickness_mm=4.0)
    scene = trimesh.load_scene(io.BytesIO(threemf(made.pixels, layout)), file_type="3mf")
    assert scene.units == "millimeter"
    mesh = scene.to_mesh()
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    np.testing.assert_allclose(mesh.volume, made.volume_fraction * 24 * 36 * 4, rtol=1e-5)
    assert (mesh.extents <= (24.0001, 36.0001, 4.0001)).all()


def test_material_and_properties_are_in_the_file() -> None:
    pixels = cell(1, 0).pixels
    archive = zipfile.ZipFile(io.BytesIO(threemf(pixels, Layout(tiles=(1, 1)), Material("PA12", 1.7))))
    text = archive.read("3D/3dmodel.model").decode()
    root = ET.fromstring(text)
    core = "{http://schemas.microsoft.com/3dmanufacturing/core/2015/02}"
    assert root.attrib["unit"] == "millimeter"
    assert NAMESPACE in text
    assert {entry.attrib["preserve"] for entry in root.findall(f"{core}metadata")} == {"1"}  # by programs that edit it
    said = {entry.attrib["name"].split(":")[-1]: entry.text or "" for entry in root.findall(f"{core}metadata")}
    assert said["material"] == "PA12, E_s = 1.7 GPa, nu_s = 0.3"
    number, unit = said["E_x"].split()
    assert unit == "GPa"
    assert float(number) == pytest.approx(1.7 * float(young_x(pixels)), rel=1e-5)
    bases = [(base.attrib["name"], base.attrib["displaycolor"]) for base in root.iter(f"{core}base")]
    assert bases == [(said["material"], "#A0A0A0FF")]  # grey and opaque


def test_the_same_cell_gives_the_same_file() -> None:
    pixels = cell(1, 2).pixels
    one, other = (zipfile.ZipFile(io.BytesIO(threemf(pixels, Layout()))) for _ in range(2))
    assert all(one.read(name) == other.read(name) for name in one.namelist())
    changed = zipfile.ZipFile(io.BytesIO(threemf(pixels, Layout(cell_mm=11))))
    assert changed.read("3D/3dmodel.model") != one.read("3D/3dmodel.model")


def test_without_a_modulus_properties_stay_relative() -> None:
    text = zipfile.ZipFile(io.BytesIO(threemf(np.ones((4, 4)), Layout()))).read("3D/3dmodel.model").decode()
    assert ">1 E_s<" in text


@pytest.mark.parametrize("young", [0.0, -1.0, float("nan"), float("inf")])
def test_bad_moduli_are_refused(young: float) -> None:
    with pytest.raises(ValueError, match="Expected a positive"):
        Material("x", young)


def test_what_is_not_a_cell_is_refused() -> None:
    with pytest.raises(ValueError, match="Expected"):
        threemf(np.full((4, 4), 0.5), Layout())
