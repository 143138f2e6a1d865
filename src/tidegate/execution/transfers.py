# SPDX-License-Identifier: Apache-2.0
"""The life of a transfer: intended, perhaps accepted, debited, credited; one table of transitions.

Money that may have left counts as gone from its source, and until it is credited it is margin
nowhere. Only the logs of the two venues say that it left and that it came.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from tidegate.execution.orders import CLOCK_STEP_MS
from tidegate.model.actions import Transfer
from tidegate.model.errors import ensure
from tidegate.model.replies import NotTaken, TransferReply, TransferStatus, Unclear


class Leg(Enum):
    """Where the money of a transfer is."""

    INTENDED = "intended"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    UNDER_WAY = "under way"
    CLOSED = "closed"


class Word(Enum):
    """What can be learnt of a transfer."""

    ACCEPTED = "accepted"
    UNCLEAR = "unclear"
    NOT_TAKEN = "not taken"
    REFUSED = "refused"
    ABSENT = "absent"
    DEBITED = "debited"
    CREDITED = "credited"
    RETURNED = "returned"
    RESTARTED = "restarted"


_L, _W = Leg, Word
TRANSITIONS: dict[tuple[Leg, Word], Leg] = {
    (_L.INTENDED, _W.ACCEPTED): _L.ACCEPTED,
    (_L.INTENDED, _W.UNCLEAR): _L.UNKNOWN,
    (_L.INTENDED, _W.NOT_TAKEN): _L.CLOSED,
    (_L.INTENDED, _W.REFUSED): _L.CLOSED,
    (_L.INTENDED, _W.ABSENT): _L.CLOSED,
    (_L.INTENDED, _W.DEBITED): _L.UNDER_WAY,
    (_L.INTENDED, _W.RESTARTED): _L.UNKNOWN,
    (_L.UNKNOWN, _W.ACCEPTED): _L.ACCEPTED,
    (_L.UNKNOWN, _W.UNCLEAR): _L.UNKNOWN,
    (_L.UNKNOWN, _W.NOT_TAKEN): _L.UNKNOWN,
    (_L.UNKNOWN, _W.REFUSED): _L.CLOSED,
    (_L.UNKNOWN, _W.ABSENT): _L.CLOSED,
    (_L.UNKNOWN, _W.DEBITED): _L.UNDER_WAY,
    (_L.UNKNOWN, _W.RESTARTED): _L.UNKNOWN,
    (_L.ACCEPTED, _W.ACCEPTED): _L.ACCEPTED,
    (_L.ACCEPTED, _W.UNCLEAR): _L.ACCEPTED,
    (_L.ACCEPTED, _W.NOT_TAKEN): _L.ACCEPTED,
    # A venue may take a withdrawal and refuse it after its own review.
    (_L.ACCEPTED, _W.REFUSED): _L.CLOSED,
    (_L.ACCEPTED, _W.ABSENT): _L.CLOSED,
    (_L.ACCEPTED, _W.DEBITED): _L.UNDER_WAY,
    (_L.ACCEPTED, _W.RESTARTED): _L.ACCEPTED,
    (_L.UNDER_WAY, _W.CREDITED): _L.CLOSED,
    (_L.UNDER_WAY, _W.RETURNED): _L.CLOSED,
    (_L.UNDER_WAY, _W.ACCEPTED): _L.UNDER_WAY,
    (_L.UNDER_WAY, _W.UNCLEAR): _L.UNDER_WAY,
    (_L.UNDER_WAY, _W.NOT_TAKEN): _L.UNDER_WAY,
    (_L.UNDER_WAY, _W.REFUSED): _L.UNDER_WAY,
    (_L.UNDER_WAY, _W.ABSENT): _L.UNDER_WAY,
    (_L.UNDER_WAY, _W.RESTARTED): _L.UNDER_WAY,
    # A word that was under way when the transfer closed changes nothing.
    (_L.CLOSED, _W.ACCEPTED): _L.CLOSED,
    (_L.CLOSED, _W.UNCLEAR): _L.CLOSED,
    (_L.CLOSED, _W.NOT_TAKEN): _L.CLOSED,
    (_L.CLOSED, _W.REFUSED): _L.CLOSED,
    (_L.CLOSED, _W.ABSENT): _L.CLOSED,
    (_L.CLOSED, _W.RESTARTED): _L.CLOSED,
    # A venue may let money go that it had refused; then its log is right, and its word was not.
    (_L.CLOSED, _W.DEBITED): _L.UNDER_WAY,
    # Money that a person gave up may come after all; whether it can is the ledger's to say.
    (_L.CLOSED, _W.CREDITED): _L.CLOSED,
    (_L.CLOSED, _W.RETURNED): _L.CLOSED,
}


class TransferRecord(msgspec.Struct, frozen=True):
    """A transfer and where its money is known to be; a reason stands where it never came to
    its destination; `left` once its money has left."""

    transfer: Transfer
    expires_ms: int
    leg: Leg = Leg.INTENDED
    reason: str = ""
    left: bool = False

    @property
    def belied(self) -> bool:
        """Whether money is under way that its venue had said would not leave."""
        return self.leg is Leg.UNDER_WAY and self.reason != ""

    @property
    def is_open(self) -> bool:
        """Whether the money may still leave or come."""
        return self.leg is not Leg.CLOSED

    @property
    def may_leave(self) -> bool:
        """Whether money that the ledger still has at the source may be gone from there."""
        return self.leg in (Leg.INTENDED, Leg.UNKNOWN, Leg.ACCEPTED)


def learn(record: TransferRecord, word: Word, reason: str = "") -> TransferRecord:
    """The record after some word; raises `InvariantError` for what cannot follow."""
    after = TRANSITIONS.get((record.leg, word))
    again = word is Word.DEBITED and record.left
    ensure(
        after is not None and not again,
        f"transfer {record.transfer.id}: {word.value} while {record.leg.value}",
    )
    if word is Word.DEBITED:
        record = msgspec.structs.replace(record, left=True)
    if record.leg is Leg.CLOSED or after is not Leg.CLOSED:
        return msgspec.structs.replace(record, leg=after or record.leg)
    # A venue may refuse without a word, and what never came must not count as done.
    why = reason or ("" if word is Word.CREDITED else word.value)
    return msgspec.structs.replace(record, leg=after, reason=why)


def hear(record: TransferRecord, reply: TransferReply) -> TransferRecord:
    """The record after its source venue's reply; absence counts once the venue's time is well
    past the expiry."""
    match reply:
        case Unclear():
            return learn(record, Word.UNCLEAR)
        case NotTaken(reason):
            return learn(record, Word.NOT_TAKEN, reason)
        case TransferStatus(state="accepted"):
            return learn(record, Word.ACCEPTED)
        case TransferStatus(state="refused", reason=reason):
            return learn(record, Word.REFUSED, reason)
        case TransferStatus():
            proved = reply.ts_ms > record.expires_ms + CLOCK_STEP_MS
            return learn(record, Word.ABSENT if proved else Word.UNCLEAR, "absent")
