# SPDX-License-Identifier: Apache-2.0
"""Parity says agrees only where every sum is known on both sides and near."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.venues.accounts.parity import LEAST, TOLERANCE, Ours, parity, reduce_only
from tidegate.venues.accounts.told import Stated

SUMS = st.floats(-1e9, 1e9)
OURS = Ours(100.0, 20.0, 10.0)


def stated(equity: float | None, maintenance: float | None) -> Stated:
    def exact(value: float | None) -> Decimal | None:
        return None if value is None else Decimal(value)

    return Stated("USDC", exact(equity), None, exact(maintenance))


@given(SUMS, SUMS, SUMS, SUMS)
def test_verdict_is_that_of_the_worse_share(e: float, m: float, e2: float, m2: float) -> None:
    found = parity("v", Ours(e, 0.0, m), stated(e2, m2))
    shares = [abs(a - b) / max(abs(b), LEAST) for a, b in ((e, e2), (m, m2))]
    assert found.verdict == ("beyond" if max(shares) > TOLERANCE else "agrees")


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [
        (OURS, (100.0, 10.0), "agrees"),
        (OURS, (100.0, None), "unknown"),
        (OURS, (None, None), "unknown"),
        (None, (100.0, 10.0), "unknown"),
        (OURS, (200.0, None), "beyond"),
    ],
)
def test_missing_sum_is_never_parity(
    ours: Ours | None, theirs: tuple[float | None, float | None], verdict: str
) -> None:
    assert parity("v", ours, stated(*theirs)).verdict == verdict


def test_venues_without_parity_may_only_be_reduced() -> None:
    near = parity("near", OURS, stated(100.0, 10.0))
    far = parity("far", OURS, stated(150.0, 10.0))
    dark = parity("dark", None, stated(150.0, 10.0))
    assert reduce_only((near, far, dark)) == {"far", "dark"}


@pytest.mark.parametrize(("initial", "verdict"), [(20.0, "agrees"), (21.5, "beyond")])
def test_venue_that_tells_no_maintenance_is_held_to_its_initial_margin(
    initial: float, verdict: str
) -> None:
    found = parity("v", OURS, Stated("USDC", Decimal(100), Decimal(initial)))
    assert (found.verdict, found.sums[1].name) == (verdict, "initial")
