# SPDX-License-Identifier: Apache-2.0
"""Methods without authorisation: market data, as of docs.deribit.com (November 2026)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tidegate import __version__
from tidegate.model.instruments import Instrument, Option
from tidegate.model.times import HOUR_MS, MINUTE_MS
from tidegate.venues.deribit_server.contracts import VENUES
from tidegate.venues.deribit_server.figures import price, shown
from tidegate.venues.deribit_server.market_shapes import E12, FUNDING_HOURS, Shape, kind
from tidegate.venues.deribit_server.params import Params
from tidegate.venues.deribit_server.refusals import NOT_FOUND, Refusal, bad_param
from tidegate.venues.deribit_server.session import Session
from tidegate.venues.street.values import Bar, Print

if TYPE_CHECKING:
    from tidegate.venues.deribit_server.house import House

LONG_NAMES = {"BTC": "Bitcoin", "ETH": "Ethereum", "USDC": "USD Coin"}
# A deposit's confirmations are the venue's; none can be made here.
KINDS = ("future", "option", "any")
COUNT_MAX, COUNT, BOOK_LEVELS = 1_000, 10, 20
RESOLUTIONS = {str(m): m for m in (1, 3, 5, 10, 15, 30, 60, 120, 180, 360, 720)} | {"1D": 1_440}
BAR_MINUTES, BARS_MAX = 5, 5_000
METHODS: dict[str, Callable[[Any, Session, Params], Any]] = {}


def method(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Names the method that a function is."""

    def put(function: Callable[..., Any]) -> Callable[..., Any]:
        METHODS[name] = function
        return function

    return put


@method("public/test")
def _test(house: House, session: Session, params: Params) -> Shape:
    session.asked = False
    return {"version": __version__}


@method("public/get_time")
def _time(house: House, session: Session, params: Params) -> int:
    return house.street.now_ms


@method("public/status")
def _status(house: House, session: Session, params: Params) -> Shape:
    out = house.street.out_venues()
    locked = [c for c, venue in VENUES.items() if venue in out]
    return {"locked": "true" if locked else "false", "locked_indices": []}


@method("public/get_currencies")
def _currencies(house: House, session: Session, params: Params) -> list[Shape]:
    return [
        {
            "currency": currency,
            "currency_long": LONG_NAMES[currency],
            "coin_type": "BITCOIN" if currency == "BTC" else "ETHER",
            "fee_precision": 6 if currency == "USDC" else 8,
            "decimals": 6 if currency == "USDC" else 8,
            "withdrawal_priorities": [],
            "in_cross_collateral_pool": False,
        }
        for currency in VENUES
    ]


@method("public/get_instruments")
def _instruments(house: House, session: Session, params: Params) -> list[Shape]:
    if params.flag("expired"):
        return []
    return [house.market.instrument(one) for one in chosen(house, params)]


@method("public/get_instrument")
def _instrument(house: House, session: Session, params: Params) -> Shape:
    return house.market.instrument(house.instrument(params.text("instrument_name")))


@method("public/get_order_book")
def _order_book(house: House, session: Session, params: Params) -> Shape:
    one = house.instrument(params.text("instrument_name"))
    depth = params.within("depth", 1, 10_000, BOOK_LEVELS)
    quote, ladder = house.street.quote(one.symbol), house.street.ladder(one.symbol, depth)
    if quote is None or ladder is None:
        raise Refusal(NOT_FOUND)
    return house.market.book(one, quote, ladder)


@method("public/ticker")
def _ticker(house: House, session: Session, params: Params) -> Shape:
    return house.ticker(house.instrument(params.text("instrument_name")))


@method("public/get_book_summary_by_currency")
def _summaries(house: House, session: Session, params: Params) -> list[Shape]:
    return [_summary_of(house, one) for one in chosen(house, params)]


@method("public/get_book_summary_by_instrument")
def _summary(house: House, session: Session, params: Params) -> list[Shape]:
    return [_summary_of(house, house.instrument(params.text("instrument_name")))]


@method("public/get_index_price")
def _index_price(house: House, session: Session, params: Params) -> Shape:
    prices, name = house.market.index_prices(), params.text("index_name")
    if name not in prices:
        raise bad_param("index_name", "unknown index")
    return {"index_price": prices[name], "estimated_delivery_price": prices[name]}


@method("public/get_index_price_names")
def _index_names(house: House, session: Session, params: Params) -> list[str]:
    return sorted(house.market.index_prices())


@method("public/get_funding_rate_value")
def _funding_value(house: House, session: Session, params: Params) -> Any:
    one, first, last = _span(house, params)
    return sum(p.rate_e12 for p in house.street.funding_history(one.symbol, first, last)) * E12


@method("public/get_funding_rate_history")
def _funding_history(house: House, session: Session, params: Params) -> list[Shape]:
    one, first, last = _span(house, params)
    lead = first - FUNDING_HOURS * HOUR_MS
    prints = house.street.funding_history(one.symbol, lead, last)
    tick, found = house.market.index(one).tick, []
    for place, now in enumerate(prints):
        if now.ts_ms >= first:
            before = prints[max(0, place - 1)]
            recent = prints[max(0, place - FUNDING_HOURS + 1) : place + 1]
            found.append(
                {
                    "timestamp": now.ts_ms,
                    "index_price": now.index_ticks * tick,
                    "prev_index_price": before.index_ticks * tick,
                    "interest_1h": now.rate_e12 * E12,
                    "interest_8h": sum(p.rate_e12 for p in recent) * E12,
                }
            )
    return found


