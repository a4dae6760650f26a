"""Structure files of a user's table: every length and angle is in the right place."""

import io

import numpy as np
import pandas as pd
import pytest
from ase.geometry import cell_to_cellpar
from ase.io import read

from ipage_core.tasks.table import export

CELL = (4.1, 5.2, 6.3, 81.0, 97.0, 113.0)
FORMS = {"cif": "cif", "poscar": "vasp", "extxyz": "extxyz"}


@pytest.mark.parametrize("form", export.FORMATS)
@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4, 5), (5, 3, 4, 2, 0, 1)])
def test_a_b_c_alpha_beta_gamma_come_back_from_the_file(form, order):
    columns = [f"x{order.index(j) + 1}" for j in range(6)]  # of a, b, c, α, β, γ in a table of another order
    frame = pd.DataFrame([{"sample": 3} | dict(zip(columns, CELL, strict=True))])
    (content,) = export.files(frame, form, columns, "own").values()
    if form == "cif":
        lines = dict(line.split() for line in content.decode().splitlines() if line.startswith("_cell"))
        names = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
        found = [float(lines[f"_cell_{name}"]) for name in names]
    else:
        found = cell_to_cellpar(read(io.StringIO(content.decode()), format=FORMS[form]).cell)
    np.testing.assert_allclose(found, CELL, atol=1e-6)
