"""A form for a crystal of one's own: the choices of ``new --crystal``, and the symmetry that spglib finds in a CIF."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st

from app.components.words import plain
from ipage_core.tasks.own_crystal import calculators, operator, symmetry
from ipage_core.tasks.own_crystal.card import MOST_ATOMS, PROPERTIES, SHEAR, read_structure
from ipage_core.tasks.table.card import slug

MOST_BYTES = 1_000_000
"""Largest structure file; one of 200 atoms has some 20 kB."""
OWN = "my own"


@dataclass(frozen=True)
class Symmetry:
    """What spglib finds in a structure file."""

    formula: str
    atoms: int
    space_group: str
    images: int
    box_is_kept: bool
    """Whether the images of every strain in the box lie in the box."""
    remark: str
    """Which of several structures is read."""


def file_name(name: str) -> str:
    """The name under which an upload is stored: letters, digits and - only, and always a CIF.

    >>> file_name("../my Rutile (2).cif")
    'my-rutile-2.cif'
    """
    return f"{slug(Path(name).stem)}.cif"


@st.cache_data(max_entries=16, show_spinner=False)
def symmetry_of(content: bytes) -> Symmetry:
    """Read a CIF, without any calculator.

    Raises:
        ValueError: too large, no crystal in it, or spglib is not installed.
    """
    if len(content) > MOST_BYTES:
        raise ValueError(f"This file has {len(content) / 1e6:.1f} MB; accepted: a CIF of at most 1 MB")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cell.cif"
        path.write_bytes(content)
        try:
            given = read_structure(path)
            atoms = symmetry.oriented(given)
        except ValueError as error:
            raise ValueError(str(error).replace(str(path), "This file")) from None
    operations = symmetry.on_strains(atoms)
    half = np.array([1.0] * 3 + [SHEAR] * 3)
    kept = symmetry.keeps(np.stack((-half, half)), operations)
    remark = given.info["remark"].replace(path.name, "This file")
    return Symmetry(
        atoms.get_chemical_formula(), len(atoms), symmetry.space_group(atoms), len(operations), kept, remark
    )


def ask(name: str) -> tuple[list[str], bytes | None, str]:
    """The form. → options of ``new`` except ``--crystal``, the content of the CIF or None, and its file name.

    Raises:
        ValueError: a choice is not acceptable.
    """
    left, right = st.columns([1.3, 1])
    with left:
        upload = st.file_uploader(
            "Structure (CIF)",
            type="cif",
            key="crystal-file",
            max_upload_size=1,
            help=f"One cell, at most {MOST_ATOMS} atoms. It is read as data; nothing in it runs.",
        )
    with right:
        chosen = st.selectbox("Calculator", [*calculators.BUILT_IN, OWN], index=2, key="crystal-calculator", help=ABOUT)
        if chosen == OWN:
            chosen = st.text_input(
                "Your calculator",
                key="crystal-factory",
                placeholder="my_calculators.py:factory",
                help="MODULE:FACTORY or FILE.py:FACTORY: a function of the reference Atoms that returns a calculator.",
            ).strip()
    content = None if upload is None else upload.getvalue()
    if content is not None:
        _show(symmetry_of(content))
    places = st.columns(4, vertical_alignment="bottom")
    strain = places[0].number_input(
        "Strain, at most [%]", 0.1, 20.0, 3.0, 0.5, format="%.1f", key="crystal-strain", help=STRAIN
    )
    relax = places[1].toggle("Relax the atoms", key="crystal-relax", help=RELAX)
    kicks = places[2].number_input("Starts", 1, 20, 4, key="crystal-kicks", disabled=not relax, help=KICKS)
    able = [one for one in PROPERTIES if one != "displacement" or relax]
    wanted = st.multiselect(
        "Properties", able, ["energy", "pressure"], key="crystal-properties", format_func=_label, help=GAP
    )
    if not wanted:
        raise ValueError("Choose at least one property")
    if not chosen:
        raise ValueError("Name your calculator: MODULE:FACTORY or FILE.py:FACTORY")
    words = ["--calculator", chosen, "--strain", f"{strain:g}%", *(["--relax", "--kicks", f"{kicks}"] if relax else [])]
    words += ["--y", ",".join(wanted), *(["--title", name.strip()] if name.strip() else [])]
    return words, content, "" if upload is None else file_name(upload.name)


ABOUT = (
    "gpaw: PBE by density functional theory, seconds to minutes a strain. chgnet: a potential for any element, without "
    "gaps. emt: Al, Cu, Ag, Au, Ni, Pd, Pt, rough and fast, for first trials."
)
RELAX = f"The atoms come to rest in each strained cell, to {operator.FORCE} eV/Å. Else the strain carries them."
STRAIN = "Largest normal component; shears go to two thirds of it."
KICKS = "Starts of each relaxation: the strained sites, then these with noise. The lowest energy counts."
GAP = "A gap needs a calculator with eigenvalues, such as gpaw; it is that of the calculator's own k-points."


def _label(name: str) -> str:
    return f"{name} [{PROPERTIES[name].unit}]"


def _show(seen: Symmetry) -> None:
    """The symmetry in a sentence."""
    alike = f"{seen.images} images of each strain are the same crystal" if seen.images > 1 else "no strain has an image"
    atoms = "1 atom" if seen.atoms == 1 else f"{seen.atoms} atoms"
    text = f"**{plain(seen.formula)}**, {atoms}, space group {plain(seen.space_group)}: {alike}."
    if not seen.box_is_kept:
        text += " Some of these images lie outside the box of strains: no box is its own image in this crystal."
    text += f" {seen.remark}" if seen.remark else ""
    st.info(text, icon=":material/diamond:")


def stored(content: bytes, name: str) -> Path:
    """The upload as a file for the command ``new``."""
    path = Path(tempfile.mkdtemp(prefix="ipage-")) / name
    path.write_bytes(content)
    return path
