# SPDX-License-Identifier: Apache-2.0
"""A session with Hyperliquid trades on the paper server, and books to the quantum what happened."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tidegate.model.actions import Order, Transfer
from tidegate.model.events import Filled, FundingPaid, TransferSent
from tidegate.model.instruments import Contract, Perpetual
from tidegate.model.replies import (
    Armed,
    NotTaken,
    OrderReply,
    OrderStatus,
    TransferStatus,
    Unclear,
)
from tidegate.model.times import HOUR_MS, SECOND_MS
from tidegate.venues.exchanges.client import open_client
from tidegate.venues.exchanges.credentials import Credentials
from tidegate.venues.exchanges.order_ids import client_id

pytest.importorskip("ccxt", reason="the extra `live` is not installed")
pytest.importorskip("eth_account", reason="the extra `live` is not installed")

from tests.venues.hyperliquid_server.running import ADDRESSES, KEYS, Venue, running
from tidegate.venues.exchanges.hyperliquid import HyperliquidSession
from tidegate.venues.exchanges.session import Venue as Told
from tidegate.venues.exchanges.session import account_of

SOON_MS = 60 * SECOND_MS


class Place:
    """A paper venue whose time is moved by hand, and a session with it."""

    def __init__(self, url: str, venue: Venue) -> None:
        self.venue = venue
        btc = venue.market.instruments["hyperliquid:BTC"]
        assert isinstance(btc, Perpetual)
        self.btc: Contract = btc
        key = Credentials({"walletAddress": ADDRESSES[0], "privateKey": KEYS[0]})
        client = open_client("hyperliquid", key, url)
        self.session = HyperliquidSession(client, Told("hyperliquid", "USDC", {"BTC": btc}))

    def now_ms(self) -> int:
        now_ms = self.session.now_ms()
        assert isinstance(now_ms, int)
        return now_ms

    def order(self, name: str, lots: int, reduce_only: bool = False) -> OrderStatus:
        mid = self.session.mid("BTC")
        assert isinstance(mid, Decimal)
        limit = mid * (Decimal("1.01") if lots > 0 else Decimal("0.99"))
        order = Order(name, self.btc.id, lots, reduce_only, "test")
        reply = self.session.place(order, limit, self.now_ms() + SOON_MS)
        assert isinstance(reply, OrderStatus), reply
        return reply


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    # Nonces are of this machine's clock, as in a session; what is due, of the venue's own time.
    venue = Venue(by_hand=False)
    venue.house.due_ms = venue.clock.now_ms
    with running(venue.house) as url:
        yield Place(url, venue)


def test_order_fills_once_and_its_fills_are_booked_under_our_id(place: Place) -> None:
    status = place.order("1.buy", 2_000)
    assert (status.state, status.filled_lots) == ("filled", 2_000)
    assert place.session.order("1.buy", "BTC") == status
    news = place.session.news(0, {client_id("hyperliquid", "1.buy"): "1.buy"})
    assert isinstance(news, tuple)
    fills = [n.event for n in news if isinstance(n.event, Filled)]
    assert sum(fill.lots for fill in fills) == 2_000
    assert {fill.order for fill in fills} == {"1.buy"}
    assert len({n.source for n in news}) == len(news)


def test_account_is_the_exchanges_to_the_quantum(place: Place) -> None:
    place.order("2.buy", 3_333)
    place.order("2.sell", -1_111)
    held = place.session.held()
    assert not isinstance(held, Unclear)
    news = place.session.news(0, {})
    assert isinstance(news, tuple)
    own = place.venue.desk()._account.venue("hyperliquid")
    told = account_of(place.session.venue, held, {"BTC": own.positions[place.btc.id].cost})
    assert told.positions == own.positions
    assert told.balances["USDC"] == own.balances["USDC"]


def test_order_after_its_expiry_is_refused_by_the_venue(place: Place) -> None:
    order = Order("3.late", place.btc.id, 1_000, False, "test")
    expires_ms = place.now_ms() - 1
    reply = place.session.place(order, Decimal(10**6), expires_ms)
    assert isinstance(reply, Unclear)
    asked = place.session.order("3.late", "BTC")
    assert isinstance(asked, OrderStatus)
    assert asked.state == "absent"
    assert asked.ts_ms > expires_ms


def test_word_of_a_cancellation_is_as_of_the_venues_time_when_it_is_asked_for(place: Place) -> None:
    mid = place.session.mid("BTC")
    assert isinstance(mid, Decimal)
    order = Order("8.low", place.btc.id, 1_000, False, "test")
    place.session.place(order, mid * Decimal("0.99"), place.now_ms() + SOON_MS)
    place.venue.passes(SECOND_MS)
    later = place.session.order("8.low", "BTC")
    assert isinstance(later, OrderStatus)
    assert (later.state, later.ts_ms) == ("cancelled", place.now_ms())


def test_order_beyond_the_book_fills_nothing_beyond_its_limit(place: Place) -> None:
    mid = place.session.mid("BTC")
    assert isinstance(mid, Decimal)
    order = Order("4.low", place.btc.id, 1_000, False, "test")
    reply = place.session.place(order, mid * Decimal("0.9"), place.now_ms() + SOON_MS)
    assert isinstance(reply, OrderStatus)
    assert reply.filled_lots == 0
    assert reply.state in ("refused", "cancelled")


def test_funding_at_its_stamp_is_in_the_news_with_the_exchanges_amount(place: Place) -> None:
    place.order("5.buy", 5_000)
    place.venue.passes(HOUR_MS + SECOND_MS)
    news = place.session.news(0, {})
    assert isinstance(news, tuple)
    paid = [n.event for n in news if isinstance(n.event, FundingPaid)]
    own = [(e.ts_ms, e.quanta, e.lots) for e in place.venue.desk().fundings]
    assert [(e.ts_ms, e.quanta, e.lots) for e in paid] == own


def test_dead_mans_switch_is_armed_and_lifted(place: Place) -> None:
    armed = place.session.arm(30)
    assert isinstance(armed, Armed)
    assert armed.until_ms == armed.ts_ms + 30 * SECOND_MS
    assert place.session.arm(0) == Armed("hyperliquid", None, place.now_ms())


def test_withdrawal_leaves_once_under_its_ticket(place: Place) -> None:
    ticket = place.session.ticket()
    transfer = Transfer("6.send", "hyperliquid", "deribit", "USDC", 5_000_000_000, "test")
    first = place.session.send(transfer, ADDRESSES[1], ticket)
    assert isinstance(first, TransferStatus)
    assert first.state == "accepted"
    again = place.session.send(transfer, ADDRESSES[1], ticket)
    assert not (isinstance(again, TransferStatus) and again.state == "accepted")
    news = place.session.news(0, {ticket: "6.send"})
    assert isinstance(news, tuple)
    sent = [n.event for n in news if isinstance(n.event, TransferSent)]
    assert [(e.id, e.quanta) for e in sent] == [("6.send", 5_000_000_000)]


def test_question_that_is_not_taken_after_an_order_was_sent_leaves_the_order_open(
    place: Place,
) -> None:
    class Unasked(HyperliquidSession):
        """A session whose questions come beyond the rate, after its orders came within it."""

        def order(self, order: str, symbol: str) -> OrderReply:
            return NotTaken("RateLimitExceeded")

    whole, place.session = place.session, Unasked(place.session._client, place.session.venue)
    try:
        with pytest.raises(AssertionError, match="Unclear"):
            place.order("7.buy", 1_000)
    finally:
        place.session = whole
    known = place.session.order("7.buy", "BTC")
    assert isinstance(known, OrderStatus)
    assert (known.state, known.filled_lots) == ("filled", 1_000)


def test_nothing_gives_fees_away(place: Place) -> None:
    desk = place.venue.desk()
    assert not getattr(desk.user, "builders", ())
    assert not getattr(desk.user, "referrer", None)
