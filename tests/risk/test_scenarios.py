# SPDX-License-Identifier: Apache-2.0
"""Scenarios against their definition, bar by bar."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tidegate.risk.scenarios import (
    BarBlock,
    PathTables,
    Scenarios,
    filtered,
    path_tables,
    with_jump,
    worst_first,
)

LENGTHS = (2, 3, 6)
BARS, COINS = 20, 2


def block(seed: int, drift: float = 0.0) -> BarBlock:
    """Random bars of two coins; a large drift makes one side of the path empty."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(drift, 0.01, (BARS, COINS)), axis=0))
    high, low = (
        close * (1 + rng.random(close.shape) / 50),
        close * (1 - rng.random(close.shape) / 50),
    )
    return BarBlock(high, low, close, rng.uniform(0.01, 0.1, close.shape))


@pytest.mark.parametrize("lengths", [LENGTHS, (6, 1, 4)])
@pytest.mark.parametrize("drift", [-0.2, 0.0, 0.2])
def test_tables_are_the_extremes_of_the_bars_after_the_start_in_its_own_volatility(
    drift: float, lengths: tuple[int, ...]
) -> None:
    bars = block(1, drift)
    tables = path_tables(bars, lengths)
    assert tables.lengths == lengths
    assert tables.down.shape == tables.up.shape == (3, BARS - 6, COINS)
    for k, length in enumerate(lengths):
        for t in range(BARS - 6):
            for c in range(COINS):
                low = min(bars.low[t + 1 + n, c] for n in range(length))
                high = max(bars.high[t + 1 + n, c] for n in range(length))
                close, vol = bars.close[t, c], bars.vol_daily[t, c]
                down, up = math.log(close / low) / vol, math.log(high / close) / vol
                assert tables.down[k, t, c] == pytest.approx(max(0.0, down), abs=1e-12)
                assert tables.up[k, t, c] == pytest.approx(max(0.0, up), abs=1e-12)


def table(values: list[list[list[float]]]) -> np.ndarray:
    return np.array(values)


def test_worst_windows_are_those_of_the_largest_sum_of_moves_in_the_longest_window() -> None:
    """Sums of the larger side per coin: 3 + 1, 2 + 5, 1 + 3; the short window would say otherwise.

    Windows of the same size keep their order.
    """
    down = table([[[1.0, 1.0], [2.0, 0.0], [0.0, 3.0]], [[9.0, 9.0], [0.0, 0.0], [0.0, 0.0]]])
    up = table([[[3.0, 0.0], [0.0, 5.0], [1.0, 1.0]], [[9.0, 9.0], [0.0, 0.0], [0.0, 0.0]]])
    assert worst_first(PathTables((6, 2), down, up), 2).tolist() == [1, 0]
    assert worst_first(PathTables((6, 2), down, up), 3).tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("landing", "window"), [(0.0, 0), (2.0, 0), (2.1, 1), (3.0, 1), (3.5, 2), (6.0, 2), (40.0, 2)]
)
def test_path_before_money_lands_is_the_shortest_tabled_window_that_contains_it(
    landing: float, window: int
) -> None:
    tables = path_tables(block(2), LENGTHS)
    starts, vol = np.array([4, 0]), np.array([0.03, 0.05])
    found = filtered(tables, starts, vol, np.array([landing, 6.0]))
    assert found.count == 2
    for row, (t, k) in enumerate(zip(starts, (window, 2), strict=True)):
        for c in range(COINS):
            before = tables.down[k, t, c], tables.up[k, t, c]
            after = tables.down[2, t, c], tables.up[2, t, c]
            assert found.low_before[row, c] == pytest.approx(math.exp(-before[0] * vol[c]))
            assert found.high_before[row, c] == pytest.approx(math.exp(before[1] * vol[c]))
            assert found.low_after[row, c] == pytest.approx(math.exp(-after[0] * vol[c]))
            assert found.high_after[row, c] == pytest.approx(math.exp(after[1] * vol[c]))


def test_jump_is_a_multiple_of_each_coins_largest_log_move_before_any_money_lands() -> None:
    """Twice the log move is the square of the ratio; what was there stays."""
    low, high = np.array([[0.9, 0.8], [0.7, 0.95]]), np.array([[1.1, 1.2], [1.05, 1.3]])
    found = with_jump(Scenarios(np.sqrt(low), np.sqrt(high), low, high), 2.0)
    assert found.count == 3
    for before, after, old in (
        (found.low_before, found.low_after, low),
        (found.high_before, found.high_after, high),
    ):
        assert np.array_equal(before[:2], np.sqrt(old))
        assert np.array_equal(after[:2], old)
        assert np.array_equal(before[2], after[2])
    assert found.low_after[2] == pytest.approx([0.7**2, 0.8**2])
    assert found.high_after[2] == pytest.approx([1.1**2, 1.3**2])
