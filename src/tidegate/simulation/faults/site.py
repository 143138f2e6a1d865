# SPDX-License-Identifier: Apache-2.0
"""A fault run's two halves: the site, which outlasts a process, and the process, which may die.

The process is the real engine: cycle, allocation, gate, desk, ledger and journal. It is made anew
at every start from nothing but the journal's bytes, as on a real machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tidegate.engine.cycle import Cycle, World
from tidegate.engine.record_frames import open_record
from tidegate.engine.restart import resume
from tidegate.execution.brake import Weight
from tidegate.execution.desk import Desk, Senses
from tidegate.execution.record import Record
from tidegate.execution.transit import lost
from tidegate.journal import Journal, read_content, whole
from tidegate.model.actions import Order
from tidegate.model.times import SECOND_MS
from tidegate.model.units import MICRO, usd
from tidegate.risk.gate import Approval, Gate
from tidegate.risk.limits import Breach
from tidegate.risk.plan import Plan, Situation, Terms
from tidegate.simulation.exchange import Exchange
from tidegate.simulation.faults.coverage import Coverage
from tidegate.simulation.faults.disk import Disk
from tidegate.simulation.faults.feed import FaultyFeed, TapeFeed
from tidegate.simulation.faults.kill import Boundaries
from tidegate.simulation.faults.menu import Fault, Spell, Swarm
from tidegate.simulation.faults.server import VenueServer
from tidegate.simulation.faults.small_book import (
    COLLATERAL,
    INSTRUMENTS,
    MANDATE,
    STABLE_MICRO,
    TurningOutlook,
    exchange_terms,
    terms_at,
)
from tidegate.simulation.faults.small_market import (
    STEP_MS,
    funds_usd,
    make_tape,
    rule_changes,
    start_ms,
)
from tidegate.simulation.faults.spells import Spells
from tidegate.simulation.faults.wire import FaultyGateway

# Looked for in every byte that is journalled.
CANARY = b"canary-of-the-key-6d1f"
# The tape goes on for long enough that nothing ends at its end.
SLACK_STEPS = 30
# A header, and what the ledger is made of.
FIRST_FRAMES = 2
OF_PROCESS = frozenset((Fault.DISK_FULL, Fault.FORCE_FAILED, Fault.BIT_ROT, Fault.HANG))


class WatchedGate(Gate):
    """The gate, with somebody who looks at what it is shown."""

    def __init__(self, key: bytes) -> None:
        super().__init__(key)
        self.before_review: Callable[[Situation], None] = lambda _: None

    def review(
        self,
        terms: Terms,
        situation: Situation,
        plan: Plan,
        sequence: int,
        note: Callable[[str, object], object] | None = None,
    ) -> tuple[Approval, ...] | list[Breach]:
        """As the gate."""
        self.before_review(situation)
        return super().review(terms, situation, plan, sequence, note)


class Site:
    """Venues, wire, feed and disk of one run of so many ticks of a second."""

    def __init__(self, swarm: Swarm, ticks: int, boundaries: Boundaries) -> None:
        self.swarm, self.ticks = swarm, ticks
        self.begin_ms, self.gate = start_ms(ticks), WatchedGate(CANARY)
        self.coverage, self.boundaries = Coverage(), boundaries
        tape = make_tape(swarm, self.begin_ms, ticks * SECOND_MS // STEP_MS + SLACK_STEPS)
        charged = exchange_terms(rule_changes(swarm))
        self.terms_at, self.outlook = terms_at(charged), TurningOutlook(swarm.seed)
        exchange = Exchange(tape, charged, swarm.seed)
        self.server = VenueServer(exchange, INSTRUMENTS, self.gate, swarm, self.coverage)
        self.spells = spells = Spells(s for s in swarm.spells if s.fault not in OF_PROCESS)
        self.wire = FaultyGateway(self.server, swarm, spells, self.coverage, boundaries)
        self.feed = FaultyFeed(TapeFeed(tape, INSTRUMENTS), spells, self.coverage)
        self.disk = Disk(swarm.seed, boundaries)
        for venue, dollars in funds_usd(swarm).items():
            self.server.deposit(venue, COLLATERAL[venue], dollars * MICRO)

    @property
    def now_ms(self) -> int:
        """True time."""
        return self.server.now_ms

    def process_spells(self) -> Spells:
        """Spells that strike the process and its disk, wherever."""
        own = (s for s in self.swarm.spells if s.fault in OF_PROCESS)
        return Spells(Spell(s.fault, "", s.start_ms, s.end_ms, s.size) for s in own)


@dataclass(slots=True)
class Process:
    """The engine while it lives."""

    record: Record
    desk: Desk
    cycle: Cycle

    def tick(self, now_ms: int) -> None:
        """One second of work."""
        self.desk.tick(now_ms)
        self.cycle.step(now_ms)

    def state_of(self, name: str) -> str | None:
        """The engine's own state of an order or transfer."""
        books = self.desk.books
        if books.has_order(name):
            return f"order {books.order(name).state.value}"
        legs = {t.transfer.id: t.leg.value for t in books.open_transfers}
        return f"transfer {legs[name]}" if name in legs else None

    def open_states(self) -> list[str]:
        """States of all that is open."""
        books = self.desk.books
        states = [f"order {r.state.value}" for r in books.open_orders]
        return states + [f"transfer {r.leg.value}" for r in books.open_transfers]


