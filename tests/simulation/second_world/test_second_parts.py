# SPDX-License-Identifier: Apache-2.0
"""The parts of the second world by themselves: filters, jumps, funding formulas."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulation.second_world.worlds import COINS, PARAMETERS, VENUES
from tidegate.simulation.second_world.carry import funding_rows
from tidegate.simulation.second_world.cascade import cascade
from tidegate.simulation.second_world.grid import (
    Grid,
    decayed_max,
    decayed_mean,
    decayed_sum,
    keep,
    mean_reverting,
)
from tidegate.simulation.second_world.jumps import MARKET, JumpList, draw_jumps

SERIES = st.lists(st.floats(0.0, 1e3), min_size=1, max_size=40)
HALF_LIVES = st.floats(0.5, 50.0)


@given(series=SERIES, half_life=HALF_LIVES)
def test_filters_equal_their_recursions(series: list[float], half_life: float) -> None:
    k, total, mean, most = keep(half_life), 0.0, 5.0, 0.0
    expected = []
    for value in series:
        total, mean = value + k * total, (1.0 - k) * value + k * mean
        most = max(value, k * most)
        expected.append((total, mean, most))
    x = np.array(series)
    found = (decayed_sum(x, half_life), decayed_mean(x, half_life, 5.0), decayed_max(x, half_life))
    np.testing.assert_allclose(np.array(found).T, expected, rtol=1e-9, atol=1e-9)


def test_mean_reverting_paths_are_stationary_from_the_first_step() -> None:
    paths = mean_reverting(np.random.default_rng(0), (4_000, 30), 6.0)
    np.testing.assert_allclose(paths.std(axis=0), 1.0, atol=0.05)
    lagged = (paths[:, 6:] * paths[:, :-6]).mean()
    assert abs(lagged - 0.5) < 0.03


@pytest.fixture(scope="module")
def jumps() -> JumpList:
    return draw_jumps(Grid(0, 6_000, 7), PARAMETERS.jumps, len(COINS))


def test_jumps_come_as_often_as_immigrants_and_their_descendants(jumps: JumpList) -> None:
    p = PARAMETERS.jumps
    for coin, rate in ((MARKET, p.market_per_day), (0, p.coin_per_day)):
        expected = rate / (1.0 - p.children)
        assert abs((jumps.coin == coin).sum() / 6_000 / expected - 1.0) < 0.08


def test_jumps_excite_themselves_so_that_hours_are_overdispersed(jumps: JumpList) -> None:
    hours = jumps.minute[jumps.coin == MARKET] // 60
    counts = np.bincount(hours, minlength=24 * 6_000)
    assert counts.var() > 1.3 * counts.mean()


def test_jump_sizes_have_the_mean_of_their_pareto_law_and_its_limit(jumps: JumpList) -> None:
    sizes = np.abs(jumps.size)
    assert abs(sizes.mean() * (1.0 - PARAMETERS.jumps.tail_index) - 1.0) < 0.05
    assert sizes.max() <= PARAMETERS.jumps.size_max


def rates(premium: float, name: str) -> list[float]:
    """Funding of BTC for a premium that does not change."""
    grid = Grid(0, 1, 0)
    constant = np.full((len(VENUES), len(COINS), grid.steps), premium)
    return [x / 1e12 for _, i, x in funding_rows(grid, PARAMETERS, constant) if i == f"{name}:BTC"]


# Golden: the venues' formulas by hand; Hyperliquid 1 % is its documentation's example.
@pytest.mark.parametrize(
    ("venue", "premium", "rate"),
    [
        ("binance", 0.0, 1e-4),
        ("binance", 8e-4, 3e-4),
        ("binance", -8e-4, -3e-4),
        ("binance", 0.01, 3e-3),
        ("hyperliquid", 0.01, 0.0095 / 8),
        ("hyperliquid", 4e-4, 1e-4 / 8),
        ("hyperliquid", 0.9, 0.04),
        ("deribit", 2e-4, 0.0),
        ("deribit", 6.5e-4, 4e-4 / 8),
        ("deribit", -6.5e-4, -4e-4 / 8),
        ("deribit", 0.02, 0.005 / 8),
        ("dydx", 2e-4, 0.0),
        ("dydx", -11e-4, -8e-4 / 8),
        ("dydx", 0.2, 6.0 * 0.008 / 8),
    ],
)
def test_funding_of_a_constant_premium_is_the_venue_s_formula(
    venue: str, premium: float, rate: float
) -> None:
    found = rates(premium, venue)
    assert len(found) == (3 if venue == "binance" else 24)
    assert found == pytest.approx([rate] * len(found), abs=1e-12)


def test_forced_sales_deepen_a_move_and_none_are_made_without_leverage() -> None:
    grid = Grid(0, 1, 0)
    returns = np.zeros((len(COINS), grid.minutes))
    returns[:, 600:660] = -0.1 / 60
    none = msgspec.structs.replace(PARAMETERS.cascade, leveraged_share=0.0)
    unlevered = msgspec.structs.replace(PARAMETERS, cascade=none)
    levered, plain = (cascade(grid, p, returns, None) for p in (PARAMETERS, unlevered))
    assert not plain.longs_share.any()
    np.testing.assert_allclose(plain.log_price[:, -1], -0.1)
    assert (levered.log_price[:, 670] < plain.log_price[:, 670] - 0.003).all()
    assert (levered.longs_share.sum(axis=1) > 0.05).all()
    assert (levered.longs_share.sum(axis=1) < PARAMETERS.cascade.leveraged_share).all()
