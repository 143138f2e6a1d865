# SPDX-License-Identifier: Apache-2.0
"""Each venue's funding formula, against values worked by hand and given by the venues."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulation.world.worlds import COINS, PARAMETERS, world
from tidegate.simulation.world.funding import (
    binance_8h,
    deribit_8h,
    dydx_hourly,
    funding_rows,
    hyperliquid_hourly,
)

PREMIUMS = st.floats(-0.5, 0.5)
HOUR_MS = 3_600_000


def test_hyperliquid_example_of_its_documentation_holds() -> None:
    # Impact bid 10100 over oracle 10000: premium 1 %, 0.95 % of 8 hours, 0.11875 % an hour.
    assert float(hyperliquid_hourly(0.01)) == pytest.approx(0.0011875, rel=1e-12)


@pytest.mark.parametrize(
    ("premium", "hourly"),
    # Within the band the interest rate; below it premium + 0.05 %; beyond 32 % the hour's cap.
    [(0.0, 1.25e-5), (5e-4, 1.25e-5), (-0.002, -1.875e-4), (0.5, 0.04), (-0.5, -0.04)],
)
def test_hyperliquid_rate_by_hand(premium: float, hourly: float) -> None:
    assert float(hyperliquid_hourly(premium)) == pytest.approx(hourly, rel=1e-12)


@pytest.mark.parametrize(
    ("premium", "rate"),
    [(0.0, 1e-4), (6e-4, 1e-4), (-4e-4, 1e-4), (0.0008, 0.0003), (-0.0015, -0.001), (0.9, 0.003)],
)
def test_binance_rate_by_hand(premium: float, rate: float) -> None:
    assert float(binance_8h(premium, 0.003)) == pytest.approx(rate, abs=1e-15)


@pytest.mark.parametrize(
    ("premium", "rate"), [(0.001, 0.00075), (0.0002, 0.0), (-0.001, -0.00075), (-0.2, -0.005)]
)
def test_deribit_vector_of_its_documentation_holds(premium: float, rate: float) -> None:
    assert float(deribit_8h(premium)) == pytest.approx(rate, abs=1e-15)


@pytest.mark.parametrize(
    ("premium", "gap", "hourly"),
    # Large markets: IM 2 %, MM 1.2 %: 600 % of 0.8 % is 4.8 % of 8 hours, 0.6 % an hour.
    [(0.0004, 0.008, 5e-5), (-0.0004, 0.008, -5e-5), (0.2, 0.008, 0.006), (-0.2, 0.02, -0.015)],
)
def test_dydx_rate_by_hand(premium: float, gap: float, hourly: float) -> None:
    assert float(dydx_hourly(premium, gap)) == pytest.approx(hourly, rel=1e-12)


@given(low=PREMIUMS, high=PREMIUMS)
def test_rates_never_fall_as_the_premium_rises(low: float, high: float) -> None:
    low, high = sorted((low, high))
    rounding = 1e-15
    assert hyperliquid_hourly(low) <= hyperliquid_hourly(high) + rounding
    assert binance_8h(low, 0.02) <= binance_8h(high, 0.02) + rounding
    assert deribit_8h(low) <= deribit_8h(high) + rounding
    assert dydx_hourly(low, 0.02) <= dydx_hourly(high, 0.02) + rounding


@given(premium=PREMIUMS)
def test_deribit_and_dydx_rates_are_odd_in_the_premium(premium: float) -> None:
    assert deribit_8h(-premium) == pytest.approx(-deribit_8h(premium), abs=1e-15)
    assert dydx_hourly(-premium, 0.02) == pytest.approx(-dydx_hourly(premium, 0.02), abs=1e-15)


def test_prints_of_a_known_premium_are_the_formulas_of_its_averages() -> None:
    per_hour = 12 * PARAMETERS.substeps
    premium = np.zeros((4, len(COINS), 24 * per_hour))
    premium[:, :, : 8 * per_hour] = 0.001
    premium[:, :, : per_hour // 2] = 0.0
    rows = {(ts, name): rate for ts, name, rate in funding_rows(PARAMETERS, premium)}
    first, eighth = PARAMETERS.start_ms + HOUR_MS, PARAMETERS.start_ms + 8 * HOUR_MS
    # Averages of the first hour 5 bp, of the first eight 75/8 bp; Deribit accrues by the minute.
    assert rows[first, "hyperliquid:BTC"] == 12_500_000
    assert rows[first, "dydx:BTC"] == 62_500_000
    assert rows[first, "deribit:BTC"] == round(0.00075 / 8 / 2 * 1e12)
    assert rows[eighth, "binance:BTC"] == round((0.0075 / 8 - 0.0005) * 1e12)
    assert rows[eighth + HOUR_MS, "deribit:BTC"] == 0


def test_prints_come_hourly_or_every_eight_hours_in_time_order() -> None:
    rows = world("crash", 1).funding
    assert list(rows) == sorted(rows)
    for venue, hours in (("binance", 8), ("hyperliquid", 1), ("deribit", 1), ("dydx", 1)):
        stamps = [ts for ts, name, _ in rows if name == f"{venue}:SOL"]
        begin = PARAMETERS.start_ms
        assert stamps == [begin + k * hours * HOUR_MS for k in range(1, 72 // hours + 1)]
