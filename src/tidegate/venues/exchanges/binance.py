# SPDX-License-Identifier: Apache-2.0
"""Binance USD-M perpetuals by REST (developers.binance.com, USD-M futures).

Orders are limits of kind IOC whose `newClientOrderId` is our id. It is unique there among open
orders alone, so nothing is sent twice under one. A request is begun only while the venue's time is
at most `timestamp + recvWindow` (60 s at most), so that an id that is unknown after an order's
expiry will never be known; the backend answers within 10 s of that or says -1007. An order that
filled nothing is forgotten three days after it ended.

Trades name the venue's number of an order; its record tells our id. Income is told for three
months, trades in windows of seven days. Fees must be in the collateral (`feeBurn` off), positions
one-way, margin cross and of a single asset. Money leaves by way of the spot wallet
(`/sapi/v1/asset/transfer`), a step that takes no id of ours: nothing is withdrawn by itself.
`countdownCancelAll` is armed for each contract; the longest time shown in its document is 120 s.
"""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any

from tidegate.model.actions import Order
from tidegate.model.events import FillReason
from tidegate.model.replies import (
    Armed,
    ArmReply,
    Device,
    NotTaken,
    OrderReply,
    OrderState,
    OrderStatus,
    Unclear,
)
from tidegate.model.times import DAY_MS, MINUTE_MS, SECOND_MS
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

WINDOW_MS, TOLD_MS = 7 * DAY_MS - 1, 90 * DAY_MS
RECV_WINDOW_MOST_MS = 60_000
# Far less than what a house reads again.
INCOME_EVERY_MS = MINUTE_MS
SWITCH_LEAST_S, SWITCH_MOST_S = 5, 120
TRANSFERS = frozenset(("TRANSFER", "INTERNAL_TRANSFER", "COIN_SWAP_DEPOSIT", "COIN_SWAP_WITHDRAW"))
ONE_WAY = "BOTH"


class _Time(Camel, frozen=True):
    server_time: int


class _Ticker(Camel, frozen=True):
    bid_price: Decimal
    ask_price: Decimal


class _Order(Camel, frozen=True):
    order_id: int
    client_order_id: str
    symbol: str
    status: str
    side: str
    executed_qty: Decimal


class _Trade(Camel, frozen=True):
    id: int
    order_id: int
    symbol: str
    side: str
    price: Decimal
    qty: Decimal
    commission: Decimal
    commission_asset: str
    time: int


class _Income(Camel, frozen=True):
    symbol: str
    income_type: str
    income: Decimal
    asset: str
    time: int
    tran_id: int


class _Asset(Camel, frozen=True):
    asset: str
    wallet_balance: Decimal


class _Account(Camel, frozen=True):
    multi_assets_margin: bool
    assets: list[_Asset]


class _Position(Camel, frozen=True):
    symbol: str
    position_amt: Decimal
    entry_price: Decimal
    mark_price: Decimal
    un_realized_profit: Decimal
    margin_type: str
    position_side: str


class _Sides(Camel, frozen=True):
    dual_side_position: bool


class _Pooled(Camel, frozen=True):
    multi_assets_margin: bool


class _Burn(Camel, frozen=True):
    fee_burn: bool


_STATES: dict[str, OrderState] = {
    "NEW": "working",
    "PARTIALLY_FILLED": "working",
    "FILLED": "filled",
    "REJECTED": "refused",
}


