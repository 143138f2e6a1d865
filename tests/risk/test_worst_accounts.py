# SPDX-License-Identifier: Apache-2.0
"""The worst account of each step of a plan, against every subset of that step's fills."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, ALPHA_ETH, BETA_BTC, BETA_ETH, VAULT_BTC, base_lots, held
from tidegate.costs.trading import TradingCosts
from tidegate.model.account import Account, Unsettled
from tidegate.model.actions import Action, Order, Transfer
from tidegate.model.units import MICRO
from tidegate.risk.limits import breaches
from tidegate.risk.plan import (
    Plan,
    Situation,
    account_after,
    least_certain,
    order_cost,
    worst_accounts,
)
from tidegate.risk.stress import stressed_health

TERMS = desk.terms()
FREE = msgspec.structs.replace(TERMS, costs=dict.fromkeys(desk.INSTRUMENTS, TradingCosts(0, 0, 0)))
PERPETUALS = (ALPHA_BTC, ALPHA_ETH, BETA_BTC, BETA_ETH)
VENUES = ("alpha", "beta")
# Each part of a position that is closed rounds its cost by less than a quantum.
ROUNDING = 20


def lots_of(name: str) -> st.SearchStrategy[int]:
    unit = base_lots(name, 40_000)
    return st.integers(-20, 20).map(lambda n: n * unit)


@st.composite
def books(draw: st.DrawFn) -> Situation:
    positions = {}
    for name in PERPETUALS:
        lots = draw(lots_of(name))
        if lots:
            positions[name] = held(name, lots, draw(st.floats(0.8, 1.2)))
    wallets = {venue: draw(st.floats(20_000, 900_000)) for venue in VENUES}
    return desk.situation(desk.portfolio(wallets, positions))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Steps that trade each contract once at most, and money that leaves between."""
    steps: list[tuple[Action, ...]] = []
    for index in range(draw(st.integers(1, 3))):
        names = draw(st.lists(st.sampled_from(PERPETUALS), min_size=1, max_size=4, unique=True))
        sized = ((name, draw(lots_of(name))) for name in names)
        actions: list[Action] = [desk.order(n, lots, key=f"{index}") for n, lots in sized if lots]
        if draw(st.booleans()):
            ends = draw(st.permutations(VENUES))
            actions.append(desk.send(*ends, draw(st.floats(1_000, 200_000))))
        steps.append(tuple(actions))
    return desk.plan(*steps, raises=draw(st.booleans()))


def at(action: Action, venue: str) -> bool:
    if isinstance(action, Transfer):
        return action.source == venue
    return desk.INSTRUMENTS[action.instrument].venue == venue


def costs_of(situation: Situation, actions: Sequence[Action]) -> int:
    """Of all orders, each after what was traded of its contract before it."""
    traded: dict[str, float] = {}
    total = 0
    for action in actions:
        if isinstance(action, Order):
            name, before = action.instrument, traded.get(action.instrument, 0.0)
            total += order_cost(TERMS, situation, action, before)
            size = desk.INSTRUMENTS[name].notional(action.lots, situation.marks[name])
            traded[name] = before + size / MICRO
    return total


def health(situation: Situation, account: Account) -> int:
    """Under the inner moves, by the exact rule; a closed position keeps its loss as a cost."""
    rule = TERMS.rules[account.venue]
    return stressed_health(rule, account, situation.marks, desk.INSTRUMENTS, desk.INNER)


def least_of_every_subset(
    situation: Situation, venue: str, done: list[Action], own: list[Action]
) -> int:
    """Least health over all subsets of a step's orders, its costs paid and its money gone."""
    orders = [action for action in own if isinstance(action, Order)]
    gone = [action for action in own if isinstance(action, Transfer)]
    paid = costs_of(situation, [*done, *own])
    found = []
    for count in range(len(orders) + 1):
        for subset in combinations(orders, count):
            after = account_after(FREE, situation, venue, [*done, *subset, *gone])
            found.append(health(situation, after) - paid)
    return min(found)


