# SPDX-License-Identifier: Apache-2.0
"""Dollar coins that are no dollar: told as they move, and converted at what the market says."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulation.small_market import (
    HYPER,
    PASSAGES,
    START,
    STEPS,
    VENUES,
    Desk,
    desk,
    tape,
)
from tidegate.model.errors import InvariantError
from tidegate.model.events import Event, Repriced, TransferLanded
from tidegate.model.times import MINUTE_MS
from tidegate.model.units import MICRO
from tidegate.simulation.exchange import REPRICE_PPM
from tidegate.simulation.tape import Freeze, Tape

PRICES = st.integers(500_000, 1_200_000)
Paths = dict[str, list[int]]


@st.composite
def paths(draw: st.DrawFn) -> Paths:
    """Coins that stand still, creep and jump: a price as each step begins and one at the end."""
    found: Paths = {}
    for coin in ("USDC", "USDT"):
        worth, row = draw(PRICES), []
        for _ in range(STEPS + 1):
            worth += draw(st.sampled_from([0, 0, 100, -300, 600, -20_000, 50_000]))
            row.append(worth)
        found[coin] = row
    return found


def still(micro: int) -> list[int]:
    return [micro] * (STEPS + 1)


def pegged(**stable: list[int]) -> Tape:
    return tape(stable_micro={"USDC": still(MICRO), "USDT": still(MICRO), **stable})


def repriced(events: list[Event]) -> list[Repriced]:
    return [event for event in events if isinstance(event, Repriced)]


def landed(events: list[Event]) -> TransferLanded:
    (event,) = (e for e in events if isinstance(e, TransferLanded))
    return event


@given(paths())
def test_coin_is_told_when_it_has_moved_enough_and_at_the_end_exactly(stable: Paths) -> None:
    book = desk(tape(stable_micro=stable))
    told: dict[str, int] = {}
    for step in range(STEPS):
        events = book.at_step(step + 1)
        for coin, path in stable.items():
            here = [event for event in repriced(events) if event.asset == coin]
            last = told.get(coin, 0)
            worth = path[step + 1]
            far = abs(worth - last) * MICRO > REPRICE_PPM * last
            if far or step == STEPS - 1:
                assert here == [Repriced(START + (step + 1) * MINUTE_MS, coin, worth)]
                told[coin] = worth
            else:
                assert here == []
    assert told == {coin: path[-1] for coin, path in stable.items()}


@pytest.mark.parametrize(("worth", "told"), [(1_000_500, []), (999_500, []), (999_499, [3])])
def test_coin_is_told_beyond_a_twentieth_of_a_percent_and_not_at_it(
    worth: int, told: list[int]
) -> None:
    book = desk(pegged(USDT=[MICRO, MICRO, MICRO, *(worth,) * (STEPS - 2)]))
    ends = [(event.ts_ms - START) // MINUTE_MS for event in repriced(book.at_step(STEPS - 1))]
    assert ends == [1, 1, *told]


@given(paths(), st.lists(st.integers(1, STEPS * MINUTE_MS - 1), max_size=5))
def test_coins_are_told_the_same_however_the_time_is_cut(stable: Paths, cuts: list[int]) -> None:
    whole, cut = (desk(tape(stable_micro=stable)) for _ in range(2))
    whole.at_step(STEPS)
    for offset_ms in sorted(cuts):
        cut.hear(cut.exchange.advance(START + offset_ms))
    cut.at_step(STEPS)
    assert cut.events == whole.events


@given(paths(), st.integers(0, STEPS - 1), st.integers(0, MINUTE_MS - 1))
def test_coin_is_worth_what_it_was_when_the_present_step_began(
    stable: Paths, step: int, offset_ms: int
) -> None:
    book = desk(tape(stable_micro=stable))
    book.at_step(step, offset_ms)
    expected = {coin: path[step] for coin, path in stable.items()}
    assert book.exchange.stable_micro() == expected


def test_coin_at_the_end_of_the_tape_is_worth_what_was_told_there() -> None:
    book = desk(pegged(USDT=[MICRO] * STEPS + [900_000]))
    book.at_step(STEPS)
    assert Repriced(START + STEPS * MINUTE_MS, "USDT", 900_000) in book.events
    assert book.exchange.stable_micro()["USDT"] == 900_000


def sent_and_landed(ends: tuple[str, str], quanta: int, played: Tape) -> tuple[Desk, int]:
    book = desk(played)
    book.deposit(ends[0], 1_000)
    book.send(*ends, quanta)
    return book, quanta - MICRO


@given(st.sampled_from(sorted(PASSAGES)), st.integers(10 * MICRO, 900 * MICRO), PRICES, PRICES)
def test_conversion_gives_what_the_market_says_less_its_cost_rounded_down(
    ends: tuple[str, str], quanta: int, usdc: int, usdt: int
) -> None:
    worth = {"USDC": usdc, "USDT": usdt}
    book, travelled = sent_and_landed(ends, quanta, pegged(USDC=still(usdc), USDT=still(usdt)))
    event = landed(book.at_step(STEPS))
    sent, received = (VENUES[end] for end in ends)
    exact = Fraction(travelled)
    if sent != received:
        exact *= Fraction(9_999, 10_000) * Fraction(worth[sent], worth[received])
    assert event.quanta == exact.numerator // exact.denominator
    assert event.conversion_quanta == travelled - event.quanta


@given(st.integers(50 * MICRO, 900 * MICRO), PRICES, PRICES)
def test_conversion_at_market_prices_loses_its_cost_and_nothing_else(
    quanta: int, usdc: int, usdt: int
) -> None:
    """At the market's prices of both coins, whatever these are; a coin below par is lost where it
    falls, and not where it is exchanged."""
    book, travelled = sent_and_landed(
        ("bin", "hyper"), quanta, pegged(USDC=still(usdc), USDT=still(usdt))
    )
    book.at_step(STEPS)
    cost = travelled * usdt / MICRO / 10_000
    assert -book.ledger.waterfall["conversion"] == pytest.approx(cost, abs=5)


@given(st.lists(PRICES, min_size=2, max_size=2), st.integers(10 * MICRO, 900 * MICRO))
def test_cheaper_coin_brings_no_more_than_a_dearer_one(prices: list[int], quanta: int) -> None:
    found = []
    for usdt in sorted(prices):
        book, _ = sent_and_landed(("bin", "hyper"), quanta, pegged(USDT=still(usdt)))
        found.append(landed(book.at_step(STEPS)).quanta)
    assert found[0] <= found[1]


def test_shipment_is_converted_at_the_price_when_it_lands_and_not_when_it_left() -> None:
    fallen = [MICRO] + [800_000] * STEPS
    book, travelled = sent_and_landed(("bin", "hyper"), 101 * MICRO, pegged(USDT=fallen))
    event = landed(book.at_step(STEPS))
    assert event.ts_ms > START + 2 * MINUTE_MS
    assert event.quanta == travelled * 8_000 * 9_999 // 10**8


def test_shipment_that_lands_inside_a_step_is_converted_at_the_price_as_it_began() -> None:
    """What the coin is worth at the step's end is not known before."""
    probe, _ = sent_and_landed(("bin", "hyper"), 101 * MICRO, pegged())
    landing_step = (landed(probe.at_step(STEPS)).ts_ms - START) // MINUTE_MS
    path = [MICRO] * (landing_step + 1) + [800_000] * (STEPS - landing_step)
    book, travelled = sent_and_landed(("bin", "hyper"), 101 * MICRO, pegged(USDT=path))
    assert landed(book.at_step(STEPS)).quanta == travelled * 9_999 // 10_000


