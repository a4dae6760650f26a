"""Crystal structures from files of any ASE format, and as files for other programs: CIF, POSCAR and extended XYZ.

Written files hold one structure each, with the metadata in ``atoms.info``. Every writer returns the file's bytes.
"""

from __future__ import annotations

import codecs
import io
import math
import re
import warnings
from collections import Counter
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.geometry import cellpar_to_cell
from ase.io import read as read_structures
from ase.io import write
from ase.io.cif import CIFBlock, parse_cif
from ase.io.formats import UnknownFileTypeError, filetype, string2index
from ase.spacegroup import Spacegroup
from numpy.typing import ArrayLike, NDArray

MOST_BYTES, MOST_ANNOUNCED, MOST_COUNTED = 50_000_000, 1_000_000, 20
"""Maximum size of a file, maximum number of atoms that its first lines may name, and how many times the accepted number
of atoms a CIF may list to be read for their exact number."""
MOST_LINES, MOST_LINE = 1_000_000, 1_000_000
"""Maximum number of lines of a file, since ASE keeps each, blank ones too, at many times its size; and of characters in
a line of an XYZ."""
LARGEST = 1e9
"""Largest length [Å] or coordinate that is read as a number."""


def axes(lattice: ArrayLike) -> NDArray[np.float64]:
    """The axes of a cell a, b, c [Å], α, β, γ [°]. (6,) → (3, 3).

    Raises:
        ValueError: no cell has these parameters.
    """
    x = np.asarray(lattice, dtype=np.float64)
    if x.shape != (6,) or not np.isfinite(x).all() or (x <= 0).any():
        raise ValueError(f"Expected a, b, c > 0 [Å] and α, β, γ [°], got {x.tolist()}")
    cosines = np.cos(np.radians(x[3:]))
    # The square of the volume over abc: ASE asserts that it is not negative.
    if (x[3:] >= 180).any() or 1 + 2 * cosines.prod() - (cosines**2).sum() <= 1e-12:
        raise ValueError(f"No cell has the angles {x[3:].tolist()}: its volume would not be positive")
    return np.asarray(cellpar_to_cell(x))


def frames(path: Path, most: int, index: str = ":") -> list[Atoms]:
    """The structures in a file of any ASE format, each with at most ``most`` atoms; ``index`` as in ASE.

    Raises:
        ValueError: not there, not readable, too many atoms, or a number that is not finite.
    """
    if path.exists() and not path.is_dir():
        if not path.is_file():  # a pipe would wait, a device never end
            raise ValueError(f"{path} is not a file; accepted: a structure in a file")
        if path.stat().st_size > MOST_BYTES:
            size = path.stat().st_size / 1e6
            raise ValueError(f"{path} has {size:,.0f} MB; accepted: at most {MOST_BYTES / 1e6:.0f} MB")
    if path.suffix.lower() in (".gz", ".bz2", ".xz"):  # ASE would unpack it, to any size
        raise ValueError(f"{path} is compressed; accepted: the structure file itself, unpacked")
    try:
        # Windows editors write a byte-order mark, which would corrupt the first word; ASE reads a CIF as Latin-1.
        text = path.read_bytes().removeprefix(codecs.BOM_UTF8).decode("latin-1")
        if (lines := max(text.count("\n"), text.count("\r"))) > MOST_LINES:
            raise ValueError(f"it has {lines:,} lines, more than {MOST_LINES:,}")
        if any(len(width) > 3 for width in re.findall(r":[SRIL]:0*(\d+)", text)) and "Properties=" in text:
            raise ValueError("it has a property of 1,000 columns or more")  # ASE would make room for them at once
        try:
            form = filetype(str(path), read=False)
        except UnknownFileTypeError:
            form = None
        if form in ("xyz", "extxyz") and max(map(len, text.split("\n"))) > MOST_LINE:
            raise ValueError(f"it has a line of more than {MOST_LINE:,} characters")  # ASE would take minutes over it
        least = _listed(text) if form == "cif" else 0
        unread = least > MOST_COUNTED * most
        blocks = list(parse_cif(io.StringIO(text))) if form == "cif" and not unread else []
        counts = [least] if unread else [count for block in blocks for count in _sites(block)] + _announced(text)
        if not any(count > most for count in counts):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # numpy's, of numbers that are checked below
                warnings.filterwarnings("ignore", "scaled_positions .* are equivalent")  # an atom listed by its images
                found: Any = (
                    [_of_block(block) for block in blocks if block.has_structure()][string2index(index)]
                    if form == "cif"
                    else read_structures(path, index=index, format=form)
                )
            if not found:
                raise ValueError("it holds no atoms")
            for one in found:
                if not (np.isfinite(one.cell.array).all() and np.isfinite(one.positions).all()):
                    raise ValueError("its cell and places must be finite numbers")
                if (one.numbers == 0).any():
                    raise ValueError("it has dummy atoms, X, which are no element")
            counts = [len(one) for one in found]
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist") from None
    except Exception as error:  # ASE's readers raise any exception on a damaged file
        raise ValueError(f"{path} is not a structure file that ASE reads{_why(error)}") from None
    if max(counts) > most:
        number = "at least " * unread + f"{max(counts):,}"
        raise ValueError(f"{path} has {number} atoms in a cell; accepted: at most {most:,}")
    return list(found)


