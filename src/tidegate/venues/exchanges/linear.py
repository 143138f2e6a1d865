# SPDX-License-Identifier: Apache-2.0
"""A linear account of perpetuals in one dollar coin, from the rows that a venue tells of it.

Venues count money finer than the ledger's quanta (eight decimals at Binance, more at Bybit and
OKX), so each line is rounded against us, and the ledger's cash falls behind the venue's by less
than a quantum for each rounding. Once a whole quantum has gathered, and nothing else is under way,
it is booked as a line of its own (`rounded off`); never more than the roundings can have made.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, NamedTuple

import msgspec

from tidegate.model.actions import Order, Transfer
from tidegate.model.errors import InputError
from tidegate.model.events import (
    Deposited,
    Event,
    Filled,
    FillReason,
    FundingPaid,
    PenaltyCharged,
    TransferSent,
    YieldAccrued,
)
from tidegate.model.instruments import Contract
from tidegate.model.replies import (
    ArmReply,
    Device,
    Entry,
    NotTaken,
    OrderReply,
    OrderStatus,
    TransferReply,
    Unclear,
)
from tidegate.model.units import asset_decimals, claim_to_quanta, cost_to_quanta
from tidegate.venues.exchanges.client import Client, Unheard, VenueRefused, asked
from tidegate.venues.exchanges.session import (
    Held,
    News,
    OffTheGrid,
    Venue,
    after_acting,
    whole,
)
from tidegate.venues.streams.talk import Talk

UNREADABLE = (msgspec.ValidationError, ArithmeticError, KeyError, TypeError, IndexError)
# Venues round a position's profit and a wallet each by itself: a tenth of a quantum is no money.
NOISE_QUANTA = Decimal("0.1")
# Of a fill both its value and its fee are rounded.
ROUNDINGS = 2


class Camel(msgspec.Struct, frozen=True, rename="camel"):
    """A form of which only what is needed is named."""


class Trade(NamedTuple):
    """A fill: signed size in coins, the fee in its asset (paid +), and what our id for it is at
    the venue, or the venue's own."""

    id: str
    ts_ms: int
    symbol: str
    size: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str
    client_id: str
    venue_id: str
    reason: FillReason


class Paid(NamedTuple):
    """Funding of one contract: what came (+) or went (-)."""

    id: str
    ts_ms: int
    symbol: str
    amount: Decimal


class Moved(NamedTuple):
    """Money that came (+) or left (-); what a clearance took is no transfer."""

    id: str
    ts_ms: int
    amount: Decimal
    clearance: bool = False


class Holding(NamedTuple):
    """One contract: signed size in coins, and what it cost: size x mark less profit at the mark."""

    symbol: str
    size: Decimal
    cost: Decimal


class State(NamedTuple):
    """An account at a time of its venue: wallet without profit, positions, ids of our orders."""

    ts_ms: int
    wallet: Decimal
    holdings: Sequence[Holding]
    working: tuple[str, ...]


class Check(NamedTuple):
    """A question about an account's mode: by which of ccxt's methods, in which form, with which
    terms, what is right, and what is said to be expected where it is not."""

    method: str
    form: Any
    terms: Mapping[str, str]
    is_right: Callable[[Any], bool]
    expected: str


Row = Trade | Paid | Moved


