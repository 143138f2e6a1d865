# SPDX-License-Identifier: Apache-2.0
"""Lending, pools and order flow: known answers, refusals, and no capacity that is not known."""

from __future__ import annotations

import math
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.forecast.errors import InsufficientHistory
from tidegate.margin.borrowing import HYPERLIQUID_RATE
from tidegate.model.errors import InputError
from tidegate.pricing.concentrated_liquidity import LiquidityPosition
from tidegate.signals.edges import standard_error
from tidegate.signals.lending import (
    PoolState,
    RateForecast,
    borrow_lend_edge,
    deposit_capacity_usd,
    forecast_rate,
    lending_edge,
)
from tidegate.signals.order_flow import (
    TopOfBook,
    flow_in_bins,
    micro_price,
    order_flow_imbalance,
    queue_imbalance,
    send_now,
)
from tidegate.signals.pool_yield import PoolTerms, lvr_share_annual, pool_edge

RATE = RateForecast("pool", 0.08, 0.01, 100)
POOL = PoolState(100e6, 80e6, HYPERLIQUID_RATE)


@settings(max_examples=40)
@given(st.floats(0.001, 0.05), st.floats(0.1, 0.99))
def test_capacity_is_where_the_pool_pays_the_least_wanted(least: float, used: float) -> None:
    pool = PoolState(100e6, used * 100e6, HYPERLIQUID_RATE)
    deposit = deposit_capacity_usd(pool, least)
    assert math.isfinite(deposit)
    if deposit > 0.0:
        assert pool.supply_annual(deposit) == pytest.approx(least, rel=1e-6)
    else:
        assert pool.supply_annual(0.0) <= least


def test_lending_edge_nets_entry_and_hurdle_and_knows_capacity_only_with_the_pool() -> None:
    edge = lending_edge(RATE, 0.001, 73.0, None, 0.03)
    assert edge.net_annual == pytest.approx(0.08 - 0.005 - 0.03)
    assert edge.capacity_usd is None
    known = lending_edge(RATE, 0.0, 73.0, POOL, 0.03)
    # At 80 % the curve pays 0.8 x 0.9 x 5 % = 3.6 %; it pays 3 % at 66.7 % utilisation.
    assert known.capacity_usd == pytest.approx(20e6, rel=1e-6)


def test_borrow_and_lend_carries_both_errors() -> None:
    cheap = RateForecast("bank", 0.05, 0.02, 100)
    edge = borrow_lend_edge(RATE, cheap, 0.001, 36.5)
    assert edge.net_annual == pytest.approx(0.03 - 0.01)
    assert standard_error(edge) == pytest.approx(math.hypot(0.01, 0.02))


def test_rate_error_is_what_such_forecasts_missed_before() -> None:
    rates = 0.05 + 0.01 * np.random.default_rng(1).standard_normal(2000)
    found = forecast_rate("pool", rates, 7)
    # Two independent means of seven days differ by 0.01 sqrt(2 / 7).
    assert found.standard_error_annual == pytest.approx(0.01 * math.sqrt(2 / 7), rel=0.05)


@pytest.mark.parametrize(
    "rates",
    [np.arange(30) / 1e3, np.full(200, 0.05), np.r_[np.arange(100) / 1e3, math.nan]],
)
def test_rate_forecast_refuses_short_stuck_and_stale_series(rates: np.ndarray) -> None:
    with pytest.raises(InsufficientHistory):
        forecast_rate("pool", rates, 7)


def test_full_range_pool_loses_an_eighth_of_variance() -> None:
    """sigma^2 / 8 of value, Milionis et al. (2022), for a pool over all prices."""
    position = LiquidityPosition(1000.0, 1e-6 * 2000, 1e6 * 2000)
    terms = PoolTerms(2000.0, 0.8, 0.2, 1.0)
    assert lvr_share_annual(position, terms) == pytest.approx(0.8**2 / 8, rel=0.01)
    edge = pool_edge("ETH-USD", position, RATE, terms)
    assert edge.net_annual == pytest.approx(0.08 - 0.08, abs=1e-3)
    assert standard_error(edge) == pytest.approx(math.hypot(0.01, 2 * 0.08 * 0.2), rel=0.01)
    assert edge.capacity_usd is None
    with pytest.raises(InputError, match="pool terms"):
        PoolTerms(2000.0, 0.0, 0.2, 1.0)


