# SPDX-License-Identifier: Apache-2.0
"""Volatility forecasts on real bars pass the gate, and a folder of any length is met as said."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import numpy as np
import pytest

from tidegate.forecast.errors import InsufficientHistory
from tidegate.forecast.experts import BASELINE, POOL, WEEK
from tidegate.history.forecast_study import LOOKS, ForecastStudy, study_volatility
from tidegate.history.forecast_table import document, lines, main
from tidegate.history.volatility_history import BARS, history_files, read_volatility_history
from tidegate.model.errors import InputError
from tidegate.model.times import DAY_MS, HOUR_MS, MINUTE_MS

COINS = ("BTC", "ETH")


@pytest.fixture(scope="module")
def study(data_root: Path) -> ForecastStudy:
    """One day ahead on both coins; the whole study takes a few seconds."""
    return study_volatility(data_root, COINS)


def test_pool_is_what_the_first_two_thirds_choose(study: ForecastStudy) -> None:
    assert study.chosen == POOL
    assert [card.model for card in study.cards if card.held_out is not None] == [POOL]


@pytest.mark.parametrize("coin", COINS)
def test_chosen_model_is_8_percent_better_than_har_over_the_whole_walk(
    study: ForecastStudy, coin: str
) -> None:
    found = study.score("whole", study.chosen, coin)
    assert found.n_scored > 400
    assert found.gain >= 0.08
    assert found.test is not None
    assert found.test.p_value < 0.05


def test_chosen_model_is_better_in_the_last_third_even_if_picked_there(
    study: ForecastStudy,
) -> None:
    """All fifteen models had been seen there once, so p is multiplied by that many."""
    assert all(study.score("held_out", study.chosen, coin).gain > 0.0 for coin in COINS)
    assert study.pooled is not None
    assert study.pooled.mean_difference < 0.0
    assert LOOKS * study.pooled.p_value < 0.05


def test_best_mean_of_the_first_two_thirds_is_better_afterwards_but_not_significantly(
    study: ForecastStudy,
) -> None:
    """The negative result that the first rule of choice gave; docs/forecasts.md tells it."""
    means = {
        row.model: np.mean([study.score("tuning", row.model, coin).qlike for coin in COINS])
        for row in study.tuning
        if len([1 for other in study.tuning if other.model == row.model]) == len(COINS)
    }
    assert min(means, key=lambda name: means[name]) == WEEK
    later = [study.score("held_out", WEEK, coin) for coin in COINS]
    assert all(row.gain > 0.0 for row in later)
    assert all(row.test is not None and row.test.p_value > 0.05 for row in later)


def test_pool_regret_is_within_its_bound_at_every_day(study: ForecastStudy) -> None:
    for walked in study.coins:
        assert np.all(walked.pool.regret <= walked.pool.bound + 1e-9)


def test_bands_of_80_percent_hold_75_to_90_percent_of_outcomes(study: ForecastStudy) -> None:
    for coin in COINS:
        for model in (WEEK, POOL, BASELINE):
            assert 0.75 < study.score("whole", model, coin).coverage < 0.9


def test_status_of_the_pool_allows_capital_and_of_the_baselines_nothing(
    study: ForecastStudy,
) -> None:
    status = {card.model: card.status for card in study.cards}
    assert status[POOL] == "capital"
    assert {status[name] for name in ("random walk", "EWMA", "GARCH")} == {"observed"}


def test_table_and_document_say_the_same(study: ForecastStudy) -> None:
    text, found = "\n".join(lines(study)), document(study)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert f"chosen on the first two thirds: {found['chosen']}" in text
    for row in found["scores"]["whole"]:
        assert f"{row['qlike']:.4f}" in text
    for forecast in found["forecasts"]:
        low, middle, high = forecast["band_vol_annual"]
        assert low < middle < high
        assert low < forecast["vol_annual"] < high


FIRST_MS = 1_704_067_200_000


def _folder(root: Path, days: int, change: str = "") -> Path:
    """A data folder with made-up quarter-hours of BTC; `change` is SQL on the rows `bars`."""
    n, rng = 96 * days, np.random.default_rng(7)
    vol = 0.003 * np.exp(np.repeat(np.cumsum(rng.normal(0.0, 0.06, days)), 96))
    close = 100.0 * np.exp(np.cumsum(vol * rng.standard_normal(n)))
    opens = FIRST_MS + 15 * MINUTE_MS * np.arange(n)
    _write(root / BARS, "BTCUSDT", (opens, close, "close"), change)
    return root


def _write(
    path: Path, symbol: str, columns: tuple[np.ndarray, np.ndarray, str], change: str = ""
) -> None:
    ts_ms, values, name = columns
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as database:
        database.execute("set timezone = 'UTC'")
        database.execute(
            "create table bars as select to_timestamp(unnest(?::bigint[]) / 1000.0) as ts,"
            f" '{symbol}' as symbol, unnest(?::double[]) as {name}",
            [ts_ms.tolist(), values.tolist()],
        )
        for statement in filter(None, change.split(";")):
            database.execute(statement)
        database.execute(f"copy bars to '{path}' (format parquet)")


def test_another_folder_gets_the_same_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _folder(tmp_path, 230)
    assert main(["--data", str(tmp_path), "--coins", "BTC"]) == 0
    out = capsys.readouterr().out
    # 26 days before a month is nine tenths there, then 120 targets of one day.
    assert "first forecast was on 2024-05-26 (BTC)" in out
    for part in ("whole walk-forward", "first two thirds", "last third", "chosen on", "regret"):
        assert part in out
    (tmp_path / "copy" / BARS).parent.mkdir(parents=True)
    (tmp_path / "copy" / BARS).write_bytes((tmp_path / BARS).read_bytes())
    assert main(["--data", str(tmp_path / "copy"), "--coins", "BTC"]) == 0
    assert capsys.readouterr().out == out
    assert main(["--data", str(tmp_path), "--coins", "BTC", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["forecasts"][0]["as_of"] == "2024-08-18T00:00:00Z"
    assert {card["status"] for card in found["cards"]} <= {"observed", "buffers", "capital"}


def test_short_folder_is_refused_in_one_line_that_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _folder(tmp_path, 160)
    assert main(["--data", str(tmp_path), "--coins", "BTC"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "BTC" in error
    assert "expected at least 60 of HAR, got 13" in error


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("insert into bars select * from bars limit 3", "one bar per open"),
        ("update bars set ts = ts + interval 1 minute where rowid = 9", "one bar per open"),
        ("update bars set close = 0 where rowid = 9", "above zero"),
        ("update bars set close = null where rowid = 9", "finite"),
        ("update bars set symbol = 'XYZUSDT'", "BTCUSDT"),
    ],
)
def test_damaged_bars_are_refused_by_file_and_field(
    tmp_path: Path, change: str, message: str
) -> None:
    _folder(tmp_path, 3, change)
    with pytest.raises(InputError, match=message):
        read_volatility_history(tmp_path, "BTC")


def test_missing_bars_are_holes_and_a_day_under_way_is_left_out(tmp_path: Path) -> None:
    last = FIRST_MS + 5 * DAY_MS
    gone = f"delete from bars where epoch_ms(ts) between {FIRST_MS + 2 * DAY_MS} and "
    gone += f"{FIRST_MS + 3 * DAY_MS}; delete from bars where epoch_ms(ts) >= {last - HOUR_MS}"
    found = read_volatility_history(_folder(tmp_path, 5, gone), "BTC").measures
    assert len(found) == 4
    assert np.isfinite(found.variance).tolist() == [True, True, False, True]
    hours = read_volatility_history(tmp_path, "BTC", HOUR_MS).measures
    assert len(hours) == 5 * 24 - 1


def test_dvol_is_laid_on_its_own_days_and_left_out_where_absent(tmp_path: Path) -> None:
    _folder(tmp_path, 4)
    assert read_volatility_history(tmp_path, "BTC").implied_variance is None
    assert history_files(tmp_path, "BTC") == (BARS,)
    days = FIRST_MS + DAY_MS * np.array([-1, 1, 3, 9])
    path = tmp_path / "index" / "deribit_btc_dvol_1d.parquet"
    _write(path, "BTC_DVOL", (days, np.array([50.0, 36.5, 73.0, 90.0]), "dvol"))
    found = read_volatility_history(tmp_path, "BTC").implied_variance
    assert found is not None
    expected = [np.nan, 0.365**2 / 365.0, np.nan, 0.73**2 / 365.0]
    assert found == pytest.approx(np.array(expected), nan_ok=True)
    assert len(history_files(tmp_path, "BTC")) == 2


def test_absent_file_and_no_coins_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not found"):
        study_volatility(tmp_path, ("BTC",))
    with pytest.raises(InputError, match="at least one"):
        study_volatility(tmp_path, ())
    _folder(tmp_path, 4)
    with pytest.raises(InsufficientHistory, match="expected at least 60"):
        study_volatility(tmp_path, ("BTC",))
