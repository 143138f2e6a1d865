# SPDX-License-Identifier: Apache-2.0
"""The market in the venue's shapes: contracts, contexts, books, trades, candles, funding.

Source of the shapes: hyperliquid.gitbook.io, Info endpoint and WebSocket subscriptions (stored
copies read in November 2026), and payloads of the venue itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tidegate.margin.tiers import TierTable
from tidegate.model.instruments import Perpetual
from tidegate.model.units import RATE_E12, from_quanta, unit_quanta
from tidegate.venues.hyperliquid_server.amounts import price_text, size_text, text_of
from tidegate.venues.street.values import Bar, FundingPrint, Ladder, Print, Quote

Json = dict[str, Any]
# Dollars of an order whose average price is called the impact price.
IMPACT_USD, IMPACT_USD_MAJOR = 6_000, 20_000
MAJORS = frozenset({"BTC", "ETH"})
USDC_TOKEN: Json = {
    "name": "USDC",
    "szDecimals": 8,
    "weiDecimals": 8,
    "index": 0,
    "tokenId": "0x6d1e7cde53ba9467b783cb7c530ce054",
    "isCanonical": True,
    "evmContract": None,
    "fullName": None,
    "deployerTradingFeeShare": "0.0",
}
SPOT_META: Json = {"tokens": [USDC_TOKEN], "universe": []}
# Numbers below it stand for tables of one tier.
TABLES = 51
NOBODY = "0x" + "00" * 20


@dataclass(frozen=True, slots=True)
class Coin:
    """One perpetual: its place among the venue's assets, its contract and its margin tiers."""

    asset: int
    contract: Perpetual
    tiers: TierTable

    @property
    def name(self) -> str:
        """What the venue calls it."""
        return self.contract.base

    @property
    def max_leverage(self) -> int:
        """Of the first tier."""
        return self.tiers.tiers[0].max_leverage

    @property
    def size_decimals(self) -> int:
        """How fine a size is."""
        return -int(self.contract.lot.as_tuple().exponent)

    def price(self, ticks: int) -> str:
        """A price in text."""
        return price_text(ticks, self.contract.tick)

    def size(self, lots: int) -> str:
        """A size in text."""
        return size_text(lots, self.contract.lot)


def meta(coins: Iterable[Coin]) -> Json:
    """The universe and its margin tables."""
    listed = tuple(coins)
    universe = [
        {
            "szDecimals": coin.size_decimals,
            "name": coin.name,
            "maxLeverage": coin.max_leverage,
            "marginTableId": TABLES + coin.asset,
        }
        for coin in listed
    ]
    tables = [[TABLES + coin.asset, _margin_table(coin)] for coin in listed]
    return {"universe": universe, "marginTables": tables, "collateralToken": 0}


def _margin_table(coin: Coin) -> Json:
    tiers = [
        {
            "lowerBound": text_of(from_quanta(tier.floor, coin.contract.settle)),
            "maxLeverage": tier.max_leverage,
        }
        for tier in coin.tiers.tiers
    ]
    return {"description": f"{coin.name} of this paper venue", "marginTiers": tiers}


def context(coin: Coin, quote: Quote, ladder: Ladder) -> Json:
    """What is shown of a coin beside its book."""
    impacts = [_impact_ticks(coin, side) for side in (ladder.bids, ladder.asks)]
    known = None if None in impacts else [coin.price(int(i)) for i in impacts if i is not None]
    middle = middle_text(coin, quote)
    return {
        "funding": rate_text(quote.funding_e12 or 0),
        "openInterest": coin.size(quote.interest_lots),
        "prevDayPx": coin.price(quote.day_ago_ticks),
        "dayNtlVlm": text_of(Decimal(round(quote.volume_usd))),
        "premium": None if known is None else _premium(quote, impacts),
        "oraclePx": coin.price(quote.index_ticks),
        "markPx": coin.price(quote.mark_ticks),
        "midPx": middle,
        "impactPxs": known,
        "dayBaseVlm": coin.size(quote.volume_lots),
    }


def middle_text(coin: Coin, quote: Quote) -> str | None:
    """Half way between bid and ask; None where a side is empty."""
    if quote.bid_ticks is None or quote.ask_ticks is None:
        return None
    return text_of((quote.bid_ticks + quote.ask_ticks) * coin.contract.tick / 2)


def rate_text(rate_e12: int) -> str:
    """A funding rate in text."""
    return text_of(Decimal(rate_e12) / RATE_E12)


def _impact_ticks(coin: Coin, side: Sequence[tuple[int, int]]) -> int | None:
    """Average price at which an order of the impact's size would fill; None if it would not."""
    usd = IMPACT_USD_MAJOR if coin.name in MAJORS else IMPACT_USD
    left = usd * unit_quanta(coin.contract.settle)
    lots_sum = ticks_sum = 0
    for ticks, lots in side:
        one = coin.contract.notional(1, ticks)
        taken = min(lots, -(-left // one))
        left, lots_sum = left - taken * one, lots_sum + taken
        ticks_sum += taken * ticks
        if left <= 0:
            return ticks_sum // lots_sum
    return None


def _premium(quote: Quote, impacts: Sequence[int | None]) -> str:
    bid, ask = (int(i or 0) for i in impacts)
    index = quote.index_ticks
    above, below = max(0, bid - index), max(0, index - ask)
    return text_of(round(Decimal(above - below) / index, 10))


def book(coin: Coin, ladder: Ladder) -> Json:
    """Both sides of a book."""
    levels = [
        [{"px": coin.price(ticks), "sz": coin.size(lots), "n": 1} for ticks, lots in side]
        for side in (ladder.bids, ladder.asks)
    ]
    return {"coin": coin.name, "time": ladder.ts_ms, "levels": levels}


def best(coin: Coin, ladder: Ladder) -> Json:
    """The best of each side, or null."""
    sides = [side[0] if side else None for side in book(coin, ladder)["levels"]]
    return {"coin": coin.name, "time": ladder.ts_ms, "bbo": sides}


def trade(coin: Coin, said: Print) -> Json:
    """One trade of the market; who made it is not known here."""
    return {
        "coin": coin.name,
        "side": "B" if said.lots > 0 else "A",
        "px": coin.price(said.ticks),
        "sz": coin.size(abs(said.lots)),
        "time": said.ts_ms,
        "hash": "0x" + "00" * 32,
        "tid": said.number,
        "users": [NOBODY, NOBODY],
    }


def candle(coin: Coin, bar: Bar, interval: str, length_ms: int) -> Json:
    """One bar of an interval."""
    prices = {k: coin.price(getattr(bar, n)) for k, n in zip("ohlc", OHLC, strict=True)}
    return {
        "t": bar.open_ms,
        "T": bar.open_ms + length_ms - 1,
        "s": coin.name,
        "i": interval,
        **prices,
        "v": coin.size(bar.lots),
        "n": 0,
    }


OHLC = "open high low close".split()


def funding(coin: Coin, said: FundingPrint) -> Json:
    """One funding print; the premium that led to it is not published here."""
    rate = rate_text(said.rate_e12)
    return {"coin": coin.name, "fundingRate": rate, "premium": "0.0", "time": said.ts_ms}
