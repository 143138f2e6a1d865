# SPDX-License-Identifier: Apache-2.0
"""Aave v3, Perpetual v2 and a Uniswap v3 pool with people in them, each brought through its days.

The contracts are the protocols' own. What strangers do there is the demonstration's: a borrower
keeps Aave's utilisation where it pays a wanted rate, a taker keeps curie's pool at a price, a
trader's volume pays the pool's fees. What each pays is then read from its contracts.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from math import sqrt
from pathlib import Path
from typing import Any

from tidegate.venues.chain.aave_v3 import RAY, VARIABLE_RATE, AaveV3, Reserve, deploy_aave_v3
from tidegate.venues.chain.artifacts import Artifact
from tidegate.venues.chain.client import At, Chain
from tidegate.venues.chain.perp_v2 import (
    PRICE_LIMIT_S,
    TICK_SPACING,
    PerpV2,
    deploy_perp_v2,
    root_of,
    tick_of,
)
from tidegate.venues.chain.uniswap_v3 import (
    FEE_PIPS,
    NEVER,
    UniswapV3,
    deploy_uniswap_v3,
)
from tidegate.venues.vault.shipped import shipped

UNIT, E18, FEED, PIPS = 10**6, 10**18, 10**8, 10**6
YEAR_DAYS = 365
# Aave: what others lent, and the coins that the borrower pledged.
LENT, PLEDGED = 50_000_000 * UNIT, 200_000 * E18
# Perpetual v2: a maker's coins in a range wide in ticks; what taker and maker hold as margin.
MADE, MADE_TICKS, MARGIN = 100_000 * E18, 12_000, 2_000_000_000 * UNIT
SLICE_TICKS, TWAP_S = 900, 900
# Uniswap: others' dollars in the pool, and the same worth of coins; ranges in ticks.
OTHERS, OTHERS_TICKS, RANGE_TICKS = 40_000_000 * UNIT, 10_020, 6_000
WINDOW_S, BLOCK_S, GAP_BPS = 1_800, 12, 100
ALL = 2**112


def stranger(name: str) -> str:
    """The address of somebody on the node who needs no key."""
    return "0x" + sha256(f"tidegate vault demo {name}".encode()).hexdigest()[-40:]


@dataclass(frozen=True, slots=True)
class Tokens:
    """The dollar, which is the vault's asset; a coin; and the feeds of their dollar prices."""

    chain: Chain
    owner: str
    dollar: At
    coin: At
    dollar_feed: At
    coin_feed: At

    def give(self, token: At, who: str, amount: int, spender: str) -> None:
        """Make tokens for somebody, whom `spender` may take them from."""
        token.mint(who, amount, sender=who)
        token.approve(spender, NEVER, sender=who)


def tokens_on(chain: Chain, dollar: str, price_usd: float) -> Tokens:
    """A coin beside the dollar, at that price."""
    owner = stranger("owner of protocols")

    def make(name: str, *args: object) -> At:
        known = shipped(name)
        artifact = Artifact(name, known.abi, known.code.removeprefix("0x"), {})
        return chain.create(artifact, *args, sender=owner)

    coin = make("TestToken", "Test coin", "ETH", 18)
    feeds = [make("TestPriceFeed", price) for price in (FEED, round(price_usd * FEED))]
    return Tokens(chain, owner, chain.at(dollar, shipped("TestToken").abi), coin, *feeds)


