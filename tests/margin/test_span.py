# SPDX-License-Identifier: Apache-2.0
"""SPAN over books of options, futures, perpetuals and coins."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.margin.statement_books import (
    BTC,
    BTC_DATED,
    BTC_INVERSE,
    CALL,
    ETH,
    NOW,
    PUT,
    SCAN,
    held,
    market,
    option,
)
from tidegate.margin.holdings import Holding, Holdings
from tidegate.margin.market_values import forward_of, mark_of, vol_of
from tidegate.margin.span import SpanAccount, scan_loss
from tidegate.margin.statement import Statement
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS
from tidegate.pricing import black76

RULE = SpanAccount({"BTC": SCAN, "ETH": SCAN})
LINEAR_CALL = option(66_000, True, "USDC")


def state(*positions: Holding, **balances: float) -> Statement:
    return RULE.statement(
        Holdings(positions, balances),
        market({mark_of(LINEAR_CALL.id): 1_200.0, vol_of(LINEAR_CALL.id): 0.55}),
    )


def test_scenarios_are_thirds_of_the_range_and_twice_it() -> None:
    moves = SCAN.moves()
    assert len(moves) == 16
    thirds = [third * 0.16 / 3 for third in (0, 1, -1, 2, -2, 3, -3) for _ in ("up", "down")]
    assert moves == pytest.approx([*thirds, 0.32, -0.32])


def test_contract_loses_its_range_since_the_covered_extreme_is_less() -> None:
    # 16 % of 600,000 against 35 % of 32 %.
    for size in (10.0, -10.0):
        assert state(held(BTC, size, 60_000.0)).maintenance == pytest.approx(96_000.0)
    inverse = state(held(BTC_INVERSE, 600_000.0, 60_000.0), BTC=0.0)
    assert inverse.maintenance == pytest.approx(96_000.0)


def test_short_minimum_counts_what_is_short_and_no_part_of_what_is_long() -> None:
    put = option(54_000, False, "USDC")
    dear = SpanAccount({"BTC": replace(SCAN, short_option_minimum_usd=1e6)})
    book = Holdings((held(LINEAR_CALL, -10.0, 1_200.0), held(put, 0.5, 900.0)), {"USDC": 1e8})
    seen = {mark_of(LINEAR_CALL.id): 1_200.0, vol_of(LINEAR_CALL.id): 0.55}
    now = market(seen | {mark_of(put.id): 900.0, vol_of(put.id): 0.6})
    assert dear.statement(book, now).maintenance == pytest.approx(1e7)


def test_extreme_decides_where_its_cover_is_large() -> None:
    deep = SpanAccount({"BTC": replace(SCAN, extreme_cover=0.6)})
    book = Holdings((held(BTC, 10.0, 60_000.0),), {"USDT": 1e6})
    assert deep.statement(book, market()).maintenance == pytest.approx(0.6 * 0.32 * 600_000)


def test_short_call_is_the_worst_of_sixteen_revaluations() -> None:
    found = state(held(LINEAR_CALL, -10.0, 1_200.0), USDC=1e6)
    worst = 0.0
    for third in (0, 1, -1, 2, -2, 3, -3):
        for sign in (1, -1):
            worst = min(worst, _short_profit(1 + 0.16 * third / 3, 0.55 + sign * 0.15))
    for move in (0.32, -0.32):
        worst = min(worst, 0.35 * _short_profit(1 + move, 0.55))
    assert found.maintenance == pytest.approx(-worst)


def _short_profit(ratio: float, vol: float) -> float:
    after = black76.price(60_500.0 * ratio, 66_000.0, 30 / 365, vol, True)
    return float(-10 * (after - black76.price(60_500.0, 66_000.0, 30 / 365, 0.55, True)))


def test_covered_write_needs_less_than_its_future_and_its_call_alone() -> None:
    future, call = held(BTC_DATED, 10.0, 60_500.0), held(LINEAR_CALL, -10.0, 1_200.0)
    both = state(future, call, USDC=1e6).maintenance
    assert both < state(future, USDC=1e6).maintenance
    assert both < state(future).maintenance + state(call).maintenance


def test_coins_as_collateral_cover_a_short() -> None:
    found = state(held(BTC_INVERSE, -600_000.0, 60_000.0), BTC=10.0)
    assert found.maintenance == pytest.approx(0.0, abs=1e-6)
    assert state(BTC=10.0).maintenance == pytest.approx(96_000.0)


def test_short_option_minimum_is_a_floor_for_options_far_out() -> None:
    far = option(500_000, True)
    prices = market({mark_of(far.id): 0.0, vol_of(far.id): 0.5})
    found = RULE.statement(Holdings((held(far, -10.0, 0.0),), {"USDT": 1e6}), prices)
    assert found.maintenance == pytest.approx(1_000.0)


def test_coins_do_not_offset_each_other() -> None:
    both = state(held(BTC, 10.0, 60_000.0), held(ETH, -200.0, 3_000.0))
    assert both.maintenance == pytest.approx(2 * 96_000.0)
    assert set(both.parts) == {"BTC", "ETH"}


def test_equity_counts_options_at_their_marks_and_contracts_at_their_profit() -> None:
    found = state(held(BTC, 1.0, 50_000.0), held(CALL, 2.0, 0.03), held(PUT, -1.0, 0.01), BTC=1.0)
    assert found.equity == pytest.approx(10_000 + (1.0 + 0.04 - 0.015) * 60_000)


@given(st.lists(st.lists(st.integers(-9, 9), min_size=4, max_size=4), min_size=1, max_size=5))
def test_scan_loss_is_convex_never_negative_and_exact(rows: list[list[int]]) -> None:
    loss = scan_loss(rows)
    assert isinstance(loss, int)
    assert loss == max(0, -min(sum(column) for column in zip(*rows, strict=True)))
    assert loss <= sum(scan_loss([row]) for row in rows)
    assert scan_loss([[Fraction(x, 3) for x in row] for row in rows]) == Fraction(loss, 3)


@given(st.floats(-20, 20), st.floats(-20, 20), st.floats(0, 1))
def test_requirement_is_convex_in_positions(first: float, second: float, part: float) -> None:
    def needed(size: float) -> float:
        book = (held(BTC, size, 60_000.0), held(CALL, 1.0 - size, 0.02))
        return state(*book, USDT=1e7).maintenance

    mixed = needed(part * first + (1 - part) * second)
    assert mixed <= part * needed(first) + (1 - part) * needed(second) + 1e-6


def test_rows_that_do_not_fit_and_ranges_that_are_none_are_refused() -> None:
    for rows in ([], [[]], [[1], [1, 2]]):
        with pytest.raises(InputError, match="rows"):
            scan_loss(rows)
    with pytest.raises(InputError, match="scan range"):
        replace(SCAN, extreme_multiple=7.0)
    with pytest.raises(InputError, match="initial_factor"):
        SpanAccount({}, 0.5)
    with pytest.raises(InputError, match="BTC"):
        SpanAccount({}).statement(Holdings((held(BTC, 1.0, 1.0),), {}), market())
    with pytest.raises(InputError, match="ETH"):
        SpanAccount({"BTC": SCAN}).statement(Holdings((), {"ETH": 1.0}), market())


def test_expired_option_is_refused() -> None:
    late = replace(market(), now_ms=NOW + 30 * DAY_MS, stale_after_ms=10**12)
    with pytest.raises(InputError, match="expiry after now"):
        RULE.statement(Holdings((held(CALL, 1.0, 0.02),), {}), late)


def test_volatility_and_forward_of_each_option_are_needed() -> None:
    whole = market()
    book = Holdings((held(CALL, 1.0, 0.02),), {})
    for key in (vol_of(CALL.id), forward_of("BTC", CALL.expiry_ms)):
        rest = {k: v for k, v in whole.values.items() if k != key}
        with pytest.raises(InputError, match=key[0]):
            RULE.statement(book, replace(whole, values=rest))
    assert np.isfinite(RULE.statement(book, whole).maintenance)
