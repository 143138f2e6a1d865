# SPDX-License-Identifier: Apache-2.0
"""A venue of each kind on loopback with a session at it, and a ledger that follows its news."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import ROUND_FLOOR, Decimal
from typing import Any, NamedTuple, Protocol

from tests.venues.exchanges.fakes import binance, bybit, okx
from tests.venues.exchanges.fakes.account import Account
from tests.venues.exchanges.fakes.served import Answer, Asked, Wire, served
from tidegate.model.account import FLAT, Position, fill_position
from tidegate.model.actions import Order
from tidegate.model.events import Deposited, Filled
from tidegate.model.instruments import Contract, Perpetual
from tidegate.model.replies import Entry, OrderReply, OrderStatus, Unclear
from tidegate.model.times import HOUR_MS, MINUTE_MS
from tidegate.venues.exchanges.binance import open_binance
from tidegate.venues.exchanges.bybit import open_bybit
from tidegate.venues.exchanges.client import open_client
from tidegate.venues.exchanges.credentials import Credentials
from tidegate.venues.exchanges.linear import LinearSession
from tidegate.venues.exchanges.okx import open_okx
from tidegate.venues.exchanges.order_ids import client_id
from tidegate.venues.exchanges.session import News, Venue, account_of
from tidegate.venues.payloads import (
    binance_futures,
    bybit_account,
    bybit_orders,
    bybit_public,
    okx_account,
    okx_orders,
    okx_public,
)


class FakeVenue(Protocol):
    """A venue that keeps an account and answers about it."""

    account: Account
    modes: dict[str, Any]
    page_most: int

    def answer(self, asked: Asked) -> Answer: ...


class Kind(NamedTuple):
    """How a venue is spoken to: the ends of its paths, and what wrong modes are refused with."""

    name: str
    made: Callable[..., FakeVenue]
    opens: Callable[..., LinearSession]
    key: dict[str, str]
    symbol: str
    placing: str
    asking: str
    trades: str
    wrong_modes: dict[str, tuple[Any, str]]
    forms: dict[str, Any]
    clears: bool = True


def _listed(form: Any) -> Any:
    return bybit_public.Reply[bybit_public.Page[form]]


KINDS = {
    "binance": Kind(
        "binance",
        binance.BinanceVenue,
        open_binance,
        {"apiKey": binance.KEY, "secret": binance.SECRET},
        binance.SYMBOL,
        "/fapi/v1/order",
        "/fapi/v1/order",
        "/userTrades",
        {
            "dual": (True, "one-way mode"),
            "multi": (True, "single-asset mode"),
            "burn": (True, "payment of fees in BNB"),
        },
        {
            "/fapi/v1/order": binance_futures.Order,
            "/fapi/v1/openOrders": tuple[binance_futures.Order, ...],
            "/fapi/v2/account": binance_futures.Account,
            "/fapi/v2/positionRisk": tuple[binance_futures.PositionRisk, ...],
        },
    ),
    "bybit": Kind(
        "bybit",
        bybit.BybitVenue,
        open_bybit,
        {"apiKey": bybit.KEY, "secret": bybit.SECRET},
        bybit.SYMBOL,
        "/v5/order/create",
        "/v5/order/realtime",
        "/v5/execution/list",
        {
            "hedge": (True, "one-way mode"),
            "margin": ("ISOLATED_MARGIN", "cross margin"),
            "status": (1, "a unified account"),
        },
        {
            "/v5/order/realtime": _listed(bybit_orders.Order),
            "/v5/order/history": _listed(bybit_orders.Order),
            "/v5/execution/list": _listed(bybit_orders.Execution),
            "/v5/order/create": bybit_public.Reply[bybit_orders.OrderNames],
            "/v5/account/wallet-balance": _listed(bybit_account.Wallet),
            "/v5/position/list": _listed(bybit_account.Position),
            "/v5/account/info": bybit_public.Reply[bybit_account.AccountInfo],
        },
        clears=False,
    ),
    "okx": Kind(
        "okx",
        okx.OkxVenue,
        open_okx,
        {"apiKey": okx.KEY, "secret": okx.SECRET, "password": okx.PHRASE},
        okx.SYMBOL,
        "/trade/order",
        "/trade/order",
        "/trade/fills-history",
        {
            "posMode": ("long_short_mode", "one-way mode"),
            "acctLv": ("3", "futures mode"),
            "ctType": ("inverse", "a linear swap"),
        },
        {
            "/trade/orders-pending": okx_public.Reply[okx_orders.Order],
            "/trade/fills-history": okx_public.Reply[okx_orders.Fill],
            "/account/balance": okx_public.Reply[okx_account.Balance],
            "/account/positions": okx_public.Reply[okx_account.Position],
        },
        clears=False,
    ),
}


Answers = list[Callable[[Asked], Answer]]


class Place:
    """A fake venue, a session at it, and the log of what the session told."""

    def __init__(self, kind: Kind, fake: FakeVenue, answers: Answers, wire: Wire, url: str) -> None:
        self.kind, self.fake, self.answers, self.wire, self.url = kind, fake, answers, wire, url
        self.account = fake.account
        account = self.account
        self.contract: Contract = Perpetual(
            kind.name, kind.symbol, "BTC", "USDT", account.tick, account.lot
        )
        self.venue = Venue(kind.name, "USDT", {kind.symbol: self.contract})
        self.session = self.opened()
        self.ours: dict[str, str] = {}
        self.known: list[Entry] = []
        self.sources: set[str] = set()
        held = self.session.held()
        assert not isinstance(held, Unclear), held
        opening = Deposited(held.ts_ms, kind.name, "USDT", held.cash_quanta)
        self._see([News("opening", opening)])

    def opened(self) -> LinearSession:
        client = open_client(self.kind.name, Credentials(self.kind.key), self.url)
        session = self.kind.opens(client, self.venue)
        # What a venue tells in short pages is gone on with.
        session.PAGE = self.fake.page_most
        return session

    def order(
        self, name: str, lots: int, *, reduce_only: bool = False, by: str = "0.01", for_ms: int = 0
    ) -> OrderReply:
        mid = self.session.mid(self.kind.symbol)
        assert isinstance(mid, Decimal), mid
        limit = mid * (1 + Decimal(by) * (1 if lots > 0 else -1))
        order = Order(name, self.contract.id, lots, reduce_only, "test")
        self.ours[client_id(self.kind.name, name)] = name
        return self.session.place(order, limit, self.account.time_ms + (for_ms or MINUTE_MS // 2))

    def filled(self, name: str, lots: int, **more: Any) -> OrderStatus:
        reply = self.order(name, lots, **more)
        assert isinstance(reply, OrderStatus), reply
        return reply

    def news(self) -> list[News]:
        """What is new, as a house would number it."""
        since_ms = max(self.known[0].event.ts_ms, self.known[-1].event.ts_ms - 5 * MINUTE_MS)
        found = self.session.news(since_ms, self.ours, self.known)
        assert not isinstance(found, Unclear), found
        return self._see(list(found))

    def look(self) -> tuple[int, int]:
        """The wallet by the ledger and by the venue's statement, quanta, as a house compares."""
        self.news()
        held = self.session.held()
        assert not isinstance(held, Unclear), held
        self.news()
        position = self.position()
        told = account_of(self.venue, held, {self.kind.symbol: position.cost})
        lots = told.positions.get(self.contract.id, FLAT).lots
        assert lots == position.lots, (lots, position)
        return self.wallet(), told.balances["USDT"]

    def position(self) -> Position:
        held = FLAT
        for event in (line.event for line in self.known):
            if isinstance(event, Filled):
                cost = self.contract.entry_cost(event.lots, event.ticks)
                held = fill_position(held, event.lots, cost).position
        return held

    def wallet(self) -> int:
        """The wallet as a ledger has it: what came, less costs, funding and losses."""
        quanta, held = 0, FLAT
        for event in (line.event for line in self.known):
            if isinstance(event, Filled):
                cost = self.contract.entry_cost(event.lots, event.ticks)
                outcome = fill_position(held, event.lots, cost)
                held = outcome.position
                quanta += outcome.realised_quanta - event.fee_quanta
            else:
                sign = 1 if type(event).__name__ in ("Deposited", "YieldAccrued") else -1
                quanta += sign * int(getattr(event, "quanta"))  # noqa: B009
        return quanta

    def true_wallet(self) -> int:
        """The venue's own wallet less what its own rounding of profits left, in whole quanta."""
        cash = self.account.wallet - self.account.size * self.account.entry
        quanta = cash.scaleb(6) + self.position().cost
        return int((quanta + Decimal("0.1")).to_integral_value(ROUND_FLOOR))

    def now(self) -> int:
        now_ms = self.session.now_ms()
        assert isinstance(now_ms, int)
        return now_ms

    def slow(self, answer: Callable[[Asked], Answer]) -> None:
        """Let another answer for the venue."""
        self.answers[0] = answer

    def _see(self, news: list[News]) -> list[News]:
        fresh = [one for one in news if one.source not in self.sources]
        assert len({one.source for one in fresh}) == len(fresh)
        self.sources |= {one.source for one in fresh}
        number = len(self.known)
        self.known += [
            Entry(self.kind.name, number + index, one.event) for index, one in enumerate(fresh, 1)
        ]
        return fresh


@contextmanager
def place_of(name: str, **more: Any) -> Iterator[Place]:
    kind, wire = KINDS[name], Wire()
    fake = kind.made(**more)
    # No venue's clock is this machine's.
    fake.account.ahead_ms = HOUR_MS
    answers = [fake.answer]
    with served(lambda asked: answers[0](asked), wire) as url:
        yield Place(kind, fake, answers, wire, url)