class Bank:
    """Aave v3, where much is lent and one borrower sets the rate."""

    def __init__(self, tokens: Tokens, packages: Path) -> None:
        self.tokens, self.who = tokens, stranger("borrower")
        reserves = (
            Reserve(tokens.dollar, tokens.dollar_feed, 6),
            Reserve(tokens.coin, tokens.coin_feed, 18),
        )
        self.aave: AaveV3 = deploy_aave_v3(tokens.chain, packages, tokens.owner, reserves)
        self.a_token = self.aave.a_tokens[tokens.dollar.address]
        for token, amount in ((tokens.dollar, LENT), (tokens.coin, PLEDGED)):
            tokens.give(token, self.who, amount, self.aave.pool.address)
        lender = stranger("lender")
        tokens.give(tokens.dollar, lender, LENT, self.aave.pool.address)
        self._supply(tokens.dollar, LENT, lender)
        self._supply(tokens.coin, PLEDGED, self.who)

    def _supply(self, token: At, amount: int, who: str) -> None:
        self.aave.pool.supply(token.address, amount, who, 0, sender=who)

    def pays(self, rate_annual: float) -> None:
        """The borrower brings utilisation u to where u (0.04 + 0.6 (u - 0.8) / 0.2) is that rate:
        the reserve's curve above its kink, of which suppliers get all."""
        dollar, pool = self.tokens.dollar.address, self.aave.pool
        wanted = (2.36 + sqrt(2.36**2 + 12.0 * rate_annual)) / 6.0
        supplied = int(self.a_token.totalSupply())
        lent = supplied - int(self.tokens.dollar.balanceOf(self.a_token.address))
        more = round(wanted * supplied) - lent
        if more > 0:
            pool.borrow(dollar, more, VARIABLE_RATE, 0, self.who, sender=self.who)
        elif more < 0:
            self.tokens.dollar.mint(self.who, -more, sender=self.who)
            pool.repay(dollar, -more, VARIABLE_RATE, self.who, sender=self.who)

    def rate(self) -> float:
        """What a supplied dollar earns a year, by the pool's own word."""
        return float(self.aave.pool.getReserveData(self.tokens.dollar.address)[2]) / RAY


