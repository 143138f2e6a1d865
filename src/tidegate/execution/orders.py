# SPDX-License-Identifier: Apache-2.0
"""The life of an order: every legal transition stands in one table, all others are refused.

An order is intended when it is in the journal, before anything is sent. From then on the venue may
have it: only a venue's word, or its proof that it never will, ends that. Fills may come before the
acknowledgement and after the end; an order is closed when the lots that its venue says have traded
are all in the ledger.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from tidegate.model.actions import Order
from tidegate.model.errors import ensure
from tidegate.model.replies import NotTaken, OrderReply, OrderStatus, Unclear
from tidegate.model.times import SECOND_MS

# A venue's clock may be set back by this much: until then a latecomer may still find its order's
# expiry ahead, and what is absent may come.
CLOCK_STEP_MS = 10 * SECOND_MS
# A part that was matched before a cancellation may be told after it; the venue's word that an order
# is cancelled counts once it is said again, with the same lots, this much later.
MATCHING_MS = 2 * SECOND_MS


class State(Enum):
    """How much is known of an order."""

    INTENDED = "intended"
    UNKNOWN = "unknown"
    WORKING = "working"
    CANCELLING = "cancelling"
    CLOSING = "closing"
    CLOSED = "closed"


class News(Enum):
    """What can be learnt of an order."""

    TAKEN = "taken"
    UNCLEAR = "unclear"
    NOT_TAKEN = "not taken"
    DONE = "done"
    ABSENT = "absent"
    FILL = "fill"
    CANCEL_ASKED = "cancel asked"
    SETTLED = "settled"
    RESTARTED = "restarted"


_S, _N = State, News
TRANSITIONS: dict[tuple[State, News], State] = {
    (_S.INTENDED, _N.TAKEN): _S.WORKING,
    (_S.INTENDED, _N.UNCLEAR): _S.UNKNOWN,
    (_S.INTENDED, _N.NOT_TAKEN): _S.CLOSED,
    (_S.INTENDED, _N.DONE): _S.CLOSING,
    (_S.INTENDED, _N.ABSENT): _S.CLOSED,
    (_S.INTENDED, _N.FILL): _S.WORKING,
    (_S.INTENDED, _N.RESTARTED): _S.UNKNOWN,
    (_S.UNKNOWN, _N.TAKEN): _S.WORKING,
    (_S.UNKNOWN, _N.UNCLEAR): _S.UNKNOWN,
    (_S.UNKNOWN, _N.NOT_TAKEN): _S.UNKNOWN,
    (_S.UNKNOWN, _N.DONE): _S.CLOSING,
    (_S.UNKNOWN, _N.ABSENT): _S.CLOSED,
    (_S.UNKNOWN, _N.FILL): _S.WORKING,
    (_S.UNKNOWN, _N.CANCEL_ASKED): _S.UNKNOWN,
    (_S.UNKNOWN, _N.RESTARTED): _S.UNKNOWN,
    (_S.WORKING, _N.TAKEN): _S.WORKING,
    (_S.WORKING, _N.UNCLEAR): _S.WORKING,
    (_S.WORKING, _N.NOT_TAKEN): _S.WORKING,
    (_S.WORKING, _N.DONE): _S.CLOSING,
    (_S.WORKING, _N.ABSENT): _S.CLOSED,
    (_S.WORKING, _N.FILL): _S.WORKING,
    (_S.WORKING, _N.CANCEL_ASKED): _S.CANCELLING,
    (_S.WORKING, _N.RESTARTED): _S.WORKING,
    (_S.CANCELLING, _N.TAKEN): _S.CANCELLING,
    (_S.CANCELLING, _N.UNCLEAR): _S.CANCELLING,
    (_S.CANCELLING, _N.NOT_TAKEN): _S.WORKING,
    (_S.CANCELLING, _N.DONE): _S.CLOSING,
    (_S.CANCELLING, _N.ABSENT): _S.CLOSED,
    (_S.CANCELLING, _N.FILL): _S.CANCELLING,
    (_S.CANCELLING, _N.CANCEL_ASKED): _S.CANCELLING,
    (_S.CANCELLING, _N.RESTARTED): _S.CANCELLING,
    (_S.CLOSING, _N.TAKEN): _S.CLOSING,
    (_S.CLOSING, _N.UNCLEAR): _S.CLOSING,
    (_S.CLOSING, _N.NOT_TAKEN): _S.CLOSING,
    (_S.CLOSING, _N.DONE): _S.CLOSING,
    # A venue forgets an order in time; what it said of its end stands.
    (_S.CLOSING, _N.ABSENT): _S.CLOSING,
    (_S.CLOSING, _N.FILL): _S.CLOSING,
    (_S.CLOSING, _N.SETTLED): _S.CLOSED,
    (_S.CLOSING, _N.RESTARTED): _S.CLOSING,
    # A word that was under way when the order closed changes nothing; a fill is in the ledger.
    (_S.CLOSED, _N.TAKEN): _S.CLOSED,
    (_S.CLOSED, _N.DONE): _S.CLOSED,
    (_S.CLOSED, _N.UNCLEAR): _S.CLOSED,
    (_S.CLOSED, _N.NOT_TAKEN): _S.CLOSED,
    (_S.CLOSED, _N.ABSENT): _S.CLOSED,
    (_S.CLOSED, _N.FILL): _S.CLOSED,
    (_S.CLOSED, _N.RESTARTED): _S.CLOSED,
}


class OrderRecord(msgspec.Struct, frozen=True):
    """An order and what is known of it: lots that the ledger has, and lots that have traded in all
    once its venue has said so for good (None before); `cancelled` is its first word of a
    cancellation, which is not for good yet; `overfilled` says that fills contradict the order or
    its venue's word: beyond its lots, its final lots or its end, against its side or of nothing."""

    order: Order
    venue: str
    expires_ms: int
    state: State = State.INTENDED
    filled_lots: int = 0
    final_lots: int | None = None
    reason: str = ""
    cancelled: OrderStatus | None = None
    overfilled: bool = False

    @property
    def is_open(self) -> bool:
        """Whether lots may still come to the ledger."""
        return self.state is not State.CLOSED

    @property
    def open_lots(self) -> int:
        """Signed lots that may still come to the ledger."""
        if not self.is_open:
            return 0
        return (self.order.lots if self.final_lots is None else self.final_lots) - self.filled_lots


