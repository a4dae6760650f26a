"""Numbers as programs write them take a shorter way, and are read as by the longer one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipage_core.tasks.table.numerals import LONGEST, Cell, number, votes

PLAIN = r"\A[+-]?[0-9]{1,7}(\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?\Z"


@given(st.from_regex(PLAIN), st.sampled_from(".,"))
def test_a_blank_before_it_changes_nothing(text, decimal):
    """With a blank before it, a cell takes the longer way."""
    assert repr(number(text, decimal)) == repr(number(f" {text}", decimal))
    assert votes(text) == votes(f" {text}")


@pytest.mark.parametrize(
    ("text", "value", "vote"),
    [
        ("-12", -12, ("", "whole")),
        ("3.98", 3.98, (".", "sure")),
        ("1.234", 1.234, (".", "open")),
        ("0.123", 0.123, (".", "sure")),
        ("1.234e3", 1234, (".", "sure")),
        ("+007", 7, ("", "whole")),
    ],
)
def test_what_they_say(text, value, vote):
    assert number(text, ".") == Cell(value)
    assert votes(text) == vote


def test_what_is_no_finite_number_is_none():
    assert number("1e400", ".") is None
    assert number("1" * (LONGEST + 1), ".") is None
    assert votes("1" * (LONGEST + 1)) == ("", "none")
