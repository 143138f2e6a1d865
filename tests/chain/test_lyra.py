# SPDX-License-Identifier: Apache-2.0
"""Options of the vault in a real Lyra v1 market: their value, who can move it, the way home."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chain.lyra import (
    E18,
    EXPIRES_S,
    LONG_CALL,
    LONG_PUT,
    SHORT_CALL,
    SHORT_CALL_BASE,
    SHORT_PUT,
    SLIP_BPS,
    Desk,
)
from tests.contracts.evm import DAY_S, account
from tests.contracts.setting import KEEPER, MANAGER, NEVER, BookLimit
from tidegate.venues.chain.client import Chain, Refused

pytestmark = pytest.mark.chain
ALL, CASH = 10**30, 50_000 * E18
KINDS = [LONG_CALL, LONG_PUT, SHORT_CALL, SHORT_PUT]
COLLATERAL = {SHORT_CALL: 3_000 * E18, SHORT_PUT: 1_200 * E18}


@pytest.fixture
def desk(chain: Chain, packages: Path) -> Desk:
    return Desk(chain, packages)


def held(desk: Desk, who: str) -> int:
    return int(desk.lyra.quote.balanceOf(who))


@pytest.mark.parametrize("kind", KINDS)
def test_ordinary_close_brings_what_the_value_says_or_more(desk: Desk, kind: int) -> None:
    desk.open(kind, 2 * E18, 2 * COLLATERAL.get(kind, 0))
    value = desk.value()
    # Bought at the ask and valued at a forced close; a short has its premium as collateral.
    assert 0.99 * CASH < value < CASH
    assert desk.home(ALL, value) >= value
    assert desk.adapter.state() == (0, NEVER, desk.chain.now_s)
    assert list(desk.adapter.positions()) == []


@pytest.mark.parametrize(
    ("kind", "strike", "spot"),
    [(LONG_CALL, 2, 2_700), (LONG_PUT, 3, 1_400), (SHORT_CALL, 3, 1_500), (SHORT_PUT, 2, 2_700)],
)
def test_value_is_what_a_real_forced_close_gives(
    desk: Desk, kind: int, strike: int, spot: int
) -> None:
    lyra, collateral = desk.lyra, 2 * COLLATERAL.get(kind, 0)
    number = desk.open(kind, E18, collateral, strike)
    lyra.spot(spot)
    cash = held(desk, desk.adapter.address)
    placed = desk.value() - cash
    desk.call("forceClosePosition", (strike, number, 1, kind, E18, 0, 0, NEVER))
    came = held(desk, desk.adapter.address) - cash
    assert came == pytest.approx(placed, rel=0.002)


def test_stranger_who_pushes_vols_up_raises_no_value_and_nobody_buys_in(desk: Desk) -> None:
    desk.open(LONG_CALL, 2 * E18)
    before, attacker = desk.value(), account("attacker")
    for _ in range(3):
        desk.lyra.trade("openPosition", attacker, (2, 0, 1, LONG_CALL, 40 * E18, 0, 0, NEVER))
        assert desk.value() <= before
    assert 0 < desk.adapter.state()[2] <= desk.chain.now_s - DAY_S
    bob = account("bob")
    desk.lyra.quote.mint(bob, E18, sender=desk.lyra.owner)
    desk.lyra.quote.approve(desk.setting.vault.address, NEVER, sender=bob)
    with pytest.raises(Refused, match="vault: stale report"):
        desk.setting.vault.deposit(E18, bob, sender=bob)
    with pytest.raises(Refused, match="policy: report age"):
        desk.setting.rebalance((desk.adapter.address, E18, 0))
    assert desk.home(E18) == E18


def test_stranger_who_pushes_vols_down_lowers_the_value_and_nobody_buys_in(desk: Desk) -> None:
    desk.open(LONG_CALL, 2 * E18)
    before, attacker = desk.value(), account("attacker")
    for _ in range(3):
        order = 2, 0, 1, SHORT_CALL, 30 * E18, 90_000 * E18, 0, NEVER
        desk.lyra.trade("openPosition", attacker, order)
    assert desk.value() < before
    assert desk.adapter.state()[2] <= desk.chain.now_s - DAY_S


def test_pushed_vols_raise_no_short_either(desk: Desk) -> None:
    desk.open(SHORT_PUT, 2 * E18, 2_400 * E18)
    before, attacker = desk.value(), account("attacker")
    desk.lyra.trade("openPosition", attacker, (2, 0, 1, LONG_CALL, 20 * E18, 0, 0, NEVER))
    assert desk.value() < before
    order = 2, 0, 1, SHORT_CALL, 60 * E18, 180_000 * E18, 0, NEVER
    desk.lyra.trade("openPosition", attacker, order)
    assert desk.value() <= before


def test_sandwich_of_a_keepers_step_loses_the_attacker_more_than_it_costs_the_vault(
    desk: Desk,
) -> None:
    setting, attacker = desk.setting, account("attacker")
    desk.open(SHORT_CALL, 4 * E18, 4_000 * E18)
    keeper = _keeper(desk)
    desk.lyra.spot(2_200)
    snapshot = desk.chain.rpc("evm_snapshot")
    keeper.act(desk.adapter.address, sender=setting.stranger)
    honest = desk.setting.total()
    desk.chain.rpc("evm_revert", snapshot)
    order = 2, 0, 1, LONG_CALL, 20 * E18, 0, 0, NEVER
    number, paid, _ = desk.lyra.trade("openPosition", attacker, order)
    keeper.act(desk.adapter.address, sender=attacker)
    order = 2, number, 1, LONG_CALL, 20 * E18, 0, 0, NEVER
    _, got, _ = desk.lyra.trade("closePosition", attacker, order)
    lost = honest - desk.setting.total()
    assert lost < 60 * E18
    assert got < paid - 10 * lost


def _keeper(desk: Desk) -> object:
    setting = desk.setting
    keeper = desk.node.deploy(
        "Keeper", setting.vault.address, 30 * DAY_S, 3_600, 2_500, 100, sender=setting.owner
    )
    setting.through_timelock(setting.vault, "appoint", KEEPER, keeper.address)
    return keeper


def test_crash_makes_a_short_sick_and_a_stranger_calls_the_keeper_until_it_is_well(
    desk: Desk,
) -> None:
    setting, keeper = desk.setting, _keeper(desk)
    desk.open(SHORT_PUT, 5 * E18, 4_500 * E18)
    assert desk.health_bps() > 13_000
    with pytest.raises(Refused, match="keeper: no cause"):
        keeper.act(desk.adapter.address, sender=setting.stranger)
    desk.lyra.spot(1_600)
    assert 10_000 < desk.health_bps() < 11_000
    value = desk.value()
    keeper.act(desk.adapter.address, sender=setting.stranger)
    assert desk.health_bps() >= 11_000
    # A close that is not forced is cheaper than what the value said.
    assert desk.value() >= value


def test_deleveraging_without_money_beside_is_paid_from_the_collateral(desk: Desk) -> None:
    number = desk.open(SHORT_PUT, 5 * E18, 6_000 * E18)
    assert desk.home(held(desk, desk.adapter.address)) > 0
    before = desk.health_bps()
    desk.setting.through_timelock(desk.setting.vault, "appoint", KEEPER, account("keeper"))
    desk.setting.vault.deleverage(desk.adapter.address, 5_000, 0, sender=account("keeper"))
    _, _, _, amount, collateral, _ = desk.lyra.token.positions(number)
    assert amount == 5 * E18 // 2
    assert 5_000 * E18 < collateral < 6_000 * E18
    assert desk.health_bps() > before


def test_part_of_the_way_home_closes_a_share_of_everything_and_keeps_health(desk: Desk) -> None:
    desk.open(LONG_CALL, 4 * E18)
    desk.open(SHORT_PUT, 5 * E18, 6_000 * E18)
    cash, health = held(desk, desk.adapter.address), desk.health_bps()
    placed = desk.value() - cash
    asked = cash + placed // 2
    assert desk.home(asked, asked * 98 // 100) <= asked
    assert desk.health_bps() >= health - 1
    numbers = desk.adapter.positions()
    amounts = [desk.lyra.token.positions(number)[3] for number in numbers]
    assert [round(amount / E18, 2) for amount in amounts] == [2.0, 2.5]


def test_close_beyond_the_slip_of_the_value_is_refused_whole(desk: Desk) -> None:
    desk.open(SHORT_CALL, 4 * E18, 12_000 * E18)
    value = desk.value()
    for _ in range(2):
        order = 2, 0, 1, LONG_CALL, 40 * E18, 0, 0, NEVER
        desk.lyra.trade("openPosition", account("attacker"), order)
    assert desk.value() < value
    with pytest.raises(Refused, match="vault: too little came home"):
        desk.home(ALL, value)
    assert desk.home(ALL, desk.value() * (10_000 - SLIP_BPS) // 10_000) > 0


def test_position_that_a_stranger_liquidates_counts_at_what_comes_back(desk: Desk) -> None:
    number = desk.open(SHORT_PUT, 5 * E18, 4_500 * E18)
    desk.lyra.spot(1_400)
    assert desk.health_bps() < 10_000
    before = desk.value()
    stranger = account("liquidator")
    desk.lyra.market.liquidatePosition(number, stranger, sender=stranger)
    assert desk.value() == held(desk, desk.adapter.address)
    assert 0.97 * before < desk.value() < before
    assert desk.home(ALL) > 0
    assert list(desk.adapter.positions()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_expired_board_is_unknown_until_anybody_settles_it_and_then_comes_home(
    desk: Desk, kind: int
) -> None:
    number = desk.open(kind, E18, COLLATERAL.get(kind, 0))
    cash = held(desk, desk.adapter.address)
    desk.chain.wait(EXPIRES_S)
    assert desk.adapter.state() == (cash, NEVER, 0)
    assert desk.home(ALL) == cash
    cash = 0
    desk.lyra.spot(2_300)
    desk.lyra.market.settleExpiredBoard(1, sender=account("anybody"))
    pays = {LONG_CALL: 300, LONG_PUT: 0, SHORT_CALL: 2_700, SHORT_PUT: 1_200}[kind] * E18
    assert desk.adapter.state() == (cash + pays, NEVER, desk.chain.now_s)
    assert pays == 0 or desk.home(ALL, pays) == pays
    # What pays nothing is forgotten when something else is done.
    assert list(desk.adapter.positions()) == ([] if pays else [number])


def test_position_that_a_stranger_sends_here_does_not_count_and_cannot_be_touched(
    desk: Desk,
) -> None:
    giver, before = account("giver"), desk.adapter.state()[:2]
    number, _, _ = desk.lyra.trade(
        "openPosition", giver, (2, 0, 1, SHORT_PUT, E18, 1_000 * E18, 0, NEVER)
    )
    desk.lyra.token.transferFrom(giver, desk.adapter.address, number, sender=giver)
    assert desk.adapter.state()[:2] == before
    with pytest.raises(Refused, match="lyra: unknown position"):
        desk.call("addCollateral", number, E18)


def test_calls_to_others_and_calls_that_lead_elsewhere_are_refused(desk: Desk) -> None:
    lyra = desk.lyra
    with pytest.raises(Refused, match="lyra: foreign target"):
        desk.call("addCollateral", 1, 1, target=lyra.token)
    with pytest.raises(Refused, match="lyra: foreign call"):
        desk.call("liquidatePosition", 1, account("thief"))
    longer = lyra.market.data("closePosition", (1, 1, 1, 0, 1, 0, 0, 0)) + bytes(32)
    with pytest.raises(Refused, match="lyra: foreign call"):
        desk.act(lyra.market, longer)
    with pytest.raises(Refused, match="lyra: base collateral"):
        desk.open(SHORT_CALL_BASE, E18, E18)
    setting = desk.setting
    setting.through_timelock(setting.vault, "appoint", KEEPER, account("keeper"))
    with pytest.raises(Refused, match="lyra: nothing to close"):
        setting.vault.deleverage(desk.adapter.address, 1, 0, sender=account("keeper"))


def test_short_below_the_policys_health_is_refused_and_one_above_is_taken(desk: Desk) -> None:
    with pytest.raises(Refused, match="policy: venue health"):
        desk.open(SHORT_PUT, 5 * E18, 3_500 * E18)
    desk.open(SHORT_PUT, 5 * E18, 3_700 * E18)


def test_seventh_position_is_refused_and_six_can_come_home_at_once(desk: Desk) -> None:
    for _ in range(6):
        desk.open(LONG_PUT, E18)
    with pytest.raises(Refused, match="lyra: too many positions"):
        desk.open(LONG_PUT, E18)
    assert desk.home(ALL, desk.value()) > 0


def test_strategist_may_open_what_is_in_his_tree_and_the_policy_says_how_much(desk: Desk) -> None:
    setting, adapter, market = desk.setting, desk.adapter.address, desk.lyra.market
    manager = desk.node.deploy("ActionManager", setting.vault.address, sender=setting.owner)
    setting.through_timelock(setting.vault, "appoint", MANAGER, manager.address)
    opens = market.data("openPosition", (2, 0, 1, LONG_PUT, E18, 0, 0, NEVER))
    leaf = manager.leaf(adapter, market.address, opens, 0)
    strategist = account("strategist")
    setting.through_timelock(manager, "set_root", strategist, leaf)
    setting.limit_book(BookLimit(loss_max_bps=10))
    manager.act(adapter, market.address, opens, 0, [], sender=strategist)
    many = market.data("openPosition", (2, 0, 1, LONG_PUT, 5 * E18, 0, 0, NEVER))
    with pytest.raises(Refused, match="policy: loss"):
        manager.act(adapter, market.address, many, 0, [], sender=strategist)
    closes = market.data("closePosition", (2, 1, 1, LONG_PUT, E18, 0, 0, NEVER))
    with pytest.raises(Refused, match="manager: not in the tree"):
        manager.act(adapter, market.address, closes, 0, [], sender=strategist)


def test_gas_is_within_what_the_document_says(desk: Desk) -> None:
    desk.open(LONG_CALL, E18)
    assert desk.chain.spent < 1_600_000
    desk.open(SHORT_PUT, E18, 1_200 * E18)
    assert desk.chain.spent < 1_800_000
    desk.home(ALL)
    assert desk.chain.spent < 2_200_000


def test_market_has_no_leave_to_take_money_outside_a_call(desk: Desk) -> None:
    desk.open(SHORT_PUT, E18, 1_200 * E18)
    desk.home(ALL)
    assert desk.lyra.quote.allowance(desk.adapter.address, desk.lyra.market.address) == 0
