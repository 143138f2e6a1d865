# SPDX-License-Identifier: Apache-2.0
"""Crises on real history: which book the data allow, and how good the price of its coins is."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pytest

from tidegate.backtest.crisis.history import REPLAYS, history_contest
from tidegate.backtest.crisis.playing import Job, play_job
from tidegate.backtest.experiment import Spec
from tidegate.backtest.trial.contest import Contest
from tidegate.backtest.trials import ledger_path, read_trials
from tidegate.model.times import HOUR_MS

SPOT_BP_MAX = 11.0
# The worst of the leading coin after the crisis' begin, at the mark.
FELL = {"2024-08-05": -0.13, "2025-02-03": -0.05, "2026-02-05": -0.13}


@cache
def replayed(name: str, data_root: Path) -> Contest:
    return history_contest(name, data_root, 1)


@pytest.mark.parametrize("name", REPLAYS)
def test_replay_holds_each_coin_hedged_and_its_window_has_the_measured_fall(
    name: str, data_root: Path
) -> None:
    contest = replayed(name, data_root)
    tape, instruments = contest.experiment.tape, contest.experiment.arrangement.terms.instruments
    coins = {"BTC", "ETH", "SOL"} - set(REPLAYS[name].without)
    assert {instruments[long].base for long, _ in contest.pairs} == coins
    assert all(instruments[a].base == instruments[b].base for a, b in contest.pairs)
    begin = tape.step_at(contest.crisis_start_ms or 0)
    lows = np.array(tape.tracks["binance:BTCUSDT"].mark_low[begin:])
    opened = tape.tracks["binance:BTCUSDT"].open[begin]
    assert lows.min() / opened - 1.0 < FELL[name]


def test_mark_that_prices_coins_stands_within_eleven_basis_points_of_real_spot(
    data_root: Path,
) -> None:
    """The figure in `history.py`: Binance's BTC spot at the closes of its bars of two hours."""
    contest = replayed("2024-08-05", data_root)
    bars = contest.experiment.market.bars["binance-spot:BTCUSDT"]
    at = {int(t) + HOUR_MS: float(c) for t, c in zip(bars.open_ms, bars.close, strict=True)}
    path = data_root / "ohlcv" / "btc_spot_2h.parquet"
    rows = duckdb.execute(
        "select epoch_ms(ts) + 7200000, close from read_parquet(?) where venue = 'binance'",
        [str(path)],
    ).fetchall()
    start = contest.experiment.tape.start_ms
    apart = [abs(at[t] / close - 1.0) for t, close in rows if t in at and t > start]
    assert len(apart) > 80
    assert max(apart) * 1e4 < SPOT_BP_MAX
    assert 3.0 < float(np.median(apart)) * 1e4 < 5.0


def test_runs_on_history_are_counted_as_trials(data_root: Path) -> None:
    job = Job("2025-02-03", "history", 1, (Spec("cash"), Spec("fixed", 2.5)), str(data_root))
    before = {trial.id for trial in read_trials(ledger_path()).trials}
    rows = play_job(job)
    assert [row.failed for row in rows] == [None, None]
    assert rows[1].collateral > 0.9
    made = [t for t in read_trials(ledger_path()).trials if t.id not in before]
    assert [trial.policy for trial in made] == ["cash", "fixed 2.5"]
