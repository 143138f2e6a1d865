# SPDX-License-Identifier: Apache-2.0
"""The stage of a golden run: the real engine on a wire, a feed, a disk and venues that do what the
run's script says, second by second."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from tests.allocation.questions import calm_scenarios
from tests.regressions.golden_answers import Answers
from tests.risk import desk
from tidegate.costs.financing import Passage
from tidegate.engine.cycle import Cycle, Tools, World
from tidegate.engine.outlook import Outlook
from tidegate.engine.record_frames import conclude, open_record
from tidegate.engine.restart import resume
from tidegate.execution.brake import Weight
from tidegate.execution.desk import Desk, Senses
from tidegate.execution.record import Record
from tidegate.execution.transit import lost
from tidegate.journal import Journal, read_content, whole
from tidegate.margin.rule import MarginRule
from tidegate.model.actions import Order
from tidegate.model.events import Event, Marked, TransferReturned
from tidegate.model.instruments import Instrument, InstrumentId
from tidegate.model.mandate import Mandate
from tidegate.model.replies import TransferStatus
from tidegate.model.times import MINUTE_MS, SECOND_MS
from tidegate.model.units import MICRO, usd
from tidegate.risk.gate import Approval, ApprovalError, Gate
from tidegate.risk.limits import check_names
from tidegate.risk.plan import Terms
from tidegate.signals.carry import CarryEdge
from tidegate.simulation.exchange import Exchange
from tidegate.simulation.faults.coverage import Coverage
from tidegate.simulation.faults.disk import Disk
from tidegate.simulation.faults.feed import FaultyFeed, TapeFeed
from tidegate.simulation.faults.kill import Boundaries, Killed
from tidegate.simulation.faults.menu import Fault, Spell, Swarm
from tidegate.simulation.faults.server import VenueServer
from tidegate.simulation.faults.spells import Spells
from tidegate.simulation.faults.wire import FaultyGateway
from tidegate.simulation.tape import Tape, Track
from tidegate.simulation.terms import ExchangeTerms

TOOLS = Tools()
REVIEW_MS = 25_000
BEGIN_MS = 1_700_006_400_000
CARRY = 0.5
PAIRS = ((desk.ALPHA_BTC, desk.BETA_BTC), (desk.ALPHA_ETH, desk.BETA_ETH))
TURNED = tuple(pair[::-1] for pair in PAIRS)


def mandate(base: Mandate = desk.MANDATE, **tables: Mapping[str, Any]) -> Mandate:
    """The desk's mandate, decided on every three minutes, with values of its tables replaced."""
    quick = {
        "mandate": {"decision_interval_s": 180},
        "limits": {"quote_age_s": 120, "loss_from_peak": 0.5, "turnover_per_day": 100.0},
        "edge": {"review_s": 180.0},
    }
    for changes in (quick, tables):
        for name, values in changes.items():
            table = msgspec.structs.replace(getattr(base, name), **values)
            base = msgspec.structs.replace(base, **{name: table})
    # As it is read from a file: a number of seconds is a float.
    return msgspec.convert(msgspec.to_builtins(base), Mandate)


@dataclass(frozen=True)
class Planned:
    """A fault that the next requests of a kind about an action meet, so many times. `KILL` kills
    the process when the request is done, `TORN_WRITE` before it is; `RULE_CHANGE` has an approval
    refused by the session."""

    kind: str
    about: str
    fault: Fault
    times: int = 1