def learn(record: OrderRecord, news: News) -> OrderRecord:
    """The record after some news; raises `InvariantError` for what cannot follow."""
    after = TRANSITIONS.get((record.state, news))
    ensure(after is not None, f"order {record.order.id}: {news.value} while {record.state.value}")
    return msgspec.structs.replace(record, state=after or record.state)


def hear(record: OrderRecord, reply: OrderReply) -> OrderRecord:
    """The record after a venue's reply. Absence counts once the venue's time is well past the
    expiry, and before that leaves all open."""
    match reply:
        case Unclear():
            return learn(record, News.UNCLEAR)
        case NotTaken(reason):
            after = learn(record, News.NOT_TAKEN)
            return msgspec.structs.replace(after, reason=reason)
        case OrderStatus(state="working"):
            return learn(record, News.TAKEN)
        case OrderStatus(state="absent"):
            proved = reply.ts_ms > record.expires_ms + CLOCK_STEP_MS
            return learn(record, News.ABSENT if proved else News.UNCLEAR)
        case OrderStatus(state="cancelled"):
            return _cancelled(record, reply)
        case OrderStatus():
            return _done(record, reply)


def _cancelled(record: OrderRecord, status: OrderStatus) -> OrderRecord:
    first = record.cancelled
    if first is None or first.filled_lots != status.filled_lots or not record.is_open:
        return msgspec.structs.replace(learn(record, News.TAKEN), cancelled=status)
    if status.ts_ms - first.ts_ms < MATCHING_MS:
        return learn(record, News.TAKEN)
    return _done(record, status)


def _done(record: OrderRecord, status: OrderStatus) -> OrderRecord:
    """The venue's latest word is its last, but what the ledger has did trade."""
    after = learn(record, News.DONE)
    if record.state is State.CLOSED:
        return after
    final_lots = _larger(record, status.filled_lots, record.filled_lots)
    after = msgspec.structs.replace(
        after,
        final_lots=final_lots,
        reason=status.reason or status.state,
        overfilled=record.overfilled or final_lots != status.filled_lots,
    )
    return _settled(after)


def filled(record: OrderRecord, lots: int) -> OrderRecord:
    """The record after the ledger has taken signed lots; with the last of them it is done, whether
    or not its venue has said so yet. Lots beyond all that was to come count as its last word."""
    after, total = learn(record, News.FILL), record.filled_lots + lots
    after = msgspec.structs.replace(
        after, filled_lots=total, overfilled=record.overfilled or _is_beyond(record, lots)
    )
    if after.final_lots is not None:
        after = msgspec.structs.replace(after, final_lots=_larger(after, after.final_lots, total))
    elif after.is_open and _larger(after, after.order.lots, total) == total:
        done = learn(after, News.DONE)
        after = msgspec.structs.replace(done, final_lots=total, reason="filled")
    return _settled(after)


def ended(record: OrderRecord) -> OrderRecord:
    """The record where a person says that what the ledger has of it is all, whatever its venue said
    of its end; raises `InvariantError` where its venue has not said that it ended."""
    ensure(record.state is State.CLOSING, f"order {record.order.id}: {record.state.value}")
    return _settled(msgspec.structs.replace(record, final_lots=record.filled_lots))


def _is_beyond(record: OrderRecord, lots: int) -> bool:
    """Whether a fill cannot be, by what the order is and what its venue said of it."""
    total = record.filled_lots + lots
    most = record.order.lots if record.final_lots is None else record.final_lots
    against = lots * record.order.lots <= 0
    return (
        against
        or not record.is_open
        or _larger(record, most, total) != most
        or (_larger(record, record.order.lots, total) != record.order.lots)
    )


def _larger(record: OrderRecord, one: int, other: int) -> int:
    """The one of two signed lots that lies further to the order's side."""
    return max(one, other) if record.order.lots > 0 else min(one, other)


def _settled(record: OrderRecord) -> OrderRecord:
    complete = record.filled_lots == record.final_lots
    if record.state is State.CLOSING and complete:
        return learn(record, News.SETTLED)
    return record
