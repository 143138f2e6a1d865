# SPDX-License-Identifier: Apache-2.0
"""What the programme proposes from a real question, the gate's exact rules let through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.room import FixedOutlook
from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, ALPHA_ETH, BETA_BTC, BETA_ETH, base_lots, held
from tidegate.allocation.programme import allocate
from tidegate.engine.inquiry import ask, targets
from tidegate.execution.planning import plan_targets
from tidegate.model.actions import Action, Transfer
from tidegate.model.instruments import InstrumentId
from tidegate.risk.limits import breaches
from tidegate.risk.plan import Plan, Situation, Step, Terms, situation_after

DESK = desk.terms(desk.with_limits(gross_leverage=12.0, naked_usd=200_000.0))
BETWEEN = {("alpha", "beta"), ("beta", "alpha")}
PAIRS = ((ALPHA_BTC, BETA_BTC), (ALPHA_ETH, BETA_ETH))
JUDGED = {
    "survives stress",
    "initial margin",
    "gross leverage",
    "hedged",
    "naked leg",
    "reduce only",
    "balance",
    "open route",
}


@dataclass(frozen=True)
class Drawn:
    """A book, what its pairs are expected to earn, and whether money may move."""

    situation: Situation
    carry: Mapping[InstrumentId, float]
    terms: Terms


@st.composite
def drawn(draw: st.DrawFn, most: int = 20) -> Drawn:
    """Pairs of either side in each of two coins, so that coins may oppose at a venue."""
    positions, carry = {}, dict.fromkeys(desk.INSTRUMENTS, 0.0)
    for long, short in PAIRS:
        lots = draw(st.integers(-most, most)) * base_lots(long, 25_000)
        entry = draw(st.floats(0.9, 1.1))
        if lots:
            positions |= {long: held(long, lots, entry), short: held(short, -100 * lots, entry)}
        earns = draw(st.sampled_from([-1, 1])) * draw(st.floats(0.05, 0.6))
        carry |= {long: earns / 2, short: -earns / 2}
    wallets = {venue: draw(st.floats(50_000, 900_000)) for venue in ("alpha", "beta")}
    between = BETWEEN if draw(st.booleans()) else set()
    passages = {ends: way for ends, way in DESK.passages.items() if ends in between}
    terms = msgspec.structs.replace(DESK, passages=passages)
    return Drawn(desk.situation(desk.portfolio(wallets, positions)), carry, terms)


def proposed(case: Drawn, *, may_grow: bool) -> Plan:
    outlook = replace(FixedOutlook(("BTC", "ETH")).at(desk.NOW_MS), carry_annual=case.carry)
    question = ask(case.terms, case.situation, outlook, may_grow=may_grow)
    wanted = targets(case.terms, case.situation, question, allocate(question), "review")
    return plan_targets(case.terms, case.situation, wanted, "1")


def broken(case: Drawn, plan: Plan) -> set[str]:
    return {breach.rule for breach in breaches(case.terms, case.situation, plan)} & JUDGED


def alone(plan: Plan) -> list[tuple[Step, ...]]:
    """Steps that mean something by themselves: a roll reopens no more than it has just closed."""
    parts: list[tuple[Step, ...]] = []
    for step in plan.steps:
        reopens = all(action.id.endswith(".reopen") for action in step.actions)
        parts.append((*parts.pop(), step) if reopens else (step,))
    return parts


@settings(max_examples=60)
@given(case=drawn(most=0))
def test_programme_never_grows_several_coins_into_what_the_gate_refuses(case: Drawn) -> None:
    """Long one coin and short the other at one venue: netted they would look safe."""
    plan = proposed(case, may_grow=True)
    assert plan.steps
    assert plan.raises or any(isinstance(action, Transfer) for action in plan.actions)
    assert broken(case, plan) == set()


@settings(max_examples=40)
@given(case=drawn(), may_grow=st.booleans())
def test_steps_that_the_programme_proposes_are_each_allowed_once_those_before_have_filled(
    case: Drawn, may_grow: bool
) -> None:
    """From any book, also where a plan takes off one coin to enlarge another or to send money."""
    plan = proposed(case, may_grow=may_grow)
    assert may_grow or not plan.raises
    assert "hedged" not in broken(case, plan)
    done: list[Action] = []
    for steps in alone(plan):
        here = replace(case, situation=situation_after(case.terms, case.situation, done))
        part = Plan(steps, any(".raise." in action.id for step in steps for action in step.actions))
        assert broken(here, part) - {"hedged"} == set()
        done += part.actions


@settings(max_examples=40)
@given(case=drawn())
def test_programme_never_defends_several_coins_by_what_the_gate_refuses(case: Drawn) -> None:
    """With no route open; the gate does not count on a reduction before money that leaves."""
    closed = replace(case, terms=msgspec.structs.replace(case.terms, passages={}))
    plan = proposed(closed, may_grow=False)
    assert not plan.raises
    assert broken(closed, plan) == set()