@method("public/get_last_trades_by_instrument")
@method("public/get_last_trades_by_instrument_and_time")
def _trades(house: House, session: Session, params: Params) -> Shape:
    return _told(house, [house.instrument(params.text("instrument_name"))], params)


@method("public/get_last_trades_by_currency")
@method("public/get_last_trades_by_currency_and_time")
def _trades_of_currency(house: House, session: Session, params: Params) -> Shape:
    return _told(house, chosen(house, params), params)


@method("public/get_tradingview_chart_data")
def _chart(house: House, session: Session, params: Params) -> Shape:
    one, first, last = _span(house, params)
    minutes = RESOLUTIONS.get(params.text("resolution"))
    if minutes is None:
        raise bad_param("resolution", f"expected one of {', '.join(RESOLUTIONS)}")
    width = minutes * MINUTE_MS
    first = first // width * width
    if (last - first) // width > BARS_MAX:
        raise bad_param("start_timestamp", f"expected at most {BARS_MAX} bars")
    # Bars of five minutes are the world's own; finer ones are drawn anew.
    fine = house.street.minute_bars if minutes < BAR_MINUTES else house.street.bars
    bars = _wider(fine(one.symbol, first, last), width)
    names = ("open", "high", "low", "close")
    columns = {name: [price(one, getattr(bar, name)) for bar in bars] for name in names}
    usd = [_usd(one, b) for b in bars]
    sizes = [cost / float(price(one, bar.close)) for cost, bar in zip(usd, bars, strict=True)]
    return {
        "status": "ok" if bars else "no_data",
        "ticks": [b.open_ms for b in bars],
        **columns,
        "volume": [shown(size) for size in sizes],
        "cost": [shown(cost) for cost in usd],
    }


def chosen(house: House, params: Params) -> list[Instrument]:
    """Instruments of a currency and kind, by name; of all currencies where it says so."""
    currency = params.text("currency", "any").upper()
    if currency != "ANY" and currency not in VENUES:
        raise bad_param("currency", "invalid currency")
    wanted = params.choice("kind", KINDS, "any")
    return [
        one
        for _, one in sorted(house.street.instruments.items())
        if wanted in ("any", kind(one)) and currency in ("ANY", one.settle)
    ]


def _summary_of(house: House, one: Instrument) -> Shape:
    quote, ladder = house.street.quote(one.symbol), house.street.ladder(one.symbol)
    if quote is None or ladder is None:
        raise Refusal(NOT_FOUND)
    return house.market.summary(one, quote, ladder)


def _span(house: House, params: Params) -> tuple[Instrument, int, int]:
    one = house.instrument(params.text("instrument_name"))
    first, last = params.integer("start_timestamp"), params.integer("end_timestamp")
    if not 0 <= first <= last:
        raise bad_param("start_timestamp", "expected not after end_timestamp")
    return one, first, last


def _told(house: House, wanted: list[Instrument], params: Params) -> Shape:
    """Trades by time or number, the newest first unless asked otherwise."""
    count = params.within("count", 1, COUNT_MAX, COUNT)
    first, last = params.integer("start_timestamp", 0), params.integer("end_timestamp", 1 << 62)
    first_seq, last_seq = params.integer("start_seq", 0), params.integer("end_seq", 1 << 62)
    ascending = params.choice("sorting", ("asc", "desc", "default"), "default") == "asc"

    def within(told: Print) -> bool:
        return first <= told.ts_ms <= last and first_seq <= told.number <= last_seq

    found = [
        (told, one)
        for one in wanted
        for told in house.street.prints(one.symbol, 0, COUNT_MAX)
        if within(told)
    ]
    found.sort(key=lambda pair: (pair[0].ts_ms, pair[0].number), reverse=not ascending)
    trades = [house.market.trade(one, told) for told, one in found[:count]]
    return {"trades": trades, "has_more": len(found) > count}


def _wider(bars: list[Bar], width: int) -> list[Bar]:
    """Bars joined to wider ones, which begin at whole multiples of their width."""
    found: dict[int, Bar] = {}
    for bar in bars:
        open_ms = bar.open_ms // width * width
        held = found.get(open_ms)
        if held is None:
            found[open_ms] = Bar(open_ms, bar.open, bar.high, bar.low, bar.close, bar.lots)
        else:
            high, low = max(held.high, bar.high), min(held.low, bar.low)
            lots = held.lots + bar.lots
            found[open_ms] = Bar(open_ms, held.open, high, low, bar.close, lots)
    return list(found.values())


def _usd(one: Instrument, bar: Bar) -> float:
    if isinstance(one, Option):
        return 0.0
    if one.inverse:
        return float(bar.lots * one.lot * (one.inverse_face_usd or 1))
    return float(bar.lots * one.lot * price(one, bar.close))
