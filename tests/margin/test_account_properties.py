# SPDX-License-Identifier: Apache-2.0
"""What holds of the scenario rules on random accounts of many options, in random markets.

What holds of every rule, these included, is tried at one market in test_statement_rules.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.margin.account_books import (
    CASH,
    NOW_MS,
    RULES,
    SPOT,
    Book,
    at,
    drawn_book,
    future,
    market_of,
    option,
    perpetual,
)
from tests.margin.statement_books import ratios_between
from tidegate.margin.deribit_portfolio import DeribitPortfolio
from tidegate.margin.holdings import Holding, Holdings, WorkingOrder
from tidegate.margin.liquidation_distance import liquidation_ratios, moved_market
from tidegate.margin.market_values import (
    Key,
    MarketValues,
    dollar_of,
    fixed_of,
    fixed_share_of,
    forward_of,
    index_of,
    mark_of,
    vol_of,
)
from tidegate.margin.statement import Statement
from tidegate.model.errors import InputError
from tidegate.model.instruments import Option

SEEDS = st.integers(0, 2**32 - 1)
KINDS = st.sampled_from(sorted(RULES))
ORACLES = ("derive-portfolio", "derive-standard")


def stated(book: Book) -> Statement:
    return book.rule.statement(book.holdings, book.market)


def read_keys(book: Book) -> list[Key]:
    """The figures without which the book cannot be valued."""
    keys = []
    for key in book.market.values:
        values = {other: seen for other, seen in book.market.values.items() if other != key}
        try:
            book.rule.statement(book.holdings, replace(book.market, values=values))
        except InputError:
            keys.append(key)
    return keys


def with_collateral(book: Book, asset: str, more: float) -> Book:
    collateral = dict(book.holdings.collateral)
    collateral[asset] = collateral.get(asset, 0.0) + more
    return replace(book, holdings=replace(book.holdings, collateral=collateral))


@pytest.mark.parametrize("kind", sorted(set(RULES) - set(ORACLES)))
def test_unsure_figure_is_refused_by_name_where_the_venue_has_no_penalty(kind: str) -> None:
    book = drawn_book(7, kind)
    for key in read_keys(book):
        values = dict(book.market.values)
        values[key] = replace(values[key], confidence=0.54)
        for least in (1.0, 0.9, 0.55):
            market = replace(book.market, values=values, least_confidence=least)
            with pytest.raises(InputError, match=f"{key[0]}.*confidence of at least {least}"):
                book.rule.statement(book.holdings, market)
        market = replace(book.market, values=values, least_confidence=0.54)
        assert book.rule.statement(book.holdings, market) == stated(book)


@pytest.mark.parametrize("kind", ORACLES)
def test_unsure_worth_of_the_dollar_coin_is_refused_at_derive_which_has_no_penalty_for_it(
    kind: str,
) -> None:
    book = drawn_book(7, kind)
    values = dict(book.market.values)
    values[dollar_of(CASH)] = replace(values[dollar_of(CASH)], confidence=0.01)
    with pytest.raises(InputError, match=r"dollar USDC.*confidence of at least 1"):
        book.rule.statement(book.holdings, replace(book.market, values=values))
    market = replace(book.market, values=values, least_confidence=0.01)
    assert book.rule.statement(book.holdings, market) == stated(book)


@given(SEEDS, KINDS)
def test_requirements_are_never_negative_and_initial_is_at_least_maintenance(
    seed: int, kind: str
) -> None:
    one = stated(drawn_book(seed, kind))
    assert one.maintenance >= 0.0
    assert one.initial >= one.maintenance - 1e-9 * one.initial


@given(SEEDS, KINDS)
def test_parts_add_up_to_each_requirement(seed: int, kind: str) -> None:
    one = stated(drawn_book(seed, kind))
    for name, total in (("initial", one.initial), ("maintenance", one.maintenance)):
        parts = [part for label, part in one.parts.items() if label.startswith(f"{name}: ")]
        assert sum(parts) == pytest.approx(total, rel=1e-12, abs=1e-9)


@given(SEEDS, KINDS, st.floats(1e-3, 10.0))
def test_collateral_never_lowers_health_or_what_initial_margin_leaves(
    seed: int, kind: str, more: float
) -> None:
    book = drawn_book(seed, kind)
    before = stated(book)
    for asset in book.holdings.collateral:
        amount = more * (SPOT["BTC"] if asset != "BTC" else 1.0)
        after = stated(with_collateral(book, asset, amount))
        scale = abs(before.equity) + before.initial
        assert after.health >= before.health - 1e-12 * scale
        left = (after.equity - after.initial) - (before.equity - before.initial)
        assert left >= -1e-12 * scale


@given(SEEDS, KINDS)
def test_withdrawable_is_at_most_cash_and_at_most_what_initial_margin_leaves(
    seed: int, kind: str
) -> None:
    book = drawn_book(seed, kind)
    one = stated(book)
    assert one.withdrawable is not None
    assert 0.0 <= one.withdrawable <= max(0.0, one.equity - one.initial)


@given(SEEDS, KINDS)
def test_an_account_without_positions_requires_nothing_for_its_cash(seed: int, kind: str) -> None:
    book = drawn_book(seed, kind)
    cash = "BTC" if kind == "deribit-btc" else CASH
    empty = replace(book, holdings=Holdings((), {cash: 1_000.0}))
    one = stated(empty)
    assert (one.initial, one.maintenance) == (0.0, 0.0)
    assert one.binding == "nothing at risk"
    assert one.withdrawable == one.equity == 1_000.0


@given(SEEDS, KINDS)
def test_twice_the_book_needs_twice_as_much_and_more_where_a_dampener_fades(
    seed: int, kind: str
) -> None:
    book = drawn_book(seed, kind)
    doubled = tuple(replace(each, size=2.0 * each.size) for each in book.holdings.positions)
    collateral = {asset: 2.0 * amount for asset, amount in book.holdings.collateral.items()}
    twice = stated(replace(book, holdings=Holdings(doubled, collateral)))
    once = stated(book)
    if kind in {"deribit-btc", "deribit-usdc"}:
        assert twice.maintenance >= 2.0 * once.maintenance * (1.0 - 1e-12)
    elif kind != "deribit-cross":
        # Across currencies a gain that is dampened less covers more, so that nothing is promised.
        assert twice.maintenance == pytest.approx(2.0 * once.maintenance, rel=1e-12)


@pytest.mark.parametrize("kind", sorted(RULES))
def test_every_figure_that_values_the_book_is_named_when_missing_stale_or_not_finite(
    kind: str,
) -> None:
    book = drawn_book(7, kind)
    keys = read_keys(book)
    held = {index_of(each.base) for each in book.instruments}
    for each in book.instruments:
        if isinstance(each, Option):
            held |= {forward_of(each.base, each.expiry_ms), vol_of(each.id)}
    assert held <= set(keys)
    for key in keys:
        seen = book.market.values[key]
        late = replace(seen, as_of_ms=NOW_MS - book.market.stale_after_ms - 1)
        ahead = replace(seen, as_of_ms=NOW_MS + 1)
        for bad in (None, late, ahead, replace(seen, value=float("nan"))):
            values = dict(book.market.values)
            values.pop(key)
            if bad is not None:
                values[key] = bad
            with pytest.raises(InputError, match=key[0]):
                book.rule.statement(book.holdings, replace(book.market, values=values))


@pytest.mark.parametrize("kind", sorted(RULES))
def test_a_price_that_is_not_above_zero_is_refused(kind: str) -> None:
    book = drawn_book(7, kind)
    for key in read_keys(book):
        if key[0] in {"index", "forward", "dollar"}:
            values = dict(book.market.values)
            values[key] = replace(values[key], value=0.0)
            with pytest.raises(InputError, match="above 0"):
                book.rule.statement(book.holdings, replace(book.market, values=values))


@given(SEEDS, st.sampled_from(ORACLES), st.floats(0.0, 0.5))
def test_low_confidence_raises_initial_margin_by_the_venues_penalty_and_nothing_else(
    seed: int, kind: str, confidence: float
) -> None:
    book = drawn_book(seed, kind)
    sure = stated(book)
    values = {
        key: replace(s, confidence=1.0 if key[0] == "dollar" else confidence)
        for key, s in book.market.values.items()
    }
    unsure = book.rule.statement(book.holdings, replace(book.market, values=values))
    assert unsure.maintenance == pytest.approx(sure.maintenance, rel=1e-12)
    assert unsure.equity == sure.equity
    assert unsure.initial > sure.initial


@settings(max_examples=12)
@given(SEEDS, KINDS)
def test_health_is_nothing_at_the_liquidation_ratio_negative_beyond_and_positive_before(
    seed: int, kind: str
) -> None:
    book = drawn_book(seed, kind, 3)
    need = stated(book)
    cash = "BTC" if kind == "deribit-btc" else CASH
    more = max(0.0, need.initial * 1.3 - need.equity)
    book = with_collateral(book, cash, more)
    found = liquidation_ratios(book.rule, book.holdings, book.market, "BTC")

    def health(ratio: float) -> float:
        market = moved_market(book.market, book.holdings, ("BTC",), ratio)
        return book.rule.statement(book.holdings, market).health

    scale = need.initial + abs(need.equity) + more
    sides = ((found.below, found.lowest, -1.0), (found.above, found.highest, 1.0))
    for ratio, end, outward in sides:
        nearer = ratios_between(end if ratio is None else ratio, 30)
        assert all(health(each) >= -1e-9 * scale for each in nearer)
        if ratio is not None:
            assert 0.0 <= health(ratio) <= 1e-9 * scale
            assert health(float(np.nextafter(ratio, outward * np.inf))) < 0.0


def test_an_insolvent_account_is_at_its_liquidation_now() -> None:
    book = drawn_book(3, "paradex")
    broke = replace(book, holdings=replace(book.holdings, collateral={CASH: -1e9}))
    found = liquidation_ratios(broke.rule, broke.holdings, broke.market, "BTC")
    assert (found.below, found.above) == (1.0, 1.0)


def hedged(kind: str, positions: tuple[Holding, ...], collateral: dict[str, float]) -> Statement:
    values = market_of(np.random.default_rng(0), [each.instrument for each in positions])
    values[index_of("BTC")] = 100_000.0
    for each in positions:
        if not isinstance(each.instrument, Option):
            values[mark_of(each.instrument.id)] = 100_000.0
    return RULES[kind].statement(Holdings(positions, collateral), at(values))


def test_coin_hedged_with_the_perpetual_needs_its_contingencies_alone_at_derive() -> None:
    perp = perpetual("BTC", CASH)
    one = hedged("derive-portfolio", (Holding(perp, -2.0, 100_000.0),), {"BTC": 2.0})
    # Perpetual 3 % (and 1 % initially) of spot, coin 2 % (and 1 %).
    assert one.parts["maintenance: worst loss"] == pytest.approx(0.0, abs=1e-9)
    assert one.maintenance == pytest.approx(2 * 100_000.0 * (0.03 + 0.02))
    assert one.initial == pytest.approx(2 * 100_000.0 * (0.04 + 0.03))


def test_future_hedged_with_the_perpetual_needs_the_roll_shock_alone_at_deribit() -> None:
    perp, dated = perpetual("BTC", "BTC"), future("BTC", "BTC", 30)
    positions = (Holding(perp, 1e5, 1e5), Holding(dated, -1e5, 1e5))
    one = hedged("deribit-btc", positions, {"BTC": 1.0})
    # One coin in each of two expiries: 1 % of the perpetual, exp(7.5 % x 30 / 365) - 1 < 1 %.
    assert one.parts["initial: worst loss"] == pytest.approx(0.0, abs=1e-15)
    assert one.initial == pytest.approx(2 * 0.01)
    assert one.maintenance == pytest.approx(0.8 * 2 * 0.01)


def test_synthetic_forward_hedged_with_the_perpetual_needs_the_floor_at_paradex() -> None:
    call, put = (option("BTC", CASH, 30, 1e5, is_call) for is_call in (True, False))
    positions = (
        Holding(call, 1.0, 0.0),
        Holding(put, -1.0, 0.0),
        Holding(perpetual("BTC", CASH), -1.0, 1e5),
    )
    values = market_of(np.random.default_rng(0), [each.instrument for each in positions])
    values |= {index_of("BTC"): 1e5, mark_of(positions[2].instrument.id): 1e5}
    values |= {forward_of("BTC", call.expiry_ms): 1e5, vol_of(put.id): values[vol_of(call.id)]}
    one = RULES["paradex"].statement(Holdings(positions, {CASH: 1e5}), at(values))
    # Net delta nothing, gross two: hedged one, at 1 % of spot.
    assert one.binding == "floor"
    assert one.parts["initial: worst loss"] == pytest.approx(1_000.0)


def test_documented_example_of_paradex_charges_1400_for_its_deltas() -> None:
    # docs.paradex.trade, Portfolio Margin: long 1 perpetual, short 5 calls of delta 0.3 at 70,000:
    # (2 % x 0.5 + 1 % x 1.0) x 70,000.
    book = drawn_book(1, "paradex", 1)
    prepared = RULES["paradex"].prepare(book.instruments, book.market)  # type: ignore[attr-defined]
    from tidegate.margin.paradex_portfolio import DOCUMENTED_2026, delta_floor
    from tidegate.margin.scenario.charges import stacked_charges

    rows = delta_floor(DOCUMENTED_2026, 70_000.0, {"perp": 1.0, "call": 0.3})
    floor = stacked_charges(rows, ("perp", "call"))
    asked, _ = floor.asked(floor.nets(np.array([[1.0, -5.0]])))
    assert asked.sum() == pytest.approx(1_400.0)
    assert prepared.floor is not None


def test_working_orders_reserve_and_reduce_only_ones_do_not_at_deribit() -> None:
    book = drawn_book(5, "deribit-btc")
    one = book.holdings.positions[-1].instrument
    orders = (WorkingOrder(one, 1e6, 1e5), WorkingOrder(one, -1e6, 1e5, True))
    held = replace(book.holdings, orders=orders)
    with_orders = book.rule.statement(held, book.market)
    alone = Holdings((Holding(one, 1e6, 1e5),), {"BTC": 0.0})
    needed = book.rule.statement(alone, book.market).initial
    assert with_orders.initial - stated(book).initial == pytest.approx(needed)
    assert with_orders.maintenance == stated(book).maintenance


def test_a_sessions_profit_is_equity_but_may_not_leave_at_deribit() -> None:
    book = drawn_book(5, "deribit-btc")
    idle = replace(book, holdings=Holdings((), {"BTC": 3.0}, realised={"BTC": 2.0}))
    one = stated(idle)
    assert (one.equity, one.withdrawable) == (5.0, 3.0)
    lost = replace(book, holdings=Holdings((), {"BTC": 3.0}, realised={"BTC": -2.0}))
    assert stated(lost).withdrawable == 1.0


@pytest.mark.parametrize(
    ("kind", "asset", "cross"), [("deribit-btc", "BTC", False), ("deribit-cross", CASH, True)]
)
def test_a_sessions_realised_loss_may_not_leave_though_unrealised_profit_covers_it_at_deribit(
    kind: str, asset: str, cross: bool
) -> None:
    one = perpetual("BTC", asset)
    seen = {**market_of(np.random.default_rng(0), [one]), mark_of(one.id): 1e5}
    seen |= {index_of("BTC"): 1e5, index_of(CASH): 1.0, dollar_of(CASH): 1.0}
    entry, size, unit = (5e4, 1.0, 1e5) if cross else (5e4, 2e5, 1.0)

    def leaves(realised: float) -> tuple[float, float]:
        held = Holdings((Holding(one, size, entry),), {asset: 5 * unit}, realised={asset: realised})
        state = RULES[kind].statement(held, at(seen))
        assert state.withdrawable is not None
        return state.equity, state.withdrawable

    (equity, free), (lost, lost_free), (won, won_free) = map(leaves, (0.0, -unit / 4, unit / 4))
    assert (lost - equity, won - equity) == pytest.approx((-unit / 4, unit / 4))
    assert lost_free - free == pytest.approx(-unit / 4)
    # Beyond cash a session's profit frees nothing; across currencies it may cost a haircut.
    assert 0 < won_free <= free


def test_a_peg_that_breaks_raises_initial_margin_alone_at_derive() -> None:
    book = drawn_book(5, "derive-standard")
    values = dict(book.market.values)
    values[dollar_of(CASH)] = replace(values[dollar_of(CASH)], value=0.9)
    broken = book.rule.statement(book.holdings, replace(book.market, values=values))
    assert broken.initial > stated(book).initial
    assert broken.maintenance == stated(book).maintenance


def test_cross_account_names_its_unit_and_another_currency_is_refused() -> None:
    with pytest.raises(InputError, match="expected USD"):
        DeribitPortfolio("BTC", cross=True)
    assert RULES["deribit-cross"].name == "deribit_portfolio_cross"


def foreign(kind: str) -> tuple[Holdings, MarketValues]:
    one = perpetual("ETH", "ETH")
    values = market_of(np.random.default_rng(0), [one])
    return Holdings((Holding(one, 1.0, 4_000.0),), {}), at(values)


@pytest.mark.parametrize("kind", sorted(set(RULES) - {"deribit-cross"}))
def test_an_instrument_that_the_account_cannot_hold_is_refused(kind: str) -> None:
    holdings, market = foreign(kind)
    with pytest.raises(InputError, match="expected"):
        RULES[kind].statement(holdings, market)


@pytest.mark.parametrize("kind", ["derive-portfolio", "derive-standard", "paradex"])
@pytest.mark.parametrize("settle", ["USDT", "BTC"])
def test_an_instrument_settled_in_another_asset_than_the_cash_is_refused_by_name(
    kind: str, settle: str
) -> None:
    dollars = perpetual("BTC", CASH)
    for one in (replace(dollars, settle=settle), option("BTC", settle, 30, 1e5, True)):
        seen = at(market_of(np.random.default_rng(0), [one]))
        with pytest.raises(InputError, match=f"{one.id}.*settled in USDC"):
            RULES[kind].statement(Holdings((Holding(one, 1.0, 1e5),), {}), seen)


def test_delta_of_an_option_decays_over_the_last_half_hour_and_its_mark_with_it() -> None:
    # support.deribit.com, 25944751433757: a decayed delta of 0.5 and a mark of 0.3 at 15 minutes
    # make 0.35; a call as deep as this one has a delta of 1 before it decays.
    call = replace(option("BTC", "BTC", 1, 70_000.0, True), expiry_ms=NOW_MS + 15 * 60_000)
    expiry_ms = call.expiry_ms
    values = {
        index_of("BTC"): 1e5,
        forward_of("BTC", expiry_ms): 1e5,
        fixed_of("BTC", expiry_ms): 5e4,
        fixed_share_of("BTC", expiry_ms): 0.5,
        vol_of(call.id): 0.5,
        mark_of(call.id): 0.3,
    }
    rule = RULES["deribit-btc"]
    holdings = Holdings((Holding(call, 1.0, 0.0),), {"BTC": 1.0})
    one = rule.statement(holdings, at(values))
    assert one.parts["initial: roll shock"] == pytest.approx(0.35 * 0.01)
    # Half of the forward no longer moves: at -16 % the average falls by 8 %.
    then = 1.0 - 70_000.0 / 92_000.0
    assert one.parts["initial: worst loss"] == pytest.approx(0.3 - then, rel=1e-9)
    for gone in (fixed_of("BTC", expiry_ms), fixed_share_of("BTC", expiry_ms)):
        with pytest.raises(InputError, match="fixed"):
            rule.statement(holdings, at({k: v for k, v in values.items() if k != gone}))
