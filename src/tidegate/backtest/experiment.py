# SPDX-License-Identifier: Apache-2.0
"""One mandate over one window, ready to be run under any policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from secrets import token_bytes

from tidegate.backtest.arrangement import Arrangement, arrange
from tidegate.backtest.less import decide_with
from tidegate.backtest.market import Market, load_market
from tidegate.backtest.measures import WITHOUT
from tidegate.backtest.policies import (
    CashPolicy,
    DeskPolicy,
    EnginePolicy,
    FixedPolicy,
    ForesightPolicy,
    Pairs,
    PerVenuePolicy,
    ThresholdPolicy,
    WatchedPolicy,
    absences,
    best_pairs,
    paying_pairs,
)
from tidegate.backtest.policies.foresight import Absence
from tidegate.backtest.policies.plain import BILLS
from tidegate.backtest.policies.sizing import needs
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
from tidegate.backtest.variants import (
    JOINT_PARTS,
    REDUCTIONS,
    jointly,
    kept,
    variant,
    with_mandate,
)
from tidegate.engine.cycle import Cycle, Tools, World
from tidegate.engine.joint import Join, answered, join
from tidegate.engine.memory import Tally
from tidegate.engine.outlook import Forecaster, Outlook
from tidegate.execution.desk import Desk
from tidegate.history.tables import VenueTables
from tidegate.history.window import Window
from tidegate.model.errors import InputError, ensure
from tidegate.model.events import LiquidationStarted
from tidegate.model.mandate import Mandate, check_joint, read_mandate
from tidegate.risk.gate import Gate
from tidegate.risk.limits import check_names
from tidegate.risk.plan import Terms
from tidegate.simulation.tape import Freeze, Tape
from tidegate.venues.paper import PaperVenues
from tidegate.venues.replay import Liquidity, ReplayFeed

PLAIN = {
    "fixed": FixedPolicy,
    "threshold": ThresholdPolicy,
    "desk": DeskPolicy,
    "per-venue": PerVenuePolicy,
    "fixed-best": FixedPolicy,
    "threshold-best": ThresholdPolicy,
}
Witness = Callable[[Session, int], None]
# The engine, by the programme of the mandate or by the joint plan whatever the mandate says.
JOINT = "joint"
ENGINE = ("tidegate", JOINT)
# Rules on the coins that paid best; the others hold every coin.
BEST = ("fixed-best", "threshold-best")
# A rule without a leverage of its own choosing runs at the one that is usual for it.
USUAL_LEVERAGE = {"desk": 3.0}


@dataclass(frozen=True, slots=True)
class Experiment:
    """Everything that all policies share: `origin` is what the market was made of, by digest,
    `placement` where capital starts, `crisis_ms` what only the foresight bound is told."""

    arrangement: Arrangement
    market: Market
    tape: Tape
    feed: ReplayFeed
    seed: int
    origin: Mapping[str, str]
    placement: Mapping[str, float] | None = None
    crisis_ms: tuple[int, int] | None = None
    outlooks: dict[tuple[str, int], Outlook] = field(default_factory=dict)


class Remembered:
    """A forecaster that asks the past only once for all policies that would ask the same."""

    def __init__(self, forecaster: Forecaster, known: dict[tuple[str, int], Outlook]) -> None:
        self._forecaster, self._known, self._basis = forecaster, known, forecaster.basis

    def at(self, ts_ms: int) -> Outlook:
        """The outlook at a time."""
        key = (self._basis, ts_ms)
        if key not in self._known:
            self._known[key] = self._forecaster.at(ts_ms)
        return self._known[key]


@dataclass(frozen=True, slots=True)
class Spec:
    """A policy to run: its name, its leverage where it has one, and the parts of Tidegate that are
    switched off (see `variants`)."""

    policy: str
    leverage: float | None = None
    without: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Name in tables and files."""
        sized = self.policy if self.leverage is None else f"{self.policy} {self.leverage:g}"
        return WITHOUT.join((sized, *self.without))


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
    origin = {"data": market.digest}
    return Experiment(arrangement, market, tape, feed_of(arrangement, market, tape), seed, origin)


def feed_of(arrangement: Arrangement, market: Market, tape: Tape) -> ReplayFeed:
    """What policies may see: closed bars, settled prints, liquidity known when a step begins."""
    volume = {name: track.volume_day_usd for name, track in tape.tracks.items()}
    vol = {name: track.vol_daily for name, track in tape.tracks.items()}
    spread = {n: t.half_spread for n, t in tape.tracks.items() if t.half_spread is not None}
    liquidity = Liquidity(tape.start_ms, tape.step_ms, volume, vol, spread)
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
    experiment: Experiment,
    spec: Spec,
    journal_path: Path | None,
    progress: Progress | None = None,
    witness: Witness | None = None,
) -> Outcome:
    """Run one policy from start to end and seal its journal. A `witness` of the engine looks at the
    session after each of its steps, and changes nothing."""
    if spec.policy == "foresight":
        return _run_foresight(experiment, spec, journal_path, progress)
    session = _open(experiment, spec, journal_path)
    if spec.policy in ENGINE:
        return _run_engine(experiment, session, spec, (progress, witness))
    return _run_plain(experiment, session, _plain(experiment, session, spec), spec, progress)


