# SPDX-License-Identifier: Apache-2.0
"""A Deribit account with options as a whole: margin balance, withdrawals, liquidation."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.margin.option_books import (
    COIN,
    COIN_OPTIONS,
    COIN_PERP,
    COIN_RULE,
    DOLLAR,
    DOLLAR_OPTIONS,
    DOLLAR_PERP,
    DOLLAR_RULE,
    FEE_PPM,
    FORWARD,
    INDEX,
    OPTION_FEE_PPM,
    RULES,
    account,
    books,
    bought,
    marks,
    option,
    rule,
)
from tidegate.margin.deribit import LIQUIDATION_ROUNDS
from tidegate.margin.deribit_options import DeribitOptions
from tidegate.model.account import Account, Position, fill_position

Book = tuple[DeribitOptions, Account, dict[str, int]]


def instrument(held: DeribitOptions, name: str) -> object:
    return held.options.get(name) or held.contracts.instruments[name]


def value(held: DeribitOptions, book: Account, at: dict[str, int], names: object) -> int:
    return sum(
        instrument(held, name).value(position.lots, at[name])  # type: ignore[attr-defined]
        for name, position in book.positions.items()
        if name in names  # type: ignore[operator]
    )


def test_account_summary_of_the_venues_documentation_is_met_to_its_last_digit_but_one() -> None:
    # docs.deribit.com, private/get_account_summary, example (segregated_sm), in BTC.
    balance, options_value, equity = 30_260_065_765, -860_000, 30_261_869_214
    session, margin_balance = -3_258_105 + 5_921_555, 30_262_729_214
    short = option("BTC", "C", "50000", "0.0001", "0.1")
    held = rule(short, collateral="BTC", perp=COIN_PERP)
    # A tenth of a coin was sold at 0.021 and is marked at 0.086: session loss 0.0065.
    sold = bought(short, -1, 210)
    future = Position(100, COIN_PERP.value(100, 120_000) - session)
    at = {short.id: 860, COIN_PERP.id: 120_000, FORWARD.id: 120_000}
    book = account(held, balance + sold.cost, {short.id: sold, COIN_PERP.id: future})
    state = held.state(book, at)
    assert short.value(-1, 860) == options_value
    assert short.value(-1, 860) - sold.cost == -650_000
    assert abs(state.equity - margin_balance) <= 1
    assert abs(held.equity(book, at) - equity) <= 1
    # available_withdrawal_funds = 301.35396172 = balance - initial: session profit stays.
    assert state.withdrawable == balance - state.initial
    summary_initial = 124_669_592
    assert balance - summary_initial == 30_135_396_173


@given(books())
def test_margin_balance_and_the_marks_of_options_are_all_that_the_account_is_worth(
    book: Book,
) -> None:
    held, owned, at = book
    state = held.state(owned, at)
    wallet = owned.balances[held.collateral]
    costs = sum(position.cost for position in owned.positions.values())
    everything = wallet - costs + value(held, owned, at, owned.positions)
    assert held.equity(owned, at) == everything
    assert state.equity == everything - value(held, owned, at, held.options)
    assert held.health_at(owned, at) == (state.equity, state.maintenance)
    assert state.initial >= state.maintenance >= 0


@given(books())
def test_all_that_is_withdrawable_may_leave_and_not_a_quantum_more(book: Book) -> None:
    held, owned, at = book
    state = held.state(owned, at)
    wallet = owned.balances[held.collateral]
    cash = wallet - sum(p.cost for n, p in owned.positions.items() if n in held.options)
    left = replace_wallet(owned, held, wallet - state.withdrawable)
    after = held.state(left, at)
    assert after.withdrawable == 0
    if state.withdrawable:
        assert after.equity >= after.initial
        assert cash - state.withdrawable >= state.initial
        assert min(cash, state.equity) - state.withdrawable == state.initial


def replace_wallet(owned: Account, held: DeribitOptions, wallet: int) -> Account:
    return Account(owned.venue, {held.collateral: wallet}, owned.positions)


@given(books(), st.integers(0, 40))
def test_account_without_options_is_what_it_was_under_the_plain_rule(
    book: Book, attempt: int
) -> None:
    held, owned, at = book
    kept = {n: p for n, p in owned.positions.items() if n not in held.options}
    plain = Account(owned.venue, owned.balances, kept)
    state, was = held.state(plain, at), held.contracts.state(plain, at)
    assert (state.equity, state.initial, state.maintenance, state.binding) == (
        was.equity,
        was.initial,
        was.maintenance,
        was.binding,
    )
    # The plain rule lets profit stand in for initial margin, which the venue does not.
    assert state.withdrawable <= was.withdrawable
    step = held.contracts.liquidation_step(plain, at, attempt)
    assert held.liquidation_step(plain, at, attempt) == step


@given(books())
def test_binding_is_a_position_that_requires_most(book: Book) -> None:
    held, owned, at = book
    needs = {n: held.initial(n, p.lots, at) for n, p in owned.positions.items()}
    binding = held.state(owned, at).binding
    assert (binding is None) == (not needs)
    if binding is not None:
        assert needs[binding] == max(needs.values())


def test_long_option_lends_its_value_to_no_other_position() -> None:
    # A call worth 10,000 dollars beside a perpetual whose margin the cash does not cover.
    call = DOLLAR_OPTIONS[0]
    held = {call.id: bought(call, 100, 2_000), DOLLAR_PERP.id: bought(DOLLAR_PERP, 1_000, 120_000)}
    book = account(DOLLAR_RULE, 10_000 * DOLLAR + 500 * DOLLAR, held)
    at = {call.id: 2_000, DOLLAR_PERP.id: 120_000, FORWARD.id: 120_000}
    state = DOLLAR_RULE.state(book, at)
    assert state.equity == 500 * DOLLAR < state.maintenance == 603 * DOLLAR
    assert DOLLAR_RULE.equity(book, at) == 10_500 * DOLLAR
    assert state.withdrawable == 0


def test_premium_received_is_cash_and_may_leave_as_far_as_the_margin_lets_it() -> None:
    # Sold at 0.2 BTC and marked at 0.01: 1 + 0.2 of cash, 0.15 + 0.01 stay as initial margin.
    call = COIN_OPTIONS[0]
    book = account(COIN_RULE, COIN, {call.id: bought(call, -10, 2_000)})
    state = COIN_RULE.state(book, {call.id: 100, FORWARD.id: 120_000})
    assert state.equity == 120 * COIN // 100
    assert state.withdrawable == state.equity - 16 * COIN // 100


@given(books())
def test_liquidation_starts_below_maintenance_and_only_there(book: Book) -> None:
    held, owned, at = book
    balance, maintenance = held.health_at(owned, at)
    step = held.liquidation_step(owned, at, 0)
    assert (step is not None) == (balance < maintenance and bool(owned.positions))
    if step is None:
        return
    assert not step.takeover
    assert step.closes
    for name, lots in step.closes:
        position = owned.positions[name].lots
        assert lots * position < 0
        assert abs(lots) <= abs(position)


def closed(held: DeribitOptions, book: Account, step: object, at: dict[str, int]) -> Account:
    """The account after a step's fills at the marks, without costs."""
    positions, wallet = dict(book.positions), book.balances[held.collateral]
    for name, lots in step.closes:  # type: ignore[attr-defined]
        cost = instrument(held, name).entry_cost(lots, at[name])  # type: ignore[attr-defined]
        outcome = fill_position(positions[name], lots, cost)
        positions[name] = outcome.position
        wallet += outcome.realised_quanta
        if outcome.position.lots == 0:
            del positions[name]
    return account(held, wallet, positions)


