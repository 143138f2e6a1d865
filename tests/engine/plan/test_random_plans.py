# SPDX-License-Identifier: Apache-2.0
"""Random books and mandates, options included: what is emitted stands by the exact rules, has a
certificate for every account that it changes, and no independent point contradicts one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.engine.plan.exact_grid import accounts_after, least_health_usd, noise_usd
from tests.engine.plan.random_books import Drawn
from tests.soak import Budget
from tidegate.engine.plan.asking import NoEquity
from tidegate.engine.plan.deciding import Decision, Outcome, decide
from tidegate.engine.plan.proving import breaches
from tidegate.model.plan_terms import PlanTerms

# Books of 20 seeds; every fourth has options, which cost ten times as much.
BLOCKS, BLOCK = 10, 20
OPTIONS_EVERY = 4
POINTS = 40
SOAK_BOOKS = 10_000
ACTING = (Outcome.PLAN, Outcome.REDUCE)


@pytest.mark.parametrize("block", range(BLOCKS))
def test_random_book_is_never_sent_where_exact_rules_or_the_grid_refuse(
    block: int, tmp_path: Path
) -> None:
    outcomes: Counter[str] = Counter()
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        outcomes[_judged(seed, tmp_path, POINTS)] += 1
    assert outcomes[Outcome.PLAN] >= BLOCK // 2, outcomes


@pytest.mark.soak(promise="R9 R17", weight=4)
def test_fresh_random_book_is_never_sent_where_exact_rules_or_the_grid_refuse(
    budget: Budget, tmp_path: Path
) -> None:
    outcomes = Counter[str]()

    def judge(seed: int) -> None:
        outcomes[_judged(seed, tmp_path, 50).value] += 1

    budget.each("book", judge, SOAK_BOOKS)
    budget.figures.append(", ".join(f"{count:,} {name}" for name, count in outcomes.items()))


def _judged(seed: int, folder: Path, points: int) -> Outcome:
    book, terms = Drawn(seed, options=seed % OPTIONS_EVERY == 0).read(folder)
    try:
        decision = decide(book, terms)
    except NoEquity:
        return Outcome.NONE
    _require_exact_rules(decision)
    _require_limits(decision)
    _require_certificates(decision, terms, points, seed)
    return decision.outcome


def _require_exact_rules(decision: Decision) -> None:
    """Whatever is emitted, trades nothing into a refusal; a plan's accounts all stand."""
    if decision.outcome in (*ACTING, Outcome.NOTHING, Outcome.HOLD):
        for account in decision.asked.accounts:
            assert breaches(decision.asked, account, decision.changed) == []


def _require_limits(decision: Decision) -> None:
    """Bounds, boxes and leverage of the mandate, by arithmetic on whole lots."""
    lots, asked = decision.changed.lots, decision.asked
    usd = lots.target * np.array([bound.lot_usd for bound in asked.bounds])
    for place, bound in enumerate(asked.bounds):
        moved = lots.target[place] - lots.held[place]
        if bound.day_usd is not None and moved:
            assert abs(moved) * bound.lot_usd <= bound.day_usd + bound.lot_usd
        if bound.why is not None and moved:
            assert abs(lots.target[place]) < abs(lots.held[place]), bound.why
            assert lots.target[place] * lots.held[place] >= 0
    if decision.outcome is Outcome.PLAN:
        target, slack = asked.terms.target_delta_usd, asked.terms.mandate.limits.naked_usd
        delta = float(asked.greeks.delta @ usd) + sum(asked.greeks.coin_usd.values())
        assert abs(delta - target) <= slack + 1.0
        gross = float(np.abs(asked.greeks.coin_delta) @ np.abs(usd))
        held = float(np.abs(asked.greeks.coin_delta) @ np.abs(asked.greeks.held))
        most = asked.terms.mandate.limits.gross_leverage * asked.equity_usd
        lot = float(np.sum([bound.lot_usd for bound in asked.bounds]))
        assert gross <= max(most, held) + lot


def _require_certificates(decision: Decision, terms: PlanTerms, points: int, seed: int) -> None:
    for account in accounts_after(decision):
        proof = decision.proofs[account.venue]
        if decision.outcome in ACTING:
            assert proof.holds, (account.venue, proof.verdict)
        if proof.holds:
            least = least_health_usd(account, terms, points, seed)
            assert least >= -noise_usd(account)
            if proof.lower_usd is not None:
                assert least >= proof.lower_usd - noise_usd(account)