@settings(max_examples=150)
@given(books(), plans())
def test_worst_account_of_every_step_is_that_of_its_worst_subset_of_fills(
    situation: Situation, plan: Plan
) -> None:
    for venue in VENUES:
        found = list(worst_accounts(TERMS, situation, venue, plan, desk.INNER))
        done: list[Action] = []
        expected = []
        for step in plan.steps:
            own = [action for action in step.actions if at(action, venue)]
            if own:
                expected.append(least_of_every_subset(situation, venue, done, own))
                done += own
        assert len(found) == len(expected)
        for account, least in zip(found, expected, strict=True):
            assert health(situation, account) == pytest.approx(least, rel=0, abs=ROUNDING)


def rich_in_positions() -> Situation:
    """Half a million long at alpha on what it takes to survive, and the short at a rich beta."""
    lots = base_lots(ALPHA_BTC, 500_000)
    positions = {ALPHA_BTC: held(ALPHA_BTC, lots), BETA_BTC: held(BETA_BTC, -100 * lots)}
    return desk.situation(desk.portfolio({"alpha": 60_000, "beta": 400_000}, positions))


def test_transfer_after_a_reduction_is_judged_after_it_and_one_before_it_before() -> None:
    situation = rich_in_positions()
    lots = situation.portfolio.accounts["alpha"].positions[ALPHA_BTC].lots
    close = (desk.order(ALPHA_BTC, -lots, True), desk.order(BETA_BTC, 100 * lots, True))
    leave = (desk.send("alpha", "beta", 55_000),)
    orderly, hasty = desk.plan(close, leave, raises=False), desk.plan(leave, close, raises=False)
    together = desk.plan((*close, *leave), raises=False)

    def least(plan: Plan) -> int:
        worst = worst_accounts(TERMS, situation, "alpha", plan, desk.INNER)
        return min(health(situation, account) for account in worst)

    assert least(orderly) > 0
    assert least(hasty) < 0
    assert least(together) < 0
    named = [
        {breach.rule for breach in breaches(TERMS, situation, plan)} for plan in (orderly, hasty)
    ]
    assert "survives stress" not in named[0]
    assert "survives stress" in named[1]


def test_step_at_another_venue_has_no_worst_account_here() -> None:
    situation = rich_in_positions()
    plan = desk.plan((desk.order(BETA_BTC, 100, True),), raises=False)
    assert list(worst_accounts(TERMS, situation, "alpha", plan, desk.INNER)) == []
    assert len(list(worst_accounts(TERMS, situation, "beta", plan, desk.INNER))) == 1


def test_coins_bought_cost_their_dollars_and_coins_sold_bring_none() -> None:
    coins = 10 * 10**8
    book = desk.portfolio({"vault": 200_000}, coins={"BTC": coins})
    situation = desk.situation(book)
    lots = base_lots(VAULT_BTC, 60_000)
    for bought in (lots, -lots):
        plan = desk.plan((desk.order(VAULT_BTC, bought),), raises=False)
        (worst,) = worst_accounts(TERMS, situation, "vault", plan, desk.INNER)
        fee = costs_of(situation, plan.actions)
        spent = desk.INSTRUMENTS[VAULT_BTC].notional(lots, desk.MARKS[VAULT_BTC])
        dollars = 200_000 * MICRO - fee - (spent if bought > 0 else 0)
        assert worst.balances["USDT"] == dollars
        more = desk.INSTRUMENTS[VAULT_BTC].base_quanta(lots) if bought > 0 else 0  # type: ignore[union-attr]
        assert worst.balances["BTC"] == coins + more


@pytest.mark.parametrize("lots", [{}, {ALPHA_BTC: (0, 10)}])
def test_money_that_may_be_missing_is_gone_whether_or_not_an_order_is_in_flight(
    lots: dict[str, tuple[int, int]],
) -> None:
    doubt = Unsettled(lots=lots, missing={"alpha": {"USDT": 40_000 * MICRO}})
    book = desk.situation(desk.portfolio({"alpha": 100_000.0, "beta": 100_000.0}))
    unsure = msgspec.structs.replace(book, unsettled=doubt)
    for venue, kept in (("alpha", 60_000), ("beta", 100_000)):
        account = least_certain(TERMS, unsure, venue, unsure.inner)
        assert sum(account.balances.values()) == kept * MICRO