@given(books())
def test_liquidation_at_the_marks_ends_solvent_or_with_nothing_left(book: Book) -> None:
    held, owned, at = book
    worth = held.equity(owned, at)
    for attempt in range(LIQUIDATION_ROUNDS):
        step = held.liquidation_step(owned, at, attempt)
        if step is None:
            break
        owned = closed(held, owned, step, at)
    else:
        assert not owned.positions
    balance, maintenance = held.health_at(owned, at)
    assert balance >= maintenance or not owned.positions
    # Fills at the marks lose no more than their rounding, two quanta each.
    assert worth - 400 <= held.equity(owned, at) <= worth


def test_account_worth_nothing_is_closed_at_once_without_a_fee() -> None:
    call = COIN_OPTIONS[0]
    held = {call.id: bought(call, -10, 100), COIN_PERP.id: bought(COIN_PERP, 5, 120_000)}
    at = {call.id: 6_000, COIN_PERP.id: 120_000, FORWARD.id: 120_000}
    book = account(COIN_RULE, 59 * COIN // 100, held)
    step = COIN_RULE.liquidation_step(book, at, 0)
    assert step is not None
    assert dict(step.closes) == {call.id: 10, COIN_PERP.id: -5}
    assert step.clearance_ppm == {}
    # A hundredth of a coin more and it is closed by parts, at a fee.
    step = COIN_RULE.liquidation_step(replace_wallet(book, COIN_RULE, 60 * COIN // 100), at, 0)
    assert step is not None
    assert step.closes == ((call.id, 1),)
    assert step.clearance_ppm[call.id] == OPTION_FEE_PPM
    assert step.clearance_ppm[COIN_PERP.id] == FEE_PPM


def test_short_that_requires_most_goes_first_and_long_options_last() -> None:
    short, long, small = COIN_OPTIONS[0], COIN_OPTIONS[2], COIN_OPTIONS[3]
    at = {short.id: 1_000, long.id: 900, small.id: 10, COIN_PERP.id: 120_000, FORWARD.id: 120_000}
    held = {
        short.id: bought(short, -64, 1_000),
        long.id: bought(long, 64, 900),
        small.id: bought(small, 3, 10),
        COIN_PERP.id: bought(COIN_PERP, 60_000, 120_000),
    }
    book = account(COIN_RULE, 64 * COIN // 1_000, held)
    step = COIN_RULE.liquidation_step(book, at, 0)
    assert step is not None
    assert step.closes == ((short.id, 2),)
    # With only long options left and cash below nothing, the one worth most is sold by parts.
    longs = {name: held[name] for name in (long.id, small.id)}
    spent = sum(position.cost for position in longs.values())
    broke = account(COIN_RULE, spent - 1_000, longs)
    step = COIN_RULE.liquidation_step(broke, at, 0)
    assert step is not None
    assert step.closes == ((long.id, -2),)
    last = COIN_RULE.liquidation_step(broke, at, LIQUIDATION_ROUNDS - 1)
    assert last is not None
    assert dict(last.closes) == {long.id: -64, small.id: -3}


@given(st.sampled_from(RULES), st.data())
def test_empty_account_has_its_wallet_and_needs_nothing(
    held: DeribitOptions, data: st.DataObject
) -> None:
    wallet = data.draw(st.integers(-COIN, COIN))
    state = held.state(account(held, wallet, {}), data.draw(marks(held)))
    assert (state.equity, state.initial, state.maintenance) == (wallet, 0, 0)
    assert state.withdrawable == max(0, wallet)
    assert held.liquidation_step(account(held, wallet, {}), {}, 0) is None


@pytest.mark.parametrize(
    ("level", "share"),
    # Strike 61,234.5: far out at 40,000, 2.0575 % out at 60,000, in the money at 100,000.
    [(80_000, "0.10"), (120_000, "0.129425"), (200_000, "0.15")],
)
def test_initial_margin_follows_the_named_underlying_and_not_the_index(
    level: int, share: str
) -> None:
    call = COIN_OPTIONS[2]
    asked = COIN_RULE.initial(call.id, -10, {call.id: 0, FORWARD.id: level, INDEX.id: 1})
    assert asked == Decimal(share) * COIN
