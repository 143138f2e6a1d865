# SPDX-License-Identifier: Apache-2.0
"""A vault with an adapter at real Perpetual v2, a maker there, and a taker who moves its price."""

from __future__ import annotations

from pathlib import Path

from tests.chain.vault import Node, vault_on
from tests.contracts.evm import account
from tests.contracts.setting import KEEPER, MANAGER, NEVER, VenueLimit
from tidegate.venues.chain.client import At, Chain
from tidegate.venues.chain.perp_v2 import (
    PRICE_LIMIT_S,
    TICK_SPACING,
    deploy_perp_v2,
    root_of,
    tick_of,
)

UNIT, E18, DOLLAR = 10**6, 10**18, 10**8
PRICE_USD = 2_000
HEALTH_MIN_BPS = 20_000
SILENCE_S, INTERVAL_S, STEP_BPS, SLIP_BPS = 7 * 86_400, 3_600, 2_500, 500
MAKER, TAKER, STRATEGIST = account("maker"), account("taker"), account("strategist")
WIDTH, SLICE = 12_000, 900
ALL, FIRST_WORD = 10**30, 1


class Desk:
    """Forty thousand dollars as margin at curie, of a hundred; twenty million from a maker."""

    def __init__(self, chain: Chain, packages: Path) -> None:
        self.chain, self.node, self.owner = chain, Node(chain), account("owner")
        named = "Test dollar", "TUSD", 6
        self.dollar = self.node.deploy("TestToken", *named, sender=self.owner)
        self.feed = self.node.deploy("TestPriceFeed", PRICE_USD * DOLLAR, sender=self.owner)
        given = self.owner, self.dollar, self.feed, PRICE_USD
        self.perp = deploy_perp_v2(chain, packages, *given)
        for who, dollars in ((MAKER, 20_000_000), (TAKER, 20_000_000)):
            self._fund(who, dollars * UNIT)
        self._provide()
        self.setting = vault_on(chain, self.dollar, 6)
        places = self.perp.clearing_house, self.perp.margin, self.perp.balances, self.perp.base
        self.adapter: At = self.node.deploy(
            "PerpV2Adapter",
            *(self.dollar.address, self.setting.vault.address),
            *(place.address for place in places),
            sender=self.owner,
        )
        self.setting.add_venue(self.adapter, VenueLimit(health_min_bps=HEALTH_MIN_BPS))
        bounds = self.setting.vault.address, SILENCE_S, INTERVAL_S, STEP_BPS, SLIP_BPS
        self.keeper: At = self.node.deploy("Keeper", *bounds, sender=self.owner)
        self.actions: At = self.node.deploy(
            "ActionManager", self.setting.vault.address, sender=self.owner
        )
        for role, at in ((KEEPER, self.keeper), (MANAGER, self.actions)):
            self.setting.through_timelock(self.setting.vault, "appoint", role, at.address)
        self._allow_trades()
        self.setting.deposit(account("alice"), 100_000 * UNIT)
        self.put(40_000 * UNIT, 40_000 * UNIT)

    def _allow_trades(self) -> None:
        """A tree of one leaf: the strategist may open positions of any size in this one market."""
        data = self._opening(self.perp.base.address, 1)
        at = self.adapter.address, self.perp.clearing_house.address
        leaf = self.actions.leaf(*at, data, FIRST_WORD)
        self.setting.through_timelock(self.actions, "set_root", STRATEGIST, leaf)

    def _opening(self, base: str, coins: int) -> bytes:
        sells = coins < 0
        params = base, sells, sells, abs(coins), 0, NEVER, 0, bytes(32)
        return self.perp.clearing_house.data("openPosition", params)

    def _fund(self, who: str, amount: int) -> None:
        self.dollar.mint(who, amount, sender=who)
        self.dollar.approve(self.perp.margin.address, NEVER, sender=who)
        self.perp.margin.deposit(self.dollar.address, amount, sender=who)

    def _provide(self) -> None:
        middle = tick_of(PRICE_USD)
        ends = [round((middle + w) / TICK_SPACING) * TICK_SPACING for w in (-WIDTH, WIDTH)]
        amounts = 5_000 * E18, 5_000 * PRICE_USD * E18
        params = (self.perp.base.address, *amounts, *ends, 0, 0, False, NEVER)
        self.perp.clearing_house.addLiquidity(params, sender=MAKER)

    def put(self, amount: int, least: int = 0) -> int:
        """Sends it there, or home where it is negative, by a signed order; the gas."""
        self.setting.rebalance((self.adapter.address, amount, least))
        return self.chain.spent

    def home(self, amount: int, least: int = 0) -> int:
        """By the sentinel; what came."""
        vault, before = self.setting.vault, int(self.setting.vault.idle())
        vault.bring_home(self.adapter.address, amount, least, sender=self.setting.sentinel)
        return int(vault.idle()) - before

    def trade(self, coins: int, base: str = "", who: str = STRATEGIST) -> int:
        """Buys so many for the vault, or sells where negative, by an allowed call; the gas."""
        data = self._opening(base or self.perp.base.address, coins)
        at = self.adapter.address, self.perp.clearing_house.address
        self.actions.act(*at, data, FIRST_WORD, [], sender=who)
        return self.chain.spent

    def move(self, price: int, seconds: int = 2_000) -> None:
        """The index goes there, the taker trades the pool there in slices, and time passes."""
        self.set_index(price)
        goal, now = tick_of(price), self.tick()
        while abs(goal - now) > 1:
            step = max(-SLICE, min(SLICE, goal - now))
            self.chain.wait(PRICE_LIMIT_S)
            self._push(now + step)
            now = self.tick()
        self.chain.wait(seconds)
        self.set_index(price)

    def set_index(self, price: int) -> None:
        self.feed.set_price(price * DOLLAR, sender=self.owner)
        self.perp.index.update(sender=self.owner)

    def push(self, ticks: int) -> None:
        """The taker trades the pool up or down by so many hundredths of a per cent."""
        self._push(self.tick() + ticks)

    def _push(self, tick: int) -> None:
        sells = tick < self.tick()
        limit = root_of(1.0001 ** (tick + 0.5))
        params = self.perp.base.address, sells, sells, 10**6 * E18, 0, NEVER, limit, bytes(32)
        self.perp.clearing_house.openPosition(params, sender=TAKER)

    def list_coin(self) -> None:
        """Curie takes a coin as collateral too, at seven tenths of its price."""
        self.coin = self.node.deploy("TestToken", "Test coin", "TETH", 18, sender=self.owner)
        terms = self.perp.index.address, 700_000, 100_000, 10**30
        self.perp.collateral.addCollateral(self.coin.address, terms, sender=self.owner)

    def give_coin(self, amount: int, who: str = account("stranger")) -> None:
        """A stranger puts coins into the adapter's account at curie."""
        self.coin.mint(who, amount, sender=who)
        self.coin.approve(self.perp.margin.address, NEVER, sender=who)
        at = self.adapter.address, self.coin.address
        self.perp.margin.depositFor(*at, amount, sender=who)

    def tick(self) -> int:
        return int(self.perp.pool.slot0()[1])

    def size(self) -> int:
        at = self.adapter.address, self.perp.base.address
        return int(self.perp.balances.getTotalPositionSize(*at))

    def mark(self) -> float:
        """Curie's own mark price in dollars."""
        return float(self.perp.balances.getMarkPrice(self.perp.base.address) / E18)

    def value(self) -> int:
        return int(self.adapter.state()[0])

    def health_bps(self) -> int:
        return int(self.adapter.state()[1])