def test_narrow_pool_loses_more_per_dollar_than_a_wide_one() -> None:
    terms = PoolTerms(2000.0, 0.6, 0.2, 0.5)
    narrow = lvr_share_annual(LiquidityPosition(1.0, 1900.0, 2100.0), terms)
    assert narrow > 5 * lvr_share_annual(LiquidityPosition(1.0, 1000.0, 4000.0), terms)


def _book(rows: list[tuple[float, float, float, float]]) -> TopOfBook:
    columns = np.array(rows).T
    return TopOfBook(np.arange(len(rows), dtype=np.int64), *columns)


def test_flow_of_each_change_by_hand() -> None:
    book = _book([
        (100, 5, 101, 4),
        (100, 7, 101, 4),  # two bought into the bid
        (100, 7, 101, 1),  # three taken from the ask
        (99, 6, 101, 1),  # the bid of seven gone
        (99, 6, 100, 2),  # an ask of two in front
    ])  # fmt: skip
    assert order_flow_imbalance(book).tolist() == [0, 2, 3, -7, -2]
    assert queue_imbalance(book)[0] == pytest.approx(1 / 9)
    assert micro_price(book)[0] == pytest.approx(100.5 + 0.5 / 9)
    assert not send_now(book, buying=True, threshold=0.6)
    assert send_now(_book([(100, 9, 101, 1)]), buying=True)
    assert not send_now(_book([(100, 9, 101, 1)]), buying=False)


@given(st.integers(0, 500))
def test_micro_price_lies_between_bid_and_ask(seed: int) -> None:
    rng = np.random.default_rng(seed)
    bid = 100 + rng.integers(0, 5, 50)
    book = TopOfBook(np.arange(50, dtype=np.int64), bid.astype(float), rng.random(50),
                     bid + rng.integers(1, 4, 50).astype(float), rng.random(50))  # fmt: skip
    assert np.all((micro_price(book) >= book.bid) & (micro_price(book) <= book.ask))


@pytest.mark.parametrize(
    ("row", "field"),
    [((101, 1, 100, 1), "bid < ask"), ((100, -1, 101, 1), "zero"), ((math.nan,) * 4, "finite")],
)
def test_books_that_cannot_be_are_refused(row: tuple[float, ...], field: str) -> None:
    with pytest.raises(InputError, match=field):
        _book([(100, 1, 101, 1), row])  # type: ignore[list-item]


@pytest.mark.parametrize(("market", "least"), [("spot", 0.15), ("usdm", 0.15)])
def test_flow_moves_the_price_of_its_own_seconds_and_hardly_the_next(
    market: str, least: float, data_root: Path
) -> None:
    """R^2 at 10 s of the mid's change on the flow of the same and of the bin before."""
    path = data_root / f"l2/binance_{market}_btc_bbo_2024-08-08.parquet"
    with duckdb.connect() as database:
        rows = database.execute(f"SELECT * FROM '{path}' ORDER BY recv_ns").fetchnumpy()
    ts_ms = (rows["recv_ns"] // 1_000_000).astype(np.int64)
    names = ("bid", "bid_qty", "ask", "ask_qty")
    book = TopOfBook(ts_ms, *(np.asarray(rows[name], dtype=np.float64) for name in names))
    flow, moved = flow_in_bins(book, 10_000)
    same = np.corrcoef(flow, moved)[0, 1] ** 2
    after = np.corrcoef(flow[:-1], moved[1:])[0, 1] ** 2
    assert same > least
    assert after < 0.5 * same