def refuse_partial(path: Path, atoms: Atoms) -> None:
    """Raise ValueError if a site is shared by several elements, or partly empty."""
    results = [
        " + ".join(f"{share:g} {element}" for element, share in site.items())
        for site in atoms.info.get("occupancy", {}).values()
        if len(site) > 1 or abs(sum(site.values()) - 1) > 1e-3
    ]
    if shared := "; ".join(dict.fromkeys(results)):
        raise ValueError(f"{path} has sites that are partly occupied ({shared}); accepted: one atom on each site")


def _sites(block: CIFBlock) -> list[int]:
    """The number of sites of a block; ASE compares every site with all others, which takes minutes for thousands.

    Raises:
        ValueError: a length, an angle or a coordinate is not a finite number, or no length or angle of a cell.
    """
    counts = []
    for name in block:
        if not re.match("_cell_(length|angle)_(a|b|c|alpha|beta|gamma)$|_atom_site_(fract|cartn)_[xyz]$", name):
            continue
        is_place = name.startswith("_atom_site")
        above = -math.inf if is_place else 0
        below = 180 if "_angle_" in name else math.inf
        values = block[name] if isinstance(block[name], list) else [block[name]]
        if is_place:
            counts.append(len(values))
        for value in values:
            if not isinstance(value, int | float) or abs(value) > LARGEST or not above < value < below:
                accepted = f"finite numbers{'' if is_place else ' above 0'}{' and below 180' if below == 180 else ''}"
                raise ValueError(f"{name} is '{str(value)[:20]}'; accepted: {accepted}")
    return counts


