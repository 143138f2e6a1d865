# SPDX-License-Identifier: Apache-2.0
"""What one key has to send, and what to do about it next: pure, one decision at a time.

A call takes one nonce of its key when it is first attempted, and keeps it: a replacement and a
cancellation bear the same nonce, and the chain executes at most one of them. So sending again
is never sending twice, whatever was lost. The next call waits until the one before has ended.

                        ┌── reorganised ──┐
    queued ── sent ─────┴──► included ────┴──► done | reverted | cancelled
      │        └──────────────────────────────► displaced
      └───────────────────────────────────────► refused | expired
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from tidegate.model.errors import ensure
from tidegate.model.units import ceil_div

PPM = 10**6
TRANSFER_GAS = 21_000


class Stage(StrEnum):
    """Where a call stands; the last six are ends."""

    QUEUED = "queued"
    SENT = "sent"
    INCLUDED = "included"
    DONE = "done"
    REVERTED = "reverted"
    CANCELLED = "cancelled"
    DISPLACED = "displaced"
    REFUSED = "refused"
    EXPIRED = "expired"


OPEN = frozenset((Stage.QUEUED, Stage.SENT, Stage.INCLUDED))
# What may follow what; anything else stops the sender.
FOLLOWS: Mapping[Stage, frozenset[Stage]] = {
    Stage.QUEUED: frozenset((Stage.SENT, Stage.REFUSED, Stage.EXPIRED)),
    Stage.SENT: frozenset((Stage.SENT, Stage.INCLUDED, Stage.DISPLACED)),
    Stage.INCLUDED: frozenset(
        (Stage.SENT, Stage.INCLUDED, Stage.DONE, Stage.REVERTED, Stage.CANCELLED)
    ),
}


@dataclass(frozen=True, slots=True)
class Call:
    """What is to be executed once: our id for it, contract, calldata, gas, and the last second of
    the chain at which it is still of use."""

    id: str
    to: str
    data: str
    gas: int
    deadline_s: int


@dataclass(frozen=True, slots=True)
class Fees:
    """Most that is paid for a unit of gas, and the producer's part of it (EIP-1559), in wei."""

    max_fee_wei: int
    tip_wei: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One signed transaction: what it may cost, and whether it only takes the nonce away."""

    hash: str
    raw: str
    fees: Fees
    at_block: int
    cancels: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where a transaction was included, and whether it succeeded."""

    hash: str
    block_number: int
    block_hash: str
    success: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One call and all that was done about it."""

    call: Call
    stage: Stage = Stage.QUEUED
    nonce: int | None = None
    attempts: tuple[Attempt, ...] = ()
    receipt: Receipt | None = None
    reason: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it may still be executed."""
        return self.stage in OPEN

    @property
    def inclusion_blocks(self) -> int | None:
        """Blocks from the first attempt to inclusion; None where it is not included."""
        if self.receipt is None:
            return None
        return self.receipt.block_number - self.attempts[0].at_block

    def attempt(self, hash: str) -> Attempt:
        """The attempt of that hash; raises `InvariantError` where there is none."""
        found = [attempt for attempt in self.attempts if attempt.hash == hash]
        ensure(len(found) == 1, f"outbox: {hash} is no attempt of {self.call.id}")
        return found[0]


@dataclass(frozen=True, slots=True)
class Terms:
    """What sending may cost, and how long to wait.

    `fee_ceiling_wei` bounds the fee of a unit of gas, and with `gas_ceiling` the cost of a call;
    above it nothing is sent. An attempt is replaced after `patience_blocks` by one that pays
    `bump_ppm` more: nodes want at least a tenth. A receipt is believed for good once `depth_blocks`
    more stand on its block.
    """

    fee_ceiling_wei: int
    gas_ceiling: int
    tip_wei: int = 10**9
    bump_ppm: int = 125_000
    patience_blocks: int = 3
    depth_blocks: int = 3


@dataclass(frozen=True, slots=True)
class Sight:
    """What the chain shows of one entry at one look.

    `nonce` counts the key's transactions at the head and `settled_nonce` those at
    `depth_blocks` behind it; `pooled` are hashes that the node knows; `refusal` is the reason for
    which the call would revert now, or did where it was included, or empty.
    """

    block_number: int
    ts_s: int
    base_fee_wei: int
    nonce: int
    settled_nonce: int
    receipt: Receipt | None = None
    pooled: frozenset[str] = frozenset()
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do now, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Sign:
    """Sign an attempt with these fees, remember it, then send it."""

    nonce: int
    fees: Fees
    cancels: bool = False


