# SPDX-License-Identifier: Apache-2.0
"""Sessions with real venues behind the semantics of a house: approvals, ids, numbered logs.

This is the process that has the keys. It checks each approval itself, holds it to its own policy,
writes what it will send to disk, and only then sends it. It never sends one id twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal

from tidegate.model.actions import Order, Transfer
from tidegate.model.errors import InputError
from tidegate.model.events import Deposited, FundingPaid
from tidegate.model.instruments import Contract, InstrumentId
from tidegate.model.replies import (
    ArmReply,
    Device,
    Entry,
    NotTaken,
    OrderReply,
    OrderStatus,
    Pushed,
    Statement,
    SweepReply,
    Swept,
    TransferReply,
    TransferStatus,
    Unclear,
)
from tidegate.model.times import MINUTE_MS, SECOND_MS
from tidegate.model.units import from_quanta
from tidegate.risk.gate import Approval, ApprovalError, Gate
from tidegate.venues.exchanges.order_ids import client_id
from tidegate.venues.exchanges.policy import Address, Officer, Refusal
from tidegate.venues.exchanges.session import Held, News, Session, account_of
from tidegate.venues.exchanges.session_log import Sent, SessionLog
from tidegate.venues.lease import Lease
from tidegate.venues.streams.talk import Talk

PUSHED_MAX = 10_000
ENTRIES_MAX = 1_000
# Venues book what happened late, and out of order; this much of their logs is read again.
READ_AGAIN_MS = 5 * MINUTE_MS
APART_MS = 10 * SECOND_MS
NEVER_MS = 2**53


class ExchangeHouse:
    """All venues of one settings file; `clock` tells the time where no venue has answered yet, and
    `say` is told when a venue's log cannot be read, and when it can again."""

    def __init__(
        self,
        sessions: Mapping[str, Session],
        gate: Gate,
        officer: Officer,
        log: SessionLog,
        clock: Callable[[], int],
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._sessions, self._gate, self._officer = sessions, gate, officer
        self._log, self._clock, self._say = log, clock, say
        self._pushed: deque[Pushed] = deque(maxlen=PUSHED_MAX)
        self._silent: dict[str, str] = {}
        self._apart_ms: dict[str, int] = {}
        for sent in log.sent.values():
            officer.recall(sent.let_ms, Decimal(sent.amount), sent.address)

    def open(self) -> None:
        """Let the log of each venue begin, where it has not, with what is there as capital.

        Raises `InputError` where a venue does not answer, or positions are held there whose
        fills nobody knows, or that were funded in the venue's running session.
        """
        for name, session in self._sessions.items():
            if self._log.entries.get(name):
                continue
            held = session.held()
            if isinstance(held, Unclear):
                raise InputError("session", name, f"expected an answer, got {held.reason}")
            if any(held.lots.values()):
                expected = "expected no positions when its log begins"
                raise InputError("session", name, expected)
            asset = session.venue.collateral
            opening = Deposited(held.ts_ms, name, asset, held.cash_quanta)
            _expect_quiet(name, session, opening)
            self._pushed.extend(self._log.see(name, [News("opening", opening)]))

    def withdraw(self) -> None:
        """As of a start that failed: leave no log that was not there."""
        self._log.withdraw()

    def lease(self, clock_s: Callable[[], float]) -> Lease:
        """Who may trade here, as the log remembers it."""
        return Lease(self._log.leased, self._log.lease, clock_s)

    def talks(self) -> dict[str, Talk]:
        """How the streams of our accounts are talked to, where they are listened to."""
        told = {name: session.talk() for name, session in self._sessions.items()}
        return {name: talk for name, talk in told.items() if talk is not None}

    @property
    def now_ms(self) -> int:
        """The latest time that a venue tells; the clock's where none does."""
        told = [t for s in self._sessions.values() if not isinstance(t := s.now_ms(), Unclear)]
        return max(told, default=self._clock())

    @property
    def end_ms(self) -> int:
        """Venues do not end."""
        return NEVER_MS

    def advance(self, until_ms: int) -> None:
        """Time passes by itself."""

    def has(self, venue: str) -> bool:
        """Whether there is such a venue."""
        return venue in self._sessions

    def trades(self, instrument: InstrumentId) -> bool:
        """Whether there is such an instrument."""
        return self._contract(instrument) is not None

    def place(self, approval: Approval) -> OrderReply:
        """Send an approved order that the policy lets through, once."""
        order = approval.action
        if sent := self._log.sent.get(order.id):
            return self._noted(self._sessions[sent.venue].order(order.id, sent.symbol))
        now_ms = self.now_ms
        try:
            order, limit, usd = self._checked_order(approval, now_ms)
        except Refusal as error:
            return OrderStatus(approval.action.id, "refused", 0, now_ms, str(error))
        venue, _, symbol = order.instrument.partition(":")
        name = client_id(venue, order.id)
        expires_ms, spent = approval.expires_ms, f"{usd:.6f}"
        self._log.send(Sent(order.id, venue, name, approval.id, expires_ms, symbol, now_ms, spent))
        return self._noted(self._sessions[venue].place(order, limit, approval.expires_ms))

    def cancel(self, venue: str, order: str) -> OrderReply:
        """Cancel an order of ours; its state thereafter."""
        return self._of(venue, order, lambda session, sent: session.cancel(order, sent.symbol))

    def cancel_all(self, venue: str) -> SweepReply:
        """Cancel what works at a venue and is ours; what is not ours is left alone."""
        held = self._sessions[venue].held()
        if isinstance(held, Unclear):
            return held
        names = self._log.names(venue)
        found = [names[name] for name in held.working if name in names]
        for order in found:
            reply = self.cancel(venue, order)
            if isinstance(reply, NotTaken | Unclear):
                return Unclear(reply.reason)
        return Swept(venue, tuple(found), held.ts_ms)

    def order(self, venue: str, order: str) -> OrderReply:
        """An order's state now."""
        return self._of(venue, order, lambda session, sent: session.order(order, sent.symbol))

    def send(self, approval: Approval) -> TransferReply:
        """Send an approved transfer to the address that the policy has for it, once."""
        transfer, now_ms = approval.action, self.now_ms
        if sent := self._log.sent.get(transfer.id):
            return self.shipment(sent.venue, transfer.id)
        try:
            transfer, address, let_ms = self._checked_transfer(approval, now_ms)
            session = self._sessions[transfer.source]
            ticket = session.ticket()
            if ticket is None:
                raise Refusal(f"{transfer.source}: withdrawals there have no id of ours")
        except Refusal as error:
            return TransferStatus(approval.action.id, "refused", now_ms, str(error))
        source, amount = transfer.source, str(from_quanta(transfer.quanta, transfer.asset))
        expires_ms = approval.expires_ms
        self._log.send(
            Sent(
                transfer.id, source, ticket, approval.id, expires_ms, "", let_ms, amount, address.id
            )
        )
        return session.send(transfer, address.address, ticket)

    def shipment(self, venue: str, transfer: str) -> TransferReply:
        """A transfer's state at its source, by the log of what left there."""
        if self._read(venue) is not None:
            return Unclear(self._silent[venue])
        now_ms = self.now_ms
        left = any(
            getattr(line.event, "id", None) == transfer for line in self._log.entries.get(venue, ())
        )
        return TransferStatus(transfer, "accepted" if left else "absent", now_ms)

    def pushed(self) -> tuple[Pushed, ...]:
        """New lines of the logs and states of orders since the last call."""
        for venue in self._sessions:
            self._read(venue)
        told = tuple(self._pushed)
        self._pushed.clear()
        return told

    def entries(self, venue: str, after: int) -> tuple[Entry, ...] | Unclear:
        """Lines of a venue's log after a number, a thousand at most."""
        if why := self._read(venue):
            return Unclear(why)
        return tuple(self._log.entries.get(venue, [])[after : after + ENTRIES_MAX])

    def statement(self, venue: str) -> Statement | Unclear:
        """A venue's account of us. For some seconds it is not told where it has other lots than
        the fills that are known make, since venues tell of fills late."""
        if why := self._read(venue):
            return Unclear(why)
        held = self._sessions[venue].held()
        if isinstance(held, Unclear):
            return held
        if self._read(venue) or self._still_apart(venue, held):
            return Unclear("positions and fills are not told together yet")
        number = len(self._log.entries.get(venue, ()))
        names = self._log.names(venue)
        working = tuple(names.get(name, name) for name in held.working)
        account = account_of(self._sessions[venue].venue, held, self._costs(venue, held))
        return Statement(venue, held.ts_ms, number, account, working)

    def _still_apart(self, venue: str, held: Held) -> bool:
        known = {
            name.partition(":")[2]: position.lots
            for name, position in self._log.positions.items()
            if name.startswith(f"{venue}:") and position.lots
        }
        if known == {symbol: lots for symbol, lots in held.lots.items() if lots}:
            self._apart_ms.pop(venue, None)
            return False
        since_ms = self._apart_ms.setdefault(venue, held.ts_ms)
        return bool(held.ts_ms - since_ms < APART_MS)

    def device(self, venue: str) -> Device | None:
        """The venue's dead-man's switch."""
        return self._sessions[venue].device()

    def arm(self, venue: str, seconds: int) -> ArmReply:
        """Arm it anew, or disarm it with 0."""
        return self._sessions[venue].arm(seconds)

    def frozen_venues(self) -> tuple[str, ...]:
        """None announces it in its interface; a transfer that does not leave says so itself."""
        return ()

    def out_venues(self) -> tuple[str, ...]:
        """Venues that did not answer when last asked."""
        return tuple(self._silent)

    def stable_micro(self) -> Mapping[str, int]:
        """Nobody of these says."""
        return {}

    def adl_rank(self, instrument: InstrumentId) -> float | None:
        """None of these tells it in its interface."""
        return None

    def _contract(self, instrument: InstrumentId) -> Contract | None:
        venue, _, symbol = instrument.partition(":")
        session = self._sessions.get(venue)
        return session.venue.contracts.get(symbol) if session else None

    def _costs(self, venue: str, held: Held) -> dict[str, int]:
        positions = self._log.positions
        return {
            symbol: positions[name].cost
            for symbol in held.lots
            if (name := f"{venue}:{symbol}") in positions
        }

    def _of(self, venue: str, order: str, ask: Callable[[Session, Sent], OrderReply]) -> OrderReply:
        sent = self._log.sent.get(order)
        if sent is None or sent.venue != venue:
            # It never came here, and what this process has not sent the venue cannot have.
            return OrderStatus(order, "absent", 0, self.now_ms)
        return self._noted(ask(self._sessions[venue], sent))

    def _noted(self, reply: OrderReply) -> OrderReply:
        if isinstance(reply, OrderStatus):
            self._pushed.append(reply)
        return reply

    def _read(self, venue: str) -> str | None:
        """Take in what a venue's log has beyond what is known; why that failed, if it did."""
        last = self._log.entries[venue][-1].event.ts_ms
        since_ms = max(self._log.entries[venue][0].event.ts_ms, last - READ_AGAIN_MS)
        known = self._log.entries[venue]
        found = self._sessions[venue].news(since_ms, self._log.names(venue), known)
        if isinstance(found, Unclear):
            if self._silent.get(venue) != found.reason:
                self._say(f"{venue}: {found.reason}")
            self._silent[venue] = found.reason
            return found.reason
        if self._silent.pop(venue, None) is not None:
            self._say(f"{venue}: answers again")
        self._pushed.extend(self._log.see(venue, found))
        return None

    def _checked_order(self, approval: Approval, now_ms: int) -> tuple[Order, Decimal, float]:
        """The order, the worst price it may have, and its dollars; raises `Refusal`."""
        order = self._redeemed(approval, now_ms)
        if not isinstance(order, Order):
            raise Refusal(f"approval {approval.id}: not for an order")
        contract = self._contract(order.instrument)
        if contract is None:
            raise Refusal("no such instrument")
        mid = self._sessions[contract.venue].mid(contract.symbol)
        if isinstance(mid, NotTaken | Unclear):
            raise Refusal(f"no price to hold the order to: {mid.reason}")
        ticks = max(1, int(mid / contract.tick))
        notional = from_quanta(contract.notional(order.lots, ticks), contract.settle)
        usd = float(notional * mid if contract.inverse else notional)
        self._officer.let_order(order, usd, now_ms)
        slip = Decimal(str(self._officer.policy.slippage))
        return order, mid * (1 + slip if order.lots > 0 else 1 - slip), usd

    def _checked_transfer(self, approval: Approval, now_ms: int) -> tuple[Transfer, Address, int]:
        """The transfer, where it may go, and when that was, by this machine's clock."""
        transfer = self._redeemed(approval, now_ms)
        if not isinstance(transfer, Transfer):
            raise Refusal(f"approval {approval.id}: not for a transfer")
        if transfer.source not in self._sessions:
            raise Refusal("no such venue")
        amount = from_quanta(transfer.quanta, transfer.asset)
        # A venue's clock that ran ahead would shorten the delay of an address.
        let_ms = self._clock()
        return transfer, self._officer.let_transfer(transfer, amount, let_ms), let_ms

    def _redeemed(self, approval: Approval, now_ms: int) -> Order | Transfer:
        try:
            self._gate.verify(approval, now_ms)
        except ApprovalError as error:
            raise Refusal(str(error)) from None
        if approval.id in self._log.approvals:
            raise Refusal(f"approval {approval.id}: used before")
        return approval.action


def _expect_quiet(name: str, session: Session, opening: Deposited) -> None:
    """A venue that adds funding up would tell again what its opening balance has already."""
    news = session.news(opening.ts_ms, {}, [Entry(name, 1, opening)])
    if isinstance(news, Unclear):
        raise InputError("session", name, f"expected an answer, got {news.reason}")
    if any(isinstance(one.event, FundingPaid) for one in news):
        expected = "expected an account that was not funded since its last settlement at 08:00 UTC"
        raise InputError("session", name, expected)
