# SPDX-License-Identifier: Apache-2.0
"""Exact numbers as floats: never on the wrong side, and as near as a float can be."""

from __future__ import annotations

from fractions import Fraction
from math import inf, nextafter

from hypothesis import given
from hypothesis import strategies as st

from tidegate.model.units import float_down, float_up


@given(st.fractions(-(10**12), 10**12))
def test_float_up_is_the_least_that_is_not_below_and_float_down_its_mirror(exact: Fraction) -> None:
    up, down = float_up(exact), float_down(exact)
    assert Fraction(nextafter(up, -inf)) < exact <= Fraction(up)
    assert Fraction(down) <= exact < Fraction(nextafter(down, inf))


def test_float_down_of_zero_has_no_sign() -> None:
    assert str(float_down(Fraction(0))) == "0.0"
