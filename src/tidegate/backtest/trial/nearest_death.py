# SPDX-License-Identifier: Apache-2.0
"""What would have ended a book just before its crisis: the smallest sudden move of all coins."""

from __future__ import annotations

from collections import Counter

from tidegate.backtest.run import Outcome
from tidegate.backtest.trial.contest import Contest
from tidegate.ledger.book import Ledger
from tidegate.model.instruments import InstrumentId
from tidegate.model.units import usd
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


def struck_usd(contest: Contest, outcome: Outcome) -> float | None:
    """Notional of all legs at the struck venue when the crisis began, in USD with dollar coins at
    par; None where no venue is struck."""
    if contest.crisis_venue is None:
        return None
    held = _book(contest, outcome)
    positions = held.accounts[contest.crisis_venue].positions
    return usd(
        sum(held.instruments[n].notional(p.lots, held.marks[n]) for n, p in positions.items())
    )


def largest_coin(contest: Contest, outcome: Outcome) -> tuple[str, float] | None:
    """The coin with most notional when the crisis began, and its share of all; None if flat."""
    held = _book(contest, outcome)
    notional: Counter[str] = Counter()
    for account in held.accounts.values():
        for name, position in account.positions.items():
            instrument = held.instruments[name]
            notional[instrument.base] += instrument.notional(position.lots, held.marks[name])
    total = notional.total()
    if not total:
        return None
    ((coin, most),) = notional.most_common(1)
    return coin, most / total


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
