# SPDX-License-Identifier: Apache-2.0
"""OKX's linear swaps in the trading account by REST (okx.com/docs-v5).

Orders are limits of kind ioc whose `clOrdId` is our id. It is not unique there for good: of two
orders the latest is told, so nothing is sent twice under one. The header `expTime` is the expiry
of an order's approval, after which the venue does not begin it (50036), so that an id that is
unknown then will never be known. An order that filled nothing is forgotten after two hours.

Sizes are in contracts of `ctVal` x `ctMult` coins each; the settings' lot is in coins, as
everywhere, and must be a whole number of the venue's. Fills and bills are told for three months, by
pages that go back in time; bills of the last seven days at an address of their own. The account
must be in futures mode (`acctLv` 2: each currency for itself) and of net positions, cross.
`cancel-all-after` takes 10 to 120 seconds. Money leaves by way of the funding account; both steps
would take a `clientId`, but the bill of the first does not name it, so that what left could not be
told as ours: nothing is withdrawn by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Generic, TypeVar

from tidegate.model.actions import Order
from tidegate.model.errors import InputError
from tidegate.model.events import FillReason
from tidegate.model.instruments import Contract
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
from tidegate.model.times import DAY_MS, SECOND_MS
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
TOLD_MS, RECENT_MS = 89 * DAY_MS, 6 * DAY_MS
SWITCH_LEAST_S, SWITCH_MOST_S = 10, 120
SINGLE, NET, CROSS = "2", "net", "cross"
TRANSFER, FUNDING = "1", "8"
SWAPS = {"instType": "SWAP"}
LIQUIDATIONS = frozenset(str(kind) for kind in range(100, 108))
DELEVERAGINGS = frozenset(str(kind) for kind in range(125, 129))


class _Reply(Camel, Generic[T], frozen=True):
    data: list[T]


class _Time(Camel, frozen=True):
    ts: int


class _Ticker(Camel, frozen=True):
    bid_px: str
    ask_px: str


class _Taken(Camel, frozen=True):
    s_code: str


class _Order(Camel, frozen=True):
    ord_id: str
    cl_ord_id: str
    state: str
    side: str
    acc_fill_sz: Decimal


class _Fill(Camel, frozen=True):
    inst_id: str
    bill_id: str
    ord_id: str
    cl_ord_id: str
    side: str
    fill_px: Decimal
    fill_sz: Decimal
    fee: str
    fee_ccy: str
    ts: int
    sub_type: str = ""


class _Bill(Camel, frozen=True):
    bill_id: str
    type: str
    ccy: str
    inst_id: str
    bal_chg: Decimal
    ts: int


class _Detail(Camel, frozen=True):
    ccy: str
    cash_bal: Decimal
    liab: str = ""


class _Balance(Camel, frozen=True):
    details: list[_Detail]


class _Position(Camel, frozen=True):
    inst_id: str
    pos: Decimal
    pos_side: str
    mgn_mode: str
    avg_px: str = ""
    mark_px: str = ""
    upl: str = ""


class _Config(Camel, frozen=True):
    acct_lv: str
    pos_mode: str


class _Instrument(Camel, frozen=True):
    inst_id: str
    ct_type: str
    ct_val: Decimal
    ct_mult: Decimal
    settle_ccy: str
    lot_sz: Decimal
    tick_sz: Decimal


_STATES: dict[str, OrderState] = {
    "live": "working",
    "partially_filled": "working",
    "filled": "filled",
}


class OkxSession(LinearSession):
    """One trading account; `coins` says how many coins a contract of each symbol has."""

    PAGE = 100

    def __init__(self, client: Client, venue: Venue) -> None:
        super().__init__(client, venue)
        self.coins: dict[str, Decimal] = {}

    def mid(self, symbol: str) -> Decimal | NotTaken | Unclear:
        """The middle of the book of one contract."""
        found = self._ask("publicGetMarketTicker", _Reply[_Ticker], instId=symbol)
        if isinstance(found, NotTaken | Unclear):
            return found
        sides = [Decimal(px or 0) for one in found.data for px in (one.bid_px, one.ask_px)]
        if not sides or min(sides) <= 0:
            return Unclear(f"no middle for {symbol}")
        return Decimal(sum(sides)) / len(sides)

    def order(self, order: str, symbol: str) -> OrderReply:
        """The record of an id; `absent` at a time of the venue before it was asked for."""
        now_ms = self.now_ms()
        if isinstance(now_ms, Unclear):
            return now_ms
        terms = {"instId": symbol, "clOrdId": client_id("okx", order)}
        reply = self._record("privateGetTradeOrder", _Reply[_Order], **terms)
        if reply is None:
            return OrderStatus(order, "absent", 0, now_ms)
        if isinstance(reply, NotTaken | Unclear):
            return reply
        if len(reply.data) != 1:
            return Unclear(f"{len(reply.data)} orders of one id")
        (found,) = reply.data
        size = found.acc_fill_sz * self.coins[symbol]
        lots = filled_lots(size, self.venue.contracts[symbol], buys=found.side == "buy")
        state = _STATES.get(found.state, "cancelled")
        return OrderStatus(order, state, lots, now_ms, found.state)

    def device(self) -> Device:
        """`cancel-all-after`."""
        return Device(self.venue.name, SWITCH_LEAST_S, SWITCH_MOST_S, cancels_protective=True)

    def arm(self, seconds: int) -> ArmReply:
        """Arm it anew, or disarm it with 0."""
        now_ms = self.now_ms()
        if isinstance(now_ms, Unclear):
            return now_ms
        terms = {"timeOut": str(seconds)}
        try:
            reply = self._act(
                lambda: self._client.privatePostTradeCancelAllAfter(terms), _Reply[_Time]
            )
        except VenueRefused as error:
            return NotTaken(str(error))
        if isinstance(reply, NotTaken | Unclear):
            return reply
        until_ms = now_ms + seconds * SECOND_MS if seconds else None
        return Armed(self.venue.name, until_ms, now_ms)

    def _time(self) -> int | Unclear:
        found = self._ask("publicGetPublicTime", _Reply[_Time])
        if isinstance(found, NotTaken | Unclear):
            return Unclear(found.reason)
        return int(found.data[0].ts) if found.data else Unclear("no time")

    def _send(self, order: Order, price: str, expires_ms: int) -> Any:
        contract, now_ms = self._contract(order.instrument), self.now_ms()
        if isinstance(now_ms, Unclear):
            return NotTaken(f"no time of the venue to sign by: {now_ms.reason}")
        if expires_ms <= now_ms:
            raise VenueRefused("expired before it was sent")
        contracts = abs(order.lots) * contract.lot / self.coins[contract.symbol]
        terms = {
            "instId": contract.symbol,
            "tdMode": CROSS,
            "side": "buy" if order.lots > 0 else "sell",
            "ordType": "ioc",
            "sz": f"{contracts:f}",
            "px": price,
            "reduceOnly": order.reduce_only,
            "clOrdId": client_id("okx", order.id),
            "until": expires_ms,
        }
        return self._act(lambda: self._client.privatePostTradeOrder(terms), _Reply[_Taken])

    def _revoke(self, order: str, symbol: str) -> Any:
        terms = {"instId": symbol, "clOrdId": client_id("okx", order)}
        return self._act(lambda: self._client.privatePostTradeCancelOrder(terms), _Reply[_Taken])

    def _state(self) -> State | Unclear:
        before, now_ms = self._positions(), self.now_ms()
        coin = self.venue.collateral
        balance = self._ask("privateGetAccountBalance", _Reply[_Balance], ccy=coin)
        working = self._paged("privateGetTradeOrdersPending", _Order, "ord_id", **SWAPS)
        after = self._positions()
        for reply in (before, now_ms, balance, working, after):
            if isinstance(reply, NotTaken | Unclear):
                return Unclear(reply.reason)
        assert isinstance(now_ms, int)
        assert isinstance(after, list)
        if [_entry(p) for p in before] != [_entry(p) for p in after]:  # type: ignore[union-attr]
            return Unclear("positions moved between two questions")
        if any(p.pos_side != NET or p.mgn_mode != CROSS for p in after):
            return Unclear("expected net positions and cross margin")
        own = [d for one in balance.data for d in one.details if d.ccy == coin]
        if any(Decimal(d.liab or 0) for d in own):
            return Unclear(f"expected no loan in {coin}")
        held = [self._holding(p) for p in after]
        names = tuple(order.cl_ord_id or order.ord_id for order in working)
        return State(now_ms, sum((d.cash_bal for d in own), Decimal(0)), held, names)

    def _holding(self, position: _Position) -> Holding:
        """Size x mark less profit at the mark; of a contract that the settings lack, its lots."""
        coins = self.coins.get(position.inst_id)
        if coins is None:
            return Holding(position.inst_id, position.pos, Decimal(0))
        size = position.pos * coins
        cost = size * Decimal(position.mark_px) - Decimal(position.upl)
        return Holding(position.inst_id, size, cost)

    def _positions(self) -> list[_Position] | Unclear:
        found = self._ask("privateGetAccountPositions", _Reply[_Position], **SWAPS)
        if isinstance(found, NotTaken | Unclear):
            return Unclear(found.reason)
        return [p for p in found.data if p.pos]

    def _rows(self, since_ms: int, now_ms: int) -> Sequence[Row] | Unclear:
        if since_ms < now_ms - TOLD_MS:
            return Unclear("the venue tells of three months alone")
        window = {"begin": str(since_ms), "end": str(now_ms + DAY_MS)}
        recent = since_ms > now_ms - RECENT_MS
        method = "privateGetAccountBills" if recent else "privateGetAccountBillsArchive"
        fills = self._paged("privateGetTradeFillsHistory", _Fill, "bill_id", **SWAPS, **window)
        bills = self._paged(method, _Bill, "bill_id", ccy=self.venue.collateral, **window)
        for found in (fills, bills):
            if isinstance(found, NotTaken | Unclear):
                return Unclear(found.reason)
        trades = [
            _trade(fill, self.coins[fill.inst_id]) for fill in fills if fill.inst_id in self.coins
        ]
        return [*trades, *(row for bill in bills if (row := _row(bill)) is not None)]

    def _paged(self, method: str, form: Any, name: str, **terms: Any) -> Any:
        """All rows, oldest first, of a list that goes back in time, from page to page by the
        last one's id."""
        rows: list[Any] = []
        after: dict[str, str] = {}
        while True:
            page = self._ask(method, _Reply[form], limit=self.PAGE, **terms, **after)
            if isinstance(page, NotTaken | Unclear):
                return page
            rows += page.data
            if len(page.data) < self.PAGE:
                return rows[::-1]
            after = {"after": getattr(page.data[-1], name)}