class BinanceSession(LinearSession):
    """One USD-M account."""

    PAGE = 1_000

    def __init__(self, client: Client, venue: Venue) -> None:
        super().__init__(client, venue)
        self._names: dict[int, str] = {}
        self._income_ms: int | None = None

    def _time(self) -> int | Unclear:
        found = self._ask("fapiPublicGetTime", _Time)
        return found.server_time if isinstance(found, _Time) else Unclear(found.reason)

    def mid(self, symbol: str) -> Decimal | NotTaken | Unclear:
        """The middle of the book of one contract."""
        book = self._ask("fapiPublicGetTickerBookTicker", _Ticker, symbol=symbol)
        if isinstance(book, NotTaken | Unclear):
            return book
        if book.bid_price <= 0 or book.ask_price <= 0:
            return Unclear(f"no middle for {symbol}")
        return Decimal(book.bid_price + book.ask_price) / 2

    def order(self, order: str, symbol: str) -> OrderReply:
        """The record of an id; `absent` at a time of the venue before it was asked for."""
        now_ms = self.now_ms()
        if isinstance(now_ms, Unclear):
            return now_ms
        wanted = client_id("binance", order)
        terms = {"symbol": symbol, "origClientOrderId": wanted}
        found = self._record("fapiPrivateGetOrder", _Order, **terms)
        if found is None:
            return OrderStatus(order, "absent", 0, now_ms)
        if isinstance(found, NotTaken | Unclear):
            return found
        buys, contract = found.side == "BUY", self.venue.contracts[symbol]
        lots = filled_lots(found.executed_qty, contract, buys=buys)
        state = _STATES.get(found.status, "cancelled")
        return OrderStatus(order, state, lots, now_ms, found.status)

    def device(self) -> Device:
        """`countdownCancelAll`, for each contract."""
        return Device(self.venue.name, SWITCH_LEAST_S, SWITCH_MOST_S, cancels_protective=True)

    def arm(self, seconds: int) -> ArmReply:
        """Arm the switch of every contract, or disarm them with 0. One that failed leaves open
        which are armed."""
        now_ms = self.now_ms()
        if isinstance(now_ms, Unclear):
            return now_ms
        for symbol in self.venue.contracts:
            terms = {"symbol": symbol, "countdownTime": seconds * SECOND_MS}
            try:
                arms = partial(self._client.fapiPrivatePostCountdownCancelAll, terms)
                reply = self._act(arms, dict[str, Any])
            except VenueRefused as error:
                return Unclear(f"{symbol}: {error}")
            if isinstance(reply, NotTaken | Unclear):
                return Unclear(f"{symbol}: {reply.reason}")
        until_ms = now_ms + seconds * SECOND_MS if seconds else None
        return Armed(self.venue.name, until_ms, now_ms)

    def _send(self, order: Order, price: str, expires_ms: int) -> Any:
        contract, now_ms = self._contract(order.instrument), self.now_ms()
        if isinstance(now_ms, Unclear):
            return NotTaken(f"no time of the venue to sign by: {now_ms.reason}")
        window_ms = min(expires_ms - now_ms, RECV_WINDOW_MOST_MS)
        if window_ms <= 0:
            raise VenueRefused("expired before it was sent")
        terms = {
            "symbol": contract.symbol,
            "side": "BUY" if order.lots > 0 else "SELL",
            "type": "LIMIT",
            "timeInForce": "IOC",
            "quantity": f"{abs(order.lots) * contract.lot:f}",
            "price": price,
            "reduceOnly": "true" if order.reduce_only else "false",
            "newClientOrderId": client_id("binance", order.id),
            "newOrderRespType": "RESULT",
            "timestamp": now_ms,
            "recvWindow": window_ms,
        }
        placed = self._act(lambda: self._client.fapiPrivatePostOrder(terms), _Order)
        if isinstance(placed, _Order):
            self._names[placed.order_id] = placed.client_order_id
        return placed

    def _revoke(self, order: str, symbol: str) -> Any:
        terms = {"symbol": symbol, "origClientOrderId": client_id("binance", order)}
        return self._act(lambda: self._client.fapiPrivateDeleteOrder(terms), _Order)

    def _state(self) -> State | Unclear:
        before, now_ms = self._positions(), self.now_ms()
        account = self._ask("fapiPrivateV2GetAccount", _Account)
        working = self._ask("fapiPrivateGetOpenOrders", list[_Order])
        after = self._positions()
        for reply in (before, now_ms, account, working, after):
            if isinstance(reply, NotTaken | Unclear):
                return Unclear(reply.reason)
        assert isinstance(now_ms, int)
        assert isinstance(after, list)
        if [_entry(p) for p in before] != [_entry(p) for p in after]:  # type: ignore[union-attr]
            return Unclear("positions moved between two questions")
        if why := _wrong(account, after, self.venue):
            return Unclear(why)
        wallets = [a.wallet_balance for a in account.assets if a.asset == self.venue.collateral]
        held = [
            Holding(
                p.symbol,
                p.position_amt,
                p.position_amt * p.mark_price - p.un_realized_profit,
            )
            for p in after
            if p.position_amt
        ]
        names = tuple(order.client_order_id for order in working)
        return State(now_ms, sum(wallets, Decimal(0)), held, names)

    def _positions(self) -> list[_Position] | Unclear:
        found = self._ask("fapiPrivateV2GetPositionRisk", list[_Position])
        if isinstance(found, NotTaken | Unclear):
            return Unclear(found.reason)
        return [p for p in found if p.position_amt or p.symbol in self.venue.contracts]

    def _rows(self, since_ms: int, now_ms: int) -> list[Row] | Unclear:
        if since_ms < now_ms - TOLD_MS:
            return Unclear("the venue tells of income for three months alone")
        rows: list[Row] = []
        for symbol in self.venue.contracts:
            trades = self._trades(symbol, since_ms, now_ms)
            if isinstance(trades, Unclear):
                return trades
            for trade in trades:
                name = self._name(trade)
                if isinstance(name, Unclear):
                    return name
                rows.append(_trade(trade, name))
        incomes = self._incomes(since_ms, now_ms) if self._asks_income(now_ms) else []
        if isinstance(incomes, Unclear):
            return incomes
        told = (_row(income, self.venue) for income in incomes)
        return rows + [row for row in told if row is not None]

    def _trades(self, symbol: str, since_ms: int, now_ms: int) -> list[_Trade] | Unclear:
        """All fills of a contract, in windows of seven days; a page that is full is gone on with
        by the number of its last fill, up to now."""
        rows: list[_Trade] = []
        while since_ms <= now_ms:
            until_ms = since_ms + WINDOW_MS
            terms: dict[str, Any] = {"startTime": since_ms, "endTime": until_ms}
            while True:
                page = self._ask(
                    "fapiPrivateGetUserTrades",
                    list[_Trade],
                    symbol=symbol,
                    limit=self.PAGE,
                    **terms,
                )
                if isinstance(page, NotTaken | Unclear):
                    return Unclear(page.reason)
                rows += page
                if len(page) < self.PAGE:
                    break
                terms = {"fromId": page[-1].id + 1}
            if "fromId" in terms:
                return rows
            since_ms = until_ms + 1
        return rows

    def _asks_income(self, now_ms: int) -> bool:
        """Whether to ask for income, which weighs as much as thirty other questions: each minute,
        and while the venue's cash is not what is booked."""
        last_ms = self._income_ms
        if not self._apart and last_ms is not None and 0 <= now_ms - last_ms < INCOME_EVERY_MS:
            return False
        self._income_ms = now_ms
        return True

    def _incomes(self, since_ms: int, now_ms: int) -> list[_Income] | Unclear:
        rows: list[_Income] = []
        while since_ms <= now_ms:
            until_ms, number = since_ms + WINDOW_MS, 1
            while True:
                terms = {
                    "startTime": since_ms,
                    "endTime": until_ms,
                    "limit": self.PAGE,
                    "page": number,
                }
                page = self._ask("fapiPrivateGetIncome", list[_Income], **terms)
                if isinstance(page, NotTaken | Unclear):
                    return Unclear(page.reason)
                rows += page
                if len(page) < self.PAGE:
                    break
                number += 1
            since_ms = until_ms + 1
        return rows

    def _name(self, trade: _Trade) -> str | Unclear:
        """Our id of a fill's order, by its record, which is asked for once."""
        if trade.order_id not in self._names:
            terms = {"symbol": trade.symbol, "orderId": trade.order_id}
            found = self._record("fapiPrivateGetOrder", _Order, **terms)
            if found is None:
                # It filled, so it was there; what is forgotten after 90 days is none of ours.
                return ""
            if isinstance(found, NotTaken | Unclear):
                return Unclear(found.reason)
            self._names[trade.order_id] = found.client_order_id
        return self._names[trade.order_id]