class LinearSession(ABC):
    """What the sessions of such venues have in common; `client` is ccxt's, with a key to trade.

    `PAGE` is the longest page of rows that the venue gives.
    """

    PAGE: int

    def __init__(self, client: Client, venue: Venue) -> None:
        self._client, self.venue = client, venue
        self._cash: Decimal | None = None
        # Whether the venue's cash was another than what is booked when it was last seen.
        self._apart = True
        # Of the lines that are known: how many, what they make of cash, and what was rounded.
        self._counted, self._booked, self._roundings = 0, 0, 0

    @abstractmethod
    def _time(self) -> int | Unclear:
        """The venue's time."""

    @abstractmethod
    def mid(self, symbol: str) -> Decimal | NotTaken | Unclear:
        """The middle of the book of one contract."""

    @abstractmethod
    def order(self, order: str, symbol: str) -> OrderReply:
        """The record of an order."""

    @abstractmethod
    def _send(self, order: Order, price: str, expires_ms: int) -> Any:
        """Send an order; raises `VenueRefused`."""

    @abstractmethod
    def _revoke(self, order: str, symbol: str) -> Any:
        """Ask for a cancellation; raises `VenueRefused`."""

    @abstractmethod
    def _rows(self, since_ms: int, now_ms: int) -> Sequence[Row] | Unclear:
        """All that happened between two times, and a little more."""

    @abstractmethod
    def _state(self) -> State | Unclear:
        """The account, of one moment."""

    def now_ms(self) -> int | Unclear:
        """The venue's time; requests are signed by it from then on, and not by this machine's."""
        now_ms = self._time()
        if isinstance(now_ms, int):
            self._client.options["timeDifference"] = self._client.milliseconds() - now_ms
        return now_ms

    def expect(self, checks: Sequence[Check]) -> None:
        """Raise `InputError` for an account of another mode, or one that is not told of."""
        name, now_ms = self.venue.name, self.now_ms()
        if isinstance(now_ms, Unclear):
            raise InputError("session", name, f"expected an answer, got {now_ms.reason}")
        for check in checks:
            told = self._ask(check.method, check.form, **check.terms)
            if isinstance(told, NotTaken | Unclear):
                raise InputError("session", name, f"expected an answer, got {told.reason}")
            if not check.is_right(told):
                raise InputError("session", name, f"expected {check.expected}")

    def place(self, order: Order, limit: Decimal, expires_ms: int) -> OrderReply:
        """A limit, immediate or cancel, rounded to what is no worse; refused after its expiry."""
        contract = self._contract(order.instrument)
        ticks = (limit / contract.tick).to_integral_value(
            ROUND_FLOOR if order.lots > 0 else ROUND_CEILING
        )
        try:
            reply = self._send(order, f"{ticks * contract.tick:f}", expires_ms)
        except VenueRefused as error:
            return OrderStatus(order.id, "refused", 0, expires_ms, str(error))
        if isinstance(reply, NotTaken | Unclear):
            return reply
        return after_acting(self.order(order.id, contract.symbol))

    def cancel(self, order: str, symbol: str) -> OrderReply:
        """Cancel by our id; the order's state thereafter."""
        try:
            reply = self._revoke(order, symbol)
        except VenueRefused:
            # It works no more, or never did: its record says which.
            return after_acting(self.order(order, symbol))
        if isinstance(reply, NotTaken | Unclear):
            return reply
        return after_acting(self.order(order, symbol))

    def ticket(self) -> str | None:
        """None: money leaves these accounts in two steps, of which not both have an id of ours."""
        return None

    def send(self, transfer: Transfer, address: str, ticket: str) -> TransferReply:
        """Nothing is withdrawn without a ticket."""
        return NotTaken("withdrawals there have no id of ours")

    def device(self) -> Device | None:
        """None, where a venue has none by REST; an order of ours rests for no time."""
        return None

    def arm(self, seconds: int) -> ArmReply:
        """There is none."""
        return NotTaken("no dead-man's switch by REST")

    def talk(self) -> Talk | None:
        """None: it is asked at each tick."""
        return None

    def news(
        self, since_ms: int, ours: Mapping[str, str], known: Sequence[Entry] = ()
    ) -> tuple[News, ...] | Unclear:
        """Fills, funding, money that came or left, and what roundings have gathered."""
        now_ms = self.now_ms()
        if isinstance(now_ms, Unclear):
            return now_ms
        opened_ms = known[0].event.ts_ms if known else -1
        rows = self._rows(max(since_ms, opened_ms + 1), now_ms)
        if isinstance(rows, Unclear):
            return rows
        try:
            told = [self._news(row, ours) for row in rows if row.ts_ms > opened_ms]
        except OffTheGrid as error:
            return Unclear(str(error))
        found = sorted((one for one in told if one), key=lambda one: one.event.ts_ms)
        return (*found, *self._gathered(found, known, now_ms))

    def held(self) -> Held | Unclear:
        """Lots, and cash: the wallet less what all positions cost, in which no mark has a part."""
        state = self._state()
        if isinstance(state, Unclear):
            return state
        cash = state.wallet - sum((h.cost for h in state.holdings), Decimal(0))
        try:
            lots = {h.symbol: self._lots(h) for h in state.holdings if h.size}
        except OffTheGrid as error:
            return Unclear(str(error))
        self._cash = cash.scaleb(asset_decimals(self.venue.collateral))
        self._apart = not -2 * NOISE_QUANTA <= self._cash - self._booked < 1
        return Held(state.ts_ms, lots, self._settled(self._cash), state.working)

    def _settled(self, cash: Decimal) -> int:
        """Cash in whole quanta. What was credited early, or is told a hair lower than before, is
        still what is booked."""
        if self._counted and -2 * NOISE_QUANTA <= cash - self._booked < 0:
            return self._booked
        return int((cash + NOISE_QUANTA).to_integral_value(ROUND_FLOOR))

    def _gathered(
        self, found: Sequence[News], known: Sequence[Entry], now_ms: int
    ) -> tuple[News, ...]:
        """Whole quanta that roundings have gathered, while nothing is new."""
        cash, self._cash = self._cash, None
        self._count(known)
        if cash is None or not known or _is_new(found, known):
            return ()
        quanta = self._settled(cash) - self._booked
        if not 0 < quanta <= self._roundings:
            return ()
        venue = self.venue
        event = YieldAccrued(now_ms, venue.name, venue.collateral, quanta)
        return (News(f"rounded off {now_ms} {quanta}", event),)

    def _count(self, known: Sequence[Entry]) -> None:
        """Take in lines that were not known before; a log only grows."""
        contracts = {contract.id: contract for contract in self.venue.contracts.values()}
        for line in known[self._counted :]:
            event = line.event
            self._booked += _cash_of(event, contracts)
            self._roundings += ROUNDINGS
            if isinstance(event, YieldAccrued):
                self._roundings -= ROUNDINGS + event.quanta
        self._counted = len(known)

    def _contract(self, instrument: str) -> Contract:
        return self.venue.contracts[instrument.partition(":")[2]]

    def _lots(self, held: Holding) -> int:
        contract = self.venue.contracts.get(held.symbol)
        # A contract that is not in the settings is told as one lot, so that it is a stranger.
        return whole(held.size, contract.lot) if contract else 1

    def _news(self, row: Row, ours: Mapping[str, str]) -> News | None:
        venue = self.venue
        if isinstance(row, Trade):
            return self._filled(row, ours)
        if isinstance(row, Paid):
            contract = venue.contracts.get(row.symbol)
            if contract is None:
                return None
            quanta = cost_to_quanta(-row.amount, venue.collateral)
            return News(row.id, FundingPaid(row.ts_ms, contract.id, 0, 0, 0, quanta))
        return News(row.id, _moved(venue, row))

    def _filled(self, trade: Trade, ours: Mapping[str, str]) -> News | None:
        contract = self.venue.contracts.get(trade.symbol)
        if contract is None:
            return None
        if trade.fee and trade.fee_asset != self.venue.collateral:
            why = f"a fee in {trade.fee_asset}, expected {self.venue.collateral}"
            raise OffTheGrid(f"{why}: turn payment of fees in other coins off")
        ticks = whole(trade.price, contract.tick)
        fee = cost_to_quanta(trade.fee, contract.settle)
        order = ours.get(trade.client_id, f"{self.venue.name} {trade.venue_id}")
        lots = whole(trade.size, contract.lot)
        event = Filled(
            trade.ts_ms, contract.id, lots, ticks, ticks, fee, 0, 0, order, trade.reason
        )  # fmt: skip
        return News(trade.id, event)

    def _act(self, call: Callable[[], Any], wanted: Any) -> Any:
        """The answer to a request that acts, in a form; raises `VenueRefused`."""
        reply = asked(call)
        if isinstance(reply, NotTaken | Unclear):
            return reply
        try:
            return msgspec.convert(reply, wanted, strict=False)
        except UNREADABLE as error:
            return Unclear(f"another form: {error}")

    def _ask(self, method: str, wanted: Any, **terms: Any) -> Any:
        """The answer to a question, in a form."""
        try:
            return self._act(lambda: getattr(self._client, method)(terms), wanted)
        except VenueRefused as error:
            return Unclear(str(error))

    def _record(self, method: str, wanted: Any, **terms: Any) -> Any:
        """The answer to a question about one order; None where the venue knows no such order."""
        try:
            return self._act(lambda: getattr(self._client, method)(terms), wanted)
        except Unheard:
            return None
        except VenueRefused as error:
            return Unclear(str(error))