@dataclass(frozen=True)
class Setup:
    """A run: its book, its market by the minute, and what goes wrong when. `prices` are multiples
    of the first price by coin or instrument; the last one lasts. `script` acts at a second."""

    name: str
    seed: int = 1
    seconds: int = 900
    begin_ms: int = BEGIN_MS
    mandate: Mandate = field(default_factory=mandate)
    instruments: Mapping[InstrumentId, Instrument] = field(default_factory=lambda: desk.INSTRUMENTS)
    rules: Mapping[str, tuple[tuple[int, MarginRule], ...]] = field(
        default_factory=lambda: {venue: ((0, rule),) for venue, rule in desk.RULES.items()}
    )
    passages: Mapping[tuple[str, str], Passage] = field(default_factory=lambda: desk.PASSAGES)
    exchange: Mapping[str, Any] = field(default_factory=dict)
    funds: Mapping[str, float] = field(
        default_factory=lambda: {"alpha": 60_000.0, "beta": 60_000.0}
    )
    prices: Mapping[str, Sequence[float]] = field(default_factory=dict)
    volume_usd: float = 1e9
    tape: Mapping[str, Any] = field(default_factory=dict)
    pairs: Callable[[int], Sequence[tuple[str, str]]] = lambda _: PAIRS
    chances: Mapping[Fault, float] = field(default_factory=dict)
    spells: Sequence[tuple[Fault, str, int, int, float]] = ()
    script: Mapping[int, Callable[[Stage], None]] = field(default_factory=dict)
    each: Callable[[Stage], None] = lambda _: None
    tools: Tools = TOOLS
    braked: bool = True
    restart_s: int = 5
    # Effect boundaries at which the process dies, counted over the whole run.
    kills: frozenset[int] = frozenset()
    # The desk alone, where no cycle decides.
    decides: bool = True


class Wire(FaultyGateway):
    """A wire that meets the faults that are planned for a request, then those of chance."""

    planned: list[Planned]
    _asking: Fault | None

    def _ask(self, venue, action, do, kind="asks"):  # type: ignore[no-untyped-def]
        fault = self._asking = self._planned(kind, action or venue)
        if fault is Fault.TORN_WRITE:
            raise Killed("before a request")
        if fault is Fault.RULE_CHANGE:
            raise ApprovalError("another seal")
        reply = super()._ask(venue, action, do, kind)
        if fault is Fault.KILL:
            raise Killed("after a request")
        return reply

    def _planned(self, kind: str, about: str) -> Fault | None:
        for place, planned in enumerate(self.planned):
            if planned.kind == kind and re.search(planned.about, about):
                left = replace(planned, times=planned.times - 1)
                self.planned[place : place + 1] = [left] if left.times else []
                return planned.fault
        return None

    def _fate(self, venue: str, *, signed: bool) -> Fault | None:
        if self._asking is Fault.KILL:
            return None
        return self._asking or super()._fate(venue, signed=signed)


