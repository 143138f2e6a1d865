# SPDX-License-Identifier: Apache-2.0
"""What a plan leaves at a venue, worked by hand, and what any outcome of it can reach."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.risk import desk
from tests.risk.desk import ALPHA_BTC, ALPHA_ETH, BETA_BTC, VAULT_BTC, held, order, plan, send
from tidegate.costs.trading import TradingCosts, slippage
from tidegate.model.account import Account, Position, Unsettled
from tidegate.model.actions import Order
from tidegate.model.units import MICRO
from tidegate.risk.plan import (
    account_after,
    certain_lots,
    held_lots,
    order_cost,
    reached,
    situation_after,
    worst_accounts,
)

FREE = msgspec.structs.replace(
    desk.terms(), costs=dict.fromkeys(desk.INSTRUMENTS, TradingCosts(0, 0.0, 0.0))
)
TERMS = desk.terms()
# A thousand dollars at each venue, 2 BTC long at alpha from 50,000, 3 coins in the vault.
BOOK = desk.situation(
    desk.portfolio(
        {"alpha": 1_000, "beta": 1_000, "vault": 1_000},
        {ALPHA_BTC: Position(2_000, 100_000 * MICRO), ALPHA_ETH: held(ALPHA_ETH, 100)},
        coins={"BTC": 3 * 10**8},
    )
)


@pytest.mark.parametrize(
    ("quanta", "lots"), [(0, 0), (999, 0), (1_000, 1), (1_999, 1), (-1, -1), (-1_000, -1)]
)
def test_coin_held_outright_counts_in_whole_lots_rounded_down(quanta: int, lots: int) -> None:
    account = Account("vault", {"BTC": quanta}, {})
    assert held_lots(account, desk.INSTRUMENTS[VAULT_BTC]) == lots


def test_contract_is_held_in_the_lots_of_its_position() -> None:
    account = BOOK.portfolio.accounts["alpha"]
    assert held_lots(account, desk.INSTRUMENTS[ALPHA_BTC]) == 2_000
    assert held_lots(account, desk.INSTRUMENTS[BETA_BTC]) == 0


def test_asset_that_an_account_has_never_held_counts_as_nothing() -> None:
    """Whether it is listed with nothing or not listed, what is left is the same to the quantum."""
    lots = desk.INSTRUMENTS[ALPHA_BTC].entry_cost(10, desk.MARKS[ALPHA_BTC])
    long = {ALPHA_BTC: Position(10, lots - 5_000)}
    actions = (order(ALPHA_BTC, -5), order(VAULT_BTC, 10), send("alpha", "beta", 1))
    left: list[list[Account]] = []
    for nothing in ({}, {"USDT": 0, "BTC": 0}):
        alpha, vault = Account("alpha", nothing, long), Account("vault", {"USDT": 9**9}, {})
        accounts = BOOK.portfolio.accounts | {"alpha": alpha, "vault": vault}  # type: ignore[operator]
        book = msgspec.structs.replace(BOOK.portfolio, accounts=accounts)
        situation = msgspec.structs.replace(BOOK, portfolio=book)
        found = [account_after(TERMS, situation, venue, actions) for venue in ("alpha", "vault")]
        found.append(account_after(TERMS, situation, "alpha", actions[2:]))
        for step in ((actions[0],), (actions[1],), (actions[2],)):
            for venue in ("alpha", "vault"):
                what = plan(step, raises=False)
                found += worst_accounts(TERMS, situation, venue, what, desk.INNER)
        left.append(found)
    for bare, listed in zip(*left, strict=True):
        assert bare.positions == listed.positions
        assert {a: q for a, q in listed.balances.items() if q} == bare.balances
        assert bare.balances.get("BTC", 0) in (0, 10_000)


def test_partial_close_realises_its_share_and_a_whole_one_leaves_no_position() -> None:
    after = account_after(FREE, BOOK, "alpha", [order(ALPHA_BTC, -500), order(ALPHA_ETH, -100)])
    assert after.positions == {ALPHA_BTC: Position(1_500, 75_000 * MICRO)}
    assert after.balances == {"USDT": (1_000 + 5_000) * MICRO}


def test_coins_bought_come_for_their_dollars_and_coins_sold_go_for_theirs() -> None:
    for lots in (100_000, -100_000):
        after = account_after(FREE, BOOK, "vault", [order(VAULT_BTC, lots)])
        assert after.balances == {
            "USDT": 1_000 * MICRO - lots * 60_000 * MICRO // 100_000,
            "BTC": 3 * 10**8 + lots * 1_000,
        }
        assert after.positions == {}


def test_money_sent_leaves_its_source_and_has_landed_nowhere() -> None:
    sent = [send("alpha", "beta", 400), send("beta", "alpha", 700), send("alpha", "beta", 100)]
    left = {venue: account_after(FREE, BOOK, venue, sent).balances for venue in desk.COLLATERAL}
    assert left["alpha"] == {"USDT": 500 * MICRO}
    assert left["beta"] == {"USDC": 300 * MICRO}
    assert left["vault"] == BOOK.portfolio.accounts["vault"].balances


def test_actions_at_other_venues_leave_an_account_as_it_is_and_later_ones_still_count() -> None:
    actions = [order(BETA_BTC, 100), send("beta", "alpha", 10), order(ALPHA_BTC, 500)]
    after = account_after(FREE, BOOK, "alpha", actions)
    assert after.positions[ALPHA_BTC] == Position(2_500, 130_000 * MICRO)
    mixed = account_after(FREE, BOOK, "alpha", [send("beta", "alpha", 10), order(ALPHA_BTC, 500)])
    assert mixed == after


def test_situation_after_has_every_account_after_and_the_same_market() -> None:
    actions = [order(ALPHA_BTC, -500), order(BETA_BTC, 100), send("beta", "alpha", 10)]
    after = situation_after(TERMS, BOOK, actions)
    for venue in desk.COLLATERAL:
        expected = account_after(TERMS, BOOK, venue, actions)
        assert after.portfolio.accounts[venue] == expected
    assert (after.snapshot, after.outer, after.equity_usd) == (
        BOOK.snapshot,
        BOOK.outer,
        BOOK.equity_usd,
    )


def test_cost_of_an_order_is_its_spread_its_impact_and_its_fee() -> None:
    """Of 60,000 dollars half a thousandth is the fee."""
    instrument, what = desk.INSTRUMENTS[ALPHA_BTC], order(ALPHA_BTC, 1_000)
    slip = slippage(instrument, TERMS.costs[ALPHA_BTC], 1_000, desk.quote(ALPHA_BTC), 5e4)
    assert slip.spread_quanta > 0
    assert slip.impact_quanta > 0
    fee = TERMS.costs[ALPHA_BTC].fee_quanta(instrument.notional(1_000, slip.ticks))
    assert fee == pytest.approx(30 * MICRO, rel=0.01)
    found = order_cost(TERMS, BOOK, what, 5e4)
    assert found == slip.spread_quanta + slip.impact_quanta + fee


def test_orders_of_one_instrument_pay_the_impact_of_those_before_them_and_others_do_not() -> None:
    first, second, other = order(ALPHA_BTC, 500), order(ALPHA_BTC, 700), order(ALPHA_ETH, 50)
    elsewhere = order(BETA_BTC, 900)
    paid = [
        order_cost(TERMS, BOOK, first, 0.0),
        order_cost(TERMS, BOOK, second, 30_000.0),
        order_cost(TERMS, BOOK, other, 0.0),
    ]
    assert paid[1] > order_cost(TERMS, BOOK, second, 0.0)
    actions = [send("alpha", "beta", 10), first, elsewhere, second, other]
    costly, free = (account_after(t, BOOK, "alpha", actions).balances for t in (TERMS, FREE))
    assert free["USDT"] - costly["USDT"] == sum(paid)


def ends(held_at_first: int, steps: Sequence[Sequence[int]]) -> tuple[int, int]:
    """Lowest and highest lots over every subset of each step's orders, the steps before it done."""
    begun, seen = held_at_first, [held_at_first]
    for step in steps:
        for chosen in product((0, 1), repeat=len(step)):
            seen.append(begun + sum(n for n, taken in zip(step, chosen, strict=True) if taken))
        begun += sum(step)
    return min(seen), max(seen)


