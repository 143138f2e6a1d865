# SPDX-License-Identifier: Apache-2.0
"""The adapter of Lyra v1 against a double with the published ABI; the real market needs a node."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.evm import DAY_S, At, Evm, Refused, account
from tests.contracts.setting import KEEPER, MANAGER, NEVER, Setting, VenueLimit, new_vault

pytestmark = pytest.mark.contracts
E18 = 10**18
LONG_CALL, LONG_PUT, SHORT_CALL_BASE, SHORT_CALL, SHORT_PUT = range(5)
CASH = 50_000 * E18
ORDINARY, FORCED_LONG, FORCED_SHORT, REQUIRED = 250 * E18, 200 * E18, 300 * E18, 600 * E18
GAP_BPS, SLIP_BPS = 2_000, 100
ALL = 10**30


class Counter:
    """Fifty thousand with the adapter, at a market whose prices the test sets."""

    def __init__(self) -> None:
        evm = Evm()
        token = evm.deploy("TestToken", "Test dollar", "TUSD", 18, sender=account("owner"))
        self.setting: Setting = new_vault(evm, token, 18)
        setting = self.setting
        self.market: At = evm.deploy(
            "tests/contracts/sources/LyraDouble.vy",
            *(token.address, evm.now_s + 28 * DAY_S),
            sender=setting.owner,
        )
        token.mint(self.market.address, 10**6 * E18, sender=setting.owner)
        self.prices(FORCED_LONG)
        self.adapter = self.made()
        setting.add_venue(self.adapter, VenueLimit(health_min_bps=11_000, age_max_s=3_600))
        for role, name in ((MANAGER, "manager"), (KEEPER, "keeper")):
            setting.through_timelock(setting.vault, "appoint", role, account(name))
        setting.deposit(account("alice"), 200_000 * E18)
        setting.rebalance((self.adapter.address, CASH, CASH))

    def made(self, gap_bps: int = GAP_BPS, slip_bps: int = SLIP_BPS) -> At:
        setting = self.setting
        return setting.evm.deploy(
            "LyraV1Adapter",
            *(setting.token.address, setting.vault.address, (self.market.address,) * 7),
            *(gap_bps, slip_bps),
            sender=setting.owner,
        )

    def prices(self, forced: int, ordinary: int = ORDINARY, required: int = REQUIRED) -> None:
        self.market.set_market(ordinary, forced, required, sender=self.setting.owner)

    def act(self, data: bytes, target: At | None = None) -> None:
        to = (target or self.market).address
        self.setting.vault.act(self.adapter.address, to, data, sender=account("manager"))

    def call(self, name: str, *args: Any) -> None:
        self.act(self.market.data(name, *args))

    def open(self, kind: int, amount: int = E18, collateral: int = 0, number: int = 0) -> int:
        self.call("openPosition", (1, number, 1, kind, amount, collateral, 0, NEVER))
        return int(self.adapter.positions()[-1])

    def home(self, amount: int, least: int = 0) -> int:
        vault, before = self.setting.vault, self.setting.vault.idle()
        vault.bring_home(self.adapter.address, amount, least, sender=self.setting.sentinel)
        return int(vault.idle()) - int(before)

    def deleverage(self, share_bps: int) -> None:
        vault = self.setting.vault
        vault.deleverage(self.adapter.address, share_bps, 0, sender=account("keeper"))

    def state(self) -> Any:
        return self.adapter.state()

    def now_s(self) -> int:
        return self.setting.evm.now_s


@pytest.fixture
def counter() -> Counter:
    return Counter()


def test_money_that_waits_counts_as_it_is(counter: Counter) -> None:
    assert counter.state() == (CASH, NEVER, counter.now_s())
    assert counter.home(CASH, CASH) == CASH
    assert counter.state() == (0, NEVER, counter.now_s())


def test_long_counts_at_its_forced_close_and_owes_nothing(counter: Counter) -> None:
    counter.open(LONG_CALL, 2 * E18)
    assert counter.state() == (CASH - 2 * ORDINARY + 2 * FORCED_LONG, NEVER, counter.now_s())


def test_short_counts_at_its_collateral_less_the_forced_close(counter: Counter) -> None:
    counter.prices(FORCED_SHORT)
    counter.open(SHORT_PUT, 2 * E18, 2_000 * E18)
    value = CASH + 2 * ORDINARY - 2 * FORCED_SHORT
    assert counter.state() == (value, 2_000 * 10_000 // 1_200, counter.now_s())


def test_health_is_that_of_the_weakest_short(counter: Counter) -> None:
    counter.prices(FORCED_SHORT)
    counter.open(SHORT_PUT, E18, 1_500 * E18)
    counter.open(SHORT_CALL, E18, 900 * E18)
    counter.open(LONG_CALL)
    assert counter.state()[1] == 15_000


def test_short_never_counts_below_nothing_and_is_left_to_lyra(counter: Counter) -> None:
    counter.open(SHORT_PUT, E18, 700 * E18)
    counter.prices(900 * E18, ordinary=850 * E18)
    cash = CASH + ORDINARY - 700 * E18
    assert counter.state()[0] == cash
    with pytest.raises(Refused, match="lyra: nothing to close"):
        counter.deleverage(10_000)
    assert counter.home(ALL, cash) == cash


@pytest.mark.parametrize("kind", [LONG_CALL, LONG_PUT, SHORT_CALL, SHORT_PUT])
def test_way_home_is_ordinary_where_it_may_and_by_force_where_it_must(
    counter: Counter, kind: int
) -> None:
    short = kind >= SHORT_CALL_BASE
    counter.prices(FORCED_SHORT if short else FORCED_LONG)
    counter.open(kind, 2 * E18, 2_000 * E18 * short)
    value = counter.state()[0]
    assert counter.home(10_000 * E18 + CASH // 2) == 10_000 * E18 + CASH // 2
    snapshot = counter.setting.evm.raw.snapshot()
    assert counter.home(ALL, value - 35_000 * E18) == value - 35_000 * E18 + 100 * E18
    counter.setting.evm.raw.revert(snapshot)
    counter.prices(FORCED_SHORT if short else FORCED_LONG, ordinary=0)
    assert counter.home(ALL) == value - 35_000 * E18
    assert list(counter.adapter.positions()) == []


@pytest.mark.parametrize("asked", [1, 7, 10**18 + 1, 123_456_789_012_345_678_901])
def test_way_home_brings_what_was_asked_for_to_the_unit(counter: Counter, asked: int) -> None:
    counter.prices(FORCED_LONG, ordinary=FORCED_LONG)
    counter.open(LONG_CALL, 3 * E18 + 1)
    counter.home(counter.setting.held(counter.adapter.address))
    assert counter.home(asked, asked) == asked


def test_close_that_is_worse_than_the_value_by_more_than_the_slip_is_not_made(
    counter: Counter,
) -> None:
    counter.open(LONG_CALL, 2 * E18)
    counter.prices(FORCED_LONG, ordinary=FORCED_LONG * 98 // 100)
    value = counter.state()[0]
    # The ordinary close is refused, and the forced one brings what was told.
    assert counter.home(ALL, value) == value


def test_part_of_the_way_home_closes_that_share_of_everything_and_keeps_health(
    counter: Counter,
) -> None:
    counter.prices(FORCED_SHORT)
    short = counter.open(SHORT_PUT, 4 * E18, 4_000 * E18)
    counter.prices(FORCED_LONG)
    long = counter.open(LONG_CALL, 4 * E18)
    counter.home(counter.setting.held(counter.adapter.address))
    value, health, _ = counter.state()
    assert counter.home(value // 2, value // 2) == value // 2
    assert [counter.market.positions(i)[3] for i in (short, long)] == [2 * E18, 2 * E18]
    assert counter.state()[1] == health


def test_deleveraging_closes_the_share_of_every_short_and_no_long(counter: Counter) -> None:
    short, long = counter.open(SHORT_PUT, 4 * E18, 4_000 * E18), counter.open(LONG_CALL, 4 * E18)
    counter.prices(FORCED_SHORT)
    value = counter.state()[0]
    counter.deleverage(2_500)
    assert [counter.market.positions(i)[3:5] for i in (short, long)] == [
        (3 * E18, 4_000 * E18),
        (4 * E18, 0),
    ]
    assert counter.state()[:2] == (value + FORCED_SHORT - ORDINARY, 4_000 * 10_000 // 1_800)
    counter.deleverage(10_000)
    assert counter.state()[1] == NEVER
    with pytest.raises(Refused, match="lyra: nothing to close"):
        counter.deleverage(10_000)


def test_deleveraging_without_money_beside_is_paid_from_the_collateral(counter: Counter) -> None:
    number = counter.open(SHORT_PUT, 4 * E18, 4_000 * E18)
    counter.prices(FORCED_SHORT)
    counter.home(counter.setting.held(counter.adapter.address))
    counter.deleverage(5_000)
    amount, collateral = counter.market.positions(number)[3:5]
    assert amount == 2 * E18
    assert collateral == 4_000 * E18 - 2 * FORCED_SHORT * (10_000 + SLIP_BPS) // 10_000
    assert counter.state()[0] == 4_000 * E18 - 2 * ORDINARY - 2 * FORCED_SHORT


@pytest.mark.parametrize("vol", [79, 121])
def test_vol_that_left_its_average_makes_the_value_as_old_as_the_average(
    counter: Counter, vol: int
) -> None:
    counter.open(LONG_CALL)
    counter.market.set_vols(vol * E18 // 100, E18, sender=counter.setting.owner)
    assert counter.state()[2] == counter.now_s() - DAY_S
    with pytest.raises(Refused, match="vault: stale report"):
        counter.setting.deposit(account("bob"), E18)
    with pytest.raises(Refused, match="policy: report age"):
        counter.setting.rebalance((counter.adapter.address, E18, 0))
    assert counter.home(E18) == E18
    counter.market.set_vols(81 * E18 // 100, E18, sender=counter.setting.owner)
    assert counter.state()[2] == counter.now_s()


def test_market_that_is_paused_does_not_answer_and_gives_its_waiting_money_back(
    counter: Counter,
) -> None:
    counter.open(LONG_CALL)
    counter.market.set_paused(True, sender=counter.setting.owner)
    with pytest.raises(Refused, match="double: paused"):
        counter.state()
    cash = CASH - ORDINARY
    assert counter.home(cash) == cash


def test_expired_board_is_unknown_until_it_is_settled_and_then_comes_home(
    counter: Counter,
) -> None:
    counter.open(LONG_CALL)
    counter.open(SHORT_PUT, E18, 1_000 * E18)
    cash = counter.setting.held(counter.adapter.address)
    counter.setting.evm.wait(28 * DAY_S)
    assert counter.state() == (cash, NEVER, 0)
    assert counter.home(ALL) == cash
    with pytest.raises(Refused, match="lyra: nothing comes home"):
        counter.home(ALL)
    cash = 0
    counter.market.settle(2_100 * E18, sender=counter.setting.owner)
    assert counter.state() == (cash + 1_100 * E18, NEVER, counter.now_s())
    assert counter.home(ALL, cash + 1_100 * E18) == cash + 1_100 * E18
    assert list(counter.adapter.positions()) == []


def test_option_that_ended_without_worth_makes_room_for_another(counter: Counter) -> None:
    numbers = [counter.open(LONG_CALL) for _ in range(6)]
    counter.market.settle(1_900 * E18, sender=counter.setting.owner)
    assert counter.open(LONG_PUT) == numbers[-1] + 1
    assert list(counter.adapter.positions()) == [numbers[-1] + 1]


def test_liquidated_position_counts_at_what_came_back(counter: Counter) -> None:
    number = counter.open(SHORT_PUT, E18, 1_000 * E18)
    cash = counter.setting.held(counter.adapter.address)
    counter.market.liquidate(number, 500 * E18, sender=counter.setting.owner)
    assert counter.state() == (cash + 500 * E18, NEVER, counter.now_s())
    counter.open(LONG_CALL)
    assert list(counter.adapter.positions()) == [number + 1]


def test_position_of_another_does_not_count_and_cannot_be_touched(counter: Counter) -> None:
    giver = account("giver")
    counter.setting.give(giver, 10_000 * E18)
    counter.setting.token.approve(counter.market.address, NEVER, sender=giver)
    order = (1, 0, 1, SHORT_PUT, E18, 1_000 * E18, 0, NEVER)
    number = counter.market.openPosition(order, sender=giver)[0]
    with pytest.raises(Refused, match="lyra: unknown position"):
        counter.call("addCollateral", number, E18)
    with pytest.raises(Refused, match="lyra: unknown position"):
        counter.open(SHORT_PUT, E18, 2_000 * E18, number)


def test_own_position_grows_and_is_backed_by_allowed_calls(counter: Counter) -> None:
    number = counter.open(SHORT_PUT, E18, 1_000 * E18)
    counter.open(SHORT_PUT, E18, 2_000 * E18, number)
    counter.call("addCollateral", number, 100 * E18)
    assert counter.market.positions(number)[3:5] == (2 * E18, 2_100 * E18)
    assert list(counter.adapter.positions()) == [number]
    assert counter.setting.token.allowance(counter.adapter.address, counter.market.address) == 0


def test_calls_to_others_and_other_calls_are_refused(counter: Counter) -> None:
    setting, market = counter.setting, counter.market
    with pytest.raises(Refused, match="lyra: foreign target"):
        counter.act(setting.token.data("approve", account("thief"), 1), setting.token)
    with pytest.raises(Refused, match="lyra: foreign call"):
        counter.call("settleOptions", [1])
    with pytest.raises(Refused, match="lyra: foreign call"):
        counter.act(market.data("closePosition", (1, 1, 1, 0, 1, 0, 0, 0)) + bytes(32))
    with pytest.raises(Refused, match="lyra: base collateral"):
        counter.open(SHORT_CALL_BASE)


def test_seventh_position_is_refused(counter: Counter) -> None:
    for _ in range(6):
        counter.open(LONG_PUT)
    with pytest.raises(Refused, match="lyra: too many positions"):
        counter.open(LONG_PUT)
    assert counter.home(ALL, counter.state()[0]) > 0


def test_nothing_there_is_said(counter: Counter) -> None:
    counter.home(CASH)
    with pytest.raises(Refused, match="lyra: nothing comes home"):
        counter.home(1)


@pytest.mark.parametrize(
    ("bounds", "reason"),
    [((0, 1), "lyra: gap"), ((10_000, 1), "lyra: gap"), ((1, 10_000), "lyra: slip")],
)
def test_adapter_without_bounds_cannot_be_made(
    counter: Counter, bounds: tuple[int, int], reason: str
) -> None:
    with pytest.raises(Refused, match=reason):
        counter.made(*bounds)


def test_adapter_of_an_asset_with_other_decimals_cannot_be_made(counter: Counter) -> None:
    owner = counter.setting.owner
    counter.setting.token = counter.setting.evm.deploy("TestToken", "T", "T", 6, sender=owner)
    with pytest.raises(Refused, match="lyra: decimals"):
        counter.made()
