# SPDX-License-Identifier: Apache-2.0
"""What subscribers are told: a snapshot where the venue gives one, then what is new.

A message is made once for everybody who wants it. Source: hyperliquid.gitbook.io, WebSocket
subscriptions (stored copy read in November 2026).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from tidegate.model.events import FundingPaid, LiquidationStarted
from tidegate.model.units import MICRO
from tidegate.venues.hyperliquid_server import account_shapes, info, market_shapes
from tidegate.venues.hyperliquid_server.candles import INTERVALS, candles
from tidegate.venues.hyperliquid_server.connection import Connection
from tidegate.venues.hyperliquid_server.house import Desk, House, News
from tidegate.venues.hyperliquid_server.questions import Subscription

SUBSCRIPTIONS_MAX, USERS_MAX = 1000, 10
SNAPSHOT_ROWS = 500


class Several(list[Any]):
    """What is told in more messages than one, or none."""


@dataclass(frozen=True, slots=True)
class Feed:
    """One kind of subscription: its channel, the fields that matter, what is told at first (None:
    nothing), and what is told of news (None: nothing)."""

    channel: str
    matter: tuple[str, ...]
    first: Callable[[House, Subscription], Any]
    then: Callable[[House, Subscription, News], Any]


class Feeds:
    """All subscriptions of all connections."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._heard: dict[Subscription, set[Connection]] = {}

    def subscribe(self, connection: Connection, wanted: Subscription) -> bytes | None:
        """Tell a connection of something from now on; what it is told at first.

        Raises `info.Unanswerable` for what cannot be wanted, or is wanted already.
        """
        feed, topic = _wanted(wanted)
        if topic in connection.topics:
            raise info.Unanswerable("Already subscribed")
        _check_room(connection, topic)
        first = feed.first(self._house, topic)
        connection.topics.add(topic)
        self._heard.setdefault(topic, set()).add(connection)
        return None if first is None else _message(feed.channel, first)

    def unsubscribe(self, connection: Connection, wanted: Subscription) -> None:
        """Tell it no more; raises `info.Unanswerable` where it was not told."""
        _, topic = _wanted(wanted)
        if topic not in connection.topics:
            raise info.Unanswerable("Already unsubscribed")
        connection.topics.discard(topic)
        self._forget(connection, topic)

    def leave(self, connection: Connection) -> None:
        """Forget a connection."""
        for topic in connection.topics:
            self._forget(connection, topic)
        connection.topics.clear()

    def publish(self, news: News) -> None:
        """Tell everybody what they want of the news."""
        for topic, heard in list(self._heard.items()):
            feed = FEEDS[topic.type]
            told = feed.then(self._house, topic, news)
            for one in told if isinstance(told, Several) else () if told is None else (told,):
                text = _message(feed.channel, one)
                for connection in heard:
                    connection.say(text)

    def _forget(self, connection: Connection, topic: Subscription) -> None:
        heard = self._heard.get(topic, set())
        heard.discard(connection)
        if not heard:
            self._heard.pop(topic, None)


def _wanted(wanted: Subscription) -> tuple[Feed, Subscription]:
    feed = FEEDS.get(wanted.type)
    if feed is None or wanted.dex:
        raise info.Unanswerable("no such subscription")
    return feed, wanted.topic(*feed.matter)


def _check_room(connection: Connection, topic: Subscription) -> None:
    if len(connection.topics) >= SUBSCRIPTIONS_MAX:
        raise info.Unanswerable(f"Cannot subscribe to more than {SUBSCRIPTIONS_MAX} topics.")
    users = {known.user for known in connection.topics if known.user}
    if topic.user and len(users | {topic.user}) > USERS_MAX:
        raise info.Unanswerable(f"Cannot track more than {USERS_MAX} total users.")


def _message(channel: str, data: Any) -> bytes:
    return msgspec.json.encode({"channel": channel, "data": data})


def _desk(house: House, topic: Subscription) -> Desk:
    return info.desk_of(house, topic.user)


def _moved(topic: Subscription, news: News) -> bool:
    return topic.coin in news.moved


def _nothing_first(house: House, topic: Subscription) -> None:
    """See that there is such a user, and tell nothing."""
    _desk(house, topic)


def _mids(house: House, topic: Subscription) -> Any:
    return {"mids": info.mids(house)}


def _best(house: House, topic: Subscription) -> Any:
    coin = info.coin_named(house, topic.coin)
    return market_shapes.best(coin, house.ladder(coin))


def _context(house: House, topic: Subscription) -> Any:
    coin = info.coin_named(house, topic.coin)
    return {"coin": coin.name, "ctx": house.shown(coin).context}


def _candle(house: House, topic: Subscription) -> Any:
    coin, interval = info.coin_named(house, topic.coin), topic.interval or ""
    if interval not in INTERVALS:
        raise info.Unanswerable("expected an interval of the venue")
    length_ms, now_ms = INTERVALS[interval], house.street.now_ms
    window = now_ms // length_ms * length_ms, now_ms
    bars = candles(house.street, house.minutes, coin.name, length_ms, window)
    return market_shapes.candle(coin, bars[-1], interval, length_ms) if bars else None


def _trades_first(house: House, topic: Subscription) -> Any:
    coin = info.coin_named(house, topic.coin)
    prints = house.street.prints(coin.name, 0, info.PRINTS_SHOWN)
    return [market_shapes.trade(coin, said) for said in reversed(prints)]


def _trades(house: House, topic: Subscription, news: News) -> Any:
    coin = info.coin_named(house, topic.coin)
    prints = news.prints.get(coin.name)
    return None if not prints else [market_shapes.trade(coin, said) for said in prints]


