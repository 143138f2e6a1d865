# SPDX-License-Identifier: Apache-2.0
"""What a plan's solvency is judged by, said: the history and its tail, or that there is none."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.engine.plan.after import nothing_done
from tidegate.engine.plan.asking import Asked
from tidegate.engine.plan.deciding import Decision
from tidegate.engine.plan.document import HistoryLine, TailLine
from tidegate.engine.plan.history_paths import Scenarios
from tidegate.engine.plan.history_proving import history_tail_of
from tidegate.engine.plan.moves import moves_of
from tidegate.model.instruments import Option
from tidegate.model.plan_terms import PlanTerms
from tidegate.model.times import format_time

WITHOUT = "solvency is judged by named stresses and the certificate alone: the book has no history"
WITH = (
    "solvency is judged by named stresses, the certificate and the worst {mass:,.1f} of "
    "{windows:,} windows of {hours:,.1f} h of the book's history ({scenarios:,} scenarios, "
    "tail and jump among them)"
)


def judged_by(scenarios: Scenarios | None) -> str:
    """One sentence."""
    if scenarios is None:
        return WITHOUT
    return WITH.format(
        mass=scenarios.paths.mass,
        windows=scenarios.windows,
        hours=scenarios.window_s / 3600.0,
        scenarios=scenarios.paths.count,
    )


PROVED = (
    "proved by certificate, every market of a box: each coin's price by its outer move, a venue's "
    "prices {spread:.2%} apart, all vols of a coin by one ratio from -{down:.0%} to +{up:.0%}"
)
SAMPLED = "only asked of the exact rules at {count} markets, and not proved between them: {what}"
BENT = "vols that bend with tenor and strike (term {term:g}, skew {skew:g})"
OVER_HISTORY = "the points of the history's scenarios"


def proved(terms: PlanTerms) -> str:
    """What certificates prove, in a sentence."""
    return PROVED.format(spread=terms.venue_spread, down=terms.vol.down, up=terms.vol.up)


def sampled(asked: Asked) -> str:
    """Which stresses of the plan no certificate covers; empty where there are none."""
    outer, count = asked.terms.mandate.stress.outer, 0
    for account in asked.accounts:
        if any(isinstance(each, Option) for each in account.dealt):
            count += sum(abs(move.vols) > 1 for move in moves_of(account, outer))
    vol = asked.terms.vol
    what = [BENT.format(term=vol.term, skew=vol.skew)] if count else []
    if asked.scenarios is not None:
        count += asked.scenarios.paths.count * asked.scenarios.paths.points
        what.append(OVER_HISTORY)
    return SAMPLED.format(count=f"{count:,}", what=" and ".join(what)) if what else ""


def history_line(decision: Decision) -> HistoryLine | None:
    """The history and every account's tail by exact rules; None where the book has none."""
    seen, past = decision.asked.scenarios, decision.asked.book.history
    if seen is None or past is None:
        return None
    return HistoryLine(
        source=past.where,
        until=format_time(past.end_ms),
        windows=seen.windows,
        window_s=seen.window_s,
        scenarios=seen.paths.count,
        mass=seen.paths.mass,
        vol_daily=dict(zip(seen.paths.coins, seen.vol_daily, strict=True)),
        vol_from=seen.vol_from,
        accounts=tuple(_tails(decision)),
    )


def _tails(decision: Decision) -> Iterator[TailLine]:
    asked, nothing = decision.asked, nothing_done(decision.asked)
    for account in asked.accounts:
        before = history_tail_of(asked, account, nothing)
        after = history_tail_of(asked, account, decision.changed)
        if before is not None and after is not None:
            healths = (0.0 - before.shortfall_usd, 0.0 - after.shortfall_usd)
            yield TailLine(account.venue, *healths, after.insolvent)
