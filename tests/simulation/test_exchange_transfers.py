# SPDX-License-Identifier: Apache-2.0
"""Transfers debit now and credit later; a freeze holds money where it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulation.small_market import HYPER, PASSAGES, START, STEPS, VENUES, Desk, desk, tape
from tidegate.model.events import TransferLanded, TransferRefused, TransferSent
from tidegate.model.times import MINUTE_MS
from tidegate.model.units import MICRO
from tidegate.simulation.books import draw
from tidegate.simulation.tape import Freeze

END = START + STEPS * MINUTE_MS


def wallet(book: Desk, venue: str) -> int:
    return book.exchange.account(venue).balances.get(VENUES[venue], 0)


@given(
    st.sampled_from(sorted(PASSAGES)),
    st.integers(10 * MICRO, 1_000 * MICRO),
    st.integers(0, 50),
)
def test_transfer_debits_now_and_credits_later_the_amount_less_fee_and_conversion(
    ends: tuple[str, str], quanta: int, seed: int
) -> None:
    source, destination = ends
    book = desk(seed=seed)
    book.deposit(source, 1_000)
    (sent,) = book.send(source, destination, quanta)
    assert isinstance(sent, TransferSent)
    assert wallet(book, source) == 1_000 * MICRO - quanta
    assert wallet(book, destination) == 0
    assert sent.fee_quanta == MICRO
    landed = [e for e in book.at_step(STEPS) if isinstance(e, TransferLanded)]
    passage = PASSAGES[ends]
    latency_ms = int(1_000 * passage.latency_quantile_s(draw(seed, sent.id)))
    if START + latency_ms > END:
        assert not landed
        assert wallet(book, destination) == 0
        return
    converted = VENUES[source] != VENUES[destination]
    expected = (quanta - MICRO) * 9_999 // 10_000 if converted else quanta - MICRO
    (event,) = landed
    assert event.ts_ms == START + latency_ms
    assert wallet(book, destination) == event.quanta == expected
    assert event.conversion_quanta == quanta - MICRO - expected


def test_money_in_flight_is_credited_at_its_time_and_not_a_millisecond_before() -> None:
    probe = desk()
    probe.deposit("hyper", 1_000)
    probe.send("hyper", "bin", 100 * MICRO)
    (landed,) = probe.at_step(STEPS)
    again = desk()
    again.deposit("hyper", 1_000)
    again.send("hyper", "bin", 100 * MICRO)
    again.hear(again.exchange.advance(landed.ts_ms - 1))
    assert wallet(again, "bin") == 0
    again.hear(again.exchange.advance(landed.ts_ms))
    assert wallet(again, "bin") > 0


@pytest.mark.parametrize(
    ("source", "destination", "quanta", "reason"),
    [
        ("hyper", "bin", 10 * MICRO - 1, "below the minimum"),
        ("hyper", "bin", -50 * MICRO, "below the minimum"),
        ("hyper", "bin", 101 * MICRO, "more than is withdrawable"),
        ("hyper", "hyper", 50 * MICRO, "no such route"),
        ("nowhere", "bin", 50 * MICRO, "no such route"),
    ],
)
def test_transfer_that_may_not_leave_is_refused_with_its_reason_and_nothing_moves(
    source: str, destination: str, quanta: int, reason: str
) -> None:
    book = desk()
    book.deposit("hyper", 100)
    (event,) = book.send(source, destination, quanta)
    assert isinstance(event, TransferRefused)
    assert event.reason == reason
    assert wallet(book, "hyper") == 100 * MICRO
    assert not book.at_step(STEPS)


def test_money_that_margins_a_position_does_not_leave() -> None:
    # 100 lots are 6,000 dollars: the venue keeps a tenth, more than the initial margin of 300.
    book = desk()
    book.deposit("hyper", 1_000)
    book.trade(HYPER, 100)
    (refused,) = book.send("hyper", "bin", 400 * MICRO + 1)
    assert isinstance(refused, TransferRefused)
    (sent,) = book.send("hyper", "bin", 400 * MICRO)
    assert isinstance(sent, TransferSent)


def test_frozen_source_refuses_withdrawals_from_its_first_instant_until_its_end() -> None:
    freeze = Freeze("hyper", START + MINUTE_MS, START + 2 * MINUTE_MS)
    book = desk(tape(freezes=(freeze,)))
    book.deposit("hyper", 1_000)
    outcomes = []
    for offset_ms in (MINUTE_MS - 1, MINUTE_MS, 2 * MINUTE_MS - 1, 2 * MINUTE_MS):
        book.hear(book.exchange.advance(START + offset_ms))
        outcomes.append(type(book.send("hyper", "bin", 50 * MICRO)[0]))
        frozen = ("hyper",) if freeze.holds(START + offset_ms) else ()
        assert book.exchange.frozen_venues() == frozen
    assert outcomes == [TransferSent, TransferRefused, TransferRefused, TransferSent]


def test_frozen_destination_credits_when_the_last_of_its_joined_freezes_ends() -> None:
    first = Freeze("bin", START, START + 20 * MINUTE_MS)
    second = Freeze("bin", START + 15 * MINUTE_MS, START + 25 * MINUTE_MS)
    calm, frozen = desk(), desk(tape(freezes=(first, second)))
    for book in (calm, frozen):
        book.deposit("hyper", 1_000)
        book.send("hyper", "bin", 100 * MICRO)
    (early,), (late,) = calm.at_step(STEPS), frozen.at_step(STEPS)
    assert isinstance(early, TransferLanded)
    assert isinstance(late, TransferLanded)
    assert early.ts_ms < START + 20 * MINUTE_MS
    assert late.ts_ms == START + 25 * MINUTE_MS
    assert late.quanta == early.quanta


def test_freeze_does_not_stop_trading() -> None:
    book = desk(tape(freezes=(Freeze("hyper", START, END),)))
    book.deposit("hyper", 1_000)
    book.trade(HYPER, 10)
    assert book.exchange.account("hyper").positions[HYPER.id].lots == 10


def test_latency_is_drawn_from_seed_and_name_alone() -> None:
    draws = {draw(seed, "t1") for seed in range(50)}
    assert len(draws) == 50
    assert all(0 < drawn < 1 for drawn in draws)
    assert draw(3, "t1") == draw(3, "t1")