def _open(experiment: Experiment, spec: Spec, journal_path: Path | None) -> Session:
    """A session with a journal, and the capital where the policy begins."""
    mandate = variant(_said(experiment, spec), spec.leverage, spec.without)
    sized = spec.policy in (*ENGINE, "per-venue")
    arrangement = with_mandate(experiment.arrangement, mandate if sized else None)
    seed, origin = experiment.seed, dict(experiment.origin)
    # What a journal pins here, the verifier demands of every approval in it.
    pinned = {"checks": check_names()} if spec.policy in ENGINE else {}
    fields = header(arrangement, experiment.tape, spec.label, seed, origin) | pinned
    journal = journal_at(journal_path, fields)
    return open_session(arrangement, experiment.tape, journal, seed, _placement(experiment, spec))


def _said(experiment: Experiment, spec: Spec) -> Mandate:
    """The mandate as it is, or with the joint plan."""
    said = experiment.arrangement.mandate
    if spec.policy == JOINT:
        said = jointly(said)
        check_joint(said, "mandate")
    return said


def _placement(experiment: Experiment, spec: Spec) -> Mapping[str, float] | None:
    """Where a policy's capital begins: where all pairs' legs stand, or, of a rule on the best
    coins, its own, so that no account begins thinner than another; cash is at no venue."""
    if spec.policy == "cash":
        return {BILLS: 1.0}
    if spec.policy in BEST and experiment.placement is not None:
        return needs(experiment.arrangement.terms.instruments, _pairs(experiment, spec))
    return experiment.placement


def _run_plain(
    experiment: Experiment,
    session: Session,
    policy: Policy,
    spec: Spec,
    progress: Progress | None,
) -> Outcome:
    play(session, policy, experiment.tape, progress)
    if spec.policy == "cash":
        # Nobody acts at the very end, but bills earn until then.
        policy.act(experiment.tape.end_ms)
    refused = int(getattr(policy, "refused", False))
    tally = Tally(decisions=getattr(policy, "decisions", 0), refusals=refused)
    return close(session, spec.label, tally)


def _run_foresight(
    experiment: Experiment, spec: Spec, journal_path: Path | None, progress: Progress | None
) -> Outcome:
    """Play a fixed book with every absence; what ended best is the bound, and is played once more
    where it is to have a journal."""
    pairs = _pairs(experiment, spec)
    start_ms = None if experiment.crisis_ms is None else experiment.crisis_ms[0]

    def played(absence: Absence, path: Path | None) -> Outcome:
        session = _open(experiment, spec, path)
        policy = ForesightPolicy(session, pairs, spec.leverage or 1.0, *absence)
        return _run_plain(experiment, session, policy, spec, progress)

    names = [name for pair in pairs for name in pair]
    outcomes = {a: played(a, None) for a in absences(experiment.tape, names, start_ms)}
    best = max(outcomes, key=lambda absence: _ended(outcomes[absence]))
    return outcomes[best] if journal_path is None else played(best, journal_path)


def _ended(outcome: Outcome) -> tuple[bool, bool, int]:
    """How well a run ended: without a liquidation first, then held at all, then by equity."""
    lived = not any(isinstance(event, LiquidationStarted) for event in outcome.events)
    return lived, not outcome.refusals, outcome.ledger.equity_micro


def _plain(experiment: Experiment, session: Session, spec: Spec) -> Policy:
    """A policy that is not the engine."""
    if spec.policy == "cash":
        rate = Fraction(experiment.arrangement.mandate.mandate.hurdle_rate_annual.value)
        return CashPolicy(session, rate)
    leverage = spec.leverage or USUAL_LEVERAGE.get(spec.policy, 1.0)
    policy: Policy = PLAIN[spec.policy](session, _pairs(experiment, spec), leverage)
    return policy


def _pairs(experiment: Experiment, spec: Spec) -> Pairs:
    instruments = experiment.arrangement.terms.instruments
    start = experiment.tape.start_ms
    past = {name: experiment.feed.funding(name, start) for name in instruments}
    return (best_pairs if spec.policy in BEST else paying_pairs)(instruments, past)


def _run_engine(
    experiment: Experiment,
    session: Session,
    spec: Spec,
    told: tuple[Progress | None, Witness | None],
) -> Outcome:
    arrangement, (progress, witness) = session.arrangement, told
    # A fresh key parts this run's approvals from all others; no decision depends on it.
    gate = Gate(token_bytes(32))
    terms, mandate = arrangement.terms, arrangement.mandate
    venues = PaperVenues(session.exchange, gate)
    desk = Desk(venues, session.record, (mandate.limits, terms.instruments))
    world = World(experiment.feed, venues, gate, session.record, desk)
    cycle = Cycle(
        world,
        lambda ts_ms: terms_at(arrangement, ts_ms),
        Remembered(
            Forecaster(experiment.feed, mandate, terms.instruments, terms.passages),
            experiment.outlooks,
        ),
        experiment.tape.start_ms,
        Tools(reduces=REDUCTIONS not in spec.without, join=_join(mandate, spec)),
    )
    policy: Policy = EnginePolicy(cycle)
    if witness is not None:
        policy = WatchedPolicy(policy, partial(witness, session))
    play(session, policy, experiment.tape, progress)
    ensure(not desk.breaks, f"ledger and venues disagree: {desk.breaks}")
    return close(session, spec.label, cycle.tally)


def _join(mandate: Mandate, spec: Spec) -> Join:
    """The joint plan, or what is left of it."""
    if not set(spec.without) & set(JOINT_PARTS):
        return join
    decides = partial(decide_with, kept(mandate, spec.without))
    return lambda question, grounds: answered(question, grounds, decides)
