# SPDX-License-Identifier: Apache-2.0
"""A crisis in which the struck venue fails for good, and what that took of a book."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from tidegate.backtest.crisis.definitions import Definition
from tidegate.backtest.measures import FAILED
from tidegate.backtest.run import Outcome
from tidegate.backtest.trial.contest import Contest
from tidegate.backtest.trial.venue_failure import HOLDS_MS, LEFT_MS
from tidegate.model.errors import ensure
from tidegate.model.events import Event, Filled, VenueFailed
from tidegate.model.instruments import Instrument, InstrumentId
from tidegate.model.times import HOUR_MS
from tidegate.simulation.tape import Failure

# What a failure takes, by the causes of the waterfall.
TAKEN = (FAILED, "lost in transit")


def with_failure(contest: Contest, crisis: Definition) -> Contest:
    """The contest with the failure that a crisis has on its tape: in the middle of the step that
    begins the stated hours after the crisis does, or of one two hours before the end."""
    if not crisis.loses_money:
        return contest
    venue, start_ms = contest.crisis_venue, contest.crisis_start_ms
    ensure(venue is not None and start_ms is not None, "a venue that fails is the struck one")
    experiment = contest.experiment
    tape = experiment.tape
    after_ms = round(crisis.fails_hours.value * HOUR_MS)
    at_ms = min((start_ms or 0) + after_ms, tape.end_ms - LEFT_MS) + tape.step_ms // 2
    failure = Failure(at_ms, str(venue), HOLDS_MS)
    origin = {**experiment.origin, "failure": f"{venue} {at_ms}"}
    failing = replace(experiment, tape=replace(tape, failures=(failure,)), origin=origin)
    return replace(contest, experiment=failing)


def taken_micro(waterfall: Mapping[str, int]) -> int:
    """What a failed venue took, by the ledger: what it owed, and money under way to it."""
    return -sum(waterfall.get(cause, 0) for cause in TAKEN)


def orphaned_micro(events: Iterable[Event], instruments: Mapping[InstrumentId, Instrument]) -> int:
    """Per coin the net notional that a venue held when it failed, without its sign, summed, at its
    last marks: what others had to bear or to close from then on."""
    lots: dict[InstrumentId, int] = {}
    for event in events:
        if isinstance(event, Filled):
            lots[event.instrument] = lots.get(event.instrument, 0) + event.lots
        elif isinstance(event, VenueFailed):
            net: dict[str, int] = {}
            for name, ticks in event.ticks.items():
                coin = instruments[name].base
                net[coin] = net.get(coin, 0) + instruments[name].value(lots[name], ticks)
            return sum(map(abs, net.values()))
    return 0


def aftermath_micro(outcome: Outcome, failure: Failure | None) -> int:
    """The change of equity from the last hourly sample before a failure to the end, beside what
    the venue took: the price of the orphan, what closing it cost, and all else."""
    if failure is None:
        return 0
    series, ledger = outcome.series, outcome.ledger
    before = max(i for i, ts_ms in enumerate(series.ts_ms) if ts_ms < failure.ts_ms)
    return ledger.equity_micro + taken_micro(ledger.waterfall) - series.equity[before]
