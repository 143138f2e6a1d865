# SPDX-License-Identifier: Apache-2.0
"""What can be subscribed to, and what each channel says of the street's news.

Source: docs.deribit.com, Subscriptions, read in November 2026. Intervals "100ms" and "agg2" gather
what happened since the last time that the market was looked at; "raw" does the same here, since
the street moves in ticks, and needs authorisation as there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tidegate.model.instruments import Instrument
from tidegate.venues.deribit_server.contracts import VENUES
from tidegate.venues.deribit_server.figures import amount, price
from tidegate.venues.deribit_server.market_shapes import Shape, kind
from tidegate.venues.street.account import StreetAccount
from tidegate.venues.street.values import (
    AccountNews,
    FillNews,
    Happened,
    Ladder,
    Moved,
    OrderNews,
    Print,
)

if TYPE_CHECKING:
    from tidegate.venues.deribit_server.house import House
    from tidegate.venues.deribit_server.session import Session

INTERVALS = ("raw", "100ms", "agg2")
KINDS = ("any", "future", "option")
DEPTHS = (1, 10, 20)
Feed = Callable[[Sequence[Happened]], list[Any]]


@dataclass(slots=True)
class Channel:
    """A subscription; `feed` gives the data to send for news, the first time of none at all."""

    name: str
    feed: Feed
    state: dict[str, Any] = field(default_factory=dict)


def channel(house: House, session: Session, name: str) -> Channel | None:
    """The channel of a name, None where there is none such; raises `Refusal` where it needs
    authorisation that is missing."""
    head, _, rest = name.partition(".")
    if head == "user":
        return _user_channel(house, session, name, rest.split("."))
    make = {"book": _book, "ticker": _ticker, "quote": _quote, "trades": _trades}.get(head)
    parts = rest.split(".")
    if make is None or not parts[0]:
        return None
    if parts[-1] == "raw":
        session.who("trade:read")
    feed = make(house, parts)
    return None if feed is None else Channel(name, feed)


def _named(house: House, parts: list[str], intervals: bool = True) -> Instrument | None:
    one = house.street.instrument(parts[0])
    sound = len(parts) == 2 and parts[1] in INTERVALS if intervals else len(parts) == 1
    return one if one is not None and sound else None


def _moved(news: Sequence[Happened], symbol: str) -> bool:
    return any(isinstance(n, Moved) and n.symbol == symbol for n in news)


def _book(house: House, parts: list[str]) -> Feed | None:
    if len(parts) == 4:
        return _grouped(house, parts)
    one = _named(house, parts)
    if one is None:
        return None
    sent: list[Ladder] = []

    def feed(news: Sequence[Happened]) -> list[Any]:
        if sent and not _moved(news, one.symbol):
            return []
        ladder = house.street.ladder(one.symbol)
        last = sent[0] if sent else None
        if ladder is None or (last is not None and ladder.number == last.number):
            return []
        sent[:] = [ladder]
        return [house.market.changes(one, last, ladder)]

    return feed


def _grouped(house: House, parts: list[str]) -> Feed | None:
    """book.INSTRUMENT.GROUP.DEPTH.INTERVAL; only ungrouped books are shown."""
    one = house.street.instrument(parts[0])
    depths = {str(depth): depth for depth in DEPTHS}
    sound = parts[1] == "none" and parts[2] in depths and parts[3] in INTERVALS
    if one is None or not sound:
        return None
    numbers: list[int] = []

    def feed(news: Sequence[Happened]) -> list[Any]:
        ladder = house.street.ladder(one.symbol, depths[parts[2]])
        if ladder is None or numbers == [ladder.number]:
            return []
        numbers[:] = [ladder.number]
        sides = (("bids", ladder.bids), ("asks", ladder.asks))
        levels = {s: [[price(one, t), amount(one, n)] for t, n in rows] for s, rows in sides}
        stamp = {"timestamp": ladder.ts_ms, "change_id": ladder.number}
        return [{"instrument_name": one.symbol, **stamp, **levels}]

    return feed


def _ticker(house: House, parts: list[str]) -> Feed | None:
    one = _named(house, parts)
    return None if one is None else _latest(house, one, house.ticker)


def _quote(house: House, parts: list[str]) -> Feed | None:
    one = _named(house, parts, intervals=False)
    names = ("timestamp", "instrument_name")
    best = ("best_bid_price", "best_bid_amount", "best_ask_price", "best_ask_amount")

    def said(instrument: Instrument) -> Shape:
        ticker = house.ticker(instrument)
        return {name: ticker[name] for name in (*names, *best)}

    return None if one is None else _latest(house, one, said)


def _latest(house: House, one: Instrument, say: Callable[[Instrument], Shape]) -> Feed:
    begun: list[bool] = []

    def feed(news: Sequence[Happened]) -> list[Any]:
        if begun and not _moved(news, one.symbol):
            return []
        begun.append(True) if not begun else None
        return [say(one)] if house.street.instrument(one.symbol) else []

    return feed


def _trades(house: House, parts: list[str]) -> Feed | None:
    """trades.INSTRUMENT.INTERVAL or trades.KIND.CURRENCY.INTERVAL."""
    wanted = _wanted(house, parts)
    if wanted is None:
        return None

    def feed(news: Sequence[Happened]) -> list[Any]:
        told = [n for n in news if isinstance(n, Print) and wanted(house.known(n.symbol))]
        return [[house.market.trade(house.known(p.symbol), p) for p in told]] if told else []

    return feed


def _wanted(house: House, parts: list[str]) -> Callable[[Instrument], bool] | None:
    """Which instruments parts of a name mean: one, or those of a kind and currency."""
    if len(parts) == 2 and parts[1] in INTERVALS:
        symbol = parts[0]
        known = symbol in ("any", *house.street.instruments)
        return (lambda one: symbol in ("any", one.symbol)) if known else None
    sound = len(parts) == 3 and parts[0] in KINDS and parts[2] in INTERVALS
    if not sound or parts[1].upper() not in ("ANY", *VENUES):
        return None
    wanted_kind, currency = parts[0], parts[1].upper()
    return lambda one: wanted_kind in ("any", kind(one)) and currency in ("ANY", one.settle)


def _user_channel(house: House, session: Session, name: str, parts: list[str]) -> Channel | None:
    who = session.who("account:read" if parts[0] == "portfolio" else "trade:read")
    account = house.account(who)
    if parts[0] == "portfolio" and len(parts) == 2:
        feed = _portfolio(house, account, parts[1].upper())
        return None if feed is None else Channel(name, feed)
    wanted = _wanted(house, parts[1:])
    make = {"orders": _orders, "trades": _own_trades, "changes": _own_changes}.get(parts[0])
    if make is None or wanted is None:
        return None
    return Channel(name, make(house, account, wanted, parts[-1] == "raw"))


def _orders(
    house: House, account: StreetAccount, wanted: Callable[[Instrument], bool], raw: bool
) -> Feed:
    def feed(news: Sequence[Happened]) -> list[Any]:
        told = _order_news(house, account, wanted, news)
        return list(told) if raw else ([told] if told else [])

    return feed


def _order_news(
    house: House,
    account: StreetAccount,
    wanted: Callable[[Instrument], bool],
    news: Sequence[Happened],
) -> list[Shape]:
    return [
        house.accounts.order(account, n.state)
        for n in news
        if isinstance(n, OrderNews) and n.key == account.key and n.state.state != "rejected"
        if wanted(house.known(n.state.order.symbol))
    ]


def _trade_news(
    house: House,
    account: StreetAccount,
    wanted: Callable[[Instrument], bool],
    news: Sequence[Happened],
) -> list[Shape]:
    return [
        house.accounts.trade(account, n.fill)
        for n in news
        if isinstance(n, FillNews) and n.key == account.key
        if wanted(house.known(n.fill.symbol))
    ]


def _own_trades(
    house: House, account: StreetAccount, wanted: Callable[[Instrument], bool], raw: bool
) -> Feed:
    def feed(news: Sequence[Happened]) -> list[Any]:
        told = _trade_news(house, account, wanted, news)
        return [told] if told else []

    return feed


def _own_changes(
    house: House, account: StreetAccount, wanted: Callable[[Instrument], bool], raw: bool
) -> Feed:
    """Orders, trades and positions of each instrument that changed."""

    def feed(news: Sequence[Happened]) -> list[Any]:
        orders = _order_news(house, account, wanted, news)
        trades = _trade_news(house, account, wanted, news)
        names = dict.fromkeys(shape["instrument_name"] for shape in (*orders, *trades))
        return [
            {
                "instrument_name": symbol,
                "orders": [o for o in orders if o["instrument_name"] == symbol],
                "trades": (own := [t for t in trades if t["instrument_name"] == symbol]),
                "positions": [house.accounts.position(account, house.known(symbol))] if own else [],
            }
            for symbol in names
        ]

    return feed


def _portfolio(house: House, account: StreetAccount, currency: str) -> Feed | None:
    if currency not in ("ANY", *VENUES):
        return None
    currencies = tuple(VENUES) if currency == "ANY" else (currency,)
    sent: dict[str, Shape] = {}

    def feed(news: Sequence[Happened]) -> list[Any]:
        ours = any(
            isinstance(n, OrderNews | FillNews | AccountNews) and n.key == account.key for n in news
        )
        found = []
        for each in currencies:
            held = account.positions(VENUES[each])
            if each not in sent or ours or (held and news):
                said = house.portfolio(account, each)
                if said != sent.get(each):
                    sent[each] = said
                    found.append(said)
        return found

    return feed