class Venues(VenueServer):
    """Venues that do to orders and transfers what is planned, and write any line that is asked."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.fated: dict[Fault, str] = {}

    def write(self, *events: Event) -> None:
        """Lines in the logs of their venues, whatever they say."""
        self._enter(list(events))

    def send(self, approval: Approval) -> TransferStatus:
        """As the venues; a review that is planned takes a known time."""
        said = super().send(approval)
        held = self._reviewed.get(approval.action.id)
        if held is not None and Fault.REVIEW in self.fated:
            held.due_ms = self.now_ms + REVIEW_MS
        return said

    def _draws(self, name: str, fault: Fault) -> bool:
        wanted = self.fated.get(fault)
        return (wanted is not None and bool(re.search(wanted, name))) or super()._draws(name, fault)

    def _whose(self, event: Event) -> str:
        return event.venue if isinstance(event, TransferReturned) else super()._whose(event)


@dataclass
class Views:
    """An outlook in which some pairs earn, the first leg long."""

    setup: Setup

    def at(self, ts_ms: int) -> Outlook:
        contracts = self.setup.instruments
        carry, edges = dict.fromkeys(contracts, 0.0), list[CarryEdge]()
        for long, short in self.setup.pairs((ts_ms - self.setup.begin_ms) // SECOND_MS):
            carry |= {long: CARRY / 2, short: -CARRY / 2}
            coin = contracts[long].base
            edges.append(CarryEdge(coin, long, short, CARRY, 0.05, 10.0, 1e12, 4.0))
        vol = {"BTC": 0.03, "ETH": 0.04}
        moves = desk.OUTER, desk.INNER
        return Outlook(ts_ms, tuple(edges), carry, vol, *moves, calm_scenarios(2), 1.0)


def market(setup: Setup) -> Tape:
    """The tape of a setup: every track its multiples, minute by minute."""
    steps = setup.seconds // 60 + 30
    tracks = {name: _track(setup, name, steps) for name in (*setup.instruments, *_indices(setup))}
    said: dict[str, Any] = {"funding": (), **setup.tape}
    return Tape(setup.begin_ms, MINUTE_MS, steps, tracks, **said)


def _indices(setup: Setup) -> list[str]:
    found = (getattr(contract, "index", None) for contract in setup.instruments.values())
    return [index.id for index in found if index is not None]


def _track(setup: Setup, name: str, steps: int) -> Track:
    contract = setup.instruments.get(name)
    coin = contract.base if contract else "BTC"
    tick = contract.tick if contract else 1
    first = round(desk.PRICE[coin] / float(tick))
    said = list(setup.prices.get(name, setup.prices.get(coin, (1.0,))))
    closes = [round(first * m) for m in (said + said[-1:] * steps)[:steps]]
    opens = [first, *closes[:-1]]
    both = list(zip(opens, closes, strict=True))
    highs, lows = [max(pair) for pair in both], [min(pair) for pair in both]
    return Track(opens, highs, lows, closes, [setup.volume_usd] * steps, [0.03] * steps)


class Stage:
    """Everything of one run; `record`, `desk` and `cycle` are those of the process that lives."""

    def __init__(self, setup: Setup, golden: list[dict[str, Any]] | None) -> None:
        self.setup, self.second = setup, 0
        self.answers = Answers(setup.tools, golden)
        self.mandate, self.instruments = setup.mandate, dict(setup.instruments)
        spells = tuple(_spell(setup, *said) for said in setup.spells)
        self.swarm = Swarm(setup.seed, setup.chances, spells)
        self.tape, costs = (
            market(setup),
            dict.fromkeys(setup.instruments, desk.COSTS[desk.BETA_BTC]),
        )
        self.charged = ExchangeTerms(
            **{
                "instruments": setup.instruments,
                "rules": setup.rules,
                "costs": costs,
                "idle_yield_annual": {},
                "passages": setup.passages,
                **setup.exchange,
            }
        )
        self.gate, self.boundaries, coverage = (
            Gate(b"golden"),
            Boundaries(at=setup.kills),
            Coverage(),
        )
        exchange = Exchange(self.tape, self.charged, setup.seed)
        self.server = Venues(exchange, self.instruments, self.gate, self.swarm, coverage)
        wired = Spells(self.swarm.spells)
        self.wire = Wire(self.server, self.swarm, wired, coverage, self.boundaries)
        self.wire.planned = []
        self.feed = FaultyFeed(TapeFeed(self.tape, self.instruments), wired, coverage)
        self.disk = Disk(setup.seed, self.boundaries)
        self.halted: Callable[[], str | None] = lambda: None
        self.changed_by, self.hung = "", False
        self.told: list[tuple[str, object]] = []
        for venue, dollars in setup.funds.items():
            self.server.deposit(venue, desk.COLLATERAL[venue], round(dollars * MICRO))
        self.alive, self._again_s = False, 0
        self.record: Record
        self.desk: Desk
        self.cycle: Cycle

    @property
    def now_ms(self) -> int:
        """True time."""
        return self.setup.begin_ms + self.second * SECOND_MS

    def say(self, what: str, value: object) -> None:
        """Keep something that is compared beside the journal."""
        self.told.append((what, value))

    def play(self) -> None:
        """The whole run, from the first second to the seal."""
        self._live()
        while self.second < self.setup.seconds:
            self.second += 1
            self.wire.advance(self.now_ms)
            if (act := self.setup.script.get(self.second)) is not None:
                act(self)
            if not self.hung:
                self._live()
            self.setup.each(self)
        if not self.alive:
            self._start()
        self.record.take([Marked(self.now_ms, self.server.exchange.marks())])
        conclude(self.record, self.cycle.tally)
        self.record.journal.seal()

    def terms_at(self, ts_ms: int) -> Terms:
        """What the engine is told of the terms in force."""
        rules = {venue: self.charged.rule(venue, ts_ms) for venue in self.charged.rules}
        costs = self.charged.costs
        return Terms(self.mandate, self.instruments, rules, costs, self.setup.passages)

    def die(self, torn: bool = False) -> None:
        """The process is gone, with what was not forced to disk."""
        self.disk.crash(torn=torn)
        self.wire.disconnect()
        self.alive, self._again_s = False, self.second + self.setup.restart_s

    def skip(self, seconds: int) -> None:
        """The machine sleeps: venues live on, and the engine wakes much later."""
        self.second += seconds
        self.wire.advance(self.now_ms)

    def trade(self, name: InstrumentId, lots: int, order: str = "stranger") -> None:
        """Somebody trades on our account without the engine."""
        found = self.server.exchange.trade(Order(order, name, lots, False, "by hand"))
        self.server.write(*found)

    def _live(self) -> None:
        try:
            if not self.alive:
                if self.second >= self._again_s:
                    self._start()
                return
            self.desk.tick(self.now_ms)
            if self.setup.decides:
                self.cycle.step(self.now_ms)
        except (Killed, OSError):
            self.die(torn=True)

    def _start(self) -> None:
        """A new process, from nothing but what the disk has."""
        kept = whole(bytes(self.disk.durable)) if len(self.disk.durable) else b""
        frames = list(read_content(kept)) if kept else []
        resumed = None
        if len(frames) < 2:
            self.disk.cut(0)
            header = {"seed": self.setup.seed, "mandate": self.mandate.version}
            journal = Journal.over(self.disk, {**header, "checks": check_names()})
            prices, marks = {"USDT": MICRO, "USDC": MICRO}, {"BTC": desk.VAULT_BTC}
            self.record = open_record(self.instruments, prices, marks, journal, journal.run)
        else:
            self.disk.cut(len(kept))
            journal = Journal.onward(self.disk, kept)
            under = (self.mandate.version, self.changed_by) if self.changed_by else ()
            resumed = resume(frames, journal, self.now_ms, *under)
            self.record = resumed.record
        self._equip(resumed.past if resumed else None)
        if resumed is not None:
            self.cycle.recall(resumed.memory, resumed.quotes)
        self.alive = True

    def _equip(self, past: Any) -> None:
        limits = self.mandate.limits
        age_ms = round(limits.quote_age_s * SECOND_MS)
        senses = Senses(
            lambda ts_ms: self.feed.snapshot(ts_ms, ()).fresh_ticks(age_ms),
            lambda: self.halted(),
            self._weigh if self.setup.braked else None,
            self._equity,
        )
        terms = (limits, self.instruments)
        self.desk = Desk(self.wire, self.record, terms, senses, past)
        world = World(self.feed, self.wire, self.gate, self.record, self.desk)
        answers = self.answers
        tools = Tools(answers.allocate, answers.relieve, self.setup.tools.reduces)
        begin_ms = self.setup.begin_ms
        self.cycle = Cycle(world, self.terms_at, Views(self.setup), begin_ms, tools)

    def _weigh(self, order: Order, now_ms: int) -> Weight:
        contract = self.instruments[order.instrument]
        ticks = self.feed.seen[order.instrument].ticks
        size_usd = contract.notional(order.lots, ticks) / MICRO
        return Weight(contract.venue, size_usd, self._equity(now_ms))

    def _equity(self, now_ms: int) -> float | None:
        marks = self.feed.snapshot(now_ms, ()).ticks()
        if marks.keys() != self.instruments.keys():
            return None
        gone = lost(self.record.ledger.portfolio(()), self.setup.passages, now_ms)
        return usd(self.record.ledger.equity_at(marks, gone | self.desk.returned))


def _spell(
    setup: Setup, fault: Fault, venue: str, start_s: int, end_s: int, size: float = 1.0
) -> Spell:
    start_ms, end_ms = (setup.begin_ms + s * SECOND_MS for s in (start_s, end_s))
    return Spell(fault, venue, start_ms, end_ms, size)
