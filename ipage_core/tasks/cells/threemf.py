"""Cells as 3MF files: millimetres, the material with its Young's modulus, and the cell's properties in one container.

3MF Core Specification 1.3 (3MF Consortium), written by the consortium's own library lib3mf, which rejects a mesh that
is not closed and oriented. The STL export has no unit and no material.
"""

from __future__ import annotations

import uuid

import numpy as np
from numpy.typing import ArrayLike

from ipage_core.tasks.cells.layout import Layout, solid_mesh
from ipage_core.tasks.cells.material import Material, metadata

NAMESPACE = "urn:ipage-explorer:cell:1"
"""XML namespace of this program's own metadata; the specification requires one."""
_GREY = (160, 160, 160, 255)


def threemf(cell: ArrayLike, layout: Layout, material: Material | None = None) -> bytes:
    """A closed body per connected part, in millimetres. (ny, nx) → the file's bytes.

    Raises:
        ValueError: not a two-dimensional cell of zeros and ones, or the mesh is not closed.
    """
    import lib3mf

    material = material or Material()
    surface = solid_mesh(cell, layout)
    wrapper = lib3mf.get_wrapper()
    model = wrapper.CreateModel()
    model.SetUnit(lib3mf.ModelUnit.MilliMeter)
    model.SetLanguage("en-US")
    body = model.AddMeshObject()
    body.SetName(f"{layout.tiles[0]} × {layout.tiles[1]} cells of {layout.cell_mm:g} mm")
    body.SetGeometry(
        [lib3mf.Position(tuple(point)) for point in surface.vertices.tolist()],
        [lib3mf.Triangle(tuple(corners)) for corners in surface.faces.tolist()],
    )
    if not body.IsManifoldAndOriented():
        raise ValueError("Expected a closed and oriented surface, got one with a crack.")
    materials = model.AddBaseMaterialGroup()
    number = materials.AddMaterial(material.label, wrapper.RGBAToColor(*_GREY))
    body.SetObjectLevelProperty(materials.GetResourceID(), number)
    said = model.GetMetaDataGroup()
    said.AddMetaData("", "Application", "iPage Explorer", "xs:string", True)
    for name, value in metadata(cell, layout, material).items():
        said.AddMetaData(NAMESPACE, name, value, "xs:string", True)
    item = model.AddBuildItem(body, wrapper.GetIdentityTransform())
    # Derive identifiers from the content, so that the same cell gives the same file.
    said_of_it = f"{layout} {material} {np.asarray(cell).astype(np.uint8).tobytes().hex()}"
    for part, assign in (("body", body.SetUUID), ("item", item.SetUUID), ("build", model.SetBuildUUID)):
        assign(str(uuid.uuid5(uuid.NAMESPACE_URL, f"{NAMESPACE} {part} {said_of_it}")))
    return bytes(model.QueryWriter("3mf").WriteToBuffer())
