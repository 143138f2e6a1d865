# SPDX-License-Identifier: Apache-2.0
"""One mandate over one window, ready to be run under any policy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from secrets import token_bytes

from tidegate.backtest.arrangement import Arrangement, arrange
from tidegate.backtest.market import Market, load_market
from tidegate.backtest.policies import (
    CashPolicy,
    EnginePolicy,
    FixedPolicy,
    Pairs,
    ThresholdPolicy,
    paying_pairs,
)
from tidegate.backtest.run import (
    Outcome,
    Policy,
    Progress,
    Session,
    close,
    header,
    journal_at,
    open_session,
    play,
)
from tidegate.backtest.tape import build_tape
from tidegate.engine.cycle import Cycle, World
from tidegate.engine.outlook import Forecaster
from tidegate.history.tables import VenueTables
from tidegate.history.window import Window
from tidegate.model.errors import InputError
from tidegate.model.mandate import read_mandate
from tidegate.risk.gate import Gate
from tidegate.risk.plan import Terms
from tidegate.simulation.tape import Freeze, Tape
from tidegate.venues.paper import PaperVenues
from tidegate.venues.replay import Liquidity, ReplayFeed

PLAIN = {"fixed": FixedPolicy, "threshold": ThresholdPolicy}


@dataclass(frozen=True, slots=True)
class Experiment:
    """Everything that all policies share."""

    arrangement: Arrangement
    market: Market
    tape: Tape
    feed: ReplayFeed
    seed: int


@dataclass(frozen=True, slots=True)
class Spec:
    """A policy to run: its name, and its leverage where it has one."""

    policy: str
    leverage: float | None = None

    @property
    def label(self) -> str:
        """Name in tables and files."""
        return self.policy if self.leverage is None else f"{self.policy} {self.leverage:g}"


def prepare(
    mandate_path: Path, data_root: Path, window: Window, freezes: tuple[Freeze, ...], seed: int
) -> Experiment:
    """Read the mandate and all data, check everything, and build tape and feed."""
    where = mandate_path.name
    try:
        text = mandate_path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise InputError(str(mandate_path), "mandate", "expected a readable TOML file") from None
    mandate = read_mandate(text, where)
    arrangement = arrange(mandate, VenueTables(data_root), window, where)
    market = load_market(data_root, arrangement, window, where)
    tape = build_tape(market, arrangement, freezes, where)
    return Experiment(arrangement, market, tape, _feed(arrangement, market, tape), seed)


def _feed(arrangement: Arrangement, market: Market, tape: Tape) -> ReplayFeed:
    """What policies may see: closed bars, settled prints, liquidity known when a step begins."""
    volume = {name: track.volume_day_usd for name, track in tape.tracks.items()}
    vol = {name: track.vol_daily for name, track in tape.tracks.items()}
    liquidity = Liquidity(tape.start_ms, tape.step_ms, volume, vol)
    instruments = arrangement.terms.instruments
    return ReplayFeed(instruments, market.bars, market.funding, market.reference, liquidity)


def terms_at(arrangement: Arrangement, ts_ms: int) -> Terms:
    """What a decision needs to know that does not change within it."""
    terms = arrangement.terms
    return Terms(
        arrangement.mandate,
        terms.instruments,
        {venue: terms.rule(venue, ts_ms) for venue in terms.rules},
        terms.costs,
        terms.passages,
    )


def run(
    experiment: Experiment, spec: Spec, journal_path: Path | None, progress: Progress | None = None
) -> Outcome:
    """Run one policy from start to end and seal its journal."""
    fields = header(
        experiment.arrangement,
        experiment.tape,
        spec.label,
        experiment.seed,
        experiment.market.digest,
    )
    journal = journal_at(journal_path, fields)
    arrangement = experiment.arrangement
    if spec.policy == "cash":
        # Its capital earns the hurdle rate outside the venues, and so not their idle yield too.
        idle_nowhere = replace(arrangement.terms, idle_yield_annual={})
        arrangement = replace(arrangement, terms=idle_nowhere)
    session = open_session(arrangement, experiment.tape, journal, experiment.seed)
    if spec.policy == "tidegate":
        return _run_engine(experiment, session, spec, progress)
    policy: Policy
    if spec.policy == "cash":
        rate = Fraction(experiment.arrangement.mandate.mandate.hurdle_rate_annual.value)
        policy = CashPolicy(session, rate)
    else:
        policy = PLAIN[spec.policy](session, _pairs(experiment), spec.leverage or 1.0)
    play(session, policy, experiment.tape, progress)
    decisions = getattr(policy, "decisions", 0)
    return close(session, spec.label, {"decisions": decisions, "solves": 0, "refusals": 0})


def _pairs(experiment: Experiment) -> Pairs:
    instruments = experiment.arrangement.terms.instruments
    start = experiment.tape.start_ms
    past = {name: experiment.feed.funding(name, start) for name in instruments}
    return paying_pairs(instruments, past)


def _forecaster(experiment: Experiment) -> Forecaster:
    arrangement = experiment.arrangement
    return Forecaster(
        experiment.feed,
        arrangement.mandate,
        arrangement.terms.instruments,
        arrangement.terms.passages,
    )


def _run_engine(
    experiment: Experiment, session: Session, spec: Spec, progress: Progress | None
) -> Outcome:
    arrangement = experiment.arrangement
    # A fresh key parts this run's approvals from all others; no decision depends on it.
    gate = Gate(token_bytes(32))
    world = World(experiment.feed, PaperVenues(session.exchange, gate), gate, session.record)
    cycle = Cycle(
        world,
        lambda ts_ms: terms_at(arrangement, ts_ms),
        _forecaster(experiment),
        experiment.tape.start_ms,
    )
    play(session, EnginePolicy(cycle), experiment.tape, progress)
    tally = cycle.tally
    counts = {
        "decisions": tally.decisions,
        "solves": tally.solves,
        "refusals": tally.refusals,
    }
    return close(session, spec.label, counts)
