"""Variables and properties: which values they take, how text is read, what is refused."""

import math

import pytest
from scipy.stats import norm

from ipage_core.problem.variable import Property, Variable, gaussian_bounds, name_and_unit

SOLVENT = Variable("solvent", kind="category", levels=("ethanol", "water", "Water"))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Variable("a", low=1.0, high=1.0),
        lambda: Variable("a", low=0.0, high=1.0, scale="log"),
        lambda: Variable("a", kind="category", levels=("one",)),
        lambda: Variable("a", kind="category", levels=("one", "two", "one")),
        lambda: Property("p", tolerance=0.0),
    ],
)
def test_a_variable_that_cannot_vary_is_refused(wrong):
    with pytest.raises(ValueError, match=r"Expected|log scale"):
        wrong()


def test_a_category_counts_its_levels_from_0():
    two = Variable("a", kind="category", levels=("no", "yes"))
    assert (two.low, two.high, two.scale) == (0, 1, "linear")
    assert Variable("a", low=1e-9, high=1.0, scale="log").low == 1e-9
    assert Variable("a", low=0.0).high == 1


def test_text_is_read():
    assert [SOLVENT.read(text) for text in ("ethanol", "ETHANOL", "Water", "WATER", "1")] == [0, 0, 2, None, None]
    assert [Variable("a").read(text) for text in ("1e-3", "inf", "nan", "b")] == [1e-3, None, None, None]


def test_a_level_is_shown_for_the_nearest_number():
    assert [SOLVENT.show(value) for value in (-3, 0.4, 0.6, 9)] == ["ethanol", "ethanol", "water", "Water"]
    assert math.isnan(SOLVENT.show(math.nan))
    assert Variable("a").show(0.25) == 0.25


def test_labels_hold_the_unit():
    assert name_and_unit(" length [m] ") == ("length", "m")
    assert name_and_unit("length") == ("length", "")
    assert (Variable("a", "m").label, Variable("a").label, Property("p", "eV").label) == ("a [m]", "a", "p [eV]")


def test_bounds_of_a_gaussian_hold_its_central_99_9_per_cent():
    low, high = gaussian_bounds(2.0, 0.5)
    assert norm(2, 0.5).cdf([low, high]).tolist() == pytest.approx([0.0005, 0.9995], abs=1e-12)
