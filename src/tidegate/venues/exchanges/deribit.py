# SPDX-License-Identifier: Apache-2.0
"""Deribit's linear perpetuals in USDC: API v2 by REST (docs.deribit.com, November 2026).

Orders are limits, immediate_or_cancel, whose label is our id and whose `valid_until` is their
approval's expiry, so that a label that is unknown after that will never be known. Labels are not
unique there: nothing is sent twice under one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import msgspec

from tidegate.model.actions import Order, Transfer
from tidegate.model.events import Deposited, Filled, FillReason, FundingPaid, TransferSent
from tidegate.model.instruments import Contract
from tidegate.model.replies import (
    ArmReply,
    Device,
    Entry,
    NotTaken,
    OrderReply,
    OrderState,
    OrderStatus,
    TransferReply,
    Unclear,
)
from tidegate.model.times import DAY_MS, HOUR_MS
from tidegate.model.units import claim_to_quanta, cost_to_quanta
from tidegate.venues.exchanges.account_talk import DeribitAccountTalk, signature
from tidegate.venues.exchanges.client import Client, VenueRefused, asked
from tidegate.venues.exchanges.order_ids import client_id
from tidegate.venues.exchanges.session import Held, News, OffTheGrid, Venue, whole

PAGE, LOG_PAGE = 1_000, 250
SETTLED_AT_MS = 8 * HOUR_MS
UNREADABLE = (msgspec.ValidationError, ArithmeticError, KeyError, TypeError)


class _Book(msgspec.Struct, frozen=True):
    best_bid_price: Decimal | None = None
    best_ask_price: Decimal | None = None


class _Order(msgspec.Struct, frozen=True):
    order_state: str
    direction: str
    filled_amount: Decimal
    last_update_timestamp: int


class _Placed(msgspec.Struct, frozen=True):
    order: _Order


class _Trade(msgspec.Struct, frozen=True):
    trade_id: str
    timestamp: int
    instrument_name: str
    direction: str
    amount: Decimal
    price: Decimal
    fee: Decimal
    order_id: str
    label: str = ""
    liquidation: str | None = None


class _Trades(msgspec.Struct, frozen=True):
    trades: list[_Trade]
    has_more: bool


class _Position(msgspec.Struct, frozen=True):
    instrument_name: str
    size: Decimal
    mark_price: Decimal
    floating_profit_loss: Decimal
    realized_funding: Decimal = Decimal(0)

    @property
    def paid(self) -> Decimal:
        """What it cost: its value at the mark less its profit at the same mark."""
        return self.size * self.mark_price - self.floating_profit_loss


class _Summary(msgspec.Struct, frozen=True):
    equity: Decimal
    session_upl: Decimal


class _Open(msgspec.Struct, frozen=True):
    order_id: str
    label: str = ""


class _Row(msgspec.Struct, frozen=True):
    id: int
    type: str
    timestamp: int
    change: Decimal = Decimal(0)
    instrument_name: str | None = None
    total_interest_pl: Decimal | None = None
    position: Decimal | None = None


class _Log(msgspec.Struct, frozen=True):
    logs: list[_Row]
    continuation: int | None = None


_STATES: Mapping[str, OrderState] = {"open": "working", "filled": "filled", "rejected": "refused"}


class DeribitSession:
    """One account's session; `client` is ccxt's, with a key that may trade and read its wallet."""

    def __init__(self, client: Client, venue: Venue) -> None:
        self._client, self.venue = client, venue

    def now_ms(self) -> int | Unclear:
        """The venue's time."""
        found = self._ask("publicGetGetTime", int)
        return Unclear(found.reason) if isinstance(found, NotTaken) else found

    def mid(self, symbol: str) -> Decimal | NotTaken | Unclear:
        """The middle of the book of one contract."""
        book = self._ask("publicGetTicker", _Book, instrument_name=symbol)
        if isinstance(book, NotTaken | Unclear):
            return book
        if not book.best_bid_price or not book.best_ask_price:
            return Unclear(f"no middle for {symbol}")
        return Decimal(book.best_bid_price + book.best_ask_price) / 2

    def place(self, order: Order, limit: Decimal, expires_ms: int) -> OrderReply:
        """A limit at `limit`, rounded to what is no worse, which is not begun after expiry."""
        symbol = order.instrument.partition(":")[2]
        contract, buys = self.venue.contracts[symbol], order.lots > 0
        ticks = (limit / contract.tick).to_integral_value(ROUND_FLOOR if buys else ROUND_CEILING)
        terms = {
            "instrument_name": symbol,
            "amount": f"{abs(order.lots) * contract.lot:f}",
            "type": "limit",
            "price": f"{ticks * contract.tick:f}",
            "time_in_force": "immediate_or_cancel",
            "label": client_id("deribit", order.id),
            "reduce_only": "true" if order.reduce_only else "false",
            "valid_until": expires_ms,
        }
        try:
            placed = self._act("privateGetBuy" if buys else "privateGetSell", _Placed, **terms)
        except VenueRefused as error:
            return OrderStatus(order.id, "refused", 0, expires_ms, str(error))
        if isinstance(placed, NotTaken | Unclear):
            return placed
        return self._status(order.id, contract, placed.order)

    def cancel(self, order: str, symbol: str) -> OrderReply:
        """Cancel by label; the order's state thereafter."""
        terms = {"label": client_id("deribit", order), "currency": self.venue.collateral}
        try:
            reply = self._act("privateGetCancelByLabel", int, **terms)
        except VenueRefused:
            # It works no more, or never did: its record says which.
            return self.order(order, symbol)
        return reply if isinstance(reply, NotTaken | Unclear) else self.order(order, symbol)

    def order(self, order: str, symbol: str) -> OrderReply:
        """The record of a label; `absent` at a time of the venue before it was asked for, where
        there is none."""
        now_ms = self.now_ms()
        if isinstance(now_ms, Unclear):
            return now_ms
        terms = {"label": client_id("deribit", order), "currency": self.venue.collateral}
        found = self._ask("privateGetGetOrderStateByLabel", list[_Order], **terms)
        if isinstance(found, NotTaken | Unclear):
            return found
        if not found:
            return OrderStatus(order, "absent", 0, now_ms)
        if len(found) > 1:
            return Unclear(f"{len(found)} orders of one label")
        status = self._status(order, self.venue.contracts[symbol], found[0])
        return msgspec.structs.replace(status, ts_ms=now_ms)

    def ticket(self) -> None:
        """None: withdrawals there have no id of ours."""
        return

    def send(self, transfer: Transfer, address: str, ticket: str) -> TransferReply:
        """Nothing is withdrawn without a ticket."""
        return NotTaken("withdrawals there have no id of ours")

    def news(
        self, since_ms: int, ours: Mapping[str, str], known: Sequence[Entry] = ()
    ) -> tuple[News, ...] | Unclear:
        """Fills, funding, and money that came or left. The venue adds funding up within a session,
        from 08:00 to 08:00 UTC, so that a line is what is more than the lines that are `known`."""
        began_ms = self.now_ms()
        if isinstance(began_ms, Unclear):
            return began_ms
        positions = self._positions()
        trades = self._trades(since_ms, began_ms + DAY_MS)
        # A session's end is read again until the next one, since its line may come late.
        rows = self._rows(min(since_ms, settled_ms(began_ms)), began_ms)
        now_ms = self.now_ms()
        if isinstance(positions, Unclear):
            return positions
        if isinstance(trades, Unclear):
            return trades
        if isinstance(rows, Unclear):
            return rows
        if isinstance(now_ms, Unclear) or settled_ms(began_ms) != settled_ms(now_ms):
            return Unclear("a settlement came between two questions")
        try:
            found = [self._filled(trade, ours) for trade in trades]
        except OffTheGrid as error:
            return Unclear(str(error))
        found += [self._funded(position, began_ms, known) for position in positions]
        opened_ms = known[0].event.ts_ms if known else -1
        found += [self._moved(row, known) for row in rows if row.timestamp > opened_ms]
        told = [one for one in found if one is not None]
        return tuple(sorted(told, key=lambda one: one.event.ts_ms))

    def held(self) -> Held | Unclear:
        """Lots, and `equity - session_upl - sum(size x mark - floating_profit_loss)`, in which no
        mark has a part, since the two answers may be of two moments. A fill between them moves it,
        so positions are asked for before and after."""
        before, now_ms = self._positions(), self.now_ms()
        currency = self.venue.collateral
        summary = self._ask("privateGetGetAccountSummary", _Summary, currency=currency)
        working = self._ask("privateGetGetOpenOrdersByCurrency", list[_Open], currency=currency)
        after = self._positions()
        for reply in (before, now_ms, summary, working, after):
            if isinstance(reply, NotTaken | Unclear):
                return Unclear(reply.reason)
        assert isinstance(now_ms, int)
        assert isinstance(after, list)
        if _costs(before) != _costs(after):  # type: ignore[arg-type]
            return Unclear("positions moved between two questions")
        cash = summary.equity - summary.session_upl - sum(_costs(after).values())
        contracts = self.venue.contracts
        lots = {
            p.instrument_name: int(p.size / contracts[p.instrument_name].lot)
            if p.instrument_name in contracts
            else 1
            for p in after
            if p.size
        }
        names = tuple(order.label or order.order_id for order in working)
        return Held(now_ms, lots, claim_to_quanta(cash, currency), names)

    def device(self) -> Device | None:
        """None by REST: orders can be cancelled there when a WebSocket breaks, and not at a time;
        an order of ours rests for no time."""
        return None

    def arm(self, seconds: int) -> ArmReply:
        """There is none."""
        return NotTaken("no dead-man's switch by REST")

    def talk(self) -> DeribitAccountTalk:
        """Orders and trades of the account."""
        return DeribitAccountTalk(lambda: signature(self._client.apiKey, self._client.secret))

    def _status(self, order: str, contract: Contract, told: _Order) -> OrderStatus:
        lots = int(told.filled_amount / contract.lot)
        signed = lots if told.direction == "buy" else -lots
        state = _STATES.get(told.order_state, "cancelled")
        return OrderStatus(order, state, signed, told.last_update_timestamp, told.order_state)

    def _act(self, method: str, wanted: Any, **terms: Any) -> Any:
        """The answer to a request that acts; raises `VenueRefused`."""
        reply = asked(lambda: getattr(self._client, method)(terms))
        if isinstance(reply, NotTaken | Unclear):
            return reply
        try:
            return msgspec.convert(reply["result"], wanted, strict=False)
        except UNREADABLE as error:
            return Unclear(f"{method}: {error}")

    def _ask(self, method: str, wanted: Any, **terms: Any) -> Any:
        try:
            return self._act(method, wanted, **terms)
        except VenueRefused as error:
            return Unclear(str(error))

    def _positions(self) -> list[_Position] | Unclear:
        terms = {"currency": self.venue.collateral, "kind": "future"}
        found = self._ask("privateGetGetPositions", list[_Position], **terms)
        return Unclear(found.reason) if isinstance(found, NotTaken) else found

    def _trades(self, since_ms: int, until_ms: int) -> list[_Trade] | Unclear:
        """All trades from a time on; a page that is full is gone on with at its last time, which
        is told again: what is known twice is told apart by its source."""
        rows: list[_Trade] = []
        while True:
            terms = {"currency": self.venue.collateral, "start_timestamp": since_ms}
            terms |= {"end_timestamp": until_ms, "count": PAGE, "sorting": "asc"}
            page = self._ask("privateGetGetUserTradesByCurrencyAndTime", _Trades, **terms)
            if isinstance(page, NotTaken | Unclear):
                return Unclear(page.reason)
            rows += page.trades
            if not page.has_more or not page.trades or page.trades[-1].timestamp <= since_ms:
                return rows
            since_ms = page.trades[-1].timestamp

    def _rows(self, since_ms: int, now_ms: int) -> list[_Row] | Unclear:
        rows: list[_Row] = []
        terms: dict[str, Any] = {"currency": self.venue.collateral, "count": LOG_PAGE}
        terms |= {"start_timestamp": since_ms, "end_timestamp": now_ms}
        while True:
            page = self._ask("privateGetGetTransactionLog", _Log, **terms)
            if isinstance(page, NotTaken | Unclear):
                return Unclear(page.reason)
            rows += page.logs
            if not page.continuation or not page.logs:
                return rows
            terms["continuation"] = page.continuation

    def _filled(self, trade: _Trade, ours: Mapping[str, str]) -> News | None:
        contract = self.venue.contracts.get(trade.instrument_name)
        if contract is None:
            return None
        lots = whole(trade.amount, contract.lot) * (1 if trade.direction == "buy" else -1)
        ticks = whole(trade.price, contract.tick)
        fee = cost_to_quanta(trade.fee, contract.settle)
        order = ours.get(trade.label, f"deribit {trade.order_id}")
        reason: FillReason = "liquidation" if trade.liquidation else "order"
        event = Filled(
            trade.timestamp, contract.id, lots, ticks, ticks, fee, 0, 0, order, reason
        )  # fmt: skip
        return News(f"trade {trade.trade_id}", event)

    def _funded(self, held: _Position, now_ms: int, known: Sequence[Entry]) -> News | None:
        """What the running session paid beyond what is known of it."""
        session = settled_ms(now_ms), now_ms
        return self._paid(held.instrument_name, held.realized_funding, held, session, known)

    def _paid(
        self,
        symbol: str,
        funding: Decimal,
        held: _Position | None,
        session: tuple[int, int],
        known: Sequence[Entry],
    ) -> News | None:
        contract = self.venue.contracts.get(symbol)
        if contract is None:
            return None
        began_ms, now_ms = session
        booked = sum(
            line.event.quanta
            for line in known
            if isinstance(line.event, FundingPaid)
            and line.event.instrument == contract.id
            and began_ms < line.event.ts_ms <= began_ms + DAY_MS
        )
        paid = cost_to_quanta(-funding, contract.settle)
        if paid == booked:
            return None
        lots = int(held.size / contract.lot) if held else 0
        ticks = int(held.mark_price / contract.tick) if held else 0
        event = FundingPaid(max(now_ms, began_ms + 1), contract.id, lots, ticks, 0, paid - booked)
        return News(f"funding {symbol} {event.ts_ms} {paid}", event)

    def _moved(self, row: _Row, known: Sequence[Entry]) -> News | None:
        venue = self.venue
        if row.type == "settlement" and row.instrument_name and row.total_interest_pl is not None:
            session = row.timestamp - DAY_MS, row.timestamp
            return self._paid(row.instrument_name, row.total_interest_pl, None, session, known)
        if row.type not in ("deposit", "withdrawal", "transfer") or not row.change:
            return None
        if row.change > 0:
            quanta = claim_to_quanta(row.change, venue.collateral)
            came = Deposited(row.timestamp, venue.name, venue.collateral, quanta)
            return News(f"{row.type} {row.id}", came)
        quanta = cost_to_quanta(-row.change, venue.collateral)
        name = f"deribit {row.type} {row.id}"
        left = TransferSent(row.timestamp, name, venue.name, "", venue.collateral, quanta, 0)
        return News(f"{row.type} {row.id}", left)


def settled_ms(now_ms: int) -> int:
    """The last 08:00 UTC, at which the running session began."""
    return (now_ms - SETTLED_AT_MS) // DAY_MS * DAY_MS + SETTLED_AT_MS


def _costs(positions: Sequence[_Position]) -> dict[str, Decimal]:
    return {p.instrument_name: p.paid for p in positions if p.size}