def _orders(house: House, topic: Subscription, news: News) -> Any:
    states = news.orders.get(topic.user or "")
    if not states:
        return None
    return [account_shapes.order_news(house.by_name[s.order.symbol], s) for s in states]


def _fills_first(house: House, topic: Subscription) -> Any:
    desk = _desk(house, topic)
    told = info.fills(house, desk, desk.fills()[-SNAPSHOT_ROWS:][::-1])
    return {"isSnapshot": True, "user": topic.user, "fills": told}


def _fills(house: House, topic: Subscription, news: News) -> Any:
    said = news.fills.get(topic.user or "")
    if not said:
        return None
    return {"user": topic.user, "fills": info.fills(house, _desk(house, topic), said)}


def _fundings_first(house: House, topic: Subscription) -> Any:
    told = info.fundings(house, _desk(house, topic))[-SNAPSHOT_ROWS:]
    return {"isSnapshot": True, "user": topic.user, "fundings": told[::-1]}


def _fundings(house: House, topic: Subscription, news: News) -> Any:
    paid = [e for e in news.events.get(topic.user or "", ()) if isinstance(e, FundingPaid)]
    if not paid:
        return None
    told = [_funding(house, event) for event in paid]
    return {"user": topic.user, "fundings": told}


def _funding(house: House, event: FundingPaid) -> Any:
    said = account_shapes.funding_paid(house.by_id[event.instrument], event)
    return {"time": event.ts_ms} | said


def _user_events(house: House, topic: Subscription, news: News) -> Any:
    """Liquidations, fills and funding, each in a message of its own."""
    address, told = topic.user or "", []
    for event in news.events.get(address, ()):
        if isinstance(event, FundingPaid):
            told.append({"funding": _funding(house, event)})
        elif isinstance(event, LiquidationStarted):
            told.append({"liquidation": _liquidation(address, event)})
    if said := news.fills.get(address):
        told.append({"fills": info.fills(house, _desk(house, topic), said)})
    return Several(told)


def _liquidation(address: str, event: LiquidationStarted) -> Any:
    return {
        "lid": event.ts_ms,
        "liquidator": market_shapes.NOBODY,
        "liquidated_user": address,
        "liquidated_ntl_pos": "0.0",
        "liquidated_account_value": f"{event.equity_quanta / MICRO}",
    }


def _state(house: House, topic: Subscription) -> Any:
    state = info.state(house, _desk(house, topic))
    return {"dex": "", "user": topic.user, "clearinghouseState": state}


def _spot(house: House, topic: Subscription) -> Any:
    return {"user": topic.user, "spotState": info.spot(_desk(house, topic))}


def _web_data(house: House, topic: Subscription) -> Any:
    return info.web_data(house, _desk(house, topic))


def _active_asset(house: House, topic: Subscription) -> Any:
    coin = info.coin_named(house, topic.coin)
    return info.active_asset(house, _desk(house, topic), coin)


def _ledger_first(house: House, topic: Subscription) -> Any:
    rows = list(_desk(house, topic).ledger)[-SNAPSHOT_ROWS:]
    return {"isSnapshot": True, "user": topic.user, "nonFundingLedgerUpdates": rows[::-1]}


def _ledger(house: House, topic: Subscription, news: News) -> Any:
    rows = news.ledger.get(topic.user or "")
    return None if not rows else {"user": topic.user, "nonFundingLedgerUpdates": rows}


Shape = Callable[[House, Subscription], Any]
When = Callable[[Subscription, News], bool]


def _whole(channel: str, matter: tuple[str, ...], shape: Shape, when: When) -> Feed:
    """A feed that tells all of it, at first and whenever something happened."""

    def then(house: House, topic: Subscription, news: News) -> Any:
        return shape(house, topic) if when(topic, news) else None

    return Feed(channel, matter, shape, then)


def _any_moved(topic: Subscription, news: News) -> bool:
    return bool(news.moved)


def _of_user(topic: Subscription, news: News) -> bool:
    return bool(news.moved) or news.of_user(topic.user or "")


def _of_user_alone(topic: Subscription, news: News) -> bool:
    return news.of_user(topic.user or "")


def _printed(topic: Subscription, news: News) -> bool:
    return topic.coin in news.prints


COIN, USER = ("coin",), ("user",)
LEVELS, BARS = ("coin", "nSigFigs", "mantissa"), ("coin", "interval")
LEDGER = "userNonFundingLedgerUpdates"
FEEDS: Mapping[str, Feed] = {
    "allMids": _whole("allMids", (), _mids, _any_moved),
    "l2Book": _whole("l2Book", LEVELS, info.l2_book, _moved),
    "bbo": _whole("bbo", COIN, _best, _moved),
    "activeAssetCtx": _whole("activeAssetCtx", COIN, _context, _moved),
    "candle": _whole("candle", BARS, _candle, _printed),
    "trades": Feed("trades", COIN, _trades_first, _trades),
    "orderUpdates": Feed("orderUpdates", USER, _nothing_first, _orders),
    "userFills": Feed("userFills", USER, _fills_first, _fills),
    "userFundings": Feed("userFundings", USER, _fundings_first, _fundings),
    "userEvents": Feed("user", USER, _nothing_first, _user_events),
    LEDGER: Feed(LEDGER, USER, _ledger_first, _ledger),
    "clearinghouseState": _whole("clearinghouseState", USER, _state, _of_user),
    "spotState": _whole("spotState", USER, _spot, _of_user_alone),
    "webData2": _whole("webData2", USER, _web_data, _of_user),
    "activeAssetData": _whole("activeAssetData", (*USER, *COIN), _active_asset, _of_user),
}
