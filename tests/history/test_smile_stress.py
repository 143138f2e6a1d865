# SPDX-License-Identifier: Apache-2.0
"""Slope and skew of implied volatility: known smiles are met, and later snapshots have no say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tidegate.history.chain_window import ChainSnapshot
from tidegate.history.daily_bars import DailyBars
from tidegate.history.forecast_command import stress_lines
from tidegate.history.smile_stress import features_of, read_perpetual_days, smile_of
from tidegate.history.stress_study import StressScores, score_smiles
from tidegate.history.volatility_history import EVER
from tidegate.model.times import DAY_MS, HOUR_MS

FIRST_MS = 20_000 * DAY_MS
EXPIRIES = (3, 10, 45)


def _snapshot(ts_ms: int, vols: tuple[float, ...], tilt: float = 0.0) -> ChainSnapshot:
    """Calls and puts at 41 strikes of each expiry, with vol = atm - tilt k."""
    k = np.linspace(-1.0, 1.0, 41)
    rows = [(days, x, call, vol - tilt * x) for days, vol in zip(EXPIRIES, vols, strict=True)
            for x in k for call in (False, True)]  # fmt: skip
    days, x, call, vol = (np.array(column) for column in zip(*rows, strict=True))
    unknown = np.full(x.size, np.nan)
    forward = np.full(x.size, 100.0)
    expiry_ms = ts_ms + days.astype(np.int64) * DAY_MS
    return ChainSnapshot(
        ts_ms, "BTC", 100.0, expiry_ms, 100.0 * np.exp(x), call, unknown, unknown, unknown, vol,
        forward,
    )  # fmt: skip


def _bars(days: int) -> DailyBars:
    width = np.exp(0.02 + 0.01 * np.sin(np.arange(days)))
    close = np.full(days, 100.0)
    day_ms = FIRST_MS + DAY_MS * np.arange(days, dtype=np.int64)
    return DailyBars(day_ms, close * width, close / width, close, close)


def test_flat_vols_have_themselves_at_each_maturity_and_no_reversal() -> None:
    smile = smile_of(_snapshot(FIRST_MS, (0.5, 0.5, 0.5)))
    assert smile.atm_vol_short == pytest.approx(0.5)
    assert smile.atm_vol_long == pytest.approx(0.5)
    assert smile.risk_reversal == pytest.approx(0.0, abs=1e-12)


def test_inverted_term_structure_and_dear_puts_raise_slope_and_skew() -> None:
    bars = _bars(40)
    calm = [_snapshot(int(t) + HOUR_MS, (0.5, 0.5, 0.5)) for t in bars.day_ms]
    feared = [_snapshot(int(t) + HOUR_MS, (0.9, 0.7, 0.5), 0.3) for t in bars.day_ms]
    plain, worse = features_of(calm, bars), features_of(feared, bars)
    assert np.all(worse["IV slope"] > 1.1 * plain["IV slope"])
    assert np.all(worse["IV skew"] > 0.02)
    assert plain["IV skew"] == pytest.approx(np.zeros(40), abs=1e-12)


def test_maturities_that_no_expiries_surround_are_not_known() -> None:
    snapshot = _snapshot(FIRST_MS, (0.5, 0.5, 0.5))
    near = snapshot.expiry_ms <= FIRST_MS + 10 * DAY_MS
    names = ("expiry_ms", "strike_usd", "is_call", "bid", "ask", "mark", "vol_annual")
    cut = {name: getattr(snapshot, name)[near] for name in (*names, "forward_usd")}
    smile = smile_of(replace(snapshot, **cut))
    assert np.isfinite(smile.atm_vol_short)
    assert np.isnan([smile.atm_vol_long, smile.risk_reversal]).all()


def test_later_snapshots_and_bars_have_no_say() -> None:
    bars, row = _bars(60), 41
    snapshots = [_snapshot(int(t) + HOUR_MS, (0.5, 0.6, 0.5), 0.2) for t in bars.day_ms]
    changed = [
        each if i <= row else _snapshot(each.ts_ms, (0.9, 0.3, 0.5), -0.2)
        for i, each in enumerate(snapshots)
    ]
    later = np.arange(60) > row
    high = np.where(later, 3.0 * bars.high, bars.high)
    before = features_of(snapshots, bars)
    after = features_of(changed, replace(bars, high=high))
    for name, values in before.items():
        np.testing.assert_array_equal(values[: row + 1], after[name][: row + 1], err_msg=name)
        assert np.isfinite(values[: row + 1]).any()
        assert not np.array_equal(values[row + 1 :], after[name][row + 1 :])


def test_real_months_hold_one_episode_of_expansion_and_so_no_interval(data_root: Path) -> None:
    """Why slope and skew can be scored, and not judged: docs/forecasts.md has the figures."""
    scores = {(each.label, each.features): each.score for each in score_smiles(data_root, "BTC")}
    assert len(scores) == 6
    slope = scores["expansion", "IV slope"]
    assert slope is not None
    assert 60 < slope.n < 100
    assert slope.episodes <= 1
    assert np.isnan(slope.auc.low)
    assert 0.5 < slope.auc.value < 1.0
    told = "\n".join(stress_lines(StressScores((), (), tuple(score_smiles(data_root, "BTC")))))
    assert "[no interval]" in told
    assert "nan" not in told


def test_day_of_the_perpetual_that_lacks_a_bar_is_a_hole(data_root: Path) -> None:
    bars = read_perpetual_days(data_root, "BTC", EVER)
    hole = np.isnan(bars.close)
    assert np.all(np.diff(bars.day_ms) == DAY_MS)
    assert 170 < hole.sum() < 190
    assert np.array_equal(np.isnan(bars.high), hole)
    assert np.all(bars.high[~hole] >= bars.low[~hole])


def test_folder_without_chains_has_no_scores(tmp_path: Path) -> None:
    assert list(score_smiles(tmp_path, "BTC")) == []
