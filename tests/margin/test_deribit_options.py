# SPDX-License-Identifier: Apache-2.0
"""What Deribit's standard margin asks for options: published cases, and the exact formula."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

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
    FORWARD,
    INDEX,
    RATES,
    account,
    bought,
    contracts,
    option,
    rule,
)
from tests.margin.parity import read
from tidegate.margin.deribit_options import DeribitOptions, OptionRates
from tidegate.model.account import Account, Position
from tidegate.model.errors import InputError
from tidegate.model.instruments import Index, Option
from tidegate.model.units import ceil_div

# Lots so small that neither a share of the underlying nor a premium is a whole quantum.
ODD_OPTIONS = tuple(
    option(settle, kind, "55555.5", tick, "0.0000007")
    for settle, tick in (("BTC", "0.0003"), ("USDC", "0.13"))
    for kind in ("C", "P")
)
OPTIONS = COIN_OPTIONS + DOLLAR_OPTIONS + ODD_OPTIONS
RULES = (
    COIN_RULE,
    DOLLAR_RULE,
    rule(*ODD_OPTIONS[:2], collateral="BTC"),
    rule(*ODD_OPTIONS[2:], collateral="USDC"),
)
LOTS = st.integers(1, 10**6)
PREMIUMS = st.one_of(st.integers(0, 20), st.integers(0, 20_000))
UNDERLYINGS = st.one_of(st.integers(90_000, 130_000), st.integers(1, 10**6))


def rule_of(one: Option) -> DeribitOptions:
    (found,) = (held for held in RULES if one.id in held.options)
    return found


def ticks_of(amount: Decimal) -> tuple[Decimal, int]:
    """A step of a power of ten and the whole number of them in an amount."""
    exponent = min(0, int(amount.as_tuple().exponent))
    return Decimal(1).scaleb(exponent), int(amount.scaleb(-exponent))


class Case:
    """One published case, as an account of one option settled in coin or in dollars."""

    def __init__(self, case: Any, settle: str) -> None:
        underlying = Decimal(case["underlying"])
        mark = Decimal(case["mark"]) * (1 if settle == "BTC" else underlying)
        tick, self.ticks = ticks_of(mark)
        step, self.level = ticks_of(underlying)
        lot, lots = ticks_of(Decimal(case.get("qty", 1)))
        index = Index("deribit", "u", step)
        kind = "C" if case["type"] == "call" else "P"
        self.option = option(settle, kind, str(case["strike"]), str(tick), str(lot), index)
        self.rule = rule(self.option, collateral=settle, underlying=index)
        self.lots = -abs(lots) if case["side"] == "short" else abs(lots)
        self.marks = {self.option.id: self.ticks, index.id: self.level}
        quanta_usd = Fraction(underlying) / COIN if settle == "BTC" else Fraction(1, DOLLAR)
        self.usd = quanta_usd

    def held(self, lots: int) -> Account:
        """A wallet of a hundred units, and lots bought at the mark."""
        unit = COIN if self.option.coin_settled else DOLLAR
        positions = {self.option.id: bought(self.option, lots, self.ticks)} if lots else {}
        return Account("deribit", {self.rule.collateral: 10**4 * unit}, positions)


@pytest.mark.parametrize("settle", ["BTC", "USDC"])
def test_parity_of_every_published_option_is_exact(cases_root: Path, settle: str) -> None:
    for said in read(cases_root, "deribit/standard-options", exact=True):
        case = Case(said, settle)
        state = case.rule.state(case.held(case.lots), case.marks)
        short = case.lots < 0
        initial = said["expected_im_usd"] if short else said["position_im_usd"]
        maintenance = said["expected_mm_usd"] if short else said["position_mm_usd"]
        assert state.initial * case.usd == initial
        assert state.maintenance * case.usd == maintenance


@pytest.mark.parametrize("settle", ["BTC", "USDC"])
def test_parity_order_for_a_long_option_takes_its_premium_from_what_is_available(
    cases_root: Path, settle: str
) -> None:
    cases = read(cases_root, "deribit/standard-options", exact=True)
    for said in (case for case in cases if case["side"] == "long"):
        case = Case(said, settle)
        before, after = (case.rule.state(case.held(n), case.marks) for n in (0, case.lots))
        taken = (before.equity - before.initial) - (after.equity - after.initial)
        assert taken * case.usd == said["order_im_usd"]
        assert (before.withdrawable - after.withdrawable) * case.usd == said["order_im_usd"]


def exact_margins(one: Option, lots: int, ticks: int, level: int) -> tuple[Fraction, Fraction]:
    """Initial and maintenance in quanta by the venue's page, in fractions, per coin first."""
    u, k = level * Fraction(FORWARD.tick), Fraction(one.strike)
    mark = ticks * Fraction(one.tick)
    out = max(k - u, 0) if one.is_call else max(u - k, 0)
    share, unit = max(Fraction(15, 100) - out / u, Fraction(1, 10)), Fraction(1)
    if not one.coin_settled:
        unit = u
    maintenance = Fraction(75, 1000) * unit + mark
    initial = share * unit + mark
    if not one.is_call:
        maintenance = max(Fraction(75, 1000) * unit, Fraction(75, 1000) * mark) + mark
        initial = max(initial, maintenance)
    quanta = lots * Fraction(one.lot) * (COIN if one.coin_settled else DOLLAR)
    return initial * quanta, maintenance * quanta


