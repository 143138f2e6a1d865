# SPDX-License-Identifier: Apache-2.0
"""Funding is paid by whoever holds at the stamp; interest accrues by the day."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulation.small_market import (
    BIN,
    CALM,
    HYPER,
    LOT_QUANTA,
    PRICE,
    START,
    STEPS,
    desk,
    tape,
    terms,
)
from tidegate.model.errors import InvariantError
from tidegate.model.events import FundingPaid, YieldAccrued
from tidegate.model.times import DAY_MS, MINUTE_MS, SECOND_MS
from tidegate.model.units import MICRO, RATE_E12
from tidegate.simulation.exchange import Exchange
from tidegate.simulation.tape import FundingStamp, Tape

RATE = 10**8  # one basis point


def stamp(ts_ms: int, rate_e12: int = RATE) -> FundingStamp:
    return FundingStamp(ts_ms, HYPER.id, rate_e12)


@pytest.mark.parametrize(
    ("stamp_offset_ms", "pays"), [(SECOND_MS, True), (0, False), (-SECOND_MS, False)]
)
def test_fill_before_the_stamp_pays_and_at_or_after_it_does_not(
    stamp_offset_ms: int, pays: bool
) -> None:
    filled_ms = START + 5 * MINUTE_MS
    book = desk(tape(funding=[stamp(filled_ms + stamp_offset_ms)]))
    book.deposit("hyper", 6_000)
    book.at_step(5)
    book.trade(HYPER, 100)
    book.at_step(STEPS)
    payments = [event for event in book.events if isinstance(event, FundingPaid)]
    assert [event.quanta for event in payments] == ([100 * LOT_QUANTA // 10_000] if pays else [])


@pytest.mark.parametrize("side", [-1, 1])
def test_position_closed_before_the_stamp_pays_nothing_and_after_it_has_paid(side: int) -> None:
    stamp_ms = START + 5 * MINUTE_MS + SECOND_MS
    for close_step, expected in ((5, 0), (6, 1)):
        book = desk(tape(funding=[stamp(stamp_ms)]))
        book.deposit("hyper", 6_000)
        book.trade(HYPER, side * 100)
        book.at_step(close_step)
        book.trade(HYPER, -side * 100)
        book.at_step(STEPS)
        assert sum(isinstance(event, FundingPaid) for event in book.events) == expected


@given(st.integers(-400, 400).filter(bool), st.integers(-(10**10), 10**10))
def test_payment_is_size_times_price_times_rate_rounded_against_us_and_long_pays_short(
    lots: int, rate_e12: int
) -> None:
    book = desk(tape(funding=[stamp(START + MINUTE_MS, rate_e12)]))
    book.deposit("hyper", 100_000)
    book.trade(HYPER, lots)
    (paid,) = book.at_step(1)
    assert isinstance(paid, FundingPaid)
    exact = Fraction(lots * LOT_QUANTA * rate_e12, RATE_E12)
    assert paid.quanta == -(-exact.numerator // exact.denominator)
    assert book.exchange.account("hyper").balances["USDC"] == 100_000 * MICRO - paid.quanta


def test_hourly_rate_of_the_published_example_is_paid_to_the_quantum() -> None:
    # Hyperliquid's funding page: oracle 10,000 and 0.11875 % an hour cost 11.875 dollars a coin.
    at_10_000 = replace(
        CALM,
        open=(100_000,) * STEPS,
        high=(100_000,) * STEPS,
        low=(100_000,) * STEPS,
        close=(100_000,) * STEPS,
    )
    played = tape({HYPER.id: at_10_000}, [stamp(START + MINUTE_MS, 1_187_500_000)])
    book = desk(played)
    book.deposit("hyper", 10_000)
    book.trade(HYPER, 1_000)
    (paid,) = book.at_step(1)
    assert isinstance(paid, FundingPaid)
    assert paid.quanta == 11_875_000


@given(st.lists(st.integers(1, STEPS * MINUTE_MS - 1), max_size=5))
def test_funding_inside_a_step_is_the_same_however_the_time_is_cut(cuts: list[int]) -> None:
    """A stamp is paid on the mark that stood at the stamp, never on a later one."""
    moving = replace(CALM, close=tuple(PRICE + 100 * step for step in range(STEPS)))
    funding = [stamp(START + 7 * MINUTE_MS + k * 25 * SECOND_MS) for k in range(10)]
    whole, cut = (desk(tape({HYPER.id: moving}, funding)) for _ in range(2))
    for book in (whole, cut):
        book.deposit("hyper", 6_000)
        book.trade(HYPER, 10)
        book.send("hyper", "bin", 100 * MICRO)
    whole.at_step(STEPS)
    for offset_ms in sorted(cuts):
        cut.hear(cut.exchange.advance(START + offset_ms))
    cut.at_step(STEPS)
    assert cut.events == whole.events
    paid = [event for event in whole.events if isinstance(event, FundingPaid)]
    expected = [PRICE + 100 * ((event.ts_ms - START) // MINUTE_MS - 1) for event in paid]
    assert [event.ticks for event in paid] == expected
    assert len(paid) == 10


def test_funding_that_is_not_in_time_order_is_refused() -> None:
    with pytest.raises(InvariantError, match="not in time order"):
        tape(funding=[stamp(START + 2), stamp(START + 1)])


@pytest.mark.parametrize("column", ["open", "mark_high", "mark_low", "mark_close", "vol_daily"])
def test_track_with_a_short_column_is_refused(column: str) -> None:
    track = replace(CALM.track(), **{column: (PRICE,) * (STEPS - 1)})
    with pytest.raises(InvariantError, match="does not cover the tape"):
        Tape(START, MINUTE_MS, STEPS, {HYPER.id: track}, ())


def test_idle_yield_accrues_by_the_day_on_the_collateral_rounded_down() -> None:
    charged = terms(yields={"hyper": Fraction(73, 1_000), "bin": Fraction(0)})
    tracks = {
        name: replace(
            track,
            **{c: tuple(getattr(track, c))[:3] for c in track.__slots__ if c != "half_spread"},
        )
        for name, track in tape().tracks.items()
    }
    exchange = Exchange(Tape(START, DAY_MS, 3, tracks, ()), charged, 1)
    exchange.deposit("hyper", "USDC", 1_000 * MICRO)
    events = exchange.advance(START + 2 * DAY_MS)
    # 7.3 % a year on 1,000 dollars is 20 cents a day, then 20 cents and 40 microdollars.
    assert events == [
        YieldAccrued(START + DAY_MS, "hyper", "USDC", 200_000),
        YieldAccrued(START + 2 * DAY_MS, "hyper", "USDC", 200_040),
    ]


def test_funding_of_one_venue_touches_no_other() -> None:
    book = desk(tape(funding=[FundingStamp(START + MINUTE_MS, BIN.id, RATE)]))
    for venue in ("hyper", "bin"):
        book.deposit(venue, 6_000)
    book.trade(HYPER, 100)
    assert not book.at_step(STEPS)
