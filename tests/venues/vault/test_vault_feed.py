# SPDX-License-Identifier: Apache-2.0
"""Series of a chain as a feed: nothing beyond a time, holes stay holes, errors shrink."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from tidegate.model.instruments import Perpetual
from tidegate.model.times import DAY_MS, SECOND_MS
from tidegate.signals.lending import forecast_rate
from tidegate.venues.vault.feed import MICRO, Shown, VaultFeed

DAY_S = DAY_MS // SECOND_MS
BAR_S = DAY_S // 3
BEGIN_S = 20_000 * DAY_S
ETH = Perpetual("perp", "ETH", "ETH", "USDC", Decimal("0.01"), Decimal("0.001"))
HORIZON = 20


def feed(days: int = 90, seed: int = 3) -> VaultFeed:
    chance = np.random.default_rng(seed)
    made = VaultFeed(Shown({"ETH": ETH}, BAR_S * SECOND_MS, 5e7, ("aave", "lp"), HORIZON))
    prices = 3_000 * np.exp(np.cumsum(chance.normal(0, 0.01, 3 * days)))
    rates = 0.05 + chance.normal(0, 0.01, days)
    made.take(
        {
            "ETH": [(BEGIN_S + i * BAR_S, round(p * MICRO)) for i, p in enumerate(prices)],
            "aave": [(BEGIN_S + i * DAY_S, round(r * MICRO)) for i, r in enumerate(rates)],
        }
    )
    return made


def at_ms(day: int) -> int:
    return (BEGIN_S + day * DAY_S) * SECOND_MS


def test_snapshot_and_bars_do_not_change_when_more_is_known_later() -> None:
    short, long = feed(70), feed(90, seed=3)
    ts_ms = at_ms(60)
    # The same draws come first, so that both have the same past at that time.
    short._points["ETH"] = long._points["ETH"][:181]
    short._points["aave"] = long._points["aave"][:61]
    assert short.snapshot(ts_ms, ()) == long.snapshot(ts_ms, ())
    for one, other in zip(
        (short.past(("ETH",), ts_ms, 30).close, short.past(("ETH",), ts_ms, 30).open_ms),
        (long.past(("ETH",), ts_ms, 30).close, long.past(("ETH",), ts_ms, 30).open_ms),
        strict=True,
    ):
        assert (one == other).all()
    bars = long.past(("ETH",), ts_ms, 30)
    assert bars.open_ms[-1] + bars.interval_ms <= ts_ms


def test_yield_is_the_forecast_shrunk_for_its_error_and_none_where_there_is_no_forecast() -> None:
    made, ts_ms = feed(), at_ms(89)
    told = made.snapshot(ts_ms, ()).yields_annual or {}
    daily = np.array([value / MICRO for _, value in made._points["aave"]])
    found = forecast_rate("aave", daily, HORIZON)
    square = (found.rate_annual / found.standard_error_annual) ** 2
    assert told["aave"] == pytest.approx(found.rate_annual * square / (1 + square))
    assert 0 < told["aave"] < found.rate_annual
    assert told["lp"] == 0.0


def test_bars_begin_after_the_last_hole() -> None:
    made = feed()
    made._points["ETH"] = [p for p in made._points["ETH"] if p[0] != BEGIN_S + 100 * BAR_S]
    bars = made.past(("ETH",), at_ms(80), 90)
    assert bars.open_ms[0] == (BEGIN_S + 101 * BAR_S) * SECOND_MS


def test_price_is_as_old_as_its_point_and_there_is_none_before_two_days() -> None:
    made = feed()
    quote = made.snapshot(at_ms(60) + 5_000, ()).quotes["perp:ETH"]
    assert quote.as_of_ms == at_ms(60)
    assert not made.snapshot(at_ms(1), ()).quotes
