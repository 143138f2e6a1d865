# SPDX-License-Identifier: Apache-2.0
"""What holds of every rule of floats, whatever its venue."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.margin.statement_books import NOW, SAMPLES, Sample, books, market, ratios_between
from tidegate.margin.holding_values import filled
from tidegate.margin.holdings import Holding, Holdings, WorkingOrder
from tidegate.margin.liquidation_distance import liquidation_ratios, moved_market
from tidegate.margin.marginal import closed, marginal_margins
from tidegate.margin.market_values import MarketValues, Seen, dollar_of, index_of, mark_of
from tidegate.margin.prices import Prices
from tidegate.margin.registry import CARDS, card
from tidegate.model.errors import InputError
from tidegate.model.instruments import Option

NAMES = tuple(SAMPLES)
CROSS = tuple(name for name in NAMES if not SAMPLES[name].isolated)
TRADING = tuple(name for name in CROSS if SAMPLES[name].instruments)
# Tiers on the whole position jump: health passes zero there without being it.
JUMPING = ("okx_cross", "okx_isolated")
every_rule = pytest.mark.parametrize("name", NAMES)
cross_rule = pytest.mark.parametrize("name", CROSS)
trading_rule = pytest.mark.parametrize("name", TRADING)
FEW = settings(max_examples=25)


def test_every_rule_of_floats_in_the_registry_is_tried_here() -> None:
    assert {card.name for card in CARDS if not card.of_integers} == set(NAMES)
    for name, sample in SAMPLES.items():
        assert sample.rule.name == name


@every_rule
@FEW
@given(st.data())
def test_requirements_are_finite_never_negative_and_initial_is_never_below_maintenance(
    name: str, data: st.DataObject
) -> None:
    sample = SAMPLES[name]
    state = sample.rule.statement(data.draw(books(sample)), market())
    assert 0 <= state.maintenance <= state.initial * (1 + 1e-12)
    assert isfinite(state.initial)
    assert isfinite(state.equity)
    assert all(value >= 0 for value in state.parts.values())
    if state.withdrawable is not None:
        # A lending pool counts collateral at its threshold, and lets all of it go without a debt.
        most = float("inf") if name == "aave_v3" else max(0.0, state.equity)
        assert 0 <= state.withdrawable <= most


@every_rule
def test_what_may_be_withdrawn_is_said_or_its_card_says_that_no_document_does(name: str) -> None:
    sample = SAMPLES[name]
    unknown = sample.rule.statement(one_of_each(name), market()).withdrawable is None
    assert unknown == any("None is answered" in line for line in card(name).not_pinned)


@every_rule
@FEW
@given(st.data())
def test_more_collateral_never_lowers_health_nor_what_is_left_to_open(
    name: str, data: st.DataObject
) -> None:
    # Coins in SPAN and ES are positions too: there dollars alone are only collateral.
    sample = SAMPLES[name]
    scanned = name in ("span_16", "expected_shortfall")
    assets = [a for a in sample.assets if not (scanned and a in ("BTC", "ETH"))]
    held = data.draw(books(sample))
    asset = data.draw(st.sampled_from(assets))
    more = {**held.collateral, asset: held.collateral[asset] + data.draw(st.floats(0, 50_000))}
    before = sample.rule.statement(held, market())
    after = sample.rule.statement(replace(held, collateral=more), market())
    slack = 1e-9 * (1 + abs(before.equity) + before.initial)
    assert after.health >= before.health - slack
    assert after.equity - after.initial >= before.equity - before.initial - slack


def solvent(sample: Sample, held: Holdings) -> bool:
    return sample.rule.statement(held, market()).health > 0


@every_rule
@settings(max_examples=4)
@given(st.data())
def test_health_is_zero_at_the_liquidation_distance_and_positive_before(
    name: str, data: st.DataObject
) -> None:
    sample = SAMPLES[name]
    held = data.draw(books(sample, owing=False).filter(lambda b: solvent(sample, b)))
    found = liquidation_ratios(sample.rule, held, market(), "BTC")
    now = sample.rule.statement(held, market())
    for ratio, end in ((found.below, found.lowest), (found.above, found.highest)):
        for nearer in ratios_between(end if ratio is None else ratio, 30):
            there = moved_market(market(), held, ("BTC",), nearer)
            assert sample.rule.statement(held, there).health >= -1e-9 * (1 + now.maintenance)
        if ratio is None:
            continue
        last = sample.rule.statement(held, moved_market(market(), held, ("BTC",), ratio))
        scale = 1 + last.maintenance + abs(last.equity) + now.maintenance
        assert 0 <= last.health <= (0.1 if name in JUMPING else 1e-6) * scale


@trading_rule
@settings(max_examples=8)
@given(st.data())
def test_marginal_margin_is_what_removing_the_position_frees(
    name: str, data: st.DataObject
) -> None:
    sample = SAMPLES[name]
    held = data.draw(books(sample))
    margins = marginal_margins(sample.rule, held, market())
    assert set(margins) == {holding.instrument.id for holding in held.positions}
    whole = sample.rule.statement(held, market())
    for identity, margin in margins.items():
        rest = closed(held, identity, market())
        assert identity not in {holding.instrument.id for holding in rest.positions}
        less = sample.rule.statement(rest, market())
        assert whole.maintenance - margin.maintenance == pytest.approx(less.maintenance, abs=1e-6)
        assert whole.health - margin.health == pytest.approx(less.health, abs=1e-6)


def one_of_each(name: str) -> Holdings:
    sample = SAMPLES[name]
    chosen = sample.instruments[:1] if sample.isolated else sample.instruments
    at = market()
    positions = tuple(
        Holding(i, 600.0 if i.inverse else 1.0, at.value(mark_of(i.id))) for i in chosen
    )
    return Holdings(positions, dict.fromkeys(sample.assets, 10.0))


@every_rule
def test_each_figure_that_is_missing_old_or_doubtful_is_refused_by_its_name(name: str) -> None:
    sample, held, whole = SAMPLES[name], one_of_each(name), market()
    base = sample.rule.statement(held, whole)
    used = 0
    for key, seen in whole.values.items():
        rest = {k: v for k, v in whole.values.items() if k != key}
        other = replace(seen, value=seen.value * 0.9)
        if sample.rule.statement(held, MarketValues(NOW, {**rest, key: other}, 60_000)) == base:
            continue
        used += 1
        for worse in (
            {},
            {key: replace(seen, as_of_ms=NOW - 60_001)},
            {key: replace(seen, as_of_ms=NOW + 1)},
            {key: replace(seen, value=float("nan"))},
        ):
            with pytest.raises(InputError, match=key[1]):
                sample.rule.statement(held, MarketValues(NOW, {**rest, **worse}, 60_000))
        doubted = MarketValues(
            NOW, {**rest, key: replace(seen, confidence=sample.unsure or 0.0)}, 60_000
        )
        if sample.unsure is not None or key[0] == "dollar":
            with pytest.raises(InputError, match=f"{key[1]}.*confidence"):
                sample.rule.statement(held, doubted)
        else:
            assert sample.rule.statement(held, doubted).initial >= base.initial
    assert used >= 1


@pytest.mark.parametrize("name", [name for name in CROSS if "USDC" in SAMPLES[name].assets])
def test_depegged_dollar_coin_is_worth_its_mark(name: str) -> None:
    sample = SAMPLES[name]
    held = Holdings((), {"USDC": 100_000.0})
    whole = sample.rule.statement(held, market())
    broken = sample.rule.statement(held, market({dollar_of("USDC"): 0.6, index_of("USDC"): 0.6}))
    # An account that is kept in the coin itself has as much of it as before.
    worth = 1.0 if whole.unit == "USDC" else 0.6
    assert broken.equity == pytest.approx(worth * whole.equity)


@trading_rule
@settings(max_examples=8)
@given(st.data(), st.floats(0.5, 1.5))
def test_working_orders_never_lower_a_requirement_nor_raise_equity(
    name: str, data: st.DataObject, price: float
) -> None:
    sample = SAMPLES[name]
    chosen = [i for i in sample.instruments if not isinstance(i, Option)]
    held = data.draw(books(sample))
    orders = tuple(
        WorkingOrder(i, data.draw(st.floats(-3, 3)) * (60_000 if i.inverse else 1), mark * price)
        for i in data.draw(st.lists(st.sampled_from(chosen), max_size=3, unique=True))
        for mark in [market().value(mark_of(i.id))]
    )
    plain = sample.rule.statement(held, market())
    working = sample.rule.statement(replace(held, orders=orders), market())
    slack = 1e-9 * (1 + plain.initial)
    assert working.equity <= plain.equity
    assert working.initial >= plain.initial - slack
    assert working.maintenance >= plain.maintenance - slack
    if plain.withdrawable is not None:
        assert working.withdrawable is not None
        assert working.withdrawable <= plain.withdrawable + slack


@pytest.mark.parametrize("name", [name for name in NAMES if not SAMPLES[name].sessions])
def test_profit_that_waits_for_a_settlement_is_refused(name: str) -> None:
    sample = SAMPLES[name]
    held = replace(one_of_each(name), realised={sample.assets[0]: 1.0})
    with pytest.raises(InputError, match="realised"):
        sample.rule.statement(held, market())


@pytest.mark.parametrize("name", [name for name in NAMES if SAMPLES[name].sessions])
def test_profit_that_waits_for_a_settlement_is_equity_and_may_not_leave(name: str) -> None:
    sample = SAMPLES[name]
    held = Holdings((), {"BTC": 3.0})
    before = sample.rule.statement(held, market())
    after = sample.rule.statement(replace(held, realised={"BTC": 2.0}), market())
    assert after.equity == pytest.approx(before.equity * 5.0 / 3.0)
    assert before.withdrawable == pytest.approx(before.equity - before.initial)
    # Across currencies the profit itself is a coin that is margined.
    assert after.withdrawable == pytest.approx(before.equity - after.initial)


def test_index_may_not_stand_in_for_a_dollar_mark_nor_the_other_way() -> None:
    values = {index_of("USDT"): Seen(1.0, NOW)}
    with pytest.raises(InputError, match="dollar USDT"):
        Prices(MarketValues(NOW, values, 60_000)).usd("USDT")
    assert Prices(MarketValues(NOW, {}, 60_000)).usd("USD") == 1.0


@FEW
@given(st.data(), st.floats(-5, 5), st.floats(20_000, 90_000))
def test_fill_changes_no_equity_at_its_own_price(
    data: st.DataObject, coins: float, price: float
) -> None:
    from tests.margin.statement_books import BTC, BTC_INVERSE
    from tidegate.margin.coin_books import balances_with_profit

    instrument = data.draw(st.sampled_from([BTC, BTC_INVERSE]))
    size = coins * (60_000 if instrument.inverse else 1)
    start = data.draw(st.floats(-5, 5)) * (60_000 if instrument.inverse else 1)
    held = Holdings((Holding(instrument, start, 55_000.0),) if start else (), {})
    at = Prices(market({mark_of(instrument.id): price}))
    before = balances_with_profit(held, at).get(instrument.settle, 0.0)
    after = balances_with_profit(filled(held, instrument, size, price), at)
    assert after.get(instrument.settle, 0.0) == pytest.approx(before, rel=1e-9, abs=1e-6)
