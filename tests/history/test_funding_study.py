# SPDX-License-Identifier: Apache-2.0
"""The evidence for funding: the gate on stored prints, and the same command on made-up ones."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest

from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.funding_panel import PanelSettings, panel_forecasts
from tidegate.history.funding_evidence import long_histories, study_funding
from tidegate.history.funding_study import (
    FundingTrials,
    largest_hyperliquid,
    read_panel,
    score_funding,
    value_of_acting,
)
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, HOUR_MS
from tidegate.signals.funding_hold import rule_for_cost

FEW = FundingTrials(scales_annual=(0.2,), windows_days=(120,), steps=(0.05, 0.1))


@pytest.mark.parametrize("horizon_h", [24, 168])
def test_funding_beats_every_rival_on_eight_of_the_ten_largest_coins(
    horizon_h: int, data_root: Path
) -> None:
    """The gate: settings chosen on the first two thirds, all twelve trials counted, judged on the
    last third against yesterday's mean, three EWMAs, AR(1) and the default rate."""
    panel = read_panel(data_root, "hyperliquid", largest_hyperliquid(data_root, 10))
    found = score_funding(panel, horizon_h, FundingTrials())
    assert found.trials == 12
    assert len(found.coins) == 10
    assert found.wins >= 8
    assert 0.75 <= found.coverage <= 0.85


def test_acting_on_the_forecast_was_worth_no_more_than_a_static_edge(data_root: Path) -> None:
    """A negative result, held here so that nobody claims otherwise: at a round trip of 27 bp no
    coin's difference to always collecting funding is above zero over its whole band."""
    panel = read_panel(data_root, "hyperliquid", ("BTC", "ETH", "SOL"))
    forecasts = panel_forecasts(
        panel.prints, panel.at_ms, panel.terms, PanelSettings(horizon_h=168, scale_annual=0.2)
    )
    judged = np.arange(panel.at_ms.size * 2 // 3, panel.at_ms.size - 1)
    values = value_of_acting(panel, forecasts, rule_for_cost(0.0027, 30.0), judged)
    assert len(values) == 3
    assert all(value.difference_low <= 0.0 for value in values)
    assert all(value.static_annual > 0.0 for value in values)


def _written(root: Path, days: int, seed: int = 0, extra: str = "") -> Path:
    """A folder with two coins' prints every eight hours, reverting."""
    rng = np.random.default_rng(seed)
    (root / "funding").mkdir()
    rows = []
    for coin in ("AAA", "BBB"):
        x = 0.0
        for i in range(3 * days):
            x = 0.95 * x + 0.02 * rng.standard_normal()
            rows.append((1_600_000_000_000 // DAY_MS * DAY_MS + i * 8 * HOUR_MS, coin, x))
    values = ", ".join(f"({t}, '{coin}', {(0.11 + x) * 8 / 8760!r}, 8)" for t, coin, x in rows)
    path = root / "funding/funding_hyperliquid.parquet"
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        database.execute(
            f"COPY (SELECT make_timestamptz(t * 1000) AS ts, coin, rate::DOUBLE AS rate, "
            f"interval_h::DOUBLE AS interval_h FROM (VALUES {values}{extra}) "
            f"v(t, coin, rate, interval_h)) TO '{path}' (FORMAT parquet)"
        )
    return root


def test_another_folder_of_the_layout_gives_the_same_kind_of_table(tmp_path: Path) -> None:
    panel = read_panel(_written(tmp_path, 420), "hyperliquid", ("AAA", "BBB"))
    found = score_funding(panel, 24, FEW)
    assert found.trials == 2
    assert [score.coin for score in found.coins] == ["AAA", "BBB"]
    assert found.wins == 2
    assert 0.7 < found.coverage < 0.9
    cut = panel.at_ms.tolist().index(found.judged_from_ms)
    assert found.coins[0].n_judged == panel.at_ms.size - cut - 1


def _written_cex(root: Path) -> Path:
    """Binance BTC over 800 days, its ETH over 100, and a venue whose rule is not known."""
    rng = np.random.default_rng(3)
    (root / "funding").mkdir()
    rows = []
    for venue, symbol, base, days in (
        ("binance", "BTCUSDT", "BTC", 800),
        ("binance", "ETHUSDT", "ETH", 100),
        ("elsewhere", "BTCUSD", "BTC", 800),
    ):
        x = np.zeros(3 * days)
        for i in range(1, x.size):
            x[i] = 0.95 * x[i - 1] + 0.02 * rng.standard_normal()
        rows += [
            f"({i * 8 * HOUR_MS}, '{venue}', '{symbol}', '{base}', {(0.11 + v) * 8 / 8760!r}, 8)"
            for i, v in enumerate(x.tolist())
        ]
    path = root / "funding/funding_cex.parquet"
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        database.execute(
            "COPY (SELECT make_timestamptz(t * 1000) AS ts, venue, symbol, base, "
            "rate::DOUBLE AS rate, interval_h::DOUBLE AS interval_h FROM "
            f"(VALUES {', '.join(rows)}) v(t, venue, symbol, base, rate, interval_h)) "
            f"TO '{path}' (FORMAT parquet)"
        )
    return root


def test_evidence_is_of_every_venue_with_two_years_and_a_known_rule(tmp_path: Path) -> None:
    root = _written_cex(tmp_path)
    assert long_histories(root) == {"binance": ("BTCUSDT",)}
    found = study_funding(root, FEW, 0.0027, (24,))
    assert [(score.venue, score.horizon_h) for score in found.scores] == [("binance", 24)]
    assert (found.trials, found.values, found.refused) == (2, (), ())
    assert study_funding(root, FEW, 0.0027, (24,)) == found


def test_evidence_of_a_folder_without_funding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not found"):
        study_funding(tmp_path, FEW, 0.0027)


def test_a_short_history_is_refused(tmp_path: Path) -> None:
    panel = read_panel(_written(tmp_path, 60), "hyperliquid", ("AAA",))
    with pytest.raises(InsufficientHistory, match="funding study"):
        score_funding(panel, 24, FEW)


def test_a_duplicate_an_unknown_coin_and_an_unknown_venue_are_refused(tmp_path: Path) -> None:
    first = 1_600_000_000_000 // DAY_MS * DAY_MS
    root = _written(tmp_path, 100, extra=f", ({first}, 'AAA', 0.0, 8)")
    with pytest.raises(InputError, match="strictly rising"):
        read_panel(root, "hyperliquid", ("AAA",))
    with pytest.raises(InputError, match="AAA, BBB"):
        read_panel(root, "hyperliquid", ("CCC",))
    with pytest.raises(InputError, match="not found"):
        read_panel(root, "binance", ("BTCUSDT",))
    with pytest.raises(InputError, match="not found"):
        largest_hyperliquid(root, 10)
