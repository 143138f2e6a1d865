# SPDX-License-Identifier: Apache-2.0
"""When to act, as lines of a plan's document: what triggers, what is watched, levels, routes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from tidegate.engine.observed_book import Unknown
from tidegate.engine.plan.asking import Asked
from tidegate.engine.plan.book import WORST_RATE
from tidegate.engine.plan.deciding import Decision, Outcome
from tidegate.engine.plan.document import (
    AssumptionLine,
    LevelLine,
    RouteLine,
    TriggerLine,
    WatchLine,
)
from tidegate.engine.plan.leaving_out import economics
from tidegate.engine.plan.price_room import price_watches
from tidegate.engine.plan.watching import Seen, Trigger, Watch, drifts, watched

UNKNOWN_COST = (
    "of what is traded, counted as dealing's cost, which is not known; nor is a day's volume, so "
    "no share of it limits what is cut"
)
FORCED = "a limit needs trades that do not pay by themselves"


@dataclass(frozen=True, slots=True)
class When:
    """Triggers, watched figures and levels, and what of them is not known."""

    triggers: tuple[TriggerLine, ...]
    watches: tuple[WatchLine, ...]
    levels: tuple[LevelLine, ...]
    unknown: tuple[Unknown, ...]


def when(decision: Decision) -> When:
    """When to act on the present book."""
    asked = decision.asked
    seen = decision.seen
    if seen is None:
        seen = _without_last(decision, watched(asked, decision.before, None))
    watches = [*seen.watches, *price_watches(asked, seen.levels)]
    return When(
        tuple(TriggerLine(t.kind, t.where, t.what, t.usd) for t in seen.triggers),
        tuple(_watch(each) for each in watches),
        tuple(_level(each) for each in seen.levels),
        seen.unknown,
    )


def _watch(each: Watch) -> WatchLine:
    return WatchLine(each.kind, each.where, each.coin, each.now, each.at, each.room, each.unit)


def _level(each: object) -> LevelLine:
    return LevelLine(**{name: getattr(each, name) for name in LevelLine.__struct_fields__})


def _without_last(decision: Decision, seen: Seen) -> Seen:
    """Without a last plan what is aimed at is the present programme's: what it trades has drifted,
    or a limit needs it, and what it leaves out has not."""
    asked, answer = decision.asked, decision.answer
    target = np.array([bound.held_usd for bound in asked.bounds])
    if answer is not None:
        target = answer.size[0] * asked.equity_usd
    traded = np.flatnonzero(decision.changed.lots.traded).tolist()
    triggers, watches = list(seen.triggers), list(seen.watches)
    for drift in drifts(asked, target):
        rows = [i for i in traded if asked.bounds[i].instrument.base == drift.coin]
        if rows:
            forced = economics(asked, decision.changed, rows).gain_usd_annual <= 0.0
            aimed = f"its largest leg is {drift.usd:,.0f} USD from what pays"
            what = FORCED if forced else f"{aimed}, outside the band of {drift.at_usd:,.0f}"
            triggers.append(Trigger("limit" if forced else "drift", drift.coin, what, drift.usd))
        # What is left out for another reason than the band has no distance to it.
        at = drift.at_usd if rows or drift.usd <= drift.at_usd else None
        watches.append(Watch("drift", "", drift.coin, drift.usd, at, "USD"))
    for sent in decision.changed.transfers:
        what = "money is worth more there, or a limit needs it"
        triggers.append(Trigger("money", sent.way.name, what, sent.sent_usd))
    return replace(seen, triggers=tuple(triggers), watches=tuple(watches))


def outcome(decision: Decision, triggers: tuple[TriggerLine, ...]) -> str:
    """In a word: hold where nothing triggers and nothing is worth doing."""
    if decision.outcome is Outcome.NOTHING and not triggers:
        return str(Outcome.UNTRIGGERED)
    return str(decision.outcome)


def routes(asked: Asked) -> Iterator[RouteLine]:
    """Routes as they were seen."""
    for way in asked.book.ways:
        yield RouteLine(way.source, way.destination, way.frozen)


def assumptions(asked: Asked) -> Iterator[AssumptionLine]:
    """What is counted though the book does not say it, of what is held."""
    for bound in asked.bounds:
        name = bound.instrument.id
        if bound.held_usd and name not in asked.book.costs:
            yield AssumptionLine(f"costs.{name}", WORST_RATE, UNKNOWN_COST)
