# SPDX-License-Identifier: Apache-2.0
"""The desk: carries out approved plans step by step, over sessions that may fail at any moment.

What is to be sent is journalled and forced to disk before it is sent. A reply that tells nothing
leads to a question under the same id, never to a second sending. A step waits until the orders of
the step before are closed and wholly filled; whatever else comes of them ends the plan, and the
cycle decides anew from what the ledger then holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from tidegate.execution.bookkeeping import Bookkeeper, Past
from tidegate.execution.books import Books
from tidegate.execution.brake import Held, Weight, allows, begun, messaged, moved, planned, rolled
from tidegate.execution.doubts import Finding
from tidegate.execution.orders import State
from tidegate.execution.paced import Paced
from tidegate.execution.patience import Patience
from tidegate.execution.reconciliation import Break, unsettled
from tidegate.execution.record import Record
from tidegate.execution.written_off import WrittenOff
from tidegate.model.account import Unsettled
from tidegate.model.actions import Action, Order, Transfer
from tidegate.model.instruments import Instrument, InstrumentId
from tidegate.model.mandate import Limits
from tidegate.model.replies import NotTaken
from tidegate.model.times import SECOND_MS
from tidegate.model.units import usd
from tidegate.ports import Gateway
from tidegate.risk.gate import Approval, ApprovalError

LOOK = "look"
Steps = tuple[tuple[Approval, ...], ...]


class Standing(msgspec.Struct, frozen=True):
    """How execution stands: whether a plan is being carried out, whether the last one ended before
    its end, what is not settled, coins whose legs came apart, why nothing may be sent, whether
    execution itself called for this look, and transfers whose money may be back and booked."""

    busy: bool
    unfinished: bool
    unsettled: Unsettled
    loose: frozenset[str]
    halted: str | None = None
    called: bool = False
    returned: frozenset[str] = frozenset()


class Work(msgspec.Struct, frozen=True):
    """A plan on its way: its steps and when each may be sent, the step that is being carried out,
    how many of its orders were sent, since when, when the plan began, and the marks then."""

    steps: Steps
    offsets_ms: tuple[int, ...]
    step: int
    sent: int
    since_ms: int
    begun_ms: int
    marks: Mapping[InstrumentId, int]


class Senses(NamedTuple):
    """What a desk looks at before it sends: prices now (ticks) of what has a fresh quote, why
    nothing may be sent, if so, and what the runaway brake must know of an order and, at each look,
    of the book: what it is worth, and which overdue shipments count as nothing in that, and which
    venues may only be reduced, as what they say of themselves is not what our rules say. Without
    prices no plan is given up because they moved or went stale, without weights nothing is braked:
    time stands still within a step of a backtest."""

    marks_at: Callable[[int], Mapping[InstrumentId, int]] | None = None
    halted: Callable[[], str | None] = lambda: None
    weigh: Callable[[Order, int], Weight] | None = None
    equity_usd: Callable[[int], float | None] = lambda _: None
    overdue: Callable[[int], frozenset[str]] = lambda _: frozenset()
    reduce_only: Callable[[int], frozenset[str]] = lambda _: frozenset()


class Desk:
    """Execution of one mandate over one session."""

    def __init__(
        self,
        gateway: Gateway,
        record: Record,
        terms: tuple[Limits, Mapping[InstrumentId, Instrument]],
        senses: Senses | None = None,
        past: Past | None = None,
        wallets: tuple[str, ...] = (),
    ) -> None:
        """`wallets` are venues that trade nothing."""
        self._limits, self._instruments = terms
        senses = senses or Senses()
        self._marks_at, self._halted, self._weigh, self._equity_usd, self._overdue, doubted = senses
        self._reduce_only = doubted
        self._pace = Paced(gateway, self._limits.messages_per_s) if self._weigh else None
        gateway = self._pace or gateway
        self._gateway, self._record = gateway, record
        self._brake = begun(past.day if past else None)
        self._day = self._brake.day
        trading = (i.venue for i in self._instruments.values())
        venues = tuple(dict.fromkeys((*trading, *wallets)))
        self._keeper = Bookkeeper(gateway, record, venues, past)
        known = past.capital_micro if past else None
        self._capital_micro = self._keeper.capital_micro if known is None else known
        self._written_off: WrittenOff | None = None
        self._patience = Patience()
        self._work: Work | None = None
        self._unfinished = False
        # A process that starts anew cannot know which legs the one before it left apart.
        self._loose = {i.base for i in self._instruments.values()} if past else set[str]()
        self._gone = frozenset[str]()

    @property
    def books(self) -> Books:
        """Orders and transfers of this run."""
        return self._keeper.books

    @property
    def breaks(self) -> Mapping[str, Break]:
        """Venues whose statement differs from the ledger, and how."""
        return self._keeper.breaks

    @property
    def returned(self) -> frozenset[str]:
        """Transfers whose money may be back where it left, and in the ledger as a deposit."""
        return self._keeper.returned

    def settle(self, name: str, finding: Finding, who: str, now_ms: int) -> None:
        """Take in what a person found of an instrument or a transfer in doubt, of an overdue one,
        or of an order that does not end; raises `InvariantError` where there is no such thing."""
        self._keeper.settle(name, finding, who, now_ms)

    def begin(self, steps: Steps, now_ms: int, offsets_ms: tuple[int, ...] = ()) -> None:
        """Start to carry out approved steps, each not before its offset from now (0 if none is
        said); what can be done at once is done on return."""
        self._is_now(now_ms)
        self._end(now_ms, "another plan takes its place")
        marks = self._marks_at(now_ms) if self._marks_at else {}
        work = Work(steps, offsets_ms or (0,) * len(steps), 0, 0, now_ms, now_ms, marks)
        # A plan without a step is carried out by ending the one before it.
        self._work = work if steps else None
        self._unfinished = False
        actions = (approval.action for step in steps for approval in step)
        self._brake = planned(self._brake, (a for a in actions if isinstance(a, Order)))
        self._advance(now_ms)

    def tick(self, now_ms: int) -> None:
        """Hear what venues told, ask about what is not known, and go on with the plan."""
        self._is_now(now_ms)
        self._keeper.collect(now_ms)
        self._note_failures()
        self._ask(now_ms)
        self._keeper.compare_again(now_ms)
        self._advance(now_ms)

    def stop(self, now_ms: int, why: str) -> None:
        """Send nothing more of the plan and ask that its working orders be cancelled."""
        self._is_now(now_ms)
        self._end(now_ms, why)
        for record in self.books.open_orders:
            self._cancel(record.order.id, now_ms)
        self._keeper.collect(now_ms)

    def _note_failures(self) -> None:
        """Where a venue is gone, what it hedged has come apart."""
        gone = self._record.ledger.failed
        fresh = gone - self._gone
        self._gone = gone
        self._loose |= {i.base for i in self._instruments.values() if i.venue in fresh}

    def _is_now(self, now_ms: int) -> None:
        if self._pace is None:
            return
        self._pace.now_ms = now_ms
        if self._written_off is None:
            # Before anything is heard: what lands first may be what a day began without.
            self._write_off(now_ms)

    def standing(self, now_ms: int) -> Standing:
        """Compare every venue with the ledger, then say how execution stands."""
        self.tick(now_ms)
        self._keeper.compare_all(now_ms)
        self._note_day(now_ms)
        doubts = unsettled(
            self.books.open_orders,
            self.books.open_transfers,
            self.breaks,
            self._keeper.unseen(now_ms) | self._reduce_only(now_ms),
        )
        loose = frozenset() if self._work else frozenset(self._loose)
        return Standing(
            self._work is not None,
            self._unfinished,
            doubts,
            loose,
            self._halted(),
            returned=self.returned,
        )

    def _note_day(self, now_ms: int) -> None:
        """Let the brake see what the book is worth, and journal its day."""
        if self._weigh is None:
            return
        self._note_capital()
        self._brake = rolled(self._brake, self._equity_usd(now_ms), now_ms, self._limits)
        self._keep_day(now_ms)

    def _keep_day(self, now_ms: int) -> None:
        before, day = self._day, self._brake.day
        if day == before:
            return
        self._day = day
        if day is not None and (before is None or before.number != day.number):
            self._write_off(now_ms)
        self._record.note("day", {"ts_ms": now_ms, "day": day})

    def _write_off(self, now_ms: int) -> None:
        """Remember what a day begins without."""
        self._capital_micro += self._away_micro
        self._written_off = WrittenOff(self._record.ledger, self._overdue(now_ms))
        self._capital_micro -= self._away_micro

    @property
    def _away_micro(self) -> int:
        """What the day began without and has not come home."""
        return self._written_off.micro(self.returned) if self._written_off else 0

    def _note_capital(self) -> None:
        """Capital that came or left since the last look is no profit and no loss of the day, nor is
        money that comes home and was nothing when the day began."""
        change = self._keeper.capital_micro - self._away_micro - self._capital_micro
        self._capital_micro += change
        if change:
            self._brake = moved(self._brake, usd(change))

    def calls(self, now_ms: int) -> bool:
        """Whether a look is called for between the times of the grid: legs have come apart, and it
        is time to try again."""
        if self._work is not None or not self._loose or self._halted() is not None:
            return False
        return self._is_time(LOOK, now_ms)

    def heeded(self) -> None:
        """That the last plan ended before its end is known to who decides."""
        self._unfinished = False

    def mended(self, coins: frozenset[str]) -> None:
        """Forget coins whose legs are together again."""
        self._loose -= coins
        if not self._loose:
            self._patience.forget(LOOK)

    def _advance(self, now_ms: int) -> None:
        """Go on with the plan as far as it goes now."""
        while (work := self._work) is not None:
            if (why := self._obstacle(work, now_ms)) is not None:
                self.stop(now_ms, why)
                return
            step = work.steps[work.step]
            if work.sent == 0 and now_ms < work.begun_ms + work.offsets_ms[work.step]:
                return
            if work.sent < len(step):
                # The partner of an order follows when its venue has that order for sure.
                if work.sent and not self.books.is_taken(step[work.sent - 1].action):
                    return
                if (held := self._braked(step[work.sent].action, now_ms)) is not None:
                    if not held.passes:
                        self.stop(now_ms, f"braked: {held.rule}: {held.detail}")
                    return
                since_ms = work.since_ms if work.sent else now_ms
                self._work = msgspec.structs.replace(work, sent=work.sent + 1, since_ms=since_ms)
                self._send(step[work.sent], now_ms)
            elif not all(self.books.is_through(approval.action) for approval in step):
                return
            elif work.step + 1 < len(work.steps):
                self._work = msgspec.structs.replace(
                    work, step=work.step + 1, sent=0, since_ms=now_ms
                )
            else:
                self._work = None

    def _obstacle(self, work: Work, now_ms: int) -> str | None:
        """Why a plan cannot go on, if so."""
        step = work.steps[work.step]
        sent = [approval.action for approval in step[: work.sent]]
        if any(self.books.has_failed(action) for action in sent):
            return "an action was not done in full"
        if self._keeper.struck_ms >= work.begun_ms:
            return "a venue closed positions of ours"
        late = now_ms - work.since_ms > self._limits.naked_s * SECOND_MS
        if late and not all(self.books.is_through(action) for action in sent):
            return "an action took too long"
        left = (*step[work.sent :], *(a for after in work.steps[work.step + 1 :] for a in after))
        if not left:
            return None
        if now_ms > left[0].expires_ms:
            return "the approval expired"
        if (why := self._halted()) is not None:
            return f"halted: {why}"
        if self._is_in_doubt(left):
            return "a venue disagrees about what the plan stands on"
        return "prices moved" if self._has_moved(work, now_ms) else None

    def _is_in_doubt(self, left: tuple[Approval, ...]) -> bool:
        """Whether what is left does more than reduce at a venue that disagrees with the ledger."""
        actions = (approval.action for approval in left)
        return any(
            self._venue_of(action) in self.breaks
            and not (isinstance(action, Order) and action.reduce_only)
            for action in actions
        )

    def _braked(self, action: Action, now_ms: int) -> Held | None:
        """What of the runaway brake holds an action, if anything does."""
        if self._weigh is None or self._pace is None:
            return None
        if not self._pace.has_room(venue := self._venue_of(action)):
            return Held("messages", f"{venue}: as many as the mandate allows in a second")
        if isinstance(action, Order):
            self._note_capital()
            weight = self._weigh(action, now_ms)
            self._brake, held = allows(self._brake, action, now_ms, weight, self._limits)
            # Before the order leaves: a process that dies after it must not trade the day anew.
            self._keep_day(now_ms)
        else:
            self._brake, held = messaged(self._brake, action.source, now_ms, self._limits)
        return held

    def _venue_of(self, action: Action) -> str:
        if isinstance(action, Transfer):
            return action.source
        return self._instruments[action.instrument].venue

    def _has_moved(self, work: Work, now_ms: int) -> bool:
        if self._marks_at is None or now_ms == work.begun_ms:
            return False
        actions = (approval.action for step in work.steps for approval in step)
        names = {action.instrument for action in actions if isinstance(action, Order)}
        marks, limit = self._marks_at(now_ms), self._limits.replan_move
        return any(
            not (name in marks and name in work.marks)
            or abs(marks[name] / work.marks[name] - 1) > limit
            for name in names
        )

    def _send(self, approval: Approval, now_ms: int) -> None:
        action = approval.action
        order = isinstance(action, Order)
        submission = {"ts_ms": now_ms, "approval": approval.id, "content": approval.content}
        self._record.note("submitted" if order else "sent", submission)
        if isinstance(action, Order):
            venue = self._instruments[action.instrument].venue
            self.books.intend_order(action, venue, approval.expires_ms)
        else:
            self.books.intend_transfer(action, approval.expires_ms)
        self._patience.asked(action.id, now_ms)
        try:
            reply = self._gateway.place(approval) if order else self._gateway.send(approval)
        except ApprovalError as error:
            reply = NotTaken(str(error))
        self._keeper.hear(action.id, reply, now_ms)
        self._keeper.collect(now_ms)

    def _end(self, now_ms: int, why: str) -> None:
        work, self._work = self._work, None
        if work is None:
            return
        self._unfinished = True
        begun = (approval.action for step in work.steps[: work.step + 1] for approval in step)
        traded = (action for action in begun if isinstance(action, Order))
        self._loose |= {self._instruments[order.instrument].base for order in traded}
        self._record.note("stopped", {"ts_ms": now_ms, "why": why, "step": work.step})

    def _cancel(self, name: str, now_ms: int) -> None:
        # The reply about another order may have closed this one.
        record = self.books.order(name)
        if record.state in (State.CLOSING, State.CLOSED):
            return
        self._record.note("cancelling", {"ts_ms": now_ms, "id": name})
        self.books.cancel_asked(name)
        self._keeper.hear(name, self._gateway.cancel(record.venue, name), now_ms)
        if self.books.order(name).cancelled is not None:
            self._patience.begin(name, now_ms)

    def _ask(self, now_ms: int) -> None:
        """Ask venues about everything that has waited long enough for an answer."""
        venues = set[str]()
        for record in self.books.open_orders:
            venues.add(record.venue)
            name = record.order.id
            state = self.books.order(name).state
            if state is State.CLOSED or not self._is_time(name, now_ms):
                continue
            ends = state is State.CANCELLING or not self._is_planned(name)
            if ends and state is not State.CLOSING:
                self._cancel(name, now_ms)
            else:
                # Of one that closes its venue may say other lots than before.
                self._keeper.hear(name, self._gateway.order(record.venue, name), now_ms)
        for sent in self.books.open_transfers:
            name, source = sent.transfer.id, sent.transfer.source
            venues.add(source)
            if sent.may_leave and self._is_time(name, now_ms):
                self._keeper.hear(name, self._gateway.shipment(source, name), now_ms)
        self._keeper.poll(frozenset(venues), now_ms)

    def _is_planned(self, name: str) -> bool:
        """Whether an order belongs to the plan that is being carried out; no other may work on."""
        if self._work is None or self._halted() is not None:
            return False
        return any(a.action.id == name for a in self._work.steps[self._work.step])

    def _is_time(self, name: str, now_ms: int) -> bool:
        """Whether to ask about something again now; if so that is remembered."""
        over = self._patience.is_over(name, now_ms)
        if over:
            self._patience.asked(name, now_ms)
        return over
