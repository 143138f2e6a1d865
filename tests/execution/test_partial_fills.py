# SPDX-License-Identifier: Apache-2.0
"""Thousands of approved plans, drawn by number: whatever part of one fills, no account dies."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import pytest

from tests.execution.test_planning import PAIRS, TERMS, outcomes, survives
from tests.risk import desk
from tests.risk.desk import INSTRUMENTS, held
from tests.soak import Budget
from tidegate.execution.planning import Targets, plan_targets
from tidegate.risk import limits
from tidegate.risk.gate import Gate
from tidegate.risk.plan import Situation

PLANS, PARTS, SOAK_PLANS = 2_000, 4, 100_000
GATE = Gate(b"k")


def drawn(number: int) -> tuple[Situation, Targets]:
    """A hedged book of any size in thin to ample wallets, and what is wished of it."""
    dice, positions, amounts = Random(f"partial {number}"), {}, {}
    for left, right in PAIRS:
        lots = dice.choice((0, dice.randint(-60, 60))) * desk.base_lots(left, 5_000)
        ratio = Fraction(INSTRUMENTS[left].lot) / Fraction(INSTRUMENTS[right].lot)
        entry = dice.uniform(0.8, 1.25)
        if lots:
            positions[left] = held(left, lots, entry)
            positions[right] = held(right, -int(lots * ratio), entry)
        usd = dice.choice((0.0, dice.uniform(-150_000, 150_000)))
        size = usd / desk.PRICE[INSTRUMENTS[left].base]
        amounts |= {left: size, right: -size}
    wallets = {venue: dice.uniform(15_000, 120_000) for venue in ("alpha", "beta")}
    sent, realised = (dice.choice((0.0, 0.0, dice.uniform(1_000, 100_000))) for _ in range(2))
    wish = Targets(
        amounts,
        {("alpha", "beta"): sent, ("beta", "alpha"): 0.0},
        {"alpha": realised, "beta": 0.0},
        "wish",
    )
    return desk.situation(desk.portfolio(wallets, positions)), wish


def approved_and_safe(number: int) -> bool:
    """Whether a plan was approved; fails where some part of it leaves an account unsafe."""
    situation, wish = drawn(number)
    plan = plan_targets(TERMS, situation, wish, "1")
    if not plan.actions or not isinstance(GATE.review(TERMS, situation, plan, 1), tuple):
        return False
    for done in outcomes(plan, number):
        survives(situation, plan, done)
    return True


@pytest.mark.parametrize("part", range(PARTS))
def test_two_thousand_approved_plans_leave_every_account_solvent_in_every_part(part: int) -> None:
    approved, number = 0, part
    while approved < PLANS // PARTS:
        approved += approved_and_safe(number)
        number += PARTS
        assert number < 10 * PLANS, "so few plans are approved that little is tried"


def test_without_the_check_of_survival_some_part_of_a_plan_is_unsafe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = tuple(check for check in limits.CHECKS if check is not limits.accounts_survive)
    monkeypatch.setattr(limits, "CHECKS", kept)
    with pytest.raises(AssertionError):
        sum(approved_and_safe(number) for number in range(PLANS))


@pytest.mark.soak(promise="R9", weight=2)
def test_fresh_approved_plans_leave_every_account_solvent_in_every_part(budget: Budget) -> None:
    approved = 0

    def judge(number: int) -> None:
        nonlocal approved
        approved += approved_and_safe(number)

    budget.each("plan", judge, SOAK_PLANS)
    budget.figures.append(f"{approved:,} of them approved")
