"""Printable and auxetic cells keep their generators' promises row by row, and the shipped data match the generators."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from ipage_core.tasks.cells.auxetic import FAMILY, RATIOS, auxetic_cell
from ipage_core.tasks.cells.dataset import DATA, read, read_card
from ipage_core.tasks.cells.features import has_features
from ipage_core.tasks.cells.generation import check, generate
from ipage_core.tasks.cells.homogenization import homogenize
from ipage_core.tasks.cells.printable import printable_cell
from ipage_core.tasks.cells.properties import values
from ipage_core.tasks.cells.topology import is_admissible
from ipage_core.tasks.cells.wallpaper import GROUPS, is_symmetric

ISOTROPIC = ("E_x", "E_y", "G_xy", "nu_xy", "eta_x", "eta_y")


def far_from_isotropic(stiffness: np.ndarray) -> np.ndarray:
    """(n, 3, 3) → (n,) the largest of: E_x against E_y, G against E / (2 (1 + ν)), both relative, and the couplings."""
    e_x, e_y, g, nu, *eta = values(ISOTROPIC, stiffness, 1).T
    return np.max([np.abs(e_x / e_y - 1), np.abs(2 * (1 + nu) * g / e_x - 1), *np.abs(eta)], axis=0)


def test_printable_cells() -> None:
    made = [printable_cell(3, i) for i in range(60)]
    assert all(is_admissible(c.pixels) and has_features(c.pixels, 2) for c in made)
    assert all(any(is_symmetric(c.pixels, c.group, swap=swap) for swap in (False, True)) for c in made)
    assert len({c.pixels.tobytes() for c in made}) == 60
    assert len({c.group for c in made} & set(GROUPS)) >= 10
    assert (printable_cell(3, 17).pixels == made[17].pixels).all()
    volume = np.array([c.volume_fraction for c in made])
    assert volume.min() < 0.6
    assert volume.max() > 0.85


def test_a_family_of_auxetic_cells() -> None:
    made = [auxetic_cell(5, i) for i in range(FAMILY)]
    cells = np.array([c.pixels for c in made])
    assert all(map(is_admissible, cells))
    stiffness = homogenize(cells)
    nu = values(("nu_xy",), stiffness, 1)[:, 0]
    assert (nu <= RATIOS[1][1] + 0.02).all()
    assert (far_from_isotropic(stiffness) <= 0.15).all()  # moduli are within 3 % each, ν within 0.02
    assert len({c.tobytes() for c in cells}) == FAMILY
    assert (auxetic_cell(5, 2).pixels == cells[2]).all()


def test_a_set_of_a_kind_is_generated_and_checked(tmp_path: Path) -> None:
    out = tmp_path / "printable.parquet"
    card = generate(5, 3, out, kind="printable", workers=0)
    assert (card["kind"], card["seed"], card["n"]) == ("printable", 3, 5)
    assert (read(out).pixels == [printable_cell(3, i).pixels for i in range(5)]).all()
    assert check(out, 5)["ok"]
    with pytest.raises(ValueError, match="random, printable, auxetic"):
        generate(5, 3, out, kind="stiff", workers=0)


@pytest.mark.parametrize("kind", ["printable", "auxetic"])
def test_shipped_sets(kind: str) -> None:
    path = DATA.with_name(f"{kind}.parquet")
    data, card = read(path), read_card(path)
    assert card["kind"] == kind
    assert card["n"] == len(data.pixels) == {"printable": 10_000, "auxetic": 2_016}[kind]
    rows = np.linspace(0, card["n"] - 1, 200).astype(int)
    cells = data.pixels[rows]
    assert all(map(is_admissible, cells))
    np.testing.assert_allclose(homogenize(cells), data.stiffness[rows], atol=1e-9)
    if kind == "printable":
        assert has_features(data.pixels, 2).all()
    else:
        assert (values(("nu_xy",), data.stiffness, 1) < 0).all()
        assert (far_from_isotropic(data.stiffness) <= 0.15).all()
        assert has_features(data.pixels[(np.arange(card["n"]) // FAMILY) % 2 == 1], 2).all()
    assert check(path, 4 if kind == "printable" else 2)["ok"]  # an auxetic row takes seconds
    readme = (DATA.parent / "README.md").read_text()
    assert card["sha256"] in readme
    assert hashlib.sha256(path.read_bytes()).hexdigest() in readme
