# SPDX-License-Identifier: Apache-2.0
"""A real Uniswap v3 pool of a dollar and a coin, others' liquidity in it, and ours beside."""

from __future__ import annotations

from pathlib import Path

from tests.chain.vault import Node, vault_on
from tests.contracts.evm import account
from tests.contracts.setting import VenueLimit
from tests.contracts.uniswap import E18, GAP_BPS, UNIT
from tidegate.venues.chain.client import At, Chain
from tidegate.venues.chain.uniswap_v3 import deploy_uniswap_v3

WINDOW_S, BLOCK_S = 1_800, 12
PRICE_USD, WIDTH, OTHERS_WIDTH = 2_000, 6_000, 10_020
OTHERS_USD = 4 * 10**7


class Market:
    """Two thousand dollars a coin, eighty million dollars' worth of others' liquidity."""

    def __init__(self, chain: Chain, packages: Path) -> None:
        self.chain, self.owner, self.node = chain, account("owner"), Node(chain)
        self.dollar = self._token("Test dollar", "TUSD", 6)
        self.coin = self._token("Test coin", "TETH", 18)
        pair, price = (self.dollar, self.coin), (PRICE_USD * UNIT, E18)
        self.uniswap = deploy_uniswap_v3(chain, packages, self.owner, pair, price)
        self.pool, self.dollar_is_1 = self.uniswap.pool, self.uniswap.dollar_is_1
        self.pool.increaseObservationCardinalityNext(WINDOW_S // BLOCK_S + 2, sender=self.owner)
        self.ends = self.uniswap.around(WIDTH)
        other, dollars = account("other provider"), OTHERS_USD * UNIT
        coins = OTHERS_USD * E18 // PRICE_USD
        self.dollar.mint(other, 2 * dollars, sender=other)
        self.coin.mint(other, 2 * coins, sender=other)
        self.uniswap.provide(other, dollars, coins, OTHERS_WIDTH)
        # Each of two trades in two blocks is remembered, and then the window has to pass.
        self.trade(UNIT)
        self.trade(-UNIT)
        chain.wait(WINDOW_S)

    def _token(self, name: str, symbol: str, decimals: int) -> At:
        return self.node.deploy("TestToken", name, symbol, decimals, sender=self.owner)

    def trade(self, dollars: int, trader: str = account("trader")) -> int:
        """Buys the coin for dollars, or sells it for about so many; what came out."""
        if dollars > 0:
            self.dollar.mint(trader, dollars, sender=trader)
            return self.uniswap.swap(trader, self.dollar, dollars)
        coins = -dollars * E18 // (PRICE_USD * UNIT)
        self.coin.mint(trader, coins, sender=trader)
        return self.uniswap.swap(trader, self.coin, coins)

    def push(self, bps: int, trader: str = account("trader")) -> None:
        """Trades until the coin is dearer by that many hundredths of a per cent than at first."""
        target = self.uniswap.root_at(bps)
        dearer = (target > self.uniswap.root_now()) == self.dollar_is_1
        sold = self.dollar if dearer else self.coin
        amount = 10**9 * (UNIT if dearer else E18)
        sold.mint(trader, amount, sender=trader)
        self.uniswap.swap(trader, sold, amount, target)


class Beach:
    """A vault with a million and an adapter in a range of the real pool."""

    def __init__(self, chain: Chain, packages: Path) -> None:
        self.market = Market(chain, packages)
        self.chain, self.token = chain, self.market.dollar
        self.setting = vault_on(chain, self.token, 6)
        self.adapter = self.market.node.deploy(
            "UniswapV3LPAdapter",
            *(self.token.address, self.setting.vault.address, self.market.pool.address),
            (*self.market.ends, WINDOW_S, GAP_BPS, BLOCK_S),
            sender=self.setting.owner,
        )
        self.setting.add_venue(self.adapter, VenueLimit())
        self.setting.deposit(account("alice"), 10**6 * UNIT)

    def put(self, amount: int, least: int = 0) -> int:
        """By a signed order; its gas."""
        self.setting.rebalance((self.adapter.address, amount, least))
        return self.chain.spent

    def home(self, amount: int, least: int = 0) -> int:
        """By the sentinel; what came."""
        vault, before = self.setting.vault, self.setting.vault.idle()
        vault.bring_home(self.adapter.address, amount, least, sender=self.setting.sentinel)
        return int(vault.idle()) - int(before)

    def value(self) -> int:
        return int(self.adapter.state()[0])

    def poke(self) -> tuple[int, int]:
        """Has the pool reckon the position's fees anew; dollars and coins that it owes then."""
        from eth_utils.crypto import keccak

        pool, ends, holder = self.market.pool, self.market.ends, self.adapter.address
        pool.burn(*ends, 0, sender=holder)
        packed = b"".join((end % 2**24).to_bytes(3, "big") for end in ends)
        owed = pool.positions(keccak(bytes.fromhex(holder[2:]) + packed))[3:]
        return tuple(owed[::-1]) if self.market.dollar_is_1 else tuple(owed)