def test_shipment_that_lands_as_a_step_ends_is_converted_at_the_price_told_there() -> None:
    """A freeze ends on the minute at which the coin is told to have fallen."""
    thaw_ms = START + 20 * MINUTE_MS
    freeze = Freeze("hyper", START, thaw_ms)
    fallen = [MICRO] * 20 + [800_000] * (STEPS - 19)
    book, travelled = sent_and_landed(
        ("bin", "hyper"), 101 * MICRO, replace(pegged(USDT=fallen), freezes=(freeze,))
    )
    events = book.at_step(20)
    event = landed(events)
    assert event.ts_ms == repriced(events)[-1].ts_ms == thaw_ms
    assert event.quanta == travelled * 8_000 * 9_999 // 10**8


def test_coin_that_the_tape_does_not_price_is_converted_at_the_mandates_rate() -> None:
    book, travelled = sent_and_landed(("bin", "hyper"), 101 * MICRO, tape())
    assert book.exchange.stable_micro() == {}
    events = book.at_step(STEPS)
    assert landed(events).quanta == travelled * 9_999 // 10_000
    assert not repriced(events)


def test_every_step_of_a_falling_coin_is_a_loss_of_its_own_cause() -> None:
    """Ten thousand USDT from 1 to 0.971 dollars in thousandths: ten dollars a step
    but the first, in which it stands."""
    falling = [MICRO, *(MICRO - 1_000 * step for step in range(STEPS))]
    book = desk(pegged(USDT=falling))
    book.deposit("bin", 10_000)
    book.deposit("hyper", 5_000)
    book.trade(HYPER, 10)
    losses = [0]
    for step in range(1, STEPS + 1):
        book.at_step(step)
        losses.append(book.ledger.waterfall.get("stable:USDT", 0))
    assert losses[:2] == [0, 0]
    assert [after - before for before, after in pairwise(losses[1:])] == [-10 * MICRO] * (STEPS - 1)
    assert book.ledger.equity_micro == (10_000 - 290 + 5_000) * MICRO


@pytest.mark.parametrize("prices", [STEPS - 1, STEPS, STEPS + 2])
def test_tape_without_a_price_for_every_steps_begin_and_the_end_is_refused(prices: int) -> None:
    with pytest.raises(InvariantError, match="USDT: prices do not cover the tape"):
        pegged(USDT=[MICRO] * prices)


@pytest.mark.parametrize(("offset_ms", "worth"), [(-1, MICRO), (0, 700_000), (1, 700_000)])
def test_shipment_is_converted_at_its_own_landing_time_however_far_one_looks_ahead(
    offset_ms: int, worth: int
) -> None:
    """One call plays all steps, and one plays each: the price is that of when the money landed."""
    thaw_ms = START + 20 * MINUTE_MS + offset_ms
    played = pegged(USDT=[MICRO] * 20 + [700_000] * 5 + [500_000] * (STEPS - 24))
    played = replace(played, freezes=(Freeze("hyper", START, thaw_ms),))
    whole, travelled = sent_and_landed(("bin", "hyper"), 101 * MICRO, played)
    event = landed(whole.at_step(STEPS))
    assert (event.ts_ms, event.quanta) == (thaw_ms, travelled * worth * 9_999 // 10**10)
    stepwise, _ = sent_and_landed(("bin", "hyper"), 101 * MICRO, played)
    for step in range(STEPS):
        stepwise.at_step(step + 1)
    assert landed(stepwise.events) == event
