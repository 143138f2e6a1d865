# SPDX-License-Identifier: Apache-2.0
"""What would have ended a book just before its crisis: the smallest sudden move of all coins."""

from __future__ import annotations

from tidegate.backtest.run import Outcome
from tidegate.backtest.trial.contest import Contest
from tidegate.ledger.book import Ledger
from tidegate.model.instruments import InstrumentId
from tidegate.risk.distance import Book, Distance, distance

LEADER = "BTC"


def betas(contest: Contest) -> dict[str, float]:
    """How far each coin moves when the leading one moves by 1: as the mandate's outer moves."""
    outer = contest.experiment.arrangement.mandate.stress.outer
    leading = outer.get(LEADER) or next(iter(outer.values()))
    return {coin: move / leading for coin, move in outer.items()}


def nearest_death(contest: Contest, outcome: Outcome) -> Distance:
    """The smallest move of all coins at once, by `betas`, that liquidates an account of the book
    as it stood when the crisis began, if it comes before anything can be done about it.

    Money under way counts nowhere. The move is None where no move of the search kills.
    """
    held = _book(contest, outcome)
    both = [distance(held, "all coins", betas(contest), up=up) for up in (False, True)]
    deadly = [found for found in both if found.move is not None]
    return min(deadly, key=lambda found: abs(found.move or 0.0), default=both[0])


def _book(contest: Contest, outcome: Outcome) -> Book:
    experiment = contest.experiment
    arrangement, tape = experiment.arrangement, experiment.tape
    until = contest.crisis_start_ms or tape.end_ms
    terms = arrangement.terms
    ledger = Ledger(terms.instruments, arrangement.stable_price_micro, arrangement.coin_marks)
    for event in outcome.events:
        if event.ts_ms < until:
            ledger.post(event)
    venues = tuple(arrangement.mandate.venue)
    rules = {venue: terms.rule(venue, until) for venue in venues}
    marks = marks_at(contest, until)
    return Book(ledger.portfolio(venues).accounts, rules, terms.instruments, marks)


def marks_at(contest: Contest, ts_ms: int) -> dict[InstrumentId, int]:
    """Marks in ticks of the last step that has ended by a time; before any has, the first ones."""
    tape = contest.experiment.tape
    ended = min((ts_ms - tape.start_ms) // tape.step_ms, tape.steps)
    return {
        name: track.mark_close[ended - 1] if ended else track.open[0]
        for name, track in tape.tracks.items()
    }
