# SPDX-License-Identifier: Apache-2.0
"""What this venue lists, charges and margins by, on a generated market.

Leverages and margin tiers are Hyperliquid's own: hyperliquid.gitbook.io, Margin tiers (stored copy
read in November 2026), maintenance being half of the initial margin at the tier's leverage. Fees
are those of the lowest volume, 0.045 % and 0.015 % (Fees, same date). A tick is the fifth
significant figure of the price with which the generated market begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from tidegate.costs.trading import TradingCosts
from tidegate.margin.linear import HyperliquidCross, SpotWallet
from tidegate.margin.tiers import TierTable, tier_table
from tidegate.model.instruments import Index, InstrumentId, Perpetual
from tidegate.simulation.terms import ExchangeTerms
from tidegate.venues.hyperliquid_server.amounts import MAX_DECIMALS
from tidegate.venues.hyperliquid_server.market_shapes import Coin
from tidegate.venues.street.listings import Listing
from tidegate.venues.street.street import StreetTerms

VENUE, SPOT_VENUE, ASSET = "hyperliquid", "hyperliquid_spot", "USDC"
TAKER_PPM, MAKER_PPM = 450, 150
HALF_SPREAD, IMPACT = 0.00006, 1.0
LEVERAGE = 20
DATED = "2026-11"


@dataclass(frozen=True, slots=True)
class _Row:
    """One coin: decimals of its size, exponent of its tick, tiers as (from USD, leverage)."""

    coin: str
    size_decimals: int
    tick_exponent: int
    tiers: tuple[tuple[int, int], ...]


ROWS = (
    _Row("BTC", 5, 0, ((0, 40), (150_000_000, 20))),
    _Row("ETH", 4, -1, ((0, 25), (100_000_000, 15))),
    _Row("SOL", 2, -2, ((0, 20), (70_000_000, 10))),
    _Row("XRP", 0, -4, ((0, 20), (40_000_000, 10))),
    _Row("DOGE", 0, -5, ((0, 10), (20_000_000, 5))),
    _Row("AVAX", 2, -3, ((0, 10), (20_000_000, 5))),
)


def coins() -> tuple[Coin, ...]:
    """All coins, in the order of their asset numbers."""
    return tuple(Coin(asset, _contract(row), _tiers(row)) for asset, row in enumerate(ROWS))


def _contract(row: _Row) -> Perpetual:
    tick = Decimal(1).scaleb(max(row.tick_exponent, row.size_decimals - MAX_DECIMALS))
    lot = Decimal(1).scaleb(-row.size_decimals)
    return Perpetual(VENUE, row.coin, row.coin, ASSET, tick, lot)


def _tiers(row: _Row) -> TierTable:
    rows: list[tuple[Decimal, Decimal | None, Fraction, Fraction, int]] = []
    deduction, before = Fraction(0), Fraction(0)
    for place, (floor, leverage) in enumerate(row.tiers):
        rate = Fraction(1, 2 * leverage)
        deduction += floor * (rate - before)
        last = place == len(row.tiers) - 1
        cap = None if last else Decimal(row.tiers[place + 1][0])
        rows.append((Decimal(floor), cap, rate, deduction, leverage))
        before = rate
    return tier_table(rows, ASSET, DATED, f"hyperliquid margin tiers of {row.coin}")


def listings(listed: tuple[Coin, ...]) -> tuple[Listing, ...]:
    """What the market has to price."""
    return tuple(
        Listing(
            coin.contract,
            Index(VENUE, f"{coin.name}-oracle", coin.contract.tick),
            f"{VENUE}:{coin.name}",
            MAKER_PPM,
        )
        for coin in listed
    )


def cross_rule(listed: tuple[Coin, ...], leverages: Mapping[str, int]) -> HyperliquidCross:
    """The rule of an account with its own leverages by coin."""
    by_id = {coin.name: coin.contract.id for coin in listed}
    return HyperliquidCross(
        ASSET,
        {coin.contract.id: coin.contract for coin in listed},
        {coin.contract.id: coin.tiers for coin in listed},
        LEVERAGE,
        leverages={by_id[name]: leverage for name, leverage in leverages.items()},
    )


def terms(listed: tuple[Coin, ...]) -> StreetTerms:
    """What the exchange charges, and its two wallets."""
    names: list[InstrumentId] = [coin.contract.id for coin in listed]
    exchange = ExchangeTerms(
        instruments={coin.contract.id: coin.contract for coin in listed},
        rules={
            VENUE: ((0, cross_rule(listed, {})),),
            SPOT_VENUE: ((0, SpotWallet(ASSET, {})),),
        },
        costs=dict.fromkeys(names, TradingCosts(TAKER_PPM, HALF_SPREAD, IMPACT)),
        idle_yield_annual={},
        passages={},
    )
    return StreetTerms(exchange, dict.fromkeys(names, MAKER_PPM))
