# SPDX-License-Identifier: Apache-2.0
"""Forwards and discounts from put-call parity, and the violations that are planted in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pricing.made_chains import DAYS, FORWARD_USD, TS_MS, made_chain, rows
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS
from tidegate.pricing.option_chain import OptionChain
from tidegate.pricing.parity import ExpiryParity, ForwardSource, forwards, parity, with_forwards

MONTH_MS = TS_MS + 30 * DAY_MS


def discounted(chain: OptionChain, discount: float) -> OptionChain:
    """The chain with prices paid in a currency that is worth less at expiry."""
    return replace(chain, bid=discount * chain.bid, ask=discount * chain.ask, discount=discount)


@settings(max_examples=20)
@given(st.floats(0.97, 1.03), st.floats(0.9, 1.0), st.booleans())
def test_forward_and_discount_of_the_prices_are_found_whatever_the_venue_says(
    ratio: float, discount: float, inverse: bool
) -> None:
    made = discounted(made_chain(inverse=inverse), discount)
    chain = replace(made, forward_usd=ratio * made.forward_usd)
    found = parity(chain)
    assert [row.expiry_years * 365 for row in found] == pytest.approx(DAYS)
    for row in found:
        assert row.strikes == 21
        assert row.forward_usd == pytest.approx(FORWARD_USD, rel=1e-9)
        assert row.discount == pytest.approx(discount, rel=1e-7)
        assert row.reference_usd == pytest.approx(ratio * FORWARD_USD)
        assert 0.0 < row.forward_error_usd < 200.0
        assert row.discount_error > 0.0


def moved_by(chain: OptionChain, strike: float, change: float) -> ExpiryParity:
    """What parity says after the call of a strike became dearer, its spread as it was."""
    row = (chain.strike_usd == strike) & chain.is_call
    bid, ask = chain.bid + change * row, chain.ask + change * row
    return parity(replace(chain, bid=bid, ask=ask))[0]


@pytest.mark.parametrize("inverse", [True, False])
def test_errors_are_those_that_half_spreads_lead_to(inverse: bool) -> None:
    """Error propagation: the root of the sum over strikes of (slope times half spread) squared."""
    made = discounted(made_chain(days=(30,), strikes=7, inverse=inverse), 0.9)
    chain = replace(made, forward_usd=1.02 * made.forward_usd)
    unit = 1.0 if inverse else 1.02 * FORWARD_USD
    squares, step = np.zeros(2), 1e-6
    for strike in np.unique(chain.strike_usd):
        up, down = (moved_by(chain, strike, sign * step * unit) for sign in (1.0, -1.0))
        rises = (up.forward_usd - down.forward_usd, up.discount - down.discount)
        spread = np.sum((chain.ask - chain.bid)[chain.strike_usd == strike]) / unit
        squares += (np.array(rises) / (2.0 * step) * spread / 2.0) ** 2
    (found,) = parity(chain)
    errors = (found.forward_error_usd, found.discount_error)
    assert errors == pytest.approx(np.sqrt(squares), rel=1e-6)


@pytest.mark.parametrize("inverse", [True, False])
def test_chain_without_contradiction_has_no_violation(inverse: bool) -> None:
    for row in parity(discounted(made_chain(inverse=inverse), 0.95)):
        assert (row.parity_violations, row.box_violations) == (0, 0)
        assert (row.worst_parity, row.worst_box) == (0.0, 0.0)
        assert row.boxes == 21 * 20 // 2


@pytest.mark.parametrize("inverse", [True, False])
def test_one_call_that_is_too_dear_violates_parity_once_and_every_box_on_it(inverse: bool) -> None:
    chain = made_chain(inverse=inverse)
    row = int(np.flatnonzero((chain.expiry_ms == MONTH_MS) & chain.is_call)[10])
    unit = 1.0 if inverse else FORWARD_USD
    bid, ask = chain.bid.copy(), chain.ask.copy()
    bid[row] += 0.05 * unit
    ask[row] += 0.05 * unit
    found = {part.expiry_ms: part for part in parity(replace(chain, bid=bid, ask=ask))}
    planted = found.pop(MONTH_MS)
    assert (planted.parity_violations, planted.box_violations) == (1, 20)
    width = (ask[row] - bid[row] + ask[row + 1] - bid[row + 1]) / unit
    assert planted.worst_parity == pytest.approx(0.05 - width / 2.0, rel=1e-6)
    assert planted.worst_box == pytest.approx(0.05 - width, rel=0.5)
    assert all(part.parity_violations == part.box_violations == 0 for part in found.values())


def test_forward_of_the_venue_that_is_off_violates_parity_but_no_box() -> None:
    chain = made_chain(spread_vol=0.001)
    off = replace(chain, forward_usd=1.01 * chain.forward_usd)
    for row in parity(off):
        assert row.parity_violations > 0
    (month,) = (row for row in parity(off) if row.expiry_ms == MONTH_MS)
    assert month.worst_parity == pytest.approx(0.01, abs=0.006)


def test_future_is_believed_before_parity_and_parity_before_the_venue() -> None:
    chain = made_chain()
    thin = chain.expiry_ms == TS_MS + DAY_MS
    kept = rows(chain, ~thin | (np.cumsum(thin) <= 4))
    off = replace(kept, forward_usd=np.full(kept.bid.size, 91_000.0))
    curve = {point.expiry_ms: point for point in forwards(off, {MONTH_MS: 90_500.0})}
    assert curve[MONTH_MS].source is ForwardSource.FUTURE
    assert curve[MONTH_MS].forward_usd == 90_500.0
    assert curve[TS_MS + DAY_MS].source is ForwardSource.VENUE
    assert curve[TS_MS + DAY_MS].forward_usd == 91_000.0
    assert curve[TS_MS + 7 * DAY_MS].source is ForwardSource.PARITY
    assert curve[TS_MS + 7 * DAY_MS].forward_usd == pytest.approx(FORWARD_USD)
    applied = with_forwards(off, tuple(curve.values()))
    assert set(applied.forward_usd[applied.expiry_ms == MONTH_MS]) == {90_500.0}
    assert np.array_equal(applied.bid, off.bid, equal_nan=True)


@pytest.mark.parametrize(
    ("strikes", "source"), [(2, ForwardSource.VENUE), (3, ForwardSource.PARITY)]
)
def test_parity_is_believed_from_three_strikes_on(strikes: int, source: ForwardSource) -> None:
    (point,) = forwards(made_chain(days=(30,), strikes=strikes))
    assert point.source is source


def test_quotes_without_both_sides_say_nothing() -> None:
    chain = made_chain(days=(30,))
    bare = replace(chain, bid=np.where(chain.is_call, np.nan, chain.bid))
    (row,) = parity(bare)
    assert (row.strikes, row.boxes) == (0, 0)
    assert np.isnan([row.forward_usd, row.discount]).all()
    (point,) = forwards(bare)
    assert point.source is ForwardSource.VENUE


@pytest.mark.parametrize("none", [0.0, -9e9, np.inf, np.nan])
def test_rows_without_a_forward_have_no_say_in_the_venue_s(none: float) -> None:
    made = made_chain(days=(30,), strikes=5)
    most = np.arange(made.bid.size) >= 3
    (row,) = parity(replace(made, forward_usd=np.where(most, none, made.forward_usd)))
    assert row.reference_usd == FORWARD_USD


def test_expiry_without_a_forward_has_no_parity_and_says_so() -> None:
    made = made_chain(days=(30,))
    (row,) = parity(replace(made, forward_usd=np.full(made.bid.size, np.nan)))
    assert np.isnan([row.reference_usd, row.forward_usd, row.forward_error_usd]).all()
    assert (row.strikes, row.boxes) == (0, 0)


def test_expired_options_are_left_out() -> None:
    chain = made_chain(days=(1, 30))
    later = replace(chain, ts_ms=TS_MS + 2 * DAY_MS)
    assert [row.expiry_ms for row in parity(later)] == [MONTH_MS]
    assert [row.expiry_ms for row in parity(replace(chain, ts_ms=TS_MS + DAY_MS))] == [MONTH_MS]


@settings(max_examples=10)
@given(st.sampled_from([1e-6, 1e-3, 7.0]), st.booleans())
def test_parity_of_a_coin_of_another_price_is_that_price_times_the_same(
    scale: float, inverse: bool
) -> None:
    chain = made_chain(days=(30,), strikes=5, inverse=inverse)
    unit = 1.0 if inverse else scale
    other = replace(
        chain,
        strike_usd=scale * chain.strike_usd,
        forward_usd=scale * chain.forward_usd,
        bid=unit * chain.bid,
        ask=unit * chain.ask,
    )
    (one,), (found,) = parity(chain), parity(other)
    assert found.reference_usd == pytest.approx(scale * one.reference_usd)
    assert found.forward_usd == pytest.approx(scale * one.forward_usd)
    assert found.forward_error_usd == pytest.approx(scale * one.forward_error_usd)
    assert found.discount == pytest.approx(one.discount)
    assert (found.strikes, found.parity_violations) == (5, 0)


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf")])
def test_future_without_a_positive_price_is_refused(price: float) -> None:
    with pytest.raises(InputError, match="2026-01-31T00:00:00Z: price: expected a positive"):
        parity(made_chain(), {MONTH_MS: price})
