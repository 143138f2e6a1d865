# SPDX-License-Identifier: Apache-2.0
"""What is public, in Deribit's words: instruments, books, tickers, summaries, trades, funding.

Fields are those of docs.deribit.com (public methods, read in November 2026). Figures that the
street does not have are left out; `docs/paper-venues.md` lists them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from zlib import crc32

from tidegate.model.instruments import Index, Instrument, Option
from tidegate.model.times import DAY_MS, HOUR_MS
from tidegate.simulation.world.option_listing import EXPIRY_HOUR
from tidegate.venues.deribit_server import contracts
from tidegate.venues.deribit_server.figures import (
    amount,
    contract_size,
    price,
    shown,
    step_amount,
)
from tidegate.venues.street.street import Street
from tidegate.venues.street.values import Ladder, Print, Quote

NEVER_EXPIRES_MS = 32_503_708_800_000
E12, PPM = Decimal("1e-12"), Decimal("1e-6")
LEVERAGE = 50
# How far from the mark a perpetual's order may be priced against itself: 1.5 %, as payloads of
# December 2025 show.
BAND = Decimal("0.015")
FUNDING_HOURS = 8
Shape = dict[str, Any]


def kind(instrument: Instrument) -> str:
    """Deribit counts perpetuals among futures."""
    return "option" if isinstance(instrument, Option) else "future"


def quote_currency(instrument: Instrument) -> str:
    """What prices are in."""
    if isinstance(instrument, Option):
        return instrument.settle
    return "USD" if instrument.inverse else "USDC"


def family(instrument: Instrument) -> str:
    """Reversed contracts are settled in their coin."""
    return "reversed" if instrument.settle == instrument.base else "linear"


def band(instrument: Instrument, quote: Quote) -> tuple[int, int]:
    """Least price of a seller and highest of a buyer, in ticks."""
    mark = quote.mark_ticks
    if isinstance(instrument, Option):
        return 1, max(int(1 / instrument.tick), 2 * mark)
    return max(1, int(mark * (1 - BAND))), int(mark * (1 + BAND)) + 1


class MarketShapes:
    """The street's market as Deribit shows it."""

    def __init__(self, street: Street) -> None:
        self._street = street

    def index(self, instrument: Instrument) -> Index:
        """The index that an instrument follows."""
        return self._street.market.indices[self._street.index_name(instrument)][0]

    def index_price(self, instrument: Instrument) -> Decimal:
        """Its price now."""
        index = self.index(instrument)
        return self._street.index_ticks(index.id) * index.tick

    def index_prices(self) -> dict[str, Decimal]:
        """Every index by its name."""
        indices = self._street.market.indices.values()
        return {i.symbol: self._street.index_ticks(i.id) * i.tick for i, _ in indices}

    def usd(self, currency: str) -> Decimal:
        """Dollars of a unit of a currency; of a dollar coin one."""
        if currency == "USDC":
            return Decimal(1)
        return self.index_prices()[f"{currency.lower()}_usd"]

    def instrument(self, one: Instrument) -> Shape:
        """`public/get_instrument`."""
        taker = contracts.OPTION_PPM if isinstance(one, Option) else contracts.TAKER_PPM
        maker = contracts.OPTION_PPM if isinstance(one, Option) else contracts.MAKER_PPM
        shape: Shape = {
            "price_index": self.index(one).symbol,
            "kind": kind(one),
            "instrument_name": one.symbol,
            "maker_commission": maker * PPM,
            "taker_commission": taker * PPM,
            "instrument_type": family(one),
            "expiration_timestamp": NEVER_EXPIRES_MS,
            "creation_timestamp": self._street.market.paths.start_ms,
            "is_active": True,
            "state": "open",
            "tick_size": one.tick,
            "tick_size_steps": [],
            "contract_size": contract_size(one),
            "instrument_id": crc32(one.symbol.encode()) & 0x7FFFFFFF,
            "min_trade_amount": step_amount(one),
            "max_leverage": 1 if isinstance(one, Option) else LEVERAGE,
            "max_liquidation_commission": contracts.CLEARANCE_PPM * PPM,
            "settlement_currency": one.settle,
            "base_currency": one.base,
            "counter_currency": "USD" if one.settle == one.base else "USDC",
            "quote_currency": quote_currency(one),
            "rfq": False,
        }
        if not isinstance(one, Option):
            return shape | {"settlement_period": "perpetual", "future_type": family(one)}
        return shape | {
            "settlement_period": _period(one),
            "expiration_timestamp": one.expiry_ms,
            "creation_timestamp": self._street.market.listed[one.id].listed_ms,
            "strike": one.strike,
            "option_type": "call" if one.is_call else "put",
        }

    def ticker(self, one: Instrument, quote: Quote, ladder: Ladder) -> Shape:
        """`public/ticker`."""
        low, high = band(one, quote)
        shape: Shape = {
            "timestamp": quote.ts_ms,
            "state": "open",
            "stats": self.stats(one, quote),
            "index_price": self.index_price(one),
            "estimated_delivery_price": self.index_price(one),
            "instrument_name": one.symbol,
            "last_price": price(one, quote.last_ticks),
            "settlement_price": price(one, self._settled(one, quote)),
            "min_price": price(one, low),
            "max_price": price(one, high),
            "open_interest": amount(one, quote.interest_lots),
            "mark_price": price(one, quote.mark_ticks),
            **_best(one, ladder),
        }
        if isinstance(one, Option):
            return shape | self.greeks(one, quote)
        rates = self.rates(one)
        return shape | {
            "current_funding": (quote.funding_e12 or 0) * E12,
            "funding_8h": sum(rates[-FUNDING_HOURS:]) * E12,
            "interest_value": shown(float(sum(rates) * E12 * 100)),
        }

    def greeks(self, one: Option, quote: Quote) -> Shape:
        """What a ticker says of an option beyond prices; vols in per cent."""
        found = quote.greeks
        if found is None:
            return {}
        names = ("delta", "gamma", "vega", "theta", "rho")
        return {
            "greeks": {name: shown(getattr(found, name)) for name in names},
            "mark_iv": shown(100.0 * found.mark_vol),
            "bid_iv": shown(100.0 * found.bid_vol if quote.bid_ticks else 0.0),
            "ask_iv": shown(100.0 * found.ask_vol),
            "underlying_price": shown(found.underlying_usd),
            "underlying_index": "index_price",
            "interest_rate": Decimal(0),
        }

    def stats(self, one: Instrument, quote: Quote) -> Shape:
        """A day's figures."""
        usd, base = quote.volume_usd, float(self.index_price(one))
        before = quote.day_ago_ticks
        change = 100 * (quote.last_ticks - before) / before if before else 0.0
        volume = usd / base if usd else float(amount(one, quote.volume_lots))
        return {
            "high": price(one, quote.high_ticks),
            "low": price(one, quote.low_ticks),
            "price_change": round(change, 4),
            "volume": shown(volume),
            "volume_usd": round(usd, 2),
            "volume_notional": round(usd, 2),
        }

    def book(self, one: Instrument, quote: Quote, ladder: Ladder) -> Shape:
        """`public/get_order_book`."""
        sides = {
            "bids": [[price(one, t), amount(one, n)] for t, n in ladder.bids],
            "asks": [[price(one, t), amount(one, n)] for t, n in ladder.asks],
            "change_id": ladder.number,
        }
        return self.ticker(one, quote, ladder) | sides

    def summary(self, one: Instrument, quote: Quote, ladder: Ladder) -> Shape:
        """`public/get_book_summary_by_instrument`."""
        best, stats = _best(one, ladder), self.stats(one, quote)
        bid, ask = best["best_bid_price"], best["best_ask_price"]
        shape: Shape = {
            "instrument_name": one.symbol,
            "base_currency": one.base,
            "quote_currency": quote_currency(one),
            "creation_timestamp": quote.ts_ms,
            "bid_price": bid,
            "ask_price": ask,
            "mid_price": (bid + ask) / 2 if bid and ask else None,
            "mark_price": price(one, quote.mark_ticks),
            "last": price(one, quote.last_ticks),
            "open_interest": amount(one, quote.interest_lots),
            "estimated_delivery_price": self.index_price(one),
            **{name: stats[name] for name in ("high", "low", "price_change", "volume")},
            "volume_usd": stats["volume_usd"],
            "volume_notional": stats["volume_notional"],
        }
        if not isinstance(one, Option):
            rates = self.rates(one)
            return shape | {
                "current_funding": (quote.funding_e12 or 0) * E12,
                "funding_8h": sum(rates[-FUNDING_HOURS:]) * E12,
            }
        wanted = ("mark_iv", "underlying_price", "underlying_index", "interest_rate")
        found = self.greeks(one, quote)
        return shape | {name: found[name] for name in wanted if name in found}

    def trade(self, one: Instrument, told: Print) -> Shape:
        """A public trade."""
        shape: Shape = {
            "trade_seq": told.number,
            "trade_id": f"{one.base}-{one.symbol}-{told.number}",
            "timestamp": told.ts_ms,
            "tick_direction": 1,
            "price": price(one, told.ticks),
            "mark_price": price(one, told.mark_ticks),
            "instrument_name": one.symbol,
            "index_price": told.index_ticks * self.index(one).tick,
            "direction": "buy" if told.lots > 0 else "sell",
            "amount": amount(one, abs(told.lots)),
            "contracts": amount(one, abs(told.lots)) / contract_size(one),
        }
        greeks = self._street.greeks(one.symbol) if isinstance(one, Option) else None
        return shape if greeks is None else shape | {"iv": shown(100.0 * greeks.mark_vol)}

    def rates(self, one: Instrument) -> list[int]:
        """Every funding print up to now, 1e-12."""
        now_ms = self._street.now_ms
        return [p.rate_e12 for p in self._street.funding_history(one.symbol, 0, now_ms)]

    def changes(self, one: Instrument, last: Ladder | None, new: Ladder) -> Shape:
        """`book.*`: a snapshot, or what changed since the ladder that was sent last."""
        shape: Shape = {
            "type": "snapshot" if last is None else "change",
            "timestamp": new.ts_ms,
            "instrument_name": one.symbol,
            "change_id": new.number,
            "bids": _changes(one, () if last is None else last.bids, new.bids),
            "asks": _changes(one, () if last is None else last.asks, new.asks),
        }
        return shape if last is None else shape | {"prev_change_id": last.number}

    def _settled(self, one: Instrument, quote: Quote) -> int:
        """The last price before the last settlement at 08:00 UTC, where the past reaches there."""
        at_ms = settled_ms(self._street.now_ms)
        bars = self._street.bars(one.symbol, at_ms - HOUR_MS, at_ms - 1)
        return bars[-1].close if bars else quote.mark_ticks


def settled_ms(now_ms: int) -> int:
    """The last 08:00 UTC."""
    shift = EXPIRY_HOUR * HOUR_MS
    return (now_ms - shift) // DAY_MS * DAY_MS + shift


def _period(option: Option) -> str:
    day = option.expiry_ms // DAY_MS
    if (day - 1) % 7:
        return "day"
    return "week"


def _best(one: Instrument, ladder: Ladder) -> Shape:
    shape: Shape = {}
    for side, levels in (("bid", ladder.bids), ("ask", ladder.asks)):
        ticks, lots = levels[0] if levels else (0, 0)
        shape[f"best_{side}_price"] = price(one, ticks) if levels else None
        shape[f"best_{side}_amount"] = amount(one, lots)
    return shape


def _changes(
    one: Instrument, last: tuple[tuple[int, int], ...], new: tuple[tuple[int, int], ...]
) -> list[list[Any]]:
    before, after = dict(last), dict(new)
    gone = [["delete", price(one, t), Decimal(0)] for t in before if t not in after]
    return gone + [
        ["change" if t in before else "new", price(one, t), amount(one, n)]
        for t, n in after.items()
        if before.get(t) != n
    ]
