# SPDX-License-Identifier: Apache-2.0
"""What each venue does to an account below maintenance, step by step."""

from __future__ import annotations

from hypothesis import given

from tests.margin.books import BTC, CLEARANCE, ETH, account, binance, books, bought, hyperliquid
from tidegate.margin.linear import LinearCross
from tidegate.model.account import Account, Position
from tidegate.model.units import MICRO

PRICE = 600_000
MARKS = {BTC.id: PRICE, ETH.id: 300_000}
# Notionals 1.2M, 90k and 60k: maintenance in the table STEEP is 1,250 + 22,500 + 10,000 and less.
LARGE, SMALL = bought(BTC, 20_000, PRICE), bought(ETH, 3_000, 300_000)


def below(rule: LinearCross, positions: dict[str, Position], share: float) -> Account:
    """The account whose equity is a share of its maintenance requirement."""
    _, maintenance = rule.health_at(account(0, positions), MARKS)
    return account(int(share * maintenance), positions)


@given(books())
def test_solvent_account_is_left_alone(book: tuple[Account, dict[str, int]]) -> None:
    held, marks = book
    for rule in (hyperliquid(), binance()):
        healthy = rule.state(held, marks).health >= 0
        for attempt in (0, 1, 5):
            step = rule.liquidation_step(held, marks, attempt)
            assert (step is None) == (healthy or (rule == binance() and not held.positions))


def test_binance_closes_nothing_of_a_debt_that_no_position_stands_behind() -> None:
    assert binance().liquidation_step(account(-1, {}), MARKS, 0) is None


def test_hyperliquid_first_sells_a_fifth_of_positions_above_100k_and_all_of_the_others() -> None:
    rule = hyperliquid()
    held = below(rule, {BTC.id: LARGE, ETH.id: SMALL}, 0.9)
    step = rule.liquidation_step(held, MARKS, 0)
    assert step is not None
    assert step.closes == ((BTC.id, -4_000), (ETH.id, -3_000))
    assert not step.takeover
    assert not step.clearance_ppm


def test_hyperliquid_buys_back_a_fifth_of_a_short_rounded_up() -> None:
    rule = hyperliquid()
    held = below(rule, {BTC.id: bought(BTC, -20_001, PRICE)}, 0.9)
    step = rule.liquidation_step(held, MARKS, 0)
    assert step is not None
    assert step.closes == ((BTC.id, 4_001),)


def test_hyperliquid_after_the_cooldown_closes_all() -> None:
    rule = hyperliquid()
    held = below(rule, {BTC.id: LARGE, ETH.id: SMALL}, 0.9)
    step = rule.liquidation_step(held, MARKS, 1)
    assert step is not None
    assert step.closes == ((BTC.id, -20_000), (ETH.id, -3_000))


def test_hyperliquid_position_of_exactly_100k_is_closed_at_once_and_above_it_in_parts() -> None:
    rule = hyperliquid()
    short = {ETH.id: bought(ETH, -5_000, 200_000)}
    for ticks, closed in ((200_000, 5_000), (200_001, 1_000)):
        held = account(1_200 * MICRO, short)
        step = rule.liquidation_step(held, {ETH.id: ticks}, 0)
        assert step is not None
        assert step.closes == ((ETH.id, closed),)


def test_hyperliquid_takes_over_below_two_thirds_of_maintenance_and_not_at_two_thirds() -> None:
    rule = hyperliquid()
    _, maintenance = rule.health_at(account(0, {BTC.id: LARGE}), MARKS)
    assert maintenance % 3 == 0
    at = rule.liquidation_step(account(maintenance * 2 // 3, {BTC.id: LARGE}), MARKS, 0)
    under = rule.liquidation_step(account(maintenance * 2 // 3 - 1, {BTC.id: LARGE}), MARKS, 0)
    assert at is not None
    assert under is not None
    assert (at.takeover, under.takeover) == (False, True)
    assert not under.closes


def test_binance_cuts_the_largest_requirement_to_the_tier_below_and_charges_clearance() -> None:
    rule = binance()
    held = below(rule, {BTC.id: LARGE, ETH.id: SMALL}, 0.9)
    step = rule.liquidation_step(held, MARKS, 0)
    assert step is not None
    ((name, closed),) = step.closes
    assert name == BTC.id
    kept = LARGE.lots + closed
    floor = rule.tiers[BTC.id].at(BTC.notional(LARGE.lots, PRICE)).floor
    assert BTC.notional(kept, PRICE) <= floor < BTC.notional(kept + 1, PRICE)
    assert step.clearance_ppm == CLEARANCE


def test_binance_in_the_first_tier_closes_and_bankrupt_closes_everything() -> None:
    rule = binance()
    small = {ETH.id: bought(ETH, -3_000, 300_000)}
    step = rule.liquidation_step(below(rule, small, 0.9), MARKS, 3)
    assert step is not None
    assert step.closes == ((ETH.id, 3_000),)
    both = account(0, {BTC.id: LARGE, ETH.id: SMALL})
    step = rule.liquidation_step(both, MARKS, 0)
    assert step is not None
    assert dict(step.closes) == {BTC.id: -LARGE.lots, ETH.id: -SMALL.lots}


@given(books())
def test_each_binance_step_leaves_a_smaller_position_in_a_lower_tier(
    book: tuple[Account, dict[str, int]],
) -> None:
    held, marks = book
    rule = binance()
    step = rule.liquidation_step(held, marks, 0)
    if step is None:
        return
    for name, closed in step.closes:
        lots = held.positions[name].lots
        kept = lots + closed
        assert abs(kept) < abs(lots)
        assert kept * lots >= 0
        instrument = rule.instruments[name]
        tier = rule.tiers[name].at(instrument.notional(lots, marks[name]))
        assert kept == 0 or instrument.notional(kept, marks[name]) <= tier.floor
