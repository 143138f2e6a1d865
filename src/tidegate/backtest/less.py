# SPDX-License-Identifier: Apache-2.0
"""The joint plan with parts taken away, to see what each is worth.

Without bands nothing is left out that is not worth moving; without the certificate the exact rules
judge alone; without the venue's margin a flat share of notional stands in place of each account's
solvency and the exact rules are not asked either; without latency the plan takes money to be there
at once, while the market makes it wait as ever.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from tidegate.allocation.joint.question import Answer, Gross, Question
from tidegate.engine.plan.after import Changes, changes
from tidegate.engine.plan.asking import Asked, ask
from tidegate.engine.plan.book import PlanBook
from tidegate.engine.plan.deciding import (
    ATTEMPTS,
    LEAST_MORE,
    MORE,
    Decision,
    Outcome,
    Refusal,
    checked,
    decide,
    fast,
)
from tidegate.engine.plan.history_paths import Scenarios
from tidegate.engine.plan.leaving_out import LeftOut, left_out
from tidegate.engine.plan.lots import rounded
from tidegate.engine.plan.proving import Breach, breaches, proof
from tidegate.model.plan_terms import PlanTerms

FLAT_RATE = 0.15
AT_ONCE_S = 1.0


@dataclass(frozen=True, slots=True)
class Kept:
    """Which parts a plan has; `flat_venues` have a flat margin in place of their own."""

    certificate: bool = True
    bands: bool = True
    latency: bool = True
    flat_venues: frozenset[str] = frozenset()

    @property
    def whole(self) -> bool:
        """Whether `decide` itself can be asked."""
        return self.certificate and self.bands and not self.flat_venues


def decide_with(
    kept: Kept, book: PlanBook, said: PlanTerms, scenarios: Scenarios | None = None
) -> Decision:
    """What to do with a book by what is left of the plan; raises as `decide` does, and
    `SolveError` where the programme has no answer."""
    if not kept.latency:
        book, said, scenarios = _at_once(book, said, scenarios)
    if kept.whole:
        return decide(book, said, scenarios=scenarios)
    return _with_less(kept, book, said, scenarios)


def _at_once(
    book: PlanBook, said: PlanTerms, scenarios: Scenarios | None
) -> tuple[PlanBook, PlanTerms, Scenarios | None]:
    ways = tuple(
        replace(way, latency_median_s=AT_ONCE_S, latency_p95_s=AT_ONCE_S) for way in book.ways
    )
    if scenarios is not None:
        landed = np.array(scenarios.paths.landed)
        landed[:, :] = [not way.frozen for way in ways]
        scenarios = replace(scenarios, paths=replace(scenarios.paths, landed=landed))
    return replace(book, ways=ways), replace(said, outage_s=0.0), scenarios


def _with_less(
    kept: Kept, book: PlanBook, said: PlanTerms, scenarios: Scenarios | None
) -> Decision:
    """The programme's answer with the checks that are left, asked again with more in hand."""
    more: dict[str, float] = {}
    for _ in range(ATTEMPTS):
        asked = ask(book, said, more, scenarios=scenarios)
        answer = fast(flat_margin(asked, kept.flat_venues) if kept.flat_venues else asked.question)
        lots = rounded(asked, answer.size[0])
        changed = changes(asked, lots, (answer.flow[0] * asked.equity_usd).tolist())
        outs: tuple[LeftOut, ...] = ()
        if kept.bands:
            outs, changed = left_out(asked, changed, reduces=False)
        short = _short(kept, asked, changed)
        if not short:
            return _found(asked, answer, changed, outs)
        for each in short:
            by = (1.0 + MORE) * each.short_usd / asked.equity_usd + LEAST_MORE
            more[each.venue] = more.get(each.venue, 0.0) + by
    why = "; ".join(f"{each.venue}: {each.what}" for each in short)
    none = replace(_found(asked, answer, changed, outs), outcome=Outcome.NONE, answer=None)
    return replace(none, refusals=(Refusal("plan", why),))


def _short(kept: Kept, asked: Asked, changed: Changes) -> list[Breach]:
    if kept.flat_venues:
        return []
    if kept.certificate:
        before = {each.venue: proof(each, asked.terms) for each in asked.accounts}
        return checked(asked, changed, before)[0]
    return [b for each in asked.accounts for b in breaches(asked, each, changed)]


def _found(asked: Asked, answer: Answer, changed: Changes, outs: tuple[LeftOut, ...]) -> Decision:
    outcome = Outcome.NOTHING if changed.empty else Outcome.PLAN
    return Decision(outcome, asked, answer, changed, outs, {}, {}, None, (), {})


def flat_margin(asked: Asked, venues: Collection[str]) -> Question:
    """The question with a flat share of notional for margin at some venues, instead of their
    rule: sum |x| FLAT_RATE <= money there."""
    question = asked.question
    tails = tuple(t for t in question.tails if t.name.split()[-1] not in venues)
    limits = []
    for place, account in enumerate(asked.accounts):
        if account.venue in venues:
            weights = np.zeros(len(asked.bounds))
            weights[asked.members(account)] = FLAT_RATE
            claim = np.zeros(len(asked.accounts))
            claim[place] = -1.0
            limits.append(Gross(f"flat margin {account.venue}", weights, claim, 0.0))
    return replace(question, tails=tails, gross=(*question.gross, *limits))
