# SPDX-License-Identifier: Apache-2.0
"""A venue that counts collateral at less, and one whose clients all ask for their money."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.simulation.small_market import BIN, HYPER, START, STEPS, desk, tape
from tidegate.model.events import LiquidationStarted, TransferLanded
from tidegate.model.times import MINUTE_MS
from tidegate.model.units import MICRO
from tidegate.simulation.tape import Rush

BAD, WORST_PPM = 10, 50_000
DISCOUNT = tuple(WORST_PPM if step == BAD else MICRO for step in range(STEPS))


def liquidations(**more: object) -> list[LiquidationStarted]:
    """Of a long lot of 60,000 dollars on 6,000 dollars of collateral, at a price that stands."""
    book = desk(tape(**more))
    book.deposit("bin", 6_000)
    book.trade(BIN, 1_000)
    return [e for e in book.at_step(STEPS) if isinstance(e, LiquidationStarted)]


def test_account_is_liquidated_where_its_venue_counts_collateral_below_maintenance() -> None:
    (started,) = liquidations(counted_ppm={"bin": DISCOUNT})
    assert started.ts_ms == START + BAD * MINUTE_MS
    assert started.equity_quanta == 6_000 * WORST_PPM
    assert started.equity_quanta < started.maintenance_quanta


def test_discount_of_another_venue_touches_no_account() -> None:
    assert liquidations(counted_ppm={"hyper": DISCOUNT}) == []


def test_statement_counts_collateral_at_the_steps_discount_and_balances_in_full() -> None:
    book = desk(tape(counted_ppm={"hyper": DISCOUNT}))
    book.deposit("hyper", 100)
    book.at_step(BAD)
    assert book.exchange.margin("hyper").equity == 100 * WORST_PPM
    assert book.exchange.account("hyper").balances == {"USDC": 100 * MICRO}
    book.at_step(BAD + 1)
    assert book.exchange.margin("hyper").equity == 100 * MICRO


@given(st.integers(1, MICRO), st.integers(-(10**12), 10**12))
def test_what_is_owed_is_never_counted_at_less(ppm: int, quanta: int) -> None:
    counted = tape(counted_ppm={"bin": (ppm,) * STEPS}).counted("bin", 0, {"USDT": quanta})["USDT"]
    assert counted == (quanta if quanta <= 0 else quanta * ppm // MICRO)


def landed_ms(asked_step: int, *rushes: Rush) -> int:
    """When money asked for at a step lands, on the same draw of its latency."""
    book = desk(tape(rushes=rushes))
    book.deposit("hyper", 1_000)
    book.at_step(asked_step)
    book.send("hyper", "bin", 100 * MICRO)
    (landed,) = (e for e in book.at_step(STEPS) if isinstance(e, TransferLanded))
    return landed.ts_ms


def test_who_asks_later_in_a_rush_waits_longer_and_after_it_nobody_waits() -> None:
    rush = Rush("hyper", START, START + 10 * MINUTE_MS, 5 * MINUTE_MS)
    waits = [(landed_ms(at, rush) - landed_ms(at)) / MINUTE_MS for at in (0, 4, 8, 10)]
    assert waits == [0, 2, 4, 0]


def test_rush_at_another_venue_delays_nothing() -> None:
    rush = Rush("bin", START, START + 10 * MINUTE_MS, 5 * MINUTE_MS)
    assert landed_ms(5, rush) == landed_ms(5)


def test_hedge_at_the_other_venue_lives_through_the_discount() -> None:
    book = desk(tape(counted_ppm={"bin": DISCOUNT}))
    for venue, instrument, lots in (("bin", BIN, 1_000), ("hyper", HYPER, -1_000)):
        book.deposit(venue, 6_000)
        book.trade(instrument, lots)
    started = [e for e in book.at_step(STEPS) if isinstance(e, LiquidationStarted)]
    assert [e.venue for e in started] == ["bin"]
    assert book.exchange.account("hyper").positions[HYPER.id].lots == -1_000
