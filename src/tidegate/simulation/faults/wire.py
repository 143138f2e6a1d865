# SPDX-License-Identifier: Apache-2.0
"""The wire between the engine and the venues, as bad as the seed makes it.

Time moves here: `advance` lets the venues live until a time and lets what was under way arrive.
A request is answered at once, or with `Unclear`, and then it was done, or is done later, or never.
Reports of the venues travel on their own: late, twice, out of order, or not at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from typing import Literal, TypeVar

import msgspec

from tidegate.model.account import FLAT, Account, Position
from tidegate.model.actions import Order, Transfer
from tidegate.model.errors import ensure
from tidegate.model.events import Filled
from tidegate.model.instruments import InstrumentId
from tidegate.model.replies import (
    Entry,
    NotTaken,
    OrderReply,
    OrderStatus,
    Pushed,
    Statement,
    TransferReply,
    TransferStatus,
    Unclear,
)
from tidegate.model.times import SECOND_MS
from tidegate.risk.gate import Approval
from tidegate.simulation.faults.coverage import Coverage
from tidegate.simulation.faults.kill import Boundaries
from tidegate.simulation.faults.menu import PER_REQUEST, Fault, Swarm
from tidegate.simulation.faults.server import VenueServer
from tidegate.simulation.faults.spells import Spells

DELAY_MS_MAX = 60 * SECOND_MS
REPORT_DELAY_MS_MAX = 30 * SECOND_MS
LINES_AT_ONCE = 50
WRONG_TEXTS = (
    "",
    "order filled",
    "insufficient margin",
    "ok",
    "<html><body>502 Bad Gateway</body></html>",
    '{"code": -1013, "msg": "Filter failure: LOT_SIZE"}',
    "\u202eunknown order \x00\x1b[31m",
    "x" * 500,
)
Reply = TypeVar("Reply")
Kind = Literal["asks", "cancels", "sends"]


@dataclass(slots=True)
class Traffic:
    """What went over the wire: orders and transfers sent by (venue, second), all requests, and
    replies that told nothing of an order or a transfer."""

    sent: Counter[tuple[str, int]] = field(default_factory=Counter)
    requests: int = 0
    ambiguous: int = 0


class FaultyGateway:
    """A `Gateway` to simulated venues."""

    def __init__(
        self,
        server: VenueServer,
        swarm: Swarm,
        spells: Spells,
        coverage: Coverage,
        boundaries: Boundaries,
    ) -> None:
        self._server, self._swarm, self._spells = server, swarm, spells
        self._coverage, self._boundaries = coverage, boundaries
        self._rng = Random(f"{swarm.seed}:wire")
        self._under_way: list[tuple[int, int, str, Callable[[], object]]] = []
        self._reports: list[tuple[int, int, Pushed]] = []
        self._numbered = 0
        self._told: set[str] = set()
        self._stale: dict[str, Statement] = {}
        self._calm = False
        self.traffic = Traffic()
        self.before_request: Callable[[str, str, Approval | None], None] = lambda *_: None

    def advance(self, until_ms: int) -> None:
        """Let time pass at the venues and on the wire."""
        server = self._server
        if self._spells.due(until_ms):
            self._turn(until_ms)
        server.advance(until_ms)
        while self._under_way and self._under_way[0][0] <= until_ms:
            heappop(self._under_way)[3]()
        self._gather()

    def calm(self) -> None:
        """No fault begins from now on; what is under way arrives."""
        self._calm = True
        self._server.settle()
        for spell in self._spells.stop():
            self._lift(spell.fault, spell.venue)

    def disconnect(self) -> None:
        """The engine's process died: what was on its way to it is gone."""
        self._reports.clear()

    @property
    def in_flight(self) -> tuple[str, ...]:
        """Actions of which the sending has not reached its venue yet."""
        return tuple(action for _, _, action, _ in self._under_way if action)

    def place(self, approval: Approval) -> OrderReply:
        """Send an approved order."""
        order = approval.action
        ensure(isinstance(order, Order), "an approval of an order")
        assert isinstance(order, Order)
        venue = self._server.venue_of(order.instrument)
        self.before_request("place", order.id, approval)
        return self._ask(venue, order.id, lambda: self._server.place(approval), kind="sends")

    def cancel(self, venue: str, order: str) -> OrderReply:
        """Ask that an order be cancelled."""
        self.before_request("cancel", order, None)
        return self._ask(venue, order, lambda: self._server.cancel(venue, order), kind="cancels")

    def order(self, venue: str, order: str) -> OrderReply:
        """Ask for the state of an order."""
        return self._ask(venue, order, lambda: self._server.order(venue, order))

    def send(self, approval: Approval) -> TransferReply:
        """Send an approved transfer."""
        transfer = approval.action
        ensure(isinstance(transfer, Transfer), "an approval of a transfer")
        assert isinstance(transfer, Transfer)
        self.before_request("send", transfer.id, approval)
        place, name = transfer.source, transfer.id
        return self._ask(place, name, lambda: self._server.send(approval), kind="sends")

    def shipment(self, venue: str, transfer: str) -> TransferReply:
        """Ask its source for the state of a transfer."""
        return self._ask(venue, transfer, lambda: self._server.shipment(venue, transfer))

    def pushed(self) -> tuple[Pushed, ...]:
        """Reports that have come since this was last asked, in the order in which they came."""
        if not self._reports:
            return ()
        now, come = self._server.now_ms, list[Pushed]()
        while self._reports and self._reports[0][0] <= now:
            come.append(heappop(self._reports)[2])
        for report in come:
            self._note_first(report)
        return tuple(come)

    def entries(self, venue: str, after: int) -> tuple[Entry, ...] | Unclear:
        """Lines of a log beyond a number; at most so many at once."""
        reply = self._ask(venue, "", lambda: self._server.entries(venue, after)[:LINES_AT_ONCE])
        return Unclear(reply.reason) if isinstance(reply, NotTaken) else reply

    def statement(self, venue: str) -> Statement | Unclear:
        """A venue's own account of us, which may be wrong or old for a while."""
        reply = self._ask(venue, "", lambda: self._stated(venue))
        return Unclear(reply.reason) if isinstance(reply, NotTaken) else reply

    def frozen_venues(self) -> tuple[str, ...]:
        """Venues that announce that money neither leaves nor is credited."""
        return self._server.exchange.frozen_venues()

    def out_venues(self) -> tuple[str, ...]:
        """Venues that announce that nothing trades there."""
        return self._server.exchange.out_venues()

    def stable_micro(self) -> Mapping[str, int]:
        """What dollar coins are worth now."""
        return self._server.exchange.stable_micro()

    def adl_rank(self, instrument: InstrumentId) -> float | None:
        """Place of our position in its venue's deleveraging queue."""
        return self._server.exchange.adl_rank(instrument)

    def _ask(
        self, venue: str, action: str, do: Callable[[], Reply], kind: Kind = "asks"
    ) -> Reply | NotTaken | Unclear:
        """Send one request and receive what comes of it; its ends are effect boundaries."""
        self._boundaries.cross("before request")
        self._count(venue, kind)
        fault = self._fate(venue, signed=kind != "asks")
        if fault is None:
            reply: Reply | NotTaken | Unclear = do()
            if isinstance(reply, OrderStatus) and reply.state != "absent":
                self._told.add(reply.id)
            reply = self._garbled(reply)
        else:
            self._note(fault, action)
            reply = self._failed(fault, action if kind == "sends" else "", do)
            self.traffic.ambiguous += bool(action) and isinstance(reply, Unclear)
        self._gather()
        self._boundaries.cross("after request")
        return reply

    def _failed(self, fault: Fault, sent: str, do: Callable[[], object]) -> NotTaken | Unclear:
        """What a fault makes of a request, and the reply that the engine gets; `sent` names the
        action where the request is its sending."""
        if fault is Fault.REQUEST_DELAYED:
            wait_ms = self._rng.randint(1, DELAY_MS_MAX)
            self._numbered += 1
            arrival = (self._server.now_ms + wait_ms, self._numbered, sent, do)
            heappush(self._under_way, arrival)
        elif fault in (Fault.REPLY_LOST, Fault.ERROR_DONE):
            do()
        elif fault is Fault.REPLY_DELAYED:
            reply = do()
            if isinstance(reply, OrderStatus):
                self._travel(reply, self._rng.randint(1, DELAY_MS_MAX))
        text = self._wrong_text(fault.value)
        refused = (Fault.RATE_LIMIT, Fault.SIGNER_REFUSAL)
        return NotTaken(text) if fault in refused else Unclear(text)

    def _fate(self, venue: str, *, signed: bool) -> Fault | None:
        if self._spells.holds(Fault.REQUESTS_STOP, venue):
            return Fault.REQUESTS_STOP
        if self._calm:
            return None
        for fault in PER_REQUEST:
            chance = self._swarm.chance(fault)
            if chance and self._rng.random() < chance:
                if fault is Fault.SIGNER_REFUSAL and not signed:
                    continue
                return fault
        return None

    def _garbled(self, reply: Reply) -> Reply:
        """The reply, its text perhaps replaced by another that says something else."""
        if isinstance(reply, OrderStatus | TransferStatus) and reply.reason:
            return msgspec.structs.replace(reply, reason=self._wrong_text(reply.reason))
        return reply

    def _wrong_text(self, text: str) -> str:
        chance = 0.0 if self._calm else self._swarm.chance(Fault.WRONG_TEXT)
        if not chance or self._rng.random() >= chance:
            return text
        self._coverage.around(Fault.WRONG_TEXT)
        return self._rng.choice(WRONG_TEXTS)

    def _gather(self) -> None:
        """Send what the venues have to tell on its way."""
        news = self._server.news()
        for venue, report in news:
            if self._spells.holds(Fault.REPORTS_STOP, venue):
                self._note(Fault.REPORTS_STOP, _subject(report))
            elif not self._hits(Fault.REPORT_LOST, report):
                self._dispatch(report)

    def _dispatch(self, report: Pushed) -> None:
        late = self._hits(Fault.REPORT_LATE, report)
        self._travel(report, self._rng.randint(1, REPORT_DELAY_MS_MAX) if late else 0)
        if self._hits(Fault.REPORT_TWICE, report):
            self._travel(report, self._rng.randint(0, REPORT_DELAY_MS_MAX))

    def _travel(self, report: Pushed, delay_ms: int) -> None:
        self._numbered += 1
        heappush(self._reports, (self._server.now_ms + delay_ms, self._numbered, report))

    def _hits(self, fault: Fault, report: Pushed) -> bool:
        chance = 0.0 if self._calm else self._swarm.chance(fault)
        if not chance or self._rng.random() >= chance:
            return False
        self._note(fault, _subject(report))
        return True

    def _note(self, fault: Fault, action: str) -> None:
        if action:
            self._coverage.about(fault, action)
        else:
            self._coverage.around(fault)

    def _note_first(self, report: Pushed) -> None:
        """Count fills that come before any word on their order."""
        subject = _subject(report)
        if isinstance(report, OrderStatus):
            self._told.add(subject)
        elif _fills_order(report) and subject not in self._told:
            self._coverage.about(Fault.FILL_FIRST, subject)

    def _count(self, venue: str, kind: Kind) -> None:
        self.traffic.requests += 1
        if kind == "sends":
            self.traffic.sent[venue, self._server.now_ms // SECOND_MS] += 1

    def _stated(self, venue: str) -> Statement:
        spells, true = self._spells, self._server.statement(venue)
        if spells.holds(Fault.STATEMENT_OLD, venue):
            self._coverage.around(Fault.STATEMENT_OLD)
            return self._stale.setdefault(venue, true)
        self._stale[venue] = true
        size = spells.size(Fault.BALANCE_WRONG, venue)
        if size is not None:
            self._coverage.around(Fault.BALANCE_WRONG)
            true = msgspec.structs.replace(true, account=_off_balance(true.account, size))
        size = spells.size(Fault.POSITION_WRONG, venue)
        if size is not None:
            self._coverage.around(Fault.POSITION_WRONG)
            name = self._server.instruments_of(venue)[0]
            true = msgspec.structs.replace(true, account=_off_position(true.account, name, size))
        return true

    def _turn(self, until_ms: int) -> None:
        """Begin and end spells that act on the venues themselves."""
        begun, ended = self._spells.turn(until_ms)
        for spell in ended:
            self._lift(spell.fault, spell.venue)
        for spell in begun:
            if spell.fault is Fault.CLOCK_STEP:
                self._coverage.around(spell.fault)
                self._server.step_clock(spell.venue, round(5_000 * spell.size))
            elif spell.fault is Fault.SILENT_RESET:
                self._coverage.around(spell.fault)
                self._server.reset(spell.venue)

    def _lift(self, fault: Fault, venue: str) -> None:
        if fault is Fault.CLOCK_STEP and not self._spells.holds(fault, venue):
            self._server.step_clock(venue, 0)


def _subject(report: Pushed) -> str:
    """The action that a report is about, if any."""
    if isinstance(report, OrderStatus):
        return report.id
    event = report.event
    return event.order if isinstance(event, Filled) else getattr(event, "id", "")


def _fills_order(report: Entry) -> bool:
    return isinstance(report.event, Filled) and report.event.reason == "order"


def _off_balance(account: Account, size: float) -> Account:
    asset = min(account.balances, default="")
    if not asset:
        return account
    wrong = account.balances[asset] + round(size * 1e9) + 1
    return msgspec.structs.replace(account, balances={**account.balances, asset: wrong})


def _off_position(account: Account, name: InstrumentId, size: float) -> Account:
    held = account.positions.get(name, FLAT)
    wrong = Position(held.lots + (1 if size > 0 else -1), held.cost)
    positions = {n: p for n, p in {**account.positions, name: wrong}.items() if p.lots}
    return msgspec.structs.replace(account, positions=positions)