def _weigh(site: Site, equity_usd: Callable[[int], float | None]) -> Callable[[Order, int], Weight]:
    """What the brake must know of an order, at the prices of the feed."""

    def weigh(order: Order, now_ms: int) -> Weight:
        marks, instrument = site.feed.snapshot(now_ms, ()).ticks(), INSTRUMENTS[order.instrument]
        ticks = marks.get(order.instrument) or site.feed.seen[order.instrument].ticks
        size_usd = instrument.notional(order.lots, ticks) / MICRO
        return Weight(instrument.venue, size_usd, equity_usd(now_ms))

    return weigh


def _equity(
    site: Site, record: Record, void: Callable[[int], frozenset[str]]
) -> Callable[[int], float | None]:
    """What the book is worth at the prices of the feed, less what may be gone; None where a price
    is missing."""

    def equity_usd(now_ms: int) -> float | None:
        marks = site.feed.snapshot(now_ms, ()).ticks()
        known = marks.keys() == INSTRUMENTS.keys()
        return usd(record.ledger.equity_at(marks, void(now_ms))) if known else None

    return equity_usd


def boot(site: Site, content: bytes, now_ms: int) -> Process:
    """Start the engine on what the disk has: recovery, then a desk and a cycle over it.

    Raises `InputError` where the journal is damaged, and `OSError` where it cannot be written.
    """
    kept = whole(content) if content else b""
    frames = list(read_content(kept)) if kept else []
    resumed = None
    if len(frames) < FIRST_FRAMES:
        # Whoever died before its journal had a book has sent nothing.
        site.disk.cut(0)
        journal = Journal.over(site.disk, {"seed": site.swarm.seed, "mandate": MANDATE.version})
        record = open_record(INSTRUMENTS, STABLE_MICRO, {}, journal, journal.run)
        past = None
    else:
        site.disk.cut(len(kept))
        resumed = resume(frames, Journal.onward(site.disk, kept), now_ms)
        record, past = resumed.record, resumed.past

    def overdue(ts_ms: int) -> frozenset[str]:
        return lost(record.ledger.portfolio(()), site.terms_at(ts_ms).passages, ts_ms)

    equity_usd = _equity(site, record, lambda ts_ms: overdue(ts_ms) | desk.returned)
    age_ms = round(MANDATE.limits.quote_age_s * SECOND_MS)
    senses = Senses(
        lambda ts_ms: site.feed.snapshot(ts_ms, ()).fresh_ticks(age_ms),
        weigh=_weigh(site, equity_usd),
        equity_usd=equity_usd,
        overdue=overdue,
    )
    desk = Desk(site.wire, record, (MANDATE.limits, INSTRUMENTS), senses, past)
    world = World(site.feed, site.wire, site.gate, record, desk)
    cycle = Cycle(world, site.terms_at, site.outlook, site.begin_ms)
    if resumed is not None:
        cycle.recall(resumed.memory, resumed.quotes)
    process = Process(record, desk, cycle)
    site.coverage.state_of, site.coverage.open_states = process.state_of, process.open_states
    return process
