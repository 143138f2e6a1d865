# SPDX-License-Identifier: Apache-2.0
"""One policy over one tape: the loop, and what is recorded of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import tidegate
from tidegate.backtest.arrangement import Arrangement
from tidegate.engine.memory import Tally
from tidegate.engine.record_frames import conclude, open_record
from tidegate.execution.record import Record
from tidegate.journal.writer import Journal
from tidegate.ledger.book import Ledger
from tidegate.model.actions import Order, Transfer
from tidegate.model.events import Event, Marked
from tidegate.model.times import HOUR_MS
from tidegate.simulation.books import Extreme
from tidegate.simulation.exchange import Exchange
from tidegate.simulation.tape import Tape

Progress = Callable[[float], None]


@dataclass(slots=True)
class Series:
    """Hourly samples: time, equity, gross notional, equity and maintenance per venue (micro)."""

    ts_ms: list[int] = field(default_factory=list)
    equity: list[int] = field(default_factory=list)
    gross: list[int] = field(default_factory=list)
    venue_equity: dict[str, list[int]] = field(default_factory=dict)
    venue_maintenance: dict[str, list[int]] = field(default_factory=dict)


class Session:
    """An exchange, a ledger and a journal for one policy; plain policies trade through it."""

    def __init__(self, exchange: Exchange, record: Record, arrangement: Arrangement) -> None:
        self.exchange, self.record, self.arrangement = exchange, record, arrangement
        self.extremes: list[Extreme] = []
        self.series = Series()

    def take(self, events: list[Event]) -> list[Event]:
        """Record what the exchange reported."""
        self.record.take(events)
        return events

    def trade(self, order: Order) -> list[Event]:
        """A market order of a plain policy."""
        return self.take(self.exchange.trade(order))

    def send(self, transfer: Transfer) -> list[Event]:
        """A transfer of a plain policy."""
        return self.take(self.exchange.send(transfer))


class Policy(Protocol):
    """What decides; called after every step of the tape, and once at its start."""

    def act(self, ts_ms: int) -> None:
        """Decide at a time."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished run: what happened, its samples, the ledger and the sealed journal's head."""

    name: str
    events: tuple[Event, ...]
    extremes: tuple[Extreme, ...]
    series: Series
    ledger: Ledger
    journal_head: str
    start_micro: int
    decisions: int
    solves: int
    refusals: int
    failures: int = 0


def header(
    arrangement: Arrangement, tape: Tape, name: str, seed: int, origin: Mapping[str, str]
) -> dict[str, object]:
    """What a journal states before anything happens; `origin` says what the market was made of."""
    return {
        "policy": name,
        "mandate": arrangement.mandate.version,
        "tidegate": tidegate.__version__,
        **origin,
        "provenance": sha256(repr(arrangement.provenance).encode()).hexdigest(),
        "start_ms": tape.start_ms,
        "end_ms": tape.end_ms,
        "seed": seed,
        "freezes": [[f.venue, f.start_ms, f.end_ms] for f in tape.freezes],
    }


def open_session(
    arrangement: Arrangement,
    tape: Tape,
    journal: Journal,
    seed: int,
    placement: Mapping[str, float] | None = None,
) -> Session:
    """A session with the capital deposited at the venues, in the shares of `placement` (which sum
    to 1), else in equal parts."""
    exchange = Exchange(tape, arrangement.terms, seed)
    instruments = arrangement.terms.instruments
    prices, marks = arrangement.stable_price_micro, arrangement.coin_marks
    session = Session(exchange, open_record(instruments, prices, marks, journal), arrangement)
    venues = list(arrangement.mandate.venue)
    capital = int(arrangement.mandate.capital_usd.scaleb(6))
    shares = placement or dict.fromkeys(venues, 1 / len(venues))
    done, given = 0.0, 0
    for name in venues:
        done += shares.get(name, 0.0)
        share = round(capital * done) - given
        given += share
        asset = arrangement.mandate.venue[name].collateral
        quanta = share * 1_000_000 // arrangement.stable_price_micro[asset]
        if quanta:
            session.take(exchange.deposit(name, asset, quanta))
    return session


def play(session: Session, policy: Policy, tape: Tape, progress: Progress | None = None) -> None:
    """Play the whole tape: let a step pass, record it, let the policy act."""
    policy.act(tape.start_ms)
    _sample(session)
    for step in range(1, tape.steps + 1):
        now = tape.start_ms + step * tape.step_ms
        session.take(session.exchange.advance(now))
        session.extremes += session.exchange.extremes
        if step < tape.steps:
            policy.act(now)
        if (now - tape.start_ms) % HOUR_MS == 0:
            _sample(session)
        if progress is not None and step % 256 == 0:
            progress(step / tape.steps)


def _sample(session: Session) -> None:
    series, exchange = session.series, session.exchange
    marks = exchange.marks()
    series.ts_ms.append(exchange.now_ms)
    series.equity.append(session.record.ledger.equity_at(marks))
    gross = 0
    for venue in session.arrangement.mandate.venue:
        account = exchange.account(venue)
        rule = session.arrangement.terms.rule(venue, exchange.now_ms)
        equity, maintenance = rule.health_at(account, marks)
        series.venue_equity.setdefault(venue, []).append(equity)
        series.venue_maintenance.setdefault(venue, []).append(maintenance)
        for name, position in account.positions.items():
            instrument = session.arrangement.terms.instruments[name]
            gross += instrument.notional(position.lots, marks[name])
    series.gross.append(gross)


def close(session: Session, name: str, tally: Tally) -> Outcome:
    """Value everything at the last marks, journal the result and seal."""
    ledger, exchange = session.record.ledger, session.exchange
    session.take([Marked(exchange.now_ms, exchange.marks())])
    conclude(session.record, tally)
    head = session.record.journal.seal()
    return Outcome(
        name,
        tuple(session.record.events),
        tuple(session.extremes),
        session.series,
        ledger,
        head,
        ledger.waterfall["capital"],
        tally.decisions,
        tally.solves,
        tally.refusals,
        tally.failures,
    )


def journal_at(path: Path | None, fields: Mapping[str, object]) -> Journal:
    """A journal on disk that is sealed at close, or in memory."""
    if path is None:
        return Journal.in_memory(fields)
    return Journal.create(path, fields, durable=False)
