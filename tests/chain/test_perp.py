# SPDX-License-Identifier: Apache-2.0
"""The vault at real Perpetual v2: value and health, refusals, crash, deleveraging, the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chain.perp import (
    ALL,
    E18,
    HEALTH_MIN_BPS,
    INTERVAL_S,
    PRICE_USD,
    SILENCE_S,
    STEP_BPS,
    TAKER,
    UNIT,
    Desk,
)
from tests.contracts.evm import DAY_S, account
from tests.contracts.setting import KEEPER, NEVER, VenueLimit, signers
from tidegate.venues.chain.client import Chain, Refused
from tidegate.venues.chain.perp_v2 import PRICE_LIMIT_S

pytestmark = pytest.mark.chain
PUT = 40_000 * UNIT
ALICE, STRANGER = account("alice"), account("stranger")


@pytest.fixture
def desk(chain: Chain, packages: Path) -> Desk:
    return Desk(chain, packages)


def test_margin_counts_in_full_owes_nothing_and_comes_home_in_full(desk: Desk) -> None:
    assert desk.adapter.state()[:2] == (PUT, NEVER)
    assert desk.home(ALL, PUT) == PUT
    assert desk.adapter.state()[:2] == (0, NEVER)


@pytest.mark.parametrize("coins", [20, -20])
def test_value_and_health_follow_curies_mark_price_and_requirement(desk: Desk, coins: int) -> None:
    desk.trade(coins * E18)
    paid = PUT - desk.value()
    # A tenth of a per cent of 40,000, and what 20 coins move a pool of 5,000 by, on both sides.
    assert 40 * UNIT < paid < 200 * UNIT
    begun = desk.mark()
    for price in (1_900, 2_050):
        desk.move(price)
        mark = desk.mark()
        assert mark == pytest.approx(price, rel=2e-3)
        worth = PUT - paid + coins * (mark - begun) * UNIT
        assert desk.value() == pytest.approx(worth, abs=80 * UNIT)
        required = abs(coins) * mark * 0.0625
        assert desk.health_bps() == pytest.approx(desk.value() / UNIT / required * 10_000, abs=2)


def test_what_a_position_needs_stays_and_the_free_rest_comes_home(desk: Desk) -> None:
    desk.trade(20 * E18)
    desk.move(1_990)
    desk.chain.wait(DAY_S)
    free = int(desk.perp.margin.getFreeCollateral(desk.adapter.address))
    # A second of funding lies between.
    assert desk.home(ALL) == pytest.approx(free, abs=100)
    # What must stay is a tenth, of the price that was paid; the line of liquidation a sixteenth.
    assert desk.health_bps() == pytest.approx(16_000, rel=1e-2)
    desk.move(1_980)
    with pytest.raises(Refused, match="perp: nothing is free"):
        desk.home(ALL)


@pytest.mark.parametrize(
    ("moved", "keys", "why"),
    [(1_000, 1, "vault: too few signatures"), (11_000, 2, "policy: relative venue cap")],
)
def test_illegal_order_is_refused_with_its_reason_and_moves_nothing(
    desk: Desk, moved: int, keys: int, why: str
) -> None:
    desk.setting.limit_venue(desk.adapter, VenueLimit(cap_bps=5_000, health_min_bps=20_000))
    before = desk.setting.vault.idle(), desk.value()
    move = desk.adapter.address, moved * UNIT, 0
    with pytest.raises(Refused, match=why):
        desk.setting.rebalance(move, keys=signers(3)[:keys])
    assert (desk.setting.vault.idle(), desk.value()) == before


def test_trade_that_breaks_the_health_limit_is_refused_before_curie_would(desk: Desk) -> None:
    # Health is 16 over the leverage: eight times is 2.0, and curie itself allows ten.
    with pytest.raises(Refused, match="policy: venue health"):
        desk.trade(162 * E18)
    with pytest.raises(Refused, match="CH_NEFCI"):
        desk.trade(210 * E18)
    desk.trade(120 * E18)
    assert desk.health_bps() >= HEALTH_MIN_BPS


def test_trade_in_another_market_or_by_another_is_refused_by_the_tree(desk: Desk) -> None:
    with pytest.raises(Refused, match="manager: not in the tree"):
        desk.trade(E18, base=desk.dollar.address)
    with pytest.raises(Refused, match="manager: not a strategist"):
        desk.trade(E18, who=STRANGER)


def test_order_home_that_would_break_the_health_limit_is_refused(desk: Desk) -> None:
    desk.trade(80 * E18)
    with pytest.raises(Refused, match="policy: venue health"):
        desk.put(-22_000 * UNIT)
    desk.put(-15_000 * UNIT, 15_000 * UNIT)


@pytest.mark.parametrize("stop", ["capped", "paused"])
def test_what_curie_itself_refuses_is_refused_with_its_code(desk: Desk, stop: str) -> None:
    if stop == "paused":
        desk.perp.margin.pause(sender=desk.owner)
        for amount in (UNIT, -UNIT):
            with pytest.raises(Refused, match="Pausable: paused"):
                desk.put(amount)
        return
    desk.perp.config.setSettlementTokenBalanceCap(0, sender=desk.owner)
    with pytest.raises(Refused, match="V_GTSTBC"):
        desk.put(UNIT)
    assert desk.home(ALL, PUT) == PUT


def test_stranger_deleverages_step_by_step_after_a_crash_until_it_is_healthy(desk: Desk) -> None:
    desk.trade(80 * E18)
    with pytest.raises(Refused, match="keeper: no cause"):
        desk.keeper.act(desk.adapter.address, sender=STRANGER)
    desk.move(1_660)
    sick = desk.adapter.state()
    assert 10_000 < sick[1] < HEALTH_MIN_BPS
    desk.keeper.act(desk.adapter.address, sender=STRANGER)
    assert desk.size() == 60 * E18
    value, health, _ = desk.adapter.state()
    assert health > sick[1]
    # What a step cost: a tenth of a per cent of 33,200, and the pool's slope.
    assert 0 <= sick[0] - value < 33_200 * UNIT * 5 // 1_000
    while desk.health_bps() < HEALTH_MIN_BPS:
        desk.chain.wait(INTERVAL_S)
        desk.set_index(1_660)
        desk.keeper.act(desk.adapter.address, sender=STRANGER)
    desk.chain.wait(INTERVAL_S)
    with pytest.raises(Refused, match="keeper: no cause"):
        desk.keeper.act(desk.adapter.address, sender=STRANGER)


def test_sick_venue_is_topped_up_by_order_though_it_stays_below_the_limit(desk: Desk) -> None:
    desk.trade(80 * E18)
    desk.move(1_640)
    before = desk.health_bps()
    assert before < HEALTH_MIN_BPS
    desk.put(1_000 * UNIT, 999 * UNIT)
    assert before < desk.health_bps() < HEALTH_MIN_BPS


def test_position_past_curies_own_line_is_liquidated_and_what_is_left_comes_home(
    desk: Desk,
) -> None:
    desk.trade(80 * E18)
    desk.move(1_560)
    assert desk.health_bps() < 10_000
    house, before, mark = desk.perp.clearing_house, desk.value(), desk.mark()
    while desk.size():
        given = desk.adapter.address, desk.perp.base.address, desk.size()
        house.call("liquidate(address,address,int256)", *given, sender=TAKER)
    value, health, _ = desk.adapter.state()
    # It is closed at the mark price, for a penalty of 2.5 % of what is closed.
    assert value == pytest.approx(before - 0.025 * 80 * mark * UNIT, abs=20 * UNIT)
    assert (desk.home(ALL, value - 1), health) == (pytest.approx(value, abs=1), NEVER)


@pytest.mark.parametrize("coins", [20, -20])
def test_silent_operators_position_is_closed_to_the_end_and_the_margin_comes_home(
    desk: Desk, coins: int
) -> None:
    _keeper_of(desk, 5_000)
    desk.trade(coins * E18)
    desk.chain.wait(SILENCE_S + 60)
    steps = 0
    while desk.health_bps() != NEVER:
        desk.set_index(PRICE_USD)
        desk.keeper.act(desk.adapter.address, sender=STRANGER)
        desk.chain.wait(INTERVAL_S)
        steps += 1
        assert steps < 80
    assert desk.size() == 0
    value = desk.value()
    desk.keeper.act(desk.adapter.address, sender=STRANGER)
    # Curie counts in 18 decimals, and what it settles is rounded to a unit.
    assert desk.value() == pytest.approx(value / 2, abs=1)
    assert desk.dollar.balanceOf(STRANGER) == 0


def _keeper_of(desk: Desk, step_bps: int) -> None:
    bounds = desk.setting.vault.address, SILENCE_S, INTERVAL_S, step_bps, 500
    desk.keeper = desk.node.deploy("Keeper", *bounds, sender=desk.owner)
    desk.setting.through_timelock(desk.setting.vault, "appoint", KEEPER, desk.keeper.address)


def test_price_pushed_in_one_block_hardly_moves_the_value(desk: Desk) -> None:
    desk.trade(80 * E18)
    desk.move(PRICE_USD)
    before = desk.value()
    desk.push(900)
    # The pool is nine per cent dearer, which would be 14,400; curie's mark is a median of averages.
    assert abs(desk.value() - before) < 160 * UNIT


def test_keeper_neither_passes_curies_price_limit_nor_sells_to_who_pushed_the_price(
    desk: Desk,
) -> None:
    desk.trade(80 * E18)
    desk.move(1_660)
    desk.chain.wait(PRICE_LIMIT_S)
    desk.push(-999)
    with pytest.raises(Refused, match="EX_OPLAS"):
        desk.keeper.act(desk.adapter.address, sender=STRANGER)
    desk.chain.wait(PRICE_LIMIT_S)
    with pytest.raises(Refused, match="vault: below the minimum"):
        desk.keeper.act(desk.adapter.address, sender=STRANGER)
    desk.push(999)
    desk.chain.wait(PRICE_LIMIT_S)
    desk.keeper.act(desk.adapter.address, sender=STRANGER)
    assert desk.size() == 80 * E18 * (10_000 - STEP_BPS) // 10_000


def test_collateral_that_a_stranger_gives_blocks_no_exit_and_is_no_value(desk: Desk) -> None:
    desk.list_coin()
    desk.trade(20 * E18)
    before, mark = desk.adapter.state()[:2], desk.mark()
    desk.give_coin(E18)
    assert desk.adapter.state()[:2] == pytest.approx(before, rel=1e-6)
    assert desk.mark() == mark
    desk.trade(-20 * E18)
    left = desk.value()
    assert desk.perp.margin.getFreeCollateral(desk.adapter.address) > left
    assert desk.home(ALL, left - 1) == pytest.approx(left, abs=1)
    assert desk.value() == 0


def test_market_that_was_closed_is_quit_by_a_stranger_and_the_money_comes_home(desk: Desk) -> None:
    desk.trade(20 * E18)
    base, at = desk.perp.base, desk.adapter.address
    base.pause(sender=desk.owner)
    with pytest.raises(Refused, match="CH_MNO"):
        desk.trade(-20 * E18)
    base.call("close(uint256)", 1_900 * E18, sender=desk.owner)
    value = desk.value()
    desk.perp.clearing_house.quitMarket(at, base.address, sender=STRANGER)
    assert desk.adapter.state()[:2] == (pytest.approx(value, abs=1), NEVER)
    assert desk.home(ALL, value - 1) >= value - 1


def test_holder_leaves_through_curie_by_himself_after_shutdown(desk: Desk) -> None:
    vault = desk.setting.vault
    vault.shut(sender=desk.setting.sentinel)
    shares = int(vault.balanceOf(ALICE))
    vault.requestRedeem(shares, ALICE, ALICE, sender=ALICE)
    desk.chain.wait(DAY_S)
    claim = vault.fulfil(ALICE, shares, [(desk.adapter.address, -PUT, PUT)], 0, sender=ALICE)
    vault.redeem(shares, ALICE, ALICE, sender=ALICE)
    assert desk.dollar.balanceOf(ALICE) == claim == 100_000 * UNIT