@given(st.sampled_from(OPTIONS), LOTS, PREMIUMS, UNDERLYINGS)
def test_short_option_needs_the_formula_rounded_up_once(
    one: Option, lots: int, ticks: int, level: int
) -> None:
    held, marks = rule_of(one), {one.id: ticks, FORWARD.id: level}
    for exact, asked in zip(
        exact_margins(one, lots, ticks, level),
        (held.initial(one.id, -lots, marks), held.maintenance(one.id, -lots, marks)),
        strict=True,
    ):
        assert asked == ceil_div(exact.numerator, exact.denominator)


def test_call_far_out_of_the_money_needs_a_tenth_and_a_near_one_what_its_distance_leaves() -> None:
    # Strike 61,234.5 at 60,000 is 2.0575 % out: 0.15 - 0.020575; at 40,000 the tenth holds.
    call = COIN_OPTIONS[2]
    near = COIN_RULE.initial(call.id, -10, {call.id: 100, FORWARD.id: 120_000})
    far = COIN_RULE.initial(call.id, -10, {call.id: 100, FORWARD.id: 80_000})
    assert (near, far) == (12_942_500 + 1_000_000, 10_000_000 + 1_000_000)


def test_deep_put_settled_in_coin_needs_more_than_its_coins() -> None:
    # Marked at 2 coins: 0.075 x 2 + 2 are more than 0.15 + 2, so initial is maintenance.
    put = COIN_OPTIONS[1]
    marks = {put.id: 20_000, FORWARD.id: 40_000}
    assert COIN_RULE.maintenance(put.id, -10, marks) == 215_000_000
    assert COIN_RULE.initial(put.id, -10, marks) == 215_000_000
    richer = {put.id: 30_000, FORWARD.id: 30_000}
    assert COIN_RULE.initial(put.id, -10, richer) == 322_500_000


@given(st.sampled_from(OPTIONS), LOTS, LOTS, PREMIUMS, UNDERLYINGS)
def test_margin_grows_with_the_short_size_and_initial_is_not_below_maintenance(
    one: Option, lots: int, more: int, ticks: int, level: int
) -> None:
    held, marks = rule_of(one), {one.id: ticks, FORWARD.id: level}
    for asked in (held.initial, held.maintenance):
        assert 0 < asked(one.id, -lots, marks) <= asked(one.id, -lots - more, marks)
        # A short is charged for at least what it would cost to buy back at the mark.
        assert asked(one.id, -lots, marks) >= -one.value(-lots, ticks)
    assert held.initial(one.id, -lots, marks) >= held.maintenance(one.id, -lots, marks)


@given(st.sampled_from(OPTIONS), LOTS, PREMIUMS, PREMIUMS, UNDERLYINGS)
def test_margin_of_a_short_does_not_fall_when_its_premium_rises(
    one: Option, lots: int, ticks: int, more: int, level: int
) -> None:
    held = rule_of(one)
    for asked in (held.initial, held.maintenance):
        before = asked(one.id, -lots, {one.id: ticks, FORWARD.id: level})
        assert asked(one.id, -lots, {one.id: ticks + more, FORWARD.id: level}) >= before


@given(st.sampled_from(OPTIONS), LOTS, PREMIUMS, PREMIUMS, UNDERLYINGS, st.integers(0, COIN))
def test_long_option_needs_nothing_and_cannot_lose_more_than_its_premium(
    one: Option, lots: int, entry: int, ticks: int, level: int, spare: int
) -> None:
    position = bought(one, lots, entry)
    held = rule_of(one)
    book = account(held, position.cost + spare, {one.id: position})
    marks = {one.id: ticks, FORWARD.id: level}
    state = held.state(book, marks)
    assert (state.initial, state.maintenance) == (0, 0)
    # What is left whatever the marks is all but the premium, so there is nothing to call.
    assert state.equity == state.withdrawable == spare
    assert held.equity(book, marks) >= spare
    assert held.liquidation_step(book, marks, 0) is None