CHECKS = (
    Check(
        "fapiPrivateGetPositionSideDual",
        _Sides,
        {},
        lambda told: not told.dual_side_position,
        "one-way mode, not hedge mode",
    ),
    Check(
        "fapiPrivateGetMultiAssetsMargin",
        _Pooled,
        {},
        lambda told: not told.multi_assets_margin,
        "single-asset mode",
    ),
    Check(
        "fapiPrivateGetFeeBurn",
        _Burn,
        {},
        lambda told: not told.fee_burn,
        "payment of fees in BNB turned off",
    ),
)


def open_binance(client: Client, venue: Venue) -> BinanceSession:
    """A session with an account that is one-way, of single assets, and pays fees in them; raises
    `InputError` for another."""
    session = BinanceSession(client, venue)
    session.expect(CHECKS)
    return session


def _entry(position: _Position) -> tuple[str, Decimal, Decimal]:
    return position.symbol, position.position_amt, position.entry_price


def _wrong(account: _Account, positions: list[_Position], venue: Venue) -> str:
    """Why an account cannot be read by these words, or nothing."""
    if account.multi_assets_margin:
        return "expected single-asset mode"
    if any(p.position_side != ONE_WAY for p in positions if p.position_amt):
        return "expected one-way mode, not hedge mode"
    alone = [p.symbol for p in positions if p.margin_type == "isolated" and p.position_amt]
    return f"{alone[0]}: expected cross margin" if alone else ""


def _trade(told: _Trade, name: str) -> Trade:
    size = told.qty if told.side == "BUY" else -told.qty
    reason: FillReason = "order"
    if name.startswith("autoclose-"):
        reason = "liquidation"
    elif name.startswith("adl_autoclose"):
        reason = "deleveraging"
    source, number = f"trade {told.symbol} {told.id}", str(told.order_id)
    return Trade(
        source, told.time, told.symbol, size, told.price, told.commission,
        told.commission_asset, name, number, reason,
    )  # fmt: skip


def _row(told: _Income, venue: Venue) -> Row | None:
    """Income that no fill tells. Kinds that are not known are left out: where they move the
    wallet, ledger and venue disagree, and nothing but shrinking is allowed."""
    source = f"income {told.income_type} {told.tran_id}"
    if told.asset != venue.collateral:
        return None
    if told.income_type == "FUNDING_FEE":
        return Paid(f"{source} {told.symbol}", told.time, told.symbol, told.income)
    if told.income_type == "INSURANCE_CLEAR":
        return Moved(source, told.time, told.income, clearance=True)
    if told.income_type in TRANSFERS and told.income:
        return Moved(source, told.time, told.income)
    return None