@given(
    st.integers(-20, 20),
    st.lists(st.lists(st.integers(-20, 20).filter(bool), max_size=3), max_size=3),
)
def test_reach_of_a_plan_is_that_of_its_widest_outcome(lots: int, steps: list[list[int]]) -> None:
    def acts(step: list[int]) -> tuple[Order, ...]:
        return tuple(order(ALPHA_BTC, n, key=str(i)) for i, n in enumerate(step))

    beside = order(BETA_BTC, 500), send("alpha", "beta", 10)
    what = plan(*((*acts(step), *beside) for step in steps), raises=True)
    assert reached(what, ALPHA_BTC, lots) == ends(lots, steps)


@given(st.integers(-20, 20), st.integers(-20, 0), st.integers(0, 20))
def test_lots_held_for_sure_are_the_end_of_their_range_that_is_nearest_to_zero(
    lots: int, low: int, high: int
) -> None:
    positions = {ALPHA_BTC: held(ALPHA_BTC, lots)} if lots else {}
    book = desk.situation(desk.portfolio({"alpha": 1e6, "beta": 1e6}, positions))
    unsure = msgspec.structs.replace(book, unsettled=Unsettled(lots={ALPHA_BTC: (low, high)}))
    found = certain_lots(desk.terms(), unsure, ALPHA_BTC)
    assert found == min(range(lots + low, lots + high + 1), key=abs)
