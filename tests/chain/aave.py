# SPDX-License-Identifier: Apache-2.0
"""A vault with an adapter at real Aave v3, and a stranger who borrows there."""

from __future__ import annotations

from pathlib import Path

from tests.chain.vault import Node, vault_on
from tests.contracts.evm import account
from tests.contracts.setting import KEEPER, NEVER, BookLimit, VenueLimit
from tidegate.venues.chain.aave_v3 import VARIABLE_RATE, Reserve, deploy_aave_v3
from tidegate.venues.chain.client import At, Chain

UNIT, E18, DOLLAR = 10**6, 10**18, 10**8
SILENCE_S, INTERVAL_S, STEP_BPS, SLIP_BPS = 7 * 86_400, 3_600, 1_000, 100
COIN_USD = 2_000
ALL = 10**30


class Bank:
    """A hundred thousand dollars of alice, sixty of them lent; at most seventy per cent may be."""

    def __init__(self, chain: Chain, packages: Path) -> None:
        self.chain, self.node, owner = chain, Node(chain), account("owner")
        self.dollar = self._token("Test dollar", "TUSD", 6)
        self.coin = self._token("Test coin", "TETH", 18)
        self.coin_feed = self.node.deploy("TestPriceFeed", COIN_USD * DOLLAR, sender=owner)
        dollar_feed = self.node.deploy("TestPriceFeed", DOLLAR, sender=owner)
        reserves = Reserve(self.dollar, dollar_feed, 6), Reserve(self.coin, self.coin_feed, 18)
        self.aave = deploy_aave_v3(chain, packages, owner, reserves)
        self.a_token = self.aave.a_tokens[self.dollar.address]
        self.setting = vault_on(chain, self.dollar, 6)
        at = self.dollar.address, self.setting.vault.address
        pool = self.aave.pool.address, self.a_token.address
        self.adapter = self.node.deploy("AaveV3Adapter", *at, *pool, sender=owner)
        self.setting.add_venue(self.adapter, VenueLimit(cap_bps=7_000))
        bounds = self.setting.vault.address, SILENCE_S, INTERVAL_S, STEP_BPS, SLIP_BPS
        self.keeper = self.node.deploy("Keeper", *bounds, sender=owner)
        self.setting.through_timelock(self.setting.vault, "appoint", KEEPER, self.keeper.address)
        self.setting.limit_book(BookLimit(idle_min_bps=1_000))
        self.setting.deposit(account("alice"), 100_000 * UNIT)
        self.put(60_000 * UNIT, 60_000 * UNIT)

    def _token(self, name: str, symbol: str, decimals: int) -> At:
        return self.node.deploy("TestToken", name, symbol, decimals, sender=account("owner"))

    def put(self, amount: int, least: int = 0) -> int:
        """Sends it there, or home where it is negative, by a signed order; the gas."""
        self.setting.rebalance((self.adapter.address, amount, least))
        return self.chain.spent

    def borrow(self, dollars: int, who: str = account("borrower")) -> None:
        """A stranger pledges coins worth double and borrows."""
        coins, pool = 2 * dollars * E18 // (COIN_USD * UNIT), self.aave.pool
        for token, amount in ((self.coin, coins), (self.dollar, 0)):
            token.mint(who, amount, sender=who)
            token.approve(pool.address, NEVER, sender=who)
        pool.supply(self.coin.address, coins, who, 0, sender=who)
        pool.borrow(self.dollar.address, dollars, VARIABLE_RATE, 0, who, sender=who)

    def repay(self, dollars: int, who: str = account("borrower")) -> None:
        self.dollar.mint(who, dollars, sender=who)
        at = self.dollar.address
        self.aave.pool.repay(at, dollars, VARIABLE_RATE, who, sender=who)

    def home(self, amount: int, least: int = 0) -> int:
        """By the sentinel; what came."""
        vault, before = self.setting.vault, int(self.setting.vault.idle())
        vault.bring_home(self.adapter.address, amount, least, sender=self.setting.sentinel)
        return int(vault.idle()) - before

    def value(self) -> int:
        return int(self.adapter.state()[0])
