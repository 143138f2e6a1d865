# SPDX-License-Identifier: Apache-2.0
"""Chains: what they refuse, and the one reason for which each unusable quote is left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pricing.made_chains import FORWARD_USD, TS_MS, crypto, made_chain
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS
from tidegate.pricing.option_chain import (
    Exclusion,
    OptionChain,
    count_exclusions,
    exclusion_reason,
    quotes,
)


def one(**changes: object) -> OptionChain:
    """A chain of one good quote, a call 10 % out of the money, with changes."""
    good: dict[str, object] = {
        "expiry_ms": [TS_MS + 30 * DAY_MS],
        "strike_usd": [1.1 * FORWARD_USD],
        "is_call": [True],
        "bid": [0.02],
        "ask": [0.025],
        "forward_usd": [FORWARD_USD],
        "mark_vol_annual": [0.5],
    }
    return OptionChain(TS_MS, "BTC", **{**good, **changes})  # type: ignore[arg-type]


PLANTED = [
    ({}, Exclusion.NONE),
    ({"expiry_ms": [TS_MS]}, Exclusion.EXPIRED),
    ({"strike_usd": [0.0]}, Exclusion.NOT_POSITIVE),
    ({"forward_usd": [np.nan]}, Exclusion.NOT_POSITIVE),
    ({"forward_usd": [np.inf]}, Exclusion.NOT_POSITIVE),
    ({"discount": -1.0}, Exclusion.NOT_POSITIVE),
    ({"bid": [np.nan]}, Exclusion.ONE_SIDED),
    ({"bid": [0.0]}, Exclusion.ONE_SIDED),
    ({"ask": [np.nan]}, Exclusion.ONE_SIDED),
    ({"ask": [np.inf]}, Exclusion.ONE_SIDED),
    ({"bid": [0.03]}, Exclusion.CROSSED),
    ({"strike_usd": [0.9 * FORWARD_USD]}, Exclusion.IN_THE_MONEY),
    ({"is_call": [False]}, Exclusion.IN_THE_MONEY),
    ({"ask": [0.034]}, Exclusion.WIDE),
    ({"bid": [1.0], "ask": [1.2]}, Exclusion.UNSOLVABLE),
    # The first reason counts.
    ({"expiry_ms": [TS_MS], "bid": [np.nan]}, Exclusion.EXPIRED),
    ({"bid": [np.nan], "strike_usd": [0.9 * FORWARD_USD]}, Exclusion.ONE_SIDED),
    ({"is_call": [False], "ask": [0.034]}, Exclusion.IN_THE_MONEY),
]


@pytest.mark.parametrize(("changes", "code"), PLANTED)
def test_quote_is_excluded_for_the_first_reason_that_applies(
    changes: dict[str, object], code: Exclusion
) -> None:
    found = quotes(one(**changes))
    assert found.exclusion.tolist() == [code]
    assert found.used.tolist() == [code == Exclusion.NONE]
    assert np.isnan(found.mid[0]) == (code != Exclusion.NONE)
    assert np.isnan(found.mid_vol_annual[0]) == (code != Exclusion.NONE)


@pytest.mark.parametrize(
    ("bid", "ask", "wide"),
    [(0.0003, 0.0005, False), (0.0006, 0.001, False), (0.0003, 0.0006, True)],
)
def test_spread_of_exactly_half_the_mid_is_not_wide(bid: float, ask: float, wide: bool) -> None:
    found = quotes(one(bid=[bid], ask=[ask]))
    assert (found.exclusion[0] == Exclusion.WIDE) == wide


def test_option_at_the_money_is_used_as_a_call_and_not_as_a_put() -> None:
    call, put = (
        quotes(one(strike_usd=[FORWARD_USD], is_call=[side], bid=[0.05], ask=[0.06]))
        for side in (True, False)
    )
    assert call.used[0]
    assert put.exclusion[0] == Exclusion.IN_THE_MONEY


@pytest.mark.parametrize("inverse", [True, False])
@pytest.mark.parametrize("discount", [1.0, 0.9])
def test_implied_volatility_of_the_mid_is_that_of_the_prices(
    inverse: bool, discount: float
) -> None:
    made = made_chain(inverse=inverse, spread_vol=1e-4)
    chain = replace(made, bid=discount * made.bid, ask=discount * made.ask, discount=discount)
    found = quotes(chain)
    assert found.used.sum() == 6 * 21
    want = crypto(found.log_strike, chain.expiry_years)[found.used]
    assert found.mid_vol_annual[found.used] == pytest.approx(want, abs=1e-6)


@given(st.lists(st.sampled_from(list(Exclusion)), max_size=30))
def test_counts_of_exclusions_name_each_reason_and_leave_out_the_used(
    codes: list[Exclusion],
) -> None:
    counts = count_exclusions(np.array(codes, dtype=np.uint8))
    left_out = [code for code in codes if code != Exclusion.NONE]
    assert sum(counts.values()) == len(left_out)
    assert set(counts) == {exclusion_reason(code) for code in left_out}


def test_every_exclusion_has_its_own_reason_and_no_other_number_has_one() -> None:
    assert len({exclusion_reason(code) for code in Exclusion}) == len(Exclusion)
    with pytest.raises(InputError, match="expected one of 0 to 9"):
        exclusion_reason(10)


def test_columns_may_be_series_and_are_not_changed_through_the_chain() -> None:
    bid = np.array([0.02])
    chain = one(bid=bid, ask=pd.Series([0.025]), strike_usd=[99_000])
    with pytest.raises(ValueError, match="read-only"):
        chain.bid[0] = 1.0
    assert chain.strike_usd.dtype == np.float64
    bid[0] = 0.021  # what the caller owns stays writable


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"bid": [0.02, 0.03]}, "bid"),
        ({"ask": ["dear"]}, "ask"),
        ({"discount": [1.0, 1.0]}, "discount"),
        ({"strike_usd": [[1.0]]}, "strike_usd"),
    ],
)
def test_column_that_does_not_fit_is_refused_by_name(
    changes: dict[str, object], field: str
) -> None:
    with pytest.raises(InputError, match=rf"BTC at 2026-01-01T00:00:00Z: {field}: expected a num"):
        one(**changes)


def test_chain_without_rows_is_refused() -> None:
    names = "expiry_ms strike_usd is_call bid ask forward_usd mark_vol_annual".split()
    with pytest.raises(InputError, match="rows: expected at least one option"):
        one(**{name: [] for name in names})


@pytest.mark.parametrize("side", ["put", "P", -1, 2, np.nan, None])
def test_side_that_is_no_truth_value_is_refused_and_not_taken_for_a_call(side: object) -> None:
    with pytest.raises(InputError, match="is_call: expected True or 1 for a call"):
        one(is_call=[side])
