# SPDX-License-Identifier: Apache-2.0
"""The menu of faults, and what of it a seed orders.

As in a swarm test (Groce et al. 2012, "Swarm testing"), each seed leaves about half of the menu
out, since faults can hide each other, and draws how likely each of the others is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from random import Random

from tidegate.model.times import MINUTE_MS, SECOND_MS


class Fault(Enum):
    """What can go wrong; the values are names in tables."""

    REQUEST_LOST = "request lost"
    REQUEST_DELAYED = "request delayed"
    REPLY_LOST = "reply lost"
    REPLY_DELAYED = "reply delayed"
    RATE_LIMIT = "rate limit"
    ERROR_UNDONE = "server error, not done"
    ERROR_DONE = "server error, done"
    SIGNER_REFUSAL = "signer refusal"
    WRONG_TEXT = "wrong error text"

    REPORT_LOST = "report lost"
    REPORT_LATE = "report late"
    REPORT_TWICE = "report twice"
    FILL_FIRST = "fill before acknowledgement"

    PARTIAL_FILL = "partial fill"
    FILL_LAST = "fill after cancel-ack"
    CANCEL_TOO_LATE = "cancel of a filled order"
    REVIEW = "withdrawal reviewed"
    REVIEW_REFUSED = "withdrawal refused after review"
    TRANSFER_LATE = "transfer delayed for hours"
    TRANSFER_LOST = "transfer lost"
    TRANSFER_BACK = "lost transfer comes back"

    REPORTS_STOP = "half-open: reports stop"
    REQUESTS_STOP = "half-open: requests stop"
    CLOCK_STEP = "venue clock step"
    SILENT_RESET = "silent reset"
    BALANCE_WRONG = "statement: balance wrong"
    POSITION_WRONG = "statement: position wrong"
    STATEMENT_OLD = "statement: old"

    FEED_STALE = "feed stale"
    QUOTE_FROZEN = "quotes frozen"
    QUOTE_CROSSED = "quotes crossed"
    QUOTE_GAP = "gap in quotes"
    BAD_PRINT = "bad print"

    PRICE_JUMP = "price jump"
    DEPTH_COLLAPSE = "depth collapse"
    FUNDING_SPIKE = "funding spike"
    MAINTENANCE = "maintenance"
    MONEY_FROZEN = "withdrawals suspended"
    DELEVERAGING = "auto-deleveraging"
    LIQUIDATION = "liquidation of a leg"
    RULE_CHANGE = "margin rule change"

    DISK_FULL = "disk full"
    FORCE_FAILED = "fsync error"
    TORN_WRITE = "torn write"
    BIT_ROT = "bit-rot"
    KILL = "process kill"
    HANG = "hung engine"


F = Fault
# The greatest chance of each fault: per request, per report, or per order and transfer.
PER_REQUEST = {
    F.REQUEST_LOST: 0.30,
    F.REQUEST_DELAYED: 0.20,
    F.REPLY_LOST: 0.30,
    F.REPLY_DELAYED: 0.20,
    F.RATE_LIMIT: 0.20,
    F.ERROR_UNDONE: 0.20,
    F.ERROR_DONE: 0.20,
    F.SIGNER_REFUSAL: 0.10,
}
PER_ANSWER = {F.WRONG_TEXT: 0.50}
PER_REPORT = {F.REPORT_LOST: 0.30, F.REPORT_LATE: 0.50, F.REPORT_TWICE: 0.50}
PER_ACTION = {
    F.PARTIAL_FILL: 0.70,
    F.FILL_LAST: 1.0,
    F.REVIEW: 0.60,
    F.REVIEW_REFUSED: 0.50,
    F.TRANSFER_LATE: 0.30,
    F.TRANSFER_LOST: 0.10,
}
# These come of others: a reply that is lost while the report is not, a cancel that is late, a
# transfer that was lost.
FOLLOWING = (F.FILL_FIRST, F.CANCEL_TOO_LATE, F.TRANSFER_BACK)
# Spells: how many begin in an hour at most, and how long one lasts at most.
SPELLS = {
    F.REPORTS_STOP: (6.0, 5 * MINUTE_MS),
    F.REQUESTS_STOP: (6.0, 3 * MINUTE_MS),
    F.CLOCK_STEP: (60.0, MINUTE_MS),
    F.SILENT_RESET: (6.0, SECOND_MS),
    F.BALANCE_WRONG: (3.0, 5 * MINUTE_MS),
    F.POSITION_WRONG: (3.0, 5 * MINUTE_MS),
    F.STATEMENT_OLD: (6.0, 2 * MINUTE_MS),
    F.FEED_STALE: (4.0, 10 * MINUTE_MS),
    F.QUOTE_FROZEN: (4.0, 10 * MINUTE_MS),
    F.QUOTE_CROSSED: (4.0, 5 * MINUTE_MS),
    F.QUOTE_GAP: (4.0, 5 * MINUTE_MS),
    F.BAD_PRINT: (3.0, 2 * MINUTE_MS),
    F.PRICE_JUMP: (3.0, 0),
    F.DEPTH_COLLAPSE: (3.0, 20 * MINUTE_MS),
    F.FUNDING_SPIKE: (3.0, 0),
    F.MAINTENANCE: (2.0, 10 * MINUTE_MS),
    F.MONEY_FROZEN: (2.0, 15 * MINUTE_MS),
    F.DELEVERAGING: (2.0, 0),
    F.LIQUIDATION: (1.0, 0),
    F.RULE_CHANGE: (1.0, 0),
    F.DISK_FULL: (1.0, 2 * MINUTE_MS),
    F.FORCE_FAILED: (2.0, 0),
    F.BIT_ROT: (0.1, 0),
    F.HANG: (3.0, 3 * MINUTE_MS),
}
# Per effect boundary and per crash.
PER_BOUNDARY = {F.KILL: 0.01}
PER_CRASH = {F.TORN_WRITE: 1.0}

# Named here so that nobody takes them as simulated; what reaches a chain belongs to a later issue.
NOT_SIMULATED = (
    "volatility twice as high (no options in this market)",
    "oracle off",
    "chain reorganisation, gas, dropped transaction, nonce gap",
    "configuration half-deployed on one of two nodes",
    "a request that the network delivers twice",
)


@dataclass(frozen=True, slots=True)
class Spell:
    """A fault that is on at one venue in [start, end); `size` in [-1, 1] is drawn with it."""

    fault: Fault
    venue: str
    start_ms: int
    end_ms: int
    size: float


@dataclass(frozen=True, slots=True)
class Swarm:
    """What a seed orders from the menu: chances by fault (absent: never), and spells by time."""

    seed: int
    chances: Mapping[Fault, float] = field(default_factory=dict)
    spells: tuple[Spell, ...] = ()

    def chance(self, fault: Fault) -> float:
        """How likely a fault is, each time that it can be."""
        return self.chances.get(fault, 0.0)

    def of(self, *faults: Fault) -> tuple[Spell, ...]:
        """The spells of some faults, in order of time."""
        return tuple(spell for spell in self.spells if spell.fault in faults)

    def less(self, faults: frozenset[Fault]) -> Swarm:
        """The same without some faults."""
        chances = {f: chance for f, chance in self.chances.items() if f not in faults}
        spells = tuple(spell for spell in self.spells if spell.fault not in faults)
        return Swarm(self.seed, chances, spells)


def draw(seed: int, venues: Iterable[str], start_ms: int, end_ms: int) -> Swarm:
    """What one seed orders for a run of these venues; every spell is over by `end_ms`."""
    rng, chances, spells = Random(f"{seed}:menu"), {}, list[Spell]()
    names, hours = tuple(venues), (end_ms - start_ms) / (60 * MINUTE_MS)
    for table in (PER_REQUEST, PER_ANSWER, PER_REPORT, PER_ACTION, PER_BOUNDARY, PER_CRASH):
        for fault, most in table.items():
            if rng.random() < 0.5:
                # Small chances are as telling as great ones.
                chances[fault] = most * rng.random() ** 2
    for fault, (per_hour, longest_ms) in SPELLS.items():
        if rng.random() < 0.5:
            for _ in range(_count(rng, per_hour * rng.random() * hours)):
                spells.append(_spell(rng, fault, rng.choice(names), (start_ms, end_ms, longest_ms)))
    return Swarm(seed, chances, tuple(sorted(spells, key=lambda s: (s.start_ms, s.fault.value))))


def _count(rng: Random, expected: float) -> int:
    """A Poisson number: arrivals at rate 1 within a time."""
    count, elapsed = 0, rng.expovariate(1.0)
    while elapsed < expected:
        count, elapsed = count + 1, elapsed + rng.expovariate(1.0)
    return count


def _spell(rng: Random, fault: Fault, venue: str, span: tuple[int, int, int]) -> Spell:
    start_ms, end_ms, longest_ms = span
    begins = rng.randrange(start_ms, end_ms, SECOND_MS)
    lasts = SECOND_MS * rng.randint(1, max(1, longest_ms // SECOND_MS))
    return Spell(fault, venue, begins, min(end_ms, begins + lasts), rng.uniform(-1.0, 1.0))