def _listed(text: str) -> int:
    """How many sites a CIF lists at least, which takes a hundredth of the time of reading them.

    Every row has one value in each column, and every line at least one value.
    """
    found = 0
    for loop in re.split(r"(?im)^[ \t]*loop_", text)[1:]:
        names = re.match(r"(?:\s+_\S+)+[ \t]*\n", loop)
        if names and "_atom_site_" in names[0].lower():
            end = re.compile(r"^[ \t]*(?:[_;#\r\n]|data_|\Z)", re.I | re.M).search(loop, names.end())
            lines = loop.count("\n", names.end(), end.start() if end else len(loop))
            found = max(found, lines // len(names[0].split()))
    return found


def _announced(text: str) -> list[int]:
    """Counts of atoms in the first lines, as in POSCAR and XYZ, if a reader would spend all memory on them."""
    lines = [line.split() for line in text[:2000].splitlines()[:8]]
    numbers = [line for line in lines if line and all(re.fullmatch(r"[0-9]+", word) for word in line)]
    # Python reads no number of thousands of digits; ASE counts up to one of hundreds.
    counts = [sum(int(word) if len(word) < 30 else 10**30 for word in line) for line in numbers]
    return [count for count in counts if count > MOST_ANNOUNCED]


def _of_block(block: CIFBlock) -> Atoms:
    """The crystal of a CIF's block. Symmetry operations, where they are listed, count more than the group's name.

    Raises:
        ValueError: its space group is in a setting that needs operations, or its cell lacks their symmetry.
    """
    if any(block.get(name) for name in _OPERATIONS):
        kept = {name: value for name, value in block.items() if name in _OPERATIONS or not re.match(_GROUP, name)}
        block = CIFBlock(block.name, {**kept, "_space_group_it_number": 1})  # ASE asks for a number, and uses none
    elif (name := _other_setting(block)) is not None:
        raise ValueError(f"'{name}' is not the standard setting of its group: accepted with symmetry operations alone")
    _check_distinct(block)
    atoms = block.get_atoms()
    if (group := atoms.info.get("spacegroup")) is not None:
        metric = atoms.cell.array @ atoms.cell.array.T
        turned = [turn.T @ metric @ turn for turn in group.get_op()[0]]
        if not np.allclose(turned, metric, rtol=0, atol=0.02 * np.abs(metric).max()):
            raise ValueError("its cell does not have the symmetry of its space group")
    return atoms


def _check_distinct(block: CIFBlock) -> None:
    """Raise ValueError if two elements are at one place: ASE would drop the second, unless occupancies are given."""
    if "_atom_site_occupancy" in block:
        return
    listed = block.get_unsymmetrized_structure()
    places = np.mod(listed.get_scaled_positions(wrap=False).round(6), 1)
    there: dict[tuple[float, ...], str] = {}
    for symbol, place in zip(listed.get_chemical_symbols(), places, strict=True):
        if (first := there.setdefault(tuple(place), symbol)) != symbol:
            raise ValueError(f"{first} and {symbol} are at one place; accepted: one atom on each site")


_OPERATIONS = (
    "_space_group_symop_operation_xyz", "_space_group_symop.operation_xyz", "_symmetry_equiv_pos_as_xyz",
)  # fmt: skip
_GROUP = "_(space_group|symmetry)_"
_NAMES = ("_space_group_name_h-m_alt", "_symmetry_space_group_name_h-m", "_space_group.patterson_name_h-m")


def _other_setting(block: CIFBlock) -> str | None:
    """A space group's name in a setting other than the standard one, for which ASE would take the number's."""
    said = {tag: str(block[tag]).strip() for tag in block if re.match(_GROUP, tag)}
    name = next((said[tag] for tag in _NAMES if tag in said), None)
    number = said.get("_space_group_it_number", said.get("_symmetry_int_tables_number", ""))
    if name is None and not number:
        hall = next((value for tag, value in said.items() if tag.endswith("_hall")), "P 1")
        return None if hall == "P 1" else hall
    if name is None or not number.isdigit() or not 1 <= int(number) <= 230:
        return None
    plain, *choice = re.split(r"\s*:\s*|\s+(?=[HRSZ]$)", name)
    return name if choice in (["2"], ["Z"], ["R"]) or _bare(plain) != _bare(Spacegroup(int(number)).symbol) else None


def _bare(symbol: str) -> str:
    """A Hermann–Mauguin symbol, comparable: 'P 1 21/c 1' → 'P21/c', 'F m -3 m' and 'F m 3 m' → 'Fm3m'."""
    letters = re.sub(r"[\s_-]", "", symbol)
    return re.sub(r"^([A-Z])1(.+)1$", r"\1\2", letters)


def _why(error: Exception) -> str:
    """The reason of a reader of ASE, in brackets; it names an unknown element by a KeyError."""
    if isinstance(error, KeyError) and re.fullmatch("'[A-Za-z]{1,3}'", str(error)):
        return f" (it has the element {error}, which is not known)"
    return f" ({' '.join(str(error).split())[:100]})" if str(error) else ""


def cif(atoms: Atoms, name: str) -> bytes:
    """CIF in P1, lattice parameters to 10 digits, metadata as comments.

    A calculator's total energy and forces are data items of this program's own, which other programs ignore.
    """
    a = atoms.cell.cellpar()
    names = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    counts = sorted(Counter(atoms.get_chemical_symbols()).items())
    formula = " ".join(symbol + (str(count) if count > 1 else "") for symbol, count in counts)
    lines = [f"# {key}: {value}" for key, value in atoms.info.items()]
    lines += [f"data_{name}_{atoms.info.get('sample', 0)}", f"_chemical_formula_sum   '{formula}'"]
    lines += [f"_cell_{name}   {value:.10f}" for name, value in zip(names, a, strict=True)]
    lines += ["_space_group_name_H-M_alt   'P 1'", "_space_group_IT_number   1", ""]
    lines += ["loop_", "  _space_group_symop_operation_xyz", "  'x, y, z'", "", "loop_"]
    lines += [f"  _atom_site_{tag}" for tag in ("type_symbol", "label", "fract_x", "fract_y", "fract_z", "occupancy")]
    sites = atoms.get_scaled_positions(wrap=False) + 0.0  # no −0
    for i, (symbol, site) in enumerate(zip(atoms.get_chemical_symbols(), sites, strict=True)):
        lines.append(f"  {symbol}  {symbol}{i + 1}  {site[0]:.6f}  {site[1]:.6f}  {site[2]:.6f}  1.0")
    results = getattr(atoms.calc, "results", {})
    if "energy" in results:
        lines += ["", f"_ipage_total_energy_eV   {results['energy']:.6f}"]
    if "forces" in results:
        lines += ["", "# Cartesian, a along x, b in the plane of x and y", "loop_", "  _ipage_force_atom_site_label"]
        lines += [f"  _ipage_force_{axis}_eV_per_A" for axis in "xyz"]
        turned = results["forces"] @ np.linalg.solve(atoms.cell.array, axes(a)) + 0.0
        for i, (symbol, force) in enumerate(zip(atoms.get_chemical_symbols(), turned, strict=True)):
            lines.append(f"  {symbol}{i + 1}  {force[0]:.5f}  {force[1]:.5f}  {force[2]:.5f}")
    return ("\n".join(lines) + "\n").encode()


def poscar(atoms: Atoms, name: str) -> bytes:
    """VASP's format with fractional coordinates; the first line holds the metadata."""
    file = io.StringIO()
    write(file, atoms, format="vasp", direct=True, vasp5=True)
    about = name + "  " + "  ".join(f"{key}={value}" for key, value in atoms.info.items())
    return (about + "\n" + file.getvalue().split("\n", 1)[1]).encode()


def extxyz(atoms: Atoms, name: str) -> bytes:
    """Extended XYZ; metadata as key=value pairs, which ASE reads back as ``info``.

    It includes the energy, forces and stress of a calculator.
    """
    file = io.StringIO()
    write(file, atoms, format="extxyz")
    return file.getvalue().encode()


FORMATS: dict[str, Callable[[Atoms, str], bytes]] = {"cif": cif, "poscar": poscar, "extxyz": extxyz}


def file_name(stem: str, form: str) -> str:
    """File name for a stem and a format.

    >>> file_name("si-3", "poscar")
    'si-3.vasp'
    """
    return f"{stem}.{ {'poscar': 'vasp'}.get(form, form) }"


def program() -> str:
    """Name and version of this program."""
    try:
        return f"iPage Explorer {version('ipage-explorer')}"
    except PackageNotFoundError:
        return "iPage Explorer 0.1.0"
