# SPDX-License-Identifier: Apache-2.0
"""Bybit's linear perpetuals in a unified account (bybit-exchange.github.io/docs/v5).

Orders are limits of kind IOC whose `orderLinkId` is our id, which is unique there for good: a
second one is refused (110072). A request is begun only while the venue's time is at most its
timestamp and `recv_window` (pages Integration Guidance, Place Order), so that an id that is unknown
after an order's expiry will never be known. The answer to an order is no more than that it was
taken in; what became of it is in the last 500 orders or, after a restart of theirs, in the order
history, which keeps what filled nothing for 24 hours.

Fills come from the trade history, funding and transfers from the transaction log, both two years
deep in windows of seven days. The account must be unified, cross (`REGULAR_MARGIN`), one-way and
without loans in the collateral. Disconnect protection works on a private WebSocket alone, so there
is no switch by REST. Withdrawals take a `requestId`, but no record can be asked for by it, so that
an unanswered one could not be told from none: nothing is withdrawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec

from tidegate.model.actions import Order
from tidegate.model.events import FillReason
from tidegate.model.replies import NotTaken, OrderReply, OrderState, OrderStatus, Unclear
from tidegate.model.times import DAY_MS
from tidegate.venues.exchanges.client import Client, VenueRefused
from tidegate.venues.exchanges.linear import (
    Camel,
    Check,
    Holding,
    LinearSession,
    Moved,
    Paid,
    Row,
    State,
    Trade,
    filled_lots,
)
from tidegate.venues.exchanges.order_ids import client_id
from tidegate.venues.exchanges.session import Venue

T = TypeVar("T")
WINDOW_MS, TOLD_MS = 7 * DAY_MS - 1, 729 * DAY_MS
RECV_WINDOW_MOST_MS = 60_000
NANOS = 1_000_000
UNIFIED_SINCE = 3
CROSS = "REGULAR_MARGIN"
LINEAR = {"category": "linear"}


class _Page(Camel, Generic[T], frozen=True):
    rows: list[T] = msgspec.field(name="list")
    next_page_cursor: str | None = None


class _Reply(Camel, Generic[T], frozen=True):
    result: T


class _Time(Camel, frozen=True):
    time_nano: int


class _Ticker(Camel, frozen=True):
    bid1_price: Decimal
    ask1_price: Decimal


class _Names(Camel, frozen=True):
    order_id: str


class _Order(Camel, frozen=True):
    order_id: str
    order_link_id: str
    order_status: str
    side: str
    cum_exec_qty: Decimal


class _Fill(Camel, frozen=True):
    exec_id: str
    order_id: str
    order_link_id: str
    symbol: str
    side: str
    exec_price: Decimal
    exec_qty: Decimal
    exec_type: str
    exec_time: int
    exec_fee: Decimal
    fee_currency: str = ""


class _Line(Camel, frozen=True):
    id: str
    symbol: str
    type: str
    currency: str
    transaction_time: int
    change: Decimal
    funding: str = ""


class _Coin(Camel, frozen=True):
    coin: str
    wallet_balance: Decimal
    spot_borrow: str = ""


class _Wallet(Camel, frozen=True):
    coin: list[_Coin]


class _Position(Camel, frozen=True):
    symbol: str
    side: str
    size: Decimal
    position_idx: int
    avg_price: str = ""
    mark_price: str = ""
    unrealised_pnl: str = ""

    @property
    def signed(self) -> Decimal:
        """Coins, short below 0."""
        return -self.size if self.side == "Sell" else self.size


class _Account(Camel, frozen=True):
    margin_mode: str
    unified_margin_status: int


_STATES: dict[str, OrderState] = {
    "New": "working",
    "PartiallyFilled": "working",
    "Untriggered": "working",
    "Triggered": "working",
    "Filled": "filled",
}
# Executions of other kinds (funding, settlements, moves between accounts) are no fills; what they
# move is in the transaction log, or shows as a disagreement.
_REASONS: dict[str, FillReason] = {
    "Trade": "order",
    "BlockTrade": "order",
    "BustTrade": "liquidation",
    "AdlTrade": "deleveraging",
}


class BybitSession(LinearSession):
    """One unified account."""

    PAGE = 50

    def mid(self, symbol: str) -> Decimal | NotTaken | Unclear:
        """The middle of the book of one contract."""
        found = self._listed("publicGetV5MarketTickers", _Ticker, symbol=symbol)
        if isinstance(found, NotTaken | Unclear):
            return found
        if len(found) != 1 or min(found[0].bid1_price, found[0].ask1_price) <= 0:
            return Unclear(f"no middle for {symbol}")
        return Decimal(found[0].bid1_price + found[0].ask1_price) / 2

    def order(self, order: str, symbol: str) -> OrderReply:
        """The record of an id; `absent` at a time of the venue before it was asked for."""
        now_ms = self.now_ms()
        if isinstance(now_ms, Unclear):
            return now_ms
        wanted = client_id("bybit", order)
        for method in ("privateGetV5OrderRealtime", "privateGetV5OrderHistory"):
            found = self._listed(method, _Order, symbol=symbol, orderLinkId=wanted)
            if isinstance(found, NotTaken | Unclear):
                return found
            if found:
                return self._status(order, symbol, found[0], now_ms)
        return OrderStatus(order, "absent", 0, now_ms)

    def _status(self, order: str, symbol: str, found: _Order, now_ms: int) -> OrderStatus:
        buys, contract = found.side == "Buy", self.venue.contracts[symbol]
        lots = filled_lots(found.cum_exec_qty, contract, buys=buys)
        state = _STATES.get(found.order_status, "cancelled")
        if found.order_status == "Rejected" and not lots:
            state = "refused"
        return OrderStatus(order, state, lots, now_ms, found.order_status)

    def _time(self) -> int | Unclear:
        found = self._ask("publicGetV5MarketTime", _Reply[_Time])
        if isinstance(found, NotTaken | Unclear):
            return Unclear(found.reason)
        return int(found.result.time_nano // NANOS)

    def _send(self, order: Order, price: str, expires_ms: int) -> Any:
        contract, now_ms = self._contract(order.instrument), self.now_ms()
        if isinstance(now_ms, Unclear):
            return NotTaken(f"no time of the venue to sign by: {now_ms.reason}")
        until_ms = min(expires_ms, now_ms + RECV_WINDOW_MOST_MS)
        if until_ms <= now_ms:
            raise VenueRefused("expired before it was sent")
        terms = {
            **LINEAR,
            "symbol": contract.symbol,
            "side": "Buy" if order.lots > 0 else "Sell",
            "orderType": "Limit",
            "timeInForce": "IOC",
            "qty": f"{abs(order.lots) * contract.lot:f}",
            "price": price,
            "positionIdx": 0,
            "reduceOnly": order.reduce_only,
            "orderLinkId": client_id("bybit", order.id),
            "now": now_ms,
            "until": until_ms,
        }
        return self._act(lambda: self._client.privatePostV5OrderCreate(terms), _Reply[_Names])

    def _revoke(self, order: str, symbol: str) -> Any:
        terms = {**LINEAR, "symbol": symbol, "orderLinkId": client_id("bybit", order)}
        return self._act(lambda: self._client.privatePostV5OrderCancel(terms), _Reply[_Names])

    def _state(self) -> State | Unclear:
        coin = {"settleCoin": self.venue.collateral}
        before, now_ms = self._positions(), self.now_ms()
        wallet = self._ask(
            "privateGetV5AccountWalletBalance",
            _Reply[_Page[_Wallet]],
            accountType="UNIFIED",
            coin=self.venue.collateral,
        )
        working = self._listed("privateGetV5OrderRealtime", _Order, **coin)
        after = self._positions()
        for reply in (before, now_ms, wallet, working, after):
            if isinstance(reply, NotTaken | Unclear):
                return Unclear(reply.reason)
        assert isinstance(now_ms, int)
        assert isinstance(after, list)
        if [_entry(p) for p in before] != [_entry(p) for p in after]:  # type: ignore[union-attr]
            return Unclear("positions moved between two questions")
        if any(p.position_idx for p in after):
            return Unclear("expected one-way mode, not hedge mode")
        coins = [c for one in wallet.result.rows for c in one.coin]
        own = [c for c in coins if c.coin == self.venue.collateral]
        if any(Decimal(c.spot_borrow or 0) for c in own):
            return Unclear(f"expected no loan in {self.venue.collateral}")
        balance = sum((c.wallet_balance for c in own), Decimal(0))
        held = [Holding(p.symbol, p.signed, _cost(p)) for p in after]
        return State(now_ms, balance, held, tuple(o.order_link_id or o.order_id for o in working))

    def _positions(self) -> list[_Position] | Unclear:
        terms = {"settleCoin": self.venue.collateral}
        found = self._listed("privateGetV5PositionList", _Position, **terms)
        if isinstance(found, NotTaken | Unclear):
            return Unclear(found.reason)
        return [p for p in found if p.size]

    def _rows(self, since_ms: int, now_ms: int) -> Sequence[Row] | Unclear:
        if since_ms < now_ms - TOLD_MS:
            return Unclear("the venue tells of two years alone")
        log = {"category": "", "accountType": "UNIFIED", "currency": self.venue.collateral}
        rows: list[Row] = []
        while since_ms <= now_ms:
            window = {"startTime": since_ms, "endTime": since_ms + WINDOW_MS}
            fills = self._listed("privateGetV5ExecutionList", _Fill, **window)
            lines = self._listed("privateGetV5AccountTransactionLog", _Line, **log, **window)
            for found in (fills, lines):
                if isinstance(found, NotTaken | Unclear):
                    return Unclear(found.reason)
            rows += [_trade(fill, self.venue) for fill in fills if fill.exec_type in _REASONS]
            rows += [row for line in lines if (row := _row(line)) is not None]
            since_ms += WINDOW_MS + 1
        return rows

    def _listed(self, method: str, form: Any, **terms: Any) -> Any:
        """All rows, oldest first, of a list that goes back in time page by page."""
        said = {name: value for name, value in {**LINEAR, **terms}.items() if value != ""}
        rows: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            page = self._ask(method, _Reply[_Page[form]], limit=self.PAGE, **said, **cursor)
            if isinstance(page, NotTaken | Unclear):
                return page
            rows += page.result.rows
            if not page.result.next_page_cursor or not page.result.rows:
                return rows[::-1]
            cursor = {"cursor": page.result.next_page_cursor}


def open_bybit(client: Client, venue: Venue) -> BybitSession:
    """A session with an account that is unified, cross and one-way; raises `InputError` for
    another."""
    session = BybitSession(client, venue)
    account = Check(
        "privateGetV5AccountInfo",
        _Reply[_Account],
        {},
        lambda told: (
            told.result.margin_mode == CROSS and told.result.unified_margin_status >= UNIFIED_SINCE
        ),
        "a unified account with cross margin",
    )
    sides = [
        Check(
            "privateGetV5PositionList",
            _Reply[_Page[_Position]],
            {**LINEAR, "symbol": symbol},
            lambda told: all(p.position_idx == 0 for p in told.result.rows),
            "one-way mode, not hedge mode",
        )
        for symbol in venue.contracts
    ]
    session.expect([account, *sides])
    return session


def _entry(position: _Position) -> tuple[str, int, Decimal, str]:
    return position.symbol, position.position_idx, position.signed, position.avg_price


def _cost(position: _Position) -> Decimal:
    """Size x mark less profit at the mark; a text without digits is refused by `Decimal`."""
    return position.signed * Decimal(position.mark_price) - Decimal(position.unrealised_pnl)


def _trade(told: _Fill, venue: Venue) -> Trade:
    size = told.exec_qty if told.side == "Buy" else -told.exec_qty
    reason = _REASONS[told.exec_type]
    return Trade(
        f"fill {told.exec_id}", told.exec_time, told.symbol, size, told.exec_price, told.exec_fee,
        told.fee_currency or venue.collateral, told.order_link_id, told.order_id, reason,
    )  # fmt: skip


def _row(told: _Line) -> Row | None:
    """Money that no fill tells. Kinds that are not known are left out: where they move the
    wallet, ledger and venue disagree, and nothing but shrinking is allowed."""
    source = f"line {told.id}"
    if told.type == "SETTLEMENT" and (funding := Decimal(told.funding or 0)):
        return Paid(source, told.transaction_time, told.symbol, funding)
    if told.type in ("TRANSFER_IN", "TRANSFER_OUT") and told.change:
        return Moved(source, told.transaction_time, told.change)
    return None
