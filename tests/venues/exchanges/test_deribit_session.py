# SPDX-License-Identifier: Apache-2.0
"""A session with Deribit trades on the paper server, and books to the quantum what happened."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

pytest.importorskip("ccxt", reason="the extra `live` is not installed")
pytest.importorskip("aiohttp", reason="the extra `live` is not installed")

from tests.venues.deribit_server.houses import MAIN, SUB, Held, held, running
from tests.venues.street.streets import USDC
from tidegate.model.actions import Order, Transfer
from tidegate.model.events import Deposited, Filled, FundingPaid, TransferSent
from tidegate.model.instruments import Contract, Perpetual
from tidegate.model.replies import Entry, NotTaken, OrderStatus, Unclear
from tidegate.model.times import HOUR_MS, MINUTE_MS
from tidegate.venues.exchanges.client import open_client
from tidegate.venues.exchanges.credentials import Credentials
from tidegate.venues.exchanges.deribit import DeribitSession
from tidegate.venues.exchanges.order_ids import client_id
from tidegate.venues.exchanges.session import News, Venue, account_of

SYMBOL = "BTC_USDC-PERPETUAL"


class Place:
    """A paper venue whose time is moved by hand, and a session with it."""

    def __init__(self, url: str, house: Held) -> None:
        self.house = house
        paper = house.house.street.market.instruments[f"{USDC}:{SYMBOL}"]
        self.btc: Contract = Perpetual("deribit", SYMBOL, "BTC", "USDC", paper.tick, paper.lot)
        key = Credentials({"apiKey": MAIN.client_id, "secret": MAIN.client_secret})
        client = open_client("deribit", key, url)
        self.session = DeribitSession(client, Venue("deribit", "USDC", {SYMBOL: self.btc}))
        self.known: list[Entry] = []
        self.ours: dict[str, str] = {}
        opened = self.session.held()
        assert not isinstance(opened, Unclear), opened
        self.see([News("", Deposited(opened.ts_ms, "deribit", "USDC", opened.cash_quanta))])

    def see(self, news: list[News]) -> list[News]:
        self.known += [Entry("deribit", len(self.known) + 1, one.event) for one in news]
        return news

    def now_ms(self) -> int:
        now_ms = self.session.now_ms()
        assert isinstance(now_ms, int)
        return now_ms

    def order(self, name: str, lots: int, reduce_only: bool = False) -> OrderStatus:
        mid = self.session.mid(SYMBOL)
        assert isinstance(mid, Decimal)
        limit = mid * (Decimal("1.01") if lots > 0 else Decimal("0.99"))
        order = Order(name, self.btc.id, lots, reduce_only, "test")
        self.ours[client_id("deribit", name)] = name
        reply = self.session.place(order, limit, self.now_ms() + MINUTE_MS)
        assert isinstance(reply, OrderStatus), reply
        return reply

    def news(self) -> list[News]:
        """What is new since this was last asked."""
        found = self.session.news(0, self.ours, self.known)
        assert not isinstance(found, Unclear), found
        told = {(type(line.event), line.event.ts_ms, line.event) for line in self.known}
        return self.see([n for n in found if (type(n.event), n.event.ts_ms, n.event) not in told])

    def wallet(self) -> int:
        return self.house.account.venue(USDC).balances["USDC"]

    def folded(self) -> int:
        """The wallet as the news make it: what came less what fees, losses and funding took."""
        lots = cost = wallet = 0
        for line in self.known:
            event = line.event
            if isinstance(event, Deposited):
                wallet += event.quanta
            elif isinstance(event, FundingPaid | TransferSent):
                wallet -= event.quanta
            elif isinstance(event, Filled):
                lots, cost = lots + event.lots, cost + self.btc.entry_cost(event.lots, event.ticks)
                wallet -= event.fee_quanta
                if not lots:
                    wallet, cost = wallet - cost, 0
        assert lots == 0, "fold at a time when nothing is held"
        return wallet

    def passes(self, duration_ms: int) -> None:
        """Let time pass; each question lets the server live through a part of it."""
        self.house.clock.pass_ms(duration_ms)
        while self.now_ms() < self.house.clock.time_ms:
            pass


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    house = held(by_hand=False)
    with running(house.house) as url:
        yield Place(url, house)


def test_order_fills_once_and_its_fills_are_booked_under_our_id(place: Place) -> None:
    status = place.order("1.buy", 2_000)
    assert (status.state, status.filled_lots) == ("filled", 2_000)
    assert place.session.order("1.buy", SYMBOL) == status
    news = place.news()
    fills = [n.event for n in news if isinstance(n.event, Filled)]
    assert sum(fill.lots for fill in fills) == 2_000
    assert {fill.order for fill in fills} == {"1.buy"}
    assert len({n.source for n in news}) == len(news)
    assert place.news() == []


def test_account_is_the_exchanges_to_the_quantum(place: Place) -> None:
    place.order("2.buy", 3_333)
    place.order("2.sell", -1_111, reduce_only=True)
    place.passes(MINUTE_MS)
    held = place.session.held()
    assert not isinstance(held, Unclear)
    own = place.house.account.venue(USDC)
    cost = own.positions[f"{USDC}:{SYMBOL}"].cost
    told = account_of(place.session.venue, held, {SYMBOL: cost})
    assert told.positions[place.btc.id] == own.positions[f"{USDC}:{SYMBOL}"]
    assert told.balances["USDC"] == own.balances["USDC"]


def test_order_after_its_expiry_is_not_begun_and_never_known(place: Place) -> None:
    order = Order("3.late", place.btc.id, 1_000, False, "test")
    mid = place.session.mid(SYMBOL)
    assert isinstance(mid, Decimal)
    expires_ms = place.now_ms()
    reply = place.session.place(order, mid * Decimal("1.01"), expires_ms)
    assert isinstance(reply, Unclear | NotTaken)
    asked = place.session.order("3.late", SYMBOL)
    assert isinstance(asked, OrderStatus)
    assert (asked.state, asked.filled_lots) == ("absent", 0)
    assert asked.ts_ms >= expires_ms


def test_word_of_a_cancellation_is_as_of_the_venues_time_when_it_is_asked_for(place: Place) -> None:
    mid = place.session.mid(SYMBOL)
    assert isinstance(mid, Decimal)
    order = Order("8.low", place.btc.id, 1_000, False, "test")
    place.session.place(order, mid * Decimal("0.99"), place.now_ms() + MINUTE_MS)
    place.passes(MINUTE_MS)
    later = place.session.order("8.low", SYMBOL)
    assert isinstance(later, OrderStatus)
    assert (later.state, later.ts_ms) == ("cancelled", place.now_ms())


def test_order_beyond_the_book_fills_nothing_beyond_its_limit(place: Place) -> None:
    mid = place.session.mid(SYMBOL)
    assert isinstance(mid, Decimal)
    order = Order("4.low", place.btc.id, 1_000, False, "test")
    reply = place.session.place(order, mid * Decimal("0.99"), place.now_ms() + MINUTE_MS)
    assert isinstance(reply, OrderStatus)
    assert (reply.state, reply.filled_lots) == ("cancelled", 0)
    assert place.session.cancel("4.low", SYMBOL) == place.session.order("4.low", SYMBOL)


def test_funding_over_hours_and_a_settlement_is_in_the_news_to_the_quantum(place: Place) -> None:
    # The market begins at 06:00 UTC; its session ends at 08:00.
    paid: list[FundingPaid] = []
    held = place.house.account.positions(USDC)[f"{USDC}:{SYMBOL}"].lots
    for _ in range(3):
        place.passes(HOUR_MS)
        paid += [n.event for n in place.news() if isinstance(n.event, FundingPaid)]
    assert len(paid) >= 3
    place.order("5.close", -held)
    place.news()
    assert place.folded() == place.wallet()


def test_funding_of_a_session_that_ended_unseen_is_told_by_its_settlement() -> None:
    house = held(by_hand=False)
    with running(house.house) as url:
        place = Place(url, house)
        place.order("6.buy", 40_000)
        place.passes(2 * HOUR_MS - 2 * MINUTE_MS)
        before = [n.event for n in place.news() if isinstance(n.event, FundingPaid)]
        place.passes(5 * MINUTE_MS)
        after = [n.event for n in place.news() if isinstance(n.event, FundingPaid)]
        place.order("6.sell", -40_000)
        place.news()
        assert before
        assert [event.ts_ms % HOUR_MS for event in after] == [0]
        assert place.folded() == place.wallet()


def test_money_between_own_accounts_is_told_once_as_what_came_or_left(place: Place) -> None:
    sub = {"currency": "USDC", "amount": "5000", "destination": SUB.name}
    sent = place.session._client.privateGetSubmitTransferToSubaccount(sub)
    assert sent["result"]["state"] == "prepared"
    place.passes(MINUTE_MS)
    moved = [n.event for n in place.news() if isinstance(n.event, TransferSent)]
    assert [event.quanta for event in moved] == [5_000_000_000]
    assert place.news() == []


def test_nothing_is_withdrawn_and_no_switch_is_said_to_be_there(place: Place) -> None:
    transfer = Transfer("7.send", "deribit", "hyperliquid", "USDC", 5_000_000, "test")
    assert place.session.ticket() is None
    assert isinstance(place.session.send(transfer, "x", ""), NotTaken)
    assert place.session.device() is None
    assert isinstance(place.session.arm(30), NotTaken)
