# SPDX-License-Identifier: Apache-2.0
"""Perpetual v2 ("curie") on a development node: its own contracts of 2.8.4, deployed and wired.

`@perp/curie-contract` stands on `@uniswap/v3-core` for its pools and on
`@perp/perp-oracle-contract` for its index price. One market is opened; it has no liquidity yet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate.venues.chain.artifacts import Artifacts
from tidegate.venues.chain.client import At, Chain
from tidegate.venues.chain.npm import PERP_ORACLE, PERP_V2, UNISWAP_V3, fetch

# How far a price may go within so many seconds: the most that the exchange lets its owner allow.
TICKS_MAX, PRICE_LIMIT_S = 1_000, 15
TICK_SPACING = 60
_POOL_FEE, _EXCHANGE_FEE = 3_000, 1_000  # millionths
_FEED_TIMEOUT_S, _FEED_TWAP_S = 2_400, 1_800
# Without half an hour of its history the market has no mark price: `getMarkPriceConfig`.
_HISTORY_S = 1_860
# Collateral other than the settlement token, as the protocol was initialised on Optimism; only a
# token that is added with `addCollateral` is ever counted by it.
_COLLATERAL = 5, 750_000, 500_000, 2_000, 30_000, 10_000 * 10**6, 500


@dataclass(frozen=True, slots=True)
class PerpV2:
    """A running exchange; `margin` is its contract `Vault`, `owner` its administrator."""

    clearing_house: At
    margin: At
    balances: At
    config: At
    collateral: At
    base: At
    pool: At
    index: At
    exchange: At
    owner: str


def root_of(price: float) -> int:
    """Uniswap's square root of a price, times 2**96, where both tokens have 18 decimals."""
    return int(math.sqrt(price) * 2**96)


def tick_of(price: float) -> int:
    """The tick below a price: log(price) / log(1.0001)."""
    return math.floor(math.log(price) / math.log(1.0001))


class _Deployment:
    def __init__(self, chain: Chain, packages: Path, owner: str) -> None:
        self.chain, self.owner = chain, owner
        self.packages = [
            Artifacts(fetch(package, packages)) for package in (PERP_V2, PERP_ORACLE, UNISWAP_V3)
        ]

    def make(self, package: int, name: str, *args: Any) -> At:
        return self.chain.create(self.packages[package][name], *args, sender=self.owner)

    def begin(self, name: str, *args: Any) -> At:
        """A contract of curie, initialised."""
        made = self.make(0, name)
        made.initialize(*args, sender=self.owner)
        return made

    def do(self, at: At, name: str, *args: Any) -> None:
        """A call by the owner."""
        at.call(name, *args, sender=self.owner)

    def tokens(self, feed: At) -> tuple[At, At, At]:
        """Quote, base and the base's index price. The exchange wants the base's address lower."""
        index = self.make(1, "ChainlinkPriceFeedV3", feed.address, _FEED_TIMEOUT_S, _FEED_TWAP_S)
        self.do(index, "update")
        dispatcher = self.make(1, "PriceFeedDispatcher", index.address)
        quote, base = self.begin("QuoteToken", "vUSD", "vUSD"), self.make(0, "BaseToken")
        while int(base.address, 16) > int(quote.address, 16):
            base = self.make(0, "BaseToken")
        self.do(base, "initialize", "vETH", "vETH", dispatcher.address)
        return quote, base, index


def deploy_perp_v2(
    chain: Chain, packages: Path, owner: str, asset: At, feed: At, price: float
) -> PerpV2:
    """Every contract, and one market at that price with half an hour of history.

    `asset` is the settlement token, `feed` the index price in the shape of Chainlink's.
    """
    made = _Deployment(chain, packages, owner)
    quote, base, index = made.tokens(feed)
    factory, config = made.make(2, "UniswapV3Factory"), made.begin("ClearingHouseConfig")
    made.do(config, "setSettlementTokenBalanceCap", 2**255)
    registry = made.begin("MarketRegistry", factory.address, quote.address)
    orders = made.begin("OrderBook", registry.address)
    fund = made.begin("InsuranceFund", asset.address)
    exchange = made.begin("Exchange", registry.address, orders.address, config.address)
    balances = made.begin("AccountBalance", config.address, orders.address)
    heart = config.address, balances.address, exchange.address
    margin = made.begin("Vault", fund.address, *heart)
    collateral = made.begin("CollateralManager", config.address, margin.address, *_COLLATERAL)
    house = made.begin(
        "ClearingHouse",
        *(config.address, margin.address, quote.address, factory.address),
        *(exchange.address, balances.address, fund.address),
    )
    made.do(house, "setDelegateApproval", made.begin("DelegateApproval").address)
    for at in (registry, orders, exchange, balances, margin):
        made.do(at, "setClearingHouse", house.address)
    made.do(orders, "setExchange", exchange.address)
    made.do(exchange, "setAccountBalance", balances.address)
    made.do(margin, "setCollateralManager", collateral.address)
    for at in (balances, fund):
        made.do(at, "setVault", margin.address)
    pool = _market(made, (quote, base, factory, registry, house), price)
    made.do(exchange, "setMaxTickCrossedWithinBlock", base.address, TICKS_MAX)
    chain.wait(_HISTORY_S)
    markets = base, pool, index, exchange
    return PerpV2(house, margin, balances, config, collateral, *markets, owner)


def _market(made: _Deployment, of: tuple[At, At, At, At, At], price: float) -> At:
    """The pool of one market, listed."""
    quote, base, factory, registry, house = of
    pair = base.address, quote.address, _POOL_FEE
    made.do(factory, "createPool", *pair)
    pool = made.chain.at(factory.getPool(*pair), made.packages[2]["UniswapV3Pool"].abi)
    made.do(pool, "initialize", root_of(price))
    made.do(pool, "increaseObservationCardinalityNext", 500)
    for token in (quote, base):
        made.do(token, "mintMaximumTo", house.address)
        for at in (house, pool):
            made.do(token, "addWhitelist", at.address)
    made.do(registry, "addPool", base.address, _POOL_FEE)
    made.do(registry, "setFeeRatio", base.address, _EXCHANGE_FEE)
    return pool
