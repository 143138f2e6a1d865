# SPDX-License-Identifier: Apache-2.0
"""Doubts about the gate: a day counts once, fresh coins are fresh, and what is absent is told."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest

from tidegate.history.volatility_gate import (
    USED,
    CoinDays,
    GateStudy,
    by_day,
    range_history,
    study_gate,
)
from tidegate.history.volatility_gate_table import lines, main
from tidegate.history.volatility_history import BARS
from tidegate.model.times import DAY_MS, MINUTE_MS

FIRST_MS = 1_704_067_200_000


def _coin(coin: str, first: int, difference: list[float]) -> CoinDays:
    day_ms = DAY_MS * np.arange(first, first + len(difference), dtype=np.int64)
    return CoinDays(coin, day_ms, np.array(difference), 0.2, 0.3)


def test_coins_of_one_day_count_once_so_that_a_copy_adds_no_evidence() -> None:
    one = [_coin("A", 5, [1.0, -2.0, 3.0])]
    day_ms, grid = by_day(one)
    _, twice = by_day([*one, _coin("B", 5, [1.0, -2.0, 3.0])])
    assert grid.tolist() == twice.tolist() == [1.0, -2.0, 3.0]
    assert (day_ms // DAY_MS).tolist() == [5, 6, 7]


def test_days_that_no_coin_knows_stay_holes() -> None:
    _, grid = by_day([_coin("A", 5, [1.0, 3.0]), _coin("B", 6, [5.0]), _coin("C", 9, [2.0])])
    np.testing.assert_array_equal(grid, [1.0, 4.0, np.nan, np.nan, 2.0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Quarter-hours of two coins, and no other file."""
    root, days = tmp_path_factory.mktemp("gate"), 232
    (root / BARS).parent.mkdir(parents=True)
    rng, n = np.random.default_rng(7), 96 * days
    opens = FIRST_MS + 15 * MINUTE_MS * np.arange(n)
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        database.execute("CREATE TABLE bars (ts TIMESTAMPTZ, symbol VARCHAR, close DOUBLE)")
        for coin in ("BTC", "NEW"):
            vol = 0.003 * np.exp(np.repeat(np.cumsum(rng.normal(0.0, 0.06, days)), 96))
            close = 100.0 * np.exp(np.cumsum(vol * rng.standard_normal(n)))
            database.execute(
                "INSERT INTO bars SELECT to_timestamp(unnest(?::BIGINT[]) / 1000.0),"
                f" '{coin}USDT', unnest(?::DOUBLE[])",
                [opens.tolist(), close.tolist()],
            )
        database.execute(f"COPY bars TO '{root / BARS}' (FORMAT parquet)")
    return root


@pytest.fixture(scope="module")
def made(folder: Path) -> GateStudy:
    return study_gate(folder, ("BTC",))


def test_fresh_sample_holds_the_other_coin_alone_from_the_last_third_on(made: GateStudy) -> None:
    same = [row for row in made.fresh if row.sample == "same days"]
    assert [row.model for row in same] == [doubt.model for doubt in made.doubts]
    for row in same:
        assert set(row.gains) == {"NEW"}
        assert row.window[0] > made.split
        assert row.better_on == sum(gain > 0.0 for gain in row.gains.values())
    assert len(made.refused) == 2
    assert made.tests == sum(row.test is not None for row in made.fresh)


def test_table_tells_power_heavy_days_and_what_is_absent(
    made: GateStudy, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "\n".join(lines(made))
    for doubt in made.doubts:
        assert doubt.model in text
        assert all(day.date in text and day.date > made.split for day in doubt.heavy)
        assert sum(day.share for day in doubt.heavy) <= 1.0
    assert "not made: ohlcv/hyperliquid_perp_1h.parquet" in text
    assert main(["--data", str(folder / "none")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_range_of_a_day_tells_variance_and_return_and_nothing_else(data_root: Path) -> None:
    m = range_history(data_root, "LINK", FIRST_MS).measures
    assert int(m.start_ms[0]) == FIRST_MS
    assert np.isfinite(m.variance).mean() > 0.99
    assert np.isnan(m.quarticity).all()
    assert np.nanmean(m.return_log**2) == pytest.approx(np.nanmean(m.variance), rel=0.5)


@pytest.mark.soak
def test_published_doubts_are_what_the_real_folder_gives(data_root: Path) -> None:
    """The figures of docs/forecasts.md; it walks every model over seventy coins."""
    found = study_gate(data_root, USED)
    first, second = found.doubts
    assert (first.test.p_value > 0.05, second.test.p_value < 0.05) == (True, True)
    assert all(each.significant > 0.95 for each in (*first.powers, *first.noisy_powers))
    assert [day.date for day in first.heavy[:2]] == ["2026-02-28", "2026-01-31"]
    fresh = {(row.sample, row.model): row for row in found.fresh}
    assert all(row.gain > 0.1 for row in fresh.values())
    assert found.tests == len(fresh) == 6
    called = {key for key, row in fresh.items() if row.test and 6 * row.test.p_value < 0.05}
    assert called == {("same days", "pool"), ("hourly", "pool")}