@dataclass(frozen=True, slots=True)
class Resend:
    """Send what was signed before once more."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Turn:
    """The entry has come to another stage."""

    stage: Stage
    receipt: Receipt | None = None
    reason: str = ""


Step = Wait | Sign | Resend | Turn


def decide(entry: Entry, sight: Sight, terms: Terms) -> Step:
    """What to do about an open entry that none stands before."""
    if entry.stage is Stage.QUEUED:
        return _first(entry, sight, terms)
    if sight.receipt is not None:
        return _seen(entry, sight.receipt, sight, terms)
    if entry.stage is Stage.INCLUDED:
        return Turn(Stage.SENT, reason="reorganised")
    return _missing(entry, sight, terms)


def _first(entry: Entry, sight: Sight, terms: Terms) -> Step:
    if sight.ts_s > entry.call.deadline_s:
        return Turn(Stage.EXPIRED, reason="its deadline passed before it was sent")
    if sight.refusal:
        return Turn(Stage.REFUSED, reason=sight.refusal)
    if entry.call.gas > terms.gas_ceiling:
        return Turn(Stage.REFUSED, reason=f"needs {entry.call.gas} gas, above the ceiling")
    fees = _fees(sight.base_fee_wei, terms)
    return Wait("gas is above the ceiling") if fees is None else Sign(sight.nonce, fees)


def _seen(entry: Entry, receipt: Receipt, sight: Sight, terms: Terms) -> Step:
    if receipt != entry.receipt:
        return Turn(Stage.INCLUDED, receipt)
    if sight.block_number - receipt.block_number < terms.depth_blocks:
        return Wait("too few blocks stand on it")
    if entry.attempt(receipt.hash).cancels:
        return Turn(Stage.CANCELLED, receipt)
    if receipt.success:
        return Turn(Stage.DONE, receipt)
    return Turn(Stage.REVERTED, receipt, sight.refusal)


def _missing(entry: Entry, sight: Sight, terms: Terms) -> Step:
    ensure(entry.nonce is not None, "outbox: sent without a nonce")
    nonce, last = entry.nonce or 0, entry.attempts[-1]
    known = any(attempt.hash in sight.pooled for attempt in entry.attempts)
    if sight.settled_nonce > nonce and not known:
        return Turn(Stage.DISPLACED, reason="another transaction of this key took its nonce")
    if sight.nonce > nonce:
        return Wait("its nonce was used; by what is not seen yet")
    useless = sight.ts_s > entry.call.deadline_s or bool(sight.refusal)
    cancels = last.cancels or useless
    waited = sight.block_number - last.at_block >= terms.patience_blocks
    dropped = last.hash not in sight.pooled
    underpaid = last.fees.max_fee_wei < sight.base_fee_wei
    if cancels != last.cancels or waited or (dropped and underpaid):
        fees = _bumped(last.fees, sight.base_fee_wei, terms)
        if fees is not None:
            return Sign(nonce, fees, cancels)
    if dropped and not (useless and not last.cancels):
        return Resend(last)
    return Wait("it is in the pool" if not dropped else "gas is above the ceiling")


def _fees(base_fee_wei: int, terms: Terms) -> Fees | None:
    """Room for the base fee to double, within the ceiling; None where the ceiling is below what
    the next block asks."""
    if base_fee_wei + terms.tip_wei > terms.fee_ceiling_wei:
        return None
    wanted = 2 * base_fee_wei + terms.tip_wei
    return Fees(min(wanted, terms.fee_ceiling_wei), terms.tip_wei)


def _bumped(old: Fees, base_fee_wei: int, terms: Terms) -> Fees | None:
    """Fees that replace older ones and pay for the next block; None above the ceiling."""
    least_fee = old.max_fee_wei + ceil_div(old.max_fee_wei * terms.bump_ppm, PPM)
    tip = old.tip_wei + ceil_div(old.tip_wei * terms.bump_ppm, PPM)
    fee = max(least_fee, min(2 * base_fee_wei + tip, terms.fee_ceiling_wei))
    if fee > terms.fee_ceiling_wei or fee < base_fee_wei + tip:
        return None
    return Fees(fee, tip)


# The outbox: entries by id, changed only by these.


@dataclass(frozen=True, slots=True)
class Outbox:
    """Every entry of one key, in the order in which they were queued."""

    entries: Mapping[str, Entry] = field(default_factory=dict)

    @property
    def turn(self) -> Entry | None:
        """The entry whose turn it is: the first that is open."""
        return next((entry for entry in self.entries.values() if entry.is_open), None)

    @property
    def next_nonce(self) -> int:
        """The least nonce that no call has had."""
        had = [entry.nonce for entry in self.entries.values() if entry.nonce is not None]
        return max(had, default=-1) + 1

    def queued(self, call: Call) -> Outbox:
        """With one call more; the same id again changes nothing if the call is the same."""
        known = self.entries.get(call.id)
        if known is None:
            return self._with(Entry(call))
        ensure(known.call == call, f"outbox: id {call.id} names another call already")
        return self

    def attempted(self, id: str, nonce: int, attempt: Attempt) -> Outbox:
        """With an attempt more at an entry."""
        entry = self._to(id, Stage.SENT)
        ensure(entry.nonce in (None, nonce), f"outbox: {id} has another nonce")
        taken = {other.nonce for other in self.entries.values() if other.call.id != id}
        ensure(nonce not in taken, f"outbox: nonce {nonce} belongs to another call")
        ensure(
            all(attempt.hash != old.hash for old in entry.attempts),
            f"outbox: {attempt.hash} was sent before",
        )
        return self._with(replace(entry, nonce=nonce, attempts=(*entry.attempts, attempt)))

    def turned(self, id: str, turn: Turn) -> Outbox:
        """With an entry at another stage."""
        entry = self._to(id, turn.stage)
        if turn.receipt is not None:
            entry.attempt(turn.receipt.hash)
        return self._with(replace(entry, receipt=turn.receipt, reason=turn.reason))

    def _to(self, id: str, stage: Stage) -> Entry:
        entry = self.entries[id]
        legal = stage in FOLLOWS.get(entry.stage, frozenset())
        ensure(legal, f"outbox: {id} cannot be {stage} after {entry.stage}")
        return replace(entry, stage=stage)

    def _with(self, entry: Entry) -> Outbox:
        return Outbox({**self.entries, entry.call.id: entry})