def open_okx(client: Client, venue: Venue) -> OkxSession:
    """A session with an account in futures mode and of net positions, whose contracts are linear
    and of the settings' steps; raises `InputError` for another."""
    session = OkxSession(client, venue)
    config = "privateGetAccountConfig"
    session.expect(
        (
            Check(
                config,
                _Reply[_Config],
                {},
                lambda told: [c.acct_lv for c in told.data] == [SINGLE],
                "futures mode, each currency for itself (acctLv 2)",
            ),
            Check(
                config,
                _Reply[_Config],
                {},
                lambda told: [c.pos_mode for c in told.data] == ["net_mode"],
                "one-way mode, not hedge mode (net_mode)",
            ),
        )
    )
    for contract in venue.contracts.values():
        session.coins[contract.symbol] = _coins(session, contract)
    return session


def _coins(session: OkxSession, contract: Contract) -> Decimal:
    """Coins of one contract, by its listing; raises `InputError` where the settings differ."""
    where, terms = f"venue.{contract.venue}.contracts", {**SWAPS, "instId": contract.symbol}
    told = session._ask("publicGetPublicInstruments", _Reply[_Instrument], **terms)
    if isinstance(told, NotTaken | Unclear):
        raise InputError(where, contract.symbol, f"expected its listing, got {told.reason}")
    if len(told.data) != 1 or told.data[0].ct_type != "linear":
        raise InputError(where, contract.symbol, "expected a linear swap")
    (listed,) = told.data
    coins: Decimal = listed.ct_val * listed.ct_mult
    if listed.settle_ccy != contract.settle:
        raise InputError(where, contract.symbol, f"expected collateral {listed.settle_ccy}")
    if contract.lot % (listed.lot_sz * coins) or contract.tick % listed.tick_sz:
        steps = f"tick {listed.tick_sz} and lot {(listed.lot_sz * coins).normalize():f}"
        raise InputError(where, contract.symbol, f"expected whole numbers of {steps}")
    return coins


def _entry(position: _Position) -> tuple[str, str, Decimal, str]:
    return position.inst_id, position.pos_side, position.pos, position.avg_px


def _trade(told: _Fill, coins: Decimal) -> Trade:
    size = told.fill_sz * coins * (1 if told.side == "buy" else -1)
    reason: FillReason = "order"
    if told.sub_type in LIQUIDATIONS:
        reason = "liquidation"
    elif told.sub_type in DELEVERAGINGS:
        reason = "deleveraging"
    # A fee is below 0 there, a rebate above.
    fee = -Decimal(told.fee or 0)
    return Trade(
        f"fill {told.bill_id}", told.ts, told.inst_id, size, told.fill_px, fee, told.fee_ccy,
        told.cl_ord_id, told.ord_id, reason,
    )  # fmt: skip


def _row(told: _Bill) -> Row | None:
    """Money that no fill tells. Kinds that are not known are left out: where they move the
    wallet, ledger and venue disagree, and nothing but shrinking is allowed."""
    source = f"bill {told.bill_id}"
    if told.type == FUNDING:
        return Paid(source, told.ts, told.inst_id, told.bal_chg)
    if told.type == TRANSFER and told.bal_chg:
        return Moved(source, told.ts, told.bal_chg)
    return None
