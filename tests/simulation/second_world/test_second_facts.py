# SPDX-License-Identifier: Apache-2.0
"""What the second world must have in common with real markets, over many seeds without a crisis."""

from __future__ import annotations

import numpy as np
import pytest

from tests.simulation.second_world.worlds import (
    COINS,
    LONG_DAYS,
    PARAMETERS,
    VENUES,
    FloatArray,
    calm,
    daily_funding,
    table,
)
from tidegate.simulation.second_world.cascade import cascade
from tidegate.simulation.second_world.grid import Grid
from tidegate.simulation.second_world.prices import coin_returns

SEEDS, DAYS = 30, 38
BINANCE = VENUES.index("binance")


@pytest.fixture(scope="module")
def log_prices() -> FloatArray:
    """Log prices by minute of many months (seeds, coins, minutes)."""
    months = []
    for seed in range(SEEDS):
        grid = Grid(PARAMETERS.start_ms, DAYS, seed)
        returns, _ = coin_returns(grid, PARAMETERS, None)
        months.append(cascade(grid, PARAMETERS, returns, None).log_price)
    return np.array(months)


def hour_falls(log_prices: FloatArray) -> FloatArray:
    """The lowest price in each hour over the price at its begin, less 1 (..., hours)."""
    by_hour = log_prices.reshape(*log_prices.shape[:2], -1, 60)
    begin = np.zeros(by_hour.shape[:3])
    begin[..., 1:] = by_hour[..., :-1, -1]
    return np.asarray(np.expm1(by_hour.min(axis=-1) - begin))


# Measured on Binance bars of 15 minutes, 2024 to 2026: 8.4e-4, 2.6e-3, 4.0e-3.
@pytest.mark.parametrize(("coin", "chance"), [("BTC", 8e-4), ("ETH", 3e-3), ("SOL", 4e-3)])
def test_falls_of_more_than_5_percent_in_an_hour_are_as_frequent_as_measured(
    log_prices: FloatArray, coin: str, chance: float
) -> None:
    found = (hour_falls(log_prices)[:, COINS.index(coin)] < -0.05).mean()
    assert chance / 2 < found < chance * 2


# Measured on the same bars: 0.52, 0.70, 0.94.
@pytest.mark.parametrize(("coin", "vol"), [("BTC", 0.52), ("ETH", 0.70), ("SOL", 0.94)])
def test_volatility_is_near_the_measured_one(log_prices: FloatArray, coin: str, vol: float) -> None:
    returns = np.diff(log_prices[:, COINS.index(coin), 14::15])
    assert 0.75 * vol < returns.std() * np.sqrt(365 * 96) < 1.25 * vol


def test_large_returns_follow_large_returns(log_prices: FloatArray) -> None:
    sizes = np.abs(np.diff(log_prices[:, :, 14::15]))
    for coin in range(len(COINS)):
        found = [np.corrcoef(x[4:], x[:-4])[0, 1] for x in sizes[:, coin]]
        assert np.mean(found) > 0.1


def test_coins_fall_together_more_often_than_their_correlation_alone_says(
    log_prices: FloatArray,
) -> None:
    returns = np.diff(log_prices[:, :, 59::60], axis=2)
    btc, sol = returns[:, 0].ravel(), returns[:, 2].ravel()
    correlation = np.corrcoef(btc, sol)[0, 1]
    rng = np.random.default_rng(0)
    x, y = rng.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], 400_000).T
    joint = np.mean((btc < np.quantile(btc, 0.002)) & (sol < np.quantile(sol, 0.002)))
    normal = np.mean((x < np.quantile(x, 0.002)) & (y < np.quantile(y, 0.002)))
    assert 0.5 < correlation < 0.9
    assert joint > 1.2 * normal


@pytest.fixture(scope="module")
def funding() -> FloatArray:
    """Daily funding of long windows (seeds, venues, coins, days)."""
    return np.array([daily_funding(calm(seed, LONG_DAYS)) for seed in range(6)])


def test_funding_is_positive_on_average_and_highest_at_hyperliquid(funding: FloatArray) -> None:
    mean = dict(zip(VENUES, funding.mean(axis=(0, 2, 3)) * 365, strict=True))
    assert 0.04 < mean["binance"] < 0.12
    assert 0.13 < mean["hyperliquid"] < 0.27
    assert mean["binance"] < min(mean["deribit"], mean["dydx"])
    assert max(mean["deribit"], mean["dydx"]) < mean["hyperliquid"]


def lagged(series: FloatArray, days: int) -> float:
    """Mean autocorrelation over the leading axes at that many days."""
    rows = series.reshape(-1, series.shape[-1])
    return float(np.mean([np.corrcoef(x[days:], x[:-days])[0, 1] for x in rows]))


def test_funding_of_a_day_is_like_that_of_the_day_before(funding: FloatArray) -> None:
    for venue in range(len(VENUES)):
        assert lagged(funding[:, venue], 1) > 0.6


def test_difference_of_two_venues_persists_for_days_but_not_for_months(
    funding: FloatArray,
) -> None:
    gap = funding[:, VENUES.index("deribit")] - funding[:, VENUES.index("dydx")]
    assert lagged(gap, 1) > 0.5
    assert lagged(gap, 3) > 0.25
    assert abs(lagged(gap, 40)) < 0.25


def test_better_side_of_a_pair_is_not_known_beforehand(funding: FloatArray) -> None:
    gap = funding[:, VENUES.index("deribit")] - funding[:, VENUES.index("dydx")]
    better = gap[..., :15].mean(axis=-1) > 0.0
    assert 0.2 < better.mean() < 0.8


def test_venues_deviate_by_a_few_basis_points_when_calm() -> None:
    world = calm(1, LONG_DAYS)
    log_price = np.log(table(world.close))[:, :, world.stress < 0.1]
    away = log_price - np.median(log_price, axis=0)
    spread_bp = 1e4 * np.sqrt((away**2).mean(axis=2))
    assert (spread_bp > 2.0).all()
    assert (spread_bp < 7.0).all()


def test_outages_and_freezes_are_a_handful_a_year() -> None:
    worlds = [calm(seed, LONG_DAYS) for seed in range(6)]
    years = len(worlds) * LONG_DAYS / 365
    assert 2 < sum(len(world.outages) for world in worlds) / years < 16
    assert 1 < sum(len(world.freezes) for world in worlds) / years < 14


def test_stablecoins_wobble_by_about_3_basis_points() -> None:
    world = calm(0, LONG_DAYS)
    for price in world.stable.values():
        assert 1.5e-4 < (price - 1.0).std() < 5e-4
        assert abs(price.mean() - 1.0) < 2e-4