class Exchange:
    """Perpetual v2 with one deep maker, and a taker who keeps its pool at a price."""

    def __init__(self, tokens: Tokens, packages: Path, price_usd: float) -> None:
        self.tokens, self.chain = tokens, tokens.chain
        given = tokens.owner, tokens.dollar, tokens.coin_feed, price_usd
        self.perp: PerpV2 = deploy_perp_v2(tokens.chain, packages, *given)
        self.taker, maker = stranger("taker"), stranger("maker")
        for who in (self.taker, maker):
            tokens.give(tokens.dollar, who, MARGIN, self.perp.margin.address)
            self.perp.margin.deposit(tokens.dollar.address, MARGIN, sender=who)
        middle = tick_of(price_usd)
        ends = [(middle + w) // TICK_SPACING * TICK_SPACING for w in (-MADE_TICKS, MADE_TICKS)]
        amounts = MADE, round(MADE * price_usd)
        params = (self.perp.base.address, *amounts, *ends, 0, 0, False, NEVER)
        self.perp.clearing_house.addLiquidity(params, sender=maker)

    def opening(self, coins: int, limit: int = 0) -> tuple[Any, ...]:
        """The terms of `openPosition` that buy coins, or sell where negative."""
        sells = coins < 0
        return self.perp.base.address, sells, sells, abs(coins), 0, NEVER, limit, bytes(32)

    def goes(self, price_usd: float, premium: float) -> float:
        """The taker trades the pool to a price, in slices no larger than curie lets a price go at
        once, and the index goes to where the pool is above it by a share; the index."""
        goal, now = tick_of(price_usd), self.tick()
        if abs(goal - now) > SLICE_TICKS:
            self.index(price_usd)  # Curie lets nobody trade its pool far from the index.
        while goal != now:
            step = max(-SLICE_TICKS, min(SLICE_TICKS, goal - now))
            limit = root_of(1.0001 ** (now + step + 0.5))
            terms = self.opening(-ALL if step < 0 else ALL, limit)
            self.perp.clearing_house.openPosition(terms, sender=self.taker)
            now = self.tick()
            if goal != now:
                self.chain.wait(PRICE_LIMIT_S)
        return self.index(float(1.0001**now / (1.0 + premium)))

    def index(self, price_usd: float) -> float:
        """The index goes to a price."""
        self.tokens.coin_feed.set_price(round(price_usd * FEED), sender=self.tokens.owner)
        self.perp.index.update(sender=self.tokens.owner)
        return price_usd

    def funding(self) -> float:
        """What a long is paid a year, as a share of its size: curie's index less its market
        average, over the index, a day (its `FundingTwap`, both over a quarter of an hour)."""
        root = self.perp.exchange.getSqrtMarketTwapX96(self.perp.base.address, TWAP_S)
        index = self.perp.base.getIndexPrice(TWAP_S) / E18
        return float((index - (root / 2**96) ** 2) / index * YEAR_DAYS)

    def size(self, adapter: str) -> int:
        """Coins that an account is long."""
        at = adapter, self.perp.base.address
        return int(self.perp.balances.getTotalPositionSize(*at))

    def tick(self) -> int:
        """That of the pool now."""
        return int(self.perp.pool.slot0()[1])


class Pool:
    """A Uniswap v3 pool with others' liquidity, and a trader whose volume pays them."""

    def __init__(self, tokens: Tokens, packages: Path, price_usd: float) -> None:
        self.tokens, self.who = tokens, stranger("trader")
        pair, price = (tokens.dollar, tokens.coin), (round(price_usd * UNIT), E18)
        made = deploy_uniswap_v3(tokens.chain, packages, tokens.owner, pair, price)
        self.uniswap: UniswapV3 = made
        made.pool.increaseObservationCardinalityNext(WINDOW_S // BLOCK_S + 2, sender=tokens.owner)
        self.range, self._first_usd = made.around(RANGE_TICKS), price_usd
        other, coins = stranger("other provider"), round(OTHERS / price_usd / UNIT * E18)
        for token, amount in ((tokens.dollar, OTHERS), (tokens.coin, coins)):
            tokens.give(token, other, 2 * amount, made.manager.address)
            tokens.give(token, self.who, 1_000 * amount, made.router.address)
        made.provide(other, OTHERS, coins, OTHERS_TICKS)
        self._growth = self._grown()

    @property
    def terms(self) -> tuple[int, ...]:
        """Those of the vault's adapter there."""
        return (*self.range, WINDOW_S, GAP_BPS, BLOCK_S)

    def trades(self, rate_annual: float, price_usd: float) -> None:
        """A day's volume, half bought and half sold, whose fees pay the pool that rate; the sale
        or the purchase that ends it leaves the pool at the price."""
        volume = round(rate_annual / YEAR_DAYS * 2 * OTHERS * PIPS / FEE_PIPS)
        self._swap(self.tokens.dollar, max(volume // 2, UNIT))
        self.goes(price_usd)

    def goes(self, price_usd: float) -> None:
        """The trader brings the pool to a price."""
        root = self.uniswap.root_at(round((price_usd / self._first_usd - 1.0) * 10_000))
        dearer = (root > self.uniswap.root_now()) == self.uniswap.dollar_is_1
        sold = self.tokens.dollar if dearer else self.tokens.coin
        if root != self.uniswap.root_now():
            self._swap(sold, OTHERS * 10 if dearer else OTHERS * 10 * E18 // UNIT // 1_000, root)

    def _swap(self, sold: At, amount: int, limit: int = 0) -> None:
        bought = self.tokens.coin if sold is self.tokens.dollar else self.tokens.dollar
        params = (sold.address, bought.address, FEE_PIPS, self.who, NEVER, amount, 0, limit)
        self.uniswap.router.exactInputSingle(params, sender=self.who)

    def rate(self, days: float) -> float:
        """What a dollar in the vault's range earned a year since this was last asked: the pool's
        growth of fees a unit of liquidity, over what that unit is worth."""
        grown, before = self._grown(), self._growth
        self._growth = grown
        fees = [(now - then) / 2**128 for now, then in zip(grown, before, strict=True)]
        return self._worth(fees) / self._worth(self._unit()) / days * YEAR_DAYS

    def _grown(self) -> tuple[int, int]:
        pool = self.uniswap.pool
        return int(pool.feeGrowthGlobal0X128()), int(pool.feeGrowthGlobal1X128())

    def _unit(self) -> list[float]:
        """Both tokens of a unit of liquidity in the range (Uniswap v3 core, 2021, 6.29, 6.30)."""
        root, (low, high) = self.uniswap.root_now() / 2**96, self.range
        return [1.0 / root - 1.0001 ** (-high / 2), root - 1.0001 ** (low / 2)]

    def _worth(self, amounts: list[float]) -> float:
        """Both tokens in the second, or in the first where that is the dollar."""
        price = (self.uniswap.root_now() / 2**96) ** 2
        inside = amounts[0] * price + amounts[1]
        return inside if self.uniswap.dollar_is_1 else inside / price