def _moved(venue: Venue, row: Moved) -> Event:
    if row.clearance:
        taken = cost_to_quanta(-row.amount, venue.collateral)
        return PenaltyCharged(row.ts_ms, venue.name, venue.collateral, taken, "clearance fee")
    if row.amount > 0:
        came = claim_to_quanta(row.amount, venue.collateral)
        return Deposited(row.ts_ms, venue.name, venue.collateral, came)
    left = cost_to_quanta(-row.amount, venue.collateral)
    name = f"{venue.name} {row.id}"
    return TransferSent(row.ts_ms, name, venue.name, "", venue.collateral, left, 0)


def _cash_of(event: Event, contracts: Mapping[str, Contract]) -> int:
    """What a line of the log adds to cash, a fill with the whole value of what it bought."""
    match event:
        case Filled():
            cost = contracts[event.instrument].entry_cost(event.lots, event.ticks)
            return -cost - event.fee_quanta
        case FundingPaid() | TransferSent() | PenaltyCharged():
            return -event.quanta
        case Deposited() | YieldAccrued():
            return event.quanta
        case _:
            return 0


def _is_new(found: Sequence[News], known: Sequence[Entry]) -> bool:
    first_ms = min((one.event.ts_ms for one in found), default=0)
    events = [line.event for line in known if line.event.ts_ms >= first_ms]
    return any(one.event not in events for one in found)


def filled_lots(size: Decimal, contract: Contract, *, buys: bool) -> int:
    """Signed lots of an order's filled size."""
    lots = int(size / contract.lot)
    return lots if buys else -lots
