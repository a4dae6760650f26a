"""Rank strains and merge those that are symmetry images of each other; all by the surrogate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ipage_core.tasks.crystal.families import to_nearest_image, with_ranks
from ipage_core.tasks.silicon.constraints import largest_strain, volume_change
from ipage_core.tasks.silicon.symmetry import MANDEL, images

if TYPE_CHECKING:
    import pandas as pd

    from ipage_core.tasks.silicon.valleys import ValleySurrogate

BY = ("energy", "strain", "pressure")
RADIUS = 0.003
"""Strains within this distance (:func:`distances`) of a family's best strain belong to the family."""


def distances(strain: ArrayLike, others: ArrayLike) -> NDArray[np.float64]:
    """Frobenius norm of the difference of each strain from the nearest image of each other. (n, 6), (k, 6) → (n, k)."""
    return to_nearest_image(np.asarray(strain, dtype=np.float64) * MANDEL, images(others) * MANDEL)


def table(strain: Tensor, surrogate: ValleySurrogate, by: str = "energy", radius: float = RADIUS) -> pd.DataFrame:
    """One row per strain (n, 6), in input order, with its family and its rank; rank 1 is the best strain.

    Columns by the surrogate: ``gap``, ``gap_sd``, ``direct`` [eV], ``energy`` [eV per atom], ``pressure`` [GPa],
    ``valley``, the axis of the lowest valley. By geometry: ``largest_strain`` and ``volume``, fractions. Then ``rank``,
    by least ``energy``, ``largest_strain`` or |``pressure``|; ``family``, numbered from 1 by rank; ``members``, the
    size of the family; and ``best``, whether this strain is the best of its family.

    Raises:
        ValueError: ``by`` is not known.
    """
    import pandas as pd

    if by not in BY:
        raise ValueError(f"ranking by '{by}' is not known; accepted: {', '.join(BY)}")
    x = strain.detach().cpu().to(torch.float32)
    with torch.no_grad():
        properties, spread = surrogate.properties(x).double().numpy(), surrogate.spread(x).double().numpy()
        valley = surrogate.valley(x).numpy() + 1
    exact = strain.detach().cpu().double()
    frame = pd.DataFrame(
        {
            "gap": properties[:, 0],
            "gap_sd": spread[:, 0],
            "direct": properties[:, 1],
            "energy": properties[:, 2],
            "pressure": properties[:, 3],
            "valley": valley,
            "largest_strain": largest_strain(exact).numpy(),
            "volume": volume_change(exact).numpy(),
        }
    )
    value = {"energy": frame["energy"], "strain": frame["largest_strain"], "pressure": frame["pressure"].abs()}[by]
    near = distances(exact.numpy(), exact.numpy())
    return with_ranks(frame, value.to_numpy(), near, radius)
