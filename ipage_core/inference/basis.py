"""What a design rests on: Ω, a prediction with or without its interval, or a measured row."""

from __future__ import annotations

from torch import Tensor

VERIFIED, PREDICTED, SAMPLED, MEASURED = "verified by Ω", "predicted", "not predicted", "measured row"
WITH_INTERVAL = f"{PREDICTED}, 90 % interval"
NEAR_FAILURE = f"{PREDICTED}, nearest evaluation failed"
"""The texts of the column ``basis`` of ``run.csv``."""


def basis(y: Tensor, predicted: bool, interval: Tensor | None = None, failing: Tensor | None = None) -> list[str]:
    """For results of Ω (n, m), NaN where it did not run or failed: what each design rests on. → (n,).

    Args:
        y: results of Ω.
        predicted: whether a surrogate predicts the designs.
        interval: (2, n, m) the ends of the predictions' intervals, NaN where they are not known.
        failing: (n,) bool, whether Ω failed on the nearest evaluated design.
    """
    fine = y.isfinite().all(1).tolist()
    known = [False] * len(fine) if interval is None else interval.isfinite().all(0).all(1).tolist()
    near = [False] * len(fine) if failing is None else failing.tolist()
    if not predicted:
        return [VERIFIED if one else SAMPLED for one in fine]
    other = [NEAR_FAILURE if bad else WITH_INTERVAL if one else PREDICTED for bad, one in zip(near, known, strict=True)]
    return [VERIFIED if one else rest for one, rest in zip(fine, other, strict=True)]