def refuses(held: DeribitOptions, book: Account, marks: dict[str, int], name: str) -> None:
    for ask in (held.state, held.health_at, held.equity):
        with pytest.raises(InputError, match=f"^marks: {name}: expected a mark"):
            ask(book, marks)


@pytest.mark.parametrize("lots", [-3, 3])
@pytest.mark.parametrize(
    ("held", "one", "perp"),
    [(COIN_RULE, COIN_OPTIONS[0], COIN_PERP), (DOLLAR_RULE, DOLLAR_OPTIONS[3], DOLLAR_PERP)],
)
def test_missing_or_impossible_mark_is_named_and_never_taken_as_zero(
    held: DeribitOptions, one: Option, perp: Any, lots: int
) -> None:
    book = account(held, COIN, {one.id: bought(one, lots, 10), perp.id: bought(perp, 5, 120_000)})
    marks = {one.id: 10, FORWARD.id: 120_000, perp.id: 120_000}
    held.state(book, marks)
    for name in marks:
        refuses(held, book, {n: t for n, t in marks.items() if n != name}, name)
        refuses(held, book, {**marks, name: -1}, name)
    for name in (FORWARD.id, perp.id):
        refuses(held, book, {**marks, name: 0}, name)
    held.state(book, {**marks, one.id: 0})


def test_position_that_the_account_cannot_hold_is_refused() -> None:
    stranger = Account("deribit", {"BTC": COIN}, {"deribit:X": Position(1, 0)})
    with pytest.raises(InputError, match="deribit:X: expected an option or contract of this acc"):
        COIN_RULE.state(stranger, {"deribit:X": 1})


def test_option_has_no_convex_line_and_its_contracts_keep_theirs() -> None:
    with pytest.raises(InputError, match="options have no lines"):
        COIN_RULE.lines(COIN_OPTIONS[0].id, 1, 1e6)
    lines = COIN_RULE.lines(COIN_PERP.id, 100_000, 1e6)
    assert lines == COIN_RULE.contracts.lines(COIN_PERP.id, 100_000, 1e6) != ()


IN_COIN, IN_DOLLARS = COIN_OPTIONS[0], DOLLAR_OPTIONS[0]


@pytest.mark.parametrize(
    ("held", "collateral", "underlyings", "rates", "complaint"),
    [
        (IN_COIN, "USDC", {IN_COIN.id: INDEX}, {"BTC": RATES}, "an option settled in USDC"),
        (IN_COIN, "BTC", {}, {"BTC": RATES}, "expected its underlying's index"),
        (IN_COIN, "BTC", {IN_COIN.id: INDEX}, {"ETH": RATES}, "the option rates of BTC"),
        (
            replace(IN_DOLLARS, settle="ETH"),
            "ETH",
            {replace(IN_DOLLARS, settle="ETH").id: INDEX},
            {"BTC": RATES},
            "settled in its coin or in dollars",
        ),
    ],
)
def test_rule_that_lacks_a_term_of_an_option_is_refused_in_one_line(
    held: Option,
    collateral: str,
    underlyings: dict[str, Index],
    rates: dict[str, OptionRates],
    complaint: str,
) -> None:
    with pytest.raises(InputError, match=complaint):
        DeribitOptions(contracts(collateral=collateral), {held.id: held}, underlyings, rates)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"maintenance": Fraction(0)}, "0 < m <= b <= a <= 1"),
        ({"maintenance": Fraction("0.11")}, "0 < m <= b <= a <= 1"),
        ({"initial": Fraction("0.09")}, "0 < m <= b <= a <= 1"),
        ({"initial": Fraction(2)}, "0 < m <= b <= a <= 1"),
        ({"clearance_ppm": -1}, "clearance_ppm"),
        ({"clearance_ppm": 1_000_001}, "clearance_ppm"),
    ],
)
def test_rates_that_contradict_each_other_are_refused(changed: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError, match=field):
        replace(RATES, **changed)


def test_plain_standard_margin_takes_no_option_for_a_contract() -> None:
    with pytest.raises(InputError, match="expected a contract settled in USDC"):
        contracts(IN_DOLLARS, collateral="USDC")
