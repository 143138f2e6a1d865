# SPDX-License-Identifier: Apache-2.0
"""A real Uniswap v3 pool of a dollar and a coin, others' liquidity in it, and ours beside."""

from __future__ import annotations

import math
from pathlib import Path

from tests.chain.vault import Node, Patient, vault_on
from tests.contracts.evm import account
from tests.contracts.setting import NEVER, VenueLimit
from tests.contracts.uniswap import E18, GAP_BPS, UNIT, root_of
from tidegate.venues.chain.artifacts import Artifacts
from tidegate.venues.chain.client import At, Chain
from tidegate.venues.chain.npm import UNISWAP_V3, UNISWAP_V3_PERIPHERY, fetch

FEE_PIPS, SPACING, WINDOW_S, BLOCK_S = 3_000, 60, 1_800, 12
PRICE_USD, WIDTH = 2_000, 6_000
ROOTS = 4_295_128_740, 1_461_446_703_485_210_103_287_273_052_203_988_822_378_723_970_341


class Pool:
    """Two thousand dollars a coin, eighty million dollars' worth of others' liquidity."""

    def __init__(self, chain: Chain, packages: Path) -> None:
        core = Artifacts(fetch(UNISWAP_V3, packages))
        periphery = Artifacts(fetch(UNISWAP_V3_PERIPHERY, packages))
        chain = Patient(chain.port)
        self.chain, self.owner, self.node = chain, account("owner"), Node(chain)
        self.dollar = self._token("Test dollar", "TUSD", 6)
        self.coin = self._token("Test coin", "TETH", 18)
        factory = chain.create(core["UniswapV3Factory"], sender=self.owner)
        at = factory.address, self.coin.address
        self.router = chain.create(periphery["SwapRouter"], *at, sender=self.owner)
        self.manager = chain.create(
            periphery["NonfungiblePositionManager"], *at, self.owner, sender=self.owner
        )
        self.dollar_is_1 = int(self.coin.address, 16) < int(self.dollar.address, 16)
        self.tokens = [self.coin, self.dollar] if self.dollar_is_1 else [self.dollar, self.coin]
        pair = self.tokens[0].address, self.tokens[1].address
        place = factory.createPool(*pair, FEE_PIPS, sender=self.owner)
        self.pool = chain.at(place, core["UniswapV3Pool"].abi)
        ratio = PRICE_USD * UNIT / E18
        self.start = math.log(ratio if self.dollar_is_1 else 1 / ratio) / math.log(1.0001)
        self.pool.initialize(root_of(self.start), sender=self.owner)
        self.pool.increaseObservationCardinalityNext(WINDOW_S // BLOCK_S + 2, sender=self.owner)
        self.ends = tuple(round((self.start + w) / SPACING) * SPACING for w in (-WIDTH, WIDTH))
        self._provide(4 * 10**7 * UNIT)
        # Each of two trades in two blocks is remembered, and then the window has to pass.
        self.trade(UNIT)
        self.trade(-UNIT)
        chain.wait(WINDOW_S)

    def _token(self, name: str, symbol: str, decimals: int) -> At:
        return self.node.deploy("TestToken", name, symbol, decimals, sender=self.owner)

    def give(self, holder: str, dollars: int, coins: int, spender: str) -> None:
        """Mints both for a holder, who lets the spender have them."""
        for token, amount in ((self.dollar, dollars), (self.coin, coins)):
            token.mint(holder, amount, sender=holder)
            token.approve(spender, NEVER, sender=holder)

    def _provide(self, dollars: int) -> None:
        other, coins = account("other provider"), dollars * E18 // (PRICE_USD * UNIT)
        self.give(other, 2 * dollars, 2 * coins, self.manager.address)
        amounts = [coins, dollars] if self.dollar_is_1 else [dollars, coins]
        tokens = [token.address for token in self.tokens]
        wide = [round((self.start + w) / SPACING) * SPACING for w in (-10_020, 10_020)]
        params = (*tokens, FEE_PIPS, *wide, *amounts, 0, 0, other, NEVER)
        self.manager.mint(params, sender=other)

    def trade(self, dollars: int, trader: str = account("trader")) -> int:
        """Buys the coin for dollars, or sells it for about so many; what came out."""
        buys, amount = dollars > 0, dollars
        if not buys:
            amount = -dollars * E18 // (PRICE_USD * UNIT)
        self.give(trader, dollars if buys else 0, 0 if buys else amount, self.router.address)
        path = [self.dollar.address, self.coin.address][:: 1 if buys else -1]
        params = (*path, FEE_PIPS, trader, NEVER, amount, 0, 0)
        return int(self.router.exactInputSingle(params, sender=trader))

    def push(self, bps: int, trader: str = account("trader")) -> None:
        """Trades until the coin is dearer by that many hundredths of a per cent."""
        steps = math.log1p(bps / 10_000) / math.log(1.0001)
        self.push_to(self.start + (steps if self.dollar_is_1 else -steps), trader)

    def push_to(self, tick: float, trader: str = account("trader")) -> None:
        target = root_of(tick)
        sells0 = target < self.root()
        sold = self.tokens[0 if sells0 else 1]
        amount = 10**9 * (E18 if sold is self.coin else UNIT)
        sold.mint(trader, amount, sender=trader)
        sold.approve(self.router.address, NEVER, sender=trader)
        path = [token.address for token in self.tokens][:: 1 if sells0 else -1]
        params = (*path, FEE_PIPS, trader, NEVER, amount, 0, target)
        self.router.exactInputSingle(params, sender=trader)

    def root(self) -> int:
        return int(self.pool.slot0()[0])


class Beach:
    """A vault with a million and an adapter in a range of the real pool."""

    def __init__(self, chain: Chain, packages: Path) -> None:
        self.market = Pool(chain, packages)
        self.chain, self.token = self.market.chain, self.market.dollar
        self.setting = vault_on(self.chain, self.token, 6)
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
